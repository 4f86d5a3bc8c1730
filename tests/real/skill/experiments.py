"""All experiments: what is fitted on which rows, and what it says of others."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.fit.calibration.errors import MEDIANS
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN, Estimated
from oggm_glaunti.fit.calibration.priors import priors_around
from oggm_glaunti.fit.calibration.sites import GlacierSite
from tests.real.skill import splits
from tests.real.skill.alternatives import boosted_trees, daily_ti, monthly_ti
from tests.real.skill.hierarchical import fitted, hierarchical, name_of, no_fit, of_fit, with_intervals
from tests.real.skill.judging import Judged, add, joined, judge
from tests.real.skill.own_mean import WAYS, with_own_mean
from tests.real.skill.scores import LEVELS, Predicted
from tests.real.skill.sites import SkillSet, load, published

FIT, NO_FIT = "GlaUnTI", "no fit"
METHODS = {
    NO_FIT: no_fit,
    FIT: hierarchical,
    "monthly TI": monthly_ti,
    "daily TI": daily_ti,
    "boosted trees": boosted_trees,
}
REGIONS = ("trio", "ch", "norway")
LOGO, OTHER_YEARS, BOTH = "unseen glaciers", "own other years", "unseen glaciers and years"
LOGO_SEASONS = "unseen glaciers, fitted to winters and summers alone"
FEW, FEW_MORE = "five stakes of one year", "five stakes of one year and the region"
OWN_MEAN, PEERS, FEW_DATA = "own mean balance", "published by their authors", "few observations"
BY_ANNUAL, BY_SEASONS = "other half, by annual", "other half, by winter + summer"
SPLITS: dict[str, Callable] = {
    LOGO: splits.leave_one_glacier_out,
    OTHER_YEARS: splits.own_other_years,
    BOTH: splits.unseen_glaciers_and_years,
}
DEFAULT_WAY = "region, both, by spread"
PEER_FILES = {"OGGM": ("RGIID", "year"), "PyGEM": ("RGIID", "Year"), "GloGEM": ("ID", "Year")}


class Key(NamedTuple):
    """Set of glaciers, what was known of them, and method."""

    set: str
    test: str
    method: str


def experiments(folder: Path | None, shared: Path) -> Iterator[tuple[Key, Judged]]:
    """Run everything; progress goes to standard error."""
    sets = {name: load(name, folder) for name in (*REGIONS, "norway_wide", "aletsch")}
    for name in REGIONS:
        for test, split in SPLITS.items():
            for method, of in METHODS.items():
                if method != NO_FIT or test == LOGO:
                    yield _run(Key(name, test, method), partial(judge, sets[name], split, of))
        for test, with_region in ((FEW, False), (FEW_MORE, True)):
            split = partial(splits.few_stakes, with_region=with_region)
            yield _run(Key(name, test, FIT), partial(judge, sets[name], split, hierarchical))
    by_seasons = partial(judge, sets["norway"], splits.by_seasons, hierarchical)
    yield _run(Key("norway", LOGO_SEASONS, FIT), by_seasons)
    for test, seasons in ((BY_ANNUAL, ("annual",)), (BY_SEASONS, ("winter", "summer"))):
        split = partial(splits.halves, seasons=seasons)
        for method in (FIT, "monthly TI", "daily TI"):
            yield _run(Key("aletsch", test, method), partial(judge, sets["aletsch"], split, METHODS[method]))
    for name in REGIONS:
        yield from own_means(sets[name], sets[name])
    ours = dict(own_means(sets["norway_wide"], sets["norway"]))
    yield from ours.items()
    yield from peers(ours[Key("norway_wide", OWN_MEAN, DEFAULT_WAY)]["rows"], shared)
    yield from few_data(sets["aletsch"], sets["ch"])


def _run(key: Key, call: Callable[[], Judged]) -> tuple[Key, Judged]:
    start = time.perf_counter()
    result = call()
    print(f"{', '.join(key)}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return key, result


def expected_a_priori() -> Estimated:
    """The distribution of parameters of a glacier of which nothing is known."""
    priors = priors_around(published())
    sd = priors.sd * np.hypot(1.0, BETWEEN)
    return Estimated(priors.names, priors.mean, sd, priors.mean, np.diag(sd**2))


def own_means(judged: SkillSet, region: SkillSet) -> Iterator[tuple[Key, Judged]]:
    """Each glacier with its own mean balance, from what is expected a priori and from the region's other glaciers."""
    parts: dict[str, dict[str, list[pd.DataFrame]]] = {}
    for glacier in judged.sites:
        others = [other for other in region.sites if name_of(other) != name_of(glacier)]
        found = fitted(others)
        starts = {"a priori": (expected_a_priori(), MEDIANS), "region": (found.unseen(), found.sizes)}
        for start, (numbers, sizes) in starts.items():
            said = {f"{start}, without": with_intervals(sizes, numbers, glacier)}
            for way, of in WAYS.items():
                said[f"{start}, {way}"] = with_own_mean(numbers, sizes, glacier, of)
            for label, predicted in said.items():
                add(parts.setdefault(label, {level: [] for level in LEVELS}), glacier, predicted)
    for label, tables in parts.items():
        yield Key(judged.name, OWN_MEAN, label), joined(tables)


