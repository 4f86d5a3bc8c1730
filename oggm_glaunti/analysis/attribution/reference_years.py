"""Years to compare with, and what is said where contributions do not add up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError

if TYPE_CHECKING:
    from oggm import GlacierDirectory


def years_asked(
    gdir: GlacierDirectory, asked: tuple[int, int] | None, held: NDArray[np.int64], name: str = "reference"
) -> list[int]:
    """Years from the first to the last asked for, or all that are held where None.

    Parameters
    ----------
    gdir : GlacierDirectory
        named in errors
    asked : (first, last) or None
    held : int array
        years of the record
    name : str
        of the argument, for errors

    Raises
    ------
    InvalidParamsError
        for no years, or years that the record does not hold
    """
    if asked is None:
        return [int(year) for year in held]
    if np.shape(asked) != (2,):
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: expected (first, last), found {asked!r}")
    first, last = (int(year) for year in asked)
    if first > last:
        raise InvalidParamsError(f"{gdir.rgi_id}: {name}: no years from {first} to {last}; give the earlier one first")
    if first < held[0] or last > held[-1]:
        found = f"{first}" if first == last else f"{first} to {last}"
        raise InvalidParamsError(
            f"{gdir.rgi_id}: {name}: the daily climate holds the years {held[0]} to {held[-1]}, found {found}"
        )
    return list(range(first, last + 1))


def warn_incomplete(gdir: GlacierDirectory, found: Any, log: logging.Logger) -> None:
    """Warn in the log where contributions do not add up with the most nodes; the result holds the gap."""
    if not found.complete:
        log.warning(
            "(%s) the difference of %+.4f m w.e. and the sum of its contributions are %+.4f apart, with %d nodes",
            gdir.rgi_id,
            float(found.difference),
            float(found.gap),
            found.nodes,
        )
