"""``oggm-glaunti run``: regions without Python, offline."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.affinity import translate

from oggm_glaunti import settings
from oggm_glaunti.cli.config import config_of_run
from oggm_glaunti.cli.directories import open_glaciers
from oggm_glaunti.cli.main import main
from oggm_glaunti.workflows.valley import WEATHER_HEIGHT, daily_weather, valley_outline, write_dem

COMMAND = Path(sys.executable).with_name("oggm-glaunti")
TIME_LIMIT = 240  # s
GOOD, OFF_THE_MAP = "RGI60-11.99999", "RGI60-11.99998"
CSV_UNITS = ["--temp-units", "degC", "--prcp-units", "mm/day", "--ref-hgt", str(WEATHER_HEIGHT)]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """The invented glacier, and another that no DEM covers; five years of weather."""
    folder = tmp_path_factory.mktemp("inputs")
    write_dem(folder / "dem.tif")
    here = valley_outline()
    away = here.assign(RGIId=OFF_THE_MAP, geometry=here.geometry.map(lambda outline: translate(outline, 0.0, 1.0)))
    away["CenLat"] += 1.0
    here.to_file(folder / "one.gpkg")
    away.to_file(folder / "away.gpkg")
    pd.concat([here, away]).to_file(folder / "both.gpkg")
    gpd.GeoDataFrame(geometry=here.geometry).to_crs("EPSG:32632").to_file(folder / "bare.gpkg")
    daily_weather(2000, 2004).to_csv(folder / "weather.csv", date_format="%Y-%m-%d")
    return folder


def arguments_of(inputs: Path, out: Path, outlines: str, *options: str) -> list[str]:
    """Model A on own files."""
    files = ["--shapefile", inputs / outlines, "--dem", inputs / "dem.tif", "--climate", inputs / "weather.csv"]
    given = [*CSV_UNITS, "--years", "2000", "2004", "--model", "a", "--border", "40", "--out", out]
    return ["run", *map(str, [*files, *given, *options])]


@pytest.fixture
def run(inputs, oggm_env, capsys):
    """The command in this process; returns exit status, standard output and standard error."""

    def run_here(out: Path, *options: str, outlines: str = "one.gpkg") -> tuple[int, str, str]:
        capsys.readouterr()
        return main(arguments_of(inputs, out, outlines, *options)), *capsys.readouterr()

    return run_here


def call(*arguments) -> subprocess.CompletedProcess:
    """The command as a user gives it."""
    command = [COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False)


def gdir_of(out: Path, rgi_id: str = GOOD) -> Path:
    return out / "per_glacier" / rgi_id[:-6] / rgi_id[:-3] / rgi_id


def output(out: Path, name: str = "glaunti_output.nc") -> xr.Dataset:
    with xr.open_dataset(out / name) as ds:
        return ds.load()


@pytest.mark.slow
def test_a_region_is_run_goes_on_where_it_was_and_follows_what_is_asked_for(inputs, tmp_path, run):
    out = tmp_path / "out"
    done = call(*arguments_of(inputs, out, "both.gpkg"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "Model A with its published parameters: not calibrated to these glaciers (see --ref-mb)."
    # What is wrong with the DEM, and not what the next task makes of it.
    assert f"failed: {OFF_THE_MAP}, directory: DEM: dem.tif does not overlap the glacier: it covers lon" in done.stdout
    assert lines[-2] == "1 of 2 glaciers done"
    assert lines[-1] == f"In {out}: glaunti_output.nc, run_output.nc, glaciers.csv"
    statuses = pd.read_csv(out / "glaciers.csv", index_col="rgi_id")
    assert statuses["status"].to_dict() == {GOOD: "done", OFF_THE_MAP: "failed"}
    first = output(out)
    assert list(first["rgi_id"].values) == [GOOD]
    assert list(first["year"].values) == [2001, 2002, 2003, 2004]
    assert np.isfinite(first["specific_mb"]).all()
    volume = output(out, "run_output.nc")["volume"]
    assert list(volume["time"].values) == [2000, 2001, 2002, 2003, 2004, 2005]
    assert (volume > 0).all()

    status, printed, _ = run(out, outlines="both.gpkg")
    assert status == 0
    assert len([line for line in printed.splitlines() if "1 from before" in line]) == 5, printed
    assert "tables: 1 valid" in printed
    np.testing.assert_array_equal(output(out)["specific_mb"], first["specific_mb"])

    to_reference = ("--ref-mb", "-500", "--ref-mb-err", "50", "--ref-period", "2000-01-01_2005-01-01")
    _, printed, _ = run(out, *to_reference, outlines="both.gpkg")
    assert "prcp_fac and melt_f of every glacier estimated from -500 kg m-2 yr-1 of 2000-01-01_2005-01-01" in printed
    assert "climate: 1 glaciers, 1 from before" in printed
    params = json.loads((gdir_of(out) / "glaunti_params.json").read_text())
    assert (params["model"], params["reference_mb"], params["reference_mb_err"]) == ("A", -500, 50)
    assert abs(params["residual"]) < 50
    assert abs(output(out)["specific_mb"] - first["specific_mb"]).min() > 0.01

    run(out, outlines="both.gpkg")
    np.testing.assert_allclose(output(out)["specific_mb"], first["specific_mb"], atol=1e-5)


@pytest.mark.slow
def test_the_balance_of_mapped_glaciers_is_that_of_the_class_in_python(tmp_path, run):
    import oggm

    from oggm_glaunti import GlaUnTIMassBalanceA

    out = tmp_path / "out"
    status, printed, error = run(out, "--no-dynamics", outlines="bare.gpkg")
    assert status == 0, printed + error
    assert "tables: 1 written" in printed
    assert not (out / "run_output.nc").exists()
    ds = output(out)
    (name,) = ds["rgi_id"].values
    assert name == "RGI60-00.00001"  # a file of bare polygons
    gdir = oggm.GlacierDirectory(name, base_dir=str(out / "per_glacier"))
    model, fls = GlaUnTIMassBalanceA(gdir), gdir.read_pickle("inversion_flowlines")
    calendar = model.get_specific_mb(fls=fls, year=[2001, 2002, 2003, 2004]) / 1000
    # October to September and January to December: four years of each share all but the autumns at the two ends.
    np.testing.assert_allclose(ds["specific_mb"].values[0].mean(), calendar.mean(), atol=0.15)


def test_where_no_glacier_is_done_the_status_says_so_and_old_output_is_gone(tmp_path, run):
    out = tmp_path / "out"
    out.mkdir()
    (out / "glaunti_output.nc").touch()
    status, printed, _ = run(out, outlines="away.gpkg")
    assert status == 1
    assert "0 of 1 glaciers done" in printed
    assert printed.splitlines()[-1] == f"In {out}: glaciers.csv"
    assert not (out / "glaunti_output.nc").exists()


def test_years_without_weather_are_named_and_other_outlines_need_another_folder(tmp_path, run):
    out = tmp_path / "out"
    status, printed, _ = run(out, "--years", "1990", "2004")
    assert status == 1
    assert f"{GOOD}: the weather holds 2000 to 2004, not 1990 to 2004" in printed
    asked = (out / "run.yml").read_text()
    status, _, error = run(out, outlines="both.gpkg")
    assert status == 2
    assert (out / "run.yml").read_text() == asked
    assert error.startswith("oggm-glaunti: error: ")
    assert error.endswith("give another --out\n")


def test_a_record_without_a_balance_year_is_named(tmp_path, run):
    status, printed, _ = run(tmp_path / "out", "--years", "2000", "2000", "--no-dynamics")
    assert status == 1
    assert f"{GOOD}: the weather begins in 2000, in the middle of that balance year" in printed
    assert pd.read_csv(tmp_path / "out" / "glaciers.csv")["stage"].tolist() == ["climate"]


def test_options_of_a_run_are_written_before_its_first_stage(tmp_path, run, monkeypatch):
    from oggm_glaunti.workflows import region_chain

    def interrupt(chain):
        raise KeyboardInterrupt

    monkeypatch.setattr(region_chain._Chain, "geometry_and_climate", interrupt)
    assert run(tmp_path / "out", "--memory", "900")[0] == 130
    written = config_of_run(tmp_path / "out", "model", "memory", "years")
    assert written == {"model": "A", "memory": "900", "years": ["2000", "2004"]}


@pytest.mark.slow
def test_an_interrupted_run_says_so_in_one_line_and_goes_on(tmp_path, run, monkeypatch):
    from oggm_glaunti.workflows import region_chain

    def interrupt(gdir, **kwargs):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(region_chain, "forget_calibration", interrupt)
        status, _, error = run(out, "--no-dynamics")
    assert status == 130
    assert error.splitlines() == ["oggm-glaunti: error: interrupted; the same call goes on from here"]
    status, printed, _ = run(out, "--no-dynamics")
    assert status == 0
    assert "climate: 1 glaciers, 1 from before" in printed
    assert "balance: 1 glaciers\n" in printed


def test_outlines_with_an_id_and_nothing_else_fail_with_the_reason(inputs, tmp_path, run):
    gpd.read_file(inputs / "one.gpkg")[["RGIId", "geometry"]].to_file(inputs / "only_id.gpkg")
    status, printed, _ = run(tmp_path / "out", outlines="only_id.gpkg")
    assert status == 1
    assert f"failed: {GOOD}, directory: OGGM makes no directory of its outline (AttributeError: " in printed


@pytest.mark.slow
def test_a_file_that_could_not_be_read_does_not_claim_the_folder(tmp_path, run):
    out = tmp_path / "out"
    status, _, error = run(out, outlines="weather.csv")
    assert (status, "without geometry" in error) == (2, True)
    status, printed, error = run(out, "--no-dynamics")
    assert status == 0, printed + error


OWN = ["--shapefile", "{}/one.gpkg", "--dem", "{}/dem.tif", "--climate", "{}/weather.csv", *CSV_UNITS]
IDS = ["--rgi-ids", "RGI60-11.00897", "--climate", "W5E5_daily"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*OWN, "--years", "2004", "2000"], "the last year is before the first"),
        ([*IDS, "--dem", "{}/dem.tif", "--years", "2000", "2004"], "--dem goes with --shapefile"),
        ([*IDS, "--ref-hgt", "3", "--years", "2000", "2004"], "--ref-hgt: not with --climate W5E5_daily"),
        ([*OWN[:2], "--climate", "monthly", "--years", "2000", "2004"], "--climate monthly goes with pre-processed"),
        ([*OWN, "--ref-period", "2000-01-01_2005-01-01", "--years", "2000", "2004"], "--ref-period goes with --ref-mb"),
        ([*OWN, "--ref-mb-err", "90", "--years", "2000", "2004"], "--ref-mb-err goes with a balance of --ref-mb; OGGM"),
        (
            [*OWN, "--ref-mb", "geodetic", "--ref-mb-err", "90", "--years", "2000", "2004"],
            "--ref-mb-err goes with a balance of --ref-mb; OGGM",
        ),
        ([*OWN[:4], "--climate", "nowhere.csv", "--years", "2000", "2004"], "no such file: nowhere.csv"),
        (["--shapefile", "{}/weather.csv", *OWN[2:], "--years", "2000", "2004"], "rows without geometry"),
        (["--shapefile", "{}/dem.tif", *OWN[2:], "--years", "2000", "2004"], "cannot be read as outlines"),
        (
            [*OWN[:2], "--dem", "{}/weather.csv", *OWN[4:], "--years", "2000", "2004"],
            "weather.csv cannot be read as a raster",
        ),
        ([*OWN, "--years", "2000", "2004", "--model", "c", "--weights", "none"], "GlaUnTI weights c.eqx not found"),
    ],
)
def test_what_cannot_be_run_is_one_line_and_exits_2(inputs, tmp_path, arguments, said, capsys, oggm_env):
    given = [argument.format(inputs) for argument in arguments]
    capsys.readouterr()
    assert main(["run", *given, "--out", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("oggm-glaunti: error: ")
    assert said in lines[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--climate", "W5E5_daily", "--years", "2000", "2004", "--out", "x"],
        [*IDS, "--years", "2000", "2004", "--out", "x", "--model", "b"],
        [*IDS, "--years", "2000", "2004", "--out", "x", "--workers", "0"],
        [*IDS, "--years", "2000", "2004", "--out", "x", "--ref-mb", "much"],
    ],
)
def test_impossible_arguments_exit_2_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(["run", *arguments])
    assert end.value.code == 2
    assert "usage: oggm-glaunti run" in capsys.readouterr().err


def test_rgi_ids_without_a_network_say_what_needs_none(tmp_path, monkeypatch, capsys, oggm_env):
    from oggm import cfg

    def no_network(**kwargs):
        raise AttributeError("'NoneType' object has no attribute 'seek'")  # what OGGM 1.6.3 says

    monkeypatch.setattr(cfg, "initialize", no_network)
    assert main(["run", *IDS, "--years", "2000", "2004", "--out", str(tmp_path)]) == 2
    assert "--shapefile with --dem FILE and --climate FILE does not" in capsys.readouterr().err


@pytest.fixture
def prepro(inputs, tmp_path, monkeypatch, oggm_env) -> str:
    """A server's folder of pre-processed directories of level 3, with the invented glacier."""
    from oggm import cfg, tasks, utils, workflow

    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.oggm.offline import start_offline
    from oggm_glaunti.workflows.region_chain import INVERSION_TASKS
    from oggm_glaunti.workflows.valley import make_daily_weather, make_valley_glacier

    gdir = make_valley_glacier(tmp_path / "making", params={"border": 40, "use_multiprocessing": False})
    make_daily_weather(gdir, first_year=2000, last_year=2004)
    tasks.apparent_mb_from_any_mb(gdir, mb_model_class=GlaUnTIMassBalanceA, mb_years=[2000, 2005])
    for name in INVERSION_TASKS:
        getattr(tasks, name)(gdir)
    server = tmp_path / "server"
    level = server / f"RGI{cfg.PARAMS['rgi_version']}" / "b_040" / "L3"
    workflow.execute_entity_task(utils.gdir_to_tar, [gdir], base_dir=str(level), delete=False)
    utils.base_dir_to_tar(str(level), delete=True)

    def initialize(logging_level):
        start_offline(tmp_path / "started", logging_level=logging_level)
        cfg.PARAMS["has_internet"] = True
        cfg.PATHS["dl_cache_dir"] = str(tmp_path / "downloads")

    # OGGM's own would download its sample data.
    monkeypatch.setattr(cfg, "initialize", initialize)
    return server.as_uri()


