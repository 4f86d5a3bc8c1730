"""Files are looked for in the shared folder, the caches and the network, in this order; what is said if in none."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from oggm_glaunti import settings
from oggm_glaunti.downloads.cache import caches
from oggm_glaunti.downloads.registry import Dataset, File
from oggm_glaunti.files import sha256_of, write_text

log = logging.getLogger(__name__)

# Folder of the files made from downloads in a cache, and the file of their checksums.
_MADE, _CHECKSUMS = "glaunti_made", "checksums.txt"
# A data set has up to a hundred small files. GitHub turns away who asks for too many at once.
_AT_ONCE = 4

Make = Callable[[Path, Path], None]
"""Makes files in the second folder from what was downloaded, a folder or a file"""


class DataNotFoundError(FileNotFoundError):
    """Data were not found; the message names the places that were searched and the ways out."""


class _Shared(NamedTuple):
    """The folder of shared data."""

    folder: Path | None
    said: str
    """what a message says of it"""


def shared_folder() -> _Shared:
    """Return the folder named by ``OGGM_GLAUNTI_SHARED``, or the one called shared beside the repository.

    Raises
    ------
    DataNotFoundError
        if the variable names no folder
    """
    given = os.environ.get(settings.SHARED_ENV)
    variable = f"environment variable {settings.SHARED_ENV}"
    if given:
        folder = Path(given).expanduser().resolve()
        if not folder.is_dir():
            raise DataNotFoundError(f"{variable} names {folder}, which is no folder. Correct it, or unset it.")
        return _Shared(folder, f"{folder} ({variable})")
    repository = Path(__file__).resolve().parents[2]
    beside = repository.parent / "shared"
    if (repository / "pyproject.toml").is_file() and beside.is_dir():
        return _Shared(beside, f"{beside} (beside the repository)")
    return _Shared(None, f"{variable} (not set)")


def checked(path: Path, file: File) -> Path:
    """Return a path whose file has the registered checksum.

    Raises
    ------
    ValueError
        if it has another
    """
    found = sha256_of(path) if file.sha256 else ""
    if found != file.sha256:
        raise ValueError(
            f"{path}: expected SHA-256 {file.sha256} for {file.path}, found {found}. The file is damaged or another: "
            "delete it and run again."
        )
    return path


def find_cached(data: Dataset, file: File) -> Path | None:
    """Return the copy of a downloaded file in a cache, checked, if there is one; nothing is downloaded."""
    found = (data.place(cache) / file.path for cache in caches().folders)
    path = next((path for path in found if path.is_file()), None)
    return checked(path, file) if path else None


def retrieve(data: Dataset, file: File) -> Path:
    """Return one file, from a cache or downloaded to it.

    Raises
    ------
    DataNotFoundError
        if it cannot be downloaded; the message names URL, place in the cache and remedy
    ValueError
        if the file in the cache has another checksum
    """
    return find_cached(data, file) or _download(data, file, _target())


def _target() -> Path:
    found = caches()
    if found.target is None:
        raise DataNotFoundError(
            f"OGGM's download cache {found.names} is read-only, and there is no working directory to download to. Set "
            "cfg.PATHS['working_dir'] or the environment variable OGGM_WORKDIR."
        )
    return found.target


def _download(data: Dataset, file: File, cache: Path) -> Path:
    from oggm_glaunti.downloads.http import NotServedError, download, mirrored

    folder = data.place(cache)
    path = folder / file.path
    if path.is_file():
        return checked(path, file)
    log.info("downloading %s", data.address(file))
    try:
        return download(data, file, folder)
    except (NotServedError, OSError, ValueError) as err:
        raise DataNotFoundError(
            f"cannot download {mirrored(data.address(file))} ({err}). Connect to the internet and run again, or put "
            f"the file at {path}."
        ) from err


def fetch(data: Dataset, make: Make | None = None) -> Path:
    """Return the folder of a data set, or its file if it is a single one.

    Parameters
    ----------
    data : Dataset
    make : callable, optional
        makes ``data.made`` from the files downloaded

    Raises
    ------
    DataNotFoundError
        if it is nowhere; the message names the places searched and the ways out
    ValueError
        if a file has another checksum than the registered one
    """
    found = find(data)
    if found:
        return found
    try:
        downloaded = _downloaded(data)
    except DataNotFoundError as err:
        raise _not_found(data, err) from err
    return _make(data, make, downloaded) if make else downloaded


def find(data: Dataset) -> Path | None:
    """Return the folder or file of a data set in the shared folder or a cache, if it is there; nothing is downloaded.

    Raises
    ------
    DataNotFoundError
        if ``OGGM_GLAUNTI_SHARED`` names no folder
    ValueError
        if a file has another checksum than the registered one
    """
    shared = shared_folder().folder
    if shared and not _missing(shared / data.shared, data.used):
        return _result(shared / data.shared, data.used)
    for cache in caches().folders:
        if data.made:
            made = cache / _MADE / data.name
            if (made / _CHECKSUMS).is_file():
                return _result(made, _read_checksums(made / _CHECKSUMS))
        elif not _missing(data.place(cache), data.files):
            return _result(data.place(cache), data.files)
    return None


def _missing(folder: Path, files: Iterable[File]) -> list[str]:
    return [file.path for file in files if not (folder / file.path).is_file()]


def _result(folder: Path, files: Iterable[File]) -> Path:
    paths = [checked(folder / file.path, file) for file in files]
    return paths[0] if len(paths) == 1 else folder


def _downloaded(data: Dataset) -> Path:
    """Return the folder with all the files, or the file; those missing are downloaded to the cache written to."""
    for cache in caches().folders:
        if not _missing(data.place(cache), data.files):
            return _result(data.place(cache), data.files)
    target = _target()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            list(pool.map(lambda file: _download(data, file, target), data.files))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return _result(data.place(target), data.files)


def _read_checksums(path: Path) -> list[File]:
    rows = (line.split("  ", 1) for line in path.read_text("utf-8").splitlines())
    return [File(name, 0, sha256) for sha256, name in rows]


def _make(data: Dataset, make: Make, downloaded: Path) -> Path:
    folder = _target() / _MADE / data.name
    folder.mkdir(parents=True, exist_ok=True)
    make(downloaded, folder)
    written = sorted(path for path in folder.iterdir() if path.name != _CHECKSUMS and not path.name.startswith("."))
    write_text(folder / _CHECKSUMS, "".join(f"{sha256_of(path)}  {path.name}\n" for path in written))
    return written[0] if len(written) == 1 else folder


def _not_found(data: Dataset, reason: Exception) -> DataNotFoundError:
    shared, target = shared_folder(), caches().target
    looked = shared.said
    if shared.folder:
        missing = _missing(shared.folder / data.shared, data.used)
        looked += f", which lacks {data.shared}/{missing[0]}" + (" and more" if missing[1:] else "")
    by_hand = f"; or download {data.url}... by hand to {data.place(target)}" if target else ""
    return DataNotFoundError(
        f"{data.name!r} ({data.about}; {data.size / 1e6:.1f} MB) not found. Searched: {looked}; OGGM's download cache "
        f"{caches().names}. Then: {str(reason).rstrip('.')}. Ways out: run once with an internet connection; set "
        f"{settings.SHARED_ENV} to a folder that holds {data.shared}, or {settings.MIRROR_ENV} to a mirror; use the "
        f"path of a copy of your own in place of fetch({data.name!r}){by_hand}."
    )
