"""Grosser Aletsch as a glacier directory, from data that are fetched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from oggm_glaunti.downloads import registry
from oggm_glaunti.sample.fetched import fetch

if TYPE_CHECKING:
    from oggm import GlacierDirectory

RGI_ID = "RGI60-11.01450"
# What process_daily_climate has to be told of the record of the Massa: CAMELS-CH gives means of the catchment, which
# hold at its mean elevation.
MASSA = {
    "source": "custom",
    "time_name": "date",
    "temp_name": "temperature_mean(degC)",
    "prcp_name": "precipitation(mm/d)",
    "temp_units": "degC",
    "prcp_units": "mm/day",
    "ref_hgt": 2929.36,
}


def aletsch(working_dir: str | os.PathLike[str], params: Mapping[str, Any] | None = None) -> GlacierDirectory:
    """Make a glacier directory of Grosser Aletsch (82 km2) with the daily weather of its catchment, 1981-2020.

    The directory is a published one, of 100 m, with outline, DEM and monthly climate (``fetch("aletsch")``), the
    weather that of CAMELS-CH (``fetch("massa_daily")``). Flowlines and bed are left to OGGM's tasks. OGGM is
    initialised anew in `working_dir`; apart from those two, nothing is downloaded.

    Parameters
    ----------
    working_dir : str or path
        folder of the glacier directories; made if missing. A directory of Grosser Aletsch in it is made anew
    params : mapping, optional
        parameters to set in ``cfg.PARAMS``

    Returns
    -------
    oggm.GlacierDirectory

    Raises
    ------
    FileNotFoundError
        if the data are nowhere, see :func:`fetch`
    """
    from oggm_glaunti.coupling.oggm.offline import start_offline

    source, weather = fetch("aletsch"), fetch("massa_daily")
    folder = start_offline(working_dir, params) / "per_glacier" / RGI_ID[:8] / RGI_ID[:11] / RGI_ID
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in registry.dataset("aletsch").files:
        shutil.copyfile(source / file.path, folder / file.path)  # writable, whatever the source is
    from oggm import GlacierDirectory

    from oggm_glaunti.coupling.weather.task import process_daily_climate

    gdir = GlacierDirectory(RGI_ID)
    process_daily_climate(gdir, path=weather, **MASSA)
    return gdir
