"""Every place of OGGM that takes a mass-balance model, with GlaUnTI's, on the version of OGGM that is installed.

``python -m tests.real.inside_oggm`` prints a row per capability of OGGM's own models: what was found, or why it is not
there. Grosser Aletsch, model A, daily weather of CAMELS-CH.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import find_shared

HEIGHTS = np.array([1800.0, 2400.0, 3001.0, 3333.3, 4100.0])
REFERENCE = -1210.7, 131.5, "2000-01-01_2020-01-01"  # Hugonnet et al. 2021, kg m-2 yr-1
MELT = {"order": ("melt_f",), "mb_kwargs": {"model": "A"}}
MELT_F = 5.5977  # kg m-2 day-1 K-1, with which model A meets it
MONTHS_SUM = 1e-9  # kg m-2


class Check:
    """Rows of the table, and whether all of them hold."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, bool, str]] = []

    def __call__(self, name: str, run: Callable[[], tuple[bool, str]]) -> None:
        try:
            holds, found = run()
        except Exception as err:
            traceback.print_exc()
            holds, found = False, f"{type(err).__name__}: {err}"
        self.rows.append((name, holds, found))
        print(f"{'holds' if holds else 'falls short'}: {name}: {found}", flush=True)


class Glacier:
    """Grosser Aletsch in a working directory of its own, each time as it was before."""

    def __init__(self, folder: Path, shared: Path):
        from tests.glaciers import prepare_aletsch

        self.folder, self.prepared = folder, folder / "prepared"
        prepare_aletsch(self.prepared, shared)
        self.count = 0

    def fresh(self) -> Any:
        from tests.glaciers import ALETSCH, open_copy

        self.count += 1
        working_dir = self.folder / f"run{self.count}"
        working_dir.mkdir()
        from oggm import cfg

        cfg.PATHS["working_dir"] = str(working_dir)
        return open_copy(self.prepared, working_dir, ALETSCH)

    def calibrated(self, alone: bool = False) -> Any:
        """Return the glacier, calibrated; `alone`: without OGGM's calibration of MonthlyTIModel."""
        from oggm_glaunti import tasks as gtasks

        gdir = self.fresh()
        if alone:
            os.unlink(gdir.get_filepath("mb_calib"))
        mb, err, period = REFERENCE
        gtasks.calibrate_glaunti(gdir, ref_mb=mb, ref_mb_err=err, ref_period=period, **MELT)
        return gdir


def near(found: float, right: float, within: float) -> tuple[bool, str]:
    return abs(found - right) <= within, f"{found:.4f} (right: {right:.4f} within {within:g})"


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shared = find_shared()
    if shared is None:
        print("no shared data: set OGGM_GLAUNTI_SHARED")
        return 2
    check = Check()
    with tempfile.TemporaryDirectory() as folder:
        run_all(check, Glacier(Path(folder), shared))
    import oggm

    short = sum(not holds for _, holds, _ in check.rows)
    print(f"OGGM {oggm.__version__}: {len(check.rows)} rows, {short} fall short")
    return int(short > 0)


def run_all(check: Check, glacier: Glacier) -> None:
    for section in (calibrations, spinup, months, dynamics, settings_and_compilations):
        section(check, glacier)


# --- calibrations ---


