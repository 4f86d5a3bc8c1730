"""No dtype and no rank is promoted in silence: everything runs under JAX's strict rules, in float32 and in float64."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from oggm_glaunti.core.forcing import GriddedForcing
from oggm_glaunti.core.glacier_columns import glacier_columns, run_year_on_columns
from oggm_glaunti.core.glaunti import run_year
from oggm_glaunti.core.gru import run_gru
from oggm_glaunti.core.monthly import MonthlyTunables, monthly_sums
from oggm_glaunti.core.run import initial_swe, run_ti, season_weights
from oggm_glaunti.core.smooth import even_heights
from oggm_glaunti.core.temperature_index import DAYS, with_day

from .worlds import GRADIENT, REF_HGT, model, small_a, station, world, x64


def dtypes(tree) -> set[str]:
    return {str(leaf.dtype) for leaf in jax.tree.leaves(tree)}


@pytest.mark.slow
@pytest.mark.parametrize("variant", sorted(DAYS))
def test_a_year_of_the_temperature_index(strict, variant):
    params, forcing, weights = small_a(strict), station(dtype=strict), season_weights(365, strict)
    swe, smb, _ = run_ti(with_day(params, variant), initial_swe(params, (5,)), forcing, weights)
    assert dtypes((swe, smb)) == {strict}
    assert np.isfinite(smb).all()


def test_a_year_of_gridded_weather(strict):
    params = small_a(strict)
    rng = np.random.default_rng(0)
    temp, prcp = rng.normal(size=(365, 3, 4)).astype(strict), rng.random((365, 3, 4)).astype(strict)
    forcing = GriddedForcing(temp, prcp).shifted(0.5, 1.05)
    assert dtypes(run_ti(params, initial_swe(params, (3, 4)), forcing, season_weights(365, strict))) == {strict}


def test_a_year_of_the_gru(strict):
    b = model("B", strict)
    assert dtypes(run_gru(b, b.initial_state((5,)), station(dtype=strict), season_weights(365, strict))) == {strict}


@pytest.mark.slow
def test_a_year_with_corrections(strict):
    place = world((16, 17), strict)
    year = jax.eval_shape(run_year, model("C", strict), place.swe, place.seasons, place.fields, place.climate)
    assert dtypes(year) == {strict}


@pytest.mark.slow
def test_a_year_on_columns():
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        place = world((16, 17))
        nodes = even_heights(float(place.elevation.min()), float(place.elevation.max()), 10.0)
        columns = glacier_columns(place.outline, place.elevation, nodes, REF_HGT, GRADIENT)
        swe = place.swe[columns.rows, columns.cols]
        year = jax.eval_shape(run_year_on_columns, model("C"), swe, place.seasons, place.fields, place.climate, columns)
    assert dtypes(year) == {"float32"}


def test_a_table(strict):
    params, n = small_a(strict), 6
    days = np.zeros((2, 12, 31), strict)
    tunables = MonthlyTunables(*(np.full(12, value, strict) for value in (0.0, 1.0, 0.005)))
    sums = jax.eval_shape(
        monthly_sums,
        params,
        initial_swe(params, (n,)),
        days,
        days,
        np.ones(days.shape, bool),
        np.linspace(3.0, -3.0, n, dtype=strict),
        tunables,
        jnp.zeros((1, 5, n), strict),
        np.zeros((2, 12), np.int32),
    )
    assert dtypes(sums) == {strict}


def test_the_gradient_of_a_year(strict):
    def balance(ti):
        params = ti.resolve()
        return run_ti(params, initial_swe(params, (5,)), station(dtype=strict), season_weights(365, strict))[1].mean()

    assert dtypes(jax.eval_shape(jax.grad(balance), model("A", strict).ti)) == {strict}


@pytest.mark.slow
def test_single_precision_stays_single_where_double_is_allowed():
    with x64():
        place, a, b = world((16, 17)), small_a(), model("B")
        assert dtypes(run_ti(a, initial_swe(a, (5,)), station(), season_weights(365))) == {"float32"}
        assert dtypes(run_gru(b, b.initial_state((5,)), station(), season_weights(365))) == {"float32"}
        year = jax.eval_shape(run_year, model("C"), place.swe, place.seasons, place.fields, place.climate)
        assert dtypes(year) == {"float32"}
