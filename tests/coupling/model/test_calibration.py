"""One glacier to its reference exactly: by which tunable parameter, from what, and what is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, settings
from oggm_glaunti.coupling.ground.features import glaunti_features
from oggm_glaunti.coupling.model.params import write_params
from oggm_glaunti.coupling.model.reference_period import ReferencePeriod, SpecificBalance
from oggm_glaunti.coupling.oggm import geodetic
from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti

# Grosser Aletsch, 2000-2020 (Hugonnet et al. 2021, as in OGGM's geodetic table).
GEODETIC = {"ref_mb": -1210.7, "ref_mb_err": 131.5, "ref_period": "2000-01-01_2020-01-01"}
YEARS = range(2000, 2020)
# The balance is met exactly by one parameter; what is most probable is in tests/fit/calibration/test_own_mean.py.
MELT = {"order": ("melt_f",), "mb_kwargs": {"model": "A"}}


def mean_balance(gdir, cls=GlaUnTIMassBalance, years=YEARS, **kwargs) -> float:
    """kg m-2 yr-1 over the inversion flowlines."""
    fls = gdir.read_pickle("inversion_flowlines")
    return float(np.mean(cls(gdir, **kwargs).get_specific_mb(fls=fls, year=years)))


def files(gdir) -> dict[str, bytes]:
    folder = Path(gdir.dir)
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name.startswith(("glaunti_", "mb_calib", "."))}


# --- how closely ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "order", [("melt_f",), ("prcp_fac",), ("temp_bias",), ("prcp_fac", "melt_f", "temp_bias"), ["temp_bias", "melt_f"]]
)
def test_the_reference_is_met_to_one_millimetre(aletsch_gdir, order):
    params = calibrate_glaunti(aletsch_gdir, **GEODETIC, mb_kwargs={"model": "A"}, order=order)
    got = mean_balance(aletsch_gdir)
    tunables = {name: round(params[name], 4) for name in ("melt_f", "prcp_fac", "temp_bias")}
    print(f"Aletsch, A, {order}: {tunables}, {got - GEODETIC['ref_mb']:+.4f} mm w.e. a year")
    assert got == pytest.approx(GEODETIC["ref_mb"], abs=1)
    assert params["residual"] == pytest.approx(got - GEODETIC["ref_mb"], abs=1e-3)


def test_only_the_tunable_parameters_named_are_turned(aletsch_gdir):
    params = calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    assert params["melt_f"] == pytest.approx(5.598, abs=1e-3)
    assert (params["prcp_fac"], params["temp_bias"]) == (1, 0)


def test_a_tunable_parameter_out_of_reach_stays_at_its_bound_and_the_next_is_turned(aletsch_gdir):
    params = calibrate_glaunti(
        aletsch_gdir, **GEODETIC, mb_kwargs={"model": "A"}, order=("melt_f", "temp_bias"), bounds={"melt_f": (4.0, 5.0)}
    )
    assert params["melt_f"] == 5.0
    assert params["prcp_fac"] == 1
    assert params["temp_bias"] > 0
    assert mean_balance(aletsch_gdir) == pytest.approx(GEODETIC["ref_mb"], abs=1)


def test_the_informed_steps_keep_precipitation_within_a_fifth_of_its_first_guess(aletsch_gdir):
    params = calibrate_glaunti(
        aletsch_gdir,
        **{**GEODETIC, "ref_mb": -2500.0},
        mb_kwargs={"model": "A"},
        order=("prcp_fac", "melt_f", "temp_bias"),
    )
    assert params["prcp_fac"] == 0.8
    assert params["melt_f"] > 5
    assert params["temp_bias"] == 0


def test_the_result_does_not_depend_on_an_earlier_calibration(aletsch_gdir):
    fresh = calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    calibrate_glaunti(
        aletsch_gdir, **{**GEODETIC, "ref_mb": -300.0}, mb_kwargs={"model": "A"}, order=("temp_bias", "prcp_fac")
    )
    assert aletsch_gdir.read_json("glaunti_params")["temp_bias"] != 0
    again = calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    assert again == fresh


def test_the_balance_may_be_averaged_over_the_cells_instead(aletsch_gdir):
    params = calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT, use_2d_mb=True)
    with netCDF4.Dataset(aletsch_gdir.get_filepath("gridded_data")) as nc:
        heights = np.asarray(nc["topo_smoothed"][:])[np.asarray(nc["glacier_mask"][:]) == 1]
    model = GlaUnTIMassBalance(aletsch_gdir)
    got = np.mean(model.get_specific_mb(heights=heights, widths=np.ones(heights.size), year=YEARS))
    assert got == pytest.approx(GEODETIC["ref_mb"], abs=1)
    assert params["melt_f"] != pytest.approx(5.59771, abs=1e-4)


# --- out of reach, and impossible ---


def test_out_of_bounds_says_how_close_it_came_and_writes_nothing(aletsch_gdir):
    before = files(aletsch_gdir)
    with pytest.raises(
        MassBalanceCalibrationError,
        match=r"RGI60-11\.01450: the reference balance is out of reach: melt_f 1\.5 to 17 misses it by 2\d{4} to \d{4}",
    ):
        calibrate_glaunti(aletsch_gdir, **{**GEODETIC, "ref_mb": -20000.0}, **MELT)
    assert files(aletsch_gdir) == before


def test_out_of_bounds_names_every_tunable_parameter_tried(aletsch_gdir):
    with pytest.raises(MassBalanceCalibrationError, match=r"prcp_fac 0\.8 to 1\.2 .*; melt_f 1\.5 to 17 .*; temp_bias"):
        calibrate_glaunti(
            aletsch_gdir,
            **{**GEODETIC, "ref_mb": 30000.0},
            mb_kwargs={"model": "A"},
            order=("prcp_fac", "melt_f", "temp_bias"),
        )


@pytest.mark.parametrize("order", ["melt_f", (), ("melt",), ("melt_f", "melt_f")])
def test_an_impossible_order_is_refused(aletsch_gdir, order):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.01450: order: expected some of .* each once"):
        calibrate_glaunti(aletsch_gdir, **GEODETIC, mb_kwargs={"model": "A"}, order=order)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_reference_that_is_no_number_is_refused(aletsch_gdir, value):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.01450: ref_mb is (nan|inf), expected a finite balance"):
        calibrate_glaunti(aletsch_gdir, **{**GEODETIC, "ref_mb": value}, **MELT)


def test_an_error_of_the_reference_that_is_no_number_is_refused(aletsch_gdir):
    before = files(aletsch_gdir)
    with pytest.raises(InvalidParamsError, match=r"ref_mb_err is nan, expected 0 kg"):
        calibrate_glaunti(aletsch_gdir, **{**GEODETIC, "ref_mb_err": np.nan}, **MELT)
    assert files(aletsch_gdir) == before


@pytest.mark.parametrize("period", ["1970-01-01_1990-01-01", "2010-01-01_2030-01-01"])
def test_a_period_outside_the_record_is_refused(aletsch_gdir, period):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.01450: .*holds 1981 to 2020: process a longer record"):
        calibrate_glaunti(aletsch_gdir, ref_mb=-500.0, ref_period=period, **MELT)


@pytest.mark.parametrize("given", [{"ref_mb": -1.34}, {"ref_mb": -1.34, "ref_mb_err": 0.2}])
def test_metres_given_for_millimetres_are_refused(aletsch_gdir, given):
    words = (
        r"ref_mb is -1\.34 kg m-2 yr-1, hardly different from 0; if m w\.e\. a year are meant give -1340, if .* give 0"
    )
    with pytest.raises(InvalidParamsError, match=rf"RGI60-11\.01450: {words}"):
        calibrate_glaunti(aletsch_gdir, **given, **MELT)


def test_a_glacier_in_balance_may_be_a_reference(aletsch_gdir):
    for given in ({"ref_mb": 0.0}, {"ref_mb": -3.0, "ref_mb_err": 150.0}):
        params = calibrate_glaunti(aletsch_gdir, **given, ref_period="2000-01-01_2020-01-01", **MELT)
        assert params["reference_mb"] == given["ref_mb"]


def test_balances_of_a_directory_in_metres_are_refused(hef_gdir, monkeypatch):
    observed = pd.DataFrame({"ANNUAL_BALANCE": [-0.9, -1.1]}, index=[2016, 2018])
    monkeypatch.setattr(hef_gdir, "get_ref_mb_data", lambda y0, y1: observed)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897, the largest balance of the WGMS: ref_mb is 1.1 kg"):
        calibrate_glaunti(hef_gdir, **MELT, ref_source="wgms")


@pytest.mark.parametrize("period", ["2000", "2000_2020_2030", "summer_winter", 2000])
def test_a_period_in_another_notation_is_refused(aletsch_gdir, period):
    with pytest.raises(InvalidParamsError, match=r"expected like '2000-01-01_2020-01-01'"):
        calibrate_glaunti(aletsch_gdir, ref_mb=-500.0, ref_period=period, **MELT)


def test_a_period_without_years_is_refused(aletsch_gdir):
    with pytest.raises(InvalidParamsError, match=r"ref_period '2010-01-01_2010-01-01' holds no days"):
        calibrate_glaunti(aletsch_gdir, ref_mb=-500.0, ref_period="2010-01-01_2010-01-01", **MELT)


def test_the_last_year_of_the_record_can_be_used(hef_gdir):
    calibrate_glaunti(hef_gdir, ref_mb=-1500.0, ref_period="2014-01-01_2023-01-01", **MELT)
    assert mean_balance(hef_gdir, years=range(2014, 2023)) == pytest.approx(-1500, abs=1)


def test_without_flowlines_it_says_what_to_run(aletsch_gdir):
    Path(aletsch_gdir.get_filepath("inversion_flowlines")).unlink()
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.01450: no inversion_flowlines .*use_2d_mb=True"):
        calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)


@pytest.mark.parametrize(
    ("period", "by_days"),
    [
        ("2015-10-01_2016-05-01", []),
        ("2014-10-01_2016-10-01", []),
        ("2015-10-15_2016-04-20", [2015, 2016]),
        ("2016-03-05_2016-03-20", [2016]),
    ],
)
def test_a_period_of_months_needs_no_days(hef_gdir, monkeypatch, period, by_days):
    model, days, asked = GlaUnTIMassBalanceA(hef_gdir), ReferencePeriod.of(period, "HEF"), []
    daily, balance = model.get_daily_mb_of_year, SpecificBalance(hef_gdir, model)
    monkeypatch.setattr(model, "get_daily_mb_of_year", lambda *args: asked.append(args[1]) or daily(*args))
    found = balance.of_days(days) * days.years
    assert asked == by_days
    (fl,) = hef_gdir.read_pickle("inversion_flowlines")
    expected = 0.0
    for year in days.calendar_years:
        rates = np.average(daily(fl.surface_h, year), axis=0, weights=fl.widths) * model.rho * cfg.SEC_IN_DAY
        dates = np.datetime64(f"{year}-01-01") + np.arange(rates.size)
        expected += rates[(days.begin <= dates) & (dates < days.end)].sum()
    assert found == pytest.approx(expected, abs=0.01)


# --- references that are not given ---


def test_the_geodetic_table_out_of_reach_is_a_clear_error(aletsch_gdir):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.01450: OGGM's geodetic table is not available.*ref_mb"):
        calibrate_glaunti(aletsch_gdir, **MELT)


@pytest.fixture
def geodetic_table(monkeypatch):
    """OGGM's table as its function returns it: m w.e. a year."""
    table = pd.DataFrame(
        {
            "period": ["2000-01-01_2010-01-01", "2000-01-01_2020-01-01"],
            "dmdtda": [-1.0, -1.2107],
            "err_dmdtda": [0.3, 0.13],
        },
        index=["RGI60-11.01450"] * 2,
    )
    monkeypatch.setattr(geodetic.utils, "get_geodetic_mb_dataframe", lambda path: table)


