"""Where to measure next, against observations that are really made, ensembles, fits, and finite differences."""

from __future__ import annotations

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.analysis.measure_next import survey as measure_next
from oggm_glaunti.analysis.measure_next.period_jacobians import (
    Jacobians,
    balance_jacobians,
    period_balances,
    periods_between,
)
from oggm_glaunti.analysis.measure_next.places import Campaign
from oggm_glaunti.analysis.measure_next.survey import SMB, ModelErrors, Uncertainty, survey, wanted
from oggm_glaunti.analysis.measure_next.tasks import (
    WhereToMeasure,
    campaign_model_errors,
    parameter_root,
    season_days,
    where_to_measure,
)
from oggm_glaunti.analysis.trajectory import Change, annual, run, stack_trajectories
from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks
from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors
from oggm_glaunti.analysis.uncertainty.propagation import forcing_variance, moved, propagate
from oggm_glaunti.coupling.ground.features import read_features
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.fit.calibration.errors import Effects, ErrorSizes, Sizes
from oggm_glaunti.fit.calibration.intervals import NO_MODEL_ERRORS
from oggm_glaunti.fit.calibration.map_estimate import fit_map, place
from oggm_glaunti.fit.calibration.posterior import spread_of
from oggm_glaunti.fit.calibration.predictions import Site
from oggm_glaunti.fit.calibration.priors import STORED, default_priors
from oggm_glaunti.graphics.measure_next import plot_where_to_measure
from tests.core.worlds import x64

from .. import worlds

NAMES = ("prec_scale", "ddf_snow", "temp_gradient")
TARGETS = (SMB, "ddf_snow", "temp_gradient")
ROOT = np.array([[0.5, 0.0, 0.0], [0.1, 0.2, 0.0], [0.0, 1e-4, 5e-4]])
SIGMA_TEMP, SIGMA_LOG_PRCP = 1.5889, 0.964
A = {"mb_kwargs": {"model": "A"}}
# Days from 1 October of the first year, after a year for the snow: annual, winter, summer, and the mean of both years.
DAYS = ((365, 730), (365, 577), (577, 730), (365, 1095))
SCALE = (1.0, 1.0, 1.0, 0.5)
# Compiled once for all tests, which is why they share one world and its shapes.
jacobians_of = jax.jit(balance_jacobians, static_argnames="names")
balances_of = jax.jit(period_balances)
best_in_turn = jax.jit(measure_next.best_in_turn, static_argnames="n")
variance_removed = jax.jit(measure_next.variance_removed)


def world(seed=0, dtype="float64", **kwargs):
    """Two realisations of the weather, corrections that change from year to year."""
    return worlds.trajectory(realisations=2, periods=3, seed=seed, dtype=dtype, **kwargs)


def uncertainty(root=ROOT, sigma_temp=SIGMA_TEMP, sigma_log_prcp=SIGMA_LOG_PRCP, correlation_days=0.0, dtype="float64"):
    errors = (np.asarray(number, dtype) for number in (sigma_temp, sigma_log_prcp, correlation_days))
    return Uncertainty(np.asarray(root, dtype), WeatherErrors(*errors))


def periods(t, days=DAYS, scale=SCALE):
    return periods_between(weekly_blocks(t.period), days, scale)


def asked(t, tuned=None, unsure=None, sigma=0.2, apart=0.0, days=DAYS, scale=SCALE):
    """The survey of a world, each season measured equally well."""
    dtype = t.temp.dtype
    tuned, unsure = tuned or worlds.tuned(dtype), unsure or uncertainty(dtype=dtype)
    sigmas, allowed, apart = np.full(3, sigma, dtype), np.ones(t.area.size, bool), np.asarray(apart, dtype)
    found = survey(tuned, t, periods(t, days, scale), unsure, sigmas, allowed, apart, NAMES, TARGETS, 3)
    return jax.tree.map(np.asarray, found)


def by_information(prior_cov, rows, sigmas):
    """Covariance of all inputs after some observations: what they tell is added up and turned around."""
    told = np.sum([np.outer(row, row) / sigma**2 for row, sigma in zip(rows, sigmas, strict=True)], axis=0)
    return np.linalg.inv(np.linalg.inv(prior_cov) + told)


