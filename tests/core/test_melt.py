"""The terms of a day add up to its balance, whatever the variant."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from oggm_glaunti.core.forcing import station_forcing
from oggm_glaunti.core.melt import terms_step
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
