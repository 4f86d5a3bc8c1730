"""Task that brings yearly surfaces into a glacier directory: on its grid, in its datum, without voids."""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.companions.dem.arrays import Floats, Mask
from oggm_glaunti.companions.dem.coregister import LEAST_COMPARED, Registration, find_registration, move_labels, nmad
from oggm_glaunti.companions.dem.datum import Datum, find_datum, require_datum, stable_ground
from oggm_glaunti.companions.dem.impute import impute_dem_stack
from oggm_glaunti.companions.dem.inputs import YearlyRasters, on_cells, read_inputs
from oggm_glaunti.companions.dem.tiles import degree_tiles, tile_name
from oggm_glaunti.coupling.ground.dem_stack_file import DemStack, write_dem_stack
from oggm_glaunti.coupling.ground.features import outline_on_grid
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.ground.rasters import PathLike, Raster, bilinear_on_grid, read_around
from oggm_glaunti.coupling.ground.terrain import Terrain, find_terrain
from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError, entity_task

settings.register()

log = logging.getLogger(__name__)

# Shares of cells without a height in any year up to which they are filled: of the rectangle, whose margins tiles cut
# for glaciers often miss (Grosser Aletsch: 8 %), and of the glacier itself.
MOST_MISSING, MOST_MISSING_ON_GLACIER = 0.25, 0.5
# Attributes of the imputation on the directory's cells, which are not those of the input.
_NOT_OF_THE_INPUT = ("shift_rows", "shift_cols", "nmad_before", "nmad_after", "median_dh")


class _Placed(NamedTuple):
    """Yearly layers on the glacier's cells, and how they were moved there.

    `difference` to the directory's DEM is NaN on the glacier; `moves` are the shifts of each tile towards east and
    north, m, and `seams` the rows and columns by which the seams between tiles are off whole degrees.
    """

    z: NDArray[np.float32]
    z_std: NDArray[np.float32]
    difference: Floats
    moves: dict[int, tuple[float, float]]
    seams: tuple[int, int]
    nmad_before: float


@entity_task(log, writes=["glaunti_dem_stack"])
def process_dem_stack(
    gdir: GlacierDirectory,
    *,
    z: Mapping[int, PathLike] | PathLike,
    z_std: Mapping[int, PathLike] | None = None,
    glacier: str | None = None,
    dem_file: PathLike | None = None,
    vertical_datum: str | None = None,
    geoid_height: float | PathLike | None = None,
    coregister: bool = True,
    imputation: Mapping[str, Any] | None = None,
    filesuffix: str = "",
) -> None:
    """Write yearly surfaces without voids, on the cells of the glacier's features, to ``glaunti_dem_stack.nc``.

    Every year is resampled bilinearly. Outline and DEM of the directory are the reference frame, so the stack is moved
    onto the DEM (by the shift that minimises the scatter of their differences around the glacier, for each tile of one
    degree separately: the yearly DEMs of Hugonnet et al. 2021 have different offsets from tile to tile) and into its
    vertical datum. Cells without a height, also those that the input does not cover, are imputed from the difference
    between stack and DEM elsewhere, and flagged.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        Glacier directory to process
    z : mapping of years to paths, or path
        Surface elevations, m: a raster for each year; or a folder in the layout of the published example (see
        :mod:`oggm_glaunti.companions.dem.tiles`); or a NetCDF file with ``z`` and ``z_std`` or ``zstddev`` (year, y,
        x), for example a file of ``oggm-glaunti impute-dem``, whose imputed pixels are imputed again, here from the
        directory's DEM
    z_std : mapping of years to paths
        Rasters of the 1-sigma uncertainty, m, for the same years; only if `z` is a mapping
    glacier : str, optional
        Name of the glacier in the folder; required if it holds several
    dem_file : path, optional
        Raster of heights (m) to use instead of the directory's DEM, as for ``glaunti_features``
    vertical_datum : {'ellipsoid', 'geoid'}, optional
        Datum of the input. Heights above the ellipsoid are lowered by the geoid height. By default the median
        difference to the directory's DEM on stable ground decides: below 5 m it is ignored, above it is subtracted,
        with a warning
    geoid_height : float or path, optional
        Height of the geoid above the ellipsoid, m: a number, or a raster, resampled bilinearly. By default the median
        difference on stable ground: outside the glacier, less than 30 degrees steep, and moving less than 0.1 m a year
    coregister : bool
        Whether to move the stack; False if its position is correct
    imputation : mapping, optional
        `method`, `seed` and `options` of :func:`oggm_glaunti.companions.dem.impute.impute_dem_stack`, for example
        ``{"method": "kriging"}``
    filesuffix : str
        Suffix of the file written

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If more than 25 % of the cells, or 50 % of the glacier's, have no height in any year, if the ground around the
        glacier does not determine the position of the stack, or the file cannot be written
    oggm.exceptions.InvalidParamsError
        If input is missing, cannot be read, does not overlap the glacier, is not in the stated datum, or if
        `imputation` names anything else
    """
    require_datum(gdir.rgi_id, vertical_datum, geoid_height)
    chosen = imputation or {}
    if unknown := set(chosen) - {"method", "seed", "options"}:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: imputation names {', '.join(sorted(unknown))}; expected method, seed and options only"
        )
    grid, outline = outline_on_grid(gdir)
    on_glacier = outline > 0
    terrain = find_terrain(gdir, grid, dem_file)
    inputs = read_inputs(gdir.rgi_id, z, z_std, grid, glacier)
    years = np.array(inputs.years)
    placed = _placed(gdir, inputs, grid, terrain, on_glacier, coregister)
    geoid, geoid_source = _geoid(gdir, grid, geoid_height)
    stable, stable_in_words = stable_ground(gdir.rgi_id, placed.difference, placed.z, years, terrain.elevation)
    datum = find_datum(gdir.rgi_id, stable, vertical_datum, geoid, geoid_source)
    _log_datum(gdir, datum)
    heights = xr.DataArray(placed.z - datum.shift, {"year": years, "y": grid.y, "x": grid.x}, ("year", "y", "x"))
    try:
        filled = impute_dem_stack(heights, placed.z_std, terrain.elevation, mask=on_glacier, coregister=False, **chosen)
    except ValueError as err:
        raise InvalidParamsError(f"{gdir.rgi_id}: yearly heights cannot be completed: {err}") from err
    fields = {name: filled[name].values for name in ("z", "z_std", "imputed", "dh_trend")}
    stack = DemStack(years=years, **fields, x=grid.x, y=grid.y, crs=grid.crs)
    attributes = {
        **_about(inputs, placed, datum, terrain, coregister),
        "stable_ground": stable_in_words,
        "median_difference": float(np.nanmedian(stable - datum.shift)),
        **{
            k: v.item() if isinstance(v, np.generic) else v
            for k, v in filled.attrs.items()
            if k not in _NOT_OF_THE_INPUT
        },
        "imputed_share": float(stack.imputed.mean()),
        "imputed_share_glacier": float(stack.imputed[:, on_glacier].mean()),
    }
    path = write_dem_stack(gdir, stack, attributes, filesuffix)
    share = 100 * stack.imputed.mean()
    log.info("(%s) %s: %d years, %.3g %% imputed", gdir.rgi_id, path.name, years.size, share)


