"""A made-up valley: a reference, a surface that differs from it in a way that can be learned, and its voids."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import ndimage

YEARS = np.arange(2000, 2006)
TREND = -0.8  # m yr-1


def smooth_noise(shape: tuple[int, int], length: float, sd: float, seed: int) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), length)
    return sd * noise / noise.std()


def ground(shape: tuple[int, int] = (50, 40)) -> np.ndarray:
    """Heights of a valley that falls from row 0, m."""
    rows, columns = np.indices(shape)
    return 3200.0 - 12.0 * rows + 0.9 * (columns - shape[1] / 2) ** 2 + smooth_noise(shape, 2.0, 60.0, 1)


def voids(shape: tuple[int, int] = (50, 40)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[5:8, 6:10] = mask[20:22, 30:33] = mask[40, 12:15] = mask[48:, 38:] = True
    return mask


def surface(noise: float = 0.5, offset: float = 54.0, seed: int = 2) -> np.ndarray:
    """Heights without voids (year, y, x), m: the reference, a datum, a field with a range of a few pixels, a trend."""
    reference = ground()
    difference = offset + smooth_noise(reference.shape, 3.0, 5.0, seed) + 0.01 * (reference - reference.mean())
    own = np.random.default_rng(seed).normal(0.0, noise, (YEARS.size, *reference.shape))
    return reference + difference + TREND * (YEARS - YEARS.mean())[:, None, None] + own


def as_xarray(heights: np.ndarray, years: np.ndarray = YEARS) -> xr.DataArray:
    height, width = heights.shape[1:]
    place = {"y": 5_000_050.0 - 100.0 * np.arange(height), "x": 400_050.0 + 100.0 * np.arange(width)}
    return xr.DataArray(heights, {"year": years, **place}, ("year", "y", "x"))


def stack(**kwargs) -> tuple[xr.DataArray, xr.DataArray, np.ndarray]:
    """Heights with voids, their standard deviation, the reference."""
    heights = surface(**kwargs)
    heights[:, voids()] = np.nan
    z = as_xarray(heights)
    return z, xr.where(np.isnan(z), np.nan, 2.0), ground()
