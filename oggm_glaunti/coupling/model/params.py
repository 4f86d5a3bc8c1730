"""``glaunti_params.json``: a directory's model, its tunable parameters, and what they were calibrated to.

Three entries are optional. ``parameters`` are all nine numbers of the temperature index as a fit found them,
``{name: {"value": ..., "units": ...}}``: in every run they take the place of the weights' own.
``fitted_temp_gradient`` is the lapse rate of a fit. ``variant`` says which day of the temperature index is run,
``smooth`` if it is missing. The corrections of models C and D are made without all three.
"""

from __future__ import annotations

import logging
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.core.parameters import BY_NAME
from oggm_glaunti.coupling.model.oggm_record import (
    hand_to_oggm,
    parent_of_settings,
    plain,
    read_backup,
    read_json,
    read_oggm_record,
    write_json,
)
from oggm_glaunti.coupling.oggm.messages import warn_once
from oggm_glaunti.coupling.oggm.versions import HAS_SETTINGS

if TYPE_CHECKING:
    from oggm import GlacierDirectory

settings.register()
log = logging.getLogger(__name__)

# The lapse rate of a fit, K m-1. The corrections of models C and D keep the one that they were trained with.
FITTED_GRADIENT = "fitted_temp_gradient"
GRADIENT_RANGE = (-0.012, 0.0)
FIT_ENTRIES = ("parameters", FITTED_GRADIENT)
# Far beyond what glaciers need, to catch other units and slips; see docs/massbalance.md. 0 itself is excluded.
KNOB_RANGES = {"melt_f": (0.0, 100.0), "prcp_fac": (0.0, 100.0), "temp_bias": (-50.0, 50.0), "bias": (-1e5, 1e5)}
ENTRY_UNITS = {"melt_f": "kg m-2 day-1 K-1", "prcp_fac": "1", "temp_bias": "K", "bias": "kg m-2 yr-1"}
ENTRY_UNITS["climate_ref_hgt"] = "m"
ENTRY_UNITS |= dict.fromkeys(("temp_gradient", FITTED_GRADIENT), "K m-1")
ENTRY_UNITS |= dict.fromkeys(("reference_mb", "reference_mb_err", "residual"), "kg m-2 yr-1")


# What a calibration or a fit may hold, the last lines what OGGM's own tasks leave.
TEXTS = {"model", "variant", "corrector", "weights_sha256", "weights_path", "climate_sha256", "features_sha256"}
KNOWN = {"rgi_id", *TEXTS, *ENTRY_UNITS, *FIT_ENTRIES, "climate_source", "climate_years", "published_parameters"}
KNOWN |= {"package_version", "reference_period", "reference_years", "reference_source", "calibrated", "fit", "units"}
KNOWN |= {"calibrated_by", "mb_global_params", "baseline_climate_source"}


