"""``glaunti_params.json``: which model a glacier directory uses, its knobs, and what they were calibrated to."""

from __future__ import annotations

import json
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.atomic import replacing

settings.register()

KNOBS = ("melt_f", "prcp_fac", "temp_bias", "bias")
UNITS = {
    "melt_f": "kg m-2 day-1 K-1",
    "prcp_fac": "1",
    "temp_bias": "K",
    "bias": "kg m-2 yr-1",
    "temp_gradient": "K m-1",
    "reference_mb": "kg m-2 yr-1",
    "reference_mb_err": "kg m-2 yr-1",
    "residual": "kg m-2 yr-1",
}


def read_params(gdir: Any, filesuffix: str = "") -> dict[str, Any]:
    """Parameters of a glacier directory; empty where nothing was calibrated.

    Parameters
    ----------
    gdir : GlacierDirectory
    filesuffix : str
        a calibration stored under another name: ``glaunti_params<suffix>.json``, or else OGGM's
        ``mb_calib<suffix>.json`` as its own calibration tasks write it with ``mb_model_class=GlaUnTIMassBalance``

    Raises
    ------
    InvalidWorkflowError
        where a suffix is given and there is no file of either name
    InvalidParamsError
        where the file is damaged
    """
    path = Path(gdir.get_filepath("glaunti_params", filesuffix=filesuffix))
    if path.exists():
        return _load(path, gdir.rgi_id)
    if not filesuffix:
        return {}
    oggm_path = Path(gdir.get_filepath("mb_calib", filesuffix=filesuffix))
    if oggm_path.exists():
        calibrated = _load(oggm_path, gdir.rgi_id)
        # OGGM's own tasks know nothing but the knobs; what goes with MonthlyTIModel is none of ours.
        return calibrated if "weights_sha256" in calibrated else {name: calibrated[name] for name in KNOBS}
    raise InvalidWorkflowError(
        f"{gdir.rgi_id}: neither {path.name} nor {oggm_path.name} found; run calibrate_glaunti with "
        f"filesuffix={filesuffix!r} first"
    )


def read_params_for(
    gdir: Any, model: str | None, filesuffix: str = "", strict: bool = False
) -> tuple[dict[str, Any], str]:
    """Parameters for a model that was asked for by name, and the suffix under which they were found.

    Without a suffix the directory's ``glaunti_params.json`` counts, unless it is another model's and
    ``glaunti_params_<model>.json`` is there: so calibrations of several models can lie side by side.

    Raises
    ------
    InvalidWorkflowError
        with `strict`, where neither suffix nor model is said and there are only calibrations under a suffix
    """
    params = read_params(gdir, filesuffix)
    if strict and model is None and not params:
        _require_no_other(gdir)
    if model is not None and not filesuffix and params.get("model", model if params else None) != model:
        beside = f"_{model}"
        if Path(gdir.get_filepath("glaunti_params", filesuffix=beside)).exists():
            return read_params(gdir, beside), beside
    return params, filesuffix


def checked_knob(name: str, value: Any) -> Any:
    """A knob as a float or an array (12,), or InvalidParamsError where it is impossible.

    Examples
    --------
    >>> checked_knob("prcp_fac", 1)
    1.0
    """
    array = np.array(value, np.float64)  # a copy: OGGM's tasks say mb_model.temp_bias += 1
    if array.shape not in ((), (1,), (12,)) or not np.isfinite(array).all():
        raise InvalidParamsError(f"{name}: expected a finite number or 12 of them, found {value!r}")
    if name != "temp_bias" and (array <= 0).any():
        raise InvalidParamsError(f"{name} has to be above zero, found {value!r}")
    return float(array.reshape(-1)[0]) if array.size == 1 else array


class KnobProperty:
    """A knob of a mass-balance model, a number or one per calendar month; turning it marks the table stale."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        """A copy of the value, so that the caller cannot turn it behind the model's back."""
        return self if model is None else copy(vars(model)[f"_{self.name}"])

    def __set__(self, model: Any, value: Any) -> None:
        """Check the value, keep a copy."""
        vars(model)[f"_{self.name}"] = checked_knob(self.name, value)
        model._table = None


def require_calibrated_with(params: dict[str, Any], at_hand: dict[str, Any], rgi_id: str) -> None:
    """Raise InvalidWorkflowError where a calibration was made with other inputs than those at hand."""
    for key, found in at_hand.items():
        calibrated = params.get(key, found)
        if calibrated != found:
            raise InvalidWorkflowError(
                f"{rgi_id}: {key} is {found!r} here, but the glacier was calibrated with {calibrated!r}. Calibrate "
                "again (a second model beside the first: with filesuffix='_A', '_C' or '_D'), or set "
                "check_calib_params=False, to use the knobs all the same."
            )


def _require_no_other(gdir: Any) -> None:
    """Raise InvalidWorkflowError where calibrations under a suffix are there and none without."""
    others = sorted(path.name for path in Path(gdir.dir).glob("glaunti_params_*.json"))
    if others:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: there is no glaunti_params.json, but {', '.join(others)}. Name one by "
            "mb_params_filesuffix, name the model (GlaUnTIMassBalanceC finds glaunti_params_C.json), or calibrate "
            "without filesuffix."
        )


def _load(path: Path, rgi_id: str) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except ValueError as err:
        raise InvalidParamsError(
            f"{rgi_id}: {path.name} cannot be read ({err}); delete it and calibrate again"
        ) from err


def write_params(gdir: Any, params: dict[str, Any], filesuffix: str = "") -> None:
    """Write ``glaunti_params<suffix>.json`` to a temporary name and rename it; units are added.

    Raises
    ------
    InvalidParamsError
        where a number is not finite
    """
    values = {key: _plain(value) for key, value in params.items() if key != "units"}
    for key, value in values.items():
        if isinstance(value, float) and not np.isfinite(value):
            raise InvalidParamsError(f"{gdir.rgi_id}: {key} is {value}, expected a finite number")
    values["units"] = {key: unit for key, unit in UNITS.items() if key in values}
    write_json(Path(gdir.get_filepath("glaunti_params", filesuffix=filesuffix)), values)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write JSON to a temporary name in the same folder, then rename it."""
    text = json.dumps(values, indent=2, allow_nan=False) + "\n"
    with replacing(path, str(values.get("rgi_id", path.parent.name))) as temporary:
        temporary.write_text(text)


def _plain(value: Any) -> Any:
    """NumPy scalars and arrays as plain Python."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value
