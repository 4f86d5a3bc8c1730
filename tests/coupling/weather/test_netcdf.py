"""NetCDF files of weather that are damaged, cut off or say odd things: an error names file and variable."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.oggm.netcdf_classic import require_whole
from oggm_glaunti.coupling.weather import netcdf
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.coupling.weather.task import process_daily_climate
from oggm_glaunti.coupling.weather.times import decode_time

from .sources.test_era5_land import daily
from .test_task import Gdir, weather, write_netcdf

CLASSIC = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


@pytest.fixture
def gdir(oggm_env, tmp_path) -> Gdir:
    return Gdir(tmp_path / "glacier")


def custom(gdir, path):
    process_daily_climate(gdir, source="custom", path=path)


# --- files that are cut off -------------------------------------------------------------------------------------------

# Types of the variables; the space taken by a record depends on how many there are, and on their padding.
LAYOUTS = [("f4",), ("i2",), ("i1", "f8"), ("i2", "i2", "f4"), ("f8", "S1")]


def write_classic(path: Path, form: str, unlimited: bool, kinds: tuple[str, ...]) -> None:
    with netCDF4.Dataset(path, "w", format=form) as nc:
        nc.createDimension("time", None if unlimited else 7), nc.createDimension("x", 3)
        nc.title = "made for tests"
        nc.createVariable("scalar", "f4", ())[:] = 3
        for number, kind in enumerate(kinds):
            var = nc.createVariable(f"v{number}", kind, ("time", "x"))
            var.units, var.weights = "degC", np.arange(3.0)
            var[:7] = np.full((7, 3), b"a") if kind == "S1" else np.ones((7, 3), kind)


@pytest.mark.parametrize("form", CLASSIC)
@pytest.mark.parametrize("unlimited", [True, False])
def test_a_classic_file_is_whole_until_a_value_is_cut_off(form, unlimited, tmp_path):
    path = tmp_path / "a.nc"
    for kinds in LAYOUTS:
        write_classic(path, form, unlimited, kinds)
        require_whole(path)
        content = path.read_bytes()
        path.write_bytes(content[:-4])  # the last value, and at most three bytes of padding
        with pytest.raises(OSError, match=f"it is cut off: {len(content) - 4} bytes, "):
            require_whole(path)


@given(st.integers(0, 200), st.integers(0, 255))
def test_whatever_is_in_a_header_the_answer_is_an_oserror_or_none(where, byte):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.nc"
        write_classic(path, "NETCDF3_CLASSIC", True, ("f4", "i2"))
        content = bytearray(path.read_bytes())
        content[where] = byte
        path.write_bytes(content)
        with suppress(OSError):
            require_whole(path)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_classic_weather_that_is_cut_off_is_refused_not_read_as_zeros(form, gdir, tmp_path):
    whole = write_netcdf(tmp_path / "whole.nc", weather())
    path = tmp_path / "weather.nc"
    with xr.open_dataset(whole, decode_times=False) as ds:
        ds.to_netcdf(path, format=form)
    custom(gdir, path)
    before = read_daily_climate(gdir).digest()
    content = path.read_bytes()
    path.write_bytes(content[:-2500])
    said = rf"RGI60-11.00897: weather.nc cannot be read as NetCDF \(it is cut off: {len(content) - 2500} bytes, \d+ are"
    with pytest.raises(InvalidParamsError, match=said):
        custom(gdir, path)
    with pytest.raises(InvalidParamsError, match=said):
        process_daily_climate(gdir, source="era5_land", path=path)
    assert read_daily_climate(gdir).digest() == before


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("unclear_daily_nc3_191.nc", "custom", "cut off: 2750 bytes, 11972 are needed"),
        ("unclear_daily_nc3_91.nc", "custom", "'utf-8' codec can't decode byte"),
        ("unclear_era5_nc4_229.nc", "era5_land", "time goes from -1.09951e\\+12 to 1.09951e\\+12 days since 2004"),
    ],
)
def test_damaged_files_that_were_not_understood_are_named(name, source, said, gdir, shared):
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00897: {name}.*{said}"):
        process_daily_climate(gdir, source=source, path=shared / "cases" / "mutated" / name)


# --- values and attributes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["custom", "era5_land"])
def test_values_that_are_damaged_are_named_with_their_variable(source, gdir, tmp_path):
    path, own = tmp_path / "weather.nc", {"custom": "temp", "era5_land": "temperature_2m"}[source]
    if source == "custom":
        with xr.open_dataset(write_netcdf(tmp_path / "whole.nc", weather()), decode_times=False) as whole:
            ds = whole.load()
    else:
        ds = daily()
    ds.to_netcdf(path, encoding={own: {"fletcher32": True, "chunksizes": ds[own].shape}})
    content = path.read_bytes()
    at = content.find(np.ascontiguousarray(ds[own].values).tobytes())
    assert at > 0
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    with pytest.raises(InvalidParamsError, match=f"weather.nc: '{own}' cannot be read as NetCDF .*HDF error"):
        process_daily_climate(gdir, source=source, path=path)


def change_variable(nc: netCDF4.Dataset, name: str, **attributes: object) -> None:
    nc.variables[name].setncatts(attributes)


ODD = {
    "scale_factor": (lambda nc: change_variable(nc, "temp", scale_factor="ten"), "'temp' cannot be read"),
    "units": (lambda nc: change_variable(nc, "prcp", units=3), "prcp has units '3'"),
    "calendar": (lambda nc: change_variable(nc, "time", calendar=4), "calendar '4' has no real dates"),
    "time units": (lambda nc: change_variable(nc, "time", units="days since yesterday"), "time cannot be decoded"),
    "time offset": (lambda nc: change_variable(nc, "time", units="days since 1970-01-01 0:0 +05:00"), "UTC offset"),
    "far times": (lambda nc: nc.variables["time"].__setitem__(3, 1e300), "time goes from 12053 to 1e\\+300 days since"),
    "ref_hgt": (lambda nc: nc.setncattr("ref_hgt", "high"), "attribute 'ref_hgt' is 'high'; expected a number"),
    "NaN": (lambda nc: nc.setncattr("ref_pix_lat", np.nan), "attribute 'ref_pix_lat' is .*; expected a number"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_attributes_are_named(case, gdir, tmp_path):
    edit, said = ODD[case]
    path = write_netcdf(tmp_path / "weather.nc", weather())
    with netCDF4.Dataset(path, "a") as nc:
        nc.set_auto_maskandscale(False)
        edit(nc)
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00897: weather.nc: .*{said}"):
        custom(gdir, path)


def test_a_variable_of_text_is_no_series(gdir, tmp_path):
    path = write_netcdf(tmp_path / "weather.nc", weather(), names=("temp",))
    with netCDF4.Dataset(path, "a") as nc:
        nc.createVariable("prcp", str, ("time",))[0] = "much"
    with pytest.raises(InvalidParamsError, match=r"weather.nc: 'prcp' holds .*; expected numbers"):
        custom(gdir, path)


def test_the_directorys_own_file_is_checked_in_the_same_way(gdir, tmp_path):
    custom(gdir, write_netcdf(tmp_path / "weather.nc", weather()))
    path = Path(gdir.get_filepath("climate_historical", filesuffix="_daily"))
    with netCDF4.Dataset(path, "a") as nc:
        nc.ref_hgt = "high"
    with pytest.raises(InvalidParamsError, match=r"climate_historical_daily.nc: attribute 'ref_hgt' is 'high'"):
        read_daily_climate(gdir)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(InvalidParamsError, match=r"climate_historical_daily.nc cannot be read as NetCDF"):
        read_daily_climate(gdir)


def test_months_with_a_utc_offset_are_refused(aletsch_gdir):
    path = aletsch_gdir.get_filepath("climate_historical")
    with netCDF4.Dataset(path, "a") as nc:
        nc.variables["time"].units += " +05:00"
    with pytest.raises(InvalidParamsError, match=r"climate_historical.nc: time units .*UTC offset"):
        process_daily_climate(aletsch_gdir, source="monthly")


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "units",
    [
        "days since 2004-01-01 00:00:00 +05:00",
        "days since 2004-01-01 00:00:00+05:00",
        "days since 2004-01-01T00:00:00-0330",
        "days since 2004-01-01 00:00:0.0 -6",
        "hours since 2004-01-01 +1",
    ],
)
def test_utc_offsets_would_move_days_and_are_refused(units):
    with pytest.raises(InvalidParamsError, match=r"g: f: time units '.*' have a UTC offset"):
        decode_time("g: f", [0, 24], units, "standard")


@pytest.mark.parametrize(
    "units",
    [
        "days since 2004-01-01",
        "days since 2004-1-1",
        "days since 2004-01-01 00:00",
        "days since 2004-01-01 00:00:00.0",
        "days since 2004-01-01T00:00:00Z",
        "days since 2004-01-01 00:00:00 UTC",
        "days since 2004-01-01 00:00:00 +00:00",
        "days since 2004-01-01 00:00:00 -0",
    ],
)
def test_times_without_an_offset_are_those_of_the_file(units):
    assert decode_time("g: f", [0, 1], units, "standard").astype(str).tolist() == [
        "2004-01-01T00:00:00",
        "2004-01-02T00:00:00",
    ]


def test_a_time_axis_named_as_in_the_copernicus_store_is_read(gdir, tmp_path):
    path = write_netcdf(tmp_path / "weather.nc", weather())
    custom(gdir, path)
    before = read_daily_climate(gdir).digest()
    shutil.copy(path, tmp_path / "renamed.nc")
    with netCDF4.Dataset(tmp_path / "renamed.nc", "a") as nc:
        nc.renameVariable("time", "valid_time")
    custom(gdir, tmp_path / "renamed.nc")
    assert read_daily_climate(gdir).digest() == before


@given(st.floats(-180, 540), st.floats(0.05, 2), st.integers(2, 40))
def test_longitudes_are_unwrapped_wherever_they_jump(west, step, n):
    lon = west + step * np.arange(n)
    for turned in (lon % 360, (lon + 180) % 360 - 180):
        np.testing.assert_allclose(np.diff(netcdf.unwrapped(turned)), step, atol=1e-9)
