"""Tables made for a region first: after that OGGM's workers, forked or spawned, need no JAX, and they end."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from oggm_glaunti import settings, tasks as gtasks
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalanceA
from oggm_glaunti.workflows.region_chain import INVERSION_TASKS
from oggm_glaunti.workflows.valley import RGI_ID, make_daily_weather, make_valley_glacier

from .test_workers import output_in_time

SCRIPT = """
import json, os, sys
from pathlib import Path
from oggm_glaunti.coupling.table import store as table_store
from oggm_glaunti.coupling.oggm.offline import start_offline
import oggm
from oggm import tasks, workflow
from oggm_glaunti import tasks as gtasks
from oggm_glaunti.coupling.model import massbalance


def refuse(*args, **kwargs):
    raise AssertionError("a table is built in a worker")


def spy(gdir, **kwargs):
    # A forked worker has what is set here; a spawned one has the environment.
    table_store.build_table = table_store.compute_corrections = refuse
    run = tasks.run_from_climate_data(gdir, **kwargs)
    bridge = sys.modules.get("jax._src.xla_bridge")
    return os.getpid(), float(run.volume_km3), bool(getattr(bridge, "_backends", None))


if __name__ == "__main__":
    method, model, *folders = sys.argv[1:]
    spawn = method == "spawn"  # each spawned worker imports everything anew: one is enough
    params = {"use_multiprocessing": True, "mp_processes": 1 if spawn else 2, "use_mp_spawn": spawn}
    start_offline(folders[0], params=params)
    gdirs = [oggm.GlacierDirectory("RGI60-11.99999", base_dir=f"{folder}/per_glacier") for folder in folders]
    # The same glacier twice; the task wants two names.
    gdirs[1].rgi_id = "RGI60-11.99998"
    statuses = gtasks.glaunti_tables(gdirs, mb_kwargs={"model": model}, progress=False)
    gdirs[1].rgi_id = gdirs[0].rgi_id
    live = bool(sys.modules["jax._src.xla_bridge"]._backends)
    # From here on a JAX that is started is an error.
    os.environ["JAX_PLATFORMS"] = "no_such_platform"
    kwargs = {"mb_model_class": getattr(massbalance, f"GlaUnTIMassBalance{model}"), "ys": 2000, "ye": 2005}
    found = workflow.execute_entity_task(spy, gdirs, **kwargs)
    print(json.dumps({"parent": os.getpid(), "live": live, "status": list(statuses["status"]), "runs": found}))
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The invented glacier with its ice, weather and the corrector's inputs; no tables."""
    from oggm import tasks

    from ..conftest import _OGGMState

    state = _OGGMState()
    folder = tmp_path_factory.mktemp("valley")
    gdir = make_valley_glacier(folder, params={"use_multiprocessing": False})
    make_daily_weather(gdir, first_year=2000, last_year=2004)
    gtasks.glaunti_features(gdir)
    tasks.apparent_mb_from_any_mb(gdir, mb_model_class=GlaUnTIMassBalanceA, mb_years=[2000, 2005])
    for name in INVERSION_TASKS:
        getattr(tasks, name)(gdir)
    Path(gdir.get_filepath("glaunti_table", filesuffix="_A")).unlink()
    state.put_back()
    return folder


def run_in_pool(prepared, tmp_path, method: str, model: str, **environment: str) -> dict:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        shutil.copytree(prepared / "per_glacier", folder / "per_glacier")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, script, method, model, *folders]
    return json.loads(output_in_time(command, environment).splitlines()[-1])


def check(found: dict) -> None:
    assert found["live"]  # the trap is set: JAX was used in the parent
    assert found["status"] == ["written", "written"]
    pids, volumes, _ = zip(*found["runs"], strict=True)
    assert found["parent"] not in pids
    assert 0 < volumes[0] == volumes[1]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_after_glaunti_tables_no_worker_starts_jax(prepared, tmp_path, method, oggm_env):
    from oggm import GlacierDirectory, tasks

    found = run_in_pool(prepared, tmp_path, method, "A")
    check(found)
    if method == "spawn":
        assert [live for *_, live in found["runs"]] == [False, False]
    shutil.copytree(prepared / "per_glacier", oggm_env / "per_glacier")
    gdir = GlacierDirectory(RGI_ID, base_dir=str(oggm_env / "per_glacier"))
    here = tasks.run_from_climate_data(gdir, mb_model_class=GlaUnTIMassBalanceA, ys=2000, ye=2005)
    np.testing.assert_allclose(found["runs"][0][1], float(here.volume_km3), rtol=1e-4)


@pytest.mark.slow
def test_nor_for_model_c_whose_corrections_need_it(prepared, tmp_path, weights_dir):
    check(run_in_pool(prepared, tmp_path, "fork", "C", **{settings.WEIGHTS_ENV: str(weights_dir)}))
