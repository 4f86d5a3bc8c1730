"""Source of daily weather: GSWP3-W5E5 of OGGM's server, flattened to the points of the world with glaciers."""

from __future__ import annotations

import os
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings, shop
from oggm_glaunti.coupling.weather import file as daily_file, series as ds
from oggm_glaunti.coupling.weather.request import Request, choose_height, choose_rows, refuse_others

# Degrees. The points of the flattened files are half a degree apart, so the nearest is within 0.36 of a glacier.
_FARTHEST_POINT = 1.0


def w5e5_daily(gdir: Any, request: Request) -> ds.DailySeries:
    """GSWP3-W5E5 of the point nearest to the glacier, from the files that OGGM flattened to glacier points.

    Only the one point's series are read. W5E5: Lange et al. 2021, doi 10.48364/ISIMIP.342217.
    """
    refuse_others(gdir, "W5E5_daily", request, ())
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
        rows = choose_rows(label, days, request)
        var = daily_file.read_variable(label, nc, name)
        values = np.ma.masked_array(_pick(label, var, {"time": rows, "points": point})).filled(np.nan)
        return days[rows], (values, getattr(var, "units", units)), where


def _w5e5_height(gdir: Any, path: str) -> tuple[float, tuple[float, float]]:
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    with daily_file.open_netcdf(label, path) as nc:
        point, where = _nearest_point(gdir, label, nc)
        height = _pick(label, daily_file.read_variable(label, nc, "ASurf"), {"time": 0, "points": point})
        return choose_height(label, None, float(np.ma.filled(height, np.nan))), where


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
