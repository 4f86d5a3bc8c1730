"""Daily climate for a glacier directory: one task, one function per source.

A source is a function ``(gdir, request) -> DailySeries`` in :data:`SOURCES`. It reads, converts to known units and
checks; :func:`process_daily_climate` writes what it returns. What the rest of the package reads is
:class:`DailyClimate`, by :func:`read_daily_climate`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from oggm import cfg, entity_task
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.coupling.weather import file as daily_file, monthly_file, series as ds
from oggm_glaunti.coupling.weather.file import DailyClimate, daily_climate_path, read_daily_climate
from oggm_glaunti.coupling.weather.request import (
    Request,
)
from oggm_glaunti.coupling.weather.sources.custom import custom
from oggm_glaunti.coupling.weather.sources.era5_land import era5_land
from oggm_glaunti.coupling.weather.sources.monthly import monthly
from oggm_glaunti.coupling.weather.sources.w5e5 import w5e5_daily

__all__ = ["SOURCES", "DailyClimate", "daily_climate_path", "process_daily_climate", "read_daily_climate"]

settings.register()

log = logging.getLogger(__name__)

# What OGGM's own baseline is called, and where the same weather comes from with daily steps.
_SOURCE_OF_BASELINE = {"GSWP3_W5E5": "W5E5_daily", "GSWP3_W5E5_daily": "W5E5_daily", "CUSTOM": "custom"}


@entity_task(log, writes=["climate_historical", "gcm_data"])
def process_daily_climate(
    gdir: Any,
    source: str | None = None,
    path: Any = None,
    *,
    ref_hgt: float | None = None,
    ref_lon: float | None = None,
    ref_lat: float | None = None,
    temp_units: str | None = None,
    prcp_units: str | None = None,
    temp_name: str | None = None,
    prcp_name: str | None = None,
    time_name: str | None = None,
    climate_source: str | None = None,
    orography: str | os.PathLike[str] | None = None,
    filename: str | None = None,
    input_filesuffix: str | None = None,
    n_realisations: int | None = None,
    seed: int | None = None,
    temp_std: Any = None,
    reference: str | None = None,
    reference_years: tuple[int, int] | None = None,
    statistics: Any = None,
    y0: int | None = None,
    y1: int | None = None,
    also_monthly: bool = False,
    overwrite_monthly: bool = False,
    filesuffix: str | None = None,
) -> None:
    """Write daily weather to the glacier directory, as ``climate_historical_daily.nc``.

    Incomplete first and last calendar years are left out and named in the log. Everything else that is not as it
    should be is an error: days missing, twice or out of order, NaN, temperatures outside -90..60 degC, precipitation
    that is negative or above 2 m a day, units neither in the file nor given. So is an argument that the source has no
    use for.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    source : {'W5E5_daily', 'custom', 'monthly', 'era5_land'}, optional
        ``W5E5_daily`` is GSWP3-W5E5 (1901-2019, half a degree) from OGGM's server, ``custom`` a file of yours,
        ``monthly`` is made at random from one of OGGM's monthly files in the directory, ``era5_land`` is ERA5-Land as
        downloaded. When not said, ``cfg.PARAMS['baseline_climate']`` decides (GSWP3_W5E5 or CUSTOM).
    path : str or path, optional
        custom: NetCDF (.nc) or CSV (.csv) file, else ``cfg.PATHS['climate_file']``; era5_land: NetCDF file or Zarr
        folder, or a list of them (years, or temperature and precipitation, in files of their own)
    ref_hgt : float, optional
        custom, era5_land: height (m) the temperature is for, unless the file has it (custom: attribute ``ref_hgt``)
    ref_lon, ref_lat : float, optional
        custom: where the weather is for (degrees), else the attributes ``ref_pix_lon`` and ``ref_pix_lat``, else the
        glacier's centre. Not used by the model.
    temp_units : {'degC', 'K'}, optional
        custom, era5_land: unit of temperature, unless the file says it
    prcp_units : {'mm/day', 'kg m-2 day-1', 'kg m-2 s-1', 'm/day'}, optional
        custom, era5_land: unit of precipitation, unless the file says it; for hourly ERA5-Land that of a day's sum
    temp_name, prcp_name, time_name : str, optional
        custom: names of variables or columns, if not ``temp``, ``prcp`` and ``time`` (in a CSV also ``date``);
        era5_land: names of the two variables, where a file has several
    climate_source : str, optional
        custom: what the weather is called in the file and everything made from it, ``CUSTOM_daily`` where not said.
        Weather of ERA5-Land must be named so (``ERA5-Land_daily``): only then does ``corrector='auto'`` mean yearly
        corrections, see :func:`~oggm_glaunti.coupling.gridded.corrections.resolve_mode`
    orography : str or path, optional
        era5_land: file with the cells' geopotential or height, where the weather's file has none
    filename, input_filesuffix : str, optional
        monthly: the file to take, as OGGM's tasks are told (``climate_historical`` and no suffix; ``gcm_data`` and
        ``_ssp126``). The daily file is named after it, ``gcm_data_ssp126_daily.nc``, and found under the same two names
    n_realisations : int, optional
        monthly: number of daily series, 5 where not said; balances are the means over them
    seed : int, optional
        monthly: another number, another weather; 0 where not said. Each glacier and realisation has its own in any case
    temp_std : float or 12 of them, optional
        monthly: standard deviation of daily temperature within a month (K), else ``temp_std`` of the monthly file, else
        that of the reference, else the calendar means of ``temp_std`` in ``climate_historical.nc``
    reference : str, optional
        monthly: suffix of a file of daily weather in the directory from which wet days and the memory of the weather
        are taken by calendar month, ``''`` for ``climate_historical_daily.nc``; else those of Alpine records
    reference_years : (int, int), optional
        monthly: first and last year of the reference, both included; all of it where not said
    statistics : WeatherStatistics, optional
        monthly: the same, given (see :class:`~oggm_glaunti.coupling.weather.statistics.WeatherStatistics`)
    y0, y1 : int, optional
        first and last calendar year to take, both included; only these are checked for gaps and impossible values
    also_monthly : bool
        write OGGM's monthly ``climate_historical.nc`` too (mean and standard deviation of the daily temperatures, sum
        of precipitation), so that OGGM's own tasks need no other source; not with ``monthly``
    overwrite_monthly : bool
        let `also_monthly` replace a monthly file made from another source
    filesuffix : str, optional
        of the file written; must hold ``_daily``, which it is where not said, after `input_filesuffix`

    Raises
    ------
    InvalidParamsError
        where the data are not usable; it names glacier, file, variable and dates
    InvalidWorkflowError
        where a file cannot be downloaded or is not in the directory, or a monthly file of another source is in the way

    Examples
    --------
    >>> process_daily_climate(  # doctest: +SKIP
    ...     gdir, source="custom", path="station.csv", temp_units="degC", prcp_units="mm/day", ref_hgt=2919.0
    ... )
    >>> process_daily_climate(  # doctest: +SKIP
    ...     gdir, source="monthly", filename="gcm_data", input_filesuffix="_ssp126", reference=""
    ... )
    """
    suffix = (input_filesuffix or "") + settings.DAILY_SUFFIX if filesuffix is None else filesuffix
    if settings.DAILY_SUFFIX not in suffix:
        raise InvalidParamsError(f"{gdir.rgi_id}: filesuffix {filesuffix!r} must hold {settings.DAILY_SUFFIX!r}")
    chosen = _choose_source(gdir, source)
    if also_monthly and chosen == "monthly":
        raise InvalidParamsError(
            f"{gdir.rgi_id}: also_monthly with source='monthly': the monthly file is there already"
        )
    request = Request(
        y0=y0,
        y1=y1,
        filesuffix=filesuffix,
        path=path,
        orography=orography,
        ref_hgt=ref_hgt,
        ref_lon=ref_lon,
        ref_lat=ref_lat,
        temp_units=temp_units,
        prcp_units=prcp_units,
        temp_name=temp_name,
        prcp_name=prcp_name,
        time_name=time_name,
        climate_source=climate_source,
        filename=filename,
        input_filesuffix=input_filesuffix,
        n_realisations=n_realisations,
        seed=seed,
        temp_std=temp_std,
        reference=reference,
        reference_years=reference_years,
        statistics=statistics,
    )
    series = SOURCES[chosen](gdir, request)
    monthly_suffix = suffix.replace(settings.DAILY_SUFFIX, "", 1)
    if also_monthly and not overwrite_monthly:
        monthly_file.require_same_source(gdir, monthly_suffix, series.source)
    daily_file.write_daily_climate(gdir, series, suffix, filename or "climate_historical")
    if also_monthly:
        monthly_file.write_monthly(gdir, series, monthly_suffix)


def _choose_source(gdir: Any, source: str | None) -> str:
    baseline = cfg.PARAMS["baseline_climate"]
    chosen = _SOURCE_OF_BASELINE.get(baseline, baseline) if source is None else source
    if chosen not in SOURCES:
        said = f"source={source!r}" if source is not None else f"cfg.PARAMS['baseline_climate'] {baseline!r}"
        raise InvalidParamsError(f"{gdir.rgi_id}: {said} has no daily weather here; give source= one of {[*SOURCES]}")
    return chosen


# --- source: a file of the user's ------------------------------------------------------------------------------------


SOURCES: dict[str, Callable[[Any, Request], ds.DailySeries]] = {
    "W5E5_daily": w5e5_daily,
    "custom": custom,
    "monthly": monthly,
    "era5_land": era5_land,
}
