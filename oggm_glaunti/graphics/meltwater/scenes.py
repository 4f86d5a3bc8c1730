"""Figures of predicted scenes: maps beside the observed ones, error against gap, reliability, ablations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oggm_glaunti.companions.meltwater.scores import FEWEST_IN_BIN, by_gap, reliability
from oggm_glaunti.companions.meltwater.stack import Floats
from oggm_glaunti.graphics.map_frame import frame_map
from oggm_glaunti.graphics.maps import Extent, draw_heights
from oggm_glaunti.graphics.style import GREY, light_grid, panels, series_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_scene(
    predicted: Floats,
    target: Floats,
    valid: Floats | None = None,
    title: str = "",
    *,
    x: Floats | None = None,
    y: Floats | None = None,
    crs: Any = None,
    elevation: Floats | None = None,
) -> Figure:
    """Draw a predicted melt map, the observed one, and their difference.

    Parameters
    ----------
    predicted, target : arrays (H, W)
        probability, and observed melt fraction, NaN where not observed
    valid : bool array (H, W), optional
        cells that are predicted; others are left grey
    title : str
        title of the figure
    x, y : arrays (W,), (H,), optional
        eastings and northings of the cells, m, northings falling; by default the axes count columns and rows, and there
        is neither scale bar nor arrow
    crs : optional
        their coordinate system, in any form that pyproj reads, for the arrow to the north
    elevation : array (H, W), optional
        m, for contour lines; goes with `x` and `y`

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        if `x` and `y` do not fit the maps, or one of them is missing and the other, `crs` or `elevation` given
    """
    _require_place(predicted.shape, x, y, crs, elevation)
    shown = predicted if valid is None else np.where(valid, predicted, np.nan)
    figure, axes = panels(1, 3, (11.0, 4.2), sharex=True, sharey=True)
    figure.suptitle(title, fontsize="medium")
    fields = (
        ("predicted (grey: not predicted)", shown, {"vmin": 0, "vmax": 1, "cmap": "Blues"}, "melt probability"),
        ("observed (grey: not observed)", target, {"vmin": 0, "vmax": 1, "cmap": "Blues"}, "melt fraction"),
        (
            "predicted \N{MINUS SIGN} observed",
            shown - target,
            {"vmin": -1, "vmax": 1, "cmap": "RdBu_r"},
            "difference of melt",
        ),
    )
    for ax, (name, values, how, label) in zip(axes[0], fields, strict=True):
        ax.set_facecolor("0.85")
        _cells(ax, np.ma.masked_invalid(values), x, y, crs, elevation, scale=ax is axes[0, 0], **how)
        ax.set_title(name, fontsize="medium")
        ax.label_outer()
        figure.colorbar(ax.images[0], ax=ax, shrink=0.8, label=label, location="bottom")
    return figure


def _require_place(shape: tuple[int, ...], x: Any, y: Any, crs: Any, elevation: Any) -> None:
    if x is None or y is None:
        if any(given is not None for given in (x, y, crs, elevation)):
            raise ValueError("x, y, crs, elevation: expected x and y with any of them")
        return
    found = len(y), len(x)
    if found != shape or (elevation is not None and np.shape(elevation) != shape):
        raise ValueError(f"expected y, x and elevation for a map of {shape}; found {found} and {np.shape(elevation)}")


def _cells(
    ax: Axes, values: Any, x: Floats | None, y: Floats | None, crs: Any, elevation: Any, *, scale: bool, **how: Any
) -> None:
    """Draw cells where they are, or by column and row."""
    if x is None or y is None:
        ax.imshow(values, interpolation="nearest", **how)
        ax.set(xlabel="column", ylabel="row")
        return
    from pyproj import CRS

    east, north = np.asarray(x, float) / 1000.0, np.asarray(y, float) / 1000.0
    cell = float(east[1] - east[0])
    edges = (east[0] - cell / 2, east[-1] + cell / 2, north[-1] - cell / 2, north[0] + cell / 2)
    ax.imshow(values, interpolation="nearest", extent=edges, **how)
    extent = Extent((float(east[0]), float(east[-1])), (float(north[-1]), float(north[0])))
    frame_map(
        ax, extent, crs=None if crs is None else CRS(crs), occupied=~np.ma.getmaskarray(values), cells=cell, scale=scale
    )
    if elevation is not None:
        draw_heights(ax, east, north, elevation)


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
