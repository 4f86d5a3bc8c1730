"""Contributions to a year's balance: against differences, sums and what is known of simple cases."""

from __future__ import annotations

import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.analysis.attribution import integrated_gradients as ig, network_gradients as ng, paths
from oggm_glaunti.core.on_heights import stepper
from tests.core.worlds import x64

from .. import worlds

VARIANTS = ("smooth", "mass_conserving")
YEARS = (2001, 2002, 2003)


def world(seed=0, **kwargs):
    return worlds.trajectory(years=3, seed=seed, **{"spin_up": 0, "periods": 1, **kwargs})


def path(t, year=2003, reference=YEARS[:2], variant="smooth"):
    return paths.path_of(worlds.tuned(t.temp.dtype, variant=variant), t, year, reference)


@jax.jit
def _compiled(tuned, t, inputs, slot):
    swe, step = stepper(tuned, t.replace(ds=inputs.ds, above_ref=inputs.above_ref))
    del swe
    days = (inputs.temp[0][:, None], inputs.prcp[0][:, None], slot)
    return jnp.sum(jax.lax.scan(step, jnp.asarray(inputs.swe[0]), days)[1], axis=0)


def balance_of(t, inputs, slot):
    """Balance by height of a year, by the day-by-day run that everything else uses."""
    return np.asarray(_compiled(worlds.tuned(), t, inputs, slot))


def between(p, alpha, baseline=0):
    start = ig.YearInputs(*(field[baseline] for field in p.start))
    return ig.YearInputs(*(low + alpha * (up - low) for low, up in zip(start, p.end, strict=True)))


def at_one_node(alpha):
    """A quadrature of one node, in the shape that is compiled for all others."""
    return np.full(ig.NODES_AT_ONCE, alpha), np.eye(ig.NODES_AT_ONCE)[0]


ONE_YEAR = (2001, 2001)  # one baseline, in the shape of two
_balance = jax.jit(ig.balance)


# --- derivatives ---


@pytest.mark.slow
def test_contributions_are_differences_times_derivatives():
    with x64():
        t = world(periods=3)
        p, tuned = path(t, reference=ONE_YEAR), worlds.tuned()
        found = ig.compiled_contributions(tuned, p, *at_one_node(0.3))
        here, rng = between(p, 0.3), np.random.default_rng(2)
        whole = ig.YearInputs(*(up - low[0] for up, low in zip(p.end, p.start, strict=True)))
        for name in ("temp", "prcp", "swe", "ds"):
            field, up, eps = getattr(here, name), getattr(whole, name), 1e-5
            for _ in range(8):
                place = tuple(rng.integers(size) for size in field.shape)
                more, less = (field.copy() for _ in range(2))
                more[place] += eps * up[place]
                less[place] -= eps * up[place]
                ends = (balance_of(t, here._replace(**{name: f}), p.slot) for f in (more, less))
                expected = np.subtract(*ends) / (2.0 * eps)
                if name in ("temp", "prcp"):
                    one = np.asarray(getattr(found, name))[place[1]]
                else:
                    one = np.asarray(getattr(found, name))[place[1:] if name == "swe" else place]
                    expected = expected[place[-1]]
                np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_along_any_direction_contributions_are_central_differences(variant):
    """The derivative of the balance of every height, to 1e-5 of it."""
    with x64():
        p, tuned = path(world(periods=3), reference=ONE_YEAR, variant=variant), worlds.tuned(variant=variant)
        (alpha, weights), rng = at_one_node(0.4), np.random.default_rng(3)
        # The heights, too: nothing of the difference of two years' weather is due to them.
        start = p.start._replace(above_ref=p.start.above_ref - 70.0)
        p = p._replace(start=start)
        direction = jax.tree.map(lambda x: rng.normal(size=x.shape), ig.nowhere(p))
        found = ig.compiled_contributions(tuned, p, alpha, weights)
        for name in ig.YearInputs._fields:
            only = ig.nowhere(p)._replace(**{name: 1e-5 * getattr(direction, name)})
            less = jax.tree.map(jnp.negative, only)
            ends = (_balance(tuned, p, alpha, more)[0, 0] for more in (only, less))
            expected = np.subtract(*ends) / 2e-5
            part = np.asarray(getattr(found, name) * getattr(direction, name)).reshape(-1, 3).sum(axis=0)
            np.testing.assert_allclose(part, expected, rtol=1e-5, atol=1e-8)


