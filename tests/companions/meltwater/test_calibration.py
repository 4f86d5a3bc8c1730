"""Probabilities and amounts set right: against known distortions, and a fall-back when a gain may be chance."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.companions.meltwater.calibration import Calibration, fit_calibration, scale_to_scenes
from oggm_glaunti.companions.meltwater.scores import reliability
from oggm_glaunti.companions.meltwater.splits import seasons_left_out
from oggm_glaunti.companions.meltwater.training import surely_better
from oggm_glaunti.companions.meltwater.windows import climatology
from tests.companions.meltwater.worlds import small_stack


def melting(seed: int, cells: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of rare melt, and melt that is drawn with them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.2, 2.0, cells).clip(0.02, 0.98)
    return p, (rng.random(cells) < p).astype(float)


def test_a_distortion_of_log_odds_is_found_and_undone():
    p, y = melting(0)
    distorted = Calibration(1.6, 0.8).apply(p)
    y[::7] = np.nan
    found = fit_calibration(distorted, y)
    assert found.slope == pytest.approx(1 / 1.6, abs=0.04)
    assert found.offset == pytest.approx(-0.8 / 1.6, abs=0.08)
    other, melts = melting(1)
    distorted = Calibration(1.6, 0.8).apply(other)
    worst = [
        np.abs(table.predicted - table.observed)[table.cells >= 2000].max()
        for table in (reliability(q, melts) for q in (distorted, found.apply(distorted)))
    ]
    assert worst[0] > 0.1 > 0.05 > worst[1]


def test_a_prediction_that_is_right_is_left_alone():
    found = fit_calibration(*melting(2))
    assert found.slope == pytest.approx(1.0, abs=0.05)
    assert found.offset == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("value", "message"), [(0.0, "melt fraction of 0"), (1.0, "of 1"), (np.nan, "found none")])
def test_scenes_of_one_kind_cannot_calibrate(value, message):
    with pytest.raises(ValueError, match=message):
        fit_calibration(np.full((2, 2, 2), 0.3), np.full((2, 2, 2), value))


def test_the_amount_of_a_season_is_that_of_its_scenes_and_no_held_out_scene_counts():
    stack, split = small_stack()
    split = seasons_left_out(stack, split, [2019])
    days = np.flatnonzero(stack.seasons == 2019)
    in_window = np.isin(days, split.window)[:, None, None] & stack.valid
    scenes = np.where(in_window, stack.target[days], np.nan)
    half = 0.5 * climatology(stack, split, days)
    whole = scale_to_scenes(half, scenes) * half
    assert np.nansum(np.where(np.isfinite(scenes), whole, 0.0)) == pytest.approx(np.nansum(scenes), rel=1e-5)
    assert scale_to_scenes(half, scenes) == pytest.approx(2.0 * scale_to_scenes(2.0 * half, scenes), rel=1e-5)


def test_without_scenes_or_predicted_melt_nothing_is_scaled():
    assert scale_to_scenes(np.full((1, 2, 2), 0.5), np.full((1, 2, 2), np.nan)) == 1.0
    assert scale_to_scenes(np.zeros((1, 2, 2)), np.ones((1, 2, 2))) == 1.0


def test_a_gain_in_a_few_scenes_is_not_sure_and_one_in_most_is():
    rng = np.random.default_rng(0)
    y = (rng.random((100, 4, 4)) < 0.5).astype(float)
    reference = np.full_like(y, 0.5)
    lucky, better = reference.copy(), 0.5 + 0.1 * (y - 0.5)
    lucky[0], lucky[1] = y[0], 0.5 - 0.4 * (y[1] - 0.5)
    assert not surely_better(lucky, reference, y)
    assert surely_better(better, reference, y)
    # A lower Brier score with a lower F1 is not taken.
    dim, bright = (np.where(y > 0.5, *pair) for pair in ((0.49, 0.0), (0.51, 0.4)))
    assert ((dim - y) ** 2).mean() < ((bright - y) ** 2).mean()
    assert not surely_better(dim, bright, y)
