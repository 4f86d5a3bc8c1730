"""Errors of the model over any days: in agreement with those of a fit's rows, whatever the hemisphere."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.oggm.balance_year import FIRST_MONTH, WINTER_MONTHS, begin_of_year
from oggm_glaunti.fit.calibration.errors import MEDIANS, ErrorSizes, Sizes, covariance, effects, sizes_as_dict
from oggm_glaunti.fit.calibration.intervals import NO_MODEL_ERRORS, error_sizes, in_words, month_errors

YEARS = range(2001, 2005)
SIZES = ErrorSizes(Sizes(0.6, 0.2, 0.3), Sizes(0.4, 0.15, 0.25))


def seasons(hemisphere):
    """Every winter, summer and whole year of some mass-balance years."""
    begin = begin_of_year(np.array(YEARS), FIRST_MONTH[hemisphere])
    spring, end = begin + WINTER_MONTHS, begin + 12
    rows = [("winter", begin, spring), ("summer", spring, end), ("annual", begin, end)]
    parts = [pd.DataFrame({"season": s, "begin": a.astype("M8[s]"), "end": b.astype("M8[s]")}) for s, a, b in rows]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("hemisphere", ["nh", "sh"])
@pytest.mark.parametrize("kind", ["point", "glacier-wide"])
def test_winters_summers_and_years_have_the_variances_that_they_have_in_a_fit(hemisphere, kind):
    table = seasons(hemisphere).assign(kind=kind, sigma=0.0)
    of_fit = covariance(effects(table, southern=hemisphere == "sh"), SIZES)
    sizes = SIZES.points if kind == "point" else SIZES.whole
    begin, end = (table[name].to_numpy().astype("M8[D]") for name in ("begin", "end"))
    found = month_errors(begin.min(), end.max() - 1, sizes, hemisphere)
    assert found.months.size == 12 * len(YEARS)
    shares = found.shares(begin, end)
    assert set(shares.ravel()) == {0.0, 1.0}
    np.testing.assert_allclose((shares * found.sd) ** 2 @ np.ones(shares.shape[1]), np.diag(of_fit), rtol=1e-12)
    # What a fit has two rows share is the winter or the summer alone: each row has an error of its own.
    shared = (shares * found.season) @ (shares * found.season).T
    off = ~np.eye(len(table), dtype=bool)
    np.testing.assert_allclose(shared[off], of_fit[off], rtol=1e-12, atol=1e-15)


@given(st.lists(st.integers(0, 1460), min_size=3, max_size=3, unique=True))
def test_disjoint_periods_that_meet_between_months_have_independent_errors_that_add_up(days):
    first = np.datetime64("2001-10-01")
    edges = (first + np.sort(days)).astype("M8[M]").astype("M8[D]")
    found = month_errors(first, first + 1500, SIZES.whole, "nh")
    begin, end = np.array([edges[0], edges[1], edges[0]]), np.array([edges[1], edges[2], edges[2]])
    shares = found.shares(begin, end) * found.sd
    cov = shares @ shares.T
    assert cov[0, 1] == 0.0
    assert cov[2, 2] == pytest.approx(cov[0, 0] + cov[1, 1])


def test_errors_grow_with_the_days_of_a_season_and_evenly_within_a_month():
    found = month_errors("2001-10-01", "2002-09-30", Sizes(0.0, 0.3, 0.4), "nh")
    shares = found.shares(np.datetime64("2001-10-01"), ["2001-11-01", "2002-01-15", "2002-05-01", "2002-10-01"])
    of_january = (92 + 31 * (14 / 31) ** 2) / 212
    expected = [0.09 * 31 / 212, 0.09 * of_january, 0.09, 0.09 + 0.16]
    np.testing.assert_allclose(((shares * found.sd) ** 2).sum(axis=1), expected, rtol=1e-12)


def test_sizes_are_those_of_the_fit_else_expected_ones_or_given_and_it_is_said():
    recorded = sizes_as_dict(SIZES)
    assert error_sizes({"fit": {"error_sizes": recorded}}) == (SIZES, "of the fit")
    for unknown in ({"fit": {"rmse": 0.3}}, {"fit": {"error_sizes": sizes_as_dict(MEDIANS)}}):
        assert error_sizes(unknown) == (MEDIANS, "as expected, not estimated")
    assert error_sizes({"fit": {"error_sizes": recorded}}, False) == (NO_MODEL_ERRORS, "none")
    assert error_sizes({}, SIZES) == (SIZES, "given")
    words = "none: 0.00 m w.e. a year of its own, 0.00 of a winter, 0.00 of a summer"
    assert in_words(NO_MODEL_ERRORS.whole, "none") == words


@pytest.mark.parametrize(
    ("params", "wanted", "words"),
    [
        ({"fit": {"error_sizes": {"points": {"own": 0.3}}}}, True, r"fit.error_sizes of glaunti_params.json: expected"),
        ({"fit": {"error_sizes": [0.3]}}, True, r"fit.error_sizes of glaunti_params.json: expected"),
        ({}, ErrorSizes(Sizes(-0.1, 0.2, 0.2)), r"model_errors: expected own, winter and summer"),
        ({}, 0.3, r"model_errors: expected own, winter and summer .*found 0.3"),
    ],
)
def test_sizes_that_are_none_name_glacier_and_entry(params, wanted, words):
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00897: {words}"):
        error_sizes(params, wanted, "RGI60-11.00897")
