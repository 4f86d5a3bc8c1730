"""The baseline: the equations of Maslov et al. 2026 (doi 10.5194/egusphere-2026-515) written down directly.

One ``lax.scan`` over fields (T, H, W), every cell of the rectangle, three uncorrected runs and a corrected one, the
network layer by layer, gradients by jax's own reverse mode. Nothing of the package is used but the arrays of its
weights, in the order of the published files: the nine numbers of the temperature index come last.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

TI_NAMES = (
    "ddf_relative_ice_minus_one_log",
    "ddf_snow_log",
    "prec_scale_log",
    "snow_depletion_centre_log",
    "snow_depletion_steepness_log",
    "snow_to_rain_centre",
    "snow_to_rain_steepness_log",
    "swe_softplus_sharpness_log",
    "t_softplus_sharpness_log",
)
ELEVATION_NORM, ELEVATION_STD_NORM = 4341.383118842848, 5699.1201273232155
TEMP_NORM, PRCP_NORM = 45.744850158691406, 0.16851751506328583
Leaves = Sequence[Array]


# --- the temperature index ---


def parameters(leaves: Leaves) -> dict[str, Array]:
    """The temperature index in physical units."""
    raw = dict(zip(TI_NAMES, leaves[-len(TI_NAMES) :], strict=True))
    return {
        "prec_scale": jnp.exp(raw["prec_scale_log"]),
        "ddf_snow": jnp.exp(raw["ddf_snow_log"]),
        "r_ice": 1.0 + jnp.exp(raw["ddf_relative_ice_minus_one_log"]),
        "k_s": jnp.exp(raw["snow_to_rain_steepness_log"]),
        "t_s": raw["snow_to_rain_centre"],
        "n": jnp.exp(raw["snow_depletion_steepness_log"]),
        "c": jnp.exp(raw["snow_depletion_centre_log"]),
        "t_t": jnp.exp(raw["t_softplus_sharpness_log"]),
        "t_w": jnp.exp(raw["swe_softplus_sharpness_log"]),
        "d_t": 0.0,
    }


def correct(p: dict[str, Array], ds: Array) -> dict[str, Array]:
    """Parameters after the corrections (5, H, W)."""
    return {
        **p,
        "prec_scale": p["prec_scale"] * jnp.exp(ds[0]),
        "ddf_snow": p["ddf_snow"] * jnp.exp(ds[1]),
        "r_ice": p["r_ice"] * jnp.exp(ds[2]),
        "t_s": p["t_s"] + ds[3],
        "d_t": ds[4],
    }


def one_day(p: dict[str, Array], swe: Array, temp: Array, prcp: Array, w: Array) -> tuple[Array, Array]:
    """Snow and balance of a day."""
    solid = prcp * jax.nn.sigmoid(p["k_s"] * (p["t_s"] - temp))
    pdd = jax.nn.softplus(p["t_t"] * (temp + p["d_t"])) / p["t_t"]
    fsc = swe ** p["n"] / (swe ** p["n"] + p["c"] ** p["n"])
    snow_melt = p["ddf_snow"] * pdd * fsc
    ice_melt = p["ddf_snow"] * p["r_ice"] * pdd * (1.0 - fsc)
    smb = w * (p["prec_scale"] * solid - (snow_melt + ice_melt))
    return jax.nn.softplus(p["t_w"] * (swe + w * (p["prec_scale"] * solid - snow_melt))) / p["t_w"], smb


def run(p: dict[str, Array], swe: Array, temp: Array, prcp: Array, weights: Array) -> tuple[Array, Array]:
    """Snow at the end and balance of all days: `temp`, `prcp` (T, ...), `weights` (T,)."""

    def body(carry, day):
        swe, total = carry
        swe, smb = one_day(p, swe, *day)
        return (swe, total + smb), None

    (swe, total), _ = lax.scan(body, (swe, jnp.zeros_like(swe)), (temp, prcp, weights))
    return swe, total


def run_seasons(p, swe, temp, prcp, weights: Sequence[Array]) -> tuple[Array, Array]:
    """Seasons that share their first and last day, snow carried; the balance is their sum."""
    total, begin = jnp.zeros_like(swe), 0
    for w in weights:
        end = begin + w.shape[0]
        swe, smb = run(p, swe, temp[begin:end], prcp[begin:end], w)
        total, begin = total + smb, end - 1
    return swe, total


def season_weights(n_days: int) -> np.ndarray:
    """One a day, a half on the first and last."""
    return np.r_[0.5, np.ones(n_days - 2), 0.5].astype(np.float32)


def to_fields(temp: Array, prcp: Array, offset: Array) -> tuple[Array, Array]:
    """A station's series (T,) as fields (T, ...), given the temperature offsets (...) of the points."""
    series = (-1,) + (1,) * offset.ndim
    shape = (temp.shape[0], *offset.shape)
    return temp.reshape(series) + offset, jnp.broadcast_to(prcp.reshape(series), shape)


# --- the network ---


def convolve(x: Array, kernel: Array) -> Array:
    """SAME convolution of one example, channels first."""
    strides = (1,) * (x.ndim - 1)
    return lax.conv(x[None], kernel, strides, "SAME", precision=lax.Precision.HIGHEST)[0]


def double_conv(x: Array, leaves: list[Array]) -> Array:
    """Twice convolution, RMS norm over space, scale and shift, swish; takes six leaves from the front."""
    for _ in range(2):
        x = convolve(x, leaves.pop(0))
        mean_square = jnp.mean(x**2, axis=tuple(range(1, x.ndim)), keepdims=True)
        x = x / jnp.sqrt(mean_square + 1e-6) * leaves.pop(0) + leaves.pop(0)
        x = x * jax.nn.sigmoid(x)
    return x


