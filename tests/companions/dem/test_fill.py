from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from pyproj import CRS
from scipy import ndimage
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern, WhiteKernel

from oggm_glaunti.companions.dem import regression, residuals
from oggm_glaunti.companions.dem.coregister import estimate_shift, find_registration, nmad, shifted
from oggm_glaunti.companions.dem.fill import METHODS, Known, fill, what_is_known
from oggm_glaunti.companions.dem.predictors import predictors, reference_surface
from oggm_glaunti.companions.dem.stack import checked_stack
from oggm_glaunti.companions.dem.tiles import degree_tiles
from oggm_glaunti.companions.dem.trend import Trend, clipped_variance, linear_in_time
from oggm_glaunti.companions.dem.voids import disc, place_voids
from tests.companions.dem import worlds

# --- lines in time ---


def test_lines_are_those_of_weighted_least_squares():
    rng = np.random.default_rng(0)
    z, std = rng.normal(0, 10, (8, 5, 4)), rng.uniform(1, 5, (8, 5, 4))
    years = np.array([2000, 2001, 2002, 2004, 2005, 2009, 2010, 2011])
    lines = linear_in_time(z, std, years)
    weight = 1.0 / np.sqrt(clipped_variance(std))
    for pixel in np.ndindex(5, 4):
        here = (slice(None), *pixel)
        slope, level = np.polyfit(years - lines.middle, z[here], 1, w=weight[here])
        np.testing.assert_allclose([lines.level[pixel], lines.slope[pixel]], [level, slope], rtol=1e-10)


def test_a_pixel_seen_once_has_no_trend_and_one_never_seen_nothing():
    z = np.full((3, 1, 2), np.nan)
    z[1, 0, 0] = 5.0
    lines = linear_in_time(z, np.ones_like(z), np.arange(2000, 2003))
    assert (lines.level[0, 0], lines.slope[0, 0]) == (5.0, 0.0)
    assert np.isnan(lines.level[0, 1])


def test_badly_observed_pixels_neither_rule_nor_vanish():
    std = np.r_[0.01, np.full(98, 7.0), 5000.0].reshape(1, 10, 10)
    variance = clipped_variance(std)
    assert variance.max() == variance.min() == pytest.approx(49.0)


# --- where surfaces lie ---


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(rows=st.floats(-1.2, 1.2), cols=st.floats(-1.2, 1.2), offset=st.floats(-100, 100))
def test_a_known_shift_is_found_to_a_twentieth_of_a_pixel(rows, cols, offset):
    reference = worlds.smooth_noise((60, 50), 3.0, 200.0, 3)
    surface = shifted(reference, rows, cols) + offset
    surface[:3, :5] = np.nan
    found = estimate_shift(surface, reference)
    assert (found.rows, found.cols) == (pytest.approx(rows, abs=0.05), pytest.approx(cols, abs=0.05))
    assert found.median == pytest.approx(offset, abs=0.5)
    assert found.nmad_after <= found.nmad_before


def test_ground_without_relief_is_not_moved():
    found = estimate_shift(np.full((20, 20), 2054.0), np.full((20, 20), 2000.0))
    assert (found.rows, found.cols, found.median) == (0.0, 0.0, 54.0)


def test_a_shift_beyond_belief_is_an_error():
    reference = worlds.smooth_noise((60, 50), 3.0, 200.0, 3)
    with pytest.raises(ValueError, match=r"moved by \+3\..* rows .* less than 1.5 pixels are believed"):
        estimate_shift(shifted(reference, 3.0, 0.0), reference)


def test_ice_that_sank_does_not_move_the_reference():
    reference = worlds.smooth_noise((60, 50), 3.0, 200.0, 3)
    ice = np.zeros(reference.shape, bool)
    ice[10:50, 10:40] = True
    surface = shifted(reference, 0.5, -0.5) - np.where(ice, 0.2 * (reference - reference.min()), 0.0)
    found = estimate_shift(surface, reference, ~ice)
    assert (found.rows, found.cols) == (pytest.approx(0.5, abs=0.02), pytest.approx(-0.5, abs=0.02))


