from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from oggm_glaunti.companions.iceflow import synthetic, tracking
from oggm_glaunti.companions.iceflow.correlation import match
from oggm_glaunti.companions.iceflow.preprocess import prepare, smoothed
from oggm_glaunti.companions.iceflow.tracking import track

HOW = {"chips": (32,), "search": 6}


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(128, 128))


def plain_ncc(chip, window):
    """Correlation at every lag by plain loops."""
    size, lags = chip.shape[0], window.shape[0] - chip.shape[0] + 1
    result = np.empty((lags, lags))
    for r in range(lags):
        for c in range(lags):
            result[r, c] = np.corrcoef(chip.ravel(), window[r : r + size, c : c + size].ravel())[0, 1]
    return result


@pytest.mark.parametrize("gaps", [False, True])
def test_the_peak_is_that_of_plain_loops(gaps):
    rng = np.random.default_rng(1)
    window = ndimage.gaussian_filter(rng.normal(size=(24, 24)), 1.0).astype(np.float32)
    chip = window[7:23, 3:19] + 0.05 * rng.normal(size=(16, 16)).astype(np.float32)
    ncc = plain_ncc(chip, window)
    masks = (np.ones((1, 16, 16), bool), np.ones((1, 24, 24), bool)) if gaps else (None, None)
    found = match(chip[None], window[None], *masks, np.float32(1e-6))
    assert np.unravel_index(ncc.argmax(), ncc.shape) == (7, 3)
    assert np.abs(np.asarray(found.shift[0]) - (3, -1)).max() < 0.5
    assert float(found.peak[0]) == pytest.approx(ncc.max(), abs=2e-5)
    away = ncc.copy()
    away[4:11, 0:7] = -1
    assert float(found.ratio[0]) == pytest.approx(ncc.max() / away.max(), rel=1e-3)


def test_sub_pixel_shifts_are_found_without_locking_to_pixels():
    fine = synthetic.texture((128, 128), np.random.default_rng(3))
    still = synthetic.moved(fine, np.zeros((2, 128, 128)))
    for phase in (0.25, 0.5):
        found = track(still, synthetic.moved(fine, np.full((2, 128, 128), phase)), **HOW)
        assert abs(np.median(found.d_row) - phase) < 0.03
        assert abs(np.median(found.d_col) - phase) < 0.03


def test_identical_images_do_not_move_at_all(noise):
    found = track(noise, noise, **HOW)
    assert found.valid.all()
    assert (found.d_row == 0).all()
    assert (found.d_col == 0).all()


def test_whole_shifts_are_exact_and_positive_towards_higher_rows_and_columns(noise):
    found = track(noise, np.roll(noise, (3, -2), (0, 1)), **HOW)
    # At the border what is left after the filter moves with the border.
    inside = (slice(1, -1), slice(1, -1))
    assert found.valid[inside].all()
    assert (found.d_row[inside] == 3).all()
    assert (found.d_col[inside] == -2).all()


def test_noise_against_noise_is_rejected(noise):
    found = track(noise, np.random.default_rng(9).normal(size=noise.shape), **HOW)
    assert found.valid.mean() < 0.1


def test_motion_beyond_the_search_has_no_vector(noise):
    smooth = ndimage.gaussian_filter(noise, 2.0)
    found = track(smooth, np.roll(smooth, 7, axis=0), **HOW)
    assert found.edge.mean() > 0.8
    assert not found.valid[found.edge].any()
    assert np.isnan(found.d_row[found.edge]).all()


def test_motion_far_beyond_a_chip_is_found_by_coarser_images():
    made = ndimage.gaussian_filter(np.random.default_rng(2).normal(size=(384, 384)), 2.0)
    found = track(made, np.roll(made, (25, 18), (0, 1)), chips=(32,), step=32, search=30)
    assert found.valid[1:-2, 1:-2].all()
    assert np.abs(found.d_row[1:-2, 1:-2] - 25).max() < 0.05


def test_a_guess_takes_the_search_with_it(noise):
    moved = np.roll(noise, 9, axis=1)
    shape = track(noise, moved, **HOW).d_row.shape
    found = track(noise, moved, guess=(np.zeros(shape), np.full(shape, 8.0)), **HOW)
    assert (found.d_col[1:-1, 1:-1] == 9).all()
    assert found.valid[1:-1, 1:-1].all()


def test_stripes_of_nodata_do_not_hold_vectors_back():
    made = synthetic.scene((160, 160), (0.0, 5.0), fastest=0.6)
    stripes = np.indices((160, 160))[0] % 20 < 5
    seen = [np.where(stripes, np.nan, image) for image in made.images]
    found = track(*seen, **HOW)
    whole = track(*made.images, **HOW)
    both = found.valid & whole.valid
    assert both.mean() > 0.7
    assert np.abs((found.d_row - whole.d_row)[both]).max() < 0.3
    assert abs(np.median((found.d_row - whole.d_row)[both])) < 0.03


