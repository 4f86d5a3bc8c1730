"""Days and the months they belong to; a daily course whose monthly means are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded


@dataclass(frozen=True, eq=False)
class Months:
    """Consecutive whole months and their days.

    Attributes
    ----------
    time : (T,) datetime64[D]
        the days
    index : int array (T,)
        month of each day, from 0
    days : int array (M,)
        days of each month
    calendar : int array (M,)
        calendar month, January is 0

    Examples
    --------
    >>> months = Months.between("2004-01", "2004-12")
    >>> months.time.size, int(months.days[1]), months.mean(np.ones(366)).shape
    (366, 29, (12,))
    """

    time: NDArray[np.datetime64]
    index: NDArray[np.int64]
    days: NDArray[np.int64]
    calendar: NDArray[np.int64]

    @classmethod
    def between(cls, first: str | np.datetime64, last: str | np.datetime64) -> Months:
        """Return the months from `first` to `last`, both included."""
        begin, end = np.datetime64(str(first), "M"), np.datetime64(str(last), "M") + 1
        return cls.of_days(np.arange(begin, end, dtype="M8[D]"))

    @classmethod
    def of_days(cls, time: NDArray[np.datetime64]) -> Months:
        """Return the months of consecutive days, the first and the last of which must be whole."""
        month = time.astype("M8[M]")
        index = (month - month[0]).astype(np.int64)
        first = np.arange(month[0], month[-1] + 1)
        return cls(time, index, np.bincount(index), first.astype(np.int64) % 12)

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over the months of daily values."""
        return np.asarray(np.bincount(self.index, values), np.float64)

    def mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the means over the months of daily values."""
        return self.sum(values) / self.days


def keep_means(months: Months, means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return daily values, linear between the middles of the months, with exactly these monthly means.

    Parameters
    ----------
    months : Months
    means : float array (M,)

    Returns
    -------
    float array (T,)
        constant before the middle of the first month and after that of the last

    Notes
    -----
    The values in the middle of the months follow from the means by a tridiagonal system; its diagonal is about 3/4,
    what stands next to it 1/8, so it is always well solvable.

    Examples
    --------
    >>> months = Months.between("2001-01", "2002-12")
    >>> means = 10 * np.sin(np.arange(24.0))
    >>> bool(np.allclose(months.mean(keep_means(months, means)), means))
    True
    """
    last = months.days.size - 1
    if last == 0:
        return np.full(months.time.size, float(means[0]))
    ends = np.cumsum(months.days)
    middle = ends - 0.5 * (months.days + 1)
    day = np.arange(months.time.size)
    left = np.clip(np.searchsorted(middle, day, side="right") - 1, 0, last - 1)
    to_right = np.clip((day - middle[left]) / (middle[left + 1] - middle[left]), 0, 1)
    knots = solve_banded((1, 1), _bands(months, left, to_right), means)
    return knots[left] * (1 - to_right) + knots[left + 1] * to_right


def _bands(months: Months, left: NDArray[np.int64], to_right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weight of the knots in the monthly means, as scipy stores a tridiagonal matrix (3, M)."""
    bands = np.zeros((3, months.days.size))
    share = 1.0 / months.days[months.index]
    for knot, weight in ((left, 1 - to_right), (left + 1, to_right)):
        np.add.at(bands, (1 + months.index - knot, knot), weight * share)
    return bands
