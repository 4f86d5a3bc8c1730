"""The most probable precipitation and melt of a glacier, from its own mean balance and what is expected of both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oggm import workflow
from oggm.exceptions import InvalidParamsError, MassBalanceCalibrationError

from oggm_glaunti import GlaUnTIMassBalance, tasks as gtasks
from oggm_glaunti.coupling.model.params import read_params
from oggm_glaunti.fit.calibration import own_mean
from oggm_glaunti.fit.calibration.errors import MEDIANS
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN
from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti
from oggm_glaunti.fit.calibration.priors import MORE, SPREAD
from oggm_glaunti.fit.calibration.tasks import fit_glaunti_region
from oggm_glaunti.fit.observations import as_observations

A = {"mb_kwargs": {"model": "A"}}
YEARS = range(2014, 2020)
REFERENCE = {"ref_mb": -1100.0, "ref_mb_err": 150.0, "ref_period": "2014-01-01_2020-01-01"}
NAMES = ("prec_scale", "ddf_snow")
PRIOR_MEAN = np.array([MORE["smooth"].get(name, 0.0) for name in NAMES])
PRIOR_SD = np.array([SPREAD[name] for name in NAMES]) * np.hypot(1.0, BETWEEN)


def mean_balance(gdir, **kwargs) -> float:
    """kg m-2 yr-1 over the inversion flowlines."""
    fls = gdir.read_pickle("inversion_flowlines")
    return float(np.mean(GlaUnTIMassBalance(gdir, **kwargs).get_specific_mb(fls=fls, year=YEARS)))


def files(gdir) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(gdir.dir).glob("*.json")}


def moved(params) -> np.ndarray:
    """Logarithms of precipitation and melt, beside those published."""
    published = {name: entry["value"] for name, entry in params["published_parameters"].items()}
    return np.log([params["prcp_fac"], params["melt_f"] / 1000.0 / published["ddf_snow"]])


def sd(params) -> np.ndarray:
    return np.sqrt(np.diag(params["fit"]["posterior"]["covariance"]))


def winters(gdir, value):
    """A winter balance of each year, m w.e."""
    begin, end = ([f"{year - back}-{day}" for year in YEARS[2:]] for back, day in ((1, "10-01"), (0, "05-01")))
    season = {"kind": "glacier-wide", "season": "winter", "sigma": 0.1}
    return as_observations({"glacier": gdir.rgi_id, "begin": begin, "end": end, "value": value, **season})


def test_precipitation_and_melt_are_the_most_probable_ones(hef_gdir):
    params = calibrate_glaunti(hef_gdir, **REFERENCE, **A)
    assert params["calibrated"] == ["prcp_fac", "melt_f"]
    assert params["temp_bias"] == 0.0
    own, winter, summer = MEDIANS.whole
    # Six years, of which each has errors of its own.
    variance = 150.0**2 + 1e6 * (own**2 + winter**2 + summer**2) / len(YEARS)

    def cost(at) -> float:
        tunable = {"prcp_fac": float(np.exp(at[0])), "melt_f": published_melt * float(np.exp(at[1]))}
        of_prior = (at - PRIOR_MEAN) / PRIOR_SD
        return (mean_balance(hef_gdir, **tunable) - REFERENCE["ref_mb"]) ** 2 / variance + of_prior @ of_prior

    published_melt = 1000.0 * params["published_parameters"]["ddf_snow"]["value"]
    found, step = moved(params), 0.1 * np.diag(PRIOR_SD)
    least, ends = cost(found), [[cost(found + h), cost(found - h)] for h in step]
    assert least < np.min(ends)
    # At the bottom of a parabola, to a hundredth of a standard deviation.
    for up, down in ends:
        assert 0.1 * (down - up) / (up + down - 2.0 * least) / 2.0 == pytest.approx(0.0, abs=0.01)
    # The second derivatives of half the cost are the inverse of the covariance.
    curvature = [(up + down - 2.0 * least) / 2.0 / (0.1 * s) ** 2 for (up, down), s in zip(ends, PRIOR_SD, strict=True)]
    np.testing.assert_allclose(np.diag(np.linalg.inv(params["fit"]["posterior"]["covariance"])), curvature, rtol=0.15)
    # One number says little of two: what it tells is their difference.
    cov = np.array(params["fit"]["posterior"]["covariance"])
    assert cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]) > 0.5
    assert (sd(params) < PRIOR_SD).all()


def test_what_is_written_runs_and_tells_what_is_left_of_the_reference(hef_gdir):
    params = calibrate_glaunti(hef_gdir, **REFERENCE, **A)
    assert mean_balance(hef_gdir) == pytest.approx(REFERENCE["ref_mb"] + params["residual"], abs=0.01)
    assert abs(params["residual"]) < 150.0
    fit = read_params(hef_gdir)["fit"]
    assert (fit["prior"], fit["posterior"]["stored"]) == ("published", ["prec_scale_log", "ddf_snow_log"])
    assert fit["error_sizes"]["whole"] == MEDIANS.whole._asdict()
    stored = fit["posterior"]["mean"]
    assert stored[1] == pytest.approx(np.log(params["melt_f"] / 1000.0))
    assert np.exp(stored[0]) == pytest.approx(
        params["prcp_fac"] * params["published_parameters"]["prec_scale"]["value"], rel=1e-5
    )


def test_a_reference_is_met_as_closely_as_it_is_known_and_years_that_are(hef_gdir):
    sure, unsure = (
        calibrate_glaunti(hef_gdir, **{**REFERENCE, "ref_mb": -2500.0, "ref_mb_err": err}, **A) for err in (1.0, 3000.0)
    )
    assert abs(sure["residual"]) < 0.25 * abs(unsure["residual"])
    np.testing.assert_allclose(moved(unsure), PRIOR_MEAN, atol=0.1)
    assert (sd(sure) < sd(unsure)).all()
    # Without an error that of a geodetic survey.
    default, given = (
        calibrate_glaunti(hef_gdir, ref_mb=-1500.0, ref_period=REFERENCE["ref_period"], **A, **err)
        for err in ({}, {"ref_mb_err": 200.0})
    )
    np.testing.assert_allclose(moved(default), moved(given), atol=1e-6)


@pytest.mark.slow
def test_winters_tell_precipitation(hef_gdir):
    alone = calibrate_glaunti(hef_gdir, **REFERENCE, **A)
    dry, wet = (calibrate_glaunti(hef_gdir, **REFERENCE, **A, winters=winters(hef_gdir, value)) for value in (0.5, 2.5))
    assert dry["prcp_fac"] < alone["prcp_fac"] < wet["prcp_fac"]
    assert dry["melt_f"] < wet["melt_f"]  # more snow, more melt for the same year
    for found in (dry, wet):
        assert sd(found)[0] < 0.7 * sd(alone)[0]


@pytest.mark.slow
def test_winters_that_cannot_be_used_are_said_and_tables_without_any_refused(hef_gdir, caplog):
    table = winters(hef_gdir, 1.2)
    early = winters(hef_gdir, 1.2).iloc[:1].assign(begin=np.datetime64("1990-10-01"), end=np.datetime64("1991-05-01"))
    alone = calibrate_glaunti(hef_gdir, **REFERENCE, **A, winters=table)
    caplog.clear()
    both = pd.concat([table, early], ignore_index=True)
    assert calibrate_glaunti(hef_gdir, **REFERENCE, **A, winters=both) == alone
    assert f"winters: {len(table)} are used; left out: row {len(table)}, not within the weather" in caplog.text
    with pytest.raises(InvalidParamsError, match=f"{hef_gdir.rgi_id}: winters: no winter balance of a whole glacier"):
        calibrate_glaunti(hef_gdir, **REFERENCE, **A, winters=table.assign(season="annual"))
    # A region's table, of which none is of this glacier.
    others = calibrate_glaunti(hef_gdir, **REFERENCE, **A, winters=table.assign(glacier="Elsewhere"))
    assert moved(others) == pytest.approx(moved(calibrate_glaunti(hef_gdir, **REFERENCE, **A)))
    assert "winters: 0 are used; left out: none" in caplog.text


# --- the prior of a region ---


@pytest.fixture
def of_region(hef, aletsch):
    """Hintereisferner and Aletsch, of which the first has been fitted to a few stakes; the second has its region's."""
    rows = {"glacier": hef.rgi_id, "kind": "point", "begin": "2015-10-01", "end": "2016-09-30"}
    heights = np.linspace(2500.0, 3400.0, 8)
    table = as_observations({**rows, "height": heights, "value": 0.006 * (heights - 3050.0)})
    fit_glaunti_region([hef, aletsch], observations=table, filesuffix="_region", **A)
    return hef, aletsch


