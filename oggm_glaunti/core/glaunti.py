"""Corrections applied: models A, C and D over a mass-balance year.

The corrector sees how the uncorrected model behaves this year (its balance and the response to warmer and to wetter
weather), where the glacier is and what the months were like; it answers with five fields that shift the parameters.
They are evaluated once per mass-balance year and serve winter and summer alike. Maslov et al. 2026, models C and D.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing
from jaxtyping import Array, Float

from oggm_glaunti.core.checks import require_finite
from oggm_glaunti.core.corrector import Corrector, run_corrector
from oggm_glaunti.core.forcing import Forcing, StationForcing
from oggm_glaunti.core.run import Observe, run_days, ti_step
from oggm_glaunti.core.smooth import cubic_weights, interpolate_cubic, interpolate_profile
from oggm_glaunti.core.temperature_index import TIParameters, TIWeights
from oggm_glaunti.core.units import ELEVATION_NORM, ELEVATION_STD_NORM, SMB_NORM

RESPONSE_WARMER = 0.5  # K
RESPONSE_WETTER = 1.05  # factor on precipitation
N_FACIES = 9
MISSING_FACIES = -1.0


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
    weights: Float[Array, " time"]


class CorrectedYear(NamedTuple):
    """A mass-balance year of model C or D on a grid."""

    swe: Float[Array, "..."]
    """snow at the end, m w.e."""
    smb: tuple[Float[Array, "..."], ...]
    """balance of each season, m w.e."""
    ds: Float[Array, "5 h w"] | None
    """corrections; None for model A"""
    response: Float[Array, "3 h w"] | None
    """the three input fields that come from the uncorrected model; None where the corrections were given"""
    observed: tuple[Any, ...] = ()
    """what `observe` returned, per season"""


def geometry_fields(
    outline: Float[Array, "h w"],
    elevation: Float[Array, "h w"],
    elevation_std: Float[Array, "h w"],
    facies: Float[Array, "9 h w"] | None = None,
) -> Float[Array, "12 h w"]:
    """The corrector's inputs that describe the place, normalised.

    Parameters
    ----------
    outline : array (H, W)
        1 on the glacier, 0 elsewhere
    elevation, elevation_std : arrays (H, W)
        m; the second is the 1-sigma uncertainty of the DEM
    facies : array (9, H, W), optional
        scores of ice, snow, debris, firn, shadow, superimposed ice, cloud, water, and the confidence; where there is no
        map (and always in model C) all nine are -1

    Returns
    -------
    array (12, H, W)
    """
    if facies is None:
        facies = jnp.full((N_FACIES, *elevation.shape), MISSING_FACIES, elevation.dtype)
    geometry = jnp.stack([outline, elevation / ELEVATION_NORM, elevation_std / ELEVATION_STD_NORM])
    return jnp.concatenate([geometry, facies])


def correct(params: TIParameters, ds: Float[Array, "5 ..."]) -> TIParameters:
    """Parameters after the corrections d1..d5.

    ``prec_scale exp(d1), ddf_snow exp(d2), ddf_relative_ice exp(d3), snow_to_rain_centre + d4, t_pos_shift + d5``.
    The corrected factor of ice may fall below that of snow.
    """
    return TIParameters(
        prec_scale=params.prec_scale * jnp.exp(ds[0]),
        ddf_snow=params.ddf_snow * jnp.exp(ds[1]),
        ddf_relative_ice=params.ddf_relative_ice * jnp.exp(ds[2]),
        snow_to_rain_steepness=params.snow_to_rain_steepness,
        snow_to_rain_centre=params.snow_to_rain_centre + ds[3],
        snow_depletion_steepness=params.snow_depletion_steepness,
        snow_depletion_centre=params.snow_depletion_centre,
        t_softplus_sharpness=params.t_softplus_sharpness,
        swe_softplus_sharpness=params.swe_softplus_sharpness,
        t_pos_shift=params.t_pos_shift + ds[4],
    )


def run_seasons(
    params: TIParameters,
    swe: Float[Array, "..."],
    seasons: tuple[Season, ...],
    observe: Observe | None = None,
    variant: str = "smooth",
) -> tuple[Float[Array, "..."], tuple[Float[Array, "..."], ...], tuple[Any, ...]]:
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
    return _run_checked(params, require_finite("swe", swe), _checked(seasons), observe, variant)


def _checked(seasons: tuple[Season, ...]) -> tuple[Season, ...]:
    return tuple(Season(season.forcing.checked(season.weights), season.weights) for season in seasons)


def _run_checked(
    params: TIParameters,
    swe: Float[Array, "..."],
    seasons: tuple[Season, ...],
    observe: Observe | None = None,
    variant: str = "smooth",
) -> tuple[Float[Array, "..."], tuple[Float[Array, "..."], ...], tuple[Any, ...]]:
    """:func:`run_seasons` for inputs that were looked at before."""
    balances, observations = [], []
    for season in seasons:
        swe, smb, observed = run_days(ti_step(params, variant), swe, season.forcing, season.weights, observe)
        balances.append(smb)
        observations.append(observed)
    return swe, tuple(balances), tuple(observations)


def response_fields(
    params: TIParameters, swe: Float[Array, "..."], seasons: tuple[Season, ...]
) -> Float[Array, "3 ..."]:
    """How the uncorrected model behaves: ``smb0 / 10``, its change for +0.5 K and for 1.05 x precipitation; unchecked.

    Parameters
    ----------
    params : TIParameters
        uncorrected
    swe : array (...)
        snow at hand, m w.e.
    seasons : tuple of Season

    Returns
    -------
    array (3, ...)
        no gradient flows through it: the published network was trained so
    """

    def balance(temp_bias, prcp_fac):
        shifted = tuple(Season(s.forcing.shifted(temp_bias, prcp_fac), s.weights) for s in seasons)
        return sum(_run_checked(params, swe, shifted)[1])

    smb0 = balance(0.0, 1.0)
    warmer = balance(RESPONSE_WARMER, 1.0) - smb0
    wetter = balance(0.0, RESPONSE_WETTER) - smb0
    return jax.lax.stop_gradient(jnp.stack([smb0 / SMB_NORM, warmer, wetter]))


def corrections(
    model: GlaUnTI, response: Float[Array, "3 h w"], fields: Float[Array, "12 h w"], climate: Float[Array, "2 month"]
) -> Float[Array, "5 h w"]:
    """Corrections of one mass-balance year; arguments as in :func:`run_year`."""
    if model.corrector is None:
        raise ValueError("model A has no corrections")
    inputs = jnp.concatenate([response, require_finite("corrector fields", fields)])
    return run_corrector(model.corrector, inputs, require_finite("monthly climate", climate))


def run_year(
    model: GlaUnTI,
    swe: Float[Array, "h w"],
    seasons: tuple[Season, ...],
    fields: Float[Array, "12 h w"],
    climate: Float[Array, "2 month"],
    ds: Float[Array, "5 h w"] | None = None,
    observe: Observe | None = None,
) -> CorrectedYear:
    """A mass-balance year of model C or D on all cells of the grid: the published procedure, exactly.

    Parameters
    ----------
    model : GlaUnTI
    swe : array (H, W)
        snow at hand, m w.e.
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
    swe, seasons, response = require_finite("swe", swe), _checked(seasons), None
    if ds is None:
        response = response_fields(params, swe, seasons)
        ds = corrections(model, response, fields, climate)
    swe, smb, observed = _run_checked(correct(params, ds), swe, seasons, observe)
    return CorrectedYear(swe, smb, ds, response, observed)


