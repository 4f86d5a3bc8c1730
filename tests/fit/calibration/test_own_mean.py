"""The most probable precipitation and melt of a glacier: against a grid of all, a fit, and what observations tell."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from oggm import workflow
from oggm.core.massbalance import MultipleFlowlineMassBalance
from oggm.exceptions import InvalidParamsError, MassBalanceCalibrationError

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, tasks as gtasks
from oggm_glaunti.analysis.uncertainty.spread import parameter_spread
from oggm_glaunti.coupling.model.calibration_file import UnfittedMassBalance
from oggm_glaunti.coupling.model.params import read_params
from oggm_glaunti.coupling.model.reference_period import ReferencePeriod, SpecificBalance
from oggm_glaunti.fit.calibration import own_mean
from oggm_glaunti.fit.calibration.errors import MEDIANS, ErrorSizes, Sizes, effects, sizes_as_dict
from oggm_glaunti.fit.calibration.hierarchy import BETWEEN
from oggm_glaunti.fit.calibration.own_mean import Observed, Prior, calibrate_glaunti
from oggm_glaunti.fit.observations import as_observations

A = {"mb_kwargs": {"model": "A"}}
ALETSCH = {"ref_mb": -1210.7, "ref_mb_err": 131.5, "ref_period": "2000-01-01_2020-01-01"}
HEF = {"ref_mb": -1500.0, "ref_mb_err": 200.0, "ref_period": "2014-01-01_2023-01-01"}
STORED = ["prec_scale_log", "ddf_snow_log"]


def logs(params):
    return np.log([params["prcp_fac"], params["melt_f"]])


def deviations(params):
    return np.sqrt(np.diag(params["fit"]["posterior"]["covariance"]))


def winters_of(gdir, values, first=2016, **others):
    years = range(first, first + len(values))
    dates = {"begin": [f"{year - 1}-10-01" for year in years], "end": [f"{year}-05-01" for year in years]}
    row = {"glacier": gdir.rgi_id, "kind": "glacier-wide", "season": "winter", **dates, "value": values}
    return as_observations({**row, **others})


# --- the estimate itself ---


@pytest.mark.parametrize("winter", [[], [2.4, 1.9]], ids=["mean", "mean and winters"])
def test_the_most_probable_parameters_are_those_of_a_grid_of_all(winter):
    """A made-up glacier of which every balance is known in one line."""
    prior = Prior(np.array([0.3, 0.0]), np.array([[0.34, 0.03], [0.03, 0.12]]), MEDIANS)
    values, variances = np.array([-1.2, *winter]), np.array([0.03, *[0.3] * len(winter)])

    def balances(prcp_fac, melt_f):
        snow = 1.1 * prcp_fac
        return [snow - 0.55 * melt_f**1.1 * prcp_fac**-0.15, *[snow + 0.1 * number for number in range(len(winter))]]

    model = SimpleNamespace(
        prcp_fac=1.0, melt_f=4.0, ti=SimpleNamespace(prec_scale_log=0.2), gdir=SimpleNamespace(rgi_id="made-up")
    )
    modelled = [lambda i=i: balances(model.prcp_fac, model.melt_f)[i] for i in range(values.size)]
    found = own_mean._most_probable(model, prior, Observed(modelled, values, variances))["fit"]["posterior"]

    x, y = np.meshgrid(np.linspace(-1.5, 1.5, 1201), np.linspace(-1.0, 1.0, 801), indexing="ij")
    away = np.stack([x - 0.3, y], axis=-1)
    cost = ((np.stack(balances(np.exp(x), 4.0 * np.exp(y)), -1) - values) ** 2 / variances).sum(axis=-1)
    cost += np.einsum("...i,ij,...j", away, np.linalg.inv(prior.cov), away)
    best = np.unravel_index(cost.argmin(), cost.shape)
    at = np.array([x[best], y[best]])
    assert found["stored"] == STORED
    np.testing.assert_allclose(np.log([model.prcp_fac, model.melt_f / 4.0]), at, atol=0.01)
    np.testing.assert_allclose(found["mean"], [0.2 + at[0], np.log(0.004) + at[1]], atol=0.01)
    # Curvature of the cost around its minimum, by a parabola through the grid.
    near = np.abs(np.stack([x - at[0], y - at[1]], axis=-1)).max(axis=-1) < 0.05
    u, v = (x - at[0])[near], (y - at[1])[near]
    _, _, _, uu, uv, vv = np.linalg.lstsq(np.stack([u**0, u, v, u**2, u * v, v**2], 1), cost[near], rcond=None)[0]
    expected = np.linalg.inv([[uu, 0.5 * uv], [0.5 * uv, vv]])
    # Gauss-Newton leaves the curvature of the model out.
    np.testing.assert_allclose(found["covariance"], expected, rtol=0.15, atol=0.003)


@pytest.mark.slow
@pytest.mark.parametrize("winter", [[], [1.3, 1.5]], ids=["mean", "mean and winters"])
def test_it_is_what_a_fit_makes_of_the_same_observations(hef_gdir, winter):
    from oggm_glaunti.fit.calibration.map_estimate import fit_map
    from oggm_glaunti.fit.calibration.priors import priors_around
    from oggm_glaunti.fit.calibration.sites import glacier_site
    from oggm_glaunti.fit.calibration.tasks import as_tuned

    given = {"ref_mb": -1100.0, "ref_mb_err": 150.0, "ref_period": "2015-10-01_2020-10-01"}
    winters = winters_of(hef_gdir, winter) if winter else None
    params = calibrate_glaunti(hef_gdir, **given, winters=winters, **A)

    days = ReferencePeriod.of(given["ref_period"], "HEF")
    row = {"glacier": hef_gdir.rgi_id, "kind": "geodetic", "begin": str(days.begin), "end": str(days.end)}
    geodetic = as_observations({**row, "value": [-1.1 * days.years], "sigma": 0.15 * days.years})
    table = geodetic if winters is None else pd.concat([geodetic, winters], ignore_index=True)
    mb_model = UnfittedMassBalance(hef_gdir, model="A")
    start, site = as_tuned("HEF", mb_model), glacier_site(hef_gdir, mb_model, table)
    free = ("prec_scale", "ddf_snow")
    found = fit_map(start, [site.site], [site.rows], priors_around(start, free), MEDIANS, np.full(2, BETWEEN)).glacier(
        0
    )
    posterior = params["fit"]["posterior"]
    print(f"calibration {posterior['mean']}, fit {found.mean}; sd {deviations(params)}, {found.sd}")
    # Periods of a fit count half of their first and last day, and its heights are 25 m apart.
    np.testing.assert_allclose(posterior["mean"], found.mean, atol=0.02)
    np.testing.assert_allclose(posterior["covariance"], found.cov, rtol=0.03, atol=0.002)


def test_the_errors_of_reference_and_winters_are_those_of_rows_of_a_fit(hef_gdir):
    sizes = ErrorSizes(Sizes(1.0, 1.0, 1.0), Sizes(0.4, 0.2, 0.3))
    winters = winters_of(hef_gdir, [1.3, 1.5])
    whole_years = SimpleNamespace(days=None, years=[2015, 2016, 2017, 2018])
    rows = own_mean._rows(whole_years, 0.1, winters, southern=False)
    np.testing.assert_array_equal(rows.winter, [[1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 0]])
    np.testing.assert_array_equal(rows.summer, [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert rows.sigma == pytest.approx([0.4, 0.34, 0.34], abs=1e-3)
    assert rows.own(sizes)[0] == pytest.approx(0.4**2 + 4 * 0.4**2, rel=1e-3)
    # In one piece it is the same.
    days = SimpleNamespace(days=ReferencePeriod.of("2015-01-01_2019-01-01", "HEF"), years=whole_years.years)
    others = own_mean._rows(days, 0.1, winters, southern=False)
    assert (rows.level, others.level) == (None, None)
    for one, other in zip(rows[:-1], others[:-1], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    row = {"kind": ["geodetic"], "season": "free", "begin": pd.Timestamp("2015-01-01"), "sigma": 0.4}
    of_a_fit = effects(pd.DataFrame({**row, "end": pd.Timestamp("2019-01-01")}))
    np.testing.assert_array_equal(rows.winter[:1], of_a_fit.winter)


def test_a_calibration_takes_no_more_tables_than_two_searches(aletsch_gdir, monkeypatch):
    from oggm_glaunti.coupling.table import store

    made = []
    trial = store.TrialTable
    monkeypatch.setattr(store, "TrialTable", lambda *args: made.append(1) or trial(*args))
    calibrate_glaunti(aletsch_gdir, **ALETSCH, **A, order=("melt_f",))
    of_search = len(made)
    calibrate_glaunti(aletsch_gdir, **ALETSCH, **A)
    assert len(made) - of_search <= 2 * of_search


# --- what it does on glaciers ---


@pytest.mark.parametrize(("fixture", "given"), [("hef_gdir", HEF), ("aletsch_gdir", ALETSCH)])
def test_the_balance_is_met_far_better_than_its_error(request, fixture, given):
    params = calibrate_glaunti(request.getfixturevalue(fixture), **given, **A)
    print(f"{fixture}: residual {params['residual']:+.1f} of {given['ref_mb_err']} kg m-2 yr-1, {logs(params)}")
    assert 0 < abs(params["residual"]) < 0.2 * given["ref_mb_err"]
    assert params["calibrated"] == ["prcp_fac", "melt_f"]
    assert (deviations(params) < [0.59, 0.36]).all()  # a priori .583 and .350


def test_a_surer_balance_is_met_more_closely(aletsch_gdir):
    given = {name: ALETSCH[name] for name in ("ref_mb", "ref_period")}
    far = [abs(calibrate_glaunti(aletsch_gdir, **given, **A, ref_mb_err=err)["residual"]) for err in (0, 200, 800)]
    assert far[0] < far[1] < far[2]
    # Even without an error of its own, the model's errors in 20 years are 0.14 m w.e.
    assert far[0] > 1.0
    by_default = calibrate_glaunti(aletsch_gdir, **given, **A)
    assert abs(by_default["residual"]) == pytest.approx(far[1])


def test_winters_move_precipitation(hef_gdir):
    without = calibrate_glaunti(hef_gdir, **HEF, **A)
    found = {
        snow: calibrate_glaunti(hef_gdir, **HEF, **A, winters=winters_of(hef_gdir, [snow] * 2)) for snow in (0.6, 2.5)
    }
    assert found[0.6]["prcp_fac"] < without["prcp_fac"] < found[2.5]["prcp_fac"]
    assert found[0.6]["melt_f"] < without["melt_f"] < found[2.5]["melt_f"]
    for params in found.values():
        assert abs(params["residual"]) < HEF["ref_mb_err"]
        assert deviations(params)[0] < 0.9 * deviations(without)[0]


def test_winters_that_cannot_be_used_are_named_and_do_without(hef_gdir, caplog):
    without = calibrate_glaunti(hef_gdir, **HEF, **A)
    late, large = winters_of(hef_gdir, [1.2], first=2031), winters_of(hef_gdir, [1400.0])
    found = calibrate_glaunti(hef_gdir, **HEF, **A, winters=pd.concat([late, large], ignore_index=True))
    assert found == without
    for words in ("winters: 0 are used", "row 0, not within the weather, 2014 to 2022", "row 1, value 1400 m w.e."):
        assert words in caplog.text
    # In a table of a region, not every glacier has winters.
    assert calibrate_glaunti(hef_gdir, **HEF, **A, winters=winters_of(hef_gdir, [1.2], glacier="other")) == without
    assert "winters: 0 are used; left out: none" in caplog.text


def test_oggms_tasks_read_both_back(hef_gdir):
    params = calibrate_glaunti(hef_gdir, **HEF, **A)
    of_oggm = hef_gdir.read_json("mb_calib", filesuffix="_glaunti")
    assert [of_oggm[name] for name in ("prcp_fac", "melt_f")] == [params[name] for name in ("prcp_fac", "melt_f")]
    for suffix in ("", "_glaunti"):
        model = MultipleFlowlineMassBalance(
            hef_gdir, mb_model_class=GlaUnTIMassBalance, mb_params_filesuffix=suffix, use_inversion_flowlines=True
        )
        mean = model.get_specific_mb(year=np.arange(2014, 2023)).mean()
        assert mean - HEF["ref_mb"] == pytest.approx(params["residual"], abs=0.01)


def test_uncertainty_is_that_of_the_calibration(hef_gdir):
    params = calibrate_glaunti(hef_gdir, **HEF, **A)
    spread = parameter_spread(read_params(hef_gdir))
    assert list(spread.names) == STORED
    np.testing.assert_array_equal(spread.covariance, params["fit"]["posterior"]["covariance"])
    ds = gtasks.smb_uncertainty(hef_gdir, years=(2014, 2022), year_type="calendar")
    # The mean of the reference's years is known in spite of parameters that are not: .2 m w.e. a year of the reference,
    # and the model's errors of nine years.
    of_reference = np.hypot(0.2, np.sqrt(0.45**2 + 0.25**2 + 0.35**2) / 3.0)
    assert 0.9 * of_reference < float(ds.sd_parameters[-1]) / 9 < of_reference


# --- a prior of a region ---


@pytest.fixture
def region_fit(hef_gdir):
    """What a fit of a region leaves in a directory without observations."""
    params = calibrate_glaunti(hef_gdir, **HEF, **A)
    parameters = {**params["published_parameters"], "ddf_snow": {"value": 0.0065, "units": "m w.e. K-1 day-1"}}
    sizes = ErrorSizes(Sizes(0.6, 0.3, 0.4), Sizes(0.5, 0.2, 0.3))
    covariance = np.diag([1e-7, 0.02, 0.05])
    covariance[1, 2] = covariance[2, 1] = -0.01
    stored = ["temp_gradient", "ddf_snow_log", "prec_scale_log"]
    fit = {"posterior": {"stored": stored, "covariance": covariance.tolist()}, "error_sizes": sizes_as_dict(sizes)}
    of_region = {"melt_f": 6.5, "prcp_fac": 1.0, "fitted_temp_gradient": -0.0072, "parameters": parameters, "fit": fit}
    own_mean.write_calibration(hef_gdir, {**params, **of_region}, "_region")
    return of_region


def test_a_regions_fit_is_the_prior(hef_gdir, region_fit):
    model = GlaUnTIMassBalance(hef_gdir, mb_params_filesuffix="_region")
    known = SpecificBalance(hef_gdir, model).of_years([*range(2014, 2023)])
    params = calibrate_glaunti(hef_gdir, **{**HEF, "ref_mb": known}, prior="_region")
    # What the region's glaciers would do anyway tells nothing of the parameters but that they are surer.
    np.testing.assert_allclose(logs(params), np.log([1.0, 6.5]), atol=1e-3)
    assert (params["fitted_temp_gradient"], params["parameters"]) == (-0.0072, region_fit["parameters"])
    assert (params["fit"]["prior"], params["fit"]["error_sizes"]) == ("_region", region_fit["fit"]["error_sizes"])
    assert (deviations(params) < [0.05**0.5, 0.02**0.5]).all()
    wetter = calibrate_glaunti(hef_gdir, **{**HEF, "ref_mb": known + 400.0}, prior="_region")
    assert wetter["prcp_fac"] > 1.05
    assert wetter["melt_f"] < 6.5
    assert GlaUnTIMassBalance(hef_gdir).temp_default_gradient == -0.0072


@pytest.mark.slow
def test_a_regions_glaciers_without_stakes_are_calibrated_in_one_call(hef, aletsch_gdir):
    """One call fits glaciers with observations, another brings all of them to their own mean balances."""
    gdirs = [hef, aletsch_gdir]
    gtasks.glaunti_features(aletsch_gdir)
    years = range(2016, 2021)
    dates = {"begin": [f"{year - 1}-10-01" for year in years], "end": [f"{year}-09-30" for year in years]}
    bands = [
        as_observations({"glacier": hef.rgi_id, "kind": "point", **dates, "height": height, "value": value})
        for height, value in ((2700.0, -3.4), (3000.0, -1.6), (3200.0, -0.4))
    ]
    table = pd.concat(bands, ignore_index=True)
    gtasks.fit_glaunti_region(gdirs, observations=table, filesuffix="_region", **A)
    given = {"ref_mb": -1100.0, "ref_mb_err": 150.0, "ref_period": "2014-01-01_2020-01-01"}
    found = workflow.execute_entity_task(gtasks.calibrate_glaunti, gdirs, prior="_region", **given)
    for gdir, params in zip(gdirs, found, strict=True):
        fit = read_params(gdir, "_region")
        before = fit["fit"]["posterior"]
        at = [before["stored"].index(name) for name in STORED]
        print(f"{gdir.rgi_id}: residual {params['residual']:+.1f}, sd {deviations(params)}")
        assert abs(params["residual"]) < 150.0
        assert params["fitted_temp_gradient"] == fit["fitted_temp_gradient"]
        assert (deviations(params) < np.sqrt(np.diag(before["covariance"]))[at]).all()
        assert GlaUnTIMassBalance(gdir).melt_f == params["melt_f"]


# --- what is refused ---

ORDER = {"order": ("melt_f",)}
WRONG = {
    "bounds without order": ({"bounds": {"melt_f": (4.0, 5.0)}}, "bounds: belong to order, which is not given"),
    "prior and order": ({**ORDER, "prior": "_region"}, r"order=\('melt_f',\) turns to one number, without prior"),
    "winters and order": ({**ORDER, "winters": pd.DataFrame()}, r"order=\('melt_f',\) turns to one number"),
    "an error that is none": ({"ref_mb_err": -100.0}, "ref_mb_err is -100.0, expected 0 kg m-2 yr-1 or more"),
    "an error of nothing": ({"ref_mb": None}, "ref_mb_err=200 belongs to ref_mb, which is not given"),
    "no table": ({"winters": [1.2]}, "observations: expected a table .*found list"),
    "a prior that is overwritten": ({"prior": "_x", "filesuffix": "_x"}, "prior='_x' is the suffix that"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_named(hef_gdir, case):
    given, words = WRONG[case]
    with pytest.raises(InvalidParamsError, match=rf"(RGI60-11\.00897: )?{words}"):
        calibrate_glaunti(hef_gdir, **{**HEF, **A, **given})


def test_a_table_without_any_winter_of_a_glacier_is_refused(hef_gdir):
    stakes = winters_of(hef_gdir, [1.2, 1.3], kind="point", height=2900.0)
    with pytest.raises(InvalidParamsError, match=r"no winter balance of a whole glacier among 2 rows; .*fit_glaunti"):
        calibrate_glaunti(hef_gdir, **HEF, **A, winters=stakes)


def test_a_prior_without_a_distribution_is_refused(hef_gdir):
    calibrate_glaunti(hef_gdir, **HEF, **A, **ORDER, filesuffix="_turned")
    with pytest.raises(InvalidParamsError, match=r"prior='_turned': .*no distribution of \['ddf_snow_log', 'prec_sca"):
        calibrate_glaunti(hef_gdir, **HEF, prior="_turned")


def test_the_glaciers_own_mean_balance_does_not_count_twice(hef_gdir):
    calibrate_glaunti(hef_gdir, **HEF, **A, filesuffix="_once")
    with pytest.raises(InvalidParamsError, match=r"prior='_once': .* knows the glacier's own mean balance already"):
        calibrate_glaunti(hef_gdir, **HEF, prior="_once")


@pytest.mark.parametrize("mb", [-25000.0, 40000.0])
def test_a_reference_out_of_reach_says_how_far_and_writes_nothing(hef_gdir, mb):
    words = rf"RGI60-11\.00897: the reference balance of {mb:.0f} kg m-2 yr-1 is out of reach: .* standard deviations"
    with pytest.raises(MassBalanceCalibrationError, match=words):
        calibrate_glaunti(hef_gdir, **{**HEF, "ref_mb": mb}, **A)
    assert not hef_gdir.has_file("glaunti_params")
    assert GlaUnTIMassBalanceA(hef_gdir).prcp_fac == 1.0
