"""The leak rule, tested by noise: predictors of a scene move neither with it nor with any held-out scene."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from oggm_glaunti.companions.meltwater import features as features_module, windows
from oggm_glaunti.companions.meltwater.splits import Split
from oggm_glaunti.companions.meltwater.stack import Index, SceneStack
from oggm_glaunti.companions.meltwater.windows import Decay

BROKEN = ("the scene itself", "held-out scenes", "its own climatology")


def movement(stack: SceneStack, split: Split, per_part: int = 3) -> float:
    """Largest change of any predictor of some scenes of every part when what it must not know becomes noise."""
    scales = features_module.scales_of(stack, split)
    held_out = np.concatenate([split.validation, split.test])
    rng, largest = np.random.default_rng(0), 0.0
    for part in (split.learn, split.validation, split.test):
        for day in part[:: max(1, part.size // per_part)][:per_part]:
            target = stack.target.copy()
            hidden = np.append(held_out, day)
            target[hidden] = np.where(np.isfinite(target[hidden]), rng.random(target[hidden].shape), np.nan)
            noisy = stack.with_target(target.astype(np.float32))
            days: Index = np.array([day])
            one, two = (features_module.features(s, split, days, Decay(), scales) for s in (stack, noisy))
            largest = max(largest, float(np.abs(one.x - two.x).max()), float(np.abs(one.base - two.base).max()))
    return largest


@contextmanager
def broken_rule(how: str) -> Iterator[None]:
    """The rule broken on purpose in one of three ways."""

    def with_itself(stack: SceneStack, split: Split, day: int) -> Index:
        gap = np.abs((stack.time[split.window] - stack.time[day]).astype(int))
        return split.window[(gap <= windows.REACH) & (stack.seasons[split.window] == stack.seasons[day])]

    def with_held_out(stack: SceneStack, split: Split, day: int) -> Index:
        scenes = np.sort(np.concatenate([split.window, split.validation, split.test]))
        gap = np.abs((stack.time[scenes] - stack.time[day]).astype(int))
        return scenes[(gap > 0) & (gap <= windows.REACH) & (stack.seasons[scenes] == stack.seasons[day])]

    def learns_itself(stack: SceneStack, split: Split, day: int) -> Index:
        return split.learn

    ways: dict[str, tuple[str, Callable[..., Index]]] = dict(
        zip(BROKEN, (("may_use", with_itself), ("may_use", with_held_out), ("may_learn", learns_itself)), strict=True)
    )
    name, rule = ways[how]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, name, rule)
        if hasattr(features_module, name):
            patch.setattr(features_module, name, rule)
        yield
