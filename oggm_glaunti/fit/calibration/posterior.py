"""Results of a fit in physical units, and in words what the observations do not constrain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oggm_glaunti.core.parameters import BY_NAME
from oggm_glaunti.fit.calibration.priors import STORED

if TYPE_CHECKING:
    from oggm_glaunti.fit.calibration.map_estimate import Posterior

# A parameter, or a direction in parameter space, is constrained by the data if they halve its prior uncertainty.
IDENTIFIED = 0.5
CORRELATED = 0.9
# Prior standard deviations; one parameter in twenty is expected farther from its prior mean.
SURPRISING = 2.0


def physical(name: str, number: float) -> float:
    """Convert a stored parameter to physical units.

    Examples
    --------
    >>> physical("ddf_relative_ice", 0.0), physical("snow_to_rain_centre", 1.5)
    (2.0, 1.5)
    """
    return float(BY_NAME[name].physical(number) if name in BY_NAME else number)


def summary(posterior: Posterior) -> dict[str, dict[str, float]]:
    """Summarise prior and posterior of every fitted parameter.

    Returns
    -------
    dict
        ``{name: {prior, value, low, high, contraction}}``: most probable values before and after the fit, and the 68 %
        range after it, in physical units; ``contraction = posterior sd / prior sd``
    """
    found = {}
    for name, before, prior_sd, after, sd in zip(*posterior.priors, posterior.mean, posterior.sd, strict=True):
        stored = {"prior": before, "value": after, "low": after - sd, "high": after + sd}
        of_name = {key: physical(name, number) for key, number in stored.items()}
        found[name] = {**of_name, "contraction": float(sd / prior_sd)}
    return found


def correlations(posterior: Posterior) -> np.ndarray:
    """Compute the posterior correlations of the stored parameters (P, P)."""
    return posterior.cov / np.outer(posterior.sd, posterior.sd)


def identifiability(posterior: Posterior) -> list[str]:
    """Describe in sentences what the observations do not constrain.

    Returns
    -------
    list of str
        how many combinations of parameters the data constrain, parameters that keep more than half of their prior
        uncertainty, parameters far from their prior, pairs that can hardly be told apart, and the model error
    """
    names = posterior.priors.names
    ratio = posterior.sd / posterior.priors.sd
    moved = np.abs(posterior.mean - posterior.priors.mean) / posterior.priors.sd
    # Directions, in units of the priors, in which the data leave less than half of the prior uncertainty.
    known = np.linalg.eigvalsh(posterior.information)
    n = int((1.0 / np.sqrt(1.0 + np.maximum(known, 0.0)) < IDENTIFIED).sum())
    sentences = [f"The observations constrain {n} of {len(names)} combinations of parameters."]
    sentences += [
        f"{name} is hardly constrained: {100 * r:.0f} % of its prior uncertainty is left."
        for name, r in zip(names, ratio, strict=True)
        if r > IDENTIFIED
    ]
    sentences += [
        f"{name} is {m:.1f} prior standard deviations away from its prior mean: one of the two, or the weather, is off."
        for name, m in zip(names, moved, strict=True)
        if m > SURPRISING
    ]
    corr = correlations(posterior)
    pairs = [(i, j) for i in range(len(names)) for j in range(i) if abs(corr[i, j]) > CORRELATED]
    sentences += [f"{names[j]} and {names[i]} cannot be told apart (correlation {corr[i, j]:+.2f})." for i, j in pairs]
    sentences.append(f"The structural model error is taken to be {posterior.model_error:.2f} m w.e. a year.")
    return sentences


def spread_of(posterior: Posterior) -> dict[str, Any]:
    """Return names, mean and covariance of the stored parameters for ``glaunti_params.json``."""
    names = [STORED.get(name, name) for name in posterior.priors.names]
    return {"stored": names, "mean": posterior.mean.tolist(), "covariance": posterior.cov.tolist()}
