"""Source of daily weather: ERA5-Land as users download it, NetCDF or Zarr, hourly or daily, one file or many."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from oggm import GlacierDirectory
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.coupling.oggm.netcdf_classic import require_whole
from oggm_glaunti.coupling.weather import series as ds
from oggm_glaunti.coupling.weather.netcdf import LATITUDES, LONGITUDES, TIMES, unreadable
from oggm_glaunti.coupling.weather.times import decode_time

_SOURCE = "ERA5-Land_daily"
# m. Packed files of 16 bits round accumulations; a fall by more is no accumulation.
_ROUNDING = 1e-4
_HOUR = np.timedelta64(1, "h")
_Path = str | PathLike[str]
_Given = _Path | Sequence[_Path] | None
# Days (D,) and a value of each; hours of days (D, 24) to such values.
_Daily = tuple[NDArray[np.datetime64], NDArray[np.floating]]
_Reduce = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_AMOUNTS = {"m": "m/day", "mofwaterequivalent": "m/day", "mm": "mm/day", "kgm-2": "mm/day", "kgm**-2": "mm/day"}
_TEMP_NAMES = ("t2m", "temperature_2m", "2m_temperature")
# Accumulated since 00 UTC, amounts of the hour before the stamp, amounts of the stamp's own day.
_ACCUMULATED = ("tp", "total_precipitation")
_HOURLY, _OF_THE_DAY = "total_precipitation_hourly", "total_precipitation_sum"
_HEIGHT_NAMES = ("z", "geopotential", "hgt", "elevation", "orography")
_GRAVITY = 9.80665  # m s-2, by which the ECMWF divides geopotential
# Degrees. Cells are 0.1 degree wide, so the nearest centre is within 0.08 of a glacier; twice that for coarsened files.
_FARTHEST_CELL = 0.2


@dataclass(frozen=True, eq=False)
class _CellSeries:
    """One variable at the nearest cell, in time."""

    name: str
    stamps: NDArray[np.datetime64]
    values: NDArray[np.float64]
    units: str | None

    @property
    def is_hourly(self) -> bool:
        """Whether the steps are shorter than a day."""
        return self.stamps.size > 1 and np.median(np.diff(self.stamps).astype("m8[s]").astype(float)) < 86400


@dataclass(frozen=True, eq=False)
class _Cell:
    """What files of ERA5-Land hold at the cell nearest to a glacier.

    Attributes
    ----------
    label : str
        glacier and files, for messages
    place : (float, float)
        longitude (-180 to 180) and latitude of the cell's centre
    temp, prcp : _CellSeries
    heights : list of float
        heights of the cell in the files, m; empty if they have none
    origin : str
        names of the files
    """

    label: str
    place: tuple[float, float]
    temp: _CellSeries
    prcp: _CellSeries
    heights: list[float]
    origin: str


def era5_land(
    gdir: GlacierDirectory,
    years: ds.Years,
    *,
    path: _Given = None,
    orography: _Path | None = None,
    ref_hgt: float | None = None,
    temp_units: str | None = None,
    prcp_units: str | None = None,
    temp_name: str | None = None,
    prcp_name: str | None = None,
) -> ds.DailySeries:
    """Read the ERA5-Land cell nearest to the glacier.

    Days are those of UTC. Hourly ``tp`` is accumulated since 00 UTC: the value at 00 UTC is the sum of the day before.

    Parameters
    ----------
    gdir, years
        see :data:`~oggm_glaunti.coupling.weather.task.SOURCES`
    path : path or sequence of paths
        NetCDF file or Zarr folder, or several (years, or temperature and precipitation, in files of their own)
    orography : path, optional
        file with the geopotential or height of the cells, if the weather's files have none
    ref_hgt : float, optional
        height (m) of the cell, if no file has it
    temp_units : {'degC', 'K'}, optional
        unit of temperature; default: that in the files
    prcp_units : {'mm/day', 'kg m-2 day-1', 'kg m-2 s-1', 'm/day'}, optional
        unit of precipitation, for hourly data that of a day's sum; default: that in the files
    temp_name, prcp_name : str, optional
        names of the two variables, if the usual ones do not find them or a file has several
    """
    cell = _read_cell(gdir, path, temp_name, prcp_name)
    label = cell.label
    days, temp = _daily_temp(label, cell.temp, temp_units)
    prcp_days, prcp = _daily_prcp(label, cell.prcp, prcp_units)
    days, in_temp, in_prcp = np.intersect1d(days, prcp_days, return_indices=True)
    if days.size == 0:
        raise InvalidParamsError(f"{label}: temperature and precipitation have no day in common")
    rows = ds.choose_rows(label, days, years)
    days, temp, prcp = days[rows], temp[in_temp][rows], prcp[in_prcp][rows]
    ds.check_values(label, days, temp, prcp, f"{ds.CHOOSE_YEARS} Cells on the sea have no values.")
    height = _choose_cell_height(gdir, cell, orography, ref_hgt)
    return ds.DailySeries(days, temp, prcp, height, *cell.place, _SOURCE, cell.origin)


# --- days -------------------------------------------------------------------------------------------------------------


def _daily_temp(label: str, series: _CellSeries, given: str | None) -> _Daily:
    units = ds.choose_units(label, "temp_units", given, series.units)
    if not series.is_hourly:
        return ds.to_days(label, series.stamps), ds.to_celsius(label, series.values, units)
    days, mean = _whole_days(label, series, series.stamps, lambda hours: hours.mean(axis=1))
    return days, ds.to_celsius(label, mean, units)


def _daily_prcp(label: str, series: _CellSeries, given: str | None) -> _Daily:
    units = ds.choose_units(label, "prcp_units", given, series.units)
    units = _AMOUNTS.get(units.lower().replace(" ", ""), units)
    days, sums = (_sums_of_hours if series.is_hourly else _sums_of_days)(label, series)
    amounts = ds.to_kg_per_day(label, sums, units)
    # Packing and interpolation leave traces below zero; more than that is an error, found later.
    return days, np.where((amounts < 0) & (amounts > -1000 * _ROUNDING), np.float32(0), amounts)


def _sums_of_days(label: str, series: _CellSeries) -> _Daily:
    days = ds.to_days(label, series.stamps)
    if series.name in _ACCUMULATED and (series.stamps == days).all():
        raise InvalidParamsError(
            f"{label}: daily '{series.name}' at 00 UTC may be the sum of the day before (ERA5-Land's accumulations) or "
            f"of the day itself (daily statistics). Take hourly data, or shift the times to the day the amount fell on "
            f"and rename the variable to '{_OF_THE_DAY}'."
        )
    return days, series.values


def _sums_of_hours(label: str, series: _CellSeries) -> _Daily:
    """Return daily sums of hourly data, whose stamps end the hour: the day of 00 UTC is the day before."""
    ends = series.stamps - _HOUR
    if series.name == _HOURLY:
        return _whole_days(label, series, ends, lambda hours: hours.sum(axis=1))
    days, falls = _whole_days(label, series, ends, lambda hours: np.diff(hours, axis=1).min(axis=1))
    if (falls < -_ROUNDING).any():
        bad = days[falls < -_ROUNDING]
        raise InvalidParamsError(
            f"{label}: '{series.name}' falls within {bad.size} of {days.size} days, so it is not accumulated since 00 "
            f"UTC as in ERA5-Land: {ds.spell(bad)}. If it holds the amounts of single hours, rename it to '{_HOURLY}'."
        )
    return _whole_days(label, series, ends, lambda hours: hours[:, -1])


def _whole_days(label: str, series: _CellSeries, stamps: NDArray[np.datetime64], reduce: _Reduce) -> _Daily:
    """Reduce days with all 24 hours; incomplete days at both ends are left out, between them they are an error."""
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


# --- files ------------------------------------------------------------------------------------------------------------


def _read_cell(gdir: GlacierDirectory, given: _Given, temp_name: str | None, prcp_name: str | None) -> _Cell:
    """Read series and height at the cell nearest to the glacier, from one file or several of one grid."""
    paths = _existing_paths(gdir, given)
    label = f"{gdir.rgi_id}: {paths[0].name}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    temp_names = _TEMP_NAMES if temp_name is None else (temp_name,)
    prcp_names = (*_ACCUMULATED, _HOURLY, _OF_THE_DAY) if prcp_name is None else (prcp_name,)
    temp, prcp, heights, places = [], [], [], []
    for path in paths:
        one = f"{gdir.rgi_id}: {path.name}"
        with _nearest_cell(gdir, path) as (cell, place):
            places.append(place)
            heights += _heights_of(one, cell)
            temp += _read_series(one, cell, temp_names)
            prcp += _read_series(one, cell, prcp_names)
    for path, place in zip(paths, places, strict=True):
        if not np.allclose(place, places[0], atol=1e-3):
            what = f"nearest cells {places[0]} and {place} ({path.name})"
            raise InvalidParamsError(f"{label}: files of different grids; {what}")
    series = _join_series(label, "temp", temp_names, temp), _join_series(label, "prcp", prcp_names, prcp)
    return _Cell(label, places[0], *series, heights, ", ".join(path.name for path in paths))


def _existing_paths(gdir: GlacierDirectory, given: _Given) -> list[Path]:
    """Return a path or several as a list; InvalidParamsError if one is missing."""
    if given is None:
        raise InvalidParamsError(f"{gdir.rgi_id}: source='era5_land' needs path=, a NetCDF file or Zarr, or a list")
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    paths = [Path(path) for path in several]
    missing = [str(path) for path in paths if not path.exists()]
    if missing or not paths:
        raise InvalidParamsError(f"{gdir.rgi_id}: no such ERA5-Land file: {', '.join(missing) or 'the list is empty'}")
    return paths


def _open_netcdf_or_zarr(label: str, path: Path) -> xr.Dataset:
    is_zarr = path.is_dir() or path.suffix == ".zarr"
    try:
        if is_zarr:
            return xr.open_zarr(path, chunks=None, decode_times=False)
        require_whole(path)
        with HDF5_LOCK:
            return xr.open_dataset(path, engine="netcdf4", decode_times=False)
    except Exception as err:  # of xarray, of cftime, of the libraries of the formats
        if is_zarr:
            raise InvalidParamsError(f"{label} cannot be read as Zarr (is zarr installed?): {err}") from err
        raise unreadable(label, "", err) from err


def _numbers(label: str, var: xr.DataArray) -> NDArray[np.float64]:
    """Read a variable's values; InvalidParamsError that names it if they are damaged or no numbers."""
    try:
        return np.asarray(var.values, np.float64)
    except Exception as err:  # as above: values are read only now
        raise unreadable(label, f": '{var.name}'", err) from err


