"""The corrector inputs of a glacier: in memory :class:`Features`, on disk ``glaunti_features.nc``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TypeVar

import netCDF4
import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from pyproj import CRS

from oggm_glaunti import settings
from oggm_glaunti.core.units import MISSING_FACIES
from oggm_glaunti.coupling.ground.grid import SAME_COORDINATE
from oggm_glaunti.coupling.oggm.netcdf import netcdf_file
from oggm_glaunti.coupling.oggm.writing import writing

settings.register()

Result = TypeVar("Result")

# Order in which the published weights expect them; the first eight are class scores.
FACIES_BANDS = ("ice", "snow", "debris", "firn", "shadow", "superimposed_ice", "cloud", "water", "confidence")

_FEATURE_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "outline": {
        "long_name": "cell centre inside the glacier outline",
        "units": "1",
        "flag_values": np.array([0, 1], np.float32),
        "flag_meanings": "outside glacier",
    },
    "elevation": {
        "long_name": "surface elevation",
        "standard_name": "surface_altitude",
        "units": "m",
        "ancillary_variables": "elevation_std",
    },
    "elevation_std": {
        "long_name": "1-sigma uncertainty of the surface elevation",
        "standard_name": "surface_altitude standard_error",
        "units": "m",
    },
    "facies": {
        "long_name": "scores of eight surface classes and confidence",
        "units": "1",
        "comment": "a class without a score is 0; cells without a map are -1 in all bands",
    },
}


class OnCells(Protocol):
    """Whatever lies on the cells of a glacier's maps: their centres `x` (W,), `y` (H,) in m, and coordinate system."""

    @property
    def x(self) -> NDArray[np.float64]:
        """Eastings, m."""

    @property
    def y(self) -> NDArray[np.float64]:
        """Northings, m."""

    @property
    def crs(self) -> CRS:
        """UTM."""


