"""Whether a NetCDF file of the classic formats is whole: the library reads what is missing at its end as zeros.

The formats (CDF-1, CDF-2 with offsets and CDF-5 with numbers of 64 bits) are at
https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html. HDF5 tells by itself if a file is cut.
"""

from __future__ import annotations

import math
import os
import struct
from itertools import pairwise
from typing import BinaryIO

# Bytes of a value by type: byte, char, short, int, float, double, and in CDF-5 ubyte, ushort, uint, int64, uint64.
_BYTES = dict(enumerate((1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8), start=1))
_UNKNOWN = (2**32 - 1, 2**64 - 1)  # number of records while they are written


def require_whole(path: str | os.PathLike[str]) -> None:
    """Raise OSError if a classic NetCDF file is shorter than its header says, or the header cannot be read.

    Other files pass, whatever they are.
    """
    with open(path, "rb") as file:
        magic = file.read(4)
        if magic[:3] != b"CDF" or magic[3:] not in (b"\x01", b"\x02", b"\x05"):
            return
        try:
            needed = _Header(file, magic[3]).file_size()
        except (struct.error, KeyError, IndexError, OverflowError, ValueError, OSError) as err:
            raise OSError(f"its header is damaged or cut off ({type(err).__name__}: {err})") from err
    size = os.path.getsize(path)
    if size < needed:
        raise OSError(f"it is cut off: {size} bytes, {needed} are needed for what its header says")


class _Header:
    """Reads a header; `wide` numbers (sizes and counts) have 8 bytes in CDF-5, offsets also in CDF-2."""

    def __init__(self, file: BinaryIO, version: int):
        self._file, self._wide, self._offset = file, ">q" if version == 5 else ">i", ">i" if version == 1 else ">q"

    def file_size(self) -> int:
        """Return the bytes that the file has at least; ValueError if variables overlap."""
        records = self._number(">Q" if self._wide == ">q" else ">I")
        sizes = [self._dimension() for _ in range(self._length())]
        self._skip_attributes()
        # Begin and end of the variables; of those with records, of the first one.
        fixed: list[tuple[int, int]] = []
        of_records: list[tuple[int, int]] = []
        for _ in range(self._length()):
            shape, item, begin = self._variable(sizes)
            is_record = bool(shape) and shape[0] == 0
            (of_records if is_record else fixed).append((begin, begin + item * math.prod(shape[is_record:])))
        fixed.append((0, self._file.tell()))  # the header
        if any(begin < end for (_, end), (begin, _) in pairwise(sorted(fixed + of_records))):
            raise ValueError("variables overlap")
        ends = [end for _, end in fixed]
        if records not in (0, *_UNKNOWN):
            # Records are padded to four bytes, unless there is a single variable of them.
            padding = 4 if len(of_records) > 1 else 1
            step = sum(end - begin + (begin - end) % padding for begin, end in of_records)
            ends += [end + (records - 1) * step for _, end in of_records]
        return max(ends)

    def _variable(self, sizes: list[int]) -> tuple[list[int], int, int]:
        """Return shape (0 is the dimension of records), bytes of a value and offset of a variable."""
        self._skip_name()
        shape = [sizes[self._number(self._wide)] for _ in range(self._number(self._wide))]
        self._skip_attributes()
        item = _BYTES[self._number(">i")]
        self._number(self._wide)  # size of a record, which does not hold large ones
        return shape, item, self._number(self._offset)

    def _dimension(self) -> int:
        self._skip_name()
        return self._number(self._wide)

    def _skip_attributes(self) -> None:
        for _ in range(self._length()):
            self._skip_name()
            item = _BYTES[self._number(">i")]
            self._skip(item * self._number(self._wide))

    def _skip_name(self) -> None:
        self._skip(self._number(self._wide))

    def _length(self) -> int:
        self._number(">i")  # the list's tag
        return self._number(self._wide)

    def _number(self, form: str) -> int:
        return int(struct.unpack(form, self._file.read(struct.calcsize(form)))[0])

    def _skip(self, bytes_: int) -> None:
        self._file.seek(bytes_ + -bytes_ % 4, os.SEEK_CUR)
