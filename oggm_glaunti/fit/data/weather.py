"""Daily weather of the published training data, on the cells of the maps or on coarser cells."""

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.weather_file import AMOUNTS, TRAINING_FILES, TRAINING_UNITS
from oggm_glaunti.coupling.gridded.weather_grid import nearest_cells
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.weather import series as ds
from oggm_glaunti.coupling.weather.netcdf import read_time
from oggm_glaunti.fit.data.maps import MapFile, orientation

VARIABLE_NAMES = {"temp": "temperature_2m", "prcp": "total_precipitation_sum", "hgt": "elevation"}
# Days read at once, unless the chunks of the file are longer.
DAYS_AT_ONCE = 31
MOST_DAYS = 366
# Weather is kept by blocks if there are fewer of them than this share of the cells.
FEW_BLOCKS = 1 / 8
# m w.e. day-1. Rounding of accumulated precipitation leaves negative amounts of up to this.
ROUNDED_PRCP = 1e-5


class CellBlocks(NamedTuple):
    """Blocks of cells that share their weather, as it came from coarser cells."""

    cell: NDArray[np.int32]
    """block of each cell (H, W)"""
    first: NDArray[np.int64]
    """a cell of each block (K,), index into the flattened cells"""


class DailyFields:
    """Temperature, precipitation and reference height of temperature of a glacier, in three files.

    Parameters
    ----------
    folder : path
        holds ``temperature.nc``, ``precipitation.nc`` and ``orography.nc``
    grid : CellGrid
        cells of the maps
    name : str
        name of the glacier, with which every error begins

    Attributes
    ----------
    first, last : datetime64[D]
        first and last day with both temperature and precipitation

    Raises
    ------
    InvalidParamsError
        if files, variables, units or days are missing, or the cells neither are nor cover those of the maps
    """

    def __init__(self, folder: Path, grid: CellGrid, name: str):
        self._files = {key: MapFile(folder / file, f"{name}: {file}") for key, file in TRAINING_FILES.items()}
        self.label, self._grid = f"{name}: {TRAINING_FILES['temp']}", grid
        self._days = {key: self._read_days(key) for key in ("temp", "prcp")}
        self._units = {key: self._read_units(key) for key in ("temp", "prcp")}
        self.first = max(days[0] for days in self._days.values())
        self.last = min(days[-1] for days in self._days.values())
        self.y, self.x = self._files["temp"].axes(VARIABLE_NAMES["temp"])
        on_maps = orientation((self.y, self.x), (grid.y, grid.x)) is not None
        self._axes = (grid.y, grid.x) if on_maps else (self.y, self.x)  # in the order of which the cells are read
        for key in ("prcp", "hgt"):
            y, x = self._files[key].axes(VARIABLE_NAMES[key])
            if orientation((y, x), self._axes) is None:
                raise InvalidParamsError(
                    f"{self._files[key].label}: '{VARIABLE_NAMES[key]}' is on {y.size} x {x.size} cells, not on those "
                    f"({self.y.size} x {self.x.size}) of {VARIABLE_NAMES['temp']}"
                )
        self._near = None if on_maps else self._nearest(name)
        # Reference heights of temperature, m: of the cells (H, W), or of the coarse cells used (K,).
        with self._files["hgt"].open() as nc:
            stored = np.squeeze(nc.variables[VARIABLE_NAMES["hgt"]][...])
        values = np.flip(np.ma.masked_array(stored, dtype=np.float64).filled(np.nan), self._flips_of("hgt"))
        self.heights = values if self._near is None else values.reshape(-1)[self._near.first]
        if missing := (~np.isfinite(self.heights)).sum():
            where = f"{missing} of {self.heights.size} cells"
            raise InvalidParamsError(f"{self._files['hgt'].label}: '{VARIABLE_NAMES['hgt']}' is missing in {where}")

    def _read_days(self, key: str) -> NDArray[np.datetime64]:
        file = self._files[key]
        with file.open() as nc:
            days = ds.to_days(file.label, read_time(file.label, nc))
        expected = np.arange(days[0], days[-1] + 1)
        if days.size != expected.size:
            raise InvalidParamsError(f"{file.label}: days are missing: {ds.spell(np.setdiff1d(expected, days))}")
        return days

    def _read_units(self, key: str) -> tuple[float, float]:
        """Return factor and offset that convert a file's values to degC or m w.e. day-1."""
        file, name = self._files[key], VARIABLE_NAMES[key]
        with file.open() as nc:
            variable = nc.variables.get(name)
            if variable is None or variable.ndim != 3 or variable.dimensions[0] != "time":
                found = ", ".join(nc.variables) if variable is None else variable.dimensions
                raise InvalidParamsError(f"{file.label}: expected '{name}' with dimensions (time, y, x); found {found}")
            units = str(variable.units) if "units" in variable.ncattrs() else TRAINING_UNITS[name]
        remedy = f"Write them into the attribute 'units' of '{name}'."
        if key == "temp":
            return 1.0, round(float(ds.to_celsius(file.label, 0.0, units, remedy)), 4)
        return float(ds.to_kg_per_day(file.label, 1.0, AMOUNTS.get(units, units), remedy)) / 1000.0, 0.0

    def _nearest(self, name: str) -> CellBlocks:
        """Find the coarse cells that are used, and the nearest of them for each cell of the maps."""
        crs = self._files["temp"].crs(VARIABLE_NAMES["temp"])
        self.crs = self._grid.crs if crs is None else crs
        window, nearest = nearest_cells(self, self._grid, name)
        used, cell = np.unique(nearest, return_inverse=True)
        shape = (window.rows.stop - window.rows.start, window.cols.stop - window.cols.start)
        rows, cols = np.unravel_index(used, shape)
        first = (rows + window.rows.start) * self.x.size + cols + window.cols.start
        return CellBlocks(cell.reshape(self._grid.shape).astype(np.int32), first)

    def _flips_of(self, key: str) -> tuple[int, ...]:
        """Return the axes to flip so that a file's cells are in the order of the maps, or of the coarse temperature."""
        return orientation(self._files[key].axes(VARIABLE_NAMES[key]), self._axes) or ()

    def forcing(self, begin: np.datetime64, end: np.datetime64, elevation: NDArray[np.float32]) -> Any:
        """Read the weather of the days `begin` to `end`, both included, at an elevation (H, W), m.

        Returns
        -------
        CoarseForcing
            if the files hold coarser cells, or exactly the same values within blocks of cells
        GriddedForcing
            otherwise; ``temperature = that of the file - 0.0060 K m-1 * (elevation - orography)``

        Raises
        ------
        InvalidParamsError
            if values are missing or invalid
        """
        from oggm_glaunti.core.forcing import CoarseForcing, GriddedForcing

        blocks = self._near or self._blocks
        if blocks is not None:
            temp, prcp = (self._series(key, begin, end, blocks) for key in ("temp", "prcp"))
            if temp is not None and prcp is not None:
                heights = self.heights if self._near else self.heights.reshape(-1)[blocks.first]
                return CoarseForcing(temp, prcp, blocks.cell, _lapse(elevation, heights[blocks.cell]))
        temp, prcp = (np.concatenate([*self._slabs(key, begin, end)]) for key in ("temp", "prcp"))
        temp += _lapse(elevation, self.heights)
        return GriddedForcing(temp, prcp)

    def _series(
        self, key: str, begin: np.datetime64, end: np.datetime64, blocks: CellBlocks
    ) -> NDArray[np.float32] | None:
        """Read the series of the blocks (T, K); None if cells of a block differ."""
        parts = []
        for values in self._slabs(key, begin, end):
            flat = values.reshape(len(values), -1)
            part = np.ascontiguousarray(flat[:, blocks.first])
            if self._near is None and not np.array_equal(part[:, blocks.cell.reshape(-1)], flat):
                return None
            parts.append(part)
        return np.concatenate(parts)

    @cached_property
    def _blocks(self) -> CellBlocks | None:
        """Find blocks of cells with one height and the same weather on some days; None if there are too many."""
        days = np.linspace(0, int((self.last - self.first).astype(int)), 6).astype(int)[1:-1]
        maps = [next(self._slabs(key, self.first + d, self.first + d)) for d in days for key in ("temp", "prcp")]
        keys = np.stack([self.heights.reshape(-1), *(m.reshape(-1).astype(np.float64) for m in maps)], axis=1)
        _, first, cell = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        if first.size > FEW_BLOCKS * cell.size:
            return None
        return CellBlocks(cell.reshape(self._grid.shape).astype(np.int32), first)

    def _slabs(self, key: str, begin: np.datetime64, end: np.datetime64):
        """Yield the values piece by piece (days, h, w), float32, in the model's units and order of cells."""
        file, name, flips = self._files[key], VARIABLE_NAMES[key], self._flips_of(key)
        start, stop = (int((day - self._days[key][0]).astype(int)) for day in (begin, end + 1))
        with file.open() as nc:
            variable = nc.variables[name]
            chunks = variable.chunking()
            step = DAYS_AT_ONCE if chunks in (None, "contiguous") else min(max(DAYS_AT_ONCE, int(chunks[0])), MOST_DAYS)
            for at in range(start, stop, step):
                rows = slice(at, min(at + step, stop))
                values = variable[rows]
                values = np.ma.filled(values if values.dtype.kind == "f" else values.astype(np.float64), np.nan)
                if self._units[key] != (1.0, 0.0):
                    factor, offset = self._units[key]
                    values = values.astype(np.float64) * factor + offset
                values = np.flip(values.astype(np.float32, copy=False), flips)
                used = values if self._near is None else values.reshape(len(values), -1)[:, self._near.first]
                _require_values(f"{file.label}: '{name}'", key, self._days[key][rows], used)
                yield values


def _require_values(label: str, key: str, days: NDArray[np.datetime64], values: NDArray[np.float32]) -> None:
    low, high = ds.TEMP_LIMITS if key == "temp" else (-ROUNDED_PRCP, ds.PRCP_LIMIT / 1000.0)
    bad = ~((values >= low) & (values <= high))  # NaN too
    if not bad.any():
        return
    of_day = bad.reshape(len(days), -1)
    missing = int(np.isnan(values).sum())
    what = "missing" if missing == bad.sum() else f"missing ({missing}) or outside {low:g}..{high:g}, check units"
    raise InvalidParamsError(
        f"{label}: {bad.sum()} values are {what}, on {ds.spell(days[of_day.any(axis=1)])}, in up to "
        f"{of_day.sum(axis=1).max()} of {of_day.shape[1]} cells. Fill them in the file."
    )


def _lapse(elevation: NDArray[np.float32], heights: NDArray[np.float64]) -> NDArray[np.float32]:
    return (settings.PARAMS["glaunti_temp_gradient"] * (elevation - heights)).astype(np.float32)
