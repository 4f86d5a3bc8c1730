"""Fits of one glacier to made-up observations whose truth is known."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytest

from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.fit.calibration import map_estimate
from oggm_glaunti.fit.calibration.errors import MEDIANS, ErrorSizes, Sizes, bound
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN
from oggm_glaunti.fit.calibration.map_estimate import (
    NoConvergence,
    fit_map,
    fit_problem,
    linearised,
    log_posterior,
    place,
    predict,
)
from oggm_glaunti.fit.calibration.priors import FEW, SPREAD, STORED, default_priors
from tests.core.worlds import x64

from .. import stations

TRUTH = {"prec_scale": 2.8, "ddf_snow": 0.0062, "temp_gradient": -0.0068}
SMALL = ErrorSizes(Sizes(0.05, 0.0, 0.0))


def priors_of(free=FEW):
    numbers = {name: float(getattr(stations.start().ti, name)) for name in STORED_NAMES}
    return default_priors({**numbers, "temp_gradient": stations.GRADIENT}, free)


def true_numbers(truth, names=FEW):
    return np.array([float(getattr(truth.ti, STORED[n]) if n in STORED else getattr(truth, n)) for n in names])


@cache
def noisy(seed=2):
    """Two years of stakes with noise of the size they state, and nothing else wrong."""
    return stations.observed(stations.site(2), stations.start(**TRUTH), noise=0.2, seed=seed)


ROWS = ("spans", "areas", "observed", "years")


def select(rows, keep):
    """Some rows of a glacier."""
    names = ("winter", "summer", "sigma", "years", "is_whole")
    return rows._replace(**{name: getattr(rows, name)[keep] for name in names})


def fit_one(site, rows, free=FEW, sizes=stations.NO_ERRORS, variant="smooth", spread_between=False):
    """Fit a glacier; without a spread between glaciers, its parameters are the region's."""
    w = None if spread_between else np.zeros(len(free))
    return fit_map(stations.start(variant=variant), [site], [rows], priors_of(free), sizes, w)


# --- the optimum and its covariance ---


@pytest.mark.parametrize("variant", ["smooth", pytest.param("mass_conserving", marks=pytest.mark.slow)])
def test_the_truth_is_recovered_within_two_standard_deviations_from_noisy_stakes(variant):
    truth = stations.start(variant=variant, **TRUTH)
    exact = predict(truth, [stations.site(2)])[0]
    random = np.random.default_rng(5)
    site = stations.site(2).replace(observed=(exact + random.normal(0.0, 0.2, exact.size)).astype(np.float32))
    fit = fit_one(site, stations.rows(2, few=False), sizes=SMALL, variant=variant, spread_between=True)
    own = fit.glacier(0)
    off = np.abs(own.mean - true_numbers(truth))
    assert (off < 2.0 * own.sd).all(), off / own.sd
    assert (own.sd < 0.5 * own.prior_sd).all()
    assert (off < 0.5 * np.abs(own.prior_mean - true_numbers(truth))).all()
    assert 0.4 < fit.misfit < 1.6
    # The region is known no better than one glacier of it tells.
    assert (fit.region.sd > own.sd).all()
    np.testing.assert_allclose(
        fit.predicted[0], predict(place(stations.start(variant=variant), FEW, own.mean), [site])[0], atol=1e-4
    )


@pytest.mark.slow
def test_the_posterior_is_that_of_a_brute_force_grid():
    free = ("prec_scale", "ddf_snow")
    site, rows = noisy(), stations.rows(2, few=False)
    sizes = ErrorSizes(Sizes(0.3, 0.05, 0.08))
    found = fit_one(site, rows, free, sizes).region
    axes = [mean + sd * np.linspace(-5, 5, 41) for mean, sd in zip(found.mean, found.sd, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
    run = jax.jit(jax.vmap(lambda numbers: predict_one(free, numbers, site)))
    misfit = (np.asarray(run(grid), np.float64) - site.observed) / np.sqrt(bound(rows, sizes))
    prior = (grid - found.prior_mean) / found.prior_sd
    logp = -0.5 * ((misfit**2).sum(axis=1) + (prior**2).sum(axis=1))
    weight = np.exp(logp - logp.max())
    weight /= weight.sum()
    mean = weight @ grid
    cov = (grid - mean).T @ ((grid - mean) * weight[:, None])
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), found.sd, rtol=0.1)
    np.testing.assert_allclose(cov[0, 1], found.cov[0, 1], rtol=0.15)
    assert (np.abs(mean - found.mean) < 0.25 * found.sd).all()
    assert (np.abs(grid[logp.argmax()] - found.mean) <= 0.25 * found.sd).all()  # a step of the grid


