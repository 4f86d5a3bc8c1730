"""Where the cells of a glacier's maps lie: 100 m, UTM, north up, 15 cells around the outline.

The corrector depends on the rectangle it sees, so there is one rule for it and it is written down here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio.features
from numpy.typing import NDArray
from oggm.exceptions import InvalidWorkflowError
from pyproj import CRS
from rasterio import Affine

from oggm_glaunti import settings

# m. Cell sizes and edges this close to the rule count as exact; coordinates in files may be rounded.
SAME_COORDINATE = 1e-3


@dataclass(frozen=True)
class CellGrid:
    """A rectangle of cells of 100 m in a UTM zone, row 0 in the north, column 0 in the west.

    Attributes
    ----------
    crs : pyproj.CRS
    west, north : float
        outer edges, m
    shape : (int, int)
        rows, columns

    Examples
    --------
    >>> grid = CellGrid(utm_crs(10.75, 46.8), 630100.0, 5188100.0, (2, 3))
    >>> grid.x.tolist(), grid.y.tolist()
    ([630150.0, 630250.0, 630350.0], [5188050.0, 5187950.0])
    """

    crs: CRS
    west: float
    north: float
    shape: tuple[int, int]

    @property
    def x(self) -> NDArray[np.float64]:
        """Eastings of the cell centres (W,), m."""
        return self.west + settings.CELL_SIZE * (np.arange(self.shape[1], dtype=np.float64) + 0.5)

    @property
    def y(self) -> NDArray[np.float64]:
        """Northings of the cell centres (H,), m, falling."""
        return self.north - settings.CELL_SIZE * (np.arange(self.shape[0], dtype=np.float64) + 0.5)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer edges west, south, east, north, m."""
        height, width = (settings.CELL_SIZE * n for n in self.shape)
        return self.west, self.north - height, self.west + width, self.north

    @property
    def transform(self) -> Affine:
        """Column and row of a cell's north-west corner to easting and northing, as rasterio uses it."""
        return Affine(settings.CELL_SIZE, 0.0, self.west, 0.0, -settings.CELL_SIZE, self.north)

    def window(self, rows: tuple[int, int], columns: tuple[int, int]) -> CellGrid:
        """Return the cells from `rows[0]`, `columns[0]` up to `rows[1]`, `columns[1]` (excluded); may reach beyond."""
        west = self.west + settings.CELL_SIZE * columns[0]
        north = self.north - settings.CELL_SIZE * rows[0]
        return CellGrid(self.crs, west, north, (rows[1] - rows[0], columns[1] - columns[0]))

    def offset_in(self, other: CellGrid) -> tuple[int, int] | None:
        """Row and column of this rectangle's first cell in `other`, or None where it does not lie inside."""
        row = round((other.north - self.north) / settings.CELL_SIZE)
        column = round((self.west - other.west) / settings.CELL_SIZE)
        fits = 0 <= row <= other.shape[0] - self.shape[0] and 0 <= column <= other.shape[1] - self.shape[1]
        return (row, column) if fits else None


def utm_crs(lon: float, lat: float) -> CRS:
    """WGS 84 / UTM zone of a place.

    Parameters
    ----------
    lon, lat : float
        degrees

    Examples
    --------
    >>> utm_crs(10.75, 46.8).to_epsg(), utm_crs(-73.1, -50.5).to_epsg()
    (32632, 32718)
    """
    zone = int((lon + 180.0) % 360.0 // 6.0) + 1
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)


def directory_grid(gdir: Any) -> CellGrid | None:
    """Return the glacier directory's own grid, or None if it is not north-up UTM with cells of 100 m.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    """
    if not gdir.has_file("glacier_grid"):
        return None
    grid = gdir.grid.center_grid
    crs = CRS.from_user_input(grid.proj.srs)
    cell = settings.CELL_SIZE
    if crs.utm_zone is None or abs(grid.dx - cell) > SAME_COORDINATE or abs(grid.dy + cell) > SAME_COORDINATE:
        return None
    return CellGrid(crs, grid.x0 - cell / 2, grid.y0 + cell / 2, (grid.ny, grid.nx))


def cells_inside(polygons: list[Any], grid: CellGrid) -> NDArray[np.float32]:
    """Which cells have their centre inside an outline, array (H, W) of 0 and 1.

    Parameters
    ----------
    polygons : list of shapely geometries
        in the grid's CRS; holes (nunataks) are outside, all parts count
    grid : CellGrid
    """
    mask = rasterio.features.rasterize(
        polygons, out_shape=grid.shape, transform=grid.transform, all_touched=False, dtype="uint8"
    )
    return mask.astype(np.float32)


def grid_around(
    polygons: list[Any],
    crs: CRS,
    origin: tuple[float, float] = (0.0, 0.0),
    margin: int = settings.MARGIN_CELLS,
    label: str = "outline",
) -> CellGrid:
    """Return the rectangle of an outline: the box of the cells inside it, and a margin on every side.

    Parameters
    ----------
    polygons : list of shapely geometries
        in `crs`
    crs : pyproj.CRS
        a UTM zone
    origin : (float, float)
        easting and northing of a corner of cells, m; by default edges lie on multiples of 100 m
    margin : int
        cells; where a side stays shorter than 16 cells it is widened to 16
    label : str
        begins the message of an error

    Returns
    -------
    CellGrid

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if no cell centre lies inside the outline

    Examples
    --------
    >>> from shapely.geometry import box
    >>> grid = grid_around([box(500_020, 5_000_020, 500_280, 5_000_180)], utm_crs(9.0, 45.0))
    >>> grid.bounds, grid.shape
    ((498500.0, 4998500.0, 501800.0, 5001700.0), (32, 33))
    """
    box = box_of_bounds(polygons, crs, origin)
    inside = cells_inside(polygons, box) > 0
    if not inside.any():
        area = sum(polygon.area for polygon in polygons)
        raise InvalidWorkflowError(
            f"{label}: no centre of a {settings.CELL_SIZE:.0f} m cell lies inside the outline, whose area is "
            f"{area * 1e-6:.4f} km2. The glacier is too small for GlaUnTI's maps; models that need none (A, without "
            "a corrector) still run on it."
        )
    rows, columns = (np.nonzero(inside.any(axis=axis))[0] for axis in (1, 0))
    return box.window(_with_margin(rows[0], rows[-1], margin), _with_margin(columns[0], columns[-1], margin))


def box_of_bounds(polygons: list[Any], crs: CRS, origin: tuple[float, float] = (0.0, 0.0)) -> CellGrid:
    """Return the cells that the bounding box of polygons touches; arguments as in :func:`grid_around`."""
    bounds = np.array([polygon.bounds for polygon in polygons])
    cell = settings.CELL_SIZE
    west, south = (math.floor((bounds[:, k].min() - origin[k]) / cell) for k in (0, 1))
    east, north = (math.ceil((bounds[:, k + 2].max() - origin[k]) / cell) for k in (0, 1))
    return CellGrid(crs, origin[0] + cell * west, origin[1] + cell * north, (north - south, east - west))


def _with_margin(first: int, last: int, margin: int) -> tuple[int, int]:
    """Range of cells around `first` to `last`, both included; at least 16 long, an odd cell more at the end."""
    short = max(0, settings.MIN_CELLS - (last - first + 1 + 2 * margin))
    return int(first) - margin - short // 2, int(last) + 1 + margin + short - short // 2
