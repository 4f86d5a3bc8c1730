"""Runs of batches on the available devices: jobs in, tables out.

On a CPU each core has a thread that runs batches of its own, since XLA runs such scans on one core; on GPUs each
device has two, one of which prepares arrays while the other computes. This module does no I/O: jobs are pulled one by
one and outcomes returned one by one in the caller's thread, so that reading and writing continue while batches run.

Batches wait for each other where the memory setting does not hold them all, so a glacier that needs more than its share
runs beside fewer others or alone. One that needs more than there is fails by name.

Programs are compiled once per process and shape, some two seconds each. JAX's environment variable
``JAX_COMPILATION_CACHE_DIR`` names a folder in which they are kept for the next process.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, cycle
from typing import Any, NamedTuple

import jax
import numpy as np
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.core import batch as kernels
from oggm_glaunti.core.threads import cores
from oggm_glaunti.coupling.table.table import table_of_sums
from oggm_glaunti.region.arrays import band_corrections, correction_arrays, table_arguments, table_parameters
from oggm_glaunti.region.jobs import Job, JobOutcome
from oggm_glaunti.region.plan import CPU_COLUMNS, MEGABYTE, Batch, Planner, Size

# Batches submitted per thread: one that runs and one that waits.
AHEAD = 2


class Resources(NamedTuple):
    """Devices, threads and memory to use.

    Attributes
    ----------
    devices : tuple
        JAX devices
    threads : int
        Number of batches that run at once
    gpu : bool
        Whether the devices are GPUs
    memory : float
        Memory for one batch, bytes
    """

    devices: tuple[Any, ...]
    threads: int
    gpu: bool
    memory: float

    @property
    def memory_of_all(self) -> float:
        """Memory for all running batches together, bytes."""
        return self.memory * self.threads


class Budget:
    """Memory of the running batches; those for which there is no room wait, and start in the order in which they came.

    Parameters
    ----------
    total : float
        bytes

    Examples
    --------
    >>> budget = Budget(10.0)
    >>> with budget.take(4.0), budget.take(6.0):
    ...     budget.used
    10.0
    """

    def __init__(self, total: float):
        self.total, self.used = total, 0.0
        self._turn, self._changed = threading.Lock(), threading.Condition()

    @contextmanager
    def take(self, amount: float) -> Iterator[None]:
        """Hold an amount, at most all, bytes."""
        amount = min(amount, self.total)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self.used + amount <= self.total)
            self.used += amount
        try:
            yield
        finally:
            with self._changed:
                self.used -= amount
                self._changed.notify()


def resources(memory: float | None = None, threads: int | None = None) -> Resources:
    """Return the available devices and the share of the memory that a batch gets.

    Parameters
    ----------
    memory : float, optional
        Memory for all batches together, MB; by default ``cfg.PARAMS['glaunti_memory']``
    threads : int, optional
        Number of batches that run at once; by default one per core that this process may use, or two per GPU
    """
    memory = settings.param("glaunti_memory") if memory is None else memory
    if not memory > 0:
        raise InvalidParamsError(f"glaunti_memory: expected more than 0 MB, found {memory!r}")
    devices, gpu = tuple(jax.local_devices()), jax.default_backend() == "gpu"
    threads = threads or (2 * len(devices) if gpu else cores())
    # One share for each running batch, and one for the waiting glaciers.
    return Resources(devices, threads, gpu, memory * MEGABYTE / (threads + 1))


def run_jobs(jobs: Iterable[Job], memory: float | None = None, threads: int | None = None) -> Iterator[JobOutcome]:
    """Compute corrections and tables of many glaciers.

    Parameters
    ----------
    jobs : iterable of Job
        Jobs, pulled in the caller's thread as batches fill up
    memory, threads : optional
        See :func:`resources`

    Yields
    ------
    JobOutcome
        Outcomes in the order in which batches finish; a glacier that fails has an error instead of a table
    """
    jobs = iter(jobs)
    first = next(jobs, None)
    if first is None:  # nothing to do: JAX is not started
        return
    available = resources(memory, threads)
    planner, devices = Planner(available.memory, available.gpu), cycle(available.devices)
    budget = Budget(available.memory_of_all)
    known: dict[str, Job] = {}
    models: dict[tuple[str, Any], Any] = {}  # by weights and device: to send one takes as long as to run a year
    with ThreadPoolExecutor(available.threads, thread_name_prefix="glaunti") as pool:
        running: set[Future] = set()

        def run(batch: Batch, *arguments: Any) -> list[JobOutcome]:
            with budget.take(batch.memory):
                return run_batch(batch, *arguments)

        def submit(batch: Batch | None) -> None:
            if batch is not None:
                device, own = next(devices), [known[key] for key in batch.keys]
                if (batch.model, device) not in models:
                    models[batch.model, device] = jax.device_put((own[0].model.ti, own[0].model.corrector), device)
                model = models[batch.model, device]
                running.add(pool.submit(run, batch, own, model, device, available.gpu))

        def finish(at_most: int) -> Iterator[JobOutcome]:
            while len(running) > at_most:
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    running.remove(future)
                    yield from settle(future.result())

        def settle(outcomes: list[JobOutcome]) -> Iterator[JobOutcome]:
            """Submit the tables of corrected glaciers; all other glaciers are finished."""
            for outcome in outcomes:
                job = outcome.job
                if outcome.table is None and outcome.error is None:
                    known[job.key] = job
                    spent[job.key] = outcome.seconds
                    submit(planner.add_table(job.size()))
                else:
                    known.pop(job.key, None)
                    yield replace(outcome, seconds=outcome.seconds + spent.pop(job.key, 0.0))

        spent: dict[str, float] = {}
        try:
            for job in chain([first], jobs):
                try:
                    size = job.size()
                    if job.wants_corrections:
                        require_memory(job.rgi_id, size, planner.memory_alone(size), available)
                except Exception as error:
                    yield JobOutcome(job, error=error)
                    continue
                known[job.key] = job
                submit(planner.add(size) if job.wants_corrections else planner.add_table(size))
                yield from finish(available.threads * AHEAD)
            while running or known:
                for batch in planner.flush():
                    submit(batch)
                yield from finish(0)
        finally:
            pool.shutdown(cancel_futures=True)


def require_memory(rgi_id: str, size: Size, needed: float, available: Resources) -> None:
    """Raise an InvalidWorkflowError if a glacier's corrections need more memory than all batches may have together."""
    if needed > available.memory_of_all:
        threads, most = available.threads, available.memory_of_all / MEGABYTE
        enough = 10 * round(needed * (threads + 1) / threads / MEGABYTE / 10 + 1)
        raise InvalidWorkflowError(
            f"{rgi_id}: its map of {size.rows} x {size.cols} cells of 100 m needs about {needed / MEGABYTE:.0f} MB, "
            f"and all batches together may have {most:.0f} MB; set cfg.PARAMS['glaunti_memory'] (or memory=) to "
            f"{enough} MB where the machine has it, or leave the glacier out"
        )


