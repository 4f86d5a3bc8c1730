"""Figures of a region, from the dataset of ``compile_glaunti_output``: a map of its glaciers, and its years."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from oggm_glaunti.graphics.map_frame import KM_PER_DEGREE, draw_scale, emptiest_corner, scale_length
from oggm_glaunti.graphics.style import COLOURS, GREY, SHADES, axes_or_current, mark_beyond, round_limit

if TYPE_CHECKING:
    import xarray as xr
    from geopandas import GeoDataFrame
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

SIGNED = ("specific_mb", "winter_mb", "summer_mb", "mb_total")
SEASONAL = ("winter_mb", "summer_mb")  # of one sign nearly always: then in shades of one colour
VARIABLE_LABELS = {
    "specific_mb": "mass balance (m w.e. a$^{-1}$)",
    "winter_mb": "winter balance (m w.e.)",
    "summer_mb": "summer balance (m w.e.)",
    "accumulation": "accumulation (m w.e. a$^{-1}$)",
    "melt": "melt (m w.e. a$^{-1}$)",
    "mb_total": "mass balance (Gt a$^{-1}$)",
    "accumulation_total": "accumulation (Gt a$^{-1}$)",
    "melt_total": "melt (Gt a$^{-1}$)",
    "area": "area (km$^2$)",
    "volume": "volume (km$^3$)",
    "ela": "equilibrium line altitude (m)",
    "aar": "accumulation area ratio",
}
LARGEST_DISC = 900.0  # points2, of the largest glacier
SMALLEST_DISC = 6.0  # points2: a glacier smaller than its disc is still seen
ONE_SCALE = 5.0  # degrees of latitude up to which one scale bar holds for a map
SHADED = (0.1, 0.9)  # quantiles of the glaciers


def plot_region_map(
    ds: xr.Dataset,
    variable: str = "specific_mb",
    ax: Axes | None = None,
    *,
    time: Any = None,
    outlines: GeoDataFrame | None = None,
    limit: float | None = None,
    cmap: str | None = None,
) -> Axes:
    """Draw a map of one variable: glaciers as discs with areas proportional to theirs, or as outlines.

    Only glaciers with values at all selected times are coloured.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of ``compile_glaunti_output``
    variable : str
        Name of a variable with dimensions (rgi_id, time)
    ax : matplotlib Axes, optional
        Axes to draw on; the current ones by default
    time : optional
        Year, or anything else that ``ds.sel(time=...)`` takes; the mean over all selected times is drawn. By default
        all years
    outlines : GeoDataFrame, optional
        Outlines of the inventory, with a column RGIId or rgi_id, which are coloured instead of discs. For whole
        regions, in which glaciers are small on the page, discs are easier to read
    limit : float, optional
        Limit of the colours of a balance, which range from ``-limit`` to ``+limit``
    cmap : str, optional
        Name of a matplotlib colour map; by default red-blue for balances, blues or reds for a winter or summer balance
        of one sign, and viridis for everything else

    Returns
    -------
    matplotlib Axes
        Axes with a colour bar next to them; glaciers without values are grey rings, or hatched outlines

    Raises
    ------
    ValueError
        If the dataset lacks the variable or has no value at the requested time, or outlines are missing

    Examples
    --------
    >>> plot_region_map(ds, "winter_mb", time="2003")  # doctest: +SKIP
    """
    import matplotlib as mpl

    values, when = _mean_over_time(ds, variable, time)
    ax = axes_or_current(ax)
    known_values = values[np.isfinite(values)]
    one_sign = variable in SEASONAL and limit is None and float(known_values.min() * known_values.max()) > 0.0
    if variable in SIGNED and not one_sign:
        limit = round_limit(float(np.abs(known_values).max())) if limit is None else limit
        colours = {"cmap": mpl.colormaps[cmap or "RdBu"].resampled(SHADES), "clim": (-limit, limit)}
    else:
        ends = float(known_values.min()), float(known_values.max())
        of_sign = {"winter_mb": "Blues", "summer_mb": "Reds_r"}.get(variable, "viridis")
        colours = {"cmap": mpl.colormaps[cmap or of_sign], "clim": ends}
    drawn = _discs(ds, values, ax, colours) if outlines is None else _polygons(ds, values, outlines, ax, colours)
    label = VARIABLE_LABELS.get(variable, f"{variable} ({ds[variable].attrs.get('units', '?')})")
    mark_beyond(drawn, values)
    ax.figure.colorbar(drawn, ax=ax, label=label)
    known, mark = int(np.isfinite(values).sum()), "rings" if outlines is None else "hatched"
    missing = f", {values.size - known} without values ({mark})" if known < values.size else ""
    ax.set_title(f"{known} glaciers, {when}{missing}", fontsize="medium")
    _frame(ax, ds)
    return ax


def _frame(ax: Axes, ds: xr.Dataset) -> None:
    """Show degrees, with the aspect that distances have at the mean latitude, for which the scale bar is right."""
    latitude = float(ds["cenlat"].mean())
    narrowing = float(np.cos(np.deg2rad(latitude)))
    ax.margins(0.12)
    ax.set_aspect(1.0 / narrowing, adjustable="datalim")
    ax.xaxis.set_major_formatter(lambda lon, _: f"{abs((lon + 180) % 360 - 180):g}°{'E' if lon % 360 <= 180 else 'W'}")
    ax.yaxis.set_major_formatter(lambda lat, _: f"{abs(lat):g}°{'N' if lat >= 0 else 'S'}")
    ax.locator_params(nbins=5)
    ax.set_xlabel("longitude", fontsize="medium")  # geopandas made it small
    ax.set_ylabel("latitude", fontsize="medium")
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    length = scale_length((east - west) * KM_PER_DEGREE * narrowing)
    words = f"{length:g} km"
    if north - south > ONE_SCALE:
        words += f" at {abs(latitude):.0f}°{'N' if latitude >= 0 else 'S'}"
    bins = (np.linspace(south, north, 9), np.linspace(west, east, 9))
    glaciers = np.histogram2d(ds["cenlat"].to_numpy(), _longitudes(ds), bins)[0][::-1] > 0.0
    kilometre = 1.0 / (KM_PER_DEGREE * narrowing)
    draw_scale(ax, length, kilometre=kilometre, words=words, north=(0.0, 1.0), loc=emptiest_corner(glaciers))


def _longitudes(ds: xr.Dataset) -> np.ndarray:
    """Return the longitudes of the glaciers' centres; a region across the date line is moved to one side of it."""
    lon = ds["cenlon"].to_numpy()
    return np.where(lon < 0, lon + 360.0, lon) if np.ptp(lon) > 180.0 else lon


