"""The outputs of a region: numbers against plain loops and OGGM's own tasks, files whole, lazy and in order."""

from __future__ import annotations

import doctest
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import xarray as xr
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import files, settings
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC
from oggm_glaunti.coupling.oggm.offline import run_tasks
from oggm_glaunti.region import dataset, geometry, outputs, store
from oggm_glaunti.region.dataset import region_sums
from oggm_glaunti.workflows import valley

from .oetztal import oggm_kept, prepare_oetztal

IDS = ("RGI60-11.99991", "RGI60-11.99992", "RGI60-11.99993")
A = {"mb_kwargs": {"model": "A"}}
SPECIFIC = ("specific_mb", "winter_mb", "summer_mb", "accumulation", "melt")


@pytest.fixture(scope="module")
def gdirs(tmp_path_factory) -> Iterator[list]:
    """Three copies of the invented glacier: weather of 2001-2005, of 2003-2005 from another seed, and none at all."""
    with oggm_kept():
        first = valley.make_valley_glacier(tmp_path_factory.mktemp("valley"), params={"border": 20})
        from oggm import GlacierDirectory, cfg, tasks

        cfg.PARAMS.do_log = False
        cfg.PARAMS["continue_on_error"] = False
        cfg.PARAMS["store_fl_diagnostics"] = True
        made = []
        for rgi_id in IDS:
            entity = valley.valley_outline().iloc[0].copy()
            entity["RGIId"] = rgi_id
            gdir = GlacierDirectory(entity, base_dir=str(Path(first.base_dir)), reset=True)
            tasks.define_glacier_region(gdir, entity=entity, source="USER")
            run_tasks(gdir, (*settings.GEOMETRY_TASKS, "apparent_mb_from_linear_mb", *settings.INVERSION_TASKS))
            made.append(gdir)
        valley.make_daily_weather(made[0], first_year=2001, last_year=2005)
        valley.make_daily_weather(made[1], first_year=2003, last_year=2005, seed=2)
        for gdir in made[:2]:
            GlaUnTIMassBalanceA(gdir).table()
            tasks.run_from_climate_data(
                gdir, ys=2003, ye=2006, mb_model_class=GlaUnTIMassBalanceA, output_filesuffix="_run"
            )
        yield made


@pytest.fixture
def going_on(monkeypatch):
    """A glacier that fails is logged, the rest go on."""
    from oggm import cfg

    monkeypatch.setitem(cfg.PARAMS, "continue_on_error", True)


@pytest.fixture(scope="module")
def mapped(gdirs) -> xr.Dataset:
    return store.compile_glaunti_output(gdirs[:2], path=False, **A)


@pytest.fixture(scope="module")
def of_run(gdirs) -> xr.Dataset:
    return store.compile_glaunti_output(gdirs[:2], path=False, input_filesuffix="_run", **A)


def table_rows(gdir) -> SimpleNamespace:
    """What the table's file holds."""
    with netCDF4.Dataset(gdir.get_filepath("glaunti_table", filesuffix="_A")) as nc:
        nc.set_auto_mask(False)
        return SimpleNamespace(
            **{name: np.array(nc[name][:], float) for name in ("year", "height", "smb", "solid_prcp")}
        )


def plain_balance(gdir, year: int) -> dict[str, float]:
    """October to September on the inversion flowline, point by point and month by month."""
    table = table_rows(gdir)
    (fl,) = gdir.read_pickle("inversion_flowlines")
    months = [(year - 1, m) for m in (9, 10, 11)] + [(year, m) for m in range(9)]
    mass = dict.fromkeys(("winter", "summer", "accumulation"), 0.0)
    area = gaining = 0.0
    for height, width in zip(fl.surface_h, fl.widths_m, strict=True):
        cell, point = width * fl.dx_meter, 0.0
        for number, (y, m) in enumerate(months):
            row = int(np.flatnonzero(table.year == y)[0])
            smb = np.interp(height, table.height, table.smb[row, m])
            point += smb
            mass["winter" if number < 7 else "summer"] += cell * smb
            mass["accumulation"] += cell * np.interp(height, table.height, table.solid_prcp[row, m])
        area += cell
        gaining += cell * (point > 0)
    annual = mass["winter"] + mass["summer"]
    specific = {f"{name}_mb": mass[name] / area for name in ("winter", "summer")}
    return {
        **specific,
        "specific_mb": annual / area,
        "accumulation": mass["accumulation"] / area,
        "melt": (mass["accumulation"] - annual) / area,
        "mb_total": annual * 1000 * 1e-12,
        "melt_total": (mass["accumulation"] - annual) * 1000 * 1e-12,
        "area": area / 1e6,
        "aar": gaining / area,
    }


