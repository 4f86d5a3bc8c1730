"""Figures of how uncertain a balance is: the series with its band and its parts, and where the first order ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti.graphics.glacier import COLOURS, LINES, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS = {"sd": "all", "sd_prcp": "precipitation", "sd_temp": "temperature", "sd_parameters": "parameters"}
BAND = "5 to 95 %"


def _figure(rows: int, columns: int, size: tuple[float, float], **kwargs) -> tuple[Figure, np.ndarray]:
    """A figure of panels; no window is ever opened."""
    figure = new_figure(size)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def plot_uncertainty(result: xr.Dataset, ensemble: xr.Dataset | None = None) -> Figure:
    """The cumulative balance with its band, the parts of its standard deviation, and the years.

    Parameters
    ----------
    result : Dataset
        of :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_uncertainty`
    ensemble : Dataset, optional
        of :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_ensemble` for the same years and errors; its 5 and 95 %
        are drawn beside the band of the first order

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = _figure(2, 2, (9.5, 6.6), width_ratios=(1.25, 1.0))
    _cumulative(result, ensemble, axes[0, 0])
    _parts(result, "time", "", axes[1, 0])
    _years(result, ensemble, axes[0, 1])
    _parts(result, "year", "annual_", axes[1, 1])
    of = result.attrs
    figure.suptitle(
        f"{of['rgi_id']}, model {of['model']}; errors of every {of['block_days']} days: {of['sigma_temp']:.2f} K, "
        f"{of['sigma_log_prcp']:.2f} of log precipitation; parameters: {of['parameters'].replace('_log', '')}",
        fontsize=9,
    )
    return figure


def _cumulative(result: xr.Dataset, ensemble: xr.Dataset | None, ax: Axes) -> None:
    time = result["time"].to_numpy()
    ax.fill_between(time, result["low"], result["high"], color=COLOURS[2], alpha=0.45, linewidth=0, label=BAND)
    ax.plot(time, result["smb"], color=COLOURS[1], linewidth=1.2, label="balance")
    if ensemble is not None:
        label = f"{BAND} of {ensemble.sizes['member']} runs"
        for share in (0.05, 0.95):
            edge = ensemble["smb"].quantile(share, "member")
            ax.plot(time, edge, color=COLOURS[0], linestyle=LINES[1], linewidth=1.1, label=label)
            label = None
    ax.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
    ax.set(ylabel="cumulative balance (m w.e.)", title=f"Since {_day(result)}")
    ax.legend(frameon=False, loc="best")


def _day(result: xr.Dataset) -> str:
    """The first day, from the name of the series."""
    return result["smb"].attrs["long_name"].rpartition(" ")[2]


def _years(result: xr.Dataset, ensemble: xr.Dataset | None, ax: Axes) -> None:
    year, smb = result["year"].to_numpy(), result["annual_smb"].to_numpy()
    away = np.stack([smb - result["annual_low"], result["annual_high"] - smb])
    ax.bar(year, smb, color=np.where(smb < 0.0, COLOURS[0], COLOURS[1]), alpha=0.55, width=0.75)
    ax.errorbar(year, smb, away, fmt="none", ecolor="black", elinewidth=1.0, capsize=2.5, label=BAND)
    if ensemble is not None:
        low, high = (ensemble["annual_smb"].quantile(share, "member") for share in (0.05, 0.95))
        of_runs = {"color": COLOURS[4], "marker": "_", "linestyle": "none", "markersize": 7, "markeredgewidth": 1.6}
        ax.plot(year, low, **of_runs, label=f"{BAND} of {ensemble.sizes['member']} runs")
        ax.plot(year, high, **of_runs)
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    ax.set(ylabel="annual balance (m w.e.)", title=f"{result.attrs['year_type'].capitalize()} years")
    low, high = ax.get_ylim()
    ax.set_ylim(top=high + 0.15 * (high - low))  # room for the legend
    ax.legend(frameon=False, loc="upper right", ncols=2)
    _whole_years(ax)


