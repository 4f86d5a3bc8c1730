"""What makes up the balance of a day: snowfall, melt of snow and of ice, and rain."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp

from oggm_glaunti.core.arrays import Field
from oggm_glaunti.core.run import Step
from oggm_glaunti.core.temperature_index import TIParameters


class DayTerms(NamedTuple):
    """Terms of one day's balance, m w.e.: ``smb = snowfall - melt_snow - melt_ice``.

    Attributes
    ----------
    smb, snowfall, melt_snow, melt_ice : arrays (...)
    rain : array (...)
        liquid precipitation, which is no part of the balance
    """

    smb: Any
    snowfall: Any
    melt_snow: Any
    melt_ice: Any
    rain: Any


def terms_step(params: TIParameters) -> Step:
    """Return the step of a temperature index that tells the terms of its balance.

    Ice melt is what the balance has less than that of the same day on ice that does not melt; so every variant has
    terms, and they add up.

    Parameters
    ----------
    params : TIParameters
        their `day` is run

    Returns
    -------
    callable
        ``(swe, temp, prcp, weight) -> (swe, DayTerms)``, for :func:`~oggm_glaunti.core.run.run_days`

    Examples
    --------
    >>> from oggm_glaunti.core import ti_weights
    >>> step = terms_step(ti_weights().resolve())
    >>> swe, terms = step(jnp.array(0.0), jnp.array(6.0), jnp.array(0.01), jnp.array(1.0))
    >>> round(float(terms.melt_snow), 3), round(float(terms.melt_ice), 3), round(float(terms.rain), 3)
    (0.0, 0.044, 0.014)
    """
    no_ice = replace(params, ddf_relative_ice=jnp.zeros_like(params.ddf_relative_ice))

    def step(swe: Field, temp: Field, prcp: Field, weight: Field) -> tuple[Field, DayTerms]:
        after, smb = params.day.run(params, swe, temp, prcp, weight)
        _, without_ice_melt = params.day.run(no_ice, swe, temp, prcp, weight)
        snowfall = weight * params.prec_scale * params.day.solid_prcp(params, temp, prcp)
        rain = weight * params.prec_scale * prcp - snowfall
        return after, DayTerms(smb, snowfall, snowfall - without_ice_melt, without_ice_melt - smb, rain)

    return step
