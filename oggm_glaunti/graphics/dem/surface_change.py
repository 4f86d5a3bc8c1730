"""What a surface that moves changes in the balance of each year."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.graphics.glacier import COLOURS, LINES, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "0.6"


def plot_surface_change(
    fixed: Mapping[str, ArrayLike],
    yearly: Mapping[str, ArrayLike],
    title: str = "",
    *,
    height_change: ArrayLike | None = None,
) -> Figure:
    """Glacier-wide balance of each year on a fixed and on the yearly surface, and their difference.

    Parameters
    ----------
    fixed, yearly : mappings
        ``time`` (K,), the last day of each period, and ``smb`` (K,), m w.e., as
        :func:`~oggm_glaunti.tasks.glaunti_smb` returns them with ``surface='fixed'`` and ``surface='yearly'``
    title : str
    height_change : array (K,), optional
        mean height of the yearly less that of the fixed surface over the glacier, m: adds a panel

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        where the periods are not the same
    """
    years, others = (np.asarray(of["time"], "datetime64[Y]").astype(np.int64) + 1970 for of in (fixed, yearly))
    if not np.array_equal(np.asarray(fixed["time"]), np.asarray(yearly["time"])):
        raise ValueError(
            f"fixed has {years.size} periods to {years.max()}, yearly {others.size} to {others.max()}, and they do not "
            "end on the same days; expected the same"
        )
    balances = {"fixed surface": np.asarray(fixed["smb"]), "surface of the year": np.asarray(yearly["smb"])}
    return _change_figure(years, balances, height_change, title)


def _change_figure(
    years: NDArray[np.int64], balances: Mapping[str, NDArray], height_change: ArrayLike | None, title: str
) -> Figure:
    from matplotlib.ticker import MaxNLocator

    panels = 2 if height_change is None else 3
    figure = new_figure((8.0, 1.1 + 1.6 * panels + 0.6))
    axes = figure.subplots(panels, 1, sharex=True, height_ratios=(1.5, 1.0, 1.0)[:panels])
    for k, (name, values) in enumerate(balances.items()):
        style = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 4, "linestyle": LINES[k]}
        axes[0].plot(years, values, label=f"{name}, mean {values.mean():+.3f}".replace("-", "\N{MINUS SIGN}"), **style)
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize="small")
    axes[0].set_ylabel("balance\n(m w.e.)")
    on_fixed, on_yearly = balances.values()
    _bars(axes[1], years, on_yearly - on_fixed, "balance: yearly\nminus fixed (m w.e.)")
    if height_change is not None:
        _bars(axes[2], years, np.asarray(height_change), "height: yearly\nminus fixed (m)")
    for ax in axes:
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.grid(color="0.92", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("year")
    figure.align_ylabels(axes)
    figure.suptitle(title, fontsize="medium")
    return figure


def _bars(ax: Axes, years: NDArray[np.int64], values: NDArray[np.float64], label: str) -> None:
    """Losses in the colour of losses on maps, gains in that of gains; the mean is dashed."""
    ax.bar(years, values, width=0.7, color=np.where(values < 0, "#B2182B", "#2166AC").tolist())
    ax.axhline(values.mean(), color="black", linewidth=1.0, linestyle="--")
    mean = f"mean {values.mean():+.3g}".replace("-", "\N{MINUS SIGN}")
    ax.text(1.01, values.mean(), mean, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    ax.set_ylabel(label)
