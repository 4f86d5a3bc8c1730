"""Trained networks in files, in the format of the package's other weights: one line of JSON, then ``.npy`` records."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.companions.iceflow import gate, svg
from oggm_glaunti.companions.iceflow.frames import Chips
from oggm_glaunti.core.weight_records import read_records, require_leaves, write_records
from oggm_glaunti.files import replacing

Images = NDArray[np.float32]

# Names in the files, and in tables of predictors.
GATE, SVG = "iceflow-gate", "iceflow-svg"
LABELS = {GATE: "learned gate", SVG: "SVG-LP"}
# Largest line of JSON that is looked at, bytes.
LONGEST_HEADER = 1_000_000


class Learned(NamedTuple):
    """A trained network.

    Attributes
    ----------
    kind : {'iceflow-gate', 'iceflow-svg'}
    label : str
        For tables, with the file's name
    predict : callable
        From chips to frames (N, c, c)
    header : dict
        What the file says besides
    """

    kind: str
    label: str
    predict: Callable[[Chips], Images]
    header: dict[str, Any]


def save_network(path: str | os.PathLike[str], network: dict[str, Any] | svg.Svg, training_data: str) -> None:
    """Write the weights of a trained gate or of SVG-LP; the file appears complete or not at all.

    Parameters
    ----------
    path : path
    network : dict or Svg
        Weights of the gate, of :func:`~oggm_glaunti.companions.iceflow.learn_gate`, or an SVG-LP
    training_data : str
        What it was trained on

    Raises
    ------
    oggm_glaunti.files.WriteError
        If the file cannot be written

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_network(Path(folder) / "gate.weights", gate.start(), "nothing yet")
    ...     load_network(Path(folder) / "gate.weights").label
    'learned gate (gate)'
    """
    header: dict[str, Any] = {"training_data": training_data, "package_version": version("oggm-glaunti")}
    if isinstance(network, svg.Svg):
        header |= {"model": SVG, "size": network.size._asdict()}
    else:
        header |= {"model": GATE, "block": gate.BLOCK}
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(network) if isinstance(leaf, np.ndarray | jax.Array)]
    with replacing(path) as temporary, temporary.open("wb") as stream:
        write_records(stream, leaves, header)


def load_network(path: str | os.PathLike[str]) -> Learned:
    """Read the weights of a gate or an SVG-LP.

    Raises
    ------
    ValueError
        If the file is missing or damaged, holds another model, or weights of another size
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; expected weights of save_network")
    kind = _kind(path)
    with path.open("rb") as stream:
        leaves, header = read_records(stream, kind, str(path))
    build = _gate if kind == GATE else _svg
    return Learned(kind, f"{LABELS[kind]} ({path.stem})", build(path, leaves, header), header)


def _kind(path: Path) -> str:
    """Return which network a file holds, by its header."""
    with path.open("rb") as stream:
        line = stream.readline(LONGEST_HEADER)
    try:
        header = json.loads(line)
        kind = header.get("model")
    except (ValueError, AttributeError) as err:
        raise ValueError(f"{path}: has no header in its first line; expected weights of save_network") from err
    if kind not in LABELS:
        raise ValueError(f"{path}: holds model {kind!r}, expected {' or '.join(LABELS)}: weights of save_network")
    return str(kind)


def _gate(path: Path, leaves: list[NDArray[Any]], header: dict[str, Any]) -> Callable[[Chips], Images]:
    expected, structure = jax.tree.flatten(gate.start())
    require_leaves(leaves, [leaf.shape for leaf in expected], GATE, str(path))
    if header.get("block") != gate.BLOCK:
        raise ValueError(f"{path}: for blocks of {header.get('block')!r} px, expected {gate.BLOCK}; train it again")
    weights = jax.tree.unflatten(structure, leaves)

    def predict(chips: Chips) -> Images:
        side = chips.target.shape[-1]
        if side % gate.BLOCK:
            raise ValueError(f"{path}: chips of {side} px cannot be cut into blocks of {gate.BLOCK} px")
        return gate.predict(weights, gate.samples_of(chips))

    return predict


def _svg(path: Path, leaves: list[NDArray[Any]], header: dict[str, Any]) -> Callable[[Chips], Images]:
    found = header.get("size")
    if not isinstance(found, dict) or set(found) != set(svg.Size._fields):
        raise ValueError(f"{path}: the header's size is {found!r:.80}; expected {', '.join(svg.Size._fields)}")
    size = svg.Size(**found)
    try:
        blank = jax.eval_shape(lambda: svg.Svg(size, jax.random.key(0)))
    except Exception as err:  # whatever numbers that are none, or too small, do in the network
        raise ValueError(f"{path}: a network of {size} cannot be built ({err!r:.80})") from err
    expected, structure = jax.tree.flatten(blank)
    require_leaves(leaves, [leaf.shape for leaf in expected], SVG, str(path))
    model = jax.tree.unflatten(structure, leaves)

    def predict(chips: Chips) -> Images:
        side = chips.target.shape[-1]
        if side != size.side:
            raise ValueError(f"{path}: SVG-LP for chips of {size.side} px, found chips of {side} px")
        return svg.predict(model, chips.moved)

    return predict
