"""Task that compiles the balances of a region's glaciers into one CF dataset, as NetCDF or Zarr."""

import importlib.util
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xarray as xr
from oggm import GlacierDirectory, cfg, global_task
from oggm.exceptions import InvalidParamsError
from oggm.utils import tolist

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.choice import TABLE_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.coupling.oggm.progress import execute_with_bar
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.region.dataset import region_dataset
from oggm_glaunti.region.jobs import require_each_once
from oggm_glaunti.region.outputs import glacier_balance

settings.register()
log = logging.getLogger(__name__)

SUFFIX = {"netcdf": ".nc", "zarr": ".zarr"}
GLACIERS_PER_CHUNK = 1000  # each with all years: a chunk of 40 years is 160 kB


@global_task(log)
def compile_glaunti_output(
    gdirs: GlacierDirectory | Sequence[GlacierDirectory],
    path: bool | str | os.PathLike[str] = True,
    *,
    input_filesuffix: str | None = None,
    output_filesuffix: str = "",
    format: str = "netcdf",
    years: str = "mass_balance",
    ys: int | None = None,
    ye: int | None = None,
    mb_kwargs: Mapping[str, Any] | None = None,
    use_compression: bool = True,
    progress: bool = True,
) -> xr.Dataset:
    """Compile the balance of many glaciers, year by year, into one CF dataset and file.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
    path : bool or path
        True writes ``glaunti_output<output_filesuffix>.nc`` (or ``.zarr``) to the working directory, False nothing
    input_filesuffix : str, optional
        The `output_filesuffix` of a run of OGGM's dynamics (``''`` is the run without one): every year's balance is for
        its own geometry, that of the 1 January within or at the beginning of the balance year. The run must have been
        stored with ``store_fl_diagnostics`` or ``store_model_geometry``. By default the glaciers keep their mapped
        geometry (``inversion_flowlines``) in all years
    output_filesuffix : str
        Suffix of the file written; the default is `input_filesuffix`
    format : {'netcdf', 'zarr'}
        Format of the file. Zarr (version 2, consolidated) needs the package zarr. Both are chunked, 1000 glaciers per
        chunk, and can be read lazily with ``xr.open_dataset(path, chunks={})`` and ``xr.open_zarr(path)``
    years : {'mass_balance', 'calendar'}
        Balance years from 1 October to 30 September (1 April to 31 March in the south), with a winter of the first
        seven months and a summer of five; or calendar years as OGGM's dynamics count them, without seasons. The first
        calendar year of the daily record has no full mass-balance year
    ys, ye : int, optional
        First and last balance year, named after the calendar year in which they end
    mb_kwargs : mapping, optional
        Arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`, as ``glaunti_tables`` and the run had them (`model`,
        `corrector`, `filename` and so on); a `bias` counts as melt
    use_compression : bool
        Compress NetCDF files; Zarr is always compressed
    progress : bool
        Show a progress bar if the standard error is a terminal

    Returns
    -------
    xarray.Dataset
        Dataset (rgi_id, time). ``time`` is the last day of each year, ``time_bnds`` its first moment and that after
        its end, ``year`` the calendar year in which it ends. Variables are those of
        :data:`oggm_glaunti.region.dataset.BALANCE_VARIABLES`, and sums and area-weighted means over the region,
        ``region_*`` (time), of the ``region_count`` glaciers that have values in that year.

    Raises
    ------
    InvalidParamsError
        If an argument is invalid, a glacier is given twice or none at all, mass-balance years of both hemispheres are
        requested, or the folder of `path` does not exist or `path` is something other than an earlier output
    InvalidWorkflowError
        If all glaciers fail, or one does, unless ``cfg.PARAMS['continue_on_error']``: then the failure is logged as by
        any of OGGM's tasks, all of its values are missing and ``compiled`` is 0; or if the file cannot be written

    Notes
    -----
    The glaciers are computed by an entity task, hence in parallel if OGGM uses multiprocessing. Prepare their tables
    with ``glaunti_tables`` first: then no process starts JAX.

    Examples
    --------
    >>> ds = compile_glaunti_output(gdirs, format="zarr")  # doctest: +SKIP
    >>> ds["specific_mb"].sel(rgi_id="RGI60-11.00897", time="2003")  # doctest: +SKIP
    """
    gdirs = tolist(gdirs)
    require_compilable(gdirs, format, years)
    chosen = checked_mb_kwargs("compile_glaunti_output", mb_kwargs, TABLE_KWARGS)
    written = _path(path, output_filesuffix or input_filesuffix or "", format)
    asked = {"run_filesuffix": input_filesuffix, "years": years, "ys": ys, "ye": ye, "mb_kwargs": chosen}
    # Reset: a success in the glacier's log does not give its result.
    balances = execute_with_bar(glacier_balance, gdirs, "compile_glaunti_output", progress, reset=True, **asked)
    ds = region_dataset(gdirs, balances, years, input_filesuffix)
    if written is not None:
        write_region(ds, written, format, use_compression)
    return ds


