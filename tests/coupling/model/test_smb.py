"""Gridded balances: what is written, over which days, and that ways of asking agree."""

from __future__ import annotations

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.oggm.messages import forget_warnings
from tests.coupling.maps import run_smb as run


@pytest.fixture
def hef(hef_gdir, monkeypatch):
    from oggm_glaunti.tasks import glaunti_features

    glaunti_features(hef_gdir)
    return hef_gdir


def opened(gdir):
    with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
        return ds.load()


@pytest.mark.slow
def test_the_glacier_mean_is_the_mean_of_the_map(hef):
    means = run(hef, ys=2015, ye=2016)
    ds = opened(hef)
    assert list(ds["time"].dt.year) == [2015, 2016]
    np.testing.assert_allclose(ds["smb"].mean(("y", "x")), means["smb"], atol=1e-6)
    np.testing.assert_allclose(ds["smb_glacier"], means["smb"])


def test_cells_off_the_glacier_are_masked_and_those_on_it_are_not(hef):
    run(hef, ys=2015, ye=2015)
    ds = opened(hef)
    np.testing.assert_array_equal(ds["smb"][0].notnull(), ds["outline"] == 1)


@pytest.mark.slow
def test_days_add_up_to_the_year(hef):
    year = run(hef, ys=2016, ye=2016)["smb"]
    days = run(hef, ys=2016, ye=2016, daily=True)
    assert days["time"][0] == np.datetime64("2016-01-01")
    assert days["smb"].size == 366
    np.testing.assert_allclose(days["smb"].sum(), year[0], atol=1e-5)


def test_an_earlier_start_does_not_change_a_year(hef):
    whole, late = run(hef), run(hef, ys=2018, ye=2019)
    np.testing.assert_array_equal(whole["smb"][4:6], late["smb"])


@pytest.mark.slow
def test_winter_and_summer_add_up_to_the_year_between_the_same_days(hef):
    begin, end = pd.to_datetime(["2015-10-01", "2016-10-01"]), pd.to_datetime(["2016-09-30", "2017-09-30"])
    mid = pd.to_datetime(["2016-04-30", "2017-04-30"])
    seasons = run(hef, dates=pd.DataFrame({"begin": begin, "mid": mid, "end": end}))
    annual = run(hef, dates=pd.DataFrame({"begin": begin, "end": end}))
    np.testing.assert_allclose(seasons["smb_winter"] + seasons["smb_summer"], seasons["smb"], atol=1e-6)
    # Half a day twice is not quite a whole day: the snow does not see the other half.
    np.testing.assert_allclose(seasons["smb"], annual["smb"], atol=5e-3)
    assert "smb_winter" not in annual


@pytest.mark.slow
def test_mass_balance_years_end_in_september_and_the_days_are_in_the_bounds(hef):
    run(hef, years="mass_balance")
    with netCDF4.Dataset(hef.get_filepath("glaunti_smb")) as nc:
        bounds = np.datetime64("1801-01-01") + np.asarray(nc["time_bnds"][:]).astype("timedelta64[D]")
    assert [str(day) for day in bounds[0]] == ["2014-10-01", "2015-10-01"]
    assert len(bounds) == 8


@pytest.mark.slow
def test_all_cells_are_written_by_the_exact_run_and_agree_on_the_glacier(hef):
    fast = run(hef, ys=2015, ye=2016)
    exact = run(hef, ys=2015, ye=2016, exact=True)
    np.testing.assert_allclose(fast["smb"], exact["smb"], atol=1e-6)
    assert bool(opened(hef)["smb"].notnull().all())


@pytest.mark.slow
def test_the_fast_run_of_model_c_is_within_its_stated_error(hef, weights_dir):
    options = {"model": "C", "corrector": "yearly", "weights": weights_dir, "years": "mass_balance"}
    fast = run(hef, **options)["smb"]
    fast_map = opened(hef)["smb"]
    exact = run(hef, exact=True, **options)["smb"]
    exact_map = opened(hef)["smb"]
    on_glacier = opened(hef)["outline"] == 1
    cells = float(np.abs(fast_map - exact_map).where(on_glacier).max())
    means = float(np.abs(fast - exact).max())
    print(f"largest difference: cells {cells:.2e}, glacier mean {means:.2e} m w.e.")
    assert cells < 5e-3
    assert means < 1e-3