def test_pieces_that_lie_differently_each_get_their_shift():
    reference = worlds.smooth_noise((60, 50), 3.0, 200.0, 3)
    pieces = np.where(np.arange(60) < 25, 46, 45)[:, None] * np.ones((1, 50), int)
    surface = np.where(pieces == 46, shifted(reference, 0.5, -0.5), shifted(reference, -0.5, -0.5)) + 54.0
    found = find_registration(surface, reference, pieces=pieces)
    rows = {label: shift.rows for label, shift in found.shifts.items()}
    assert rows == {45: pytest.approx(-0.5, abs=0.02), 46: pytest.approx(0.5, abs=0.02)}
    np.testing.assert_allclose(found.moved(reference) + 54.0, surface, atol=3.0)
    whole = find_registration(surface, reference)
    error = [np.std(surface - registration.moved(reference)) for registration in (whole, found)]
    assert error[0] > 5.0 * error[1]


@pytest.mark.slow
@pytest.mark.parametrize("beside_expected", [(0, 0), (3, 0), (-2, 4)])
def test_seams_are_found_beside_the_expected_lines(beside_expected):
    reference = worlds.smooth_noise((60, 50), 3.0, 200.0, 3)
    expected = np.where(np.arange(60) < 25, 2, 0)[:, None] + np.where(np.arange(50) < 30, 0, 1)
    pieces = np.roll(expected, beside_expected, axis=(0, 1))
    pieces[:8], pieces[-8:] = expected[8], expected[-8]
    pieces[:, :8], pieces[:, -8:] = pieces[:, 8:9], pieces[:, -9:-8]
    shifts = {0: (0.5, 0.5), 1: (0.5, -0.5), 2: (-0.5, 0.5), 3: (-0.5, -0.5)}
    surface = np.select([pieces == k for k in shifts], [shifted(reference, *by) for by in shifts.values()])
    found = find_registration(surface, reference, pieces=expected)
    assert found.seams == beside_expected
    assert (found.pieces == pieces)[9:-9, 9:-9].all()


def test_a_piece_with_little_to_compare_takes_the_shift_of_the_whole():
    reference = worlds.smooth_noise((60, 50), 3.0, 200.0, 3)
    pieces = np.zeros((60, 50), int)
    pieces[:10, :10] = 7
    found = find_registration(shifted(reference, 0.25, 0.5), reference, pieces=pieces)
    assert (found.shifts[7].rows, found.shifts[7].cols) == (pytest.approx(0.25, abs=0.02), pytest.approx(0.5, abs=0.02))
    assert estimate_shift(shifted(reference, 0.25, 0.5), reference) == found.shifts[7]


