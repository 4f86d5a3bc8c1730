"""What has to be reached, what the fit before reached, and whether it is."""

from __future__ import annotations

import math
from typing import NamedTuple

from tests.real.skill.experiments import (
    BY_ANNUAL,
    BY_SEASONS,
    DEFAULT_WAY,
    FEW,
    FIT,
    LOGO,
    OTHER_YEARS,
    OWN_MEAN,
    REGIONS,
    Key,
)
from tests.real.skill.judging import Judged
from tests.real.skill.scores import by_season, score

Results = dict[Key, Judged]
BANDS, WINTERS, SUMMERS = (("point", season) for season in ("annual", "winter", "summer"))
ANNUAL_WIDE, WIDE, SUMMER_WIDE = (("glacier-wide", season) for season in ("annual", "winter", "summer"))


class Bound(NamedTuple):
    """RMSE (m w.e.) of rows of a kind and season that must not be exceeded, and that of the fit before."""

    key: Key
    group: tuple[str, str]
    most: float


BEFORE: dict[tuple[str, str], dict[tuple[str, str], float]] = {
    ("trio", LOGO): {BANDS: 0.853, WIDE: 0.724},
    ("trio", OTHER_YEARS): {BANDS: 0.905, WIDE: 0.709},
    ("ch", LOGO): {BANDS: 1.425, WINTERS: 1.134},
    ("ch", OTHER_YEARS): {BANDS: 1.250, WINTERS: 0.866},
    ("norway", LOGO): {BANDS: 0.978, WINTERS: 0.746, SUMMERS: 0.819},
    ("norway", OTHER_YEARS): {BANDS: 0.945, WINTERS: 0.749, SUMMERS: 0.780},
    ("norway_wide", OWN_MEAN): {ANNUAL_WIDE: 0.602, WIDE: 0.468, SUMMER_WIDE: 0.527},
}
"""RMSE (m w.e.) on the same rows of the fit of before, recorded: one set of parameters for all glaciers, rows
independent, and of whole glaciers ``melt_f`` turned to the own mean balance."""
BOUNDS = [
    Bound(Key("trio", LOGO, FIT), BANDS, 0.86),
    Bound(Key("trio", LOGO, FIT), WIDE, 0.61),
    Bound(Key("ch", LOGO, FIT), BANDS, 1.38),
    Bound(Key("ch", LOGO, FIT), WINTERS, 0.75),
    Bound(Key("ch", OTHER_YEARS, FIT), BANDS, 1.02),
    Bound(Key("ch", OTHER_YEARS, FIT), WINTERS, 0.58),
    Bound(Key("norway", LOGO, FIT), BANDS, 1.08),
    Bound(Key("norway", LOGO, FIT), WINTERS, 0.76),
    Bound(Key("norway", LOGO, FIT), SUMMERS, 0.87),
    Bound(Key("norway_wide", OWN_MEAN, DEFAULT_WAY), ANNUAL_WIDE, 0.61),
    Bound(Key("norway_wide", OWN_MEAN, DEFAULT_WAY), WIDE, 0.47),
    Bound(Key("norway_wide", OWN_MEAN, DEFAULT_WAY), SUMMER_WIDE, 0.56),
]
# Annual RMSE of Grosser Aletsch in the even and the odd years, counted from 0, fitted on the others.
HALVES = {BY_ANNUAL: (0.382, 0.414), BY_SEASONS: (0.450, 0.454)}
HALVES_WITHIN = 0.015
COVERAGE, COVERAGE_CH, COVERAGE_FEW = (0.85, 1.0), (0.88, 0.96), (0.80, 1.0)


class Line(NamedTuple):
    """A line of the summary: what, the value found, what it must be, that of the fit before (text), and whether."""

    what: str
    found: float
    expected: str
    before: str
    holds: bool

    def __str__(self) -> str:
        word = "holds" if self.holds else "falls short"
        return f"{word}: {self.what}: {self.found:.3f} ({self.expected}; before {self.before})"


def summary(results: Results) -> list[Line]:
    """A line for each bound."""
    return [*_rmse_lines(results), *_halves_lines(results), *_coverage_lines(results)]


def _rmse_lines(results: Results) -> list[Line]:
    lines = []
    for bound in BOUNDS:
        found = by_season(results[bound.key]["rows"])[bound.group].rmse
        what = f"RMSE {', '.join(bound.key)}, {' '.join(bound.group)}"
        before = BEFORE[bound.key.set, bound.key.test][bound.group]
        lines.append(Line(what, found, f"<= {bound.most:.2f}", f"{before:.3f}", round(found, 3) <= bound.most))
    return lines


def _halves_lines(results: Results) -> list[Line]:
    lines = []
    for test, before in HALVES.items():
        table = results[Key("aletsch", test, FIT)]["rows"]
        annual = table[table["season"] == "annual"]
        for years, (parity, old) in zip(("even years", "odd years"), enumerate(before), strict=True):
            found = score(annual[annual["year"] % 2 == parity]).rmse
            what = f"RMSE aletsch, {test}, annual of the {years}"
            lines.append(Line(what, found, f"within {HALVES_WITHIN}", f"{old:.3f}", abs(found - old) <= HALVES_WITHIN))
    return lines


def _coverage_lines(results: Results) -> list[Line]:
    lines = []
    for test, before in ((LOGO, ".85/.49"), (FEW, ".50-.72/.31-.59")):
        for name in REGIONS:
            for level in ("rows", "year means"):
                for group, found in by_season(results[Key(name, test, FIT)][level]).items():
                    low, high = COVERAGE if test == LOGO else COVERAGE_FEW
                    if test == LOGO and (name, group[1]) == ("ch", "annual"):
                        low, high = COVERAGE_CH
                    what = f"coverage {name}, {test}, {level}, {' '.join(group)}, n {found.n}"
                    expected, inside = f"{low:.2f}-{high:.2f}", low <= found.coverage <= high
                    lines.append(Line(what, found.coverage, expected, before, inside and math.isfinite(found.coverage)))
    return lines
