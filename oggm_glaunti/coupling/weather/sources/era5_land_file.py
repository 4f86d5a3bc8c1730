"""Files of ERA5-Land: opened, the cell nearest to a glacier found, its series and its height read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather.request import choose_height

TEMP_NAMES = ("t2m", "temperature_2m", "2m_temperature")
# Accumulated since 00 UTC, amounts of the hour before the stamp, amounts of the stamp's own day.
ACCUMULATED, HOURLY, OF_THE_DAY = ("tp", "total_precipitation"), "total_precipitation_hourly", "total_precipitation_sum"
HEIGHT_NAMES = ("z", "geopotential", "hgt", "elevation", "orography")
_TIMES, _LATITUDES, _LONGITUDES = ("valid_time", "time"), ("latitude", "lat"), ("longitude", "lon")
_GRAVITY = 9.80665  # m s-2, by which the ECMWF divides geopotential
# Degrees. Cells are 0.1 degree wide, so the nearest centre is within 0.08 of a glacier; twice that for coarsened files.
_FARTHEST_CELL = 0.2


@dataclass(frozen=True, eq=False)
class CellSeries:
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
class Cell:
    """What files of ERA5-Land hold at the cell nearest to a glacier.

    Attributes
    ----------
    label : str
        glacier and files, for messages
    place : (float, float)
        longitude (-180 to 180) and latitude of the cell's centre
    temp, prcp : CellSeries
    heights : list of float
        heights of the cell in the files, m; empty where they have none
    origin : str
        names of the files
    """

    label: str
    place: tuple[float, float]
    temp: CellSeries
    prcp: CellSeries
    heights: list[float]
    origin: str


def read_cell(gdir: Any, given: Any, temp_name: str | None = None, prcp_name: str | None = None) -> Cell:
    """Series and height at the cell nearest to the glacier, from one file or several.

    Parameters
    ----------
    gdir : GlacierDirectory
    given : path or sequence of them
        NetCDF files or Zarr folders
    temp_name, prcp_name : str, optional
        of the variables, where their usual names do not find them

    Raises
    ------
    InvalidParamsError
        where files are missing or cannot be read, or are of different grids, or a variable is in none of them
    """
    paths = existing_paths(gdir, given)
    label = f"{gdir.rgi_id}: {paths[0].name}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "")
    temp_names = TEMP_NAMES if temp_name is None else (temp_name,)
    prcp_names = (*ACCUMULATED, HOURLY, OF_THE_DAY) if prcp_name is None else (prcp_name,)
    temp, prcp, heights, places = [], [], [], []
    for path in paths:
        one = f"{gdir.rgi_id}: {path.name}"
        with nearest_cell(gdir, path) as (cell, place):
            places.append(place)
            heights += heights_of(one, cell)
            temp += read_series(one, cell, temp_names)
            prcp += read_series(one, cell, prcp_names)
    require_one_cell(label, paths, places)
    series = joined(label, "temp", temp_names, temp), joined(label, "prcp", prcp_names, prcp)
    return Cell(label, places[0], *series, heights, ", ".join(path.name for path in paths))


def existing_paths(gdir: Any, given: Any) -> list[Path]:
    """A path or several as a list, or InvalidParamsError where one is missing."""
    if given is None:
        raise InvalidParamsError(f"{gdir.rgi_id}: source='era5_land' needs path=, a NetCDF file or Zarr, or a list")
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    paths = [Path(path) for path in several]
    missing = [str(path) for path in paths if not path.exists()]
    if missing or not paths:
        raise InvalidParamsError(f"{gdir.rgi_id}: no such ERA5-Land file: {', '.join(missing) or 'the list is empty'}")
    return paths


def _open(label: str, path: Path) -> xr.Dataset:
    is_zarr = path.is_dir() or path.suffix == ".zarr"
    try:
        return xr.open_zarr(path, chunks=None) if is_zarr else xr.open_dataset(path, engine="netcdf4")
    except (OSError, ValueError, KeyError, ImportError) as err:
        what = "Zarr (is zarr installed?)" if is_zarr else "NetCDF"
        raise InvalidParamsError(f"{label} cannot be read as {what}: {err}") from err


@contextmanager
def nearest_cell(gdir: Any, path: Path) -> Iterator[tuple[xr.Dataset, tuple[float, float]]]:
    """The file's cell nearest to the glacier, and its longitude (-180..180) and latitude."""
    label = f"{gdir.rgi_id}: {path.name}"
    with _open(label, path) as file:
        lat, lon = _coordinate(label, file, _LATITUDES), _coordinate(label, file, _LONGITUDES)
        index, places = {}, []
        for name, centre, turn in ((lat, gdir.cenlat, False), (lon, gdir.cenlon, True)):
            values = np.atleast_1d(file[name].values).astype(np.float64)
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


def require_one_cell(label: str, paths: list[Path], cells: list[tuple[float, float]]) -> None:
    """Raise InvalidParamsError where the nearest cells of several files are not one."""
    for path, cell in zip(paths, cells, strict=True):
        if not np.allclose(cell, cells[0], atol=1e-3):
            raise InvalidParamsError(
                f"{label}: files of different grids; nearest cells {cells[0]} and {cell} ({path.name})"
            )


