"""Figures of hidden pixels: predicted against true heights, and errors by distance and slope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oggm_glaunti.companions.dem.scores import HeldOut, score
from oggm_glaunti.graphics.style import COLOURS, LINES, light_grid, panels, plain_log, series_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lower ends of the bins of distance (pixels) and slope (degrees); the last bin is open.
DISTANCES, SLOPES = (1, 2, 3, 4, 6, 8, 12, 16, 24), (0, 10, 20, 30, 40, 50)
# Number of heights above which a density is drawn, and share of the heights that may lie outside the axes.
MANY, OUTSIDE = 2000, 0.005


def plot_held_out(held_out: HeldOut | Sequence[HeldOut], title: str = "") -> Figure:
    """Draw predicted against true heights of hidden pixels, and their errors by distance and slope.

    Heights themselves always seem to agree perfectly, so their differences to the reference are drawn.

    Parameters
    ----------
    held_out : HeldOut or sequence of HeldOut
        Results of :func:`~oggm_glaunti.companions.dem.scores.hold_out`, which are drawn together
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    flat = _flat([held_out] if isinstance(held_out, HeldOut) else held_out)
    figure, axes = _titled_row((12.0, 4.6), (1.5, 1.0, 1.0), title)
    _true_and_predicted(figure, axes[0], flat)
    _errors_by_distance_and_slope(figure, axes[1:], {"": flat})
    return figure


def plot_errors(held_out: Mapping[str, HeldOut | Sequence[HeldOut]], title: str = "") -> Figure:
    """Draw the errors of several methods on hidden pixels, by distance to the void's edge and by slope.

    Parameters
    ----------
    held_out : mapping of str to HeldOut or sequence of HeldOut
        Results of :func:`~oggm_glaunti.companions.dem.scores.hold_out` by name of the method
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    flat = {name: _flat([of] if isinstance(of, HeldOut) else of) for name, of in held_out.items()}
    figure, axes = _titled_row((9.0, 4.2), (1.0, 1.0), title)
    _errors_by_distance_and_slope(figure, axes, flat)
    return figure


def _titled_row(size: tuple[float, float], widths: tuple[float, ...], title: str) -> tuple[Figure, Sequence[Axes]]:
    figure, axes = panels(1, len(widths), size, width_ratios=widths)
    figure.suptitle(title, fontsize="medium")
    for ax in axes[0]:
        light_grid(ax)
    return figure, axes[0]


def _flat(parts: Sequence[HeldOut]) -> HeldOut:
    """Join all known heights, pixels and years of all parts, in one row."""
    rows = []
    for part in parts:
        seen = np.isfinite(part.true)
        rows.append([np.broadcast_to(field, seen.shape)[seen] for field in part[:-1]])
    true, predicted, std, reference, slope, distance = (np.concatenate(field) for field in zip(*rows, strict=True))
    nowhere = np.zeros((0, 0), bool)
    return HeldOut(true[None], predicted[None], std[None], reference, slope, distance, nowhere)


def _true_and_predicted(figure: Figure, ax: Axes, flat: HeldOut) -> None:
    true, predicted = flat.true[0] - flat.reference, flat.predicted[0] - flat.reference
    low, high = np.quantile(np.concatenate([true, predicted]), (OUTSIDE / 2, 1 - OUTSIDE / 2))
    margin = 0.05 * (high - low) or 1.0
    low, high = float(low - margin), float(high + margin)
    inside = (np.minimum(true, predicted) >= low) & (np.maximum(true, predicted) <= high)
    if true.size > MANY:
        style: dict[str, Any] = {"gridsize": 45, "mincnt": 1, "bins": "log", "linewidths": 0.1, "cmap": "viridis_r"}
        image = ax.hexbin(true[inside], predicted[inside], extent=(low, high, low, high), **style)
        plain_log(figure.colorbar(image, ax=ax, label="heights in a hexagon", shrink=0.8).long_axis)
    else:
        ax.scatter(true[inside], predicted[inside], s=8, alpha=0.5, linewidths=0, color=COLOURS[1])
    said = f"{true.size} heights" + (f", {(~inside).sum()} of them beyond the axes" if not inside.all() else "")
    found = score(flat)
    label = (
        f"1:1 ({said})\nRMSE {found.rmse:.1f} m, median |error| {found.median_error:.1f} m,\n"
        f"NMAD {found.nmad:.1f} m, {100 * found.coverage_90:.0f} % within 90 % intervals"
    )
    ax.plot((low, high), (low, high), color="black", linewidth=0.8, label=label)
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="true height above the reference (m)")
    ax.set_ylabel("predicted height above the reference (m)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize="small", handlelength=1.0)


def _errors_by_distance_and_slope(figure: Figure, axes: Sequence[Axes], flat: Mapping[str, HeldOut]) -> None:
    """Draw the median (solid) and the 90th percentile (dashed) of the absolute errors in bins."""
    bins = {"distance": DISTANCES, "slope": SLOPES}
    labels = ("cells to the nearest known one", "slope of the reference (degrees)")
    axes[1].sharey(axes[0])
    for ax, (place, lower_ends), words in zip(axes, bins.items(), labels, strict=True):
        for k, (name, of) in enumerate(flat.items()):
            which, error = np.digitize(getattr(of, place), lower_ends) - 1, np.abs(of.error[0])
            used, style = np.unique(which), series_style(k, "color", "marker") | {"markersize": 4}
            for share, quantile, line in ((0.5, "median", LINES[0]), (0.9, "90th percentile", LINES[1])):
                values = [np.quantile(error[which == b], share) for b in used]
                ax.plot(used, values, linestyle=line, label=f"{name}: {quantile}" if name else quantile, **style)
        every = np.digitize(np.concatenate([getattr(of, place) for of in flat.values()]), lower_ends) - 1
        used, upper_ends = np.unique(every), [*(f"-{end}" for end in lower_ends[1:]), "+"]
        names = [f"{lower_ends[b]}{upper_ends[b]}\n{100 * (every == b).mean():.2g} %" for b in used]
        ax.set_xticks(used, [bin_name.replace("-", "\N{EN DASH}") for bin_name in names], fontsize="small")
        ax.set(xlabel=f"{words}\n(and share of the heights)", ylabel="absolute error (m)", yscale="log")
        plain_log(ax.yaxis)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=max(2, len(flat)), frameon=False, fontsize="small")
