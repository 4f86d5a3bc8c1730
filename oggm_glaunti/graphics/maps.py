"""What a map shows of a place: its cells in km, the ground in grey, heights and zeros as contour lines.

Rows of all arrays run from north to south.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.image import AxesImage
    from matplotlib.text import Text
    from pyproj import CRS

    from oggm_glaunti.coupling.ground.features import Features

Limits = tuple[float, float]

LIGHT = {"azdeg": 315.0, "altdeg": 45.0}  # degrees: from the north-west, half way up
SHADOWS = 12  # steps of a hillshade: finer ones are not seen, and double the size of a PNG
DARKEST = 0.4  # opacity of a hillshade's black where it is darkest
CONTOUR_STEPS = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)  # m
MOST_CONTOURS = 8
EDGE = 0.05  # of a map, within which no line has a number: its frame would cut it


class Extent(NamedTuple):
    """What a map shows: centres of the cells at its left, right, lower and upper edge, km."""

    x: Limits
    y: Limits


def kilometres(cells: Features | xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the eastings and northings of the cell centres, in km."""
    return np.asarray(cells.x) / 1000.0, np.asarray(cells.y) / 1000.0


def crs_of(dataset: xr.Dataset) -> CRS | None:
    """Return the coordinate system that a dataset names, as CF does or in ``crs_wkt``; None if it names none."""
    from pyproj import CRS

    attributes = {**dataset.attrs, **(dataset["crs"].attrs if "crs" in dataset else {})}
    return CRS.from_wkt(attributes["crs_wkt"]) if "crs_wkt" in attributes else None


def around(shown: NDArray[np.bool_], x: NDArray[np.float64], y: NDArray[np.float64], margin: int) -> Extent:
    """Return the rectangle of the cells that are shown, with some more around them as far as there are any.

    Parameters
    ----------
    shown : bool array (H, W)
    x, y : arrays (W,), (H,)
        Centres of the cells, km; `y` falls
    margin : int
        Cells

    Examples
    --------
    >>> shown = np.zeros((5, 6), bool)
    >>> shown[2, 3] = True
    >>> around(shown, np.arange(6.0), -np.arange(5.0), 1)
    Extent(x=(2.0, 4.0), y=(-3.0, -1.0))
    """
    rows, cols = np.nonzero(shown)
    x = x[max(cols.min() - margin, 0) : cols.max() + margin + 1]
    y = y[max(rows.min() - margin, 0) : rows.max() + margin + 1]
    return Extent((float(x[0]), float(x[-1])), (float(y[-1]), float(y[0])))


# --- ground ---


def hillshade(elevation: ArrayLike, cell: float) -> NDArray[np.float64]:
    """Return how bright a surface is in the light of :data:`LIGHT`, from 0, its darkest cell, to 1, its brightest.

    Parameters
    ----------
    elevation : array (H, W)
        m, finite
    cell : float
        Side of a cell, m

    Examples
    --------
    >>> rows, cols = np.indices((5, 5)) - 2.0
    >>> shade = hillshade(100.0 - 10.0 * np.hypot(rows, cols), 30.0)  # a cone
    >>> bool(shade[1, 1] > 0.8), bool(shade[3, 3] < 0.2)
    (True, True)
    """
    from matplotlib.colors import LightSource

    return np.asarray(LightSource(**LIGHT).hillshade(np.asarray(elevation, float), dx=cell, dy=cell), np.float64)


