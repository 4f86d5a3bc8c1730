"""Daily climate for a glacier directory: one task, one function per source.

A source is a function ``(gdir, request) -> DailySeries`` in :data:`SOURCES`. It reads, converts to known units and
checks; :func:`process_daily_climate` writes what it returns. What the rest of the package reads is
:class:`DailyClimate`, by :func:`read_daily_climate`.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from oggm import cfg, entity_task
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings, shop
from oggm_glaunti.coupling import daily_file, monthly_file
from oggm_glaunti.coupling import daily_series as ds
from oggm_glaunti.coupling.daily_file import DailyClimate, daily_climate_path, read_daily_climate

__all__ = ["SOURCES", "DailyClimate", "daily_climate_path", "process_daily_climate", "read_daily_climate"]

settings.register()

log = logging.getLogger(__name__)

# What OGGM's own baseline is called, and where the same weather comes from with daily steps.
_SOURCE_OF_BASELINE = {"GSWP3_W5E5": "W5E5_daily", "GSWP3_W5E5_daily": "W5E5_daily", "CUSTOM": "custom"}
# Degrees. The points of the flattened files are half a degree apart, so the nearest is within 0.36 of a glacier.
_FARTHEST_POINT = 1.0
# A UTC offset at the end of a time of day, unless it is zero.
_OFFSET = re.compile(r"[T ]\d.*?[+-](?!00(?::?00)?\s*$)\d{2}(?::?\d{2})?\s*$")


@dataclass(frozen=True)
class Request:
    """What the caller of :func:`process_daily_climate` said about the weather; None is "not said"."""

    y0: int | None = None
    y1: int | None = None
    path: str | os.PathLike[str] | None = None
    ref_hgt: float | None = None
    ref_lon: float | None = None
    ref_lat: float | None = None
    temp_units: str | None = None
    prcp_units: str | None = None
    temp_name: str | None = None
    prcp_name: str | None = None
    time_name: str | None = None
    climate_source: str | None = None


@entity_task(log, writes=["climate_historical"])
def process_daily_climate(
    gdir: Any,
    source: str | None = None,
    path: str | os.PathLike[str] | None = None,
    *,
    ref_hgt: float | None = None,
    ref_lon: float | None = None,
    ref_lat: float | None = None,
    temp_units: str | None = None,
    prcp_units: str | None = None,
    temp_name: str | None = None,
    prcp_name: str | None = None,
    time_name: str | None = None,
    climate_source: str | None = None,
    y0: int | None = None,
    y1: int | None = None,
    also_monthly: bool = False,
    overwrite_monthly: bool = False,
    filesuffix: str = settings.DAILY_SUFFIX,
) -> None:
    """Write daily weather to the glacier directory, as ``climate_historical_daily.nc``.

    Incomplete first and last calendar years are left out and named in the log. Everything else that is not as it
    should be is an error: days missing, twice or out of order, NaN, temperatures outside -90..60 degC, precipitation
    that is negative or above 2 m a day, units neither in the file nor given.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    source : {'W5E5_daily', 'custom'}, optional
        ``W5E5_daily`` is GSWP3-W5E5 (1901-2019, half a degree) from OGGM's server, ``custom`` a file of yours. When
        not said, ``cfg.PARAMS['baseline_climate']`` decides (GSWP3_W5E5 or CUSTOM).
    path : str or path, optional
        custom: NetCDF (.nc) or CSV (.csv) file, else ``cfg.PATHS['climate_file']``
    ref_hgt : float, optional
        custom: height (m) the temperature is for, unless the NetCDF has it as attribute ``ref_hgt``
    ref_lon, ref_lat : float, optional
        custom: where the weather is for (degrees), else the attributes ``ref_pix_lon`` and ``ref_pix_lat``, else the
        glacier's centre. Not used by the model.
    temp_units : {'degC', 'K'}, optional
        custom: unit of temperature, unless the NetCDF says it
    prcp_units : {'mm/day', 'kg m-2 day-1', 'kg m-2 s-1', 'm/day'}, optional
        custom: unit of precipitation, unless the NetCDF says it
    temp_name, prcp_name, time_name : str, optional
        custom: names of variables or columns, if not ``temp``, ``prcp`` and ``time`` (in a CSV also ``date``)
    climate_source : str, optional
        custom: what the weather is called in the file and everything made from it, ``CUSTOM_daily`` where not said.
        Weather of ERA5-Land must be named so (``ERA5-Land_daily``): only then does ``corrector='auto'`` mean yearly
        corrections, see :func:`~oggm_glaunti.coupling.corrections.resolve_mode`
    y0, y1 : int, optional
        first and last calendar year to take, both included; only these are checked for gaps and impossible values
    also_monthly : bool
        write OGGM's monthly ``climate_historical.nc`` too (mean and standard deviation of the daily temperatures, sum
        of precipitation), so that OGGM's own tasks need no other source
    overwrite_monthly : bool
        let `also_monthly` replace a monthly file made from another source
    filesuffix : str
        of the file written; must hold ``_daily``

    Raises
    ------
    InvalidParamsError
        where the data are not usable; it names glacier, file, variable and dates
    InvalidWorkflowError
        where a file cannot be downloaded, or a monthly file of another source is in the way

    Examples
    --------
    >>> process_daily_climate(  # doctest: +SKIP
    ...     gdir, source="custom", path="station.csv", temp_units="degC", prcp_units="mm/day", ref_hgt=2919.0
    ... )
    """
    if settings.DAILY_SUFFIX not in filesuffix:
        raise InvalidParamsError(f"{gdir.rgi_id}: filesuffix {filesuffix!r} must hold {settings.DAILY_SUFFIX!r}")
    names = temp_name, prcp_name, time_name, climate_source
    request = Request(y0, y1, path, ref_hgt, ref_lon, ref_lat, temp_units, prcp_units, *names)
    series = SOURCES[_choose_source(gdir, source)](gdir, request)
    monthly_suffix = filesuffix.replace(settings.DAILY_SUFFIX, "", 1)
    if also_monthly and not overwrite_monthly:
        monthly_file.require_same_source(gdir, monthly_suffix, series.source)
    daily_file.write_daily_climate(gdir, series, filesuffix)
    if also_monthly:
        monthly_file.write_monthly(gdir, series, monthly_suffix)


def _choose_source(gdir: Any, source: str | None) -> str:
    baseline = cfg.PARAMS["baseline_climate"]
    chosen = _SOURCE_OF_BASELINE.get(baseline, baseline) if source is None else source
    if chosen not in SOURCES:
        said = f"source={source!r}" if source is not None else f"cfg.PARAMS['baseline_climate'] {baseline!r}"
        raise InvalidParamsError(f"{gdir.rgi_id}: {said} has no daily weather here; give source= one of {[*SOURCES]}")
    return chosen


def _choose_rows(label: str, days: NDArray[np.datetime64], request: Request) -> slice:
    """Rows of the years asked for; incomplete years at the ends are left out and logged."""
    first, last = ds.whole_years(label, days)
    cropped = days[(ds.calendar_years(days) < first) | (ds.calendar_years(days) > last)]
    if cropped.size:
        log.warning("%s: incomplete calendar years left out: %s", label, ds.spell(cropped))
    ys, ye = (first if request.y0 is None else int(request.y0)), (last if request.y1 is None else int(request.y1))
    daily_file.require_years(label, (first, last), ys, ye)
    return ds.rows_of_years(label, days, ys, ye)


# --- source: a file of the user's ------------------------------------------------------------------------------------


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
    rows = _choose_rows(label, days, request)
    temp = ds.to_celsius(label, raw.temp[rows], _units(label, "temp_units", request.temp_units, raw.temp_units))
    prcp = ds.to_kg_per_day(label, raw.prcp[rows], _units(label, "prcp_units", request.prcp_units, raw.prcp_units))
    ds.check_values(label, days[rows], temp, prcp)
    lon = _first_said(request.ref_lon, raw.ref_lon, gdir.cenlon)
    lat = _first_said(request.ref_lat, raw.ref_lat, gdir.cenlat)
    height = _height(label, request.ref_hgt, raw.ref_hgt)
    return ds.DailySeries(days[rows], temp, prcp, height, lon, lat, name, path.name)


def _first_said(*values: float | None) -> float:
    return float(next(value for value in values if value is not None))


def _units(label: str, name: str, given: str | None, in_file: str | None) -> str:
    if given is None and in_file is None:
        raise InvalidParamsError(f"{label}: units are neither in the file nor given; say {name}=...")
    if given is not None and in_file is not None and not ds.same_unit(given, in_file):
        raise InvalidParamsError(f"{label}: the file says '{in_file}', {name} says '{given}'; correct the wrong one")
    return given if given is not None else str(in_file)


def _height(label: str, given: float | None, in_file: float | None) -> float:
    if given is None and in_file is None:
        raise InvalidParamsError(f"{label}: no attribute ref_hgt; give the height the temperature is for, ref_hgt= (m)")
    if given is not None and in_file is not None and abs(given - in_file) > 0.5:
        raise InvalidParamsError(f"{label}: ref_hgt is {in_file:g} m in the file, {given:g} m given; correct one")
    height = _first_said(given, in_file)
    if not -500 < height < 9000:
        raise InvalidParamsError(f"{label}: ref_hgt is {height:g}; expected metres above sea level, -500 to 9000")
    return height


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


# --- source: GSWP3-W5E5 ----------------------------------------------------------------------------------------------


def w5e5_daily(gdir: Any, request: Request) -> ds.DailySeries:
    """GSWP3-W5E5 of the point nearest to the glacier, from the files that OGGM flattened to glacier points.

    Only the one point's series are read. W5E5: Lange et al. 2021, doi 10.48364/ISIMIP.342217.
    """
    said = [f.name for f in fields(request) if f.name not in ("y0", "y1") and getattr(request, f.name) is not None]
    if said:
        raise InvalidParamsError(f"{gdir.rgi_id}: {', '.join(said)} go with source='custom', not with 'W5E5_daily'")
    files = {key: _download(gdir, key) for key in ("tmp", "prcp", "inv")}
    days, temp, where = _w5e5_series(gdir, files["tmp"], "tas", "K", request)
    prcp_days, prcp, prcp_where = _w5e5_series(gdir, files["prcp"], "pr", "kg m-2 s-1", request)
    height, inv_where = _w5e5_height(gdir, files["inv"])
    label = f"{gdir.rgi_id}: {os.path.basename(files['prcp'])}"
    same_place = np.allclose(where, prcp_where, atol=1e-3) and np.allclose(where, inv_where, atol=1e-3)
    if not (same_place and np.array_equal(days, prcp_days)):
        raise InvalidParamsError(
            f"{label}: the three files do not belong together. Nearest points: tas {where}, pr {prcp_where}, ASurf "
            f"{inv_where}; days: tas {days[0]}..{days[-1]}, pr {prcp_days[0]}..{prcp_days[-1]}. Download them again."
        )
    temp, prcp = ds.to_celsius(label, *temp), ds.to_kg_per_day(label, *prcp)
    ds.check_values(label, days, temp, prcp)
    origin = ", ".join(os.path.basename(path) for path in files.values())
    lon = where[0] - 360 if where[0] > 180 else where[0]
    return ds.DailySeries(days, temp, prcp, height, lon, where[1], "GSWP3_W5E5_daily", origin)


def _w5e5_series(
    gdir: Any, path: str, name: str, units: str, request: Request
) -> tuple[NDArray[np.datetime64], tuple[NDArray[np.floating], str], tuple[float, float]]:
    """Days, (values, units) and place of the nearest point's series."""
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    with daily_file.open_netcdf(label, path) as nc:
        point, where = _nearest_point(gdir, label, nc)
        days = ds.to_days(label, daily_file.read_time(label, nc))
        rows = _choose_rows(label, days, request)
        var = daily_file.read_variable(label, nc, name)
        values = np.ma.masked_array(_pick(label, var, {"time": rows, "points": point})).filled(np.nan)
        return days[rows], (values, getattr(var, "units", units)), where