def _discs(ds: xr.Dataset, values: np.ndarray, ax: Axes, colours: dict[str, Any]) -> ScalarMappable:
    areas = ds["rgi_area"].to_numpy()
    order = np.argsort(-areas)  # large ones first, so that none is hidden
    lon, lat = _longitudes(ds)[order], ds["cenlat"].to_numpy()[order]
    values, crowd = values[order], min(1.0, 40.0 / np.sqrt(areas.size) / 4.0)  # smaller discs for more than a hundred

    def size(area: ArrayLike) -> np.ndarray:
        return np.maximum(LARGEST_DISC * crowd * np.asarray(area) / float(areas.max()), SMALLEST_DISC)

    sizes, known = size(areas[order]), np.isfinite(values)
    ax.scatter(lon[~known], lat[~known], s=sizes[~known], facecolors="none", edgecolors="0.5", linewidths=0.8)
    discs = ax.scatter(lon[known], lat[known], c=values[known], s=sizes[known], edgecolors="0.25", linewidths=0.5)
    discs.set(**colours)
    # A legend of three round areas and their discs.
    power = 10.0 ** np.floor(np.log10(areas.max()))
    largest = max(step * power for step in (1, 2, 5) if step * power <= areas.max())
    for area in (largest, largest / 2, largest / 10):
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": "0.25", "linewidths": 0.5}
        ax.scatter([], [], s=size(area), label=f"{area:g} km$^2$", **ring)
    legend = ax.legend(frameon=False, fontsize="small", loc="best", labelspacing=2.2, handletextpad=1.4, borderpad=1.6)
    legend.set_zorder(5)
    return discs


def _polygons(
    ds: xr.Dataset, values: np.ndarray, outlines: GeoDataFrame, ax: Axes, colours: dict[str, Any]
) -> ScalarMappable:
    name = next((name for name in ("RGIId", "rgi_id") if name in outlines), None)
    ids = [str(rgi_id) for rgi_id in ds["rgi_id"].to_numpy()]
    missing = set(ids) - set(outlines[name] if name else ())
    if missing:
        raise ValueError(
            f"outlines: expected a column RGIId or rgi_id with every glacier of the dataset; {len(missing)} are "
            f"missing, for example {min(missing)}"
        )
    shapes = outlines.to_crs(4326).drop_duplicates(name).set_index(name).loc[ids].geometry
    known = np.isfinite(values)
    if not known.all():
        shapes[~known].plot(ax=ax, facecolor="none", edgecolor="0.5", hatch="////", linewidth=0.5, aspect=None)
    shapes[known].plot(ax=ax, edgecolor="0.25", linewidth=0.4, aspect=None)
    polygons = ax.collections[-1]
    polygons.set(array=values[known], **colours)
    ax.set(xlabel="", ylabel="")
    return polygons


