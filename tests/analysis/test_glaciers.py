"""A glacier directory as a trajectory gives what the mass-balance model gives."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import GlaUnTIMassBalance
from oggm_glaunti.analysis.glaciers import glacier_run
from oggm_glaunti.analysis.trajectory import annual, annual_by_height

balances = jax.jit(annual), jax.jit(annual_by_height)
A = {"model": "A", "check_calib_params": False}


def of_the_table(glacier, year):
    """The table's balance of a calendar year at the trajectory's heights, m w.e."""
    rate = glacier.mb_model.get_annual_mb(glacier.heights, year=year, add_climate=False)
    return rate * glacier.mb_model.sec_in_year(year) * glacier.mb_model.rho / 1000.0


def test_calendar_years_are_those_of_the_mass_balance_model(aletsch):
    glacier = glacier_run(aletsch, (1990, 1992), "calendar", {**A, "bias": 100.0})
    found = np.asarray(balances[1](glacier.tuned, glacier.trajectory))
    for row, year in zip(found, glacier.years, strict=True):
        difference = row - of_the_table(glacier, year)
        # The table is linear between heights 10 m apart.
        np.testing.assert_allclose(difference, 0.0, atol=6e-3)
        assert abs(difference @ glacier.trajectory.area) < 3e-4


@pytest.mark.slow
def test_corrections_of_model_c_and_their_years_are_in_the_trajectory(aletsch):
    chosen = {"model": "C", "corrector": "yearly", "check_calib_params": False}
    glacier = glacier_run(aletsch, (1990, 1992), "calendar", chosen)
    assert glacier.trajectory.ds.shape[0] > 30
    found = np.asarray(balances[1](glacier.tuned, glacier.trajectory))
    inside = np.asarray(glacier.trajectory.area) > 0
    for row, year in zip(found, glacier.years, strict=True):
        np.testing.assert_allclose(row[inside], of_the_table(glacier, year)[inside], atol=0.02)


def test_hydrological_years_begin_in_october_and_have_all_their_days(aletsch):
    glacier = glacier_run(aletsch, (1983, 1985), mb_kwargs=A)
    for number, year in enumerate((1983, 1984, 1985)):
        days = glacier.days[glacier.trajectory.period == number]
        assert str(days[0]) == f"{year - 1}-10-01"
        assert str(days[-1]) == f"{year}-09-30"
    assert str(glacier.days[0]) == "1981-01-01"
    assert glacier.days[-1] == days[-1]
    assert glacier.trajectory.area.sum() == pytest.approx(1.0, abs=1e-5)
    heights = glacier.surface.heights
    assert heights.mean() == pytest.approx(float(glacier.trajectory.area @ glacier.heights), abs=0.1)
    assert isinstance(glacier.mb_model, GlaUnTIMassBalance)


def test_years_that_the_record_does_not_hold_are_named(aletsch):
    for years, kind in (((1981, 1990), "hydrological"), ((1990, 2021), "calendar")):
        with pytest.raises(InvalidParamsError, match=rf"{aletsch.rgi_id}: years: .* {kind} years 198[12] to 2020"):
            glacier_run(aletsch, years, kind, A)
    with pytest.raises(InvalidParamsError, match=f"{aletsch.rgi_id}: years: no years from 1990 to 1985"):
        glacier_run(aletsch, (1990, 1985), "calendar", A)
    with pytest.raises(InvalidParamsError, match="year_type: expected one of"):
        glacier_run(aletsch, (1990, 1991), "lunar", A)


def test_other_words_for_years_are_refused(aletsch):
    for wrong, match in (
        ({"mb_kwargs": {**A, "ys": 2010, "ye": 2019}}, r"glacier_run: mb_kwargs: unknown \['ye', 'ys'\]"),
        ({"years": [2001, 2005, 2010]}, r"years: expected \(first, last\), found \[2001, 2005, 2010\]"),
        ({"years": 2019}, r"years: expected \(first, last\), found 2019"),
    ):
        with pytest.raises(InvalidParamsError, match=f"{aletsch.rgi_id}: {match}"):
            glacier_run(aletsch, **{"mb_kwargs": A, **wrong})


def test_years_of_the_south_begin_in_april():
    from oggm_glaunti.analysis import glaciers

    time = np.arange("1999-01-01", "2003-01-01", dtype="M8[D]")
    days = time[glaciers.rows_of_balance_years(time, 2002, 4)]
    assert str(days[-1]) == "2002-03-31"
    year = glaciers.balance_year_of_days(days, 2001, 4)
    assert [str(days[year == number][0]) for number in (0, 1)] == ["2000-04-01", "2001-04-01"]
    assert year.max() == 1
    assert set(year[days < np.datetime64("2000-04-01")]) == {-1}
