from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.forcing import StationForcing
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.monthly import MonthlySums, MonthlyTunables, monthly_sums
from oggm_glaunti.core.run import continuous_weights, initial_swe, run_ti
from oggm_glaunti.core.temperature_index import DAYS, TIParameters, positive_temp, solid_prcp, with_day

from .worlds import GRADIENT, REF_HGT, heights, small_a, weather

FIRST, N_YEARS = 2019, 2  # 2020 is a leap year
OFFSET = np.asarray(GRADIENT * (heights() - REF_HGT), np.float32)
table = jax.jit(monthly_sums)


def calendar() -> tuple[np.ndarray, np.ndarray]:
    """Days of the two years, and where each lies in (year, month, day)."""
    days = np.arange(f"{FIRST}-01-01", f"{FIRST + N_YEARS}-01-01", dtype="datetime64[D]")
    month = days.astype("datetime64[M]")
    year = days.astype("datetime64[Y]").astype(int) + 1970 - FIRST
    return days, np.stack([year, month.astype(int) % 12, (days - month).astype(int)])


def boxed(series: np.ndarray, fill: float = 0.0) -> np.ndarray:
    box = np.full((N_YEARS, 12, 31), fill, series.dtype)
    box[tuple(calendar()[1])] = series
    return box


def series() -> tuple[np.ndarray, np.ndarray]:
    return weather(calendar()[0].size)


def neutral(params: TIParameters) -> MonthlyTunables:
    return MonthlyTunables(np.zeros(12, "f4"), np.ones(12, "f4"), np.full(12, params.ddf_snow))


def sums(
    tunables: MonthlyTunables | None = None, ds=None, ds_index=None, variant: str = "smooth", fill: float = 0.0
) -> MonthlySums:
    params = with_day(small_a(), variant)
    temp, prcp = series()
    ds = jnp.zeros((1, 5, OFFSET.size)) if ds is None else ds
    ds_index = np.zeros((N_YEARS, 12), np.int32) if ds_index is None else ds_index
    return table(
        params,
        initial_swe(params, OFFSET.shape),
        boxed(temp, fill),
        boxed(prcp, fill),
        boxed(np.ones(temp.size, bool)),
        OFFSET,
        neutral(params) if tunables is None else tunables,
        ds,
        ds_index,
    )


@functools.cache
def daily(variant: str = "smooth", temp_bias: float = 0.0) -> np.ndarray:
    params = with_day(small_a(), variant)
    forcing = StationForcing(*series(), OFFSET).shifted(temp_bias)
    weights = continuous_weights(forcing.temp.size)
    return np.asarray(run_ti(params, initial_swe(params, OFFSET.shape), forcing, weights, lambda smb: smb)[2])


def by_month(values: np.ndarray) -> np.ndarray:
    added = np.zeros((N_YEARS, 12, OFFSET.size), np.float64)
    np.add.at(added, tuple(calendar()[1][:2]), values)
    return added


@pytest.mark.slow
@pytest.mark.parametrize("variant", sorted(DAYS))
def test_months_are_the_sums_of_their_days(variant):
    np.testing.assert_allclose(sums(variant=variant).smb, by_month(daily(variant)), atol=5e-6)


def test_years_are_the_sums_of_all_their_days_leap_days_too():
    year = calendar()[1][0]
    expected = [daily()[year == k].sum(axis=0) for k in range(N_YEARS)]
    np.testing.assert_allclose(sums().smb.sum(axis=1), expected, atol=2e-5)
    assert np.count_nonzero(year == 1) == 366


def test_snow_is_that_of_the_last_day_of_each_year():
    params, found = small_a(), sums()
    for k in range(N_YEARS):
        n = int(np.count_nonzero(calendar()[1][0] <= k))
        forcing = StationForcing(series()[0][:n], series()[1][:n], OFFSET)
        swe = run_ti(params, initial_swe(params, OFFSET.shape), forcing, continuous_weights(n))[0]
        np.testing.assert_allclose(found.swe[k], swe, atol=2e-5)


def test_what_stands_on_days_that_do_not_exist_does_not_matter():
    for one, two in zip(sums(fill=0.0), sums(fill=25.0), strict=True):
        np.testing.assert_array_equal(one, two)


