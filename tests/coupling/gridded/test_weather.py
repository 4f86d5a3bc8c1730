"""Gridded weather: what a file must be, and that every kind of weather gives the balance it should."""

from __future__ import annotations

import os
import tracemalloc
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm.exceptions import InvalidParamsError

from tests.coupling.maps import run_smb

# Three calendar years in which Latschbloder has temperature on all days; 2020 is a leap year.
YS, YE = 2020, 2022
STATIONS = {"latschbloder": 2919.0, "bellavista": 2805.0, "proviantdepot": 2659.0}


class Series(NamedTuple):
    """Daily weather in degC and kg m-2 day-1 at a height."""

    temp: np.ndarray
    prcp: np.ndarray
    ref_hgt: float


@pytest.fixture
def hef(hef_gdir):
    from oggm_glaunti.tasks import glaunti_features

    glaunti_features(hef_gdir)
    path = hef_gdir.get_filepath("climate_historical", filesuffix="_daily")
    with xr.open_dataset(path) as ds:
        part = ds.sel(time=slice(str(YS), str(YE))).load()
    part.to_netcdf(path)
    return hef_gdir


@pytest.fixture
def climate(hef):
    from oggm_glaunti.coupling.weather.file import read_daily_climate

    return read_daily_climate(hef)


@pytest.fixture
def own(climate):
    """The directory's series."""
    return Series(climate.temp, 1000.0 * climate.prcp, climate.ref_hgt)


@pytest.fixture
def features(hef):
    """The directory's grid."""
    from oggm_glaunti.coupling.ground.features import read_features

    return read_features(hef)


@pytest.fixture
def stations(shared, own, climate):
    """The directory's series and those of the Rofental's three stations."""
    table = pd.read_csv(shared / "data" / "rofental_openamundsen" / "daily_station_means.csv", index_col=0)
    table = table.loc[f"{YS}-01-01" : f"{YE}-12-31"]
    assert np.array_equal(pd.to_datetime(table.index).to_numpy().astype("M8[D]"), climate.time)
    whole = table["temp_latschbloder"], table["prcp_latschbloder"].fillna(pd.Series(own.prcp, table.index))
    measured = []
    for name, height in STATIONS.items():
        temp, prcp = table[f"temp_{name}"], table[f"prcp_{name}"].fillna(whole[1])
        temp = temp.fillna(whole[0] + (temp - whole[0]).mean())
        measured.append(Series(temp.to_numpy(), prcp.to_numpy(), height))
    return [own, *measured]


def dataset(time, y, x, series, names=("temp", "prcp", "hgt"), dims=("lat", "lon")) -> xr.Dataset:
    """Cells with the series of a nested list (rows of columns), as in OGGM's gridded climate."""
    temp, prcp, hgt = names
    temps, prcps = (
        np.moveaxis(np.array([[getattr(one, what) for one in row] for row in series], np.float32), -1, 0)
        for what in ("temp", "prcp")
    )
    ds = xr.Dataset(coords={"time": time, dims[0]: y, dims[1]: x})
    ds[temp] = ("time", *dims), temps, {"units": "degC"}
    ds[prcp] = ("time", *dims), prcps, {"units": "kg m-2 day-1"}
    ds[hgt] = dims, np.array([[one.ref_hgt for one in row] for row in series]), {"units": "m"}
    return ds


@pytest.fixture
def quarters(climate, features):
    """Where four coarse cells lie whose borders meet on the glacier: lat, lon, and the file of four series."""
    from pyproj import Transformer

    inside = np.argwhere(features.glacier)
    row, col = np.median(inside, axis=0).astype(int)
    to_degrees = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(features.x[col], features.y[row])
    lats, lons = np.array([lat + 0.05, lat - 0.05]), np.array([lon - 0.08, lon + 0.08])

    def make(series):
        return dataset(climate.time, lats, lons, [series[:2], series[2:]])

    return make


