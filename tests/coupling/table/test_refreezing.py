"""Refreezing in the balance of Grosser Aletsch and in its daily water."""

from __future__ import annotations

import numpy as np
import pytest
from oggm import cfg
from oggm.core.massbalance import MultipleFlowlineMassBalance
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.analysis import read_daily_hydro
from oggm_glaunti.coupling.oggm.versions import days_in_year, floatyear_of_day
from oggm_glaunti.tasks import run_with_daily_hydro
from tests.coupling.hydro.test_run import require_closed

HEIGHTS = np.array([1800.0, 2604.0, 3100.0, 3905.0])
HOW = {"variant": "mass_conserving", "refreezing": "woodward"}


def annual(model, year):
    return model.get_annual_mb(HEIGHTS, year=year) * model.sec_in_year(year) * model.rho


def test_it_adds_a_few_centimetres_where_it_is_cold(aletsch_gdir):
    plain, cold = GlaUnTIMassBalanceA(aletsch_gdir, variant="mass_conserving"), GlaUnTIMassBalanceA(aletsch_gdir, **HOW)
    gains = np.array([annual(cold, year) - annual(plain, year) for year in range(1985, 2020)])
    assert (gains >= -1e-3).all()
    mean = gains.mean(axis=0)  # kg m-2
    assert mean[0] == pytest.approx(0.0, abs=5.0)  # about 3 degC
    assert 20.0 < mean[2] < 60.0
    # In a cold summer on the summit all melt and rain of a year freeze again.
    assert mean[3] <= 69.0 * 1.2
    assert GlaUnTIMassBalanceA(aletsch_gdir, **HOW).get_annual_mb(HEIGHTS, year=2003) == pytest.approx(
        cold.get_annual_mb(HEIGHTS, year=2003)
    )


@pytest.mark.parametrize(("kind", "year"), [("woodward", 2003), ("woodward", 2004), ("cold_content", 2004)])
def test_days_add_up_to_the_year(aletsch_gdir, kind, year):
    model = GlaUnTIMassBalanceA(aletsch_gdir, **{**HOW, "refreezing": kind})
    days = model.get_daily_mb_of_year(HEIGHTS, year)
    total = days.sum(axis=1) * cfg.SEC_IN_DAY * model.rho
    np.testing.assert_allclose(total, annual(model, year), atol=1e-2)
    each = [model.get_daily_mb(HEIGHTS, year=floatyear_of_day(year, day)) for day in range(1, days_in_year(year) + 1)]
    np.testing.assert_allclose(np.stack(each, axis=1), days, atol=1e-20)


def test_trial_parameters_have_it_as_well(aletsch_gdir):
    turned = GlaUnTIMassBalanceA(aletsch_gdir, **HOW)
    turned.temp_bias = -4.0
    plain = GlaUnTIMassBalanceA(aletsch_gdir, variant="mass_conserving", temp_bias=-4.0)
    assert (annual(turned, 2003) - annual(plain, 2003))[1] > 20.0


@pytest.mark.parametrize("kind", ["woodward", "cold_content"])
def test_a_runs_mass_closes_with_it(aletsch_gdir, kind):
    how = {**HOW, "refreezing": kind}
    model = MultipleFlowlineMassBalance(aletsch_gdir, mb_model_class=GlaUnTIMassBalanceA, **how)
    run_with_daily_hydro(aletsch_gdir, mb_model=model, ys=2003, ye=2006)
    water = read_daily_hydro(aletsch_gdir)
    require_closed(water)
    frozen = water.refreezing_on_glacier
    assert float(frozen.min()) >= 0
    assert bool((frozen <= (1.0 + 1e-12) * (water.melt_on_glacier + water.liq_prcp_on_glacier)).all())
    by_year = water[["snowfall_on_glacier", "melt_on_glacier", "refreezing_on_glacier"]].groupby("time.year").sum()
    mass = by_year.snowfall_on_glacier - by_year.melt_on_glacier + by_year.refreezing_on_glacier
    np.testing.assert_allclose(mass + water.residual_mb, water.model_mb, rtol=1e-9)
    assert float(np.abs(water.residual_mb / water.on_area).max()) < 15.0


def test_only_with_snow_that_conserves_mass(aletsch_gdir):
    with pytest.raises(InvalidParamsError, match="refreezing='woodward' needs variant='mass_conserving'"):
        GlaUnTIMassBalanceA(aletsch_gdir, refreezing="woodward")
    with pytest.raises(InvalidParamsError, match="refreezing: expected one of"):
        GlaUnTIMassBalanceA(aletsch_gdir, variant="mass_conserving", refreezing="some")


@pytest.mark.slow
def test_the_cold_of_the_snow_freezes_a_few_centimetres_and_more_where_it_is_cold(aletsch_gdir):
    years = range(1985, 1995)

    def mean(bias, kind):
        model = GlaUnTIMassBalanceA(aletsch_gdir, variant="mass_conserving", refreezing=kind, temp_bias=bias)
        return np.mean([annual(model, year) for year in years], axis=0)

    gains = [mean(bias, "cold_content") - mean(bias, "none") for bias in (0.0, -10.0)]
    for gain in gains:
        assert (gain > -1e-3).all()
        # No more than the active layer holds at the coldest, once a year.
        assert (gain < 250.0).all()
    # Where it is so cold that all water freezes, it is the less the colder it is; below, the cold decides.
    assert gains[0][1] > 20.0
    assert gains[1][0] > 2.0 * gains[0][0]
    assert gains[1][3] < gains[0][3]