def pool(x: Array, start: float, combine) -> Array:
    """Windows of 2 with stride 2; what is left over at the end is dropped."""
    window = (1,) + (2,) * (x.ndim - 1)
    return lax.reduce_window(x, start, combine, window, window, "VALID")


def corrector(leaves: Leaves, fields: Array, climate: Array) -> Array:
    """Corrections (5, H, W) from `fields` (15, H, W) and `climate` (2, M)."""
    rest = list(leaves)
    x = convolve(fields, rest.pop(0))
    for _ in range(3):
        x = pool(double_conv(x, rest), -jnp.inf, lax.max)
    x = double_conv(x, rest)
    year = convolve(climate, rest.pop(0))
    for _ in range(2):
        year = pool(double_conv(year, rest), 0.0, lax.add) / 2.0
    year = convolve(year.mean(axis=1, keepdims=True), rest.pop(0))
    x = double_conv(x + year[:, :, None], rest)
    x = 0.1 * (convolve(x, rest.pop(0)) + rest.pop(0))
    return jax.image.resize(x, (5, *fields.shape[1:]), "bilinear", antialias=False)


def geometry(outline: np.ndarray, elevation: np.ndarray, elevation_std: float) -> np.ndarray:
    """Twelve input fields: outline, elevation, its uncertainty, and nine bands of facies that are not known."""
    std = np.full_like(elevation, elevation_std / ELEVATION_STD_NORM)
    missing = np.full((9, *elevation.shape), -1.0, elevation.dtype)
    return np.concatenate([np.stack([outline, elevation / ELEVATION_NORM, std]), missing]).astype(np.float32)


def monthly_climate(time: np.ndarray, temp: np.ndarray, prcp: np.ndarray) -> np.ndarray:
    """Normalised monthly means (2, M) of daily series (T,)."""
    months = time.astype("datetime64[M]")
    means = [
        [np.mean(values[months == month], dtype=np.float64) / norm for month in np.unique(months)]
        for values, norm in ((temp, TEMP_NORM), (prcp, PRCP_NORM))
    ]
    return np.asarray(means, np.float32)


# --- whole models over a mass-balance year, fields (T, H, W) ---


def year_a(leaves: Leaves, swe: Array, temp: Array, prcp: Array, weights: Sequence[Array]) -> tuple[Array, Array]:
    """Model A: snow at the end and balance (H, W)."""
    return run_seasons(parameters(leaves), swe, temp, prcp, weights)


def year_c(
    leaves: Leaves, swe: Array, temp: Array, prcp: Array, weights: Sequence[Array], fields: Array, climate: Array
) -> tuple[Array, Array]:
    """Model C: snow at the end and balance (H, W)."""
    p = parameters(leaves)
    smb0 = run_seasons(p, swe, temp, prcp, weights)[1]
    warmer = run_seasons(p, swe, temp + 0.5, prcp, weights)[1] - smb0
    wetter = run_seasons(p, swe, temp, 1.05 * prcp, weights)[1] - smb0
    response = lax.stop_gradient(jnp.stack([smb0 / 10.0, warmer, wetter]))
    ds = corrector(leaves, jnp.concatenate([response, fields]), climate)
    return run_seasons(correct(p, ds), swe, temp, prcp, weights)


# --- the same for a station's series (T,): fields are made first, then run ---


@jax.jit
def station_a(leaves, swe, temp, prcp, offset, weights) -> tuple[Array, Array]:
    """:func:`year_a` at points with temperature offsets (...)."""
    return year_a(leaves, swe, *to_fields(temp, prcp, offset), weights)


@jax.jit
def station_c(leaves, swe, temp, prcp, offset, weights, fields, climate) -> tuple[Array, Array]:
    """:func:`year_c` on cells with temperature offsets (H, W)."""
    return year_c(leaves, swe, *to_fields(temp, prcp, offset), weights, fields, climate)


gridded_c = jax.jit(year_c)


def mean_inside(values: Array, outline: Array) -> Array:
    """Mean over the glacier."""
    return jnp.sum(values * outline) / jnp.sum(outline)


@jax.jit
@jax.value_and_grad
def gradient_a(leaves, swe, temp, prcp, offset, weights, outline) -> Array:
    """Glacier-mean balance of model A and its gradient with respect to the nine numbers."""
    return mean_inside(station_a(leaves, swe, temp, prcp, offset, weights)[1], outline)


@jax.jit
@partial(jax.value_and_grad, argnums=0)
def gradient_c(network, ti, swe, temp, prcp, offset, weights, fields, climate, outline, observed) -> Array:
    """Mean squared misfit of model C on the glacier and its gradient with respect to the network's leaves."""
    smb = station_c([*network, *ti], swe, temp, prcp, offset, weights, fields, climate)[1]
    return mean_inside((smb - observed) ** 2, outline)


@partial(jax.jit, static_argnames="n_months")
def table(leaves, temp, prcp, offset, month, n_months: int) -> Array:
    """Monthly balance (month, N) on heights of a continuous run; `month` (T,) numbers the month of each day."""
    p = parameters(leaves)
    fields = to_fields(temp, prcp, offset)

    def body(swe, day):
        return one_day(p, swe, *day, 1.0)

    _, smb = lax.scan(body, jnp.full(offset.shape, p["c"]), fields)
    return jax.ops.segment_sum(smb, month, n_months, indices_are_sorted=True)
