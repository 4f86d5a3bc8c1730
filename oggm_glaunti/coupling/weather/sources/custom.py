"""Source of daily weather: a NetCDF or CSV file of the user's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from oggm import cfg
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather import file as daily_file, series as ds
from oggm_glaunti.coupling.weather.request import (
    Request,
    choose_height,
    choose_rows,
    choose_units,
    first_said,
    refuse_others,
)

_CUSTOM = (
    *("path", "ref_hgt", "ref_lon", "ref_lat", "temp_units", "prcp_units"),
    *("temp_name", "prcp_name", "time_name", "climate_source"),
)


# A UTC offset at the end of a time of day, unless it is zero.
_OFFSET = re.compile(r"[T ]\d.*?[+-](?!00(?::?00)?\s*$)\d{2}(?::?\d{2})?\s*$")


@dataclass(frozen=True)
class _Raw:
    """What a file holds, before anything is checked; None is "the file does not say"."""

    stamps: NDArray[np.datetime64]
    temp: NDArray[np.floating]
    prcp: NDArray[np.floating]
    temp_units: str | None = None
    prcp_units: str | None = None
    ref_hgt: float | None = None
    ref_lon: float | None = None
    ref_lat: float | None = None


def custom(gdir: Any, request: Request) -> ds.DailySeries:
    """Weather from a NetCDF or CSV file of one series; see :func:`process_daily_climate`."""
    refuse_others(gdir, "custom", request, _CUSTOM)
    name = "CUSTOM_daily" if request.climate_source is None else str(request.climate_source).strip()
    if not name:
        raise InvalidParamsError(f"{gdir.rgi_id}: climate_source is empty; give a name such as 'ERA5-Land_daily'")
    path = Path(request.path or cfg.PATHS.get("climate_file") or "")
    if not path.is_file():
        raise InvalidParamsError(f"{gdir.rgi_id}: no climate file '{path}'; give path= or cfg.PATHS['climate_file']")
    readers = {".csv": _read_csv, ".nc": _read_netcdf, ".nc4": _read_netcdf}
    if path.suffix.lower() not in readers:
        raise InvalidParamsError(f"{gdir.rgi_id}: {path.name} is neither of {[*readers]}, the files that can be read")
    label = f"{gdir.rgi_id}: {path.name}"
    raw = readers[path.suffix.lower()](label, path, request)
    days = ds.to_days(label, raw.stamps)
    rows = choose_rows(label, days, request)
    temp = ds.to_celsius(label, raw.temp[rows], choose_units(label, "temp_units", request.temp_units, raw.temp_units))
    prcp = ds.to_kg_per_day(
        label, raw.prcp[rows], choose_units(label, "prcp_units", request.prcp_units, raw.prcp_units)
    )
    ds.check_values(label, days[rows], temp, prcp)
    lon = first_said(request.ref_lon, raw.ref_lon, gdir.cenlon)
    lat = first_said(request.ref_lat, raw.ref_lat, gdir.cenlat)
    height = choose_height(label, request.ref_hgt, raw.ref_hgt)
    return ds.DailySeries(days[rows], temp, prcp, height, lon, lat, name, path.name)


def _read_csv(label: str, path: Path, request: Request) -> _Raw:
    try:
        table = pd.read_csv(path, low_memory=False)
    except (ValueError, OSError) as err:
        raise InvalidParamsError(f"{label} cannot be read as CSV with a header line: {err}") from err
    dates = _column(label, table, "time_name", request.time_name, ("time", "date"))
    _refuse_offsets(label, dates.astype(str))
    stamps = pd.to_datetime(dates.astype(str), format="ISO8601", errors="coerce", utc=True)
    if stamps.isna().any():
        bad = dates[stamps.isna()]
        raise InvalidParamsError(
            f"{label}: {bad.size} dates are not YYYY-MM-DD, first in row {bad.index[0]}: {bad.iloc[0]}"
        )
    temp = _column(label, table, "temp_name", request.temp_name, ("temp",))
    prcp = _column(label, table, "prcp_name", request.prcp_name, ("prcp",))
    return _Raw(
        stamps.dt.tz_localize(None).to_numpy("M8[s]"),
        pd.to_numeric(temp, errors="coerce").to_numpy(np.float64),
        pd.to_numeric(prcp, errors="coerce").to_numpy(np.float64),
    )


def _refuse_offsets(label: str, dates: pd.Series) -> None:
    """An offset would have to move days to the calendar day in UTC or leave them: which is meant cannot be known."""
    bad = dates[dates.str.contains(_OFFSET)]
    if bad.size:
        raise InvalidParamsError(
            f"{label}: {bad.size} dates have a UTC offset, first in row {bad.index[0]}: {bad.iloc[0]}. Give local or "
            "UTC calendar days without offset (YYYY-MM-DD)."
        )


def _column(label: str, table: pd.DataFrame, argument: str, name: str | None, usual: tuple[str, ...]) -> pd.Series:
    found = [column for column in ((name,) if name else usual) if column in table]
    if len(found) != 1:
        wanted = name or " or ".join(usual)
        raise InvalidParamsError(
            f"{label}: {len(found)} columns '{wanted}'; found {', '.join(map(str, table.columns))}. Say {argument}=..."
        )
    return table[found[0]]


def _read_netcdf(label: str, path: Path, request: Request) -> _Raw:
    temp, prcp = request.temp_name or "temp", request.prcp_name or "prcp"
    with daily_file.open_netcdf(label, str(path)) as nc:
        return _Raw(
            daily_file.read_time(label, nc, name=request.time_name or "time"),
            daily_file.read_series(label, nc, temp),
            daily_file.read_series(label, nc, prcp),
            getattr(nc.variables[temp], "units", None),
            getattr(nc.variables[prcp], "units", None),
            getattr(nc, "ref_hgt", None),
            getattr(nc, "ref_pix_lon", None),
            getattr(nc, "ref_pix_lat", None),
        )
