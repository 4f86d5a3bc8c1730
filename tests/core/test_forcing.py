from __future__ import annotations

import jax
import numpy as np
import pytest

from oggm_glaunti.core.forcing import GriddedForcing, StationForcing, monthly_climate, pad_days, station_forcing
from oggm_glaunti.core.run import initial_swe, run_ti, season_weights
from oggm_glaunti.core.units import PRCP_NORM, TEMP_NORM

from .worlds import heights, small_a, station, weather


def every_day(forcing):
    return np.ones(forcing.temp.shape[0])


def gridded(forcing: StationForcing) -> GriddedForcing:
    """The same weather as fields of their own."""
    temp = forcing.temp[:, None] + forcing.temp_offset
    return GriddedForcing(temp, np.broadcast_to(forcing.prcp[:, None], temp.shape).copy())


def test_a_station_is_carried_to_heights_by_the_gradient():
    forcing = station_forcing(np.array([4.0]), np.array([0.01]), np.array([1500.0, 2000.0, 3000.0]), 2000.0, -0.006)
    temp, prcp = forcing.at((forcing.temp[0], forcing.prcp[0]))
    np.testing.assert_allclose(temp, [7.0, 4.0, -2.0], atol=1e-6)
    np.testing.assert_allclose(prcp, [0.01, 0.01, 0.01])


def test_station_and_gridded_forcing_give_the_same_balance():
    params, weights = small_a(), season_weights(365)
    swe = initial_swe(params, (5,))
    for forcing in (station(), station().shifted(0.5, 1.05)):
        by_station = run_ti(params, swe, forcing, weights)
        by_grid = run_ti(params, swe, gridded(forcing), weights)
        for one, two in zip(by_station[:2], by_grid[:2], strict=True):
            np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: station(), lambda: gridded(station())], ids=["station", "gridded"])
def test_a_shift_warms_by_the_bias_and_wets_by_the_factor(make):
    forcing, shifted = make(), make().shifted(1.5, 1.2)
    np.testing.assert_allclose(shifted.temp - forcing.temp, 1.5, atol=1e-5)
    np.testing.assert_allclose(shifted.prcp, forcing.prcp * 1.2, rtol=1e-6)
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(shifted))


@pytest.mark.parametrize("make", [lambda: station(30), lambda: gridded(station(30))], ids=["station", "gridded"])
@pytest.mark.parametrize("name", ["temp", "prcp"])
def test_a_nan_is_named_with_its_field(make, name):
    forcing = make()
    assert jax.tree.all(jax.tree.map(np.array_equal, forcing.checked(every_day(forcing)), forcing))
    getattr(forcing, name)[7] = np.nan
    with pytest.raises(ValueError, match=rf"{name}: .*first at index \(7"):
        forcing.checked(every_day(forcing))


def test_a_height_that_is_not_known_is_named():
    at = heights()
    at[2] = np.nan
    with pytest.raises(ValueError, match=r"elevation: 1 of 5"):
        station(30, at=at).checked(np.ones(30))


@pytest.mark.parametrize("make", [lambda: station(10), lambda: gridded(station(10))], ids=["station", "gridded"])
def test_padding_repeats_the_last_day_with_weight_zero(make):
    forcing, weights = pad_days(make(), season_weights(10), 14)
    np.testing.assert_array_equal(weights[10:], np.zeros(4))
    np.testing.assert_array_equal(weights[:10], season_weights(10))
    for series, original in zip(forcing.days(), make().days(), strict=True):
        np.testing.assert_array_equal(series[:10], original)
        np.testing.assert_array_equal(series[10:], np.repeat(original[-1:], 4, axis=0))
    assert type(forcing) is type(make())


def test_a_period_longer_than_the_padding_is_refused():
    with pytest.raises(ValueError, match="cannot pad 10 days to 9"):
        pad_days(station(10), season_weights(10), 9)


@pytest.mark.parametrize(("first", "n_months"), [("2018-10-01", 12), ("2018-09-20", 13), ("2018-09-30", 13)])
def test_a_mass_balance_year_touches_twelve_or_more_months(first, n_months):
    time = np.datetime64(first) + np.arange(365)
    temp, prcp = weather(365)
    assert monthly_climate(time, temp, prcp).shape == (2, n_months)


def test_monthly_climate_is_the_mean_of_the_days_at_hand():
    time = np.arange("2018-09-15", "2019-11-03", dtype="datetime64[D]")
    temp, prcp = weather(time.size)
    climate = monthly_climate(time, temp, prcp)
    assert climate.shape[1] == 15
    assert climate.dtype == np.float32
    for k, month in enumerate(np.unique(time.astype("datetime64[M]"))):
        own = time.astype("datetime64[M]") == month
        expected = [temp[own].astype(float).mean() / TEMP_NORM, prcp[own].astype(float).mean() / PRCP_NORM]
        np.testing.assert_allclose(climate[:, k], expected, rtol=1e-6)
