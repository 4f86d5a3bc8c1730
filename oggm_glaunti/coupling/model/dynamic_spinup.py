"""OGGM's dynamic spin-up and its calibration of melt_f, with GlaUnTI's mass balance.

What differs between OGGM's versions is in :mod:`oggm_glaunti.coupling.oggm.versions`.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oggm import GlacierDirectory, cfg, entity_task
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.calibration_file import write_calibration
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.oggm_record import BY_OGGM, OGGMFile, for_oggm, global_params
from oggm_glaunti.coupling.model.params import read_params_for
from oggm_glaunti.coupling.model.reference_period import require_kg
from oggm_glaunti.coupling.oggm import versions
from oggm_glaunti.coupling.oggm.writing import writing

if TYPE_CHECKING:
    from oggm.core.flowline import FlowlineModel

log = logging.getLogger(__name__)

settings.register()

# OGGM's arguments, and the entries of glaunti_params.json that say the same.
_REFERENCE = {"ref_mb": "reference_mb", "ref_mb_err": "reference_mb_err", "ref_mb_period": "reference_period"}


@entity_task(log)
def run_dynamic_spinup(gdir: GlacierDirectory, mb_model_class: type | None = None, **kwargs: Any) -> FlowlineModel:
    """Run OGGM's task of the same name with GlaUnTI's mass balance.

    The earliest start is the first year of the daily climate if the directory holds one.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        the glacier directory to process
    mb_model_class : MassBalanceModel class, optional
        default: :class:`oggm_glaunti.coupling.model.massbalance.GlaUnTIMassBalance`
    **kwargs
        passed on to ``oggm.core.dynamic_spinup.run_dynamic_spinup``

    Returns
    -------
    oggm.core.flowline.FlowlineModel
        the model at the end of the run

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if the directory holds no climate
    RuntimeError
        by OGGM, if no spin-up meets the glacier's present area or volume and `ignore_errors` is not set
    """
    return _run_spinup_task("run_dynamic_spinup", gdir, mb_model_class or GlaUnTIMassBalance, kwargs)


@entity_task(log, writes=["glaunti_params"])
def run_dynamic_melt_f_calibration(
    gdir: GlacierDirectory, mb_model_class: type | None = None, **kwargs: Any
) -> FlowlineModel:
    """Run OGGM's task of the same name with GlaUnTI's mass balance and GlaUnTI's calibration.

    GlaUnTI's numbers take the place of those in OGGM's own ``mb_calib.json`` (``settings.yml`` from OGGM 1.7 on) during
    the run; afterwards OGGM's are there again. The melt_f found is written to ``glaunti_params.json`` and
    ``mb_calib_glaunti.json``; if the task fails both are as they were. The next call undoes a run that was killed.

    Parameters
    ----------
    gdir, mb_model_class
        see :func:`run_dynamic_spinup`
    **kwargs
        passed on to ``oggm.core.dynamic_spinup.run_dynamic_melt_f_calibration``; the reference balance by its names in
        any version of OGGM: ``ref_mb`` or ``ref_dmdtda`` and so on. Default: that of the calibration

    Returns
    -------
    oggm.core.flowline.FlowlineModel
        see :func:`run_dynamic_spinup`

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if the directory holds no climate, or the glacier is not calibrated with GlaUnTI
    RuntimeError
        by OGGM, if no melt_f meets the reference balance and `ignore_errors` is not set
    """
    mb_model_class = mb_model_class or GlaUnTIMassBalance
    fixed = getattr(mb_model_class, "fixed_model", None)
    settings_filesuffix = kwargs.get("settings_filesuffix", "")
    params, suffix = read_params_for(gdir, fixed, settings_filesuffix=settings_filesuffix)
    if "melt_f" not in params:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: no calibration of GlaUnTI (glaunti_params{suffix}.json) found in {gdir.dir}; run "
            "calibrate_glaunti before the dynamic calibration of melt_f"
        )
    kwargs = versions.with_new_names(kwargs)
    given = _reference(kwargs, gdir.rgi_id)
    if versions.HAS_SETTINGS and (given or params.get("reference_mb_err")):
        # This version looks for a reference in its observations, and calls it a conflict if it finds another one.
        default = {"reference_period": cfg.PARAMS["geodetic_mb_period"]} if given else params
        found = {name: default[entry] for name, entry in _REFERENCE.items() if entry in default}
        kwargs = {"overwrite_observations": True, **found, **kwargs}
    with _in_place_of_oggms(gdir, params, settings_filesuffix) as turned:
        model = _run_spinup_task("run_dynamic_melt_f_calibration", gdir, mb_model_class, kwargs)
        melt_f = turned.read()["melt_f"]
    # What an earlier calibration left is no longer true.
    outdated = {"residual", *(("reference_years",) if given else ())}
    kept = {name: value for name, value in params.items() if name not in outdated}
    found = {**kept, **given, "melt_f": float(melt_f), "calibrated_by": "run_dynamic_melt_f_calibration"}
    write_calibration(gdir, found, suffix)
    return model


def _reference(kwargs: dict[str, Any], rgi_id: str) -> dict[str, Any]:
    """Return a reference given instead of that of the calibration, as ``glaunti_params.json`` has it."""
    if kwargs.get("ref_mb") is None:
        return {}
    require_kg(kwargs["ref_mb"], kwargs.get("ref_mb_err"), rgi_id)
    return {**{entry: kwargs.get(name) for name, entry in _REFERENCE.items()}, "reference_source": "given"}


def _run_spinup_task(name: str, gdir: GlacierDirectory, mb_model_class: type, kwargs: dict[str, Any]) -> FlowlineModel:
    # The task around this one logs, and decides whether errors go on.
    kwargs = dict(kwargs, print_log=False, add_to_log_file=False, continue_on_error=False, reset=True)
    run_kwargs = kwargs.get("kwargs_run_function") or {}
    suffix = kwargs.get("climate_input_filesuffix") or run_kwargs.get("climate_input_filesuffix", "")
    with _years_of_daily_climate(gdir, suffix):
        return versions.run_spinup_task(name, gdir, mb_model_class, kwargs)


@dataclass(frozen=True)
class _DailyClimateInfo:
    """``get_climate_info`` of a glacier directory with the years of the daily climate; OGGM pickles it with the rest.

    OGGM asks the monthly file for the first and last year, and that may be longer than the daily one.
    """

    gdir: GlacierDirectory
    filesuffix: str

    def __call__(self, *args: Any, input_filesuffix: str = "", **kwargs: Any) -> dict[str, Any]:
        gdir = self.gdir
        ask = type(gdir).get_climate_info
        daily = ask(gdir, input_filesuffix=input_filesuffix or self.filesuffix or settings.DAILY_SUFFIX)
        years = {key: daily[key] for key in ("baseline_yr_0", "baseline_yr_1") if daily}
        info = {**daily, **ask(gdir, *args, input_filesuffix=input_filesuffix, **kwargs), **years}
        if not info:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: no climate_historical{settings.DAILY_SUFFIX}.nc in {gdir.dir}; run "
                "process_daily_climate first"
            )
        return info


@contextmanager
def _years_of_daily_climate(gdir: GlacierDirectory, filesuffix: str) -> Iterator[None]:
    before = vars(gdir).get("get_climate_info")
    gdir.get_climate_info = _DailyClimateInfo(gdir, filesuffix)
    try:
        yield
    finally:
        del gdir.get_climate_info
        if before is not None:
            gdir.get_climate_info = before


@contextmanager
def _in_place_of_oggms(gdir: GlacierDirectory, params: dict[str, Any], filesuffix: str) -> Iterator[OGGMFile]:
    """Put a calibration where OGGM's tasks read and turn it, and OGGM's own back afterwards."""
    file = OGGMFile(gdir, filesuffix)
    copy = file.path.with_name(f"{file.path.stem}_before_dynamic{file.path.suffix}")
    if copy.exists():  # of a run that was killed
        os.replace(copy, file.path)
    existed = file.path.exists()
    if existed:
        with writing(copy, gdir.rgi_id) as temporary:
            shutil.copyfile(file.path, temporary)
    before = file.read()
    try:
        # Another class than ours may be run: it finds OGGM's own global parameters.
        file.write({**before, **for_oggm({**params, "calibrated_by": BY_OGGM}), **global_params(params)})
        yield file
    finally:
        file.put_back(before, copy if existed else None)
        copy.unlink(missing_ok=True)
