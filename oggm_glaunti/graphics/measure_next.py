"""Figure of where to measure next: a map for each season, the same by height, and the best measurements in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from oggm_glaunti.analysis.measure_next.places import unit_of
from oggm_glaunti.graphics.map_frame import frame_map
from oggm_glaunti.graphics.maps import Extent, around, crs_of, draw_ground, draw_heights, kilometres
from oggm_glaunti.graphics.style import COLOURS, GREY, decimals, new_figure, series_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oggm_glaunti.analysis.measure_next.tasks import WhereToMeasure

SHADES_OF_SHARE = 10  # steps of the colour bar
MAP_MARGIN = 5  # cells around the glacier


def plot_where_to_measure(result: WhereToMeasure, target: str | None = None) -> Figure:
    """Draw what one more measurement would tell, and the best of them.

    Parameters
    ----------
    result : WhereToMeasure
        Result of :func:`~oggm_glaunti.analysis.measure_next.tasks.where_to_measure`
    target : str, optional
        Target to show, if the result has several; the first by default

    Returns
    -------
    matplotlib Figure
        Above: a map for each season of the share of the target's variance that one measurement removes, with the best
        measurements by rank; below: the same by height, and the standard deviation remaining after each measurement

    Raises
    ------
    ValueError
        If the target is not in the result
    """
    known = list(np.atleast_1d(result.maps["target"].values))
    target = known[0] if target is None else target
    if target not in known:
        raise ValueError(f"target: expected one of {known}, found {target!r}")
    maps = result.maps.sel(target=target) if "target" in result.maps.dims else result.maps
    table = result.table[result.table["target"] == target]
    n, extent = maps.sizes["season"], _extent(maps)
    (west, east), (south, north) = extent
    width = max(3.3 * n + 0.9, 7.5)
    high = float(np.clip((north - south) / (east - west) * (width - 1.8) / n, 1.8, 5.0)) + 1.1
    figure = new_figure((width, high + 3.9))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(high, 3.4))[:, 0]
    axes = above.subplots(1, n, squeeze=False, sharey=True)[0]
    _plot_maps(maps, table, axes, extent)
    profile, bars = below.subplots(1, 2)
    for i, season in enumerate(maps["season"].values):
        line = 100.0 * maps["reduction_by_height"].sel(season=season)
        profile.plot(line, maps["height"], label=str(season), **series_style(i, "color", "linestyle"))
    profile.set(xlim=(0.0, _highest(maps)), xlabel="variance taken away (%)", ylabel="height (m)")
    profile.legend(frameon=False)
    profile.grid(color="0.9")
    profile.set_axisbelow(True)
    _plot_bars(maps, table, bars)
    about = result.table.attrs
    first, last = about["years"]
    years = f"{first}" if first == last else f"mean of {first}-{last}"
    wanted = f"glacier-wide balance {years}" if target == "smb" else f"parameter {target}"
    measured = f"{about['rgi_id']}, model {about['model']}: one more measurement in {about['year']}"
    figure.suptitle(f"{measured}\nfor the {wanted}")
    return figure


def _plot_maps(maps: xr.Dataset, table: pd.DataFrame, axes: np.ndarray, extent: Extent) -> None:
    import matplotlib as mpl

    percent, seasons, crs = 100.0 * maps["reduction"], maps["season"].values, crs_of(maps)
    x, y = kilometres(maps)
    elevation, there = maps["elevation"].to_numpy(), _there(maps)
    colours = mpl.colormaps["cividis"].resampled(SHADES_OF_SHARE)
    for ax, season in zip(axes, seasons, strict=True):
        values = percent.sel(season=season).values
        limits = {"vmin": 0.0, "vmax": _highest(maps)}
        draw_ground(ax, x, y, elevation)
        image = ax.pcolormesh(x, y, values, cmap=colours, **limits, shading="nearest", rasterized=True)
        frame_map(ax, extent, crs=crs, occupied=there, cells=float(x[1] - x[0]), scale=ax is axes[0])
        draw_heights(ax, x, y, elevation)
        ax.contour(x, y, there, levels=[0.5], colors="black", linewidths=0.7)
        for row in table[table["season"] == season].itertuples():
            at = {"ha": "center", "va": "center", "fontsize": 8, "fontweight": "bold", "zorder": 7}
            box = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": COLOURS[0], "linewidth": 1.5}
            ax.text(x[row.col], y[row.row], str(row.rank), bbox=box, **at)
        begin, end = (maps[name].sel(season=season).values.astype("M8[D]").item() for name in ("begin", "end"))
        ax.set_title(f"{season}: {begin.day} {begin:%b} to {end.day} {end:%b}", fontsize="medium")
        ax.label_outer()
    axes[0].figure.colorbar(image, ax=list(axes), label="variance taken away\nby one measurement (%)")


def _highest(maps: xr.Dataset) -> float:
    """Return the largest share of the variance that a measurement takes away, rounded up to fives, %."""
    return 5.0 * float(np.ceil(20.0 * maps["reduction_by_height"].max()))


def _there(maps: xr.Dataset) -> np.ndarray:
    """Return the cells of the glacier."""
    return np.isfinite(maps["reduction"].isel(season=0).to_numpy())


def _extent(maps: xr.Dataset) -> Extent:
    """Return the glacier's rectangle with a margin around it."""
    return around(_there(maps), *kilometres(maps), MAP_MARGIN)


def _plot_bars(maps: xr.Dataset, table: pd.DataFrame, ax: Axes) -> None:
    """Draw the present standard deviation, and that with one more measurement in each row."""
    at_first, units = float(maps["sd"]), unit_of(str(maps["target"].values))
    left = [at_first, *np.sqrt(np.maximum(table["variance_after"].to_numpy(), 0.0))]
    labels = ["as things are", *(f"+ {row.rank} {row.season}, {row.height:.0f} m" for row in table.itertuples())]
    seasons = list(maps["season"].values)
    colours = [GREY, *(series_style(seasons.index(season), "color")["color"] for season in table["season"])]
    places = range(len(left))
    ax.barh(places, left, color=colours, height=0.7)
    for place, value in zip(places, left, strict=True):
        ax.text(value, place, f" {value:.{decimals(at_first)}f}", va="center", fontsize=9)
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    ax.set(xlim=(0.0, 1.18 * at_first), xlabel="standard deviation left" + ("" if units == "1" else f" ({units})"))
