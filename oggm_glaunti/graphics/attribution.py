"""Figure of an attribution: contributions to a year's balance by month, by height and on the map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oggm_glaunti.graphics.glacier import plot_balance_map
from oggm_glaunti.graphics.style import COLOURS, new_figure, series_style

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oggm_glaunti.coupling.ground.features import Features

GROUP_LABELS = {"temp": "temperature", "prcp": "precipitation"}
GROUP_LABELS |= {"snow": "snow on the first day", "corrections": "corrections"}
GROUP_COLOURS = dict(zip(GROUP_LABELS, COLOURS, strict=False))
ELEVATION_BAND = 100.0  # m
MONTHS = " JFMAMJJASOND"
SHADES_OF_ONE_SIGN = 8
WORD = 1.5  # months, room for a word below a bar


def plot_attribution(made: xr.Dataset, features: Features | None = None) -> Figure:
    """Draw what made a year different: by month, by elevation band, and on the map.

    Parameters
    ----------
    made : xarray.Dataset
        Result of :func:`oggm_glaunti.analysis.attribution.tasks.attribute_year`
    features : Features, optional
        Cells of the glacier, for the map; by default no map is drawn

    Returns
    -------
    matplotlib Figure
        Left: contributions of each month's weather to the glacier-wide balance, followed by those of the snow on the
        first day (and of the corrections, if they differ), above the anomalies of the weather; middle: contributions
        by elevation band, with the area in grey; right: sum of all contributions on the cells
    """
    columns = 2 if features is None else 3
    figure = new_figure((9.5 if features is None else 13.5, 5.2))
    grid = figure.add_gridspec(2, columns, width_ratios=(1.5, 1.0, 1.15)[:columns], height_ratios=(2.2, 1.0))
    axes = [figure.add_subplot(place) for place in (grid[0, 0], grid[1, 0], *(grid[:, k] for k in range(1, columns)))]
    _plot_months(axes[0], made)
    _plot_anomalies(axes[1], made)
    _plot_heights(axes[2], made)
    if features is not None:
        total = sum(made[f"{name}_map"].to_numpy() for name in GROUP_LABELS)
        _plot_map(axes[3], np.asarray(total), features)
        axes[3].set_title("on the map", fontsize="medium")
    who, (first, last) = made.attrs["name"] or made.attrs["rgi_id"], made.attrs["reference"]
    than = f"the mean of {first}-{last}" if made.attrs["baseline"] == "years" else f"the mean weather of {first}-{last}"
    text = (
        f"{who}, {made.attrs['year_type']} year {made.attrs['year']}: {float(made.balance):+.2f} m w.e., "
        f"{float(made.difference):+.2f} against {than} ({float(made.reference_balance):+.2f})"
    )
    figure.suptitle(text.replace(" -", " −").replace("(-", "(−").replace(f"{first}-", f"{first}\N{EN DASH}"))
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=5, loc="outside lower center")
    return figure


def _plot_map(ax: Axes, total: np.ndarray, features: Features) -> None:
    """Draw all contributions: in red and blue if there are both signs, else in shades that span the values alone."""
    from matplotlib.colors import BoundaryNorm
    from matplotlib.ticker import MaxNLocator

    image = plot_balance_map(total, features, ax)
    low, high = float(np.nanmin(total)), float(np.nanmax(total))
    if low * high > 0.0:
        # The colours of balances, centred on zero, would give such a map one or two of their shades.
        levels = MaxNLocator(SHADES_OF_ONE_SIGN, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        image.set(cmap="Reds_r" if low < 0.0 else "Blues", norm=BoundaryNorm(levels, 256))
    ax.figure.colorbar(image, ax=ax, label="all contributions (m w.e.)", shrink=0.85)


def _plot_months(ax: Axes, made: xr.Dataset) -> None:
    names = [MONTHS[month] for month in made.month.to_numpy()]
    at = np.arange(len(names))
    values = {name: made[name].sum("height").to_numpy() for name in ("temp", "prcp")}
    # Bars on top of each other, gains up from zero and losses down.
    up, down = np.zeros((2, len(names)))
    for name, parts in values.items():
        base = np.where(parts > 0, up, down)
        ax.bar(at, parts, 0.75, base, color=GROUP_COLOURS[name], label=GROUP_LABELS[name])
        up, down = up + np.maximum(parts, 0.0), down + np.minimum(parts, 0.0)
    label = "temperature and precipitation"
    ax.plot(at, sum(values.values()), linestyle="none", marker="D", markersize=4, color="black", label=label)
    others = _without_month(made)
    places = [*at, *(at.size + WORD * np.arange(len(others)))]
    for name, place in zip(others, places[at.size :], strict=True):
        ax.bar(place, float(made[name].sum()), 0.75, color=GROUP_COLOURS[name], label=GROUP_LABELS[name])
        names.append({"snow": "snow", "corrections": "corr."}[name])
    ax.margins(y=0.08)
    ax.axvline(at.size - 0.5, color="0.8", linewidth=0.8)
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.set_xticks(places, names, fontsize="small")
    ax.set(ylabel="contribution (m w.e.)", xlim=(-0.6, places[-1] + 0.9))
    ax.set_title("by month", fontsize="medium")


def _without_month(made: xr.Dataset) -> list[str]:
    """Return the groups that belong to no month; corrections only if the model's differ between the years."""
    return ["snow", *(["corrections"] if np.any(made["corrections"].to_numpy()) else [])]


