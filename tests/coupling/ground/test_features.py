"""Corrector inputs: the cells, the outline, heights that are never invented, and the file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import rasterio
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from pyproj import Transformer
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.ops import transform as shapely_transform

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.ground import features_file
from oggm_glaunti.coupling.ground.dem_checks import undeclared_missing
from oggm_glaunti.coupling.ground.features import (
    FACIES_BANDS,
    Features,
    glaunti_features,
    outline_on_grid,
    read_features,
)
from oggm_glaunti.coupling.ground.grid import CellGrid, cells_inside, directory_grid, grid_around, utm_crs

UTM32 = "EPSG:32632"
WEST, SOUTH = 630_000.0, 5_180_000.0  # m, corner of the glacier below
GLACIER = Polygon([(0, 0), (2030, 150), (2210, 1400), (1000, 1960), (-70, 900)])
EXTENT = (-4000.0, -4000.0, 6000.0, 6000.0)  # m around the corner: enough for OGGM and for the margin


def at(polygon, west: float = WEST, south: float = SOUTH):
    return shapely_transform(lambda x, y: (x + west, y + south), polygon)


def slope(x, y):
    """Heights that rise evenly to the north-east, so that every interpolation of them can be written down."""
    return 2500.0 + 0.2 * (x - WEST) + 0.1 * (y - SOUTH)


def write_raster(path: Path, bands, west: float, north: float, cell: float, crs: str = UTM32, **profile) -> Path:
    bands = np.asarray(bands)
    bands = bands[None] if bands.ndim == 2 else bands
    profile = {"driver": "GTiff", "crs": crs, "transform": rasterio.Affine(cell, 0, west, 0, -cell, north), **profile}
    count, height, width = bands.shape
    with rasterio.open(path, "w", count=count, height=height, width=width, dtype=bands.dtype, **profile) as tif:
        tif.write(bands)
    return path


def cell_centres(extent, cell: float, west: float = WEST, south: float = SOUTH):
    x = west + np.arange(extent[0] + cell / 2, extent[2], cell)
    y = south + np.arange(extent[3] - cell / 2, extent[1], -cell)
    return np.meshgrid(x, y)


def write_dem(path: Path, extent=EXTENT, cell: float = 40.0, change=None, **profile) -> Path:
    x, y = cell_centres(extent, cell)
    heights = slope(x, y).astype("float32")
    if change is not None:
        change(heights)
    return write_raster(path, heights, WEST + extent[0], SOUTH + extent[3], cell, **profile)


def make_gdir(folder: Path, polygon, dem: Path, crs: str = UTM32, rgi_id: str = "RGI60-11.99998", **params):
    """A glacier directory from an outline and a DEM, with OGGM's own grid."""
    import geopandas as gpd
    import oggm
    from oggm import cfg, tasks

    outline = gpd.GeoDataFrame(geometry=[polygon], crs=crs).to_crs("EPSG:4326")
    centre = outline.geometry.iloc[0].representative_point()
    attributes = {
        **{"RGIId": rgi_id, "GLIMSId": "", "BgnDate": "20030801", "EndDate": "-9999999", "O2Region": "1"},
        **{"O1Region": rgi_id[6:8], "CenLon": centre.x, "CenLat": centre.y, "Area": polygon.area * 1e-6, "Name": ""},
        **{"Status": 0, "Connect": 0, "Form": 0, "TermType": 0, "Surging": 9, "Linkages": 9},
    }
    for name, value in attributes.items():
        outline[name] = value
    for name, value in params.items():
        cfg.PARAMS[name] = value
    cfg.PATHS["dem_file"] = str(dem)
    gdir = oggm.GlacierDirectory(outline.iloc[0], base_dir=str(folder / "per_glacier"), reset=True)
    tasks.define_glacier_region(gdir, source="USER")
    return gdir


@pytest.fixture
def gdir(oggm_env: Path):
    return make_gdir(oggm_env, at(GLACIER), write_dem(oggm_env / "dem.tif"), border=60)


@pytest.fixture
def gdir_100m(oggm_env: Path):
    """A directory whose own grid is UTM at 100 m and reaches 20 cells beyond the outline."""
    from oggm import tasks

    own = {"map_proj": "utm", "grid_dx_method": "fixed", "fixed_dx": 100, "border": 20}
    gdir = make_gdir(oggm_env, at(GLACIER, WEST + 37, SOUTH + 41), write_dem(oggm_env / "dem.tif"), **own)
    tasks.process_dem(gdir)
    return gdir


def attributes_of(gdir) -> dict[str, str]:
    with netCDF4.Dataset(gdir.get_filepath("glaunti_features")) as nc:
        return {name: nc.getncattr(name) for name in nc.ncattrs()}


def centres_of(features: Features):
    return np.meshgrid(features.x, features.y)


def small_features(**changes) -> Features:
    outline = np.pad(np.ones((2, 3), "f4"), 15)
    given = {
        "outline": outline,
        "elevation": 3000 + outline,
        "elevation_std": np.full_like(outline, 5),
        "facies": None,
        "x": 630_150.0 + 100.0 * np.arange(33),
        "y": 5_188_050.0 - 100.0 * np.arange(32),
        "crs": UTM32,
    }
    return Features(**{**given, **changes})


