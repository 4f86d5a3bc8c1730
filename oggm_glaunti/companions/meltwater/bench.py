"""MeltwaterBench (arXiv 2512.12142) on disk: read lazily by windows, every file checked against one grid; and written.

A file a day and layer, ``YYYY_MM_DD.tif``, below the folder of the layer (:data:`LAYERS`); splits are CSV files of file
names. No file is held in memory: a window of all days is read when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import rasterio
from pyproj import CRS
from rasterio import Affine
from rasterio.errors import RasterioError
from rasterio.windows import Window

from oggm_glaunti.companions.meltwater.pmw import require_kelvin
from oggm_glaunti.companions.meltwater.splits import Split, checked_split
from oggm_glaunti.companions.meltwater.stack import Days, Floats, SceneStack, checked_stack
from oggm_glaunti.coupling.ground.rasters import PathLike
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.files import replacing

_RAW = "raw/Helheim_data/reprojected_100m"
TARGET = f"{_RAW}/SAR/S1Xv1.2/HH_PercentMelt"
LAYERS = {"pmw": f"{_RAW}/PMWv1.0", "model": f"{_RAW}/MAR/MARv3.14_nearest/WA1", "water": "interim/glaunti_water"}
"""Folders of daily layers below the root: brightness temperature (K), a regional model's liquid water of the top metre,
and GlaUnTI's surface water (m w.e.), which the package makes."""
ELEVATION, LAND = f"{_RAW}/GrIMP_DEM/dem_100m.tif", f"{_RAW}/GIMP_Mask/landMask_100m.tif"
SPLITS = ("train", "val", "test")
UNPLACED = Affine(100.0, 0.0, 0.0, 0.0, -100.0, 0.0)
"""Cells of 100 m whose north-west corner is the origin, for worlds that lie nowhere."""
_DAILY = re.compile(r"(\d{4})_(\d{2})_(\d{2})\.tif")
_SAME_CELL = 1e-3


class RasterGrid(NamedTuple):
    """Cells of a raster file."""

    shape: tuple[int, int]
    transform: Affine
    crs: CRS

    def __str__(self) -> str:
        a, _, west, _, e, north = self.transform[:6]
        code = self.crs.to_epsg()
        return (
            f"{self.shape[0]} x {self.shape[1]} cells of {a:g} x {-e:g} m from x {west:g}, y {north:g} in "
            f"{self.crs.name if code is None else f'EPSG:{code}'}"
        )

    def same_as(self, other: RasterGrid) -> bool:
        """Whether cells are the same, to a thousandth of their size."""
        near = np.abs(np.subtract(self.transform[:6], other.transform[:6])).max() <= _SAME_CELL * abs(self.transform.a)
        return self.shape == other.shape and bool(near) and self.crs == other.crs


