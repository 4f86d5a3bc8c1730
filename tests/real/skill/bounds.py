"""What has to be reached, what the fit before reached, and whether it is."""

from __future__ import annotations

import math
from typing import NamedTuple

from tests.real.skill.experiments import BY_ANNUAL, BY_SEASONS, FEW, FIT, LOGO, OTHER_YEARS, OWN_MEAN, REGIONS, Key
from tests.real.skill.judging import Judged
from tests.real.skill.scores import by_season, score

Results = dict[Key, Judged]
BANDS, WIDE, STAKES = ("point", "annual"), ("glacier-wide", "winter"), "point"
BOTH_BY_REGION = "region, both, by spread"


class Bound(NamedTuple):
    """RMSE (m w.e.) of rows of a kind and season that must not be exceeded; `before`: the fit that took rows as
    independent and glaciers as alike."""

    key: Key
    group: tuple[str, str]
    most: float
    before: float


def _bounds(name: str, test: str, method: str, *rows: tuple[tuple[str, str], float, float]) -> list[Bound]:
    return [Bound(Key(name, test, method), *row) for row in rows]


BOUNDS = [
    *_bounds("trio", LOGO, FIT, (BANDS, 0.86, 0.838), (WIDE, 0.61, 0.737)),
    *_bounds("ch", LOGO, FIT, (BANDS, 1.38, 1.437), ((STAKES, "winter"), 0.75, 1.131)),
    *_bounds("ch", OTHER_YEARS, FIT, (BANDS, 1.02, 1.246), ((STAKES, "winter"), 0.58, 0.852)),
    *_bounds(
        "norway",
        LOGO,
        FIT,
        (BANDS, 1.08, 1.098),
        ((STAKES, "winter"), 0.76, 0.734),
        ((STAKES, "summer"), 0.87, 0.889),
    ),
    *_bounds(
        "norway_wide",
        OWN_MEAN,
        BOTH_BY_REGION,
        (("glacier-wide", "annual"), 0.61, 0.631),
        (("glacier-wide", "winter"), 0.47, 0.459),
        (("glacier-wide", "summer"), 0.56, 0.554),
    ),
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
        lines.append(Line(what, found, f"<= {bound.most:.2f}", f"{bound.before:.3f}", round(found, 3) <= bound.most))
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