def draw_ground(
    ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], elevation: ArrayLike, *, over: bool = False
) -> AxesImage:
    """Draw the shadows of a DEM: below everything else, where white paper makes greys of them, or over colours.

    Parameters
    ----------
    ax : matplotlib Axes
    x, y : arrays (W,), (H,)
        Centres of the cells, km; `y` falls
    elevation : array (H, W)
        m
    over : bool
        Draw over the images that are there, whose colours get darker in the shade
    """
    cell = float(x[1] - x[0])
    shade = hillshade(elevation, 1000.0 * cell)
    dark, bright = np.quantile(shade, (0.01, 0.99))
    black = np.zeros((*shade.shape, 4))
    dimmed = np.clip((bright - shade) / ((bright - dark) or 1.0), 0.0, 1.0)
    black[..., 3] = DARKEST * np.round(SHADOWS * dimmed) / SHADOWS
    extent = (x[0] - cell / 2, x[-1] + cell / 2, y[-1] - cell / 2, y[0] + cell / 2)
    return ax.imshow(black, extent=extent, interpolation="nearest", zorder=0.5 if over else -1)


def contour_step(heights: ArrayLike) -> float:
    """Return the smallest round step, m, with which not more than :data:`MOST_CONTOURS` contours cross `heights`.

    Examples
    --------
    >>> contour_step([2400.0, 3700.0]), contour_step([150.0, 180.0])
    (200.0, 10.0)
    """
    span = float(np.ptp(heights))
    return next((step for step in CONTOUR_STEPS if span / step <= MOST_CONTOURS), CONTOUR_STEPS[-1])


def draw_heights(
    ax: Axes,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    elevation: ArrayLike,
    *,
    step: float | None = None,
) -> QuadContourSet | None:
    """Draw contour lines of height with their heights written on every other one.

    Parameters
    ----------
    ax : matplotlib Axes
        With its limits set
    x, y : arrays (W,), (H,)
        Centres of the cells, km
    elevation : array (H, W)
        m
    step : float, optional
        Height between lines, m; by default that of :func:`contour_step` for the heights within the map's limits

    Returns
    -------
    QuadContourSet or None
        None if no line lies within the map
    """
    inside = np.ix_(_within(y, ax.get_ylim()), _within(x, ax.get_xlim()))
    heights = np.asarray(elevation, float)[inside]
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    step = contour_step([low, high]) if step is None else step
    levels = np.arange(step * np.ceil(low / step), high, step)
    if not levels.size:
        return None
    lines = ax.contour(x[inside[1][0]], y[inside[0][:, 0]], heights, levels=levels, colors="0.2", linewidths=0.4)
    numbers = ax.clabel(lines, levels[1 - levels.size % 2 :: 2], fmt=lambda height: f"{height:.0f} m", fontsize=6)
    _keep_whole(ax, numbers, 1.5)
    return lines


def _within(at: NDArray[np.float64], limits: tuple[float, float]) -> NDArray[np.bool_]:
    return (min(limits) <= at) & (at <= max(limits))


def _keep_whole(ax: Axes, numbers: Sequence[Text], halo: float) -> None:
    """Give numbers on lines a white edge, and remove those that the map's frame would cut."""
    from matplotlib import patheffects

    for text in numbers:
        place = ax.transAxes.inverted().transform(ax.transData.transform(text.get_position()))
        if (np.abs(place - 0.5) > 0.5 - EDGE).any():
            text.remove()
        text.set_path_effects([patheffects.withStroke(linewidth=halo, foreground="white")])


def draw_zero(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64], values: ArrayLike) -> None:
    """Draw the line at which values are zero, heavier than heights and outlines, with a 0 on it.

    Parameters
    ----------
    ax : matplotlib Axes
        With its limits set
    x, y : arrays (W,), (H,)
        Centres of the cells, km
    values : array (H, W)
        NaN where there is nothing
    """
    from matplotlib import patheffects

    line = ax.contour(x, y, values, levels=[0.0], colors="black", linewidths=1.3)
    line.set(path_effects=[patheffects.withStroke(linewidth=2.3, foreground="white")])
    # The number stands on the longest piece only: ice falls and nunataks make many small ones.
    if not line.allsegs[0]:  # no neighbours of both signs: gaps lie between them
        return
    longest = max(line.allsegs[0], key=len)
    _keep_whole(ax, ax.clabel(line, fmt="0", fontsize=8, manual=[longest[len(longest) // 2]]), 2.3)
