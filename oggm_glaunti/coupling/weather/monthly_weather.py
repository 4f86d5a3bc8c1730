"""Daily weather made from monthly: monthly totals and means are kept, the days are drawn at random.

Temperature is a course through the monthly means plus noise that remembers the day before (AR(1)), with the month's own
standard deviation. Precipitation falls on random wet days. Both noises are correlated: in most mountains wet days are
colder than dry ones, more of their precipitation is snow, and a series without that has too little of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import gamma, norm

from oggm_glaunti.coupling.weather.monthly_interpolation import Months, keep_means
from oggm_glaunti.coupling.weather.statistics import WET_DAY, WeatherStatistics

DAYS_DRAWN = 366  # of every year, so that a leap day changes no other day's draw


@dataclass(frozen=True, eq=False)
class MonthlyWeather:
    """Weather by month.

    Attributes
    ----------
    months : Months
        of whole calendar years
    temp : float array (M,)
        mean, degC
    prcp : float array (M,)
        sum, kg m-2
    temp_std : float array (M,)
        standard deviation of daily temperature within the month, its course within the month included, K
    """

    months: Months
    temp: NDArray[np.float64]
    prcp: NDArray[np.float64]
    temp_std: NDArray[np.float64]


def draw_daily_weather(
    weather: MonthlyWeather, statistics: WeatherStatistics, rgi_id: str, realisation: int = 1, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw one daily series of many that have the same months.

    Parameters
    ----------
    weather : MonthlyWeather
    statistics : WeatherStatistics
    rgi_id : str
        glacier; each has draws of its own
    realisation : int
        number of the realisation, from 1
    seed : int

    Returns
    -------
    temp : float32 array (T,)
        degC; the monthly means are those of `weather`, and so are the standard deviations unless the course through the
        means alone has more
    prcp : float32 array (T,)
        kg m-2 day-1; the monthly sums are those of `weather`

    Notes
    -----
    A day's draw depends on `seed`, `rgi_id`, `realisation` and the day alone: not on the order of calls, nor on the
    years that are made together, so projections that share their past share its weather.

    Examples
    --------
    >>> from oggm_glaunti.coupling.weather.statistics import ALPINE
    >>> months = Months.between("2001-01", "2001-12")
    >>> year = MonthlyWeather(months, np.linspace(-9, 2, 12), np.full(12, 100.0), np.full(12, 3.5))
    >>> temp, prcp = draw_daily_weather(year, ALPINE, "RGI60-11.00897")
    >>> bool(np.allclose(months.mean(temp), year.temp, atol=1e-5)), bool(np.allclose(months.sum(prcp), 100.0))
    (True, True)
    """
    months = weather.months
    white = _draws(months, rgi_id, realisation, seed)
    warm = _remember(white[0], statistics.temp_memory)[-months.time.size :]
    own = _remember(white[1], statistics.wet_memory)[-months.time.size :]
    correlation = statistics.correlation[months.calendar][months.index]
    wet = correlation * warm + np.sqrt(1.0 - correlation**2) * own
    temp, prcp = daily_temperature(weather, warm), daily_precipitation(weather, statistics, wet)
    return temp.astype(np.float32), prcp.astype(np.float32)


def _draws(months: Months, rgi_id: str, realisation: int, seed: int) -> NDArray[np.float64]:
    """Draw standard normal numbers (2, days) of whole years; one more year before them, in which the memory fills."""
    glacier = int.from_bytes(hashlib.sha256(rgi_id.encode()).digest()[:8], "little")
    first, end = (day.astype("M8[Y]") for day in (months.time[0], months.time[-1] + 1))
    years = np.arange(first - 1, end)
    lengths = (years + 1).astype("M8[D]") - years.astype("M8[D]")
    draws = [
        np.random.default_rng([seed, glacier, realisation, year + 1970]).standard_normal((2, DAYS_DRAWN))[:, :length]
        for year, length in zip(years.astype(int).tolist(), lengths.astype(int).tolist(), strict=True)
    ]
    return np.concatenate(draws, axis=1)


def _remember(white: NDArray[np.float64], memory: float) -> NDArray[np.float64]:
    """Return AR(1) noise of variance one."""
    return lfilter([np.sqrt(1.0 - memory**2)], [1.0, -memory], white)


def daily_temperature(weather: MonthlyWeather, noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the course through the monthly means plus noise, scaled by month to the standard deviation asked for.

    With the noise n less the course through its own monthly means, and the course c of the means asked for, the factor
    a solves var(c + a n) = temp_std^2; it is zero if c alone varies more than that.
    """
    months = weather.months
    course = keep_means(months, weather.temp)
    n = noise - keep_means(months, months.mean(noise))
    c = course - weather.temp[months.index]
    nn, cn, cc = months.mean(n * n), months.mean(c * n), months.mean(c * c)
    missing = weather.temp_std**2 - cc
    factor = np.where(missing > 0, (np.sqrt(cn**2 + nn * np.maximum(missing, 0.0)) - cn) / nn, 0.0)
    return course + factor[months.index] * n


def daily_precipitation(
    weather: MonthlyWeather, statistics: WeatherStatistics, noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distribute monthly sums to wet days: those on which the noise exceeds its quantile, the more the wetter.

    A month has at most one wet day for every kg m-2 of its sum, and at least as many as it takes to keep each of them
    within `statistics.most_on_a_day`; what exceeds it falls on the month's other wet days.
    """
    months = weather.months
    most = weather.prcp / WET_DAY / months.days
    fraction = np.clip(np.minimum(statistics.wet_fraction[months.calendar], most), 0.5 / months.days, None)
    rank = (norm.cdf(noise) - 1.0 + fraction[months.index]) / fraction[months.index]
    share = np.maximum(statistics.most_on_a_day(weather.prcp), 1.0 / months.days)
    # The days of each month on which the noise is largest.
    order = np.lexsort((-noise, months.index))
    place = np.arange(order.size) - np.repeat(np.cumsum(months.days) - months.days, months.days)
    wettest = order[place < np.ceil(1.0 / share - 1e-9)[months.index]]
    rank[wettest] = np.maximum(rank[wettest], 0.5)
    shape = statistics.shape[months.calendar][months.index]
    wet = rank > 0
    amounts = np.zeros(rank.size)
    amounts[wet] = gamma.ppf(np.minimum(rank[wet], 1.0 - 1e-9), shape[wet])
    return _share_out(months, weather.prcp, amounts, share)


def _share_out(
    months: Months, sums: NDArray[np.float64], amounts: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Scale daily amounts to the months' sums, of which no day gets more than a share."""
    most = (share * sums)[months.index]
    full = np.zeros(amounts.size, bool)
    while True:
        others = months.sum(np.where(full, 0.0, amounts))
        left = sums - months.sum(np.where(full, most, 0.0))
        factor = np.divide(left, others, out=np.zeros(left.size), where=others > 0)
        scaled = np.where(full, most, amounts * factor[months.index])
        exceeding = scaled > most * (1.0 + 1e-9)
        if not exceeding.any():
            return scaled
        full |= exceeding
