from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import pytest

from oggm_glaunti.core.forcing import (
    CoarseForcing,
    GriddedForcing,
    StationForcing,
    monthly_climate,
    pad_days,
    station_forcing,
)
from oggm_glaunti.core.glaunti import Season, corrected_run
from oggm_glaunti.core.run import initial_swe, run_ti, season_weights
from oggm_glaunti.core.units import PRCP_NORM, TEMP_NORM

from .worlds import heights, small_a, station, weather


def every_day(forcing):
    return np.ones(forcing.temp.shape[0])


def gridded(forcing: StationForcing) -> GriddedForcing:
    """The same weather as fields of their own."""
    temp = forcing.temp[:, None] + forcing.temp_offset
    return GriddedForcing(temp, np.broadcast_to(forcing.prcp[:, None], temp.shape).copy())


def coarse(forcing: StationForcing) -> CoarseForcing:
    """The same weather in two coarse cells, the second 100 m higher."""
    cell = np.array([0, 1, 1, 0, 1], np.int32)
    step = np.array([0.0, -0.6], np.float32)
    temp = forcing.temp[:, None] + step
    return CoarseForcing(temp, np.repeat(forcing.prcp[:, None], 2, axis=1), cell, forcing.temp_offset - step[cell])


MAKERS = {
    "station": lambda n=365: station(n),
    "gridded": lambda n=365: gridded(station(n)),
    "coarse": lambda n=365: coarse(station(n)),
}


@pytest.fixture(params=MAKERS)
def make(request):
    """Weather of each kind, of some number of days."""
    return MAKERS[request.param]


def test_a_station_is_carried_to_heights_by_the_gradient():
    forcing = station_forcing(np.array([4.0]), np.array([0.01]), np.array([1500.0, 2000.0, 3000.0]), 2000.0, -0.006)
    temp, prcp = forcing.at((forcing.temp[0], forcing.prcp[0]))
    np.testing.assert_allclose(temp, [7.0, 4.0, -2.0], atol=1e-6)
    np.testing.assert_allclose(prcp, [0.01, 0.01, 0.01])


@pytest.mark.slow
@pytest.mark.parametrize("other", [gridded, coarse])
def test_all_kinds_of_forcing_give_the_same_balance(other):
    params, weights = small_a(), season_weights(365)
    swe = initial_swe(params, (5,))
    for forcing in (station(), station().shifted(0.5, 1.05)):
        by_station = run_ti(params, swe, forcing, weights)
        by_grid = run_ti(params, swe, other(forcing), weights)
        for one, two in zip(by_station[:2], by_grid[:2], strict=True):
            np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_shift_warms_by_the_bias_and_wets_by_the_factor(make):
    forcing, shifted = make(), make().shifted(1.5, 1.2)
    np.testing.assert_allclose(shifted.temp - forcing.temp, 1.5, atol=1e-5)
    np.testing.assert_allclose(shifted.prcp, forcing.prcp * 1.2, rtol=1e-6)
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(shifted)} - {np.dtype("int32")}
    assert dtypes == {np.dtype("float32")}


@pytest.mark.parametrize("name", ["temp", "prcp"])
def test_a_nan_is_named_with_its_field(make, name):
    forcing = make(30)
    assert jax.tree.all(jax.tree.map(np.array_equal, forcing.checked(every_day(forcing)), forcing))
    getattr(forcing, name)[7] = np.nan
    with pytest.raises(ValueError, match=rf"{name}: .*first at index \(7"):
        forcing.checked(every_day(forcing))


def test_a_height_that_is_not_known_is_named():
    at = heights()
    at[2] = np.nan
    with pytest.raises(ValueError, match=r"elevation: 1 of 5"):
        station(30, at=at).checked(np.ones(30))


def test_padding_repeats_the_last_day_with_weight_zero(make):
    forcing, weights = pad_days(make(10), season_weights(10), 14)
    np.testing.assert_array_equal(weights[10:], np.zeros(4))
    np.testing.assert_array_equal(weights[:10], season_weights(10))
    for series, original in zip(forcing.days(), make(10).days(), strict=True):
        np.testing.assert_array_equal(series[:10], original)
        np.testing.assert_array_equal(series[10:], np.repeat(original[-1:], 4, axis=0))
    assert type(forcing) is type(make(10))


def test_a_point_in_no_coarse_cell_is_named():
    forcing = coarse(station(10))
    forcing.cell[2] = 2
    with pytest.raises(ValueError, match="cell: expected indices from 0 to 1, found 0 to 2"):
        forcing.checked(np.ones(10))
    with pytest.raises(RuntimeError, match="cell holds no indices into 2 values"):
        jax.block_until_ready(eqx.filter_jit(lambda f: f.checked(np.ones(10)))(forcing))


def test_blocks_of_coarse_weather_are_its_points_in_a_row():
    forcing = coarse(station(10))
    day = forcing.temp[3], forcing.prcp[3]
    for whole, part in zip(forcing.at(day), forcing.block(np.int32(1), 3).at(day), strict=True):
        np.testing.assert_array_equal(whole[1:4], part)


@pytest.mark.slow
def test_derivatives_under_coarse_weather_are_those_under_the_station():
    params, swe, weights, forcing = small_a(), np.full(5, 0.1, np.float32), season_weights(60), station(60)

    def by_ddf(weather):
        balance = lambda p: corrected_run(p, None, swe, (Season(weather, weights),))[1][0].sum()
        return jax.jit(jax.grad(balance))(params).ddf_snow

    def by_temp(weather):
        def balance(temp):
            moved = eqx.tree_at(lambda w: w.temp, weather, temp)
            return corrected_run(params, None, swe, (Season(moved, weights),))[1][0].sum()

        return np.asarray(jax.jit(jax.grad(balance))(weather.temp))

    np.testing.assert_allclose(by_ddf(coarse(forcing)), by_ddf(forcing), rtol=1e-6)
    np.testing.assert_allclose(by_temp(coarse(forcing)).sum(axis=1), by_temp(forcing), atol=1e-7)


def test_coarse_weather_promotes_nothing_in_silence(strict):
    cell, offset = np.array([[0, 1], [1, 1]], np.int32), np.zeros((2, 2), strict)
    temp, prcp = np.full((20, 2), 1.0, strict), np.full((20, 2), 0.01, strict)
    params, forcing = small_a(strict), CoarseForcing(temp, prcp, cell, offset)
    swe, smb, _ = run_ti(params, initial_swe(params, (2, 2)), forcing, season_weights(20, strict))
    assert {str(swe.dtype), str(smb.dtype)} == {strict}
    np.testing.assert_array_equal(smb, smb[0, 0])


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


def test_fields_of_two_shapes_are_refused_not_cut():
    fields = GriddedForcing(np.zeros((5, 40, 4), np.float32), np.zeros((5, 40, 1), np.float32))
    with pytest.raises(ValueError, match=r"\(5, 40, 4\) and \(5, 40, 1\)"):
        fields.block(np.int32(0), 16)
