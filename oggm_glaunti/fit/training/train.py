"""Training of models A, B, C and D on many glaciers, and finetuning on one.

Adam with the gradient's global norm clipped, one step an epoch, the gradient summed over all training glaciers; the
epoch with the least error on the validation glaciers is kept. Maslov et al. 2026, section on training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
from oggm_glaunti.fit.training.epochs import Crew, Task, optimiser_of, run_epochs
from oggm_glaunti.fit.training.initial import initial_model
from oggm_glaunti.fit.training.objective import USUAL, Terms, model_name, trained_part, with_trained
from oggm_glaunti.fit.training.survey import Part

FINETUNE_RATE, FINETUNE_EPOCHS = 1e-2, 250
FINETUNE_TRAIN_TO, FINETUNE_VALIDATE_TO = 2012, 2018


@dataclass(frozen=True)
class Options:
    """How to train; the defaults are those of the published training.

    Attributes
    ----------
    epochs : int
        at most
    learning_rate : float
    clip : float
        of the gradient's global norm
    seed : int
        of a new network's random weights
    kinds : tuple of str, optional
        what is trained: ``ti``, ``corrector``, ``gru``. Default: A the temperature index, B all of it, C and D the
        corrector with a frozen temperature index
    ti_strength : float
        of the pull of the temperature index to its priors, where it is trained; counted once per epoch
    corrector_strength : float
        factor on the pull of the corrections to small, even and alike values
    patience : int, optional
        stop after so many epochs without a better validation error; default: never
    threads : int, optional
        glaciers at once; default: one for each core, or device
    memory : float
        MB of prepared years that are kept from epoch to epoch; others are read again
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
    """Which observations are learned from, which choose the epoch, and which are kept for judging."""

    training: list[Part]
    validation: list[Part]
    test: list[Part]


class Training(NamedTuple):
    """The outcome of a training.

    Attributes
    ----------
    model : GlaUnTI or GRU
        of the best epoch
    best_epoch : int
    best_error : float
        on the validation glaciers, (m w.e.)2: mean over glaciers of the loss of all seasons; NaN without any
    log : DataFrame
        a row for each epoch
    weights : Path
        the file with the model
    """

    model: Model
    best_epoch: int
    best_error: float
    log: pd.DataFrame
    weights: Path


def split_by_fold(data: Sequence[Any]) -> Split:
    """Glaciers of fold 0 for test, of fold 1 for validation, all others for training."""
    folds = {VALIDATION_FOLD: [], TEST_FOLD: []}
    training: list[Part] = []
    for glacier in data:
        folds.get(glacier.fold, training).append(Part(glacier))
    return Split(training, folds[VALIDATION_FOLD], folds[TEST_FOLD])


def split_by_years(glacier: Any, train_to: int = FINETUNE_TRAIN_TO, validate_to: int = FINETUNE_VALIDATE_TO) -> Split:
    """One glacier's years: training up to `train_to`, validation up to `validate_to`, test after; both included."""
    if not train_to <= validate_to:
        raise ValueError(f"train_to: expected at most validate_to, found {train_to} and {validate_to}")
    groups = [
        frozenset(year for year in glacier.years if first < year <= last)
        for first, last in ((-(10**6), train_to), (train_to, validate_to), (validate_to, 10**6))
    ]
    return Split(*([Part(glacier, years)] if _any_observed(glacier, years) else [] for years in groups))


def _any_observed(glacier: Any, years: frozenset[int]) -> bool:
    return any(glacier.load(year).targets for year in sorted(years))


