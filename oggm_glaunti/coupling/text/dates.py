"""Dates as people write them: one rule for weather, observations and arguments.

Dates are ``2015-04-30``, ``2015/04/30``, ``30.04.2015`` and ``20150430``, each also with a time of day. In
``30/04/2015`` day and month may be exchanged: a table of such dates is read if at least one of them has but one reading
and none contradicts it, otherwise they are refused with both readings. Days are local or UTC, whatever the data are: an
offset from UTC other than zero is refused, since it cannot be known whether the days are to be moved.
"""

import datetime as dt
import logging
from typing import Any

import numpy as np
import pandas as pd
from oggm.exceptions import InvalidParamsError

log = logging.getLogger(__name__)

_DATE = (
    r"(?:(?P<y1>\d{4})(?P<sign>[-/])(?P<m1>\d{1,2})(?P=sign)(?P<d1>\d{1,2})"
    r"|(?P<d2>\d{1,2})\.(?P<m2>\d{1,2})\.(?P<y2>\d{4})"
    r"|(?P<y3>\d{4})(?P<m3>\d{2})(?P<d3>\d{2})(?:\.0+)?"
    r"|(?P<one>\d{1,2})(?P<slash>[-/])(?P<other>\d{1,2})(?P=slash)(?P<y4>\d{4}))"
)
_TIME = r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d*)?)?\s*(?P<zone>\S*))?"
_STAMP = rf"^{_DATE}{_TIME}$"
_UTC = r"(?:Z|UTC|GMT|[+-]00(?::?00)?)?"
_OFFSET = r"[+-]\d{2}(?::?\d{2})?"
_EMPTY = {"", "na", "nan", "n/a", "nat", "none", "null", "-", "-9999"}
# In the WGMS's tables 99 stands for an unknown day or month.
UNKNOWN = "is not a full date"
_UNKNOWN_PATTERN = r"\d{4}(?:-?\d{2})?-?99|\d{4}-?99-?\d{2}|99\.\d{1,2}\.\d{4}|\d{1,2}\.99\.\d{4}|\d{4}(?:-\d{1,2})?"
DAY_FIRST, MONTH_FIRST, MIXED = "day/month/year", "month/day/year", "mixed"


def parse_stamps(cells: pd.Series, name: str, order: str | None = None) -> tuple[pd.Series, pd.Series]:
    """Parse dates with their times of day (NaT if missing), and describe what is wrong with cells of something else.

    Parameters
    ----------
    cells : Series of str
    name : str
        name of the date in the descriptions
    order : str, optional
        what :func:`order_of_slashes` finds in the whole table; default: what it finds in `cells`

    Returns
    -------
    stamps : Series of datetime64[s]
    wrong : Series of str
        empty if nothing is wrong

    Examples
    --------
    >>> stamps, wrong = parse_stamps(pd.Series(["30.04.2015 07:00", "03/04/2015", "2015-04-30T00:00+01:00"]), "time")
    >>> str(stamps[0]), wrong[1]
    ('2015-04-30 07:00:00', "time '03/04/2015' may be 2015-04-03 or 2015-03-04; write the one that is meant")
    >>> wrong[2]
    "time '2015-04-30T00:00+01:00' has an offset from UTC; give calendar days without one"
    """
    text = cells.str.strip()
    parts = text.str.extract(_STAMP)
    order = order or order_of_slashes(cells)
    if order in (DAY_FIRST, MONTH_FIRST):
        example = text[parts["one"].notna()].iloc[:1].tolist()
        if example:
            other = MONTH_FIRST if order == DAY_FIRST else DAY_FIRST
            words = "%s: dates such as '%s' are read as %s, not as %s: some can be read in no other way"
            log.warning(words, name, example[0], order, other)
    day_first, month_first = (
        _days(parts["y4"], parts[month], parts[day]) for month, day in (("other", "one"), ("one", "other"))
    )
    days = {DAY_FIRST: day_first, MONTH_FIRST: month_first}.get(str(order))
    if days is None:
        days = np.where(day_first == month_first, day_first, np.datetime64("NaT", "D"))
    for i in (1, 2, 3):
        days = np.where(np.isnat(days), _days(parts[f"y{i}"], parts[f"m{i}"], parts[f"d{i}"]), days)
    hour, minute, second = (_whole(parts[unit], 0) for unit in ("hour", "minute", "second"))
    zone = parts["zone"].fillna("")
    in_day = (hour < 24) & (minute < 60) & (second < 60)
    good = ~np.isnat(days) & in_day & zone.str.fullmatch(_UTC).to_numpy(bool)
    stamps = days.astype("M8[s]") + (3600 * hour + 60 * minute + second).astype("m8[s]")
    stamps[~good] = np.datetime64("NaT")
    why = np.full(len(cells), "' is no date; write 2015-04-30", object)
    for row in np.flatnonzero(~np.isnat(day_first) | ~np.isnat(month_first)):
        why[row] = _both_readings(day_first[row], month_first[row])
    why[zone.str.fullmatch(_OFFSET).to_numpy(bool)] = "' has an offset from UTC; give calendar days without one"
    why[text.str.fullmatch(_UNKNOWN_PATTERN).to_numpy(bool)] = f"' {UNKNOWN}"
    wrong = np.where(good | text.str.lower().isin(_EMPTY), "", name + " '" + text + why)
    return pd.Series(stamps, cells.index), pd.Series(wrong, cells.index)


