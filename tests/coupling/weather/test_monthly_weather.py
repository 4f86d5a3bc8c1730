"""Daily weather made from months: what is kept, what is drawn, where it is written, and OGGM's runs with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from scipy.signal import lfilter

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.coupling.oggm.versions import write_monthly_climate_file
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.coupling.weather.file import read_daily_climate, write_daily_climate
from oggm_glaunti.coupling.weather.monthly_file import write_monthly
from oggm_glaunti.coupling.weather.monthly_interpolation import Months, keep_means
from oggm_glaunti.coupling.weather.monthly_weather import MonthlyWeather, draw_daily_weather
from oggm_glaunti.coupling.weather.series import DailySeries
from oggm_glaunti.coupling.weather.statistics import ALPINE, WeatherStatistics, statistics_of
from oggm_glaunti.coupling.weather.task import process_daily_climate

from .test_task import Gdir

HEF = "RGI60-11.00897"
HEIGHTS = np.array([2400.0, 2755.5, 3333.3])


def weather(first="2001-01", last="2004-12", std=3.5, prcp=120.0):
    months = Months.between(first, last)
    season = -4 - 9 * np.cos(2 * np.pi * (months.calendar + 0.5) / 12)
    rng = np.random.default_rng(3)
    temp = season + rng.normal(0, 1.5, season.size)
    return MonthlyWeather(months, temp, np.full(temp.size, prcp), np.full(temp.size, std))


def std_within(months, temp):
    return np.sqrt(months.mean((temp - months.mean(temp)[months.index]) ** 2))


# --- months and the course through their means ---


@given(st.lists(st.floats(-40, 30), min_size=24, max_size=24))
def test_the_course_has_exactly_the_monthly_means_and_no_jumps(means):
    months, means = Months.between("2003-01", "2004-12"), np.array(means)
    course = keep_means(months, means)
    np.testing.assert_allclose(months.mean(course), means, atol=1e-9)
    # A month's slope is at most twice the spread of the means over half a month.
    assert np.abs(np.diff(course)).max() <= 4 * (means.max() - means.min()) / 14 + 1e-9


def test_the_course_of_evenly_rising_means_is_a_line_in_the_middle():
    months = Months.between("2001-01", "2001-12")
    middle = np.cumsum(months.days) - 0.5 * (months.days + 1)
    course = keep_means(months, 0.1 * middle)
    np.testing.assert_allclose(course[100:250], 0.1 * np.arange(100, 250), atol=0.02)


def test_a_single_month_has_its_mean_on_all_days():
    np.testing.assert_array_equal(keep_means(Months.between("2001-02", "2001-02"), np.array([3.0])), np.full(28, 3.0))


# --- what is kept ---


@given(st.floats(0, 800), st.floats(0, 8), st.integers(0, 50))
def test_monthly_means_and_sums_are_kept(prcp, std, seed):
    made = weather(std=std, prcp=prcp)
    temp, rain = (values.astype(np.float64) for values in draw_daily_weather(made, ALPINE, HEF, 1, seed))
    np.testing.assert_allclose(made.months.mean(temp), made.temp, atol=2e-6)
    np.testing.assert_allclose(made.months.sum(rain), made.prcp, rtol=1e-6, atol=1e-9)
    assert (rain >= 0).all()


def test_the_standard_deviation_within_each_month_is_the_one_asked_for():
    made = weather(std=4.0)
    temp, _ = draw_daily_weather(made, ALPINE, HEF)
    np.testing.assert_allclose(std_within(made.months, temp), 4.0, atol=1e-4)


def test_a_standard_deviation_that_the_course_exceeds_already_adds_no_noise():
    made = weather(std=0.0)
    temp, _ = draw_daily_weather(made, ALPINE, HEF)
    np.testing.assert_allclose(temp, keep_means(made.months, made.temp), atol=1e-5)


def test_a_month_without_precipitation_has_none_and_a_little_falls_on_one_day():
    made = weather()
    made.prcp[[3, 7]] = 0.0, 0.4
    _, prcp = draw_daily_weather(made, ALPINE, HEF)
    by_month = [prcp[made.months.index == month] for month in (3, 7)]
    assert by_month[0].sum() == 0
    assert np.count_nonzero(by_month[1]) == 1
    assert by_month[1].sum() == pytest.approx(0.4)


@given(st.floats(1, 3000), st.integers(0, 50))
def test_no_day_gets_more_of_a_month_than_the_records_know_and_the_sum_is_kept(prcp, seed):
    made = weather(prcp=prcp)
    _, rain = draw_daily_weather(made, ALPINE, HEF, 1, seed)
    wettest = np.maximum.reduceat(rain, np.cumsum(made.months.days) - made.months.days)
    assert (wettest <= prcp * ALPINE.most_on_a_day(prcp) * (1 + 1e-6)).all()
    np.testing.assert_allclose(made.months.sum(rain.astype(np.float64)), prcp, rtol=1e-6)


def test_a_month_that_no_day_can_hold_alone_falls_on_as_many_days_as_it_takes():
    made = weather(prcp=720.0)  # at most a quarter on one day
    rare = replace(ALPINE, wet_fraction=np.full(12, 0.01))
    _, rain = draw_daily_weather(made, rare, HEF)
    wet = made.months.sum((rain > 0).astype(float))
    assert wet.min() == 4
    np.testing.assert_allclose(rain[rain > 0][made.months.index[rain > 0] == np.argmin(wet)], 180.0, rtol=1e-6)


def test_the_sum_that_may_fall_on_one_day_is_reached_by_the_record_it_is_from():
    time = np.arange("2001-01-01", "2005-01-01", dtype="M8[D]")
    rng = np.random.default_rng(0)
    rain = np.where(rng.random(time.size) < 0.4, rng.gamma(0.85, 6.0, time.size), 0.0)
    found = statistics_of(time, rng.normal(0, 5, time.size), rain, "record")
    months = Months.of_days(time)
    wettest = np.maximum.reduceat(rain, np.cumsum(months.days) - months.days)
    room = found.most_on_a_day(months.sum(rain)) - wettest / months.sum(rain)
    assert room.min() == pytest.approx(0.0, abs=1e-12)


# --- what is drawn ---


def test_draws_differ_by_glacier_realisation_and_seed_and_by_nothing_else():
    made = weather()
    first = draw_daily_weather(made, ALPINE, HEF, 2, seed=1)
    draw_daily_weather(made, ALPINE, "RGI60-11.00787", 1)
    np.testing.assert_array_equal(first, draw_daily_weather(made, ALPINE, HEF, 2, seed=1))
    for other in ((HEF, 1, 1), (HEF, 2, 0), ("RGI60-11.00787", 2, 1)):
        assert np.abs(draw_daily_weather(made, ALPINE, *other)[0] - first[0]).max() > 1


def test_years_have_the_same_draws_in_a_longer_record():
    long = weather("1995-01", "2006-12")
    inside = slice(4 * 12, 9 * 12)
    short = MonthlyWeather(
        Months.between("1999-01", "2003-12"), long.temp[inside], long.prcp[inside], long.temp_std[inside]
    )
    day = np.searchsorted(long.months.time, short.months.time[[0, -1]])
    temp, prcp = draw_daily_weather(long, ALPINE, HEF)
    own_temp, own_prcp = draw_daily_weather(short, ALPINE, HEF)
    np.testing.assert_allclose(prcp[day[0] : day[1] + 1], own_prcp, rtol=1e-5)
    # The course differs near both ends, where the short record knows no neighbouring month.
    np.testing.assert_allclose(temp[day[0] + 120 : day[1] - 120], own_temp[120:-121], atol=0.05)


def test_statistics_of_what_was_made_are_those_it_was_made_with():
    asked = WeatherStatistics(0.72, 0.5, np.linspace(0.3, 0.6, 12), np.full(12, 0.9), np.full(12, -0.3), None, "test")
    long = weather("1801-01", "2000-12", std=3.0, prcp=150.0)
    temp, prcp = draw_daily_weather(long, asked, HEF)
    found = statistics_of(long.months.time, temp, prcp, "made")
    np.testing.assert_allclose(found.correlation, -0.3, atol=0.08)
    # Light rain, below 1 kg m-2, does not count as wet.
    share = found.wet_fraction / asked.wet_fraction
    assert 0.85 < share.min() < share.max() < 1.0
    np.testing.assert_allclose(found.temp_std, 3.0, atol=1e-3)
    # The same spread in every month takes a little of the memory.
    assert 0.64 < found.temp_memory < 0.73
    assert abs(found.wet_memory - 0.5) < 0.05
    assert abs(found.shape.mean() - 0.9) < 0.3


def test_the_memory_of_a_plain_series_is_found():
    months = Months.between("1901-01", "2000-12")
    noise = lfilter([np.sqrt(1 - 0.6**2)], [1, -0.6], np.random.default_rng(1).standard_normal(months.time.size))
    prcp = np.where(np.random.default_rng(2).random(noise.size) < 0.5, 5.0, 0.0)
    found = statistics_of(months.time, noise, prcp, "noise")
    assert abs(found.temp_memory - 0.6) < 0.01
    assert abs(found.wet_memory) < 0.02
    assert np.abs(found.correlation).max() < 0.08


def test_short_records_and_impossible_numbers_are_no_statistics():
    months = Months.between("2001-01", "2002-12")
    with pytest.raises(ValueError, match=r"a.csv: calendar month 1 has 62 days, .*three years"):
        statistics_of(months.time, np.zeros(730), np.ones(730), "a.csv")
    with pytest.raises(ValueError, match="wet_fraction: expected values between 0 and 1"):
        replace(ALPINE, wet_fraction=np.full(12, 1.0))
    with pytest.raises(ValueError, match="temp_std: expected a number or 12 of them"):
        replace(ALPINE, temp_std=np.full(12, np.nan))


# --- the task ---


@pytest.fixture
def gdir(tmp_path, oggm_env):
    return Gdir(tmp_path / "gdir")


def write_months(gdir, made, std=True, source="HISTALP", **kwargs):
    """OGGM's own file."""
    time = made.months.time[np.searchsorted(made.months.index, np.arange(made.temp.size))].astype("M8[s]")
    std = {"temp_std": made.temp_std} if std else {}
    write_monthly_climate_file(gdir)(time, made.prcp, made.temp, 3160.0, 10.8, 46.8, source=source, **std, **kwargs)


