"""The invented glacier and its weather are the same on every call, and fit for OGGM."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import rasterio

from oggm_glaunti.settings import CELL_SIZE, INVERSION_TASKS, MARGIN_CELLS
from oggm_glaunti.workflows import valley


@pytest.fixture(scope="module")
def weather():
    return valley.daily_weather()


def test_weather_is_the_same_on_every_call(weather):
    assert valley.daily_weather().equals(weather)
    assert not valley.daily_weather(seed=2).equals(weather)


def test_weather_has_every_day_of_forty_years_and_nothing_impossible(weather):
    assert len(weather) == 14610
    assert (weather.index[0].isoformat()[:10], weather.index[-1].isoformat()[:10]) == ("1981-01-01", "2020-12-31")
    assert weather.index.is_unique
    assert weather.notna().all().all()
    assert weather["prcp"].min() == 0.0
    assert weather["temp"].between(-40, 25).all()


def test_weather_is_alpine(weather):
    by_month = weather["temp"].groupby(weather.index.month).mean()
    assert by_month.idxmax() in (7, 8)
    assert by_month.idxmin() in (1, 2)
    assert 800 < weather["prcp"].groupby(weather.index.year).sum().mean() < 2000
    assert 0.3 < (weather["prcp"] > 0).mean() < 0.6
    years = weather["temp"].groupby(weather.index.year).mean()
    assert 0.2 < 10 * np.polyfit(years.index, years, 1)[0] < 0.5  # K a decade
    anomaly = weather["temp"] - weather["temp"].groupby(weather.index.day_of_year).transform("mean")
    assert 0.6 < anomaly.autocorr(1) < 0.85


def test_dem_is_the_same_on_every_call(tmp_path):
    digests = {hashlib.sha256(valley.write_dem(tmp_path / name).read_bytes()).digest() for name in ("a.tif", "b.tif")}
    assert len(digests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def test_dem_reaches_beyond_the_margin_and_the_glacier_lies_in_its_valley(tmp_path):
    outline = valley.valley_outline()
    west, south, east, north = outline.to_crs(valley.CRS).total_bounds
    with rasterio.open(valley.write_dem(tmp_path / "dem.tif")) as tif:
        bounds, height = tif.bounds, tif.read(1)
    room = min(west - bounds.left, bounds.right - east, south - bounds.bottom, bounds.top - north)
    assert room > CELL_SIZE * MARGIN_CELLS + 2000.0
    assert np.isfinite(height).all()
    assert 1700 < height.min() < height.max() < 4500
    assert 3 < outline["Area"].item() < 8

    points = np.array(outline.to_crs(valley.CRS).geometry.iloc[0].exterior.coords)
    edge = valley.valley_surface(points[:, 0], points[:, 1])
    assert edge.max() - edge.min() > 900
    far = valley.valley_surface(valley.HEAD_EASTING + 3500.0, valley.HEAD_NORTHING + np.array([1000.0, 3000.0, 4500.0]))
    ice = valley.valley_surface(valley.HEAD_EASTING, valley.HEAD_NORTHING + np.array([1000.0, 3000.0, 4500.0]))
    assert (far > ice + 300).all()


@pytest.mark.slow
def test_valley_glacier_flows_for_a_hundred_years_in_oggm(oggm_env, tmp_path):
    from oggm import tasks
    from oggm.core.flowline import flowline_model_run
    from oggm.core.massbalance import LinearMassBalance

    gdir = valley.make_valley_glacier(tmp_path / "demo")
    assert gdir.rgi_id == valley.RGI_ID
    assert gdir.rgi_region_name == "11: Central Europe"
    balance = LinearMassBalance(ela_h=3100.0, grad=6.0)
    tasks.apparent_mb_from_any_mb(gdir, mb_model=balance)
    for name in INVERSION_TASKS:
        getattr(tasks, name)(gdir)
    (flowline,) = gdir.read_pickle("model_flowlines")
    assert 4000 < flowline.length_m < 6000
    assert 80 < flowline.thick.max() < 250
    model = flowline_model_run(gdir, mb_model=LinearMassBalance(ela_h=3150.0, grad=6.0), ys=0, ye=100)
    assert 0.2 * flowline.volume_km3 < model.volume_km3 < flowline.volume_km3


def test_weather_becomes_the_directorys_climate(oggm_env, tmp_path):
    gdir = valley.make_valley_glacier(tmp_path / "demo")
    valley.make_daily_weather(gdir, first_year=2001, last_year=2003)
    for suffix in ("", "_daily"):
        info = gdir.get_climate_info(input_filesuffix=suffix)
        assert (info["baseline_yr_0"], info["baseline_yr_1"]) == (2001, 2003)
        assert info["baseline_climate_ref_hgt"] == valley.WEATHER_HEIGHT
