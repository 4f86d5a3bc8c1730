"""Cost of a region against the number of its glaciers, each number in a process of its own."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

from tests.benchmarks.report import readable
from tests.benchmarks.runner import IDLE, last_line_of, own_peak_mb, peak_mb
from tests.benchmarks.scaling import slope

TIMEOUT = 3000.0  # s
SECONDS_NEEDED, MEMORY_NEEDED = 60.0, 1500.0  # of 1,000 glaciers x 20 years on 2 cores: s, MB
GPU_GOAL = 20.0  # s, of 4,000 glaciers x 40 years


class Measured(NamedTuple):
    """A region run twice in a fresh process; memory in MB, the rest in seconds."""

    glaciers: int
    years: int
    device: str
    first: float
    warm: float
    making: float
    corrections: float
    tables: float
    peak: float


@contextlib.contextmanager
def _stages() -> Iterator[collections.Counter]:
    """Seconds that batches take, by stage, summed over threads."""
    from oggm_glaunti.region import engine

    seconds: collections.Counter = collections.Counter()
    run_batch = engine.run_batch

    def timed(batch: Any, *arguments: Any) -> Any:
        start = time.perf_counter()
        outcomes = run_batch(batch, *arguments)
        seconds[batch.stage] += time.perf_counter() - start
        return outcomes

    with mock.patch.object(engine, "run_batch", timed):
        yield seconds


def run_once(glaciers: int, years: int) -> float:
    """Seconds for corrections and tables of a region; an error where a glacier failed."""
    from oggm_glaunti.region.engine import run_jobs
    from tests.region.synthetic import make_region

    start, done = time.perf_counter(), 0
    for outcome in run_jobs(make_region(glaciers, years=years)):
        if outcome.error is not None:
            raise outcome.error
        done += 1
    if done != glaciers:
        raise RuntimeError(f"{done} of {glaciers} glaciers have a table")
    return time.perf_counter() - start


def measure_here(glaciers: int, years: int) -> Measured:
    """Measure in this process, which ought to be fresh."""
    import jax

    from tests.region.synthetic import make_region

    first = run_once(glaciers, years)
    with _stages() as seconds:
        warm = run_once(glaciers, years)
    start = time.perf_counter()
    for job in make_region(glaciers, years=years):
        job.size()
    making = time.perf_counter() - start
    device = jax.devices()[0].device_kind
    return Measured(
        glaciers, years, device, first, warm, making, seconds["corrections"], seconds["tables"], own_peak_mb()
    )


def measure_apart(glaciers: int, years: int, cpu: bool = False) -> Measured:
    """Measure in a process of its own; on the CPU where a GPU is not to be used."""
    env = {**os.environ, **({"JAX_PLATFORMS": "cpu"} if cpu else {})}
    arguments = ("--region", glaciers, years)
    return Measured(**json.loads(last_line_of("tests.benchmarks", *arguments, timeout=TIMEOUT, env=env)))


class Region(NamedTuple):
    """Regions of several sizes; `gpu` ones are left out where there is no GPU."""

    name: str
    title: str
    sizes: tuple[int, ...]
    years: int
    tiny: tuple[int, ...]
    gpu: bool = False
    note: str = ""
    needs_data: bool = True

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """A row per size; time and memory over the number of glaciers as a figure."""
        import jax

        on_gpu = jax.default_backend() == "gpu"
        if self.gpu and not on_gpu:
            return "Not measured: there is no GPU that JAX can use.", True
        idle = peak_mb(IDLE) if memory else float("nan")
        sizes, years = (self.tiny, 2) if quick else (self.sizes, self.years)
        rows = [measure_apart(n, years, cpu) for n in sizes for cpu in ((False, True) if self.gpu else (False,))]
        rows = [row._replace(peak=row.peak - idle) for row in rows]
        lines = table(rows)
        if figure is not None and len(sizes) > 2:
            draw(figure, self.title, rows)
            lines += f"\n\n![{self.title}](../figures/{figure.name})"
        return lines, all(met(row) is not False for row in rows)


def met(row: Measured) -> bool | None:
    """Whether what is needed of this size is met, None where nothing is."""
    if (row.glaciers, row.years) == (1000, 20):
        return row.warm <= SECONDS_NEEDED and not row.peak > MEMORY_NEEDED
    if (row.glaciers, row.years) == (4000, 40) and "cpu" not in row.device.lower():
        return row.warm <= GPU_GOAL
    return None


def table(rows: list[Measured]) -> str:
    """Markdown: a row per region."""
    head = ["glaciers x years", "device", "warm", "first", "glaciers per s, warm", "a glacier-year"]
    head += ["making the glaciers", "corrections, all threads", "tables, all threads", "peak", "needed"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in rows:
        words = {True: "met", False: "NOT MET", None: ""}[met(r)]
        limit = f"{SECONDS_NEEDED:g} s, {MEMORY_NEEDED:g} MB: " if r.glaciers == 1000 else f"{GPU_GOAL:g} s: "
        cells = [f"{r.glaciers} x {r.years}", r.device, readable(r.warm), readable(r.first)]
        cells += [f"{r.glaciers / r.warm:.3g}", readable(r.warm / (r.glaciers * r.years))]
        cells += [
            readable(r.making),
            readable(r.corrections),
            readable(r.tables),
            "" if np.isnan(r.peak) else f"{r.peak:.0f} MB",
        ]
        lines.append(f"| {' | '.join([*cells, limit + words if words else ''])} |")
    return "\n".join(lines)


def draw(path: Path, title: str, rows: list[Measured]) -> None:
    """Time and memory over the number of glaciers."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    n, warm = [r.glaciers for r in rows], [r.warm for r in rows]
    fig, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.0), layout="constrained")
    left.loglog(n, [r.first for r in rows], "s--", color="0.55", label="first run, with compilation")
    left.loglog(n, warm, "o-", label=f"warm (slope {slope(dict(zip(n, warm, strict=True))):.2f})")
    left.set(xlabel="glaciers", ylabel="time (s)")
    right.semilogx(n, [r.peak for r in rows], "o-", label="peak memory above an idle process")
    right.axhline(MEMORY_NEEDED, color="0.55", ls=":", label="allowed")
    right.set(xlabel="glaciers", ylabel="memory (MB)", ylim=(0, None))
    for ax in (left, right):
        ax.grid(which="both", alpha=0.25)
        ax.legend(frameon=False)
    fig.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=130)
    plt.close(fig)


NOTE = (
    "Glaciers, areas drawn as in RGI region 11, and their weather are made as they are asked for "
    "(`tests/region/synthetic.py`); no files are read or written. *First* holds the compilation of all shapes."
)
CASES = [
    Region("region", "A region against the number of glaciers, 20 years", (1, 10, 100, 1000), 20, (1, 2), note=NOTE),
    Region("region_gpu", "A region of 4,000 glaciers, 40 years, on a GPU and its host's CPU", (4000,), 40, (2,), True),
]
