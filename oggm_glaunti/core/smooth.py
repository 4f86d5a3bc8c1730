"""Interpolation between heights.

If precipitation is uniform and temperature follows a lapse rate, an uncorrected run depends on height alone. So it
is run on evenly spaced heights and interpolated to the points: cubics on heights 10 m apart reproduce the maps to
1e-5 m w.e.
"""

from types import ModuleType
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from oggm_glaunti.core.arrays import AnyArray, Field


def even_heights(lowest: float, highest: float, step: float, margin: int = 2) -> np.ndarray:
    """Heights `step` apart, on multiples of it, reaching `margin` steps beyond both ends; float64 (N,), m.

    Examples
    --------
    >>> even_heights(2003.0, 2015.0, 10.0, margin=1)
    array([1990., 2000., 2010., 2020., 2030.])
    """
    first = np.floor(lowest / step) - margin
    last = np.ceil(highest / step) + margin
    return np.arange(first, last + 1.0) * step


def cubic_weights(
    heights: Field, first: float, step: float, n: int, xp: ModuleType = jnp
) -> tuple[Int[Array, "..."], Float[Array, "... 4"]]:
    """Find where and with which weights to take four neighbours on an even grid (Lagrange cubic).

    Parameters
    ----------
    heights : array (...)
        m
    first, step : float
        lowest height of the grid and its spacing, m
    n : int
        number of heights, at least 4
    xp : module
        ``numpy`` if JAX must not be started

    Returns
    -------
    start : int array (...)
        index of the first neighbour
    weights : array (..., 4)

    Raises
    ------
    ValueError
        for fewer than four heights
    """
    if n < 4:
        raise ValueError(f"cubic interpolation needs at least 4 heights, found {n}: widen the margin")
    position = (heights - first) / step
    start = xp.clip(xp.floor(position).astype(np.int32) - 1, 0, n - 4)
    t = position - start.astype(position.dtype) - 1.0
    weights = xp.stack(
        [
            -t * (t - 1.0) * (t - 2.0) / 6.0,
            (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0,
            -(t + 1.0) * t * (t - 2.0) / 2.0,
            (t + 1.0) * t * (t - 1.0) / 6.0,
        ],
        axis=-1,
    )
    return start, weights


def interpolate_cubic(
    values: Float[AnyArray, "... n"], start: Int[AnyArray, "..."], weights: Float[AnyArray, "... 4"]
) -> Float[Array, "..."]:
    """Interpolate to the places of :func:`cubic_weights`, which replace the last axis of `values`, height."""
    at = weights.reshape((1,) * (values.ndim - 1) + weights.shape)
    parts: list[Any] = [values[..., start + k] * at[..., k] for k in range(4)]
    return sum(parts)


def interpolate_profile(
    height: Field, nodes: Float[AnyArray, " n"], values: Float[AnyArray, " n"]
) -> Float[Array, "..."]:
    """Interpolate linearly between heights, constant beyond the ends."""
    return jnp.interp(height, nodes, values)
