"""OGGM's names for packages above this one, importable with or without a network.

Importing ``oggm`` itself needs care offline (see :mod:`oggm_glaunti.coupling`); whoever imports from here has taken it.
"""

from oggm import GlacierDirectory, cfg, entity_task, utils
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError, MassBalanceCalibrationError
from oggm.utils import global_task

__all__ = [
    "GlacierDirectory",
    "InvalidParamsError",
    "InvalidWorkflowError",
    "MassBalanceCalibrationError",
    "cfg",
    "entity_task",
    "global_task",
    "utils",
]
