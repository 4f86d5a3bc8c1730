"""The dataset of a report: found in a folder, checked, and given the errors that ``oggm-glaunti uncertainty`` found."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.settings import REGION_OUTPUT

if TYPE_CHECKING:
    import xarray as xr

NEEDED = ("rgi_id", "time", "year", "cenlon", "cenlat", "rgi_area", "specific_mb")
STEM = REGION_OUTPUT.removesuffix(".nc")
MADE_BY = "expected the output of oggm-glaunti run or of compile_glaunti_output"
# Years as a dataset of balances calls them, and as an analysis does.
YEAR_TYPES = {"mass_balance": "hydrological", "calendar": "calendar"}


def find_dataset(path: str | os.PathLike[str]) -> Path:
    """Return the dataset that is meant by a folder or a file.

    Raises
    ------
    InvalidParamsError
        if the folder holds none, or several and none is that of ``oggm-glaunti run``
    """
    path = Path(path)
    if not path.exists():
        raise InvalidParamsError(f"{path}: no such folder or file; {MADE_BY}")
    if path.is_file() or path.suffix == ".zarr":
        return path
    found = sorted(child for child in path.glob(f"{STEM}*") if child.suffix in (".nc", ".zarr"))
    own = [child for child in found if child.name == REGION_OUTPUT] or found
    if not own:
        there = ", ".join(sorted(child.name for child in path.iterdir())[:5]) or "nothing"
        raise InvalidParamsError(f"{path}: no {STEM}*.nc or .zarr in it, only {there}; {MADE_BY}")
    if len(own) > 1:
        raise InvalidParamsError(
            f"{path}: several datasets, {', '.join(child.name for child in own)}; name one of these files"
        )
    return own[0]


def read_dataset(path: Path) -> xr.Dataset:
    """Read and check a dataset, NetCDF or Zarr.

    Raises
    ------
    InvalidParamsError
        if the file cannot be read, or holds something else
    """
    import xarray as xr

    if path.suffix == ".zarr" and importlib.util.find_spec("zarr") is None:
        raise InvalidParamsError(f"{path}: a Zarr needs the package zarr: pip install zarr")
    try:
        with HDF5_LOCK:
            opened = xr.open_zarr(path, chunks=None) if path.suffix == ".zarr" else xr.open_dataset(path)
            with opened as ds:
                return require_balances(ds.load(), str(path))
    except (OSError, RuntimeError, KeyError) as err:
        raise InvalidParamsError(
            f"{path} cannot be read as a dataset ({type(err).__name__}: {err}); {MADE_BY}"
        ) from err
    except ValueError as err:
        if isinstance(err, InvalidParamsError):
            raise
        raise InvalidParamsError(f"{path} cannot be read as a dataset ({err}); {MADE_BY}") from err


def require_balances(ds: xr.Dataset, name: str) -> xr.Dataset:
    """Return a dataset in the order of its years, if it is one of balances of glaciers.

    Parameters
    ----------
    ds : xarray.Dataset
    name : str
        what to call it in messages

    Raises
    ------
    InvalidParamsError
        if variables are missing, or the balance has other dimensions or units
    InvalidWorkflowError
        if no glacier has a balance in any year
    """
    missing = [variable for variable in NEEDED if variable not in ds.variables]
    if missing:
        raise InvalidParamsError(
            f"{name}: no {', '.join(missing)} in it, only {', '.join(map(str, ds)) or 'nothing'}; {MADE_BY}"
        )
    balance = ds["specific_mb"]
    found = balance.dims, balance.attrs.get("units")
    if set(balance.dims) != {"rgi_id", "time"} or found[1] != "m year-1":
        raise InvalidParamsError(
            f"{name}: specific_mb: expected dimensions (rgi_id, time) and units 'm year-1', found {found[0]} and "
            f"{found[1]!r}; {MADE_BY}"
        )
    if not np.isfinite(balance).any():
        raise InvalidWorkflowError(
            f"{name}: none of {balance.sizes['rgi_id']} glaciers has a balance in any year: there is nothing to show. "
            "glaciers.csv and log.txt in the glacier directories say why"
        )
    return ds.sortby("time")


def with_uncertainty(ds: xr.Dataset, folder: str | os.PathLike[str]) -> xr.Dataset:
    """Add ``specific_mb_sd``, the standard deviation of annual balances, from what ``oggm-glaunti uncertainty`` left.

    Parameters
    ----------
    ds : xarray.Dataset
    folder : path
        with files ``<rgi_id>_uncertainty.nc``

    Raises
    ------
    InvalidParamsError
        if there is none for any glacier, or years of another kind
    """
    import xarray as xr

    sd = xr.full_like(ds["specific_mb"], np.nan)
    years, kind = ds["year"].to_numpy(), YEAR_TYPES.get(ds.attrs.get("balance_years", ""), "?")
    found = 0
    for rgi_id in ds["rgi_id"].to_numpy():
        path = Path(folder) / f"{rgi_id}_uncertainty.nc"
        if not path.exists():
            continue
        with HDF5_LOCK, xr.open_dataset(path) as errors:
            if errors.attrs.get("year_type") != kind:
                raise InvalidParamsError(
                    f"{path}: {errors.attrs.get('year_type')} years, but the balances are of {kind} ones; give "
                    f"oggm-glaunti uncertainty --year-type {kind}"
                )
            of_year = errors["annual_sd"].to_series()
        sd.loc[{"rgi_id": rgi_id}] = of_year.reindex(years).to_numpy()
        found += 1
    if not found:
        raise InvalidParamsError(
            f"{folder}: no file <rgi_id>_uncertainty.nc of any of the {ds.sizes['rgi_id']} glaciers; make them with "
            "oggm-glaunti uncertainty DIR --out"
        )
    return ds.assign(specific_mb_sd=sd.assign_attrs(units="m year-1", long_name="standard deviation"))