# --- completeness ---


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), warmer=st.floats(-3.0, 6.0))
def test_contributions_add_up_to_the_difference_of_the_runs(variant, seed, warmer):
    with x64():
        t = world(seed, warmer=warmer)
        found = ig.integrated_gradients(worlds.tuned(variant=variant), path(t, variant=variant))
        of_years = np.asarray(paths.annual_balance(worlds.tuned(variant=variant), t))
        difference = of_years[2] - of_years[:2].mean()
        assert found.complete
        np.testing.assert_allclose(found.difference, difference, atol=1e-9)
        total = sum(float(np.sum(np.asarray(x) * t.area)) for x in found.contributions)
        np.testing.assert_allclose(difference - total, found.gap, atol=1e-9)
        assert abs(found.gap) <= max(1e-3 * abs(difference), ig.FLOOR)


@pytest.mark.slow
def test_a_calendar_year_under_two_sets_of_corrections_completes():
    with x64():
        t = world(periods=4, spin_up=1)
        shifted = np.roll(t.period, -273)
        shifted[-273:] = -1
        t = t.replace(period=shifted)
        p = path(t)
        assert p.end.ds.shape == (2, 5, 3)
        assert np.flatnonzero(np.diff(p.slot)).tolist() == [272]  # the last day before the next mass-balance year
        found = ig.integrated_gradients(worlds.tuned(), p)
        of_years = np.asarray(paths.annual_balance(worlds.tuned(), t))
        np.testing.assert_allclose(found.difference, of_years[2] - of_years[:2].mean(), atol=1e-9)
        assert found.complete
        assert np.abs(found.contributions.ds).sum() > 0.01


@pytest.mark.slow
def test_the_mean_year_is_not_the_mean_of_the_years():
    with x64():
        t = world(warmer=2.0)
        p = path(t)
        mean = ig.integrated_gradients(worlds.tuned(), paths.mean_baseline(p))
        base, _ = ig.ends_of(worlds.tuned(), paths.mean_baseline(p))
        of_years = np.asarray(paths.annual_balance(worlds.tuned(), t))
        assert mean.complete
        np.testing.assert_allclose(mean.difference, of_years[2] - base, atol=1e-9)
        assert abs(base - of_years[:2].mean()) > 0.1


def test_nodes_are_doubled_until_it_adds_up_and_else_it_is_said():
    def sharp(alpha, weights):
        return float(np.sum(weights * 0.5 * 30.0 / np.cosh(30.0 * (alpha - 0.55)) ** 2))

    whole = 0.5 * (np.tanh(30.0 * 0.45) + np.tanh(30.0 * 0.55))
    found = ig.until_complete(sharp, float, whole, np.float64)
    assert found.complete
    assert found.nodes > 8
    assert abs(found.gap) <= 1e-3 * whole
    few = ig.until_complete(sharp, float, whole, np.float64, most=8)
    assert not few.complete
    assert few.nodes == 8
    np.testing.assert_allclose(few.gap, whole - few.contributions)


# --- what is known beforehand ---


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["single_factor", "mass_conserving"])
@settings(max_examples=5)
@given(shift=st.floats(0.5, 5.0))
def test_a_constant_shift_attributes_equally_to_equal_days(variant, shift):
    """Bare ice under the same weather every day: no day knows what came before."""
    with x64():
        t = world()
        each_year = np.repeat([0.0, 0.0, shift], 365)
        t = t.replace(temp=(2.0 + each_year)[None], prcp=np.zeros_like(t.prcp), above_ref=t.above_ref / 10.0)
        p = path(t, variant=variant)
        bare = p._replace(end=p.end._replace(swe=0 * p.end.swe), start=p.start._replace(swe=0 * p.start.swe))
        found = ig.integrated_gradients(worlds.tuned(variant=variant), bare)
        by_day = np.asarray(found.contributions.temp)
        assert (by_day < 0.0).all()
        np.testing.assert_allclose(by_day, np.broadcast_to(by_day[0], by_day.shape), rtol=1e-12)
        np.testing.assert_allclose(365 * by_day[0] @ t.area, found.difference, rtol=1e-3)


