"""A region over a Dask cluster of real worker processes, some of which die."""

from __future__ import annotations

import ast
import copy
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.region import run
from oggm_glaunti.region.cluster import without_pauses
from oggm_glaunti.workflows.valley import make_daily_weather, make_valley_glacier

GLACIERS = 12
YEARS = {"first_year": 2000, "last_year": 2003}
MODEL_A = {"mb_kwargs": {"model": "A"}, "progress": False}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """The invented glacier, with weather."""
    from ..conftest import _OGGMState

    state = _OGGMState()
    gdir = make_valley_glacier(tmp_path_factory.mktemp("valley"))
    make_daily_weather(gdir, **YEARS)
    state.put_back()
    return gdir


@pytest.fixture
def gdirs(one, oggm_env) -> list:
    """Many of it, each with a directory of its own and snow that begins at another temperature."""
    return [clone(one, oggm_env, number) for number in range(1, GLACIERS + 1)]


def clone(gdir, working_dir: Path, number: int):
    other = copy.copy(gdir)
    other.rgi_id = f"RGI60-11.{number:05d}"
    other.base_dir = str(working_dir / "per_glacier")
    other.dir = str(working_dir / "per_glacier" / other.rgi_id)
    shutil.copytree(gdir.dir, other.dir)
    other.logfile = str(Path(other.dir) / "log.txt")
    with netCDF4.Dataset(other.get_filepath("climate_historical", filesuffix="_daily"), "a") as nc:
        nc["temp"][:] = nc["temp"][:] + 0.1 * number
    return other


