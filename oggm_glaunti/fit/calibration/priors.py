"""Default prior distributions of the parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oggm_glaunti.core.parameters import PARAMETERS

if TYPE_CHECKING:
    from oggm_glaunti.core.on_heights import Tuned

TEMP_BIAS, TEMP_GRADIENT = "temp_bias", "temp_gradient"
# Standard deviations of the stored parameters.
SPREAD = {p.name: p.prior_sd for p in PARAMETERS if p.prior_sd is not None} | {
    TEMP_BIAS: 1.0,  # K
    TEMP_GRADIENT: 0.0005,  # K m-1: annual means over glaciers are mostly between -5 and -7.5 K km-1
}
SNOW = {"prec_scale": 0.3}
MORE = {"smooth": SNOW, "mass_conserving": {**SNOW, "ddf_snow": -0.15}}
"""Added to stored parameters of the weights for the prior means, by day. Gauges and analyses miss snow, and wind brings
some: on the glaciers of docs/skill.md, in three regions and under three kinds of weather, fits want up to 0.8 more of
its logarithm than what was published for glaciers of many regions together. Where snow does not last for ever, less
melt is needed: 0.05 to 0.24 there."""
STORED = {p.name: p.stored_name for p in PARAMETERS if p.trained}
"""Names of the parameters in physical units, and of the stored parameters (:class:`TIWeights`) that are varied."""
FEW = ("prec_scale", "ddf_snow", TEMP_GRADIENT)
"""Parameters fitted by default: how much snow falls, how much melts, and how that changes with height. With these,
parameters transfer best from measured glaciers to others of the region (see docs/calibration.md)."""
# Parameters without effect in a variant of the day.
UNUSED = {"mass_conserving": ("snow_depletion_steepness",)}


class Priors(NamedTuple):
    """Normal prior distributions of the stored parameters to be fitted.

    Attributes
    ----------
    names : tuple of str
        names of the parameters in physical units
    mean, sd : float64 arrays (P,)
        means and standard deviations of the stored parameters; K for ``temp_bias``, K m-1 for ``temp_gradient``
    """

    names: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray


def default_priors(
    start: Mapping[str, float],
    free: Iterable[str] = FEW,
    spread: Mapping[str, float] | None = None,
    day: str = "smooth",
) -> Priors:
    """Make priors with means at given parameters, plus what :data:`MORE` has for them.

    Parameters
    ----------
    start : mapping
        stored parameters, ``{name: value}``, and ``temp_gradient`` if it is free
    free : iterable of str
        parameters to fit, of the keys of :data:`SPREAD`
    spread : mapping, optional
        standard deviations of stored parameters, ``{name: sd}``, that replace those of :data:`SPREAD`
    day : str
        variant of the day

    Raises
    ------
    ValueError
        for unknown names, no names at all, or standard deviations that are not positive

    Examples
    --------
    >>> priors = default_priors({"ddf_snow_log": -5.3}, ["ddf_snow", "temp_bias"])
    >>> priors.mean.tolist(), priors.sd.tolist()
    ([-5.3, 0.0], [0.3, 1.0])
    """
    names = tuple(dict.fromkeys(free))
    sds = {**SPREAD, **(spread or {})}
    unknown = [name for name in (*names, *sds) if name not in SPREAD]
    if unknown or not names:
        raise ValueError(f"free, spread: expected some of {[*SPREAD]}, found {unknown or 'none'}")
    wrong = {name: sds[name] for name in names if not (np.isfinite(sds[name]) and sds[name] > 0)}
    if wrong:
        raise ValueError(f"spread: expected positive standard deviations, found {wrong}")
    at = [0.0 if name == TEMP_BIAS else float(start[STORED.get(name, name)]) for name in names]
    mean = [number + MORE.get(day, SNOW).get(name, 0.0) for name, number in zip(names, at, strict=True)]
    return Priors(names, np.array(mean), np.array([float(sds[name]) for name in names]))


def priors_around(tuned: Tuned, free: Iterable[str] = FEW, spread: Mapping[str, float] | None = None) -> Priors:
    """Make priors with means at the parameters of a model, plus what :data:`MORE` has for them.

    Parameters
    ----------
    tuned : Tuned
        the model
    free, spread
        see :func:`default_priors`

    Raises
    ------
    ValueError
        as :func:`default_priors`, and for parameters without effect on its day
    """
    stored = {name: float(getattr(tuned.ti, name)) for name in STORED.values()}
    day = tuned.ti.day.name
    priors = default_priors({**stored, TEMP_GRADIENT: float(tuned.temp_gradient)}, free, spread, day)
    unused = set(priors.names) & set(UNUSED.get(day, ()))
    if unused:
        raise ValueError(f"free: {sorted(unused)} has no effect in the variant {day!r}")
    return priors
