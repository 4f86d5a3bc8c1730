"""Source of daily weather: OGGM's monthly climate files in the glacier directory, of the past or of a GCM."""

from __future__ import annotations

import logging
import os

import cftime
import netCDF4
import numpy as np
from numpy.typing import ArrayLike, NDArray
from oggm import GlacierDirectory
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.weather import netcdf, series as ds
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.coupling.weather.monthly_interpolation import Months
from oggm_glaunti.coupling.weather.monthly_weather import MonthlyWeather, draw_daily_weather
from oggm_glaunti.coupling.weather.statistics import ALPINE, WeatherStatistics, checked_temp_std, statistics_of
from oggm_glaunti.coupling.weather.times import require_utc

log = logging.getLogger(__name__)

# Ends the climate_source of weather that was made here; such weather says nothing about days.
MADE = "_monthly_to_daily"
# kg m-2. HISTALP in the Oetztal has months of down to -52; what is lower is a missing value or another unit.
LOWEST_PRCP = -100.0
# OGGM's own names of the unit of a month's precipitation.
_PRCP_UNITS = ("kgm-2", "kgm-2month-1", "mm", "mm/month", "mmmonth-1")


def monthly(
    gdir: GlacierDirectory,
    years: ds.Years,
    *,
    filename: str = "climate_historical",
    input_filesuffix: str = "",
    n_realisations: int = 5,
    seed: int = 0,
    temp_std: ArrayLike | None = None,
    reference: str | None = None,
    reference_years: tuple[int, int] | None = None,
    statistics: WeatherStatistics | None = None,
) -> ds.DailySeries:
    """Make random daily weather from one of OGGM's monthly files in the directory.

    Parameters
    ----------
    gdir, years
        see :data:`~oggm_glaunti.coupling.weather.task.SOURCES`
    filename, input_filesuffix : str
        OGGM's names of the monthly file (e.g. ``gcm_data`` and ``_ssp126``). The daily file is named after
        it, ``gcm_data_ssp126_daily.nc``, and found under the same two names
    n_realisations : int
        number of daily series; balances are the means over them
    seed : int
        random seed; each glacier and realisation has draws of its own in any case
    temp_std : float or 12 of them, optional
        standard deviation of daily temperature within a month (K); default: ``temp_std`` of the monthly file, else that
        of the reference, else the calendar means of ``temp_std`` in ``climate_historical.nc``
    reference : str, optional
        suffix of a file of daily weather in the directory from which wet days and the memory of the weather are taken
        by calendar month, ``''`` for ``climate_historical_daily.nc``; default: those of Alpine records
    reference_years : (int, int), optional
        first and last year of the reference, both included; default: all of it
    statistics : WeatherStatistics, optional
        the statistics themselves instead of a reference
    """
    _require_whole_number(gdir, "n_realisations", n_realisations, 1)
    _require_whole_number(gdir, "seed", seed, 0)
    path = gdir.get_filepath(filename, filesuffix=input_filesuffix)
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    if not os.path.exists(path):
        raise InvalidWorkflowError(f"{label} is not in {gdir.dir}; make it first, by OGGM's tasks for monthly climate")
    known, reference_path = _statistics(gdir, statistics, reference, reference_years)
    with netcdf.open_netcdf(label, path) as nc:
        place, source = netcdf.read_place(label, nc), netcdf.read_attribute(label, nc, "climate_source")
        rows, months = _choose_months(label, nc, years)
        weather, origin = _monthly_weather(gdir, label, nc, rows, months, temp_std, known)
    series = [draw_daily_weather(weather, known, gdir.rgi_id, k + 1, int(seed)) for k in range(n_realisations)]
    for temp, prcp in series:
        ds.check_values(label, months.time, temp, prcp)
    notes = {
        "glaunti_seed": int(seed),
        "glaunti_realisations": int(n_realisations),
        "glaunti_statistics": f"within-month statistics: {known.origin}; temp_std: {origin}",
    }
    about = f"{source}{MADE}", os.path.basename(path)
    return ds.DailySeries(months.time, *series[0], *place, *about, tuple(series[1:]), notes, reference_path)


