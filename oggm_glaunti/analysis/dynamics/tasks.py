"""Tasks: derivatives of a glacier's volume after years of ice dynamics, by OGGM's model or by its copy in JAX."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.analysis.dynamics.flowline_runs import QUANTITIES, Experiment
from oggm_glaunti.analysis.dynamics.setup import Prepared, prepare_volume_runs
from oggm_glaunti.analysis.dynamics.table_modes import project, table_modes
from oggm_glaunti.analysis.glaciers import errors_name
from oggm_glaunti.coupling.oggm.from_oggm import (
    GlacierDirectory,
    InvalidParamsError,
    InvalidWorkflowError,
    cfg,
    entity_task,
)

if TYPE_CHECKING:
    from oggm_glaunti.analysis.dynamics.sia_flowline import Bed
    from oggm_glaunti.analysis.dynamics.tables import Difference

settings.register()
log = logging.getLogger(__name__)

# m w.e. yr-1, root mean square over years and area: changes of the tables for the volume, and for area and length,
# which change by whole cells of the flowline.
SIZE, WIDE = 0.1, 0.5
VOLUME_TOLERANCE = 1e-3  # of the volume, between equal time steps and OGGM's adaptive ones
STEPS = (1, 2, 4, 8, 16, 32, 64)  # in a month, tried in this order
# Options of OGGM's model under which it stays the same model as the differentiable one.
SAME_MODEL = {"glen_a", "fs", "water_level", "is_tidewater", "is_lake_terminating", "mb_elev_feedback", "cfl_number"}
SAME_MODEL |= {"min_dt", "check_for_boundaries"}


@entity_task(log)
def volume_sensitivity(
    gdir: GlacierDirectory,
    *,
    modes: bool = False,
    block: int | None = 10,
    degree: int = 1,
    size: float = SIZE,
    wide: float = WIDE,
    **kwargs: Any,
) -> xr.Dataset:
    """Compute the derivatives of volume, area and length after years of OGGM's ice dynamics to climate and parameters.

    The derivative of the balance of every year at every height is exact. Along it, OGGM's own model is run with the
    balance changed in both directions, eight times for each control: results come with an estimate of their error.
    Balances are read at the heights of the ice surface of the time, so that the derivative includes the elevation
    feedback. The initial glacier does not depend on the controls. No run is written to the directory.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate, ``model_flowlines`` and, for models C and D, ``glaunti_features``
    modes : bool
        differentiate to patterns of the table only, see
        :func:`~oggm_glaunti.analysis.dynamics.table_modes.table_modes`, and compose the controls from them: 8 runs for
        each pattern whatever the number of controls, and only as accurate as the patterns are complete
        (``outside_share`` of the result)
    block, degree : int
        of the patterns
    size, wide : float
        changes of the table, root mean square over years and area, m w.e. yr-1: `size` and twice that (and a
        twentieth, for the error) for the volume; `wide` for area and length, which OGGM counts in whole cells
    **kwargs
        the run, its controls and its forcing: `ys`, `ye`, `controls`, `by_month`, `forcing`, `climate_years`, `seed`,
        `mb_kwargs` and OGGM's own, see :func:`~oggm_glaunti.analysis.dynamics.setup.prepare_volume_runs`

    Returns
    -------
    Dataset
        ``volume``, ``area`` and ``length`` by ``time`` (the beginning of that year); by ``control`` and ``time`` their
        derivatives ``d_volume``..., for a change of the control by ``per``, and an estimate of their errors,
        ``d_volume_error``...; all with ``units``. See :func:`volume_summary` for a table of the last year.

    Raises
    ------
    InvalidParamsError
        for years without weather, unknown controls, or monthly balances
    InvalidWorkflowError
        if the directory lacks what is needed

    Examples
    --------
    >>> found = volume_sensitivity(gdir, ys=1982, ye=2021, controls=["dT", "ddf_snow"])  # doctest: +SKIP
    >>> volume_summary(found)  # doctest: +SKIP
    """
    prepared = prepare_volume_runs(gdir, **kwargs)
    here = prepared.run(prepared.table)
    if not modes:
        return _volumes_dataset(prepared, here, _along_fields(prepared, prepared.tangents, here, size, wide))
    return _by_modes(prepared, here, (size, wide), block, degree)


def _along_fields(
    prepared: Prepared, fields: NDArray[np.float64], here: NDArray[np.float64], size: float, wide: float
) -> Difference:
    """Differentiate along each field (K, Y, N): value and error (K, Y + 1, 3)."""
    from oggm_glaunti.analysis.dynamics.tables import Difference, Line, difference_along, secant_along

    # The change of volume, area and length for one cell more of the main flowline.
    main = prepared.experiment.flowlines[-1]
    ice = main.bin_area_m2[main.thick > 0]
    area = float(np.mean(ice if ice.size else main.widths_m * main.dx_meter))
    each, cells = [], np.array([0.0, area * 1e-6, main.dx_meter])
    for field in fields:
        line = Line(prepared.run, prepared.table, field, prepared.weights)
        try:
            volume, rest = difference_along(line, size), secant_along(line, wide, here, cells)
        except (RuntimeError, FloatingPointError) as error:
            raise InvalidWorkflowError(
                f"{prepared.experiment.gdir.rgi_id}: the run itself is fine, but OGGM's model fails with balances "
                f"moved by up to {2.0 * size:g} (for the volume) or {wide:g} m w.e. (area and length): {error}. Take a "
                "smaller size or wide, or a larger border of the map."
            ) from error
        each.append([np.concatenate([a[:, :1], b[:, 1:]], axis=1) for a, b in zip(volume, rest, strict=True)])
    return Difference(*(np.stack(parts) for parts in zip(*each, strict=True)))


def _by_modes(
    prepared: Prepared, here: NDArray[np.float64], sizes: tuple[float, float], block: int | None, degree: int
) -> xr.Dataset:
    """Differentiate to the modes, and compose the derivatives to the controls from them."""
    from oggm_glaunti.analysis.dynamics.tables import Difference

    years, heights, weights = prepared.experiment.years, prepared.heights, prepared.weights
    with errors_name(prepared.experiment.gdir):
        patterns = table_modes(years, heights, weights, block, degree)
    found = _along_fields(prepared, patterns.fields, here, *sizes)
    projection = project(prepared.tangents, patterns, weights)
    value = np.tensordot(projection.coefficients, found.value, axes=1)
    # As if all that is outside had one sign: mostly too careful, but not if a few years or heights decide.
    level = np.abs(sum(value for name, value in zip(patterns.names, found.value, strict=True) if "height" not in name))
    errors = np.tensordot(np.abs(projection.coefficients), found.error, axes=1)
    errors = errors + projection.outside[:, None, None] * level
    dataset = _volumes_dataset(prepared, here, Difference(value, errors))
    dataset["outside_share"] = ("control", projection.share, {"units": "1"})
    dataset = dataset.assign_coords(mode=patterns.names)
    for i, (name, units) in enumerate(QUANTITIES.items()):
        what = f"derivative of {name} to a pattern of balances"
        attributes = {"units": f"{units} (m w.e. yr-1)-1", "long_name": what}
        dataset[f"mode_{name}"] = (("mode", "time"), found.value[..., i], attributes)
        dataset[f"mode_{name}_error"] = (("mode", "time"), found.error[..., i], attributes)
    return dataset


def _volumes_dataset(prepared: Prepared, here: NDArray[np.float64], found: Difference) -> xr.Dataset:
    dataset = xr.Dataset(coords=prepared.coords())
    for i, (name, units) in enumerate(QUANTITIES.items()):
        dataset[name] = ("time", here[:, i], {"units": units})
        what = f"first-order change of {name} for a change of the control by per"
        dataset[f"d_{name}"] = (("control", "time"), found.value[..., i], {"units": units, "long_name": what})
        dataset[f"d_{name}_error"] = (("control", "time"), found.error[..., i], {"units": units})
    about = {"units": "m w.e. yr-1", "long_name": "change of the balances, root mean square over years and area"}
    dataset["rms_change"] = ("control", np.sqrt(np.mean(prepared.tangents**2 @ prepared.weights, axis=1)), about)
    return dataset.assign_attrs(rgi_id=prepared.experiment.gdir.rgi_id)


def volume_summary(found: xr.Dataset, year: int | None = None) -> pd.DataFrame:
    """Tabulate the derivatives at the beginning of one year.

    Parameters
    ----------
    found : Dataset
        of :func:`volume_sensitivity`
    year : int, optional
        default: the last

    Returns
    -------
    DataFrame
        a row for each control; ``per`` is the change of the control that the numbers are for; columns with their
        units, and the change of volume in % of the volume of that year, if there is any
    """
    at = found.isel(time=-1) if year is None else found.sel(time=year)
    table = pd.DataFrame({"per": at["per"].to_numpy()}, index=pd.Index(at["control"].to_numpy(), name="control"))
    for name, units in QUANTITIES.items():
        table[f"{name} ({units})"] = at[f"d_{name}"].to_numpy()
        table[f"{name} error ({units})"] = at[f"d_{name}_error"].to_numpy()
    if float(at["volume"]) > 0.0:
        table["volume (%)"] = 100.0 * at["d_volume"].to_numpy() / float(at["volume"])
    return table


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
    from oggm_glaunti.analysis.dynamics import sia_flowline
    from oggm_glaunti.core.threads import enable_x64

    prepared = prepare_volume_runs(gdir, **kwargs)
    bed, thick = bed_of(prepared.experiment)
    of_oggm = prepared.run(prepared.table)[:, 0]
    steps = steps_needed(prepared, of_oggm, tolerance)
    ice = 1000.0 / cfg.PARAMS["ice_density"]  # m of ice in a m w.e.
    line = sia_flowline.Flowline(bed, thick, prepared.heights)
    stepping = sia_flowline.Steps(steps, float(cfg.SEC_IN_YEAR), cfg.PARAMS["glen_n"])
    # Rounding errors of thousands of steps in 32 bit would spoil the derivative.
    with enable_x64(True):
        volumes, gradient = map(np.asarray, sia_flowline.last_volume_gradient(line, prepared.table * ice, stepping))
    volumes, gradient = np.append(of_oggm[0], volumes), gradient * ice
    of_year = np.einsum("yn,kyn->ky", gradient, prepared.tangents)
    what = "first-order change of the last volume for a change of the control by per"
    fields = {
        "gradient": (("year", "height"), gradient, {"units": "km3 (m w.e.)-1"}),
        "d_volume": ("control", of_year.sum(axis=1), {"units": "km3", "long_name": what}),
        "d_volume_of_year": (("control", "year"), of_year, {"units": "km3", "long_name": f"{what}, by year"}),
        "volume": ("time", volumes, {"units": "km3"}),
        "volume_oggm": ("time", of_oggm, {"units": "km3"}),
    }
    coords = {"year": prepared.experiment.years, "height": ("height", prepared.heights, {"units": "m"})}
    far = float(np.max(np.abs(volumes - of_oggm)) / of_oggm.max())
    about = {"rgi_id": gdir.rgi_id, "steps_a_month": steps, "largest_difference_to_oggm": far}
    return xr.Dataset(fields, {**coords, **prepared.coords()}, about)


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