# --- the cells -------------------------------------------------------------------------------------------------------


@given(
    corners=st.lists(
        st.tuples(st.integers(-3000, 3000), st.integers(-3000, 3000)), min_size=3, max_size=3, unique=True
    ),
    west=st.integers(200_000, 800_000),
    origin=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
)
def test_the_rectangle_reaches_15_cells_beyond_the_cells_of_the_outline(corners, west, origin):
    polygon = at(Polygon(corners).buffer(160), west)
    grid = grid_around([polygon], utm_crs(9, 47), origin)
    inside = np.argwhere(cells_inside([polygon], grid))
    assert inside.min(axis=0).tolist() == [15, 15]
    assert (np.array(grid.shape) - 1 - inside.max(axis=0)).tolist() == [15, 15]
    cells = (np.array([grid.west, grid.north]) - origin) / 100
    np.testing.assert_allclose(cells, cells.round(), atol=1e-9)


@given(offset=st.tuples(st.floats(0, 100), st.floats(0, 100)))
def test_a_cell_is_glacier_where_its_centre_is_inside(offset):
    ring = at(Polygon(GLACIER.exterior, [box(600, 500, 1100, 1000).exterior]), WEST + offset[0], SOUTH + offset[1])
    polygon = MultiPolygon([ring, at(box(3000, 0, 3300, 400))])
    grid = grid_around([polygon], utm_crs(9, 47))
    from shapely import contains_xy

    x, y = np.meshgrid(grid.x, grid.y)
    # A centre on the very edge is nobody's: there the two may differ.
    off_edge = ~contains_xy(polygon.boundary.buffer(1e-6), x, y)
    found, expected = cells_inside([polygon], grid) > 0, contains_xy(polygon, x, y)
    np.testing.assert_array_equal(found[off_edge], expected[off_edge])


def test_nunataks_and_parts_are_kept(oggm_env):
    glacier = MultiPolygon([Polygon(GLACIER.exterior, [box(600, 500, 1100, 1000).exterior]), box(2600, 0, 2900, 400)])
    gdir = make_gdir(oggm_env, at(glacier), write_dem(oggm_env / "dem.tif"), border=40, keep_multipolygon_outlines=True)
    glaunti_features(gdir)
    features = read_features(gdir)
    nunatak, part, ice = ([WEST + dx, SOUTH + dy] for dx, dy in ((850, 750), (2750, 250), (300, 700)))
    found = [
        features.outline[np.argmin(abs(features.y - y)), np.argmin(abs(features.x - x))]
        for x, y in (nunatak, part, ice)
    ]
    assert found == [0, 1, 1]


def test_a_short_side_is_widened_to_16_cells():
    grid = grid_around([at(box(20, 20, 480, 180))], utm_crs(9, 47), margin=2)
    assert grid.shape == (16, 16)
    inside = np.argwhere(cells_inside([at(box(20, 20, 480, 180))], grid))
    assert inside.min(axis=0).tolist() == [7, 5]
    assert inside.max(axis=0).tolist() == [8, 9]


def test_a_glacier_without_a_cell_centre_names_area_and_cell_size(oggm_env):
    sliver = at(Polygon([(55, 0), (95, 0), (95, 600), (55, 600)]))
    gdir = make_gdir(oggm_env, sliver, write_dem(oggm_env / "dem.tif"), border=80)
    with pytest.raises(ValueError, match=r"RGI60-11.99998: no centre of a 100 m cell.*0\.0240 km2"):
        glaunti_features(gdir)
    assert not Path(gdir.get_filepath("glaunti_features")).exists()


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (10.75, 46.8, 32632),
        (-73.2, -50.5, 32718),
        (170.1, -43.6, 32759),
        (-180, 70, 32601),
        (180, 70, 32601),
        (6, 60, 32632),
    ],
)
def test_the_zone_is_that_of_the_glacier(lon, lat, epsg):
    assert utm_crs(lon, lat).to_epsg() == epsg


def test_a_southern_glacier_has_southern_coordinates(oggm_env):
    x0, y0 = 640_000.0, 4_405_000.0  # Southern Patagonia, zone 18 S
    x, y = cell_centres(EXTENT, 40.0, x0, y0)
    heights = (1500 + 0.1 * (x - x0) - 0.3 * (y - y0)).astype("f4").clip(1)
    dem = write_raster(oggm_env / "dem.tif", heights, x0 - 4000, y0 + 6000, 40.0, crs="EPSG:32718")
    gdir = make_gdir(oggm_env, at(GLACIER, x0, y0), dem, crs="EPSG:32718", rgi_id="RGI60-17.99998", border=40)
    glaunti_features(gdir)
    features = read_features(gdir)
    assert features.crs.to_epsg() == 32718
    assert gdir.cenlat < 0
    x, y = centres_of(features)
    np.testing.assert_allclose(features.elevation, 1500 + 0.1 * (x - x0) - 0.3 * (y - y0), atol=0.01)
    assert features.glacier.sum() == pytest.approx(GLACIER.area / 1e4, rel=0.02)


