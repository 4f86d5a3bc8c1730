from __future__ import annotations

import io
import json
import pickle

import jax
import numpy as np
import pytest

from oggm_glaunti.companions.iceflow import gate, svg
from oggm_glaunti.companions.iceflow.frames import Chips
from oggm_glaunti.companions.iceflow.network_file import load_network, save_network
from oggm_glaunti.core.weight_records import read_records, write_records
from oggm_glaunti.core.weights import embedded_a, write_model

SIZE = svg.Size(side=16, width=4, code=8, latent=4, hidden=8, peak_side=8)


@pytest.fixture(scope="module")
def chips():
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(6, 4, 16, 16)).astype(np.float32)
    return Chips(frames[:, 0], frames[:, 1:], frames[:, 1:], np.array([9.0, 5.0, 2.0]), np.zeros((6, 2)), 0)


@pytest.fixture(scope="module")
def weights():
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=part.shape).astype(np.float32) for name, part in gate.start().items()}


@pytest.fixture
def saved(tmp_path, weights):
    save_network(tmp_path / "gate.weights", weights, "Perito Moreno, east")
    return tmp_path / "gate.weights"


def test_a_gate_predicts_the_same_from_its_file(saved, weights, chips):
    found = load_network(saved)
    assert (found.label, found.header["training_data"]) == ("learned gate (gate)", "Perito Moreno, east")
    np.testing.assert_array_equal(found.predict(chips), gate.predict(weights, gate.samples_of(chips)))


def test_svg_lp_predicts_the_same_from_its_file(tmp_path, chips):
    model = svg.Svg(SIZE, jax.random.key(3))
    save_network(tmp_path / "svg.weights", model, "noise")
    found = load_network(tmp_path / "svg.weights")
    assert found.label == "SVG-LP (svg)"
    np.testing.assert_array_equal(found.predict(chips), svg.predict(model, chips.moved))
    wide = chips._replace(target=np.zeros((6, 32, 32), np.float32))
    with pytest.raises(ValueError, match="SVG-LP for chips of 16 px, found chips of 32 px"):
        found.predict(wide)


def altered(path, header=(), leaves=None):
    """The file with another header or other leaves, and a checksum that fits."""
    with path.open("rb") as stream:
        old, head = read_records(stream, "iceflow-gate", "file")
    stream = io.BytesIO()
    write_records(stream, old if leaves is None else leaves(old), {**head, **dict(header)})
    path.write_bytes(stream.getvalue())
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: altered(path, leaves=lambda old: old[1:]), "model iceflow-gate has 6 leaves, the file has 5"),
        (lambda path: altered(path, leaves=lambda old: [old[0][None], *old[1:]]), "leaf 0 of model iceflow-gate has"),
        (lambda path: altered(path, leaves=lambda old: [np.nan * old[0], *old[1:]]), "holds NaN or infinite values"),
        (lambda path: altered(path, {"block": 16}), "for blocks of 16 px, expected 8; train it again"),
        (lambda path: altered(path, {"model": "iceflow-svg"}), "the header's size is None; expected side, width"),
        (
            lambda path: altered(path, {"model": "iceflow-svg", "size": SIZE._asdict() | {"side": "x"}}),
            "cannot be built",
        ),
        (lambda path: altered(path, {"model": "C"}), "holds model 'C', expected iceflow-gate or iceflow-svg"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "the file is damaged or was edited"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "cannot be read"),
        (lambda path: path.write_bytes(pickle.dumps({"w1": 1})), "has no header in its first line"),
        (lambda path: path.write_bytes(b""), "has no header in its first line"),
        (lambda path: path.write_text(json.dumps([1])), "has no header in its first line"),
        (lambda path: path.unlink(), "does not exist; expected weights of save_network"),
    ],
)
def test_wrong_files_are_refused_in_words(saved, change, message):
    change(saved)
    with pytest.raises(ValueError, match=f"gate.weights.*{message}"):
        load_network(saved)


def test_weights_of_a_mass_balance_model_are_no_network(tmp_path):
    with (tmp_path / "gate.weights").open("wb") as stream:
        write_model(stream, embedded_a())
    with pytest.raises(ValueError, match="holds model 'A', expected iceflow-gate or iceflow-svg"):
        load_network(tmp_path / "gate.weights")
