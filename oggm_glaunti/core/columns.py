"""Many columns at once: blocks that stay in a core's cache.

On a CPU XLA splits every step of a scan over the cores and sends each field through memory once a day. Blocks of some
hundred columns keep their state in the cache and one core busy for all days; threads take care of the other cores
(:mod:`~oggm_glaunti.core.threads`). On other devices a step should be as wide as possible, so there nothing is cut.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.forcing import Forcing
from oggm_glaunti.core.run import Step, run_days

# Columns; a column's state and parameters are some 40 bytes.
BLOCK = 512
# Blocks begin at multiples of the width of the widest vector registers.
_ALIGNED = 16


def block_size(n: int, most: int = BLOCK) -> int:
    """Size of the equal blocks, not more than `most`, that cover `n` columns with the least overlap.

    Examples
    --------
    >>> block_size(1500), block_size(100)
    (512, 100)
    """
    if n <= most:
        return n
    count = math.ceil(n / most)
    return min(most, math.ceil(n / count / _ALIGNED) * _ALIGNED)


class Span(NamedTuple):
    """Some neighbouring columns, all points taken as one row: a share of a run, see :mod:`~oggm_glaunti.core.threads`.

    Attributes
    ----------
    first : int array ()
    size : int
    """

    first: Int[AnyArray, ""]
    size: int


def in_blocks(
    run: Callable[[Any, Any, Sequence[Forcing]], Any],
    params: Any,
    state: Any,
    forcings: Sequence[Forcing],
    most: int | None = None,
    span: Span | None = None,
) -> Any:
    """Apply ``run(params, state, forcings)`` block by block and put its results together.

    Parameters
    ----------
    run : callable
        returns arrays whose last axis is that of the columns
    params, state : pytrees
        leaves are scalars, the same everywhere, or fields of the spatial shape; those of `state` reach `run` as fields
    forcings : sequence of Forcing
        at the same points, for one period or several
    most : int, optional
        columns of a block, :data:`BLOCK` if not given
    span : Span, optional
        only these

    Returns
    -------
    pytree
        results of `run` with the spatial shape (...) in place of the last axis; with a span its `size`
    """
    shape = forcings[0].shape
    first, n = (jnp.zeros((), jnp.int32), math.prod(shape)) if span is None else span
    size = block_size(n, BLOCK if most is None else most) if jax.default_backend() == "cpu" else n
    params = jax.tree.map(lambda leaf: leaf if jnp.ndim(leaf) == 0 else _as_row(leaf, shape), params)
    # A scan's carry keeps its shape: the state must have that of the points, also if it was given as scalars.
    leaves, structure = jax.tree.flatten((params, jax.tree.map(partial(_as_row, shape=shape), state)))

    def one(start):
        cut = [row if jnp.ndim(row) == 0 else jax.lax.dynamic_slice_in_dim(row, start, size) for row in leaves]
        return run(*jax.tree.unflatten(structure, cut), [forcing.block(start, size) for forcing in forcings])

    if size == n:
        joined = one(first)
    else:
        # The last block ends with the last column and so overlaps the one before: nothing need be padded.
        starts = first + np.minimum(np.arange(0, n, size, dtype=np.int32), n - size)
        joined = jax.tree.map(partial(_join, n=n), jax.lax.map(one, starts))
    if span is not None:
        return joined
    return jax.tree.map(lambda out: out.reshape(out.shape[:-1] + shape), joined)


def _as_row(field: Array, shape: tuple[int, ...]) -> Float[Array, " n"]:
    return jnp.broadcast_to(field, shape).reshape(-1)


def _join(blocks: Float[AnyArray, "block *extra size"], n: int) -> Float[Array, "*extra n"]:
    """Blocks end to end, without what the last one shares with the one before."""
    count, size = blocks.shape[0], blocks.shape[-1]
    blocks = jnp.moveaxis(blocks, 0, -2)
    whole = blocks[..., :-1, :].reshape(*blocks.shape[:-2], -1)
    return jnp.concatenate([whole, blocks[..., -1, count * size - n :]], axis=-1)


def run_columns(
    make_step: Callable[[Any], Step],
    params: Any,
    state: Any,
    seasons: Sequence[tuple[Forcing, Float[AnyArray, " _"]]],
    span: Span | None = None,
) -> tuple[Any, tuple[Any, ...]]:
    """:func:`~oggm_glaunti.core.run.run_days` over any number of columns, in blocks, season after season.

    Parameters
    ----------
    make_step : callable
        the step of some parameters, see :func:`~oggm_glaunti.core.run.ti_step`
    params, state : pytrees
        of scalars or fields
    seasons : sequence of (forcing, weights)
        see :func:`~oggm_glaunti.core.run.run_days`
    span : Span, optional
        only these columns

    Returns
    -------
    state : pytree
        at the end
    smb : tuple of pytrees
        summed over the days of each season
    """

    def run(params, state, forcings):
        balances = []
        for forcing, (_, weights) in zip(forcings, seasons, strict=True):
            state, smb, _ = run_days(make_step(params), state, forcing, weights)
            balances.append(smb)
        return state, tuple(balances)

    return in_blocks(run, params, state, [forcing for forcing, _ in seasons], span=span)
