"""What GlaUnTI costs in OGGM, against OGGM's MonthlyTIModel: ``python -m tests.benchmarks.massbalance``.

Both are timed in the same run, turn by turn; medians and their ratio are printed.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests import glaciers

ROUNDS = 15


def alternate(works: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Median seconds of each piece of work, run in turn after one warm-up each."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for index in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if index:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def report(title: str, medians: dict[str, float], baseline: str) -> None:
    """Print medians and ratios as a Markdown table."""
    print(f"\n{title}\n\n| | median | of {baseline} |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {_readable(median)} | {median / medians[baseline]:.2f} |")


def _readable(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms"), (1e6, "us")):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def calls_of(mb_model, heights: np.ndarray, years: np.ndarray) -> Callable[[], object]:
    """All years' balance at the heights."""
    return lambda: [mb_model.get_annual_mb(heights, year=year) for year in years]


def run_of(gdir, mb_model_class: type) -> Callable[[], object]:
    """A run with OGGM's ice dynamics, 1982 to 2019."""
    from oggm import tasks

    return lambda: tasks.run_from_climate_data(
        gdir, ys=1982, ye=2020, mb_model_class=mb_model_class, output_filesuffix="_bench"
    )


def rebuild_of(mb_model) -> Callable[[], object]:
    """Turn a knob a little, ask once: the table is rebuilt each time."""

    def rebuild() -> object:
        mb_model.melt_f = mb_model.melt_f * 1.0001
        return mb_model.get_annual_mb([3000.0], year=2000)

    return rebuild


def processor() -> str:
    """Name of the CPU."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.processor())


def main() -> None:
    """Print the tables."""
    from tests.conftest import SHARED

    if SHARED is None:
        sys.exit("no shared data: set OGGM_GLAUNTI_SHARED to their folder")
    os.environ["OGGM_GLAUNTI_WEIGHTS"] = str(SHARED / "reference" / "upstream")
    with tempfile.TemporaryDirectory() as folder:
        _measure(glaciers.prepare_aletsch(Path(folder), SHARED))


def _measure(gdir) -> None:
    import jax
    from oggm.core.massbalance import MonthlyTIModel

    from oggm_glaunti import GlaUnTIMassBalanceA, GlaUnTIMassBalanceC
    from oggm_glaunti import tasks as gtasks

    gtasks.glaunti_features(gdir)
    classes = {
        "MonthlyTIModel": MonthlyTIModel,
        "GlaUnTI A": GlaUnTIMassBalanceA,
        "GlaUnTI C": GlaUnTIMassBalanceC,
    }
    print(f"{time.strftime('%Y-%m-%d')}, {processor()}, {os.cpu_count()} cores, Python {platform.python_version()},")
    print(f"jax {jax.__version__}; Grosser Aletsch, daily weather 1981-2020; medians of {ROUNDS}, in turn")
    heights, years = gdir.read_pickle("model_flowlines")[0].surface_h, np.arange(1982, 2020)
    models = {name: mb_model_class(gdir) for name, mb_model_class in classes.items()}
    calls = {name: calls_of(model, heights, years) for name, model in models.items()}
    title = f"`get_annual_mb` of {years.size} years at {heights.size} heights, table at hand"
    report(title, alternate(calls), "MonthlyTIModel")
    runs = {name: run_of(gdir, mb_model_class) for name, mb_model_class in classes.items()}
    report("`run_from_climate_data` 1982-2020, table on disk", alternate(runs, 5), "MonthlyTIModel")
    rebuilds = {name: rebuild_of(models[name]) for name in ("GlaUnTI A", "GlaUnTI C")}
    report("A knob turned: table rebuilt, 40 years", alternate(rebuilds), "GlaUnTI A")


if __name__ == "__main__":
    main()