class ArraysOnCells:
    """Part of frozen dataclasses of arrays on a glacier's cells, by which they check themselves.

    Cells are 100 m, north up, in a UTM zone, centres `x` (W,), `y` (H,) in m, row 0 in the north; see :class:`OnCells`.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crs: CRS

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.y.size, self.x.size

    def digest(self) -> str:
        """SHA-256 over all arrays and the coordinate system, hexadecimal."""
        sha = hashlib.sha256(self.crs.to_wkt().encode())
        for name, values in vars(self).items():
            if isinstance(values, np.ndarray):
                sha.update(f"{name} {values.shape}".encode() + values.tobytes())
        return sha.hexdigest()

    def _convert(self, dtypes: Mapping[str, type]) -> None:
        """Convert arrays and coordinate system in place; None stays."""
        for name, dtype in {**dtypes, "x": np.float64, "y": np.float64}.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype))
        object.__setattr__(self, "crs", CRS.from_user_input(self.crs))

    def _require(self, shapes: Mapping[str, tuple[int, ...]], finite: Iterable[str]) -> None:
        """Raise ValueError if an array has another shape, cells are others than expected or values are not finite."""
        for name, shape in shapes.items():
            values = getattr(self, name)
            if values is not None and values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}; expected {shape} for y, x of {shape[-2:]}")
        for name, step in (("x", settings.CELL_SIZE), ("y", -settings.CELL_SIZE)):
            steps = np.diff(getattr(self, name))
            if not np.allclose(steps, step, rtol=0, atol=SAME_COORDINATE):
                raise ValueError(
                    f"{name} has steps of {steps.min():g} to {steps.max():g} m; expected {step:g} m (north-up cells)"
                )
        if self.crs.utm_zone is None:
            raise ValueError(f"crs is {self.crs.name!r}; expected a UTM zone")
        for name in finite:
            values = getattr(self, name)
            if values is not None and not np.isfinite(values).all():
                raise ValueError(f"{name}: {_share(~np.isfinite(values))} are NaN or infinite")


@dataclass(frozen=True, eq=False)
class Features(ArraysOnCells):
    """What the corrector sees of a glacier, on north-up UTM cells of 100 m; row 0 is north.

    Attributes
    ----------
    outline : float32 (H, W)
        1 where the cell's centre is inside the outline, else 0
    elevation : float32 (H, W)
        m
    elevation_std : float32 (H, W)
        1-sigma uncertainty of the DEM, m
    facies : float32 (9, H, W) or None
        eight class scores and a confidence in the order of :data:`FACIES_BANDS`, -1 in all nine where there is no map
    x, y : float64 (W,), (H,)
        cell centres, m
    crs : pyproj.CRS
        a UTM zone; whatever pyproj reads is taken

    Raises
    ------
    ValueError
        if arrays do not fit together, hold NaN or values that cannot be, or the cells are not as above

    Examples
    --------
    >>> outline = np.pad(np.ones((2, 3)), 15)
    >>> x, y = 630_150.0 + 100.0 * np.arange(33), 5_188_050.0 - 100.0 * np.arange(32)
    >>> features = Features(outline, 3000 + outline, 5 + 0 * outline, None, x, y, "EPSG:32632")
    >>> features.shape, int(features.glacier.sum()), features.elevation.dtype
    ((32, 33), 6, dtype('float32'))
    """

    outline: NDArray[np.float32]
    elevation: NDArray[np.float32]
    elevation_std: NDArray[np.float32]
    facies: NDArray[np.float32] | None
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crs: CRS

    def __post_init__(self) -> None:
        self._convert(dict.fromkeys(_FEATURE_ATTRIBUTES, np.float32))
        shapes = {**dict.fromkeys(_FEATURE_ATTRIBUTES, self.shape), "facies": (len(FACIES_BANDS), *self.shape)}
        self._require(shapes, finite=_FEATURE_ATTRIBUTES)
        if not np.isin(self.outline, (0, 1)).all() or not self.outline.any():
            raise ValueError("outline: expected 0 and 1, and 1 in at least one cell")
        if (self.elevation_std < 0).any():
            raise ValueError(f"elevation_std: {_share(self.elevation_std < 0)} are negative")
        if self.facies is not None and (bad := impossible_facies(self.facies)).any():
            raise ValueError(f"facies: {_share(bad)} are neither scores from 0 to 1 nor -1 in all bands")

    @property
    def glacier(self) -> NDArray[np.bool_]:
        """Cells inside the outline, (H, W)."""
        return self.outline > 0


def impossible_facies(facies: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Cells (H, W) whose nine bands (9, H, W) are neither all -1 nor all from 0 to 1 (to rounding)."""
    missing = (facies == MISSING_FACIES).all(axis=0)
    return ~missing & ~((facies >= 0) & (facies <= 1 + 1e-4)).all(axis=0)


def _share(bad: NDArray[np.bool_]) -> str:
    return f"{bad.sum()} of {bad.size} cells ({100 * bad.mean():.3g} %)"


def read_features(gdir: Any, filesuffix: str = "") -> Features:
    """Read and check ``glaunti_features.nc``; errors as in :func:`read_cells_file`.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    filesuffix : str
        of the file
    """
    again = f"Run oggm_glaunti.tasks.glaunti_features(gdir{f', filesuffix={filesuffix!r}' if filesuffix else ''})"
    return read_cells_file(gdir, "glaunti_features", filesuffix, again, _features_in)


def _features_in(nc: netCDF4.Dataset) -> Features:
    names = ("outline", "elevation", "elevation_std", "x", "y")
    require_variables(nc, {*names, "crs"})
    facies = nc["facies"][:] if "facies" in nc.variables else None
    return Features(facies=facies, crs=CRS.from_wkt(nc["crs"].crs_wkt), **{name: nc[name][:] for name in names})