def test_by_default_the_reference_is_oggms_geodetic_balance(aletsch_gdir, geodetic_table):
    params = calibrate_glaunti(aletsch_gdir, **MELT)
    assert (params["reference_mb"], params["reference_mb_err"]) == pytest.approx((-1210.7, 130))
    assert params["reference_source"] == "OGGM's geodetic table"
    assert params["reference_period"] == cfg.PARAMS["geodetic_mb_period"] == "2000-01-01_2020-01-01"
    assert params["melt_f"] == pytest.approx(5.59771, abs=1e-4)


def test_another_period_of_the_geodetic_table(aletsch_gdir, geodetic_table):
    calibrate_glaunti(aletsch_gdir, **MELT, ref_period="2000-01-01_2010-01-01")
    assert mean_balance(aletsch_gdir, years=range(2000, 2010)) == pytest.approx(-1000, abs=1)
    with pytest.raises(InvalidParamsError, match=r"no period 2005-01-01_2010-01-01, only \['2000-01-01_2010-01-01'"):
        calibrate_glaunti(aletsch_gdir, **MELT, ref_period="2005-01-01_2010-01-01")


def test_a_glacier_that_is_not_in_the_geodetic_table_is_named(hef_gdir, geodetic_table):
    cfg.PARAMS["geodetic_mb_period"] = "2015-01-01_2020-01-01"
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: not in OGGM's geodetic table\. Give ref_mb"):
        calibrate_glaunti(hef_gdir, **MELT)


