"""Yearly surfaces in the layout of the published example, and the file of those without voids.

The example has a GeoTIFF per year and glacier, and a reference DEM.

``hugonnet_dems/tiles/Z_NAME_YEAR.tif`` and ``ZSTDDEV_NAME_YEAR.tif`` hold heights and their standard deviations,
``cop30dem/{elevation,slope,aspect}/NAME.tif`` the reference; names may contain spaces and underscores.
"""

import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import rasterio
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio import Affine
from rasterio.errors import RasterioIOError

from oggm_glaunti.companions.dem.arrays import Floats
from oggm_glaunti.coupling.ground.dem_stack_file import STACK_VARIABLES
from oggm_glaunti.coupling.ground.rasters import PathLike
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.files import replacing

YEARLY, REFERENCE = "hugonnet_dems/tiles", "cop30dem"
# Variables of the dataset, and the prefixes or folders of their files.
_YEARLY = {"z": "Z", "z_std": "ZSTDDEV"}
_REFERENCE = {"dem_ref": "elevation", "slope": "slope", "aspect": "aspect"}
_YEARLY_NAME = re.compile(r"(Z|ZSTDDEV)_(?P<name>.+)_(?P<year>\d{4})\.tif")
_ABOUT = {
    "z": {"long_name": "surface elevation", "units": "m"},
    "z_std": {"long_name": "1-sigma uncertainty of the surface elevation", "units": "m"},
    "dem_ref": {"long_name": "surface elevation of the reference", "units": "m"},
    "slope": {"long_name": "slope of the reference", "units": "degree"},
    "aspect": {"long_name": "direction into which the reference falls, clockwise from north", "units": "degree"},
    "pieces": {"long_name": "tile of one degree in which the cell lies", "units": "1"},
}
IMPUTED_VARIABLES = {
    **STACK_VARIABLES,
    "reference": {
        "long_name": "surface elevation of the reference, moved under the surface",
        "standard_name": "surface_altitude",
        "units": "m",
    },
}
# Share of a cell by which equal grids may differ.
_SAME_CELL = 1e-3


class YearlyFiles(NamedTuple):
    """Files of one glacier by year."""

    name: str
    z: dict[int, Path]
    z_std: dict[int, Path]


class _Layer(NamedTuple):
    """One raster file in memory."""

    values: NDArray[np.float32]
    transform: Affine
    crs: CRS

    def __str__(self) -> str:
        rows, columns = self.values.shape
        a, _, west, _, e, north = self.transform[:6]
        code = self.crs.to_epsg()
        crs = self.crs.name if code is None else f"EPSG:{code}"
        return f"{rows} x {columns} cells of {a:g} x {-e:g} m from x {west:g}, y {north:g} in {crs}"

    def same_cells(self, other: Self) -> bool:
        one, two = (np.array(layer.transform[:6]) for layer in (self, other))
        near = np.abs(one - two).max() <= _SAME_CELL * abs(one[0])
        return self.values.shape == other.values.shape and bool(near) and self.crs == other.crs


def glacier_names(folder: PathLike) -> list[str]:
    """Return the names of the glaciers of which a folder holds yearly heights.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If it holds none
    """
    tiles = Path(folder) / YEARLY
    names = sorted({match["name"] for path in tiles.glob("Z_*.tif") if (match := _YEARLY_NAME.fullmatch(path.name))})
    if not names:
        found = "has no file of that name" if tiles.is_dir() else "does not exist"
        raise InvalidParamsError(f"{folder}: expected {YEARLY}/Z_NAME_YEAR.tif; the folder {tiles} {found}")
    return names


def chosen_glacier(folder: PathLike, name: str | None = None) -> str:
    """Return the given glacier, or the only one that a folder holds.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If none is given and there are several; the message lists them
    """
    names = [name] if name is not None else glacier_names(folder)
    if len(names) > 1:
        raise InvalidParamsError(f"{folder} holds {len(names)} glaciers; say which one: {', '.join(names)}")
    return names[0]


