"""Melt maps on disk: observed stacks read, predicted ones written."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from oggm_glaunti.companions.meltwater.scores import WET
from oggm_glaunti.companions.meltwater.stack import Days, Floats, checked_days
from oggm_glaunti.coupling.ground.rasters import PathLike
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK, netcdf_file
from oggm_glaunti.files import replacing

_DAILY = re.compile(r"(\d{4})_(\d{2})_(\d{2})\.tif")
_EPOCH = np.datetime64("1970-01-01", "D")


def open_maps(observed: PathLike | xr.Dataset, label: str = "maps") -> xr.Dataset:
    """Read ``melt_fraction(time, y, x)`` from a NetCDF file, a folder of ``YYYY_MM_DD.tif``, or a Dataset.

    Raises
    ------
    InvalidParamsError
        if it cannot be read, lacks the variable, has fractions outside 0 to 1, dates with a time zone or twice, or
        nothing but NaN
    """
    try:
        if isinstance(observed, xr.Dataset):
            maps = observed
        elif Path(observed).is_dir():
            maps = _read_folder(Path(observed))
        else:
            with HDF5_LOCK, xr.open_dataset(observed) as opened:
                maps = opened.load()
    except (OSError, ValueError, RuntimeError) as err:
        raise InvalidParamsError(f"{label}: {observed}: cannot be read: {err}; copy or make it again") from err
    if "melt_fraction" not in maps or maps["melt_fraction"].dims != ("time", "y", "x"):
        raise InvalidParamsError(f"{label}: expected melt_fraction(time, y, x), found {sorted(map(str, maps))}")
    values = maps["melt_fraction"].values
    try:
        checked_days(label, maps["time"].to_index() if maps["time"].dtype == object else maps["time"])
    except ValueError as err:
        raise InvalidParamsError(str(err)) from err
    if not np.isfinite(values).any():
        raise InvalidParamsError(f"{label}: melt_fraction is NaN everywhere; is the mask another one?")
    if np.nanmin(values) < 0 or np.nanmax(values) > 1:
        raise InvalidParamsError(
            f"{label}: melt_fraction: expected 0 to 1, found {np.nanmin(values):g} to {np.nanmax(values):g}; divide "
            "percentages by 100"
        )
    return maps


def _read_folder(folder: Path) -> xr.Dataset:
    paths = {m.groups(): path for path in sorted(folder.glob("*.tif")) if (m := _DAILY.fullmatch(path.name))}
    if not paths:
        raise ValueError("no file YYYY_MM_DD.tif")
    days, layers = np.array(["-".join(key) for key in paths], "datetime64[D]"), []
    with HDF5_LOCK, rasterio.open(next(iter(paths.values()))) as first:
        transform, shape = first.transform, first.shape
    for path in paths.values():
        with HDF5_LOCK, rasterio.open(path) as source:
            if source.transform != transform or source.shape != shape:
                raise ValueError(f"{path.name} lies on another grid than the files before it")
            layers.append(np.ma.filled(source.read(1, masked=True).astype(np.float32), np.nan))
    rows, columns = shape
    x, y = transform.c + transform.a * (np.arange(columns) + 0.5), transform.f + transform.e * (np.arange(rows) + 0.5)
    coords = {"time": days.astype("datetime64[ns]"), "y": y, "x": x}
    return xr.Dataset({"melt_fraction": (("time", "y", "x"), np.stack(layers))}, coords)


def write_maps(
    path: PathLike,
    time: Days,
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    crs: CRS,
    probability: Floats,
    observed: Floats,
    gap: Floats,
    about: dict[str, Any] | None = None,
    wet_above: float = WET,
) -> None:
    """Write daily melt maps as CF NetCDF; the file appears complete or not at all.

    Parameters
    ----------
    path : path
    time, x, y, crs
        of the maps
    probability : array (T, H, W)
        of melt, 0 to 1
    observed : array (T, H, W)
        melt fractions where there are any: ``melt_fraction`` is these, and the probability elsewhere
    gap : array (T, H, W)
        days to the nearest scene of the season, 999 if it has none within reach
    about : dict, optional
        further attributes
    wet_above : float
        probability above which a cell counts as wet, an attribute of ``melt_probability``
    """
    seen = np.isfinite(observed)
    fields = {
        "melt_probability": (probability, "1", "probability of liquid water at the surface"),
        "melt_fraction": (np.where(seen, observed, probability), "1", "observed melt fraction, else its probability"),
        "observed": (seen, "1", "1 where melt_fraction was observed"),
        "gap_days": (gap, "day", "days to the nearest other scene, 999 if none is near"),
    }
    with replacing(path) as temporary, netcdf_file(temporary, "w") as nc:
        nc.setncatts({"Conventions": "CF-1.8", "title": "Daily meltwater maps", **(about or {})})
        nc.oggm_glaunti_version = version("oggm-glaunti")
        _coordinates(nc, time, x, y, crs)
        for name, (values, units, long_name) in fields.items():
            kind = "i1" if name == "observed" else "f4"
            fill = None if name == "observed" else np.float32(np.nan)
            chunks = (1, y.size, x.size)
            new = nc.createVariable(
                name, kind, ("time", "y", "x"), zlib=True, complevel=1, chunksizes=chunks, fill_value=fill
            )
            new.units, new.long_name, new.grid_mapping = units, long_name, "crs"
            new[:] = values
        nc["melt_probability"].wet_above = np.float32(wet_above)


def _coordinates(nc: netCDF4.Dataset, time: Days, x: NDArray[np.float64], y: NDArray[np.float64], crs: CRS) -> None:
    for name, values in (("time", (time - _EPOCH).astype(int)), ("y", y), ("x", x)):
        nc.createDimension(name, len(values))
        new = nc.createVariable(name, "i4" if name == "time" else "f8", (name,))
        new[:] = values
    nc["time"].units, nc["time"].calendar, nc["time"].standard_name = "days since 1970-01-01", "standard", "time"
    for name in ("x", "y"):
        nc[name].units, nc[name].standard_name = "m", f"projection_{name}_coordinate"
    mapping = nc.createVariable("crs", "i4")
    mapping.setncatts({k: v for k, v in crs.to_cf().items() if isinstance(v, str | float | int)})
    mapping.spatial_ref = crs.to_wkt()
