"""Variables, attributes and times of NetCDF files, with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.weather.series import decode_time


@contextmanager
def open_netcdf(label: str, path: str) -> Iterator[netCDF4.Dataset]:
    """Open a NetCDF file; InvalidParamsError if it cannot be read, which like all here begins with `label`."""
    with ExitStack() as stack:
        try:
            nc = stack.enter_context(netcdf_file(path))
        except OSError as err:
            raise InvalidParamsError(
                f"{label} cannot be read as NetCDF ({err}). If it is damaged, make it again."
            ) from err
        yield nc


def read_variable(label: str, nc: netCDF4.Dataset, name: str) -> netCDF4.Variable:
    """Return a variable of an open file; InvalidParamsError that lists the existing variables if there is none."""
    if name not in nc.variables:
        raise InvalidParamsError(f"{label} has no variable '{name}'; found: {', '.join(nc.variables)}")
    return nc.variables[name]


def read_attribute(label: str, holder: Any, name: str) -> Any:
    """Return an attribute of a file or variable; InvalidParamsError if there is none."""
    if name not in holder.ncattrs():
        where = f"variable '{holder.name}'" if isinstance(holder, netCDF4.Variable) else "file"
        raise InvalidParamsError(f"{label}: the {where} has no attribute '{name}'")
    return holder.getncattr(name)


def read_units(label: str, nc: netCDF4.Dataset, name: str) -> str:
    """Return the units of a variable as written in the file."""
    return str(read_attribute(label, read_variable(label, nc, name), "units"))


def read_time(label: str, nc: netCDF4.Dataset, rows: slice = slice(None), name: str = "time") -> NDArray[np.datetime64]:
    """Return the time stamps of an open file as ``datetime64[s]``."""
    var = read_variable(label, nc, name)
    calendar = var.getncattr("calendar") if "calendar" in var.ncattrs() else "standard"
    return decode_time(label, var[rows], read_units(label, nc, name), calendar)


def read_one_series(label: str, nc: netCDF4.Dataset, name: str) -> NDArray[np.floating]:
    """Return a variable as one series (T,), missing values as NaN; dimensions of length one are dropped."""
    values = np.ma.masked_array(read_variable(label, nc, name)[:])
    if np.squeeze(values).ndim != 1:
        raise InvalidParamsError(f"{label}: '{name}' has shape {values.shape}; expected one series, so select a point")
    dtype = values.dtype if values.dtype.kind == "f" else np.float64
    return np.ma.filled(np.squeeze(values).astype(dtype), np.nan)
