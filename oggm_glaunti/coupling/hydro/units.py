"""Where water is wanted: sub-catchments, or the cells of a hydrological model, on a glacier directory's grid.

A cell of the directory's grid belongs to the unit in which its centre lies. What a unit consists of is ground by
height and by whether the outline says glacier.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK, netcdf_file

if TYPE_CHECKING:
    from oggm import GlacierDirectory

RASTERS = (".tif", ".tiff", ".nc", ".asc", ".img", ".vrt")


class Units(NamedTuple):
    """Units on a grid.

    Attributes
    ----------
    names : tuple of str
    cell_unit : int array (C,)
        unit of each cell; one more than there are for glacier in none
    heights : float64 array (C,)
        m
    glacier : bool array (C,)
        whether the cell is glacier by the outline
    cell_area : float
        m2
    """

    names: tuple[str, ...]
    cell_unit: np.ndarray
    heights: np.ndarray
    glacier: np.ndarray
    cell_area: float

    def ground(self) -> np.ndarray:
        """Return the area of each cell without glacier in its unit (C, U), m2."""
        inside = ~self.glacier & (self.cell_unit < len(self.names))
        areas = np.zeros((self.cell_unit.size, len(self.names)))
        areas[np.flatnonzero(inside), self.cell_unit[inside]] = self.cell_area
        return areas

    def shares(self, heights: np.ndarray) -> np.ndarray:
        """Return which share of the glacier at some heights is in each unit (B, U).

        That of the glacier's cells between the heights' neighbours; heights without any have that of the nearest with.
        """
        order = np.argsort(heights)
        edges = 0.5 * (heights[order][1:] + heights[order][:-1])
        bins = np.digitize(self.heights[self.glacier], edges)
        counts = np.zeros((heights.size, len(self.names) + 1))
        np.add.at(counts, (bins, self.cell_unit[self.glacier]), 1.0)
        total = counts.sum(axis=1)
        have = np.flatnonzero(total)
        nearest = have[np.abs(have[None] - np.arange(heights.size)[:, None]).argmin(axis=1)]
        found = np.empty((heights.size, len(self.names)))
        found[order] = (counts[nearest] / total[nearest, None])[:, :-1]
        return found


def read_units(gdir: GlacierDirectory, units: Any) -> Units:
    """Bring units onto the directory's grid.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``gridded_data.nc``
    units : path, GeoDataFrame or array (H, W)
        polygons (GeoPackage, shapefile, ...; a column ``name``, ``id`` or the order names them), a raster of whole
        numbers in any coordinate system, or numbers or truth values on the directory's own grid; cells with 0, less or
        no value belong to no unit

    Returns
    -------
    Units

    Raises
    ------
    InvalidParamsError
        if units overlap each other, reach beyond the DEM, or hold no cell
    """
    label = f"{gdir.rgi_id}: units"
    if not gdir.has_file("gridded_data"):
        raise InvalidWorkflowError(f"{label}: gridded_data.nc is missing; run oggm.tasks.simple_glacier_masks first")
    with netcdf_file(gdir.get_filepath("gridded_data")) as nc:
        nc.set_auto_mask(False)
        dem, glacier = np.asarray(nc["topo"][:], np.float64), np.asarray(nc["glacier_mask"][:]) > 0
    if isinstance(units, np.ndarray):
        names, cells = _of_array(label, units, dem.shape)
    elif isinstance(units, (str, os.PathLike)) and Path(units).suffix.lower() in RASTERS:
        names, cells = _of_raster(label, Path(units), gdir)
    else:
        names, cells = _of_polygons(label, units, gdir)
    if empty := [name for k, name in enumerate(names) if not (cells == k).any()]:
        raise InvalidParamsError(f"{label}: no cell of the DEM has its centre in {', '.join(empty[:5])}")
    if not np.isfinite(dem[cells >= 0]).all():
        raise InvalidParamsError(f"{label}: the DEM of gridded_data.nc has no height in some of their cells")
    # Glacier outside all units counts as one more, which no result has.
    cells = np.where((cells < 0) & glacier, len(names), cells)
    counted = cells >= 0
    cell_area = abs(gdir.grid.dx * gdir.grid.dy)
    return Units(tuple(names), cells[counted], dem[counted], glacier[counted], float(cell_area))


def _of_array(label: str, values: np.ndarray, shape: tuple[int, ...]) -> tuple[list[str], np.ndarray]:
    if values.shape != shape:
        raise InvalidParamsError(f"{label}: expected an array {shape} like gridded_data.nc, found {values.shape}")
    return _numbered(label, values.astype(np.float64))


def _numbered(label: str, values: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Names and cells (-1 outside) of an array of numbers."""
    inside = np.isfinite(values) & (values > 0)
    numbers, index = np.unique(values[inside], return_inverse=True)
    if not numbers.size:
        raise InvalidParamsError(f"{label}: no cell with a number above 0 on the grid of gridded_data.nc")
    if (numbers != np.round(numbers)).any():
        raise InvalidParamsError(f"{label}: expected whole numbers, found {numbers[numbers != np.round(numbers)][0]:g}")
    cells = np.full(values.shape, -1)
    cells[inside] = index
    return [f"{number:.0f}" for number in numbers], cells


