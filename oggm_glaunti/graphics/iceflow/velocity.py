"""Figures of velocities: arrows on the image, speed and its error, stable ground, shifts of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oggm_glaunti.graphics.style import COLOURS, GREY, light_grid, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oggm_glaunti.companions.iceflow.velocity import Velocity

# Arrows along the longer side of the image.
ARROWS = 30


def plot_ice_velocity(found: Velocity, title: str = "") -> Figure:
    """Draw the velocity on its image: arrows, speed, and the error of a component.

    Parameters
    ----------
    found : Velocity
        Of a pair or a stack of images; m yr-1 if the size of a pixel is known, otherwise px a day
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    first = found.images[0]
    factor, unit = (1.0, "px day$^{-1}$") if first.pixel is None else (365.25 * first.pixel, "m yr$^{-1}$")
    height, width = first.values.shape
    tall = height / width
    figure, axes = panels(1, 3, (12.0, max(2.6, 3.1 * tall + 1.0)), sharex=True, sharey=True)
    speed = factor * np.hypot(found.rows, found.cols)
    error = factor * found.error
    _background(axes[0, 0], first.values, first.valid)
    _arrows(axes[0, 0], found)
    row_step = float(found.row[1] - found.row[0]) if found.row.size > 1 else 1.0
    extent = (
        found.col[0] - row_step / 2,
        found.col[-1] + row_step / 2,
        found.row[-1] + row_step / 2,
        found.row[0] - row_step / 2,
    )
    shown = np.isfinite(speed) & ~found.stable
    for ax, values, name, colours in (
        (axes[0, 1], speed, "speed", "viridis"),
        (axes[0, 2], error, "error of a component", "magma_r"),
    ):
        _background(ax, first.values, first.valid)
        top = float(np.percentile(values[shown], 98)) if shown.any() else 1.0
        image = ax.imshow(values, cmap=colours, vmin=0.0, vmax=top or 1.0, extent=extent, interpolation="nearest")
        ax.figure.colorbar(image, ax=ax, label=f"{name} ({unit})", extend="max", shrink=0.85)
    still = found.stable & np.isfinite(found.rows)
    r, c = np.nonzero(still)
    axes[0, 0].plot(found.col[c], found.row[r], ".", color=COLOURS[2], markersize=2.5, label="stable ground")
    if still.any():
        axes[0, 0].legend(loc="lower right", fontsize="small", framealpha=0.8, markerscale=3)
    for ax in axes[0]:
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xlabel="column (px)")
    axes[0, 0].set_ylabel("row (px)")
    dates = " to ".join(f"{found.images[k].date:%Y-%m-%d}" for k in (0, -1))
    figure.suptitle(title or f"{dates}, {len(found.images)} images", fontsize="medium")
    return figure


def _background(ax: Axes, values: Any, valid: Any) -> None:
    step = max(1, max(values.shape) // 900)
    shown = np.where(valid, values, np.nan)[::step, ::step].astype(float)
    low, high = np.nanpercentile(shown, (2, 98))
    height, width = values.shape
    ax.set_facecolor("0.9")
    ax.imshow(shown, cmap="gray", vmin=low, vmax=high, extent=(-0.5, width - 0.5, height - 0.5, -0.5))


def _arrows(ax: Axes, found: Velocity) -> None:
    every = max(1, int(np.ceil(max(found.rows.shape) / ARROWS)))
    part = slice(every // 2, None, every)
    rows, cols = found.rows[part, part], found.cols[part, part]
    good = np.isfinite(rows) & ~found.stable[part, part]
    col, row = np.meshgrid(found.col[part], found.row[part])
    fast = np.percentile(np.hypot(rows, cols)[good], 95) if good.any() else 1.0
    spacing = every * float(found.row[1] - found.row[0]) if found.row.size > 1 else 1.0
    how: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": float(fast) / (1.6 * spacing), "width": 0.004}
    ax.quiver(col[good], row[good], cols[good], rows[good], color=COLOURS[0], **how)


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
    left.tick_params(axis="x", rotation=30)
    light_grid(left)
    right.plot(found.shifts[:, 1], found.shifts[:, 0], "-", color=GREY, linewidth=0.6)
    right.plot(found.shifts[:, 1], found.shifts[:, 0], "o", color=COLOURS[4])
    for k in (0, len(found.images) - 1):
        right.annotate(
            f"{found.images[k].date:%Y-%m-%d}",
            found.shifts[k, ::-1],
            fontsize="x-small",
            xytext=(4, 4),
            textcoords="offset points",
        )
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
    ax.plot(np.asarray(cols)[used], np.asarray(rows)[used], ".", color=COLOURS[1], markersize=3)
    ax.plot(found.cols, found.rows, "+", color=COLOURS[0], markersize=14, markeredgewidth=2)
    reach = 4 * max(found.nmad_rows, found.nmad_cols, 0.05)
    ax.set(xlim=(found.cols - reach, found.cols + reach), ylim=(found.rows + reach, found.rows - reach), aspect="equal")
    ax.set(xlabel="columns (px)", ylabel="rows (px)")
    ax.set_title(
        title or f"{found.windows} windows, NMAD {found.nmad_rows:.2f} and {found.nmad_cols:.2f} px", fontsize="small"
    )
    light_grid(ax)
    return figure