def yearly_files(folder: PathLike, name: str) -> YearlyFiles:
    """Find the files of the yearly heights of a glacier and of their standard deviations.

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If there is no such glacier (the message lists those that exist), or a year has only one of the two files
    """
    names = glacier_names(folder)
    if name not in names:
        raise InvalidParamsError(f"{folder}: no glacier {name!r}; there are: {', '.join(names)}")
    z, z_std = (_by_year(Path(folder) / YEARLY, kind, name) for kind in _YEARLY.values())
    require_same_years(f"{folder}: {name}", z, z_std, *_YEARLY.values())
    return YearlyFiles(name, z, z_std)


def _by_year(tiles: Path, kind: str, name: str) -> dict[int, Path]:
    found = {path: _YEARLY_NAME.fullmatch(path.name) for path in sorted(tiles.glob(f"{kind}_*.tif"))}
    return {int(match["year"]): path for path, match in found.items() if match is not None and match["name"] == name}


def require_same_years(label: str, z: Iterable[int], z_std: Iterable[int], z_name: str, std_name: str) -> None:
    """Raise an InvalidParamsError that names the years that only one of two series has."""
    one, two = set(z), set(z_std)
    gaps = [
        f"{name} is missing for {', '.join(map(str, sorted(years)))}"
        for name, years in ((std_name, one - two), (z_name, two - one))
        if years
    ]
    if gaps:
        raise InvalidParamsError(f"{label}: {' and '.join(gaps)}; every year needs heights and standard deviations")


def read_tiles(folder: PathLike, name: str) -> xr.Dataset:
    """Read the yearly surfaces of a glacier and the reference DEM, on the tiles' own cells.

    Parameters
    ----------
    folder : path
        Folder with the layout described in the module
    name : str
        Name of the glacier

    Returns
    -------
    xarray.Dataset
        float32 ``z``, ``z_std`` (year, y, x), m; ``dem_ref``, m, ``slope`` and ``aspect``, degrees (y, x); NaN if a
        file has no value; ``pieces`` (y, x): labels of the tiles of one degree of which the yearly surfaces were
        composed, see :func:`degree_tiles`. Coordinates are ``year``, and ``y`` and
        ``x`` of the cell centres, m; attributes are the coordinate system as WKT, ``crs_wkt``, and the names of the
        files, ``files``

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If a glacier, year or file is missing, a file cannot be read, or the files are on different grids
    """
    yearly = yearly_files(folder, name)
    reference = {key: Path(folder) / REFERENCE / kind / f"{name}.tif" for key, kind in _REFERENCE.items()}
    missing = [str(path) for path in reference.values() if not path.exists()]
    if missing:
        raise InvalidParamsError(f"{folder}: {name}: the reference DEM is not complete: {', '.join(missing)} not found")
    years = sorted(yearly.z)
    paths = [files[year] for files in (yearly.z, yearly.z_std) for year in years] + [*reference.values()]
    layers = [_read_layer(path) for path in paths]
    for path, layer in zip(paths, layers, strict=True):
        if not layer.same_cells(layers[0]):
            raise InvalidParamsError(f"{path} is on {layer}, but {paths[0].name} on {layers[0]}; expected the same")
    return _as_dataset(years, layers, [path.name for path in paths[: 2 * len(years)]])


def _as_dataset(years: list[int], layers: list[_Layer], files: list[str]) -> xr.Dataset:
    first, count = layers[0], len(years)
    rows, columns = first.values.shape
    a, _, west, _, e, north = first.transform[:6]
    coordinates = {"year": years, "y": north + e * (np.arange(rows) + 0.5), "x": west + a * (np.arange(columns) + 0.5)}
    values = [layer.values for layer in layers]
    fields: dict[str, NDArray[Any]] = {"z": np.stack(values[:count]), "z_std": np.stack(values[count : 2 * count])}
    fields |= dict(zip(_REFERENCE, values[2 * count :], strict=True))
    fields["pieces"] = degree_tiles(coordinates["x"], coordinates["y"], first.crs)
    variables = {key: (("year", "y", "x")[-field.ndim :], field, _ABOUT[key]) for key, field in fields.items()}
    return xr.Dataset(variables, coordinates, {"crs_wkt": first.crs.to_wkt(), "files": ", ".join(files)})


