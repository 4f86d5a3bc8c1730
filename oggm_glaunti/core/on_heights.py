"""Balances between any two dates at any heights: what a fit compares with observations.

One daily scan over all days on a few dozen heights, snow carried; each day's balance is added to the stretch of time it
belongs to, a day on which an observation begins or ends half to the stretch before and half to that after. So winter
and summer add up to the year. What is observed is then two matrix products away: stretches to periods, heights to
places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.run import initial_swe, ti_step
from oggm_glaunti.core.temperature_index import TIParameters, TIWeights


class Site(NamedTuple):
    """One series of weather and everything that was observed under it.

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
    before, after : int arrays (T,)
        stretch of time to which the first and the second half of a day belong
    spans : array (O, S)
        1 where a stretch belongs to the period of an observation
    areas : array (O, N)
        shares of the heights in what was observed; each row adds up to 1
    observed : array (O,)
        m w.e.
    sigma : array (O,)
        of the observation alone, m w.e.
    years : array (O,)
        length of its period
    """

    temp: Float[Array, "realisation time"]
    prcp: Float[Array, "realisation time"]
    above_ref: Float[Array, " height"]
    ds: Float[Array, "period 5 height"]
    ds_index: Int[Array, " time"]
    before: Int[Array, " time"]
    after: Int[Array, " time"]
    spans: Float[Array, "observation stretch"]
    areas: Float[Array, "observation height"]
    observed: Float[Array, " observation"]
    sigma: Float[Array, " observation"]
    years: Float[Array, " observation"]


def stretches(
    days: np.ndarray, begin: np.ndarray, end: np.ndarray, dtype: np.typing.DTypeLike = np.float32
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut a record at the days on which observations begin or end.

    Parameters
    ----------
    days : datetime64[D] array (T,)
        of the record, consecutive
    begin, end : datetime64[D] arrays (O,)

    Returns
    -------
    before, after : int32 arrays (T,)
        see :class:`Site`
    spans : array (O, S)

    Examples
    --------
    >>> days = np.arange("2020-01-01", "2020-01-06", dtype="M8[D]")
    >>> before, after, spans = stretches(days, days[[1]], days[[3]])
    >>> before.tolist(), after.tolist(), spans.tolist()
    ([0, 0, 1, 1, 2], [0, 1, 1, 2, 2], [[0.0, 1.0, 0.0]])
    """
    cuts = np.unique(np.concatenate([begin, end]))
    before, after = (np.searchsorted(cuts, days, side).astype(np.int32) for side in ("left", "right"))
    number = np.arange(cuts.size + 1)
    first, last = np.searchsorted(cuts, begin)[:, None], np.searchsorted(cuts, end)[:, None]
    return before, after, ((number > first) & (number <= last)).astype(dtype)


class Tuned(NamedTuple):
    """What a fit may move.

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
    temp_bias: Float[Array, ""]
    temp_gradient: Float[Array, ""]


Day = tuple[Array, Array, Array]
Step = Callable[[Array, Day], tuple[Array, Array]]


def stepper(
    tuned: Tuned, above_ref: Float[Array, " height"], ds: Float[Array, "period 5 height"]
) -> tuple[Float[Array, " height"], Step]:
    """The snow on the first day, and one day of a run on heights.

    Parameters
    ----------
    tuned : Tuned
        parameters before correction
    above_ref, ds : arrays
        see :class:`Site`

    Returns
    -------
    swe : array (N,)
        m w.e.
    step : callable
        ``step(swe, (temp, prcp, ds_index)) -> (swe, smb)``: temperature and precipitation at the reference height
        as numbers or one per height (N,), snow and balance (N,)
    """
    params, offset = tuned.ti.resolve(), tuned.temp_bias + tuned.temp_gradient * above_ref
    corrected = jax.vmap(correct, (None, 0))(params, ds) if ds.shape[0] > 1 else None
    constant = correct(params, ds[0])
    one = jnp.ones((), offset.dtype)

    def step(swe: Array, day: Day) -> tuple[Array, Array]:
        temp, prcp, index = day
        of_day = constant if corrected is None else _of_period(corrected, index)
        return ti_step(of_day)(swe, temp + offset, prcp, one)

    return initial_swe(constant, offset.shape), step


def balances(tuned: Tuned, site: Site) -> Float[Array, "stretch height"]:
    """Balance of every stretch of time at every height of a site, m w.e.: the mean over its realisations of weather.

    Parameters
    ----------
    tuned : Tuned
        before correction
    site : Site
    """
    swe, step = stepper(tuned, site.above_ref, site.ds)

    def one_day(carry, day):
        swe, sums = carry
        *weather, before, after = day
        swe, smb = step(swe, tuple(weather))
        return (swe, sums.at[before].add(0.5 * smb).at[after].add(0.5 * smb)), None

    def one_realisation(temp, prcp):
        sums = jnp.zeros((site.spans.shape[1], swe.size), swe.dtype)
        days = (temp, prcp, site.ds_index, site.before, site.after)
        return jax.lax.scan(one_day, (swe, sums), days)[0][1]

    return jnp.mean(jax.vmap(one_realisation)(site.temp, site.prcp), axis=0)


def _of_period(corrected: TIParameters, period: Int[Array, ""]) -> TIParameters:
    """Parameters of one mass-balance year; those that no correction touches are the same in all."""
    return jax.tree.map(lambda field: field[period], corrected)


def predictions(tuned: Tuned, site: Site) -> Float[Array, " observation"]:
    """What the model says of every observation of a site, m w.e.; arguments as in :func:`balances`."""
    exact = jax.lax.Precision.HIGHEST
    of_periods = jnp.matmul(site.spans, balances(tuned, site), precision=exact)
    return jnp.sum(of_periods * site.areas, axis=1)
