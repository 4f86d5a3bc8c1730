"""Scores are those of the textbook, and blank where they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from oggm_glaunti.fit.evaluation.scores import scores

values = st.lists(st.floats(-10, 10), min_size=3, max_size=30).filter(lambda v: np.ptp(v) > 0.1)


@given(values, st.floats(-3, 3))
def test_a_shifted_copy_has_no_scatter_and_the_shift_as_bias(observed, shift):
    found = scores(np.array(observed) + shift, observed)
    assert found.r == pytest.approx(1.0)
    assert (found.bias, found.rmse, found.mae) == pytest.approx((shift, abs(shift), abs(shift)), abs=1e-9)
    assert found.skill == pytest.approx(1 - shift**2 / np.var(observed), abs=1e-9)
    assert found.n == len(observed)


@given(values)
def test_the_mirror_image_has_a_correlation_of_minus_one(observed):
    assert scores(-np.array(observed), observed).r == pytest.approx(-1.0)


@given(st.integers(3, 400), st.integers(0, 10_000), st.floats(-0.95, 0.95))
def test_r_and_its_p_value_are_scipy_s(n, seed, slope):
    rng = np.random.default_rng(seed)
    observed = rng.normal(size=n)
    modelled = slope * observed + rng.normal(size=n)
    expected = stats.pearsonr(modelled, observed)
    found = scores(modelled, observed)
    assert (found.r, found.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-7, abs=1e-300)


def test_the_mean_of_the_observations_has_no_skill():
    observed = np.array([-2.0, 0.5, 3.0])
    assert scores(np.full(3, observed.mean()), observed).skill == pytest.approx(0.0)


def test_skill_and_r_are_blank_where_the_observations_have_no_variance():
    # The mean of seven times 0.1 is not 0.1 in float64.
    found = scores(np.arange(7.0), np.full(7, 0.1))
    assert np.isnan([found.r, found.p, found.skill]).all()
    assert found.bias == pytest.approx(2.9)


def test_one_pair_has_errors_and_nothing_else():
    found = scores([2.0], [1.5])
    assert (found.n, found.rmse, found.mae, found.bias) == (1, 0.5, 0.5, 0.5)
    assert np.isnan([found.r, found.p, found.skill]).all()


def test_two_pairs_have_an_r_that_says_nothing_and_no_p_value():
    found = scores([0.0, 1.0], [3.0, 4.0])
    assert found.r == pytest.approx(1.0)
    assert np.isnan(found.p)


def test_a_constant_model_has_skill_but_no_r():
    found = scores([1.0, 1.0, 1.0], [0.0, 1.0, 2.0])
    assert np.isnan(found.r)
    assert found.skill == pytest.approx(0.0)


def test_missing_values_of_either_side_are_left_out_and_counted():
    found = scores([1.0, np.nan, 3.0, np.nan], [1.0, 2.0, np.nan, np.nan])
    assert (found.n, found.n_dropped, found.bias) == (1, 3, 0.0)
    assert str(found).endswith("n = 1, 3 left out")


def test_nothing_but_missing_values_is_all_blank():
    found = scores([np.nan], [1.0])
    assert (found.n, found.n_dropped) == (0, 1)
    assert np.isnan(found[1:7]).all()


def test_float32_is_scored_in_float64():
    observed = np.float32(1000.0) + np.linspace(0, 1, 100, dtype=np.float32)
    expected = stats.pearsonr(observed[::-1].astype(np.float64), observed.astype(np.float64)).statistic
    assert scores(observed[::-1], observed).r == pytest.approx(expected, abs=1e-12)


def test_infinite_values_and_series_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="observed: 1 of 3 values are infinite"):
        scores([1.0, 2.0, 3.0], [1.0, np.inf, 3.0])
    with pytest.raises(ValueError, match=r"found \(3,\) modelled and \(2,\) observed"):
        scores([1.0, 2.0, 3.0], [1.0, 2.0])
