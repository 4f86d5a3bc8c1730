"""How well a model agrees with observations: the one place where scores are computed, in float64."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAN = float("nan")


class Scores(NamedTuple):
    """Agreement of a model with observations; NaN where a score has no meaning.

    ``rmse``, ``mae`` and ``bias`` have the unit of both series.
    """

    n: int
    """pairs that count"""
    r: float
    """Pearson's correlation; NaN with fewer than two pairs or where either series has no variance"""
    p: float
    """two-sided p value of `r`, of normally distributed pairs without correlation; NaN with fewer than three pairs"""
    rmse: float
    mae: float
    bias: float
    """mean of modelled minus observed"""
    skill: float
    """1 - SSE / SST, against the mean of the observations; NaN where they have no variance"""
    n_dropped: int = 0
    """pairs left out because one of the two is missing (NaN)"""

    def __str__(self) -> str:
        dropped = f", {self.n_dropped} left out" if self.n_dropped else ""
        return f"r {self.r:.2f}, RMSE {self.rmse:.2f}, bias {self.bias:+.2f}, n = {self.n}{dropped}"


def scores(modelled: ArrayLike, observed: ArrayLike) -> Scores:
    """Correlation, errors and skill.

    Parameters
    ----------
    modelled, observed : arrays (N,)
        in the same unit; NaN is a missing value, and the pair is left out and counted

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        if the two do not fit together or a value is infinite

    Examples
    --------
    >>> print(scores([-1.0, 0.0, 1.5], [-1.0, -0.5, 1.0]))
    r 0.99, RMSE 0.41, bias +0.33, n = 3
    """
    modelled, observed = np.asarray(modelled, np.float64), np.asarray(observed, np.float64)
    if modelled.shape != observed.shape or modelled.ndim != 1:
        raise ValueError(
            f"expected two series of one length; found {modelled.shape} modelled and {observed.shape} observed"
        )
    for name, values in (("modelled", modelled), ("observed", observed)):
        if np.isinf(values).any():
            raise ValueError(f"{name}: {int(np.isinf(values).sum())} of {values.size} values are infinite")
    there = ~(np.isnan(modelled) | np.isnan(observed))
    return _scores(modelled[there], observed[there])._replace(n_dropped=int((~there).sum()))


def _scores(modelled: NDArray[np.float64], observed: NDArray[np.float64]) -> Scores:
    n = observed.size
    if n == 0:
        return Scores(0, NAN, NAN, NAN, NAN, NAN, NAN)
    misfit = modelled - observed
    r = _correlation(modelled, observed)
    # Equal values have a mean that may differ from them in the last digit: their spread is asked for, not the sum.
    spread = float(np.sum((observed - observed.mean()) ** 2)) if np.ptp(observed) > 0 else 0.0
    skill = 1.0 - float(np.sum(misfit**2)) / spread if spread > 0 else NAN
    rmse, mae = float(np.sqrt(np.mean(misfit**2))), float(np.mean(np.abs(misfit)))
    return Scores(n, r, _p_value(r, n), rmse, mae, float(misfit.mean()), skill)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return NAN
    return float(np.clip(np.corrcoef(a, b)[0, 1], -1.0, 1.0))


def _p_value(r: float, n: int) -> float:
    """Probability of a correlation at least as strong where there is none; Student (1908)."""
    from scipy.special import betainc

    if n < 3 or np.isnan(r):
        return NAN
    return float(2.0 * betainc(n / 2 - 1, n / 2 - 1, (1.0 - abs(r)) / 2))
