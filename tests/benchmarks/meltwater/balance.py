"""Twenty years of surface water, day by day: its balance closes and it is never negative."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from oggm_glaunti.companions.meltwater.water import surface_water
from tests.benchmarks.meltwater.lines import Verdict, head

YEARS, CLOSED = 20, 1e-5


def run() -> list[Verdict]:
    head(f"Surface water, {YEARS} years of days on 50 heights")
    rng = np.random.default_rng(0)
    day = np.arange(YEARS * 365)
    temp = -4.0 - 10.0 * np.cos(2 * np.pi * day / 365.0) + rng.normal(0, 3, day.size)
    temp = (temp[:, None] - 0.006 * np.linspace(-800.0, 1200.0, 50)).astype(np.float32)
    melt = (0.005 * np.maximum(temp, 0.0)).astype(np.float32)
    rain = np.where(temp > 1.0, rng.exponential(0.004, temp.shape), 0.0).astype(np.float32)
    days = surface_water(melt, rain, temp)
    water, refreeze, runoff = (np.asarray(x, np.float64) for x in days)
    error = np.abs((melt.astype(np.float64) + rain).sum(axis=0) - water[-1] - refreeze.sum(axis=0) - runoff.sum(axis=0))
    least = min(water.min(), refreeze.min(), runoff.min())
    slopes = jax.grad(lambda p: surface_water(melt, rain, temp, *p).water.sum())(jnp.array([0.7, 0.03, 0.002]))
    closed = float(error.max())
    return [
        Verdict(f"balance of the water, {YEARS} years: closed to {closed:.1e} <= {CLOSED:g} m w.e.", closed <= CLOSED),
        Verdict(f"water, refreezing and runoff are never negative: least {least:g}", least >= 0.0),
        Verdict("gradients by k, capacity and refreezing are finite", bool(jnp.isfinite(slopes).all())),
    ]
