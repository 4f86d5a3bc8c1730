"""Files known by their state: what was found out about them before need not be found out again.

The state of a file is its size, the times at which its contents and its inode last changed, and the inode's number.
The file system sets the second time by itself whenever contents change and no program can turn it back, so a file in
the same state has the same contents. A copied, unpacked or rewritten file is in another state although its contents may
be the same: then they are looked at again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from oggm_glaunti import settings

# s. File systems take the time from a clock that moves in steps (10 ms at most in Linux, 1 to 2 s in old or remote
# file systems, whose times are whole seconds): a second change within a step cannot be seen.
FINE, COARSE = 0.02, 3.0
# Raised whenever a fact gets another form or meaning.
VERSION = 1

State = dict[str, list[int] | None]


def state_of(paths: Iterable[str | os.PathLike[str]]) -> State:
    """Size, times of the last change (of contents, of the inode; ns) and inode by file name; None where there is none.

    Examples
    --------
    >>> state_of(["/no/such/file.nc"])
    {'file.nc': None}
    """
    return {os.path.basename(path): _state(path) for path in paths}


def _state(path: str | os.PathLike[str]) -> list[int] | None:
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def unsettled_for(state: State) -> float:
    """Seconds until every further change of these files is sure to change their state; 0 where it is already."""
    now = time.time()
    stamps = [stamp for file in state.values() if file is not None for stamp in file[1:3]]
    return max([0.0, *(stamp * 1e-9 + (FINE if stamp % 10**9 else COARSE) - now for stamp in stamps)])


class KnownFiles:
    """Facts about files, taken from a record where the files are still in the state in which they were found.

    Parameters
    ----------
    record : str
        as :meth:`record` gives it; where it is empty, damaged or of another version nothing is known

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
        """What `find` says about the files, JSON; asked once at most, and not at all where the record knows it."""
        if name not in self._found:
            self._found[name] = self._look(name, list(paths), find)
        return self._found[name]["fact"]

    def _look(self, name: str, paths: list[str | os.PathLike[str]], find: Callable[[], Any]) -> dict[str, Any]:
        # The state comes first: a file that changes while it is read is in another state afterwards.
        state, recorded = state_of(paths), self._recorded.get(name)
        if recorded is not None and recorded["state"] == state:
            return recorded
        if 0 < unsettled_for(state) <= FINE:
            time.sleep(FINE)
            state = state_of(paths)
        if unsettled_for(state):
            self._passing.add(name)
        return {"state": state, "fact": find()}

    def record(self) -> str:
        """Facts asked for so far, except those about files that had changed a moment before."""
        files = {name: found for name, found in self._found.items() if name not in self._passing}
        return json.dumps({"version": _version(), "files": files})


def _version() -> list[int]:
    return [VERSION, settings.NUMERICS_VERSION]


def _parsed(record: str) -> dict[str, dict[str, Any]]:
    """Facts by name; a record that cannot be read counts as none, since all of it can be found out again."""
    try:
        content = json.loads(record)
        same = content["version"] == _version()
        files = {name: {"state": found["state"], "fact": found["fact"]} for name, found in content["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}
    return files if same else {}
