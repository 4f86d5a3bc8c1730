"""A surface that moves: the file, the layer that a year takes, and runs whose temperature and corrector follow it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings, strategies as st
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.gridded.periods import Period
from oggm_glaunti.coupling.ground.dem_stack_file import (
    DemStack,
    dem_stack_name,
    read_dem_stack,
    read_dem_stack_attributes,
    write_dem_stack,
)
from oggm_glaunti.coupling.ground.features import glaunti_features, read_features
from oggm_glaunti.coupling.ground.surface import YearlySurface, features_of_year, nearest_year
from oggm_glaunti.coupling.oggm.messages import forget_warnings
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.workflows import valley
from tests.coupling.maps import run_smb

YS, YE = 2001, 2004
ABOUT = {"vertical_datum": "that of the directory's DEM, EGM2008"}
GRADIENT = -0.006  # K m-1


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """The invented glacier with four years of weather and features."""
    from ...conftest import _OGGMState

    state = _OGGMState()
    folder = tmp_path_factory.mktemp("valley")
    gdir = valley.make_valley_glacier(folder, params={"use_multiprocessing": False, "border": 40})
    valley.make_daily_weather(gdir, first_year=YS, last_year=YE)
    glaunti_features(gdir)
    state.put_back()
    return folder


@pytest.fixture
def gdir(prepared, oggm_env):
    from oggm import GlacierDirectory, cfg

    cfg.PARAMS.do_log = False
    cfg.PARAMS["continue_on_error"] = False
    shutil.copytree(prepared / "per_glacier", oggm_env / "per_glacier")
    forget_warnings()
    return GlacierDirectory(valley.RGI_ID, base_dir=str(oggm_env / "per_glacier"))


@pytest.fixture
def features(gdir):
    return read_features(gdir)


@pytest.fixture
def climate(gdir):
    return read_daily_climate(gdir)


def make_stack(features, years=range(YS, YE + 1), rise=None, std=None) -> DemStack:
    """The features' elevation plus `rise` (K, H, W or a number a year), with their uncertainty or another."""
    years = np.array(list(years))
    rise = np.zeros(years.size) if rise is None else np.asarray(rise, float)
    z = features.elevation + rise.reshape(years.size, *(rise.shape[1:] or (1, 1)))
    z_std = np.broadcast_to(features.elevation_std if std is None else std, z.shape)
    still = np.zeros(features.shape)
    return DemStack(years, z, z_std, z < 0, still, features.x, features.y, features.crs)


def moving(features, years=range(YS, YE + 1), seed=1) -> DemStack:
    """A surface that sinks, most at the tongue, and is rough and uncertain."""
    rng = np.random.default_rng(seed)
    ages = np.arange(1.0, len(years) + 1)
    low = (features.elevation.max() - features.elevation) / np.ptp(features.elevation)
    rise = -30.0 * ages[:, None, None] * low + rng.normal(0, 8, (len(years), *features.shape))
    return make_stack(features, years, rise, std=rng.uniform(2, 12, rise.shape))


def run(gdir, **kwargs) -> tuple[dict, xr.Dataset]:
    means = run_smb(gdir, **kwargs)
    with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as ds:
        return means, ds.load()


def model_c(weights_dir) -> dict:
    return {"model": "C", "corrector": "yearly", "weights": weights_dir}


# --- a run on a surface ---


@pytest.mark.slow
@pytest.mark.parametrize(
    ("years", "corrector", "exact"),
    [
        ("calendar", "off", False),
        ("mass_balance", "off", True),
        ("calendar", "yearly", False),
        ("mass_balance", "yearly", True),
        ("calendar", "climatology", True),
        ("mass_balance", "climatology", False),
    ],
)
def test_a_surface_that_does_not_move_is_the_fixed_one(years, corrector, exact, gdir, features, request):
    options = {"years": years, "exact": exact}
    if corrector != "off":
        options |= {"model": "C", "corrector": corrector, "weights": request.getfixturevalue("weights_dir")}
    write_dem_stack(gdir, make_stack(features), ABOUT)
    _, fixed = run(gdir, **options)
    _, yearly = run(gdir, surface="yearly", **options)
    xr.testing.assert_identical(yearly.drop_vars("surface_year").drop_attrs(), fixed.drop_attrs())
    assert (fixed.surface, yearly.surface) == ("fixed", "yearly")


