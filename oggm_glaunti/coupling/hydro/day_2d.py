"""Daily water in OGGM's layout of years and days of year, next to the other diagnostics of a run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from oggm_glaunti.coupling.hydro.calendar import SLOTS
from oggm_glaunti.coupling.hydro.file import DAILY, MASS, read_daily_hydro
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.coupling.oggm.versions import days_in_year
from oggm_glaunti.coupling.oggm.writing import writing

if TYPE_CHECKING:
    from oggm import GlacierDirectory

# Those that OGGM's compile_run_output knows.
NAMES = (
    "melt_off_glacier",
    "melt_on_glacier",
    "liq_prcp_off_glacier",
    "liq_prcp_on_glacier",
    "snowfall_off_glacier",
    "snowfall_on_glacier",
    "snow_bucket",
)


def add_to_diagnostics(gdir: GlacierDirectory, filesuffix: str) -> None:
    """Add daily and annual water to ``model_diagnostics.nc``, means over the realisations of the weather.

    As OGGM has it, the last entry of the run's time is no year and has no water (NaN), and states are those at the
    beginning of a day or year. The 366th day of common years is NaN as well.
    """
    water = read_daily_hydro(gdir, filesuffix)
    path = gdir.get_filepath("model_diagnostics", filesuffix=filesuffix)
    with HDF5_LOCK, xr.open_dataset(path) as diagnostics:
        time = diagnostics["time"].load()
    out = xr.Dataset(coords={"time": time})
    out.coords["day_2d"] = ("day_2d", np.arange(1, SLOTS + 1))
    out.coords["calendar_day_2d"] = ("day_2d", np.arange(1, SLOTS + 1))
    years = water["year"].values
    for name in NAMES:
        if name not in water:
            continue
        values = water[name].mean("realisation") if "realisation" in water[name].dims else water[name]
        about = {"unit": DAILY[name][0], "description": DAILY[name][1]}
        annual = {**about, "unit": about["unit"].replace("day-1", "yr-1")}
        daily, yearly = _by_year(np.asarray(values.values, np.float64), years, name == "snow_bucket", water)
        out[f"{name}_daily"] = (("time", "day_2d"), daily, about)
        out[name] = ("time", yearly, annual)
    for name, attributes in {
        **MASS,
        "on_area": ("m 2", "On-glacier area"),
        "off_area": ("m 2", "Off-glacier area"),
    }.items():
        about = {"unit": attributes[0], "description": attributes[1]}
        out[name] = ("time", np.append(water[name].values, np.nan), about)
    with writing(path, gdir.rgi_id) as temporary, HDF5_LOCK:
        shutil.copyfile(path, temporary)
        encoding = {name: {"zlib": True} for name in map(str, out.data_vars) if name.endswith("_daily")}
        out.to_netcdf(temporary, mode="a", encoding=encoding)


def _by_year(values: np.ndarray, years: np.ndarray, state: bool, water: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Daily (Y + 1, 366) and annual (Y + 1,) values of a series of days."""
    daily, annual = np.full((years.size + 1, SLOTS), np.nan), np.full(years.size + 1, np.nan)
    if state:
        # At the beginning of a day: the end of the day before, and what the new year moves.
        of_years = water["snow_moved_off_glacier"]
        moved = (of_years.mean("realisation") if "realisation" in of_years.dims else of_years).values
        values = np.concatenate([[0.0], values])
    begin = 0
    for k, year in enumerate(years):
        end = begin + days_in_year(int(year))
        daily[k, : end - begin] = values[begin:end]
        if state:
            daily[k, 0] += moved[k]
        annual[k] = daily[k, 0] if state else values[begin:end].sum()
        begin = end
    if state:
        daily[-1, 0] = annual[-1] = values[-1]
    return daily, annual
