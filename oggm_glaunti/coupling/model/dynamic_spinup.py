"""OGGM's dynamic spin-up and its calibration of melt_f, with GlaUnTI's mass balance.

What differs between OGGM's versions is in :mod:`oggm_glaunti.coupling.oggm.versions`.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oggm import GlacierDirectory, entity_task
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.model.params import read_params_for, write_json
from oggm_glaunti.coupling.oggm import versions
from oggm_glaunti.coupling.oggm.writing import writing

if TYPE_CHECKING:
    from oggm.core.flowline import FlowlineModel

log = logging.getLogger(__name__)

settings.register()


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

    ``mb_calib_glaunti.json`` takes the place of OGGM's own ``mb_calib.json`` during the run; afterwards OGGM's is there
    again, byte for byte. The melt_f found is written to ``glaunti_params.json`` and ``mb_calib_glaunti.json``; if the
    task fails both are as they were. A run that was killed is undone by the next call.

    Parameters
    ----------
    gdir, mb_model_class
        see :func:`run_dynamic_spinup`
    **kwargs
        passed on to ``oggm.core.dynamic_spinup.run_dynamic_melt_f_calibration``

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
    suffix = _params_suffix(gdir, mb_model_class)
    with _glaunti_calibration_in_place(gdir, suffix):
        model = _run_spinup_task("run_dynamic_melt_f_calibration", gdir, mb_model_class, kwargs)
        _note_reference(gdir, suffix, kwargs)
    return model


def _params_suffix(gdir: GlacierDirectory, mb_model_class: type) -> str:
    """Return the suffix of the calibration that a class reads when it is made without arguments."""
    return read_params_for(gdir, getattr(mb_model_class, "fixed_model", None))[1]


def _run_spinup_task(name: str, gdir: GlacierDirectory, mb_model_class: type, kwargs: dict[str, Any]) -> FlowlineModel:
    # The task around this one logs, and decides whether errors go on.
    kwargs = dict(kwargs, print_log=False, add_to_log_file=False, continue_on_error=False, reset=True)
    run_kwargs = kwargs.get("kwargs_run_function") or {}
    suffix = kwargs.get("climate_input_filesuffix") or run_kwargs.get("climate_input_filesuffix", "")

    def keep_melt_f(gdir: GlacierDirectory, melt_f: float) -> None:
        _set_melt_f(gdir, "glaunti_params", _params_suffix(gdir, mb_model_class), melt_f)

    with _years_of_daily_climate(gdir, suffix):
        return versions.run_spinup_task(name, gdir, mb_model_class, kwargs, keep_melt_f)


def _set_melt_f(gdir: GlacierDirectory, basename: str, filesuffix: str, melt_f: float) -> None:
    path = Path(gdir.get_filepath(basename, filesuffix=filesuffix))
    content = json.loads(path.read_text("utf-8"))
    # The residual that the static calibration left is no longer true.
    content.pop("residual", None)
    write_json(path, content | {"melt_f": float(melt_f), "calibrated_by": "run_dynamic_melt_f_calibration"})


def _note_reference(gdir: GlacierDirectory, params_suffix: str, kwargs: dict[str, Any]) -> None:
    """Write down the reference if one was given instead of that of the static calibration."""
    if kwargs.get("ref_dmdtda") is None:
        return
    path = Path(gdir.get_filepath("glaunti_params", filesuffix=params_suffix))
    content = json.loads(path.read_text("utf-8"))
    content.pop("reference_years", None)
    reference = {"mb": kwargs["ref_dmdtda"], "mb_err": kwargs.get("err_ref_dmdtda"), "period": kwargs.get("ref_period")}
    content |= {f"reference_{name}": value for name, value in reference.items()}
    write_json(path, content | {"reference_source": "given"})


@contextmanager
def _years_of_daily_climate(gdir: GlacierDirectory, filesuffix: str) -> Iterator[None]:
    # OGGM asks the monthly file for the first and last year, and that may be longer than the daily one.
    before = vars(gdir).get("get_climate_info")
    ask = gdir.get_climate_info

    def get_climate_info(input_filesuffix: str = "") -> dict[str, Any]:
        daily = ask(input_filesuffix=input_filesuffix or filesuffix or settings.DAILY_SUFFIX)
        years = {key: daily[key] for key in ("baseline_yr_0", "baseline_yr_1") if daily}
        info = {**daily, **ask(input_filesuffix=input_filesuffix), **years}
        if not info:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: no climate_historical{settings.DAILY_SUFFIX}.nc in {gdir.dir}; run "
                "process_daily_climate first"
            )
        return info

    gdir.get_climate_info = get_climate_info
    try:
        yield
    finally:
        del gdir.get_climate_info
        if before is not None:
            gdir.get_climate_info = before


@contextmanager
def _glaunti_calibration_in_place(gdir: GlacierDirectory, params_suffix: str) -> Iterator[None]:
    names = (("mb_calib", ""), ("mb_calib", f"_glaunti{params_suffix}"), ("glaunti_params", params_suffix))
    oggm_calib, ours, params = (Path(gdir.get_filepath(name, filesuffix=suffix)) for name, suffix in names)
    with _put_back(always=[oggm_calib], after_error=[ours, params]):
        for path in (ours, params):
            if not path.exists():
                raise InvalidWorkflowError(
                    f"{gdir.rgi_id}: {path.name} not found in {gdir.dir}; run calibrate_glaunti before the dynamic "
                    f"calibration of melt_f"
                )
        shutil.copyfile(ours, oggm_calib)
        yield
        _set_melt_f(gdir, "mb_calib", f"_glaunti{params_suffix}", gdir.read_json("mb_calib")["melt_f"])


@contextmanager
def _put_back(always: list[Path], after_error: list[Path]) -> Iterator[None]:
    copies = {path: path.with_name(f"{path.stem}_before_dynamic{path.suffix}") for path in [*always, *after_error]}
    for path, copy in copies.items():
        if copy.exists():
            os.replace(copy, path)
    existing = {path: copy for path, copy in copies.items() if path.exists()}
    for path, copy in existing.items():
        with writing(copy, path.parent.name) as temporary:
            shutil.copyfile(path, temporary)
    restore = list(copies)
    try:
        yield
        restore = always
    finally:
        for path, copy in copies.items():
            if path in restore and path not in existing:
                path.unlink(missing_ok=True)
            elif path in restore:
                os.replace(copy, path)
            else:
                copy.unlink(missing_ok=True)