def _placed(
    gdir: GlacierDirectory, inputs: YearlyRasters, grid: CellGrid, terrain: Terrain, glacier: Mask, coregister: bool
) -> _Placed:
    dem = terrain.elevation.astype(np.float64)
    z = on_cells(inputs.z, grid)
    before = _difference_outside(gdir, z, dem, glacier)
    if not coregister:
        z_std = on_cells(inputs.z_std, grid)
        _require_heights(gdir, z, glacier, inputs, grid)
        return _Placed(z, z_std, before, {0: (0.0, 0.0)}, (0, 0), _scatter(before))
    try:
        # These shifts move the DEM under the stack; the stack is moved by the opposite.
        found = find_registration(mean_of_years(z), dem, ~glacier, degree_tiles(grid.x, grid.y, grid.crs))
    except ValueError as err:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: how the stack lies beside the glacier, in cells of {settings.CELL_SIZE:g} m of the "
            f"directory's DEM: {err} coregister=False leaves it where it is."
        ) from err
    moves = {k: (-settings.CELL_SIZE * s.cols, settings.CELL_SIZE * s.rows) for k, s in found.shifts.items()}
    cells = _cells_of_pieces(grid, found, moves)
    z, z_std = (_on_moved_cells(rasters, grid, cells, moves) for rasters in (inputs.z, inputs.z_std))
    _require_heights(gdir, z, glacier, inputs, grid)
    return _Placed(z, z_std, _difference_outside(gdir, z, dem, glacier), moves, found.seams, _scatter(before))


def _cells_of_pieces(grid: CellGrid, found: Registration, moves: dict[int, tuple[float, float]]) -> dict[int, Mask]:
    """Return the cells (H, W) that are on each piece after its shift; pieces that move apart leave a gap."""
    cells = {}
    for label, (east, north) in moves.items():
        seen_from = degree_tiles(grid.x - east, grid.y - north, grid.crs)
        seen_from = np.where(np.isin(seen_from, list(moves)), seen_from, found.pieces)
        cells[label] = move_labels(seen_from, found.seams) == label
    return cells


def _on_moved_cells(
    rasters: tuple[Raster, ...], grid: CellGrid, cells: dict[int, Mask], moves: dict[int, tuple[float, float]]
) -> NDArray[np.float32]:
    """Return layers (K, H, W) with every piece moved by its shift, the last on top; gaps between them are void."""
    layers = np.full((sum(len(raster.values) for raster in rasters), *grid.shape), np.nan, np.float32)
    for label, here in cells.items():
        layers[:, here] = on_cells(rasters, grid, *moves[label])[:, here]
    return layers


