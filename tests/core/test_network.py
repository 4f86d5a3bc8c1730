from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.core.corrector import require_sizes, run_corrector, run_corrector_batch
from oggm_glaunti.core.network import convolve, convolve_by_products, in_groups, stretch, stretch_weights

from . import plain
from .plain_network import run_corrector as run_plainly
from .worlds import PLAINLY, model, x64

SLOTS, BUCKET = 5, (56, 56)
sides = st.integers(16, 50)

batch = jax.jit(run_corrector_batch)


def glaciers(n=SLOTS, bucket=BUCKET, n_fields=6, dtype="float32", seed=3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, *bucket, n_fields)).astype(dtype), rng.normal(size=(n, 2, 12)).astype(dtype)


def as_published(inputs: np.ndarray) -> np.ndarray:
    """All fifteen bands, channels first."""
    if inputs.shape[-1] == 6:
        inputs = np.concatenate([inputs, np.full((*inputs.shape[:-1], 9), -1.0, inputs.dtype)], axis=-1)
    return np.moveaxis(inputs, -1, 0)


@pytest.mark.slow
@settings(max_examples=2)
@given(sizes=st.lists(st.tuples(sides, sides), min_size=SLOTS, max_size=SLOTS))
def test_every_glacier_of_a_batch_is_as_if_it_were_alone(sizes):
    # In double precision, in which a difference is one of the equations.
    with x64():
        c, (inputs, climate) = model("C", "float64").corrector, glaciers(dtype="float64")
        together = batch(c, inputs, climate, np.array(sizes))
        for found, x, months, (h, w) in list(zip(together, inputs, climate, sizes, strict=True))[:1]:
            expected = jax.jit(run_plainly, compiler_options=PLAINLY)(c, as_published(x[:h, :w]), months)
            np.testing.assert_allclose(found[:h, :w], np.moveaxis(expected, 0, -1), atol=1e-9)
            assert np.abs(found[h:]).max(initial=0.0) == np.abs(found[:, w:]).max(initial=0.0) == 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("n_fields", "largest"), [(6, (56, 56)), (15, (17, 39))])
