"""Figures of predicted scenes: maps beside the observed ones, error against gap, reliability, ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from oggm_glaunti.companions.meltwater.scores import FEWEST_IN_BIN, by_gap, reliability
from oggm_glaunti.companions.meltwater.stack import Floats
from oggm_glaunti.graphics.style import GREY, light_grid, panels, series_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_scene(predicted: Floats, target: Floats, valid: Floats | None = None, title: str = "") -> Figure:
    """Draw a predicted melt map, the observed one, and their difference.

    Parameters
    ----------
    predicted, target : arrays (H, W)
        probability, and observed melt fraction, NaN where not observed
    valid : bool array (H, W), optional
        cells that are predicted; others are left white
    title : str
        title of the figure

    Returns
    -------
    matplotlib Figure
    """
    shown = predicted if valid is None else np.where(valid, predicted, np.nan)
    figure, axes = panels(1, 3, (11.0, 4.0))
    figure.suptitle(title, fontsize="medium")
    fields = (
        ("predicted probability", shown, {"vmin": 0, "vmax": 1, "cmap": "Blues"}, "probability"),
        ("observed", target, {"vmin": 0, "vmax": 1, "cmap": "Blues"}, "melt fraction"),
        ("predicted \N{MINUS SIGN} observed", shown - target, {"vmin": -1, "vmax": 1, "cmap": "RdBu_r"}, "difference"),
    )
    for ax, (name, values, how, label) in zip(axes[0], fields, strict=True):
        ax.set_facecolor("0.85")
        image = ax.imshow(np.ma.masked_invalid(values), interpolation="nearest", **how)
        ax.set_title(name, fontsize="medium")
        ax.set(xticks=[], yticks=[])
        figure.colorbar(image, ax=ax, shrink=0.8, label=label)
    axes[0][0].set_xlabel("grey: not predicted")
    axes[0][1].set_xlabel("grey: not observed")
    return figure


def plot_error_by_gap(maps: Mapping[str, Floats], target: Floats, gap: Floats, title: str = "") -> Figure:
    """Draw the Brier score of several predictions by days to the nearest scene.

    Parameters
    ----------
    maps : mapping of str to array (N, H, W)
        predictions by name
    target, gap : arrays (N, H, W)
        observed fraction, NaN where not observed, and days to the nearest scene
    title : str
        title of the figure
    """
    figure, axes = panels(1, 1, (6.5, 4.2))
    ax = axes[0][0]
    light_grid(ax)
    for k, (name, p) in enumerate(maps.items()):
        table = by_gap(p, target, gap)
        ax.plot(table.index, table.brier, label=name, **series_style(k, "color", "linestyle", "marker"))
    shares = table.cells / table.cells.sum()
    ax.set_xticks(range(len(table)), [f"{name}\n{100 * shares[name]:.0f} %" for name in table.index])
    ax.set(xlabel="days to the nearest scene (and share of the cells)", ylabel="Brier score", title=title)
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize="small")
    return figure


def plot_reliability(maps: Mapping[str, Floats], target: Floats, title: str = "") -> Figure:
    """Draw observed melt against predicted probability, in ten bins, those with 200 cells and more.

    Parameters
    ----------
    maps : mapping of str to array
        predictions by name
    target : array
        observed fraction, NaN where not observed
    title : str
        title of the figure
    """
    figure, axes = panels(1, 1, (5.2, 5.0))
    ax = axes[0][0]
    light_grid(ax)
    ax.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, label="as often as predicted")
    for k, (name, p) in enumerate(maps.items()):
        table = reliability(p, target)
        table = table[table.cells >= FEWEST_IN_BIN]
        ax.plot(table.predicted, table.observed, label=name, **series_style(k, "color", "linestyle", "marker"))
    ax.set(
        xlim=(0, 1), ylim=(0, 1), aspect="equal", xlabel="predicted probability", ylabel="observed melt", title=title
    )
    ax.legend(frameon=False, fontsize="small")
    return figure


def plot_ablation(scores: Mapping[str, Sequence[float]], label: str = "Brier score", title: str = "") -> Figure:
    """Draw bars of a score with each source of information left out: means, with a dot for every run.

    Parameters
    ----------
    scores : mapping of str to sequence of float
        runs by name
    label : str
        of the axis
    title : str
        title of the figure
    """
    figure, axes = panels(1, 1, (6.5, 0.6 + 0.45 * len(scores)))
    ax = axes[0][0]
    light_grid(ax)
    for k, values in enumerate(scores.values()):
        ax.barh(k, np.mean(values), color=series_style(2, "color")["color"], height=0.6)
        ax.plot(values, np.full(len(values), k), linestyle="none", marker=".", color="black", markersize=5)
    ax.set_yticks(range(len(scores)), list(scores))
    ax.invert_yaxis()
    ax.set(xlabel=f"{label} (bars: mean, dots: runs)", title=title)
    return figure
