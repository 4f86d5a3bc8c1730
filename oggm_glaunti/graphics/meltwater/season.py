"""Figures of a season: melt extent in time with its band, and the observed wet line on modelled melt by height."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from oggm_glaunti.companions.meltwater.extent import bands_of
from oggm_glaunti.companions.meltwater.stack import Days, Floats
from oggm_glaunti.graphics.style import light_grid, panels, series_style, short_dates

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

NO_MELT = 1e-4  # m w.e. a day: traces of the smooth melt law are not drawn


def plot_extent(
    time: Days,
    probability: Mapping[str, Floats],
    cell_area: float,
    observed: tuple[Days, Floats] | None = None,
    title: str = "",
) -> Figure:
    """Draw the melt area of each day as predicted, with a band, and as observed.

    Parameters
    ----------
    time : array (T,)
    probability : mapping of str to array (T, H, W)
        melt probabilities by name, NaN on cells that are not predicted. The band of the first reaches from the area of
        cells that are wet with 90 % probability and more to those with 10 % and more: cells of a day are wet together,
        so errors of cells do not cancel out
    cell_area : float
        km2
    observed : (array (K,), array (K,)), optional
        days and observed areas, km2
    title : str
        title of the figure
    """
    figure, axes = panels(1, 1, (8.5, 4.0))
    ax = axes[0][0]
    light_grid(ax)
    for k, (name, p) in enumerate(probability.items()):
        style = series_style(k, "color", "linestyle")
        if k == 0:
            low, high = ((p > limit).sum(axis=(1, 2)) * cell_area for limit in (0.9, 0.1))
            ax.fill_between(time, low, high, color=style["color"], alpha=0.2, linewidth=0, label="wet at 90 % to 10 %")
        ax.plot(time, np.nansum(p, axis=(1, 2)) * cell_area, label=name, **style)
    if observed is not None:
        ax.plot(*observed, linestyle="none", marker=".", color="black", markersize=4, label="observed")
    ax.set(ylabel="melt area (km$^2$)", title=title)
    ax.set_ylim(bottom=0)
    short_dates(ax)
    ax.legend(frameon=False, fontsize="small")
    return figure


def plot_melt_by_height(
    season: xr.Dataset, observed_line: tuple[Days, Floats] | None = None, title: str = ""
) -> Figure:
    """Draw GlaUnTI's melt by height and day, with its own melt line and the observed one.

    Parameters
    ----------
    season : Dataset
        contents of ``glaunti_meltwater.nc``, or some of its days
    observed_line : (array (K,), array (K,)), optional
        days, and heights up to which water was observed, m
    title : str
        title of the figure

    Returns
    -------
    matplotlib Figure
    """
    melt, elevation = season["melt"].values, season["elevation"].values
    cells = np.isfinite(melt).any(axis=0)
    bands = bands_of(elevation[cells])
    by_band = np.stack([np.bincount(bands.of_cell, day, bands.lower.size) / bands.cells for day in melt[:, cells]])
    figure, axes = panels(1, 1, (9.0, 4.2))
    ax = axes[0][0]
    time = season["time"].values
    edges = np.append(bands.lower, bands.lower[-1] + (np.diff(bands.lower).min() if bands.lower.size > 1 else 100.0))
    days = np.append(time, time[-1] + np.timedelta64(1, "D"))
    shown = np.where(by_band > NO_MELT, 1000.0 * by_band, np.nan)  # white
    image = ax.pcolormesh(days, edges, shown.T, cmap="YlGnBu", vmin=0)
    figure.colorbar(image, ax=ax, label="melt (mm w.e. day$^{-1}$)")
    ax.plot(time, season["melt_line"], color="black", linewidth=0.9, label="melt line of the model")
    if observed_line is not None:
        style = {"linestyle": "none", "marker": "o", "markersize": 4, "color": series_style(0, "color")["color"]}
        ax.plot(*observed_line, label="observed wet line", **style)
    ax.set(ylabel="height (m)", title=title, ylim=(edges[0], edges[-1]))
    short_dates(ax)
    ax.legend(frameon=False, fontsize="small", loc="upper left")
    return figure
