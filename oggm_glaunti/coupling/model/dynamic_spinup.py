"""What differs between OGGM's versions: the one place that knows.

OGGM 1.6.3 writes ``MonthlyTIModel`` into its dynamic spin-up; its development version takes ``mb_model_class``. The two
tasks of this module, :func:`run_dynamic_spinup` and :func:`run_dynamic_melt_f_calibration`, work with both. OGGM
without a network is the business of :mod:`oggm_glaunti.coupling.oggm.offline`.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import oggm.core.dynamic_spinup as oggm_spinup
from oggm import GlacierDirectory, entity_task
from oggm.core.massbalance import ConstantMassBalance
from oggm.exceptions import InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.params import read_params_for, write_json
from oggm_glaunti.coupling.oggm.offline import ensure_oggm_importable, start_offline
from oggm_glaunti.files import replacing

__all__ = [
    "ensure_oggm_importable",
    "glaunti_dynamic_spinup",
    "run_dynamic_melt_f_calibration",
    "run_dynamic_spinup",
    "start_offline",
]

log = logging.getLogger(__name__)

settings.register()

# Two threads with different classes would take turns; the same thread may nest.
_SWAP_LOCK = threading.RLock()


@contextmanager
def glaunti_dynamic_spinup(mb_model_class: type) -> Iterator[None]:
    """Make ``oggm.core.dynamic_spinup`` of OGGM 1.6.3 run with another mass-balance class.

    Inside the context its ``run_dynamic_spinup`` and ``run_dynamic_melt_f_calibration`` use `mb_model_class` wherever
    they would use ``MonthlyTIModel``: the historical run, the constant climate of the spin-up, the inversion and the
    fall-back run. A new melt_f is written to ``glaunti_params.json`` as well as to ``mb_calib.json``, and
    ``mb_model_spinup`` may be given (1.6.3 itself crashes on it). All is put back on leaving, after an error too.
    Call the functions through the module: names imported from it before keep OGGM's behaviour for `mb_model_spinup`.

    Parameters
    ----------
    mb_model_class : MassBalanceModel class
        built as ``mb_model_class(gdir, filename=..., input_filesuffix=..., bias=...)``

    Examples
    --------
    >>> from oggm.core import dynamic_spinup
    >>> from oggm.core.massbalance import LinearMassBalance
    >>> with glaunti_dynamic_spinup(LinearMassBalance):
    ...     dynamic_spinup.MonthlyTIModel.__name__
    'LinearMassBalance'
    """
    with (
        _SWAP_LOCK,
        _swapped(
            oggm_spinup,
            MonthlyTIModel=mb_model_class,
            ConstantMassBalance=partial(ConstantMassBalance, mb_model_class=mb_model_class),
            apparent_mb_from_any_mb=_with_class(oggm_spinup.apparent_mb_from_any_mb, mb_model_class),
            run_from_climate_data=_with_class(oggm_spinup.run_from_climate_data, mb_model_class),
            define_new_melt_f_in_gdir=_writing_both_files(oggm_spinup.define_new_melt_f_in_gdir, mb_model_class),
            run_dynamic_spinup=_accepting_a_spinup_model(oggm_spinup.run_dynamic_spinup),
        ),
    ):
        yield


@contextmanager
def _swapped(module: ModuleType, **names: Any) -> Iterator[None]:
    kept = {name: getattr(module, name) for name in names}
    try:
        for name, value in names.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in kept.items():
            setattr(module, name, value)


def _with_class(task: Callable[..., Any], mb_model_class: type) -> Callable[..., Any]:
    @wraps(task)
    def with_class(gdir: GlacierDirectory, **kwargs: Any) -> Any:
        kwargs.setdefault("mb_model_class", mb_model_class)
        return task(gdir, **kwargs)

    return with_class


def _params_suffix(gdir: GlacierDirectory, mb_model_class: type) -> str:
    """Suffix of the calibration that a class reads when it is made without arguments."""
    return read_params_for(gdir, getattr(mb_model_class, "fixed_model", None))[1]


def _writing_both_files(define_new_melt_f: Callable[..., Any], mb_model_class: type) -> Callable[..., Any]:
    @wraps(define_new_melt_f)
    def define_in_both(gdir: GlacierDirectory, new_melt_f: float, **kwargs: Any) -> None:
        define_new_melt_f(gdir, new_melt_f, **kwargs)
        _set_melt_f(gdir, "glaunti_params", _params_suffix(gdir, mb_model_class), new_melt_f)

    return define_in_both


def _accepting_a_spinup_model(task: Callable[..., Any]) -> Callable[..., Any]:
    # OGGM 1.6.3 sets the length of the spin-up only where it builds the model of it: let it, and hand it ours.
    @wraps(task)
    def run_dynamic_spinup(gdir: GlacierDirectory, *, mb_model_spinup: Any = None, **kwargs: Any) -> Any:
        if mb_model_spinup is None:
            return task(gdir, **kwargs)
        build = oggm_spinup.MultipleFlowlineMassBalance

        def build_or_given(gdir: GlacierDirectory, mb_model_class: Any = None, **kwargs: Any) -> Any:
            if mb_model_class is oggm_spinup.ConstantMassBalance:
                return mb_model_spinup
            return build(gdir, mb_model_class=mb_model_class, **kwargs)

        with _swapped(oggm_spinup, MultipleFlowlineMassBalance=build_or_given):
            return task(gdir, **kwargs)

    return run_dynamic_spinup


def _set_melt_f(gdir: GlacierDirectory, basename: str, filesuffix: str, melt_f: float) -> None:
    path = Path(gdir.get_filepath(basename, filesuffix=filesuffix))
    content = json.loads(path.read_text("utf-8"))
    content["melt_f"] = float(melt_f)
    # What the static calibration left is no longer true.
    content.pop("residual", None)
    content["calibrated_by"] = "run_dynamic_melt_f_calibration"
    write_json(path, content)


@entity_task(log)
def run_dynamic_spinup(gdir: GlacierDirectory, mb_model_class: type | None = None, **kwargs: Any) -> Any:
    """OGGM's task of the same name, with GlaUnTI's mass balance.

    The earliest start is the first year of the daily climate where the directory holds one.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        the glacier directory to process
    mb_model_class : MassBalanceModel class, optional
        by default :class:`oggm_glaunti.coupling.model.massbalance.GlaUnTIMassBalance`
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
    return _run_spinup_task("run_dynamic_spinup", gdir, mb_model_class or _default_class(), kwargs)