def mean_of_years(z: NDArray[np.floating]) -> Floats:
    """Average over the years (K, H, W) that have a value, (H, W); NaN if none has.

    Examples
    --------
    >>> mean_of_years(np.array([[[1.0, np.nan, np.nan]], [[3.0, 5.0, np.nan]]])).tolist()
    [[2.0, 5.0, nan]]
    """
    known = np.isfinite(z)
    count = known.sum(axis=0)
    total = np.where(known, z, 0.0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _difference_outside(gdir: GlacierDirectory, z: NDArray[np.float32], dem: Floats, glacier: Mask) -> Floats:
    difference = np.where(glacier, np.nan, mean_of_years(z) - dem)
    count = np.isfinite(difference).sum()
    if count < LEAST_COMPARED:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: beside the glacier the stack has heights in {count} of {(~glacier).sum()} cells; expected "
            f"{LEAST_COMPARED} or more to find its position and vertical datum. Give rasters that reach beyond the ice."
        )
    return difference


def _scatter(difference: Floats) -> float:
    return float(nmad(difference[np.isfinite(difference)]))


def _require_heights(
    gdir: GlacierDirectory, z: NDArray[np.float32], glacier: Mask, inputs: YearlyRasters, grid: CellGrid
) -> None:
    missing = np.asarray(np.isnan(z).all(axis=0))
    share, on_glacier = missing.mean(), missing[glacier].mean()
    if share > MOST_MISSING or on_glacier > MOST_MISSING_ON_GLACIER:
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: {100 * share:.3g} % of the {missing.size} cells of the glacier's maps (outline and "
            f"{settings.MARGIN_CELLS} cells around it) and {100 * on_glacier:.3g} % of the glacier's have no height in "
            f"any year of {inputs.files[0].name} ...; up to {100 * MOST_MISSING:.0f} % and "
            f"{100 * MOST_MISSING_ON_GLACIER:.0f} % are filled. The maps reach from x {grid.bounds[0]:.0f}, y "
            f"{grid.bounds[1]:.0f} to x {grid.bounds[2]:.0f}, y {grid.bounds[3]:.0f} in {grid.crs.name}."
        )


def _geoid(
    gdir: GlacierDirectory, grid: CellGrid, given: float | PathLike | None
) -> tuple[float | NDArray[np.float32] | None, str]:
    if not isinstance(given, str | os.PathLike):
        if given is not None and not np.isfinite(given):
            raise InvalidParamsError(
                f"{gdir.rgi_id}: geoid_height is {given}; expected a number of metres, or a raster"
            )
        return (None, "") if given is None else (float(given), f"constant, {float(given):g} m")
    label = f"{gdir.rgi_id}: geoid_height"
    values = bilinear_on_grid(read_around(label, [given], grid), grid)[0]
    if np.isnan(values).any():
        raise InvalidParamsError(
            f"{label}: {os.fspath(given)} has no value in {100 * np.isnan(values).mean():.3g} % of the cells of the "
            "glacier's maps; expected one in every cell"
        )
    return values, Path(given).name


def _log_datum(gdir: GlacierDirectory, datum: Datum) -> None:
    shift = float(np.median(datum.shift))
    if datum.unsure:
        log.warning(
            "(%s) yearly heights: %.2f m are subtracted, their median difference to the directory's DEM on stable "
            "ground, taken for that of ellipsoid and geoid. Set vertical_datum='ellipsoid' or 'geoid' to be sure",
            gdir.rgi_id,
            shift,
        )
    else:
        log.info("(%s) yearly heights: %.2f m are subtracted (%s)", gdir.rgi_id, shift, datum.source)


def _about(
    inputs: YearlyRasters, placed: _Placed, datum: Datum, terrain: Terrain, coregister: bool
) -> dict[str, str | float | list[float]]:
    of_dem = f"that of the directory's DEM ({terrain.source}), in OGGM above the geoid"
    of_file = f"that of {terrain.origin}, whatever that is"
    return {
        "source_files": ", ".join(path.name for path in inputs.files),
        "source_sha256": inputs.sha256(),
        "dem_source": terrain.source,
        "dem_origin": terrain.origin,
        "dem_files": ", ".join(terrain.files),
        "dem_sha256": hashlib.sha256(terrain.elevation.tobytes()).hexdigest(),
        "vertical_datum": of_file if terrain.origin.endswith("(dem_file)") else of_dem,
        "input_vertical_datum": datum.said,
        "vertical_shift": float(np.median(datum.shift)),
        "vertical_shift_source": datum.source,
        "coregistered": "beside the glacier" if coregister else "no",
        "tiles": ", ".join(tile_name(label) for label in placed.moves) if coregister else "all",
        "shift_east": [east for east, _ in placed.moves.values()],
        "shift_north": [north for _, north in placed.moves.values()],
        "seams": list(placed.seams),
        "nmad_before": placed.nmad_before,
        "nmad_after": _scatter(placed.difference - datum.shift),
    }
