"""Scores: agreement of a model with observations, in float64; no other module computes them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NAN = float("nan")


class Scores(NamedTuple):
    """Agreement of a model with observations; NaN if a score is undefined.

    ``rmse``, ``mae`` and ``bias`` have the unit of both series.
    """

    n: int
    """number of pairs"""
    r: float
    """Pearson's correlation; NaN with fewer than two pairs or if either series has no variance"""
    p: float
    """two-sided p value of `r`, of normally distributed pairs without correlation; NaN with fewer than three pairs"""
    rmse: float
    mae: float
    bias: float
    """mean of modelled - observed"""
    skill: float
    """1 - SSE / SST, skill against the mean of the observations; NaN if they have no variance"""
    n_dropped: int = 0
    """number of pairs left out because a value is missing (NaN)"""

    def __str__(self) -> str:
        dropped = f", {self.n_dropped} left out" if self.n_dropped else ""
        return f"r {self.r:.2f}, RMSE {self.rmse:.2f}, bias {self.bias:+.2f}, n = {self.n}{dropped}"


def scores(modelled: ArrayLike, observed: ArrayLike) -> Scores:
    """Compute correlation, errors and skill.

    Parameters
    ----------
    modelled, observed : arrays (N,)
        in the same unit; pairs with NaN (a missing value) are left out and counted

    Raises
    ------
    ValueError
        if the series differ in length or a value is infinite

    Examples
    --------
    >>> print(scores([-1.0, 0.0, 1.5], [-1.0, -0.5, 1.0]))
    r 0.99, RMSE 0.41, bias +0.33, n = 3
    """
    model, truth = np.asarray(modelled, np.float64), np.asarray(observed, np.float64)
    if model.shape != truth.shape or model.ndim != 1:
        raise ValueError(f"expected two series of one length; found {model.shape} modelled and {truth.shape} observed")
    for name, values in (("modelled", model), ("observed", truth)):
        if np.isinf(values).any():
            raise ValueError(f"{name}: {int(np.isinf(values).sum())} of {values.size} values are infinite")
    there = ~(np.isnan(model) | np.isnan(truth))
    model, truth, n, n_dropped = model[there], truth[there], int(there.sum()), int((~there).sum())
    if n == 0:
        return Scores(0, NAN, NAN, NAN, NAN, NAN, NAN, n_dropped)
    misfit = model - truth
    r = np.clip(np.corrcoef(model, truth)[0, 1], -1.0, 1.0) if n > 1 and np.ptp(model) > 0 < np.ptp(truth) else NAN
    # The mean of equal values may differ from them in the last digit: the range tells whether there is variance.
    spread = float(np.sum((truth - truth.mean()) ** 2)) if np.ptp(truth) > 0 else 0.0
    skill = 1.0 - float(np.sum(misfit**2)) / spread if spread > 0 else NAN
    rmse, mae = float(np.sqrt(np.mean(misfit**2))), float(np.mean(np.abs(misfit)))
    return Scores(n, float(r), _p_value(float(r), n), rmse, mae, float(misfit.mean()), skill, n_dropped)


def _p_value(r: float, n: int) -> float:
    """Compute the probability of a correlation at least as strong by chance; Student (1908)."""
    from scipy.special import betainc

    if n < 3 or np.isnan(r):
        return NAN
    return float(2.0 * betainc(n / 2 - 1, n / 2 - 1, (1.0 - abs(r)) / 2))
