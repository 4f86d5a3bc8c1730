"""The synthetic world: known water from an energy balance, and what observes it; the whole chain runs on it."""

from __future__ import annotations

import numpy as np
import pytest

from oggm_glaunti.companions.meltwater import synthetic
from oggm_glaunti.companions.meltwater.baselines import chosen_decay, tuned_threshold
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions
from oggm_glaunti.companions.meltwater.scores import pooled
from oggm_glaunti.companions.meltwater.splits import random_days
from oggm_glaunti.companions.meltwater.stack import checked_stack
from oggm_glaunti.companions.meltwater.training import predict_days, train_network

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world() -> synthetic.World:
    return synthetic.make_world(0, 16, (2018, 2019))


def test_the_world_is_as_described(world):
    assert world.time.size == 2 * 153
    assert 0.2 < world.truth[:, world.land].mean() < 0.8
    scenes = np.flatnonzero(np.isfinite(world.sar).any(axis=(1, 2)))
    assert set(np.diff(scenes)) <= {2, 3}
    assert 0.3 < np.isfinite(world.sar[scenes]).mean() < 0.6
    assert not np.isfinite(world.sar[:, ~world.land]).any()
    high = world.elevation > np.median(world.elevation[world.land])
    assert world.truth[:, high & world.land].mean() < world.truth[:, ~high & world.land].mean()


def test_the_truth_is_no_function_of_the_day_s_temperature(world):
    """Cold spring snow does not melt at temperatures at which summer snow does."""
    middle = np.abs(np.where(world.land, world.elevation - np.median(world.elevation[world.land]), np.inf))
    row, column = np.unravel_index(middle.argmin(), middle.shape)
    wet = world.truth[:, row, column]
    shares = [wet[np.floor(world.temp) == degree].mean() for degree in np.unique(np.floor(world.temp))]
    assert max(min(share, 1.0 - share) for share in shares) > 0.2


def test_what_observes_sees_the_truth_with_errors(world):
    seen = np.isfinite(world.sar)
    agreement = ((world.sar > 0.5) == (world.truth > 0.5))[seen].mean()
    assert 0.9 < agreement < 1.0
    rule = tuned_threshold(world.water[:, world.land], world.truth[:, world.land])
    assert pooled(rule.probability(world.water[:, world.land]), world.truth[:, world.land]).f1 > 0.6


def test_the_same_seed_makes_the_same_world():
    one, two, other = (synthetic.make_world(seed, 8, (2018,)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.sar, two.sar)
    assert not np.array_equal(one.truth, other.truth)


def test_a_network_with_all_sources_beats_each_daily_source(world):
    layers = {"pmw": world.pmw, "model": world.model, "water": world.water}
    stack = checked_stack(world.time, world.sar, layers, {"elevation": world.elevation}, world.land)
    split = random_days(stack)
    decay = chosen_decay(stack, split)
    trained = train_network(stack, split, decay, width=4, levels=2, crop=16, options=FitOptions(epochs=1))
    y = np.where(stack.valid, stack.target, np.nan)[split.test]
    network = pooled(predict_days(trained, stack, split, split.test), y)
    for values in layers.values():
        rule = tuned_threshold(values[split.learn], np.where(stack.valid, stack.target, np.nan)[split.learn])
        assert network.brier < pooled(rule.probability(values[split.test]), y).brier
