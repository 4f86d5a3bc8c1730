"""The daily climate file of a glacier directory: found, read, written.

It is OGGM's climate file with one value a day: ``climate_historical_daily.nc`` with the variables ``time`` (whole
calendar years), ``temp`` (degC) and ``prcp`` (kg m-2 day-1), and OGGM's attributes. In memory precipitation is
m w.e. day-1, the unit of the model.

Random weather can have several realisations. The first is ``temp`` and ``prcp``, so that software that knows of one
series only reads that; ``temp_realisation`` and ``prcp_realisation`` (realisation, time) are the others.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm import GlacierDirectory, cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from oggm.utils import haversine

from oggm_glaunti import settings
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.coupling.weather import netcdf, series as ds

settings.register()

# Dimension of the realisations after the first, and what their variables' names end in.
REALISATION = "realisation"
# Units of an amount in OGGM's climate files are per time step; the step is a day here.
_AMOUNTS_PER_STEP = ("kg m-2", "mm")


@dataclass(frozen=True)
class AboutClimate:
    """A daily record without its days.

    Made by :meth:`DailyClimate.about`, and kept with a table to tell what it was made from.

    Attributes
    ----------
    file : str
        name of the file
    source : str
        the file's ``climate_source``
    ref_hgt : float
        m
    ys, ye : int
        first and last calendar year, both included
    sha256 : str
        see :meth:`DailyClimate.digest`
    """

    file: str
    source: str
    ref_hgt: float
    ys: int
    ye: int
    sha256: str

    def origin(self) -> dict[str, Any]:
        """Return which weather this is, as a calibration notes it."""
        return {
            "climate_source": self.source,
            "climate_years": [self.ys, self.ye],
            "climate_ref_hgt": self.ref_hgt,
            "climate_sha256": self.sha256,
        }


@dataclass(frozen=True, eq=False)
class DailyClimate(ds.DailyWeather):
    """Daily weather as the model reads it: precipitation (T,) is in m w.e. day-1.

    Attributes
    ----------
    path : str
    others : tuple of DailyClimate
        more realisations of the same weather, see :attr:`realisations`; empty if it is measured or modelled

    Examples
    --------
    >>> days = np.arange("2003-01-01", "2005-01-01", dtype="M8[D]")
    >>> zeros = np.zeros(days.size, np.float32)
    >>> climate = DailyClimate(days, zeros, zeros, 3000.0, 10.8, 46.8, "CUSTOM_daily", "climate_historical_daily.nc")
    >>> climate.years.tolist(), climate.select(ys=2004).time.size
    ([2003, 2004], 366)
    """

    path: str
    others: tuple[DailyClimate, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if the arrays differ in length or are not whole calendar years."""
        shapes = self.time.shape, self.temp.shape, self.prcp.shape
        if self.time.size == 0 or not shapes[0] == shapes[1] == shapes[2]:
            raise ValueError(f"{self.path}: time, temp, prcp have shapes {shapes}; expected one length above zero")
        rows = ds.rows_of_years(self.path, self.time, *ds.span_of_whole_years(self.path, self.time))
        if rows != slice(0, self.time.size):
            raise ValueError(f"{self.path}: {self.time[0]}..{self.time[-1]} are not whole calendar years")

    @property
    def ys(self) -> int:
        """First calendar year."""
        return int(ds.calendar_years(self.time[:1])[0])

    @property
    def ye(self) -> int:
        """Last calendar year, included."""
        return int(ds.calendar_years(self.time[-1:])[0])

    @property
    def years(self) -> NDArray[np.int64]:
        """The calendar years covered, each once."""
        return np.arange(self.ys, self.ye + 1)

    @property
    def realisations(self) -> tuple[DailyClimate, ...]:
        """All realisations, each without the others; balances are means over them."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    def select(self, ys: int | None = None, ye: int | None = None) -> DailyClimate:
        """Return the calendar years `ys` to `ye`, both included; None is the file's own first or last.

        Raises
        ------
        InvalidParamsError
            if the file does not hold them
        """
        ys, ye = self.ys if ys is None else int(ys), self.ye if ye is None else int(ye)
        ds.require_covered(self.path, (self.ys, self.ye), ys, ye)
        rows = ds.rows_of_years(self.path, self.time, ys, ye)
        others = tuple(other.select(ys, ye) for other in self.others)
        return replace(self, time=self.time[rows], temp=self.temp[rows], prcp=self.prcp[rows], others=others)

    def about(self) -> AboutClimate:
        """Return years, height, source and digest."""
        return AboutClimate(os.path.basename(self.path), self.source, self.ref_hgt, self.ys, self.ye, self.digest())

    def digest(self) -> str:
        """Return the SHA-256 (hex) of times, temp, prcp, ref_hgt and other realisations.

        As long as it stays the same, files derived from this one are still valid.
        """
        sha = hashlib.sha256()
        for values, dtype in ((self.time, "<M8[D]"), (self.temp, "<f4"), (self.prcp, "<f4"), (self.ref_hgt, "<f8")):
            sha.update(np.ascontiguousarray(values, dtype=dtype).tobytes())
        for other in self.others:
            sha.update(other.digest().encode())
        return sha.hexdigest()


def daily_climate_candidates(
    gdir: GlacierDirectory, filename: str = "climate_historical", input_filesuffix: str = ""
) -> list[str]:
    """Return the paths that OGGM's `filename` and `input_filesuffix` may mean, see :func:`daily_climate_path`."""
    daily = settings.DAILY_SUFFIX
    suffixes = dict.fromkeys((input_filesuffix + daily, daily + input_filesuffix, input_filesuffix))
    return [gdir.get_filepath(filename, filesuffix=suffix) for suffix in suffixes]


