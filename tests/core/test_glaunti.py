from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.forcing import GriddedForcing
from oggm_glaunti.core.glacier_columns import glacier_columns, run_year_on_columns, swe_profile
from oggm_glaunti.core.glaunti import (
    CorrectedYear,
    GlaUnTI,
    Season,
    correct,
    corrections,
    geometry_fields,
    response_fields,
    run_seasons,
    run_year,
)
from oggm_glaunti.core.smooth import even_heights
from oggm_glaunti.core.units import ELEVATION_NORM, ELEVATION_STD_NORM, SMB_NORM
from oggm_glaunti.core.weights import read_model

from . import plain
from .test_temperature_index import numbers
from .worlds import GRADIENT, REF_HGT, World, model, small_a, world, x64

run = jax.jit(run_year)
run_columns = jax.jit(run_year_on_columns)
uncorrected = jax.jit(run_seasons, static_argnames="observe")


def columns_of(place: World):
    nodes = even_heights(float(place.elevation.min()), float(place.elevation.max()), 10.0)
    return glacier_columns(place.outline, place.elevation, nodes, REF_HGT, GRADIENT)


@functools.cache
def one_year(dtype: str = "float32") -> CorrectedYear:
    """The same year in single or double precision, as NumPy arrays."""
    with x64(dtype == "float64"):
        return jax.tree.map(np.asarray, run(model("C", dtype), *inputs_of(world(dtype=dtype))))


def inputs_of(place: World) -> tuple:
    return place.swe, place.seasons, place.fields, place.climate


@pytest.fixture(params=["random weights", "published weights"])
def c(request: pytest.FixtureRequest) -> GlaUnTI:
    """Model C; with random weights where the published ones are not at hand."""
    if request.param == "random weights":
        return model("C")
    folder = request.getfixturevalue("weights_dir")
    with (folder / "c.eqx").open("rb") as stream:
        return read_model(stream, "C")[0]


def test_a_model_says_whether_it_has_a_corrector():
    full = model("C")
    with pytest.raises(ValueError, match=r"'C'.*A has no corrector"):
        GlaUnTI(full.ti, None, "C")
    with pytest.raises(ValueError, match=r"'A'.*A has no corrector"):
        GlaUnTI(full.ti, full.corrector, "A")


def test_a_model_of_an_unknown_name_is_refused():
    full = model("C")
    with pytest.raises(ValueError, match="'Z'"):
        GlaUnTI(full.ti, full.corrector, "Z")


def test_model_a_has_no_corrections():
    place = world()
    with pytest.raises(ValueError, match="model A has no corrections"):
        corrections(model("A"), np.zeros((3, 24, 21), np.float32), place.fields, place.climate)


def test_the_place_is_described_by_outline_elevation_its_uncertainty_and_facies():
    rng = np.random.default_rng(0)
    outline, elevation, std, facies = (
        rng.random((16, 17)),
        rng.random((16, 17)),
        rng.random((16, 17)),
        rng.random((9, 16, 17)),
    )
    fields = geometry_fields(*(x.astype("f4") for x in (outline, elevation, std, facies)))
    assert fields.shape == (12, 16, 17)
    np.testing.assert_allclose(fields[0], outline, rtol=1e-6)
    np.testing.assert_allclose(fields[1] * ELEVATION_NORM, elevation, rtol=1e-6)
    np.testing.assert_allclose(fields[2] * ELEVATION_STD_NORM, std, rtol=1e-6)
    np.testing.assert_allclose(fields[3:], facies, rtol=1e-6)


def test_without_a_map_all_nine_facies_are_minus_one():
    np.testing.assert_array_equal(world().fields[3:], np.full((9, 24, 21), -1.0))


def test_corrections_scale_the_factors_and_shift_the_temperatures(float64):
    params, ds = small_a("float64"), np.array([0.3, -0.2, 0.1, 0.4, -0.6])
    assert numbers(correct(params, ds)) == pytest.approx(plain.corrected(numbers(params), ds), rel=1e-14)


def test_no_correction_leaves_model_a():
    params = small_a()
    assert numbers(correct(params, np.zeros(5, np.float32))) == pytest.approx(numbers(params), rel=1e-7)


@pytest.mark.slow
def test_a_corrected_year_follows_the_equations_at_every_cell(float64):
    place, year = world(dtype="float64"), one_year("float64")
    p = numbers(small_a("float64"))
    for row, col in [(0, 0), (11, 9), (23, 3)]:
        swe = float(place.swe[row, col])
        for season, smb in zip(place.seasons, year.smb, strict=True):
            weather = season.forcing
            temp = weather.temp + weather.temp_offset[row, col]
            d = [float(x) for x in year.ds[:, row, col]]
            swe, expected = plain.run(plain.smooth, plain.corrected(p, d), swe, temp, weather.prcp, season.weights)
            assert float(smb[row, col]) == pytest.approx(expected, abs=1e-11)
        assert float(year.swe[row, col]) == pytest.approx(swe, abs=1e-11)


