"""A glacier's days on heights: the daily run that fits and analyses share.

The temperature index depends on height, the year's corrections and the weather alone, so a glacier is a few dozen
heights. Corrections are given, not recomputed.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.run import initial_swe, ti_step
from oggm_glaunti.core.temperature_index import TIWeights

H = TypeVar("H", bound="OnHeights")


class OnHeights(eqx.Module):
    """A glacier's weather and corrections on heights.

    Attributes
    ----------
    temp, prcp : arrays (R, T)
        daily weather at the reference height, degC and m w.e. day-1, in one or more realisations
    above_ref : array (N,)
        heights minus the reference height, m
    ds : array (K, 5, N)
        corrections of K mass-balance years by height; zeros for model A
    ds_index : int array (T,)
        which of them applies on a day
    bias : array (), optional
        subtracted from every day's balance, m w.e. day-1
    """

    temp: Float[AnyArray, "realisation time"]
    prcp: Float[AnyArray, "realisation time"]
    above_ref: Float[AnyArray, " height"]
    ds: Float[AnyArray, "period 5 height"]
    ds_index: Int[AnyArray, " time"]
    bias: Float[AnyArray, ""] | None = eqx.field(default=None, kw_only=True)

    def replace(self: H, **changes: Any) -> H:
        """Return the same with other values of some fields."""
        return dataclasses.replace(self, **changes)


class Tuned(NamedTuple):
    """What a fit may vary.

    Attributes
    ----------
    ti : TIWeights
        the temperature index
    temp_bias : array ()
        added to temperature, K
    temp_gradient : array ()
        lapse rate, K m-1
    """

    ti: TIWeights
    temp_bias: Float[AnyArray, ""] | float
    temp_gradient: Float[AnyArray, ""] | float


DailyInputs = tuple[Array, Array, Array]
"""Temperature and precipitation at the reference height, each a number or (N,), and the index of the corrections."""
DailyStep = Callable[[Array, DailyInputs], tuple[Array, Array]]


def stepper(tuned: Tuned, where: OnHeights) -> tuple[Float[Array, " height"], DailyStep]:
    """Return the snow on the first day and a function that runs one day.

    Parameters
    ----------
    tuned : Tuned
        parameters before correction
    where : OnHeights
        its weather is not used: the days are given one by one

    Returns
    -------
    swe : array (N,)
        m w.e.
    step : callable
        ``step(swe, (temp, prcp, ds_index)) -> (swe, smb)``, see :data:`DailyInputs`; snow and balance are (N,), m w.e.
    """
    params, offset = tuned.ti.resolve(), tuned.temp_bias + tuned.temp_gradient * where.above_ref
    corrected = jax.vmap(correct, (None, 0))(params, where.ds) if where.ds.shape[0] > 1 else None
    constant = correct(params, where.ds[0])
    one = jnp.ones((), offset.dtype)

    def step(swe: Array, day: DailyInputs) -> tuple[Array, Array]:
        temp, prcp, index = day
        of_day = constant if corrected is None else jax.tree.map(lambda field: field[index], corrected)
        swe, smb = ti_step(of_day)(swe, temp + offset, prcp, one)
        return swe, smb if where.bias is None else smb - where.bias

    return initial_swe(constant, offset.shape), step
