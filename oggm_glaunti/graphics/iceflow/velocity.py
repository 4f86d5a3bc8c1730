"""Figures of velocities: arrows on the image, speed and its error, stable ground, shifts of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.graphics.map_frame import BAR_SHARE, draw_scale, emptiest_corner, frame_map, scale_length
from oggm_glaunti.graphics.maps import Extent
from oggm_glaunti.graphics.style import COLOURS, GREY, light_grid, panels, short_dates

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oggm_glaunti.companions.iceflow.images import Image
    from oggm_glaunti.companions.iceflow.velocity import Velocity

# Arrows along the longer side of the image.
ARROWS = 30


class _Place(NamedTuple):
    """Where windows and pixels of an image are: km of its projection, or px where it has no place."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]  # centres of columns and rows of windows
    windows: tuple[float, float, float, float]
    image: tuple[float, float, float, float]  # left, right, lower and upper edge
    up: float  # 1 if the vertical axis rises to the top of the page, else -1


def plot_ice_velocity(found: Velocity, title: str = "") -> Figure:
    """Draw the velocity on its image: arrows, speed, and the error of a component.

    Parameters
    ----------
    found : Velocity
        Of a pair or a stack of images; m a-1 if the size of a pixel is known, otherwise px a day. Images of a known
        projection are drawn in its km, with a scale bar and an arrow to the north; others in px
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    first, place = found.images[0], _place(found)
    factor, unit = (1.0, "px day$^{-1}$") if first.pixel is None else (365.25 * first.pixel, "m a$^{-1}$")
    height, width = first.values.shape
    figure, axes = panels(1, 3, (12.0, max(2.6, 3.1 * height / width + 1.0)), sharex=True, sharey=True)
    speed, error = factor * np.hypot(found.rows, found.cols), factor * found.error
    shown = np.isfinite(speed) & ~found.stable
    for ax in axes[0]:
        _background(ax, first.values, first.valid, place)
    _arrows(axes[0, 0], found, place, factor, unit)
    for ax, values, name, colours in (
        (axes[0, 1], speed, "speed", "viridis"),
        (axes[0, 2], error, "error of a component,\n1 sd", "magma_r"),
    ):
        top = float(np.percentile(values[shown], 98)) if shown.any() else 1.0
        image = ax.imshow(
            values, cmap=colours, vmin=0.0, vmax=top or 1.0, extent=place.windows, interpolation="nearest"
        )
        ax.figure.colorbar(image, ax=ax, label=f"{name} ({unit})", extend="max", shrink=0.85)
    r, c = np.nonzero(found.stable & np.isfinite(found.rows))
    if r.size:
        ground = {"color": COLOURS[4], "markersize": 2.5, "label": "stable ground"}
        axes[0, 0].plot(place.x[c], place.y[r], ".", **ground)
        axes[0, 0].legend(loc="lower right", fontsize="small", framealpha=0.8, markerscale=3)
    for ax in axes[0]:
        _frame(ax, first, place, scale=ax is axes[0, 0])
        ax.label_outer()
    dates = " to ".join(f"{found.images[k].date:%Y-%m-%d}" for k in (0, -1))
    figure.suptitle(title or f"{dates}, {len(found.images)} images", fontsize="medium")
    return figure


def _place(found: Velocity) -> _Place:
    first, half = found.images[0], 0.5 * (float(found.row[1] - found.row[0]) if found.row.size > 1 else 1.0)
    height, width = first.values.shape
    edges = np.array([[found.col[0] - half, found.row[-1] + half], [found.col[-1] + half, found.row[0] - half]])
    image = np.array([[-0.5, height - 0.5], [width - 0.5, -0.5]])
    x, y, up = found.col, found.row, -1.0
    if first.crs is not None:
        # Pixel k lies from k to k + 1 of the transform, and around k here.
        at, up = first.transform, 1.0
        x, y = (at.c + at.a * (x + 0.5)) / 1000.0, (at.f + at.e * (y + 0.5)) / 1000.0
        edges, image = ((np.array([at.c, at.f]) + (part + 0.5) * (at.a, at.e)) / 1000.0 for part in (edges, image))
    windows, whole = ((*part[:, 0], *part[:, 1]) for part in (edges, image))
    return _Place(x, y, windows, whole, up)


def _frame(ax: Axes, first: Image, place: _Place, *, scale: bool) -> None:
    left, right, bottom, top = place.image
    if first.crs is not None:
        cell = first.transform.a / 2000.0
        extent = Extent((left + cell, right - cell), (bottom + cell, top - cell))
        frame_map(ax, extent, crs=first.crs, occupied=first.valid, cells=2.0 * cell, scale=scale)
        return
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="column (px)", ylabel="row (px)")
    if first.pixel is not None and scale:
        length = scale_length((right - left) * first.pixel / 1000.0)
        draw_scale(ax, length, kilometre=1000.0 / first.pixel, loc=emptiest_corner(first.valid))


def _background(ax: Axes, values: Any, valid: Any, place: _Place) -> None:
    step = max(1, max(values.shape) // 900)
    shown = np.where(valid, values, np.nan)[::step, ::step].astype(float)
    low, high = np.nanpercentile(shown, (2, 98))
    ax.set_facecolor("0.9")
    ax.imshow(shown, cmap="gray", vmin=low, vmax=high, extent=place.image)


def _arrows(ax: Axes, found: Velocity, place: _Place, factor: float, unit: str) -> None:
    every = max(1, int(np.ceil(max(found.rows.shape) / ARROWS)))
    part = slice(every // 2, None, every)
    rows, cols = found.rows[part, part], found.cols[part, part]
    good = np.isfinite(rows) & ~found.stable[part, part]
    x, y = np.meshgrid(place.x[part], place.y[part])
    fast = float(np.percentile(np.hypot(rows, cols)[good], 95)) if good.any() else 1.0
    spacing = every * abs(float(place.x[1] - place.x[0])) if place.x.size > 1 else 1.0
    how: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": fast / (1.6 * spacing), "width": 0.004}
    # Rows count downwards, as the vertical axis does unless it is a northing.
    arrows = ax.quiver(x[good], y[good], cols[good], -place.up * rows[good], color=COLOURS[0], **how)
    key = scale_length(factor * fast / BAR_SHARE)
    text: dict[str, Any] = {"labelpos": "E", "coordinates": "axes", "fontproperties": {"size": "small"}}
    # Its length is that of an arrow along the axes, whose scale does not depend on the direction.
    ax.quiverkey(arrows, 0.02, 1.04, key / factor, f"{key:g} {unit}", angle=0.0, **text)


def plot_image_shifts(found: Velocity, title: str = "") -> Figure:
    """Draw the shift of each image that was solved for, and how windows on stable ground scatter around it.

    Parameters
    ----------
    found : Velocity
        Of a stack of images
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = panels(1, 2, (9.0, 3.6), width_ratios=(1.6, 1.0))
    left, right = axes[0]
    dates = np.array([image.date for image in found.images], "datetime64[s]")
    for part, name, colour, marker in ((0, "rows", COLOURS[0], "o"), (1, "columns", COLOURS[1], "^")):
        left.plot(dates, found.shifts[:, part], marker=marker, color=colour, label=name, linewidth=0.8)
    left.axhline(0.0, color=GREY, linewidth=0.8)
    left.set_ylabel("shift against the first image (px)")
    left.legend(fontsize="small", frameon=False)
    short_dates(left)
    light_grid(left)
    right.plot(found.shifts[:, 1], found.shifts[:, 0], "-", color=GREY, linewidth=0.6)
    right.plot(found.shifts[:, 1], found.shifts[:, 0], "o", color=COLOURS[2])
    for k in (0, len(found.images) - 1):
        right.annotate(
            f"{found.images[k].date:%Y-%m-%d}",
            found.shifts[k, ::-1],
            fontsize="x-small",
            xytext=(4, 4),
            textcoords="offset points",
        )
    right.margins(0.25)  # room for the dates
    right.set(xlabel="columns (px)", ylabel="rows (px)", aspect="equal")
    right.invert_yaxis()
    light_grid(right)
    figure.suptitle(title or f"fixed by {found.anchor}", fontsize="medium")
    return figure


