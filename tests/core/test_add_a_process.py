"""The recipe "add a process" of CONTRIBUTING.md: one function for a day and one entry in `DAYS`."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core import temperature_index
from oggm_glaunti.core.forcing import station_forcing
from oggm_glaunti.core.run import continuous_weights, initial_swe, run_ti
from oggm_glaunti.core.temperature_index import DAYS, Day, smooth_day, ti_weights, with_day
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.coupling.weather.file import DailyClimate

HEIGHTS = np.array([2000.0, 2500.0, 3000.0])
MELT_BY_RAIN = 4.18 / 334.0  # heat capacity of water over the latent heat of fusion, K-1


# The new function, which would stand in oggm_glaunti/core/temperature_index.py ...
def rain_heat_day(params, swe, temp, prcp, weight):
    """One day of model A on which rain melts ice or snow with its heat."""
    rain = params.prec_scale * (prcp - temperature_index.solid_prcp(params, temp, prcp))
    melt = weight * rain * MELT_BY_RAIN * jnp.maximum(temp, 0.0)
    swe, smb = smooth_day(params, swe, temp, prcp, weight)
    return jnp.maximum(swe - melt, 0.0), smb - melt


@pytest.fixture
def with_rain_heat(monkeypatch):
    monkeypatch.setitem(DAYS, "rain_heat", Day("rain_heat", rain_heat_day))  # ... and its entry


@pytest.fixture(scope="module")
def climate() -> DailyClimate:
    days = np.arange("2003-01-01", "2005-01-01", dtype="M8[D]")
    season = np.cos(2.0 * np.pi * (np.arange(days.size) - 205) / 365.25)
    temp = (2.0 + 9.0 * season).astype(np.float32)
    prcp = np.full(days.size, 0.004, np.float32)
    return DailyClimate(days, temp, prcp, 2500.0, 10.8, 46.8, "invented", "no file")


def inputs(climate: DailyClimate, variant: str) -> TableInputs:
    return TableInputs(with_day(ti_weights(), variant), climate, HEIGHTS, -0.006, "nh", None)


def balance_of_run(one: TableInputs) -> np.ndarray:
    params, climate = one.ti.resolve(), one.climate
    forcing = station_forcing(climate.temp, climate.prcp, HEIGHTS.astype(np.float32), climate.ref_hgt, -0.006)
    return np.asarray(run_ti(params, initial_swe(params, (3,)), forcing, continuous_weights(climate.time.size))[1])


@pytest.mark.slow
def test_a_process_runs_by_its_name_day_by_day_and_in_the_table(with_rain_heat, climate):
    new, published = inputs(climate, "rain_heat"), inputs(climate, "smooth")
    difference = balance_of_run(new) - balance_of_run(published)
    assert (difference < -0.005).all()  # m w.e. in two years: little, and most of it where it rains most
    assert np.argmin(difference) == 0
    melt_f = TunableParams(1000.0 * float(new.ti.resolve().ddf_snow))
    table = build_table(new, melt_f, "jax")
    np.testing.assert_allclose(table.smb.sum(axis=(0, 1)), balance_of_run(new), atol=2e-3)


def test_without_rain_it_is_model_a(with_rain_heat, climate):
    dry = replace(climate, prcp=np.zeros_like(climate.prcp))
    np.testing.assert_array_equal(balance_of_run(inputs(dry, "rain_heat")), balance_of_run(inputs(dry, "smooth")))
