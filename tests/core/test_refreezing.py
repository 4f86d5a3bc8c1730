from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from oggm_glaunti.core.refreezing import (
    ACTIVE,
    COLDEST,
    DIFFUSIVITY,
    HEAT_CAPACITY,
    LATENT_HEAT,
    SnowOfDay,
    cold_content_day,
    refrozen,
    refrozen_in_snow,
    woodward_potential,
)

from .worlds import x64


@given(seed=st.integers(0, 200), had=st.floats(0.0, 0.2))
def test_never_more_than_there_is_or_than_may(seed, had):
    rng = np.random.default_rng(seed)
    water, period = rng.exponential(0.01, (60, 3)), np.sort(rng.integers(0, 3, 60))
    potential = rng.random((3, 3)) * 0.2
    found, _ = refrozen(water, period, potential, np.full(3, had))
    assert (found >= 0).all()
    assert (found <= water + 1e-15).all()
    for index in np.unique(period):
        assert (found[period == index].sum(axis=0) <= potential[index] + 1e-15).all()


@given(seed=st.integers(0, 100), at=st.integers(1, 59))
def test_parts_are_the_whole_and_months_are_their_days(seed, at):
    rng = np.random.default_rng(seed)
    water, period = rng.exponential(0.01, (60, 2)), np.repeat([0, 1], [25, 35])
    potential = np.array([[0.1, 0.0], [0.2, 0.5]])
    whole, end = refrozen(water, period, potential, np.zeros(2))
    first, had = refrozen(water[:at], period[:at], potential, np.zeros(2))
    # A period that begins with the second part has had no water.
    had = had if period[at] == period[at - 1] else np.zeros(2)
    rest, last = refrozen(water[at:], period[at:], potential, had)
    np.testing.assert_allclose(np.concatenate([first, rest]), whole, atol=1e-15)
    np.testing.assert_allclose(last, end)
    months = water.reshape(12, 5, 2).sum(axis=1)
    by_month, _ = refrozen(months, period[::5], potential, np.zeros(2))
    np.testing.assert_allclose(by_month, whole.reshape(12, 5, 2).sum(axis=1), atol=1e-15)


def test_colder_is_more_and_a_temperate_place_none():
    temps = np.linspace(-25.0, 5.0, 50)
    potential = woodward_potential(temps)
    assert (np.diff(potential) <= 0).all()
    assert potential[-1] == 0.0
    # Woodward et al. 1997, in cm.
    np.testing.assert_allclose(woodward_potential(np.array([-10.0])), [(6.9 + 0.0096) / 100.0])


# --- by day ---


def snow_days(seed, n=200, warm=-4.0):
    """Invented days of snow that piles up and melts at three heights."""
    rng = np.random.default_rng(seed)
    temp = warm + 8.0 * np.sin(np.arange(n) / 30.0)[:, None] + rng.normal(0.0, 3.0, (n, 1)) - np.array([0.0, 4.0, 8.0])
    wet = rng.exponential(0.006, (n, 1)) * (rng.random((n, 1)) < 0.5)
    snowfall = np.where(temp < 1.0, wet, 0.0)
    swe, before, melts = np.full(3, 0.1), [], []
    for k in range(n):
        before.append(swe)
        melts.append(np.minimum(swe + snowfall[k], 0.005 * np.maximum(temp[k], 0.0)))
        swe = swe + snowfall[k] - melts[-1]
    after = np.concatenate([before[1:], [swe]])
    return SnowOfDay(temp, snowfall, wet - snowfall + np.array(melts), np.array(before), after)


@given(seed=st.integers(0, 200), warm=st.floats(-20.0, 5.0))
def test_no_more_freezes_than_there_is_of_water_and_of_cold(seed, warm):
    days, cold = snow_days(seed, warm=warm), np.zeros(3)
    for of_day in zip(*days, strict=True):
        day = SnowOfDay(*of_day)
        left, gain = cold_content_day(cold, day)
        assert (gain >= 0).all()
        assert (gain <= day.water).all()
        assert (left >= 0).all()
        assert (left <= HEAT_CAPACITY / LATENT_HEAT * COLDEST * day.after + 1e-15).all()
        # Nothing makes cold but colder air and snow, and nothing takes it but warmer air and water.
        full = HEAT_CAPACITY / LATENT_HEAT * np.clip(-day.temp, 0.0, COLDEST)
        most = np.maximum(cold + full * day.snowfall - gain, full * np.minimum(day.before + day.snowfall, ACTIVE))
        assert (left <= most + 1e-15).all()
        cold = left


@given(seed=st.integers(0, 100), at=st.integers(1, 199))
def test_days_in_two_parts_are_the_days_in_one(seed, at):
    days = snow_days(seed)
    whole, end = refrozen_in_snow(days, np.zeros(3))
    first, cold = refrozen_in_snow(SnowOfDay(*(of[:at] for of in days)), np.zeros(3))
    rest, last = refrozen_in_snow(SnowOfDay(*(of[at:] for of in days)), cold)
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)
    np.testing.assert_array_equal(last, end)


@given(seed=st.integers(0, 100), colder=st.floats(0.1, 10.0), wetter=st.floats(0.001, 0.1))
def test_colder_days_hold_more_cold_and_more_water_freezes_more(seed, colder, wetter):
    days = snow_days(seed, n=40, warm=-10.0)
    cold = (refrozen_in_snow(of, np.zeros(3))[1] for of in (days._replace(water=0.0 * days.water, temp=t) for t in
            (days.temp, days.temp - colder)))  # fmt: skip
    assert np.diff(list(cold), axis=0).min() >= -1e-15
    dry, wet = (refrozen_in_snow(days._replace(water=water), np.zeros(3))[0].sum(axis=0) for water in
                (days.water, days.water + wetter))  # fmt: skip
    assert (wet >= dry - 1e-15).all()


def test_limits_of_deep_thin_and_no_snow():
    frost = SnowOfDay(-10.0, 0.0, 0.0, 0.0, 0.0)
    full = 10.0 * HEAT_CAPACITY / LATENT_HEAT
    # Snow of any depth ends as cold as the air, deep snow as far as its active layer.
    for swe, expected in ((0.01, 0.01), (0.3, 0.3), (1.0, 1.0), (5.0, ACTIVE)):
        cold = 0.0
        for _ in range(2000):
            cold, _ = cold_content_day(cold, frost._replace(before=swe, after=swe))
        np.testing.assert_allclose(cold, full * expected, rtol=1e-6)
    assert cold_content_day(0.0, frost)[0] == 0.0
    # Ice that has lost its snow, and any place above 0 degC, freeze nothing.
    assert cold_content_day(0.0, SnowOfDay(4.0, 0.0, 0.05, 0.0, 0.0))[1] == 0.0
    # A slab is half as cold as the air after the time that conduction through it takes (Carslaw and Jaeger).
    days, depth = 0, 2.5
    cold = 0.0
    while cold < 0.5 * full:
        cold, days = cold_content_day(cold, frost._replace(before=ACTIVE, after=ACTIVE))[0], days + 1
    assert abs(days - np.log(2.0) * 4.0 * depth**2 / (np.pi**2 * DIFFUSIVITY)) <= 1.0


def test_in_jax_it_is_the_same():
    import jax
    import jax.numpy as jnp

    days = snow_days(3)
    with x64():
        _, found = jax.lax.scan(lambda cold, day: cold_content_day(cold, day, jnp), jnp.zeros(3), days)
        np.testing.assert_allclose(found, refrozen_in_snow(days, np.zeros(3))[0], atol=1e-15)