@pytest.mark.slow
def test_where_the_balance_is_linear_contributions_are_gradient_times_difference():
    with x64():
        rng, t, tuned = np.random.default_rng(5), world(), worlds.tuned(variant="single_factor")
        t = t.replace(prcp=rng.exponential(0.01, t.prcp.shape))
        ti = tuned.ti.resolve()
        melting = t.replace(temp=rng.uniform(25.0, 35.0, t.temp.shape))
        p = path(melting, reference=(2002, 2002), variant="single_factor")
        found = ig.integrated_gradients(tuned, p).contributions
        factor = 0.5 * float(ti.ddf_snow) * (1.0 + float(ti.ddf_relative_ice))
        expected = -factor * (p.end.temp[0] - p.start.temp[0, 0])
        np.testing.assert_allclose(found.temp, np.broadcast_to(expected[:, None], (365, 3)), rtol=1e-6, atol=1e-12)
        freezing = t.replace(temp=rng.uniform(-35.0, -25.0, t.temp.shape))
        p = path(freezing, reference=(2002, 2002), variant="single_factor")
        found = ig.integrated_gradients(tuned, p).contributions
        expected = float(ti.prec_scale) * (p.end.prcp[0] - p.start.prcp[0, 0])
        np.testing.assert_allclose(found.prcp, np.broadcast_to(expected[:, None], (365, 3)), rtol=1e-6, atol=1e-12)


@pytest.mark.slow
def test_no_difference_has_no_contributions():
    with x64():
        found = ig.integrated_gradients(worlds.tuned(), path(world(), reference=(2003, 2003)))
        assert found.complete
        assert found.difference == found.gap == 0.0
        assert all(not np.any(np.asarray(x)) for x in found.contributions)


# --- other methods ---


def groups_of(contributions, area):
    return {name: float(np.sum(np.asarray(getattr(contributions, name)) * area)) for name in ("temp", "prcp")}


@pytest.mark.slow
def test_temperature_and_precipitation_as_by_a_brute_force_sum_along_the_path():
    """400 mid-points and central differences in each of the two directions: to 1e-3 of the difference."""
    with x64():
        t = world(warmer=1.0)
        p = path(t, reference=ONE_YEAR)
        # Smooth kinks, 0.1 K wide: 10 K from baseline to year need many nodes for each of the two by itself.
        alpha, weights = (x.reshape(-1, 8) for x in ig.gauss_legendre(128, np.float64))
        parts = [ig.compiled_contributions(worlds.tuned(), p, *some) for some in zip(alpha, weights, strict=True)]
        found = groups_of(jax.tree.map(lambda *x: sum(x), *parts), t.area)
        whole, n, eps = {name: getattr(p.end, name) - getattr(p.start, name)[0] for name in found}, 400, 1e-4
        for name, total in found.items():
            slopes = []
            for alpha in (np.arange(n) + 0.5) / n:
                here = between(p, alpha)
                ends = [here._replace(**{name: getattr(here, name) + sign * eps * whole[name]}) for sign in (1.0, -1.0)]
                slopes.append(np.subtract(*(balance_of(t, end, p.slot) @ t.area for end in ends)) / (2.0 * eps))
            assert total == pytest.approx(np.mean(slopes), abs=1e-3 * abs(sum(found.values())))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_temperature_and_precipitation_as_by_shapley_values(seed):
    """The mean over the two orders of changing them; the two methods may differ by half of the interaction."""
    with x64():
        t = world(seed, warmer=1.0)
        p = path(t, reference=ONE_YEAR)
        p = p._replace(start=p.start._replace(swe=np.stack([p.end.swe, p.end.swe])))
        found = groups_of(ig.integrated_gradients(worlds.tuned(), p).contributions, t.area)
        a, b = between(p, 0.0), between(p, 1.0)
        mixed = {(0, 0): a, (1, 0): a._replace(temp=b.temp), (0, 1): a._replace(prcp=b.prcp), (1, 1): b}
        f = {which: float(balance_of(t, inputs, p.slot) @ t.area) for which, inputs in mixed.items()}
        interaction = f[1, 1] - f[1, 0] - f[0, 1] + f[0, 0]
        shapley = {
            "temp": 0.5 * (f[1, 0] - f[0, 0] + f[1, 1] - f[0, 1]),
            "prcp": 0.5 * (f[0, 1] - f[0, 0] + f[1, 1] - f[1, 0]),
        }
        for name, value in shapley.items():
            assert abs(found[name] - value) <= 0.5 * abs(interaction) + 1e-3 * abs(f[1, 1] - f[0, 0])


