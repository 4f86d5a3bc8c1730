"""Map of a surface without voids, with its standard deviation and trend."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.graphics.map_frame import frame_map
from oggm_glaunti.graphics.maps import Extent, crs_of, draw_ground, draw_heights, kilometres
from oggm_glaunti.graphics.style import COLOURS, mark_beyond, minus_signs, new_figure, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorizer import ColorizingArtist
    from matplotlib.figure import Figure


def plot_voids(
    dataset: xr.Dataset, title: str = "", *, dem_ref: ArrayLike | None = None, outline: ArrayLike | None = None
) -> Figure:
    """Draw maps of a surface without voids, its standard deviation and its trend; filled cells have red edges.

    Parameters
    ----------
    dataset : Dataset
        Result of :func:`~oggm_glaunti.companions.dem.impute.impute_dem_stack`, or a file of ``oggm-glaunti impute-dem``
        or ``process_dem_stack`` opened with xarray: ``z``, ``z_std``, ``imputed`` (year, y, x) and ``dh_trend`` (y, x)
        The arrow to the north is drawn if it names its coordinate system, in a variable ``crs`` or as ``crs_wkt``
    title : str
        Title of the figure, for example the name of the glacier
    dem_ref : DataArray or array (y, x), optional
        Surface on the same cells to compare with, m; adds a map of the difference to it, minus its median. By default
        ``reference`` of the dataset, if it has one
    outline : array (y, x), optional
        Values above 0.5 are glacier, whose edge is drawn

    Returns
    -------
    matplotlib Figure
        Maps of the medians over the years of surface and standard deviation, and of the trend

    Raises
    ------
    ValueError
        If a variable is missing, or a map is not on the cells of the dataset
    """
    dem_ref = dataset.get("reference") if dem_ref is None else dem_ref
    dataset = _north_up(dataset, dem_ref=dem_ref, outline=outline)
    surface, void = dataset["z"].median("year").to_numpy(), dataset["imputed"].any("year").to_numpy()
    panels: list[tuple[str, str, Callable[[Axes], ScalarMappable]]] = [
        ("surface", "elevation (m)", lambda ax: _relief(ax, dataset, surface)),
        ("standard deviation", "standard deviation (m)", lambda ax: _draw_std(ax, dataset)),
        ("trend", "trend (m a$^{-1}$)", lambda ax: _two_signs(ax, dataset, dataset["dh_trend"].to_numpy())),
    ]
    if dem_ref is not None:
        difference = surface - dataset["dem_ref"].to_numpy()
        median = float(np.median(difference))
        words = minus_signs(f"above the reference,\nless the median of {median:+.1f} m")
        panels.insert(1, (words, "difference (m)", lambda ax: _two_signs(ax, dataset, difference - median)))
    # A row of maps, each 3 inches wide, or less so that tall ones are at most 4.5 inches high.
    rows, columns = dataset["dh_trend"].shape
    width = min(3.0, 4.5 * columns / rows)
    figure = new_figure((len(panels) * max(width, 2.0) + 0.8, width * rows / columns + 1.7))
    axes = figure.subplots(1, len(panels), sharex=True, sharey=True)
    extent, crs = Extent(*((float(min(at)), float(max(at))) for at in kilometres(dataset))), crs_of(dataset)
    x, y = kilometres(dataset)
    for ax, (words, units, draw) in zip(axes, panels, strict=True):
        frame_map(ax, extent, crs=crs, occupied=dataset.get("outline"), cells=float(x[1] - x[0]), scale=ax is axes[0])
        ax.tick_params(labelsize="small")
        ax.label_outer()
        bar = figure.colorbar(draw(ax), ax=ax, label=units, location="bottom", shrink=0.9, pad=0.02)
        if bar.long_axis.get_scale() == "log":
            plain_log(bar.long_axis)
        ax.set_title(words, fontsize="medium")
        _draw_edges(ax, dataset, void)
        if outline is not None:
            ax.contour(x, y, dataset["outline"], levels=[0.5], colors="black", linewidths=0.7)
    draw_heights(axes[0], x, y, surface)
    years = dataset["year"].to_numpy()
    share = f"{int(void.sum())} of {void.size} cells filled (red edges)"
    figure.suptitle(f"{title + ', ' if title else ''}{years[0]}-{years[-1]}: {share}", fontsize="medium")
    return figure


def _north_up(dataset: xr.Dataset, **maps: ArrayLike | None) -> xr.Dataset:
    missing = [name for name in ("z", "z_std", "imputed", "dh_trend") if name not in dataset]
    if missing:
        raise ValueError(f"the dataset has no {', '.join(missing)}; it holds {', '.join(map(str, dataset.data_vars))}")
    expected = dataset["dh_trend"].shape
    for name, values in maps.items():
        if values is None:
            continue
        if np.shape(values) != expected:
            raise ValueError(f"{name} has the shape {np.shape(values)}; expected {expected}, the cells of the dataset")
        dataset = dataset.assign({name: (dataset["dh_trend"].dims, np.asarray(values, float))})
    return dataset.sortby("y", ascending=False).sortby("x")


def _edges_of(dataset: xr.Dataset) -> tuple[float, float, float, float]:
    """Return the left, right, bottom and top edges of all cells, km."""
    x, y = kilometres(dataset)
    wide, tall = x[1] - x[0], y[0] - y[1]
    return x[0] - wide / 2, x[-1] + wide / 2, y[-1] - tall / 2, y[0] + tall / 2


def _image(ax: Axes, dataset: xr.Dataset, values: ArrayLike, **style: Any) -> ColorizingArtist:
    return ax.imshow(values, extent=_edges_of(dataset), interpolation="nearest", **style)


def _relief(ax: Axes, dataset: xr.Dataset, surface: NDArray[np.float64]) -> ColorizingArtist:
    """Draw elevation in colours below a hillshade, on which filled cells that do not fit stand out."""
    image = _image(ax, dataset, surface, cmap="cividis")
    draw_ground(ax, *kilometres(dataset), surface, over=True)
    return image


def _draw_std(ax: Axes, dataset: xr.Dataset) -> ColorizingArtist:
    from matplotlib.colors import LogNorm

    values = dataset["z_std"].median("year").to_numpy()
    low, high = np.quantile(values, (0.01, 0.99))
    image = _image(ax, dataset, values, cmap="magma_r", norm=LogNorm(max(low, 0.1), max(high, 2.0 * low, 1.0)))
    mark_beyond(image, values)
    return image


def _two_signs(ax: Axes, dataset: xr.Dataset, values: NDArray[np.float64]) -> ColorizingArtist:
    """Draw colours centred on zero whose limit is the 98 % quantile of the absolute values."""
    limit = float(np.quantile(np.abs(values), 0.98)) or 1.0
    image = _image(ax, dataset, values, cmap="RdBu", vmin=-limit, vmax=limit)
    mark_beyond(image, values)
    return image


def _draw_edges(ax: Axes, dataset: xr.Dataset, mask: NDArray[np.bool_]) -> None:
    """Draw the exact edges of the cells of a mask; a contour line would cut their corners."""
    from matplotlib.collections import LineCollection

    left, right, bottom, top = _edges_of(dataset)
    rows, columns = mask.shape
    x, y = np.linspace(left, right, columns + 1), np.linspace(top, bottom, rows + 1)
    padded = np.pad(mask, 1)
    i, j = np.nonzero(np.diff(padded, axis=0)[:, 1:-1])
    across = np.stack([np.stack([x[j], y[i]], -1), np.stack([x[j + 1], y[i]], -1)], 1)
    i, j = np.nonzero(np.diff(padded, axis=1)[1:-1])
    down = np.stack([np.stack([x[j], y[i]], -1), np.stack([x[j], y[i + 1]], -1)], 1)
    ax.add_collection(LineCollection([*across, *down], colors=COLOURS[0], linewidths=0.9), autolim=False)