def test_the_geodetic_table_that_oggm_could_not_download_is_a_clear_error(aletsch_gdir, monkeypatch):
    cfg.PARAMS["has_internet"] = True
    # What OGGM's downloader returns for a file that it could not get.
    monkeypatch.setattr("oggm.utils._downloads.file_downloader", lambda *args, **kwargs: None)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.01450: OGGM's geodetic table is not available.*ref_mb"):
        calibrate_glaunti(aletsch_gdir, **MELT)


@pytest.mark.parametrize(
    ("fixture", "mean", "period"),
    [("hef_gdir", -1215.14, "7 years 2014 to 2020"), ("aletsch_gdir", -524.26, "19 years 1981 to 1999")],
)
def test_balances_of_the_wgms_are_averaged_over_the_years_of_the_record(request, fixture, mean, period):
    gdir = request.getfixturevalue(fixture)
    params = calibrate_glaunti(gdir, **MELT, ref_source="wgms")
    print(f"{gdir.rgi_id}, WGMS {period}: {params['reference_mb']:.1f}, melt_f {params['melt_f']:.3f}")
    assert params["reference_mb"] == pytest.approx(mean, abs=0.01)
    assert (params["reference_period"], params["reference_source"]) == (period, "WGMS")
    assert params["reference_mb_err"] is None
    assert mean_balance(gdir, years=params["reference_years"]) == pytest.approx(mean, abs=1)