# --- the formula -----------------------------------------------------------------------------------------------------


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), sigma=st.floats(0.05, 3.0))
def test_the_best_in_turn_are_those_of_really_adding_each_observation(seed, sigma):
    rng = np.random.default_rng(seed)
    root, rows = rng.normal(size=(7, 7)), rng.normal(size=(9, 7))
    target, candidates, sigmas = rows[0], rows[1:], sigma * rng.uniform(0.5, 2.0, 8)
    with x64():
        args = target @ root, candidates @ root, sigmas
        alone = np.asarray(variance_removed(*args))
        found = jax.tree.map(np.asarray, best_in_turn(*args, np.ones(8, bool), np.zeros((8, 8), bool), n=3))
    cov, made, before = root @ root.T, [], target @ root @ root.T @ target
    for rank in range(3):
        with_one_more = [by_information(cov, candidates[[*made, i]], sigmas[[*made, i]]) for i in range(8)]
        left = np.array([target @ after @ target for after in with_one_more])
        if rank == 0:
            np.testing.assert_allclose(alone, before - left, rtol=1e-6, atol=1e-8 * before)
            assert found.candidate[0] == np.argmax(alone)
        assert found.candidate[rank] == np.argmin(left)
        np.testing.assert_allclose(found.before[rank], before, rtol=1e-6)
        np.testing.assert_allclose(found.after[rank], left.min(), rtol=1e-6)
        before = left.min()
        made.append(int(np.argmin(left)))


def in_turn(allowed, near):
    with x64():
        candidates = np.array([[2.0], [1.9], [1.0]])
        found = best_in_turn(np.array([1.0]), candidates, np.ones(3), np.array(allowed), near, n=4)
        return jax.tree.map(np.asarray, found)


def test_candidates_near_the_chosen_ones_are_left_out_and_none_is_invented_when_all_are():
    near = np.eye(3, dtype=bool)
    near[0, 1] = near[1, 0] = True
    found = in_turn([True] * 3, near)
    assert found.candidate.tolist() == [0, 2, -1, -1]
    np.testing.assert_allclose(found.after, [1 / 5, 1 / 6, 1 / 6, 1 / 6])


def test_a_measurement_that_is_not_allowed_is_not_chosen():
    assert in_turn([False, False, True], np.eye(3, dtype=bool)).candidate.tolist() == [2, -1, -1, -1]


# --- derivatives -----------------------------------------------------------------------------------------------------


def test_periods_that_cut_a_week_leave_its_error_whole():
    weeks = weekly_blocks(np.zeros(30, int))
    cut = periods_between(weeks, [(0, 30), (3, 12)])
    assert cut.pieces.starts.tolist() == [0, 3, 7, 12, 14, 21]
    assert cut.pieces.stops.tolist() == [3, 7, 12, 14, 21, 30]
    assert cut.week.tolist() == [0, 0, 1, 1, 2, 3]
    assert (cut.first.tolist(), cut.stop.tolist()) == ([0, 1], [6, 3])
    for wrong in ((5, 5), (8, 2), (-1, 4), (20, 31)):
        with pytest.raises(ValueError, match=r"expected days within \(0, 30\)"):
            periods_between(weeks, [wrong])


