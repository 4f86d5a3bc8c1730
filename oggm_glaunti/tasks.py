"""Every entity task of the package, as in ``oggm.tasks``.

Examples
--------
>>> from oggm_glaunti import tasks as gtasks
>>> sorted(name for name in gtasks.__all__ if name.startswith("run"))
['run_dynamic_melt_f_calibration', 'run_dynamic_spinup']
"""

from oggm_glaunti.coupling.calibration import calibrate_glaunti
from oggm_glaunti.coupling.climate import process_daily_climate
from oggm_glaunti.coupling.compat import run_dynamic_melt_f_calibration, run_dynamic_spinup
from oggm_glaunti.coupling.features import glaunti_features
from oggm_glaunti.coupling.smb import glaunti_smb
from oggm_glaunti.fit.calibrate import fit_glaunti, fit_glaunti_region
from oggm_glaunti.region.store import compile_glaunti_output
from oggm_glaunti.region.tables import glaunti_tables

__all__ = [
    "calibrate_glaunti",
    "compile_glaunti_output",
    "fit_glaunti",
    "fit_glaunti_region",
    "glaunti_features",
    "glaunti_smb",
    "glaunti_tables",
    "process_daily_climate",
    "run_dynamic_melt_f_calibration",
    "run_dynamic_spinup",
]
