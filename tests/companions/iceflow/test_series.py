from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oggm_glaunti.companions.iceflow import series
from oggm_glaunti.companions.iceflow.series import Displacements, closure, seasonal_condition, solve, usual_pairs

DAYS = np.array([0, 5, 8, 15, 20, 24, 31, 36], float)


def made(noise=0.05, stable=30, seed=0, blunders=0.0):
    rng = np.random.default_rng(seed)
    shifts = 0.5 * rng.normal(size=(2, DAYS.size))
    shifts -= shifts[:, :1]
    true = rng.uniform(0.05, 0.3, (2, 150))
    true[:, :stable] = 0.0
    pairs = np.array(usual_pairs(DAYS))
    span = DAYS[pairs[:, 1]] - DAYS[pairs[:, 0]]
    d = true[:, None] * span[:, None] + (shifts[:, pairs[:, 1]] - shifts[:, pairs[:, 0]])[:, :, None]
    # What is wrong with an image is wrong in all its pairs.
    of_images = noise / np.sqrt(2) * rng.normal(size=(2, DAYS.size, 150))
    d += of_images[:, pairs[:, 1]] - of_images[:, pairs[:, 0]]
    wrong = rng.random(d.shape[1:]) < blunders
    d[:, wrong] += rng.uniform(-5, 5, (2, wrong.sum()))
    d[:, rng.random(d.shape[1:]) < 0.2] = np.nan
    sigma = np.full(d.shape[1:], 0.05)
    return Displacements(pairs, DAYS, d, sigma, np.arange(150) < stable), true, shifts


def test_shifts_and_velocities_are_told_apart_by_stable_ground():
    data, true, shifts = made(blunders=0.1)
    found = solve(data)
    assert found.absolute
    assert np.abs(found.shifts - shifts).max() < 0.03
    assert np.abs(found.velocity - true).max() < 0.01
    assert (found.velocity[:, data.stable] == 0).all()


def test_without_stable_ground_only_a_drift_is_unknown_and_no_velocity_is_absolute():
    data, true, shifts = made(stable=0)
    found = solve(data)
    assert found.anchor == "none"
    assert not found.absolute
    assert np.isnan(found.common_error)
    off = found.velocity - true
    assert np.abs(off - off.mean(axis=1, keepdims=True)).max() < 0.01
    drift = found.shifts - shifts
    assert np.abs(drift + off.mean(axis=1)[:, None] * DAYS).max() < 0.1


def test_a_given_shift_fixes_the_drift():
    data, true, shifts = made(stable=0)
    found = solve(data, given=tuple(shifts[:, -1]))
    assert found.anchor == "given"
    assert np.abs(found.velocity - true).max() < 0.01


def test_errors_are_those_that_are_made():
    off, shift_off, said, said_shift = [], [], [], []
    for seed in range(8):
        data, true, shifts = made(seed=seed)
        found = solve(data)
        ice = ~data.stable
        off.append((found.velocity - true)[:, ice])
        said.append(np.hypot(found.window_error[ice], found.common_error))
        shift_off.append((found.shifts - shifts)[:, 1:])
        said_shift.append(found.shift_error[1:])
    assert np.std(off) / np.median(said) == pytest.approx(1.0, abs=0.4)
    assert np.std(shift_off) / np.median(said_shift) == pytest.approx(1.0, abs=0.5)


def test_errors_of_whole_images_do_not_show_in_the_closure():
    data, _, shifts = made(noise=0.0)
    data = replace(data, d=data.d + 0.05 * np.random.default_rng(1).normal(size=data.d.shape))
    moved = data.d + 3.0 * (shifts[:, data.pairs[:, 1]] - shifts[:, data.pairs[:, 0]])[:, :, None]
    one, other = closure(data), closure(replace(data, d=moved))
    assert len(one) == 56
    assert one == pytest.approx(other, abs=1e-9)
    assert np.median(list(one.values())) == pytest.approx(0.05 * np.sqrt(3), rel=0.2)


def test_stable_ground_alone_sees_the_pairs_shifts():
    data, _, shifts = made()
    found, counts = series.stable_only(data)
    assert np.abs(found - (shifts[:, data.pairs[:, 1]] - shifts[:, data.pairs[:, 0]])).max() < 0.08
    assert counts.min() > 10


def test_images_that_nothing_connects_are_named():
    data, _, _ = made()
    d = data.d.copy()
    d[:, (data.pairs == 3).any(axis=1)] = np.nan
    with pytest.raises(
        ValueError, match="no valid vector connects image 3 with the others: leave it out, or add pairs"
    ):
        solve(replace(data, d=d))


def test_windows_with_too_few_pairs_have_no_velocity():
    data, _, _ = made()
    d = data.d.copy()
    d[:, 2:, 100] = np.nan
    found = solve(replace(data, d=d))
    assert np.isnan(found.velocity[:, 100]).all()
    with pytest.raises(ValueError, match="no window on ice is seen by 3 pairs or more of 28"):
        solve(replace(data, d=np.full(d.shape, np.nan)))


def test_when_a_seasonal_cycle_can_be_fitted_is_said():
    assert seasonal_condition(np.arange(0, 730, 30)) == ""
    assert "2 dates, expected 8 or more" in seasonal_condition([0, 400])
    assert "no date in" in seasonal_condition([*range(0, 80, 10), *range(365, 445, 10)])