def write_days(gdir, filesuffix="_daily", source="CUSTOM_daily", years=("2001-01", "2010-12")):
    made = weather(*years, std=3.0)
    temp, prcp = draw_daily_weather(made, ALPINE, "another")
    series = DailySeries(made.months.time, temp, prcp, 3160.0, 10.8, 46.8, source, "station.csv")
    write_daily_climate(gdir, series, filesuffix)


def test_the_task_writes_five_realisations_of_oggms_months(gdir):
    made = weather()
    write_months(gdir, made)
    process_daily_climate(gdir, source="monthly")
    climate = read_daily_climate(gdir)
    assert (climate.source, climate.ref_hgt) == ("HISTALP_monthly_to_daily", 3160.0)
    assert len(climate.realisations) == 5
    for one in climate.realisations:
        np.testing.assert_allclose(made.months.mean(one.temp), made.temp, atol=1e-5)
        np.testing.assert_allclose(1000 * made.months.sum(one.prcp), made.prcp, rtol=1e-5)
        assert one.others == ()
    assert len({one.digest() for one in climate.realisations}) == 5
    with netCDF4.Dataset(gdir.get_filepath("climate_historical", filesuffix="_daily")) as nc:
        assert nc["temp"].dimensions == ("time",)
        assert nc["temp_realisation"].shape == (4, climate.time.size)
        assert nc["realisation"][:].tolist() == [2, 3, 4, 5]
        assert (nc.glaunti_seed, nc.glaunti_realisations) == (0, 5)
        assert "six Alpine records; temp_std: of each month" in nc.glaunti_statistics


