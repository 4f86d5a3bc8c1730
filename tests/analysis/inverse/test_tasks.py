"""Inverse forcing of real glacier directories, against runs of the mass-balance model itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError

from oggm_glaunti import GlaUnTIMassBalance
from oggm_glaunti.analysis.glaciers import glacier_run
from oggm_glaunti.analysis.inverse.targets import Geodetic
from oggm_glaunti.analysis.inverse.tasks import (
    MONTH_NAMES,
    climate_sensitivity,
    equilibrium_temperature,
    invert_forcing,
    invert_forcing_region,
)
from oggm_glaunti.coupling.weather.task import process_daily_climate
from oggm_glaunti.fit.calibration.sites import surface_of
from oggm_glaunti.graphics.inverse import plot_forcing_series, plot_sensitivity

YEARS = (2010, 2019)
A = {"mb_kwargs": {"model": "A"}}


def mean_of_the_table(gdir, years, **tunables):
    """Mean balance of calendar years over the glacier's cells from the height-year table, m w.e. a year."""
    mb_model, surface = GlaUnTIMassBalance(gdir, model="A", **tunables), surface_of(gdir)
    rates = [mb_model.get_annual_mb(surface.heights, year) for year in range(years[0], years[1] + 1)]
    return np.average(np.mean(rates, axis=0), weights=surface.areas) * 365 * 86400 * mb_model.rho / 1000.0


@pytest.mark.slow
def test_aletsch_is_balanced_by_the_warming_that_was_found(aletsch):
    keys = {"target": 0.0, "years": YEARS, **A, "year_type": "calendar"}
    found = invert_forcing(aletsch, **keys)
    shift = found.change.loc["dT"]
    assert abs(found.mean_after) < 1e-4
    assert -3.0 < shift["value"] < -0.5
    assert (shift["units"], shift["slope_units"]) == ("K", "m w.e. K-1")
    assert found.outcome.name == "CONVERGED"
    assert mean_of_the_table(aletsch, YEARS) == pytest.approx(found.mean_before, abs=1e-3)
    assert mean_of_the_table(aletsch, YEARS, temp_bias=shift["value"]) == pytest.approx(0.0, abs=1e-3)
    wetter = invert_forcing(aletsch, control="dP", **keys)
    assert mean_of_the_table(aletsch, YEARS, prcp_fac=wetter.prcp_fac) == pytest.approx(0.0, abs=1e-3)
    same = equilibrium_temperature(aletsch, years=YEARS, **A, year_type="calendar")
    assert same["dT"] == pytest.approx(shift["value"], abs=1e-5)
    assert same["summer_equilibrium"] - same["summer"] == pytest.approx(same["dT"])
    assert same["summer"] > same["annual"]
    higher = invert_forcing(aletsch, **{**keys, "target": 0.01}).change.loc["dT", "value"]
    assert higher - same["dT"] == pytest.approx(0.1 * same["dT_per_100mm"], rel=0.02)
    assert (found.prcp_fac, wetter.prcp_fac > 1.2) == (1.0, True)
    assert same.attrs["units"]["dT"] == "K"


@pytest.mark.slow
def test_a_survey_says_which_years(aletsch, tmp_path):
    calib = aletsch.read_json("mb_calib")
    table = tmp_path / "geodetic.csv"
    row = {"rgiid": [aletsch.rgi_id], "period": calib["reference_period"], "dmdtda": calib["reference_mb"] / 1000}
    pd.DataFrame({**row, "err_dmdtda": 0.13}).to_csv(table, index=False)
    found = invert_forcing(aletsch, target=Geodetic(path=table), **A)
    assert (found.balances.index[0], found.balances.index[-1], found.year_type) == (2000, 2019, "calendar")
    assert found.mean_after == pytest.approx(calib["reference_mb"] / 1000, abs=1e-4)
    assert found.change.loc["dT", "sd"] == pytest.approx(0.13 / -found.change.loc["dT", "slope"])
    with pytest.raises(InvalidParamsError, match="the survey says which"):
        invert_forcing(aletsch, target=Geodetic(path=table), years=YEARS)
    other = tmp_path / "other.csv"  # OGGM keeps tables in memory by their paths
    pd.DataFrame({**row, "rgiid": ["RGI60-11.00001"], "err_dmdtda": 0.1}).to_csv(other, index=False)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.01450: not in OGGM's geodetic table"):
        invert_forcing(aletsch, target=Geodetic(path=other))


