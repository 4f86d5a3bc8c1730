"""Yearly rasters as a user has them (a file a year, a folder of tiles, a NetCDF file), and on a glacier's cells."""

from __future__ import annotations

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
from rasterio.warp import transform_bounds

from oggm_glaunti.companions.dem.tiles import chosen_glacier, require_same_years, yearly_files
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.ground.rasters import PathLike, Raster, bilinear_on_grid, read_around
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.data.maps import MapFile

# Cells read beyond the glacier's maps, so that a stack may be moved by that much.
REACH = 3
_STD_NAMES = ("z_std", "zstddev")


class Inputs(NamedTuple):
    """Yearly heights and standard deviations around a glacier, on their own pixels.

    Attributes
    ----------
    years : tuple of int
        rising
    z, z_std : tuple of Raster
        whose bands, one raster after the other, are the years; m
    files : tuple of Path
    """

    years: tuple[int, ...]
    z: tuple[Raster, ...]
    z_std: tuple[Raster, ...]
    files: tuple[Path, ...]

    def sha256(self) -> str:
        """SHA-256 over the bytes of all files, in their order."""
        sha = hashlib.sha256()
        for path in self.files:
            with path.open("rb") as file:
                sha.update(hashlib.file_digest(file, "sha256").digest())
        return sha.hexdigest()


def read_inputs(
    label: str,
    z: Mapping[int, PathLike] | PathLike,
    z_std: Mapping[int, PathLike] | None,
    grid: CellGrid,
    glacier: str | None = None,
) -> Inputs:
    """Read what there is around a grid.

    Parameters
    ----------
    label : str
        begins the message of an error
    z : mapping of years to rasters, or path
        a folder as :mod:`oggm_glaunti.companions.dem.tiles` describes it, or a NetCDF file with ``z`` and ``z_std`` (or
        ``zstddev``) (year, y, x). Where that has a variable ``imputed``, such pixels count as missing.
    z_std : mapping of years to rasters
        only with a mapping `z`
    grid : CellGrid
    glacier : str, optional
        which one of a folder's; needed where it holds several

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        where anything is missing, cannot be read or lies elsewhere
    """
    if not isinstance(z, Mapping):
        if z_std is not None:
            raise InvalidParamsError(f"{label}: z_std is given, but {os.fspath(z)} has to hold the standard deviations")
        path = Path(z)
        if not path.is_dir():
            return _from_netcdf(f"{label}: {path}", path, grid, glacier)
        z, z_std = _from_folder(label, path, glacier)
    elif z_std is None or glacier is not None:
        wrong = "z_std is missing" if z_std is None else f"glacier={glacier!r} has no meaning"
        raise InvalidParamsError(
            f"{label}: {wrong}: with rasters as z, z_std is a mapping of the same years to rasters"
        )
    return _from_rasters(label, z, z_std, grid)


def on_cells(rasters: tuple[Raster, ...], grid: CellGrid, east: float = 0.0, north: float = 0.0) -> NDArray[np.float32]:
    """Layers (K, H, W) at the cell centres, bilinear, after the rasters were moved by so many m; NaN where unknown."""
    # To move what is looked at one way is to look from places moved the other way.
    seen_from = CellGrid(grid.crs, grid.west - east, grid.north - north, grid.shape)
    return np.concatenate([bilinear_on_grid(raster, seen_from) for raster in rasters])


def _around(grid: CellGrid) -> CellGrid:
    rows, columns = grid.shape
    return grid.window((-REACH, rows + REACH), (-REACH, columns + REACH))


def _from_folder(label: str, folder: Path, glacier: str | None) -> tuple[dict[int, Path], dict[int, Path]]:
    try:
        found = yearly_files(folder, chosen_glacier(folder, glacier))
    except InvalidParamsError as err:
        raise InvalidParamsError(f"{label}: {err}") from err
    return found.z, found.z_std


def _from_rasters(label: str, z: Mapping[int, PathLike], z_std: Mapping[int, PathLike], grid: CellGrid) -> Inputs:
    if not z:
        raise InvalidParamsError(f"{label}: z names no rasters; expected one for each year, two years or more")
    require_same_years(label, z, z_std, "z", "z_std")
    years, wide = sorted(z), _around(grid)
    read = [
        tuple(read_around(f"{label}: {name} of {year}", [paths[year]], wide) for year in years)
        for name, paths in (("z", z), ("z_std", z_std))
    ]
    files = tuple(Path(paths[year]) for paths in (z, z_std) for year in years)
    return Inputs(tuple(int(year) for year in years), *read, files)


def _from_netcdf(label: str, path: Path, grid: CellGrid, glacier: str | None) -> Inputs:
    if glacier is not None:
        raise InvalidParamsError(f"{label}: glacier={glacier!r} picks one of a folder of tiles; this is no folder")
    file = MapFile(path, label)
    with file.open() as nc:
        std_name = next((name for name in _STD_NAMES if name in nc.variables), _STD_NAMES[0])
        years, crs = _years_and_crs(file, std_name)
        order = np.argsort(years)
        z, z_std = (_layers(file, nc, name)[order] for name in ("z", std_name))
        if "imputed" in nc.variables:
            flagged = _layers(file, nc, "imputed")[order] != 0
            z[flagged] = z_std[flagged] = np.nan
    y, x = (np.sort(axis) for axis in file.axes("z"))
    wide, tall = ((axis[-1] - axis[0]) / (axis.size - 1) for axis in (x, y))
    transform = Affine(wide, 0.0, x[0] - wide / 2, 0.0, -tall, y[-1] + tall / 2)
    everywhere = np.ones(z.shape[1:], bool)
    rasters = (Raster(values, everywhere, transform, crs) for values in (z, z_std))
    return Inputs(tuple(years[order].tolist()), *((_reaching(label, raster, grid),) for raster in rasters), (path,))


def _years_and_crs(file: MapFile, std_name: str) -> tuple[NDArray[np.int64], rasterio.crs.CRS]:
    for name in ("z", std_name):
        if file.years(name) is None:
            raise InvalidParamsError(f"{file.label}: '{name}' has no dimension year; expected (year, y, x)")
    crs = file.crs("z")
    if crs is None:
        raise InvalidParamsError(f"{file.label} names no coordinate system; expected a grid mapping with crs_wkt")
    return file.years("z"), rasterio.crs.CRS.from_wkt(crs.to_wkt())


def _layers(file: MapFile, nc: netCDF4.Dataset, name: str) -> NDArray[np.float32]:
    """All years of a variable, row 0 north, column 0 west, NaN where there is no value."""
    axes = file.axes(name)
    if not all(np.array_equal(own, of_z) for own, of_z in zip(axes, file.axes("z"), strict=True)):
        raise InvalidParamsError(f"{file.label}: '{name}' is on other cells than 'z'")
    values = np.ma.masked_array(nc.variables[name][...], dtype=np.float32).filled(np.nan)
    values[~np.isfinite(values)] = np.nan
    (y, x), flips = axes, []
    flips += [-2] if y[-1] > y[0] else []
    flips += [-1] if x[-1] < x[0] else []
    return np.flip(values, flips)


def _reaching(label: str, raster: Raster, grid: CellGrid) -> Raster:
    """A raster with NaN around it as far as the grid reaches."""
    dx, dy = raster.transform.a, -raster.transform.e
    left, top = raster.transform.c, raster.transform.f
    height, width = raster.values.shape[1:]
    west, south, east, north = transform_bounds(grid.crs.to_wkt(), raster.crs, *_around(grid).bounds, densify_pts=21)
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
