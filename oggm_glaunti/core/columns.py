"""Many columns at once: blocks that stay in a core's cache.

On a CPU XLA splits every step of a scan over the cores and sends each field through memory once a day. Blocks of about
a thousand columns keep their state in the cache and one core busy for all days; threads take care of the other cores
(:mod:`~oggm_glaunti.core.threads`). On other devices a step should be as wide as possible, so there nothing is cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from oggm_glaunti.core.forcing import Forcing
from oggm_glaunti.core.run import Step, run_days

# Columns; a column's state and parameters are some 40 bytes.
BLOCK = 1024
# Blocks begin at multiples of the width of the widest vector registers.
_ALIGNED = 16


def block_size(n: int, most: int = BLOCK) -> int:
    """Size of the equal blocks, not more than `most`, that cover `n` columns with the least overlap.

    Examples
    --------
    >>> block_size(1500), block_size(100)
    (752, 100)
    """
    if n <= most:
        return n
    count = math.ceil(n / most)
    return min(most, math.ceil(n / count / _ALIGNED) * _ALIGNED)


def in_blocks(
    run: Callable[[Any, Any, Forcing], Any], params: Any, state: Any, forcing: Forcing, most: int = BLOCK
) -> Any:
    """Apply ``run(params, state, forcing)`` block by block and put its results together.

    Parameters
    ----------
    run : callable
        returns arrays whose last axis is that of the columns
    params, state : pytrees
        leaves are scalars, the same everywhere, or fields of the spatial shape
    forcing : Forcing
    most : int
        columns of a block

    Returns
    -------
    pytree
        results of `run` with the spatial shape (...) in place of the last axis
    """
    shape = forcing.shape
    n = math.prod(shape)
    size = block_size(n, most)
    if size == n or jax.default_backend() != "cpu":
        size = n
    leaves, structure = jax.tree.flatten((params, state))
    shared = [jnp.ndim(leaf) == 0 for leaf in leaves]
    leaves = [
        leaf if scalar else jnp.broadcast_to(leaf, shape).reshape(n)
        for leaf, scalar in zip(leaves, shared, strict=True)
    ]

    def one(start):
        cut = [
            leaf if scalar else jax.lax.dynamic_slice_in_dim(leaf, start, size)
            for leaf, scalar in zip(leaves, shared, strict=True)
        ]
        return run(*jax.tree.unflatten(structure, cut), forcing.block(start, size))

    if size == n:
        return jax.tree.map(lambda out: out.reshape(out.shape[:-1] + shape), one(jnp.zeros((), jnp.int32)))
    # The last block ends with the last column and so overlaps the one before: nothing need be padded.
    starts = jnp.minimum(jnp.arange(0, n, size, dtype=jnp.int32), n - size)
    new = n - (len(starts) - 1) * size

    def join(out):
        out = jnp.moveaxis(out, 0, -2)
        whole = out[..., :-1, :].reshape(*out.shape[:-2], -1)
        return jnp.concatenate([whole, out[..., -1, size - new :]], axis=-1).reshape(out.shape[:-2] + shape)

    return jax.tree.map(join, jax.lax.map(one, starts))


def run_columns(
    make_step: Callable[[Any], Step], params: Any, state: Any, forcing: Forcing, weights: Float[Array, " time"]
) -> tuple[Any, Any]:
    """:func:`~oggm_glaunti.core.run.run_days` over any number of columns, in blocks.

    Parameters
    ----------
    make_step : callable
        the step of some parameters, see :func:`~oggm_glaunti.core.run.ti_step`
    params, state : pytrees
        of scalars or fields
    forcing, weights
        see :func:`~oggm_glaunti.core.run.run_days`

    Returns
    -------
    state, smb : pytrees
        at the end, and summed over the days
    """

    def run(params, state, forcing):
        return run_days(make_step(params), state, forcing, weights)[:2]

    return in_blocks(run, params, _on_points(state, forcing), forcing)


def _on_points(state: Any, forcing: Forcing) -> Any:
    """A state of the forcing's shape, also where it was given as scalars: a scan's carry keeps its shape."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, forcing.shape), state)
