"""A glacier's daily run on heights, which every analysis differentiates.

The temperature index depends on height, the year's corrections and the weather alone, so a glacier is a few dozen
heights with the share of its area at each. Corrections are given, not recomputed: what is differentiated is the
temperature index under the corrections of models C and D.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.on_heights import OnHeights, Tuned, stepper
from oggm_glaunti.core.units import N_CORRECTIONS


class Trajectory(OnHeights):
    """A glacier's record on heights, the area at each, and the years that its days count to.

    Attributes
    ----------
    area : array (N,)
        shares of the glacier's area; they add up to 1
    period : int array (T,)
        number of the year a day counts to, -1 for days that are run for their snow only
    years : int array (Y,)
        the years that are analysed
    """

    area: Float[AnyArray, " height"]
    period: Int[AnyArray, " time"]
    years: Int[AnyArray, " year"]


class Change(NamedTuple):
    """A change of the weather; each member a number, one per day (T,), or one per day and height (T, N).

    The variable of differentiation: :func:`run` adds it to the record.

    Attributes
    ----------
    temp : array
        added to temperature, K
    log_prcp : array
        added to the logarithm of precipitation: 0.1 is 10.5 % more
    """

    temp: Float[AnyArray, "..."]
    log_prcp: Float[AnyArray, "..."]


NO_CHANGE = Change(np.zeros((), np.float32), np.zeros((), np.float32))


def run(
    tuned: Tuned, trajectory: Trajectory, change: Change = NO_CHANGE, observe: Callable[[Array], Any] = lambda smb: smb
) -> Any:
    """Run a trajectory and return `observe` of each day's balance by height (N,), averaged over the realisations.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    change : Change
    observe : callable
        applied to the balance of each day (N,); default: the balance itself, so that the result is (T, N), m w.e.

    Examples
    --------
    >>> from oggm_glaunti.core.on_heights import Tuned
    >>> from oggm_glaunti.core import ti_weights
    >>> temp, prcp = np.full((1, 10), 5.0, np.float32), np.zeros((1, 10), np.float32)
    >>> valley = one_height(temp, prcp)
    >>> smb = jax.jit(run)(Tuned(ti_weights(), np.float32(0.0), np.float32(-0.006)), valley)
    >>> smb.shape, bool((smb < 0.0).all())
    ((10, 1), True)
    """
    swe, step = stepper(tuned, trajectory)
    days = trajectory.temp.shape[-1]
    by_height = (field if field.ndim == 2 else field[..., None] for field in map(jnp.asarray, change))
    d_temp, d_log_prcp = (jnp.broadcast_to(field, (days, field.shape[-1])) for field in by_height)

    def one_day(swe, day):
        temp, prcp, index, d_temp, d_log_prcp = day
        swe, smb = step(swe, (temp + d_temp, prcp * jnp.exp(d_log_prcp), index))
        return swe, observe(smb)

    def one_realisation(temp, prcp):
        return jax.lax.scan(one_day, swe, (temp, prcp, trajectory.ds_index, d_temp, d_log_prcp))[1]

    of_each = jax.vmap(one_realisation)(trajectory.temp, trajectory.prcp)
    return jax.tree.map(lambda values: jnp.mean(values, axis=0), of_each)


def on_days(values: Float[AnyArray, " slot"], slot: Int[AnyArray, " time"]) -> Float[Array, " time"]:
    """Spread values of parts of the record over its days; 0 for days that belong to none (-1)."""
    return jnp.append(values, jnp.zeros((), values.dtype))[slot]


def daily(tuned: Tuned, trajectory: Trajectory, change: Change = NO_CHANGE) -> Float[Array, " time"]:
    """Compute the mean balance of the glacier on each day, m w.e.; arguments as in :func:`run`."""
    area = jnp.asarray(trajectory.area)
    return run(tuned, trajectory, change, lambda smb: jnp.sum(smb * area))


def annual(tuned: Tuned, trajectory: Trajectory, change: Change = NO_CHANGE) -> Float[Array, " year"]:
    """Compute the mean balance of the glacier in each year, m w.e.; arguments as in :func:`run`."""
    return sum_by_year(trajectory, daily(tuned, trajectory, change))


def annual_by_height(tuned: Tuned, trajectory: Trajectory, change: Change = NO_CHANGE) -> Float[Array, "year height"]:
    """Compute the balance at each height in each year, m w.e.; arguments as in :func:`run`."""
    return sum_by_year(trajectory, run(tuned, trajectory, change))


def sum_by_year(trajectory: Trajectory, values: Float[AnyArray, "time *rest"]) -> Float[Array, "year *rest"]:
    """Sum daily values over the days of each year."""
    n = trajectory.years.shape[0]
    sums = jnp.zeros((n + 1, *values.shape[1:]), values.dtype)
    # Days that count to no year go to an extra row.
    return sums.at[jnp.where(trajectory.period < 0, n, trajectory.period)].add(values)[:n]


def one_height(temp: np.ndarray, prcp: np.ndarray) -> Trajectory:
    """Return the trajectory of one point at the reference height, all days (1, T) in one year called 0."""
    dtype, days = temp.dtype, temp.shape[-1]
    at_place, index = np.zeros(1, dtype), np.zeros(days, np.int32)
    corrections, years = np.zeros((1, N_CORRECTIONS, 1), dtype), np.zeros(1, np.int32)
    return Trajectory(temp, prcp, at_place, corrections, index, at_place + 1, index, years, bias=dtype.type(0))


def stack_trajectories(trajectories: Sequence[Trajectory]) -> Trajectory:
    """Stack the trajectories of several glaciers along a leading axis, for :func:`jax.vmap`.

    Shorter records are padded with days that count to no year, smaller glaciers with heights without area; neither has
    an effect on the results.

    Raises
    ------
    ValueError
        if the numbers of years or of realisations differ
    """
    for name, shape in (("years", lambda t: t.years.shape), ("realisations", lambda t: t.temp.shape[:1])):
        if len({shape(t) for t in trajectories}) > 1:
            raise ValueError(
                f"trajectories of one batch have the same number of {name}, found {[*map(shape, trajectories)]}"
            )
    days, heights, years = (
        max(getattr(t, name).shape[axis] for t in trajectories) for name, axis in (("temp", 1), ("area", 0), ("ds", 0))
    )
    padded = [_padded_trajectory(t, days, heights, years) for t in trajectories]
    return jax.tree.map(lambda *fields: np.stack(fields), *padded)


def _padded_trajectory(t: Trajectory, days: int, heights: int, years: int) -> Trajectory:
    after, above, later = days - t.temp.shape[1], heights - t.area.shape[0], years - t.ds.shape[0]
    return t.replace(
        temp=np.pad(t.temp, ((0, 0), (0, after))),
        prcp=np.pad(t.prcp, ((0, 0), (0, after))),
        above_ref=np.pad(t.above_ref, (0, above), mode="edge"),
        area=np.pad(t.area, (0, above)),
        ds=np.pad(t.ds, ((0, later), (0, 0), (0, above)), mode="edge"),
        ds_index=np.pad(t.ds_index, (0, after)),
        period=np.pad(t.period, (0, after), constant_values=-1),
    )
