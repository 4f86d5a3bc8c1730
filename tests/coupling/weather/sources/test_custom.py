"""Tables of weather in the forms that people write them: the same numbers, or what is wrong by row and column."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.weather.series import DailySeries
from oggm_glaunti.coupling.weather.sources.custom import check_custom, custom

GDIR = SimpleNamespace(rgi_id="RGI60-11.00897", cenlon=10.76, cenlat=46.8)
UNITS = {"temp_units": "degC", "prcp_units": "mm/day", "ref_hgt": 2919.0}
DAYS = np.arange("2015-01-01", "2016-01-01", dtype="M8[D]")
TEMP, PRCP = np.round(-5.0 + 8.0 * np.sin(np.arange(365) / 58.0), 3), np.arange(365) % 7 / 4


def read(path: Path, **changes) -> DailySeries:
    return custom(GDIR, (None, None), path=path, **(UNITS | changes))


def table(
    header: str = "time,temp,prcp", row: str = "{day},{temp},{prcp}", day: str = "%Y-%m-%d", comma: bool = False
) -> str:
    days = pd.DatetimeIndex(DAYS).strftime(day)
    numbers = ([f"{x:.3f}".replace(".", "," if comma else ".") for x in values] for values in (TEMP, PRCP))
    rows = (row.format(day=d, temp=t, prcp=p) for d, t, p in zip(days, *numbers, strict=True))
    return "\n".join([header, *rows]) + "\n"


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "w.csv").write_bytes(text.encode(encoding))
    return folder / "w.csv"


SEMICOLON, TAB, BLANKS = (f"{{day}}{sep}{{temp}}{sep}{{prcp}}" for sep in (";", "\t", "  "))
FORMS = {
    "semicolon": table("time;temp;prcp", SEMICOLON),
    "decimal comma": table("time;temp;prcp", SEMICOLON, comma=True),
    "quoted decimal comma": table(row='{day},"{temp}","{prcp}"', comma=True),
    "tab": table("time\ttemp\tprcp", TAB),
    "blanks": table("time temp   prcp", BLANKS),
    "names": table("Date,T_air,Precip"),
    "case": table("DATE,Temp,PRCP"),
    "spelled-out names with units": table("Datum;Air temperature [°C];Precipitation (mm/day)", SEMICOLON),
    "comments": '# station X, 5" gauge\n' + table().replace("2015-06-01", "# June\n2015-06-01"),
    "units row": table("time,temp,prcp\nYYYY-MM-DD,degC,mm/day"),
    "quoted": table('"time","temp","prcp"', '"{day}","{temp}","{prcp}"'),
    "empty last column": table("time,temp,prcp,", "{day},{temp},{prcp},"),
    "dotted dates": table(day="%d.%m.%Y"),
    "slashes, of which some have one reading": table(day="%d/%m/%Y"),
    "slashes, month first": table(day="%m/%d/%Y"),
    "whole numbers": table(day="%Y%m%d"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_table_gives_the_same_weather(form, tmp_path):
    series = read(write(tmp_path, FORMS[form]))
    np.testing.assert_array_equal(series.time, DAYS)
    np.testing.assert_array_equal(series.temp, TEMP.astype(np.float32))
    np.testing.assert_array_equal(series.prcp, PRCP.astype(np.float32))


def test_a_table_with_both_a_date_and_a_time_needs_the_name_of_the_days(tmp_path):
    path = write(tmp_path, table("time,date,temp,prcp", "{day},1,{temp},{prcp}"))
    with pytest.raises(InvalidParamsError, match=r"2 columns 'time or date'; .* Give time_name="):
        read(path)
    assert np.array_equal(read(path, time_name="time").time, DAYS)
    assert np.array_equal(read(write(tmp_path, FORMS["names"]), time_name="time").time, DAYS)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_of_spreadsheets_are_read_with_the_unit_in_the_header(encoding, tmp_path):
    series = read(write(tmp_path, table("time,temp (°C),prcp"), encoding), temp_units=None)
    np.testing.assert_array_equal(series.temp, TEMP.astype(np.float32))


def test_units_of_the_table_are_used_and_may_not_be_contradicted(tmp_path):
    path = write(tmp_path, table("time,temp,prcp\n,K,m/day"))
    with pytest.raises(InvalidParamsError, match="the file says 'K', temp_units says 'degC'"):
        read(path)
    path = write(tmp_path, table("time,temp,prcp (m/day)"))
    np.testing.assert_array_equal(read(path, prcp_units=None).prcp, (1000 * PRCP).astype(np.float32))


FAULTS = {
    "text": (table().replace(f"2015-01-07,{TEMP[6]:.3f}", "2015-01-07,Tr"), r"row 8: temp 'Tr' is no number$"),
    "dashes": ("# a\n" + table().replace("-01-07,", "-01-07,---"), r"row 9: temp '----\d.*' is no number$"),
    "thousands": (table().replace(f"{PRCP[6]:.3f}", '"1,234.5"'), r"row 8: prcp '1,234.5' has a separator of thou"),
    "thousands or decimals": (
        table(row='{day},{temp},"1,234"'),
        "row 2: prcp '1,234' may be thousands or decimals; write it without a comma; row 3: .*; 362 more",
    ),
    "one cell too many": (
        table().replace("2015-03-01", "2015-03-01,7"),
        "row 61: 4 cells, the header has 3: a decimal comma, or text without quotes",
    ),
    "unquoted decimal commas": (table(comma=True), "row 2: 5 cells, the header has 3: a decimal comma"),
    "gap": (table().replace(f"2015-01-07,{TEMP[6]:.3f}", "2015-01-07,"), "temp is NaN .*2015-01-07. Fill them"),
    "no date": (table().replace("2015-01-07,", ","), "dates cannot be read, row 8: no date"),
    "ambiguous dates": (
        "time,temp,prcp\n03/04/2015,1,1\n04/04/2015,1,1\n",
        "row 2: time '03/04/2015' may be 2015-04-03 or 2015-03-04; write the one that is meant",
    ),
    "both orders": (
        "time,temp,prcp\n13/04/2015,1,1\n04/14/2015,1,1\n",
        "row 2: time '13/04/2015' is 2015-04-13, but other dates have day and month in the other order",
    ),
    "header alone": ("time,temp,prcp\n", r"0 time step"),
    "nothing": ("\n\n", "empty, expected a header and rows"),
    "nul": (table().replace("05", "0\0", 1), "not text in UTF-8, UTF-16 or Windows-1252; save it as CSV in UTF-8"),
    "two columns": (table("time,temp,temp (K)"), "more than|0 columns 'prcp'"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_read_is_shown_with_row_and_column(fault, tmp_path):
    text, message = FAULTS[fault]
    with pytest.raises(InvalidParamsError, match=rf"^RGI60-11\.00897: w\.csv.*({message})") as caught:
        read(write(tmp_path, text))
    assert ("Fill them" in str(caught.value)) == (fault == "gap")


def test_text_in_years_that_are_not_asked_for_is_no_matter(tmp_path):
    path = write(tmp_path, table() + "2016-01-01,Tr,---\n")
    assert read(path).time[-1] == DAYS[-1]


@pytest.mark.parametrize(
    ("first", "words"), [("1600", None), ("2400", None), ("1500", "before the Gregorian calendar")]
)
def test_weather_of_any_year_is_read_since_there_are_such_dates(first, words, tmp_path):
    leap = table().replace("2015-03-01", f"{first}-02-29,0,0\n{first}-03-01") if words is None else table()
    path = write(tmp_path, leap.replace("2015-", f"{first}-"))
    if words is None:
        assert read(path).time[[0, -1]].astype(str).tolist() == [f"{first}-01-01", f"{first}-12-31"]
        return
    with pytest.raises(InvalidParamsError, match=words):
        read(path)


def test_days_that_begin_at_seven_are_said(tmp_path, caplog):
    series = read(write(tmp_path, table(day="%Y-%m-%d 07:00")))
    np.testing.assert_array_equal(series.time, DAYS)
    assert "w.csv: stamps at 07:00 are taken as the calendar day that they name" in caplog.text


def test_what_was_read_of_dates_with_slashes_is_said(tmp_path, caplog):
    read(write(tmp_path, table(day="%d/%m/%Y")))
    assert "dates such as '01/01/2015' are read as day/month/year, not as month/day/year: some" in caplog.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"prcp_units": None}, "w.csv: units are neither in the file nor given; give prcp_units="),
        ({"temp_units": "degF"}, "w.csv: temp has units 'degF'; expected degC or K"),
        ({"ref_hgt": None}, "w.csv: no attribute ref_hgt"),
        ({"temp_name": "t2m"}, "w.csv: 0 columns 't2m'; found time, temp, prcp"),
        ({"path": "nowhere.csv"}, "no climate file 'nowhere.csv'"),
    ],
)
def test_a_file_and_its_options_can_be_checked_before_any_glacier_is_there(changes, words, tmp_path):
    given = {"path": write(tmp_path, table()), "climate_source": "ERA5-Land_daily", **UNITS, **changes}
    if words is None:
        check_custom(**given)
        return
    with pytest.raises(InvalidParamsError, match=f"^{words}"):
        check_custom(**given)


# --- the small files that misled ---

SAME = ("deccomma", "deccomma_q", "semicolon", "tab", "wrongcols", "latin1", "comment", "seven")


@pytest.mark.parametrize("name", SAME)
def test_readable_cases_give_the_weather_of_the_control(shared, name):
    control, series = (read(shared / f"cases/weather/{name}.csv") for name in ("control", name))
    for field in ("time", "temp", "prcp"):
        np.testing.assert_array_equal(getattr(series, field), getattr(control, field))


def test_cases_that_cannot_be_read_show_their_cells(shared):
    words = {
        "text": r"row 7: prcp '---' is no number; row 8: prcp 'Tr' is no number$",
        "thousands": r"row 3: prcp '2,170.0' has a separator of thousands; write it without; row 4: .* more$",
        "header": r"header.csv: 0 time step",
    }
    for name, message in words.items():
        with pytest.raises(InvalidParamsError, match=message):
            read(shared / f"cases/weather/{name}.csv")
