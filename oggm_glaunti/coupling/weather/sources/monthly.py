"""Source of daily weather: OGGM's monthly climate files in the glacier directory, of the past or of a GCM."""

from __future__ import annotations

import logging
import os
from typing import Any

import cftime
import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.weather import file as daily_file, series as ds
from oggm_glaunti.coupling.weather.monthly_interpolation import Months
from oggm_glaunti.coupling.weather.monthly_weather import MonthlyWeather, daily_weather
from oggm_glaunti.coupling.weather.request import Request, choose_years, refuse_others
from oggm_glaunti.coupling.weather.statistics import ALPINE, WeatherStatistics, checked_temp_std, statistics_of

log = logging.getLogger(__name__)

REALISATIONS = 5
# Ends the climate_source of weather that was made here; such weather says nothing about days.
MADE = "_monthly_to_daily"
# kg m-2. HISTALP in the Oetztal has months of down to -52; what is lower is a missing value or another unit.
LOWEST_PRCP = -100.0
_KNOWN = (
    *("filename", "input_filesuffix", "n_realisations", "seed"),
    *("temp_std", "reference", "reference_years", "statistics"),
)
# OGGM's own names of the unit of a month's precipitation.
_PRCP_UNITS = ("kgm-2", "kgm-2month-1", "mm", "mm/month", "mmmonth-1")


def monthly(gdir: Any, request: Request) -> ds.DailySeries:
    """Daily weather made from a monthly file of the directory; see ``process_daily_climate``.

    Where the within-month standard deviation of temperature comes from: what is given, else the file's ``temp_std``,
    else the reference, else the calendar means of ``temp_std`` in ``climate_historical.nc``.
    """
    refuse_others(gdir, "monthly", request, _KNOWN)
    count, seed = _counts(gdir, request)
    path = gdir.get_filepath(request.filename or "climate_historical", filesuffix=request.input_filesuffix or "")
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    if not os.path.exists(path):
        raise InvalidWorkflowError(f"{label} is not in {gdir.dir}; make it first, by OGGM's tasks for monthly climate")
    statistics = _statistics(gdir, request)
    with daily_file.open_netcdf(label, path) as nc:
        height, lon, lat, source = (daily_file.read_attribute(label, nc, name) for name in daily_file.ATTRIBUTES)
        rows, months = _months(label, nc, request)
        weather, origin = _weather(gdir, label, nc, rows, months, request, statistics)
    series = [daily_weather(weather, statistics, gdir.rgi_id, number, seed) for number in range(1, count + 1)]
    for temp, prcp in series:
        ds.check_values(label, months.time, temp, prcp)
    notes = {
        "glaunti_seed": seed,
        "glaunti_realisations": count,
        "glaunti_statistics": f"within-month statistics: {statistics.origin}; temp_std: {origin}",
    }
    place = float(height), float(lon), float(lat)
    about = f"{source}{MADE}", os.path.basename(path)
    return ds.DailySeries(months.time, *series[0], *place, *about, others=tuple(series[1:]), notes=notes)


