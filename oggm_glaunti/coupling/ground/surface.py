"""The surface of each year: which layer of ``glaunti_dem_stack.nc`` a year takes, and features that follow it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError

from oggm_glaunti.coupling.ground import dem_stack_file
from oggm_glaunti.coupling.ground.dem_stack_file import DemStack, dem_stack_name
from oggm_glaunti.coupling.ground.features_file import Features, OnCells
from oggm_glaunti.coupling.ground.grid import SAME_COORDINATE
from oggm_glaunti.coupling.oggm.messages import warn_once

log = logging.getLogger(__name__)

# Those a run may have: that of the features in all years, or that of each year.
SURFACES = ("fixed", "yearly")

# m. Two DEMs of one vertical datum differ by a few metres in their median (snow, trees, depth to which radar sees); a
# geoid as near to the ellipsoid as that is found in narrow bands only, in the Alps it is 45 to 55 m above it.
SAME_DATUM = 5.0
# m yr-1, and cells: ground that tells how datums differ, and how much of it has to be there.
STEADY, ENOUGH = 0.1, 50


def require_surface(name: str, rgi_id: str, dem_stack_filesuffix: str = "") -> None:
    """Raise an InvalidParamsError for an unknown surface, or a file that would not be read."""
    if name not in SURFACES:
        raise InvalidParamsError(f"{rgi_id}: surface: expected one of {SURFACES}, found {name!r}")
    if dem_stack_filesuffix and name != "yearly":
        raise InvalidParamsError(
            f"{rgi_id}: dem_stack_filesuffix={dem_stack_filesuffix!r} goes with surface='yearly', found {name!r}"
        )


def nearest_year(stack: DemStack, year: int) -> int:
    """Return the year of the stack whose surface a year takes: itself, else the nearest one (of two the earlier).

    Examples
    --------
    >>> x, y = 600_050 + 100.0 * np.arange(16), 5_200_050 - 100.0 * np.arange(16)
    >>> z = np.full((3, 16, 16), 2500.0)
    >>> stack = DemStack([2000, 2001, 2004], z, 0 * z, z < 0, 0 * z[0], x, y, "EPSG:32632")
    >>> [nearest_year(stack, year) for year in (1990, 2001, 2003, 2020)]
    [2000, 2001, 2004, 2004]
    """
    return int(stack.years[np.abs(stack.years - year).argmin()])


def warn_outside(stack: DemStack, years: Iterable[int], rgi_id: str) -> None:
    """Say in the log, once per glacier, years and process, which years lie outside a stack and what they take."""
    first, last = int(stack.years[0]), int(stack.years[-1])
    beyond = ([y for y in years if y < first], first), ([y for y in years if y > last], last)
    taken = [f"for {_span(asked)} that of {year} is taken" for asked, year in beyond if asked]
    if taken:
        warn_once(log, f"({rgi_id}) the surfaces are of {first} to {last}: {', '.join(taken)}")


def _compare_datums(features: Features, stack: DemStack, rgi_id: str, name: str) -> None:
    """Say in the log where stack and features lie apart as ellipsoid and geoid do, on steady ground that was seen."""
    ground = ~features.glacier & ~stack.imputed.any(axis=0) & (np.abs(stack.dh_trend) < STEADY)
    if ground.sum() < ENOUGH:
        return
    apart = float(np.median((np.median(stack.z, axis=0) - features.elevation)[ground]))
    if abs(apart) > SAME_DATUM:
        warn_once(
            log,
            f"({rgi_id}) {name} lies {apart:+.1f} m above glaunti_features.nc where the ground next to the glacier is "
            "steady: do both have the same vertical datum, and were they made from the same DEM?",
        )


def _span(years: list[int]) -> str:
    return f"{min(years)} to {max(years)}" if min(years) < max(years) else f"{years[0]}"


def layer_of_year(
    cells: OnCells, stack: DemStack, year: int, rgi_id: str, filesuffix: str = ""
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return elevation and its 1-sigma uncertainty (H, W) of a year on some cells, m.

    Parameters
    ----------
    cells : OnCells
        those of the stack
    stack : DemStack
    year : int
        the nearest year of the stack is taken
    rgi_id, filesuffix : str
        of the glacier and the stack's file, named in errors

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        if the stack is on other cells
    """
    _require_same_cells(cells, stack, rgi_id, filesuffix)
    index = int(np.searchsorted(stack.years, nearest_year(stack, year)))
    return stack.z[index], stack.z_std[index]


