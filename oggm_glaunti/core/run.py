"""Days to seasons to years: the scan, its edge weights and what is observed on the way.

A *step* is a function ``(state, temp, prcp, weight) -> (state, smb)`` of one day, such as
:func:`~oggm_glaunti.core.temperature_index.smooth_day` with its parameters filled in. States are handed on from season
to season and year to year by the caller: running two halves one after the other is running the whole.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from oggm_glaunti.core.arrays import Daily, Field
from oggm_glaunti.core.checks import require_finite
from oggm_glaunti.core.forcing import Forcing
from oggm_glaunti.core.temperature_index import TIParameters

Step = Callable[[Any, Array, Array, Array], tuple[Any, Any]]
Observe = Callable[[Array], Any] | None
"""Applied to the daily balance of a run, if given."""


def season_weights(n_days: int, dtype: np.typing.DTypeLike = np.float32) -> np.ndarray:
    """Weights of the days of a season run by itself: half on the first and last day, which seasons share.

    Examples
    --------
    >>> season_weights(4)
    array([0.5, 1. , 1. , 0.5], dtype=float32)
    """
    if n_days < 2:
        raise ValueError(f"a season needs at least 2 days, found {n_days}")
    weights = np.ones(n_days, dtype)
    weights[[0, -1]] = 0.5
    return weights


def continuous_weights(n_days: int, dtype: np.typing.DTypeLike = np.float32) -> np.ndarray:
    """Weights of the days of a continuous run: one each."""
    return np.ones(n_days, dtype)


def run_days(step: Step, state: Any, forcing: Forcing, weights: Daily, observe: Observe = None) -> tuple[Any, Any, Any]:
    """Run a step over all days of a forcing, unchecked; :func:`run_ti` and its like look for NaN first.

    Parameters
    ----------
    step : callable
        ``(state, temp, prcp, weight) -> (state, smb)``
    state : pytree
        at the beginning
    forcing : Forcing
    weights : array (T,)
        of the days, see :func:`season_weights`; a day of weight 0 is not run and leaves the state alone, whatever
        its weather, so that periods of different lengths can be padded to one
    observe : callable, optional
        applied to the daily smb (...); what it returns is stacked over the days. The identity gives daily maps,
        ``lambda smb: smb[rows, cols]`` the series of some pixels.

    Returns
    -------
    state : pytree
        at the end
    smb : pytree
        sum over the days of what the step returned, m w.e.
    observed : pytree with a leading time axis, or None
    """

    def body(carry, day):
        state, total = carry
        weather, weight = day
        # Whatever such a day holds must not reach a derivative either: zero times NaN is NaN.
        temp, prcp = (jnp.where(weight > 0, series, jnp.zeros_like(series)) for series in forcing.at(weather))
        new_state, smb = step(state, temp, prcp, weight)
        state = jax.tree.map(lambda new, old: jnp.where(weight > 0, new, old), new_state, state)
        smb = jax.tree.map(lambda balance: jnp.where(weight > 0, balance, jnp.zeros_like(balance)), smb)
        return (state, jax.tree.map(jnp.add, total, smb)), None if observe is None else observe(smb)

    temp, prcp = forcing.one_day()
    weights = jnp.asarray(weights, jnp.result_type(temp, prcp))
    total = jax.tree.map(jnp.zeros_like, jax.eval_shape(step, state, temp, prcp, weights[0])[1])
    (state, total), observed = jax.lax.scan(body, (state, total), (forcing.days(), weights))
    return state, total, observed


def ti_step(params: TIParameters) -> Step:
    """Return the step of a temperature index: the day of its parameters."""
    return partial(params.day.run, params)


def run_ti(
    params: TIParameters, swe: Field, forcing: Forcing, weights: Daily, observe: Observe = None
) -> tuple[Float[Array, "..."], Float[Array, "..."], Any]:
    """Run a temperature index over all days of a forcing.

    Parameters
    ----------
    params : TIParameters
        their `day` is run: the smooth one is model A
    swe : array (...)
        snow at the beginning, m w.e.; see :func:`initial_swe`
    forcing, weights, observe
        see :func:`run_days`

    Returns
    -------
    swe : array (...)
        snow at the end, m w.e.
    smb : array (...)
        balance of the period, m w.e.
    observed : pytree or None

    Examples
    --------
    >>> from oggm_glaunti.core import station_forcing, ti_weights
    >>> params = ti_weights().resolve()
    >>> weather = station_forcing(jnp.full(30, 5.0), jnp.zeros(30), jnp.array([2000.0, 4000.0]), 2000.0, -0.006)
    >>> swe, smb, _ = run_ti(params, initial_swe(params, (2,)), weather, season_weights(30))
    >>> [round(float(b), 2) for b in smb]
    [-0.77, -0.0]
    """
    swe = require_finite("swe", swe)
    return run_days(ti_step(params), swe, forcing.checked(weights), weights, observe)


def initial_swe(params: TIParameters, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Return the snow at the start if none is known: the depletion centre everywhere, m w.e."""
    return jnp.broadcast_to(params.snow_depletion_centre, shape)
