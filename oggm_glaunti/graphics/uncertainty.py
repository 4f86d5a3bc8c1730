"""Figures of the uncertainty of a balance: the series, its band and parts, and the limits of the first order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti.graphics.style import COLOURS, GREY, LINES, MARKERS, panels, series_style, whole_years

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PART_LABELS = {"sd": "of the interval", "sd_model": "model", "sd_parameters": "parameters", "sd_weather": "weather"}
BAND_LABEL = "90 % interval"


def plot_uncertainty(result: xr.Dataset, ensemble: xr.Dataset | None = None) -> Figure:
    """Draw the cumulative and the annual balances with their bands, and the parts of their standard deviations.

    Parameters
    ----------
    result : Dataset
        Result of :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_uncertainty`
    ensemble : Dataset, optional
        Result of :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_ensemble` for the same years and errors, whose 5
        and 95 % quantiles are drawn together with the first-order band

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = panels(2, 2, (9.5, 6.6), width_ratios=(1.25, 1.0), sharex="col")
    _plot_cumulative(result, ensemble, axes[0, 0])
    _plot_parts(result, "time", "", axes[1, 0])
    _plot_years(result, ensemble, axes[0, 1])
    _plot_parts(result, "year", "annual_", axes[1, 1])
    of = result.attrs
    figure.suptitle(
        f"{of['rgi_id']}, model {of['model']}; bands: {of['counted']}\n"
        f"parameters: {of['parameters'].replace('_log', '')}; model {of['model_errors']}\n"
        f"weather of every {of['block_days']} days: {of['sigma_temp']:.2f} K, {of['sigma_log_prcp']:.2f} of log "
        "precipitation",
        fontsize=9,
    )
    return figure


def _plot_cumulative(result: xr.Dataset, ensemble: xr.Dataset | None, ax: Axes) -> None:
    time = result["time"].to_numpy()
    ax.fill_between(time, result["low"], result["high"], color=COLOURS[4], alpha=0.45, linewidth=0, label=BAND_LABEL)
    ax.plot(time, result["smb"], color=COLOURS[1], linewidth=1.2, label="balance")
    if ensemble is not None:
        for share, label in ((0.05, f"{BAND_LABEL}, {ensemble.sizes['member']} runs"), (0.95, None)):
            edge = ensemble["smb"].quantile(share, "member")
            ax.plot(time, edge, color=COLOURS[0], linestyle=LINES[1], linewidth=1.1, label=label)
    ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=0)
    first_day = result["smb"].attrs["long_name"].rpartition(" ")[2]
    ax.set(ylabel="cumulative balance (m w.e.)", title=f"Since {first_day}")
    ax.legend(frameon=False, loc="best")


def _plot_years(result: xr.Dataset, ensemble: xr.Dataset | None, ax: Axes) -> None:
    year, smb = result["year"].to_numpy(), result["annual_smb"].to_numpy()
    away = np.stack([smb - result["annual_low"], result["annual_high"] - smb])
    ax.bar(year, smb, color=np.where(smb < 0.0, COLOURS[0], COLOURS[1]), alpha=0.55, width=0.75)
    ax.errorbar(year, smb, away, fmt="none", ecolor="black", elinewidth=1.0, capsize=2.5, label=BAND_LABEL)
    if ensemble is not None:
        low, high = (ensemble["annual_smb"].quantile(share, "member") for share in (0.05, 0.95))
        of_runs: dict[str, Any] = {"color": COLOURS[2], "linestyle": "none"}
        of_runs |= {"marker": "_", "markersize": 7, "markeredgewidth": 1.6}
        ax.plot(year, low, **of_runs, label=f"{BAND_LABEL}, {ensemble.sizes['member']} runs")
        ax.plot(year, high, **of_runs)
    ax.axhline(0.0, color=GREY, linewidth=0.8)
    ax.set(ylabel="annual balance (m w.e.)", title=f"{result.attrs['year_type'].capitalize()} years")
    bottom, top = ax.get_ylim()
    ax.set_ylim(top=top + 0.15 * (top - bottom))  # room for the legend
    ax.legend(frameon=False, loc="upper right", ncols=2, fontsize="small")
    whole_years(ax, 7)


