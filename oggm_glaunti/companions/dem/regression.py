"""Large-scale height differences: regressions over the pixels in which they are known.

All regressions take the same arguments and return a value for every pixel and its standard deviation for those that are
wanted. In the interior of large voids nothing else is known, so this is what an imputation tends to there.
"""

from typing import Any, NamedTuple

import numpy as np

from oggm_glaunti.companions.dem.arrays import Floats, Mask
from oggm_glaunti.companions.dem.coregister import nmad
from oggm_glaunti.companions.dem.predictors import PREDICTORS

HYPSOMETRIC_BAND = 50.0  # m, height of the bands of the hypsometric method
LEAST_OF_BAND = 10  # pixels, below which a band has no median of its own
MOST_LEARNED = 20_000  # pixels that random features learn from (Maslov et al. 2026, appendix B)
PREDICTED_AT_ONCE = 50_000  # pixels whose features are in memory
OUTLIERS_FROM = 5.0  # normalised median absolute deviations from the median at which outliers are clipped


class Sample(NamedTuple):
    """Values to learn from.

    Attributes
    ----------
    values, variance : arrays (H, W)
        Values, and the variance of their errors
    known, wanted : bool arrays (H, W)
        True where the values are known, and where they are wanted
    """

    values: Floats
    variance: Floats
    known: Mask
    wanted: Mask


class Regression(NamedTuple):
    """A field (H, W), and the standard deviation of its mean for the wanted pixels (M,)."""

    value: Floats
    std: Floats


def constant(sample: Sample, **_: object) -> Regression:
    """Return the median of the known values, everywhere."""
    middle = np.median(sample.values[sample.known])
    return Regression(np.full(sample.values.shape, middle), np.zeros(sample.wanted.sum()))


def hypsometric(sample: Sample, *, elevation: Floats, **_: object) -> Regression:
    """Return medians in elevation bands of 50 m, linear between them (after McNabb et al. 2019)."""
    band = np.floor(elevation / HYPSOMETRIC_BAND)
    of_bands = [sample.known & (band == b) for b in np.unique(band[sample.known])]
    used = [within for within in of_bands if within.sum() >= LEAST_OF_BAND]
    if not used:
        return constant(sample)
    heights, medians = ([np.median(field[within]) for within in used] for field in (elevation, sample.values))
    return Regression(np.interp(elevation, heights, medians), np.zeros(sample.wanted.sum()))


def random_features(
    sample: Sample, *, predictors: Floats, gamma: float, n_features: int, seed: int, **_: object
) -> Regression:
    """Fit a Bayesian ridge regression on random Fourier features of the predictors, as published.

    Parameters
    ----------
    sample : Sample
    predictors : array (H, W, P)
        Predictors, scaled to 0..1
    gamma : float
        Parameter of the kernel ``exp(-gamma d2)`` that the features approximate
    n_features : int
        Number of features
    seed : int
        Seed of the features

    Notes
    -----
    Maslov et al. 2026, appendix B; Rahimi and Recht 2007 for the features, scikit-learn's BayesianRidge (in float64, by
    singular values) for the regression. Solving the normal equations diverges on such features, which are nearly
    collinear.
    """
    from sklearn.kernel_approximation import RBFSampler
    from sklearn.linear_model import BayesianRidge
    from threadpoolctl import threadpool_limits

    flat = predictors.reshape(-1, len(PREDICTORS))
    # No pixel counts as farther out, higher or steeper than the known ones: extrapolations run away.
    inside = flat[sample.known.reshape(-1)]
    flat = np.clip(flat, inside.min(axis=0), inside.max(axis=0))
    sampler = RBFSampler(gamma=gamma, n_components=n_features, random_state=seed).fit(flat[:1])
    learned = np.flatnonzero(sample.known)
    if learned.size > MOST_LEARNED:
        learned = np.sort(np.random.default_rng(seed).choice(learned, MOST_LEARNED, replace=False))
    weight = 1.0 / sample.variance.reshape(-1)[learned]
    values = sample.values.reshape(-1)[learned]
    ridge = BayesianRidge()
    # Threads of the linear algebra wait for each other: on busy cores they slow this down by up to twenty times.
    with threadpool_limits(1, user_api="blas"):
        ridge.fit(sampler.transform(flat[learned]), values, sample_weight=weight / weight.mean())
    mean = [ridge.predict(sampler.transform(part)) for part in _portions(flat)]
    wanted = flat[sample.wanted.reshape(-1)]
    std = [ridge.predict(sampler.transform(part), return_std=True)[1] for part in _portions(wanted)]
    # Without the scatter about the regression, which is accounted for by the residuals.
    of_mean = np.sqrt(np.maximum(np.concatenate(std) ** 2 - 1.0 / ridge.alpha_, 0.0))
    return Regression(np.concatenate(mean).reshape(sample.values.shape), of_mean)


def _portions(rows: Floats) -> list[Floats]:
    """Split rows into portions, since their features take forty times as much memory."""
    return np.array_split(rows, max(1, -(-len(rows) // PREDICTED_AT_ONCE)))


def robust_features(sample: Sample, **about: Any) -> Regression:
    """Fit :func:`random_features` to values clipped at 5 NMAD from their median.

    Otherwise a few cliffs and blunders, hundreds of metres off, dominate the squares and bend the regression
    everywhere. If they are real, the clipped part is in the residuals.
    """
    known = sample.values[sample.known]
    middle, limit = np.median(known), OUTLIERS_FROM * nmad(known)
    if limit > 0:
        sample = sample._replace(values=np.clip(sample.values, middle - limit, middle + limit))
    return random_features(sample, **about)
