"""Figures of filled voids: where and how sure, how good on hidden pixels, and what a surface that moves changes.

Every function returns a matplotlib Figure; :func:`oggm_glaunti.graphics.save_png` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.companions.dem.coregister import moved
from oggm_glaunti.companions.dem.scores import HeldOut, Scores, score
from oggm_glaunti.graphics import COLOURS, LINES, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
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
        the reference on the same cells, m, which is moved as the attributes of `dataset` say that it was; adds a map of
        the difference to it, less its median
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
    dataset = _north_up(dataset, dem_ref=_moved_like(dataset, dem_ref), outline=outline)
    surface, void = dataset["z"].median("year").to_numpy(), dataset["imputed"].any("year").to_numpy()
    panels: list[tuple[str, str, Callable[[Axes], ScalarMappable]]] = [
        ("surface", "elevation (m)", lambda ax: _relief(ax, dataset, surface)),
        ("standard deviation", "of the surface (m)", lambda ax: _spread(ax, dataset)),
        ("trend", "m yr$^{-1}$", lambda ax: _two_signs(ax, dataset, dataset["dh_trend"].to_numpy())),
    ]
    if dem_ref is not None:
        difference = surface - dataset["dem_ref"].to_numpy()
        median = float(np.median(difference))
        words = f"above the reference,\nless the median of {median:+.1f} m".replace("-", "\N{MINUS SIGN}")
        panels.insert(1, (words, "m", lambda ax: _two_signs(ax, dataset, difference - median)))
    figure, axes = _map_figure(dataset, len(panels))
    for ax, (words, units, draw) in zip(axes, panels, strict=True):
        bar = figure.colorbar(draw(ax), ax=ax, label=units, location="bottom", shrink=0.9, pad=0.02)
        if bar.long_axis.get_scale() == "log":
            _plain_log(bar.long_axis)
        ax.set_title(words, fontsize="medium")
        _draw_edges(ax, dataset, void, VOID)
        if outline is not None:
            ax.contour(*_kilometres(dataset), dataset["outline"], levels=[0.5], colors="black", linewidths=0.7)
    years = dataset["year"].to_numpy()
    share = f"{int(void.sum())} of {void.size} cells filled (outlined)"
    figure.suptitle(f"{title + ', ' if title else ''}{years[0]}-{years[-1]}: {share}", fontsize="medium")
    return figure


def _moved_like(dataset: xr.Dataset, dem_ref: ArrayLike | None) -> NDArray[np.float64] | None:
    if dem_ref is None:
        return None
    shift = (dataset.attrs.get(name, 0.0) for name in ("shift_rows", "shift_cols"))
    return moved(np.asarray(dem_ref, np.float64), *shift)


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
    dark, bright = np.quantile(shade, (0.01, 0.99))
    _image(ax, dataset, shade, cmap="gray", vmin=dark, vmax=bright)
    return _image(ax, dataset, surface, cmap="cividis", alpha=0.5)


def _spread(ax: Axes, dataset: xr.Dataset) -> ColorizingArtist:
    from matplotlib.colors import LogNorm

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


def _plain_log(axis: Axis) -> None:
    """Numbers as they are written, at 1, 2 and 5 of every decade."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


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
    reference : array (H, W), or a list with one for each of `held_out`
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
    parts = [held_out] if isinstance(held_out, HeldOut) else held_out
    references = reference if isinstance(reference, list | tuple) else [reference] * len(parts)
    flat = _flat(parts, [_of_pixels(*pair) for pair in zip(parts, references, strict=True)])
    figure, axes = _figure((12.0, 4.6), (1.5, 1.0, 1.0), title)
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
        _plain_log(figure.colorbar(image, ax=ax, label="heights in a hexagon", shrink=0.8).long_axis)
    else:
        ax.scatter(true[inside], predicted[inside], s=8, alpha=0.5, linewidths=0, color=COLOURS[1])
    said = f"{true.size} heights" + (f", {(~inside).sum()} of them beyond the axes" if not inside.all() else "")
    ax.plot((low, high), (low, high), color="black", linewidth=0.8, label=f"1:1 ({said})\n{_in_words(score(flat))}")
    ax.set(xlim=(low, high), ylim=(low, high), aspect="equal", xlabel="true height above the reference (m)")
    ax.set_ylabel("predicted height above the reference (m)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, fontsize="small", handlelength=1.0)


def _in_words(found: Scores) -> str:
    return (
        f"RMSE {found.rmse:.1f} m, median |error| {found.median_error:.1f} m,\n"
        f"NMAD {found.nmad:.1f} m, {100 * found.coverage_90:.0f} % within 90 % intervals"
    )


def _errors_by_distance_and_slope(figure: Figure, axes: Sequence[Axes], flat: Mapping[str, HeldOut]) -> None:
    """Median of the absolute errors (full) and 90th percentile (dashed) in bins."""
    panels = (
        (DISTANCES, lambda of: of.distance, "cells to the nearest known one"),
        (SLOPES, lambda of: of.slope, "slope of the reference (degrees)"),
    )
    axes[1].sharey(axes[0])
    for ax, (lower_ends, place_of, words) in zip(axes, panels, strict=True):
        for k, (name, of) in enumerate(flat.items()):
            _quantiles(ax, np.digitize(place_of(of), lower_ends) - 1, np.abs(of.error[0]), name, k)
        _name_bins(ax, np.concatenate([place_of(of) for of in flat.values()]), lower_ends)
        ax.set(xlabel=f"{words}\n(and share of the heights)", ylabel="absolute error (m)", yscale="log")
        _plain_log(ax.yaxis)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=max(2, len(flat)), frameon=False, fontsize="small")


