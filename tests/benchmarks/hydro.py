"""Daily water: by height, and streamed to a file for a glacier and for many."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.runner import Case, Subject

HEIGHTS, LAST = 128, 2019


def columns(quick: bool) -> list[Subject]:
    """100 years of days at 128 heights, in a plain loop, in JAX, and to the file of a run."""
    from oggm_glaunti.coupling.table.water_days import days_by_height
    from tests.coupling.hydro import worlds

    first = LAST - 1 if quick else LAST - 99
    one = worlds.inputs(worlds.climate(first, LAST), heights=HEIGHTS)

    def of(backend: str) -> Callable[[], Any]:
        return lambda: sum(float(d.values["melt"].sum()) for d in days_by_height(one, worlds.TUNABLES, LAST, backend))

    def to_file() -> int:
        return file_of_run(range(first, LAST + 1))

    return [
        Subject("NumPy, day by day", of("numpy")),
        Subject("JAX, float64", of("jax"), limit=1.0, memory_limit=100.0),
        Subject("JAX, areas of each year, file", to_file, _size_of, memory_limit=100.0),
    ]


def _size_of(size: int) -> str:
    return f"file of {size / 1e6:.1f} MB ({'within' if size <= 5e6 else 'ABOVE'} 5 MB)"


def file_of_run(years: range) -> int:
    """Stream the run of an invented glacier at HEIGHTS to a file, and return its size, bytes."""
    from tests.coupling.hydro import worlds

    one = worlds.inputs(worlds.climate(years[0], years[-1]))
    run = worlds.geometry(years, bins=max(20, 2 * len(years)))
    low, high = run.height_bounds()
    with tempfile.TemporaryDirectory() as folder:
        sources = [worlds.source(one, [(year,) for year in years])]
        path, _ = worlds.write_run(Path(folder), run, sources, step=(high - low) / (HEIGHTS - 2))
        return os.path.getsize(path)


def region(quick: bool) -> list[Subject]:
    """Ten years of few and of many glaciers: the time per glacier stays what it is."""
    few, many = (2, 4) if quick else (10, 100)

    def of(count: int) -> Callable[[], Any]:
        return lambda: [file_of_run(range(2010, 2011 if quick else 2020)) for _ in range(count)]

    return [
        Subject(f"{few} glaciers", of(few), units=lambda: few),
        Subject(f"{many} glaciers", of(many), needed=0.8, units=lambda: many),
    ]


CASES = [
    Case(
        "hydro",
        f"Daily water of 100 years at {HEIGHTS} heights",
        columns,
        "Rain, snowfall, melt of snow and ice, snow and its cover of every day, in float64. The last row also sums "
        "them over an invented glacier that retreats and the ground it leaves, and writes `glaunti_hydro_daily.nc`.",
        rounds=3,
    ),
    Case(
        "hydro_region",
        "Daily water of ten years of many glaciers, files included",
        region,
        rounds=1,
        unit="glacier",
        measures_memory=False,
    ),
]