@contextmanager
def _nearest_cell(gdir: GlacierDirectory, path: Path) -> Iterator[tuple[xr.Dataset, tuple[float, float]]]:
    """Yield the file's cell nearest to the glacier, and its longitude (-180..180) and latitude."""
    label = f"{gdir.rgi_id}: {path.name}"
    with HDF5_LOCK, _open_netcdf_or_zarr(label, path) as file:
        lat, lon = _coordinate(label, file, LATITUDES), _coordinate(label, file, LONGITUDES)
        index, places = {}, []
        for name, centre, turn in ((lat, gdir.cenlat, False), (lon, gdir.cenlon, True)):
            values = np.atleast_1d(_numbers(label, file[name]))
            away = np.abs((values - centre + 180) % 360 - 180 if turn else values - centre)
            nearest = int(np.argmin(away))
            if not away[nearest] <= _FARTHEST_CELL:
                raise InvalidParamsError(
                    f"{label}: the nearest cell is at {name} {values[nearest]:g}, the glacier at {centre:.3f}; "
                    f"expected at most {_FARTHEST_CELL:g} degrees between them"
                )
            places.append(float(values[nearest]))
            if name in file.dims:
                index[name] = nearest
        yield file.isel(index), ((places[1] + 180) % 360 - 180, places[0])


