"""Programs of the reference file, each compiled once and shared by all recipes."""

import equinox as eqx
import jax
import jax.numpy as jnp

from oggm_glaunti.core.corrector import run_branch_1d, run_branch_2d
from oggm_glaunti.core.forcing import GriddedForcing
from oggm_glaunti.core.glaunti import correct, corrections, response_fields
from oggm_glaunti.core.gru import run_gru
from oggm_glaunti.core.run import initial_swe, run_ti
from oggm_glaunti.fit.training import losses
from oggm_glaunti.verification.recipes import Outputs


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
