"""Figures of predicted frames: strips of chips, and Table 1 as bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from oggm_glaunti.graphics.style import COLOURS, light_grid, panels

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from oggm_glaunti.companions.iceflow.predict import Prediction

SHOWN = ("persistence", "high-pass", "advected last", "advected median", "agreement")


def plot_predictions(found: Prediction, names: Sequence[str] = SHOWN, rows: int = 4, title: str = "") -> Figure:
    """Draw some chips: their last past frames, what was predicted with its correlation, and what came.

    Parameters
    ----------
    found : Prediction
    names : sequence of str
        Predictors
    rows : int
        Chips, spread over the image
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    from oggm_glaunti.companions.iceflow.frames import correlation

    chips = found.chips
    chosen = np.linspace(0, len(chips.target) - 1, rows + 2).astype(int)[1:-1]
    columns = [*names, "what came"]
    figure, axes = panels(rows, len(columns), (1.55 * len(columns), 1.75 * rows + 0.4))
    for i, k in enumerate(chosen):
        for j, name in enumerate(columns):
            ax, chip = axes[i, j], chips.target[k] if name == "what came" else found.frames[name][k]
            low, high = np.percentile(chip, (2, 98))
            ax.imshow(chip, cmap="gray", vmin=low, vmax=high)
            ax.set(xticks=[], yticks=[])
            if i == 0:
                ax.set_title(name, fontsize="small")
            if name == "what came":
                ax.set_xlabel(f"row {chips.place[k, 0]:.0f}, column {chips.place[k, 1]:.0f}", fontsize="x-small")
            else:
                ax.set_xlabel(f"{correlation(chip[None], chips.target[k][None])[0]:.2f}", fontsize="small")
    numbers = "numbers: correlation with what came"
    figure.suptitle(f"{title}; {numbers}" if title else numbers, fontsize="medium")
    return figure


def plot_table1(table: pd.DataFrame, title: str = "") -> Figure:
    """Draw the mean correlation of each predictor and the shares of low, medium and high ones.

    Parameters
    ----------
    table : DataFrame
        Of ``table1``, or of a prediction
    title : str
        Title of the figure

    Returns
    -------
    matplotlib Figure
    """
    figure, axes = panels(1, 2, (8.6, 0.32 * len(table) + 1.1), sharey=True)
    place = np.arange(len(table))
    axes[0, 0].barh(place, table["mean"], color=COLOURS[1])
    for at, value in zip(place, table["mean"], strict=True):
        axes[0, 0].text(value, at, f" {value:.3f}", va="center", fontsize="x-small")
    axes[0, 0].set(yticks=place, yticklabels=list(table.index), xlabel="mean correlation", xlim=(0, 1))
    axes[0, 0].invert_yaxis()
    left = np.zeros(len(table))
    for name, words, colour in (
        ("low", "below 0.3", "0.8"),
        ("medium", "0.3 to 0.7", COLOURS[4]),
        ("high", "above 0.7", COLOURS[1]),
    ):
        axes[0, 1].barh(place, table[name], left=left, color=colour, label=words)
        left += table[name].to_numpy()
    axes[0, 1].set(xlabel="share of chips", xlim=(0, 1))
    axes[0, 1].legend(fontsize="x-small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    for ax in axes[0]:
        light_grid(ax)
    figure.suptitle(title, fontsize="medium")
    return figure