def test_a_selection_of_years_and_the_digest_know_of_all_realisations(gdir):
    write_months(gdir, weather())
    process_daily_climate(gdir, source="monthly", n_realisations=2)
    climate = read_daily_climate(gdir)
    part = climate.select(2002, 2003)
    assert [one.time.size for one in part.realisations] == [730, 730]
    assert replace(climate, others=()).digest() != climate.digest()


def test_one_realisation_is_the_first_of_five_whatever_was_made_before(gdir):
    write_months(gdir, weather())
    process_daily_climate(gdir, source="monthly")
    first = read_daily_climate(gdir).realisations[0].digest()
    process_daily_climate(gdir, source="monthly", n_realisations=1, filesuffix="_one_daily")
    assert read_daily_climate(gdir, input_filesuffix="_one").digest() == first
    process_daily_climate(gdir, source="monthly", n_realisations=1, seed=1)
    assert read_daily_climate(gdir).digest() != first


def test_temp_std_is_the_one_given_then_the_files_then_the_references_then_that_of_the_past(gdir):
    made = weather(std=4.0)
    gcm = {"source": "monthly", "filename": "gcm_data", "n_realisations": 1}
    write_months(gdir, made, std=False, file_name="gcm_data")

    def std():
        climate = read_daily_climate(gdir, "gcm_data")
        return std_within(made.months, climate.temp.astype(np.float64)).mean()

    with pytest.raises(
        InvalidParamsError, match=r"gcm_data.nc has no temp_std, nor has climate_historical.nc.*temp_std="
    ):
        process_daily_climate(gdir, **gcm)
    write_months(gdir, replace(made, temp_std=np.full(made.temp.size, 4.5)))
    process_daily_climate(gdir, **gcm)
    assert std() == pytest.approx(4.5, abs=0.01)
    write_days(gdir)
    process_daily_climate(gdir, reference="", **gcm)
    assert std() == pytest.approx(3.0, abs=0.01)
    write_months(gdir, made, file_name="gcm_data")
    process_daily_climate(gdir, reference="", **gcm)
    assert std() == pytest.approx(4.0, abs=0.01)
    process_daily_climate(gdir, reference="", temp_std=5.0, **gcm)
    assert std() == pytest.approx(5.0, abs=0.01)


