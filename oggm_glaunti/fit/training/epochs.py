"""Epochs: gradients of all glaciers, a step of the optimiser, errors on the validation glaciers."""

import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from oggm_glaunti.core.temperature_index import TIWeights, ti_weights
from oggm_glaunti.core.threads import available_threads
from oggm_glaunti.core.weights import Model
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training import losses
from oggm_glaunti.fit.training.arrays import GlacierYears
from oggm_glaunti.fit.training.checkpoint import Progress
from oggm_glaunti.fit.training.fit_loop import adam, epoch_loop
from oggm_glaunti.fit.training.objective import Terms, Trained, glacier_terms, with_trained


class WorkerPool:
    """Run glaciers in parallel on devices and threads.

    Results do not depend on the number of workers: sums are taken in the order of the glaciers.

    Parameters
    ----------
    threads : int, optional
        number of threads; default: one for each core of a CPU, or for each device
    """

    def __init__(self, threads: int | None = None):
        self.devices = jax.local_devices()
        self.threads = threads or max(available_threads(), len(self.devices))

    def run(
        self, model: Model, glaciers: Sequence[GlacierYears], kinds: tuple[str, ...] = ()
    ) -> list[tuple[Terms, Trained | None]]:
        """Compute terms of the loss (NumPy, float64) and, for `kinds`, gradients of all glaciers, in their order.

        Raises
        ------
        FloatingPointError
            if a loss or gradient is not finite; names the glacier
        """
        copies = {device: jax.device_put(model, device) for device in self.devices}

        def one(glacier: GlacierYears) -> tuple[Terms, Trained | None]:
            with jax.default_device(glacier.device):
                result = glacier_terms(copies[glacier.device], glacier, kinds)
            result = jax.tree.map(lambda a: np.asarray(a, np.float64), result)
            if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(result)):
                what = "the loss or its gradient is not finite. Training may have diverged: lower the learning rate."
                raise FloatingPointError(f"{glacier.name}: {what}")
            return result

        with ThreadPoolExecutor(max(1, min(self.threads, len(glaciers)))) as threads:
            return list(threads.map(one, glaciers))

    def mean_errors(self, model: Model, glaciers: Sequence[GlacierYears]) -> Terms:
        """Compute the errors of a model, averaged over glaciers."""
        terms = total([terms for terms, _ in self.run(model, glaciers)])
        return jax.tree.map(lambda a: a / len(glaciers), terms)


def total(trees: Sequence[Any]) -> Any:
    """Sum pytrees in their order."""
    return jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *trees)


class TrainingTask(NamedTuple):
    """What is trained, on which data, and how.

    Attributes
    ----------
    model : GlaUnTI or GRU
        provides what is not trained
    kinds : tuple of str
        parts to train, see :data:`~oggm_glaunti.fit.training.objective.TRAINABLE`
    training, validation : lists of GlacierYears
        glaciers to learn from, and to choose the epoch by
    options : Options
        see :class:`~oggm_glaunti.fit.training.train.Options`
    pool : WorkerPool
    """

    model: Model
    kinds: tuple[str, ...]
    training: list[GlacierYears]
    validation: list[GlacierYears]
    options: Any
    pool: WorkerPool


def optimiser_of(options: Any) -> optax.GradientTransformation:
    """Return Adam on gradients with clipped global norm."""
    return adam(options.learning_rate, options.clip)


def run_epochs(
    task: TrainingTask, state: Progress, keep: Callable[[Progress, bool], None], title: str = ""
) -> Progress:
    """Train until all epochs are finished or patience is exhausted.

    Parameters
    ----------
    task : TrainingTask
    state : Progress
        progress to continue from
    keep : callable
        called after each epoch with the progress and whether the epoch was the best so far
    title : str
        title of the progress bar; no bar if empty
    """
    options, optimiser = task.options, optimiser_of(task.options)

    @jax.jit
    def update(gradient: Trained, moments: Any, trained: Trained) -> tuple[Trained, Any]:
        steps, moments = optimiser.update(gradient, moments, trained)
        return optax.apply_updates(trained, steps), moments

    step = lambda state: _one_epoch(task, state, update)
    return epoch_loop(state, step, keep, options.epochs, options.patience, title)


def _one_epoch(task: TrainingTask, state: Progress, update: Callable[..., Any]) -> tuple[Progress, bool]:
    begin = time.perf_counter()
    model = with_trained(task.model, state.trained)
    terms, gradients = zip(*task.pool.run(model, task.training, task.kinds), strict=True)
    pull, gradient_of_pull = _pull(state.trained, task.options.ti_strength)
    gradient = jax.tree.map(jnp.float32, total([*gradients, gradient_of_pull]))
    trained, moments = update(gradient, state.optimiser, state.trained)
    trained_model = with_trained(task.model, trained)
    errors = task.pool.mean_errors(trained_model, task.validation) if task.validation else None
    row = _log_row(state.epoch + 1, total(terms), pull, errors)
    # Without validation glaciers the last epoch is the best.
    error = row["validation"] if errors is not None else state.best_error
    improved = errors is None or error < state.best_error
    row |= {"seconds": round(time.perf_counter() - begin, 3), "peak_memory_mb": round(peak_memory())}
    best = (trained, state.epoch + 1, error) if improved else (state.best, state.best_epoch, state.best_error)
    return Progress(state.epoch + 1, trained, moments, *best, [*state.log, row]), improved


def _pull(trained: Trained, strength: float) -> tuple[float, Trained]:
    """Compute the regulariser of the temperature index and its gradient; zeros if it is not trained."""
    zero = jax.tree.map(lambda a: np.zeros(np.shape(a)), trained)
    if "ti" not in trained:
        return 0.0, zero
    value, slope = _ti_pull(trained["ti"], strength)
    return float(value), {**zero, "ti": jax.tree.map(lambda a: np.asarray(a, np.float64), slope)}


@partial(jax.jit, static_argnums=1)
@jax.value_and_grad
def _ti_pull(ti: dict[str, Any], strength: float) -> Any:
    priors = ti_weights()
    return losses.ti_regulariser(TIWeights(**{**vars(priors), **ti}), priors, strength)


def _log_row(epoch: int, terms: Terms, pull: float, errors: Terms | None) -> dict[str, Any]:
    """Make a row of the log: the training loss and its parts, validation errors by season; (m w.e.)2."""
    row = {"epoch": epoch, "training": float(terms.total()) + pull}
    row |= {f"training_{season}": float(v) for season, v in zip(SEASONS, terms.by_season(), strict=True)}
    row |= {"corrections": float(terms.corrections), "ti_priors": pull}
    nothing = np.full(len(SEASONS), np.nan)
    by_season = nothing if errors is None else errors.by_season()
    row["validation"] = float(by_season.sum())
    row |= {f"validation_{season}": float(v) for season, v in zip(SEASONS, by_season, strict=True)}
    return row


def peak_memory() -> float:
    """Return the most memory used so far, of the accelerator if there is one, otherwise of this process; MB."""
    of_device = jax.local_devices()[0].memory_stats()
    if of_device and "peak_bytes_in_use" in of_device:
        return of_device["peak_bytes_in_use"] / 1e6
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