def read_params(gdir: GlacierDirectory, filesuffix: str = "", settings_only: bool = False) -> dict[str, Any]:
    """Read the parameters of a glacier directory; empty if nothing was calibrated.

    Parameters
    ----------
    gdir : GlacierDirectory
    filesuffix : str
        a calibration stored under another name: ``glaunti_params<suffix>.json``, or what OGGM's own calibration tasks
        write with ``mb_model_class=GlaUnTIMassBalance``: ``mb_calib<suffix>.json``, from OGGM 1.7 on
        ``settings<suffix>.yml``. The latter count if both exist (:func:`write_params` keeps them up to date)
    settings_only : bool
        whether the suffix is one of settings, which need not hold a calibration: that of the settings that they fall
        back to counts, with what they vary of it

    Returns
    -------
    dict
        with ``perturbed`` if OGGM's ``perturbate_mb_params`` changed a number: a factor for ``prcp_fac``, a difference
        for the others, applied to ours

    Raises
    ------
    InvalidWorkflowError
        if a suffix is given and there is no calibration of this class by that name
    InvalidParamsError
        if the file is damaged, another glacier's, or holds entries that are unknown or of another kind
    """
    record = read_oggm_record(gdir, filesuffix)
    path = Path(gdir.get_filepath("glaunti_params", filesuffix=filesuffix))
    own = read_json(path, gdir.rgi_id)
    params = read_backup(gdir, filesuffix) if own is None else own
    _require_own(params, gdir.rgi_id, filesuffix, f"OGGM's copy of {path.name}" if own is None else str(path))
    if record.is_ours:
        return record.calibration(params)
    if HAS_SETTINGS and record.is_foreign and not filesuffix:
        message = (
            f"{gdir.rgi_id}: {record.file} holds the calibration of another mass-balance model. GlaUnTI runs with its "
            "own; to turn melt_f, prcp_fac or temp_bias of it in the settings, use settings of a suffix"
        )
        warn_once(log, message, subject="settings of another model")
    turned, perturbation = record.set_by_hand(), record.perturbation()
    parent = parent_of_settings(gdir, filesuffix) if settings_only or turned else None
    if filesuffix and not params:
        if perturbation or (parent is not None and not record.is_foreign):
            params = read_params(gdir, parent or "", settings_only=True)
        elif record.is_foreign:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: {record.file} was calibrated for another mass-balance model and says nothing about "
                f"GlaUnTI; run calibrate_glaunti with filesuffix={filesuffix!r}, or OGGM's calibration with "
                "mb_model_class=GlaUnTIMassBalance"
            )
        else:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: neither {path.name} nor {record.file} found; run calibrate_glaunti or fit_glaunti "
                f"with filesuffix={filesuffix!r} first"
            )
    params = {**params, **turned}
    return {**params, "perturbed": perturbation} if perturbation else params


def _require_own(params: dict[str, Any], rgi_id: str, filesuffix: str, file: str) -> None:
    """Raise InvalidParamsError if a calibration is another glacier's or holds what no calibration does."""
    found, remedy = params.get("rgi_id", rgi_id), "mend it, or delete it and calibrate again"
    # Merged glaciers have the calibrations of their parts, with their ids in the suffix.
    if found != rgi_id and f"_{found}" not in filesuffix:
        raise InvalidParamsError(f"{rgi_id}: {file} is the calibration of {found!r}; delete it and calibrate again")
    if unknown := sorted(set(params) - KNOWN):
        raise InvalidParamsError(
            f"{rgi_id}: {file}: unknown {', '.join(unknown)}; known are {', '.join(sorted(KNOWN))}. {remedy}"
        )
    for name in TEXTS & set(params):
        if not isinstance(params[name], str) and not (name == "weights_path" and params[name] is None):
            raise InvalidParamsError(f"{rgi_id}: {file}: {name}: expected text, found {params[name]!r:.80}; {remedy}")


def fitted_parameters(params: dict[str, Any], rgi_id: str = "") -> dict[str, float] | None:
    """Return the temperature index of a fit in physical units; None if nothing was fitted.

    Parameters
    ----------
    params : dict
        of ``glaunti_params.json``
    rgi_id : str
        named in errors if `params` do not name the glacier

    Returns
    -------
    dict or None
        value of each of :data:`~oggm_glaunti.core.parameters.PARAMETERS`

    Raises
    ------
    InvalidParamsError
        if one is missing or unknown, in another unit, not finite or out of its range

    Examples
    --------
    >>> from oggm_glaunti.core import embedded_a, physical_values
    >>> round(fitted_parameters({"parameters": physical_values(embedded_a().ti)})["ddf_snow"], 6)
    0.004964
    >>> fitted_parameters({"melt_f": 5.0})
    """
    given = params.get("parameters")
    if given is None:
        return None
    glacier = params.get("rgi_id", rgi_id) or "glaunti_params.json"
    if not isinstance(given, dict) or set(given) != set(BY_NAME):
        found = sorted(given) if isinstance(given, dict) else given
        raise InvalidParamsError(f"{glacier}: parameters: expected {sorted(BY_NAME)}, found {found!r}")
    return {name: _checked_parameter(name, given[name], glacier) for name in BY_NAME}