class GlacierColumns(NamedTuple):
    """What the fast path needs to know of a glacier: where its cells are and how they map to heights.

    Attributes
    ----------
    rows, cols : int arrays (P,)
        the glacier's cells
    pixel_offset, node_offset : arrays (P,), (N,)
        temperature there minus temperature at the reference height, K
    node_start, node_weights : arrays (H, W), (H, W, 4)
        interpolation from the heights to all cells
    nodes : array (N,)
        heights on which the uncorrected model runs, m
    band : int array (P,)
        band of each glacier cell, only bands that hold cells are counted
    band_height, band_count : arrays (B,)
        mean height (m) of the cells of a band, and their number
    """

    rows: np.ndarray
    cols: np.ndarray
    pixel_offset: np.ndarray
    node_offset: np.ndarray
    node_start: np.ndarray
    node_weights: np.ndarray
    nodes: np.ndarray
    band: np.ndarray
    band_height: np.ndarray
    band_count: np.ndarray


def glacier_columns(
    outline: np.ndarray,
    elevation: np.ndarray,
    nodes: np.ndarray,
    ref_hgt: float,
    temp_gradient: float,
    band_width: float = 50.0,
    dtype: np.typing.DTypeLike = np.float32,
) -> GlacierColumns:
    """Prepare the fast path (NumPy, once per glacier).

    Parameters
    ----------
    outline, elevation : arrays (H, W)
    nodes : array (N,)
        evenly spaced heights around all elevations, m, see :func:`~oggm_glaunti.core.smooth.even_heights`
    ref_hgt : float
        reference height of the weather, m
    temp_gradient : float
        K m-1
    band_width : float
        m; the on-glacier snow is carried into the next year's uncorrected run as a profile over such bands
    """
    rows, cols = np.nonzero(outline > 0.5)
    if rows.size == 0:
        raise ValueError("outline: no cell is inside")
    if elevation.min() < nodes[0] or elevation.max() > nodes[-1]:
        raise ValueError(
            f"elevation: {elevation.min():.0f} to {elevation.max():.0f} m is not within the heights, "
            f"{nodes[0]:.0f} to {nodes[-1]:.0f} m"
        )
    height = np.asarray(elevation[rows, cols], np.float64)
    _, band = np.unique(np.floor(height / band_width), return_inverse=True)
    count = np.bincount(band)
    start, weights = cubic_weights(np.asarray(elevation, np.float64), nodes[0], nodes[1] - nodes[0], nodes.size, np)
    return GlacierColumns(
        rows=rows,
        cols=cols,
        pixel_offset=(temp_gradient * (height - ref_hgt)).astype(dtype),
        node_offset=(temp_gradient * (nodes - ref_hgt)).astype(dtype),
        node_start=start,
        node_weights=weights.astype(dtype),
        nodes=nodes.astype(dtype),
        band=band,
        band_height=(np.bincount(band, height) / count).astype(dtype),
        band_count=count.astype(dtype),
    )


