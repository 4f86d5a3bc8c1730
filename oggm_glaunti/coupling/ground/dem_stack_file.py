"""The yearly surfaces of a glacier: in memory :class:`DemStack`, on disk ``glaunti_dem_stack.nc``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError
from pyproj import CRS

from oggm_glaunti import settings
from oggm_glaunti.coupling.ground import features_file as cells

settings.register()

BASENAME = "glaunti_dem_stack"

# What a file must say about itself: heights without a datum cannot be compared with any other.
VERTICAL_DATUM = "vertical_datum"

# Attributes of the variables; also of files of imputed tiles.
STACK_VARIABLES: dict[str, dict[str, Any]] = {
    "z": {
        "long_name": "surface elevation on 1 January of the year, without voids",
        "standard_name": "surface_altitude",
        "units": "m",
        "ancillary_variables": "z_std imputed",
    },
    "z_std": {
        "long_name": "1-sigma uncertainty of the surface elevation",
        "standard_name": "surface_altitude standard_error",
        "units": "m",
    },
    "imputed": {
        "long_name": "whether the elevation was measured or filled in",
        "units": "1",
        "flag_values": np.array([0, 1], np.int8),
        "flag_meanings": "measured imputed",
    },
    "dh_trend": {"long_name": "trend of the surface elevation over the years of the file", "units": "m yr-1"},
}


@dataclass(frozen=True, eq=False)
class DemStack(cells.ArraysOnCells):
    """Surfaces of several years on the cells of a glacier's features, every cell filled; row 0 is north.

    Attributes
    ----------
    years : int64 (K,)
        rising; a surface is that of 1 January of its year
    z, z_std : float32 (K, H, W)
        elevation and its 1-sigma uncertainty, m
    imputed : bool (K, H, W)
        True where the elevation was filled in
    dh_trend : float32 (H, W)
        trend of the elevation, m yr-1
    x, y : float64 (W,), (H,)
        cell centres, m
    crs : pyproj.CRS
        UTM

    Raises
    ------
    ValueError
        for missing or invalid values, shapes that do not fit, or other cells than 100 m, north up, UTM

    Examples
    --------
    >>> years, x, y = [2001, 2002], 600_050 + 100.0 * np.arange(33), 5_200_050 - 100.0 * np.arange(32)
    >>> z = np.full((2, 32, 33), 2500.0)
    >>> stack = DemStack(years, z, 5 + 0 * z, z < 0, 0 * z[0], x, y, "EPSG:32632")
    >>> stack.shape, stack.years.tolist(), stack.z.dtype
    ((32, 33), [2001, 2002], dtype('float32'))
    """

    years: NDArray[np.int64]
    z: NDArray[np.float32]
    z_std: NDArray[np.float32]
    imputed: NDArray[np.bool_]
    dh_trend: NDArray[np.float32]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crs: CRS

    def __post_init__(self) -> None:
        floats = dict.fromkeys(("z", "z_std", "dh_trend"), np.float32)
        self._convert({"years": np.int64, "imputed": np.bool_, **floats})
        if self.years.ndim != 1 or self.years.size == 0 or (np.diff(self.years) <= 0).any():
            raise ValueError(f"years: expected at least one, rising, found {self.years.tolist()}")
        layers = (self.years.size, *self.shape)
        shapes = {"z": layers, "z_std": layers, "imputed": layers, "dh_trend": self.shape}
        self._require(shapes, finite=floats)
        if (self.z_std < 0).any():
            raise ValueError(f"z_std: {(self.z_std < 0).sum()} of {self.z_std.size} values are negative")


def read_dem_stack(gdir: Any, filesuffix: str = "") -> DemStack:
    """Read and check ``glaunti_dem_stack.nc``; arguments and errors as in :func:`~oggm_glaunti.read_features`."""
    return cells.read_cells_file(gdir, BASENAME, filesuffix, run_again(filesuffix), _stack_in)


def read_dem_stack_attributes(gdir: Any, filesuffix: str = "") -> dict[str, Any]:
    """Global attributes of ``glaunti_dem_stack.nc``, ``vertical_datum`` among them; errors as above."""
    return cells.read_cells_file(gdir, BASENAME, filesuffix, run_again(filesuffix), _attributes_in)


def dem_stack_name(filesuffix: str = "") -> str:
    """Name of the file.

    Examples
    --------
    >>> dem_stack_name("_geoid")
    'glaunti_dem_stack_geoid.nc'
    """
    stem, dot, ending = settings.BASENAMES[BASENAME][0].rpartition(".")
    return stem + filesuffix + dot + ending


def run_again(filesuffix: str = "") -> str:
    """Return the remedy for a stack that is missing or does not fit, as the beginning of a sentence."""
    return f"Run oggm_glaunti.tasks.process_dem_stack(gdir, ...{f', filesuffix={filesuffix!r}' if filesuffix else ''})"


def _stack_in(nc: netCDF4.Dataset) -> DemStack:
    cells.require_variables(nc, {"year", "x", "y", "crs", *STACK_VARIABLES})
    arrays = {name: nc[name][:] for name in (*STACK_VARIABLES, "x", "y")}
    return DemStack(years=nc["year"][:], crs=CRS.from_wkt(nc["crs"].crs_wkt), **arrays)


def _attributes_in(nc: netCDF4.Dataset) -> dict[str, Any]:
    attributes = {name: nc.getncattr(name) for name in nc.ncattrs()}
    if VERTICAL_DATUM not in attributes:
        raise ValueError(f"no attribute {VERTICAL_DATUM}")
    return attributes


def write_dem_stack(
    gdir: Any, stack: DemStack, attributes: Mapping[str, str | float | list[float]], filesuffix: str = ""
) -> Path:
    """Write ``glaunti_dem_stack.nc``; a file that cannot be written is a ``WriteError``.

    The heights are in the vertical datum of the directory's own DEM, and ``vertical_datum`` must be among the
    attributes, otherwise an InvalidParamsError is raised.
    """
    path = Path(gdir.get_filepath(BASENAME, filesuffix=filesuffix))
    if VERTICAL_DATUM not in attributes:
        raise InvalidParamsError(f"{gdir.rgi_id}: {path.name}: attributes name no {VERTICAL_DATUM}; say it in words")
    with cells.new_cells_file(gdir, BASENAME, filesuffix, "yearly surfaces", attributes) as nc:
        nc.createDimension("year", stack.years.size)
        year = nc.createVariable("year", "i4", ("year",), fletcher32=True)
        year.setncatts({"long_name": "calendar year; the surface is that of its 1 January", "units": "1"})
        year[:] = stack.years
        cells.write_coordinates(nc, stack)
        for name, about in STACK_VARIABLES.items():
            values = getattr(stack, name)
            dims, kind = ("year", "y", "x")[-values.ndim :], "i1" if name == "imputed" else "f4"
            # One chunk a year: runs and figures read years.
            chunks = (1, *stack.shape)[-values.ndim :]
            variable = nc.createVariable(name, kind, dims, zlib=True, complevel=1, chunksizes=chunks)
            variable.setncatts({**about, "grid_mapping": "crs"})
            variable[:] = values
    return path