def _plot_parts(result: xr.Dataset, dim: str, prefix: str, ax: Axes) -> None:
    for k, (name, label) in enumerate(PART_LABELS.items()):
        values = result[f"{prefix}{name}"]
        if not values.any():
            continue
        label += " (not in it)" if name == "sd_weather" and "weather" not in result.attrs["counted"] else ""
        style: dict[str, Any] = {"marker": MARKERS[k], "ms": 3.5} if prefix else {}
        style |= {"color": "black" if k == 0 else COLOURS[k - 1], "linestyle": LINES[k], "label": label}
        ax.plot(result[dim], values, linewidth=1.2, **style)
    what = "annual" if prefix else "cumulative"
    ax.set(ylabel=f"standard deviation of the\n{what} balance (m w.e.)")
    ax.set_ylim(bottom=0.0)
    ax.legend(frameon=False, loc="best", ncols=2)
    if prefix:
        ax.set_ylim(top=1.35 * ax.get_ylim()[1])  # room for the legend
        whole_years(ax, 7)


def plot_linearity(tables: dict[str, pd.DataFrame]) -> Figure:
    """Compare first order and ensembles of growing errors: standard deviations, and the bias of the mean.

    Parameters
    ----------
    tables : dict
        Results of :func:`~oggm_glaunti.analysis.uncertainty.tasks.smb_linearity` by name

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = panels(1, 2, (9.0, 3.9))
    (left, right), first = axes[0], next(iter(tables.values()))
    left.plot(first.index, first["first_order_sd"], color="black", linewidth=1.2, label="first order")
    right.axhline(0.0, color=GREY, linewidth=0.8)
    for k, (name, table) in enumerate(tables.items()):
        style = series_style(k, "color", "marker") | {"linestyle": LINES[k + 1], "linewidth": 1.2, "label": name}
        left.plot(table.index, table["ensemble_sd"], **style)
        right.plot(table.index, table["bias"], **style)
        # The ratio of the two standard deviations next to each point at which they differ by more than 10 %.
        place: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": COLOURS[k]}
        place |= {"xytext": (2, -13), "ha": "center"} if k else {"xytext": (-6, 3), "ha": "right"}
        place["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
        for scale, row in table[(table["ratio"] - 1.0).abs() > 0.1].iterrows():
            left.annotate(f"{row['ratio']:.2f}", (scale, row["ensemble_sd"]), **place)
    left.set_title("numbers: first order by ensemble, if off by over 10 %", fontsize="small")
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


def plot_volumes(result: xr.Dataset, plain: xr.DataArray | None = None) -> Figure:
    """Draw the ice volume of an ensemble of dynamic runs: every member, the median and the band.

    Parameters
    ----------
    result : Dataset
        Result of :func:`~oggm_glaunti.analysis.uncertainty.ensemble_runs.run_ensemble_from_climate_data`
    plain : DataArray (time), optional
        Volume of a run without errors, m3

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = panels(1, 1, (6.2, 3.9))
    ax, time = axes[0, 0], result["time"]
    runs = ax.plot(time, 1e-9 * result["volume_m3"].T, color="0.7", linewidth=0.7)
    runs[0].set_label("single runs")
    low, high = 1e-9 * result["volume_m3_low"], 1e-9 * result["volume_m3_high"]
    label = f"{BAND_LABEL}, {result.sizes['member']} runs"
    ax.fill_between(time, low, high, color=COLOURS[4], alpha=0.45, linewidth=0, label=label)
    ax.plot(time, 1e-9 * result["volume_m3_median"], color=COLOURS[1], label="median")
    if plain is not None:
        ax.plot(plain["time"], 1e-9 * plain, color=COLOURS[0], linestyle=LINES[1], label="without errors")
    ax.set(xlabel="year (1 January)", ylabel="ice volume (km$^3$)", title=result.attrs["rgi_id"])
    ax.legend(frameon=False, loc="best")
    whole_years(ax, 7)
    return figure
