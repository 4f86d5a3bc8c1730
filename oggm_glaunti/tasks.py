"""Every entity task of the package, as in ``oggm.tasks``.

Examples
--------
>>> from oggm_glaunti import tasks as gtasks
>>> sorted(name for name in gtasks.__all__ if name.startswith("run"))
['run_dynamic_melt_f_calibration', 'run_dynamic_spinup', 'run_ensemble_from_climate_data', 'run_with_daily_hydro']
"""

from oggm_glaunti.analysis.attribution.corrections import attribute_corrections
from oggm_glaunti.analysis.attribution.tasks import attribute_heights, attribute_year
from oggm_glaunti.analysis.dynamics.tasks import volume_gradient, volume_sensitivity
from oggm_glaunti.analysis.inverse.tasks import (
    climate_sensitivity,
    equilibrium_temperature,
    invert_forcing,
    invert_forcing_region,
)
from oggm_glaunti.analysis.measure_next.tasks import where_to_measure
from oggm_glaunti.analysis.uncertainty.ensemble_runs import run_ensemble_from_climate_data
from oggm_glaunti.analysis.uncertainty.tasks import smb_ensemble, smb_linearity, smb_uncertainty
from oggm_glaunti.companions.dem.tasks import process_dem_stack
from oggm_glaunti.companions.iceflow.balance import apparent_balance
from oggm_glaunti.companions.iceflow.tasks import compare_velocities, iceflow_velocity
from oggm_glaunti.companions.meltwater.tasks import compare_melt, melt_season
from oggm_glaunti.coupling.ground.debris import process_debris
from oggm_glaunti.coupling.ground.features import glaunti_features
from oggm_glaunti.coupling.hydro.task import run_with_daily_hydro
from oggm_glaunti.coupling.model.dynamic_spinup import run_dynamic_melt_f_calibration, run_dynamic_spinup
from oggm_glaunti.coupling.model.merged import copy_to_merged
from oggm_glaunti.coupling.model.smb import glaunti_smb
from oggm_glaunti.coupling.weather.task import process_daily_climate
from oggm_glaunti.fit.calibration.own_mean import calibrate_glaunti
from oggm_glaunti.fit.calibration.tasks import fit_glaunti, fit_glaunti_region
from oggm_glaunti.region.store import compile_glaunti_output
from oggm_glaunti.region.tables import glaunti_tables

__all__ = [
    "apparent_balance",
    "attribute_corrections",
    "attribute_heights",
    "attribute_year",
    "calibrate_glaunti",
    "climate_sensitivity",
    "compare_melt",
    "compare_velocities",
    "compile_glaunti_output",
    "copy_to_merged",
    "equilibrium_temperature",
    "fit_glaunti",
    "fit_glaunti_region",
    "glaunti_features",
    "glaunti_smb",
    "glaunti_tables",
    "iceflow_velocity",
    "invert_forcing",
    "invert_forcing_region",
    "melt_season",
    "process_daily_climate",
    "process_debris",
    "process_dem_stack",
    "run_dynamic_melt_f_calibration",
    "run_dynamic_spinup",
    "run_ensemble_from_climate_data",
    "run_with_daily_hydro",
    "smb_ensemble",
    "smb_linearity",
    "smb_uncertainty",
    "volume_gradient",
    "volume_sensitivity",
    "where_to_measure",
]
