from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from oggm_glaunti.companions.dem import impute
from oggm_glaunti.companions.dem.coregister import shifted
from oggm_glaunti.companions.dem.cross_validation import cross_validate
from oggm_glaunti.companions.dem.fill import FillOptions
from oggm_glaunti.companions.dem.impute import impute_dem_stack, own_shapes
from oggm_glaunti.companions.dem.scores import hold_out, score
from oggm_glaunti.companions.dem.stack import Stack, checked_stack
from oggm_glaunti.companions.dem.tiles import read_tiles
from tests.companions.dem import worlds


@pytest.fixture(scope="module")
def filled() -> xr.Dataset:
    return impute_dem_stack(*worlds.stack())


@pytest.mark.slow
def test_what_was_known_is_unchanged(filled):
    z, z_std, _ = worlds.stack()
    np.testing.assert_array_equal(filled.z.where(~filled.imputed), z.astype(np.float32))
    np.testing.assert_array_equal(filled.z_std.where(~filled.imputed), z_std.astype(np.float32))


@pytest.mark.slow
def test_every_void_is_filled_and_flagged(filled):
    assert (filled.imputed.values == worlds.voids()).all()
    assert np.isfinite(filled.z).all()
    assert np.isfinite(filled.dh_trend).all()
    error = filled.z.values - worlds.surface()
    assert np.sqrt(np.mean(error[:, worlds.voids()] ** 2)) < 4.0
    assert float(filled.dh_trend.values[worlds.voids()].mean()) == pytest.approx(worlds.TREND, abs=0.1)


def test_a_void_is_never_known_better_than_what_was_seen(filled):
    assert float(filled.z_std.where(filled.imputed).min()) >= 2.0


def test_the_dataset_says_how_it_was_made(filled):
    about = filled.attrs
    assert (about["method"], about["seed"]) == ("rff_kriging", 0)
    assert about["median_dh"] == pytest.approx(54.0, abs=4.0)
    assert abs(about["shift_rows"][0]) < 0.2
    assert 0 < about["median_error"] < about["rmse"] < 6.0
    assert 0.5 < about["std_scale"] < 2.0


@pytest.mark.slow
def test_what_is_said_of_the_uncertainty_of_a_void_does_not_count(filled):
    z, z_std, reference = worlds.stack()
    found = impute_dem_stack(z, z_std.where(np.isfinite(z), 0.0), reference)
    np.testing.assert_array_equal(found.z_std, filled.z_std)


def test_infinite_heights_are_voids():
    z, z_std, reference = worlds.stack()
    found = impute_dem_stack(z.fillna(np.inf), z_std.fillna(np.inf), reference, method="idw")
    assert (found.imputed.values == worlds.voids()).all()
    assert np.isfinite(found.z).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_heights(filled):
    again = impute_dem_stack(*worlds.stack())
    np.testing.assert_array_equal(again.z, filled.z)


def test_heights_and_deviations_are_filled_by_their_own_masks():
    z, z_std, reference = worlds.stack()
    z_std[2, 30:32, 20] = np.nan
    z[3, 33, 21] = np.nan
    found = impute_dem_stack(z, z_std, reference, coregister=False, method="kriging")
    np.testing.assert_array_equal(found.z[2, 30:32, 20], z[2, 30:32, 20].astype(np.float32))
    assert found.z_std[2, 30:32, 20].values == pytest.approx([2.1, 2.1], abs=0.1)
    assert not found.imputed[2, 30:32, 20].any()
    assert bool(found.imputed[3, 33, 21])
    assert not bool(found.imputed[2, 33, 21])
    assert float(found.z[3, 33, 21]) == pytest.approx(worlds.surface()[3, 33, 21], abs=3.0)


def test_a_pixel_seen_in_few_years_keeps_its_height_and_gets_its_trend_from_around():
    z, z_std, reference = worlds.stack()
    truth = worlds.surface()[:, 12, 12] + 40.0
    # A line through these would fall by 6 m a year.
    z.values[:, 12, 12] = [truth[0] + 3.0, truth[1] - 3.0, *[np.nan] * 4]
    found = impute_dem_stack(z, z_std, reference, coregister=False, method="kriging")
    assert float(found.z[1, 12, 12]) == np.float32(z.values[1, 12, 12])
    assert found.imputed[:, 12, 12].values.tolist() == [False, False, True, True, True, True]
    assert np.abs(found.z.values[2:, 12, 12] - truth[2:]).max() < 2.5
    assert float(found.dh_trend[12, 12]) == pytest.approx(worlds.TREND, abs=0.2)


