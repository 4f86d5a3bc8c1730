"""What a calibration is tied to, and how calibrations lie side by side."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, settings, tasks as gtasks
from oggm_glaunti.coupling.model.params import read_params
from oggm_glaunti.coupling.table import store as table_store
from oggm_glaunti.coupling.table.band_corrections import corrections_digest

REFERENCE = {"ref_mb": -1100.0, "ref_period": "2014-01-01_2020-01-01"}


def params_path(gdir, suffix=""):
    return Path(gdir.get_filepath("glaunti_params", filesuffix=suffix))


def test_a_calibration_made_with_other_weather_of_the_same_name_is_refused(hef_gdir, tmp_path):
    gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, **REFERENCE)
    assert GlaUnTIMassBalance(hef_gdir).melt_f == read_params(hef_gdir)["melt_f"]
    _lift_reference_height(hef_gdir, 200.0)
    with pytest.raises(InvalidWorkflowError, match=r"climate_ref_hgt is .* calibrated with .* Calibrate again"):
        GlaUnTIMassBalance(hef_gdir)
    with pytest.raises(InvalidWorkflowError, match="climate_ref_hgt"):
        gtasks.glaunti_smb(hef_gdir)


def _lift_reference_height(gdir, by):
    import netCDF4

    with netCDF4.Dataset(gdir.get_filepath("climate_historical", filesuffix="_daily"), "a") as nc:
        nc.ref_hgt += by


@pytest.mark.slow
def test_a_calibration_made_with_another_dem_is_refused(hef_gdir, weights_dir, monkeypatch):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    gtasks.glaunti_features(hef_gdir)
    gtasks.calibrate_glaunti(hef_gdir, **REFERENCE)
    GlaUnTIMassBalance(hef_gdir)
    gtasks.glaunti_features(hef_gdir, elevation_std=20.0)
    with pytest.raises(InvalidWorkflowError, match=r"glaunti_features\.nc was made again"):
        GlaUnTIMassBalance(hef_gdir)


def test_calibrations_under_a_suffix_are_not_passed_over_in_silence(hef_gdir):
    gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, filesuffix="_wet", **REFERENCE)
    with pytest.raises(InvalidWorkflowError, match=r"glaunti_params_wet\.json.*mb_params_filesuffix"):
        GlaUnTIMassBalance(hef_gdir)
    calibrated = GlaUnTIMassBalance(hef_gdir, mb_params_filesuffix="_wet")
    assert calibrated.melt_f == read_params(hef_gdir, "_wet")["melt_f"]


def test_a_model_finds_its_own_calibration_beside_another_models(hef_gdir, weights_dir, monkeypatch):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "C", "corrector": "off"}, **REFERENCE)
    gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, filesuffix="_A", **{**REFERENCE, "ref_mb": -900.0})
    assert GlaUnTIMassBalanceC(hef_gdir).melt_f == read_params(hef_gdir)["melt_f"]
    assert GlaUnTIMassBalanceA(hef_gdir).melt_f == read_params(hef_gdir, "_A")["melt_f"]
    assert GlaUnTIMassBalanceA(hef_gdir).melt_f < GlaUnTIMassBalanceC(hef_gdir).melt_f


def test_weights_recorded_on_another_machine_are_looked_for_the_usual_way(hef_gdir, weights_dir, monkeypatch):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    gtasks.calibrate_glaunti(
        hef_gdir, mb_kwargs={"model": "C", "corrector": "off", "weights": weights_dir / "c.eqx"}, **REFERENCE
    )
    content = json.loads(params_path(hef_gdir).read_text())
    params_path(hef_gdir).write_text(json.dumps({**content, "weights_path": "/not/on/this/machine/c.eqx"}))
    assert GlaUnTIMassBalance(hef_gdir).weights_sha256 == content["weights_sha256"]


def test_only_the_tunable_parameters_that_were_turned_are_called_calibrated(hef_gdir):
    result = gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, order=("melt_f", "prcp_fac"), **REFERENCE)
    assert result["calibrated"] == ["melt_f"]
    assert result["prcp_fac"] == 1.0


def test_the_summary_names_the_tunable_parameters(hef_gdir):
    assert "melt_f: 5.5" in repr(GlaUnTIMassBalanceA(hef_gdir, melt_f=5.5))


def test_corrections_of_the_other_hemisphere_are_other_corrections():
    north, south = (corrections_digest("same", "same", "sha", hemisphere) for hemisphere in ("nh", "sh"))
    assert north != south


@pytest.mark.parametrize(
    ("suffix", "tributary"),
    [
        ("", ""),
        ("_ssp126", ""),
        ("_RGI60-11.00001", "_RGI60-11.00001"),
        ("_RGI60-11.00001_ssp126", "_RGI60-11.00001"),
        ("_RGI2000-v7.0-G-11-00042_ssp126", "_RGI2000-v7.0-G-11-00042"),
        ("_gcm_data_RGI50-11.00719_d01_ssp126", "_RGI50-11.00719_d01"),
    ],
)
def test_a_tributary_is_told_from_a_scenario(suffix, tributary):
    assert table_store.tributary_suffix(suffix) == tributary


@pytest.mark.parametrize("step", [0, -5.0, "x", 1e4])
def test_an_impossible_step_of_the_table_is_refused(hef_gdir, step):
    from oggm import cfg
    from oggm.exceptions import InvalidParamsError

    cfg.PARAMS["glaunti_table_step"] = step
    with pytest.raises(InvalidParamsError, match="glaunti_table_step"):
        GlaUnTIMassBalanceA(hef_gdir).get_annual_mb(np.array([3000.0]), year=2015)


@pytest.mark.parametrize(
    ("task", "wrong", "allowed"),
    [
        (lambda gdir, wrong: gtasks.glaunti_smb(gdir, mb_kwargs=wrong), "filename", "glaunti_smb: .* melt_f"),
        (
            lambda gdir, wrong: gtasks.calibrate_glaunti(gdir, mb_kwargs=wrong),
            "melt_f",
            "calibrate_glaunti: .* variant$",
        ),
        (lambda gdir, wrong: gtasks.glaunti_tables([gdir], mb_kwargs=wrong), "modell", "glaunti_tables: .* filename"),
        (lambda gdir, wrong: gtasks.compile_glaunti_output([gdir], mb_kwargs=wrong), "ys", "compile_glaunti_output: "),
    ],
)
def test_an_unknown_argument_of_the_model_names_the_task_and_lists_those_allowed(hef_gdir, task, wrong, allowed):
    with pytest.raises(InvalidParamsError, match=rf"{allowed}") as error:
        task(hef_gdir, {"model": "A", wrong: 1})
    assert f"mb_kwargs: unknown ['{wrong}']; allowed are model, corrector, weights, variant" in str(error.value)


# --- files and numbers that are none ---


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", r"glaunti_params\.json: expected named values in braces, found \[\]; delete it and calibrate again"),
        ("null", "expected named values in braces, found None"),
        ('"five"', "expected named values in braces, found 'five'"),
        ("{", r"glaunti_params\.json cannot be read \(Expecting property name"),
        ("\udcff", r"glaunti_params\.json cannot be read \('utf-8' codec"),
        ("[" * 100_000, "cannot be read"),
        ('{"rgi_id": "RGI60-11.01450"}', r"glaunti_params\.json is the calibration of 'RGI60-11\.01450'; delete it"),
        ('{"melt_fac": 5.0}', r"glaunti_params\.json: unknown melt_fac; known are .*melt_f, "),
        ('{"model": null}', r"glaunti_params\.json: model: expected text, found None"),
        ('{"weights_path": 5}', "weights_path: expected text, found 5"),
        ('{"model": "A", "melt_f": "five"}', "melt_f: expected a finite number or 12 of them, found 'five'"),
        ('{"model": "A", "prcp_fac": NaN}', "prcp_fac: expected a finite number"),
        ('{"model": "A", "temp_bias": 1e30}', r"temp_bias is 1e\+30, expected -50 to 50 K"),
        ('{"model": "A", "parameters": []}', r"parameters: expected \["),
        ('{"model": "A", "fitted_temp_gradient": "steep"}', "fitted_temp_gradient is 'steep'"),
        ('{"model": "A", "variant": "rough"}', "variant: expected one of"),
        ('{"model": "E"}', "model: expected A, C or D, found 'E'"),
    ],
)
def test_a_calibration_that_is_none_is_named(hef_gdir, content, said):
    params_path(hef_gdir).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidParamsError, match=rf"RGI60-11\.00897: .*{said}"):
        GlaUnTIMassBalance(hef_gdir)


def test_a_link_to_nothing_is_no_missing_calibration(hef_gdir, tmp_path):
    params_path(hef_gdir).symlink_to(tmp_path / "gone.json")
    with pytest.raises(InvalidParamsError, match=r"glaunti_params\.json is a link to .*gone\.json, which is not there"):
        GlaUnTIMassBalanceA(hef_gdir)
    params_path(hef_gdir).unlink()
    params_path(hef_gdir).mkdir()
    with pytest.raises(InvalidParamsError, match=r"glaunti_params\.json cannot be read \(.*Is a directory"):
        GlaUnTIMassBalanceA(hef_gdir)


@pytest.mark.parametrize("name", ["melt_f", "prcp_fac", "temp_bias", "bias"])
def test_numbers_beyond_all_glaciers_are_refused(hef_gdir, name):
    for value in (1e30, "five", np.nan):
        with pytest.raises(InvalidParamsError, match=rf"RGI60-11\.00897: {name}"):
            GlaUnTIMassBalanceA(hef_gdir, **{name: value})
    if name != "bias":  # which is no argument of this task
        with pytest.raises(InvalidParamsError, match=rf"RGI60-11\.00897: {name}"):
            gtasks.glaunti_smb(hef_gdir, mb_kwargs={"model": "A", name: 1e30})
