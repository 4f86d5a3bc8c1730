"""Yearly rasters as provided by the user (a file per year, a folder of tiles, a NetCDF file), on a glacier's cells."""

import hashlib
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np
import rasterio.crs
from numpy.typing import NDArray
from rasterio import Affine

from oggm_glaunti.companions.dem.tiles import chosen_glacier, require_same_years, yearly_files
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.ground.rasters import (
    PathLike,
    Raster,
    bilinear_on_grid,
    bounds_in,
    nearest_turn,
    read_around,
)
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.data.maps import MapFile

# Cells that are read beyond the glacier's maps, so that a stack may be moved by that much.
STACK_MARGIN = 3
_STD_NAMES = ("z_std", "zstddev")
# Rasters by year.
Paths = Mapping[int, PathLike]


class YearlyRasters(NamedTuple):
    """Yearly heights and standard deviations around a glacier, on their own pixels.

    Attributes
    ----------
    years : tuple of int
        Calendar years, increasing
    z, z_std : tuple of Raster
        Heights and standard deviations, m; the bands of all rasters together are the years
    files : tuple of Path
        Files that were read
    """

    years: tuple[int, ...]
    z: tuple[Raster, ...]
    z_std: tuple[Raster, ...]
    files: tuple[Path, ...]

    def sha256(self) -> str:
        """Return the SHA-256 of the digests of all files, in their order."""
        sha = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
        return sha.hexdigest()


def read_inputs(
    label: str, z: Paths | PathLike, z_std: Paths | None, grid: CellGrid, glacier: str | None = None
) -> YearlyRasters:
    """Read the yearly rasters around a grid.

    Parameters
    ----------
    label : str
        Begin of error messages
    z : mapping of years to rasters, or path
        Rasters by year; or a folder as described in :mod:`oggm_glaunti.companions.dem.tiles`; or a NetCDF file with
        ``z`` and ``z_std`` (or ``zstddev``) (year, y, x), in which pixels marked in a variable ``imputed`` count as
        missing
    z_std : mapping of years to rasters
        Standard deviations by year; only if `z` is a mapping
    grid : CellGrid
        Cells of the glacier's maps
    glacier : str, optional
        Name of the glacier; required if a folder holds several

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If anything is missing, cannot be read or does not overlap the grid
    """
    if not isinstance(z, Mapping):
        if z_std is not None:
            raise InvalidParamsError(f"{label}: z_std is given, but {os.fspath(z)} has to hold the standard deviations")
        path = Path(z)
        if not path.is_dir():
            return _from_netcdf(f"{label}: {path}", path, grid, glacier)
        try:
            _, z, z_std = yearly_files(path, chosen_glacier(path, glacier))
        except InvalidParamsError as err:
            raise InvalidParamsError(f"{label}: {err}") from err
    elif z_std is None or glacier is not None:
        wrong = "z_std is missing" if z_std is None else f"glacier={glacier!r} has no meaning"
        raise InvalidParamsError(
            f"{label}: {wrong}: with rasters as z, z_std is a mapping of the same years to rasters"
        )
    if not z:
        raise InvalidParamsError(f"{label}: z names no rasters; expected one for each year, two years or more")
    require_same_years(label, z, z_std, "z", "z_std")
    years, wide = sorted(z), _around(grid)
    heights, spread = (
        tuple(read_around(f"{label}: {name} of {year}", [paths[year]], wide) for year in years)
        for name, paths in (("z", z), ("z_std", z_std))
    )
    files = tuple(Path(paths[year]) for paths in (z, z_std) for year in years)
    return YearlyRasters(tuple(int(year) for year in years), heights, spread, files)


def on_cells(rasters: tuple[Raster, ...], grid: CellGrid, east: float = 0.0, north: float = 0.0) -> NDArray[np.float32]:
    """Interpolate rasters, moved by some m, to the cell centres (K, H, W), bilinear; NaN if unknown."""
    # Moving the rasters one way is moving the cells the other way.
    seen_from = CellGrid(grid.crs, grid.west - east, grid.north - north, grid.shape)
    return np.concatenate([bilinear_on_grid(raster, seen_from) for raster in rasters])