@contextmanager
def local_cluster(folder: Path, failures: int = 1, workers: int = 2, memory_limit: str = "3GiB") -> Iterator:
    """A cluster of worker processes and its client; a chunk may lose so many workers, not one more."""
    import dask
    from distributed import Client, LocalCluster

    settings = {
        "distributed.scheduler.allowed-failures": failures,
        "distributed.comm.timeouts.connect": "10s",
        "temporary-directory": str(folder / "dask"),
    }
    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with (
        dask.config.set(settings),
        LocalCluster(**options, memory_limit=memory_limit) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator:
    """Two worker processes; a chunk may lose one of them, not two."""
    with local_cluster(tmp_path_factory.mktemp("cluster")) as client:
        yield client


def tables(gdirs: list) -> dict[str, np.ndarray]:
    """Balances of the tables in the directories."""
    found = {}
    for gdir in gdirs:
        if table_path(gdir).exists():
            with netCDF4.Dataset(table_path(gdir)) as nc:
                found[gdir.rgi_id] = np.asarray(nc["smb"][:])
    return found


def table_path(gdir) -> Path:
    return Path(gdir.get_filepath("glaunti_table", filesuffix="_A"))


def when_half_done(gdirs: list, action) -> threading.Thread:
    """Do something once a third of the tables are there."""

    def wait():
        deadline = time.monotonic() + 120
        while sum(table_path(gdir).exists() for gdir in gdirs) < len(gdirs) // 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def pid_at_work(client) -> int:
    """The process of a worker that has chunks to do."""
    pids = client.run(os.getpid)
    return pids[next(address for address, chunks in client.processing().items() if chunks)]


class Killer:
    """Kills the worker that begins with one of some glaciers, every worker, for ever; notes in a file that it does."""

    name = "killer"

    def __init__(self, *rgi_ids: str, notes: str = os.devnull):
        self.rgi_ids, self.notes = rgi_ids, notes

    def kill(self) -> None:
        time.sleep(1.0)  # a nanny does not restart a worker of which it has not heard yet that it has started
        os.kill(os.getpid(), signal.SIGKILL)

    def setup(self, worker):
        from oggm_glaunti.region import cluster

        see, rgi_ids = cluster.require_seen, set(self.rgi_ids)

        def require_seen(gdirs):
            see(gdirs)
            if {gdir.rgi_id for gdir in gdirs} & rgi_ids:
                with open(self.notes, "a") as notes:
                    notes.write("killed\n")
                self.kill()

        cluster.require_seen = require_seen

    def teardown(self, worker):
        pass


class Hog(Killer):
    """Takes more memory than the worker may have, and waits for what happens."""

    def kill(self) -> None:
        taken = []
        for _ in range(60):
            taken.append(np.ones(12_500_000))  # 100 MB
            time.sleep(0.05)
        time.sleep(60)


def register_killer(client, *rgi_ids: str, kind: type = Killer, **kwargs: str) -> None:
    import cloudpickle
    from distributed import WorkerPlugin

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    client.register_plugin(type("Plugin", (kind, WorkerPlugin), {})(*rgi_ids, **kwargs))


@pytest.mark.slow
def test_nothing_is_lost_when_a_worker_is_killed_half_way(client, gdirs, one, oggm_env):
    killed = []

    def kill():
        killed.append(pid_at_work(client))
        os.kill(killed[0], signal.SIGKILL)

    thread = when_half_done(gdirs, kill)
    statuses = run(gdirs, client=client, chunk_size=2, **MODEL_A)
    thread.join()
    assert killed
    assert killed[0] not in client.run(os.getpid).values()
    assert list(statuses.index) == [gdir.rgi_id for gdir in gdirs]
    # A table that the dead worker had finished is not made again.
    assert set(statuses["status"]) <= {"written", "valid"}
    there = tables(gdirs)
    assert there.keys() == set(statuses.index)
    for number, smb in enumerate(there.values(), 1):
        model = GlaUnTIMassBalanceA(clone(one, oggm_env / "one_by_one", number))
        np.testing.assert_allclose(smb, model.table().table.smb, atol=1e-5)
    again = run(gdirs, client=client, chunk_size=5, **MODEL_A)
    assert set(again["status"]) == {"valid"}


@pytest.mark.slow
def test_errors_reach_the_caller_and_workers_know_its_configuration(client, gdirs, monkeypatch):
    from oggm import cfg
    from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

    # What the workers were not told, they would not have: a step that only this process has been given.
    cfg.PARAMS["glaunti_table_step"] = 25.0
    run(gdirs[:2], client=client, chunk_size=1, **MODEL_A)
    with netCDF4.Dataset(gdirs[0].get_filepath("glaunti_table", filesuffix="_A")) as nc:
        assert set(np.diff(nc["height"][:])) == {25.0}
    shutil.rmtree(gdirs[2].dir)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.00003: .* is not there on"):
        run(gdirs[:4], client=client, chunk_size=1, retries=0, **MODEL_A)
    Path(gdirs[5].get_filepath("climate_historical", filesuffix="_daily")).unlink()
    cfg.PARAMS["continue_on_error"] = True
    statuses = run(gdirs[4:7], client=client, chunk_size=3, **MODEL_A)
    assert list(statuses["status"]) == ["written", "failed", "written"]
    assert gdirs[5].rgi_id in statuses["message"].iloc[1]
    cfg.PARAMS["continue_on_error"] = False
    with pytest.raises((InvalidWorkflowError, InvalidParamsError), match=gdirs[5].rgi_id):
        run(gdirs[4:7], client=client, chunk_size=3, retries=0, **MODEL_A)


@pytest.mark.slow
def test_after_a_killed_client_the_next_one_goes_on(tmp_path, client, gdirs):
    killed = start_run(tmp_path, gdirs, client.scheduler.address)
    when_half_done(gdirs, killed.kill).join()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    before = {gdir.rgi_id: table_path(gdir).stat().st_mtime_ns for gdir in gdirs if table_path(gdir).exists()}
    assert before
    statuses = run(gdirs, client=client, chunk_size=1, **MODEL_A)
    assert set(statuses["status"]) <= {"written", "valid"}
    assert set(statuses.loc[list(before), "status"]) == {"valid"}
    assert {gdir.rgi_id: table_path(gdir).stat().st_mtime_ns for gdir in gdirs}.items() >= before.items()
    assert tables(gdirs).keys() == set(statuses.index)


@pytest.mark.slow
def test_a_glacier_that_kills_every_worker_is_found_and_the_rest_goes_on(tmp_path, gdirs):
    from oggm import cfg

    cfg.PARAMS["continue_on_error"] = True
    gdirs, culprit = gdirs[:4], gdirs[0]
    with local_cluster(tmp_path) as client:
        register_killer(client, culprit.rgi_id)
        statuses = run(gdirs, client=client, chunk_size=2, **MODEL_A)
    failed = statuses[statuses["status"] == "failed"]
    assert list(failed.index) == [culprit.rgi_id], list(failed["message"])
    assert "every worker that made its table died" in statuses.loc[culprit.rgi_id, "message"]
    assert tables(gdirs).keys() == {gdir.rgi_id for gdir in gdirs} - {culprit.rgi_id}
    assert "every worker" in culprit.get_task_status("glaunti_tables")


@pytest.mark.slow
def test_a_worker_over_its_memory_limit_is_restarted_a_few_times_and_its_glacier_named(tmp_path, gdirs):
    from oggm import cfg

    cfg.PARAMS["continue_on_error"] = True
    gdirs, culprit, notes = gdirs[:4], gdirs[1], tmp_path / "notes.txt"
    with local_cluster(tmp_path, failures=0, workers=1, memory_limit="1.5GiB") as client:
        register_killer(client, culprit.rgi_id, kind=Hog, notes=str(notes))
        statuses = run(gdirs, client=client, chunk_size=2, **MODEL_A)
    failed = statuses[statuses["status"] == "failed"]
    assert list(failed.index) == [culprit.rgi_id], list(failed["message"])
    assert "every worker that made its table died, most likely for lack of memory" in failed["message"].iloc[0]
    assert tables(gdirs).keys() == {gdir.rgi_id for gdir in gdirs} - {culprit.rgi_id}
    assert "every worker" in culprit.get_task_status("glaunti_tables")
    # In its chunk, alone, and alone once more.
    assert notes.read_text().count("killed") == 3


@pytest.mark.slow
def test_workers_that_cannot_hold_any_glacier_end_the_run(tmp_path, gdirs, monkeypatch):
    from oggm import cfg
    from oggm.exceptions import InvalidWorkflowError

    from oggm_glaunti.region import cluster

    monkeypatch.setattr(cluster, "HOPELESS", 2)  # of three
    cfg.PARAMS["continue_on_error"] = True
    gdirs, notes = gdirs[:3], tmp_path / "notes.txt"
    with local_cluster(tmp_path, failures=0, workers=1) as client:
        register_killer(client, *(gdir.rgi_id for gdir in gdirs), notes=str(notes))
        with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.\d+.*no glacier at all was finished.*memory limit"):
            run(gdirs, client=client, chunk_size=3, **MODEL_A)
    # Together, and two of them alone, twice each.
    assert notes.read_text().count("killed") == 5


@pytest.mark.slow
def test_a_full_worker_is_not_put_to_rest_for_ever(tmp_path, gdirs):
    """Dask pauses a worker that uses 80 % of its limit until it has less; programs and libraries stay."""
    import cloudpickle

    def grow(dask_worker=None):
        limit, used = dask_worker.memory_manager.memory_limit, dask_worker.monitor.get_process_memory()
        dask_worker.ballast = np.ones(max(0, int(0.86 * limit - used)) // 8)

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with local_cluster(tmp_path, workers=1, memory_limit="2GiB") as client:
        run(gdirs[:1], client=client, chunk_size=1, **MODEL_A)
        client.run(grow)
        time.sleep(1.0)  # longer than Dask takes to look
        assert set(client.run(lambda dask_worker: dask_worker.status.name).values()) == {"paused"}
        assert set(run(gdirs[:4], client=client, chunk_size=2, **MODEL_A)["status"]) == {"written", "valid"}


def test_workers_are_not_paused_meanwhile_and_have_their_own_setting_again():
    import dask
    from distributed import Client, LocalCluster, wait

    def fractions() -> list[float]:
        found = client.run(lambda dask_worker: dask_worker.memory_manager.memory_pause_fraction)
        return list(found.values())

    options = {"processes": False, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": "4MiB"}
    settings = {"distributed.worker.memory.pause": 0.7, "distributed.worker.memory.monitor-interval": "20ms"}
    with dask.config.set(settings), LocalCluster(n_workers=1, **options) as cluster, Client(cluster) as client:
        with without_pauses(client):
            cluster.scale(2)
            client.wait_for_workers(2, timeout=10)
            assert fractions() == [np.inf, np.inf]
            assert not wait(client.submit(int, 1), timeout=10).not_done  # on a worker that was paused
            with without_pauses(client):
                pass
        assert fractions() == [0.7, 0.7]


@pytest.mark.slow
def test_workers_that_retire_while_they_work_lose_nothing(tmp_path, gdirs):
    retired = []
    with local_cluster(tmp_path, failures=0, workers=1) as client:
        client.cluster.adapt(minimum=1, maximum=2, interval="200ms", wait_count=2)

        def retire():
            busy = next(address for address, chunks in client.processing().items() if chunks)
            retired.extend(client.retire_workers([busy], close_workers=True))

        thread = when_half_done(gdirs, retire)
        statuses = run(gdirs, client=client, chunk_size=1, **MODEL_A)
        thread.join()
    assert len(retired) == 1
    assert set(statuses["status"]) <= {"written", "valid"}
    assert tables(gdirs).keys() == set(statuses.index)


RUN = """
import pickle, sys
from oggm_glaunti.coupling.oggm.offline import start_offline
start_offline(sys.argv[1], logging_level="CRITICAL")
from oggm_glaunti.region import run
with open(sys.argv[2], "rb") as file:
    gdirs = pickle.load(file)
options = {"client": sys.argv[3], "chunk_size": 1} if sys.argv[3:] else {}
print(sorted(set(run(gdirs, mb_kwargs={"model": "A"}, progress=False, **options)["status"])))
"""


def start_run(tmp_path: Path, gdirs: list, *address: str) -> subprocess.Popen:
    """A process that makes the tables of some glaciers, alone or with a cluster."""
    script, pickled = tmp_path / "run.py", tmp_path / "gdirs.pkl"
    script.write_text(RUN)
    pickled.write_bytes(pickle.dumps(gdirs))
    command = [sys.executable, script, tmp_path / "oggm_of_script", pickled, *address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_two_processes_on_the_same_directories_both_finish_and_files_are_whole(tmp_path, gdirs, one, oggm_env):
    (tmp_path / "two").mkdir()
    both = [start_run(folder, gdirs) for folder in (tmp_path, tmp_path / "two")]
    printed = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(set(ast.literal_eval(text.splitlines()[-1])) <= {"valid", "written"} for text in printed)
    again = run(gdirs, **MODEL_A)
    assert set(again["status"]) == {"valid"}
    assert [path for gdir in gdirs for path in Path(gdir.dir).glob(".*")] == []
    model = GlaUnTIMassBalanceA(clone(one, oggm_env / "one_by_one", 7))
    np.testing.assert_allclose(tables(gdirs)["RGI60-11.00007"], model.table().table.smb, atol=1e-5)


@pytest.mark.slow
def test_without_a_client_everything_runs_here(gdirs):
    statuses = run(gdirs[:2], **MODEL_A)
    assert list(statuses["status"]) == ["written", "written"]
    assert tables(gdirs).keys() == {gdirs[0].rgi_id, gdirs[1].rgi_id}


def test_arguments_that_cannot_be_are_refused_before_anything_runs(gdirs):
    from oggm.exceptions import InvalidParamsError

    with pytest.raises(TypeError, match="modell"):
        run(gdirs, modell="A")
    with pytest.raises(InvalidParamsError, match="chunk_size: expected 1 or more, found 0"):
        run(gdirs, chunk_size=0)
    with pytest.raises(InvalidParamsError, match=r"given twice: RGI60-11.00001"):
        run([*gdirs, gdirs[0]])


def test_glacier_directories_travel(gdirs):
    there = pickle.loads(pickle.dumps(gdirs[0]))
    assert (there.rgi_id, there.dir, there.hemisphere) == (gdirs[0].rgi_id, gdirs[0].dir, "nh")
    assert there.grid == gdirs[0].grid


@pytest.mark.slow
def test_a_cluster_without_dask_says_how_to_get_it():
    code = """
import sys
sys.modules["distributed"] = None
from oggm_glaunti.region import run
try:
    run([type("Directory", (), {"rgi_id": "one"})], client="tcp://127.0.0.1:8786")
except ImportError as err:
    print(err)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "pip install distributed" in done.stdout, done.stderr