def plot_stable_scatter(rows: Any, cols: Any, stable: Any, title: str = "") -> Figure:
    """Draw the displacements of stable ground, with their median and scatter.

    Parameters
    ----------
    rows, cols : arrays
        Displacements, px
    stable : bool array
        Windows on stable ground
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    from oggm_glaunti.companions.iceflow.quality import stable_shift

    figure, axes = panels(1, 1, (4.2, 4.0))
    ax = axes[0, 0]
    used = np.asarray(stable, bool) & np.isfinite(rows) & np.isfinite(cols)
    found = stable_shift(rows, cols, stable)
    ax.plot(np.asarray(cols)[used], np.asarray(rows)[used], ".", color=COLOURS[1], markersize=3, label="window")
    median = {"marker": "+", "markersize": 14, "markeredgewidth": 2, "linestyle": "", "label": "median"}
    ax.plot(found.cols, found.rows, color=COLOURS[0], **median)
    reach = 4 * max(found.nmad_rows, found.nmad_cols, 0.05)
    ax.set(xlim=(found.cols - reach, found.cols + reach), ylim=(found.rows + reach, found.rows - reach), aspect="equal")
    ax.set(xlabel="columns (px)", ylabel="rows (px)")
    ax.set_title(
        title or f"{found.windows} windows, NMAD {found.nmad_rows:.2f} and {found.nmad_cols:.2f} px", fontsize="small"
    )
    ax.legend(frameon=False, fontsize="small", loc="best")
    light_grid(ax)
    return figure
