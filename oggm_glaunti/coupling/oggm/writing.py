"""Files of a glacier directory: written completely or not at all, with OGGM's error if that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti.files import WriteError, replacing


@contextmanager
def writing(path: str | os.PathLike[str], rgi_id: str) -> Iterator[Path]:
    """Yield a temporary name next to `path`, see :func:`oggm_glaunti.files.replacing`.

    Parameters
    ----------
    path : path
        file or folder to be replaced
    rgi_id : str
        glacier, named in the error

    Raises
    ------
    InvalidWorkflowError
        if the file cannot be written
    """
    try:
        with replacing(path) as temporary:
            yield temporary
    except WriteError as err:
        raise InvalidWorkflowError(f"{rgi_id}: {err}") from err
