"""Real daily melt of Antarctica from passive microwaves, 2002-2020, 25 km (Mote and Anderson; NSIDC Antarctica Today).

Its maps are almost without gaps, so hiding parts of them tells how well gaps are filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from oggm_glaunti.companions.meltwater.stack import SceneStack, checked_stack
from oggm_glaunti.coupling.ground.rasters import PathLike
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

PENINSULA = (slice(120, 184), slice(56, 120))
"""Rows and columns of 64 x 64 cells round the Antarctic Peninsula, with 57 % of all melt."""
SUMMER = (11, 12, 1, 2, 3)
CELL_AREA = 25.0**2  # km2
FIRST_MONTH = 7
_OFF_ICE, _NOT_OBSERVED, _MELT = -1, 0, 2
_MISSING_ELEVATION = -9999.0


def read_antarctic_melt(
    folder: PathLike, rows: slice = PENINSULA[0], columns: slice = PENINSULA[1], months: Sequence[int] = SUMMER
) -> SceneStack:
    """Read daily melt maps of a window.

    Parameters
    ----------
    folder : path
        with ``melt_*.nc`` and ``static.nc``
    rows, columns : slices
        window of the 332 x 316 cells
    months : sequence of int
        months that are read, November to March by default

    Returns
    -------
    SceneStack
        target 1 where there was melt, 0 where none, NaN where not observed; ``elevation`` (m) and ``mean_temp`` (degC)

    Raises
    ------
    InvalidParamsError
        if a file is missing or damaged
    """
    paths = sorted(Path(folder).glob("melt_*.nc"))
    if not paths:
        raise InvalidParamsError(f"{folder}: expected melt_*.nc and static.nc, found no melt file")
    window = {"y": rows, "x": columns}
    try:
        with HDF5_LOCK:
            parts = [_read(path, "melt", window) for path in paths]
            static = _read(Path(folder) / "static.nc", None, window)
    except (OSError, ValueError, KeyError) as err:
        raise InvalidParamsError(f"{folder}: cannot be read: {err}; copy the files again") from err
    melt = xr.concat([part["melt"] for part in parts], "time")
    melt = melt.isel(time=np.isin(melt["time"].dt.month, months))
    code = melt.values
    target = np.where(code <= _NOT_OBSERVED, np.nan, code == _MELT).astype(np.float32)
    elevation, temp = static["elevation"].values, static["mean_temperature"].values
    valid = (code != _OFF_ICE).any(axis=0)
    known_temp = np.where(temp > 0, temp - 273.15, np.nan)
    constant = {
        "elevation": np.where(elevation == _MISSING_ELEVATION, 0.0, elevation),
        "mean_temp": np.where(np.isnan(known_temp), np.nanmean(known_temp), known_temp),
    }
    return checked_stack(melt["time"], target, {}, constant, valid, FIRST_MONTH, str(folder))


def _read(path: Path, name: str | None, window: dict[str, slice]) -> xr.Dataset:
    with HDF5_LOCK, xr.open_dataset(path, mask_and_scale=False) as opened:
        return (opened if name is None else opened[[name]]).isel(window).load()


def overpasses(stack: SceneStack, share: float = 0.4, seed: int = 0) -> SceneStack:
    """Hide what a satellite would not see: an overpass on a share of the days, over one half of the columns each time.

    Parameters
    ----------
    stack : SceneStack
        with maps of every day
    share : float
        of days with an overpass
    seed : int
    """
    rng = np.random.default_rng(seed)
    seen, west = rng.random(stack.time.size) < share, rng.random(stack.time.size) < 0.5
    in_west = np.arange(stack.target.shape[2]) < stack.target.shape[2] // 2
    swath = seen[:, None] & (in_west[None] == west[:, None])
    return stack.with_target(np.where(swath[:, None, :], stack.target, np.float32(np.nan)))
