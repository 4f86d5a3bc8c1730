"""The equations of Maslov et al. 2026 once more, as plain loops in double precision: what core is checked against.

Nothing of the package is imported here. One point, one day at a time; the network in NumPy, pixel by pixel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

Numbers = Mapping[str, float]


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > 0 else math.exp(x) / (1.0 + math.exp(x))


def softplus(x: float, sharpness: float) -> float:
    return (max(sharpness * x, 0.0) + math.log1p(math.exp(-abs(sharpness * x)))) / sharpness


def smooth(p: Numbers, swe: float, temp: float, prcp: float, weight: float) -> tuple[float, float]:
    solid = prcp * sigmoid(p["snow_to_rain_steepness"] * (p["snow_to_rain_centre"] - temp))
    pdd = softplus(temp + p["t_pos_shift"], p["t_softplus_sharpness"])
    n, c = p["snow_depletion_steepness"], p["snow_depletion_centre"]
    cover = swe**n / (swe**n + c**n)
    snowfall = p["prec_scale"] * solid
    snow_melt = p["ddf_snow"] * pdd * cover
    ice_melt = p["ddf_snow"] * p["ddf_relative_ice"] * pdd * (1.0 - cover)
    swe = softplus(swe + weight * (snowfall - snow_melt), p["swe_softplus_sharpness"])
    return swe, weight * (snowfall - (snow_melt + ice_melt))


def classical(p: Numbers, swe: float, temp: float, prcp: float, weight: float) -> tuple[float, float]:
    length = 4.0 / p["snow_to_rain_steepness"]
    left = p["snow_to_rain_centre"] - 2.0 / p["snow_to_rain_steepness"]
    snowfall = p["prec_scale"] * prcp * (1.0 - min(max((temp - left) / length, 0.0), 1.0))
    energy = p["ddf_snow"] * max(temp + p["t_pos_shift"], 0.0)
    if swe > p["snow_depletion_centre"]:
        return max(0.0, swe + weight * (snowfall - energy)), weight * (snowfall - energy)
    return max(0.0, swe + weight * snowfall), weight * (snowfall - p["ddf_relative_ice"] * energy)


def single_factor(p: Numbers, swe: float, temp: float, prcp: float, weight: float) -> tuple[float, float]:
    solid = prcp * sigmoid(p["snow_to_rain_steepness"] * (p["snow_to_rain_centre"] - temp))
    pdd = softplus(temp + p["t_pos_shift"], p["t_softplus_sharpness"])
    factor = (p["ddf_snow"] + p["ddf_snow"] * p["ddf_relative_ice"]) / 2.0
    return swe, weight * (p["prec_scale"] * solid - factor * pdd)


def mass_conserving(p: Numbers, swe: float, temp: float, prcp: float, weight: float) -> tuple[float, float]:
    solid = prcp * sigmoid(p["snow_to_rain_steepness"] * (p["snow_to_rain_centre"] - temp))
    snowfall = weight * p["prec_scale"] * solid
    potential = weight * p["ddf_snow"] * softplus(temp + p["t_pos_shift"], p["t_softplus_sharpness"])
    at_hand, scale = swe + snowfall, p["snow_depletion_centre"] / math.log(2.0)
    left = scale * math.log1p(math.expm1(at_hand / scale) * math.exp(-potential / scale))
    snow_melt = at_hand - left
    return left, snowfall - snow_melt - p["ddf_relative_ice"] * (potential - snow_melt)


DAYS = {"smooth": smooth, "classical": classical, "single_factor": single_factor, "mass_conserving": mass_conserving}


def run(
    day, p: Numbers, swe: float, temp: Sequence[float], prcp: Sequence[float], weights: Sequence[float]
) -> tuple[float, float]:
    """Snow at the end and balance of a period at one point."""
    total = 0.0
    for t, precipitation, weight in zip(temp, prcp, weights, strict=True):
        swe, smb = day(p, swe, float(t), float(precipitation), float(weight))
        total += smb
    return swe, total


def corrected(p: Numbers, d: Sequence[float]) -> dict[str, float]:
    new = dict(p)
    new["prec_scale"] *= math.exp(d[0])
    new["ddf_snow"] *= math.exp(d[1])
    new["ddf_relative_ice"] *= math.exp(d[2])
    new["snow_to_rain_centre"] += d[3]
    new["t_pos_shift"] = d[4]
    return new


def gru_cell(leaves: Sequence[np.ndarray], hidden: np.ndarray, inputs: Sequence[float]) -> np.ndarray:
    """One unit after the other; leaves as in the published file."""
    w_in, w_hidden, bias, bias_new = (np.asarray(leaf, np.float64) for leaf in leaves[:4])
    n = hidden.size
    new = np.empty(n)
    for unit in range(n):
        rows = unit, n + unit, 2 * n + unit
        from_input = [sum(w_in[r, k] * inputs[k] for k in range(2)) + bias[r] for r in rows]
        from_hidden = [sum(w_hidden[r, k] * hidden[k] for k in range(n)) for r in rows]
        reset = sigmoid(from_input[0] + from_hidden[0])
        update = sigmoid(from_input[1] + from_hidden[1])
        candidate = math.tanh(from_input[2] + reset * (from_hidden[2] + bias_new[unit]))
        new[unit] = (1.0 - update) * candidate + update * hidden[unit]
    return new


def conv2d(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Cross-correlation, zeros around, same size; ``x`` (I, H, W), ``kernel`` (O, I, k, k)."""
    half = kernel.shape[2] // 2
    padded = np.pad(x, ((0, 0), (half, half), (half, half)))
    out = np.zeros((kernel.shape[0], *x.shape[1:]))
    for row in range(x.shape[1]):
        for col in range(x.shape[2]):
            window = padded[:, row : row + kernel.shape[2], col : col + kernel.shape[3]]
            out[:, row, col] = np.sum(kernel * window, axis=(1, 2, 3))
    return out


