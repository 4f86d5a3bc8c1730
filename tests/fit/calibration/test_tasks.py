"""Fits of real glaciers: what is written, and that every run of the directory is then what was fitted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm import tasks, workflow
from oggm.exceptions import InvalidParamsError, MassBalanceCalibrationError

from oggm_glaunti import GlaUnTIMassBalance, tasks as gtasks
from oggm_glaunti.core.weights import embedded_a, physical_values, ti_from_physical
from oggm_glaunti.coupling.model.params import read_params
from oggm_glaunti.fit.calibration import map_estimate, tasks as calibration
from oggm_glaunti.fit.calibration.errors import ErrorSizes, Sizes
from oggm_glaunti.fit.calibration.priors import FEW, SPREAD
from oggm_glaunti.fit.calibration.tasks import fit_glaunti, fit_glaunti_region, modelled
from oggm_glaunti.fit.evaluation.scores import scores
from oggm_glaunti.fit.observations import as_observations
from oggm_glaunti.fit.readers import read_wgms_balances, read_wgms_profiles

YEARS = range(2016, 2021)


@pytest.fixture
def bands(hef, shared):
    """WGMS bands and winter balances of Hintereisferner."""
    wgms, label = shared / "data/oggm-sample-data/wgms", {"glacier": hef.rgi_id, "default_dates": True}
    tables = (
        read_wgms_profiles(wgms / "mb_profiles" / "profile_WGMS-00491.csv", **label).observations,
        read_wgms_balances(wgms / "mbdata" / "mbdata_WGMS-00491.csv", **label).observations.query("season == 'winter'"),
    )
    table = pd.concat(tables, ignore_index=True)
    return table[table["end"].dt.year.between(2015, 2020)]


def whole_years(gdir):
    """The glacier in every mass-balance year."""
    begin, end = ([f"{year - back}-{day}" for year in YEARS] for back, day in ((1, "10-01"), (0, "09-30")))
    return as_observations({"glacier": gdir.rgi_id, "kind": "glacier-wide", "begin": begin, "end": end, "value": 0.0})


def numbers(params):
    return {name: entry["value"] for name, entry in params["parameters"].items()}


def fitted_files(gdir):
    return {path.name: path.read_bytes() for path in Path(gdir.dir).glob("*.json")}


# --- what is fitted is what runs ---

CASES = {
    "A": {"model": "A"},
    "C": {"model": "C", "corrector": "climatology"},
    "A, mass conserving": {"model": "A", "variant": "mass_conserving"},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_after_a_fit_the_table_and_the_maps_are_what_was_fitted(hef, bands, case):
    before = scores(
        *modelled(hef, bands, mb_kwargs={"check_calib_params": False, **CASES[case]})[["modelled", "value"]]
        .to_numpy()
        .T
    )
    # Rows that share little move the parameters far.
    errors = ErrorSizes(*[Sizes(0.6, 0.1, 0.1)] * 2)
    params = fit_glaunti(hef, observations=bands, errors=errors, mb_kwargs=CASES[case])
    after = scores(*modelled(hef, bands)[["modelled", "value"]].to_numpy().T)
    print(f"{case}: RMSE {before.rmse:.3f} -> {after.rmse:.3f}, lapse rate {params['fitted_temp_gradient']:.5f}")
    assert after.rmse < 0.95 * before.rmse
    assert after.rmse == pytest.approx(params["fit"]["rmse"], abs=1e-3)
    assert abs(params["fitted_temp_gradient"] + 0.006) > 1e-4

    mb_model = GlaUnTIMassBalance(hef)
    assert (mb_model.variant, mb_model.corrector) == (params["variant"], params["corrector"])
    heights = [2713.0, 2904.0, 3088.0]
    daily = mb_model.get_daily_mb_of_year(heights, 2018) * 86400 * mb_model.rho / 1000.0
    one = {"glacier": hef.rgi_id, "kind": "point", "begin": "2018-01-01", "end": "2018-12-31"}
    points = modelled(hef, as_observations({**one, "height": heights, "value": 0.0}))["modelled"]
    # A period counts half of its first and last day. Heights are 25 m apart here and 10 m in the table.
    of_table = mb_model.get_annual_mb(heights, 2018) * mb_model.sec_in_year(2018) * mb_model.rho / 1000.0
    differences = points - (of_table - 0.5 * (daily[:, 0] + daily[:, -1]))

    # In model C a cell of the map has its own corrections, in the fit those of its band of height.
    maps = gtasks.glaunti_smb(hef, years="mass_balance")
    with xr.open_dataset(hef.get_filepath("glaunti_smb")) as ds:
        assert ds.attrs["temp_gradient"] == params["fitted_temp_gradient"]
    of_maps = maps["smb"][np.isin(maps["time"].astype("M8[Y]").astype(int) + 1970, YEARS)]
    whole = modelled(hef, whole_years(hef))["modelled"] - of_maps
    print(
        f"{case}: largest difference to the table {np.abs(differences).max():.5f}, to maps {np.abs(whole).max():.5f} m"
    )
    np.testing.assert_allclose(differences, 0.0, atol=3e-3)
    np.testing.assert_allclose(whole, 0.0, atol=0.01)


@pytest.mark.slow
def test_oggm_runs_its_ice_with_the_fit(hef, bands):
    fit_glaunti(hef, observations=bands, mb_kwargs={"model": "A"})
    run = {"ys": 2015, "ye": 2020, "mb_model_class": GlaUnTIMassBalance}
    tasks.run_from_climate_data(hef, output_filesuffix="_fit", **run)
    for name in ("glaunti_params", "mb_calib"):
        suffix = "_glaunti" if name == "mb_calib" else ""
        Path(hef.get_filepath(name, filesuffix=suffix)).unlink()
    gtasks.calibrate_glaunti(hef, ref_mb=-1100.0, ref_period="2015-01-01_2020-01-01", mb_kwargs={"model": "A"})
    tasks.run_from_climate_data(hef, output_filesuffix="_tunable", **run)
    with (
        xr.open_dataset(hef.get_filepath("model_diagnostics", filesuffix="_fit")) as fit,
        xr.open_dataset(hef.get_filepath("model_diagnostics", filesuffix="_tunable")) as tunable,
    ):
        assert np.isfinite(fit.volume_m3).all()
        assert float(fit.volume_m3[-1]) < 0.99 * float(fit.volume_m3[0])
        assert abs(float(fit.volume_m3[-1] / tunable.volume_m3[-1]) - 1.0) > 1e-3


@pytest.mark.slow
def test_a_bias_given_is_subtracted_by_the_year(hef, bands):
    with_bias, without = (modelled(hef, bands, mb_kwargs={"model": "A", "bias": bias}) for bias in (365.25, 0.0))
    days = (bands["end"] - bands["begin"]).dt.days.loc[without.index]
    np.testing.assert_allclose(without["modelled"] - with_bias["modelled"], days / 1000.0, rtol=1e-5)


# --- what is written ---


def test_the_file_tells_everything_about_the_fit(hef, bands):
    params = fit_glaunti(hef, observations=bands, mb_kwargs={"model": "A"})
    written = read_params(hef)
    assert written.pop("units")["fitted_temp_gradient"] == "K m-1"
    assert written == json.loads(json.dumps(params))
    assert written["calibrated"] == ["prec_scale", "ddf_snow", "temp_gradient"]
    assert (written["prcp_fac"], written["temp_bias"], written["variant"]) == (1.0, 0.0, "smooth")
    assert written["melt_f"] == 1000.0 * written["parameters"]["ddf_snow"]["value"]
    published = physical_values(embedded_a().ti)
    assert written["published_parameters"] == published
    moved = {name for name, value in numbers(written).items() if value != published[name]["value"]}
    assert moved == {"prec_scale", "ddf_snow"}

    fit = written["fit"]
    assert fit["observations"] == {"point annual": len(bands.query("kind == 'point'")) - fit["rejected"], **WINTERS}
    assert (fit["glaciers"], fit["first"][:4], fit["last"][:4]) == ([hef.rgi_id], "2014", "2020")
    assert fit["parameters_from"] == "own observations"
    assert "km_to_nearest" not in fit
    # How far the bands and the winters of a glacier are from a model, as far as six years tell.
    assert list(fit["error_sizes"]) == ["points", "whole"]
    for of, expected in zip(fit["error_sizes"].values(), ErrorSizes(), strict=True):
        np.testing.assert_allclose(list(of.values()), expected, rtol=0.8)
        assert list(of) == ["own", "winter", "summer"]
    # Snow and melt are told, and hardly by how much they change with height: that is steeper than in the training.
    first, *others, points, whole = fit["identifiability"]
    assert first == "The observations constrain 2 of 3 combinations of parameters."
    print(others)
    assert "temp_gradient is hardly constrained" in [words.split(":")[0] for words in others]
    for words, (own, winter, summer) in zip(
        (points, whole), map(dict.values, fit["error_sizes"].values()), strict=True
    ):
        assert f"differ by {own:.2f} m w.e. a year of its own, and by {winter:.2f} and {summer:.2f} m w.e." in words
    region = fit["region"]
    assert region["stored"] == fit["posterior"]["stored"] == ["prec_scale_log", "ddf_snow_log", "temp_gradient"]
    np.testing.assert_allclose(region["spread"], np.array([SPREAD[name] for name in FEW]) * 0.6, rtol=0.3)
    # One glacier tells its own snow and melt better than those of its region.
    assert (np.diag(region["covariance"])[:2] > np.diag(fit["posterior"]["covariance"])[:2]).all()
    for name, row in fit["parameters"].items():
        assert row["low"] < row["value"] < row["high"], name
        assert (row["contraction"] < 0.5) == (name != "temp_gradient"), name
    assert fit["parameters"]["ddf_snow"]["value"] == pytest.approx(numbers(written)["ddf_snow"], rel=1e-6)
    stored = ti_from_physical(numbers(written))
    mean = dict(zip(fit["posterior"]["stored"], fit["posterior"]["mean"], strict=True))
    assert mean["ddf_snow_log"] == pytest.approx(float(stored.ddf_snow_log), abs=1e-6)
    assert mean["temp_gradient"] == pytest.approx(written["fitted_temp_gradient"], abs=1e-9)
    assert np.linalg.eigvalsh(fit["posterior"]["covariance"]).min() > 0
    oggm_view = json.loads(Path(hef.get_filepath("mb_calib", filesuffix="_glaunti")).read_text())
    assert oggm_view["melt_f"] == written["melt_f"]


WINTERS = {"glacier-wide winter": 6}


@pytest.mark.slow
def test_a_fit_does_not_start_from_the_fit_before_and_keeps_its_model_and_variant(hef, bands):
    first = fit_glaunti(
        hef, observations=bands, mb_kwargs={"model": "A", "variant": "mass_conserving"}, free=["ddf_snow", "temp_bias"]
    )
    assert first["temp_bias"] != 0.0
    assert first["fitted_temp_gradient"] == -0.006
    assert fit_glaunti(hef, observations=bands, free=["ddf_snow", "temp_bias"]) == first


def test_a_calibration_after_a_fit_starts_from_the_weights_own_numbers(hef, bands):
    reference = {"ref_mb": -1100.0, "ref_period": "2015-01-01_2020-01-01", "mb_kwargs": {"model": "A"}}
    expected = gtasks.calibrate_glaunti(hef, **reference)
    fit_glaunti(hef, observations=bands, mb_kwargs={"model": "A"})
    after = gtasks.calibrate_glaunti(hef, **reference)
    assert after == expected
    assert not {"parameters", "fitted_temp_gradient"} & set(read_params(hef))


@pytest.mark.slow
def test_fits_lie_side_by_side_under_their_suffixes(hef, bands):
    both = fit_glaunti(hef, observations=bands, mb_kwargs={"model": "A"})
    winter = fit_glaunti(
        hef, observations=bands.query("season == 'winter'"), mb_kwargs={"model": "A"}, filesuffix="_winter"
    )
    assert numbers(winter)["prec_scale"] != numbers(both)["prec_scale"]
    assert numbers(read_params(hef)) == numbers(both)
    assert numbers(read_params(hef, "_winter")) == numbers(winter)
    named = GlaUnTIMassBalance(hef, mb_params_filesuffix="_winter")
    assert named.fitted_parameters == numbers(winter)
    assert "ddf_snow is hardly constrained" in " ".join(winter["fit"]["identifiability"])


def test_as_a_task_a_fit_takes_its_observations_by_name(hef, bands):
    (params,) = workflow.execute_entity_task(gtasks.fit_glaunti, [hef], observations=bands, mb_kwargs={"model": "A"})
    assert hef.get_task_status("fit_glaunti") == "SUCCESS"
    assert numbers(params) == numbers(read_params(hef))


# --- several glaciers ---


def spread_and_sd(params):
    """The spread of a region, and the standard deviations of a glacier's parameters, stored."""
    fit = params["fit"]
    return np.array(fit["region"]["spread"]), np.sqrt(np.diag(fit["posterior"]["covariance"]))


