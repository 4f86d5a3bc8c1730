"""What a daily weather series must be: real dates, whole calendar years, known units, plausible values.

Pure functions on arrays. Each takes a `label` ("RGI60-11.00897: file.nc") and begins its error messages with it, so
that they tell which of a thousand glaciers failed.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.weather.times import SECONDS, require_gregorian

log = logging.getLogger(__name__)

Days = NDArray[np.datetime64]
# First and last calendar year asked for, both included; None: the source's own.
Years = tuple[int | None, int | None]

DAY = np.timedelta64(1, "D")

# degC. Coldest and warmest air ever measured are -89.2 and 56.7 (WMO); the rest is room for gridded products.
TEMP_LIMITS = (-90.0, 60.0)
# kg m-2 day-1. The wettest day ever measured brought 1825 (Foc-Foc, La Reunion, WMO).
PRCP_LIMIT = 2000.0

CHOOSE_YEARS = "Fill them, or take years without with y0 and y1 of process_daily_climate."

# Offset to degC, by unit in lower case without blanks, "_" or degree sign.
_TEMP_OFFSET = {
    **dict.fromkeys(("degc", "c", "celsius", "degreescelsius", "degreecelsius", "degreesc"), 0.0),
    **dict.fromkeys(("k", "kelvin", "degk"), -273.15),
}
# Factor to kg m-2 day-1, by unit in lower case without blanks.
_PRCP_FACTOR = {
    **dict.fromkeys(("mm/day", "mm/d", "mmday-1", "mmd-1", "mmday^-1", "kgm-2day-1", "kgm-2d-1", "kg/m2/day"), 1.0),
    **dict.fromkeys(("kgm-2s-1", "kgm^-2s^-1", "kg/m2/s", "mms-1", "mm/s"), 86400.0),
    **dict.fromkeys(("m/day", "m/d", "mday-1", "md-1", "mw.e.day-1"), 1000.0),
}


@dataclass(frozen=True, eq=False)
class DailyWeather:
    """Daily weather at one height, whole calendar years without gaps.

    Attributes
    ----------
    time : (T,) datetime64[D]
    temp : (T,) float32
        degC at `ref_hgt`
    prcp : (T,) float32
        in the unit of the subclass
    ref_hgt : float
        m
    ref_pix_lon, ref_pix_lat : float
        degrees
    source : str
        ``climate_source`` of the file
    """

    time: NDArray[np.datetime64]
    temp: NDArray[np.float32]
    prcp: NDArray[np.float32]
    ref_hgt: float
    ref_pix_lon: float
    ref_pix_lat: float
    source: str


@dataclass(frozen=True, eq=False)
class DailySeries(DailyWeather):
    """A checked series as it goes into the glacier directory's file: precipitation (T,) is in kg m-2 day-1.

    Made by the sources and written by :func:`~oggm_glaunti.coupling.weather.file.write_daily_climate`.

    Attributes
    ----------
    origin : str
        names of the files the series was made from
    others : tuple
        more realisations of the same weather, each (temp, prcp) as above
    notes : dict
        further attributes of the file
    reference : str
        path of a file in the directory whose statistics the series has, so that it must not replace it; default: none
    """

    origin: str
    others: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    reference: str = ""


def to_days(label: str, stamps: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Convert time stamps to ``datetime64[D]``, refusing all but one stamp a day in order (days may be missing).

    Raises
    ------
    InvalidParamsError
        for monthly or sub-daily steps, stamps at changing times of day, days twice or out of order; dates are named
    """
    ordered = np.unique(stamps)
    if ordered.size < 2:
        raise InvalidParamsError(f"{label}: {ordered.size} time step(s); expected whole calendar years of days")
    step = float(np.median(np.diff(ordered).astype("m8[s]").astype(float))) / SECONDS["day"]
    if step != 1.0:
        raise InvalidParamsError(f"{label}: {_step_in_words(step)}; expected one value a day")
    require_gregorian(label, ordered[0])
    days = stamps.astype("M8[D]")
    time_of_day = stamps - days
    odd = time_of_day != time_of_day[0]
    if odd.any():
        raise InvalidParamsError(f"{label}: time of day changes, from {stamps[0]} to others on {spell(days[odd])}")
    unique, count = np.unique(days, return_counts=True)
    if (count > 1).any():
        raise InvalidParamsError(f"{label}: days found more than once: {spell(unique[count > 1])}")
    if time_of_day[0]:
        hour = str(stamps[0])[11:16]
        words = "%s: stamps at %s are taken as the calendar day that they name, although a day may end or begin then"
        log.log(logging.INFO if hour == "12:00" else logging.WARNING, words, label, hour)
    backward = np.diff(days) < 0 * DAY
    if backward.any():
        raise InvalidParamsError(f"{label}: days out of order, time steps back at {spell(days[1:][backward])}")
    return days


