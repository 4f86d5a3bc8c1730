"""Training as a user sees it: it learns, keeps the best epoch, goes on where it was, says what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

from oggm_glaunti import shop
from oggm_glaunti.core.corrector import run_corrector
from oggm_glaunti.core.weights import embedded_a, leaves_of
from oggm_glaunti.files import replacing
from oggm_glaunti.fit.training.checkpoint import differences
from oggm_glaunti.fit.training.initial import initial_model
from oggm_glaunti.fit.training.survey import Part
from oggm_glaunti.fit.training.train import Options, finetune, mean_errors, split_by_fold, split_by_years, train

from ..experiments import WithoutFacies
from ..training_worlds import glacier

REPOSITORY = Path(__file__).resolve().parents[3]
QUICK = Options(epochs=4, learning_rate=0.02)


@pytest.fixture(scope="module")
def data():
    """A test, a validation and two training glaciers of one shape, so that little is compiled."""
    return [glacier(f"Glacier {k}", fold=k, seed=k, noise=0.1) for k in range(4)]


def weights_of(done) -> bytes:
    return done.weights.read_bytes()


@pytest.mark.slow
def test_a_learns_and_the_weights_load_like_any_others(data, tmp_path):
    done = train("A", data, tmp_path, options=Options(epochs=25, learning_rate=0.03), progress=False)
    assert done.log["epoch"].tolist() == list(range(1, 26))
    before = mean_errors(initial_model("A"), [Part(data[0])])
    after = mean_errors(done.model, [Part(data[0])])
    assert after.total() < 0.3 * before.total()
    loaded = shop.load("A", tmp_path)
    assert [leaf.tobytes() for leaf in leaves_of(loaded.model)] == [leaf.tobytes() for leaf in leaves_of(done.model)]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a_log.csv"), done.log, check_dtype=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.eqx",
        "a_checkpoint.npz",
        "a_config.json",
        "a_log.csv",
    ]


@pytest.mark.slow
def test_the_epoch_with_the_least_validation_error_is_kept(data, tmp_path):
    wild = train("A", data, tmp_path, options=Options(epochs=6, learning_rate=0.3), progress=False)
    errors = wild.log["validation"].to_numpy()
    assert wild.best_epoch == errors.argmin() + 1 < 6
    assert mean_errors(wild.model, split_by_fold(data).validation).by_season().sum() == pytest.approx(
        errors.min(), 1e-5
    )


@pytest.mark.slow
def test_patience_ends_a_training_that_gets_no_better(data, tmp_path):
    options = Options(epochs=50, learning_rate=0.3, patience=2)
    done = train("A", data, tmp_path, options=options, progress=False)
    assert len(done.log) == done.best_epoch + 2 < 50


def test_without_validation_glaciers_the_last_epoch_is_kept(data, tmp_path):
    done = train("A", data[2:], tmp_path, options=QUICK, progress=False)
    assert done.best_epoch == 4
    assert np.isnan(done.best_error)


def test_sharpnesses_and_a_frozen_temperature_index_stay(data, tmp_path):
    before, after = initial_model("A").ti, train("A", data, tmp_path, options=QUICK, progress=False).model.ti
    assert after.t_softplus_sharpness_log == before.t_softplus_sharpness_log
    assert after.swe_softplus_sharpness_log == before.swe_softplus_sharpness_log
    assert after.prec_scale_log != before.prec_scale_log


def test_resumed_is_uninterrupted_to_the_last_bit(data, tmp_path):
    whole = train("A", data, tmp_path / "whole", options=QUICK, progress=False)
    for epochs in (2, 4):
        parts = train(
            "A",
            data,
            tmp_path / "parts",
            options=Options(epochs=epochs, learning_rate=0.02),
            resume=True,
            progress=False,
        )
    assert weights_of(parts) == weights_of(whole)
    columns = whole.log.columns.difference(["seconds", "peak_memory_mb"])
    pd.testing.assert_frame_equal(parts.log[columns], whole.log[columns])


def test_results_do_not_depend_on_threads_or_memory(data, tmp_path):
    runs = [
        train("A", data, tmp_path / str(k), options=Options(2, 0.02, threads=threads, memory=memory), progress=False)
        for k, (threads, memory) in enumerate([(1, 1000.0), (3, 1e-6)])
    ]
    assert weights_of(runs[0]) == weights_of(runs[1])


def test_a_training_is_not_overwritten(data, tmp_path):
    train("A", data, tmp_path, options=QUICK, progress=False)
    with pytest.raises(FileExistsError, match=r"a_checkpoint\.npz: there is such a training already\. Resume it"):
        train("A", data, tmp_path, options=QUICK, progress=False)


@pytest.mark.slow
def test_another_training_is_not_resumed_and_each_difference_is_named(data, tmp_path):
    train("A", data, tmp_path, options=QUICK, progress=False)
    other = [*data[:3], glacier("Glacier 3", fold=3, seed=9, noise=0.1)]
    with pytest.raises(ValueError, match=r"another training; learning_rate: was 0\.02, is now 0\.01; training / Gl"):
        train("A", other, tmp_path, options=Options(epochs=4, learning_rate=0.01), resume=True, progress=False)


def test_a_damaged_checkpoint_is_an_error_that_names_it(data, tmp_path):
    train("A", data, tmp_path, options=QUICK, progress=False)
    checkpoint = tmp_path / "a_checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"a_checkpoint\.npz: cannot be read .* Delete it to start anew"):
        train("A", data, tmp_path, options=QUICK, resume=True, progress=False)


def test_a_loss_that_is_not_finite_names_the_glacier(tmp_path):
    made = glacier("Broken")
    target = made.data[2001].targets["annual"]
    made.data[2001].targets["annual"] = target._replace(observed=np.full(6, 3e38, np.float32))
    with pytest.raises(FloatingPointError, match="Broken: the loss or its gradient is not finite"):
        train("A", [made], tmp_path, options=QUICK, progress=False)
    assert not (tmp_path / "a.eqx").exists()


def test_nothing_to_train_on_is_an_error(data, tmp_path):
    with pytest.raises(ValueError, match="no glacier, or no year, to train on"):
        train("A", data[:2], tmp_path, progress=False)


def test_finetuning_trains_validates_and_tests_on_years_of_one_glacier(tmp_path):
    made = glacier("Rhone", years=5, noise=0.05)
    options = Options(epochs=20, learning_rate=0.02)
    done, test = finetune(made, tmp_path, embedded_a(), options, 2003, 2004, progress=False)
    assert done.weights.name == "a_finetuned_Rhone.eqx"
    before = mean_errors(embedded_a(), [Part(made, frozenset({2005}))])
    assert test.total() < before.total()
    assert shop.load("A", done.weights).sha256 == shop.load("A", tmp_path, "Rhone").sha256


def test_other_years_are_another_training(tmp_path):
    made = glacier("Rhone", years=3)
    finetune(made, tmp_path, embedded_a(), QUICK, 2002, 2003, progress=False)
    with pytest.raises(ValueError, match=r"another training; training / Rhone: was .*; validation / Rhone: was "):
        finetune(made, tmp_path, embedded_a(), QUICK, 2001, 2003, resume=True, progress=False)


def test_years_after_the_observations_leave_nothing_to_test():
    split = split_by_years(glacier(years=2), 2001, 2002)
    assert [part.years for part in split.training + split.validation] == [{2001}, {2002}]
    assert split.test == []


def test_new_networks_differ_by_seed_and_begin_near_nothing():
    first, again, other = (initial_model("C", seed, embedded_a()) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(leaves_of(first), leaves_of(again), strict=True))
    assert not np.array_equal(first.corrector.out_conv, other.corrector.out_conv)
    inputs = np.random.default_rng(0).normal(size=(15, 24, 24)).astype(np.float32)
    assert np.abs(jax.jit(run_corrector)(first.corrector, inputs, np.ones((2, 12), np.float32))).max() < 0.02
    assert np.array_equal(first.ti.prec_scale_log, embedded_a().ti.prec_scale_log)


@pytest.mark.parametrize(("name", "start"), [("C", None), ("D", "A"), ("A", "C"), ("B", "A")])
def test_a_model_begins_with_what_it_can_begin_with(name, start):
    given = {"A": embedded_a(), "C": initial_model("C", 0, embedded_a()), None: None}[start]
    with pytest.raises(ValueError, match=f"model {name} begins with .*, found {start or 'nothing'}"):
        initial_model(name, 0, given)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"learning_rate": -1.0}, {"patience": 0}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Options(**wrong)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "notes"
    path.write_text("old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("notes", "old")]


def test_differences_of_nested_dicts_are_in_words():
    assert differences({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}) == ["a / c: was 2, is now 3"]


ON_DEVICES = """
import jax
from oggm_glaunti.fit.training.train import Options, train
from tests.fit.training_worlds import glacier
data = [glacier(f"Glacier {k}", fold=k, seed=k, noise=0.1) for k in (2, 3)]
done = train("A", data, OUT, options=Options(epochs=4, learning_rate=0.02), progress=False)
print(len(jax.local_devices()), done.weights)
"""


@pytest.mark.slow
def test_two_devices_give_what_one_gives(data, tmp_path, monkeypatch):
    one = train("A", data[2:], tmp_path / "one", options=QUICK, progress=False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    code = ON_DEVICES.replace("OUT", repr(str(tmp_path / "two")))
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "2"
    two = shop.load("A", tmp_path / "two").model
    for a, b in zip(leaves_of(one.model), leaves_of(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.slow
def test_c_and_d_learn_beside_a_frozen_temperature_index_and_d_reads_facies(tmp_path):
    data = [glacier(f"Glacier {k}", fold=k, shape=(18, 20), years=1, seed=k, facies=True) for k in (1, 2)]
    start = initial_model("C", 0, embedded_a())
    options = Options(epochs=2, learning_rate=3e-3)
    c = train("C", data, tmp_path, start, options, progress=False)
    for epochs in (1, 2):
        parts = replace(options, epochs=epochs)
        resumed = train("C", data, tmp_path / "parts", start, parts, resume=True, progress=False)
    assert weights_of(resumed) == weights_of(c)
    d = train("D", data, tmp_path, c.model, options, progress=False)
    for done in (c, d):
        assert done.log["training"].iloc[-1] < done.log["training"].iloc[0]
        assert np.array_equal(done.model.ti.prec_scale_log, embedded_a().ti.prec_scale_log)
    seen, hidden = (mean_errors(d.model, [Part(g)]).total() for g in (data[0], WithoutFacies(data[0])))
    assert abs(seen / hidden - 1.0) > 1e-4
    header = json.loads((tmp_path / "d.eqx").read_bytes().split(b"\n")[0])
    assert header["model"] == "D"
    assert header["training"]["trained"] == ["corrector"]


@pytest.mark.slow
def test_b_learns(tmp_path):
    data = [glacier(f"Glacier {k}", fold=k, years=1, seed=k) for k in (1, 2)]
    done = train("B", data, tmp_path, options=Options(epochs=8, learning_rate=0.05), progress=False)
    assert done.log["validation"].min() < 0.5 * done.log["validation"].iloc[0]
    assert shop.load("B", tmp_path).sha256
