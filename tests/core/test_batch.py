"""Many glaciers at once are each glacier alone: nothing of the padding, and nothing of the neighbours, gets through."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core import batch, monthly
from oggm_glaunti.core.forcing import StationForcing, monthly_climate
from oggm_glaunti.core.glacier_columns import glacier_columns, run_year_on_columns, swe_profile
from oggm_glaunti.core.glaunti import Season, geometry_fields
from oggm_glaunti.core.parameters import STORED_NAMES
from oggm_glaunti.core.run import season_weights
from oggm_glaunti.core.smooth import even_heights
from oggm_glaunti.core.temperature_index import ti_weights, with_day
from oggm_glaunti.core.weights import leaf_shapes, model_from_leaves

from . import worlds

SIDE, HEIGHTS, ALL_HEIGHTS, LANES, BANDS = 24, 128, 160, 16, 32
DAYS, YEARS = 60, 3
SIZES = ((20, 17), (16, 24))
SLOTS = 3  # one more than there are glaciers


def random_model(seed=0):
    rng = np.random.default_rng(seed)
    leaves = [rng.normal(0.0, 0.2, shape).astype(np.float32) for shape in leaf_shapes("C")[:-9]]
    ti = ti_weights()
    leaves += [getattr(ti, name) for name in STORED_NAMES]
    return model_from_leaves("C", leaves)


class Glacier:
    """A made-up glacier on a map, with weather of its own."""

    def __init__(self, shape, seed):
        rng = np.random.default_rng(seed)
        self.elevation = (2600 + 25 * np.arange(shape[0])[:, None] + rng.normal(0, 30, shape)).astype(np.float32)
        self.outline = np.zeros(shape, np.float32)
        self.outline[4:-5, 5:-4] = rng.random((shape[0] - 9, shape[1] - 9)) < 0.7
        self.nodes = even_heights(float(self.elevation.min()), float(self.elevation.max()), 10.0)
        self.columns = glacier_columns(self.outline, self.elevation, self.nodes, worlds.REF_HGT, worlds.GRADIENT)
        temp, prcp = worlds.weather(365, seed=seed)
        # A summer each: there is melt, and the weather of the years differs.
        starts = 150 + 40 * np.arange(YEARS)
        self.temp, self.prcp = (np.stack([v[s : s + DAYS] for s in starts]) for v in (temp, prcp))
        self.n_days = DAYS - seed  # glaciers of a batch may have years of different lengths
        time = worlds.OCTOBER + np.arange(365)
        self.monthly = [monthly_climate(time, temp + 10 * year, prcp) for year in range(YEARS)]

    def alone(self, model):
        """Corrections on the cells of all years."""
        fields = geometry_fields(self.outline, self.elevation, np.full_like(self.elevation, 5.0))
        swe = np.full(self.columns.rows.size, np.exp(model.ti.snow_depletion_centre_log), np.float32)
        found = []
        run = jax.jit(run_year_on_columns, compiler_options=worlds.PLAINLY)
        for year in range(YEARS):
            n = self.n_days
            forcing = StationForcing(self.temp[year, :n], self.prcp[year, :n], self.columns.pixel_offset)
            seasons = (Season(forcing, season_weights(n)),)
            result = run(model, swe, seasons, fields, self.monthly[year], self.columns)
            swe = result.swe
            found.append(np.moveaxis(np.asarray(result.ds)[:, self.columns.rows, self.columns.cols], 0, -1))
        return np.stack(found), np.asarray(swe)


def arrays_of(glaciers, garbage=0.0):
    """The batch; what is padded holds `garbage` where it may hold anything."""
    weather = batch.BatchWeather(*(np.full((YEARS, DAYS, SLOTS), garbage, np.float32) for _ in range(2)), None)
    weather = weather._replace(weight=np.zeros((YEARS, DAYS, SLOTS), np.float32))
    maps = batch.BatchMaps(
        np.zeros((SLOTS, 2), np.int32),
        np.full((SLOTS, SIDE, SIDE, 3), garbage, np.float32),
        np.zeros((SLOTS, SIDE, SIDE), np.int32),
        np.zeros((SLOTS, SIDE, SIDE, 4), np.float32),
        np.zeros((YEARS, SLOTS, 2, 12), np.float32),
    )
    offset = np.zeros((SLOTS, HEIGHTS), np.float32)
    cells = batch.LanedCells(
        np.zeros(2 * LANES, np.int32),
        np.zeros((2 * LANES, 16), np.int32),
        np.full((2 * LANES, 16), garbage, np.float32),
        np.full((2 * LANES, 16), SLOTS * BANDS, np.int32),
        np.ones((SLOTS, BANDS), np.float32),
        np.zeros((SLOTS, ALL_HEIGHTS), np.int32),
        np.zeros((SLOTS, ALL_HEIGHTS), np.float32),
    )
    for place, glacier in enumerate(glaciers):
        own, (h, w), n = glacier.columns, glacier.outline.shape, glacier.n_days
        weather.temp[:, :n, place], weather.prcp[:, :n, place] = glacier.temp[:, :n], glacier.prcp[:, :n]
        weather.weight[:, :n, place] = season_weights(n)
        maps.sizes[place] = h, w
        fields = geometry_fields(glacier.outline, glacier.elevation, np.full_like(glacier.elevation, 5.0))[:3]
        maps.place[place, :h, :w] = np.moveaxis(np.asarray(fields), 0, -1)
        maps.start[place, :h, :w], maps.weights[place, :h, :w] = own.node_start, own.node_weights
        maps.monthly[:, place] = glacier.monthly
        offset[place, : own.nodes.size] = own.node_offset
        lanes = slice(place * LANES, place * LANES + -(-own.rows.size // 16))
        count = own.rows.size
        cells.glacier[lanes] = place
        cells.cell[lanes].reshape(-1)[:count] = (place * SIDE + own.rows) * SIDE + own.cols
        cells.offset[lanes].reshape(-1)[:count] = own.pixel_offset
        cells.band[lanes].reshape(-1)[:count] = place * BANDS + own.band
        cells.band_count[place, : own.band_count.size] = own.band_count
        below = np.clip(np.searchsorted(own.band_height, own.nodes, side="right") - 1, 0, own.band.max() - 1)
        step = own.band_height[below + 1] - own.band_height[below]
        cells.below[place, : own.nodes.size] = below
        cells.share[place, : own.nodes.size] = np.clip((own.nodes - own.band_height[below]) / step, 0, 1)
    return weather, maps, offset, cells


def run(model, weather, maps, offset, cells, columns=None):
    """Corrections on the cells of all years, and the snow at the end."""
    responses = jax.jit(batch.responses, static_argnums=5)
    maps_of = jax.jit(batch.correction_maps)
    year_of = jax.jit(batch.corrected_year, static_argnums=6)
    swe, profile = batch.initial_state(model.ti, cells)
    found = []
    for year in range(YEARS):
        index = np.int32(year)
        response = responses(model.ti, profile, weather, index, offset, columns)
        ds = maps_of(model.corrector, response, index, maps)
        swe, profile, on_cells = year_of(model.ti, swe, ds, weather, index, cells, columns)
        found.append(np.asarray(on_cells))
    return np.stack(found), np.asarray(swe)


@pytest.fixture(scope="module")
def glaciers():
    return [Glacier(shape, seed) for seed, shape in enumerate(SIZES)]


@pytest.mark.slow
@pytest.mark.parametrize(("garbage", "columns"), [(0.0, None), (1e3, 256)])
def test_years_of_a_batch_are_the_years_of_each_glacier_alone(glaciers, garbage, columns):
    model = random_model()
    ds, swe = run(model, *arrays_of(glaciers, garbage), columns)
    for place, glacier in enumerate(glaciers):
        expected, expected_swe = glacier.alone(model)
        n, first = glacier.columns.rows.size, place * LANES * 16
        assert np.abs(expected).max() > 0.01
        assert np.ptp(expected[:, :, 0], axis=0).max() > 1e-4  # the years differ
        np.testing.assert_allclose(ds.reshape(YEARS, -1, 5)[:, first : first + n], expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(swe.reshape(-1)[first : first + n], expected_swe, rtol=0, atol=1e-5)


def test_profiles_are_means_of_bands_linear_between_and_flat_beyond(glaciers):
    *_, cells = arrays_of(glaciers)
    swe = np.random.default_rng(1).uniform(0, 2, cells.cell.shape).astype(np.float32)
    found = jax.jit(batch.swe_profiles)(swe, cells)
    for place, glacier in enumerate(glaciers):
        own = glacier.columns
        first = place * LANES * 16
        alone = jax.jit(swe_profile)(own, swe.reshape(-1)[first : first + own.rows.size])
        np.testing.assert_allclose(found[place, : own.nodes.size], alone, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving"])
@pytest.mark.parametrize("fitted", [False, True])
def test_tables_of_a_batch_are_the_tables_of_each_glacier_alone(variant, fitted):
    rng = np.random.default_rng(2)
    g, y, k, n = 3, 2, 2, 40
    valid = np.zeros((g, y, 12, 31), bool)
    valid[..., :30] = True
    valid[1, 1] = False  # a record of one year
    arguments = batch.TableArguments(
        temp=rng.normal(0, 6, valid.shape).astype(np.float32),
        prcp=rng.exponential(0.005, valid.shape).astype(np.float32),
        valid=valid,
        offset=np.linspace(6, -9, n, dtype=np.float32) * np.ones((g, 1), np.float32)
        + np.arange(g, dtype="f4")[:, None],
        temp_bias=rng.normal(0, 1, (g, 12)).astype(np.float32),
        prcp_fac=rng.uniform(0.5, 2, (g, 12)).astype(np.float32),
        ddf_snow=rng.uniform(0.003, 0.007, (g, 12)).astype(np.float32),
        ds=rng.normal(0, 0.1, (g, k, 5, n)).astype(np.float32),
        ds_index=rng.integers(0, k, (g, y, 12)).astype(np.int32),
    )
    each = [
        with_day(ti_weights(prec_scale=1.4 - 0.3 * fitted * k, snow_depletion_centre=0.03 + 0.1 * fitted * k), variant)
        for k in range(g)
    ]
    ti = jax.tree.map(lambda *leaves: np.stack(leaves), *each) if fitted else each[0]
    found = jax.jit(batch.tables)(ti, arguments)
    single = jax.jit(monthly.monthly_sums)
    for place in range(g):
        params = each[place].resolve()
        own = {name: values[place] for name, values in arguments._asdict().items()}
        tunables = monthly.MonthlyTunables(own.pop("temp_bias"), own.pop("prcp_fac"), own.pop("ddf_snow"))
        swe = jnp.broadcast_to(params.snow_depletion_centre, n)
        weather = (own["temp"], own["prcp"], own["valid"])
        expected = single(params, swe, *weather, own["offset"], tunables, own["ds"], own["ds_index"])
        for values, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(values[place], wanted, rtol=1e-6, atol=1e-6)
    assert float(jnp.abs(found.smb[1, 1]).max()) == 0.0
    np.testing.assert_array_equal(found.swe[1, 1], found.swe[1, 0])


@pytest.mark.parametrize("columns", [None, 1, 7, 64, 1000])
def test_blocks_change_nothing(columns):
    values = np.arange(24.0).reshape(12, 2)
    n_blocks = batch.block_count(12, 2, columns)
    assert 12 % n_blocks == 0
    found = batch.in_groups(lambda one, other: one * 2 + other, 12 // n_blocks, values, values)
    np.testing.assert_array_equal(found, values * 3)
    if columns is not None and columns >= 2:
        assert 12 // n_blocks * 2 <= columns
