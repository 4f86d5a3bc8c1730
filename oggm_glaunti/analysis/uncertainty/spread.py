"""The uncertainty of the parameters after a fit, read from the calibration of a glacier directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN
from oggm_glaunti.fit.calibration.priors import FEW, STORED, TEMP_BIAS, TEMP_GRADIENT, priors_around

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Tuned

KNOWN = (*STORED.values(), TEMP_BIAS, TEMP_GRADIENT)


class ParameterSpread(NamedTuple):
    """A normal distribution of parameters around their most probable values.

    Attributes
    ----------
    names : tuple of str
        stored numbers (logarithms where the parameter must stay positive), ``temp_bias`` (K), ``temp_gradient`` (K m-1)
    covariance : float64 array (P, P)
        of these
    origin : str
        which parameters are uncertain, and where their errors come from, in words
    """

    names: tuple[str, ...]
    covariance: NDArray[np.float64]
    origin: str = "of the fit"


TAKEN_AS_KNOWN = ParameterSpread((), np.zeros((0, 0)), "none, all parameters are taken as known")
NOT_FITTED = TAKEN_AS_KNOWN._replace(
    origin="none, since there is no fit in glaunti_params.json: all parameters are taken as known"
)


def parameter_spread(params: dict[str, Any], rgi_id: str = "") -> ParameterSpread:
    """Read the covariance under ``fit.posterior`` of a calibration, as ``fit_glaunti`` writes it.

    Parameters
    ----------
    params : dict
        content of ``glaunti_params.json``
    rgi_id : str
        named in errors

    Returns
    -------
    ParameterSpread
        without any parameter if nothing was fitted

    Raises
    ------
    InvalidParamsError
        if the covariance is not finite or its shape does not fit the names

    Examples
    --------
    >>> posterior = {"stored": ["ddf_snow_log"], "mean": [-5.3], "covariance": [[0.01]]}
    >>> parameter_spread({"fit": {"posterior": posterior}}).names
    ('ddf_snow_log',)
    >>> parameter_spread({"melt_f": 5.0}).names
    ()
    """
    posterior = params.get("fit", {}).get("posterior")
    if posterior is None:
        return NOT_FITTED
    names, covariance = tuple(posterior["stored"]), np.asarray(posterior["covariance"], np.float64)
    unknown = sorted(set(names) - set(KNOWN))
    if unknown or covariance.shape != (len(names), len(names)) or not np.isfinite(covariance).all():
        raise InvalidParamsError(
            f"{rgi_id}: fit.posterior of glaunti_params.json: expected finite covariances of some of {KNOWN}, found "
            f"{names} and an array {covariance.shape}; fit the glacier again"
        )
    return ParameterSpread(names, covariance, f"of the fit: {', '.join(map(_plain, names))}")


def spread_with_priors(
    params: dict[str, Any],
    tuned: Tuned,
    rgi_id: str = "",
    free: Sequence[str] | None = None,
    spread: Mapping[str, float] | None = None,
) -> ParameterSpread:
    """Read the covariance of the fit, and take the priors of a fit for parameters that were not fitted.

    Parameters
    ----------
    params, rgi_id
        see :func:`parameter_spread`
    tuned : Tuned
        parameters of the model
    free : sequence of str, optional
        uncertain parameters; default: those of the fit, otherwise those that a fit adjusts
    spread : mapping, optional
        standard deviations of a glacier's parameters, ``{name: sd}``; default: what a fit expects of a glacier's,
        :data:`oggm_glaunti.fit.calibration.priors.SPREAD` with the spread between glaciers

    Raises
    ------
    ValueError
        for invalid names or standard deviations
    InvalidParamsError
        as :func:`parameter_spread`, and if `spread` names fitted parameters
    """
    fit = parameter_spread(params, rgi_id)
    fitted = [_plain(name) for name in fit.names]
    priors = priors_around(tuned, free or fitted or FEW, spread)
    if twice := set(fitted) & {*(spread or {})}:
        raise InvalidParamsError(
            f"{rgi_id}: spread: {sorted(twice)} were fitted, their covariance is that of the fit; leave them out, or "
            "name another calibration by mb_params_filesuffix"
        )
    given = np.array([name in (spread or {}) for name in priors.names])
    # What a fit expects of a glacier: that of its region, and the spread between glaciers.
    cov = np.diag((priors.sd * np.where(given, 1.0, np.hypot(1.0, BETWEEN))) ** 2)
    both = [name for name in priors.names if name in fitted]
    here, there = ([names.index(name) for name in both] for names in (priors.names, fitted))
    cov[np.ix_(here, here)] = fit.covariance[np.ix_(there, there)]
    guessed = [name for name in priors.names if name not in fitted]
    parts = [f"of the fit: {', '.join(both)}"] if both else []
    parts += [f"of a fit's priors, as they were not fitted: {', '.join(guessed)}"] if guessed else []
    return ParameterSpread(tuple(STORED.get(name, name) for name in priors.names), cov, "; ".join(parts))


def _plain(stored: str) -> str:
    """Return the name of a parameter in physical units."""
    return next((name for name, of in STORED.items() if of == stored), stored)
