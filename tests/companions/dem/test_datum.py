"""Ellipsoid or geoid: what is subtracted, and when that is refused."""

from __future__ import annotations

import numpy as np
import pytest
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.companions.dem.datum import find_datum, require_datum


def ground(median: float) -> np.ndarray:
    """Differences on stable ground, some cells without."""
    values = median + np.linspace(-3.0, 3.0, 99).reshape(9, 11)
    values[0, 0] = values[-1, -1] = np.nan
    return values


def test_without_a_word_a_small_difference_is_left_and_a_large_one_subtracted():
    small, large = find_datum("G", ground(4.9)), find_datum("G", ground(53.7))
    assert (small.shift, small.unsure) == (0.0, False)
    assert "median difference is 4.90 m, below 5 m" in small.source
    assert large.shift == pytest.approx(53.7)
    assert large.unsure
    assert large.said.startswith("not stated, taken as ellipsoid")


def test_a_negative_geoid_height_is_measured_too():
    assert find_datum("G", ground(-30.0), "ellipsoid").shift == pytest.approx(-30.0)


def test_a_given_geoid_height_is_subtracted_as_it_is():
    geoid = np.full((9, 11), 52.0) + np.arange(11)
    found = find_datum("G", ground(53.7), "ellipsoid", geoid, "egm.tif")
    assert found.shift is geoid
    assert (found.said, found.source) == ("ellipsoid", "height of the geoid as given: egm.tif")
    assert not found.unsure


def test_what_is_stated_as_geoid_is_left_alone():
    assert find_datum("G", ground(19.0), "geoid").shift == 0.0


def test_a_datum_that_cannot_be_is_refused_with_its_numbers():
    with pytest.raises(InvalidParamsError, match=r"G: vertical_datum='geoid' leaves a median difference of \+53\.7 m"):
        find_datum("G", ground(53.7), "geoid")
    expected = r"geoid height of 20\.00 m leaves a median difference of \+33\.7 m .* \(as read: \+53\.7 m\)"
    with pytest.raises(InvalidParamsError, match=expected):
        find_datum("G", ground(53.7), "ellipsoid", 20.0)


@pytest.mark.parametrize("datum", [None, "ellipsoid"])
def test_no_geoid_is_as_high_as_a_mistake_of_units(datum):
    with pytest.raises(InvalidParamsError, match=r"G: .* lie \+6543\.2 m from .* nowhere more than 110 m .* in metres"):
        find_datum("G", ground(6543.2), datum)


def test_words_and_heights_that_have_no_meaning_are_refused():
    with pytest.raises(
        InvalidParamsError, match=r"G: vertical_datum is 'wgs84'; expected one of \('ellipsoid', 'geoid'\)"
    ):
        require_datum("G", "wgs84", None)
    for datum in (None, "geoid"):
        with pytest.raises(InvalidParamsError, match=r"G: geoid_height is given with vertical_datum="):
            require_datum("G", datum, 50.0)
    require_datum("G", "ellipsoid", 50.0)