def test_a_glacier_without_observations_gets_its_regions_mean_and_less_certainty(
    hef, aletsch, bands, caplog, monkeypatch
):
    caplog.set_level("INFO", calibration.log.name)
    alone = fit_glaunti(hef, observations=bands, mb_kwargs={"model": "A"})
    one, other = fit_glaunti_region([hef, aletsch], observations=bands, mb_kwargs={"model": "A"})
    assert one == alone
    assert (one["rgi_id"], other["rgi_id"]) == (hef.rgi_id, aletsch.rgi_id)
    assert other["climate_sha256"] != one["climate_sha256"]
    assert read_params(aletsch)["fit"] == json.loads(json.dumps(other["fit"]))
    GlaUnTIMassBalance(aletsch)  # fits the directory that it lies in

    assert other["fit"]["parameters_from"] == "region"
    assert 200.0 < other["fit"]["km_to_nearest"] < 230.0
    assert f"({aletsch.rgi_id}) " in caplog.text
    assert f"fitted to 1 other glaciers, the nearest {other['fit']['km_to_nearest']:.0f} km away" in caplog.text
    region = other["fit"]["region"]
    assert region == one["fit"]["region"]
    assert other["fit"]["posterior"]["mean"] == region["mean"]
    assert numbers(other) != numbers(one)
    spread, sd = spread_and_sd(other)
    np.testing.assert_allclose(sd, np.sqrt(np.diag(region["covariance"]) + spread**2))
    assert (sd > spread_and_sd(one)[1]).all()
    # It has nothing of its own, so that what the fit left does not move with it.
    assert other["fit"]["rmse"] == one["fit"]["rmse"]

    monkeypatch.setattr(calibration, "REGION_KM", 150.0)
    for factor in (1.0, 3.0):
        (far,) = fit_glaunti_region(
            [aletsch], observations=bands, fit_on=[hef], outside_factor=factor, mb_kwargs={"model": "A"}
        )
        spread, sd = spread_and_sd(far)
        np.testing.assert_allclose(sd, np.sqrt(np.diag(region["covariance"]) + (factor * spread) ** 2))
        assert far["fit"]["posterior"]["mean"] == region["mean"]
        assert f"the spread is taken times {factor:.2f}, {factor:.2f}, {factor:.2f}" in caplog.text
    (far,) = fit_glaunti_region([aletsch], observations=bands, fit_on=[hef], mb_kwargs={"model": "A"})
    spread, sd = spread_and_sd(far)
    np.testing.assert_allclose(sd, np.sqrt(np.diag(region["covariance"]) + (2.0 * spread) ** 2))