# --- numbers ---


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_every_number_is_that_of_a_plain_loop_over_points_and_months(gdirs, mapped, number):
    first = (2002, 2004)[number]
    for year in range(first, 2006):
        ours = mapped.isel(rgi_id=number).sel(time=str(year)).squeeze("time")
        for name, expected in plain_balance(gdirs[number], year).items():
            assert float(ours[name]) == pytest.approx(expected, rel=1e-9, abs=1e-12), (year, name)


@pytest.mark.slow
def test_the_records_first_calendar_year_has_no_full_mass_balance_year(mapped):
    assert mapped["year"].values.tolist() == [2002, 2003, 2004, 2005]
    assert np.isfinite(mapped["specific_mb"].values).tolist() == [[True] * 4, [False, False, True, True]]


def test_the_balance_is_zero_at_the_equilibrium_line(gdirs, mapped):
    table = table_rows(gdirs[0])
    for year in (2002, 2004):
        row = int(np.flatnonzero(table.year == year)[0])
        profile = table.smb[row - 1, 9:].sum(axis=0) + table.smb[row, :9].sum(axis=0)
        ela = float(mapped["ela"].isel(rgi_id=0).sel(time=str(year)).squeeze())
        assert 2600 < ela < 3600
        assert np.interp(ela, table.height, profile) == pytest.approx(0, abs=1e-12)


def test_calendar_years_are_those_of_oggms_own_tasks(gdirs):
    from oggm.core.massbalance import compute_ela, fixed_geometry_mass_balance

    ds = store.compile_glaunti_output(gdirs[:1], path=False, years="calendar", **A).squeeze("rgi_id")
    balance = fixed_geometry_mass_balance(gdirs[0], mb_model_class=GlaUnTIMassBalanceA) / 1000
    assert ds["year"].values.tolist() == balance.index.tolist() == list(range(2001, 2006))
    np.testing.assert_allclose(ds["specific_mb"], balance, rtol=1e-9)
    ela = compute_ela(gdirs[0], ys=2001, ye=2005, mb_model_class=GlaUnTIMassBalanceA)
    np.testing.assert_allclose(ds["ela"], ela, atol=1.0)  # OGGM minimises the square
    assert not {"winter_mb", "summer_mb", "region_winter_mb"} & set(ds)


def test_seasons_add_up_and_melt_takes_what_is_not_left(mapped):
    year = mapped["winter_mb"] + mapped["summer_mb"]
    np.testing.assert_allclose(year, mapped["specific_mb"], atol=1e-12)
    np.testing.assert_allclose(mapped["accumulation"] - mapped["melt"], mapped["specific_mb"], atol=1e-12)
    shown = mapped.isel(rgi_id=0)
    assert (shown["winter_mb"] > 0).all()
    assert (shown["summer_mb"] < 0).all()
    assert (shown["melt"] > 0).all()


def test_a_bias_is_subtracted_and_counts_as_melt(gdirs, mapped):
    biased = store.compile_glaunti_output(gdirs[:2], path=False, mb_kwargs={"model": "A", "bias": 120.0})
    for name, change in {"specific_mb": -0.12, "melt": 0.12, "winter_mb": -0.07, "summer_mb": -0.05}.items():
        np.testing.assert_allclose((biased[name] - mapped[name]).isel(rgi_id=0), change, atol=1e-12)
    np.testing.assert_array_equal(biased["accumulation"], mapped["accumulation"])