def calibrations(check: Check, glacier: Glacier) -> None:
    import pandas as pd
    from oggm import cfg
    from oggm.core import massbalance

    from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, tasks as gtasks
    from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS

    mb, err, period = REFERENCE
    names = ("ref_mb", "ref_mb_err", "ref_mb_period") if HAS_SETTINGS else ("ref_mb", "ref_mb_err", "ref_period")
    given = dict(zip(names, REFERENCE, strict=True))
    suffix = "settings_filesuffix" if HAS_SETTINGS else "filesuffix"
    start = {"mb_model_class": GlaUnTIMassBalanceA, "prcp_fac": 1.0, "temp_bias": 0.0, suffix: "_oggm"}

    def ours() -> tuple[bool, str]:
        found = gtasks.calibrate_glaunti(glacier.fresh(), ref_mb=mb, ref_mb_err=err, ref_period=period, **MELT)
        return near(found["melt_f"], MELT_F, 1e-3)

    def scalar() -> tuple[bool, str]:
        gdir = glacier.fresh()
        massbalance.mb_calibration_from_scalar_mb(gdir, **start, **given, calibrate_param1="melt_f")
        model = GlaUnTIMassBalance(gdir, mb_params_filesuffix="_oggm")
        holds, text = near(float(model.melt_f), MELT_F, 1e-3)
        return holds and model.model_name == "A", f"melt_f {text}, read back as model {model.model_name}"

    def geodetic() -> tuple[bool, str]:
        cfg.PARAMS["prcp_fac"], cfg.PARAMS["use_winter_prcp_fac"] = 1.0, False
        gdir = glacier.fresh()
        os.unlink(gdir.get_filepath("mb_calib"))  # OGGM 1.7 begins with what another model was calibrated to
        row = {"period": period, "dmdtda": mb / 1000, "err_dmdtda": err / 1000, "area": gdir.rgi_area_m2}
        # More than one period for a glacier, as in OGGM's table.
        rows = [row, row | {"period": "2010-01-01_2020-01-01", "dmdtda": 0.0}]
        table = pd.DataFrame([one | {"is_cor": False} for one in rows], [gdir.rgi_id] * 2)
        before = massbalance.get_geodetic_mb_dataframe
        massbalance.get_geodetic_mb_dataframe = lambda *args, **kwargs: table
        try:
            chosen = {name: start[name] for name in ("mb_model_class", suffix)}
            massbalance.mb_calibration_from_geodetic_mb(
                gdir, **{names[2]: period}, calibrate_param1="melt_f", use_regional_avg=False, **chosen
            )
        finally:
            massbalance.get_geodetic_mb_dataframe = before
        return near(float(GlaUnTIMassBalance(gdir, mb_params_filesuffix="_oggm").melt_f), MELT_F, 1e-3)

    def rmsd() -> tuple[bool, str]:
        gdir = glacier.fresh()
        model = GlaUnTIMassBalanceA(gdir, melt_f=5.0)
        fls, years = gdir.read_pickle("inversion_flowlines"), np.arange(2010, 2020)
        observed = pd.Series(model.get_specific_mb(fls=fls, year=years), years)
        options = {"optimisation_kwargs": {"seed": 1, "popsize": 5, "maxiter": 6}} if HAS_SETTINGS else {}
        found = (
            massbalance.mb_calibration_to_rmsd(gdir, ref_df=observed, calibrate_params=("melt_f",), **options, **start)
            if HAS_SETTINGS
            else massbalance.mb_calibration_to_rmsd(gdir, ref_df=observed, **start)
        )
        return near(float(found["melt_f"]), 5.0, 0.05)

    check("calibrate_glaunti, melt_f", ours)
    check("mb_calibration_from_scalar_mb", scalar)
    check("mb_calibration_from_geodetic_mb", geodetic)
    check("mb_calibration_to_rmsd", rmsd)


# --- spin-up and dynamic calibration ---


def spinup(check: Check, glacier: Glacier) -> None:
    import oggm.core.dynamic_spinup as oggm_spinup

    from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, tasks as gtasks
    from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS

    run = {"precision_percent": 5}

    def of_model(model: Any) -> str:
        return type(model.mb_model.flowline_mb_models[0]).__name__

    def dynamic_spinup() -> tuple[bool, str]:
        model = gtasks.run_dynamic_spinup(glacier.calibrated(), ye=2010, **run)
        return of_model(model) == "GlaUnTIMassBalance", f"{of_model(model)}, {model.area_km2:.1f} km2 in 2010"

    def dynamic_melt_f() -> tuple[bool, str]:
        gdir = glacier.calibrated()
        scale = {"err_dmdtda_scaling_factor": 0.2}
        gtasks.run_dynamic_melt_f_calibration(gdir, kwargs_run_function=dict(run), **scale)
        found = float(GlaUnTIMassBalance(gdir).melt_f)
        return 0.7 * MELT_F < found < MELT_F, f"melt_f {MELT_F} to {found:.3f}"

    def oggms_own() -> tuple[bool, str]:
        if not HAS_SETTINGS:
            return True, "not in this version: OGGM writes MonthlyTIModel into its task; ours of the same name does it"
        gdir = glacier.calibrated(alone=True)
        mb, err, period = REFERENCE
        oggm_spinup.run_dynamic_melt_f_calibration(
            gdir,
            mb_model_class=GlaUnTIMassBalanceA,
            kwargs_run_function=dict(run),
            ys=1981,
            ref_mb=mb,
            ref_mb_err=err,
            ref_mb_period=period,
            ref_mb_err_scaling_factor=0.2,
            overwrite_observations=True,
        )
        turned, read = float(gdir.settings["melt_f"]), float(GlaUnTIMassBalanceA(gdir).melt_f)
        return turned == read, f"OGGM turned melt_f to {turned:.3f}, the model reads {read:.3f}"

    check("run_dynamic_spinup", dynamic_spinup)
    check("run_dynamic_melt_f_calibration", dynamic_melt_f)
    check("OGGM's own run_dynamic_melt_f_calibration(mb_model_class=...)", oggms_own)


