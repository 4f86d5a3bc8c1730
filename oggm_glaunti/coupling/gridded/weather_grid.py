"""Where a glacier's cells lie in a file of gridded weather."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError
from pyproj import CRS, Transformer
from scipy.spatial import cKDTree

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.weather_file import WeatherFile, Window
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.ground.rasters import nearest_turn

# Share of a cell by which coordinates may differ and still count as the same.
SAME_CELL = 0.1
# Cells this many times as long as the glacier's, or longer, are coarse.
COARSE = 2.0
# Cells of the file kept around the glacier when the nearest ones are looked for.
AROUND = 2


class CoarseCells(Protocol):
    """Cells of a file of gridded weather: centres `y` (h,) and `x` (w,) in `crs`; `label` begins error messages."""

    label: str
    crs: CRS
    y: NDArray[np.float64]
    x: NDArray[np.float64]


def positions(file: CoarseCells, features: Features | CellGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractional row and column in the file of every cell of the features, (H, W) each."""
    to_file = Transformer.from_crs(features.crs, file.crs, always_xy=True)
    x, y = to_file.transform(*np.meshgrid(features.x, features.y))
    if file.crs.is_geographic:
        x = nearest_turn(x, (file.x[0] + file.x[-1]) / 2)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidParamsError(f"{file.label}: the glacier has no place in its coordinate system ({file.crs.name})")
    axes = (y, file.y), (x, file.x)
    rows, cols = ((at - axis[0]) / ((axis[-1] - axis[0]) / (axis.size - 1)) for at, axis in axes)
    return rows, cols


def same_cells(file: WeatherFile, features: Features) -> tuple[Window, tuple[int, ...]] | None:
    """Locate the features' own cells in the file, and the axes that run the other way; None if they are not in it.

    Parameters
    ----------
    file : WeatherFile
    features : Features
    """
    slices, flip = [], []
    for axis, at, n in zip((0, 1), positions(file, features), (file.y.size, file.x.size), strict=True):
        index = np.rint(at)
        one = np.take(index, 0, axis=1 - axis)
        steps = np.unique(np.diff(one))
        even = steps.size == 1 and abs(steps[0]) == 1 and (np.ptp(index, axis=1 - axis) == 0).all()
        if not even or np.abs(at - index).max() > SAME_CELL or one.min() < 0 or one.max() >= n:
            return None
        slices.append(slice(int(one.min()), int(one.max()) + 1))
        if steps[0] < 0:
            flip.append(axis - 2)
    return Window(*slices), tuple(flip)


def nearest_cells(file: CoarseCells, features: Features | CellGrid, rgi_id: str) -> tuple[Window, NDArray[np.int64]]:
    """Find the part of a coarser file around a glacier, and its nearest cell to each cell of the features.

    Parameters
    ----------
    file : CoarseCells
        such as a :class:`~oggm_glaunti.coupling.gridded.weather_file.WeatherFile`
    features : Features or CellGrid
    rgi_id : str
        named in errors

    Returns
    -------
    Window
    int array (H, W)
        index into the window's cells, all taken as one row; nearest by distance in the features' coordinates

    Raises
    ------
    InvalidParamsError
        if the file does not reach all cells, or its cells are as fine as the features' without being the same
    """
    at = positions(file, features)
    _require_inside(file, at, rgi_id)
    _require_coarse(file, at, rgi_id)
    around = (
        slice(max(0, int(np.floor(p.min())) - AROUND), min(n, int(np.ceil(p.max())) + AROUND + 1))
        for p, n in zip(at, (file.y.size, file.x.size), strict=True)
    )
    window = Window(*around)
    from_file = Transformer.from_crs(file.crs, features.crs, always_xy=True)
    x, y = from_file.transform(*np.meshgrid(file.x[window.cols], file.y[window.rows]))
    own = np.stack(np.meshgrid(features.x, features.y), axis=-1)
    _, nearest = cKDTree(np.column_stack([x.reshape(-1), y.reshape(-1)])).query(own)
    return window, nearest


def _require_inside(file: CoarseCells, at: tuple[NDArray[np.float64], ...], rgi_id: str) -> None:
    sizes = file.y.size, file.x.size
    inside = np.all([(p >= -0.5 - SAME_CELL) & (p <= n - 0.5 + SAME_CELL) for p, n in zip(at, sizes, strict=True)], 0)
    if not inside.all():
        raise InvalidParamsError(
            f"{file.label}: does not reach all cells of {rgi_id}'s maps: it spans {file.x.min():g} to {file.x.max():g} "
            f"and {file.y.min():g} to {file.y.max():g} ({file.crs.name}), and "
            f"{100 * (1 - inside.mean()):.3g} % of the cells lie outside"
        )


def _require_coarse(file: CoarseCells, at: tuple[NDArray[np.float64], ...], rgi_id: str) -> None:
    rows, cols = at
    steps = [np.hypot(np.diff(rows, axis=axis), np.diff(cols, axis=axis)).max() for axis in (0, 1)]
    if max(steps) * COARSE > 1.0 + SAME_CELL:
        raise InvalidParamsError(
            f"{file.label}: its cells are about {settings.CELL_SIZE / max(steps):.0f} m long and not those of "
            f"{rgi_id}'s maps. Expected the cells of glaunti_features.nc (x, y and crs in that file), or cells of "
            f"{COARSE * settings.CELL_SIZE:.0f} m or more; resample the file"
        )