def test_years_may_be_chosen(gdirs, mapped):
    some = store.compile_glaunti_output(gdirs[:1], path=False, ys=2003, ye=2004, **A)
    assert some["year"].values.tolist() == [2003, 2004]
    np.testing.assert_array_equal(some["melt"][0], mapped["melt"].isel(rgi_id=0).sel(time=slice("2003", "2004")))
    with pytest.raises(
        InvalidWorkflowError, match=r"11\.99991: no full mass-balance year with ys=2010, .*2001 to 2005"
    ):
        store.compile_glaunti_output(gdirs[:1], path=False, ys=2010, **A)


def test_further_arguments_reach_the_model(gdirs, mapped):
    warm = store.compile_glaunti_output(gdirs[:1], path=False, mb_kwargs={"model": "A", "temp_bias": 1.0})
    assert (warm["specific_mb"][0] < mapped["specific_mb"][0]).all()


def test_of_several_equilibrium_lines_the_one_that_fits_the_accumulation_area_is_taken():
    at = np.array([2000.0, 2100.0, 2200.0, 2300.0, 2400.0])
    smb = np.array([-1.0, 1.0, 1.0, -1.0, 1.0])
    low = np.array([2010.0, 2150.0, 2160.0, 2170.0]), np.full(4, 1e6)
    high = np.array([2010.0, 2290.0, 2310.0, 2390.0]), np.full(4, 1e6)
    assert outputs.equilibrium_line(at, smb, *low, gaining=3e6) == 2050.0
    assert outputs.equilibrium_line(at, smb, *high, gaining=1e6) == 2350.0


def test_without_a_turn_there_is_no_equilibrium_line():
    at, where = np.array([2000.0, 2100.0]), (np.array([2050.0]), np.array([1e6]))
    assert np.isnan(outputs.equilibrium_line(at, np.array([-2.0, -1.0]), *where, gaining=0.0))
    assert np.isnan(outputs.equilibrium_line(at, np.array([1.0, 2.0]), *where, gaining=1e6))


# --- the geometry of a run ---


def test_each_year_of_a_run_is_that_of_its_own_first_of_january(gdirs, of_run):
    from oggm.core.flowline import FileModel

    table = table_rows(gdirs[0])
    model = FileModel(gdirs[0].get_filepath("model_geometry", filesuffix="_run"))
    ours = of_run.isel(rgi_id=0)
    for year in (2003, 2005):
        model.run_until(year)
        row = int(np.flatnonzero(table.year == year)[0])
        profile = table.smb[row - 1, 9:].sum(axis=0) + table.smb[row, :9].sum(axis=0)
        (fl,) = model.fls
        areas = np.where(fl.thick > 0, fl.widths_m * fl.dx_meter, 0)
        expected = (np.interp(fl.surface_h, table.height, profile) * areas).sum() / areas.sum()
        found = ours.sel(time=str(year)).squeeze("time")
        assert float(found["specific_mb"]) == pytest.approx(expected, rel=1e-6)
        assert float(found["area"]) == pytest.approx(model.area_km2, rel=1e-6)
        assert float(found["volume"]) == pytest.approx(model.volume_km3, rel=1e-6)
    assert float(ours["area"][-1]) != float(ours["area"][0])


def test_both_kinds_of_run_files_give_the_same(gdirs, of_run, tmp_path):
    path = Path(gdirs[0].get_filepath("fl_diagnostics", filesuffix="_run"))
    path.rename(tmp_path / path.name)
    try:
        other = store.compile_glaunti_output(gdirs[:1], path=False, input_filesuffix="_run", **A)
    finally:
        (tmp_path / path.name).rename(path)
    for name in (*SPECIFIC, "area", "volume", "aar", "ela"):
        np.testing.assert_allclose(other[name], of_run[name].isel(rgi_id=[0]), rtol=1e-6, err_msg=name)


def test_the_runs_volume_changes_by_the_sum_of_its_balance(gdirs):
    ds = store.compile_glaunti_output(gdirs[:1], path=False, input_filesuffix="_run", years="calendar", **A)
    with xr.open_dataset(gdirs[0].get_filepath("model_diagnostics", filesuffix="_run")) as diagnostics:
        change = float(diagnostics["volume_m3"][-1] - diagnostics["volume_m3"][0]) * 900e-12  # Gt
    assert ds["year"].values.tolist() == [2003, 2004, 2005]
    assert float(ds["mb_total"].sum()) == pytest.approx(change, rel=0.03)  # the dynamics update area within a year


