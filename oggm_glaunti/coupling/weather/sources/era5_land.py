"""Source of daily weather: ERA5-Land as users download it, NetCDF or Zarr, hourly or daily, one file or many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather import series as ds
from oggm_glaunti.coupling.weather.request import Request, choose_rows, choose_units, refuse_others
from oggm_glaunti.coupling.weather.sources import era5_land_file as files
from oggm_glaunti.coupling.weather.sources.era5_land_file import ACCUMULATED, HOURLY, OF_THE_DAY, CellSeries

SOURCE = "ERA5-Land_daily"
# m. Packed files of 16 bits round accumulations; a fall by more is no accumulation.
_ROUNDING = 1e-4
_KNOWN = ("path", "orography", "ref_hgt", "temp_units", "prcp_units", "temp_name", "prcp_name")
_HOUR = np.timedelta64(1, "h")
# Hours of days (D, 24) to something of days (D,).
Reduce = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_AMOUNTS = {"m": "m/day", "mofwaterequivalent": "m/day", "mm": "mm/day", "kgm-2": "mm/day", "kgm**-2": "mm/day"}


def era5_land(gdir: Any, request: Request) -> ds.DailySeries:
    """Weather of the ERA5-Land cell nearest to the glacier; see ``process_daily_climate``.

    Days are those of UTC. Hourly ``tp`` is accumulated since 00 UTC: the value at 00 UTC is the sum of the day before.
    """
    refuse_others(gdir, "era5_land", request, _KNOWN)
    cell = files.read_cell(gdir, request.path, request.temp_name, request.prcp_name)
    label = cell.label
    days, temp = _daily_temp(label, cell.temp, request)
    prcp_days, prcp = _daily_prcp(label, cell.prcp, request)
    days, in_temp, in_prcp = np.intersect1d(days, prcp_days, return_indices=True)
    if days.size == 0:
        raise InvalidParamsError(f"{label}: temperature and precipitation have no day in common")
    rows = choose_rows(label, days, request)
    days, temp, prcp = days[rows], temp[in_temp][rows], prcp[in_prcp][rows]
    ds.check_values(label, days, temp, prcp, f"{ds.REMEDY} Cells on the sea have no values.")
    height = files.choose_cell_height(gdir, cell, request.orography, request.ref_hgt)
    return ds.DailySeries(days, temp, prcp, height, *cell.place, SOURCE, cell.origin)


def _daily_temp(label: str, series: CellSeries, request: Request) -> tuple[NDArray[np.datetime64], NDArray[np.float32]]:
    units = choose_units(label, "temp_units", request.temp_units, series.units)
    if not series.is_hourly:
        return ds.to_days(label, series.stamps), ds.to_celsius(label, series.values, units)
    days, mean = _whole_days(label, series, series.stamps, lambda hours: hours.mean(axis=1))
    return days, ds.to_celsius(label, mean, units)


def _daily_prcp(label: str, series: CellSeries, request: Request) -> tuple[NDArray[np.datetime64], NDArray[np.float32]]:
    units = choose_units(label, "prcp_units", request.prcp_units, series.units)
    units = _AMOUNTS.get(units.lower().replace(" ", ""), units)
    days, sums = (_sums_of_hours if series.is_hourly else _sums_of_days)(label, series)
    amounts = ds.to_kg_per_day(label, sums, units)
    # Packing and interpolation leave traces below zero; more than that is an error, found later.
    return days, np.where((amounts < 0) & (amounts > -1000 * _ROUNDING), np.float32(0), amounts)


def _sums_of_days(label: str, series: CellSeries) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    days = ds.to_days(label, series.stamps)
    if series.name in ACCUMULATED and (series.stamps == days).all():
        raise InvalidParamsError(
            f"{label}: daily '{series.name}' at 00 UTC may be the sum of the day before (ERA5-Land's accumulations) or "
            f"of the day itself (daily statistics). Take hourly data, or shift the times to the day the amount fell on "
            f"and rename the variable to '{OF_THE_DAY}'."
        )
    return days, series.values


def _sums_of_hours(label: str, series: CellSeries) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Daily sums of hourly data, whose stamps end the hour: the day of 00 UTC is the day before."""
    ends = series.stamps - _HOUR
    if series.name == HOURLY:
        return _whole_days(label, series, ends, lambda hours: hours.sum(axis=1))
    days, falls = _whole_days(label, series, ends, lambda hours: np.diff(hours, axis=1).min(axis=1))
    if (falls < -_ROUNDING).any():
        bad = days[falls < -_ROUNDING]
        raise InvalidParamsError(
            f"{label}: '{series.name}' falls within {bad.size} of {days.size} days, so it is not accumulated since 00 "
            f"UTC as in ERA5-Land: {ds.spell(bad)}. If it holds the amounts of single hours, rename it to '{HOURLY}'."
        )
    return _whole_days(label, series, ends, lambda hours: hours[:, -1])


def _whole_days(
    label: str, series: CellSeries, stamps: NDArray[np.datetime64], reduce: Reduce
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Days with all 24 hours, reduced; incomplete days at both ends are left out, within they are an error."""
    steps = np.unique(np.diff(stamps))
    if not (steps >= _HOUR).all() or (stamps.astype("M8[h]") != stamps).any():
        raise InvalidParamsError(f"{label}: '{series.name}' is neither daily nor hourly (steps from {steps[0]})")
    days, first, count = np.unique(stamps.astype("M8[D]"), return_index=True, return_counts=True)
    whole = count == 24
    if not whole.any():
        raise InvalidParamsError(f"{label}: '{series.name}' has no day with all 24 hours")
    inner = slice(int(np.argmax(whole)), whole.size - int(np.argmax(whole[::-1])))
    if not whole[inner].all():
        bad = days[inner][~whole[inner]]
        raise InvalidParamsError(f"{label}: '{series.name}' has not all 24 hours on {bad.size} days: {ds.spell(bad)}")
    begin = int(first[inner][0])
    hours = series.values[begin : begin + 24 * int(whole[inner].sum())].reshape(-1, 24)
    return days[inner], reduce(hours)
