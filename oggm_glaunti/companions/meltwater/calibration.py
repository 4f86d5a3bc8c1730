"""Probabilities and amounts set right by what was observed: log-odds stretched and moved, areas scaled to the scenes.

Only scenes that may be learned from, or that windows may use, are looked at; the leak rule holds for both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from oggm_glaunti.companions.meltwater.model import LEAST_ODDS
from oggm_glaunti.companions.meltwater.stack import Floats


class Calibration(NamedTuple):
    """Calibrated log-odds are ``slope x log-odds + offset`` (Platt 1999).

    Attributes
    ----------
    slope : float
        below 1 where probabilities are too sure
    offset : float
        below 0 where there is too much melt
    """

    slope: float = 1.0
    offset: float = 0.0

    def apply(self, predicted: Floats) -> Floats:
        """Return calibrated probabilities.

        Examples
        --------
        >>> [round(float(p), 3) for p in Calibration(0.5, 0.0).apply(np.array([0.5, 0.9]))]
        [0.5, 0.75]
        """
        return (1.0 / (1.0 + np.exp(-(self.slope * _log_odds(predicted) + self.offset)))).astype(np.float32)


def _log_odds(predicted: Floats) -> Floats:
    kept = np.clip(predicted, LEAST_ODDS, 1.0 - LEAST_ODDS)
    return np.log(kept) - np.log1p(-kept)


def fit_calibration(predicted: Floats, target: Floats) -> Calibration:
    """Fit slope and offset by cross-entropy.

    Melt comes in spells, so some hundred scenes hold little that is independent: with 140 scenes of rare melt a fit may
    do harm. Take the learning scenes of a prediction that leaves each of them out, as windows do.

    Parameters
    ----------
    predicted, target : arrays of one shape
        probability, and observed fraction, NaN where not observed

    Raises
    ------
    ValueError
        if no cell was observed, or all of them were wet or dry

    Examples
    --------
    >>> p = np.repeat([0.1, 0.9], 100)
    >>> melts = np.r_[np.repeat([1.0, 0.0], [30, 70]), np.repeat([1.0, 0.0], [70, 30])]
    >>> [round(float(p), 2) for p in fit_calibration(p, melts).apply(np.array([0.1, 0.9]))]
    [0.3, 0.7]
    """
    seen = np.isfinite(target)
    x, y = _log_odds(predicted[seen].astype(np.float64)), target[seen].astype(np.float64)
    if not y.size or not 0.0 < y.mean() < 1.0:
        what = f"a mean melt fraction of {y.mean():g}" if y.size else "none"
        raise ValueError(f"calibration: expected observed cells both wet and dry, found {what}; give more scenes")

    def loss(numbers: Floats) -> tuple[float, Floats]:
        odds = numbers[0] * x + numbers[1]
        error = 1.0 / (1.0 + np.exp(-odds)) - y
        return float(np.mean(np.logaddexp(0.0, odds) - y * odds)), np.array([np.mean(error * x), np.mean(error)])

    return Calibration(*map(float, minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS").x))


def scale_to_scenes(predicted: Floats, scenes: Floats) -> float:
    """Return the factor that brings a prediction's melt to that of the scenes of its season.

    Sums over a season, of the melt area say, are this times the sum of the predicted probabilities: the ratio estimator
    of surveys (Cochran 1977, chapter 6). What leans on climatology carries the amount of other seasons into this one;
    here only its pattern counts.

    Parameters
    ----------
    predicted : array (N, H, W)
        melt probability of days of a season, each without the scene of that day, as windows give it
    scenes : array (N, H, W)
        melt fraction of the scenes that windows may use; NaN where not observed and for all other days

    Returns
    -------
    float
        1 if nothing is predicted where scenes are, or there is none

    Examples
    --------
    >>> scale_to_scenes(np.array([[[0.2, 0.2, 0.4]]]), np.array([[[1.0, 0.0, np.nan]]]))
    2.5
    """
    seen = np.isfinite(scenes)
    expected = float(predicted[seen].sum(dtype=np.float64))
    return float(scenes[seen].sum(dtype=np.float64)) / expected if expected > 0.0 else 1.0