def _plot_anomalies(ax: Axes, made: xr.Dataset) -> None:
    at = np.arange(made.sizes["month"])
    ax.bar(at - 0.2, made["temp_anomaly"], width=0.38, color=GROUP_COLOURS["temp"])
    ax.axhline(0.0, color="0.4", linewidth=0.8)
    ax.set_ylabel("temperature\nanomaly (K)", color=GROUP_COLOURS["temp"])
    other = ax.twinx()
    other.bar(at + 0.2, 1000.0 * made["prcp_anomaly"], width=0.38, color=GROUP_COLOURS["prcp"])
    other.set_ylabel("precipitation\nanomaly (mm)", color=GROUP_COLOURS["prcp"])
    for axis, name in ((ax, "temp_anomaly"), (other, "prcp_anomaly")):
        # Both zeros at the same height.
        largest = float(np.abs(made[name]).max()) * (1.0 if axis is ax else 1000.0) or 1.0
        axis.set_ylim(-1.1 * largest, 1.1 * largest)
    ax.set_xticks(at, [MONTHS[month] for month in made.month.to_numpy()], fontsize="small")
    ax.set_xlim(-0.6, at.size + WORD * (len(_without_month(made)) - 1) + 0.9)


def _plot_heights(ax: Axes, made: xr.Dataset) -> None:
    """Draw area-weighted mean contributions in elevation bands of 100 m, and the area itself in grey."""
    from matplotlib.ticker import MaxNLocator

    heights, area = made["height"].to_numpy(), made["area"].to_numpy()
    band = np.floor(heights / ELEVATION_BAND).astype(int)
    of_band = np.bincount(band - band.min(), area)
    middle = ELEVATION_BAND * (np.arange(of_band.size) + band.min() + 0.5)
    shown = of_band > 0
    for k, name in enumerate(("temp", "prcp", *_without_month(made))):
        values = made[f"{name}_at_height"].to_numpy() * area
        mean = np.bincount(band - band.min(), values)[shown] / of_band[shown]
        style = {"color": GROUP_COLOURS[name], "markersize": 3.5, **series_style(k, "linestyle", "marker")}
        ax.plot(mean, middle[shown], label=GROUP_LABELS[name], **style)
    ax.axvline(0.0, color="0.4", linewidth=0.8)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.set(xlabel="contribution at the height (m w.e.)", ylabel="height (m)")
    share = ax.twiny()
    share.barh(middle[shown], 100.0 * of_band[shown], height=0.9 * ELEVATION_BAND, color="0.85", zorder=0)
    share.set_xlabel("share of the area (% per 100 m)", color="0.5", fontsize="small")
    share.set_xlim(0.0, 300.0 * of_band.max())
    share.tick_params(colors="0.5", labelsize="small")
    ax.set_zorder(share.get_zorder() + 1)
    ax.patch.set_visible(False)