def test_years_without_a_balance_are_left_out(hef_gdir, monkeypatch):
    observed = pd.DataFrame({"ANNUAL_BALANCE": [-900.0, -1100.0]}, index=[2016, 2018])
    monkeypatch.setattr(hef_gdir, "get_ref_mb_data", lambda y0, y1: observed)
    params = calibrate_glaunti(hef_gdir, **MELT, ref_source="wgms")
    assert (params["reference_mb"], params["reference_years"]) == (-1000, [2016, 2018])
    assert mean_balance(hef_gdir, years=[2016, 2018]) == pytest.approx(-1000, abs=1)


def test_a_period_without_balances_of_the_wgms_is_a_clear_error(hef_gdir):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: no WGMS balances between 2021 and 2022"):
        calibrate_glaunti(hef_gdir, **MELT, ref_source="wgms", ref_period="2021-01-01_2023-01-01")


def test_a_glacier_without_wgms_balances_is_named(aletsch_gdir):
    aletsch_gdir.rgi_id = "RGI60-11.99999"
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.99999: no WGMS balances found .*ref_source='geodetic'"):
        calibrate_glaunti(aletsch_gdir, **MELT, ref_source="wgms")


def test_an_unknown_source_is_refused(aletsch_gdir):
    with pytest.raises(InvalidParamsError, match=r"ref_source: expected 'geodetic' or 'wgms', found 'stakes'"):
        calibrate_glaunti(aletsch_gdir, **MELT, ref_source="stakes")


# --- what is written ---


