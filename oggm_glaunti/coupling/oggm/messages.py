"""Warnings that are logged once per process."""

from __future__ import annotations

import logging
from collections.abc import Hashable

_said: set[tuple[str, Hashable]] = set()


def warn_once(log: logging.Logger, message: str, subject: Hashable = None) -> None:
    """Log a warning unless this logger has already warned about the same subject in this process.

    Parameters
    ----------
    log : logging.Logger
    message : str
    subject : hashable, optional
        what the warning is about, e.g. a glacier; default: the message itself

    Examples
    --------
    >>> for year in (2001, 2002):
    ...     warn_once(logging.getLogger("doctest"), f"{year} is outside", subject="RGI60-11.00897")
    """
    key = log.name, message if subject is None else subject
    if key not in _said:
        _said.add(key)
        log.warning("%s", message)


def forget_warnings() -> None:
    """Let every warning be logged again."""
    _said.clear()