def _coordinate(label: str, file: xr.Dataset, names: tuple[str, ...]) -> str:
    for name in names:
        if name in file.coords:
            return name
    raise InvalidParamsError(f"{label}: no coordinate {' or '.join(names)}; found: {', '.join(map(str, file.coords))}")


def _read_series(label: str, cell: xr.Dataset, names: tuple[str, ...]) -> list[_CellSeries]:
    """Read the variable of one of these names at the cell, if the file has it."""
    found = [known for known in names if known in cell.data_vars]
    if len(found) > 1:
        raise InvalidParamsError(f"{label} has {' and '.join(found)}; give temp_name= or prcp_name=")
    if not found:
        return []
    name, dims = found[0], cell[found[0]].dims
    var = _without_expver(cell[name]).squeeze(drop=True)
    times = [time for time in TIMES if time in var.dims]
    if len(var.dims) != 1 or not times:
        raise InvalidParamsError(f"{label}: '{name}' has dimensions {dims} besides the cell; expected time")
    said = {"units": "", "calendar": "standard"} | var[times[0]].attrs
    stamps = decode_time(label, _numbers(label, var[times[0]]), str(said["units"]), str(said["calendar"]))
    units = var.attrs.get("units")
    return [_CellSeries(name, stamps, _numbers(label, var), None if units is None else str(units))]