@pytest.mark.slow
def test_the_corrector_sees_the_balance_and_its_response_to_warmer_and_to_wetter_weather():
    place, params = world(), small_a()
    year = one_year()

    def balance(bias, factor):
        seasons = tuple(Season(s.forcing.shifted(bias, factor), s.weights) for s in place.seasons)
        return sum(uncorrected(params, place.swe, seasons)[1])

    smb = balance(0.0, 1.0)
    np.testing.assert_allclose(year.response[0] * SMB_NORM, smb, atol=1e-5)
    np.testing.assert_allclose(year.response[1], balance(0.5, 1.0) - smb, atol=1e-5)
    np.testing.assert_allclose(year.response[2], balance(0.0, 1.05) - smb, atol=1e-5)
    assert (year.response[1] < 0.0).all()
    assert (year.response[2] > 0.0).all()


@pytest.mark.slow
def test_the_corrections_are_asked_for_once_and_serve_winter_and_summer():
    place, c, year = world(), model("C"), one_year()
    ds = jax.jit(corrections)(c, year.response, place.fields, place.climate)
    np.testing.assert_allclose(ds, year.ds, atol=2e-6)
    swe, smb, _ = uncorrected(correct(small_a(), ds), place.swe, place.seasons)
    np.testing.assert_allclose(swe, year.swe, atol=1e-5)
    for ours, expected in zip(year.smb, smb, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.slow
def test_seasons_carry_the_snow_on():
    place, params = world(), small_a()
    swe, smb, observed = uncorrected(params, place.swe, place.seasons, lambda smb: smb[3, 4])
    one, first, _ = uncorrected(params, place.swe, place.seasons[:1])
    two, second, _ = uncorrected(params, one, place.seasons[1:])
    np.testing.assert_allclose(swe, two, atol=1e-6)
    np.testing.assert_allclose(smb, [first[0], second[0]], atol=1e-6)
    assert [series.shape for series in observed] == [(212,), (154,)]


@pytest.mark.slow
def test_single_precision_is_near_double():
    single, double = one_year(), one_year("float64")
    assert {leaf.dtype for leaf in jax.tree.leaves(single)} == {np.dtype("float32")}
    assert {leaf.dtype for leaf in jax.tree.leaves(double)} == {np.dtype("float64")}
    np.testing.assert_allclose(single.ds, double.ds, atol=2e-5)
    np.testing.assert_allclose(single.response, double.response, atol=2e-5)
    for one, two in zip(single.smb, double.smb, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


@pytest.mark.slow
def test_gridded_fields_and_a_station_give_the_same_seasons():
    place = world()
    seasons = []
    for season in place.seasons:
        temp = season.forcing.temp[:, None, None] + season.forcing.temp_offset
        prcp = np.broadcast_to(season.forcing.prcp[:, None, None], temp.shape)
        seasons.append(Season(GriddedForcing(temp, prcp), season.weights))
    by_grid = uncorrected(small_a(), place.swe, tuple(seasons))
    by_station = uncorrected(small_a(), place.swe, place.seasons)
    for one, two in zip(jax.tree.leaves(by_grid), jax.tree.leaves(by_station), strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


@pytest.mark.slow
def test_the_derivative_to_the_corrector_is_a_central_difference(float64):
    place, c = world((16, 16), "float64", mid=None), model("C", "float64")

    @jax.jit
    @jax.value_and_grad
    def balance(bias):
        biased = eqx.tree_at(lambda model: model.corrector.out_bias, c, bias)
        return sum(run_year(biased, *inputs_of(place)).smb).mean()

    at = jnp.asarray(c.corrector.out_bias)
    gradient = balance(at)[1]
    step = 1e-5
    rough = [(balance(at + h)[0] - balance(at - h)[0]) / (2 * step) for h in step * np.eye(5).reshape(5, 5, 1, 1)]
    np.testing.assert_allclose(gradient.ravel(), rough, rtol=1e-6)


@pytest.mark.slow
def test_no_gradient_flows_through_the_response(float64):
    # As in the published training: the derivative to the temperature index takes the corrections as given.
    place, c = world((16, 16), "float64", mid=None), model("C", "float64")

    def balance(ti):
        year = run_year(GlaUnTI(ti, c.corrector, "C"), *inputs_of(place))
        return sum(year.smb).mean(), year.ds

    taken, ds = jax.jit(jax.grad(balance, has_aux=True))(c.ti)

    def balance_of_given(ti):
        return sum(run_seasons(correct(ti.resolve(), ds), place.swe, place.seasons)[1]).mean()

    given = jax.jit(jax.grad(balance_of_given))(c.ti)
    for one, two in zip(jax.tree.leaves(taken), jax.tree.leaves(given), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def test_the_response_has_no_derivative():
    place = world((16, 16), mid=None)
    response = jax.jit(jax.grad(lambda p: response_fields(p, place.swe, place.seasons).sum()))(small_a())
    assert all((leaf == 0.0).all() for leaf in jax.tree.leaves(response))


@pytest.mark.slow
def test_the_fast_path_has_the_inputs_and_answers_of_the_published_one_in_the_first_year(c):
    place = world()
    columns = columns_of(place)
    exact = run(c, *inputs_of(place))
    _, *rest = inputs_of(place)
    fast = run_columns(c, place.swe[columns.rows, columns.cols], *rest, columns)
    np.testing.assert_allclose(fast.response, exact.response, atol=1e-5)
    np.testing.assert_allclose(fast.ds, exact.ds, atol=2e-6)
    for ours, expected in zip((fast.swe, *fast.smb), (exact.swe, *exact.smb), strict=True):
        np.testing.assert_allclose(ours, expected[columns.rows, columns.cols], atol=2e-5)


@pytest.mark.slow
def test_the_fast_path_stays_near_the_published_one_while_snow_is_carried(c):
    columns = columns_of(world())
    swe = world().swe
    on_cells = swe[columns.rows, columns.cols]
    for seed in range(4):
        place = world(seed=seed)
        _, *rest = inputs_of(place)
        exact = run(c, swe, *rest)
        fast = run_columns(c, on_cells, *rest, columns)
        swe, on_cells = exact.swe, fast.swe
    assert swe[columns.rows, columns.cols].max() > 0.5, "no snow was carried: the test says nothing"
    difference = np.asarray(sum(fast.smb) - sum(exact.smb)[columns.rows, columns.cols])
    assert np.abs(difference).max() < 5e-3
    assert abs(difference.mean()) < 1e-3


@pytest.mark.slow
def test_given_corrections_are_used_instead_of_asking_the_corrector():
    place, columns = world(), columns_of(world())
    swe, *rest = inputs_of(place)
    ds = np.full((5, 24, 21), 0.1, np.float32)
    end, smb, _ = uncorrected(correct(small_a(), ds), place.swe, place.seasons)
    cells = columns.rows, columns.cols
    on_grid, on_cells = run(model("C"), swe, *rest, ds), run_columns(model("C"), swe[cells], *rest, columns, ds)
    for year, where in ((on_grid, ...), (on_cells, cells)):
        assert year.response is None
        np.testing.assert_array_equal(year.ds, ds)
        np.testing.assert_allclose(year.swe, end[where], atol=1e-5)
        np.testing.assert_allclose(sum(year.smb), sum(smb)[where], atol=1e-5)


def test_columns_are_the_cells_inside_the_outline():
    place = world()
    columns = columns_of(place)
    assert columns.rows.size == int(place.outline.sum())
    assert (place.outline[columns.rows, columns.cols] == 1.0).all()
    assert columns.band_count.sum() == columns.rows.size
    height = place.elevation[columns.rows, columns.cols]
    np.testing.assert_allclose(columns.pixel_offset, GRADIENT * (height - REF_HGT), atol=1e-4)
    for band in range(columns.band_height.size):
        np.testing.assert_allclose(columns.band_height[band], height[columns.band == band].mean(), rtol=1e-6)
        assert np.ptp(height[columns.band == band]) <= 50.0


def test_uniform_snow_is_a_uniform_profile_and_a_gradient_is_kept():
    place = world()
    columns = columns_of(place)
    np.testing.assert_allclose(swe_profile(columns, np.full(columns.rows.shape, 0.4, np.float32)), 0.4, rtol=1e-6)
    height = place.elevation[columns.rows, columns.cols]
    profile = np.asarray(swe_profile(columns, height / 1000.0))
    inside = (columns.nodes > columns.band_height[0]) & (columns.nodes < columns.band_height[-1])
    np.testing.assert_allclose(profile[inside], columns.nodes[inside] / 1000.0, rtol=1e-5)
    np.testing.assert_allclose(profile[columns.nodes <= columns.band_height[0]], columns.band_height[0] / 1000.0)


def test_an_outline_without_cells_is_refused():
    place = world()
    nodes = even_heights(float(place.elevation.min()), float(place.elevation.max()), 10.0)
    with pytest.raises(ValueError, match="outline"):
        glacier_columns(np.zeros_like(place.outline), place.elevation, nodes, REF_HGT, GRADIENT)


def test_heights_that_do_not_enclose_the_terrain_are_refused():
    place = world()
    with pytest.raises(ValueError, match="elevation"):
        glacier_columns(place.outline, place.elevation, even_heights(2600.0, 3000.0, 10.0), REF_HGT, GRADIENT)
