"""Tasks that explain what made a year's balance different from others, and the tables and maps they return."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.analysis.glaciers import GlacierRun, MbKwargs, glacier_run, years_within
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task

if TYPE_CHECKING:
    from oggm_glaunti.analysis.attribution.integrated_gradients import Integrated, Path

settings.register()
log = logging.getLogger(__name__)

CORRECTIONS = ("prec_scale", "ddf_snow", "ddf_relative_ice", "snow_to_rain_centre", "t_pos_shift")
REFERENCE_BALANCE = {
    "years": "mean balance of the reference years",
    "mean": "balance in the mean weather of the reference years",
}

M_WE = {"units": "m w.e."}
GROUPS = {"temp": "temperature", "prcp": "precipitation"}
GROUPS |= {"snow": "the snow on the first day", "corrections": "the corrections"}


@entity_task(log)
def attribute_year(
    gdir: GlacierDirectory,
    *,
    year: int,
    reference: tuple[int, int] | None = None,
    year_type: str = "hydrological",
    baseline: str = "years",
    mb_kwargs: MbKwargs = None,
) -> xr.Dataset:
    """Attribute the difference of a year's balance from that of reference years to each day's weather and the snow.

    The contributions are integrated gradients from the inputs of the reference years to those of the year, see
    :mod:`~oggm_glaunti.analysis.attribution.integrated_gradients`.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate and ``glaunti_features`` (or, for model A, at least inversion flowlines, then without maps)
    year : int
        year to explain
    reference : (first, last), optional
        years to compare with, both included; default: all complete years of the record
    year_type, mb_kwargs
        see :func:`~oggm_glaunti.analysis.glaciers.glacier_run`
    baseline : {'years', 'mean'}
        'years': contributions are means over paths from each of the reference years, and add up to the difference from
        the mean of their balances. 'mean': one path from their mean weather (the mean of each day); contributions add
        up to the difference from the balance in that weather, ``mean_climate_balance``, which is another number

    Returns
    -------
    xarray.Dataset
        all in m w.e., with ``units`` attributes. Parts of the glacier-wide balance: ``temp`` and ``prcp``
        (month, height), ``snow`` (height), ``corrections`` (correction, height) and ``leap_day``, which with ``gap``
        add up to ``difference``, and of single days ``temp_daily`` and ``prcp_daily`` (time). Parts of the balance *at*
        a height: ``temp_at_height`` and so on (height); on the glacier's cells ``temp_map`` and so on (y, x). Further
        ``balance``, ``reference_balance``, ``mean_climate_balance``, the anomalies of the weather by month, and
        ``nodes`` of the quadrature. ``gap`` is at most 0.001 of the difference (or 0.1 mm w.e., if that is more);
        if 256 nodes do not reach that, the attribute ``complete`` is 0 and the log says so

    Raises
    ------
    InvalidParamsError
        for years outside the record, a reference without years, or another `year_type` or `baseline`

    Examples
    --------
    >>> made = attribute_year(gdir, year=2003, reference=(1991, 2020), mb_kwargs={"model": "A"})  # doctest: +SKIP
    >>> made.temp.sum("height").to_series().round(2)  # by month  # doctest: +SKIP
    """
    if baseline not in REFERENCE_BALANCE:
        known = tuple(REFERENCE_BALANCE)
        raise InvalidParamsError(f"{gdir.rgi_id}: baseline: expected one of {known}, found {baseline!r}")
    run = glacier_run(gdir, None, year_type, mb_kwargs, "attribute_year")
    return attribution_of(run, year, years_compared(run, year, reference), baseline)


def attribution_of(run: GlacierRun, year: int, reference: list[int], baseline: str = "years") -> xr.Dataset:
    """Carry out :func:`attribute_year` for a prepared glacier.

    Parameters
    ----------
    run : GlacierRun
        that holds all the years
    year : int
    reference : list of int
        need not be consecutive
    baseline : {'years', 'mean'}
    """
    from oggm_glaunti.analysis.attribution.integrated_gradients import ends_of, integrated_gradients
    from oggm_glaunti.analysis.attribution.paths import annual_balance, mean_baseline, path_of

    every = path_of(run.tuned, run.trajectory, year, reference)
    path = every if baseline == "years" else mean_baseline(every)
    found = integrated_gradients(run.tuned, path)
    warn_incomplete(run.gdir, found, log)
    of_years = np.asarray(annual_balance(run.tuned, run.trajectory), np.float64)
    of_mean, _ = ends_of(run.tuned, mean_baseline(every))
    here = float(of_years[run.years == year][0])
    there = float(np.mean([of_years[run.years == y][0] for y in reference])) if baseline == "years" else float(of_mean)
    numbers = {
        "balance": (here, "balance of the year"),
        "reference_balance": (there, REFERENCE_BALANCE[baseline]),
        "mean_climate_balance": (float(of_mean), "balance in the mean weather of the reference years"),
        "difference": (here - there, "balance minus reference balance"),
        "leap_day": (here - there - float(found.difference), "days that only one of the years has"),
    }
    result = with_numbers(_of_weather(run, year, path, found), numbers, found)
    attrs = {"reference": [min(reference), max(reference)], "baselines": path.start.temp.shape[0]}
    return _with_maps(run, result, GROUPS).assign_attrs(year=year, year_type=run.year_type, **attrs, baseline=baseline)


@entity_task(log)
def attribute_heights(
    gdir: GlacierDirectory, *, year: int, year_type: str = "hydrological", mb_kwargs: MbKwargs = None
) -> xr.Dataset:
    """Attribute a year's balance to the glacier's area being spread over heights instead of all at the mean height.

    The path leads from the glacier at its mean height, with the snow and the corrections that belong there, to the
    glacier as it is.

    Parameters
    ----------
    gdir, year, year_type, mb_kwargs
        see :func:`attribute_year`

    Returns
    -------
    xarray.Dataset
        parts of the glacier-wide balance ``height_itself``, ``snow`` (height), ``corrections`` (correction, height),
        which with ``gap`` add up to ``difference``; at a height ``height_itself_at_height`` and so on, and on the
        cells ``height_itself_map`` and so on; ``balance``, ``reference_balance`` (at the mean height) and ``nodes``.
        All m w.e., as in :func:`attribute_year`

    Raises
    ------
    InvalidParamsError
        for a year outside the record
    """
    from oggm_glaunti.analysis.attribution.integrated_gradients import ends_of, integrated_gradients
    from oggm_glaunti.analysis.attribution.paths import to_heights

    run = glacier_run(gdir, None, year_type, mb_kwargs, "attribute_heights")
    years_compared(run, year, None)
    path = to_heights(run.tuned, run.trajectory, year)
    found = integrated_gradients(run.tuned, path)
    warn_incomplete(gdir, found, log)
    there, here = (float(end) for end in ends_of(run.tuned, path))
    numbers = {
        "balance": (here, "balance of the year"),
        "reference_balance": (there, "balance of the year at the glacier's mean height"),
        "difference": (float(found.difference), "balance minus reference balance"),
    }
    groups = {"height_itself": "the heights", "snow": GROUPS["snow"], "corrections": GROUPS["corrections"]}
    data = _by_height(run, {"height_itself": found.contributions.above_ref, **_of_state(found)}, groups)
    mean = float(run.heights @ np.asarray(run.trajectory.area, np.float64))
    result = _with_maps(run, with_numbers(data, numbers, found), groups)
    return result.assign_attrs(year=year, year_type=run.year_type, mean_height=round(mean, 1))


def years_compared(run: GlacierRun, year: int, reference: tuple[int, int] | None) -> list[int]:
    """Return the reference years after checking that the record holds them and the year to explain.

    Parameters
    ----------
    run : GlacierRun
    year : int
        to explain
    reference : (first, last), optional
        both included; default: all years of the record

    Raises
    ------
    InvalidParamsError
        for no years, or years that the record does not hold
    """
    years_within(run.gdir, (year, year), run.years, "year")
    first, last = years_within(run.gdir, reference, run.years, "reference")
    return list(range(first, last + 1))


def warn_incomplete(gdir: GlacierDirectory, found: Any, log: logging.Logger) -> None:
    """Warn if the contributions do not add up with the largest number of nodes; the result holds the gap."""
    if not found.complete:
        words = "(%s) the difference of %+.4f m w.e. and the sum of its contributions are %+.4f apart, with %d nodes"
        log.warning(words, gdir.rgi_id, float(found.difference), float(found.gap), found.nodes)


def with_numbers(data: xr.Dataset, numbers: dict[str, tuple[float, str]], found: Integrated) -> xr.Dataset:
    """Add numbers in m w.e. with their descriptions, the gap and the nodes of the quadrature."""
    numbers = {**numbers, "gap": (float(found.gap), "difference minus the sum of all contributions")}
    for name, (value, what) in numbers.items():
        data[name] = ((), value, {**M_WE, "long_name": what})
    data["nodes"] = ((), found.nodes, {"units": "1", "long_name": "nodes of the quadrature"})
    return data.assign_attrs(complete=int(found.complete))


def _of_state(found: Integrated) -> dict[str, NDArray[Any]]:
    """Return the contributions of the snow (N,) and of the corrections (5, N) at each height."""
    return {"snow": found.contributions.swe, "corrections": np.asarray(found.contributions.ds).sum(axis=0)}


def _by_height(run: GlacierRun, parts: dict[str, Any], groups: dict[str, str]) -> xr.Dataset:
    """Tabulate parts (N,), (5, N) or (M, N) at each height and, times the area, as parts of the glacier's balance."""
    area = np.asarray(run.trajectory.area, np.float64)
    before = {"corrections": ("correction",), "temp": ("month",), "prcp": ("month",)}
    data: dict[str, Any] = {"area": ("height", area, {"units": "1", "long_name": "share of the glacier's area"})}
    for name, values in parts.items():
        values, dims = np.asarray(values, np.float64), (*before.get(name, ()), "height")
        whole = {**M_WE, "long_name": f"contribution of {groups[name]} to the glacier-wide balance"}
        there = {**M_WE, "long_name": f"contribution of {groups[name]} to the balance at the height"}
        data[name] = (dims, values * area, whole)
        data[f"{name}_at_height"] = ("height", values.reshape(-1, area.size).sum(axis=0), there)
    coords = {"height": ("height", run.heights, {"units": "m"}), "correction": list(CORRECTIONS)}
    return xr.Dataset(data, coords)


