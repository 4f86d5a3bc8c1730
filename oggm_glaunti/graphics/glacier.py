"""Figures of a glacier's balance, and the scores that belong next to them.

Every function draws on the caller's axes (or on the current ones), as OGGM's do, and returns what a colour bar or a
legend needs. Maps of a balance are red-blue with zero in the middle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.fit.evaluation.scores import Scores, scores
from oggm_glaunti.graphics import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

    from oggm_glaunti.coupling.ground.features import Features

HYPSOMETRY_BAND = 100.0  # m, height of the bands of a hypsometry


def plot_balance_map(
    values: ArrayLike,
    features: Features,
    ax: Axes | None = None,
    *,
    limit: float | None = None,
    zero_line: bool = True,
    cmap: str = "RdBu",
) -> QuadMesh:
    """Draw a map of a balance (or any other quantity with two signs) and the outline.

    Red is loss, blue is gain.

    Parameters
    ----------
    values : array (H, W)
        Values on the cells of `features`; NaN where there is nothing to show
    features : Features
        Cells of the glacier, see :func:`oggm_glaunti.coupling.ground.features.read_features`
    ax : matplotlib Axes, optional
        Axes to draw on; the current ones by default
    limit : float, optional
        Colours range from ``-limit`` to ``+limit`` in 16 steps; by default the next round number above the largest
        absolute value. Values beyond get the last colour, and the colour bar an arrow.
    zero_line : bool
        Draw the line at which the values are zero: for an annual balance, the equilibrium line
    cmap : str
        Name of a diverging matplotlib colour map, whose middle is zero

    Returns
    -------
    QuadMesh
        Image to pass to ``fig.colorbar``

    Raises
    ------
    ValueError
        If `values` are not on the cells of `features`, or none is finite
    """
    import matplotlib as mpl

    values = np.asarray(values)
    if values.shape != features.shape:
        raise ValueError(f"expected a map of {features.shape}, the cells of the features; found {values.shape}")
    if not np.isfinite(values).any():
        raise ValueError("the map holds no finite value")
    ax = style.axes_or_current(ax)
    limit = style.round_limit(float(np.nanmax(np.abs(values)))) if limit is None else limit
    colours = mpl.colormaps[cmap].resampled(style.SHADES)
    x, y = style.kilometres(features)
    image = ax.pcolormesh(x, y, values, cmap=colours, vmin=-limit, vmax=limit, shading="nearest", rasterized=True)
    style.mark_beyond(image, values)
    if zero_line and np.nanmin(values) < 0.0 < np.nanmax(values):
        ax.contour(x, y, values, levels=[0.0], colors="0.25", linewidths=0.7)
    _plot_outline(features, ax)
    _show_cells(features, ax, margin=5)
    return image


def plot_elevation(features: Features, ax: Axes | None = None, *, step: float = 200.0) -> QuadMesh:
    """Draw a map of the corrector's elevation on all of its cells, with contour lines and outline.

    Parameters
    ----------
    features : Features
    ax : matplotlib Axes, optional
    step : float
        Height difference between contour lines, m

    Returns
    -------
    QuadMesh
        Image to pass to ``fig.colorbar``
    """
    ax = style.axes_or_current(ax)
    x, y = style.kilometres(features)
    image = ax.pcolormesh(x, y, features.elevation, cmap="cividis", shading="nearest", rasterized=True)
    levels = np.arange(step * np.ceil(features.elevation.min() / step), features.elevation.max(), step)
    ax.contour(x, y, features.elevation, levels=levels, colors="0.2", linewidths=0.3, alpha=0.6)
    _plot_outline(features, ax, color="white", linewidth=1.6)
    _plot_outline(features, ax)
    _show_cells(features, ax)
    return image


def _plot_outline(features: Features, ax: Axes, color: str = "black", linewidth: float = 0.8) -> None:
    ax.contour(*style.kilometres(features), features.outline, levels=[0.5], colors=color, linewidths=linewidth)


def _show_cells(features: Features, ax: Axes, margin: int | None = None) -> None:
    """Limit a map to the glacier with `margin` cells around it (to all cells if None)."""
    x, y = style.kilometres(features)
    if margin is not None:
        rows, cols = np.nonzero(features.glacier)
        x = x[max(cols.min() - margin, 0) : cols.max() + margin + 1]
        y = y[max(rows.min() - margin, 0) : rows.max() + margin + 1]
    style.finish_map(ax, (x[0], x[-1]), (y[-1], y[0]), ticks=6)
    ax.set_ylabel("northing (km)")


def mean_profile(mb_model: Any, heights: ArrayLike, years: Sequence[int]) -> NDArray[np.float64]:
    """Compute the mean annual balance at some heights, of any OGGM mass-balance model.

    Parameters
    ----------
    mb_model : oggm.core.massbalance.MassBalanceModel
    heights : array (N,)
        Heights, m
    years : sequence of int
        Calendar years to average over

    Returns
    -------
    array (N,)
        Mean balance, m w.e. per year
    """
    from oggm import cfg

    heights = np.asarray(heights, np.float64)
    # Seconds in a year as the model counts them; models of OGGM 1.6.3 do not say and mean 365 days.
    seconds = getattr(mb_model, "sec_in_year", lambda year: cfg.SEC_IN_YEAR)
    balances = [seconds(year) * np.asarray(mb_model.get_annual_mb(heights, year=year)) for year in years]
    return np.mean(balances, axis=0) * mb_model.rho / 1000.0


def plot_profiles(profiles: Mapping[str, ArrayLike], heights: ArrayLike, ax: Axes | None = None) -> None:
    """Draw balances against height.

    Parameters
    ----------
    profiles : mapping of str to arrays (N,)
        Balances by label, m w.e. per year
    heights : array (N,)
        Heights of all profiles, m
    ax : matplotlib Axes, optional
    """
    ax = style.axes_or_current(ax)
    ax.axvline(0.0, color=style.GREY, linewidth=0.8)
    for i, (label, profile) in enumerate(profiles.items()):
        ax.plot(profile, heights, label=label, **style.series_style(i, "color", "linestyle"))
    ax.set(xlabel="surface mass balance (m w.e. yr$^{-1}$)", ylabel="height (m)")


def plot_hypsometry(features: Features, ax: Axes | None = None) -> None:
    """Draw the glacier area in elevation bands of 100 m, as horizontal bars.

    Parameters
    ----------
    features : Features
    ax : matplotlib Axes, optional
    """
    from oggm_glaunti.settings import CELL_SIZE

    ax = style.axes_or_current(ax)
    heights, band = features.elevation[features.glacier], HYPSOMETRY_BAND
    edges = np.arange(band * np.floor(heights.min() / band), heights.max() + band, band)
    cells, _ = np.histogram(heights, edges)
    ax.barh(edges[:-1], cells * (CELL_SIZE / 1000.0) ** 2, height=0.9 * band, align="edge", color="0.7")
    ax.set(xlabel=f"area (km$^2$ per {band:.0f} m)", ylabel="height (m)")


def plot_against_observations(
    observed: ArrayLike, modelled: Mapping[str, ArrayLike], ax: Axes | None = None, *, label: str = "balance (m w.e.)"
) -> dict[str, Scores]:
    """Draw a scatter plot of models against observations with the line of equality and the scores in the legend.

    Parameters
    ----------
    observed : array (N,)
        Observed balances, m w.e.
    modelled : mapping of str to arrays (N,)
        Modelled balances by label, m w.e.
    ax : matplotlib Axes, optional
    label : str
        Label of both axes, after "observed" and "modelled"

    Returns
    -------
    dict of Scores
        Scores by label, see :func:`oggm_glaunti.fit.evaluation.scores.scores`. Missing values (NaN) are left out and
        counted

    Raises
    ------
    ValueError
        If a series does not match the observations, or there is no pair of values at all
    """
    ax = style.axes_or_current(ax)
    found = {name: scores(values, observed) for name, values in modelled.items()}
    every = np.concatenate([np.ravel(observed), *(np.ravel(values) for values in modelled.values())])
    if not any(score.n for score in found.values()):
        raise ValueError("no pair of an observed and a modelled value to draw")
    low, high = np.nanmin(every), np.nanmax(every)
    margin = 0.05 * (high - low)
    ends = float(low - margin), float(high + margin)
    ax.plot(ends, ends, color=style.GREY, linewidth=0.8, zorder=1)
    for i, (name, values) in enumerate(modelled.items()):
        words = str(found[name]).replace(f", n = {found[name].n}", "")
        look = style.series_style(i, "color", "marker")
        ax.scatter(observed, values, s=16, alpha=0.7, linewidths=0, label=f"{name}: {words}", **look)
    ax.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"observed {label}", ylabel=f"modelled {label}")
    ax.legend(frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.1)
    return found


def plot_series(
    years: ArrayLike,
    observed: ArrayLike,
    modelled: Mapping[str, ArrayLike],
    ax: Axes | None = None,
    *,
    label: str = "balance (m w.e.)",
) -> None:
    """Draw balances year by year: observations in black, models in colour.

    Parameters
    ----------
    years : array (N,)
    observed, modelled, ax
        See :func:`plot_against_observations`
    label : str
        Label of the vertical axis
    """
    ax = style.axes_or_current(ax)
    ax.axhline(0.0, color=style.GREY, linewidth=0.8)
    ax.plot(years, observed, color="black", marker=".", linewidth=1.4, label="observed", zorder=3)
    for i, (name, values) in enumerate(modelled.items()):
        ax.plot(years, values, label=name, **style.series_style(i, "color", "linestyle"))
    ax.set(ylabel=label)
