from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from oggm_glaunti.companions.dem.voids import disc, place_voids, void_library

SHAPES = [np.ones((1, 1), bool), np.ones((2, 3), bool), np.array([[True, False], [False, True]]), disc(3.0)]


def test_a_library_holds_the_shapes_that_were_found():
    mask = np.zeros((12, 12), bool)
    mask[2:5, 3:5] = mask[8, 8] = mask[9, 9] = True
    library = void_library([mask, np.zeros((4, 4), bool)])
    assert [shape.tolist() for shape in library] == [np.ones((3, 2), bool).tolist(), np.eye(2, dtype=bool).tolist()]


def test_without_a_void_there_is_no_library():
    with pytest.raises(ValueError, match="none of them has a void"):
        void_library([np.zeros((3, 3), bool)])


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    already=st.floats(0.0, 1.0),
    share=st.floats(0.001, 0.999),
    seed=st.integers(0, 2**31),
)
def test_voids_are_new_and_placing_them_always_ends(shape, already, share, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < already
    new = place_voids(mask, SHAPES, share, rng)
    assert not (new & mask).any()
    largest = max(shape.sum() for shape in SHAPES)
    assert new.sum() <= share * mask.size + largest


def test_the_share_asked_for_is_reached_where_there_is_room():
    mask = np.zeros((60, 50), bool)
    new = place_voids(mask, SHAPES, 0.1, np.random.default_rng(0))
    assert 0.1 <= new.mean() < 0.1 + disc(3.0).sum() / mask.size


def test_a_full_raster_gets_no_voids():
    assert not place_voids(np.ones((9, 9), bool), SHAPES, 0.1, np.random.default_rng(0)).any()


def test_the_same_seed_places_the_same_voids():
    one, two = (place_voids(np.zeros((30, 30), bool), SHAPES, 0.1, np.random.default_rng(7)) for _ in range(2))
    assert (one == two).all()


def test_shapes_are_turned():
    long = [np.ones((1, 5), bool)]
    new = place_voids(np.zeros((40, 40), bool), long, 0.2, np.random.default_rng(0))
    upright = (new[:-4] & new[1:-3] & new[2:-2] & new[3:-1] & new[4:]).any()
    flat = (new[:, :-4] & new[:, 1:-3] & new[:, 2:-2] & new[:, 3:-1] & new[:, 4:]).any()
    assert upright
    assert flat


@pytest.mark.parametrize(("share", "library"), [(0.0, SHAPES), (1.0, SHAPES), (0.1, [])])
def test_impossible_wishes_are_refused(share, library):
    with pytest.raises(ValueError, match="expected 0 to 1, and a shape or more"):
        place_voids(np.zeros((5, 5), bool), library, share, np.random.default_rng(0))
