"""Glaciers of a region that resemble each other: its mean, each glacier's own, and what others may be like."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.fit.calibration.errors import MEDIANS, ErrorSizes, Sizes, covariance
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN, Posterior, estimate_w, spread_from, to_stored_matrix
from oggm_glaunti.fit.calibration.map_estimate import fit_map, linearised, place, predict
from oggm_glaunti.fit.calibration.priors import Priors, default_priors

from .. import stations

FREE = ("prec_scale", "ddf_snow")
START = stations.start()
PRIORS = default_priors(
    {"prec_scale_log": float(START.ti.prec_scale_log), "ddf_snow_log": float(START.ti.ddf_snow_log)}, FREE
)
N_YEARS = 3


class Region:
    """Glaciers with parameters around a mean, and what was observed on them; all errors are drawn from their model."""

    def __init__(self, n, seed, mean=(0.8, -0.6), w=(0.5, 0.5), sizes=MEDIANS, n_years=N_YEARS):
        random = np.random.default_rng(seed)
        self.mean, self.w = np.array(mean), np.array(w)
        self.mu = PRIORS.mean + PRIORS.sd * self.mean
        self.stored = self.mu + PRIORS.sd * self.w * random.normal(size=(n, 2))
        self.rows = [stations.rows(n_years, sigma=0.1)] * n
        roots = [np.linalg.cholesky(covariance(rows, sizes)) for rows in self.rows]
        # The weather is the same: what glaciers differ in is what they tell.
        place_of = stations.site(n_years)
        self.sites = []
        for numbers, root in zip(self.stored, roots, strict=True):
            (exact,) = predict(place(START, FREE, numbers), [place_of])
            observed = exact + root @ random.normal(size=exact.size)
            self.sites.append(place_of.replace(observed=observed.astype(np.float32)))

    def fit(self, sizes=None, w=None, order=slice(None)):
        return fit_map(START, np.array(self.sites, object)[order].tolist(), self.rows, PRIORS, sizes, w)


@cache
def alps():
    region = Region(8, seed=4)
    return region, region.fit()


def test_regions_and_their_glaciers_are_recovered_within_their_uncertainty():
    off_region, off_own, errors = [], [], []
    for seed in range(12):
        region = Region(8, seed)
        fit = region.fit()
        own = np.array([fit.glacier(g).mean for g in range(8)])
        off_region.append((fit.region.mean - region.mu) / fit.region.sd)
        off_own.append((own - region.stored) / [fit.glacier(g).sd for g in range(8)])
        errors.append([np.abs(found - region.stored).mean() for found in (own, fit.region.mean)])
    for off in (np.abs(off_region), np.abs(off_own)):
        print(f"within 1, 2, 3 standard deviations: {[float((off < n).mean().round(3)) for n in (1, 2, 3)]}")
        assert 0.55 < (off < 1.0).mean() < 0.8
        assert (off < 2.0).mean() > 0.9
        assert (off < 4.0).all()
    # Each glacier is itself, not the region's mean.
    of_own, of_region = np.mean(errors, axis=0)
    assert of_own < 0.75 * of_region


def test_glaciers_that_differ_little_are_found_to_and_lend_each_other_what_they_tell():
    _, different = alps()
    alike = Region(8, seed=4, w=(0.1, 0.1)).fit()
    assert (alike.w < different.w).all()
    assert alike.w[1] < 0.6 * BETWEEN  # melt is what three years tell best
    assert (alike.region.sd < different.region.sd).all()


def test_an_unseen_glacier_has_the_regions_mean_and_its_spread():
    _, fit = alps()
    for factor in (1.0, 2.0, np.array([1.0, 3.0])):
        found = fit.unseen(factor)
        np.testing.assert_array_equal(found.mean, fit.region.mean)
        np.testing.assert_allclose(found.cov, fit.region.cov + np.diag((factor * fit.spread) ** 2))
        np.testing.assert_allclose(found.prior_sd, PRIORS.sd * np.hypot(1.0, factor * fit.w))
    np.testing.assert_allclose(fit.spread, PRIORS.sd * fit.w)
    assert (fit.unseen().sd > [fit.glacier(g).sd for g in range(8)]).all()


def test_the_order_of_glaciers_does_not_matter():
    region, fit = alps()
    order = [3, 0, 7, 1, 6, 2, 5, 4]
    other = region.fit(order=order)
    np.testing.assert_allclose(other.region.mean, fit.region.mean, atol=0.02 * fit.region.sd.min())
    np.testing.assert_allclose(other.region.cov, fit.region.cov, rtol=0.02)
    np.testing.assert_allclose(other.w, fit.w, rtol=0.01)
    for new, old in enumerate(order):
        one, same = other.glacier(new), fit.glacier(old)
        np.testing.assert_allclose(one.mean, same.mean, atol=0.02 * same.sd.min())
        np.testing.assert_allclose(one.cov, same.cov, rtol=0.02, atol=1e-6)


def test_without_a_spread_all_glaciers_are_the_region():
    region, _ = alps()
    fit = region.fit(MEDIANS, np.zeros(2))
    for found in (fit.glacier(0), fit.glacier(7), fit.unseen()):
        np.testing.assert_array_equal(found.mean, fit.region.mean)
        np.testing.assert_array_equal(found.cov, fit.region.cov)


def test_what_is_drawn_of_the_unknowns_becomes_parameters_of_the_region_and_of_each_glacier():
    _, fit = alps()
    found = fit.stored(np.stack([fit.z, np.zeros_like(fit.z)]))
    assert found.shape == (2, 9, 2)
    np.testing.assert_allclose(found[0], [of.mean for of in (fit.region, *map(fit.glacier, range(8)))])
    np.testing.assert_array_equal(found[1], np.tile(PRIORS.mean, (9, 1)))


@pytest.mark.slow
def test_ninety_percent_intervals_hold_that_much_on_glaciers_that_were_fitted_and_on_others():
    """Rows, and means of a glacier's season, of years that no fit has seen."""
    truth = ErrorSizes(Sizes(0.6, 0.3, 0.4))
    held = {(who, what): [] for who in ("seen", "unseen") for what in ("rows", "means")}
    means = np.kron(np.eye(2 * N_YEARS), np.full(4, 0.25))
    for seed in range(20):
        known, random = Region(8, seed, sizes=truth), np.random.default_rng(100 + seed)
        fit = known.fit()
        others = known.mu + PRIORS.sd * known.w * random.normal(size=(8, 2))
        asked, rows = stations.site(N_YEARS, seed=99), stations.rows(N_YEARS, sigma=0.1, few=False)
        root, expected = (np.linalg.cholesky(covariance(rows, truth)), covariance(rows, fit.sizes))
        for g in range(8):
            for who, own, true in (("seen", fit.glacier(g), known.stored[g]), ("unseen", fit.unseen(), others[g])):
                values, jacobian = linearised(place(START, FREE, own.mean), asked, FREE)
                difference = predict(place(START, FREE, true), [asked])[0] + root @ random.normal(size=24) - values
                cov = jacobian @ own.cov @ jacobian.T + expected
                held[who, "rows"].extend(np.abs(difference) < 1.645 * np.sqrt(np.diag(cov)))
                of_means = np.sqrt(np.diag(means @ cov @ means.T))
                held[who, "means"].extend(np.abs(means @ difference) < 1.645 * of_means)
    share = {key: float(np.mean(of)) for key, of in held.items()}
    print(share)
    assert all(0.85 < of < 0.97 for of in share.values()), share


