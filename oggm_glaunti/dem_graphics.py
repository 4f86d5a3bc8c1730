"""Figures of surfaces whose voids were filled: where and how sure, how good on hidden pixels, and what a moving one does.

Every function returns a matplotlib Figure; :func:`oggm_glaunti.graphics.save_png` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.companions.dem.scores import HeldOut, Scores, joined, score
from oggm_glaunti.graphics import COLOURS, LINES, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorizer import ColorizingArtist
    from matplotlib.figure import Figure

GREY = "0.6"
VOID = "#D55E00"
# Lower ends of the bins of distance (pixels) and slope (degrees); the last one is open.
DISTANCES, SLOPES = (1, 2, 3, 4, 6, 8, 12, 16, 24), (0, 10, 20, 30, 40, 50)
# Heights beyond this are drawn as density, and share of them that may lie outside the axes.
MANY, OUTSIDE = 2000, 0.005


# --- the map ---


def plot_voids(
    dataset: xr.Dataset, dem_ref: ArrayLike | None = None, title: str = "", *, outline: ArrayLike | None = None
) -> Figure:
    """Maps of a surface without voids, of its standard deviation and trend; what was filled is outlined.

    Parameters
    ----------
    dataset : Dataset
        of :func:`~oggm_glaunti.companions.dem.impute.impute_dem_stack`, or a file of ``oggm-glaunti impute-dem`` or of
        ``process_dem_stack``, opened with xarray: ``z``, ``z_std``, ``imputed`` (year, y, x) and ``dh_trend`` (y, x)
    dem_ref : DataArray or array (y, x), optional
        another surface on the same cells, m; adds a map of the difference to it, less its median
    title : str
        name of the glacier, for example
    outline : array (y, x), optional
        above 0.5 on the glacier, whose edge is drawn

    Returns
    -------
    matplotlib Figure
        surface and standard deviation are medians over the years

    Raises
    ------
    ValueError
        for a variable that is missing, or other cells than those of the dataset
    """
    dataset = _north_up(dataset, dem_ref=dem_ref, outline=outline)
    surface, void = dataset["z"].median("year").to_numpy(), dataset["imputed"].any("year").to_numpy()
    panels: list[tuple[str, str, Callable[[Axes], ScalarMappable]]] = [
        ("surface", "elevation (m)", lambda ax: _relief(ax, dataset, surface)),
        ("its standard deviation", "1 sigma (m)", lambda ax: _spread(ax, dataset)),
        ("trend", "m yr$^{-1}$", lambda ax: _two_signs(ax, dataset, dataset["dh_trend"].to_numpy())),
    ]
    if dem_ref is not None:
        difference = surface - dataset["dem_ref"].to_numpy()
        median = float(np.median(difference))
        words = f"above the reference,\nless the median of {median:+.1f} m".replace("-", "\N{MINUS SIGN}")
        panels.insert(1, (words, "m", lambda ax: _two_signs(ax, dataset, difference - median)))
    figure, axes = _map_figure(dataset, len(panels))
    for ax, (words, units, draw) in zip(axes, panels, strict=True):
        image = draw(ax)
        figure.colorbar(image, ax=ax, label=units, location="bottom", shrink=0.9, pad=0.02)
        ax.set_title(words, fontsize="medium")
        _draw_edges(ax, dataset, void, VOID)
        if outline is not None:
            ax.contour(*_kilometres(dataset), dataset["outline"], levels=[0.5], colors="black", linewidths=0.7)
    years = dataset["year"].to_numpy()
    share = f"{int(void.sum())} of {void.size} cells filled (outlined)"
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


def _map_figure(dataset: xr.Dataset, count: int) -> tuple[Figure, Sequence[Axes]]:
    """A row of maps of 3 inches or, of tall ones, 4.5 inches height at most."""
    rows, columns = dataset["dh_trend"].shape
    width = min(3.0, 4.5 * columns / rows)
    figure = new_figure((count * max(width, 2.0) + 0.8, width * rows / columns + 1.7))
    axes = figure.subplots(1, count, sharex=True, sharey=True)
    for ax in axes:
        _finish_map(ax, dataset)
    axes[0].set_ylabel("northing (km)")
    return figure, axes


def _finish_map(ax: Axes, dataset: xr.Dataset) -> None:
    from matplotlib.ticker import MaxNLocator

    left, right, bottom, top = _extent(dataset)
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xlabel="easting (km)")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    ax.ticklabel_format(useOffset=False, style="plain")
    ax.tick_params(labelsize="small")


def _kilometres(dataset: xr.Dataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return dataset["x"].to_numpy() / 1000.0, dataset["y"].to_numpy() / 1000.0


def _extent(dataset: xr.Dataset) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of all cells, km."""
    x, y = _kilometres(dataset)
    wide, tall = x[1] - x[0], y[0] - y[1]
    return x[0] - wide / 2, x[-1] + wide / 2, y[-1] - tall / 2, y[0] + tall / 2


def _image(ax: Axes, dataset: xr.Dataset, values: ArrayLike, **style: Any) -> ColorizingArtist:
    return ax.imshow(values, extent=_extent(dataset), interpolation="nearest", **style)


