"""What rows of observations share, what that makes them worth, and how large errors are estimated to be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from scipy.stats import multivariate_normal

from oggm_glaunti.fit.calibration.errors import (
    HYPERPRIOR,
    LEVELS,
    MEDIANS,
    ErrorSizes,
    Sizes,
    bound,
    checked_sizes,
    covariance,
    effects,
    estimate_sizes,
    log_likelihood,
)

ONE = {
    "annual": ("2018-10-01", "2019-09-30"),
    "winter": ("2018-10-01", "2019-05-01"),
    "summer": ("2019-05-01", "2019-09-30"),
}


def rows_of(*rows, southern=False):
    """Effects of rows (kind, season, first day, last day)."""
    table = pd.DataFrame(rows, columns=["kind", "season", "begin", "end"]).assign(sigma=0.2)
    return effects(table.assign(begin=pd.to_datetime(table["begin"]), end=pd.to_datetime(table["end"])), southern)


def stakes(n_years, n_stakes=1, seasons=("annual",), kind="point", first=2000):
    """Rows of stakes that are read every year."""
    years = range(first, first + n_years)
    dates = {season: [day[5:] for day in days] for season, days in ONE.items()}
    return rows_of(
        *(
            (kind, season, f"{year - 1 + (season == 'summer')}-{dates[season][0]}", f"{year}-{dates[season][1]}")
            for year in years
            for season in seasons
            for _ in range(n_stakes)
        )
    )


# --- what a row holds ---


@pytest.mark.parametrize(
    ("kind", "season", "days", "held"),
    [
        ("point", "annual", ONE["annual"], (1, 1)),
        ("point", "winter", ONE["winter"], (1, 0)),
        ("point", "summer", ONE["summer"], (0, 1)),
        ("glacier-wide", "annual", ONE["annual"], (1, 1)),
        ("point", "free", ("2019-06-20", "2019-08-10"), (1, 1)),
        ("point", "free", ("2017-09-11", "2019-10-04"), (2, 2)),
        ("geodetic", "free", ("2000-01-01", "2020-01-01"), (20, 20)),
        ("geodetic", "free", ("2009-09-01", "2016-08-20"), (7, 7)),
    ],
)
def test_a_row_holds_the_winters_and_summers_of_its_years(kind, season, days, held):
    row = rows_of((kind, season, *days))
    assert (row.winter.sum(), row.summer.sum()) == held
    assert np.isin([*row.winter.ravel(), *row.summer.ravel()], (0, 1)).all()
    assert row.is_whole.tolist() == [kind != "point"]
    own = MEDIANS.whole.own if kind != "point" else MEDIANS.points.own
    years = (np.datetime64(days[1]) - np.datetime64(days[0])).astype(int) / 365.25
    np.testing.assert_allclose(row.own(MEDIANS), 0.2**2 + own**2 * years)


def test_rows_of_a_year_share_its_seasons_whatever_their_dates():
    rows = rows_of(
        ("point", "annual", "2018-09-12", "2019-10-09"),
        ("point", "winter", "2018-10-30", "2019-04-12"),
        ("point", "summer", "2019-04-12", "2019-10-20"),
        ("point", "annual", "2019-10-09", "2020-09-21"),
        ("geodetic", "free", "2018-10-01", "2020-09-30"),
    )
    sizes = ErrorSizes(Sizes(0.5, 0.3, 0.4), Sizes(0.2, 0.1, 0.2))
    winter, summer = 0.3**2 + LEVELS[0] ** 2, 0.4**2 + LEVELS[1] ** 2
    found = covariance(rows, sizes)
    np.testing.assert_allclose([found[0, 1], found[0, 2], found[1, 2]], [winter, summer, 0.0], atol=1e-12)
    # Of another year there is but the glacier's level.
    np.testing.assert_allclose(found[0, 3], LEVELS[0] ** 2 + LEVELS[1] ** 2)
    np.testing.assert_allclose(found[1, 3], LEVELS[0] ** 2)
    # Two years of a glacier-wide balance share one with a stake of one year, and twice the level.
    np.testing.assert_allclose(found[4, 0], 0.3 * 0.1 + 0.4 * 0.2 + 2 * (LEVELS[0] ** 2 + LEVELS[1] ** 2))
    whole = 2 * (0.1**2 + 0.2**2) + 4 * (LEVELS[0] ** 2 + LEVELS[1] ** 2)
    np.testing.assert_allclose(found[4, 4], 0.2**2 + 0.2**2 * rows.years[4] + whole)


def test_southern_years_begin_in_april():
    days = ("2018-04-01", "2018-10-01", "2019-03-31")
    seasons = [("point", "winter", *days[:2]), ("point", "summer", *days[1:]), ("point", "annual", days[0], days[2])]
    south, north = (rows_of(*seasons, southern=southern) for southern in (True, False))
    assert south.winter.tolist() == [[1], [0], [1]]
    assert south.summer.tolist() == [[0], [1], [1]]
    assert north.winter.shape[1] == 2


def test_the_level_of_a_glacier_is_uncertain_until_three_years_tell_it():
    two, three = stakes(2), stakes(3)
    assert (two.few, three.few) == (True, False)
    assert covariance(two, MEDIANS)[0, 1] == pytest.approx(LEVELS[0] ** 2 + LEVELS[1] ** 2)
    assert covariance(three, MEDIANS)[0, 1] == 0.0
    assert not rows_of(("geodetic", "free", "2000-01-01", "2020-01-01")).few


# --- what they are worth ---

MANY = st.lists(
    st.tuples(
        st.sampled_from(["point", "glacier-wide", "geodetic"]),
        st.sampled_from(["annual", "winter", "summer", "free"]),
        st.integers(0, 2500),
        st.integers(40, 2500),
    ),
    min_size=1,
    max_size=12,
)
SIZE = st.floats(0.0, 2.0)
SIZES = st.builds(ErrorSizes, *[st.builds(Sizes, st.floats(0.01, 2.0), SIZE, SIZE)] * 2)


def any_rows(drawn):
    first = np.datetime64("2000-10-01")
    return rows_of(*((kind, season, first + begin, first + begin + n) for kind, season, begin, n in drawn))


@given(MANY, SIZES, st.lists(st.floats(-5.0, 5.0), min_size=12, max_size=12))
def test_rows_taken_as_independent_are_in_no_direction_surer_than_they_are(drawn, sizes, difference):
    rows = any_rows(drawn)
    full, independent = covariance(rows, sizes), bound(rows, sizes)
    surplus = np.linalg.eigvalsh(np.diag(independent) - full)
    assert surplus.min() > -1e-9 * independent.max()
    d = np.array(difference)[: len(full)]
    # As parameters do, other unknowns add to what rows share.
    others = np.stack([d, np.arange(len(d)) / 6.0], axis=1)
    with_others = multivariate_normal(np.zeros(len(d)), full + others @ others.T, allow_singular=True).logpdf(d)
    found = log_likelihood(d, rows, sizes, others) - 0.5 * len(d) * np.log(2 * np.pi)
    assert found == pytest.approx(with_others, rel=1e-5, abs=1e-5)
    dense = multivariate_normal(np.zeros(len(full)), full, allow_singular=True).logpdf(d)
    assert log_likelihood(d, rows, sizes) - 0.5 * len(full) * np.log(2 * np.pi) == pytest.approx(
        dense, rel=1e-5, abs=1e-5
    )


def test_a_row_of_its_own_is_worth_what_its_error_says_and_stakes_of_a_year_count_as_little_more_than_one():
    one, many = stakes(1), stakes(1, n_stakes=20)
    np.testing.assert_allclose(bound(one, MEDIANS), covariance(one, MEDIANS)[0])
    shared = 0.30**2 + 0.45**2 + LEVELS[0] ** 2 + LEVELS[1] ** 2
    np.testing.assert_allclose(bound(many, MEDIANS), many.own(MEDIANS) + 20 * shared)
    # Twenty stakes of three years: each is one of twenty of its winter and its summer.
    np.testing.assert_allclose(
        bound(stakes(3, 20), MEDIANS)[0], stakes(3, 20).own(MEDIANS)[0] + 20 * (0.3**2 + 0.45**2)
    )


# --- how large errors are ---


def made_up(rows, sizes, seed):
    root = np.linalg.cholesky(covariance(rows, sizes))
    return root @ np.random.default_rng(seed).normal(size=len(root))


def test_sizes_of_errors_are_found_from_what_rows_share():
    truth = ErrorSizes(Sizes(1.0, 0.15, 0.80), Sizes(0.20, 0.50, 0.20))
    points = [stakes(15, 8, ("winter", "summer")) for _ in range(5)]
    whole = [stakes(15, 3, ("winter", "summer"), "glacier-wide") for _ in range(5)]
    rows = [*points, *whole]
    found = estimate_sizes([made_up(of, truth, seed) for seed, of in enumerate(rows)], rows)
    np.testing.assert_allclose(found, truth, rtol=0.25)
    # What is expected a priori was far away.
    assert (np.abs(np.log(np.array(MEDIANS) / truth)).max(axis=1) > 0.6).all()


def test_without_rows_of_a_sort_its_sizes_are_what_is_expected_and_one_row_changes_little():
    rows = stakes(20, 8)
    found = estimate_sizes([made_up(rows, ErrorSizes(Sizes(0.2, 0.1, 0.1)), 0)], [rows])
    assert found.whole == MEDIANS.whole
    assert found.points.own < 0.5 * MEDIANS.points.own
    one = estimate_sizes([np.array([0.3])], [stakes(1)])
    np.testing.assert_allclose(one, MEDIANS, rtol=0.1)


def test_ninety_percent_intervals_from_estimated_sizes_hold_that_much():
    known, asked = stakes(8, 5), stakes(5, 5, first=2010)
    means = np.kron(np.eye(5), np.full(5, 0.2))
    held_rows, held_years = [], []
    for seed in range(60):
        factors = np.exp(HYPERPRIOR[False] * np.random.default_rng(seed).normal(size=3))
        truth = ErrorSizes(Sizes(*(factors * MEDIANS.points).tolist()))
        sizes = estimate_sizes([made_up(known, truth, 2000 + seed)], [known])
        error, expected = made_up(asked, truth, 1000 + seed), covariance(asked, sizes)
        held_rows.extend(np.abs(error) < 1.645 * np.sqrt(np.diag(expected)))
        held_years.extend(np.abs(means @ error) < 1.645 * np.sqrt(np.diag(means @ expected @ means.T)))
    print(f"rows {np.mean(held_rows):.3f}, means of years {np.mean(held_years):.3f}")
    assert 0.85 < np.mean(held_rows) < 0.97
    assert 0.85 < np.mean(held_years) < 0.97


@pytest.mark.parametrize(
    "sizes",
    [
        ErrorSizes(Sizes(-0.1, 0.3, 0.3)),
        ErrorSizes(whole=Sizes(0.1, np.nan, 0.3)),
        ErrorSizes(Sizes(0.1, np.inf, 0.3)),
        ((0.1, 0.2), (0.1, 0.2)),
        (0.7, 0.3, 0.45),
        0.3,
    ],
)
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(ValueError, match=r"errors: expected ErrorSizes of 0 m w\.e\. or more, found"):
        checked_sizes(sizes)


def test_plain_tuples_become_sizes():
    assert checked_sizes(((1, 0, 0.5), (0.4, 0.2, 0.1))) == ErrorSizes(Sizes(1.0, 0.0, 0.5), Sizes(0.4, 0.2, 0.1))