@pytest.mark.slow
def test_prepared_directories_keep_their_ice_and_one_that_is_missing_is_named(inputs, prepro, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["run", "--rgi-ids", GOOD, "RGI60-11.99997", "--prepro-url", prepro, "--border", "40", *CSV_UNITS]
    arguments += [
        "--climate",
        str(inputs / "weather.csv"),
        "--years",
        "2000",
        "2004",
        "--model",
        "a",
        "--out",
        str(out),
    ]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "directories: 1 of 2, 0 from before" in printed
    assert "failed: RGI60-11.99997, directory: no directory of level 3" in printed
    assert "ice:" not in printed
    assert np.isfinite(output(out)["specific_mb"]).all()
    assert main(arguments) == 0
    assert "directories: 1 of 2, 1 from before" in capsys.readouterr().out


@pytest.mark.slow
def test_prepared_directories_run_on_days_made_from_their_months(prepro, tmp_path):
    out = tmp_path / "out"
    arguments = ["run", "--rgi-ids", GOOD, "--prepro-url", prepro, "--border", "40", "--climate", "monthly"]
    assert main([*arguments, "--years", "2000", "2004", "--model", "a", "--no-dynamics", "--out", str(out)]) == 0
    assert np.isfinite(output(out)["specific_mb"]).all()
    (path,) = out.glob("per_glacier/**/climate_historical_daily.nc")
    with xr.open_dataset(path) as climate:
        assert climate.attrs["climate_source"].endswith("_monthly_to_daily")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outlines", "rgi_id", "volume", "balance"),
    [
        ("rgi7g_hef", "RGI2000-v7.0-G-11-03116", 0.713, -2.44),
        ("rgi7c_hef", "RGI2000-v7.0-C-11-02192", 7.28, -2.12),
    ],
)
def test_version_7_of_the_inventory_needs_no_network(
    shared, tmp_path, monkeypatch, capsys, oggm_env, outlines, rgi_id, volume, balance
):
    from oggm.utils import _funcs

    from oggm_glaunti.fit.readers import from_gdir

    from ..glaciers import write_hef_weather

    monkeypatch.setattr(_funcs, "_RGI_METADATA", {})
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    sample = shared / "data/oggm-sample-data"
    files = ["--shapefile", sample / f"test-files/rgi7/{outlines}.shp"]
    files += ["--dem", sample / "test-workflow/srtm_oetztal.tif"]
    files += ["--climate", write_hef_weather(tmp_path / "weather.csv", shared)]
    options = ["--ref-hgt", "2919", "--temp-units", "degC", "--prcp-units", "m/day", "--years", "2014", "2022"]
    out = tmp_path / "out"
    assert main(["run", *map(str, [*files, *options, "--border", "20", "--model", "a", "--out", out])]) == 0
    assert "1 of 1 glaciers done" in capsys.readouterr().out
    ds, run = output(out), output(out, "run_output.nc")
    assert ds["rgi_id"].values == [rgi_id]
    mapped = float(gpd.read_file(files[1])["area_km2"].iloc[0])
    assert float(ds["area"][0, 0]) == pytest.approx(mapped, rel=0.005)
    assert float(run["volume"][0, 0]) / 1e9 == pytest.approx(volume, rel=0.01)
    assert float(ds["specific_mb"].mean()) == pytest.approx(balance, abs=0.01)
    # The directories are opened by their ids later, by `oggm-glaunti analyse` and by OGGM.
    (gdir,) = open_glaciers(out)
    assert gdir.rgi_region_name == "11: Central Europe"
    assert gdir.rgi_date == (2003 if outlines == "rgi7g_hef" else 2000)
    gdir.set_ref_mb_data(pd.DataFrame({"ANNUAL_BALANCE": [-900.0]}, index=pd.Index([2015], name="YEAR")))
    assert from_gdir(gdir, default_dates=True).observations["value"].tolist() == [-0.9]


