"""Daily climate for a glacier directory: one task, one function per source.

A source is a function ``(gdir, years, *, options) -> DailySeries``, registered in :data:`SOURCES`. It reads, converts
to known units and checks; :func:`process_daily_climate` writes what it returns. Its keyword-only parameters are options
of the task. The rest of the package reads the file by :func:`~oggm_glaunti.coupling.weather.file.read_daily_climate`.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from oggm import GlacierDirectory, cfg, entity_task
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.coupling.weather import plausibility
from oggm_glaunti.coupling.weather.file import write_daily_climate
from oggm_glaunti.coupling.weather.monthly_file import require_same_source, write_monthly
from oggm_glaunti.coupling.weather.series import DailySeries
from oggm_glaunti.coupling.weather.sources.custom import custom
from oggm_glaunti.coupling.weather.sources.era5_land import era5_land
from oggm_glaunti.coupling.weather.sources.monthly import monthly
from oggm_glaunti.coupling.weather.sources.w5e5 import w5e5_daily

settings.register()

log = logging.getLogger(__name__)

# Sources by name, called with the glacier directory and the first and last year to take
SOURCES: dict[str, Callable[..., DailySeries]] = {
    "W5E5_daily": w5e5_daily,
    "custom": custom,
    "monthly": monthly,
    "era5_land": era5_land,
}
# Name of OGGM's baseline climate, and the source of the same weather with daily steps.
_SOURCE_OF_BASELINE = {"GSWP3_W5E5": "W5E5_daily", "GSWP3_W5E5_daily": "W5E5_daily", "CUSTOM": "custom"}


@entity_task(log, writes=["climate_historical", "gcm_data"])
def process_daily_climate(
    gdir: GlacierDirectory,
    source: str | None = None,
    *,
    y0: int | None = None,
    y1: int | None = None,
    filesuffix: str | None = None,
    also_monthly: bool = False,
    overwrite_monthly: bool = False,
    check: bool = True,
    **options: Any,
) -> None:
    """Write daily weather to the glacier directory, as ``climate_historical_daily.nc``.

    Incomplete first and last calendar years are left out and named in the log. All other faults of the data are errors:
    days missing, twice or out of order, NaN, temperatures outside -90..60 degC, precipitation that is negative or above
    2 m a day, units neither in the file nor given.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    source : {'W5E5_daily', 'custom', 'monthly', 'era5_land'}, optional
        ``W5E5_daily`` is GSWP3-W5E5 (1901-2019, half a degree) from OGGM's server, ``custom`` a file of yours,
        ``monthly`` is made at random from one of OGGM's monthly files in the directory, ``era5_land`` is ERA5-Land as
        downloaded. Default: by ``cfg.PARAMS['baseline_climate']`` (GSWP3_W5E5 or CUSTOM)
    y0, y1 : int, optional
        first and last calendar year to take, both included; only these are checked for gaps and invalid values
    filesuffix : str, optional
        suffix of the file written, which must hold ``_daily``; default: ``_daily``, after `input_filesuffix` if the
        source has that option
    also_monthly : bool
        whether to write OGGM's monthly ``climate_historical.nc`` too (mean and standard deviation of the daily
        temperatures, sum of precipitation), so that OGGM's own tasks need no other source; not with ``monthly``
    overwrite_monthly : bool
        whether `also_monthly` may replace a monthly file made from another source
    check : bool
        whether weather that no glacier on Earth has is an error, and unusual weather a warning: wrong units, a wrong
        reference height, fill values. The bounds are in :mod:`oggm_glaunti.coupling.weather.plausibility`
    **options
        keyword arguments of the source (None: its default), for example `path`, `temp_units`, `prcp_units` and
        `ref_hgt`, see :func:`~oggm_glaunti.coupling.weather.sources.custom.custom`,
        :func:`~oggm_glaunti.coupling.weather.sources.era5_land.era5_land` and
        :func:`~oggm_glaunti.coupling.weather.sources.monthly.monthly`; ``W5E5_daily`` has none

    Raises
    ------
    InvalidParamsError
        if the data are not usable (the message names glacier, file, variable and dates), or the source does not have an
        option
    InvalidWorkflowError
        if a file cannot be downloaded, is not in the directory or cannot be written, or there is a monthly file of
        another source already

    Examples
    --------
    >>> process_daily_climate(  # doctest: +SKIP
    ...     gdir, source="custom", path="station.csv", temp_units="degC", prcp_units="mm/day", ref_hgt=2919.0
    ... )
    >>> process_daily_climate(  # doctest: +SKIP
    ...     gdir, source="monthly", filename="gcm_data", input_filesuffix="_ssp126", reference=""
    ... )
    """
    chosen = _choose_source(gdir, source)
    options = _checked_options(gdir, chosen, options)
    # A source that reads one of OGGM's climate files has these two options; the daily file is named after it.
    filename = options.get("filename") or "climate_historical"
    suffix = options.get("input_filesuffix", "") + settings.DAILY_SUFFIX if filesuffix is None else filesuffix
    if settings.DAILY_SUFFIX not in suffix:
        raise InvalidParamsError(f"{gdir.rgi_id}: filesuffix {filesuffix!r} must hold {settings.DAILY_SUFFIX!r}")
    if also_monthly and chosen == "monthly":
        raise InvalidParamsError(
            f"{gdir.rgi_id}: also_monthly with source='monthly': the monthly file is there already"
        )
    series = SOURCES[chosen](gdir, (y0, y1), **options)
    told = plausibility.summary(series)
    log.info("%s: %s: %s", gdir.rgi_id, series.origin, told)
    if check:
        plausibility.require_plausible(gdir.rgi_id, series)
    series = replace(series, notes={**series.notes, "glaunti_summary": told})
    if series.reference == gdir.get_filepath(filename, filesuffix=suffix):
        name = os.path.basename(series.reference)
        raise InvalidParamsError(f"{gdir.rgi_id}: {name} is the reference and would be overwritten; give filesuffix=")
    monthly_suffix = suffix.replace(settings.DAILY_SUFFIX, "", 1)
    if also_monthly and not overwrite_monthly:
        require_same_source(gdir, monthly_suffix, series.source)
    write_daily_climate(gdir, series, suffix, filename)
    if also_monthly:
        write_monthly(gdir, series, monthly_suffix)


def _choose_source(gdir: GlacierDirectory, source: str | None) -> str:
    baseline = cfg.PARAMS["baseline_climate"]
    chosen = _SOURCE_OF_BASELINE.get(baseline, baseline) if source is None else source
    if chosen not in SOURCES:
        said = f"source={source!r}" if source is not None else f"cfg.PARAMS['baseline_climate'] {baseline!r}"
        raise InvalidParamsError(f"{gdir.rgi_id}: {said} has no daily weather here; give source= one of {[*SOURCES]}")
    return chosen


def _checked_options(gdir: GlacierDirectory, source: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options given, or InvalidParamsError if the source does not have one of them."""
    given = {name: value for name, value in options.items() if value is not None}
    parameters = inspect.signature(SOURCES[source]).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
    unknown = [name for name in given if name not in known]
    if unknown:
        goes = f"its options are {', '.join(known)}" if known else "it has no options but y0, y1 and filesuffix"
        raise InvalidParamsError(f"{gdir.rgi_id}: {', '.join(unknown)} not with source={source!r}; {goes}")
    return given