@pytest.mark.slow
def test_climatological_corrections_are_the_mean_of_the_yearly_ones(hef, weights_dir):
    options = {"model": "C", "weights": weights_dir, "years": "mass_balance"}
    run(hef, corrector="yearly", **options)
    yearly = opened(hef)["corrections"].mean("time")
    run(hef, corrector="climatology", **options)
    climatology = opened(hef)["corrections"]
    np.testing.assert_allclose(climatology[0], yearly, atol=1e-6)
    np.testing.assert_array_equal(climatology[0], climatology[-1])


def test_tunable_parameters_act_on_the_map_as_on_the_table(hef):
    from oggm import cfg

    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.ground.features import read_features

    tunables = {"melt_f": 6.0, "prcp_fac": 1.2, "temp_bias": -0.5}
    gridded = run(hef, **tunables)["smb"]
    model = GlaUnTIMassBalanceA(hef, **tunables)
    features = read_features(hef)
    heights = features.elevation[features.glacier]
    table = [model.get_annual_mb(heights, year=y).mean() * cfg.SEC_IN_YEAR * model.rho / 1000 for y in model.years]
    np.testing.assert_allclose(gridded, table, atol=1e-3)


def test_monthly_melt_factors_are_refused_where_seasons_cross_months(hef):
    with pytest.raises(InvalidParamsError, match="melt_f by month needs years='calendar'"):
        run(hef, melt_f=np.linspace(4, 6, 12), years="mass_balance")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dates", "message"),
    [
        ({"begin": ["2015-10-01"]}, "missing {'end'}"),
        ({"begin": [], "end": []}, "^RGI60-11.00897: dates has no rows"),
        ({"begin": ["2015-10-01", None], "end": ["2016-09-30", "2017-09-30"]}, "begin in row 1 of .* is missing"),
        ({"begin": ["2015-10-01", "2016-10-01"], "end": [None, "2017-09-30"]}, "end in row 0 of .* is missing"),
        ({"begin": ["2016-10-01"], "end": ["2015-09-30"]}, "not in order"),
        ({"begin": ["2005-10-01"], "end": ["2006-09-30"]}, "holds 2014-01-01 to 2022-12-31"),
        (
            {"begin": ["2015-10-01", "2016-10-01"], "mid": ["2016-05-01", None], "end": ["2016-09-30", "2017-09-30"]},
            "1 of 2 rows have no mid date",
        ),
    ],
)
def test_impossible_dates_are_refused(hef, dates, message):
    frame = pd.DataFrame({name: pd.to_datetime(values) for name, values in dates.items()})
    with pytest.raises(InvalidParamsError, match=message):
        run(hef, dates=frame)


def test_a_date_that_is_none_is_named_with_row_and_column(hef):
    frame = pd.DataFrame({"begin": ["first of May"], "end": ["2016-09-30"]}, index=["hef"])
    with pytest.raises(InvalidParamsError, match=r"season dates: begin 'first of May' is no date; write .*, row hef"):
        run(hef, dates=frame)


@pytest.fixture
def short(hef):
    """One year of weather."""
    cut(hef, 2015)
    return hef


def cut(gdir, year):
    """Leave one year of the daily weather."""
    path = gdir.get_filepath("climate_historical", filesuffix="_daily")
    with xr.open_dataset(path, decode_times=False) as ds:
        days = np.datetime64("1801-01-01") + ds["time"].values.astype("timedelta64[D]")
        part = ds.isel(time=days.astype("M8[Y]") == np.datetime64(str(year))).load()
    part.to_netcdf(path)


def test_one_year_of_weather_is_enough_without_corrector_and_not_for_mass_balance_years(short):
    assert run(short)["smb"].size == 1
    with pytest.raises(
        InvalidWorkflowError, match=r"RGI60-11.00897: .*_daily.nc holds 2015-01-01 to 2015-12-31, no full mass-balance"
    ):
        run(short, years="mass_balance")


@pytest.mark.parametrize("corrector", ["yearly", "climatology"])
def test_the_corrector_says_that_it_needs_a_mass_balance_year(corrector, short, weights_dir):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.00897: .*no full mass-balance year.*corrector='off'"):
        run(short, model="C", corrector=corrector, weights=weights_dir)