@pytest.mark.slow
def test_a_series_comes_close_to_measured_balances(hef_gdir):
    target = pd.Series({2016: -1.0, 2017: -1.6, 2019: -0.9})
    keys = {**A, "control": "both", "prior": (1.0, 0.3)}
    found = invert_forcing(hef_gdir, target=target, sigma=0.1, resolution="monthly", correlation=30.0, **keys)
    assert list(found.balances.index) == [2016, 2017, 2018, 2019]
    assert found.change.index[[0, -1]].strftime("%Y-%m-%d").tolist() == ["2015-10-01", "2019-09-01"]
    assert found.change.attrs["units"]["dT_sd"] == "K"
    seen = found.balances.loc[target.index]
    assert (np.abs(seen["after"] - target) < 0.5 * np.abs(seen["before"] - target)).all()
    assert (found.balances["after_sd"] < found.balances["before_sd"]).all()
    assert np.isnan(found.balances.loc[2018, "target"])
    assert (found.change["dT_sd"] <= 1.0).all()
    assert (found.change["dT_sd"] < 0.99).any()
    assert (found.prcp_fac > 0.0).all()
    axes = plot_forcing_series(found, "Hintereisferner").axes
    assert [ax.get_ylabel().replace("\n", " ") for ax in axes] == [
        "annual balance (m w.e.)",
        "change of temperature (K)",
        "change of precipitation (factor)",
    ]
    low, high = axes[1].get_ylim()
    assert low < (found.change["dT"] - found.change["dT_sd"]).min()
    assert high > (found.change["dT"] + found.change["dT_sd"]).max()
    shift = invert_forcing(hef_gdir, target=target, sigma=0.1, **keys)
    assert list(shift.change.index) == ["dT", "dP"]
    assert -1.0 <= shift.change.attrs["correlation"] <= 1.0
    assert shift.target == pytest.approx(target.mean())
    with pytest.raises(ValueError, match="not a series to draw"):
        plot_forcing_series(shift)


@pytest.mark.slow
def test_months_add_up_to_seasons_and_the_year(hef_gdir):
    table = climate_sensitivity(hef_gdir, years=(2016, 2019), **A)
    assert list(table.index) == [*MONTH_NAMES, "winter", "summer", "annual"]
    np.testing.assert_allclose(table.loc[list(MONTH_NAMES)].sum(), table.loc["annual"], rtol=1e-12)
    np.testing.assert_allclose(table.loc["winter"] + table.loc["summer"], table.loc["annual"], rtol=1e-12)
    np.testing.assert_allclose(table.loc[["May", "Jun", "Jul", "Aug", "Sep"]].sum(), table.loc["summer"], rtol=1e-12)
    slope = invert_forcing(hef_gdir, target=0.0, years=(2016, 2019), **A, prior=1e-6).change.loc["dT", "slope"]
    assert table.loc["annual", "temp"] == pytest.approx(slope, rel=1e-4)
    assert table.loc["summer", "temp"] < table.loc["winter", "temp"] < 0.0
    np.testing.assert_allclose(table["prcp_10pct"], np.log(1.1) * table["log_prcp"])
    assert table.attrs["units"]["temp"] == "m w.e. K-1"
    for ax, column in zip(plot_sensitivity(table).axes, ("temp", "prcp_10pct"), strict=True):
        np.testing.assert_allclose([bar.get_height() for bar in ax.patches], table[column].iloc[:12])
        assert "m w.e." in ax.get_ylabel()


