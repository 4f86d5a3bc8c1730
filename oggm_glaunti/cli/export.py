"""The verb ``export``: maps as GeoTIFF, and balances and ice as tables, for programs that read no NetCDF."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oggm_glaunti.cli import common
from oggm_glaunti.cli.directories import (
    ALIASES,
    DIRECTORY,
    Outputs,
    add_chosen_model,
    add_directory,
    mb_kwargs_of,
    open_glaciers,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from oggm import GlacierDirectory

MAPS = ("smb", "smb_winter", "smb_summer", "swe")
# By file of a run: quantities of a glacier by year.
SERIES = {
    "glaunti_output.nc": (
        *("specific_mb", "winter_mb", "summer_mb", "accumulation", "melt", "mb_total", "ela", "aar"),
        *("area", "volume"),
    ),
    "run_output.nc": ("length",),
}
UNITS = {"length": "m"}  # of OGGM's file, which has none
TEMPORARY_SUFFIX = "_export"

EXPORT = f"""\
GeoTIFF (maps): a file for each glacier, a band for each year, cells of 100 m in the glacier's UTM zone, NaN outside the
glacier; the model is run for it. CSV (all): a row for each glacier and year; of maps, means over the glacier. With
--smb-suffix the maps are those that the task glaunti_smb has left in DIR. {DIRECTORY}

maps:                {", ".join(MAPS)} (seasons only with --smb-suffix)
of a run's output:   {", ".join(name for names in SERIES.values() for name in names)}"""

EXAMPLE = """\
example:
  oggm-glaunti export DIR --what smb --format geotiff --years 2010 2019 --out maps
  oggm-glaunti export DIR --what specific_mb area --format csv --out tables"""


def add_export(subparsers: common.Subparsers) -> None:
    """Add ``export``."""
    what, more = "maps as GeoTIFF, balances and ice as CSV", {"reads_calibration": True}
    parser = common.add_verb(
        subparsers, "export", run_export, what, EXPORT, EXAMPLE, {**ALIASES, "ys": "--years", "ye": "--years"}, **more
    )
    add_directory(parser)
    names = (*MAPS, *(name for of_file in SERIES.values() for name in of_file))
    parser.add_argument("--what", metavar="NAME", nargs="+", choices=names, required=True, help="see above")
    parser.add_argument("--format", choices=("geotiff", "csv"), required=True, help="of the files")
    common.add_out(parser)
    common.add_years(parser, help="mass-balance years of maps (default: all)")
    suffix = "export maps of glaunti_smb<SUFFIX>.nc as they are ('' for no suffix) instead of running the model"
    parser.add_argument("--smb-suffix", metavar="SUFFIX", help=suffix)
    group = add_chosen_model(parser, other_weather=False)
    group.add_argument("--calibration", metavar="SUFFIX", help="suffix of glaunti_params (default: none)")
    group.add_argument("--uncalibrated", action="store_true", help="run as published if there is no calibration")


def run_export(args: argparse.Namespace) -> int:
    """Write the files and print their names."""
    maps = [name for name in dict.fromkeys(args.what) if name in MAPS]
    series = [name for name in dict.fromkeys(args.what) if name not in MAPS]
    if series and args.format == "geotiff":
        raise ValueError(f"{', '.join(series)}: a number for each glacier and year, no map: give --format csv")
    seasonal = [name for name in maps if name.startswith("smb_")]
    if seasonal and args.smb_suffix is None:
        raise ValueError(f"{', '.join(seasonal)}: only from a file of glaunti_smb with dates: give --smb-suffix")
    if args.smb_suffix is not None and args.years is not None:
        raise ValueError("--years goes without --smb-suffix, whose file says which periods there are")
    tables = {name: _series(args, name) for name in series}
    written = []
    if maps:
        means: dict[str, list[pd.DataFrame]] = {name: [] for name in maps}
        for gdir in common.each(args, open_glaciers(args.directory, args.glacier), "glacier"):
            for name, data in _maps_of(gdir, args, maps).items():
                if args.format == "geotiff":
                    path = Outputs(args.out, gdir.rgi_id).path(f"_{name}.tif")
                    written.append(_replace(path, partial(write_geotiff, data)))
                else:
                    means[name].append(_means(gdir.rgi_id, data))
        if args.format == "csv":
            import pandas as pd

            tables |= {name: pd.concat(parts, ignore_index=True) for name, parts in means.items()}
    for name, table in tables.items():
        path = Outputs(args.out, name).path(".csv")
        written.append(_replace(path, partial(table.to_csv, index=False)))
    common.print_some([str(path) for path in written], "written")
    return common.OK


def _replace(path: Path, write: Callable[[Path], Any]) -> Path:
    from oggm_glaunti.files import replacing

    with replacing(path) as temporary:
        write(temporary)
    return path


