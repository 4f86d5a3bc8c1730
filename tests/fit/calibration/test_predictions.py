"""Balances between dates against a plain loop over the days, and their derivatives against differences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.core.run import ti_step
from oggm_glaunti.fit.calibration.map_estimate import place
from oggm_glaunti.fit.calibration.predictions import balances, stretches
from oggm_glaunti.fit.calibration.priors import SPREAD, UNUSED, default_priors
from tests.core.worlds import x64

from .. import stations
from ..stations import predictions

DS = np.random.default_rng(0).normal(0.0, 0.2, (3, 5, 4))
VARIANTS = ("smooth", "mass_conserving")


def plain_loop(tuned, site, days, begin, end):
    """Balance from `begin` to `end` at every height, their first and last day half; one realisation."""
    params = tuned.ti.resolve()
    swe = jnp.full(site.above_ref.shape, params.snow_depletion_centre)
    step = jax.jit(lambda ds, swe, temp, prcp: ti_step(correct(params, ds))(swe, temp, prcp, jnp.ones(())))
    offset = tuned.temp_bias + tuned.temp_gradient * site.above_ref
    total = np.zeros(site.above_ref.size)
    for day, temp, prcp, period in zip(days, site.temp[0], site.prcp[0], site.ds_index, strict=True):
        swe, smb = step(site.ds[period], swe, temp + offset, prcp)
        if begin <= day <= end:
            total += (0.5 if day in (begin, end) else 1.0) * np.asarray(smb, np.float64)
    return total


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("ds", [None, DS[:1], DS], ids=["model A", "one period", "three periods"])
def test_a_balance_is_the_sum_of_its_days_the_first_and_last_half(ds, variant):
    site = stations.site(2, ds=ds)
    tuned = stations.start(temp_bias=0.4, temp_gradient=-0.0072, variant=variant)
    days = stations.weather(2)[0]
    begin, end = stations.periods(2)
    modelled = np.asarray(predictions(tuned, site)).reshape(-1, 4)
    for season in (0, 3):
        expected = plain_loop(tuned, site, days, begin[season], end[season])
        assert np.ptp(expected) > 0.5
        np.testing.assert_allclose(modelled[season], expected, atol=2e-5)


def test_winter_and_summer_add_up_to_the_year():
    site = stations.site(3, ("winter", "summer", "annual"), ds=DS)
    winter, summer, annual = np.moveaxis(np.asarray(predictions(stations.start(), site)).reshape(3, 3, 4), 1, 0)
    assert np.abs(winter).mean() > 0.3
    np.testing.assert_allclose(winter + summer, annual, atol=1e-6)


@pytest.mark.slow
def test_all_stretches_add_up_to_the_record_every_day_once():
    site = stations.site(2)
    alone = site.replace(before=site.before * 0, after=site.after * 0, spans=np.ones((1, 1), np.float32))
    run = jax.jit(balances)
    np.testing.assert_allclose(run(stations.start(), site).sum(axis=0), run(stations.start(), alone)[0], atol=2e-5)


def test_overlapping_periods_share_their_days():
    days = np.arange("2020-01-01", "2020-01-11", dtype="M8[D]")
    before, after, spans = stretches(days, days[[1, 3, 1]], days[[5, 8, 8]], np.float64)
    of_stretch = 0.5 * (np.bincount(before, minlength=5) + np.bincount(after, minlength=5))
    np.testing.assert_array_equal(spans @ of_stretch, [4.0, 5.0, 7.0])


def test_balances_are_the_mean_over_realisations_and_not_those_of_the_mean_weather():
    both = stations.site(2, n_realisations=2)
    one, other = (predictions(stations.start(), both.replace(temp=both.temp[[i]], prcp=both.prcp[[i]])) for i in (0, 1))
    assert np.abs(one - other).max() > 0.05
    np.testing.assert_allclose(predictions(stations.start(), both), (one + other) / 2, atol=1e-6)


def test_an_area_mean_is_weighted_by_its_shares():
    site = stations.site(2)
    points = np.asarray(predictions(stations.start(), site)).reshape(-1, 4)
    shares = np.tile(np.array([0.1, 0.2, 0.3, 0.4], np.float32), (points.size, 1))
    mean = np.asarray(predictions(stations.start(), site.replace(areas=shares))).reshape(-1, 4)
    np.testing.assert_allclose(mean[:, 0], points @ shares[0], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_derivatives_are_those_of_finite_differences(variant):
    names = tuple(name for name in SPREAD if name not in UNUSED.get(variant, ()))
    with x64():
        site, tuned = stations.site(2, ds=DS, dtype=np.float64), stations.start(np.float64, variant)
        numbers = {name: float(getattr(tuned.ti, name)) for name in STORED_NAMES}
        priors = default_priors({**numbers, "temp_gradient": stations.GRADIENT}, names)
        run = jax.jit(lambda z: predictions(place(tuned, names, priors.mean + priors.sd * z), site))
        exact = np.asarray(jax.jacfwd(run)(jnp.zeros(len(names))))
        h = 1e-5
        for i, name in enumerate(names):
            shift = h * np.eye(len(names))[i]
            differences = np.asarray(run(shift) - run(-shift)) / (2 * h)
            assert np.abs(differences).max() > 1e-4, name
            np.testing.assert_allclose(exact[:, i], differences, rtol=1e-5, atol=1e-8, err_msg=name)


def test_what_is_said_to_be_without_effect_has_none():
    site = stations.site(2)
    for variant, names in UNUSED.items():
        for name in names:
            tuned = stations.start(variant=variant)
            other = place(tuned, (name,), (1.5,))
            np.testing.assert_array_equal(predictions(other, site), predictions(tuned, site))
            other = place(stations.start(), (name,), (1.5,))
            assert np.abs(predictions(other, site) - predictions(stations.start(), site)).max() > 1e-3
