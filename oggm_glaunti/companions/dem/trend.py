"""A stack of yearly surfaces as two rasters: its height in the middle of the years and its trend.

A void of the stack is void in every year, so time cannot fill it; it has to be filled with a height and a trend. On the
three glaciers of the published example a straight line in time leaves residuals of 0.7 to 0.8 m.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.dem.arrays import Floats

# Percentiles to which the variances of a year are clipped, so that no pixel dominates or vanishes (Maslov et al. 2026,
# appendix B).
CLIPPED = (5.0, 95.0)


class Trend(NamedTuple):
    """Straight lines in time, one per pixel.

    Attributes
    ----------
    middle : float
        Middle of the years
    level : array (H, W)
        Height in the middle of the years, m; NaN where no year has a value
    slope : array (H, W)
        Trend, m yr-1; 0 where at most one year has a value
    mean_time : array (H, W)
        Mean year of the heights minus the middle
    variance, slope_variance : arrays (H, W)
        Variance of the height at the mean time (m2) and of the slope, from the errors of the years: as if all heights
        of a pixel came from the same scenes, so that many are no better than one
    n_years : int array (H, W)
        Number of years with a height and a standard deviation
    """

    middle: float
    level: Floats
    slope: Floats
    mean_time: Floats
    variance: Floats
    slope_variance: Floats
    n_years: NDArray[np.intp]

    def at(self, years: NDArray[np.int64]) -> Floats:
        """Return the heights of the lines in some years (K, H, W), m."""
        return self.level + (years - self.middle)[:, None, None] * self.slope

    def std(self, years: NDArray[np.int64]) -> Floats:
        """Return the standard deviations of the lines in some years (K, H, W), m."""
        late = (years - self.middle)[:, None, None] - self.mean_time
        return np.sqrt(self.variance + late**2 * self.slope_variance)


def linear_in_time(z: Floats, z_std: Floats, years: NDArray[np.int64]) -> Trend:
    """Fit a line to every pixel by least squares, weighting years by their inverse variance.

    Parameters
    ----------
    z, z_std : arrays (K, H, W)
        Heights and their standard deviations, m; NaN if missing
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


def clipped_variance(z_std: Floats) -> Floats:
    """Square standard deviations (K, H, W) and clip those of each year to its 5th to 95th percentile."""
    flat = z_std.reshape(len(z_std), -1)
    least, most = np.nanpercentile(flat**2, CLIPPED, axis=1)
    return np.clip(z_std**2, least[:, None, None], most[:, None, None])