def test_a_run_without_heights_and_areas_says_what_to_store(gdirs):
    with pytest.raises(InvalidWorkflowError, match=r"11\.99991: neither fl_diagnostics_no\.nc .*store_fl_diagnostics"):
        store.compile_glaunti_output(gdirs[:1], path=False, input_filesuffix="_no", **A)


def test_a_vanished_glacier_has_sums_and_no_means():
    heights = np.array([2000.0, 3000.0])
    profiles = outputs.Profiles(heights, np.array([[-2.0, 1.0]]), np.array([[0.5, 1.5]]), np.array([[0.1, 1.2]]))
    found = outputs.balance_of(profiles, 0, np.array([2500.0]), np.array([0.0]), volume=0.0)
    assert {name: found[name] for name in ("area", "volume", "mb_total", "melt_total")} == pytest.approx(
        {"area": 0, "volume": 0, "mb_total": 0, "melt_total": 0}
    )
    assert np.isnan([found[name] for name in (*SPECIFIC, "aar")]).all()
    assert found["ela"] == pytest.approx(2000 + 1000 * 2 / 3)


def test_beyond_the_table_the_balance_is_that_of_the_mass_balance_model(gdirs):
    model = GlaUnTIMassBalanceA(gdirs[0])
    profiles = outputs.yearly_profiles(model.table().continued, np.array([2003]), None)
    for height in (-500.0, 9000.0):
        found = outputs.balance_of(profiles, 0, np.array([height]), np.ones(1))
        smb, *_, snow = model.get_annual_mb([height], year=2003, add_climate=True)
        assert found["specific_mb"] == pytest.approx(smb[0] * cfg.SEC_IN_YEAR * 0.9, rel=1e-9)
        assert found["accumulation"] == pytest.approx(snow[0] / 1000, rel=1e-9)
    assert found["melt"] == pytest.approx(0.0, abs=1e-12)


def test_the_equilibrium_line_is_not_looked_for_beyond_the_table():
    heights = np.array([-1e5, 2000.0, 3000.0, 1e5])
    profiles = outputs.Profiles(heights, np.array([[-9.0, -2.0, -1.0, 9.0]]), np.ones((1, 4)), None)
    own = np.isin(heights, (2000.0, 3000.0))
    assert np.isnan(outputs.balance_of(profiles._replace(own=own), 0, np.array([2500.0]), np.ones(1))["ela"])


def test_merged_glaciers_are_refused(gdirs, monkeypatch):
    merged = [SimpleNamespace(rgi_id="RGI60-11.00001"), SimpleNamespace(rgi_id=None)]
    monkeypatch.setattr(gdirs[0], "read_pickle", lambda name: merged)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.99991: merged with \['RGI60-11\.00001'\]"):
        geometry.mapped_geometry(gdirs[0])


# --- the region ---


def test_region_means_are_weighted_with_area_and_skip_what_is_missing(mapped):
    both, alone = mapped.sel(time="2004").squeeze("time"), mapped.sel(time="2002").squeeze("time")
    area, smb = both["area"].values, both["specific_mb"].values
    assert int(both["region_count"]) == 2
    assert float(both["region_specific_mb"]) == pytest.approx(
        (area[0] * smb[0] + area[1] * smb[1]) / (area[0] + area[1])
    )
    assert float(both["region_mb_total"]) == pytest.approx(both["mb_total"].values.sum())
    assert int(alone["region_count"]) == 1
    assert np.isnan(alone["specific_mb"].values[1])
    assert float(alone["region_specific_mb"]) == pytest.approx(float(alone["specific_mb"][0]))
    assert float(alone["region_area"]) == pytest.approx(float(alone["area"][0]))


