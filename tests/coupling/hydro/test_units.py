"""Units on the grid of Grosser Aletsch."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError
from rasterio.transform import from_origin
from shapely.geometry import box

from oggm_glaunti.analysis import catchment_of
from oggm_glaunti.coupling.hydro.file import read_daily_hydro
from oggm_glaunti.coupling.hydro.units import read_units
from oggm_glaunti.coupling.hydro.weights import spread
from oggm_glaunti.tasks import run_with_daily_hydro
from tests.coupling.hydro.test_run import require_closed
from tests.coupling.hydro.test_task import SplitA

GAUGE = 8.006712, 46.385557


@given(seed=st.integers(0, 100))
def test_weights_sum_values_as_interpolation_reads_them(seed):
    rng = np.random.default_rng(seed)
    nodes, heights = np.arange(2000.0, 3001.0, 10.0), rng.uniform(2000.0, 3000.0, 30)
    areas, values = rng.random((30, 2)), rng.random(nodes.size)
    np.testing.assert_allclose(values @ spread(heights, areas, nodes), np.interp(heights, nodes, values) @ areas)


def polygons(gdir, *boxes):
    """Boxes in rows and columns of the grid, as a frame."""
    grid = gdir.grid
    corners = [box(grid.x_coord[a], grid.y_coord[d], grid.x_coord[c], grid.y_coord[b]) for a, b, c, d in boxes]
    return gpd.GeoDataFrame({"name": [f"unit{k}" for k in range(len(corners))]}, geometry=corners, crs=grid.proj.srs)


def test_a_geopackage_a_raster_and_numbers_are_the_same_units(aletsch_gdir, tmp_path):
    gdir, grid = aletsch_gdir, aletsch_gdir.grid
    frame = polygons(gdir, (20, 20, 80, 120), (80, 20, 150, 120))
    frame.to_crs(4326).to_file(tmp_path / "units.gpkg")
    of_polygons = read_units(gdir, tmp_path / "units.gpkg")
    numbers = np.zeros((grid.ny, grid.nx), np.int16)
    numbers[20:120, 20:80], numbers[20:120, 80:150] = 1, 2
    where = from_origin(grid.corner_grid.x0, grid.corner_grid.y0, grid.dx, -grid.dy)
    about = {"height": grid.ny, "width": grid.nx, "count": 1, "dtype": "int16", "crs": grid.proj.srs, "nodata": -1}
    with rasterio.open(tmp_path / "units.tif", "w", driver="GTiff", transform=where, **about) as tif:
        tif.write(numbers, 1)
    of_raster, of_numbers = read_units(gdir, tmp_path / "units.tif"), read_units(gdir, numbers)
    assert of_polygons.names == ("unit0", "unit1")
    assert of_raster.names == of_numbers.names == ("1", "2")
    np.testing.assert_array_equal(of_raster.cell_unit, of_numbers.cell_unit)
    # Cell centres on an edge may fall to either side.
    for k in range(2):
        counts = [(one.cell_unit == k).sum() for one in (of_polygons, of_numbers)]
        assert counts[0] == pytest.approx(counts[1], rel=0.03)


def test_units_that_overlap_or_reach_beyond_the_dem_are_refused_by_name(aletsch_gdir):
    overlapping = polygons(aletsch_gdir, (20, 20, 80, 120), (70, 20, 150, 120))
    with pytest.raises(InvalidParamsError, match="unit0 and unit1 overlap"):
        read_units(aletsch_gdir, overlapping)
    beyond = polygons(aletsch_gdir, (20, 20, 80, 120))
    beyond["geometry"] = beyond.translate(-6000.0, 0.0)
    with pytest.raises(InvalidParamsError, match=r"km2 of unit0 lie on the DEM.*larger border"):
        read_units(aletsch_gdir, beyond)
    with pytest.raises(InvalidParamsError, match="expected an array"):
        read_units(aletsch_gdir, np.ones((3, 3)))
    with pytest.raises(InvalidParamsError, match="whole numbers"):
        read_units(aletsch_gdir, np.full((aletsch_gdir.grid.ny, aletsch_gdir.grid.nx), 0.5))


def test_the_catchment_of_a_gauge(aletsch_gdir):
    massa = catchment_of(aletsch_gdir, *GAUGE, area=195.5)
    assert massa.area == pytest.approx(194.8, abs=0.1)
    assert massa.moved < 700.0
    with pytest.raises(InvalidParamsError, match=r"no catchment of 100.0 km2"):
        catchment_of(aletsch_gdir, *GAUGE, area=100.0)
    with pytest.raises(InvalidParamsError, match="outside the DEM"):
        catchment_of(aletsch_gdir, 9.0, 46.4)


def test_water_by_unit_is_the_water_of_the_whole(aletsch_gdir):
    gdir = aletsch_gdir
    mask = catchment_of(gdir, *GAUGE, area=195.5).mask
    halves = np.where(mask, 1 + (np.arange(mask.shape[0])[:, None] > 130), 0)
    how = {"ys": 2003, "ye": 2005, "mb_model_class": SplitA}
    for name, units in (("_whole", mask), ("_halves", halves)):
        run_with_daily_hydro(gdir, units=units, routing=5.0, output_filesuffix=name, **how)
    whole, parts = read_daily_hydro(gdir, "_whole"), read_daily_hydro(gdir, "_halves")
    require_closed(parts)
    assert parts.unit.values.tolist() == ["1", "2"]
    # The ground of a unit is scaled to the area that its cells leave to the flowlines' glacier.
    for name, most in {
        "melt_on_glacier": 1e-9,
        "melt_off_glacier": 2e-3,
        "snow_bucket": 2e-3,
        "discharge": 2e-3,
    }.items():
        np.testing.assert_allclose(parts[name].sum("unit"), whole[name].sum("unit"), rtol=most, err_msg=name)
    area = (parts.on_area + parts.off_area).sum("unit")
    np.testing.assert_allclose(area, mask.sum() * 1e4)


def test_a_unit_that_is_all_glacier_keeps_its_area(aletsch_gdir):
    from oggm_glaunti.coupling.oggm.netcdf import netcdf_file

    with netcdf_file(aletsch_gdir.get_filepath("gridded_data")) as nc:
        glacier = np.asarray(nc["glacier_mask"][:]) > 0
    run_with_daily_hydro(aletsch_gdir, units=glacier, ys=2003, ye=2006, mb_model_class=SplitA)
    water = read_daily_hydro(aletsch_gdir)
    np.testing.assert_allclose((water.on_area + water.off_area).sum("unit"), glacier.sum() * 1e4, rtol=1e-3)
    assert float(water.off_area[-1].sum()) > float(water.off_area[0].sum())
