"""Real glaciers as OGGM glacier directories, prepared without a network; for tests and for scripts.

Every function takes the folder of the shared data and a working directory, initialises OGGM there and leaves it so.
"""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import numpy as np
import pandas as pd

from oggm_glaunti.sample.aletsch_gdir import MASSA as CAMELS
from oggm_glaunti.settings import GEOMETRY_TASKS, INVERSION_TASKS

ALETSCH = "RGI60-11.01450"
HEF = "RGI60-11.00897"
ROFENTAL_IDS = {
    "Hintereisferner": "RGI50-11.00897",
    "Kesselwandferner": "RGI50-11.00787",
    "Vernagtferner": "RGI50-11.00719",
}
ROFENTAL_WGMS = {"Hintereisferner": "00491", "Kesselwandferner": "00507", "Vernagtferner": "00489"}
PARAMS = {"use_multiprocessing": False, "border": 80, "store_model_geometry": True, "continue_on_error": False}
HEF_PARAMS = {**PARAMS, "baseline_climate": "CUSTOM", "prcp_fac": 2.5}
# What process_daily_climate has to be told of the Rofental's daily weather.
ROFENTAL = {"source": "custom", "temp_units": "degC", "prcp_units": "m/day", "ref_hgt": 2919.0}


def prepare_aletsch(working_dir: Path, shared: Path):
    """Grosser Aletsch up to ``init_present_time_glacier``, with CAMELS-CH's daily weather of 1981-2020."""
    from oggm import tasks, workflow

    from oggm_glaunti.coupling.weather.task import process_daily_climate

    _start(working_dir, shared, PARAMS)
    target = Path(working_dir) / "per_glacier" / ALETSCH[:-6] / ALETSCH[:-3] / ALETSCH
    shutil.copytree(shared / "data" / "aletsch_gdir", target)
    make_writable(target)
    (gdir,) = workflow.init_glacier_directories([ALETSCH])
    _run(gdir, GEOMETRY_TASKS)
    tasks.apparent_mb_from_any_mb(gdir)
    _run(gdir, INVERSION_TASKS)
    process_daily_climate(gdir, path=shared / "data/camels_ch_glaciers/CAMELS_CH_obs_based_2161.csv", **CAMELS)
    return gdir


# What OGGM 1.7 calls otherwise.
NEW_NAMES = {"ref_period": "ref_mb_period", "filesuffix": "settings_filesuffix"}


def calibrate_by_oggm(gdir, **kwargs):
    """OGGM's ``mb_calibration_from_scalar_mb``, with the names of its arguments in 1.6.3."""
    from oggm import tasks

    if hasattr(gdir, "settings_filesuffix"):
        kwargs = {NEW_NAMES.get(name, name): value for name, value in kwargs.items()} | {"overwrite_observations": True}
    return tasks.mb_calibration_from_scalar_mb(gdir, **kwargs)


def prepare_hef(working_dir: Path, shared: Path):
    """Hintereisferner from its outline and the SRTM DEM, with the Rofental's daily weather of 2014-2022."""
    import geopandas as gpd
    import oggm
    from oggm import cfg, tasks

    from oggm_glaunti.coupling.weather.task import process_daily_climate

    _start(working_dir, shared, HEF_PARAMS)
    sample = shared / "data" / "oggm-sample-data"
    cfg.PATHS["dem_file"] = str(sample / "test-workflow" / "srtm_oetztal.tif")
    cfg.PATHS["climate_file"] = str(sample / "test-workflow" / "HISTALP_oetztal.nc")
    outline = gpd.read_file(sample / "test-files" / "Hintereisferner_RGI6.shp").iloc[0]
    gdir = oggm.GlacierDirectory(outline, base_dir=str(Path(working_dir) / "per_glacier"))
    tasks.define_glacier_region(gdir, entity=outline, source="USER")
    _run(gdir, GEOMETRY_TASKS)
    tasks.process_custom_climate_data(gdir)
    measured = gdir.get_ref_mb_data(y0=1990, y1=2012)["ANNUAL_BALANCE"].mean()
    calibrate_by_oggm(gdir, ref_mb=float(measured), ref_period="1990-01-01_2013-01-01")
    tasks.apparent_mb_from_any_mb(gdir, mb_years=[1990, 2013])
    _run(gdir, INVERSION_TASKS)
    process_daily_climate(gdir, path=write_hef_weather(Path(working_dir) / "weather.csv", shared), **ROFENTAL)
    return gdir


