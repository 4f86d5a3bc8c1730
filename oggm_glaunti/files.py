"""Files that are whole or not there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from oggm.exceptions import InvalidWorkflowError


@contextmanager
def replacing(path: str | os.PathLike[str], rgi_id: str) -> Iterator[Path]:
    """Yield a temporary name beside `path`, which becomes `path` when the block ends without an error.

    Parameters
    ----------
    path : path
    rgi_id : str
        named in errors

    Raises
    ------
    InvalidWorkflowError
        where the file cannot be written

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(target, "RGI60-11.00897") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    # Processes and threads may write the same file at once: the last one wins, and each has a name of its own.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        yield temporary
        os.replace(temporary, path)
    except (OSError, RuntimeError) as err:
        # netCDF4 reports a full disk as a RuntimeError ("NetCDF: HDF error").
        raise InvalidWorkflowError(
            f"{rgi_id}: {path} cannot be written ({type(err).__name__}: {err}). The disk has to have room and the "
            "folder must not be read-only."
        ) from err
    finally:
        with suppress(OSError):  # a read-only file system refuses this as well, and has said so above
            temporary.unlink(missing_ok=True)
