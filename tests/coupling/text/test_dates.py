"""Dates: one rule wherever a person gives one."""

from __future__ import annotations

import datetime as dt

import cftime
import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.gridded.periods import Period, periods_from_dates
from oggm_glaunti.coupling.model.reference_period import ReferencePeriod
from oggm_glaunti.coupling.text.dates import as_day, as_days, order_of_slashes, parse_days, parse_stamps
from oggm_glaunti.fit.observations import as_observations

FIRST_OF_OCTOBER = [
    "2008-10-01", "2008-10-1", "2008/10/01", "01.10.2008", "1.10.2008", "20081001", "2008-10-01T00:00:00Z",
    "2008-10-01 12:30", "01.10.2008 07:00", "2008-10-01T00:00:00.000+00:00", 20081001, 20081001.0, np.int64(20081001),
    dt.date(2008, 10, 1), dt.datetime(2008, 10, 1, 7), pd.Timestamp("2008-10-01"), np.datetime64("2008-10-01"),
    pd.Timestamp("2008-10-01", tz="UTC"), cftime.DatetimeGregorian(2008, 10, 1),
]  # fmt: skip
FAULTS = {
    "01/10/2008": "may be 2008-10-01 or 2008-01-10; write the one that is meant",
    "01-10-2008": "may be 2008-10-01 or 2008-01-10",
    "2008-10-01T00:00+01:00": "has an offset from UTC; give calendar days without one",
    pd.Timestamp("2008-10-01", tz="Europe/Vienna"): "has an offset from UTC",
    "2008-10": "is not a full date",
    "2008": "is not a full date",
    2008: "is not a full date",
    "2008-02-30": "is no date; write 2015-04-30",
    "2008-10-01 25:00": "is no date",
    "1.10.08": "is no date",
    "Oct 2008": "is no date",
    1.5: "is no date",
    12345: "is no date",
}


@pytest.mark.parametrize("value", FIRST_OF_OCTOBER, ids=repr)
def test_a_day_is_the_same_in_every_notation_and_type(value):
    assert as_day(value, "begin") == np.datetime64("2008-10-01")


@pytest.mark.parametrize("value", FAULTS, ids=repr)
def test_what_is_no_day_or_two_is_refused_with_what_to_do(value):
    with pytest.raises(InvalidParamsError, match=f"^HEF: begin '.*' {FAULTS[value]}"):
        as_day(value, "begin", "HEF")


@pytest.mark.parametrize("missing", [None, "", float("nan"), pd.NaT, "NA", "-9999.0"])
def test_a_missing_day_is_missing_in_a_column_and_an_error_alone(missing):
    assert as_days(["2008-10-01", missing], "mid").isna().tolist() == [False, True]
    with pytest.raises(InvalidParamsError, match="begin: expected a date such as 2015-04-30"):
        as_day(missing, "begin")


def test_the_row_of_a_date_that_cannot_be_read_is_named():
    with pytest.raises(InvalidParamsError, match=r"^begin '32.01.2008' is no date; .*, row b$"):
        as_days(pd.Series(["2008-10-01", "32.01.2008"], ["a", "b"]), "begin")


@pytest.mark.parametrize(
    ("cells", "order", "days"),
    [
        (["01/10/2008", "30/09/2009"], "day/month/year", ["2008-10-01", "2009-09-30"]),
        (["10/01/2008", "9/30/2009"], "month/day/year", ["2008-10-01", "2009-09-30"]),
        (["01/10/2008", "02/09/2009"], None, [None, None]),
        (["03/03/2008", "2008-01-02"], None, ["2008-03-03", "2008-01-02"]),
        (["30/09/2009", "9/30/2009", "01/10/2008"], "mixed", [None, None, None]),
    ],
)
def test_slashes_are_read_if_the_column_has_but_one_reading(cells, order, days):
    found, wrong = parse_days(pd.Series(cells), "begin")
    assert order_of_slashes(pd.Series(cells)) == order
    assert [None if pd.isna(day) else f"{day:%Y-%m-%d}" for day in found] == days
    assert [words == "" for words in wrong] == [day is not None for day in days]


def test_any_year_is_a_year():
    days, wrong = parse_days(pd.Series(["0999-12-31", "1500-01-01", "2400-02-29", "31.12.9999"]), "time")
    assert days.to_numpy("M8[D]").astype(str).tolist() == ["0999-12-31", "1500-01-01", "2400-02-29", "9999-12-31"]
    assert (wrong == "").all()


def test_times_of_day_are_kept_where_they_matter():
    stamps, _ = parse_stamps(pd.Series(["2008-10-01 07:30:15", "01.10.2008 23:59", "20081001"]), "time")
    assert stamps.astype(str).tolist() == ["2008-10-01 07:30:15", "2008-10-01 23:59:00", "2008-10-01 00:00:00"]


# --- where users give dates ---

ROW = {"glacier": ["HEF"], "kind": "point", "value": 1.0, "height": 2800.0}


@pytest.mark.parametrize("begin", ["01.10.2008", "2008-10-01", 20081001])
def test_observations_of_autumn_stay_in_autumn(begin):
    table = as_observations({**ROW, "begin": begin, "end": "30.04.2009"})
    assert table[["begin", "end"]].astype(str).values.tolist() == [["2008-10-01", "2009-04-30"]]


def test_observations_with_two_readings_or_none_are_refused():
    with pytest.raises(InvalidParamsError, match="observations: begin '01/10/2008' may be 2008-10-01 or 2008-01-10"):
        as_observations({**ROW, "begin": "01/10/2008", "end": "2009-04-30"})
    with pytest.raises(InvalidParamsError, match="observations: end 1500-04-30 to 1500-04-30; expected years 1678"):
        as_observations({**ROW, "begin": "2008-10-01", "end": "1500-04-30"})


def test_dates_of_maps_are_read_by_the_same_rule():
    columns = {"begin": ["01.10.2008"], "mid": [None], "end": [20090930]}
    (period,) = periods_from_dates(pd.DataFrame(columns), "HEF")
    assert period == Period(2009, np.datetime64("2008-10-01"), None, np.datetime64("2009-09-30"))
    with pytest.raises(InvalidParamsError, match="HEF: season dates: begin '01/10/2008' may be 2008-10-01 or"):
        periods_from_dates(pd.DataFrame({**columns, "begin": ["01/10/2008"]}), "HEF")


@pytest.mark.parametrize("period", ["2000-01_2020-01", "01/02/2000_01/02/2020", "2000-01-01_2020-13-01"])
def test_a_reference_period_has_full_days(period):
    with pytest.raises(InvalidParamsError, match="HEF: ref_period: expected like '2000-01-01_2020-01-01', found"):
        ReferencePeriod.of(period, "HEF")
