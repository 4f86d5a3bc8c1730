"""The uncertainty of a series of balances: errors of weather and parameters propagated through the whole run.

To first order without any sampling (:func:`propagate`, :func:`forcing_variance`, :func:`parameter_jacobian`), and by
running the model itself with drawn errors (:func:`ensemble`). Errors of the weather are one number per block of days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import ArrayLike, NDArray

from oggm_glaunti.analysis.trajectory import NO_CHANGE, Change, Trajectory, daily, on_days
from oggm_glaunti.analysis.uncertainty.blocks import Blocks, block_derivatives, cumulative_jacobian
from oggm_glaunti.analysis.uncertainty.draws import SHORTEST_CORRELATION, WEEKLY_ERRORS, BlockErrors, WeatherErrors
from oggm_glaunti.core.arrays import EXACT, AnyArray
from oggm_glaunti.core.on_heights import Tuned


class Propagated(NamedTuple):
    """A series of balances and its derivatives.

    Attributes
    ----------
    smb : array (B,)
        balance of the glacier from the first block to the end of each, m w.e.
    temp : array (B, B)
        its derivative to the temperature of each block, m w.e. K-1
    log_prcp : array (B, B)
        its derivative to the logarithm of each block's precipitation, m w.e.
    """

    smb: Float[AnyArray, " block"]
    temp: Float[AnyArray, "end block"]
    log_prcp: Float[AnyArray, "end block"]

    def rows(self, ends: Int[AnyArray, " sum"]) -> Propagated:
        """Return the balances between consecutive `ends` (numbers of blocks), for example years, with derivatives."""
        return Propagated(*(between(field, ends) for field in self))


class ForcingVariance(NamedTuple):
    """Variances (or covariances) by their cause, m2 w.e.

    Attributes
    ----------
    temp, log_prcp : arrays
        from errors of temperature and of precipitation
    """

    temp: Float[AnyArray, "..."]
    log_prcp: Float[AnyArray, "..."]

    @property
    def total(self) -> Float[AnyArray, "..."]:
        """Sum of both causes, which are independent."""
        return self.temp + self.log_prcp


def between(cumulative: Float[AnyArray, "block *rest"], ends: Int[AnyArray, " sum"]) -> Float[Array, "sum *rest"]:
    """Return the differences between consecutive `ends` of a cumulative series, preceded by its first value."""
    at_ends = cumulative[jnp.asarray(ends)]
    return at_ends.at[1:].add(-at_ends[:-1])


def year_ends(period: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Return the number of the block with which each year ends, int array (Y,).

    Raises
    ------
    ValueError
        if a year ends within a block

    Examples
    --------
    >>> from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks, year_cuts
    >>> period = np.array([-1, 0, 0, 0, 1, 1, 1])
    >>> year_ends(period, weekly_blocks(period, 2, year_cuts(period))).tolist()
    [0, 1]
    """
    period, stops = np.asarray(period), np.asarray(blocks.stops)
    last = np.flatnonzero((period >= 0) & (np.append(period[1:], -1) != period)) + 1
    if not np.isin(last, stops).all():
        raise ValueError(f"years end on days {last.tolist()}, within a block; cut the blocks at year_cuts(period)")
    return np.searchsorted(stops, last)


@jax.jit
def propagate(tuned: Tuned, trajectory: Trajectory, blocks: Blocks) -> Propagated:
    """Compute the cumulative balance at the end of each block and its exact derivatives to the weather of all blocks.

    Parameters
    ----------
    tuned : Tuned
    trajectory : Trajectory
        the result is the mean over its realisations
    blocks : Blocks
    """
    derivatives, area = block_derivatives(tuned, trajectory, blocks), jnp.asarray(trajectory.area)
    of_blocks = jnp.sum(derivatives.smb * area, axis=-1)
    mean = of_blocks if of_blocks.ndim == 1 else jnp.mean(of_blocks, axis=0)
    return Propagated(jnp.cumsum(mean), *cumulative_jacobian(derivatives, area))


def independent(
    jacobian: Float[AnyArray, "sum block"], blocks: Blocks, correlation_days: float | Float[AnyArray, ""]
) -> Float[Array, "sum block"]:
    """Transform derivatives to errors correlated in time into those to independent errors of unit variance.

    The correlation of two blocks is ``exp(-days between their middles / correlation_days)``. With L the lower
    triangular factor of the correlations R, the result is ``jacobian @ L``: the sum of its squares over the blocks is
    ``jacobian @ R @ jacobian.T``. Such errors have no memory beyond the block before, so L is never formed.
    """
    middle = jnp.asarray(blocks.middles, jacobian.dtype)
    gap = jnp.diff(middle) / jnp.maximum(jnp.asarray(correlation_days, jacobian.dtype), SHORTEST_CORRELATION)
    kept, fresh = jnp.append(jnp.exp(-gap), 0.0), jnp.sqrt(-jnp.expm1(-2.0 * gap))

    def one_block(later, of_block):
        column, kept = of_block
        seen = column + kept * later
        return seen, seen

    over = (jacobian.T, kept.astype(jacobian.dtype))
    columns = jax.lax.scan(one_block, jnp.zeros_like(jacobian[:, 0]), over, reverse=True)[1]
    return columns.T * jnp.insert(fresh, 0, 1.0)