class MeltwaterBench:
    """The benchmark, or another data set in its layout.

    Parameters
    ----------
    root : path
        data root
    split : path or mapping, optional
        folder with ``train.csv``, ``val.csv`` and ``test.csv``, or their paths by name; file names in the first column
    inputs : sequence of str, or mapping
        names of daily layers in :data:`LAYERS`; or folders below the root by name

    Attributes
    ----------
    days : datetime64[D] array
        days with a target
    grid : RasterGrid
        of all layers
    split_days : dict of arrays, optional
        days of ``train``, ``val`` and ``test``

    Raises
    ------
    InvalidParamsError
        if folders or files are missing, days of the split are absent, a day is in two splits, or a layer lies on
        another grid
    """

    def __init__(
        self,
        root: PathLike,
        split: PathLike | Mapping[str, PathLike] | None = None,
        inputs: Sequence[str] | Mapping[str, str] = ("pmw", "model"),
    ):
        self.root = Path(root)
        unknown = [name for name in inputs if not isinstance(inputs, Mapping) and name not in LAYERS]
        if unknown:
            raise InvalidParamsError(f"{root}: inputs: expected some of {sorted(LAYERS)}, found {unknown}")
        self.folders = dict(inputs) if isinstance(inputs, Mapping) else {name: LAYERS[name] for name in inputs}
        self._target = self._files(TARGET)
        self.days: Days = np.array(sorted(self._target), "datetime64[D]")
        self._layers = {name: self._files(folder) for name, folder in self.folders.items()}
        self._require_days(self.days)
        self.grid = _grid_of(next(iter(self._target.values())))
        for path in (self.root / ELEVATION, self.root / LAND, *(next(iter(v.values())) for v in self._layers.values())):
            self._require_grid(path, _grid_of(path))
        self.split_days = None if split is None else self._read_split(split)

    @property
    def every_day(self) -> Days:
        """Days on which all layers have a file; those with a target if there are no layers."""
        if not self._layers:
            return self.days
        common = set.intersection(*(set(files) for files in self._layers.values()))
        return np.array(sorted(common), "datetime64[D]")

    def _files(self, folder: str) -> dict[Any, Path]:
        found: dict[Any, Path] = {}
        for path in sorted((self.root / folder).glob("*.tif")):
            match = _DAILY.fullmatch(path.name)
            if match:
                found[np.datetime64("-".join(match.groups()), "D")] = path
        if not found:
            raise InvalidParamsError(f"{self.root}: expected files YYYY_MM_DD.tif in {folder}, found none")
        return found

    def _require_days(self, days: Days) -> None:
        for name, files in self._layers.items():
            missing = [str(day) for day in days if day not in files]
            if missing:
                raise InvalidParamsError(
                    f"{self.root}: layer {name} ({self.folders[name]}) lacks {len(missing)} of {days.size} days with a "
                    f"target: {', '.join(missing[:5])}{' ...' * (len(missing) > 5)}; add the files or leave it out"
                )

    def _require_grid(self, path: Path, grid: RasterGrid) -> None:
        if not grid.same_as(self.grid):
            raise InvalidParamsError(f"{path}: expected the target's grid, {self.grid}; found {grid}; resample it")

    def _read_split(self, split: PathLike | Mapping[str, PathLike]) -> dict[str, Days]:
        paths = split if isinstance(split, Mapping) else {name: Path(split) / f"{name}.csv" for name in SPLITS}
        found: dict[str, Days] = {}
        for name, path in paths.items():
            days = _listed_days(path)
            absent = [str(day) for day in days if day not in self._target]
            if absent:
                raise InvalidParamsError(
                    f"{path}: names {len(absent)} days without a target: {', '.join(absent[:5])}; the split is of "
                    "other data, or files are missing"
                )
            for other, taken in found.items():
                twice = np.intersect1d(days, taken)
                if twice.size:
                    raise InvalidParamsError(f"{path}: {twice[0]} is in {other} as well; a scene has one use")
            found[name] = days
        return found

    def read(
        self,
        rows: slice = slice(None),
        columns: slice = slice(None),
        days: Iterable[Any] | None = None,
        first_month: int = 1,
    ) -> SceneStack:
        """Read a window of some days.

        Parameters
        ----------
        rows, columns : slices
            window, the whole grid by default
        days : dates, optional
            by default those with a target; the target of others is NaN
        first_month : int
            see :class:`~oggm_glaunti.companions.meltwater.stack.SceneStack`

        Raises
        ------
        InvalidParamsError
            if a file is damaged, lies on another grid, or holds impossible values, or a scene nothing at all
        """
        chosen = self.days if days is None else np.array(sorted(days), "datetime64[D]")
        window = Window.from_slices(*(s.indices(n)[:2] for s, n in zip((rows, columns), self.grid.shape, strict=True)))
        land = self._window(self.root / LAND, window) > 0
        target = np.full((chosen.size, int(window.height), int(window.width)), np.nan, np.float32)
        with_target = np.isin(chosen, self.days)
        target[with_target] = self._daily(self._target, chosen[with_target], window)
        target[:, ~land] = np.nan
        layers = {name: self._daily(files, chosen, window) for name, files in self._layers.items()}
        empty = np.flatnonzero(with_target & ~np.isfinite(target).any(axis=(1, 2)))
        if window.height == self.grid.shape[0] and window.width == self.grid.shape[1] and empty.size:
            raise InvalidParamsError(
                f"{self._target[chosen[empty[0]]]}: no cell on land has a value ({empty.size} scenes so); delete the "
                "file, and its line in the split"
            )
        static = {"elevation": self._window(self.root / ELEVATION, window)}
        try:
            if "pmw" in layers:
                require_kelvin(f"{self.root}: pmw", layers["pmw"])
            return checked_stack(chosen, target, layers, static, land, first_month, str(self.root))
        except ValueError as err:
            raise InvalidParamsError(str(err)) from err

    def _daily(self, files: Mapping[Any, Path], days: Days, window: Window) -> Floats:
        values = np.empty((days.size, int(window.height), int(window.width)), np.float32)
        for k, day in enumerate(days):
            if day not in files:
                raise InvalidParamsError(f"{self.root}: no file of {day}; there are {min(files)} to {max(files)}")
            values[k] = self._window(files[day], window)
        return values

    def _window(self, path: Path, window: Window) -> Floats:
        try:
            with HDF5_LOCK, rasterio.open(path) as source:
                self._require_grid(path, _grid_of_open(source))
                values = source.read(1, window=window, masked=True)
        except RasterioError as err:
            raise InvalidParamsError(f"{path}: cannot be read: {err}; copy it again") from err
        return np.ma.filled(values.astype(np.float32), np.nan)

    def split_of(self, stack: SceneStack) -> Split:
        """Return the split of the CSV files as indices of a stack that was read from here."""
        if self.split_days is None:
            raise InvalidParamsError(
                f"{self.root}: no split was given; give a folder with train.csv, val.csv and test.csv"
            )
        learn, validation, test = (np.flatnonzero(np.isin(stack.time, self.split_days[name])) for name in SPLITS)
        return checked_split(stack, Split(learn, learn, validation, test))


