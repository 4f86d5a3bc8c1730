"""Priors, and the errors of those who ask for impossible ones."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.core.temperature_index import ti_weights
from oggm_glaunti.core.weights import physical_values
from oggm_glaunti.fit.calibration.posterior import physical
from oggm_glaunti.fit.calibration.priors import FEW, SPREAD, STORED, default_priors

TI = ti_weights()
START = {**{name: float(getattr(TI, name)) for name in STORED_NAMES}, "temp_gradient": -0.0061}


def test_priors_are_centred_on_the_models_own_numbers_more_snow_and_a_bias_of_zero():
    priors = default_priors(START, SPREAD)
    mean = dict(zip(priors.names, priors.mean, strict=True))
    assert mean.pop("temp_bias") == 0.0
    assert mean.pop("temp_gradient") == -0.0061
    assert mean.pop("prec_scale") == START["prec_scale_log"] + 0.3
    assert mean == {name: START[STORED[name]] for name in mean}
    np.testing.assert_array_equal(priors.sd, list(SPREAD.values()))


def test_stored_numbers_are_read_as_the_physical_values_of_the_weights():
    values = physical_values(TI)
    for name, stored in STORED.items():
        assert physical(name, START[stored]) == pytest.approx(values[name]["value"], rel=1e-6), name


def test_by_default_snow_melt_and_lapse_rate_move_and_names_count_once():
    assert default_priors(START).names == FEW == ("prec_scale", "ddf_snow", "temp_gradient")
    assert default_priors(START, ["ddf_snow", "ddf_snow"]).names == ("ddf_snow",)


def test_a_spread_given_replaces_ours_of_that_name_only():
    priors = default_priors(START, ["prec_scale", "ddf_snow"], {"ddf_snow": 0.1, "temp_bias": 3.0})
    np.testing.assert_array_equal(priors.sd, [SPREAD["prec_scale"], 0.1])


@pytest.mark.parametrize(
    ("free", "spread", "words"),
    [
        (["ddf_ice"], None, r"expected some of \['prec_scale'.*found \['ddf_ice'\]"),
        (["ddf_snow"], {"melt_f": 1.0}, r"found \['melt_f'\]"),
        ([], None, "found none"),
        (["ddf_snow"], {"ddf_snow": 0.0}, r"positive standard deviations, found \{'ddf_snow': 0.0\}"),
        (["ddf_snow"], {"ddf_snow": np.nan}, "positive standard deviations, found"),
    ],
)
def test_what_cannot_be_a_prior_is_refused_with_what_was_found(free, spread, words):
    with pytest.raises(ValueError, match=words):
        default_priors(START, free, spread)