def test_pieces_are_tiles_of_one_degree():
    # 7.96, 8.01 and 8.11 degrees east; 46.57 and 45.96 degrees north.
    x, y = np.array([420_000.0, 424_500.0, 431_900.0]), np.array([5_158_150.0, 5_090_150.0])
    tiles = [[46007, 46008, 46008], [45007, 45008, 45008]]
    assert degree_tiles(x, y, CRS.from_epsg(32632)).tolist() == [
        [c // 1000 * 360 + c % 1000 + 180 for c in r] for r in tiles
    ]


def test_too_little_stable_ground_is_an_error():
    with pytest.raises(ValueError, match="12 pixels of stable ground are known in both surfaces; expected 50"):
        estimate_shift(np.zeros((3, 4)), np.zeros((3, 4)))


def test_nmad_is_the_standard_deviation_of_a_normal_distribution():
    assert nmad(np.random.default_rng(0).normal(3.0, 2.0, 100_000)) == pytest.approx(2.0, rel=0.01)


# --- predictors ---


@pytest.mark.parametrize(("downhill", "sin", "cos"), [("n", 0, 1), ("e", 1, 0), ("s", 0, -1), ("w", -1, 0)])
@pytest.mark.parametrize("row_step", [-100.0, 100.0])
def test_aspect_is_where_the_slope_falls(downhill, sin, cos, row_step):
    rows, columns = np.indices((5, 5))
    north, east = rows * row_step, columns * 100.0
    height = {"n": -north, "s": north, "e": -east, "w": east}[downhill]
    found = reference_surface(height, (row_step, 100.0))
    assert found.slope[2, 2] == pytest.approx(45.0)
    assert (found.sin_aspect[2, 2], found.cos_aspect[2, 2]) == (pytest.approx(sin), pytest.approx(cos))


def test_flat_ground_faces_nowhere():
    aspect = np.array([[90.0, np.nan, -9999.0, -1.0]])
    aspect = np.repeat(aspect, 2, axis=0)
    found = reference_surface(np.zeros((2, 4)), (-100.0, 100.0), np.zeros((2, 4)), aspect)
    assert found.sin_aspect.tolist() == [[1.0, 0.0, 0.0, 0.0]] * 2
    assert np.abs(found.cos_aspect).max() < 1e-12


def test_predictors_are_between_0_and_1_and_a_constant_one_is_0():
    flat = predictors(reference_surface(np.full((4, 6), 2000.0), (-100.0, 100.0)))
    assert flat.min() == 0.0
    assert flat[..., :2].max() == 1.0
    assert (flat[..., 2:] == 0.0).all()


# --- regressions ---


def learn(method, values, known, wanted, **kwargs):
    ground = reference_surface(worlds.ground(), (-100.0, 100.0))
    about = {"predictors": predictors(ground), "elevation": ground.elevation}
    about |= {"gamma": 0.1, "n_features": 128, "seed": 0, **kwargs}
    return method(regression.Sample(values, np.ones(values.shape), known, wanted), **about)


def test_random_features_learn_what_depends_on_their_inputs_smoothly():
    reference, hidden = worlds.ground(), worlds.voids()
    truth = 0.02 * (reference - 3000.0) + 3.0 * np.sin(np.indices(reference.shape)[0] / 15.0)
    found = learn(regression.random_features, np.where(hidden, 1e9, truth), ~hidden, hidden)
    assert np.abs(found.value - truth)[hidden].max() < 0.5


def test_blunders_bend_the_published_regression_and_not_the_robust_one():
    hidden = worlds.voids()
    truth = 0.02 * (worlds.ground() - 3000.0)
    wrong = truth.copy()
    wrong[30:33, 5:8] = 900.0
    error = {
        method: np.abs(learn(method, wrong, ~hidden, hidden).value - truth)[hidden].max()
        for method in (regression.random_features, regression.robust_features)
    }
    assert error[regression.robust_features] < 3.0 < 10.0 < error[regression.random_features]


def test_random_features_are_the_same_for_the_same_seed_and_learn_from_20000_pixels_at_most(monkeypatch):
    hidden = worlds.voids()
    one, two = (learn(regression.random_features, worlds.ground(), ~hidden, hidden) for _ in range(2))
    assert (one.value == two.value).all()
    monkeypatch.setattr(regression, "MOST_LEARNED", 500)
    fewer = learn(regression.random_features, worlds.ground(), ~hidden, hidden)
    assert 0 < np.abs(fewer.value - one.value)[hidden].max() < 50.0


def test_the_hypsometric_method_takes_the_median_of_a_band():
    reference, hidden = worlds.ground(), worlds.voids()
    truth = np.floor(reference / 50.0)
    found = learn(regression.hypsometric, np.where(hidden, -999.0, truth), ~hidden, hidden)
    assert np.abs(found.value - truth)[hidden].max() <= 1.0


def test_too_few_pixels_for_a_band_leave_the_median():
    known = np.zeros(worlds.ground().shape, bool)
    known[:3, :3] = True
    found = learn(regression.hypsometric, worlds.ground(), known, ~known)
    assert (found.value == np.median(worlds.ground()[known])).all()


# --- residuals ---


def test_kriging_is_a_gaussian_process_where_all_pixels_are_neighbours():
    rng = np.random.default_rng(0)
    values, known = rng.normal(0, 3, (6, 7)), rng.random((6, 7)) < 0.6
    nugget, distance = 0.15, 3.0
    found = residuals.krige(values, known, ~known, distance=distance, nugget=nugget, neighbours=99)
    kernel = (1 - nugget) * Matern(distance, nu=0.5) + WhiteKernel(nugget)
    process = GaussianProcessRegressor(kernel, optimizer=None, alpha=0.0).fit(np.argwhere(known), values[known])
    mean, std = process.predict(np.argwhere(~known), return_std=True)
    np.testing.assert_allclose(found.value, mean, atol=1e-9)
    np.testing.assert_allclose(found.share, std**2, atol=1e-9)


def test_kriging_decays_into_the_regression():
    known = np.zeros((1, 60), bool)
    known[0, :3] = True
    found = residuals.krige(np.full((1, 60), 9.0), known, ~known, distance=3.0, nugget=0.1, neighbours=3)
    assert (np.diff(np.abs(found.value)) < 0).all()
    assert abs(found.value[-1]) < 1e-6
    assert found.share[-1] == pytest.approx(1.0)
    assert (np.diff(found.share) >= 0).all()


def test_pixels_are_kriged_in_portions_without_a_difference(monkeypatch):
    values, hidden = worlds.ground(), worlds.voids()
    about = {"distance": 3.0, "nugget": 0.15, "neighbours": 12}
    whole = residuals.krige(values, ~hidden, hidden, **about)
    monkeypatch.setattr(residuals, "KRIGED_AT_ONCE", 5)
    parts = residuals.krige(values, ~hidden, hidden, **about)
    np.testing.assert_array_equal(parts.value, whole.value)


def test_inverse_distances_stay_within_their_neighbours():
    values, hidden = worlds.ground(), worlds.voids()
    found = residuals.idw(values, ~hidden, hidden, neighbours=12)
    assert values[~hidden].min() <= found.value.min() <= found.value.max() <= values[~hidden].max()


def test_variance_is_told_from_nearby():
    rng = np.random.default_rng(0)
    values = rng.normal(0.0, np.where(np.arange(40) < 20, 1.0, 30.0), (30, 40))
    hidden = np.zeros(values.shape, bool)
    hidden[15, [4, 35]] = True
    calm, rough = residuals.local_variance(values, ~hidden, hidden, 40)
    assert calm == pytest.approx(1.0, rel=0.5)
    assert rough == pytest.approx(900.0, rel=0.5)


def test_badly_observed_pixels_count_less():
    hidden = worlds.voids()
    values, variance = np.zeros(hidden.shape), np.ones(hidden.shape)
    values[:, 20:], variance[:, 20:] = 4.0, 1e4
    ground = reference_surface(worlds.ground(), (-100.0, 100.0))
    about = {"predictors": np.zeros((*hidden.shape, 6)), "elevation": ground.elevation, "gamma": 0.1}
    found = [
        regression.random_features(
            regression.Sample(values, v, ~hidden, hidden), n_features=16, seed=0, **about
        ).value.mean()
        for v in (np.ones(hidden.shape), variance)
    ]
    assert found[0] == pytest.approx(2.0, abs=0.2)
    assert found[1] == pytest.approx(0.0, abs=0.05)


def test_intervals_hold_what_they_say_of_a_field_with_that_covariance():
    rows, columns = np.indices((40, 40)).reshape(2, -1)
    far = np.hypot(rows[:, None] - rows, columns[:, None] - columns)
    rng = np.random.default_rng(0)
    covariance = 0.85 * np.exp(-far / 3.0) + 0.15 * np.eye(rows.size)
    field = 10.0 * (np.linalg.cholesky(covariance) @ rng.standard_normal(rows.size)).reshape(40, 40)
    hidden = place_voids(np.zeros((40, 40), bool), [disc(2.0)], 0.2, rng)
    lines = Trend(0.0, np.where(hidden, np.nan, field), *np.zeros((2, 40, 40)), *np.ones((2, 40, 40)), 2 * ~hidden)
    flat = reference_surface(np.zeros((40, 40)), (-100.0, 100.0))
    found = fill(Known(lines, flat, None, ~hidden), hidden, "kriging")
    ratio = (found.height - field[hidden]) / np.sqrt(found.height_variance)
    assert np.std(ratio) == pytest.approx(1.0, abs=0.12)
    near = ndimage.distance_transform_edt(hidden)[hidden] < 1.5
    assert found.height_variance[near].mean() < 0.9 * found.height_variance[~near].mean()


# --- together ---


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_heights_and_trend_of_a_made_up_valley(method):
    known = what_is_known(checked_stack(*worlds.stack()), coregister=False)
    heights, std = fill(known, worlds.voids(), method).at(worlds.YEARS)
    truth = worlds.surface()[:, worlds.voids()]
    assert np.sqrt(np.mean((heights - truth) ** 2)) < {"rff_kriging": 3.5, "kriging": 4.0, "idw": 5.0, "rff": 9.0}.get(
        method, 12.0
    )
    assert (heights[-1] - heights[0]).mean() == pytest.approx(5 * worlds.TREND, abs=0.5)
    assert (std > 0).all()


@pytest.mark.slow
def test_what_is_hidden_is_not_looked_at():
    z, z_std, reference = worlds.stack()
    hidden = np.zeros(reference.shape, bool)
    hidden[25:30, 10:15] = True
    wild = z.copy()
    wild.values[:, hidden] = 1e6
    one, two = (what_is_known(checked_stack(s, z_std, reference), hidden=hidden) for s in (z, wild))
    np.testing.assert_array_equal(fill(one, hidden).height, fill(two, hidden).height)


def test_an_unknown_method_is_refused_with_those_there_are():
    known = what_is_known(checked_stack(*worlds.stack()))
    with pytest.raises(ValueError, match=r"expected one of rff_kriging, rff, kriging, .*found 'spline'"):
        fill(known, worlds.voids(), "spline")
