"""Training of anything: epochs, the best of them, patience, and batches of arrays with checkpoints.

Nothing here knows what is trained, or in which unit its error is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from oggm_glaunti.fit.training.checkpoint import Progress, read_checkpoint, write_checkpoint


@dataclass(frozen=True)
class FitOptions:
    """Options of :func:`fit_loop`.

    Attributes
    ----------
    epochs : int
        Maximum number of epochs
    batch : int
        Samples of a step; those that are left over at the end of an epoch come first in none
    learning_rate, clip : float
        Of Adam, and largest global norm of a gradient
    patience : int, optional
        Epochs without a better validation error after which to stop; default: no limit
    seed : int
        Of the order of the samples and of what the loss draws
    """

    epochs: int = 50
    batch: int = 16
    learning_rate: float = 1e-3
    clip: float = 5.0
    patience: int | None = None
    seed: int = 0


def adam(learning_rate: float, clip: float) -> optax.GradientTransformation:
    """Return Adam on gradients with clipped global norm."""
    return optax.chain(optax.clip_by_global_norm(clip), optax.adam(learning_rate))


def epoch_loop(
    state: Progress,
    one_epoch: Callable[[Progress], tuple[Progress, bool]],
    keep: Callable[[Progress, bool], None],
    epochs: int,
    patience: int | None = None,
    title: str = "",
) -> Progress:
    """Train until all epochs are finished or patience is exhausted.

    Parameters
    ----------
    state : Progress
        Progress to continue from
    one_epoch : callable
        Returns the progress after another epoch, and whether that was the best so far; the last row of the log has
        ``training`` and ``validation``
    keep : callable
        Called after each epoch with both
    epochs, patience : int
        See :class:`FitOptions`
    title : str
        Title of the progress bar; no bar if empty
    """
    patience = epochs if patience is None else patience
    with tqdm(total=epochs, initial=state.epoch, desc=title, unit="epoch", disable=None if title else True) as bar:
        while state.epoch < epochs and state.epoch - state.best_epoch < patience:
            state, improved = one_epoch(state)
            keep(state, improved)
            shown = {name: state.log[-1][name] for name in ("training", "validation")}
            bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()}, refresh=False)
            bar.update()
    return state


def fit_loop(
    start: Any,
    loss: Callable[[Any, Any, jax.Array], jax.Array],
    samples: Any,
    validate: Callable[[Any], float],
    options: FitOptions | None = None,
    *,
    checkpoint: Path | None = None,
    config: dict[str, Any] | None = None,
    title: str = "",
) -> Progress:
    """Train parameters on batches of arrays.

    A run that is killed and started again with the same checkpoint has the same numbers to the last bit: the order of
    the samples and all random numbers follow from the seed and the number of the epoch.

    Parameters
    ----------
    start : pytree of arrays
        Parameters to begin with
    loss : callable
        ``loss(parameters, batch, key)``, a number; compiled
    samples : pytree of arrays (N, ...)
        What batches are taken from
    validate : callable
        ``validate(parameters)``, an error; the parameters with the least are kept
    options : FitOptions, optional
    checkpoint : Path, optional
        File written after each epoch, and continued from if it is there
    config : dict, optional
        What the result depends on besides the options, plain JSON: a checkpoint of another is refused
    title : str
        See :func:`epoch_loop`

    Returns
    -------
    Progress
        `best` holds the parameters of the best epoch, `log` a row for each

    Raises
    ------
    ValueError
        If there are fewer samples than a batch has, or the checkpoint is damaged or of another training
    FloatingPointError
        If the loss is not finite

    Examples
    --------
    >>> x = np.linspace(-1, 1, 64, dtype=np.float32)
    >>> square = lambda slope, batch, key: jnp.mean((slope * batch - 3 * batch) ** 2)
    >>> done = fit_loop(jnp.zeros(()), square, x, lambda slope: float(abs(slope - 3)), FitOptions(100, 16, 0.1))
    >>> round(float(done.best), 2)
    3.0
    """
    options = options or FitOptions()
    count = len(jax.tree.leaves(samples)[0])
    if count < options.batch:
        raise ValueError(f"{count} samples; expected at least {options.batch}, one batch")
    optimiser = adam(options.learning_rate, options.clip)
    gradient = jax.value_and_grad(loss)

    @jax.jit
    def step(trained: Any, moments: Any, batch: Any, key: jax.Array) -> tuple[Any, Any, jax.Array]:
        value, slope = gradient(trained, batch, key)
        steps, moments = optimiser.update(slope, moments, trained)
        return optax.apply_updates(trained, steps), moments, value

    def one_epoch(state: Progress) -> tuple[Progress, bool]:
        begin, number = time.perf_counter(), state.epoch + 1
        order = np.random.default_rng([options.seed, number]).permutation(count)
        keys = jax.random.fold_in(jax.random.key(options.seed), number)
        trained, moments, values = state.trained, state.optimiser, []
        for k in range(count // options.batch):
            chosen = order[k * options.batch : (k + 1) * options.batch]
            batch = jax.tree.map(lambda a, chosen=chosen: a[chosen], samples)
            trained, moments, value = step(trained, moments, batch, jax.random.fold_in(keys, k))
            values.append(float(value))
        training, error = float(np.mean(values)), float(validate(trained))
        if not np.isfinite([training, error]).all():
            raise FloatingPointError(f"epoch {number}: the loss is not finite; lower the learning rate")
        improved = error < state.best_error
        row = {"epoch": number, "training": training, "validation": error}
        row["seconds"] = round(time.perf_counter() - begin, 3)
        best = (trained, number, error) if improved else (state.best, state.best_epoch, state.best_error)
        return Progress(number, trained, moments, *best, [*state.log, row]), improved

    start = jax.tree.map(jnp.asarray, start)
    state = Progress(0, start, optimiser.init(start), start, 0, float("inf"), [])
    about = {**{name: value for name, value in asdict(options).items() if name != "epochs"}, **(config or {})}
    if checkpoint is not None and checkpoint.exists():
        state = read_checkpoint(checkpoint, state, about)

    def keep(state: Progress, improved: bool) -> None:
        if checkpoint is not None:
            write_checkpoint(checkpoint, state, about)

    return epoch_loop(state, one_epoch, keep, options.epochs, options.patience, title)