@pytest.mark.slow
def test_glaciers_of_a_region_keep_their_own_parameters_whichever_are_written(hef, aletsch, bands):
    both = pd.concat([bands, whole_years(aletsch).assign(value=-1.0, sigma=0.1)])
    one, other = fit_glaunti_region([hef, aletsch], observations=both, mb_kwargs={"model": "A"})
    assert one["fit"]["glaciers"] == other["fit"]["glaciers"] == sorted([hef.rgi_id, aletsch.rgi_id])
    assert one["fit"]["observations"]["glacier-wide free"] == 5
    assert one["fit"]["region"] == other["fit"]["region"]
    assert one["fit"]["parameters_from"] == other["fit"]["parameters_from"] == "own observations"
    assert (np.abs(np.log([numbers(one)[n] / numbers(other)[n] for n in ("prec_scale", "ddf_snow")])) > 1e-3).all()
    whole = modelled(aletsch, whole_years(aletsch))["modelled"]
    assert abs(whole.mean() + 1.0) < 0.2
    written = numbers(read_params(hef))
    (again,) = fit_glaunti_region([aletsch], observations=both, fit_on=[aletsch, hef], mb_kwargs={"model": "A"})
    assert again["fit"]["posterior"]["mean"] == pytest.approx(other["fit"]["posterior"]["mean"], abs=1e-3)
    assert numbers(read_params(hef)) == written


