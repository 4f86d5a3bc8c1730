"""Losses against plain loops, and against the published training code."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.fit.data.date_weights import DATE_DECAY, date_weights
from oggm_glaunti.fit.training import losses

ONES = jnp.ones((2, 3), jnp.float32)


@pytest.fixture
def strict():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@given(begin=st.integers(-40, 40), end=st.integers(-40, 40))
def test_date_weight_is_a_product_of_two_kernels_and_blind_to_sign(begin, end):
    weight = date_weights(np.array([begin, -begin]), np.array([end, -end]))
    expected = np.exp(-((begin**2 + end**2) / DATE_DECAY**2))
    np.testing.assert_allclose(weight, [expected, expected], rtol=1e-4, atol=1e-37)


def test_eleven_days_off_leave_a_twentieth():
    np.testing.assert_allclose(date_weights(np.array([11]), np.array([0])), 0.05, rtol=1e-5)


def test_points_far_off_in_time_do_not_count(strict):
    smb = jnp.array([[0.0, -1.0, -2.0]], jnp.float32)
    rows, cols, observed = np.array([0, 0]), np.array([1, 2]), np.array([-1.5, 90.0], np.float32)
    error, weight = losses.point_error(smb, rows, cols, observed, date_weights(np.array([0, 90]), np.array([0, 0])))
    assert (float(error), float(weight)) == (0.25, 1.0)


@pytest.mark.parametrize("place", [(-1, 0), (0, 3), (2, 0), (0, -1)])
def test_a_point_outside_the_grid_is_an_error_that_says_where(place):
    rows, cols = np.array([0, place[0]]), np.array([0, place[1]])
    with pytest.raises(ValueError, match=rf"1 of 2 points lie outside .* 2 x 3 .* row {place[0]}, column {place[1]}"):
        losses.point_error(ONES, rows, cols, np.zeros(2), np.ones(2))


def test_errors_of_years_add_up_to_the_error_of_all_points():
    rng = np.random.default_rng(1)
    smb = rng.normal(size=(2, 5, 4)).astype(np.float32)
    rows, cols, observed, weights = rng.integers(0, 5, 6), rng.integers(0, 4, 6), rng.normal(size=6), rng.random(6)
    single = sum(weights[i] * (smb[i % 2, rows[i], cols[i]] - observed[i]) ** 2 for i in range(6)) / weights.sum()
    years = [losses.point_error(smb[y], *(a[y::2] for a in (rows, cols, observed, weights))) for y in (0, 1)]
    error, weight = (sum(parts) for parts in zip(*years, strict=True))
    np.testing.assert_allclose(losses.balance_loss(error, weight, jnp.zeros(0)), single, rtol=1e-5)


def test_glacier_wide_balances_count_a_tenth(strict):
    outline = jnp.array([[1, 1, 0], [0, 0, 0]], jnp.float32)
    smb = jnp.array([[1, 3, 50], [50, 50, 50]], jnp.float32)
    error = losses.glacier_error(smb, outline, np.float32(-1.0))
    assert float(error) == 9.0
    zero = jnp.zeros((), jnp.float32)
    np.testing.assert_allclose(losses.balance_loss(zero, zero, jnp.stack([error, zero])), 0.45)


def test_without_any_point_loss_and_gradient_stay_finite():
    value, gradient = jax.value_and_grad(lambda e: losses.balance_loss(e, jnp.zeros(()), jnp.zeros(0)))(0.0)
    assert (float(value), float(gradient)) == (0.0, 0.0)


def test_ti_regulariser_counts_the_trained_numbers_by_relative_deviation(strict):
    prior = ti_weights()
    moved = ti_weights(snow_to_rain_centre=1.2, ddf_snow=0.0049**1.1)
    np.testing.assert_allclose(losses.ti_regulariser(moved, prior), 0.1 * (0.2**2 + 0.1**2), rtol=1e-5)


def test_ti_regulariser_is_blind_to_the_sharpnesses():
    prior = ti_weights()
    gradient = jax.grad(lambda w: losses.ti_regulariser(w, prior))(ti_weights(prec_scale=1.1))
    assert float(gradient.t_softplus_sharpness_log) == float(gradient.swe_softplus_sharpness_log) == 0.0
    assert float(gradient.prec_scale_log) != 0.0


def corrector_regulariser_by_loops(ds, outline):
    cells = [ds[:, i, j] for i in range(ds.shape[1]) for j in range(ds.shape[2]) if outline[i, j] > 0]
    size = sum(np.mean([c[k] ** 2 for c in cells]) for k in range(5))
    spread = sum(np.var([c[k] for c in cells]) for k in range(5))
    return 5 * size + 20 * spread + 5 * np.mean([(c[1] - c[2]) ** 2 for c in cells])


def test_corrector_regulariser_is_that_of_a_plain_loop_over_glacier_cells(strict):
    rng = np.random.default_rng(2)
    ds = rng.normal(size=(5, 4, 6)).astype(np.float32)
    outline = (rng.random((4, 6)) > 0.4).astype(np.float32)
    found = losses.corrector_regulariser(ds, outline)
    np.testing.assert_allclose(found, corrector_regulariser_by_loops(ds, outline), rtol=1e-5)
    ds[:, outline == 0] = 1e6
    np.testing.assert_allclose(losses.corrector_regulariser(ds, outline), found, rtol=1e-6)


def test_uniform_corrections_have_no_spread():
    ds = np.full((5, 3, 3), 0.1, np.float32)
    np.testing.assert_allclose(losses.corrector_regulariser(ds, np.ones((3, 3), np.float32)), 5 * 5 * 0.01, rtol=1e-5)


def test_regularisers_and_weights_are_those_of_the_published_training(shared: Path, weights_dir: Path):
    from oggm_glaunti.shop import load_model

    ref = np.load(shared / "reference" / "glaunti_reference.npz")
    weights = date_weights(ref["loss_begin_offset_days"], ref["loss_end_offset_days"])
    np.testing.assert_allclose(weights, ref["loss_weights"], rtol=1e-5)
    found = losses.corrector_regulariser(ref["c_annual_ds"], ref["in_outlines"])
    np.testing.assert_allclose(found, ref["c_reg_ti_corr_annual"], rtol=1e-5)
    model = load_model("A", weights_dir, "Schwarzberg")
    found = losses.ti_regulariser(model.ti, ti_weights())
    np.testing.assert_allclose(found, ref["loss_reg_ti_a_finetuned_Schwarzberg"], rtol=1e-5)
