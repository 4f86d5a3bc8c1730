"""The annotations of core hold: every function runs with its shapes and dtypes checked, and a wrong one is found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

import oggm_glaunti

from . import worlds


@pytest.fixture(scope="module")
def core() -> Iterator[SimpleNamespace]:
    """A second copy of core whose calls are checked; the modules that other tests use are put back."""

    def ours() -> list[str]:
        return [name for name in sys.modules if name.split(".")[:2] == ["oggm_glaunti", "core"]]

    if worlds.CHECKED:
        yield SimpleNamespace(**worlds.import_checked_core())
        return
    kept = {name: sys.modules.pop(name) for name in ours()}
    kept_attribute = oggm_glaunti.__dict__.get("core")
    try:
        yield SimpleNamespace(**worlds.import_checked_core())
    finally:
        for name in ours():
            del sys.modules[name]
        sys.modules.update(kept)
        if kept_attribute is not None:
            oggm_glaunti.core = kept_attribute


def dtypes(tree) -> set[str]:
    return {str(leaf.dtype) for leaf in jax.tree.leaves(tree)}


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["smooth", "mass_conserving", "classical", "single_factor"])
@pytest.mark.parametrize("shape", [(), (5,), (4, 3)])
def test_days_and_years_keep_the_spatial_shape(core, variant, shape):
    params = core.temperature_index.with_day(worlds.small_a(), variant)
    temp, prcp = worlds.weather(8)
    weather = core.forcing.station_forcing(temp, prcp, np.full(shape, 2800.0, np.float32), 2500.0, -0.006)
    weights = core.run.season_weights(8)
    swe, smb, daily = jax.eval_shape(
        lambda: core.run.run_ti(params, core.run.initial_swe(params, shape), weather, weights, lambda x: x)
    )
    assert (swe.shape, smb.shape, daily.shape) == (shape, shape, (8, *shape))


def test_the_gru_keeps_the_spatial_shape(core):
    b = worlds.model("B")
    hidden, smb, _ = jax.eval_shape(
        lambda: core.gru.run_gru(b, b.initial_state((5,)), worlds.station(8), core.run.season_weights(8))
    )
    assert (hidden.shape, smb.shape) == ((5, 16), (5,))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["C", "D"])
def test_a_corrected_year_has_the_shape_of_the_grid(core, name):
    place = worlds.world((17, 22))
    year = jax.eval_shape(
        core.glaunti.run_year, worlds.model(name), *place[5:], place.seasons, place.fields, place.climate
    )
    assert year.swe.shape == (17, 22)
    assert [smb.shape for smb in year.smb] == [(17, 22), (17, 22)]
    assert (year.ds.shape, year.response.shape) == ((5, 17, 22), (3, 17, 22))
    assert dtypes(year) == {"float32"}


def test_a_year_on_columns_has_the_shape_of_the_cells(core):
    place = worlds.world((17, 22))
    nodes = core.smooth.even_heights(float(place.elevation.min()), float(place.elevation.max()), 10.0)
    columns = core.glacier_columns.glacier_columns(
        place.outline, place.elevation, nodes, worlds.REF_HGT, worlds.GRADIENT
    )
    cells = columns.rows.shape
    assert jax.eval_shape(core.glacier_columns.swe_profile, columns, jnp.zeros(cells)).shape == nodes.shape
    year = jax.eval_shape(
        core.glacier_columns.run_year_on_columns,
        worlds.model("C"),
        jnp.zeros(cells),
        place.seasons,
        place.fields,
        place.climate,
        columns,
    )
    assert (year.swe.shape, year.ds.shape, year.response.shape) == (cells, (5, 17, 22), (3, 17, 22))


def test_a_table_has_years_months_and_heights(core):
    params, n = worlds.small_a(), 7
    days = np.zeros((3, 12, 31), np.float32)
    tunables = core.monthly.MonthlyTunables(np.zeros(12, "f4"), np.ones(12, "f4"), np.full(12, 0.005, "f4"))
    sums = jax.eval_shape(
        lambda ds: core.monthly.monthly_sums(
            params,
            core.run.initial_swe(params, (n,)),
            days,
            days,
            np.ones(days.shape, bool),
            np.zeros(n, "f4"),
            tunables,
            ds,
            np.zeros((3, 12), np.int32),
        ),
        jnp.zeros((2, 5, n)),
    )
    assert [x.shape for x in sums] == [(3, 12, n), (3, 12, n), (3, 12, n), (3, n)]


@pytest.mark.parametrize("name", "ABCD")
def test_every_leaf_of_a_model_has_its_shape(core, name):
    leaves = core.weights.leaves_of(core.weights.model_from_leaves(name, worlds.leaves(name)))
    assert [leaf.shape for leaf in leaves] == core.weights.leaf_shapes(name)


def test_a_wrong_shape_is_found(core):
    fields, climate = np.zeros((15, 20, 20), np.float32), np.zeros((3, 12), np.float32)
    with pytest.raises(jaxtyping.TypeCheckError, match="climate"):
        core.corrector.run_corrector(worlds.model("C").corrector, fields, climate)
    with pytest.raises(jaxtyping.TypeCheckError, match="weight_hh"):
        core.gru.GRU(*(np.zeros((48, 2), np.float32) for _ in range(7)))


def test_a_wrong_dtype_is_found(core):
    with pytest.raises(jaxtyping.TypeCheckError, match="temp"):
        core.forcing.GriddedForcing(np.zeros((3, 2), int), np.zeros((3, 2), np.float32))
