"""Predicted heights of hidden pixels against true ones, and errors by distance and slope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.dem.scores import HeldOut, Scores, score
from oggm_glaunti.graphics.dem.ticks import plain_log
from oggm_glaunti.graphics.glacier import COLOURS, LINES, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Lower ends of the bins of distance (pixels) and slope (degrees); the last one is open.
DISTANCES, SLOPES = (1, 2, 3, 4, 6, 8, 12, 16, 24), (0, 10, 20, 30, 40, 50)
# Heights beyond which a density is drawn, and share of them that may lie outside the axes.
MANY, OUTSIDE = 2000, 0.005


def plot_held_out(held_out: HeldOut | Sequence[HeldOut], title: str = "") -> Figure:
    """Predicted against true heights of hidden pixels, and their errors by distance and slope.

    Heights themselves always look perfect beside each other, so their differences to the reference are drawn.

    Parameters
    ----------
    held_out : HeldOut or sequence of HeldOut
        of :func:`~oggm_glaunti.companions.dem.scores.hold_out`; drawn together
    title : str

    Returns
    -------
    matplotlib Figure
    """
    flat = _flat([held_out] if isinstance(held_out, HeldOut) else held_out)
    figure, axes = _figure((12.0, 4.6), (1.5, 1.0, 1.0), title)
    _true_and_predicted(figure, axes[0], flat)
    _errors_by_distance_and_slope(figure, axes[1:], {"": flat})
    return figure


def plot_errors(held_out: Mapping[str, HeldOut | Sequence[HeldOut]], title: str = "") -> Figure:
    """Errors of several methods on hidden pixels, by distance to the void's edge and by slope.

    Parameters
    ----------
    held_out : mapping of str to HeldOut or sequence of HeldOut
        by the name of the method
    title : str

    Returns
    -------
    matplotlib Figure
    """
    flat = {name: _flat([of] if isinstance(of, HeldOut) else of) for name, of in held_out.items()}
    figure, axes = _figure((9.0, 4.2), (1.0, 1.0), title)
    _errors_by_distance_and_slope(figure, axes, flat)
    return figure


def _figure(size: tuple[float, float], widths: tuple[float, ...], title: str) -> tuple[Figure, Sequence[Axes]]:
    figure = new_figure(size)
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(1, len(widths), width_ratios=widths)
    for ax in axes:
        ax.grid(color="0.92", linewidth=0.6)
        ax.set_axisbelow(True)
    return figure, axes


def _flat(parts: Sequence[HeldOut]) -> HeldOut:
    """All heights that are known, pixels and years of all parts, in one row."""
    rows = []
    for part in parts:
        seen = np.isfinite(part.true)
        rows.append([np.broadcast_to(field, seen.shape)[seen] for field in part[:-1]])
    true, predicted, std, *of_pixels = (np.concatenate(field) for field in zip(*rows, strict=True))
    return HeldOut(true[None], predicted[None], std[None], *of_pixels, np.zeros((0, 0), bool))


def _true_and_predicted(figure: Figure, ax: Axes, flat: HeldOut) -> None:
    true, predicted = flat.true[0] - flat.reference, flat.predicted[0] - flat.reference
    low, high = np.quantile(np.concatenate([true, predicted]), (OUTSIDE / 2, 1 - OUTSIDE / 2))
    margin = 0.05 * (high - low) or 1.0
    low, high = float(low - margin), float(high + margin)
    inside = (np.minimum(true, predicted) >= low) & (np.maximum(true, predicted) <= high)
    if true.size > MANY:
        style = {"gridsize": 45, "extent": (low, high, low, high), "mincnt": 1, "bins": "log", "linewidths": 0.1}
        image = ax.hexbin(true[inside], predicted[inside], cmap="viridis_r", **style)
        plain_log(figure.colorbar(image, ax=ax, label="heights in a hexagon", shrink=0.8).long_axis)
    else:
        ax.scatter(true[inside], predicted[inside], s=8, alpha=0.5, linewidths=0, color=COLOURS[1])
    said = f"{true.size} heights" + (f", {(~inside).sum()} of them beyond the axes" if not inside.all() else "")
    ax.plot((low, high), (low, high), color="black", linewidth=0.8, label=f"1:1 ({said})\n{_in_words(score(flat))}")
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="true height above the reference (m)")
    ax.set_ylabel("predicted height above the reference (m)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize="small", handlelength=1.0)


def _in_words(found: Scores) -> str:
    return (
        f"RMSE {found.rmse:.1f} m, median |error| {found.median_error:.1f} m,\n"
        f"NMAD {found.nmad:.1f} m, {100 * found.coverage_90:.0f} % within 90 % intervals"
    )


def _errors_by_distance_and_slope(figure: Figure, axes: Sequence[Axes], flat: Mapping[str, HeldOut]) -> None:
    """Median of the absolute errors (full) and 90th percentile (dashed) in bins."""
    panels = (
        (DISTANCES, lambda of: of.distance, "cells to the nearest known one"),
        (SLOPES, lambda of: of.slope, "slope of the reference (degrees)"),
    )
    axes[1].sharey(axes[0])
    for ax, (lower_ends, place_of, words) in zip(axes, panels, strict=True):
        for k, (name, of) in enumerate(flat.items()):
            _quantiles(ax, np.digitize(place_of(of), lower_ends) - 1, np.abs(of.error[0]), name, k)
        _name_bins(ax, np.concatenate([place_of(of) for of in flat.values()]), lower_ends)
        ax.set(xlabel=f"{words}\n(and share of the heights)", ylabel="absolute error (m)", yscale="log")
        plain_log(ax.yaxis)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=max(2, len(flat)), frameon=False, fontsize="small")


def _quantiles(ax: Axes, which: NDArray[np.intp], error: NDArray[np.float64], name: str, k: int) -> None:
    used = np.unique(which)
    style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "markersize": 4}
    for share, words, line in ((0.5, "median", LINES[0]), (0.9, "90th percentile", LINES[1])):
        values = [np.quantile(error[which == b], share) for b in used]
        ax.plot(used, values, linestyle=line, label=f"{name}: {words}" if name else words, **style)


def _name_bins(ax: Axes, places: NDArray[np.float64], lower_ends: Sequence[int]) -> None:
    which = np.digitize(places, lower_ends) - 1
    used = np.unique(which)
    upper_ends = [*(f"-{end}" for end in lower_ends[1:]), "+"]
    labels = [f"{lower_ends[b]}{upper_ends[b]}\n{100 * (which == b).mean():.2g} %" for b in used]
    ax.set_xticks(used, [label.replace("-", "\N{EN DASH}") for label in labels], fontsize="small")