# --- spreads, from numbers ---


def made(own, variance=0.0, w=0.5):
    """A fit in which glaciers have these numbers of their own (G, 1), in units of the prior's standard deviation."""
    own = np.asarray(own, float)
    priors = Priors(("ddf_snow",), np.array([-5.3]), np.array([0.3]))
    z = np.concatenate([[0.0], own.ravel() / w])
    return Posterior(priors, z, np.eye(z.size) * variance / w**2, np.array([w]), MEDIANS, [], 1.0, 5)


def test_outside_of_one_region_the_spread_is_as_expected_and_of_several_as_they_show():
    assert made([0.1, -0.2, 0.3]).factor_between(["11"] * 3, 2.0).tolist() == [2.0]
    regions = [f"{number:02d}" for number in range(40)]
    far = made(np.tile([1.5, -1.5], 20))
    assert far.factor_between(regions, 2.0)[0] == pytest.approx(3.0, rel=0.05)
    # A region counts once, however many glaciers it has.
    twice = made(np.repeat(far.z[1:] * 0.5, 5))
    np.testing.assert_allclose(twice.factor_between(np.repeat(regions, 5), 2.0), far.factor_between(regions, 2.0))
    # Two regions say little: the factor stays near what is expected.
    assert made([0.4, -0.4]).factor_between(["11", "08"], 2.0)[0] == pytest.approx(2.0, rel=0.35)
    # What is not known of glaciers may be a difference.
    unsure, sure = (made([0.4, -0.4], variance=v).factor_between(["11", "08"], 2.0) for v in (1.0, 0.0))
    assert unsure > sure
    assert made(np.zeros(40)).factor_between(regions, 2.0).tolist() == [1.0]


def test_the_spread_of_one_glacier_stays_near_what_is_expected():
    one = made([0.3], w=BETWEEN)
    assert estimate_w(one.z, one.z_cov, one.w)[0] == pytest.approx(BETWEEN, rel=0.2)
    nothing = np.zeros(2), np.eye(2)
    assert estimate_w(*nothing, np.array([BETWEEN]))[0] == pytest.approx(BETWEEN, rel=1e-3)


@given(st.floats(0.0, 50.0), st.integers(1, 300), st.floats(0.2, 2.0))
def test_the_most_probable_spread_is_a_minimum(sum_of_squares, n, median):
    def cost(sd):
        return n * np.log(sd) + 0.5 * sum_of_squares / sd**2 + 0.5 * (np.log(sd / median) / 0.4) ** 2

    found = spread_from(sum_of_squares, n, median)
    if not 1.01 * np.exp(-4.0) < found / median < 0.99 * np.exp(4.0):
        return
    assert cost(found) <= min(cost(0.97 * found), cost(1.03 * found))


def test_a_glaciers_parameters_are_the_regions_and_its_own():
    sd, w = np.array([0.5, 0.3]), np.array([0.6, 0.2])
    z = np.arange(1.0, 9.0)
    np.testing.assert_allclose(to_stored_matrix(3, None, sd, w) @ z, sd * z[:2])
    np.testing.assert_allclose(to_stored_matrix(3, 2, sd, w) @ z, sd * (z[:2] + w * z[6:]))