def test_two_years_of_which_one_has_a_hole_take_the_trend_from_around():
    z, z_std, reference = worlds.stack()
    z, z_std = z[[0, 5]], z_std[[0, 5]]
    hole = np.zeros(reference.shape, bool)
    hole[30:36, 20:26] = True
    z.values[1, hole] = np.nan
    found = impute_dem_stack(z, z_std, reference, coregister=False, method="kriging")
    error = (found.z.values[1] - worlds.surface()[5])[hole]
    assert np.abs(error).max() < 3.0
    assert found.dh_trend.values[hole].mean() == pytest.approx(worlds.TREND, abs=0.2)


def test_years_far_from_those_seen_are_less_sure():
    z, z_std, reference = worlds.stack()
    z.values[3:, 30:33, 20] = np.nan
    found = impute_dem_stack(z, z_std, reference, coregister=False, method="kriging")
    spread = found.z_std.values[3:, 31, 20]
    assert (np.diff(spread) > 0).all()
    # A line through 0, 1, 2 at 5, the errors of the three being one: 2 m sqrt(1 + 4^2 / (2/3)).
    assert spread[-1] == pytest.approx(2.0 * np.sqrt(1.0 + 16.0 / (2.0 / 3.0)), rel=1e-6)


def test_standard_deviations_are_scaled_by_what_the_trial_says(monkeypatch):
    z, z_std, reference = worlds.stack()
    found = []
    for factor in (5.0, 10.0):
        monkeypatch.setattr(impute, "usable_scale", lambda scores, factor=factor: factor)
        found.append(impute_dem_stack(z, z_std, reference, method="kriging"))
    void = worlds.voids()
    np.testing.assert_allclose(found[1].z_std.values[:, void], 2.0 * found[0].z_std.values[:, void], rtol=1e-6)
    assert found[0].attrs["std_scale"] == 5.0


@pytest.mark.slow
def test_a_wide_edge_does_not_run_away():
    z, z_std, reference = worlds.stack()
    for gap in (np.s_[:, :, 25:], np.s_[:, :12, :]):
        cut = z.copy()
        cut.values[gap] = np.nan
        found = impute_dem_stack(cut, z_std.where(np.isfinite(cut)), reference, coregister=False)
        error = (found.z.values - worlds.surface())[gap]
        assert np.sqrt(np.mean(error**2)) < 12.0
        assert np.abs(found.dh_trend - worlds.TREND).max() < 0.5
        assert found.attrs["tried_distance"] > 2.0


def test_where_nothing_can_be_tried_nothing_is_claimed():
    z, z_std, reference = worlds.stack()
    cut = z.where(xr.DataArray(np.indices(reference.shape).sum(axis=0) % 2 == 0, dims=("y", "x")))
    found = impute_dem_stack(cut, z_std.where(np.isfinite(cut)), reference, coregister=False, method="idw")
    assert found.attrs["std_scale"] == 1.0
    assert "rmse" not in found.attrs
    assert np.isfinite(found.z).all()


def test_ice_everywhere_leaves_the_ice_to_compare_with():
    z, z_std, reference = worlds.stack()
    found = impute_dem_stack(z, z_std, reference, mask=~worlds.voids(), method="idw", coregister=False)
    assert found.attrs["median_dh"] == pytest.approx(54.0, abs=4.0)
    with pytest.raises(ValueError, match="0 pixels of stable ground"):
        impute_dem_stack(z, z_std, reference, mask=~worlds.voids(), method="idw")


def test_years_come_out_in_order():
    z, z_std, reference = worlds.stack()
    order = [3, 0, 5, 1, 2, 4]
    one = impute_dem_stack(z, z_std, reference, method="kriging")
    two = impute_dem_stack(z[order], z_std[order], reference, method="kriging")
    np.testing.assert_array_equal(two.z, one.z)


def test_a_deep_edge_is_tried_as_deep_as_two_percent_of_the_pixels_allow():
    void = np.zeros((60, 60), bool)
    void[:, 45:] = void[5:7, 5:8] = True
    shapes = own_shapes(void)
    assert shapes[1].sum() == 6
    assert shapes[0].shape == (2 * 4 + 1,) * 2  # a radius of sqrt(0.02 * 2694 / pi)
    void[:, 48:] = False
    assert own_shapes(void)[0].shape == (2 * 2 + 1,) * 2