def _without_expver(var: xr.DataArray) -> xr.DataArray:
    """Merge final and preliminary data, which older downloads have side by side, one of them missing."""
    if "expver" not in var.dims:
        return var
    parts = (var.isel(expver=number, drop=True) for number in range(var.sizes["expver"]))
    return functools.reduce(xr.DataArray.fillna, parts)


def _join_series(label: str, kind: str, names: tuple[str, ...], parts: list[_CellSeries]) -> _CellSeries:
    """Join the series of all files in order of time."""
    if not parts:
        raise InvalidParamsError(f"{label}: no variable {' or '.join(names)}; give {kind}_name=...")
    if len({(part.name, part.units) for part in parts}) > 1:
        what = ", ".join(sorted({f"{part.name} ({part.units})" for part in parts}))
        raise InvalidParamsError(f"{label}: {kind} differs between the files: {what}")
    stamps = np.concatenate([part.stamps for part in parts])
    order = np.argsort(stamps, kind="stable")
    twice = stamps[order][1:][np.diff(stamps[order]).astype(int) == 0]
    if twice.size:
        raise InvalidParamsError(f"{label}: {parts[0].name} has {twice.size} times more than once, first {twice[0]}")
    values = np.concatenate([part.values for part in parts])
    return _CellSeries(parts[0].name, stamps[order], values[order], parts[0].units)


def _heights_of(label: str, cell: xr.Dataset) -> list[float]:
    """Return the height of the cell in metres, if the file has it."""
    return [_height(label, cell[name]) for name in _HEIGHT_NAMES if name in cell.variables][:1]


def _height(label: str, var: xr.DataArray) -> float:
    values = np.unique(_numbers(label, var))
    units = str(var.attrs.get("units", "")).replace(" ", "").replace("**", "").replace("^", "")
    if values.size != 1 or not np.isfinite(values[0]):
        raise InvalidParamsError(f"{label}: '{var.name}' at the cell is {values[:3]}; expected one height")
    if units in ("m2s-2", "m2/s2"):
        return float(values[0]) / _GRAVITY
    if units in ("m", "metre", "metres", "meter", "meters"):
        return float(values[0])
    raise InvalidParamsError(f"{label}: '{var.name}' has units '{units}'; expected 'm' or, for geopotential, 'm2 s-2'")


def _choose_cell_height(gdir: GlacierDirectory, cell: _Cell, orography: _Path | None, given: float | None) -> float:
    """Return the height of the cell, m: of the files, of the orography's file, or given; all must agree."""
    heights = list(cell.heights)
    if orography is not None:
        heights.append(_height_in(gdir, Path(orography), cell.place))
    if not heights and given is None:
        raise InvalidParamsError(
            f"{cell.label}: no height of the cell ({', '.join(_HEIGHT_NAMES)}); give orography= (a file with the "
            "geopotential or height of the same grid) or ref_hgt= (m)"
        )
    if heights and max(heights) - min(heights) > 0.5:
        raise InvalidParamsError(f"{cell.label}: heights of the cell differ: {min(heights):g} and {max(heights):g} m")
    return ds.choose_height(cell.label, given, heights[0] if heights else None)


def _height_in(gdir: GlacierDirectory, path: Path, cell: tuple[float, float]) -> float:
    """Return the height of the weather's cell in a file of its own."""
    if not path.exists():
        raise InvalidParamsError(f"{gdir.rgi_id}: no such orography file: {path}")
    label = f"{gdir.rgi_id}: {path.name}"
    with _nearest_cell(gdir, path) as (at_cell, place):
        if not np.allclose(place, cell, atol=1e-3):
            raise InvalidParamsError(f"{label} has its nearest cell at {place}, the weather at {cell}: not one grid")
        heights = _heights_of(label, at_cell)
    if not heights:
        raise InvalidParamsError(f"{label} has none of {', '.join(_HEIGHT_NAMES)}")
    return heights[0]
