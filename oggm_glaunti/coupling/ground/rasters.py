"""Raster files brought onto a glacier's grid; missing values are NaN, never filled."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
import rasterio.merge
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError
from pyproj import Transformer
from rasterio import Affine
from rasterio.enums import Resampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.warp import reproject, transform_bounds

from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

PathLike = str | os.PathLike[str]
Bounds = tuple[float, float, float, float]


class Raster(NamedTuple):
    """Part of one or more raster files, in their own coordinates.

    Attributes
    ----------
    values : float32 array (bands, h, w)
        NaN where a file has no value
    covered : bool array (h, w)
        where there is a file at all
    transform : rasterio.Affine
    crs : rasterio.crs.CRS
    """

    values: NDArray[np.float32]
    covered: NDArray[np.bool_]
    transform: Affine
    crs: rasterio.crs.CRS


def read_around(label: str, paths: Sequence[PathLike], grid: CellGrid, bands: int = 1) -> Raster:
    """Read what raster files hold around a grid; neighbouring tiles are joined.

    Parameters
    ----------
    label : str
        begins the message of an error, e.g. ``RGI60-11.00897: facies``
    paths : sequence of paths
        of one coordinate system, anything that rasterio reads
    grid : CellGrid
    bands : int
        number of bands that each file must have

    Returns
    -------
    Raster

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        if a file is missing, damaged, without CRS, not north up or has other bands, or where no file overlaps
    """
    names = ", ".join(Path(path).name for path in paths)
    # A raster may be a NetCDF file.
    with HDF5_LOCK, ExitStack() as stack:
        sources = [stack.enter_context(open_raster(label, path, bands)) for path in paths]
        first = sources[0]
        bounds = _bounds_around(first, grid)
        # A file may reach across 180 degrees, count to 360, or end there while another (or its other end) goes on.
        turns = (0.0, 360.0, -360.0) if first.crs.is_geographic else (0.0,)
        turned = [(bounds[0] + turn, bounds[1], bounds[2] + turn, bounds[3]) for turn in turns]
        turned = [each for each in turned if any(_overlap(source.bounds, each) for source in sources)]
        if not turned:
            raise InvalidParamsError(f"{label}: {names} does not overlap the glacier: {_apart(sources, grid)}")
        how = {"res": first.res, "nodata": np.nan, "dtype": "float32", "resampling": Resampling.bilinear}
        try:
            parts = [rasterio.merge.merge(sources, bounds=each, **how) for each in turned]
        except RasterioError as err:
            raise InvalidParamsError(f"{label}: {names} cannot be read ({err})") from err
        scale, offset = (np.asarray(v, np.float32)[:, None, None] for v in (first.scales, first.offsets))
        covered = np.any([_covered(sources, transform, values.shape[1:]) for values, transform in parts], axis=0)
    values, transform = parts[0]
    for others, _ in parts[1:]:
        values = np.where(np.isfinite(values), values, others)
    values[~np.isfinite(values)] = np.nan
    transform = Affine.translation(bounds[0] - turned[0][0], 0.0) @ transform
    return Raster(values * scale + offset, covered, transform, first.crs)


def bilinear_on_grid(raster: Raster, grid: CellGrid) -> NDArray[np.float32]:
    """Interpolate bilinearly to the cell centres (bands, H, W).

    Pixels finer than half a cell are averaged in blocks first. NaN where any pixel that counts is missing: gaps do not
    shrink.
    """
    rows, columns = _pixels_of_centres(raster, grid)
    steps = [max(abs(np.diff(at, axis=axis)).max() for axis in (0, 1)) for at in (rows, columns)]
    per_cell = [max(1, int(step + 1e-6)) for step in steps]
    values = _block_means(raster.values, *per_cell)
    rows, columns = ((p + 0.5) / n - 0.5 for p, n in zip((rows, columns), per_cell, strict=True))
    known = np.isfinite(values)
    stack = np.concatenate([np.where(known, values, 0.0), known])
    total, weight = np.split(_bilinear(stack, rows, columns), 2)
    return np.where(weight > 1 - 1e-4, total / np.maximum(weight, 0.5), np.nan).astype(np.float32)


def _pixels_of_centres(raster: Raster, grid: CellGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column of every cell's centre among the pixels (H, W); whole numbers are pixel centres."""
    to_raster = Transformer.from_crs(grid.crs, raster.crs.to_wkt(), always_xy=True)
    x, y = to_raster.transform(*np.meshgrid(grid.x, grid.y))
    a, _, c, _, e, f = raster.transform[:6]
    if raster.crs.is_geographic:
        x = nearest_turn(x, c + a * raster.values.shape[2] / 2)
    return (y - f) / e - 0.5, (x - c) / a - 0.5


def _block_means(values: NDArray[np.float32], tall: int, wide: int) -> NDArray[np.float64]:
    bands, height, width = values.shape
    height, width = height // tall, width // wide
    blocks = values[:, : height * tall, : width * wide].reshape(bands, height, tall, width, wide)
    return blocks.mean(axis=(2, 4), dtype=np.float64)


def _bilinear(values: NDArray[np.float64], rows: NDArray, columns: NDArray) -> NDArray[np.float64]:
    row = np.clip(np.floor(rows).astype(int), 0, values.shape[1] - 2)
    column = np.clip(np.floor(columns).astype(int), 0, values.shape[2] - 2)
    down, right = rows - row, columns - column
    north = values[:, row, column] * (1 - right) + values[:, row, column + 1] * right
    south = values[:, row + 1, column] * (1 - right) + values[:, row + 1, column + 1] * right
    return north * (1 - down) + south * down