def _relief(ax: Axes, dataset: xr.Dataset, surface: NDArray[np.float64]) -> ColorizingArtist:
    """Elevation in colours over a hillshade, on which filled cells that do not fit are seen best."""
    from matplotlib.colors import LightSource

    x, y = (1000.0 * axis for axis in _kilometres(dataset))
    shade = LightSource(azdeg=315, altdeg=45).hillshade(surface, dx=x[1] - x[0], dy=y[0] - y[1])
    _image(ax, dataset, shade, cmap="gray", vmin=-0.2, vmax=1.0)
    return _image(ax, dataset, surface, cmap="cividis", alpha=0.55)


def _spread(ax: Axes, dataset: xr.Dataset) -> ColorizingArtist:
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import LogFormatter

    values = dataset["z_std"].median("year").to_numpy()
    low, high = np.quantile(values, (0.01, 0.99))
    image = _image(ax, dataset, values, cmap="magma_r", norm=LogNorm(max(low, 0.1), max(high, 2.0 * low, 1.0)))
    image.cmap.colorbar_extend = _beyond(values, *image.get_clim())
    return image


def _two_signs(ax: Axes, dataset: xr.Dataset, values: NDArray[np.float64]) -> ColorizingArtist:
    """Colours centred on zero that reach as far as 98 of 100 cells."""
    limit = float(np.quantile(np.abs(values), 0.98)) or 1.0
    image = _image(ax, dataset, values, cmap="RdBu", vmin=-limit, vmax=limit)
    image.cmap.colorbar_extend = _beyond(values, -limit, limit)
    return image


def _beyond(values: NDArray[np.float64], low: float, high: float) -> str:
    """The ends of a colour bar that values lie beyond."""
    ends = bool((values < low).any()), bool((values > high).any())
    return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(ends, "both")


def _draw_edges(ax: Axes, dataset: xr.Dataset, mask: NDArray[np.bool_], colour: str) -> None:
    """Edges of the cells of a mask, exactly; a contour line would cut their corners."""
    from matplotlib.collections import LineCollection

    left, right, bottom, top = _extent(dataset)
    rows, columns = mask.shape
    x, y = np.linspace(left, right, columns + 1), np.linspace(top, bottom, rows + 1)
    padded = np.pad(mask, 1)
    i, j = np.nonzero(np.diff(padded, axis=0)[:, 1:-1])
    across = np.stack([np.stack([x[j], y[i]], -1), np.stack([x[j + 1], y[i]], -1)], 1)
    i, j = np.nonzero(np.diff(padded, axis=1)[1:-1])
    down = np.stack([np.stack([x[j], y[i]], -1), np.stack([x[j], y[i + 1]], -1)], 1)
    ax.add_collection(LineCollection(np.concatenate([across, down]), colors=colour, linewidths=0.9), autolim=False)


# --- hidden pixels ---


def plot_held_out(
    held_out: HeldOut | Sequence[HeldOut], reference: ArrayLike | Sequence[ArrayLike], title: str = ""
) -> Figure:
    """Predicted against true heights of hidden pixels, and their errors by distance and slope.

    Heights themselves always look perfect beside each other, so their differences to the reference are drawn.

    Parameters
    ----------
    held_out : HeldOut or sequence of HeldOut
        of :func:`~oggm_glaunti.companions.dem.scores.hold_out`; drawn together
    reference : array (H, W), or a sequence with one for each of `held_out`
        reference heights, m: best as they were moved under the surface, ``what_is_known(stack).ground.elevation``
    title : str

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        where references and hold-outs do not belong to each other
    """
    parts, references = ([held_out], [reference]) if isinstance(held_out, HeldOut) else (held_out, reference)
    flat = _flat(parts, [_of_pixels(*pair) for pair in zip(parts, references, strict=True)])
    figure, axes = _figure((11.0, 3.9), (1.25, 1.0, 1.0), title)
    _true_and_predicted(figure, axes[0], flat)
    _errors_by_distance_and_slope(figure, axes[1:], {"": flat})
    return figure


def plot_errors(held_out: Mapping[str, HeldOut | Sequence[HeldOut]], title: str = "") -> Figure:
    """Errors of several methods on hidden pixels, by distance to the void's edge and by slope.

    Parameters
    ----------
    held_out : mapping of str to HeldOut or sequence of HeldOut
        by the name of the method
    title : str

    Returns
    -------
    matplotlib Figure
    """
    flat = {name: _flat([of] if isinstance(of, HeldOut) else of) for name, of in held_out.items()}
    figure, axes = _figure((9.0, 4.2), (1.0, 1.0), title)
    _errors_by_distance_and_slope(figure, axes, flat)
    return figure


def _figure(size: tuple[float, float], widths: tuple[float, ...], title: str) -> tuple[Figure, Sequence[Axes]]:
    figure = new_figure(size)
    figure.suptitle(title, fontsize="medium")
    axes = figure.subplots(1, len(widths), width_ratios=widths)
    for ax in axes:
        ax.grid(color="0.92", linewidth=0.6)
        ax.set_axisbelow(True)
    return figure, axes