def is_monthly(stamps: NDArray[np.datetime64]) -> bool:
    """Return whether the steps are months (28 to 31 days) and not days."""
    steps = np.diff(stamps.astype("M8[s]")).astype(float) / SECONDS["day"]
    return steps.size > 0 and 27.5 < float(np.median(steps)) < 31.5


def _step_in_words(step: float) -> str:
    if 27.5 < step < 31.5:
        return "monthly steps, GlaUnTI needs daily weather"
    if step < 1:
        return f"steps of {24 * step:g} hours, aggregate them to calendar days first"
    return f"steps of {step:g} days"


def calendar_years(days: Days) -> NDArray[np.int64]:
    """Return the calendar year of each day."""
    return days.astype("M8[Y]").astype(np.int64) + 1970


def span_of_whole_years(label: str, days: Days) -> tuple[int, int]:
    """Return the first and last calendar year covered from 1 January to 31 December; gaps inside are not checked.

    Raises
    ------
    InvalidParamsError
        if no year is left

    Examples
    --------
    >>> span_of_whole_years("HEF: a.csv", np.arange("2013-10-01", "2016-03-01", dtype="M8[D]"))
    (2014, 2015)
    """
    first, last = (int(y) for y in calendar_years(days[[0, -1]]))
    first += bool(days[0] != np.datetime64(f"{first:04d}-01-01"))
    last -= bool(days[-1] != np.datetime64(f"{last:04d}-12-31"))
    if first > last:
        raise InvalidParamsError(f"{label}: {days[0]}..{days[-1]} holds no whole calendar year (1 January-31 December)")
    return first, last


def rows_of_years(label: str, days: Days, ys: int, ye: int, remedy: str = CHOOSE_YEARS) -> slice:
    """Return the rows of the calendar years `ys` to `ye`, both included, refusing missing days.

    Parameters
    ----------
    label : str
        glacier and file, for the messages
    days : (T,) datetime64[D], in order
    ys, ye : int
    remedy : str
        end of the error message

    Raises
    ------
    InvalidParamsError
        with the number of days found and expected and the dates of the missing ones
    """
    wanted = np.arange(f"{ys:04d}-01-01", f"{ye + 1:04d}-01-01", dtype="M8[D]")
    rows = slice(*(int(i) for i in np.searchsorted(days, [wanted[0], wanted[-1] + DAY])))
    found = days[rows]
    if found.size != wanted.size:
        missing = np.setdiff1d(wanted, found)
        raise InvalidParamsError(f"{label} has {found.size} of {wanted.size} days; missing: {spell(missing)}. {remedy}")
    return rows


def require_covered(label: str, covered: tuple[int, int], ys: int, ye: int) -> None:
    """Raise InvalidParamsError if `ys`..`ye` is empty or not inside the years covered."""
    if not covered[0] <= ys <= ye <= covered[1]:
        raise InvalidParamsError(f"{label} covers the years {covered[0]}-{covered[1]}; asked for {ys}-{ye}")


def spell(days: Days, most: int = 5) -> str:
    """Write days as text: consecutive ones as a range, the first few of them and how many more there are.

    Examples
    --------
    >>> spell(np.array(["2004-02-29", "2005-01-01", "2005-01-02"], "M8[D]"))
    '2004-02-29, 2005-01-01..2005-01-02 (2 days)'
    """
    runs = np.split(days, np.flatnonzero(np.diff(days) != DAY) + 1)
    texts = [str(r[0]) if r.size == 1 else f"{r[0]}..{r[-1]} ({r.size} days)" for r in runs[:most]]
    rest = sum(r.size for r in runs[most:])
    return ", ".join(texts) + (f" and {rest} more days in {len(runs) - most} more places" if rest else "")


def to_celsius(label: str, temp: Any, units: str, remedy: str = "Give it: temp_units=...") -> NDArray[np.float32]:
    """Convert temperatures in degC or K to degC, float32.

    Raises
    ------
    InvalidParamsError
        if the unit is another
    """
    offset = _lookup(label, "temp", units, _TEMP_OFFSET, "degC or K", remedy)
    return (np.asarray(temp, np.float64) + offset).astype(np.float32)


def to_kg_per_day(label: str, prcp: Any, units: str, remedy: str = "Give it: prcp_units=...") -> NDArray[np.float32]:
    """Convert precipitation in mm or m a day or kg m-2 s-1 to kg m-2 day-1 (mm w.e. a day), float32.

    Raises
    ------
    InvalidParamsError
        if the unit is another; plain "mm" too, since it does not say in what time
    """
    factor = _lookup(label, "prcp", units, _PRCP_FACTOR, "mm/day, kg m-2 day-1, kg m-2 s-1 or m/day", remedy)
    return (np.asarray(prcp, np.float64) * factor).astype(np.float32)


def same_unit(one: str, other: str) -> bool:
    """Return whether both names mean one unit, or one of them is not a unit known here."""
    known = _TEMP_OFFSET | _PRCP_FACTOR
    found = [known.get(_plain_unit(unit)) for unit in (one, other)]
    return None in found or found[0] == found[1]