def average_on_grid(raster: Raster, grid: CellGrid) -> NDArray[np.float32]:
    """Mean over the pixels in each cell that are not missing (bands, H, W); NaN where all are."""
    result = np.full((len(raster.values), *grid.shape), np.nan, np.float32)
    reproject(
        raster.values,
        result,
        src_transform=raster.transform,
        src_crs=raster.crs,
        dst_transform=grid.transform,
        dst_crs=grid.crs.to_wkt(),
        resampling=Resampling.average,
        src_nodata=np.nan,
        dst_nodata=np.nan,
        # Exact coordinates for every cell; GDAL's default is off by up to an eighth of a pixel.
        tolerance=0,
    )
    return result


def open_raster(label: str, path: PathLike, bands: int = 1) -> rasterio.DatasetReader:
    """Open a raster file; arguments and errors as in :func:`read_around`."""
    if not Path(path).exists():
        raise InvalidParamsError(f"{label}: {os.fspath(path)} does not exist")
    try:
        source = rasterio.open(path)
    except RasterioIOError as err:
        raise InvalidParamsError(f"{label}: {os.fspath(path)} cannot be read as a raster ({err})") from err
    problem = None
    if source.crs is None:
        problem = "has no coordinate system; write one into it (gdal_edit -a_srs)"
    elif source.count != bands:
        problem = f"has {source.count} bands; expected {bands}"
    elif source.transform.e >= 0 or source.transform.b != 0 or source.transform.d != 0:
        problem = "is not north up; bring it into that form first (gdalwarp)"
    if problem is not None:
        source.close()
        raise InvalidParamsError(f"{label}: {os.fspath(path)} {problem}")
    return source


def _bounds_around(source: rasterio.DatasetReader, grid: CellGrid) -> tuple[float, float, float, float]:
    """Return the grid's bounds in a file's coordinates, two pixels (or cells) wider and on the edges of its pixels."""
    cell = grid.window((-1, grid.shape[0] + 1), (-1, grid.shape[1] + 1))
    west, south, east, north = bounds_in(source.crs, cell)
    dx, dy = source.res
    left, top = source.transform.c, source.transform.f
    return (
        left + dx * (math.floor((west - left) / dx) - 2),
        top - dy * (math.ceil((top - south) / dy) + 2),
        left + dx * (math.ceil((east - left) / dx) + 2),
        top - dy * (math.floor((top - north) / dy) - 2),
    )


def bounds_in(crs: rasterio.crs.CRS, grid: CellGrid) -> tuple[float, float, float, float]:
    """Return west, south, east, north of a grid in another CRS; across 180 degrees east is more than 180."""
    west, south, east, north = transform_bounds(grid.crs.to_wkt(), crs, *grid.bounds, densify_pts=21)
    return west, south, east + 360.0 if crs.is_geographic and east < west else east, north


def nearest_turn(lon: Any, to: float) -> Any:
    """Return longitudes turned by whole circles to within 180 degrees of another one.

    Examples
    --------
    >>> nearest_turn(np.array([-179.0, 179.0]), 181.0).tolist()
    [181.0, 179.0]
    """
    return lon + 360.0 * np.round((to - lon) / 360.0)


def _overlap(one: Sequence[float], two: Sequence[float]) -> bool:
    return one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]


def _covered(sources: Sequence[rasterio.DatasetReader], transform: Affine, shape: tuple[int, int]) -> NDArray[np.bool_]:
    x = transform.c + transform.a * (np.arange(shape[1]) + 0.5)
    y = transform.f + transform.e * (np.arange(shape[0]) + 0.5)
    covered = np.zeros(shape, bool)
    for west, south, east, north in (source.bounds for source in sources):
        covered |= ((y > south) & (y < north))[:, None] & ((x > west) & (x < east))
    return covered


def extent_of(source: rasterio.DatasetReader) -> Bounds:
    """Return west, south, east, north of a file in degrees; as its numbers are, if its CRS has degrees."""
    return source.bounds if source.crs.is_geographic else transform_bounds(source.crs, "EPSG:4326", *source.bounds)


def _apart(sources: Sequence[rasterio.DatasetReader], grid: CellGrid) -> str:
    """Say in degrees where files and a glacier's maps are, and whether its coordinates seem to be exchanged."""
    west, south, east, north = bounds_in(rasterio.crs.CRS.from_epsg(4326), grid)
    extents = [extent_of(source) for source in sources]
    covered = " and ".join(extent_text(extent) for extent in extents)
    said = f"it covers {covered}; the glacier's maps cover {extent_text((west, south, east, north))}"
    if any(_overlap(extent, (south, west, north, east)) for extent in extents):
        said += "; with latitude and longitude exchanged they would overlap: exchange them in the outline"
    return said


def extent_text(bounds: Bounds) -> str:
    """Return a box in words.

    Examples
    --------
    >>> extent_text((10.7251, 46.7855, 10.8033, 46.8191))
    'longitude 10.7251 to 10.8033, latitude 46.7855 to 46.8191'
    """
    west, south, east, north = (f"{value:.6g}" if abs(value) < 1000 else f"{value:.0f}" for value in bounds)
    return f"longitude {west} to {east}, latitude {south} to {north}"
