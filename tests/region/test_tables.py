"""``glaunti_tables``: what it writes is what each glacier alone would compute, and it goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA, settings, tasks as gtasks
from oggm_glaunti.coupling.model.params import write_params
from oggm_glaunti.coupling.table.band_corrections import compute_corrections
from oggm_glaunti.coupling.table.file import read_corrections
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.region import engine
from oggm_glaunti.region.plan import Planner, Size

from ..conftest import REPOSITORY
from .synthetic import make_directories, make_region, run_region

SEED = 1  # one for all: fewer shapes to compile
FIELDS = ("smb", "solid_prcp", "pdd", "swe", "temp", "prcp", "prec_scale")


@pytest.fixture
def gdirs(oggm_env):
    """Six glaciers with four years of weather, the second in a larger bucket than the others."""
    return make_directories(6, oggm_env / "per_glacier", seed=SEED, years=4)


def tables_of(gdirs, pattern="glaunti_table*.nc"):
    return [path for gdir in gdirs for path in sorted(Path(gdir.dir).glob(pattern))]


def times(paths):
    return [path.stat().st_mtime_ns for path in paths]


def run(gdirs, memory=None, overwrite=False, **mb_kwargs):
    return gtasks.glaunti_tables(gdirs, memory=memory, overwrite=overwrite, progress=False, mb_kwargs=mb_kwargs)


def check_against_single(gdir, **kwargs):
    """Largest differences of the file's corrections (1e-6) and table (1e-5) from those computed for it alone."""
    model = GlaUnTIMassBalance(gdir, **kwargs)
    store, tunables = model.store, model.tunable_params()
    table = store.read(tunables)
    assert table is not None, f"{gdir.rgi_id}: no valid table"
    if store.corrector != "off":
        kept = read_corrections(store.path(), store.corrections_digest)
        alone = compute_corrections(store.model, store.climate, store.features, gdir.hemisphere, gdir.rgi_id)
        np.testing.assert_array_equal(kept.years, alone.years)
        np.testing.assert_array_equal(kept.heights, alone.heights)
        assert np.abs(alone.ds).max() > 0.01
        np.testing.assert_allclose(kept.ds, alone.ds, rtol=0, atol=1e-6)
        store.adopt_corrections(alone)
    expected = build_table(store.inputs, tunables)
    for name in FIELDS:
        # m w.e.; degree days are in the hundreds, where float32 has seven digits
        tolerance = {"rtol": 1e-6, "atol": 1e-5 if name != "pdd" else 1e-4}
        np.testing.assert_allclose(getattr(table, name), getattr(expected, name), err_msg=name, **tolerance)
    return table


# --- the same as one by one ---


@pytest.mark.slow
def test_debris_and_refreezing_are_in_the_tables_of_many(gdirs):
    for k, gdir in enumerate(gdirs[:2]):
        middle = float(np.median(GlaUnTIMassBalanceA(gdir).store.heights))
        content = {"heights": [middle, middle + 50.0], "factor": [0.3 + 0.2 * k, 1.0]}
        Path(gdir.get_filepath("glaunti_debris")).write_text(json.dumps(content))
    how = {"model": "A", "variant": "mass_conserving", "refreezing": "cold_content", "debris": True}
    assert run(gdirs[:2], **how)["status"].tolist() == ["written"] * 2
    for gdir in gdirs[:2]:
        model, plain = GlaUnTIMassBalance(gdir, **how), GlaUnTIMassBalance(gdir, **{**how, "refreezing": "none"})
        kept, tunables = model.store.read(model.tunable_params()), model.tunable_params()
        alone = model.store.completed(build_table(model.store.inputs, tunables), tunables)
        np.testing.assert_allclose(kept.smb, alone.smb, atol=1e-5)
        without = build_table(plain.store.inputs, tunables).smb
        assert (kept.smb - without).min() > -1e-5
        assert (kept.smb - without).sum(axis=(0, 1)).max() > 0.01
        bare = GlaUnTIMassBalance(gdir, **{**how, "debris": False, "refreezing": "none"}).store.inputs
        assert (without - build_table(bare, tunables).smb).sum(axis=(0, 1)).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("corrector", "checked"), [("yearly", [1, 3]), ("climatology", [3])])
