"""Figure of the balance that the flux of ice asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from oggm_glaunti.graphics.style import GREY, light_grid, panels, series_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def plot_apparent_balance(tables: Sequence[pd.DataFrame], title: str = "") -> Figure:
    """Draw apparent balances by elevation, one for each table, next to GlaUnTI's.

    Parameters
    ----------
    tables : sequence of DataFrame
        Of :func:`~oggm_glaunti.tasks.apparent_balance`, for example with different maps of thickness
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = panels(1, 2, (8.6, 4.2), sharey=True, width_ratios=(2.4, 1.0))
    ax, areas = axes[0]
    for k, table in enumerate(tables):
        height = (table["low"] + np.minimum(table["high"], table["low"] + 500.0)) / 2 + 25.0 * (
            k - (len(tables) - 1) / 2
        )
        name = f"{table.attrs.get('velocity', '')} velocity, {table.attrs.get('thickness', '').replace('_', ' ')}"
        style = series_style(k, "color", "marker")
        ax.errorbar(table["balance"], height, xerr=table["error"], label=name, linestyle="", capsize=2, **style)
    first = tables[0]
    height = (first["low"] + np.minimum(first["high"], first["low"] + 500.0)) / 2
    ax.plot(first["dhdt"], height, ":", color=GREY, label="surface change alone")
    if "glaunti" in first:
        span = "\N{EN DASH}".join(str(year) for year in first.attrs.get("years", ()))
        ax.plot(first["glaunti"], height, color="black", linewidth=1.2, label=f"GlaUnTI, {span}")
    ax.axvline(0.0, color=GREY, linewidth=0.8)
    ax.set(xlabel="balance (m ice a$^{-1}$; bars: ± 1 sd)", ylabel="height (m)")
    ax.legend(fontsize="small", frameon=False, loc="upper left")
    light_grid(ax)
    areas.barh(height, first["area"], height=0.8 * np.minimum(first["high"] - first["low"], 500.0), color="0.75")
    areas.set_xlabel("area (km$^2$)")
    light_grid(areas)
    figure.suptitle(title, fontsize="medium")
    return figure
