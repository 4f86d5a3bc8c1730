"""What a regional fit costs."""

from __future__ import annotations

import time
from pathlib import Path

import jax

from tests.real.skill.bounds import Line
from tests.real.skill.hierarchical import fitted
from tests.real.skill.sites import load

# Runs of the model of the fit that took rows as independent, on all glaciers of the set `ch`, and seconds allowed.
RUNS_BEFORE, MOST_RUNS, MOST_SECONDS = 10, 2.5, 60.0


def cost_lines(folder: Path | None) -> list[Line]:
    """Runs of the model and seconds, compiling included, of a fit to all rows of the set `ch`."""
    sites = load("ch", folder).sites
    jax.clear_caches()
    start = time.perf_counter()
    found = fitted(sites)
    seconds, n = time.perf_counter() - start, sum(len(glacier.used) for glacier in sites)
    what = f"a fit to {n} rows of {len(sites)} glaciers"
    ratio = found.evaluations / RUNS_BEFORE
    runs = f"{what}, {found.evaluations} runs of the model by those before"
    return [
        Line(runs, ratio, f"<= {MOST_RUNS}", "1", ratio <= MOST_RUNS),
        Line(f"{what}, seconds with compiling", seconds, f"< {MOST_SECONDS:.0f}", "-", seconds < MOST_SECONDS),
    ]
