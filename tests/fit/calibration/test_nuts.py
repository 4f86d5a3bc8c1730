"""Sampling the posterior of made-up and real observations."""

from __future__ import annotations

import sys

import equinox as eqx
import numpy as np
import pytest

from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.fit.calibration import nuts
from oggm_glaunti.fit.calibration.errors import ErrorSizes, Sizes
from oggm_glaunti.fit.calibration.map_estimate import fit_map, fit_problem, log_posterior
from oggm_glaunti.fit.calibration.priors import default_priors
from oggm_glaunti.fit.calibration.tasks import fit_glaunti
from oggm_glaunti.fit.observations import as_observations

from .. import stations

TI = ti_weights()
START = {**{name: float(getattr(TI, name)) for name in STORED_NAMES}, "temp_gradient": stations.GRADIENT}


@pytest.fixture(scope="module")
def fit():
    """A year of stakes on two glaciers that tell melt and lapse rate well, so that the posterior is all but normal."""
    truths = [{"ddf_snow": 0.006}, {"ddf_snow": 0.0052, "temp_gradient": -0.0062}]
    sites = [
        stations.observed(stations.site(1, seed=seed), stations.start(**truth), noise=0.1)
        for seed, truth in enumerate(truths)
    ]
    rows = [stations.rows(1, sigma=0.1, few=False)] * 2
    priors = default_priors(START, ("ddf_snow", "temp_gradient"))
    return sites, rows, fit_map(stations.start(), sites, rows, priors, ErrorSizes(Sizes(0.1, 0.03, 0.03)))


def sample(fit, seed):
    pytest.importorskip("blackjax")
    sites, rows, posterior = fit
    return nuts.sample_posterior(posterior, stations.start(), sites, rows, n_samples=600, n_warmup=150, seed=seed)


@pytest.fixture(scope="module")
def samples(fit):
    return sample(fit, 3)


@pytest.mark.slow
def test_where_the_posterior_is_normal_sampling_finds_what_laplace_says(fit, samples):
    posterior = fit[2]
    print("ess", samples.ess, "rhat", samples.rhat, "divergences", samples.divergences, samples.acceptance)
    assert samples.numbers.shape == (600, 3, 2)
    assert samples.ess.shape == samples.rhat.shape == (3, 2)
    assert (samples.ess > 100).all()
    assert (samples.rhat < 1.05).all()
    assert samples.divergences == 0
    assert 0.6 < samples.acceptance < 0.99
    for number, of in enumerate((posterior.region, posterior.glacier(0), posterior.glacier(1))):
        draws = samples.numbers[:, number]
        assert (np.abs(draws.mean(axis=0) - of.mean) < 0.2 * of.sd).all(), number
        np.testing.assert_allclose(draws.std(axis=0), of.sd, rtol=0.2, err_msg=number)
        corr = np.corrcoef(draws.T)[0, 1]
        assert corr == pytest.approx(of.cov[0, 1] / of.sd.prod(), abs=0.15), number
    # Glaciers are themselves, and are draws of the same region.
    assert (posterior.region.sd > posterior.glacier(0).sd).all()
    together = np.corrcoef(samples.numbers[:, 0, 0], samples.numbers[:, 1, 0])[0, 1]
    cov = posterior._select(None) @ posterior.z_cov @ posterior._select(0).T
    assert together == pytest.approx(cov[0, 0] / posterior.region.sd[0] / posterior.glacier(0).sd[0], abs=0.15)


@pytest.mark.slow
def test_the_same_seed_draws_the_same_and_another_does_not(fit, samples):
    one, again, other = samples.numbers, *(sample(fit, seed).numbers for seed in (3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one[-100:] != other[-100:]).any()


@pytest.mark.slow
def test_draws_of_a_glacier_are_in_physical_units_and_start_from_its_fit(hef_gdir, monkeypatch):
    pytest.importorskip("blackjax")
    slopes = []

    def at_the_peak(posterior, start, sites, rows, n_samples, n_warmup, seed):
        problem = fit_problem(start, sites, rows, posterior.priors, posterior.sizes, posterior.w)
        slope = eqx.filter_jit(log_posterior)(np.float32(posterior.z), problem)[1]
        slopes.append(np.asarray(slope) * np.sqrt(np.diag(posterior.z_cov)))
        draws = np.stack(
            [[of.mean - of.sd, of.mean + of.sd] for of in (posterior.region, posterior.glacier(0))], axis=1
        )
        every = np.arange(4.0).reshape(2, 2)
        return nuts.Samples(draws, every, 1.0 + every, n_samples, n_warmup + seed)

    monkeypatch.setattr(nuts, "sample_posterior", at_the_peak)
    one = {"glacier": hef_gdir.rgi_id, "kind": "point", "begin": "2015-10-01", "end": "2016-09-30"}
    table = as_observations({**one, "height": [2700.0, 3100.0], "value": [-3.0, -0.2]})
    chosen = {"mb_kwargs": {"model": "A", "variant": "mass_conserving"}, "free": ["ddf_snow", "temp_bias"]}
    draws = nuts.sample_glaunti(hef_gdir, table, n_samples=7, n_warmup=20, seed=1, **chosen)
    np.testing.assert_allclose(slopes[0], 0.0, atol=0.02)
    assert draws.attrs == {
        "ess": {"ddf_snow": 2.0, "temp_bias": 3.0},
        "rhat": {"ddf_snow": 3.0, "temp_bias": 4.0},
        "divergences": 7,
        "acceptance": 21,
    }
    assert not hef_gdir.has_file("glaunti_params")
    fit = fit_glaunti(hef_gdir, observations=table, **chosen)["fit"]["parameters"]
    for name, row in fit.items():
        np.testing.assert_allclose(draws[name], [row["low"], row["high"]], rtol=1e-3, atol=1e-4, err_msg=name)

    several = nuts.sample_glaunti([hef_gdir], table, n_samples=7, n_warmup=20, seed=1, **chosen)
    assert list(several) == [(who, name) for who in ("region", hef_gdir.rgi_id) for name in draws]
    np.testing.assert_array_equal(several[hef_gdir.rgi_id], draws)
    assert (several["region"] != draws).all(axis=None)
    assert list(several.attrs["ess"].values()) == [0.0, 1.0, 2.0, 3.0]
    assert several.attrs["rhat"]["region", "ddf_snow"] == 1.0


def test_without_blackjax_it_is_said_what_to_install(fit, monkeypatch):
    sites, rows, posterior = fit
    monkeypatch.setitem(sys.modules, "blackjax", None)
    with pytest.raises(ImportError, match=r"pip install blackjax"):
        nuts.sample_posterior(posterior, stations.start(), sites, rows)


def test_too_few_draws_are_refused(fit):
    sites, rows, posterior = fit
    pytest.importorskip("blackjax")
    with pytest.raises(ValueError, match="n_samples of 10 and n_warmup of 20 or more, found 5 and 300"):
        nuts.sample_posterior(posterior, stations.start(), sites, rows, n_samples=5)
