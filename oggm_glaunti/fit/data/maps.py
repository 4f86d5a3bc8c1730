"""Maps of the published training data: cells of 100 m, some with a layer for each year, turned to north up."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from oggm_glaunti import settings
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.weather.netcdf import LATITUDES, LONGITUDES, open_netcdf, read_values, read_variable

CRS_ATTRIBUTES = ("crs_wkt", "spatial_ref", "pyproj_srs", "crs", "proj4", "projection", "epsg")
# Part of a cell by which coordinates may differ and still mean the same cells.
SAME_PLACE = 0.1

Axes = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Coordinates y and x of cells."""


class MapFile:
    """One NetCDF file of maps.

    Parameters
    ----------
    path : path
        the file, which need not exist
    label : str
        beginning of every error message
    """

    def __init__(self, path: Path, label: str):
        self.path, self.label = path, label
        # The file is read once for each variable.
        self.axes, self.years = cache(self._axes), cache(self._years)

    @contextmanager
    def open(self) -> Iterator[netCDF4.Dataset]:
        """Open it, or raise an InvalidParamsError that begins with the label."""
        if not self.path.exists():
            raise InvalidParamsError(f"{self.label}: not found in {self.path.parent}")
        with open_netcdf(self.label, str(self.path)) as nc:
            yield nc

    def _axes(self, name: str) -> Axes:
        """Return the coordinates y, x of a variable's cells in the order of the file."""
        with self.open() as nc:
            variable = read_variable(self.label, nc, name)
            dims = variable.dimensions
            for dim in dims[-2:]:
                if len(dims) < 2 or dim not in nc.variables:
                    raise InvalidParamsError(
                        f"{self.label}: '{name}' has the dimensions {dims}; expected y and x as the "
                        "last two, with coordinate variables of these names"
                    )
            y, x = (read_values(self.label, nc.variables[dim]).astype(np.float64) for dim in dims[-2:])
        for axis, values in zip(dims[-2:], (y, x), strict=True):
            steps = np.diff(values)
            if values.ndim != 1 or values.size < 2 or not np.allclose(steps, steps.mean(), rtol=0.02, atol=0):
                found = f"{values.size} values" if values.size < 2 else f"steps of {steps.min():g} to {steps.max():g}"
                raise InvalidParamsError(f"{self.label}: '{axis}' has {found}; expected two or more, evenly spaced")
        return y, x

    def crs(self, name: str) -> CRS | None:
        """Return the coordinate system, from a grid mapping, the variable or the file; None if not given."""
        with self.open() as nc:
            variable = read_variable(self.label, nc, name)
            if variable.dimensions[-2] in LATITUDES and variable.dimensions[-1] in LONGITUDES:
                return CRS.from_epsg(4326)
            others = [v for v in nc.variables.values() if {*v.ncattrs()} & {*CRS_ATTRIBUTES[:3], "grid_mapping_name"}]
            named = [nc.variables[n] for n in (getattr(variable, "grid_mapping", None),) if n in nc.variables]
            each = (_crs_of(holder, self.label) for holder in (*named, variable, *others, nc))
            return next((found for found in each if found is not None), None)

    def _years(self, name: str) -> NDArray[np.int64] | None:
        """Return the years of a variable's layers; None if there is one map for all years."""
        with self.open() as nc:
            variable = read_variable(self.label, nc, name)
            if "year" not in variable.dimensions:
                return None
            if variable.dimensions[0] != "year":
                raise InvalidParamsError(f"{self.label}: '{name}' has dimensions {variable.dimensions}, not year first")
            years = read_values(self.label, read_variable(self.label, nc, "year"))
        if years.size == 0 or not (np.abs(years) <= 9999).all():
            raise InvalidParamsError(f"{self.label}: 'year' holds {years[:3]}; expected calendar years such as 1995")
        return np.rint(years).astype(np.int64)

    def layer(self, name: str, year: int, grid: CellGrid) -> NDArray[np.float32]:
        """Read the map of a year, see :func:`layer_of`; (..., H, W), row 0 north, NaN where values are missing.

        Raises
        ------
        InvalidParamsError
            if its cells are not those of `grid`
        """
        y, x = self.axes(name)
        flips = orientation((y, x), (grid.y, grid.x))
        if flips is None:
            raise InvalidParamsError(
                f"{self.label}: '{name}' is on {y.size} x {x.size} cells from x {x.min():g}, y {y.min():g}; expected "
                f"the {grid.shape[0]} x {grid.shape[1]} cells of dem.nc from x {grid.x.min():g}, y {grid.y.min():g}"
            )
        years = self.years(name)
        with self.open() as nc:
            variable = nc.variables[name]
            values = read_values(self.label, variable, ... if years is None else layer_of(years, year))
        return np.flip(values.astype(np.float32), flips)