def warmer_in(gdir, year: int, kelvin: float) -> None:
    path = gdir.get_filepath("climate_historical", filesuffix="_daily")
    with netCDF4.Dataset(path, "a") as nc:
        days = np.datetime64("1801-01-01") + np.asarray(nc["time"][:]).astype("timedelta64[D]")
        here = days.astype("M8[Y]") == np.datetime64(str(year))
        nc["temp"][here] = nc["temp"][here] + np.float32(kelvin)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fitted", "exact", "daily"),
    [(None, False, True), (None, True, False), (-0.008, False, False), (-0.008, True, False)],
)
def test_a_hundred_metres_more_in_one_year_is_a_colder_year(fitted, exact, daily, gdir, features):
    from oggm_glaunti.coupling.model.params import write_params

    if fitted is not None:
        write_params(gdir, {"model": "A", "fitted_temp_gradient": fitted})
    options = {"exact": exact, "daily": daily, "ys": 2002}
    write_dem_stack(gdir, make_stack(features, rise=[0.0, 0.0, 100.0, 0.0]), ABOUT)
    fixed, _ = run(gdir, **options)
    higher, found = run(gdir, surface="yearly", **options)
    warmer_in(gdir, 2003, 100.0 * (fitted or GRADIENT))
    _, expected = run(gdir, **options)
    np.testing.assert_allclose(found["smb"], expected["smb"], atol=1e-6 if daily else 1e-5)
    years = fixed["time"].astype("M8[Y]").astype(int) + 1970
    assert (higher["smb"] - fixed["smb"])[years == 2003].sum() > 0.1
    np.testing.assert_array_equal(higher["smb"][years < 2003], fixed["smb"][years < 2003])


def weather_file(kind: str, climate, features, folder: Path) -> Path:
    """Four coarse cells round the glacier, or its own; each with weather of its own."""
    from pyproj import Transformer

    temp, prcp = climate.temp[:, None, None], 1000.0 * climate.prcp[:, None, None]
    if kind == "coarse":
        lon, lat = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True).transform(
            features.x.mean(), features.y.mean()
        )
        (rows, y), (cols, x) = ("lat", lat + np.array([0.05, -0.05])), ("lon", lon + np.array([-0.08, 0.08]))
        hgt = climate.ref_hgt + np.array([[0.0, 80.0], [-120.0, 40.0]])
    else:
        (rows, y), (cols, x) = ("y", features.y), ("x", features.x)
        hgt = climate.ref_hgt + 0.1 * (features.elevation - climate.ref_hgt)
    wetter = np.linspace(0.8, 1.2, hgt.size).reshape(hgt.shape)
    ds = xr.Dataset(coords={"time": climate.time, rows: y, cols: x})
    ds["temp"] = ("time", rows, cols), (temp + GRADIENT * (hgt - climate.ref_hgt)).astype("f4"), {"units": "degC"}
    ds["prcp"] = ("time", rows, cols), (prcp * wetter).astype("f4"), {"units": "kg m-2 day-1"}
    ds["hgt"] = (rows, cols), hgt, {"units": "m"}
    if kind == "own":
        ds["crs"] = (), 0, {"crs_wkt": features.crs.to_wkt()}
        for name in ("temp", "prcp"):
            ds[name].attrs["grid_mapping"] = "crs"
    ds.to_netcdf(folder / f"{kind}.nc")
    return folder / f"{kind}.nc"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "exact"),
    [
        ("C", "series", False),
        ("C", "series", True),
        ("C", "own", True),
        ("A", "coarse", False),
        ("A", "coarse", True),
        ("A", "own", False),
    ],
)
def test_each_year_is_that_of_features_with_its_surface(
    name, kind, exact, gdir, features, climate, weights_dir, tmp_path
):
    from oggm_glaunti import GlaUnTIMassBalance
    from oggm_glaunti.coupling.gridded.model import GriddedModel
    from oggm_glaunti.coupling.gridded.periods import mass_balance_years
    from oggm_glaunti.coupling.gridded.weather import open_weather

    model = GlaUnTIMassBalance(gdir, model=name, weights=None if name == "A" else weights_dir).loaded_model
    path = None if kind == "series" else weather_file(kind, climate, features, tmp_path)

    def gridded(own, moved=None):
        weather = climate if path is None else open_weather(path, own, gdir.rgi_id)
        return GriddedModel(model, weather, own, gdir.rgi_id, exact, moved)

    stack, periods = moving(features), mass_balance_years(climate, "nh")[:2]
    first, second = gridded(features, YearlySurface(features, stack, gdir.rgi_id)).run(periods)
    own = features_of_year(features, stack, second.period.year, gdir.rgi_id)
    (expected,) = gridded(own).run([second.period], first.swe)
    (without,) = gridded(features).run([second.period], first.swe)
    np.testing.assert_allclose(second.smb[0], expected.smb[0], atol=2e-5)
    np.testing.assert_allclose(second.swe, expected.swe, atol=2e-5)
    assert np.abs(second.smb[0] - without.smb[0]).max() > 0.05
    if name == "C":
        np.testing.assert_allclose(second.ds, expected.ds, atol=2e-5)
        assert np.abs(second.ds - without.ds).max() > 1e-3


