from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.core.sensitivity import DIFFERENTIABLE
from oggm_glaunti.core.temperature_index import (
    DAYS,
    TIParameters,
    classical_day,
    depletion_melt,
    mass_conserving_day,
    positive_temp,
    smooth_day,
    snow_cover,
    solid_prcp,
    ti_weights,
)

from . import plain
from .worlds import small_a, x64

VARIANTS = sorted(DAYS)
TEMP = st.floats(-60.0, 40.0)
PRCP = st.floats(0.0, 0.3)
SWE = st.floats(0.0, 10.0)
WEIGHT = st.sampled_from([0.5, 1.0])
day = jax.jit(lambda variant, params, *state: DAYS[variant].run(params, *state), static_argnums=0)


def numbers(params: TIParameters) -> dict[str, float]:
    return {name: float(getattr(params, name)) for name in DIFFERENTIABLE}


def grid_of_days(dtype="float32") -> tuple[np.ndarray, ...]:
    """swe, temp, prcp over all that can be met, no snow and no precipitation included."""
    swe = np.concatenate([[0.0], np.geomspace(1e-12, 10.0, 30)])
    temp = np.linspace(-60.0, 40.0, 51)
    prcp = np.array([0.0, 1e-9, 1e-3, 0.05, 0.3])
    return tuple(field.ravel().astype(dtype) for field in np.meshgrid(swe, temp, prcp))


def in_float64(variant: str, *state: float, params: TIParameters | None = None) -> tuple[float, float]:
    with x64():
        params = small_a("float64") if params is None else params
        swe, smb = day(variant, params, *(np.float64(value) for value in state))
        return float(swe), float(smb)


@pytest.mark.parametrize("variant", VARIANTS)
@given(swe=SWE, temp=TEMP, prcp=PRCP, weight=WEIGHT)
def test_a_day_follows_the_equations(variant, swe, temp, prcp, weight):
    with x64():
        expected = plain.DAYS[variant](numbers(small_a("float64")), swe, temp, prcp, weight)
    assert in_float64(variant, swe, temp, prcp, weight) == pytest.approx(expected, rel=1e-10, abs=1e-12)


def test_parameters_are_the_exponentials_of_what_is_stored(float64):
    stored = ti_weights(np.float64, snow_to_rain_steepness=1.2, snow_to_rain_centre=0.8)
    params = numbers(stored.resolve())
    assert params == pytest.approx(
        {
            "prec_scale": 1.4,
            "ddf_snow": 0.0049,
            "ddf_relative_ice": 1.5,
            "snow_to_rain_steepness": 1.2,
            "snow_to_rain_centre": 0.8,
            "snow_depletion_steepness": 3.0,
            "snow_depletion_centre": 0.03,
            "t_softplus_sharpness": 10.0,
            "swe_softplus_sharpness": 20.0,
            "t_pos_shift": 0.0,
        }
    )
    assert float(stored.ddf_relative_ice_minus_one_log) == pytest.approx(np.log(0.5))


@pytest.mark.parametrize(
    "value", [{"ddf_relative_ice": 0.9}, {"ddf_relative_ice": 1.0}, {"ddf_snow": 0.0}, {"prec_scale": -1.0}]
)
def test_a_parameter_without_a_logarithm_is_refused_by_name(value):
    with pytest.raises(ValueError, match=next(iter(value))):
        ti_weights(**value)


def test_half_of_the_precipitation_is_snow_at_the_centre():
    params = small_a()
    at = jnp.array([-20.0, float(params.snow_to_rain_centre), 20.0])
    np.testing.assert_allclose(solid_prcp(params, at, jnp.full(3, 0.02)), [0.02, 0.01, 0.0], atol=1e-7)


def test_positive_degrees_are_the_temperature_when_warm_and_nothing_when_cold():
    params = small_a()
    np.testing.assert_allclose(
        positive_temp(params, jnp.array([-30.0, 0.0, 12.0])), [0.0, np.log(2.0) / 10.0, 12.0], atol=1e-6
    )


def test_half_of_the_surface_is_covered_at_the_depletion_centre():
    params = small_a()
    swe = jnp.array([0.0, float(params.snow_depletion_centre), 10.0])
    np.testing.assert_allclose(snow_cover(params, swe), [0.0, 0.5, 1.0], atol=1e-6)