def test_months_of_any_calendar_and_incomplete_years_at_the_ends(gdir, caplog):
    write_months(gdir, weather())
    with netCDF4.Dataset(gdir.get_filepath("climate_historical"), "a") as nc:
        nc["time"].calendar = "360_day"
        nc["time"].units = "days since 2001-04-16"
        nc["time"][:] = 30 * np.arange(48)
    process_daily_climate(gdir, source="monthly", n_realisations=1)
    climate = read_daily_climate(gdir)
    assert (climate.ys, climate.ye) == (2002, 2004)
    assert "left out: 2001-04" in caplog.text
    process_daily_climate(gdir, source="monthly", n_realisations=1, y0=2003, y1=2003)
    assert read_daily_climate(gdir).time.size == 365


def fault(nc, name, index, value):
    nc[name][index] = value


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda nc: fault(nc, "temp", 5, np.nan), r"temp is NaN or infinite in 1 of 48 months: 2001-06"),
        (lambda nc: fault(nc, "prcp", 6, -999.0), r"prcp is below -100 kg m-2 in 1 of 48 months: 2001-07"),
        (lambda nc: fault(nc, "temp_std", 0, 99.0), r"temp_std is outside 0..30 K in 1 of 48 months: 2001-01"),
        (lambda nc: fault(nc, "time", 7, 73000), r"2000-11 follows 2001-07; expected each month once"),
        (lambda nc: nc["prcp"].setncattr("units", "m"), r"prcp has units 'm'; expected the month's sum in kg m-2"),
        (lambda nc: nc["time"].setncattr("units", "bananas"), r"time cannot be read, 'bananas'"),
    ],
)
def test_faults_of_the_monthly_file_are_named(gdir, break_it, message):
    write_months(gdir, weather())
    path = gdir.get_filepath("climate_historical")
    with netCDF4.Dataset(path, "a") as nc:
        break_it(nc)
    with pytest.raises(InvalidParamsError, match=f"{HEF}: climate_historical.nc.*({message})"):
        process_daily_climate(gdir, source="monthly")
    assert not Path(gdir.get_filepath("climate_historical", filesuffix="_daily")).exists()