def test_a_batch_is_its_glaciers_one_by_one_in_single_precision(n_fields, largest):
    c, (inputs, climate) = model("C").corrector, glaciers(n_fields=n_fields)
    # Two sizes at most: each compiles alone.
    sizes = np.array([(17, 39), largest, largest, (17, 39), (17, 39)])
    together = batch(c, inputs, climate, sizes)
    assert together.dtype == np.float32
    alone = jax.jit(run_corrector)
    for found, x, months, (h, w) in zip(together, inputs, climate, sizes, strict=True):
        expected = np.moveaxis(alone(c, np.moveaxis(x[:h, :w], -1, 0), months), 0, -1)
        np.testing.assert_allclose(found[:h, :w], expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("rubbish", [1e30, -1.0, np.nan, np.inf])
def test_what_lies_beyond_a_glacier_is_never_looked_at(rubbish):
    c, (inputs, climate) = model("C").corrector, glaciers()
    sizes = np.array([(17, 39), (56, 56), (40, 41), (31, 16), (0, 0)])
    spoiled = inputs.copy()
    for x, (h, w) in zip(spoiled, sizes, strict=True):
        x[h:], x[:, w:] = rubbish, rubbish
    np.testing.assert_array_equal(batch(c, spoiled, climate, sizes), batch(c, inputs, climate, sizes))


def test_an_empty_slot_gives_zeros():
    c, (inputs, climate) = model("C").corrector, glaciers()
    found = batch(c, inputs, climate, np.zeros((SLOTS, 2), int))
    np.testing.assert_array_equal(found, np.zeros((SLOTS, *BUCKET, 5)))


@pytest.mark.slow
def test_the_gradient_of_a_batch_is_that_of_plain_glaciers_and_none_comes_from_beyond_or_from_an_empty_slot(float64):
    c, (inputs, climate) = model("C", "float64").corrector, glaciers(3, (24, 24), dtype="float64")
    # Both glaciers have one size, so that the plain gradient is compiled once.
    h, w = 17, 19
    spoiled = np.full_like(inputs, np.nan)
    spoiled[[0, 2], :h, :w] = inputs[[0, 2], :h, :w]
    climate[1] = np.nan

    @jax.jit
    @functools.partial(jax.grad, argnums=(0, 1))
    def gradient(c, x):
        sizes = np.array([(h, w), (0, 0), (h, w)])
        return jnp.sum(run_corrector_batch(c, x, jnp.nan_to_num(climate), sizes) ** 2)

    weights, fields = gradient(c, spoiled)
    plainly = jax.jit(jax.grad(lambda c, x, months: jnp.sum(run_plainly(c, x, months) ** 2), argnums=(0, 1)))
    each = {k: plainly(c, as_published(inputs[k, :h, :w]), climate[k]) for k in (0, 2)}
    of_both = jax.tree.map(jnp.add, each[0][0], each[2][0])
    for mine, theirs in zip(jax.tree.leaves(weights), jax.tree.leaves(of_both), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    expected = np.zeros_like(inputs)
    for k, (_, of_fields) in each.items():
        expected[k, :h, :w] = np.moveaxis(of_fields, 0, -1)[..., :6]
        assert np.abs(expected[k]).max() > 1e-6
    np.testing.assert_allclose(fields, expected, rtol=1e-9, atol=1e-12)
    assert np.abs(fields[:, h:]).max() == np.abs(fields[:, :, w:]).max() == np.abs(fields[1]).max() == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["c", "d"])
def test_the_published_weights_give_what_they_gave(name, weights_dir):
    from oggm_glaunti.core.weights import read_model

    with (weights_dir / f"{name}.eqx").open("rb") as stream:
        c = read_model(stream, name.upper())[0].corrector
    inputs, climate = glaciers(2, (40, 33), 6 if name == "c" else 15)
    sizes = np.array([(21, 30), (21, 30)])
    plainly, published = jax.jit(run_plainly, compiler_options=PLAINLY), jax.jit(run_corrector)
    for found, x, months, (h, w) in zip(batch(c, inputs, climate, sizes), inputs, climate, sizes, strict=True):
        expected = plainly(c, as_published(x[:h, :w]), months)
        np.testing.assert_allclose(np.moveaxis(found[:h, :w], -1, 0), expected, atol=1e-6)
        np.testing.assert_allclose(published(c, as_published(x[:h, :w]), months), expected, atol=1e-6)


@pytest.mark.parametrize(
    "size", [(15, 20), (20, 15), (57, 20), (20, 57), (0, 16), (-1, -1)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_a_size_that_fits_no_bucket_is_named_with_its_slot(size):
    with pytest.raises(ValueError, match=rf"glacier 1 .* 16 x 16 to 56 x 56 .* found {size[0]} x {size[1]}"):
        require_sizes(np.array([(16, 56), size]), BUCKET)
    require_sizes(np.array([(16, 56), (0, 0)]), BUCKET)


def test_sizes_of_other_glaciers_are_refused():
    inputs, climate = glaciers(2)
    with pytest.raises(ValueError, match=r"one row of sizes .*found .*\(3, 2\)"):
        run_corrector_batch(model("C").corrector, inputs, climate, np.full((3, 2), 20))


@pytest.mark.parametrize("n", [1, 4, 5, 9])
def test_groups_return_every_glacier_in_its_place(n):
    x = np.arange(n, dtype=np.float32)
    seen = []

    def function(x, y):
        seen.append(x.shape[0])
        return x + 10.0 * y

    np.testing.assert_array_equal(in_groups(function, 4, x, x), 11.0 * x)
    assert max(seen) <= 4


@pytest.mark.parametrize("n", [1, 3])
def test_the_two_convolutions_are_one(n, float64):
    rng = np.random.default_rng(5)
    x, kernel = rng.normal(size=(n, 7, 6, 3)), rng.normal(size=(3, 3, 3, 4))
    expected = [plain.conv2d(np.moveaxis(one, -1, 0), np.transpose(kernel, (3, 2, 0, 1))) for one in x]
    for found in (convolve(x, kernel), convolve_by_products(x, kernel)):
        np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, atol=1e-12)


@pytest.mark.slow
def test_the_derivative_of_a_convolution_is_jaxs_own_in_both_modes(float64):
    rng = np.random.default_rng(5)
    at, along = ((rng.normal(size=(2, 7, 6, 3)), rng.normal(size=(3, 3, 3, 4))) for _ in range(2))
    back = rng.normal(size=(2, 7, 6, 4))
    theirs = convolve.fun
    for mine, expected in zip(jax.jvp(convolve, at, along), jax.jvp(theirs, at, along), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-12)
    for mine, expected in zip(jax.vjp(convolve, *at)[1](back), jax.vjp(theirs, *at)[1](back), strict=True):
        np.testing.assert_allclose(mine, expected, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("n_to", [16, 17, 23, 50, 56])
def test_the_resize_is_jaxs_bilinear_one(n_to, float64):
    x = np.random.default_rng(1).normal(size=(1, 7, 7, 2))
    n_from = n_to // 8
    found = stretch(x, jnp.array([[n_to, n_to]], jnp.int32), BUCKET)[0, :, :n_to, :n_to]
    inside = np.moveaxis(x[0, :n_from, :n_from], -1, 0)
    expected = jax.image.resize(inside, (2, n_to, n_to), method="bilinear", antialias=False)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_interpolation_weights_are_one_in_sum_also_where_nothing_is():
    found = stretch_weights(jnp.array([2, 7, 0]), jnp.array([17, 56, 0]), (7, 56), jnp.float32)
    np.testing.assert_allclose(found.sum(axis=2), np.ones((3, 56)), rtol=1e-6)
