"""Folders of yearly tiles: what is there, what is missing, and whether it lies on one grid."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.companions.dem.tiles import chosen_glacier, glacier_names, read_tiles, yearly_files
from tests.companions.dem.valley_stack import YEARS, axes, surfaces, write_raster, write_tiles

NAME = "Old_Valley 2"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiles(tmp_path / "tiles")


def tile(folder: Path, kind: str, year: int) -> Path:
    return folder / "hugonnet_dems" / "tiles" / f"{kind}_{NAME}_{year}.tif"


def test_names_may_hold_spaces_underscores_and_numbers(folder):
    write_tiles(folder, "Valley")
    (folder / "hugonnet_dems" / "tiles" / "Z_notes.txt").touch()
    assert glacier_names(folder) == [NAME, "Valley"]
    assert sorted(yearly_files(folder, NAME).z_std) == list(YEARS)
    assert yearly_files(folder, "Valley").z[2001].name == "Z_Valley_2001.tif"


def test_a_dataset_holds_what_the_files_hold_with_nodata_as_nan(folder):
    x, y = axes()
    tiles = read_tiles(folder, NAME)
    np.testing.assert_array_equal(tiles.z, surfaces(x, y, void=(slice(5, 8), slice(10, 14))))
    np.testing.assert_array_equal(tiles.z_std.isnull(), tiles.z.isnull())
    assert int(tiles.z.isnull().sum()) == 3 * 4 * len(YEARS)
    np.testing.assert_array_equal(tiles.x, x)
    np.testing.assert_array_equal(tiles.y, y)
    assert tiles.year.values.tolist() == list(YEARS)
    assert float(tiles.slope.mean()), float(tiles.aspect.mean()) == (20.0, 10.0)
    assert rasterio.crs.CRS.from_wkt(tiles.attrs["crs_wkt"]).to_epsg() == 32632


def test_the_published_tiles_have_the_voids_that_their_description_counts(shared):
    tiles = read_tiles(shared / "data" / "demimputation", "Corbassiere")
    assert dict(tiles.sizes) == {"year": 20, "y": 129, "x": 65}
    assert tiles.z.isnull().sum(("y", "x")).values.tolist() == [88] * 20
    assert float(tiles.dem_ref.min()) > 500.0
    assert float(tiles.aspect.max()) <= 360.0


def test_an_unknown_glacier_is_told_with_those_that_are_there(folder):
    with pytest.raises(InvalidParamsError, match=rf"no glacier 'Sarenne'; there are: {NAME}"):
        read_tiles(folder, "Sarenne")


def test_one_of_several_glaciers_has_to_be_named(folder):
    assert chosen_glacier(folder) == NAME
    write_tiles(folder, "Valley")
    assert chosen_glacier(folder, "Valley") == "Valley"
    with pytest.raises(InvalidParamsError, match=rf"holds 2 glaciers; say which one: {NAME}, Valley"):
        chosen_glacier(folder)


def test_a_folder_without_tiles_says_what_is_expected(tmp_path):
    with pytest.raises(InvalidParamsError, match=r"expected hugonnet_dems/tiles/Z_NAME_YEAR\.tif.* does not exist"):
        glacier_names(tmp_path)
    (tmp_path / "hugonnet_dems" / "tiles").mkdir(parents=True)
    with pytest.raises(InvalidParamsError, match=r"has no file of that name"):
        glacier_names(tmp_path)


def test_years_without_the_other_kind_of_file_are_named(folder):
    tile(folder, "ZSTDDEV", 2002).unlink()
    tile(folder, "ZSTDDEV", 2003).unlink()
    tile(folder, "Z", 2004).unlink()
    with pytest.raises(InvalidParamsError, match=r"ZSTDDEV is missing for 2002, 2003 and Z is missing for 2004"):
        read_tiles(folder, NAME)


def test_a_missing_reference_names_the_file(folder):
    (folder / "cop30dem" / "aspect" / f"{NAME}.tif").unlink()
    with pytest.raises(InvalidParamsError, match=rf"reference DEM is not complete: .*aspect/{NAME}\.tif not found"):
        read_tiles(folder, NAME)


def test_a_file_on_other_cells_is_named_with_both_grids(folder):
    x, y = axes()
    write_raster(tile(folder, "Z", 2003), np.zeros((y.size, x.size)), x + 50.0, y)
    with pytest.raises(InvalidParamsError, match=r"Z_Old_Valley 2_2003\.tif is on 93 x 71 .* x 628550, .* x 628500, "):
        read_tiles(folder, NAME)


def test_a_file_in_another_zone_is_on_another_grid(folder):
    x, y = axes()
    write_raster(tile(folder, "ZSTDDEV", 2003), np.ones((y.size, x.size)), x, y, crs="EPSG:32633")
    with pytest.raises(InvalidParamsError, match=r"ZSTDDEV_.*2003\.tif is on .* EPSG:32633, but .* EPSG:32632"):
        read_tiles(folder, NAME)


def test_degrees_are_refused(folder):
    x, y = axes()
    write_raster(tile(folder, "Z", 2001), np.ones((y.size, x.size)), x * 1e-5, y * 1e-5, crs="EPSG:4326")
    with pytest.raises(InvalidParamsError, match=r"Z_.*2001\.tif has the coordinate system EPSG:4326; expected a proj"):
        read_tiles(folder, NAME)


def test_a_damaged_file_is_named(folder):
    tile(folder, "Z", 2002).write_bytes(b"II*\0 no tiff")
    with pytest.raises(InvalidParamsError, match=r"Z_.*2002\.tif cannot be read as a raster"):
        read_tiles(folder, NAME)


def test_several_bands_are_refused(folder):
    source = tile(folder, "Z", 2001)
    with rasterio.open(source) as one:
        profile, values = {**one.profile, "count": 2}, one.read(1)
    with rasterio.open(folder / "two.tif", "w", **profile) as two:
        two.write(np.stack([values, values]))
    shutil.move(folder / "two.tif", source)
    with pytest.raises(InvalidParamsError, match=r"Z_.*2001\.tif has 2 bands; expected 1"):
        read_tiles(folder, NAME)
