"""Compute what is missing, and draw."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.real.figures import aletsch, others
from tests.real.measured import prepared_aletsch, shared_data

KNOWN = {**aletsch.SUBJECTS, **others.SUBJECTS}


def computed(path: Path, compute: Callable[[], Any]) -> Any:
    """What a file holds; computed and written to it where there is none."""
    if not path.exists():
        start, data = time.perf_counter(), compute()
        path.with_suffix(".part").write_bytes(pickle.dumps(data))
        path.with_suffix(".part").replace(path)
        print(f"{path.stem}: computed in {time.perf_counter() - start:.0f} s", flush=True)
    return pickle.loads(path.read_bytes())


def draw(subject: str, data: Any, out: Path) -> None:
    """Write the PNGs of a subject; say how large they are."""
    from oggm_glaunti.graphics import save_png

    for name, figure in KNOWN[subject][1](data):
        path = save_png(figure, out / f"{name}.png", dpi=100)
        size = path.stat().st_size / 1000.0
        print(f"{'holds' if size <= 200.0 else 'falls short'}: {path.name} {size:.0f} kB (at most 200)", flush=True)


def main(out: Path, subjects: list[str]) -> None:
    """Draw some subjects, all if none is named."""
    unknown = [name for name in subjects if name not in KNOWN]
    if unknown:
        sys.exit(f"expected some of {', '.join(KNOWN)}; found {', '.join(unknown)}")
    chosen, folder = subjects or list(KNOWN), out / "data"
    folder.mkdir(parents=True, exist_ok=True)
    shared = shared_data()
    logging.disable(logging.WARNING)
    missing = [name for name in chosen if name in aletsch.SUBJECTS and not (folder / f"{name}.pickle").exists()]
    if missing:
        with prepared_aletsch() as (gdir, _, _):
            for name in missing:
                computed(folder / f"{name}.pickle", lambda name=name: KNOWN[name][0](gdir, shared))
    for name in chosen:
        draw(name, computed(folder / f"{name}.pickle", lambda name=name: KNOWN[name][0](shared)), out)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    main(Path(sys.argv[1]), sys.argv[2:])
