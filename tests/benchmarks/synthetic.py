"""A seeded glacier on a square grid with a year of station weather, and the weights to run it with."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from tests.benchmarks import plain

REF_HGT, GRADIENT = 2500.0, -0.006
LOWEST, HIGHEST = 1500.0, 3500.0  # m
COVER = 0.4
ELEVATION_STD = 5.0  # m


class Glacier(NamedTuple):
    """A glacier, its weather and the corrector's inputs, all float32."""

    outline: np.ndarray
    elevation: np.ndarray
    offset: np.ndarray
    temp: np.ndarray
    prcp: np.ndarray
    weights: np.ndarray
    swe: np.ndarray
    fields: np.ndarray
    climate: np.ndarray


def weather(n_days: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Temperature (degC) and precipitation (m w.e. a day) at REF_HGT from 1 October on."""
    rng = np.random.default_rng(seed)
    season = -np.cos(2 * np.pi * (np.arange(n_days) - 105) / 365.25)
    temp = -1.0 + 9.0 * season + rng.normal(0.0, 2.5, n_days)
    prcp = rng.exponential(0.008, n_days) * (rng.random(n_days) < 0.45)
    return temp.astype(np.float32), prcp.astype(np.float32)


def terrain(side: int, seed: int = 0) -> np.ndarray:
    """A tilted valley with ridges and roughness, LOWEST to HIGHEST, (side, side)."""
    rng = np.random.default_rng(seed)
    row, col = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    height = -1.6 * row + 0.5 * np.abs(col)
    for waves in (2, 3, 5, 8):
        phase = rng.uniform(0, 2 * np.pi, 2)
        height += 0.15 / waves * np.sin(waves * np.pi * row + phase[0]) * np.sin(waves * np.pi * col + phase[1])
    height += rng.normal(0.0, 0.01, height.shape)
    height = (height - height.min()) / (height.max() - height.min())
    return (LOWEST + (HIGHEST - LOWEST) * height).astype(np.float32)


def elliptic_outline(side: int) -> np.ndarray:
    """1 inside an ellipse that covers COVER of the grid, (side, side)."""
    row, col = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    length, width = 0.9, COVER * 4 / np.pi / 0.9
    return ((row / length) ** 2 + (col / width) ** 2 < 1.0).astype(np.float32)


@functools.lru_cache(maxsize=2)
def glacier(side: int, n_days: int = 365) -> Glacier:
    """The glacier on side x side cells, one annual season."""
    outline, elevation = elliptic_outline(side), terrain(side)
    offset = (GRADIENT * (elevation - REF_HGT)).astype(np.float32)
    temp, prcp = weather(n_days)
    time = np.datetime64("2018-10-01") + np.arange(n_days)
    return Glacier(
        outline,
        elevation,
        offset,
        temp,
        prcp,
        plain.season_weights(n_days),
        np.full(outline.shape, np.exp(leaves("A")[plain.TI_NAMES.index("snow_depletion_centre_log")]), np.float32),
        plain.geometry(outline, elevation, ELEVATION_STD),
        plain.monthly_climate(time, temp + offset[outline > 0.5].mean(), prcp),
    )


def gridded_weather(glacier: Glacier, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Fields (T, H, W) that are no function of height: each cell has its own warmth and wetness."""
    rng = np.random.default_rng(seed)
    shape = glacier.outline.shape
    temp = glacier.temp[:, None, None] + (glacier.offset + rng.normal(0.0, 0.5, shape)).astype(np.float32)
    prcp = glacier.prcp[:, None, None] * rng.uniform(0.8, 1.2, shape).astype(np.float32)
    return temp, prcp


@functools.cache
def leaves(name: str) -> list[np.ndarray]:
    """Leaves of a model: published ones where they are at hand, else the published A under a random network."""
    from oggm_glaunti.core.weights import leaves_of

    return leaves_of(model(name))


@functools.cache
def model(name: str):
    """The package's model of the same leaves."""
    from oggm_glaunti.core.weights import embedded_a
    from tests.core import worlds

    if name == "A":
        return embedded_a()
    if published() is None:
        return worlds.model(name)
    from oggm_glaunti import shop

    return shop.load(name, published()).model


@functools.cache
def published():
    """Folder of the published weights, or None."""
    from tests.conftest import SHARED

    folder = None if SHARED is None else SHARED / "reference" / "upstream"
    return folder if folder is not None and folder.is_dir() else None
