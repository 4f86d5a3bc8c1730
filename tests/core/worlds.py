"""Small made-up weather, glaciers and models for the tests of the numerics; all of it seeded."""

from __future__ import annotations

import importlib
import os
import pkgutil
import typing
from types import ModuleType
from typing import NamedTuple

import jax
import jaxtyping
import numpy as np

REF_HGT = 2500.0
GRADIENT = -0.006
OCTOBER = np.datetime64("2018-10-01")

PLAINLY = {"xla_backend_optimization_level": 0}
"""Options of `jax.jit` for what a test compares with: it runs once, so it need not be fast, but be compiled soon."""


CHECKED = os.environ.get("OGGM_GLAUNTI_CHECK_SHAPES", "0") != "0"
"""Whether all tests of core run with shapes and dtypes checked against the annotations."""


def x64(on: bool = True):
    """Context with 64-bit mode on or off, in any jax from 0.5 on."""
    try:
        from jax import enable_x64
    except ImportError:
        from jax.experimental import enable_x64
    return enable_x64(on)


def import_checked_core() -> dict[str, ModuleType]:
    """Import the modules of core so that every call checks the shapes and dtypes of its annotations.

    The package takes NumPy arrays and scalars wherever it takes JAX arrays: ``Array`` means all while it is imported.
    """
    import oggm_glaunti.core as core

    names = [f"oggm_glaunti.core.{module.name}" for module in pkgutil.iter_modules(core.__path__)]
    jaxtyping.Array = typing.Union[jax.Array, np.ndarray, np.generic]  # noqa: UP007
    try:
        # Not weights: beartype takes no io.BytesIO for a BinaryIO.
        with jaxtyping.install_import_hook([n for n in names if not n.endswith(".weights")], "beartype.beartype"):
            return {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    finally:
        del jaxtyping.Array


def weather(n_days: int = 365, dtype="float32", seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Temperature (degC) and precipitation (m w.e. a day) at REF_HGT from 1 October on."""
    rng = np.random.default_rng(seed)
    season = -np.cos(2 * np.pi * (np.arange(n_days) - 105) / 365)
    temp = -1.0 + 9.0 * season + rng.normal(0.0, 2.5, n_days)
    prcp = rng.exponential(0.008, n_days) * (rng.random(n_days) < 0.45)
    return temp.astype(dtype), prcp.astype(dtype)


def heights(dtype="float32") -> np.ndarray:
    """From below the tongue to the crest, m."""
    return np.array([1900.0, 2300.0, 2700.0, 3100.0, 3500.0], dtype)


def station(n_days: int = 365, dtype="float32", seed: int = 0, at: np.ndarray | None = None):
    """Station weather at some heights."""
    from oggm_glaunti.core.forcing import station_forcing

    temp, prcp = weather(n_days, dtype, seed)
    return station_forcing(temp, prcp, heights(dtype) if at is None else at, REF_HGT, GRADIENT)


def leaves(name: str, dtype="float32", seed: int = 1) -> list[np.ndarray]:
    """Leaves of a model: A as published, the networks with seeded random weights of realistic size."""
    from oggm_glaunti.core.weights import embedded_a, leaf_shapes, leaves_of

    rng = np.random.default_rng(seed)
    published = leaves_of(embedded_a())
    values = [rng.normal(size=shape) / np.sqrt(max(1.0, np.prod(shape[1:]))) for shape in leaf_shapes(name)]
    if name != "B":
        values[-len(published) :] = published
    return [np.asarray(value, dtype) for value in values]


def model(name: str, dtype="float32", seed: int = 1):
    """The model of :func:`leaves`."""
    from oggm_glaunti.core.weights import model_from_leaves

    return model_from_leaves(name, leaves(name, dtype, seed))


def small_a(dtype="float32"):
    """Parameters of model A."""
    return model("A", dtype).ti.resolve()


class World(NamedTuple):
    """A glacier on a grid, with a year of weather for it."""

    outline: np.ndarray
    elevation: np.ndarray
    fields: jax.Array
    climate: np.ndarray
    seasons: tuple
    swe: jax.Array


def world(shape: tuple[int, int] = (24, 21), dtype="float32", seed: int = 0, mid: int | None = 211) -> World:
    """A valley glacier between 2400 and 4100 m, about a third of its grid; winter and summer, or one season."""
    from oggm_glaunti.core.forcing import monthly_climate
    from oggm_glaunti.core.glaunti import geometry_fields
    from oggm_glaunti.core.run import initial_swe

    row, col = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    bumps = np.random.default_rng(99).normal(0.0, 15.0, shape)
    elevation = (3000.0 - 600.0 * row + 500.0 * np.abs(col) + bumps).astype(dtype)
    outline = ((row / 0.85) ** 2 + (col / 0.5) ** 2 < 1.0).astype(dtype)
    temp, prcp = weather(365, dtype, seed)
    time = OCTOBER + np.arange(365)
    offset = np.asarray(GRADIENT * (elevation - REF_HGT), dtype)
    climate = monthly_climate(time, temp + offset[outline > 0.5].mean(), prcp).astype(dtype)
    fields = geometry_fields(outline, elevation, np.full(shape, 5.0, dtype))
    params = small_a(dtype)
    return World(outline, elevation, fields, climate, seasons(temp, prcp, offset, mid), initial_swe(params, shape))


def seasons(temp: np.ndarray, prcp: np.ndarray, offset: np.ndarray, mid: int | None) -> tuple:
    """Winter and summer that share the day `mid`, or one annual season where it is None."""
    from oggm_glaunti.core.forcing import StationForcing
    from oggm_glaunti.core.glaunti import Season
    from oggm_glaunti.core.run import season_weights

    parts = [slice(None)] if mid is None else [slice(0, mid + 1), slice(mid, None)]
    return tuple(
        Season(StationForcing(temp[part], prcp[part], offset), season_weights(temp[part].size, temp.dtype))
        for part in parts
    )