def _of_weather(run: GlacierRun, year: int, path: Path, found: Integrated) -> xr.Dataset:
    """Tabulate the contributions by month, day and height, and the anomalies of the weather."""
    from oggm_glaunti.analysis.attribution.paths import days_of

    days = run.days[days_of(run.trajectory, year)]
    month = days.astype("M8[M]")
    numbers, first = np.unique(month, return_index=True)
    daily = {name: np.asarray(getattr(found.contributions, name), np.float64) for name in ("temp", "prcp")}
    monthly = {name: np.add.reduceat(values, first, axis=0) for name, values in daily.items()}
    result = _by_height(run, {**monthly, **_of_state(found)}, GROUPS)
    result = result.assign_coords(month=numbers.astype(int) % 12 + 1, time=days.astype("M8[s]"))
    area = result["area"].to_numpy()
    for name, values in daily.items():
        attrs = {**M_WE, "long_name": f"contribution of the day's {GROUPS[name]} to the glacier-wide balance"}
        result[f"{name}_daily"] = ("time", values @ area, attrs)
    for name, units, mean in (("temp", "K", True), ("prcp", "m w.e.", False)):
        above = np.asarray(getattr(path.end, name) - getattr(path.start, name), np.float64)
        sums = np.add.reduceat(above.mean(axis=(0, 1)), first)
        values = sums / np.diff(np.append(first, days.size)) if mean else sums
        attrs = {"units": units, "long_name": f"{GROUPS[name]} minus that of the reference, at the station's height"}
        result[f"{name}_anomaly"] = ("month", values, attrs)
    return result


def _with_maps(run: GlacierRun, data: xr.Dataset, groups: dict[str, str]) -> xr.Dataset:
    """Add every group on the glacier's cells, if there is a map of them; NaN outside the glacier."""
    data = data.assign_attrs(rgi_id=run.gdir.rgi_id, name=run.gdir.name, model=run.mb_model.model_name)
    if not run.gdir.has_file("glaunti_features"):
        return data
    features = read_features(run.gdir)
    data = data.assign_coords(y=("y", features.y, {"units": "m"}), x=("x", features.x, {"units": "m"}))
    for name, what in groups.items():
        values = np.interp(features.elevation, run.heights, data[f"{name}_at_height"])
        attrs = {**M_WE, "long_name": f"contribution of {what} to the balance of the cell"}
        data[f"{name}_map"] = (("y", "x"), np.where(features.glacier, values, np.nan).astype(np.float32), attrs)
    return data.assign_attrs(crs=features.crs.to_wkt())
