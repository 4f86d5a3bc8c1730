"""Differences between OGGM's versions; all of it may go when OGGM 1.6.3 need not be supported any longer.

OGGM 1.6.3 writes ``MonthlyTIModel`` into its dynamic spin-up. The development version, and so the first release after
1.6.3, takes ``mb_model_class`` instead (completed in https://github.com/OGGM/oggm/pull/1916) and calls the method that
writes monthly climate ``write_climate_file``.
"""

from __future__ import annotations

import calendar
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from types import ModuleType
from typing import Any

import numpy as np
import oggm.core.dynamic_spinup as oggm_spinup
from oggm import GlacierDirectory
from oggm.core.flowline import decide_evolution_model
from oggm.core.massbalance import ConstantMassBalance

from oggm_glaunti.core.units import DAYS_PER_MONTH

HAS_SETTINGS = hasattr(GlacierDirectory, "settings_filesuffix")
"""Whether parameters of a glacier are kept in its ``settings.yml`` (from OGGM 1.7 on)."""
TEMPFORMELT_DAYS = 1.0 if HAS_SETTINGS else DAYS_PER_MONTH
"""Days over which a month's positive degree days are averaged for OGGM's ``tempformelt``."""

# Two threads with different classes would take turns; the same thread may nest.
_SWAP_LOCK = threading.RLock()


def floatyear_of_day(year: int, day: int) -> float:
    """Return the beginning of a day (1 to 366) as a year with a fraction, as OGGM 1.7 has it.

    Examples
    --------
    >>> floatyear_of_day(2021, 1), floatyear_of_day(2021, 74)
    (2021.0, 2021.2)
    """
    return year + (day - 1) / days_in_year(year)


def day_of_floatyear(year: float) -> int:
    """Return the day (1 to 366) of a year with a fraction; the inverse of :func:`floatyear_of_day`.

    Examples
    --------
    >>> (
    ...     day_of_floatyear(2021.0),
    ...     day_of_floatyear(2021.2),
    ...     day_of_floatyear(2021.2 + 1e-12),
    ...     day_of_floatyear(2020.9999),
    ... )
    (1, 74, 74, 366)
    """
    whole = int(np.floor(year))
    # What a sum loses by rounding must not fall to the day before.
    return min(int(np.floor((year - whole) * days_in_year(whole) + 1e-6)) + 1, days_in_year(whole))


def days_in_year(year: int) -> int:
    """Return the days of a calendar year."""
    return 366 if calendar.isleap(year) else 365


def write_monthly_climate_file(gdir: GlacierDirectory) -> Callable[..., None]:
    """Return the glacier directory's method that writes a monthly climate file."""
    return getattr(gdir, "write_monthly_climate_file", None) or gdir.write_climate_file


def evolution_model_for(gdir: GlacierDirectory, evolution_model: type | None = None) -> type:
    """Return OGGM's class of ice dynamics: the one given, otherwise that of the parameters (1.7: of the settings)."""
    if HAS_SETTINGS:
        return decide_evolution_model(gdir=gdir, evolution_model=evolution_model)
    return decide_evolution_model(evolution_model)


# What OGGM 1.6.3 calls otherwise than 1.7.
_NEW_NAMES = {
    "ref_dmdtda": "ref_mb",
    "err_ref_dmdtda": "ref_mb_err",
    "ref_period": "ref_mb_period",
    "err_dmdtda_scaling_factor": "ref_mb_err_scaling_factor",
}


def with_new_names(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments of OGGM's dynamic calibration by their names in OGGM 1.7.

    Examples
    --------
    >>> with_new_names({"ref_dmdtda": -700.0, "ys": 1990})
    {'ref_mb': -700.0, 'ys': 1990}
    """
    return {_NEW_NAMES.get(name, name): value for name, value in kwargs.items()}


def run_spinup_task(name: str, gdir: GlacierDirectory, mb_model_class: type, kwargs: dict[str, Any]) -> Any:
    """Run a task of ``oggm.core.dynamic_spinup`` with another mass-balance class.

    Parameters
    ----------
    name : {'run_dynamic_spinup', 'run_dynamic_melt_f_calibration'}
    gdir : GlacierDirectory
    mb_model_class : MassBalanceModel class
    kwargs : dict
        keyword arguments of the task, by their names in OGGM 1.7

    Returns
    -------
    oggm.core.flowline.FlowlineModel
        result of the task
    """
    if not HAS_SETTINGS:
        old = {new: name for name, new in _NEW_NAMES.items()}
        kwargs = {old.get(name, name): value for name, value in kwargs.items()}
    with _SWAP_LOCK:
        if "mb_model_class" in inspect.signature(getattr(oggm_spinup, name)).parameters:
            return getattr(oggm_spinup, name)(gdir, mb_model_class=mb_model_class, **kwargs)
        with spinup_with(mb_model_class):
            return getattr(oggm_spinup, name)(gdir, **kwargs)


@contextmanager
def spinup_with(mb_model_class: type) -> Iterator[None]:
    """Make ``oggm.core.dynamic_spinup`` of OGGM 1.6.3 run with another mass-balance class.

    Inside the context its ``run_dynamic_spinup`` and ``run_dynamic_melt_f_calibration`` use `mb_model_class` wherever
    they would use ``MonthlyTIModel``: the historical run, the constant climate of the spin-up, the inversion and the
    fall-back run. ``mb_model_spinup`` may be given (1.6.3 itself crashes on it). Everything is put back at the end,
    also after an error. Call the functions through the module: names imported before keep OGGM's behaviour for
    `mb_model_spinup`.

    Parameters
    ----------
    mb_model_class : MassBalanceModel class
        built as ``mb_model_class(gdir, filename=..., input_filesuffix=..., bias=...)``

    Examples
    --------
    >>> from oggm.core import dynamic_spinup
    >>> from oggm.core.massbalance import LinearMassBalance
    >>> with spinup_with(LinearMassBalance):
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
            run_dynamic_spinup=_accepting_a_spinup_model(oggm_spinup.run_dynamic_spinup),
        ),
    ):
        yield


@contextmanager
def _swapped(module: ModuleType, **names: Any) -> Iterator[None]:
    """Give names of a module other values inside the context."""
    kept = {name: getattr(module, name) for name in names}
    try:
        vars(module).update(names)
        yield
    finally:
        vars(module).update(kept)


def _with_class(task: Callable[..., Any], mb_model_class: type) -> Callable[..., Any]:
    @wraps(task)
    def with_class(gdir: GlacierDirectory, **kwargs: Any) -> Any:
        return task(gdir, **{"mb_model_class": mb_model_class, **kwargs})

    return with_class


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
