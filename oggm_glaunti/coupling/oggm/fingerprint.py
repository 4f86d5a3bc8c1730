"""Facts about files, kept with the files' states: what was found out once need not be found out again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from oggm_glaunti import settings
from oggm_glaunti.files import FINE_CLOCK, FileState, state_of, unsettled_for

# Raised whenever a fact gets another form or meaning.
VERSION = 1


class KnownFiles:
    """Facts about files, taken from a record if the files are still in the state in which they were found.

    Parameters
    ----------
    record : str
        result of :meth:`record`; nothing is known if it is empty, damaged or of another version

    Examples
    --------
    >>> import tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
    >>> with open(path, "w") as notes:
    ...     _ = notes.write("three words long")
    >>> files = KnownFiles()
    >>> files.fact("size", [path], lambda: os.path.getsize(path))
    16
    >>> KnownFiles(files.record()).fact("size", [path], lambda: "not asked again")
    16
    """

    def __init__(self, record: str = ""):
        self._recorded = _parsed(record)
        self._found: dict[str, dict[str, Any]] = {}
        self._passing: set[str] = set()

    def fact(self, name: str, paths: Iterable[str | os.PathLike[str]], find: Callable[[], Any]) -> Any:
        """Return a fact about files, found once at most and not at all if the record knows it.

        Parameters
        ----------
        name : str
            key of the fact in the record
        paths : iterable of paths
            files that the fact depends on
        find : callable
            finds the fact, which must be plain JSON
        """
        if name not in self._found:
            self._found[name] = self._look(name, list(paths), find)
        return self._found[name]["fact"]

    def _look(self, name: str, paths: list[str | os.PathLike[str]], find: Callable[[], Any]) -> dict[str, Any]:
        # The state comes first: a file that changes while it is read is in another state afterwards.
        states, recorded = _states_of(paths), self._recorded.get(name)
        if recorded is not None and recorded["state"] == states:
            return recorded
        if 0 < _all_unsettled_for(states) <= FINE_CLOCK:
            time.sleep(FINE_CLOCK)
            states = _states_of(paths)
        if _all_unsettled_for(states):
            self._passing.add(name)
        return {"state": states, "fact": find()}

    def record(self) -> str:
        """Return the facts asked for so far as JSON, except those about files that had changed a moment before."""
        files = {name: found for name, found in self._found.items() if name not in self._passing}
        return json.dumps({"version": _version(), "files": files})


def _states_of(paths: Iterable[str | os.PathLike[str]]) -> dict[str, FileState | None]:
    """Return the states by file name: a directory that was moved is the same."""
    return {os.path.basename(path): state_of(path) for path in paths}


def _all_unsettled_for(states: dict[str, FileState | None]) -> float:
    return max((unsettled_for(state) for state in states.values()), default=0.0)


def _version() -> list[int]:
    return [VERSION, settings.NUMERICS_VERSION]


def _parsed(record: str) -> dict[str, dict[str, Any]]:
    """Return the facts by name; a record that cannot be read counts as none, as all can be found out again."""
    try:
        content = json.loads(record)
        same = content["version"] == _version()
        files = {name: {"state": found["state"], "fact": found["fact"]} for name, found in content["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}
    return files if same else {}
