"""GlaUnTI, the differentiable glacier-universal temperature-index mass-balance model, inside OGGM.

``GlaUnTIMassBalance`` is an OGGM mass-balance model: name it wherever OGGM takes ``mb_model_class``. ``tasks`` holds
the entity tasks that prepare a glacier directory for it: daily climate, corrector inputs, calibration, gridded
balances, a surface that moves; and those that analyse its balance: inverse forcing, attribution, uncertainty, where to
measure next.
``core`` is the numerics in pure JAX. Importing this package imports neither JAX nor OGGM; using it does.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from oggm_glaunti import xla_flags

if TYPE_CHECKING:
    from oggm_glaunti import tasks
    from oggm_glaunti.analysis.uncertainty.massbalance import UncertainGlaUnTIMassBalance
    from oggm_glaunti.coupling.model.massbalance import (
        GlaUnTIMassBalance,
        GlaUnTIMassBalanceA,
        GlaUnTIMassBalanceC,
        GlaUnTIMassBalanceD,
    )

xla_flags.set_flags()

__version__ = "0.1.0"

__all__ = [
    "GlaUnTIMassBalance",
    "GlaUnTIMassBalanceA",
    "GlaUnTIMassBalanceC",
    "GlaUnTIMassBalanceD",
    "UncertainGlaUnTIMassBalance",
    "tasks",
]

MODULES = {"UncertainGlaUnTIMassBalance": "oggm_glaunti.analysis.uncertainty.massbalance"}


def __getattr__(name: str):
    if name == "tasks":
        return importlib.import_module("oggm_glaunti.tasks")
    if name in __all__:
        return getattr(importlib.import_module(MODULES.get(name, "oggm_glaunti.coupling.model.massbalance")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
