"""Derivatives carried forwards against JAX's reverse mode and finite differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core import sensitivity
from oggm_glaunti.core.forcing import GriddedForcing, StationForcing
from oggm_glaunti.core.run import run_days, season_weights, ti_step
from oggm_glaunti.core.sensitivity import DIFFERENTIABLE, INITIAL_SWE, run_sensitive, run_smooth
from oggm_glaunti.core.temperature_index import TIParameters, ti_weights
from tests.core.worlds import x64

DAYS, N = 120, 70


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(sensitivity, "SENSITIVE_BLOCK", 32)


def setting(dtype=np.float64):
    """Parameters (fields and scalars), snow, weather and weights, one day of weight 0 among them."""
    rng = np.random.default_rng(1)
    temp, prcp = rng.normal(0.0, 6.0, DAYS), np.maximum(0.0, rng.normal(0.0, 0.006, DAYS))
    values = dict(vars(jax.tree.map(np.asarray, ti_weights(dtype=dtype).resolve())))
    for name in ("ddf_snow", "t_pos_shift", "snow_depletion_centre"):
        values[name] = values[name] + np.linspace(0.0, 0.003, N, dtype=dtype)
    weights = season_weights(DAYS, dtype)
    weights[50] = 0.0
    forcing = StationForcing(temp.astype(dtype), prcp.astype(dtype), np.linspace(8.0, -8.0, N).astype(dtype))
    return TIParameters(**values), np.linspace(0.0, 0.5, N).astype(dtype), forcing, weights


sensitive = jax.jit(run_sensitive, static_argnums=4)


@jax.jit
def plain(params, swe, forcing, weights):
    return run_days(ti_step(params), swe, forcing, weights)[:2]


def loss_of(run):
    pattern = np.cos(np.arange(N))

    def loss(params, swe, forcing, weights):
        swe, smb = run(params, swe, forcing, weights)
        return jnp.sum(smb * pattern) + jnp.sum(swe * pattern[::-1])

    return loss


@pytest.mark.slow
@pytest.mark.parametrize("name", [*DIFFERENTIABLE, INITIAL_SWE])
def test_each_derivative_is_that_of_a_finite_difference(name):
    with x64():
        params, swe, forcing, weights = setting()
        *_, by_swe, by_smb = sensitive(params, swe, forcing, weights, (name,))

        def moved(by):
            if name == INITIAL_SWE:
                return plain(params, swe + by, forcing, weights)
            values = vars(params) | {name: getattr(params, name) + by}
            return plain(TIParameters(**values), swe, forcing, weights)

        step = 1e-6 * (1.0 + float(np.max(np.abs(getattr(params, name, 1.0)))))
        for by, up, down in zip((by_swe, by_smb), moved(step), moved(-step), strict=True):
            expected = (up - down) / (2.0 * step)
            # At no snow at all the floor of the snow-covered fraction is a kink.
            np.testing.assert_allclose(by[name][1:], expected[1:], rtol=2e-5, atol=1e-8)


@pytest.mark.slow
def test_gradients_are_those_of_reverse_mode_through_all_days():
    with x64():
        arguments = setting()
        found, expected = (jax.jit(jax.grad(loss_of(run), (0, 1)))(*arguments) for run in (run_smooth, plain))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), found, expected)


@pytest.mark.slow
def test_gradients_in_single_precision_are_good_to_3e5():
    single, double = setting(np.float32), setting()
    found = jax.jit(jax.grad(loss_of(run_smooth)))(*single)
    with x64():
        expected = jax.jit(jax.grad(loss_of(plain)))(*double)
    for name in DIFFERENTIABLE:
        a, b = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        np.testing.assert_allclose(a, b, atol=3e-5 * np.abs(b).max(), err_msg=name)


@pytest.mark.slow
def test_derivatives_by_the_weather_are_there_too():
    with x64():
        arguments = setting()
        found, expected = (jax.jit(jax.grad(loss_of(run), 2))(*arguments) for run in (run_smooth, plain))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), found, expected)
        assert float(np.abs(found.temp).max()) > 0.0


@pytest.mark.slow
def test_days_that_are_not_run_may_hold_anything_for_derivatives_too():
    with x64():
        params, swe, forcing, weights = setting()
        gap = StationForcing(np.where(weights > 0, forcing.temp, np.nan), forcing.prcp, forcing.temp_offset)
        for run in (run_smooth, plain):
            for wrt in (0, 2):
                derivatives = jax.jit(jax.grad(loss_of(run), wrt))
                found, expected = (derivatives(params, swe, f, weights) for f in (gap, forcing))
                jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), found, expected)


@pytest.mark.slow
def test_forward_mode_and_second_derivatives_work():
    with x64():
        params, swe, forcing, weights = setting()

        def along(run):
            def loss(x):
                values = vars(params) | {"prec_scale": x[0], "ddf_relative_ice": x[1], "snow_depletion_steepness": x[2]}
                return loss_of(run)(TIParameters(**values), swe, forcing, weights)

            return loss

        x = jnp.array([1.4, 1.5, 3.0])
        for transform in (jax.jacfwd, jax.hessian):
            found, expected = (jax.jit(transform(along(run)))(x) for run in (run_smooth, plain))
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


def test_only_what_is_asked_for_is_carried():
    params, swe, forcing, weights = setting(np.float32)
    *_, by_swe, by_smb = sensitive(params, swe, forcing, weights, ("ddf_relative_ice", "prec_scale"))
    assert set(by_swe) == set(by_smb) == {"ddf_relative_ice", "prec_scale"}
    assert not np.asarray(by_swe["ddf_relative_ice"]).any()


def test_a_grid_of_weather_gives_the_same_derivatives():
    params, swe, forcing, weights = setting(np.float32)
    at = forcing.temp[:, None] + forcing.temp_offset
    gridded = GriddedForcing(at, np.broadcast_to(forcing.prcp[:, None], at.shape))
    found, expected = (sensitive(params, swe, f, weights, ("t_pos_shift",))[3] for f in (gridded, forcing))
    np.testing.assert_allclose(found["t_pos_shift"], expected["t_pos_shift"], rtol=1e-4, atol=1e-6)
