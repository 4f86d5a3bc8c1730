"""Data by name: those of the tutorials, downloaded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from oggm_glaunti.downloads import registry, store

if TYPE_CHECKING:
    import pandas as pd


def _rofental() -> store.Make:
    from oggm_glaunti.sample.rofental import make_daily_station_means

    return make_daily_station_means


def _antarctica() -> store.Make:
    from oggm_glaunti.companions.meltwater.antarctica_archive import repack_antarctic_melt

    return repack_antarctic_melt


_MAKERS: dict[str, Callable[[], store.Make]] = {"antarctica_melt": _antarctica, "rofental_daily": _rofental}


def fetch(name: str) -> Path:
    """Return the path of data by name: a folder, or a file where they are a single one.

    They are looked for in the folder named by the environment variable ``OGGM_GLAUNTI_SHARED`` (or called ``shared``,
    beside the repository), in OGGM's download cache, and at their public addresses, from where they are downloaded to
    that cache. Checksums are compared wherever they are found. Nothing in that place may be changed: copy what you
    want to write to.

    Parameters
    ----------
    name : str
        one of :func:`datasets`

    Raises
    ------
    FileNotFoundError
        if they are nowhere and cannot be downloaded; the message names the places and the ways out
    ValueError
        if there are no data of this name, or a file has another checksum than the registered one

    Examples
    --------
    >>> fetch("mont_blanc")
    Traceback (most recent call last):
    ...
    ValueError: no data are called 'mont_blanc'; there are aletsch, antarctica_melt, ...
    """
    data = registry.dataset(name)
    return store.fetch(data, _MAKERS[name]() if name in _MAKERS else None)


def datasets() -> pd.DataFrame:
    """Return what :func:`fetch` knows, a row for each name.

    Returns
    -------
    DataFrame
        ``about``, ``files`` (their number) and ``megabytes`` to download, ``licence``, ``citation`` and ``url``

    Examples
    --------
    >>> datasets().loc[["massa_daily", "weights"], "files"].to_list()
    [1, 7]
    """
    import pandas as pd

    rows = {
        data.name: {
            "about": data.about,
            "files": len(data.files),
            "megabytes": round(data.size / 1e6, 1),
            "licence": data.licence,
            "citation": data.citation,
            "url": data.url,
        }
        for data in registry.registry().values()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