def block(x: np.ndarray, leaves: list[np.ndarray]) -> np.ndarray:
    """Convolution, RMS norm over space, scale and shift, swish; takes three leaves from the front."""
    kernel, scale, shift = leaves.pop(0), leaves.pop(0), leaves.pop(0)
    x = conv2d(x, kernel)
    x = x / np.sqrt(np.mean(x**2, axis=(1, 2), keepdims=True) + 1e-6) * scale + shift
    return x / (1.0 + np.exp(-x))


def resize(x: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bilinear between centres of cells, constant beyond the outermost."""
    for axis, size in enumerate(shape, start=1):
        position = np.clip((np.arange(size) + 0.5) * x.shape[axis] / size - 0.5, 0.0, x.shape[axis] - 1.0)
        low = np.minimum(np.floor(position).astype(int), max(x.shape[axis] - 2, 0))
        part = (position - low).reshape([-1 if k == axis else 1 for k in range(3)])
        high = np.minimum(low + 1, x.shape[axis] - 1)
        x = np.take(x, low, axis) * (1.0 - part) + np.take(x, high, axis) * part
    return x


def corrector(leaves: Sequence[np.ndarray], fields: np.ndarray, climate: np.ndarray) -> np.ndarray:
    """Corrections (5, H, W); the 1D branch runs as 2D of height 1."""
    rest = [np.asarray(leaf, np.float64) for leaf in leaves]
    x = conv2d(np.asarray(fields, np.float64), rest.pop(0))
    for _ in range(3):
        x = block(block(x, rest), rest)
        h, w = x.shape[1] // 2, x.shape[2] // 2
        x = np.array(
            [
                [[channel[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max() for j in range(w)] for i in range(h)]
                for channel in x
            ]
        )
    x = block(block(x, rest), rest)
    season = rest.pop(0)[:, :, 0] @ np.asarray(climate, np.float64)
    for _ in range(2):
        for _ in range(2):
            kernel, scale, shift = rest.pop(0), rest.pop(0), rest.pop(0)
            flat = np.zeros((8, 8, 3, 3))
            flat[:, :, 1, :] = kernel
            season = block(season[:, None], [flat, scale[..., None], shift[..., None]])[:, 0]
        pairs = season.shape[1] // 2
        season = np.stack([season[:, 2 * k : 2 * k + 2].mean(axis=1) for k in range(pairs)], axis=1)
    x = x + (rest.pop(0)[:, :, 0] @ season.mean(axis=1))[:, None, None]
    x = block(block(x, rest), rest)
    kernel, bias = rest.pop(0), rest.pop(0)
    return resize(0.1 * (conv2d(x, kernel) + bias), fields.shape[1:])
