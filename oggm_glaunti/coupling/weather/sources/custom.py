"""Source of daily weather: a NetCDF or CSV file of the user's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from oggm import GlacierDirectory, cfg
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.text.dates import parse_stamps
from oggm_glaunti.coupling.text.table import NOTE, parse_numbers, read_table, unit_of
from oggm_glaunti.coupling.weather import netcdf, series as ds
from oggm_glaunti.files import remembered

log = logging.getLogger(__name__)

# Names of columns of a CSV, lower case with _ between words, if those asked for are the usual ones and not there.
COLUMN_NAMES = {
    "time": ("time", "date", "datetime", "timestamp", "datum"),
    "temp": ("temp", "temperature", "t_air", "tair", "air_temp", "air_temperature", "t2m", "tas", "tavg", "tmean"),
    "prcp": ("prcp", "precip", "precipitation", "pr", "tp", "total_precipitation"),
}
MOST_NAMED = 3  # cells that an error shows


@dataclass(frozen=True)
class _Raw:
    """Contents of a file before anything is checked; None if the file does not say."""

    stamps: NDArray[np.datetime64]
    temp: NDArray[np.floating]
    prcp: NDArray[np.floating]
    temp_units: str | None = None
    prcp_units: str | None = None
    ref_hgt: float | None = None
    ref_lon: float | None = None
    ref_lat: float | None = None
    # What is wrong with the cells of a row, if anything; only rows of the years asked for matter.
    wrong: pd.Series | None = None


def custom(
    gdir: GlacierDirectory,
    years: ds.Years,
    *,
    path: str | PathLike[str] | None = None,
    ref_hgt: float | None = None,
    ref_lon: float | None = None,
    ref_lat: float | None = None,
    temp_units: str | None = None,
    prcp_units: str | None = None,
    temp_name: str = "temp",
    prcp_name: str = "prcp",
    time_name: str | None = None,
    climate_source: str = "CUSTOM_daily",
) -> ds.DailySeries:
    """Read one series from a NetCDF or CSV file.

    Parameters
    ----------
    gdir, years
        see :data:`~oggm_glaunti.coupling.weather.task.SOURCES`
    path : path, optional
        NetCDF (.nc) or CSV (.csv) file; default: ``cfg.PATHS['climate_file']``
    ref_hgt : float, optional
        height (m) the temperature is for; default: attribute ``ref_hgt`` of the file
    ref_lon, ref_lat : float, optional
        position the weather is for (degrees), not used by the model; default: attributes ``ref_pix_lon`` and
        ``ref_pix_lat`` of the file, otherwise the glacier's centre
    temp_units : {'degC', 'K'}, optional
        unit of temperature; default: that in the file
    prcp_units : {'mm/day', 'kg m-2 day-1', 'kg m-2 s-1', 'm/day'}, optional
        unit of precipitation; default: that in the file
    temp_name, prcp_name : str
        names of the variables or columns; in a CSV the usual other ones are found as well (``T_air``, ``Precip``)
    time_name : str, optional
        name of the time variable or column; default: ``time``, in a CSV also ``date``, ``datetime`` and the like
    climate_source : str
        name of the weather in the file and in everything made from it. Weather of ERA5-Land must be named
        ``ERA5-Land_daily``: only then does ``corrector='auto'`` mean yearly corrections, see
        :func:`~oggm_glaunti.coupling.gridded.corrections.resolve_mode`
    """
    name = str(climate_source).strip()
    if not name:
        raise InvalidParamsError(f"{gdir.rgi_id}: climate_source is empty; give a name such as 'ERA5-Land_daily'")
    label, origin, raw = _read(gdir.rgi_id, path, temp_name, prcp_name, time_name)
    days = ds.to_days(label, raw.stamps)
    rows = ds.choose_rows(label, days, years)
    if raw.wrong is not None:
        _refuse(label, raw.wrong.iloc[rows], "cells cannot be used")
    temp_units, prcp_units = _units(label, raw, temp_units, prcp_units)
    temp, prcp = ds.to_celsius(label, raw.temp[rows], temp_units), ds.to_kg_per_day(label, raw.prcp[rows], prcp_units)
    ds.check_values(label, days[rows], temp, prcp)
    places = ((ref_lon, raw.ref_lon, gdir.cenlon), (ref_lat, raw.ref_lat, gdir.cenlat))
    lon, lat = (float(next(degrees for degrees in place if degrees is not None)) for place in places)
    height = ds.choose_height(label, ref_hgt, raw.ref_hgt)
    return ds.DailySeries(days[rows], temp, prcp, height, lon, lat, name, origin)


def check_custom(
    path: str | PathLike[str],
    *,
    ref_hgt: float | None = None,
    temp_units: str | None = None,
    prcp_units: str | None = None,
    temp_name: str = "temp",
    prcp_name: str = "prcp",
    time_name: str | None = None,
    **others: Any,
) -> None:
    """Raise now what :func:`custom` would say of a file and its options for any glacier: names, days, units, height.

    Parameters
    ----------
    path, ref_hgt, temp_units, prcp_units, temp_name, prcp_name, time_name
        see :func:`custom`
    **others
        its other options, which need no file

    Raises
    ------
    InvalidParamsError
        if the file cannot be read, holds no calendar year, or a unit or the height is neither in it nor given
    """
    del others
    label, _, raw = _read("", path, temp_name, prcp_name, time_name)
    ds.span_of_whole_years(label, ds.to_days(label, raw.stamps))
    temp_units, prcp_units = _units(label, raw, temp_units, prcp_units)
    ds.to_celsius(label, 0.0, temp_units)
    ds.to_kg_per_day(label, 0.0, prcp_units)
    ds.choose_height(label, ref_hgt, raw.ref_hgt)


def _read(
    glacier: str, path: str | PathLike[str] | None, temp_name: str, prcp_name: str, time_name: str | None
) -> tuple[str, str, _Raw]:
    """Read a file; return how messages call it, its name and its contents."""
    begin = f"{glacier}: " if glacier else ""
    remedy = "" if path else "; give path= or cfg.PATHS['climate_file']"
    path = Path(path or cfg.PATHS.get("climate_file") or "")
    if not path.is_file():
        raise InvalidParamsError(f"{begin}no climate file '{path}'{remedy}")
    readers: dict[str, Callable[..., _Raw]] = {
        ".csv": _read_csv,
        ".tsv": _read_csv,
        ".txt": _read_csv,
        ".nc": _read_netcdf,
        ".nc4": _read_netcdf,
    }
    if path.suffix.lower() not in readers:
        raise InvalidParamsError(f"{begin}{path.name} is neither of {[*readers]}, the files that can be read")
    label = f"{begin}{path.name}"
    return label, path.name, readers[path.suffix.lower()](label, path, temp_name, prcp_name, time_name)


def _units(label: str, raw: _Raw, temp: str | None, prcp: str | None) -> tuple[str, str]:
    return (
        ds.choose_units(label, "temp_units", temp, raw.temp_units),
        ds.choose_units(label, "prcp_units", prcp, raw.prcp_units),
    )


def _read_csv(label: str, path: Path, *names: str | None) -> _Raw:
    try:
        return _contents(path, *names)
    except InvalidParamsError as err:
        raise InvalidParamsError(f"{label.removesuffix(path.name)}{err}") from err


@remembered(n_files=4)
def _contents(path: Path, temp_name: str, prcp_name: str, time_name: str | None) -> _Raw:
    """Read a table, once for all glaciers."""
    label = path.name
    table = read_table(path, label=label, units_row=True)
    asked = {"time": time_name, "temp": temp_name, "prcp": prcp_name}
    columns = {name: _column(label, table, name, theirs) for name, theirs in asked.items()}
    stamps, wrong = parse_stamps(table[columns["time"]], columns["time"])
    _refuse(label, wrong.mask(stamps.isna() & (wrong == ""), "no date"), "dates cannot be read")
    temp, temp_wrong = parse_numbers(table[columns["temp"]], columns["temp"])
    prcp, prcp_wrong = parse_numbers(table[columns["prcp"]], columns["prcp"])
    # Of a row with more cells than names none can be trusted.
    wrong = table[NOTE].where(table[NOTE] != "", temp_wrong.where(temp_wrong != "", prcp_wrong))
    temp_units, prcp_units = (unit_of(columns[name])[1] for name in ("temp", "prcp"))
    return _Raw(stamps.to_numpy("M8[s]"), temp.to_numpy(), prcp.to_numpy(), temp_units, prcp_units, wrong=wrong)


def _refuse(label: str, wrong: pd.Series, what: str) -> None:
    """Raise InvalidParamsError if something is wrong in a row, with the first rows as the file has them."""
    bad = wrong[wrong != ""]
    if bad.size:
        rows = "; ".join(f"row {row}: {words}" for row, words in bad.iloc[:MOST_NAMED].items())
        more = f"; {bad.size - MOST_NAMED} more" if bad.size > MOST_NAMED else ""
        raise InvalidParamsError(f"{label}: {what}, {rows}{more}")


def _column(label: str, table: pd.DataFrame, name: str, asked: str | None) -> str:
    """Find a column: as it is called, or regardless of case, blanks and unit, or by another usual name."""
    # A table may have both a date and a time, which is the hour: a time that is not asked for is any usual name.
    wanted = asked or name
    plain = {column: unit_of(column)[0] for column in table.columns.drop(NOTE)}
    usual = [column for column, its in plain.items() if its in COLUMN_NAMES[name]] if wanted == name else []
    same = [column for column, its in plain.items() if its == unit_of(wanted)[0]]
    exact = [column for column in plain if column == wanted]
    found = usual if asked is None else exact or same or usual
    if len(found) != 1:
        called = "'time or date'" if asked is None else f"'{asked}'"
        names = ", ".join(plain)
        raise InvalidParamsError(f"{label}: {len(found)} columns {called}; found {names}. Give {name}_name=...")
    if found[0] != wanted:
        log.info("%s: column '%s' is taken as %s", label, found[0], name)
    return found[0]


def _read_netcdf(label: str, path: Path, temp_name: str, prcp_name: str, time_name: str | None) -> _Raw:
    with netcdf.open_netcdf(label, str(path)) as nc:
        time = time_name or next((name for name in netcdf.TIMES if name in nc.variables), netcdf.TIMES[0])
        return _Raw(
            netcdf.read_time(label, nc, name=time),
            netcdf.read_one_series(label, nc, temp_name),
            netcdf.read_one_series(label, nc, prcp_name),
            *(_stated_units(label, nc, name) for name in (temp_name, prcp_name)),
            *(_stated_number(label, nc, name) for name in ("ref_hgt", "ref_pix_lon", "ref_pix_lat")),
        )


def _stated_units(label: str, nc: netCDF4.Dataset, name: str) -> Any:
    return netcdf.read_units(label, nc, name) if "units" in nc.variables[name].ncattrs() else None


def _stated_number(label: str, nc: netCDF4.Dataset, name: str) -> Any:
    return netcdf.read_number(label, nc, name) if name in nc.ncattrs() else None