def with_errors(tuned, t, p, by, errors):
    """Balances of the periods with parameters moved and the weather of every week: days of `run`, summed by hand."""
    of_week = jnp.where(p.weeks.of_day < 0, 0.0, jnp.asarray(errors)[:, p.weeks.of_day])
    smb = run(moved(tuned, tuple(STORED.get(n, n) for n in NAMES), by), t, Change(*of_week))
    return jnp.stack([scale * smb[a:b].sum(axis=0) for (a, b), scale in zip(DAYS, SCALE, strict=True)])


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
def test_derivatives_are_those_of_central_differences(variant):
    with x64():
        t, tuned = world(), worlds.tuned(variant=variant)
        p = periods(t)
        found = jacobians_of(tuned, t, p, NAMES)
        model = jax.jit(lambda by, errors: with_errors(tuned, t, p, by, errors))
        zero, none = np.zeros(len(NAMES)), np.zeros((2, p.weeks.n))
        np.testing.assert_allclose(balances_of(tuned, t, p), model(zero, none), atol=1e-11)

        def central(by, errors, step):
            return (model(step * by, step * errors) - model(-step * by, -step * errors)) / (2.0 * step)

        for i, direction in enumerate(np.eye(len(NAMES)) * np.array([1.0, 1.0, 0.01])):
            expected = central(direction, none, 1e-4) / direction[i]
            np.testing.assert_allclose(found.params[..., i], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
        # The first week, one in winter, that which 1 May cuts, one in summer, one of the second year.
        for week in (0, 20, 30, 42, 70):
            for row, field in enumerate((found.temp, found.log_prcp)):
                errors = np.zeros_like(none)
                errors[row, week] = 1.0
                expected = central(zero, errors, 1e-4)
                np.testing.assert_allclose(field[..., week], expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
def test_seasons_add_up_to_the_year_and_years_to_their_mean():
    with x64():
        t, tuned = world(), worlds.tuned()
        year, winter, summer, both = balances_of(tuned, t, periods(t))
        np.testing.assert_allclose(winter + summer, year, atol=1e-12)
        np.testing.assert_allclose(both @ t.area, jax.jit(annual)(tuned, t).mean(), atol=1e-12)
        for field in jacobians_of(tuned, t, periods(t), NAMES):
            np.testing.assert_allclose(field[1] + field[2], field[0], atol=1e-9 * np.abs(field).max())


@pytest.mark.slow
def test_without_parameters_the_variance_is_that_of_the_propagated_series():
    with x64():
        t = world()
        weeks = weekly_blocks(t.period)
        series = jax.jit(propagate)(worlds.tuned(), t, weeks)
        for correlation_days in (0.0, 30.0):
            found = asked(t, unsure=uncertainty(0.0 * ROOT, correlation_days=correlation_days))
            of_sum = forcing_variance(series, weeks, WeatherErrors(SIGMA_TEMP, SIGMA_LOG_PRCP, correlation_days)).total[
                -1
            ]
            np.testing.assert_allclose(found.variance[0], of_sum / 4.0, rtol=1e-9)


# --- independent methods ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_ensemble_finds_the_same_reductions():
    members, small, sigma = 3000, 0.02, 0.01
    rng = np.random.default_rng(3)
    with x64():
        t, tuned = world(), worlds.tuned()
        p, unsure = periods(t), uncertainty(small * ROOT, small * SIGMA_TEMP, small * SIGMA_LOG_PRCP)
        found = asked(t, unsure=unsure, sigma=sigma)
        by = rng.normal(size=(members, 3)) @ unsure.params.T
        errors = small * rng.normal(size=(members, 2, p.weeks.n)) * [[SIGMA_TEMP], [SIGMA_LOG_PRCP]]

        def member(args):
            of_week = jnp.where(p.weeks.of_day < 0, 0.0, args[1][:, p.weeks.of_day])
            changed = t.replace(temp=t.temp + of_week[:1], prcp=t.prcp * jnp.exp(of_week[1:]))
            return period_balances(moved(tuned, tuple(STORED.get(n, n) for n in NAMES), args[0]), changed, p)

        drawn = np.asarray(jax.jit(lambda args: jax.lax.map(member, args, batch_size=500))((by, errors)))
    observed = drawn[:, :3].reshape(members, -1)
    observed = observed + rng.normal(0.0, sigma, observed.shape)
    for q, target in enumerate((drawn[:, 3] @ t.area, by[:, 1])):
        # What a linear regression on one observation explains of the target's variance.
        explained = np.array([np.corrcoef(target, column)[0, 1] ** 2 for column in observed.T])
        reduction = found.reduction[q].ravel()
        np.testing.assert_allclose(reduction, explained, atol=0.04)
        np.testing.assert_allclose(found.variance[q], target.var(), rtol=0.06)
        assert reduction.max() - reduction.min() > 0.2


def site_of(t, heights, observed=0.0):
    """Whole-day winters and summers of the two years as a site of a fit, a stake at each of `heights` in each."""
    stretch = np.zeros(t.temp.shape[1], np.int32)
    for number, (a, b) in enumerate(((365, 577), (577, 730), (730, 942), (942, 1095)), start=1):
        stretch[a:b] = number
    n = 4 * len(heights)
    spans, areas = np.zeros((n, 5)), np.zeros((n, t.area.size))
    spans[np.arange(n), 1 + np.arange(n) % 4] = 1.0
    areas[np.arange(n), np.repeat(heights, 4)] = 1.0
    ones = np.ones(n)
    common = (t.temp, t.prcp, t.above_ref, t.ds, t.ds_index, stretch, stretch)
    return Site(*common, spans, areas, observed * ones, ones)


def fitted_to(start, sites, sigmas, priors):
    """The parameters after a fit of one glacier to observations without errors of the model."""

    def rows(site, sigma):
        n = site.years.size
        return Effects(np.zeros((n, 0)), np.zeros((n, 0)), np.full(n, sigma), site.years, np.zeros(n, bool))

    none = np.zeros(len(priors.names))  # no spread: all sites have the same parameters
    return fit_map(start, sites, list(map(rows, sites, sigmas)), priors, NO_MODEL_ERRORS, none).region


@pytest.mark.slow
def test_one_observation_more_in_a_fit_reduces_its_posterior_as_foreseen():
    """No errors of the weather and no model error, as in a fit; the parameters start from a first fit's covariance."""
    with x64():
        t, start = world(), worlds.tuned()
        priors = default_priors({"prec_scale_log": 0.4, "ddf_snow_log": -5.2, "temp_gradient": -0.0063}, NAMES)
        first = site_of(t, [1], np.tile([1.0, -0.7], 2))
        fit = fitted_to(start, [first], [0.3], priors)
        tuned = jax.tree.map(np.asarray, place(start, NAMES, fit.mean))
        unsure = uncertainty(np.linalg.cholesky(fit.cov), 0.0, 0.0)
        found = asked(t, tuned, unsure, sigma=0.2)
        p = periods(t)
        modelled = balances_of(tuned, t, p)
        jacobian = jacobians_of(tuned, t, p, NAMES).params
        of_targets = np.stack([t.area @ jacobian[3], *np.eye(3)[1:]])
        for season, height in ((0, 0), (1, 2), (2, 1)):
            more = site_of(t, [height])
            spans = np.array([[0, 1, 1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0]], float)[season : season + 1]
            # As the model has it, so that the most probable parameters stay where they are.
            one = more.replace(
                spans=spans,
                areas=more.areas[:1],
                observed=modelled[season, height][None],
                years=more.years[:1],
            )
            again = fitted_to(start, [first, one], [0.3, 0.2], priors)
            before, after = (np.einsum("qi,ij,qj->q", of_targets, cov, of_targets) for cov in (fit.cov, again.cov))
            np.testing.assert_allclose(found.reduction[:, season, height], 1.0 - after / before, rtol=1e-3, atol=1e-5)
            assert (1.0 - after / before).max() > 0.1
        np.testing.assert_allclose(found.variance[1:], np.diag(fit.cov)[1:], rtol=1e-9)


# --- what has to hold ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=6)
@given(sigma=st.floats(0.01, 5.0), factor=st.floats(1.01, 10.0), seed=st.integers(0, 100))
def test_reductions_are_shares_and_a_worse_measurement_tells_less(sigma, factor, seed):
    with x64():
        better, worse = (asked(world(seed), sigma=s) for s in (sigma, factor * sigma))
    for found in (better, worse):
        assert (found.reduction >= 0.0).all()
        assert (found.reduction < 1.0).all()
        chosen = found.chosen
        assert (chosen.after < chosen.before).all()
        np.testing.assert_allclose(chosen.before[:, 1:], chosen.after[:, :-1], rtol=1e-12)
        np.testing.assert_allclose(chosen.before[:, 0], found.variance, rtol=1e-12)
        best = found.reduction.max(axis=(1, 2))
        np.testing.assert_allclose(1.0 - chosen.after[:, 0] / chosen.before[:, 0], best, rtol=1e-9)
    told = better.reduction > 1e-12
    assert told.any()
    assert (worse.reduction < better.reduction)[told].all()


def test_a_stake_at_the_reference_height_tells_nothing_of_the_lapse_rate():
    with x64():
        t = world()
        assert t.above_ref[1] == 0.0
        reduction = asked(t, unsure=uncertainty(np.diag([0.5, 0.3, 5e-4]))).reduction[2]
    np.testing.assert_allclose(reduction[:, 1], 0.0, atol=1e-12)
    # Elsewhere it counts where it melts.
    assert (reduction[[0, 2]][:, [0, 2]] > 1e-4).all()


def test_an_exact_observation_of_what_is_wanted_leaves_nothing():
    with x64():
        t = world().replace(area=np.array([0.0, 1.0, 0.0]))
        found = asked(t, sigma=1e-7, days=(*DAYS[:3], DAYS[0]), scale=np.ones(4))
    assert found.reduction[0, 0, 1] == pytest.approx(1.0, abs=1e-9)
    assert found.reduction[0, 1:].max() < 0.99
    assert found.chosen.candidate[0, 0] == 1
    assert found.chosen.after[0, 0] < 1e-9 * found.variance[0]


def test_chosen_stakes_of_a_season_are_apart():
    with x64():
        t, unsure = world(), uncertainty(0.0 * ROOT)
        close, apart = (asked(t, unsure=unsure, sigma=2.0, apart=metres) for metres in (0.0, 400.0))
    assert len(set(close.chosen.candidate[0].tolist())) < 3  # what remains is the measurements' own error
    season, height = np.divmod(apart.chosen.candidate[0], 3)
    for one in set(season.tolist()):
        assert (np.diff(np.sort(t.above_ref[height[season == one]])) >= 400.0).all()
    assert apart.chosen.candidate[0, 0] == close.chosen.candidate[0, 0]


def test_something_known_for_sure_cannot_be_known_better():
    with x64():
        found = asked(world(), unsure=uncertainty(0.0 * ROOT))
    assert (found.variance > 0.0).tolist() == [True, False, False]
    assert (found.reduction[1:] == 0.0).all()


@pytest.mark.slow
def test_a_batch_is_one_after_the_other():
    with x64():
        ts = [world(), world(seed=4), world(spin_up=2, heights=4)]
        batch, days = stack_trajectories(ts), [(a + 365, b + 365) for a, b in DAYS]
        each = [padded(periods(t, d), batch.temp.shape[-1]) for t, d in zip(ts, (DAYS, DAYS, days), strict=True)]
        together = jax.tree.map(lambda *fields: np.stack(fields), *each)
        allowed = np.array([[True] * 3 + [False], [True] * 3 + [False], [True] * 4])

        def one(trajectory, periods, allowed):
            rest = uncertainty(), np.full(3, 0.2), allowed, np.zeros(())
            return survey(worlds.tuned(), trajectory, periods, *rest, NAMES, TARGETS, 3)

        found = jax.tree.map(np.asarray, jax.vmap(one)(batch, together, allowed))
        alone = [asked(t) for t in ts[:2]]
    for i, single in enumerate(alone):
        np.testing.assert_allclose(found.variance[i], single.variance, rtol=1e-10)
        np.testing.assert_allclose(found.reduction[i][..., :3], single.reduction, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(found.chosen.after[i], single.chosen.after, rtol=1e-8)
        season, height = np.divmod(found.chosen.candidate[i], 4)
        np.testing.assert_array_equal(3 * season + height, single.chosen.candidate)
    assert np.isfinite(found.reduction[2]).all()


def padded(periods, days):
    """Days after the end of a shorter record are in no week."""

    def longer(blocks):
        return blocks._replace(of_day=np.pad(blocks.of_day, (0, days - blocks.of_day.size), constant_values=-1))

    return periods._replace(weeks=longer(periods.weeks), pieces=longer(periods.pieces))


@pytest.mark.slow
def test_single_precision_is_close_to_double():
    found = asked(world(dtype="float32"))
    with x64():
        expected = asked(world())
    assert found.reduction.dtype == np.float32
    np.testing.assert_allclose(found.reduction, expected.reduction, atol=2e-4)
    np.testing.assert_allclose(found.variance, expected.variance, rtol=2e-4)


def test_what_is_wanted_of_a_parameter_is_itself():
    jacobians = Jacobians(np.ones((2, 3, 2)), np.ones((2, 3, 4)), np.ones((2, 3, 4)))
    smb, second = np.asarray(wanted(jacobians, np.full(3, 1 / 3), ("a", "b"), (SMB, "b")).params).tolist()
    assert smb == pytest.approx([1.0, 1.0])
    assert second == [0.0, 1.0]


# --- what is known of the parameters, and when seasons are -----------------------------------------------------------


def glacier(fit=None, variant="smooth", first_month=10):
    """As much of a GlacierRun as is asked for here: two years that begin in a month, after one for the snow."""
    days = np.arange(f"2000-{first_month:02d}-01", f"2003-{first_month:02d}-01", dtype="M8[D]")
    period = (days >= np.datetime64(f"2001-{first_month:02d}-01")).astype(int) - 1
    period += days >= np.datetime64(f"2002-{first_month:02d}-01")
    mb_model = SimpleNamespace(calib_params={} if fit is None else {"fit": {"posterior": spread_of(fit)}})
    run = SimpleNamespace(gdir=SimpleNamespace(rgi_id="RGI60-11.00001"), mb_model=mb_model)
    run.tuned, run.days, run.years = worlds.tuned(variant=variant), days, np.array([2002, 2003])
    run.trajectory = SimpleNamespace(period=period)
    return run


def fitted(correlation=0.6):
    """A posterior of two parameters."""
    priors = default_priors({"ddf_snow_log": -5.2, "temp_gradient": -0.0063}, ["temp_gradient", "ddf_snow"])
    cov = np.array([[1e-8, 1e-5 * correlation], [1e-5 * correlation, 1e-2]])
    return SimpleNamespace(names=priors.names, mean=priors.mean, cov=cov)


def test_parameters_have_the_covariance_of_the_fit_and_others_their_prior():
    names, root, _ = parameter_root(glacier())
    assert names == ("prec_scale", "ddf_snow", "temp_gradient")
    np.testing.assert_allclose(root @ root.T, (np.diag([0.5, 0.3, 0.0005]) * np.hypot(1.0, 0.6)) ** 2, rtol=1e-12)
    names, root, _ = parameter_root(glacier(fitted()))
    assert names == ("temp_gradient", "ddf_snow")
    np.testing.assert_allclose(root @ root.T, fitted().cov, rtol=1e-12)
    names, root, _ = parameter_root(glacier(fitted()), ["ddf_snow", "prec_scale", "temp_gradient"], {"prec_scale": 0.1})
    expected = [[1e-2, 0.0, 6e-6], [0.0, 1e-2, 0.0], [6e-6, 0.0, 1e-8]]
    np.testing.assert_allclose(root @ root.T, expected, rtol=1e-12, atol=1e-20)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"free": ["ddf_ice"]}, "expected some of .*found \\['ddf_ice'\\]"),
        ({"spread": {"prec_scale": 0.0}}, "positive standard deviations, found {'prec_scale': 0.0}"),
        ({"run": glacier(fitted()), "spread": {"ddf_snow": 0.1}}, "spread: \\['ddf_snow'\\] were fitted"),
        ({"run": glacier(fitted(correlation=1.2))}, "fit.posterior of glaunti_params.json is no covariance"),
        (
            {"run": glacier(variant="mass_conserving"), "free": ["snow_depletion_steepness"]},
            "no effect in the variant 'mass_conserving'",
        ),
    ],
)
def test_impossible_parameters_are_refused(kwargs, words):
    with pytest.raises(InvalidParamsError, match=f"RGI60-11.00001: .*{words}"):
        parameter_root(**{"run": glacier(), **kwargs})


