"""Climatology and windows in time: what other scenes say of a day. The leak rule is kept here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Floats, Index, SceneStack, day_of_year, days_apart

HALF_WIDTH = 7  # days of the year on either side in the climatology
REACH = 20  # days within which scenes of a season count
NO_GAP = np.float32(999.0)
"""Days to the nearest scene where the season has none within reach."""
_CELLS_AT_ONCE = 1 << 14


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
    others = [may_learn(stack, split, day) for day in days]
    near = [
        scenes[days_apart(of_year[scenes], of_year[day]) <= HALF_WIDTH]
        for scenes, day in zip(others, days, strict=True)
    ]
    total, count = _sums(stack, near, [np.ones(scenes.size) for scenes in near])
    found = np.empty_like(total)
    for k in range(len(days)):
        if count[k].sum() == 0:
            every = stack.target[others[k]][:, stack.valid]
            found[k] = np.nanmean(every) if np.isfinite(every).any() else 0.0
        else:
            found[k] = np.where(count[k] > 0, total[k] / np.maximum(count[k], 1e-9), total[k].sum() / count[k].sum())
    return found


def window_sums(stack: SceneStack, split: Split, days: Index, tau: float, side: str = "both") -> tuple[Floats, Floats]:
    """Sum up the scenes that windows may use: weight ``exp(-gap / tau)`` times melt, and weight; (N, H, W) each.

    Parameters
    ----------
    stack, split, days
        as for :func:`climatology`
    tau : float
        days
    side : {'both', 'before', 'after'}
        which scenes count
    """
    chosen, weights = [], []
    for day in days:
        scenes = may_use(stack, split, day)
        if side != "both":
            scenes = scenes[scenes < day] if side == "before" else scenes[scenes > day]
        chosen.append(scenes)
        weights.append(np.exp(-np.abs((stack.time[scenes] - stack.time[day]).astype(int)) / tau))
    return _sums(stack, chosen, weights)


def _sums(stack: SceneStack, chosen: Sequence[Index], weights: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Sum up scenes for each of N days, (N, H, W): weight times melt, and weight, on valid cells that were observed."""
    scenes = np.unique(np.concatenate([*chosen, np.empty(0, np.intp)]))
    matrix = np.zeros((len(chosen), scenes.size), np.float32)
    for row, of_day, weight in zip(matrix, chosen, weights, strict=True):
        row[np.searchsorted(scenes, of_day)] = weight
    cells = stack.valid.ravel()
    found = np.zeros((2, len(chosen), cells.size), np.float32)
    for first in range(0, cells.size, _CELLS_AT_ONCE):
        part = slice(first, first + _CELLS_AT_ONCE)
        values = stack.target.reshape(len(stack.target), -1)[scenes, part]
        seen = np.isfinite(values) & cells[part]
        found[0][:, part] = matrix @ np.where(seen, values, np.float32(0.0))
        found[1][:, part] = matrix @ seen.astype(np.float32)
    melt, weight = found.reshape(2, len(chosen), *stack.valid.shape)
    return melt, weight


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


def running_window(stack: SceneStack, split: Split, days: Index, count: int = 3, prior: Floats | None = None) -> Floats:
    """Return the mean of the `count` previous and `count` following scenes of the season: the published rule.

    Where these did not observe a cell climatology takes their place; other arguments as in :func:`decaying_window`.
    The published windows reach over any gap within a season, these too.
    """
    prior = climatology(stack, split, days) if prior is None else prior
    seasons, chosen = stack.seasons, []
    for day in days:
        of_season = np.sort(split.window[(seasons[split.window] == seasons[day]) & (split.window != day)])
        chosen.append(np.concatenate([of_season[of_season < day][-count:], of_season[of_season > day][:count]]))
    melt, weight = _sums(stack, chosen, [np.ones(scenes.size) for scenes in chosen])
    return np.where(weight > 0, melt / np.maximum(weight, 1.0), prior)


def gap_days(stack: SceneStack, split: Split, days: Index) -> Floats:
    """Return the days to the nearest scene that a window may use, by cell (N, H, W), or :data:`NO_GAP`."""
    found = np.full((len(days), *stack.valid.shape), NO_GAP)
    for nearest, day in zip(found, days, strict=True):
        scenes = may_use(stack, split, day)
        gaps = np.abs((stack.time[scenes] - stack.time[day]).astype(int))
        for k in np.argsort(-gaps):
            nearest[np.isfinite(stack.target[scenes[k]])] = gaps[k]
    return found
