"""Text tables: what one cell can hold. Whole files are in the tests of weather and of observations."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import assume, given, strategies as st
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.text.table import NOTE, parse_numbers, read_table, unit_of


def write(folder: Path, text: str) -> Path:
    (folder / "t.csv").write_text(text, "utf-8")
    return folder / "t.csv"


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["-5,362", "3,1"], [-5.362, 3.1]),  # another comma can only be a decimal one
        (["-5,362", "0,125"], [-5.362, 0.125]),
        (["-5,362", "3,125"], [None, None]),
        (["-5,362", "1,234.5"], [None, None]),
        (["5.362", "3,1"], [None, 3.1]),  # 5.362 may be 5362 among decimal commas
        (["5.362", "3.1"], [5.362, 3.1]),
        (["1 234", "1'234", "1,234,567", "1.234,5", "1\u202f234,5"], [None] * 5),
        (["Tr", "---", "1.2 m", "0x10", "1_000", "1e3"], [None] * 5 + [1000.0]),
    ],
)
def test_commas_are_decimal_where_they_can_be_nothing_else(cells, numbers):
    found, wrong = parse_numbers(pd.Series(cells), "prcp")
    assert [None if pd.isna(number) else number for number in found] == numbers
    assert [words == "" for words in wrong] == [number is not None for number in numbers]


@given(st.floats(-1e4, 1e4, allow_nan=False), st.sampled_from([".", ","]))
def test_a_number_is_itself_or_refused(number, mark):
    assume(round(number, 4) != -9999.0)  # a gap
    text = f"{number:.4f}".replace(".", mark)
    found, wrong = parse_numbers(pd.Series([text]), "temp")
    assert (found[0] == float(f"{number:.4f}"), wrong[0]) == (True, "")


def test_comments_and_empty_rows_count(tmp_path):
    table = read_table(write(tmp_path, "# made by\n\na;b\n1;2\n# 3;4\n;\n5;6\n"))
    assert table.index.tolist() == [4, 7]
    assert table["b"].tolist() == ["2", "6"]


def test_units_below_the_header_belong_to_the_names_only_if_asked(tmp_path):
    path = write(tmp_path, "time,temp,prcp (mm/day),flag\n,[degC],,\n2015-01-01,1,2,a\n")
    assert read_table(path, units_row=True).columns.tolist() == ["time", "temp (degC)", "prcp (mm/day)", "flag", NOTE]
    assert read_table(path).index.tolist() == [2, 3]


@pytest.mark.parametrize("row", ["HEF,,c", "k", "-,---,--", "2015-01-01,K,m"])
def test_a_row_of_data_is_not_taken_for_units(tmp_path, row):
    path = write(tmp_path, f"glacier,begin,value\n{row}\n")
    held = read_table(path, units_row=True).index.tolist() == [2]
    assert held == (row not in {"HEF,,c", "k"})  # one letter may be a unit, and then the row holds no number


def test_blanks_separate_if_nothing_else_does(tmp_path):
    path = write(tmp_path, 'time  temp (degC)  name\n2015-01-01   -1.5 "A B"\n')
    table = read_table(path)
    assert table.columns.tolist() == ["time", "temp (degC)", "name", NOTE]
    assert table.iloc[0].tolist() == ["2015-01-01", "-1.5", "A B", ""]


def test_cells_below_no_name_of_a_comma_table_are_noted(tmp_path):
    table = read_table(write(tmp_path, "time,temp,\n2015-01-01,5,3\n"))
    assert table.loc[2, NOTE].startswith("3 cells, the header has 2: a decimal comma")


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(InvalidParamsError, match=r"^HEF: cannot be read"):
        read_table(tmp_path, label="HEF")
    (tmp_path / "t.csv").write_bytes(b"\x89HDF\r\n\x00\x00")
    with pytest.raises(InvalidParamsError, match="not text in UTF-8, UTF-16 or Windows-1252"):
        read_table(tmp_path / "t.csv")


def test_the_unit_is_apart_from_the_name():
    assert unit_of("Value (mm w.e.)") == ("value", "mm w.e.")
    assert unit_of("T_air") == ("t_air", None)