def daily_climate_path(gdir: GlacierDirectory, filename: str = "climate_historical", input_filesuffix: str = "") -> str:
    """Return the path of the daily climate file that OGGM's `filename` and `input_filesuffix` mean.

    The suffix followed by ``_daily``, ``_daily`` followed by the suffix, and the suffix alone are tried in this order;
    the first file with daily steps is taken. So the empty suffix finds ``climate_historical_daily.nc``.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    filename : str
        key of ``cfg.BASENAMES``
    input_filesuffix : str
        as given to OGGM's tasks, e.g. ``_ssp126``

    Raises
    ------
    InvalidWorkflowError
        if there is no such file (its possible names are listed), or only one with monthly steps
    """
    with _open_daily(gdir, filename, input_filesuffix) as (path, _):
        return path


@contextmanager
def _open_daily(gdir: GlacierDirectory, filename: str, input_filesuffix: str) -> Iterator[tuple[str, netCDF4.Dataset]]:
    """Yield the path of the daily climate, and the file open."""
    candidates = daily_climate_candidates(gdir, filename, input_filesuffix)
    found = [path for path in candidates if os.path.exists(path)]
    for path in found:
        label = _label(gdir, path)
        with netcdf.open_netcdf(label, path) as nc:
            if not ds.is_monthly(netcdf.read_time(label, nc, slice(0, 24))):
                yield path, nc
                return
    names = [os.path.basename(path) for path in candidates]
    suffix = input_filesuffix + settings.DAILY_SUFFIX
    remedy = f"Run oggm_glaunti.tasks.process_daily_climate(gdir, source=..., filesuffix={suffix!r})"
    if filename != "climate_historical":
        remedy += f" and read it with filename='climate_historical' in place of {filename!r}"
    if found:
        said = f"filename={filename!r}, input_filesuffix={input_filesuffix!r}"
        raise InvalidWorkflowError(
            f"{_label(gdir, found[0])} is monthly, GlaUnTI needs daily weather. {remedy}, or make daily weather from "
            f"it: process_daily_climate(gdir, source='monthly', {said})."
        )
    raise InvalidWorkflowError(f"{gdir.rgi_id}: no daily climate in {gdir.dir}: none of {', '.join(names)}. {remedy}.")


def read_daily_climate(
    gdir: GlacierDirectory, filename: str = "climate_historical", input_filesuffix: str = ""
) -> DailyClimate:
    """Read and check a glacier directory's daily climate (some milliseconds for 40 years).

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    filename, input_filesuffix : str
        see :func:`daily_climate_path`

    Returns
    -------
    DailyClimate
        temp in degC, prcp in m w.e. day-1, (T,) float32

    Raises
    ------
    InvalidWorkflowError
        if there is no daily file
    InvalidParamsError
        if it is not a file of whole calendar years without gaps, NaN and invalid values, in known units, e.g.
        ``RGI60-11.00897: climate_historical_daily.nc has 14609 of 14610 days; missing: 2004-02-29``
    """
    with _open_daily(gdir, filename, input_filesuffix) as (path, nc):
        label = _label(gdir, path)
        days = ds.to_days(label, netcdf.read_time(label, nc))
        first, *others = _read_realisations(label, nc)
        place, source = netcdf.read_place(label, nc), netcdf.read_attribute(label, nc, "climate_source")
    first_year, last_year = ds.calendar_years(days[[0, -1]])
    if str(days[0]) != f"{first_year:04d}-01-01" or str(days[-1]) != f"{last_year:04d}-12-31":
        covered = f"covers {days[0]}..{days[-1]}"
        raise InvalidParamsError(f"{label} {covered}; expected whole calendar years, 1 January to 31 December")
    ds.rows_of_years(label, days, *ds.span_of_whole_years(label, days))
    for number, (temp, prcp) in enumerate((first, *others), start=1):
        ds.check_values(label if number == 1 else f"{label}: realisation {number}", days, temp, prcp)
    about = *place, str(source), path
    rest = (DailyClimate(days, temp, _metres(prcp), *about) for temp, prcp in others)
    return DailyClimate(days, first[0], _metres(first[1]), *about, others=tuple(rest))


