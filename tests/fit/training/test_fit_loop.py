from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.fit.training.fit_loop import FitOptions, fit_loop

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
TRUE = np.array([1.0, -2.0, 0.5], np.float32)
OPTIONS = FitOptions(epochs=20, batch=8, learning_rate=0.05)


def loss(slopes, batch, key):
    noise = 0.01 * jax.random.normal(key, (len(batch),))
    return jnp.mean((batch @ slopes - batch @ TRUE + noise) ** 2)


def validate(slopes):
    return float(np.abs(np.asarray(slopes) - TRUE).max())


def fit(options=OPTIONS, **how):
    return fit_loop(jnp.zeros(3), loss, X, validate, options, **how)


def test_it_learns_and_keeps_the_best_epoch():
    done = fit()
    assert validate(done.best) == done.best_error == min(row["validation"] for row in done.log)
    assert done.best_error < 0.1
    assert [row["epoch"] for row in done.log] == list(range(1, 21))


def test_patience_ends_it():
    done = fit_loop(jnp.zeros(3), loss, X, lambda slopes: 1.0, FitOptions(epochs=20, batch=8, patience=3))
    assert done.epoch == 4
    assert done.best_epoch == 1


def test_a_resumed_training_is_that_without_a_break_to_the_last_bit(tmp_path):
    whole = fit()
    fit(FitOptions(epochs=7, batch=8, learning_rate=0.05), checkpoint=tmp_path / "c.npz")
    resumed = fit(checkpoint=tmp_path / "c.npz")
    for one, two in zip(jax.tree.leaves(whole[1:4]), jax.tree.leaves(resumed[1:4]), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
    strip = lambda log: [{name: value for name, value in row.items() if name != "seconds"} for row in log]
    assert strip(whole.log) == strip(resumed.log)


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    fit(checkpoint=tmp_path / "c.npz", config={"data": "a"})
    with pytest.raises(ValueError, match=r"belongs to another training; .*data: was 'a', is now 'b'"):
        fit(checkpoint=tmp_path / "c.npz", config={"data": "b"})
    with pytest.raises(ValueError, match=r"batch: was 8, is now 4"):
        fit(FitOptions(epochs=20, batch=4, learning_rate=0.05), checkpoint=tmp_path / "c.npz", config={"data": "a"})


def test_too_few_samples_and_losses_that_are_not_finite_are_errors():
    with pytest.raises(ValueError, match="50 samples; expected at least 64, one batch"):
        fit(FitOptions(batch=64))
    with pytest.raises(FloatingPointError, match="epoch 1: the loss is not finite; lower the learning rate"):
        fit_loop(jnp.zeros(3), lambda s, b, k: jnp.log(-1.0 - s.sum() ** 2), X, validate, OPTIONS)