def _require_whole_number(gdir: GlacierDirectory, name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: expected a whole number from {least}, found {value!r}")


# --- the file --------------------------------------------------------------------------------------------------------


def _choose_months(label: str, nc: netCDF4.Dataset, years: ds.Years) -> tuple[slice, Months]:
    """Return the rows of the years asked for and their months, by the names of the months: any calendar will do."""
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
    ys, ye = ds.choose_years(label, first, last, years)
    begin, end = np.datetime64(f"{ys:04d}-01"), np.datetime64(f"{ye:04d}-12")
    rows = slice(int((begin - found[0]).astype(int)), int((end - found[0]).astype(int)) + 1)
    cropped = found[(found < np.datetime64(f"{first:04d}-01")) | (found > np.datetime64(f"{last:04d}-12"))]
    if cropped.size:
        log.warning("%s: incomplete calendar years left out: %s", label, ", ".join(map(str, cropped)))
    return rows, Months.between(begin, end)


def _names_of_months(label: str, nc: netCDF4.Dataset) -> NDArray[np.datetime64]:
    """Return year and month of every step as ``datetime64[M]``."""
    var = netcdf.read_variable(label, nc, "time")
    units, calendar = netcdf.read_units(label, nc, "time"), netcdf.read_calendar(label, var)
    require_utc(label, units)
    try:
        dates = cftime.num2date(netcdf.read_values(label, var), units, calendar)
    except (ValueError, OverflowError) as err:
        raise InvalidParamsError(f"{label}: time cannot be read, '{units}' in calendar '{calendar}': {err}") from err
    if not len(dates):
        raise InvalidParamsError(f"{label}: time has no steps; expected months of whole calendar years")
    return np.array([f"{date.year:04d}-{date.month:02d}" for date in dates], "M8[M]")


def _monthly_weather(
    gdir: GlacierDirectory,
    label: str,
    nc: netCDF4.Dataset,
    rows: slice,
    months: Months,
    temp_std: ArrayLike | None,
    statistics: WeatherStatistics,
) -> tuple[MonthlyWeather, str]:
    """Return the months' weather and the origin of its temp_std."""
    temp = ds.to_celsius(label, _monthly_values(label, nc, "temp", rows, months), netcdf.read_units(label, nc, "temp"))
    units = netcdf.read_units(label, nc, "prcp")
    if units.lower().replace(" ", "") not in _PRCP_UNITS:
        raise InvalidParamsError(f"{label}: prcp has units '{units}'; expected the month's sum in kg m-2")
    prcp = _without_negative(label, _monthly_values(label, nc, "prcp", rows, months), months)
    if temp_std is None and "temp_std" in nc.variables:
        std, origin = _monthly_values(label, nc, "temp_std", rows, months), "of each month, from the same file"
    else:
        std, origin = _calendar_std(gdir, label, temp_std, statistics)
        std = std[months.calendar]
    invalid = ~((std >= 0) & (std < 30))
    if invalid.any():
        raise InvalidParamsError(f"{label}: temp_std is outside 0..30 K in {_spell_months(months, invalid)}")
    return MonthlyWeather(months, temp.astype(np.float64), prcp, std), origin


def _without_negative(label: str, prcp: NDArray[np.float64], months: Months) -> NDArray[np.float64]:
    """Set sums a little below zero, as the interpolation of HISTALP leaves them, to zero; the log names them."""
    invalid, negative = prcp < LOWEST_PRCP, prcp < 0
    if invalid.any():
        raise InvalidParamsError(f"{label}: prcp is below {LOWEST_PRCP:g} kg m-2 in {_spell_months(months, invalid)}")
    if negative.any():
        log.warning("%s: prcp is negative and taken as zero in %s", label, _spell_months(months, negative))
    return np.maximum(prcp, 0.0)


def _monthly_values(label: str, nc: netCDF4.Dataset, name: str, rows: slice, months: Months) -> NDArray[np.float64]:
    values = netcdf.read_one_series(label, nc, name)[rows].astype(np.float64)
    if not np.isfinite(values).all():
        raise InvalidParamsError(
            f"{label}: {name} is NaN or infinite in {_spell_months(months, ~np.isfinite(values))}. Take years without "
            "with y0 and y1 of process_daily_climate."
        )
    return values


def _spell_months(months: Months, bad: NDArray[np.bool_], most: int = 5) -> str:
    """Write number and names of months as text."""
    first = months.time[np.searchsorted(months.index, np.flatnonzero(bad))].astype("M8[M]")
    more = f" and {first.size - most} more" if first.size > most else ""
    return f"{first.size} of {bad.size} months: {', '.join(map(str, first[:most]))}{more}"


# --- what months do not say ------------------------------------------------------------------------------------------


def _calendar_std(
    gdir: GlacierDirectory, label: str, temp_std: ArrayLike | None, statistics: WeatherStatistics
) -> tuple[NDArray[np.float64], str]:
    """Return the within-month standard deviation of temperature by calendar month (12,), and its origin."""
    if temp_std is not None:
        try:
            return checked_temp_std(temp_std), "given"
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


def _std_of_historical(gdir: GlacierDirectory) -> NDArray[np.float64] | None:
    """Return the calendar means of ``temp_std`` in the directory's monthly file, None if it has none."""
    path = gdir.get_filepath("climate_historical")
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    if not os.path.exists(path):
        return None
    with netcdf.open_netcdf(label, path) as nc:
        if "temp_std" not in nc.variables:
            return None
        std = netcdf.read_one_series(label, nc, "temp_std").astype(np.float64)
        month = _names_of_months(label, nc).astype(int) % 12
    std = np.array([np.mean(std[month == number]) for number in range(12)])
    if not np.isfinite(std).all():
        raise InvalidParamsError(f"{label}: temp_std is not finite; give temp_std= (K, a number or 12)")
    return std


def _statistics(
    gdir: GlacierDirectory,
    statistics: WeatherStatistics | None,
    reference: str | None,
    reference_years: tuple[int, int] | None,
) -> tuple[WeatherStatistics, str]:
    """Return the statistics given, those of the reference and its path, or the Alpine means."""
    if statistics is not None and reference is not None:
        raise InvalidParamsError(f"{gdir.rgi_id}: statistics and reference are given; give one of them")
    if reference_years is not None and reference is None:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: reference_years go with a reference; '' is climate_historical_daily.nc"
        )
    if reference is not None:
        return _reference_statistics(gdir, reference, reference_years)
    if not isinstance(statistics, WeatherStatistics | None):
        found = type(statistics).__name__
        raise InvalidParamsError(f"{gdir.rgi_id}: statistics: expected WeatherStatistics, found {found}")
    return statistics or ALPINE, ""


def _reference_statistics(
    gdir: GlacierDirectory, reference: str, years: tuple[int, int] | None
) -> tuple[WeatherStatistics, str]:
    climate = read_daily_climate(gdir, "climate_historical", reference)
    name = os.path.basename(climate.path)
    if climate.source.endswith(MADE):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: {name} was made from months itself; it cannot be a reference for days"
        )
    climate = climate.select(*(years or (None, None)))
    origin = f"{name} {climate.ys}-{climate.ye} ({climate.source})"
    try:
        return statistics_of(climate.time, climate.temp, 1000.0 * climate.prcp, origin), climate.path
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: {err}") from err
