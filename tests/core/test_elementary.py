"""The cheap functions against NumPy in double precision, and their derivatives against JAX's own."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.elementary import (
    decay,
    hill,
    log1p_of_share,
    sigmoid,
    softplus,
    softplus_quotient,
    softplus_with_slope,
)
from tests.core.worlds import x64

X = np.linspace(-60.0, 60.0, 200_001, dtype=np.float32)
SNOW = np.geomspace(1e-9, 1e3, 200_001).astype(np.float32)
CENTRE, EXPONENT = np.float32(0.03), np.float32(2.7)
SHARP = np.float32(20.0)


def exact_sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def exact_softplus(x, sharpness):
    return np.logaddexp(0.0, sharpness * x) / sharpness


@pytest.mark.parametrize("function", [softplus, softplus_quotient, lambda *a: softplus_with_slope(*a)[0]])
@pytest.mark.parametrize("sharpness", [1.0, 10.0, 20.0])
def test_softplus_is_good_to_two_units_of_float32(function, sharpness):
    true = exact_softplus(X.astype(np.float64), sharpness)
    np.testing.assert_allclose(jax.jit(function)(X, np.float32(sharpness)), true, rtol=2.4e-7, atol=2e-7 / sharpness)


def test_sigmoid_and_hill_are_good_to_3e7():
    np.testing.assert_allclose(jax.jit(sigmoid)(X), exact_sigmoid(X.astype(np.float64)), atol=3e-7)
    power = SNOW.astype(np.float64) ** float(EXPONENT)
    true = power / (power + float(CENTRE) ** float(EXPONENT))
    np.testing.assert_allclose(jax.jit(hill)(SNOW, CENTRE, EXPONENT), true, atol=3e-7)


def test_decay_and_the_logarithm_of_a_share_are_as_good_as_float32():
    x = np.concatenate([[0.0], np.geomspace(1e-9, 60.0, 100_001)]).astype(np.float32)
    np.testing.assert_allclose(jax.jit(decay)(x), np.exp(-x.astype(np.float64)), rtol=2e-5, atol=3e-7)
    share = x / x.max()
    np.testing.assert_allclose(jax.jit(log1p_of_share)(share), np.log1p(share.astype(np.float64)), rtol=5e-7)
    assert float(decay(jnp.float32(1e30))) < 1e-29
    with x64():
        x = np.linspace(0.0, 1.0, 101)
        np.testing.assert_allclose(decay(x), np.exp(-x), rtol=1e-15)
        np.testing.assert_allclose(log1p_of_share(x), np.log1p(x), rtol=1e-15)


@pytest.mark.parametrize("mode", [jax.jvp, jax.vjp])
def test_decay_and_the_logarithm_of_a_share_have_their_derivatives(mode):
    x = jnp.linspace(0.0, 1.0, 11)
    for function, slope in ((decay, -jnp.exp(-x)), (log1p_of_share, 1.0 / (1.0 + x))):
        found = mode(function, (x,), (jnp.ones_like(x),))[1] if mode is jax.jvp else mode(function, x)[1](x * 0 + 1)[0]
        np.testing.assert_allclose(found, slope, rtol=1e-6)


def test_softplus_and_its_slope_come_together():
    value, slope = jax.jit(softplus_with_slope)(X, SHARP)
    np.testing.assert_array_equal(value, jax.jit(softplus)(X, SHARP))
    np.testing.assert_allclose(slope, jax.jit(sigmoid)(SHARP * X), atol=3e-7)


def test_double_precision_is_exact():
    with x64():
        x = np.linspace(-40.0, 40.0, 1001)
        np.testing.assert_allclose(sigmoid(x), exact_sigmoid(x), rtol=1e-13)
        for function in (softplus, softplus_quotient, lambda *a: softplus_with_slope(*a)[0]):
            np.testing.assert_allclose(function(x, np.float64(20.0)), exact_softplus(x, 20.0), rtol=1e-12, atol=1e-16)
        np.testing.assert_allclose(hill(np.exp(x), 0.03, 2.7), 1 / (1 + (0.03 / np.exp(x)) ** 2.7), rtol=1e-12)


@pytest.mark.parametrize("number", [float, np.float32, np.float64])
def test_in_64_bit_mode_the_widest_argument_decides(number):
    with x64():
        x = np.linspace(0.01, 2.0, 5, dtype=np.float32)
        sharpness, centre, exponent = number(10.0), number(0.03), number(2.7)
        found = {
            "softplus": (softplus(x, sharpness), exact_softplus(x.astype(np.float64), 10.0)),
            "quotient": (softplus_quotient(x, sharpness), exact_softplus(x.astype(np.float64), 10.0)),
            "slope": (softplus_with_slope(x, sharpness)[1], exact_sigmoid(10.0 * x.astype(np.float64))),
            "hill": (hill(x, centre, exponent), 1.0 / (1.0 + (0.03 / x.astype(np.float64)) ** 2.7)),
        }
        for name, (value, true) in found.items():
            assert value.dtype == (np.float64 if number is np.float64 else np.float32), name
            np.testing.assert_allclose(value, true, atol=3e-7, err_msg=name)


def test_far_out_everything_stays_finite_and_in_bounds():
    x = np.array([-1e30, -1e4, 1e4, 1e30], np.float32)
    np.testing.assert_allclose(sigmoid(x), [0, 0, 1, 1], atol=1e-30)
    for function in (softplus, softplus_quotient):
        np.testing.assert_allclose(function(x, SHARP), np.maximum(x, 0), rtol=2e-7, atol=1e-30)
        assert np.isfinite(jax.jit(jax.vmap(jax.grad(function), (0, None)))(x, SHARP)).all()


def test_nan_stays_nan():
    nan = jnp.float32(jnp.nan)
    values = (sigmoid(nan), softplus(nan, SHARP), softplus_quotient(nan, SHARP), hill(nan, CENTRE, EXPONENT))
    assert np.isnan(values).all()


def through_days(function):
    """A chain of the function as a scan, as in a run: where JAX would drop derivative rules."""

    def chain(x):
        def day(state, shift):
            state = function(state * x + shift)
            return state, state

        return jax.lax.scan(day, x, jnp.linspace(-0.5, 0.5, 9, dtype=jnp.float32))[1].sum()

    return chain


SIDE_BY_SIDE = {
    "sigmoid": (sigmoid, jax.nn.sigmoid),
    "softplus": (lambda x: softplus(x, jnp.float32(3.0)), lambda x: jax.nn.softplus(3.0 * x) / 3.0),
    "quotient": (lambda x: softplus_quotient(x, jnp.float32(3.0)), lambda x: jax.nn.softplus(3.0 * x) / 3.0),
    "slope": (lambda x: softplus_with_slope(x, jnp.float32(3.0))[1], lambda x: jax.nn.sigmoid(3.0 * x)),
    "hill": (
        lambda x: hill(jnp.abs(x) + 0.1, jnp.float32(0.6), jnp.float32(2.0)),
        lambda x: (jnp.abs(x) + 0.1) ** 2 / ((jnp.abs(x) + 0.1) ** 2 + 0.36),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIDE_BY_SIDE)
@pytest.mark.parametrize("order", [1, 2], ids=["first", "second"])
@pytest.mark.parametrize("mode", [jax.grad, jax.jacfwd], ids=["reverse", "forward"])
def test_derivatives_through_a_run_are_those_of_the_exact_functions(name, order, mode):
    cheap, exact = (through_days(function) for function in SIDE_BY_SIDE[name])
    for _ in range(order):
        cheap, exact = mode(cheap), mode(exact)
    found, expected = jax.jit(lambda x: (cheap(x), exact(x)))(jnp.float32(0.7))
    np.testing.assert_allclose(found, expected, rtol=2e-4 if order == 2 else 2e-5)
