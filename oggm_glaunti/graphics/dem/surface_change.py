"""Figure of the effect of a moving surface on the balance of each year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.graphics.style import GREY, decimals, light_grid, minus_signs, panels, series_style, whole_years

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_surface_change(
    fixed: Mapping[str, ArrayLike],
    yearly: Mapping[str, ArrayLike],
    title: str = "",
    *,
    height_change: ArrayLike | None = None,
) -> Figure:
    """Draw the glacier-wide balance of each year on a fixed and on the yearly surface, and their difference.

    Parameters
    ----------
    fixed, yearly : mappings
        ``time`` (K,), the last day of each period, and ``smb`` (K,), m w.e., as returned by
        :func:`~oggm_glaunti.tasks.glaunti_smb` with ``surface='fixed'`` and ``surface='yearly'``
    title : str
        Title of the figure
    height_change : array (K,), optional
        Mean height over the glacier of the yearly minus the fixed surface, m; adds a panel

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If the periods are not the same
    """
    years, others = (np.asarray(of["time"], "datetime64[Y]").astype(np.int64) + 1970 for of in (fixed, yearly))
    if not np.array_equal(np.asarray(fixed["time"]), np.asarray(yearly["time"])):
        raise ValueError(
            f"fixed has {years.size} periods to {years.max()}, yearly {others.size} to {others.max()}, and they do not "
            "end on the same days; expected the same"
        )
    balances = {"fixed surface": np.asarray(fixed["smb"]), "surface of the year": np.asarray(yearly["smb"])}
    rows = 2 if height_change is None else 3
    figure, grid = panels(rows, 1, (8.0, 1.1 + 1.6 * rows + 0.6), sharex=True, height_ratios=(1.5, 1.0, 1.0)[:rows])
    axes = grid[:, 0]
    for k, (name, values) in enumerate(balances.items()):
        style = series_style(k, "color", "marker", "linestyle") | {"markersize": 4}
        axes[0].plot(years, values, label=minus_signs(f"{name}, mean {values.mean():+.3f}"), **style)
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize="small")
    axes[0].set_ylabel("balance\n(m w.e.)")
    on_fixed, on_yearly = balances.values()
    _bars(axes[1], years, on_yearly - on_fixed, "balance: yearly\nminus fixed (m w.e.)")
    if height_change is not None:
        _bars(axes[2], years, np.asarray(height_change), "height: yearly\nminus fixed (m)")
    for ax in axes:
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        light_grid(ax)
    whole_years(axes[-1])
    axes[-1].set_xlabel("year")
    figure.align_ylabels(axes)
    figure.suptitle(title, fontsize="medium")
    return figure


def _bars(ax: Axes, years: NDArray[np.int64], values: NDArray[np.float64], label: str) -> None:
    """Draw losses and gains in the colours that they have on maps; the mean is dashed."""
    ax.bar(years, values, width=0.7, color=np.where(values < 0, "#B2182B", "#2166AC").tolist())
    ax.axhline(values.mean(), color="black", linewidth=1.0, linestyle="--")
    mean = minus_signs(f"mean {values.mean():+.{decimals(float(np.abs(values).max()), 3)}f}")
    ax.text(1.01, values.mean(), mean, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    ax.set_ylabel(label)