# --- heights, batches, realisations, days ---


@pytest.mark.slow
def test_a_glacier_at_its_heights_against_all_of_it_at_its_mean_height():
    with x64():
        t = world(periods=3, warmer=2.0)
        p = paths.to_heights(worlds.tuned(), t, 2002)
        found = ig.integrated_gradients(worlds.tuned(), p)
        flat = paths.at_mean_height(t)
        np.testing.assert_allclose(flat.above_ref, t.above_ref @ t.area)
        runs = [np.asarray(paths.annual_balance(worlds.tuned(), each))[1] for each in (t, flat)]
        np.testing.assert_allclose(found.difference, runs[0] - runs[1], atol=1e-9)
        assert found.complete
        assert not np.any(found.contributions.temp)
        assert found.contributions.above_ref[0] < 0.0 < found.contributions.above_ref[-1]


@pytest.mark.slow
def test_a_batch_of_glaciers_equals_each_alone():
    with x64():
        large, other = path(world(1)), path(world(2, warmer=2.0))
        # Heights do not know of each other: a glacier of two of them is known from one of three.
        lower = [
            side._replace(**{name: getattr(side, name)[..., :2] for name in ("swe", "ds", "above_ref")})
            for side in (other.end, other.start)
        ]
        small = ig.Path(*lower, other.slot, np.array([0.7, 0.3]), other.bias)
        batch = ig.integrated_gradients(worlds.tuned(), paths.stack_paths([large, small]))
        assert batch.complete
        assert batch.gap.shape == (2,)
        for i, (p, area) in enumerate([(large, large.area), (other, np.array([0.7, 0.3, 0.0]))]):
            one, n = ig.integrated_gradients(worlds.tuned(), p._replace(area=area)), p.area.size - i
            assert one.nodes <= batch.nodes
            np.testing.assert_allclose(batch.difference[i], one.difference, atol=1e-12)
            if one.nodes == batch.nodes:
                np.testing.assert_allclose(batch.gap[i], one.gap, atol=1e-12)
                np.testing.assert_allclose(
                    batch.contributions.temp[i][:, :n], one.contributions.temp[:, :n], atol=1e-14
                )
                np.testing.assert_allclose(batch.contributions.swe[i][:n], one.contributions.swe[:n], atol=1e-14)
        assert one.nodes == batch.nodes or ig.integrated_gradients(worlds.tuned(), large).nodes == batch.nodes


def test_paths_of_a_batch_have_one_length():
    p = path(world(dtype="float32"))
    shorter = path(world(dtype="float32"), reference=(2001,))
    with pytest.raises(ValueError, match=r"same number of baselines.*\(2, 1, 365, 1\), \(1, 1, 365, 1\)"):
        paths.stack_paths([p, shorter])


@pytest.mark.slow
def test_realisations_contribute_their_mean():
    with x64():
        t = world(realisations=2)
        both = ig.compiled_contributions(worlds.tuned(), path(t), *ig.gauss_legendre(8, np.float64))
        each = [
            ig.compiled_contributions(
                worlds.tuned(), path(t.replace(temp=t.temp[[r]], prcp=t.prcp[[r]])), *ig.gauss_legendre(8, np.float64)
            )
            for r in range(2)
        ]
        for name in ("temp", "prcp", "swe"):
            mean = 0.5 * (getattr(each[0], name) + getattr(each[1], name))
            np.testing.assert_allclose(getattr(both, name), mean, atol=1e-14)


@pytest.mark.slow
def test_single_precision_is_enough():
    p = path(world(dtype="float32", warmer=1.0))
    single = ig.compiled_contributions(worlds.tuned("float32"), p, *ig.gauss_legendre(8))
    assert single.temp.dtype == np.float32
    with x64():
        p = path(world(warmer=1.0))
        double = ig.compiled_contributions(worlds.tuned(), p, *ig.gauss_legendre(8, np.float64))
    np.testing.assert_allclose(single.temp, double.temp, atol=2e-6)


