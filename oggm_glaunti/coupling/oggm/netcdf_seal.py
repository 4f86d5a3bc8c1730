"""A checksum behind the end of a NetCDF-4 file, by which damage is found before a library opens it.

HDF5 keeps the end of its data in the file's header and reads nothing behind it, so files with a seal are read by every
program. One that changes a file cuts it off there and the seal is gone: such files are opened without a check.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from oggm_glaunti.files import remembered

_MARK = b"\noggm_glaunti seal blake2b "
_DIGEST_BYTES = 16
_NEAR_END = 1 << 16  # bytes at the end of a file in which a seal that has been moved is looked for


def seal(path: str | os.PathLike[str]) -> None:
    """Append the checksum of all bytes to a file."""
    with open(path, "r+b") as file:
        digest = _digest(file, os.path.getsize(path))
        file.seek(0, os.SEEK_END)
        file.write(_MARK + digest)


@remembered(n_files=256)
def require_unbroken(path: Path) -> None:
    """Raise OSError if a file has a seal and its bytes are not those that were sealed; others pass.

    A file is opened more often than it changes: in the same state it is not summed up again.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        file.seek(max(size - _NEAR_END, 0))
        end = file.read()
        at = end.rfind(_MARK)
        # A seal that is cut, or has something behind it, is that of a damaged file, too.
        if at >= 0 and end[at + len(_MARK) :] != _digest(file, size - len(end) + at):
            raise OSError("it is damaged: its bytes are not those that were written")


def _digest(file: BinaryIO, size: int) -> bytes:
    """Return the checksum of the first `size` bytes, as hexadecimal digits."""
    file.seek(0)
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.hexdigest().encode()
