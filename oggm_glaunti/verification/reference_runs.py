"""Runs of all models and variants in a reference file: programs, the inputs they start from, and recipes."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from oggm_glaunti.core.checks import require_shape
from oggm_glaunti.core.corrector import run_branch_1d, run_branch_2d
from oggm_glaunti.core.forcing import GriddedForcing
from oggm_glaunti.core.glaunti import GlaUnTI, Season, correct, corrections, geometry_fields, response_fields
from oggm_glaunti.core.gru import run_gru
from oggm_glaunti.core.run import initial_swe, run_ti, season_weights
from oggm_glaunti.core.temperature_index import ti_weights, with_day
from oggm_glaunti.fit.training import losses
from oggm_glaunti.verification.recipes import Outputs, Registry, Source
from oggm_glaunti.verification.report import BALANCE, NUMBER

recipe = Registry()


def _observe(pixels, outline):
    return lambda smb: (smb[pixels[:, 0], pixels[:, 1]], losses.outline_mean(smb, outline))


def _named(smb, series) -> Outputs:
    pixels, mean = series
    return {"smb": smb, "series_px": pixels, "series_glacier_mean": mean}


def _ti_run(params, swe, season, pixels, outline) -> Outputs:
    swe, smb, series = run_ti(params, swe, season.forcing, season.weights, _observe(pixels, outline))
    return {**_named(smb, series), "swe_end": swe}


ti_run = jax.jit(_ti_run)


@jax.jit
def gru_run(model, hidden, season, pixels, outline, first_day_seen) -> Outputs:
    """Model B over a season."""
    observe = _observe(pixels, outline)
    hidden, smb, series = run_gru(model, hidden, season.forcing, season.weights, observe, first_day_seen=first_day_seen)
    return {**_named(smb, series), "h_end": hidden}


@jax.jit
def corrected_run(model, swe, seen, seasons, fields, climate, pixels, outline) -> tuple[Outputs, list[Outputs]]:
    """Corrections from the seasons `seen`, then a run over `seasons`."""
    params = model.ti.resolve()
    response = response_fields(params, swe, seen)
    ds = corrections(model, response, fields, climate)
    whole = {
        "ds": ds,
        "extra": response,
        "branch2d": run_branch_2d(model.corrector.branch_2d, jnp.concatenate([response, fields])),
        "branch1d": run_branch_1d(model.corrector.branch_1d, climate),
    }
    corrected, runs = correct(params, ds), []
    for season in seasons:
        runs.append(_ti_run(corrected, swe, season, pixels, outline))
        swe = runs[-1]["swe_end"]
    return whole, runs


def _mean_smb(model, shifts, fields, climate, response, season, outline):
    """Balance of the glacier as a function of all that gradients are asked for; `shifts` are zeros."""
    params = model.ti.resolve()
    swe = initial_swe(params, outline.shape)
    params = eqx.tree_at(lambda p: p.t_pos_shift, params, params.t_pos_shift + shifts["t_pos_shift"])
    if model.corrector is not None:
        params = correct(params, corrections(model, response, fields, climate))
    temp = season.forcing.temp + shifts["temperature_per_day"][:, None, None] + shifts["temperature_map"][None]
    prcp = season.forcing.prcp + shifts["precipitation_per_day"][:, None, None]
    return losses.outline_mean(run_ti(params, swe, GriddedForcing(temp, prcp), season.weights)[1], outline)


mean_smb_gradients = jax.jit(jax.grad(_mean_smb, argnums=(0, 1, 2, 3)))


def outline_of(source: Source) -> np.ndarray:
    """1 on the glacier, 0 elsewhere, (H, W)."""
    return source.finite("in_outlines", source["in_elevation"].shape)


def _pixels(source: Source) -> np.ndarray:
    pixels = source["in_series_pixels"]
    require_shape("in_series_pixels", pixels, (pixels.shape[0], 2))
    losses.require_inside(pixels[:, 0], pixels[:, 1], outline_of(source).shape)
    return pixels


def seasons_of(source: Source) -> dict[str, Season]:
    """Annual, winter and summer; the mid day belongs to both halves."""
    shape = (source["in_dates"].size, *source["in_elevation"].shape)
    temp = source.finite("in_temperature", shape)
    prcp = source.finite("in_precipitation", temp.shape)
    mid = int(source["in_mid_index"])
    days = {"annual": slice(None), "winter": slice(None, mid + 1), "summer": slice(mid, None)}
    forcings = {name: GriddedForcing(temp[part], prcp[part]) for name, part in days.items()}
    return {name: Season(f, season_weights(f.temp.shape[0])) for name, f in forcings.items()}


def corrector_inputs(source: Source, m: str) -> tuple[GlaUnTI, Any, np.ndarray]:
    """Model, geometry fields and climate of C or D."""
    shape = outline_of(source).shape
    facies = source.finite("in_facies", (9, *shape)) if m == "d" else None
    elevation, std = (source.finite(name, shape) for name in ("in_elevation", "in_elevation_std"))
    fields = geometry_fields(outline_of(source), elevation, std, facies)
    # C and D differ in weights and inputs alone; under one name they share compiled programs.
    model = dataclasses.replace(source.model(m.upper()), name="C")
    return model, fields, source.finite("in_climate_monthly")


def _start(source: Source, ti: Any) -> Any:
    return initial_swe(ti.resolve(), outline_of(source).shape)


def _run_ti(source: Source, ti: Any, season: str, swe: Any = None) -> Outputs:
    swe = _start(source, ti) if swe is None else swe
    season_run = source.once(seasons_of)[season]
    return ti_run(ti.resolve(), swe, season_run, _pixels(source), outline_of(source))


RUN = r"(?P<what>smb|swe_end|series_px|series_glacier_mean)"
SEASONS = r"(?P<what>(winter|summer)_(smb|swe_end|h_end|series_px|series_glacier_mean))"


@recipe(f"a_annual_{RUN}", "model A", BALANCE)
@recipe(r"a_annual_(?P<what>series_sum_minus_total_maxabs)", "model A: rounding of daily sums", BALANCE)
def a_annual(source: Source) -> Outputs:
    """Run the year; how far the daily series at the pixels add up to it."""
    outputs = _run_ti(source, source.model("A").ti, "annual")
    rows, cols = _pixels(source).T
    missing = jnp.sum(outputs["series_px"], axis=0) - outputs["smb"][rows, cols]
    return {**outputs, "series_sum_minus_total_maxabs": jnp.max(jnp.abs(missing))}


@recipe(f"a_annual_initswe_{RUN}", "model A", BALANCE)
def a_from_given_snow(source: Source) -> Outputs:
    """Run the year, started from the snow in the file."""
    swe = source.finite("in_initial_swe", outline_of(source).shape)
    return _run_ti(source, source.model("A").ti, "annual", swe)


@recipe(f"a_{SEASONS}", "model A", BALANCE)
def a_seasons(source: Source) -> Outputs:
    """Winter, then summer with the snow that winter left."""
    ti = source.model("A").ti
    winter = _run_ti(source, ti, "winter")
    return _by_season(winter, _run_ti(source, ti, "summer", winter["swe_end"]))


def _by_season(winter: Outputs, summer: Outputs) -> Outputs:
    return {f"{season}_{k}": v for season, run in (("winter", winter), ("summer", summer)) for k, v in run.items()}


@recipe(f"a_finetuned_(?P<glacier>.+)_annual_{RUN}", "model A, finetuned", BALANCE)
def a_finetuned(source: Source, glacier: str) -> Outputs:
    """Run the year with model A finetuned on one glacier."""
    return _run_ti(source, source.model("A", glacier.replace("_", " ")).ti, "annual")


@recipe(f"a_initial_params_annual_{RUN}", "model A, initial parameters", BALANCE)
@recipe(f"(?P<variant>classical)_annual_{RUN}", "classical temperature index", BALANCE)
@recipe(f"(?P<variant>singleddf)_annual_{RUN}", "single-factor temperature index", BALANCE)
def uncalibrated(source: Source, variant: str = "smooth") -> Outputs:
    """Run the year with model A, the classical and the single-factor index, parameters before calibration."""
    variant = "single_factor" if variant == "singleddf" else variant
    return _run_ti(source, with_day(ti_weights(), variant), "annual")


def _run_b(source: Source, season: str, hidden: Any = None) -> Outputs:
    model, outline = source.model("B"), outline_of(source)
    start = model.initial_state(outline.shape) if hidden is None else hidden
    season_run = source.once(seasons_of)[season]
    return gru_run(model, start, season_run, _pixels(source), outline, hidden is not None)


@recipe(f"b_annual_{RUN.replace('swe_end', 'h_end')}", "model B", BALANCE)
def b_annual(source: Source) -> Outputs:
    """Run the year with the recurrent network."""
    return _run_b(source, "annual")


@recipe(f"b_{SEASONS}", "model B", BALANCE)
def b_seasons(source: Source) -> Outputs:
    """Winter, then summer with the hidden state that winter left."""
    winter = _run_b(source, "winter")
    return _by_season(winter, _run_b(source, "summer", winter["h_end"]))


def _run_corrected(source: Source, m: str, seen: tuple[str, ...], run: tuple[str, ...], swe: Any = None):
    model, fields, climate = source.once(corrector_inputs, m=m)
    swe = _start(source, model.ti) if swe is None else swe
    seasons = source.once(seasons_of)
    pick = lambda names: tuple(seasons[name] for name in names)
    pixels, outline = _pixels(source), outline_of(source)
    return corrected_run(model, swe, pick(seen), pick(run), fields, climate, pixels, outline)


@recipe(f"(?P<m>[cd])_annual_{RUN}", "model {m}", BALANCE)
@recipe(r"(?P<m>[cd])_annual_(?P<what>ds|extra|branch2d|branch1d)", "model {m}: corrections and branches", NUMBER)
def corrected_annual(source: Source, m: str) -> Outputs:
    """Run the year as one annual season."""
    whole, (annual,) = _run_corrected(source, m, ("annual",), ("annual",))
    return {**whole, **annual}


@recipe(f"(?P<m>[cd])_{SEASONS}", "model {m}", BALANCE)
@recipe(r"(?P<m>[cd])_(?P<what>seasonal_(ds|extra))", "model {m}: corrections and branches", NUMBER)
def corrected_seasons(source: Source, m: str) -> Outputs:
    """Winter and summer under the same corrections."""
    whole, (winter, summer) = _run_corrected(source, m, ("winter", "summer"), ("winter", "summer"))
    return {**_by_season(winter, summer), **{f"seasonal_{name}": value for name, value in whole.items()}}


@recipe(r"(?P<m>[cd])_summer_recomputed_(?P<what>smb|swe_end)", "model {m}", BALANCE)
@recipe(r"(?P<m>[cd])_summer_recomputed_(?P<what>ds|extra)", "model {m}: corrections and branches", NUMBER)
def corrected_summer(source: Source, m: str) -> Outputs:
    """Summer under corrections of its own: the whole year is seen, from the snow that winter left."""
    swe = source.once(corrected_seasons, m=m)["winter_swe_end"]
    whole, (summer,) = _run_corrected(source, m, ("winter", "summer"), ("summer",), swe)
    return {**whole, **summer}


@recipe(r"(?P<m>[acd])_(?P<what>mean_smb)", "model {m}", BALANCE)
def mean_smb(source: Source, m: str) -> Outputs:
    """Compute the year's balance of the glacier."""
    annual = source.once(a_annual) if m == "a" else source.once(corrected_annual, m=m)
    return {"mean_smb": losses.outline_mean(annual["smb"], outline_of(source))}
