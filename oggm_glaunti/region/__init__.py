"""Whole regions: the tables of many glaciers in batches of like size, on one machine or a cluster.

``plan``
    which glacier goes into which batch, as plain data
``jobs``, ``arrays``
    what is asked for one glacier; the padded arrays of a batch
``engine``
    batches on the devices at hand
``tables``
    the task: glacier directories in, ``glaunti_table.nc`` out
``cluster``
    the same over a Dask cluster
``outputs``, ``geometry``, ``sums``, ``dataset``, ``store``
    the balance of one glacier and of all of them, as one dataset
"""

from __future__ import annotations

import importlib
from typing import Any

import oggm_glaunti.coupling  # noqa: F401 - first: it makes importing OGGM safe without a network

__all__ = ["glaunti_tables", "run"]

_WHERE = {"glaunti_tables": "tables", "run": "cluster"}


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