def test_edges_lie_on_multiples_of_100_m(gdir):
    grid, outline = outline_on_grid(gdir)
    assert [edge % 100 for edge in grid.bounds] == [0, 0, 0, 0]
    assert outline.sum() == pytest.approx(GLACIER.area / 1e4, rel=0.02)
    np.testing.assert_array_equal(outline, cells_inside([at(GLACIER)], grid))


def test_a_directory_at_100_m_utm_keeps_its_cells_and_its_topo(gdir_100m):
    glaunti_features(gdir_100m)
    features = read_features(gdir_100m)
    own = directory_grid(gdir_100m)
    assert (own.west % 100, own.north % 100) != (0, 0)
    row, column = CellGrid(features.crs, features.x[0] - 50, features.y[0] + 50, features.shape).offset_in(own)
    np.testing.assert_allclose(features.x, own.x[column : column + features.x.size], atol=1e-6)
    with netCDF4.Dataset(gdir_100m.get_filepath("gridded_data")) as nc:
        topo = nc["topo"][row : row + features.shape[0], column : column + features.shape[1]]
        assert not np.array_equal(nc["topo_smoothed"][:], nc["topo"][:])
    np.testing.assert_array_equal(features.elevation, topo)
    assert attributes_of(gdir_100m)["dem_origin"] == "topo of gridded_data.nc"


def test_where_the_margin_does_not_fit_the_same_cells_go_on_with_the_dem(oggm_env):
    own = {"map_proj": "utm", "grid_dx_method": "fixed", "fixed_dx": 100, "border": 10}
    gdir = make_gdir(oggm_env, at(GLACIER, WEST + 37, SOUTH + 41), write_dem(oggm_env / "dem.tif"), **own)
    glaunti_features(gdir)
    features = read_features(gdir)
    cells = (features.x[0] - 50 - directory_grid(gdir).west) / 100
    assert cells == pytest.approx(round(cells), abs=1e-6)
    assert cells < 0
    np.testing.assert_allclose(features.elevation, slope(*centres_of(features)), atol=0.01)
    assert attributes_of(gdir)["dem_origin"] == "dem.tif (cfg.PATHS['dem_file'])"


@pytest.mark.parametrize("params", [{"fixed_dx": 90}, {"map_proj": "tmerc"}])
def test_other_grids_of_a_directory_are_not_kept(oggm_env, params):
    own = {"map_proj": "utm", "grid_dx_method": "fixed", "fixed_dx": 100, "border": 20, **params}
    gdir = make_gdir(oggm_env, at(GLACIER), write_dem(oggm_env / "dem.tif"), **own)
    assert directory_grid(gdir) is None


# --- heights ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("cell", [25.0, 40.0, 100.0, 250.0])
def test_heights_are_those_of_the_cell_centres(gdir, tmp_path, cell):
    glaunti_features(gdir, dem_file=write_dem(tmp_path / "other.tif", cell=cell))
    features = read_features(gdir)
    np.testing.assert_allclose(features.elevation, slope(*centres_of(features)), atol=0.01)
    assert attributes_of(gdir)["dem_origin"] == "other.tif (dem_file)"


def test_a_dem_in_degrees_is_reprojected_to_the_metre(gdir, tmp_path):
    lon, lat = np.meshgrid(10.60 + 0.0008 * (np.arange(300) + 0.5), 46.88 - 0.0008 * (np.arange(220) + 0.5))
    heights = (2000 + 4000 * (lon - 10.6) + 6000 * (lat - 46.7)).astype("f4")
    dem = write_raster(tmp_path / "degrees.tif", heights, 10.60, 46.88, 0.0008, crs="EPSG:4326")
    glaunti_features(gdir, dem_file=dem)
    features = read_features(gdir)
    lon, lat = Transformer.from_crs(UTM32, "EPSG:4326", always_xy=True).transform(*centres_of(features))
    np.testing.assert_allclose(features.elevation, 2000 + 4000 * (lon - 10.6) + 6000 * (lat - 46.7), atol=0.01)


def test_the_file_says_where_heights_came_from(gdir):
    import hashlib

    glaunti_features(gdir)
    features, found = read_features(gdir), attributes_of(gdir)
    assert found["dem_source"] == "USER"
    assert found["dem_origin"] == "dem.tif (cfg.PATHS['dem_file'])"
    assert found["elevation_sha256"] == hashlib.sha256(features.elevation.tobytes()).hexdigest()
    assert found["elevation_std_source"] == "constant, 5 m"
    assert found["Conventions"] == "CF-1.8"


def test_another_glaciers_dem_file_is_left_alone(gdir, tmp_path):
    from oggm import cfg

    cfg.PATHS["dem_file"] = str(write_dem(tmp_path / "another.tif", change=lambda heights: heights.__iadd__(100)))
    glaunti_features(gdir)
    features = read_features(gdir)
    assert attributes_of(gdir)["dem_origin"] == "the directory's dem.tif"
    np.testing.assert_allclose(features.elevation, slope(*centres_of(features)), atol=0.1)