def _read_layer(path: Path) -> _Layer:
    try:
        with HDF5_LOCK, rasterio.open(path) as source:
            problem = _why_unusable(source)
            values = source.read(1, masked=True).astype(np.float32) * np.float32(source.scales[0])
            crs, transform, offset = source.crs, source.transform, source.offsets[0]
    except RasterioIOError as err:
        raise InvalidParamsError(f"{path} cannot be read as a raster ({err})") from err
    if problem is not None:
        raise InvalidParamsError(f"{path} {problem}")
    filled = np.ma.filled(values, np.nan) + np.float32(offset)
    return _Layer(np.where(np.isfinite(filled), filled, np.float32(np.nan)), transform, CRS.from_wkt(crs.to_wkt()))


def _why_unusable(source: rasterio.DatasetReader) -> str | None:
    if source.count != 1:
        return f"has {source.count} bands; expected 1"
    if source.crs is None or not source.crs.is_projected:
        return f"has the coordinate system {source.crs}; expected a projected one, in m"
    if source.transform.b != 0 or source.transform.d != 0:
        return "is not north up; bring it into that form first (gdalwarp)"
    return None


def degree_tiles(x: Floats, y: Floats, crs: CRS) -> NDArray[np.intp]:
    """Return the labels of the tiles of one degree in which pixels lie.

    Parameters
    ----------
    x, y : arrays (W,), (H,)
        Pixel centres in `crs`
    crs : pyproj.CRS
        Coordinate system

    Returns
    -------
    int array (H, W)
        Labels, increasing with latitude, then longitude

    Examples
    --------
    >>> degree_tiles(np.array([7.9, 8.1]), np.array([46.5, 45.5]), CRS.from_epsg(4326)).tolist()
    [[16747, 16748], [16387, 16388]]
    """
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    return 360 * np.floor(lat).astype(np.intp) + np.floor((lon + 180.0) % 360.0).astype(np.intp)


def tile_name(label: int) -> str:
    """Return the name of a tile, its south-western corner.

    Examples
    --------
    >>> [
    ...     tile_name(label)
    ...     for label in degree_tiles(np.array([-73.1]), np.array([46.5, -50.2]), CRS.from_epsg(4326))[:, 0]
    ... ]
    ['N46W074', 'S51W074']
    """
    lat, lon = divmod(int(label), 360)
    lon -= 180
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}{'E' if lon >= 0 else 'W'}{abs(lon):03d}"


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
    usual = {"Conventions": "CF-1.8", "title": "Yearly surfaces without voids"}
    usual["source"] = f"oggm-glaunti {version('oggm-glaunti')}"
    x, y = (filled[axis].values for axis in ("x", "y"))
    wide, tall, wkt = x[1] - x[0], y[1] - y[0], crs.to_wkt()
    transform = " ".join(repr(float(v)) for v in (x[0] - wide / 2, wide, 0.0, y[0] - tall / 2, 0.0, tall))
    mapping = {**crs.to_cf(), "crs_wkt": wkt, "spatial_ref": wkt, "GeoTransform": transform}
    made = filled.assign(imputed=filled["imputed"].astype(np.int8), crs=((), np.int32(0), mapping))
    made.attrs = {**usual, **filled.attrs, **about}
    for name, attributes in IMPUTED_VARIABLES.items():
        made[name].attrs = {**attributes, "grid_mapping": "crs"}
    made["year"].attrs = {"long_name": "calendar year; the surface is that of its 1 January", "units": "1"}
    for axis in ("x", "y"):
        made[axis].attrs = {"units": "m", "axis": axis.upper(), "standard_name": f"projection_{axis}_coordinate"}
    encoding = {name: {"zlib": True, "complevel": 1, "_FillValue": None} for name in IMPUTED_VARIABLES}
    encoding |= {axis: {"_FillValue": None} for axis in ("x", "y")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, HDF5_LOCK:
        made.to_netcdf(temporary, engine="netcdf4", encoding=encoding)
