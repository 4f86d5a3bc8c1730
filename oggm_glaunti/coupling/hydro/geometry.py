"""Glacier and ground of a run, year by year: how much of either there is at each height, in each unit.

Areas change on 1 January, as OGGM's hydrology has it. The ground is what is left of a reference area (and of a unit)
when the glacier of the year is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from oggm.core.flowline import FileModel
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti.coupling.hydro.units import Units
from oggm_glaunti.coupling.hydro.weights import spread
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

if TYPE_CHECKING:
    from oggm import GlacierDirectory


@dataclass(frozen=True)
class FlowlineAreas:
    """Bins of a flowline.

    Attributes
    ----------
    heights, areas : float64 arrays (Y, B)
        surface, m, and glacier area, m2, at the beginning of each year
    reference : float64 array (B,)
        area that is glacier or ground, m2
    shares : float64 array (B, U)
        in which units the area of a bin lies
    """

    heights: np.ndarray
    areas: np.ndarray
    reference: np.ndarray
    shares: np.ndarray

    def on_and_off(self, year: int) -> tuple[np.ndarray, np.ndarray]:
        """Return area of glacier and of ground in the units (B, U), m2."""
        on = self.areas[year]
        return on[:, None] * self.shares, np.maximum(self.reference - on, 0.0)[:, None] * self.shares


@dataclass(frozen=True)
class RunGeometry:
    """Geometry of a run; units are one, the reference area, unless others are given.

    Attributes
    ----------
    years : int array (Y,)
        simulated years; the last state of the run is not among them
    lines : list of FlowlineAreas
    mass_change : float64 array (Y,)
        of the ice, as the dynamics have it, m3
    names : tuple of str
        of the units; empty if none were given
    ground_heights, ground_areas : arrays (C,), (C, U)
        ground that is never counted with the flowlines
    """

    years: np.ndarray
    lines: list[FlowlineAreas]
    mass_change: np.ndarray
    names: tuple[str, ...]
    ground_heights: np.ndarray
    ground_areas: np.ndarray

    def height_bounds(self) -> tuple[float, float]:
        """Return heights below and above all glacier and ground, m; never the same."""
        used = [line.heights[:, (line.reference > 0) | (line.areas > 0).any(axis=0)] for line in self.lines]
        every = np.concatenate([*(heights.ravel() for heights in used), self.ground_heights])
        if not every.size:
            return 0.0, 1.0
        return float(every.min()) - 1.0, float(every.max()) + 1.0

    def line_weights(self, k: int, year: int, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return areas of glacier and ground of flowline `k` in a year, spread over heights (N, U), m2."""
        line = self.lines[k]
        used = (line.reference > 0) | (line.areas[year] > 0)
        on, off = line.on_and_off(year)
        return tuple(spread(line.heights[year, used], areas[used], nodes) for areas in (on, off))  # type: ignore[return-value]

    def line_glacier(self, k: int, year: int, nodes: np.ndarray) -> np.ndarray:
        """Return all glacier area of flowline `k` in a year, in units or not, spread over heights (N,), m2."""
        line = self.lines[k]
        there = line.areas[year] > 0
        return spread(line.heights[year, there], line.areas[year, there, None], nodes)[:, 0]

    def ground_weights(self, nodes: np.ndarray) -> np.ndarray:
        """Return the area of the other ground, spread over heights (N, U), m2."""
        return spread(self.ground_heights, self.ground_areas, nodes)


def run_geometry(
    gdir: GlacierDirectory,
    filesuffix: str,
    units: Units | None,
    ref_area_from_y0: bool = False,
    ref_area_yr: int | None = None,
    ref_geometry_filesuffix: str | None = None,
) -> RunGeometry:
    """Read the geometry of a run.

    Parameters
    ----------
    gdir : GlacierDirectory
    filesuffix : str
        of ``model_geometry.nc``
    units : Units, optional
        default: one, the reference area
    ref_area_from_y0, ref_area_yr, ref_geometry_filesuffix
        which area is glacier or ground, as in ``oggm.tasks.run_with_hydro``; default: the largest of the run

    Raises
    ------
    InvalidParamsError
        for a year of reference that the run does not hold
    """
    model = _open(gdir, filesuffix)
    years = np.asarray(model.years[:-1]).astype(int)
    if not years.size:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: model_geometry{filesuffix}.nc holds no whole year")
    if ref_geometry_filesuffix and not ref_area_from_y0 and ref_area_yr is None:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: ref_geometry_filesuffix={ref_geometry_filesuffix!r}: say which of its years, with "
            "ref_area_from_y0 or ref_area_yr"
        )
    of_reference = _open(gdir, ref_geometry_filesuffix) if ref_geometry_filesuffix else model
    wanted = of_reference.years[0] if ref_area_from_y0 else ref_area_yr
    fixed = None if wanted is None else _areas_of_year(gdir, of_reference, wanted)
    states, volumes = [], []
    for year in model.years:
        model.run_until(year)
        volumes.append(model.volume_m3)
        states.append([(np.array(line.surface_h), np.array(line.bin_area_m2)) for line in model.fls])
    lines = []
    for k in range(len(model.fls)):
        heights, areas = (np.stack([state[k][what] for state in states[:-1]]).astype(np.float64) for what in (0, 1))
        reference = areas.max(axis=0) if fixed is None else fixed[k]
        shares = np.ones((reference.size, 1)) if units is None else units.shares(heights[0])
        lines.append(FlowlineAreas(heights, areas, reference, shares))
    change = np.diff(np.asarray(volumes, np.float64))
    if units is None:
        return RunGeometry(years, lines, change, (), np.zeros(0), np.zeros((0, 1)))
    return RunGeometry(years, lines, change, units.names, units.heights, _other_ground(units, lines))


def _other_ground(units: Units, lines: list[FlowlineAreas]) -> np.ndarray:
    """Area of each cell that is not counted with the flowlines (C, U), m2; with them it makes up the units.

    Where the flowlines' reference area is larger than the outline's, as after an advance, the ground next to it is
    smaller, and the other way round.
    """
    members = np.eye(len(units.names) + 1)[units.cell_unit][:, :-1]
    ground = units.ground()
    # A unit that is all glacier by the outline has no cells of ground: what is left is at any of its heights.
    ground = np.where(ground.sum(axis=0) > 0, ground, units.cell_area * members)
    totals = units.cell_area * members.sum(axis=0)
    counted = sum((line.reference[:, None] * line.shares).sum(axis=0) for line in lines)
    left, now = np.maximum(totals - counted, 0.0), ground.sum(axis=0)
    return ground * np.divide(left, now, out=np.zeros_like(left), where=now > 0)


def _open(gdir: GlacierDirectory, filesuffix: str) -> Any:
    path = gdir.get_filepath("model_geometry", filesuffix=filesuffix)
    try:
        with HDF5_LOCK:
            return FileModel(path)
    except FileNotFoundError:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: {path} is missing") from None


def _areas_of_year(gdir: GlacierDirectory, model: Any, year: int) -> list[np.ndarray]:
    if year not in model.years:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: ref_area_yr={year}: the geometry file holds {model.years[0]:g} to {model.years[-1]:g}"
        )
    model.run_until(year)
    return [np.array(line.bin_area_m2, np.float64) for line in model.fls]