def test_model_c_in_batches_is_model_c_one_by_one(gdirs, weights, corrector, checked):
    report = run(gdirs, corrector=corrector)
    assert report.index.tolist() == [gdir.rgi_id for gdir in gdirs]
    assert report["status"].tolist() == ["written"] * 6
    assert (report["message"] == "").all()
    assert (report["seconds"] > 0).all()
    for index in checked:
        check_against_single(gdirs[index], corrector=corrector)


@pytest.mark.slow
def test_model_d_with_and_without_a_facies_map(gdirs, weights):
    from oggm_glaunti.coupling.ground.features import read_features
    from oggm_glaunti.coupling.ground.features_file import write_features

    with_map, without = gdirs[3:5]
    features = read_features(with_map)
    scores = np.random.default_rng(0).uniform(0, 1, (9, *features.shape)).astype(np.float32)
    write_features(with_map, dataclasses.replace(features, facies=scores), {})
    run([with_map, without], model="D")
    for gdir in (with_map, without):
        check_against_single(gdir, model="D")
    maps = [GlaUnTIMassBalance(gdir, model="D").store.features.facies for gdir in (with_map, without)]
    assert [found is None for found in maps] == [False, True]


@pytest.mark.slow
def test_model_a_has_tables_only(gdirs):
    run(gdirs, model="A")
    for gdir in gdirs:
        check_against_single(gdir, model="A")


@pytest.mark.slow
def test_hemispheres_and_records_of_different_lengths_go_together(oggm_env, weights):
    base = oggm_env / "per_glacier"
    north = make_directories(4, base, seed=SEED, years=4)
    south = make_directories(4, base, seed=SEED, years=3, last_year=2010, hemisphere="sh")
    both = [south[0], north[3], south[3], north[0]]
    assert run(both)["status"].tolist() == ["written"] * 4
    for gdir in both[1:3]:
        table = check_against_single(gdir)
        assert table.years.tolist() == ([2008, 2009, 2010] if gdir in south else [2017, 2018, 2019, 2020])


@pytest.mark.slow
def test_each_directory_keeps_its_own_model_and_tunable_parameters(gdirs, weights):
    write_params(gdirs[0], {"model": "A", "melt_f": 6.0, "prcp_fac": 1.2, "temp_bias": 0.5})
    write_params(
        gdirs[1], {"model": "C", "melt_f": 4.0, "prcp_fac": 0.9, "temp_bias": -0.5, "corrector": "climatology"}
    )
    run(gdirs[:3])
    assert [path.name for path in tables_of(gdirs[:3])] == ["glaunti_table_A.nc", *["glaunti_table_C.nc"] * 2]
    models = [GlaUnTIMassBalance(gdir) for gdir in gdirs[:3]]
    assert [m.corrector for m in models] == ["off", "climatology", "yearly"]
    for gdir in (gdirs[0], gdirs[1]):
        check_against_single(gdir)


@pytest.mark.slow
def test_glaciers_of_different_fits_and_variants_go_together(gdirs, weights):
    from oggm_glaunti.core.weights import embedded_a, physical_values

    for index, gdir in enumerate(gdirs[:2]):
        fit = physical_values(embedded_a().ti)
        fit["prec_scale"]["value"] *= 1.1 + 0.1 * index
        fit["snow_depletion_centre"]["value"] *= 2.0 + index
        of_fit = {
            "parameters": fit,
            "variant": settings.VARIANTS[index],
            "fitted_temp_gradient": -0.005 - 0.003 * index,
        }
        write_params(gdir, {"model": "C", "melt_f": 4.0, "corrector": "yearly", **of_fit})
    own = [*gdirs[:2], gdirs[3]]
    assert run(own)["status"].tolist() == ["written"] * 3
    plain = GlaUnTIMassBalance(gdirs[3])
    assert (plain.variant, plain.fitted_parameters, plain.temp_default_gradient) == ("smooth", None, -0.006)
    for gdir in own:
        check_against_single(gdir)


