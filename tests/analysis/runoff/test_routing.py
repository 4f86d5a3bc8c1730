from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.analysis import fit_routing, fit_volume, runoff_scores
from oggm_glaunti.analysis.runoff.routing import components_of, fit_reservoirs
from oggm_glaunti.analysis.runoff.scores import climatology
from oggm_glaunti.coupling.hydro.reservoirs import routed
from oggm_glaunti.tasks import run_with_daily_hydro
from tests.coupling.hydro.test_task import SplitA

DAYS = pd.date_range("2001-01-01", "2006-12-31")
TRUE = {"rain": 2.0, "snow_melt": 9.0, "ice_melt": 1.2}


@pytest.fixture(scope="module")
def components() -> pd.DataFrame:
    rng, season = np.random.default_rng(0), np.cos(2 * np.pi * (np.arange(DAYS.size) - 205) / 365.25)
    wet = rng.exponential(6.0, DAYS.size) * (rng.random(DAYS.size) < 0.3)
    warm = np.maximum(season + rng.normal(0.0, 0.4, DAYS.size), 0.0)
    return pd.DataFrame(
        {"rain": wet * (season > 0), "snow_melt": 8 * warm * (season < 0.6), "ice_melt": 12 * warm}, DAYS
    )


@pytest.fixture(scope="module")
def measured(components) -> pd.Series:
    return pd.Series(routed({name: components[name].to_numpy() for name in components}, TRUE)[0], DAYS)


def test_residence_times_are_found_again(components, measured):
    found = fit_reservoirs("river", components, measured, (2001, 2004))
    assert found.days == pytest.approx(TRUE, rel=0.02)
    assert found.held_out is not None
    assert found.held_out.nse > 0.9999 > found.default.nse


def test_gaps_are_left_out(components, measured):
    gaps = measured.copy()
    gaps["2003-05":"2003-08"] = np.nan
    assert fit_reservoirs("river", components, gaps).days == pytest.approx(TRUE, rel=0.02)
    with pytest.raises(InvalidParamsError, match=r"river: \d+ days have both water and discharge in 2003 to 2003"):
        fit_reservoirs("river", components, gaps, (2003, 2003))


def test_scores_against_their_definitions(measured):
    rng = np.random.default_rng(1)
    model = measured * 1.1 + rng.normal(0.0, 0.5, DAYS.size)
    found = runoff_scores(model, measured)
    error, spread = np.sum((model - measured) ** 2), np.sum((measured - measured.mean()) ** 2)
    r, ratio, alpha = np.corrcoef(model, measured)[0, 1], model.mean() / measured.mean(), model.std() / measured.std()
    assert found.nse == pytest.approx(1 - error / spread)
    assert found.kge == pytest.approx(1 - np.sqrt((r - 1) ** 2 + (ratio - 1) ** 2 + (alpha - 1) ** 2))
    assert found.volume == pytest.approx(ratio - 1)
    summer = np.isin(DAYS.month, [6, 7, 8, 9])
    assert found.r_summer == pytest.approx(np.corrcoef(model[summer], measured[summer])[0, 1])


def test_a_climatology_has_no_anomalies(measured):
    found = runoff_scores(climatology(measured, DAYS), measured)
    assert found.r_anomaly == pytest.approx(0.0, abs=1e-9)
    assert found.volume == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="found 31"):
        runoff_scores(measured["2001-01"], measured)


def test_summer_in_the_south_is_in_december(measured):
    months = pd.DatetimeIndex(measured.index).month
    noise = pd.Series(
        np.where(np.isin(months, [12, 1, 2, 3]), np.random.default_rng(0).normal(size=DAYS.size), 0.0), DAYS
    )
    assert runoff_scores(measured + noise, measured, "nh").r_summer == pytest.approx(1.0)
    assert runoff_scores(measured + noise, measured, "sh").r_summer < 0.99


def test_a_glaciers_run_is_routed_to_its_river(aletsch_gdir):
    gdir = aletsch_gdir
    run_with_daily_hydro(gdir, ys=2001, ye=2004, mb_model_class=SplitA)
    from oggm_glaunti.analysis import read_daily_hydro

    water = components_of(read_daily_hydro(gdir))
    river = pd.Series(routed({name: water[name].to_numpy() for name in water}, TRUE)[0], water.index)
    found = fit_routing(gdir, river, years=(2001, 2002), area=82.0)
    assert found.days["ice_melt"] == pytest.approx(TRUE["ice_melt"], rel=0.05)
    assert found.held_out.nse > 0.999
    with pytest.raises(InvalidParamsError, match=r"catchment has 195.5 km2, the run's 8\d.\d km2"):
        fit_routing(gdir, river, area=195.5)
    with pytest.raises(InvalidWorkflowError, match="run_with_daily_hydro"):
        fit_routing(gdir, river, filesuffix="_none")


def test_precipitation_is_fitted_to_a_volume(aletsch_gdir):
    gdir = aletsch_gdir
    mask = np.zeros((gdir.grid.ny, gdir.grid.nx), int)
    mask[60:100, 60:100] = 1
    how = {"model": "A", "variant": "mass_conserving"}
    days = pd.date_range("1982-01-01", "1983-12-31")
    plain = fit_volume(gdir, pd.Series(1.0, days), mask, mb_kwargs=how)
    assert float(plain.components.loc[days].sum(axis=1).mean()) == pytest.approx(1.0, rel=1e-3)
    assert plain.prec_scale == pytest.approx(1.38 * plain.prcp_fac, rel=0.01)
    again = fit_volume(gdir, (1.0 + plain.before) * pd.Series(1.0, days), mask, mb_kwargs=how)
    assert again.prcp_fac == pytest.approx(1.0, rel=1e-3)
    with pytest.raises(InvalidParamsError, match="times the measured volume; check the catchment"):
        fit_volume(gdir, pd.Series(1e-3, days), mask, mb_kwargs=how)
