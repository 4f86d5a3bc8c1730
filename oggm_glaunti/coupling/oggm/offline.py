"""OGGM on a machine without a network: importing it, and starting it.

The module imports OGGM on use only, because it is what makes that import safe. The import needs no care any more when
salem no longer downloads its sample data on import (https://github.com/fmaussion/salem/issues/196); the start, when
``cfg.initialize_minimal`` of an OGGM release does not make glacier directories download the names of the RGI's regions.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
import socket
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError

from oggm_glaunti import settings

if TYPE_CHECKING:
    import pandas as pd
    from oggm import GlacierDirectory

log = logging.getLogger(__name__)

# Errors with which a download ends without a network, or with a proxy's page in place of the file.
NETWORK_ERRORS = (URLError, ConnectionError, TimeoutError, socket.gaierror, HTTPException, zipfile.BadZipFile)
# s. Longest wait for one answer of the server; without it a network that drops packets holds the import for minutes.
NETWORK_TIMEOUT = 15.0


def salem_sample_data_dir() -> Path:
    """Return the folder of salem's sample data, read from salem's source without importing it.

    Returns
    -------
    pathlib.Path
        ``~/.salem_cache/salem-sample-data-<commit>``, which need not exist

    Raises
    ------
    ImportError
        if salem is not installed, or no longer names the commit of its sample data
    """
    spec = importlib.util.find_spec("salem")
    if spec is None or spec.origin is None:
        raise ImportError("salem is not installed, and OGGM needs it: pip install salem")
    found = re.search(r"^sample_data_gh_commit\s*=\s*['\"](\w+)['\"]", Path(spec.origin).read_text("utf-8"), re.M)
    if found is None:
        raise ImportError(f"{spec.origin} does not name the commit of salem's sample data (sample_data_gh_commit)")
    return Path("~").expanduser() / ".salem_cache" / f"salem-sample-data-{found.group(1)}"


def ensure_oggm_importable() -> None:
    """Import OGGM, also on a machine without a network.

    ``import salem``, so ``import oggm``, downloads salem's sample data if they are missing and fails without a
    network. It only asks whether ``world_borders.shp`` exists: if the download fails, an empty file is created, one
    warning is logged, and OGGM is imported again. salem's own download overwrites the file. Nothing happens if OGGM
    is imported already.

    Raises
    ------
    OSError
        if the home directory cannot be written (salem keeps its cache there)

    Examples
    --------
    >>> ensure_oggm_importable()
    >>> import oggm
    """
    if "oggm" in sys.modules:
        return
    try:
        with _short_network_waits():
            importlib.import_module("oggm")
    except NETWORK_ERRORS as err:
        placeholder = salem_sample_data_dir() / "shapes" / "world_borders" / "world_borders.shp"
        if placeholder.exists():
            raise
        placeholder.parent.mkdir(parents=True, exist_ok=True)
        placeholder.touch()
        log.warning(
            "salem could not download its sample data (%s). OGGM is imported with an empty placeholder, %s: salem's "
            "maps have no country borders until you delete it and import again with a network.",
            err,
            placeholder,
        )
        _forget_failed_import()
        importlib.import_module("oggm")


@contextmanager
def _short_network_waits() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _forget_failed_import() -> None:
    # Python drops only the packages that failed; their finished submodules would be missing as attributes of the
    # packages imported next, and xarray warns when an accessor is registered twice.
    for name in [name for name in sys.modules if name.split(".")[0] in ("salem", "oggm")]:
        del sys.modules[name]
    xarray = sys.modules.get("xarray")
    for cls in (xarray.DataArray, xarray.Dataset) if xarray else ():
        if "salem" in vars(cls):
            del cls.salem


# First-order regions of the Randolph Glacier Inventory 6.0 (RGI Consortium 2017, doi 10.7265/N5-RGI-60), from 0, and
# the one that version 7.0 adds (doi 10.5067/f6jmovy5navz).
_RGI_REGIONS = """None, Alaska, Western Canada and US, Arctic Canada North, Arctic Canada South, Greenland, Iceland,
Svalbard, Scandinavia, Russian Arctic, North Asia, Central Europe, Caucasus and Middle East, Central Asia,
South Asia West, South Asia East, Low Latitudes, Southern Andes, New Zealand, Antarctic and Subantarctic,
Antarctic Mainland"""
# First character of ``gdir.rgi_version``, which is 50, 60, 61, 70G (glaciers) or 70C (complexes).
_RGI_VERSIONS = ("5", "6", "7")


def start_offline(
    working_dir: str | os.PathLike[str],
    params: Mapping[str, Any] | None = None,
    logging_level: str = "WARNING",
) -> Path:
    """Initialise OGGM so that glacier directories can be made from own outlines without any download.

    Like ``cfg.initialize_minimal()``, and the names of the RGI's regions are filled in, which OGGM would download for
    the first glacier directory (sub-regions are called NoName). Outlines' intersects are switched off, since they are
    a download too.

    Parameters
    ----------
    working_dir : str or path
        folder of the glacier directories; made if missing
    params : mapping, optional
        parameters to set in ``cfg.PARAMS``
    logging_level : str
        see ``cfg.set_logging_config``

    Returns
    -------
    pathlib.Path
        the working directory, absolute

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        for a parameter that OGGM refuses

    Examples
    --------
    >>> import tempfile
    >>> path = start_offline(tempfile.mkdtemp(), params={"border": 40})
    >>> from oggm import cfg
    >>> cfg.PARAMS["border"], cfg.PARAMS["has_internet"]
    (40, False)
    """
    import pandas as pd
    from oggm import cfg
    from oggm.utils import _funcs as oggm_funcs

    cfg.initialize_minimal(logging_level=logging_level)
    settings.set_params({"has_internet": False, "use_intersects": False, **(params or {})})
    settings.register()
    names, subregions = re.split(r",\s", _RGI_REGIONS), {"00-00": "None"}
    tables = pd.DataFrame({"Full_name": names}), pd.DataFrame({"Full_name": subregions})
    for version in _RGI_VERSIONS:
        oggm_funcs._RGI_METADATA.setdefault(version, tables)
    path = Path(working_dir).resolve()
    path.mkdir(parents=True, exist_ok=True)
    cfg.PATHS["working_dir"] = str(path)
    return path


def directory_of_outline(folder: Path, outline: pd.Series, dem: str | os.PathLike[str]) -> GlacierDirectory:
    """Make the glacier directory of one outline anew, up to its downstream line.

    Parameters
    ----------
    folder : pathlib.Path
        working directory, as :func:`start_offline` returns it
    outline : pandas.Series
        a row of an RGI table, with its ``geometry``
    dem : str or path
        raster of heights

    Returns
    -------
    oggm.GlacierDirectory
        ready for daily climate, corrector inputs and the inversion
    """
    from oggm import GlacierDirectory, cfg, tasks

    cfg.PATHS["dem_file"] = str(dem)
    gdir = GlacierDirectory(outline, base_dir=str(folder / "per_glacier"), reset=True)
    tasks.define_glacier_region(gdir, entity=outline, source="USER")
    run_tasks(gdir, settings.GEOMETRY_TASKS)
    return gdir


def run_tasks(gdir: GlacierDirectory, names: Iterable[str]) -> None:
    """Run OGGM's entity tasks of these names, one after the other."""
    from oggm import tasks

    for name in names:
        getattr(tasks, name)(gdir)