@pytest.mark.slow
def test_the_variant_may_be_said_for_all(gdirs):
    run(gdirs[:2], model="A", variant="mass_conserving")
    for gdir in gdirs[:2]:
        check_against_single(gdir, model="A", variant="mass_conserving")


@pytest.mark.slow
def test_the_memory_setting_changes_batches_and_nothing_else(weights_dir, monkeypatch):
    batches, run_batch = [], engine.run_batch
    monkeypatch.setattr(engine, "run_batch", lambda batch, *args: batches.append(batch) or run_batch(batch, *args))
    results = []
    for memory in (1000.0, 7.0):
        outcomes = run_region(4, seed=SEED, years=4, memory=memory, weights=weights_dir)
        results.append({outcome.job.key: outcome for outcome in outcomes})
        results[-1]["batches"] = len(batches)
        batches.clear()
    plenty, little = results
    assert little.pop("batches") > plenty.pop("batches")
    assert plenty.keys() == little.keys()
    for key, outcome in plenty.items():
        np.testing.assert_allclose(little[key].job.yearly.ds, outcome.job.yearly.ds, rtol=0, atol=1e-6)
        np.testing.assert_allclose(little[key].table.smb, outcome.table.smb, rtol=0, atol=1e-5)


@pytest.fixture
def as_on_gpus(monkeypatch):
    """Batches as on GPUs, wide and without blocks, on the CPU's devices."""
    import jax

    devices = tuple(jax.local_devices())
    monkeypatch.setattr(engine, "resources", lambda *args: engine.Resources(devices, 2, True, 4e7))


@pytest.mark.slow
def test_batches_as_on_a_gpu_give_the_same(weights_dir, as_on_gpus, monkeypatch):
    batches, run_batch = [], engine.run_batch
    monkeypatch.setattr(engine, "run_batch", lambda batch, *args: batches.append(batch) or run_batch(batch, *args))
    wide = {outcome.job.key: outcome for outcome in run_region(4, seed=SEED, years=4, weights=weights_dir)}
    assert max(batch.slots for batch in batches) > 8
    monkeypatch.undo()
    for outcome in run_region(4, seed=SEED, years=4, weights=weights_dir):
        found = wide[outcome.job.key]
        np.testing.assert_allclose(found.job.yearly.ds, outcome.job.yearly.ds, rtol=0, atol=1e-6)
        np.testing.assert_allclose(found.table.smb, outcome.table.smb, rtol=0, atol=1e-5)


DEVICES = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.region.synthetic import run_region
from oggm_glaunti.region import engine
used, run_batch = [], engine.run_batch
def noting(batch, jobs, model, device, gpu):
    used.append(device.id)
    return run_batch(batch, jobs, model, device, gpu)
engine.run_batch = noting
print(*(outcome.error for outcome in run_region(24, years=2, model="A")))
print(len(set(used)))
"""


@pytest.mark.slow
def test_batches_go_round_all_devices():
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=3"}
    command = [sys.executable, "-W", "ignore", "-c", DEVICES, str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=200)
    assert done.stdout.split() == ["None"] * 24 + ["3"], done.stderr


PEAK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from tests.region.synthetic import make_region
from oggm_glaunti.region.engine import run_jobs
def peak(n):
    for outcome in run_jobs(make_region(n, years=3, weights=sys.argv[2]), memory=100.0):
        assert outcome.error is None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(peak(20), peak(200))
"""