def train(
    name: str,
    data: Sequence[Any],
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
        see :mod:`oggm_glaunti.fit.data`; fold 0 is not looked at, fold 1 chooses the epoch, all others train
    out : path
        folder, made if missing; gets ``<name>.eqx``, ``<name>_log.csv``, ``<name>_config.json`` and
        ``<name>_checkpoint.npz``, the name in lower case
    start : GlaUnTI or GRU, optional
        see :func:`~oggm_glaunti.fit.training.initial.initial_model`; C needs an A and D needs a C
    options : Options, optional
    resume : bool
        go on after the last epoch that was finished; where there is none, begin
    progress : bool
        show a bar

    Returns
    -------
    Training

    Raises
    ------
    FileExistsError
        if the folder holds such a training and `resume` is not set
    ValueError
        if there is nothing to train on, a glacier has no observations, or what is resumed was another training

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
    glacier: Any,
    out: str | Path,
    start: Model,
    options: Options | None = None,
    train_to: int = FINETUNE_TRAIN_TO,
    validate_to: int = FINETUNE_VALIDATE_TO,
    resume: bool = False,
    progress: bool = True,
) -> tuple[Training, Terms | None]:
    """Go on training a model on a single glacier: its early years train, later ones choose the epoch, the last test.

    Parameters
    ----------
    glacier : GlacierData
    out : path
        as in :func:`train`; the files are called ``<model>_finetuned_<glacier>``
    start : GlaUnTI or GRU
    options : Options, optional
        default: 250 epochs at a learning rate of 0.01, as published
    train_to, validate_to : int
        last years of training and of validation
    resume, progress
        as in :func:`train`

    Returns
    -------
    (Training, Terms)
        and the errors in the test years, None where there are no observations in them
    """
    options = options or Options(epochs=FINETUNE_EPOCHS, learning_rate=FINETUNE_RATE)
    split = split_by_years(glacier, train_to, validate_to)
    stem = f"{model_name(start).lower()}_finetuned_{glacier.name}"
    done = _fit(start, split, Path(out), stem, options, resume, progress)
    return done, mean_errors(done.model, split.test, options) if split.test else None


def mean_errors(model: Model, parts: Sequence[Part], options: Options | None = None) -> Terms:
    """Errors of a model, the mean over glaciers; nothing is trained.

    Parameters
    ----------
    model : GlaUnTI or GRU
    parts : sequence of Part
        not empty
    options : Options, optional
        `threads`, `memory` and `corrector_strength` count

    Returns
    -------
    Terms
        of NumPy arrays, (m w.e.)2

    Raises
    ------
    ValueError
        for no glacier at all, or one without observations
    """
    if not parts:
        raise ValueError("no glaciers to judge the model on")
    options = options or Options()
    crew = Crew(options.threads)
    return crew.mean_errors(model, _open(model, parts, options, Room(options.memory), crew))


def _open(model: Model, parts: Sequence[Part], options: Options, room: Room, crew: Crew) -> list[GlacierYears]:
    name = model_name(model)
    whole_map, facies = name in ("C", "D"), name == "D"
    return [
        GlacierYears(part, whole_map, facies, room, crew.device(k), options.corrector_strength)
        for k, part in enumerate(parts)
    ]


def _fit(model: Model, split: Split, out: Path, stem: str, options: Options, resume: bool, progress: bool) -> Training:
    if not split.training:
        raise ValueError("no glacier, or no year, to train on: all are for validation or test")
    kinds = options.kinds or USUAL[model_name(model)]
    trained = jax.tree.map(jnp.asarray, trained_part(model, kinds))
    checkpoint = _checkpoint(out, stem, resume)
    crew, room = Crew(options.threads), Room(options.memory)
    training, validation = (_open(model, parts, options, room, crew) for parts in (split.training, split.validation))
    task = Task(model, kinds, training, validation, options, crew)
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


def _checkpoint(out: Path, stem: str, resume: bool) -> Path:
    """Where the checkpoint of a training is, or is to be."""
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f"{stem}_checkpoint.npz"
    if checkpoint.exists() and not resume:
        raise FileExistsError(f"{checkpoint}: there is such a training already. Resume it, or take another folder.")
    return checkpoint


def _config(task: Task) -> dict[str, Any]:
    """What the numbers of a training depend on, as plain JSON."""
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


def _save(task: Task, state: Progress, path: Path) -> Model:
    """Write the weights of the best epoch, and return them as NumPy arrays."""
    leaves = [np.asarray(leaf, np.float32) for leaf in leaves_of(with_trained(task.model, state.best))]
    best = model_from_leaves(model_name(task.model), leaves)
    config = {name: value for name, value in _config(task).items() if name not in ("training", "validation")}
    data = f"{len(task.training)} glaciers: {', '.join(glacier.name for glacier in task.training)}"
    shop.save_model(best, path, data, {"training": {**config, "best_epoch": state.best_epoch}})
    return best
