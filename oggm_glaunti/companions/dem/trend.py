"""A stack of yearly surfaces as two rasters: its height in the middle of the years and its trend.

A void of the stack is void in every year, so time cannot fill it; what has to be carried into it is a height and a
trend. On the three glaciers of the published example a straight line in time leaves 0.7 to 0.8 m in a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Percentiles of a year's variances between which they are cut, so that a few pixels neither rule nor vanish
# (Maslov et al. 2026, appendix B).
LEAST, MOST = 5.0, 95.0


class Trend(NamedTuple):
    """Straight lines in time, one a pixel.

    Attributes
    ----------
    middle : float
        the year around which they turn
    level : array (H, W)
        height in that year, m; NaN where no year has a value
    slope : array (H, W)
        m yr-1; 0 where a single year has a value or none
    mean_time : array (H, W)
        mean year of the heights, less the middle
    variance, slope_variance : arrays (H, W)
        of the height at the mean time (m2) and of the slope, by the errors of the years: as if all heights of a pixel
        came from the same scenes, so that many are no better than one
    count : int array (H, W)
        years with a height and a standard deviation
    """

    middle: float
    level: NDArray[np.float64]
    slope: NDArray[np.float64]
    mean_time: NDArray[np.float64]
    variance: NDArray[np.float64]
    slope_variance: NDArray[np.float64]
    count: NDArray[np.intp]

    def at(self, years: NDArray[np.int64]) -> NDArray[np.float64]:
        """Heights of the lines in some years (K, H, W), m."""
        return self.level + (years - self.middle)[:, None, None] * self.slope

    def std(self, years: NDArray[np.int64]) -> NDArray[np.float64]:
        """Standard deviations of the lines in some years (K, H, W), m."""
        late = (years - self.middle)[:, None, None] - self.mean_time
        return np.sqrt(self.variance + late**2 * self.slope_variance)


def linear_in_time(z: NDArray[np.float64], z_std: NDArray[np.float64], years: NDArray[np.int64]) -> Trend:
    """Least squares in every pixel, a year's weight one over its variance.

    Parameters
    ----------
    z, z_std : arrays (K, H, W)
        height and its standard deviation, m; NaN where there is none
    years : int array (K,)

    Returns
    -------
    Trend

    Examples
    --------
    >>> z = np.array([10.0, 12.0, np.nan, 16.0]).reshape(4, 1, 1)
    >>> line = linear_in_time(z, np.ones_like(z), np.arange(2000, 2004))
    >>> line.middle, line.level.item(), round(line.slope.item(), 9)
    (2001.5, 13.0, 2.0)
    """
    middle = float(years.mean())
    time = (years - middle)[:, None, None]
    known = np.isfinite(z) & np.isfinite(z_std)
    variance = clipped_variance(z_std)
    weight = np.where(known, 1.0 / variance, 0.0)
    total = weight.sum(axis=0)
    some = np.where(total > 0, total, np.nan)
    height = np.where(known, z, 0.0)
    mean_time, mean_z = (weight * time).sum(axis=0) / some, (weight * height).sum(axis=0) / some
    late = time - mean_time
    spread = (weight * late**2).sum(axis=0)
    moving = (weight * late * height).sum(axis=0)
    count = known.sum(axis=0)
    lever = np.where(spread > 0, spread, np.inf)
    slope = moving / lever
    return Trend(middle, mean_z - slope * mean_time, slope, mean_time, count / some, count / lever, count)


def clipped_variance(z_std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squares of standard deviations (K, H, W), those of each year cut to its 5th to 95th percentile."""
    flat = z_std.reshape(len(z_std), -1)
    least, most = np.nanpercentile(flat**2, [LEAST, MOST], axis=1)
    return np.clip(z_std**2, least[:, None, None], most[:, None, None])
