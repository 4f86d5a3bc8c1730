"""How well A's numbers are known after training."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from oggm_glaunti.core.weights import embedded_a
from oggm_glaunti.fit.training.initial import initial_model
from oggm_glaunti.fit.training.losses import TRAINED
from oggm_glaunti.fit.training.survey import Part
from oggm_glaunti.fit.training.uncertainty import Sums, covariance, in_physical_units, trained_uncertainty

from ..training_worlds import glacier, truth


def line(n: int, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives and errors of `n` observations that are linear in seven numbers."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 7)), noise * rng.normal(size=n)


def test_covariance_is_that_of_weighted_least_squares_on_many_draws():
    jacobian, _ = line(60, 0.0, 0)
    weight = np.random.default_rng(1).uniform(0.2, 1.0, 60)
    curvature = np.einsum("n,ni,nj->ij", weight, jacobian, jacobian)
    slope = np.einsum("n,ni,nj->ij", weight**2, jacobian, jacobian)
    zero = np.zeros((7, 7))
    expected = covariance(
        Sums(np.stack([curvature, zero]), np.stack([slope, zero]), np.array([0.25 * 60, 0.0]), np.array([60.0, 0.0]))
    )
    fits = np.stack([np.linalg.solve(curvature, jacobian.T @ (weight * line(60, 0.5, k)[1])) for k in range(3000)])
    np.testing.assert_allclose(np.sqrt(np.diag(expected)), fits.std(axis=0), rtol=0.05)


def test_a_pull_to_the_priors_makes_numbers_surer():
    jacobian, _ = line(20, 0.0, 0)
    matrix = np.stack([jacobian.T @ jacobian, np.zeros((7, 7))])
    sums = Sums(matrix, matrix, np.array([20.0, 0.0]), np.array([20.0, 0.0]))
    assert (np.diag(covariance(sums, 100.0)) < np.diag(covariance(sums))).all()


def test_logarithms_become_physical_units():
    table = in_physical_units(embedded_a().ti, np.diag(np.full(7, 0.01)))
    assert table.loc["ddf_snow", "relative"] == pytest.approx(0.1)
    assert table.loc["snow_to_rain_centre", "sigma"] == pytest.approx(0.1)
    ice = table.loc["ddf_relative_ice"]
    assert ice["sigma"] == pytest.approx(0.1 * (ice["value"] - 1.0))
    assert len(table) == len(TRAINED)


@pytest.mark.slow
def test_twice_the_glaciers_halve_the_variance_and_the_truth_is_within_reach():
    made = glacier(noise=0.1)
    once, twice = (trained_uncertainty(truth(), [Part(made)] * n) for n in (1, 2))
    np.testing.assert_allclose(twice["sigma"], once["sigma"] / np.sqrt(2), rtol=1e-3)
    assert once.loc["ddf_snow", "relative"] < once.loc["snow_depletion_steepness", "relative"]


def test_models_with_a_network_are_refused():
    with pytest.raises(ValueError, match="expected model A"):
        trained_uncertainty(initial_model("C", 0, jax.tree.map(np.asarray, embedded_a())), [])
