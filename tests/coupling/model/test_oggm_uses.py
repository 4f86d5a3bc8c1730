"""Every place in OGGM that takes a mass-balance model, with GlaUnTI's on real glaciers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm import cfg, tasks, workflow
from oggm.core import flowline, massbalance
from oggm.core.massbalance import (
    ConstantMassBalance,
    MultipleFlowlineMassBalance,
    RandomMassBalance,
    UncertainMassBalance,
)
from oggm.utils import date_to_floatyear

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, settings, tasks as gtasks
from tests.glaciers import calibrate_by_oggm

HEIGHTS = np.array([2400.0, 2755.5, 3001.0, 3333.3, 3700.0])
PERIOD = {"y0": 2018, "halfsize": 4}  # all nine years of Hintereisferner's record
YEARS = range(2014, 2023)
A = {"mb_model_class": GlaUnTIMassBalanceA}
KG = cfg.SEC_IN_YEAR * 900


@pytest.fixture
def model(hef_gdir):
    return GlaUnTIMassBalanceA(hef_gdir)


def diagnostics(gdir, filesuffix=""):
    with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix=filesuffix)) as ds:
        return ds.load()


def flowlines(gdir):
    return gdir.read_pickle("model_flowlines")


# --- mass-balance models that wrap another ---


def test_multiple_flowlines(hef_gdir, model):
    many = MultipleFlowlineMassBalance(hef_gdir, **A)
    fls = flowlines(hef_gdir)
    np.testing.assert_array_equal(
        many.get_annual_mb(HEIGHTS, year=2018, fl_id=0), model.get_annual_mb(HEIGHTS, year=2018)
    )
    np.testing.assert_array_equal(
        many.get_monthly_mb(HEIGHTS, year=2018.5, fl_id=0), model.get_monthly_mb(HEIGHTS, year=2018.5)
    )
    np.testing.assert_allclose(many.get_specific_mb(year=YEARS), model.get_specific_mb(fls=fls, year=YEARS), rtol=1e-12)
    np.testing.assert_allclose(many.get_ela(year=YEARS), model.get_ela(year=YEARS))
    many.temp_bias, many.prcp_fac, many.bias = 0.5, 1.2, 10.0
    assert (many.temp_bias, many.prcp_fac, many.bias) == (0.5, 1.2, 10.0)
    other = GlaUnTIMassBalanceA(hef_gdir, temp_bias=0.5, prcp_fac=1.2, bias=10.0)
    np.testing.assert_array_equal(many.get_annual_mb(HEIGHTS, 2018, fl_id=0), other.get_annual_mb(HEIGHTS, 2018))


def test_constant_climate_is_the_mean_of_its_years(hef_gdir, model):
    constant = ConstantMassBalance(hef_gdir, **A, **PERIOD)
    mean = np.mean([model.get_annual_mb(HEIGHTS, year=year) for year in YEARS], axis=0)
    # It interpolates once more, between heights of its own.
    np.testing.assert_allclose(constant.get_annual_mb(HEIGHTS) * KG, mean * KG, atol=0.5)
    for month in (1, 7):
        when = [date_to_floatyear(year, month) for year in YEARS]
        mean = np.mean([model.get_monthly_mb(HEIGHTS, year=year) for year in when], axis=0)
        got = constant.get_monthly_mb(HEIGHTS, year=date_to_floatyear(2500, month))
        np.testing.assert_allclose(got * KG / 12, mean * KG / 12, atol=0.5)
    assert 3000 < constant.get_ela() < 4000


def test_the_climate_of_constant_climate_is_the_mean_of_its_years(hef_gdir, model):
    constant = ConstantMassBalance(hef_gdir, **A, **PERIOD)
    for heights in (HEIGHTS, HEIGHTS.tolist()):
        got = constant.get_annual_climate(heights)
        expected = np.mean([model.get_annual_climate(heights, year=year) for year in YEARS], axis=0)
        np.testing.assert_allclose(got, expected, rtol=1e-9)
        got = constant.get_monthly_climate(heights, year=2100.5)
        expected = np.mean([model.get_monthly_climate(heights, year=year + 0.5) for year in YEARS], axis=0)
        np.testing.assert_allclose(got, expected, rtol=1e-9)
    assert len(constant.get_annual_mb(HEIGHTS, add_climate=True)) == 5
    assert len(constant.get_monthly_mb(HEIGHTS, year=2100.5, add_climate=True)) == 5


def test_constant_climate_follows_its_tunable_parameters(hef_gdir):
    constant = ConstantMassBalance(hef_gdir, **A, **PERIOD)
    before = constant.get_annual_mb(HEIGHTS)
    constant.temp_bias = 1.0
    assert (constant.get_annual_mb(HEIGHTS) < before).all()
    constant.temp_bias, constant.prcp_fac = 0.0, 1.5
    assert (constant.get_annual_mb(HEIGHTS) > before).all()
    constant.prcp_fac = 1.0
    np.testing.assert_array_equal(constant.get_annual_mb(HEIGHTS), before)


@pytest.mark.parametrize("kwargs", [PERIOD, {"all_years": True}])
def test_random_climate_takes_years_of_the_record(hef_gdir, model, kwargs):
    random = RandomMassBalance(hef_gdir, **A, **kwargs, seed=1)
    of_record = {model.get_annual_mb(HEIGHTS, year=year).tobytes() for year in YEARS}
    drawn = [random.get_annual_mb(HEIGHTS, year=year).tobytes() for year in range(100)]
    assert set(drawn) == of_record
    year = random.get_state_yr(7)
    np.testing.assert_array_equal(
        random.get_monthly_mb(HEIGHTS.tolist(), year=date_to_floatyear(7, 7)),
        model.get_monthly_mb(HEIGHTS, year=date_to_floatyear(year, 7)),
    )
    assert len(random.get_annual_mb(HEIGHTS, year=7, add_climate=True)) == 5


def test_random_climate_with_unique_samples_takes_each_year_once(hef_gdir):
    random = RandomMassBalance(hef_gdir, **A, all_years=True, unique_samples=True, seed=1)
    assert sorted(random.get_state_yr(year) for year in range(9)) == [*YEARS]


def test_random_climate_by_prescription(hef_gdir, model):
    prescribed = pd.Series([2019, 2015], index=[2050, 2051])
    random = RandomMassBalance(hef_gdir, **A, prescribe_years=prescribed)
    np.testing.assert_array_equal(random.get_annual_mb(HEIGHTS, 2051), model.get_annual_mb(HEIGHTS, 2015))


def test_uncertain_balance_perturbs_each_year_and_leaves_the_model_as_it_was(hef_gdir):
    model = GlaUnTIMassBalanceA(hef_gdir, temp_bias=0.2, prcp_fac=1.1, bias=5.0)
    before = [model.get_annual_mb(HEIGHTS, year=year) for year in YEARS]
    uncertain = UncertainMassBalance(model, rdn_temp_bias_seed=1, rdn_prcp_fac_seed=2, rdn_bias_seed=3)
    first = [uncertain.get_annual_mb(HEIGHTS, year=year) for year in YEARS]
    again = [uncertain.get_annual_mb(HEIGHTS, year=year) for year in YEARS]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal([model.get_annual_mb(HEIGHTS, year=year) for year in YEARS], before)
    assert (model.temp_bias, model.prcp_fac, model.bias) == (0.2, 1.1, 5.0)
    tunables = {"temp_bias": 0.2 + uncertain._state_temp[2018], "prcp_fac": 1.1 + uncertain._state_prcp[2018]}
    alone = GlaUnTIMassBalanceA(hef_gdir, **tunables, bias=5.0 + uncertain._state_bias[2018])
    np.testing.assert_array_equal(first[4], alone.get_annual_mb(HEIGHTS, year=2018))


def test_uncertain_balance_of_many_flowlines(hef_gdir):
    many = MultipleFlowlineMassBalance(hef_gdir, **A)
    uncertain = UncertainMassBalance(many, rdn_temp_bias_seed=1, rdn_prcp_fac_seed=2, rdn_bias_seed=3)
    perturbed = uncertain.get_annual_mb(HEIGHTS, year=2018, fl_id=0)
    assert np.isfinite(perturbed).all()
    assert (perturbed != many.get_annual_mb(HEIGHTS, year=2018, fl_id=0)).all()


# --- tasks on a fixed geometry ---


def test_fixed_geometry_mass_balance(hef_gdir, model):
    got = tasks.fixed_geometry_mass_balance(hef_gdir, **A)
    expected = model.get_specific_mb(fls=hef_gdir.read_pickle("inversion_flowlines"), year=YEARS)
    assert got.index.tolist() == [*YEARS]
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    warmer = tasks.fixed_geometry_mass_balance(hef_gdir, **A, temperature_bias=1.0, precipitation_factor=1.0)
    assert (warmer < got - 300).all()


def test_compute_ela(hef_gdir, model):
    got = tasks.compute_ela(hef_gdir, ys=2015, ye=2019, **A)
    np.testing.assert_allclose(got, model.get_ela(range(2015, 2020)))
    warmer = tasks.compute_ela(hef_gdir, ys=2015, ye=2019, **A, temperature_bias=0.6)
    # 0.6 K are 100 m at 0.006 K/m, exactly so in model A.
    np.testing.assert_allclose(warmer - got, 100, atol=1)


def test_apparent_mass_balance_and_inversion(hef_gdir, model):
    tasks.apparent_mb_from_any_mb(hef_gdir, **A, mb_years=[2014, 2023])
    (fl,) = hef_gdir.read_pickle("inversion_flowlines")
    residual = hef_gdir.get_diagnostics()["apparent_mb_from_any_mb_residual"]
    assert residual == pytest.approx(-model.get_specific_mb(fls=[fl], year=YEARS).mean())
    assert np.average(fl.apparent_mb, weights=fl.widths) == pytest.approx(0, abs=1e-6)
    mean = np.mean([model.get_annual_mb(fl.surface_h, year=year) for year in YEARS], axis=0)
    np.testing.assert_allclose(fl.apparent_mb - residual, mean * KG, rtol=1e-9)
    tasks.prepare_for_inversion(hef_gdir)
    assert 0.3e9 < tasks.mass_conservation_inversion(hef_gdir) < 1.5e9


def test_apparent_mass_balance_of_the_geodetic_period_by_default(aletsch_gdir):
    tasks.apparent_mb_from_any_mb(aletsch_gdir, **A)
    model = GlaUnTIMassBalanceA(aletsch_gdir)
    mean = model.get_specific_mb(fls=aletsch_gdir.read_pickle("inversion_flowlines"), year=range(2000, 2020)).mean()
    assert aletsch_gdir.get_diagnostics()["apparent_mb_from_any_mb_residual"] == pytest.approx(-mean)


def test_oggms_own_calibration_gives_the_answer_of_ours(aletsch_gdir):
    reference = {"ref_mb": -1210.7, "ref_mb_err": 131.5, "ref_period": "2000-01-01_2020-01-01"}
    own = json.loads(Path(aletsch_gdir.get_filepath("mb_calib")).read_text())
    # OGGM 1.7 begins with the temp_bias of the directory's own calibration, another model's.
    theirs = calibrate_by_oggm(aletsch_gdir, **reference, **A, prcp_fac=1, temp_bias=0, filesuffix="_other")
    ours = gtasks.calibrate_glaunti(aletsch_gdir, **reference, mb_kwargs={"model": "A"}, order=("melt_f",))
    print(f"melt_f of Aletsch: {theirs['melt_f']:.6f} by OGGM's task, {ours['melt_f']:.6f} by ours")
    assert theirs["melt_f"] == pytest.approx(ours["melt_f"], abs=1e-5)
    assert own == json.loads(Path(aletsch_gdir.get_filepath("mb_calib")).read_text())
    # What OGGM's task wrote under a suffix can be used, too.
    fls = aletsch_gdir.read_pickle("inversion_flowlines")
    model = GlaUnTIMassBalanceA(aletsch_gdir, mb_params_filesuffix="_other")
    assert model.melt_f == theirs["melt_f"]
    assert model.get_specific_mb(fls=fls, year=range(2000, 2020)).mean() == pytest.approx(-1210.7, abs=1)


@pytest.mark.slow
def test_oggms_own_calibration_of_another_tunable_parameter_gives_the_answer_of_ours(aletsch_gdir):
    tunable = "temp_bias"
    reference = {"ref_mb": -800.0, "ref_period": "2000-01-01_2020-01-01"}
    melt_f = GlaUnTIMassBalanceA(aletsch_gdir).choice.published_melt_f
    theirs = calibrate_by_oggm(
        aletsch_gdir, **reference, **A, prcp_fac=1, melt_f=melt_f, calibrate_param1=tunable, write_to_gdir=False
    )
    ours = gtasks.calibrate_glaunti(aletsch_gdir, **reference, mb_kwargs={"model": "A"}, order=(tunable,))
    assert theirs[tunable] == pytest.approx(ours[tunable], abs=1e-5)


# --- runs ---


@pytest.fixture
def run_hef(hef_gdir):
    """Run Hintereisferner over its record; returns the diagnostics."""

    def run(task=tasks.run_from_climate_data, **kwargs):
        task(hef_gdir, **{"ys": 2014, "ye": 2023, "output_filesuffix": "_test", **A, **kwargs})
        return diagnostics(hef_gdir, "_test")

    return run


def test_a_run_from_climate_data_loses_what_the_balance_takes(hef_gdir, run_hef, model):
    ds = run_hef()
    assert ds.time.values.tolist() == [*range(2014, 2024)]
    assert np.isfinite(ds.volume_m3).all()
    # Glacier-wide balance times area is the change of volume, but for the geometry that changes within a year.
    first = float(model.get_specific_mb(fls=flowlines(hef_gdir), year=2014))
    change = float(ds.volume_m3[1] - ds.volume_m3[0]) * 900 / float(ds.area_m2[0])
    print(f"Hintereisferner 2014: balance {first:.0f}, change of volume {change:.0f} mm w.e.")
    assert change == pytest.approx(first, abs=20)
    assert (np.diff(ds.volume_m3) < 0).all()


def test_a_run_leaves_its_mass_balance_model_behind(hef_gdir):
    out = tasks.run_from_climate_data(hef_gdir, ys=2014, ye=2016, bias=100.0, **A)
    (inner,) = out.mb_model.flowline_mb_models
    assert type(inner) is GlaUnTIMassBalanceA
    assert inner.bias == 100.0


@pytest.mark.parametrize("feedback", ["monthly", "always", "never"])
def test_a_run_with_another_elevation_feedback_is_close_to_the_annual_one(run_hef, feedback):
    annual = float(run_hef().volume_m3[-1])
    other = float(run_hef(mb_elev_feedback=feedback).volume_m3[-1])
    assert other != annual
    assert other == pytest.approx(annual, rel=0.02)


def test_a_run_with_a_bias_of_climate_differs_as_it_should(run_hef):
    plain, colder, wetter = (
        float(run_hef(**kwargs).volume_m3[-1])
        for kwargs in ({}, {"temperature_bias": -1.0}, {"precipitation_factor": 1.5})
    )
    assert colder > plain
    assert wetter > plain


def test_a_run_follows_the_calibration_of_its_directory(hef_gdir, run_hef):
    def last_volume(**kwargs):
        return float(run_hef(**kwargs).volume_m3[-1])

    published = last_volume()
    mb = GlaUnTIMassBalanceA(hef_gdir).get_specific_mb(fls=flowlines(hef_gdir), year=YEARS).mean()
    gtasks.calibrate_glaunti(hef_gdir, ref_mb=mb + 500, ref_period="2014-01-01_2023-01-01", mb_kwargs={"model": "A"})
    calibrated = last_volume()
    assert calibrated > published
    # Without naming the subclass the calibrated model is taken.
    assert last_volume(mb_model_class=GlaUnTIMassBalance) == calibrated


def test_a_random_run_is_the_same_for_the_same_seed(run_hef):
    volumes = [
        run_hef(tasks.run_random_climate, **PERIOD, ys=0, ye=15, seed=seed).volume_m3.values for seed in (1, 1, 2)
    ]
    assert np.isfinite(volumes).all()
    np.testing.assert_array_equal(volumes[0], volumes[1])
    assert not np.array_equal(volumes[0], volumes[2])


def test_a_run_in_constant_climate_shrinks_towards_its_equilibrium(run_hef):
    climate = {**PERIOD, "ys": 0, "ye": 60}
    warm, cold = (
        run_hef(tasks.run_constant_climate, **climate, temperature_bias=bias).volume_m3.values for bias in (0, -2.5)
    )
    assert warm[-1] < warm[0]
    assert np.ptp(warm[-10:]) < np.ptp(warm[:10])
    assert cold[-1] > warm[-1]


def test_monthly_steps_of_a_run_can_be_stored(run_hef):
    ds = run_hef(store_monthly_step=True, mb_elev_feedback="monthly")
    assert ds.time.size == 9 * 12 + 1
    assert np.isfinite(ds.volume_m3).all()


# --- hydrology ---

FLUXES = ("melt_on_glacier", "melt_off_glacier", "liq_prcp_on_glacier", "liq_prcp_off_glacier", "snowfall_on_glacier")


def run_with_hydro(gdir, monkeypatch, **kwargs):
    """Diagnostics with hydrology but for the last year, which OGGM leaves empty."""
    stored = [*cfg.PARAMS["store_diagnostic_variables"], "model_mb", "residual_mb"]
    monkeypatch.setitem(cfg.PARAMS, "store_diagnostic_variables", stored)
    tasks.run_with_hydro(gdir, run_task=tasks.run_from_climate_data, output_filesuffix="_hydro", **{**A, **kwargs})
    return diagnostics(gdir, "_hydro").isel(time=slice(0, -1))


def check_water_balance(ds):
    for name in FLUXES:
        assert (ds[name] >= 0).all(), name
    np.testing.assert_allclose(ds.snowfall_on_glacier - ds.melt_on_glacier, ds.model_mb, rtol=1e-6, atol=1)


@pytest.mark.parametrize("bias", [0, 100.0])
def test_the_water_balance_closes_by_year(hef_gdir, monkeypatch, bias):
    ds = run_with_hydro(hef_gdir, monkeypatch, ys=2014, ye=2023, ref_area_from_y0=True, bias=bias)
    check_water_balance(ds)
    # OGGM puts what is left over into the melt: the geometry moves within a year, and nothing else is.
    assert (np.abs(ds.residual_mb) < 0.02 * ds.melt_on_glacier).all()


def test_the_water_balance_closes_by_month(hef_gdir, monkeypatch):
    ds = run_with_hydro(hef_gdir, monkeypatch, ys=2014, ye=2023, ref_area_from_y0=True, store_monthly_hydro=True)
    check_water_balance(ds)
    for name in FLUXES:
        monthly = ds[f"{name}_monthly"]
        assert (monthly >= 0).all(), name
        np.testing.assert_allclose(monthly.sum("month_2d"), ds[name], rtol=1e-9, atol=1)
    by_month = ds.melt_on_glacier_monthly.mean("time")
    assert int(by_month.month_2d[np.argmax(by_month.values)]) in (7, 8)
    assert by_month.sel(month_2d=1) < 0.001 * by_month.sum()


def test_hydrology_of_a_random_run(hef_gdir):
    tasks.run_with_hydro(
        hef_gdir, run_task=tasks.run_constant_climate, **A, **PERIOD, nyears=10, store_monthly_hydro=True
    )
    ds = diagnostics(hef_gdir).isel(time=slice(0, -1))
    assert (ds.melt_on_glacier_monthly >= 0).all()
    assert (ds.liq_prcp_on_glacier_monthly >= 0).all()


def test_precipitation_of_the_hydrology_is_that_of_the_balance(hef_gdir, monkeypatch, model):
    ds = run_with_hydro(hef_gdir, monkeypatch, ys=2014, ye=2016, ref_area_from_y0=True)
    on_glacier = ds.liq_prcp_on_glacier + ds.snowfall_on_glacier
    measured = 1000 * model.climate.select(2014, 2014).prcp.sum(dtype=np.float64)
    per_area = float(on_glacier[0] / ds.on_area[0])
    # Model A multiplies the precipitation of the station.
    assert per_area == pytest.approx(measured * np.exp(0.32365558), rel=1e-3)


# --- dynamic spin-up and calibration ---


@pytest.mark.slow
def test_dynamic_spinup(aletsch_gdir):
    gtasks.calibrate_glaunti(aletsch_gdir, ref_mb=-1210.7, ref_mb_err=131.5, mb_kwargs={"model": "A"})
    out = gtasks.run_dynamic_spinup(aletsch_gdir, **A, ye=2010, precision_percent=2)
    found = aletsch_gdir.get_diagnostics()
    assert found["run_dynamic_spinup_success"]
    assert abs(found["area_mismatch_dynamic_spinup_km2_percent"]) < 2
    assert type(out.mb_model.flowline_mb_models[0]) is GlaUnTIMassBalanceA
    assert out.mb_model.temp_bias == 0
    print(f"Aletsch, spin-up: temperature bias {found['temp_bias_dynamic_spinup']:.2f} K, {out.volume_km3:.2f} km3")


@pytest.mark.slow
def test_dynamic_calibration_of_melt_f(aletsch_gdir):
    calibrated = gtasks.calibrate_glaunti(aletsch_gdir, ref_mb=-1210.7, ref_mb_err=131.5, mb_kwargs={"model": "A"})
    out = gtasks.run_dynamic_melt_f_calibration(
        aletsch_gdir, ys=1985, ye=2020, err_dmdtda_scaling_factor=0.3, kwargs_run_function={"precision_percent": 5}
    )
    found = aletsch_gdir.read_json("glaunti_params")["melt_f"]
    mismatch = aletsch_gdir.get_diagnostics()["dmdtda_mismatch_dynamic_calibration"]
    print(f"Aletsch, dynamic calibration: melt_f {calibrated['melt_f']:.3f} -> {found:.3f}, {mismatch:.1f} mm w.e. off")
    assert abs(mismatch) <= 0.3 * 131.5
    assert found != calibrated["melt_f"]
    assert GlaUnTIMassBalance(aletsch_gdir).melt_f == found
    assert type(out.mb_model.flowline_mb_models[0]) is GlaUnTIMassBalance


# --- a glacier in full ---


@pytest.mark.parametrize("task", [tasks.compute_ela, tasks.fixed_geometry_mass_balance])
def test_tasks_run_through_oggms_workflow(hef_gdir, task):
    (got,) = workflow.execute_entity_task(task, [hef_gdir], ys=2015, ye=2016, **A)
    assert np.isfinite(got).all()


@pytest.mark.parametrize("module", [flowline, massbalance])
def test_oggm_knows_no_class_of_ours(module):
    """What runs above runs because a class was given, not because OGGM was changed."""
    assert module.MonthlyTIModel.__module__ == "oggm.core.massbalance"


@pytest.mark.slow
def test_grosser_aletsch_and_hintereisferner_with_a_and_c(aletsch_gdir, hef_gdir, weights_dir, monkeypatch):
    """Volumes of the runs over the whole record, models as published."""
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    for gdir, ys, ye, name in (
        (aletsch_gdir, 1982, 2021, "Grosser Aletsch"),
        (hef_gdir, 2014, 2023, "Hintereisferner"),
    ):
        gtasks.glaunti_features(gdir)
        for cls in (GlaUnTIMassBalanceA, GlaUnTIMassBalanceC):
            tasks.run_from_climate_data(gdir, ys=ys, ye=ye, mb_model_class=cls)
            ds = diagnostics(gdir)
            volumes = ds.volume_m3.values / 1e9
            print(f"{name} {ys}-{ye - 1}, {cls.fixed_model}: {volumes[0]:.3f} -> {volumes[-1]:.3f} km3")
            assert 0.6 * volumes[0] < volumes[-1] < 1.05 * volumes[0]