def swe_profile(columns: GlacierColumns, swe: Float[Array, " pixel"]) -> Float[Array, " node"]:
    """Snow of the glacier's cells as a profile over the heights: band means, linear between, constant beyond."""
    sums = jnp.zeros(columns.band_height.shape, swe.dtype).at[columns.band].add(swe)
    return interpolate_profile(columns.nodes, columns.band_height, sums / columns.band_count)


def run_year_on_columns(
    model: GlaUnTI,
    swe: Float[Array, " pixel"],
    seasons: tuple[Season, ...],
    fields: Float[Array, "12 h w"],
    climate: Float[Array, "2 month"],
    columns: GlacierColumns,
    ds: Float[Array, "5 h w"] | None = None,
    observe: Observe | None = None,
) -> CorrectedYear:
    """A mass-balance year on the glacier's cells only, the uncorrected runs on heights: the fast path.

    Parameters
    ----------
    swe : array (P,)
        snow of the glacier's cells
    seasons : tuple of Season
        with a :class:`~oggm_glaunti.core.forcing.StationForcing` whose offsets are not used
    columns : GlacierColumns
    ds : array (5, H, W), optional
        corrections to use instead of asking the corrector
    observe : callable, optional
        applied to the daily balance of the cells (P,)
    model, fields, climate
        as in :func:`run_year`

    Returns
    -------
    CorrectedYear
        `swe` and `smb` on the cells (P,)

    Notes
    -----
    With uniform snow the inputs of the corrector are those of :func:`run_year` to 1e-5 m w.e. From the second year on
    the snow differs from cell to cell; it enters the uncorrected runs as a profile by height, also outside the outline.
    On Hintereisferner, ten years: cells within 1.7e-3 m, the glacier mean within 2.5e-4 m of :func:`run_year`.
    """
    params = model.ti.resolve()
    swe, seasons, response = require_finite("swe", swe), _checked(seasons), None
    if ds is None:
        at_nodes = response_fields(params, swe_profile(columns, swe), _moved(seasons, columns.node_offset))
        response = interpolate_cubic(at_nodes, columns.node_start, columns.node_weights)
        ds = corrections(model, response, fields, climate)
    corrected = correct(params, ds[:, columns.rows, columns.cols])
    swe, smb, observed = _run_checked(corrected, swe, _moved(seasons, columns.pixel_offset), observe)
    return CorrectedYear(swe, smb, ds, response, observed)


def _moved(seasons: tuple[Season, ...], offset: Float[Array, "..."]) -> tuple[Season, ...]:
    """Seasons of station weather, at other points."""
    return tuple(Season(StationForcing(s.forcing.temp, s.forcing.prcp, offset), s.weights) for s in seasons)