def layer_of(years: NDArray[np.int64], year: int) -> int:
    """Return which layer is valid for a year: that of the year, else the nearest earlier one, else the earliest.

    Examples
    --------
    >>> [layer_of(np.array([2000, 2010, 2005]), year) for year in (1990, 2000, 2004, 2005, 2024)]
    [0, 0, 0, 2, 1]
    """
    earlier = np.where(years <= year, years, np.iinfo(np.int64).min)
    return int(np.argmax(earlier) if (years <= year).any() else np.argmin(years))


def orientation(own: Axes, wanted: Axes) -> tuple[int, ...] | None:
    """Return the axes, from the end, along which cells run against the wanted ones; None if they are other cells."""
    flips = []
    for axis, mine, theirs in zip((-2, -1), own, wanted, strict=True):
        if (mine[-1] - mine[0]) * (theirs[-1] - theirs[0]) < 0:
            flips.append(axis)
            mine = mine[::-1]
        if mine.size != theirs.size or np.abs(mine - theirs).max() > SAME_PLACE * abs(theirs[1] - theirs[0]):
            return None
    return tuple(flips)


def read_grid(file: MapFile, name: str, others: list[tuple[MapFile, str]]) -> CellGrid:
    """Read the cells of a glacier from its DEM; its coordinate system may be given in `others`.

    Raises
    ------
    InvalidParamsError
        if the cells are not 100 m wide, or no file gives a projected coordinate system
    """
    y, x = file.axes(name)
    for axis, values in (("y", y), ("x", x)):
        step = float(np.abs(np.diff(values)).mean())
        if abs(step - settings.CELL_SIZE) > 0.01 * settings.CELL_SIZE:
            raise InvalidParamsError(f"{file.label}: '{axis}' has steps of {step:g}; expected {settings.CELL_SIZE:g} m")
    found = next((crs for other, own in ((file, name), *others) if (crs := other.crs(own)) is not None), None)
    if found is None or not found.is_projected:
        raise InvalidParamsError(
            f"{file.label}: no projected coordinate system in it or in {', '.join(o.path.name for o, _ in others)} "
            f"(found: {found}); expected a grid mapping variable with crs_wkt (rioxarray: ds.rio.write_crs(...))"
        )
    half = settings.CELL_SIZE / 2
    return CellGrid(found, float(x.min()) - half, float(y.max()) + half, (y.size, x.size))


def _crs_of(holder: Any, label: str) -> CRS | None:
    text = next((getattr(holder, name) for name in CRS_ATTRIBUTES if name in holder.ncattrs()), None)
    try:
        if text is not None:
            return CRS.from_user_input(int(text) if isinstance(text, np.integer) else text)
        if "grid_mapping_name" in holder.ncattrs():
            return CRS.from_cf({key: holder.getncattr(key) for key in holder.ncattrs()})
    except CRSError as err:
        raise InvalidParamsError(f"{label}: the coordinate system cannot be read: {err}") from err
    return None
