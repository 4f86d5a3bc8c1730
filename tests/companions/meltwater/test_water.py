"""Surface water: its balance closes, it stays within bounds, and the hours of a day follow the stated cycle."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.companions.meltwater.water import WaterParameters, done_by, surface_water, water_at
from oggm_glaunti.companions.meltwater.water_fit import fit_water, water_of


def weather(n: int = 800, heights: int = 7):
    rng = np.random.default_rng(1)
    temp = 6.0 * np.sin(np.arange(n) / 58.0)[:, None] - np.linspace(0, 6, heights) + rng.normal(0, 3, (n, heights))
    melt = 0.005 * np.maximum(temp, 0.0)
    return [x.astype(np.float32) for x in (melt, 0.002 * rng.random((n, heights)) * (temp > 0), temp)]


def test_what_comes_in_is_there_frozen_or_gone():
    melt, rain, temp = weather()
    days = [np.asarray(x, np.float64) for x in surface_water(melt, rain, temp, start=0.01)]
    water, refreeze, runoff = days
    gain = 0.01 + (melt.astype(np.float64) + rain).sum(axis=0)
    np.testing.assert_allclose(water[-1] + refreeze.sum(axis=0) + runoff.sum(axis=0), gain, atol=1e-5, rtol=0)


def test_water_stays_between_nothing_and_the_capacity():
    days = surface_water(*weather(), capacity=0.02)
    assert float(days.water.min()) >= 0.0
    assert float(days.water.max()) == pytest.approx(0.02)
    assert min(float(days.refreeze.min()), float(days.runoff.min())) >= 0.0


def test_a_day_by_hand():
    days = surface_water(jnp.array([0.04, 0.0]), jnp.array([0.01, 0.0]), jnp.array([3.0, -2.0]), 0.5, 0.03, 0.002)
    np.testing.assert_allclose(days.water, [0.03, 0.011], atol=1e-7)
    np.testing.assert_allclose(days.runoff, [0.02, 0.015], atol=1e-7)
    np.testing.assert_allclose(days.refreeze, [0.0, 0.004], atol=1e-7)


def test_frost_freezes_no_more_than_there_is():
    days = surface_water(jnp.array([0.01, 0.0]), jnp.zeros(2), jnp.array([1.0, -40.0]))
    assert float(days.water[1]) == 0.0
    assert float(days.refreeze[1]) == pytest.approx(0.7 * 0.01)


def test_gradients_are_finite_and_of_the_right_sign():
    melt, rain, temp = weather()
    slopes = jax.grad(lambda p: surface_water(melt, rain, temp, *p).water.sum())(jnp.array(WaterParameters()))
    assert bool(jnp.isfinite(slopes).all())
    assert slopes[0] > 0
    assert slopes[1] > 0
    assert slopes[2] < 0


def test_shares_of_a_day_grow_from_nothing_to_all():
    shares = np.array([done_by(hour) for hour in np.linspace(0, 24, 25)])
    assert (np.diff(shares, axis=0) >= 0).all()
    np.testing.assert_allclose(shares[[0, -1]], [[0, 0, 0], [1, 1, 1]], atol=1e-12)
    with pytest.raises(ValueError, match="hour: expected 0 to 24, found 25"):
        done_by(25)


def test_there_is_more_water_in_the_evening_than_in_the_morning_of_a_melt_day():
    melt, nothing = jnp.full(3, 0.01), jnp.zeros(3)
    days = surface_water(melt, nothing, nothing + 3.0)
    morning, evening = (water_at(hour, melt, nothing, days) for hour in (6.0, 18.0))
    assert bool((evening > morning).all())
    np.testing.assert_allclose(water_at(24.0, melt, nothing, days), days.water, atol=1e-7)


def test_parameters_that_made_the_water_are_found():
    melt, rain, temp = (x[:, 0] for x in weather(400))
    truth = WaterParameters(0.9, 0.1, 0.0005)
    water = water_of(truth, melt, rain, temp, 18.0)
    target = (water > 0.02).astype(np.float32)
    candidates = [WaterParameters(k, 0.1, 0.0005) for k in (0.3, 0.9)]
    found = fit_water(melt, rain, temp, target, np.arange(0, 400, 2), candidates=candidates)
    assert found.parameters == truth
    assert found.f1 == 1.0


def test_a_fit_looks_at_no_other_target():
    melt, rain, temp = (x[:, 0] for x in weather(200))
    target, learn = (melt > 0.01).astype(np.float32), np.arange(100)
    changed = target.copy()
    changed[100:] = 1.0 - changed[100:]
    one, two = (fit_water(melt, rain, temp, y, learn, candidates=[WaterParameters()]) for y in (target, changed))
    assert one == two


def test_each_season_begins_without_water():
    melt = np.full(4, 0.02, np.float32)
    water = water_of(WaterParameters(), melt, 0 * melt, 0 * melt, 24.0, np.array([0, 2]))
    np.testing.assert_allclose(water[:2], water[2:])