# --- months and days ---


def months(check: Check, glacier: Glacier) -> None:
    from oggm.core import massbalance
    from oggm.utils import date_to_floatyear

    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS, day_of_floatyear, floatyear_of_day

    gdir = glacier.calibrated()
    of = {"mb_model_class": GlaUnTIMassBalanceA}
    period = {"y0": 2004, "halfsize": 5}
    model = GlaUnTIMassBalanceA(gdir)
    wrappers = {
        "GlaUnTIMassBalance": (model, {}),
        "MultipleFlowlineMassBalance": (massbalance.MultipleFlowlineMassBalance(gdir, **of), {"fl_id": 0}),
        "ConstantMassBalance": (massbalance.ConstantMassBalance(gdir, **of, **period), {}),
        "RandomMassBalance": (massbalance.RandomMassBalance(gdir, **of, **period, seed=1), {}),
    }

    def seconds(of_what: Any, name: str, year: float) -> float:
        from oggm import cfg

        fixed = {"sec_in_month": cfg.SEC_IN_MONTH, "sec_in_year": cfg.SEC_IN_YEAR}[name]
        return getattr(of_what, name)(year) if HAS_SETTINGS else fixed

    def sums(wrapper: Any, kwargs: dict[str, Any]) -> tuple[bool, str]:
        largest = 0.0
        for year in range(2000, 2009):
            total = sum(
                wrapper.get_monthly_mb(HEIGHTS, year=when, **kwargs) * seconds(wrapper, "sec_in_month", when)
                for when in (date_to_floatyear(year, month) for month in range(1, 13))
            )
            annual = wrapper.get_annual_mb(HEIGHTS, year=year, **kwargs) * seconds(wrapper, "sec_in_year", year)
            largest = max(largest, float(np.abs(total - annual).max()) * model.ice_density)
        return largest <= MONTHS_SUM, f"largest difference {largest:.1e} kg m-2 (at most {MONTHS_SUM:g})"

    for name, (wrapper, kwargs) in wrappers.items():
        check(f"months add up to the year: {name}", partial(sums, wrapper, kwargs))

    def uncertain() -> tuple[bool, str]:
        wrapper = massbalance.UncertainMassBalance(
            massbalance.MultipleFlowlineMassBalance(gdir, **of),
            rdn_temp_bias_seed=1,
            rdn_prcp_fac_seed=2,
            rdn_bias_seed=3,
        )
        spread = np.std([wrapper.get_annual_mb(HEIGHTS, year=2005 + i / 2, fl_id=0) for i in range(2)])
        plain = model.get_annual_mb(HEIGHTS, year=2005)
        again = GlaUnTIMassBalanceA(gdir).get_annual_mb(HEIGHTS, year=2005)
        return np.array_equal(plain, again), f"runs; the model underneath is as before (spread {spread:.1e})"

    def days() -> tuple[bool, str]:
        year = model.get_daily_mb_of_year(HEIGHTS, 2004)
        each = [model.get_daily_mb(HEIGHTS, year=floatyear_of_day(2004, day)) for day in range(1, 367)]
        total = year.sum(axis=1) * 86400 - model.get_annual_mb(HEIGHTS, 2004) * model.sec_in_year(2004)
        error = float(np.abs(total).max()) * model.ice_density
        same = np.array_equal(np.stack(each, axis=1), year)
        shapes = len(model.get_daily_mb(HEIGHTS, year=2004.5, add_climate=True)) == 5
        rounding = all(day_of_floatyear(floatyear_of_day(2004, day)) == day for day in range(1, 367))
        return (
            same and shapes and rounding and error < 0.01,
            f"a day is (N,), 366 of them the year to {error:.4f} kg m-2",
        )

    check("UncertainMassBalance", uncertain)
    check("get_daily_mb of a day, get_daily_mb_of_year", days)


