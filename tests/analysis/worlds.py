"""A small glacier of a few heights, from October on."""

from __future__ import annotations

import jax
import numpy as np

from oggm_glaunti.analysis.trajectory import Trajectory
from oggm_glaunti.core.on_heights import Tuned
from oggm_glaunti.core.temperature_index import ti_weights, with_day


def trajectory(years=2, heights=3, realisations=1, periods=1, spin_up=1, dtype="float64", seed=0, warmer=0.0):
    """Years of 365 days that begin on 1 October, some of them for the snow first; heights over 600 m."""
    rng = np.random.default_rng(seed)
    days = np.arange(365 * (years + spin_up))
    season = -5.0 + warmer + 9.0 * np.cos(2 * np.pi * (days - 290) / 365)
    shape = (realisations, days.size)
    temp = season + rng.normal(0.0, 3.0, shape)
    prcp = rng.exponential(0.012, shape) * (rng.random(shape) < 0.4)
    area = rng.uniform(0.5, 1.5, heights)
    ds = rng.normal(0.0, 0.15, (periods, 5, heights)) * (periods > 1)
    year = (days // 365 - spin_up).astype(np.int32)
    return Trajectory(
        temp=temp.astype(dtype),
        prcp=prcp.astype(dtype),
        above_ref=np.linspace(-300.0, 300.0, heights).astype(dtype),
        area=(area / area.sum()).astype(dtype),
        ds=ds.astype(dtype),
        ds_index=np.minimum(days // 365, periods - 1).astype(np.int32),
        period=np.maximum(year, -1),
        years=np.arange(2001, 2001 + years, dtype=np.int32),
        bias=np.zeros((), dtype),
    )


def tuned(dtype="float64", temp_bias=0.3, variant="smooth"):
    """The priors of model A."""
    ti = jax.tree.map(lambda number: np.asarray(number, dtype), with_day(ti_weights(), variant))
    return Tuned(ti, np.asarray(temp_bias, dtype), np.asarray(-0.0065, dtype))
