"""How weather varies within a month: what a series of months does not say and a daily one is made with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from oggm_glaunti.core.units import DAYS_PER_MONTH
from oggm_glaunti.coupling.weather.monthly_interpolation import Months, keep_means

# kg m-2. A day with at least this is wet.
WET_DAY = 1.0
# Days of a calendar month in a record below which its statistics are chance: three years.
FEWEST_DAYS = 84
# The largest share of a month on one day falls with this power of the month's sum.
_SHARE_EXPONENT = 2 / 3


@dataclass(frozen=True, eq=False)
class WeatherStatistics:
    """Within-month statistics of daily weather; those of 12 values are by calendar month, January first.

    Estimated from a daily series by :func:`statistics_of`, or :data:`ALPINE`.

    Attributes
    ----------
    temp_memory : float
        correlation of the temperature's departures from the seasonal course on consecutive days
    wet_memory : float
        the same of the normal variable behind precipitation
    wet_fraction : float array (12,)
        share of days with at least 1 kg m-2
    shape : float array (12,)
        of the gamma distribution of amounts on wet days; 1 is exponential
    correlation : float array (12,)
        between temperature's departures and the normal variable behind precipitation: negative if wet days are cold
    temp_std : float array (12,) or None
        K, standard deviation of daily temperature within a month, its course within the month included (that is what
        ``temp_std`` in OGGM's files is); None if unknown
    origin : str
        origin of the numbers
    one_day_sum : float
        kg m-2, sum of a month that may fall on one day, see :meth:`most_on_a_day`
    """

    temp_memory: float
    wet_memory: float
    wet_fraction: NDArray[np.float64]
    shape: NDArray[np.float64]
    correlation: NDArray[np.float64]
    temp_std: NDArray[np.float64] | None
    origin: str
    one_day_sum: float = 90.0

    def __post_init__(self) -> None:
        """Raise ValueError for values out of range; single numbers are those of all calendar months."""
        for name in ("wet_fraction", "shape", "correlation", "temp_std"):
            values = getattr(self, name)
            if values is not None:
                object.__setattr__(self, name, np.broadcast_to(np.asarray(values, np.float64), (12,)))
        limits = {"temp_memory": (-1, 1), "wet_memory": (-1, 1), "wet_fraction": (0, 1), "shape": (0.05, np.inf)}
        for name, (low, high) in {**limits, "correlation": (-1, 1)}.items():
            values = np.asarray(getattr(self, name))
            if not ((values > low) & (values < high)).all():
                raise ValueError(f"{name}: expected values between {low} and {high}, both excluded; found {values}")
        if not 0 < self.one_day_sum < np.inf:
            raise ValueError(f"one_day_sum: expected a sum above 0 kg m-2, found {self.one_day_sum}")
        if self.temp_std is not None:
            checked_temp_std(self.temp_std)

    def most_on_a_day(self, prcp: ArrayLike) -> NDArray[np.float64]:
        """Return the largest share of a month's precipitation (kg m-2) that falls on one of its days.

        Notes
        -----
        In the records of :data:`ALPINE` the wettest day of a month grows with the cube root of its sum: of 25 kg m-2
        everything has fallen on one day, of 150 at most 0.6, of 500 at most 0.3.

        Examples
        --------
        >>> ALPINE.most_on_a_day([50.0, 90.0, 720.0]).round(2).tolist()
        [1.0, 1.0, 0.25]
        """
        sums = np.maximum(np.asarray(prcp, np.float64), self.one_day_sum)
        return (self.one_day_sum / sums) ** _SHARE_EXPONENT


def checked_temp_std(temp_std: ArrayLike) -> NDArray[np.float64]:
    """Return a within-month standard deviation (K), or 12 of them, as (12,); ValueError if it is invalid.

    Examples
    --------
    >>> checked_temp_std(3.5).shape
    (12,)
    """
    values = np.asarray(temp_std, np.float64)
    if values.shape not in ((), (12,)) or not ((values >= 0) & (values < 30)).all():
        raise ValueError(f"temp_std: expected a number or 12 of them from 0 to below 30 K, found {values}")
    return np.broadcast_to(values, (12,))


# Rounded means of six records of mountain weather: five catchments of CAMELS-CH 1981-2020 (2268, 2269, 2256, 2117 and
# 2262; Hoege et al. 2023, doi 10.5194/essd-15-5755-2023) and the Rofental stations 2014-2022. Over these records
# temp_memory is 0.78 to 0.82, wet_memory 0.48 to 0.55, the yearly mean of wet_fraction 0.33 to 0.46, of shape 0.72 to
# 1.02 and of correlation -0.29 (Rhone) to -0.02 (Bernina); one_day_sum is 48 (nine years) to 93, and 90 stands for 40
# years. The Massa at Aletsch is not among them.
ALPINE = WeatherStatistics(
    temp_memory=0.80,
    wet_memory=0.50,
    wet_fraction=np.full(12, 0.40),
    shape=np.full(12, 0.85),
    correlation=np.full(12, -0.15),
    temp_std=None,
    origin="means of six Alpine records",
)


def statistics_of(time: NDArray[np.datetime64], temp: ArrayLike, prcp: ArrayLike, origin: str) -> WeatherStatistics:
    """Estimate the within-month statistics of a daily series.

    Parameters
    ----------
    time : (T,) datetime64[D], whole months
    temp : (T,) degC
    prcp : (T,) kg m-2 day-1
    origin : str
        what the series is

    Raises
    ------
    ValueError
        if a calendar month has fewer than three years of days, or its days are all wet or all dry

    Notes
    -----
    Departures are from the course through the monthly means (:func:`keep_means`). Correlations with precipitation are
    biserial, from dry and wet days alone, so they do not depend on amounts; the memory of the normal variable behind
    precipitation is sin(pi/2 r) of that of dry and wet, which is exact if half of the days are wet.
    """
    temp, prcp = np.asarray(temp, np.float64), np.asarray(prcp, np.float64)
    months = Months.of_days(time)
    departures = temp - keep_means(months, months.mean(temp))
    wet, calendar = prcp >= WET_DAY, months.calendar[months.index]
    members = [np.flatnonzero(calendar == month) for month in range(12)]
    _require_enough(origin, members, wet)
    fraction = np.array([wet[days].mean() for days in members])
    scaled = departures / np.array([departures[days].std() for days in members])[calendar]
    variance = months.mean((temp - months.mean(temp)[months.index]) ** 2)
    return WeatherStatistics(
        temp_memory=_unshortened(_memory(scaled)),
        wet_memory=float(np.sin(0.5 * np.pi * _memory(wet - fraction[calendar]))),
        wet_fraction=fraction,
        shape=np.array([_gamma_shape(prcp[days][wet[days]]) for days in members]),
        correlation=np.array([_biserial(scaled[days], wet[days]) for days in members]),
        temp_std=np.sqrt([variance[months.calendar == month].mean() for month in range(12)]),
        origin=origin,
        one_day_sum=_one_day_sum(months, prcp),
    )


def _one_day_sum(months: Months, prcp: NDArray[np.float64]) -> float:
    """Return the sum for which :meth:`WeatherStatistics.most_on_a_day` is just reached by the record."""
    wettest = np.maximum.reduceat(prcp, np.cumsum(months.days) - months.days)
    sums = months.sum(prcp)
    share = np.divide(wettest, sums, out=np.zeros(sums.size), where=sums > 0)
    return float((sums * share ** (1 / _SHARE_EXPONENT)).max())


def _require_enough(origin: str, members: list[NDArray[np.int64]], wet: NDArray[np.bool_]) -> None:
    for month, days in enumerate(members, start=1):
        n_wet = int(wet[days].sum())
        if days.size < FEWEST_DAYS or n_wet < 3 or n_wet == days.size:
            raise ValueError(
                f"{origin}: calendar month {month} has {days.size} days, {n_wet} of them with {WET_DAY:g} kg m-2 or "
                f"more; expected {FEWEST_DAYS} days or more (three years), 3 or more of them wet and not all"
            )


def _memory(values: NDArray[np.float64]) -> float:
    return float(np.corrcoef(values[1:], values[:-1])[0, 1])


def _unshortened(memory: float) -> float:
    """Return the memory of noise from that of its departures from the course through its monthly means, which is less.

    In simulated noise of memory m, departures have m - (0.5 + 2 m) / (days of a month), to 0.015 for m from 0 to 0.9.
    """
    return float(np.clip((memory + 0.5 / DAYS_PER_MONTH) / (1 - 2 / DAYS_PER_MONTH), -0.98, 0.98))


def _gamma_shape(amounts: NDArray[np.float64]) -> float:
    """Estimate the shape by moments, from 0.1 to 10: a dry month's few wet days may be all alike, or one a flood."""
    variance = amounts.var()
    return float(np.clip(amounts.mean() ** 2 / variance, 0.1, 10.0)) if variance > 0 else 10.0


def _biserial(values: NDArray[np.float64], wet: NDArray[np.bool_]) -> float:
    """Return the correlation of values with the normal variable behind wet days, clipped to 0.9 (short records)."""
    fraction = wet.mean()
    point = np.corrcoef(values, wet)[0, 1]
    biserial = point * np.sqrt(fraction * (1 - fraction)) / norm.pdf(norm.ppf(1 - fraction))
    return float(np.clip(biserial, -0.9, 0.9))