def test_region_sums_of_vanished_and_missing_glaciers():
    area = np.array([[4.0, 0.0], [1.0, 0.0], [np.nan, np.nan]])
    smb = np.array([[-1.0, np.nan], [1.5, np.nan], [np.nan, np.nan]])
    dims = ("rgi_id", "time")
    found = region_sums(xr.Dataset({"area": (dims, area), "specific_mb": (dims, smb), "mb_total": (dims, area * 2)}))
    assert found["region_count"].tolist() == [2, 2]
    assert found["region_area"].tolist() == [5.0, 0.0]
    assert found["region_specific_mb"][0] == pytest.approx(-0.5)
    assert np.isnan(found["region_specific_mb"][1])
    assert found["region_mb_total"].tolist() == [10.0, 0.0]


def test_a_glacier_that_fails_stops_the_task_unless_told_to_go_on(gdirs):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.99993: .*climate_historical"):
        store.compile_glaunti_output(gdirs, path=False, **A)


def test_a_glacier_that_fails_is_missing_counted_and_named(gdirs, mapped, going_on, caplog):
    ds = store.compile_glaunti_output(gdirs, path=False, **A)
    assert ds["rgi_id"].values.tolist() == list(IDS)
    assert ds["compiled"].values.tolist() == [1, 1, 0]
    assert ds["model"].values.tolist() == ["A", "A", ""]
    for name in dataset.BALANCE_VARIABLES:
        if name in ds:
            assert np.isnan(ds[name].values[2]).all(), name
            np.testing.assert_array_equal(ds[name].values[:2], mapped[name].values)
    np.testing.assert_array_equal(ds["region_specific_mb"], mapped["region_specific_mb"])
    assert "1 of 3 glaciers have no balance and are missing values: RGI60-11.99993" in caplog.text
    assert "climate_historical" in gdirs[2].get_task_status("glacier_balance")


def test_where_all_fail_there_is_no_dataset_and_the_first_reason_is_given(gdirs, going_on):
    with pytest.raises(InvalidWorkflowError, match=r"none of 1 glaciers has a balance.*99993: .*climate_historical"):
        store.compile_glaunti_output(gdirs[2:], path=False, **A)


def test_a_success_in_the_log_is_not_taken_for_the_result(gdirs, mapped, monkeypatch):
    from oggm import cfg

    monkeypatch.setitem(cfg.PARAMS, "auto_skip_task", True)
    again = store.compile_glaunti_output(gdirs[:2], path=False, **A)
    np.testing.assert_array_equal(again["specific_mb"], mapped["specific_mb"])


def test_with_tables_at_hand_jax_is_not_asked_for(gdirs, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a table was built")

    monkeypatch.setattr("oggm_glaunti.coupling.table.store.build_table", refuse)
    store.compile_glaunti_output(gdirs[:2], path=False, **A)


# --- arguments ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"format": "hdf"}, r"format: expected one of \['netcdf', 'zarr'\], found 'hdf'"),
        ({"years": "hydrological"}, r"years: expected one of .*'hydrological'"),
        ({"path": "here.nc", "format": "zarr"}, r"'here\.nc' does not go with format='zarr'"),
    ],
)
def test_impossible_arguments_are_named(gdirs, wrong, message):
    with pytest.raises(InvalidParamsError, match=message):
        store.compile_glaunti_output(gdirs[:1], **{"path": False, **wrong}, **A)


def test_no_glaciers_are_no_region():
    with pytest.raises(InvalidParamsError, match="gdirs is empty"):
        store.compile_glaunti_output([], path=False)


def test_a_glacier_given_twice_is_named(gdirs):
    with pytest.raises(InvalidParamsError, match=r"given twice: RGI60-11\.99992"):
        store.compile_glaunti_output([gdirs[1], gdirs[0], gdirs[1]], path=False, **A)


def test_zarr_without_its_package_says_so_before_any_work(gdirs, monkeypatch):
    monkeypatch.setattr(store.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InvalidParamsError, match="pip install zarr"):
        store.compile_glaunti_output(gdirs[2:], path=False, format="zarr", **A)


def fake_region(
    hemispheres: tuple[str, ...], years: str = "mass_balance", first: int = 2010, **given: np.ndarray
) -> xr.Dataset:
    """A dataset of glaciers without directories."""
    fields = {name: np.array([1.0, 2.0]) for name in dataset.BALANCE_VARIABLES} | given
    origin = {"model": "A", "corrector": "off", "climate_source": "made up"}
    gdirs = [
        SimpleNamespace(rgi_id=f"G{i}", hemisphere=h, cenlon=10.0 + i, cenlat=46.0, rgi_area_km2=1.0 + i, name="")
        for i, h in enumerate(hemispheres)
    ]
    store.require_compilable(gdirs, "netcdf", years)
    balances = [outputs.GlacierBalance(np.array([first, first + 1]), fields, origin) for _ in gdirs]
    return dataset.region_dataset(gdirs, balances, years)


