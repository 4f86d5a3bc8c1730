"""Source of daily weather: GSWP3-W5E5 of OGGM's server, flattened to the points of the world with glaciers."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm import GlacierDirectory
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings, shop
from oggm_glaunti.coupling.weather import netcdf, series as ds

# Degrees. The points of the flattened files are half a degree apart, so the nearest is within 0.36 of a glacier.
_FARTHEST_POINT = 1.0


def w5e5_daily(gdir: GlacierDirectory, years: ds.Years) -> ds.DailySeries:
    """Read GSWP3-W5E5 (1901-2019, half a degree) at the point nearest to the glacier; there are no options.

    The files are those that OGGM flattened to glacier points, from its server or download cache; only the one point's
    series are read. W5E5: Lange et al. 2021, doi 10.48364/ISIMIP.342217.
    """
    files = {key: _download(gdir, key) for key in ("tmp", "prcp", "inv")}
    temp = _series_at_point(gdir, files["tmp"], "tas", "K", years)
    prcp = _series_at_point(gdir, files["prcp"], "pr", "kg m-2 s-1", years)
    height, place = _height_at_point(gdir, files["inv"])
    label = f"{gdir.rgi_id}: {os.path.basename(files['prcp'])}"
    days = temp.days
    same_place = np.allclose(temp.place, prcp.place, atol=1e-3) and np.allclose(temp.place, place, atol=1e-3)
    if not (same_place and np.array_equal(days, prcp.days)):
        raise InvalidParamsError(
            f"{label}: the three files do not belong together. Nearest points: tas {temp.place}, pr {prcp.place}, "
            f"ASurf {place}; days: tas {days[0]}..{days[-1]}, pr {prcp.days[0]}..{prcp.days[-1]}. Download them again."
        )
    celsius, amounts = ds.to_celsius(label, temp.values, temp.units), ds.to_kg_per_day(label, prcp.values, prcp.units)
    ds.check_values(label, days, celsius, amounts)
    origin = ", ".join(os.path.basename(path) for path in files.values())
    lon, lat = temp.place
    lon = lon - 360 if lon > 180 else lon
    return ds.DailySeries(days, celsius, amounts, height, lon, lat, "GSWP3_W5E5_daily", origin)


class _PointSeries(NamedTuple):
    """A variable at the nearest point, whose longitude (0..360) and latitude are `place`."""

    days: NDArray[np.datetime64]
    values: NDArray[np.floating]
    units: str
    place: tuple[float, float]


def _series_at_point(gdir: GlacierDirectory, path: str, name: str, units: str, years: ds.Years) -> _PointSeries:
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    with netcdf.open_netcdf(label, path) as nc:
        point, place = _nearest_point(gdir, label, nc)
        days = ds.to_days(label, netcdf.read_time(label, nc))
        rows = ds.choose_rows(label, days, years)
        var = netcdf.read_variable(label, nc, name)
        values = _pick(label, var, {"time": rows, "points": point})
        return _PointSeries(days[rows], values, str(getattr(var, "units", units)), place)


def _height_at_point(gdir: GlacierDirectory, path: str) -> tuple[float, tuple[float, float]]:
    label = f"{gdir.rgi_id}: {os.path.basename(path)}"
    with netcdf.open_netcdf(label, path) as nc:
        point, place = _nearest_point(gdir, label, nc)
        height = _pick(label, netcdf.read_variable(label, nc, "ASurf"), {"time": 0, "points": point})
        return ds.choose_height(label, None, float(height)), place


def _pick(label: str, var: netCDF4.Variable, index: dict[str, Any]) -> Any:
    if not set(var.dimensions) <= set(index):
        raise InvalidParamsError(f"{label}: '{var.name}' has dimensions {var.dimensions}; expected (time, points)")
    return netcdf.read_values(label, var, tuple(index[name] for name in var.dimensions))


def _nearest_point(gdir: GlacierDirectory, label: str, nc: netCDF4.Dataset) -> tuple[int, tuple[float, float]]:
    """Return index, longitude (0..360) and latitude of the nearest point, in degrees as in OGGM's monthly reader."""
    lon, lat = (
        netcdf.read_values(label, netcdf.read_variable(label, nc, name)).astype(np.float64)
        for name in ("longitude", "latitude")
    )
    eastward = (lon - gdir.cenlon + 180) % 360 - 180
    distance = np.hypot(eastward, lat - gdir.cenlat)
    point = int(np.argmin(distance))
    if not distance[point] < _FARTHEST_POINT:
        raise InvalidParamsError(
            f"{label}: the nearest of {lon.size} points is {distance[point]:.1f} degrees from the glacier at "
            f"{gdir.cenlon:.3f}, {gdir.cenlat:.3f}; expected less than {_FARTHEST_POINT:g}"
        )
    return point, (float(lon[point]) % 360, float(lat[point]))


def _download(gdir: GlacierDirectory, key: str) -> str:
    """Return the local path of one of the flattened files, from OGGM's cache or its server."""
    server = str(settings.param("glaunti_w5e5_daily_server")).rstrip("/")
    url = f"{server}/{settings.param('glaunti_w5e5_daily_basenames')[key]}"
    try:
        return str(shop.download(url))
    except FileNotFoundError as err:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {err} Or set cfg.PARAMS['glaunti_w5e5_daily_server'] to a copy of the server, or use "
            "source='custom' with weather of your own."
        ) from err