def _metres(prcp: NDArray[np.float32]) -> NDArray[np.float32]:
    return (prcp.astype(np.float64) * 1e-3).astype(np.float32)


def _read_realisations(label: str, nc: netCDF4.Dataset) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return temperature (degC) and precipitation (kg m-2 day-1) of every realisation in a file."""
    temp_units, prcp_units = netcdf.read_units(label, nc, "temp"), netcdf.read_units(label, nc, "prcp")
    prcp_units = "kg m-2 day-1" if prcp_units in _AMOUNTS_PER_STEP else prcp_units
    found = [(netcdf.read_one_series(label, nc, "temp"), netcdf.read_one_series(label, nc, "prcp"))]
    if REALISATION in nc.dimensions:
        temps, prcps = (netcdf.read_variable(label, nc, f"{name}_{REALISATION}") for name in ("temp", "prcp"))
        more = (netcdf.read_values(label, var) for var in (temps, prcps))
        found += zip(*more, strict=True)
    return [(ds.to_celsius(label, t, temp_units), ds.to_kg_per_day(label, p, prcp_units)) for t, p in found]


def _label(gdir: GlacierDirectory, path: str) -> str:
    return f"{gdir.rgi_id}: {os.path.basename(path)}"


def write_daily_climate(
    gdir: GlacierDirectory,
    series: ds.DailySeries,
    filesuffix: str = settings.DAILY_SUFFIX,
    filename: str = "climate_historical",
) -> str:
    """Write ``<filename><filesuffix>.nc`` as OGGM writes its climate files, but with daily steps.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    series : DailySeries
    filesuffix : str
        must hold ``_daily`` for the file to be found by :func:`read_daily_climate`
    filename : str
        key of ``cfg.BASENAMES``

    Returns
    -------
    str
        the path
    """
    path = gdir.get_filepath(filename, filesuffix=filesuffix)
    with writing(path, gdir.rgi_id) as temporary, netcdf_file(temporary, "w") as nc:
        _fill_attributes(nc, gdir, series)
        _fill_variables(nc, series)
    return path


def _fill_attributes(nc: netCDF4.Dataset, gdir: GlacierDirectory, series: ds.DailySeries) -> None:
    place = series.ref_hgt, series.ref_pix_lon, series.ref_pix_lat
    nc.ref_hgt, nc.ref_pix_lon, nc.ref_pix_lat = (float(value) for value in place)
    nc.ref_pix_dis = float(haversine(gdir.cenlon, gdir.cenlat, series.ref_pix_lon, series.ref_pix_lat))
    nc.climate_source = series.source
    nc.yr_0, nc.yr_1 = (int(year) for year in ds.calendar_years(series.time[[0, -1]]))
    nc.author, nc.author_info = "OGGM", "Open Global Glacier Model"
    nc.glaunti_source_file = series.origin
    nc.setncatts(series.notes)


def _fill_variables(nc: netCDF4.Dataset, series: ds.DailySeries) -> None:
    # OGGM counts from 1801 unless the series begins earlier.
    start = 1801 if nc.yr_0 > 1800 else nc.yr_0
    nc.createDimension("time", None)
    time = nc.createVariable("time", "i4", ("time",), fletcher32=True)
    time.setncatts({"units": f"days since {start:04d}-01-01 00:00:00", "calendar": "standard"})
    time[:] = (series.time - np.datetime64(f"{start:04d}-01-01", "D")).astype(np.int32)
    described = {
        "prcp": (series.prcp, "kg m-2 day-1", "total daily precipitation amount"),
        "temp": (series.temp, "degC", "2m temperature at height ref_hgt"),
    }
    for name, (values, units, long_name) in described.items():
        var = nc.createVariable(name, "f4", ("time",), zlib=cfg.PARAMS["compress_climate_netcdf"], fletcher32=True)
        var.setncatts({"units": units, "long_name": long_name})
        var[:] = values
    if series.others:
        _fill_realisations(nc, series, described)


def _fill_realisations(nc: netCDF4.Dataset, series: ds.DailySeries, described: dict[str, tuple[Any, str, str]]) -> None:
    nc.createDimension(REALISATION, len(series.others))
    number = nc.createVariable(REALISATION, "i4", (REALISATION,))
    number.long_name = "realisation; the first is temp and prcp"
    number[:] = np.arange(2, len(series.others) + 2)
    more = {"temp": [temp for temp, _ in series.others], "prcp": [prcp for _, prcp in series.others]}
    for name, (_, units, long_name) in described.items():
        dims = (REALISATION, "time")
        var = nc.createVariable(
            f"{name}_{REALISATION}", "f4", dims, zlib=cfg.PARAMS["compress_climate_netcdf"], fletcher32=True
        )
        var.setncatts({"units": units, "long_name": f"{long_name}, other realisations"})
        var[:] = np.stack(more[name])