@pytest.mark.parametrize("factor", [0.5, -1.0, np.nan, np.inf])
def test_a_spread_outside_of_a_region_below_that_inside_is_refused(hef, bands, factor):
    before = fitted_files(hef)
    with pytest.raises(InvalidParamsError, match=f"outside_factor: expected 1 or more, found {factor}"):
        fit_glaunti_region([hef], observations=bands, outside_factor=factor, mb_kwargs={"model": "A"})
    assert fitted_files(hef) == before


def test_a_region_of_which_no_glacier_was_observed_is_an_error(hef, bands):
    with pytest.raises(InvalidParamsError, match=r"observations name none of \['RGI60-11.00897'\], but \['X'\]"):
        fit_glaunti_region([hef], observations=bands.assign(glacier="X"), mb_kwargs={"model": "A"})


# --- what cannot be fitted ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"free": ["ddf_ice"]}, r"RGI60-11.00897: free, spread: expected some of .* found \['ddf_ice'\]"),
        ({"free": []}, "found none"),
        ({"spread": {"ddf_snow": -1.0}}, "positive standard deviations"),
        (
            {"mb_kwargs": {"variant": "mass_conserving"}, "free": ["ddf_snow", "snow_depletion_steepness"]},
            r"\['snow_depletion_steepness'\] has no effect in the variant 'mass_conserving'",
        ),
        ({"mb_kwargs": {"variant": "wet"}}, "variant: expected one of"),
        ({"errors": ErrorSizes(Sizes(-0.1, 0.0, 0.0))}, r"errors: expected ErrorSizes of 0 m w\.e\. or more, found"),
    ],
)
def test_impossible_arguments_are_refused_and_nothing_is_written(hef, bands, arguments, words):
    before = fitted_files(hef)
    with pytest.raises(InvalidParamsError, match=words):
        fit_glaunti(
            hef, observations=bands, **{**arguments, "mb_kwargs": {"model": "A", **arguments.get("mb_kwargs", {})}}
        )
    assert fitted_files(hef) == before


