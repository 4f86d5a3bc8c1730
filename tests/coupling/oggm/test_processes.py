"""What a worker that was forked after JAX had started may do."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC, tasks as gtasks
from oggm_glaunti.coupling.oggm import processes
from oggm_glaunti.coupling.table.inputs import TunableParams
from oggm_glaunti.coupling.table.table import build_table

HEIGHTS = np.array([2500.0, 3001.0, 3500.0])


@pytest.fixture
def forked(monkeypatch):
    """As in a worker forked after JAX had started."""
    monkeypatch.setattr(processes, "_forked_after_jax", True)


def test_here_jax_may_be_used():
    import jax.numpy as jnp

    assert float(jnp.zeros(())) == 0
    assert not processes.jax_is_unsafe()
    processes.require_jax("RGI60-11.00897: work")


def test_the_error_names_the_work_and_says_what_to_set(forked):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: work needs JAX.*PARAMS\['use_mp_spawn'\] = True"):
        processes.require_jax("RGI60-11.00897: work")


def test_a_table_is_built_in_numpy_there(hef_gdir, forked):
    inputs = GlaUnTIMassBalanceA(hef_gdir).table_inputs
    np.testing.assert_array_equal(
        build_table(inputs, TunableParams(5.0)).smb, build_table(inputs, TunableParams(5.0), "numpy").smb
    )


def test_maps_need_jax_and_say_so(hef_gdir, forked):
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: glaunti_smb needs JAX.*use_mp_spawn"):
        gtasks.glaunti_smb(hef_gdir, mb_kwargs={"model": "A"})


def test_corrections_that_are_not_at_hand_need_jax_and_say_so(hef_gdir, weights_dir, forked):
    gtasks.glaunti_features(hef_gdir)
    model = GlaUnTIMassBalanceC(hef_gdir, weights=weights_dir)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: computing the corrections of model C needs JAX"):
        model.get_annual_mb(HEIGHTS, year=2018)


FORKS = """
import json, multiprocessing, os, sys, warnings
warnings.simplefilter("ignore")

def unsafe(*_):
    from oggm_glaunti.coupling.oggm.processes import jax_is_unsafe
    return jax_is_unsafe()

def in_worker(method):
    with multiprocessing.get_context(method).Pool(1) as pool:
        return pool.map(unsafe, [0])[0]

def in_grandchild(_=None):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(int(unsafe())).encode())
        os._exit(0)
    return os.read(read, 1) == b"1"

if __name__ == "__main__":
    found = {}
    import jax
    if sys.argv[1] == "module first":
        unsafe()
    found["imported"] = in_worker("fork")
    jax.numpy.zeros(1).block_until_ready()
    found["parent"] = None if sys.argv[1] == "jax first" else unsafe()
    found["fork"] = in_worker("fork")
    if sys.argv[1] == "module first":
        # These begin anew: what was imported here first is the same to them.
        found["spawn"] = in_worker("spawn")
        found["forkserver"] = in_worker("forkserver")
        found["plain fork"] = in_grandchild()
    print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", ["module first", "jax first"])
def test_only_workers_forked_after_jax_was_used_are_unsafe(tmp_path, order):
    """Whether our module was imported before the fork or in the worker."""
    script = tmp_path / "forks.py"
    script.write_text(FORKS)
    done = subprocess.run(
        [sys.executable, script, order], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.pop("fork") is True
    assert found.pop("plain fork", True) is True
    assert found.pop("parent") in (False, None)
    anew = {"spawn": False, "forkserver": False} if order == "module first" else {}
    assert found == {"imported": False, **anew}
