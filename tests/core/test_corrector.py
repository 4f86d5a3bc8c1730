from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.corrector import run_branch_1d, run_branch_2d, run_corrector
from oggm_glaunti.core.network import convolve, inverse_rms, max_pool, mean_pool
from oggm_glaunti.core.weights import leaves_of

from . import plain, plain_network
from .worlds import CHECKED, PLAINLY, model, world, x64

run = jax.jit(run_corrector)
unchecked = pytest.mark.skipif(CHECKED, reason="the annotations refuse it first")


def inputs(shape=(19, 17), months=12, dtype="float32", seed=4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(15, *shape)).astype(dtype), rng.normal(size=(2, months)).astype(dtype)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "months"), [((19, 17), 12), ((16, 25), 13)])
def test_the_network_is_the_published_architecture(shape, months, float64):
    c = model("C", "float64").corrector
    expected = plain.corrector(leaves_of(model("C", "float64"))[:-9], *inputs(shape, months))
    np.testing.assert_allclose(run(c, *inputs(shape, months, "float64")), expected, atol=1e-6)


@pytest.mark.slow
def test_single_precision_is_near_double():
    single = run(model("C").corrector, *inputs())
    with x64():
        double = run(model("C", "float64").corrector, *inputs(dtype="float64"))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 16), (17, 23), (24, 16), (31, 18)])
def test_sides_need_not_be_multiples_of_eight(shape):
    found = jax.eval_shape(run_corrector, model("C").corrector, *inputs(shape))
    assert found.shape == (5, *shape)
    assert found.dtype == np.float32


@pytest.mark.parametrize("shape", [(15, 40), (40, 15), (1, 1)])
def test_a_grid_too_small_for_the_pools_is_refused(shape):
    with pytest.raises(ValueError, match=f"at least 16 x 16 cells, found {shape[0]} x {shape[1]}"):
        run_corrector(model("C").corrector, *inputs(shape))


@unchecked
@pytest.mark.parametrize("n_fields", [12, 14, 16])
def test_exactly_fifteen_fields_are_needed(n_fields):
    fields, climate = inputs()
    with pytest.raises(ValueError, match=rf"expected fields \(15, H, W\).*found \({n_fields}, 19, 17\)"):
        run_corrector(model("C").corrector, np.resize(fields, (n_fields, 19, 17)), climate)


@pytest.mark.parametrize("months", [12, 13, 14])
def test_a_year_may_touch_twelve_to_fourteen_months(months):
    found = jax.eval_shape(run_corrector, model("C").corrector, *inputs(months=months))
    assert found.shape == (5, 19, 17)


@pytest.mark.parametrize("months", [11, 15])
def test_another_number_of_months_is_refused(months):
    with pytest.raises(ValueError, match=rf"12 to 14.*\(2, {months}\)"):
        run_corrector(model("C").corrector, *inputs(months=months))


@unchecked
def test_climate_needs_temperature_and_precipitation():
    fields, climate = inputs()
    with pytest.raises(ValueError, match=r"found .*\(1, 12\)"):
        run_corrector(model("C").corrector, fields, climate[:1])


def test_all_five_corrections_depend_on_fields_and_on_climate():
    c = model("C").corrector
    fields, climate = inputs()
    found = run(c, fields, climate)
    for other in (run(c, fields[::-1], climate), run(c, fields, climate[:, ::-1])):
        assert (np.abs(other - found).max(axis=(1, 2)) > 1e-4).all()


def test_a_common_factor_on_all_fields_or_months_is_normalised_away():
    c = model("C").corrector
    fields, climate = inputs()
    found = run(c, fields, climate)
    np.testing.assert_allclose(run(c, 3.0 * fields, climate), found, atol=2e-5)
    np.testing.assert_allclose(run(c, fields, 3.0 * climate), found, atol=2e-5)


@pytest.mark.slow
def test_the_same_glacier_with_another_margin_gets_other_corrections():
    # Published behaviour: the norm and the floor of the pools see the whole rectangle. So the margin is fixed.
    c, place = model("C").corrector, world((32, 24), mid=None)
    response = np.zeros((3, 32, 24), np.float32)
    fields = np.concatenate([response, place.fields])
    whole = run(c, fields, place.climate)
    cropped = run(c, fields[:, 8:, :], place.climate)
    assert np.abs(whole[:, 8:, :] - cropped)[:, 8:-8, :].max() > 1e-3


def test_upside_down_is_another_glacier():
    c = model("C").corrector
    fields, climate = inputs((24, 24))
    flipped = run(c, fields[:, ::-1], climate)[:, ::-1]
    assert np.abs(flipped - run(c, fields, climate)).max() > 1e-3


