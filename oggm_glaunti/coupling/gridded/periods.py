"""Mass-balance years and seasons on a daily record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, balance_year_of, begin_of_year
from oggm_glaunti.coupling.text.dates import as_days
from oggm_glaunti.coupling.weather.file import DailyClimate

# Calendar months that a period may touch: what the corrector's climate branch takes.
CORRECTOR_MONTHS = (12, 14)


class Period(NamedTuple):
    """One mass-balance year: annual, or winter and summer that share the day `mid`.

    Attributes
    ----------
    year : int
        the calendar year in which it ends
    begin, end : datetime64[D]
        first and last day, both included
    mid : datetime64[D] or None
        last day of winter and first of summer; None for one annual season
    """

    year: int
    begin: np.datetime64
    mid: np.datetime64 | None
    end: np.datetime64

    def seasons(self) -> list[tuple[np.datetime64, np.datetime64]]:
        """Return the first and last day of each season."""
        days = [self.begin, self.end] if self.mid is None else [self.begin, self.mid, self.end]
        return list(pairwise(days))


def default_period(year: int, hemisphere: str) -> Period:
    """Return the mass-balance year without known dates: 1 Oct to 30 Sep, in the south 1 Apr to 31 Mar.

    Examples
    --------
    >>> str(default_period(2000, "nh").begin), str(default_period(2000, "sh").end)
    ('1999-10-01', '2000-03-31')
    """
    return _default_periods(year, year, hemisphere)[0]


def _default_periods(first: int, last: int, hemisphere: str) -> list[Period]:
    begins = begin_of_year(np.arange(first, last + 2), FIRST_MONTH[hemisphere]).astype("M8[D]")
    ends = begins[1:] - 1
    return [Period(first + k, begin, None, end) for k, (begin, end) in enumerate(zip(begins[:-1], ends, strict=True))]


def mass_balance_years(climate: DailyClimate, hemisphere: str) -> list[Period]:
    """Return the full mass-balance years of a record: 1 Oct to 30 Sep in the north, 1 Apr to 31 Mar in the south.

    Parameters
    ----------
    climate : DailyClimate
    hemisphere : {'nh', 'sh'}

    Returns
    -------
    list of Period
        annual, in order; empty if the record holds no full one
    """
    return _default_periods(climate.ys + 1, climate.ye, hemisphere)


def require_mass_balance_years(climate: DailyClimate, hemisphere: str, label: str, remedy: str) -> list[Period]:
    """:func:`mass_balance_years`, or InvalidWorkflowError where the record holds no full one; it ends with `remedy`."""
    periods = mass_balance_years(climate, hemisphere)
    if not periods:
        raise InvalidWorkflowError(
            f"{label}: {climate.path} holds {climate.time[0]} to {climate.time[-1]}, no full mass-balance year{remedy}"
        )
    return periods


def mass_balance_year_of_months(years: np.ndarray, hemisphere: str) -> np.ndarray:
    """Return the year in which the mass-balance year of each calendar month ends, int array (Y, 12)."""
    return balance_year_of(begin_of_year(np.asarray(years)[:, None], 1) + np.arange(12), FIRST_MONTH[hemisphere])


def periods_from_dates(dates: pd.DataFrame | Sequence[Period], label: str) -> list[Period]:
    """Make periods from a table with columns ``begin``, ``end`` and, for seasons, ``mid``.

    Parameters
    ----------
    dates : DataFrame or sequence of Period
        a missing ``mid`` gives an annual season; dates as :func:`~oggm_glaunti.coupling.text.dates.as_days` reads
        them
    label : str
        named in errors

    Raises
    ------
    InvalidParamsError
        for no rows, missing columns, missing, unreadable or ambiguous dates, or dates out of order
    """
    if len(dates) == 0:
        raise InvalidParamsError(f"{label}: dates has no rows; give at least one period, columns begin and end")
    if not isinstance(dates, pd.DataFrame):
        wrong = [period for period in dates if period.year != _year(period.end)]
        if wrong:
            raise InvalidParamsError(f"{label}: {wrong[0]}: expected the year in which it ends")
        return [_ordered(period, label) for period in dates]
    missing = {"begin", "end"} - set(dates.columns)
    if missing:
        raise InvalidParamsError(f"{label}: season dates need columns begin and end (and mid), missing {missing}")
    days = {name: as_days(dates[name], name, f"{label}: season dates") for name in Period._fields[1:] if name in dates}
    for name in ("begin", "end"):
        empty = days[name].index[days[name].isna()]
        if empty.size:
            where = f"{name} in row {empty[0]} of the season dates"
            raise InvalidParamsError(f"{label}: {where} is missing; give a date, or drop the row")
    begins, ends = (days[name].to_numpy("M8[D]") for name in ("begin", "end"))
    mids = days["mid"].to_numpy("M8[D]") if "mid" in days else np.full(len(dates), np.datetime64("NaT"), "M8[D]")
    rows = zip(begins, (None if np.isnat(mid) else mid for mid in mids), ends, strict=True)
    return [_ordered(Period(_year(end), begin, mid, end), label) for begin, mid, end in rows]


def _year(day: np.datetime64) -> int:
    return int(day.astype("M8[Y]").astype(int)) + 1970


def require_corrector_months(period: Period, label: str) -> None:
    """Raise InvalidParamsError if a period touches fewer or more calendar months than the corrector takes."""
    months = int((period.end.astype("M8[M]") - period.begin.astype("M8[M]")).astype(int)) + 1
    fewest, most = CORRECTOR_MONTHS
    if not fewest <= months <= most:
        raise InvalidParamsError(
            f"{label}: the period of {period.year}, begin {period.begin} to end {period.end}, touches {months} "
            f"calendar months; yearly corrections need {fewest} to {most}. Correct begin or end, drop the period, or "
            "ask for corrector='climatology' or 'off'."
        )


def _ordered(period: Period, label: str) -> Period:
    days = [day for day in (period.begin, period.mid, period.end) if day is not None]
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise InvalidParamsError(f"{label}: dates of {period.year} are not in order: {[str(d) for d in days]}")
    return period


def day_slice(climate: DailyClimate, begin: np.datetime64, end: np.datetime64, label: str) -> slice:
    """Locate the days `begin` to `end` (both included) in a record.

    Raises
    ------
    InvalidParamsError
        if the record does not hold them all
    """
    first = climate.time[0]
    start, stop = int((begin - first).astype(int)), int((end - first).astype(int)) + 1
    if start < 0 or stop > climate.time.size:
        raise InvalidParamsError(
            f"{label}: {climate.path} holds {first} to {climate.time[-1]}, asked for {begin} to {end}"
        )
    return slice(start, stop)