def peers(ours: pd.DataFrame, shared: Path) -> Iterator[tuple[Key, Judged]]:
    """Balances of whole glaciers by other models, as their authors computed them, and ours in the same years."""
    for name, (glacier, year) in PEER_FILES.items():
        path = shared / "data" / "norway_peers" / f"{name.upper()}.csv"
        names = {glacier: "glacier", year: "year", "Ba": "annual", "Bw": "winter", "Bs": "summer"}
        table = pd.read_csv(path).rename(columns=names).melt(["glacier", "year"], ["annual", "winter", "summer"])
        table = table.rename(columns={"variable": "season", "value": "theirs"})
        both = ours.merge(table, on=["glacier", "season", "year"])
        yield Key("norway_wide", PEERS, name), {"rows": both.assign(modelled=both["theirs"], se=np.nan)}
        yield Key("norway_wide", PEERS, f"{FIT} in the years of {name}"), {"rows": both}


def few_data(aletsch: SkillSet, stakes: SkillSet) -> Iterator[tuple[Key, Judged]]:
    """Stakes of Grosser Aletsch by observations of other sorts."""
    rows, own = aletsch.rows, (stakes.rows["glacier"] == "aletsch").to_numpy()
    (judged,), others = stakes.where(own).sites, stakes.where(~own).sites
    wide, season = rows["kind"] == "glacier-wide", rows["season"]
    geodetic, annual, seasons = (
        aletsch.where(keep.to_numpy()).sites
        for keep in (rows["kind"] == "geodetic", wide & (season == "annual"), wide & (season != "annual"))
    )
    known = {
        "geodetic balance 2000-2019": geodetic,
        "39 annual balances": annual,
        "39 winters and summers": seasons,
        "the region's stakes": others,
        "the same, geodetic balance": [*others, *geodetic],
    }
    nothing = with_intervals(MEDIANS, expected_a_priori(), judged)
    yield Key("aletsch", FEW_DATA, "nothing"), _tables(judged, nothing)
    same = judged._replace(used=judged.used.assign(glacier=name_of(geodetic[0])))
    for label, sites in known.items():
        yield Key("aletsch", FEW_DATA, label), _tables(judged, of_fit(fitted(sites), sites)(same))
    five = judge(stakes.where(own), splits.few_stakes, hierarchical)
    yield Key("aletsch", FEW_DATA, FEW), five


def _tables(glacier: GlacierSite, predicted: Predicted) -> Judged:
    parts: dict[str, list[pd.DataFrame]] = {level: [] for level in LEVELS}
    add(parts, glacier, predicted)
    return joined(parts)
