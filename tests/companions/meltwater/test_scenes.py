"""Stacks of scenes and their splits: what is refused, seasons, and that no split leaks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oggm_glaunti.companions.meltwater.splits import Split, checked_split, random_days, seasons_left_out
from oggm_glaunti.companions.meltwater.stack import checked_stack, day_of_year, days_apart, season_of
from tests.companions.meltwater.leak import BROKEN, broken_rule, movement
from tests.companions.meltwater.worlds import small_stack


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": ["2020-06-01", "2020-06-01"]}, "2020-06-01 is there twice"),
        ({"time": ["2020-06-02", "2020-06-01"]}, "2020-06-01 follows 2020-06-02"),
        ({"time": pd.date_range("2020-06-01", periods=2, tz="UTC")}, "without a time zone, found UTC"),
        ({"time": [b"x", b"y"]}, "expected dates, found"),
        ({"target": np.full((2, 3, 3), 40.0)}, "melt fraction of 2020-06-01: expected 0 to 1, found 40 to 40"),
        ({"target": np.full((2, 3, 3), np.nan)}, "nothing was observed on any valid cell"),
        ({"target": np.zeros((3, 3, 3))}, r"expected a target \(2, H, W\), found \(3, 3, 3\)"),
        ({"layers": {"pmw": np.zeros((2, 3, 4))}}, r"pmw: expected the target's shape \(2, 3, 3\), found \(2, 3, 4\)"),
        ({"static": {"elevation": np.zeros((4, 3))}}, r"elevation: expected the target's shape \(3, 3\)"),
    ],
)
def test_bad_scenes_are_named(changes, message):
    good = {"time": ["2020-06-01", "2020-06-02"], "target": np.zeros((2, 3, 3))}
    with pytest.raises(ValueError, match=message):
        checked_stack(**{**good, **changes}, label="Helheim")


def test_southern_seasons_reach_over_the_new_year():
    days = np.array(["2019-06-30", "2019-07-01", "2020-02-29", "2020-06-30"], "datetime64[D]")
    assert season_of(days, 7).tolist() == [2018, 2019, 2019, 2019]
    assert season_of(days, 1).tolist() == [2019, 2019, 2020, 2020]


def test_leap_years_have_the_same_days_of_the_year():
    for year in (2019, 2020):
        days = np.array([f"{year}-01-01", f"{year}-03-01", f"{year}-12-31"], "datetime64[D]")
        assert day_of_year(days).tolist() == [0, 59, 364]
    assert days_apart(np.array([1, 363]), 0).tolist() == [1, 2]


def test_random_days_use_every_scene_once():
    stack, split = small_stack()
    every = np.concatenate([split.learn, split.validation, split.test])
    assert sorted(every) == stack.scenes.tolist()
    assert split.learn.size / every.size == pytest.approx(0.74, abs=0.02)
    assert not np.array_equal(split.learn, random_days(stack, 1).learn)


def test_left_out_seasons_are_never_learned_from():
    stack, split = small_stack()
    b, c = (seasons_left_out(stack, split, [2019], observed) for observed in (True, False))
    assert set(stack.seasons[b.learn]) == set(stack.seasons[b.validation]) == {2018}
    assert set(stack.seasons[b.test]) == {2019}
    assert 2019 in stack.seasons[b.window]
    assert c.window.size == 0
    with pytest.raises(ValueError, match="seasons to leave out"):
        seasons_left_out(stack, split, [1999])


def test_a_split_that_leaks_is_refused():
    stack, split = small_stack()
    held = split.test[:1]
    for name in ("learn", "window", "validation"):
        with pytest.raises(ValueError, match="a scene has one use"):
            checked_split(stack, split._replace(**{name: np.append(getattr(split, name), held)}))
    nothing = np.array([], int)
    with pytest.raises(ValueError, match="no scene to test"):
        checked_split(stack, Split(split.learn, split.window, split.validation, nothing))


@pytest.mark.parametrize("key", ["a", "b", "c"])
def test_predictors_do_not_move_when_what_they_must_not_know_is_noise(key):
    stack, split = small_stack()
    if key != "a":
        split = seasons_left_out(stack, split, [2019], key == "b")
    assert movement(stack, split) == 0.0


@pytest.mark.parametrize("how", BROKEN)
def test_the_leak_test_finds_a_broken_rule(how):
    stack, split = small_stack()
    with broken_rule(how):
        assert movement(stack, split) > 0.01
