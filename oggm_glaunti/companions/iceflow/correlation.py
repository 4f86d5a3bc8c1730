"""Normalised cross-correlation of many small windows at once, by FFT; in JAX, compiled once for each size."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

# Half-width (px) of the square around the best peak within which no second peak is looked for: 7 x 7.
SECOND_BEYOND = 3
# Share of a chip's pixels that must have data in both images.
LEAST_SHARED = 0.4
# Correlation from which a match is exact: it cannot be exceeded between pixels.
EXACT = 1.0 - 1e-5
# Correlation to which the neighbours of a peak are raised, as Gaussians have no others.
LEAST_OF_GAUSSIAN = 0.02


class Peaks(NamedTuple):
    """Best match of each chip within its search window.

    Attributes
    ----------
    shift : float32 (N, 2)
        Displacement in rows and columns from the centre of the search, px
    peak : float32 (N,)
        Correlation there, at the best whole pixel
    ratio : float32 (N,)
        Peak divided by the highest correlation outside 7 x 7 px around it; infinite if that is not positive
    edge : bool (N,)
        Best whole pixel at the rim of what could be compared: the true match may lie outside
    textured : bool (N,)
        Whether chip and search window have any contrast, and share pixels with data
    """

    shift: Array
    peak: Array
    ratio: Array
    edge: Array
    textured: Array


def _windows_of_ones(chip: int, lags: int) -> np.ndarray:
    """Return a matrix (lags, window) that sums `chip` neighbours: window sums as products, faster than running sums."""
    first = np.arange(lags)[:, None]
    position = np.arange(chip + lags - 1)[None]
    return ((position >= first) & (position < first + chip)).astype(np.float32)


def _correlate(chips: Array, windows: Array) -> Array:
    """Return sums of products of chips (N, c, c) with windows (N, p, p) at every lag (N, p - c + 1, p - c + 1)."""
    size, lags = windows.shape[-1], windows.shape[-1] - chips.shape[-1] + 1
    spectrum = jnp.fft.rfft2(windows) * jnp.conj(jnp.fft.rfft2(chips, s=(size, size)))
    return jnp.fft.irfft2(spectrum, s=(size, size))[:, :lags, :lags]


@jax.jit
def match(
    chips: Float[Array, "n c c"],
    windows: Float[Array, "n p p"],
    chips_valid: Bool[Array, "n c c"] | None,
    windows_valid: Bool[Array, "n p p"] | None,
    least_spread: Float[Array, ""],
) -> Peaks:
    """Find chips in search windows.

    Parameters
    ----------
    chips, windows : arrays
        Square chips of one image and larger, concentric windows of the other
    chips_valid, windows_valid : bool arrays
        Pixels with data, to be kept out of the sums (several times slower); None if all have
    least_spread : float
        Standard deviation below which a chip has no texture
    """
    n_chip, lags = chips.shape[-1] ** 2, windows.shape[-1] - chips.shape[-1] + 1
    if chips_valid is not None and windows_valid is not None:
        ncc, comparable, spread = _masked_ncc(chips, windows, chips_valid, windows_valid, least_spread)
    else:
        sums = _windows_of_ones(chips.shape[-1], lags)
        chips = chips - chips.mean(axis=(1, 2), keepdims=True)
        windows = windows - windows.mean(axis=(1, 2), keepdims=True)
        spread = jnp.sqrt((chips**2).mean(axis=(1, 2)))
        total, squares = (sums @ field @ sums.T for field in (windows, windows**2))
        variance = squares / n_chip - (total / n_chip) ** 2
        comparable = variance > least_spread**2
        scale = spread[:, None, None] * jnp.sqrt(jnp.maximum(variance, least_spread**2)) * n_chip
        ncc = _correlate(chips, windows) / jnp.maximum(scale, 1e-30)
    ncc = jnp.where(comparable, ncc, -2.0)
    found = _peaks(ncc)
    return found._replace(textured=(spread > least_spread) & comparable.any(axis=(1, 2)))


def _masked_ncc(chips: Array, windows: Array, chips_valid: Array, windows_valid: Array, least: Array):
    """Correlation over the pixels that have data in both, where those are enough (Padfield 2012)."""
    in_chip, in_window = chips_valid.astype(jnp.float32), windows_valid.astype(jnp.float32)

    def centred(values: Array, weight: Array) -> Array:
        count = jnp.maximum(weight.sum(axis=(1, 2), keepdims=True), 1.0)
        return (values - (values * weight).sum(axis=(1, 2), keepdims=True) / count) * weight

    chips, windows = centred(chips, in_chip), centred(windows, in_window)
    count = jnp.maximum(_correlate(in_chip, in_window), 1.0)
    of_chip, of_window = _correlate(chips, in_window), _correlate(in_chip, windows)
    var_chip = _correlate(chips**2, in_window) / count - (of_chip / count) ** 2
    var_window = _correlate(in_chip, windows**2) / count - (of_window / count) ** 2
    covariance = _correlate(chips, windows) / count - of_chip * of_window / count**2
    comparable = (count > LEAST_SHARED * chips.shape[-1] ** 2) & (var_window > least**2) & (var_chip > least**2)
    ncc = covariance / jnp.sqrt(jnp.maximum(var_chip * var_window, least**4 + 1e-30))
    spread = jnp.sqrt((chips**2).sum(axis=(1, 2)) / jnp.maximum(in_chip.sum(axis=(1, 2)), 1.0))
    return jnp.clip(ncc, -1.0, 1.0), comparable, spread


def _peaks(ncc: Float[Array, "n l l"]) -> Peaks:
    count, lags, _ = ncc.shape
    at = jnp.argmax(ncc.reshape(count, -1), axis=1)
    row, col = at // lags, at % lags
    padded = jnp.pad(ncc, ((0, 0), (1, 1), (1, 1)), constant_values=-2.0)
    near = jax.vmap(lambda field, r, c: jax.lax.dynamic_slice(field, (r, c), (3, 3)))(padded, row, col)
    edge = (near < -1.5).any(axis=(1, 2))
    peak = near[:, 1, 1]
    shift = jnp.where((edge | (peak >= EXACT))[:, None], 0.0, _sub_pixel(near))
    lag = jnp.arange(lags)
    apart = (jnp.abs(lag - row[:, None]) > SECOND_BEYOND)[:, :, None] | (jnp.abs(lag - col[:, None]) > SECOND_BEYOND)[
        :, None, :
    ]
    second = jnp.where(apart, ncc, -2.0).max(axis=(1, 2))
    ratio = jnp.where(second > 0, peak / jnp.maximum(second, 1e-6), jnp.inf)
    middle = (lags - 1) / 2
    whole = jnp.stack([row, col], axis=1).astype(jnp.float32) - middle
    return Peaks(whole + shift, peak, ratio, edge, edge)


def _sub_pixel(near: Float[Array, "n 3 3"]) -> Float[Array, "n 2"]:
    """Return the tops of Gaussians through the middle row and column of 3 x 3 values, at most half a pixel away.

    The autocorrelation of natural texture is closer to a Gaussian than to a parabola, which locks to whole pixels.
    """

    def top(line: Array) -> Array:
        before, middle, after = jnp.log(jnp.maximum(line, LEAST_OF_GAUSSIAN)).T
        bend = before - 2 * middle + after
        return jnp.where(bend < 0, 0.5 * (before - after) / jnp.where(bend < 0, bend, 1.0), 0.0)

    return jnp.clip(jnp.stack([top(near[:, :, 1]), top(near[:, 1, :])], axis=1), -0.5, 0.5)


def batch_size(chip: int, search: int, memory: float) -> int:
    """Return how many windows fit into some MB, a power of two from 8 to 128: more do not run faster on a CPU."""
    each = 40 * (chip + 2 * search) ** 2 * 4 / 1e6
    return int(2 ** np.clip(np.floor(np.log2(max(memory / each, 1.0))), 3, 7))
