"""Sampling the posterior of made-up and real observations."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.fit import nuts
from oggm_glaunti.fit.map_estimate import fit_map
from oggm_glaunti.fit.observations import as_observations
from oggm_glaunti.fit.priors import default_priors

from . import stations

TI = ti_weights()
START = {**{name: float(getattr(TI, name)) for name in TI.__dataclass_fields__}, "temp_gradient": stations.GRADIENT}


@pytest.fixture(scope="module")
def fit():
    """A year of stakes that tell melt and lapse rate well, so that the posterior is all but normal."""
    site = stations.observed(stations.site(1), stations.start(ddf_snow=0.006), noise=0.1)
    site = site._replace(sigma=0 * site.sigma + 0.1)
    priors = default_priors(START, ("ddf_snow", "temp_gradient"))
    return site, fit_map(stations.start(), [site], priors, model_error=0.1)


def test_where_the_posterior_is_normal_sampling_finds_what_laplace_says(fit):
    site, posterior = fit
    pytest.importorskip("blackjax")
    samples = nuts.sample_posterior(posterior, stations.start(), [site], n_samples=400, n_warmup=150, seed=3)
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


def test_the_same_seed_draws_the_same_and_another_does_not(fit):
    site, posterior = fit
    pytest.importorskip("blackjax")
    one, again, other = (
        nuts.sample_posterior(posterior, stations.start(), [site], n_samples=30, n_warmup=20, seed=seed).numbers
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_draws_of_a_glacier_are_in_physical_units_and_nothing_is_written(hef_gdir):
    pytest.importorskip("blackjax")
    one = {"glacier": hef_gdir.rgi_id, "kind": "point", "begin": "2015-10-01", "end": "2016-09-30"}
    table = as_observations({**one, "height": [2700.0, 3100.0], "value": [-3.0, -0.2]})
    draws = nuts.sample_glaunti(
        hef_gdir, table, model="A", free=["ddf_snow", "temp_bias"], n_samples=40, n_warmup=40, model_error=0.5
    )
    assert list(draws.columns) == ["ddf_snow", "temp_bias"]
    assert draws["ddf_snow"].between(0.002, 0.015).all()
    assert draws.attrs["ess"].keys() == draws.attrs["rhat"].keys() == {"ddf_snow", "temp_bias"}
    assert not hef_gdir.has_file("glaunti_params")


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