def _of_raster(label: str, path: Path, gdir: GlacierDirectory) -> tuple[list[str], np.ndarray]:
    from rasterio.enums import Resampling
    from rasterio.transform import Affine
    from rasterio.warp import reproject

    from oggm_glaunti.coupling.ground.rasters import open_raster

    grid = gdir.grid
    transform = Affine(grid.dx, 0, grid.corner_grid.x0, 0, grid.dy, grid.corner_grid.y0)
    values, whole = np.full((grid.ny, grid.nx), np.nan), f"{label}: {path.name}"
    with HDF5_LOCK, open_raster(label, path) as source:
        band = source.read(1, masked=True).astype(np.float64).filled(np.nan)
        target = {"dst_transform": transform, "dst_crs": grid.proj.srs, "dst_nodata": np.nan}
        given = {"src_transform": source.transform, "src_crs": source.crs, "src_nodata": np.nan}
        reproject(band, values, resampling=Resampling.nearest, **given, **target)
        area = abs(source.transform.a * source.transform.e) if source.crs.is_projected else None
    names, cells = _numbered(whole, values)
    if lost := set(np.unique(band[np.isfinite(band) & (band > 0)])) - {float(name) for name in names}:
        raise InvalidParamsError(
            f"{whole}: unit {min(lost):.0f} lies outside the DEM of gridded_data.nc, or is too small"
        )
    if area is not None:
        _require_inside(whole, names, cells, [area * np.sum(band == float(name)) for name in names], gdir)
    return names, cells


def _of_polygons(label: str, units: Any, gdir: GlacierDirectory) -> tuple[list[str], np.ndarray]:
    import geopandas as gpd
    from rasterio.features import rasterize
    from rasterio.transform import Affine

    grid, whole = gdir.grid, label
    if not isinstance(units, gpd.GeoDataFrame):
        whole = f"{label}: {Path(units).name}"
        try:
            units = gpd.read_file(units)
        except Exception as err:
            raise InvalidParamsError(f"{whole}: cannot be read as polygons ({err})") from err
    if units.crs is None or not len(units):
        raise InvalidParamsError(f"{whole}: expected polygons with a coordinate system, found {len(units)} without")
    shapes = units.to_crs(grid.proj.srs)
    column = next((name for name in ("name", "id") if name in units), None)
    names = [str(value) for value in (units[column] if column else range(1, len(units) + 1))]
    if len(set(names)) < len(names):
        raise InvalidParamsError(f"{whole}: names of column {column!r} are not different from each other")
    transform = Affine(grid.dx, 0, grid.corner_grid.x0, 0, grid.dy, grid.corner_grid.y0)
    cells, count = np.full((grid.ny, grid.nx), -1), np.zeros((grid.ny, grid.nx), int)
    for k, shape in enumerate(shapes.geometry):
        inside = rasterize([(shape, 1)], (grid.ny, grid.nx), transform=transform) > 0
        cells[inside] = k
        count += inside
    if (count > 1).any():
        row, column_of = np.argwhere(count > 1)[0]
        hit = [name for name, s in zip(names, shapes.geometry, strict=True) if _covers(s, transform, row, column_of)]
        raise InvalidParamsError(
            f"{whole}: {' and '.join(hit[:2])} overlap in {int((count > 1).sum())} cells of the grid"
        )
    _require_inside(whole, names, cells, list(shapes.area), gdir)
    return names, cells


def _covers(shape: Any, transform: Any, row: int, column: int) -> bool:
    from shapely.geometry import Point

    return bool(shape.covers(Point(*(transform @ (column + 0.5, row + 0.5)))))


def _require_inside(
    label: str, names: list[str], cells: np.ndarray, areas: list[float], gdir: GlacierDirectory, most: float = 0.05
) -> None:
    """Raise InvalidParamsError if more than a share of a unit's area (m2) lies outside the grid.

    Area lost to cell centres is no more than a cell's side along the border.
    """
    side = abs(gdir.grid.dx)
    for k, (name, area) in enumerate(zip(names, areas, strict=True)):
        found = float((cells == k).sum()) * side**2
        if area - found > most * area + 4.0 * side * np.sqrt(area):
            raise InvalidParamsError(
                f"{label}: only {found / 1e6:.2f} of the {area / 1e6:.2f} km2 of {name} lie on the DEM of "
                "gridded_data.nc; make the directory with a larger border"
            )
