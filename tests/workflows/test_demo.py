"""The whole chain, as the command runs it: an empty home, no network, a time limit."""

from __future__ import annotations

import os
import resource
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

# Of the processor: on two idle cores no longer by the clock.
MOST_SECONDS = 60


@pytest.fixture(scope="module")
def without_network() -> list[str]:
    """The command that takes the network away; empty where that is not permitted."""
    program = shutil.which("unshare")
    permitted = program and not subprocess.run([program, "-n", "true"], capture_output=True, check=False).returncode
    return [program, "-n"] if permitted else []


def run_command(without_network: list[str], folder: Path, weights: Path | None, *options: str) -> tuple[str, Path]:
    environment = {name: value for name, value in os.environ.items() if name != WEIGHTS_ENV}
    environment["HOME"] = str(folder / "home")
    if weights is not None:
        environment[WEIGHTS_ENV] = str(weights)
    (folder / "home").mkdir()
    command = [*without_network, sys.executable, "-m", "oggm_glaunti.cli", "demo", "--out", str(folder / "out")]
    command += options
    before = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) - before < MOST_SECONDS
    return done.stdout, folder / "out"


def check_results(out: Path, model: str, subject: demo.Subject, tolerance: float) -> np.ndarray:
    """Years and balance of the maps, and the volumes of the run, which are returned (km3)."""
    with xr.open_dataset(out / f"smb_{model}.nc") as ds:
        years = ds["time"].dt.year
        assert (years.min(), years.max()) == (subject.maps["ys"], subject.maps["ye"])
        assert float(ds["smb_glacier"].mean()) == pytest.approx(subject.reference["ref_mb"] / 1000.0, abs=tolerance)
    with xr.open_dataset(out / f"run_{model}.nc") as ds:
        assert ds.sizes["time"] == demo.RUN_YEARS + 1
        volume = ds["volume_m3"].to_numpy() * 1e-9
    assert np.isfinite(volume).all()
    return volume


@pytest.mark.slow
def test_demo_runs_hintereisferner_from_nothing_with_model_a_and_says_so(without_network, tmp_path):
    said, out = run_command(without_network, tmp_path, weights=None)
    assert "Model A only: the weights of model C are not on this machine." in said
    # As in docs/validation.md.
    assert "as published: r 0.899, RMSE 0.995, bias -0.403 m w.e. against 148 measured bands of 2015-2020" in said
    made = ["demo.png", "oggm_A", "report.html", "run_A.nc", "smb_A.nc", "table_A.nc"]
    assert sorted(path.name for path in out.iterdir()) == made
    assert "RGI60-11.00897" in (out / "report.html").read_text("utf-8")
    volume = check_results(out, "A", demo.hintereisferner(), tolerance=0.1)
    assert volume[-1] < 0.2 * volume[0]
    pixels = imread(out / "demo.png")
    assert (pixels[..., :3] < 0.95).any(axis=2).mean() > 0.05


@pytest.mark.slow
def test_demo_adds_model_c_where_its_weights_are_and_says_from_where(without_network, tmp_path, weights_dir):
    said, out = run_command(without_network, tmp_path, weights_dir, "--synthetic")
    assert f"Models A and C, C with the weights in {weights_dir / 'c.eqx'}" in said
    assert "measured bands" not in said
    for model in ("A", "C"):
        # The calibration averages over OGGM's flowline, the map over its cells.
        volume = check_results(out, model, demo.invented_valley(), tolerance=0.05)
        assert 0.1 < volume[-1] < volume[0] < 1.0