def test_a_dem_short_of_the_margin_is_refused_with_the_share(gdir, tmp_path):
    grid, _ = outline_on_grid(gdir)
    short = (*EXTENT[:2], grid.bounds[2] - 1000 - WEST, EXTENT[3])
    share = 100 * 10 / grid.shape[1]
    with pytest.raises(ValueError, match=r"RGI60-11.99998: heights are needed for 49 x 53 cells of 100 m.*") as caught:
        glaunti_features(gdir, dem_file=write_dem(tmp_path / "short.tif", extent=short, cell=100.0))
    assert f"short.tif (dem_file) misses {share:.3g} % of them" in str(caught.value)
    assert not Path(gdir.get_filepath("glaunti_features")).exists()


def test_a_small_border_without_the_dem_is_refused_with_every_reason(oggm_env):
    from oggm import cfg

    gdir = make_gdir(oggm_env, at(GLACIER), write_dem(oggm_env / "dem.tif"), border=10)
    cfg.PATHS["dem_file"] = ""
    with pytest.raises(
        ValueError, match=r"the directory's dem.tif misses [\d.]+ % of them; .*larger cfg.PARAMS\['border'\]"
    ):
        glaunti_features(gdir)


def hole(heights):
    heights[120, 120] = np.nan


def declared_hole(heights):
    heights[120, 120] = -32768


def undeclared_hole(heights):
    heights[120, 120] = -9999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "profile"), [(hole, {}), (declared_hole, {"nodata": -32768}), (undeclared_hole, {})]
)
@pytest.mark.parametrize("cell", [20.0, 40.0])
def test_one_missing_pixel_is_enough_to_refuse(gdir, tmp_path, change, profile, cell):
    dem = write_dem(tmp_path / "holed.tif", (-2000, -2000, 5000, 5000), cell, change, **profile)
    with pytest.raises(ValueError, match=r"never invented: holed.tif \(dem_file\) misses 0\.\d+ % of them"):
        glaunti_features(gdir, dem_file=dem)


def test_cells_that_oggm_filled_count_as_missing(oggm_env):
    from oggm import cfg, tasks

    own = {"map_proj": "utm", "grid_dx_method": "fixed", "fixed_dx": 100, "border": 20}
    gdir = make_gdir(oggm_env, at(GLACIER), write_dem(oggm_env / "dem.tif", change=hole), **own)
    tasks.process_dem(gdir)
    cfg.PATHS["dem_file"] = ""
    with netCDF4.Dataset(gdir.get_filepath("gridded_data")) as nc:
        assert np.isfinite(nc["topo"][:]).all()
    with pytest.raises(ValueError, match=r"topo of gridded_data.nc misses 0\.\d+ % of them; .*dem.tif misses"):
        glaunti_features(gdir)


def test_a_dem_elsewhere_is_named_with_both_boxes(gdir, tmp_path):
    x, y = cell_centres((0, 0, 4000, 4000), 40.0, 300_000, 5_000_000)
    dem = write_raster(tmp_path / "elsewhere.tif", (x + y).astype("f4"), 300_000, 5_004_000, 40.0)
    here, there = (rf"longitude {a}[\d.]+ to {a}[\d.]+, latitude {b}[\d.]+ to" for a, b in ((6, 45), (10, 46)))
    match = rf"dem_file: elsewhere.tif does not overlap.* covers {here}.* cover {there}"
    with pytest.raises(InvalidParamsError, match=match) as caught:
        glaunti_features(gdir, dem_file=dem)
    assert "exchange" not in str(caught.value)


def test_an_outline_with_latitude_and_longitude_exchanged_is_named(gdir, tmp_path):
    lat = np.linspace(10.9, 10.5, 60)[:, None] + np.linspace(46.6, 47.0, 60)
    dem = write_raster(tmp_path / "exchanged.tif", lat.astype("f4"), 46.6, 10.9, 0.4 / 60, "EPSG:4326")
    with pytest.raises(InvalidParamsError, match="with latitude and longitude exchanged they would overlap"):
        glaunti_features(gdir, dem_file=dem)


def test_a_directorys_outline_that_crosses_itself_is_repaired_and_said(oggm_env, caplog):
    corners = list(GLACIER.exterior.coords)
    crossing = Polygon([*corners[:3], (990, 1990), (1030, 1990), *corners[3:]])
    assert not crossing.is_valid
    gdir = make_gdir(oggm_env, at(crossing), write_dem(oggm_env / "dem.tif"), border=60)
    grid, outline = outline_on_grid(gdir)
    assert outline.sum() == pytest.approx(cells_inside([at(GLACIER)], grid).sum(), abs=3)
    assert "RGI60-11.99998: the outline crosses itself" in caplog.text


def test_a_centre_that_is_nan_is_named(gdir):
    gdir.cenlon = np.nan
    with pytest.raises(InvalidParamsError, match="longitude and latitude of its centre are nan and 46"):
        outline_on_grid(gdir)


def zeros_on_the_tongue(heights):
    heights[130:160, 130:150] = 0


def flat(heights):
    heights[:] = 2500