@pytest.mark.slow
def test_the_corrector_sees_elevation_and_uncertainty_of_each_year(gdir, features, weights_dir):
    write_dem_stack(gdir, moving(features), ABOUT)
    _, fixed = run(gdir, years="mass_balance", **model_c(weights_dir))
    _, yearly = run(gdir, years="mass_balance", surface="yearly", **model_c(weights_dir))
    apart = np.abs(yearly["corrections"] - fixed["corrections"]).max(("correction", "y", "x"))
    assert (apart > 1e-3).all()
    _, mean = run(gdir, years="mass_balance", surface="yearly", **{**model_c(weights_dir), "corrector": "climatology"})
    np.testing.assert_allclose(mean["corrections"][0], yearly["corrections"].mean("time"), atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("corrector", ["off", "yearly"])
def test_the_elevation_of_the_features_does_not_matter_to_a_yearly_surface(corrector, gdir, features, request):
    options = {"surface": "yearly"}
    if corrector == "yearly":
        options |= model_c(request.getfixturevalue("weights_dir"))
    write_dem_stack(gdir, moving(features), ABOUT)
    one, _ = run(gdir, **options)
    glaunti_features(gdir, year=2003)
    other, _ = run(gdir, **options)
    np.testing.assert_allclose(other["smb"], one["smb"], atol=1e-5)


def test_rows_of_dates_take_the_surface_of_the_year_in_which_they_end(gdir, features):
    write_dem_stack(gdir, make_stack(features, rise=[-50.0, 0.0, 80.0, 20.0]), ABOUT)
    begin, end = pd.to_datetime(["2001-10-05", "2002-10-03"]), pd.to_datetime(["2002-10-02", "2003-09-25"])
    dates = pd.DataFrame({"begin": begin, "mid": pd.to_datetime(["2002-05-01", "2003-04-28"]), "end": end})
    _, found = run(gdir, surface="yearly", dates=dates)
    assert found["surface_year"].values.tolist() == [2002, 2003]
    write_dem_stack(gdir, make_stack(features, [2002, 2003], [0.0, 80.0]), ABOUT)
    _, again = run(gdir, surface="yearly", dates=dates)
    np.testing.assert_array_equal(found["smb_summer"], again["smb_summer"])


def lowered(gdir, features, climate):
    """Balance of one year on the glacier's cells, by a surface lower by some metres (P,)."""
    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.gridded.model import GriddedModel
    from oggm_glaunti.coupling.gridded.periods import mass_balance_years

    model, (period, *_) = GlaUnTIMassBalanceA(gdir).loaded_model, mass_balance_years(climate, "nh")

    def balance(lower):
        stack = make_stack(features, [period.year], -lower[None])
        moved = YearlySurface(features, stack, gdir.rgi_id)
        (result,) = GriddedModel(model, climate, features, gdir.rgi_id, surface=moved).run([period])
        return result.smb[0]

    return balance


def test_a_lower_surface_is_never_more_mass(gdir, features, climate):
    balance = lowered(gdir, features, climate)
    before = balance(np.zeros(features.shape))

    @given(seed=st.integers(0, 1000), most=st.sampled_from([1.0, 30.0, 300.0]))
    @settings(max_examples=6, deadline=None)
    def lower_is_less(seed, most):
        lower = np.random.default_rng(seed).uniform(0, most, features.shape)
        after = balance(lower)
        assert (after <= before + 1e-6).all()
        assert (after < before)[lower[features.glacier] > 0.1 * most].all()

    lower_is_less()


def test_coarse_cells_have_the_same_heights_on_every_surface(features, climate, gdir, tmp_path):
    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.gridded.model import GriddedModel
    from oggm_glaunti.coupling.gridded.weather import open_weather

    weather = open_weather(weather_file("coarse", climate, features, tmp_path), features, gdir.rgi_id)
    moved = YearlySurface(features, moving(features), gdir.rgi_id)
    gridded = GriddedModel(GlaUnTIMassBalanceA(gdir).loaded_model, weather, features, gdir.rgi_id, surface=moved)
    for year in range(YS, YE + 1):
        columns = gridded.place(year).columns
        np.testing.assert_array_equal(columns.nodes, gridded.columns.nodes)
        np.testing.assert_array_equal(columns.node_cell, gridded.columns.node_cell)
        np.testing.assert_array_equal(columns.rows, gridded.columns.rows)
        assert not np.array_equal(columns.node_weights, gridded.columns.node_weights)


# --- which layer ---


def test_years_outside_take_the_nearest_surface_and_it_is_said_once(gdir, features, caplog):
    write_dem_stack(gdir, make_stack(features, [2002, 2003], [0.0, -40.0]), ABOUT)
    for _ in range(2):
        _, found = run(gdir, surface="yearly")
    assert found["surface_year"].values.tolist() == [2002, 2002, 2003, 2003]
    said = [r.getMessage() for r in caplog.records if "the surfaces are of" in r.getMessage()]
    assert said == [
        f"({gdir.rgi_id}) the surfaces are of 2002 to 2003: for 2001 that of 2002 is taken, "
        "for 2004 that of 2003 is taken"
    ]


def test_years_inside_are_not_mentioned_and_between_two_the_nearer_is_taken(gdir, features, caplog):
    stack = make_stack(features, [YS, YE, 2008])
    assert [nearest_year(stack, year) for year in (2003, 2005, 2006, 2007)] == [2004, 2004, 2004, 2008]
    write_dem_stack(gdir, stack, ABOUT)
    _, found = run(gdir, surface="yearly", years="mass_balance")
    assert found["surface_year"].values.tolist() == [2001, 2004, 2004]
    assert not any("the surfaces are of" in record.getMessage() for record in caplog.records)


def test_the_file_tells_surface_stack_and_datum(gdir, features):
    stack = moving(features)
    write_dem_stack(gdir, stack, ABOUT, "_other")
    _, found = run(gdir, surface="yearly", dem_stack_filesuffix="_other", daily=True, ys=2003, ye=2003)
    assert found.attrs["dem_stack"] == "glaunti_dem_stack_other.nc"
    assert found.attrs["dem_stack_sha256"] == stack.digest()
    assert found.attrs["vertical_datum"] == ABOUT["vertical_datum"]
    assert (found["surface_year"] == 2003).all()
    _, fixed = run(gdir, ys=2003, ye=2003)
    assert fixed.attrs["surface"] == "fixed"
    assert "surface_year" not in fixed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"surface": "moving"}, r"surface: expected one of \('fixed', 'yearly'\), found 'moving'"),
        ({"dem_stack_filesuffix": "_other"}, "dem_stack_filesuffix='_other' goes with surface='yearly', found 'fixed'"),
    ],
)
def test_impossible_choices_are_refused(options, message, gdir):
    with pytest.raises(InvalidParamsError, match=f"^{gdir.rgi_id}: {message}"):
        run(gdir, **options)