def test_a_regions_fit_is_a_prior_for_its_glaciers_in_one_call(of_region):
    _, aletsch = of_region
    fit = read_params(aletsch, "_region")
    reference = {"ref_mb": -1210.7, "ref_period": "2000-01-01_2020-01-01", "prior": "_region", **A}
    found = workflow.execute_entity_task(gtasks.calibrate_glaunti, [aletsch], ref_mb_err=131.5, **reference)[0]
    assert found == calibrate_glaunti(aletsch, ref_mb_err=131.5, **reference)
    assert found["fitted_temp_gradient"] == fit["fitted_temp_gradient"] != -0.006
    assert found["fit"]["prior"] == "_region"
    assert found["fit"]["error_sizes"] == fit["fit"]["error_sizes"]
    assert (sd(found) < np.sqrt(np.diag(fit["fit"]["posterior"]["covariance"])[:2])).all()
    assert read_params(aletsch, "_region") == fit

    # A balance that nobody knows leaves the region's parameters.
    nothing = calibrate_glaunti(aletsch, ref_mb_err=1e5, **reference)
    np.testing.assert_allclose(nothing["fit"]["posterior"]["mean"], fit["fit"]["posterior"]["mean"][:2], atol=1e-3)
    cov = np.array(fit["fit"]["posterior"]["covariance"])[:2, :2]
    np.testing.assert_allclose(nothing["fit"]["posterior"]["covariance"], cov, rtol=1e-2)
    assert nothing["residual"] != pytest.approx(found["residual"], abs=10.0)


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"bounds": {"melt_f": (3.0, 6.0)}}, "bounds: belong to order, which is not given"),
        ({"order": ("melt_f",), "prior": "_region"}, "order=.* turns to one number, without prior and winters"),
        ({"prior": "_x", "filesuffix": "_x"}, "prior='_x' is the suffix that the calibration is written to"),
        ({"prior": "_own"}, "prior='_own': the calibration by that suffix knows the glacier's own mean balance"),
        ({"prior": "_melt"}, r"prior='_melt': .* has no distribution of \['ddf_snow_log', 'prec_scale_log'\]"),
        ({"ref_mb": None}, "ref_mb_err=150 belongs to ref_mb, which is not given"),
        ({"ref_mb_err": -1.0}, "ref_mb_err is -1.0, expected 0 kg m-2 yr-1 or more"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused_and_nothing_is_written(hef_gdir, arguments, words):
    calibrate_glaunti(hef_gdir, **REFERENCE, **A, filesuffix="_own")
    calibrate_glaunti(hef_gdir, **REFERENCE, **A, order=("melt_f",), filesuffix="_melt")
    before = files(hef_gdir)
    with pytest.raises(InvalidParamsError, match=f"{hef_gdir.rgi_id}: {words}"):
        calibrate_glaunti(hef_gdir, **{**REFERENCE, **A, **arguments})
    assert files(hef_gdir) == before


def test_a_reference_far_from_what_is_expected_is_out_of_reach_and_nothing_is_written(hef_gdir):
    before = files(hef_gdir)
    words = (
        rf"{hef_gdir.rgi_id}: the reference balance of -20000 kg m-2 yr-1 is out of reach: the most probable "
        r"parameters \(prcp_fac [\d.]+, melt_f [\d.]+\) are [\d.]+ standard deviations from what is expected and miss "
        r"it by -?\d+\. Check the climate and the reference, or turn parameters to it with order"
    )
    with pytest.raises(MassBalanceCalibrationError, match=words):
        calibrate_glaunti(hef_gdir, **{**REFERENCE, "ref_mb": -20000.0}, **A)
    assert files(hef_gdir) == before


@pytest.mark.slow
def test_an_estimate_starts_from_the_weights_and_not_from_an_earlier_one(hef_gdir):
    fresh = calibrate_glaunti(hef_gdir, **REFERENCE, **A)
    calibrate_glaunti(hef_gdir, **{**REFERENCE, "ref_mb": 300.0}, **A)
    assert calibrate_glaunti(hef_gdir, **REFERENCE, **A) == fresh


def test_few_runs_of_the_model_are_enough(hef_gdir, monkeypatch):
    runs = []
    balance = own_mean.SpecificBalance.of

    def counted(self, reference):
        runs.append(1)
        return balance(self, reference)

    monkeypatch.setattr(own_mean.SpecificBalance, "of", counted)
    calibrate_glaunti(hef_gdir, **REFERENCE, **A)
    print(f"{len(runs)} runs")
    assert len(runs) <= 25
