"""Velocity files: written in the layout of an ITS_LIVE granule, read from that layout, a mosaic or a Zarr cube."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from oggm_glaunti.companions.iceflow.mapping import DAYS_PER_YEAR, Points
from oggm_glaunti.companions.iceflow.series import Cycle
from oggm_glaunti.companions.iceflow.velocity import Velocity
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.files import replacing

Floats = NDArray[np.float64]

# Of ITS_LIVE: no value of velocities, of chip sizes and flags.
NONE = -32767
# Of ours, with fractions.
_FLOATS = ("d_row", "d_col", "d_error", "correlation", "peak_ratio", "cycle_amplitude", "cycle_error", "cycle_day")
_DATE = "%Y%m%dT%H:%M:%S"


class VelocityFile(NamedTuple):
    """Velocities read from a file.

    Attributes
    ----------
    points : Points
        Valid velocities in the file's own projection, m yr-1
    crs : pyproj.CRS
    spacing : float
        Distance between values, m
    dates : str
        First and last date in ISO form with a slash between, or empty
    """

    points: Points
    crs: CRS
    spacing: float
    dates: str


def write_velocity(path: str | os.PathLike[str], found: Velocity) -> None:
    """Write velocities to NetCDF, completely or not at all.

    Images with a place: ``vx``, ``vy``, ``v``, ``v_error``, ``chip_size_width``, ``chip_size_height`` and
    ``interp_mask`` in the types and with the names and attributes of an ITS_LIVE granule, whole m yr-1. In any case the
    numbers that those cannot hold: displacement a day in rows and columns, px, its error, correlation, ratio to the
    second peak, number of pairs, and the flag of the search's edge.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If no velocity is valid
    oggm_glaunti.files.WriteError
        If the file cannot be written
    """
    path = Path(path)
    if not np.isfinite(found.rows).any():
        raise InvalidParamsError(f"{path}: no velocity is valid, nothing to write")
    first = found.images[0]
    data = _in_pixels(found)
    if first.crs is not None:
        data = data.merge(_granule(found, first.crs))
    data.attrs = {
        "Conventions": "CF-1.8",
        "title": "surface velocities by feature tracking",
        "source": f"oggm-glaunti {version('oggm-glaunti')}",
        "images": " ".join(image.path.name for image in found.images),
        "dates": " ".join(image.date.isoformat() for image in found.images),
        "shift_rows": found.shifts[:, 0],
        "shift_cols": found.shifts[:, 1],
        "shift_anchor": found.anchor,
        "motion_detection_method": "feature",
        **_of_images(found),
        "motion_coordinates": "map" if first.crs is not None else "image",
    }
    packed: dict[str, Any] = {"zlib": True, "complevel": 1}
    kinds: dict[str, dict[str, Any]] = {
        **{name: {"dtype": "int16", "_FillValue": NONE} for name in ("vx", "vy", "v", "v_error")},
        **{name: {"_FillValue": 0} for name in ("chip_size_width", "chip_size_height", "interp_mask")},
        **{name: {"dtype": "float32", "_FillValue": np.nan} for name in _FLOATS},
    }
    with_values = [name for name in data.variables if data[name].ndim]
    encoding = {name: {**packed, **kinds.get(str(name), {"_FillValue": None})} for name in with_values}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, HDF5_LOCK:
        data.to_netcdf(temporary, engine="netcdf4", encoding=encoding)


def _axes(found: Velocity) -> dict[str, Any]:
    first = found.images[0]
    if first.crs is None:
        about = {"units": "1", "description": "centre of the window, pixels from the first pixel's centre"}
        return {"y": ("y", found.row.astype(float), about), "x": ("x", found.col.astype(float), about)}
    t = first.transform
    x, y = t.c + t.a * (found.col + 0.5), t.f + t.e * (found.row + 0.5)
    name = lambda axis: {
        "standard_name": f"projection_{axis}_coordinate",
        "description": f"{axis} coordinate of projection",
        "units": "m",
    }
    return {"y": ("y", y, name("y")), "x": ("x", x, name("x"))}


def _in_pixels(found: Velocity) -> xr.Dataset:
    fields = {
        "d_row": (found.rows, "displacement towards higher rows", "pixel day-1"),
        "d_col": (found.cols, "displacement towards higher columns", "pixel day-1"),
        "d_error": (found.error, "standard error of a component, of each window for itself", "pixel day-1"),
        "correlation": (found.corr, "correlation of the match", "1"),
        "peak_ratio": (np.minimum(found.ratio, 1e4), "correlation divided by that of the second peak", "1"),
        "count": (found.count.astype(np.int32), "pairs of images with a valid vector", "1"),
        "edge": (found.edge.astype(np.int8), "best match at the edge of the search, no vector", "1"),
        "stable": (found.stable.astype(np.int8), "taken as ground that does not move", "1"),
    }
    data = xr.Dataset(
        {
            name: (("y", "x"), values, {"description": what, "units": unit})
            for name, (values, what, unit) in fields.items()
        },
        _axes(found),
    )
    data["d_error"].attrs["common_error"] = found.common_error
    return data if found.cycle is None else data.assign(_cycle(found, found.cycle))


def _cycle(found: Velocity, cycle: Cycle) -> dict[str, Any]:
    """Return the seasonal cycle as variables, with the day of the year instead of days since the first image."""
    start = found.images[0].date.timetuple().tm_yday
    fields = {
        "cycle_amplitude": (cycle.amplitude, "half the difference of greatest and least speed", "pixel day-1"),
        "cycle_error": (cycle.error, "standard error of cycle_amplitude", "pixel day-1"),
        "cycle_day": ((cycle.peak + start) % 365.25, "day of the year of the greatest speed", "1"),
    }
    return {name: (("y", "x"), v, {"description": what, "units": unit}) for name, (v, what, unit) in fields.items()}


def _of_images(found: Velocity) -> dict[str, Any]:
    named = {"image_error": found.image_error, "image_distortion": found.distortion}
    return {name: values for name, values in named.items() if values is not None}


def _granule(found: Velocity, crs: CRS) -> xr.Dataset:
    first = found.images[0]
    per_year = DAYS_PER_YEAR * float(first.pixel or np.nan)
    vx, vy = found.cols * per_year, -found.rows * per_year
    v = np.hypot(vx, vy)
    error = np.hypot(found.error, np.nan_to_num(found.common_error)) * per_year
    chip = np.round(found.chip * float(first.pixel or 0)).astype(np.uint16)
    mapped = {"grid_mapping": "mapping"}
    common = _component_attributes(found, per_year, error, mapped)
    shift = (found.shifts[-1] - found.shifts[0]) / found.days * per_year
    pixel = float(first.pixel or np.nan)
    in_units = {"units": "meter/year", **mapped}
    fields: dict[str, tuple[NDArray[Any], dict[str, Any]]] = {
        "vx": (
            vx,
            {**_named("x_velocity", "velocity component in x direction"), **common, "stable_shift": float(shift[1])},
        ),
        "vy": (
            vy,
            {**_named("y_velocity", "velocity component in y direction"), **common, "stable_shift": float(-shift[0])},
        ),
        "v": (v, {**_named("velocity", "velocity magnitude"), **in_units}),
        "v_error": (
            np.where(np.isfinite(v), error, np.nan),
            {"standard_name": "velocity_error", "description": "velocity magnitude error", **in_units},
        ),
        "chip_size_width": (
            chip,
            {"description": "width of search template (chip)", "units": "m", **mapped, "x_pixel_size": pixel},
        ),
        "chip_size_height": (
            chip,
            {"description": "height of search template (chip)", "units": "m", **mapped, "y_pixel_size": pixel},
        ),
        "interp_mask": (
            np.zeros(v.shape, np.uint8),
            {
                "description": "true where values have been interpolated",
                "flag_meanings": "measured interpolated",
                "flag_values": np.array([0, 1], np.uint8),
                **mapped,
            },
        ),
    }
    data = xr.Dataset({name: (("y", "x"), *field) for name, field in fields.items()}, _axes(found))
    wkt = crs.to_wkt()
    data["mapping"] = ((), "", {**crs.to_cf(), "crs_wkt": wkt, "spatial_ref": wkt, "spatial_epsg": crs.to_epsg() or 0})
    data["img_pair_info"] = ((), "", _pair_information(found))
    return data


def _component_attributes(
    found: Velocity, per_year: float, error: NDArray[Any], mapped: dict[str, str]
) -> dict[str, Any]:
    """Return what the attributes of both components say of errors and of stable ground."""
    return {
        "units": "meter/year",
        **mapped,
        "error": float(np.nanmedian(error)),
        "error_description": "median over windows; a standard error of each is in v_error",
        "error_stationary": float(np.nan_to_num(found.common_error, nan=np.nan) * per_year),
        "error_stationary_description": "error that all vectors share, from the shift of the images",
        "error_modeled": float(np.nanmedian(found.error) * per_year),
        "error_modeled_description": "median error of single windows from correlation, chip size and days",
        "stable_shift_flag": int(bool(found.stable.any())),
        "stable_shift_flag_description": "0 = no correction; 1 = from stable surfaces",
        "stable_count_stationary": int((found.stable & (found.count > 0)).sum()),
    }


def _named(quantity: str, description: str) -> dict[str, str]:
    return {"standard_name": f"land_ice_surface_{quantity}", "description": description}


def _pair_information(found: Velocity) -> dict[str, Any]:
    first, last = found.images[0], found.images[-1]
    middle = first.date + (last.date - first.date) / 2
    return {
        "standard_name": "image_pair_information",
        "id_img1": first.path.stem,
        "id_img2": last.path.stem,
        "acquisition_date_img1": first.date.strftime(_DATE),
        "acquisition_date_img2": last.date.strftime(_DATE),
        "date_center": middle.strftime(_DATE),
        "date_dt": found.days,
    }


def read_velocity(path: str | os.PathLike[str]) -> VelocityFile:
    """Read the velocities of a NetCDF file or a Zarr folder in the layout of ITS_LIVE.

    ``vx`` and ``vy`` (m yr-1) of (y, x); with a third dimension, error-weighted means over it. A Zarr folder has to be
    on the disk and needs the package zarr.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If the file is missing or damaged, lacks a variable or coordinate system, or holds no valid velocity
    """
    path = Path(path)
    if not path.exists():
        raise InvalidParamsError(f"{path} does not exist; expected a velocity file")
    try:
        with HDF5_LOCK, _opened(path) as data:
            return _velocities(path, data)
    except InvalidParamsError:
        raise
    except Exception as err:  # of netCDF4, zarr, xarray: each has errors of its own for damaged files
        raise InvalidParamsError(f"{path} cannot be read as a velocity file ({type(err).__name__}: {err})") from err


def _opened(path: Path) -> xr.Dataset:
    if path.is_dir():
        try:
            return xr.open_zarr(path, decode_timedelta=False)
        except ImportError as err:
            raise InvalidParamsError(f"{path} is a Zarr folder; reading it needs zarr (pip install zarr)") from err
    with HDF5_LOCK:
        return xr.open_dataset(path, engine="netcdf4", decode_timedelta=False)


def _velocities(path: Path, data: xr.Dataset) -> VelocityFile:
    missing = [name for name in ("vx", "vy", "x", "y") if name not in data.variables]
    if missing:
        raise InvalidParamsError(f"{path} has no {', '.join(missing)}; expected the layout of an ITS_LIVE granule")
    mapping = data["vx"].attrs.get("grid_mapping") or data["vx"].encoding.get("grid_mapping") or "mapping"
    about = data[mapping].attrs if mapping in data.variables else {}
    wkt = about.get("crs_wkt") or about.get("spatial_ref") or about.get("spatial_epsg") or data.attrs.get("projection")
    if not wkt:
        raise InvalidParamsError(f"{path} names no coordinate system; expected a grid mapping with crs_wkt")
    vx, vy = (np.asarray(data[name].values, float) for name in ("vx", "vy"))
    good = np.isfinite(vx) & np.isfinite(vy)
    if not good.any():
        raise InvalidParamsError(
            f"{path} holds no valid velocity: all {vx.size} values of vx and vy are missing. There was nothing to "
            "track in that pair; use another granule"
        )
    error = np.asarray(data["v_error"].values, float) if "v_error" in data.variables else np.full(vx.shape, np.nan)
    typical = float(np.nanmedian(error[good])) if np.isfinite(error[good]).any() else float("nan")
    if not np.isfinite(typical):
        typical = float(data["vx"].attrs.get("error", 10.0))
    error = np.broadcast_to(np.where(np.isfinite(error) & (error > 0), error, typical), vx.shape)
    if vx.ndim == 3:
        weight = np.where(good, 1.0 / error**2, 0.0)
        total = weight.sum(axis=0)
        mean = lambda part: np.where(
            total > 0, (np.where(good, part, 0.0) * weight).sum(axis=0) / np.where(total > 0, total, 1), np.nan
        )
        vx, vy, error = mean(vx), mean(vy), np.sqrt(1.0 / np.where(total > 0, total, np.nan))
        good = total > 0
    x, y = (part.ravel() for part in np.meshgrid(data["x"].values.astype(float), data["y"].values.astype(float)))
    take = good.ravel()
    vx, vy, error = (part.ravel()[take] for part in (vx, vy, error))
    corr = (
        np.asarray(data["correlation"].values, float).ravel()[take]
        if "correlation" in data
        else np.full(take.sum(), np.nan)
    )
    points = Points(x[take], y[take], vx, vy, error, corr)
    return VelocityFile(points, CRS.from_user_input(wkt), abs(float(data["x"][1] - data["x"][0])), _dates(data))


def _dates(data: xr.Dataset) -> str:
    info = data["img_pair_info"].attrs if "img_pair_info" in data.variables else {}
    dates = [str(info.get(f"acquisition_date_img{k}", "")) for k in (1, 2)]
    texts = [f"{date[:4]}-{date[4:6]}-{date[6:8]}" for date in dates if len(date) >= 8]
    return "/".join(texts)
