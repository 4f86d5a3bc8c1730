"""Fitted parameters and the mass-conserving day, wherever a glacier directory's model runs."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, tasks as gtasks
from oggm_glaunti.core.temperature_index import with_day
from oggm_glaunti.core.weights import embedded_a, physical_values, ti_from_physical
from oggm_glaunti.coupling.model.params import fitted_parameters, read_params, write_params
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.table import build_table, table_initial_swe
from oggm_glaunti.coupling.weather.file import DailyClimate
from tests.core import plain
from tests.glaciers import calibrate_by_oggm

HEIGHTS = np.array([2400.0, 2755.5, 3001.0, 3333.3, 3700.0])
REFERENCE = {"ref_mb": -1100.0, "ref_period": "2014-01-01_2020-01-01"}
VALUES = {
    "ddf_snow": 0.0042,
    "prec_scale": 1.21,
    "ddf_relative_ice": 1.83,
    "snow_depletion_centre": 0.05,
    "snow_depletion_steepness": 2.0,
    "snow_to_rain_centre": 0.4,
    "snow_to_rain_steepness": 1.1,
    "swe_softplus_sharpness": 25.0,
    "t_softplus_sharpness": 6.0,
}
BACKENDS = ("jax", "numpy")


def a_fit(**changed: float) -> dict:
    """The entry of a fit in ``glaunti_params.json``."""
    units = physical_values(embedded_a().ti)
    return {name: {"value": value, "units": units[name]["units"]} for name, value in {**VALUES, **changed}.items()}


def write_fit(gdir, variant: str = "smooth", model: str = "A", gradient: float | None = None, **changed) -> dict:
    params = {"model": model, "corrector": "off", "parameters": a_fit(**changed), "variant": variant}
    params |= {} if gradient is None else {"fitted_temp_gradient": gradient}
    write_params(gdir, {**params, "melt_f": 1000.0 * {**VALUES, **changed}["ddf_snow"]})
    return params


def annual(model, year: int = 2018) -> np.ndarray:
    """m w.e."""
    return model.get_annual_mb(HEIGHTS, year=year) * model.sec_in_year(year) * model.rho / 1000.0


# --- in the table ---


def inputs_of(temp, prcp, variant="mass_conserving", heights=HEIGHTS, values=VALUES, corrections=None, first="2001"):
    """A table's inputs of whole calendar years of weather at 3000 m."""
    time = np.datetime64(f"{first}-01-01", "D") + np.arange(len(temp))
    series = np.asarray(temp, np.float32), np.asarray(prcp, np.float32)
    climate = DailyClimate(time, *series, 3000.0, 10.8, 46.8, "synthetic_daily", "synthetic")
    ti = with_day(ti_from_physical(values), variant)
    return TableInputs(ti, climate, heights, -0.006, "nh", corrections)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cold_year_without_precipitation_leaves_the_snow_as_it_is(backend):
    cold = inputs_of(np.full(365, -20.0), np.zeros(365))
    table = build_table(cold, TunableParams(4.2), backend)
    np.testing.assert_allclose(table.swe[0], table_initial_swe(cold), rtol=0, atol=1e-6)
    np.testing.assert_allclose(table.smb, 0.0, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_under_steady_melt_the_snow_goes_and_ice_melts_by_its_own_factor(backend):
    warm = inputs_of(np.full(365, 10.0), np.zeros(365))
    table = build_table(warm, TunableParams(4.2), backend)
    np.testing.assert_allclose(table.swe[0], 0.0, atol=1e-6)
    december = table.pdd[0, 11] * 0.0042 * VALUES["ddf_relative_ice"]
    np.testing.assert_allclose(table.smb[0, 11], -december, rtol=1e-5)


def weather_of_years(n_years: int = 3):
    rng = np.random.default_rng(4)
    days = np.arange(365 * n_years)
    temp = -2.0 - 9.0 * np.cos(2 * np.pi * days / 365) + rng.normal(0, 3, days.size)
    return temp, rng.exponential(0.01, days.size) * (rng.uniform(size=days.size) < 0.4)


@pytest.mark.parametrize(("backend", "most"), [("numpy", 1e-12), ("jax", 3e-6)])
def test_the_mass_of_a_year_closes(backend, most):
    """Balance = snowfall - snow melt - ice melt, change of SWE = snowfall - snow melt, energy = both melts.

    JAX computes in float32: balances of 10 m a year cannot be known to better than 1e-6 m.
    """
    inputs = inputs_of(*weather_of_years(), heights=np.arange(2000.0, 4010.0, 50.0))
    table = build_table(inputs, TunableParams(4.2), backend)
    before = np.vstack([table_initial_swe(inputs), table.swe[:-1]])
    snowfall, energy = table.solid_prcp.sum(axis=1), float(np.float32(0.0042)) * table.pdd.sum(axis=1)
    snow_melt = snowfall - (table.swe - before)
    ice_melt = (1.0 + np.exp(float(inputs.ti.ddf_relative_ice_minus_one_log))) * (energy - snow_melt)
    error = np.abs(table.smb.sum(axis=1) - (snowfall - snow_melt - ice_melt))
    print(f"largest error of closure, {backend}: {error.max():.1e} m w.e., SWE up to {table.swe.max():.1f} m")
    # A float32 SWE is itself known to 1e-7 of its value a day.
    assert (error <= most * np.maximum(1.0, np.maximum(before, table.swe))).all()
    assert snow_melt.min() > -1e-5
    assert ice_melt.min() > -1e-5
    assert ice_melt.max() > 1.0
    assert table.swe.max() > 2.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_with_the_published_day_snow_comes_from_nothing(backend):
    cold = inputs_of(np.full(365, -20.0), np.zeros(365), variant="smooth")
    table = build_table(cold, TunableParams(4.2), backend)
    np.testing.assert_allclose(table.smb, 0.0, atol=1e-6)
    assert (table.swe[0] - table_initial_swe(cold) > 0.15).all()


@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
@pytest.mark.parametrize("corrected", [False, True])
def test_numpy_and_jax_build_the_same_table_of_a_fit(variant, corrected):
    ds = np.random.default_rng(1).normal(0.0, 0.3, (3, 5, 4)).astype(np.float32)
    bands = BandCorrections(np.arange(2001, 2004), np.linspace(2500.0, 3600.0, 4), ds) if corrected else None
    inputs = inputs_of(*weather_of_years(), variant=variant, corrections=bands)
    tunables = TunableParams(np.linspace(4.0, 7.0, 12), 1.1, np.linspace(1.0, -1.5, 12))
    jax, numpy = (build_table(inputs, tunables, backend) for backend in BACKENDS)
    for name in ("smb", "solid_prcp", "prec_scale"):
        np.testing.assert_allclose(getattr(jax, name), getattr(numpy, name), rtol=0, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(jax.swe, numpy.swe, rtol=0, atol=4e-5)


@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_table_of_a_fit_is_a_plain_loop_over_the_days(variant, backend):
    temp, prcp = weather_of_years(2)
    table = build_table(inputs_of(temp, prcp, variant=variant), TunableParams(4.2), backend)
    for n, height in enumerate(HEIGHTS):
        local = np.asarray(temp, np.float32) - 0.006 * (height - 3000.0)
        days = [local, np.asarray(prcp, np.float32), np.ones(local.size)]
        _, smb = plain.run(plain.DAYS[variant], VALUES | {"t_pos_shift": 0.0}, VALUES["snow_depletion_centre"], *days)
        assert table.smb[..., n].sum() == pytest.approx(smb, abs=2e-5)


# --- in a glacier directory ---


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
def test_a_fit_takes_the_place_of_the_weights_numbers(hef_gdir, variant):
    published = annual(GlaUnTIMassBalanceA(hef_gdir))
    write_fit(hef_gdir, variant)
    model = GlaUnTIMassBalance(hef_gdir)
    assert (model.model_name, model.variant, model.fitted_parameters) == ("A", variant, VALUES)
    assert model.melt_f == pytest.approx(4.2)
    assert (model.temp_all_solid, model.temp_all_liq) == pytest.approx((0.4 - 2 / 1.1, 0.4 + 2 / 1.1), abs=1e-6)
    climate = model.climate
    days = slice(0, int((climate.time < np.datetime64("2016-01-01")).sum()))
    for height, found in zip(HEIGHTS, sum(annual(model, year) for year in (2014, 2015)), strict=True):
        local = climate.temp[days].astype(float) - 0.006 * (height - model.ref_hgt)
        numbers = VALUES | {"t_pos_shift": 0.0}
        weather = local, climate.prcp[days], np.ones(local.size)
        _, expected = plain.run(plain.DAYS[variant], numbers, VALUES["snow_depletion_centre"], *weather)
        # The table is interpolated between heights 10 m apart.
        assert found == pytest.approx(expected, abs=1e-3)
    assert np.abs(annual(model) - published).max() > 0.05


def test_the_weights_own_numbers_as_a_fit_change_nothing(hef_gdir):
    published = annual(GlaUnTIMassBalanceA(hef_gdir))
    write_params(hef_gdir, {"model": "A", "parameters": physical_values(embedded_a().ti)})
    model = GlaUnTIMassBalance(hef_gdir)
    assert model.fitted_parameters is not None
    np.testing.assert_array_equal(annual(model), published)


def test_a_table_is_made_anew_when_the_fit_or_the_variant_changes_and_only_then(hef_gdir, monkeypatch):
    from oggm_glaunti.coupling.table import store as table_store

    built = []
    monkeypatch.setattr(table_store, "build_table", lambda *args: built.append(args) or build_table(*args))
    found = []
    for fit in ({}, {"ddf_relative_ice": 1.4}, {"variant": "mass_conserving"}, {"gradient": -0.008}):
        write_fit(hef_gdir, **fit)
        found.append(annual(GlaUnTIMassBalance(hef_gdir)))
        np.testing.assert_array_equal(annual(GlaUnTIMassBalance(hef_gdir)), found[-1])
        assert len(built) == len(found)
    assert np.abs(np.diff(found, axis=0)).max(axis=1).min() > 0.01


def test_a_fitted_lapse_rate_does_what_the_parameter_does(hef_gdir):
    write_fit(hef_gdir)
    cfg.PARAMS["glaunti_temp_gradient"] = -0.008
    expected = GlaUnTIMassBalance(hef_gdir)
    rates, of_month, of_year = annual(expected), *climates(expected)
    cfg.PARAMS["glaunti_temp_gradient"] = -0.006
    write_fit(hef_gdir, gradient=-0.008)
    model = GlaUnTIMassBalance(hef_gdir)
    assert model.temp_default_gradient == -0.008
    np.testing.assert_array_equal(annual(model), rates)
    np.testing.assert_array_equal(climates(model), (of_month, of_year))
    # The shift is that from the height the weather is for.
    np.testing.assert_allclose(np.diff(of_month[0]), -0.008 * np.diff(HEIGHTS))
    at_ref = (one.get_monthly_climate([one.ref_hgt], 2018.5)[0] for one in (model, GlaUnTIMassBalanceA(hef_gdir)))
    assert np.ptp(list(at_ref)) == 0


def climates(model) -> tuple[np.ndarray, np.ndarray]:
    """Of a month and of a year: temp, tempformelt, prcp, prcpsol at the heights."""
    return np.array(model.get_monthly_climate(HEIGHTS, 2018.5)), np.array(model.get_annual_climate(HEIGHTS, 2018))


def test_turning_a_tunable_parameter_acts_on_the_fit(hef_gdir):
    write_fit(hef_gdir)
    fitted = annual(GlaUnTIMassBalance(hef_gdir))
    turned = annual(GlaUnTIMassBalance(hef_gdir, melt_f=5.0))
    write_fit(hef_gdir, ddf_snow=0.005)
    np.testing.assert_allclose(annual(GlaUnTIMassBalance(hef_gdir)), turned, atol=1e-6)
    assert (turned < fitted).all()
    scaled = GlaUnTIMassBalance(hef_gdir, prcp_fac=1.1)
    write_fit(hef_gdir, ddf_snow=0.005, prec_scale=1.1 * VALUES["prec_scale"])
    np.testing.assert_allclose(annual(scaled), annual(GlaUnTIMassBalance(hef_gdir)), atol=1e-5)


@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
def test_days_of_a_fit_add_up_to_the_year_and_a_pickled_model_gives_the_same(hef_gdir, variant):
    write_fit(hef_gdir, variant)
    model = GlaUnTIMassBalance(hef_gdir)
    days = model.get_daily_mb_of_year(HEIGHTS, year=2016).sum(axis=1) * 86400 * model.rho / 1000.0
    np.testing.assert_allclose(days, annual(model, 2016), atol=2e-5)
    np.testing.assert_array_equal(annual(pickle.loads(pickle.dumps(model))), annual(model))


def test_the_corrections_know_nothing_of_fit_and_variant(hef_gdir, weights_dir):
    gtasks.glaunti_features(hef_gdir)
    model = GlaUnTIMassBalanceC(hef_gdir, weights=weights_dir)
    published = model.store.corrections_digest
    write_fit(hef_gdir, "mass_conserving", model="C", gradient=-0.008)
    fitted = GlaUnTIMassBalanceC(hef_gdir, weights=weights_dir, check_calib_params=False, corrector="yearly")
    assert fitted.fitted_parameters == VALUES
    assert fitted.store.corrections_digest == published
    assert fitted.store.digest(fitted.tunable_params()) != model.store.digest(model.tunable_params())
    assert fitted.loaded_model is model.loaded_model


# --- on the grid ---


@pytest.fixture
def hef(hef_gdir):
    gtasks.glaunti_features(hef_gdir)
    return hef_gdir


def opened(gdir) -> xr.Dataset:
    with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
        return ds.load()


@pytest.mark.slow
@pytest.mark.parametrize("exact", [False, True])
def test_maps_of_a_fit_are_those_of_the_table(hef, exact):
    write_fit(hef, "mass_conserving", gradient=-0.0075)
    gtasks.glaunti_smb(hef, ys=2015, ye=2016, exact=exact)
    maps = opened(hef)
    assert maps.attrs["variant"] == "mass_conserving"
    assert json.loads(maps.attrs["temperature_index"]) == VALUES
    with xr.open_dataset(hef.get_filepath("glaunti_features")) as features:
        elevation = features["elevation"].values
    model, inside = GlaUnTIMassBalance(hef), maps["outline"].values == 1
    for index, year in enumerate((2015, 2016)):
        rate = model.get_annual_mb(elevation[inside], year=year)
        by_table = rate * model.sec_in_year(year) * model.rho / 1000.0
        # The table is linear between heights 10 m apart; the balance bends where the snow of a year just melts away.
        np.testing.assert_allclose(maps["smb"].values[index][inside], by_table, atol=3e-3)
        assert np.abs(maps["smb"].values[index][inside] - by_table).mean() < 2e-4


@pytest.mark.slow
def test_a_run_on_the_grid_starts_from_the_snow_of_the_fit(hef):
    weeks = pd.DataFrame({"begin": pd.to_datetime(["2014-01-01"]), "end": pd.to_datetime(["2014-01-20"])})
    snow = []
    for centre in (0.05, 0.5):
        write_fit(hef, "mass_conserving", snow_depletion_centre=centre)
        gtasks.glaunti_smb(hef, dates=weeks)
        snow.append(np.nanmax(opened(hef)["swe"].values))
    assert snow[1] - snow[0] == pytest.approx(0.45, abs=1e-3)


@pytest.mark.slow
def test_another_variant_on_the_grid_may_be_asked_for(hef):
    write_fit(hef, "mass_conserving")
    own = gtasks.glaunti_smb(hef, years="mass_balance", ys=2016, ye=2016)["smb"]
    other = gtasks.glaunti_smb(
        hef, years="mass_balance", ys=2016, ye=2016, mb_kwargs={"variant": "smooth", "check_calib_params": False}
    )
    assert abs(other["smb"][0] - own[0]) > 0.01
    assert opened(hef).attrs["variant"] == "smooth"


@pytest.mark.slow
@pytest.mark.parametrize("exact", [False, True])
def test_corrections_on_the_grid_are_the_published_ones_whatever_was_fitted(hef, weights_dir, exact):
    chosen = {"model": "C", "weights": weights_dir, "corrector": "yearly"}
    arguments = {"exact": exact, "ys": 2016, "ye": 2016}
    published = gtasks.glaunti_smb(hef, mb_kwargs=chosen, **arguments)["smb"]
    ds = opened(hef)["corrections"].values
    write_fit(hef, "mass_conserving", model="C", gradient=-0.008)
    fitted = gtasks.glaunti_smb(hef, mb_kwargs={**chosen, "check_calib_params": False}, **arguments)["smb"]
    np.testing.assert_array_equal(opened(hef)["corrections"].values, ds)
    assert abs(fitted[0] - published[0]) > 0.05


# --- what is refused ---


def test_a_fit_made_with_other_weights_is_refused(hef_gdir, weights_dir):
    params = write_fit(hef_gdir)
    write_params(hef_gdir, {**params, "weights_sha256": GlaUnTIMassBalanceA(hef_gdir).weights_sha256})
    GlaUnTIMassBalanceA(hef_gdir)
    other = weights_dir / "a_finetuned_Schwarzberg.eqx"
    with pytest.raises(InvalidWorkflowError, match="the weights are not those"):
        GlaUnTIMassBalanceA(hef_gdir, weights=other)
    used = GlaUnTIMassBalanceA(hef_gdir, weights=other, check_calib_params=False)
    assert used.fitted_parameters == VALUES


def test_another_variant_than_the_calibrated_one_is_refused(hef_gdir):
    write_fit(hef_gdir, "mass_conserving")
    with pytest.raises(InvalidWorkflowError, match=r"variant is 'smooth' here.*'mass_conserving'"):
        GlaUnTIMassBalance(hef_gdir, variant="smooth")
    assert GlaUnTIMassBalance(hef_gdir, variant="smooth", check_calib_params=False).variant == "smooth"
    # Calibrations that say nothing were made with the published day.
    write_params(hef_gdir, {"model": "A", "melt_f": 5.0})
    with pytest.raises(InvalidWorkflowError, match="variant is 'mass_conserving' here"):
        GlaUnTIMassBalance(hef_gdir, variant="mass_conserving")


@pytest.mark.parametrize("variant", ["classical", "Smooth", "conserving"])
def test_an_unknown_variant_is_refused_by_name(hef_gdir, variant):
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00897: variant: expected one of .*found '{variant}'"):
        GlaUnTIMassBalanceA(hef_gdir, variant=variant)
    with pytest.raises(InvalidParamsError, match="variant"):
        write_params(hef_gdir, {"model": "A", "variant": variant})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ddf_snow": 4.2}, "ddf_snow is 4.2, expected a number between 0.0001 and 0.1 m w.e. K-1 day-1"),
        ({"ddf_relative_ice": 1.0}, "ddf_relative_ice is 1.0"),
        ({"prec_scale": -1.0}, "prec_scale is -1.0"),
        ({"snow_to_rain_centre": np.nan}, "snow_to_rain_centre is nan"),
        ({"t_softplus_sharpness": np.inf}, "t_softplus_sharpness is inf"),
        ({"snow_depletion_centre": "0.03"}, "snow_depletion_centre is '0.03'"),
    ],
)
def test_impossible_parameters_are_named_and_nothing_is_written(hef_gdir, changed, message):
    path = Path(hef_gdir.get_filepath("glaunti_params"))
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00897: parameters: {message}"):
        write_params(hef_gdir, {"parameters": a_fit(**changed)})
    assert not path.exists()
    write_params(hef_gdir, {"model": "A", "rgi_id": hef_gdir.rgi_id})
    path.write_text(json.dumps({**json.loads(path.read_text()), "parameters": a_fit(**changed)}))
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00897: parameters: {message}"):
        GlaUnTIMassBalance(hef_gdir)