def _w5e5_height(gdir: Any, path: str) -> tuple[float, tuple[float, float]]:
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    with daily_file.open_netcdf(label, path) as nc:
        point, where = _nearest_point(gdir, label, nc)
        height = _pick(label, daily_file.read_variable(label, nc, "ASurf"), {"time": 0, "points": point})
        return _height(label, None, float(np.ma.filled(height, np.nan))), where


def _pick(label: str, var: netCDF4.Variable, index: dict[str, Any]) -> Any:
    if not set(var.dimensions) <= set(index):
        raise InvalidParamsError(f"{label}: '{var.name}' has dimensions {var.dimensions}; expected (time, points)")
    return var[tuple(index[name] for name in var.dimensions)]


def _nearest_point(gdir: Any, label: str, nc: netCDF4.Dataset) -> tuple[int, tuple[float, float]]:
    """Index, longitude (0..360) and latitude of the nearest point, in degrees as OGGM's monthly reader measures it."""
    lon = np.ma.filled(daily_file.read_variable(label, nc, "longitude")[:], np.nan).astype(np.float64)
    lat = np.ma.filled(daily_file.read_variable(label, nc, "latitude")[:], np.nan).astype(np.float64)
    eastward = (lon - gdir.cenlon + 180) % 360 - 180
    distance = np.hypot(eastward, lat - gdir.cenlat)
    point = int(np.argmin(distance))
    if not distance[point] < _FARTHEST_POINT:
        raise InvalidParamsError(
            f"{label}: the nearest of {lon.size} points is {distance[point]:.1f} degrees from the glacier at "
            f"{gdir.cenlon:.3f}, {gdir.cenlat:.3f}; expected less than {_FARTHEST_POINT:g}"
        )
    return point, (float(lon[point]) % 360, float(lat[point]))


def _download(gdir: Any, key: str) -> str:
    """Local path of one of the flattened files, from OGGM's cache or its server."""
    server = str(settings.param("glaunti_w5e5_daily_server")).rstrip("/")
    url = f"{server}/{settings.param('glaunti_w5e5_daily_basenames')[key]}"
    try:
        return str(shop.download(url))
    except FileNotFoundError as err:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {err} Or set cfg.PARAMS['glaunti_w5e5_daily_server'] to a copy of the server, or use "
            "source='custom' with weather of your own."
        ) from err


SOURCES: dict[str, Callable[[Any, Request], ds.DailySeries]] = {"W5E5_daily": w5e5_daily, "custom": custom}
