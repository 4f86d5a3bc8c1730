"""Daily gridded weather in NetCDF: what a file must be, and reading parts of it.

Only coordinates and dates are kept; fields are read when they are asked for, some days at a time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError
from pyproj import CRS
from pyproj.exceptions import CRSError

from oggm_glaunti.coupling.weather import series as ds
from oggm_glaunti.coupling.weather.netcdf import (
    LATITUDES,
    LONGITUDES,
    TIMES,
    open_netcdf,
    read_attribute,
    read_time,
    read_units,
    read_values,
    unwrapped,
)

# OGGM's names first, then those of ERA5-Land and of the data GlaUnTI was trained with.
NAMES = {
    "temp": ("temp", "temperature_2m", "t2m"),
    "prcp": ("prcp", "total_precipitation_sum", "tp"),
    "hgt": ("hgt", "elevation", "orography"),
}
# A folder is read as the training data are laid out.
TRAINING_FILES = {"temp": "temperature.nc", "prcp": "precipitation.nc", "hgt": "orography.nc"}
# What these two variables of the training data are in, where their file does not say it.
TRAINING_UNITS = {"temperature_2m": "degC", "total_precipitation_sum": "m"}
# Amounts are of a day, as the steps are.
AMOUNTS = {"m": "m/day", "mm": "mm/day", "kg m-2": "kg m-2 day-1", "kg m**-2": "kg m-2 day-1"}
METRES = ("m", "meter", "meters", "metre", "metres")
REMEDY = "Fill them in the file, or leave these years out of it."

# Days in memory in the file's own precision while they are converted.
SLAB = 31


@dataclass(frozen=True)
class Window:
    """Some neighbouring rows and columns of a file, in its own order."""

    rows: slice
    cols: slice


class WeatherFile:
    """A NetCDF file, or a folder of three, of daily weather on a regular grid.

    Parameters
    ----------
    path : path
        a file with temperature, precipitation and height, or a folder with ``temperature.nc``, ``precipitation.nc`` and
        ``orography.nc``
    rgi_id : str
        named in errors

    Attributes
    ----------
    time : (T,) datetime64[D]
        whole calendar years without gaps
    y, x : float64 (h,), (w,)
        centres of the cells, in `crs`, rising or falling
    crs : pyproj.CRS
    source : str
        the file's attribute ``climate_source``, else ``CUSTOM_daily``

    Raises
    ------
    InvalidParamsError
        if variables, units, dates, coordinates or the coordinate system are missing or not as expected
    """

    def __init__(self, path: Any, rgi_id: str):
        self.path = Path(path)
        folder = self.path.is_dir()
        self._paths = {name: self.path / TRAINING_FILES[name] if folder else self.path for name in NAMES}
        self._labels = {name: f"{rgi_id}: {file.name}" for name, file in self._paths.items()}
        self.label = f"{rgi_id}: {self.path.name}"
        self._names: dict[str, str] = {}
        axes: dict[str, Any] = {}
        for name in NAMES:
            with self._open(name) as nc:
                self._names[name] = self._find(nc, name)
                axes[name] = self._axes(nc, name)
                if name == "temp":
                    self.crs = self._crs(nc)
                    self.source = str(getattr(nc, "climate_source", "CUSTOM_daily"))
        self.y, self.x = axes["temp"]
        for name in ("prcp", "hgt"):
            self._require_same_grid(name, axes[name])
        self._first, self.time = self._dates()
        self._units = {name: self._unit(name) for name in ("temp", "prcp")}

    def _open(self, name: str) -> AbstractContextManager[netCDF4.Dataset]:
        return open_netcdf(self._labels[name], str(self._paths[name]))

    def _find(self, nc: netCDF4.Dataset, name: str) -> str:
        found = [candidate for candidate in NAMES[name] if candidate in nc.variables]
        if len(found) != 1:
            what = {"temp": "temperature", "prcp": "precipitation", "hgt": "height of the cells (m)"}[name]
            raise InvalidParamsError(
                f"{self._labels[name]}: {what}: expected one variable of the names {', '.join(NAMES[name])}; found: "
                f"{', '.join(found or nc.variables)}"
            )
        return found[0]

    def _axes(self, nc: netCDF4.Dataset, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        variable = nc.variables[self._names[name]]
        dims = variable.dimensions
        expected = ("y", "x") if name == "hgt" else ("time", "y", "x")
        good = len(dims) == len(expected) and (name == "hgt" or dims[0] in TIMES)
        if not good or any(dim not in nc.variables or nc.variables[dim].ndim != 1 for dim in dims[-2:]):
            raise InvalidParamsError(
                f"{self._labels[name]}: '{variable.name}' has the dimensions {dims}; expected {expected}, or lat and "
                "lon, with coordinate variables of one dimension"
            )
        y, x = (read_values(self._labels[name], nc.variables[dim]).astype(np.float64) for dim in dims[-2:])
        x = unwrapped(x) if dims[-1] in LONGITUDES else x
        for dim, values in zip(dims[-2:], (y, x), strict=True):
            self._require_even(name, dim, values)
        return y, x

    def _require_even(self, name: str, dim: str, values: NDArray[np.float64]) -> None:
        steps = np.diff(values)
        if values.size < 2 or not np.allclose(steps, steps.mean(), rtol=0, atol=0.02 * abs(steps.mean())):
            found = "one value" if values.size < 2 else f"steps of {steps.min():g} to {steps.max():g}"
            raise InvalidParamsError(f"{self._labels[name]}: '{dim}' has {found}; expected two or more, evenly spaced")

    def _crs(self, nc: netCDF4.Dataset) -> CRS:
        variable, label = nc.variables[self._names["temp"]], self._labels["temp"]
        if variable.dimensions[-2] in LATITUDES and variable.dimensions[-1] in LONGITUDES:
            return CRS.from_epsg(4326)
        mapping = getattr(variable, "grid_mapping", None)
        names = [name for name in (mapping, "crs", "spatial_ref") if name in nc.variables]
        holders: list[Any] = [*(nc.variables[name] for name in names), nc]
        for holder in holders:
            attributes = {key: holder.getncattr(key) for key in holder.ncattrs()}
            texts = [attributes[key] for key in ("crs_wkt", "spatial_ref", "pyproj_srs") if key in attributes]
            try:
                if texts:
                    return CRS.from_user_input(texts[0])
                if "grid_mapping_name" in attributes:
                    return CRS.from_cf(attributes)
            except CRSError as err:
                raise InvalidParamsError(f"{label}: the coordinate system cannot be read: {err}") from err
        raise InvalidParamsError(
            f"{label}: no coordinate system for {variable.dimensions[-2:]}: expected a grid mapping "
            "variable with crs_wkt (rioxarray: ds.rio.write_crs(...)), the file's attribute pyproj_srs, or lat and lon"
        )

    def _require_same_grid(self, name: str, axes: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
        for mine, other in zip((self.y, self.x), axes, strict=True):
            if mine.shape != other.shape or not np.allclose(mine, other, rtol=0, atol=0.02 * abs(mine[1] - mine[0])):
                raise InvalidParamsError(
                    f"{self._labels[name]}: '{self._names[name]}' is on another grid than '{self._names['temp']}'"
                )

    def _dates(self) -> tuple[int, NDArray[np.datetime64]]:
        """Return the first row of a whole calendar year, and the days of all whole years."""
        dates = {}
        for name in ("temp", "prcp"):
            with self._open(name) as nc:
                label, axis = self._labels[name], nc.variables[self._names[name]].dimensions[0]
                dates[name] = ds.to_days(label, read_time(label, nc, name=axis))
        if not np.array_equal(dates["temp"], dates["prcp"]):
            raise InvalidParamsError(f"{self.label}: temperature and precipitation are not of the same days")
        days, label = dates["temp"], self._labels["temp"]
        rows = ds.rows_of_years(label, days, *ds.span_of_whole_years(label, days), remedy=REMEDY)
        return rows.start, days[rows]

    def _unit(self, name: str) -> str:
        own = self._names[name]
        with self._open(name) as nc:
            unsaid = own in TRAINING_UNITS and "units" not in nc.variables[own].ncattrs()
            units = TRAINING_UNITS[own] if unsaid else read_units(self._labels[name], nc, own)
        units = AMOUNTS.get(units, units) if name == "prcp" else units
        convert = ds.to_celsius if name == "temp" else ds.to_kg_per_day
        convert(f"{self._labels[name]}: '{own}'", 0.0, units, f"Write them into the attribute 'units' of '{own}'.")
        return units

    def heights(self, window: Window) -> NDArray[np.float64]:
        """Read the heights for which temperature is given, m; (h, w), NaN where the file has none."""
        with self._open("hgt") as nc:
            variable, label = nc.variables[self._names["hgt"]], self._labels["hgt"]
            units = "m" if "units" not in variable.ncattrs() else read_attribute(label, variable, "units")
            if units not in METRES:
                raise InvalidParamsError(f"{label}: '{variable.name}' has units '{units}'; expected m")
            return read_values(label, variable, (window.rows, window.cols)).astype(np.float64)

    def read(self, rows: slice, window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Read temperature (degC) and precipitation (m w.e. day-1) of the days `rows` of :attr:`time`, (days, h, w).

        Values are as in the file, NaN where it has none; see :meth:`require_values`.
        """
        return self._read("temp", rows, window), self._read("prcp", rows, window)

    def _read(self, name: str, rows: slice, window: Window) -> NDArray[np.float32]:
        out = np.empty([part.stop - part.start for part in (rows, window.rows, window.cols)], np.float32)
        with self._open(name) as nc:
            variable, first = nc.variables[self._names[name]], self._first + rows.start
            for start in range(0, len(out), SLAB):
                days = slice(first + start, first + min(start + SLAB, len(out)))
                values = read_values(self._labels[name], variable, (days, window.rows, window.cols))
                convert = ds.to_celsius if name == "temp" else ds.to_kg_per_day
                converted = convert(self._labels[name], values, self._units[name])
                # Of precipitation the same two roundings as the glacier directory's own file has.
                out[start : start + SLAB] = converted if name == "temp" else converted.astype(np.float64) * 1e-3
        return out

    def require_values(self, temp: NDArray[np.float32], prcp: NDArray[np.float32]) -> None:
        """Raise InvalidParamsError that names variable and dates where a day's value (T,) is missing or invalid."""
        own = ", ".join(f"{name} is '{self._names[name]}'" for name in ("temp", "prcp") if self._names[name] != name)
        label = f"{self.label} ({own})" if own else self.label
        ds.check_values(label, self.time, temp, 1000.0 * prcp, remedy=REMEDY)
