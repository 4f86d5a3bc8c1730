"""OGGM's dynamic spin-up with a mass-balance class that OGGM does not know."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import oggm.core.dynamic_spinup as oggm_spinup
import pytest
from oggm import tasks
from oggm.core.massbalance import ConstantMassBalance, MonthlyTIModel, MultipleFlowlineMassBalance
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.coupling.model import dynamic_spinup
from oggm_glaunti.coupling.model.calibration_file import write_calibration
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS, spinup_with

NAMES = [
    "MonthlyTIModel",
    "ConstantMassBalance",
    "MultipleFlowlineMassBalance",
    "apparent_mb_from_any_mb",
    "run_from_climate_data",
    "run_dynamic_spinup",
]


class OtherBalance(MonthlyTIModel):
    """A model that OGGM does not know."""


def state_of_oggm() -> list[object]:
    return [getattr(oggm_spinup, name) for name in NAMES]


def paths(gdir) -> dict[str, Path]:
    return {
        "oggm": Path(gdir.get_filepath("mb_calib")),
        "ours": Path(gdir.get_filepath("mb_calib", filesuffix="_glaunti")),
        "params": Path(gdir.get_filepath("glaunti_params")),
    }


def melt_f_of_oggm(gdir) -> float:
    return gdir.read_yml("settings")["melt_f"] if HAS_SETTINGS else melt_f_of(paths(gdir)["oggm"])


def melt_f_of(path: Path) -> float:
    return json.loads(path.read_text())["melt_f"]


@pytest.fixture
def calibrated(aletsch_gdir):
    """Grosser Aletsch with a calibration of `OtherBalance` beside OGGM's own."""
    calib = aletsch_gdir.read_json("mb_calib") | {"model": "A", "melt_f": 6.1, "climate_source": "GSWP3_W5E5"}
    write_calibration(aletsch_gdir, calib, "")
    return aletsch_gdir


def calibrate_dynamically(gdir, **kwargs):
    run = {"precision_percent": 5, **kwargs.pop("kwargs_run_function", {})}
    return dynamic_spinup.run_dynamic_melt_f_calibration(
        gdir, mb_model_class=OtherBalance, ys=1985, ye=2020, kwargs_run_function=run, **kwargs
    )


def test_the_context_puts_everything_back():
    before = state_of_oggm()
    with spinup_with(OtherBalance):
        assert oggm_spinup.MonthlyTIModel is OtherBalance
    assert state_of_oggm() == before


def test_the_context_puts_everything_back_after_an_error():
    before = state_of_oggm()
    with pytest.raises(KeyError, match="inside"), spinup_with(OtherBalance):
        raise KeyError("inside")
    assert state_of_oggm() == before


def test_contexts_nest_and_the_innermost_class_counts(calibrated):
    class Inner(OtherBalance):
        pass

    before = state_of_oggm()
    with spinup_with(OtherBalance):
        outer = state_of_oggm()
        with spinup_with(Inner):
            constant = oggm_spinup.ConstantMassBalance(calibrated, y0=2000, halfsize=2)
            assert type(constant.mbmod) is Inner
            model = oggm_spinup.run_from_climate_data(calibrated, ys=2004, ye=2005, output_filesuffix="_inner")
            assert type(model.mb_model.flowline_mb_models[0]) is Inner
        assert state_of_oggm() == outer
    assert state_of_oggm() == before


@pytest.mark.slow
def test_spinup_runs_with_the_class_given_and_oggms_own_as_ever_afterwards(calibrated):
    before = state_of_oggm()
    model = dynamic_spinup.run_dynamic_spinup(calibrated, mb_model_class=OtherBalance, ye=2010, precision_percent=5)
    assert type(model.mb_model.flowline_mb_models[0]) is OtherBalance
    assert calibrated.get_diagnostics()["run_dynamic_spinup_success"]
    assert state_of_oggm() == before
    model = tasks.run_dynamic_spinup(calibrated, ye=2005, precision_percent=5)
    assert type(model.mb_model.flowline_mb_models[0]) is MonthlyTIModel


@pytest.mark.slow
def test_a_spinup_model_may_be_given(calibrated):
    given = MultipleFlowlineMassBalance(
        calibrated,
        mb_model_class=lambda gdir, **kwargs: ConstantMassBalance(gdir, mb_model_class=OtherBalance, **kwargs),
        y0=1994,
        halfsize=10,
    )
    dynamic_spinup.run_dynamic_spinup(
        calibrated, mb_model_class=OtherBalance, mb_model_spinup=given, ye=2010, precision_percent=5
    )
    assert given.temp_bias == calibrated.get_diagnostics()["temp_bias_dynamic_spinup"]