def fill_values(heights):
    heights[130:160, 130:150] = 32767


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (zeros_on_the_tongue, r"600 of \d+ pixels of odd\.tif around the glacier are exactly 0 m, .* -a_nodata 0 FILE"),
        (fill_values, r"600 of \d+ pixels of odd\.tif around the glacier are exactly 32767 m"),
        (flat, r"odd\.tif is 2500 m everywhere around the glacier"),
    ],
)
def test_heights_that_are_none_are_refused(gdir, tmp_path, change, message):
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.99998: {message}"):
        glaunti_features(gdir, dem_file=write_dem(tmp_path / "odd.tif", change=change))


def test_shores_lakes_and_cliffs_are_no_missing_values():
    x, y = np.meshgrid(np.arange(0.0, 3000.0, 30.0), np.arange(0.0, 3000.0, 30.0))
    fjord = np.where(x < 600, 0.0, 1.2 * (x - 570))  # walls of 50 degrees
    lake = np.where(np.hypot(x - 2000, y - 1500) < 300, 1500.0, 1500.0 + 0.5 * np.hypot(x - 2000, y - 1500) - 150)
    peak = 3000.0 - np.hypot(x - 1500, y - 1500)
    for heights in (fjord, lake, peak):
        assert not undeclared_missing(heights.astype("f4"), 30.0)[1].any()
    holed = np.where((x > 1400) & (x < 1600) & (y > 1400) & (y < 1600), 0.0, fjord)
    value, missing = undeclared_missing(holed.astype("f4"), 30.0)
    assert (value, missing.sum()) == (0.0, 49)


def to_feet(heights):
    heights *= 3.28084
    heights += 3000


def test_heights_that_cannot_be_metres_are_refused(gdir, tmp_path):
    with pytest.raises(ValueError, match=r"feet.tif \(dem_file\) holds heights from \d+ to 1\d{4} m.*in metres"):
        glaunti_features(gdir, dem_file=write_dem(tmp_path / "feet.tif", change=to_feet))


def test_a_raster_that_is_no_raster_is_named(gdir, tmp_path):
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(ValueError, match=r"text\.tif cannot be read as a raster"):
        glaunti_features(gdir, dem_file=tmp_path / "text.tif")
    with pytest.raises(ValueError, match=r"nowhere\.tif does not exist"):
        glaunti_features(gdir, dem_file=tmp_path / "nowhere.tif")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"crs": None}, "has no coordinate system"),
        ({"transform": rasterio.Affine(40, 0, WEST - 4000, 0, 40, SOUTH - 4000)}, "is not north up"),
        ({"transform": rasterio.Affine(40, 1, WEST - 4000, 1, -40, SOUTH + 6000)}, "is not north up"),
    ],
)
def test_a_raster_in_no_usable_form_is_refused(gdir, tmp_path, profile, message):
    with pytest.raises(ValueError, match=f"RGI60-11.99998: dem_file: .*odd.tif {message}"):
        glaunti_features(gdir, dem_file=write_dem(tmp_path / "odd.tif", **profile))


# --- tiles -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def gdir_of_tiles(oggm_env: Path):
    """A directory of the Copernicus DEM with a border too small for the margin."""
    from oggm import cfg

    gdir = make_gdir(oggm_env, at(GLACIER), write_dem(oggm_env / "dem.tif"), border=10)
    gdir.add_to_diagnostics("dem_source", "COPDEM90")
    cfg.PATHS["dem_file"] = ""
    return gdir


def tiles(folder: Path, monkeypatch, change=(None, None), take=(0, 1)) -> list:
    """Two tiles that meet in the middle of the glacier, as OGGM would have downloaded them."""
    from oggm import utils

    middle = 1000.0
    extents = ((EXTENT[0], EXTENT[1], middle, EXTENT[3]), (middle, EXTENT[1], *EXTENT[2:]))
    paths = [str(write_dem(folder / f"tile{k}.tif", extents[k], change=change[k], nodata=-32767)) for k in take]
    calls = []

    def get_topo_file(lon_ex, lat_ex, gdir=None, **kwargs):
        calls.append((lon_ex, lat_ex, kwargs))
        return paths, kwargs["source"]

    monkeypatch.setattr(utils, "get_topo_file", get_topo_file)
    return calls


def test_the_margin_comes_from_tiles_joined_without_a_seam(gdir_of_tiles, tmp_path, monkeypatch):
    calls = tiles(tmp_path, monkeypatch)
    glaunti_features(gdir_of_tiles)
    features = read_features(gdir_of_tiles)
    np.testing.assert_allclose(features.elevation, slope(*centres_of(features)), atol=0.01)
    assert attributes_of(gdir_of_tiles)["dem_origin"] == "tiles of COPDEM90"
    assert attributes_of(gdir_of_tiles)["dem_files"] == "tile0.tif, tile1.tif"
    ((lons, lats, kwargs),) = calls
    assert kwargs["source"] == "COPDEM90"
    lon, lat = Transformer.from_crs(UTM32, "EPSG:4326", always_xy=True).transform(*centres_of(features))
    assert lons[0] < lon.min() < lon.max() < lons[1]
    assert lats[0] < lat.min() < lat.max() < lats[1]


