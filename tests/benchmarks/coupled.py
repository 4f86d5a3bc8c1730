"""Cases inside OGGM: calls and runs against its MonthlyTIModel, tables at hand, and a tunable parameter turned."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from oggm.utils import date_to_floatyear

from tests.benchmarks.runner import Case, Subject

CAMELS_YEARS = (1981, 2020)
FIRST, LAST = 1920, 2019
HEF_WEATHER, HEF_BASELINE = 2018, 1995  # centres of nine years that the records hold


@functools.cache
def _working_dir() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="oggm_glaunti_benchmarks_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def hintereisferner() -> Any:
    """Its directory, ready to run."""
    from tests.conftest import SHARED
    from tests.glaciers import prepare_hef

    return _with_features(prepare_hef(_working_dir() / "hef", SHARED))


@functools.cache
def aletsch(first: int = FIRST) -> Any:
    """Its directory with daily weather of 100 years (fewer in quick runs): that of 40 years, repeated."""
    from oggm_glaunti.coupling.weather.task import process_daily_climate
    from tests.conftest import SHARED
    from tests.glaciers import CAMELS, prepare_aletsch

    gdir = prepare_aletsch(_working_dir() / f"aletsch_{first}", SHARED)
    repeated = _working_dir() / "repeated.csv"
    repeat_weather(SHARED / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv", repeated, first)
    process_daily_climate(gdir, path=repeated, **CAMELS)
    return _with_features(gdir)


def repeat_weather(source: Path, target: Path, first: int) -> None:
    """The years of the record over and over, `first` to LAST; 40 years later leap years are leap years again."""
    weather = pd.read_csv(source, index_col="date", parse_dates=True)
    begin, end = CAMELS_YEARS
    n = end - begin + 1
    parts = []
    for year in range(first, LAST + 1):
        part = weather.loc[str(begin + (year - begin) % n)]
        parts.append(part.set_axis(part.index + pd.DateOffset(years=year - part.index[0].year), axis=0))
    pd.concat(parts).to_csv(target, date_format="%Y-%m-%d", index_label="date")


def _with_features(gdir: Any) -> Any:
    from oggm_glaunti import tasks

    tasks.glaunti_features(gdir)
    return gdir


def first_year(quick: bool) -> int:
    """Of the runs on Grosser Aletsch."""
    return LAST - 2 if quick else FIRST


def classes() -> dict[str, type]:
    """Mass-balance models by name."""
    from oggm.core.massbalance import MonthlyTIModel

    from oggm_glaunti import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC

    return {"MonthlyTIModel": MonthlyTIModel, "GlaUnTI A": GlaUnTIMassBalanceA, "GlaUnTI C": GlaUnTIMassBalanceC}


def steps_of(run: Callable[[], Any]) -> int:
    """How many steps the ice dynamics take in a run."""
    from oggm.core.flowline import SemiImplicitModel as model  # OGGM's own choice on elevation bands

    with mock.patch.object(model, "step", autospec=True, side_effect=model.step) as step:
        run()
    return step.call_count


def calls(quick: bool) -> list[Subject]:
    """``get_annual_mb`` of all years."""
    first = first_year(quick)
    gdir, years = aletsch(first), np.arange(max(first, 1982), LAST + 1)
    heights = gdir.read_pickle("model_flowlines")[0].surface_h

    def of(model: Any) -> Callable[[], Any]:
        return lambda: [model.get_annual_mb(heights, year=year) for year in years]

    return [Subject(name, of(cls(gdir)), units=lambda: years.size) for name, cls in classes().items()]


def constructors(quick: bool) -> list[Subject]:
    """A new mass-balance model and its first answer, table on disk."""
    gdir = aletsch(first_year(quick))

    def of(cls: type) -> Callable[[], Any]:
        return lambda: cls(gdir).get_annual_mb([3000.0], year=LAST)

    return [Subject(name, of(cls)) for name, cls in classes().items()]


def months(quick: bool) -> list[Subject]:
    """``get_monthly_mb`` of all months of ten years."""
    gdir, years = aletsch(first_year(quick)), np.arange(LAST - (0 if quick else 9), LAST + 1)
    heights = gdir.read_pickle("model_flowlines")[0].surface_h
    of_months = [date_to_floatyear(int(year), month) for year in years for month in range(1, 13)]

    def of(model: Any) -> Callable[[], Any]:
        return lambda: [model.get_monthly_mb(heights, year=month) for month in of_months]

    return [Subject(name, of(cls(gdir)), units=lambda: len(of_months)) for name, cls in classes().items()]


def with_climate(quick: bool) -> list[Subject]:
    """``get_annual_mb`` of all years with ``add_climate``, as ``run_with_hydro`` asks."""
    first = first_year(quick)
    gdir, years = aletsch(first), np.arange(max(first, 1982), LAST + 1)
    heights = gdir.read_pickle("model_flowlines")[0].surface_h

    def of(model: Any) -> Callable[[], Any]:
        return lambda: [model.get_annual_mb(heights, year=year, add_climate=True) for year in years]

    return [Subject(name, of(cls(gdir)), units=lambda: years.size) for name, cls in classes().items()]


def tunable(quick: bool) -> list[Subject]:
    """A tunable parameter turned a little, one question asked: its height is run from the beginning of the record."""
    gdir = aletsch(first_year(quick))

    def of(model: Any) -> Callable[[], Any]:
        def rebuild() -> Any:
            model.melt_f = model.melt_f * 1.0001
            return model.get_annual_mb([3000.0], year=LAST)

        return rebuild

    return [Subject(name, of(cls(gdir))) for name, cls in classes().items()]


def random_climate(quick: bool) -> list[Subject]:
    """``run_random_climate`` on Hintereisferner, per step of the dynamics."""
    from oggm import tasks

    gdir = hintereisferner()

    def of(name: str, cls: type) -> Callable[[], Any]:
        y0 = HEF_BASELINE if name == "MonthlyTIModel" else HEF_WEATHER
        return lambda: tasks.run_random_climate(
            gdir,
            nyears=3 if quick else 100,
            y0=y0,
            halfsize=4,
            seed=1,
            mb_model_class=cls,
            output_filesuffix="_benchmark",
        )

    return _per_step({name: of(name, cls) for name, cls in classes().items()}, needed=1.0)


def climate_run(quick: bool) -> list[Subject]:
    """``run_from_climate_data`` on Grosser Aletsch, per step of the dynamics."""
    from oggm import tasks

    first = first_year(quick)
    gdir = aletsch(first)

    def of(cls: type) -> Callable[[], Any]:
        return lambda: tasks.run_from_climate_data(
            gdir, ys=first, ye=LAST + 1, mb_model_class=cls, output_filesuffix="_benchmark"
        )

    return _per_step({name: of(cls) for name, cls in classes().items()}, needed=1.0)


def _per_step(runs: dict[str, Callable[[], Any]], needed: float | None = None) -> list[Subject]:
    """Runs, timed per step of the dynamics; the number of steps is said."""
    found = []
    for name, run in runs.items():
        steps = functools.cache(functools.partial(steps_of, run))
        error = lambda _, steps=steps: f"{steps()} steps"
        found.append(Subject(name, run, error, None if name == "MonthlyTIModel" else needed, units=steps))
    return found


CASES = [
    Case(
        "calls",
        "`get_annual_mb` at the heights of Grosser Aletsch, table at hand",
        calls,
        unit="year",
        measures_memory=False,
        needs_data=True,
    ),
    Case(
        "constructors",
        "A new mass-balance model of Grosser Aletsch and its first answer, table of 100 years on disk",
        constructors,
        "GlaUnTI's constructor makes sure that the table on disk still belongs to weather, corrector inputs and "
        "weights.",
        measures_memory=False,
        needs_data=True,
    ),
    Case(
        "months",
        "`get_monthly_mb` at the heights of Grosser Aletsch, table at hand",
        months,
        unit="month",
        measures_memory=False,
        needs_data=True,
    ),
    Case(
        "with_climate",
        "`get_annual_mb` with `add_climate` at the heights of Grosser Aletsch, table at hand",
        with_climate,
        unit="year",
        measures_memory=False,
        needs_data=True,
    ),
    Case(
        "tunable",
        "A tunable parameter turned, one question asked: 100 years of Grosser Aletsch",
        tunable,
        "MonthlyTIModel computes the one month or year it is asked for; GlaUnTI carries snow, and runs the "
        "height asked for from the first year to the last.",
        measures_memory=False,
        needs_data=True,
    ),
    Case(
        "random_climate",
        "`run_random_climate`, 100 years on Hintereisferner, table on disk",
        random_climate,
        "The models see weather of different years, so the glaciers and the steps of the dynamics differ: times are "
        "per step, the constructor's included.",
        unit="step",
        measures_memory=False,
        needs_data=True,
    ),
    Case(
        "climate_run",
        "`run_from_climate_data`, 1920-2019 on Grosser Aletsch, table on disk",
        climate_run,
        "GlaUnTI's daily weather of 1981-2020 is repeated to fill the 100 years, so the glaciers differ, and with them "
        "the steps of the dynamics.",
        unit="step",
        rounds=3,
        measures_memory=False,
        needs_data=True,
    ),
]
