"""Tasks on the glacier directory: a season of meltwater from GlaUnTI, and its comparison with observed maps."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from oggm_glaunti import settings
from oggm_glaunti.companions.meltwater.extent import (
    Comparison,
    bands_of,
    compare,
    melt_line,
    season_row,
    share_by_band,
)
from oggm_glaunti.companions.meltwater.maps_file import open_maps
from oggm_glaunti.companions.meltwater.predictor import MeltDays, melt_predictor
from oggm_glaunti.companions.meltwater.scores import WET, melt_dates
from oggm_glaunti.companions.meltwater.season_file import write_season
from oggm_glaunti.companions.meltwater.stack import Floats, season_of
from oggm_glaunti.coupling.ground.rasters import PathLike
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, entity_task

if TYPE_CHECKING:
    from oggm_glaunti.companions.meltwater.water import WaterParameters

settings.register()
log = logging.getLogger(__name__)

WET_WATER = 0.002
"""Surface water from which a cell counts as wet, m w.e.; to be tuned on scenes where there are some."""


@entity_task(log, writes=["glaunti_meltwater"])
def melt_season(
    gdir: GlacierDirectory,
    *,
    ys: int | None = None,
    ye: int | None = None,
    parameters: WaterParameters | None = None,
    wet_above: float = WET_WATER,
    observed: PathLike | xr.Dataset | None = None,
    smb_filesuffix: str = "",
    filesuffix: str = "",
) -> pd.DataFrame:
    """Write daily maps of surface water and runoff, dates of melt and melt area by height to ``glaunti_meltwater.nc``.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``glaunti_features`` and the daily maps of ``glaunti_smb(gdir, daily=True)``
    ys, ye : int, optional
        first and last season, by the year in which it begins: calendar years in the north, from 1 July in the south.
        Default: all of the daily maps
    parameters : WaterParameters, optional
        of the surface layer
    wet_above : float
        water at about 18 h from which a cell is wet, m w.e.
    observed : path or Dataset, optional
        observed maps, see :func:`compare_melt`: adds the share of melt below the observed wet line
    smb_filesuffix, filesuffix : str
        suffixes of ``glaunti_smb.nc`` and ``glaunti_meltwater.nc``

    Returns
    -------
    DataFrame
        a row for each season, see :func:`~oggm_glaunti.companions.meltwater.extent.season_row`

    Raises
    ------
    InvalidWorkflowError, InvalidParamsError
        if an input is missing or does not fit
    """
    if not wet_above > 0:
        raise InvalidParamsError(f"{gdir.rgi_id}: wet_above: expected more than 0 m w.e., found {wet_above}")
    first_month = 1 if gdir.hemisphere == "nh" else 7
    start, after = (None if y is None else np.datetime64(f"{y}-{first_month:02d}-01") for y in (ys, ye and ye + 1))
    end = None if after is None else after - np.timedelta64(1, "D")
    days = melt_predictor(gdir, start, end, parameters=parameters, smb_filesuffix=smb_filesuffix)
    seasons = season_of(days.time, first_month)
    years = np.unique(seasons).tolist()
    wet = days.evening > wet_above
    bands = bands_of(days.elevation)
    line = None if observed is None else _observed_line(gdir, days, observed)
    rows, dates = {}, []
    for year in years:
        part = seasons == year
        fields = (days.time[part], wet[part], days.melt[part], days.runoff[part])
        of_line = None if line is None else line[part]
        rows[year] = season_row(*fields, days.elevation, settings.CELL_SIZE**2, of_line)
        dates.append(melt_dates(days.time[part], wet[part]))
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("season")
    shares = share_by_band(wet, bands)
    areas = shares * bands.cells * settings.CELL_SIZE**2 * 1e-6
    write_season(gdir, days, table, dates, bands, areas, melt_line(shares, bands), wet_above, filesuffix)
    return table


def _observed_line(gdir: GlacierDirectory, days: MeltDays, observed: PathLike | xr.Dataset) -> Floats:
    maps = observed_on_cells(gdir, days, observed)
    bands, lines = bands_of(days.elevation), np.full(days.time.size, np.nan, np.float32)
    for k in np.flatnonzero(np.isfinite(maps).any(axis=1)):
        seen = np.isfinite(maps[k])
        count = np.bincount(bands.of_cell[seen], minlength=bands.lower.size)
        wet = np.bincount(bands.of_cell[seen], maps[k][seen] > WET, bands.lower.size)
        # A band that was not seen is taken to be as the one below.
        share = np.where(count > 0, wet / np.maximum(count, 1), np.nan)
        lines[k] = melt_line(pd.Series(share).ffill().bfill().to_numpy()[None], bands)[0]
    return lines


def observed_on_cells(gdir: GlacierDirectory, days: MeltDays, observed: PathLike | xr.Dataset) -> Floats:
    """Return observed melt fractions on the glacier's cells (T, P), NaN on days without a map.

    Raises
    ------
    InvalidParamsError
        if the maps lie on other cells or share no day with the model
    """
    maps = open_maps(observed, gdir.rgi_id)
    f = days.features
    if maps["melt_fraction"].shape[1:] != f.shape or not (
        np.allclose(maps["x"], f.x, atol=1.0) and np.allclose(maps["y"], f.y, atol=1.0)
    ):
        raise InvalidParamsError(
            f"{gdir.rgi_id}: observed: expected the cells of glaunti_features.nc, {f.shape} from x {f.x[0]:.0f}, y "
            f"{f.y[0]:.0f}; found {maps['melt_fraction'].shape[1:]} from x {float(maps['x'][0]):.0f}, y "
            f"{float(maps['y'][0]):.0f}; resample the maps"
        )
    dates = maps["time"].values.astype("datetime64[D]")
    found = np.full((days.time.size, int(f.glacier.sum())), np.nan, np.float32)
    both, here, there = np.intersect1d(days.time, dates, return_indices=True)
    if not both.size:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: observed maps are of {dates[0]} to {dates[-1]}, the daily balance of {days.time[0]} to "
            f"{days.time[-1]}; no day is in both"
        )
    found[here] = maps["melt_fraction"].values[there][:, f.glacier]
    return found


@entity_task(log)
def compare_melt(
    gdir: GlacierDirectory,
    *,
    observed: PathLike | xr.Dataset,
    parameters: WaterParameters | None = None,
    wet_above: float = WET_WATER,
    smb_filesuffix: str = "",
) -> Comparison:
    """Compare GlaUnTI's water with observed wet area by height and day: what to look at before calibrating.

    Parameters
    ----------
    gdir : GlacierDirectory
        as for :func:`melt_season`
    observed : path or Dataset
        ``melt_fraction(time, y, x)``, 0 to 1, NaN where not observed, on the cells of ``glaunti_features.nc``; a NetCDF
        file or a folder of ``YYYY_MM_DD.tif``
    parameters, wet_above, smb_filesuffix
        as for :func:`melt_season`

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidWorkflowError, InvalidParamsError
        if an input is missing, lies on other cells or is of other days
    """
    days = melt_predictor(gdir, parameters=parameters, smb_filesuffix=smb_filesuffix)
    maps = observed_on_cells(gdir, days, observed)
    try:
        return compare(days.time, days.evening > wet_above, maps, days.elevation)
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: observed: {err}") from err