def test_missing_values_of_copernicus_are_sea_but_a_missing_tile_is_not(gdir_of_tiles, tmp_path, monkeypatch):
    def sea(heights):
        heights[:, 40:] = -32767

    tiles(tmp_path, monkeypatch, change=(None, sea))
    glaunti_features(gdir_of_tiles)
    assert (read_features(gdir_of_tiles).elevation == 0).any()
    tiles(tmp_path, monkeypatch, take=(0,))
    with pytest.raises(ValueError, match=r"tiles of COPDEM90 misses [\d.]+ % of them"):
        glaunti_features(gdir_of_tiles)


def test_without_a_network_the_tiles_are_named_among_the_reasons(gdir_of_tiles):
    with pytest.raises(
        ValueError, match=r"dem.tif misses [\d.]+ % of them; tiles of COPDEM90 cannot be had \(NoInternet"
    ):
        glaunti_features(gdir_of_tiles)


# --- uncertainty -----------------------------------------------------------------------------------------------------


def test_without_a_raster_the_uncertainty_is_the_parameter(gdir):
    from oggm import cfg

    glaunti_features(gdir)
    assert np.unique(read_features(gdir).elevation_std).tolist() == [5.0]
    cfg.PARAMS["glaunti_elevation_std"] = 3.0
    glaunti_features(gdir, filesuffix="_rofental")
    assert np.unique(read_features(gdir, filesuffix="_rofental").elevation_std).tolist() == [3.0]
    glaunti_features(gdir, elevation_std=7)
    assert np.unique(read_features(gdir).elevation_std).tolist() == [7.0]


def test_an_uncertainty_raster_is_resampled_bilinearly(gdir, tmp_path):
    x, y = cell_centres(EXTENT, 90.0)
    path = write_raster(tmp_path / "std.tif", (slope(x, y) / 500).astype("f4"), WEST - 4000, SOUTH + 6000, 90.0)
    glaunti_features(gdir, elevation_std=path)
    features = read_features(gdir)
    np.testing.assert_allclose(features.elevation_std, slope(*centres_of(features)) / 500, atol=1e-4)
    assert attributes_of(gdir)["elevation_std_source"] == "std.tif"


@pytest.mark.slow
@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_an_impossible_uncertainty_is_refused(gdir, tmp_path, bad):
    with pytest.raises(ValueError, match=r"RGI60-11\.99998: elevation_std is"):
        glaunti_features(gdir, elevation_std=bad)
    std = np.full((250, 250), 4, "f4")
    std[120:125, 120:125] = 100 * bad
    path = write_raster(tmp_path / "std.tif", std, WEST - 4000, SOUTH + 6000, 40.0)
    what = "are negative" if bad < 0 else "have no value"
    with pytest.raises(ValueError, match=rf"elevation_std: .*std.tif: 0\.\d+ % of the 2597 cells .*{what}"):
        glaunti_features(gdir, elevation_std=path)


# --- facies ----------------------------------------------------------------------------------------------------------


def write_facies(path: Path, change=None, cell: float = 20.0) -> Path:
    """Ice in the west, snow in the east, each with a score of one and a confidence of 0.8."""
    x, _ = cell_centres(EXTENT, cell)
    scores = np.zeros((9, *x.shape), "f4")
    scores[0], scores[1], scores[8] = x < WEST + 1050, x >= WEST + 1050, 0.8
    if change is not None:
        change(scores)
    return write_raster(path, scores, WEST + EXTENT[0], SOUTH + EXTENT[3], cell)


def test_without_a_map_there_are_no_facies(gdir):
    glaunti_features(gdir)
    assert read_features(gdir).facies is None
    assert attributes_of(gdir)["facies_source"] == "none"


def test_facies_are_the_shares_of_the_pixels_in_a_cell(gdir, tmp_path):
    # The border runs through the middle of a column of cells.
    glaunti_features(gdir, facies=write_facies(tmp_path / "facies.tif", cell=10.0))
    features = read_features(gdir)
    ice, snow = features.facies[:2]
    x, _ = centres_of(features)
    np.testing.assert_allclose(ice, np.select([x < WEST + 1000, x < WEST + 1100], [1, 0.5], 0), atol=1e-6)
    np.testing.assert_allclose(features.facies[:8].sum(axis=0), 1, atol=1e-6)
    np.testing.assert_allclose(features.facies[8], 0.8, atol=1e-6)
    assert snow.max() == 1
    assert attributes_of(gdir)["facies_source"] == "facies.tif"


def test_a_missing_score_is_zero_and_a_missing_pixel_is_minus_one_in_all_bands(gdir, tmp_path):
    x, y = cell_centres(EXTENT, 20.0)

    def change(scores):
        scores[2:8, y < SOUTH + 1000] = np.nan
        scores[:, x < WEST + 300] = np.nan
        scores[:, x > WEST + 1550] = -1  # half of a column of cells, and all beyond

    glaunti_features(gdir, facies=write_facies(tmp_path / "facies.tif", change))
    features = read_features(gdir)
    x, y = centres_of(features)
    absent = (x < WEST + 300) | (x > WEST + 1600)
    assert (features.facies[:, absent] == -1).all()
    assert (features.facies[2:8, ~absent] == 0).all()
    np.testing.assert_allclose(features.facies[8, ~absent], 0.8, atol=1e-6)