def test_what_cannot_be_asked_for_is_said(gdir):
    with pytest.raises(InvalidWorkflowError, match=r"gcm_data_ssp126.nc is not in .*make it first"):
        process_daily_climate(gdir, source="monthly", filename="gcm_data", input_filesuffix="_ssp126")
    write_months(gdir, weather())
    for arguments, message in (
        ({"n_realisations": 0}, "n_realisations: expected a whole number from 1, found 0"),
        ({"seed": 1.5}, "seed: expected a whole number from 0, found 1.5"),
        ({"path": "a.nc"}, "path not with source='monthly'"),
        ({"also_monthly": True}, "the monthly file is there already"),
        ({"reference_years": (1981, 1990)}, "reference_years go with a reference"),
        ({"statistics": ALPINE, "reference": ""}, "give one of them"),
        ({"statistics": {"a": 1}}, "expected WeatherStatistics, found dict"),
        ({"temp_std": [1, 2]}, "temp_std: expected a number or 12 of them"),
        ({"y0": 1990}, "covers the years 2001-2004; asked for 1990-2004"),
    ):
        with pytest.raises(InvalidParamsError, match=message):
            process_daily_climate(gdir, source="monthly", **arguments)


def test_a_reference_is_neither_overwritten_nor_itself_made_from_months(gdir):
    write_months(gdir, weather())
    write_days(gdir)
    with pytest.raises(
        InvalidParamsError, match=r"climate_historical_daily.nc is the reference and would be overwritten"
    ):
        process_daily_climate(gdir, source="monthly", reference="")
    process_daily_climate(gdir, source="monthly", reference="", filesuffix="_made_daily")
    with pytest.raises(InvalidParamsError, match="was made from months itself"):
        process_daily_climate(gdir, source="monthly", reference="_made", filesuffix="_again_daily")
    write_days(gdir, "_short_daily", years=("2001-01", "2002-12"))
    with pytest.raises(InvalidParamsError, match=r"climate_historical_short_daily.nc 2001-2002 .*has 62 days"):
        process_daily_climate(gdir, source="monthly", reference="_short", filesuffix="_made_daily")


def test_a_monthly_gcm_file_says_how_to_make_days_of_it(gdir):
    write_months(gdir, weather(), file_name="gcm_data", filesuffix="_ssp126")
    with pytest.raises(
        InvalidWorkflowError, match=r"source='monthly', filename='gcm_data', input_filesuffix='_ssp126'"
    ):
        read_daily_climate(gdir, "gcm_data", "_ssp126")


# --- balances ---


@pytest.fixture
def made_gdir(hef_gdir):
    """Hintereisferner with three realisations made from the months of its daily weather."""
    days = read_daily_climate(hef_gdir)
    place = days.ref_hgt, days.ref_pix_lon, days.ref_pix_lat
    write_monthly(hef_gdir, DailySeries(days.time, days.temp, 1000 * days.prcp, *place, "station", "days"), "_true")
    arguments = {"input_filesuffix": "_true", "filesuffix": "_made_daily", "n_realisations": 3}
    process_daily_climate(hef_gdir, source="monthly", **arguments)
    return hef_gdir


def single(gdir, number):
    """A model on one of the realisations alone."""
    climate = read_daily_climate(gdir, input_filesuffix="_made")
    one = climate.realisations[number]
    place = one.ref_hgt, one.ref_pix_lon, one.ref_pix_lat
    prcp = (1000 * one.prcp.astype(np.float64)).astype(np.float32)
    write_daily_climate(gdir, DailySeries(one.time, one.temp, prcp, *place, one.source, "one"), f"_only{number}_daily")
    return GlaUnTIMassBalanceA(gdir, input_filesuffix=f"_only{number}")