@pytest.mark.slow
def test_noise_moves_a_fit_as_linear_theory_says_and_no_further_than_its_standard_deviation():
    free, sigma = ("ddf_snow", "temp_gradient"), 0.2
    site = stations.observed(stations.site(2), stations.start(ddf_snow=0.0062, temp_gradient=-0.0068))
    noise = [np.random.default_rng(seed).normal(size=site.observed.size) for seed in range(4)]
    noisy_sites = [site.replace(observed=(site.observed + sigma * one).astype(np.float32)) for one in noise]
    rows = stations.rows(2, few=False)
    exact, *fits = (fit_one(one, rows, free).region for one in (site, *noisy_sites))
    run = jax.jit(lambda numbers: predict_one(free, numbers, site))
    h = 0.02 * exact.prior_sd
    columns = [(run(exact.mean + step) - run(exact.mean - step)) / 0.04 for step in np.diag(h)]
    jacobian = np.stack(columns, axis=1).astype(np.float64) / sigma
    posterior = np.linalg.inv(jacobian.T @ jacobian + np.eye(2))
    np.testing.assert_allclose(np.sqrt(np.diag(posterior)) * exact.prior_sd, exact.sd, rtol=5e-3)
    shifts = [(fit.mean - exact.mean) / exact.prior_sd for fit in fits]
    np.testing.assert_allclose(shifts, np.array(noise) @ (posterior @ jacobian.T).T, atol=0.03)
    # What noise does is part of what a fit does not know; the rest is the prior's.
    assert (np.sum((posterior @ jacobian.T) ** 2, axis=1) < np.diag(posterior)).all()


def predict_one(names, numbers, site):
    return map_estimate.predictions(place(stations.start(), names, numbers), site)


