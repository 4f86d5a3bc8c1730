"""Corrections applied: models A, C and D over a mass-balance year.

The corrector sees how the uncorrected model behaves this year (its balance and the response to warmer and to wetter
weather), where the glacier is and what the months were like; it answers with five fields that shift the parameters.
They are evaluated once per mass-balance year and serve winter and summer alike. Maslov et al. 2026, models C and D.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from oggm_glaunti.core.arrays import AnyArray, Climate, Corrections, Daily, Field, Fields, Map
from oggm_glaunti.core.checks import require_finite
from oggm_glaunti.core.columns import Span, run_columns
from oggm_glaunti.core.corrector import Corrector, run_corrector
from oggm_glaunti.core.forcing import Forcing
from oggm_glaunti.core.run import Observe, Step, run_days, ti_step
from oggm_glaunti.core.sensitivity import run_smooth
from oggm_glaunti.core.temperature_index import SMOOTH, TIParameters, TIWeights
from oggm_glaunti.core.units import ELEVATION_NORM, ELEVATION_STD_NORM, MISSING_FACIES, N_FACIES, SMB_NORM

RESPONSE_WARMER = 0.5  # K
RESPONSE_WETTER = 1.05  # factor on precipitation


class GlaUnTI(eqx.Module):
    """Weights of model A (no corrector), C or D.

    Attributes
    ----------
    ti : TIWeights
        the temperature index
    corrector : Corrector or None
        the network of models C and D
    name : str
        ``A``, ``C`` or ``D``; D reads facies, C does not
    """

    ti: TIWeights
    corrector: Corrector | None
    name: str = eqx.field(static=True)

    def __check_init__(self):
        if self.name not in ("A", "C", "D") or (self.name == "A") != (self.corrector is None):
            raise ValueError(f"model {self.name!r}: A has no corrector, C and D have one")


class Season(NamedTuple):
    """A run of days with its weights; a mass-balance year is one or two of them."""

    forcing: Forcing
    weights: Daily


Seasons = tuple[Season, ...]


class CorrectedYear(NamedTuple):
    """A mass-balance year of model C or D on a grid."""

    swe: Field
    """snow at the end, m w.e."""
    smb: tuple[Field, ...]
    """balance of each season, m w.e."""
    ds: Corrections | None
    """corrections; None for model A"""
    response: Float[AnyArray, "3 h w"] | None
    """the three input fields that come from the uncorrected model; None if the corrections were given"""
    observed: tuple[Any, ...] = ()
    """what `observe` returned, per season"""


def geometry_fields(
    outline: Map, elevation: Map, elevation_std: Map, facies: Float[AnyArray, "9 h w"] | None = None
) -> Float[Array, "12 h w"]:
    """Stack the corrector's inputs that describe the place, normalised.

    Parameters
    ----------
    outline : array (H, W)
        1 on the glacier, 0 elsewhere
    elevation, elevation_std : arrays (H, W)
        m; the second is the 1-sigma uncertainty of the DEM
    facies : array (9, H, W), optional
        scores of ice, snow, debris, firn, shadow, superimposed ice, cloud, water, and the confidence; without a
        map (and always in model C) all nine are -1

    Returns
    -------
    array (12, H, W)
    """
    if facies is None:
        facies = jnp.full((N_FACIES, *elevation.shape), MISSING_FACIES, elevation.dtype)
    geometry = jnp.stack([outline, elevation / ELEVATION_NORM, elevation_std / ELEVATION_STD_NORM])
    return jnp.concatenate([geometry, facies])


def correct(params: TIParameters, ds: Float[AnyArray, "5 ..."]) -> TIParameters:
    """Parameters after the corrections d1..d5.

    ``prec_scale exp(d1), ddf_snow exp(d2), ddf_relative_ice exp(d3), snow_to_rain_centre + d4, t_pos_shift + d5``.
    The corrected factor of ice may fall below that of snow.
    """
    return replace(
        params,
        prec_scale=params.prec_scale * jnp.exp(ds[0]),
        ddf_snow=params.ddf_snow * jnp.exp(ds[1]),
        ddf_relative_ice=params.ddf_relative_ice * jnp.exp(ds[2]),
        snow_to_rain_centre=params.snow_to_rain_centre + ds[3],
        t_pos_shift=params.t_pos_shift + ds[4],
    )


def run_seasons(
    params: TIParameters, swe: Field, seasons: Seasons, observe: Observe = None
) -> tuple[Field, tuple[Field, ...], tuple[Any, ...]]:
    """Run seasons one after the other, the snow carried over.

    Returns
    -------
    swe : array (...)
        snow at the end, m w.e.
    smb : tuple of arrays (...)
        balance of each season, m w.e.
    observed : tuple
        what `observe` returned, per season
    """
    return corrected_run(params, None, require_finite("swe", swe), checked(seasons), observe)


def checked(seasons: Seasons) -> Seasons:
    """Return the same seasons; raise an error that names the field with a NaN in it."""
    return tuple(Season(season.forcing.checked(season.weights), season.weights) for season in seasons)


def _run_season(params: TIParameters, swe: Field, season: Season, observe: Observe) -> tuple[Field, Field, Any]:
    if observe is not None:
        return run_days(ti_step(params), swe, season.forcing, season.weights, observe)
    if params.day == SMOOTH:
        return *run_smooth(params, swe, season.forcing, season.weights), None
    swe, (smb,) = run_columns(ti_step, params, swe, [season])
    return swe, smb, None


def response_fields(
    params: TIParameters, swe: Field, seasons: Seasons, span: Span | None = None
) -> Float[Array, "3 ..."]:
    """Compute ``smb0 / 10`` of the uncorrected model and its change for +0.5 K and 1.05 x precipitation; unchecked.

    Parameters
    ----------
    params : TIParameters
        uncorrected
    swe : array (...)
        snow at the beginning, m w.e.
    seasons : tuple of Season
    span : Span, optional
        only these columns

    Returns
    -------
    array (3, ...)
        no gradient flows through it: the published network was trained so
    """
    _, balances = run_columns(response_step, params, (swe, swe, swe), seasons, span)
    return jax.lax.stop_gradient(as_response(*(sum(of_seasons) for of_seasons in zip(*balances, strict=True))))


def as_response(smb0: Field, warmer: Field, wetter: Field, axis: int = 0) -> Array:
    """Stack the balances of the three runs of :func:`response_step`, m w.e., as the network was trained on them."""
    return jnp.stack([smb0 / SMB_NORM, warmer - smb0, wetter - smb0], axis=axis)


def response_step(params: TIParameters) -> Step:
    """Return the step of three runs at once: as it is, warmer, and wetter; what they share is computed once.

    It is the smooth day whatever the parameters' own: the network was trained on it.
    """
    step = ti_step(replace(params, day=SMOOTH))

    def three(states, temp, prcp, weight):
        days = (
            step(states[0], temp, prcp, weight),
            step(states[1], temp + RESPONSE_WARMER, prcp, weight),
            step(states[2], temp, RESPONSE_WETTER * prcp, weight),
        )
        return tuple(zip(*days, strict=True))

    return three


def corrections(
    model: GlaUnTI, response: Float[AnyArray, "3 h w"], fields: Fields, climate: Climate
) -> Float[Array, "5 h w"]:
    """Corrections of one mass-balance year; arguments as in :func:`run_year`."""
    if model.corrector is None:
        raise ValueError("model A has no corrections")
    inputs = jnp.concatenate([response, require_finite("corrector fields", fields)])
    return run_corrector(model.corrector, inputs, require_finite("monthly climate", climate))


def corrected_run(
    params: TIParameters, ds: Float[AnyArray, "5 ..."] | None, swe: Field, seasons: Seasons, observe: Observe = None
) -> tuple[Field, tuple[Field, ...], tuple[Any, ...]]:
    """Run seasons with corrections `ds` at the points of `swe`, or without (None); unchecked.

    Parameters and results are those of :func:`run_seasons`.
    """
    params = params if ds is None else correct(params, ds)
    balances, observations = [], []
    for season in seasons:
        swe, smb, observed = _run_season(params, swe, season, observe)
        balances.append(smb)
        observations.append(observed)
    return swe, tuple(balances), tuple(observations)


def run_year(
    model: GlaUnTI,
    swe: Map,
    seasons: Seasons,
    fields: Fields,
    climate: Climate,
    ds: Corrections | None = None,
    observe: Observe = None,
) -> CorrectedYear:
    """Run a mass-balance year of model C or D on all cells of the grid: the published procedure, exactly.

    Parameters
    ----------
    model : GlaUnTI
    swe : array (H, W)
        snow at the beginning, m w.e.
    seasons : tuple of Season
        winter and summer, or one annual season; forcing on the grid
    fields : array (12, H, W)
        see :func:`geometry_fields`
    climate : array (2, M)
        see :func:`~oggm_glaunti.core.forcing.monthly_climate`
    ds : array (5, H, W), optional
        corrections to use instead of asking the corrector
    observe : callable, optional
        applied to the daily balance, see :func:`~oggm_glaunti.core.run.run_days`

    Returns
    -------
    CorrectedYear
    """
    params = model.ti.resolve()
    swe, seasons, response = require_finite("swe", swe), checked(seasons), None
    if ds is None:
        response = response_fields(params, swe, seasons)
        ds = corrections(model, response, fields, climate)
    swe, smb, observed = corrected_run(params, ds, swe, seasons, observe)
    return CorrectedYear(swe, smb, ds, response, observed)
