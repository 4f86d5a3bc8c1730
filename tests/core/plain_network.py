"""The corrector network as published, layer by layer, channels first: what the fast one is checked against.

It reads the weights of a Corrector by the names of its fields and shares no function with the package.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

NORM_EPS = 1e-6


def convolve(x, kernel):
    strides, precision = (1,) * (x.ndim - 1), jax.lax.Precision.HIGHEST
    return jax.lax.conv_general_dilated(x[None], kernel, strides, padding="SAME", precision=precision)[0]


def rms_norm(x):
    axes = tuple(range(1, x.ndim))
    return x * jax.lax.rsqrt(jnp.mean(x * x, axis=axes, keepdims=True) + NORM_EPS)


def block(weights, x):
    return jax.nn.swish(rms_norm(convolve(x, weights.conv)) * weights.scale + weights.shift)


def double_conv(weights, x):
    return block(weights.block2, block(weights.block1, x))


def max_pool(x):
    c, h, w = x.shape
    return x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))


def mean_pool(x):
    c, n = x.shape
    return x[:, : n // 2 * 2].reshape(c, n // 2, 2).mean(axis=2)


def run_branch_2d(branch, fields):
    x = convolve(fields, branch.in_conv)
    for down in branch.downs:
        x = max_pool(double_conv(down, x))
    return double_conv(branch.bottleneck, x)


def run_branch_1d(branch, climate):
    x = convolve(climate, branch.in_conv)
    for down in branch.downs:
        x = mean_pool(double_conv(down, x))
    return x.mean(axis=1, keepdims=True)


def run_corrector(model, fields, climate):
    """Fields (15, H, W) and climate (2, M) to corrections (5, H, W)."""
    season = convolve(run_branch_1d(model.branch_1d, climate), model.reproj_1d_to_2d)
    x = double_conv(model.fuse, run_branch_2d(model.branch_2d, fields) + season[:, :, None])
    x = 0.1 * (convolve(x, model.out_conv) + model.out_bias)
    return jax.image.resize(x, (5, *fields.shape[1:]), method="bilinear", antialias=False)
