"""Outlines as people have them: what is repaired and said, what is refused, and why."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from oggm.exceptions import InvalidParamsError
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Polygon

from oggm_glaunti.workflows.outlines import check_outlines, read_outlines
from oggm_glaunti.workflows.valley import RGI_ID, valley_outline, write_dem

HERE = valley_outline()
POLYGON = HERE.geometry.iloc[0]
IN_UTM = HERE.to_crs("EPSG:32632").representative_point().iloc[0]
AREA = float(HERE["Area"].iloc[0])


@pytest.fixture(scope="module")
def dem(tmp_path_factory) -> Path:
    return write_dem(tmp_path_factory.mktemp("dem") / "dem.tif")


@pytest.fixture
def check(tmp_path, oggm_env):
    """Write outlines, read them again and check them."""

    def checked(outlines: gpd.GeoDataFrame, dem: Path | None = None, crs: str | None = None):
        outlines.to_file(tmp_path / "outlines.gpkg")
        return check_outlines(read_outlines(tmp_path / "outlines.gpkg", 2000, crs), dem)

    return checked


def changed(geometry=POLYGON, **attributes) -> gpd.GeoDataFrame:
    return HERE.assign(geometry=[geometry], **attributes)


def spiked(polygon=POLYGON) -> Polygon:
    """A polygon whose ring crosses itself in a loop of a few metres."""
    ring = list(polygon.exterior.coords)
    (x, y), (x1, y1) = ring[40], ring[41]
    return Polygon([*ring[:41], (x1, y1 + 1e-4), (x, y + 1e-4), (x1 + 1e-4, y1), *ring[41:]])


def test_an_outline_without_faults_is_left_alone(check, dem):
    outlines, failures, said = check(HERE, dem)
    assert (failures, said) == ({}, [])
    assert outlines.geometry.iloc[0].equals(POLYGON)
    assert (
        outlines[["Area", "CenLon", "CenLat"]].iloc[0].tolist() == HERE[["Area", "CenLon", "CenLat"]].iloc[0].tolist()
    )


def test_an_outline_that_crosses_itself_is_repaired_and_said_with_both_areas(check, dem):
    assert not spiked().is_valid
    outlines, failures, said = check(changed(spiked()), dem)
    assert not failures
    assert outlines.geometry.iloc[0].is_valid
    assert said[0].startswith(f"{RGI_ID}: the outline crosses itself or its parts overlap (Self-intersection[")
    assert f"repaired: {AREA:.2f}" in said[0]
    assert outlines["Area"].iloc[0] == pytest.approx(AREA, rel=0.01)


NO_POLYGON = "expected a polygon as outline, found "
BOWTIE = Polygon([(10.0, 46.0), (10.1, 46.1), (10.1, 46.0), (10.0, 46.1)])


@pytest.mark.parametrize(
    ("geometry", "said"),
    [
        (POLYGON.representative_point().buffer(2e-5), "the outline is 10.6 m2; expected at least 500 m2"),
        (BOWTIE, "Repaired, it is 43.012 km2 in 2 parts (0.000 km2 before), the largest 21.5"),
        (None, NO_POLYGON + "no geometry"),
        (Polygon(), NO_POLYGON + "an empty Polygon"),
        (LineString([(10.0, 46.0), (10.1, 46.1)]), NO_POLYGON + "a LineString"),
        (Polygon([(10.0, 46.0), (10.1, 46.0), (10.1, np.inf)]), "coordinates of the outline are NaN or infinite"),
    ],
)
def test_outlines_that_are_none_are_failures_and_the_others_go_on(check, geometry, said):
    bad = changed(geometry, RGIId="RGI60-11.00002")
    outlines, failures, _ = check(gpd.pd.concat([bad, HERE]))
    assert outlines["RGIId"].tolist() == [RGI_ID]
    assert list(failures) == ["RGI60-11.00002"]
    assert said in failures["RGI60-11.00002"]


def test_of_several_parts_the_largest_is_run_and_said(check):
    other = translate(shapely.affinity.scale(POLYGON, 0.3, 0.3), 0.1)
    _, failures, said = check(changed(MultiPolygon([other, POLYGON]), Area=1.09 * AREA))
    assert not failures
    (line,) = said
    assert line.startswith(f"{RGI_ID}: 2 parts; OGGM runs the largest, {AREA:.2f}")
    holed = Polygon(POLYGON.exterior, [shapely.affinity.scale(POLYGON, 0.1, 0.1).exterior])
    assert check(changed(holed))[1:] == ({}, [])


@pytest.mark.parametrize("area", [0.0, np.nan, -9999.0, AREA * 1e6, AREA / 2])
def test_an_area_that_is_not_the_polygons_is_replaced_and_both_are_said(check, area):
    outlines, failures, said = check(changed(Area=area))
    assert not failures
    assert outlines["Area"].iloc[0] == pytest.approx(AREA, rel=2e-3)
    assert said == [f"{RGI_ID}: Area is {area} km2; the polygon's own is used, {outlines['Area'].iloc[0]:.3f} km2"]


@pytest.mark.parametrize(("lon", "lat"), [(0.0, 0.0), (np.nan, 46.0), (10.0, np.nan)])
def test_a_centre_that_is_none_becomes_the_polygons(check, lon, lat):
    outlines, failures, said = check(changed(CenLon=lon, CenLat=lat))
    assert not failures
    assert POLYGON.contains(shapely.Point(*outlines[["CenLon", "CenLat"]].iloc[0]))
    assert len(said) == 1
    assert f"CenLon and CenLat are {lon} and {lat}; the polygon's own are used, " in said[0]


def test_a_centre_elsewhere_is_refused_and_an_exchange_of_the_two_is_named(check):
    lon, lat = HERE["CenLon"].iloc[0], HERE["CenLat"].iloc[0]
    _, failures, _ = check(changed(CenLon=lon + 3))
    assert "but the polygon covers longitude 10." in failures[RGI_ID]
    assert "exchanged" not in failures[RGI_ID]
    swapped = shapely.transform(POLYGON, lambda x, y: (y, x), interleaved=False)
    _, failures, _ = check(changed(swapped))
    assert f"CenLon and CenLat are {lon:g} and {lat:g}, but the polygon covers longitude 46." in failures[RGI_ID]
    assert "latitude and longitude of the polygon seem to be exchanged" in failures[RGI_ID]


def test_an_outline_off_the_dem_is_named_with_both_extents_and_an_exchange(check, dem):
    _, failures, _ = check(changed(translate(POLYGON, 3.0), CenLon=HERE["CenLon"] + 3), dem)
    boxes = "covers longitude 10.", "; the glacier's maps cover longitude 13."
    assert all(box in failures[RGI_ID] for box in ("DEM: dem.tif does not overlap", *boxes)), failures
    swapped = shapely.transform(POLYGON, lambda x, y: (y, x), interleaved=False)
    _, failures, _ = check(gpd.GeoDataFrame(geometry=[swapped], crs="EPSG:4326"), dem)
    assert "with latitude and longitude exchanged they would overlap" in failures["RGI60-00.00001"]


def test_an_outline_that_reaches_beyond_the_dem_is_refused(check, dem, tmp_path):
    def northern_half(heights, profile):
        return heights[: len(heights) // 2], profile

    _, failures, _ = check(HERE, rewritten(dem, tmp_path / "half.tif", northern_half))
    assert " % of the outline lie beyond half.tif, which covers longitude 10." in failures[RGI_ID]


def test_a_few_pixels_beyond_the_dem_are_said(check, dem, tmp_path):
    """As where a glacier ends at the border of a country, and so does the DEM."""
    north = HERE.to_crs("EPSG:32632").total_bounds[3]

    def cut_at_its_end(heights, profile):
        rows = int((profile["transform"].f - north) / -profile["transform"].e) + 1
        return heights[rows:], profile | {"transform": profile["transform"] @ rasterio.Affine.translation(0, rows)}

    _, failures, said = check(HERE, rewritten(dem, tmp_path / "cut.tif", cut_at_its_end))
    assert not failures
    assert len(said) == 1
    assert "pixels of cut.tif inside the outline are missing or beyond its edge; OGGM interpolates them" in said[0]


def rewritten(dem: Path, path: Path, change) -> Path:
    with rasterio.open(dem) as source:
        heights, profile = change(source.read(1), source.profile)
    profile |= {"height": heights.shape[0], "dtype": heights.dtype}
    with rasterio.open(path, "w", **profile) as target:
        target.write(heights, 1)
    return path


def with_tongue(value, dtype="float32", **more):
    def change(heights, profile):
        heights = heights.copy()
        row, column = rasterio.transform.rowcol(profile["transform"], *IN_UTM.coords[0])
        heights[row - 5 : row + 10, column - 5 : column + 15] = value
        return heights.astype(dtype), profile | more

    return change


def flat(heights, profile):
    return np.full_like(heights, 3000.0), profile


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_tongue(0, "int16"), "300 of "),
        (with_tongue(0, "int16"), "are exactly 0 m, all others between 2"),
        (with_tongue(32767, "int16"), "are exactly 32767 m"),
        (flat, "odd.tif is 3000 m everywhere around the glacier"),
        (lambda heights, profile: (heights * 3.28084, profile), "Are they in metres"),
        (lambda heights, profile: (np.full_like(heights, np.nan), profile), "odd.tif has no value inside the outline"),
    ],
)
def test_a_dem_that_is_none_is_refused_for_its_glaciers(check, dem, tmp_path, change, said):
    _, failures, _ = check(HERE, rewritten(dem, tmp_path / "odd.tif", change))
    assert said in failures[RGI_ID]


@pytest.mark.parametrize("change", [with_tongue(-32768, "int16", nodata=-32768), with_tongue(-9999, "int16")])
def test_missing_heights_inside_the_outline_are_said(check, dem, tmp_path, change):
    _, failures, said = check(HERE, rewritten(dem, tmp_path / "holed.tif", change))
    assert not failures
    assert len(said) == 1
    assert "pixels of holed.tif inside the outline are missing; OGGM interpolates them" in said[0]


def test_ids_that_are_none_or_twice_are_failures(check):
    names = ("", "Aletsch", "RGI60-11.00003", "RGI60-11.000031", "RGI60-11.00003_d01")
    outlines, failures, _ = check(gpd.pd.concat([HERE, HERE, *(changed(RGIId=name) for name in names)]))
    assert outlines["RGIId"].tolist() == ["RGI60-11.00003", "RGI60-11.00003_d01"]
    assert list(failures) == [RGI_ID, "row 3", "Aletsch", "RGI60-11.000031"]
    assert failures[RGI_ID].startswith("the id is that of rows 1, 2;")
    assert "expected an id such as RGI60-11.00897" in failures["Aletsch"]


def test_a_file_without_a_coordinate_system_says_how_to_give_it(tmp_path, oggm_env):
    path = tmp_path / "outlines.shp"
    HERE.to_file(path)
    path.with_suffix(".prj").unlink()
    with pytest.raises(InvalidParamsError) as caught:
        read_outlines(path, 2000)
    for part in ("(outlines.prj beside it is missing)", "from 10.", "look like degrees (EPSG:4326): give it by --crs"):
        assert part in str(caught.value)
    assert read_outlines(path, 2000, "EPSG:4326").geometry.iloc[0].equals(POLYGON)
    with pytest.raises(InvalidParamsError, match="--crs: 'Austria' is no coordinate system"):
        read_outlines(path, 2000, "Austria")


def test_a_coordinate_system_that_the_coordinates_cannot_be_of_is_refused(check, tmp_path):
    metres = HERE.to_crs("EPSG:32632")
    with pytest.raises(InvalidParamsError, match=r"is WGS 84, but .* look like metres of a map projection; .* --crs"):
        check(metres.set_crs("EPSG:4326", allow_override=True))
    with pytest.raises(InvalidParamsError, match=r"is WGS 84 / UTM zone 32N, but .* look like degrees"):
        check(HERE.set_crs("EPSG:32632", allow_override=True))
    outlines, *_ = check(metres.set_crs("EPSG:4326", allow_override=True), crs="EPSG:32632")
    assert outlines.geometry.iloc[0].equals_exact(POLYGON, 1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32632"])
@pytest.mark.parametrize("away", [(5e6, 0.0), (1e12, 0.0), (0.0, 1e30), (float("inf"), 0.0)])
def test_one_outline_that_lies_nowhere_is_no_reason_to_refuse_the_others(check, dem, crs, away):
    here = HERE.to_crs(crs)
    wild = here.assign(geometry=[translate(here.geometry.iloc[0], *away)], RGIId="RGI60-11.00002")
    outlines, failures, _ = check(gpd.pd.concat([here, wild]), dem)
    assert outlines["RGIId"].tolist() == [RGI_ID]
    assert list(failures) == ["RGI60-11.00002"]


def test_without_ids_too_one_outline_that_lies_nowhere_is_refused_alone(check, dem):
    wild = [translate(POLYGON, *away) for away in ((5e6, 5e6), (0.0, 5e6), (5e6, 0.0))]
    outlines, failures, _ = check(gpd.GeoDataFrame(geometry=[POLYGON] * 3 + wild, crs="EPSG:4326"), dem)
    assert len(outlines) == 3
    assert len(failures) == 3
    assert all("the outline lies nowhere on Earth, at longitude " in text for text in failures.values())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bowtie", "Repaired, it is 6.789 km2 in 2 parts (0.000 km2 before)"),
        ("swapped", "latitude and longitude of the polygon seem to be exchanged"),
        ("nodem", "dem.tif does not overlap the glacier: it covers longitude 10."),
    ],
)
def test_outlines_that_misled_the_command_fail_with_their_reason(shared, dem, oggm_env, name, said):
    _, failures, _ = check_outlines(read_outlines(shared / "cases" / "shapes" / f"{name}.shp", 2003), dem)
    assert said in failures["RGI60-11.00897"]


def test_the_outline_without_projection_is_refused(shared, oggm_env):
    with pytest.raises(InvalidParamsError, match=r"noprj\.shp has no coordinate system \(noprj\.prj beside it"):
        read_outlines(shared / "cases" / "shapes" / "noprj.shp", 2003)
