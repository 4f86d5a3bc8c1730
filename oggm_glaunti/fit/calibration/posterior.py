"""Results of a fit in physical units, and in words what the observations do not constrain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from oggm_glaunti.core.parameters import BY_NAME
from oggm_glaunti.fit.calibration.errors import sizes_as_dict
from oggm_glaunti.fit.calibration.priors import STORED
from oggm_glaunti.fit.names import DISCHARGE

if TYPE_CHECKING:
    from oggm_glaunti.fit.calibration.errors import ErrorSizes
    from oggm_glaunti.fit.calibration.hierarchy import Estimated, Posterior
    from oggm_glaunti.fit.calibration.sites import GlacierSite

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


def summary(found: Estimated) -> dict[str, dict[str, float]]:
    """Summarise prior and posterior of every fitted parameter.

    Returns
    -------
    dict
        ``{name: {prior, value, low, high, contraction}}``: most probable values before and after the fit, and the 68 %
        range after it, in physical units; ``contraction = posterior sd / prior sd``
    """
    out = {}
    for name, before, prior_sd, after, sd in zip(*found[:4], found.sd, strict=True):
        stored = {"prior": before, "value": after, "low": after - sd, "high": after + sd}
        of_name = {key: physical(name, number) for key, number in stored.items()}
        out[name] = {**of_name, "contraction": float(sd / prior_sd)}
    return out


def correlations(found: Estimated) -> np.ndarray:
    """Compute the posterior correlations of the stored parameters (P, P)."""
    return found.cov / np.outer(found.sd, found.sd)


def identifiability(found: Estimated, sizes: ErrorSizes) -> list[str]:
    """Describe in sentences what the observations do not constrain.

    Returns
    -------
    list of str
        how many combinations of parameters the data constrain, parameters that keep more than half of their prior
        uncertainty, parameters far from their prior, pairs that can hardly be told apart, and the sizes of errors
    """
    names, ratio = found.names, found.sd / found.prior_sd
    moved = np.abs(found.mean - found.prior_mean) / found.prior_sd
    # Directions, in units of the priors, in which the data leave less than half of the prior uncertainty.
    left = np.sqrt(np.linalg.eigvalsh(found.cov / np.outer(found.prior_sd, found.prior_sd)))
    sentences = [f"The observations constrain {(left < IDENTIFIED).sum()} of {len(names)} combinations of parameters."]
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
    corr = correlations(found)
    pairs = [(i, j) for i in range(len(names)) for j in range(i) if abs(corr[i, j]) > CORRELATED]
    sentences += [f"{names[j]} and {names[i]} cannot be told apart (correlation {corr[i, j]:+.2f})." for i, j in pairs]
    for label, (own, winter, summer) in zip(("a point", "a glacier's mean"), sizes, strict=True):
        sentences.append(
            f"A balance at {label} is taken to differ by {own:.2f} m w.e. a year of its own, and by {winter:.2f} and "
            f"{summer:.2f} m w.e. that all rows of a winter and a summer share."
        )
    return sentences


def spread_of(found: Estimated) -> dict[str, Any]:
    """Return names, mean and covariance of the stored parameters for ``glaunti_params.json``."""
    names = [STORED.get(name, name) for name in found.names]
    return {"stored": names, "mean": found.mean.tolist(), "covariance": found.cov.tolist()}


def fit_record(sites: Sequence[GlacierSite], posterior: Posterior, own: Estimated) -> dict[str, Any]:
    """Describe the observations, the scores and the posterior of a fit; scores are those of balances if there are any.

    Parameters
    ----------
    sites : sequence of GlacierSite
        glaciers fitted to
    posterior : Posterior
    own : Estimated
        parameters of the glacier that is described
    """
    used = pd.concat([glacier.used for glacier in sites])
    difference = np.concatenate(posterior.predicted) - used["value"].to_numpy()
    is_balance = (used["kind"] != DISCHARGE).to_numpy()
    scored = difference[is_balance] if is_balance.any() else difference
    by_kind = used.groupby(["kind", "season"]).size()
    return {
        "observations": {f"{kind} {season}": int(n) for (kind, season), n in by_kind.items()},
        "glaciers": sorted(used["glacier"].unique().tolist()),
        "sources": sorted(used["source"].unique().tolist()),
        "first": f"{used['begin'].min():%Y-%m-%d}",
        "last": f"{used['end'].max():%Y-%m-%d}",
        "rejected": int(sum(len(glacier.rejected) for glacier in sites)),
        "rmse": float(np.sqrt(np.mean(scored**2))),
        "bias": float(scored.mean()),
        "error_sizes": sizes_as_dict(posterior.sizes),
        "parameters": summary(own),
        "identifiability": identifiability(own, posterior.sizes),
        "posterior": spread_of(own),
        "region": {**spread_of(posterior.region), "spread": posterior.spread.tolist()},
    }
