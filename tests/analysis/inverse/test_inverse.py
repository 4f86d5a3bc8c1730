"""Shifts and series of forcing that give a balance, against finite differences, scipy and closed forms."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import optimize

from oggm_glaunti.analysis.inverse import newton, series as inverse_series, shifts as inverse
from oggm_glaunti.analysis.inverse.newton import SearchOutcome, minima, roots
from oggm_glaunti.analysis.inverse.series import SeriesProblem, carried, cost_and_gradient, solve_series
from oggm_glaunti.analysis.inverse.shifts import LIMITS, balance_and_slope, sensitivity, solve_shift, solve_shifts
from oggm_glaunti.analysis.trajectory import Change, annual, on_days, stack_trajectories
from tests.core.worlds import x64

from .. import worlds

annual = jax.jit(annual)
balance_and_slope = jax.jit(balance_and_slope)
HALF = np.full(2, 0.5)


def of_shift(t, shift):
    """Mean balance of both years under a shift (2,)."""
    return float(np.mean(annual(worlds.tuned(), t, Change(*map(np.asarray, shift)))))


def finite_difference(function, x, step):
    """Central, of fourth order."""
    near, far = ((function(x + k * step) - function(x - k * step)) / (2.0 * k * step) for k in (1, 2))
    return (4.0 * near - far) / 3.0


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
def test_slopes_are_central_differences(variant):
    with x64():
        t, at = worlds.trajectory(realisations=2, periods=3), np.array([0.7, -0.2])

        def balance(shift):
            return balance_and_slope(worlds.tuned(variant=variant), t, Change(*map(np.asarray, shift)), HALF)

        for found, axis in zip(balance(at)[1], np.eye(2), strict=True):
            expected = finite_difference(lambda d, axis=axis: float(balance(at + d * axis)[0]), 0.0, 1e-3)
            assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("control", "column", "target"), [("dT", 0, 0.4), ("dT", 0, -3.0), ("dP", 1, 0.1)])
def test_a_root_is_that_of_bisection(control, column, target):
    with x64():
        t = worlds.trajectory(warmer=2.0)
        found = solve_shift(worlds.tuned(), t, target, HALF, 0.1, control)
        root = optimize.brentq(
            lambda x: of_shift(t, x * np.eye(2)[column]) - target, -LIMITS[control] / 2, LIMITS[control] / 2, xtol=1e-12
        )
        assert found.outcome is SearchOutcome.CONVERGED
        assert found.shift[1 - column] == 0.0
        assert found.shift[column] == pytest.approx(root, abs=1e-4)
        assert of_shift(t, found.shift) == pytest.approx(target, abs=1e-5)
        np.testing.assert_allclose(found.annual, annual(worlds.tuned(), t, Change(*found.shift)), atol=1e-12)
        np.testing.assert_allclose(found.annual_before, annual(worlds.tuned(), t), atol=1e-12)
        assert np.sqrt(found.cov[column, column]) == pytest.approx(0.1 / abs(found.slope[0, column]))


@pytest.mark.slow
@settings(max_examples=8)
@given(warming=st.floats(-4.0, 4.0))
def test_a_known_warming_is_found_again(warming):
    with x64():
        t = worlds.trajectory()
        target = float(np.mean(annual(worlds.tuned(), t.replace(temp=t.temp + warming))))
        assert solve_shift(worlds.tuned(), t, target, HALF, 0.1).shift[0] == pytest.approx(warming, abs=1e-3)


def test_single_precision_reaches_the_target_as_well():
    t = worlds.trajectory(dtype="float32")
    found = solve_shift(worlds.tuned("float32"), t, 0.3, HALF, 0.1)
    assert found.outcome is SearchOutcome.CONVERGED
    with x64():
        assert of_shift(worlds.trajectory(), found.shift) == pytest.approx(0.3, abs=5e-5)


def test_sigma_1_and_prior_100_is_the_loss_of_the_paper():
    with x64():
        t = worlds.trajectory(warmer=2.0)
        found = solve_shift(worlds.tuned(), t, 0.5, HALF, 1.0, prior=100.0)
        loss = optimize.minimize_scalar(
            lambda x: (of_shift(t, (x, 0.0)) - 0.5) ** 2 + 1e-4 * x**2, (-8.0, 0.0), tol=1e-10
        )
        assert found.outcome is SearchOutcome.CONVERGED
        assert found.shift[0] == pytest.approx(loss.x, abs=1e-3)
        assert found.shift[0] > solve_shift(worlds.tuned(), t, 0.5, HALF, 1.0).shift[0] + 1e-4


def test_both_are_the_minimum_of_the_sum_of_squares():
    with x64():
        t, sigma, prior, target = worlds.trajectory(warmer=2.0), 0.2, np.array([1.0, 0.3]), 0.3
        found = solve_shift(worlds.tuned(), t, target, HALF, sigma, "both", prior)

        def cost(x):
            return ((of_shift(t, x) - target) / sigma) ** 2 + np.sum((x / prior) ** 2)

        best = optimize.minimize(cost, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12})
        np.testing.assert_allclose(found.shift, best.x, atol=1e-3)
        # The direction to which the balance is blind keeps the prior's range.
        blind = np.array([found.slope[0, 1], -found.slope[0, 0]])
        blind /= np.linalg.norm(blind / prior)
        assert (blind / prior**2) @ found.cov @ (blind / prior**2) == pytest.approx(1.0)


def test_one_shift_for_a_series_of_years_is_the_least_squares_one():
    with x64():
        t, target, sigma = worlds.trajectory(), np.array([0.4, -0.3]), np.array([0.1, 0.3])
        found = solve_shift(worlds.tuned(), t, target, np.eye(2), sigma)
        best = optimize.least_squares(
            lambda x: (np.asarray(annual(worlds.tuned(), t, Change(x[0], np.zeros(())))) - target) / sigma, [0.0]
        )
        assert found.shift[0] == pytest.approx(best.x[0], abs=1e-3)


def test_single_precision_finds_a_minimum_far_from_its_targets():
    target = np.array([2.0, -3.0])
    single = solve_shift(worlds.tuned("float32"), worlds.trajectory(dtype="float32"), target, np.eye(2), 0.02)
    assert single.outcome is SearchOutcome.CONVERGED
    with x64():
        double = solve_shift(worlds.tuned(), worlds.trajectory(), target, np.eye(2), 0.02)
    assert single.shift[0] == pytest.approx(double.shift[0], abs=1e-3)


@pytest.mark.parametrize(("sigma", "prior"), [(0.1, 2.0), (0.3, 0.5)])
def test_the_posterior_is_that_of_a_grid(sigma, prior):
    with x64():
        t, target = worlds.trajectory(), 0.5
        found = solve_shift(worlds.tuned(), t, target, HALF, sigma, prior=prior)
        sd = np.sqrt(found.cov[0, 0])
        x = found.shift[0] + sd * np.linspace(-5.0, 5.0, 81)
        cost = np.array([((of_shift(t, (i, 0.0)) - target) / sigma) ** 2 + (i / prior) ** 2 for i in x])
        density = np.exp(-0.5 * (cost - cost.min()))
        mean = np.average(x, weights=density)
        assert np.sqrt(np.average((x - mean) ** 2, weights=density)) == pytest.approx(sd, rel=0.05)


@pytest.mark.slow
def test_a_batch_is_each_glacier_by_itself():
    with x64():
        glaciers = [worlds.trajectory(seed=i, heights=heights, warmer=i) for i, heights in enumerate((3, 3, 2))]
        tuned = [worlds.tuned(temp_bias=0.2 * i) for i in range(3)]
        targets = np.array([[0.2], [1e3], [-1.0]])
        together = jax.tree.map(lambda *leaves: np.stack(leaves), *tuned)
        weights, sigma = np.tile(HALF, (3, 1, 1)), np.full((3, 1), 0.1)
        for extra in ({}, {"control": "both", "prior": (1.0, 0.2)}):
            found = solve_shifts(together, stack_trajectories(glaciers), targets, weights, sigma, **extra)
            for i, (glacier, of_one) in enumerate(zip(glaciers, tuned, strict=True)):
                alone = solve_shift(of_one, glacier, targets[i], HALF, 0.1, **extra)
                np.testing.assert_allclose(found.shift[i], alone.shift, rtol=1e-6, atol=1e-8)
                np.testing.assert_allclose(found.annual[i], alone.annual, rtol=1e-6, atol=1e-8)
                assert found.outcome[i] is alone.outcome
            if not extra:
                assert [o.name for o in found.outcome] == ["CONVERGED", "NOT_REACHABLE", "CONVERGED"]


@pytest.mark.slow
def test_blocks_of_a_batch_change_nothing(monkeypatch):
    with x64():
        t = stack_trajectories([worlds.trajectory(seed=i) for i in range(5)])
        every = jax.tree.map(lambda leaf: np.stack([leaf] * 5), worlds.tuned())
        given = (np.zeros((5, 1)), np.tile(HALF, (5, 1, 1)), np.full((5, 1), 0.1))
        together = solve_shifts(every, t, *given)
        monkeypatch.setattr(inverse, "CACHED_COLUMNS", 7)  # two glaciers of three heights at a time
        inverse.annual_and_slope.clear_cache()
        np.testing.assert_allclose(solve_shifts(every, t, *given).shift, together.shift, rtol=1e-9)


def test_no_factor_on_nothing_balances_a_melting_glacier():
    with x64():
        t = worlds.trajectory()
        found = solve_shift(worlds.tuned(), t.replace(prcp=0.0 * t.prcp), 0.0, HALF, 0.1, "dP")
        assert found.outcome is SearchOutcome.NOT_REACHABLE
        assert found.shift[1] == pytest.approx(np.log(20.0))
        assert found.balance[0] < -0.01


def test_missing_weather_is_told_from_an_unreachable_target():
    with x64():
        t = worlds.trajectory()
        broken = t.replace(temp=np.where(np.arange(t.temp.size) == 500, np.nan, t.temp))
        assert solve_shift(worlds.tuned(), broken, 0.0, HALF, 0.1).outcome is SearchOutcome.NOT_FINITE
        assert solve_shift(worlds.tuned(), broken, 0.0, HALF, 0.1, prior=1.0).outcome is SearchOutcome.NOT_FINITE


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"control": "dX"}, "control: expected one of .*found 'dX'"),
        ({"control": "both"}, "'both' has two unknowns"),
        ({"control": "both", "prior": 1.0}, r"expected 2 number\(s\) above 0"),
        ({"prior": -1.0}, r"prior: expected 1 number\(s\) above 0 for control 'dT', found -1.0"),
        ({"sigma": 0.0}, "sigma: expected numbers above 0"),
    ],
)
def test_impossible_arguments_are_named(given, words):
    with pytest.raises(ValueError, match=words):
        solve_shift(worlds.tuned(), worlds.trajectory(), **{"target": 0.0, "weights": HALF, "sigma": 0.1, **given})


# --- root and minimum by themselves ---


@settings(max_examples=30)
@given(target=st.floats(-3.0, 3.0), steep=st.floats(0.01, 5.0), bend=st.floats(0.0, 20.0), rising=st.booleans())
def test_a_root_is_found_however_bent_the_function(target, steep, bend, rising):
    sign = 1.0 if rising else -1.0

    def function(x):
        return sign * (steep * x + np.arctan(bend * (x - 1.0))), sign * (steep + bend / (1 + (bend * (x - 1.0)) ** 2))

    x, (outcome,), _ = roots(function, np.array([target]), 10.0, rising)
    ends = sorted(function(np.array([-10.0, 10.0]))[0])
    if ends[0] < target < ends[1]:
        assert outcome is SearchOutcome.CONVERGED
        assert function(x)[0][0] == pytest.approx(target, abs=1e-5)
    else:
        assert outcome is SearchOutcome.NOT_REACHABLE


def test_steps_that_do_not_help_are_damped():
    # Undamped Gauss-Newton diverges from 0 on this one.
    x, (outcome,), _ = minima(
        lambda x: (np.arctan(4.0 * (x - 2.0)), (4.0 / (1.0 + 16.0 * (x - 2.0) ** 2))[..., None]),
        *np.array([[[0.0]], [[1.0]]]),
        np.ones(1),
        np.zeros(1),
    )
    assert outcome is SearchOutcome.CONVERGED
    assert x.item() == pytest.approx(2.0, abs=1e-4)


def test_the_number_of_iterations_is_bounded():
    calls = []

    def never(x):
        calls.append(x)
        return np.where(x < 0.5, -1.0, 1.0), np.zeros_like(x)

    assert roots(never, np.zeros(1), 10.0, rising=True)[1] == [SearchOutcome.NO_CONVERGENCE]
    assert len(calls) == newton.NEWTON_ITERATIONS + 1


# --- sensitivity ---


def months_of(t):
    return (np.arange(t.temp.shape[1]) % 365 * 12 // 365).astype(np.int32)


@pytest.mark.slow
def test_monthly_sensitivities_are_central_differences_and_add_up():
    with x64():
        t = worlds.trajectory()
        months = 12 * (np.arange(t.temp.shape[1]) // 365).astype(np.int32) + months_of(t)
        found = sensitivity(worlds.tuned(), t, months, slots=36)
        for month in (10, 20, 30):
            here = 1.0 * (months == month)
            for i, field in enumerate(found):

                def shifted(d, here=here, i=i):
                    return annual(worlds.tuned(), t, Change(*(d * here * (i == k) for k in range(2))))

                expected = finite_difference(shifted, 0.0, 1e-3)
                np.testing.assert_allclose(field[:, month], expected, rtol=1e-5, atol=1e-9)
        _, whole = balance_and_slope(worlds.tuned(), t, Change(np.zeros(()), np.zeros(())), HALF)
        for by_month, total in zip(found, whole, strict=True):
            assert float(by_month.mean(axis=0).sum()) == pytest.approx(float(total), rel=1e-10)


def test_days_of_no_part_are_left_as_they_are():
    assert on_days(np.array([2.0, 3.0], np.float32), np.array([-1, 1, 0, -1])).tolist() == [0.0, 3.0, 2.0, 0.0]


# --- series ---


def series(t, slot, length=0.0, sd=(1.0, 0.3), target=(0.3, -0.5), sigma=0.1):
    times = np.array([np.flatnonzero(slot == k)[0] for k in range(slot.max() + 1)], float)
    return SeriesProblem(
        worlds.tuned(),
        t,
        slot,
        carried(times, length),
        Change(*map(np.asarray, sd)),
        np.eye(len(target), t.years.size),
        np.asarray(target),
        np.full(len(target), sigma),
    ), times


def monthly(t):
    """Twelve parts of each year that counts."""
    return np.where(t.period < 0, -1, 12 * t.period + months_of(t)).astype(np.int32)


def daily(t):
    return np.where(t.period < 0, -1, np.arange(t.temp.shape[1]) - 365).astype(np.int32)


@pytest.mark.slow
@pytest.mark.parametrize(("resolution", "length"), [(monthly, 60.0), (daily, 5.0)])
def test_gradients_of_a_series_are_central_differences(resolution, length):
    with x64():
        t = worlds.trajectory()
        problem, times = series(t, resolution(t), length)
        z = np.random.default_rng(3).normal(0.0, 0.5, (2, times.size))
        _, gradient = cost_and_gradient(z, problem)
        for which in ((0, 2), (0, times.size // 2), (1, 5), (1, times.size - 4)):

            def cost(d, which=which):
                moved = z.copy()
                moved[which] += d
                return float(cost_and_gradient(moved, problem)[0])

            assert float(gradient[which]) == pytest.approx(finite_difference(cost, 0.0, 1e-3), rel=1e-5, abs=1e-9)


def test_a_series_has_the_covariance_of_its_prior():
    with x64():
        t = worlds.trajectory()
        problem, times = series(t, monthly(t), 50.0, sd=(2.0, 0.0))
        each = np.eye(times.size)
        factor = inverse_series.coloured_rows(np.stack([each, 0.0 * each], axis=1), problem).temp
        expected = 4.0 * np.exp(-np.abs(times[:, None] - times) / 50.0)
        np.testing.assert_allclose(factor.T @ factor, expected, atol=1e-12)


@pytest.mark.slow
def test_small_deviations_are_those_of_the_linear_update():
    with x64():
        t = worlds.trajectory()
        slot = monthly(t)
        before = np.asarray(annual(worlds.tuned(), t))
        target = before + np.array([0.002, -0.001])
        problem, times = series(t, slot, 40.0, sd=(0.01, 0.002), target=target, sigma=0.002)
        found = solve_series(problem)
        assert found.outcome is SearchOutcome.CONVERGED
        derivatives = sensitivity(worlds.tuned(), t, slot, slots=36)  # forward mode; the series' are by reverse mode
        jacobian = np.concatenate([field[:, : times.size] for field in derivatives], axis=1)
        correlation = np.exp(-np.abs(times[:, None] - times) / 40.0)
        prior = np.kron(np.diag([0.01**2, 0.002**2]), correlation)
        gain = prior @ jacobian.T @ np.linalg.inv(jacobian @ prior @ jacobian.T + 0.002**2 * np.eye(2))
        cov = prior - gain @ jacobian @ prior
        np.testing.assert_allclose(np.concatenate(found.change), gain @ (target - before), atol=2e-3 * 0.002)
        np.testing.assert_allclose(np.concatenate(found.sd), np.sqrt(np.diag(cov)), rtol=1e-3)
        np.testing.assert_allclose(found.annual_sd, np.sqrt(np.diag(jacobian @ cov @ jacobian.T)), rtol=1e-3)
        np.testing.assert_allclose(found.annual_before_sd, np.sqrt(np.diag(jacobian @ prior @ jacobian.T)), rtol=1e-6)
        np.testing.assert_allclose(found.annual_before, before, atol=1e-12)


@pytest.mark.slow
def test_large_deviations_have_no_gradient_left_and_go_towards_the_target():
    with x64():
        t = worlds.trajectory()
        problem, times = series(t, daily(t), 7.0, target=(1.5, -1.5), sigma=0.05)
        found = solve_series(problem)
        assert found.outcome is SearchOutcome.CONVERGED
        assert found.gradient <= inverse_series.GRADIENT_TOLERANCE
        by_day = Change(*(np.asarray(on_days(field, problem.slot)) for field in found.change))
        np.testing.assert_allclose(found.annual, annual(worlds.tuned(), t, by_day), atol=1e-12)
        assert np.abs(found.annual - problem.target).max() < 0.1 < np.abs(found.annual_before - problem.target).min()
        assert (found.annual_sd < found.annual_before_sd).all()
        assert all((sd <= prior + 1e-12).all() for sd, prior in zip(found.sd, problem.sd, strict=True))
        assert times.size == 730


@pytest.mark.slow
def test_a_series_that_is_held_stays():
    with x64():
        t = worlds.trajectory()
        found = solve_series(series(t, monthly(t), sd=(0.0, 0.3))[0])
        assert (found.change.temp == 0.0).all()
        assert (found.sd.temp == 0.0).all()
        assert np.abs(found.change.log_prcp).max() > 0.01


def test_too_few_iterations_are_told():
    with x64():
        t = worlds.trajectory()
        assert solve_series(series(t, monthly(t))[0], max_iterations=1).outcome is SearchOutcome.NO_CONVERGENCE


def test_impossible_series_are_named():
    t = worlds.trajectory()
    with pytest.raises(ValueError, match="correlation length: expected a finite number of 0 or more, found -1"):
        series(t, monthly(t), length=-1.0)
    with pytest.raises(ValueError, match="prior: expected standard deviations of 0 or more"):
        solve_series(series(t, monthly(t), sd=(0.0, 0.0))[0])
    with pytest.raises(ValueError, match="sigma: expected numbers above 0"):
        solve_series(series(t, monthly(t), sigma=0.0)[0])