@pytest.mark.parametrize(
    ("hemisphere", "years", "bounds", "seasons"),
    [
        ("nh", "mass_balance", ("2009-10-01", "2010-10-01"), "winter October to April, summer May to September"),
        ("sh", "mass_balance", ("2009-04-01", "2010-04-01"), "winter April to October, summer November to March"),
        ("sh", "calendar", ("2010-01-01", "2011-01-01"), "calendar years, without seasons"),
    ],
)
def test_a_year_ends_where_its_bounds_say(hemisphere, years, bounds, seasons):
    ds = fake_region((hemisphere,), years)
    assert ds["time_bnds"].values[0].astype("M8[D]").astype(str).tolist() == list(bounds)
    assert ds["time"].values[0] == np.datetime64(bounds[1]) - np.timedelta64(1, "D")
    assert ds["year"].values.tolist() == [2010, 2011]
    assert ds.attrs["seasons"] == seasons


@pytest.mark.parametrize("first", [1600, 2400])
def test_years_beyond_nanoseconds_are_written_and_read(tmp_path, first):
    store.write_region(fake_region(("nh",), first=first), tmp_path / "far.nc")
    with xr.open_dataset(tmp_path / "far.nc", decode_times=xr.coders.CFDatetimeCoder(time_unit="s")) as ds:
        assert ds["time"].values.astype("M8[D]").astype(str).tolist() == [f"{first}-09-30", f"{first + 1}-09-30"]
        assert str(ds["time_bnds"].values[0, 0].astype("M8[D]")) == f"{first - 1}-10-01"


def test_mass_balance_years_of_both_hemispheres_are_refused():
    with pytest.raises(InvalidParamsError, match=r"October and in April.*years='calendar'"):
        fake_region(("nh", "sh"))
    assert fake_region(("nh", "sh"), "calendar").sizes["rgi_id"] == 2


def test_in_the_south_the_year_begins_in_april():
    table = SimpleNamespace(
        years=np.array([2009, 2010]), heights=np.array([0.0, 1.0]), smb=np.arange(48.0).reshape(2, 12, 2)
    )
    table.solid_prcp = table.smb
    profiles = outputs.yearly_profiles(table, np.array([2010]), start_month=4)
    months = [(0, m) for m in range(3, 12)] + [(1, m) for m in range(3)]
    assert profiles.smb[0, 1] == sum(table.smb[y, m, 1] for y, m in months)
    assert profiles.winter[0, 1] == sum(table.smb[y, m, 1] for y, m in months[:7])


# --- files ---


@pytest.fixture(params=["netcdf", "zarr"])
def written(request, gdirs, tmp_path) -> SimpleNamespace:
    pytest.importorskip("dask", reason="lazy reading needs dask")
    if request.param == "zarr":
        pytest.importorskip("zarr", reason="the package zarr is missing")
    path = tmp_path / f"region{store.SUFFIX[request.param]}"
    ds = store.compile_glaunti_output(gdirs[:2], path=path, input_filesuffix="_run", format=request.param, **A)
    return SimpleNamespace(path=path, ds=ds, format=request.param)


def opened(written) -> xr.Dataset:
    return xr.open_zarr(written.path) if written.format == "zarr" else xr.open_dataset(written.path, chunks={})


def test_what_is_written_is_what_was_returned(written):
    with opened(written) as ds:
        assert set(ds.variables) == set(written.ds.variables)
        for name, expected in written.ds.variables.items():
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(ds[name].values, expected.values, rtol=1e-6, err_msg=name)
            elif expected.dtype.kind == "M":  # read in ns where these suffice
                np.testing.assert_array_equal(ds[name].values, expected.values, err_msg=name)
            else:
                assert np.array_equal(ds[name].values, expected.values), name
            assert set(ds[name].attrs) == set(expected.attrs), name
            for attribute, value in expected.attrs.items():
                assert np.array_equal(ds[name].attrs[attribute], value), (name, attribute)
        assert ds.attrs == written.ds.attrs