def test_a_table_without_the_glacier_is_an_error_that_lists_those_it_has(hef, bands):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: no observations; column glacier has Vernagtferner"):
        fit_glaunti(hef, observations=bands.assign(glacier="Vernagtferner"), mb_kwargs={"model": "A"})


def test_a_fit_that_finds_no_minimum_says_what_to_do_and_writes_nothing(hef, bands, monkeypatch):
    monkeypatch.setattr(map_estimate, "MAX_EVALUATIONS", 2)
    before = fitted_files(hef)
    with pytest.raises(MassBalanceCalibrationError, match=r"no minimum after 2 runs .* free fewer parameters than"):
        fit_glaunti(hef, observations=bands, mb_kwargs={"model": "A"})
    assert fitted_files(hef) == before


def test_parameters_that_no_run_can_have_are_written_to_no_glacier_of_a_region(hef, aletsch, bands):
    both = pd.concat([whole_years(aletsch).assign(value=-1.0), bands])
    errors = ErrorSizes(Sizes(0.02, 0.0, 0.0))  # bands differ by more than the lapse rate can explain
    before = fitted_files(hef), fitted_files(aletsch)
    words = f"{hef.rgi_id}: fitted_temp_gradient is .*, expected -0.012 to 0.0 K m-1, after a fit. Check the obs"
    with pytest.raises(MassBalanceCalibrationError, match=words):
        fit_glaunti_region([aletsch, hef], observations=both, errors=errors, mb_kwargs={"model": "A"})
    assert (fitted_files(hef), fitted_files(aletsch)) == before


def test_tunable_parameters_by_month_cannot_be_compared_with_observations(hef, bands):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: tunable parameters by month"):
        modelled(hef, bands, mb_kwargs={"model": "A", "temp_bias": np.zeros(12)})


def test_the_result_of_a_reader_will_do_and_anything_else_is_named():
    from oggm_glaunti.fit.calibration.sites import as_table
    from oggm_glaunti.fit.observations import COLUMNS, Read

    table = pd.DataFrame(columns=list(COLUMNS))
    assert as_table(Read(table, pd.DataFrame(), np.zeros(0, int))) is table
    with pytest.raises(InvalidParamsError, match="found list"):
        as_table(["stake"])
