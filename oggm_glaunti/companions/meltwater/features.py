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
    evidence,
    may_use,
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
    gap = np.empty_like(base)
    angle = 2.0 * np.pi * day_of_year(stack.time) / 365.0
    for k, day in enumerate(days):
        scenes = may_use(stack, split, day)
        channel = 2
        for side in (scenes[scenes < day], scenes[scenes > day]):
            for tau in (decay.tau, SLOW):
                of_side = evidence(stack, side, day, tau)
                x[k, ..., channel] = of_side.melt / (of_side.weight + decay.weight)
                x[k, ..., channel + 1] = of_side.weight / (of_side.weight + decay.weight)
                channel += 2
        gap[k] = evidence(stack, scenes, day, decay.tau).gap
        x[k, ..., channel], x[k, ..., channel + 1] = np.sin(angle[day]), np.cos(angle[day])
        channel += 2
        for name, values in [*stack.static.items(), *((name, v[day]) for name, v in stack.layers.items())]:
            scaled = (values - scales.mean[name]) / scales.sd[name]
            x[k, ..., channel] = np.nan_to_num(scaled, nan=0.0)
            channel += 1
        for name in with_gaps:
            x[k, ..., channel] = np.isnan(stack.layers[name][day])
            channel += 1
    x *= stack.valid[None, ..., None]
    return Features(x, base, gap, tuple(names))
