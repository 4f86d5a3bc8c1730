"""OGGM's names for packages above this one, importable with or without a network.

Importing ``oggm`` itself needs care offline (see :mod:`oggm_glaunti.coupling`); whoever imports from here has taken it.
"""

from oggm import GlacierDirectory as GlacierDirectory, cfg as cfg, entity_task as entity_task, utils as utils
from oggm.exceptions import (
    InvalidParamsError as InvalidParamsError,
    InvalidWorkflowError as InvalidWorkflowError,
    MassBalanceCalibrationError as MassBalanceCalibrationError,
)
from oggm.utils import global_task as global_task