def test_parameters_that_are_missing_unknown_or_in_other_units_are_refused(hef_gdir):
    without = {name: entry for name, entry in a_fit().items() if name != "prec_scale"}
    other_units = a_fit() | {"ddf_snow": {"value": 4.2, "units": "mm w.e. K-1 day-1"}}
    for wrong in (without, a_fit() | {"albedo": {"value": 0.3, "units": "1"}}, other_units, VALUES, [1.0]):
        with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: parameters: "):
            write_params(hef_gdir, {"parameters": wrong})


@pytest.mark.parametrize("gradient", [-6.0, 0.006, np.nan, True, "-0.006"])
def test_an_impossible_lapse_rate_is_refused(hef_gdir, gradient):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: fitted_temp_gradient is .*, expected -0.012 to 0"):
        write_params(hef_gdir, {"fitted_temp_gradient": gradient})


def test_a_fit_is_read_as_it_was_written(hef_gdir):
    fit = {name: {**entry, "value": np.float64(entry["value"])} for name, entry in a_fit().items()}
    write_params(hef_gdir, {"parameters": fit, "variant": "mass_conserving", "fit": {"covariance": np.eye(2)}})
    read = read_params(hef_gdir)
    assert fitted_parameters(read) == VALUES
    assert read["fit"] == {"covariance": [[1.0, 0.0], [0.0, 1.0]]}
    assert ti_from_physical(fitted_parameters(read)) is not None


