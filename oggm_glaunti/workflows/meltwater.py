"""Whole chains on a folder in the layout of MeltwaterBench: train a network, predict every day, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from oggm_glaunti.companions.meltwater.baselines import chosen_decay, of_scenes, tuned_threshold
from oggm_glaunti.companions.meltwater.bench import MeltwaterBench
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions
from oggm_glaunti.companions.meltwater.maps_file import write_maps
from oggm_glaunti.companions.meltwater.network_file import read_network, write_network
from oggm_glaunti.companions.meltwater.scores import extent_errors, pooled, published
from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Floats, SceneStack
from oggm_glaunti.companions.meltwater.tiling import TILE, in_tiles
from oggm_glaunti.companions.meltwater.training import Trained, predict_days, train_network
from oggm_glaunti.companions.meltwater.windows import gap_days

SPLITS, NETWORK, CHECKPOINT, MAPS = "splits", "network.npz", "checkpoint.npz", "meltwater.nc"


def _open(folder: Path, layers: Sequence[str]) -> MeltwaterBench:
    return MeltwaterBench(folder, folder / SPLITS, layers)


def train(
    folder: Path,
    out: Path,
    layers: Sequence[str],
    report: Callable[[dict[str, Any]], None] | None = None,
    *,
    network: str = "unet",
    width: int = 12,
    levels: int = 3,
    epochs: int = 20,
    crop: int = 256,
    rate: float = 1e-3,
    seed: int = 0,
) -> Trained:
    """Train a network on the learning scenes and write it to ``network.npz``; a training that was killed goes on.

    Parameters
    ----------
    folder : path
        data root, with the split in ``splits/``
    out : path
        folder of the network and of its checkpoint; made if missing
    layers : sequence of str
        daily layers
    report : callable, optional
        gets the row of the log after every epoch
    network, width, levels, epochs, crop, rate, seed
        see :func:`~oggm_glaunti.companions.meltwater.training.train_network`
    """
    bench = _open(folder, layers)
    stack = bench.read()
    split = bench.split_of(stack)
    out.mkdir(parents=True, exist_ok=True)
    more: dict[str, Any] = {"width": width, "levels": levels, "crop": crop, "seed": seed}
    more |= {"options": FitOptions(epochs=epochs, rate=rate), "checkpoint": out / CHECKPOINT, "report": report}
    trained = train_network(stack, split, chosen_decay(stack, split), network, **more)
    write_network(out / NETWORK, trained)
    return trained


def predict(folder: Path, out: Path, layers: Sequence[str], tile: int = TILE) -> Path:
    """Write melt probabilities of every day that has all layers to ``meltwater.nc``, tile by tile.

    The attribute ``wet_above`` of ``melt_probability`` is what to compare it with for a map of wet and dry.

    Parameters
    ----------
    folder, out, layers
        as in :func:`train`
    tile : int
        side of a tile, cells; edges that feel what lies outside the tile do not count
    """
    bench, trained = _open(folder, layers), read_network(out / NETWORK)
    days = np.union1d(bench.every_day, bench.days) if not layers else bench.every_day
    network, shape = trained.network, bench.grid.shape
    # A tile holds its edges and something between.
    tile = max(tile, 4 * network.reach)

    def of_window(window: tuple[slice, slice]) -> Floats:
        stack = bench.read(*window, days=days)
        split = bench.split_of(stack)
        every = np.arange(stack.time.size)
        fields = predict_days(trained, stack, split, every), gap_days(stack, split, every), stack.target
        masked = [np.where(stack.valid, field, np.nan) for field in fields]
        return np.stack(masked)

    probability, gap, observed = in_tiles(of_window, shape, tile, network.reach, network.multiple)
    a, _, west, _, e, north = bench.grid.transform[:6]
    x, y = west + a * (np.arange(shape[1]) + 0.5), north + e * (np.arange(shape[0]) + 0.5)
    about = {"network": network.kind, "best_epoch": trained.best_epoch, "predictors": " ".join(trained.names)}
    write_maps(out / MAPS, days, x, y, bench.grid.crs, probability, observed, gap, about, trained.wet_above)
    return out / MAPS


def evaluate(folder: Path, out: Path, layers: Sequence[str]) -> pd.DataFrame:
    """Score the network and all baselines on the test scenes.

    Returns
    -------
    DataFrame
        a row for each of them: Brier score and its skill against climatology, F1 and IoU, errors of the melt area
        (km2 a day), and mean absolute error and accuracy as published
    """
    bench, trained = _open(folder, layers), read_network(out / NETWORK)
    stack = bench.read()
    split = bench.split_of(stack)
    y = np.where(stack.valid, stack.target[split.test], np.nan)
    maps, hard = _maps(stack, split, trained)
    area = abs(bench.grid.transform.a * bench.grid.transform.e) * 1e-6
    rows = {}
    for name, p in maps.items():
        found = pooled(p, y, maps["climatology"], hard.get(name))
        extent, paper = extent_errors(p, y, area), published(p, y)
        rows[name] = {
            **{key: getattr(found, key) for key in ("brier", "skill", "f1", "iou")},
            "extent_bias": extent["bias"],
            "extent_mae": extent["mae"],
            "mae": paper.mean["mae"],
            "accuracy": paper.mean["accuracy"],
            "precision_set_to_1": paper.precision_by_convention,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(f"{split.test.size} test scenes")


def _maps(stack: SceneStack, split: Split, trained: Trained) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Predictions of the test scenes by name, and maps of 0 and 1 of the rules that are thresholds."""
    maps = {name: rule(split.test) for name, rule in of_scenes(stack, split, trained.decay).items()}
    hard = {}
    for name, values in stack.layers.items():
        rule = tuned_threshold(values[split.learn], stack.target[split.learn])
        label = f"{name} above {rule.threshold:.4g}"
        maps[label], hard[label] = rule.probability(values[split.test]), rule.wet(values[split.test])
    p = predict_days(trained, stack, split, split.test)
    tuned = f"{trained.network.kind} above {trained.wet_above:.4g}"
    maps |= {trained.network.kind: p, tuned: p}
    hard[tuned] = (p > trained.wet_above).astype(np.float32)
    return maps, hard
