"""Dates as people write them: one rule for weather, observations and arguments.

Dates are ``2015-04-30``, ``2015/04/30``, ``30.04.2015`` and ``20150430``, each also with a time of day. In
``30/04/2015`` day and month may be exchanged: a table of such dates is read if at least one of them has but one reading
and none contradicts it, otherwise they are refused with both readings. Days are local or UTC, whatever the data are: an
offset from UTC other than zero is refused, since it cannot be known whether the days are to be moved.
"""

import contextlib
import datetime as dt
import logging
import re
from typing import Any

import numpy as np
import pandas as pd
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.text.table import MISSING

log = logging.getLogger(__name__)

_DATE = (
    r"(?:(?P<y1>\d{4})(?P<sign>[-/])(?P<m1>\d{1,2})(?P=sign)(?P<d1>\d{1,2})"
    r"|(?P<d2>\d{1,2})\.(?P<m2>\d{1,2})\.(?P<y2>\d{4})"
    r"|(?P<y3>\d{4})(?P<m3>\d{2})(?P<d3>\d{2})(?:\.0+)?"
    r"|(?P<one>\d{1,2})(?P<slash>[-/])(?P<other>\d{1,2})(?P=slash)(?P<y4>\d{4}))"
)
_TIME = r"(?:[T ]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d*)?)?\s*(?P<zone>\S*))?"
_STAMP = re.compile(f"{_DATE}{_TIME}", re.ASCII)
_UTC = re.compile(r"(?:Z|UTC|GMT|[+-]00(?::?00)?)?")
_OFFSET = re.compile(r"[+-]\d{2}(?::?\d{2})?", re.ASCII)
# In the WGMS's tables 99 stands for an unknown day or month.
UNKNOWN = "is not a full date"
_UNKNOWN_PARTS = re.compile(
    r"\d{4}(?:-?\d{2})?-?99|\d{4}-?99-?\d{2}|99\.\d{1,2}\.\d{4}|\d{1,2}\.99\.\d{4}|\d{4}(?:-\d{1,2})?"
)
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
    texts = [text.strip() for text in cells]
    if all(map(_is_iso, texts)):
        # Nearly all tables are such ones, and long ones at that.
        with contextlib.suppress(ValueError):
            return pd.Series(np.array(texts, "M8[s]"), cells.index), pd.Series("", cells.index, dtype=str)
    order = order or order_of_slashes(cells)
    stamps, wrong = np.full(len(texts), np.datetime64("NaT"), "M8[s]"), [""] * len(texts)
    example = ""
    for row, text in enumerate(texts):
        match = _STAMP.fullmatch(text)
        days = _readings(match, order) if match else []
        seconds = _seconds(match) if match else None
        if match and len(days) == 1 and seconds is not None and _UTC.fullmatch(match["zone"] or ""):
            stamps[row] = np.datetime64(days[0], "s") + seconds
            example = example or (text if match["one"] else "")
        elif text.lower() not in MISSING:
            wrong[row] = f"{name} '{text}' {_what_is_wrong(text, match, days)}"
    if example and order is not None:
        other = MONTH_FIRST if order == DAY_FIRST else DAY_FIRST
        words = "%s: dates such as '%s' are read as %s, not as %s: some can be read in no other way"
        log.warning(words, name, example, order, other)
    return pd.Series(stamps, cells.index), pd.Series(wrong, cells.index, dtype=str)


def _is_iso(text: str) -> bool:
    """Return whether text may be a full date, with or without a time, that NumPy reads as it is meant."""
    return (
        len(text) in (10, 16, 19)
        and text[4] == text[7] == "-"
        and text[10:11] in " T"
        and text[13::3] in ("", ":", "::")
    )


def _readings(match: re.Match[str], order: str | None) -> list[dt.date]:
    """Return the days that a date can be: one, two or none."""
    parts = [(match[f"y{i}"], match[f"m{i}"], match[f"d{i}"]) for i in (1, 2, 3)]
    parts += [] if order == MONTH_FIRST else [(match["y4"], match["other"], match["one"])]
    parts += [] if order == DAY_FIRST else [(match["y4"], match["one"], match["other"])]
    found = []
    for year, month, day in parts:
        with contextlib.suppress(ValueError):
            if year:
                found.append(dt.date(int(year), int(month), int(day)))
    return [] if order == MIXED and match["y4"] else list(dict.fromkeys(found))


def _seconds(match: re.Match[str]) -> int | None:
    """Return the time of day, None if there is no such time."""
    hour, minute, second = (int(match[unit] or 0) for unit in ("hour", "minute", "second"))
    return 3600 * hour + 60 * minute + second if hour < 24 and minute < 60 and second < 60 else None


def _what_is_wrong(text: str, match: re.Match[str] | None, days: list[dt.date]) -> str:
    if _UNKNOWN_PARTS.fullmatch(text):
        return UNKNOWN
    if match and days and _OFFSET.fullmatch(match["zone"] or ""):
        return "has an offset from UTC; give calendar days without one"
    if len(days) > 1:
        return f"may be {' or '.join(map(str, days))}; write the one that is meant"
    alone = _readings(match, None) if match and not days else []
    if len(alone) == 1:
        return f"is {alone[0]}, but other dates have day and month in the other order; write {alone[0]}"
    return "is no date; write 2015-04-30"


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
    found = set()
    for match in filter(None, (_STAMP.fullmatch(text.strip()) for text in cells)):
        if match["one"]:
            found |= {DAY_FIRST} if int(match["one"]) > 12 else set()
            found |= {MONTH_FIRST} if int(match["other"]) > 12 else set()
    return MIXED if len(found) > 1 else next(iter(found), None)


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
