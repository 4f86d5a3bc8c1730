from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.companions.iceflow import quality


@pytest.fixture
def field():
    rows, columns = np.indices((20, 20))
    return 0.05 * rows, 0.02 * columns


def test_a_smooth_field_is_kept_to_its_edges(field):
    assert quality.agreeing(*field, 1.0).all()


def test_blunders_go_and_their_neighbours_stay(field):
    rng = np.random.default_rng(0)
    rows, cols = (part.copy() for part in field)
    wrong = rng.random(rows.shape) < 0.25
    rows[wrong] += rng.choice([-1, 1], wrong.sum()) * rng.uniform(3, 6, wrong.sum())
    kept = quality.agreeing(rows, cols, 1.0)
    assert not kept[wrong].any()
    assert kept[~wrong].mean() > 0.9


def test_small_deviations_from_the_median_are_found_after_the_large_ones(field):
    rows, cols = (part.copy() for part in field)
    rows[10, 10] += 0.7
    kept = quality.agreeing(rows, cols, 1.0)
    assert not kept[10, 10]
    assert kept.sum() == kept.size - 1


def test_clusters_of_overlapping_chips_need_neighbours_further_off(field):
    rows, cols = (part.copy() for part in field)
    rows[8:12, 8:12] += 5.0
    assert quality.agreeing(rows, cols, 1.0)[8:12, 8:12].any()
    kept = quality.agreeing(rows, cols, 1.0, stride=4)
    assert not kept[8:12, 8:12].any()
    assert kept.sum() > 0.9 * (kept.size - 16)


def test_one_window_of_stable_ground_is_not_enough():
    still = np.zeros(9, bool)
    still[0] = True
    with pytest.raises(ValueError, match=r"ground: 1 windows on it have a vector, expected 5 or more\..*stable=None"):
        quality.stable_shift(np.ones(9), np.ones(9), still)


def test_the_mode_is_the_motion_of_a_still_foreground_seen_by_a_turned_camera():
    rng = np.random.default_rng(0)
    rows, cols = -1.4 + 0.1 * rng.normal(size=100), 13.4 + 0.1 * rng.normal(size=100)
    cols[:35] += rng.uniform(2, 9, 35)
    found = quality.mode_shift(rows, cols)
    assert found[:2] == pytest.approx((-1.4, 13.4), abs=0.05)
    assert 0.6 < found[2] < 0.7
    with pytest.raises(ValueError, match="no stable ground: no vector is valid"):
        quality.mode_shift(np.full(3, np.nan), np.full(3, np.nan))


@pytest.mark.parametrize("masked", [False, True])
def test_a_turned_camera_is_taken_off_and_the_ice_stays(masked):
    rng = np.random.default_rng(1)
    row, col = np.arange(0, 2000, 100), np.arange(0, 3000, 100)
    r, c = np.meshgrid(row, col, indexing="ij")
    rows = -1.5 + 3e-4 * c + 0.05 * rng.normal(size=r.shape)
    cols = 13.4 - 3e-4 * r + 0.05 * rng.normal(size=r.shape)
    ice = r > 1200
    cols[ice] += 8.0
    found = quality.camera_motion(row, col, rows, cols, ~ice if masked else None)
    assert np.median(np.hypot(rows - found[0], cols - found[1])[~ice]) < 0.1
    assert np.median((cols - found[1])[ice]) == pytest.approx(8.0, abs=0.1)
    with pytest.raises(ValueError, match="no stable ground: 0 windows on it have a vector"):
        quality.camera_motion(row, col, rows, cols, r < 0)
