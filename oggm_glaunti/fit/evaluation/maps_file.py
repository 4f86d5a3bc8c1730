"""Maps of inference in CF NetCDF files, one per glacier, of years and seasons or of days."""

import importlib.metadata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from oggm_glaunti.coupling.ground.features_file import write_coordinates
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.fit.evaluation.inference import PredictedYear, glacier_mean

FIRST_DAY = np.datetime64("1801-01-01", "D")  # OGGM's
VARIABLE_OF = {"annual": "smb", "winter": "smb_winter", "summer": "smb_summer"}
LONG_NAMES = {"smb": "surface mass balance of the mass-balance year"}
LONG_NAMES |= {f"smb_{season}": f"surface mass balance of the {season} season" for season in ("winter", "summer")}
CORRECTIONS = "ln prec_scale, ln ddf_snow, ln ddf_relative_ice, snow_to_rain_centre (K), t_pos_shift (K)"
HALF_DAYS = "The first and the last day of a season count half, so that seasons which share a day add up to the year."
WHOLE_DAYS = "Every day counts in full. Where two seasons hold a day, the mean of both, weighted as in their sums."


def write_years(
    path: Path, glacier: Any, years: Iterable[tuple[Any, PredictedYear]], about: Mapping[str, str]
) -> list[int]:
    """Write annual and seasonal maps and their means over the glacier, year by year.

    Parameters
    ----------
    path : path
        the file appears complete or not at all
    glacier : GlacierData
        its `grid` (x, y and crs of the cells) is written if known
    years : iterable of (YearData, PredictedYear)
        see :func:`oggm_glaunti.fit.evaluation.inference.predict_glacier`
    about : mapping
        global attributes of the file

    Returns
    -------
    list of int
        the years written
    """
    written: list[int] = []
    with writing(path, glacier.name) as temporary, netcdf_file(temporary, "w") as nc:
        _write_header(nc, glacier, {**about, "comment": HALF_DAYS})
        _create_time(nc, "last day of the mass-balance year", bounds=True)
        _create_maps(nc, "outline", "1 on the glacier, by cell centre", kind="i1", units="1")
        for data, predicted in years:
            _write_year(nc, len(written), data, predicted)
            written.append(predicted.year)
    return written


def _write_year(nc: netCDF4.Dataset, i: int, data: Any, predicted: PredictedYear) -> None:
    nc["time"][i] = _days_since(predicted.end)
    nc["time_bnds"][i] = [_days_since(predicted.begin), _days_since(predicted.end) + 1]
    nc["outline"][i] = np.asarray(data.outline > 0, np.int8)
    for season, field in predicted.maps.items():
        name = VARIABLE_OF[season]
        if name not in nc.variables:
            _create_maps(nc, name, LONG_NAMES[name])
            _create_series(nc, f"{name}_glacier", f"{LONG_NAMES[name]}, mean over the glacier")
        nc[name][i] = on_glacier(field, data.outline)
        nc[f"{name}_glacier"][i] = glacier_mean(field, data.outline)
    if predicted.state.values.ndim == 2:
        if "swe" not in nc.variables:
            swe = _create_maps(nc, "swe", "snow water equivalent on the last day")
            swe.standard_name = "lwe_thickness_of_surface_snow_amount"
        nc["swe"][i] = on_glacier(predicted.state.values, data.outline)
    if predicted.ds is not None:
        if "corrections" not in nc.variables:
            nc.createDimension("correction", 5)
            _create(nc, "corrections", "f4", ("time", "correction", "y", "x"), "1", f"corrections: {CORRECTIONS}")
        nc["corrections"][i] = on_glacier(predicted.ds, data.outline)


