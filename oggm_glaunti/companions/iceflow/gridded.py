"""The maps of a glacier directory that velocities are read from, compared on and written to: ``gridded_data.nc``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from scipy import ndimage

from oggm_glaunti.coupling.oggm.from_oggm import GlacierDirectory, InvalidParamsError, InvalidWorkflowError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK, netcdf_file
from oggm_glaunti.coupling.oggm.writing import writing

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Share of a map's cells that are exactly 0 from which those are held to be without data.
MANY_ZEROS = 0.02


class Maps(NamedTuple):
    """The grid of a directory's maps.

    Attributes
    ----------
    x, y : float (W,), (H,)
        Cell centres, m; y falls
    crs : pyproj.CRS
    dx : float
        Cell size, m
    glacier : bool (H, W)
    topo : float (H, W)
        m
    """

    x: Floats
    y: Floats
    crs: CRS
    dx: float
    glacier: Mask
    topo: Floats

    def distance(self) -> Floats:
        """Distance to the outline, m: positive on the glacier, negative outside."""
        inside, outside = (ndimage.distance_transform_edt(mask) for mask in (self.glacier, ~self.glacier))
        return self.dx * (inside - outside)


def maps_of(gdir: GlacierDirectory) -> Maps:
    """Return the grid of a directory.

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If there is no ``gridded_data.nc`` with a glacier mask yet
    """
    fields = read_maps(gdir, "glacier_mask", "topo", task="simple_glacier_masks")
    grid = gdir.grid.center_grid
    glacier = np.nan_to_num(fields["glacier_mask"]) > 0
    crs = CRS.from_user_input(grid.proj.srs)
    return Maps(np.array(grid.x_coord), np.array(grid.y_coord), crs, float(grid.dx), glacier, fields["topo"])


def read_maps(gdir: GlacierDirectory, *names: str, task: str = "") -> dict[str, Floats]:
    """Read maps (H, W), NaN if missing.

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If the file or a map in it is missing; names the task that makes it
    """
    if not gdir.has_file("gridded_data"):
        raise InvalidWorkflowError(f"{gdir.rgi_id}: gridded_data.nc is missing; run OGGM's simple_glacier_masks first")
    path = Path(gdir.get_filepath("gridded_data"))
    try:
        with netcdf_file(path) as nc:
            if missing := [name for name in names if name not in nc.variables]:
                how = f"; run {task or _makes(missing[0])} first"
                raise InvalidWorkflowError(f"{gdir.rgi_id}: gridded_data.nc holds no {', '.join(missing)}{how}")
            return {
                name: np.ma.filled(np.ma.masked_array(nc.variables[name][...], dtype=np.float64), np.nan)
                for name in names
            }
    except (OSError, RuntimeError) as err:
        raise InvalidWorkflowError(f"{gdir.rgi_id}: {path} cannot be read ({err})") from err


def _makes(name: str) -> str:
    tasks = {
        "iceflow": "iceflow_velocity",
        "itslive": "oggm.shop.its_live.itslive_velocity_to_gdir",
        "millan_v": "oggm.shop.millan22.millan_velocity_to_gdir",
        "millan_ice": "oggm.shop.millan22.millan_thickness_to_gdir",
        "consensus": "oggm.shop.bedtopo.add_consensus_thickness",
        "hugonnet": "oggm.shop.hugonnet_maps.hugonnet_to_gdir",
        "distributed": "OGGM's distribute_thickness_per_altitude",
    }
    return next((task for start, task in tasks.items() if name.startswith(start)), "the task that writes it")


def velocity_maps(gdir: GlacierDirectory, name: str) -> tuple[Floats, Floats, float]:
    """Return the components of a velocity map, m yr-1, NaN where there is none, and the share of zeros found.

    Maps that hold zeros where they have no data (Millan et al. 2022 as OGGM writes it) have NaN there.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If all of a map is missing
    """
    x, y = (f"{name}_vx", f"{name}_vy")
    fields = read_maps(gdir, x, y)
    vx, vy = fields[x], fields[y]
    zero = (vx == 0) & (vy == 0)
    share = float(zero.mean())
    if share > MANY_ZEROS:
        vx, vy = (np.where(zero, np.nan, part) for part in (vx, vy))
    if not (np.isfinite(vx) & np.isfinite(vy)).any():
        raise InvalidParamsError(f"{gdir.rgi_id}: {x} and {y} hold no velocity anywhere: all cells are missing or 0")
    return vx, vy, share if share > MANY_ZEROS else 0.0


def write_maps(gdir: GlacierDirectory, fields: Mapping[str, tuple[NDArray[Any], Mapping[str, Any]]]) -> Path:
    """Add maps to ``gridded_data.nc``, all or none: the file is copied, extended and put in its place.

    Parameters
    ----------
    gdir : GlacierDirectory
    fields : mapping
        Name to array (H, W), float or of flags (int8), and attributes

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        If the file cannot be written
    """
    path = Path(gdir.get_filepath("gridded_data"))
    with writing(path, gdir.rgi_id) as temporary:
        shutil.copyfile(path, temporary)
        with HDF5_LOCK, netCDF4.Dataset(temporary, "a") as nc:
            for name, (values, attributes) in fields.items():
                flags = values.dtype == np.int8
                if name in nc.variables:
                    variable = nc.variables[name]
                else:
                    how = {"fill_value": False} if flags else {"fill_value": np.nan}
                    variable = nc.createVariable(name, "i1" if flags else "f4", ("y", "x"), zlib=True, **how)
                for old in set(variable.ncattrs()) - {"_FillValue"}:
                    variable.delncattr(old)
                variable.setncatts(dict(attributes))
                variable[:] = values
    return path
