"""Balances between any two dates at any heights: what a fit compares with observations.

One daily scan over all days on a few dozen heights, snow carried; each day's balance is added to the stretch of time it
belongs to, a day on which an observation begins or ends half to the stretch before and half to that after. So winter
and summer add up to the year. What is observed is then two matrix products away: stretches to periods, heights to
places.

Discharge is another sum of the same days: from the glacier runs what is not gained, ``precipitation - balance``, and
from the ground without glacier what does not stay as snow, ``precipitation - change of SWE``. So a site with discharge
has three terms at every height, and its rows weights of all three.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.on_heights import OnHeights, Tuned, stepper


class Site(OnHeights):
    """One series of weather and everything that was observed under it.

    Attributes
    ----------
    before, after : int arrays (T,)
        stretch of time to which the first and the second half of a day belong
    spans : array (O, S)
        1 if a stretch belongs to the period of an observation, else 0
    areas : array (O, N) or (O, 3 N)
        shares of the heights in what was observed; each row adds up to 1. With `water` weights of the balances, of the
        precipitation and of the changes of SWE at the heights
    observed : array (O,)
        m w.e.
    years : array (O,)
        length of its period
    water : bool
        whether there is discharge among the observations
    """

    before: Int[AnyArray, " time"]
    after: Int[AnyArray, " time"]
    spans: Float[AnyArray, "observation stretch"]
    areas: Float[AnyArray, "observation term"]
    observed: Float[AnyArray, " observation"]
    years: Float[AnyArray, " observation"]
    water: bool = eqx.field(static=True, default=False, kw_only=True)


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


def balances(tuned: Tuned, site: Site) -> Float[Array, "stretch term"]:
    """Balance of every stretch of time at every height of a site, m w.e.: the mean over its realisations of weather.

    For a site with discharge its three terms: balance, precipitation and change of SWE (S, 3 N).

    Parameters
    ----------
    tuned : Tuned
        before correction
    site : Site
    """
    swe, step = stepper(tuned, site)
    scale = jax.vmap(correct, (None, 0))(tuned.ti.resolve(), site.ds).prec_scale if site.water else None

    def one_day(carry, day):
        swe, sums = carry
        temp, prcp, index, before, after = day
        new_swe, terms = step(swe, (temp, prcp, index))
        if scale is not None:
            terms = jnp.concatenate([terms, scale[index] * prcp, new_swe - swe])
        return (new_swe, sums.at[before].add(0.5 * terms).at[after].add(0.5 * terms)), None

    def one_realisation(temp, prcp):
        sums = jnp.zeros((site.spans.shape[1], 3 * swe.size if site.water else swe.size), swe.dtype)
        days = (temp, prcp, site.ds_index, site.before, site.after)
        return jax.lax.scan(one_day, (swe, sums), days)[0][1]

    return jnp.mean(jax.vmap(one_realisation)(site.temp, site.prcp), axis=0)


def predictions(tuned: Tuned, site: Site) -> Float[Array, " observation"]:
    """Compute the modelled values of all observations of a site, m w.e.; arguments as in :func:`balances`."""
    of_periods = jnp.matmul(site.spans, balances(tuned, site), precision=EXACT)
    return jnp.sum(of_periods * site.areas, axis=1)
