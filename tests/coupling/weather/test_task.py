"""The daily climate: what may be written to a glacier directory, what comes back, and what each fault says."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from oggm import GlacierDirectory, cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.corrections import resolve_mode
from oggm_glaunti.coupling.oggm.versions import write_monthly_climate_file
from oggm_glaunti.coupling.weather import file as daily_file, series as daily_series
from oggm_glaunti.coupling.weather.file import DailyClimate, daily_climate_path, read_daily_climate
from oggm_glaunti.coupling.weather.monthly_file import monthly_statistics
from oggm_glaunti.coupling.weather.task import process_daily_climate
from oggm_glaunti.coupling.weather.times import decode_time

UNITS = {"temp_units": "degC", "prcp_units": "mm/day", "ref_hgt": 3000.0}
CAMELS = {
    "temp_name": "temperature_mean(degC)",
    "prcp_name": "precipitation(mm/d)",
    "temp_units": "degC",
    "prcp_units": "mm/day",
    "ref_hgt": 2929.36,
}


MONTHLY_WRITER = write_monthly_climate_file(GlacierDirectory)


class Gdir:
    """As much of a glacier directory as the climate needs."""

    rgi_id = "RGI60-11.00897"
    get_filepath = GlacierDirectory.get_filepath
    # The method has another name from OGGM 1.7 on, and there its tasks ask for settings.
    write_monthly_climate_file = MONTHLY_WRITER
    settings = cfg.PARAMS
    get_climate_info = GlacierDirectory.get_climate_info

    def __init__(self, folder: Path, cenlon: float = 10.76, cenlat: float = 46.80) -> None:
        self.dir, self.cenlon, self.cenlat = str(folder), cenlon, cenlat
        folder.mkdir()

    def get_task_status(self, task_name: str) -> None:
        return None

    def log(self, task_name: str, *, err: Exception | None = None, task_time: float | None = None) -> None:
        del task_name, err, task_time


@pytest.fixture
def gdir(oggm_env: Path, tmp_path: Path) -> Gdir:
    return Gdir(tmp_path / "glacier")


def weather(first: str = "2003-01-01", last: str = "2004-12-31", seed: int = 1) -> pd.DataFrame:
    date = pd.date_range(first, last, freq="D")
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"date": date, "temp": rng.normal(-5, 8, date.size), "prcp": rng.gamma(0.3, 8, date.size)})


def write_csv(folder: Path, table: pd.DataFrame, name: str = "weather.csv") -> Path:
    table.to_csv(folder / name, index=False, date_format="%Y-%m-%d")
    return folder / name


def write_netcdf(path: Path, table: pd.DataFrame, **changes) -> Path:
    said = {
        "units": "days since 1970-01-01", "calendar": "standard", "temp": "degC", "prcp": "mm/day", "ref_hgt": 3000.0,
    } | changes  # fmt: skip
    with netCDF4.Dataset(path, "w") as nc:
        nc.createDimension("time", len(table))
        var = nc.createVariable("time", "f8", ("time",))
        var.setncatts({"units": said["units"], "calendar": said["calendar"]})
        var[:] = said.get("numbers", (table["date"].to_numpy("M8[D]") - np.datetime64("1970-01-01")).astype(int))
        for name in said.get("names", ("temp", "prcp")):
            var = nc.createVariable(name, "f8", ("time",))
            var[:] = table[name].to_numpy()
            if said[name] is not None:
                var.units = said[name]
        if said["ref_hgt"] is not None:
            nc.ref_hgt = said["ref_hgt"]
    return path


def custom(gdir: Gdir, folder: Path, table: pd.DataFrame, **changes) -> DailyClimate:
    process_daily_climate(gdir, source="custom", path=write_csv(folder, table), **(UNITS | changes))
    return read_daily_climate(gdir)


# --- what is written comes back --------------------------------------------------------------------------------------


def test_weather_of_a_csv_comes_back_in_the_units_of_the_model(gdir, tmp_path):
    table = weather()
    climate = custom(gdir, tmp_path, table)
    assert climate.time.dtype == "M8[D]"
    assert climate.temp.dtype == climate.prcp.dtype == np.float32
    np.testing.assert_array_equal(climate.time, table["date"].to_numpy("M8[D]"))
    np.testing.assert_array_equal(climate.temp, table["temp"].to_numpy(np.float32))
    np.testing.assert_allclose(climate.prcp, table["prcp"] / 1000, rtol=2e-7)
    assert (climate.ref_hgt, climate.source) == (3000.0, "CUSTOM_daily")
    assert (climate.ref_pix_lon, climate.ref_pix_lat) == (gdir.cenlon, gdir.cenlat)
    assert climate.path == str(Path(gdir.dir) / "climate_historical_daily.nc")


def test_the_file_differs_from_oggms_monthly_file_only_where_a_day_is_not_a_month(gdir, tmp_path):
    process_daily_climate(
        gdir,
        source="custom",
        path=write_csv(tmp_path, weather()),
        also_monthly=True,
        ref_lon=10.5,
        ref_lat=46.5,
        **UNITS,
    )
    with (
        netCDF4.Dataset(Path(gdir.dir) / "climate_historical_daily.nc") as daily,
        netCDF4.Dataset(Path(gdir.dir) / "climate_historical.nc") as monthly,
    ):
        own = {name: daily.getncattr(name) for name in daily.ncattrs()}
        assert own.pop("glaunti_source_file") == "weather.csv"
        assert own.pop("glaunti_summary").startswith("731 days, 2003-2004: mean -")
        assert own == {name: monthly.getncattr(name) for name in monthly.ncattrs()}
        for name in own:
            assert type(own[name]) is type(monthly.getncattr(name)), name
        assert daily.data_model == monthly.data_model
        assert daily.dimensions["time"].isunlimited()
        for name in ("time", "prcp", "temp"):
            assert daily[name].dtype == monthly[name].dtype
            assert daily[name].ncattrs() == monthly[name].ncattrs()
            assert daily[name].filters() == monthly[name].filters() | {"fletcher32": True}
        assert daily["time"].units == monthly["time"].units == "days since 1801-01-01 00:00:00"
        assert daily["time"].calendar == monthly["time"].calendar == "standard"
        assert daily["temp"].units == monthly["temp"].units
        assert daily["temp"].long_name == monthly["temp"].long_name.replace("monthly ", "")  # OGGM 1.7
        assert daily["prcp"].units == "kg m-2 day-1"
        assert daily["time"][0] == monthly["time"][0]


def test_oggm_reads_the_monthly_file_made_from_days(gdir, tmp_path):
    table = weather()
    custom(gdir, tmp_path, table, also_monthly=True)
    assert gdir.get_climate_info()["baseline_yr_1"] == 2004
    by_month = table.set_index("date").resample("MS")
    with netCDF4.Dataset(gdir.get_filepath("climate_historical")) as nc:
        dates = netCDF4.num2date(nc["time"][:], nc["time"].units, only_use_cftime_datetimes=False)
        np.testing.assert_array_equal(dates.astype("M8[ns]"), by_month["temp"].mean().index)
        np.testing.assert_allclose(nc["temp"][:], by_month["temp"].mean(), atol=1e-5)
        np.testing.assert_allclose(nc["prcp"][:], by_month["prcp"].sum(), rtol=1e-6)
        np.testing.assert_allclose(nc["temp_std"][:], by_month["temp"].std(ddof=0), rtol=1e-5)


def test_a_monthly_file_of_another_source_is_replaced_only_on_request(gdir, tmp_path):
    months = pd.date_range("2003-01-01", "2004-12-01", freq="MS")
    gdir.write_monthly_climate_file(months, np.ones(24), np.zeros(24), 1.0, 10.0, 46.0, source="CRU")
    before = Path(gdir.get_filepath("climate_historical")).read_bytes()
    with pytest.raises(
        InvalidWorkflowError, match=r"climate_historical.nc is there already, from 'CRU'.*overwrite_mon"
    ):
        custom(gdir, tmp_path, weather(), also_monthly=True)
    assert Path(gdir.get_filepath("climate_historical")).read_bytes() == before
    assert os.listdir(gdir.dir) == ["climate_historical.nc"]
    custom(gdir, tmp_path, weather(), also_monthly=True, overwrite_monthly=True)
    assert gdir.get_climate_info()["baseline_climate_source"] == "CUSTOM_daily"
    custom(gdir, tmp_path, weather(), also_monthly=True)
    assert sorted(os.listdir(gdir.dir)) == ["climate_historical.nc", "climate_historical_daily.nc"]


@pytest.mark.parametrize(
    ("temp_units", "offset"), [("degC", 0), ("°C", 0), ("degrees_Celsius", 0), ("K", 273.15), ("kelvin", 273.15)]
)
@pytest.mark.parametrize(
    ("prcp_units", "factor"),
    [("mm/day", 1), ("kg m-2 day-1", 1), ("mm d-1", 1), ("mm day-1", 1), ("kg m-2 s-1", 1 / 86400), ("m/day", 1e-3)],
)
def test_every_unit_gives_the_same_weather(temp_units, offset, prcp_units, factor):
    temp = daily_series.to_celsius("g: f", np.array([-12.5, 3.25]) + offset, temp_units)
    prcp = daily_series.to_kg_per_day("g: f", np.array([0.0, 31.4]) * factor, prcp_units)
    np.testing.assert_allclose(temp, [-12.5, 3.25], atol=1e-5)
    np.testing.assert_allclose(prcp, [0.0, 31.4], rtol=1e-6)


def test_a_netcdf_says_its_units_height_and_place_itself(gdir, tmp_path):
    table = weather()
    kelvin_and_flux = table.assign(temp=table["temp"] + 273.15, prcp=table["prcp"] / 86400)
    path = write_netcdf(tmp_path / "w.nc", kelvin_and_flux, temp="K", prcp="kg m-2 s-1", ref_hgt=2500.0)
    with netCDF4.Dataset(path, "a") as nc:
        nc.ref_pix_lon, nc.ref_pix_lat = 10.25, 46.75
    process_daily_climate(gdir, source="custom", path=path)
    climate = read_daily_climate(gdir)
    np.testing.assert_allclose(climate.temp, table["temp"], atol=1e-5)
    np.testing.assert_allclose(climate.prcp, table["prcp"] / 1000, rtol=1e-6)
    assert (climate.ref_hgt, climate.ref_pix_lon, climate.ref_pix_lat) == (2500.0, 10.25, 46.75)


def test_the_custom_file_may_come_from_oggms_paths_and_its_baseline_setting(gdir, tmp_path):
    cfg.PATHS["climate_file"] = str(write_netcdf(tmp_path / "w.nc", weather()))
    cfg.PARAMS["baseline_climate"] = "CUSTOM"
    process_daily_climate(gdir)
    assert read_daily_climate(gdir).years.tolist() == [2003, 2004]


def test_weather_named_era5_land_gets_yearly_corrections_and_unnamed_weather_does_not(gdir, tmp_path):
    assert resolve_mode("auto", "C", custom(gdir, tmp_path, weather()).source) == "climatology"
    climate = custom(gdir, tmp_path, weather(), climate_source="ERA5-Land_daily", also_monthly=True)
    assert climate.source == gdir.get_climate_info()["baseline_climate_source"] == "ERA5-Land_daily"
    assert resolve_mode("auto", "C", climate.source) == "yearly"


def test_incomplete_years_at_the_ends_are_left_out_and_named_in_the_log(gdir, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        climate = custom(gdir, tmp_path, weather("2001-10-01", "2004-02-10"))
    assert (climate.ys, climate.ye) == (2002, 2003)
    assert "2001-10-01..2001-12-31 (92 days), 2004-01-01..2004-02-10 (41 days)" in caplog.text
    assert gdir.rgi_id in caplog.text


def test_a_period_may_be_chosen_and_leaves_bad_years_unread(gdir, tmp_path):
    table = weather("2001-01-01", "2005-12-31")
    table.loc[table["date"].dt.year == 2002, "temp"] = np.nan
    table = table[table["date"] != "2001-06-01"]
    climate = custom(gdir, tmp_path, table, y0=2003, y1=2004)
    assert climate.years.tolist() == [2003, 2004]


def test_years_can_be_selected_and_no_others(gdir, tmp_path):
    climate = custom(gdir, tmp_path, weather("2001-01-01", "2005-12-31"))
    part = climate.select(ys=2004)
    assert part.years.tolist() == [2004, 2005]
    assert part.time[0] == np.datetime64("2004-01-01")
    np.testing.assert_array_equal(part.temp, climate.temp[-731:])
    assert climate.select().digest() == climate.digest()
    with pytest.raises(InvalidParamsError, match="covers the years 2001-2005; asked for 1999-2005"):
        climate.select(ys=1999)


def test_the_digest_changes_with_every_thing_derived_files_depend_on(gdir, tmp_path):
    table = weather()
    climate = custom(gdir, tmp_path, table)
    again = read_daily_climate(gdir)
    warmer = custom(gdir, tmp_path, table.assign(temp=table["temp"] + 1e-4))
    wetter = custom(gdir, tmp_path, table.assign(prcp=table["prcp"] * 1.0001))
    higher = custom(gdir, tmp_path, table, ref_hgt=3001.0)
    shorter = climate.select(ye=2003)
    assert again.digest() == climate.digest()
    assert len({c.digest() for c in (climate, warmer, wetter, higher, shorter)}) == 5
    assert len(climate.digest()) == 64


def test_a_daily_climate_of_part_of_a_year_cannot_be_made():
    days = np.arange("2003-01-01", "2004-12-31", dtype="M8[D]")
    zeros = np.zeros(days.size, np.float32)
    with pytest.raises(ValueError, match="not whole calendar years"):
        DailyClimate(days, zeros, zeros, 0.0, 0.0, 0.0, "", "somewhere.nc")
    with pytest.raises(ValueError, match="shapes"):
        DailyClimate(days, zeros, zeros[1:], 0.0, 0.0, 0.0, "", "somewhere.nc")


def test_one_date_of_forty_years_is_decoded_and_no_more(gdir, tmp_path, monkeypatch):
    climate = custom(gdir, tmp_path, weather("1981-01-01", "2020-12-31"))
    assert climate.time.size == 14_610
    decode, decoded = cftime.num2date, []

    def counting(times, *args, **kwargs):
        decoded.append(np.size(times))
        return decode(times, *args, **kwargs)

    monkeypatch.setattr(cftime, "num2date", counting)
    read_daily_climate(gdir)
    # Once to see that the steps are days, once for the days: decoded one by one they would take 100 ms and more.
    assert decoded == [1, 1]


# --- faults of the file that is offered ------------------------------------------------------------------------------


def drop(table, date):
    return table[table["date"] != date]


def change(column, date, value):
    return lambda t: t.assign(**{column: t[column].where(t["date"] != date, value)})


def twice(table):
    return pd.concat([table, table[table["date"] == "2003-05-05"]]).sort_values("date")


def swapped(table):
    return table.iloc[[0, 2, 1, *range(3, len(table))]]


FAULTS = {
    "gap": (lambda t: drop(t, "2004-02-29"), r"has 730 of 731 days; missing: 2004-02-29\."),
    "gaps": (
        lambda t: drop(t[~t["date"].between("2003-03-01", "2003-03-10")], "2004-07-01"),
        r"has 720 of 731 days; missing: 2003-03-01\.\.2003-03-10 \(10 days\), 2004-07-01",
    ),
    "twice": (twice, "days found more than once: 2003-05-05"),
    "order": (swapped, "days out of order, time steps back at 2003-01-02"),
    "nan temp": (change("temp", "2004-03-04", np.nan), r"temp is NaN or infinite on 1 of 731 days: 2004-03-04"),
    "text": (change("prcp", "2004-03-04", "trace"), r"row 430: prcp 'trace' is no number"),
    "infinite": (change("prcp", "2004-03-04", np.inf), r"row 430: prcp 'inf' is no number"),
    "negative": (
        change("prcp", "2003-08-09", -0.1),
        r"prcp is negative on 1 of 731 days: 2003-08-09 \(first value: -0\.1",
    ),
    "hot": (change("temp", "2003-08-09", 99.9), r"temp is outside -90\.\.60 degC, check units on 1 of .*2003-08-09"),
    "kelvin": (
        lambda t: t.assign(temp=t["temp"] + 273.15),
        r"temp is outside .* on 731 of 731 days: 2003-01-01\.\.2004",
    ),
    "wet": (
        change("prcp", "2003-08-09", 2001),
        r"prcp is above 2000 kg m-2 day-1, check units on 1 of 731.*2003-08-09",
    ),
    "monthly": (lambda t: t[t["date"].dt.day == 1], "monthly steps, GlaUnTI needs daily weather"),
    "every other day": (lambda t: t.iloc[::2], "steps of 2 days"),
    "short": (lambda t: t.iloc[10:300], r"2003-01-11\.\.2003-10-27 holds no whole calendar year"),
    "one day": (lambda t: t.iloc[:1], "1 time step"),
    "date": (
        lambda t: t.assign(date="01/02/2003"),
        "dates cannot be read, row 2: date '01/02/2003' may be 2003-02-01 or 2003-01-02; .*728 more",
    ),
    "column": (lambda t: t.rename(columns={"temp": "T"}), "0 columns 'temp'; found date, T, prcp. Give temp_name="),
    "two dates": (lambda t: t.assign(time=t["date"]), "2 columns 'time or date'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_a_file_is_an_error_that_says_where(fault, gdir, tmp_path):
    spoil, message = FAULTS[fault]
    with pytest.raises(InvalidParamsError, match=rf"^RGI60-11\.00897: weather\.csv.*{message}"):
        custom(gdir, tmp_path, spoil(weather()))
    assert os.listdir(gdir.dir) == []


def test_hourly_steps_are_refused(gdir, tmp_path):
    hours = pd.date_range("2003-01-01", "2003-01-20", freq="h").strftime("%Y-%m-%d %H:%M")
    with pytest.raises(InvalidParamsError, match="steps of 1 hours, aggregate them"):
        custom(gdir, tmp_path, pd.DataFrame({"time": hours, "temp": 0.0, "prcp": 0.0}))


def test_days_stamped_at_noon_are_days_but_a_changing_hour_is_not(gdir, tmp_path):
    table = weather()
    noon = table["date"].dt.strftime("%Y-%m-%dT12:00")
    assert custom(gdir, tmp_path, table.assign(date=noon)).time[0] == np.datetime64("2003-01-01")
    with pytest.raises(
        InvalidParamsError, match="time of day changes, from 2003-01-01T12:00:00 to others on 2003-01-31"
    ):
        custom(gdir, tmp_path, table.assign(date=noon.where(table.index != 30, "2003-01-31T13:00")))


@pytest.mark.parametrize("offset", ["+01:00", "-05:00", "+0530", "+00:30", " +02", "-11"])
def test_dates_with_a_utc_offset_are_refused(offset, gdir, tmp_path):
    table = weather()
    table["date"] = (
        table["date"].dt.strftime("%Y-%m-%dT00:00:00").where(table.index != 3, "2003-01-04T00:00:00" + offset)
    )
    with pytest.raises(
        InvalidParamsError, match=r"row 5: date '2003-01-04T.*' has an offset from UTC; give calendar days without one"
    ):
        custom(gdir, tmp_path, table)


@pytest.mark.parametrize("utc", ["Z", "+00:00", "+0000", "-00:00"])
def test_dates_in_utc_are_the_days_they_name(utc, gdir, tmp_path):
    table = weather()
    climate = custom(gdir, tmp_path, table.assign(date=table["date"].dt.strftime("%Y-%m-%dT00:00:00") + utc))
    np.testing.assert_array_equal(climate.time, table["date"].to_numpy("M8[D]"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temp_units": None}, "units are neither in the file nor given; give temp_units="),
        ({"prcp_units": None}, "units are neither in the file nor given; give prcp_units="),
        ({"prcp_units": "mm"}, "prcp has units 'mm'; expected mm/day"),
        ({"temp_units": "degF"}, "temp has units 'degF'; expected degC or K"),
        ({"temp_units": "K"}, r"check units \(they look like degC, not K\) on 731 of 731 days"),
        (
            {"prcp_units": "m/day"},
            r"prcp is above 2000 kg m-2 day-1, check units \(they look like mm a day, not m\) on ",
        ),
        ({"ref_hgt": None}, "no attribute ref_hgt; give the height"),
        ({"ref_hgt": 29000.0}, "ref_hgt is 29000; expected metres"),
        ({"climate_source": " "}, "climate_source is empty"),
        ({"y0": 1990}, "covers the years 2003-2004; asked for 1990-2004"),
        ({"y0": 2004, "y1": 2003}, "asked for 2004-2003"),
        ({"filesuffix": ""}, "filesuffix '' must hold '_daily'"),
        ({"source": "ERA5"}, "source='ERA5' has no daily weather here"),
        ({"path": "nowhere.csv"}, r"no climate file 'nowhere\.csv'$"),
    ],
)
def test_nothing_that_was_not_said_is_guessed(changes, message, gdir, tmp_path):
    given = {"source": "custom", "path": write_csv(tmp_path, weather())} | UNITS | changes
    with pytest.raises(InvalidParamsError, match=message):
        process_daily_climate(gdir, **given)


@pytest.mark.parametrize(
    ("changes", "given", "message"),
    [
        ({"temp": None}, {}, "give temp_units="),
        ({"prcp": None}, {}, "give prcp_units="),
        ({"ref_hgt": None}, {}, "no attribute ref_hgt"),
        ({}, {"prcp_units": "m/day"}, "the file says 'mm/day', prcp_units says 'm/day'"),
        ({}, {"ref_hgt": 1000.0}, "the file has 3000 m, ref_hgt says 1000 m"),
        ({"names": ("temp",)}, {}, "has no variable 'prcp'; found: time, temp"),
        ({"calendar": "noleap"}, {}, "calendar 'noleap' has no real dates.*convert_calendar"),
        ({"calendar": "360_day"}, {}, "calendar '360_day' has no real dates"),
        ({"units": "months since 1970-01-01"}, {}, "time units 'months since 1970-01-01'; expected 'days since"),
        ({"units": "days since 0001-01-01"}, {}, "begins on 0034-.*before the Gregorian calendar"),
        ({"numbers": np.full(731, np.nan)}, {}, "731 are missing"),
    ],
)
def test_a_netcdf_that_does_not_say_enough_is_refused(changes, given, message, gdir, tmp_path):
    path = write_netcdf(tmp_path / "w.nc", weather(), **changes)
    with pytest.raises(InvalidParamsError, match=rf"^RGI60-11\.00897: w\.nc.*{message}"):
        process_daily_climate(gdir, source="custom", path=path, **given)


def test_a_unit_in_the_file_that_is_not_known_can_be_said_by_the_user(gdir, tmp_path):
    path = write_netcdf(tmp_path / "w.nc", weather(), prcp="mm")
    process_daily_climate(gdir, source="custom", path=path, prcp_units="mm/day")
    assert read_daily_climate(gdir).prcp.max() < 1


def test_a_grid_is_not_taken_for_a_series(gdir, tmp_path):
    with netCDF4.Dataset(tmp_path / "grid.nc", "w") as nc:
        nc.createDimension("time", 365), nc.createDimension("x", 2)
        time_var = nc.createVariable("time", "i4", ("time",))
        time_var.units, time_var[:] = "days since 2003-01-01", np.arange(365)
        for name in ("temp", "prcp"):
            nc.createVariable(name, "f4", ("time", "x"))[:] = 0
    with pytest.raises(InvalidParamsError, match=r"'temp' has shape \(365, 2\); expected one series"):
        process_daily_climate(gdir, source="custom", path=tmp_path / "grid.nc")


def test_a_file_that_is_neither_csv_nor_netcdf_is_refused(gdir, tmp_path):
    (tmp_path / "w.xlsx").write_bytes(b"PK")
    with pytest.raises(InvalidParamsError, match=r"w\.xlsx is neither of"):
        process_daily_climate(gdir, source="custom", path=tmp_path / "w.xlsx", **UNITS)
    (tmp_path / "w.nc").write_bytes(b"not a netcdf")
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: w\.nc cannot be read as NetCDF"):
        process_daily_climate(gdir, source="custom", path=tmp_path / "w.nc", **UNITS)
    (tmp_path / "w.csv").write_bytes(b"")
    with pytest.raises(InvalidParamsError, match=r"w\.csv: empty, expected a header and rows"):
        process_daily_climate(gdir, source="custom", path=tmp_path / "w.csv", **UNITS)


def test_a_writer_that_dies_leaves_the_old_file_and_nothing_else(gdir, tmp_path, monkeypatch):
    before = custom(gdir, tmp_path, weather())

    def full_disk(nc, series):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(daily_file, "_fill_variables", full_disk)
    with pytest.raises(InvalidWorkflowError, match="No space left"):
        custom(gdir, tmp_path, weather(seed=2))
    assert os.listdir(gdir.dir) == ["climate_historical_daily.nc"]
    assert read_daily_climate(gdir).digest() == before.digest()


# --- finding and reading what is in the directory --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("_daily", ""),
        ("_daily", "_daily"),
        ("_ssp126_daily", "_ssp126"),
        ("_daily_ssp126", "_ssp126"),
        ("_daily_ssp126", "_daily_ssp126"),
        ("_RGI60-11.00897_daily", "_RGI60-11.00897"),
    ],
)
def test_oggms_suffixes_find_the_daily_file(written, asked, gdir, tmp_path):
    process_daily_climate(gdir, source="custom", path=write_csv(tmp_path, weather()), filesuffix=written, **UNITS)
    assert daily_climate_path(gdir, input_filesuffix=asked) == gdir.get_filepath(
        "climate_historical", filesuffix=written
    )
    assert read_daily_climate(gdir, input_filesuffix=asked).years.size == 2


def test_a_daily_file_under_the_suffix_itself_is_found_behind_a_monthly_one(gdir, tmp_path):
    custom(gdir, tmp_path, weather(), also_monthly=True)
    paths = {s: gdir.get_filepath("climate_historical", filesuffix=s) for s in ("", "_daily", "_gcm", "_gcm_daily")}
    os.replace(paths["_daily"], paths["_gcm"])
    os.replace(paths[""], paths["_gcm_daily"])
    assert daily_climate_path(gdir, input_filesuffix="_gcm") == paths["_gcm"]


def test_a_monthly_file_is_said_to_be_monthly_and_no_file_lists_its_names(gdir):
    with pytest.raises(
        InvalidWorkflowError,
        match=r"RGI60-11.00897: no daily climate.*_ssp126_daily\.nc, climate_historical_daily_ssp126\.nc, "
        r"climate_historical_ssp126\.nc\. Run oggm_glaunti\.tasks\.process_daily_climate",
    ):
        read_daily_climate(gdir, input_filesuffix="_ssp126")
    months = pd.date_range("2003-01-01", "2004-12-01", freq="MS")
    gdir.write_monthly_climate_file(months, np.ones(24), np.zeros(24), 1.0, 10.0, 46.0, source="CRU")
    with pytest.raises(InvalidWorkflowError, match=r"climate_historical\.nc is monthly.*process_daily_climate"):
        read_daily_climate(gdir)


def edit_nothing(nc):
    del nc


def noon(nc):
    nc["time"].units = "days since 1801-01-01 12:00:00"


def days_from_the_year_one(nc):
    # CF's standard calendar is Julian before 1582: numpy's own arithmetic from here would be two days off.
    nc["time"].units = "days since 0001-01-01"
    nc["time"][:] = netCDF4.date2num(netCDF4.num2date(nc["time"][:], "days since 1801-01-01"), nc["time"].units)


def amounts_per_step(nc):
    nc["prcp"].units = "kg m-2"


@pytest.mark.parametrize("edit", [edit_nothing, noon, days_from_the_year_one, amounts_per_step])
def test_other_ways_to_write_the_same_days_are_read(edit, gdir, tmp_path):
    before = custom(gdir, tmp_path, weather())
    with netCDF4.Dataset(before.path, "a") as nc:
        edit(nc)
    assert read_daily_climate(gdir).digest() == before.digest()


def nan_temp(nc):
    nc["temp"][40] = np.nan


def masked_prcp(nc):
    nc["prcp"][40] = nc["prcp"].get_fill_value()


def no_height(nc):
    nc.delncattr("ref_hgt")


def no_units(nc):
    nc["temp"].delncattr("units")


def no_temp(nc):
    nc.renameVariable("temp", "temperature")


def noleap(nc):
    nc["time"].calendar = "noleap"


def shifted(nc):
    nc["time"].units = "days since 1801-01-02"


def wrong_units(nc):
    nc["prcp"].units = "inch"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (nan_temp, ": temp is NaN or infinite on 1 of 731 days: 2003-02-10"),
        (masked_prcp, ": prcp is NaN or infinite on 1 of 731 days: 2003-02-10"),
        (no_height, ": the file has no attribute 'ref_hgt'"),
        (no_units, ": the variable 'temp' has no attribute 'units'"),
        (no_temp, " has no variable 'temp'; found: time, prcp, temperature"),
        (noleap, ": calendar 'noleap' has no real dates"),
        (shifted, r" covers 2003-01-02\.\.2005-01-01; expected whole calendar years"),
        (wrong_units, ": prcp has units 'inch'"),
    ],
)
def test_each_fault_of_the_directorys_file_is_named(edit, message, gdir, tmp_path):
    climate = custom(gdir, tmp_path, weather())
    with netCDF4.Dataset(climate.path, "a") as nc:
        edit(nc)
    with pytest.raises(InvalidParamsError, match=rf"^RGI60-11\.00897: climate_historical_daily\.nc{message}"):
        read_daily_climate(gdir)


def test_a_leap_day_missing_from_the_directorys_file_is_named(gdir, tmp_path):
    climate = custom(gdir, tmp_path, weather("1981-01-01", "2020-12-31"))
    keep = climate.time != np.datetime64("2004-02-29")
    table = pd.DataFrame({"date": climate.time[keep], "temp": climate.temp[keep], "prcp": climate.prcp[keep]})
    path = write_netcdf(Path(climate.path), table)
    with netCDF4.Dataset(path, "a") as nc:
        nc.ref_pix_lon, nc.ref_pix_lat, nc.climate_source = 10.0, 46.0, "CUSTOM_daily"
    with pytest.raises(
        InvalidParamsError,
        match=r"^RGI60-11\.00897: climate_historical_daily\.nc has 14609 of 14610 days; missing: 2004-02-29\.",
    ):
        read_daily_climate(gdir)


@given(
    st.integers(-10000, 100000), st.sampled_from([("days", 1), ("hours", 24), ("minutes", 1440), ("seconds", 86400)])
)
def test_dates_are_decoded_as_cftime_decodes_them(start, unit):
    name, steps = unit
    numbers = (start + np.arange(3)) * steps
    units = f"{name} since 1850-03-01 00:00:00"
    expected = [d.isoformat() for d in netCDF4.num2date(numbers, units)]
    assert decode_time("g: f", numbers, units, "standard").astype(str).tolist() == expected


@given(st.lists(st.integers(0, 60), min_size=1, unique=True))
def test_days_spelled_out_can_be_counted_back(offsets):
    days = np.datetime64("2003-12-10") + np.sort(offsets)
    counted = 0
    for run in daily_series.spell(days, most=100).split(", "):
        first, _, rest = run.partition("..")
        last = rest.partition(" ")[0] or first
        counted += (np.datetime64(last) - np.datetime64(first)).astype(int) + 1
        assert {np.datetime64(first), np.datetime64(last)} <= set(days)
    assert counted == days.size


def test_a_long_list_of_gaps_is_cut_and_counted():
    days = np.datetime64("2003-01-01") + 2 * np.arange(9)
    assert daily_series.spell(days, most=2) == "2003-01-01, 2003-01-03 and 7 more days in 7 more places"


# --- GSWP3-W5E5 ------------------------------------------------------------------------------------------------------

# A glacier in the Alps, one in Iceland west of Greenwich, one on it (Pyrenees), as OGGM's points: longitude 0..360.
POINTS = {"alps": (10.75, 46.75), "iceland": (343.25, 64.75), "pyrenees": (359.75, 42.75), "andes": (289.25, -33.25)}


def write_flattened(folder: Path, dims: tuple[str, str] = ("time", "points")) -> str:
    """OGGM's three flattened files in small, with a value of its own at each point; the server's URL."""
    days = pd.date_range("1901-01-01", "1903-12-31", freq="D")
    lon, lat = np.array(list(POINTS.values())).T
    n_days, n_points = days.size, lon.size
    names = settings.PARAMS["glaunti_w5e5_daily_basenames"]
    fields = {
        "tmp": ("tas", "K", "f4", 268.15 + np.arange(n_points) + 0.001 * np.arange(n_days)[:, None]),
        "prcp": ("pr", "kg m-2 s-1", "f4", (1 + np.arange(n_points)) / 86400 * (np.arange(n_days) % 3)[:, None]),
        "inv": ("ASurf", "m", "f4", 1000.0 + 100 * np.arange(n_points)[None]),
    }
    for key, (name, units, dtype, values) in fields.items():
        path = folder / names[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        with netCDF4.Dataset(path, "w") as nc:
            nc.createDimension("time", len(values)), nc.createDimension("points", n_points)
            var = nc.createVariable("time", "i8", ("time",))
            var.units, var.calendar = "days since 1901-01-01 00:00:00", "proleptic_gregorian"
            var[:] = np.arange(len(values))
            for coordinate, where in (("longitude", lon), ("latitude", lat)):
                nc.createVariable(coordinate, "f8", ("points",))[:] = where
            var = nc.createVariable(name, dtype, dims)
            var.units = units
            var[:] = values if dims == ("time", "points") else values.T
    return f"file://{folder}/"


@pytest.fixture
def flattened(oggm_env: Path, tmp_path: Path) -> Path:
    cfg.PARAMS["glaunti_w5e5_daily_server"] = write_flattened(tmp_path / "server")
    return tmp_path / "server"


@pytest.mark.parametrize(
    ("place", "cenlon", "cenlat"),
    [("alps", 10.6, 46.8), ("iceland", -16.9, 64.6), ("pyrenees", 0.03, 42.65), ("andes", -70.6, -33.1)],
)
def test_w5e5_takes_the_nearest_point_west_of_greenwich_too(place, cenlon, cenlat, flattened, tmp_path):
    gdir = Gdir(tmp_path / "glacier", cenlon, cenlat)
    process_daily_climate(gdir, source="W5E5_daily")
    climate = read_daily_climate(gdir)
    index = list(POINTS).index(place)
    assert climate.years.tolist() == [1901, 1902, 1903]
    np.testing.assert_allclose(climate.temp, -5 + index + 0.001 * np.arange(1095), atol=1e-4)
    np.testing.assert_allclose(climate.prcp, (1 + index) * 1e-3 * (np.arange(1095) % 3), rtol=1e-6)
    assert climate.ref_hgt == 1000 + 100 * index
    lon, lat = POINTS[place]
    assert (climate.ref_pix_lon, climate.ref_pix_lat) == (lon - 360 if lon > 180 else lon, lat)
    assert climate.source == "GSWP3_W5E5_daily"


def test_w5e5_with_its_dimensions_the_other_way_round_is_the_same(flattened, tmp_path):
    gdir = Gdir(tmp_path / "glacier", *POINTS["alps"])
    process_daily_climate(gdir, source="W5E5_daily")
    before = read_daily_climate(gdir).digest()
    cfg.PARAMS["glaunti_w5e5_daily_server"] = write_flattened(tmp_path / "other", ("points", "time"))
    process_daily_climate(gdir, source="W5E5_daily")
    assert read_daily_climate(gdir).digest() == before


def test_w5e5_is_what_oggms_own_baseline_means_and_years_can_be_chosen(flattened, tmp_path):
    gdir = Gdir(tmp_path / "glacier", *POINTS["alps"])
    cfg.PARAMS["baseline_climate"] = "GSWP3_W5E5"
    process_daily_climate(gdir, y0=1902, y1=1902)
    climate = read_daily_climate(gdir)
    assert climate.years.tolist() == [1902]
    np.testing.assert_allclose(climate.temp, -5 + 0.001 * np.arange(365, 730), atol=1e-4)
    with pytest.raises(
        InvalidParamsError, match=r"gswp3-w5e5_obsclim_tas.*covers the years 1901-1903; asked for 1901-2020"
    ):
        process_daily_climate(gdir, y1=2020)


def test_w5e5_comes_through_oggms_download_cache(oggm_env, tmp_path, monkeypatch):
    write_flattened(tmp_path / "server")
    cfg.PATHS["dl_cache_dir"] = str(tmp_path / "cache")
    cfg.PARAMS["glaunti_w5e5_daily_server"] = f"file://localhost{tmp_path}/server/"
    cfg.PARAMS["has_internet"] = True
    gdir = Gdir(tmp_path / "glacier", *POINTS["alps"])
    process_daily_climate(gdir, source="W5E5_daily")
    before = read_daily_climate(gdir).digest()
    (tmp_path / "server").rename(tmp_path / "gone")
    process_daily_climate(gdir, source="W5E5_daily")
    assert read_daily_climate(gdir).digest() == before
    assert len(list((tmp_path / "cache" / "localhost").rglob("*.nc"))) == 3


@pytest.mark.parametrize("end", ["", "/", "//"])
def test_the_w5e5_server_may_be_written_with_and_without_a_slash_at_its_end(end, oggm_env, tmp_path):
    cfg.PARAMS["glaunti_w5e5_daily_server"] = write_flattened(tmp_path / "server").rstrip("/") + end
    gdir = Gdir(tmp_path / "glacier", *POINTS["alps"])
    process_daily_climate(gdir, source="W5E5_daily")
    assert read_daily_climate(gdir).ys == 1901


@pytest.mark.parametrize("internet", [True, False])
def test_without_the_server_the_error_names_url_cache_path_and_remedy(internet, oggm_env, tmp_path):
    cfg.PATHS["dl_cache_dir"] = str(tmp_path / "cache")
    # Port 9 of this computer: nobody answers.
    cfg.PARAMS["glaunti_w5e5_daily_server"] = "http://127.0.0.1:9/climate/"
    cfg.PARAMS["has_internet"] = internet
    name = settings.PARAMS["glaunti_w5e5_daily_basenames"]["tmp"]
    with pytest.raises(InvalidWorkflowError) as caught:
        process_daily_climate(Gdir(tmp_path / "glacier"), source="W5E5_daily")
    message = str(caught.value)
    assert message.startswith(f"RGI60-11.00897: cannot download http://127.0.0.1:9/climate/{name} (")
    assert f"{tmp_path}/cache/127.0.0.1/climate/{name}" in message
    assert "cfg.PARAMS['glaunti_w5e5_daily_server']" in message
    assert "source='custom'" in message


def test_the_cache_path_of_the_message_is_where_oggm_looks(oggm_env, tmp_path):
    cfg.PATHS["dl_cache_dir"] = str(tmp_path / "cache")
    cfg.PARAMS["glaunti_w5e5_daily_server"] = "http://127.0.0.1:9/climate/"
    gdir = Gdir(tmp_path / "glacier", *POINTS["alps"])
    write_flattened(tmp_path / "cache" / "127.0.0.1" / "climate")
    process_daily_climate(gdir, source="W5E5_daily")
    assert read_daily_climate(gdir).ys == 1901


def test_w5e5_far_from_any_point_and_arguments_of_a_custom_file_are_errors(flattened, tmp_path):
    with pytest.raises(InvalidParamsError, match=r"nearest of 4 points is \d+\.\d degrees from the glacier at 86\.900"):
        process_daily_climate(Gdir(tmp_path / "far", 86.9, 28.0), source="W5E5_daily")
    with pytest.raises(InvalidParamsError, match="climate_source not with source='W5E5_daily'"):
        process_daily_climate(Gdir(tmp_path / "named"), source="W5E5_daily", climate_source="ERA5-Land")
    with pytest.raises(InvalidParamsError, match="path, ref_hgt not with source='W5E5_daily'"):
        process_daily_climate(Gdir(tmp_path / "near"), source="W5E5_daily", path="a.csv", ref_hgt=1.0)


def test_w5e5_files_of_different_releases_are_not_mixed(flattened, tmp_path):
    with netCDF4.Dataset(flattened / settings.PARAMS["glaunti_w5e5_daily_basenames"]["inv"], "a") as nc:
        nc["longitude"][:] = nc["longitude"][:] + 0.25
    with pytest.raises(InvalidParamsError, match="the three files do not belong together"):
        process_daily_climate(Gdir(tmp_path / "glacier", *POINTS["alps"]), source="W5E5_daily")


def test_a_hole_in_the_w5e5_files_is_named(flattened, tmp_path):
    with netCDF4.Dataset(flattened / settings.PARAMS["glaunti_w5e5_daily_basenames"]["prcp"], "a") as nc:
        nc["pr"][100:103, 0] = np.nan
    with pytest.raises(InvalidParamsError, match=r"_pr_.*prcp is NaN.* on 3 of 1095 days: 1901-04-11\.\.1901-04-13"):
        process_daily_climate(Gdir(tmp_path / "glacier", *POINTS["alps"]), source="W5E5_daily")


# --- real weather ----------------------------------------------------------------------------------------------------


def test_grosser_aletsch_gets_camels_weather(shared, aletsch_gdir):
    path = shared / "data" / "camels_ch_glaciers" / "CAMELS_CH_obs_based_2161.csv"
    process_daily_climate(aletsch_gdir, source="custom", path=path, **CAMELS)
    climate = read_daily_climate(aletsch_gdir)
    assert (climate.ys, climate.ye, climate.time.size) == (1981, 2020, 14610)
    # Mean temperature and yearly precipitation of catchment 2161.
    assert float(climate.temp.mean()) == pytest.approx(-3.11, abs=0.005)
    assert float(climate.prcp.sum() / 40) == pytest.approx(2.054, abs=0.002)
    assert climate.ref_hgt == 2929.36
    assert aletsch_gdir.get_task_status("process_daily_climate") == "SUCCESS"


def test_oggms_own_w5e5_months_of_grosser_aletsch_are_not_overwritten(shared, aletsch_gdir):
    path = shared / "data" / "camels_ch_glaciers" / "CAMELS_CH_obs_based_2161.csv"
    with pytest.raises(
        InvalidWorkflowError, match=r"RGI60-11\.01450: climate_historical\.nc is there already, from 'GSWP3_"
    ):
        process_daily_climate(aletsch_gdir, source="custom", path=path, also_monthly=True, **CAMELS)
    process_daily_climate(
        aletsch_gdir,
        source="custom",
        path=path,
        also_monthly=True,
        overwrite_monthly=True,
        filesuffix="_daily",
        **CAMELS,
    )
    from oggm.core.massbalance import MonthlyTIModel

    model = MonthlyTIModel(aletsch_gdir, melt_f=5, temp_bias=0, prcp_fac=1, check_calib_params=False)
    assert (model.ys, model.ye, model.climate_source) == (1981, 2020, "CUSTOM_daily")
    assert np.isfinite(model.get_annual_mb(np.array([2500.0, 3500.0]), year=2000)).all()


def test_the_gaps_of_the_rofental_station_are_named(shared, gdir):
    path = shared / "data" / "rofental_openamundsen" / "daily_station_means.csv"
    station = {"temp_name": "temp_latschbloder", "prcp_name": "prcp_latschbloder", **UNITS, "ref_hgt": 2919.0}
    with pytest.raises(InvalidParamsError) as caught:
        process_daily_climate(gdir, source="custom", path=path, **station)
    message = str(caught.value)
    assert message.startswith(
        "RGI60-11.00897: daily_station_means.csv: temp is NaN or infinite on 1491 of 3652 days: "
        "2014-01-01..2017-09-22 (1361 days), 2018-01-21..2018-01-28 (8 days), 2023-09-01..2023-12-31 (122 days); "
        "prcp is NaN or infinite on "
    )
    assert "2017-09-18..2017-09-29 (12 days)" in message
    assert os.listdir(gdir.dir) == []


def test_the_forcing_of_hintereisferner_leaves_the_years_2014_to_2022(shared, hef_gdir, tmp_path, caplog):
    with np.load(shared / "reference" / "hef_real.npz") as reference:
        dates, temp, prcp, height = (
            reference[f"{k}"] for k in ("forcing_dates", "forcing_temp", "forcing_prcp_m", "ref_hgt")
        )
    path = write_csv(tmp_path, pd.DataFrame({"time": dates, "temp": temp, "prcp": prcp}))
    with caplog.at_level(logging.WARNING):
        process_daily_climate(
            hef_gdir, source="custom", path=path, temp_units="degC", prcp_units="m/day", ref_hgt=float(height)
        )
    climate = read_daily_climate(hef_gdir)
    assert climate.years.tolist() == list(range(2014, 2023))
    assert "2013-10-01..2013-12-31 (92 days), 2023-01-01..2023-09-30 (273 days)" in caplog.text
    inside = (dates >= "2014-01-01") & (dates <= "2022-12-31")
    np.testing.assert_allclose(climate.temp, temp[inside], atol=1e-6)
    np.testing.assert_allclose(climate.prcp, prcp[inside], rtol=2e-7)


def test_monthly_statistics_conserve_precipitation():
    days = np.arange("2004-01-01", "2006-01-01", dtype="M8[D]")
    rng = np.random.default_rng(3)
    temp, prcp = rng.normal(0, 9, days.size).astype("f4"), rng.gamma(0.3, 9, days.size).astype("f4")
    series = daily_series.DailySeries(days, temp, prcp, 0.0, 0.0, 0.0, "", "")
    first, mean, std, total = monthly_statistics(series)
    assert first.astype("M8[D]").astype(str).tolist()[:3] == ["2004-01-01", "2004-02-01", "2004-03-01"]
    assert total.sum() == pytest.approx(float(prcp.sum(dtype="f8")), rel=1e-12)
    assert (mean[1], std[1]) == pytest.approx((temp[31:60].mean(dtype="f8"), temp[31:60].std(dtype="f8")), rel=1e-12)
