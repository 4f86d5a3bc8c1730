"""Exit statuses, errors and OGGM's start, shared by all verbs."""

from __future__ import annotations

import importlib
import sys

OK, FAILED, UNUSABLE = 0, 1, 2


def complain(error: Exception) -> int:
    """Print an error as one line on standard error; returns the exit status."""
    print("oggm-glaunti: error: " + " ".join(str(error).split()), file=sys.stderr)
    return UNUSABLE


def start_oggm() -> None:
    """Make OGGM's download cache known."""
    # First: it makes importing OGGM safe without a network.
    importlib.import_module("oggm_glaunti.coupling")
    from oggm import cfg

    if not cfg.IS_INITIALIZED:
        # OGGM's start-up lines have its level WORKFLOW, which lies above ERROR.
        cfg.initialize_minimal(logging_level="CRITICAL")
