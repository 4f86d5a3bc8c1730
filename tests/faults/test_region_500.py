"""Bad glaciers of a region are named with their causes, good ones are done: the large run on a few glaciers."""

from __future__ import annotations

import pytest

from .region_500 import FAULTS, check, run_with_faults


@pytest.mark.slow
def test_bad_glaciers_of_a_region_are_named_with_their_cause_and_all_others_are_done(oggm_env, weights):
    found = run_with_faults(oggm_env, 13, of_each=1, years=2)
    assert list(found.bad.values()) == list(FAULTS)
    assert [line for holds, line in check(found) if not holds] == []
    # The check tells causes apart.
    first, second, *_ = found.bad
    swapped = found._replace(bad={first: found.bad[second], second: found.bad[first]})
    assert [holds for holds, _ in check(swapped)][:2] == [False, False]