def _mean_over_time(ds: xr.Dataset, variable: str, time: Any) -> tuple[np.ndarray, str]:
    if variable not in ds or set(ds[variable].dims) != {"rgi_id", "time"}:
        found = [name for name, values in ds.data_vars.items() if set(values.dims) == {"rgi_id", "time"}]
        raise ValueError(f"no variable {variable!r} with dimensions (rgi_id, time); the dataset has {found}")
    chosen = ds[[variable]]
    if time is not None:
        try:
            chosen = chosen.sel(time=str(time) if np.isscalar(time) else time)
        except KeyError as err:
            raise ValueError(f"no time {time!r}; the dataset holds {_first_to_last(ds['year'])}") from err
        chosen = chosen if "time" in chosen.dims else chosen.expand_dims("time")
    values = chosen[variable].transpose("time", "rgi_id").to_numpy()
    if not np.isfinite(values).any():
        raise ValueError(f"{variable} has no value at time={time!r}; the dataset holds {_first_to_last(ds['year'])}")
    counts = np.isfinite(values).sum(axis=0)
    # A mean of fewer years is a mean of other weather: only glaciers with all years of the map are coloured.
    mean = np.where(counts == values.shape[0], np.nan_to_num(values).mean(axis=0), np.nan)
    if not np.isfinite(mean).any():
        raise ValueError(f"no glacier has {variable} in all {values.shape[0]} years of time={time!r}; choose fewer")
    years = np.atleast_1d(chosen["year"].to_numpy())
    return mean, f"mean of {_first_to_last(years)}" if years.size > 1 else f"{years[0]}"


def _first_to_last(years: ArrayLike) -> str:
    years = np.asarray(years)
    return f"{years[0]} to {years[-1]}"


def plot_region_series(ds: xr.Dataset, axes: Any = None) -> tuple[Figure, np.ndarray]:
    """Draw a region year by year: balance and its spread over the glaciers, winter and summer, cumulative balance.

    Parameters
    ----------
    ds : xarray.Dataset
        Result of ``compile_glaunti_output``
    axes : array of matplotlib Axes, optional
        Three axes, or two for calendar years, which have no seasons; by default those of a new figure

    Returns
    -------
    (figure, axes)

    Raises
    ------
    ValueError
        If no year has a value

    Notes
    -----
    The lines are area-weighted means over the glaciers that have values in a year; the figure says how many these are.
    The shading covers 80 % of the glaciers, each counted once.
    """
    if not np.isfinite(ds["region_specific_mb"]).any():
        raise ValueError("region_specific_mb has no value in any year")
    seasons = [_draw_seasons] if "region_winter_mb" in ds else []
    panels = [_draw_annual, *seasons, _draw_sum]
    if axes is None:
        from matplotlib import pyplot as plt

        size = (6.5, 2.3 * len(panels))
        axes = plt.subplots(len(panels), 1, sharex=True, figsize=size, layout="constrained")[1]
    axes = np.asarray(axes)
    if axes.size != len(panels):
        raise ValueError(f"expected {len(panels)} axes, found {axes.size}")
    years = ds["year"].to_numpy()
    for panel, ax in zip(panels, axes, strict=True):
        ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=1)
        panel(ds, years, ax)
    least, most = int(ds["region_count"].min()), int(ds["region_count"].max())
    counts = f"{least}" if least == most else f"{least} to {most}"
    area, year = float(ds["region_area"][0]), int(ds["year"][0])
    words = f"{counts} of {ds.sizes['rgi_id']} glaciers, {area:.{0 if area >= 10 else 2}f} km$^2$ in {year}"
    axes[0].set_title(words, fontsize="medium")
    axes[-1].set_xlabel("calendar year" if ds.attrs.get("balance_years") == "calendar" else "mass-balance year")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    return axes[0].figure, axes


def _draw_annual(ds: xr.Dataset, years: np.ndarray, ax: Axes) -> None:
    of_glaciers = ds["specific_mb"].transpose("time", "rgi_id").to_numpy()
    counted = np.isfinite(of_glaciers).any(axis=1)
    low, high = np.nanquantile(of_glaciers[counted], SHADED, axis=1)
    label = f"{(SHADED[1] - SHADED[0]) * 100:.0f} % of the glaciers"
    ax.fill_between(years[counted], low, high, color=COLOURS[1], alpha=0.2, linewidth=0, label=label)
    ax.plot(years, ds["region_specific_mb"], color=COLOURS[1], marker="o", markersize=4, label="area-weighted mean")
    ax.set_ylabel("annual balance\n(m w.e. a$^{-1}$)")
    ax.legend(frameon=False, fontsize="small", loc="best")


def _draw_seasons(ds: xr.Dataset, years: np.ndarray, ax: Axes) -> None:
    ax.bar(years, ds["region_winter_mb"], color=COLOURS[4], width=0.6, label="winter")
    ax.bar(years, ds["region_summer_mb"], color=COLOURS[0], width=0.6, label="summer", hatch="//", edgecolor="white")
    diamond: dict[str, Any] = {"marker": "D", "markersize": 6, "markeredgecolor": "white", "linestyle": ""}
    ax.plot(years, ds["region_specific_mb"], label="annual", color="black", **diamond)
    ax.set_ylabel("seasonal balance\n(m w.e.)")
    ax.legend(frameon=False, fontsize="small", loc="best", ncols=3)


def _draw_sum(ds: xr.Dataset, years: np.ndarray, ax: Axes) -> None:
    total = np.concatenate([[0.0], np.cumsum(ds["region_specific_mb"].to_numpy())])
    ax.plot(np.concatenate([[years[0] - 1], years]), total, color=COLOURS[1], marker="s", markersize=3)
    ax.set_ylabel("sum since the end\n" + f"of {years[0] - 1} (m w.e.)")
