"""The table that a person writes."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, strategies as st

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.text.dates import parse_days
from oggm_glaunti.coupling.text.table import parse_numbers
from oggm_glaunti.fit.readers import read_csv, read_mass_balance_machine

DOCS = Path(__file__).resolve().parents[3] / "docs" / "observations.md"

PLAIN = """\
glacier,date_begin,date_end,lat,lon,height,value,sigma,season
Hintereisferner,2018-10-01,2019-09-30,46.79,10.75,2800,-2.10,0.15,annual
Hintereisferner,2018-10-01,2019-04-30,46.79,10.75,2800,1.05,,winter
Hintereisferner,2019-07-01,2019-07-14,46.79,10.75,2800,-0.60,,
"""


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "stakes.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_plain_table_is_read(tmp_path):
    read = read_csv(write(tmp_path, PLAIN))
    assert read.rejected.empty
    assert read.observations["season"].tolist() == ["annual", "winter", "free"]
    assert read.observations["kind"].unique().tolist() == ["point"]
    assert read.observations["sigma"].tolist() == [0.15, 0.2, 0.2]
    assert read.observations["source"].unique().tolist() == ["stakes.csv"]
    assert read.rows.tolist() == [2, 3, 4]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_separators_names_decimal_commas_and_encodings_of_the_field_are_read(tmp_path, encoding):
    text = "Glacier Name;From;To;Elevation (m);Balance [m w.e.];Bemerkung\n"
    text += "Gorner\u00e9;01.10.2018;30.09.2019;2800,5;-2,10;neu\n"
    table = read_csv(write(tmp_path, text, encoding)).observations
    assert table.loc[0, ["glacier", "height", "value"]].tolist() == ["Gorner\u00e9", 2800.5, -2.1]
    assert table.loc[0, "begin"] == pd.Timestamp("2018-10-01")


def test_a_typographic_minus_is_a_minus(tmp_path):
    assert read_csv(write(tmp_path, PLAIN.replace("-2.10", "\u22122.10"))).observations.loc[0, "value"] == -2.1


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("glacier,begin,end,height,value (mm w.e.)\nA,2018-10-01,2019-09-30,2800,-2100\n", "m"),
        ("glacier,begin,end,height,value,unit\nA,2018-10-01,2019-09-30,2800,-2100,mm\n", "m"),
        ("glacier,begin,end,height,value\nA,2018-10-01,2019-09-30,2800,-2100\n", "mm"),
        ("glacier,begin,end,height,value,unit\nA,2018-10-01,2019-09-30,2800,-2.1,m w.e.\n", "mm"),
    ],
)
def test_the_unit_is_that_of_the_row_the_header_or_the_call(tmp_path, text, given):
    assert read_csv(write(tmp_path, text), unit=given).observations["value"].tolist() == pytest.approx([-2.1])


def test_mm_given_for_m_is_reported_row_by_row(tmp_path):
    read = read_csv(write(tmp_path, PLAIN.replace("-2.10", "-2100").replace("1.05", "1050")))
    assert read.rejected[["row", "problem"]].values.tolist() == [
        [2, "value -2100 m w.e. looks like mm"],
        [3, "value 1050 m w.e. looks like mm"],
    ]
    assert len(read.observations) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2018-10-01,2019-09-30", "03/04/2018,2019-09-30", "2018-04-03 or 2018-03-04; write the one that is meant"),
        ("2018-10-01,2019-09-30", ",2019-09-30", "no begin date"),
        ("2018-10-01,2019-09-30", "2019-10-01,2019-09-30", "end 2019-09-30 is not after begin 2019-10-01"),
        ("2018-10-01,2019-09-30", "2018-10-01,2019-02-30", "end '2019-02-30' is no date; write 2015-04-30"),
        ("-2.10", "-2.1 m", "value '-2.1 m' is no number"),
        ("-2.10", '"1,234.5"', "value '1,234.5' has a separator of thousands; write it without"),
        ("-2.10", "-2,10", "10 cells, the header has 9: a decimal comma, or text without quotes?"),
        ("-2.10", "", "no value"),
        (",2800,-2.10", ",,-2.10", None),
        ("46.79,10.75,2800,-2.10", ",,,-2.10", "a point with neither height nor position"),
        ("0.15,annual", "0.15,yearly", "season yearly is none of annual, winter, summer, free"),
        ("0.15,annual", "-0.15,annual", "sigma -0.15 is not above 0"),
        ("Hintereisferner,2018-10-01,2019-09-30", ",2018-10-01,2019-09-30", "no glacier named"),
    ],
)
def test_a_bad_row_is_reported_and_the_rest_is_used(tmp_path, old, new, words):
    read = read_csv(write(tmp_path, PLAIN.replace(old, new, 1)))
    assert len(read.rejected) == (words is not None)
    assert all(problem.endswith(words) for problem in read.rejected["problem"])
    assert len(read.observations) == 3 - len(read.rejected)


def test_rows_of_a_season_with_a_year_get_nominal_dates_only_when_asked(tmp_path):
    path = write(tmp_path, "glacier,year,season,lat,lon,value\nA,2019,annual,46,10,-1\nB,2019,winter,-44,169,1\n")
    with pytest.raises(Exception, match="no column begin, end; such as begin or date_begin"):
        read_csv(path)
    table = read_csv(path, default_dates=True).observations
    assert table["begin"].dt.strftime("%Y-%m-%d").tolist() == ["2018-10-01", "2018-04-01"]
    assert table["end"].dt.strftime("%Y-%m-%d").tolist() == ["2019-09-30", "2018-10-31"]


def test_nominal_dates_are_those_of_each_rows_own_hemisphere(tmp_path):
    rows = ["RGI60-17.00001", "RGI60-11.00897", "RGI2000-v7.0-G-18-00001", "RGI60-16.02207", "Juncal"]
    text = "glacier,year,season,height,value\n" + "".join(f"{name},2001,winter,3000,1\n" for name in rows)
    read = read_csv(write(tmp_path, text), default_dates=True)
    south, north = ["2000-04-01", "2000-10-31"], ["2000-10-01", "2001-04-30"]
    assert read.observations[["begin", "end"]].astype(str).values.tolist() == [south, north, south, south]
    where = "on which hemisphere? Give a latitude, an RGI id or hemisphere="
    assert read.rejected.values.tolist() == [[6, "Juncal", "winter", f"no begin date: {where}; no end date: {where}"]]
    told = read_csv(tmp_path / "stakes.csv", default_dates=True, hemisphere="sh").observations
    assert told[["begin", "end"]].astype(str).values.tolist()[-1] == south
    with pytest.raises(Exception, match="hemisphere: expected 'nh' or 'sh', found 'south'"):
        read_csv(tmp_path / "stakes.csv", default_dates=True, hemisphere="south")


MBM = """\
YEAR,POINT_ID,GLACIER,FROM_DATE,TO_DATE,POINT_LAT,POINT_LON,POINT_ELEVATION,POINT_BALANCE,PERIOD,RGIId
2003,01,oberaar,2002-10-06,2003-10-11,46.5388,8.2332,2389.8,-6.174,annual,RGI60-11.01509
2003,01,oberaar,20021006,20030430,46.5388,8.2332,2389.8,1.2,winter,RGI60-11.01509
"""


@pytest.mark.parametrize("reader", [read_csv, read_mass_balance_machine])
def test_cleaned_tables_of_mass_balance_machine_are_read(tmp_path, reader):
    read = reader(write(tmp_path, MBM))
    assert read.rejected.empty
    table = read.observations
    assert table["glacier"].unique().tolist() == ["RGI60-11.01509"]
    assert table[["season", "height", "value"]].values.tolist() == [["annual", 2389.8, -6.174], ["winter", 2389.8, 1.2]]
    assert table[["begin", "end"]].astype(str).values.tolist()[1] == ["2002-10-06", "2003-04-30"]


def test_small_balances_among_millimetres_are_not_taken_for_metres(tmp_path):
    rows = "".join(
        f"A,2018-10-01,2019-09-30,{2800 + i},{value}\n" for i, value in enumerate([-900, -1200, 410, 650, -12])
    )
    read = read_csv(write(tmp_path, f"glacier,begin,end,height,value\n{rows}"))
    assert read.observations.empty
    assert read.rejected["problem"].tolist()[-1] == "value -12 m w.e. among balances that look like mm"


def test_units_below_the_header_are_used(tmp_path):
    text = "glacier,begin,end,height,value\n,,,m,mm w.e.\nA,2018-10-01,2019-09-30,2800,-2100\n"
    read = read_csv(write(tmp_path, text))
    assert (read.observations["value"].tolist(), read.rows.tolist()) == ([-2.1], [3])


def test_dates_with_slashes_are_read_by_those_of_the_table_with_one_reading(tmp_path, caplog):
    head = "glacier,begin,end,height,value\n"
    read = read_csv(write(tmp_path, head + "A,01/10/2018,30/09/2019,2800,-1\n"))
    assert read.observations[["begin", "end"]].astype(str).values.tolist() == [["2018-10-01", "2019-09-30"]]
    assert "begin: dates such as '01/10/2018' are read as day/month/year, not as month/day/year" in caplog.text
    read = read_csv(write(tmp_path, head + "A,01/10/2018,02/09/2019,2800,-1\n"))
    assert read.rejected["problem"].tolist() == [
        "begin '01/10/2018' may be 2018-10-01 or 2018-01-10; write the one that is meant; "
        "end '02/09/2019' may be 2019-09-02 or 2019-02-09; write the one that is meant"
    ]


@pytest.mark.parametrize("row", ["0015-10-01,2019-09-30", "2018-10-01,9201-09-30"])
def test_years_that_are_misspelt_are_named(tmp_path, row):
    read = read_csv(write(tmp_path, f"glacier,begin,end,height,value\nA,{row},2800,-1\n"))
    assert read.rejected["problem"].str.contains("is not between 1700 and 2200").all()


def test_small_files_that_misled_are_read_or_named(shared):
    cases = {
        "small_mm": "value -28 m w.e., more than 25 a year: invalid, or in mm",
        "swapped": "latitude 10.75 with longitude 46.79: not in region 11 of the glacier, but exchanged they are",
    }
    for name, words in cases.items():
        read = read_csv(shared / f"cases/obs/{name}.csv")
        assert read.rejected[["row", "problem"]].values.tolist() == [[2, words]]
    dmy = read_csv(shared / "cases/obs/dmy.csv").observations
    assert dmy[["begin", "end"]].astype(str).values.tolist() == [["2018-10-13", "2019-09-30"]]
    with pytest.raises(Exception, match=r"nocols.csv: no column glacier, value; .*; found id, from, to, z, b"):
        read_csv(shared / "cases/obs/nocols.csv")


def test_a_free_period_never_gets_nominal_dates(tmp_path):
    read = read_csv(write(tmp_path, "glacier,year,height,value\nA,2019,2800,-1\n"), default_dates=True)
    assert read.rejected["problem"].tolist() == ["no begin date; no end date"]


def test_the_glacier_of_a_table_without_one_is_given(tmp_path):
    path = write(tmp_path, "begin,end,height,value\n2018-10-01,2019-09-30,2800,-1\n")
    with pytest.raises(Exception, match="no column glacier"):
        read_csv(path)
    assert read_csv(path, glacier="A").observations["glacier"].tolist() == ["A"]


def test_empty_lines_are_skipped_and_rows_keep_their_number(tmp_path):
    read = read_csv(
        write(tmp_path, PLAIN.replace("\nHintereisferner,2019-07", "\n,,,,,,,,\n\nHintereisferner,2019-07"))
    )
    assert read.rows.tolist() == [2, 3, 6]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("glacier,begin,end,height,altitude,value\n", "'height' and 'altitude' both are height"),
        ("glacier,begin,end,value [ft]\n", r"units \{'value': 'ft'\} in the header"),
        ("glacier,begin,end,value [mm],unit\n", "in the header and a column of units"),
        ("glacier,begin,end,value,value\n", "more than one column value"),
    ],
)
def test_a_file_that_is_no_such_table_is_an_error(tmp_path, text, words):
    with pytest.raises(Exception, match=words):
        read_csv(write(tmp_path, text))


def test_a_table_without_rows_has_no_observations(tmp_path):
    read = read_csv(write(tmp_path, "glacier,begin,end,height,value\n"))
    assert (len(read.observations), len(read.rejected)) == (0, 0)


def test_the_example_in_the_docs_is_read_as_it_says(tmp_path):
    text = DOCS.read_text("utf-8")
    example = re.search(r"```text\n(.*?)```", text, re.S)[1]
    read = read_csv(write(tmp_path, example))
    said = re.findall(r"^\| (\d+) \| (.+) \|$", text.split("```text")[1].split("- **Needed**")[0], re.M)
    assert [(str(row), words) for row, words in read.rejected[["row", "problem"]].values] == said
    assert read.rows.tolist() == [2, 3, 4]
    assert read.observations["value"].tolist() == [-2.85, 1.31, -0.62]


@given(
    st.dates(pd.Timestamp("1700-01-01").date(), pd.Timestamp("2200-12-31").date()),
    st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d", "%Y-%m-%dT%H:%M:%S", " %d.%m.%Y %H:%M "]),
)
def test_a_day_is_the_same_day_in_every_way_to_write_it(day, form):
    days, wrong = parse_days(pd.Series([day.strftime(form)]), "begin")
    assert days[0] == pd.Timestamp(day)
    assert wrong[0] == ""


@pytest.mark.parametrize(
    ("cell", "number"),
    [("-1,25", -1.25), ("0,125", 0.125), ("1234,567", 1234.567), ("-.5", -0.5), ("1e3", 1000.0), ("-9999", None)],
)
def test_numbers_are_read(cell, number):
    numbers, wrong = parse_numbers(pd.Series([cell]), "value")
    assert pd.isna(numbers[0]) if number is None else numbers[0] == number
    assert wrong[0] == ""


def test_a_comma_that_may_separate_thousands_is_reported_except_in_degrees():
    numbers, wrong = parse_numbers(pd.Series(["2,800"]), "height")
    assert pd.isna(numbers[0])
    assert wrong[0] == "height '2,800' may be thousands or decimals; write it without a comma"
    assert parse_numbers(pd.Series(["46,791"]), "lat")[0][0] == 46.791


@pytest.mark.parametrize("cell", ["2019-13-01", "31.04.2019", "1.5.19", "May 2019", "31/31/2019", "20190230", "43739"])
def test_what_is_no_day_is_never_taken_for_one(cell):
    days, wrong = parse_days(pd.Series([cell]), "begin")
    assert pd.isna(days[0])
    assert wrong[0] == f"begin '{cell}' is no date; write 2015-04-30"