def test_heights_in_too_few_years_are_too_few():
    z, z_std, reference = worlds.stack()
    cut = z.where(xr.DataArray(np.indices(z.shape).sum(axis=0) % 6 == 0, dims=z.dims))
    with pytest.raises(ValueError, match="z: 0 of 2000 pixels have heights in half of the years, two at least"):
        impute_dem_stack(cut, z_std, reference)


def test_an_unknown_method_is_refused_even_where_nothing_is_void():
    heights = worlds.as_xarray(worlds.surface())
    with pytest.raises(ValueError, match="method: expected one of"):
        impute_dem_stack(heights, np.full(heights.shape, 2.0), worlds.ground(), method="bogus")


def test_a_stack_without_voids_comes_back_as_it_is():
    heights = worlds.as_xarray(worlds.surface())
    found = impute_dem_stack(heights, np.full(heights.shape, 2.0), worlds.ground())
    np.testing.assert_array_equal(found.z, heights.astype(np.float32))
    assert not found.imputed.any()
    assert "rmse" not in found.attrs


def test_moving_the_reference_is_worth_it():
    z, z_std, reference = worlds.stack()
    aside = shifted(reference, 0.5, 0.5)
    error = {}
    for coregister in (True, False):
        found = impute_dem_stack(z, z_std, aside, method="kriging", coregister=coregister)
        error[coregister] = found.attrs["rmse"]
    assert error[True] < 0.8 * error[False]


def test_rows_may_run_north():
    z, z_std, reference = worlds.stack()
    one = impute_dem_stack(z, z_std, reference, method="kriging")
    flipped = impute_dem_stack(z[:, ::-1], z_std[:, ::-1], reference[::-1], method="kriging")
    np.testing.assert_allclose(flipped.z[:, ::-1].where(one.imputed, 0), one.z.where(one.imputed, 0), atol=0.1)
    assert flipped.attrs["shift_rows"] == pytest.approx([-one.attrs["shift_rows"][0]], abs=0.05)


# --- errors ---


def bad(**changes):
    z, z_std, dem_ref = worlds.stack()
    return {"z": z, "z_std": z_std, "dem_ref": dem_ref, **changes}


def elsewhere(metres: float) -> xr.DataArray:
    z, z_std, _ = worlds.stack()
    return z_std.assign_coords(x=z.x + metres)


def void_year() -> xr.DataArray:
    z, _, _ = worlds.stack()
    z.values[2] = np.nan
    return z


def without_coordinates() -> xr.DataArray:
    z, _, _ = worlds.stack()
    return z.drop_vars(["y", "x"])


def relabelled(**coords) -> xr.DataArray:
    z, _, _ = worlds.stack()
    return z.assign_coords(coords)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"z": without_coordinates(), "z_std": np.ones((6, 50, 40))}, r"'x'\) with \['year'\]"),
        (
            {"z": relabelled(year=worlds.YEARS + 0.75), "z_std": np.ones((6, 50, 40))},
            "year holds .*2000.75.* expected whole",
        ),
        (
            {"z": relabelled(x=8.0 + 0.001 * np.arange(40)), "z_std": np.ones((6, 50, 40))},
            "x has steps of 0.001; expected metres",
        ),
        ({"z": void_year(), "z_std": np.ones((6, 50, 40))}, "z and z_std: no pixel has both in 2002"),
        ({"z_std": np.full((6, 50, 40), np.nan)}, "z and z_std: no pixel has both in 2000, 2001"),
        ({"z": np.zeros((6, 50, 40))}, "z: expected a DataArray of year, y, x with coordinates, found ndarray"),
        ({"z_std": np.ones((6, 50, 41))}, r"z_std has the shape \(6, 50, 41\); expected \(6, 50, 40\)"),
        ({"z_std": elsewhere(50.0)}, "z_std is on other pixels than z: year 2000 to 2005 .6., .*x 400100 to 404000"),
        ({"z_std": elsewhere(1e5)}, "z_std does not overlap z"),
        ({"dem_ref": np.full((50, 40), np.nan)}, "dem_ref: 2000 of 2000 pixels have no value"),
        ({"z": worlds.as_xarray(np.full((6, 50, 40), np.nan))}, "z: 0 of 2000 pixels have a height.*all of it is void"),
        ({"z_std": np.zeros((6, 50, 40))}, "z_std: .* values are 0 m where there is a height, first in 2000"),
    ],
    ids=[
        "coordinates",
        "parts of years",
        "degrees",
        "void year",
        "no deviations",
        "no array",
        "shape",
        "other pixels",
        "no overlap",
        "reference",
        "all void",
        "zero deviation",
    ],
)
def test_bad_input_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        impute_dem_stack(**bad(**changes))


