"""Figures of daily water: a year's hydrograph, the regime, the snow line, and runoff over decades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti.graphics.style import COLOURS, light_grid, panels, series_style, whole_years

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KG_A_DAY = 1.0 / 8.64e7  # m3 s-1
PARTS = {
    "rain": ("liq_prcp_on_glacier", "liq_prcp_off_glacier"),
    "snow melt": ("snow_melt_on_glacier", "melt_off_glacier"),
    "ice melt": ("ice_melt_on_glacier",),
}
PART_COLOURS = {"rain": COLOURS[1], "snow melt": COLOURS[4], "ice melt": COLOURS[0]}
BAND = (0.1, 0.9)  # quantiles of years
MONTHS = "JFMAMJJASOND"


def plot_runoff(water: xr.Dataset, year: int | None = None, measured: pd.Series | None = None) -> Figure:
    """Draw the water of a run: days of one year, the regime, the snow line, and years.

    Parameters
    ----------
    water : Dataset
        of :func:`oggm_glaunti.analysis.read_daily_hydro`, with the mass-conserving day; units are added up,
        realisations averaged
    year : int, optional
        whose days are drawn; default: that with most ice melt
    measured : pandas.Series, optional
        discharge by day, m3 s-1

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        if the file does not tell melt of snow from melt of ice, or has no such year
    """
    if "snow_bucket" not in water:
        raise ValueError(f"{water.attrs['rgi_id']}: {water.attrs.get('without_snow_and_ice', 'melt is not split')}")
    water = water.sum("unit", keep_attrs=True) if "unit" in water.dims else water
    water = water.mean("realisation", keep_attrs=True) if "realisation" in water.dims else water
    parts, shift = _parts(water)
    annual = parts.groupby(parts.index.year - shift).mean()
    year = int(annual["ice melt"].idxmax()) if year is None else year
    if year not in annual.index:
        raise ValueError(
            f"{water.attrs['rgi_id']}: expected a year from {annual.index[0]} to {annual.index[-1]}, found {year}"
        )
    routed = pd.Series(water["discharge"].values, parts.index) if "discharge" in water else None
    figure, axes = panels(2, 2, (10.5, 6.8), width_ratios=(1.25, 1.0))
    of_year = np.asarray(parts.index.year) == year + shift
    _plot_days(axes[0, 0], parts, routed, measured, of_year, year)
    _plot_regime(axes[0, 1], parts if routed is None else parts.assign(all=routed), measured, annual.index)
    _plot_snow(axes[1, 0], water, parts.index, of_year, year)
    _plot_years(axes[1, 1], annual, measured)
    figure.suptitle(f"{water.attrs['rgi_id']}, model {water.attrs['model']}: water by day", fontsize=10)
    return figure


def _parts(water: xr.Dataset) -> tuple[pd.DataFrame, int]:
    """Return the parts of the water by day, m3 s-1, and by how many years their dates are too late."""
    fields = {name: sum(water[part].values for part in parts) * KG_A_DAY for name, parts in PARTS.items()}
    index = water["time"].to_index()
    if not isinstance(index, pd.DatetimeIndex):
        # Years of runs without dates begin at 0, which pandas cannot count; 2000 years later the calendar is the same.
        return pd.DataFrame(fields, pd.period_range("2000-01-01", periods=len(index), freq="D")), 2000
    return pd.DataFrame(fields, index), 0


def _stack(ax: Axes, x: Any, parts: pd.DataFrame, **kwargs: Any) -> None:
    colours = [PART_COLOURS[name] for name in PARTS]
    ax.stackplot(x, *(parts[name] for name in PARTS), labels=list(PARTS), colors=colours, alpha=0.75, **kwargs)


def _plot_days(
    ax: Axes, parts: pd.DataFrame, routed: pd.Series | None, measured: pd.Series | None, which: np.ndarray, year: int
) -> None:
    of_year = parts[which]
    days = of_year.index.day_of_year
    _stack(ax, days, of_year, linewidth=0)
    if routed is not None:
        ax.plot(days, routed[which], color="black", linewidth=1.3, label="at the gauge, routed")
    if measured is not None:
        there = measured.reindex(of_year.index)
        ax.plot(days, there, color=COLOURS[2], linewidth=1.3, linestyle="--", label="measured")
    ax.set(ylabel="water (m$^3$ s$^{-1}$)", title=f"Days of {year}")
    _months(ax)
    ax.legend(frameon=False, loc="upper left", fontsize=8)


def _plot_regime(ax: Axes, parts: pd.DataFrame, measured: pd.Series | None, every: pd.Index) -> None:
    total = parts["all"] if "all" in parts else parts[list(PARTS)].sum(axis=1)
    days = np.arange(1, 366)
    _stack(ax, days, _smooth(parts[list(PARTS)].groupby(parts.index.day_of_year).mean().reindex(days)), linewidth=0)
    if len(every) > 1:
        by_day = _smooth(total.groupby(total.index.day_of_year).quantile(list(BAND)).unstack().reindex(days))
        for k, label in ((0, f"{100 * BAND[0]:.0f} % and {100 * BAND[1]:.0f} % of years"), (1, None)):
            ax.plot(days, by_day.iloc[:, k], color="black", linewidth=0.9, linestyle=":", label=label)
    if measured is not None:
        inside = measured[(measured.index >= parts.index[0]) & (measured.index <= parts.index[-1])]
        mean = _smooth(inside.groupby(inside.index.day_of_year).mean().to_frame().reindex(days))
        ax.plot(days, mean, color=COLOURS[2], linewidth=1.3, linestyle="--", label="measured")
    years = f"{every[0]}\N{EN DASH}{every[-1]}" if len(every) > 1 else f"{every[0]}"
    ax.set(ylabel="water (m$^3$ s$^{-1}$)", title=f"Regime {years}, means of 15 days")
    _months(ax)
    ax.legend(frameon=False, loc="upper left", fontsize=8)


def _smooth(days: pd.DataFrame) -> pd.DataFrame:
    return days.rolling(15, center=True, min_periods=1).mean()


def _plot_snow(ax: Axes, water: xr.Dataset, index: Any, of_year: np.ndarray, year: int) -> None:
    days = index[of_year].day_of_year
    light_grid(ax)
    if "snowline" in water:
        ax.plot(days, water["snowline"].values[of_year], color=COLOURS[1], linewidth=1.4, label="snow line")
        line = pd.Series(water["snowline"].values, index)
        if not of_year.all():
            mean = line.groupby(line.index.day_of_year).mean().reindex(np.arange(1, 366))
            ax.plot(np.arange(1, 366), mean, color="0.3", linewidth=1.0, linestyle=":", label="mean of all years")
        ax.set(ylabel="height (m)")
    else:
        ax.plot(days, water["snow_covered_fraction"].values[of_year], color=COLOURS[1], linewidth=1.4)
        ax.set(ylabel="snow-covered fraction of the glacier", ylim=(0.0, 1.02))
    ax.set(title=f"Snow on the glacier in {year}")
    _months(ax)
    if "snowline" in water:
        ax.legend(frameon=False, loc="upper left", fontsize=8)


def _plot_years(ax: Axes, annual: pd.DataFrame, measured: pd.Series | None) -> None:
    light_grid(ax)
    if len(annual) < 2:
        ax.bar(list(PARTS), annual.iloc[0][list(PARTS)], color=list(PART_COLOURS.values()), alpha=0.75)
        ax.set(ylabel="mean of the year (m$^3$ s$^{-1}$)", title=f"{annual.index[0]}")
        return
    smooth = annual.rolling(11, center=True, min_periods=1).mean()
    for k, name in enumerate(PARTS):
        ax.plot(annual.index, annual[name], color=PART_COLOURS[name], linewidth=0.6, alpha=0.6)
        ax.plot(annual.index, smooth[name], color=PART_COLOURS[name], label=name, **series_style(k, "linestyle"))
    total = smooth.sum(axis=1)
    ax.plot(annual.index, total, color="black", linewidth=1.4, label="all")
    if measured is not None:
        of_years = measured.groupby(measured.index.year).mean()
        ax.plot(of_years.index, of_years, color=COLOURS[2], linewidth=0.9, linestyle="--", label="measured, each year")
        ax.set_xlim(annual.index[0], annual.index[-1])
    if len(annual) > 20 and annual.index[0] < total.idxmax() < annual.index[-1]:
        ax.axvline(total.idxmax(), color="0.4", linewidth=0.8, linestyle=":")
        ax.annotate(f" peak water {total.idxmax()}", (total.idxmax(), ax.get_ylim()[0]), va="bottom", fontsize=8)
    ax.set(
        ylabel="mean of the year (m$^3$ s$^{-1}$)",
        title="Years (thin) and means of 11 years",
        ylim=(0.0, 1.2 * ax.get_ylim()[1]),
    )
    ax.legend(frameon=False, loc="upper left", fontsize=8, ncols=2)
    whole_years(ax, 7)


def _months(ax: Axes) -> None:
    starts = [pd.Timestamp(2001, month, 1).day_of_year for month in range(1, 13)]
    ax.set_xlim(1, 365)
    ax.set_xticks(starts, [])
    ax.set_xticks([start + 15 for start in starts], list(MONTHS), minor=True)
    ax.tick_params(axis="x", which="minor", length=0)