@pytest.mark.slow
def test_chips_together_are_as_good_as_the_best_size_at_a_shear_margin():
    made = synthetic.scene((512, 512), (0.0, 7.0), power=8.0, noise=0.2, decorrelation=0.3, illumination=True)
    error = {}
    for chips in ((16,), (64,), (16, 32, 64)):
        found = track(*made.images, chips=chips, step=16)
        r, c = (axis.astype(int).clip(0, 511) for axis in (found.row, found.col))
        off = found.d_row - 7 * made.velocity[0][np.ix_(r, c)]
        error[chips] = np.sqrt((off[found.valid] ** 2).mean())
    assert error[16, 32, 64] < 1.05 * min(error[(16,)], error[(64,)])


def test_the_error_of_a_vector_is_about_right():
    made = synthetic.scene((256, 256), (0.0, 7.0), noise=0.5, decorrelation=0.3, fastest=0.0)
    found = track(*made.images, step=16, **HOW)
    off = np.r_[found.d_row[found.valid], found.d_col[found.valid]]
    assert 0.5 < np.sqrt((off**2).mean()) / np.median(found.error[found.valid]) < 1.6


def test_strips_do_not_show(noise, monkeypatch):
    moved = np.roll(noise, (1, 2), (0, 1)) + 0.1 * np.random.default_rng(5).normal(size=noise.shape)
    whole = track(noise, moved, **HOW)
    monkeypatch.setattr(tracking, "STRIP", 32)
    strips = track(noise, moved, **HOW)
    np.testing.assert_allclose(strips.d_row, whole.d_row, atol=1e-3)
    np.testing.assert_array_equal(strips.valid, whole.valid)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chips": (256,)}, "a chip of 256 px does not fit into images of 128 x 128 px"),
        ({"chips": (4,)}, "chips: expected sides of 8 px or more, found 4"),
        ({"search": 64}, "search: expected 2 px or more and less than half the images' 128 x 128 px, found 64"),
        ({"second": np.ones((100, 128))}, r"shapes \(128, 128\) and \(100, 128\)"),
        ({"second": np.full((128, 128), 7.0)}, r"the second image is constant \(7.0\)"),
        ({"second": np.full((128, 128), np.nan)}, "the second image has no valid pixel: all are nodata"),
        ({"method": "sharpen"}, "method: expected one of highpass, wallis, orientation, none, found 'sharpen'"),
        ({"guess": (np.zeros(3), np.zeros(3))}, r"guess: has shape \(3,\), the windows \(4, 4\)"),
        ({"valid": (np.ones(3, bool), None)}, r"valid: has shape \(3,\), its image \(128, 128\)"),
    ],
)
def test_what_cannot_be_tracked_is_said(noise, change, message):
    how = {**HOW, "second": noise, **change}
    with pytest.raises(ValueError, match=message):
        track(noise, how.pop("second"), **how)


def test_images_that_share_no_data_are_an_error(noise):
    left = np.indices(noise.shape)[1] < 64
    with pytest.raises(ValueError, match="no pixel has data in both images"):
        track(noise, noise, valid=(left, ~left), **HOW)


def test_no_filter_smears_the_edge_of_nodata():
    rng = np.random.default_rng(6)
    image = rng.normal(size=(64, 64)) + 100.0
    valid = np.indices((64, 64))[1] < 40
    for method in ("highpass", "wallis", "orientation"):
        made = prepare(np.where(valid, image, 0.0), valid, method)
        other = prepare(np.where(valid, image, 1e4), valid, method)
        np.testing.assert_array_equal(made, other)
        assert (made[:, 44:] == 0).all()
        assert made[:, 34:40].std() > 0.3 * made[:, 10:34].std()


def test_the_mean_of_valid_pixels_does_not_know_the_others():
    values = np.where(np.indices((9, 9))[1] < 5, 3.0, 1e6)
    assert smoothed(values, values < 10, 2.0)[4, 3] == pytest.approx(3.0, rel=1e-6)


@pytest.mark.parametrize("method", ["wallis", "orientation"])
def test_other_filters_find_the_motion_too(method):
    made = synthetic.scene((160, 160), (0.0, 5.0), fastest=0.6, illumination=True)
    found = track(*made.images, method=method, **HOW)
    r, c = (axis.astype(int).clip(0, 159) for axis in (found.row, found.col))
    off = found.d_row - 5 * made.velocity[0][np.ix_(r, c)]
    assert found.valid.mean() > 0.9
    assert np.sqrt((off[found.valid] ** 2).mean()) < 0.3
