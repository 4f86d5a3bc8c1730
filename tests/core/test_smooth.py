from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.core.run import initial_swe, run_ti, season_weights
from oggm_glaunti.core.smooth import cubic_weights, even_heights, interpolate_cubic, interpolate_profile

from .worlds import small_a, station


@given(lowest=st.floats(0.0, 6000.0), span=st.floats(0.0, 3000.0), step=st.sampled_from([2.5, 10.0, 50.0]))
def test_even_heights_reach_two_steps_beyond_both_ends(lowest, span, step):
    nodes = even_heights(lowest, lowest + span, step)
    np.testing.assert_allclose(np.diff(nodes), step)
    np.testing.assert_allclose(nodes / step, np.round(nodes / step))
    assert step <= lowest - nodes[0] - step < 2 * step + 1e-6
    assert step <= nodes[-1] - (lowest + span) - step < 2 * step + 1e-6
    assert nodes.size >= 4


def test_cubics_are_reproduced_exactly(float64):
    nodes = even_heights(2000.0, 2100.0, 10.0)
    at = np.random.default_rng(0).uniform(2000.0, 2100.0, (6, 7))

    def cubic(x):
        x = (x - 2000.0) / 50.0
        return 1.0 - 2.0 * x + 0.5 * x**2 + 3.0 * x**3

    for module in (np, jnp):
        start, weights = cubic_weights(at, nodes[0], 10.0, nodes.size, module)
        np.testing.assert_allclose(interpolate_cubic(cubic(nodes), start, weights), cubic(at), atol=1e-11)


@given(height=st.floats(1990.0, 2110.0))
def test_the_weights_add_up_to_one_and_stay_inside(height):
    nodes = even_heights(2000.0, 2100.0, 10.0)
    start, weights = cubic_weights(np.array([height]), nodes[0], 10.0, nodes.size, np)
    assert weights.sum() == pytest.approx(1.0)
    assert 0 <= start[0] <= nodes.size - 4


def test_a_node_gives_its_own_value():
    nodes = even_heights(2000.0, 2100.0, 10.0)
    values = np.random.default_rng(1).normal(size=nodes.size)
    start, weights = cubic_weights(nodes, nodes[0], 10.0, nodes.size, np)
    np.testing.assert_allclose(interpolate_cubic(values, start, weights), values, atol=1e-6)


def test_several_profiles_are_interpolated_at_once():
    nodes = even_heights(2000.0, 2100.0, 10.0)
    values = np.random.default_rng(2).normal(size=(3, nodes.size)).astype("f4")
    start, weights = cubic_weights(np.linspace(2003.0, 2097.0, 12).reshape(3, 4), nodes[0], 10.0, nodes.size, np)
    together = interpolate_cubic(values, start, weights)
    assert together.shape == (3, 3, 4)
    for one, profile in zip(together, values, strict=True):
        np.testing.assert_allclose(one, interpolate_cubic(profile, start, weights))


def test_fewer_than_four_heights_are_refused():
    nodes = even_heights(2000.0, 2000.0, 10.0, margin=1)
    with pytest.raises(ValueError, match=r"4.*3"):
        cubic_weights(np.array([2000.0]), nodes[0], 10.0, nodes.size, np)


def test_heights_ten_metres_apart_reproduce_a_map_within_2e_5_m():
    elevation = np.random.default_rng(3).uniform(1800.0, 3600.0, (20, 24)).astype("f4")
    nodes = even_heights(float(elevation.min()), float(elevation.max()), 10.0)
    params = small_a()
    maps = run_ti(params, initial_swe(params, (20, 24)), station(at=elevation), season_weights(365))
    at_nodes = station(at=nodes.astype("f4"))
    profiles = run_ti(params, initial_swe(params, nodes.shape), at_nodes, season_weights(365))
    start, weights = cubic_weights(elevation.astype("f8"), nodes[0], 10.0, nodes.size, np)
    for field, profile in zip(maps[:2], profiles[:2], strict=True):
        np.testing.assert_allclose(interpolate_cubic(profile, start, weights.astype("f4")), field, atol=2e-5)


def test_a_profile_is_linear_between_heights_and_constant_beyond():
    at = jnp.array([1000.0, 2000.0, 2025.0, 2100.0, 9000.0])
    found = interpolate_profile(at, jnp.array([2000.0, 2050.0, 2100.0]), jnp.array([0.0, 1.0, 5.0]))
    np.testing.assert_allclose(found, [0.0, 0.0, 0.5, 5.0, 5.0])


def test_interpolation_can_be_differentiated_to_its_values():
    nodes = even_heights(2000.0, 2100.0, 10.0)
    start, weights = cubic_weights(np.array([2033.0]), nodes[0], 10.0, nodes.size, np)
    gradient = jax.grad(lambda v: interpolate_cubic(v, start, weights.astype("f4"))[0])(jnp.zeros(nodes.size))
    expected = np.zeros(nodes.size)
    expected[start[0] : start[0] + 4] = weights[0]
    np.testing.assert_allclose(gradient, expected, atol=1e-7)
