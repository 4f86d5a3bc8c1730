"""The catchment of a gauge: what makes up its discharge, and how uncertain that is.

Discharge of a period is rain and melt on the glacier, and rain and melt of snow on the ground around it. What no day of
the model knows is an error that all rows of a gauge share: the catchment's area, precipitation on ground where the
glacier's factor need not hold, and evaporation, which the model has not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from oggm_glaunti.coupling.hydro.geometry import RunGeometry, run_geometry
from oggm_glaunti.coupling.hydro.units import Units, read_units
from oggm_glaunti.coupling.hydro.weights import spread
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError

Floats = NDArray[np.float64]


class Gauge(NamedTuple):
    """A gauge whose discharge counts in a fit.

    Attributes
    ----------
    units : path, GeoDataFrame or array
        its catchment, one unit, as ``run_with_daily_hydro`` takes it: ``catchment_of(gdir, lon, lat).mask``
    run : str, optional
        suffix of ``model_geometry.nc`` of a run of the ice dynamics, whose areas of every year count; default: the
        outline in all years
    area_error : float
        of the catchment's area, relative: divides are drawn on the surface, and water passes below
    outside_error : float
        of precipitation on ground without glacier, relative: the factor on precipitation is the glacier's, where wind
        and avalanches bring snow, and gauges catch too little of it
    evaporation_error : float
        on ground without glacier, m w.e. a year; the model has none

    Examples
    --------
    >>> from oggm_glaunti.analysis import catchment_of
    >>> massa = catchment_of(gdir, 8.0067, 46.3856, area=195.5)  # doctest: +SKIP
    >>> fit_glaunti(gdir, observations=table, gauge=Gauge(massa.mask))  # doctest: +SKIP
    """

    units: Any
    run: str | None = None
    area_error: float = 0.02
    outside_error: float = 0.2
    evaporation_error: float = 0.2


class Ground(NamedTuple):
    """Glacier and ground of a catchment.

    Attributes
    ----------
    heights : float64 array (C,)
        of its cells, or below and above everything in it, m
    area : float
        m2
    units : Units
    geometry : RunGeometry or None
        areas of every year
    """

    heights: Floats
    area: float
    units: Units
    geometry: RunGeometry | None


def ground_of(gdir: GlacierDirectory, gauge: Gauge) -> Ground:
    """Read the ground of a gauge's catchment.

    Raises
    ------
    InvalidParamsError
        if an error is no number of 0 or more, or the units are several
    InvalidWorkflowError
        if there is no run with that suffix
    """
    errors = np.array(gauge[2:], np.float64)
    if not (np.isfinite(errors) & (errors >= 0.0)).all() or not errors.any():
        raise InvalidParamsError(
            f"{gdir.rgi_id}: gauge: expected errors of 0 or more, not all of them 0, found {gauge[2:]}"
        )
    units = read_units(gdir, gauge.units)
    if len(units.names) != 1:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: gauge: expected one unit, the gauge's catchment, found {len(units.names)}: "
            f"{', '.join(units.names[:5])}"
        )
    inside = units.cell_unit == 0
    area = float(inside.sum()) * units.cell_area
    if gauge.run is None:
        return Ground(units.heights[inside], area, units, None)
    geometry = run_geometry(gdir, gauge.run, units)
    return Ground(np.array(geometry.height_bounds()), area, units, geometry)


def outside_run(ground: Ground, begin: pd.Timestamp, end: pd.Timestamp) -> str:
    """Say that a period is not within the run whose areas count; empty if it is, or if there is no run."""
    if ground.geometry is None:
        return ""
    years = ground.geometry.years
    if years[0] <= begin.year and end.year <= years[-1]:
        return ""
    return f"{begin:%Y-%m-%d} to {end:%Y-%m-%d} is not within the years of the run, {years[0]} to {years[-1]}"


def shares_of_row(ground: Ground, begin: pd.Timestamp, end: pd.Timestamp, nodes: Floats) -> tuple[Floats, Floats]:
    """Return the shares of glacier and of ground at heights (N,), of the catchment's area, in a period.

    Parameters
    ----------
    ground : Ground
    begin, end : Timestamp
    nodes : float64 array (N,)
        m, around all of the ground
    """
    if ground.geometry is None:
        glacier = ground.units.glacier[ground.units.cell_unit == 0]
        areas = ground.units.cell_area * np.stack([glacier, ~glacier], axis=1)
        on, off = spread(ground.heights, areas, nodes).T / ground.area
        return on, off
    geometry, found = ground.geometry, np.zeros((2, nodes.size))
    days = pd.date_range(begin, end).year.to_numpy()
    other = geometry.ground_weights(nodes)[:, 0]
    for year, count in zip(*np.unique(days, return_counts=True), strict=True):
        k, share = int(year - geometry.years[0]), count / days.size / ground.area
        for line in range(len(geometry.lines)):
            on, off = geometry.line_weights(line, k, nodes)
            found += share * np.stack([on[:, 0], off[:, 0]])
        found[1] += share * other
    return found[0], found[1]


def term_weights(on: Floats, off: Floats) -> Floats:
    """Return the weights (3 N,) of balance, precipitation and change of SWE in the discharge of a row.

    On the glacier leaves what is not gained, on the ground what does not stay as snow.
    """
    return np.concatenate([-on, on + off, -off])


def level_errors(gauge: Gauge, volume: Floats, outside: Floats, off: Floats, years: Floats) -> Floats:
    """Return the error (O,) that rows of discharge share, m w.e. over the catchment.

    Parameters
    ----------
    gauge : Gauge
    volume : float64 array (O,)
        measured, m w.e.
    outside : float64 array (O,)
        precipitation on ground without glacier, over the whole catchment, m w.e.
    off : float64 array (O,)
        share of that ground
    years : float64 array (O,)
        lengths of the rows

    Examples
    --------
    >>> one = [np.array([x]) for x in (2.0, 1.0, 0.4, 1.0)]
    >>> level_errors(Gauge(None), *one).round(3)
    array([0.219])
    """
    parts = gauge.area_error * volume, gauge.outside_error * outside, gauge.evaporation_error * off * years
    return np.sqrt(np.sum(np.square(parts), axis=0))


def error_in_words(gauge: Gauge, level: float, own: float) -> str:
    """Say what the error of discharge in a mean row means."""
    return (
        f"Discharge is taken to be off by {level:.2f} m w.e. over the catchment in all rows alike: "
        f"{100 * gauge.area_error:.0f} % of its area, {100 * gauge.outside_error:.0f} % of the precipitation on ground "
        f"without glacier, and {gauge.evaporation_error:.2f} m w.e. a year of evaporation there, which the model has "
        f"not. A row is off by {own:.2f} m w.e. of its own."
    )