# --- calibration ---


def specific(gdir, **kwargs) -> float:
    fls = gdir.read_pickle("inversion_flowlines")
    return float(np.mean(GlaUnTIMassBalance(gdir, **kwargs).get_specific_mb(fls=fls, year=range(2014, 2020))))


def test_the_mass_conserving_day_is_calibrated_like_the_published_one(hef_gdir):
    published = gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, order=("melt_f",), **REFERENCE)
    found = gtasks.calibrate_glaunti(
        hef_gdir, mb_kwargs={"model": "A", "variant": "mass_conserving"}, order=("melt_f",), **REFERENCE
    )
    assert (published["variant"], found["variant"]) == ("smooth", "mass_conserving")
    assert abs(found["melt_f"] - published["melt_f"]) > 0.05
    assert GlaUnTIMassBalance(hef_gdir).variant == "mass_conserving"
    assert specific(hef_gdir) == pytest.approx(-1100.0, abs=1)
    assert specific(hef_gdir, mb_params_filesuffix="_glaunti") == pytest.approx(-1100.0, abs=1)
    again = gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, order=("melt_f",), **REFERENCE)
    assert again == found  # as the model, the variant is the one calibrated before where none is named


def test_a_calibration_starts_from_the_weights_and_not_from_an_earlier_fit(hef_gdir):
    fresh = gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, **REFERENCE)
    write_fit(hef_gdir, gradient=-0.008)
    assert gtasks.calibrate_glaunti(hef_gdir, mb_kwargs={"model": "A"}, **REFERENCE) == fresh
    assert GlaUnTIMassBalance(hef_gdir).fitted_parameters is None


def test_tunable_parameters_that_oggms_own_task_turned_on_a_fit_stay_with_it(hef_gdir):

    write_fit(hef_gdir, "mass_conserving", gradient=-0.007)
    given = {"mb_model_class": GlaUnTIMassBalance, "prcp_fac": 1, "overwrite_gdir": True, "filesuffix": "_oggm"}
    calibrate_by_oggm(hef_gdir, **REFERENCE, **given)
    model = GlaUnTIMassBalance(hef_gdir, mb_params_filesuffix="_oggm")
    assert (model.model_name, model.variant, model.fitted_parameters) == ("A", "mass_conserving", VALUES)
    assert model.temp_default_gradient == -0.007
    assert model.melt_f != pytest.approx(4.2, abs=0.01)
    assert specific(hef_gdir, mb_params_filesuffix="_oggm") == pytest.approx(-1100.0, abs=1)


def test_inputs_of_a_table_name_the_variant_of_their_model(hef_gdir):
    write_fit(hef_gdir, "mass_conserving")
    inputs = GlaUnTIMassBalance(hef_gdir).store.inputs
    assert inputs.ti.day.name == "mass_conserving"
    assert inputs.ti.prec_scale_log == pytest.approx(np.log(1.21), abs=1e-7)