def test_files_are_read_lazily_and_by_name(written):
    import dask.array

    with opened(written) as ds:
        assert isinstance(ds["specific_mb"].data, dask.array.Array)
        one = ds["specific_mb"].sel(rgi_id=IDS[1], time="2005").squeeze().compute()
        assert float(one) == pytest.approx(float(written.ds["specific_mb"].sel(rgi_id=IDS[1], time="2005").squeeze()))


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_many_glaciers_are_stored_in_chunks(tmp_path, monkeypatch, format):
    pytest.importorskip(format if format == "zarr" else "dask")
    monkeypatch.setattr(store, "GLACIERS_PER_CHUNK", 4)
    path = tmp_path / f"many{store.SUFFIX[format]}"
    store.write_region(fake_region(("nh",) * 10), path, format)
    with opened(SimpleNamespace(path=path, format=format)) as ds:
        assert ds["specific_mb"].chunks == ((4, 4, 2), (2,))


def test_the_file_follows_cf(of_run, tmp_path):
    store.write_region(of_run, tmp_path / "region.nc")
    with netCDF4.Dataset(tmp_path / "region.nc") as nc:
        assert nc.Conventions == "CF-1.8"
        assert {"title", "source", "history", "references", "geometry", "balance_years"} <= set(nc.ncattrs())
        assert nc["time"].bounds == "time_bnds"
        assert nc["time"].units == "days since 1801-01-01"
        allowed = {"i1", "i2", "i4", "f4", "f8"}
        for name, variable in nc.variables.items():
            assert variable.dtype is str or variable.dtype.str[1:] in allowed, name
            if name != "time_bnds":
                assert variable.long_name, name
                assert variable.dtype is str or name == "compiled" or variable.units, name
            if "cell_methods" in variable.ncattrs():
                assert variable.cell_methods.startswith("time: "), name
        assert "cenlon" in nc["specific_mb"].coordinates
        assert "time_bnds" not in nc["specific_mb"].coordinates


def test_by_default_the_file_is_in_the_working_directory_with_the_runs_suffix(gdirs):
    from oggm import cfg

    folder = Path(cfg.PATHS["working_dir"])
    store.compile_glaunti_output(gdirs[:1], input_filesuffix="_run", **A)
    store.compile_glaunti_output(gdirs[:1], output_filesuffix="_mapped", **A)
    for suffix, words in {
        "_run": "run of the ice dynamics with filesuffix '_run'",
        "_mapped": "mapped outline",
    }.items():
        with xr.open_dataset(folder / f"glaunti_output{suffix}.nc") as ds:
            assert words in ds.attrs["geometry"]


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, format):
    if format == "zarr":
        pytest.importorskip("zarr")
    path = tmp_path / f"region{store.SUFFIX[format]}"
    old = fake_region(("nh",))
    store.write_region(old, path, format)

    def half(self, target, **kwargs):
        Path(target).mkdir() if format == "zarr" else Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, f"to_{format}", half)
    with pytest.raises(InvalidWorkflowError, match=r"region\.(nc|zarr) cannot be written .*No space left"):
        store.write_region(fake_region(("nh", "nh")), path, format)
    monkeypatch.undo()
    with opened(SimpleNamespace(path=path, format=format)) as ds:
        assert ds.sizes["rgi_id"] == 1
    assert os.listdir(tmp_path) == [path.name]


def test_a_zarr_folder_that_cannot_be_put_in_place_gives_way_to_the_old_one(tmp_path, monkeypatch):
    pytest.importorskip("zarr")
    path = tmp_path / "region.zarr"
    store.write_region(fake_region(("nh",)), path, "zarr")
    replace = os.replace

    def interrupted(source, target):
        if Path(target) == path and not str(source).endswith(".former"):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files, "exchange", lambda one, two: False)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.write_region(fake_region(("nh", "nh")), path, "zarr")
    assert os.listdir(tmp_path) == [path.name]
    assert xr.open_zarr(path).sizes["rgi_id"] == 1


