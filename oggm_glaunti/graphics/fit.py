"""Figures of predictions and observations: scatter, residuals and series, as in the paper's evaluation.

Every function takes a table of predictions (:mod:`oggm_glaunti.fit.evaluation`) and returns a matplotlib Figure;
:func:`save_figures` writes every figure for which a table has data.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from oggm_glaunti.fit.evaluation.predictions import models_of
from oggm_glaunti.fit.evaluation.scores import Scores, scores
from oggm_glaunti.fit.names import ALL_SEASONS, KINDS
from oggm_glaunti.graphics.style import (
    GREY,
    few_ticks,
    light_grid,
    minus_signs,
    panels,
    save_png,
    series_style,
    whole_years,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GLACIERS_A_PAGE = 16


def save_figures(predictions: pd.DataFrame, folder: str | os.PathLike[str], dpi: int = 110) -> list[Path]:
    """Write every figure for which there are data as PNG.

    Parameters
    ----------
    predictions : DataFrame
    folder : path
        Existing folder to write to
    dpi : int
        Resolution, dots per inch

    Returns
    -------
    list of Path
        Paths of ``scatter_<kind>.png``, ``residuals_<kind>.png``, ``residuals_by_glacier_<kind>.png`` and
        ``series_<season>.png`` (numbered if the glaciers do not fit on one page)
    """
    return [save_png(figure, Path(folder) / f"{name}.png", dpi) for name, figure in figures(predictions)]


def figures(predictions: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    """Yield the name of each figure and the figure itself."""
    for kind in (kind for kind in KINDS if (predictions["kind"] == kind).any()):
        yield f"scatter_{kind}", plot_scatter(predictions, kind)
        yield f"residuals_{kind}", plot_residuals(predictions, kind)
        yield f"residuals_by_glacier_{kind}", plot_residuals_by_glacier(predictions, kind)
    for season in _seasons_of(predictions[predictions["kind"] == "glacier-wide"]):
        pages = plot_glacier_series(predictions, season)
        for i, figure in enumerate(pages):
            yield f"series_{season}{f'_{i + 1}' if len(pages) > 1 else ''}", figure


def _seasons_of(predictions: pd.DataFrame) -> list[str]:
    return [season for season in ALL_SEASONS if (predictions["season"] == season).any()]


def _of_kind(predictions: pd.DataFrame, kind: str) -> pd.DataFrame:
    chosen = predictions[predictions["kind"] == kind]
    if not len(chosen):
        raise ValueError(f"no {kind} balances among the {len(predictions)} predictions")
    return chosen


def _panels_of(rows: int, columns: int, width: float, height: float, **kwargs: Any) -> tuple[Figure, np.ndarray]:
    """Return a figure with panels of a given size in inches."""
    return panels(rows, columns, (columns * width + 0.5, rows * height + 0.6), **kwargs)


def _draw_points(ax: Axes, x: pd.Series, y: pd.Series, style: dict[str, Any]) -> None:
    """Draw points, more transparent if there are many."""
    ax.scatter(x, y, s=9, alpha=0.4 if len(x) > 200 else 0.8, linewidths=0, **style)


def plot_scatter(predictions: pd.DataFrame, kind: str) -> Figure:
    """Draw predicted against observed balances and the line of equality, a row per model and a column per season."""
    figure, each = _each_panel(predictions, kind, equal=True)
    for ax, group, column, style in each:
        ends = _ends(group[["true", *models_of(group).values()]].to_numpy())
        ax.plot(ends, ends, color=GREY, linewidth=0.8, zorder=1, label="predicted as observed")
        _draw_points(ax, group["true"], group[column], style)
        ax.set(xlim=ends, ylim=ends, aspect="equal")
        few_ticks(ax.xaxis, ax.yaxis)
        _write_scores(ax, scores(group[column], group["true"]))
    _label_panels(figure, "predicted (m w.e.)")
    _legend(figure)
    return figure


def plot_residuals(predictions: pd.DataFrame, kind: str) -> Figure:
    """Draw predicted minus observed against observed, a row per model and a column per season; the bias is dashed."""
    figure, each = _each_panel(predictions, kind, equal=False)
    for ax, group, column, style in each:
        misfit = group[column] - group["true"]
        ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=1, label="predicted as observed")
        _draw_points(ax, group["true"], misfit, style)
        ax.axhline(misfit.mean(), color="black", linewidth=1.0, linestyle="--", label="mean (bias)")
        every = group[list(models_of(group).values())].sub(group["true"], axis=0)
        few_ticks(ax.xaxis)
        largest = 1.05 * float(np.nanmax(np.abs(every.to_numpy()), initial=0.1))
        ax.set(xlim=_ends(group["true"].to_numpy()), ylim=(-largest, 1.4 * largest))  # room for the scores
        _write_scores(ax, scores(group[column], group["true"]), only=("bias", "rmse"), right=True)
    _label_panels(figure, "predicted minus\nobserved (m w.e.)")
    _legend(figure)
    return figure


def _each_panel(
    predictions: pd.DataFrame, kind: str, equal: bool
) -> tuple[Figure, Iterator[tuple[Axes, pd.DataFrame, str, dict[str, Any]]]]:
    """Return a figure and, panel by panel, its axes, predictions, column of the model and style."""
    chosen = _of_kind(predictions, kind)
    models, seasons = models_of(chosen), _seasons_of(chosen)
    size = (2.7, 2.4) if equal else (2.9, 2.0)
    figure, axes = _panels_of(len(models), len(seasons), *size, sharex="col", sharey="col")

    def each() -> Iterator[tuple[Axes, pd.DataFrame, str, dict[str, Any]]]:
        for j, season in enumerate(seasons):
            axes[0, j].set_title(f"{kind}, {season}", fontsize="medium")
            for i, (model, column) in enumerate(models.items()):
                axes[i, 0].set_ylabel(f"model {model}")
                yield axes[i, j], chosen[chosen["season"] == season], column, series_style(i, "color", "marker")

    return figure, each()


def _label_panels(figure: Figure, vertical: str) -> None:
    """Label both axes, once per row and column, and put one grey point for all in the legend."""
    figure.axes[0].plot([], [], color="0.4", marker="o", markersize=3, linestyle="", label="observation")
    for ax in figure.axes:
        light_grid(ax)
        place = ax.get_subplotspec()
        if place is not None and place.is_last_row():
            ax.set_xlabel("observed (m w.e.)")
        if ax.get_ylabel():
            ax.set_ylabel(f"{ax.get_ylabel()}\n{vertical}")


def _ends(values: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(values).any():
        return -1.0, 1.0
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.05 * (high - low) or 0.5
    return low - margin, high + margin


def _write_scores(
    ax: Axes, found: Scores, only: tuple[str, ...] = ("n", "r", "rmse", "bias"), right: bool = False
) -> None:
    texts = {"n": f"n = {found.n}", "r": f"r {found.r:.2f}", "rmse": f"RMSE {found.rmse:.2f}"}
    texts["bias"] = f"bias {round(found.bias, 2) + 0.0:+.2f}"  # never minus zero
    lines = [texts[name] for name in only if np.isfinite(getattr(found, name))]
    box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.6}
    x, side = (0.97, "right") if right else (0.03, "left")
    text = minus_signs("\n".join(lines))
    ax.text(x, 0.97, text, transform=ax.transAxes, ha=side, va="top", fontsize="small", bbox=box)


def plot_residuals_by_glacier(predictions: pd.DataFrame, kind: str) -> Figure:
    """Draw the mean of predicted minus observed and its interquartile range by glacier, a column per season."""
    chosen = _of_kind(predictions, kind)
    glaciers, models, seasons = sorted(set(chosen["glacier"])), models_of(chosen), _seasons_of(chosen)
    height = max(1.6, 0.13 * len(glaciers) * (1 + len(models)))
    figure, axes = _panels_of(1, len(seasons), 2.9, height, sharey=True)
    for ax, season in zip(axes[0], seasons, strict=True):
        of_season = chosen[chosen["season"] == season]
        ax.axvline(0.0, color=GREY, linewidth=0.8)
        for i, (model, column) in enumerate(models.items()):
            shift = 0.7 * ((i + 0.5) / len(models) - 0.5)
            misfits = (of_season[column] - of_season["true"]).groupby(of_season["glacier"])
            mean, low, high = misfits.mean().dropna(), misfits.quantile(0.25), misfits.quantile(0.75)
            y = [glaciers.index(glacier) + shift for glacier in mean.index]
            style = series_style(i, "color", "marker")
            ax.hlines(y, low[mean.index], high[mean.index], color=style["color"], linewidth=1.2, alpha=0.7)
            ax.scatter(mean, y, s=16, linewidths=0, label=f"model {model}, mean", zorder=3, **style)
        ax.plot([], [], color="0.4", linewidth=1.2, label="middle half of the observations")
        for k in range(1, len(glaciers)):
            ax.axhline(k - 0.5, color="0.9", linewidth=0.6, zorder=0)
        ax.set(title=f"{kind}, {season}", ylim=(len(glaciers) - 0.5, -0.5))
        ax.title.set_fontsize("medium")
        ax.set_yticks(range(len(glaciers)), glaciers)
    figure.supxlabel("predicted minus observed (m w.e.)", fontsize="medium")
    _legend(figure)
    return figure


def plot_glacier_series(predictions: pd.DataFrame, season: str) -> list[Figure]:
    """Draw glacier-wide balances by year: observations in black, models in colour; a panel per glacier."""
    chosen = _of_kind(predictions, "glacier-wide")
    chosen = chosen[chosen["season"] == season]
    glaciers = sorted(set(chosen["glacier"]))
    pages = [glaciers[i : i + GLACIERS_A_PAGE] for i in range(0, len(glaciers), GLACIERS_A_PAGE)]
    return [_series_page(chosen, page, season) for page in pages]


def _series_page(chosen: pd.DataFrame, glaciers: list[str], season: str) -> Figure:
    columns = min(len(glaciers), 2 if len(glaciers) <= 4 else 3 if len(glaciers) <= 9 else 4)
    figure, axes = _panels_of(math.ceil(len(glaciers) / columns), columns, 2.8, 1.7, sharex=True)
    for ax, glacier in zip(axes.flat, glaciers, strict=False):
        group = chosen[chosen["glacier"] == glacier]
        by_year = group.groupby("year")[["true", *models_of(group).values()]].mean()
        # Lines have gaps at missing years.
        by_year = by_year.reindex(range(by_year.index.min(), by_year.index.max() + 1))
        years, line = by_year.index, {"marker": ".", "markersize": 4, "linewidth": 1.6}
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.plot(years, by_year["true"], color="black", label="observed", zorder=3, **line)
        for i, (model, column) in enumerate(models_of(group).items()):
            style = series_style(i, "color", "marker", "linestyle")
            ax.plot(years, by_year[column], label=f"model {model}", linewidth=1.0, markersize=2.2, **style)
        ax.set_title(glacier, fontsize="small")
        whole_years(ax, 5)
        ax.tick_params(labelsize="small")
    for ax in axes.flat[len(glaciers) :]:
        ax.set_axis_off()
    for ax in axes.flat[max(0, len(glaciers) - columns) : len(glaciers)]:
        ax.tick_params(labelbottom=True)
    figure.supylabel(f"{season} balance of the glacier (m w.e.)", fontsize="medium")
    _legend(figure)
    return figure


def _legend(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels), frameon=False, fontsize="small")
