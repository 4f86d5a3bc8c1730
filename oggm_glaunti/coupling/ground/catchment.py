"""The ground whose water passes a gauge, from a DEM."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.oggm.netcdf import netcdf_file

if TYPE_CHECKING:
    from oggm import GlacierDirectory

_NEIGHBOURS = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if i or j]


class Catchment(NamedTuple):
    """A catchment on a glacier directory's grid.

    Attributes
    ----------
    mask : bool array (H, W)
        cells that drain to the outlet
    outlet : (int, int)
        row and column
    area : float
        km2
    moved : float
        distance between the outlet and the gauge, m
    """

    mask: np.ndarray
    outlet: tuple[int, int]
    area: float
    moved: float


def drainage(dem: np.ndarray) -> np.ndarray:
    """Find where the water of each cell goes first.

    The DEM is flooded from its edge, lowest cell first, and each cell drains to the one from which the flood reached
    it: downhill where there is a slope, out of hollows by their lowest brim.

    Parameters
    ----------
    dem : array (H, W)
        m, finite

    Returns
    -------
    int array (H * W,)
        index of the next cell; -1 for cells at the edge

    Examples
    --------
    >>> drainage(np.array([[3.0, 3, 3], [3, 2, 1], [3, 3, 3]]))[4]
    np.int64(5)
    """
    rows, columns = dem.shape
    height, to = dem.astype(np.float64).ravel(), np.full(dem.size, -1)
    edge = np.zeros(dem.shape, bool)
    edge[[0, -1]], edge[:, [0, -1]] = True, True
    reached = edge.ravel().copy()
    flood = [(height[k], int(k)) for k in np.flatnonzero(reached)]
    heapq.heapify(flood)
    while flood:
        level, k = heapq.heappop(flood)
        row, column = divmod(k, columns)
        for i, j in _NEIGHBOURS:
            r, c = row + i, column + j
            n = r * columns + c
            if 0 <= r < rows and 0 <= c < columns and not reached[n]:
                reached[n], to[n] = True, k
                heapq.heappush(flood, (max(level, height[n]), n))
    return to


def upstream_cells(to: np.ndarray) -> np.ndarray:
    """Count the cells that drain through each cell, itself included (H * W,)."""
    count, waiting = np.ones(to.size, int), np.bincount(to[to >= 0], minlength=to.size)
    ready = np.flatnonzero(waiting == 0).tolist()
    while ready:
        k = ready.pop()
        n = int(to[k])
        if n >= 0:
            count[n] += count[k]
            waiting[n] -= 1
            if not waiting[n]:
                ready.append(n)
    return count


def catchment_of(
    gdir: GlacierDirectory,
    lon: float,
    lat: float,
    area: float | None = None,
    search: float = 1000.0,
    tolerance: float = 0.1,
) -> Catchment:
    """Delineate the catchment of a gauge on the directory's DEM.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``gridded_data.nc``
    lon, lat : float
        of the gauge, degrees
    area : float, optional
        of its catchment as published, km2: within `search` that cell is the outlet whose catchment is nearest in size;
        without it, the cell through which most ground drains
    search : float
        how far the outlet may be from the gauge, m
    tolerance : float
        largest relative difference of the areas

    Returns
    -------
    Catchment

    Raises
    ------
    InvalidParamsError
        if the gauge is outside the DEM, the catchment reaches its edge, or the areas differ by more

    Examples
    --------
    >>> massa = catchment_of(gdir, 8.01, 46.39, area=195.5)  # doctest: +SKIP
    """
    with netcdf_file(gdir.get_filepath("gridded_data")) as nc:
        nc.set_auto_mask(False)
        dem = np.asarray(nc["topo"][:], np.float64)
    grid, label = gdir.grid, f"{gdir.rgi_id}: gauge at {lon:.4f} E, {lat:.4f} N"
    column, row = grid.transform(lon, lat)
    if not (0 <= row < dem.shape[0] and 0 <= column < dem.shape[1]):
        raise InvalidParamsError(
            f"{label}: outside the DEM of gridded_data.nc; make the directory with a larger border"
        )
    to = drainage(dem)
    count, cell = upstream_cells(to), abs(grid.dx * grid.dy) / 1e6
    rows, columns = np.ogrid[: dem.shape[0], : dem.shape[1]]
    far = np.hypot(rows - row, columns - column) * abs(grid.dx)
    near = np.flatnonzero(far.ravel() <= search)
    sizes = count[near] * cell
    best = int(near[np.argmax(sizes) if area is None else np.argmin(np.abs(sizes - area))])
    mask, found = _upstream(to, best).reshape(dem.shape), float(count[best] * cell)
    if area is not None and abs(found / area - 1.0) > tolerance:
        raise InvalidParamsError(
            f"{label}: within {search:g} m the DEM has no catchment of {area:.1f} km2, the nearest in size has "
            f"{found:.1f} km2; check coordinates and area, or make the directory with a larger border"
        )
    if mask[[0, -1]].any() or mask[:, [0, -1]].any():
        raise InvalidParamsError(
            f"{label}: its catchment reaches the edge of the DEM and may go on; make the directory with a larger border"
        )
    outlet = divmod(best, dem.shape[1])
    return Catchment(mask, outlet, found, float(far[outlet]))


def _upstream(to: np.ndarray, outlet: int) -> np.ndarray:
    """Return which cells (H * W,) drain through one."""
    inside = np.zeros(to.size, bool)
    inside[outlet] = True
    order = [outlet]
    sources: list[list[int]] = [[] for _ in range(to.size)]
    for k in np.flatnonzero(to >= 0).tolist():
        sources[int(to[k])].append(k)
    while order:
        found = sources[order.pop()]
        inside[found] = True
        order.extend(found)
    return inside
