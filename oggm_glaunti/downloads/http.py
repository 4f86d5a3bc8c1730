"""One file over HTTP, by pooch: again after a cut or a busy server, a bounded number of times, and never in half."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests

from oggm_glaunti import files, settings
from oggm_glaunti.downloads.registry import Dataset, File

RETRIES = 2
"""after the first attempt"""
TIMEOUT = (10.0, 60.0)
"""s, to connect and between two pieces of an answer"""
LONGEST_WAIT = 30.0
"""s, for a server that says when to come again"""
_BUSY = {429, 500, 502, 503, 504}
_TEMPORARY = "tmp????????"


class NotServedError(Exception):
    """The server does not have the file, so asking again is of no use."""


class _Polite(pooch.HTTPDownloader):
    """pooch's downloader, but one that gives up where a file does not exist and waits as long as a busy server asks."""

    def __call__(self, url: str, output_file: Any, pooch: Any, check_only: bool = False) -> None:
        try:
            super().__call__(url, output_file, pooch, check_only)
        except requests.HTTPError as err:
            if err.response is None or err.response.status_code not in _BUSY:
                raise NotServedError(str(err)) from err
            with suppress(ValueError):  # a date, or nothing
                time.sleep(min(float(err.response.headers.get("Retry-After", "")), LONGEST_WAIT))
            raise
        # Temporary files are their owner's alone; a cache may be shared.
        os.chmod(output_file, 0o644)


def mirrored(url: str) -> str:
    """Return where a URL is asked for: at the mirror named by ``OGGM_GLAUNTI_MIRROR``, if it names one.

    A mirror has the files by host and path, as OGGM's download cache has.

    Examples
    --------
    >>> mirrored("https://example.org/a/b.csv")
    'https://example.org/a/b.csv'
    """
    mirror = os.environ.get(settings.MIRROR_ENV)
    parts = urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" if mirror else url


def download(data: Dataset, file: File, folder: Path) -> Path:
    """Download a file to its place below a folder.

    Raises
    ------
    NotServedError
        if the server does not have it
    OSError
        if it cannot be reached, or the folder not written (connection errors of requests are such)
    ValueError
        if what came has another checksum, each time
    """
    pooch.get_logger().setLevel("WARNING")
    store = pooch.create(
        path=folder,
        base_url=data.url,
        registry={file.path: f"sha256:{file.sha256}" if file.sha256 else None},
        urls={file.path: mirrored(data.address(file))},
        retry_if_failed=RETRIES,
    )
    parent = (folder / file.path).parent
    # pooch fails if another thread or process makes the folder at the same instant.
    parent.mkdir(parents=True, exist_ok=True)
    _remove_half_downloads(parent)
    return Path(store.fetch(file.path, downloader=_Polite(chunk_size=2**16, timeout=TIMEOUT)))


def _remove_half_downloads(folder: Path) -> None:
    """Remove what killed processes have left, which nobody has written to for a day."""
    for path in folder.glob(_TEMPORARY):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > files.ABANDONED:
                path.unlink()