def test_seasons_are_those_of_the_hemisphere():
    for month, winter in ((10, ("2002-10-01", "2003-04-30")), (4, ("2002-04-01", "2002-10-31"))):
        begin, end = season_days(glacier(first_month=month), 2003, ("summer", "winter", "annual"))
        assert (str(begin[1]), str(end[1])) == winter
        assert (begin[0] == end[1] + 1, begin[2] == begin[1], end[2] == end[0]) == (True, True, True)
        assert str(end[2] + 1) == f"2003-{month:02d}-01"


# --- a real glacier --------------------------------------------------------------------------------------------------


SIZES = ErrorSizes(Sizes(0.6, 0.2, 0.4), Sizes(0.3, 0.1, 0.2))


def campaign_of(run, years, seasons=("annual", "winter", "summer")):
    """Measurements of 2003 and the mean balance of some years."""
    campaign = Campaign((SMB,), seasons, *season_days(run, 2003, seasons), np.full(3, 0.2), np.zeros(0))
    return campaign_model_errors(run, campaign, years, SIZES)


@pytest.mark.parametrize(("month", "hemisphere"), [(10, "nh"), (4, "sh")])
def test_errors_of_the_model_are_shared_by_season_and_own_to_each_balance(month, hemisphere):
    run = glacier(first_month=month)
    run.gdir.hemisphere = hemisphere
    own, shared = campaign_of(run, (2003, 2003))
    winter = (season_days(run, 2003, ["winter"])[1] - season_days(run, 2003, ["winter"])[0]).astype(float)[0] + 1
    np.testing.assert_allclose(own**2, 0.36 * np.array([365, winter, 365 - winter]) / 365.25, rtol=1e-6)
    np.testing.assert_allclose(
        shared.measured @ shared.measured.T, [[0.2, 0.04, 0.16], [0.04] * 2 + [0], [0.16, 0, 0.16]]
    )
    # The same winter and summer, of the sizes of a glacier's mean.
    np.testing.assert_allclose(shared.measured @ shared.wanted, [0.2 * 0.1 + 0.4 * 0.2, 0.02, 0.08], rtol=1e-6)
    assert shared.own == pytest.approx(0.3 * np.sqrt(365 / 365.25))
    # A mean of two years has half of this year's, and those of a year that was not measured.
    _, of_two = campaign_of(run, (2002, 2003))
    np.testing.assert_allclose(of_two.measured @ of_two.wanted, [0.05, 0.01, 0.04], rtol=1e-6)
    assert of_two.wanted @ of_two.wanted == pytest.approx(0.05 / 2)
    assert of_two.own == pytest.approx(0.3 / np.sqrt(2) * np.sqrt(365 / 365.25))


