"""Displacements on image pixels as velocities on a map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAYS_PER_YEAR = 365.25
# Distance up to which a vector counts for a cell, in units of the larger of cell and window spacing.
REACH = 0.75


class Points(NamedTuple):
    """Velocities at places of a map.

    Attributes
    ----------
    x, y : float (N,)
        Map coordinates, m
    vx, vy : float (N,)
        Along the map's axes, vy positive to the north, m yr-1
    error : float (N,)
        Standard error of a component, m yr-1
    corr : float (N,)
        Correlation of the match
    """

    x: Floats
    y: Floats
    vx: Floats
    vy: Floats
    error: Floats
    corr: Floats


class VelocityMap(NamedTuple):
    """Velocities on a grid (H, W), NaN where there is none.

    Attributes
    ----------
    vx, vy : float (H, W)
        Along the map's axes, m yr-1, vy positive to the north
    error : float (H, W)
        Standard error of a component, m yr-1
    corr : float (H, W)
        Mean correlation
    vectors : int (H, W)
        Vectors that each cell is made of
    """

    vx: Floats
    vy: Floats
    error: Floats
    corr: Floats
    vectors: NDArray[np.int64]

    @property
    def v(self) -> Floats:
        """Speed, m yr-1."""
        return np.hypot(self.vx, self.vy)


def on_map(
    row: Floats,
    col: Floats,
    velocity: tuple[Floats, Floats],
    error: Floats,
    corr: Floats,
    transform: tuple[float, ...],
    crs: CRS,
    to_crs: CRS,
) -> Points:
    """Take velocities in pixels to a map: end points are moved through the projections, not arrows turned.

    Parameters
    ----------
    row, col : arrays (N,)
        Centres of windows, px; whole numbers are pixel centres
    velocity : (array, array)
        Rows and columns, px a day
    error : array (N,)
        Standard error of a component, px a day
    corr : array (N,)
        Correlation
    transform : six numbers
        Column and row of pixel corners to map coordinates, as of rasterio
    crs, to_crs : pyproj.CRS
        Of the image, and of the map

    Examples
    --------
    >>> utm = CRS.from_epsg(32632)
    >>> one = np.ones(1)
    >>> to_north_east = (-one, one)
    >>> found = on_map(0 * one, 0 * one, to_north_east, one, one, (10.0, 0.0, 4e5, 0.0, -10.0, 5e6), utm, utm)
    >>> found.vx.round(1).tolist(), found.vy.round(1).tolist()
    ([3652.5], [3652.5])
    """
    a, b, c, d, e, f = transform[:6]
    place = lambda r, k: (a * (k + 0.5) + b * (r + 0.5) + c, d * (k + 0.5) + e * (r + 0.5) + f)
    to_map = Transformer.from_crs(crs, to_crs, always_xy=True).transform
    # The motion of a day: so small that a projection is straight over it, so large that digits do not run out.
    x0, y0 = to_map(*place(row, col))
    x1, y1 = to_map(*place(row + velocity[0], col + velocity[1]))
    pixel = np.sqrt(abs(a * e - b * d))
    vx, vy = DAYS_PER_YEAR * (x1 - x0), DAYS_PER_YEAR * (y1 - y0)
    return Points(x0, y0, vx, vy, DAYS_PER_YEAR * pixel * error, corr)


def on_grid(points: Points, x: Floats, y: Floats, spacing: float) -> VelocityMap:
    """Average velocities over the vectors around each cell, weighted by their errors and by distance.

    The error of a cell is the mean of its vectors': they overlap, so their errors do not average out.

    Parameters
    ----------
    points : Points
    x, y : arrays (W,), (H,)
        Cell centres
    spacing : float
        Distance between vectors, m

    Examples
    --------
    >>> one = np.ones(2)
    >>> points = Points(np.array([0.0, 10.0]), 0 * one, np.array([1.0, 3.0]), 0 * one, np.array([1.0, 1.0]), one)
    >>> on_grid(points, np.array([0.0, 5.0, 100.0]), np.array([0.0]), 10.0).vx.tolist()
    [[1.0, 2.0, nan]]
    """
    shape = (y.size, x.size)
    good = np.isfinite(points.vx) & np.isfinite(points.vy) & np.isfinite(points.error)
    points = Points(*(part[good] for part in points))
    reach = REACH * max(spacing, abs(float(x[1] - x[0])) if x.size > 1 else spacing)
    cells = np.stack([part.ravel() for part in np.meshgrid(x, y)], axis=1)
    sums, count = np.zeros((5, len(cells))), np.zeros(len(cells), int)
    if points.x.size:
        tree = cKDTree(np.stack([points.x, points.y], axis=1))
        near = cKDTree(cells).sparse_distance_matrix(tree, reach, output_type="coo_matrix")
        cell, vector = near.row, near.col
        weight = (1.0 - (near.data / reach) ** 2) / np.maximum(points.error[vector], 1e-12) ** 2
        for k, values in enumerate((np.ones(points.x.size), *points[2:])):
            sums[k] = np.bincount(cell, weight * values[vector], len(cells))
        count = np.bincount(cell[weight > 0], minlength=len(cells))
    means = np.where(sums[0] > 0, sums[1:] / np.where(sums[0] > 0, sums[0], 1.0), np.nan)
    vx, vy, error, corr = (part.reshape(shape) for part in means)
    return VelocityMap(vx, vy, error, corr, count.reshape(shape))
