"""OGGM's runs with their water day by day."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm import cfg, entity_task
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import settings
from oggm_glaunti.coupling.hydro.day_2d import add_to_diagnostics
from oggm_glaunti.coupling.hydro.file import DAILY, HydroFile, Shape, new_file
from oggm_glaunti.coupling.hydro.geometry import RunGeometry, run_geometry
from oggm_glaunti.coupling.hydro.plan import Source, sources_of
from oggm_glaunti.coupling.hydro.reservoirs import COMPONENTS, residence_times, routed, running_share
from oggm_glaunti.coupling.hydro.run import YearSums, stream, unit_areas
from oggm_glaunti.coupling.hydro.units import read_units
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.messages import warn_once

if TYPE_CHECKING:
    from oggm import GlacierDirectory

settings.register()
log = logging.getLogger(__name__)

LAYOUTS = ("time", "day_2d")
WITHOUT_SPLIT = (
    "melt_on_glacier",
    "liq_prcp_on_glacier",
    "liq_prcp_off_glacier",
    "snowfall_on_glacier",
    "snowfall_off_glacier",
)
SECONDS_IN_DAY, WATER_DENSITY = 86400.0, 1000.0


@entity_task(log, writes=["glaunti_hydro_daily"])
def run_with_daily_hydro(
    gdir: GlacierDirectory,
    run_task: Callable[..., Any] | None = None,
    ref_area_from_y0: bool = False,
    ref_area_yr: int | None = None,
    ref_geometry_filesuffix: str | None = None,
    fixed_geometry_spinup_yr: int | None = None,
    layout: str = "time",
    units: Any = None,
    routing: float | Mapping[str, float] | None = None,
    output_filesuffix: str = "",
    **kwargs: Any,
) -> None:
    """Run OGGM's ice dynamics and write the water of every day: rain, snowfall, melt, snow on glacier and ground.

    As ``oggm.tasks.run_with_hydro``, with days for months. Areas change on 1 January with the geometry of the run. The
    balance of a year is the one that the dynamics have seen, so that ``snowfall - melt + residual_mb`` is the change of
    the glacier's mass.

    Fluxes are kg day-1, states kg at the end of the day. Snow on ice-free ground (``snow_bucket``) and its melt, and
    the parts of melt on the glacier, need ``variant='mass_conserving'``: the published day makes snow, so more of it
    melts than has fallen. With any other variant only total melt on the glacier, rain and snowfall are written.

    Snow on a column of ground is that of the mass-balance model's record at that height, on the glacier as off it.
    Where the glacier retreats its snow goes to the bucket, and under an advance back; that, the moved surface, and in
    a run whose years are not in the order of the record the other year's snow, is ``snow_moved_on_glacier`` and
    ``snow_moved_off_glacier`` on the first day of a year. On all other days the change of snow is snowfall less melt.
    In a simulated leap year the days of a record's common year are those of the same date, with a 29 February without
    water; in the opposite case the water of 29 February counts to the 28th.

    Parameters
    ----------
    gdir : GlacierDirectory
        with ``model_flowlines`` and what :class:`~oggm_glaunti.GlaUnTIMassBalance` needs
    run_task : callable, optional
        one of OGGM's ``run_*`` tasks; default: ``run_from_climate_data``
    ref_area_from_y0, ref_area_yr, ref_geometry_filesuffix
        area that is glacier or ice-free ground, as in OGGM; default: the largest of the run
    fixed_geometry_spinup_yr : int, optional
        as in OGGM: the years from this one to the first of the dynamics have the geometry of the first
    layout : {'time', 'day_2d'}
        ``day_2d`` also adds OGGM's variables by year and by day of year (``melt_on_glacier_daily``) to
        ``model_diagnostics.nc``, from which ``compile_run_output`` takes them
    units : path, GeoDataFrame or array, optional
        sub-catchments or the cells of another model: polygons, a raster, or numbers on the directory's grid, see
        :func:`~oggm_glaunti.coupling.hydro.units.read_units`. Adds a dimension ``unit``, and all ground in the units
    routing : float or mapping, optional
        residence time in a linear reservoir, days, of all water or by component (``rain``, ``snow_melt``,
        ``ice_melt``): adds ``discharge``, m3 s-1
    output_filesuffix : str
        of the run's files and of ``glaunti_hydro_daily.nc``
    **kwargs
        of `run_task`; ``mb_model_class`` is ``GlaUnTIMassBalance`` by default

    Raises
    ------
    InvalidParamsError
        for arguments that do not go together, or units that do not fit the DEM
    InvalidWorkflowError
        if the run has failed, or its mass-balance model is not GlaUnTI

    Examples
    --------
    >>> from oggm import cfg
    >>> from oggm_glaunti import tasks as gtasks
    >>> cfg.PARAMS["store_model_geometry"] = True  # doctest: +SKIP
    >>> gtasks.run_with_daily_hydro(gdir, ys=2000, ye=2020, ref_area_from_y0=True)  # doctest: +SKIP
    """
    from oggm import tasks

    label = f"{gdir.rgi_id}: run_with_daily_hydro"
    run_task = run_task or tasks.run_from_climate_data
    _require_arguments(label, layout, units, kwargs)
    begins_elsewhere = any(kwargs.get(name) is not None for name in ("init_model_fls", "init_model_filesuffix"))
    if not begins_elsewhere and not gdir.has_file("model_flowlines"):
        raise InvalidWorkflowError(f"{label}: no model_flowlines; run oggm.tasks.init_present_time_glacier first")
    times = None if routing is None else residence_times(label, routing)
    on_units = None if units is None else read_units(gdir, units)
    if "mb_model" not in kwargs and "mb_model_class" in inspect.signature(run_task).parameters:
        kwargs.setdefault("mb_model_class", GlaUnTIMassBalance)
    if fixed_geometry_spinup_yr is not None:
        kwargs["fixed_geometry_spinup_yr"] = fixed_geometry_spinup_yr
    model = run_task(gdir, output_filesuffix=output_filesuffix, return_value=True, **kwargs)
    if model is None:
        raise InvalidWorkflowError(
            f"{label}: {getattr(run_task, '__name__', run_task)} has failed; OGGM's log says why"
        )
    reference = ref_area_from_y0, ref_area_yr, ref_geometry_filesuffix
    geometry = run_geometry(gdir, output_filesuffix, on_units, *reference)
    sources = sources_of(gdir.rgi_id, model.mb_model, geometry.years)
    no_split = next((reason for source in sources if (reason := source.no_split)), None)
    if no_split:
        if times is not None:
            raise InvalidParamsError(f"{label}: routing: {no_split}")
        warn_once(log, f"run_with_daily_hydro: without snow on ice-free ground and its melt: {no_split}")
    left_out = {"discharge"} if times is None else set()
    if all(source.mb_model.refreezing == "none" for source in sources):
        left_out.add("refreezing_on_glacier")
    names = WITHOUT_SPLIT if no_split else tuple(name for name in DAILY if name not in left_out)
    realisations = len(sources[0].mb_model.climate.realisations)
    shape = Shape(geometry.years, geometry.names, realisations, names, not no_split and len(sources) == 1)
    spinup_before = model.y0 if fixed_geometry_spinup_yr is not None else None
    with new_file(gdir, output_filesuffix, shape, _attributes(sources, no_split, times)) as file:
        sums = stream(file, geometry, sources, settings.param("glaunti_table_step"))
        _write_years(file, geometry, sums, sources[0].mb_model.rho, spinup_before, split=not no_split)
        if times is not None:
            _route(file, geometry.years.size, realisations, times, "refreezing_on_glacier" not in left_out)
    if layout == "day_2d":
        add_to_diagnostics(gdir, output_filesuffix)


def _require_arguments(label: str, layout: str, units: Any, kwargs: Mapping[str, Any]) -> None:
    if layout not in LAYOUTS:
        raise InvalidParamsError(f"{label}: layout: expected one of {LAYOUTS}, found {layout!r}")
    if layout == "day_2d" and units is not None:
        raise InvalidParamsError(f"{label}: layout='day_2d' holds no units; leave them out, or take layout='time'")
    if kwargs.get("store_monthly_step", False):
        raise InvalidParamsError(f"{label}: store_monthly_step: areas change once a year; leave it out")
    if kwargs.get("mb_elev_feedback", "annual") != "annual":
        raise InvalidParamsError(
            f"{label}: mb_elev_feedback: expected 'annual', found {kwargs['mb_elev_feedback']!r}: areas change yearly"
        )
    if not cfg.PARAMS["store_model_geometry"]:
        raise InvalidParamsError(
            f"{label}: set cfg.PARAMS['store_model_geometry'] = True: the run's areas are read from it"
        )


def _attributes(sources: list[Source], no_split: str | None, times: Mapping[str, float] | None) -> dict[str, Any]:
    mb_model = sources[0].mb_model
    found = {
        "variant": mb_model.variant,
        "model": mb_model.model_name,
        "corrector": mb_model.corrector,
        "refreezing": mb_model.refreezing,
        "climate_source": mb_model.climate_source,
        "areas": "of glacier and ground on 1 January of each year",
    }
    if no_split:
        found["without_snow_and_ice"] = no_split
    else:
        found["closure"] = (
            "change of swe_on_glacier = snowfall_on_glacier - snow_melt_on_glacier; change of snow_bucket = "
            "snowfall_off_glacier - melt_off_glacier; on the first day of a year plus snow_moved_*"
        )
    if times is not None:
        found["residence_times"] = ", ".join(f"{name} {days:g} days" for name, days in times.items())
    return found


def _write_years(
    file: HydroFile, geometry: RunGeometry, sums: YearSums, density: float, spinup_before: float | None, split: bool
) -> None:
    for name, areas in zip(("on_area", "off_area"), unit_areas(geometry), strict=True):
        file.yearly(name, areas)
    if split:
        for name, moved in zip(("snow_moved_on_glacier", "snow_moved_off_glacier"), sums.moved(), strict=True):
            file.yearly(name, moved)
    reconstructed = (sums.snowfall - sums.melt).mean(axis=0)
    mass = geometry.mass_change * density
    if spinup_before is not None:
        mass = np.where(geometry.years < spinup_before, reconstructed, mass)
    file.yearly("model_mb", mass)
    file.yearly("residual_mb", mass - reconstructed)


def _route(file: HydroFile, years: int, realisations: int, times: Mapping[str, float], freezes: bool) -> None:
    """Add discharge, in the order of the days."""
    on = {"rain": "liq_prcp_on_glacier", "snow_melt": "snow_melt_on_glacier", "ice_melt": "ice_melt_on_glacier"}
    off = {"rain": "liq_prcp_off_glacier", "snow_melt": "melt_off_glacier"}
    for r in range(realisations):
        stored = None
        for year in range(years):
            water = {name: file.read(on[name], year, r) for name in COMPONENTS}
            if freezes:
                kept = running_share(sum(water.values()), file.read("refreezing_on_glacier", year, r))
                water = {name: kept * part for name, part in water.items()}
            water = {
                name: part + (file.read(off[name], year, r) if name in off else 0.0) for name, part in water.items()
            }
            total, stored = routed(water, times, stored)
            file.add(year, {"discharge": total / WATER_DENSITY / SECONDS_IN_DAY}, r, again=False)
