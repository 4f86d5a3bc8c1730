"""The world on paper: a sample of every size class of the inventory, and what all glaciers together would cost.

Counts are those of RGI 6.0 in the RGI's user guide (https://www.glims.org/rgi_user_guide, "Number of glaciers per size
class in RGI6 and RGI7"): 215,547 glaciers. Within a class areas follow a power law with the exponent of the counts;
that above 100 km2 is chosen so that all areas sum up to the inventory's 705,739 km2 (RGI Consortium 2017), which leaves
76 glaciers above 1,000 km2. The sample of a class is its quantiles, so its mean cost is the class's.
"""

from __future__ import annotations

import json
import pickle
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks.report import readable
from tests.benchmarks.runner import last_line_of, own_peak_mb

YEARS, TIMEOUT = 20, 1200.0  # -, s
WORLD, WORLD_AREA = 215_547, 705_739.0  # -, km2
ABOVE_1000 = 76
WORKERS = 100
MODELS = ("A", "C")


class SizeClass(NamedTuple):
    """Glaciers between two areas (km2), how many there are and are measured, and the memory setting they need (MB)."""

    name: str
    count: int
    low: float
    high: float
    exponent: float
    sample: int
    memory: float = 1000.0

    def areas(self, n: int) -> np.ndarray:
        """Areas at n quantiles, km2."""
        p = (np.arange(n) + 0.5) / n
        if self.exponent == 0:
            return self.low * (self.high / self.low) ** p
        low, high = self.low**-self.exponent, self.high**-self.exponent
        return (low - p * (low - high)) ** (-1 / self.exponent)


CLASSES = (
    SizeClass("below 1 km2", 170_591, 0.02, 1.0, 0.0, 120),
    SizeClass("1 to 10 km2", 38_040, 1.0, 10.0, 0.81, 40),
    SizeClass("10 to 100 km2", 5_954, 10.0, 100.0, 0.86, 12),
    SizeClass("100 to 1,000 km2", 962 - ABOVE_1000, 100.0, 1000.0, 1.05, 4),
    SizeClass("1,000 to 7,600 km2", ABOVE_1000, 1000.0, 7600.0, 1.05, 2, 4000.0),
)
# Not a class, but what a worker must be able to hold.
LARGEST = SizeClass("one of 7,000 km2", 0, 6999.0, 7001.0, 0.0, 1, 4000.0)


class Measured(NamedTuple):
    """A sample run twice in a fresh process: wall seconds, CPU seconds of the second time, peak memory in MB."""

    glaciers: int
    first: float
    warm: float
    cpu: float
    peak: float


def measure_here(name: str, model: str, sample: int, years: int) -> Measured:
    """Make the directories of a class's sample and run them in this process, which ought to be fresh."""
    import jax

    from oggm_glaunti.coupling.oggm.offline import start_offline
    from oggm_glaunti.region import run
    from tests.region.synthetic import make_directories

    of_class = next(c for c in (*CLASSES, LARGEST) if c.name == name)
    with tempfile.TemporaryDirectory(prefix="oggm_glaunti_world_") as folder:
        start_offline(folder, logging_level="CRITICAL")
        gdirs = make_directories(sample, folder, years=years, of_areas=of_class.areas(sample))
        jax.local_devices()
        idle, seconds, cpu = own_peak_mb(), [], 0.0
        for _ in range(2):
            start, cpu = time.perf_counter(), time.process_time()
            statuses = run(gdirs, memory=of_class.memory, overwrite=True, progress=False, mb_kwargs={"model": model})
            seconds.append(time.perf_counter() - start)
            cpu = time.process_time() - cpu
            if set(statuses["status"]) != {"written"}:
                raise RuntimeError(statuses.to_string())
        return Measured(sample, *seconds, cpu, own_peak_mb() - idle)


def measure_apart(of_class: SizeClass, model: str, sample: int, years: int) -> Measured:
    """Measure in a process of its own."""
    arguments = ("--world", of_class.name, model, sample, years)
    return Measured(**json.loads(last_line_of("tests.benchmarks", *arguments, timeout=TIMEOUT)))


class Cluster(NamedTuple):
    """A Dask cluster on this machine: seconds to start it, per chunk that does nothing, and for a small region."""

    workers: int
    start: float
    chunk: float
    region: float


