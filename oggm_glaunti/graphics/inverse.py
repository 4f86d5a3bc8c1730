"""Figures of inverse modelling: sensitivity by month, and the change of forcing that explains a series of balances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from oggm_glaunti.analysis.inverse.tasks import MONTH_NAMES, Inversion
from oggm_glaunti.graphics.style import COLOURS, GREY, LINES, light_grid, minus_signs, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONTROL_LABELS = {"dT": "temperature (K)", "dP": "precipitation (factor)"}
CONTROL_COLOURS = {"dT": COLOURS[0], "dP": COLOURS[1]}
# A month or a day is drawn as a step from its first day to the first day of the next one.
STEP_LENGTHS = {"monthly": pd.DateOffset(months=1), "daily": pd.DateOffset(days=1)}


def plot_sensitivity(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw the response of the annual balance to 1 K of warming and to 10 % more precipitation in each month.

    Parameters
    ----------
    table : DataFrame
        Result of :func:`~oggm_glaunti.analysis.inverse.tasks.climate_sensitivity`
    title : str
        Title of the figure, for example the name of the glacier
    """
    figure, axes = _stacked_panels(2, 6.4, 2.0, title, sharex=True)
    rows = (
        ("temp", "1 K warmer", CONTROL_COLOURS["dT"], "m w.e. a$^{-1}$ K$^{-1}$"),
        ("prcp_10pct", "10 % more precipitation", CONTROL_COLOURS["dP"], "m w.e. a$^{-1}$"),
    )
    for ax, (column, words, colour, units) in zip(axes, rows, strict=True):
        ax.bar(range(12), table.loc[list(MONTH_NAMES), column], color=colour, width=0.8, zorder=2)
        ax.axhline(0.0, color="black", linewidth=0.8, zorder=3)
        parts = ", ".join(f"{part} {table.loc[part, column]:+.2f}" for part in ("winter", "summer", "annual"))
        ax.set_title(minus_signs(f"{words}: {parts}"), fontsize="medium", loc="left")
        ax.set_ylabel(f"change of balance\n({units})")
        light_grid(ax)
    axes[-1].set_xticks(range(12), MONTH_NAMES)
    return figure


def plot_forcing_series(found: Inversion, title: str = "") -> Figure:
    """Draw annual balances before and after an inversion, and the change of forcing found, with bands of 1 sd.

    Parameters
    ----------
    found : Inversion
        Result of monthly or daily resolution
    title : str
        Title of the figure, for example the name of the glacier

    Raises
    ------
    ValueError
        If the result is a single shift, which is not a series
    """
    if found.resolution == "scalar":
        raise ValueError(f"{found.rgi_id}: a single shift ({found.control}) is a number, not a series to draw")
    names = [name for name in ("dT", "dP") if name in found.change]
    figure, axes = _stacked_panels(1 + len(names), 7.2, 1.9, title)
    # Balances stand in the middle of each year, as the series of the forcing runs through it.
    balances, year = found.balances, found.balances.index.to_numpy() + 0.0
    axes[0].axhline(0.0, color=GREY, linewidth=0.8)
    for i, name in enumerate(("before", "after")):
        value, sd, colour = balances[name], balances[f"{name}_sd"], (GREY, COLOURS[2])[i]
        axes[0].fill_between(year, value - sd, value + sd, color=colour, alpha=0.25, linewidth=0)
        label = f"{name} the change (± 1 sd)"
        axes[0].plot(year, value, color=colour, linestyle=LINES[1 - i], marker=".", label=label)
    if "target" in balances:
        style: dict[str, Any] = {"color": "black", "marker": "D", "markersize": 4, "linestyle": "none", "elinewidth": 1}
        axes[0].errorbar(year, balances["target"], balances["target_sd"], label="target (± 1 sd)", zorder=4, **style)
    light_grid(axes[0])
    for ax, name in zip(axes[1:], names, strict=True):
        _draw_change(ax, found, name)
        ax.set_ylabel(f"change of\n{CONTROL_LABELS[name]}")
    axes[0].set_ylabel("annual balance\n(m w.e.)")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize="small")
    axes[-1].set_xlabel("year")
    for ax in axes[1:]:
        ax.sharex(axes[0])
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    return figure


def _stacked_panels(rows: int, width: float, height: float, title: str, **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure with a title and panels below each other, each of a given size in inches."""
    figure, axes = panels(rows, 1, (width, rows * height + 0.6), **kwargs)
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure, axes[:, 0]


def _draw_change(ax: Axes, found: Inversion, name: str) -> None:
    from matplotlib.ticker import NullLocator

    colour, starts = CONTROL_COLOURS[name], found.change.index
    # As numbers on an axis on which year Y stands in the middle of its days.
    days = (pd.DatetimeIndex([*starts, starts[-1] + STEP_LENGTHS[found.resolution]]) - starts[0]).days.to_numpy()
    edges = found.balances.index[0] - 0.5 + days / 365.25
    value, sd = found.change[name].to_numpy(), found.change[f"{name}_sd"].to_numpy()
    low, high = value - sd, value + sd
    if name == "dP":
        value, low, high = np.exp([value, low, high])
        ax.set_yscale("log")
        ticks = [tick for tick in (0.1, 0.2, 0.5, 0.8, 1.0, 1.25, 2.0, 5.0, 10.0) if low.min() <= tick <= high.max()]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.yaxis.set_minor_locator(NullLocator())
    ax.axhline(float(name == "dP"), color=GREY, linewidth=0.8)
    ax.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=0.2, label="± 1 sd")
    ax.stairs(value, edges, baseline=None, color=colour, linewidth=1.0, label="change")
    ax.legend(frameon=False, fontsize="small", loc="upper right", ncols=2)
    # Matplotlib's own limits ignore the lower edge of a band.
    ends = {"dT": (low.min() - 0.2, high.max() + 0.2), "dP": (0.93 * low.min(), 1.07 * high.max())}
    ax.set(xlim=(edges[0] - 0.25, edges[-1] + 0.25), ylim=ends[name])
    light_grid(ax)