@pytest.mark.slow
def test_spinup_does_not_start_before_the_daily_climate(calibrated):
    dynamic_spinup.run_dynamic_spinup(
        calibrated, mb_model_class=OtherBalance, spinup_start_yr=1910, ye=2010, precision_percent=5
    )
    # The monthly file begins in 1901, the daily one in 1981; the glacier is matched in 2004.
    assert calibrated.get_diagnostics()["dynamic_spinup_period"] <= 2004 - 1981
    assert "get_climate_info" not in vars(calibrated)


def test_spinup_without_any_climate_says_what_to_run(calibrated):
    for suffix in ("", "_daily"):
        Path(calibrated.get_filepath("climate_historical", filesuffix=suffix)).unlink()
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.01450: no climate_historical_daily\.nc .*process_daily"):
        dynamic_spinup.run_dynamic_spinup(calibrated, mb_model_class=OtherBalance)


@pytest.mark.slow
def test_melt_f_found_stays_with_glaunti_and_oggms_file_is_untouched(calibrated):
    files = paths(calibrated)
    oggm_bytes = files["oggm"].read_bytes()
    others = json.loads(files["params"].read_text())
    write_calibration(calibrated, {**others, "melt_f": 6.6}, "")
    model = calibrate_dynamically(calibrated, err_dmdtda_scaling_factor=0.5)

    found = calibrated.get_diagnostics()["melt_f_dynamic_calibration"]
    assert 5.5 < found < 6.5
    assert melt_f_of(files["params"]) == melt_f_of(files["ours"]) == found
    assert json.loads(files["params"].read_text()) == {
        **{key: value for key, value in others.items() if key != "residual"},
        "melt_f": found,
        "calibrated_by": "run_dynamic_melt_f_calibration",
    }
    assert files["oggm"].read_bytes() == oggm_bytes
    assert type(model.mb_model.flowline_mb_models[0]) is OtherBalance
    assert not list(files["oggm"].parent.glob("*before_dynamic*"))


def test_melt_f_calibration_without_spinup_runs_with_the_class_given(calibrated):
    model = dynamic_spinup.run_dynamic_melt_f_calibration(
        calibrated,
        mb_model_class=OtherBalance,
        ys=1995,
        ye=2020,
        ref_dmdtda=-1100.0,
        err_ref_dmdtda=50.0,
        run_function=oggm_spinup.dynamic_melt_f_run,
        fallback_function=oggm_spinup.dynamic_melt_f_run_fallback,
    )
    assert type(model.mb_model.flowline_mb_models[0]) is OtherBalance
    assert melt_f_of(paths(calibrated)["params"]) == calibrated.get_diagnostics()["melt_f_dynamic_calibration"]


def test_a_failed_calibration_leaves_every_file_as_it_was(calibrated):
    before = {name: path.read_bytes() for name, path in paths(calibrated).items()}
    seen = []

    def fails(gdir, melt_f, set_local_variables=False, **_):
        if not set_local_variables:
            oggm_spinup.define_new_melt_f_in_gdir(gdir, melt_f + 1)
            seen.extend([melt_f_of_oggm(gdir), melt_f_of(paths(gdir)["params"])])
            raise ValueError("a run that fails")

    state = state_of_oggm()
    with pytest.raises(ValueError, match="a run that fails"):
        calibrate_dynamically(calibrated, run_function=fails)
    # During the run OGGM's file holds what OGGM turns, and ours what was calibrated before.
    assert seen == pytest.approx([7.1, 6.1])
    assert {name: path.read_bytes() for name, path in paths(calibrated).items()} == before
    assert state_of_oggm() == state


KILLED = """
import os, sys
from oggm_glaunti.coupling.model import dynamic_spinup
from oggm_glaunti.coupling.model.calibration_file import write_calibration
from oggm_glaunti.coupling.oggm.offline import start_offline
import oggm
import oggm.core.dynamic_spinup as oggm_spinup

def killed(gdir, melt_f, set_local_variables=False, **_):
    if not set_local_variables:
        oggm_spinup.define_new_melt_f_in_gdir(gdir, melt_f + 1)
        os._exit(9)

start_offline(sys.argv[1])
gdir = oggm.GlacierDirectory(sys.argv[2])
dynamic_spinup.run_dynamic_melt_f_calibration(
    gdir, mb_model_class=oggm.core.massbalance.MonthlyTIModel, ys=1985, run_function=killed
)
"""