@pytest.mark.parametrize("made", ["folder", "file"])
def test_only_an_earlier_output_is_ever_replaced(gdirs, tmp_path, made):
    pytest.importorskip("zarr")
    path = tmp_path / "thesis"
    path.mkdir() if made == "folder" else path.write_text("years of work")
    inside = path / "chapter.txt" if made == "folder" else path
    inside.write_text("years of work")
    with pytest.raises(InvalidParamsError, match=rf"thesis is a {made} and no zarr output"):
        store.compile_glaunti_output(gdirs[:1], path=path, format="zarr", **A)
    assert inside.read_text() == "years of work"
    assert os.listdir(tmp_path) == ["thesis"]


@pytest.mark.parametrize("format", ["netcdf", "zarr"])
def test_a_folder_that_does_not_exist_is_named_before_any_work(gdirs, tmp_path, format):
    path = tmp_path / "nowhere" / "region"
    with pytest.raises(InvalidParamsError, match=r"the folder .*nowhere does not exist"):
        store.compile_glaunti_output(gdirs[2:], path=path, format=format, **A)
    assert not path.parent.exists()


def test_which_variables_there_are_does_not_depend_on_their_values():
    unknown = np.full(2, np.nan)
    ds = fake_region(("nh",), ela=unknown, aar=unknown)
    assert set(dataset.BALANCE_VARIABLES) - set(ds) == {"volume"}
    assert set(dataset.BALANCE_VARIABLES) - set(fake_region(("nh",), "calendar")) == {
        "winter_mb",
        "summer_mb",
        "volume",
    }


def test_a_file_is_replaced(tmp_path):
    for format in ("netcdf", "zarr"):
        if format == "zarr":
            pytest.importorskip("zarr")
        path = tmp_path / f"region{store.SUFFIX[format]}"
        for number in (1, 2):
            store.write_region(fake_region(("nh",) * number), path, format)
        assert opened(SimpleNamespace(path=path, format=format)).sizes["rgi_id"] == 2


@pytest.mark.parametrize("module", [outputs, dataset], ids=["outputs", "dataset"])
def test_the_examples_in_the_docstrings_are_true(module):
    failed, attempted = doctest.testmod(module)
    assert failed == 0
    assert attempted > 0


# --- real glaciers ---


@pytest.mark.slow
def test_the_oetztal_in_two_processes(shared, weights, tmp_path):
    from oggm import cfg, tasks, workflow

    from oggm_glaunti.tasks import compile_glaunti_output, glaunti_tables

    with oggm_kept():
        gdirs = prepare_oetztal(tmp_path, shared)
        assert len(gdirs) == 20
        assert (glaunti_tables(gdirs, progress=False)["status"] == "written").all()
        alone = compile_glaunti_output(gdirs, path=False)
        cfg.PARAMS.update(use_multiprocessing=True, mp_processes=2, use_mp_spawn=True)
        workflow.reset_multiprocessing()
        try:
            workflow.execute_entity_task(
                tasks.run_from_climate_data,
                gdirs,
                ys=2014,
                ye=2023,
                mb_model_class=GlaUnTIMassBalanceC,
                store_fl_diagnostics=True,
                output_filesuffix="_c",
            )
            moving = compile_glaunti_output(gdirs, input_filesuffix="_c", mb_kwargs={"model": "C"})
            together = compile_glaunti_output(gdirs, path=False)
        finally:
            workflow.reset_multiprocessing()
    for name in alone.data_vars:
        np.testing.assert_array_equal(alone[name].values, together[name].values, err_msg=name)
    assert (alone["region_count"] == 20).all()
    np.testing.assert_allclose(alone["area"][:, 0], alone["rgi_area"], rtol=0.01)
    assert float(alone["region_area"][0]) == pytest.approx(88.1, abs=1.0)
    assert (moving["area"].isel(time=-1).sum() < moving["area"].isel(time=0).sum()).item()
    first = moving["specific_mb"].isel(time=0) - alone["specific_mb"].isel(time=0)
    assert float(np.abs(first).max()) < 0.1  # one year after the start the surface is still nearly the mapped one
