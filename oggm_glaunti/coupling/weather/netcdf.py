"""Variables, attributes and times of NetCDF files, with errors that name the file.

Whatever the NetCDF library says of a damaged file becomes an InvalidParamsError that names file and variable.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.weather.times import decode_time

# Names of the axes, those of OGGM first, then those of the Copernicus store.
TIMES, LATITUDES, LONGITUDES = ("time", "valid_time"), ("lat", "latitude"), ("lon", "longitude")
# What netCDF4 raises for damaged files, besides OSError.
_DAMAGED = (OSError, RuntimeError, UnicodeError, OverflowError)


def unreadable(label: str, what: str, err: Exception) -> InvalidParamsError:
    """Return the error for a file, or for `what` in it, that a library cannot read."""
    why = " ".join(str(err).split()) or type(err).__name__
    return InvalidParamsError(f"{label}{what} cannot be read as NetCDF ({why}). If it is damaged, make it again.")


@contextmanager
def open_netcdf(label: str, path: str) -> Iterator[netCDF4.Dataset]:
    """Open a NetCDF file; InvalidParamsError if it cannot be read, which like all here begins with `label`."""
    try:
        with netcdf_file(path) as nc:
            yield nc
    except _DAMAGED as err:
        raise unreadable(label, "", err) from err


def read_variable(label: str, nc: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """Return a variable of an open file; InvalidParamsError that lists the existing variables if there is none."""
    if name not in nc.variables:
        raise InvalidParamsError(f"{label} has no variable '{name}'; found: {', '.join(nc.variables)}")
    return nc.variables[name]


def read_values(label: str, var: netCDF4.Variable, index: Any = slice(None)) -> NDArray[np.floating]:
    """Return numbers of a variable, missing ones as NaN, in the file's own precision but in float64 for integers."""
    if getattr(var.dtype, "kind", "") not in ("f", "i", "u"):
        raise InvalidParamsError(f"{label}: '{var.name}' holds {var.dtype}; expected numbers")
    try:
        values = np.ma.masked_array(var[index])
        dtype = values.dtype if values.dtype.kind == "f" else np.float64
        return np.ma.filled(values.astype(dtype), np.nan)
    except Exception as err:  # of the library, and of attributes such as scale_factor and _FillValue
        raise unreadable(label, f": '{var.name}'", err) from err


def read_attribute(label: str, holder: Any, name: str) -> Any:
    """Return an attribute of a file or variable; InvalidParamsError if there is none."""
    where = f"variable '{holder.name}'" if isinstance(holder, netCDF4.Variable) else "file"
    if name not in holder.ncattrs():
        raise InvalidParamsError(f"{label}: the {where} has no attribute '{name}'")
    try:
        return holder.getncattr(name)
    except _DAMAGED as err:
        raise unreadable(label, f": attribute '{name}' of the {where}", err) from err


def read_number(label: str, holder: Any, name: str) -> float:
    """Return an attribute that has to be a finite number."""
    found = read_attribute(label, holder, name)
    try:
        number = float(found)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise InvalidParamsError(f"{label}: attribute '{name}' is {found!r}; expected a number")
    return number


def read_place(label: str, nc: netCDF4.Dataset) -> tuple[float, float, float]:
    """Return the height (m), longitude and latitude that the weather of a climate file of OGGM's is for."""
    height, lon, lat = (read_number(label, nc, name) for name in ("ref_hgt", "ref_pix_lon", "ref_pix_lat"))
    return height, lon, lat


def read_units(label: str, nc: netCDF4.Dataset, name: str) -> str:
    """Return the units of a variable as written in the file."""
    return str(read_attribute(label, read_variable(label, nc, name), "units"))


def read_calendar(label: str, var: netCDF4.Variable) -> str:
    """Return the calendar of a time variable, the standard one if it does not say."""
    return str(read_attribute(label, var, "calendar")) if "calendar" in var.ncattrs() else "standard"


def read_time(label: str, nc: netCDF4.Dataset, rows: slice = slice(None), name: str = "time") -> NDArray[np.datetime64]:
    """Return the time stamps of an open file as ``datetime64[s]``."""
    var = read_variable(label, nc, name)
    return decode_time(label, read_values(label, var, rows), read_units(label, nc, name), read_calendar(label, var))


def read_one_series(label: str, nc: netCDF4.Dataset, name: str) -> NDArray[np.floating]:
    """Return a variable as one series (T,), missing values as NaN; dimensions of length one are dropped."""
    values = read_values(label, read_variable(label, nc, name))
    if np.squeeze(values).ndim != 1:
        raise InvalidParamsError(f"{label}: '{name}' has shape {values.shape}; expected one series, so select a point")
    return np.squeeze(values)


def unwrapped(lon: Any) -> NDArray[np.float64]:
    """Return longitudes without jumps by 360 degrees, so that a file across Greenwich or the date line is in order.

    Examples
    --------
    >>> unwrapped([359.5, 0.0, 0.5]).tolist()
    [359.5, 360.0, 360.5]
    """
    return np.unwrap(np.asarray(lon, np.float64), period=360.0)
