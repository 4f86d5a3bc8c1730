"""Which model a glacier is run with: what was asked for, the directory's calibration and the published model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings, shop
from oggm_glaunti.core.letters import model_letter
from oggm_glaunti.coupling.model import params
from oggm_glaunti.coupling.table.inputs import TUNABLE, TunableParams

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.core.glaunti import GlaUnTI
    from oggm_glaunti.core.temperature_index import TIWeights

DEFAULT_MODEL = "C"
# Arguments of GlaUnTIMassBalance that tasks take as `mb_kwargs`: those that a calibration starts from, ...
CALIBRATION_KWARGS = ("model", "corrector", "weights", "variant")
CLIMATE_KWARGS = ("filename", "input_filesuffix")
# ... and all that say which balance is meant.
MB_KWARGS = (*CALIBRATION_KWARGS, *CLIMATE_KWARGS, "mb_params_filesuffix", "check_calib_params", *TUNABLE, "bias")
# Tasks that read the height-year table also have what happens to ice and water besides the day.
TABLE_KWARGS = (*MB_KWARGS, "refreezing", "debris")


def checked_mb_kwargs(
    task: str, mb_kwargs: Mapping[str, Any] | None, allowed: Sequence[str] = MB_KWARGS
) -> dict[str, Any]:
    """Return the `mb_kwargs` of a task as a dictionary.

    Parameters
    ----------
    task : str
        named in errors
    mb_kwargs : mapping, optional
        keyword arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`
    allowed : sequence of str
        those of them that the task can pass on

    Raises
    ------
    InvalidParamsError
        for an argument that is not allowed

    Examples
    --------
    >>> checked_mb_kwargs("glaunti_smb", {"model": "A"}), checked_mb_kwargs("glaunti_smb", None)
    ({'model': 'A'}, {})
    """
    given = dict(mb_kwargs or {})
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise InvalidParamsError(f"{task}: mb_kwargs: unknown {unknown}; allowed are {', '.join(allowed)}")
    return given


@dataclass(frozen=True)
class ModelChoice:
    """The model of a glacier, with everything about it that does not depend on the weather.

    Attributes
    ----------
    model : GlaUnTI
        A, C or D, as published or trained
    weights_sha256 : str
        checksum of its weights
    weights_path : str or None
        file or folder of the weights, if not found by the usual search
    corrector : {'auto', 'yearly', 'climatology', 'off'}
        as asked for
    fitted_parameters : dict or None
        the temperature index of a fit, in physical units
    ti : TIWeights
        the temperature index in use: the fitted one, otherwise that of the weights, with its day
    temp_gradient : float
        the lapse rate in use: the fitted one, otherwise ``cfg.PARAMS['glaunti_temp_gradient']``, K m-1
    tunables : TunableParams
    calibration : dict
        of ``glaunti_params.json``; empty if nothing was calibrated
    params_filesuffix : str
        of the calibration
    """

    model: GlaUnTI
    weights_sha256: str
    weights_path: str | None
    corrector: str
    fitted_parameters: dict[str, float] | None
    ti: TIWeights
    temp_gradient: float
    tunables: TunableParams
    calibration: dict[str, Any]
    params_filesuffix: str

    def origin(self) -> dict[str, Any]:
        """Return which model this is, as a calibration notes it."""
        return {
            "model": self.model.name,
            "variant": self.ti.day.name,
            "weights_sha256": self.weights_sha256,
            "weights_path": self.weights_path,
        }

    @property
    def published_melt_f(self) -> float:
        """Degree-day factor of snow of the weights, kg m-2 day-1 K-1."""
        return _melt_f(self.model.ti)


def choose_model(
    gdir: GlacierDirectory,
    given: Mapping[str, Any],
    filesuffix: str = "",
    strict: bool = True,
    fixed_model: str | None = None,
    use_calibration: bool = True,
    settings_filesuffix: str = "",
    fl_id: int | None = None,
) -> ModelChoice:
    """Complete the arguments of a mass-balance model by the directory's calibration and the published model.

    Parameters
    ----------
    gdir : GlacierDirectory
    given : mapping
        `model`, `corrector`, `weights`, `variant`, `melt_f`, `prcp_fac` and `temp_bias` of
        :class:`~oggm_glaunti.GlaUnTIMassBalance`; None or missing: see there
    filesuffix : str
        of the calibration
    strict : bool
        raise if only calibrations of other names exist, see
        :func:`~oggm_glaunti.coupling.model.params.read_params_for`
    fixed_model : {'A', 'C', 'D'}, optional
        the only model that may be chosen
    use_calibration : bool
        False: of a calibration only model, weights, corrector and variant count, no number
    settings_filesuffix, fl_id
        see :func:`~oggm_glaunti.coupling.model.params.read_params_for`

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError, oggm_glaunti.shop.WeightsNotFoundError
        see :class:`~oggm_glaunti.GlaUnTIMassBalance`
    """
    from oggm_glaunti.core.glaunti import GlaUnTI
    from oggm_glaunti.core.temperature_index import with_day
    from oggm_glaunti.core.weights import ti_from_physical

    asked = None if given.get("model") is None else _letter(given["model"], gdir)
    if fixed_model is not None and asked not in (None, fixed_model):
        raise InvalidParamsError(f"GlaUnTIMassBalance{fixed_model} is model {fixed_model}, asked for model={asked!r}")
    calibration, filesuffix = params.read_params_for(
        gdir, fixed_model or asked, filesuffix, strict, settings_filesuffix, fl_id
    )
    if not use_calibration:
        numbers = (*TUNABLE, "parameters", params.FITTED_GRADIENT, "perturbed")
        calibration = {key: value for key, value in calibration.items() if key not in numbers}
    name = fixed_model or asked or _letter(calibration.get("model", DEFAULT_MODEL), gdir)
    weights = given.get("weights")
    if weights is None and calibration.get("model") == name:
        # Those of the calibration if they exist on this machine. Otherwise the usual search goes on; the checksum is
        # compared in any case.
        recorded = calibration.get("weights_path")
        weights = recorded if recorded and Path(recorded).exists() else None
    loaded = shop.load(name, weights)
    model = loaded.model
    assert isinstance(model, GlaUnTI)  # as A, C and D are
    variant = params.checked_variant(given.get("variant") or calibration.get("variant", "smooth"), gdir.rgi_id)
    fitted = params.fitted_parameters(calibration, gdir.rgi_id)
    gradient = params.fitted_gradient(calibration, gdir.rgi_id)
    ti = with_day(model.ti if fitted is None else ti_from_physical(fitted), variant)
    defaults = {"melt_f": _melt_f(ti), "prcp_fac": 1.0, "temp_bias": 0.0, **calibration}
    defaults |= _perturbed(defaults, calibration.get("perturbed", {}))
    tunables = {key: defaults[key] if given.get(key) is None else given[key] for key in TUNABLE}
    checked = {key: params.checked_tunable(key, value, gdir.rgi_id) for key, value in tunables.items()}
    return ModelChoice(
        model=model,
        weights_sha256=loaded.sha256,
        weights_path=None if weights is None else str(Path(weights).expanduser().absolute()),
        corrector=given.get("corrector") or calibration.get("corrector", "auto"),
        fitted_parameters=fitted,
        ti=ti,
        temp_gradient=settings.param("glaunti_temp_gradient") if gradient is None else gradient,
        tunables=TunableParams(**checked),
        calibration=calibration,
        params_filesuffix=filesuffix,
    )


def _letter(name: Any, gdir: GlacierDirectory) -> str:
    try:
        return model_letter(name, "ACD")
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: {err}") from err


def _perturbed(values: Mapping[str, Any], by: Mapping[str, float]) -> dict[str, Any]:
    return {
        key: values[key] * change if key == "prcp_fac" else np.add(values[key], change) for key, change in by.items()
    }


def _melt_f(ti: TIWeights) -> float:
    return 1000.0 * float(np.exp(ti.ddf_snow_log))