def on_glacier(field: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Set a field (..., H, W) to NaN outside the glacier."""
    return np.where(np.asarray(outline) > 0, field, np.float32(np.nan))


def write_days(
    path: Path, glacier: Any, years: Iterable[tuple[Any, PredictedYear]], about: Mapping[str, str]
) -> list[int]:
    """Write daily maps and their means over the glacier; arguments as in :func:`write_years`.

    A day of two seasons is written once, as the mean of both with the weights it has in their sums; a day of no season
    is missing (NaN).
    """
    written: list[int] = []
    weights: dict[int, float] = {}
    with writing(path, glacier.name) as temporary, netcdf_file(temporary, "w") as nc:
        _write_header(nc, glacier, {**about, "comment": WHOLE_DAYS})
        _create_time(nc, "day", bounds=False)
        _create_maps(nc, "smb", "surface mass balance of the day")
        _create_series(nc, "smb_glacier", "surface mass balance of the day, mean over the glacier")
        for data, predicted in years:
            begins = [day for day in (predicted.begin, predicted.mid) if day is not None][: len(predicted.daily)]
            for begin, season, daily in zip(begins, data.seasons, predicted.daily, strict=True):
                for k, (weight, field) in enumerate(zip(season.weights, daily, strict=True)):
                    _add_day(nc, _days_since(begin) + k, float(weight), field, data.outline, weights)
            written.append(predicted.year)
    return written


def _add_day(
    nc: netCDF4.Dataset, day: int, weight: float, field: np.ndarray, outline: np.ndarray, weights: dict[int, float]
) -> None:
    """Add a day's balance times its weight (H, W) to what is already written of that day."""
    if not weights:
        nc["time"][0] = day
    first = int(nc["time"][0])
    i, seen = day - first, weights.get(day, 0.0)
    if i < 0:
        raise ValueError(f"{nc.glacier}: days before {FIRST_DAY + first} come after it; years have to be in order")
    n = nc.dimensions["time"].size
    if i >= n:
        nc["time"][n : i + 1] = np.arange(first + n, day + 1)
    before = seen * np.ma.filled(nc["smb"][i], np.nan) if seen else 0.0
    whole = on_glacier((before + field) / (seen + weight), outline)
    nc["smb"][i], weights[day] = whole, seen + weight
    nc["smb_glacier"][i] = np.nanmean(whole, dtype=np.float64)


def _days_since(day: np.datetime64) -> int:
    return int((day - FIRST_DAY).astype("timedelta64[D]").astype(int))


def _write_header(nc: netCDF4.Dataset, glacier: Any, about: Mapping[str, str]) -> None:
    version = importlib.metadata.version("oggm-glaunti")
    head = {"Conventions": "CF-1.8", "title": "GlaUnTI surface mass balance", "source": f"oggm-glaunti {version}"}
    nc.setncatts({**head, "glacier": glacier.name, **about})
    grid = getattr(glacier, "grid", None)
    if grid is not None:
        write_coordinates(nc, grid)
        return
    for name, size in zip(("y", "x"), glacier.shape, strict=True):
        nc.createDimension(name, size)
        variable = nc.createVariable(name, "i4", (name,))
        variable.setncatts({"units": "1", "long_name": f"{'row' if name == 'y' else 'column'} of the grid, from 0"})
        variable[:] = np.arange(size)


def _create_time(nc: netCDF4.Dataset, long_name: str, bounds: bool) -> None:
    nc.createDimension("time", None)
    time = nc.createVariable("time", "i4", ("time",))
    time.setncatts({"units": f"days since {FIRST_DAY} 00:00:00", "calendar": "standard", "standard_name": "time"})
    time.long_name, time.axis = long_name, "T"
    if bounds:
        time.bounds = "time_bnds"
        nc.createDimension("bnds", 2)
        nc.createVariable("time_bnds", "i4", ("time", "bnds"))


def _create_maps(nc: netCDF4.Dataset, name: str, long_name: str, kind: str = "f4", units: str = "m") -> Any:
    chunks = (1, nc.dimensions["y"].size, nc.dimensions["x"].size)
    long_name += ", water equivalent" if name in LONG_NAMES else ""
    return _create(nc, name, kind, ("time", "y", "x"), units, long_name, chunksizes=chunks)


def _create_series(nc: netCDF4.Dataset, name: str, long_name: str) -> None:
    variable = nc.createVariable(name, "f8", ("time",), fill_value=np.nan)
    variable.setncatts({"units": "m", "long_name": long_name})


def _create(
    nc: netCDF4.Dataset, name: str, kind: str, dimensions: tuple[str, ...], units: str, long_name: str, **options: Any
) -> Any:
    """Create a compressed variable on the cells."""
    fill = np.float32(np.nan) if kind == "f4" else None
    variable = nc.createVariable(name, kind, dimensions, zlib=True, complevel=1, fill_value=fill, **options)
    variable.setncatts({"units": units, "long_name": long_name})
    if "crs" in nc.variables:
        variable.grid_mapping = "crs"
    return variable