def test_a_map_on_the_same_cells_is_taken_as_it_is(gdir, tmp_path):
    grid, _ = outline_on_grid(gdir)
    scores = np.random.default_rng(1).random((9, *grid.shape)).astype("f4")
    glaunti_features(gdir, facies=write_raster(tmp_path / "own.tif", scores, grid.west, grid.north, 100.0))
    np.testing.assert_allclose(read_features(gdir).facies, scores, atol=1e-6)


def percent(scores):
    scores *= 100


def minus_one_in_some_bands(scores):
    scores[3, 100:200, 100:200] = -1


def nothing(scores):
    scores[:] = np.nan


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (percent, r"100 % of the pixels .* outside 0\.\.1 \(found 0 to 100\)"),
        (minus_one_in_some_bands, r"[\d.]+ % of the pixels .* outside 0\.\.1 \(found -1 to 1\)"),
        (nothing, "has no value in any cell"),
    ],
)
def test_facies_that_cannot_be_scores_are_refused(gdir, tmp_path, change, message):
    with pytest.raises(ValueError, match=f"RGI60-11.99998: facies: .*facies.tif:? {message}"):
        glaunti_features(gdir, facies=write_facies(tmp_path / "facies.tif", change))


def test_a_map_of_classes_is_refused(gdir, tmp_path):
    with pytest.raises(ValueError, match=r"facies: .*classes.tif has 1 bands; expected 9"):
        glaunti_features(gdir, facies=write_dem(tmp_path / "classes.tif"))


# --- Features --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elevation": np.zeros((31, 33))}, r"elevation has shape \(31, 33\); expected \(32, 33\)"),
        ({"facies": np.zeros((8, 32, 33))}, r"facies has shape \(8, 32, 33\); expected \(9, 32, 33\)"),
        ({"elevation": np.full((32, 33), np.nan)}, r"elevation: 1056 of 1056 cells \(100 %\) are NaN"),
        ({"outline": np.zeros((32, 33))}, "1 in at least one cell"),
        ({"outline": np.full((32, 33), 0.5)}, "expected 0 and 1"),
        ({"elevation_std": np.full((32, 33), -1)}, "elevation_std: 1056 of 1056 cells .* are negative"),
        ({"facies": np.full((9, 32, 33), 2)}, "neither scores from 0 to 1 nor -1"),
        ({"x": 50.0 * np.arange(33)}, "x has steps of 50 to 50 m; expected 100 m"),
        ({"y": 100.0 * np.arange(32)}, "y has steps of 100 to 100 m; expected -100 m"),
        ({"crs": "EPSG:2056"}, "expected a UTM zone"),
    ],
)
def test_features_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small_features(**changes)


def test_the_digest_changes_with_every_array():
    features = small_features()
    others = [
        small_features(elevation=features.elevation + np.float32(0.001)),
        small_features(elevation_std=features.elevation_std + 1),
        small_features(outline=np.ones_like(features.outline)),
        small_features(facies=np.full((9, 32, 33), -1)),
        small_features(x=features.x + 100),
        small_features(y=features.y + 100),
        small_features(crs="EPSG:32633"),
    ]
    assert len({features.digest(), *(other.digest() for other in others)}) == 8
    assert features.digest() == dataclasses.replace(features).digest()


# --- the file --------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(gdir, tmp_path):
    glaunti_features(gdir, facies=write_facies(tmp_path / "facies.tif"))
    features = read_features(gdir)
    features_file.write_features(gdir, features, {}, "_again")
    again = read_features(gdir, filesuffix="_again")
    assert again.digest() == features.digest()
    assert again.glacier.dtype == bool


def test_the_file_is_cf_and_xarray_and_gis_programs_understand_it(gdir, tmp_path):
    import xarray as xr
    from pyproj import CRS

    glaunti_features(gdir, facies=write_facies(tmp_path / "facies.tif"))
    with xr.open_dataset(gdir.get_filepath("glaunti_features")) as ds:
        assert ds.outline.dims == ("y", "x")
        assert ds.facies.dims == ("band", "y", "x")
        assert tuple(ds.band_name.values) == FACIES_BANDS
        assert ds.x.attrs["standard_name"] == "projection_x_coordinate"
        assert ds.elevation.attrs["standard_name"] == "surface_altitude"
        assert {ds[name].dtype.name for name in ("outline", "elevation", "elevation_std", "facies")} == {"float32"}
        assert all(
            ds[name].attrs["units"] in ("m", "1") for name in ("outline", "elevation", "elevation_std", "facies")
        )
        assert ds.elevation.attrs["grid_mapping"] == "crs"
        assert CRS.from_cf(ds.crs.attrs).to_epsg() == 32632
        assert ds.crs.attrs["GeoTransform"].split()[1:3] == ["100.0", "0.0"]
        assert ds.attrs["rgi_id"] == gdir.rgi_id


