"""Parameters fitted on one part of the observations and judged on the other: ``python -m tests.real.fits``.

Grosser Aletsch, every other year; and three glaciers of the Rofental, each by the other two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from oggm_glaunti.fit.calibration.priors import SPREAD
from tests import glaciers
from tests.real.measured import prepared_aletsch, timed

SEASONS = ("annual", "winter", "summer")
TWO, THREE = ("ddf_snow", "prec_scale"), ("ddf_snow", "prec_scale", "temp_gradient")
GEODETIC = -1.2107, 0.1315  # m w.e. a year, 2000-2020: mb_calib.json of the shared directory (Hugonnet et al. 2021)


class Case(NamedTuple):
    """A model with its corrections and its day."""

    model: str
    corrector: str
    variant: str = "smooth"


# --- Grosser Aletsch -------------------------------------------------------------------------------------------------


def aletsch_observations(shared: Path) -> pd.DataFrame:
    """GLAMOS 1982-2020 as the package reads them, with the number of the year (0 to 38) in a column ``number``."""
    from oggm_glaunti.fit.readers import read_glamos

    table = read_glamos(shared / "data" / "glamos_massbalance" / "massbalance_observation.csv").observations
    table = table[table["glacier"].str.contains("Aletsch") & table["end"].dt.year.between(1982, 2020)]
    ends = np.sort(table.loc[table["season"] == "annual", "end"].to_numpy())
    assert ends.size == 39, f"expected 39 years, found {ends.size}"
    return table.assign(glacier=glaciers.ALETSCH, number=np.searchsorted(ends, table["end"].to_numpy()))


def geodetic_observation() -> pd.DataFrame:
    """The geodetic balance of Grosser Aletsch as one observation."""
    from oggm_glaunti.fit.observations import as_observations

    years = 20.0
    row = {"glacier": [glaciers.ALETSCH], "kind": "geodetic", "begin": "2000-01-01", "end": "2019-12-31"}
    return as_observations({**row, "value": GEODETIC[0] * years, "sigma": GEODETIC[1] * years, "source": "Hugonnet"})


class Half(NamedTuple):
    """Observations to fit to and to judge by, without the column of numbers."""

    fit: pd.DataFrame
    test: pd.DataFrame


def halves(table: pd.DataFrame) -> list[Half]:
    """Fit on the odd years and test on the even ones, and the reverse; counted from 0."""
    odd = (table["number"] % 2 == 1).to_numpy()
    plain = table.drop(columns="number")
    return [Half(plain[odd], plain[~odd]), Half(plain[~odd], plain[odd])]


def by_season(table: pd.DataFrame) -> dict[str, Any]:
    """Scores of the modelled values of each season."""
    from oggm_glaunti.fit.evaluation.scores import scores

    groups = {season: table[table["season"] == season] for season in SEASONS}
    return {season: scores(rows["modelled"], rows["value"]) for season, rows in groups.items()}


def targets(half: Half) -> dict[str, pd.DataFrame | None]:
    """What a model is calibrated on."""
    seasons = half.fit[half.fit["season"] != "annual"]
    return {
        "uncalibrated": None,
        "annual": half.fit[half.fit["season"] == "annual"],
        "winter + summer": seasons,
        # An annual balance is the sum of its seasons: it would count them twice.
        "seasons + geodetic": pd.concat([seasons, geodetic_observation()], ignore_index=True),
    }


def aletsch_case(gdir: Any, case: Case, half: Half, observations: pd.DataFrame | None, free: Sequence[str]) -> dict:
    """One model, calibrated on some observations (None: as published), judged on the test rows."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti, modelled

    suffix = ""
    if observations is not None:
        suffix = "_fit"
        fit_glaunti(gdir, observations=observations, free=free, filesuffix=suffix, mb_kwargs=case._asdict())
    chosen = {**case._asdict(), "mb_params_filesuffix": suffix}
    return by_season(modelled(gdir, half.test, published=not suffix, mb_kwargs=chosen))


def aletsch_simple(gdir: Any, half: Half) -> dict[str, dict[str, Any]]:
    """What needs no calibration of the model: A minus its mean error, and a regression on A's winter and summer."""
    from oggm_glaunti.fit.calibration.tasks import modelled
    from oggm_glaunti.fit.evaluation.scores import scores

    known, asked = (
        modelled(gdir, part, mb_kwargs={"model": "A"}, published=True).pivot_table(
            index=part["end"].dt.year.to_numpy(), columns="season", values=["value", "modelled"]
        )
        for part in half
    )
    error = (known["modelled", "annual"] - known["value", "annual"]).mean()
    shifted = asked["modelled", "annual"] - error
    design = [
        np.column_stack([t["modelled", "winter"], t["modelled", "summer"], np.ones(len(t))]) for t in (known, asked)
    ]
    coefficients = np.linalg.lstsq(design[0], known["value", "annual"], rcond=None)[0]
    observed = asked["value", "annual"]
    return {
        "A minus its mean error": {"annual": scores(shifted, observed)},
        "regression on A's winter and summer": {"annual": scores(design[1] @ coefficients, observed)},
    }


