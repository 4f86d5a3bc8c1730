"""What every map has: its place in km, the ground in grey, heights as contour lines, a scale bar, and where north is.

Rows of all arrays run from north to south. True north is not up: a projection turns it by the convergence of its
meridians, and the arrow shows by how much.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet
    from matplotlib.image import AxesImage
    from matplotlib.offsetbox import AnchoredOffsetbox
    from matplotlib.text import Text
    from pyproj import CRS

    from oggm_glaunti.coupling.ground.features import Features

Limits = tuple[float, float]

LIGHT = {"azdeg": 315.0, "altdeg": 45.0}  # degrees: from the north-west, half way up
DARKEST = 0.4  # opacity of a hillshade's black where it is darkest
CONTOUR_STEPS = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)  # m
MOST_CONTOURS = 8
EDGE = 0.05  # of a map, within which no line has a number: its frame would cut it
BAR_SHARE = 0.3  # of the width of a map that its scale bar takes at most
KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
CORNERS = {"upper left": (1, 0), "upper right": (1, 1), "lower left": (0, 0), "lower right": (0, 1)}
NORTHWARDS = 0.01  # degrees of latitude by which a place is moved to see where north is


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
    black[..., 3] = DARKEST * np.clip((bright - shade) / ((bright - dark) or 1.0), 0.0, 1.0)
    extent = (x[0] - cell / 2, x[-1] + cell / 2, y[-1] - cell / 2, y[0] + cell / 2)
    return ax.imshow(black, extent=extent, interpolation="bilinear", zorder=0.5 if over else -1)


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


# --- frame ---


def frame_map(
    ax: Axes,
    extent: Extent,
    *,
    crs: CRS | None = None,
    occupied: ArrayLike | None = None,
    cells: float = 0.0,
    scale: bool = True,
) -> None:
    """Give a map in km its limits, labels, scale bar and north arrow.

    Parameters
    ----------
    ax : matplotlib Axes
    extent : Extent
    crs : pyproj.CRS, optional
        Coordinate system; without one there is no arrow, since true north is then unknown
    occupied : bool array (H, W), optional
        Where not to put scale and arrow, over the whole extent, in any resolution
    cells : float
        Side of a cell, km: half of it is added on every side, so that cells at the edges are seen whole
    scale : bool
        Draw scale bar and arrow: of several maps of one place, the first has them
    """
    from matplotlib.ticker import MaxNLocator

    half = 0.5 * cells
    xlim, ylim = ((low - half, high + half) for low, high in extent)
    ax.set(xlim=xlim, ylim=ylim, aspect="equal", xlabel=f"{zone_of(crs)}easting (km)", ylabel="northing (km)")
    # As many numbers as there is room for; decimals, which need more of it, on small maps only.
    whole = min(xlim[1] - xlim[0], ylim[1] - ylim[0]) > 3.0
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=whole))
    ax.ticklabel_format(useOffset=False, style="plain")
    if not scale:
        return
    middle = 500.0 * (xlim[0] + xlim[1]), 500.0 * (ylim[0] + ylim[1])
    north = None if crs is None else north_of(crs, *middle)
    draw_scale(ax, scale_length(xlim[1] - xlim[0]), north=north, loc=emptiest_corner(occupied))


def zone_of(crs: CRS | None) -> str:
    """Return the words that stand before ``easting``.

    Examples
    --------
    >>> from pyproj import CRS
    >>> zone_of(CRS(32632)), zone_of(CRS(3031)), zone_of(None)
    ('UTM 32N ', 'EPSG:3031 ', '')
    """
    if crs is None:
        return ""
    if crs.utm_zone is not None:
        return f"UTM {crs.utm_zone} "
    code = crs.to_epsg()
    return "" if code is None else f"EPSG:{code} "


def north_of(crs: CRS, x: float, y: float) -> tuple[float, float]:
    """Return the direction of true north at a place, as a unit vector in the coordinates of a projection.

    Parameters
    ----------
    crs : pyproj.CRS
        Projected
    x, y : float
        Easting and northing, m

    Examples
    --------
    >>> from pyproj import CRS
    >>> east, north = north_of(CRS(32632), 630_000.0, 5_185_000.0)  # east of the zone's central meridian, 9°E
    >>> bool(east < 0.0 < north)
    True
    """
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    lon, lat = to_degrees.transform(x, y)
    # A step to the south where there is none left to the north.
    sign = 1.0 if lat < 90.0 - NORTHWARDS else -1.0
    moved = to_degrees.transform(lon, lat + sign * NORTHWARDS, direction="INVERSE")
    vector = sign * (np.array(moved) - (x, y))
    east, north = vector / np.linalg.norm(vector)
    return float(east), float(north)


def scale_length(width: float) -> float:
    """Return the round length, in the units of `width`, of a scale bar that takes at most :data:`BAR_SHARE` of it.

    Examples
    --------
    >>> scale_length(12.0), scale_length(3.0)
    (2.0, 0.5)
    """
    power = 10.0 ** np.floor(np.log10(BAR_SHARE * width))
    return float(power * max(step for step in (1.0, 2.0, 5.0) if step * power <= BAR_SHARE * width * (1.0 + 1e-9)))


def emptiest_corner(occupied: ArrayLike | None) -> str:
    """Return the corner of a map with the fewest occupied cells in it, upper left if several have none.

    Examples
    --------
    >>> emptiest_corner([[1, 1], [0, 1]]), emptiest_corner(None)
    ('lower left', 'upper left')
    """
    if occupied is None:
        return next(iter(CORNERS))
    cells = np.asarray(occupied, bool)[::-1]  # from south to north
    rows, cols = (max(1, round(share * size)) for share, size in zip((0.25, 0.4), cells.shape, strict=True))
    share = {
        name: float(cells[-rows if up else 0 :][:rows][:, -cols if right else 0 :][:, :cols].mean())
        for name, (up, right) in CORNERS.items()
    }
    return min(share, key=share.__getitem__)


def draw_scale(
    ax: Axes,
    length: float,
    *,
    kilometre: float = 1.0,
    words: str | None = None,
    north: tuple[float, float] | None = None,
    loc: str = "upper left",
) -> AnchoredOffsetbox:
    """Draw a scale bar with its length written below it, and beside it an arrow to true north.

    Parameters
    ----------
    ax : matplotlib Axes
    length : float
        Length of the bar, km
    kilometre : float
        Length of a kilometre in the units of the horizontal axis
    words : str, optional
        What is written below the bar; by default the length in km, or in m below one km
    north : (float, float), optional
        Direction of true north on the page, to the right and up; without it there is no arrow
    loc : str
        Corner of the map

    Returns
    -------
    AnchoredOffsetbox
        Bar, words and arrow in one box
    """
    from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, HPacker, TextArea, VPacker
    from matplotlib.patches import Rectangle

    bar = AuxTransformBox(ax.transData)
    # The height of the bar is its line's width: heights in the axes' units would differ between maps.
    bar.add_artist(Rectangle((0.0, 0.0), length * kilometre, 0.0, edgecolor="black", linewidth=2.0, joinstyle="miter"))
    words = (f"{length:g} km" if length >= 1.0 else f"{1000.0 * length:g} m") if words is None else words
    children: list[Any] = [
        VPacker(children=[bar, TextArea(words, textprops={"size": "x-small"})], align="center", pad=0, sep=3)
    ]
    if north is not None:
        children.append(_arrow(*north))
    packed = HPacker(children=children, align="center", pad=0, sep=6)
    box = AnchoredOffsetbox(loc, child=packed, pad=0.3, borderpad=0.4, frameon=True)
    box.patch.set(facecolor="white", edgecolor="none", alpha=0.9)
    box.set_zorder(6)
    ax.add_artist(box)
    box.set_in_layout(False)
    return box


def _arrow(east: float, north: float) -> Any:
    """Return an arrow of 14 points with an N at its head."""
    from matplotlib.offsetbox import DrawingArea
    from matplotlib.patches import FancyArrow
    from matplotlib.text import Text

    area, middle = DrawingArea(22.0, 26.0), np.array([11.0, 13.0])
    way = np.array([east, north])
    tail = middle - 11.0 * way
    head: dict[str, Any] = {"width": 1.2, "head_width": 5.5, "head_length": 6.0, "length_includes_head": True}
    area.add_artist(FancyArrow(*tail, *(14.0 * way), color="black", linewidth=0, **head))
    x, y = middle + 8.0 * way
    area.add_artist(Text(x, y, "N", ha="center", va="center", fontsize=7))
    return area
