"""A training that is killed and resumed ends with the weights of one that was not, byte for byte."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..fit.synthetic import write_dataset

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS = 3

SCRIPT = """
import json, os, signal, sys
from oggm_glaunti import files
from oggm_glaunti.cli.main import main
from oggm_glaunti.fit.training import epochs
import equinox, jax, optax, oggm_glaunti.cli.train, oggm_glaunti.fit.training.train


def kill_in_the_middle_of_an_epoch():
    run, calls = epochs.glacier_terms, []

    def glacier_terms(model, glacier, kinds=()):
        calls.append(glacier.name)
        if len(calls) == 8:  # three glaciers train and one validates: the last one that trains, in the second epoch
            os.kill(os.getpid(), signal.SIGKILL)
        return run(model, glacier, kinds)

    epochs.glacier_terms = glacier_terms


def kill_while_renaming():
    class Killing:
        count = 0

        def __getattr__(self, name):
            return getattr(os, name)

        def replace(self, source, target):
            self.count += str(target).endswith("_checkpoint.npz")
            if self.count == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            os.replace(source, target)

    files.os = Killing()


def status_of(killing, arguments):
    # A process of its own: JAX is imported and not started.
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            killing and globals()[killing]()
            status = main(arguments)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def found():
    for killing, arguments in json.loads(sys.argv[1]):
        log = arguments[arguments.index("--out") + 1] + "/a_log.csv"
        yield status_of(killing, arguments), sum(1 for _ in open(log))


print(json.dumps(list(found())))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, n_glaciers=5, years=(2000, 2000), sides=(20, 20), spin_up=False)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_killed_twice_and_resumed_is_uninterrupted_to_the_last_byte(data, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"

    def training(out: Path, *more: str) -> list[str]:
        """Arguments of a training of model A."""
        how = ["--epochs", str(EPOCHS), "--quiet", "--threads", "1", *more]
        return ["train", "--model", "a", "--data", str(data), "--out", str(out), *how]

    runs = [
        (None, training(whole)),
        ("kill_in_the_middle_of_an_epoch", training(out)),
        ("kill_while_renaming", training(out, "--resume")),
        (None, training(out, "--resume")),
    ]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(runs)],
        cwd=REPOSITORY,
        env={**os.environ, **cache},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Exit status and lines of the log: where it was killed, the first epoch is whole, the second is not.
    ended, killed = [0, EPOCHS + 1], [-signal.SIGKILL, 2]
    assert json.loads(done.stdout.splitlines()[-1]) == [ended, killed, killed, ended], done.stderr
    assert (out / "a.eqx").read_bytes() == (whole / "a.eqx").read_bytes()
