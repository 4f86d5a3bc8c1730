from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.coupling.table.water_days import days_by_height
from tests.coupling.hydro.worlds import SPLIT, TUNABLES, climate, inputs


@pytest.fixture(scope="module")
def weather():
    return climate(2003, 2005)


@pytest.mark.parametrize("variant", ["smooth", SPLIT])
def test_jax_and_numpy_agree_to_rounding(weather, variant):
    one = inputs(weather, variant, heights=5)
    both = [list(days_by_height(one, TUNABLES, 2004, backend)) for backend in ("jax", "numpy")]
    for ours, theirs in zip(*both, strict=True):
        assert ours.values.keys() == theirs.values.keys()
        for name in ours.values:
            np.testing.assert_allclose(ours.values[name], theirs.values[name], atol=1e-12, rtol=1e-12, err_msg=name)


def test_the_water_of_a_year_is_the_balance_of_the_table(weather):
    one = inputs(weather)
    table = build_table(one, TUNABLES)
    for k, days in enumerate(days_by_height(one, TUNABLES, 2005)):
        balance = (days.values["snowfall"] - days.values["melt"]).sum(axis=0)
        np.testing.assert_allclose(balance, table.smb[k].sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(days.values["swe"][-1], table.swe[k], atol=1e-5)


def test_snow_closes_and_nothing_is_negative(weather):
    for days in days_by_height(inputs(weather), TUNABLES, 2005):
        of = days.values
        change = np.diff(np.concatenate([days.swe_before[None], of["swe"]]), axis=0)
        np.testing.assert_allclose(change, of["snowfall"] - of["snow_melt"], atol=1e-14)
        np.testing.assert_allclose(of["melt"], of["snow_melt"] + of["ice_melt"], rtol=1e-14)
        assert min(field.min() for field in of.values()) >= 0
        assert (of["rain_on_snow"] <= of["rain"]).all()
        assert of["snow_cover"].max() <= 1


def test_years_have_their_days_and_begin_with_the_snow_of_the_year_before(weather):
    years = list(days_by_height(inputs(weather), TUNABLES, 2004))
    assert [(days.year, len(days.values["rain"])) for days in years] == [(2003, 365), (2004, 366)]
    np.testing.assert_array_equal(years[1].swe_before, years[0].values["swe"][-1])


def test_precipitation_is_rain_or_snow(weather):
    one = inputs(weather, prec_scale=1.3)
    days = next(days_by_height(one, TUNABLES, 2003))
    wet = 1.3 * weather.prcp[:365, None].astype(float)
    np.testing.assert_allclose(
        days.values["rain"] + days.values["snowfall"], np.broadcast_to(wet, days.values["rain"].shape), rtol=1e-6
    )