def test_the_balance_is_the_mean_over_the_realisations(made_gdir):
    model = GlaUnTIMassBalanceA(made_gdir, input_filesuffix="_made")
    singles = [single(made_gdir, number) for number in range(3)]
    for method, year in (("get_annual_mb", 2018), ("get_monthly_mb", 2018.5)):
        each = [getattr(one, method)(HEIGHTS, year) for one in singles]
        assert np.ptp(each, axis=0).max() > 0
        np.testing.assert_allclose(getattr(model, method)(HEIGHTS, year), np.mean(each, axis=0), rtol=1e-5, atol=1e-14)


def test_days_add_up_to_the_year_of_the_mean_table(made_gdir):
    model = GlaUnTIMassBalanceA(made_gdir, input_filesuffix="_made")
    for year in (2014, 2018):
        days = model.get_daily_mb_of_year(HEIGHTS, year).sum(axis=1) * 86400
        np.testing.assert_allclose(days, model.get_annual_mb(HEIGHTS, year) * model.sec_in_year(), atol=2e-5)


@pytest.mark.slow
def test_numpy_and_jax_have_the_same_mean_table_and_the_file_is_found_again(made_gdir):
    model = GlaUnTIMassBalanceA(made_gdir, input_filesuffix="_made")
    inputs, tunables = model.store.inputs, model.tunable_params()
    by_jax, by_numpy = (build_table(inputs, tunables, backend).smb for backend in ("jax", "numpy"))
    np.testing.assert_allclose(by_jax, by_numpy, atol=1e-5)
    model.get_annual_mb(HEIGHTS, 2018)
    kept = GlaUnTIMassBalanceA(made_gdir, input_filesuffix="_made").store.read(tunables)
    np.testing.assert_array_equal(kept.smb, by_jax)


def test_batches_of_tables_make_the_same_one(made_gdir):
    from oggm_glaunti.tasks import glaunti_tables

    report = glaunti_tables([made_gdir], mb_kwargs={"model": "A", "input_filesuffix": "_made"}, progress=False)
    assert report["status"].tolist() == ["written"]
    model = GlaUnTIMassBalanceA(made_gdir, input_filesuffix="_made")
    kept = model.store.read(model.tunable_params())
    np.testing.assert_array_equal(kept.smb, build_table(model.store.inputs, model.tunable_params()).smb)


@pytest.mark.slow
def test_maps_are_of_the_first_realisation_and_the_log_says_so(made_gdir, caplog):
    from oggm_glaunti.tasks import glaunti_features, glaunti_smb

    glaunti_features(made_gdir)
    replaced = made_gdir.get_filepath("climate_historical", filesuffix="_daily")
    Path(made_gdir.get_filepath("climate_historical", filesuffix="_made_daily")).replace(replaced)
    glaunti_smb(made_gdir, mb_kwargs={"model": "A"}, ys=2014, ye=2014)
    assert "maps are of the first of 3 realisations" in caplog.text


@pytest.mark.slow
def test_corrections_are_the_mean_of_those_of_the_realisations(made_gdir, weights_dir):
    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.tasks import glaunti_features, glaunti_tables

    glaunti_features(made_gdir)
    arguments = {"model": "C", "corrector": "climatology", "weights": weights_dir}
    made = GlaUnTIMassBalance(made_gdir, input_filesuffix="_made", **arguments).store.inputs.corrections.ds
    for number in range(3):
        single(made_gdir, number)
    each = [
        GlaUnTIMassBalance(made_gdir, input_filesuffix=f"_only{number}", **arguments).store.inputs.corrections.ds
        for number in range(3)
    ]
    np.testing.assert_allclose(made, np.mean(each, axis=0), atol=1e-5)
    report = glaunti_tables(
        [made_gdir], mb_kwargs={"input_filesuffix": "_made", **arguments}, overwrite=True, progress=False
    )
    assert report["status"].tolist() == ["written"]
    store = GlaUnTIMassBalance(made_gdir, input_filesuffix="_made", **arguments).store
    np.testing.assert_array_equal(store.kept_corrections().climatology().ds, made)


