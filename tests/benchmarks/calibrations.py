"""Cases of turned parameters: OGGM's UncertainMassBalance and its calibrations, against OGGM's own models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.coupled import LAST, aletsch, classes
from tests.benchmarks.runner import Case, Subject

FIRST = 1981  # of the recorded weather
REF_MB = -1210.7  # kg m-2 yr-1
PERIOD = "2000-01-01_2020-01-01"
# Four generations of 45 trials, whatever the model: what is timed is the same work.
EVOLUTION = {"rng": 1, "maxiter": 3, "polish": False, "tol": 0.0}
UNCERTAIN_LIMIT = 1.0  # s


def gdir_of(quick: bool) -> Any:
    """Grosser Aletsch with the recorded weather."""
    return aletsch(LAST - 2 if quick else FIRST)


def uncertain(quick: bool) -> list[Subject]:
    """``UncertainMassBalance`` of twenty years: two parameters turned for each, and turned back."""
    from oggm.core.massbalance import UncertainMassBalance

    gdir = gdir_of(quick)
    heights = gdir.read_pickle("inversion_flowlines")[0].surface_h
    years = np.arange(LAST - 1 if quick else LAST - 19, LAST + 1)

    def of(cls: type) -> Callable[[], Any]:
        model = cls(gdir)

        def run() -> Any:
            seeds = {"rdn_temp_bias_seed": 1, "rdn_prcp_fac_seed": 2, "rdn_bias_seed": 3}
            draws = UncertainMassBalance(model, **seeds)
            return [draws.get_annual_mb(heights, year=year) for year in years]

        return run

    limits = {name: None if name == "MonthlyTIModel" else UNCERTAIN_LIMIT for name in classes()}
    return [Subject(name, of(cls), limit=limits[name]) for name, cls in classes().items()]


class OnMain(Case):
    """A case that needs OGGM's development version."""

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """As of any case, where there is a DailyTIModel to compare with."""
        from oggm.core import massbalance

        if not hasattr(massbalance, "DailyTIModel"):
            return "Not measured: this version of OGGM has no DailyTIModel.", True
        return super().body(quick, memory, figure)


def calibration(task: str, kwargs: Callable[[Any], dict[str, Any]]) -> Callable[[bool], list[Subject]]:
    """One of the calibrations of OGGM's development version with its model of daily weather and with ours."""

    def subjects(quick: bool) -> list[Subject]:
        from oggm.core import massbalance

        gdir = gdir_of(quick)
        models = {"DailyTIModel": massbalance.DailyTIModel, **classes()}
        del models["MonthlyTIModel"]

        def of(cls: type) -> Callable[[], Any]:
            cls(gdir, check_calib_params=False).get_annual_mb([3000.0], year=LAST)  # corrections are at hand
            given = {"mb_model_class": cls, "write_to_gdir": False, **kwargs(quick)}
            return lambda: getattr(massbalance, task)(gdir, **given)

        needed = {name: None if name == "DailyTIModel" else 1.0 for name in models}
        return [Subject(name, of(cls), found, needed[name]) for name, cls in models.items()]

    return subjects


def found(calibrated: dict[str, Any]) -> str:
    """What a calibration found."""
    return ", ".join(f"{name} {calibrated[name]:.3f}" for name in ("melt_f", "prcp_fac", "temp_bias"))


def _period(quick: bool) -> str:
    return f"{LAST - 2}-01-01_{LAST + 1}-01-01" if quick else PERIOD


def to_mean(quick: bool) -> dict[str, Any]:
    """Arguments of the calibration to a mean balance."""
    return {"ref_mb": REF_MB, "ref_mb_period": _period(quick)}


def to_table(quick: bool) -> dict[str, Any]:
    """Arguments of the calibration to a table of geodetic balances."""
    from oggm import cfg

    gdir, period, name = gdir_of(quick), _period(quick), "geodetic.parquet"
    rows = [{"period": p, "dmdtda": REF_MB / 1000.0, "err_dmdtda": 0.1} for p in (period, "another")]
    # As if OGGM had read it already: its table of all glaciers is a download.
    cfg.DATA[name] = pd.DataFrame(rows, index=[gdir.rgi_id] * 2)
    return {"file_path": name, "ref_mb_period": period}


def to_years(quick: bool) -> dict[str, Any]:
    """Arguments of the calibration to the balances of years, by differential evolution over three parameters."""
    years = np.arange(LAST - 2 if quick else FIRST, LAST + 1)
    balances = REF_MB + 600.0 * np.sin(years)
    trials = {"calibrate_params": ("melt_f", "prcp_fac", "temp_bias"), "optimisation_kwargs": EVOLUTION}
    return {"ref_df": pd.Series(balances, index=years), **trials}


CASES = [
    Case(
        "uncertain",
        "`UncertainMassBalance`, 20 years of Grosser Aletsch",
        uncertain,
        "Two parameters are turned for each year and turned back. GlaUnTI runs the heights of the flowline from the "
        "beginning of the record (1981) to the year.",
        measures_memory=False,
        needs_data=True,
    ),
    OnMain(
        "calibrate_scalar",
        "`mb_calibration_from_scalar_mb` of OGGM's development version",
        calibration("mb_calibration_from_scalar_mb", to_mean),
        "Error: what was found.",
        measures_memory=False,
        needs_data=True,
    ),
    OnMain(
        "calibrate_geodetic",
        "`mb_calibration_from_geodetic_mb` of OGGM's development version",
        calibration("mb_calibration_from_geodetic_mb", to_table),
        "Error: what was found.",
        measures_memory=False,
        needs_data=True,
    ),
    OnMain(
        "calibrate_rmsd",
        "`mb_calibration_to_rmsd` of OGGM's development version, 39 years, 180 trials",
        calibration("mb_calibration_to_rmsd", to_years),
        "Balances of the years are invented; the search is cut short, so that all models make the same number of "
        "trials. Error: what was found.",
        rounds=3,
        measures_memory=False,
        needs_data=True,
    ),
]
