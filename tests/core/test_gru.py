from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.core.forcing import StationForcing, pad_days
from oggm_glaunti.core.gru import GRU, run_gru
from oggm_glaunti.core.run import continuous_weights, season_weights
from oggm_glaunti.core.units import PRCP_NORM, TEMP_NORM
from oggm_glaunti.core.weights import leaves_of

from . import plain
from .worlds import model, station, x64

run = jax.jit(run_gru, static_argnames="observe")


def part(forcing: StationForcing, days: slice) -> StationForcing:
    return StationForcing(forcing.temp[days], forcing.prcp[days], forcing.temp_offset)


@given(st.lists(st.floats(-3.0, 3.0), min_size=18, max_size=18))
@settings(max_examples=10)
def test_the_cell_follows_the_equations(numbers):
    hidden, inputs = np.array(numbers[:16]), np.array(numbers[16:])
    with x64():
        b = model("B", "float64")
        np.testing.assert_allclose(
            b.cell(hidden, inputs), plain.gru_cell(leaves_of(b), hidden, inputs), rtol=1e-12, atol=1e-13
        )


def test_a_run_feeds_normalised_weather_and_reads_out_every_day(float64):
    b = model("B", "float64")
    leaves = leaves_of(b)
    forcing = station(20, "float64", at=np.array([2700.0]))
    hidden, total = leaves[6], 0.0
    for temp, prcp, weight in zip(forcing.temp, forcing.prcp, season_weights(20), strict=True):
        hidden = plain.gru_cell(leaves, hidden, [prcp / PRCP_NORM, (temp + forcing.temp_offset[0]) / TEMP_NORM])
        total += weight * (leaves[4][0] @ hidden + leaves[5][0])
    end, smb, _ = run(b, b.initial_state((1,)), forcing, season_weights(20, "f8"))
    np.testing.assert_allclose(end[0], hidden, atol=1e-12)
    np.testing.assert_allclose(smb[0], total, atol=1e-12)


def test_the_state_starts_as_learned_everywhere():
    b = model("B")
    state = b.initial_state((2, 3))
    assert state.shape == (2, 3, 16)
    np.testing.assert_array_equal(state, np.broadcast_to(b.init_h, (2, 3, 16)))


@pytest.mark.slow
@pytest.mark.parametrize("day", [1, 100, 364])
def test_a_restart_at_any_day_is_no_restart(day):
    b, forcing = model("B"), station()
    hidden, smb, _ = run(b, b.initial_state((5,)), forcing, continuous_weights(365))
    first = run_gru(b, b.initial_state((5,)), part(forcing, slice(None, day)), continuous_weights(day))
    second = run_gru(b, first[0], part(forcing, slice(day, None)), continuous_weights(365 - day))
    np.testing.assert_allclose(second[0], hidden, atol=1e-5)
    np.testing.assert_allclose(first[1] + second[1], smb, rtol=1e-5, atol=1e-4)


def test_seasons_add_up_to_the_year_exactly_when_the_shared_day_advances_once(float64):
    b, forcing, mid = model("B", "float64"), station(dtype="float64"), 211
    start = b.initial_state((5,))
    hidden, year, _ = run_gru(b, start, forcing, season_weights(365, "f8"))
    carried, winter, _ = run_gru(b, start, part(forcing, slice(None, mid + 1)), season_weights(mid + 1, "f8"))
    summer_forcing, weights = part(forcing, slice(mid, None)), season_weights(365 - mid, "f8")
    end, summer, _ = run_gru(b, carried, summer_forcing, weights, first_day_seen=True)
    np.testing.assert_allclose(winter + summer, year, atol=1e-11)
    np.testing.assert_allclose(end, hidden, atol=1e-12)
    twice = run_gru(b, carried, summer_forcing, weights)[1]
    assert np.abs(winter + twice - year).max() > 1e-3


def test_padded_days_change_nothing():
    b, forcing, weights = model("B"), station(60), season_weights(60)
    plainly = run(b, b.initial_state((5,)), forcing, weights)
    padded = run(b, b.initial_state((5,)), *pad_days(forcing, weights, 64))
    for one, two in zip(plainly[:2], padded[:2], strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6)


def test_observing_gives_the_daily_balance():
    b = model("B")
    _, smb, daily = run(b, b.initial_state((5,)), station(60), season_weights(60), lambda smb: smb)
    assert daily.shape == (60, 5)
    np.testing.assert_allclose(daily.sum(axis=0), smb, rtol=1e-5, atol=1e-5)


def test_single_precision_is_near_double():
    b = model("B")
    single = run(b, b.initial_state((5,)), station(), season_weights(365))[1]
    with x64():
        b = model("B", "float64")
        double = run(b, b.initial_state((5,)), station(dtype="float64"), season_weights(365, "f8"))[1]
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, rtol=2e-6, atol=1e-4)


@pytest.mark.slow
def test_gradients_are_central_differences(float64):
    b, forcing = model("B", "float64"), station(40, "float64")
    weights = season_weights(40, "f8")

    def balance(b: GRU, bias):
        return run_gru(b, b.initial_state((5,)), forcing.shifted(bias), weights)[1].mean()

    towards = jax.tree.map(lambda leaf: np.random.default_rng(5).normal(size=leaf.shape), b)
    gradient, by_bias = jax.jit(jax.grad(balance, argnums=(0, 1)))(b, np.float64(0.0))
    along = sum(np.sum(g * t) for g, t in zip(jax.tree.leaves(gradient), jax.tree.leaves(towards), strict=True))
    compiled = jax.jit(balance)
    step = 1e-6
    up, down = (compiled(jax.tree.map(lambda x, t, h=h: x + h * t, b, towards), h) for h in (step, -step))
    np.testing.assert_allclose(along + by_bias, (up - down) / (2 * step), rtol=1e-6)


def test_gradients_are_finite_over_the_whole_range():
    b = model("B")
    temp, prcp = (
        x.ravel() for x in np.meshgrid(np.linspace(-60, 40, 21, dtype="f4"), np.linspace(0, 0.3, 7, dtype="f4"))
    )
    state = b.initial_state(temp.shape)
    jacobian = jax.jit(
        jax.vmap(jax.grad(lambda h, t, p: b.read_out(b.cell(h, jax.numpy.stack([p, t]))), argnums=(0, 1, 2)))
    )
    for leaf in jax.tree.leaves(jacobian(state, temp / np.float32(TEMP_NORM), prcp / np.float32(PRCP_NORM))):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0.0
