"""What a fit found, in words and physical units, and what it could not find."""

from __future__ import annotations

from typing import Any

import numpy as np

from oggm_glaunti.fit.calibration.priors import STORED

# A parameter, or a direction in parameter space, is told by the data where they halve the prior's uncertainty.
IDENTIFIED = 0.5
CORRELATED = 0.9
# Standard deviations of its prior by which one parameter in twenty may move.
SURPRISING = 2.0


def physical(name: str, number: float) -> float:
    """A parameter in physical units from the number that is stored.

    Examples
    --------
    >>> physical("ddf_relative_ice", 0.0), physical("snow_to_rain_centre", 1.5)
    (2.0, 1.5)
    """
    if not STORED.get(name, "").endswith("_log"):
        return float(number)
    return float(np.exp(number)) + (1.0 if name == "ddf_relative_ice" else 0.0)


def summary(posterior: Any) -> dict[str, dict[str, float]]:
    """Every fitted parameter with its prior and posterior.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    dict
        ``{name: {prior, value, low, high, contraction}}``: most probable values before and after, and the 68 % range
        after, in physical units; `contraction` is the ratio of posterior to prior standard deviation
    """
    rows = zip(
        posterior.priors.names, posterior.priors.mean, posterior.priors.sd, posterior.mean, posterior.sd, strict=True
    )
    return {
        name: {
            "prior": physical(name, before),
            "value": physical(name, after),
            "low": physical(name, after - sd),
            "high": physical(name, after + sd),
            "contraction": float(sd / prior_sd),
        }
        for name, before, prior_sd, after, sd in rows
    }


def correlations(posterior: Any) -> np.ndarray:
    """Correlations of the stored numbers after the fit (P, P)."""
    return posterior.cov / np.outer(posterior.sd, posterior.sd)


def identifiability(posterior: Any) -> list[str]:
    """Sentences about what the observations do not tell.

    Parameters
    ----------
    posterior : Posterior

    Returns
    -------
    list of str
        how many combinations of parameters are known from the data, parameters that keep more than half of their prior
        uncertainty, those that have left their prior, and pairs that can hardly be told apart
    """
    names = posterior.priors.names
    ratio = posterior.sd / posterior.priors.sd
    moved = np.abs(posterior.mean - posterior.priors.mean) / posterior.priors.sd
    told = _combinations_told(posterior.information)
    sentences = [f"The observations tell {told} of {len(names)} combinations of parameters."]
    sentences += [
        f"{name} is hardly told: {100 * r:.0f} % of its prior uncertainty is left."
        for name, r in zip(names, ratio, strict=True)
        if r > IDENTIFIED
    ]
    sentences += [
        f"{name} is {m:.1f} standard deviations of its prior away from it: one of the two, or the weather, is off."
        for name, m in zip(names, moved, strict=True)
        if m > SURPRISING
    ]
    corr = correlations(posterior)
    pairs = [(i, j) for i in range(len(names)) for j in range(i) if abs(corr[i, j]) > CORRELATED]
    sentences += [f"{names[j]} and {names[i]} cannot be told apart (correlation {corr[i, j]:+.2f})." for i, j in pairs]
    sentences.append(f"The model itself is taken to be {posterior.model_error:.2f} m w.e. a year off.")
    return sentences


def _combinations_told(information: np.ndarray) -> int:
    """Directions, in units of the priors, in which the data leave less than half of the prior's uncertainty."""
    known = np.linalg.eigvalsh(information)
    return int((1.0 / np.sqrt(1.0 + np.maximum(known, 0.0)) < IDENTIFIED).sum())


def spread_of(posterior: Any) -> dict[str, Any]:
    """The distribution itself for ``glaunti_params.json``: names, mean and covariance of the stored numbers."""
    names = [STORED.get(name, name) for name in posterior.priors.names]
    return {"stored": names, "mean": posterior.mean.tolist(), "covariance": posterior.cov.tolist()}
