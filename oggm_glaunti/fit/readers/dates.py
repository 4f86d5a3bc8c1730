"""Dates of a season of which only the year is known."""

import numpy as np
import pandas as pd

from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, WINTER_MONTHS, begin_of_year


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
    return tuple(pd.Series(days.astype("M8[s]"), year.index).where(known) for days in (first, last))