def test_deep_snow_covers_all_whatever_the_steepness():
    cover = snow_cover(ti_weights(snow_depletion_steepness=20.0).resolve(), jnp.float32(10.0))
    assert float(cover) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_values_and_gradients_are_finite_over_the_whole_range(variant):
    swe, temp, prcp = grid_of_days()
    params = small_a()

    def balance_and_snow(params, swe, temp, prcp):
        return jnp.stack(DAYS[variant].run(params, swe, temp, prcp, jnp.float32(1.0)))

    jacobian = jax.jit(jax.vmap(jax.jacrev(balance_and_snow, argnums=(0, 1, 2, 3)), in_axes=(None, 0, 0, 0)))
    values = jax.jit(jax.vmap(balance_and_snow, in_axes=(None, 0, 0, 0)))(params, swe, temp, prcp)
    assert np.isfinite(values).all()
    for leaf in jax.tree.leaves(jacobian(params, swe, temp, prcp)):
        assert np.isfinite(leaf).all()


@functools.partial(jax.jit, static_argnums=0)
def value_and_jacobian(variant, params, at):
    def both(x):
        return jnp.stack(DAYS[variant].run(params, x[0], x[1], x[2], np.float64(1.0)))

    return both(at), jax.jacfwd(both)(at)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving", "single_factor"])
@given(swe=st.floats(0.001, 2.0), temp=st.floats(-30.0, 30.0), prcp=PRCP)
def test_gradients_are_central_differences(variant, swe, temp, prcp):
    with x64():
        of = functools.partial(value_and_jacobian, variant, small_a("float64"))
        at, step = np.array([swe, temp, prcp]), 1e-6 * np.diag([0.01, 1.0, 1.0])
        rough = [(of(at + h)[0] - of(at - h)[0]) / (2.0 * h.max()) for h in step]
        np.testing.assert_allclose(of(at)[1], np.stack(rough, axis=1), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("variant", VARIANTS)
@given(swe=SWE, temp=TEMP, prcp=PRCP, warmer=st.floats(0.0, 10.0), wetter=st.floats(0.0, 0.1))
def test_one_day_warmer_is_never_more_mass_and_wetter_never_less(variant, swe, temp, prcp, warmer, wetter):
    # With the same snow to begin with this holds for all variants.
    smb = in_float64(variant, swe, temp, prcp, 1.0)[1]
    assert in_float64(variant, swe, temp + warmer, prcp, 1.0)[1] <= smb + 1e-14
    assert in_float64(variant, swe, temp, prcp + wetter, 1.0)[1] >= smb - 1e-14


@pytest.mark.parametrize("variant", ["smooth", "mass_conserving", "classical"])
@given(swe=SWE, more=st.floats(0.0, 2.0), temp=TEMP, prcp=PRCP)
def test_more_snow_at_hand_is_never_a_worse_balance_of_the_day(variant, swe, more, temp, prcp):
    with_less, with_more = (in_float64(variant, s, temp, prcp, 1.0)[1] for s in (swe, swe + more))
    assert with_more >= with_less - 1e-14


def test_more_snow_is_a_worse_balance_where_a_correction_puts_ice_below_snow(float64):
    params = small_a("float64")
    values = {name: getattr(params, name) for name in DIFFERENTIABLE}
    corrected = TIParameters(**{**values, "ddf_relative_ice": jnp.float64(0.8)})
    bare, covered = (in_float64("smooth", swe, 5.0, 0.0, 1.0, params=corrected)[1] for swe in (0.0, 1.0))
    assert covered < bare


@given(swe=SWE, more=st.floats(0.0, 2.0), temp=TEMP, prcp=PRCP)
def test_mass_conserving_more_snow_leaves_no_less_snow(swe, more, temp, prcp):
    with_less, with_more = (in_float64("mass_conserving", s, temp, prcp, 1.0)[0] for s in (swe, swe + more))
    assert with_more >= with_less - 1e-14


def test_smooth_more_snow_can_leave_a_little_less_on_a_hot_day():
    # Around the depletion centre the covered fraction, so the melt, grows faster than the snow: at 20 degC two
    # millimetres more leave less behind. So a warmer or wetter *year* has no proof of its own; on weather it holds.
    little, more = (in_float64("smooth", swe, 20.0, 0.0, 1.0)[0] for swe in (0.024, 0.026))
    assert more < little
    assert little - more < 0.002


def test_classical_more_snow_can_leave_much_less_on_a_warm_day():
    # Snow below the depletion centre counts as bare ice and is not melted.
    centre = float(small_a().snow_depletion_centre)
    little, more = (in_float64("classical", centre + d, 5.0, 0.0, 1.0)[0] for d in (-1e-4, 1e-4))
    assert more < little - 0.02


@given(swe=SWE, temp=TEMP, prcp=PRCP, weight=WEIGHT)
def test_mass_conserving_snow_changes_by_snowfall_less_snow_melt(swe, temp, prcp, weight):
    with x64():
        p, temp, prcp = small_a("float64"), np.float64(temp), np.float64(prcp)
        after, smb = in_float64("mass_conserving", swe, temp, prcp, weight)
        snowfall = float(weight * p.prec_scale * solid_prcp(p, temp, prcp))
        potential = float(weight * p.ddf_snow * positive_temp(p, temp))
        # The balance is snowfall less both melts, and ice gets the energy that snow leaves: solved for the snow melt.
        ratio = float(p.ddf_relative_ice)
        snow_melt = (ratio * potential - (snowfall - smb)) / (ratio - 1.0)
    assert after - swe == pytest.approx(snowfall - snow_melt, abs=1e-13)
    assert -1e-13 <= snow_melt <= min(swe + snowfall, potential) + 1e-13


def test_mass_conserving_snow_closes_in_float32_too():
    swe, temp, prcp = grid_of_days()
    params = small_a()
    after, smb = day("mass_conserving", params, swe, temp, prcp, np.float32(1.0))
    cold = temp < -20.0
    snowfall = np.asarray(params.prec_scale) * prcp
    np.testing.assert_allclose((after - swe)[cold], snowfall[cold], atol=2e-6)
    np.testing.assert_allclose(smb[cold], snowfall[cold], atol=2e-6)
    assert (np.asarray(after) >= 0.0).all()


def melt_away(variant: str, days: int) -> np.ndarray:
    """SWE under 5 degC and no precipitation, day by day, from 0.5 m."""
    params = small_a()

    def body(swe, _):
        swe, _ = DAYS[variant].run(params, swe, jnp.float32(5.0), jnp.float32(0.0), jnp.float32(1.0))
        return swe, swe

    return np.asarray(jax.lax.scan(body, jnp.float32(0.5), None, length=days)[1])


def test_mass_conserving_snow_melts_away_and_never_below_nothing():
    swe = melt_away("mass_conserving", 200)
    assert (np.diff(swe) <= 0.0).all()
    assert swe.min() >= 0.0
    assert swe[-1] < 1e-9


def integrated(swe: float, potential: float, centre: float, steps: int = 4000) -> float:
    """Snow left after melting along the covered fraction in small steps (classical Runge-Kutta)."""

    def slope(s):
        return -(1.0 - 2.0 ** (-s / centre))

    h = potential / steps
    for _ in range(steps):
        k1 = slope(swe)
        k2 = slope(swe + 0.5 * h * k1)
        k3 = slope(swe + 0.5 * h * k2)
        swe += h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + slope(swe + h * k3))
    return swe


