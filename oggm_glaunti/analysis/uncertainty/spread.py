"""The uncertainty of the parameters after a fit, read from the calibration of a glacier directory."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.calibration.priors import STORED, TEMP_BIAS, TEMP_GRADIENT

KNOWN = (*STORED.values(), TEMP_BIAS, TEMP_GRADIENT)


class ParameterSpread(NamedTuple):
    """A normal distribution of parameters around their most probable values.

    Attributes
    ----------
    names : tuple of str
        stored numbers (logarithms where the parameter must stay positive), ``temp_bias`` (K), ``temp_gradient`` (K m-1)
    covariance : float64 array (P, P)
        of these
    """

    names: tuple[str, ...]
    covariance: NDArray[np.float64]


NOTHING_KNOWN = ParameterSpread((), np.zeros((0, 0)))


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
        return NOTHING_KNOWN
    names, covariance = tuple(posterior["stored"]), np.asarray(posterior["covariance"], np.float64)
    unknown = sorted(set(names) - set(KNOWN))
    if unknown or covariance.shape != (len(names), len(names)) or not np.isfinite(covariance).all():
        raise InvalidParamsError(
            f"{rgi_id}: fit.posterior of glaunti_params.json: expected finite covariances of some of {KNOWN}, found "
            f"{names} and an array {covariance.shape}; fit the glacier again"
        )
    return ParameterSpread(names, covariance)