def test_a_single_year_says_nothing_about_change():
    z, z_std, reference = worlds.stack()
    with pytest.raises(ValueError, match=r"z: found the years \[2000\]; expected two or more that differ"):
        impute_dem_stack(z[:1], z_std[:1], reference)


def test_uneven_pixels_are_refused():
    z, z_std, reference = worlds.stack()
    with pytest.raises(ValueError, match="z: x has steps of 100 to 300 m; expected even ones"):
        impute_dem_stack(z.assign_coords(x=np.r_[z.x[:-1], z.x[-1] + 200]), z_std.values, reference)


# --- comparing methods ---


def test_cross_validation_hides_the_same_pixels_from_every_method():
    stacks = {"valley": checked_stack(*worlds.stack())}
    one, two = (cross_validate(stacks, method, realisations=2, calibrate=False) for method in ("constant", "kriging"))
    for key, held_out in one.held_out.items():
        np.testing.assert_array_equal(held_out.pixels, two.held_out[key].pixels)
        np.testing.assert_array_equal(held_out.true, two.held_out[key].true)
    assert two.rmse < one.rmse
    assert one.table.realisation.tolist() == [0, 1]


@pytest.mark.slow
def test_nothing_that_is_hidden_reaches_a_prediction_its_spread_or_the_choice():
    stack = checked_stack(*worlds.stack())
    candidates = [FillOptions(distance=0.05), FillOptions(distance=3.0)]
    about = {"realisations": 1, "candidates": candidates, "library": [np.ones((3, 3), bool)]}
    one = cross_validate({"valley": stack}, "rff_kriging", **about)
    hidden = one.held_out["valley", 0].pixels
    wild = stack._replace(z=np.where(hidden, 9999.0, stack.z), z_std=np.where(hidden, 1e-3, stack.z_std))
    two = cross_validate({"valley": wild}, "rff_kriging", **about)
    for name in ("predicted", "std"):
        fields = (getattr(found.held_out["valley", 0], name) for found in (one, two))
        np.testing.assert_array_equal(*fields)
    assert one.table.distance.tolist() == two.table.distance.tolist() == [3.0]


def test_a_calibration_scales_the_spread():
    stack = checked_stack(*worlds.stack())
    found = [cross_validate({"v": stack}, "kriging", realisations=1, calibrate=c) for c in (False, True)]
    ratio = found[1].held_out["v", 0].std / found[0].held_out["v", 0].std
    assert ratio.min() == pytest.approx(ratio.max())
    assert ratio.max() != 1.0


def real(shared, name: str) -> Stack:
    t = read_tiles(shared / "data" / "demimputation", name)
    return checked_stack(t.z, t.z_std, t.dem_ref, t.slope, t.aspect, pieces=t.pieces)


@pytest.mark.slow
def test_real_voids_are_filled_better_than_by_features_alone(shared):
    stacks = {name: real(shared, name) for name in ("Corbassiere", "Sarenne")}
    found = {m: cross_validate(stacks, m, realisations=2, calibrate=False) for m in ("constant", "rff", "rff_kriging")}
    best, features, constant = (found[m].table for m in ("rff_kriging", "rff", "constant"))
    assert found["rff"].rmse < 15.0
    assert found["rff_kriging"].rmse < 12.0
    assert best.median_error.mean() < 6.0
    assert (best.rmse < features.rmse).sum() >= 3
    assert found["rff_kriging"].rmse < 0.8 * found["constant"].rmse
    # In Sarenne's few pixels one of them can turn the scores of a realisation.
    assert (best.rmse <= 1.1 * constant.rmse)[best.glacier == "Corbassiere"].all()
    assert best.coverage_90.between(0.8, 1.0).all()


def test_hidden_pixels_of_a_real_glacier_have_distances_and_slopes(shared):
    stack = real(shared, "Sarenne")
    hidden = np.zeros(stack.void.shape, bool)
    hidden[20:25, 10:15] = True
    found = hold_out(stack, hidden & ~stack.void, "kriging")
    assert found.distance.max() == pytest.approx(3.0, abs=0.5)
    assert 0 < found.slope.min() < found.slope.max() < 90
    assert score(found).rmse < 10.0
