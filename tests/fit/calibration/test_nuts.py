"""Sampling the posterior of made-up and real observations."""

from __future__ import annotations

import sys

import equinox as eqx
import numpy as np
import pytest

from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.fit.calibration import nuts
from oggm_glaunti.fit.calibration.map_estimate import fit_map, fit_problem, log_posterior
from oggm_glaunti.fit.calibration.priors import default_priors
from oggm_glaunti.fit.calibration.tasks import fit_glaunti
from oggm_glaunti.fit.observations import as_observations

from .. import stations

TI = ti_weights()
START = {**{name: float(getattr(TI, name)) for name in STORED_NAMES}, "temp_gradient": stations.GRADIENT}


@pytest.fixture(scope="module")
def fit():
    """A year of stakes that tell melt and lapse rate well, so that the posterior is all but normal."""
    site = stations.observed(stations.site(1), stations.start(ddf_snow=0.006), noise=0.1)
    site = site.replace(sigma=0 * site.sigma + 0.1)
    priors = default_priors(START, ("ddf_snow", "temp_gradient"))
    return site, fit_map(stations.start(), [site], priors, model_error=0.1)


def sample(fit, seed):
    pytest.importorskip("blackjax")
    site, posterior = fit
    return nuts.sample_posterior(posterior, stations.start(), [site], n_samples=400, n_warmup=150, seed=seed)


@pytest.mark.slow
def test_where_the_posterior_is_normal_sampling_finds_what_laplace_says(fit):
    samples, posterior = sample(fit, 3), fit[1]
    print("ess", samples.ess, "rhat", samples.rhat, "divergences", samples.divergences, samples.acceptance)
    assert samples.numbers.shape == (400, 2)
    assert (samples.ess > 100).all()
    assert (samples.rhat < 1.05).all()
    assert samples.divergences == 0
    assert 0.6 < samples.acceptance < 0.99
    assert (np.abs(samples.numbers.mean(axis=0) - posterior.mean) < 0.2 * posterior.sd).all()
    np.testing.assert_allclose(samples.numbers.std(axis=0), posterior.sd, rtol=0.2)
    corr = np.corrcoef(samples.numbers.T)[0, 1]
    assert corr == pytest.approx(posterior.cov[0, 1] / posterior.sd.prod(), abs=0.15)


@pytest.mark.slow
def test_the_same_seed_draws_the_same_and_another_does_not(fit):
    one, again, other = (sample(fit, seed).numbers for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one[-100:] != other[-100:]).any()


@pytest.mark.slow
def test_draws_of_a_glacier_are_in_physical_units_and_start_from_its_fit(hef_gdir, monkeypatch):
    pytest.importorskip("blackjax")
    slopes = []

    def at_the_peak(posterior, start, sites, n_samples, n_warmup, seed):
        peak = (posterior.mean - posterior.priors.mean) / posterior.priors.sd
        problem = fit_problem(start, sites, posterior.priors, posterior.model_error)
        slope = eqx.filter_jit(log_posterior)(np.float32(peak), problem)[1]
        slopes.append(np.asarray(slope) / np.sqrt(np.diag(posterior.information)))
        draws = np.stack([posterior.mean - posterior.sd, posterior.mean + posterior.sd])
        return nuts.Samples(draws, np.full(2, 9.0), np.ones(2), n_samples, n_warmup + seed)

    monkeypatch.setattr(nuts, "sample_posterior", at_the_peak)
    one = {"glacier": hef_gdir.rgi_id, "kind": "point", "begin": "2015-10-01", "end": "2016-09-30"}
    table = as_observations({**one, "height": [2700.0, 3100.0], "value": [-3.0, -0.2]})
    chosen = {"mb_kwargs": {"model": "A", "variant": "mass_conserving"}, "free": ["ddf_snow", "temp_bias"]}
    draws = nuts.sample_glaunti(hef_gdir, table, n_samples=7, n_warmup=20, seed=1, **chosen)
    np.testing.assert_allclose(slopes[0], 0.0, atol=0.02)
    assert draws.attrs == {
        "ess": {"ddf_snow": 9.0, "temp_bias": 9.0},
        "rhat": {"ddf_snow": 1.0, "temp_bias": 1.0},
        "divergences": 7,
        "acceptance": 21,
    }
    assert not hef_gdir.has_file("glaunti_params")
    fit = fit_glaunti(hef_gdir, observations=table, **chosen)["fit"]["parameters"]
    for name, row in fit.items():
        np.testing.assert_allclose(draws[name], [row["low"], row["high"]], rtol=1e-3, atol=1e-4, err_msg=name)


def test_without_blackjax_it_is_said_what_to_install(fit, monkeypatch):
    site, posterior = fit
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ImportError, match=r"pip install oggm-glaunti\[nuts\]"):
        nuts.sample_posterior(posterior, stations.start(), [site])


def test_too_few_draws_are_refused(fit):
    site, posterior = fit
    pytest.importorskip("blackjax")
    with pytest.raises(ValueError, match="n_samples of 10 and n_warmup of 20 or more, found 5 and 300"):
        nuts.sample_posterior(posterior, stations.start(), [site], n_samples=5)