@pytest.mark.slow
def test_a_stack_in_another_datum_than_the_features_is_said(gdir, features, caplog):
    write_dem_stack(gdir, make_stack(features, rise=np.full(YE - YS + 1, 54.0)), ABOUT)
    run(gdir, surface="yearly")
    said = [r.getMessage() for r in caplog.records if "same vertical datum" in r.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"({gdir.rgi_id}) glaunti_dem_stack.nc lies +54.0 m above glaunti_features.nc")
    caplog.clear()
    write_dem_stack(gdir, make_stack(features, rise=np.full(YE - YS + 1, 4.0)), ABOUT)
    run(gdir, surface="yearly")
    assert not any("datum" in record.getMessage() for record in caplog.records)


def test_a_calibration_made_on_the_fixed_surface_is_mentioned(gdir, features, caplog):
    from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti

    write_dem_stack(gdir, make_stack(features), ABOUT)
    run(gdir, surface="yearly")
    assert "the calibration was made on the fixed one" not in caplog.text
    calibrate_glaunti(gdir, mb_kwargs={"model": "A"}, ref_mb=-500.0, ref_period=f"{YS}-01-01_{YE + 1}-01-01")
    run(gdir, surface="yearly")
    assert "the surface moves, the calibration was made on the fixed one" in caplog.text


