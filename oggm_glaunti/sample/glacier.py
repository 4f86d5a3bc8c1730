"""Hintereisferner as a glacier directory, from the files in the package."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from oggm_glaunti.sample import hef_files
from oggm_glaunti.settings import INVERSION_TASKS

if TYPE_CHECKING:
    from oggm import GlacierDirectory

# The inversion assumes their mean balance. The weather of 2014 has a gap of five months.
YEARS = (2015, 2022)
PARAMS = {"border": 80, "store_model_geometry": True, "baseline_climate": "CUSTOM", "has_internet": True}


def hintereisferner(working_dir: str | os.PathLike[str], params: dict[str, Any] | None = None) -> GlacierDirectory:
    """Make the glacier directory of Hintereisferner (Oetztal Alps, 8 km2), ready to use; nothing is downloaded.

    OGGM is initialised anew in `working_dir`. The directory has elevation-band flowlines, the daily and monthly climate
    of 2014-2022, and the present-time glacier of OGGM's inversion, which takes the change of balance with height from
    model A as published, mean of 2015-2022. Nothing is calibrated.

    Parameters
    ----------
    working_dir : str or path
        folder of the glacier directories; made if missing. A directory of Hintereisferner in it is made anew
    params : dict, optional
        parameters to set in ``cfg.PARAMS``, which take precedence over a border of 80 cells and stored model geometry

    Returns
    -------
    oggm.GlacierDirectory

    Examples
    --------
    >>> import tempfile
    >>> gdir = hintereisferner(tempfile.mkdtemp())
    >>> gdir.rgi_id, gdir.name, gdir.has_file("model_flowlines")
    ('RGI60-11.00897', 'Hintereisferner', True)
    """
    from oggm_glaunti.coupling.oggm.offline import directory_of_outline, run_tasks, start_offline

    folder = start_offline(working_dir, params={**PARAMS, **(params or {})})
    import geopandas as gpd
    from oggm import tasks

    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalanceA
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    outline = gpd.read_file(hef_files.path("outline.geojson")).iloc[0]
    gdir = directory_of_outline(folder, outline, hef_files.path("dem.tif"))
    process_daily_climate(gdir, path=hef_files.path("weather.csv"), also_monthly=True, **hef_files.WEATHER)
    tasks.apparent_mb_from_any_mb(
        gdir, mb_model_class=GlaUnTIMassBalanceA, mb_years=list(range(YEARS[0], YEARS[1] + 1))
    )
    run_tasks(gdir, INVERSION_TASKS)
    return gdir
