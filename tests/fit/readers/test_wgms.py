"""Readers of the WGMS's own layouts, on small tables written in them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.fit.readers import read_fog_points, read_wgms_balances

OLD = (
    "POLITICAL_UNIT,NAME,WGMS_ID,YEAR,POINT_ID,FROM_DATE,TO_DATE,POINT_LAT,POINT_LON,POINT_ELEVATION,"
    "POINT_BALANCE,POINT_BALANCE_UNCERTAINTY,DENSITY,DENSITY_UNCERTAINTY,BALANCE_CODE,REMARKS\n"
)
OLD_ROWS = """\
AT,HINTEREIS F.,491,2011,12,20101001,20110930,46.79,10.75,2700,-3210,150,,,BA,
AT,HINTEREIS F.,491,2011,12,20101001,20110430,46.79,10.75,2700,1120,,,,BW,
AT,HINTEREIS F.,491,2011,12,20110430,20110930,46.79,10.75,2700,-4330,,,,BS,
AT,HINTEREIS F.,491,2011,13,20109999,20110999,46.79,10.75,2800,-2500,,,,BA,
AT,HINTEREIS F.,491,2011,14,20101001,20110930,46.79,10.75,2900,-1900,,,,IN,
AT,HINTEREIS F.,491,2011,15,20101001,20110931,46.79,10.75,2900,-1900,,,,BA,
AT,HINTEREIS F.,491,2011,16,20101001,20110930,46.79,10.75,2900,,,,,BA,
AT,HINTEREIS F.,491,2011,17,20101001,20110930,46.79,10.75,2900,-1234567,,,,BA,
"""
NEW = (
    "country,glacier_name,original_id,glacier_id,year,time_system,begin_date,end_date,latitude,longitude,elevation,"
    "balance,balance_unc,density,method,balance_code,remarks\n"
)
NEW_ROWS = """\
AT,HINTEREIS F.,12,491,2011,floating-date,2010-10-01,2011-09-30,46.79,10.75,2700,-3.21,0.15,,,annual,
AT,HINTEREIS F.,12,491,2011,floating-date,2010-10-01,2011-04-30,46.79,10.75,2700,1.12,,,,winter,
AT,HINTEREIS F.,12,491,2011,floating-date,2011-04-30,2011-09-30,46.79,10.75,2700,-4.33,,,,summer,
AT,HINTEREIS F.,13,491,2011,floating-date,,,46.79,10.75,2800,-2.5,,,,annual,
AT,HINTEREIS F.,14,491,2011,floating-date,2010-10-01,2011-09-30,46.79,10.75,2900,-1.9,,,,index,
"""


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "MASS_BALANCE_POINT.csv", OLD + OLD_ROWS)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return write(tmp_path / "mass_balance_point.csv", NEW + NEW_ROWS)


def test_points_of_the_older_layout_are_in_mm_and_those_of_the_newer_in_m(old, new):
    both = [read_fog_points(path).observations for path in (old, new)]
    pd.testing.assert_frame_equal(both[0].iloc[:3], both[1].iloc[:3])
    assert both[0]["value"].tolist() == pytest.approx([-3.21, 1.12, -4.33])
    assert both[0]["season"].tolist() == ["annual", "winter", "summer"]
    assert both[0].loc[0, "sigma"] == pytest.approx(0.15)


def test_bad_points_are_reported_one_by_one(old, new):
    assert read_fog_points(old).rejected[["row", "problem"]].values.tolist() == [
        [5, "begin '20109999' is not a full date; end '20110999' is not a full date"],
        [6, "season balance code 'IN' is none of annual, winter, summer, free"],
        [7, "end '20110931' is no date; write 2015-04-30"],
        [8, "no value"],
        [9, "value -1234.567 m w.e. looks like mm"],
    ]
    assert read_fog_points(new).rejected["row"].tolist() == [5, 6]


@pytest.mark.parametrize("layout", ["old", "new"])
def test_unknown_dates_become_nominal_only_when_asked(layout, request):
    read = read_fog_points(request.getfixturevalue(layout), default_dates=True)
    dates = read.observations.loc[read.rows == 5, ["begin", "end"]].iloc[0]
    assert dates.tolist() == [pd.Timestamp("2010-10-01"), pd.Timestamp("2011-09-30")]


def test_nominal_dates_in_the_south_begin_in_april(tmp_path):
    row = "NZ,BREWSTER,1597,2011,1,20109999,20119999,-44.07,169.43,1800,-1200,,,,BA,\n"
    read = read_fog_points(write(tmp_path / "points.csv", OLD + row), default_dates=True)
    dates = read.observations.loc[0, ["begin", "end"]].tolist()
    assert dates == [pd.Timestamp("2010-04-01"), pd.Timestamp("2011-03-31")]


def test_a_date_that_cannot_be_is_never_replaced(old):
    assert 7 in read_fog_points(old, default_dates=True).rejected["row"].tolist()


def test_a_file_in_mm_read_as_m_reports_every_row(old):
    read = read_fog_points(old, unit="m")
    assert len(read.observations) == 0
    assert read.rejected["problem"].str.contains("looks like mm|no value").all()


def test_a_file_in_m_read_as_mm_is_refused(tmp_path):
    rows = "".join(f"AT,A,1,2011,{i},20101001,20110930,46.8,10.7,{2700 + i},-1.{i},,,,BA,\n" for i in range(6))
    path = write(tmp_path / "points.csv", OLD + rows)
    with pytest.raises(Exception, match=r"no balance is above 1.5 mm.*give unit='m'"):
        read_fog_points(path)
    assert read_fog_points(path, unit="m").observations["value"].iloc[5] == -1.5


def test_points_without_a_needed_column_are_refused(tmp_path):
    path = write(tmp_path / "points.csv", OLD.replace("POINT_BALANCE,", "B,") + OLD_ROWS)
    with pytest.raises(Exception, match="no column balance or point_balance; found POLITICAL_UNIT"):
        read_fog_points(path)


# --- whole glaciers and bands in one table ---

BALANCE = """\
POLITICAL_UNIT,NAME,WGMS_ID,YEAR,LOWER_BOUND,UPPER_BOUND,AREA,WINTER_BALANCE,WINTER_BALANCE_UNC,SUMMER_BALANCE,\
SUMMER_BALANCE_UNC,ANNUAL_BALANCE,ANNUAL_BALANCE_UNC,REMARKS
AT,HINTEREIS F.,491,2011,9999,9999,6.8,1020,100,-2440,,-1420,200,
AT,HINTEREIS F.,491,2011,2500,2550,0.1,800,,-5200,,-4400,,
AT,HINTEREIS F.,491,2011,2550,2600,0.1,,,,,-4100,,
AT,HINTEREIS F.,491,2011,2600,2650,0.1,,,,,,,
"""


def test_rows_with_bounds_are_bands_and_the_others_whole_glaciers(tmp_path):
    read = read_wgms_balances(write(tmp_path / "balance.csv", BALANCE), default_dates=True, hemisphere="nh")
    table = read.observations
    assert table["kind"].tolist() == ["glacier-wide"] * 3 + ["point"] * 4
    assert table.loc[3:, ["height", "height_range"]].values.tolist() == [[2525.0, 50.0]] * 3 + [[2575.0, 50.0]]
    assert table.set_index(["kind", "season"])["sigma"]["glacier-wide"].to_dict() == pytest.approx(
        {"winter": 0.1, "summer": 0.34, "annual": 0.2}
    )
    assert read.rejected.values.tolist() == [[5, "HINTEREIS F.", "annual", "no value"]]


def test_the_newer_layout_has_its_own_dates(tmp_path):
    text = (
        "country,glacier_name,glacier_id,year,time_system,begin_date,midseason_date,end_date,winter_balance,"
        "summer_balance,annual_balance\n"
        "AT,HINTEREIS F.,491,2011,fixed-date,2010-10-01,2011-04-30,2011-09-30,1.02,-2.44,-1.42\n"
    )
    table = read_wgms_balances(write(tmp_path / "mass_balance.csv", text)).observations.set_index("season")
    assert table["value"].to_dict() == {"winter": 1.02, "summer": -2.44, "annual": -1.42}
    assert table.loc["summer", "begin"] == pd.Timestamp("2011-04-30")