def test_snowfall_and_positive_degree_days_are_those_of_the_balance():
    params, found = small_a(), sums()
    temp, prcp = series()
    local = temp[:, None] + OFFSET
    snowfall = params.prec_scale * solid_prcp(params, local, np.broadcast_to(prcp[:, None], local.shape))
    np.testing.assert_allclose(found.solid_prcp, by_month(snowfall), atol=5e-6)
    np.testing.assert_allclose(found.pdd, by_month(positive_temp(params, local)), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("variant", sorted(DAYS))
def test_snowfall_less_melt_is_the_balance_where_all_is_bare_or_nothing_melts(variant):
    # In the cold the balance is the snowfall, whichever variant makes it.
    cold = neutral(small_a())._replace(temp_bias=np.full(12, -8.0, np.float32))
    found = sums(cold, variant=variant)
    frozen = np.asarray(found.pdd) < 1e-6
    assert np.count_nonzero(frozen) > 10
    np.testing.assert_allclose(np.asarray(found.solid_prcp)[frozen], np.asarray(found.smb)[frozen], atol=1e-6)


def test_classical_snowfall_is_that_of_the_classical_balance():
    # Between rain and snow the classical mix is linear, not a sigmoid.
    params, found = small_a(), sums(variant="classical")
    temp, prcp = series()
    length = 4.0 / params.snow_to_rain_steepness
    left = params.snow_to_rain_centre - 0.5 * length
    solid = prcp[:, None] * (1.0 - np.clip((temp[:, None] + OFFSET - left) / length, 0.0, 1.0))
    np.testing.assert_allclose(found.solid_prcp, by_month(params.prec_scale * solid), atol=5e-6)
    np.testing.assert_allclose(found.pdd, by_month(np.maximum(temp[:, None] + OFFSET, 0.0)), rtol=1e-5, atol=1e-3)


def test_a_temperature_tunable_parameter_of_all_months_is_a_warmer_climate():
    warmer = neutral(small_a())._replace(temp_bias=np.full(12, 1.5, np.float32))
    np.testing.assert_allclose(sums(warmer).smb, by_month(daily(temp_bias=1.5)), atol=1e-5)


def test_a_tunable_parameter_of_one_month_is_felt_from_that_month_on():
    base, july = sums(), np.zeros(12, np.float32)
    july[6] = 2.0
    found = sums(neutral(small_a())._replace(temp_bias=july))
    changed = np.abs(np.asarray(found.smb) - np.asarray(base.smb)).max(axis=2)
    assert changed[0, :6].max() == 0.0
    assert changed[:, 6].min() > 0.01
    assert changed[0, 7] > 0.0


def test_the_precipitation_tunable_parameter_scales_the_snowfall():
    wetter = neutral(small_a())._replace(prcp_fac=np.full(12, 1.5, np.float32))
    np.testing.assert_allclose(sums(wetter).solid_prcp, 1.5 * np.asarray(sums().solid_prcp), rtol=1e-5, atol=1e-7)


def test_the_melt_tunable_parameter_replaces_the_degree_day_factor():
    double = neutral(small_a())._replace(ddf_snow=np.full(12, 2.0 * small_a().ddf_snow))
    found, base = sums(double, variant="single_factor"), sums(variant="single_factor")
    melt = [np.asarray(s.solid_prcp) - np.asarray(s.smb) for s in (found, base)]
    np.testing.assert_allclose(melt[0], 2.0 * melt[1], rtol=1e-4, atol=1e-5)


def test_corrections_apply_in_the_months_of_their_mass_balance_year():
    ds = np.zeros((2, 5, OFFSET.size), np.float32)
    ds[1] = np.array([0.2, -0.3, 0.1, 0.5, -0.4], np.float32)[:, None]
    index = np.zeros((N_YEARS, 12), np.int32)
    index[0, 9:] = index[1, :9] = 1
    mixed, none, only = sums(ds=ds, ds_index=index), sums(), sums(ds=ds, ds_index=np.ones((N_YEARS, 12), np.int32))
    np.testing.assert_array_equal(mixed.smb[0, :9], none.smb[0, :9])
    np.testing.assert_allclose(mixed.solid_prcp[0, 9:], only.solid_prcp[0, 9:], rtol=1e-6)
    np.testing.assert_allclose(mixed.solid_prcp[1, 9:], none.solid_prcp[1, 9:], rtol=1e-6)
    local = series()[0][:, None] + OFFSET
    corrected = correct(small_a(), ds[1])
    np.testing.assert_allclose(only.pdd, by_month(positive_temp(corrected, local)), rtol=1e-5, atol=1e-3)


def test_numpy_arrays_work_without_jit():
    params = small_a()
    temp, prcp = series()
    found = monthly_sums(
        params,
        initial_swe(params, OFFSET.shape),
        boxed(temp),
        boxed(prcp),
        boxed(np.ones(temp.size, bool)),
        OFFSET,
        neutral(params),
        np.zeros((1, 5, OFFSET.size), np.float32),
        np.zeros((N_YEARS, 12), np.int32),
    )
    np.testing.assert_allclose(found.smb, sums().smb, atol=1e-6)
