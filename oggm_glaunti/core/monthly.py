"""Monthly sums by height: the kernel of the height-year table.

The balance at a point depends on height, the year's corrections and the weather alone, so one daily scan on heights a
few metres apart, snow carried over all years, holds everything that an ice-flow model will ask for. The scan is nested
year > month > day: no array with a day axis and a height axis ever exists.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.run import ti_step
from oggm_glaunti.core.temperature_index import TIParameters


class MonthlyTunables(NamedTuple):
    """What a user may turn, by calendar month; applied after the corrections were computed.

    Attributes
    ----------
    temp_bias : array (12,)
        added to temperature, K
    prcp_fac : array (12,)
        factor on precipitation
    ddf_snow : array (12,)
        degree-day factor of snow before correction, m w.e. K-1 day-1
    """

    temp_bias: Float[AnyArray, "12"]
    prcp_fac: Float[AnyArray, "12"]
    ddf_snow: Float[AnyArray, "12"]


class MonthlySums(NamedTuple):
    """Sums over the days of each month, by height; `swe` at the end of each year."""

    smb: Float[AnyArray, "year 12 height"]
    """m w.e."""
    solid_prcp: Float[AnyArray, "year 12 height"]
    """snowfall as the balance counts it (with prec_scale, correction and tunable parameter), m w.e."""
    pdd: Float[AnyArray, "year 12 height"]
    """positive degree days, K day"""
    swe: Float[AnyArray, "year height"]
    """m w.e."""


def monthly_sums(
    params: TIParameters,
    swe: Float[AnyArray, " height"],
    temp: Float[AnyArray, "year 12 31"],
    prcp: Float[AnyArray, "year 12 31"],
    valid: Bool[AnyArray, "year 12 31"],
    temp_offset: Float[AnyArray, " height"],
    tunables: MonthlyTunables,
    ds: Float[AnyArray, "period 5 height"],
    ds_index: Int[AnyArray, "year 12"],
) -> MonthlySums:
    """Run all days at all heights and sum them by month.

    Parameters
    ----------
    params : TIParameters
        scalars; `ddf_snow` is replaced by the tunable parameter's
    swe : array (N,)
        snow on the first day, m w.e.
    temp, prcp : arrays (Y, 12, 31)
        weather at the reference height, degC and m w.e. day-1; days that do not exist hold any finite number
    valid : bool array (Y, 12, 31)
        which days exist
    temp_offset : array (N,)
        temperature at the heights minus that at the reference height, K
    tunables : MonthlyTunables
    ds : array (K, 5, N)
        corrections of K mass-balance years by height; zeros for model A
    ds_index : int array (Y, 12)
        which of them applies in a month

    Returns
    -------
    MonthlySums
    """
    zeros, ds = jnp.zeros_like(temp_offset), jnp.asarray(ds)
    one = jnp.ones((), temp_offset.dtype)

    def one_month(swe, month):
        temp, prcp, valid, index, bias, factor, ddf = month
        corrected = correct(replace(params, ddf_snow=ddf), ds[index])
        step = ti_step(corrected)

        def one_day(carry, day):
            swe, smb, solid, pdd = carry
            temp, prcp, valid = day
            local = temp + bias + temp_offset
            wet = jnp.broadcast_to(prcp * factor, local.shape)
            new_swe, day_smb = step(swe, local, wet, one)
            snowfall = corrected.prec_scale * params.day.solid_prcp(corrected, local, wet)
            new = (new_swe, smb + day_smb, solid + snowfall, pdd + params.day.positive_temp(corrected, local))
            return jax.tree.map(lambda a, b: jnp.where(valid, a, b), new, carry), None

        (swe, smb, solid, pdd), _ = jax.lax.scan(one_day, (swe, zeros, zeros, zeros), (temp, prcp, valid))
        return swe, (smb, solid, pdd)

    def one_year(swe, year):
        swe, sums = jax.lax.scan(one_month, swe, (*year, *tunables))
        return swe, (*sums, swe)

    _, sums = jax.lax.scan(one_year, swe, (temp, prcp, valid, ds_index))
    return MonthlySums(*sums)
