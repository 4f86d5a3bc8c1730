"""Threads that read and write at once: the NetCDF library is called by one of them at a time."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import oggm_glaunti
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

PACKAGE = Path(oggm_glaunti.__file__).parent
# What opens or writes NetCDF besides netCDF4 itself.
OPENERS = {"open_dataset", "load_dataset", "open_mfdataset", "to_netcdf", "FileModel", "ncDataset"}
OPENERS |= {"compile_run_output", "get_geodetic_mb_dataframe", "read_hdf"}

SCRIPT = """
import faulthandler, sys, threading
from concurrent.futures import ThreadPoolExecutor
faulthandler.enable()
from oggm_glaunti.workflows.valley import make_daily_weather, make_valley_glacier
gdir = make_valley_glacier(sys.argv[1])
make_daily_weather(gdir, first_year=2000, last_year=2002)
import numpy as np
from oggm_glaunti import GlaUnTIMassBalanceA
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.tasks import compile_glaunti_output, glaunti_features, glaunti_smb, process_daily_climate

glaunti_features(gdir)
mb = {"mb_kwargs": {"model": "A"}}
weather = {"source": "custom", "path": gdir.dir + "/invented_weather.csv", "ref_hgt": 2900.0}
weather |= {"temp_units": "degC", "prcp_units": "mm/day", "filesuffix": "_daily_again"}
works = [
    lambda: GlaUnTIMassBalanceA(gdir).get_annual_mb([3000.0], year=2001)[0],
    lambda: GlaUnTIMassBalanceA(gdir).get_monthly_mb([3000.0], year=2001.5)[0],
    lambda: glaunti_smb(gdir, **mb)["smb"].mean(),
    lambda: read_daily_climate(gdir).temp.mean(),
    lambda: process_daily_climate(gdir, **weather),
    lambda: float(compile_glaunti_output([gdir], path=gdir.dir + "/region.nc", **mb)["specific_mb"].mean()),
]
alone = [work() for work in works]
barrier = threading.Barrier(8)

def thread(number):
    barrier.wait()
    return [works[(number + turn) % len(works)]() == alone[(number + turn) % len(works)] for turn in range(12)]

with ThreadPoolExecutor(8) as pool:
    print(np.array(list(pool.map(thread, range(8)))).all())
"""


@pytest.mark.slow
def test_eight_threads_read_and_write(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout.split()[-1:]) == (0, ["True"]), done.stderr[-3000:]


def test_a_fork_finds_the_lock_free():
    with HDF5_LOCK:
        child = os.fork()
        if not child:
            os._exit(0 if HDF5_LOCK.acquire(timeout=1.0) else 1)
    assert os.waitpid(child, 0)[1] == 0


def calls_without_lock(tree: ast.AST, locked: bool = False) -> Iterator[str]:
    """Calls that open NetCDF outside of a ``with HDF5_LOCK``, by name and line."""
    if isinstance(tree, ast.With):
        for item in tree.items:
            locked = locked or ast.unparse(item.context_expr) == "HDF5_LOCK"
            yield from calls_without_lock(item.context_expr, locked)
        nodes = tree.body
    else:
        nodes = list(ast.iter_child_nodes(tree))
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name | ast.Attribute) and not locked:
            name = tree.func.attr if isinstance(tree.func, ast.Attribute) else tree.func.id
            module = ast.unparse(tree.func).rpartition(".")[0]
            own = not module and name == "open_dataset"  # of training data
            if (name in OPENERS and not own) or (module, name) == ("netCDF4", "Dataset"):
                yield f"{tree.lineno}: {ast.unparse(tree.func)}"
    for node in nodes:
        yield from calls_without_lock(node, locked)


def test_netcdf_is_opened_with_the_lock():
    found = {path.name: [*calls_without_lock(ast.parse(path.read_text("utf-8")))] for path in PACKAGE.rglob("*.py")}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_a_call_without_the_lock_is_found():
    source = "with HDF5_LOCK, xr.open_dataset(a) as ds:\n    f(netCDF4.Dataset(b))\nwith xr.open_dataset(c):\n    pass"
    assert list(calls_without_lock(ast.parse(source))) == ["3: xr.open_dataset"]
