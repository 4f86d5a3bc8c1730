"""Task: the exact derivative of a glacier's volume through a differentiable copy of OGGM's ice dynamics."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.analysis.dynamics.flowline_runs import Experiment
from oggm_glaunti.analysis.dynamics.setup import Prepared, prepare_volume_runs
from oggm_glaunti.coupling.oggm.from_oggm import (
    GlacierDirectory,
    InvalidParamsError,
    InvalidWorkflowError,
    cfg,
    entity_task,
)

if TYPE_CHECKING:
    from oggm_glaunti.analysis.dynamics.sia_flowline import Bed

settings.register()
log = logging.getLogger(__name__)

VOLUME_TOLERANCE = 1e-3  # of the volume, between equal time steps and OGGM's adaptive ones
STEPS = (1, 2, 4, 8, 16, 32, 64)  # in a month, tried in this order
# Options of OGGM's model under which it stays the same model as the differentiable one.
SAME_MODEL = {"glen_a", "fs", "water_level", "is_tidewater", "is_lake_terminating", "mb_elev_feedback", "cfl_number"}
SAME_MODEL |= {"min_dt", "check_for_boundaries"}


@entity_task(log)
def volume_gradient(gdir: GlacierDirectory, *, tolerance: float = VOLUME_TOLERANCE, **kwargs: Any) -> xr.Dataset:
    """Compute the derivative of the final volume to the balance of every year at every height, and to all controls.

    It comes from one reverse pass through a copy of OGGM's semi-implicit model in JAX, with as many equal time steps as
    are needed to reproduce OGGM's own volumes. The derivative is exact for these steps and for the unchanged glacier,
    whereas :func:`~oggm_glaunti.analysis.dynamics.tasks.volume_sensitivity` uses changes of finite size. The cost does
    not depend on the number of controls. No run is written to the directory.

    Parameters
    ----------
    gdir : GlacierDirectory
        with one flowline of rectangles and trapezoids (elevation bands), and no calving
    tolerance : float
        largest relative difference from OGGM's volumes that is accepted
    **kwargs
        see :func:`~oggm_glaunti.analysis.dynamics.tasks.volume_sensitivity`

    Returns
    -------
    Dataset
        ``gradient`` by ``year`` and ``height``, km3 (m w.e.)-1; ``d_volume`` by ``control`` for a change of the control
        by ``per``, km3, and ``d_volume_of_year`` by ``control`` and ``year``, which adds up to it: the part of the
        weather of each year; ``volume`` and ``volume_oggm`` by ``time``, km3; the attributes say how many steps a
        month has and how far the two differ

    Raises
    ------
    InvalidParamsError
        as ``volume_sensitivity``, and for glaciers or options that this model does not support
    InvalidWorkflowError
        if the volumes of equal steps differ from OGGM's by more than the tolerance

    Examples
    --------
    >>> found = volume_gradient(gdir, ys=1982, ye=2021, controls=["dT"], by_month=True)  # doctest: +SKIP
    >>> found["d_volume"].to_series()  # doctest: +SKIP
    """
    prepared = prepare_volume_runs(gdir, **kwargs)
    bed, thick = bed_of(prepared.experiment)
    of_oggm = prepared.run(prepared.table)[:, 0]
    steps = steps_needed(prepared, of_oggm, tolerance)
    volumes, gradient = _differentiate(prepared, bed, thick, steps)
    return _gradient_dataset(prepared, of_oggm, np.append(of_oggm[0], volumes), gradient, steps)


def bed_of(experiment: Experiment) -> tuple[Bed, NDArray[np.float64]]:
    """Return the glacier of a run as the differentiable model takes it, and its thickness (X,), m.

    Raises
    ------
    InvalidParamsError
        for what that model does not support: tributaries, parabolic beds, calving, other options
    """
    from oggm.core.flowline import G

    from oggm_glaunti.analysis.dynamics.sia_flowline import Bed

    _require_same_model(experiment)
    (line,) = experiment.flowlines
    n = cfg.PARAMS["glen_n"]
    weight = (cfg.PARAMS["ice_density"] * G) ** n
    creep, sliding = 2.0 / (n + 2) * experiment.kwargs["glen_a"] * weight, experiment.kwargs["fs"] * weight
    height, width, flare = (np.array(field, np.float64) for field in (line.bed_h, line._w0_m, line._lambdas))
    return Bed(height, width, flare, float(line.dx_meter), creep, sliding), np.array(line.thick, np.float64)


def _require_same_model(experiment: Experiment) -> None:
    lines, kwargs, problem = experiment.flowlines, experiment.kwargs, ""
    calves = kwargs.get("do_calving", cfg.PARAMS["use_kcalving_for_run"])
    if len(lines) != 1:
        problem = f"{len(lines)} flowlines, expected one (elevation bands)"
    elif shapes := {*map(str, lines[0].shape_str)} - {"rectangular", "trapezoid"}:
        problem = f"a bed of {sorted(shapes)}, expected rectangles and trapezoids"
    elif not hasattr(lines[0], "_w0_m"):
        problem = f"a {type(lines[0]).__name__}, expected a mixed or a trapezoidal bed"
    elif calves and lines[0].bed_h.min() <= (kwargs.get("water_level") or 0.0):
        problem = "calving"
    elif others := {*kwargs} - SAME_MODEL:
        problem = f"options {sorted(others)}"
    elif kwargs.get("mb_elev_feedback", "annual") != "annual":
        problem = f"mb_elev_feedback={kwargs['mb_elev_feedback']!r}, expected 'annual'"
    if problem:
        raise InvalidParamsError(
            f"{experiment.gdir.rgi_id}: the differentiable flowline does not do this: {problem}; use volume_sensitivity"
        )


def steps_needed(prepared: Prepared, of_oggm: NDArray[np.float64], tolerance: float = VOLUME_TOLERANCE) -> int:
    """Find how many equal steps a month OGGM's semi-implicit model needs for the volumes `of_oggm` (Y + 1,), km3.

    Raises
    ------
    InvalidWorkflowError
        if 64 are too few
    """
    from oggm.core.flowline import SemiImplicitModel

    far = np.inf
    for steps in STEPS:
        options = {**prepared.experiment.kwargs, "fixed_dt": cfg.SEC_IN_MONTH / steps}
        equal = prepared.experiment._replace(model_class=SemiImplicitModel, kwargs=options)
        try:
            volumes = equal.run_table(prepared.heights, prepared.table)[:, 0]
        except (RuntimeError, FloatingPointError):
            continue  # not stable with steps of this length
        far = float(np.max(np.abs(volumes - of_oggm)) / of_oggm.max())
        if far <= tolerance:
            return steps
    raise InvalidWorkflowError(
        f"{prepared.experiment.gdir.rgi_id}: with {STEPS[-1]} equal time steps a month the volume differs by {far:.1e} "
        f"from that of {prepared.experiment.model_class.__name__}, tolerance {tolerance:g}; use volume_sensitivity"
    )


def _differentiate(
    prepared: Prepared, bed: Bed, thick: NDArray[np.float64], steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the volumes (Y,), km3, and the derivative of the last to the table (Y, N), km3 (m w.e.)-1."""
    from oggm_glaunti.analysis.dynamics import sia_flowline
    from oggm_glaunti.core.threads import enable_x64

    ice = 1000.0 / cfg.PARAMS["ice_density"]  # m of ice in a m w.e.
    line = sia_flowline.Flowline(bed, thick, prepared.heights)
    stepping = sia_flowline.Steps(steps, float(cfg.SEC_IN_YEAR), cfg.PARAMS["glen_n"])
    # Rounding errors of thousands of steps in 32 bit would spoil the derivative.
    with enable_x64(True):
        volumes, gradient = map(np.asarray, sia_flowline.last_volume_gradient(line, prepared.table * ice, stepping))
    return volumes, gradient * ice


def _gradient_dataset(
    prepared: Prepared,
    of_oggm: NDArray[np.float64],
    volumes: NDArray[np.float64],
    gradient: NDArray[np.float64],
    steps: int,
) -> xr.Dataset:
    of_year = np.einsum("yn,kyn->ky", gradient, prepared.tangents)
    what = "first-order change of the last volume for a change of the control by per"
    return xr.Dataset(
        {
            "gradient": (("year", "height"), gradient, {"units": "km3 (m w.e.)-1"}),
            "d_volume": ("control", of_year.sum(axis=1), {"units": "km3", "long_name": what}),
            "d_volume_of_year": (("control", "year"), of_year, {"units": "km3", "long_name": f"{what}, by year"}),
            "volume": ("time", volumes, {"units": "km3"}),
            "volume_oggm": ("time", of_oggm, {"units": "km3"}),
        },
        coords={
            "year": prepared.experiment.years,
            "height": ("height", prepared.heights, {"units": "m"}),
            **prepared.coords(),
        },
        attrs={
            "rgi_id": prepared.experiment.gdir.rgi_id,
            "steps_a_month": steps,
            "largest_difference_to_oggm": float(np.max(np.abs(volumes - of_oggm)) / of_oggm.max()),
        },
    )
