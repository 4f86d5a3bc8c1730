"""Predictions of a frame from those before it, and how well each does: Table 1 of Min et al. (2019) for any images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from oggm_glaunti.companions.iceflow.frames import Chips, correlation

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

# Weight of the agreement, and days over which the weight of a frame falls to 1/e.
AGREEMENT, DECAY = 10.0, 30.0
# px. Standard deviation of the Gaussian that the high-pass takes off.
HIGH_PASS = 4.0
LOW, HIGH = 0.3, 0.7


def normalised(frames: Images) -> Images:
    """Return frames with mean 0 and standard deviation 1; 0 for one without contrast."""
    centred = frames - frames.mean(axis=(-2, -1), keepdims=True)
    spread = centred.std(axis=(-2, -1), keepdims=True)
    return np.where(spread > 1e-6, centred / np.maximum(spread, 1e-6), 0.0).astype(np.float32)


def agreement(frames: Images) -> Floats:
    """Return the mean correlation of each frame (N, P) with the other past frames.

    Examples
    --------
    >>> chip = np.random.default_rng(0).normal(size=(2, 64, 64)).astype(np.float32)
    >>> found = agreement(np.stack([chip[0], chip[0], chip[1]])[None])[0]
    >>> abs(found.astype(float)).round(1).tolist()
    [0.5, 0.5, 0.0]
    """
    n = normalised(frames)
    flat = n.reshape(*n.shape[:2], -1)
    every = np.einsum("npk,nqk->npq", flat, flat) / flat.shape[-1]
    count = max(flat.shape[1] - 1, 1)
    return (every.sum(axis=2) - np.einsum("npp->np", every)) / count


def agreement_logits(frames: Images, age: Floats) -> Floats:
    """Return the logarithm of each frame's weight (N, P): 10 times the agreement less the age over 30 days."""
    return AGREEMENT * agreement(frames) - age / DECAY


def weighted(frames: Images, logits: Floats) -> Images:
    """Return the mean of normalised frames with weights of the softmax of logits (N, P)."""
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("np,npij->nij", weight, normalised(frames)).astype(np.float32)


def _high_pass(frames: Images) -> Images:
    return frames - ndimage.gaussian_filter(frames, (0, HIGH_PASS, HIGH_PASS))


def oracle(chips: Chips) -> Images:
    """Return the best of the past frames for each chip: no prediction, since it looks at the target."""
    scores = correlation(chips.moved, chips.target[:, None])
    return chips.moved[np.arange(len(scores)), scores.argmax(axis=1)]


PREDICTORS: dict[str, Callable[[Chips], Images]] = {
    "persistence": lambda chips: chips.still[:, -1],
    "high-pass": lambda chips: _high_pass(chips.still[:, -1]),
    "high-pass, binary": lambda chips: np.sign(_high_pass(chips.still[:, -1])),
    "mean": lambda chips: normalised(chips.still).mean(axis=1),
    "median": lambda chips: np.median(normalised(chips.still), axis=1),
    "advected last": lambda chips: chips.moved[:, -1],
    "advected mean": lambda chips: normalised(chips.moved).mean(axis=1),
    "advected median": lambda chips: np.median(normalised(chips.moved), axis=1),
    "agreement": lambda chips: weighted(chips.moved, agreement_logits(chips.moved, chips.age)),
}
ORACLE = "oracle (best past frame)"


def scores(chips: Chips, more: Mapping[str, Images] | None = None) -> dict[str, Floats]:
    """Return the correlation of each predictor's frames with the target, by name.

    Parameters
    ----------
    chips : Chips
    more : mapping, optional
        Predictions (N, c, c) of others, such as a trained network, by name
    """
    made = {name: predict(chips) for name, predict in PREDICTORS.items()}
    made |= dict(more or {})
    made[ORACLE] = oracle(chips)
    return {name: correlation(frames, chips.target) for name, frames in made.items()}


def table1(found: Sequence[dict[str, Floats]], clear: Sequence[bool], dropped: int = 0) -> pd.DataFrame:
    """Summarise scores: mean correlation and shares of low, medium and high ones, for all targets and clear ones.

    Parameters
    ----------
    found : sequence of dict
        Of :func:`scores`, one for each target
    clear : sequence of bool
        Targets that are not cloudy
    dropped : int
        Chips left out for want of data, kept in ``attrs``

    Returns
    -------
    DataFrame
        A row for each predictor: ``mean``, ``low`` (< 0.3), ``medium``, ``high`` (> 0.7), and the same of clear targets

    Examples
    --------
    >>> table1([{"persistence": np.array([0.2, 0.8])}], [True])["mean"].tolist()
    [0.5]
    """
    rows = {}
    for name in found[0]:
        row: dict[str, float] = {}
        for suffix, chosen in (("", list(found)), ("_clear", [f for f, c in zip(found, clear, strict=True) if c])):
            values = np.concatenate([of[name] for of in chosen]) if chosen else np.full(1, np.nan)
            row |= {
                f"mean{suffix}": float(values.mean()),
                f"low{suffix}": float((values < LOW).mean()),
                f"medium{suffix}": float(((values >= LOW) & (values <= HIGH)).mean()),
                f"high{suffix}": float((values > HIGH).mean()),
            }
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.attrs = {"targets": len(found), "clear": int(sum(clear)), "dropped": dropped}
    return table
