"""GlaUnTI as a mass-balance model: numbers, arguments, tunable parameters, years, and what it is made of."""

from __future__ import annotations

import inspect
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oggm import cfg
from oggm.core.massbalance import MassBalanceModel, MonthlyTIModel
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from oggm.utils import date_to_floatyear

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, GlaUnTIMassBalanceD, settings
from oggm_glaunti.coupling.ground.features import glaunti_features
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS, floatyear_of_day
from oggm_glaunti.coupling.table import store as table_store
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.shop import WeightsNotFoundError

CLASSES = [GlaUnTIMassBalance, GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, GlaUnTIMassBalanceD]
HEIGHTS = np.array([2400.0, 2755.5, 3001.0, 3333.3, 3700.0])
YEAR = cfg.SEC_IN_YEAR
MONTH = cfg.SEC_IN_MONTH


def metres(rate, seconds=YEAR):
    """m w.e. from OGGM's m of ice per second."""
    return np.asarray(rate) * seconds * 0.9


def months_of(model, heights, year):
    """Balance of the months, m w.e. (12, N)."""
    return np.stack([month_of(model, heights, date_to_floatyear(year, m)) for m in range(1, 13)])


def month_of(model, heights, year):
    """Balance of a month, m w.e. (N,)."""
    return metres(model.get_monthly_mb(heights, year=year), model.sec_in_month(year))


def table_path(gdir, model="A") -> Path:
    return Path(gdir.get_filepath("glaunti_table", filesuffix=f"_{model}"))


@pytest.fixture
def model(hef_gdir):
    return GlaUnTIMassBalanceA(hef_gdir)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("corrections")


@pytest.fixture
def hef_c(hef_gdir, weights_dir, kept):
    """Hintereisferner with features and, in its table, the corrections of model C, computed once."""
    files = [Path(hef_gdir.get_filepath("glaunti_features")), table_path(hef_gdir, "C")]
    if not any(kept.iterdir()):
        glaunti_features(hef_gdir)
        GlaUnTIMassBalanceC(hef_gdir, weights=weights_dir).get_annual_mb(HEIGHTS, year=2015)
        for path in files:
            shutil.copy(path, kept)
    for path in files:
        shutil.copy(kept / path.name, path)
    return hef_gdir


# --- what OGGM relies on without asking ---


