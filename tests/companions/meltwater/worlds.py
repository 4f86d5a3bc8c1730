"""Small stacks of scenes for tests."""

from __future__ import annotations

from functools import cache

import numpy as np

from oggm_glaunti.companions.meltwater.splits import Split, random_days
from oggm_glaunti.companions.meltwater.stack import SceneStack, checked_stack

SMALL = 16


@cache
def small_stack(seed: int = 0, seasons: tuple[int, ...] = (2018, 2019)) -> tuple[SceneStack, Split]:
    """Two seasons of 60 days: melt up to a line that follows the weather, seen every second day on half a swath."""
    rng = np.random.default_rng(seed)
    elevation = np.add.outer(np.linspace(0, 1000, SMALL), np.linspace(0, 200, SMALL)).astype(np.float32)
    time = np.concatenate([np.datetime64(f"{year}-06-01") + np.arange(60) for year in seasons])
    line = 500 + 400 * np.sin(np.arange(time.size) / 5.0) + rng.normal(0, 80, time.size)
    target = (elevation[None] < line[:, None, None]).astype(np.float32)
    hidden = np.ones_like(target, bool)
    hidden[::2, :, : SMALL // 2] = False
    hidden[::4, :, :] = False
    water = np.maximum(line[:, None, None] - elevation + rng.normal(0, 150, target.shape), 0.0).astype(np.float32)
    valid = elevation > 20.0
    stack = checked_stack(
        time, np.where(hidden, np.nan, target), {"water": water / 1000}, {"elevation": elevation}, valid
    )
    return stack, random_days(stack, seed)
