"""Heights for a glacier's maps: which DEM is taken, and when none is good enough."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from oggm import cfg, exceptions, utils
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from rasterio.warp import transform_bounds

from oggm_glaunti import settings
from oggm_glaunti.coupling.ground.dem_checks import UNDECLARED_NODATA, pixel_size, require_declared, require_heights
from oggm_glaunti.coupling.ground.grid import CellGrid, directory_grid
from oggm_glaunti.coupling.ground.rasters import PathLike, bilinear_on_grid, read_around
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file

# By which OGGM says that tiles cannot be had. TypeError: it opens the list of Copernicus tiles before looking whether
# that could be downloaded.
_NO_TILES = (
    exceptions.InvalidDEMError,
    InvalidParamsError,
    exceptions.NoInternetException,
    exceptions.HttpDownloadError,
    exceptions.HttpContentTooShortError,
    exceptions.FTPSDownloadError,
    exceptions.DownloadCredentialsMissingException,
    OSError,
    TypeError,
)


class Terrain(NamedTuple):
    """Heights on a grid and where they come from.

    Attributes
    ----------
    elevation : float32 array (H, W)
        m; NaN where the DEM has no value
    source : str
        OGGM's name of the DEM, or USER
    origin : str
        what was read
    files : tuple of str
        names of the files
    """

    elevation: NDArray[np.float32]
    source: str
    origin: str
    files: tuple[str, ...]

    @property
    def missing(self) -> float:
        """Share of the cells without a value."""
        return float(np.isnan(self.elevation).mean())


def find_terrain(gdir: Any, grid: CellGrid, dem_file: PathLike | None = None) -> Terrain:
    """Find the heights of all cells, from the best DEM that covers them.

    In this order: `dem_file`, and then no other; ``topo`` of ``gridded_data.nc`` where the directory's own grid has
    these very cells; the file the directory was made from, where it is still ``cfg.PATHS['dem_file']``; the
    directory's ``dem.tif``; the tiles of the directory's DEM source, which OGGM downloads. Cells that OGGM filled by
    interpolation count as missing. Resampling is bilinear. As in OGGM, missing values of the Copernicus DEM are sea
    and ``cfg.PARAMS['clip_dem_to_zero']`` holds.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    grid : CellGrid
    dem_file : path, optional
        a raster of heights in m

    Returns
    -------
    Terrain
        without NaN

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if no DEM covers all cells; the message lists each with its share of missing cells
    oggm.exceptions.InvalidParamsError
        if a file cannot be read, does not overlap, or holds invalid heights
    """
    if dem_file is not None:
        found: list[Terrain | str] = [_from_file(gdir, grid, dem_file, "dem_file")]
        remedy = "Give a dem_file that covers them all."
    else:
        found = []
        for look in (_from_gridded_data, _from_users_file, _from_dem_tif, _from_tiles):
            found.append(look(gdir, grid))
            if isinstance(found[-1], Terrain) and not found[-1].missing:
                break
        remedy = "Give a dem_file, or make the glacier directory with a larger cfg.PARAMS['border']."
    terrain = found[-1]
    if isinstance(terrain, str) or terrain.missing:
        reasons = [t if isinstance(t, str) else f"{t.origin} misses {100 * t.missing:.3g} % of them" for t in found]
        rows, columns = grid.shape
        raise InvalidWorkflowError(
            f"{gdir.rgi_id}: heights are needed for {rows} x {columns} cells of {settings.CELL_SIZE:.0f} m, the "
            f"outline and {settings.MARGIN_CELLS} cells around it, and terrain is never invented: "
            f"{'; '.join(reasons)}. {remedy}"
        )
    return _possible(gdir, terrain)


def _possible(gdir: Any, terrain: Terrain) -> Terrain:
    heights = np.maximum(terrain.elevation, 0.0) if cfg.PARAMS["clip_dem_to_zero"] else terrain.elevation
    require_heights(gdir.rgi_id, terrain.origin, heights)
    return terrain._replace(elevation=heights.astype(np.float32))


def _from_gridded_data(gdir: Any, grid: CellGrid) -> Terrain | str:
    own = directory_grid(gdir)
    if own is None or own.crs != grid.crs:
        return "the directory's own grid is not north-up UTM with cells of 100 m"
    start = grid.offset_in(own)
    if start is None:
        return "the directory's own grid does not reach as far"
    if not gdir.has_file("gridded_data"):
        return "gridded_data.nc is not there yet"
    window = slice(start[0], start[0] + grid.shape[0]), slice(start[1], start[1] + grid.shape[1])
    with netcdf_file(gdir.get_filepath("gridded_data")) as nc:
        if "topo" not in nc.variables:
            return "gridded_data.nc has no topo"
        topo = np.ma.filled(nc["topo"][window].astype(np.float32), np.nan)
        if "topo_valid_mask" in nc.variables:
            topo[nc["topo_valid_mask"][window] == 0] = np.nan
    require_declared(gdir.rgi_id, "gridded_data.nc", topo, settings.CELL_SIZE)
    return Terrain(topo, _recorded_source(gdir), "topo of gridded_data.nc", ("gridded_data.nc",))


def _from_users_file(gdir: Any, grid: CellGrid) -> Terrain | str:
    path = cfg.PATHS.get("dem_file", "")
    if _recorded_source(gdir) != "USER":
        return "the directory was not made from a DEM of the user's"
    # Another glacier's DEM may be set by now.
    recorded = Path(gdir.get_filepath("dem_source"))
    if not path or not recorded.exists() or Path(path).name not in recorded.read_text("utf-8").splitlines():
        return "cfg.PATHS['dem_file'] is not the file that the directory was made from"
    return _from_file(gdir, grid, path, "cfg.PATHS['dem_file']")


def _from_file(gdir: Any, grid: CellGrid, path: PathLike, what: str) -> Terrain:
    name = Path(path).name
    return Terrain(_heights(gdir, what, [path], grid, "USER"), "USER", f"{name} ({what})", (name,))


def _from_dem_tif(gdir: Any, grid: CellGrid) -> Terrain | str:
    if not gdir.has_file("dem"):
        return "the directory has no dem.tif"
    source = _recorded_source(gdir)
    heights = _heights(gdir, "dem.tif", [gdir.get_filepath("dem")], grid, source)
    return Terrain(heights, source, "the directory's dem.tif", ("dem.tif",))


def _from_tiles(gdir: Any, grid: CellGrid) -> Terrain | str:
    source = _recorded_source(gdir)
    if source not in utils.DEM_SOURCES:
        return f"the directory names no DEM that OGGM can download (found {source or 'none'})"
    west, south, east, north = transform_bounds(grid.crs.to_wkt(), "EPSG:4326", *grid.bounds, densify_pts=21)
    try:
        files, _ = utils.get_topo_file(
            (west, east), (south, north), gdir=gdir, dx_meter=settings.CELL_SIZE, source=source
        )
    except _NO_TILES as err:
        return f"tiles of {source} cannot be had ({type(err).__name__}: {err})"
    heights = _heights(gdir, source, files, grid, source)
    return Terrain(heights, source, f"tiles of {source}", tuple(Path(f).name for f in files))


def _heights(gdir: Any, what: str, files: list[Any], grid: CellGrid, source: str) -> NDArray[np.float32]:
    raster = read_around(f"{gdir.rgi_id}: {what}", files, grid)
    values = np.where(raster.values <= UNDECLARED_NODATA, np.float32(np.nan), raster.values)
    require_declared(gdir.rgi_id, ", ".join(Path(path).name for path in files), values[0], pixel_size(raster))
    if source.startswith("COPDEM"):
        values = np.where(np.isnan(values) & raster.covered, np.float32(0.0), values)
    return bilinear_on_grid(raster._replace(values=values), grid)[0]


def _recorded_source(gdir: Any) -> str:
    return gdir.get_diagnostics().get("dem_source") or getattr(gdir, "rgi_dem_source", None) or ""
