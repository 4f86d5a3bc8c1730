"""A training that is killed and resumed ends with the weights of one that was not, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..fit.synthetic import write_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS = 3

KILLED_IN_THE_MIDDLE_OF_AN_EPOCH = """
import os, signal
from oggm_glaunti.fit.training import epochs
run, calls = epochs.glacier_terms, []
def glacier_terms(model, glacier, kinds=()):
    calls.append(glacier.name)
    if len(calls) == 8:  # three glaciers train and one validates: the last one that trains, in the second epoch
        os.kill(os.getpid(), signal.SIGKILL)
    return run(model, glacier, kinds)
epochs.glacier_terms = glacier_terms
"""
KILLED_WHILE_RENAMING = """
import os, signal
from oggm_glaunti import files
class killing:
    count = 0
    def __getattr__(self, name):
        return getattr(os, name)
    def replace(self, source, target):
        self.count += str(target).endswith("_checkpoint.npz")
        if self.count == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        os.replace(source, target)
files.os = killing()
"""
COMMAND = "import sys; from oggm_glaunti.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, n_glaciers=5, years=(2000, 2000), sides=(20, 20), spin_up=False)
    return folder


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """Compiled programs, shared by all processes."""
    return tmp_path_factory.mktemp("programs")


def train(data: Path, out: Path, programs: Path, *more: str, before: str = "") -> subprocess.CompletedProcess:
    """Train model A in a process of its own."""
    arguments = ["train", "--model", "a", "--data", str(data), "--out", str(out), "--epochs", str(EPOCHS), "--quiet"]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(programs), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05"}
    return subprocess.run(
        [sys.executable, "-c", f"{before}\n{COMMAND}", *arguments, "--threads", "1", *more],
        cwd=REPOSITORY,
        env={**os.environ, **cache},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def uninterrupted(data, programs, tmp_path_factory) -> bytes:
    out = tmp_path_factory.mktemp("whole")
    done = train(data, out, programs)
    assert done.returncode == 0, done.stderr
    return (out / "a.eqx").read_bytes()


@pytest.mark.slow
def test_killed_twice_and_resumed_is_uninterrupted_to_the_last_byte(data, programs, uninterrupted, tmp_path):
    out = tmp_path / "out"
    for before, more in ((KILLED_IN_THE_MIDDLE_OF_AN_EPOCH, ()), (KILLED_WHILE_RENAMING, ("--resume",))):
        killed = train(data, out, programs, *more, before=before)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        # The first epoch is whole, the second is not.
        assert len((out / "a_log.csv").read_text().splitlines()) == 2
    resumed = train(data, out, programs, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (out / "a.eqx").read_bytes() == uninterrupted
    assert len((out / "a_log.csv").read_text().splitlines()) == EPOCHS + 1
