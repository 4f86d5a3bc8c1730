"""The task that makes a glacier's corrector inputs, from outline and DEM, on cells of 100 m.

What the rest of the package reads is :class:`Features`, by :func:`read_features`.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from oggm import entity_task
from oggm.exceptions import InvalidParamsError

from oggm_glaunti import settings
from oggm_glaunti.core.units import MISSING_FACIES
from oggm_glaunti.coupling.ground import dem_stack_file as dem_stack
from oggm_glaunti.coupling.ground.features_file import (
    FACIES_BANDS,
    Features,
    impossible_facies,
    read_features,
    write_features,
)
from oggm_glaunti.coupling.ground.grid import CellGrid, cells_inside, directory_grid, grid_around, utm_crs
from oggm_glaunti.coupling.ground.outlines import checked_outline
from oggm_glaunti.coupling.ground.rasters import PathLike, average_on_grid, bilinear_on_grid, read_around
from oggm_glaunti.coupling.ground.surface import layer_of_year, nearest_year, warn_outside
from oggm_glaunti.coupling.ground.terrain import find_terrain
from oggm_glaunti.coupling.oggm.messages import warn_once
from oggm_glaunti.coupling.oggm.shapefiles import without_search_for_projections

__all__ = ["FACIES_BANDS", "Features", "glaunti_features", "outline_on_grid", "read_features"]

settings.register()

log = logging.getLogger(__name__)


@entity_task(log, writes=["glaunti_features"])
def glaunti_features(
    gdir: Any,
    *,
    dem_file: PathLike | None = None,
    elevation_std: float | PathLike | None = None,
    facies: PathLike | None = None,
    year: int | None = None,
    dem_stack_filesuffix: str = "",
    filesuffix: str = "",
) -> None:
    """Corrector inputs on a 100 m grid, written to ``glaunti_features.nc``.

    The cells are north-up UTM, their edges on multiples of 100 m, and reach 15 cells beyond the outline's; a
    directory whose own grid is north-up UTM at 100 m keeps its cells. A cell is glacier where its centre is inside the
    outline.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        the glacier directory to process
    dem_file : path, optional
        raster of heights (m) to use instead of the directory's DEM; see
        :func:`oggm_glaunti.coupling.ground.terrain.find_terrain` for where heights come from
    elevation_std : float or path, optional
        1-sigma uncertainty of the DEM (not the roughness of the terrain), m: a number, or a raster, resampled
        bilinearly. By default ``cfg.PARAMS['glaunti_elevation_std']``.
    facies : path, optional
        raster of nine bands: scores from 0 to 1 of ice, snow, debris, firn, shadow, superimposed ice, cloud and water,
        and the confidence. Averaged over the pixels in a cell, so a cell holds the share of each class. A score that is
        missing (NaN, nodata) where others are not is 0; pixels that are missing, or -1, in all bands do not count; a
        cell without any is -1 in all nine.
    year : int, optional
        take elevation and elevation_std of 1 January of this year from ``glaunti_dem_stack.nc``, of the nearest year
        where it lies outside; `dem_file` and `elevation_std` are then not to be given. See
        :func:`~oggm_glaunti.coupling.model.smb.glaunti_smb` for runs whose surface moves
    dem_stack_filesuffix : str
        of ``glaunti_dem_stack.nc``
    filesuffix : str
        of the file written

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if no cell centre is inside the outline, no DEM covers all cells, or the year's surface is missing
    oggm.exceptions.InvalidParamsError
        if a raster cannot be read, does not overlap, has gaps or invalid values, or arguments contradict
    """
    _require_one_source(gdir, year, dem_stack_filesuffix, dem_file=dem_file, elevation_std=elevation_std)
    grid, outline = outline_on_grid(gdir)
    if year is None:
        ground = _ground(gdir, grid, dem_file, elevation_std)
    else:
        ground = _ground_of_year(gdir, grid, year, dem_stack_filesuffix)
    scores = None if facies is None else _facies(gdir, grid, facies)
    features = Features(outline, ground.elevation, ground.std, scores, grid.x, grid.y, grid.crs)
    attributes = {
        **ground.about,
        "elevation_sha256": hashlib.sha256(features.elevation.tobytes()).hexdigest(),
        "facies_source": "none" if facies is None else Path(facies).name,
    }
    write_features(gdir, features, attributes, filesuffix)
    name = f"glaunti_features{filesuffix}.nc"
    log.info("(%s) %s: %d x %d cells, heights from %s", gdir.rgi_id, name, *grid.shape, ground.about["dem_origin"])


class _Ground(NamedTuple):
    """Elevation and its uncertainty (H, W) in m, and what the file says about them."""

    elevation: NDArray[np.float32]
    std: NDArray[np.float32]
    about: dict[str, str]


def _require_one_source(gdir: Any, year: int | None, dem_stack_filesuffix: str, **others: Any) -> None:
    if year is None:
        if dem_stack_filesuffix:
            raise InvalidParamsError(f"{gdir.rgi_id}: dem_stack_filesuffix={dem_stack_filesuffix!r} goes with a year")
        return
    if isinstance(year, bool) or not isinstance(year, int | np.integer):
        raise InvalidParamsError(f"{gdir.rgi_id}: year: expected a whole number, found {year!r}")
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: {' and '.join(given)} given with year={year}, whose elevation and elevation_std are those "
            f"of {dem_stack.dem_stack_name(dem_stack_filesuffix)}; give either"
        )


def _ground(gdir: Any, grid: CellGrid, dem_file: PathLike | None, elevation_std: float | PathLike | None) -> _Ground:
    terrain = find_terrain(gdir, grid, dem_file)
    std, std_source = _elevation_std(gdir, grid, elevation_std)
    about = {
        "dem_source": terrain.source,
        "dem_origin": terrain.origin,
        "dem_files": ", ".join(terrain.files),
        "elevation_std_source": std_source,
    }
    return _Ground(terrain.elevation, std, about)


def _ground_of_year(gdir: Any, grid: CellGrid, year: int, stack_filesuffix: str) -> _Ground:
    stack, name = dem_stack.read_dem_stack(gdir, stack_filesuffix), dem_stack.dem_stack_name(stack_filesuffix)
    attributes = dem_stack.read_dem_stack_attributes(gdir, stack_filesuffix)
    elevation, std = layer_of_year(grid, stack, year, gdir.rgi_id, stack_filesuffix)
    warn_outside(stack, [year], gdir.rgi_id)
    about = {
        "dem_source": "glaunti_dem_stack",
        "dem_origin": f"{name}, surface of 1 January {nearest_year(stack, year)}",
        "dem_files": name,
        "dem_stack_sha256": stack.digest(),
        "vertical_datum": str(attributes[dem_stack.VERTICAL_DATUM]),
        "elevation_std_source": name,
    }
    return _Ground(elevation, std, about)


def outline_on_grid(gdir: Any) -> tuple[CellGrid, NDArray[np.float32]]:
    """Return the cells of a glacier's maps, and which of them are glacier.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory

    Returns
    -------
    CellGrid
    float32 array (H, W)
        1 where the cell's centre is inside the outline, else 0

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if no cell centre is inside the outline
    oggm.exceptions.InvalidParamsError
        if the directory's centre is NaN, or its outline no polygon (see
        :func:`~oggm_glaunti.coupling.ground.outlines.checked_outline`)
    """
    own = directory_grid(gdir)
    if not np.isfinite([gdir.cenlon, gdir.cenlat]).all():
        raise InvalidParamsError(
            f"{gdir.rgi_id}: longitude and latitude of its centre are {gdir.cenlon} and {gdir.cenlat}; mend them in "
            "the attributes of the outline and make the directory again"
        )
    crs = utm_crs(gdir.cenlon, gdir.cenlat) if own is None else own.crs
    origin = (0.0, 0.0) if own is None else (own.west, own.north)
    with without_search_for_projections():
        outlines = [
            checked_outline(outline, gdir.rgi_id, in_degrees=False)
            for outline in gdir.read_shapefile("outlines").to_crs(crs).geometry
        ]
    for remark in (remark for outline in outlines for remark in outline.remarks):
        warn_once(log, f"{gdir.rgi_id}: {remark}")
    polygons = [outline.polygon for outline in outlines]
    grid = grid_around(polygons, crs, origin=origin, label=gdir.rgi_id)
    return grid, cells_inside(polygons, grid)


def _elevation_std(gdir: Any, grid: CellGrid, given: float | PathLike | None) -> tuple[NDArray[np.float32], str]:
    if isinstance(given, str | os.PathLike):
        return _elevation_std_raster(gdir, grid, given), Path(given).name
    metres = settings.param("glaunti_elevation_std") if given is None else given
    if not np.isfinite(metres) or metres < 0:
        raise InvalidParamsError(f"{gdir.rgi_id}: elevation_std is {metres}; expected a number of metres, not negative")
    return np.full(grid.shape, metres, np.float32), f"constant, {float(metres):g} m"


def _elevation_std_raster(gdir: Any, grid: CellGrid, path: PathLike) -> NDArray[np.float32]:
    label = f"{gdir.rgi_id}: elevation_std"
    values = bilinear_on_grid(read_around(label, [path], grid), grid)[0]
    for bad, what in ((np.isnan(values), "have no value"), (values < 0, "are negative")):
        if bad.any():
            raise InvalidParamsError(
                f"{label}: {os.fspath(path)}: {100 * bad.mean():.3g} % of the {bad.size} cells of the glacier's maps "
                f"{what}; expected 0 m or more in every cell, {settings.MARGIN_CELLS} cells around the outline included"
            )
    return values


def _facies(gdir: Any, grid: CellGrid, path: PathLike) -> NDArray[np.float32]:
    label = f"{gdir.rgi_id}: facies"
    raster = read_around(label, [path], grid, bands=len(FACIES_BANDS))
    scores = raster.values
    absent = (np.isnan(scores) | (scores == MISSING_FACIES)).all(axis=0)
    scores = np.where(absent, np.float32(np.nan), np.nan_to_num(scores, nan=0.0))
    bad = ~absent & impossible_facies(np.nan_to_num(scores, nan=0.0))
    if bad.any():
        raise InvalidParamsError(
            f"{label}: {os.fspath(path)}: {100 * bad.mean():.3g} % of the pixels around the glacier hold scores "
            f"outside 0..1 (found {np.nanmin(scores):g} to {np.nanmax(scores):g}); missing pixels are nodata, or -1 in "
            "all bands"
        )
    on_cells = average_on_grid(raster._replace(values=scores), grid)
    on_cells = np.where(np.isnan(on_cells).all(axis=0), np.float32(MISSING_FACIES), on_cells)
    if (on_cells == MISSING_FACIES).all():
        raise InvalidParamsError(f"{label}: {os.fspath(path)} has no value in any cell of the glacier's maps")
    return on_cells