def require_compilable(gdirs: list[GlacierDirectory], format: str, years: str) -> None:
    """Raise an InvalidParamsError if glaciers cannot be compiled together or written in a format."""
    if format not in SUFFIX:
        raise InvalidParamsError(f"format: expected one of {[*SUFFIX]}, found {format!r}")
    _require_package(format)
    if not gdirs:
        raise InvalidParamsError("no glaciers: gdirs is empty")
    require_each_once([gdir.rgi_id for gdir in gdirs])
    if years == "mass_balance" and len({gdir.hemisphere for gdir in gdirs}) > 1:
        raise InvalidParamsError(
            "glaciers of both hemispheres: their mass-balance years begin in October and in April. Compile them one "
            "hemisphere at a time, or take years='calendar'"
        )


def _path(path: bool | str | os.PathLike[str], filesuffix: str, format: str) -> Path | None:
    if path is True:
        return Path(cfg.PATHS["working_dir"]) / f"glaunti_output{filesuffix}{SUFFIX[format]}"
    if not path:
        return None
    path = Path(path)
    if path.suffix in SUFFIX.values() and path.suffix != SUFFIX[format]:
        raise InvalidParamsError(
            f"path={str(path)!r} does not go with format={format!r}, whose suffix is {SUFFIX[format]}"
        )
    _require_replaceable(path, format)
    return path


def _require_replaceable(path: Path, format: str) -> None:
    """Refuse to replace a folder that is not an earlier Zarr: it may be the user's own, with all its contents."""
    if not path.parent.is_dir():
        raise InvalidParamsError(f"{path}: the folder {path.parent} does not exist; make it first")
    is_zarr = any((path / name).exists() for name in (".zgroup", "zarr.json"))
    if path.exists() and (not is_zarr if format == "zarr" else path.is_dir()):
        what = "folder" if path.is_dir() else "file"
        raise InvalidParamsError(f"{path} is a {what} and no {format} output of before; give another path")


def write_region(ds: xr.Dataset, path: str | os.PathLike[str], format: str = "netcdf", compress: bool = True) -> None:
    """Write a dataset of :func:`region_dataset` under a temporary name and rename it.

    Parameters
    ----------
    ds : xarray.Dataset
    path : path
        file (netcdf) or folder (zarr), replaced if it exists
    format : {'netcdf', 'zarr'}
    compress : bool
        NetCDF only: Zarr always compresses

    Raises
    ------
    InvalidParamsError
        for Zarr, where the package is missing; where the folder of `path` does not exist, or `path` is something else
    InvalidWorkflowError
        where the file cannot be written
    """
    _require_package(format)
    path = Path(path)
    _require_replaceable(path, format)
    encoding = _encoding(ds, format, compress)
    with writing(path, path.name) as temporary, HDF5_LOCK:
        if format == "netcdf":
            ds.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
        else:
            # Zarr 3 has no strings in its standard yet; version 2 is read by every Zarr.
            ds.to_zarr(temporary, mode="w", zarr_format=2, consolidated=True, encoding=encoding)


def _encoding(ds: xr.Dataset, format: str, compress: bool) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {name: {"_FillValue": None} for name in ("cenlon", "cenlat", "rgi_area")}
    # OGGM's epoch.
    time = {"units": "days since 1801-01-01", "calendar": "standard", "dtype": "int32"}
    encoding |= {"time": dict(time), "time_bnds": dict(time)}
    for name in (str(name) for name, values in ds.data_vars.items() if values.dims == ("rgi_id", "time")):
        chunks = min(GLACIERS_PER_CHUNK, ds.sizes["rgi_id"]), ds.sizes["time"]
        encoding[name] = {"dtype": "float32", "chunks" if format == "zarr" else "chunksizes": chunks}
        if compress and format == "netcdf":
            encoding[name] |= {"zlib": True, "complevel": 5}
    return encoding


def _require_package(format: str) -> None:
    if format == "zarr" and importlib.util.find_spec("zarr") is None:
        raise InvalidParamsError("format='zarr' needs the package zarr: pip install zarr, or take format='netcdf'")
