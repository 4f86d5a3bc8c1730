"""Melt of snow and of ice, as OGGM's hydrology asks for it."""

from __future__ import annotations

import numpy as np
import pytest
from oggm.exceptions import InvalidWorkflowError
from oggm.utils import date_to_floatyear

from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.coupling.oggm.versions import days_in_year, floatyear_of_day

HEIGHTS = np.array([1800.0, 2604.0, 3100.0, 3905.0])


@pytest.fixture
def model(aletsch_gdir):
    return GlaUnTIMassBalanceA(aletsch_gdir, variant="mass_conserving")


@pytest.mark.parametrize("year", [2003, 2004])
def test_days_months_and_the_year_agree(model, year):
    annual = model.get_annual_melt(year, HEIGHTS)
    days = [model.get_daily_melt(floatyear_of_day(year, d), HEIGHTS) for d in range(1, days_in_year(year) + 1)]
    months = [model.get_monthly_melt(date_to_floatyear(year, month), HEIGHTS) for month in range(1, 13)]
    for of_year, of_days, of_months in zip(
        annual[::2], zip(*days, strict=True), list(zip(*months, strict=True))[::2], strict=True
    ):
        np.testing.assert_allclose(np.sum(of_days, axis=0), of_year, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(np.sum(of_months, axis=0), of_year, rtol=1e-9, atol=1e-6)
    assert (annual[1] == 0).all()


def test_melt_is_snowfall_less_the_balance(model):
    mb, _, _, _, snowfall = model.get_annual_mb(HEIGHTS, year=2003, add_climate=True)
    snow, firn, ice = model.get_annual_melt(2003)  # at the heights just asked for
    np.testing.assert_allclose(snow + firn + ice, snowfall - mb * model.sec_in_year(2003) * model.rho, atol=5e-3)
    assert ice[0] > 5 * snow[0] > 0
    assert ice[-1] < 1e-3


def test_beyond_the_table_no_melt_is_negative(model):
    snow, _, ice = model.get_annual_melt(2003, [-500.0, 300.0, 6000.0, 9000.0])
    assert min(snow.min(), ice.min()) >= 0
    assert ice[0] > ice[1] > 0


def test_without_heights_it_asks_for_them(model):
    with pytest.raises(InvalidWorkflowError, match="at which heights"):
        model.get_annual_melt(2003)


def test_the_published_day_has_no_such_method_and_says_why(aletsch_gdir):
    model = GlaUnTIMassBalanceA(aletsch_gdir)
    assert not hasattr(model, "get_annual_melt")
    assert not hasattr(model, "get_monthly_melt")
    with pytest.raises(AttributeError, match=r"variant='smooth'.*mass_conserving"):
        model.get_annual_melt(2003)
    with pytest.raises(InvalidWorkflowError, match="variant='smooth'"):
        model.get_daily_melt(2003.5, HEIGHTS)
