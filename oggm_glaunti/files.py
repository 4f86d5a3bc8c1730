"""Files: written completely or not at all, and recognised by their state.

The state of a file is its size, the times at which its contents and its inode last changed, and the inode's number.
The file system sets the second time by itself whenever contents change and no program can turn it back, so a file in
the same state has the same contents. A copied, unpacked or rewritten file is in another state although its contents may
be the same. Only the standard library is imported here.
"""

import ctypes
import errno
import hashlib
import os
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

# s. File systems take the time from a clock that moves in steps (10 ms at most in Linux, 1 to 2 s in old or remote
# file systems, whose times are whole seconds): a second change within a step cannot be seen.
FINE_CLOCK, COARSE_CLOCK = 0.02, 3.0
# s. Age from which a temporary file counts as left over if it cannot be found out that its process has ended.
ABANDONED = 86400.0

# A temporary name: that of the file, a mark that no other program has, machine, process, thread.
_TEMPORARY = re.compile(
    r"\.(?P<name>.+)\.glaunti-(?P<host>.+)\.(?P<pid>\d+)\.(?P<thread>\d+)(?P<former>\.former)?", re.DOTALL
)
_FORMER = ".former"
# Names at which this process is writing.
_in_use: set[Path] = set()

FileState = list[int]
Fact = TypeVar("Fact")


class WriteError(OSError):
    """A file cannot be written; the message names it, the cause and the remedy."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name next to `path`, which becomes `path` when the block ends without an error.

    The block may write a file or a folder (e.g. Zarr); after an error the old one is still there. Processes and threads
    may write the same path at once: each has a temporary name of its own, and the last one wins. What a killed process
    has left in a folder is removed by the next one that writes anything there.

    Raises
    ------
    WriteError
        if the file cannot be written: the disk is full, the folder read-only

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("complete")
    >>> target.read_text()
    'complete'
    """
    # Threads know each other's temporary files by one spelling of the folder.
    path = Path(os.path.realpath(Path(path).parent)) / Path(path).name
    mark = f"glaunti-{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{mark}")
    remove_leftovers(path.parent)
    _in_use.add(temporary)
    try:
        yield temporary
        _put_in_place(temporary, path)
    except (OSError, RuntimeError) as err:
        # netCDF4 reports a full disk as a RuntimeError ("NetCDF: HDF error").
        raise WriteError(
            f"{path} cannot be written ({type(err).__name__}: {err}). The disk has to have room and the folder must "
            "not be read-only."
        ) from err
    finally:
        _remove(temporary)
        _in_use.discard(temporary)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file in UTF-8, see :func:`replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _put_in_place(temporary: Path, path: Path) -> None:
    if not (temporary.is_dir() and path.is_dir()):
        os.replace(temporary, path)
        return
    # A folder cannot be replaced in one step unless it is empty; what was in its place is removed in the end.
    if exchange(temporary, path):
        return
    former = temporary.with_name(temporary.name + _FORMER)
    _in_use.add(former)
    os.replace(path, former)
    try:
        os.replace(temporary, path)
    except BaseException:
        os.replace(former, path)
        raise
    finally:
        _in_use.discard(former)
    _remove(former)


# Function of the C library that exchanges two names, what its arguments are besides the two, and the flag for it.
_EXCHANGES = {"linux": ("renameat2", -100, 2), "darwin": ("renameatx_np", -2, 2)}


def exchange(one: Path, two: Path) -> bool:
    """Exchange two files or folders in one step; False where the system or the file system has none."""
    name, here, flag = _EXCHANGES.get(sys.platform, ("", 0, 0))
    function = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if function is None:
        return False
    if function(here, os.fsencode(one), here, os.fsencode(two), flag) == 0:
        return True
    error = ctypes.get_errno()
    if error in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(error, os.strerror(error), str(one), None, str(two))


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove temporary files of killed processes from a folder; a former folder without a successor is put back."""
    with suppress(OSError), os.scandir(os.path.realpath(folder)) as entries:
        found = [(Path(entry.path), match) for entry in entries if (match := _TEMPORARY.fullmatch(entry.name))]
        for leftover, match in found:
            if _is_abandoned(leftover, match["host"], int(match["pid"])):
                if match["former"] and not (path := leftover.with_name(match["name"])).exists():
                    os.replace(leftover, path)
                _remove(leftover)


def _is_abandoned(path: Path, host: str, pid: int) -> bool:
    if host == socket.gethostname():
        if pid == os.getpid():  # of a process before, in a container that numbers them alike
            return path not in _in_use
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            pass  # a process of another user
    return time.time() - path.stat().st_mtime > ABANDONED


def _remove(path: Path) -> None:
    # A read-only file system refuses this as well; that has been reported where the file could not be written.
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def state_of(path: str | os.PathLike[str]) -> FileState | None:
    """Return size, times of the last change (of contents, of the inode; ns) and inode; None if there is no file.

    Examples
    --------
    >>> state_of("/no/such/file.nc") is None
    True
    """
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def unsettled_for(state: FileState | None) -> float:
    """Return the seconds until every further change of a file is sure to change its state; 0 if it is already."""
    if state is None:
        return 0.0
    now = time.time()
    return max(0.0, *(stamp * 1e-9 + (FINE_CLOCK if stamp % 10**9 else COARSE_CLOCK) - now for stamp in state[1:3]))


def remembered(n_files: int) -> Callable[[Callable[..., Fact]], Callable[..., Fact]]:
    """Make a function of a path, and of further hashable arguments, remember what it found in files by their states.

    Parameters
    ----------
    n_files : int
        number of results kept
    """

    def decorate(function: Callable[..., Fact]) -> Callable[..., Fact]:
        @lru_cache(maxsize=n_files)
        def in_state(state: tuple[int, ...], path: Path, *args: Any) -> Fact:
            del state
            return function(path, *args)

        @wraps(function)
        def remembering(path: str | os.PathLike[str], *args: Any) -> Fact:
            state = state_of(path)
            if state is None or unsettled_for(state):
                return function(Path(path), *args)
            return in_state(tuple(state), Path(path), *args)

        return remembering

    return decorate


@remembered(n_files=64)
def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
