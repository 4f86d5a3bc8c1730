"""Draws of errors of the weather, one per block of days, and of parameters.

They are made by NumPy from a seed: the same seed gives the same numbers in any process, with JAX or without.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Standard deviations of a week's weather against stations (Maslov et al. 2026): K, and of the logarithm of
# precipitation.
SIGMA_TEMP = 1.5889038
SIGMA_LOG_PRCP = 0.96401421
# Ends of the seeds of the two kinds of draws, so that neither repeats the other's random numbers. Not 0, which NumPy
# takes for nothing: the seeds 3 and [3, 0] are the same.
WEATHER, PARAMETERS = 1, 2
# By which errors are scaled to see where the first order ends.
SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)
# Errors whose correlation length is shorter than this many days are independent.
SHORTEST = 1e-3


class BlockErrors(NamedTuple):
    """Errors of the weather of each block, with a leading axis where there are several members.

    Attributes
    ----------
    temp : array (..., B)
        added to temperature, K
    log_prcp : array (..., B)
        added to the logarithm of precipitation
    """

    temp: NDArray[np.float32]
    log_prcp: NDArray[np.float32]


def draw_errors(
    seed: int | Sequence[int],
    members: int,
    middles: NDArray[np.float64],
    sigma_temp: float = SIGMA_TEMP,
    sigma_log_prcp: float = SIGMA_LOG_PRCP,
    correlation_days: float = 0.0,
    mean_preserving: bool = False,
) -> BlockErrors:
    """Draw normal errors of temperature and of the logarithm of precipitation, independent of each other.

    Parameters
    ----------
    seed : int or sequence of them
    members : int
        M
    middles : array (B,)
        middle of each block, days
    sigma_temp, sigma_log_prcp : float
        standard deviations of a block, K and 1
    correlation_days : float
        days over which the correlation of two blocks falls to 1/e; 0: independent, inf: one error for the whole record
    mean_preserving : bool
        Normal errors of the logarithm multiply precipitation by more than 1 on average: by exp(sigma**2 / 2), which is
        1.59 for a sigma of 0.964. True takes sigma**2 / 2 off, so that precipitation is right on average and its median
        is too low; False leaves the median right.

    Returns
    -------
    BlockErrors
        float32 arrays (M, B)

    Raises
    ------
    ValueError
        for negative standard deviations, correlation lengths, or no members

    Examples
    --------
    >>> errors = draw_errors(0, 5000, np.array([3.0, 10.0]), sigma_temp=2.0, correlation_days=7.0)
    >>> errors.temp.shape, bool(abs(errors.temp.std() - 2.0) < 0.1)
    ((5000, 2), True)
    >>> bool(abs(np.corrcoef(errors.temp.T)[0, 1] - np.exp(-1)) < 0.05)
    True
    """
    given = {"sigma_temp": sigma_temp, "sigma_log_prcp": sigma_log_prcp, "correlation_days": correlation_days}
    wrong = {name: value for name, value in given.items() if not value >= 0.0}
    if wrong or members < 1 or not np.isfinite([sigma_temp, sigma_log_prcp]).all():
        raise ValueError(f"expected a member or more and numbers of 0 or more, found members={members} and {given}")
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((2, members, len(middles)))
    temp, log_prcp = correlated(z, middles, correlation_days)
    shift = 0.5 * sigma_log_prcp**2 if mean_preserving else 0.0
    return BlockErrors((sigma_temp * temp).astype(np.float32), (sigma_log_prcp * log_prcp - shift).astype(np.float32))


def correlated(z: NDArray[np.float64], middles: NDArray[np.float64], correlation_days: float) -> NDArray[np.float64]:
    """Standard normal numbers (..., B) whose correlation falls exponentially with time, from independent ones."""
    gap = np.diff(middles) / max(float(correlation_days), SHORTEST)
    kept, fresh = np.exp(-gap), np.sqrt(-np.expm1(-2.0 * gap))
    out = z.copy()
    for b in range(1, z.shape[-1]):
        out[..., b] = kept[b - 1] * out[..., b - 1] + fresh[b - 1] * z[..., b]
    return out


def draw_parameters(seed: int | Sequence[int], members: int, covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Draw deviations of parameters from their most probable values (M, P), normal with a covariance (P, P).

    Raises
    ------
    ValueError
        for a covariance that is not symmetric or has a negative variance in some direction
    """
    covariance = np.atleast_2d(np.asarray(covariance, np.float64))
    value, vector = np.linalg.eigh(covariance)
    if not np.allclose(covariance, covariance.T) or value.min(initial=0.0) < -1e-9 * value.max(initial=0.0):
        raise ValueError(f"expected a symmetric covariance without negative variances, found {covariance.tolist()}")
    z = np.random.default_rng(seed).standard_normal((members, value.size))
    return (z @ (vector * np.sqrt(np.maximum(value, 0.0))).T).astype(np.float32)
