"""The terms of a day add up to its balance, whatever the variant."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from oggm_glaunti.core.forcing import station_forcing
from oggm_glaunti.core.hydro import components_of_day
from oggm_glaunti.core.melt import terms_of_day, terms_step
from oggm_glaunti.core.parameters import SPLIT_DAY
from oggm_glaunti.core.run import run_days
from oggm_glaunti.core.temperature_index import DAYS, ti_weights, with_day


@pytest.mark.parametrize("variant", sorted(DAYS))
def test_snowfall_less_melt_is_the_balance(variant):
    rng = np.random.default_rng(0)
    temp = (8.0 * np.sin(np.arange(200) / 30.0) + rng.normal(0, 3, 200)).astype(np.float32)
    prcp = rng.exponential(0.004, 200).astype(np.float32)
    params = with_day(ti_weights().resolve(), variant)
    weather = station_forcing(temp, prcp, np.linspace(2000.0, 3500.0, 5), 2500.0, -0.006)
    ones, snow = np.ones(200, np.float32), np.full(5, 0.05, np.float32)
    run = jax.jit(lambda: run_days(terms_step(params), snow, weather, ones, lambda terms: terms))
    _, total, days = run()
    plain = jax.jit(lambda: run_days(lambda *a: params.day.run(params, *a), snow, weather, ones))()
    np.testing.assert_allclose(total.smb, plain[1], atol=1e-5)
    np.testing.assert_allclose(days.snowfall - days.melt_snow - days.melt_ice, days.smb, atol=1e-7)
    water = np.asarray(days.snowfall + days.rain).sum(axis=0)
    np.testing.assert_allclose(water, float(params.prec_scale) * prcp.sum(), rtol=1e-5)
    assert min(float(days.melt_snow.min()), float(days.melt_ice.min()), float(days.rain.min())) > -1e-7


@pytest.mark.parametrize("variant", sorted(DAYS))
def test_maps_and_accounts_of_water_have_the_same_melt(variant):
    rng = np.random.default_rng(1)
    state = rng.exponential(0.1, 50), rng.normal(2.0, 6.0, 50), rng.exponential(0.01, 50)
    params = with_day(ti_weights().resolve(), variant)
    swe, temp, prcp = (of.astype(np.float32) for of in state)
    after, terms = terms_of_day(params, swe, temp, prcp, np.float32(1.0))
    water = components_of_day(params, swe, temp, prcp)
    np.testing.assert_array_equal(after, water.swe)
    np.testing.assert_allclose(terms.melt_snow + terms.melt_ice, water.melt, atol=1e-7)
    np.testing.assert_array_equal(terms.rain, water.rain)
    if variant == SPLIT_DAY:
        np.testing.assert_array_equal(terms.melt_snow, water.parts.snow_melt)
        np.testing.assert_array_equal(terms.melt_ice, water.parts.ice_melt)
    # What melts of snow is what has gone of it on the day that accounts for it, and on no other that melts snow.
    closes = np.allclose(swe + terms.snowfall - terms.melt_snow, after, atol=1e-6)
    assert closes == (variant == SPLIT_DAY)
