"""The frame of a map: coordinates, a scale bar, and an arrow to true north.

True north is not up: a projection turns it by the convergence of its meridians, and the arrow shows by how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.offsetbox import AnchoredOffsetbox
    from pyproj import CRS

    from oggm_glaunti.graphics.maps import Extent

BAR_SHARE = 0.25  # of the width of a map that its scale bar takes at most
KM_PER_DEGREE = 111.195  # of latitude, on a sphere of 6371 km
CORNERS = {"upper left": (1, 0), "upper right": (1, 1), "lower left": (0, 0), "lower right": (0, 1)}
NORTHWARDS = 0.01  # degrees of latitude by which a place is moved to see where north is


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
    rows, cols = (max(1, round(share * size)) for share, size in zip((0.25, 0.35), cells.shape, strict=True))
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
