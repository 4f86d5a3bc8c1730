"""A region's ice dynamics in OGGM's pool of two processes, against MonthlyTIModel."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.benchmarks.command import GLACIERS, TIMEOUT, seconds_of, write_inputs
from tests.benchmarks.report import readable
from tests.benchmarks.runner import last_line_of

PROCESSES, ROUNDS, NYEARS = 2, 5, 100
# The weather at hand is that of 2015 to 2022. All models have the same balance on average, so that the glaciers, and
# with them the steps of the dynamics, differ little.
CLIMATE = {"y0": 2019, "halfsize": 2, "seed": 1}
REF_MB, PERIOD = -300.0, "2016-01-01_2022-01-01"  # kg m-2 yr-1


class Measured(NamedTuple):
    """First round and median of the others (s), and the ice left (km3), by model."""

    first: dict[str, float]
    median: dict[str, float]
    volume: dict[str, float]


def measure_here(out: Path, nyears: int, rounds: int) -> Measured:
    """Run all glaciers of a working directory with each model in turn."""
    from oggm import GlacierDirectory, tasks, utils, workflow
    from oggm.core.massbalance import MonthlyTIModel

    import oggm_glaunti
    from oggm_glaunti import tasks as gtasks

    gdirs = [GlacierDirectory(path.name) for path in sorted(out.glob("per_glacier/*/*/*"))]
    workflow.execute_entity_task(
        tasks.mb_calibration_from_scalar_mb, gdirs, ref_mb=REF_MB, ref_period=PERIOD, filesuffix="_monthly"
    )
    models = {"MonthlyTIModel": partial(MonthlyTIModel, mb_params_filesuffix="_monthly")}
    for letter in "AC":
        cls = getattr(oggm_glaunti, f"GlaUnTIMassBalance{letter}")
        given = {"ref_mb": REF_MB, "ref_period": PERIOD, "filesuffix": f"_{letter}", "mb_kwargs": {"model": letter}}
        workflow.execute_entity_task(gtasks.calibrate_glaunti, gdirs, order=("melt_f",), **given)
        models[f"GlaUnTI {letter}"] = partial(cls, mb_params_filesuffix=f"_{letter}")

    def run(name: str) -> float:
        start = time.perf_counter()
        given = {**CLIMATE, "nyears": nyears, "mb_model_class": models[name], "output_filesuffix": f"_{name[-1]}"}
        workflow.execute_entity_task(tasks.run_random_climate, gdirs, **given)
        return time.perf_counter() - start

    first = {name: run(name) for name in models}
    taken: dict[str, list[float]] = {name: [] for name in models}
    for _ in range(rounds):
        for name in models:
            taken[name].append(run(name))
    volume = {}
    for name in models:
        with utils.compile_run_output(gdirs, path=False, input_filesuffix=f"_{name[-1]}") as ds:
            volume[name] = float(ds["volume"].isel(time=-1).sum()) * 1e-9
    return Measured(first, {name: float(np.median(values)) for name, values in taken.items()}, volume)


class RegionRuns(NamedTuple):
    """Glaciers prepared by the command, then run by OGGM in a process of its own."""

    name: str
    title: str
    note: str
    needs_data: bool = True

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """A row for each model."""
        from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS

        del memory, figure
        if HAS_SETTINGS:
            return "Not measured: its calibrations are those of OGGM 1.6.", True
        with tempfile.TemporaryDirectory(prefix="oggm_glaunti_benchmarks_") as name:
            folder = Path(name)
            seconds_of(write_inputs(folder, 1 if quick else GLACIERS), folder, folder / "out")
            arguments = (folder / "out", 2 if quick else NYEARS, 1 if quick else ROUNDS)
            measured = Measured(**json.loads(last_line_of("tests.benchmarks.region_runs", *arguments, timeout=TIMEOUT)))
        baseline = measured.median["MonthlyTIModel"]
        lines = ["| | median | ratio | needed | ice left | first call |", "|---|---|---|---|---|---|"]
        all_met = True
        for model, seconds in measured.median.items():
            met = model == "MonthlyTIModel" or baseline / seconds >= 1.0
            words = "" if model == "MonthlyTIModel" else f"1x: {'met' if met else 'NOT MET'}"
            lines.append(
                f"| {model} | {readable(seconds)} | {baseline / seconds:.3g} | {words} | "
                f"{measured.volume[model]:.3f} km3 | {readable(measured.first[model])} |"
            )
            all_met &= met
        return "\n".join(lines), all_met


CASES = [
    RegionRuns(
        "region_runs",
        f"`run_random_climate`, {NYEARS} years of the {GLACIERS} largest glaciers of the Oetztal, OGGM's pool of "
        f"{PROCESSES} processes",
        f"All models are calibrated to {REF_MB:g} kg m-2 a year. Prepared by `oggm-glaunti run`; the first call "
        "computes tables that are not on disk.",
    )
]

if __name__ == "__main__":
    # Before anything imports OGGM.
    from oggm_glaunti.coupling.oggm.offline import start_offline

    PROCESSES_OF_OGGM = {"use_multiprocessing": True, "mp_processes": PROCESSES, "continue_on_error": False}
    # The weather is too short for OGGM's choice of a precipitation factor.
    CALIBRATION = {"use_winter_prcp_fac": False, "use_temp_bias_from_file": False, "prcp_fac": 2.5}
    start_offline(sys.argv[1], PROCESSES_OF_OGGM | CALIBRATION)
    print(json.dumps(measure_here(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))._asdict()))
