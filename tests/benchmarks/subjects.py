"""The package's side of each comparison: one function per subject, each returns the work to be timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from oggm_glaunti import settings
from oggm_glaunti.core.forcing import GriddedForcing, StationForcing, pad_days
from oggm_glaunti.core.glacier_columns import GlacierColumns, glacier_columns, run_year_on_columns
from oggm_glaunti.core.glaunti import Season
from oggm_glaunti.core.run import run_ti, season_weights
from oggm_glaunti.core.sensitivity import run_smooth
from oggm_glaunti.core.smooth import cubic_weights, even_heights, interpolate_cubic
from oggm_glaunti.core.threads import run_seasons_threaded, run_year_threaded
from tests.benchmarks import synthetic
from tests.benchmarks.synthetic import GRADIENT, REF_HGT, Glacier

Work = Callable[[], Any]


def nodes_of(glacier: Glacier, step: float) -> np.ndarray:
    """Heights around a glacier's cells."""
    return even_heights(glacier.elevation.min(), glacier.elevation.max(), step)


def columns_of(glacier: Glacier) -> GlacierColumns:
    """A glacier's cells for the fast path."""
    nodes = nodes_of(glacier, settings.PARAMS["glaunti_table_step"])
    return glacier_columns(glacier.outline, glacier.elevation, nodes, REF_HGT, GRADIENT)


def season_of(glacier: Glacier, offset: np.ndarray) -> tuple[Season, ...]:
    """The glacier's year at points with these temperature offsets."""
    return (Season(StationForcing(glacier.temp, glacier.prcp, offset), glacier.weights),)


# --- model A ---


@eqx.filter_jit
def _run_a(model, swe, season) -> jax.Array:
    return run_ti(model.ti.resolve(), swe, season.forcing, season.weights)[1]


def a_exact(glacier: Glacier) -> Work:
    """Balance of all cells (H, W)."""
    model, (season,) = synthetic.model("A"), season_of(glacier, glacier.offset)
    return lambda: _run_a(model, glacier.swe, season)


@eqx.filter_jit
def _run_fast(model, swe, season) -> jax.Array:
    return run_smooth(model.ti.resolve(), swe, season.forcing, season.weights)[1]


def a_masked(glacier: Glacier) -> Work:
    """Balance of the glacier's cells (P,), each run by itself."""
    columns, model = columns_of(glacier), synthetic.model("A")
    seasons, swe = season_of(glacier, columns.pixel_offset), glacier.swe[columns.rows, columns.cols]
    return lambda: run_seasons_threaded(model.ti.resolve(), swe, seasons)[1][0]


@eqx.filter_jit
def _on_heights(model, swe, season, start, weights) -> jax.Array:
    return interpolate_cubic(_run_fast(model, swe, season), start, weights)


def a_on_heights(glacier: Glacier) -> Work:
    """Balance of the glacier's cells (P,), run on heights and interpolated."""
    columns, model = columns_of(glacier), synthetic.model("A")
    (season,), inside = season_of(glacier, columns.node_offset), (columns.rows, columns.cols)
    swe = np.full(columns.nodes.shape, glacier.swe.flat[0], np.float32)
    start, weights = columns.node_start[inside], columns.node_weights[inside]
    return lambda: _on_heights(model, swe, season, start, weights)


@eqx.filter_jit
@eqx.filter_value_and_grad
def _gradient_on_heights(ti, swe, season, share) -> jax.Array:
    return run_smooth(ti.resolve(), swe, season.forcing, season.weights)[1] @ share


def a_gradient(glacier: Glacier, step: float) -> Work:
    """Glacier-mean balance and its gradient with respect to the nine numbers, on heights `step` m apart."""
    inside, nodes = glacier.outline > 0.5, nodes_of(glacier, step)
    start, weights = cubic_weights(
        glacier.elevation[inside].astype(np.float64), nodes[0], nodes[1] - nodes[0], nodes.size, np
    )
    share = np.bincount((start[:, None] + np.arange(4)).ravel(), weights.ravel(), nodes.size) / inside.sum()
    (season,) = season_of(glacier, (GRADIENT * (nodes - REF_HGT)).astype(np.float32))
    ti = jax.tree.map(jnp.asarray, synthetic.model("A").ti)
    swe, share = np.full(nodes.shape, glacier.swe.flat[0], np.float32), share.astype(np.float32)
    return lambda: _gradient_on_heights(ti, swe, season, share)


# --- model C ---


def c_exact(glacier: Glacier) -> Work:
    """Balance of all cells (H, W): the published procedure."""
    model, seasons = synthetic.model("C"), season_of(glacier, glacier.offset)
    return lambda: run_year_threaded(model, glacier.swe, seasons, glacier.fields, glacier.climate).smb[0]


def c_fast(glacier: Glacier) -> Work:
    """Balance of the glacier's cells (P,), the uncorrected runs on heights."""
    columns, model = columns_of(glacier), synthetic.model("C")
    seasons, swe = season_of(glacier, columns.pixel_offset), glacier.swe[columns.rows, columns.cols]
    return lambda: run_year_threaded(model, swe, seasons, glacier.fields, glacier.climate, columns).smb[0]