def _counts(gdir: Any, request: Request) -> tuple[int, int]:
    """Number of realisations and seed."""
    count = REALISATIONS if request.n_realisations is None else request.n_realisations
    seed = 0 if request.seed is None else request.seed
    for name, value, least in (("n_realisations", count, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InvalidParamsError(f"{gdir.rgi_id}: {name}: expected a whole number from {least}, found {value!r}")
    return int(count), int(seed)


# --- the file --------------------------------------------------------------------------------------------------------


def _months(label: str, nc: netCDF4.Dataset, request: Request) -> tuple[slice, Months]:
    """Rows of the years asked for and their months, by the names of the months: any calendar will do."""
    found = _names_of_months(label, nc)
    odd = np.flatnonzero(np.diff(found).astype(int) != 1)
    if odd.size:
        before, after = found[odd[0] : odd[0] + 2]
        hint = ": it holds daily weather already" if before == after else ""
        raise InvalidParamsError(f"{label}: {after} follows {before}; expected each month once, in order{hint}")
    first, last = (int(year) for year in found[[0, -1]].astype("M8[Y]").astype(int) + 1970)
    first += bool(found[0] != np.datetime64(f"{first:04d}-01"))
    last -= bool(found[-1] != np.datetime64(f"{last:04d}-12"))
    if first > last:
        raise InvalidParamsError(f"{label}: {found[0]}..{found[-1]} holds no whole calendar year")
    ys, ye = choose_years(label, first, last, request)
    begin, end = np.datetime64(f"{ys:04d}-01"), np.datetime64(f"{ye:04d}-12")
    rows = slice(int((begin - found[0]).astype(int)), int((end - found[0]).astype(int)) + 1)
    cropped = found[(found < np.datetime64(f"{first:04d}-01")) | (found > np.datetime64(f"{last:04d}-12"))]
    if cropped.size:
        log.warning("%s: incomplete calendar years left out: %s", label, ", ".join(map(str, cropped)))
    return rows, Months.between(begin, end)


def _names_of_months(label: str, nc: netCDF4.Dataset) -> NDArray[np.datetime64]:
    """Year and month of every step as ``datetime64[M]``."""
    var = daily_file.read_variable(label, nc, "time")
    units, calendar = daily_file.read_units(label, nc, "time"), getattr(var, "calendar", "standard")
    try:
        dates = cftime.num2date(np.ma.filled(var[:], np.nan) if var.dtype.kind == "f" else var[:], units, calendar)
    except ValueError as err:
        raise InvalidParamsError(f"{label}: time cannot be read, '{units}' in calendar '{calendar}': {err}") from err
    if not len(dates):
        raise InvalidParamsError(f"{label}: time has no steps; expected months of whole calendar years")
    return np.array([f"{date.year:04d}-{date.month:02d}" for date in dates], "M8[M]")


def _weather(
    gdir: Any,
    label: str,
    nc: netCDF4.Dataset,
    rows: slice,
    months: Months,
    request: Request,
    statistics: WeatherStatistics,
) -> tuple[MonthlyWeather, str]:
    """The months' weather and where its temp_std is from."""
    temp = ds.to_celsius(label, _values(label, nc, "temp", rows, months), daily_file.read_units(label, nc, "temp"))
    units = daily_file.read_units(label, nc, "prcp")
    if units.lower().replace(" ", "") not in _PRCP_UNITS:
        raise InvalidParamsError(f"{label}: prcp has units '{units}'; expected the month's sum in kg m-2")
    prcp = _without_negative(label, _values(label, nc, "prcp", rows, months), months)
    if request.temp_std is None and "temp_std" in nc.variables:
        std, origin = _values(label, nc, "temp_std", rows, months), "of each month, from the same file"
    else:
        std, origin = _calendar_std(gdir, label, request, statistics)
        std = std[months.calendar]
    if not ((std >= 0) & (std < 30)).all():
        raise InvalidParamsError(
            f"{label}: temp_std is outside 0..30 K in {_spell(months, ~((std >= 0) & (std < 30)))}"
        )
    return MonthlyWeather(months, temp.astype(np.float64), prcp, std), origin


def _without_negative(label: str, prcp: NDArray[np.float64], months: Months) -> NDArray[np.float64]:
    """Sums a little below zero, as the interpolation of HISTALP leaves them, as zero; the log names them."""
    impossible, negative = prcp < LOWEST_PRCP, prcp < 0
    if impossible.any():
        raise InvalidParamsError(f"{label}: prcp is below {LOWEST_PRCP:g} kg m-2 in {_spell(months, impossible)}")
    if negative.any():
        log.warning("%s: prcp is negative and taken as zero in %s", label, _spell(months, negative))
    return np.maximum(prcp, 0.0)


def _values(label: str, nc: netCDF4.Dataset, name: str, rows: slice, months: Months) -> NDArray[np.float64]:
    values = daily_file.read_series(label, nc, name)[rows].astype(np.float64)
    if not np.isfinite(values).all():
        raise InvalidParamsError(
            f"{label}: {name} is NaN or infinite in {_spell(months, ~np.isfinite(values))}. Take years without with y0 "
            "and y1 of process_daily_climate."
        )
    return values


def _spell(months: Months, bad: NDArray[np.bool_], most: int = 5) -> str:
    """Number and names of months."""
    first = months.time[np.searchsorted(months.index, np.flatnonzero(bad))].astype("M8[M]")
    more = f" and {first.size - most} more" if first.size > most else ""
    return f"{first.size} of {bad.size} months: {', '.join(map(str, first[:most]))}{more}"


# --- what months do not say ------------------------------------------------------------------------------------------


def _calendar_std(
    gdir: Any, label: str, request: Request, statistics: WeatherStatistics
) -> tuple[NDArray[np.float64], str]:
    """Within-month standard deviation of temperature by calendar month (12,), and where it is from."""
    if request.temp_std is not None:
        try:
            return checked_temp_std(request.temp_std), "given"
        except ValueError as err:
            raise InvalidParamsError(f"{gdir.rgi_id}: {err}") from err
    if statistics.temp_std is not None:
        return statistics.temp_std, f"by calendar month, {statistics.origin}"
    historical = _std_of_historical(gdir)
    if historical is not None:
        return historical, "by calendar month, climate_historical.nc"
    raise InvalidParamsError(
        f"{label} has no temp_std, nor has climate_historical.nc. Give the standard deviation of daily temperature "
        "within a month, temp_std= (K, a number or 12), or a daily series of the directory, reference=''"
    )


def _std_of_historical(gdir: Any) -> NDArray[np.float64] | None:
    """Calendar means of ``temp_std`` in the directory's monthly file, None where it has none."""
    path = gdir.get_filepath("climate_historical")
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    if not os.path.exists(path):
        return None
    with daily_file.open_netcdf(label, path) as nc:
        if "temp_std" not in nc.variables:
            return None
        std = daily_file.read_series(label, nc, "temp_std").astype(np.float64)
        month = _names_of_months(label, nc).astype(int) % 12
    std = np.array([np.mean(std[month == number]) for number in range(12)])
    if not np.isfinite(std).all():
        raise InvalidParamsError(f"{label}: temp_std is not finite; give temp_std= (K, a number or 12)")
    return std


def _statistics(gdir: Any, request: Request) -> WeatherStatistics:
    """What is given, that of the reference, or the Alpine means."""
    if request.statistics is not None and request.reference is not None:
        raise InvalidParamsError(f"{gdir.rgi_id}: statistics and reference are given; say one of them")
    if request.reference_years is not None and request.reference is None:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: reference_years go with a reference; '' is climate_historical_daily.nc"
        )
    if request.statistics is not None:
        if not isinstance(request.statistics, WeatherStatistics):
            raise InvalidParamsError(
                f"{gdir.rgi_id}: statistics: expected WeatherStatistics, found {type(request.statistics).__name__}"
            )
        return request.statistics
    return ALPINE if request.reference is None else _reference_statistics(gdir, request)


def _reference_statistics(gdir: Any, request: Request) -> WeatherStatistics:
    climate = daily_file.read_daily_climate(gdir, "climate_historical", request.reference)
    name = os.path.basename(climate.path)
    filename, given = request.filename or "climate_historical", request.filesuffix
    suffix = (request.input_filesuffix or "") + settings.DAILY_SUFFIX if given is None else given
    if os.path.basename(gdir.get_filepath(filename, filesuffix=suffix)) == name:
        raise InvalidParamsError(f"{gdir.rgi_id}: {name} is the reference and would be overwritten; give filesuffix=")
    if climate.source.endswith(MADE):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: {name} was made from months itself; it cannot be a reference for days"
        )
    climate = climate.select(*(request.reference_years or (None, None)))
    try:
        return statistics_of(
            climate.time, climate.temp, 1000.0 * climate.prcp, f"{name} {climate.ys}-{climate.ye} ({climate.source})"
        )
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: {err}") from err
