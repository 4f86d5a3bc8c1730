"""Windows and baselines against values by hand, and scores that imbalance does not flatter."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.companions.meltwater import scores
from oggm_glaunti.companions.meltwater.baselines import chosen_decay, fit_height_line, fit_logistic, tuned_threshold
from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import checked_stack
from oggm_glaunti.companions.meltwater.windows import (
    NO_GAP,
    Decay,
    climatology,
    decaying_window,
    gap_days,
    running_window,
)
from tests.companions.meltwater.worlds import small_stack


def one_cell(values: list[float], learn: list[int], test: list[int], first: str = "2020-06-01", **kwargs):
    days = np.datetime64(first) + np.arange(len(values))
    stack = checked_stack(days, np.array(values, np.float32).reshape(-1, 1, 1), **kwargs)
    return stack, Split(np.array(learn), np.array(learn), np.array([], int), np.array(test))


def test_the_decaying_window_by_hand():
    stack, split = one_cell([1.0, np.nan, 0.0, np.nan, np.nan], [0, 2], [1])
    found = decaying_window(stack, split, np.array([1, 4]), Decay(2.0, 0.5))
    clim = 0.5
    w = np.exp(-np.array([1, 1, 4, 2]) / 2.0)
    assert found[0, 0, 0] == pytest.approx((w[0] + 0.5 * clim) / (w[0] + w[1] + 0.5))
    assert found[1, 0, 0] == pytest.approx((w[2] + 0.5 * clim) / (w[2] + w[3] + 0.5))


def test_a_scene_is_not_in_its_own_window_nor_climatology():
    stack, split = one_cell([1.0, 0.0, 0.0], [0, 1, 2], [])
    assert climatology(stack, split, np.array([0]))[0, 0, 0] == 0.0
    assert decaying_window(stack, split, np.array([0]))[0, 0, 0] == 0.0


def test_windows_do_not_reach_into_another_season():
    days = ["2019-12-31", "2020-01-01"]
    target = np.array([1.0, np.nan]).reshape(2, 1, 1)
    for first_month, gap in ((1, NO_GAP), (7, 1.0)):
        stack = checked_stack(days, target, first_month=first_month)
        split = Split(np.array([0]), np.array([0]), np.array([], int), np.array([1]))
        assert gap_days(stack, split, np.array([1]))[0, 0, 0] == gap


def test_a_running_window_is_the_mean_of_the_nearest_scenes_on_both_sides():
    stack, split = one_cell([0.0, 1.0, np.nan, np.nan, 1.0, 1.0, 0.0], [0, 1, 4, 5, 6], [2])
    assert running_window(stack, split, np.array([2]), 1)[0, 0, 0] == 1.0
    assert running_window(stack, split, np.array([2]), 3)[0, 0, 0] == pytest.approx(3 / 5)


def test_cells_never_seen_have_the_mean_of_those_that_were():
    target = np.array([[[1.0, np.nan]], [[0.0, np.nan]], [[np.nan, 0.0]]])
    stack = checked_stack(["2020-06-01", "2020-06-02", "2020-06-03"], target)
    split = Split(np.array([0, 1]), np.array([0, 1]), np.array([], int), np.array([2]))
    np.testing.assert_allclose(climatology(stack, split, np.array([2]))[0], [[0.5, 0.5]])


def test_the_decay_is_chosen_where_scenes_follow_each_other():
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.integers(0, 2, 10), 10).astype(float)
    stack, split = one_cell(slow.tolist(), list(range(100)), [], "2019-02-01")
    quick = rng.integers(0, 2, 100).astype(float)
    other, _ = one_cell(quick.tolist(), list(range(100)), [], "2019-02-01")
    assert chosen_decay(stack, split).tau < chosen_decay(other, split).tau


def test_a_threshold_is_tuned_by_f1_and_knows_its_probabilities():
    values = np.array([0.0, 1.0, 2.0, 3.0, np.nan])
    rule = tuned_threshold(values, np.array([0.0, 1.0, 1.0, 1.0, 0.0]))
    assert 0.0 < rule.threshold < 1.0
    np.testing.assert_array_equal(rule.wet(values), [0, 1, 1, 1, np.nan])
    assert rule.below == 0.0
    with pytest.raises(ValueError, match="no cell has both"):
        tuned_threshold(values[-1:], np.ones(1))


def test_the_height_line_falls_with_height_and_stays_within_0_and_1():
    stack, split = small_stack()
    line = fit_height_line(stack, split)
    maps = line.predict(np.array([6, 7]), stack.static["elevation"])
    assert (line.slope[5:7] < 0).all()
    assert maps.min() >= 0.0
    assert maps.max() <= 1.0


def test_a_logistic_regression_of_one_class_is_its_share():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 2)).astype(np.float32)
    assert float(fit_logistic(x, np.zeros((2, 3, 3))).predict(x).max()) < 0.01


# --- scores ---


def test_scores_by_hand():
    p, y = np.array([[[0.8, 0.4, 0.1, 0.6]]]), np.array([[[1.0, 1.0, 0.0, 0.0]]])
    found = scores.pooled(p, y, np.full_like(p, 0.5))
    assert found.brier == pytest.approx((0.04 + 0.36 + 0.01 + 0.36) / 4)
    assert found.skill == pytest.approx(1 - found.brier / 0.25)
    assert (found.f1, found.iou) == (pytest.approx(0.5), pytest.approx(1 / 3))
    paper = scores.published(p, y)
    assert paper.mean["accuracy"] == 0.75
    assert (paper.mean["precision"], paper.mean["recall"]) == (pytest.approx(2 / 3), 1.0)


def test_a_season_without_melt_has_scores():
    dry = np.zeros((2, 4, 4))
    found = scores.pooled(dry, dry, dry)
    assert (found.brier, found.f1, found.iou) == (0.0, 1.0, 1.0)
    assert np.isnan(found.skill)
    paper = scores.published(dry, dry)
    assert (paper.precision_by_convention, paper.recall_by_convention) == (2, 2)
    assert paper.mean["r2"] == paper.mean["ssim"] == 1.0
    dates = scores.melt_dates(np.array(["2020-06-01", "2020-06-02"], "datetime64[D]"), dry > 0)
    assert np.isnat(dates.onset).all()
    assert np.isnan(scores.date_errors(dates, dates)["onset_mae"])


def test_nothing_to_score_and_missing_predictions_are_errors():
    nan = np.full((1, 2, 2), np.nan)
    with pytest.raises(ValueError, match="no observed cell"):
        scores.pooled(np.zeros((1, 2, 2)), nan)
    with pytest.raises(ValueError, match="4 of 4 observed cells have none"):
        scores.pooled(nan, np.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="a scene without any observed cell"):
        scores.published(np.zeros((1, 2, 2)), nan)


def test_structural_similarity_is_one_for_the_same_map_and_lower_for_another():
    rng = np.random.default_rng(0)
    one = np.where(rng.random((30, 30)) < 0.2, np.nan, rng.random((30, 30)))
    same = np.nan_to_num(one, nan=9.0)
    assert scores.masked_ssim(same, one) == pytest.approx(1.0)
    assert scores.masked_ssim(rng.random((30, 30)), one) < 0.5


def test_scores_by_gap_and_season_are_those_of_their_cells():
    p = np.full((2, 1, 4), 0.5)
    y = np.array([[[1.0, 0.0, 0.0, 0.0]], [[1.0, 1.0, np.nan, 1.0]]])
    gap = np.array([[[1, 2, 3, 4]], [[6, 7, 1, 999]]])
    table = scores.by_gap(p, y, gap)
    assert table.cells.to_dict() == {"1": 1, "2-3": 2, "4-6": 2, "7+": 2}
    assert scores.by_season(p, y, np.array([2019, 2020])).wet_share.to_dict() == {"2019": 0.25, "2020": 1.0}


def test_the_extent_is_a_sum_of_probabilities_over_what_was_seen():
    p, y = np.full((1, 1, 4), 0.5), np.array([[[1.0, 0.0, 0.0, np.nan]]])
    assert scores.extent_errors(p, y, 2.0) == {"bias": 1.0, "mae": 1.0, "observed": 2.0}
