"""Dates in tables of observations."""

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, WINTER_MONTHS, begin_of_year

# Unambiguous notations of a day; 03/04/2015 is not one.
FORMATS = {
    r"\d{4}-\d{1,2}-\d{1,2}": "%Y-%m-%d",
    r"\d{4}/\d{1,2}/\d{1,2}": "%Y/%m/%d",
    r"\d{1,2}\.\d{1,2}\.\d{4}": "%d.%m.%Y",
    r"\d{8}": "%Y%m%d",
}
# In the WGMS's tables 99 stands for an unknown day or month.
UNKNOWN = "is not a full date"
_UNKNOWN_PATTERN = r"\d{4}(?:-?\d{2})?-?99|\d{4}-?99-?\d{2}|99\.\d{1,2}\.\d{4}|\d{1,2}\.99\.\d{4}|\d{4}(?:-\d{1,2})?"


def parse_days(cells: pd.Series, name: str) -> tuple[pd.Series, pd.Series]:
    """Parse days (NaT if missing), and describe what is wrong with cells that hold something else.

    Parameters
    ----------
    cells : Series of str
        ``2015-04-03``, ``2015/04/03``, ``03.04.2015`` or ``20150403``, each also with a time of day, which is dropped
    name : str
        name of the date in the descriptions

    Returns
    -------
    days, wrong : Series
        dates, and descriptions, empty if nothing is wrong

    Examples
    --------
    >>> days, wrong = parse_days(pd.Series(["30.04.2015 00:00", "20159999", "03/04/2015"]), "begin")
    >>> days[0].date().isoformat(), wrong.tolist()[1:]
    ('2015-04-30', ["begin '20159999' is not a full date", "begin '03/04/2015' is no date; write 2015-04-30"])
    """
    text = cells.str.strip()
    day = text.str.replace(r"[T ]+\d{1,2}:\d{2}(?::\d{2}(?:\.\d*)?)?Z?$", "", regex=True)
    absent = text.str.lower().isin({"", "na", "nan", "nat", "none", "null", "-", "-9999"})
    days = pd.Series(pd.NaT, cells.index, dtype="datetime64[ns]")
    for pattern, form in FORMATS.items():
        mine = day.str.fullmatch(pattern)
        days[mine] = pd.to_datetime(day[mine], format=form, errors="coerce")
    wrong = days.isna() & ~absent
    unknown = wrong & day.str.fullmatch(_UNKNOWN_PATTERN)
    why = np.where(unknown, f"' {UNKNOWN}", "' is no date; write 2015-04-30")
    return days, pd.Series(np.where(wrong, name + " '" + text + why, ""), cells.index)


def nominal_dates(year: pd.Series, season: pd.Series, south: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Compute begin and end of a season of a nominal mass-balance year; NaT for free periods and missing years.

    1 October to 30 September with winter to 30 April in the north, 1 April to 31 March with winter to 31 October in the
    south. The last day of winter is the first of summer.

    Parameters
    ----------
    year : Series of float
        calendar year in which the mass-balance year ends
    season : Series of str
        annual, winter or summer
    south : Series of bool
        whether the glacier is on the southern hemisphere

    Examples
    --------
    >>> year, south = pd.Series([2015.0, 2015.0]), pd.Series([False, True])
    >>> [days.dt.strftime("%Y-%m-%d").tolist() for days in nominal_dates(year, pd.Series(["winter"] * 2), south)]
    [['2014-10-01', '2014-04-01'], ['2015-04-30', '2014-10-31']]
    """
    known = year.notna() & (year % 1 == 0) & year.between(1700, 2200) & season.isin(("annual", "winter", "summer"))
    month = np.where(south, FIRST_MONTH["sh"], FIRST_MONTH["nh"])
    starts = begin_of_year(year.where(known, 2000).astype(int), month)
    begin, mid, end = ((starts + months).astype("M8[D]") - (months > 0) for months in (0, WINTER_MONTHS, 12))
    first = np.where(season == "summer", mid, begin)
    last = np.where(season == "winter", mid, end)
    return tuple(pd.Series(days.astype("M8[ns]"), year.index).where(known) for days in (first, last))
