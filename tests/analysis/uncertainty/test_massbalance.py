"""Draws as mass-balance models of a real glacier, in OGGM's own runs."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from oggm import tasks
from oggm.core.massbalance import MultipleFlowlineMassBalance, RandomMassBalance
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from oggm.utils import date_to_floatyear

from oggm_glaunti import GlaUnTIMassBalance
from oggm_glaunti.analysis.glaciers import glacier_run
from oggm_glaunti.analysis.uncertainty import propagation as u
from oggm_glaunti.analysis.uncertainty.blocks import weekly_blocks
from oggm_glaunti.analysis.uncertainty.draws import WeatherErrors
from oggm_glaunti.analysis.uncertainty.ensemble_runs import member_seeds, run_ensemble_from_climate_data
from oggm_glaunti.analysis.uncertainty.massbalance import UncertainGlaUnTIMassBalance
from oggm_glaunti.analysis.uncertainty.tasks import smb_uncertainty
from oggm_glaunti.core.weights import physical_values
from oggm_glaunti.coupling.model.calibration_file import model_record, write_calibration
from oggm_glaunti.fit.calibration.errors import ErrorSizes, Sizes
from oggm_glaunti.fit.calibration.intervals import month_errors

HEIGHTS = np.array([2400.0, 2755.5, 3001.0, 3333.3, 3700.0])
YEARS = range(2014, 2023)
A = {"model": "A"}
NO_ERRORS = {"model_errors": False}
SIZES = {"model_errors": ErrorSizes(whole=Sizes(0.1, 0.2, 0.3))}


def balances(model):
    """m w.e. a year (Y, N)."""
    return np.array([model.get_annual_mb(HEIGHTS, year=year) for year in YEARS]) * 900 * 365 * 86400 / 1000


def write_fit(gdir, sd):
    """A calibration that knows its melt factor and bias to standard deviations of `sd` and `sd` K."""
    plain = GlaUnTIMassBalance(gdir, **A)
    names, cov = ["ddf_snow_log", "temp_bias", "prec_scale_log", "temp_gradient"], np.diag([1.0, 1.0, 1.0, 1e-6])
    params = {**model_record(gdir, plain), "melt_f": plain.melt_f, "prcp_fac": 1.0, "temp_bias": 0.0}
    params |= {"fitted_temp_gradient": -0.006, "parameters": physical_values(plain.ti)}
    params["fit"] = {"posterior": {"stored": names, "mean": [0.0] * 4, "covariance": (sd**2 * cov).tolist()}}
    write_calibration(gdir, params, "")


def files(gdir):
    return {path.name: path.stat().st_mtime_ns for path in Path(gdir.dir).iterdir()}


def test_without_errors_it_is_the_plain_model(hef_gdir):
    plain = GlaUnTIMassBalance(hef_gdir, **A)
    same = UncertainGlaUnTIMassBalance(hef_gdir, seed=5, **A, **NO_ERRORS)
    np.testing.assert_array_equal(balances(same), balances(plain))
    for ours, theirs in zip(
        same.get_annual_mb(HEIGHTS, 2018, True), plain.get_annual_mb(HEIGHTS, 2018, True), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(same.get_daily_mb_of_year(HEIGHTS, 2015), plain.get_daily_mb_of_year(HEIGHTS, 2015))


def test_a_draw_leaves_the_directory_and_its_table_alone(hef_gdir):
    plain = balances(GlaUnTIMassBalance(hef_gdir, **A))
    before = files(hef_gdir)
    draw = UncertainGlaUnTIMassBalance(hef_gdir, seed=1, **A)
    assert np.abs(balances(draw) - plain).max() > 0.1
    assert files(hef_gdir) == before
    np.testing.assert_array_equal(balances(GlaUnTIMassBalance(hef_gdir, **A)), plain)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.00897: glaunti_table_A_kept\.nc holds the calibrated"):
        draw.keep_table("_kept")


CODE = """
import pickle, sys
import numpy as np
from oggm_glaunti.coupling.oggm.offline import start_offline
start_offline(sys.argv[2])
with open(sys.argv[1], "rb") as file:
    given, gdir, heights = pickle.load(file)