@pytest.mark.slow
def test_a_killed_calibration_is_undone_by_the_next(calibrated, oggm_env):
    before = {name: path.read_bytes() for name, path in paths(calibrated).items()}
    command = [sys.executable, "-c", KILLED, str(oggm_env), calibrated.rgi_id]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == 9, killed.stderr
    assert melt_f_of_oggm(calibrated) == pytest.approx(7.1)

    with pytest.raises(RuntimeError, match="start year"):
        calibrate_dynamically(calibrated, target_yr=1950)
    assert {name: path.read_bytes() for name, path in paths(calibrated).items()} == before


def test_an_uncalibrated_glacier_is_refused_and_told_what_to_run(calibrated):
    for name in ("ours", "params"):
        paths(calibrated)[name].unlink()
    if HAS_SETTINGS:
        Path(calibrated.get_filepath("settings")).unlink()
    oggm_bytes = paths(calibrated)["oggm"].read_bytes()
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.01450: no calibration .*calibrate_glaunti"):
        calibrate_dynamically(calibrated)
    assert paths(calibrated)["oggm"].read_bytes() == oggm_bytes


def test_a_version_that_takes_the_class_gets_it_and_nothing_is_swapped(calibrated, monkeypatch):
    def newer(gdir, mb_model_class=None, **_):
        return mb_model_class, oggm_spinup.MonthlyTIModel

    monkeypatch.setattr(oggm_spinup, "run_dynamic_spinup", newer)
    assert dynamic_spinup.run_dynamic_spinup(calibrated, mb_model_class=OtherBalance) == (OtherBalance, MonthlyTIModel)


@pytest.mark.slow
def test_spinup_and_melt_f_calibration_run_with_glaunti_itself(aletsch_gdir):
    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
    from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti

    oggm_bytes = paths(aletsch_gdir)["oggm"].read_bytes()
    reference = {"ref_mb": -1210.7, "ref_mb_err": 131.5, "ref_period": "2000-01-01_2020-01-01"}
    static = calibrate_glaunti(aletsch_gdir, **reference, mb_kwargs={"model": "A"})["melt_f"]
    model = dynamic_spinup.run_dynamic_spinup(aletsch_gdir, ye=2010, precision_percent=5)
    assert type(model.mb_model.flowline_mb_models[0]) is GlaUnTIMassBalance

    model = dynamic_spinup.run_dynamic_melt_f_calibration(
        aletsch_gdir, ys=1990, err_dmdtda_scaling_factor=0.2, kwargs_run_function={"precision_percent": 5}
    )
    found = aletsch_gdir.get_diagnostics()["melt_f_dynamic_calibration"]
    # Lowering of the surface is part of the run, so less melt a degree is needed than on the fixed one.
    assert 0.7 * static < found < static
    assert melt_f_of(paths(aletsch_gdir)["params"]) == melt_f_of(paths(aletsch_gdir)["ours"]) == found
    assert model.mb_model.flowline_mb_models[0].melt_f == found
    assert model.yr == 2021
    assert paths(aletsch_gdir)["oggm"].read_bytes() == oggm_bytes


@pytest.mark.slow
def test_a_calibration_beside_another_models_is_the_one_that_is_turned(aletsch_gdir, weights_dir, monkeypatch):
    from oggm_glaunti import GlaUnTIMassBalanceA, tasks as gtasks

    monkeypatch.setenv("OGGM_GLAUNTI_WEIGHTS", str(weights_dir))
    reference = {"ref_mb": -1210.7, "ref_mb_err": 131.5, "ref_period": "2000-01-01_2020-01-01"}
    gtasks.glaunti_features(aletsch_gdir)
    gtasks.calibrate_glaunti(aletsch_gdir, mb_kwargs={"model": "C", "corrector": "off"}, **reference)
    gtasks.calibrate_glaunti(aletsch_gdir, mb_kwargs={"model": "A"}, filesuffix="_A", **reference)
    main, beside = (Path(aletsch_gdir.get_filepath("glaunti_params", filesuffix=suffix)) for suffix in ("", "_A"))
    before, static = main.read_bytes(), melt_f_of(beside)
    gtasks.run_dynamic_melt_f_calibration(
        aletsch_gdir,
        mb_model_class=GlaUnTIMassBalanceA,
        ys=1995,
        ye=2020,
        ref_dmdtda=-1100.0,
        err_ref_dmdtda=50.0,
        run_function=oggm_spinup.dynamic_melt_f_run,
        fallback_function=oggm_spinup.dynamic_melt_f_run_fallback,
    )
    found = aletsch_gdir.get_diagnostics()["melt_f_dynamic_calibration"]
    assert melt_f_of(beside) == found != static
    assert main.read_bytes() == before
    assert GlaUnTIMassBalanceA(aletsch_gdir).melt_f == found