def _checked_parameter(name: str, entry: Any, glacier: str) -> float:
    parameter = BY_NAME[name]
    units, (low, high) = parameter.unit, parameter.range
    if not isinstance(entry, dict) or set(entry) != {"value", "units"} or entry["units"] != units:
        expected = {"value": "a number", "units": units}
        raise InvalidParamsError(f"{glacier}: parameters: {name}: expected {expected}, found {entry!r}")
    value = entry["value"]
    if not _is_number(value) or not low <= value <= high or value == parameter.above:
        raise InvalidParamsError(
            f"{glacier}: parameters: {name} is {value!r}, expected a number between {low:g} and {high:g} {units}"
        )
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def fitted_gradient(params: dict[str, Any], rgi_id: str = "") -> float | None:
    """Return the lapse rate of a fit, K m-1; None if none was fitted.

    Raises
    ------
    InvalidParamsError
        if it is no lapse rate

    Examples
    --------
    >>> fitted_gradient({"fitted_temp_gradient": -0.0071})
    -0.0071
    """
    value = params.get(FITTED_GRADIENT)
    if value is None:
        return None
    low, high = GRADIENT_RANGE
    if not _is_number(value) or not low <= value <= high:
        raise InvalidParamsError(
            f"{params.get('rgi_id', rgi_id) or 'glaunti_params.json'}: {FITTED_GRADIENT} is {value!r}, expected {low} "
            f"to {high} K m-1"
        )
    return float(value)


def checked_variant(variant: str, rgi_id: str) -> str:
    """Return a variant that glacier directories support, or raise InvalidParamsError."""
    if variant not in settings.VARIANTS:
        raise InvalidParamsError(f"{rgi_id}: variant: expected one of {settings.VARIANTS}, found {variant!r}")
    return variant


def read_params_for(
    gdir: GlacierDirectory,
    model: str | None,
    filesuffix: str = "",
    strict: bool = False,
    settings_filesuffix: str = "",
    fl_id: int | None = None,
) -> tuple[dict[str, Any], str]:
    """Read the parameters for a model chosen by name; also return the suffix under which they were found.

    Without a suffix the directory's ``glaunti_params.json`` counts, unless it is another model's and
    ``glaunti_params_<model>.json`` is there: so calibrations of several models can lie side by side.

    Parameters
    ----------
    gdir : GlacierDirectory
    model : {'A', 'C', 'D'}, optional
    filesuffix : str
        of the calibration
    strict : bool
        raise if neither suffix nor model is given, and there are only calibrations under a suffix
    settings_filesuffix : str
        of the settings; used if `filesuffix` is empty, see :func:`read_params`
    fl_id : int, optional
        flowline: what OGGM's tasks calibrated for it under the suffix ``_fl<fl_id>`` counts, if it is of this class

    Raises
    ------
    InvalidWorkflowError
        see `strict` and :func:`read_params`
    """
    if fl_id is not None and not filesuffix and not settings_filesuffix:
        record = read_oggm_record(gdir, f"_fl{fl_id}")
        if record.is_ours:
            return record.calibration({}), f"_fl{fl_id}"
        if record.is_foreign:
            warn_once(
                log,
                f"{gdir.rgi_id}: {record.file} was calibrated for another mass-balance model; flowline {fl_id} runs "
                "with the glacier's own GlaUnTI calibration. Calibrate it with mb_model_class=GlaUnTIMassBalance",
            )
    found = filesuffix or settings_filesuffix
    params = read_params(gdir, found, settings_only=not filesuffix)
    if strict and model is None and not params:
        others = sorted(path.name for path in Path(gdir.dir).glob("glaunti_params_*.json"))
        if others:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: there is no glaunti_params.json, but {', '.join(others)}. Name one by "
                "mb_params_filesuffix, name the model (GlaUnTIMassBalanceC finds glaunti_params_C.json), or calibrate "
                "without filesuffix."
            )
    if model is not None and not found and params.get("model", model if params else None) != model:
        beside = f"_{model}"
        if Path(gdir.get_filepath("glaunti_params", filesuffix=beside)).exists():
            return read_params(gdir, beside), beside
    return params, found


