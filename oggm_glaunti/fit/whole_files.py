"""Files that are whole or not there; importing this starts neither OGGM nor jax."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which becomes `path` when the block ends without an error."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        with suppress(OSError):  # a read-only file system refuses this as well, and has said so above
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text to a temporary name that is then renamed."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")
