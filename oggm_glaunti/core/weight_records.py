"""Records of a weight file: a line of JSON with their checksum, and one ``.npy`` record for each leaf.

Published files are the records alone. Nothing is ever unpickled. What the leaves mean is left to those who ask.
"""

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np

FORMAT, CHECKSUM = "oggm-glaunti-weights-1", "sha256"


def read_records(stream: BinaryIO, name: str, source: str) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Read the leaves and the header of a file.

    Parameters
    ----------
    stream : binary stream
    name : str
        of the model that is expected
    source : str
        named in errors

    Returns
    -------
    (leaves, header)
        the header is empty for a published file

    Raises
    ------
    ValueError
        if the file is damaged, holds anything pickled, or is another model's

    Examples
    --------
    >>> stream = io.BytesIO()
    >>> write_records(stream, [np.zeros(3, np.float32)], {"model": "mine"})
    >>> _ = stream.seek(0)
    >>> leaves, header = read_records(stream, "mine", "memory")
    >>> leaves[0].shape, header["model"]
    ((3,), 'mine')
    """
    header = _read_header(stream, name, source)
    start, leaves = stream.tell(), []
    while _next_byte(stream):
        try:
            leaves.append(np.lib.format.read_array(stream, allow_pickle=False))
        except (ValueError, EOFError, SyntaxError, TypeError, MemoryError, TokenError) as err:
            raise ValueError(f"{source}: leaf {len(leaves)} cannot be read ({err}); the file is damaged") from err
    if not leaves:
        raise ValueError(f"{source}: no leaves; the file is empty or damaged")
    stream.seek(start)
    _require_checksum(stream.read(), header, source)
    dtype = header.get("dtype", "float32")
    if str(leaves[0].dtype) != dtype:
        raise ValueError(f"{source}: leaf 0 of model {name} is {leaves[0].dtype}, expected {dtype}")
    return leaves, header


def require_leaves(leaves: Sequence[np.ndarray], shapes: Sequence[tuple[int, ...]], name: str, source: str) -> None:
    """Raise a ValueError if leaves have another count, shape or dtype than a model needs, or one is not finite."""
    if len(leaves) != len(shapes):
        raise ValueError(f"{source}: model {name} has {len(shapes)} leaves, the file has {len(leaves)}")
    dtype = leaves[0].dtype
    for index, (leaf, shape) in enumerate(zip(leaves, shapes, strict=True)):
        if leaf.shape != shape:
            raise ValueError(f"{source}: leaf {index} of model {name} has shape {shape}, the file has {leaf.shape}")
        if leaf.dtype != dtype or dtype not in (np.float32, np.float64):
            raise ValueError(
                f"{source}: leaf {index} of model {name} is {leaf.dtype}, expected {dtype} of a float kind"
            )
        if not np.isfinite(leaf).all():
            raise ValueError(f"{source}: leaf {index} of model {name} holds NaN or infinite values")


def write_records(stream: BinaryIO, leaves: Sequence[np.ndarray], header: Mapping[str, Any]) -> None:
    """Write leaves behind a line of JSON; format, dtype and checksum are filled in.

    Parameters
    ----------
    stream : binary stream
    leaves : sequence of arrays
    header : mapping
        ``model``, the name that a reader has to ask for, and what else should travel along
    """
    records = io.BytesIO()
    for leaf in leaves:
        np.lib.format.write_array(records, leaf, allow_pickle=False)
    own = {"format": FORMAT, "dtype": str(leaves[0].dtype), CHECKSUM: hashlib.sha256(records.getvalue()).hexdigest()}
    stream.write(json.dumps({**header, **own}, sort_keys=True).encode() + b"\n")
    stream.write(records.getvalue())


def _require_checksum(records: bytes, header: dict[str, Any], source: str) -> None:
    """Compare the records with the checksum in the header, which published files and old ones of ours do not have."""
    found = hashlib.sha256(records).hexdigest()
    if header.get(CHECKSUM, found) != found:
        raise ValueError(
            f"{source}: the header says SHA-256 {header[CHECKSUM]!r:.80} for the numbers, found {found}; the file is "
            "damaged or was edited: fetch it again, or save the model again"
        )


def _next_byte(stream: BinaryIO) -> bytes:
    """Return the next byte without moving on; empty at the end."""
    found = stream.read(1)
    stream.seek(-len(found), os.SEEK_CUR)
    return found


def _read_header(stream: BinaryIO, name: str, source: str) -> dict[str, Any]:
    """Header of our own format, empty for a published file; the stream stands at the first leaf afterwards."""
    if _next_byte(stream) != b"{":
        return {}
    try:
        header = json.loads(stream.readline())
    except ValueError as err:
        raise ValueError(f"{source}: the header is no JSON ({err})") from err
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, dict) else header
        raise ValueError(f"{source}: expected format {FORMAT!r}, found {found!r:.80}")
    if header.get("model") != name:
        raise ValueError(f"{source}: holds model {header.get('model')!r}, asked for {name!r}")
    return header
