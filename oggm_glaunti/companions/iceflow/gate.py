"""A learned gate: weights of past frames for each block of a chip, started at the rule of agreement.

A perceptron of fewer than a thousand numbers looks at five properties of a block of a past frame. With its last layer
at zero it is the rule of agreement; training can only move it away from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.iceflow.frames import Chips
from oggm_glaunti.companions.iceflow.predictors import agreement, agreement_logits, normalised
from oggm_glaunti.fit.training.fit_loop import FitOptions, fit_loop

Images = NDArray[np.float32]
Samples = dict[str, NDArray[np.float32]]

BLOCK, HIDDEN, FEATURES = 8, 24, 5
OPTIONS = FitOptions(epochs=30, batch=32, learning_rate=2e-3, patience=6)


def start(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Return the weights to begin with: 769 numbers, the last layer zero."""
    rng = np.random.default_rng(seed)
    layer = lambda n, m: (rng.normal(size=(n, m)) / np.sqrt(n)).astype(np.float32)
    zeros = lambda *shape: np.zeros(shape, np.float32)
    return {
        "w1": layer(FEATURES, HIDDEN),
        "b1": zeros(HIDDEN),
        "w2": layer(HIDDEN, HIDDEN),
        "b2": zeros(HIDDEN),
        "w3": zeros(HIDDEN, 1),
        "b3": zeros(1),
    }


def samples_of(chips: Chips) -> Samples:
    """Return what the gate looks at: frames, logits of the rule, features of blocks, and targets."""
    frames, target = normalised(chips.moved), normalised(chips.target)
    blocks = _blocks(frames)
    mean = frames.mean(axis=1, keepdims=True)
    local = (_blocks(frames * (mean * frames.shape[1] - frames) / max(frames.shape[1] - 1, 1))).mean(axis=-1)
    brightness = chips.moved.mean(axis=(2, 3))
    every = brightness - np.median(brightness, axis=1, keepdims=True)
    shape = blocks.shape[:-1]
    spread = lambda field: np.broadcast_to(field[:, :, None], shape)
    features = np.stack(
        [
            spread(agreement(chips.moved)),
            local,
            spread(np.broadcast_to(chips.age / 30.0, brightness.shape)),
            spread(every / max(float(np.abs(every).mean()), 1e-6)),
            np.log(blocks.std(axis=-1) + 0.05),
        ],
        axis=-1,
    )
    logits = spread(agreement_logits(chips.moved, chips.age))
    made = {"frames": frames, "logits": logits, "features": features, "target": target}
    return {name: np.ascontiguousarray(values, np.float32) for name, values in made.items()}


def _blocks(frames: Images) -> Images:
    """Return frames (N, P, c, c) as blocks (N, P, B, 64), row by row."""
    n, p, side, _ = frames.shape
    count = side // BLOCK
    parts = frames.reshape(n, p, count, BLOCK, count, BLOCK).transpose(0, 1, 2, 4, 3, 5)
    return parts.reshape(n, p, count * count, BLOCK * BLOCK)


def apply(weights: Any, batch: Any) -> jax.Array:
    """Return predicted frames (N, c, c)."""
    hidden = jnp.tanh(batch["features"] @ weights["w1"] + weights["b1"])
    hidden = jnp.tanh(hidden @ weights["w2"] + weights["b2"])
    logits = batch["logits"] + (hidden @ weights["w3"] + weights["b3"])[..., 0]
    share = jax.nn.softmax(logits, axis=1)
    n, p, count = share.shape
    side = round(count**0.5)
    share = share.reshape(n, p, side, side)
    # Smooth between blocks, so that their edges do not print.
    share = jax.image.resize(share, (n, p, side * BLOCK, side * BLOCK), "linear")
    return (share * batch["frames"]).sum(axis=1)


def loss(weights: Any, batch: Any, key: jax.Array) -> jax.Array:
    """Return one minus the mean correlation with the target."""
    del key
    made = apply(weights, batch)
    made = made - made.mean(axis=(1, 2), keepdims=True)
    norm = jnp.sqrt((made**2).sum(axis=(1, 2)) * (batch["target"] ** 2).sum(axis=(1, 2)))
    return 1.0 - ((made * batch["target"]).sum(axis=(1, 2)) / jnp.maximum(norm, 1e-6)).mean()


def train_gate(samples: Samples, options: FitOptions = OPTIONS, **how: Any) -> Any:
    """Train the gate; a fifth of the samples validates. Further arguments are those of ``fit_loop``.

    Returns
    -------
    Progress
        `best` holds the weights
    """
    count = len(samples["target"])
    # Whole stretches of samples, not every fifth: neighbours are alike.
    held = slice(0, count // 5)
    validation = {name: values[held] for name, values in samples.items()}
    rest = {name: values[count // 5 :] for name, values in samples.items()}
    run, key = jax.jit(loss), jax.random.key(0)
    error = lambda weights: float(run(weights, validation, key))
    begin = start(options.seed)
    done = fit_loop(begin, loss, rest, error, options, **how)
    # Better than the rule on what it has not seen, or the rule.
    return done if done.best_error < error(begin) else done._replace(best=begin, best_epoch=0)


def learn_gate(chips: Sequence[Chips], options: FitOptions = OPTIONS, **how: Any) -> dict[str, NDArray[np.float32]]:
    """Train the gate on the chips of some targets, and return its weights.

    Parameters
    ----------
    chips : sequence of Chips
        One for each target, as in ``predict_last(...).chips``, with the same number of past frames
    options : FitOptions
    **how
        Arguments of ``fit_loop``

    Raises
    ------
    ValueError
        If targets have different numbers of past frames or sides of chips
    """
    shapes = sorted({of.moved.shape[1:] for of in chips})
    if len(shapes) != 1:
        raise ValueError(f"chips: expected one number of past frames and one size, found {shapes}")
    parts = [samples_of(of) for of in chips]
    return train_gate({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, options, **how).best


def predict(weights: Any, samples: Samples) -> Images:
    """Return predicted frames (N, c, c)."""
    run = jax.jit(apply)
    parts = [{name: v[k : k + 128] for name, v in samples.items()} for k in range(0, len(samples["target"]), 128)]
    return np.concatenate([np.asarray(run(weights, part)) for part in parts])