def _around(grid: CellGrid) -> CellGrid:
    rows, columns = grid.shape
    return grid.window((-STACK_MARGIN, rows + STACK_MARGIN), (-STACK_MARGIN, columns + STACK_MARGIN))


def _from_netcdf(label: str, path: Path, grid: CellGrid, glacier: str | None) -> YearlyRasters:
    if glacier is not None:
        raise InvalidParamsError(f"{label}: glacier={glacier!r} picks one of a folder of tiles; this is no folder")
    file = MapFile(path, label)
    with file.open() as nc:
        std_name = next((name for name in _STD_NAMES if name in nc.variables), _STD_NAMES[0])
        years, _ = (_years_of(file, name) for name in ("z", std_name))
        crs = file.crs("z")
        if crs is None:
            raise InvalidParamsError(f"{label} names no coordinate system; expected a grid mapping with crs_wkt")
        order = np.argsort(years)
        z, z_std = (_layers(file, nc, name)[order] for name in ("z", std_name))
        if "imputed" in nc.variables:
            flagged = _layers(file, nc, "imputed")[order] != 0
            z[flagged] = z_std[flagged] = np.nan
    y, x = (np.sort(axis) for axis in file.axes("z"))
    wide, tall = ((axis[-1] - axis[0]) / (axis.size - 1) for axis in (x, y))
    transform = Affine(wide, 0.0, x[0] - wide / 2, 0.0, -tall, y[-1] + tall / 2)
    everywhere = np.ones(z.shape[1:], bool)
    place = transform, rasterio.crs.CRS.from_wkt(crs.to_wkt())
    heights, spread = (_padded_raster(label, Raster(values, everywhere, *place), grid) for values in (z, z_std))
    return YearlyRasters(tuple(years[order].tolist()), (heights,), (spread,), (path,))


def _years_of(file: MapFile, name: str) -> NDArray[np.int64]:
    years = file.years(name)
    if years is None:
        raise InvalidParamsError(f"{file.label}: '{name}' has no dimension year; expected (year, y, x)")
    return years


def _layers(file: MapFile, nc: netCDF4.Dataset, name: str) -> NDArray[np.float32]:
    """Read all years of a variable, row 0 north, column 0 west, NaN if there is no value."""
    axes = file.axes(name)
    if not all(np.array_equal(own, of_z) for own, of_z in zip(axes, file.axes("z"), strict=True)):
        raise InvalidParamsError(f"{file.label}: '{name}' is on other cells than 'z'")
    values = np.ma.masked_array(nc.variables[name][...], dtype=np.float32).filled(np.nan)
    values[~np.isfinite(values)] = np.nan
    y, x = axes
    return values[:, :: -1 if y[-1] > y[0] else 1, :: -1 if x[-1] < x[0] else 1]


def _padded_raster(label: str, raster: Raster, grid: CellGrid) -> Raster:
    """Pad a raster with NaN as far as the grid reaches."""
    dx, dy = raster.transform.a, -raster.transform.e
    left, top = raster.transform.c, raster.transform.f
    height, width = raster.values.shape[1:]
    west, south, east, north = bounds_in(raster.crs, _around(grid))
    if raster.crs.is_geographic:
        turn = nearest_turn(west, left + dx * width / 2) - west
        west, east = west + turn, east + turn
    beyond = [left - west, north - top, east - (left + dx * width), (top - dy * height) - south]
    if west >= left + dx * width or east <= left or south >= top or north <= top - dy * height:
        raise InvalidParamsError(
            f"{label} does not overlap the glacier: it covers x {left:g} to {left + dx * width:g}, y "
            f"{top - dy * height:g} to {top:g}; the glacier's maps x {west:g} to {east:g}, y {south:g} to {north:g}"
        )
    pad = [max(0, math.ceil(far / step) + 2) for far, step in zip(beyond, (dx, dy, dx, dy), strict=True)]
    values = np.pad(raster.values, ((0, 0), (pad[1], pad[3]), (pad[0], pad[2])), constant_values=np.nan)
    covered = np.pad(raster.covered, ((pad[1], pad[3]), (pad[0], pad[2])))
    return Raster(values, covered, raster.transform * Affine.translation(-pad[0], -pad[1]), raster.crs)