def test_a_stake_tells_of_the_errors_of_the_model_what_an_ensemble_of_them_tells():
    """Parameters and weather known: a measurement explains of the model's errors what a regression on it does."""
    rng, members = np.random.default_rng(0), 200_000
    measured, target, own = np.array([[0.3, 0.4], [0.3, 0.0], [0.0, 0.4]]), np.array([0.2, 0.3]), 0.25
    with x64():
        unsure = uncertainty(0.0 * ROOT, 0.0, 0.0)._replace(model=ModelErrors(measured, target, np.asarray(own)))
        found = asked(world(), unsure=unsure, sigma=0.5)
    months = rng.normal(size=(members, 2))
    smb = months @ target + own * rng.normal(size=members)
    stakes = months @ measured.T + 0.5 * rng.normal(size=(members, 3))
    explained = np.corrcoef(smb, stakes.T)[0, 1:] ** 2
    assert found.variance[0] == pytest.approx(smb.var(), rel=0.02)
    np.testing.assert_allclose(found.reduction[0], np.tile(explained[:, None], (1, 3)), atol=0.01)
    # Parameters are none of the balance's errors, and nothing measures what is the balance's own.
    assert (found.variance[1:] == 0.0).all()
    assert found.chosen.after[0].min() > own**2


@pytest.fixture
def aletsch(aletsch_gdir):
    from oggm_glaunti.tasks import glaunti_features

    glaunti_features(aletsch_gdir)
    return aletsch_gdir


