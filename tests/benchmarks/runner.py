"""Timing: pieces of work in turn in one process, first calls apart, medians; peak memory in processes of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
IDLE = "idle"
MEMORY_TIMEOUT = 600.0  # s


class Subject(NamedTuple):
    """One piece of work of a case.

    Attributes
    ----------
    name : str
    run : callable
        the work; returns what it computed
    error : callable, optional
        says in words how far what `run` returned is from the exact result
    needed : float, optional
        how many times as fast as the case's first subject this has to be
    limit : float, optional
        s, how long it may take at most, per unit
    units : callable, optional
        into how many units (steps, glaciers) the work divides; times and ratios are then per unit
    memory_limit : float, optional
        MB at most above an idle process
    """

    name: str
    run: Callable[[], Any]
    error: Callable[[Any], str] | None = None
    needed: float | None = None
    limit: float | None = None
    units: Callable[[], int] | None = None
    memory_limit: float | None = None


class Case(NamedTuple):
    """Subjects that are compared; the first is the baseline.

    Attributes
    ----------
    name, title : str
    make : callable
        ``make(quick) -> list of Subject``; quick cases are tiny
    note : str
        for the reader of the table
    rounds : int
        at least
    unit : str
        of what times are given per; empty where they are those of the whole
    measures_memory : bool
    needs_data : bool
        whether it reads the shared data
    """

    name: str
    title: str
    make: Callable[[bool], list[Subject]]
    note: str = ""
    rounds: int = 7
    unit: str = ""
    measures_memory: bool = True
    needs_data: bool = False

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """What the document says of the case, and whether all that is needed is met."""
        from tests.benchmarks import report

        del figure
        rows = measure(self, quick, memory)
        return report.table(self, rows), all(row.met() is not False for row in rows)


class Row(NamedTuple):
    """What was measured of a subject; `seconds` are per unit, `whole` is all of the work."""

    name: str
    seconds: float
    whole: float
    ratio: float
    error: str
    peak_mb: float | None
    first_call: float
    subject: Subject

    def met(self) -> bool | None:
        """Whether what is needed is met, None where nothing is."""
        checks = []
        if self.subject.needed is not None:
            checks.append(self.ratio >= self.subject.needed)
        if self.subject.limit is not None:
            checks.append(self.seconds <= self.subject.limit)
        if self.subject.memory_limit is not None and self.peak_mb is not None:
            checks.append(self.peak_mb <= self.subject.memory_limit)
        return all(checks) if checks else None


def finish(result: Any) -> Any:
    """Wait until what jax computes is there."""
    import jax

    return jax.block_until_ready(result)


def alternate(
    works: dict[str, Callable[[], Any]], rounds: int, seconds: float = 20.0
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    """Run pieces of work in turn.

    Parameters
    ----------
    works : dict of callables
    rounds : int
        at least so many, after the first call and one more
    seconds : float
        more rounds (up to five times as many) while less than this has gone by

    Returns
    -------
    medians, first_calls : dicts
        s; a first call holds the compilation
    results : dict
        of the first calls
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    first, results = {}, {}
    for name, work in works.items():
        start = time.perf_counter()
        results[name] = finish(work())
        first[name] = time.perf_counter() - start
    begin = time.perf_counter()
    for done in range(5 * rounds + 1):
        if done > rounds and time.perf_counter() - begin > seconds:
            break
        for name, work in works.items():
            start = time.perf_counter()
            finish(work())
            if done:  # the round before is for the caches
                times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}, first, results


def median(values: list[float]) -> float:
    """Median, or an error where there is nothing."""
    if not values:
        raise ValueError("no times to take the median of")
    return float(np.median(values))


def measure(case: Case, quick: bool = False, memory: bool = True) -> list[Row]:
    """Rows of a case, the baseline first."""
    subjects = case.make(quick)
    if not subjects:
        raise ValueError(f"case {case.name}: no subjects")
    medians, first, results = alternate(
        {s.name: s.run for s in subjects}, 1 if quick else case.rounds, 0.0 if quick else 20.0
    )
    idle = peak_mb(IDLE) if memory and case.measures_memory else 0.0
    rows: list[Row] = []
    for s in subjects:
        per = medians[s.name] / (s.units() if s.units else 1)
        s = s._replace(needed=None, limit=None, memory_limit=None) if quick else s
        ratio = (rows[0].seconds if rows else per) / per
        error = s.error(results[s.name]) if s.error else ""
        peak = peak_mb(case.name, s.name, quick) - idle if memory and case.measures_memory else None
        rows.append(Row(s.name, per, medians[s.name], ratio, error, peak, first[s.name], s))
    return rows


def last_line_of(module: str, *arguments: Any, timeout: float, env: dict[str, str] | None = None) -> str:
    """Run a module in a process of its own; return the last line that it prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout, check=False, env=env
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout.splitlines()[-1]


def peak_mb(case: str, subject: str = "", quick: bool = False) -> float:
    """Peak resident memory (MB) of a process that makes a case and runs one subject twice, or of an idle one."""
    options = ["--quick"] if quick else []
    return float(
        last_line_of("tests.benchmarks", "--peak", case, subject, *options, timeout=MEMORY_TIMEOUT).split()[-1]
    )


def own_peak_mb() -> float:
    """Peak resident memory of this process, MB.

    From ``VmHWM``: ``ru_maxrss`` is inherited from the process that started this one.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return float(line.split()[1]) / 1024.0
    raise RuntimeError("/proc/self/status has no VmHWM: peak memory is measured on Linux only")


def run_for_peak(case: Case | None, subject: str, quick: bool) -> float:
    """Run one subject twice (nothing where there is no case) and return the peak, MB."""
    import jax

    jax.block_until_ready(jax.numpy.zeros(1) + 1.0)
    if case is not None:
        chosen = {s.name: s for s in case.make(quick)}
        if subject not in chosen:
            raise ValueError(f"case {case.name}: expected a subject of {sorted(chosen)}, found {subject!r}")
        for _ in range(2):
            finish(chosen[subject].run())
    return own_peak_mb()
