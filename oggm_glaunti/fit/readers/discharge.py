"""Volumes of measured discharge as observations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.names import DISCHARGE
from oggm_glaunti.fit.observations import DEFAULT_SIGMA, Read, as_observations, check_observations

GAUGE_ERROR = 0.05  # relative, of a volume: rating curves of gauges with ice in winter
MOST_MISSING = 0.05  # of the days of a period
# First month of a season in the north, and how many months it has.
MONTHS = {"annual": (10, 12), "summer": (6, 4)}


def from_discharge(
    gdir: Any,
    discharge: pd.Series,
    area: float,
    seasons: Iterable[str] = ("annual",),
    years: tuple[int, int] | None = None,
    source: str = "discharge",
) -> Read:
    """Make observations of the volume of discharge in each year.

    They count in a fit only together with the gauge's catchment, see :class:`~oggm_glaunti.fit.Gauge`.

    Parameters
    ----------
    gdir : GlacierDirectory
        glacier that the observations belong to
    discharge : pandas.Series
        m3 s-1 by day, see :func:`~oggm_glaunti.analysis.read_discharge`
    area : float
        of the gauge's catchment, km2
    seasons : iterable of str
        ``annual``: 1 October to 30 September; ``summer``: June to September. In the south half a year later. A summer
        is in its year as well: take both if the summer is to count twice
    years : (first, last), optional
        in which the periods end; default: all
    source : str

    Returns
    -------
    Read
        values in m w.e. over the catchment, the first and last day half; sigma is 5 % of the volume for the gauge and
        0.25 m w.e. in a year for the weather. Periods of which more than 5 % of the days have no value are rejected,
        others take their mean for them; ``row`` counts the periods, from 1

    Raises
    ------
    InvalidParamsError
        for an unknown season, an area that is none, or no whole period

    Examples
    --------
    >>> measured = pd.Series(10.0, pd.date_range("2000-10-01", "2002-09-30"))
    >>> from types import SimpleNamespace
    >>> aletsch = SimpleNamespace(rgi_id="RGI60-11.01450", hemisphere="nh")
    >>> from_discharge(aletsch, measured, 195.5).observations[["value", "sigma"]].round(2).values.tolist()
    [[1.61, 0.26], [1.61, 0.26]]
    """
    label, seasons = f"{gdir.rgi_id}: from_discharge", tuple(seasons)
    if unknown := set(seasons) - set(MONTHS):
        raise InvalidParamsError(f"{label}: seasons: expected some of {tuple(MONTHS)}, found {sorted(unknown)}")
    if not area > 0:
        raise InvalidParamsError(f"{label}: area: expected that of the catchment in km2, found {area!r}")
    rows, missing = [], []
    for season in seasons:
        for begin, end in _periods(season, discharge.index, years, gdir.hemisphere):
            days = discharge.reindex(pd.date_range(begin, end))
            length, weights = days.size - 1, np.ones(days.size)
            weights[[0, -1]] = 0.5
            known = days.notna().to_numpy()
            mean = float(np.average(days[known], weights=weights[known])) if known.any() else np.nan
            value = mean * 86400.0 * length / (1e6 * area)
            sigma = np.hypot(GAUGE_ERROR * value, DEFAULT_SIGMA[DISCHARGE] * np.sqrt(length / 365.25))
            rows.append({"season": season, "begin": begin, "end": end, "value": value, "sigma": sigma})
            gaps = int(days.isna().sum())
            missing.append(f"{gaps} of {days.size} days without a value" if gaps > MOST_MISSING * days.size else "")
    if not rows:
        raise InvalidParamsError(f"{label}: no whole period {' or '.join(seasons)} in the series")
    table = as_observations(pd.DataFrame(rows).assign(glacier=gdir.rgi_id, kind=DISCHARGE, source=source))
    table.index += 1
    gappy = np.array(missing, object) != ""
    good, bad = check_observations(table[~gappy])
    named = pd.DataFrame({"row": table.index, "glacier": gdir.rgi_id, "problem": missing})[gappy]
    rejected = pd.concat([of for of in (named, bad) if len(of)] or [bad])
    rejected.insert(2, "season", table["season"].loc[rejected["row"]].to_numpy())
    return Read(good.reset_index(drop=True), rejected.reset_index(drop=True), good.index.to_numpy(int))


def _periods(
    season: str, days: pd.Index, years: tuple[int, int] | None, hemisphere: str
) -> list[tuple[pd.Timestamp, pd.Timestamp]]:
    """First and last days of a season in the series, by the year in which they end."""
    first, count = MONTHS[season]
    if hemisphere == "sh":
        first = (first + 5) % 12 + 1
    found = []
    for year in range(days[0].year, days[-1].year + 1):
        begin = pd.Timestamp(year, first, 1)
        end = begin + pd.DateOffset(months=count) - pd.Timedelta(days=1)
        wanted = years is None or years[0] <= end.year <= years[1]
        if begin >= days[0] and end <= days[-1] and wanted:
            found.append((begin, end))
    return found
