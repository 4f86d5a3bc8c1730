"""What makes up the balance of a day: snowfall, melt of snow and of ice, and rain.

Every day has two terms of melt, of the part of the surface that is covered with snow and of the bare part, and they
add up: ``smb = snowfall - melt_snow - melt_ice``. Whether the first is melt of snow that has fallen is another matter.
It is on a day that conserves the mass of its snow, :data:`~oggm_glaunti.core.parameters.SPLIT_DAY`. The published day
makes snow from nothing (:func:`~oggm_glaunti.core.temperature_index.smooth_day`), and more snow melts on it than falls:
its terms say where it melts, which is what a map of wet snow asks for, but are no account of water. Such accounts
(:mod:`oggm_glaunti.core.hydro`) have them of the former only.
"""

from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax.numpy as jnp

from oggm_glaunti.core.arrays import Field
from oggm_glaunti.core.parameters import SPLIT_DAY
from oggm_glaunti.core.run import Step
from oggm_glaunti.core.temperature_index import TIParameters, mass_conserving_fluxes


class DayTerms(NamedTuple):
    """Terms of one day's balance, m w.e.: ``smb = snowfall - melt_snow - melt_ice``.

    Attributes
    ----------
    smb, snowfall : arrays (...)
    melt_snow, melt_ice : arrays (...)
        on the part of the surface that is covered with snow and on the bare part
    rain : array (...)
        liquid precipitation, which is no part of the balance
    """

    smb: Any
    snowfall: Any
    melt_snow: Any
    melt_ice: Any
    rain: Any


def terms_of_day(params: TIParameters, swe: Field, temp: Field, prcp: Field, weight: Field) -> tuple[Field, DayTerms]:
    """Run one day and tell the terms of its balance.

    The terms of :data:`SPLIT_DAY` are its fluxes. Of other days melt of ice is what the balance has less than that of
    the same day on ice that does not melt; so every variant has terms, and they add up.

    Parameters
    ----------
    params : TIParameters
        their `day` is run
    swe, temp, prcp, weight : arrays (...)
        see :func:`~oggm_glaunti.core.temperature_index.smooth_day`

    Returns
    -------
    swe : array (...)
        snow at the end of the day, m w.e.
    terms : DayTerms

    Examples
    --------
    >>> from oggm_glaunti.core import ti_weights
    >>> day = jnp.array(0.0), jnp.array(6.0), jnp.array(0.01), jnp.array(1.0)
    >>> swe, terms = terms_of_day(ti_weights().resolve(), *day)
    >>> round(float(terms.melt_snow), 3), round(float(terms.melt_ice), 3), round(float(terms.rain), 3)
    (0.0, 0.044, 0.014)
    """
    if params.day.name == SPLIT_DAY:
        snowfall, melt_snow, melt_ice = mass_conserving_fluxes(params, swe, temp, prcp, weight)
        available = swe + snowfall
        # A compiler may round a product and a difference at once: what is nothing must not become less.
        melt_snow, melt_ice = jnp.clip(melt_snow, 0.0, available), jnp.maximum(melt_ice, 0.0)
        after, smb = available - melt_snow, snowfall - melt_snow - melt_ice
    else:
        no_ice = replace(params, ddf_relative_ice=jnp.zeros_like(params.ddf_relative_ice))
        after, smb = params.day.run(params, swe, temp, prcp, weight)
        _, without_ice_melt = params.day.run(no_ice, swe, temp, prcp, weight)
        snowfall = weight * params.prec_scale * params.day.solid_prcp(params, temp, prcp)
        melt_snow, melt_ice = snowfall - without_ice_melt, without_ice_melt - smb
    rain = jnp.maximum(weight * params.prec_scale * prcp - snowfall, 0.0)
    return after, DayTerms(smb, snowfall, melt_snow, melt_ice, rain)


def terms_step(params: TIParameters) -> Step:
    """Return :func:`terms_of_day` as a step for :func:`~oggm_glaunti.core.run.run_days`."""
    return partial(terms_of_day, params)
