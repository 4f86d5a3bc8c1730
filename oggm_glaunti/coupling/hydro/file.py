"""``glaunti_hydro_daily.nc``: a run's water day by day, written year by year."""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import netCDF4
import numpy as np

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK, netcdf_file
from oggm_glaunti.coupling.oggm.versions import days_in_year
from oggm_glaunti.coupling.oggm.writing import writing

if TYPE_CHECKING:
    import xarray as xr
    from oggm import GlacierDirectory

DAYS_AT_ONCE, UNITS_AT_ONCE = 3660, 64  # of a chunk

FLUX, STATE = "kg day-1", "kg"
# name: (units, long name)
DAILY = {
    "melt_on_glacier": (FLUX, "melt of snow and ice on the glacier"),
    "melt_off_glacier": (FLUX, "melt of snow on ice-free ground"),
    "snow_melt_on_glacier": (FLUX, "melt of snow on the glacier"),
    "ice_melt_on_glacier": (FLUX, "melt of ice on the glacier"),
    "liq_prcp_on_glacier": (FLUX, "rain on the glacier"),
    "liq_prcp_off_glacier": (FLUX, "rain on ice-free ground"),
    "snowfall_on_glacier": (FLUX, "snowfall on the glacier"),
    "snowfall_off_glacier": (FLUX, "snowfall on ice-free ground"),
    "refreezing_on_glacier": (FLUX, "rain and melt that freezes again on the glacier"),
    "rain_on_snow": (FLUX, "rain on snow, of all rain"),
    "swe_on_glacier": (STATE, "snow on the glacier at the end of the day"),
    "snow_bucket": (STATE, "snow on ice-free ground at the end of the day"),
    "snow_covered_fraction": ("1", "snow-covered fraction of the glacier at the end of the day"),
    "discharge": ("m3 s-1", "rain and melt, on and off the glacier, after routing"),
}
SNOW_LINE = ("m", "height above which all of the glacier is covered by more than half")
YEARLY = {
    "on_area": ("m2", "glacier area"),
    "off_area": ("m2", "area of ice-free ground"),
    "snow_moved_on_glacier": (STATE, "snow that comes to the glacier's at the beginning of the year"),
    "snow_moved_off_glacier": (STATE, "snow that comes to the ice-free ground's at the beginning of the year"),
}
MASS = {
    "model_mb": ("kg yr-1", "change of the glacier's mass in the ice dynamics"),
    "residual_mb": ("kg yr-1", "model_mb less snowfall, plus melt, less refreezing on the glacier"),
}