def test_a_period_that_is_called_another_year_than_its_last_is_refused(gdir):
    period = Period(2004, np.datetime64("2002-10-01"), None, np.datetime64("2003-09-30"))
    with pytest.raises(InvalidParamsError, match="expected the year in which it ends"):
        run(gdir, dates=[period])


# --- errors ---


def test_a_missing_stack_names_the_task(gdir):
    message = rf"^{gdir.rgi_id}: glaunti_dem_stack_a.nc not found in .*process_dem_stack\(gdir, ..., filesuffix='_a'\)"
    with pytest.raises(InvalidWorkflowError, match=message):
        run(gdir, surface="yearly", dem_stack_filesuffix="_a")
    with pytest.raises(InvalidWorkflowError, match=r"glaunti_dem_stack.nc not found .*process_dem_stack\(gdir, ...\)"):
        glaunti_features(gdir, year=2002)


@pytest.mark.parametrize("change", ["shifted", "smaller", "zone"])
def test_a_stack_on_other_cells_is_refused_and_both_are_named(change, gdir, features):
    stack = make_stack(features)
    if change == "shifted":
        stack = dataclasses.replace(stack, x=stack.x + 50.0)
    elif change == "smaller":
        cut = {name: getattr(stack, name)[..., 1:] for name in ("z", "z_std", "imputed", "dh_trend", "x")}
        stack = dataclasses.replace(stack, **cut)
    else:
        stack = dataclasses.replace(stack, crs="EPSG:32633")
    write_dem_stack(gdir, stack, ABOUT)
    message = (
        rf"^{gdir.rgi_id}: glaunti_dem_stack.nc is on other cells .* cells, x .* the maps have .*process_dem_stack"
    )
    for call in (lambda: run(gdir, surface="yearly"), lambda: glaunti_features(gdir, year=2002)):
        with pytest.raises(InvalidParamsError, match=message):
            call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"years": [2001, 2003, 2002, 2004]}, "years: expected at least one, rising"),
        ({"z_std": -1.0}, "z_std: .* negative"),
        ({"z": np.nan}, "z: .* are NaN or infinite"),
        ({"dh_trend": np.inf}, "dh_trend: .* are NaN or infinite"),
        ({"imputed": np.zeros((4, 3, 3))}, r"imputed has shape \(4, 3, 3\)"),
        ({"y": "flipped"}, "y has steps of 100 to 100 m; expected -100 m"),
        ({"crs": "EPSG:4326"}, "expected a UTM zone"),
    ],
)
def test_impossible_surfaces_are_refused(change, message, features):
    stack = make_stack(features)
    ((name, value),) = change.items()
    if name == "y":
        value = stack.y[::-1]
    elif isinstance(value, float):
        value = np.full_like(getattr(stack, name), value)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(stack, **{name: value})


