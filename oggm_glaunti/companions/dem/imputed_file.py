"""CF NetCDF file of a stack without voids, on the cells of its tiles."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import CRS

from oggm_glaunti.coupling.ground.dem_stack_file import STACK_VARIABLES
from oggm_glaunti.files import replacing

IMPUTED_VARIABLES = {
    **STACK_VARIABLES,
    "reference": {
        "long_name": "surface elevation of the reference, moved under the surface",
        "standard_name": "surface_altitude",
        "units": "m",
    },
}


def write_imputed(path: Path, filled: xr.Dataset, crs: CRS, about: Mapping[str, str]) -> None:
    """Write a result of :func:`oggm_glaunti.companions.dem.impute.impute_dem_stack`, completely or not at all.

    Parameters
    ----------
    path : path
        File to write; its folder is created if missing
    filled : xarray.Dataset
        Result with coordinates year, and y and x in m
    crs : pyproj.CRS
        Coordinate system
    about : mapping
        Global attributes, in addition to the usual ones and those of `filled`

    Raises
    ------
    OSError
        If the file cannot be written
    """
    usual = {
        "Conventions": "CF-1.8",
        "title": "Yearly surfaces without voids",
        "source": f"oggm-glaunti {version('oggm-glaunti')}",
    }
    made = filled.assign(imputed=filled["imputed"].astype(np.int8), crs=((), np.int32(0), _grid_mapping(filled, crs)))
    made.attrs = {**usual, **filled.attrs, **about}
    for name, attributes in IMPUTED_VARIABLES.items():
        made[name].attrs = {**attributes, "grid_mapping": "crs"}
    made["year"].attrs = {"long_name": "calendar year; the surface is that of its 1 January", "units": "1"}
    for axis in ("x", "y"):
        made[axis].attrs = {"units": "m", "axis": axis.upper(), "standard_name": f"projection_{axis}_coordinate"}
    encoding = {name: {"zlib": True, "complevel": 1, "_FillValue": None} for name in IMPUTED_VARIABLES}
    encoding |= {axis: {"_FillValue": None} for axis in ("x", "y")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        made.to_netcdf(temporary, engine="netcdf4", encoding=encoding)


def _grid_mapping(filled: xr.Dataset, crs: CRS) -> dict[str, object]:
    x, y = (filled[axis].values for axis in ("x", "y"))
    wide, tall = x[1] - x[0], y[1] - y[0]
    transform = (x[0] - wide / 2, wide, 0.0, y[0] - tall / 2, 0.0, tall)
    wkt = crs.to_wkt()
    words = {"crs_wkt": wkt, "spatial_ref": wkt, "GeoTransform": " ".join(repr(float(number)) for number in transform)}
    return {**crs.to_cf(), **words}