@pytest.mark.slow
def test_where_to_measure_on_aletsch(aletsch):
    table, maps = where_to_measure(aletsch, year=2019, target=["smb", "ddf_snow"], n_best=3, **A)
    features = read_features(aletsch)
    assert table.groupby("target", sort=False)["rank"].apply(list).to_dict() == {t: [1, 2, 3] for t in TARGETS[:2]}
    off = features.elevation[table["row"], table["col"]] - table["height"]
    assert np.abs(off).max() <= 12.5
    assert features.glacier[table["row"], table["col"]].all()
    assert table["lon"].between(7.9, 8.2).all()
    assert table["lat"].between(46.35, 46.6).all()
    assert table.attrs["units"]["height"] == "m"
    of_smb = table[table["target"] == "smb"]
    # Between the lowest and the highest stake lies the height at which the balance is that of the glacier's mean.
    assert of_smb["season"].iloc[0] == "annual"
    assert 2600 < of_smb["height"].iloc[0] < 3200
    np.testing.assert_allclose(of_smb["variance_before"].iloc[1:], of_smb["variance_after"].iloc[:-1], rtol=1e-5)
    # What melts most in summer tells most of the degree-day factor.
    first = table[table["target"] == "ddf_snow"].iloc[0]
    assert (first["season"], first["height"] < 1800, str(first["begin"].date())) == ("summer", True, "2019-05-01")

    assert maps["reduction"].dims == ("target", "season", "y", "x")
    assert (np.isfinite(maps["reduction"]) == features.glacier).all()
    assert float(maps["reduction"].min()) >= 0.0
    assert float(maps["reduction"].max()) < 1.0
    best = 100.0 * maps["reduction_by_height"].max(["season", "height"])
    np.testing.assert_allclose(best, table.loc[table["rank"] == 1, "alone"], rtol=1e-4)
    np.testing.assert_allclose(maps["sd"].sel(target="ddf_snow"), 0.3 * np.hypot(1.0, 0.6), rtol=1e-5)

    figure = plot_where_to_measure(WhereToMeasure(table, maps), "ddf_snow")
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:3] == ["annual: 1 Oct to 30 Sep", "winter: 1 Oct to 30 Apr", "summer: 1 May to 30 Sep"]
    assert "parameter ddf_snow" in figure.get_suptitle()
    with pytest.raises(ValueError, match=r"target: expected one of .*found 'prec_scale'"):
        plot_where_to_measure(WhereToMeasure(table, maps), "prec_scale")