@pytest.mark.slow
def test_ten_times_as_many_glaciers_need_no_more_memory_than_the_setting(weights_dir):
    command = [sys.executable, "-W", "ignore", "-c", PEAK, str(REPOSITORY), str(weights_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    few, many = map(float, done.stdout.split())
    print(f"peak memory: {few:.0f} MB with 20 glaciers, {many:.0f} MB with 200 at glaunti_memory 100 MB")
    assert many - few < 100.0


# --- afterwards ---

WITHOUT_JAX = """
import sys
from oggm_glaunti.coupling.oggm.offline import start_offline
import numpy as np, oggm
start_offline(sys.argv[1])
from oggm_glaunti import GlaUnTIMassBalance, GlaUnTIMassBalanceA
from oggm_glaunti import tasks as gtasks
for rgi_id in sys.argv[2:]:
    gdir = oggm.GlacierDirectory(rgi_id, base_dir=sys.argv[1] + "/per_glacier")
    print(float(GlaUnTIMassBalance(gdir).get_annual_mb(np.array([3000.0]), year=2019)[0]))
    print(gtasks.glaunti_tables([gdir])["status"].tolist())
print(GlaUnTIMassBalanceA(gdir).get_ela([2018, 2019]).tolist())
"""


@pytest.mark.slow
def test_afterwards_the_tables_are_found_without_jax(gdirs, weights, oggm_env):
    run(gdirs[:2])
    alone = GlaUnTIMassBalanceA(gdirs[1]).get_ela([2018, 2019])  # from a table that it has made itself
    environment = {**os.environ, "JAX_PLATFORMS": "no_such_platform", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT_JAX, str(oggm_env), *(gdir.rgi_id for gdir in gdirs[:2])]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    expected = [GlaUnTIMassBalance(gdir).get_annual_mb(np.array([3000.0]), year=2019)[0] for gdir in gdirs[:2]]
    assert [float(line) for line in lines[0:4:2]] == expected
    assert lines[1:4:2] == ["['valid']"] * 2
    assert json.loads(lines[4]) == alone.tolist()


@pytest.mark.slow
def test_valid_tables_are_left_alone_and_damaged_ones_made_again(gdirs, weights):
    run(gdirs)
    paths = tables_of(gdirs)
    before = times(paths)
    assert run(gdirs)["status"].tolist() == ["valid"] * 6
    assert times(paths) == before
    good = paths[1].read_bytes()
    paths[1].write_bytes(good[: len(good) // 2])
    paths[2].unlink()
    left = paths[2].with_name(f".{paths[2].name}.glaunti-{socket.gethostname()}.999999999.1")  # by a killed writer
    left.write_bytes(good[:100])
    report = run(gdirs)
    assert report["status"].tolist() == ["valid", "written", "written", "valid", "valid", "valid"]
    after = times(paths)
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, False, True, True, True]
    assert not left.exists()
    check_against_single(gdirs[1])


KILLED = """
import os, signal, sys
from oggm_glaunti.coupling.oggm.offline import start_offline
import oggm
start_offline(sys.argv[1])
from oggm_glaunti import tasks as gtasks
replace, written = os.replace, []
def dying(source, target):
    if len(written) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(target)
    replace(source, target)
os.replace = dying
gdirs = [oggm.GlacierDirectory(rgi_id, base_dir=sys.argv[1] + "/per_glacier") for rgi_id in sys.argv[2:]]
gtasks.glaunti_tables(gdirs, mb_kwargs={"model": "A"})
"""


@pytest.mark.slow
def test_killed_while_it_writes_it_goes_on_where_it_was(gdirs, oggm_env):
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(oggm_env), *(gdir.rgi_id for gdir in gdirs)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = tables_of(gdirs)
    before = times(left)
    assert len(left) == 2
    assert len(tables_of(gdirs, ".glaunti_table*")) == 1  # the one being written
    statuses = run(gdirs, model="A")["status"]
    assert sorted(statuses) == ["valid"] * 2 + ["written"] * 4
    assert times(left) == before
    assert len(tables_of(gdirs)) == 6


@pytest.mark.slow
def test_corrections_at_hand_are_used_again(gdirs, weights, monkeypatch):
    stages, run_batch = [], engine.run_batch
    monkeypatch.setattr(engine, "run_batch", lambda batch, *args: stages.append(batch.stage) or run_batch(batch, *args))
    run(gdirs[:2])
    assert set(stages) == {"corrections", "tables"}
    stages.clear()
    run(gdirs[:2], corrector="climatology")
    assert set(stages) == {"tables"}
    stages.clear()
    assert run(gdirs[:2], corrector="climatology", overwrite=True)["status"].tolist() == ["written"] * 2
    assert set(stages) == {"corrections", "tables"}


def test_a_changed_climate_is_noticed(gdirs):
    run(gdirs[:2], model="A")
    with netCDF4.Dataset(gdirs[0].get_filepath("climate_historical", filesuffix="_daily"), "a") as nc:
        nc["temp"][700] += 5.0
    assert run(gdirs[:2], model="A")["status"].tolist() == ["written", "valid"]


# --- glaciers that fail ---


def spoil(gdirs):
    """One glacier without features, one with a gap in its climate."""
    os.unlink(gdirs[1].get_filepath("glaunti_features"))
    with netCDF4.Dataset(gdirs[3].get_filepath("climate_historical", filesuffix="_daily"), "a") as nc:
        nc["temp"][700] = np.nan


@pytest.mark.slow
def test_with_continue_on_error_the_others_go_on(gdirs, weights, caplog):
    spoil(gdirs)
    cfg.PARAMS["continue_on_error"] = True
    with caplog.at_level(logging.ERROR):
        report = run(gdirs)
    assert report["status"].tolist() == ["written", "failed", "written", "failed", "written", "written"]
    assert (
        report["message"].iloc[1].startswith(f"InvalidWorkflowError: {gdirs[1].rgi_id}: glaunti_features.nc not found")
    )
    assert "temp" in report["message"].iloc[3]
    assert len(tables_of(gdirs)) == 4
    for index in (1, 3):
        assert gdirs[index].get_task_status("glaunti_tables").startswith("Invalid")
        assert f"occurred during task glaunti_tables on {gdirs[index].rgi_id}" in caplog.text
    assert gdirs[0].get_task_status("glaunti_tables") == "SUCCESS"


def test_otherwise_the_error_is_the_glaciers_own_and_what_was_begun_is_written(gdirs, weights):
    spoil(gdirs)
    with pytest.raises(InvalidWorkflowError, match=f"^{gdirs[1].rgi_id}: glaunti_features.nc not found"):
        run(gdirs)
    assert [path.parent.name for path in tables_of(gdirs)] == [gdirs[0].rgi_id]
    assert gdirs[1].get_task_status("glaunti_tables").startswith("InvalidWorkflowError")


def test_a_record_without_a_full_mass_balance_year_is_named(oggm_env, weights):
    gdirs = make_directories(2, oggm_env / "per_glacier", years=1)
    cfg.PARAMS["continue_on_error"] = True
    report = run(gdirs)
    assert report["status"].tolist() == ["failed"] * 2
    assert report["message"].str.contains("no full mass-balance year").all()


def test_a_glacier_whose_numbers_are_not_finite_fails_alone(weights_dir):
    jobs = list(make_region(5, seed=SEED, years=4, weights=weights_dir))[2:]
    jobs[1].inputs.climate.temp[400] = np.nan
    outcomes = {outcome.job.key: outcome for outcome in engine.run_jobs(jobs)}
    alone = {outcome.job.key: outcome for outcome in engine.run_jobs(jobs[::2])}
    assert f"{jobs[1].rgi_id}: the corrections of model C are not finite" in str(outcomes[jobs[1].key].error)
    for job in jobs[::2]:
        np.testing.assert_array_equal(outcomes[job.key].table.smb, alone[job.key].table.smb)


@pytest.mark.slow
def test_a_glacier_that_needs_more_memory_than_there_is_fails_by_name(weights_dir):
    errors = {o.job.key: o.error for o in run_region(2, seed=SEED, years=4, memory=3.0, weights=weights_dir)}
    assert errors["RGI60-11.00001"] is None
    assert "RGI60-11.00002: its map of 38 x 45 cells of 100 m needs about 2 MB" in str(errors["RGI60-11.00002"])


def test_the_memory_that_would_be_enough_is_said():
    size = Size("0", "C", rows=1371, cols=702, channels=6, years=19)
    available = engine.Resources((), 2, False, 1e9 / 3)
    needed = Planner(available.memory).memory_alone(size)
    said = r"RGI60-05.1: its map of 1371 x 702 cells .* may have 667 MB; set .*glaunti_memory'\] .* to (\d+) MB"
    with pytest.raises(InvalidWorkflowError, match=said) as error:
        engine.require_memory("RGI60-05.1", size, needed, available)
    enough = 1e6 * int(re.search(said, str(error.value)).group(1))
    engine.require_memory("RGI60-05.1", size, needed, available._replace(memory=enough / 3))
    with pytest.raises(InvalidWorkflowError):
        engine.require_memory("RGI60-05.1", size, needed, available._replace(memory=0.95 * enough / 3))


def test_batches_never_hold_more_than_all_of_the_memory_and_those_too_large_run_alone():
    budget, at_once, most = engine.Budget(10.0), [0.0], [0.0]

    def work(amount: float) -> None:
        with budget.take(amount):
            at_once[0] += min(amount, 10.0)
            most.append(at_once[0])
            time.sleep(0.002)
            at_once[0] -= min(amount, 10.0)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [3.0, 25.0, 4.0, 5.0, 10.0, 1.0] * 10))
    assert max(most) == 10.0
    assert budget.used == 0.0


def test_an_error_of_a_whole_batch_is_every_glaciers(monkeypatch, weights_dir):
    def broken(*args):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(engine, "correction_arrays", broken)
    outcomes = list(run_region(3, seed=SEED, years=4, weights=weights_dir))
    assert [str(outcome.error) for outcome in outcomes] == ["out of memory"] * 3


def test_a_file_that_cannot_be_written_fails_its_glacier(gdirs):
    cfg.PARAMS["continue_on_error"] = True
    GlaUnTIMassBalanceA(gdirs[0])  # readable before
    path = GlaUnTIMassBalanceA(gdirs[0]).store.path()
    path.mkdir()
    report = run(gdirs[:2], model="A")
    assert report["status"].tolist() == ["failed", "written"]
    assert "cannot be written" in report["message"].iloc[0]


def test_nothing_to_do_is_no_error(oggm_env):
    assert run([]).empty


def test_memory_has_to_be_above_zero(gdirs):
    with pytest.raises(InvalidParamsError, match="glaunti_memory: expected more than 0 MB, found -1"):
        run(gdirs[:1], model="A", memory=-1)


# --- real glaciers ---


@pytest.fixture(scope="module")
def oetztal_prepared(shared, tmp_path_factory, oggm_cache):
    from oggm import cfg

    from .oetztal import prepare_oetztal

    params, paths = dict(cfg.PARAMS), dict(cfg.PATHS)
    folder = tmp_path_factory.mktemp("oetztal")
    prepare_oetztal(folder, shared, rgi_ids=OETZTAL)
    for mine, kept in ((cfg.PARAMS, params), (cfg.PATHS, paths)):
        cfg.PARAMS.do_log = False
        mine.clear()
        mine.update(kept)
    return folder


OETZTAL = ["RGI50-11.00897", "RGI50-11.00666", "RGI50-11.00746"]  # Hintereisferner and two smaller ones


@pytest.mark.slow
def test_real_glaciers_in_batches_are_the_same_one_by_one(oetztal_prepared, oggm_env, shared, weights):
    from oggm import tasks

    from .oetztal import open_oetztal

    gdirs = open_oetztal(oetztal_prepared, oggm_env, shared)
    assert run(gdirs)["status"].tolist() == ["written"] * len(gdirs)
    paths = tables_of(gdirs)
    before = times(paths)
    for gdir in gdirs:
        check_against_single(gdir)
        tasks.run_from_climate_data(gdir, ys=2014, ye=2017, mb_model_class=GlaUnTIMassBalance)
    assert times(paths) == before


def test_a_glacier_given_twice_is_refused_before_anything_is_read(oggm_env):
    class Gdir:
        rgi_id = "RGI60-11.99999"

    with pytest.raises(InvalidParamsError, match=r"given twice: RGI60-11\.99999"):
        gtasks.glaunti_tables([Gdir(), Gdir()])
