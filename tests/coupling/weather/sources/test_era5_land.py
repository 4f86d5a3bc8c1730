"""ERA5-Land as users download it: hours that accumulate, days, cells, heights, and what each fault says."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.gridded.corrections import resolve_mode
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.coupling.weather.task import process_daily_climate
from tests.coupling.weather.test_task import Gdir

GRAVITY = 9.80665
LAT, LON = np.array([46.9, 46.8, 46.7]), np.array([10.6, 10.7, 10.8])  # the glacier is at 46.80, 10.76
NEAREST = {"latitude": 1, "longitude": 2}
RNG = np.random.default_rng(5)
DAYS = np.arange("2004-01-01", "2005-01-01", dtype="M8[D]")
TEMP = RNG.normal(268, 6, DAYS.size)
PRCP = RNG.gamma(0.5, 0.01, DAYS.size)


@pytest.fixture
def gdir(tmp_path, oggm_env):
    return Gdir(tmp_path / "gdir")


def on_cells(series, time, name, units, time_name="time"):
    """A variable that is right at the nearest cell and absurd elsewhere."""
    values = np.full((len(time), 3, 3), 1e6)
    values[:, 1, 2] = series
    dims = (time_name, "latitude", "longitude")
    coords = {time_name: np.asarray(time).astype("M8[ns]"), "latitude": LAT, "longitude": LON}
    return xr.DataArray(values, dims=dims, coords=coords, name=name, attrs={"units": units})


def height(units="m**2 s**-2", name="z"):
    values = np.full((3, 3), -1.0)
    values[1, 2] = 2900 * (GRAVITY if "s" in units else 1)
    coords = {"latitude": LAT, "longitude": LON}
    return xr.DataArray(values, dims=("latitude", "longitude"), coords=coords, name=name, attrs={"units": units})


def daily(**changes):
    """A file of daily means and sums, as Earth Engine exports them, with the height in it."""
    parts = {
        "temp": on_cells(TEMP, DAYS, "temperature_2m", "K"),
        "prcp": on_cells(PRCP, DAYS, "total_precipitation_sum", "m"),
        "hgt": height(),
    }
    return xr.merge([part for part in (parts | changes).values() if part is not None])


def hourly(name="tp", time_name="valid_time"):
    """Hours of the same days: temperature swings around its mean, precipitation adds up from 00 UTC."""
    hours = np.arange("2004-01-01T00", "2005-01-01T01", dtype="M8[h]")
    swing = 3 * np.cos(2 * np.pi * np.arange(24) / 24)
    temp = np.append((TEMP[:, None] + swing).ravel(), 270.0)
    amounts = PRCP[:, None] * np.linspace(0, 2, 24) / 24
    amounts *= (PRCP / amounts.sum(axis=1))[:, None]
    fallen = np.cumsum(amounts, axis=1) if name == "tp" else amounts
    prcp = np.append(0.004, fallen.ravel())  # the first value, of 00 UTC, is the sum of the last day of 2003
    parts = [on_cells(temp, hours, "t2m", "K", time_name), on_cells(prcp, hours, name, "m", time_name), height()]
    return xr.merge(parts)


def save(dataset, path):
    dataset.to_netcdf(path)
    return path


def require_truth(gdir, filesuffix=""):
    climate = read_daily_climate(gdir, input_filesuffix=filesuffix)
    np.testing.assert_array_equal(climate.time, DAYS)
    np.testing.assert_allclose(climate.temp, TEMP - 273.15, atol=1e-4)
    np.testing.assert_allclose(climate.prcp, PRCP, rtol=1e-5, atol=1e-9)
    assert climate.ref_hgt == pytest.approx(2900, abs=0.01)
    return climate


def test_daily_files_of_the_nearest_cell_with_geopotential(gdir, tmp_path):
    process_daily_climate(gdir, source="era5_land", path=save(daily(), tmp_path / "e.nc"))
    climate = require_truth(gdir)
    assert (climate.ref_pix_lon, climate.ref_pix_lat) == pytest.approx((10.8, 46.8))
    assert climate.source == "ERA5-Land_daily"
    assert resolve_mode("auto", "C", climate.source) == "yearly"


@pytest.mark.parametrize("name", ["tp", "total_precipitation_hourly"])
def test_the_sum_at_midnight_belongs_to_the_day_before(gdir, tmp_path, name):
    process_daily_climate(gdir, source="era5_land", path=save(hourly(name), tmp_path / "e.nc"))
    require_truth(gdir)


def test_a_zarr_store_is_read_like_a_file(gdir, tmp_path):
    pytest.importorskip("zarr")
    daily().to_zarr(tmp_path / "e.zarr", zarr_format=2, consolidated=True)
    process_daily_climate(gdir, source="era5_land", path=tmp_path / "e.zarr")
    require_truth(gdir)


def test_variables_and_years_in_files_of_their_own_in_any_order(gdir, tmp_path):
    whole, half = daily(hgt=None), 180
    parts = [whole[["temperature_2m"]], whole[["total_precipitation_sum"]].isel(time=slice(half, None))]
    parts.append(whole[["total_precipitation_sum"]].isel(time=slice(0, half)))
    paths = [save(part, tmp_path / f"{number}.nc") for number, part in enumerate(parts)]
    orography = save(height("m", "elevation").to_dataset(), tmp_path / "hgt.nc")
    process_daily_climate(gdir, source="era5_land", path=paths, orography=orography)
    require_truth(gdir)
    process_daily_climate(gdir, source="era5_land", path=paths, ref_hgt=2900.0, filesuffix="_given_daily")
    require_truth(gdir, "_given")


def test_longitudes_of_0_to_360_and_latitudes_in_any_order(gdir, tmp_path):
    gdir.cenlon = -120.0 + 0.01
    file = daily().assign_coords(longitude=[239.8, 239.9, 240.0]).isel(latitude=slice(None, None, -1))
    process_daily_climate(gdir, source="era5_land", path=save(file, tmp_path / "e.nc"))
    assert require_truth(gdir).ref_pix_lon == pytest.approx(-120)


def test_final_and_preliminary_data_side_by_side_are_one_series(gdir, tmp_path):
    file = daily()
    late = xr.DataArray(file["time"] > np.datetime64("2004-10-01"), dims="time")
    both = [file[["temperature_2m", "total_precipitation_sum"]].where(mask) for mask in (~late, late)]
    joined = xr.concat(both, xr.DataArray([1, 5], dims="expver", name="expver")).assign(z=file["z"])
    process_daily_climate(gdir, source="era5_land", path=save(joined, tmp_path / "e.nc"))
    require_truth(gdir)


def test_traces_below_zero_are_rounding(gdir, tmp_path):
    prcp = PRCP.copy()
    prcp[5] = -1e-7
    file = daily(prcp=on_cells(prcp, DAYS, "total_precipitation_sum", "m"))
    process_daily_climate(gdir, source="era5_land", path=save(file, tmp_path / "e.nc"))
    assert read_daily_climate(gdir).prcp[5] == 0


def without_last_midnight():
    return hourly().isel(valid_time=slice(0, -1))


def with_gap():
    return hourly().isel(valid_time=np.delete(np.arange(8785), 3000))


FAULTS = [
    (lambda: daily(prcp=None), {}, "no variable tp or total_precipitation or"),
    (lambda: daily(hgt=None), {}, r"no height of the cell .*orography=.* or ref_hgt= \(m\)"),
    (lambda: daily(hgt=height("Pa")), {}, "'z' has units 'Pa'; expected 'm' or, for geopotential, 'm2 s-2'"),
    (daily, {"ref_hgt": 2500.0}, "the file has 2900 m, ref_hgt says 2500 m"),
    (lambda: daily(temp=on_cells(TEMP, DAYS, "t2m", "degF")), {}, "temp has units 'degF'; expected degC or K"),
    (daily, {"temp_units": "degC"}, "the file says 'K', temp_units says 'degC'"),
    (daily, {"temp_name": "t2m"}, "no variable t2m; give temp_name="),
    (daily, {"time_name": "t"}, "time_name not with source='era5_land'"),
    (lambda: daily(prcp=on_cells(PRCP, DAYS, "tp", "m")), {}, "daily 'tp' at 00 UTC may be the sum of the day before"),
    (without_last_midnight, {}, "2004-01-01..2004-12-30 holds no whole calendar year"),
    (with_gap, {}, r"'t2m' has not all 24 hours on 1 days: 2004-05-05"),
    (lambda: daily().isel(time=np.delete(np.arange(366), 59)), {}, "has 365 of 366 days; missing: 2004-02-29"),
    (lambda: daily().assign_coords(latitude=LAT + 5), {}, "nearest cell is at latitude 51.7, the glacier at 46.800"),
    (lambda: daily().drop_vars("latitude"), {}, "no coordinate lat or latitude"),
    (lambda: daily(temp=on_cells(TEMP * np.nan, DAYS, "t2m", "K")), {}, "temp is NaN or infinite on 366 of 366 days"),
]


@pytest.mark.parametrize(("make", "arguments", "message"), FAULTS)
def test_faults_are_named(gdir, tmp_path, make, arguments, message):
    path = save(make(), tmp_path / "e.nc")
    with pytest.raises(InvalidParamsError, match=rf"{gdir.rgi_id}: .*{message}"):
        process_daily_climate(gdir, source="era5_land", path=path, **arguments)


def test_hours_that_do_not_add_up_are_not_taken_for_accumulations(gdir, tmp_path):
    file = hourly("total_precipitation_hourly").rename(total_precipitation_hourly="tp")
    file["tp"][100:104] = [[[0.001]], [[0.004]], [[0.002]], [[0.001]]]
    with pytest.raises(InvalidParamsError, match=r"'tp' falls within .*rename it to 'total_precipitation_hourly'"):
        process_daily_climate(gdir, source="era5_land", path=save(file, tmp_path / "e.nc"))


def test_files_that_are_missing_or_of_different_grids_are_named(gdir, tmp_path):
    with pytest.raises(InvalidParamsError, match="needs path="):
        process_daily_climate(gdir, source="era5_land")
    with pytest.raises(InvalidParamsError, match=r"no such ERA5-Land file: .*none.nc"):
        process_daily_climate(gdir, source="era5_land", path=tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("not a NetCDF")
    with pytest.raises(InvalidParamsError, match=r"text.nc cannot be read as NetCDF"):
        process_daily_climate(gdir, source="era5_land", path=tmp_path / "text.nc")
    one = save(daily()[["temperature_2m"]], tmp_path / "one.nc")
    other = daily()[["total_precipitation_sum", "z"]].assign_coords(latitude=LAT + 0.05)
    with pytest.raises(InvalidParamsError, match="files of different grids"):
        process_daily_climate(gdir, source="era5_land", path=[one, save(other, tmp_path / "other.nc")])
    shifted = save(height().to_dataset().assign_coords(latitude=LAT + 0.05), tmp_path / "z.nc")
    whole = save(daily(hgt=None), tmp_path / "whole.nc")
    with pytest.raises(InvalidParamsError, match=r"z.nc has its nearest cell at .*not one grid"):
        process_daily_climate(gdir, source="era5_land", path=whole, orography=shifted)
    with pytest.raises(InvalidParamsError, match="366 times more than once, first 2004-01-01"):
        process_daily_climate(gdir, source="era5_land", path=[whole, whole], ref_hgt=2900.0)
