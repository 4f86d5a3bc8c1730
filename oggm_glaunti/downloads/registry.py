"""The table of everything that is downloaded, ``registry.toml``: address, checksums, licence and citation by name."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit


class File(NamedTuple):
    """A file of a data set."""

    path: str
    """below the data set's folder, with slashes"""
    size: int
    """bytes"""
    sha256: str
    """hexadecimal digits; empty for an archive that its server packs anew, whose contents are checked instead"""


class Dataset(NamedTuple):
    """Files that belong together."""

    name: str
    about: str
    url: str
    """of the folder, with a slash at its end"""
    shared: str
    """the folder of the same files below that of ``OGGM_GLAUNTI_SHARED``"""
    licence: str
    citation: str
    files: tuple[File, ...]
    """as they are downloaded"""
    made: tuple[File, ...] = ()
    """made from these and used in their place, as they lie in `shared`"""

    @property
    def size(self) -> int:
        """Bytes that are downloaded."""
        return sum(file.size for file in self.files)

    @property
    def used(self) -> tuple[File, ...]:
        """The files that are used: those made, if some are made."""
        return self.made or self.files

    def address(self, file: File) -> str:
        """Return the URL of a file."""
        return self.url + quote(file.path)

    def place(self, cache: Path) -> Path:
        """Return the folder of the downloads in a cache laid out as OGGM's: by host and path."""
        parts = urlsplit(self.url)
        return cache / parts.netloc / parts.path.strip("/")


@cache
def registry() -> dict[str, Dataset]:
    """Return all data sets by name.

    Examples
    --------
    >>> registry()["massa_daily"].files[0].path
    'CAMELS_CH_obs_based_2161.csv'
    """
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    return {name: _dataset(name, entry) for name, entry in table.items()}


def _dataset(name: str, entry: dict) -> Dataset:
    files, made = (
        tuple(File(path, size, sha256) for path, (size, sha256) in entry.get(key, {}).items())
        for key in ("files", "made")
    )
    return Dataset(name, **{**entry, "files": files, "made": made})


def dataset(name: str) -> Dataset:
    """Return a data set.

    Raises
    ------
    ValueError
        if there is none of that name; the message lists all
    """
    if name not in registry():
        raise ValueError(f"no data are called {name!r}; there are {', '.join(sorted(registry()))}")
    return registry()[name]
