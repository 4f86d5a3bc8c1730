"""Figures of a glacier's balance, and the scores that belong beside them.

Every function draws on axes of the caller's (or on the current ones), as OGGM's do, and returns what a colour bar or a
legend needs. Colours are those of Okabe and Ito, told apart with any colour vision; every series also has a line style
and a marker of its own, for print. Maps of a balance are red-blue with zero in the middle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.files import replacing
from oggm_glaunti.fit.evaluation.scores import Scores, scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

    from oggm_glaunti.coupling.ground.features import Features

__all__ = [
    "Scores",
    "mean_profile",
    "plot_against_observations",
    "plot_balance_map",
    "plot_elevation",
    "plot_hypsometry",
    "plot_profiles",
    "plot_series",
    "save_png",
    "scores",
]

# Okabe and Ito (2008), without yellow, which is too pale for lines.
COLOURS = ("#D55E00", "#0072B2", "#56B4E9", "#CC79A7", "#009E73", "#E69F00")
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
MARKERS = ("o", "^", "s", "D", "v", "P")
BAND = 100.0  # m, height of the bands of a hypsometry
SHADES = 16  # of a map with two signs, eight for each: few enough to find each in the colour bar


# --- maps ---


def plot_balance_map(
    values: ArrayLike,
    features: Features,
    ax: Axes | None = None,
    *,
    limit: float | None = None,
    zero_line: bool = True,
    cmap: str = "RdBu",
) -> QuadMesh:
    """Map of a balance (or of anything else with two signs) with the outline; red is loss, blue is gain.

    Parameters
    ----------
    values : array (H, W)
        on the cells of `features`; NaN where there is nothing to show
    features : Features
        the glacier's cells, see :func:`oggm_glaunti.coupling.ground.features.read_features`
    ax : matplotlib Axes, optional
        the current ones by default
    limit : float, optional
        colours go from ``-limit`` to ``+limit`` in 16 steps; by default the next round number above the largest
        absolute value. Values beyond have the last colour, and the colour bar an arrow.
    zero_line : bool
        draw the line where the values are zero: of an annual balance it is the equilibrium line
    cmap : str
        diverging colour map of matplotlib's; its middle is zero

    Returns
    -------
    QuadMesh
        for ``fig.colorbar``

    Raises
    ------
    ValueError
        where `values` are not on the cells of `features`, or none is finite
    """
    import matplotlib as mpl

    values = _on_cells(values, features)
    ax = _axes(ax)
    limit = _round_up(float(np.nanmax(np.abs(values)))) if limit is None else limit
    beyond = bool((values < -limit).any()), bool((values > limit).any())
    colours = mpl.colormaps[cmap].resampled(SHADES)
    colours.colorbar_extend = {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(
        beyond, "both"
    )
    x, y = _kilometres(features)
    image = ax.pcolormesh(x, y, values, cmap=colours, vmin=-limit, vmax=limit, shading="nearest", rasterized=True)
    if zero_line and np.nanmin(values) < 0.0 < np.nanmax(values):
        ax.contour(x, y, values, levels=[0.0], colors="0.25", linewidths=0.7)
    _plot_outline(features, ax)
    _finish_map(features, ax, margin=5)
    return image


def plot_elevation(features: Features, ax: Axes | None = None, *, step: float = 200.0) -> QuadMesh:
    """Map of the corrector's elevation on all of its cells, with contour lines and outline.

    Parameters
    ----------
    features : Features
    ax : matplotlib Axes, optional
    step : float
        m, of the contour lines

    Returns
    -------
    QuadMesh
        for ``fig.colorbar``
    """
    ax = _axes(ax)
    x, y = _kilometres(features)
    image = ax.pcolormesh(x, y, features.elevation, cmap="cividis", shading="nearest", rasterized=True)
    levels = np.arange(step * np.ceil(features.elevation.min() / step), features.elevation.max(), step)
    ax.contour(x, y, features.elevation, levels=levels, colors="0.2", linewidths=0.3, alpha=0.6)
    _plot_outline(features, ax, color="white", linewidth=1.6)
    _plot_outline(features, ax)
    _finish_map(features, ax)
    return image


def _round_up(largest: float) -> float:
    """The next number above that divides into eight round steps; 1 for a map of zeros."""
    if largest == 0.0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest))
    return float(power * next(step for step in (1.2, 1.6, 2.0, 4.0, 8.0, 12.0) if largest <= step * power))


def _on_cells(values: ArrayLike, features: Features) -> NDArray[np.floating]:
    values = np.asarray(values)
    if values.shape != features.shape:
        raise ValueError(f"expected a map of {features.shape}, the cells of the features; found {values.shape}")
    if not np.isfinite(values).any():
        raise ValueError("the map holds no finite value")
    return values


def _kilometres(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return features.x / 1000.0, features.y / 1000.0


def _plot_outline(features: Features, ax: Axes, color: str = "black", linewidth: float = 0.8) -> None:
    x, y = _kilometres(features)
    ax.contour(x, y, features.outline, levels=[0.5], colors=color, linewidths=linewidth)


def _finish_map(features: Features, ax: Axes, margin: int | None = None) -> None:
    """Equal scales, and the glacier with `margin` cells around it (all cells where None)."""
    from matplotlib.ticker import MaxNLocator

    x, y = _kilometres(features)
    if margin is not None:
        rows, cols = np.nonzero(features.glacier)
        x = x[max(cols.min() - margin, 0) : cols.max() + margin + 1]
        y = y[max(rows.min() - margin, 0) : rows.max() + margin + 1]
    ax.set(xlim=(x[0], x[-1]), ylim=(y[-1], y[0]), aspect="equal", xlabel="easting (km)", ylabel="northing (km)")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.ticklabel_format(useOffset=False, style="plain")


# --- balance against height ---


def mean_profile(mb_model: Any, heights: ArrayLike, years: Sequence[int]) -> NDArray[np.float64]:
    """Mean annual balance at heights, of any OGGM mass-balance model.

    Parameters
    ----------
    mb_model : oggm.core.massbalance.MassBalanceModel
    heights : array (N,)
        m
    years : sequence of int
        calendar years

    Returns
    -------
    array (N,)
        m w.e. per year
    """
    heights = np.asarray(heights, np.float64)
    balances = [_seconds(mb_model, year) * np.asarray(mb_model.get_annual_mb(heights, year=year)) for year in years]
    return np.mean(balances, axis=0) * mb_model.rho / 1000.0


def _seconds(mb_model: Any, year: int) -> float:
    """Seconds in a year as the model counts them; models of OGGM 1.6.3 do not say and mean 365 days."""
    if hasattr(mb_model, "sec_in_year"):
        return mb_model.sec_in_year(year)
    from oggm import cfg

    return cfg.SEC_IN_YEAR


def plot_profiles(profiles: Mapping[str, ArrayLike], heights: ArrayLike, ax: Axes | None = None) -> None:
    """Balance against height.

    Parameters
    ----------
    profiles : mapping of str to arrays (N,)
        m w.e. per year, by label
    heights : array (N,)
        m
    ax : matplotlib Axes, optional
    """
    ax = _axes(ax)
    ax.axvline(0.0, color="0.6", linewidth=0.8)
    for i, (label, profile) in enumerate(profiles.items()):
        ax.plot(profile, heights, label=label, color=COLOURS[i % len(COLOURS)], linestyle=LINES[i % len(LINES)])
    ax.set(xlabel="surface mass balance (m w.e. yr$^{-1}$)", ylabel="height (m)")


def plot_hypsometry(features: Features, ax: Axes | None = None) -> None:
    """Glacier area in bands of 100 m of height, as horizontal bars.

    Parameters
    ----------
    features : Features
    ax : matplotlib Axes, optional
    """
    from oggm_glaunti.settings import CELL_SIZE

    ax = _axes(ax)
    heights = features.elevation[features.glacier]
    edges = np.arange(BAND * np.floor(heights.min() / BAND), heights.max() + BAND, BAND)
    cells, _ = np.histogram(heights, edges)
    ax.barh(edges[:-1], cells * (CELL_SIZE / 1000.0) ** 2, height=0.9 * BAND, align="edge", color="0.7")
    ax.set(xlabel=f"area (km$^2$ per {BAND:.0f} m)", ylabel="height (m)")


# --- observations ---


def plot_against_observations(
    observed: ArrayLike, modelled: Mapping[str, ArrayLike], ax: Axes | None = None, *, label: str = "balance (m w.e.)"
) -> dict[str, Scores]:
    """Scatter of models against observations with the line of equality; the scores are in the legend.

    Parameters
    ----------
    observed : array (N,)
        m w.e.
    modelled : mapping of str to arrays (N,)
        m w.e., by label
    ax : matplotlib Axes, optional
    label : str
        of both axes, after "observed" and "modelled"

    Returns
    -------
    dict of Scores
        by label; see :func:`~oggm_glaunti.fit.evaluation.scores`. Missing values (NaN) are left out and counted there

    Raises
    ------
    ValueError
        where a series does not fit the observations, or there is not one pair of values
    """
    ax = _axes(ax)
    found = {name: scores(values, observed) for name, values in modelled.items()}
    every = np.concatenate([np.ravel(observed), *(np.ravel(values) for values in modelled.values())])
    if not any(score.n for score in found.values()):
        raise ValueError("no pair of an observed and a modelled value to draw")
    low, high = np.nanmin(every), np.nanmax(every)
    margin = 0.05 * (high - low)
    ends = float(low - margin), float(high + margin)
    ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=1)
    for i, (name, values) in enumerate(modelled.items()):
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        ax.scatter(observed, values, s=16, alpha=0.7, linewidths=0, label=f"{name}: {_short(found[name])}", **style)
    ax.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"observed {label}", ylabel=f"modelled {label}")
    ax.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.1)
    return found


def _short(found: Scores) -> str:
    return str(found).replace(f", n = {found.n}", "")


def plot_series(
    years: ArrayLike,
    observed: ArrayLike,
    modelled: Mapping[str, ArrayLike],
    ax: Axes | None = None,
    *,
    label: str = "balance (m w.e.)",
) -> None:
    """Balances year by year: observations in black, models in colour.

    Parameters
    ----------
    years : array (N,)
    observed : array (N,)
        m w.e.
    modelled : mapping of str to arrays (N,)
        m w.e., by label
    ax : matplotlib Axes, optional
    label : str
        of the vertical axis
    """
    ax = _axes(ax)
    ax.axhline(0.0, color="0.6", linewidth=0.8)
    ax.plot(years, observed, color="black", marker=".", linewidth=1.4, label="observed", zorder=3)
    for i, (name, values) in enumerate(modelled.items()):
        ax.plot(years, values, color=COLOURS[i % len(COLOURS)], linestyle=LINES[i % len(LINES)], label=name)
    ax.set(ylabel=label)


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.gca()


# --- files ---


def new_figure(size: tuple[float, float]) -> Figure:
    """An empty figure, width and height in inches; no window is ever opened."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(fig: Figure, path: str | os.PathLike[str], dpi: int = 110) -> Path:
    """Write a figure as a PNG with a palette of 256 colours, a third of the size of a full one.

    Parameters
    ----------
    fig : matplotlib Figure
    path : str or path
        of the file; its folder must exist
    dpi : int
        dots per inch

    Returns
    -------
    pathlib.Path
        of the file, complete or not there at all
    """
    from PIL import Image

    path = Path(path)
    with replacing(path) as temporary:
        fig.savefig(temporary, dpi=dpi, format="png")
        with Image.open(temporary) as image:
            few_colours = image.convert("RGB").quantize(256, kmeans=4, dither=Image.Dither.NONE)
        few_colours.save(temporary, "PNG", optimize=True)
    return path
