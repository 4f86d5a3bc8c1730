"""What may be learned from, what windows may use, and what is held out.

The leak rule: predictors of a scene contain neither the scene itself nor any validation or test scene.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.stack import Index, SceneStack

SHARES = (0.74, 0.13, 0.13)


class Split(NamedTuple):
    """Days of a stack by use; indices along its time.

    Attributes
    ----------
    learn : int array
        scenes from which numbers are learned: weights, thresholds, climatology
    window : int array
        scenes that windows may use
    validation, test : int arrays
        scenes held out
    season_apart : bool
        climatology of a scene leaves out its whole season, as in a season never seen; otherwise the scene only
    """

    learn: Index
    window: Index
    validation: Index
    test: Index
    season_apart: bool = False


def random_days(stack: SceneStack, seed: int = 0, shares: tuple[float, float, float] = SHARES) -> Split:
    """Split a: random days of all seasons, drawn within each month, as published.

    Parameters
    ----------
    stack : SceneStack
    seed : int
    shares : (float, float, float)
        of learning, validation and test

    Examples
    --------
    >>> from oggm_glaunti.companions.meltwater.stack import checked_stack
    >>> days = np.datetime64("2019-06-01") + np.arange(100)
    >>> split = random_days(checked_stack(days, np.zeros((100, 1, 1))))
    >>> [part.size for part in (split.learn, split.validation, split.test)]
    [74, 13, 13]
    """
    rng, scenes = np.random.default_rng(seed), stack.scenes
    months = stack.time[scenes].astype("datetime64[M]").astype(int) % 12
    # Ranks within a shuffled month, months one after the other: every month has the shares, and so has the whole.
    order = np.lexsort((rng.random(scenes.size), months))
    place = np.empty(scenes.size)
    place[order] = (np.arange(scenes.size) * _GOLDEN + rng.random()) % 1.0
    learn_to, validate_to = shares[0], shares[0] + shares[1]
    parts = [scenes[part] for part in (place < learn_to, (place >= learn_to) & (place < validate_to))]
    test = scenes[place >= validate_to]
    return Split(parts[0], parts[0], parts[1], test)


# Multiples of the golden ratio are spread evenly.
_GOLDEN = 0.5 * (5.0**0.5 - 1.0)


def seasons_left_out(stack: SceneStack, split: Split, seasons: Iterable[int], observed: bool = True) -> Split:
    """Split b or c: whole seasons are never learned from.

    Parameters
    ----------
    stack : SceneStack
    split : Split
        of random days, whose parts are kept
    seasons : iterable of int
        left out, by the year in which they begin
    observed : bool
        True (b): the left-out seasons' scenes that would have been learned from feed windows, as in use. False (c): no
        scene of the season is known, neither there nor in learning, as in years before the satellite

    Returns
    -------
    Split
        tests on the left-out seasons' test scenes, validates on the other seasons'
    """
    out = set(seasons)
    missing = out - set(stack.seasons[stack.scenes].tolist())
    if missing or not out:
        raise ValueError(f"seasons to leave out: {sorted(missing) or 'none given'}; scenes are of {_years(stack)}")
    is_out = np.isin(stack.seasons, sorted(out))
    learn = split.learn[~is_out[split.learn]]
    window = split.window if observed else split.window[:0]
    return checked_split(
        stack, Split(learn, window, split.validation[~is_out[split.validation]], split.test[is_out[split.test]], True)
    )


def _years(stack: SceneStack) -> str:
    years = np.unique(stack.seasons[stack.scenes])
    return f"{years[0]} to {years[-1]}"


def checked_split(stack: SceneStack, split: Split) -> Split:
    """Return a split; raise a ValueError if it leaks, or has nothing to learn from or to test.

    Examples
    --------
    >>> from oggm_glaunti.companions.meltwater.stack import checked_stack
    >>> stack = checked_stack(np.datetime64("2019-06-01") + np.arange(3), np.zeros((3, 1, 1)))
    >>> checked_split(stack, Split(np.array([0]), np.array([0, 2]), np.array([1]), np.array([2])))
    Traceback (most recent call last):
    ...
    ValueError: 2019-06-03 is among the scenes of windows and held out; a scene has one use
    """
    held_out = np.concatenate([split.validation, split.test])
    both = np.intersect1d(split.validation, split.test)
    for name, part in (("learning", split.learn), ("windows", split.window)):
        twice = both if both.size else np.intersect1d(part, held_out)
        if twice.size:
            what = "validation and test" if both.size else f"the scenes of {name} and held out"
            raise ValueError(f"{stack.time[twice[0]]} is among {what}; a scene has one use")
    for name, part in (("learn from", split.learn), ("test", split.test)):
        if not part.size:
            raise ValueError(f"no scene to {name}: give more scenes, or leave out fewer seasons")
    return split
