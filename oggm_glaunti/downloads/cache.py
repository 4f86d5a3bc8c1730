"""OGGM's download cache, found without importing OGGM, and its rule for read-only ones."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NamedTuple

_TRUE = {"1", "true", "yes", "on"}


class Caches(NamedTuple):
    """Where downloads lie."""

    folders: tuple[Path, ...]
    """OGGM's cache and the one in the working directory, in the order in which they are searched"""
    target: Path | None
    """the one that downloads are written to; None: the cache is read-only and there is no working directory"""

    @property
    def names(self) -> str:
        """The folders as a message has them."""
        return " and ".join(map(str, self.folders))


def caches() -> Caches:
    """Return the folders of OGGM's downloads as OGGM is configured, also before it is initialised.

    A cache that is read-only by OGGM's configuration is never written to: downloads then go to ``cache`` in the working
    directory, or in the folder named by the environment variable ``OGGM_WORKDIR``.
    """
    folder, read_only = _of_oggm() or _of_configuration()
    cfg = sys.modules.get("oggm.cfg")
    working_dir = (cfg.PATHS.get("working_dir") if cfg else None) or os.environ.get("OGGM_WORKDIR")
    fallback = Path(working_dir, "cache") if working_dir else None
    folders = tuple(place for place in (folder, fallback) if place)
    return Caches(folders, fallback if read_only or not folder else folder)


def _of_oggm() -> tuple[Path | None, bool] | None:
    """Return cache and whether it is read-only as an initialised OGGM has them."""
    cfg = sys.modules.get("oggm.cfg")
    if cfg is None or "dl_cache_dir" not in cfg.PATHS:
        return None
    folder = cfg.PATHS["dl_cache_dir"]
    return Path(folder) if folder else None, bool(cfg.PARAMS.get("dl_cache_readonly", False))


def _of_configuration() -> tuple[Path, bool]:
    """Return the same from OGGM's environment variables, configuration file and defaults."""
    from configobj import ConfigObj

    config = ConfigObj(str(Path("~/.oggm_config").expanduser()))  # empty if there is none
    folder = os.environ.get("OGGM_DOWNLOAD_CACHE") or config.get("dl_cache_dir") or "~/OGGM/download_cache"
    read_only = os.environ.get("OGGM_DOWNLOAD_CACHE_RO") or config.get("dl_cache_readonly", "False")
    return Path(os.path.abspath(os.path.expanduser(folder))), str(read_only).lower() in _TRUE