def prepare_rofental(working_dir: Path, shared: Path) -> dict:
    """Three glaciers of the Rofental with features and weather, by name: the DEM and weather of ``hef_real.npz``."""
    import geopandas as gpd
    import oggm
    from oggm import cfg, tasks

    from oggm_glaunti.coupling.ground.features import glaunti_features
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    _start(working_dir, shared, HEF_PARAMS)
    cfg.PARAMS["border"] = 20
    data = shared / "data"
    cfg.PATHS["dem_file"] = str(_with_crs(data / "rofental_openamundsen/grids/dem_rofental_100.asc", Path(working_dir)))
    weather = write_hef_weather(Path(working_dir) / "weather.csv", shared)
    outlines = gpd.read_file(data / "oggm-sample-data" / "test-workflow" / "rgi" / "rgi_oetztal.shp")
    # Ids are padded, and Vernagtferner is in two parts.
    outlines["RGIId"] = outlines["RGIId"].str.strip().str[:14]
    gdirs = {}
    for name, rgi_id in ROFENTAL_IDS.items():
        parts = outlines[outlines["RGIId"] == rgi_id]
        entity = parts.iloc[0].copy()
        entity["geometry"], entity["Name"] = parts.geometry.union_all(), name
        gdir = oggm.GlacierDirectory(entity, base_dir=str(Path(working_dir) / "per_glacier"))
        tasks.define_glacier_region(gdir, entity=entity, source="USER")
        tasks.simple_glacier_masks(gdir)
        process_daily_climate(gdir, path=weather, **ROFENTAL)
        glaunti_features(gdir)
        gdirs[name] = gdir
    return gdirs


def _with_crs(grid: Path, folder: Path) -> Path:
    """A copy of an ESRI grid of UTM 32N that says so."""
    import rasterio

    with rasterio.open(grid) as source:
        profile = {**source.profile, "driver": "GTiff", "crs": "EPSG:32632"}
        with rasterio.open(folder / "dem.tif", "w", **profile) as target:
            target.write(source.read(1), 1)
    return folder / "dem.tif"


def write_hef_weather(path: Path, shared: Path) -> Path:
    """The forcing of ``hef_real.npz`` in whole calendar years as a CSV: date, temp degC, prcp m a day, at 2919 m."""
    with np.load(shared / "reference" / "hef_real.npz") as npz:
        weather = pd.DataFrame(
            {"temp": npz["forcing_temp"], "prcp": npz["forcing_prcp_m"]},
            index=pd.DatetimeIndex(npz["forcing_dates"], name="date"),
        )
    weather.loc["2014":"2022"].to_csv(path, date_format="%Y-%m-%d", float_format="%.17g")
    return path


def open_copy(prepared: Path, working_dir: Path, rgi_id: str):
    """A glacier directory of its own for one test, copied from a prepared working directory."""
    import oggm

    shutil.copytree(Path(prepared) / "per_glacier", Path(working_dir) / "per_glacier", dirs_exist_ok=True)
    return oggm.GlacierDirectory(rgi_id, base_dir=str(Path(working_dir) / "per_glacier"))


def use_sample_data(shared: Path, cache_dir: Path) -> None:
    """Let OGGM find its sample data below `cache_dir`, which becomes ``cfg.CACHE_DIR``."""
    from oggm import cfg
    from oggm.utils._downloads import SAMPLE_DATA_COMMIT

    link = Path(cache_dir) / f"oggm-sample-data-{SAMPLE_DATA_COMMIT}"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.exists():
        link.symlink_to(shared / "data" / "oggm-sample-data", target_is_directory=True)
    cfg.CACHE_DIR = str(cache_dir)


def make_writable(folder: Path) -> None:
    """Give the owner write permission to a copy of read-only data."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _start(working_dir: Path, shared: Path, params: dict) -> None:
    from oggm_glaunti.coupling.oggm.offline import start_offline

    start_offline(working_dir, params=params)
    use_sample_data(shared, Path(working_dir) / "oggm_cache")


def _run(gdir, names: tuple[str, ...]) -> None:
    from oggm import tasks

    for name in names:
        getattr(tasks, name)(gdir)
