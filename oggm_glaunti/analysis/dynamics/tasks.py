"""Derivative of a glacier's volume after years of ice dynamics to climate and parameters, as a task."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.analysis.dynamics.flowline_runs import QUANTITIES
from oggm_glaunti.analysis.dynamics.setup import Prepared, prepare_volume_runs
from oggm_glaunti.analysis.dynamics.table_modes import project, table_modes
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError, InvalidWorkflowError, entity_task

if TYPE_CHECKING:
    from oggm import GlacierDirectory

    from oggm_glaunti.analysis.dynamics.tables import Difference

settings.register()
log = logging.getLogger(__name__)

# m w.e. yr-1, root mean square over years and area. The tables are moved by so much and by twice that for the
# volume, and for area and length, which go up and down by whole cells of the flowline.
SIZE, WIDE = 0.1, 0.5


@entity_task(log)
def volume_sensitivity(
    gdir: GlacierDirectory,
    *,
    ys: int | None = None,
    ye: int | None = None,
    controls: Sequence[str] = ("dT", "dP"),
    by_month: bool = False,
    forcing: str = "historical",
    climate_years: Sequence[int] | None = None,
    seed: int = 0,
    modes: bool = False,
    block: int | None = 10,
    degree: int = 1,
    size: float = SIZE,
    wide: float = WIDE,
    massbalance: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> xr.Dataset:
    """Derivative of volume, area and length after years of OGGM's ice dynamics to climate and parameters.

    Exact is the derivative of the balance of every year at every height. Along it OGGM's own model is run forth and
    back, eight times for each control: results come with an estimate of their error. Balances are read at the heights
    the ice has by then, so that the feedback of height is part of the derivative. The glacier at the beginning does not
    depend on the controls. No run is written to the directory.

    Parameters
    ----------
    gdir : GlacierDirectory
        with daily climate, ``model_flowlines`` and, for models C and D, ``glaunti_features``
    ys, ye : int, optional
        the run is from the beginning of the one year to that of the other; by default from the year after the
        outline's, or where the run of `init_model_filesuffix` ends, to the end of the record. Years without weather are
        allowed where `forcing` is not ``historical``.
    controls : sequence of str
        of :data:`oggm_glaunti.analysis.dynamics.tables.PER`: ``dT`` (per K), ``dP`` (per 10 %), and parameters by name.
        They change all days of the record, also those before `ys`, as the mass-balance model's tunable parameters do.
    by_month : bool
        split ``dT`` and ``dP`` by calendar month
    forcing : {'historical', 'constant', 'random'}
        the weather of the years themselves; the mean balance of `climate_years` every year; or years drawn from them
    climate_years : (first, last), optional
        both included; by default the whole record
    seed : int
        of the drawing
    modes : bool
        differentiate to patterns of the table only, see
        :func:`~oggm_glaunti.analysis.dynamics.table_modes.table_modes`, and put the controls together from them: 8 runs
        for each pattern however many the controls are, and only as good as the patterns are (``outside_share`` of the
        result)
    block, degree : int
        of the patterns
    size, wide : float
        by how much the table is changed, root mean square over years and area, m w.e. yr-1: by `size` and twice that
        (and a twentieth, for the error) for the volume; by `wide` for area and length, which OGGM counts in whole cells
    massbalance : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: ``model``, ``corrector``, ``mb_params_filesuffix``...
    **kwargs
        of the run, see :func:`~oggm_glaunti.analysis.dynamics.flowline_runs.experiment`: ``init_model_filesuffix``,
        ``glen_a_fac``, ``evolution_model``, ``mb_elev_feedback`` and so on

    Returns
    -------
    Dataset
        ``volume``, ``area`` and ``length`` by ``time`` (the beginning of that year); by ``control`` and ``time`` their
        derivatives ``d_volume``..., for a change of the control by ``per``, and an estimate of their errors,
        ``d_volume_error``...; all with ``units``. See :func:`volume_summary` for a table of the last year.

    Raises
    ------
    InvalidParamsError
        for years without weather, unknown controls, or a balance by month
    InvalidWorkflowError
        where the directory lacks what is needed

    Examples
    --------
    >>> found = volume_sensitivity(gdir, ys=1982, ye=2021, controls=["dT", "ddf_snow"])  # doctest: +SKIP
    >>> volume_summary(found)  # doctest: +SKIP
    """
    chosen = {"forcing": forcing, "climate_years": climate_years, "seed": seed, "massbalance": massbalance}
    prepared = prepare_volume_runs(gdir, ys, ye, controls, by_month=by_month, **chosen, **kwargs)
    here = prepared.run(prepared.table)
    if not modes:
        return _dataset(prepared, here, _along(prepared, prepared.tangents, here, size, wide))
    return _by_modes(prepared, here, (size, wide), block, degree)


# --- derivatives ---


def _along(
    prepared: Prepared, fields: NDArray[np.float64], here: NDArray[np.float64], size: float, wide: float
) -> Difference:
    """To each field (K, Y, N): value and error (K, Y + 1, 3)."""
    from oggm_glaunti.analysis.dynamics.tables import Difference, difference_along, secant_along

    each, cells = [], _one_cell(prepared.experiment.flowlines)
    for field in fields:
        given = (prepared.run, prepared.table, field, prepared.weights)
        try:
            volume, rest = difference_along(*given, size), secant_along(*given, wide, here, cells)
        except (RuntimeError, FloatingPointError) as error:
            raise InvalidWorkflowError(
                f"{prepared.experiment.gdir.rgi_id}: the run itself is fine, but OGGM's model fails with balances "
                f"moved by up to {2.0 * size:g} (for the volume) or {wide:g} m w.e. (area and length): {error}. Take a "
                "smaller size or wide, or a larger border of the map."
            ) from error
        each.append([np.concatenate([a[:, :1], b[:, 1:]], axis=1) for a, b in zip(volume, rest, strict=True)])
    return Difference(*(np.stack(parts) for parts in zip(*each, strict=True)))


def _one_cell(flowlines: list[Any]) -> NDArray[np.float64]:
    """By how much volume, area and length change where one cell of the main line is gained or lost."""
    main = flowlines[-1]
    ice = main.bin_area_m2[main.thick > 0]
    area = float(np.mean(ice if ice.size else main.widths_m * main.dx_meter))
    return np.array([0.0, area * 1e-6, main.dx_meter])


def _by_modes(
    prepared: Prepared, here: NDArray[np.float64], sizes: tuple[float, float], block: int | None, degree: int
) -> xr.Dataset:
    """Derivatives to the modes, and of the controls what follows from them."""
    from oggm_glaunti.analysis.dynamics.tables import Difference

    years, heights, weights = prepared.experiment.years, prepared.heights, prepared.weights
    try:
        patterns = table_modes(years, heights, weights, block, degree)
    except ValueError as error:
        raise InvalidParamsError(f"{prepared.experiment.gdir.rgi_id}: {error}") from error
    found = _along(prepared, patterns.fields, here, *sizes)
    projection = project(prepared.tangents, patterns, weights)
    value = np.tensordot(projection.coefficients, found.value, axes=1)
    # As if all that is outside had one sign. As a rule too careful; not where a few years or heights decide.
    level = np.abs(sum(value for name, value in zip(patterns.names, found.value, strict=True) if "height" not in name))
    error = np.tensordot(np.abs(projection.coefficients), found.error, axes=1)
    error = error + projection.outside[:, None, None] * level
    dataset = _dataset(prepared, here, Difference(value, error))
    dataset["outside_share"] = ("control", projection.share, {"units": "1"})
    dataset = dataset.assign_coords(mode=patterns.names)
    for i, (name, units) in enumerate(QUANTITIES.items()):
        attributes = {
            "units": f"{units} (m w.e. yr-1)-1",
            "long_name": f"derivative of {name} to a pattern of balances",
        }
        dataset[f"mode_{name}"] = (("mode", "time"), found.value[..., i], attributes)
        dataset[f"mode_{name}_error"] = (("mode", "time"), found.error[..., i], attributes)
    return dataset


# --- results ---


def _dataset(prepared: Prepared, here: NDArray[np.float64], found: Difference) -> xr.Dataset:
    time = np.append(prepared.experiment.years, prepared.experiment.ye)
    labels = [control.label for control in prepared.controls]
    dataset = xr.Dataset(coords={"time": time, "control": labels})
    dataset = dataset.assign_coords(per=("control", [control.per for control in prepared.controls]))
    for i, (name, units) in enumerate(QUANTITIES.items()):
        dataset[name] = ("time", here[:, i], {"units": units})
        what = f"first-order change of {name} for a change of the control by per"
        dataset[f"d_{name}"] = (("control", "time"), found.value[..., i], {"units": units, "long_name": what})
        dataset[f"d_{name}_error"] = (("control", "time"), found.error[..., i], {"units": units})
    dataset["rms_change"] = (
        "control",
        np.sqrt(np.mean(prepared.tangents**2 @ prepared.weights, axis=1)),
        {"units": "m w.e. yr-1", "long_name": "change of the balances, root mean square over years and area"},
    )
    return dataset.assign_attrs(rgi_id=prepared.experiment.gdir.rgi_id)


def volume_summary(found: xr.Dataset, year: int | None = None) -> pd.DataFrame:
    """Derivatives at the beginning of one year as a table.

    Parameters
    ----------
    found : Dataset
        of :func:`volume_sensitivity`
    year : int, optional
        by default the last

    Returns
    -------
    DataFrame
        a row for each control; ``per`` says for which change the numbers are; columns with their units, and the
        change of volume in % of the volume of that year, where there is any
    """
    at = found.isel(time=-1) if year is None else found.sel(time=year)
    table = pd.DataFrame({"per": at["per"].to_numpy()}, index=pd.Index(at["control"].to_numpy(), name="control"))
    for name, units in QUANTITIES.items():
        table[f"{name} ({units})"] = at[f"d_{name}"].to_numpy()
        table[f"{name} error ({units})"] = at[f"d_{name}_error"].to_numpy()
    if float(at["volume"]) > 0.0:
        table["volume (%)"] = 100.0 * at["d_volume"].to_numpy() / float(at["volume"])
    return table