@pytest.mark.parametrize("cls", CLASSES)
def test_it_is_built_as_oggms_own_model(cls):
    ours, oggms = (inspect.signature(a_class.__init__).parameters for a_class in (cls, MonthlyTIModel))
    assert issubclass(cls, MassBalanceModel)
    assert set(oggms) <= set(ours)
    # By position, a suffix of the calibration is one of the settings from OGGM 1.7 on.
    by_position = [name for name, parameter in ours.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    suffixes = {"mb_params_filesuffix", "settings_filesuffix"}
    assert [*by_position[:4], *by_position[5:]] == [name for name in oggms if name not in suffixes][
        : len(by_position) - 1
    ]
    assert "fl" not in ours


def test_it_has_the_attributes_of_oggms_own_model(hef_gdir, model):
    oggms = MonthlyTIModel(hef_gdir)
    missing = {name for name in vars(oggms) if not name.startswith("_")} - set(dir(model))
    # The monthly series: nothing in OGGM reads them but the model itself.
    assert missing - {"days"} == {"temp", "prcp", "grad", "months"}


def test_attributes_have_the_values_of_model_a_and_of_the_record(model):
    assert model.melt_f == pytest.approx(4.96, abs=0.005)
    assert (model.prcp_fac, model.temp_bias, model.bias) == (1, 0, 0)
    assert model.rho == model.ice_density == cfg.PARAMS["ice_density"] == 900
    assert model.use_leap_years is False
    assert list(model.valid_bounds) == [-1e4, 2e4]
    assert (model.hemisphere, model.repeat, model.ref_hgt) == ("nh", False, 2919)
    assert (model.ys, model.ye, model.years.tolist()) == (2014, 2022, [*range(2014, 2023)])
    assert model.temp_default_gradient == -0.006
    assert model.temp_melt == model.t_melt == 0
    # The line through the middle of the sigmoid (0.987 degC) with its slope there meets 1 and 0 at these temperatures.
    assert (model.temp_all_solid, model.temp_all_liq) == pytest.approx((-0.332, 2.306), abs=1e-3)
    assert model.monthly_melt_f == pytest.approx(model.melt_f * 365 / 12)
    assert model.sec_in_year(2016) == YEAR
    march = date_to_floatyear(2016, 3)
    assert model.sec_in_month(march) == (31 * cfg.SEC_IN_DAY if HAS_SETTINGS else MONTH)
    assert [model.is_year_valid(year) for year in (2013.9, 2014.0, 2022.99, 2023.0)] == [False, True, True, False]


def test_it_says_what_it_is(model):
    assert "GlaUnTIMassBalanceA" in repr(model)
    assert "CUSTOM_daily" in repr(model)


@pytest.mark.slow
def test_importing_the_tasks_does_not_import_jax():
    code = "import sys, oggm_glaunti.tasks; sys.exit('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- arguments ---


def test_unknown_arguments_are_refused(hef_gdir):
    with pytest.raises(TypeError, match=r"GlaUnTIMassBalanceA: unknown arguments \['prcp_factor'\]"):
        GlaUnTIMassBalanceA(hef_gdir, prcp_factor=2.0)


@pytest.mark.parametrize("name", ["B", "gru"])
def test_unknown_models_are_refused(hef_gdir, name):
    with pytest.raises(InvalidParamsError, match=rf"RGI60-11\.00897: model: expected A, C or D, found '{name}'"):
        GlaUnTIMassBalance(hef_gdir, model=name)


def test_a_subclass_is_its_model_and_no_other(hef_gdir):
    assert GlaUnTIMassBalanceA(hef_gdir, model="A").model_name == "A"
    assert [cls(hef_gdir, model="a").model_name for cls in (GlaUnTIMassBalance, GlaUnTIMassBalanceA)] == ["A", "A"]
    with pytest.raises(InvalidParamsError, match=r"GlaUnTIMassBalanceA is model A, asked for model='C'"):
        GlaUnTIMassBalanceA(hef_gdir, model="C")


def test_naming_model_a_is_the_same_as_its_subclass(hef_gdir, model):
    named = GlaUnTIMassBalance(hef_gdir, model="A").get_annual_mb(HEIGHTS, year=2018)
    np.testing.assert_array_equal(named, model.get_annual_mb(HEIGHTS, year=2018))


@pytest.mark.parametrize("cls", [GlaUnTIMassBalance, GlaUnTIMassBalanceC, GlaUnTIMassBalanceD])
def test_without_weights_it_never_takes_model_a_in_silence(hef_gdir, monkeypatch, cls):
    monkeypatch.delenv(settings.WEIGHTS_ENV, raising=False)
    with pytest.raises(WeightsNotFoundError, match=r"(?s)Three ways out.*OGGM_GLAUNTI_WEIGHTS.*model='A'"):
        cls(hef_gdir)


def test_an_unknown_corrector_mode_is_refused(hef_gdir):
    with pytest.raises(InvalidParamsError, match=r"corrector: expected one of .*found 'monthly'"):
        GlaUnTIMassBalanceA(hef_gdir, corrector="monthly")


@pytest.mark.parametrize("tunable", ["melt_f", "prcp_fac", "temp_bias"])
def test_tunable_parameters_that_are_no_finite_number_are_refused(hef_gdir, model, tunable):
    before = getattr(model, tunable)
    for value in (np.nan, np.inf, [1.0] * 11, [[1.0] * 12], [1.0] * 11 + [np.nan]):
        with pytest.raises(InvalidParamsError, match=f"{tunable}: expected a finite number or 12 of them"):
            GlaUnTIMassBalanceA(hef_gdir, **{tunable: value})
        with pytest.raises(InvalidParamsError, match=f"{tunable}: expected a finite number or 12 of them"):
            setattr(model, tunable, value)
        assert getattr(model, tunable) == before


@pytest.mark.parametrize("tunable", ["melt_f", "prcp_fac"])
def test_factors_have_to_be_above_zero(hef_gdir, tunable):
    for value in (0, -1.5, [1.0] * 11 + [0.0]):
        with pytest.raises(InvalidParamsError, match=f"{tunable} has to be above zero"):
            GlaUnTIMassBalanceA(hef_gdir, **{tunable: value})


@pytest.mark.parametrize("tunable", ["melt_f", "temp_bias"])  # annual tables of the initial parameters and of trials
def test_heights_that_are_none_are_named_and_not_nan_balances(hef_gdir, tunable):
    model, nan = GlaUnTIMassBalanceA(hef_gdir), np.array([2800.0, np.nan, np.inf])
    setattr(model, tunable, getattr(model, tunable) + 0.1)
    for ask in (model.get_annual_mb, model.get_monthly_mb, model.get_daily_mb, model.get_daily_mb_of_year):
        with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: heights: 2 of 3 are NaN .* first at index 1"):
            ask(nan, year=2018.0)
    with pytest.raises(InvalidParamsError, match="heights: 2 of 3"):
        model.get_annual_climate(nan, year=2018)
    assert GlaUnTIMassBalanceA(hef_gdir).get_annual_mb([], year=2018).size == 0


def test_the_bias_is_one_number(hef_gdir, model):
    for value in (np.nan, [1.0] * 12, None, 2e5):
        with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: bias"):
            GlaUnTIMassBalanceA(hef_gdir, bias=value)
        with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: bias"):
            model.bias = value
    assert model.bias == 0


def test_a_missing_daily_file_is_named_with_the_task_that_makes_it(hef_gdir):
    Path(hef_gdir.get_filepath("climate_historical", filesuffix="_daily")).unlink()
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: .*climate_historical.*process_daily_climate"):
        GlaUnTIMassBalanceA(hef_gdir)


def test_a_tributary_without_climate_of_its_own_is_a_clear_error(hef_gdir):
    with pytest.raises(InvalidWorkflowError, match=r"climate_historical_RGI60-11\.00719_daily\.nc"):
        GlaUnTIMassBalanceA(hef_gdir, input_filesuffix="_RGI60-11.00719")


def test_a_tributary_with_climate_of_its_own_uses_it(hef_gdir, model):
    own = Path(hef_gdir.get_filepath("climate_historical", filesuffix="_daily"))
    shutil.copy(own, hef_gdir.get_filepath("climate_historical", filesuffix="_RGI60-11.00719_daily"))
    tributary = GlaUnTIMassBalanceA(hef_gdir, input_filesuffix="_RGI60-11.00719")
    np.testing.assert_array_equal(tributary.get_annual_mb(HEIGHTS, year=2018), model.get_annual_mb(HEIGHTS, year=2018))


def test_another_climate_file_may_be_named(hef_gdir, model):
    own = Path(hef_gdir.get_filepath("climate_historical", filesuffix="_daily"))
    shutil.copy(own, hef_gdir.get_filepath("gcm_data", filesuffix="_ssp126_daily"))
    other = GlaUnTIMassBalanceA(hef_gdir, filename="gcm_data", input_filesuffix="_ssp126")
    np.testing.assert_array_equal(other.get_annual_mb(HEIGHTS, year=2018), model.get_annual_mb(HEIGHTS, year=2018))


def test_models_c_needs_features_and_says_so(hef_gdir, weights_dir):
    model = GlaUnTIMassBalanceC(hef_gdir, weights=weights_dir)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: .*glaunti_features"):
        model.get_annual_mb(HEIGHTS, year=2018)


# --- numbers ---


def plain_years(climate, height, melt_f=None, prcp_fac=1.0, temp_bias=0.0, skip=None):
    """Balance of the calendar years at one height, m w.e.: model A of Maslov et al. (2026) in a plain loop."""
    ddf = np.exp(-5.305512) if melt_f is None else melt_f / 1000
    ice, scale, centre, steep = 1 + np.exp(-0.6806425), np.exp(0.32365558), 0.9869593, np.exp(0.41627684)
    depth, power = np.exp(-3.4936974), np.exp(1.0856535)
    temp = climate.temp.astype(float) + temp_bias - 0.006 * (height - climate.ref_hgt)
    solid = scale * prcp_fac * climate.prcp.astype(float) / (1 + np.exp(steep * (temp - centre)))
    degrees = np.logaddexp(0, 10 * temp) / 10
    swe, balance = depth, np.zeros(climate.years.size)
    for year, day, snow, pdd in zip(
        climate.time.astype("M8[Y]").astype(int) + 1970, climate.time, solid, degrees, strict=True
    ):
        covered = swe**power / (swe**power + depth**power)
        melt = ddf * pdd * covered
        swe = np.logaddexp(0, 20 * (swe + snow - melt)) / 20
        if day != skip:
            balance[year - climate.ys] += snow - melt - ddf * ice * pdd * (1 - covered)
    return balance


@pytest.mark.parametrize("tunables", [{}, {"melt_f": 7.0, "prcp_fac": 1.4, "temp_bias": -0.7}])
def test_the_balance_is_that_of_a_plain_loop_over_the_days(hef_gdir, tunables):
    model = GlaUnTIMassBalanceA(hef_gdir, **tunables)
    for height in (2500.0, 3200.0):  # both are heights of the table
        got = [float(metres(model.get_annual_mb([height], year=year))[0]) for year in model.years]
        np.testing.assert_allclose(got, plain_years(model.climate, height, **tunables), atol=1e-5)


def test_between_the_tables_heights_the_balance_is_that_of_the_height_itself(model):
    got = [float(metres(model.get_annual_mb([2995.0], year=year))[0]) for year in model.years]
    error = np.abs(got - plain_years(model.climate, 2995.0)).max()
    print(f"half way between two heights of the table: {error:.1e} m w.e. a year")
    assert error < 5e-4


@pytest.mark.slow
def test_the_leap_day_belongs_to_its_year(aletsch_gdir):
    model = GlaUnTIMassBalanceA(aletsch_gdir)
    got = float(metres(model.get_annual_mb([2000.0], year=2000))[0])
    index = 2000 - model.ys
    with_day = plain_years(model.climate, 2000.0)[index]
    without = plain_years(model.climate, 2000.0, skip=np.datetime64("2000-02-29"))[index]
    assert abs(with_day - without) > 1e-4
    assert got == pytest.approx(with_day, abs=1e-5)
    assert model.get_daily_mb_of_year([2000.0], year=2000).shape == (1, 366)
    assert model.get_daily_mb_of_year([2000.0], year=1999).shape == (1, 365)


@pytest.mark.slow
def test_months_add_up_to_the_year(model):
    for year in model.years:
        total = months_of(model, HEIGHTS, year).sum(axis=0)
        np.testing.assert_allclose(total, metres(model.get_annual_mb(HEIGHTS, year=year)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", [0, 250.0])
def test_days_add_up_to_the_months_and_to_the_year(hef_gdir, bias):
    model = GlaUnTIMassBalanceA(hef_gdir, bias=bias)
    for year in (2014, 2016, 2017):
        days = metres(model.get_daily_mb_of_year(HEIGHTS, year=year), cfg.SEC_IN_DAY)
        starts = np.arange(f"{year}-01", f"{year + 1}-01", dtype="M8[M]").astype("M8[D]")
        monthly = np.add.reduceat(days, (starts - starts[0]).astype(int), axis=1).T
        np.testing.assert_allclose(days.sum(axis=1), metres(model.get_annual_mb(HEIGHTS, year=year)), atol=1e-5)
        # OGGM spreads the bias over twelve equal months, we over days.
        np.testing.assert_allclose(monthly, months_of(model, HEIGHTS, year), atol=1e-5 + bias / 1000 / 365 * 3)


def test_the_bias_is_subtracted(hef_gdir, model):
    biased = GlaUnTIMassBalanceA(hef_gdir, bias=300.0)
    year = model.get_annual_mb(HEIGHTS, year=2019) - biased.get_annual_mb(HEIGHTS, year=2019)
    july = date_to_floatyear(2019, 7)
    month = month_of(model, HEIGHTS, july) - month_of(biased, HEIGHTS, july)
    np.testing.assert_allclose(metres(year), 0.3)
    np.testing.assert_allclose(month, 0.3 * model.sec_in_month(july) / YEAR)
    biased.bias = 0
    np.testing.assert_array_equal(biased.get_annual_mb(HEIGHTS, 2019), model.get_annual_mb(HEIGHTS, 2019))


def test_the_climate_of_a_month_is_that_of_its_days(hef_gdir):
    model = GlaUnTIMassBalanceA(hef_gdir, temp_bias=0.5, prcp_fac=1.2)
    c = model.climate
    days = c.time.astype("M8[M]") == np.datetime64("2016-04")
    heights = np.array([2600.0, 3100.0])
    temp, tempformelt, prcp, prcpsol = model.get_monthly_climate(heights, year=date_to_floatyear(2016, 4))
    daily = c.temp[days, None].astype(float) + 0.5 - 0.006 * (heights - c.ref_hgt)
    wet = 1000 * np.exp(0.32365558) * 1.2 * c.prcp[days, None].astype(float)
    np.testing.assert_allclose(temp, daily.mean(axis=0), atol=1e-5)
    degree_days = (np.logaddexp(0, 10 * daily) / 10).sum(axis=0)
    np.testing.assert_allclose(tempformelt, degree_days / (1 if HAS_SETTINGS else 365 / 12), rtol=1e-5)
    np.testing.assert_allclose(prcp, wet.sum() * np.ones(2), rtol=1e-6)
    np.testing.assert_allclose(prcpsol, (wet / (1 + np.exp(1.5163056 * (daily - 0.9869593)))).sum(axis=0), rtol=1e-5)
    assert (prcpsol > 0).all()
    assert (prcpsol < prcp).all()


def test_the_climate_of_a_year_is_that_of_its_months(model):
    months = [model.get_monthly_climate(HEIGHTS, year=date_to_floatyear(2017, m)) for m in range(1, 13)]
    temp, *sums = (np.stack(values) for values in zip(*months, strict=True))
    year = model.get_annual_climate(HEIGHTS, year=2017)
    np.testing.assert_allclose(year[0], temp.mean(axis=0), atol=1e-12)
    for got, values in zip(year[1:], sums, strict=True):
        np.testing.assert_allclose(got, values.sum(axis=0), rtol=1e-12)


def test_balance_and_climate_come_together_on_request(model):
    for get, climate, year in (
        (model.get_annual_mb, model.get_annual_climate, 2018),
        (model.get_monthly_mb, model.get_monthly_climate, date_to_floatyear(2018, 7)),
    ):
        together = get(HEIGHTS, year=year, add_climate=True)
        assert len(together) == 5
        np.testing.assert_array_equal(together[0], get(HEIGHTS, year=year))
        for ours, alone in zip(together[1:], climate(HEIGHTS, year=year), strict=True):
            np.testing.assert_array_equal(ours, alone)


def test_snowfall_minus_balance_is_melt_and_never_below_zero(model):
    for month in range(1, 13):
        mb, _, _, prcp, prcpsol = model.get_monthly_mb(HEIGHTS, date_to_floatyear(2018, month), add_climate=True)
        seconds = model.sec_in_month(date_to_floatyear(2018, month))
        assert (prcpsol - 1000 * metres(mb, seconds) >= -0.01).all()  # kg m-2; the sums are rounded to float32
        assert (prcp >= prcpsol).all()


def test_just_beyond_the_table_the_balance_goes_on_with_its_end_slopes(model):
    table = model.table_inputs.heights
    for end, inside, beyond in ((*table[:2], table[0] - 5.0), (*table[:-3:-1], table[-1] + 5.0)):
        years = [metres(model.get_annual_mb([end, inside, beyond], year=year)) for year in model.years]
        at_end, before, after = np.transpose(years)
        # Those of the record's mean, since snow, rain and melt change in all years alike.
        np.testing.assert_allclose((after - at_end).mean(), (at_end - before).mean() / 2, rtol=1e-6)
        np.testing.assert_allclose(after, at_end + (at_end - before) / 2, atol=0.01)


@pytest.mark.slow
def test_beyond_the_table_no_more_is_gained_than_snow_falls_nor_more_snow_than_precipitation(model):
    table = model.table_inputs.heights
    heights = np.array([-1e4, table[0] - 500.0, table[-1] + 3.0, table[-1] + 200.0, 5000.0, 8000.0, 2e4])
    rounding = 1e-5  # kg m-2; the sums of the table are those of float32 numbers
    for year in (2014, 2018):
        mb, _, _, prcp, snow = model.get_annual_mb(heights, year=year, add_climate=True)
        assert (1000 * metres(mb) <= snow + rounding).all()
        assert (snow <= prcp + 1e-9).all()
        np.testing.assert_allclose(months_of(model, heights, year).sum(axis=0), metres(mb), rtol=1e-14, atol=1e-12)
        for month in range(1, 13):
            begin = date_to_floatyear(year, month)
            mb, _, _, prcp, snow = model.get_monthly_mb(heights, begin, add_climate=True)
            assert (1000 * metres(mb, model.sec_in_month(begin)) <= snow + rounding).all()
            assert (snow <= prcp).all()
        days = metres(model.get_daily_mb_of_year(heights, year=year), cfg.SEC_IN_DAY)
        assert (days <= 1e-12 + prcp_of_days(model, year)).all()
        np.testing.assert_allclose(days.sum(axis=1), metres(model.get_annual_mb(heights, year=year)), rtol=1e-5)


def prcp_of_days(model, year):
    """Precipitation with the model's own factor, m w.e."""
    days = model.climate.time.astype("M8[Y]") == np.datetime64(f"{year}", "Y")
    return np.exp(0.32365558) * model.climate.prcp[days].astype(float)


@pytest.mark.slow
def test_above_the_table_the_balance_is_close_to_that_of_days_run_there(aletsch_gdir):
    model = GlaUnTIMassBalanceA(aletsch_gdir)
    heights = np.array([4700.0, 5000.0, 8000.0])
    assert model.table_inputs.heights[-1] < heights[0]
    higher = build_table(replace(model.table_inputs, heights=heights), model.tunable_params())
    index = int(np.flatnonzero(higher.years == 2015)[0])
    # 2596.1, 2638.0 and 2639.9 kg m-2; the table's last slope alone gives 2606.7, 2671.4 and 3150.
    run = higher.smb[index].sum(axis=0)
    np.testing.assert_allclose(1000 * run, [2596.12, 2637.97, 2639.89], atol=0.05)
    np.testing.assert_allclose(metres(model.get_annual_mb(heights, year=2015)), run, atol=0.011)


def test_far_beyond_the_table_climate_stays_possible(model):
    for heights in ([-1e4], [2e4]):
        for year in (2015, 2018):
            _, tempformelt, prcp, prcpsol = model.get_annual_climate(heights, year=year)
            assert 0 <= prcpsol[0] <= prcp[0] + 1e-9
            assert tempformelt[0] >= 0


def test_the_ela_is_where_the_balance_is_zero(model):
    elas = model.get_ela(model.years)
    at_ela = [
        float(metres(model.get_annual_mb([ela], year=year))[0]) for ela, year in zip(elas, model.years, strict=True)
    ]
    np.testing.assert_allclose(at_ela, 0, atol=2e-3)
    assert (elas > 3000).all()
    assert (elas < 4000).all()


def test_the_table_reaches_below_the_bed_and_above_the_summit(hef_gdir, model):
    (fl,) = hef_gdir.read_pickle("model_flowlines")
    glacier = fl.thick > 0
    assert model.table_inputs.heights[0] <= fl.bed_h.min()
    assert model.table_inputs.heights[-1] >= fl.surface_h[glacier].max()


# --- heights and years as OGGM gives them ---


def test_heights_may_be_a_list_an_array_or_one_number(model):
    as_array = model.get_annual_mb(HEIGHTS, year=2015)
    np.testing.assert_array_equal(model.get_annual_mb(HEIGHTS.tolist(), year=2015), as_array)
    assert model.get_annual_mb(HEIGHTS[1], year=2015) == as_array[1]
    for ours, of_array in zip(
        model.get_monthly_climate(HEIGHTS.tolist(), 2015.2), model.get_monthly_climate(HEIGHTS, 2015.2), strict=True
    ):
        np.testing.assert_array_equal(ours, of_array)


def test_what_is_returned_may_be_changed_in_place(model):
    heights = HEIGHTS.copy()
    first = [model.get_annual_mb(heights, year=2015), *model.get_monthly_mb(heights, year=2015.5, add_climate=True)]
    kept = [values.copy() for values in first]
    for values in first:
        values *= 0
    again = [model.get_annual_mb(heights, year=2015), *model.get_monthly_mb(heights, year=2015.5, add_climate=True)]
    for ours, expected in zip(again, kept, strict=True):
        np.testing.assert_array_equal(ours, expected)
    np.testing.assert_array_equal(heights, HEIGHTS)


def test_a_year_with_a_fraction_is_its_year_or_its_month(model):
    np.testing.assert_array_equal(model.get_annual_mb(HEIGHTS, year=2015.5), model.get_annual_mb(HEIGHTS, year=2015))
    july = months_of(model, HEIGHTS, 2015)[6]
    np.testing.assert_array_equal(month_of(model, HEIGHTS, 2015.51), july)


@pytest.mark.parametrize("year", [2013, 2013.99, 2023, 1800])
def test_years_outside_the_record_are_refused(model, year):
    with pytest.raises(ValueError, match=r"out of the valid time bounds: \[2014, 2022\]"):
        model.get_annual_mb(HEIGHTS, year=year)
    with pytest.raises(ValueError, match=r"out of the valid time bounds: \[2014, 2022\]"):
        model.get_monthly_climate(HEIGHTS, year=year)
    assert not model.is_year_valid(int(year))


def test_some_years_of_the_record_may_be_taken(hef_gdir, model):
    part = GlaUnTIMassBalanceA(hef_gdir, ys=2016, ye=2018)
    assert part.years.tolist() == [2016, 2017, 2018]
    np.testing.assert_array_equal(part.get_annual_mb(HEIGHTS, 2017), model.get_annual_mb(HEIGHTS, 2017))
    with pytest.raises(ValueError, match=r"out of the valid time bounds: \[2016, 2018\]"):
        part.get_annual_mb(HEIGHTS, 2015)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: no years between ys=2030 and ye="):
        GlaUnTIMassBalanceA(hef_gdir, ys=2030)


def test_repeated_years_go_round_for_ever(hef_gdir, model):
    again = GlaUnTIMassBalanceA(hef_gdir, ys=2016, ye=2018, repeat=True)
    for year, of in ((2016, 2016), (2019, 2016), (2024, 2018), (2015, 2018), (1900, 2017)):
        np.testing.assert_array_equal(again.get_annual_mb(HEIGHTS, year), model.get_annual_mb(HEIGHTS, of))
        month = date_to_floatyear(year, 8), date_to_floatyear(of, 8)
        np.testing.assert_array_equal(again.get_monthly_mb(HEIGHTS, month[0]), model.get_monthly_mb(HEIGHTS, month[1]))


# --- tunable parameters ---


def snapshot(model):
    """Everything that a tunable parameter may change."""
    return [
        model.get_annual_mb(HEIGHTS, year=2016),
        *model.get_monthly_mb(HEIGHTS, year=2019.5, add_climate=True),
        *model.get_annual_climate(HEIGHTS, year=2021),
        model.get_daily_mb_of_year(HEIGHTS, year=2015),
    ]


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tunable", "value"),
    [
        ("melt_f", 6.5),
        ("prcp_fac", 1.3),
        ("temp_bias", -0.4),
        ("melt_f", np.linspace(4, 6, 12)),
        ("prcp_fac", np.linspace(0.8, 1.2, 12)),
        ("temp_bias", np.linspace(-1, 1, 12)),
    ],
)
def test_a_tunable_parameter_acts_at_once_and_turned_back_gives_the_same_numbers(hef_gdir, model, tunable, value):
    before = snapshot(model)
    published = getattr(model, tunable)
    setattr(model, tunable, value)
    turned = snapshot(model)
    assert not np.array_equal(turned[0], before[0])
    assert same(turned, snapshot(GlaUnTIMassBalanceA(hef_gdir, **{tunable: value})))
    setattr(model, tunable, published)
    assert same(snapshot(model), before)


@pytest.mark.parametrize(("tunable", "value"), [("melt_f", 6.5), ("prcp_fac", 1.3), ("temp_bias", -0.4)])
def test_twelve_equal_values_are_one_value(hef_gdir, tunable, value):
    one = GlaUnTIMassBalanceA(hef_gdir, **{tunable: value})
    twelve = GlaUnTIMassBalanceA(hef_gdir, **{tunable: [value] * 12})
    assert same(snapshot(one), snapshot(twelve))


@pytest.mark.parametrize(("tunable", "value"), [("melt_f", 9.0), ("prcp_fac", 2.0), ("temp_bias", 3.0)])
def test_a_tunable_parameter_of_one_month_leaves_the_months_before_alone(model, tunable, value):
    before = months_of(model, HEIGHTS, 2014)
    twelve = np.full(12, getattr(model, tunable))
    twelve[6] = value
    setattr(model, tunable, twelve)
    after = months_of(model, HEIGHTS, 2014)
    np.testing.assert_array_equal(after[:6], before[:6])
    assert (after[6] != before[6]).all()


def test_twelve_values_of_one_tunable_parameter_are_not_those_of_another(model):
    """Their bytes in a row are equal, so a careless digest takes the one table for the other."""
    model.melt_f, model.prcp_fac, model.temp_bias = [5.0] + [1.0] * 11, 1.0, 0.0
    by_melt_f = model.get_annual_mb(HEIGHTS, year=2016)
    model.melt_f, model.prcp_fac, model.temp_bias = 5.0, [1.0] * 12, 0.0
    assert (model.get_annual_mb(HEIGHTS, year=2016) < by_melt_f).all()


def test_tunable_parameters_turn_the_balance_the_right_way(model):
    def with_tunables(**tunables):
        for name, value in {"melt_f": 5.0, "prcp_fac": 1.0, "temp_bias": 0.0, **tunables}.items():
            setattr(model, name, value)
        return model.get_annual_mb(HEIGHTS, year=2018)

    assert (with_tunables(melt_f=5.5) < with_tunables()).all()
    assert (with_tunables(temp_bias=0.5) < with_tunables()).all()
    assert (with_tunables(prcp_fac=1.1) > with_tunables()).all()


def test_a_temperature_bias_of_model_a_is_a_shift_in_height(model):
    expected = [model.get_annual_mb(HEIGHTS - 100.0, year=year) for year in model.years]
    model.temp_bias = 0.6  # K, that is 100 m at 0.006 K/m
    got = [model.get_annual_mb(HEIGHTS, year=year) for year in model.years]
    np.testing.assert_allclose(metres(got), metres(expected), atol=2e-5)


def test_many_tunable_parameter_settings_do_not_pile_up_in_memory(model):
    for bias in np.linspace(-1, 1, 12):
        model.temp_bias = bias
        model.get_annual_mb(HEIGHTS, year=2018)
    assert len(model.store._in_memory) <= table_store.TABLES_KEPT


def test_results_do_not_depend_on_the_order_of_calls(hef_gdir):
    def calls(model):
        return {
            "year": lambda: model.get_annual_mb(HEIGHTS, year=2020),
            "day": lambda: model.get_daily_mb_of_year(HEIGHTS, year=2015),
            "month": lambda: model.get_monthly_mb(HEIGHTS, year=2017.5),
            "ela": lambda: model.get_ela(2019),
            "climate": lambda: np.stack(model.get_annual_climate(HEIGHTS, year=2014)),
            "tunable": lambda: (setattr(model, "temp_bias", 1.0), model.get_annual_mb(HEIGHTS, year=2016))[1],
            "back": lambda: (setattr(model, "temp_bias", 0.0), model.get_annual_mb(HEIGHTS, year=2016))[1],
        }

    one, two = calls(GlaUnTIMassBalanceA(hef_gdir)), calls(GlaUnTIMassBalanceA(hef_gdir))
    forward = {name: call() for name, call in one.items()}
    two["back"]()
    backward = {name: two[name]() for name in ("climate", "ela", "month", "day", "year", "tunable", "back")}
    for name, values in forward.items():
        np.testing.assert_array_equal(backward[name], values, err_msg=name)


def test_two_models_side_by_side_do_not_disturb_each_other(hef_gdir):
    alone = [snapshot(GlaUnTIMassBalanceA(hef_gdir, melt_f=f)) for f in (4.0, 7.0)]
    one, two = (GlaUnTIMassBalanceA(hef_gdir, melt_f=f) for f in (4.0, 7.0))
    assert same(snapshot(one), alone[0])
    assert same(snapshot(two), alone[1])
    two.temp_bias = 2.0
    assert same(snapshot(one), alone[0])
    two.temp_bias = 0.0
    assert same(snapshot(two), alone[1])


def test_tunable_parameters_given_as_an_array_are_not_shared(hef_gdir):
    given = np.linspace(-1, 1, 12)
    one, two = (GlaUnTIMassBalanceA(hef_gdir, temp_bias=given) for _ in range(2))
    before = snapshot(two)
    one.temp_bias += 1.0  # as in run_from_climate_data
    assert same(snapshot(two), before)
    assert not same(snapshot(one), before)
    np.testing.assert_array_equal(given, np.linspace(-1, 1, 12))


def test_a_tunable_parameter_is_turned_by_setting_it_and_in_no_other_way(hef_gdir):
    model = GlaUnTIMassBalanceA(hef_gdir, melt_f=[5.0] * 12, prcp_fac=[1.0] * 12, temp_bias=[0.0] * 12)
    before = snapshot(model)
    for tunable in ("melt_f", "prcp_fac", "temp_bias"):
        getattr(model, tunable)[6] = 3.0
    model.prcp_fac = 1.0
    assert same(snapshot(model), before)


# --- the table in the directory ---


def test_a_second_model_reads_the_table_and_builds_none(hef_gdir, model, monkeypatch):
    expected = snapshot(model)

    def never(*args, **kwargs):
        raise AssertionError("a table was built")

    monkeypatch.setattr(table_store, "build_table", never)
    assert same(snapshot(GlaUnTIMassBalanceA(hef_gdir)), expected)


def test_tunable_parameters_turned_later_do_not_touch_the_table_in_the_directory(hef_gdir, model):
    model.get_annual_mb(HEIGHTS, year=2018)
    path = table_path(hef_gdir)
    before = path.read_bytes()
    model.melt_f = 9.0
    model.get_annual_mb(HEIGHTS, year=2018)
    assert path.read_bytes() == before


def test_another_lapse_rate_is_another_table(hef_gdir, model):
    expected = model.get_annual_mb(HEIGHTS, year=2018)
    cfg.PARAMS["glaunti_temp_gradient"] = -0.0065
    steeper = GlaUnTIMassBalanceA(hef_gdir)
    assert steeper.temp_default_gradient == -0.0065
    got = steeper.get_annual_mb(HEIGHTS, year=2018)
    assert got[0] < expected[0]  # below the station it is warmer
    assert got[-1] > expected[-1]


def test_a_model_that_was_pickled_gives_the_same_numbers(model):
    model.temp_bias = 0.3
    expected = snapshot(model)
    data = pickle.dumps(model)
    assert len(data) < 1_000_000
    copy = pickle.loads(data)
    assert same(snapshot(copy), expected)
    copy.temp_bias = 0.0
    assert same(snapshot(model), expected)


def test_a_fresh_model_can_be_pickled_too(hef_gdir, model):
    assert same(snapshot(pickle.loads(pickle.dumps(GlaUnTIMassBalanceA(hef_gdir)))), snapshot(model))


# --- the corrector ---


@pytest.mark.slow
def test_c_without_its_corrector_is_a(hef_c, model, weights_dir):
    off = GlaUnTIMassBalanceC(hef_c, weights=weights_dir, corrector="off")
    assert same(snapshot(off), snapshot(model))


@pytest.mark.slow
def test_auto_is_climatology_on_weather_the_corrector_was_not_trained_on(hef_c, weights_dir):
    auto, clim = (GlaUnTIMassBalanceC(hef_c, weights=weights_dir, corrector=mode) for mode in ("auto", "climatology"))
    assert auto.corrector == "climatology"
    assert same(snapshot(auto), snapshot(clim))


@pytest.mark.slow
def test_the_modes_of_the_corrector_differ_by_decimetres(hef_c, weights_dir):
    (fl,) = hef_c.read_pickle("inversion_flowlines")
    means = {}
    for mode in ("off", "yearly", "climatology"):
        model = GlaUnTIMassBalanceC(hef_c, weights=weights_dir, corrector=mode)
        means[mode] = float(np.mean(model.get_specific_mb(fls=[fl], year=model.years)))
    print("Hintereisferner 2014-2022, mm w.e. a year:", {mode: round(value) for mode, value in means.items()})
    assert 50 < means["climatology"] - means["off"] < 500
    assert 1 < abs(means["yearly"] - means["climatology"]) < 100


def test_c_has_the_claims_of_a(hef_c, weights_dir):
    model = GlaUnTIMassBalanceC(hef_c, weights=weights_dir, corrector="yearly")
    for year in (2014, 2016, 2022):
        annual = metres(model.get_annual_mb(HEIGHTS, year=year))
        np.testing.assert_allclose(months_of(model, HEIGHTS, year).sum(axis=0), annual, rtol=0, atol=1e-12)
        days = metres(model.get_daily_mb_of_year(HEIGHTS, year=year), cfg.SEC_IN_DAY)
        np.testing.assert_allclose(days.sum(axis=1), annual, atol=1e-5)
    before = snapshot(model)
    model.prcp_fac = 1.5
    assert not same(snapshot(model), before)
    model.prcp_fac = 1.0
    assert same(snapshot(model), before)
    assert same(snapshot(pickle.loads(pickle.dumps(model))), before)


def test_the_corrections_know_nothing_of_the_tunable_parameters(hef_c, weights_dir):
    table_path(hef_c, "C").unlink()
    turned = GlaUnTIMassBalanceC(hef_c, weights=weights_dir, temp_bias=2.0, melt_f=8.0)
    with_tunables = snapshot(turned)
    fresh = GlaUnTIMassBalanceC(hef_c, weights=weights_dir)
    snapshot(fresh)
    np.testing.assert_array_equal(turned.table_inputs.corrections.ds, fresh.table_inputs.corrections.ds)
    fresh.temp_bias, fresh.melt_f = 2.0, 8.0
    assert same(snapshot(fresh), with_tunables)


def test_a_and_c_side_by_side_do_not_disturb_each_other(hef_c, weights_dir):
    alone_a = snapshot(GlaUnTIMassBalanceA(hef_c))
    alone_c = snapshot(GlaUnTIMassBalanceC(hef_c, weights=weights_dir))
    a, c = GlaUnTIMassBalanceA(hef_c), GlaUnTIMassBalanceC(hef_c, weights=weights_dir)
    assert same(snapshot(a), alone_a)
    assert same(snapshot(c), alone_c)
    assert same(snapshot(a), alone_a)
    assert not same(alone_a, alone_c)


def test_weights_are_found_through_the_environment(hef_c, weights_dir, monkeypatch):
    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    by_name = GlaUnTIMassBalance(hef_c)
    assert by_name.model_name == "C"
    given = GlaUnTIMassBalanceC(hef_c, weights=weights_dir / "c.eqx")
    assert same(snapshot(by_name), snapshot(given))


@pytest.mark.slow
def test_d_without_facies_runs_and_is_not_c(hef_c, weights_dir):
    c, d = (cls(hef_c, weights=weights_dir) for cls in (GlaUnTIMassBalanceC, GlaUnTIMassBalanceD))
    assert d.model_name == "D"
    on_glacier = HEIGHTS[1:]
    difference = metres(d.get_annual_mb(on_glacier, year=2018) - c.get_annual_mb(on_glacier, year=2018))
    assert 0.01 < np.abs(difference).max() < 1.0


def test_finetuned_weights_of_model_a_may_be_given(hef_gdir, weights_dir, model):
    tuned = GlaUnTIMassBalanceA(hef_gdir, weights=weights_dir / "a_finetuned_Grosser Aletsch.eqx")
    assert tuned.melt_f != model.melt_f
    assert tuned.weights_sha256 != model.weights_sha256
    assert not np.array_equal(tuned.get_annual_mb(HEIGHTS, 2018), model.get_annual_mb(HEIGHTS, 2018))


# --- a day, as OGGM asks for it ---


def test_a_day_is_that_of_the_days_of_its_year(model):
    year = model.get_daily_mb_of_year(HEIGHTS, 2016)
    for day in (1, 60, 213, 366):
        when = floatyear_of_day(2016, day)
        np.testing.assert_array_equal(model.get_daily_mb(HEIGHTS, year=when), year[:, day - 1])
        mb, temp, tempformelt, prcp, prcpsol = model.get_daily_mb(HEIGHTS, year=when, add_climate=True)
        date = np.datetime64("2016-01-01") + day - 1
        c = model.climate
        at = int((date - c.time[0]).astype(int))
        np.testing.assert_allclose(temp, c.temp[at] - 0.006 * (HEIGHTS - c.ref_hgt), atol=1e-5)
        np.testing.assert_allclose(prcp, 1000 * np.exp(0.32365558) * c.prcp[at], rtol=1e-6)
        np.testing.assert_allclose(tempformelt, np.logaddexp(0, 10 * temp) / 10, atol=2e-3)
        assert (prcpsol <= prcp).all()
        assert (1000 * metres(mb, 86400) <= prcpsol + 1e-9).all()


def test_days_on_flowlines_are_one_for_each_height(hef_gdir):
    from oggm.core.massbalance import MultipleFlowlineMassBalance

    many = MultipleFlowlineMassBalance(hef_gdir, mb_model_class=GlaUnTIMassBalanceA)
    if not hasattr(many, "get_daily_mb_on_flowlines"):
        pytest.skip("this version of OGGM has no daily balances on flowlines")
    heights, _, mb = many.get_daily_mb_on_flowlines(year=2016.5)
    assert mb.shape == heights.shape
