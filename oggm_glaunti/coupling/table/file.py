"""``glaunti_table.nc``: the table and the corrections in the glacier directory.

Both are kept with the digest of what they were made from; a file made from anything else is rebuilt, never reused.
So is one in which another program has changed numbers: each variable has a checksum of its own.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import netCDF4
import numpy as np

from oggm_glaunti.coupling.oggm.messages import warn_once
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.continuation import continued_annual_smb
from oggm_glaunti.coupling.table.table import Table

log = logging.getLogger(__name__)

# name: (dimensions, units, long name)
_TABLE_FIELDS = {
    "smb": (("year", "month", "height"), "m", "surface mass balance of the month, water equivalent"),
    "solid_prcp": (("year", "month", "height"), "m", "solid precipitation of the month, water equivalent"),
    "pdd": (("year", "month", "height"), "K day", "positive degree days of the month"),
    "prec_scale": (("year", "month", "height"), "1", "factor on precipitation with its correction"),
    "temp": (("year", "month"), "degC", "mean air temperature at the reference height"),
    "prcp": (("year", "month"), "m", "precipitation of the month, water equivalent, before prec_scale"),
    "swe": (("year", "height"), "m", "snow water equivalent at the end of the year"),
}
_STANDARD_NAMES = {"temp": "air_temperature", "swe": "lwe_thickness_of_surface_snow_amount"}


class TableHead(NamedTuple):
    """What annual balances need of a table's file, and what says whether it may be used.

    Attributes
    ----------
    table_digest : str
    input_files : str
        what was known of the files it was made from, see :class:`~oggm_glaunti.coupling.table.inputs.Sources`
    heights : float64 array (K,)
        heights of the table and of its continuation, m
    annual_smb : float64 array (Y, K)
        m w.e.
    """

    table_digest: str
    input_files: str
    heights: np.ndarray
    annual_smb: np.ndarray


def read_head(path: str | Path) -> TableHead | None:
    """Read the head of a table's file, of whatever inputs; None if there is no complete file."""

    def head(nc: netCDF4.Dataset) -> TableHead | None:
        if not nc.variables.keys() >= _TABLE_FIELDS.keys():
            return None
        digest, files = (getattr(nc, name, "") for name in ("table_digest", "input_files"))
        return TableHead(digest, files, _array(nc, "annual_height"), _array(nc, "annual_smb"))

    return _read(path, head)


def read_kept_table(path: str | Path, digest: str) -> Table | None:
    """Read the table of a file; None if there is none made from the same inputs."""

    def table(nc: netCDF4.Dataset) -> Table:
        values = {name: _array(nc, name) for name in _TABLE_FIELDS}
        for name in ("annual_height", "annual_smb"):
            _array(nc, name)  # a file in which they are damaged or missing is not whole
        return Table(years=_array(nc, "year").astype(int), heights=_array(nc, "height"), **values)

    return _read(path, table, table_digest=digest)


class MonthlyBalance(NamedTuple):
    """The balance of a table, and where it is from.

    Attributes
    ----------
    years : int array (Y,)
    heights : float64 array (N,)
        m
    smb : float64 array (Y, 12, N)
        m w.e.
    attributes : dict
        global attributes of the file: ``model``, ``corrector``, ``weights_sha256``, ...
    """

    years: np.ndarray
    heights: np.ndarray
    smb: np.ndarray
    attributes: dict[str, Any]


def read_monthly_balance(path: str | Path) -> MonthlyBalance | None:
    """Read the balance of a table's file, of whatever inputs; None if there is no complete file."""

    def balance(nc: netCDF4.Dataset) -> MonthlyBalance:
        attributes = {name: nc.getncattr(name) for name in nc.ncattrs()}
        return MonthlyBalance(_array(nc, "year").astype(int), _array(nc, "height"), _array(nc, "smb"), attributes)

    return _read(path, balance)


def read_corrections(path: str | Path, digest: str) -> BandCorrections | None:
    """Read the corrections of a file; None if there are none made from the same inputs."""

    def corrections(nc: netCDF4.Dataset) -> BandCorrections:
        ds = _array(nc, "corrections").astype(np.float32)
        return BandCorrections(_array(nc, "mb_year").astype(int), _array(nc, "band_height"), ds)

    return _read(path, corrections, corrections_digest=digest)


