"""CF times in files of weather: numbers, units and a calendar become dates."""

from __future__ import annotations

import re
from typing import Any

import cftime
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
# Longest time that can be spanned by dates, seconds: 31,700 years.
LONGEST = 1e12
# A UTC offset at the end of a reference time, after its time of day or a blank.
_OFFSET = re.compile(r"(?:\d:[\d:.]+\s*|\s)[+-](?P<hours>\d{1,2}(?::?\d{2})?)\s*$")
CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
GREGORIAN_START = np.datetime64("1582-10-15", "s")


def decode_time(label: str, values: Any, units: str, calendar: str) -> NDArray[np.datetime64]:
    """Decode CF time values to ``datetime64[s]``: one date is decoded, the others are added to it (2 ms for 40 years).

    Parameters
    ----------
    label : str
        glacier and file, for the messages
    values : (T,) numbers in any order
    units : str
        e.g. ``days since 1801-01-01 00:00:00``
    calendar : str
        ``standard``, ``gregorian`` or ``proleptic_gregorian``

    Raises
    ------
    InvalidParamsError
        for another calendar, units that are no time, a UTC offset in them, missing times, times that are no dates and
        dates before the Gregorian calendar

    Examples
    --------
    >>> decode_time("RGI60-11.00897: a.nc", [0, 1], "days since 2004-02-29", "standard").astype("M8[D]").tolist()
    [datetime.date(2004, 2, 29), datetime.date(2004, 3, 1)]
    """
    if calendar.lower() not in CALENDARS:
        raise InvalidParamsError(
            f"{label}: calendar '{calendar}' has no real dates; expected one of {', '.join(CALENDARS)}. Convert it "
            "first, for example xarray's ds.convert_calendar('standard', missing=nan, align_on='date'), then fill the "
            "days that are new (29 February for noleap)."
        )
    unit = units.partition(" since ")[0].strip().lower()
    seconds = SECONDS.get(unit.removesuffix("s"))
    if seconds is None:
        raise InvalidParamsError(f"{label}: time units '{units}'; expected 'days since YYYY-MM-DD' (or hours, seconds)")
    require_utc(label, units)
    numbers = np.ma.masked_array(values, dtype=np.float64).filled(np.nan)
    if numbers.size == 0 or not np.isfinite(numbers).all():
        raise InvalidParamsError(f"{label}: time has {numbers.size} values, {int(np.isnan(numbers).sum())} are missing")
    if np.ptp(numbers) * seconds > LONGEST:
        raise InvalidParamsError(f"{label}: time goes from {numbers.min():g} to {numbers.max():g} {units}; no dates")
    try:
        first = cftime.num2date(numbers.min(), units, calendar=calendar.lower()).isoformat()
        start = (np.datetime64(first, "us") + np.timedelta64(500, "ms")).astype("M8[s]")
    except (ValueError, OverflowError) as err:
        raise InvalidParamsError(f"{label}: time cannot be decoded, {numbers.min():g} {units}: {err}") from err
    require_gregorian(label, start)
    return start + np.rint((numbers - numbers.min()) * seconds).astype("m8[s]")


def require_gregorian(label: str, start: np.datetime64) -> None:
    """Raise InvalidParamsError for dates before the Gregorian calendar."""
    if start < GREGORIAN_START:
        raise InvalidParamsError(f"{label}: begins on {start}, before the Gregorian calendar of 1582; use later years")


def require_utc(label: str, units: str) -> None:
    """Refuse time units with a UTC offset: it cannot be known whether the days are those of the place or of UTC.

    Examples
    --------
    >>> require_utc("RGI60-11.00897: a.nc", "days since 2004-01-01 00:00:00 +00:00")
    """
    offset = _OFFSET.search(units)
    if offset is not None and offset["hours"].strip("0:"):
        raise InvalidParamsError(
            f"{label}: time units '{units}' have a UTC offset, which would move the days. Write the units without it "
            "if the days are meant as they are, otherwise convert the times to UTC."
        )
