"""Errors of the weather, one per block of days, of parameters and of the model: statistics and random draws of them.

NumPy draws them from a seed: the same seed gives the same numbers in any process, with or without JAX.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.fit.calibration.intervals import MonthErrors

# Standard deviations of a week's weather against stations (Maslov et al. 2026): K, and of the logarithm of
# precipitation.
SIGMA_TEMP = 1.5889038
SIGMA_LOG_PRCP = 0.96401421
# Last number of the seeds of the kinds of draws, so that none repeats another's random numbers. Not 0: NumPy takes the
# seeds 3 and [3, 0] as the same.
WEATHER_SEED, PARAMETER_SEED, MODEL_SEED = 1, 2, 3
# Factors on the errors, to find where the first order ends.
SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)
# Errors with a correlation length below this many days are independent.
SHORTEST_CORRELATION = 1e-3


class WeatherErrors(NamedTuple):
    """Statistics of the errors of the weather: one error per block of days, normally distributed.

    Attributes
    ----------
    sigma_temp, sigma_log_prcp : float
        standard deviations of the errors of a block: of temperature, K, and of the logarithm of precipitation; 0 for
        weather without errors. Default: those of a week against stations
    correlation_days : float
        days over which the correlation of the errors of two blocks falls to 1/e: 0 for independent blocks, inf for one
        error of the whole record
    block_days : int
        length of a block, days
    mean_preserving : bool
        for drawn errors: normal errors of the logarithm multiply precipitation by more than 1 on average, by
        exp(sigma**2 / 2), which is 1.59 for a sigma of 0.964. True subtracts sigma**2 / 2, so that precipitation is
        right on average and its median is too low; False leaves the median right
    """

    sigma_temp: float = SIGMA_TEMP
    sigma_log_prcp: float = SIGMA_LOG_PRCP
    correlation_days: float = 0.0
    block_days: int = 7
    mean_preserving: bool = False

    def check(self) -> None:
        """Raise a ValueError if a number is negative, missing or, other than the correlation length, infinite."""
        numbers = dict(zip(self._fields[:3], self, strict=False))
        wrong = {n: x for n, x in numbers.items() if not (x >= 0.0 and (n == "correlation_days" or x < np.inf))}
        if wrong:
            raise ValueError(f"expected 0 or more, found {wrong}")
        if self.block_days < 1:
            raise ValueError(f"block_days: expected 1 or more, found {self.block_days}")


WEEKLY_ERRORS = WeatherErrors()
NO_WEATHER_ERRORS = WeatherErrors(sigma_temp=0.0, sigma_log_prcp=0.0)


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
    seed: int | Sequence[int], members: int, middles: ArrayLike, errors: WeatherErrors = WEEKLY_ERRORS
) -> BlockErrors:
    """Draw normal errors of temperature and of the logarithm of precipitation, independent of each other.

    Parameters
    ----------
    seed : int or sequence of them
    members : int
        number of members M
    middles : array (B,)
        middle of each block, days
    errors : WeatherErrors

    Returns
    -------
    BlockErrors
        float32 arrays (M, B)

    Raises
    ------
    ValueError
        if `errors` are invalid, or there is no member

    Examples
    --------
    >>> weather = WeatherErrors(sigma_temp=2.0, correlation_days=7.0)
    >>> errors = draw_errors(0, 5000, np.array([3.0, 10.0]), weather)
    >>> errors.temp.shape, bool(abs(errors.temp.std() - 2.0) < 0.1)
    ((5000, 2), True)
    >>> bool(abs(np.corrcoef(errors.temp.T)[0, 1] - np.exp(-1)) < 0.05)
    True
    """
    errors.check()
    if members < 1:
        raise ValueError(f"members: expected 1 or more, found {members}")
    z = np.random.default_rng(seed).standard_normal((2, members, np.size(middles)))
    temp, log_prcp = correlated(z, middles, errors.correlation_days)
    shift = 0.5 * errors.sigma_log_prcp**2 if errors.mean_preserving else 0.0
    temp, log_prcp = errors.sigma_temp * temp, errors.sigma_log_prcp * log_prcp - shift
    return BlockErrors(temp.astype(np.float32), log_prcp.astype(np.float32))


def correlated(z: NDArray[np.float64], middles: ArrayLike, correlation_days: float) -> NDArray[np.float64]:
    """Turn independent standard normal numbers (..., B) into ones whose correlation decays exponentially with time."""
    gap = np.diff(np.asarray(middles)) / max(float(correlation_days), SHORTEST_CORRELATION)
    kept, fresh = np.exp(-gap), np.sqrt(-np.expm1(-2.0 * gap))
    out = z.copy()
    for b in range(1, z.shape[-1]):
        out[..., b] = kept[b - 1] * out[..., b - 1] + fresh[b - 1] * z[..., b]
    return out


def draw_parameters(seed: int | Sequence[int], members: int, covariance: NDArray[np.float64]) -> NDArray[np.float32]:
    """Draw deviations (M, P) of parameters from their most probable values, normal with a covariance (P, P).

    Raises
    ------
    ValueError
        if the covariance is not symmetric or has a negative eigenvalue
    """
    covariance = np.atleast_2d(np.asarray(covariance, np.float64))
    value, vector = np.linalg.eigh(covariance)
    if not np.allclose(covariance, covariance.T) or value.min(initial=0.0) < -1e-9 * value.max(initial=0.0):
        raise ValueError(f"expected a symmetric covariance without negative variances, found {covariance.tolist()}")
    z = np.random.default_rng(seed).standard_normal((members, value.size))
    return (z @ (vector * np.sqrt(np.maximum(value, 0.0))).T).astype(np.float32)


def draw_model_errors(seed: int | Sequence[int], members: int, errors: MonthErrors) -> NDArray[np.float64]:
    """Draw errors of the model (members, M): of the glacier's balance in each of M months, m w.e."""
    return np.random.default_rng(seed).standard_normal((members, errors.sd.size)) * errors.sd