def test_the_file_tells_model_tunable_parameters_reference_and_units(aletsch_gdir):
    returned = calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    written = json.loads(Path(aletsch_gdir.get_filepath("glaunti_params")).read_text())
    units = written.pop("units")
    assert written == returned
    assert (written["rgi_id"], written["model"], written["corrector"]) == ("RGI60-11.01450", "A", "off")
    assert (written["climate_source"], written["temp_gradient"]) == ("CUSTOM_daily", -0.006)
    assert (written["reference_mb"], written["reference_mb_err"]) == (-1210.7, 131.5)
    assert written["reference_years"] == [*YEARS]
    assert written["calibrated"] == ["melt_f"]
    assert len(written["weights_sha256"]) == 64
    assert written["published_parameters"]["ddf_snow"] == {
        "value": pytest.approx(0.004964156),
        "units": "m w.e. K-1 day-1",
    }
    assert (units["melt_f"], units["prcp_fac"], units["temp_bias"]) == ("kg m-2 day-1 K-1", "1", "K")
    assert units["residual"] == units["reference_mb"] == "kg m-2 yr-1"
    numbers = {k for k, v in written.items() if isinstance(v, float)}
    assert numbers <= set(units)


def test_oggms_own_calibration_is_not_touched(aletsch_gdir):
    own = Path(aletsch_gdir.get_filepath("mb_calib"))
    before = own.read_bytes()
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    assert own.read_bytes() == before
    ours = aletsch_gdir.read_json("mb_calib", filesuffix="_glaunti")
    assert set(json.loads(before)) - {"calib_param_val"} <= set(ours) | {"baseline_climate_source"}
    assert ours["melt_f"] == pytest.approx(5.598, abs=1e-3)
    assert ours["reference_mb"] == -1210.7
    assert ours["baseline_climate_source"] == "CUSTOM_daily"


def test_the_calibration_for_oggms_tasks_names_the_same_model(aletsch_gdir):
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    model = GlaUnTIMassBalance(aletsch_gdir, mb_params_filesuffix="_glaunti")
    assert model.model_name == "A"
    assert mean_balance(aletsch_gdir, mb_params_filesuffix="_glaunti") == pytest.approx(-1210.7, abs=1)


def test_several_calibrations_live_side_by_side(aletsch_gdir):
    for name, target in (("", -1210.7), ("_mild", -800.0)):
        calibrate_glaunti(aletsch_gdir, **{**GEODETIC, "ref_mb": target}, **MELT, filesuffix=name)
    assert mean_balance(aletsch_gdir) == pytest.approx(-1210.7, abs=1)
    assert mean_balance(aletsch_gdir, mb_params_filesuffix="_mild") == pytest.approx(-800, abs=1)
    assert mean_balance(aletsch_gdir, settings_filesuffix="_mild") == pytest.approx(-800, abs=1)
    assert aletsch_gdir.read_json("mb_calib", filesuffix="_glaunti_mild")["reference_mb"] == -800


def test_the_table_of_the_calibration_is_ready(aletsch_gdir, monkeypatch):
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)

    def never(*args, **kwargs):
        raise AssertionError("a table was built")

    monkeypatch.setattr("oggm_glaunti.coupling.table.store.build_table", never)
    assert mean_balance(aletsch_gdir) == pytest.approx(-1210.7, abs=1)


def test_arguments_go_before_the_calibration(aletsch_gdir):
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    model = GlaUnTIMassBalance(aletsch_gdir, melt_f=4.0, temp_bias=0.5)
    assert (model.melt_f, model.temp_bias, model.prcp_fac) == (4.0, 0.5, 1.0)


def test_a_suffix_without_a_calibration_is_a_clear_error(aletsch_gdir):
    with pytest.raises(
        InvalidWorkflowError, match=r"neither glaunti_params_x\.json nor mb_calib_x\.json found; run calib"
    ):
        GlaUnTIMassBalanceA(aletsch_gdir, mb_params_filesuffix="_x")


def test_a_damaged_calibration_is_named(aletsch_gdir):
    Path(aletsch_gdir.get_filepath("glaunti_params")).write_text('{"model": "A", "melt_f": ')
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.01450: .*glaunti_params\.json cannot be read .*delete it"):
        GlaUnTIMassBalanceA(aletsch_gdir)


# --- calibrated with one thing, run with another ---


def other_source(gdir):
    with netCDF4.Dataset(gdir.get_filepath("climate_historical", filesuffix="_daily"), "a") as nc:
        nc.climate_source = "ERA5-Land_daily"


def other_lapse_rate(gdir):
    cfg.PARAMS["glaunti_temp_gradient"] = -0.0065


