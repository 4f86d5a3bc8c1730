"""Yearly surfaces in a glacier directory: moved into its frame and datum, without voids, and told about."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import tasks as gtasks
from oggm_glaunti.companions.dem.datum import stable_ground
from oggm_glaunti.coupling.ground import dem_stack_file
from oggm_glaunti.coupling.ground.dem_stack_file import read_dem_stack, read_dem_stack_attributes
from oggm_glaunti.coupling.ground.features import outline_on_grid, read_features
from oggm_glaunti.coupling.ground.terrain import find_terrain
from oggm_glaunti.workflows import valley
from tests.companions.dem import valley_stack as made

QUICK = {"imputation": {"method": "hypsometric"}}
# On the slope in the west of the valley, beside the ice.
VOID = slice(30, 34), slice(18, 24)


@pytest.fixture
def gdir(oggm_env: Path):
    return made.make_gdir(oggm_env)


@pytest.fixture
def years(tmp_path: Path) -> dict:
    return made.write_years(tmp_path / "years", void=VOID)


def truth(gdir) -> np.ndarray:
    """Heights of the valley in its right place and datum (K, H, W)."""
    grid, _ = outline_on_grid(gdir)
    sinking = made.TREND * (np.array(made.YEARS) - np.mean(made.YEARS))
    return valley.valley_surface(grid.x[None, :], grid.y[:, None]) + sinking[:, None, None]


def written(gdir) -> set[str]:
    return {path.name for path in Path(gdir.dir).iterdir() if "dem_stack" in path.name}


# --- a known shift and offset ---


@pytest.mark.slow
def test_a_stack_is_moved_lowered_and_filled(gdir, years, caplog):
    with caplog.at_level(logging.WARNING):
        gtasks.process_dem_stack(gdir, **years, **QUICK)
    stack, about = read_dem_stack(gdir), read_dem_stack_attributes(gdir)
    assert stack.years.tolist() == list(made.YEARS)
    assert about["shift_east"] == pytest.approx(-made.EAST, abs=6.0)
    assert about["shift_north"] == pytest.approx(-made.NORTH, abs=6.0)
    assert about["vertical_shift"] == pytest.approx(made.OFFSET, abs=2.0)
    assert about["nmad_after"] < 0.5 * about["nmad_before"]
    error = stack.z - truth(gdir)
    assert np.median(np.abs(error[~stack.imputed])) < 4.0
    assert 12 <= stack.imputed[0].sum() <= 50
    assert np.abs(error[stack.imputed]).max() < 60.0
    assert stack.z_std[stack.imputed].min() >= 6.0
    np.testing.assert_allclose(np.median(stack.dh_trend), made.TREND, atol=0.01)
    assert f"{about['vertical_shift']:.2f} m are subtracted" in caplog.text
    assert "vertical_datum='ellipsoid' or 'geoid'" in caplog.text


@pytest.mark.slow
def test_the_default_is_regression_and_kriging_and_fills_better_than_bands_of_height(gdir, years):
    scores = []
    for method in ({}, QUICK):
        gtasks.process_dem_stack(gdir, **years, **method)
        scores.append(read_dem_stack_attributes(gdir))
    assert scores[0]["method"] == "rff_kriging"
    assert scores[0]["rmse"] < scores[1]["rmse"]


def test_another_dem_than_the_directorys_is_named_as_the_datum(gdir, years):
    dem = cfg.PATHS["dem_file"]
    gtasks.process_dem_stack(gdir, **years, **QUICK, dem_file=dem)
    assert read_dem_stack_attributes(gdir)["vertical_datum"] == "that of dem.tif (dem_file), whatever that is"


def test_the_file_tells_what_was_done_to_the_input(gdir, years):
    gtasks.process_dem_stack(gdir, **years, imputation={**QUICK["imputation"], "seed": 3}, vertical_datum="ellipsoid")
    about = read_dem_stack_attributes(gdir)
    assert about["source_files"].startswith("z_2001.tif, z_2002.tif")
    assert about["source_files"].endswith("s_2004.tif")
    assert len(about["source_sha256"]) == len(about["dem_sha256"]) == 64
    assert (about["method"], about["seed"]) == ("hypsometric", 3)
    assert (about["dem_source"], about["dem_files"]) == ("USER", "dem.tif")
    assert about["input_vertical_datum"] == "ellipsoid"
    assert "the directory's DEM (USER)" in about["vertical_datum"]
    assert about["vertical_shift_source"].startswith("measured: median")
    assert abs(about["median_difference"]) < 0.1
    assert 0 < about["imputed_share"] < 0.02
    assert {"rmse", "median_error", "nmad", "coverage_90", "std_scale", "coregistered"} <= set(about)


@pytest.mark.slow
def test_another_byte_in_the_input_is_another_digest(gdir, tmp_path):
    digests = set()
    for std in (6.0, 6.5):
        gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, std=std), **QUICK)
        digests.add(read_dem_stack_attributes(gdir)["source_sha256"])
    assert len(digests) == 2


def test_a_stack_that_lies_right_may_stay_where_it_is(gdir, years):
    gtasks.process_dem_stack(gdir, **years, **QUICK, coregister=False)
    about = read_dem_stack_attributes(gdir)
    assert (about["shift_east"], about["shift_north"], about["coregistered"]) == (0.0, 0.0, "no")
    assert about["nmad_after"] == pytest.approx(about["nmad_before"])


@pytest.mark.slow
def test_finer_rasters_and_those_of_the_authors_give_the_same_surface(gdir, years, tmp_path):
    stacks = []
    inputs = (
        made.write_years(tmp_path / "fine", cell=50.0, void=None),
        {"z": made.write_netcdf(tmp_path / "dem.nc")},
        {"z": made.write_netcdf(tmp_path / "ours.nc", std_name="z_std", south_up=True)},
        {"z": made.write_tiles(tmp_path / "tiles", void=(slice(0, 1), slice(0, 1))), "glacier": "Old_Valley 2"},
        {"z": made.write_tiles(tmp_path / "tiles", void=(slice(0, 1), slice(0, 1)))},
    )
    for given in inputs:
        gtasks.process_dem_stack(gdir, **given, **QUICK)
        stacks.append(read_dem_stack(gdir))
    fine, *coarse = stacks
    for stack in coarse:
        np.testing.assert_allclose(stack.z, coarse[0].z, atol=1e-3)
    assert np.median(np.abs(fine.z - coarse[0].z)) < 3.0
    assert not any(stack.imputed.any() for stack in stacks)


def test_pixels_that_were_imputed_before_are_imputed_anew_and_flagged(gdir, tmp_path):
    path = made.write_netcdf(tmp_path / "imputed.nc")
    with netCDF4.Dataset(path, "a") as nc:
        flags = np.zeros(nc["z"].shape, np.int8)
        flags[:, VOID[0], VOID[1]] = 1
        nc.createVariable("imputed", "i1", ("year", "y", "x"))[:] = flags
        nc["z"][:] = np.where(flags == 1, 0.0, nc["z"][:])
    gtasks.process_dem_stack(gdir, z=path, **QUICK)
    stack = read_dem_stack(gdir)
    assert stack.imputed[0].sum() >= 12
    assert np.abs(stack.z - truth(gdir)).max() < 60.0


@pytest.mark.slow
def test_what_the_command_writes_is_read(gdir, tmp_path):
    from oggm_glaunti.cli.main import main

    tiles, out = made.write_tiles(tmp_path / "tiles", void=VOID), tmp_path / "valley.nc"
    assert main(["impute-dem", str(tiles), str(out), "--method", "hypsometric"]) == 0
    stacks = []
    for z in (out, tiles):
        gtasks.process_dem_stack(gdir, z=z, **QUICK)
        stacks.append(read_dem_stack(gdir))
    assert stacks[0].digest() == stacks[1].digest()
    assert stacks[0].imputed.any()


def test_the_stack_has_the_cells_of_the_features(gdir, years):
    gtasks.glaunti_features(gdir)
    gtasks.process_dem_stack(gdir, **years, **QUICK, filesuffix="_test")
    features, stack = read_features(gdir), read_dem_stack(gdir, "_test")
    np.testing.assert_array_equal(stack.x, features.x)
    np.testing.assert_array_equal(stack.y, features.y)
    assert written(gdir) == {"glaunti_dem_stack_test.nc"}


# --- the vertical datum ---


def test_heights_that_agree_are_left_and_that_is_said(gdir, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, offset=3.0), **QUICK)
    about = read_dem_stack_attributes(gdir)
    assert about["vertical_shift"] == 0.0
    assert about["input_vertical_datum"] == "not stated, taken as that of the directory's DEM"
    assert about["median_difference"] == pytest.approx(3.0, abs=2.0)
    # The invented valley sinks everywhere.
    assert "datums are compared on all ground beside the glacier, of which 0 cells are less than 30" in caplog.text
    assert "are subtracted" not in caplog.text


def stable(years: list[int], placed: np.ndarray, dem: np.ndarray) -> tuple[np.ndarray, str]:
    difference = placed.mean(axis=0) - dem
    return stable_ground("RGI60-11.99999", difference, placed, np.array(years), dem.astype(np.float32))


@pytest.mark.parametrize("years", [[2000, 2001, 2002], [2000, 2010, 2019]])
def test_steep_ground_and_glaciers_that_sink_do_not_tell_the_datum(years):
    rows, columns = np.indices((30, 40))
    dem = np.where(columns < 10, 80.0 * columns, 800.0)
    sinking = np.where(rows < 10, -1.0, -0.05)
    offset = np.where(rows < 10, 20.0, np.where(columns < 10, -30.0, 54.0))
    z = dem + offset + sinking * (np.array(years) - np.mean(years))[:, None, None]
    found, words = stable(years, z, dem)
    assert np.nanmedian(found) == pytest.approx(54.0, abs=0.01)
    assert np.isnan(found[:10]).all()
    assert words == "600 cells beside the glacier, less than 30 degrees steep and moving less than 0.1 m a year"


@pytest.mark.slow
def test_a_geoid_height_may_be_a_number_or_a_raster(gdir, years, tmp_path):
    x, y = made.axes(1000.0, west=-9000.0, east=9000.0, south=-9000.0, north=12_000.0)
    raster = made.write_raster(tmp_path / "egm.tif", np.full((y.size, x.size), 47.0), x, y)
    told = []
    for height in (47.0, raster):
        gtasks.process_dem_stack(gdir, **years, **QUICK, vertical_datum="ellipsoid", geoid_height=height)
        told.append(read_dem_stack_attributes(gdir))
    assert [about["vertical_shift"] for about in told] == [47.0, 47.0]
    assert [about["vertical_shift_source"].rpartition(": ")[2] for about in told] == ["constant, 47 m", "egm.tif"]


@pytest.mark.slow
def test_a_datum_that_cannot_be_names_the_glacier_and_writes_nothing(gdir, years):
    for said in ({"vertical_datum": "geoid"}, {"vertical_datum": "ellipsoid", "geoid_height": -48.0}):
        with pytest.raises(InvalidParamsError, match=r"RGI60-11\.99999: vertical_datum=.* leaves a median difference"):
            gtasks.process_dem_stack(gdir, **years, **QUICK, **said)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.99999: geoid_height is nan"):
        gtasks.process_dem_stack(gdir, **years, vertical_datum="ellipsoid", geoid_height=np.nan)
    assert written(gdir) == set()


def test_a_geoid_that_ends_within_the_maps_is_refused(gdir, years, tmp_path):
    x, y = made.axes(1000.0, west=-9000.0, east=1000.0, south=-9000.0, north=12_000.0)
    raster = made.write_raster(tmp_path / "egm.tif", np.full((y.size, x.size), 47.0), x, y)
    with pytest.raises(InvalidParamsError, match=r"geoid_height: .*egm\.tif has no value in .* % of the cells"):
        gtasks.process_dem_stack(gdir, **years, vertical_datum="ellipsoid", geoid_height=raster)


# --- input that does not do ---


def test_no_rasters_at_all_are_an_error(gdir):
    with pytest.raises(InvalidParamsError, match=f"^{gdir.rgi_id}: z names no rasters"):
        gtasks.process_dem_stack(gdir, z={}, z_std={})


@pytest.mark.slow
def test_what_is_missing_from_the_arguments_is_said(gdir, years, tmp_path):
    z, z_std = years["z"], years["z_std"]
    wrong = {
        r"z_std is missing": {"z": z},
        r"z_std is missing for 2004; every year": {"z": z, "z_std": {y: z_std[y] for y in (2001, 2002, 2003)}},
        r"glacier='X' has no meaning": {**years, "glacier": "X"},
        r"z_std is given, but": {"z": tmp_path, "z_std": z_std},
        r"nowhere\.nc: not found": {"z": tmp_path / "nowhere.nc"},
        r"z_2001\.tif cannot be read as NetCDF": {"z": z[2001]},
        r"z of 2002: .*no\.tif does not exist": {"z": {**z, 2002: tmp_path / "no.tif"}, "z_std": z_std},
        r"vertical_datum is 'sea'": {**years, "vertical_datum": "sea"},
        r"imputation names mask; expected method, seed and options": {**years, "imputation": {"mask": 1, "seed": 2}},
    }
    for message, given in wrong.items():
        with pytest.raises(InvalidParamsError, match=message):
            gtasks.process_dem_stack(gdir, **given)
    assert written(gdir) == set()


def test_one_of_several_glaciers_has_to_be_named(gdir, tmp_path):
    for name in ("One", "Two"):
        made.write_tiles(tmp_path, name)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.99999: .* holds 2 glaciers; say which one: One, Two"):
        gtasks.process_dem_stack(gdir, z=tmp_path)


def test_a_netcdf_file_has_to_say_years_deviations_and_where_it_is(gdir, tmp_path):
    path = made.write_netcdf(tmp_path / "dem.nc")
    with pytest.raises(InvalidParamsError, match=r"dem\.nc: glacier='X' picks one of a folder"):
        gtasks.process_dem_stack(gdir, z=path, glacier="X")
    with netCDF4.Dataset(path, "a") as nc:
        nc.renameVariable("crs", "somewhere")
        nc["somewhere"].delncattr("crs_wkt")
    with pytest.raises(InvalidParamsError, match=r"dem\.nc names no coordinate system"):
        gtasks.process_dem_stack(gdir, z=path)
    with netCDF4.Dataset(path, "a") as nc:
        nc.renameVariable("zstddev", "spread")
    with pytest.raises(InvalidParamsError, match=r"dem\.nc has no variable 'z_std'; found: .*spread"):
        gtasks.process_dem_stack(gdir, z=path)
    with netCDF4.Dataset(path, "a") as nc:
        nc.createVariable("z_std", "f4", ("y", "x"))[:] = 1.0
    with pytest.raises(InvalidParamsError, match=r"'z_std' has no dimension year"):
        gtasks.process_dem_stack(gdir, z=path)


def test_input_of_another_place_is_refused(gdir, tmp_path):
    away = {"west": 30_000.0, "east": 34_000.0}
    with pytest.raises(InvalidParamsError, match=r"z of 2001: z_2001\.tif does not overlap the glacier"):
        gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, **away))
    path = made.write_netcdf(tmp_path / "dem.nc")
    with netCDF4.Dataset(path, "a") as nc:
        nc["x"][:] += 30_000.0
    with pytest.raises(InvalidParamsError, match=r"dem\.nc does not overlap the glacier: it covers x 658500 to 665600"):
        gtasks.process_dem_stack(gdir, z=path)


@pytest.mark.slow
def test_too_little_of_the_maps_or_of_the_glacier_is_refused_with_the_shares(gdir, tmp_path):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.99999: 4\d(\.\d)? % of the \d+ cells .* 25 % and 50 %"):
        gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, north=2500.0), **QUICK)
    # The glacier itself, but little else.
    ice = slice(38, 67), slice(24, 49)
    with pytest.raises(
        InvalidWorkflowError, match=r"99: [12]\d(\.\d)? % .* and [5-9]\d(\.\d)? % of the glacier's have no"
    ):
        gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, void=ice), **QUICK)


def test_input_that_ends_a_little_early_is_filled_and_flagged(gdir, tmp_path):
    gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, north=5900.0), **QUICK)
    stack = read_dem_stack(gdir)
    assert stack.imputed[:, :3].all()
    assert not stack.imputed[:, 15:-15].any()
    assert 0.02 < read_dem_stack_attributes(gdir)["imputed_share"] < 0.25


def test_ground_beside_the_glacier_is_needed(gdir, tmp_path):
    years = made.write_years(tmp_path)
    x, y = made.axes()
    on_ice = np.full((y.size, x.size), np.nan)
    on_ice[40:46, 30:40] = 3000.0
    for path in years["z"].values():
        made.write_raster(path, on_ice, x, y)
    with pytest.raises(
        InvalidWorkflowError, match=r"beside the glacier the stack has heights in \d+ of \d+ cells; exp"
    ):
        gtasks.process_dem_stack(gdir, **years)


def test_a_shift_beyond_belief_is_refused_and_may_be_left_out(gdir, tmp_path, monkeypatch):
    monkeypatch.setattr(made, "EAST", 230.0)
    years = made.write_years(tmp_path)
    with pytest.raises(
        InvalidWorkflowError,
        match=r"how the stack lies beside the glacier, in cells of 100 m .* columns; less than 1.5 pixels are believed",
    ):
        gtasks.process_dem_stack(gdir, **years, **QUICK)
    gtasks.process_dem_stack(gdir, **years, **QUICK, coregister=False)


@pytest.mark.slow
def test_what_the_imputation_refuses_names_the_glacier(gdir, tmp_path, years):
    one = {name: {2001: paths[2001]} for name, paths in years.items()}
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.99999: yearly heights cannot be completed: .*year"):
        gtasks.process_dem_stack(gdir, **one)
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.99999: yearly heights cannot be completed: .*z_std"):
        gtasks.process_dem_stack(gdir, **made.write_years(tmp_path, std=0.0))


# --- faults ---


class Interrupted(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while writing", "while renaming"])
def test_an_error_on_the_way_leaves_the_old_file_and_nothing_else(gdir, years, monkeypatch, when):
    gtasks.process_dem_stack(gdir, **years, **QUICK)
    path = Path(gdir.get_filepath("glaunti_dem_stack"))
    before = path.read_bytes()

    def fails(*args, **kwargs):
        raise Interrupted(when)

    with monkeypatch.context() as patch:
        step = (dem_stack_file.cells, "write_coordinates") if when == "while writing" else (os, "replace")
        patch.setattr(*step, fails)
        with pytest.raises(Interrupted, match=when):
            gtasks.process_dem_stack(gdir, **years, imputation={**QUICK["imputation"], "seed": 1})
    assert path.read_bytes() == before
    assert written(gdir) == {path.name}


SCRIPT = """
import json, os, signal, sys
from oggm_glaunti.coupling.oggm.offline import start_offline
import oggm
from oggm import workflow