@jax.jit
def forcing_variance(jacobians: Propagated, blocks: Blocks, errors: WeatherErrors = WEEKLY_ERRORS) -> ForcingVariance:
    """Compute the variance of each balance caused by errors of the weather, m2 w.e.

    Parameters
    ----------
    jacobians : Propagated
        of the cumulative series, or of years (:meth:`Propagated.rows`)
    blocks : Blocks
    errors : WeatherErrors

    Returns
    -------
    ForcingVariance
        arrays (K,)
    """
    return ForcingVariance(*(jnp.sum(field**2, axis=1) for field in unit_errors(jacobians, blocks, errors)))


@jax.jit
def forcing_covariance(jacobians: Propagated, blocks: Blocks, errors: WeatherErrors = WEEKLY_ERRORS) -> ForcingVariance:
    """Compute the covariances (K, K) of balances, m2 w.e.; arguments as in :func:`forcing_variance`."""
    units = unit_errors(jacobians, blocks, errors)
    return ForcingVariance(*(jnp.matmul(field, field.T, precision=EXACT) for field in units))


def unit_errors(jacobians: Any, blocks: Blocks, errors: WeatherErrors) -> tuple[Array, Array]:
    """Return the derivatives of balances to independent errors of unit variance, for temperature and precipitation.

    Parameters
    ----------
    jacobians : Propagated or Jacobians
        with derivatives `temp` and `log_prcp` (K, B)
    blocks : Blocks
    errors : WeatherErrors
    """
    return (
        errors.sigma_temp * independent(jacobians.temp, blocks, errors.correlation_days),
        errors.sigma_log_prcp * independent(jacobians.log_prcp, blocks, errors.correlation_days),
    )


def moved(tuned: Tuned, names: Sequence[str], by: Float[AnyArray, " parameter"]) -> Tuned:
    """Return parameters with some of the stored numbers changed.

    Parameters
    ----------
    tuned : Tuned
    names : sequence of str
        fields of :class:`~oggm_glaunti.core.temperature_index.TIWeights`, ``temp_bias`` (K) or ``temp_gradient``
        (K m-1)
    by : array (P,)
        added to them
    """
    given = dict(zip(names, by, strict=True))
    at_top = {name: getattr(tuned, name) + given.pop(name) for name in tuned._fields[1:] if name in given}
    stored = {name: getattr(tuned.ti, name) + number for name, number in given.items()}
    return tuned._replace(ti=replace(tuned.ti, **stored), **at_top)


@partial(jax.jit, static_argnames="names")
def parameter_jacobian(
    tuned: Tuned, trajectory: Trajectory, blocks: Blocks, names: tuple[str, ...]
) -> Float[Array, "block parameter"]:
    """Compute the derivatives of the cumulative balance at each block's end to stored numbers, m w.e. per unit of each.

    Parameters
    ----------
    tuned, trajectory, blocks
        see :func:`propagate`
    names : tuple of str
        see :func:`moved`
    """

    def series(by: Array) -> Array:
        return cumulative(moved(tuned, names, by), trajectory, blocks)

    return jax.jacfwd(series)(jnp.zeros(len(names), trajectory.temp.dtype))


def parameter_variance(jacobian: ArrayLike, covariance: ArrayLike) -> NDArray[np.float64]:
    """Compute the variance (K,) of each balance caused by the covariance (P, P) of stored numbers, m2 w.e.

    In NumPy and double precision, because the effects of parameters on a balance may cancel.

    Examples
    --------
    >>> parameter_variance(np.array([[1.0, -1.0]]), np.array([[1.0, 0.5], [0.5, 1.0]])).tolist()
    [1.0]
    """
    jacobian, covariance = np.asarray(jacobian, np.float64), np.asarray(covariance, np.float64)
    return np.maximum(np.einsum("kp,pq,kq->k", jacobian, covariance, jacobian), 0.0)


def cumulative(
    tuned: Tuned, trajectory: Trajectory, blocks: Blocks, errors: BlockErrors | None = None
) -> Float[Array, " block"]:
    """Compute the balance from the first block to the end of each, m w.e., under errors (B,) of the weather."""
    change = NO_CHANGE if errors is None else Change(*(on_days(field, blocks.of_day) for field in errors))
    of_days = daily(tuned, trajectory, change)
    # Days that are in no block go to an extra element.
    sums = jnp.zeros(blocks.n + 1, of_days.dtype).at[jnp.where(blocks.of_day < 0, blocks.n, blocks.of_day)].add(of_days)
    return jnp.cumsum(sums[:-1])


@partial(jax.jit, static_argnames=("names", "chunk"))
def ensemble(
    tuned: Tuned,
    trajectory: Trajectory,
    blocks: Blocks,
    errors: BlockErrors,
    names: tuple[str, ...] = (),
    by: Float[AnyArray, "member parameter"] | None = None,
    chunk: int = 16,
) -> Float[Array, "member block"]:
    """Compute the cumulative balances (M, B) of members with drawn errors, m w.e.

    Parameters
    ----------
    tuned, trajectory, blocks
        see :func:`propagate`
    errors : BlockErrors
        arrays (M, B), see :func:`~oggm_glaunti.analysis.uncertainty.draws.draw_errors`
    names, by
        parameters and the changes of each member's (M, P), see :func:`moved`
    chunk : int
        members that are run at a time; apart from the results, memory holds these only
    """
    by = jnp.zeros((errors.temp.shape[0], len(names)), trajectory.temp.dtype) if by is None else jnp.asarray(by)

    def one(member: tuple[BlockErrors, Array]) -> Array:
        return cumulative(moved(tuned, names, member[1]), trajectory, blocks, member[0])

    return jax.lax.map(one, (jax.tree.map(jnp.asarray, errors), by), batch_size=chunk)