def _listed_days(path: PathLike) -> Days:
    try:
        table = pd.read_csv(path, header=None, dtype=str)
    except (OSError, ValueError) as err:
        raise InvalidParamsError(f"{path}: cannot be read: {err}; expected a CSV of file names") from err
    texts = table.apply(lambda row: " ".join(map(str, row)), axis=1)
    matches = [_DAILY.search(text) for text in texts]
    days = np.array(["-".join(match.groups()) for match in matches if match], "datetime64[D]")
    # A first line without a name is a header.
    if not days.size or any(match is None for match in matches[1:]):
        raise InvalidParamsError(f"{path}: expected a file name YYYY_MM_DD.tif in every line, found {texts.iloc[-1]!r}")
    return np.unique(days)


def _grid_of(path: Path) -> RasterGrid:
    try:
        with HDF5_LOCK, rasterio.open(path) as source:
            return _grid_of_open(source)
    except RasterioError as err:
        raise InvalidParamsError(f"{path}: cannot be read: {err}; copy it again") from err


def _grid_of_open(source: Any) -> RasterGrid:
    if source.crs is None:
        raise InvalidParamsError(f"{source.name}: has no coordinate system; write one into the file")
    return RasterGrid(source.shape, source.transform, CRS.from_user_input(source.crs))


def write_layer(path: Path, values: Floats, transform: Affine, crs: Any) -> None:
    """Write one raster, complete or not at all; its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "nodata": float("nan"), "compress": "deflate"}
    height, width = values.shape
    place = {"height": height, "width": width, "transform": transform, "crs": crs}
    # GDAL does not tell of a full disk.
    with rasterio.MemoryFile() as memory:
        with HDF5_LOCK, memory.open(**place, **profile) as out:
            out.write(values.astype(np.float32), 1)
        with replacing(path) as temporary:
            temporary.write_bytes(memory.read())


def file_name(day: Any) -> str:
    """Return the name of a day's file.

    Examples
    --------
    >>> file_name(np.datetime64("2019-06-01"))
    '2019_06_01.tif'
    """
    return f"{np.datetime64(day, 'D')}.tif".replace("-", "_")


def write_bench(
    root: PathLike,
    stack: SceneStack,
    split: Split,
    transform: Affine = UNPLACED,
    crs: Any = 3413,
) -> Path:
    """Write the scenes and layers of a stack in the layout of the benchmark, with its split in ``splits/``.

    Parameters
    ----------
    root : path
    stack : SceneStack
        its layers must be named as in :data:`LAYERS`
    split : Split
        of the scenes into learning, validation and test
    transform, crs
        of the grid

    Returns
    -------
    Path
        folder of the split
    """
    target = Path(root)
    reference = CRS.from_user_input(crs).to_wkt()
    for k in stack.scenes:
        write_layer(target / TARGET / file_name(stack.time[k]), stack.target[k], transform, reference)
    for k, day in enumerate(stack.time):
        name = file_name(day)
        for layer, values in stack.layers.items():
            write_layer(target / LAYERS[layer] / name, values[k], transform, reference)
    write_layer(target / ELEVATION, stack.static["elevation"], transform, reference)
    write_layer(target / LAND, np.where(stack.valid, 1.0, -1.0), transform, reference)
    folder = target / "splits"
    folder.mkdir(exist_ok=True)
    for name, days in zip(SPLITS, (split.learn, split.validation, split.test), strict=True):
        with replacing(folder / f"{name}.csv") as temporary:
            pd.Series([file_name(stack.time[day]) for day in days]).to_csv(temporary, index=False, header=False)
    return folder
