"""``run_with_daily_hydro`` on Grosser Aletsch."""

from __future__ import annotations

import os

import numpy as np
import pytest
from oggm import cfg, tasks, utils
from oggm.core.massbalance import MultipleFlowlineMassBalance
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.coupling.hydro.file import read_daily_hydro
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS
from oggm_glaunti.tasks import run_with_daily_hydro
from tests.coupling.hydro.test_run import require_closed

PERIOD = {"ys": 2003, "ye": 2006}


def split_model(gdir, mb_model_class=GlaUnTIMassBalanceA, **kwargs):
    given = {"variant": "mass_conserving"} if mb_model_class is GlaUnTIMassBalanceA else {}
    return MultipleFlowlineMassBalance(gdir, mb_model_class=mb_model_class, **given, **kwargs)


class SplitA(GlaUnTIMassBalanceA):
    """Model A with the day that conserves mass, for tasks that take a class."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, "variant": "mass_conserving"})


def test_a_run_agrees_with_oggms_own_hydrology(aletsch_gdir):
    gdir = aletsch_gdir
    run_with_daily_hydro(gdir, mb_model=split_model(gdir), routing=5.0, output_filesuffix="_days", **PERIOD)
    water = read_daily_hydro(gdir, "_days")
    require_closed(water.assign_coords(time=water.time))
    tasks.run_with_hydro(
        gdir, run_task=tasks.run_from_climate_data, mb_model=split_model(gdir), output_filesuffix="_years", **PERIOD
    )
    import xarray as xr

    with xr.open_dataset(gdir.get_filepath("model_diagnostics", filesuffix="_years")) as theirs:
        for name in ("liq_prcp_on_glacier", "snowfall_on_glacier", "liq_prcp_off_glacier", "snowfall_off_glacier"):
            ours = water[name].groupby("time.year").sum().values
            np.testing.assert_allclose(ours, theirs[name].values[:-1], rtol=1e-4, err_msg=name)
        melt = water.melt_on_glacier.groupby("time.year").sum() - water.residual_mb
        np.testing.assert_allclose(melt, theirs.melt_on_glacier.values[:-1], rtol=1e-4)
        np.testing.assert_allclose(water.on_area, theirs.on_area.values[:-1])
    runoff = sum(water[f"{part}_{where}_glacier"].sum() for part in ("liq_prcp", "melt") for where in ("on", "off"))
    assert float(water.discharge.sum()) * 86.4e6 == pytest.approx(float(runoff), rel=0.02)


def test_the_published_day_gives_no_parts_and_says_why(aletsch_gdir, caplog):
    run_with_daily_hydro(
        aletsch_gdir, mb_model=MultipleFlowlineMassBalance(aletsch_gdir, mb_model_class=GlaUnTIMassBalanceA), **PERIOD
    )
    water = read_daily_hydro(aletsch_gdir)
    assert {"melt_on_glacier", "liq_prcp_off_glacier", "residual_mb"} <= set(water)
    assert not {"snow_bucket", "snow_melt_on_glacier", "melt_off_glacier", "swe_on_glacier", "snowline"} & set(water)
    assert "does not conserve mass" in water.attrs["without_snow_and_ice"]
    with pytest.raises(InvalidParamsError, match=r"routing.*mass_conserving"):
        run_with_daily_hydro(aletsch_gdir, routing=5.0, mb_model_class=GlaUnTIMassBalanceA, **PERIOD)


def test_days_of_year_go_through_compile_run_output(aletsch_gdir):
    run_with_daily_hydro(aletsch_gdir, mb_model=split_model(aletsch_gdir), layout="day_2d", **PERIOD)
    water = read_daily_hydro(aletsch_gdir)
    compiled = utils.compile_run_output([aletsch_gdir], path=False)
    melt = compiled.melt_on_glacier_daily.isel(rgi_id=0)
    assert melt.shape == (4, 366)
    assert np.isnan(melt[0, 365])
    assert melt[1, 365] == water.melt_on_glacier.sel(time="2004-12-31")
    np.testing.assert_allclose(melt[:3].sum("day_2d"), water.melt_on_glacier.groupby("time.year").sum())
    bucket = compiled.snow_bucket_daily.isel(rgi_id=0).values
    # The state before a day's water: the end of the day before.
    np.testing.assert_allclose(bucket[1, 1:], water.snow_bucket.sel(time=slice("2004-01-01", "2004-12-30")))


@pytest.mark.parametrize(
    ("task", "how"),
    [
        (tasks.run_random_climate, {"y0": 2005, "halfsize": 3, "nyears": 3, "seed": 2}),
        (tasks.run_constant_climate, {"y0": 2005, "halfsize": 1, "nyears": 2}),
    ],
)
def test_climates_without_dates(aletsch_gdir, task, how):
    run_with_daily_hydro(aletsch_gdir, run_task=task, mb_model_class=SplitA, **how)
    water = read_daily_hydro(aletsch_gdir)
    require_closed(water)
    residual = np.abs(water.residual_mb / water.on_area)
    assert float(residual.max()) < 20.0
    assert water.time.values[0].year == 0


def test_fixed_geometry_before_the_dynamics(aletsch_gdir):
    run_with_daily_hydro(aletsch_gdir, mb_model_class=SplitA, fixed_geometry_spinup_yr=2001, **PERIOD)
    water = read_daily_hydro(aletsch_gdir)
    assert water.year.values.tolist() == [2001, 2002, 2003, 2004, 2005]
    assert (water.residual_mb.values[:2] == 0).all()
    assert (water.on_area[:3] == water.on_area[0]).all()


def test_a_run_that_goes_on_from_another_is_the_whole(aletsch_gdir):
    how = {"mb_model_class": SplitA}
    run_with_daily_hydro(aletsch_gdir, ys=2003, ye=2006, output_filesuffix="_whole", **how)
    run_with_daily_hydro(aletsch_gdir, ys=2003, ye=2005, output_filesuffix="_first", **how)
    run_with_daily_hydro(
        aletsch_gdir, ys=2005, ye=2006, init_model_filesuffix="_first", output_filesuffix="_rest", **how
    )
    whole, rest = read_daily_hydro(aletsch_gdir, "_whole"), read_daily_hydro(aletsch_gdir, "_rest")
    for name in ("melt_on_glacier", "liq_prcp_on_glacier", "swe_on_glacier"):
        np.testing.assert_allclose(rest[name], whole[name].sel(time="2005"), rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"layout": "days"}, "layout: expected one of"),
        ({"store_monthly_step": True}, "store_monthly_step"),
        ({"mb_elev_feedback": "monthly"}, "mb_elev_feedback"),
        ({"layout": "day_2d", "units": np.ones((2, 2))}, "holds no units"),
        ({"ref_geometry_filesuffix": "_x"}, "say which of its years"),
        ({"ref_area_yr": 1700}, "ref_area_yr=1700.*holds 2003 to 2006"),
        ({"routing": {"ice": 2.0}}, "routing: expected residence times"),
    ],
)
def test_arguments_that_do_not_go_together(aletsch_gdir, kwargs, words):
    with pytest.raises(InvalidParamsError, match=words):
        run_with_daily_hydro(aletsch_gdir, mb_model_class=SplitA, **PERIOD, **kwargs)
    assert not aletsch_gdir.has_file("glaunti_hydro_daily")


def test_another_mass_balance_model_is_refused_by_name(aletsch_gdir):
    from oggm.core.massbalance import LinearMassBalance

    with pytest.raises(InvalidWorkflowError, match="LinearMassBalance; expected GlaUnTIMassBalance"):
        run_with_daily_hydro(aletsch_gdir, mb_model=LinearMassBalance(2900.0), **PERIOD)


def test_a_run_interrupted_in_the_middle_leaves_the_old_file_and_is_made_again(aletsch_gdir, monkeypatch):
    from oggm_glaunti.coupling.hydro.file import HydroFile

    how = {"mb_model_class": SplitA, **PERIOD}
    run_with_daily_hydro(aletsch_gdir, **how)
    before, files = read_daily_hydro(aletsch_gdir), sorted(os.listdir(aletsch_gdir.dir))
    add = HydroFile.add

    def stops(self, year, *args, **kwargs):
        if year == 1:
            raise KeyboardInterrupt
        add(self, year, *args, **kwargs)

    monkeypatch.setattr(HydroFile, "add", stops)
    with pytest.raises(KeyboardInterrupt):
        run_with_daily_hydro(aletsch_gdir, **how)
    monkeypatch.undo()
    assert sorted(os.listdir(aletsch_gdir.dir)) == files
    assert read_daily_hydro(aletsch_gdir).identical(before)
    run_with_daily_hydro(aletsch_gdir, **how)
    assert read_daily_hydro(aletsch_gdir).identical(before)


def test_a_projection_of_another_file_closes_too(aletsch_gdir):
    import shutil

    source = aletsch_gdir.get_filepath("climate_historical", filesuffix="_daily")
    shutil.copyfile(source, aletsch_gdir.get_filepath("gcm_data", filesuffix="_warm_daily"))
    how = {"climate_filename": "gcm_data", "climate_input_filesuffix": "_warm", "output_filesuffix": "_warm"}
    run_with_daily_hydro(aletsch_gdir, mb_model_class=SplitA, **how, **PERIOD)
    require_closed(read_daily_hydro(aletsch_gdir, "_warm"))


def test_a_period_that_repeats_has_whole_years_of_dates(aletsch_gdir):
    mb_model = split_model(aletsch_gdir, ys=2003, ye=2005, repeat=True)
    run_with_daily_hydro(aletsch_gdir, mb_model=mb_model, ys=2019, ye=2025)
    water = read_daily_hydro(aletsch_gdir)
    require_closed(water)
    assert water.sizes["time"] == 6 * 365 + 2
    rain = water.liq_prcp_on_glacier
    # 2021 has the weather of 2003, as 2024 has, which is a leap year.
    one, two = rain.sel(time="2021"), rain.sel(time="2024")
    assert float(two.sel(time="2024-02-29")) == 0.0
    assert float(np.corrcoef(one, np.delete(two.values, 59))[0, 1]) > 0.999


def test_without_flowlines(aletsch_gdir):
    os.unlink(aletsch_gdir.get_filepath("model_flowlines"))
    with pytest.raises(InvalidWorkflowError, match=r"no model_flowlines; run oggm.tasks.init_present_time_glacier"):
        run_with_daily_hydro(aletsch_gdir, mb_model_class=SplitA, **PERIOD)


def test_without_daily_climate_or_geometry(aletsch_gdir):
    cfg.PARAMS["store_model_geometry"] = False
    with pytest.raises(InvalidParamsError, match="store_model_geometry"):
        run_with_daily_hydro(aletsch_gdir, mb_model_class=SplitA, **PERIOD)
    cfg.PARAMS["store_model_geometry"] = True
    os.unlink(aletsch_gdir.get_filepath("climate_historical", filesuffix="_daily"))
    with pytest.raises(InvalidWorkflowError, match="process_daily_climate"):
        run_with_daily_hydro(aletsch_gdir, mb_model_class=SplitA, **PERIOD)


@pytest.mark.skipif(not HAS_SETTINGS, reason="this version of OGGM does not ask for melt by surface")
def test_oggms_hydrology_reads_melt_by_surface(aletsch_gdir):
    import xarray as xr

    how = {"run_task": tasks.run_from_climate_data, "mb_model": split_model(aletsch_gdir), **PERIOD}
    tasks.run_with_hydro(aletsch_gdir, **how)
    with xr.open_dataset(aletsch_gdir.get_filepath("model_diagnostics")) as theirs:
        assert float(theirs.snow_melt_on_glacier[0]) > 0
        parts = theirs.snow_melt_on_glacier + theirs.ice_melt_on_glacier + theirs.firn_melt_on_glacier
        np.testing.assert_allclose(parts[:-1], theirs.melt_on_glacier[:-1])
