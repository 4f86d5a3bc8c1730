"""Exact derivatives of a glacier's balance to the weather of every block of days, all at once.

At each height the past acts on the future through one number, the snow. So one scan over the days suffices, with three
tangents that restart with each block: of a unit of snow at its start, of its temperature, of its precipitation. The
effect of a block on any later sum then follows backwards over the blocks.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.on_heights import Tuned, stepper


class Blocks(NamedTuple):
    """Days in blocks that share an error of the weather.

    Attributes
    ----------
    of_day : int array (T,)
        number of the block of each day, -1 for days that are in none
    starts, stops : int arrays (B,)
        first day of each block, and one past its last
    """

    of_day: Int[AnyArray, " time"]
    starts: Int[AnyArray, " block"]
    stops: Int[AnyArray, " block"]

    @property
    def n(self) -> int:
        """Number of blocks."""
        return self.starts.shape[-1]

    @property
    def middles(self) -> Float[AnyArray, " block"]:
        """Middle of each block, days (B,)."""
        return 0.5 * (self.starts + self.stops)


class BlockDerivatives(NamedTuple):
    """Balance and derivatives of blocks of days at each height: (B, N), or (R, B, N) for several realisations.

    Attributes
    ----------
    smb : array
        balance of the block, m w.e.
    smb_swe, smb_temp, smb_log_prcp : arrays
        its derivative to the snow at the block's start (1), to a shift of the block's temperature (m w.e. K-1) and of
        the logarithm of its precipitation (m w.e.)
    swe_swe, swe_temp, swe_log_prcp : arrays
        derivatives of the snow at the block's end to the same
    """

    smb: Float[AnyArray, "*realisation block height"]
    smb_swe: Float[AnyArray, "*realisation block height"]
    smb_temp: Float[AnyArray, "*realisation block height"]
    smb_log_prcp: Float[AnyArray, "*realisation block height"]
    swe_swe: Float[AnyArray, "*realisation block height"]
    swe_temp: Float[AnyArray, "*realisation block height"]
    swe_log_prcp: Float[AnyArray, "*realisation block height"]


def weekly_blocks(period: np.ndarray, length: int = 7, cuts: Sequence[int] = ()) -> Blocks:
    """Divide all days that count into blocks of `length` days, in order.

    Parameters
    ----------
    period : int array (T,)
        of a :class:`~oggm_glaunti.analysis.trajectory.Trajectory`; days below 0 are in no block
    length : int
        days of a block; the last one takes the remaining days, so that none is shorter
    cuts : sequence of int
        days (numbers from 0 to T) at which a block has to begin, for sums over years or seasons; the block before takes
        the remaining days

    Raises
    ------
    ValueError
        for a `length` below 1, or if the days that count are not consecutive

    Examples
    --------
    >>> blocks = weekly_blocks(np.array([-1, 0, 0, 0, 0, 0, 1, 1]), length=2)
    >>> blocks.starts.tolist(), blocks.stops.tolist(), blocks.of_day.tolist()
    ([1, 3, 5], [3, 5, 8], [-1, 0, 0, 1, 1, 2, 2, 2])
    >>> weekly_blocks(np.array([-1, 0, 0, 0, 0, 0, 1, 1]), length=2, cuts=[6]).starts.tolist()
    [1, 3, 6]
    """
    days = np.flatnonzero(np.asarray(period) >= 0)
    if length < 1 or days.size == 0 or days[-1] - days[0] + 1 != days.size:
        raise ValueError(
            f"expected blocks of a day or more over consecutive days, found length={length} and {days.size} days"
        )
    first, end = int(days[0]), int(days[-1]) + 1
    edges = sorted({first, end, *(int(cut) for cut in cuts if first < cut < end)})
    starts = np.concatenate([a + length * np.arange(max((b - a) // length, 1)) for a, b in pairwise(edges)])
    return consecutive_blocks(starts, end, np.size(period))


def consecutive_blocks(starts: np.ndarray, end: int, days: int) -> Blocks:
    """Return the blocks of a record of so many days that begin at `starts`, the last of them up to `end`."""
    stops, index = np.append(starts[1:], end), np.full(days, -1, np.int32)
    index[starts[0] : end] = np.repeat(np.arange(starts.size), stops - starts)
    return Blocks(index, starts.astype(np.int32), stops.astype(np.int32))


def year_cuts(period: np.ndarray) -> list[int]:
    """Return the days on which a year begins, as `cuts` of :func:`weekly_blocks`.

    Examples
    --------
    >>> year_cuts(np.array([-1, 0, 0, 1, 1]))
    [1, 3]
    """
    period = np.asarray(period)
    return (np.flatnonzero((np.diff(period) != 0) & (period[1:] >= 0)) + 1).tolist()


def block_derivatives(tuned: Tuned, trajectory: Trajectory, blocks: Blocks) -> BlockDerivatives:
    """Compute the derivatives of every block's balance and snow in one scan over the days.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
    blocks : Blocks
        see :func:`~oggm_glaunti.core.on_heights.stepper`

    Returns
    -------
    BlockDerivatives
        without the leading axis if there is one realisation
    """
    begins = jnp.diff(jnp.asarray(blocks.of_day), prepend=-1) != 0
    swe, step = stepper(tuned, trajectory)
    # Derivatives of the snow to the snow at the block's start, to temperature, to log precipitation.
    anew = jnp.zeros((3, swe.size), swe.dtype).at[0].set(1.0)

    def one_day(carry, day):
        swe, of_swe, smb, of_smb = carry
        begins, *weather = day
        of_swe, smb, of_smb = (jnp.where(begins, new, old) for new, old in ((anew, of_swe), (0.0, smb), (0.0, of_smb)))
        swe, of_day, (swe_by, smb_by), (swe_own, smb_own) = _partials(step, swe, *weather)
        smb, of_smb = smb + of_day, of_smb + smb_by * of_swe + smb_own
        of_swe = swe_by * of_swe + swe_own
        return (swe, of_swe, smb, of_smb), (of_swe, smb, of_smb)

    def one_realisation(temp: AnyArray, prcp: AnyArray) -> BlockDerivatives:
        begin = (swe, anew, jnp.zeros_like(swe), jnp.zeros_like(anew))
        days = (begins, temp, prcp, trajectory.ds_index)
        of_swe, smb, of_smb = (rows[blocks.stops - 1] for rows in jax.lax.scan(one_day, begin, days)[1])
        return BlockDerivatives(smb, *jnp.moveaxis(of_smb, 1, 0), *jnp.moveaxis(of_swe, 1, 0))

    if trajectory.temp.shape[0] == 1:
        return one_realisation(trajectory.temp[0], trajectory.prcp[0])
    return jax.vmap(one_realisation)(trajectory.temp, trajectory.prcp)


def _partials(step, swe, temp, prcp, index):
    """Differentiate one day: to the snow before (N,), and its own part to (snow, temperature, log prcp) (3, N)."""

    def day(swe, temp, log_prcp):
        return step(swe, (temp, prcp * jnp.exp(log_prcp), index))

    at = (swe, jnp.broadcast_to(temp, swe.shape), jnp.zeros_like(swe))
    one, zero = jnp.ones_like(swe), jnp.zeros_like(swe)
    (swe, smb), along = jax.linearize(day, *at)
    # A day at one height does not depend on other heights, so ones give the derivatives at all heights.
    by_swe, by_temp, by_prcp = along(one, zero, zero), along(zero, one, zero), along(zero, zero, one)
    own = tuple(jnp.stack([zero, t, p]) for t, p in zip(by_temp, by_prcp, strict=True))
    return swe, smb, by_swe, own


def cumulative_jacobian(
    derivatives: BlockDerivatives, area: Float[AnyArray, " height"]
) -> tuple[Float[Array, "block block"], Float[Array, "block block"]]:
    """Compute the derivatives of the glacier's cumulative balance at each block's end to the weather of each block.

    It goes backwards over the blocks, for all ends at once, with the effect of the snow after a block on the sum from
    there to the end. No products of the snow's own transitions are formed: over years they decay to nothing.

    Parameters
    ----------
    derivatives : BlockDerivatives
        of one realisation, or of several: then the result is the derivative of their mean
    area : array (N,)
        shares of the glacier's area

    Returns
    -------
    temp : array (B, B)
        ``[k, b]``: derivative of the sum up to the end of block k to a shift of the temperature of block b, m w.e. K-1;
        zero for blocks after the end
    log_prcp : array (B, B)
        the same to the logarithm of precipitation, m w.e.
    """
    if derivatives.smb.ndim == 3:
        temp, log_prcp = jax.vmap(cumulative_jacobian, (0, None))(derivatives, area)
        return jnp.mean(temp, axis=0), jnp.mean(log_prcp, axis=0)
    d, block = derivatives, jnp.arange(derivatives.smb.shape[0])
    own = jnp.stack([jnp.matmul(smb, area, precision=EXACT) for smb in (d.smb_temp, d.smb_log_prcp)], axis=1)
    through_snow = jnp.stack([d.swe_temp, d.swe_log_prcp], axis=2) * jnp.asarray(area)[:, None]

    def one_block(later, of_block):
        b, own, through_snow, smb_swe, swe_swe = of_block
        seen = (block >= b)[:, None]
        row = jnp.where(seen, own + jnp.matmul(later, through_snow, precision=EXACT), 0.0)
        return jnp.where(seen, smb_swe + swe_swe * later, 0.0), row

    over = (block, own, through_snow, d.smb_swe, d.swe_swe)
    rows = jax.lax.scan(one_block, jnp.zeros_like(d.smb), over, reverse=True)[1]
    return rows[..., 0].T, rows[..., 1].T


def jacobian_by_height(
    derivatives: BlockDerivatives, first: int | AnyArray, stop: int | AnyArray
) -> tuple[Float[Array, "block height"], Float[Array, "block height"]]:
    """Compute the derivatives of the balance at each height over some blocks to the weather of each block.

    Parameters
    ----------
    derivatives : BlockDerivatives
        see :func:`cumulative_jacobian`
    first, stop : int
        first block of the sum, and one past its last

    Returns
    -------
    temp, log_prcp : arrays (B, N)
        m w.e. K-1 and m w.e.; blocks before the first have an effect through the snow they leave, those from `stop` on
        have none
    """
    if derivatives.smb.ndim == 3:
        temp, log_prcp = jax.vmap(jacobian_by_height, (0, None, None))(derivatives, first, stop)
        return jnp.mean(temp, axis=0), jnp.mean(log_prcp, axis=0)
    block = jnp.arange(derivatives.smb.shape[0])
    counts = ((block >= first) & (block < stop))[:, None]

    def one_block(later, of_block):
        counts, d = of_block
        temp = jnp.where(counts, d.smb_temp, 0.0) + d.swe_temp * later
        log_prcp = jnp.where(counts, d.smb_log_prcp, 0.0) + d.swe_log_prcp * later
        return jnp.where(counts, d.smb_swe, 0.0) + d.swe_swe * later, (temp, log_prcp)

    return jax.lax.scan(one_block, jnp.zeros_like(derivatives.smb[0]), (counts, derivatives), reverse=True)[1]
