"""Whatever is written as a date or a number is read as that or refused, never as another."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from hypothesis import given, strategies as st

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.text.dates import parse_days
from oggm_glaunti.coupling.text.table import parse_numbers

FORMS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M")
DATES = st.dates(dt.date(1700, 1, 1), dt.date(2400, 12, 31))
# -9999 stands for a missing value.
NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3)).filter(lambda number: number != -9999)


@given(st.lists(DATES, min_size=1, max_size=5), st.sampled_from(FORMS))
def test_a_date_in_any_notation_is_that_day_or_refused(dates, form):
    days, wrong = parse_days(pd.Series([f"{date:{form}}" for date in dates]), "date")
    for date, day, why in zip(dates, days, wrong, strict=True):
        # Where all days of a column are below 13, nobody can tell day/month from month/day.
        assert (day.date() == date and not why) or (pd.isna(day) and why and "/" in form)


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.sampled_from((".", ",")))
def test_a_number_with_either_mark_is_that_number_or_refused(numbers, mark):
    cells = pd.Series([f"{number:.3f}".replace(".", mark) for number in numbers])
    found, wrong = parse_numbers(cells, "value")
    good = wrong == ""
    np.testing.assert_array_equal(found[good], np.array(numbers)[good])
    assert found[~good].isna().all()
    assert good.all() or mark == ","


@given(st.text(max_size=12))
def test_any_text_is_a_finite_number_missing_or_named(text):
    found, wrong = parse_numbers(pd.Series([text]), "value")
    assert not np.isinf(found[0])
    if np.isfinite(found[0]):
        assert not wrong[0]
        assert any(sign.isdigit() for sign in text)


@given(st.text(max_size=14))
def test_any_text_is_a_day_missing_or_named(text):
    days, wrong = parse_days(pd.Series([text]), "date")
    assert pd.notna(days[0]) or wrong[0] or not any(sign.isdigit() for sign in text) or text.strip() == "-9999"
