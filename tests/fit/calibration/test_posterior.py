"""What the identifiability report says, for posteriors made by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from oggm_glaunti.fit.calibration.errors import ErrorSizes, Sizes
from oggm_glaunti.fit.calibration.hierarchy import Estimated
from oggm_glaunti.fit.calibration.posterior import correlations, identifiability, spread_of, summary
from oggm_glaunti.fit.calibration.priors import Priors

PRIORS = Priors(("ddf_snow", "snow_to_rain_centre", "temp_bias"), np.array([-5.3, 1.0, 0.0]), np.array([0.3, 0.7, 1.0]))
SIZES = ErrorSizes(Sizes(0.70, 0.30, 0.456), Sizes(0.45, 0.0, 1.25))
OF_ERRORS = [
    "A balance at a point is taken to differ by 0.70 m w.e. a year of its own, and by 0.30 and 0.46 m w.e. that "
    "all rows of a winter and a summer share.",
    "A balance at a glacier's mean is taken to differ by 0.45 m w.e. a year of its own, and by 0.00 and 1.25 m w.e. "
    "that all rows of a winter and a summer share.",
]


def posterior(information, moved=(0.1, 0.0, -0.5)):
    """After data with this information, in units of the priors; `moved` is in the parameters' own."""
    information = np.asarray(information, float)
    cov = np.linalg.inv(information + np.eye(3)) * np.outer(PRIORS.sd, PRIORS.sd)
    return Estimated(PRIORS.names, PRIORS.mean, PRIORS.sd, PRIORS.mean + np.array(moved), cov)


def sentences_of(*args, **kwargs):
    return identifiability(posterior(*args, **kwargs), SIZES)


def test_without_data_nothing_is_told():
    sentences = sentences_of(np.zeros((3, 3)))
    assert sentences == [
        "The observations constrain 0 of 3 combinations of parameters.",
        "ddf_snow is hardly constrained: 100 % of its prior uncertainty is left.",
        "snow_to_rain_centre is hardly constrained: 100 % of its prior uncertainty is left.",
        "temp_bias is hardly constrained: 100 % of its prior uncertainty is left.",
        *OF_ERRORS,
    ]


def test_where_all_is_told_nothing_is_said_to_be_left():
    sentences = sentences_of(np.diag([99.0, 99.0, 99.0]))
    assert sentences[0] == "The observations constrain 3 of 3 combinations of parameters."
    assert sentences[1:] == OF_ERRORS


def test_a_sum_that_is_known_leaves_two_parameters_that_cannot_be_told_apart():
    both = np.array([1.0, 0.0, 1.0])
    sentences = sentences_of(1e4 * np.outer(both, both) + np.diag([0.0, 99.0, 0.0]))
    assert sentences[0] == "The observations constrain 2 of 3 combinations of parameters."
    assert "ddf_snow and temp_bias cannot be told apart (correlation -1.00)." in sentences
    assert "ddf_snow is hardly constrained: 71 % of its prior uncertainty is left." in sentences
    assert not any(words.startswith("snow_to_rain_centre") for words in sentences)


def test_a_parameter_that_has_left_its_prior_is_pointed_at():
    away = (
        "temp_bias is 2.1 prior standard deviations away from its prior mean: one of the two, or the weather, is off."
    )
    assert away in sentences_of(np.eye(3), moved=(0.59, 0.0, -2.1))
    assert not any("away" in words for words in sentences_of(np.eye(3), moved=(0.59, 1.3, -1.9)))


def test_half_of_the_priors_uncertainty_is_where_told_begins():
    just, not_quite = sentences_of(np.diag([3.01, 99, 99])), sentences_of(np.diag([2.99, 99, 99]))
    assert just[0] == "The observations constrain 3 of 3 combinations of parameters."
    assert not_quite[:2] == [
        "The observations constrain 2 of 3 combinations of parameters.",
        "ddf_snow is hardly constrained: 50 % of its prior uncertainty is left.",
    ]


def test_the_summary_is_in_physical_units_and_its_range_that_of_the_stored_number():
    rows = summary(posterior(np.diag([3.0, 0.0, 8.0])))
    assert rows["ddf_snow"] == pytest.approx(
        {"prior": np.exp(-5.3), "value": np.exp(-5.2), "low": np.exp(-5.35), "high": np.exp(-5.05), "contraction": 0.5}
    )
    assert rows["snow_to_rain_centre"]["contraction"] == 1.0
    assert rows["temp_bias"]["low"] == pytest.approx(-0.5 - 1 / 3)


def test_the_distribution_goes_through_json_unchanged():
    one = posterior([[3.0, 1.0, 0.0], [1.0, 2.0, 0.5], [0.0, 0.5, 8.0]])
    told = json.loads(json.dumps(spread_of(one)))
    assert told["stored"] == ["ddf_snow_log", "snow_to_rain_centre", "temp_bias"]
    np.testing.assert_array_equal(told["mean"], one.mean)
    np.testing.assert_array_equal(told["covariance"], one.cov)
    np.testing.assert_allclose(np.diag(correlations(one)), 1.0)