def test_the_gradient_is_that_of_finite_differences_for_two_glaciers():
    with x64():
        start, rows, free = stations.start("float64"), [stations.rows(1)] * 2, ("prec_scale", "ddf_snow")
        truth = stations.start("float64", **TRUTH)
        sites = [stations.observed(stations.site(1, seed=seed, dtype="float64"), truth, 0.2, seed) for seed in (1, 2)]
        problem = fit_problem(start, sites, rows, priors_of(free), MEDIANS)
        at = jax.jit(log_posterior)
        z, h = np.array([0.3, -0.2, 0.5, 0.1, -0.4, 0.8]), 1e-4
        ends = [[at(z + step, problem)[0] for step in (h * each, -h * each)] for each in np.eye(6)]
        expected = [float(up - down) / (2 * h) for up, down in ends]
        np.testing.assert_allclose(at(z, problem)[1], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_fit_in_double_precision_is_that_in_single():
    single = fit_one(noisy(), stations.rows(2), sizes=None, spread_between=True)
    with x64():
        site = stations.site(2, dtype="float64").replace(observed=np.asarray(noisy().observed, np.float64))
        start = stations.start("float64")
        double = fit_map(start, [site], [stations.rows(2)], priors_of())
        predicted, jacobian = linearised(place(start, FEW, double.glacier(0).mean), site, FEW)
        assert jacobian.shape == (16, 3)
        np.testing.assert_allclose(double.predicted[0], predicted, atol=1e-12)
    np.testing.assert_allclose(single.glacier(0).mean, double.glacier(0).mean, atol=1e-2 * double.glacier(0).sd.min())
    np.testing.assert_allclose(single.glacier(0).sd, double.glacier(0).sd, rtol=1e-3)
    np.testing.assert_allclose(single.sizes, double.sizes, rtol=1e-2)


def test_what_observations_do_not_tell_stays_at_the_prior():
    fit = fit_map(stations.start(), [noisy()], [stations.rows(2, sigma=1e4)], priors_of(SPREAD), MEDIANS)
    every = np.array(list(SPREAD.values()))
    for found, sd in ((fit.region, every), (fit.glacier(0), every * np.hypot(1.0, BETWEEN))):
        np.testing.assert_allclose(found.sd, sd, rtol=1e-4)
        np.testing.assert_allclose(found.sd, found.prior_sd, rtol=1e-4)
        np.testing.assert_allclose(found.mean, fit.priors.mean, atol=1e-4)
        np.testing.assert_allclose(found.cov, np.diag(found.prior_sd**2), atol=1e-4)
    np.testing.assert_allclose(fit.w, BETWEEN, rtol=1e-3)


def test_what_is_not_free_stays_as_it_was():
    start = stations.start()
    found = fit_one(noisy(), stations.rows(2), ("ddf_snow",), sizes=None).region
    tuned = place(start, found.names, found.mean)
    for name in STORED_NAMES:
        assert (getattr(tuned.ti, name) == getattr(start.ti, name)) == (name != "ddf_snow_log"), name
    assert (tuned.temp_bias, tuned.temp_gradient) == (start.temp_bias, start.temp_gradient)


@pytest.mark.slow
def test_two_sites_under_the_same_weather_are_one():
    site, rows = noisy(), stations.rows(2, few=False)

    def part(keep):
        return site.replace(**{name: getattr(site, name)[keep] for name in ROWS}), select(rows, keep)

    sizes = ErrorSizes(Sizes(0.3, 0.0, 0.0))  # what parts of a glacier share is not known to be shared
    parts = [part(slice(0, 5)), part(slice(5, None))]
    one, two = (
        fit_map(stations.start(), *zip(*both, strict=True), priors_of(), sizes, np.zeros(3))
        for both in ([(site, rows)], parts)
    )
    np.testing.assert_allclose(two.region.mean, one.region.mean, atol=2e-3 * one.region.sd.min())
    np.testing.assert_allclose(two.region.cov, one.region.cov, rtol=1e-2)
    np.testing.assert_allclose(np.concatenate(two.predicted), one.predicted[0], atol=1e-3)


def test_a_fit_that_does_not_get_there_says_how_far_it_went(monkeypatch):
    monkeypatch.setattr(map_estimate, "MAX_EVALUATIONS", 2)
    with pytest.raises(NoConvergence, match=r"no minimum after 2 runs of the model: .*number of function evaluations"):
        fit_one(noisy(), stations.rows(2))


# --- sizes of errors ---


def test_sizes_of_errors_are_estimated_from_what_the_observations_own_errors_do_not_explain():
    site, rows = stations.site(8), stations.rows(8)
    site = stations.observed(site, stations.start(**TRUTH), noise=np.sqrt(0.2**2 + 0.6**2 * site.years))
    fit = fit_one(site, rows, sizes=None, spread_between=True)
    assert fit.sizes.points.own == pytest.approx(0.6, rel=0.25)
    assert fit.sizes.whole == MEDIANS.whole
    given = fit_one(site, rows, sizes=SMALL, spread_between=True)
    assert given.sizes == SMALL
    assert (given.glacier(0).sd < 0.7 * fit.glacier(0).sd).all()


def test_one_observation_does_not_make_the_model_look_better_or_worse_than_expected():
    site = stations.site(2).replace(**{name: getattr(noisy(), name)[:1] for name in ROWS})
    (before,) = predict(stations.start(), [site])[0]
    fit = fit_one(
        site.replace(observed=before[None] + np.float32(0.5)),
        select(stations.rows(2), slice(0, 1)),
        sizes=None,
        spread_between=True,
    )
    assert abs(fit.predicted[0][0] - before - 0.5) < 0.4
    np.testing.assert_allclose(fit.sizes, MEDIANS, rtol=0.3)


def campaign(n_stakes):
    """Annual stakes of one year between the lowest and the highest height, without noise."""
    site, rows = stations.site(1, ("annual",)), stations.rows(1, ("annual",))
    share, first = np.linspace(0.0, 1.0, n_stakes, dtype=np.float32)[:, None], np.zeros(n_stakes, int)
    areas = share * site.areas[:1] + (1.0 - share) * site.areas[3:]
    site = site.replace(**{name: getattr(site, name)[first] for name in ROWS}).replace(areas=areas)
    return stations.observed(site, stations.start(**TRUTH)), select(rows, first)


def test_many_stakes_of_one_year_do_not_make_a_fit_certain():
    few, many = campaign(5), campaign(50)
    sd = [fit_one(*of, sizes=MEDIANS, spread_between=True).glacier(0).sd[0] for of in (few, many)]
    assert sd[1] == pytest.approx(sd[0], rel=0.1)
    # If they shared nothing, they would.
    alone = [(site, rows._replace(few=False)) for site, rows in (few, many)]
    sizes = ErrorSizes(Sizes(0.7, 0.0, 0.0))
    sd = [fit_one(*of, sizes=sizes, spread_between=True).glacier(0).sd[0] for of in alone]
    assert sd[1] < 0.8 * sd[0]
