"""The run that all analyses differentiate, against plain loops and the height-year table."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.analysis.trajectory import Change, annual, annual_by_height, daily, run, stack_trajectories
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.on_heights import stepper
from oggm_glaunti.core.run import ti_step
from tests.core.worlds import x64

from . import worlds

VARIANTS = ("smooth", "mass_conserving")
annual, annual_by_height, daily, run = (jax.jit(function) for function in (annual, annual_by_height, daily, run))


def plain_loop(tuned, t, change):
    """Balance of each day and height, one realisation after the other, then their mean."""
    params, offset = tuned.ti.resolve(), tuned.temp_bias + tuned.temp_gradient * t.above_ref
    step = jax.jit(lambda ds, swe, temp, prcp: ti_step(correct(params, ds))(swe, temp, prcp, jnp.ones(())))
    of_each = []
    for temp, prcp in zip(t.temp + np.broadcast_to(change.temp, t.temp.shape), t.prcp, strict=True):
        swe, smb = np.full(t.area.size, float(params.snow_depletion_centre)), []
        for day in range(temp.size):
            factor = np.exp(np.broadcast_to(change.log_prcp, temp.shape)[day])
            swe, of_day = step(t.ds[t.ds_index[day]], swe, temp[day] + offset, prcp[day] * factor)
            smb.append(np.asarray(of_day))
        of_each.append(smb)
    return np.mean(of_each, axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_is_a_loop_over_the_days(variant):
    with x64():
        t, tuned = worlds.trajectory(realisations=2, periods=3), worlds.tuned(variant=variant)
        change = Change(np.random.default_rng(1).normal(0, 1, t.temp.shape[1]), np.asarray(0.2))
        expected = plain_loop(tuned, t, change)
        np.testing.assert_allclose(run(tuned, t, change), expected, atol=1e-12)
        np.testing.assert_allclose(daily(tuned, t, change), expected @ t.area, atol=1e-12)
        by_year = np.stack([expected[t.period == year].sum(axis=0) for year in range(2)])
        np.testing.assert_allclose(annual_by_height(tuned, t, change), by_year, atol=1e-11)
        np.testing.assert_allclose(annual(tuned, t, change), by_year @ t.area, atol=1e-11)


@pytest.mark.slow
def test_a_change_by_day_and_height_is_that_of_each_height():
    with x64():
        t = worlds.trajectory()
        each = np.array([0.5, -1.0, 2.0])
        together = run(worlds.tuned(), t, Change(np.tile(each, (t.temp.shape[1], 1)), np.zeros(())))
        for i, shift in enumerate(each):
            alone = run(worlds.tuned(), t, Change(np.asarray(shift), np.zeros(())))
            np.testing.assert_allclose(together[:, i], alone[:, i], atol=1e-14)
            assert np.abs(together[:, i] - run(worlds.tuned(), t)[:, i]).max() > 1e-3


def test_a_bias_is_taken_from_every_day():
    with x64():
        t = worlds.trajectory()
        less = annual(worlds.tuned(), t.replace(bias=np.asarray(0.001)))
        np.testing.assert_allclose(less, annual(worlds.tuned(), t) - 0.365, atol=1e-12)


@settings(max_examples=8)
@given(warmer=st.floats(0.01, 5.0), wetter=st.floats(0.01, 1.0))
def test_warmer_is_less_mass_and_wetter_is_more(warmer, wetter):
    with x64():
        t, zero = worlds.trajectory(), np.zeros(())
        here = annual(worlds.tuned(), t)
        assert (annual(worlds.tuned(), t, Change(np.asarray(warmer), zero)) < here).all()
        assert (annual(worlds.tuned(), t, Change(zero, np.asarray(wetter))) > here).all()


def test_days_after_the_end_and_heights_without_area_change_nothing_in_a_batch():
    with x64():
        long, short = worlds.trajectory(spin_up=2, heights=4, periods=3), worlds.trajectory(seed=4)
        batch = stack_trajectories([long, short])
        assert batch.temp.shape == (2, 1, 4 * 365)
        found = jax.vmap(annual, (None, 0))(worlds.tuned(), batch)
        for one, alone in zip(found, (long, short), strict=True):
            np.testing.assert_allclose(one, annual(worlds.tuned(), alone), atol=1e-12)


def test_a_batch_has_one_number_of_years():
    with pytest.raises(ValueError, match=r"same number of years, found \[\(2,\), \(3,\)\]"):
        stack_trajectories([worlds.trajectory(), worlds.trajectory(years=3)])


def test_single_precision_stays_single():
    t, tuned = worlds.trajectory(dtype="float32"), worlds.tuned("float32")
    with x64():
        assert annual(tuned, t).dtype == np.float32
        assert stepper(tuned, t)[0].dtype == np.float32
        double = annual(worlds.tuned(), worlds.trajectory())
    np.testing.assert_allclose(annual(tuned, t), double, atol=2e-5)
