"""What the programs of this folder have in common: where their data are, and how long a call takes."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests import glaciers


@contextmanager
def prepared_aletsch() -> Iterator[tuple[Any, Path, Path]]:
    """Grosser Aletsch with features, the folder of real data, and a folder for other glaciers until the end."""
    shared = shared_data()
    from oggm_glaunti.tasks import glaunti_features

    with tempfile.TemporaryDirectory() as folder:
        gdir = glaciers.prepare_aletsch(Path(folder) / "aletsch", shared)
        glaunti_features(gdir)
        yield gdir, shared, Path(folder)


def shared_data() -> Path:
    """The folder of real data, its published weights made known; without one the program ends."""
    from tests.conftest import SHARED

    if SHARED is None:
        sys.exit("no shared data: set OGGM_GLAUNTI_SHARED to their folder")
    os.environ["OGGM_GLAUNTI_WEIGHTS"] = str(SHARED / "reference" / "upstream")
    return SHARED


class Timed(NamedTuple):
    """Seconds of a first call, the median of those after it, and what the last returned."""

    first: float
    warm: float
    result: Any


def timed(call: Callable[[], Any], times: int = 5) -> Timed:
    """Call something once, and `times` more."""
    seconds = []
    for _ in range(times + 1):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return Timed(seconds[0], statistics.median(seconds[1:]), result)


class Bounds:
    """Lines that were printed, and whether all bounds hold."""

    def __init__(self) -> None:
        self.short = 0

    def __call__(self, holds: bool, what: str) -> None:
        self.short += not holds
        print(f"{'holds' if holds else 'falls short'}: {what}", flush=True)
