"""Predictors of a scene as channels: what windows say, season, height, weather; each about one in size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.model import LEAST_ODDS, ODDS_SCALE
from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Floats, Index, SceneStack, day_of_year
from oggm_glaunti.companions.meltwater.windows import (
    Decay,
    climatology,
    decaying_window,
    gap_days,
    window_sums,
)

SLOW = 6.0  # days, second rate of decay, which looks further than the baseline's


class Scales(NamedTuple):
    """Mean and standard deviation of each layer over the learning scenes, by name; NaN cells become the mean."""

    mean: dict[str, float]
    sd: dict[str, float]


class Features(NamedTuple):
    """Predictors of some days.

    Attributes
    ----------
    x : float32 array (N, H, W, C)
    base : float32 array (N, H, W)
        the baseline that is corrected: the decaying window
    gap : float32 array (N, H, W)
        days to the nearest scene in the window
    names : tuple of str
        of the channels
    """

    x: Floats
    base: Floats
    gap: Floats
    names: tuple[str, ...]


def scales_of(stack: SceneStack, split: Split) -> Scales:
    """Measure the layers on the learning scenes."""
    mean, sd = {}, {}
    for name in (*stack.static, *stack.layers):
        values = stack.static[name] if name in stack.static else stack.layers[name][split.learn]
        known = values[..., stack.valid]
        known = known[np.isfinite(known)]
        if not known.size:
            raise ValueError(f"{name}: no value on any valid cell of the learning scenes; leave the layer out")
        mean[name], sd[name] = float(known.mean(dtype=np.float64)), float(known.std(dtype=np.float64)) or 1.0
    return Scales(mean, sd)


def features(stack: SceneStack, split: Split, days: Index, decay: Decay, scales: Scales) -> Features:
    """Compute predictors; the leak rule holds for each of them.

    Parameters
    ----------
    stack, split, days
        as in :func:`~oggm_glaunti.companions.meltwater.windows.climatology`
    decay : Decay
    scales : Scales

    Returns
    -------
    Features
        channels: log-odds of the baseline, climatology, mean melt before and after and their weights, with two rates
        of decay, season (sine, cosine), constant layers, daily layers, and where a daily layer is missing
    """
    prior = climatology(stack, split, days)
    base = decaying_window(stack, split, days, decay, prior)
    names = ["base", "climatology"]
    for side in ("before", "after"):
        for rate in ("fast", "slow"):
            names += [f"melt_{side}_{rate}", f"weight_{side}_{rate}"]
    names += ["season_sine", "season_cosine", *stack.static, *stack.layers]
    with_gaps = [name for name, values in stack.layers.items() if not np.isfinite(values[:, stack.valid]).all()]
    names += [f"{name}_missing" for name in with_gaps]
    x = np.zeros((len(days), *stack.valid.shape, len(names)), np.float32)
    kept = np.clip(base, LEAST_ODDS, 1.0 - LEAST_ODDS)
    x[..., 0] = np.log(kept / (1.0 - kept)) / ODDS_SCALE
    x[..., 1] = 4.0 * prior
    channel = 2
    for side in ("before", "after"):
        for tau in (decay.tau, SLOW):
            melt, weight = window_sums(stack, split, days, tau, side)
            x[..., channel], x[..., channel + 1] = (part / (weight + decay.weight) for part in (melt, weight))
            channel += 2
    angle = 2.0 * np.pi * day_of_year(stack.time)[days] / 365.0
    x[..., channel], x[..., channel + 1] = (wave(angle)[:, None, None] for wave in (np.sin, np.cos))
    channel += 2
    for name, values in [*stack.static.items(), *((name, v[days]) for name, v in stack.layers.items())]:
        x[..., channel] = np.nan_to_num((values - scales.mean[name]) / scales.sd[name], nan=0.0)
        channel += 1
    for name in with_gaps:
        x[..., channel] = np.isnan(stack.layers[name][days])
        channel += 1
    x *= stack.valid[None, ..., None]
    return Features(x, base, gap_days(stack, split, days), tuple(names))