def test_what_is_written_is_read_again(gdir, features):
    stack = moving(features)
    stack = dataclasses.replace(stack, imputed=stack.z > features.elevation, dh_trend=stack.z[-1] - stack.z[0])
    path = write_dem_stack(gdir, stack, {**ABOUT, "vertical_shift": 53.9})
    assert path.name == dem_stack_name()
    assert read_dem_stack(gdir).digest() == stack.digest()
    assert read_dem_stack_attributes(gdir)["vertical_shift"] == 53.9
    with xr.open_dataset(path) as ds:
        assert ds["z"].dims == ("year", "y", "x")
        assert ds["year"].values.tolist() == [2001, 2002, 2003, 2004]
        assert (ds["z"].units, ds["dh_trend"].units, ds["imputed"].dtype) == ("m", "m yr-1", np.int8)
        assert ds["imputed"].flag_meanings == "measured imputed"


def test_a_stack_without_datum_is_neither_written_nor_used(gdir, features):
    with pytest.raises(InvalidParamsError, match=f"^{gdir.rgi_id}: glaunti_dem_stack.nc: .* vertical_datum"):
        write_dem_stack(gdir, make_stack(features), {})
    path = write_dem_stack(gdir, make_stack(features), ABOUT)
    with netCDF4.Dataset(path, "a") as nc:
        nc.delncattr("vertical_datum")
    with pytest.raises(InvalidParamsError, match="cannot be used: no attribute vertical_datum"):
        run(gdir, surface="yearly")


def test_a_damaged_stack_is_named_with_what_is_wrong(gdir, features):
    path = write_dem_stack(gdir, make_stack(features), ABOUT)
    with netCDF4.Dataset(path, "a") as nc:
        nc.renameVariable("z_std", "spread")
    with pytest.raises(InvalidParamsError, match=r"glaunti_dem_stack.nc cannot be used: no variables z_std. Run .*"):
        run(gdir, surface="yearly")
    path.write_bytes(b"not a file")
    with pytest.raises(InvalidParamsError, match=r"glaunti_dem_stack.nc cannot be used"):
        run(gdir, surface="yearly")


# --- features of a year ---


def test_features_of_a_year_have_its_surface_and_say_so(gdir, features, caplog):
    stack = moving(features)
    write_dem_stack(gdir, stack, ABOUT)
    glaunti_features(gdir, year=2030, filesuffix="_2030")
    found = read_features(gdir, "_2030")
    np.testing.assert_array_equal(found.elevation, stack.z[-1])
    np.testing.assert_array_equal(found.elevation_std, stack.z_std[-1])
    np.testing.assert_array_equal(found.outline, features.outline)
    assert found.digest() == features_of_year(features, stack, 2030, gdir.rgi_id).digest()
    assert "for 2030 that of 2004 is taken" in caplog.text
    with netCDF4.Dataset(gdir.get_filepath("glaunti_features", filesuffix="_2030")) as nc:
        assert nc.dem_origin == "glaunti_dem_stack.nc, surface of 1 January 2004"
        assert nc.elevation_std_source == "glaunti_dem_stack.nc"
        assert nc.vertical_datum == ABOUT["vertical_datum"]
        assert nc.dem_stack_sha256 == stack.digest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"year": 2002, "dem_file": "dem.tif"}, "dem_file given with year=2002, .* give either"),
        ({"year": 2002, "elevation_std": 0.0}, "elevation_std given with year=2002"),
        ({"year": 2002.5}, "year: expected a whole number, found 2002.5"),
        ({"dem_stack_filesuffix": "_a"}, "dem_stack_filesuffix='_a' goes with a year"),
    ],
)
def test_arguments_that_contradict_are_refused(options, message, gdir):
    with pytest.raises(InvalidParamsError, match=f"^{gdir.rgi_id}: {message}"):
        glaunti_features(gdir, **options)