def checked_tunable(name: str, value: Any, label: str = "") -> Any:
    """Return a tunable parameter or the bias as a float or an array (12,); raise InvalidParamsError if it is invalid.

    Examples
    --------
    >>> checked_tunable("prcp_fac", 1)
    1.0
    """
    label = f"{label}: " if label else ""
    try:
        array = np.array(value, np.float64)  # a copy: OGGM's tasks say mb_model.temp_bias += 1
    except (TypeError, ValueError):
        array = np.array(np.nan)
    months = name != "bias"
    if array.shape not in ((), (1,), *([(12,)] if months else [])) or not np.isfinite(array).all():
        expected = "a finite number" + " or 12 of them" * months
        raise InvalidParamsError(f"{label}{name}: expected {expected}, found {value!r}")
    low, high = KNOB_RANGES[name]
    if low == 0.0 and (array <= 0.0).any():
        raise InvalidParamsError(f"{label}{name} has to be above zero, found {value!r}")
    if (array < low).any() or (array > high).any():
        raise InvalidParamsError(f"{label}{name} is {value!r}, expected {low:g} to {high:g} {ENTRY_UNITS[name]}")
    return float(array.reshape(-1)[0]) if array.size == 1 else array


class CheckedProperty:
    """A number of a mass-balance model that is checked whenever it is set."""

    def __init__(self, doc: str):
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Any, owner: type | None = None) -> Any:
        """Return a copy of the value, so that changing it in place does not bypass the check."""
        return self if model is None else copy(vars(model)[f"_{self.name}"])

    def __set__(self, model: Any, value: Any) -> None:
        """Check the value, keep a copy."""
        vars(model)[f"_{self.name}"] = checked_tunable(self.name, value, model.gdir.rgi_id)


class TunableProperty(CheckedProperty):
    """A tunable parameter of a mass-balance model, a number or one per month; setting it marks the table stale."""

    def __set__(self, model: Any, value: Any) -> None:
        """Check the value, keep a copy, and forget the table."""
        super().__set__(model, value)
        model._table = None


# Digests say nothing to a reader: what they are of, and what has happened to it.
CHANGED = {
    "weights_sha256": "the weights are not those that the glacier was calibrated with",
    "climate_sha256": "the daily climate holds the same years as when the glacier was calibrated, and other values",
    "features_sha256": "glaunti_features.nc was made again from other inputs since the glacier was calibrated",
}


def require_calibrated_with(params: dict[str, Any], used: dict[str, Any], rgi_id: str) -> None:
    """Raise InvalidWorkflowError if a calibration was made with other inputs than those available.

    Parameters
    ----------
    params : dict
        of the calibration
    used : dict
        inputs by name, in the order in which they are compared
    rgi_id : str
        named in the error
    """
    for key, found in used.items():
        calibrated = params.get(key, found)
        if calibrated != found:
            is_not = f"{key} is {found!r} here, but the glacier was calibrated with {calibrated!r}"
            raise InvalidWorkflowError(
                f"{rgi_id}: {CHANGED.get(key, is_not)}. Calibrate "
                "again (a second model beside the first: with filesuffix='_A', '_C' or '_D'), or set "
                "check_calib_params=False, to use the tunable parameters all the same."
            )


def write_params(gdir: GlacierDirectory, params: dict[str, Any], filesuffix: str = "") -> None:
    """Write ``glaunti_params<suffix>.json`` to a temporary name and rename it, and hand it to OGGM; units are added.

    Raises
    ------
    InvalidParamsError
        if a number is not finite, or ``parameters``, ``fitted_temp_gradient`` or ``variant`` are invalid, see
        :func:`fitted_parameters` and :func:`fitted_gradient`
    """
    values = plain(params)
    values.pop("units", None)
    fitted_parameters(values, gdir.rgi_id)
    fitted_gradient(values, gdir.rgi_id)
    checked_variant(values.get("variant", "smooth"), gdir.rgi_id)
    for key, value in values.items():
        if isinstance(value, float) and not np.isfinite(value):
            raise InvalidParamsError(f"{gdir.rgi_id}: {key} is {value}, expected a finite number")
    values["units"] = {key: unit for key, unit in ENTRY_UNITS.items() if key in values}
    write_json(Path(gdir.get_filepath("glaunti_params", filesuffix=filesuffix)), values)
    hand_to_oggm(gdir, values, filesuffix)