def test_a_missing_file_names_the_task(gdir):
    with pytest.raises(
        ValueError, match=r"RGI60-11.99998: glaunti_features_x.nc not found.*glaunti_features\(gdir, filesuffix='_x'\)"
    ):
        read_features(gdir, filesuffix="_x")


def remove_std(nc):
    nc.renameVariable("elevation_std", "std")


def spoil_elevation(nc):
    nc["elevation"][3, 4] = np.nan


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "message"),
    [(remove_std, "no variables elevation_std"), (spoil_elevation, r"elevation: 1 of \d+ cells .* are NaN")],
)
def test_a_file_that_was_changed_is_refused(gdir, spoil, message):
    glaunti_features(gdir)
    with netCDF4.Dataset(gdir.get_filepath("glaunti_features"), "a") as nc:
        spoil(nc)
    with pytest.raises(ValueError, match=rf"RGI60-11.99998: glaunti_features.nc cannot be used: {message}.* again"):
        read_features(gdir)


def test_a_damaged_file_is_named(gdir):
    Path(gdir.get_filepath("glaunti_features")).write_bytes(b"CDF?")
    with pytest.raises(ValueError, match=r"glaunti_features.nc cannot be used"):
        read_features(gdir)


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(gdir, monkeypatch):
    glaunti_features(gdir)
    before = Path(gdir.get_filepath("glaunti_features")).read_bytes()
    names = {path.name for path in Path(gdir.dir).iterdir()}

    def full_disk(nc, features):
        raise OSError("No space left on device")

    monkeypatch.setattr(features_file, "write_coordinates", full_disk)
    with pytest.raises(InvalidWorkflowError, match="No space left"):
        glaunti_features(gdir, elevation_std=9.0)
    assert Path(gdir.get_filepath("glaunti_features")).read_bytes() == before
    assert {path.name for path in Path(gdir.dir).iterdir()} == names


def test_the_task_is_known_to_oggm(gdir):
    from oggm import cfg, workflow

    assert cfg.BASENAMES["glaunti_features"] == "glaunti_features.nc"
    workflow.execute_entity_task(glaunti_features, [gdir], elevation_std=4.0)
    assert gdir.get_task_status("glaunti_features") == "SUCCESS"
    assert np.unique(read_features(gdir).elevation_std).tolist() == [4.0]


# --- real glaciers ---------------------------------------------------------------------------------------------------


def test_grosser_aletsch_is_its_directorys_grid_cropped(aletsch_gdir):
    glaunti_features(aletsch_gdir)
    features = read_features(aletsch_gdir)
    # OGGM made its grid with a border of 40 cells around the outline.
    with netCDF4.Dataset(aletsch_gdir.get_filepath("gridded_data")) as nc:
        inner = slice(25, -25), slice(25, -25)
        np.testing.assert_array_equal(features.elevation, nc["topo"][inner])
        np.testing.assert_array_equal(features.outline, nc["glacier_mask"][inner])
    grid = json.loads(Path(aletsch_gdir.get_filepath("glacier_grid")).read_text())
    assert features.x[0] == pytest.approx(grid["x0y0"][0] + 2500, abs=1e-6)
    assert features.y[0] == pytest.approx(grid["x0y0"][1] - 2500, abs=1e-6)
    assert features.shape == (214, 149)
    assert features.glacier.sum() == 8224
    assert attributes_of(aletsch_gdir)["dem_source"] == "COPDEM90"


def test_hintereisferner_from_outline_and_srtm_is_like_the_rofental_grid(hef_gdir, shared):
    from scipy.interpolate import RegularGridInterpolator

    srtm = shared / "data" / "oggm-sample-data" / "test-workflow" / "srtm_oetztal.tif"
    glaunti_features(hef_gdir, dem_file=srtm)
    features = read_features(hef_gdir)
    with np.load(shared / "reference" / "hef_real.npz") as npz:
        outline, elevation = npz["outlines"] > 0, npz["elevation"].astype(float)
        x = float(npz["x0"]) + 50 + 100 * np.arange(outline.shape[1])
        y = float(npz["y_top"]) - 50 - 100 * np.arange(outline.shape[0])
    assert features.crs.to_epsg() == 32632
    assert features.shape == outline.shape
    assert features.glacier.sum() == pytest.approx(outline.sum(), rel=0.01)
    assert features.glacier.sum() * 0.01 == pytest.approx(hef_gdir.rgi_area_km2, rel=0.01)
    ours = RegularGridInterpolator((-features.y, features.x), features.elevation, bounds_error=False)
    difference = ours(np.stack(np.meshgrid(-y, x, indexing="ij"), axis=-1)) - elevation
    # SRTM is from February 2000, the other DEM from later: the glacier has thinned, rock has not moved.
    rock = difference[~outline & np.isfinite(difference)]
    assert abs(np.median(rock)) < 3
    assert 3 < difference[outline].mean() < 15


def test_hintereisferner_without_its_dem_file_takes_the_directorys_dem(hef_gdir):
    glaunti_features(hef_gdir)
    assert attributes_of(hef_gdir)["dem_origin"] == "the directory's dem.tif"
    assert read_features(hef_gdir).shape == (68, 90)
