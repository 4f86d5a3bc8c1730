"""The Oetztal region of OGGM's sample data as glacier directories: 20 outlines of 19 glaciers, prepared offline.

Vernagtferner is two outlines, ``RGI50-11.00719_d01`` and ``_d02``. Every directory gets the Rofental's daily weather of
2014 to 2022, which is measured at one place: it shows how a region is run, not how these glaciers fared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..glaciers import GEOMETRY_TASKS, INVERSION_TASKS, PARAMS, ROFENTAL, write_hef_weather

# 20 cells around a glacier are enough for the years at hand, in which none advances, and for the downstream lines.
OETZTAL_PARAMS = {**PARAMS, "border": 20, "baseline_climate": "CUSTOM"}


@contextmanager
def oggm_kept() -> Iterator[None]:
    """Put OGGM's globals back at the end: for fixtures of a whole module or session."""
    from oggm import cfg

    kept = [(mine, dict(mine)) for mine in (cfg.PARAMS, cfg.PATHS)]
    cache_dir = cfg.CACHE_DIR
    try:
        yield
    finally:
        cfg.PARAMS.do_log = False
        for mine, before in kept:
            mine.clear()
            mine.update(before)
        cfg.PARAMS.do_log = True
        cfg.CACHE_DIR = cache_dir


def oetztal_outlines(shared: Path) -> Any:
    """The outlines as a GeoDataFrame, in the order of the file."""
    import geopandas as gpd

    return gpd.read_file(shared / "data/oggm-sample-data/test-workflow/rgi/rgi_oetztal.shp")


def start_oetztal(working_dir: Path, shared: Path, **params: Any) -> Path:
    """Initialise OGGM in a folder, for glaciers that are there already or will be prepared."""
    from oggm import cfg

    from oggm_glaunti.coupling.oggm.offline import start_offline

    path = start_offline(working_dir, params={**OETZTAL_PARAMS, **params})
    cfg.PATHS["dem_file"] = str(shared / "data/oggm-sample-data/test-workflow/srtm_oetztal.tif")
    return path


def prepare_oetztal(
    working_dir: Path, shared: Path, rgi_ids: list[str] | None = None, features: bool = True, **params: Any
) -> list:
    """Glacier directories up to ``init_present_time_glacier``, with daily weather and the corrector's inputs.

    OGGM is initialised and left so; its parameters are :data:`OETZTAL_PARAMS` and `params`. With `rgi_ids` only some
    of the glaciers are prepared. About 0.6 s a glacier.
    """
    from oggm import tasks, workflow

    from oggm_glaunti import tasks as gtasks

    start_oetztal(working_dir, shared, **params)
    outlines = oetztal_outlines(shared)
    if rgi_ids is not None:
        outlines = outlines[outlines["RGIId"].isin(rgi_ids)]
    gdirs = workflow.init_glacier_directories(outlines)
    workflow.execute_entity_task(tasks.define_glacier_region, gdirs, source="USER")
    for name in GEOMETRY_TASKS:
        workflow.execute_entity_task(getattr(tasks, name), gdirs)
    workflow.execute_entity_task(tasks.apparent_mb_from_linear_mb, gdirs)
    for name in INVERSION_TASKS:
        workflow.execute_entity_task(getattr(tasks, name), gdirs)
    weather = write_hef_weather(Path(working_dir) / "weather.csv", shared)
    workflow.execute_entity_task(gtasks.process_daily_climate, gdirs, path=weather, also_monthly=True, **ROFENTAL)
    if features:
        workflow.execute_entity_task(gtasks.glaunti_features, gdirs)
    return gdirs


def open_oetztal(prepared: Path, working_dir: Path, shared: Path, **params: Any) -> list:
    """Directories of a test's own, copied from a prepared working directory."""
    import shutil

    import oggm

    start_oetztal(working_dir, shared, **params)
    source, target = Path(prepared) / "per_glacier", Path(working_dir) / "per_glacier"
    shutil.copytree(source, target, dirs_exist_ok=True)
    folders = sorted(path.parent for path in target.rglob("outlines.*") if path.parent.name.startswith("RGI"))
    return [oggm.GlacierDirectory(name, base_dir=str(target)) for name in dict.fromkeys(f.name for f in folders)]