@entity_task(log, writes=["glaunti_params"])
def run_dynamic_melt_f_calibration(gdir: GlacierDirectory, mb_model_class: type | None = None, **kwargs: Any) -> Any:
    """OGGM's task of the same name, with GlaUnTI's mass balance and GlaUnTI's calibration.

    ``mb_calib_glaunti.json`` takes the place of OGGM's own ``mb_calib.json`` during the run; afterwards OGGM's is there
    again, byte for byte. The melt_f found is written to ``glaunti_params.json`` and ``mb_calib_glaunti.json``; if the
    task fails both are as they were. A run that was killed is undone by the next call.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        the glacier directory to process
    mb_model_class : MassBalanceModel class, optional
        by default :class:`oggm_glaunti.coupling.model.massbalance.GlaUnTIMassBalance`
    **kwargs
        passed on to ``oggm.core.dynamic_spinup.run_dynamic_melt_f_calibration``

    Returns
    -------
    oggm.core.flowline.FlowlineModel
        the model at the end of the run

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if the directory holds no climate, or the glacier is not calibrated with GlaUnTI
    RuntimeError
        by OGGM, if no melt_f meets the reference balance and `ignore_errors` is not set
    """
    mb_model_class = mb_model_class or _default_class()
    suffix = _params_suffix(gdir, mb_model_class)
    with _glaunti_calibration_in_place(gdir, suffix):
        model = _run_spinup_task("run_dynamic_melt_f_calibration", gdir, mb_model_class, kwargs)
        _note_reference(gdir, suffix, kwargs)
    return model


def _note_reference(gdir: GlacierDirectory, params_suffix: str, kwargs: dict[str, Any]) -> None:
    """Write down the reference that was given, where it is not the one of the static calibration."""
    if kwargs.get("ref_dmdtda") is None:
        return
    path = Path(gdir.get_filepath("glaunti_params", filesuffix=params_suffix))
    content = json.loads(path.read_text("utf-8"))
    content.pop("reference_years", None)
    reference = {"mb": kwargs["ref_dmdtda"], "mb_err": kwargs.get("err_ref_dmdtda"), "period": kwargs.get("ref_period")}
    content |= {f"reference_{name}": value for name, value in reference.items()}
    write_json(path, content | {"reference_source": "given"})


def _default_class() -> type:
    from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance

    return GlaUnTIMassBalance


def _run_spinup_task(name: str, gdir: GlacierDirectory, mb_model_class: type, kwargs: dict[str, Any]) -> Any:
    # The task around this one logs, and decides whether errors go on.
    kwargs = dict(kwargs, print_log=False, add_to_log_file=False, continue_on_error=False, reset=True)
    run_kwargs = kwargs.get("kwargs_run_function") or {}
    suffix = kwargs.get("climate_input_filesuffix") or run_kwargs.get("climate_input_filesuffix", "")
    if "mb_model_class" in inspect.signature(getattr(oggm_spinup, name)).parameters:
        kwargs["mb_model_class"] = mb_model_class
        define = _writing_both_files(oggm_spinup.define_new_melt_f_in_gdir, mb_model_class)
        context = _swapped(oggm_spinup, define_new_melt_f_in_gdir=define)
    else:
        context = glaunti_dynamic_spinup(mb_model_class)
    with _SWAP_LOCK, _years_of_daily_climate(gdir, suffix), context:
        return getattr(oggm_spinup, name)(gdir, **kwargs)


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
                f"process_daily_climate first"
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
        _copy_whole(path, copy)
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


def _copy_whole(source: Path, target: Path) -> None:
    with replacing(target, target.parent.name) as temporary:
        shutil.copyfile(source, temporary)
