"""The fast path: the glacier's cells only, uncorrected runs on heights, also under coarse-gridded weather."""

from __future__ import annotations

import equinox as eqx
import jax
import numpy as np
import pytest

from oggm_glaunti.core.forcing import CoarseForcing, GriddedForcing
from oggm_glaunti.core.glacier_columns import at_pixels, glacier_columns, run_year_on_columns
from oggm_glaunti.core.glaunti import Season, run_year
from oggm_glaunti.core.smooth import even_heights
from oggm_glaunti.core.threads import run_year_threaded

from .worlds import GRADIENT, PLAINLY, REF_HGT, model, weather, world

REF_HGTS = np.array([2300.0, 2900.0, 3300.0, 2600.0])


def quarters(shape):
    """Four coarse cells, their borders across the glacier."""
    row, col = np.indices(shape)
    return (2 * (row >= shape[0] // 2) + (col >= shape[1] // 2)).astype(np.int32)


def coarse_seasons(place, mid=211):
    """A year in which the four cells differ by some K and a third of the precipitation."""
    temp, prcp = weather()
    cell = quarters(place.elevation.shape)
    temps = temp[:, None] + (GRADIENT * (REF_HGTS - REF_HGT) + np.array([0.0, 1.0, -1.0, 0.5])).astype(np.float32)
    prcps = prcp[:, None] * np.array([1.0, 1.3, 0.8, 0.7], np.float32)
    offset = (GRADIENT * (place.elevation - REF_HGTS[cell])).astype(np.float32)
    whole = CoarseForcing(temps.astype(np.float32), prcps, cell, offset)
    parts = slice(0, mid + 1), slice(mid, None)
    return tuple(
        Season(CoarseForcing(whole.temp[days], whole.prcp[days], cell, offset), season.weights)
        for days, season in zip(parts, place.seasons, strict=True)
    )


def nodes_of(place):
    return even_heights(float(place.elevation.min()), float(place.elevation.max()), 10.0)


def coarse_columns(place):
    cells = quarters(place.elevation.shape)
    return glacier_columns(place.outline, place.elevation, nodes_of(place), REF_HGTS, GRADIENT, cells=cells)


def on_glacier(columns, field):
    return np.asarray(field)[..., columns.rows, columns.cols]


@pytest.fixture(scope="module")
def place():
    return world()


@pytest.fixture(scope="module")
def runs(place):
    """A first and a second year under coarse weather: exactly, on columns, on columns with two threads."""
    columns, seasons, c = coarse_columns(place), coarse_seasons(place), model("C")
    pixels = on_glacier(columns, place.swe)
    exact, fast, threaded = [(place.swe, None)], [(pixels, None)], [(pixels, None)]
    for _ in range(2):
        year = eqx.filter_jit(run_year, compiler_options=PLAINLY)(c, exact[-1][0], seasons, place.fields, place.climate)
        exact.append((year.swe, year))
        year = eqx.filter_jit(run_year_on_columns)(c, fast[-1][0], seasons, place.fields, place.climate, columns)
        fast.append((year.swe, year))
        year = run_year_threaded(c, threaded[-1][0], seasons, place.fields, place.climate, columns, threads=2)
        threaded.append((year.swe, year))
    return [[year for _, year in years[1:]] for years in (exact, fast, threaded)]


def largest_difference(columns, exact, fast):
    return max(
        float(np.abs(on_glacier(columns, one) - np.asarray(two)).max())
        for one, two in zip(exact.smb, fast.smb, strict=True)
    )


@pytest.mark.slow
def test_under_coarse_weather_the_first_year_on_columns_is_that_of_the_whole_grid(place, runs):
    (exact, _), (fast, _), _ = runs
    np.testing.assert_allclose(fast.response, exact.response, atol=1e-5)
    difference = largest_difference(coarse_columns(place), exact, fast)
    print(f"first year: {difference:.1e} m w.e.")
    assert difference < 1e-5


@pytest.mark.slow
def test_under_coarse_weather_the_snow_profile_costs_little_in_the_second_year(place, runs):
    (_, exact), (_, fast), _ = runs
    difference = largest_difference(coarse_columns(place), exact, fast)
    print(f"second year: {difference:.1e} m w.e.")
    assert difference < 5e-3


def test_threads_change_nothing_under_coarse_weather(runs):
    _, fast, threaded = runs
    for one, two in zip(fast, threaded, strict=True):
        for mine, other in zip(jax.tree.leaves(one[:4]), jax.tree.leaves(two[:4]), strict=True):
            np.testing.assert_allclose(mine, other, atol=2e-6)


@pytest.mark.slow
def test_threads_run_the_whole_grid_under_coarse_weather(place, runs):
    (exact, _), _, _ = runs
    year = run_year_threaded(model("C"), place.swe, coarse_seasons(place), place.fields, place.climate, threads=2)
    for one, two in zip(exact.smb, year.smb, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-6)


@pytest.mark.slow
def test_coarse_cells_that_hold_the_same_give_the_station_run_exactly(place):
    cell = quarters(place.elevation.shape)
    columns = glacier_columns(
        place.outline, place.elevation, nodes_of(place), np.full(4, REF_HGT), GRADIENT, cells=cell
    )
    station = glacier_columns(place.outline, place.elevation, nodes_of(place), REF_HGT, GRADIENT)
    seasons = tuple(
        Season(
            CoarseForcing(*(np.repeat(v[:, None], 4, axis=1) for v in s.forcing.days()), cell, 0.0 * cell), s.weights
        )
        for s in place.seasons
    )
    swe, c = on_glacier(station, place.swe), model("C")
    by_coarse = eqx.filter_jit(run_year_on_columns)(c, swe, seasons, place.fields, place.climate, columns)
    by_station = eqx.filter_jit(run_year_on_columns)(c, swe, place.seasons, place.fields, place.climate, station)
    for one, two in zip(by_coarse.smb, by_station.smb, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_each_coarse_cell_has_only_the_heights_of_its_points(place):
    columns, cells = coarse_columns(place), quarters(place.elevation.shape)
    assert columns.nodes.size == columns.node_cell.size < 4 * nodes_of(place).size
    for cell in range(4):
        own = columns.nodes[columns.node_cell == cell]
        inside = place.elevation[cells == cell]
        np.testing.assert_allclose(np.diff(own), 10.0)
        assert own[0] <= inside.min() - 10.0
        assert own[-1] >= inside.max() + 10.0
        neighbours = columns.node_start[cells == cell][:, None] + np.arange(4)
        assert (columns.node_cell[neighbours] == cell).all()


@pytest.mark.parametrize("kind", ["station", "gridded"])
def test_columns_for_coarse_weather_refuse_other_weather(kind, place):
    forcing = place.seasons[0].forcing
    if kind == "gridded":
        temp = forcing.temp[:, None, None] + forcing.temp_offset
        forcing = GriddedForcing(temp, np.broadcast_to(forcing.prcp[:, None, None], temp.shape))
    with pytest.raises(ValueError, match=f"expected CoarseForcing.*found {kind.capitalize()}Forcing"):
        at_pixels((Season(forcing, place.seasons[0].weights),), coarse_columns(place))


def test_columns_for_a_station_refuse_coarse_weather(place):
    columns = glacier_columns(place.outline, place.elevation, nodes_of(place), REF_HGT, GRADIENT)
    with pytest.raises(ValueError, match=r"expected StationForcing.*found CoarseForcing"):
        at_pixels(coarse_seasons(place), columns)


def test_a_coarse_cell_without_a_height_is_refused(place):
    cells = quarters(place.elevation.shape)
    with pytest.raises(ValueError, match="cells: expected indices from 0 to 1, found 0 to 3"):
        glacier_columns(place.outline, place.elevation, nodes_of(place), REF_HGTS[:2], GRADIENT, cells=cells)