case, folder, z = sys.argv[1:]
start_offline(folder, params={"use_multiprocessing": case == "forked", "mp_processes": 2})
from oggm_glaunti import tasks as gtasks
from oggm_glaunti.coupling.ground import dem_stack_file

gdir = oggm.GlacierDirectory("RGI60-11.99999", base_dir=f"{folder}/per_glacier")
oggm.cfg.PATHS["dem_file"] = f"{folder}/dem.tif"
if case == "killed":
    dem_stack_file.cells.write_coordinates = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
calls = [(gdir, {"z": z, "imputation": {"method": "hypsometric"}, "filesuffix": suffix}) for suffix in ("_one", "_two")]
workflow.execute_entity_task(gtasks.process_dem_stack, calls)
"""


def run_script(case: str, oggm_env: Path, z: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", SCRIPT, case, str(oggm_env), str(z)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_a_killed_writer_leaves_no_file_under_the_real_name(gdir, oggm_env, tmp_path):
    done = run_script("killed", oggm_env, made.write_netcdf(tmp_path / "dem.nc"))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not any(name.startswith("glaunti") for name in written(gdir))


@pytest.mark.slow
def test_forked_workers_make_what_this_process_makes(gdir, oggm_env, tmp_path):
    path = made.write_netcdf(tmp_path / "dem.nc", void=VOID)
    gtasks.process_dem_stack(gdir, z=path, **QUICK)
    done = run_script("forked", oggm_env, path)
    assert done.returncode == 0, done.stderr
    here = read_dem_stack(gdir).digest()
    assert [read_dem_stack(gdir, suffix).digest() for suffix in ("_one", "_two")] == [here, here]


# --- Grosser Aletsch ---


@pytest.mark.slow
def test_grosser_aletsch_is_moved_half_a_cell_lowered_by_the_geoid_and_without_voids(aletsch_gdir, shared, caplog):
    tiles = shared / "data" / "demimputation"
    with pytest.raises(InvalidParamsError, match=r"holds 3 glaciers; say which one: Corbassiere, Grosser Aletsch, Sar"):
        gtasks.process_dem_stack(aletsch_gdir, z=tiles)
    with pytest.raises(
        InvalidParamsError, match=r"RGI60-11\.01450: .*Z_Sarenne_2000\.tif does not overlap the glacier"
    ):
        gtasks.process_dem_stack(aletsch_gdir, z=tiles, glacier="Sarenne")
    with caplog.at_level(logging.WARNING):
        gtasks.process_dem_stack(aletsch_gdir, z=tiles, glacier="Grosser Aletsch", **QUICK)
    stack, about = read_dem_stack(aletsch_gdir), read_dem_stack_attributes(aletsch_gdir)
    grid, outline = outline_on_grid(aletsch_gdir)
    assert (stack.shape, stack.years.tolist()) == (grid.shape, [*range(2000, 2020)])
    # West and east of 8 degrees: by a cell more than each other.
    assert about["tiles"] == "N46E007, N46E008"
    assert about["shift_east"] == pytest.approx([-50.0, 55.0], abs=8.0)
    assert about["shift_north"] == pytest.approx([-55.0, -55.0], abs=10.0)
    assert about["vertical_shift"] == pytest.approx(53.6, abs=0.7)
    assert f"{about['vertical_shift']:.2f} m are subtracted" in caplog.text
    assert about["nmad_after"] < 0.5 * about["nmad_before"]
    # The tiles end before the maps do, and have voids.
    assert about["imputed_share"] == pytest.approx(0.076, abs=0.004)
    assert about["imputed_share_glacier"] < 0.02  # most of it between the two tiles
    assert re.fullmatch(r"4\d{3} cells beside the glacier, less than 30 degrees steep .*", about["stable_ground"])
    ice = outline > 0
    lower = stack.z[-1][ice].mean() - stack.z[0][ice].mean()
    assert -35.0 < lower < -15.0  # m in 19 years; 1.2 m w.e. a year in OGGM's geodetic table
    assert stack.dh_trend[ice].mean() == pytest.approx(lower / 19, abs=0.2)
    level = stack.z.mean(axis=0) - find_terrain(aletsch_gdir, grid).elevation
    assert abs(np.median(level[~ice])) < 5.0
    for spread, imputed in zip(stack.z_std, stack.imputed, strict=True):
        assert spread[imputed].min() >= 0.999 * np.median(spread[~imputed])
