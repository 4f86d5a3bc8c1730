from __future__ import annotations

import json

import pytest

from oggm_glaunti.core import units
from oggm_glaunti.core.letters import model_letter


def test_a_month_is_a_twelfth_of_oggms_year():
    seconds = units.DAYS_PER_MONTH * 24 * 3600
    assert seconds == pytest.approx(365 * 24 * 3600 / 12)


def test_the_norms_are_the_constants_of_the_training():
    norms = (units.TEMP_NORM, units.PRCP_NORM, units.ELEVATION_NORM, units.ELEVATION_STD_NORM, units.SMB_NORM)
    assert norms == (45.744850158691406, 0.16851751506328583, 4341.383118842848, 5699.1201273232155, 10.0)


def test_the_norms_are_those_of_the_published_weights(weights_dir):
    text = (weights_dir / "normalisation_factors.json").read_text("utf-8")
    published = json.loads(text)
    flat = set(_numbers(published))
    for norm in (units.TEMP_NORM, units.PRCP_NORM, units.ELEVATION_NORM, units.ELEVATION_STD_NORM):
        assert any(norm == pytest.approx(value, rel=1e-12) for value in flat), norm


def _numbers(node):
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _numbers(item)
    elif isinstance(node, int | float):
        yield float(node)


@pytest.mark.parametrize("name", ["e", "", "AC", None, 1])
def test_a_letter_of_no_model_is_refused(name):
    with pytest.raises(ValueError, match="model: expected A, B, C or D, found"):
        model_letter(name)
    assert [model_letter(letter) for letter in "abcdABCD"] == list("ABCDABCD")