def _of_pixels(part: HeldOut, reference: ArrayLike) -> NDArray[np.float64]:
    """The reference (M,) of hidden pixels."""
    surface, count = np.asarray(reference, np.float64), part.true.shape[-1]
    if surface.shape != part.pixels.shape or count != part.pixels.sum():
        raise ValueError(
            f"a hold-out of {count} pixels, {part.pixels.sum()} of a raster of {part.pixels.shape}, is given a "
            f"reference of {surface.shape}; expected the same raster, and a hold-out that was not joined"
        )
    return surface[part.pixels]


def _flat(parts: Sequence[HeldOut], grounds: Sequence[NDArray[np.float64]] | None = None) -> HeldOut:
    """All heights that are known, pixels and years of all parts, in one row; less the reference where that is given."""
    rows = []
    for k, part in enumerate(parts):
        ground = 0.0 if grounds is None else grounds[k]
        fields = part.true - ground, part.predicted - ground, part.std, part.slope, part.distance
        seen = np.isfinite(part.true)
        rows.append([np.broadcast_to(field, seen.shape)[seen] for field in fields])
    true, predicted, std, slope, distance = (np.concatenate(field) for field in zip(*rows, strict=True))
    return HeldOut(true[None], predicted[None], std[None], slope, distance, np.zeros((0, 0), bool))


def _true_and_predicted(figure: Figure, ax: Axes, flat: HeldOut) -> None:
    true, predicted = flat.true[0], flat.predicted[0]
    low, high = np.quantile(np.concatenate([true, predicted]), (OUTSIDE / 2, 1 - OUTSIDE / 2))
    margin = 0.05 * (high - low) or 1.0
    low, high = float(low - margin), float(high + margin)
    inside = (np.minimum(true, predicted) >= low) & (np.maximum(true, predicted) <= high)
    if true.size > MANY:
        style = {"gridsize": 45, "extent": (low, high, low, high), "mincnt": 1, "bins": "log", "linewidths": 0.1}
        image = ax.hexbin(true[inside], predicted[inside], cmap="viridis_r", **style)
        figure.colorbar(image, ax=ax, label="heights", shrink=0.8)
    else:
        ax.scatter(true[inside], predicted[inside], s=8, alpha=0.5, linewidths=0, color=COLOURS[1])
    ax.plot((low, high), (low, high), color="black", linewidth=0.8, label=_in_words(score(flat)))
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="true height above the reference (m)")
    ax.set_ylabel("predicted height above the reference (m)")
    said = f"{true.size} heights" + (f", {(~inside).sum()} beyond the axes" if not inside.all() else "")
    ax.set_title(said, fontsize="medium")
    ax.legend(loc="upper left", frameon=False, fontsize="small", handlelength=1.0)


def _in_words(found: Scores) -> str:
    return (
        f"1:1\nRMSE {found.rmse:.1f} m\nmedian |error| {found.median_error:.1f} m\nNMAD {found.nmad:.1f} m\n"
        f"in 90 % intervals: {100 * found.coverage_90:.0f} %"
    )


def _errors_by_distance_and_slope(figure: Figure, axes: Sequence[Axes], flat: Mapping[str, HeldOut]) -> None:
    """Median of the absolute errors (full) and 90th percentile (dashed) in bins, with the share of heights below."""
    by_distance = [(of.distance, np.abs(of.error[0])) for of in flat.values()]
    by_slope = [(of.slope, np.abs(of.error[0])) for of in flat.values()]
    _bins(axes[0], by_distance, DISTANCES, list(flat))
    _bins(axes[1], by_slope, SLOPES, list(flat))
    axes[0].set(xlabel="distance to the nearest known cell (cells)", ylabel="absolute error (m)")
    axes[1].set(xlabel="slope of the reference (°)")
    axes[1].sharey(axes[0])
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize="small")


def _bins(
    ax: Axes,
    series: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    lower_ends: Sequence[int],
    names: Sequence[str],
) -> None:
    """Quantiles of errors in bins of something else, each bin as wide as the next; series of pairs (place, error)."""
    first = np.digitize(series[0][0], lower_ends) - 1
    used = np.unique(first)
    for k, ((place, error), name) in enumerate(zip(series, names, strict=True)):
        which, style = np.digitize(place, lower_ends) - 1, {"color": COLOURS[k % len(COLOURS)]}
        for share, words, line in ((0.5, "median", LINES[0]), (0.9, "90th percentile", LINES[1])):
            values = [np.quantile(error[which == b], share) for b in used]
            label = f"{name}, {words}" if name else words
            ax.plot(used, values, linestyle=line, marker=MARKERS[k % len(MARKERS)], markersize=4, label=label, **style)
    shares = [100 * (first == b).mean() for b in used]
    ends = [f"{lower_ends[b]}" if _alone(lower_ends, b) else _range(lower_ends, b) for b in used]
    ax.set_xticks(used, [f"{end}\n{share:.2g} %" for end, share in zip(ends, shares, strict=True)], fontsize="small")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
