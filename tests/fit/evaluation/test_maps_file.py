"""Maps on disk: CF, whole or not there, and the numbers of the run."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from oggm.exceptions import InvalidWorkflowError
from pyproj import CRS

from oggm_glaunti.core.weights import embedded_a
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.fit.evaluation.inference import predict_glacier
from oggm_glaunti.fit.evaluation.maps_file import write_days, write_years
from tests.core import worlds

from ..valleys import Valley

ABOUT = {"model": "A"}


@pytest.fixture
def valley() -> Valley:
    valley = Valley("Two Words", years=(2001, 2002), no_mid=(2002,))
    valley.grid = CellGrid(CRS("EPSG:32632"), 630_000.0, 5_188_000.0, valley.shape)
    return valley


def on(valley: Valley, field: np.ndarray) -> np.ndarray:
    return np.where(valley.outline > 0, field, np.nan)


def test_years_and_seasons_are_those_of_the_run_and_missing_beside_the_glacier(valley, tmp_path):
    model = embedded_a()
    path = tmp_path / "maps.nc"
    assert write_years(path, valley, predict_glacier(model, valley), ABOUT) == [2001, 2002]
    predicted = {p.year: p for _, p in predict_glacier(model, valley)}
    with xr.open_dataset(path) as ds:
        assert ds["time"].dt.strftime("%Y-%m-%d").values.tolist() == ["2001-09-30", "2002-09-30"]
        for i, year in enumerate(valley.years):
            np.testing.assert_array_equal(ds["smb"][i], on(valley, predicted[year].maps["annual"]))
            np.testing.assert_array_equal(ds["swe"][i], on(valley, predicted[year].state.values))
        np.testing.assert_array_equal(ds["smb_winter"][0], on(valley, predicted[2001].maps["winter"]))
        assert np.isnan(ds["smb_summer"][1]).all()  # 2002 has no day between winter and summer
        np.testing.assert_allclose(ds["smb_glacier"], ds["smb"].mean(("y", "x")), rtol=1e-5)
        seasons = ds["smb_winter_glacier"][0] + ds["smb_summer_glacier"][0]
        assert float(seasons) == pytest.approx(float(ds["smb_glacier"][0]), abs=1e-6)
        bounds = ds["time_bnds"].values.astype("datetime64[D]").astype(str).tolist()
        assert bounds == [["2000-09-30", "2001-10-01"], ["2001-09-30", "2002-10-01"]]


def test_the_file_is_cf_and_georeferenced(valley, tmp_path):
    write_years(tmp_path / "maps.nc", valley, predict_glacier(embedded_a(), valley), ABOUT)
    with xr.open_dataset(tmp_path / "maps.nc") as ds:
        assert (ds.Conventions, ds.glacier, ds.model) == ("CF-1.8", "Two Words", "A")
        np.testing.assert_array_equal(ds["x"], valley.grid.x)
        np.testing.assert_array_equal(ds["y"], valley.grid.y)
        assert ds["smb"].attrs["grid_mapping"] == "crs"
        assert "UTM zone 32N" in ds["crs"].attrs["crs_wkt"]
        assert all({"units", "long_name"} <= set(ds[name].attrs) for name in ("smb", "smb_glacier", "swe", "outline"))


def test_cells_without_coordinates_are_numbered(tmp_path):
    valley = Valley(years=(2001,))
    write_years(tmp_path / "maps.nc", valley, predict_glacier(embedded_a(), valley), ABOUT)
    with xr.open_dataset(tmp_path / "maps.nc") as ds:
        assert ds["x"].attrs["long_name"] == "column of the grid, from 0"
        assert "grid_mapping" not in ds["smb"].attrs


@pytest.mark.slow
@pytest.mark.parametrize("name", "BC")
def test_model_b_has_no_snow_and_model_c_has_corrections(name, valley, tmp_path):
    write_years(tmp_path / "maps.nc", valley, predict_glacier(worlds.model(name), valley), ABOUT)
    with xr.open_dataset(tmp_path / "maps.nc") as ds:
        assert ("swe" in ds, "corrections" in ds) == ((False, False) if name == "B" else (True, True))


@pytest.mark.slow
def test_days_of_a_year_add_up_to_it_with_half_weight_on_its_ends(valley, tmp_path):
    model = embedded_a()
    valley.years = (2001,)
    write_days(tmp_path / "days.nc", valley, predict_glacier(model, valley, daily=True), ABOUT)
    ((_, predicted),) = predict_glacier(model, valley)
    with xr.open_dataset(tmp_path / "days.nc") as ds:
        assert ds.sizes["time"] == 366
        weights = xr.DataArray(np.r_[0.5, np.ones(364), 0.5], dims="time")
        total = (ds["smb"] * weights).sum("time", skipna=False)
        np.testing.assert_allclose(total, on(valley, predicted.maps["annual"]), atol=2e-5)
        np.testing.assert_allclose(ds["smb_glacier"], ds["smb"].mean(("y", "x")), atol=1e-7)


@pytest.mark.slow
def test_days_go_on_from_year_to_year_each_of_them_once(valley, tmp_path):
    write_days(tmp_path / "days.nc", valley, predict_glacier(embedded_a(), valley, daily=True), ABOUT)
    with xr.open_dataset(tmp_path / "days.nc") as ds:
        expected = np.arange("2000-09-30", "2002-10-01", dtype="datetime64[D]")
        np.testing.assert_array_equal(ds["time"].values.astype("datetime64[D]"), expected)
        assert np.isfinite(ds["smb_glacier"]).all()


def fake_year(year: int, begin: str, values: list[float], weights: list[float]):
    """One season on a single cell."""
    daily = np.array(values, np.float32).reshape(-1, 1, 1) * np.array(weights, np.float32).reshape(-1, 1, 1)
    data = SimpleNamespace(outline=np.ones((1, 1)), seasons=[SimpleNamespace(weights=np.array(weights))])
    return data, SimpleNamespace(year=year, begin=np.datetime64(begin), mid=None, daily=(daily,))


def test_a_day_run_twice_is_the_weighted_mean_and_a_day_not_run_is_missing(tmp_path):
    glacier = SimpleNamespace(name="x", shape=(1, 1))
    years = [
        fake_year(2001, "2001-01-01", [1.0, 2.0, 3.0], [0.5, 1.0, 0.5]),
        fake_year(2002, "2001-01-02", [8.0, 5.0, 7.0], [0.5, 1.0, 0.5]),  # two days overlap
        fake_year(2003, "2001-01-06", [4.0, 4.0], [0.5, 0.5]),  # 5 January is in none
    ]
    write_days(tmp_path / "days.nc", glacier, iter(years), ABOUT)
    with xr.open_dataset(tmp_path / "days.nc") as ds:
        expected = [1.0, (2 * 1 + 8 * 0.5) / 1.5, (3 * 0.5 + 5 * 1) / 1.5, 7.0, np.nan, 4.0, 4.0]
        np.testing.assert_allclose(ds["smb_glacier"], expected, rtol=1e-6)
        np.testing.assert_allclose(ds["smb"][:, 0, 0], expected, rtol=1e-6)
        assert ds["time"].values.astype("datetime64[D]").astype(str).tolist()[4] == "2001-01-05"


def test_a_run_that_fails_half_way_leaves_the_old_file(valley, tmp_path):
    path = tmp_path / "maps.nc"
    path.write_text("old")

    def failing():
        yield next(iter(predict_glacier(embedded_a(), valley)))
        raise RuntimeError("gone")

    with pytest.raises(InvalidWorkflowError, match=r"Two Words: .*gone"):
        write_years(path, valley, failing(), ABOUT)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["maps.nc"]
