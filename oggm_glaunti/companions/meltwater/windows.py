"""Climatology and windows in time: what other scenes say of a day. The leak rule is kept here and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Floats, Index, SceneStack, day_of_year, days_apart

HALF_WIDTH = 7  # days of the year on either side in the climatology
REACH = 20  # days within which scenes of a season count
NO_GAP = np.float32(999.0)
"""Days to the nearest scene where the season has none within reach."""


class Decay(NamedTuple):
    """How fast scenes lose weight, and the weight of climatology; chosen by validation.

    Attributes
    ----------
    tau : float
        days after which a scene's weight has fallen to 1 / e
    weight : float
        of climatology, as an extra scene
    """

    tau: float = 2.0
    weight: float = 0.18


class Evidence(NamedTuple):
    """What scenes of the season say of a day, (H, W) each.

    Attributes
    ----------
    weight, melt : float32 arrays
        sum of the weights of scenes that observed a cell, and of weight times melt fraction
    gap : float32 array
        days to the nearest such scene, :data:`NO_GAP` if none is within reach
    """

    weight: Floats
    melt: Floats
    gap: Floats


def may_use(stack: SceneStack, split: Split, day: int) -> Index:
    """Scenes that windows may use for a day: of its season, within reach, never the day itself."""
    window = split.window
    gap = np.abs((stack.time[window] - stack.time[day]).astype(int))
    seasons = stack.seasons
    return window[(gap > 0) & (gap <= REACH) & (seasons[window] == seasons[day])]


def may_learn(stack: SceneStack, split: Split, day: int) -> Index:
    """Scenes whose climatology may be used for a day: never the day itself, nor its season if that is set apart."""
    learn = split.learn
    seasons = stack.seasons
    return learn[seasons[learn] != seasons[day]] if split.season_apart else learn[learn != day]


def climatology(stack: SceneStack, split: Split, days: Index) -> Floats:
    """Return the mean melt fraction of the learning scenes by cell and day of the year.

    Parameters
    ----------
    stack : SceneStack
    split : Split
    days : int array (N,)
        indices along the stack's time

    Returns
    -------
    float32 array (N, H, W)
        over days of the year within 7 days. Where those did not observe a cell: the mean over all cells that they
        observed; if there are none: the mean of all learning scenes
    """
    of_year = day_of_year(stack.time)
    found = np.empty((len(days), *stack.valid.shape), np.float32)
    for k, day in enumerate(days):
        others = may_learn(stack, split, day)
        near = others[days_apart(of_year[others], of_year[day]) <= HALF_WIDTH]
        total, count = _sums(stack, near, np.ones(near.size, np.float32))
        if count.sum() == 0:
            every = stack.target[others][:, stack.valid]
            found[k] = np.nanmean(every) if np.isfinite(every).any() else 0.0
            continue
        found[k] = np.where(count > 0, total / np.maximum(count, 1e-9), total.sum() / count.sum())
    return found


def evidence(stack: SceneStack, scenes: Index, day: int, tau: float) -> Evidence:
    """Sum up scenes with weights ``exp(-gap / tau)``."""
    gaps = np.abs((stack.time[scenes] - stack.time[day]).astype(int))
    melt, weight = _sums(stack, scenes, np.exp(-gaps / tau).astype(np.float32))
    nearest = np.full(stack.valid.shape, NO_GAP)
    for k in np.argsort(-gaps):
        nearest[np.isfinite(stack.target[scenes[k]])] = gaps[k]
    return Evidence(weight, melt, nearest)


def _sums(stack: SceneStack, scenes: Index, weights: Floats) -> tuple[Floats, Floats]:
    """Sum up scenes: weight times melt, and weights, on valid cells that were observed."""
    values = stack.target[scenes]
    seen = np.isfinite(values) & stack.valid
    melt = np.einsum("k,khw->hw", weights, np.where(seen, values, np.float32(0.0)))
    return melt, np.einsum("k,khw->hw", weights, seen.astype(np.float32))


def decaying_window(
    stack: SceneStack, split: Split, days: Index, decay: Decay | None = None, prior: Floats | None = None
) -> Floats:
    """Return scenes of the season within 20 days, weighted by ``exp(-gap / tau)``, with climatology as a weak scene.

    Parameters
    ----------
    stack, split, days
        as for :func:`climatology`
    decay : Decay, optional
    prior : array (N, H, W), optional
        climatology, if it is known already

    Returns
    -------
    float32 array (N, H, W)
    """
    decay = decay or Decay()
    prior = climatology(stack, split, days) if prior is None else prior
    melt, weight = window_sums(stack, split, days, decay.tau)
    return (melt + decay.weight * prior) / (weight + decay.weight)


def window_sums(stack: SceneStack, split: Split, days: Index, tau: float) -> tuple[Floats, Floats]:
    """Sum up the scenes that windows may use: weight ``exp(-gap / tau)`` times melt, and weight; (N, H, W) each."""
    found = np.empty((2, len(days), *stack.valid.shape), np.float32)
    for k, day in enumerate(days):
        scenes = may_use(stack, split, day)
        gaps = np.abs((stack.time[scenes] - stack.time[day]).astype(int))
        found[:, k] = _sums(stack, scenes, np.exp(-gaps / tau).astype(np.float32))
    return found[0], found[1]


def running_window(stack: SceneStack, split: Split, days: Index, count: int = 3, prior: Floats | None = None) -> Floats:
    """Return the mean of the `count` previous and `count` following scenes of the season: the published rule.

    Where these did not observe a cell climatology takes their place; other arguments as in :func:`decaying_window`.
    The published windows reach over any gap within a season, these too.
    """
    prior = climatology(stack, split, days) if prior is None else prior
    seasons, found = stack.seasons, np.empty_like(prior)
    for k, day in enumerate(days):
        of_season = split.window[(seasons[split.window] == seasons[day]) & (split.window != day)]
        of_season = np.sort(of_season)
        scenes = np.concatenate([of_season[of_season < day][-count:], of_season[of_season > day][:count]])
        melt, weight = _sums(stack, scenes, np.ones(scenes.size, np.float32))
        found[k] = np.where(weight > 0, melt / np.maximum(weight, 1.0), prior[k])
    return found


def gap_days(stack: SceneStack, split: Split, days: Index) -> Floats:
    """Return the days to the nearest scene that a window may use, by cell (N, H, W)."""
    return np.stack([evidence(stack, may_use(stack, split, day), day, 1.0).gap for day in days])