@pytest.mark.parametrize("swe", [0.0, 1e-4, 0.01, 0.03, 0.1, 1.0])
@pytest.mark.parametrize("potential", [1e-4, 0.03, 0.2])
def test_snow_melts_along_the_depletion_curve(swe, potential, float64):
    left = swe - float(depletion_melt(jnp.float64(swe), jnp.float64(potential), jnp.float64(0.03)))
    assert left == pytest.approx(integrated(swe, potential, 0.03), abs=1e-12)


@given(swe=SWE, first=st.floats(0.0, 0.2), second=st.floats(0.0, 0.2), centre=st.floats(1e-3, 1.0))
def test_snow_melts_the_same_at_once_and_in_two_parts(swe, first, second, centre):
    with x64():
        swe, first, second, centre = (jnp.float64(value) for value in (swe, first, second, centre))
        between = swe - depletion_melt(swe, first, centre)
        in_two = between - depletion_melt(between, second, centre)
        assert float(swe - depletion_melt(swe, first + second, centre)) == pytest.approx(float(in_two), abs=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(swe=st.floats(0.0, 100.0), potential=st.floats(0.0, 2.0), centre=st.floats(1e-4, 2.0))
def test_never_more_snow_melts_than_there_is_nor_than_the_energy_melts(dtype, swe, potential, centre):
    with x64():
        melt = depletion_melt(*(jnp.asarray(value, dtype) for value in (swe, potential, centre)))
        assert melt.dtype == dtype
        least = np.minimum(np.asarray(swe, dtype), np.asarray(potential, dtype))
        slack = 4.0 * np.finfo(dtype).eps * max(centre, float(least))
        assert -slack <= float(melt) <= float(least)


def test_ice_melts_under_thin_snow_only():
    # 30 mm of potential melt a day; what is left for the ice, as a share of it.
    swe = jnp.array([0.0, 0.03, 0.1, 0.3, 1.0])
    share = 1.0 - depletion_melt(swe, jnp.float32(0.03), jnp.float32(0.03)) / 0.03
    np.testing.assert_allclose(share, [1.0, 0.585, 0.136, 1.4e-3, 0.0], atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_mass_conserving_derivatives_are_finite_from_no_snow_to_firn_of_decades(mode):
    swe, temp, prcp = grid_of_days()
    swe = np.concatenate([swe, np.full(4, 100.0, "float32")])
    temp = np.concatenate([temp, np.array([-40.0, 0.0, 20.0, 40.0], "float32")])
    prcp = np.concatenate([prcp, np.zeros(4, "float32")])

    def both(params, swe, temp, prcp):
        return jnp.stack(mass_conserving_day(params, swe, temp, prcp, jnp.float32(1.0)))

    of_points = jax.jit(jax.vmap(mode(both, argnums=(0, 1, 2, 3)), in_axes=(None, 0, 0, 0)))
    for centre in (1e-4, 0.03, 2.0):
        derivatives = of_points(ti_weights(snow_depletion_centre=centre).resolve(), swe, temp, prcp)
        for leaf in jax.tree.leaves(derivatives):
            assert np.isfinite(leaf).all()
        by_swe = np.asarray(derivatives[1])
        assert (by_swe[:, 0] >= -1e-6).all()
        assert (by_swe[:, 0] <= 1.0 + 1e-6).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mass_conserving_a_cold_dry_year_leaves_the_snow_as_it_is(dtype):
    with x64():
        params, start = small_a(dtype), jnp.asarray([0.0, 0.03, 1.0, 30.0], dtype)
        swe, _ = jax.lax.scan(
            lambda swe, _: mass_conserving_day(params, swe, *(jnp.asarray(v, dtype) for v in (-20.0, 0.0, 1.0))),
            start,
            length=365,
        )
        np.testing.assert_allclose(swe, start, rtol=0, atol=1e-6 if dtype == "float32" else 1e-12)


def test_mass_conserving_ice_takes_full_effect_once_the_snow_is_gone():
    params = small_a()
    swe, smb = day("mass_conserving", params, melt_away("mass_conserving", 200)[-1], *np.float32([5.0, 0.0, 1.0]))
    assert float(smb) == pytest.approx(-5.0 * float(params.ddf_snow * params.ddf_relative_ice), rel=1e-6)
    assert float(swe) < 1e-9


def test_the_published_softplus_never_lets_the_snow_melt_away():
    swe = melt_away("smooth", 200)
    assert 0.04 < swe[-1] < 0.12


def test_the_published_softplus_makes_snow_from_nothing():
    params = small_a()
    swe = params.snow_depletion_centre
    for _ in range(365):
        swe, smb = day("smooth", params, swe, np.float32(-20.0), np.float32(0.0), np.float32(1.0))
    assert abs(float(smb)) < 1e-7
    assert float(swe) == pytest.approx(0.295, abs=0.002)


def test_classical_snow_and_rain_mix_linearly_over_four_over_the_steepness():
    params = ti_weights(prec_scale=1.0, snow_to_rain_steepness=2.0, snow_to_rain_centre=-10.0).resolve()
    temp = jnp.array([-11.0, -10.5, -10.0, -9.5, -9.0])
    _, smb = classical_day(params, jnp.zeros(5), temp, jnp.full(5, 0.01), jnp.float32(1.0))
    np.testing.assert_allclose(smb, [0.01, 0.0075, 0.005, 0.0025, 0.0], atol=1e-7)


def test_the_single_factor_is_the_mean_of_snow_and_ice_and_leaves_the_snow_alone():
    params = ti_weights(ddf_snow=0.004, ddf_relative_ice=2.0).resolve()
    swe, smb = day("single_factor", params, np.float32(0.7), np.float32(10.0), np.float32(0.0), np.float32(1.0))
    assert float(swe) == np.float32(0.7)
    assert float(smb) == pytest.approx(-0.06, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("function", [smooth_day, mass_conserving_day, classical_day])
def test_parameters_may_be_fields(function):
    ddf = np.array([0.003, 0.005, 0.008], np.float32)
    base = small_a()
    values = {name: getattr(base, name) for name in DIFFERENTIABLE}

    def balance(ddf_snow):
        params = TIParameters(**{**values, "ddf_snow": ddf_snow})
        return function(
            params, jnp.full(jnp.shape(ddf_snow), 0.02), jnp.float32(6.0), jnp.float32(0.0), jnp.float32(1.0)
        )

    together = balance(jnp.asarray(ddf))
    alone = [balance(jnp.asarray(one)) for one in ddf]
    np.testing.assert_allclose(together, np.transpose(alone), rtol=1e-6)