def test_oggms_own_w5e5_and_histalp_files_are_made_daily(aletsch_gdir, hef_gdir, caplog):
    process_daily_climate(aletsch_gdir, source="monthly", filesuffix="_w5e5_daily", y0=1990, n_realisations=2)
    process_daily_climate(hef_gdir, source="monthly", filesuffix="_histalp_daily", y0=1990, reference="")
    assert "prcp is negative and taken as zero in 1 of 288 months: 2011-11" in caplog.text
    for gdir, suffix, source, last in ((aletsch_gdir, "_w5e5", "GSWP3_W5E5", 2019), (hef_gdir, "_histalp", "", 2013)):
        climate = read_daily_climate(gdir, input_filesuffix=suffix)
        assert (climate.ys, climate.ye) == (1990, last)
        assert climate.source.startswith(source)
        with xr.open_dataset(gdir.get_filepath("climate_historical")) as file:
            months = file.sel(time=slice("1990", None))
            of_days = Months.of_days(climate.time)
            for one in climate.realisations:
                np.testing.assert_allclose(of_days.mean(one.temp), months["temp"], atol=1e-4)
                prcp = months["prcp"].clip(min=0)
                np.testing.assert_allclose(1000 * of_days.sum(one.prcp), prcp, rtol=1e-4, atol=1e-6)


# --- projections ---


def synthetic_gcm():
    """A small GCM of 1990-2100 with OGGM's conventions: monthly, no leap days, 4 K warmer in 2100."""
    time = xr.date_range("1990-01-01", "2100-12-01", freq="MS", calendar="noleap", use_cftime=True)
    rng = np.random.default_rng(0)
    month, year = np.arange(time.size) % 12, 1990 + np.arange(time.size) / 12
    temp = (
        270 - 8 * np.cos(2 * np.pi * month / 12) + 4 * np.clip((year - 2010) / 90, 0, 1) + rng.normal(0, 1.2, time.size)
    )
    place = {"lon": 10.5, "lat": 46.5}
    to_array = {"dims": "time", "coords": {"time": time, **place}}
    return xr.DataArray(temp, **to_array), xr.DataArray(rng.gamma(4, 25, time.size), **to_array)


@pytest.mark.slow
def test_a_projection_of_a_gcm_runs_to_2100(hef_gdir):
    from oggm import tasks
    from oggm.shop.gcm_climate import process_gcm_data

    temp, prcp = synthetic_gcm()
    process_gcm_data(
        hef_gdir,
        temp=temp,
        prcp=prcp,
        year_range=("1991", "2010"),
        output_filesuffix="_ssp",
        calendar="noleap",
        source="X",
    )
    gcm = {"filename": "gcm_data", "input_filesuffix": "_ssp"}
    process_daily_climate(hef_gdir, source="monthly", reference="", n_realisations=2, **gcm)
    climate = read_daily_climate(hef_gdir, **gcm)
    assert (climate.ys, climate.ye, climate.source) == (1990, 2100, "X_monthly_to_daily")
    with xr.open_dataset(hef_gdir.get_filepath("gcm_data", filesuffix="_ssp")) as months:
        of_days = Months.of_days(climate.time)
        np.testing.assert_allclose(of_days.mean(climate.temp), months["temp"], atol=1e-4)
        np.testing.assert_allclose(1000 * of_days.sum(climate.prcp), months["prcp"], rtol=1e-4)
    tasks.run_from_climate_data(
        hef_gdir,
        mb_model_class=GlaUnTIMassBalanceA,
        climate_filename="gcm_data",
        climate_input_filesuffix="_ssp",
        ys=2014,
        ye=2101,
        output_filesuffix="_ssp",
    )
    with xr.open_dataset(hef_gdir.get_filepath("model_diagnostics", filesuffix="_ssp")) as run:
        volume = run["volume_m3"].to_series()
    assert (volume.index[0], volume.index[-1]) == (2014, 2101)
    assert np.isfinite(volume).all()
    assert volume.iloc[-1] < 0.7 * volume.iloc[0]
