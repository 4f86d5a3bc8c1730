from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from oggm_glaunti.core.refreezing import refrozen, woodward_potential


@given(seed=st.integers(0, 200), had=st.floats(0.0, 0.2))
def test_never_more_than_there_is_or_than_may(seed, had):
    rng = np.random.default_rng(seed)
    water, period = rng.exponential(0.01, (60, 3)), np.sort(rng.integers(0, 3, 60))
    potential = rng.random((3, 3)) * 0.2
    found, _ = refrozen(water, period, potential, np.full(3, had))
    assert (found >= 0).all()
    assert (found <= water + 1e-15).all()
    for index in np.unique(period):
        assert (found[period == index].sum(axis=0) <= potential[index] + 1e-15).all()


@given(seed=st.integers(0, 100), at=st.integers(1, 59))
def test_parts_are_the_whole_and_months_are_their_days(seed, at):
    rng = np.random.default_rng(seed)
    water, period = rng.exponential(0.01, (60, 2)), np.repeat([0, 1], [25, 35])
    potential = np.array([[0.1, 0.0], [0.2, 0.5]])
    whole, end = refrozen(water, period, potential, np.zeros(2))
    first, had = refrozen(water[:at], period[:at], potential, np.zeros(2))
    # A period that begins with the second part has had no water.
    had = had if period[at] == period[at - 1] else np.zeros(2)
    rest, last = refrozen(water[at:], period[at:], potential, had)
    np.testing.assert_allclose(np.concatenate([first, rest]), whole, atol=1e-15)
    np.testing.assert_allclose(last, end)
    months = water.reshape(12, 5, 2).sum(axis=1)
    by_month, _ = refrozen(months, period[::5], potential, np.zeros(2))
    np.testing.assert_allclose(by_month, whole.reshape(12, 5, 2).sum(axis=1), atol=1e-15)


def test_colder_is_more_and_a_temperate_place_none():
    temps = np.linspace(-25.0, 5.0, 50)
    potential = woodward_potential(temps)
    assert (np.diff(potential) <= 0).all()
    assert potential[-1] == 0.0
    # Woodward et al. 1997, in cm.
    np.testing.assert_allclose(woodward_potential(np.array([-10.0])), [(6.9 + 0.0096) / 100.0])