def test_a_gridded_run_of_no_periods_is_refused(hef):
    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.gridded.model import GriddedModel
    from oggm_glaunti.coupling.ground.features import read_features

    model = GlaUnTIMassBalanceA(hef)
    gridded = GriddedModel(model.loaded_model, model.climate, read_features(hef), hef.rgi_id)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: no periods to run"):
        list(gridded.run([]))


@pytest.mark.parametrize(("end", "months"), [("2016-07-31", 10), ("2016-12-31", 15)])
def test_periods_that_yearly_corrections_do_not_take_are_named(end, months, hef, weights_dir):
    frame = pd.DataFrame({"begin": pd.to_datetime(["2015-10-01"]), "end": pd.to_datetime([end])})
    with pytest.raises(InvalidParamsError, match=f"begin 2015-10-01 to end {end}, touches {months} calendar months"):
        run(hef, model="C", corrector="yearly", weights=weights_dir, dates=frame)


def test_inputs_beyond_the_training_range_are_said_once_and_not_without_corrector(hef, weights_dir, caplog):
    from dataclasses import replace

    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.coupling.gridded.model import GriddedModel
    from oggm_glaunti.coupling.ground.features import read_features

    features = read_features(hef)
    high = replace(features, elevation=features.elevation + 2000)
    forget_warnings()

    def warnings():
        return sum("leave the range it was trained on" in record.getMessage() for record in caplog.records)

    for name, said in (("A", 0), ("C", 1), ("C", 1)):
        model = GlaUnTIMassBalance(hef, model=name, weights=weights_dir)
        GriddedModel(model.loaded_model, model.climate, high, hef.rgi_id)
        assert warnings() == said


@pytest.mark.slow
@pytest.mark.parametrize("years", [{"ys": 1900}, {"ye": 2050}, {"ys": 1900, "ye": 2016}, {"ys": 2016, "ye": 2050}])
def test_years_outside_the_record_are_refused_and_the_records_named(years, hef):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: y[se]=\d+, but .*_daily.nc holds 2014 to 2022"):
        run(hef, **years)


def test_a_calibration_with_other_inputs_is_used_on_request_only(hef):
    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.model import params

    model = GlaUnTIMassBalanceA(hef)
    about = {"model": "A", "corrector": "off", "weights_sha256": model.weights_sha256, "temp_gradient": -0.005}
    params.write_params(hef, about | {"melt_f": 7.0, "climate_source": model.climate_source})
    with pytest.raises(InvalidWorkflowError, match="check_calib_params=False"):
        run(hef, ys=2015, ye=2015)
    calibrated = run(hef, ys=2015, ye=2015, check_calib_params=False)["smb"]
    np.testing.assert_array_equal(calibrated, run(hef, ys=2015, ye=2015, melt_f=7.0, check_calib_params=False)["smb"])


@pytest.mark.parametrize(("years", "january"), [("calendar", True), ("mass_balance", False)])
def test_corrections_of_calendar_years_are_said_to_be_those_of_january(years, january, hef, weights_dir):
    run(hef, model="C", corrector="yearly", weights=weights_dir, years=years, ys=2016, ye=2016)
    name = opened(hef)["corrections"].long_name
    assert "ln prec_scale" in name
    assert ("of January only" in name) == january


def test_daily_maps_of_seasons_and_unknown_years_are_refused(hef):
    with pytest.raises(InvalidParamsError, match="daily maps are of calendar years"):
        run(hef, daily=True, years="mass_balance")
    with pytest.raises(InvalidParamsError, match="found 'hydrological'"):
        run(hef, years="hydrological")


def test_a_missing_features_file_names_the_task(hef_gdir):
    with pytest.raises(InvalidWorkflowError, match="glaunti_features"):
        run(hef_gdir)


def test_a_failed_write_leaves_the_old_file_and_no_other(hef, monkeypatch):
    import os

    from oggm_glaunti.coupling.model import smb_file

    run(hef, ys=2015, ye=2015)
    before = opened(hef)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(smb_file, "_write_cells", full)
    with pytest.raises(InvalidWorkflowError, match="No space left"):
        run(hef, ys=2016, ye=2016)
    xr.testing.assert_identical(before, opened(hef))
    assert not [name for name in os.listdir(hef.dir) if "glaunti_smb" in name and name.startswith(".")]