def _both_readings(day_first: np.datetime64, month_first: np.datetime64) -> str:
    if np.isnat(day_first) or np.isnat(month_first):
        found = day_first if np.isnat(month_first) else month_first
        return f"' is {found}, but other dates have day and month in the other order; write {found}"
    return f"' may be {day_first} or {month_first}; write the one that is meant"


def parse_days(cells: pd.Series, name: str, order: str | None = None) -> tuple[pd.Series, pd.Series]:
    """Parse days as :func:`parse_stamps` does; a time of day is dropped.

    Examples
    --------
    >>> days, wrong = parse_days(pd.Series(["30.04.2015 00:00", "20159999", "03/04/2015"]), "begin")
    >>> days[0].date().isoformat(), wrong[1]
    ('2015-04-30', "begin '20159999' is not a full date")
    """
    stamps, wrong = parse_stamps(cells, name, order)
    return stamps.dt.floor("D"), wrong


def order_of_slashes(cells: pd.Series) -> str | None:
    """Return the order of day and month in dates such as ``30/04/2015``, as those show that have but one reading.

    Examples
    --------
    >>> order_of_slashes(pd.Series(["01/10/2018", "30/09/2019"])), order_of_slashes(pd.Series(["01/10/2018"]))
    ('day/month/year', None)
    """
    parts = cells.str.strip().str.extract(_STAMP)
    one, other = (_whole(parts[name], 1) for name in ("one", "other"))
    found = {DAY_FIRST: (one > 12).any(), MONTH_FIRST: (other > 12).any()}
    return MIXED if all(found.values()) else next((order for order, seen in found.items() if seen), None)


def _whole(digits: pd.Series, missing: int) -> np.ndarray:
    return digits.fillna(str(missing)).astype(np.int64).to_numpy()


def _days(year: pd.Series, month: pd.Series, day: pd.Series) -> np.ndarray:
    """Return days (NaT where there is no such day), from digits."""
    y, m, d = (_whole(digits, 0) for digits in (year, month, day))
    first = ((y - 1970) * 12 + m - 1).astype("M8[M]")
    days = first.astype("M8[D]") + (d - 1)
    there = year.notna().to_numpy() & (y > 0) & (m >= 1) & (m <= 12) & (d >= 1) & (days.astype("M8[M]") == first)
    days[~there] = np.datetime64("NaT")
    return days


def as_days(values: Any, name: str, label: str = "") -> pd.Series:
    """Return days, datetime64[s], of what a caller gives: dates of any type, text as above, or integers 20150430.

    Parameters
    ----------
    values : array-like
        missing values become NaT
    name : str
        name of the date in the error
    label : str
        begin of the error, such as the glacier's id

    Raises
    ------
    InvalidParamsError
        if one of them is no date, is ambiguous, or has an offset from UTC

    Examples
    --------
    >>> as_days(["01.10.2008", 20090930, dt.date(2009, 4, 30)], "begin").astype(str).tolist()
    ['2008-10-01', '2009-09-30', '2009-04-30']
    """
    given = values if isinstance(values, pd.Series) else pd.Series(values, name=name)
    if given.dtype.kind == "M" and getattr(given.dtype, "tz", None) is None:
        return given.astype("M8[s]").dt.floor("D")
    days, wrong = parse_days(given.map(_as_text).astype(str), name)
    days.name = given.name
    bad = wrong[wrong != ""]
    if bad.size:
        where = f", row {bad.index[0]}" if len(given) > 1 or given is values else ""
        raise InvalidParamsError(f"{label}{': ' if label else ''}{bad.iloc[0]}{where}")
    return days


def as_day(value: Any, name: str, label: str = "") -> np.datetime64:
    """Return one day, datetime64[D], as :func:`as_days` does; a missing one is an error.

    Examples
    --------
    >>> str(as_day("30.04.2015", "begin"))
    '2015-04-30'
    """
    day = as_days([value], name, label)
    if day.isna().any():
        begin = f"{label}: " if label else ""
        raise InvalidParamsError(f"{begin}{name}: expected a date such as 2015-04-30, found {value!r}")
    return day.to_numpy("M8[D]")[0]


def _as_text(value: Any) -> str:
    """Write a value as parse_stamps reads it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float | np.floating) and value == value // 1:
        return str(int(value))
    if isinstance(value, dt.date):
        return value.isoformat()
    return "" if value is None or pd.isna(value) else str(value)
