"""Derivatives of balances over any periods at all heights to the parameters and to the weather of every week."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.analysis.uncertainty.blocks import Blocks, block_derivatives, consecutive_blocks, jacobian_by_height
from oggm_glaunti.analysis.uncertainty.propagation import moved
from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.on_heights import Tuned, stepper
from oggm_glaunti.fit.calibration.priors import STORED


class Periods(NamedTuple):
    """Periods over which balances are measured or wanted; see :func:`periods_between`.

    Attributes
    ----------
    weeks : Blocks
        of days that share an error of the weather
    pieces : Blocks
        the same, cut where a period begins or ends
    week : int array (B,)
        number of the block that each piece is of
    first, stop : int arrays (S,)
        first piece of each period, and one past its last
    scale : array (S,)
        factor on the balance of a period: 0.1 turns the sum of ten years into their mean
    """

    weeks: Blocks
    pieces: Blocks
    week: Int[AnyArray, " piece"]
    first: Int[AnyArray, " period"]
    stop: Int[AnyArray, " period"]
    scale: Float[AnyArray, " period"]


class Jacobians(NamedTuple):
    """Derivatives of balances to all uncertain inputs; leading axes are those of the balances.

    Made by :func:`balance_jacobians`: by period and height. Means over the glacier and wanted quantities have
    the same form.

    Attributes
    ----------
    params : array (..., P)
        to the stored numbers of the parameters, m w.e. per unit of each
    temp, log_prcp : arrays (..., W)
        to a shift of every week's temperature, m w.e. K-1, and of the logarithm of its precipitation, m w.e.
    """

    params: Float[AnyArray, "*balance parameter"]
    temp: Float[AnyArray, "*balance week"]
    log_prcp: Float[AnyArray, "*balance week"]


def periods_between(weeks: Blocks, days: Sequence[tuple[int, int]], scale: Sequence[float] | None = None) -> Periods:
    """Define periods by the numbers of their days in a trajectory.

    Parameters
    ----------
    weeks : Blocks
        see :func:`~oggm_glaunti.analysis.uncertainty.blocks.weekly_blocks`. A period may begin or end inside of one
    days : sequence of (int, int)
        first day of each period, and one past its last
    scale : sequence of float, optional
        see :class:`Periods`; default 1

    Raises
    ------
    ValueError
        if a period is empty or not within the blocks

    Examples
    --------
    >>> from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks
    >>> periods = periods_between(weekly_blocks(np.zeros(21, int)), [(0, 21), (0, 9), (9, 21)])
    >>> periods.pieces.starts.tolist(), periods.week.tolist(), periods.first.tolist(), periods.stop.tolist()
    ([0, 7, 9, 14], [0, 1, 1, 2], [0, 0, 2], [4, 2, 4])
    """
    begin, end = np.asarray(days, np.int32).reshape(-1, 2).T
    all_days = int(weeks.starts[0]), int(weeks.stops[-1])
    if not ((all_days[0] <= begin) & (begin < end) & (end <= all_days[1])).all():
        raise ValueError(f"periods: expected days within {all_days}, each begin before its end, found {[*days]}")
    starts = np.union1d(weeks.starts, np.setdiff1d([*begin, *end], all_days[1]))
    first, stop = (np.searchsorted(np.append(starts, all_days[1]), edge).astype(np.int32) for edge in (begin, end))
    week = np.asarray(weeks.of_day)[starts]
    factors = np.ones(begin.size) if scale is None else np.asarray(scale, np.float64)
    pieces = consecutive_blocks(starts, all_days[1], np.size(weeks.of_day))
    return Periods(weeks, pieces, week, first, stop, factors)


def period_balances(tuned: Tuned, trajectory: Trajectory, periods: Periods) -> Float[Array, "period height"]:
    """Compute the balance of each period at each height, times its scale, m w.e.; the mean over the realisations.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    periods : Periods
        see :func:`~oggm_glaunti.core.on_heights.stepper`
    """
    swe, step = stepper(tuned, trajectory)
    index = jnp.asarray(periods.pieces.of_day)[:, None]
    belongs = jnp.where((index >= periods.first) & (index < periods.stop), periods.scale, 0.0).astype(swe.dtype)

    def one_day(carry, day):
        swe, sums = carry
        *weather, belongs = day
        swe, smb = step(swe, tuple(weather))
        return (swe, sums + belongs[:, None] * smb), None

    def one_realisation(temp, prcp):
        sums = jnp.zeros((belongs.shape[1], swe.size), swe.dtype)
        return jax.lax.scan(one_day, (swe, sums), (temp, prcp, trajectory.ds_index, belongs))[0][1]

    return jnp.mean(jax.vmap(one_realisation)(trajectory.temp, trajectory.prcp), axis=0)


def balance_jacobians(tuned: Tuned, trajectory: Trajectory, periods: Periods, names: Sequence[str]) -> Jacobians:
    """Compute the derivatives of the balance of each period at each height to parameters and weather.

    Parameters
    ----------
    tuned, trajectory, periods
        as :func:`period_balances`
    names : sequence of str
        of the uncertain parameters, of the keys of :data:`oggm_glaunti.fit.calibration.priors.SPREAD`

    Returns
    -------
    Jacobians
        of balances (S, N)
    """
    stored = tuple(STORED.get(name, name) for name in names)

    def balances(by: Array) -> Array:
        return period_balances(moved(tuned, stored, by), trajectory, periods)

    derivatives = block_derivatives(tuned, trajectory, periods.pieces)
    by_piece = jax.vmap(partial(jacobian_by_height, derivatives))(periods.first, periods.stop)
    # Summed over the pieces of a week, which share its error.
    scale, weeks = periods.scale.astype(by_piece[0].dtype), (*by_piece[0].shape[::2], periods.weeks.n)
    weighted = (jnp.moveaxis(pieces, 1, 2) * scale[:, None, None] for pieces in by_piece)
    temp, log_prcp = (jnp.zeros(weeks, scale.dtype).at[..., periods.week].add(pieces) for pieces in weighted)
    return Jacobians(jax.jacfwd(balances)(jnp.zeros(len(names), trajectory.temp.dtype)), temp, log_prcp)
