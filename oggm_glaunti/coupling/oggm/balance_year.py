"""On which hemisphere a glacier counts as lying, and when its mass-balance years and seasons begin.

A glacier directory says its hemisphere itself (``gdir.hemisphere``); for whatever has no directory the rule of OGGM is
applied to its own region and latitude: south of the equator, and all of region 16 of the Randolph Glacier Inventory,
the Low Latitudes, which also has glaciers north of it (Colombia, Ecuador, Mexico, Uganda).
"""

from typing import Any

import numpy as np

from oggm_glaunti import settings

FIRST_MONTH = settings.MASS_BALANCE_YEAR_START
# Number of winter months of the mass-balance year: October to April in the north, April to October in the south, as in
# the fixed-date system of Cogley et al. (2011), Glossary of Glacier Mass Balance.
WINTER_MONTHS = 7
LOW_LATITUDES = 16  # the regions after it lie south of the equator, those before it north
# degrees; from the equator to here region 16 has all glaciers: 19 in Mexico, from 27 on they are those of Asia
LOW_LATITUDES_END = 25.0


def is_southern(lat: Any, region: Any = np.nan, otherwise: bool = False) -> np.ndarray:
    """Return whether glaciers count as southern.

    Parameters
    ----------
    lat : float or array
        latitude, degrees; NaN if unknown
    region : float or array
        number of the first-order region; NaN if unknown
    otherwise : bool
        the answer if neither is known

    Examples
    --------
    >>> is_southern([-16.3, 4.8, 4.8, 46.5], [16, 16, np.nan, np.nan]).tolist()
    [True, True, True, False]
    """
    lat, region = np.asarray(lat, float), np.asarray(region, float)
    northern_limit = np.where(np.isnan(region), LOW_LATITUDES_END, 0.0)
    unknown = np.isnan(lat) & ~(region > 0)  # 0 is OGGM's region of invented glaciers
    return np.where(unknown, otherwise, (region >= LOW_LATITUDES) | (lat < northern_limit))


def hemisphere_of(lat: float, region: Any = np.nan) -> str:
    """Return ``sh`` or ``nh``, arguments as in :func:`is_southern`.

    Examples
    --------
    >>> hemisphere_of(46.5), hemisphere_of(-0.5), hemisphere_of(19.0, 16)
    ('nh', 'sh', 'sh')
    """
    return "sh" if is_southern(lat, region) else "nh"


def begin_of_year(year: Any, month: Any) -> Any:
    """Return the month, datetime64[M], with which a year begins that is named by the calendar year of its last day.

    Parameters
    ----------
    year : int or int array
    month : int or int array
        first month of the year, as in :data:`FIRST_MONTH`; 1 for calendar years

    Examples
    --------
    >>> str(begin_of_year(2015, FIRST_MONTH["nh"])), str(begin_of_year(2015, 1))
    ('2014-10', '2015-01')
    """
    year, month = np.asarray(year), np.asarray(month)
    return ((year - 1970 - (month > 1)) * 12 + month - 1).astype("M8[M]")[()]


def balance_year_of(days: np.ndarray, month: int) -> np.ndarray:
    """Return the year, as in :func:`begin_of_year`, in which each day (or month) lies.

    Examples
    --------
    >>> balance_year_of(np.array(["2014-09-30", "2014-10-01"], "M8[D]"), FIRST_MONTH["nh"]).tolist()
    [2014, 2015]
    """
    months = np.asarray(days).astype("M8[M]").astype(int)
    return months // 12 + 1970 + ((months % 12 + 1 >= month) & (month > 1))


def months_of_year(hemisphere: str) -> list[int]:
    """Return the calendar months, 1 to 12, in the order of the mass-balance year; winter has the first seven."""
    return [(FIRST_MONTH[hemisphere] + shift - 1) % 12 + 1 for shift in range(12)]
