"""A trained network in one file: weights, and all that a prediction needs besides, as NumPy arrays and JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from oggm_glaunti.companions.meltwater.features import Scales
from oggm_glaunti.companions.meltwater.model import Network, new_weights
from oggm_glaunti.companions.meltwater.training import Trained
from oggm_glaunti.companions.meltwater.windows import Decay
from oggm_glaunti.files import replacing

FORMAT = "oggm-glaunti-meltwater-2"


def write_network(path: Path, trained: Trained) -> None:
    """Write a trained network; the file appears complete or not at all."""
    head = {
        "format": FORMAT,
        "network": list(trained.network),
        "decay": list(trained.decay),
        "mean": trained.scales.mean,
        "sd": trained.scales.sd,
        "names": list(trained.names),
        "best_epoch": trained.best_epoch,
        "log": trained.log,
        "wet_above": trained.wet_above,
    }
    leaves: dict[str, Any] = {
        f"leaf_{k:03d}": np.asarray(leaf) for k, leaf in enumerate(jax.tree.leaves(trained.weights))
    }
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, head=np.array(json.dumps(head)), **leaves)


def read_network(path: Path) -> Trained:
    """Read a trained network.

    Raises
    ------
    ValueError
        if the file is damaged or of another kind
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            head = json.loads(str(stored["head"]))
            found = [stored[f"leaf_{k:03d}"] for k in range(len(stored.files) - 1)]
    except FileNotFoundError:
        raise
    except Exception as err:  # zip, zlib, struct and NumPy each have errors of their own
        raise ValueError(f"{path}: cannot be read ({err}); train the network again") from err
    if head.get("format") != FORMAT:
        raise ValueError(f"{path}: expected format {FORMAT!r}, found {head.get('format')!r}")
    network = Network(*head["network"])
    expected, structure = jax.tree.flatten(new_weights(network))
    if [leaf.shape for leaf in found] != [leaf.shape for leaf in expected]:
        raise ValueError(f"{path}: the weights are not those of {network}; the file is damaged")
    scales = Scales(head["mean"], head["sd"])
    weights = jax.tree.unflatten(structure, found)
    decay, names = Decay(*head["decay"]), tuple(head["names"])
    return Trained(network, weights, decay, scales, names, head["best_epoch"], head["log"], head["wet_above"])