def aletsch_baselines(gdir: Any, half: Half, observations: pd.DataFrame, free: Sequence[str]) -> dict[str, dict]:
    """OGGM's temperature index with monthly and daily temperatures, calibrated on the same rows."""
    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.fit.calibration.sites import glacier_site

    from . import baselines

    mb_model = GlaUnTIMassBalance(gdir, model="A", check_calib_params=False)
    known, asked = (glacier_site(gdir, mb_model, part) for part in (observations, half.test))
    results = {}
    for name, site_of in (("monthly TI", baselines.monthly_means), ("daily TI", lambda glacier: glacier.site)):
        numbers = baselines.fit([site_of(known)], [known.rows], free)
        results[name] = by_season(asked.used.assign(modelled=baselines.predictions(numbers, site_of(asked))))
    return results


def aletsch(gdir: Any, shared: Path, cases: dict[str, Case], free: Sequence[str]) -> Iterator[tuple[str, str, list]]:
    """Every model and every way to calibrate it: name, what it was calibrated on, scores on both halves."""
    both = halves(aletsch_observations(shared))
    simple = [aletsch_simple(gdir, half) for half in both]
    for name in simple[0]:
        yield name, "annual", [result[name] for result in simple]
    for target in list(targets(both[0]))[1:3]:
        results = [aletsch_baselines(gdir, half, targets(half)[target], TWO) for half in both]
        for name in results[0]:
            yield name, target, [result[name] for result in results]
    for name, case in cases.items():
        for target in targets(both[0]):
            yield name, target, [aletsch_case(gdir, case, half, targets(half)[target], free) for half in both]
    every = [aletsch_case(gdir, Case("A", "off"), half, targets(half)["annual"], ALL) for half in both]
    yield "A, all parameters", "annual", every


# --- transfer between the glaciers of the Rofental -------------------------------------------------------------------


def rofental_observations(gdirs: dict[str, Any], shared: Path) -> pd.DataFrame:
    """WGMS bands 2015-2020 and winter balances of the three glaciers; the weather is uncertain and ends in 2022."""
    from oggm_glaunti.fit.readers import read_wgms_balances, read_wgms_profiles

    wgms = shared / "data" / "oggm-sample-data" / "wgms"
    tables = []
    for name, gdir in gdirs.items():
        number, label = glaciers.ROFENTAL_WGMS[name], {"glacier": gdir.rgi_id, "default_dates": True}
        bands = read_wgms_profiles(wgms / "mb_profiles" / f"profile_WGMS-{number}.csv", **label).observations
        whole = read_wgms_balances(wgms / "mbdata" / f"mbdata_WGMS-{number}.csv", **label).observations
        tables += [bands, whole[whole["season"] == "winter"]]
    table = pd.concat(tables, ignore_index=True)
    return table[table["end"].dt.year.between(2015, 2020)]


class Fit(NamedTuple):
    """What is fitted to what."""

    free: Sequence[str]
    winter: bool


def held_out(gdirs: dict[str, Any], table: pd.DataFrame, case: Case, fit: Fit | None) -> pd.DataFrame:
    """Bands of each glacier, modelled with the parameters of the other two (None: as published)."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti_region, modelled

    bands, parts = table[table["kind"] == "point"], []
    for name, gdir in gdirs.items():
        suffix = ""
        if fit is not None:
            suffix = "_others"
            others = [other for key, other in gdirs.items() if key != name]
            fit_glaunti_region(
                [gdir],
                observations=table if fit.winter else bands,
                fit_on=others,
                free=fit.free,
                filesuffix=suffix,
                mb_kwargs=case._asdict(),
            )
        chosen = {**case._asdict(), "mb_params_filesuffix": suffix}
        parts.append(modelled(gdir, bands, published=not suffix, mb_kwargs=chosen).assign(glacier=name))
    return pd.concat(parts, ignore_index=True)


def held_out_baselines(gdirs: dict[str, Any], table: pd.DataFrame, fit: Fit) -> dict[str, pd.DataFrame]:
    """The same for OGGM's temperature index with monthly and daily temperatures."""
    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.fit.calibration.sites import glacier_site

    from . import baselines

    bands = table[table["kind"] == "point"]
    models = {name: GlaUnTIMassBalance(gdir, model="A", check_calib_params=False) for name, gdir in gdirs.items()}
    known, asked = (
        {name: glacier_site(gdir, models[name], rows) for name, gdir in gdirs.items()}
        for rows in (table if fit.winter else bands, bands)
    )
    results = {}
    for label, site_of in (("monthly TI", baselines.monthly_means), ("daily TI", lambda glacier: glacier.site)):
        parts = []
        for name in gdirs:
            others = [known[other] for other in gdirs if other != name]
            numbers = baselines.fit([site_of(o) for o in others], [o.rows for o in others], fit.free)
            values = baselines.predictions(numbers, site_of(asked[name]))
            parts.append(asked[name].used.assign(modelled=values, glacier=name))
        results[label] = pd.concat(parts, ignore_index=True)
    return results


