"""Fits to made-up observations whose truth is known."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
import pytest

from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.fit.calibration import map_estimate
from oggm_glaunti.fit.calibration.map_estimate import NoConvergence, estimated_model_error, fit_map, predict
from oggm_glaunti.fit.calibration.priors import FEW, SPREAD, STORED, default_priors

from .. import stations

TRUTH = {"prec_scale": 1.9, "ddf_snow": 0.0062, "temp_gradient": -0.0068}


def priors_of(free=FEW, tuned=None):
    tuned = stations.start() if tuned is None else tuned
    numbers = {name: float(getattr(tuned.ti, name)) for name in STORED_NAMES}
    return default_priors({**numbers, "temp_gradient": stations.GRADIENT}, free)


def true_numbers(truth, names):
    return np.array([float(getattr(truth.ti, STORED[n]) if n in STORED else getattr(truth, n)) for n in names])


@cache
def noisy(seed=2):
    """Two years of stakes with noise of the size they state, and nothing else wrong."""
    return stations.observed(stations.site(2), stations.start(**TRUTH), noise=0.2, seed=seed)


@pytest.mark.slow
def test_the_truth_is_recovered_within_two_standard_deviations_from_noisy_stakes():
    truth = stations.start(**TRUTH)
    fit = fit_map(stations.start(), [noisy()], priors_of(), model_error=0.05)
    off = np.abs(fit.mean - true_numbers(truth, FEW))
    assert (off < 2.0 * fit.sd).all(), off / fit.sd
    assert (fit.sd < 0.5 * fit.priors.sd).all()
    before = np.abs(priors_of().mean - true_numbers(truth, FEW))
    assert (off < 0.5 * before).all()
    assert 0.4 < fit.misfit < 1.6


@pytest.mark.slow
def test_the_truth_is_recovered_with_the_mass_conserving_day():
    truth = stations.start(variant="mass_conserving", **TRUTH)
    site = stations.site(2)
    exact = predict(truth, [site])[0]
    site = site.replace(observed=(exact + np.random.default_rng(5).normal(0.0, 0.2, exact.size)).astype(np.float32))
    fit = fit_map(stations.start(variant="mass_conserving"), [site], priors_of(), model_error=0.05)
    assert (np.abs(fit.mean - true_numbers(truth, FEW)) < 2.0 * fit.sd).all()


@pytest.mark.slow
def test_the_posterior_is_that_of_a_brute_force_grid():
    free = ("prec_scale", "ddf_snow")
    site = noisy()
    fit = fit_map(stations.start(), [site], priors_of(free), model_error=0.3)
    axes = [mean + sd * np.linspace(-5, 5, 41) for mean, sd in zip(fit.mean, fit.sd, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.float32)
    run = jax.jit(jax.vmap(lambda z: predict_one(free, z, site)))
    misfit = (np.asarray(run(grid), np.float64) - site.observed) / np.sqrt(site.sigma**2 + 0.3**2 * site.years)
    prior = (grid - fit.priors.mean) / fit.priors.sd
    logp = -0.5 * ((misfit**2).sum(axis=1) + (prior**2).sum(axis=1))
    weight = np.exp(logp - logp.max())
    weight /= weight.sum()
    mean = weight @ grid
    cov = (grid - mean).T @ ((grid - mean) * weight[:, None])
    np.testing.assert_allclose(np.sqrt(np.diag(cov)), fit.sd, rtol=0.1)
    np.testing.assert_allclose(cov[0, 1], fit.cov[0, 1], rtol=0.15)
    assert (np.abs(mean - fit.mean) < 0.2 * fit.sd).all()
    assert (np.abs(grid[logp.argmax()] - fit.mean) <= 0.25 * fit.sd).all()  # a step of the grid


@pytest.mark.slow
def test_noise_moves_a_fit_as_linear_theory_says_and_no_further_than_its_standard_deviation():
    free, sigma = ("ddf_snow", "temp_gradient"), 0.2
    site = stations.observed(stations.site(2), stations.start(ddf_snow=0.0062, temp_gradient=-0.0068))
    noise = [np.random.default_rng(seed).normal(size=site.observed.size) for seed in range(4)]
    noisy_sites = [site.replace(observed=(site.observed + sigma * one).astype(np.float32)) for one in noise]
    exact, *fits = (fit_map(stations.start(), [one], priors_of(free), model_error=1e-3) for one in (site, *noisy_sites))
    run = jax.jit(lambda numbers: predict_one(free, numbers, site))
    h = 0.02 * exact.priors.sd
    columns = [(run(exact.mean + step) - run(exact.mean - step)) / 0.04 for step in np.diag(h)]
    jacobian = np.stack(columns, axis=1).astype(np.float64) / sigma
    posterior = np.linalg.inv(jacobian.T @ jacobian + np.eye(2))
    np.testing.assert_allclose(np.sqrt(np.diag(posterior)) * exact.priors.sd, exact.sd, rtol=5e-3)
    shifts = [(fit.mean - exact.mean) / exact.priors.sd for fit in fits]
    np.testing.assert_allclose(shifts, np.array(noise) @ (posterior @ jacobian.T).T, atol=0.03)
    # What noise does is part of what a fit does not know; the rest is the prior's.
    assert (np.sum((posterior @ jacobian.T) ** 2, axis=1) < np.diag(posterior)).all()


def predict_one(names, numbers, site):
    return map_estimate.predictions(map_estimate.place(stations.start(), names, numbers), site)


@pytest.mark.slow
def test_what_observations_do_not_tell_stays_at_the_prior():
    site = noisy().replace(sigma=np.full(16, 1e4, np.float32))
    fit = fit_map(stations.start(), [site], priors_of(SPREAD), model_error=0.5)
    np.testing.assert_allclose(fit.sd, list(SPREAD.values()), rtol=1e-4)
    np.testing.assert_allclose(fit.mean, fit.priors.mean, atol=1e-4)
    np.testing.assert_allclose(fit.cov, np.diag(fit.priors.sd**2), atol=1e-4)


@pytest.mark.slow
def test_what_is_not_free_stays_as_it_was():
    start = stations.start()
    tuned = fit_map(start, [noisy()], priors_of(("ddf_snow",)), model_error=0.3).tuned(start)
    for name in STORED_NAMES:
        assert (getattr(tuned.ti, name) == getattr(start.ti, name)) == (name != "ddf_snow_log"), name
    assert (tuned.temp_bias, tuned.temp_gradient) == (start.temp_bias, start.temp_gradient)


@pytest.mark.slow
def test_the_model_error_is_estimated_from_what_the_observations_own_errors_do_not_explain():
    years = stations.site(8).years
    site = stations.observed(stations.site(8), stations.start(**TRUTH), noise=np.sqrt(0.2**2 + 0.6**2 * years))
    fit = fit_map(stations.start(), [site], priors_of())
    assert fit.model_error == pytest.approx(0.6, rel=0.25)
    assert fit.misfit == pytest.approx(1.0, abs=0.15)
    given = fit_map(stations.start(), [site], priors_of(), model_error=0.05)
    assert given.model_error == 0.05
    assert (given.sd < 0.7 * fit.sd).all()


@pytest.mark.slow
def test_one_observation_that_a_fit_can_meet_does_not_make_the_model_look_perfect():
    site = stations.site(2)
    one = {name: getattr(noisy(), name)[:1] for name in ("spans", "areas", "observed", "sigma", "years")}
    fit = fit_map(stations.start(), [site.replace(**one)], priors_of())
    assert abs(fit.predicted[0][0] - one["observed"][0]) < 0.2
    assert fit.model_error == pytest.approx(map_estimate.FIRST_MODEL_ERROR, rel=0.3)


def test_an_estimated_model_error_stays_within_its_range():
    n = 200
    nothing, much = np.zeros(n), np.full(n, 500.0)
    assert estimated_model_error(nothing, np.ones(n), np.ones(n)) == map_estimate.MODEL_ERRORS[0]
    assert estimated_model_error(much, np.ones(n), np.ones(n)) == map_estimate.MODEL_ERRORS[1]


@pytest.mark.slow
def test_two_sites_under_the_same_weather_are_one():
    site = noisy()

    def rows(keep):
        return {name: getattr(site, name)[keep] for name in ("spans", "areas", "observed", "sigma", "years")}

    parts = [site.replace(**rows(slice(0, 5))), site.replace(**rows(slice(5, None)))]
    one, two = (fit_map(stations.start(), sites, priors_of(), model_error=0.3) for sites in ([site], parts))
    np.testing.assert_allclose(two.mean, one.mean, atol=2e-3 * one.sd.min())
    np.testing.assert_allclose(two.cov, one.cov, rtol=1e-2)
    np.testing.assert_allclose(np.concatenate(two.predicted), one.predicted[0], atol=1e-3)


@pytest.mark.slow
def test_a_fit_that_does_not_get_there_says_how_far_it_went(monkeypatch):
    monkeypatch.setattr(map_estimate, "MAX_EVALUATIONS", 2)
    with pytest.raises(NoConvergence, match=r"no minimum after 2 runs of the model: .*number of function evaluations"):
        fit_map(stations.start(), [noisy()], priors_of(), model_error=0.3)
