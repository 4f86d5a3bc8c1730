"""Discharge in a fit: what is predicted, what it is worth, and that it counts only where it is asked for."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import GlaUnTIMassBalance
from oggm_glaunti.core.glaunti import correct
from oggm_glaunti.core.parameters import physical_numbers
from oggm_glaunti.coupling.hydro.units import Units
from oggm_glaunti.coupling.table.numpy_kernel import MonthParameters, mass_conserving_day_numpy, water_of_day
from oggm_glaunti.fit import Gauge, modelled
from oggm_glaunti.fit.calibration.conflict import BALANCES, BOTH, RIVER
from oggm_glaunti.fit.calibration.errors import MEDIANS, bound, covariance, effects, estimate_sizes
from oggm_glaunti.fit.calibration.gauge import Ground, shares_of_row, term_weights
from oggm_glaunti.fit.calibration.map_estimate import linearised
from oggm_glaunti.fit.calibration.sites import glacier_site
from oggm_glaunti.fit.calibration.tasks import estimate, fit_glaunti
from oggm_glaunti.fit.readers import from_discharge, read_glamos
from tests.coupling.hydro.worlds import geometry

from .. import stations

VARIANT = "mass_conserving"
ON, OFF = np.array([0.1, 0.2, 0.2, 0.1]), np.array([0.2, 0.1, 0.1, 0.0])
DS = np.random.default_rng(0).normal(0.0, 0.2, (2, 5, 4))
MB_KWARGS = {"model": "A", "variant": VARIANT}


def with_river(site):
    """The site, and discharge of the same periods (every fourth row) below its stakes."""
    n = site.areas.shape[0]
    weights = np.tile(term_weights(ON, OFF), (n // 4, 1))
    areas = np.concatenate([np.pad(site.areas, ((0, 0), (0, 8))), weights]).astype(np.float32)
    both = {name: np.concatenate([of, of[::4]]) for name, of in vars(site).items() if name in ("observed", "years")}
    return site.replace(areas=areas, spans=np.concatenate([site.spans, site.spans[::4]]), water=True, **both)


def plain_runoff(tuned, site, days, begin, end):
    """Rain and all melt on the glacier, rain and melt of snow on the ground: day by day, first and last day half."""
    swe, total, numbers = np.full(4, physical_numbers(tuned.ti)["snow_depletion_centre"]), 0.0, []
    for ds in DS:
        params = correct(tuned.ti.resolve(), ds)
        numbers.append(MonthParameters(*(np.asarray(getattr(params, name)) for name in MonthParameters._fields)))
    for day, temp, prcp, period in zip(days, site.temp[0], site.prcp[0], site.ds_index, strict=True):
        local = temp + tuned.temp_gradient * site.above_ref
        now = mass_conserving_day_numpy(numbers[period], swe, local, prcp)
        water = water_of_day(numbers[period], VARIANT, swe, prcp, now)
        swe = now.swe
        if begin <= day <= end:
            run = (water["rain"] + water["melt"]) @ ON + (water["rain"] + water["snow_melt"]) @ OFF
            total += (0.5 if day in (begin, end) else 1.0) * float(run)
    return total


NAMES = ("prec_scale", "ddf_snow")


def test_discharge_is_the_rain_and_melt_of_its_days():
    plain, tuned = stations.site(1, ds=DS), stations.start(variant=VARIANT)
    found, slopes = linearised(tuned, with_river(plain), NAMES)
    days, (begin, end) = stations.weather(1)[0], stations.periods(1)
    expected = [plain_runoff(tuned, plain, days, *period) for period in zip(begin, end, strict=True)]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found[8:], expected, atol=2e-5)
    # Balances are what they are without discharge.
    np.testing.assert_allclose(found[:8], np.asarray(stations.predictions(tuned, plain)), atol=1e-6)
    # Derivatives are those of the plain days.
    for k, name in enumerate(NAMES):
        value = physical_numbers(tuned.ti)[name]
        ends = [
            plain_runoff(stations.start(variant=VARIANT, **{name: value * np.exp(step)}), plain, days, begin[1], end[1])
            for step in (-0.01, 0.01)
        ]
        assert slopes[9, k] == pytest.approx((ends[1] - ends[0]) / 0.02, rel=5e-3, abs=2e-3)


def test_discharge_is_never_more_certain_than_its_shared_error():
    table = pd.DataFrame({"kind": "discharge", "season": "annual", "sigma": 0.1}, index=range(30))
    years = pd.to_datetime([f"{year}-10-01" for year in range(1980, 2010)])
    table = table.assign(begin=years, end=years + pd.Timedelta(days=364))
    balance = table.assign(kind="glacier-wide").iloc[:3]
    rows = effects(pd.concat([table, balance]), level=np.append(np.full(30, 0.3), np.zeros(3)))
    river = rows.select(~rows.is_balance)
    weights = 1.0 / bound(river, MEDIANS)
    assert (1.0 / weights.sum()) ** 0.5 == pytest.approx(0.3, rel=0.02)
    # Balances next to it have the errors that they have without.
    alone = effects(balance)
    both = covariance(rows, MEDIANS)
    np.testing.assert_array_equal(both[30:, 30:], covariance(alone, MEDIANS))
    assert not both[:30, 30:].any()
    # Discharge says nothing of the errors of balances.
    assert estimate_sizes([np.full(30, 0.5)], [river]) == MEDIANS
    with_it = estimate_sizes([np.append(np.full(30, 2.0), [0.5, -0.5, 0.1])], [rows])
    np.testing.assert_allclose(with_it, estimate_sizes([np.array([0.5, -0.5, 0.1])], [alone]), rtol=1e-3)


def test_areas_of_a_run_are_those_of_its_years():
    run = geometry(range(2000, 2011))
    units = Units(("1",), np.zeros(0, int), np.zeros(0), np.zeros(0, bool), 1e4)
    area = float(run.lines[0].reference.sum())
    ground = Ground(np.array(run.height_bounds()), area, units, run)
    nodes = np.arange(1800.0, 4200.0, 25.0)
    shares = {
        year: shares_of_row(ground, pd.Timestamp(f"{year}-01-01"), pd.Timestamp(f"{year}-12-31"), nodes)
        for year in (2000, 2001, 2010)
    }
    for on, off in shares.values():
        assert on.sum() + off.sum() == pytest.approx(1.0)
    assert shares[2010][0].sum() < 0.9 * shares[2000][0].sum()
    # Of a year that begins in October a quarter lies in the year before.
    on, off = shares_of_row(ground, pd.Timestamp("2000-10-01"), pd.Timestamp("2001-09-30"), nodes)
    expected = (92 * shares[2000][1] + 273 * shares[2001][1]) / 365
    np.testing.assert_allclose(off, expected, atol=1e-12)


# --- the reader ---

GDIR = SimpleNamespace(rgi_id="RGI60-11.01450", hemisphere="nh")


def test_volumes_are_those_of_whole_periods_and_gaps_are_named():
    days = pd.date_range("2000-09-01", "2003-12-31")
    flow = pd.Series(np.where(days.month.isin([6, 7, 8, 9]), 30.0, 2.0), days)
    flow.loc["2002-07-01":"2002-07-31"] = np.nan
    read = from_discharge(GDIR, flow, 200.0, seasons=("annual", "summer"))
    table = read.observations.set_index(["season", "end"])["value"]
    assert table["summer"].loc["2001-09-30"] == pytest.approx(30.0 * 86400 * 121 / 2e8)
    whole = (30.0 * 121.5 + 2.0 * 242.5) * 86400 / 2e8
    assert table["annual"].loc["2001-09-30"] == pytest.approx(whole)
    assert read.rejected["problem"].tolist() == [
        "31 of 365 days without a value",
        "31 of 122 days without a value",
    ]
    assert len(read.observations) == 4
    south = from_discharge(SimpleNamespace(rgi_id="RGI60-17.1", hemisphere="sh"), flow, 200.0, ("annual", "summer"))
    assert [f"{day:%m-%d}" for day in south.observations["begin"]][-1] == "12-01"
    assert f"{south.observations['begin'][0]:%m-%d}" == "04-01"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"seasons": ("spring",)}, "seasons: expected some of"),
        ({"area": 0.0}, "area: expected that of the catchment"),
        ({"years": (1990, 1995)}, "no whole period"),
    ],
)
def test_what_no_volume_can_be_made_of_is_refused(how, message):
    flow = pd.Series(10.0, pd.date_range("2000-01-01", "2002-12-31"))
    with pytest.raises(InvalidParamsError, match=message):
        from_discharge(GDIR, flow, **{"area": 195.5, **how})


# --- Grosser Aletsch and the Massa ---


@pytest.fixture
def massa(aletsch, shared):
    """Winters and summers of GLAMOS and volumes of the Massa of five years, and its catchment."""
    from oggm_glaunti.analysis import catchment_of, read_discharge

    path = shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv"
    rows = read_glamos(shared / "data/glamos_massbalance/massbalance_observation.csv").observations
    rows = rows[rows["glacier"].str.contains("Grosser Aletsch") & (rows["season"] != "annual")]
    rows = rows[rows["end"].dt.year.between(1983, 1987)].assign(glacier=aletsch.rgi_id)
    river = from_discharge(aletsch, read_discharge(path, area=195.5), 195.5, years=(1983, 1987)).observations
    mask = catchment_of(aletsch, 8.006712, 46.385557, area=195.5).mask
    return pd.concat([rows, river], ignore_index=True), mask


@pytest.mark.slow
def test_what_balances_and_discharge_ask_for_is_said(aletsch, massa, caplog):
    observations, mask = massa
    with caplog.at_level(logging.WARNING):
        params = fit_glaunti(aletsch, observations=observations, gauge=Gauge(mask), mb_kwargs=MB_KWARGS)
    fits = params["fit"]["discharge"]["fits"]
    assert list(fits) == [BALANCES, RIVER, BOTH]
    # Discharge asks for less water.
    assert abs(fits[RIVER]["volume"]) < abs(fits[BOTH]["volume"]) < abs(fits[BALANCES]["volume"])
    words = params["fit"]["discharge"]["words"]
    assert all(sentence in caplog.text for sentence in words)
    assert any("evaporation" in sentence and "area" in sentence for sentence in words)
    river = observations[observations["kind"] == "discharge"]
    alone = estimate([aletsch], river, gauge=Gauge(mask), mb_kwargs=MB_KWARGS).discharge
    assert alone is not None
    assert list(alone["fits"]) == [RIVER]
    assert alone["fits"][RIVER]["prec_scale"] == pytest.approx(fits[RIVER]["prec_scale"], rel=1e-3)
    assert "balances are none" in alone["words"][-1]
    # What is written is the fit to both, and what it gives for the river is what it says.
    assert params["parameters"]["prec_scale"]["value"] == pytest.approx(fits[BOTH]["prec_scale"], rel=1e-5)
    table = modelled(aletsch, observations, gauge=Gauge(mask))
    found = table[table["kind"] == "discharge"]
    assert found["modelled"].sum() / found["value"].sum() - 1 == pytest.approx(fits[BOTH]["volume"], abs=1e-4)


def test_discharge_that_was_not_asked_for_is_left_out_and_named(aletsch, massa):
    observations, _ = massa
    balances = observations[observations["kind"] != "discharge"]
    model = GlaUnTIMassBalance(aletsch, **MB_KWARGS)
    without, plain = glacier_site(aletsch, model, observations), glacier_site(aletsch, model, balances)
    assert without.rejected["problem"].str.startswith("discharge counts only where it is asked for").sum() == 5
    pd.testing.assert_frame_equal(without.used, plain.used)
    assert (without.site.water, without.rows.level) == (False, None)
    np.testing.assert_array_equal(without.site.areas, plain.site.areas)


def test_discharge_that_cannot_be_fitted_is_refused(aletsch, massa):
    observations, mask = massa
    gauge, river = Gauge(mask), observations[observations["kind"] == "discharge"]
    halves = mask.astype(int) + (mask & (np.arange(mask.shape[1]) > mask.shape[1] // 2))
    for rows, given, kwargs, message in (
        (river, gauge, {"model": "A"}, "melt of snow cannot be told.*leave out gauge="),
        (observations.drop(river.index), gauge, MB_KWARGS, "no observation is of kind 'discharge'"),
        (river, Gauge(halves), MB_KWARGS, "expected one unit, the gauge's catchment, found 2"),
        (river, gauge._replace(outside_error=-0.1), MB_KWARGS, "expected errors of 0 or more"),
        (river, None, MB_KWARGS, "none of 5 observations can be used, first: discharge counts only"),
        (river.assign(value=-1.0), gauge, MB_KWARGS, "discharge -1 m w.e. is below 0"),
    ):
        with pytest.raises(InvalidParamsError, match=message):
            estimate([aletsch], rows, gauge=given, mb_kwargs=kwargs)
    with pytest.raises(InvalidParamsError, match="in the fit of one glacier only"):
        estimate([aletsch, aletsch], observations, gauge=gauge, mb_kwargs=MB_KWARGS)