def test_a_leap_year_repeats_the_last_day_of_the_others_and_a_common_one_leaves_it_out():
    t = world(dtype="float32")
    longer = t.period.copy()
    longer[365 + 365] = 1  # the second year takes a day of the third
    t = t.replace(period=longer)
    from_common = path(t, 2002, (2001,)).start.temp[0, 0]
    assert from_common.tolist() == [*t.temp[0, :365], t.temp[0, 364]]
    assert path(t, 2001, (2002,)).start.temp[0, 0].tolist() == t.temp[0, 365:730].tolist()


def test_a_year_begins_with_the_snow_of_the_whole_run():
    with x64():
        t, tuned = world(), worlds.tuned()
        one, swe = paths.year_of(tuned, t, 2002)
        start, step = stepper(tuned, t)
        for day in range(365):
            start, _ = step(start, (t.temp[0, day], t.prcp[0, day], 0))
        np.testing.assert_allclose(swe[0], start, atol=1e-12)
        assert one.years.tolist() == [2002]
        assert one.temp.tolist() == t.temp[:, 365:730].tolist()


def test_years_that_are_not_there_are_named():
    with pytest.raises(ValueError, match="year 1999 is not in the trajectory, which holds 2001 to 2003"):
        path(world(dtype="float32"), year=1999)
    with pytest.raises(ValueError, match="at least one year"):
        path(world(dtype="float32"), reference=())


# --- the corrector ---


@pytest.fixture(scope="module")
def network():
    """A glacier of 16 x 16 cells under a corrector of random weights, in double precision."""
    from oggm_glaunti.core.glaunti import geometry_fields
    from oggm_glaunti.core.weights import leaf_shapes, model_from_leaves

    with x64():
        rng, t = np.random.default_rng(0), world(warmer=1.0)
        leaves = [np.asarray(rng.normal(0.0, 0.3, shape), np.float32) for shape in leaf_shapes("C")]
        corrector = jax.tree.map(lambda x: np.asarray(x, np.float64), model_from_leaves("C", leaves).corrector)
        row, col = np.mgrid[:16, :16] / 15.0 - 0.5
        outline = (row**2 + col**2 < 0.15).astype(float)
        elevation = 2800.0 - 1200.0 * row
        fields = np.asarray(geometry_fields(outline, elevation, np.full((16, 16), 5.0)))
        rows, cols = np.nonzero(outline)
        edges = np.quantile(elevation[rows, cols], [0.33, 0.67])
        band = np.searchsorted(edges, elevation[rows, cols]).astype(np.int32)
        place = ng.CorrectorGeometry(fields, rows, cols, band, np.bincount(band).astype(float), np.eye(3))
        inputs = [ng.CorrectorInputs(rng.normal(0, 0.3, (3, 16, 16)), rng.normal(0, 0.3, (2, 12))) for _ in range(2)]
        one, swe = paths.year_of(worlds.tuned(), t, 2002)
        return ng.CorrectedRun(corrector, worlds.tuned(), place, one, swe), *inputs


@pytest.mark.slow
def test_contributions_through_the_network_are_central_differences(network):
    given, start, end = network
    with x64():
        found = ng.compiled_network_contributions(given, start, end, np.stack(at_one_node(0.5)))
        rng, eps = np.random.default_rng(1), 1e-5
        for name in ("response", "climate"):
            direction = rng.normal(size=getattr(start, name).shape)
            middle, up = (0.5 * (getattr(start, name) + getattr(end, name)), getattr(end, name) - getattr(start, name))
            here = ng.CorrectorInputs(*(0.5 * (low + high) for low, high in zip(start, end, strict=True)))
            ends = (here._replace(**{name: middle + sign * eps * direction * up}) for sign in (1.0, -1.0))
            expected = np.subtract(*(float(ng.corrected_balance(given, inputs)) for inputs in ends))
            part = float(np.sum(np.asarray(getattr(found, name)) * direction))
            assert part == pytest.approx(expected / (2.0 * eps), rel=1e-5)


