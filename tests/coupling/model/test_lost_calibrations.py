"""Ordinary ways of working with glacier directories, none of which may lose a calibration."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from oggm import GlacierDirectory, cfg, tasks, utils
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, glaunti_statistics, tasks as gtasks
from oggm_glaunti.coupling.model.oggm_record import forget_calibration
from oggm_glaunti.coupling.model.params import read_params
from oggm_glaunti.coupling.oggm.messages import forget_warnings
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS
from tests.glaciers import calibrate_by_oggm

YEARS = range(2000, 2020)
REFERENCE = {"ref_mb": -700.0, "ref_period": "2000-01-01_2020-01-01"}
A = {"mb_kwargs": {"model": "A"}, "order": ("melt_f",)}
BY_OGGM = {"mb_model_class": GlaUnTIMassBalanceA, "prcp_fac": 1.0, "temp_bias": 0.0}
only_with_settings = pytest.mark.skipif(not HAS_SETTINGS, reason="this version of OGGM has no settings of a directory")


def mean_balance(gdir, flowlines_of=None, **kwargs):
    fls = (flowlines_of or gdir).read_pickle("inversion_flowlines")
    return float(np.mean(GlaUnTIMassBalance(gdir, **kwargs).get_specific_mb(fls=fls, year=YEARS)))


# --- copies and archives ---


@pytest.mark.parametrize("setup", ["run", "run/spinup", "inversion", "all"])
def test_a_copy_has_the_calibration(aletsch_gdir, tmp_path, setup):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    copy = utils.copy_to_basedir(aletsch_gdir, base_dir=str(tmp_path / "per_glacier"), setup=setup)
    assert mean_balance(copy, aletsch_gdir) == pytest.approx(-700.0, abs=1e-3)
    if setup.startswith("run"):
        model = tasks.run_from_climate_data(copy, mb_model_class=GlaUnTIMassBalance, ys=2010, ye=2012)
        assert model.mb_model.flowline_mb_models[0].model_name == "A"


@pytest.mark.slow
def test_a_copy_has_the_features_and_corrections_of_model_c(aletsch, tmp_path):
    gtasks.calibrate_glaunti(aletsch, **REFERENCE, order=("melt_f",), mb_kwargs={"model": "C"})
    copy = utils.copy_to_basedir(aletsch, base_dir=str(tmp_path / "per_glacier"), setup="run")
    assert mean_balance(copy, aletsch) == pytest.approx(-700.0, abs=1e-3)


def test_a_copy_made_without_this_package_has_the_calibration_all_the_same(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    before = {name: value for name, value in read_params(aletsch_gdir).items() if name != "units"}
    kept = "mb_calib_glaunti.json"
    for name in ("glaunti_params.json", *(() if not HAS_SETTINGS else (kept,))):
        Path(aletsch_gdir.dir, name).unlink()
    assert mean_balance(aletsch_gdir) == pytest.approx(-700.0, abs=1e-3)
    assert {name: value for name, value in read_params(aletsch_gdir).items() if name in before} == before


def test_an_archive_has_the_calibration(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    path = utils.gdir_to_tar(aletsch_gdir, delete=True)
    assert not Path(aletsch_gdir.dir).exists()
    with tarfile.open(path) as archive:
        assert any(name.endswith("glaunti_params.json") for name in archive.getnames())
    again = GlacierDirectory(aletsch_gdir.rgi_id, base_dir=aletsch_gdir.base_dir, from_tar=True)
    assert mean_balance(again) == pytest.approx(-700.0, abs=1e-3)
    utils.gdir_to_tar(again, delete=True)
    utils.base_dir_to_tar(aletsch_gdir.base_dir, delete=True)
    bundled = GlacierDirectory(aletsch_gdir.rgi_id, base_dir=aletsch_gdir.base_dir, from_tar=True)
    assert mean_balance(bundled) == pytest.approx(-700.0, abs=1e-3)


# --- what numbers belong to ---


def test_what_oggm_calibrated_under_a_suffix_comes_back_as_the_same_model(aletsch_gdir):
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, **BY_OGGM, filesuffix="_oggm")
    model = GlaUnTIMassBalance(aletsch_gdir, mb_params_filesuffix="_oggm")
    assert (model.model_name, model.corrector) == ("A", "off")
    assert mean_balance(aletsch_gdir, mb_params_filesuffix="_oggm") == pytest.approx(-700.0, abs=0.01)


def test_what_oggm_calibrated_of_the_other_day_comes_back_with_it(aletsch_gdir):
    class Conserving(GlaUnTIMassBalanceA):
        def __init__(self, gdir, **kwargs):
            super().__init__(gdir, **{"variant": "mass_conserving", **kwargs})

    calibrate_by_oggm(aletsch_gdir, **REFERENCE, **{**BY_OGGM, "mb_model_class": Conserving}, filesuffix="_oggm")
    assert GlaUnTIMassBalance(aletsch_gdir, mb_params_filesuffix="_oggm").variant == "mass_conserving"
    assert mean_balance(aletsch_gdir, mb_params_filesuffix="_oggm") == pytest.approx(-700.0, abs=0.01)


def test_numbers_of_another_mass_balance_model_are_refused(aletsch_gdir):
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, filesuffix="_monthly")
    with pytest.raises(InvalidWorkflowError, match=r"_monthly\.\w+ was calibrated for another mass-balance model"):
        GlaUnTIMassBalance(aletsch_gdir, mb_params_filesuffix="_monthly")


def test_a_calibration_of_another_model_in_the_same_place_ends_ours(aletsch_gdir):
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, **BY_OGGM, filesuffix="_x")
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, filesuffix="_x", overwrite_gdir=True)
    with pytest.raises(InvalidWorkflowError, match="another mass-balance model"):
        GlaUnTIMassBalance(aletsch_gdir, mb_params_filesuffix="_x")


def test_a_calibration_of_oggm_without_a_suffix_counts_until_the_next(aletsch_gdir):
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, **BY_OGGM, overwrite_gdir=True)
    assert mean_balance(aletsch_gdir) == pytest.approx(-700.0, abs=0.01)
    gtasks.calibrate_glaunti(aletsch_gdir, **{**REFERENCE, "ref_mb": -900.0}, **A)
    assert mean_balance(aletsch_gdir) == pytest.approx(-900.0, abs=0.01)


def test_a_flowline_calibrated_alone_has_its_own_numbers(aletsch_gdir, caplog):
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, **BY_OGGM, filesuffix="_fl0")
    alone, whole = (GlaUnTIMassBalanceA(aletsch_gdir, fl_id=fl_id).melt_f for fl_id in (0, 1))
    assert alone == pytest.approx(4.7826, abs=1e-3)
    assert whole == pytest.approx(4.9642, abs=1e-3)
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, filesuffix="_fl1")
    assert GlaUnTIMassBalanceA(aletsch_gdir, fl_id=1).melt_f == whole
    assert "_fl1" in caplog.text
    assert "another mass-balance model" in caplog.text


# --- periods, perturbations, settings ---


@pytest.mark.slow
def test_a_reference_counts_the_days_it_is_given_for(aletsch_gdir):
    found = gtasks.calibrate_glaunti(aletsch_gdir, ref_mb=-1000.0, ref_period="2009-09-15_2012-09-15", **A)
    assert found["melt_f"] == pytest.approx(4.823, abs=0.001)  # 4.958 for the calendar years 2009 to 2011
    heights, widths = (
        np.concatenate([getattr(fl, name) for fl in aletsch_gdir.read_pickle("inversion_flowlines")])
        for name in ("surface_h", "widths")
    )
    model = GlaUnTIMassBalance(aletsch_gdir)
    days = np.concatenate([model.get_daily_mb_of_year(heights, year) for year in range(2009, 2013)], axis=1)
    dates = np.arange("2009-01-01", "2013-01-01", dtype="M8[D]")
    inside = (dates >= np.datetime64("2009-09-15")) & (dates <= np.datetime64("2012-09-15"))
    total = np.average(days[:, inside].sum(axis=1), weights=widths) * 86400 * model.rho
    assert total / 3 == pytest.approx(-1000.0, rel=2e-3)  # of three years and a day


def test_a_reference_that_is_not_covered_is_refused(aletsch_gdir):
    with pytest.raises(InvalidParamsError, match=r"1980.*daily climate holds 1981 to 2020"):
        gtasks.calibrate_glaunti(aletsch_gdir, ref_mb=-1000.0, ref_period="1980-09-15_2012-09-15", **A)


def test_a_perturbation_by_oggms_task_perturbs_ours(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    before = GlaUnTIMassBalance(aletsch_gdir)
    calibrate_by_oggm(aletsch_gdir, **REFERENCE, overwrite_gdir=True)  # MonthlyTIModel's
    suffix = "output_filesuffix" if HAS_SETTINGS else "filesuffix"
    perturbation = {"melt_f": 0.5, "prcp_fac": 1.1, "temp_bias": -0.2}
    tasks.perturbate_mb_params(aletsch_gdir, perturbation=perturbation, **{suffix: "_more"})
    after = GlaUnTIMassBalance(aletsch_gdir, mb_params_filesuffix="_more")
    assert after.melt_f == pytest.approx(before.melt_f + 0.5)
    assert (after.prcp_fac, after.temp_bias) == pytest.approx((1.1, -0.2))
    assert GlaUnTIMassBalance(aletsch_gdir).melt_f == before.melt_f
    tasks.perturbate_mb_params(aletsch_gdir, perturbation={"melt_f": -0.5})
    assert GlaUnTIMassBalance(aletsch_gdir).melt_f == pytest.approx(before.melt_f - 0.5)


@only_with_settings
def test_settings_that_vary_something_else_have_the_calibration_they_fall_back_to(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    for parent in ("", None):
        suffix = f"_stiff{parent}"
        aletsch_gdir.create_new_settings(suffix, data={"glen_a": 1e-24}, parent_filesuffix=parent)
        assert mean_balance(aletsch_gdir, settings_filesuffix=suffix) == pytest.approx(-700.0, abs=1e-3)
    aletsch_gdir.create_new_settings("_cold", data={"temp_bias": -0.5}, parent_filesuffix="")
    cold = GlaUnTIMassBalance(aletsch_gdir, settings_filesuffix="_cold")
    assert (cold.temp_bias, cold.melt_f) == (-0.5, GlaUnTIMassBalance(aletsch_gdir).melt_f)


@only_with_settings
def test_settings_are_honoured_or_refused(aletsch_gdir):
    aletsch_gdir.create_new_settings("_light", data={"ice_density": 850.0}, parent_filesuffix="")
    assert GlaUnTIMassBalanceA(aletsch_gdir, settings_filesuffix="_light").rho == 850.0
    aletsch_gdir.create_new_settings("_lapse", data={"glaunti_temp_gradient": -0.007}, parent_filesuffix="")
    with pytest.raises(InvalidParamsError, match=r"settings_lapse\.yml holds glaunti_temp_gradient"):
        GlaUnTIMassBalanceA(aletsch_gdir, settings_filesuffix="_lapse")


def test_a_threshold_of_melt_is_refused(aletsch_gdir):
    with pytest.raises(InvalidParamsError, match=r"temp_melt is -1.*temp_bias"):
        GlaUnTIMassBalanceA(aletsch_gdir, temp_melt=-1.0)


def test_more_years_of_weather_are_said_in_words(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    path = Path(aletsch_gdir.get_filepath("glaunti_params"))
    params = json.loads(path.read_text())
    path.write_text(json.dumps(params | {"climate_years": [1981, 2019], "climate_sha256": "0" * 64}))
    words = r"climate_years is \[1981, 2020\] here, but the glacier was calibrated with \[1981, 2019\]"
    with pytest.raises(InvalidWorkflowError, match=words):
        GlaUnTIMassBalance(aletsch_gdir)


def test_the_statistics_of_a_glacier_name_its_calibration(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    table = utils.compile_glacier_statistics([aletsch_gdir], path=False, apply_func=glaunti_statistics)
    row = table.loc[aletsch_gdir.rgi_id]
    assert (row.glaunti_model, row.glaunti_reference_mb) == ("A", -700.0)
    assert row.glaunti_melt_f == pytest.approx(4.7826, abs=1e-3)
    # OGGM's own column is that of MonthlyTIModel; OGGM 1.7 leaves it out where all are not in its settings.
    assert row.get("melt_f") != row.glaunti_melt_f


def test_parameters_without_effect_are_named_once(aletsch_gdir, caplog):
    forget_warnings()
    cfg.PARAMS["use_winter_prcp_fac"] = True
    cfg.PARAMS["hydro_month_nh"] = 9
    for _ in range(2):
        GlaUnTIMassBalanceA(aletsch_gdir)
    named = [record.message for record in caplog.records if "has no effect on GlaUnTI" in record.message]
    assert sorted(text.split("'")[1] for text in named) == ["hydro_month_nh", "use_winter_prcp_fac"]


@pytest.mark.parametrize("by_oggm", [False, True])
def test_a_calibration_that_is_to_be_forgotten_is(aletsch_gdir, by_oggm):
    if by_oggm:
        calibrate_by_oggm(aletsch_gdir, **REFERENCE, **BY_OGGM, overwrite_gdir=True)
    gtasks.calibrate_glaunti(aletsch_gdir, **REFERENCE, **A)
    forget_calibration(aletsch_gdir)
    assert read_params(aletsch_gdir) == {}
    assert GlaUnTIMassBalanceA(aletsch_gdir).melt_f == pytest.approx(4.9642, abs=1e-3)