def _parts(result: xr.Dataset, dim: str, prefix: str, ax: Axes) -> None:
    for k, (name, label) in enumerate(PARTS.items()):
        values = result[f"{prefix}{name}"]
        if name == "sd_parameters" and not values.any():
            continue
        style = {"color": "black" if k == 0 else COLOURS[k - 1], "linestyle": LINES[k], "label": label}
        ax.plot(result[dim], values, linewidth=1.2, **style, **({"marker": MARKERS[k], "ms": 3.5} if prefix else {}))
    what = "annual" if prefix else "cumulative"
    ax.set(ylabel=f"standard deviation of the\n{what} balance (m w.e.)")
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, loc="best", ncols=2)
    if prefix:
        ax.set_ylim(top=1.35 * float(result[f"{prefix}sd"].max()))  # room for the legend
        _whole_years(ax)


def _whole_years(ax: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))


def plot_linearity(tables: dict[str, pd.DataFrame]) -> Figure:
    """First order against ensembles of growing errors: their standard deviations, and by how much the mean is off.

    Parameters
    ----------
    tables : dict
        ``{name: DataFrame}`` of :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_linearity`

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = _figure(1, 2, (9.0, 3.9))
    (left, right) = axes[0]
    first = next(iter(tables.values()))
    left.plot(first.index, first["first_order_sd"], color="black", linewidth=1.2, label="first order")
    right.axhline(0.0, color="0.6", linewidth=0.8)
    for k, (name, table) in enumerate(tables.items()):
        style = {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": LINES[k + 1], "linewidth": 1.2, "label": name}
        left.plot(table.index, table["ensemble_sd"], **style)
        right.plot(table.index, table["bias"], **style)
        _say_ratios(left, table, COLOURS[k], below=k > 0)
    left.set(xscale="log", yscale="log", ylabel="standard deviation of the\nwhole balance (m w.e.)")
    right.set(xscale="log", ylabel="mean of the members minus\nbalance without errors (m w.e.)")
    right.set_yscale("symlog", linthresh=0.1)
    for ax in (left, right):
        ax.margins(0.08)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("errors, in times their standard deviations")
        ax.set_xticks(first.index, [f"{scale:g}" for scale in first.index], minor=False)
        ax.minorticks_off()
        ax.legend(frameon=False, loc="best")
    return figure


def _say_ratios(ax: Axes, table: pd.DataFrame, colour: str, below: bool) -> None:
    """The ratio of the two standard deviations beside each point where they differ by more than a tenth."""
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    place = {"textcoords": "offset points", "fontsize": 8, "bbox": behind}
    place |= {"xytext": (2, -13), "ha": "center"} if below else {"xytext": (-6, 3), "ha": "right"}
    for scale, row in table.iterrows():
        if abs(row["ratio"] - 1.0) > 0.1:
            ax.annotate(f"{row['ratio']:.2f}", (scale, row["ensemble_sd"]), color=colour, **place)


def plot_volumes(result: xr.Dataset, plain: xr.DataArray | None = None) -> Figure:
    """Ice volume of an ensemble of dynamic runs: every member, the median and the band.

    Parameters
    ----------
    result : Dataset
        of :func:`~oggm_glaunti.analysis.uncertainty.ensemble_runs.run_ensemble_from_climate_data`
    plain : DataArray, optional
        volume of a run without errors (time), m3

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = _figure(1, 1, (6.2, 3.9))
    ax, time = axes[0, 0], result["time"]
    ax.plot(time, 1e-9 * result["volume_m3"].T, color="0.7", linewidth=0.7)
    band = {"color": COLOURS[2], "alpha": 0.35, "linewidth": 0, "label": f"{BAND} of {result.sizes['member']} runs"}
    ax.fill_between(time, 1e-9 * result["volume_m3_low"], 1e-9 * result["volume_m3_high"], **band)
    ax.plot(time, 1e-9 * result["volume_m3_median"], color=COLOURS[1], label="median")
    if plain is not None:
        ax.plot(plain["time"], 1e-9 * plain, color=COLOURS[0], linestyle=LINES[1], label="without errors")
    ax.set(xlabel="year (1 January)", ylabel="ice volume (km$^3$)", title=result.attrs["rgi_id"])
    ax.legend(frameon=False, loc="best")
    _whole_years(ax)
    return figure