@pytest.mark.slow
def test_a_region_is_each_glacier_and_names_those_that_fail(aletsch, hef_gdir):
    years = {"years": (2016, 2019), **A}
    targets = {aletsch.rgi_id: 0.1, hef_gdir.rgi_id: -20.0}
    table = invert_forcing_region([aletsch, hef_gdir], target=0.1, **years)
    for gdir in (aletsch, hef_gdir):
        alone = invert_forcing(gdir, target=0.1, **years)
        assert table.loc[gdir.rgi_id, "dT"] == pytest.approx(alone.change.loc["dT", "value"], abs=1e-4)
        assert table.loc[gdir.rgi_id, "slope_dT"] == pytest.approx(alone.change.loc["dT", "slope"], rel=1e-4)
        assert table.loc[gdir.rgi_id, "balance_before"] == pytest.approx(alone.mean_before, abs=1e-5)
    assert (table["problem"] == "").all()
    assert table.attrs["units"]["slope_dT"] == "m w.e. K-1"
    table = invert_forcing_region([aletsch, hef_gdir], target=targets, control="dP", **years)
    assert table.loc[aletsch.rgi_id, "problem"] == ""
    assert table.loc[hef_gdir.rgi_id, "problem"].startswith("The target is out of reach")
    table = invert_forcing_region([aletsch, hef_gdir], target=0.0, years=(2012, 2015), **A)
    assert table["dT"].notna().tolist() == [True, False]
    assert "holds the hydrological years 2015 to 2022" in table.loc[hef_gdir.rgi_id, "problem"]
    with pytest.raises(InvalidParamsError, match="'both' has two unknowns"):
        invert_forcing_region([hef_gdir], control="both", **years)


@pytest.mark.slow
def test_realisations_of_the_weather_are_one_glacier(aletsch, hef_gdir):
    process_daily_climate(aletsch, source="monthly", y0=2010, n_realisations=2)
    table = invert_forcing_region([aletsch, hef_gdir], target=0.0, years=(2016, 2019), **A)
    assert np.abs(table["balance_after"]).max() < 1e-4
    same = equilibrium_temperature(aletsch, years=(2016, 2019), **A)
    assert same["dT"] == pytest.approx(table.loc[aletsch.rgi_id, "dT"], abs=1e-4)
    assert glacier_run(aletsch, (2016, 2019), **A).trajectory.temp.shape[0] == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": "stakes"}, "target: expected a number, a Series or 'geodetic'"),
        ({"target": np.nan}, "target: expected finite numbers"),
        ({"target": -1340.0}, "target: -1340 m w.e. a year, more than 25; if kg m-2 a year are meant give -1.34"),
        ({"target": pd.Series({2016: -500.0})}, "target: -500 m w.e. a year, more than 25"),
        ({"target": [0.0, 1.0]}, "several balances are given as a pandas Series"),
        ({"target": pd.Series({2016: 0.0, 2017: np.nan})}, r"target: .* missing or infinite ones in \[2017\]"),
        ({"target": pd.Series([0.0], [pd.Timestamp("2016")])}, "expected balances by year"),
        ({"target": pd.Series({2016: 0.0}), "years": (2018, 2019)}, r"\[2016\] are not in years 2018 to 2019"),
        ({"years": (1990, 2000)}, "the daily climate holds the hydrological years 2015 to 2022, found 1990 to 2000"),
        ({"sigma": 0.0}, "sigma: expected standard deviations above 0"),
        ({"control": "melt_f"}, "control: expected one of"),
        ({"control": "both"}, "prior: control 'both' has two unknowns"),
        ({"resolution": "weekly"}, "resolution: expected one of"),
        ({"resolution": "monthly"}, "prior: a monthly series has more values than targets"),
        (
            {"resolution": "monthly", "prior": 1.0, "correlation": -1.0},
            "correlation length: expected a finite number of 0 or more",
        ),
    ],
)
def test_impossible_wishes_are_named_with_the_glacier(hef_gdir, given, words):
    with pytest.raises(InvalidParamsError, match=f"{hef_gdir.rgi_id}: .*{words}"):
        invert_forcing(hef_gdir, **{"target": 0.0, **A, **given})


def test_a_target_out_of_reach_is_named_with_the_range_tried(hef_gdir):
    with pytest.raises(
        MassBalanceCalibrationError, match=r"Tried factors of precipitation from 0.05 to 20\. Wanted: -24.000 m"
    ):
        invert_forcing(hef_gdir, target=-24.0, control="dP", years=(2016, 2019), **A)
