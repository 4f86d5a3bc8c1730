"""Figures of inverse forcing: sensitivity by month, and a series of forcing that gives a series of balances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from oggm_glaunti.analysis.inverse.tasks import MONTHS, Inversion
from oggm_glaunti.graphics.glacier import COLOURS, LINES, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "0.6"
LABELS = {"dT": "temperature (K)", "dP": "precipitation (factor)"}
CONTROL_COLOURS = {"dT": COLOURS[0], "dP": COLOURS[1]}
# A month or a day is drawn as a step from its first day to the next one's.
STEPS = {"monthly": pd.DateOffset(months=1), "daily": pd.DateOffset(days=1)}


def plot_sensitivity(table: pd.DataFrame, title: str = "") -> Figure:
    """Answer of the annual balance to a warming of 1 K and to 10 % more precipitation in each calendar month.

    Parameters
    ----------
    table : DataFrame
        of :func:`~oggm_glaunti.analysis.inverse.tasks.climate_sensitivity`
    title : str
        name of the glacier, for example
    """
    figure, axes = _figure(2, 6.4, 2.0, sharex=True)
    panels = (
        ("temp", "1 K warmer", CONTROL_COLOURS["dT"], "m w.e. a$^{-1}$ K$^{-1}$"),
        ("prcp_10pct", "10 % more precipitation", CONTROL_COLOURS["dP"], "m w.e. a$^{-1}$"),
    )
    for ax, (column, words, colour, units) in zip(axes, panels, strict=True):
        ax.bar(range(12), table.loc[list(MONTHS), column], color=colour, width=0.8, zorder=2)
        ax.axhline(0.0, color="black", linewidth=0.8, zorder=3)
        parts = ", ".join(f"{part} {table.loc[part, column]:+.2f}" for part in ("winter", "summer", "annual"))
        ax.set_title(f"{words}: {parts}".replace("-", "\N{MINUS SIGN}"), fontsize="medium", loc="left")
        ax.set_ylabel(f"change of balance\n({units})")
        _grid(ax)
    axes[-1].set_xticks(range(12), MONTHS)
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure


def plot_forcing_series(found: Inversion, title: str = "") -> Figure:
    """Annual balances before and after, and the change of the forcing that makes the difference, with bands of 1 sd.

    Parameters
    ----------
    found : Inversion
        of monthly or daily resolution
    title : str

    Raises
    ------
    ValueError
        for a single shift, which is no series
    """
    if found.resolution == "scalar":
        raise ValueError(f"{found.rgi_id}: a single shift ({found.control}) is a number, not a series to draw")
    names = [name for name in ("dT", "dP") if name in found.change]
    figure, axes = _figure(1 + len(names), 7.2, 1.9)
    _draw_balances(axes[0], found.balances)
    for ax, name in zip(axes[1:], names, strict=True):
        _draw_change(ax, found, name)
        ax.set_ylabel(f"change of\n{LABELS[name]}")
    axes[0].set_ylabel("annual balance\n(m w.e.)")
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize="small")
    axes[-1].set_xlabel("year")
    for ax in axes[1:]:
        ax.sharex(axes[0])
    if title:
        figure.suptitle(title, fontsize="medium")
    return figure


def _figure(rows: int, width: float, height: float, **kwargs) -> tuple[Figure, np.ndarray]:
    """Panels below each other, of a given size in inches; no window is ever opened."""
    figure = new_figure((width, rows * height + 0.6))
    return figure, figure.subplots(rows, 1, squeeze=False, **kwargs)[:, 0]


def _grid(ax: Axes) -> None:
    ax.grid(color="0.92", linewidth=0.6, zorder=0)
    ax.set_axisbelow(True)


def _draw_balances(ax: Axes, balances: pd.DataFrame) -> None:
    """Each year in its middle, as the series of the forcing runs through it."""
    year = balances.index.to_numpy() + 0.0
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    for i, name in enumerate(("before", "after")):
        value, sd, colour = balances[name], balances[f"{name}_sd"], (GREY, COLOURS[4])[i]
        ax.fill_between(year, value - sd, value + sd, color=colour, alpha=0.25, linewidth=0)
        ax.plot(year, value, color=colour, linestyle=LINES[1 - i], marker=".", label=f"{name} the change (± 1 sd)")
    if "target" in balances:
        style = {"color": "black", "marker": "D", "markersize": 4, "linestyle": "none", "elinewidth": 1.0}
        ax.errorbar(year, balances["target"], balances["target_sd"], label="target (± 1 sd)", zorder=4, **style)
    _grid(ax)


def _draw_change(ax: Axes, found: Inversion, name: str) -> None:
    colour = CONTROL_COLOURS[name]
    starts = found.change.index
    edges = _as_years([*starts, starts[-1] + STEPS[found.resolution]], found)
    value, sd = found.change[name].to_numpy(), found.change[f"{name}_sd"].to_numpy()
    low, high = value - sd, value + sd
    if name == "dP":
        value, low, high = np.exp(value), np.exp(low), np.exp(high)
        ax.set_yscale("log")
        ticks = [tick for tick in (0.1, 0.2, 0.5, 0.8, 1.0, 1.25, 2.0, 5.0, 10.0) if low.min() <= tick <= high.max()]
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.yaxis.set_minor_locator(_no_ticks())
    ax.axhline(float(name == "dP"), color=GREY, linewidth=0.8)
    ax.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=0.2)
    ax.stairs(value, edges, baseline=None, color=colour, linewidth=1.0)
    # Limits of matplotlib's own do not see the lower edge of a band.
    ends = {"dT": (low.min() - 0.2, high.max() + 0.2), "dP": (0.93 * low.min(), 1.07 * high.max())}
    ax.set(xlim=(edges[0] - 0.25, edges[-1] + 0.25), ylim=ends[name])
    _grid(ax)


def _no_ticks():
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _as_years(dates: list[pd.Timestamp], found: Inversion) -> np.ndarray:
    """Dates as numbers on an axis on which year Y stands in the middle of its days."""
    first = pd.Timestamp(dates[0])
    begin = found.balances.index[0] - 0.5
    return np.array([begin + (pd.Timestamp(date) - first).days / 365.25 for date in dates])
