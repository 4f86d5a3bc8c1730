"""A glacier on 180 degrees, in every way in which outlines and DEMs are written there, is the same as elsewhere."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from rasterio.warp import Resampling, calculate_default_transform, reproject
from shapely.geometry import MultiPolygon, box

from oggm_glaunti.cli.directories import open_glaciers
from oggm_glaunti.cli.main import main
from oggm_glaunti.coupling.ground.features import glaunti_features, read_features
from oggm_glaunti.coupling.ground.grid import grid_around, utm_crs
from oggm_glaunti.coupling.ground.rasters import average_on_grid, bilinear_on_grid, read_around
from oggm_glaunti.workflows.outlines import check_outlines, read_outlines
from oggm_glaunti.workflows.valley import WEATHER_HEIGHT, daily_weather, valley_outline, write_dem

from ..region.oetztal import oggm_kept

UNITS = ["--temp-units", "degC", "--prcp-units", "mm/day", "--ref-hgt", str(WEATHER_HEIGHT)]


def wrapped(lon):
    return (lon + 180.0) % 360.0 - 180.0


def shifted(outline, east: float):
    return shapely.transform(outline, lambda lon, lat: (lon + east, lat), interleaved=False)


def cut_at_180(outline):
    """As the inventory has it: a part on either side."""
    east = shifted(outline.intersection(box(180.0, -90.0, 190.0, 90.0)), -360.0)
    return MultiPolygon([outline.intersection(box(170.0, -90.0, 180.0, 90.0)), east])


FORMS = {
    "beyond": lambda outline: outline,
    "jump": lambda outline: shapely.transform(outline, lambda lon, lat: (wrapped(lon), lat), interleaved=False),
    "cut": cut_at_180,
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """The invented glacier where it is, its DEM in degrees, and five years of weather."""
    folder = tmp_path_factory.mktemp("inputs")
    with rasterio.open(write_dem(folder / "utm.tif")) as utm:
        transform, width, height = calculate_default_transform(
            utm.crs, "EPSG:4326", utm.width, utm.height, *utm.bounds, resolution=0.0005
        )
        heights = np.full((height, width), np.nan, np.float32)
        way = {"resampling": Resampling.bilinear, "dst_nodata": np.nan}
        reproject(rasterio.band(utm, 1), heights, dst_transform=transform, dst_crs="EPSG:4326", **way)
    write_degrees(folder / "dem.tif", heights, transform)
    daily_weather(2000, 2004).to_csv(folder / "weather.csv", date_format="%Y-%m-%d")
    return folder


def write_degrees(path, heights, transform):
    shape = {"height": heights.shape[0], "width": heights.shape[1], "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", "GTiff", crs="EPSG:4326", transform=transform, nodata=np.nan, **shape) as file:
        file.write(heights, 1)


def write_moved_dem(inputs, path, east: float, columns: slice = slice(None)):
    with rasterio.open(inputs / "dem.tif") as dem:
        first = columns.start or 0
        transform = rasterio.Affine.translation(east, 0.0) @ dem.transform @ rasterio.Affine.translation(first, 0.0)
        write_degrees(path, dem.read(1)[:, columns], transform)
    return path


def run(inputs, out, outlines, dem):
    """Balances and features of the glacier of an outline."""
    files = ["--shapefile", outlines, "--dem", dem, "--climate", inputs / "weather.csv", *UNITS]
    options = ["--years", "2000", "2004", "--model", "a", "--border", "40", "--no-dynamics", "--out", out]
    assert main(["run", *map(str, [*files, *options])]) == 0
    with xr.open_dataset(out / "glaunti_output.nc") as ds:
        balance = ds.load()
    (gdir,) = open_glaciers(out)
    from oggm import cfg

    cfg.PATHS["dem_file"] = str(dem)
    glaunti_features(gdir)
    return balance, read_features(gdir)


@pytest.fixture(scope="module")
def elsewhere(inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    valley_outline().to_file(folder / "outline.gpkg")
    with oggm_kept():
        return run(inputs, folder / "out", folder / "outline.gpkg", inputs / "dem.tif")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "turn", "attributes"), [("jump", 0.0, True), ("beyond", -360.0, False), ("cut", 0.0, True)]
)
def test_a_glacier_on_180_degrees_is_the_same_as_elsewhere(
    inputs, tmp_path, elsewhere, oggm_env, form, turn, attributes
):
    here = valley_outline()
    east = 180.0 - here["CenLon"].iloc[0]
    there = here.assign(CenLon=-180.0, geometry=[FORMS[form](shifted(here.geometry.iloc[0], east))])
    (there if attributes else there[["geometry"]]).to_file(tmp_path / "outline.gpkg")
    dem = write_moved_dem(inputs, tmp_path / "dem.tif", east + turn)
    found, on_180 = run(inputs, tmp_path / "out", tmp_path / "outline.gpkg", dem)
    expected, on_land = elsewhere
    assert abs(abs(found["cenlon"].item()) - 180.0) < 0.05
    np.testing.assert_allclose(found["rgi_area"], expected["rgi_area"], rtol=2e-3)
    np.testing.assert_allclose(found["area"], expected["area"], rtol=2e-3)
    np.testing.assert_allclose(found["specific_mb"], expected["specific_mb"], atol=5e-3)
    # The cells are of another UTM zone, whose north is not quite that of the first.
    cells, cells_on_180 = (features.outline.sum() for features in (on_land, on_180))
    assert cells_on_180 == pytest.approx(cells, rel=0.01)
    heights, heights_on_180 = (features.elevation[features.outline == 1] for features in (on_land, on_180))
    assert heights_on_180.mean() == pytest.approx(heights.mean(), abs=3.0)


def test_tiles_on_both_sides_of_180_degrees_are_joined_without_a_seam(inputs, tmp_path):
    outline = valley_outline().geometry.iloc[0]
    with rasterio.open(inputs / "dem.tif") as dem:
        edge = dem.transform.c + dem.width // 2 * dem.transform.a
        half = dem.width // 2
    east = 180.0 - edge
    crs = utm_crs(180.0, 46.0)
    centre = shifted(outline, east)
    grid = grid_around(list(gpd.GeoSeries([centre], crs="EPSG:4326").to_crs(crs)), crs, margin=3)
    whole = write_moved_dem(inputs, tmp_path / "whole.tif", east)
    tiles = [
        write_moved_dem(inputs, tmp_path / "west.tif", east, slice(0, half)),
        write_moved_dem(inputs, tmp_path / "east.tif", east - 360.0, slice(half, None)),
    ]
    one, turned = (read_around("test", paths, grid) for paths in ([whole], tiles))
    expected = bilinear_on_grid(one, grid)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(bilinear_on_grid(turned, grid), expected, atol=0.01)
    np.testing.assert_allclose(average_on_grid(turned, grid), average_on_grid(one, grid), atol=0.01)
    assert np.isfinite(average_on_grid(turned, grid)).all()


@pytest.mark.parametrize("form", FORMS)
def test_outlines_across_180_degrees_are_in_one_piece(tmp_path, form, oggm_env):
    here = valley_outline()
    outline = shifted(here.geometry.iloc[0], 180.0 - here["CenLon"].iloc[0])
    gpd.GeoDataFrame(geometry=[FORMS[form](outline)], crs="EPSG:4326").to_file(tmp_path / "outline.gpkg")
    read, failures, said = check_outlines(read_outlines(tmp_path / "outline.gpkg", 2000), None)
    assert (failures, said) == ({}, [])
    assert read.geometry.iloc[0].symmetric_difference(outline).area < 1e-9 * outline.area
    assert float(read["Area"].iloc[0]) == pytest.approx(here["Area"].iloc[0], rel=2e-3)
    assert -180.0 <= read["CenLon"].iloc[0] < 180.0


def test_dates_of_outlines_are_text_whatever_the_file_keeps(tmp_path, oggm_env):
    import pandas as pd

    outline = valley_outline()[["geometry"]].assign(rgi_id="RGI2000-v7.0-G-11-00001", src_date=pd.Timestamp(2003, 8, 1))
    outline.to_file(tmp_path / "outline.gpkg")
    assert read_outlines(tmp_path / "outline.gpkg", 2000)["src_date"].tolist() == ["2003-08-01 00:00:00"]