def _read(path: str | Path, take: Callable[[netCDF4.Dataset], Any], **digest: str) -> Any:
    """Return what `take` reads from a file of this `digest` (any, if none is given); None if it fails.

    A missing or damaged file counts as one of other inputs, since it can always be made again. HDF5 finds damage when
    the file is opened or, by its checksums, only when a variable is read.
    """
    try:
        with netcdf_file(path) as nc:
            nc.set_auto_mask(False)
            same = all(getattr(nc, name, "") == value for name, value in digest.items())
            return take(nc) if same else None
    except _ChangedError as err:
        warn_once(log, f"{path}: {err}; it is made again")
        return None
    except (OSError, RuntimeError, LookupError, ValueError):
        return None


class _ChangedError(Exception):
    """Numbers of a file are not those that were written."""


def _array(nc: netCDF4.Dataset, name: str) -> np.ndarray:
    variable = nc[name]
    values = variable[:]
    if getattr(variable, "checksum", None) != _checksum(values):
        raise _ChangedError(f"'{name}' is not as it was written")
    return np.asarray(values, np.float64)


def _checksum(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()[:16]


def write_table(
    path: str | Path, table: Table, attributes: dict[str, Any], corrections: BandCorrections | None = None
) -> None:
    """Write a table, and the corrections it was made with, to a temporary name and rename it.

    Parameters
    ----------
    path : path
    table : Table
    attributes : dict
        global attributes: ``table_digest``, ``corrections_digest``, ``input_files`` and what else should be known of
        the origin
    corrections : BandCorrections, optional
        of all mass-balance years, also where the table uses their mean

    Raises
    ------
    InvalidWorkflowError
        if the file cannot be written
    """
    rgi_id = str(attributes.get("rgi_id", Path(path).parent.name))
    with writing(path, rgi_id) as temporary, netcdf_file(temporary, "w") as nc:
        annual_heights, annual = continued_annual_smb(table)
        nc.Conventions = "CF-1.8"
        nc.title = "GlaUnTI height-year table"
        nc.setncatts(attributes)
        for name, values, units, long_name in (
            ("year", table.years.astype(np.float64), "1", "calendar year"),
            ("month", np.arange(1.0, 13.0), "1", "calendar month"),
            ("height", table.heights, "m", "height of the surface"),
            ("annual_height", annual_heights, "m", "height of the surface, beyond the table too"),
        ):
            nc.createDimension(name, values.size)
            _write(nc, name, (name,), values, units, long_name)
        # Flow models ask for nothing else. Not compressed, so that it is read at once; checksums tell damage.
        storage = {"fletcher32": True, "chunksizes": annual.shape}
        about = "m", "surface mass balance of the year, water equivalent"
        _write(nc, "annual_smb", ("year", "annual_height"), annual, *about, storage)
        for name, (dims, units, long_name) in _TABLE_FIELDS.items():
            _write(nc, name, dims, getattr(table, name), units, long_name)
        if corrections is not None:
            _write_band_corrections(nc, corrections)


def _write(
    nc: netCDF4.Dataset,
    name: str,
    dims: tuple,
    values: np.ndarray,
    units: str,
    long_name: str,
    storage: Mapping[str, Any] = MappingProxyType({"zlib": True, "complevel": 1}),
) -> None:
    # float64: the table is small, and what was computed and what was read must be the same to the last bit.
    kind = "f4" if values.dtype == np.float32 else "f8"
    variable = nc.createVariable(name, kind, dims, **storage)
    variable.units, variable.long_name = units, long_name
    if name in _STANDARD_NAMES:
        variable.standard_name = _STANDARD_NAMES[name]
    variable[:] = values
    variable.checksum = _checksum(values.astype(kind))


def _write_band_corrections(nc: netCDF4.Dataset, corrections: BandCorrections) -> None:
    nc.createDimension("mb_year", corrections.years.size)
    nc.createDimension("band_height", corrections.heights.size)
    nc.createDimension("correction", 5)
    years = corrections.years.astype(np.float64)
    _write(nc, "mb_year", ("mb_year",), years, "1", "year in which the mass-balance year ends")
    _write(nc, "band_height", ("band_height",), corrections.heights, "m", "mean height of the band's cells")
    names = "ln prec_scale, ln ddf_snow, ln ddf_relative_ice, snow_to_rain_centre (K), t_pos_shift (K)"
    dims = ("mb_year", "correction", "band_height")
    _write(nc, "corrections", dims, corrections.ds, "1", f"mean corrections of the band: {names}")
