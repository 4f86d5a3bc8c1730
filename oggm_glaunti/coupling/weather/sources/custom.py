"""Source of daily weather: a NetCDF or CSV file of the user's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from oggm import GlacierDirectory, cfg
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather import netcdf, series as ds

# A UTC offset at the end of a time of day, unless it is zero.
_OFFSET = re.compile(r"[T ]\d.*?[+-](?!00(?::?00)?\s*$)\d{2}(?::?\d{2})?\s*$")


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
        names of the variables or columns
    time_name : str, optional
        name of the time variable or column; default: ``time``, in a CSV also ``date``
    climate_source : str
        name of the weather in the file and in everything made from it. Weather of ERA5-Land must be named
        ``ERA5-Land_daily``: only then does ``corrector='auto'`` mean yearly corrections, see
        :func:`~oggm_glaunti.coupling.gridded.corrections.resolve_mode`
    """
    name = str(climate_source).strip()
    if not name:
        raise InvalidParamsError(f"{gdir.rgi_id}: climate_source is empty; give a name such as 'ERA5-Land_daily'")
    path = Path(path or cfg.PATHS.get("climate_file") or "")
    if not path.is_file():
        raise InvalidParamsError(f"{gdir.rgi_id}: no climate file '{path}'; give path= or cfg.PATHS['climate_file']")
    readers = {".csv": _read_csv, ".nc": _read_netcdf, ".nc4": _read_netcdf}
    if path.suffix.lower() not in readers:
        raise InvalidParamsError(f"{gdir.rgi_id}: {path.name} is neither of {[*readers]}, the files that can be read")
    label = f"{gdir.rgi_id}: {path.name}"
    raw = readers[path.suffix.lower()](label, path, temp_name, prcp_name, time_name)
    days = ds.to_days(label, raw.stamps)
    rows = ds.choose_rows(label, days, years)
    temp = ds.to_celsius(label, raw.temp[rows], ds.choose_units(label, "temp_units", temp_units, raw.temp_units))
    prcp = ds.to_kg_per_day(label, raw.prcp[rows], ds.choose_units(label, "prcp_units", prcp_units, raw.prcp_units))
    ds.check_values(label, days[rows], temp, prcp)
    places = ((ref_lon, raw.ref_lon, gdir.cenlon), (ref_lat, raw.ref_lat, gdir.cenlat))
    lon, lat = (float(next(degrees for degrees in place if degrees is not None)) for place in places)
    height = ds.choose_height(label, ref_hgt, raw.ref_hgt)
    return ds.DailySeries(days[rows], temp, prcp, height, lon, lat, name, path.name)


def _read_csv(label: str, path: Path, temp_name: str, prcp_name: str, time_name: str | None) -> _Raw:
    try:
        table = pd.read_csv(path, low_memory=False)
    except (ValueError, OSError) as err:
        raise InvalidParamsError(f"{label} cannot be read as CSV with a header line: {err}") from err
    dates = _column(label, table, "time_name", *((time_name,) if time_name else ("time", "date")))
    _refuse_offsets(label, dates.astype(str))
    stamps = pd.to_datetime(dates.astype(str), format="ISO8601", errors="coerce", utc=True)
    if stamps.isna().any():
        bad = dates[stamps.isna()]
        raise InvalidParamsError(
            f"{label}: {bad.size} dates are not YYYY-MM-DD, first in row {bad.index[0]}: {bad.iloc[0]}"
        )
    columns = _column(label, table, "temp_name", temp_name), _column(label, table, "prcp_name", prcp_name)
    temp, prcp = (pd.to_numeric(column, errors="coerce").to_numpy(np.float64) for column in columns)
    return _Raw(stamps.dt.tz_localize(None).to_numpy("M8[s]"), temp, prcp)


def _refuse_offsets(label: str, dates: pd.Series) -> None:
    """Refuse UTC offsets, since it cannot be known whether the days are meant to be moved to those in UTC."""
    bad = dates[dates.str.contains(_OFFSET)]
    if bad.size:
        raise InvalidParamsError(
            f"{label}: {bad.size} dates have a UTC offset, first in row {bad.index[0]}: {bad.iloc[0]}. Give local or "
            "UTC calendar days without offset (YYYY-MM-DD)."
        )


def _column(label: str, table: pd.DataFrame, argument: str, *names: str) -> pd.Series:
    found = [name for name in names if name in table]
    if len(found) != 1:
        raise InvalidParamsError(
            f"{label}: {len(found)} columns '{' or '.join(names)}'; found {', '.join(map(str, table.columns))}. Give "
            f"{argument}=..."
        )
    return table[found[0]]


def _read_netcdf(label: str, path: Path, temp_name: str, prcp_name: str, time_name: str | None) -> _Raw:
    with netcdf.open_netcdf(label, str(path)) as nc:
        return _Raw(
            netcdf.read_time(label, nc, name=time_name or "time"),
            netcdf.read_one_series(label, nc, temp_name),
            netcdf.read_one_series(label, nc, prcp_name),
            *(getattr(nc.variables[name], "units", None) for name in (temp_name, prcp_name)),
            *(getattr(nc, name, None) for name in ("ref_hgt", "ref_pix_lon", "ref_pix_lat")),
        )