@pytest.mark.slow
@pytest.mark.parametrize(("change", "key"), [(other_source, "climate_source"), (other_lapse_rate, "temp_gradient")])
def test_a_calibration_with_other_inputs_is_refused(aletsch_gdir, change, key):
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    change(aletsch_gdir)
    with pytest.raises(InvalidWorkflowError, match=rf"RGI60-11\.01450: {key} is .* calibrated with .*Calibrate again"):
        GlaUnTIMassBalance(aletsch_gdir)
    assert GlaUnTIMassBalance(aletsch_gdir, check_calib_params=False).melt_f == pytest.approx(5.598, abs=1e-3)
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    assert mean_balance(aletsch_gdir) == pytest.approx(-1210.7, abs=1)


def test_a_calibration_of_another_model_or_other_weights_is_refused(aletsch_gdir, weights_dir):
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    with pytest.raises(InvalidWorkflowError, match=r"model is 'C' here, but the glacier was calibrated with 'A'"):
        GlaUnTIMassBalanceC(aletsch_gdir, weights=weights_dir)
    with pytest.raises(InvalidWorkflowError, match="the weights are not those"):
        GlaUnTIMassBalanceA(aletsch_gdir, weights=weights_dir / "a_finetuned_Grosser Aletsch.eqx")


def test_weights_of_ones_own_are_remembered(aletsch_gdir, weights_dir, monkeypatch, tmp_path):
    shutil.copy(weights_dir / "a_finetuned_Grosser Aletsch.eqx", tmp_path / "mine.eqx")
    monkeypatch.chdir(tmp_path)
    first = calibrate_glaunti(
        aletsch_gdir, **GEODETIC, mb_kwargs={"model": "A", "weights": "mine.eqx"}, order=("melt_f",)
    )
    monkeypatch.chdir("/")
    assert mean_balance(aletsch_gdir) == pytest.approx(-1210.7, abs=1)
    # Calibrating again without naming them is with the same weights, and they are remembered once more.
    again = calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)
    assert again == first
    assert mean_balance(aletsch_gdir) == pytest.approx(-1210.7, abs=1)


def test_calibrations_of_two_models_live_side_by_side(aletsch_gdir, weights_dir):
    """OGGM's tasks can say the class and nothing else."""
    calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT, filesuffix="_A")
    write_params(aletsch_gdir, {"model": "C", "melt_f": 5.2, "prcp_fac": 1.0, "temp_bias": 0.0})
    assert mean_balance(aletsch_gdir, GlaUnTIMassBalanceA) == pytest.approx(-1210.7, abs=1)
    assert GlaUnTIMassBalanceC(aletsch_gdir, weights=weights_dir).melt_f == 5.2


# --- model C ---


@pytest.mark.slow
def test_aletsch_is_calibrated_to_the_geodetic_balance_with_every_corrector(aletsch_gdir, weights_dir, monkeypatch):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    glaunti_features(aletsch_gdir)
    found = {"A": calibrate_glaunti(aletsch_gdir, **GEODETIC, **MELT)}
    for mode in ("yearly", "climatology", "off"):
        found[f"C {mode}"] = calibrate_glaunti(
            aletsch_gdir, **GEODETIC, mb_kwargs={"model": "C", "corrector": mode}, order=("melt_f",)
        )
        got = mean_balance(aletsch_gdir)
        assert got == pytest.approx(GEODETIC["ref_mb"], abs=1)
    for name, params in found.items():
        print(f"Aletsch, {name}: melt_f {params['melt_f']:.4f}, residual {params['residual']:+.5f} kg m-2 yr-1")
        assert 4 < params["melt_f"] < 7
    assert found["C off"]["melt_f"] == found["A"]["melt_f"]
    auto = calibrate_glaunti(aletsch_gdir, **GEODETIC, order=("melt_f",))
    assert (auto["model"], auto["corrector"]) == ("C", "climatology")
    assert auto["melt_f"] == found["C climatology"]["melt_f"]
    with pytest.raises(InvalidWorkflowError, match=r"corrector is 'yearly' here, .* calibrated with 'climatology'"):
        GlaUnTIMassBalance(aletsch_gdir, corrector="yearly")