class Shape(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    years : int array (Y,)
    units : tuple of str
        empty: no dimension
    realisations : int
        1: no dimension
    names : tuple of str
        of the daily fields
    snow_line : bool
    """

    years: np.ndarray
    units: tuple[str, ...]
    realisations: int
    names: tuple[str, ...]
    snow_line: bool

    def rows(self) -> list[slice]:
        """Return the days of each year."""
        ends = np.cumsum([0, *(days_in_year(int(year)) for year in self.years)]).tolist()
        return [slice(begin, end) for begin, end in pairwise(ends)]


class HydroFile:
    """A new file, of which years are filled in any order."""

    def __init__(self, nc: netCDF4.Dataset, shape: Shape):
        self._nc, self._shape, self._rows = nc, shape, shape.rows()
        nc.createDimension("time", self._rows[-1].stop)
        nc.createDimension("year", shape.years.size)
        dims: tuple[str, ...] = ("time",)
        chunks = [min(DAYS_AT_ONCE, self._rows[-1].stop)]
        yearly: tuple[str, ...] = ("year",)
        if shape.units:
            nc.createDimension("unit", len(shape.units))
            dims, yearly, chunks = ("time", "unit"), ("year", "unit"), [*chunks, min(UNITS_AT_ONCE, len(shape.units))]
        line_dims, line_chunks = dims[:1], chunks[:1]
        if shape.realisations > 1:
            nc.createDimension("realisation", shape.realisations)
            dims, line_dims, chunks, line_chunks = (
                ("realisation", *dims),
                ("realisation", *line_dims),
                [1, *chunks],
                [1, *line_chunks],
            )
        self._coordinates()
        for name in shape.names:
            self._variable(name, dims, chunks, *DAILY[name])
        if shape.snow_line:
            self._variable("snowline", line_dims, line_chunks, *SNOW_LINE)
        for name, (units, long_name) in YEARLY.items():
            if name.startswith("snow_moved"):
                if "snow_bucket" in shape.names:
                    moved = ("realisation", *yearly) if shape.realisations > 1 else yearly
                    self._variable(name, moved, None, units, long_name)
            else:
                self._variable(name, yearly, None, units, long_name)
        for name, (units, long_name) in MASS.items():
            self._variable(name, ("year",), None, units, long_name)

    def _variable(self, name: str, dims: Any, chunks: Any, units: str, long_name: str) -> None:
        variable = self._nc.createVariable(name, "f8", dims, zlib=True, complevel=4, shuffle=True, chunksizes=chunks)
        variable.units, variable.long_name = units, long_name

    def _coordinates(self) -> None:
        years = self._shape.years
        time = self._nc.createVariable("time", "i4", ("time",), zlib=True)
        time.units, time.calendar = f"days since {int(years[0]):04d}-01-01", "proleptic_gregorian"
        time.standard_name, time.long_name = "time", "day"
        time[:] = np.arange(self._rows[-1].stop)
        year = self._nc.createVariable("year", "i4", ("year",))
        year.long_name = "calendar year"
        year[:] = years
        if self._shape.units:
            names = self._nc.createVariable("unit", str, ("unit",))
            for k, name in enumerate(self._shape.units):
                names[k] = name

    def add(self, year: int, values: Mapping[str, np.ndarray], realisation: int, again: bool) -> None:
        """Write fields (D, U) of a year's days, or add them to what is there."""
        for name, field in values.items():
            at: Any = (realisation, self._rows[year]) if self._shape.realisations > 1 else self._rows[year]
            field = field if self._shape.units or field.ndim == 1 else field[:, 0]
            variable = self._nc[name]
            variable[at] = variable[at] + field if again else field

    def read(self, name: str, year: int, realisation: int) -> np.ndarray:
        """Return a field (D, U) of a year's days."""
        at: Any = (realisation, self._rows[year]) if self._shape.realisations > 1 else self._rows[year]
        days = len(range(*self._rows[year].indices(self._rows[-1].stop)))
        return np.asarray(self._nc[name][at], np.float64).reshape(days, -1)

    def yearly(self, name: str, values: np.ndarray) -> None:
        """Write a field of years: (Y,), (Y, U) or (R, Y, U)."""
        variable = self._nc[name]
        variable[:] = values.reshape(variable.shape)


@contextmanager
def new_file(
    gdir: GlacierDirectory, filesuffix: str, shape: Shape, attributes: Mapping[str, Any]
) -> Iterator[HydroFile]:
    """Yield a file to be filled; it appears complete or not at all."""
    path = gdir.get_filepath("glaunti_hydro_daily", filesuffix=filesuffix)
    with writing(path, gdir.rgi_id) as temporary, netcdf_file(temporary, "w") as nc:
        nc.set_fill_off()
        nc.Conventions = "CF-1.8"
        nc.title = "Daily water of a glacier run"
        nc.rgi_id = gdir.rgi_id
        nc.source = f"oggm_glaunti {importlib.metadata.version('oggm_glaunti')}"
        nc.setncatts(dict(attributes))
        yield HydroFile(nc, shape)


def read_daily_hydro(gdir: GlacierDirectory, filesuffix: str = "") -> xr.Dataset:
    """Open the daily water of a run.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``glaunti_hydro_daily.nc``, see ``run_with_daily_hydro``
    filesuffix : str
        of that file

    Returns
    -------
    xarray.Dataset
        in memory

    Raises
    ------
    InvalidWorkflowError
        if there is no such file
    """
    import xarray as xr
    from oggm.exceptions import InvalidWorkflowError

    path = gdir.get_filepath("glaunti_hydro_daily", filesuffix=filesuffix)
    try:
        with warnings.catch_warnings(), HDF5_LOCK:
            # Years of runs without dates begin at 0, which xarray decodes but warns of.
            warnings.simplefilter("ignore", xr.SerializationWarning)
            with xr.open_dataset(path) as ds:
                return ds.load()
    except FileNotFoundError:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {path} is missing; run run_with_daily_hydro(gdir, output_filesuffix={filesuffix!r}) first"
        ) from None
