"""Twenty kills; by hand ``python -m tests.faults.kill --n 200``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("zarr")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_twenty_kills_lose_and_mix_nothing():
    command = [sys.executable, "-m", "tests.faults.kill", "--n", "20", "--seed", "20"]
    repository = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=repository, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds: 2" in done.stdout
