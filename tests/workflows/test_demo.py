"""The whole chain on the invented glacier, as the command runs it: an empty home, no network, a time limit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.image import imread

from oggm_glaunti.settings import WEIGHTS_ENV
from oggm_glaunti.workflows import demo


@pytest.fixture(scope="module")
def without_network() -> list[str]:
    """The command that takes the network away; empty where that is not permitted."""
    program = shutil.which("unshare")
    permitted = program and not subprocess.run([program, "-n", "true"], capture_output=True, check=False).returncode
    return [program, "-n"] if permitted else []


def run_command(without_network: list[str], folder: Path, weights: Path | None) -> tuple[str, Path]:
    environment = {name: value for name, value in os.environ.items() if name != WEIGHTS_ENV}
    environment["HOME"] = str(folder / "home")
    if weights is not None:
        environment[WEIGHTS_ENV] = str(weights)
    (folder / "home").mkdir()
    command = [*without_network, sys.executable, "-m", "oggm_glaunti.cli", "demo", "--out", str(folder / "out")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, folder / "out"


def check_results(out: Path, model: str) -> None:
    with xr.open_dataset(out / f"smb_{model}.nc") as ds:
        years = ds["time"].dt.year
        assert (years.min(), years.max()) == demo.SMB_YEARS
        # The calibration averages over OGGM's flowline, the map over its cells.
        assert float(ds["smb_glacier"].mean()) == pytest.approx(demo.REF_MB / 1000.0, abs=0.05)
    with xr.open_dataset(out / f"run_{model}.nc") as ds:
        assert ds.sizes["time"] == demo.RUN_YEARS + 1
        volume = ds["volume_m3"].to_numpy() * 1e-9
    assert np.isfinite(volume).all()
    assert 0.1 < volume[-1] < volume[0] < 1.0


@pytest.mark.slow
def test_demo_runs_model_a_from_nothing_and_says_so(without_network, tmp_path):
    said, out = run_command(without_network, tmp_path, weights=None)
    assert "Model A only: the weights of model C are not on this machine." in said
    assert sorted(path.name for path in out.iterdir()) == ["demo.png", "oggm_A", "run_A.nc", "smb_A.nc", "table_A.nc"]
    check_results(out, "A")
    pixels = imread(out / "demo.png")
    assert (pixels[..., :3] < 0.95).any(axis=2).mean() > 0.05


@pytest.mark.slow
def test_demo_adds_model_c_where_its_weights_are_and_says_from_where(without_network, tmp_path, weights_dir):
    said, out = run_command(without_network, tmp_path, weights=weights_dir)
    assert f"Models A and C, C with the weights in {weights_dir / 'c.eqx'}" in said
    for model in ("A", "C"):
        check_results(out, model)