def _plain_unit(units: str) -> str:
    return units.lower().replace(" ", "").replace("_", "").replace("°", "deg")


def _lookup(label: str, name: str, units: str, table: dict[str, float], expected: str, remedy: str) -> float:
    if _plain_unit(units) not in table:
        raise InvalidParamsError(f"{label}: {name} has units '{units}'; expected {expected}. {remedy}")
    return table[_plain_unit(units)]


def check_values(label: str, days: Days, temp: NDArray[Any], prcp: NDArray[Any], remedy: str = CHOOSE_YEARS) -> None:
    """Refuse NaN, temperatures (degC) outside their limits, negative or excessive precipitation (kg m-2 day-1).

    Raises
    ------
    InvalidParamsError
        that names all that is wrong: the variable, how many days, which of them
    """
    low, high = TEMP_LIMITS
    out = f"temp is outside {low:g}..{high:g} degC, check units{_likely_temp(temp)}"
    much = f"prcp is above {PRCP_LIMIT:g} kg m-2 day-1, check units{_likely_prcp(prcp)}"
    faults = (
        ("temp is NaN or infinite", temp, ~np.isfinite(temp)),
        ("prcp is NaN or infinite", prcp, ~np.isfinite(prcp)),
        (out, temp, (temp < low) | (temp > high)),
        ("prcp is negative", prcp, prcp < 0),
        (much, prcp, prcp > PRCP_LIMIT),
    )
    found = [_fault_in_words(what, days, values, bad) for what, values, bad in faults if bad.any()]
    if found:
        raise InvalidParamsError(f"{label}: {'; '.join(found)}. {remedy}")


def _likely_temp(temp: NDArray[Any]) -> str:
    """Name the unit in which most of the temperatures could be those of a place on Earth."""
    usual = float(np.median(temp))
    found = "K" if 180 < usual < 340 else "degC, not K" if -340 < usual < -220 else ""
    return f" (they look like {found})" if found else ""


def _likely_prcp(prcp: NDArray[Any]) -> str:
    """Name the unit that precipitation a thousand or 86,400 times too high is likely to be in."""
    year = 365.25 * float(np.mean(prcp))
    units = {"mm a day, not m": 1000.0, "mm a day, not kg m-2 s-1": 86400.0}
    found = [unit for unit, factor in units.items() if 100 < year / factor < 10_000]
    return f" (they look like {' or '.join(found)})" if found else ""


def _fault_in_words(what: str, days: Days, values: NDArray[Any], bad: NDArray[np.bool_]) -> str:
    first = values[bad][0]
    example = f" (first value: {first:g})" if np.isfinite(first) else ""
    return f"{what} on {int(bad.sum())} of {bad.size} days: {spell(days[bad])}{example}"


# --- what is taken of a source: the years asked for, units and height as given or as in the file ---------------------


def choose_rows(label: str, days: Days, years: Years) -> slice:
    """Return the rows of the years asked for; incomplete years at the ends are left out and logged."""
    first, last = span_of_whole_years(label, days)
    cropped = days[(calendar_years(days) < first) | (calendar_years(days) > last)]
    if cropped.size:
        log.warning("%s: incomplete calendar years left out: %s", label, spell(cropped))
    return rows_of_years(label, days, *choose_years(label, first, last, years))


def choose_years(label: str, first: int, last: int, years: Years) -> tuple[int, int]:
    """Return the first and last year asked for, or InvalidParamsError if not all of them are available."""
    ys, ye = (own if asked is None else int(asked) for own, asked in zip((first, last), years, strict=True))
    require_covered(label, (first, last), ys, ye)
    return ys, ye


def choose_units(label: str, name: str, given: str | None, in_file: str | None) -> str:
    """Return the unit given or in the file; InvalidParamsError if there is none or they contradict each other."""
    if given is None and in_file is None:
        raise InvalidParamsError(f"{label}: units are neither in the file nor given; give {name}=...")
    if given is not None and in_file is not None and not same_unit(given, in_file):
        raise InvalidParamsError(f"{label}: the file says '{in_file}', {name} says '{given}'; correct the wrong one")
    return given if given is not None else str(in_file)


def choose_height(label: str, given: float | None, in_file: float | None) -> float:
    """Return the reference height given or in the file, m; InvalidParamsError as for units."""
    height = given if given is not None else in_file
    if height is None:
        raise InvalidParamsError(f"{label}: no attribute ref_hgt; give the height the temperature is for, ref_hgt= (m)")
    if given is not None and in_file is not None and abs(given - in_file) > 0.5:
        raise InvalidParamsError(f"{label}: the file has {in_file:g} m, ref_hgt says {given:g} m; correct one")
    if not -500 < height < 9000:
        raise InvalidParamsError(f"{label}: ref_hgt is {height:g}; expected metres above sea level, -500 to 9000")
    return float(height)
