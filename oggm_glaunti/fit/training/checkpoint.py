"""The state of a training after an epoch, in one file, written completely or not at all.

It holds everything that the next epoch depends on, bit by bit: the trained parameters, the moments of the optimiser,
the best parameters so far and the log. Random numbers of an epoch, where there are any, follow from the seed and the
epoch's number, so their state is not needed.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from oggm_glaunti.files import replacing

CHECKPOINT_FORMAT = "oggm-glaunti-checkpoint-1"
TREES, NUMBERS = ("trained", "optimiser", "best"), ("epoch", "best_epoch", "best_error", "log")


class Progress(NamedTuple):
    """A training after some epochs.

    Attributes
    ----------
    epoch : int
        number of finished epochs
    trained, optimiser, best : pytrees
        trained parameters, state of the optimiser, parameters of the best epoch
    best_epoch : int
        0 before the first
    best_error : float
        validation error of the best epoch, in the unit of the loss
    log : list of dict
        a row for each epoch
    """

    epoch: int
    trained: Any
    optimiser: Any
    best: Any
    best_epoch: int
    best_error: float
    log: list[dict[str, Any]]


def write_checkpoint(path: Path, progress: Progress, config: dict[str, Any]) -> None:
    """Write a checkpoint; the file appears complete or not at all.

    Parameters
    ----------
    path : Path
        file to write
    progress : Progress
        state of the training
    config : dict
        what the results of the training depend on, plain JSON
    """
    arrays: dict[str, Any] = {
        f"{name}_{k:03d}": np.asarray(leaf)
        for name in TREES
        for k, leaf in enumerate(jax.tree.leaves(getattr(progress, name)))
    }
    numbers = {name: getattr(progress, name) for name in NUMBERS}
    head = {"format": CHECKPOINT_FORMAT, "config": config, **numbers}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, head=np.array(json.dumps(head)), **arrays)
        stream.flush()
        os.fsync(stream.fileno())


def read_checkpoint(path: Path, like: Progress, config: dict[str, Any]) -> Progress:
    """Read a checkpoint of the same training.

    Parameters
    ----------
    path, config
        see :func:`write_checkpoint`; `config` must be that of the checkpoint
    like : Progress
        has the expected structure

    Raises
    ------
    ValueError
        if the file is damaged, or of a training with other data or options; names every difference
    """
    try:
        # Opened here, as NumPy leaves a file open that is no archive.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            head, arrays = json.loads(str(stored["head"])), {name: stored[name] for name in stored.files}
    except Exception as err:  # zip, zlib, struct, tokenizer and NumPy each have errors of their own
        raise ValueError(f"{path}: cannot be read ({err}). Delete it to start anew.") from err
    if head.get("format") != CHECKPOINT_FORMAT:
        raise ValueError(f"{path}: expected format {CHECKPOINT_FORMAT!r}, found {head.get('format')!r}")
    different = "; ".join(differences(head["config"], config))
    if different:
        raise ValueError(f"{path}: belongs to another training; {different}. Use its options, or another folder.")
    trees = {name: _filled(path, name, getattr(like, name), arrays) for name in TREES}
    return Progress(**trees, **{name: head[name] for name in NUMBERS})


def _filled(path: Path, name: str, like: Any, arrays: dict[str, np.ndarray]) -> Any:
    leaves, structure = jax.tree.flatten(like)
    found = [arrays.get(f"{name}_{k:03d}") for k in range(len(leaves))]
    for k, (leaf, expected) in enumerate(zip(found, leaves, strict=True)):
        if leaf is None or leaf.shape != np.shape(expected) or leaf.dtype != np.asarray(expected).dtype:
            raise ValueError(f"{path}: {name} {k} is missing or of another shape; the file is damaged")
    return jax.tree.unflatten(structure, found)


def differences(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> list[str]:
    """Describe the differences between two nested dicts.

    Examples
    --------
    >>> differences({"seed": 1, "data": {"Rhone": "a"}}, {"seed": 2, "data": {}})
    ["data / Rhone: was 'a', is now None", 'seed: was 1, is now 2']
    """
    found = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, f"{prefix}{key} / ")
        elif old != new:
            found.append(f"{prefix}{key}: was {old!r}, is now {new!r}")
    return found