@pytest.mark.slow
def test_glaciers_of_the_oetztal_with_model_c_by_two_workers(
    shared, weights_dir, oggm_env, tmp_path, monkeypatch, capsys
):
    from ..glaciers import write_hef_weather
    from ..region.oetztal import oetztal_outlines

    monkeypatch.setenv(settings.WEIGHTS_ENV, str(weights_dir))
    outlines = oetztal_outlines(shared).sort_values("Area").iloc[[3, 6]]
    outlines.to_file(tmp_path / "oetztal.shp")
    weather = write_hef_weather(tmp_path / "weather.csv", shared)
    dem = shared / "data/oggm-sample-data/test-workflow/srtm_oetztal.tif"
    arguments = ["--shapefile", tmp_path / "oetztal.shp", "--dem", dem, "--climate", weather, "--ref-hgt", "2919"]
    arguments += ["--temp-units", "degC", "--prcp-units", "m/day", "--years", "2018", "2022", "--border", "20"]
    arguments += ["--workers", "2", "--out", tmp_path / "out"]
    status = main(["run", *map(str, arguments)])
    printed, error = capsys.readouterr()
    assert status == 0, error
    assert "2 of 2 glaciers done" in printed
    ds = output(tmp_path / "out")
    assert sorted(ds["rgi_id"].values) == sorted(outlines["RGIId"])
    mean = ds["specific_mb"].mean("time")
    assert ((mean > -3) & (mean < 0)).all()
