"""What the difference of heights is on the whole: a regression over the pixels where it is known.

Each takes the same arguments and answers with a value for every pixel and a standard deviation of that value for those
that are wanted. Inside a void nothing else is known, so these are what an imputation decays into.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.dem.coregister import nmad
from oggm_glaunti.companions.dem.predictors import NAMES

BAND = 50.0  # m, of the bands of the hypsometric method
MOST = 20_000  # pixels that random features learn from (Maslov et al. 2026, appendix B)
AT_A_TIME = 50_000  # pixels whose features are in memory
FAR = 5.0  # normalised median absolute deviations from the median, at which outliers are cut
FEWEST = 10  # pixels, below which a band has no median of its own


class Regression(NamedTuple):
    """A field (H, W), and the standard deviation of its mean for the pixels wanted (M,)."""

    value: NDArray[np.float64]
    std: NDArray[np.float64]


def constant(
    values: NDArray[np.float64],
    variance: NDArray[np.float64],
    known: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    **_: object,
) -> Regression:
    """The median of what is known, everywhere."""
    del variance
    middle = np.median(values[known])
    return Regression(np.full(values.shape, middle), np.zeros(wanted.sum()))


def hypsometric(
    values: NDArray[np.float64],
    variance: NDArray[np.float64],
    known: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    elevation: NDArray[np.float64],
    **_: object,
) -> Regression:
    """The median in bands of elevation of 50 m, linear between them (after McNabb et al. 2019)."""
    band = np.floor(elevation / BAND)
    used = [b for b in np.unique(band[known]) if (known & (band == b)).sum() >= FEWEST]
    if not used:
        return constant(values, variance, known, wanted)
    within = [known & (band == b) for b in used]
    heights, medians = ([np.median(field[w]) for w in within] for field in (elevation, values))
    return Regression(np.interp(elevation, heights, medians), np.zeros(wanted.sum()))


def random_features(
    values: NDArray[np.float64],
    variance: NDArray[np.float64],
    known: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    *,
    predictors: NDArray[np.float64],
    gamma: float,
    n_features: int,
    seed: int,
    **_: object,
) -> Regression:
    """Bayesian ridge regression on random Fourier features of the predictors, as published.

    Parameters
    ----------
    values, variance : arrays (H, W)
        what is predicted, and the variance of its errors
    known, wanted : bool arrays (H, W)
        where it is known, and where it is sought
    predictors : array (H, W, P)
        scaled to 0..1
    gamma : float
        of the kernel ``exp(-gamma d2)`` that the features stand for
    n_features : int
    seed : int
        of the features

    Notes
    -----
    Maslov et al. 2026, appendix B; Rahimi and Recht 2007 for the features, scikit-learn's BayesianRidge (in float64, by
    singular values) for the regression. A hand-written solver on the normal equations diverges on such features, which
    are nearly collinear.
    """
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import BayesianRidge
    from threadpoolctl import threadpool_limits

    flat = predictors.reshape(-1, len(NAMES))
    # No pixel is taken for farther out, higher or steeper than those that are known: polynomials run away.
    inside = flat[known.reshape(-1)]
    flat = np.clip(flat, inside.min(axis=0), inside.max(axis=0))
    sampler = RBFSampler(gamma=gamma, n_components=n_features, random_state=seed).fit(flat[:1])
    learned = np.flatnonzero(known)
    if learned.size > MOST:
        learned = np.sort(np.random.default_rng(seed).choice(learned, MOST, replace=False))
    weight = 1.0 / variance.reshape(-1)[learned]
    ridge = BayesianRidge()
    # Threads of the linear algebra wait for each other: on busy cores they make this up to twenty times slower.
    with threadpool_limits(1, user_api="blas"):
        ridge.fit(sampler.transform(flat[learned]), values.reshape(-1)[learned], sample_weight=weight / weight.mean())
    mean = [ridge.predict(sampler.transform(part)) for part in _portions(flat)]
    std = [ridge.predict(sampler.transform(part), return_std=True)[1] for part in _portions(flat[wanted.reshape(-1)])]
    # Without the scatter about the regression: that is the residual's, which is told apart.
    of_mean = np.sqrt(np.maximum(np.concatenate(std) ** 2 - 1.0 / ridge.alpha_, 0.0))
    return Regression(np.concatenate(mean).reshape(values.shape), of_mean)


def _portions(rows: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Some rows at a time: their features take forty times as much memory."""
    return np.array_split(rows, max(1, -(-len(rows) // AT_A_TIME)))


def robust_features(
    values: NDArray[np.float64],
    variance: NDArray[np.float64],
    known: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    **about: Any,
) -> Regression:
    """:func:`random_features` of values cut at 5 NMAD from their median.

    A few cliffs and blunders, hundreds of metres off, else rule the squares and bend the regression everywhere. Where
    they are real, what the cut leaves of them is in the residuals.
    """
    middle, scatter = np.median(values[known]), nmad(values[known])
    cut = np.clip(values, middle - FAR * scatter, middle + FAR * scatter) if scatter > 0 else values
    return random_features(cut, variance, known, wanted, **about)