def _quantiles(ax: Axes, which: NDArray[np.intp], error: NDArray[np.float64], name: str, k: int) -> None:
    used = np.unique(which)
    style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "markersize": 4}
    for share, words, line in ((0.5, "median", LINES[0]), (0.9, "90th percentile", LINES[1])):
        values = [np.quantile(error[which == b], share) for b in used]
        ax.plot(used, values, linestyle=line, label=f"{name}: {words}" if name else words, **style)


def _name_bins(ax: Axes, places: NDArray[np.float64], lower_ends: Sequence[int]) -> None:
    which = np.digitize(places, lower_ends) - 1
    used = np.unique(which)
    upper_ends = [*(f"-{end}" for end in lower_ends[1:]), "+"]
    labels = [f"{lower_ends[b]}{upper_ends[b]}\n{100 * (which == b).mean():.2g} %" for b in used]
    ax.set_xticks(used, [label.replace("-", "\N{EN DASH}") for label in labels], fontsize="small")


# --- what a moving surface does ---


def plot_surface_change(
    fixed: Mapping[str, ArrayLike],
    yearly: Mapping[str, ArrayLike],
    title: str = "",
    *,
    height_change: ArrayLike | None = None,
) -> Figure:
    """Glacier-wide balance of each year on a fixed and on the yearly surface, and their difference.

    Parameters
    ----------
    fixed, yearly : mappings
        ``time`` (K,), the last day of each period, and ``smb`` (K,), m w.e., as
        :func:`~oggm_glaunti.coupling.smb.glaunti_smb` returns them with ``surface='fixed'`` and ``surface='yearly'``
    title : str
    height_change : array (K,), optional
        mean height of the yearly less that of the fixed surface over the glacier, m: adds a panel

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        where the periods are not the same
    """
    years, others = (np.asarray(of["time"], "datetime64[Y]").astype(np.int64) + 1970 for of in (fixed, yearly))
    if not np.array_equal(np.asarray(fixed["time"]), np.asarray(yearly["time"])):
        raise ValueError(
            f"fixed has {years.size} periods to {years.max()}, yearly {others.size} to {others.max()}, and they do not "
            "end on the same days; expected the same"
        )
    balances = {"fixed surface": np.asarray(fixed["smb"]), "surface of the year": np.asarray(yearly["smb"])}
    return _change_figure(years, balances, height_change, title)


def _change_figure(
    years: NDArray[np.int64], balances: Mapping[str, NDArray], height_change: ArrayLike | None, title: str
) -> Figure:
    from matplotlib.ticker import MaxNLocator

    panels = 2 if height_change is None else 3
    figure = new_figure((8.0, 1.1 + 1.6 * panels + 0.6))
    axes = figure.subplots(panels, 1, sharex=True, height_ratios=(1.5, 1.0, 1.0)[:panels])
    for k, (name, values) in enumerate(balances.items()):
        style = {"color": COLOURS[k], "marker": MARKERS[k], "markersize": 4, "linestyle": LINES[k]}
        axes[0].plot(years, values, label=f"{name}, mean {values.mean():+.3f}".replace("-", "\N{MINUS SIGN}"), **style)
    axes[0].legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, fontsize="small")
    axes[0].set_ylabel("balance\n(m w.e.)")
    on_fixed, on_yearly = balances.values()
    _bars(axes[1], years, on_yearly - on_fixed, "balance: yearly\nminus fixed (m w.e.)")
    if height_change is not None:
        _bars(axes[2], years, np.asarray(height_change), "height: yearly\nminus fixed (m)")
    for ax in axes:
        ax.axhline(0.0, color=GREY, linewidth=0.8)
        ax.grid(color="0.92", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[-1].set_xlabel("year")
    figure.align_ylabels(axes)
    figure.suptitle(title, fontsize="medium")
    return figure


def _bars(ax: Axes, years: NDArray[np.int64], values: NDArray[np.float64], label: str) -> None:
    """Losses in the colour of losses on maps, gains in that of gains; the mean is dashed."""
    ax.bar(years, values, width=0.7, color=np.where(values < 0, "#B2182B", "#2166AC").tolist())
    ax.axhline(values.mean(), color="black", linewidth=1.0, linestyle="--")
    mean = f"mean {values.mean():+.3g}".replace("-", "\N{MINUS SIGN}")
    ax.text(1.01, values.mean(), mean, transform=ax.get_yaxis_transform(), va="center", fontsize="small")
    ax.set_ylabel(label)