def run_batch(batch: Batch, jobs: Sequence[Job], model: Any, device: Any, gpu: bool) -> list[JobOutcome]:
    """Run a batch; an error that concerns the whole batch is assigned to each of its glaciers."""
    start = time.perf_counter()
    stage = {"corrections": _corrections, "tables": _tables}[batch.stage]
    try:
        outcomes = stage(batch, jobs, model, device, gpu)
    except Exception as error:
        outcomes = [JobOutcome(job, error=error) for job in jobs]
    each = (time.perf_counter() - start) / len(jobs)
    return [replace(outcome, seconds=each) for outcome in outcomes]


def _corrections(batch: Batch, jobs: Sequence[Job], model: Any, device: Any, gpu: bool) -> list[JobOutcome]:
    """Return the jobs with their corrections, still without tables."""
    arrays = correction_arrays(batch, jobs)
    weather, maps, offset, cells = jax.device_put(arrays[:4], device)
    (ti, corrector), columns = model, None if gpu else CPU_COLUMNS

    def years() -> Iterator[Any]:
        swe, profile = kernels.initial_state(ti, cells)
        finished = None
        for index in np.arange(max(years.size for years in arrays.years), dtype=np.int32):
            response = kernels.responses(ti, profile, weather, index, offset, columns)
            ds = kernels.correction_maps(corrector, response, index, maps)
            swe, profile, on_cells = kernels.corrected_year(ti, swe, ds, weather, index, cells, columns)
            # This year is under way while the one before is averaged.
            if finished is not None:
                yield finished
            finished = on_cells
        yield finished

    outcomes = []
    for job, yearly in zip(jobs, band_corrections(arrays, years()), strict=True):
        if np.isfinite(yearly.ds).all():
            outcomes.append(JobOutcome(replace(job, yearly=yearly, features=None)))
        else:
            what = f"{job.rgi_id}: the corrections of model {job.model.name} are not finite"
            outcomes.append(JobOutcome(job, error=InvalidWorkflowError(f"{what}; check {job.inputs.climate.path}")))
    return outcomes


def _tables(batch: Batch, jobs: Sequence[Job], model: Any, device: Any, gpu: bool) -> list[JobOutcome]:
    del model, gpu
    ti, arguments = jax.device_put((table_parameters(batch, jobs), table_arguments(batch, jobs)), device)
    host = [np.asarray(values) for values in kernels.tables(ti, arguments)]
    outcomes = []
    for place, job in enumerate(jobs):
        inputs = job.table_inputs
        years, n = inputs.climate.years.size, inputs.heights.size
        sums = [values[place, :years, ..., :n].astype(np.float64) for values in host]
        outcomes.append(JobOutcome(job, table_of_sums(inputs, job.tunables, sums)))
    return outcomes
