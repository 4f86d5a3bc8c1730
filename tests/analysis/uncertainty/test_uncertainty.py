"""Derivatives to blocks of weather, and the uncertainty they carry, against plain loops, differences and ensembles."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.analysis.trajectory import Change, annual, run, stack_trajectories
from oggm_glaunti.analysis.uncertainty import propagation as u
from oggm_glaunti.analysis.uncertainty.blocks import (
    Blocks,
    block_derivatives,
    cumulative_jacobian,
    jacobian_by_height,
    weekly_blocks,
    year_cuts,
)
from oggm_glaunti.analysis.uncertainty.draws import BlockErrors, WeatherErrors, draw_errors, draw_parameters
from oggm_glaunti.analysis.uncertainty.linearity import Linearity, linearity
from oggm_glaunti.analysis.uncertainty.spread import KNOWN, parameter_spread
from oggm_glaunti.core.on_heights import stepper
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from tests.core.worlds import x64

from .. import worlds

VARIANTS = ("smooth", "mass_conserving")
derivatives_of = jax.jit(block_derivatives)
jacobian_of = jax.jit(cumulative_jacobian)
TUNED = worlds.tuned()


def blocks_of(t, length=30, **kwargs):
    return weekly_blocks(t.period, length, **kwargs)


@pytest.fixture(scope="module")
def world():
    """A small glacier, its blocks (cut at the years) and derivatives, in double precision."""
    with x64():
        t = worlds.trajectory()
        blocks = blocks_of(t, cuts=year_cuts(t.period))
        return t, blocks, u.propagate(TUNED, t, blocks)


# --- blocks ---


def test_twenty_years_are_1043_weeks():
    blocks = weekly_blocks(np.zeros(7305, int))
    assert blocks.n == 1043
    assert (np.unique(blocks.stops - blocks.starts, return_counts=True)[1] == [1042, 1]).all()
    assert blocks.stops[-1] - blocks.starts[-1] == 11


@settings(max_examples=50)
@given(st.integers(0, 30), st.integers(1, 200), st.integers(1, 40), st.lists(st.integers(0, 230), max_size=4))
def test_every_day_that_counts_is_in_one_block_and_cuts_begin_one(before, days, length, cuts):
    blocks = weekly_blocks(np.repeat([-1, 0, -1], [before, days, 3]), length, cuts)
    assert blocks.starts[0] == before
    assert blocks.stops[-1] == before + days
    np.testing.assert_array_equal(blocks.starts[1:], blocks.stops[:-1])
    assert {cut for cut in cuts if before < cut < before + days} <= set(blocks.starts.tolist())
    numbered = np.repeat(np.arange(blocks.n), blocks.stops - blocks.starts)
    np.testing.assert_array_equal(blocks.of_day, np.r_[np.full(before, -1), numbered, np.full(3, -1)])


@pytest.mark.parametrize(("period", "length"), [([0, 0], 0), ([-1, -1], 7), ([0, -1, 0], 7)])
def test_impossible_blocks_are_refused(period, length):
    with pytest.raises(ValueError, match="blocks of a day or more over consecutive days"):
        weekly_blocks(np.array(period), length)


def block_by_block(tuned, t, blocks):
    """Function of (snow, temperature, log precipitation) of a block, by hand; and the snow at its beginning."""
    swe, step = stepper(tuned, t)

    @jax.jit
    def of_days(swe, d_temp, d_log, temp, prcp, index):
        def one_day(carry, day):
            swe, smb = carry
            swe, of_day = step(swe, (day[0] + d_temp, day[1] * jnp.exp(d_log), day[2]))
            return (swe, smb + of_day), None

        return jax.lax.scan(one_day, (swe, jnp.zeros_like(swe)), (temp, prcp, index))[0]

    def rows(a, b):
        return t.temp[0, a:b], t.prcp[0, a:b], t.ds_index[a:b]

    swe = of_days(swe, 0.0, 0.0, *rows(0, blocks.starts[0]))[0]
    for start, stop in zip(blocks.starts, blocks.stops, strict=True):
        yield swe, lambda *x, a=start, b=stop: of_days(*x, *rows(a, b))
        swe = of_days(swe, 0.0, 0.0, *rows(start, stop))[0]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_derivatives_of_blocks_are_central_differences(variant):
    with x64():
        t, tuned = worlds.trajectory(periods=3), worlds.tuned(variant=variant)
        blocks = blocks_of(t)
        d, h, worst = derivatives_of(tuned, t, blocks), 1e-5, 0.0
        zero = np.zeros(())
        for b, (swe, of_block) in enumerate(block_by_block(tuned, t, blocks)):
            np.testing.assert_allclose(d.smb[b], of_block(swe, zero, zero)[1], atol=1e-13)
            for i, name in enumerate(("swe", "temp", "log_prcp")):
                at = [[swe, zero, zero] for _ in range(2)]
                at[0][i], at[1][i] = at[0][i] - h, at[1][i] + h
                low, high = (of_block(*x) for x in at)
                for part, (below, above) in zip(("swe", "smb"), zip(low, high, strict=True), strict=True):
                    expected, found = (above - below) / (2 * h), getattr(d, f"{part}_{name}")[b]
                    worst = max(worst, float(np.abs((found - expected) / (np.abs(expected) + 1e-5)).max()))
        print(f"{variant}: largest relative difference {worst:.1e}")
        assert worst < 1e-5


def series_of(t, blocks):
    return lambda temp, log_prcp: u.cumulative(TUNED, t, blocks, BlockErrors(temp, log_prcp))


@pytest.mark.slow
def test_the_cumulative_jacobian_is_that_of_automatic_differentiation():
    with x64():
        t = worlds.trajectory(realisations=2, periods=3)
        blocks, zeros = blocks_of(t), np.zeros(blocks_of(t).n)
        found = jacobian_of(derivatives_of(TUNED, t, blocks), t.area)
        expected = jax.jit(jax.jacfwd(series_of(t, blocks), (0, 1)))(zeros, zeros)
        for mine, theirs in zip(found, expected, strict=True):
            assert np.abs(theirs).max() > 0.01
            np.testing.assert_allclose(mine, theirs, atol=1e-10)
            assert (np.triu(mine, 1) == 0.0).all()


@pytest.mark.slow
def test_jacobians_by_height_are_those_of_automatic_differentiation():
    with x64():
        t = worlds.trajectory()
        blocks, first, stop = blocks_of(t), 5, 12
        zeros, inside = np.zeros(blocks.n), slice(int(blocks.starts[first]), int(blocks.stops[stop - 1]))

        def by_height(temp, log_prcp):
            change = Change(*(jnp.append(field, 0.0)[blocks.of_day] for field in (temp, log_prcp)))
            return run(TUNED, t, change)[inside].sum(axis=0)

        found = jax.jit(jacobian_by_height)(derivatives_of(TUNED, t, blocks), first, stop)
        expected = jax.jit(jax.jacfwd(by_height, (0, 1)))(zeros, zeros)
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs.T, atol=1e-10)
            assert np.abs(mine[:first]).max() > 1e-4  # through the snow
            assert (mine[stop:] == 0.0).all()


@pytest.mark.slow
def test_blocks_add_up_to_a_shift_of_all_days(world):
    t, blocks, jacobians = world
    with x64():
        series = jax.jit(series_of(t, blocks))
        none, all_days = np.zeros(blocks.n), np.full(blocks.n, 1e-5)
        for found, low, high in (
            (jacobians.temp, (-all_days, none), (all_days, none)),
            (jacobians.log_prcp, (none, -all_days), (none, all_days)),
        ):
            expected = (series(*high) - series(*low)) / 2e-5
            np.testing.assert_allclose(found.sum(axis=1), expected, rtol=1e-5, atol=1e-7)


def test_equal_blocks_have_equal_derivatives_where_nothing_is_left_between_them():
    # A hot day has the same effect in each of many equal weeks once the snow has come to rest.
    with x64():
        t = worlds.trajectory()
        t = t.replace(temp=np.full_like(t.temp, 8.0), prcp=np.full_like(t.prcp, 0.002))
        d = derivatives_of(TUNED, t, blocks_of(t))
        for field in d:  # the last block is longer
            np.testing.assert_allclose(field[:-1], np.broadcast_to(field[0], field[:-1].shape), atol=1e-12)


@pytest.mark.slow
def test_single_precision_is_good_to_a_thousandth_of_the_largest_derivative(world):
    single = u.propagate(worlds.tuned("float32"), worlds.trajectory(dtype="float32"), blocks_of(worlds.trajectory()))
    assert {field.dtype for field in single} == {np.dtype("float32")}
    with x64():
        double = u.propagate(TUNED, worlds.trajectory(), blocks_of(worlds.trajectory()))
    for mine, exact in zip(single[1:], double[1:], strict=True):
        np.testing.assert_allclose(mine, exact, atol=1e-3 * np.abs(exact).max())


# --- variances ---


def explicit(jacobian, blocks, sigma, correlation_days):
    """J Sigma J^T with the covariance written down."""
    middle = 0.5 * (np.asarray(blocks.starts) + np.asarray(blocks.stops))
    away = np.abs(np.subtract.outer(middle, middle))
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.where(away == 0.0, 1.0, np.exp(-away / correlation_days))
    return np.asarray(jacobian) @ (sigma**2 * correlation) @ np.asarray(jacobian).T


@settings(max_examples=20)
@given(st.sampled_from([0.0, np.inf]) | st.floats(1.0, 1e5), st.floats(0.0, 3.0), st.floats(0.0, 2.0))
def test_variances_are_those_of_an_explicit_covariance(world, correlation_days, sigma_temp, sigma_log_prcp):
    _, blocks, jacobians = world
    with x64():
        arguments = (jacobians, blocks, WeatherErrors(sigma_temp, sigma_log_prcp, correlation_days))
        variance, covariance = u.forcing_variance(*arguments), u.forcing_covariance(*arguments)
        for name, sigma in (("temp", sigma_temp), ("log_prcp", sigma_log_prcp)):
            expected = explicit(getattr(jacobians, name), blocks, sigma, correlation_days)
            found = getattr(covariance, name)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(found, found.T, rtol=1e-12)
            np.testing.assert_allclose(getattr(variance, name), np.diagonal(expected), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(variance.total, variance.temp + variance.log_prcp)


def test_errors_without_memory_add_in_squares_and_one_error_for_all_adds_up(world):
    _, blocks, jacobians = world
    with x64():
        none, full = (u.forcing_variance(jacobians, blocks, WeatherErrors(1.0, 1.0, days)) for days in (0.0, np.inf))
        for name in ("temp", "log_prcp"):
            jacobian = np.asarray(getattr(jacobians, name))
            np.testing.assert_allclose(getattr(none, name), (jacobian**2).sum(axis=1), rtol=1e-12)
            np.testing.assert_allclose(getattr(full, name), jacobian.sum(axis=1) ** 2, rtol=1e-9)


@pytest.mark.slow
def test_years_are_differences_of_rows(world):
    t, blocks, jacobians = world
    with x64():
        by_year = jacobians.rows(u.year_ends(t.period, blocks))
        np.testing.assert_allclose(by_year.smb, jax.jit(annual)(TUNED, t), atol=1e-12)
        covariance = u.forcing_covariance(by_year, blocks, WeatherErrors(correlation_days=30.0)).total
        variance = u.forcing_variance(jacobians, blocks, WeatherErrors(correlation_days=30.0)).total
        # The whole is the sum of its years, their covariances included.
        assert float(np.sum(covariance)) == pytest.approx(float(variance[-1]), rel=1e-12)
        assert abs(covariance[0, 1]) > 0.0


def test_a_year_that_ends_within_a_block_is_refused():
    t = worlds.trajectory()
    with pytest.raises(ValueError, match=r"years end on days \[730, 1095\], within a block"):
        u.year_ends(t.period, blocks_of(t))


@pytest.mark.slow
def test_a_batch_of_glaciers_is_each_of_them(world):
    with x64():
        several = [world[0], worlds.trajectory(seed=4)]
        batch = stack_trajectories(several)
        each = [weekly_blocks(period, 30, year_cuts(period)) for period in batch.period]
        blocks = Blocks(*map(np.stack, zip(*each, strict=True)))
        found = jax.jit(jax.vmap(u.propagate, (None, 0, 0)))(TUNED, batch, blocks)
        variance = jax.jit(jax.vmap(u.forcing_variance))(found, blocks)
        for i, (t, own) in enumerate(
            zip(several, (blocks_of(t, cuts=year_cuts(t.period)) for t in several), strict=True)
        ):
            alone = u.propagate(TUNED, t, own)
            for together, single in zip(found, alone, strict=True):
                np.testing.assert_allclose(together[i], single, atol=1e-12)
            np.testing.assert_allclose(variance.total[i], u.forcing_variance(alone, own).total, rtol=1e-10)


# --- parameters ---


@pytest.mark.slow
def test_derivatives_to_parameters_are_central_differences(world):
    t, blocks, jacobians = world
    with x64():
        found = u.parameter_jacobian(TUNED, t, blocks, names=KNOWN)
        series = jax.jit(lambda by: u.cumulative(u.moved(TUNED, KNOWN, by), t, blocks))
        np.testing.assert_allclose(series(np.zeros(len(KNOWN))), jacobians.smb, atol=1e-12)
        for i, name in enumerate(KNOWN):
            h = (1e-7 if name == "temp_gradient" else 1e-5) * np.eye(len(KNOWN))[i]
            expected = (series(h) - series(-h)) / (2 * h[i])
            assert np.abs(expected).max() > 1e-3
            np.testing.assert_allclose(found[:, i], expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.slow
def test_parameters_add_their_variance_as_an_ensemble_has_it(world):
    t, blocks, _ = world
    names, covariance = ("ddf_snow_log", "prec_scale_log"), np.array([[4e-4, 2e-4], [2e-4, 9e-4]])
    with x64():
        by = draw_parameters(0, 500, covariance)
        none = BlockErrors(*np.zeros((2, 500, blocks.n)))
        members = u.ensemble(TUNED, t, blocks, none, names=names, by=by.astype(float))
        slopes = u.parameter_jacobian(TUNED, t, blocks, names=names)
        first_order = np.sqrt(u.parameter_variance(slopes, covariance))
        np.testing.assert_allclose(first_order, np.asarray(members).std(axis=0), rtol=0.1)


# --- ensembles ---


def test_first_order_is_what_500_members_spread_where_errors_are_small_and_not_where_they_are_large(world):
    t, blocks, jacobians = world
    with x64():
        ratios = {}
        for scale in (0.1, 2.0):
            sigmas = scale * 1.5889038, scale * 0.96401421
            errors = draw_errors(1, 500, blocks.middles, WeatherErrors(*sigmas, 20.0))
            members = u.ensemble(TUNED, t, blocks, errors)
            first_order = np.sqrt(u.forcing_variance(jacobians, blocks, WeatherErrors(*sigmas, 20.0)).total)
            ratios[scale] = np.asarray(first_order) / np.asarray(members).std(axis=0)
        np.testing.assert_allclose(ratios[0.1], 1.0, atol=0.1)
        assert ratios[2.0][-1] < 0.7
        assert abs(float(members[:, -1].mean() - jacobians.smb[-1])) > 1.0


@pytest.mark.slow
def test_a_member_is_the_model_under_its_errors_whatever_the_chunk(world):
    t, blocks, jacobians = world
    with x64():
        errors = BlockErrors(*np.random.default_rng(3).normal(0.0, 1.0, (2, 5, blocks.n)))
        errors.temp[0], errors.log_prcp[0] = 0.0, 0.0
        few, many = (u.ensemble(TUNED, t, blocks, errors, chunk=chunk) for chunk in (2, 16))
        np.testing.assert_allclose(few, many, atol=1e-13)
        np.testing.assert_allclose(few[0], jacobians.smb, atol=1e-12)
        alone = jax.jit(u.cumulative)(TUNED, t, blocks, BlockErrors(errors.temp[3], errors.log_prcp[3]))
        np.testing.assert_allclose(few[3], alone, atol=1e-12)


def test_linearity_says_where_it_ends(world):
    t, blocks, jacobians = world
    with x64():
        found = linearity(TUNED, t, blocks, scales=(0.1, 2.0), members=500)
        first_order = np.sqrt(float(u.forcing_variance(jacobians, blocks).total[-1]))
    np.testing.assert_allclose(found.first_order, np.array([0.1, 2.0]) * first_order, rtol=1e-9)
    assert found.ratio[0] == pytest.approx(1.0, abs=0.05)
    assert found.ratio[1] < 0.7
    assert "within 10 % of the ensemble's up to 0.1 times the errors; at 2 times" in found.sentence()
    assert f"the mean moves by {found.bias[1]:+.2f} m w.e." in found.sentence()


@pytest.mark.parametrize(
    ("ensemble", "expected"),
    [
        ([1.0, 2.0, 4.1], "up to 2 times the errors."),
        ([1.0, 2.0, 3.0], "up to 1 times the errors; at 2 times the errors it is 33 % too large"),
        ([2.0, 2.0, 4.0], "is not within 10 % of the ensemble's: at 0.5 times the errors it is 50 % too small"),
    ],
)
def test_linearity_in_words(ensemble, expected):
    line = np.array([1.0, 2.0, 4.0])
    assert expected in Linearity(line / 2.0, line, np.array(ensemble), line, 0.0 * line).sentence()


# --- draws ---


def test_the_same_seed_draws_the_same_and_another_does_not():
    middles = np.arange(20.0)
    one, again, other = (draw_errors(seed, 3, middles, WeatherErrors(correlation_days=4.0)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(one, again)
    assert (np.asarray(one) != np.asarray(other)).all()


@pytest.mark.parametrize("correlation_days", [0.0, 3.0, 100.0, np.inf])
def test_draws_have_the_correlation_that_is_propagated(correlation_days):
    middles = np.cumsum([3.0, 7.0, 7.0, 9.0])
    errors = draw_errors(0, 20_000, middles, WeatherErrors(2.0, 0.5, correlation_days))
    away = np.abs(np.subtract.outer(middles, middles))
    expected = np.eye(4) if correlation_days == 0.0 else np.exp(-away / correlation_days)
    np.testing.assert_allclose(np.corrcoef(errors.temp.T), expected, atol=0.03)
    np.testing.assert_allclose(errors.temp.std(axis=0), 2.0, rtol=0.03)
    np.testing.assert_allclose(errors.log_prcp.std(axis=0), 0.5, rtol=0.03)
    assert abs(np.corrcoef(errors.temp[:, 0], errors.log_prcp[:, 0])[0, 1]) < 0.03


def test_draws_keep_the_median_or_the_mean_of_precipitation():
    plain, kept = (
        draw_errors(0, 100_000, np.zeros(1), WeatherErrors(mean_preserving=keep)).log_prcp for keep in (False, True)
    )
    assert np.exp(plain).mean() == pytest.approx(np.exp(0.96401421**2 / 2), rel=0.02)
    assert np.exp(kept).mean() == pytest.approx(1.0, rel=0.02)
    assert np.median(np.exp(plain)) == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("wrong", [{"sigma_temp": -1.0}, {"correlation_days": np.nan}, {"sigma_log_prcp": np.inf}])
def test_impossible_draws_are_refused(wrong):
    with pytest.raises(ValueError, match="expected 0 or more, found"):
        draw_errors(0, 1, np.zeros(3), WeatherErrors(**wrong))


def test_parameters_are_drawn_with_their_covariance():
    covariance = np.array([[4.0, 1.8], [1.8, 1.0]])
    np.testing.assert_allclose(np.cov(draw_parameters(0, 50_000, covariance).T), covariance, rtol=0.03)
    with pytest.raises(ValueError, match="symmetric covariance without negative variances"):
        draw_parameters(0, 3, np.diag([1.0, -1.0]))


@pytest.mark.parametrize("change", [{"stored": ["no_such"]}, {"covariance": [[1.0, 0.0]]}, {"covariance": [[np.nan]]}])
def test_a_covariance_that_does_not_fit_its_names_is_refused(change):
    posterior = {"stored": ["ddf_snow_log"], "mean": [0.0], "covariance": [[0.01]], **change}
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: fit\.posterior of glaunti_params\.json: expected"):
        parameter_spread({"fit": {"posterior": posterior}}, "RGI60-11.00897")
