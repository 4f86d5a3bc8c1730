"""As many kills as there are tasks that write; by hand ``python -m tests.faults.kill --n 200``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.kill import KILLED

pytest.importorskip("zarr")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_as_many_kills_as_there_are_tasks_lose_and_mix_nothing():
    command = [sys.executable, "-m", "tests.faults.kill", "--n", str(len(KILLED)), "--seed", "20"]
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=repository, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"holds: {len(KILLED)} kills" in done.stdout
    assert len(re.findall(r": \d+ kills, \d+ left a temporary file", done.stdout)) > len(KILLED) // 2
