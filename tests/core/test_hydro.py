from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.core.hydro import components_of_day, daily_components
from oggm_glaunti.core.monthly import MonthlyTunables
from oggm_glaunti.core.temperature_index import DAYS, ti_weights, with_day

from .worlds import x64

SWE, TEMP, PRCP = st.floats(0.0, 10.0), st.floats(-60.0, 40.0), st.floats(0.0, 0.3)
day = jax.jit(
    lambda variant, *state: components_of_day(with_day(ti_weights(np.float64), variant).resolve(), *state),
    static_argnums=0,
)


def of_day(variant: str, *state: float):
    with x64():
        return jax.tree.map(float, day(variant, *(np.float64(value) for value in state)))


@given(swe=SWE, temp=TEMP, prcp=PRCP)
def test_snow_closes_and_no_flux_is_negative(swe, temp, prcp):
    found = of_day("mass_conserving", swe, temp, prcp)
    assert found.swe - swe == pytest.approx(found.snowfall - found.parts.snow_melt, abs=1e-14)
    assert found.snowfall + found.rain == pytest.approx(1.4 * prcp, abs=1e-14)
    assert found.parts.snow_melt <= swe + found.snowfall
    assert min(found.snowfall, found.rain, found.melt, found.swe, *found.parts) >= 0.0
    assert max(found.parts.snow_cover, found.parts.rain_on_snow / max(found.rain, 1e-300)) <= 1.0 + 1e-12


@pytest.mark.parametrize("variant", sorted(DAYS))
@given(swe=SWE, temp=TEMP, prcp=PRCP)
def test_snowfall_less_melt_is_the_balance_of_the_day(variant, swe, temp, prcp):
    found = of_day(variant, swe, temp, prcp)
    with x64():
        params = with_day(ti_weights(np.float64), variant).resolve()
        new_swe, smb = params.day.run(params, *(np.float64(x) for x in (swe, temp, prcp, 1.0)))
    assert (found.swe, found.snowfall - found.melt) == pytest.approx((float(new_swe), float(smb)), abs=1e-13)
    assert (found.parts is None) == (variant != "mass_conserving")


def test_deep_snow_covers_all_and_rain_falls_on_it():
    found = of_day("mass_conserving", 2.0, 8.0, 0.02)
    assert found.parts.snow_cover == pytest.approx(1.0)
    assert found.parts.rain_on_snow == pytest.approx(found.rain)
    bare = of_day("mass_conserving", 0.0, 20.0, 0.02)
    assert bare.parts.rain_on_snow < 1e-3 * bare.rain


def test_days_that_do_not_exist_leave_the_snow_alone(strict):
    dtype, rng = np.dtype(strict), np.random.default_rng(0)
    temp, prcp = rng.normal(0.0, 5.0, (12, 31)).astype(dtype), rng.random((12, 31)).astype(dtype) * dtype.type(0.01)
    months = MonthlyTunables(*np.stack([np.zeros(12), np.ones(12), np.full(12, 0.005)]).astype(dtype))
    params = with_day(ti_weights(dtype), "mass_conserving").resolve()
    ds, offset = np.zeros((1, 5, 3), dtype), np.array([2.0, 0.0, -2.0], dtype)
    swe, index = np.full(3, 0.3, dtype), np.zeros(12, np.int32)
    none = np.zeros((12, 31), bool)
    after, _ = jax.jit(daily_components)(params, swe, temp, prcp, none, offset, months, ds, index)
    np.testing.assert_array_equal(after, swe)
    some = none.copy()
    some[:, :28] = True
    after, water = jax.jit(daily_components)(params, swe, temp, prcp, some, offset, months, ds, index)
    np.testing.assert_array_equal(after, water.swe[11, 27])
    assert water.melt.shape == (12, 31, 3)
    assert water.melt.dtype == dtype
