"""The two networks of the study as corrections, in log-odds, of a baseline: they begin at it and not below it."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from oggm_glaunti.companions.meltwater.layers import (
    GROUPS,
    Maps,
    Weights,
    block,
    enlarge,
    new_conv,
    new_output,
    output,
    pool,
)

LEAST_ODDS = 1e-3
"""Probabilities are kept this far from 0 and 1 in log-odds: a Brier score of 1e-6."""
ODDS_SCALE = 4.0
"""The first predictor is the log-odds of the baseline over this."""
RATES = (6, 12, 18)
_STRIDE = 8  # of DeepLabv3+: cells of the map in one of the pyramid
_LOW = 4  # stride of its low-level features


class Network(NamedTuple):
    """A network's kind and size; its weights are kept apart.

    Attributes
    ----------
    kind : {'unet', 'deeplab'}
    channels : int
        of the predictors
    width : int
        channels of the first level, a multiple of 4: 12 trains on a CPU, 64 is the published UNet
    levels : int
        of the UNet; 5 as published
    """

    kind: str
    channels: int
    width: int = 12
    levels: int = 3

    @property
    def multiple(self) -> int:
        """Sides of a map must be multiples of this number of cells."""
        return _STRIDE if self.kind == "deeplab" else 2 ** (self.levels - 1)

    @property
    def smallest(self) -> int:
        """Shortest side of a map, cells."""
        return 2 * self.multiple

    @property
    def reach(self) -> int:
        """Cells from which a cell's result can depend, rounded up to a multiple of :attr:`multiple`."""
        if self.kind == "deeplab":
            # Strided convolutions, two blocks and the pyramid at the lowest resolution, decoder.
            cells = 1 + 2 + 4 + _STRIDE * (2 + max(RATES)) + 2 * _LOW + _STRIDE
        else:
            cells = sum((2 if k == self.levels - 1 else 4) * 2**k for k in range(self.levels)) + 2**self.levels
        return -(-cells // self.multiple) * self.multiple


def require_network(network: Network) -> Network:
    """Return a network; raise a ValueError if there is none of that kind or size."""
    if network.kind not in ("unet", "deeplab"):
        raise ValueError(f"network: expected 'unet' or 'deeplab', found {network.kind!r}")
    if network.width < GROUPS or network.width % GROUPS or network.levels < 2:
        raise ValueError(
            f"network: expected a width that is a multiple of {GROUPS} and 2 levels or more, found width "
            f"{network.width} and {network.levels} levels"
        )
    return network


def new_weights(network: Network, seed: int = 0) -> Weights:
    """Draw the weights of a network; the last layer is zero.

    It takes the predictors themselves beside the features made of them, see :func:`beginning_at`.

    Examples
    --------
    >>> network = Network("unet", 10)
    >>> sum(leaf.size for leaf in jax.tree.leaves(new_weights(network)))
    67679
    """
    require_network(network)
    rng = np.random.default_rng(seed)

    def double(inputs: int, outputs: int) -> list[Weights]:
        return [new_conv(rng, 3, inputs, outputs), new_conv(rng, 3, outputs, outputs)]

    w = network.width
    if network.kind == "unet":
        widths = [w * 2**k for k in range(network.levels)]
        down = [double(a, b) for a, b in zip([network.channels, *widths], widths, strict=False)]
        up = [double(widths[k + 1] + widths[k], widths[k]) for k in range(network.levels - 1)]
        return {"down": down, "up": up, "last": new_output(w + network.channels)}
    deep = 4 * w
    return {
        "stem": [new_conv(rng, 3, a, b) for a, b in ((network.channels, w), (w, 2 * w), (2 * w, deep))],
        "deep": double(deep, deep),
        "pyramid": [
            new_conv(rng, 1, deep, 2 * w),
            *(new_conv(rng, 3, deep, 2 * w) for _ in RATES),
        ],
        "join": new_conv(rng, 1, 2 * w * (1 + len(RATES)), 2 * w),
        "low": new_conv(rng, 1, 2 * w, w),
        "decoder": double(3 * w, 2 * w),
        "full": new_conv(rng, 3, 2 * w + w, w),
        "last": new_output(w + network.channels),
    }


def beginning_at(weights: Weights, coefficients: NDArray[np.floating], intercept: float) -> Weights:
    """Return new weights that begin at a logistic regression of the predictors instead of the baseline.

    The first predictor is the log-odds of the baseline over :data:`ODDS_SCALE`, which are taken off again.
    """
    last = weights["last"]
    kernel = last["kernel"].copy()
    kernel[0, 0, -len(coefficients) :, 0] = coefficients
    kernel[0, 0, -len(coefficients), 0] -= ODDS_SCALE
    return {**weights, "last": {"kernel": kernel, "bias": last["bias"] + np.float32(intercept)}}


def correction(network: Network, weights: Weights, x: Maps) -> Float[Array, "n h w"]:
    """Run a network: predictors (N, H, W, C) to a correction in log-odds (N, H, W).

    Raises
    ------
    ValueError
        if the map is smaller than the network takes, its sides are no multiples, or the channels are others
    """
    _, height, width, channels = x.shape
    if channels != network.channels:
        raise ValueError(f"network: expected {network.channels} predictors, found {channels}")
    if min(height, width) < network.smallest or height % network.multiple or width % network.multiple:
        raise ValueError(
            f"network: expected maps of {network.smallest} x {network.smallest} cells or more and sides that are "
            f"multiples of {network.multiple}, found {height} x {width}; pad the map, or take fewer levels"
        )
    return (_unet if network.kind == "unet" else _deeplab)(weights, x)


def _unet(weights: Weights, x: Maps) -> Float[Array, "n h w"]:
    inputs, skips = x, []
    for k, pair in enumerate(weights["down"]):
        x = pool(x) if k else x
        for part in pair:
            x = block(part, x)
        skips.append(x)
    for k in reversed(range(len(weights["up"]))):
        x = jnp.concatenate([enlarge(x, 2), skips[k]], axis=-1)
        for part in weights["up"][k]:
            x = block(part, x)
    return output(weights["last"], jnp.concatenate([x, inputs], axis=-1))


def _deeplab(weights: Weights, x: Maps) -> Float[Array, "n h w"]:
    """Chen et al. (2018), without pooling over the whole map, which would depend on the tiling.

    Strides 2, 4, 8; the atrous pyramid at stride 8; a decoder with features of stride 4 and, for outlines of single
    cells, of the map itself.
    """
    inputs, full = x, block(weights["stem"][0], x)
    low = block(weights["stem"][1], pool(full), 2)
    x = block(weights["stem"][2], low, 2)
    for part in weights["deep"]:
        x = block(part, x)
    one, *wide = weights["pyramid"]
    parts = [block(one, x), *(block(part, x, 1, rate) for part, rate in zip(wide, RATES, strict=True))]
    x = block(weights["join"], jnp.concatenate(parts, axis=-1))
    x = jnp.concatenate([enlarge(x, _STRIDE // _LOW), block(weights["low"], low)], axis=-1)
    for part in weights["decoder"]:
        x = block(part, x)
    x = block(weights["full"], jnp.concatenate([enlarge(x, _LOW), full], axis=-1))
    return output(weights["last"], jnp.concatenate([x, inputs], axis=-1))


def log_odds(p: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return log(p / (1 - p)), with `p` kept 0.001 from 0 and 1.

    Examples
    --------
    >>> round(float(log_odds(jnp.array(0.5))), 3)
    0.0
    """
    p = jnp.clip(p, LEAST_ODDS, 1.0 - LEAST_ODDS)
    return jnp.log(p) - jnp.log1p(-p)


def probability(network: Network, weights: Weights, x: Maps, base: Float[Array, "n h w"]) -> Float[Array, "n h w"]:
    """Return the melt probability: the baseline, corrected in log-odds."""
    return jax.nn.sigmoid(log_odds(base) + correction(network, weights, x))


LOSSES = ("cross_entropy", "l1")


def loss_of(
    kind: str,
    network: Network,
    weights: Weights,
    x: Maps,
    base: Float[Array, "n h w"],
    target: Float[Array, "n h w"],
) -> Float[Array, ""]:
    """Return the loss over observed cells (target not NaN).

    ``cross_entropy`` gives a probability. ``l1``, as published, gives the median, which is 0 or 1 almost everywhere:
    a hard map, no probability.
    """
    seen = jnp.isfinite(target)
    y = jnp.where(seen, target, 0.0)
    logits = log_odds(base) + correction(network, weights, x)
    each = jnp.abs(jax.nn.sigmoid(logits) - y) if kind == "l1" else jax.nn.softplus(logits) - y * logits
    return jnp.sum(jnp.where(seen, each, 0.0)) / jnp.maximum(seen.sum(), 1)


def count(weights: Weights) -> int:
    """Return how many numbers a network has."""
    return int(sum(np.size(leaf) for leaf in jax.tree.leaves(weights)))
