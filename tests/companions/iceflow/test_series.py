from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from oggm_glaunti.companions.iceflow import series
from oggm_glaunti.companions.iceflow.distortion import distorted, distortions
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


def test_an_image_counts_for_what_it_is():
    # Two images are four times worse than their correlation says; pairs of a good and a bad image make no bad one good.
    off, said = {}, {}
    for name, size in (("alike", np.full(8, 0.04)), ("hazy", np.r_[np.full(6, 0.04), 0.16, 0.16])):
        data, true, _ = made(noise=0.0)
        own = size[:, None] * np.random.default_rng(5).normal(size=(2, 8, 150))
        d = data.d + own[:, data.pairs[:, 1]] - own[:, data.pairs[:, 0]]
        found = solve(replace(data, d=d))
        off[name] = np.std((found.velocity - true)[:, 30:])
        said[name] = found
        np.testing.assert_allclose(found.image_error, size, rtol=0.3)
    # Least squares over all eight would be twice as far off: bad images are at the end, where they count most.
    assert off["hazy"] < 1.6 * off["alike"]
    assert np.median(said["hazy"].window_error[30:]) == pytest.approx(off["hazy"], rel=0.3)


def two_years(amplitude, peak, stable=30, noise=0.03):
    days = np.arange(0.0, 730.0, 36.5)
    pairs = np.array(usual_pairs(days, longest=120.0))
    turn, rng = 2 * np.pi / 365.25, np.random.default_rng(2)
    speed = np.r_[np.zeros(stable), rng.uniform(0.02, 0.05, 100)]
    path = days[:, None] * speed + amplitude * (np.sin(turn * (days - peak)) / turn)[:, None] * (speed > 0)
    shifts = 0.5 * rng.normal(size=(2, days.size))
    at = path * np.array([0.6, 0.8])[:, None, None] + shifts[:, :, None] + noise * rng.normal(size=(2, *path.shape))
    d = at[:, pairs[:, 1]] - at[:, pairs[:, 0]]
    return Displacements(pairs, days, d, np.full(d.shape[1:], 0.05), np.arange(speed.size) < stable), speed


def test_a_seasonal_cycle_of_two_years_is_found():
    data, speed = two_years(0.012, 140.0)
    found = solve(data, seasonal=True)
    ice = speed > 0
    np.testing.assert_allclose(np.hypot(*found.velocity)[ice], speed[ice], atol=4e-4)
    np.testing.assert_allclose(found.cycle.amplitude[ice], 0.012, atol=1e-3)
    np.testing.assert_allclose(found.cycle.peak[ice], 140.0, atol=5.0)
    assert np.std(found.cycle.amplitude[ice]) == pytest.approx(np.median(found.cycle.error[ice]), rel=0.3)
    assert np.isnan(found.cycle.amplitude[~ice]).all()
    # Without it, the ice votes for shifts that stable ground does not have.
    still = lambda solved: np.abs(np.nanmedian(solved.residual[:, :, ~ice], axis=2)).max()
    assert still(solve(data)) > 5 * still(found)
    none = solve(two_years(0.0, 0.0)[0], seasonal=True).cycle
    assert (none.amplitude[ice] < 5 * none.error[ice]).all()


def test_no_cycle_is_fitted_where_it_cannot_be_told_from_something_else():
    data, _ = two_years(0.012, 140.0, stable=0)
    with pytest.raises(ValueError, match="no seasonal cycle: without stable ground or a given shift"):
        solve(data, seasonal=True)
    with pytest.raises(ValueError, match="no seasonal cycle: dates span 36 days, expected 330 or more"):
        solve(made()[0], seasonal=True)


def test_when_a_seasonal_cycle_can_be_fitted_is_said():
    assert seasonal_condition(np.arange(0, 730, 30)) == ""
    almost_four = seasonal_condition([0, 100, 200, 300, 301, 302, 303, 330])
    assert almost_four == "no seasonal cycle: condition number 8.1 with these dates, expected at most 8"
    assert "2 dates, expected 8 or more" in seasonal_condition([0, 400])
    assert "no date in" in seasonal_condition([*range(0, 80, 10), *range(365, 445, 10)])


def test_an_image_that_no_one_shift_puts_in_place_is_named():
    data, _, _ = made(noise=0.02)
    # A stretch over 3,000 px, most in image 4; a part of 7 is off. In rows and columns of 10 windows, 100 px apart.
    place = np.stack(np.unravel_index(np.arange(150), (15, 10))) * 100.0
    off = np.zeros((8, 150))
    off[4] = (place[0] - 700.0) * 3e-4
    off[7, (place[0] > 900) & (place[1] < 500)] = 0.05
    moved = replace(data, d=data.d + off[data.pairs[:, 1]] - off[data.pairs[:, 0]])
    found = distortions(moved, solve(moved), place, 500.0)
    assert distorted(found) == [4]
    assert found[4] == pytest.approx(np.sqrt((off[4] ** 2).mean() / 2), rel=0.4)
    less = moved.without([4])
    assert less.days.tolist() == DAYS[[0, 1, 2, 3, 5, 6, 7]].tolist()
    assert len(less.pairs) == 21
    assert less.pairs.max() == 6
    assert distorted(distortions(less, solve(less), place, 500.0)) == []