def features_of_year(features: Features, stack: DemStack, year: int, rgi_id: str, filesuffix: str = "") -> Features:
    """Return the features with elevation and elevation_std of a year, see :func:`layer_of_year`; the rest stays."""
    z, z_std = layer_of_year(features, stack, year, rgi_id, filesuffix)
    return replace(features, elevation=z, elevation_std=z_std)


def _require_same_cells(cells: OnCells, stack: DemStack, rgi_id: str, filesuffix: str) -> None:
    same = all(
        ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0, atol=SAME_COORDINATE)
        for ours, theirs in ((cells.x, stack.x), (cells.y, stack.y))
    )
    if not same or not stack.crs.equals(cells.crs, ignore_axis_order=True):
        raise InvalidParamsError(
            f"{rgi_id}: {dem_stack_name(filesuffix)} is on other cells than the glacier's maps: {_in_words(stack)}; "
            f"the maps have {_in_words(cells)}. {dem_stack_file.run_again(filesuffix)} again."
        )


def _in_words(cells: OnCells) -> str:
    x, y = cells.x, cells.y
    return f"{y.size} x {x.size} cells, x {x[0]:.0f} to {x[-1]:.0f}, y {y[0]:.0f} to {y[-1]:.0f} m, {cells.crs.name}"


@dataclass(frozen=True, eq=False)
class YearlySurface:
    """What a gridded run needs of a surface that moves.

    Attributes
    ----------
    features : Features
        of the fixed surface, with which the weather was opened
    stack : DemStack
    rgi_id : str
    vertical_datum : str
        of the stack's heights, in words
    filesuffix : str
        of the stack's file

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        if the stack is on other cells than the features
    """

    features: Features
    stack: DemStack
    rgi_id: str
    vertical_datum: str = ""
    filesuffix: str = ""

    def __post_init__(self) -> None:
        _require_same_cells(self.features, self.stack, self.rgi_id, self.filesuffix)

    @property
    def name(self) -> str:
        """Of the stack's file."""
        return dem_stack_name(self.filesuffix)

    def year_taken(self, year: int) -> int:
        """Year whose surface a year takes."""
        return nearest_year(self.stack, year)

    def features_of(self, year: int) -> Features:
        """Features of a year."""
        return features_of_year(self.features, self.stack, year, self.rgi_id, self.filesuffix)

    def reach(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest elevation (H, W) of each cell over all surfaces, the fixed one included, m."""
        fixed, z = self.features.elevation, self.stack.z
        return np.minimum(fixed, z.min(axis=0)), np.maximum(fixed, z.max(axis=0))


def open_surface(gdir: Any, features: Features, years: Iterable[int], filesuffix: str = "") -> YearlySurface:
    """Open the yearly surface of a glacier directory.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    features : Features
    years : iterable of int
        those outside the stack are said in the log, once per glacier and process
    filesuffix : str
        of ``glaunti_dem_stack.nc``

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError, oggm.exceptions.InvalidParamsError
        see :func:`~.dem_stack_file.read_dem_stack` and :class:`YearlySurface`
    """
    stack = dem_stack_file.read_dem_stack(gdir, filesuffix)
    datum = str(dem_stack_file.read_dem_stack_attributes(gdir, filesuffix)[dem_stack_file.VERTICAL_DATUM])
    surface = YearlySurface(features, stack, gdir.rgi_id, datum, filesuffix)
    warn_outside(stack, list(years), gdir.rgi_id)
    _compare_datums(features, stack, gdir.rgi_id, surface.name)
    return surface
