"""An invented valley as a glacier directory, and yearly surfaces of it that lie a known bit wrong."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import rasterio

from oggm_glaunti.workflows import valley

YEARS = (2001, 2002, 2003, 2004)
# m: how the stack lies wrong, and what its heights have too much.
EAST, NORTH, OFFSET = 45.0, -30.0, 48.0
TREND = -1.5  # m yr-1
# m around the glacier's head: what the rasters cover; the maps of the glacier lie inside.
EXTENT = {"west": -3500.0, "east": 3600.0, "south": -2300.0, "north": 7000.0}
CELL = 100.0


def make_gdir(folder: Path):
    """The valley's outline and DEM on OGGM's own grid, in a working directory that OGGM already knows."""
    from oggm import GlacierDirectory, cfg, tasks

    cfg.PATHS["dem_file"] = str(valley.write_dem(folder / "dem.tif"))
    entity = valley.valley_outline().iloc[0]
    gdir = GlacierDirectory(entity, base_dir=str(folder / "per_glacier"), reset=True)
    tasks.define_glacier_region(gdir, entity=entity, source="USER")
    return gdir


def axes(cell: float = CELL, **extent: float) -> tuple[np.ndarray, np.ndarray]:
    """Eastings and northings of cell centres."""
    edges = {**EXTENT, **extent}
    east = np.arange(edges["west"] + cell / 2, edges["east"], cell) + valley.HEAD_EASTING
    north = np.arange(edges["north"] - cell / 2, edges["south"], -cell) + valley.HEAD_NORTHING
    return east, north


def surfaces(x: np.ndarray, y: np.ndarray, offset: float = OFFSET, void=None) -> np.ndarray:
    """Heights (K, H, W) of the valley moved by EAST and NORTH, too high by an offset, sinking everywhere."""
    ground = valley.valley_surface(x[None, :] - EAST, y[:, None] - NORTH)
    z = np.stack([ground + offset + TREND * (year - np.mean(YEARS)) for year in YEARS]).astype("float32")
    if void is not None:
        z[:, void[0], void[1]] = np.nan
    return z


def write_raster(path: Path, values: np.ndarray, x: np.ndarray, y: np.ndarray, crs: str = valley.CRS) -> Path:
    cell = x[1] - x[0]
    transform = rasterio.Affine(cell, 0, x[0] - cell / 2, 0, -cell, y[0] + cell / 2)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": -9999.0, "crs": crs, "transform": transform}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", height=y.size, width=x.size, **profile) as tif:
        tif.write(np.nan_to_num(values, nan=-9999.0).astype("float32"), 1)
    return path


def write_years(folder: Path, cell: float = CELL, void=None, offset: float = OFFSET, std: float = 6.0, **extent: float):
    """Rasters by year; returns the two arguments of ``process_dem_stack``."""
    x, y = axes(cell, **extent)
    z = surfaces(x, y, offset, void)
    heights = {year: write_raster(folder / f"z_{year}.tif", layer, x, y) for year, layer in zip(YEARS, z, strict=True)}
    spread = {
        year: write_raster(folder / f"s_{year}.tif", np.where(np.isnan(layer), np.nan, std), x, y)
        for year, layer in zip(YEARS, z, strict=True)
    }
    return {"z": heights, "z_std": spread}


def write_tiles(
    folder: Path, name: str = "Old_Valley 2", void=(slice(5, 8), slice(10, 14)), cell: float = CELL
) -> Path:
    """The same in the layout of the published example, with the valley as it is for the reference."""
    x, y = axes(cell)
    ground = valley.valley_surface(x[None, :], y[:, None])
    for year, layer in zip(YEARS, surfaces(x, y, void=void), strict=True):
        tiles = folder / "hugonnet_dems" / "tiles"
        write_raster(tiles / f"Z_{name}_{year}.tif", layer, x, y)
        write_raster(tiles / f"ZSTDDEV_{name}_{year}.tif", np.where(np.isnan(layer), np.nan, 6.0), x, y)
    for kind, values in {"elevation": ground, "slope": 0 * ground + 20.0, "aspect": 0 * ground + 10.0}.items():
        write_raster(folder / "cop30dem" / kind / f"{name}.tif", values, x, y)
    return folder


def write_netcdf(path: Path, std_name: str = "zstddev", south_up: bool = False, void=None) -> Path:
    """The same as the authors' dem.nc."""
    x, y = axes()
    z = surfaces(x, y, void=void)
    if south_up:
        y, z = y[::-1], z[:, ::-1]
    with netCDF4.Dataset(path, "w") as nc:
        for name, values in (("year", np.array(YEARS)), ("y", y), ("x", x)):
            nc.createDimension(name, values.size)
            nc.createVariable(name, values.dtype, (name,))[:] = values
        nc.createVariable("crs", "i4").crs_wkt = rasterio.crs.CRS.from_string(valley.CRS).to_wkt()
        for name, values in (("z", z), (std_name, np.where(np.isnan(z), np.nan, 6.0))):
            variable = nc.createVariable(name, "f4", ("year", "y", "x"), fill_value=np.nan)
            variable.grid_mapping = "crs"
            variable[:] = values
    return path
