"""``python -m tests.faults.fuzz``: damaged and rewritten files for every reader; no error but ours, no number changed.

A mutated file may be refused with an error of ours, or read. What is read holds no numbers but those of the good file,
except as many as the mutation has touched itself: a digit that was replaced by another one nobody can notice, unless
the file holds a checksum. Mutation k of a reader follows from the seed alone; a fault is printed with what repeats it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.faults import fuzz_readers, mutations

# s of computing, and ten times as long in all, until a reader counts as hanging; mutations before others have a turn.
LONGEST, BATCH = 20, 50
OURS = ("oggm.exceptions.", "oggm_glaunti.")
# What pure functions raise for invalid input; their messages say which file.
NAMED = ("ValueError", "FileNotFoundError")
GOOD = ("refused", "same", "fewer", "touched")
FAULTS = ("foreign", "unnamed", "changed", "hang", "crash")
NUMBERS_A_LINE = 3  # annual, winter and summer balance


class Outcome(NamedTuple):
    """What became of one mutated file."""

    reader: str
    index: int
    kind: str
    detail: str


def outcome_of(
    name: str, reader: fuzz_readers.Reader, good: Any, content: bytes, path: Path, seed: int, k: int
) -> Outcome:
    """Mutate, read and judge."""
    rng = np.random.default_rng([seed, sum(name.encode()), k])
    made = (mutations.mutate_binary if reader.binary else mutations.mutate_text)(content, rng)
    # Another file by the same name: HDF5 may still know the contents of one that is rewritten in place.
    path.unlink(missing_ok=True)
    path.write_bytes(made.content)
    _watch(LONGEST)
    try:
        found = reader.read(path)
    except _Hanging:
        return Outcome(name, k, "hang", made.what)
    except Exception as err:
        kind = type(err)
        said = f"{kind.__module__}.{kind.__qualname__}: {err}"
        if not said.startswith(OURS) and kind.__name__ not in NAMED:
            return Outcome(name, k, "foreign", f"{made.what}: {said[:200]}")
        named = path.name in str(err) or path.stem in str(err)
        return Outcome(name, k, "refused" if named else "unnamed", f"{made.what}: {said[:300]}")
    finally:
        _watch(0)
    changed = fuzz_readers.count_changed(good, found)
    if not changed:
        whole = fuzz_readers.count_values(found) == fuzz_readers.count_values(good)
        return Outcome(name, k, "same" if whole else "fewer", made.what)
    allowed = 0 if reader.sealed else made.touched * (1 if reader.binary else NUMBERS_A_LINE)
    return Outcome(name, k, "touched" if changed <= allowed else "changed", f"{made.what}: {changed} numbers")


class _Hanging(BaseException):
    """Not an Exception, which readers may catch."""


def _alarm(*_: Any) -> None:
    raise _Hanging


def _handle_alarms() -> None:
    signal.signal(signal.SIGALRM, _alarm)
    signal.signal(signal.SIGPROF, _alarm)


def _watch(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 10 * seconds)


def _work(connection: Any, begun: dict[str, int], folder: Path, seed: int, deadline: float, last: int) -> None:
    """Go through the readers in turn, `BATCH` mutations each, until the time or the mutations are over."""
    _handle_alarms()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # HDF5 prints its own words
    readers = fuzz_readers.all_readers()
    ready = {}
    for name in begun:
        (folder / name).mkdir(exist_ok=True)
        try:
            path = readers[name].make(folder / name)
            if path is None:
                connection.send(("skipped", name))
                continue
            ready[name] = (path, path.read_bytes(), readers[name].read(path))
        except Exception:
            connection.send(("broken", name, traceback.format_exc()))
            return
    while ready and time.time() < deadline and min(begun[name] for name in ready) < last:
        for name, (path, content, good) in ready.items():
            for k in range(begun[name], min(begun[name] + BATCH, last)):
                connection.send(("at", name, k))
                connection.send(outcome_of(name, readers[name], good, content, path, seed, k))
            begun[name] = min(begun[name] + BATCH, last)
            path.write_bytes(content)
            if time.time() > deadline:
                break
    connection.send(("done",))


def fuzz(names: list[str], seconds: float, n: int, seed: int, folder: Path) -> tuple[list[Outcome], set[str]]:
    """Fuzz readers in a process of their own; where it crashes, that is an outcome, and another one goes on."""
    outcomes: list[Outcome] = []
    skipped: set[str] = set()
    deadline, each = time.time() + seconds, -(-n // len(names))
    begun, context = dict.fromkeys(names, 0), get_context("spawn")
    over = False
    while not over:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, begun, folder, seed, deadline, each), daemon=True)
        worker.start()
        theirs.close()
        at: tuple[str, int] | None = None
        try:
            while not over:
                if not ours.poll(20 * LONGEST):
                    # Inside a library, where no signal of Python's gets through.
                    worker.kill()
                message = ours.recv()
                if isinstance(message, Outcome):
                    outcomes.append(message)
                    begun[message.reader] = message.index + 1
                elif message[0] == "at":
                    at = message[1:]
                elif message[0] == "skipped":
                    skipped.add(message[1])
                elif message[0] == "broken":
                    raise RuntimeError(f"{message[1]}: the good file cannot be made or read:\n{message[2]}")
                over = message[0] == "done"
        except EOFError:
            worker.join()
            if at is None:
                raise RuntimeError("the process died over a good file") from None
            kind = "hang" if worker.exitcode == -signal.SIGKILL else "crash"
            outcomes.append(Outcome(*at, kind, "the process died, or had to be killed"))
            begun[at[0]] = at[1] + 1
        worker.join()
    return outcomes, skipped


def report(outcomes: list[Outcome], skipped: set[str], seed: int, shown: int) -> bool:
    """Print counts by reader, faults, and whether all holds."""
    print(f"| reader | files | {' | '.join(GOOD + FAULTS)} |\n|{'---|' * (2 + len(GOOD + FAULTS))}")
    for name in dict.fromkeys(outcome.reader for outcome in outcomes):
        kinds = Counter(outcome.kind for outcome in outcomes if outcome.reader == name)
        print(f"| {name} | {kinds.total()} | {' | '.join(str(kinds[kind]) for kind in GOOD + FAULTS)} |")
    for name in sorted(skipped):
        print(f"{name}: skipped, the shared data are not at hand")
    faults = [outcome for outcome in outcomes if outcome.kind in FAULTS]
    for fault in faults[:shown]:
        print(f"{fault.kind}: --reader {fault.reader} --seed {seed} --only {fault.index}: {fault.detail}")
    holds = bool(outcomes) and not faults
    numbers = Counter(fault.kind for fault in faults)
    words = ", ".join(f"{numbers[kind]} {kind}" for kind in FAULTS)
    print(f"{'holds' if holds else 'falls short'}: {len(outcomes)} mutated files, {words}")
    return holds


def main(arguments: list[str] | None = None) -> int:
    """Run it; 1 where something does not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1500.0, help="at most (default: %(default)g)")
    parser.add_argument(
        "--n", type=int, default=10_000, help="mutated files, all readers together (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reader", action="append", help="only this one (repeatable)")
    parser.add_argument("--only", type=int, help="only this mutation; the file is left in --keep")
    parser.add_argument("--keep", type=Path, help="folder for the files")
    parser.add_argument("--shown", type=int, default=40, help="faults to print (default: %(default)s)")
    options = parser.parse_args(arguments)
    names = options.reader or list(fuzz_readers.all_readers())
    with tempfile.TemporaryDirectory(prefix="oggm_glaunti_fuzz_") as name:
        folder = options.keep or Path(name)
        folder.mkdir(exist_ok=True, parents=True)
        if options.only is not None:
            return _only(names[0], options.seed, options.only, folder)
        outcomes, skipped = fuzz(names, options.seconds, options.n, options.seed, folder)
    return 0 if report(outcomes, skipped, options.seed, options.shown) else 1


def _only(name: str, seed: int, index: int, folder: Path) -> int:
    """Repeat one mutation here, and show everything."""
    _handle_alarms()
    reader = fuzz_readers.all_readers()[name]
    (folder / name).mkdir(exist_ok=True)
    path = reader.make(folder / name)
    assert path is not None
    content = path.read_bytes()
    outcome = outcome_of(name, reader, reader.read(path), content, path, seed, index)
    print(outcome)
    return outcome.kind in FAULTS


if __name__ == "__main__":
    sys.exit(main())
