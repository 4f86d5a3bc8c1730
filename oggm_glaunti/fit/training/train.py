"""Training of models A, B, C and D on many glaciers, and finetuning on one.

Adam with clipped global norm of the gradient, one step per epoch, gradient summed over all training glaciers; the epoch
with the least error on the validation glaciers is kept. Maslov et al. 2026, section on training.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from oggm_glaunti import settings, shop
from oggm_glaunti.core.weights import Model, leaves_of, model_from_leaves
from oggm_glaunti.files import write_text
from oggm_glaunti.fit.names import TEST_FOLD, VALIDATION_FOLD
from oggm_glaunti.fit.training import losses
from oggm_glaunti.fit.training.arrays import GlacierYears, Room
from oggm_glaunti.fit.training.checkpoint import Progress, read_checkpoint, write_checkpoint
from oggm_glaunti.fit.training.epochs import TrainingTask, WorkerPool, optimiser_of, run_epochs
from oggm_glaunti.fit.training.initial import initial_model
from oggm_glaunti.fit.training.objective import USUAL, Terms, model_name, trained_part, with_trained
from oggm_glaunti.fit.training.survey import Part

if TYPE_CHECKING:
    from oggm_glaunti.fit.data.year import GlacierData

FINETUNE_RATE, FINETUNE_EPOCHS = 1e-2, 250
FINETUNE_TRAIN_TO, FINETUNE_VALIDATE_TO = 2012, 2018


@dataclass(frozen=True)
class Options:
    """Options of a training; the defaults are those of the published training.

    Attributes
    ----------
    epochs : int
        maximum number of epochs
    learning_rate : float
        learning rate of Adam
    clip : float
        maximum global norm of the gradient
    seed : int
        random seed of a new network
    kinds : tuple of str, optional
        trained parts: ``ti``, ``corrector``, ``gru``. Default: A the temperature index, B all of it, C and D the
        corrector with a frozen temperature index
    ti_strength : float
        strength of the regulariser of the temperature index, if it is trained; applied once per epoch
    corrector_strength : float
        factor of the regulariser of the corrections, towards small, smooth and similar values
    patience : int, optional
        number of epochs without a better validation error after which to stop; default: no limit
    threads : int, optional
        number of glaciers run in parallel; default: one for each core, or device
    memory : float
        MB of prepared years kept from epoch to epoch; others are read again
    """

    epochs: int = 50
    learning_rate: float = 1e-3
    clip: float = 5.0
    seed: int = 0
    kinds: tuple[str, ...] | None = None
    ti_strength: float = losses.TI_STRENGTH
    corrector_strength: float = 1.0
    patience: int | None = None
    threads: int | None = None
    memory: float = 2000.0

    def __post_init__(self):
        for name in ("epochs", "learning_rate", "clip", "memory"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, found {getattr(self, name)}")
        if self.patience is not None and self.patience < 1:
            raise ValueError(f"patience: expected 1 epoch or more, found {self.patience}")


class Split(NamedTuple):
    """Observations to learn from, to choose the epoch by, and to evaluate the model with."""

    training: list[Part]
    validation: list[Part]
    test: list[Part]


class Training(NamedTuple):
    """Result of a training.

    Attributes
    ----------
    model : GlaUnTI or GRU
        model of the best epoch
    best_epoch : int
        number of that epoch, from 1
    best_error : float
        validation error, (m w.e.)2: mean over glaciers of the loss of all seasons; NaN without validation glaciers
    log : DataFrame
        a row for each epoch
    weights : Path
        file with the model
    """

    model: Model
    best_epoch: int
    best_error: float
    log: pd.DataFrame
    weights: Path


def split_by_fold(data: Sequence[GlacierData]) -> Split:
    """Split glaciers: fold 0 for test, fold 1 for validation, all others for training."""
    split = Split([], [], [])
    folds = {VALIDATION_FOLD: split.validation, TEST_FOLD: split.test}
    for glacier in data:
        folds.get(glacier.fold, split.training).append(Part(glacier))
    return split


def split_by_years(
    glacier: GlacierData, train_to: int = FINETUNE_TRAIN_TO, validate_to: int = FINETUNE_VALIDATE_TO
) -> Split:
    """Split the years of a glacier: training to `train_to`, validation to `validate_to` (both included), then test."""
    if not train_to <= validate_to:
        raise ValueError(f"train_to: expected at most validate_to, found {train_to} and {validate_to}")
    spans = itertools.pairwise((-(10**6), train_to, validate_to, 10**6))
    groups = [frozenset(year for year in glacier.years if first < year <= last) for first, last in spans]
    parts = [[Part(glacier, years)] if any(glacier.load(y).targets for y in sorted(years)) else [] for years in groups]
    return Split(*parts)


def train(
    name: str,
    data: Sequence[GlacierData],
    out: str | Path,
    start: Model | None = None,
    options: Options | None = None,
    resume: bool = False,
    progress: bool = True,
) -> Training:
    """Train a model on a data set.

    Parameters
    ----------
    name : str
        ``A``, ``B``, ``C`` or ``D``
    data : list of GlacierData
        see :mod:`oggm_glaunti.fit.data`; fold 0 is not used, fold 1 chooses the epoch, all others train
    out : path
        folder, created if missing, for ``<name>.eqx``, ``<name>_log.csv``, ``<name>_config.json`` and
        ``<name>_checkpoint.npz``, with the name in lower case
    start : GlaUnTI or GRU, optional
        see :func:`~oggm_glaunti.fit.training.initial.initial_model`; C needs an A and D needs a C
    options : Options, optional
        default: those of the published training
    resume : bool
        whether to continue after the last finished epoch, if there is one
    progress : bool
        whether to show a progress bar

    Raises
    ------
    FileExistsError
        if the folder holds such a training and `resume` is False
    ValueError
        if there is nothing to train on, a glacier has no observations, or the training to resume is another one

    Examples
    --------
    >>> from oggm_glaunti.fit import open_dataset  # doctest: +SKIP
    >>> glaciers = open_dataset("training_data")  # doctest: +SKIP
    >>> a = train("A", glaciers, "trained")  # doctest: +SKIP
    >>> c = train("C", glaciers, "trained", start=a.model)  # doctest: +SKIP
    """
    options = options or Options()
    model = initial_model(name, options.seed, start)
    return _fit(model, split_by_fold(data), Path(out), name.lower(), options, resume, progress)


def finetune(
    glacier: GlacierData,
    out: str | Path,
    start: Model,
    options: Options | None = None,
    train_to: int = FINETUNE_TRAIN_TO,
    validate_to: int = FINETUNE_VALIDATE_TO,
    resume: bool = False,
    progress: bool = True,
) -> tuple[Training, Terms | None]:
    """Continue training a model on a single glacier: its early years train, later ones choose the epoch, the last test.

    Parameters
    ----------
    glacier : GlacierData
        the glacier
    out : path
        see :func:`train`; the names of files begin with ``<model>_finetuned_<glacier>``
    start : GlaUnTI or GRU
        the model
    options : Options, optional
        default: 250 epochs at a learning rate of 0.01, as published
    train_to, validate_to : int
        last years of training and of validation
    resume, progress
        see :func:`train`

    Returns
    -------
    (Training, Terms)
        result and errors in the test years, None if these have no observations
    """
    options = options or Options(epochs=FINETUNE_EPOCHS, learning_rate=FINETUNE_RATE)
    split = split_by_years(glacier, train_to, validate_to)
    stem = f"{model_name(start).lower()}_finetuned_{glacier.name}"
    done = _fit(start, split, Path(out), stem, options, resume, progress)
    return done, mean_errors(done.model, split.test, options) if split.test else None


def mean_errors(model: Model, parts: Sequence[Part], options: Options | None = None) -> Terms:
    """Compute the errors of a model, averaged over glaciers; nothing is trained.

    Parameters
    ----------
    model : GlaUnTI or GRU
        the model
    parts : sequence of Part
        glaciers and years, one or more
    options : Options, optional
        only `threads`, `memory` and `corrector_strength` are used

    Returns
    -------
    Terms
        NumPy arrays, (m w.e.)2

    Raises
    ------
    ValueError
        for no glacier, or a glacier without observations
    """
    if not parts:
        raise ValueError("no glaciers to evaluate the model on")
    options = options or Options()
    pool = WorkerPool(options.threads)
    return pool.mean_errors(model, _prepare(model, parts, options, Room(options.memory), pool))


def _prepare(model: Model, parts: Sequence[Part], options: Options, room: Room, pool: WorkerPool) -> list[GlacierYears]:
    name = model_name(model)
    whole_map, facies = name in ("C", "D"), name == "D"
    devices = itertools.cycle(pool.devices)
    strength = options.corrector_strength
    return [GlacierYears(part, whole_map, facies, room, next(devices), strength) for part in parts]


def _fit(model: Model, split: Split, out: Path, stem: str, options: Options, resume: bool, progress: bool) -> Training:
    if not split.training:
        raise ValueError("no glacier, or no year, to train on: all are for validation or test")
    kinds = options.kinds or USUAL[model_name(model)]
    trained = jax.tree.map(jnp.asarray, trained_part(model, kinds))
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f"{stem}_checkpoint.npz"
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"{checkpoint}: there is such a training already. Resume it, or use another folder.")
    pool, room = WorkerPool(options.threads), Room(options.memory)
    training, validation = (_prepare(model, parts, options, room, pool) for parts in (split.training, split.validation))
    task = TrainingTask(model, kinds, training, validation, options, pool)
    config = _config(task)
    state = Progress(0, trained, optimiser_of(options).init(trained), trained, 0, float("inf"), [])
    if checkpoint.exists():
        state = read_checkpoint(checkpoint, state, config)
    write_text(out / f"{stem}_config.json", json.dumps(config, indent=1))

    def keep(state: Progress, improved: bool) -> None:
        write_checkpoint(checkpoint, state, config)
        write_text(out / f"{stem}_log.csv", pd.DataFrame(state.log).to_csv(index=False))
        if improved:
            _save(task, state, out / f"{stem}.eqx")

    state = run_epochs(task, state, keep, stem if progress else "")
    best = _save(task, state, out / f"{stem}.eqx")
    error = state.best_error if validation else float("nan")
    return Training(best, state.best_epoch, error, pd.DataFrame(state.log), out / f"{stem}.eqx")


def _config(task: TrainingTask) -> dict[str, Any]:
    """Return what the results of a training depend on, as plain JSON."""
    digest = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves_of(task.model))).hexdigest()
    numbers = ("learning_rate", "clip", "seed", "ti_strength", "corrector_strength")
    return {
        "model": model_name(task.model),
        "trained": list(task.kinds),
        "start": digest,
        **{name: getattr(task.options, name) for name in numbers},
        "numerics": settings.NUMERICS_VERSION,
        "training": {glacier.name: glacier.survey.digest for glacier in task.training},
        "validation": {glacier.name: glacier.survey.digest for glacier in task.validation},
    }


def _save(task: TrainingTask, state: Progress, path: Path) -> Model:
    """Write the weights of the best epoch, and return them as NumPy arrays."""
    leaves = [np.asarray(leaf, np.float32) for leaf in leaves_of(with_trained(task.model, state.best))]
    best = model_from_leaves(model_name(task.model), leaves)
    config = {name: value for name, value in _config(task).items() if name not in ("training", "validation")}
    data = f"{len(task.training)} glaciers: {', '.join(glacier.name for glacier in task.training)}"
    shop.save_model(best, path, data, {"training": {**config, "best_epoch": state.best_epoch}})
    return best
