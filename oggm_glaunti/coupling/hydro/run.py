"""A run's water, streamed: the record's years in order, each written to the simulated years that it stands for."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np

from oggm_glaunti.coupling.ground.heights import table_heights
from oggm_glaunti.coupling.hydro.calendar import days_of_simulated_year, on_slots
from oggm_glaunti.coupling.hydro.file import HydroFile
from oggm_glaunti.coupling.hydro.geometry import RunGeometry
from oggm_glaunti.coupling.hydro.plan import Source
from oggm_glaunti.coupling.hydro.totals import WATER, Areas, daily_totals, snow_line
from oggm_glaunti.coupling.table.water_days import STATES, DaysByHeight


class YearSums(NamedTuple):
    """What is summed over the days of all years on the way.

    Attributes
    ----------
    snowfall, melt : float64 arrays (R, Y)
        on all of the glacier, kg; of melt what freezes again is taken off
    before, after : float64 arrays (2, R, Y, U)
        snow on glacier and ground at the beginning and the end of each year, kg
    """

    snowfall: np.ndarray
    melt: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @classmethod
    def zeros(cls, realisations: int, years: int, units: int) -> YearSums:
        """Begin with nothing."""
        shape = (realisations, years)
        return cls(np.zeros(shape), np.zeros(shape), *(np.zeros((2, *shape, units)) for _ in range(2)))

    def moved(self) -> np.ndarray:
        """Return the snow that comes to glacier and ground on the first day of each year (2, R, Y, U), kg.

        Of the first year it is all of the snow at its beginning.
        """
        moved = self.before.copy()
        moved[:, :, 1:] -= self.after[:, :, :-1]
        return moved


def stream(file: HydroFile, geometry: RunGeometry, sources: list[Source], step: float) -> YearSums:
    """Write the daily water of a run to its file and return the sums of its years.

    Parameters
    ----------
    file : HydroFile
    geometry : RunGeometry
    sources : list of Source
    step : float
        distance of the heights, m
    """
    heights = table_heights(geometry.height_bounds(), step)
    on_area, _ = unit_areas(geometry)
    units = on_area.shape[1]
    ground = geometry.ground_weights(heights)
    sums = None
    for n, source in enumerate(sources):
        # Ground that is no flowline's has the first source's weather.
        other_ground = ground if n == 0 else np.zeros_like(ground)
        each = source.realisations(heights)
        sums = sums or YearSums.zeros(len(each), geometry.years.size, units)
        for r, inputs in enumerate(each):
            last = max(max(years) for years in source.record_years)
            for days, simulated in _years_and_means(source.days(inputs, last), source):
                for year in simulated:
                    areas = _areas_of(geometry, source.lines, year, heights, other_ground)
                    of_year = days_of_simulated_year(days.values, int(geometry.years[year]), STATES)
                    values = daily_totals(of_year, areas, on_area[year])
                    if "snow_cover" in of_year and len(sources) == 1:
                        values["snowline"] = snow_line(of_year["snow_cover"], heights, areas.glacier)
                    file.add(year, values, r, again=n > 0)
                    _count(sums, r, year, days, of_year, areas)
    assert sums is not None
    return sums


def _years_and_means(record: Any, source: Source) -> Any:
    """Yield years of the record, or means of many, with the simulated years (indices) that they stand for."""
    simulated = defaultdict(list)
    for k, years in enumerate(source.record_years):
        simulated[years].append(k)
    means: dict[tuple[int, ...], _Mean] = {years: _Mean() for years in simulated if len(years) > 1}
    for days in record:
        if (days.year,) in simulated:
            yield days, simulated[(days.year,)]
        for years, mean in means.items():
            for _ in range(years.count(days.year)):
                mean.add(days, len(years))
    for years, mean in means.items():
        yield mean.result(), simulated[years]


class _Mean:
    """The mean of years, over 366 slots."""

    def __init__(self) -> None:
        self._swe: Any = 0.0
        self._values: dict[str, Any] = defaultdict(float)

    def add(self, days: DaysByHeight, count: int) -> None:
        self._swe = self._swe + days.swe_before / count
        for name, field in days.values.items():
            self._values[name] = self._values[name] + on_slots(field, name in STATES) / count

    def result(self) -> DaysByHeight:
        return DaysByHeight(0, self._swe, dict(self._values))


def _areas_of(
    geometry: RunGeometry, lines: tuple[int, ...], year: int, heights: np.ndarray, other_ground: np.ndarray
) -> Areas:
    on, off = (np.sum(p, axis=0) for p in zip(*(geometry.line_weights(k, year, heights) for k in lines), strict=True))
    glacier = np.sum([geometry.line_glacier(k, year, heights) for k in lines], axis=0)
    return Areas(on, off + other_ground, glacier)


def _count(sums: YearSums, r: int, year: int, days: DaysByHeight, of_year: dict[str, np.ndarray], areas: Areas) -> None:
    sums.snowfall[r, year] += WATER * of_year["snowfall"].sum(axis=0) @ areas.glacier
    lost = of_year["melt"] - of_year.get("refreezing", 0.0)
    sums.melt[r, year] += WATER * lost.sum(axis=0) @ areas.glacier
    for k, weights in enumerate((areas.on, areas.off)):
        sums.before[k, r, year] += WATER * days.swe_before @ weights
        sums.after[k, r, year] += WATER * of_year["swe"][-1] @ weights


def unit_areas(geometry: RunGeometry) -> tuple[np.ndarray, np.ndarray]:
    """Return the area of glacier and of ground of each year in the units (Y, U), m2."""
    on, off = [], []
    for year in range(geometry.years.size):
        pairs = [line.on_and_off(year) for line in geometry.lines]
        on.append(sum(pair[0].sum(axis=0) for pair in pairs))
        off.append(sum(pair[1].sum(axis=0) for pair in pairs) + geometry.ground_areas.sum(axis=0))
    return np.array(on), np.array(off)
