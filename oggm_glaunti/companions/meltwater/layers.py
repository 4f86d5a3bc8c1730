"""Layers of the networks; maps are (N, H, W, C), weights nested dicts and lists of arrays.

Norms take the channels of a group at one cell, not those of the whole map: a map cut into tiles is then the same map.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Maps = Float[Array, "n h w c"]
Weights = Any
"""A pytree of arrays."""

GROUPS = 2
_EPSILON = 1e-2
_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def new_conv(rng: np.random.Generator, size: int, inputs: int, outputs: int) -> Weights:
    """Draw the weights of a convolution of `size` by `size` cells and its norm (He et al. 2015)."""
    scale = (2.0 / (size * size * inputs)) ** 0.5
    # NumPy's, since JAX would compile a program for every shape.
    kernel = (scale * rng.standard_normal((size, size, inputs, outputs))).astype(np.float32)
    return {"kernel": kernel, "scale": np.ones(outputs, np.float32), "shift": np.zeros(outputs, np.float32)}


def new_output(inputs: int) -> Weights:
    """Return the weights of the last layer: zeros, so that the network begins without any correction."""
    return {"kernel": np.zeros((1, 1, inputs, 1), np.float32), "bias": np.zeros(1, np.float32)}


def conv(kernel: Array, x: Maps, stride: int = 1, rate: int = 1) -> Maps:
    """Convolve; zeros lie beyond the edge."""
    pad = rate * (kernel.shape[0] - 1) // 2
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), [(pad, pad)] * 2, rhs_dilation=(rate, rate), dimension_numbers=_DIMENSIONS
    )


def block(weights: Weights, x: Maps, stride: int = 1, rate: int = 1) -> Maps:
    """Convolution, norm over groups of channels, swish."""
    x = conv(weights["kernel"], x, stride, rate)
    grouped = x.reshape(*x.shape[:-1], GROUPS, -1)
    mean = grouped.mean(axis=-1, keepdims=True)
    spread = jnp.mean((grouped - mean) ** 2, axis=-1, keepdims=True)
    x = ((grouped - mean) * jax.lax.rsqrt(spread + _EPSILON)).reshape(x.shape)
    return jax.nn.silu(x * weights["scale"] + weights["shift"])


def output(weights: Weights, x: Maps) -> Float[Array, "n h w"]:
    """Return the last layer's single channel."""
    return (conv(weights["kernel"], x) + weights["bias"])[..., 0]


def pool(x: Maps) -> Maps:
    """Take the largest of 2 by 2 cells."""
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def enlarge(x: Maps, factor: int) -> Maps:
    """Repeat every cell `factor` by `factor` times."""
    return jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2)