# --- runs ---


def dynamics(check: Check, glacier: Glacier) -> None:
    import xarray as xr
    from oggm import cfg, tasks
    from oggm.core.massbalance import MonthlyTIModel

    from oggm_glaunti import GlaUnTIMassBalanceA

    cfg.PARAMS["store_diagnostic_variables"] = [*cfg.PARAMS["store_diagnostic_variables"], "model_mb", "residual_mb"]
    gdir = glacier.calibrated()
    of = {"mb_model_class": GlaUnTIMassBalanceA}

    def share_of_residual(a_class: type, task: Callable[..., Any], monthly: bool, **kwargs: Any) -> float:
        suffix = f"_{a_class.__name__}_{task.__name__}{monthly}"
        how = {"store_monthly_hydro": monthly, "ref_area_from_y0": True, "output_filesuffix": suffix}
        tasks.run_with_hydro(gdir, run_task=task, mb_model_class=a_class, **how, **kwargs)
        with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix=suffix)) as ds:
            melt = float((ds.melt_on_glacier + ds.melt_off_glacier)[:-1].mean())
            return float(np.abs(ds.residual_mb[:-1]).mean()) / melt

    def hydro(task: Callable[..., Any], monthly: bool, **kwargs: Any) -> tuple[bool, str]:
        ours, theirs = (share_of_residual(c, task, monthly, **kwargs) for c in (GlaUnTIMassBalanceA, MonthlyTIModel))
        bound = max(2e-3, 2 * theirs)
        return ours <= bound, f"residual / melt {ours:.1e} (at most {bound:.1e}; MonthlyTIModel {theirs:.1e})"

    for monthly in (False, True):
        step = "monthly" if monthly else "annual"
        check(
            f"run_with_hydro, {step}, historical",
            partial(hydro, tasks.run_from_climate_data, monthly, ys=2004, ye=2019),
        )
        check(
            f"run_with_hydro, {step}, random",
            partial(hydro, tasks.run_random_climate, monthly, y0=2009, halfsize=8, nyears=15, seed=1),
        )
        check(
            f"run_with_hydro, {step}, constant",
            partial(hydro, tasks.run_constant_climate, monthly, y0=2009, halfsize=8, nyears=15),
        )

    def restart() -> tuple[bool, str]:
        tasks.run_from_climate_data(gdir, ys=2004, ye=2010, output_filesuffix="_first", **of)
        tasks.run_from_climate_data(
            gdir, init_model_filesuffix="_first", ys=2010, ye=2019, output_filesuffix="_rest", **of
        )
        tasks.run_from_climate_data(gdir, ys=2004, ye=2019, output_filesuffix="_all", **of)
        ends = []
        for suffix in ("_rest", "_all"):
            with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix=suffix)) as ds:
                ends.append(float(ds.volume_m3[-1]) / 1e9)
        return abs(ends[0] - ends[1]) < 1e-6 * ends[1], f"{ends[0]:.6f} km3 after a restart, {ends[1]:.6f} km3 without"

    def feedback() -> tuple[bool, str]:
        ends = {}
        for mode in ("annual", "always", "monthly", "never"):
            suffix = f"_{mode}"
            tasks.run_from_climate_data(gdir, ys=2004, ye=2019, mb_elev_feedback=mode, output_filesuffix=suffix, **of)
            with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix=suffix)) as ds:
                ends[mode] = float(ds.volume_m3[-1]) / 1e9
        off = abs(ends["monthly"] / ends["annual"] - 1)
        return off < 5e-3, ", ".join(f"{mode} {end:.4f}" for mode, end in ends.items()) + " km3"

    check("restarts", restart)
    check("mb_elev_feedback", feedback)


