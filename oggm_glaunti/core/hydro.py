"""Water day by day: what falls as snow and as rain, what melts of snow and of ice, and the snow that is left.

One scan over the days of a calendar year, on heights, with the day of the parameters. It is an account of water, so
melt of snow is told from melt of ice only for a day that conserves the mass of its snow
(:data:`~oggm_glaunti.core.parameters.SPLIT_DAY`); of any other day there is only the sum of both.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from oggm_glaunti.core.arrays import AnyArray, Field
from oggm_glaunti.core.elementary import LN_2
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.melt import terms_of_day
from oggm_glaunti.core.monthly import MonthlyTunables
from oggm_glaunti.core.parameters import SPLIT_DAY
from oggm_glaunti.core.temperature_index import TIParameters


class SnowAndIce(NamedTuple):
    """What is known of a day that conserves the mass of its snow; arrays (...), m w.e. but for the cover.

    Attributes
    ----------
    snow_melt, ice_melt : array
    snow_cover : array
        snow-covered fraction of the surface at the end of the day, 0 to 1
    rain_on_snow : array
        rain on the part of the surface that is covered once the day's snow has fallen; part of the rain
    """

    snow_melt: Field
    ice_melt: Field
    snow_cover: Field
    rain_on_snow: Field


class Components(NamedTuple):
    """Water of a day; arrays (...), m w.e.

    Attributes
    ----------
    snowfall, rain : array
        with ``prec_scale``, as the balance counts them
    melt : array
        of snow and ice; the balance of the day is ``snowfall - melt``
    swe : array
        snow at the end of the day
    parts : SnowAndIce or None
        None if the day does not conserve the mass of its snow
    """

    snowfall: Field
    rain: Field
    melt: Field
    swe: Field
    parts: SnowAndIce | None


def components_of_day(params: TIParameters, swe: Field, temp: Field, prcp: Field) -> Components:
    """Compute the water of one day.

    Parameters
    ----------
    params : TIParameters
        their day is run
    swe : array (...)
        snow at the beginning of the day, m w.e.
    temp, prcp : array (...)
        mean temperature, degC, and precipitation, m w.e.

    Returns
    -------
    Components

    Examples
    --------
    >>> from oggm_glaunti.core.temperature_index import ti_weights, with_day
    >>> params = with_day(ti_weights(), "mass_conserving").resolve()
    >>> day = components_of_day(params, jnp.array(0.5), jnp.array(5.0), jnp.array(0.01))
    >>> round(float(day.melt), 4), round(float(day.parts.snow_melt), 4), round(float(day.rain), 4)
    (0.0245, 0.0245, 0.014)
    """
    one = jnp.ones((), jnp.result_type(swe, temp))
    new_swe, terms = terms_of_day(params, swe, temp, prcp, one)
    if params.day.name != SPLIT_DAY:
        melt = jnp.maximum(terms.snowfall - terms.smb, 0.0)
        return Components(terms.snowfall, terms.rain, melt, new_swe, None)
    wetted = terms.rain * depletion_cover(params, swe + terms.snowfall)
    parts = SnowAndIce(terms.melt_snow, terms.melt_ice, depletion_cover(params, new_swe), wetted)
    return Components(terms.snowfall, terms.rain, terms.melt_snow + terms.melt_ice, new_swe, parts)


def depletion_cover(params: TIParameters, swe: Field) -> Field:
    """Snow-covered fraction along the depletion curve of the mass-conserving day, 0 to 1."""
    return -jnp.expm1(-swe * LN_2 / params.snow_depletion_centre)


def daily_components(
    params: TIParameters,
    swe: Float[AnyArray, " height"],
    temp: Float[AnyArray, "12 31"],
    prcp: Float[AnyArray, "12 31"],
    valid: Bool[AnyArray, "12 31"],
    temp_offset: Float[AnyArray, " height"],
    tunables: MonthlyTunables,
    ds: Float[AnyArray, "period 5 height"],
    ds_index: Int[AnyArray, " 12"],
) -> tuple[Float[Array, " height"], Components]:
    """Run the days of a calendar year.

    Parameters
    ----------
    params : TIParameters
        scalars before correction; their ``ddf_snow`` is not used, that of the tunable parameters is
    swe : array (N,)
        snow at the beginning of the year, m w.e.
    temp, prcp : array (12, 31)
        daily weather at the reference height, degC and m w.e. day-1
    valid : bool array (12, 31)
        which days exist; the others leave the snow alone, and their components mean nothing
    temp_offset : array (N,)
        temperature at the heights minus that at the reference height, K
    tunables : MonthlyTunables
    ds : array (K, 5, N)
        corrections of K mass-balance years by height; zeros for model A
    ds_index : int array (12,)
        which of them applies in a month

    Returns
    -------
    swe : array (N,)
        at the end of the year
    components : Components
        arrays (12, 31, N)
    """
    ds = jnp.asarray(ds)

    def one_month(swe, month):
        temp, prcp, valid, index, bias, factor, ddf = month
        corrected = correct(replace(params, ddf_snow=ddf), ds[index])

        def one_day(swe, day):
            temp, prcp, valid = day
            local = temp + bias + temp_offset
            components = components_of_day(corrected, swe, local, jnp.broadcast_to(prcp * factor, local.shape))
            return jnp.where(valid, components.swe, swe), components

        return jax.lax.scan(one_day, swe, (temp, prcp, valid))

    return jax.lax.scan(one_month, jnp.asarray(swe), (temp, prcp, valid, ds_index, *tunables))