@pytest.mark.slow
def test_contributions_through_the_network_add_up(network):
    given, start, end = network
    with x64():
        balances = [float(ng.corrected_balance(given, inputs)) for inputs in (start, end)]
        difference = balances[1] - balances[0]
        assert abs(difference) > 1e-3
        found = ng.integrate(given, start, end, difference)
        assert found.complete
        total = sum(float(np.sum(part)) for part in found.contributions)
        assert abs(total - difference) <= max(1e-3 * abs(difference), ig.FLOOR)


# --- real glaciers ---


@pytest.fixture
def aletsch(aletsch_gdir, weights):
    return aletsch_gdir


def parts_of(made):
    return float(sum(made[name].sum() for name in ("temp", "prcp", "snow", "corrections")))


@pytest.mark.slow
def test_what_made_2003_at_aletsch(aletsch):
    from oggm_glaunti.analysis.attribution.tasks import attribute_heights, attribute_year
    from oggm_glaunti.coupling.ground.features import glaunti_features, read_features
    from oggm_glaunti.graphics.attribution import plot_attribution

    glaunti_features(aletsch)
    made = attribute_year(aletsch, year=2003, reference=(2000, 2004), mb_kwargs={"model": "A"})
    assert made.attrs["complete"] == 1
    assert float(made.difference) == pytest.approx(parts_of(made) + float(made.leap_day) + float(made.gap), abs=1e-5)
    assert abs(float(made.gap)) <= max(1e-3 * abs(float(made.difference)), ig.FLOOR)
    assert abs(float(made.leap_day)) < 0.02
    assert made.month.to_numpy().tolist() == [10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert float(made.temp.sel(month=[6, 8]).sum()) < -0.6  # the heat waves
    assert made.temp.sum("height").idxmin() == 6
    assert float(made.temp_daily.sum()) == pytest.approx(float(made.temp.sum()), abs=1e-5)
    glacier = read_features(aletsch).glacier
    assert (np.isfinite(made.temp_map.to_numpy()) == glacier).all()
    assert float(made.temp_map.mean()) == pytest.approx(float(made.temp.sum()), rel=1e-3)
    assert made.prcp_map.attrs["units"] == "m w.e."
    assert float(made.mean_climate_balance - made.reference_balance) > 0.1
    figure = plot_attribution(made, read_features(aletsch))
    months, weather, by_height = figure.axes[:3]
    assert sum(bar.get_height() for bar in months.patches) == pytest.approx(parts_of(made), abs=1e-5)
    assert "RGI60-11.01450, hydrological year 2003" in figure.get_suptitle()
    assert {ax.get_ylabel() for ax in (weather, by_height)} == {"temperature\nanomaly (K)", "height (m)"}
    assert len(plot_attribution(made).axes) == len(figure.axes) - 2  # no map and no colour bar
    heights = attribute_heights(aletsch, year=2003, mb_kwargs={"model": "A"})
    assert float(heights.balance) == pytest.approx(float(made.balance), abs=1e-5)
    parts = sum(float(heights[name].sum()) for name in ("height_itself", "snow", "corrections"))
    assert float(heights.difference) == pytest.approx(parts + float(heights.gap), abs=1e-5)


@pytest.mark.slow
def test_corrections_of_a_year_contribute_and_without_features_there_are_no_maps(aletsch):
    from oggm_glaunti.analysis.attribution.tasks import CORRECTIONS, attribution_of
    from oggm_glaunti.analysis.glaciers import glacier_run
    from oggm_glaunti.coupling.ground.features import glaunti_features

    glaunti_features(aletsch)
    run = glacier_run(aletsch, mb_kwargs={"model": "A"})
    Path(aletsch.get_filepath("glaunti_features")).unlink()
    t, reference = run.trajectory, [2000, 2001, 2002, 2003, 2004]
    # In 2003 a third more snow melts at all heights than in other years.
    ds = np.zeros((2, 5, run.heights.size), np.float32)
    ds[1, 1] = np.log(4.0 / 3.0)
    of_2003 = (t.period == 2003 - run.years[0]).astype(np.int32)
    made = attribution_of(run._replace(trajectory=t.replace(ds=ds, ds_index=of_2003)), 2003, reference)
    by_correction = made.corrections.sum("height").to_series()
    assert list(by_correction.index) == list(CORRECTIONS)
    assert by_correction["ddf_snow"] < -0.3
    assert (by_correction.drop("ddf_snow") == 0.0).all()
    assert made.attrs["complete"] == 1
    assert float(made.difference) == pytest.approx(parts_of(made) + float(made.leap_day) + float(made.gap), abs=1e-5)
    assert "temp_map" not in made

    mean = attribution_of(run, 2003, reference, "mean")
    assert float(mean.reference_balance) == float(mean.mean_climate_balance)
    assert float(mean.leap_day) == pytest.approx(0.0, abs=1e-5)
    assert float(mean.difference) == pytest.approx(parts_of(mean) + float(mean.gap), abs=1e-5)


def test_years_and_baselines_that_cannot_be_are_named(aletsch):
    from oggm_glaunti.analysis.attribution.tasks import attribute_year

    with pytest.raises(InvalidParamsError, match=r"year: the daily climate holds the years 1982 to 2020, found 1975"):
        attribute_year(aletsch, year=1975, mb_kwargs={"model": "A"})
    with pytest.raises(InvalidParamsError, match="reference: no years from 2010 to 2001"):
        attribute_year(aletsch, year=2003, reference=(2010, 2001), mb_kwargs={"model": "A"})
    with pytest.raises(InvalidParamsError, match="holds the years 1982 to 2020, found 1961 to 1990"):
        attribute_year(aletsch, year=2003, reference=(1961, 1990), mb_kwargs={"model": "A"})
    with pytest.raises(InvalidParamsError, match=r"reference: expected \(first, last\), found 1990"):
        attribute_year(aletsch, year=2003, reference=1990, mb_kwargs={"model": "A"})
    with pytest.raises(InvalidParamsError, match="baseline: expected one of"):
        attribute_year(aletsch, year=2003, baseline="zero", mb_kwargs={"model": "A"})


def test_too_few_nodes_are_reported_in_the_log(caplog):
    from types import SimpleNamespace

    from oggm_glaunti.analysis.attribution.tasks import warn_incomplete

    found = ig.Integrated(None, -0.5, 0.01, 256, False)
    with caplog.at_level(logging.WARNING):
        warn_incomplete(SimpleNamespace(rgi_id="RGI60-11.01450"), found, logging.getLogger("test"))
    assert "(RGI60-11.01450) the difference of -0.5000 m w.e." in caplog.text
    assert "+0.0100 apart, with 256 nodes" in caplog.text


@pytest.mark.slow
def test_model_c_by_the_inputs_of_its_corrector(hef_gdir, weights):
    from oggm_glaunti.analysis.attribution.corrections import attribute_corrections
    from oggm_glaunti.analysis.glaciers import glacier_run
    from oggm_glaunti.coupling.ground.features import glaunti_features

    with pytest.raises(InvalidParamsError, match="needs corrector='yearly', found 'climatology'"):
        attribute_corrections(hef_gdir, year=2019, mb_kwargs={"model": "C", "corrector": "climatology"})
    glaunti_features(hef_gdir)
    with pytest.raises(InvalidParamsError, match="model A has no corrector"):
        attribute_corrections(hef_gdir, year=2019, mb_kwargs={"model": "A"})
    inputs = attribute_corrections(hef_gdir, year=2019, mb_kwargs={"model": "C"})
    run = glacier_run(hef_gdir, mb_kwargs={"model": "C", "corrector": "yearly"})
    of_run = paths.annual_balance(run.tuned, run.trajectory)
    # The year's own corrections, made anew from its inputs, are those of the run.
    assert float(inputs.balance) == pytest.approx(float(of_run[run.years == 2019][0]), abs=1e-4)
    parts = [float(inputs[name].sum()) for name in ("smb0", "smb0_warmer", "smb0_wetter", "temp", "prcp")]
    assert float(inputs.difference) == pytest.approx(sum(parts) + float(inputs.gap), abs=1e-5)
    assert abs(float(inputs.difference)) > 0.01
    assert abs(float(inputs.gap)) <= max(1e-3 * abs(float(inputs.difference)), ig.FLOOR)