def fields_of(series, climate, features, dims=("y", "x")) -> xr.Dataset:
    """A series on the glacier's own cells, each at its own height."""
    shape = features.shape
    hgt = np.full(shape, series.ref_hgt)
    ds = xr.Dataset(coords={"time": climate.time, dims[0]: features.y, dims[1]: features.x})
    for name, values, units in (("temp", series.temp, "degC"), ("prcp", series.prcp, "kg m-2 day-1")):
        ds[name] = ("time", *dims), np.broadcast_to(values[:, None, None], (values.size, *shape)), {"units": units}
        ds[name].attrs["grid_mapping"] = "crs"
    ds["hgt"] = dims, hgt, {"units": "m"}
    ds["crs"] = (), 0, {"crs_wkt": features.crs.to_wkt()}
    return ds


def saved(ds, tmp_path, name="weather.nc"):
    ds.to_netcdf(tmp_path / name)
    return tmp_path / name


def smb(gdir, **kwargs):
    """Glacier means, maps, attributes."""
    means = run_smb(gdir, **kwargs)["smb"]
    with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
        return means, ds["smb"].values, ds.attrs


def opened(path, features):
    from oggm_glaunti.coupling.gridded.weather import open_weather

    return open_weather(path, features, "RGI60-11.00897")


# --- results ---


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"exact": True}, {"years": "mass_balance", "temp_bias": 0.7, "prcp_fac": 1.2}])
def test_coarse_cells_that_all_hold_the_series_give_the_run_with_the_series(options, hef, own, quarters, tmp_path):
    path = saved(quarters([own] * 4), tmp_path)
    expected, expected_map, _ = smb(hef, **options)
    means, maps, attributes = smb(hef, weather=path, **options)
    np.testing.assert_allclose(means, expected, atol=1e-6)
    np.testing.assert_allclose(maps, expected_map, atol=1e-6)
    assert attributes["weather"] == "weather.nc"


@pytest.mark.slow
def test_each_coarse_cell_has_the_balance_of_its_own_station(hef, stations, quarters, features, tmp_path):
    from oggm_glaunti.coupling.weather.file import write_daily_climate
    from oggm_glaunti.coupling.weather.series import DailySeries

    path = saved(quarters(stations), tmp_path)
    cells = opened(path, features).cells
    _, together, _ = smb(hef, weather=path, exact=True)
    days = np.arange(f"{YS}-01-01", f"{YE + 1}-01-01", dtype="M8[D]")
    for cell, one in enumerate(stations):
        temp, prcp = (np.asarray(values, np.float32) for values in (one.temp, one.prcp))
        write_daily_climate(hef, DailySeries(days, temp, prcp, one.ref_hgt, 10.8, 46.8, "CUSTOM_daily", "station"))
        _, alone, _ = smb(hef, exact=True)
        here = cells == cell
        assert (here & features.glacier).any()
        np.testing.assert_allclose(together[:, here], alone[:, here], atol=1e-6)
    assert np.abs(together[:, cells == 0].mean() - together[:, cells == 3].mean()) > 0.01


@pytest.mark.slow
def test_fields_on_the_glaciers_own_cells_give_the_exact_run_with_the_series(hef, own, climate, features, tmp_path):
    path = saved(fields_of(own, climate, features), tmp_path)
    for options in ({"exact": True}, {"years": "mass_balance", "temp_bias": -0.3}):
        expected, expected_map, _ = smb(hef, **options)
        means, maps, attributes = smb(hef, weather=path, **options)
        np.testing.assert_allclose(means, expected, atol=2e-6)
        np.testing.assert_allclose(maps, expected_map, atol=2e-5)
        assert attributes["exact"] == ("exact" in options)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "parameter"), [("series", -0.006), ("series", 0.0), ("coarse", 0.0), ("fields", 0.0)])
def test_a_fitted_lapse_rate_is_that_of_the_run_under_any_weather(
    kind, parameter, hef, own, stations, quarters, climate, features, tmp_path
):
    from oggm import cfg

    from oggm_glaunti.coupling.model.params import write_params

    options = {"ys": YS, "ye": YS}
    if kind != "series":
        made = quarters(stations) if kind == "coarse" else fields_of(own, climate, features)
        options["weather"] = saved(made, tmp_path)
    cfg.PARAMS["glaunti_temp_gradient"] = -0.008
    expected = [smb(hef, exact=exact, **options)[1] for exact in (False, True)]
    write_params(hef, {"model": "A", "fitted_temp_gradient": -0.008})
    cfg.PARAMS["glaunti_temp_gradient"] = parameter
    for exact, maps in zip((False, True), expected, strict=True):
        _, found, attributes = smb(hef, exact=exact, **options)
        np.testing.assert_allclose(found, maps, atol=2e-5)
        assert attributes["temp_gradient"] == -0.008
    write_params(hef, {"model": "A"})
    assert np.nanmax(np.abs(smb(hef, **options)[1] - expected[0])) > 0.05


