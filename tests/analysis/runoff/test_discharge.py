from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.analysis import read_discharge

DAYS = pd.date_range("2001-01-01", "2002-12-31")
FLOW = 5.0 + 4.0 * np.sin(np.arange(DAYS.size) / 58.0)  # m3 s-1


def write(path, **columns):
    pd.DataFrame({"date": DAYS.strftime("%Y-%m-%d"), **columns}).to_csv(path, index=False)
    return path


def test_all_units_are_the_same_river(tmp_path):
    area = 100.0
    named = {"discharge(m3/s)": FLOW, "discharge_ls (l/s)": 1e3 * FLOW, "discharge_spec(mm/d)": FLOW * 86.4 / area}
    for name, values in named.items():
        read = read_discharge(write(tmp_path / "q.csv", **{name: values}), area=area)
        np.testing.assert_allclose(read, FLOW, rtol=1e-12, err_msg=name)


def test_of_several_columns_the_volume_is_taken(tmp_path):
    path = write(tmp_path / "q.csv", **{"discharge_spec(mm/d)": FLOW / 7, "discharge_vol(m3/s)": FLOW, "swe(mm)": FLOW})
    np.testing.assert_allclose(read_discharge(path), FLOW)


def test_gaps_stay_gaps(tmp_path):
    values = FLOW.copy()
    values[10:20] = np.nan
    path = write(tmp_path / "q.csv", **{"discharge(m3/s)": values})
    table = pd.read_csv(path).drop(index=range(30, 35))
    table.to_csv(path, index=False)
    read = read_discharge(path)
    assert len(read) == DAYS.size
    assert int(read.isna().sum()) == 15


def test_the_massa(shared):
    path = shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv"
    volume, specific = (read_discharge(path, 195.5, column=c) for c in ("discharge_vol(m3/s)", "discharge_spec(mm/d)"))
    assert volume.loc["1981-01-01"] == 0.456
    assert float(specific.mean()) == pytest.approx(float(volume.mean()), rel=2e-3)


@pytest.mark.parametrize(
    ("columns", "kwargs", "words"),
    [
        ({"discharge": FLOW}, {}, r"do not say their unit.*rename the column, to 'discharge\(m3/s\)'"),
        ({"discharge(gpm)": FLOW}, {}, "do not say their unit"),
        ({"discharge(mm/d)": FLOW}, {}, "give the area"),
        ({"discharge(m3/s)": FLOW * 1e3}, {"area": 100.0}, r"no river carries.*\(l/s would fit\)"),
        ({"discharge(m3/s)": FLOW - 6.0}, {}, "discharge is not negative"),
        ({"level(m)": FLOW}, {}, "no column of discharge.*rename the column"),
        ({"discharge(m3/s)": FLOW}, {"column": "q"}, "no column 'q'"),
        ({"discharge(m3/s)": FLOW}, {"units": "cfs"}, "units: expected one of"),
        ({"discharge(m3/s)": np.full(DAYS.size, np.nan)}, {}, "holds no value"),
    ],
)
def test_what_is_no_discharge_is_refused(tmp_path, columns, kwargs, words):
    with pytest.raises(InvalidParamsError, match=f"q.csv: .*{words}"):
        read_discharge(write(tmp_path / "q.csv", **columns), **kwargs)


def test_days_twice_or_hours_are_refused(tmp_path):
    path = write(tmp_path / "q.csv", **{"discharge(m3/s)": FLOW})
    table = pd.read_csv(path)
    pd.concat([table[:5], table[4:]]).to_csv(path, index=False)
    with pytest.raises(InvalidParamsError, match="one value a day"):
        read_discharge(path)
    with pytest.raises(InvalidParamsError, match="cannot be read"):
        read_discharge(tmp_path / "none.csv")