def _maps_of(gdir: GlacierDirectory, args: argparse.Namespace, names: list[str]) -> dict[str, xr.DataArray]:
    """Return maps (time, y, x) with coordinates ``begin`` and ``end`` (days), from a file there is or from a run."""
    import xarray as xr

    from oggm_glaunti.coupling.model.smb import glaunti_smb
    from oggm_glaunti.coupling.model.smb_file import EPOCH
    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

    suffix = args.smb_suffix
    if suffix is None:
        suffix = TEMPORARY_SUFFIX
        ys, ye = args.years or (None, None)
        how = {"ys": ys, "ye": ye, "years": "mass_balance", "output_filesuffix": suffix}
        glaunti_smb(gdir, mb_kwargs=mb_kwargs_of(gdir, args, maps=True), **how)
    path = Path(gdir.get_filepath("glaunti_smb", filesuffix=suffix))
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; make it with the task glaunti_smb, or leave --smb-suffix out")
    try:
        with HDF5_LOCK, xr.open_dataset(path, decode_times=False) as ds:
            missing = [name for name in names if name not in ds]
            if missing:
                there = ", ".join(name for name in MAPS if name in ds)
                raise ValueError(f"{path}: no {', '.join(missing)} in it, only {there}")
            first, after = (EPOCH + ds["time_bnds"].values.astype(int)).T
            found = ds[names].load().assign_coords(begin=("time", first), end=("time", after - 1))
            crs, inside = ds["crs"].attrs["crs_wkt"], ds["outline"].values.astype(bool)
    finally:
        if args.smb_suffix is None:
            path.unlink(missing_ok=True)
    return {name: found[name].where(inside).assign_attrs(crs_wkt=crs) for name in names}


def write_geotiff(data: xr.DataArray, path: Path) -> None:
    """Write maps as a GeoTIFF, a band for each period.

    Parameters
    ----------
    data : DataArray (time, y, x)
        evenly spaced cell centres ``x`` and ``y`` (m), coordinates ``begin`` and ``end``, attributes ``crs_wkt`` and
        ``units``
    path : path
        file to write
    """
    import rasterio

    x, y = data["x"].values, data["y"].values
    if y[0] < y[-1]:
        data, y = data.isel(y=slice(None, None, -1)), y[::-1]
    side = float(x[1] - x[0])
    transform = rasterio.Affine(side, 0.0, float(x[0]) - side / 2, 0.0, -side, float(y[0]) + side / 2)
    profile = {"driver": "GTiff", "dtype": "float32", "nodata": float("nan"), "compress": "deflate"}
    bands, rows, columns = data.shape
    shape = {"count": bands, "height": rows, "width": columns}
    with rasterio.open(path, "w", crs=data.attrs["crs_wkt"], transform=transform, **profile, **shape) as tif:
        tif.write(data.values.astype("float32"))
        tif.update_tags(units=_unit(data), quantity=str(data.name))
        for band, (begin, end) in enumerate(zip(*_days(data), strict=True), start=1):
            tif.set_band_description(band, f"{data.name} {begin} to {end}")


def _days(data: xr.DataArray) -> list[Any]:
    return [data[name].values.astype("M8[D]").astype(str) for name in ("begin", "end")]


def _unit(data: xr.DataArray) -> str:
    units = str(data.attrs.get("units") or UNITS.get(str(data.name), "1"))
    return "m w.e." if data.name in MAPS else units


def _means(rgi_id: str, data: xr.DataArray) -> pd.DataFrame:
    """Average maps over the glacier."""
    import pandas as pd

    begin, end = _days(data)
    column = f"{data.name} ({_unit(data)})"
    return pd.DataFrame({"rgi_id": rgi_id, "begin": begin, "end": end, column: data.mean(["y", "x"]).values})


def _series(args: argparse.Namespace, name: str) -> pd.DataFrame:
    """Read a quantity of all glaciers by year from a run's output."""
    import numpy as np
    import pandas as pd
    import xarray as xr

    from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

    path = args.directory / next(file for file, names in SERIES.items() if name in names)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; {name} is from the output of oggm-glaunti run")
    with HDF5_LOCK, xr.open_dataset(path) as ds:
        if name not in ds:
            raise ValueError(f"{path}: no {name} in it")
        ids = [str(rgi_id) for rgi_id in ds["rgi_id"].values]
        unknown = sorted(set(args.glacier or ids) - set(ids))
        if unknown:
            raise ValueError(f"{path}: no glacier {', '.join(unknown)}; it holds {', '.join(ids[:5])}")
        data = ds[name].sel(rgi_id=args.glacier or ids).transpose("rgi_id", "time").load()
        years = (ds["year"] if "year" in ds.coords else ds["time"]).values
    columns = {"rgi_id": np.repeat(data["rgi_id"].values, len(years)), "year": np.tile(years, data.sizes["rgi_id"])}
    table = pd.DataFrame({**columns, f"{name} ({_unit(data)})": data.values.ravel()})
    wanted = slice(None) if args.years is None else table["year"].between(*args.years)
    return table[wanted]
