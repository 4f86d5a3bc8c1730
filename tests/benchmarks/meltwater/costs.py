"""Time of a step, memory of a large data set, and a training that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax

from oggm_glaunti.companions.meltwater import bench
from oggm_glaunti.companions.meltwater.model import Network, count, loss_of, new_weights
from tests.benchmarks.meltwater.lines import Verdict, head

SHAPE, SCENES, WINDOW = (2863, 1633), 1000, 256
STEP, COMPILE, MEMORY = 0.3, 20.0, 2.0


def step_time() -> list[Verdict]:
    network = Network("unet", 14)
    weights = new_weights(network)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, 64, 64, 14)).astype(np.float32)
    base, target = (rng.random((8, 64, 64)).astype(np.float32) for _ in range(2))
    optimiser = optax.adamw(1e-3)

    @jax.jit
    def step(weights, moments):
        gradient = jax.grad(partial(loss_of, "cross_entropy", network))(weights, x, base, target)
        updates, moments = optimiser.update(gradient, moments, weights)
        return optax.apply_updates(weights, updates), moments

    state = weights, optimiser.init(weights)
    begin = time.perf_counter()
    state = jax.block_until_ready(step(*state))
    first = time.perf_counter() - begin
    times = []
    for _ in range(12):
        begin = time.perf_counter()
        state = jax.block_until_ready(step(*state))
        times.append(time.perf_counter() - begin)
    load = os.getloadavg()[0]
    best = min(times)
    what = (
        f"UNet of {count(weights)} numbers, 64 px, batch 8: {best:.2f} s a step at best, median {np.median(times):.2f}"
    )
    return [
        Verdict(f"{what}, <= {STEP} (load average {load:.1f})", best <= STEP),
        Verdict(f"compile and first step {first:.0f} s <= {COMPILE:.0f} s", first <= COMPILE),
    ]


READ = """
import resource, sys
import oggm_glaunti
from oggm_glaunti.companions.meltwater.bench import MeltwaterBench
found = MeltwaterBench(sys.argv[1], inputs=("pmw", "model"))
stack = found.read(slice(1000, 1000 + int(sys.argv[2])), slice(700, 700 + int(sys.argv[2])))
print(stack.target.shape[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
"""


def memory() -> list[Verdict]:
    """A window of a thousand scenes of the benchmark's size; files are hard links to a few."""
    with tempfile.TemporaryDirectory() as folder:
        root, rng = Path(folder), np.random.default_rng(0)
        for relative, value in ((bench.TARGET, 1.0), (bench.LAYERS["pmw"], 250.0), (bench.LAYERS["model"], 0.01)):
            first = root / relative / "first.tif"
            blocks = np.kron(rng.random((45, 26)), np.ones((64, 64)))[: SHAPE[0], : SHAPE[1]]
            bench.write_layer(first, (0.5 + 0.5 * blocks) * value, bench.UNPLACED, "EPSG:3413")
            for k in range(SCENES):
                os.link(first, first.with_name(bench.file_name(np.datetime64("2017-01-01") + k)))
        for relative in (bench.ELEVATION, bench.LAND):
            bench.write_layer(root / relative, np.ones(SHAPE), bench.UNPLACED, "EPSG:3413")
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", READ, str(root), str(WINDOW)], capture_output=True, text=True, check=True
        )
        days, peak = done.stdout.split()
    seconds = time.perf_counter() - begin
    what = f"{days} scenes of {SHAPE[0]} x {SHAPE[1]} with two layers, a window of {WINDOW}: peak {float(peak):.2f} GB"
    return [Verdict(f"{what} <= {MEMORY:.0f} GB ({seconds:.0f} s)", float(peak) <= MEMORY)]


TRAIN = """
import sys, hashlib, time
from pathlib import Path
import numpy as np, jax
import oggm_glaunti
from tests.companions.meltwater.worlds import small_stack
from oggm_glaunti.companions.meltwater.training import train_network
from oggm_glaunti.companions.meltwater.fit_loop import FitOptions
from oggm_glaunti.companions.meltwater.windows import Decay
stack, split = small_stack()
for path in map(Path, sys.argv[1:]):
    found = train_network(stack, split, Decay(), width=4, levels=2, crop=16, checkpoint=path,
                          options=FitOptions(epochs=4, patience=4), report=lambda row: print(row["epoch"], flush=True))
    leaves = b"".join(leaf.tobytes() for leaf in jax.tree.leaves(found.weights))
    print("found", hashlib.sha256(leaves).hexdigest(), found.log)
"""


def killed_training(folder: Path) -> tuple[str, str]:
    """Last lines of a training that ran through, and of one killed after the second epoch and resumed."""
    command = [sys.executable, "-c", TRAIN]
    process = subprocess.Popen([*command, str(folder / "killed.npz")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "2":
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    command += [str(folder / name) for name in ("killed.npz", "whole.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    lines = done.stdout.splitlines()
    # A training that goes on begins with the third epoch.
    assert [line for line in lines if not line.startswith("found")] == ["3", "4", "1", "2", "3", "4"], lines
    resumed, whole = (line for line in lines if line.startswith("found"))
    return whole, resumed


def run() -> list[Verdict]:
    head("Costs")
    found = [*step_time(), *memory()]
    with tempfile.TemporaryDirectory() as folder:
        whole, resumed = killed_training(Path(folder))
    return [*found, Verdict("kill -9 and resume: weights and log are the same to the last bit", whole == resumed)]