def measure_clusters(
    workers: tuple[int, ...], chunks: int, glaciers: int, chunk_size: int, size: int
) -> tuple[list[Cluster], float]:
    """Run chunks that do nothing and a small region of model A on clusters; also the region without a cluster, s.

    A chunk that does nothing travels with `size` glacier directories and the configuration, as a real one does.
    """
    from distributed import Client, LocalCluster
    from oggm import cfg

    from oggm_glaunti.coupling.oggm.offline import start_offline
    from oggm_glaunti.region import run
    from tests.region.synthetic import make_directories

    found = []
    with tempfile.TemporaryDirectory(prefix="oggm_glaunti_world_") as folder:
        start_offline(folder, logging_level="CRITICAL")
        gdirs = make_directories(glaciers, folder, years=4)

        def region(client: Any = None) -> float:
            given = {"overwrite": True, "progress": False, "mb_kwargs": {"model": "A"}, "chunk_size": chunk_size}
            seconds = []
            for _ in range(2):  # compiled in the first round
                begin = time.perf_counter()
                run(gdirs, client=client, **(given if client else {**given, "chunk_size": glaciers}))
                seconds.append(time.perf_counter() - begin)
            return seconds[-1]

        alone = region()
        for n in workers:
            begin = time.perf_counter()
            options = {"n_workers": n, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
            with LocalCluster(**options) as cluster, Client(cluster) as client:
                started = time.perf_counter() - begin
                payload = pickle.dumps((gdirs * size)[:size]), cfg.pack_config()
                nothing = lambda number, directories, config: number
                client.gather([client.submit(nothing, -k, *payload, pure=False) for k in range(2 * n)])
                begin = time.perf_counter()
                futures = [client.submit(nothing, number, *payload, pure=False) for number in range(chunks)]
                assert client.gather(futures) == list(range(chunks))
                each = (time.perf_counter() - begin) / chunks
                found.append(Cluster(n, started, each, region(client)))
    return found, alone


class World(NamedTuple):
    """Size classes, clusters, and the whole inventory."""

    name: str
    title: str
    note: str
    needs_data: bool = True

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """A row per size class and model, one per cluster, and the sums."""
        from oggm_glaunti.region.cluster import CHUNK_SIZE

        del memory, figure
        classes, years = ((*CLASSES, LARGEST), YEARS) if not quick else (CLASSES[:1], 2)
        rows = {
            (model, c): measure_apart(c, model, 1 if quick else c.sample, years) for model in MODELS for c in classes
        }
        given = ((2,), 4, 2, 1, 2) if quick else ((2, 8), 400, 128, 8, CHUNK_SIZE)
        clusters, alone = measure_clusters(*given)
        return "\n\n".join([table(rows), cluster_table(clusters, alone, given), sums(rows, clusters)]), True


def table(rows: dict[tuple[str, SizeClass], Measured]) -> str:
    """Markdown: a row per model and class."""
    head = [
        "model",
        "size class",
        "glaciers in RGI 6",
        "measured",
        "warm, a glacier",
        "CPU, a glacier",
        "first",
        "peak",
    ]
    lines = [f"| {' | '.join([*head, '`glaunti_memory`', 'the class, 2 cores'])} |", "|---" * (len(head) + 2) + "|"]
    for (model, c), m in rows.items():
        cells = [model, c.name, f"{c.count:,}" if c.count else "", str(m.glaciers), readable(m.warm / m.glaciers)]
        cells += [readable(m.cpu / m.glaciers), readable(m.first), f"{m.peak:.0f} MB", f"{c.memory:.0f} MB"]
        lines.append(f"| {' | '.join([*cells, hours(c.count * m.warm / m.glaciers) if c.count else ''])} |")
    return "\n".join(lines)


def cluster_table(clusters: list[Cluster], alone: float, given: tuple) -> str:
    """Markdown: a row per cluster."""
    _, chunks, glaciers, chunk_size, size = given
    region = f"{glaciers} glaciers x 4 years of model A, chunks of {chunk_size}"
    head = ["workers (processes)", "start", f"a chunk of {size} directories that does nothing (of {chunks})", region]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", f"| none, this process |  |  | {readable(alone)} |"]
    for c in clusters:
        lines.append(f"| {c.workers} | {readable(c.start)} | {readable(c.chunk)} | {readable(c.region)} |")
    return "\n".join(lines)


def sums(rows: dict[tuple[str, SizeClass], Measured], clusters: list[Cluster]) -> str:
    """Words: all glaciers on this machine and on many workers like it."""
    from oggm_glaunti.region.cluster import CHUNK_SIZE

    chunks = -(-WORLD // CHUNK_SIZE)
    scheduler = chunks * max(c.chunk for c in clusters)
    lines = []
    for model in MODELS:
        own = {c: m for (m_, c), m in rows.items() if m_ == model and c.count}
        world = sum(c.count * m.warm / m.glaciers for c, m in own.items())
        slowest = max(m.first / m.glaciers for (m_, _), m in rows.items() if m_ == model)
        shared = world / WORKERS + scheduler + slowest
        lines.append(
            f"Model {model}, {WORLD:,} glaciers x {YEARS} years: {hours(world)} on the 2 cores of this machine; "
            f"{hours(shared)} on {WORKERS} workers of 2 such cores each ({hours(world / WORKERS)} of work, "
            f"{readable(scheduler)} of the scheduler's for {chunks:,} chunks of {CHUNK_SIZE}, and at most "
            f"{readable(slowest)} until the largest glacier is done)."
        )
    return "\n\n".join(lines)


def hours(seconds: float) -> str:
    """Minutes or hours."""
    return f"{seconds / 3600:.3g} h" if seconds >= 3600 else f"{seconds / 60:.3g} min"


NOTE = (
    "Counts of RGI 6.0 from the RGI's user guide (below 1 km2, 1 to 10, 10 to 100, above 100); areas within a class by "
    "quantiles of a power law, above 100 km2 such that all sum up to the inventory's 705,739 km2. Directories with "
    "weather and features are made by `tests/region/synthetic.py`, not counted; read and written are theirs and the "
    "table. *First* holds the compilation of all shapes if no earlier process left them on disk. A glacier that needs "
    "more memory than the setting is refused by name, so memory stays bounded; those of more than some 2,000 km2 need "
    "more than the 1000 MB that are set by default."
)
CASES = [World("world", "The world on paper: a sample of every size class of RGI 6.0, 20 years", NOTE)]
