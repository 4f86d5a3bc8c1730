"""Liquid water of the surface layer from daily melt: a flux is not a state.

Satellites see water that is there, a mass balance tells how much melts. Between the two lie drainage, the pores that
hold water, and frost:

``W_t = min(capacity, k W_(t-1) + melt + rain - refreeze)``, with ``refreeze = min(water, refreezing x cold)``

where `cold` are the negative degrees of the day. What drains and what exceeds the capacity is runoff, so that
``W_0 + sum(melt + rain) = W_T + sum(refreeze) + sum(runoff)``.

Overpasses are at certain hours. Within a day melt follows half a sine from 8 to 20 h local solar time, rain and
drainage are even, and water freezes from 20 to 8 h: ``done_by`` gives the shares of a day's terms done by an hour.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from oggm_glaunti.core.arrays import AnyArray

# h. Melt between these; frost acts in the other half of the day.
MORNING, EVENING = 8.0, 20.0
OVERPASSES = (6.0, 18.0)
"""Hours (local solar time) of the descending and ascending passes of Sentinel-1 and of the radiometers."""

Daily = Float[AnyArray, "time ..."]


class WaterParameters(NamedTuple):
    """Parameters of the surface layer; before a fit those of the first snow of a season.

    Attributes
    ----------
    k : float
        share of the water that is still there a day later, 0 to 1
    capacity : float
        most water that the layer holds, m w.e.: 5 % of the pores of half a metre of snow and more
    refreezing : float
        water that freezes at -1 degC, m w.e. K-1 day-1
    """

    k: float = 0.7
    capacity: float = 0.03
    refreezing: float = 0.002


class WaterDays(NamedTuple):
    """Water of some days, m w.e.

    Attributes
    ----------
    water : array (T, ...)
        at the end of each day (or at an hour of it, see :func:`water_at`)
    refreeze, runoff : arrays (T, ...)
        of each day
    """

    water: Float[Array, "time ..."]
    refreeze: Float[Array, "time ..."]
    runoff: Float[Array, "time ..."]


def surface_water(
    melt: Daily,
    rain: Daily,
    temp: Daily,
    k: float = WaterParameters().k,
    capacity: float = WaterParameters().capacity,
    refreezing: float = WaterParameters().refreezing,
    start: float | Float[AnyArray, "..."] = 0.0,
) -> WaterDays:
    """Compute the liquid water of the surface layer, day by day.

    Parameters
    ----------
    melt, rain : arrays (T, ...)
        of each day, m w.e., not negative
    temp : array (T, ...)
        daily mean air temperature, degC
    k, capacity, refreezing
        see :class:`WaterParameters`; numbers, or arrays (...)
    start : float or array (...)
        water before the first day, m w.e.

    Returns
    -------
    WaterDays

    Examples
    --------
    >>> days = surface_water(jnp.array([0.02, 0.0, 0.0]), jnp.zeros(3), jnp.array([4.0, -1.0, -20.0]), k=0.5)
    >>> [round(float(w), 3) for w in days.water]
    [0.02, 0.008, 0.0]
    """
    melt, rain, temp = jnp.broadcast_arrays(*map(jnp.asarray, (melt, rain, temp)))
    first = jnp.broadcast_to(jnp.asarray(start, melt.dtype), melt.shape[1:])
    return _run(melt + rain, jnp.maximum(-temp, 0.0), k, capacity, refreezing, first)


# Compiled once for all parameters: a fit tries many.
@jax.jit
def _run(gain, cold, k, capacity, refreezing, first) -> WaterDays:
    def day(water, terms):
        gain, cold = terms
        kept = k * water
        available = kept + gain
        refreeze = jnp.minimum(available, refreezing * cold)
        left = available - refreeze
        new = jnp.minimum(left, capacity)
        return new, WaterDays(new, refreeze, (water - kept) + (left - new))

    return jax.lax.scan(day, first, (gain, cold))[1]


def done_by(hour: float) -> tuple[float, float, float]:
    """Return the shares of a day's melt, of its rain and of its refreezing that lie before an hour (0 to 24).

    Examples
    --------
    >>> [round(share, 3) for share in done_by(18.0)]
    [0.933, 0.75, 0.667]
    """
    if not 0.0 <= hour <= 24.0:
        raise ValueError(f"hour: expected 0 to 24, found {hour}")
    light = np.clip((hour - MORNING) / (EVENING - MORNING), 0.0, 1.0)
    dark = min(hour, MORNING) + max(hour - EVENING, 0.0)
    return float(0.5 - 0.5 * np.cos(np.pi * light)), hour / 24.0, dark / (24.0 - EVENING + MORNING)


def water_at(
    hour: float,
    melt: Daily,
    rain: Daily,
    days: WaterDays,
    k: float = WaterParameters().k,
    capacity: float = WaterParameters().capacity,
    start: float | Float[AnyArray, "..."] = 0.0,
) -> Float[Array, "time ..."]:
    """Return the water at an hour of each day.

    Parameters
    ----------
    hour : float
        local solar time, 0 to 24
    melt, rain, k, capacity, start
        as in :func:`surface_water`
    days : WaterDays
        what that returned

    Returns
    -------
    array (T, ...)
        m w.e.

    Examples
    --------
    >>> melt, nothing = jnp.array([0.01, 0.01]), jnp.zeros(2)
    >>> days = surface_water(melt, nothing, nothing + 2.0)
    >>> [[round(float(w), 4) for w in water_at(hour, melt, nothing, days)] for hour in (6.0, 18.0)]
    [[0.0, 0.0091], [0.0093, 0.017]]
    """
    of_melt, of_rain, of_frost = done_by(hour)
    first = jnp.broadcast_to(jnp.asarray(start, days.water.dtype), days.water.shape[1:])
    before = jnp.concatenate([first[None], days.water[:-1]])
    water = before * k ** (hour / 24.0) + of_melt * melt + of_rain * rain - of_frost * days.refreeze
    return jnp.clip(water, 0.0, capacity)