# --- settings, copies, compile tasks ---


def settings_and_compilations(check: Check, glacier: Glacier) -> None:
    from oggm import tasks, utils

    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS
    from tests.glaciers import calibrate_by_oggm

    gdir = glacier.calibrated()
    fls = gdir.read_pickle("inversion_flowlines")

    def mean(model: Any) -> float:
        return float(np.mean(model.get_specific_mb(fls=fls, year=range(2000, 2020))))

    def copies() -> tuple[bool, str]:
        found = []
        for setup in ("run", "run/spinup", "inversion", "all"):
            base = os.path.join(tempfile.mkdtemp(dir=glacier.folder), "per_glacier")
            found.append(mean(GlaUnTIMassBalance(utils.copy_to_basedir(gdir, base_dir=base, setup=setup))))
        off = max(abs(one - REFERENCE[0]) for one in found)
        return off < 1e-3, f"the balance of a copy is off by at most {off:.1e} kg m-2 yr-1"

    def settings() -> tuple[bool, str]:
        if not HAS_SETTINGS:
            return True, "not in this version"
        gdir.create_new_settings("_stiff", data={"glen_a": 1e-24}, parent_filesuffix="")
        stiff = mean(GlaUnTIMassBalance(gdir, settings_filesuffix="_stiff"))
        gdir.create_new_settings("_half", data={"melt_f": 3.0}, parent_filesuffix="")
        by_hand = float(GlaUnTIMassBalance(gdir, settings_filesuffix="_half").melt_f)
        gdir.settings_filesuffix = ""
        return abs(stiff - REFERENCE[0]) < 1e-3 and by_hand == 3.0, f"glen_a: {stiff:.1f}, melt_f by hand: {by_hand}"

    def perturbed() -> tuple[bool, str]:
        before = float(GlaUnTIMassBalance(gdir).melt_f)
        suffix = "output_filesuffix" if HAS_SETTINGS else "filesuffix"
        calibrate_by_oggm(gdir, ref_mb=REFERENCE[0], ref_period=REFERENCE[2], overwrite_gdir=True)  # MonthlyTIModel
        tasks.perturbate_mb_params(gdir, perturbation={"melt_f": 0.5, "prcp_fac": 1.1}, **{suffix: "_more"})
        model = GlaUnTIMassBalance(gdir, mb_params_filesuffix="_more")
        changed = float(model.melt_f) - before, float(model.prcp_fac)
        return np.allclose(changed, (0.5, 1.1)), f"melt_f + {changed[0]:.3f}, prcp_fac x {changed[1]:.3f}"

    def compiled() -> tuple[bool, str]:
        tasks.run_from_climate_data(gdir, mb_model_class=GlaUnTIMassBalance, ys=2004, ye=2019, output_filesuffix="_c")
        volume = utils.compile_run_output([gdir], input_filesuffix="_c").volume
        kwargs = {"mb_model_class": GlaUnTIMassBalance}
        years = {"ys": 2004, "ye": 2019}
        if HAS_SETTINGS:
            mb = utils.compile_fixed_geometry_mass_balance([gdir], path=False, **years, **kwargs).mean().iloc[0]
            ela, note = utils.compile_ela([gdir], path=False, **years, **kwargs).mean().iloc[0], ""
        else:
            mb = np.mean(tasks.fixed_geometry_mass_balance(gdir, **years, **kwargs))
            ela = np.mean(tasks.compute_ela(gdir, **years, **kwargs))
            note = "; the compile tasks of balance and ELA take no class in this version, those of a glacier do"
        finite = np.isfinite(volume).all() and np.isfinite([mb, ela]).all()
        return bool(finite), f"mean balance {mb:.0f} kg m-2 yr-1, mean ELA {ela:.0f} m{note}"

    check("copy_to_basedir", copies)
    check("settings_filesuffix", settings)
    check("perturbate_mb_params", perturbed)
    check("compile_run_output, compile_fixed_geometry_mass_balance, compile_ela", compiled)


if __name__ == "__main__":
    logging.getLogger("oggm").setLevel(logging.ERROR)
    sys.exit(main())
