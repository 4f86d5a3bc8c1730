"""Names, defaults and constants of the package, each with unit and source.

No other module invents a file name or a default value. This module imports nothing heavy;
:func:`register` hands the names to OGGM and is called by every module that holds a task or a class of ours, because
spawned workers of OGGM restore PARAMS but not BASENAMES.
"""

from collections.abc import Mapping
from typing import Any

# Files in a glacier directory (OGGM's BASENAMES).
_FILES = {
    "glaunti_features.nc": "corrector inputs (outline, elevation, its uncertainty, facies) on the 100 m UTM grid.",
    "glaunti_params.json": "model, tunable parameters, corrector mode and what they were calibrated to.",
    "glaunti_table.nc": "monthly balance and climate as a function of height and year.",
    "glaunti_smb.nc": "gridded surface mass balance and glacier means.",
    "glaunti_hydro_daily.nc": "daily rain, snow, melt and snow cover of a run, on the glacier and on ice-free ground.",
    "glaunti_debris.json": "factor of debris on the melt of ice by height.",
    "glaunti_meltwater.nc": "daily surface water and runoff, dates of melt and melt area by height.",
    "glaunti_dem_stack.nc": "yearly surface elevation without voids, its uncertainty and trend, on the 100 m UTM grid.",
}
BASENAMES = {file.partition(".")[0]: (file, f"GlaUnTI: {content}") for file, content in _FILES.items()}

# What a region leaves in its working directory, beside the glacier directories: balances (with a suffix of the run
# before the ending), OGGM's compiled run, what became of every glacier, and the options.
REGION_OUTPUT, RUN_OUTPUT, RUN_STATUS, RUN_OPTIONS = "glaunti_output.nc", "run_output.nc", "glaciers.csv", "run.yml"

# The daily climate lives under OGGM's own name with this suffix: climate_historical_daily.nc. OGGM 1.6.3 also has a
# BASENAME of that name, its development version has not; basename plus suffix is found by both.
DAILY_SUFFIX = "_daily"

# Parameters that a user may change in cfg.PARAMS.
PARAMS: dict[str, Any] = {
    # K m-1. The gradient GlaUnTI was trained with (Maslov et al. 2026), not OGGM's temp_default_gradient of -0.0065.
    "glaunti_temp_gradient": -0.0060,
    # m. 1-sigma uncertainty of the DEM if no raster of it is given.
    "glaunti_elevation_std": 5.0,
    # m. Distance of the heights in the height-year table, which is read by linear interpolation: good to 1e-4 m w.e. a
    # year. The uncorrected runs of the corrector use the same heights and cubics: good to 1e-5 m w.e.
    "glaunti_table_step": 10.0,
    # MB. Working memory of glaunti_tables for all batches in memory together, on top of the interpreter and libraries.
    "glaunti_memory": 1000.0,
    # Server and file names of the daily GSWP3-W5E5 files flattened by OGGM.
    "glaunti_w5e5_daily_server": "https://cluster.klima.uni-bremen.de/~oggm/climate/",
    "glaunti_w5e5_daily_basenames": {
        "inv": "gswp3-w5e5/flattened/2025.11.25/daily/gswp3-w5e5_glacier_invariant_flat_v2025.11.25.nc",
        "tmp": "gswp3-w5e5/flattened/2025.11.25/daily/"
        "gswp3-w5e5_obsclim_tas_global_daily_1901_2019_flat_glaciers_v2025.11.25.nc",
        "prcp": "gswp3-w5e5/flattened/2025.11.25/daily/"
        "gswp3-w5e5_obsclim_pr_global_daily_1901_2019_flat_glaciers_v2025.11.25.nc",
    },
}

# Fixed by the training of the published weights: changing them changes what the corrector sees.
CELL_SIZE = 100.0  # m, side of a cell of the corrector grid
MARGIN_CELLS = 15  # cells around the outline's bounding box
MIN_CELLS = 16  # shortest side of the grid; three 2x2 pools need it
MASS_BALANCE_YEAR_START = {"nh": 10, "sh": 4}  # month in which a mass-balance year begins

VARIANTS = ("smooth", "mass_conserving")  # days of the temperature index, the published one first

# Raised whenever the numerics change: tables and corrections made before are then computed anew.
NUMERICS_VERSION = 2

# OGGM's tasks from an outline to ice on elevation bands, in order.
GEOMETRY_TASKS = (
    "simple_glacier_masks",
    "elevation_band_flowline",
    "fixed_dx_elevation_band_flowline",
    "compute_downstream_line",
    "compute_downstream_bedshape",
)
INVERSION_TASKS = (
    "prepare_for_inversion",
    "mass_conservation_inversion",
    "filter_inversion_output",
    "init_present_time_glacier",
)

WEIGHTS_ENV = "OGGM_GLAUNTI_WEIGHTS"
# Folder of data that are not downloaded, and address of a mirror that downloads are asked from.
SHARED_ENV = "OGGM_GLAUNTI_SHARED"
MIRROR_ENV = "OGGM_GLAUNTI_MIRROR"


def set_params(values: Mapping[str, Any]) -> None:
    """Set some of OGGM's parameters without a line for each of them in its log."""
    from oggm import cfg

    do_log, cfg.PARAMS.do_log = cfg.PARAMS.do_log, False
    try:
        for name, value in values.items():
            cfg.PARAMS[name] = value
    finally:
        cfg.PARAMS.do_log = do_log


def register() -> None:
    """Make OGGM know our file names and parameters; safe to call any number of times."""
    from oggm import cfg

    for name, filename_and_content in BASENAMES.items():
        if name not in cfg.BASENAMES:
            cfg.BASENAMES[name] = filename_and_content
    set_params({name: value for name, value in PARAMS.items() if name not in cfg.PARAMS})


def param(name: str) -> Any:
    """Return one of our parameters: the user's value in ``cfg.PARAMS``, otherwise our default.

    Parameters
    ----------
    name : str
        key of :data:`PARAMS`

    Examples
    --------
    >>> param("glaunti_temp_gradient")
    -0.006
    """
    from oggm import cfg

    return cfg.PARAMS.get(name, PARAMS[name])
