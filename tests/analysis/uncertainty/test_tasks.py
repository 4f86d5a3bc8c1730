"""How uncertain the balances of a real glacier are: what the tasks give, and that all methods agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import GlaUnTIMassBalance
from oggm_glaunti.analysis.glaciers import glacier_run
from oggm_glaunti.analysis.trajectory import annual
from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors, draw_parameters
from oggm_glaunti.analysis.uncertainty.tasks import smb_ensemble, smb_linearity, smb_uncertainty, stored
from oggm_glaunti.fit.calibration.errors import ErrorSizes, Sizes, covariance
from oggm_glaunti.fit.calibration.map_estimate import linearised
from oggm_glaunti.fit.calibration.posterior import physical
from oggm_glaunti.fit.calibration.priors import SPREAD
from oggm_glaunti.fit.calibration.sites import glacier_site
from oggm_glaunti.fit.calibration.tasks import as_tuned, fit_glaunti
from oggm_glaunti.fit.observations import as_observations
from oggm_glaunti.graphics.uncertainty import plot_linearity, plot_uncertainty
from oggm_glaunti.tasks import glaunti_features, where_to_measure

A = {"mb_kwargs": {"model": "A"}}
SMALL = {"errors": WeatherErrors(sigma_temp=0.2, sigma_log_prcp=0.12)}
NO_MODEL = {"model_errors": False}
FREE = ("ddf_snow", "prec_scale", "temp_gradient")
SIZES = ErrorSizes(Sizes(0.15, 0.05, 0.08), Sizes(0.12, 0.06, 0.1))
PARTS = ("parameters", "model", "weather")


@pytest.fixture
def fitted(hef_gdir):
    """Hintereisferner, fitted to a few balances by height that tell its parameters well."""
    rows = {"glacier": hef_gdir.rgi_id, "kind": "point", "begin": "2015-10-01", "end": "2016-09-30", "sigma": 0.1}
    heights = np.linspace(2500.0, 3400.0, 8)
    table = as_observations({**rows, "height": heights, "value": 0.006 * (heights - 3050.0)})
    fit_glaunti(hef_gdir, observations=table, free=FREE, errors=SIZES, **A)
    return hef_gdir, table


@pytest.mark.slow
def test_parts_add_up_in_squares_and_years_to_the_whole(fitted):
    gdir, _ = fitted
    found = smb_uncertainty(gdir, years=(2016, 2019))
    assert dict(found.sizes) == {"time": 208, "year": 4, "other_year": 4}
    both = smb_uncertainty(gdir, years=(2016, 2019), weather=True)
    for prefix in ("", "annual_"):
        parameters, model, weather = (found[f"{prefix}sd_{name}"] ** 2 for name in PARTS)
        np.testing.assert_allclose(parameters + model, found[f"{prefix}sd"] ** 2, rtol=1e-6)
        np.testing.assert_allclose(parameters + model + weather, both[f"{prefix}sd"] ** 2, rtol=1e-6)
        of_weather = found[f"{prefix}sd_temp"] ** 2 + found[f"{prefix}sd_prcp"] ** 2
        np.testing.assert_allclose(of_weather, weather, rtol=1e-6)
        np.testing.assert_allclose(
            found[f"{prefix}high"] - found[f"{prefix}low"], 2 * 1.6448536 * found[f"{prefix}sd"], rtol=1e-6
        )
    for result in (found, both):
        of_years = result["annual_covariance"].to_numpy()
        np.testing.assert_allclose(np.diagonal(of_years), result["annual_sd"] ** 2, rtol=1e-4)
        assert of_years.sum() == pytest.approx(float(result["sd"][-1]) ** 2, rel=1e-4)
    run = glacier_run(gdir, (2016, 2019))
    np.testing.assert_allclose(found["annual_smb"], annual(run.tuned, run.trajectory), atol=1e-4)
    assert (found["annual_sd_parameters"] > 0.0).all()
    assert found.attrs["parameters"] == "ddf_snow_log, prec_scale_log, temp_gradient"
    assert {field.attrs["units"] for field in found.values()} == {"m w.e.", "m2 w.e."}
    assert found["time"].values[[0, -1]].astype("M8[D]").astype(str).tolist() == ["2015-10-07", "2019-09-30"]
    known = smb_uncertainty(gdir, years=(2016, 2019), parameters=False)
    assert (known["sd_parameters"] == 0.0).all()
    assert known.attrs["parameters"] == "taken as known"
    words = "0.12 m w.e. a year of its own, 0.06 of a winter, 0.10 of a summer"
    assert known.attrs["model_errors"] == f"of the fit: {words}"
    assert (found.attrs["counted"], both.attrs["counted"]) == (
        "errors of the parameters and the model",
        "errors of the parameters, the model and the weather",
    )
    np.testing.assert_array_equal(known["sd_temp"], found["sd_temp"])
    assert len(plot_uncertainty(found).axes) == 4


@pytest.mark.slow
def test_longer_memory_of_errors_is_more_uncertainty(hef_gdir):
    def sd(errors):
        return float(smb_uncertainty(hef_gdir, years=(2016, 2019), errors=errors, **A)["sd_weather"][-1])

    sds = [sd(WeatherErrors(correlation_days=days)) for days in (0, 30, 365, np.inf)]
    assert sds == sorted(sds)
    assert sds[-1] > 5.0 * sds[0]


@pytest.mark.slow
def test_an_ensemble_agrees_with_the_first_order_where_errors_are_small(fitted):
    gdir, _ = fitted
    first_order = smb_uncertainty(gdir, years=(2016, 2019), weather=True, **SMALL)
    members = smb_ensemble(gdir, years=(2016, 2019), members=500, **SMALL)
    assert dict(members.sizes) == {"member": 500, "time": 208, "year": 4}
    np.testing.assert_allclose(members["annual_smb"].sum("year"), members["smb"][:, -1], atol=1e-4)
    for name in ("smb", "annual_smb"):
        sd = first_order[name.replace("smb", "sd")]
        np.testing.assert_allclose(members[name].std("member"), sd, rtol=0.1)
    assert len(plot_uncertainty(first_order, members).axes) == 4


@pytest.mark.slow
def test_ninety_percent_means_the_same_of_a_fit_of_the_first_order_of_members_and_of_where_to_measure(fitted):
    gdir, _ = fitted
    years = range(2016, 2020)
    whole = {"glacier": gdir.rgi_id, "kind": "glacier-wide", "value": 0.0, "sigma": 1e-9}
    rows = as_observations(
        {**whole, "begin": [f"{year - 1}-10-01" for year in years], "end": [f"{year}-10-01" for year in years]}
    )
    mb_model = GlaUnTIMassBalance(gdir)
    posterior = mb_model.calib_params["fit"]["posterior"]
    glacier = glacier_site(gdir, mb_model, rows)
    names = [name.removesuffix("_log") for name in posterior["stored"]]
    _, slopes = linearised(as_tuned(gdir.rgi_id, mb_model), glacier.site, names)
    of_rows = slopes @ np.array(posterior["covariance"]) @ slopes.T + covariance(glacier.rows, SIZES)
    found = smb_uncertainty(gdir, years=(2016, 2019))
    np.testing.assert_allclose(found["annual_covariance"], of_rows, rtol=0.02, atol=1e-5)
    half = 1.6448536 * np.sqrt(np.diag(of_rows))
    np.testing.assert_allclose(found["annual_high"] - found["annual_smb"], half, rtol=0.01)

    members = smb_ensemble(gdir, years=(2016, 2019), members=600)
    for name in ("smb", "annual_smb"):
        low, high = (found[name.replace("smb", edge)] for edge in ("low", "high"))
        inside = (members[name] > low) & (members[name] < high)
        np.testing.assert_allclose(inside.mean("member"), 0.9, atol=0.05)
        np.testing.assert_allclose(members[name].std("member"), found[name.replace("smb", "sd")], rtol=0.1)

    glaunti_features(gdir)
    advice = where_to_measure(gdir, year=2019, years=(2016, 2019))
    again = smb_uncertainty(gdir, years=(2016, 2019))
    assert float(advice.maps["sd"]) == pytest.approx(float(again["sd"][-1]) / 4, rel=1e-3)


@pytest.mark.slow
def test_given_draws_of_parameters_are_run_as_they_are(fitted):
    gdir, _ = fitted
    posterior = GlaUnTIMassBalance(gdir).calib_params["fit"]["posterior"]
    numbers = np.array(posterior["mean"]) + draw_parameters(0, 400, np.array(posterior["covariance"]))
    draws = pd.DataFrame({name: [physical(name, x) for x in numbers[:, i]] for i, name in enumerate(FREE)})
    members = smb_ensemble(gdir, years=(2016, 2019), draws=draws, **NO_MODEL)
    first_order = smb_uncertainty(gdir, years=(2016, 2019), **NO_MODEL)
    assert members.sizes["member"] == 400
    np.testing.assert_allclose(members["smb"].std("member")[-1], first_order["sd"][-1], rtol=0.1)
    best = smb_ensemble(
        gdir,
        years=(2016, 2019),
        draws=pd.DataFrame({name: [physical(name, x)] for name, x in zip(FREE, posterior["mean"], strict=True)}),
        **NO_MODEL,
    )
    np.testing.assert_allclose(best["smb"][0], first_order["smb"], atol=2e-4)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: draws: expected finite columns of"):
        smb_ensemble(gdir, years=(2016, 2019), draws=pd.DataFrame({"albedo": [0.3]}))


@pytest.mark.slow
def test_first_order_ensemble_and_nuts_agree(fitted):
    pytest.importorskip("blackjax")
    from oggm_glaunti.fit.calibration.nuts import sample_glaunti

    gdir, table = fitted
    draws = sample_glaunti(gdir, table, free=FREE, errors=SIZES, n_samples=250, n_warmup=120, **A)
    years = {"years": (2016, 2019), **NO_MODEL}
    sds = {
        "first order": float(smb_uncertainty(gdir, **years)["sd"][-1]),
        "ensemble": float(smb_ensemble(gdir, members=400, **years)["smb"][:, -1].std()),
        "NUTS": float(smb_ensemble(gdir, draws=draws, **years)["smb"][:, -1].std()),
    }
    print(sds)
    for sd in sds.values():
        assert sd == pytest.approx(sds["first order"], rel=0.15)


@pytest.mark.slow
def test_the_table_of_linearity_says_where_it_ends(hef_gdir):
    table = smb_linearity(hef_gdir, years=(2016, 2019), scales=(0.125, 2.0), members=64, **A)
    assert table.index.tolist() == [0.125, 2.0]
    assert table.loc[0.125, "ratio"] == pytest.approx(1.0, abs=0.05)
    assert table.loc[2.0, "ratio"] < 0.7
    assert table.attrs["sentence"].startswith("The first-order standard deviation is within 10 %")
    assert len(plot_linearity({"plain": table}).axes) == 2


@pytest.mark.parametrize("wrong", [{"sigma_temp": -1.0}, {"correlation_days": np.nan}, {"block_days": 0}])
def test_impossible_arguments_name_the_glacier(hef_gdir, wrong):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: "):
        smb_uncertainty(hef_gdir, errors=WeatherErrors(**wrong), **A)


@pytest.mark.parametrize("task", [smb_ensemble, smb_linearity])
@pytest.mark.parametrize("wrong", [{"members": 0}, {"seed": -1}])
def test_impossible_ensembles_name_the_glacier(hef_gdir, task, wrong):
    with pytest.raises(
        InvalidParamsError, match=r"RGI60-11\.00897: expected one member or more and a seed of 0 or more"
    ):
        task(hef_gdir, **A, **wrong)


@given(st.sampled_from(sorted(SPREAD)), st.floats(-3.0, 3.0))
def test_stored_numbers_come_back_from_physical_units(name, number):
    assert float(stored(name, physical(name, number))) == pytest.approx(number, abs=1e-9)
