"""One synthetic world of 128 x 128 cells from end to end, in the benchmark's layout, with the time of each part."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from oggm_glaunti.companions.meltwater.bench import write_bench
from oggm_glaunti.companions.meltwater.splits import random_days
from oggm_glaunti.companions.meltwater.synthetic import SIZE
from oggm_glaunti.workflows import meltwater
from tests.benchmarks.meltwater.lines import Verdict, head
from tests.benchmarks.meltwater.world import stack_of

LAYERS = ("pmw", "model", "water")
EPOCHS, CROP, RATE = 4, 64, 2e-3


def run() -> list[Verdict]:
    head(f"A synthetic world of {SIZE} x {SIZE} cells, four seasons, from its making to its maps")
    seconds: dict[str, float] = {}

    def timed(name: str, what):
        begin, busy = time.perf_counter(), time.process_time()
        found = what()
        seconds[name] = time.perf_counter() - begin
        print(f"  {name}: {seconds[name]:.0f} s, {time.process_time() - busy:.0f} s of a core", flush=True)
        return found

    _, stack = timed("made", lambda: stack_of(0, SIZE))
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "world", Path(folder) / "out"
        timed("written", lambda: write_bench(root, stack, random_days(stack)))
        trained = timed(
            f"trained, {EPOCHS} epochs",
            lambda: meltwater.train(root, out, LAYERS, epochs=EPOCHS, crop=CROP, rate=RATE),
        )
        table = timed("evaluated", lambda: meltwater.evaluate(root, out, LAYERS))
        timed("every day predicted", lambda: meltwater.predict(root, out, LAYERS))
    print(table.round(4).to_string())
    print(f"  epoch {trained.best_epoch} is kept; load average {os.getloadavg()[0]:.1f}")
    mine, others = table.loc["unet"], table.drop("unet")
    what = f"{SIZE} px: UNet (Brier {mine.brier:.4f}, F1 {mine.f1:.3f}) ahead of every baseline (at best "
    ahead = mine.brier < others.brier.min() and mine.f1 >= others.f1.max()
    return [Verdict(f"{what}{others.brier.min():.4f}, {others.f1.max():.3f})", bool(ahead))]
