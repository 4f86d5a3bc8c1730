"""Two places in which OGGM must know of this package and has no setting to tell it.

``copy_to_basedir`` copies files by a list of its own, and OGGM's calibration tasks write numbers without saying which
model they belong to. :func:`install` extends both; nothing changes for OGGM's own models.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from oggm import GlacierDirectory
from oggm.utils import _workflow

# Needed wherever a copy is to run: all of them are small.
COPIED = ("glaunti_params", "glaunti_features", "glaunti_table", "glaunti_debris", "mb_calib_glaunti")
OWNER = "glaunti"
"""Entry in ``mb_calib.json`` or ``settings.yml``: the GlaUnTI that the numbers beside it belong to."""


def install() -> None:
    """Make OGGM copy our files, and note to which model a calibration belongs; safe to call any number of times."""
    for holder, name, extended in (
        (_workflow, "include_patterns", _with_our_files),
        (GlacierDirectory, "write_json", _with_owner_in_json),
        (getattr(_workflow, "ModelSettings", None), "__setitem__", _with_owner_in_settings),
    ):
        original = getattr(holder, name, None)
        if original is not None and not hasattr(original, "of_glaunti"):
            wrapper = wraps(original)(extended(original))
            vars(wrapper)["of_glaunti"] = True
            setattr(holder, name, wrapper)


def _with_our_files(include_patterns: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *patterns: include_patterns(*patterns, *(f"*{name}*" for name in COPIED))


def _with_owner_in_json(write_json: Callable[..., None]) -> Callable[..., None]:
    def with_owner(gdir: GlacierDirectory, var: Any, filename: str, filesuffix: str = "") -> None:
        calibrating = _calibrated_by_caller() if filename == "mb_calib" else None
        if calibrating is not None:
            var = {key: value for key, value in var.items() if key != OWNER} | _owner(calibrating)
        write_json(gdir, var, filename, filesuffix=filesuffix)

    return with_owner


def _with_owner_in_settings(set_item: Callable[..., None]) -> Callable[..., None]:
    def with_owner(settings: Any, key: str, value: Any) -> None:
        calibrating = _calibrated_by_caller() if key == "mb_global_params" else None
        set_item(settings, key, value)
        if calibrating is not None and (_owner(calibrating) or OWNER in settings):
            set_item(settings, OWNER, _owner(calibrating).get(OWNER))

    return with_owner


def _calibrated_by_caller() -> Any:
    """Return the mass-balance model that the caller's caller calibrates; None if it is no calibration of OGGM.

    All of OGGM's calibration tasks hold it in a local variable of the same name.
    """
    return sys._getframe(2).f_locals.get("mb_mod")


def _owner(mb_mod: Any) -> dict[str, Any]:
    one = getattr(mb_mod, "flowline_mb_models", [mb_mod])[0]
    return {OWNER: one.calibration_owner()} if hasattr(one, "calibration_owner") else {}
