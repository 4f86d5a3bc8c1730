from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.hydro.reservoirs import outflow, residence_times


@given(days=st.floats(0.0, 60.0), stored=st.floats(0.0, 100.0), seed=st.integers(0, 50))
def test_water_is_conserved_and_never_negative(days, stored, seed):
    inflow = np.random.default_rng(seed).exponential(2.0, 200)
    out, left = outflow(inflow, days, stored)
    assert out.min() >= -1e-12
    before = stored if days else 0.0
    assert out.sum() + left == pytest.approx(inflow.sum() + before)


def test_a_steady_inflow_flows_out_as_it_comes():
    np.testing.assert_allclose(outflow(np.full(50, 3.0), 7.0)[0], 3.0)


def test_an_empty_year_decays_with_the_residence_time():
    out, _ = outflow(np.zeros(30), 5.0, 100.0)
    np.testing.assert_allclose(out[1:] / out[:-1], np.exp(-0.2))


def test_halves_are_the_whole():
    inflow = np.random.default_rng(1).random((40, 2))
    whole, end = outflow(inflow, 6.0, 0.0)
    first, state = outflow(inflow[:15], 6.0, 0.0)
    rest, last = outflow(inflow[15:], 6.0, state)
    np.testing.assert_allclose(np.concatenate([first, rest]), whole)
    np.testing.assert_allclose(last, end)


@pytest.mark.parametrize(
    ("routing", "words"), [({"fog": 3.0}, "'fog'"), (-1.0, "-1.0"), ("five", "'five'"), ({"rain": np.nan}, "nan")]
)
def test_times_that_are_none_are_refused(routing, words):
    with pytest.raises(InvalidParamsError, match=words):
        residence_times("RGI60-11.01450", routing)
