"""Baselines, none of them trained by gradients through a network; every number is learned on learning scenes only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.scores import WET, f1_of
from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Floats, Index, SceneStack
from oggm_glaunti.companions.meltwater.windows import (
    Decay,
    climatology,
    decaying_window,
    running_window,
    window_sums,
)

Predict = Callable[[Index], Floats]
"""Melt maps (N, H, W) of some days of a stack."""

TAUS, WEIGHTS = (1.0, 2.0, 3.0, 5.0), (0.02, 0.07, 0.18, 0.4, 0.8)
_QUANTILES = 200
_MOST_CELLS, _MOST_SCENES = 200_000, 300


def chosen_decay(
    stack: SceneStack, split: Split, taus: Sequence[float] = TAUS, weights: Sequence[float] = WEIGHTS
) -> Decay:
    """Choose the decay with the least Brier score on learning scenes, none of which is in its own window.

    So the validation scenes stay fair judges between this and other rules.

    Parameters
    ----------
    stack, split
        as in :func:`~oggm_glaunti.companions.meltwater.windows.climatology`
    taus, weights : sequences of float
        candidates
    """
    days = split.learn[:: -(-split.learn.size // _MOST_SCENES)]
    target = stack.target[days]
    seen, prior = np.isfinite(target) & stack.valid, climatology(stack, split, days)
    errors: dict[Decay, float] = {}
    for tau in taus:
        # Sums over scenes do not depend on the weight of climatology.
        melt, total = window_sums(stack, split, days, tau)
        for weight in weights:
            predicted = (melt + weight * prior) / (total + weight)
            errors[Decay(tau, weight)] = float(np.mean((predicted[seen] - target[seen]) ** 2))
    return min(errors, key=lambda decay: errors[decay])


class Threshold(NamedTuple):
    """Melt where a predictor exceeds a threshold.

    Attributes
    ----------
    threshold : float
        with the best F1 on the learning scenes
    below, above : float
        mean melt fraction of the learning scenes on either side: the rule as a probability
    """

    threshold: float
    below: float
    above: float

    def wet(self, values: Floats) -> Floats:
        """Return the map of 0 and 1; NaN stays NaN."""
        return np.where(np.isnan(values), np.nan, values > self.threshold).astype(np.float32)

    def probability(self, values: Floats) -> Floats:
        """Return the probability of melt; NaN stays NaN."""
        return np.where(np.isnan(values), np.nan, np.where(values > self.threshold, self.above, self.below)).astype(
            np.float32
        )


def tuned_threshold(values: Floats, target: Floats) -> Threshold:
    """Find the threshold of a predictor with the best F1.

    Parameters
    ----------
    values, target : arrays of one shape
        predictor and observed melt fraction of the learning scenes; cells where either is NaN do not count

    Raises
    ------
    ValueError
        if there is no such cell

    Examples
    --------
    >>> rule = tuned_threshold(np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    >>> rule.wet(np.array([1.5, 2.5])).tolist(), rule.above
    ([0.0, 1.0], 1.0)
    """
    both = np.isfinite(values) & np.isfinite(target)
    if not both.any():
        raise ValueError("threshold: no cell has both a predictor and an observation; check places and dates of both")
    x, y = values[both].astype(np.float64), target[both].astype(np.float64)
    wet = y > WET
    candidates = np.unique(np.quantile(x, np.linspace(0.0, 1.0, _QUANTILES + 1), method="inverted_cdf"))
    middles = 0.5 * (candidates[1:] + candidates[:-1]) if candidates.size > 1 else candidates
    best = max(middles, key=lambda middle: f1_of(x > middle, wet))
    sides = [y[side].mean() if side.any() else y.mean() for side in (x <= best, x > best)]
    return Threshold(float(best), *map(float, sides))


class HeightLine(NamedTuple):
    """Melt fraction linear in height, by month: intercept and slope (12,), clipped to 0..1."""

    intercept: Floats
    slope: Floats

    def predict(self, months: np.ndarray, elevation: Floats) -> Floats:
        """Return maps (N, H, W) of some months (1 to 12)."""
        a, b = (x[np.asarray(months) - 1][:, None, None] for x in self)
        return np.clip(a + b * elevation, 0.0, 1.0).astype(np.float32)


def months_of(stack: SceneStack, days: Index) -> np.ndarray:
    """Return the calendar months (1 to 12) of some days."""
    return stack.time[days].astype("datetime64[M]").astype(int) % 12 + 1


def fit_height_line(stack: SceneStack, split: Split, elevation: str = "elevation") -> HeightLine:
    """Fit melt fraction linear in height for each month; months without scenes have the line of all of them."""
    z = np.broadcast_to(stack.static[elevation], stack.target[split.learn].shape)
    y, month = stack.target[split.learn], months_of(stack, split.learn)
    seen = np.isfinite(y) & stack.valid
    lines = []
    for m in range(1, 13):
        scenes = month == m if (month == m).any() else np.ones(month.size, bool)
        x, melt = z[scenes][seen[scenes]].astype(np.float64), y[scenes][seen[scenes]].astype(np.float64)
        slope = np.cov(x, melt)[0, 1] / np.var(x) if np.var(x) > 0 else 0.0
        lines.append((melt.mean() - slope * x.mean(), slope))
    intercept, slopes = np.array(lines, np.float32).T
    return HeightLine(intercept, slopes)


class Logistic(NamedTuple):
    """Log-odds of melt linear in the predictors: coefficients (C,) and intercept."""

    coefficients: Floats
    intercept: float

    def predict(self, x: Floats) -> Floats:
        """Return probabilities (N, H, W) from predictors (N, H, W, C)."""
        return (1.0 / (1.0 + np.exp(-(x @ self.coefficients + np.float32(self.intercept))))).astype(np.float32)


def fit_logistic(x: Floats, target: Floats, seed: int = 0) -> Logistic:
    """Fit a logistic regression of all predictors, cell by cell: no neighbourhood.

    Parameters
    ----------
    x : array (N, H, W, C)
        predictors of the learning scenes, finite
    target : array (N, H, W)
        NaN where not observed
    seed : int
        of the draw where there are more than 200,000 cells

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 50).reshape(1, 5, 10, 1)
    >>> rule = fit_logistic(x, (x[..., 0] > 0.0).astype(float))
    >>> (rule.predict(x) > 0.5).mean().item()
    0.5
    """
    from sklearn.linear_model import LogisticRegression

    seen = np.isfinite(target)
    chosen, y = x[seen], target[seen]
    if y.size > _MOST_CELLS:
        taken = np.random.default_rng(seed).choice(y.size, _MOST_CELLS, replace=False)
        chosen, y = chosen[taken], y[taken]
    if not 0.0 < y.mean() < 1.0:
        return Logistic(np.zeros(x.shape[-1], np.float32), float(np.log((y.mean() + 1e-3) / (1.001 - y.mean()))))
    # A fraction is that much of a wet and the rest of a dry cell.
    labels, weights = np.repeat([1, 0], y.size), np.concatenate([y, 1.0 - y]).astype(np.float64)
    used = weights > 0
    model = LogisticRegression(max_iter=300).fit(np.concatenate([chosen, chosen])[used], labels[used], weights[used])
    return Logistic(model.coef_[0].astype(np.float32), float(model.intercept_[0]))


def of_scenes(stack: SceneStack, split: Split, decay: Decay) -> Mapping[str, Predict]:
    """Return the baselines that need scenes only, by name."""
    return {
        "nothing melts": lambda days: np.zeros((len(days), *stack.valid.shape), np.float32),
        "climatology": lambda days: climatology(stack, split, days),
        "window 3+3": lambda days: running_window(stack, split, days, 3),
        "window 1+1": lambda days: running_window(stack, split, days, 1),
        "decaying window": lambda days: decaying_window(stack, split, days, decay),
    }
