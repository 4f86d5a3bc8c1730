"""Blocks and threads change nothing but the time."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.core import columns as columns_module, threads
from oggm_glaunti.core.columns import Span, block_size, in_blocks, run_columns
from oggm_glaunti.core.forcing import GriddedForcing, StationForcing
from oggm_glaunti.core.glacier_columns import glacier_columns, run_year_on_columns
from oggm_glaunti.core.glaunti import Season, run_seasons, run_year
from oggm_glaunti.core.run import run_days, season_weights, ti_step
from oggm_glaunti.core.smooth import even_heights
from oggm_glaunti.core.temperature_index import TIParameters, ti_weights
from tests.core import worlds

DAYS = 40

whole_run = jax.jit(run_seasons)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks so small that a handful of points needs several."""
    monkeypatch.setattr(columns_module, "BLOCK", 32)
    monkeypatch.setattr(threads, "FEWEST_COLUMNS", 16)


def weather(n_points: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    temp, prcp = rng.normal(0.0, 6.0, DAYS), np.maximum(0.0, rng.normal(0.0, 0.006, DAYS))
    return tuple(np.asarray(a, np.float32) for a in (temp, prcp, np.linspace(-8.0, 8.0, n_points)))


def parameters(shape: tuple[int, ...]) -> TIParameters:
    """Some fields, the rest scalars."""
    values = dict(vars(jax.tree.map(np.asarray, ti_weights().resolve())))
    spread = np.linspace(0.9, 1.1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return TIParameters(**values | {name: values[name] * spread for name in ("prec_scale", "ddf_snow")})


@given(n=st.integers(1, 5000), most=st.integers(16, 600))
def test_blocks_are_never_larger_than_asked_for_nor_than_there_are_columns(n, most):
    size = block_size(n, most)
    assert 1 <= size <= min(n, most)
    assert -(-n // size) <= -(-n // most) + n // most // 4 + 1


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(n=st.integers(1, 150))
def test_every_column_comes_back_once_and_in_order(n):
    forcing = StationForcing(*np.zeros((2, 1), np.float32), np.arange(n, dtype=np.float32))
    run = lambda params, state, forcings: (state + params, jnp.stack([forcings[0].temp_offset] * 2))
    once = jax.jit(lambda params, state, forcings: in_blocks(run, params, state, forcings))
    moved, twice = once(np.float32(1.0), np.arange(n, dtype=np.float32), [forcing])
    np.testing.assert_array_equal(moved, np.arange(n) + 1.0)
    np.testing.assert_array_equal(twice, [np.arange(n)] * 2)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(), (0,), (1,), (31,), (33,), (130,), (9, 17), (3, 5, 7)])
@pytest.mark.parametrize("gridded", [False, True], ids=["station", "gridded"])
def test_a_run_in_blocks_is_the_run(shape, gridded):
    temp, prcp, offset = weather(int(np.prod(shape)))
    forcing = StationForcing(temp, prcp, offset.reshape(shape))
    if gridded:
        at = temp.reshape(-1, *(1,) * len(shape)) + forcing.temp_offset
        forcing = GriddedForcing(at, np.broadcast_to(prcp.reshape(-1, *(1,) * len(shape)), at.shape))
    params, weights = parameters(shape), season_weights(DAYS)
    weights[7] = 0.0
    swe, (smb,) = jax.jit(run_columns, static_argnums=0)(ti_step, params, jnp.float32(0.1), [(forcing, weights)])
    start = np.full(shape, 0.1, np.float32)
    true_swe, true_smb, _ = jax.jit(lambda p, s, f: run_days(ti_step(p), s, f, weights))(params, start, forcing)
    np.testing.assert_allclose(swe, true_swe, atol=1e-6)
    np.testing.assert_allclose(smb, true_smb, atol=1e-6)


def test_a_span_is_its_part_of_the_whole():
    temp, prcp, offset = weather(100)
    seasons = [(StationForcing(temp, prcp, offset), season_weights(DAYS))] * 2
    params = parameters((100,))

    @functools.partial(jax.jit, static_argnums=1)
    def run(first, count=None):
        span = None if count is None else Span(first, count)
        return run_columns(ti_step, params, jnp.float32(0.1), seasons, span)[1]

    whole, part = run(0), run(13, 50)
    np.testing.assert_allclose(part, np.asarray(whole)[:, 13:63], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_number_of_threads_changes_nothing(count):
    temp, prcp, offset = weather(203)
    seasons = (Season(StationForcing(temp, prcp, offset), season_weights(DAYS)),) * 2
    start = np.full(203, 0.1, np.float32)
    params = ti_weights().resolve()
    swe, smb = threads.run_seasons_threaded(params, start, seasons, count)
    true_swe, true_smb, _ = whole_run(params, start, seasons)
    np.testing.assert_allclose(swe, true_swe, atol=1e-6)
    np.testing.assert_allclose(smb, true_smb, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (0,)])
def test_a_single_point_and_none_at_all_are_runs_too(shape):
    temp, prcp, offset = weather(1)
    forcing = StationForcing(temp, prcp, np.resize(offset, shape))
    seasons = (Season(forcing, season_weights(DAYS)),)
    swe, (smb,) = threads.run_seasons_threaded(ti_weights().resolve(), np.full(shape, 0.1, np.float32), seasons)
    true_swe, (true_smb,), _ = whole_run(ti_weights().resolve(), np.full(shape, 0.1, np.float32), seasons)
    assert swe.shape == smb.shape == true_swe.shape == true_smb.shape == shape
    np.testing.assert_allclose(smb, true_smb, atol=1e-6)


def test_threads_keep_double_precision():
    with worlds.x64():
        temp, prcp, offset = (series.astype(np.float64) for series in weather(203))
        seasons = (Season(StationForcing(temp, prcp, offset), season_weights(DAYS, np.float64)),)
        params, start = ti_weights(dtype=np.float64).resolve(), np.full(203, 0.1)
        _, (smb,) = threads.run_seasons_threaded(params, start, seasons, 3)
        _, (true_smb,), _ = whole_run(params, start, seasons)
    assert smb.dtype == np.float64
    np.testing.assert_allclose(smb, true_smb, rtol=1e-12)


@pytest.mark.slow
def test_threads_run_a_corrected_year_as_one_program_does():
    place = worlds.world((17, 22))
    model, swe = worlds.model("C"), np.full((17, 22), 0.05, np.float32)
    arguments = (model, swe, place.seasons, place.fields, place.climate)
    expected = jax.jit(run_year, compiler_options=worlds.PLAINLY)(*arguments)
    found = threads.run_year_threaded(*arguments, threads=2)
    for name in ("swe", "smb", "ds", "response"):
        np.testing.assert_allclose(getattr(found, name), np.asarray(getattr(expected, name)), atol=2e-6, err_msg=name)


@pytest.mark.slow
def test_threads_run_the_fast_path_as_one_program_does():
    place = worlds.world((17, 22))
    nodes = even_heights(float(place.elevation.min()), float(place.elevation.max()), 10.0)
    columns = glacier_columns(place.outline, place.elevation, nodes, worlds.REF_HGT, worlds.GRADIENT)
    model, swe = worlds.model("C"), np.linspace(0.0, 1.0, columns.rows.size, dtype=np.float32)
    arguments = (model, swe, place.seasons, place.fields, place.climate, columns)
    expected = jax.jit(run_year_on_columns, compiler_options=worlds.PLAINLY)(*arguments)
    found = threads.run_year_threaded(*arguments, threads=2)
    for name in ("swe", "smb", "ds", "response"):
        np.testing.assert_allclose(getattr(found, name), np.asarray(getattr(expected, name)), atol=2e-6, err_msg=name)


def test_a_failure_in_a_share_reaches_the_caller():
    def program(span):
        if int(span.first):
            raise MemoryError("no room")
        return np.zeros(span.size)

    with pytest.raises(MemoryError, match="no room"):
        threads.share_out(program, 1000, threads=2)


def test_weather_with_a_gap_is_refused_before_anything_runs():
    temp, prcp, offset = weather(50)
    temp[3] = np.nan
    seasons = (Season(StationForcing(temp, prcp, offset), season_weights(DAYS)),)
    with pytest.raises(ValueError, match=r"temp: 1 of 40 values"):
        threads.run_seasons_threaded(ti_weights().resolve(), np.zeros(50, np.float32), seasons)


def test_a_worker_of_a_pool_leaves_the_other_cores_to_the_others(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    assert threads.available_threads() == (8 if jax.default_backend() == "cpu" else 1)
    monkeypatch.setattr(threads.multiprocessing, "current_process", lambda: type("Worker", (), {"daemon": True}))
    assert threads.available_threads() == 1