@pytest.mark.slow
@pytest.mark.parametrize("exact", [False, True])
def test_model_c_is_the_same_under_all_three_kinds_of_weather(
    exact, hef, own, quarters, climate, features, weights_dir, tmp_path
):
    options = {"model": "C", "corrector": "yearly", "weights": weights_dir, "years": "mass_balance", "exact": exact}
    expected, expected_map, _ = smb(hef, **options)
    _, coarse, _ = smb(hef, weather=saved(quarters([own] * 4), tmp_path), **options)
    np.testing.assert_allclose(coarse, expected_map, atol=1e-5)
    if exact:
        path = saved(fields_of(own, climate, features), tmp_path, "fields.nc")
        means, fields, attributes = smb(hef, weather=path, **{**options, "exact": False})
        assert attributes["exact"] == 1
        np.testing.assert_allclose(means, expected, atol=2e-5)
        np.testing.assert_allclose(fields, expected_map, atol=2e-5)


@pytest.mark.slow
def test_model_c_on_columns_is_close_to_the_exact_run_under_four_stations(
    hef, stations, quarters, features, weights_dir, tmp_path
):
    path = saved(quarters(stations), tmp_path)
    options = {"model": "C", "corrector": "yearly", "weights": weights_dir, "years": "mass_balance", "weather": path}
    means, fast, _ = smb(hef, **options)
    expected, exact, _ = smb(hef, exact=True, **options)
    by_year = np.abs(fast - exact)[:, features.glacier].max(axis=1)
    print(f"cells by year {by_year}, means {np.abs(means - expected)} m w.e.")
    assert by_year[0] < 2e-5
    assert by_year.max() < 5e-3
    assert np.abs(means - expected).max() < 1e-3


@pytest.mark.slow
def test_the_corrector_sees_the_same_months_under_all_kinds_of_weather(own, quarters, climate, features, tmp_path):
    from oggm_glaunti.coupling.gridded.weather import StationWeather

    rows = slice(274, 274 + 365)
    expected = StationWeather(climate, features).monthly(rows)
    for ds in (quarters([own] * 4), fields_of(own, climate, features)):
        np.testing.assert_allclose(opened(saved(ds, tmp_path), features).monthly(rows), expected, atol=1e-6)
        (tmp_path / "weather.nc").unlink()


# --- memory ---


@pytest.fixture
def reads(monkeypatch):
    """Days of every read from a file."""
    from oggm_glaunti.coupling.gridded import weather_file

    counted, original = [], weather_file.WeatherFile._read

    def spy(self, name, rows, window):
        counted.append(rows.stop - rows.start)
        return original(self, name, rows, window)

    monkeypatch.setattr(weather_file.WeatherFile, "_read", spy)
    return counted


