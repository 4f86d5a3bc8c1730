"""NetCDF files, one thread at a time: the HDF5 library of the usual packages crashes if two threads call it at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import netCDF4

from oggm_glaunti.coupling.oggm.netcdf_classic import require_whole
from oggm_glaunti.coupling.oggm.netcdf_seal import require_unbroken, seal

# Held while a file is open, whoever reads or writes it: netCDF4 here, xarray, pandas, OGGM, GDAL. The same thread may
# nest. xarray has locks of its own, so this one comes first everywhere.
HDF5_LOCK = threading.RLock()

# A fork has to find the library at rest, and its copy of the lock free.
os.register_at_fork(before=HDF5_LOCK.acquire, after_in_parent=HDF5_LOCK.release, after_in_child=HDF5_LOCK.release)


@contextmanager
def netcdf_file(path: str | os.PathLike[str], mode: Literal["r", "w"] = "r") -> Iterator[netCDF4.Dataset]:
    """Open a NetCDF file (a new one with mode ``"w"``) while no other thread has one open.

    A new one is sealed when it is closed, and the seal is checked before it is opened again: over some damaged files
    the HDF5 library crashes or hangs.

    Raises
    ------
    OSError
        if it cannot be opened, is a classic one that is cut off, or its seal is broken; other errors as of netCDF4

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "one.nc")
    >>> with netcdf_file(path, "w") as nc:
    ...     nc.title = "one"
    >>> with netcdf_file(path) as nc:
    ...     nc.title
    'one'
    """
    if mode == "r":
        require_whole(path)
        require_unbroken(path)
    with HDF5_LOCK, netCDF4.Dataset(path, mode, format="NETCDF4") as nc:
        try:
            yield nc
        except AttributeError as err:
            # So netCDF4 calls attributes that it cannot read.
            if str(err).startswith("NetCDF:"):
                raise OSError(str(err)) from err
            raise
    if mode == "w":
        seal(path)