FAULTS = {
    "seasons": ({"seasons": ["spring"]}, "seasons: expected some of .*found \\('spring',\\)"),
    "model_errors": ({"model_errors": 0.3}, "model_errors: expected own, winter and summer .*found 0.3"),
    "n_best": ({"n_best": 0}, "n_best: expected 1 or more, found 0"),
    "target": ({"target": "temp_bias"}, "target: expected 'smb' or uncertain parameters, here .*'temp_bias'"),
    "sigma": ({"sigma": {"winter": 0.0}}, "sigma: expected m w.e. above 0"),
    "sigma_of": ({"sigma": {"autumn": 0.1}}, "sigma: expected seasons of .*autumn"),
    "weather": ({"errors": WeatherErrors(sigma_temp=float("nan"))}, "expected 0 or more, found {'sigma_temp': nan}"),
    "heights": ({"heights": (4500, 5000)}, "the glacier has cells at 1575 to 4100 m, none at 4500 to 5000 m"),
    "years": ({"years": (2019, 2018)}, "years: no years from 2019 to 2018"),
    "record": ({"year": 2030}, "years: the daily climate holds"),
}


def test_impossible_arguments_are_refused(aletsch):
    for kwargs, words in FAULTS.values():
        with pytest.raises(InvalidParamsError, match=f"{aletsch.rgi_id}: .*{words}"):
            where_to_measure(aletsch, **{"year": 2019, **A, **kwargs})


def test_without_features_there_is_no_map(aletsch_gdir):
    with pytest.raises(InvalidWorkflowError, match="glaunti_features"):
        where_to_measure(aletsch_gdir, year=2019, **A)
