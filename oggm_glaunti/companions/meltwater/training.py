"""A network trained on the scenes of a stack, from predictors to the weights of the best epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from oggm_glaunti.companions.meltwater.baselines import fit_logistic, tuned_threshold
from oggm_glaunti.companions.meltwater.features import Features, Scales, features, scales_of
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions, fit_loop
from oggm_glaunti.companions.meltwater.model import (
    LOSSES,
    Network,
    Weights,
    beginning_at,
    loss_of,
    new_weights,
    probability,
    require_network,
)
from oggm_glaunti.companions.meltwater.scores import pooled
from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Floats, Index, SceneStack
from oggm_glaunti.companions.meltwater.windows import Decay

BATCH, AT_ONCE = 8, 8


class Trained(NamedTuple):
    """A trained network with all that a prediction needs.

    Attributes
    ----------
    network : Network
    weights : pytree
    decay : Decay
        of the baseline that is corrected
    scales : Scales
        of the layers
    names : tuple of str
        of the predictors
    best_epoch : int
        0 if training did not improve on the baseline, which is then what is predicted
    log : list of dict
    wet_above : float
        probability above which a cell counts as wet with the best F1 on the learning scenes. Where melt is rare it is
        well below one half
    """

    network: Network
    weights: Weights
    decay: Decay
    scales: Scales
    names: tuple[str, ...]
    best_epoch: int
    log: list[dict[str, Any]]
    wet_above: float


def train_network(
    stack: SceneStack,
    split: Split,
    decay: Decay,
    kind: str = "unet",
    *,
    width: int = 12,
    levels: int = 3,
    loss: str = "cross_entropy",
    seed: int = 0,
    crop: int = 64,
    options: FitOptions | None = None,
    checkpoint: Path | None = None,
    report: Callable[[dict[str, Any]], None] | None = None,
    prepared: tuple[Features, Features] | None = None,
) -> Trained:
    """Train a network as a correction of the decaying window.

    It begins at the decaying window or, if that is surely better on validation, at the logistic regression of all
    predictors. What is sure is said by :func:`surely_better`.

    Parameters
    ----------
    stack : SceneStack
    split : Split
        its validation scenes choose the epoch, by Brier score among those that are surely better than the start; if
        there is none the start is what is predicted
    decay : Decay
        see :func:`~oggm_glaunti.companions.meltwater.baselines.chosen_decay`
    kind, width, levels
        see :class:`~oggm_glaunti.companions.meltwater.model.Network`
    loss : {'cross_entropy', 'l1'}
        see :func:`~oggm_glaunti.companions.meltwater.model.loss_of`
    seed : int
        of the weights, the order of scenes and the places of crops
    crop : int
        side of the pieces of scenes that are learned from, cells; whole scenes if they are smaller
    options : FitOptions, optional
    checkpoint, report
        see :func:`~oggm_glaunti.companions.meltwater.fit_loop.fit_loop`
    prepared : (Features, Features), optional
        of the learning and the validation scenes, where several networks are trained on the same

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        for unknown kinds and losses, a grid smaller than the network takes, or no validation scene
    """
    if loss not in LOSSES:
        raise ValueError(f"loss: expected one of {LOSSES}, found {loss!r}")
    if not split.validation.size:
        raise ValueError("no validation scene, by which the epoch is chosen; give some")
    scales = scales_of(stack, split)
    learn, check = prepared or prepare(stack, split, decay, scales)
    network = require_network(Network(kind, learn.x.shape[-1], width, levels))
    side = _side(network, crop, stack.valid.shape)
    targets = [np.where(stack.valid, stack.target[days], np.nan) for days in (split.learn, split.validation)]

    def batches(epoch: int) -> Iterator[tuple[Floats, ...]]:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(split.learn.size)
        for first in range(0, max(order.size // BATCH, 1) * BATCH, BATCH):
            chosen = np.resize(order[first : first + BATCH], BATCH)
            yield _crops(rng, side, learn.x[chosen], learn.base[chosen], targets[0][chosen])

    first, rule = new_weights(network, seed), fit_logistic(learn.x, targets[0])
    if surely_better(rule.predict(check.x), check.base, targets[1]):
        first = beginning_at(first, rule.coefficients, rule.intercept)
    begun = predict_features(network, first, check)

    def validate(weights: Weights) -> float:
        found = predict_features(network, weights, check)
        may_be_kept = np.array_equal(found, begun) or surely_better(found, begun, targets[1])
        return pooled(found, targets[1]).brier if may_be_kept else float("inf")

    config = {
        "network": list(network),
        "decay": list(decay),
        "loss": loss,
        "seed": seed,
        "crop": side,
        "predictors": list(learn.names),
        "scenes": [part.tolist() for part in (split.learn, split.window, split.validation)],
        "options": {**vars(options or FitOptions())},
    }
    done = fit_loop(first, _loss_of(loss, network), batches, validate, options, checkpoint, config, report)
    best = jax.tree.map(np.asarray, done.best)
    wet_above = tuned_threshold(predict_features(network, best, learn), targets[0]).threshold
    return Trained(network, best, decay, scales, learn.names, done.best_epoch, done.log, wet_above)


def prepare(stack: SceneStack, split: Split, decay: Decay, scales: Scales) -> tuple[Features, Features]:
    """Compute predictors of the learning and the validation scenes."""
    learn, check = (features(stack, split, days, decay, scales) for days in (split.learn, split.validation))
    return learn, check


def surely_better(predicted: Floats, reference: Floats, target: Floats) -> bool:
    """Say whether a prediction is better than another by more than chance: the rule of one standard error.

    Cells of a scene melt together, so the scenes are what is counted: the Brier score is better if its sum over a
    scene is lower by more than one standard error of the mean over scenes (Breiman et al. 1984, chapter 3). F1 must
    not be lower.

    Parameters
    ----------
    predicted, reference, target : arrays (N, H, W)
        target NaN where not observed

    Examples
    --------
    >>> y = np.array([1.0, 0.0, 1.0]).reshape(3, 1, 1)
    >>> surely_better(0.5 + 0.4 * (y - 0.5), 0.5 + 0.0 * y, y), surely_better(y, y, y)
    (True, False)
    """
    seen = np.isfinite(target)
    gain = np.where(seen, (reference - target) ** 2 - (predicted - target) ** 2, 0.0).sum(axis=(1, 2), dtype=np.float64)
    error = gain.std(ddof=1) / np.sqrt(gain.size) if gain.size > 1 else np.inf
    return bool(gain.mean() > error and pooled(predicted, target).f1 >= pooled(reference, target).f1)


@cache
def _loss_of(kind: str, network: Network) -> Callable[[Weights, tuple[Any, ...]], Any]:
    def loss(weights: Weights, batch: tuple[Any, ...]) -> Any:
        return loss_of(kind, network, weights, *batch)

    return loss


def _side(network: Network, crop: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a crop: multiples that the network takes, not more than there are."""
    most = min(shape)
    if most < network.smallest:
        raise ValueError(
            f"the grid of {shape[0]} x {shape[1]} cells is smaller than the network's smallest tile, "
            f"{network.smallest} x {network.smallest}; take a larger window, or a UNet of fewer levels (levels=)"
        )
    rows, columns = (max(min(crop, n) // network.multiple * network.multiple, network.smallest) for n in shape)
    return rows, columns


def _crops(rng: np.random.Generator, side: tuple[int, int], *arrays: Floats) -> tuple[Floats, ...]:
    """Take one window for the whole batch, where most was observed out of a few draws."""
    height, width = arrays[0].shape[1:3]
    places = [(rng.integers(height - side[0] + 1), rng.integers(width - side[1] + 1)) for _ in range(3)]

    def observed(place: tuple[int, int]) -> int:
        return int(np.isfinite(_cut(arrays[-1], place, side)).sum())

    place = max(places, key=observed)
    return tuple(_cut(array, place, side) for array in arrays)


def _cut(array: Floats, place: tuple[int, int], side: tuple[int, int]) -> Floats:
    return array[:, place[0] : place[0] + side[0], place[1] : place[1] + side[1]]


def predict_features(network: Network, weights: Weights, of: Features) -> Floats:
    """Return probabilities (N, H, W) from predictors whose maps have sides that the network takes."""
    height, width = of.base.shape[1:]
    pad = [(0, 0), (0, -height % network.multiple), (0, -width % network.multiple)]
    program, found = _program(network), []
    for first in range(0, len(of.base), AT_ONCE):
        x, base = (array[first : first + AT_ONCE] for array in (of.x, of.base))
        short = AT_ONCE - len(base)
        base = np.pad(base, [(0, short), *pad[1:]], mode="edge")
        x = np.pad(x, [(0, short), *pad[1:], (0, 0)])
        found.append(np.asarray(program(weights, x, base))[: AT_ONCE - short, :height, :width])
    return np.concatenate(found)


@cache
def _program(network: Network) -> Callable[..., Any]:
    return jax.jit(partial(probability, network))


def predict_days(trained: Trained, stack: SceneStack, split: Split, days: Index) -> Floats:
    """Return melt probabilities of some days (N, H, W).

    Parameters
    ----------
    trained : Trained
    stack : SceneStack
        with the layers that the network was trained with
    split : Split
        its learning scenes give climatology, its window scenes the windows
    days : int array (N,)
    """
    of = features(stack, split, days, trained.decay, trained.scales)
    if of.names != trained.names:
        raise ValueError(f"predictors: trained with {list(trained.names)}, found {list(of.names)}")
    return predict_features(trained.network, jax.tree.map(jnp.asarray, trained.weights), of)
