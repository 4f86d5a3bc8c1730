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
from oggm_glaunti.graphics import maps, style
from oggm_glaunti.graphics.map_frame import frame_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

    from oggm_glaunti.coupling.ground.features import Features

HYPSOMETRY_BAND = 100.0  # m, height of the bands of a hypsometry
MAP_MARGIN = 5  # cells around the glacier


def plot_balance_map(
    values: ArrayLike,
    features: Features,
    ax: Axes | None = None,
    *,
    limit: float | None = None,
    zero_line: bool = True,
    cmap: str = "RdBu",
) -> QuadMesh:
    """Draw a map of a balance (or any other quantity with two signs) over hillshade and contour lines of height.

    Red is loss, blue is gain. Thin lines are heights, the thin black one is the outline, and the heavy one with a 0 on
    it is where the values are zero.

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
    x, y = maps.kilometres(features)
    extent = maps.around(features.glacier, x, y, margin=MAP_MARGIN)
    maps.draw_ground(ax, x, y, features.elevation)
    image = ax.pcolormesh(x, y, values, cmap=colours, vmin=-limit, vmax=limit, shading="nearest", rasterized=True)
    style.mark_beyond(image, values)
    _frame(ax, features, extent)
    maps.draw_heights(ax, x, y, features.elevation)
    if zero_line and np.nanmin(values) < 0.0 < np.nanmax(values):
        maps.draw_zero(ax, x, y, values)
    _plot_outline(features, ax)
    return image


def plot_elevation(features: Features, ax: Axes | None = None, *, step: float = 200.0) -> QuadMesh:
    """Draw a map of the corrector's elevation on all of its cells, with hillshade, contour lines and outline.

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
    x, y = maps.kilometres(features)
    image = ax.pcolormesh(x, y, features.elevation, cmap="cividis", shading="nearest", rasterized=True, zorder=0)
    maps.draw_ground(ax, x, y, features.elevation, over=True)
    _frame(ax, features, maps.around(np.ones(features.shape, bool), x, y, margin=0))
    maps.draw_heights(ax, x, y, features.elevation, step=step)
    _plot_outline(features, ax, color="white", linewidth=1.6)
    _plot_outline(features, ax)
    return image


def _plot_outline(features: Features, ax: Axes, color: str = "black", linewidth: float = 0.8) -> None:
    ax.contour(*maps.kilometres(features), features.outline, levels=[0.5], colors=color, linewidths=linewidth)


def _frame(ax: Axes, features: Features, extent: maps.Extent) -> None:
    """Frame a map of a glacier, with the scale bar away from the ice."""
    x, y = maps.kilometres(features)
    inside = [(low <= at) & (at <= high) for at, (low, high) in ((y, extent.y), (x, extent.x))]
    occupied = features.glacier[np.ix_(*inside)]
    frame_map(ax, extent, crs=features.crs, occupied=occupied, cells=float(x[1] - x[0]))


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
    for i, ((label, profile), width) in enumerate(zip(profiles.items(), style.line_widths(len(profiles)), strict=True)):
        ax.plot(profile, heights, label=label, linewidth=width, **style.series_style(i, "color", "linestyle"))
    ax.set(xlabel="surface mass balance (m w.e. a$^{-1}$)", ylabel="height (m)")


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
        words = style.minus_signs(str(found[name]).replace(f", n = {found[name].n}", ""))
        look = style.series_style(i, "color", "marker")
        ax.scatter(observed, values, s=16, alpha=0.7, linewidths=0, label=f"{name}: {words}", **look)
    ax.set(xlim=ends, ylim=ends, aspect="equal", xlabel=f"observed {label}", ylabel=f"modelled {label}")
    style.few_ticks(ax.xaxis, ax.yaxis)
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
    for i, ((name, values), width) in enumerate(zip(modelled.items(), style.line_widths(len(modelled)), strict=True)):
        ax.plot(years, values, label=name, linewidth=width, **style.series_style(i, "color", "linestyle"))
    ax.set(ylabel=label)
    style.whole_years(ax)
