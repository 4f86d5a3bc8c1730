from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.checks import checked_before, require_finite, require_shape

BAD = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("array", [np.asarray, jnp.asarray], ids=["numpy", "jax"])
def test_outside_jit_the_field_the_count_and_the_first_place_are_named(bad, array):
    values = np.zeros((3, 4), np.float32)
    values[1, 2] = values[2, 0] = bad
    with pytest.raises(ValueError, match=r"prcp: 2 of 12 values are NaN or infinite, the first at index \(1, 2\)"):
        require_finite("prcp", array(values))


def doubled(values: jax.Array) -> jax.Array:
    return 2.0 * require_finite("temp", values)


# JAX's own jit wraps the error into one of its own, of another class by the way the computation was started.
JIT_ERRORS = [
    pytest.param(eqx.filter_jit, eqx.EquinoxRuntimeError, id="filter_jit"),
    pytest.param(jax.jit, (ValueError, jax.errors.JaxRuntimeError), id="jit"),
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(("jit", "error"), JIT_ERRORS)
def test_inside_jit_the_field_is_named(bad, jit, error):
    compiled = jit(doubled)
    np.testing.assert_array_equal(compiled(jnp.ones(3)), 2.0 * jnp.ones(3))
    with pytest.raises(error, match="temp holds NaN or infinite"):
        jax.block_until_ready(compiled(jnp.array([1.0, bad, 1.0])))


def test_the_check_leaves_values_and_gradients_alone():
    values = np.array([1.0, 2.0])
    assert require_finite("temp", values) is values
    np.testing.assert_array_equal(jax.grad(lambda x: require_finite("temp", x).sum())(jnp.ones(3)), np.ones(3))


def test_a_wrong_shape_is_named_with_both_shapes():
    values = np.zeros((2, 3))
    assert require_shape("swe", values, (2, 3)) is values
    with pytest.raises(ValueError, match=r"swe: expected shape \(3, 2\), found \(2, 3\)"):
        require_shape("swe", values, (3, 2))


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("field", ["temp", "prcp", "swe", "elevation"])
def test_a_nan_in_any_input_of_a_run_is_an_error_that_names_the_field(field, compiled):
    import equinox as eqx

    from oggm_glaunti.core.forcing import StationForcing
    from oggm_glaunti.core.run import run_ti, season_weights
    from oggm_glaunti.core.temperature_index import ti_weights

    inputs = {name: np.zeros(n, np.float32) for name, n in (("temp", 5), ("prcp", 5), ("swe", 3), ("elevation", 3))}
    inputs[field][1] = np.nan

    def run(temp, prcp, swe, elevation):
        weather = StationForcing(temp, prcp, elevation)
        return run_ti(ti_weights().resolve(), swe, weather, season_weights(5))[1]

    with pytest.raises((ValueError, RuntimeError), match=field):
        (eqx.filter_jit(run) if compiled else run)(**inputs)


def test_a_nan_on_a_day_that_is_not_run_is_no_error():
    from oggm_glaunti.core.forcing import StationForcing
    from oggm_glaunti.core.run import run_ti
    from oggm_glaunti.core.temperature_index import ti_weights

    temp = np.array([1.0, np.nan], np.float32)
    weather = StationForcing(temp, np.zeros(2, np.float32), np.zeros(3, np.float32))
    _, smb, _ = run_ti(ti_weights().resolve(), np.full(3, 0.5, np.float32), weather, np.array([1.0, 0.0], np.float32))
    assert np.isfinite(smb).all()


def test_a_nan_in_the_hidden_state_of_model_b_is_named():
    from oggm_glaunti.core.forcing import StationForcing
    from oggm_glaunti.core.gru import GRU, run_gru
    from oggm_glaunti.core.run import season_weights
    from oggm_glaunti.core.weights import leaf_shapes

    model = GRU(*(np.zeros(shape, np.float32) for shape in leaf_shapes("B")))
    weather = StationForcing(np.zeros(5, np.float32), np.zeros(5, np.float32), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="hidden state"):
        run_gru(model, np.full((3, 16), np.nan, np.float32), weather, season_weights(5))


@pytest.mark.parametrize("jit", [jax.jit, eqx.filter_jit], ids=["jax", "equinox"])
def test_a_program_of_a_function_checked_before_holds_no_checks(jit):
    """JAX keeps no program on disk that calls back into Python."""

    def total(values):
        return require_finite("temp", values).sum()

    def calls_python(function) -> bool:
        return "callback" in jax.jit(function).lower(jnp.ones(3)).as_text()

    assert (calls_python(total), calls_python(checked_before(total)), calls_python(total)) == (True, False, True)
    assert float(jit(checked_before(total))(jnp.ones(3))) == 3.0