@pytest.mark.slow
def test_a_batch_of_glaciers_is_each_by_itself():
    c = model("C").corrector
    many = [inputs((16, 16), seed=seed) for seed in range(2)]
    together = jax.jit(jax.vmap(run_corrector, in_axes=(None, 0, 0)))(
        c, *(np.stack(x) for x in zip(*many, strict=True))
    )
    for one, (fields, climate) in zip(together, many, strict=True):
        np.testing.assert_allclose(one, run(c, fields, climate), atol=2e-5)


def test_pools_drop_an_odd_last_row_and_month():
    x = np.arange(15.0).reshape(1, 3, 5, 1)
    np.testing.assert_array_equal(max_pool(x)[0, :, :, 0], [[6.0, 8.0]])
    months = np.array([1.0, 3.0, 5.0, 5.0, 100.0]).reshape(1, 5, 1)
    np.testing.assert_array_equal(mean_pool(months)[0, :, 0], [2.0, 5.0])


def test_the_norm_makes_the_root_mean_square_of_a_channel_one_and_keeps_zeros():
    x = np.stack([np.random.default_rng(0).normal(size=(6, 7)) * 40.0, np.zeros((6, 7))], axis=-1)[None]
    normed = x * inverse_rms(x.astype(np.float32))
    np.testing.assert_allclose(np.mean(np.square(normed[..., 0])), 1.0, rtol=1e-5)
    np.testing.assert_array_equal(normed[..., 1], np.zeros((1, 6, 7)))
    assert np.isfinite(jax.jit(jax.grad(lambda v: inverse_rms(v).sum()))(jnp.zeros((1, 4, 4, 1)))).all()


def test_convolution_pads_with_zeros_and_keeps_the_size(float64):
    rng = np.random.default_rng(2)
    x, kernel = rng.normal(size=(3, 6, 5)), rng.normal(size=(2, 3, 3, 3))
    found = jax.jit(convolve)(np.moveaxis(x, 0, -1)[None], np.transpose(kernel, (2, 3, 1, 0)))
    np.testing.assert_allclose(np.moveaxis(found[0], -1, 0), plain.conv2d(x, kernel), atol=1e-12)
    line, taps = np.array([1.0, 0.0, 0.0, 2.0]).reshape(1, 4, 1), np.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
    np.testing.assert_allclose(jax.jit(convolve)(line, taps)[0, :, 0], [10.0, 1.0, 200.0, 20.0])


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(19, 17)])
def test_the_fast_network_is_the_plain_one(shape):
    c, (fields, climate) = model("C").corrector, inputs(shape)
    plainly = jax.jit(plain_network.run_corrector, compiler_options=PLAINLY)
    np.testing.assert_allclose(run(c, fields, climate), plainly(c, fields, climate), atol=1e-6)
    fast, slow = jax.jit(run_branch_2d), jax.jit(plain_network.run_branch_2d)
    np.testing.assert_allclose(fast(c.branch_2d, fields), slow(c.branch_2d, fields), atol=1e-5)
    fast, slow = jax.jit(run_branch_1d), jax.jit(plain_network.run_branch_1d)
    np.testing.assert_allclose(fast(c.branch_1d, climate), slow(c.branch_1d, climate), atol=1e-5)


@pytest.mark.slow
def test_no_facies_bands_mean_the_same_as_minus_one_in_all_of_them():
    c, (fields, climate) = model("C").corrector, inputs((33, 22))
    fields[6:] = -1.0
    few = run(c, fields[:6], climate)
    plainly = jax.jit(plain_network.run_corrector, compiler_options=PLAINLY)
    np.testing.assert_allclose(few, plainly(c, fields, climate), atol=1e-6)


def test_the_climate_branch_ends_in_one_number_a_channel():
    for months in (12, 13, 14):
        found = jax.eval_shape(run_branch_1d, model("C").corrector.branch_1d, inputs(months=months)[1])
        assert found.shape == (8, 1)


@pytest.mark.slow
def test_the_derivative_along_all_weights_is_a_central_difference(float64):
    c = jax.tree.map(np.asarray, model("C", "float64").corrector)
    fields, climate = inputs((16, 16), dtype="float64")
    rng = np.random.default_rng(6)
    towards = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape), c)

    @jax.jit
    @jax.value_and_grad
    def value(c):
        return jnp.sum(run_corrector(c, fields, climate) ** 2)

    gradient = jax.tree.map(np.asarray, value(c)[1])
    exact = sum(np.sum(g * t) for g, t in zip(jax.tree.leaves(gradient), jax.tree.leaves(towards), strict=True))
    # A rough network: small steps, so that no maximum of a pool changes its place.
    step = 1e-7
    up, down = (value(jax.tree.map(lambda x, t, h=h: x + h * t, c, towards))[0] for h in (step, -step))
    np.testing.assert_allclose((up - down) / (2 * step), exact, rtol=1e-4)
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0.0 for leaf in jax.tree.leaves(gradient))