def c_gridded(glacier: Glacier, temp: np.ndarray, prcp: np.ndarray) -> Work:
    """Balance of all cells (H, W) where weather is given for each of them (T, H, W)."""
    model, seasons = synthetic.model("C"), (Season(GriddedForcing(temp, prcp), glacier.weights),)
    return lambda: run_year_threaded(model, glacier.swe, seasons, glacier.fields, glacier.climate).smb[0]


@eqx.filter_jit
@eqx.filter_value_and_grad
def _misfit(corrector, model, swe, seasons, fields, climate, columns, observed) -> jax.Array:
    model = eqx.tree_at(lambda m: m.corrector, model, corrector)
    smb = run_year_on_columns(model, swe, seasons, fields, climate, columns).smb[0]
    return jnp.mean((smb - observed) ** 2)


def c_gradient(glacier: Glacier, observed: np.ndarray) -> Work:
    """Mean squared misfit to `observed` (H, W) on the glacier and its gradient with respect to the network."""
    columns, model = columns_of(glacier), jax.tree.map(jnp.asarray, synthetic.model("C"))
    seasons, swe = season_of(glacier, columns.pixel_offset), glacier.swe[columns.rows, columns.cols]
    arguments = (swe, seasons, glacier.fields, glacier.climate, columns, observed[columns.rows, columns.cols])
    return lambda: _misfit(model.corrector, model, *arguments)


# --- years with carried snow ---


class Years(NamedTuple):
    """A real glacier and its mass-balance years: days, temperature (degC) and precipitation (m w.e. a day) of each."""

    outline: np.ndarray
    elevation: np.ndarray
    offset: np.ndarray
    elevation_std: float
    ref_hgt: float
    gradient: float
    swe: np.ndarray
    weather: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    climate: list[np.ndarray]
    fields: np.ndarray


def _padded(temp: np.ndarray, prcp: np.ndarray, offset: np.ndarray) -> tuple[Season, ...]:
    """A year as one season, padded to the longest year: one compiled program."""
    return (Season(*pad_days(StationForcing(temp, prcp, offset), season_weights(temp.size), 366)),)


def years_exact(years: Years) -> Work:
    """Balances (Y, H, W), every cell of the rectangle."""

    def run() -> np.ndarray:
        swe, maps = years.swe, []
        for (_, temp, prcp), climate in zip(years.weather, years.climate, strict=True):
            seasons = _padded(temp, prcp, years.offset)
            year = run_year_threaded(synthetic.model("C"), swe, seasons, years.fields, climate)
            swe = year.swe
            maps.append(year.smb[0])
        return np.stack(maps)

    return run


def years_profile(years: Years) -> Work:
    """Balances (Y, P) of the glacier's cells, snow carried into the uncorrected runs as a profile."""
    nodes = even_heights(years.elevation.min(), years.elevation.max(), settings.PARAMS["glaunti_table_step"])
    columns = glacier_columns(years.outline, years.elevation, nodes, years.ref_hgt, years.gradient)

    def run() -> np.ndarray:
        swe, maps = years.swe[columns.rows, columns.cols], []
        for (_, temp, prcp), climate in zip(years.weather, years.climate, strict=True):
            seasons = _padded(temp, prcp, columns.pixel_offset)
            year = run_year_threaded(synthetic.model("C"), swe, seasons, years.fields, climate, columns)
            swe = year.swe
            maps.append(year.smb[0])
        return np.stack(maps)

    return run


# --- tables ---


def daily_climate(years: int, first: int = 1981):
    """Synthetic daily weather of whole calendar years."""
    from oggm_glaunti.coupling.weather.file import DailyClimate

    time = np.arange(f"{first}-01-01", f"{first + years}-01-01", dtype="datetime64[D]")
    temp, prcp = synthetic.weather(time.size)
    return DailyClimate(time, temp, prcp, REF_HGT, 10.8, 46.8, "synthetic_daily", "synthetic")


def table_of(climate: Any, heights: np.ndarray, corrections: Any = None) -> Work:
    """Monthly balance (month, N)."""
    from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
    from oggm_glaunti.coupling.table.table import build_table

    ti = synthetic.model("A" if corrections is None else "C").ti
    inputs = TableInputs(ti, climate, heights, GRADIENT, "nh", corrections)
    melt_f = 1000.0 * float(np.exp(ti.ddf_snow_log))
    return lambda: build_table(inputs, TunableParams(melt_f)).smb.reshape(-1, heights.size)


def corrected_table_of(climate: Any, features: Any, heights: np.ndarray) -> Work:
    """Corrections of all mass-balance years, then the table: monthly balance (month, N)."""
    from oggm_glaunti.coupling.table.band_corrections import compute_corrections

    def run() -> np.ndarray:
        corrections = compute_corrections(synthetic.model("C"), climate, features, "nh", "benchmark")
        return table_of(climate, heights, corrections)()

    return run
