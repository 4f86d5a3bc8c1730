from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from oggm_glaunti.coupling.hydro.calendar import days_of_simulated_year


@given(record=st.sampled_from([365, 366]), simulated=st.sampled_from([2023, 2024, 0, 1900]), seed=st.integers(0, 99))
def test_no_water_is_lost_and_snow_still_closes(record, simulated, seed):
    rng = np.random.default_rng(seed)
    snowfall, melt = rng.random((2, record, 1))
    days = {"snowfall": snowfall, "melt": melt, "swe": 400.0 + np.cumsum(snowfall - melt, axis=0)}
    found = days_of_simulated_year(days, simulated, ("swe",))
    assert len(found["swe"]) == (366 if simulated in (2024, 0) else 365)
    assert found["melt"].sum() == pytest.approx(melt.sum())
    change = np.diff(np.concatenate([[[400.0]], found["swe"]]), axis=0)
    np.testing.assert_allclose(change, found["snowfall"] - found["melt"], atol=1e-10)


def test_other_days_keep_their_date():
    days = {"rain": np.arange(365.0)[:, None]}
    leap = days_of_simulated_year(days, 2024, ())["rain"][:, 0]
    assert (leap[31 + 28], leap[31 + 29], leap[-1]) == (0.0, 59.0, 364.0)
