"""OGGM's monthly climate file, made from the daily one, so that OGGM's own tasks work without another source."""

from __future__ import annotations

import os
from copy import copy

import numpy as np
from numpy.typing import NDArray
from oggm import GlacierDirectory
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.coupling.oggm.versions import write_monthly_climate_file
from oggm_glaunti.coupling.oggm.writing import writing
from oggm_glaunti.coupling.weather.netcdf import open_netcdf
from oggm_glaunti.coupling.weather.series import DailySeries


def require_same_source(gdir: GlacierDirectory, filesuffix: str, source: str) -> None:
    """Raise InvalidWorkflowError if there is a monthly file of another source already."""
    path = gdir.get_filepath("climate_historical", filesuffix=filesuffix)
    if not os.path.exists(path):
        return
    with open_netcdf(f"{gdir.rgi_id}: {os.path.basename(path)}", path) as nc:
        there = getattr(nc, "climate_source", "unknown")
    if there != source:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {os.path.basename(path)} is there already, from '{there}' and not '{source}'. Keep it "
            "(also_monthly=False) or replace it (overwrite_monthly=True)."
        )


def monthly_statistics(
    series: DailySeries,
) -> tuple[NDArray[np.datetime64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the first days of the months, mean and std of daily temp (degC) and sum of prcp (kg m-2), (M,) each.

    The standard deviation divides by the number of days, as in OGGM's files.
    """
    months = series.time.astype("M8[M]")
    first, starts, count = np.unique(months, return_index=True, return_counts=True)
    temp, prcp = series.temp.astype(np.float64), series.prcp.astype(np.float64)
    mean = np.add.reduceat(temp, starts) / count
    variance = np.add.reduceat((temp - np.repeat(mean, count)) ** 2, starts) / count
    return first.astype("M8[s]"), mean, np.sqrt(variance), np.add.reduceat(prcp, starts)


def write_monthly(gdir: GlacierDirectory, series: DailySeries, filesuffix: str) -> None:
    """Let OGGM write its own ``climate_historical<filesuffix>.nc`` from a daily series."""
    months, mean, std, total = monthly_statistics(series)
    place = (series.ref_hgt, series.ref_pix_lon, series.ref_pix_lat)
    with writing(gdir.get_filepath("climate_historical", filesuffix=filesuffix), gdir.rgi_id) as temporary, HDF5_LOCK:
        elsewhere = copy(gdir)
        elsewhere.get_filepath = lambda *_, **__: str(temporary)
        write_monthly_climate_file(elsewhere)(months, total, mean, *place, temp_std=std, source=series.source)
