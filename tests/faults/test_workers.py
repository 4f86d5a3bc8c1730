"""OGGM's pools of workers, forked and spawned, after JAX was used in the parent: they end, and give the numbers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from oggm_glaunti import settings, tasks as gtasks

from ..glaciers import HEF, open_copy

TIME_LIMIT = 120  # s; a pool that hangs never ends

SCRIPT = """
import json, sys
from pathlib import Path
from oggm_glaunti.coupling.oggm.offline import start_offline
import oggm
from oggm import tasks, workflow
from oggm.exceptions import InvalidWorkflowError
from oggm_glaunti import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC
from oggm_glaunti import tasks as gtasks
from oggm_glaunti.fit.observations import as_observations

YEARS = {"ys": 2014, "ye": 2022}
A, C = {"mb_model_class": GlaUnTIMassBalanceA}, {"mb_model_class": GlaUnTIMassBalanceC}


def forget_tables(gdirs):
    for gdir in gdirs:
        for path in Path(gdir.dir).glob("glaunti_table*.nc"):
            path.unlink()


def elas(gdirs, **kwargs):
    return [ela.tolist() for ela in workflow.execute_entity_task(tasks.compute_ela, gdirs, **YEARS, **kwargs)]


def error_of(task, gdirs, **kwargs):
    try:
        workflow.execute_entity_task(task, gdirs, **kwargs)
    except InvalidWorkflowError as err:
        return str(err)


def a(gdirs):
    here = [tasks.compute_ela(gdir, **YEARS, **A).tolist() for gdir in gdirs]
    yield "parent", here
    yield "ready", elas(gdirs, **A)
    forget_tables(gdirs)
    yield "stale", elas(gdirs, **A)
    yield "turned", elas(gdirs, **A, temperature_bias=0.6)
    runs = workflow.execute_entity_task(tasks.run_from_climate_data, gdirs, ys=2014, ye=2018, **A)
    yield "volumes", [run.volume_km3 for run in runs]
    mb = {"ref_mb": -1500.0, "ref_period": "2014-01-01_2023-01-01", "mb_kwargs": {"model": "A"}}
    calibrated = workflow.execute_entity_task(gtasks.calibrate_glaunti, gdirs, **mb)
    yield "calibrated", [params["melt_f"] for params in calibrated]
    yield "without a winter", [params["prcp_fac"] for params in calibrated]
    winter = {"kind": "glacier-wide", "season": "winter", "begin": "2017-10-01", "end": "2018-04-20", "value": [2.0]}
    mb["winters"] = as_observations({"glacier": gdirs[0].rgi_id, **winter})
    yield "with a winter", [p["prcp_fac"] for p in workflow.execute_entity_task(gtasks.calibrate_glaunti, gdirs, **mb)]
    yield "maps", error_of(gtasks.glaunti_smb, gdirs, mb_kwargs={"model": "A"})


def c(gdirs):
    yield "parent", [tasks.compute_ela(gdir, **YEARS, **C).tolist() for gdir in gdirs]
    yield "turned in parent", [tasks.compute_ela(gdir, **YEARS, **C, temperature_bias=0.6).tolist() for gdir in gdirs]
    yield "ready", elas(gdirs, **C)
    yield "turned", elas(gdirs, **C, temperature_bias=0.6)
    forget_tables(gdirs)
    yield "missing", error_of(tasks.compute_ela, gdirs, **YEARS, **C)


def spawned(gdirs):
    yield "parent", [gtasks.glaunti_smb(gdir, mb_kwargs={"model": "A"})["smb"].tolist() for gdir in gdirs[:1]]
    forget_tables(gdirs)
    chosen = {"mb_kwargs": {"model": "A"}, "output_filesuffix": "_spawned"}
    maps = workflow.execute_entity_task(gtasks.glaunti_smb, gdirs, **chosen)
    yield "maps", [smb["smb"].tolist() for smb in maps]
    yield "files", [gdir.has_file("glaunti_smb", filesuffix="_spawned") for gdir in gdirs]
    yield "elas", elas(gdirs, **A)


if __name__ == "__main__":
    case, *folders = sys.argv[1:]
    spawn = case == "spawned"  # each spawned worker imports everything anew: one is enough
    params = {"use_multiprocessing": True, "mp_processes": 1 if spawn else 2, "use_mp_spawn": spawn}
    start_offline(folders[0], params=params)
    gdirs = [oggm.GlacierDirectory("RGI60-11.00897", base_dir=f"{folder}/per_glacier") for folder in folders]
    print(json.dumps(dict(globals()[case](gdirs))))
"""


@pytest.fixture
def run(tmp_path, hef_prepared, oggm_env):
    """Run a case of the script on two copies of Hintereisferner; returns what it found."""

    def run_case(case: str, **environment: str) -> dict:
        folders = [tmp_path / "one", tmp_path / "two"]
        for folder in folders:
            if not folder.exists():
                gtasks.glaunti_features(open_copy(hef_prepared, folder, HEF))
        script = tmp_path / "script.py"
        script.write_text(SCRIPT)
        return json.loads(output_in_time([sys.executable, script, case, *folders], environment).splitlines()[-1])

    return run_case


def output_in_time(command: list, environment: dict[str, str]) -> str:
    """What a command prints; its workers are ended with it where it takes too long."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        pytest.fail(f"did not end within {TIME_LIMIT} s:\n{process.communicate()[1]}")
    assert process.returncode == 0, err
    return out


@pytest.mark.slow
def test_a_forked_pool_ends_and_gives_the_numbers_of_model_a(run):
    found = run("a")
    parent = np.array(found["parent"])
    np.testing.assert_array_equal(found["ready"], parent)
    difference = np.abs(np.array(found["stale"]) - parent).max()
    print(f"ELA from a table rebuilt in a forked worker: {difference:.1e} m from the parent's")
    assert difference < 0.11  # OGGM stops its search at 0.1 m
    np.testing.assert_allclose(np.array(found["turned"]) - parent, 100, atol=1)
    assert 0.3 < found["volumes"][0] == found["volumes"][1] < 1
    assert found["calibrated"][0] == found["calibrated"][1]
    # More snow than without it.
    assert found["with a winter"][0] == found["with a winter"][1] > found["without a winter"][0]
    assert "RGI60-11.00897: glaunti_smb needs JAX" in found["maps"]
    assert "use_mp_spawn" in found["maps"]


@pytest.mark.slow
def test_a_forked_pool_has_model_c_where_its_corrections_are_in_the_directory(run, weights_dir):
    found = run("c", **{settings.WEIGHTS_ENV: str(weights_dir)})
    np.testing.assert_array_equal(found["ready"], found["parent"])
    np.testing.assert_allclose(found["turned"], found["turned in parent"], atol=0.11)
    assert np.mean(np.array(found["turned"]) - found["parent"]) > 50
    assert "RGI60-11.00897: computing the corrections of model C needs JAX" in found["missing"]
    assert "use_mp_spawn" in found["missing"]


@pytest.mark.slow
def test_a_spawned_pool_computes_maps_and_knows_our_files(run):
    found = run("spawned")
    assert found["files"] == [True, True]
    np.testing.assert_array_equal(found["maps"][0], found["parent"][0])
    np.testing.assert_array_equal(found["maps"][1], found["parent"][0])
    assert np.isfinite(found["elas"]).all()