def read_cells_file(
    gdir: Any, basename: str, filesuffix: str, again: str, read: Callable[[netCDF4.Dataset], Result]
) -> Result:
    """Return what `read` makes of a file on the glacier's cells; errors end with the remedy `again`.

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if the file is not there
    oggm.exceptions.InvalidParamsError
        if it is damaged or not as the task writes it, so that `read` raises a ValueError
    """
    path = Path(gdir.get_filepath(basename, filesuffix=filesuffix))
    label = f"{gdir.rgi_id}: {path.name}"
    if not path.exists():
        raise InvalidWorkflowError(f"{label} not found in {gdir.dir}. {again} first.")
    try:
        with netcdf_file(path) as nc:
            nc.set_auto_mask(False)
            return read(nc)
    except (OSError, ValueError, AttributeError, RuntimeError) as err:
        raise InvalidParamsError(f"{label} cannot be used: {err}. {again} again.") from err


def require_variables(nc: netCDF4.Dataset, names: set[str]) -> None:
    """Raise a ValueError with the names of variables that a file lacks."""
    missing = names - set(nc.variables)
    if missing:
        raise ValueError(f"no variables {', '.join(sorted(missing))}")


@contextmanager
def new_cells_file(
    gdir: Any, basename: str, filesuffix: str, title: str, attributes: Mapping[str, Any]
) -> Iterator[netCDF4.Dataset]:
    """Open a new CF-1.8 file of a glacier's cells, to be filled; the file appears complete or not at all.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
    basename, filesuffix : str
        of the file
    title : str
        after ``GlaUnTI:``
    attributes : mapping
        global attributes of the file, besides the usual ones

    Raises
    ------
    oggm.exceptions.InvalidWorkflowError
        if the file cannot be written
    """
    usual = {
        "Conventions": "CF-1.8",
        "title": f"GlaUnTI: {title}",
        "rgi_id": gdir.rgi_id,
        "oggm_glaunti_version": version("oggm-glaunti"),
    }
    path = gdir.get_filepath(basename, filesuffix=filesuffix)
    with writing(path, gdir.rgi_id) as temporary, netcdf_file(temporary, "w") as nc:
        nc.setncatts({**usual, **attributes})
        yield nc


def write_features(gdir: Any, features: Features, attributes: Mapping[str, str], filesuffix: str = "") -> None:
    """Write ``glaunti_features.nc``; arguments as in :func:`new_cells_file`."""
    dimensions: dict[str, tuple[str, ...]] = dict.fromkeys(("outline", "elevation", "elevation_std"), ("y", "x"))
    with new_cells_file(gdir, "glaunti_features", filesuffix, "corrector inputs", attributes) as nc:
        write_coordinates(nc, features)
        if features.facies is not None:
            nc.createDimension("band", len(FACIES_BANDS))
            names = nc.createVariable("band_name", str, ("band",))
            names.long_name = "surface class, or confidence"
            names[:] = np.array(FACIES_BANDS, object)
            dimensions["facies"] = ("band", "y", "x")
        for name, dims in dimensions.items():
            variable = nc.createVariable(name, "f4", dims, zlib=True)
            variable.setncatts({**_FEATURE_ATTRIBUTES[name], "grid_mapping": "crs"})
            if name == "facies":
                variable.coordinates = "band_name"
            variable[:] = getattr(features, name)


def write_coordinates(nc: netCDF4.Dataset, cells: OnCells) -> None:
    """Write dimensions and variables y, x and the grid mapping crs of some cells."""
    for name in ("y", "x"):
        values = getattr(cells, name)
        nc.createDimension(name, values.size)
        variable = nc.createVariable(name, "f8", (name,), fletcher32=True)
        standard_name = f"projection_{name}_coordinate"
        variable.setncatts({"units": "m", "axis": name.upper(), "standard_name": standard_name})
        variable[:] = values
    wkt = cells.crs.to_wkt()
    west, north = cells.x[0] - settings.CELL_SIZE / 2, cells.y[0] + settings.CELL_SIZE / 2
    transform = (west, settings.CELL_SIZE, 0.0, north, 0.0, -settings.CELL_SIZE)
    mapping = {**cells.crs.to_cf(), "crs_wkt": wkt, "spatial_ref": wkt}
    mapping["GeoTransform"] = " ".join(repr(float(number)) for number in transform)
    nc.createVariable("crs", "i4").setncatts(mapping)