def read_series(label: str, cell: xr.Dataset, names: tuple[str, ...]) -> list[CellSeries]:
    """The variable of one of these names at the cell, if the file has it."""
    found = [name for name in names if name in cell.data_vars]
    if len(found) > 1:
        raise InvalidParamsError(f"{label} has {' and '.join(found)}; say which, temp_name= or prcp_name=")
    if not found:
        return []
    var = _without_expver(cell[found[0]]).squeeze(drop=True)
    times = [name for name in _TIMES if name in var.dims]
    if len(var.dims) != 1 or not times:
        raise InvalidParamsError(
            f"{label}: '{found[0]}' has dimensions {cell[found[0]].dims} beside the cell; expected time"
        )
    stamps = var[times[0]].values
    if stamps.dtype.kind != "M":
        raise InvalidParamsError(f"{label}: time is not of a calendar with real dates ({type(stamps[0]).__name__})")
    return [CellSeries(found[0], stamps.astype("M8[s]"), var.values.astype(np.float64), var.attrs.get("units"))]


def _without_expver(var: xr.DataArray) -> xr.DataArray:
    """Final and preliminary data in one: older downloads have both side by side, one of them missing."""
    if "expver" not in var.dims:
        return var
    parts = [var.isel(expver=number, drop=True) for number in range(var.sizes["expver"])]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.fillna(part)
    return merged


def joined(label: str, kind: str, names: tuple[str, ...], parts: list[CellSeries]) -> CellSeries:
    """The series of all files, in order of time."""
    if not parts:
        raise InvalidParamsError(f"{label}: no variable {' or '.join(names)}; say {kind}_name=...")
    if len({(part.name, part.units) for part in parts}) > 1:
        what = ", ".join(sorted({f"{part.name} ({part.units})" for part in parts}))
        raise InvalidParamsError(f"{label}: {kind} differs between the files: {what}")
    stamps = np.concatenate([part.stamps for part in parts])
    order = np.argsort(stamps, kind="stable")
    twice = stamps[order][1:][np.diff(stamps[order]).astype(int) == 0]
    if twice.size:
        raise InvalidParamsError(f"{label}: {parts[0].name} has {twice.size} times more than once, first {twice[0]}")
    values = np.concatenate([part.values for part in parts])
    return CellSeries(parts[0].name, stamps[order], values[order], parts[0].units)


def heights_of(label: str, cell: xr.Dataset) -> list[float]:
    """Height of the cell in metres, where the file has it."""
    return [_height(label, cell[name]) for name in HEIGHT_NAMES if name in cell.variables][:1]


def _height(label: str, var: xr.DataArray) -> float:
    values = np.unique(var.values.astype(np.float64))
    units = str(var.attrs.get("units", "")).replace(" ", "").replace("**", "").replace("^", "")
    if values.size != 1 or not np.isfinite(values[0]):
        raise InvalidParamsError(f"{label}: '{var.name}' at the cell is {values[:3]}; expected one height")
    if units in ("m2s-2", "m2/s2"):
        return float(values[0]) / _GRAVITY
    if units in ("m", "metre", "metres", "meter", "meters"):
        return float(values[0])
    raise InvalidParamsError(f"{label}: '{var.name}' has units '{units}'; expected 'm' or, for geopotential, 'm2 s-2'")


def choose_cell_height(gdir: Any, cell: Cell, orography: Any, given: float | None) -> float:
    """Height of the cell, m: that of the files, of the orography's file, or the given one; all must agree."""
    heights = list(cell.heights)
    if orography is not None:
        heights.append(_height_in(gdir, Path(os.fspath(orography)), cell.place))
    if not heights and given is None:
        raise InvalidParamsError(
            f"{cell.label}: no height of the cell ({', '.join(HEIGHT_NAMES)}); give orography= (a file with the "
            "geopotential or height of the same grid) or ref_hgt= (m)"
        )
    if heights and max(heights) - min(heights) > 0.5:
        raise InvalidParamsError(f"{cell.label}: heights of the cell differ: {min(heights):g} and {max(heights):g} m")
    return choose_height(cell.label, given, heights[0] if heights else None)


def _height_in(gdir: Any, path: Path, cell: tuple[float, float]) -> float:
    """Height of the weather's cell in a file of its own."""
    if not path.exists():
        raise InvalidParamsError(f"{gdir.rgi_id}: no such orography file: {path}")
    label = f"{gdir.rgi_id}: {path.name}"
    with nearest_cell(gdir, path) as (at_cell, place):
        if not np.allclose(place, cell, atol=1e-3):
            raise InvalidParamsError(f"{label} has its nearest cell at {place}, the weather at {cell}: not one grid")
        heights = heights_of(label, at_cell)
    if not heights:
        raise InvalidParamsError(f"{label} has none of {', '.join(HEIGHT_NAMES)}")
    return heights[0]
