"""Daily melt of Antarctica as its authors publish it, a flat file for each day, made into the NetCDF files used."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio import MemoryFile
from rasterio.errors import RasterioIOError

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.files import replacing

SHAPE = (332, 316)
"""rows and columns"""
CELL, WEST, NORTH = 25000.0, -3950000.0, 4350000.0
"""m; side of a cell, edges of the grid in EPSG:3412"""
FIRST_DAY, LAST_DAY, SPLIT = (np.datetime64(day, "D") for day in ("2002-10-01", "2020-04-30", "2012-07-01"))
STATIC = {
    "REMA_25km_resampled_TbGrid.tif": "elevation",
    "polar_grid_10m_temps_K_filled_25km_EPSG3412.tif": "mean_temperature",
}
_UNITS = {"elevation": "m", "mean_temperature": "K"}
_MELT = re.compile(r"antarctica_melt_(\d{4})(\d\d)(\d\d)_\w+\.bin")
_FLAGS = {
    "long_name": "surface melt",
    "flag_values": np.array([-1, 0, 1, 2], np.int8),
    "flag_meanings": "off_the_ice_mask no_observation no_melt melt",
    "grid_mapping": "crs",
}
# SHA-256 of the values, melt in int8 and the others in float32.
CONTENTS = {
    "melt_2002-2012.nc": "f83b57f71cc0a3dc45222648b425878962e15687053b6ebfc53610c7553514b8",
    "melt_2012-2020.nc": "d0c2289ae30cbcbe5a322c69d7a47bf8993ac2bc8c1132cf49397e95017426cf",
    "elevation": "53346f45dd1bfad8777db5e40c77acc25c6aa8f9485cb277abefeb31bf84b60d",
    "mean_temperature": "e81ea2ae0c09e5a57398104e8d34fc89d3d81e30904609dbf1f6632d9c02c6f7",
}


class _Day(NamedTuple):
    date: np.datetime64
    melt: NDArray[np.int8]


def repack_antarctic_melt(archive: Path, folder: Path) -> None:
    """Write ``melt_2002-2012.nc``, ``melt_2012-2020.nc`` and ``static.nc`` from the archive of the authors' repository.

    Parameters
    ----------
    archive : path
        ``.tar.gz``; read once from beginning to end, some 1.7 GB unpacked, 0.5 GB in memory
    folder : path

    Raises
    ------
    ValueError
        if the archive is cut off or damaged, or its contents are others than those of the commit
    """
    try:
        with tarfile.open(archive, "r|gz") as tar:
            static: dict[str, NDArray[np.float32]] = {}
            # Files come by name, so days in their order.
            for late, days in groupby(_days(tar, static), lambda day: day.date >= SPLIT):
                _write_melt(folder / f"melt_{'2012-2020' if late else '2002-2012'}.nc", list(days), archive)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as err:
        raise ValueError(f"{archive}: cannot be read to its end ({err}). Delete it and run again.") from err
    if set(static) != set(STATIC.values()):
        raise ValueError(f"{archive}: expected {' and '.join(STATIC)} in it. Delete it and run again.")
    for name, values in static.items():
        _require_contents(name, values, archive)
    dataset = xr.Dataset({name: (("y", "x"), values, {"units": _UNITS[name]}) for name, values in static.items()})
    _write(folder / "static.nc", dataset)


def _days(tar: tarfile.TarFile, static: dict[str, NDArray[np.float32]]) -> Iterator[_Day]:
    """Yield the days of melt and keep the other maps that come between."""
    for member in tar:
        name = member.name.rpartition("/")[2]
        found = _MELT.fullmatch(name)
        date = np.datetime64("-".join(found.groups()), "D") if found else None
        if name not in STATIC and (date is None or not FIRST_DAY <= date <= LAST_DAY):
            continue
        stream = tar.extractfile(member)
        content = stream.read() if stream else b""
        if date is None:
            static[STATIC[name]] = _raster(content)
        elif len(content) == 2 * SHAPE[0] * SHAPE[1]:
            yield _Day(date, np.frombuffer(content, "<i2").astype(np.int8).reshape(SHAPE))
        else:
            raise ValueError(f"{name}: {len(content)} bytes are no map of {SHAPE[0]} x {SHAPE[1]} int16")


def _raster(content: bytes) -> NDArray[np.float32]:
    try:
        with MemoryFile(content) as file, file.open() as raster:
            return raster.read(1)
    except RasterioIOError as err:
        raise OSError(str(err)) from err


def _require_contents(name: str, values: NDArray, archive: Path) -> None:
    found = hashlib.sha256(values.tobytes()).hexdigest()
    if found != CONTENTS[name]:
        raise ValueError(
            f"{archive}: expected values of {name} with SHA-256 {CONTENTS[name]}, found {found}. The archive is "
            "damaged or another: delete it and run again."
        )


def _write_melt(path: Path, days: list[_Day], archive: Path) -> None:
    melt = np.stack([day.melt for day in days])
    _require_contents(path.name, melt, archive)
    dates = np.array([day.date for day in days]).astype("datetime64[ns]")
    _write(path, xr.Dataset({"melt": (("time", "y", "x"), melt, _FLAGS)}, {"time": dates}))


def _write(path: Path, dataset: xr.Dataset) -> None:
    rows, columns = SHAPE
    dataset = dataset.assign_coords(
        y=NORTH - CELL * (np.arange(rows) + 0.5), x=WEST + CELL * (np.arange(columns) + 0.5)
    )
    dataset["crs"] = ((), 0, {"grid_mapping_name": "polar_stereographic", "spatial_ref": "EPSG:3412"})
    how: dict[str, Any] = {"zlib": True, "complevel": 4, "_FillValue": None}
    encoding = {name: how for name in dataset.data_vars if name != "crs"}
    if "melt" in encoding:
        encoding["melt"] = {**how, "chunksizes": (min(60, dataset.sizes["time"]), rows, columns)}
    with replacing(path) as temporary, HDF5_LOCK:
        dataset.to_netcdf(temporary, encoding=encoding)
