"""Invented weather, and a run of the ice dynamics that nobody has computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from oggm_glaunti.core.temperature_index import ti_weights, with_day
from oggm_glaunti.coupling.hydro.file import DAILY, Shape, new_file
from oggm_glaunti.coupling.hydro.geometry import FlowlineAreas, RunGeometry
from oggm_glaunti.coupling.hydro.plan import Source
from oggm_glaunti.coupling.hydro.run import YearSums, stream, unit_areas
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.weather.file import DailyClimate

SPLIT = "mass_conserving"
TUNABLES = TunableParams(4.9)


def climate(first: int, last: int, seed: int = 0) -> DailyClimate:
    """Weather of an alpine glacier at 2900 m."""
    days, rng = np.arange(f"{first}-01-01", f"{last + 1}-01-01", dtype="M8[D]"), np.random.default_rng(seed)
    season = np.cos(2.0 * np.pi * (np.arange(days.size) - 205) / 365.25)
    temp = (-3.0 + 9.0 * season + rng.normal(0.0, 3.0, days.size)).astype(np.float32)
    prcp = (rng.exponential(0.01, days.size) * (rng.random(days.size) < 0.4)).astype(np.float32)
    return DailyClimate(days, temp, prcp, 2900.0, 8.0, 46.5, "invented", "no file")


def inputs(weather: DailyClimate, variant: str = SPLIT, heights: int = 12, **parameters: float) -> TableInputs:
    ti = with_day(ti_weights(**parameters), variant)
    return TableInputs(ti, weather, np.linspace(1900.0, 4000.0, heights), -0.006, "nh", None)


def geometry(years: Sequence[int], bins: int = 20, line: int = 0) -> RunGeometry:
    """A glacier that loses its tongue bin by bin, and thins."""
    count = len(years)
    bed = np.linspace(3900.0, 2000.0, bins) - 10.0 * line
    areas = np.where(np.arange(bins) < bins - 1 - np.arange(count)[:, None] // 2, 1e6 + 1e4 * np.arange(bins), 0.0)
    heights = bed + np.where(areas > 0, 100.0 - np.arange(count)[:, None], 0.0)
    lines = [FlowlineAreas(heights, areas, areas.max(axis=0), np.ones((bins, 1)))]
    return RunGeometry(np.array(years), lines, np.full(count, -2e6), (), np.zeros(0), np.zeros((0, 1)))


def source(one: TableInputs, record_years: list[tuple[int, ...]], lines: tuple[int, ...] = (0,)) -> Source:
    model: Any = SimpleNamespace(
        table_inputs=one,
        variant=one.ti.day.name,
        refreezing="none",
        tunable_params=lambda: TUNABLES,
        gdir=SimpleNamespace(rgi_id="RGI60-11.00001"),
    )
    return Source(model, lines, record_years)


def write_run(folder: Path, run: RunGeometry, sources: list[Source], step: float = 10.0) -> tuple[Path, YearSums]:
    """Stream a run to a file and return it with the sums of its years."""
    path = folder / "glaunti_hydro_daily.nc"
    gdir: Any = SimpleNamespace(rgi_id="RGI60-11.00001", get_filepath=lambda name, filesuffix="": str(path))
    names = tuple(name for name in DAILY if name not in ("discharge", "refreezing_on_glacier"))
    realisations = len(sources[0].realisations(np.array([2000.0, 3000.0])))
    shape = Shape(run.years, run.names, realisations, names, len(sources) == 1)
    with new_file(gdir, "", shape, {}) as file:
        sums = stream(file, run, sources, step)
        for name, areas in zip(("on_area", "off_area"), unit_areas(run), strict=True):
            file.yearly(name, areas)
        for name, moved in zip(("snow_moved_on_glacier", "snow_moved_off_glacier"), sums.moved(), strict=True):
            file.yearly(name, moved)
        file.yearly("model_mb", run.mass_change)
        file.yearly("residual_mb", run.mass_change - (sums.snowfall - sums.melt).mean(axis=0))
    return path, sums