@pytest.mark.slow
@pytest.mark.parametrize("years", ["calendar", "mass_balance"])
def test_no_more_than_a_year_is_read_at_a_time(years, reads, hef, own, climate, features, tmp_path):
    smb(hef, weather=saved(fields_of(own, climate, features), tmp_path), years=years)
    assert max(reads) == 366
    assert sum(reads) >= 2 * climate.time.size


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_years(own, climate, features, tmp_path):
    ds = fields_of(own, climate, features)
    peaks = []
    for n in (1, 3):
        path = saved(ds.sel(time=slice(str(YS), str(YS + n - 1))), tmp_path, f"{n}.nc")
        tracemalloc.start()
        weather = opened(path, features)
        for year in range(YS, YS + n):
            weather.forcing(slice(365 * (year - YS), 365 * (year - YS + 1)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    whole_year = 2 * 4 * 366 * features.outline.size
    print(
        f"peak {peaks[0] / 1e6:.0f} MB for one year, {peaks[1] / 1e6:.0f} MB for three, fields {whole_year / 1e6:.0f}"
    )
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[0] < 2.5 * whole_year


# --- files ---


def test_the_layout_of_the_training_data_is_read_as_it_is(own, climate, features, tmp_path):
    ds = fields_of(own, climate, features)
    folder = tmp_path / "Vernagt Ferner"
    folder.mkdir()
    metres = ds["prcp"] / 1000
    metres.attrs = {"grid_mapping": "crs"}
    ds["temp"].attrs.pop("units")
    saved(ds[["temp", "crs"]].rename(temp="temperature_2m"), folder, "temperature.nc")
    saved(metres.to_dataset(name="total_precipitation_sum").assign(crs=ds["crs"]), folder, "precipitation.nc")
    saved(ds[["hgt", "crs"]].rename(hgt="elevation"), folder, "orography.nc")
    by_folder = opened(folder, features)
    ds["temp"].attrs["units"] = "degC"
    by_file = opened(saved(ds, tmp_path), features)
    for one, two in zip(by_folder.forcing(slice(0, 5)).days(), by_file.forcing(slice(0, 5)).days(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_times_may_be_named_as_in_the_copernicus_store(own, quarters, features, tmp_path):
    ds = quarters([own] * 4)
    renamed = ds.rename(time="valid_time", lat="latitude", lon="longitude", temp="t2m", prcp="tp", hgt="orography")
    one, two = (opened(saved(each, tmp_path, f"{name}.nc"), features) for name, each in (("a", ds), ("b", renamed)))
    assert one.digest() == two.digest()


def test_gridded_weather_that_no_glacier_has_is_warned_of(own, quarters, features, tmp_path, caplog):
    opened(saved(quarters([own] * 4), tmp_path, "right.nc"), features)
    assert caplog.messages == []
    metres = quarters([own._replace(prcp=own.prcp / 1000)] * 4)
    opened(saved(metres, tmp_path, "wrong.nc"), features)
    assert "wrong.nc: means over the glacier: unusual weather" in caplog.text
    assert "the values are in m a day" in caplog.text


@pytest.mark.slow
def test_fields_may_be_south_up_and_reach_beyond_the_glaciers_cells(own, climate, features, tmp_path):
    ds = fields_of(own, climate, features)
    ds["temp"] = ds["temp"] + xr.DataArray(np.arange(features.shape[1]), dims="x") * 0.01
    ds["temp"] = ds["temp"] + xr.DataArray(np.arange(features.shape[0]), dims="y") * 0.02
    ds["temp"].attrs = {"units": "degC", "grid_mapping": "crs"}
    straight = opened(saved(ds.transpose("time", "y", "x"), tmp_path), features)
    wider = np.r_[features.y[0] + 200.0, features.y[0] + 100.0, features.y]
    turned = ds.reindex(y=wider, method="nearest", tolerance=1000.0).isel(y=slice(None, None, -1))
    other = opened(saved(turned.transpose("time", "y", "x"), tmp_path, "turned.nc"), features)
    np.testing.assert_array_equal(straight.forcing(slice(3, 6)).temp, other.forcing(slice(3, 6)).temp)
    assert straight.digest() == other.digest()


@pytest.mark.parametrize(
    ("easting", "zone", "west", "turn"),
    [  # 75 west; across 180 and across Greenwich, in every way in which files have it
        (500_050.0, "EPSG:32718", -76.0, 360.0),
        (720_950.0, "EPSG:32760", 179.0, -360.0),
        (720_950.0, "EPSG:32730", -1.0, 360.0),
    ],
)
def test_longitudes_may_run_beyond_180_and_jump_to_where_they_began(oggm_env, tmp_path, easting, zone, west, turn):
    from oggm_glaunti.coupling.ground.features import Features

    outline = np.pad(np.ones((2, 3)), 15)
    x, y = easting + 100.0 * np.arange(33), 4_620_050.0 - 100.0 * np.arange(32)  # 48.6 south
    glacier = Features(outline, 1000.0 + outline, 5.0 + outline, None, x, y, zone)
    days = np.arange("2020-01-01", "2021-01-01", dtype="M8[D]").astype("M8[ns]")
    cells = [[Series(np.full(366, i + 0.1 * j), np.ones(366), 900.0) for j in range(4)] for i in range(3)]
    lats, lons = np.array([-48.0, -48.5, -49.0]), west + 0.5 * np.arange(4)
    weather = []
    for number, turned in enumerate((lons, lons + turn, lons % 360, (lons + 180) % 360 - 180)):
        weather.append(opened(saved(dataset(days, lats, turned, cells), tmp_path, f"{number}.nc"), glacier))
    np.testing.assert_allclose(weather[0].forcing(slice(0, 1)).temp, [[1.2]])
    assert len({one.digest() for one in weather}) == 1


@pytest.mark.slow
def test_a_directory_without_a_series_of_its_own_runs_on_gridded_weather(hef, own, quarters, tmp_path):
    path = saved(quarters([own] * 4).assign_attrs(climate_source="ERA5-Land_daily"), tmp_path)
    expected, _, _ = smb(hef)
    os.remove(hef.get_filepath("climate_historical", filesuffix="_daily"))
    means, _, attributes = smb(hef, weather=path)
    np.testing.assert_allclose(means, expected, atol=1e-6)
    assert attributes["climate_source"] == "ERA5-Land_daily"


def test_the_digest_tells_other_weather(own, quarters, climate, features, tmp_path):
    ds = quarters([own] * 4)
    one = opened(saved(ds, tmp_path), features)
    again = opened(tmp_path / "weather.nc", features)
    ds["prcp"][400, 1, 1] += 1.0
    other = opened(saved(ds, tmp_path, "other.nc"), features)
    assert one.digest() == again.digest() != other.digest()


def test_years_that_are_not_whole_are_left_out(own, quarters, features, tmp_path):
    ds = quarters([own] * 4).isel(time=slice(10, -40))
    weather = opened(saved(ds, tmp_path), features)
    assert [str(day) for day in weather.climate.time[[0, -1]]] == ["2021-01-01", "2021-12-31"]
    np.testing.assert_array_equal(weather.forcing(slice(0, 3)).temp[:, 0], own.temp[366:369])


# --- faults ---


def with_value(name, day, value):
    def spoil(ds):
        ds[name].loc[{"time": day}][0, 1] = value
        return ds

    return spoil


def without(name, attribute):
    def spoil(ds):
        del ds[name].attrs[attribute]
        return ds

    return spoil


def with_units(name, units):
    def spoil(ds):
        ds[name].attrs["units"] = units
        return ds

    return spoil


def without_height(ds):
    ds["hgt"][1, 0] = np.nan
    return ds


FAULTS = {
    "nan": (with_value("temp", "2021-03-04", np.nan), "temp is NaN or infinite on 1 of 1096 days: 2021-03-04"),
    "infinite": (with_value("prcp", "2021-03-04", np.inf), "prcp is NaN or infinite on 1 of 1096 days: 2021-03-04"),
    "negative": (with_value("prcp", "2020-07-01", -1.0), "prcp is negative on 1 of 1096 days: 2020-07-01"),
    "kelvin": (with_units("prcp", "kg m-2 s-1"), "prcp is above 2000 kg m-2 day-1, check units"),
    "hot": (with_value("temp", "2022-12-31", 273.0), "temp is outside -90..60 degC, check units on 1 of 1096 days"),
    "gap": (lambda ds: ds.drop_sel(time=["2020-02-29"]), "1095 of 1096 days; missing: 2020-02-29. Fill them in the"),
    "months": (lambda ds: ds.isel(time=[0, 31, 60, 91]), "monthly steps"),
    "no unit": (without("temp", "units"), "the variable 'temp' has no attribute 'units'"),
    "strange unit": (with_units("prcp", "inch"), "'prcp': prcp has units 'inch'; expected .* Write them into"),
    "feet": (with_units("hgt", "feet"), "'hgt' has units 'feet'; expected m"),
    "no height": (lambda ds: ds.drop_vars("hgt"), "height of the cells .*: expected one variable of the names hgt, "),
    "two": (lambda ds: ds.assign(t2m=ds["temp"]), "temperature: expected one variable .*; found: temp, t2m"),
    "height missing": (without_height, "the height is missing in 1 of the 4 cells that are needed"),
    "elsewhere": (lambda ds: ds.assign_coords(lon=ds["lon"] + 5), "does not reach all cells .* 100 % of the cells"),
    "one row": (lambda ds: ds.isel(lat=[0]), "'lat' has one value; expected two or more"),
    "uneven": (lambda ds: ds.reindex(lat=[47.0, 46.9, 46.5], method="nearest"), "'lat' has steps of .*evenly spaced"),
    "other order": (lambda ds: ds.transpose("lat", "lon", "time"), "has the dimensions .*'lat', 'lon', 'time'"),
    "no crs": (lambda ds: ds.rename(lat="y", lon="x"), r"no coordinate system for .*crs_wkt"),
    "bad crs": (lambda ds: ds.rename(lat="y", lon="x").assign_attrs(pyproj_srs="nowhere"), "cannot be read"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_file_is_named(fault, stations, quarters, features, tmp_path):
    spoil, message = FAULTS[fault]
    path = saved(spoil(quarters(stations)), tmp_path)
    with pytest.raises(InvalidParamsError, match=f"^RGI60-11.00897: weather.nc.*{message}"):
        opened(path, features)


def test_a_value_missing_on_the_glaciers_own_cells_is_named(own, climate, features, tmp_path):
    ds = fields_of(own, climate, features).copy(deep=True)
    temp = ds["temp"].values.copy()
    temp[400, 3, 5] = np.nan
    ds = ds.rename(temp="t2m")
    ds["t2m"] = ds["t2m"].copy(data=temp)
    with pytest.raises(InvalidParamsError, match=r"\(temp is 't2m'\): temp is NaN .* on 1 of 1096 days: 2021-02-04"):
        opened(saved(ds, tmp_path), features)


def test_fine_cells_that_are_not_the_glaciers_are_refused(own, climate, features, tmp_path):
    ds = fields_of(own, climate, features).isel(time=slice(0, 366))
    shifted = ds.assign_coords(x=ds["x"] + 30.0, y=ds["y"] - 20.0)
    with pytest.raises(InvalidParamsError, match=r"cells are about 100 m long and not those of RGI60-11.00897"):
        opened(saved(shifted, tmp_path), features)


def test_precipitation_on_another_grid_or_of_other_days_is_refused(own, climate, features, tmp_path):
    ds = fields_of(own, climate, features).isel(time=slice(0, 366))
    parts = {
        "temperature.nc": ds[["temp", "crs"]],
        "precipitation.nc": ds[["prcp", "crs"]],
        "orography.nc": ds[["hgt", "crs"]],
    }
    for name, part in parts.items():
        saved(part, tmp_path, name)
    saved(parts["precipitation.nc"].isel(x=slice(1, None)), tmp_path, "precipitation.nc")
    with pytest.raises(InvalidParamsError, match=r"precipitation.nc: 'prcp' is on another grid than 'temp'"):
        opened(tmp_path, features)
    saved(parts["precipitation.nc"].isel(time=slice(1, None)), tmp_path, "precipitation.nc")
    with pytest.raises(InvalidParamsError, match="not of the same days"):
        opened(tmp_path, features)


def test_a_path_that_does_not_exist_and_a_file_that_is_none_are_named(hef, features, tmp_path):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: weather: .*nowhere.nc does not exist"):
        smb(hef, weather=tmp_path / "nowhere.nc")
    (tmp_path / "text.nc").write_text("no NetCDF")
    with pytest.raises(InvalidParamsError, match=r"text.nc cannot be read as NetCDF"):
        opened(tmp_path / "text.nc", features)


def test_a_calibration_with_the_directorys_series_is_not_used_on_other_weather_unasked(
    hef, stations, quarters, tmp_path
):
    from oggm.exceptions import InvalidWorkflowError

    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.model import params

    model = GlaUnTIMassBalanceA(hef)
    about = {"model": "A", "corrector": "off", "weights_sha256": model.weights_sha256, "melt_f": 7.0}
    about |= {"climate_source": model.climate_source, "climate_sha256": model.climate.digest()}
    params.write_params(hef, about | {"temp_gradient": -0.006})
    path = saved(quarters(stations), tmp_path)
    with pytest.raises(InvalidWorkflowError, match="check_calib_params=False"):
        smb(hef, weather=path)
    _, _, attributes = smb(hef, weather=path, check_calib_params=False)
    assert attributes["melt_f"] == 7.0