def transfer_scores(rows: pd.DataFrame) -> dict[str, Any]:
    """Scores of all held-out bands together and of each glacier."""
    from oggm_glaunti.fit.evaluation.scores import scores

    groups = {"all": rows, **dict(iter(rows.groupby("glacier")))}
    return {name: scores(group["modelled"], group["value"]) for name, group in groups.items()}


FITS = {
    "melt_f, prcp_fac": Fit(TWO, winter=False),
    "+ lapse rate": Fit(THREE, winter=False),
    "+ lapse rate, winter": Fit(THREE, winter=True),
}
# snow_depletion_steepness has no effect in the mass-conserving variant.
ALL = tuple(name for name in SPREAD if name != "snow_depletion_steepness")
EVERYTHING = {"all parameters, winter": Fit(ALL, winter=True)}


def transfer(gdirs: dict[str, Any], table: pd.DataFrame, cases: dict[str, Case]) -> Iterator[tuple[str, str, Any]]:
    """Every model and every fit: name, what was fitted, scores."""
    for label, fit in FITS.items():
        for name, rows in held_out_baselines(gdirs, table, fit).items():
            yield name, label, transfer_scores(rows)
    for name, case in cases.items():
        yield name, "as published", transfer_scores(held_out(gdirs, table, case, None))
        for label, fit in {**FITS, **EVERYTHING}.items():
            yield name, label, transfer_scores(held_out(gdirs, table, case, fit))


# --- printing --------------------------------------------------------------------------------------------------------

CASES = {
    "A": Case("A", "off"),
    "C yearly": Case("C", "yearly"),
    "C climatology": Case("C", "climatology"),
    "A mass conserving": Case("A", "off", "mass_conserving"),
    "C climatology, mass conserving": Case("C", "climatology", "mass_conserving"),
}


def print_aletsch(gdir: Any, shared: Path) -> None:
    """One line for each model and calibration."""
    print(
        "Grosser Aletsch, GLAMOS 1982-2020: RMSE r bias (m w.e.), judged on the 20 even years, then on the 19 odd ones"
    )
    print(fit_time(gdir, shared))
    print(f"{'model':<37}{'fitted to':<20}" + "".join(f"{season:^42}" for season in SEASONS))
    for name, target, results in aletsch(gdir, shared, CASES, TWO):
        cells = ["".join(_short(r[season]) for r in results) if season in results[0] else "" for season in SEASONS]
        print(f"{name:<37}{target:<20}" + "  ".join(f"{cell:<40}" for cell in cells).rstrip())


def fit_time(gdir: Any, shared: Path) -> str:
    """How long a fit takes, with and without compiling."""
    from oggm_glaunti.fit.calibration.tasks import fit_glaunti

    half = halves(aletsch_observations(shared))[0]
    observations = targets(half)["seasons + geodetic"]
    took = timed(
        lambda: fit_glaunti(gdir, observations=observations, mb_kwargs={"model": "A"}, free=ALL, filesuffix="_time"),
        times=1,
    )
    what = f"(A, {len(ALL)} parameters, {len(observations)} observations, 39 years of days)"
    return f"a fit {what}: {took.first:.1f} s the first time, {took.warm:.1f} s the second"


def _short(s: Any) -> str:
    return f"{s.rmse:6.3f} {s.r:+.3f} {s.bias:+.3f}"


def print_transfer(gdirs: dict[str, Any], shared: Path) -> None:
    """One line for each model and fit."""
    table = rofental_observations(gdirs, shared)
    print("Rofental, WGMS bands 2015-2020 of each glacier by the other two's parameters: r RMSE bias (m w.e.)")
    print(f"{'model':<32}{'fitted':<24}{'all bands':<28}" + "".join(f"{name:<21}" for name in gdirs))
    for name, label, result in transfer(gdirs, table, CASES):
        pooled = result.pop("all")
        each = "".join(f"{s.r:.3f} {s.rmse:.3f} {s.bias:+.3f}  " for s in (result[key] for key in gdirs))
        print(
            f"{name:<32}{label:<24}{pooled.r:.3f} {pooled.rmse:.3f} {pooled.bias:+.3f} n {pooled.n}   {each}".rstrip()
        )


def main() -> None:
    """Print everything."""
    with prepared_aletsch() as (gdir, shared, folder):
        print_aletsch(gdir, shared)
        print()
        print_transfer(glaciers.prepare_rofental(folder / "rofental", shared), shared)


if __name__ == "__main__":
    main()