from oggm_glaunti.analysis.glaciers import glacier_run
from oggm_glaunti.analysis.uncertainty.massbalance import UncertainGlaUnTIMassBalance
model = UncertainGlaUnTIMassBalance(gdir, seed=3, model="A")
np.savetxt(sys.stdout, [m.get_annual_mb(heights, 2018) for m in (given, model)], fmt="%.17g")
"""


@pytest.mark.slow
def test_the_same_seed_is_the_same_model_here_and_in_another_process(hef_gdir, tmp_path):
    one, again, other = (UncertainGlaUnTIMassBalance(hef_gdir, seed=seed, **A) for seed in (3, 3, 4))
    here = one.get_annual_mb(HEIGHTS, 2018)
    np.testing.assert_array_equal(here, again.get_annual_mb(HEIGHTS, 2018))
    assert (here != other.get_annual_mb(HEIGHTS, 2018)).all()
    copy = pickle.loads(pickle.dumps(one))
    np.testing.assert_array_equal(here, copy.get_annual_mb(HEIGHTS, 2018))
    (tmp_path / "model.pkl").write_bytes(pickle.dumps((one, hef_gdir, HEIGHTS)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path / "model.pkl"), str(tmp_path / "there")],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for there in np.array([line.split() for line in done.stdout.splitlines()[-2:]], float):
        np.testing.assert_array_equal(there, here)


@pytest.mark.slow
def test_small_draws_spread_around_the_plain_model_as_the_first_order_says(hef_gdir):
    write_fit(hef_gdir, sd=0.02)
    small = {"errors": WeatherErrors(sigma_temp=0.3, sigma_log_prcp=0.15), **SIZES}
    lines = hef_gdir.read_pickle("inversion_flowlines")
    heights = np.concatenate([line.surface_h for line in lines])
    widths = np.concatenate([line.widths * line.dx for line in lines])

    def whole(model):
        smb = [np.average(model.get_annual_mb(heights, year=year), weights=widths) for year in YEARS]
        return np.sum(smb) * 900 * 365 * 86400 / 1000

    plain = whole(GlaUnTIMassBalance(hef_gdir))
    models = [UncertainGlaUnTIMassBalance(hef_gdir, seed=seed, **small) for seed in range(24)]
    drawn = np.array([whole(model) - plain for model in models])
    # What a straight line makes of the very same draws: what chance does to both drops out.
    run = glacier_run(hef_gdir, year_type="calendar")
    blocks = weekly_blocks(run.trajectory.period)
    series = u.propagate(run.tuned, run.trajectory, blocks)
    names = tuple(models[0].draw.parameters)
    slopes = u.parameter_jacobian(run.tuned, run.trajectory, blocks, names=names)[-1]
    expected = np.array(
        [
            series.temp[-1] @ model.draw.temp[blocks.starts]
            + series.log_prcp[-1] @ model.draw.log_prcp[blocks.starts]
            + slopes @ np.array([model.draw.parameters[name] for name in names], np.float32)
            + model.draw.model[2014 - model.ys :].sum()
            for model in models
        ]
    )
    sd = float(smb_uncertainty(hef_gdir, year_type="calendar", weather=True, **small)["sd"][-1])
    print(f"spread {drawn.std():.3f}, of the same draws to first order {expected.std():.3f}, first order {sd:.3f}")
    assert drawn.std() == pytest.approx(expected.std(), rel=0.05)
    assert np.corrcoef(drawn, expected)[0, 1] > 0.99
    assert drawn.mean() == pytest.approx(expected.mean(), abs=0.15 * sd)
    # So many draws know their spread to 15 %.
    assert drawn.std() == pytest.approx(sd, rel=0.3)


def test_errors_of_the_model_are_in_the_table_and_in_days_months_and_years_alike(hef_gdir):
    plain, drawn = GlaUnTIMassBalance(hef_gdir, **A), UncertainGlaUnTIMassBalance(hef_gdir, seed=3, **A, **SIZES)
    of_months = drawn.draw.model
    assert of_months.shape == (drawn.years.size, 12)
    beyond = np.array([500.0, *HEIGHTS, 6000.0])  # and below and above the table
    for year in (2016, 2018):
        index = year - drawn.ys

        def more(get, at):
            return (getattr(drawn, get)(beyond, at) - getattr(plain, get)(beyond, at)) * 900 / 1000

        of_year = more("get_annual_mb", year) * plain.sec_in_year(year)
        np.testing.assert_allclose(of_year, of_months[index].sum(), atol=1e-9)
        for month, expected in enumerate(of_months[index]):
            at = date_to_floatyear(year, month + 1)
            np.testing.assert_allclose(more("get_monthly_mb", at) * plain.sec_in_month(at), expected, atol=1e-9)
        days = more("get_daily_mb_of_year", year) * 86400
        assert days.shape[1] == 366 if year == 2016 else 365
        np.testing.assert_allclose(days[:, :31].sum(axis=1), of_months[index, 0], atol=1e-9)
        np.testing.assert_allclose(days[:, -31:], np.full((beyond.size, 31), of_months[index, 11] / 31), atol=1e-9)
        np.testing.assert_allclose(more("get_daily_mb", year) * 86400, of_months[index, 0] / 31, atol=1e-9)
    of_tables = drawn.table().table.smb - plain.table().table.smb
    np.testing.assert_allclose(of_tables, np.broadcast_to(of_months[..., None], of_tables.shape), atol=1e-12)


def test_drawn_errors_of_the_model_have_the_sizes_asked_for(hef_gdir):
    whole, time = SIZES["model_errors"].whole, GlaUnTIMassBalance(hef_gdir, **A).climate.time
    found = month_errors(time[0], time[-1], whole, "nh")
    drawn = np.array([UncertainGlaUnTIMassBalance(hef_gdir, seed=s, **A, **SIZES).draw.model for s in range(60)])
    years = drawn.reshape(60, -1)[:, 9:-3].reshape(60, -1, 12)  # from October
    winter, summer = years[..., :7].sum(axis=-1), years[..., 7:].sum(axis=-1)
    assert winter.std() == pytest.approx(np.hypot(0.2, 0.1 * np.sqrt(7 / 12)), rel=0.1)
    assert summer.std() == pytest.approx(np.hypot(0.3, 0.1 * np.sqrt(5 / 12)), rel=0.1)
    assert abs(np.corrcoef(winter.ravel(), summer.ravel())[0, 1]) < 0.15
    np.testing.assert_allclose(drawn.std(axis=0).ravel() / found.sd, 1.0, atol=0.4)


def test_drawn_parameters_are_those_the_model_tells(hef_gdir):
    write_fit(hef_gdir, sd=0.1)
    plain, drawn = GlaUnTIMassBalance(hef_gdir), UncertainGlaUnTIMassBalance(hef_gdir, seed=2, **NO_ERRORS)
    by = drawn.draw.parameters
    assert drawn.melt_f == pytest.approx(plain.melt_f * np.exp(by["ddf_snow_log"]), rel=1e-6)
    assert drawn.temp_bias == pytest.approx(by["temp_bias"])
    assert float(drawn.ti.prec_scale_log - plain.ti.prec_scale_log) == pytest.approx(by["prec_scale_log"], abs=1e-6)
    assert drawn.temp_default_gradient == pytest.approx(-0.006 + by["temp_gradient"])
    assert all(value != 0.0 for value in by.values())
    # A calibration to the same numbers makes the same balances.
    by_hand = {**model_record(hef_gdir, plain), "melt_f": float(drawn.melt_f), "temp_bias": float(drawn.temp_bias)}
    by_hand |= {"prcp_fac": 1.0, "fitted_temp_gradient": float(drawn.temp_default_gradient)}
    write_calibration(hef_gdir, {**by_hand, "parameters": physical_values(drawn.ti)}, "_hand")
    calibrated = GlaUnTIMassBalance(hef_gdir, mb_params_filesuffix="_hand")
    assert np.abs(balances(drawn) - balances(plain)).max() > 0.05
    np.testing.assert_allclose(balances(calibrated), balances(drawn), atol=2e-5)
    known = UncertainGlaUnTIMassBalance(hef_gdir, seed=2, parameters=False, **NO_ERRORS)
    np.testing.assert_array_equal(balances(known), balances(plain))


def test_a_tunable_parameter_keeps_the_draw(hef_gdir):
    model = UncertainGlaUnTIMassBalance(hef_gdir, seed=1, **A)
    before = balances(model)
    model.temp_bias += 1.0
    assert (balances(model) < before).all()
    model.temp_bias -= 1.0
    np.testing.assert_array_equal(balances(model), before)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": -1},
        {"errors": WeatherErrors(sigma_temp=-1.0)},
        {"errors": WeatherErrors(block_days=0)},
        {"seed": "three"},
    ],
)
def test_impossible_draws_name_the_glacier(hef_gdir, wrong):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11.00897: seed="):
        UncertainGlaUnTIMassBalance(hef_gdir, **{"seed": 0, **A, **wrong})


def test_a_draw_has_to_be_named_also_inside_random_years(hef_gdir):
    with pytest.raises(
        InvalidParamsError, match=r"RGI60-11.00897: Uncertain.* is one draw of many; say which with seed"
    ):
        UncertainGlaUnTIMassBalance(hef_gdir, **A)
    years = {"y0": 2018, "halfsize": 2, "seed": 7, "mb_model_class": UncertainGlaUnTIMassBalance, **A}
    one, other = (RandomMassBalance(hef_gdir, draw_seed=seed, **years) for seed in (1, 2))
    assert one.mbmod.draw.seed == 1
    assert (one.get_annual_mb(HEIGHTS, 2000) != other.get_annual_mb(HEIGHTS, 2000)).all()


@pytest.mark.slow
def test_members_of_model_c_have_the_corrections_of_the_record_computed_once(hef_gdir, weights_dir, monkeypatch):
    from oggm_glaunti.coupling.ground.features import glaunti_features
    from oggm_glaunti.coupling.table import store as table_store

    monkeypatch.setenv("OGGM_GLAUNTI_WEIGHTS", str(weights_dir))
    glaunti_features(hef_gdir)
    calls, compute = [], table_store.compute_corrections
    monkeypatch.setattr(table_store, "compute_corrections", lambda *args: calls.append(1) or compute(*args))
    run_ensemble_from_climate_data(hef_gdir, members=2, ys=2020, mb_kwargs={"model": "C"})
    assert len(calls) == 1
    same = UncertainGlaUnTIMassBalance(hef_gdir, seed=5, model="C", **NO_ERRORS)
    np.testing.assert_array_equal(balances(same), balances(GlaUnTIMassBalance(hef_gdir, model="C")))


def test_an_ensemble_of_runs_has_bands_and_members_that_can_be_built_again(hef_gdir):
    found = run_ensemble_from_climate_data(hef_gdir, members=3, seed=1, output_filesuffix="_e", ys=2015, mb_kwargs=A)
    assert dict(found.sizes) == {"member": 3, "time": 9}
    assert found["seed"].values.tolist() == member_seeds(1, 3)
    volume = found["volume_m3"].values
    assert (np.ptp(volume[:, 1:], axis=0) > 0.0).all()
    np.testing.assert_allclose(found["volume_m3_median"], np.median(volume, axis=0))
    assert found["volume_m3_low"].attrs["units"] == "m3"
    with xr.open_dataset(hef_gdir.get_filepath("model_diagnostics", filesuffix="_e_ensemble")) as written:
        xr.testing.assert_equal(written.load(), found)
    mb_model = MultipleFlowlineMassBalance(
        hef_gdir, mb_model_class=UncertainGlaUnTIMassBalance, seed=int(found["seed"][2]), **A
    )
    tasks.run_from_climate_data(hef_gdir, mb_model=mb_model, ys=2015, output_filesuffix="_again")
    with xr.open_dataset(hef_gdir.get_filepath("model_diagnostics", filesuffix="_again")) as again:
        np.testing.assert_array_equal(again["volume_m3"], volume[2])
    with pytest.raises(InvalidParamsError, match="members of 2 or more"):
        run_ensemble_from_climate_data(hef_gdir, members=1)
