"""Training by batches: Adam, the epoch with the least validation error kept, checkpoints that resume to the last bit.

Epoch 0 is the start: if no epoch is better on validation, the start is what is returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array

from oggm_glaunti.fit.training.checkpoint import Progress, read_checkpoint, write_checkpoint
from oggm_glaunti.fit.training.fit_loop import epoch_loop

Batch = Any
"""A pytree of arrays, of one shape for all batches."""


@dataclass(frozen=True)
class FitOptions:
    """Options of a training.

    Attributes
    ----------
    epochs : int
        maximum number
    rate : float
        learning rate of Adam at the start; falls along a cosine to a tenth over the epochs
    patience : int
        epochs without a better validation error after which to stop
    decay : float
        weight decay
    clip : float
        maximum global norm of the gradient
    """

    epochs: int = 10
    rate: float = 1e-3
    patience: int = 3
    decay: float = 1e-3
    clip: float = 1.0

    def __post_init__(self):
        for name in ("epochs", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        for name in ("rate", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, found {getattr(self, name)}")


def fit_loop(
    weights: Any,
    loss: Callable[[Any, Batch], Array],
    batches: Callable[[int], Iterable[Batch]],
    validate: Callable[[Any], float],
    options: FitOptions | None = None,
    checkpoint: Path | None = None,
    config: dict[str, Any] | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Progress:
    """Train weights.

    Parameters
    ----------
    weights : pytree of arrays
        at the start
    loss : callable
        ``loss(weights, batch)``, differentiable; the same object for trainings that shall share a program
    batches : callable
        ``batches(epoch)`` yields the batches of an epoch (from 1); must depend on the epoch alone, so that a training
        that is resumed takes the same
    validate : callable
        ``validate(weights)``, a number that shall be small; infinite for weights that must not be kept
    options : FitOptions, optional
    checkpoint : path, optional
        written after every epoch; if it is there the training goes on from it
    config : dict, optional
        what the results depend on, plain JSON; a checkpoint of another one is refused
    report : callable, optional
        gets the row of the log after every epoch

    Returns
    -------
    Progress
        ``best`` weights, ``best_epoch`` (0 if the start was never beaten) and ``log``

    Raises
    ------
    FloatingPointError
        if the loss is not finite
    ValueError
        if the checkpoint is damaged or belongs to another training
    """
    options = options or FitOptions()
    about = json.loads(json.dumps(config or {}))  # as it is read again
    first = jax.tree.map(jnp.asarray, weights)
    rate = optax.cosine_decay_schedule(1.0, options.epochs, 0.1)
    optimiser, step = _program(loss, options.rate, options.clip, options.decay)

    def one_epoch(state: Progress) -> tuple[Progress, bool]:
        epoch, trained, moments, losses = state.epoch + 1, state.trained, state.optimiser, []
        for batch in batches(epoch):
            trained, moments, value = step(trained, moments, batch, np.float32(rate(epoch - 1)))
            losses.append(value)
        training, error = float(np.mean(jax.device_get(losses))), validate(trained)
        if not np.isfinite(training):
            raise FloatingPointError(f"epoch {epoch}: the loss is not finite; lower the learning rate")
        row = {"epoch": epoch, "training": training, "validation": error}
        improved = error < state.best_error
        best = (trained, epoch, error) if improved else (state.best, state.best_epoch, state.best_error)
        return Progress(epoch, trained, moments, *best, [*state.log, row]), improved

    def keep(state: Progress, improved: bool) -> None:
        if checkpoint is not None:
            write_checkpoint(checkpoint, state, about)
        if report is not None:
            report(state.log[-1])

    state = Progress(0, first, optimiser.init(first), first, 0, float("inf"), [])
    if checkpoint is not None and checkpoint.exists():
        state = read_checkpoint(checkpoint, state, about)
    else:
        error = validate(first)
        state = state._replace(best_error=error, log=[{"epoch": 0, "training": None, "validation": error}])
    return epoch_loop(state, one_epoch, keep, options.epochs, options.patience)


@cache
def _program(loss: Callable[[Any, Batch], Array], rate: float, clip: float, decay: float) -> tuple[Any, Any]:
    """Return the optimiser and its compiled step; trainings with the same loss share it."""
    adam = optax.adamw(rate, b2=0.99, weight_decay=decay)
    optimiser = optax.chain(optax.clip_by_global_norm(clip), adam)
    return optimiser, jax.jit(partial(_step, loss, optimiser))


def _step(loss, optimiser, weights, moments, batch, rate):
    value, gradient = jax.value_and_grad(loss)(weights, batch)
    updates, moments = optimiser.update(gradient, moments, weights)
    updates = jax.tree.map(lambda update: rate * update, updates)
    return optax.apply_updates(weights, updates), moments, value
