"""Daily weather of the published training data, on the cells of the maps or on coarser ones, some days at a time."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.weather_file import AMOUNTS, FOLDER, TRAINING_UNITS
from oggm_glaunti.coupling.gridded.weather_grid import nearest_cells
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.coupling.weather import series as ds
from oggm_glaunti.coupling.weather.netcdf import read_time
from oggm_glaunti.fit.data.maps import MapFile, orientation

VARIABLES = {"temp": "temperature_2m", "prcp": "total_precipitation_sum", "hgt": "elevation"}
# Days read at once, unless the file is stored in longer pieces.
SLAB = 31
MOST_DAYS = 366
# Weather of fewer blocks than this share of the cells is kept by blocks.
FEW_BLOCKS = 1 / 8
# m w.e. day-1. Rounding of accumulated precipitation leaves such negative amounts.
ROUNDING = 1e-5


class Blocks(NamedTuple):
    """Cells that share their weather, because it came from coarser cells."""

    cell: NDArray[np.int32]
    """block of each cell (H, W)"""
    first: NDArray[np.int64]
    """one cell of each block (K,), all cells taken as one row"""


class DailyFields:
    """Temperature, precipitation and the height of temperature of one glacier, in three files.

    Parameters
    ----------
    folder : path
        with ``temperature.nc``, ``precipitation.nc`` and ``orography.nc``
    grid : CellGrid
        of the maps
    name : str
        of the glacier, begins every error

    Attributes
    ----------
    first, last : datetime64[D]
        of the days that temperature and precipitation both have

    Raises
    ------
    InvalidParamsError
        if files, variables, units or days are missing, or the cells neither are those of the maps nor reach them
    """

    def __init__(self, folder: Path, grid: CellGrid, name: str):
        self._files = {key: MapFile(folder / file, f"{name}: {file}") for key, file in FOLDER.items()}
        self.label, self._grid = f"{name}: {FOLDER['temp']}", grid
        self._days = {key: self._read_days(key) for key in ("temp", "prcp")}
        self._units = {key: self._read_units(key) for key in ("temp", "prcp")}
        self.first = max(days[0] for days in self._days.values())
        self.last = min(days[-1] for days in self._days.values())
        self.y, self.x = self._files["temp"].axes(VARIABLES["temp"])
        self._flips = orientation(self.y, self.x, grid)
        self._require_one_grid()
        self._near = None if self._flips is not None else self._nearest(name)
        self.heights = self._read_heights()

    def _read_days(self, key: str) -> NDArray[np.datetime64]:
        file = self._files[key]
        with file.open() as nc:
            days = ds.to_days(file.label, read_time(file.label, nc))
        expected = np.arange(days[0], days[-1] + 1)
        if days.size != expected.size:
            raise InvalidParamsError(f"{file.label}: days are missing: {ds.spell(np.setdiff1d(expected, days))}")
        return days

    def _read_units(self, key: str) -> tuple[float, float]:
        """Factor and offset that make degC, or m w.e. day-1, of a file's values."""
        file, name = self._files[key], VARIABLES[key]
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

    def _require_one_grid(self) -> None:
        for key in ("prcp", "hgt"):
            y, x = self._files[key].axes(VARIABLES[key])
            same = self._same_axes(key, y, x)
            if not same:
                raise InvalidParamsError(
                    f"{self._files[key].label}: '{VARIABLES[key]}' is on {y.size} x {x.size} cells, not on those "
                    f"({self.y.size} x {self.x.size}) of {VARIABLES['temp']}"
                )

    def _same_axes(self, key: str, y: NDArray[np.float64], x: NDArray[np.float64]) -> bool:
        if self._flips is not None:
            return orientation(y, x, self._grid) is not None
        return all(
            own.shape == other.shape
            and np.allclose(np.sort(own), np.sort(other), rtol=0, atol=0.1 * abs(own[1] - own[0]))
            for own, other in ((y, self.y), (x, self.x))
        )

    def _nearest(self, name: str) -> Blocks:
        """Coarse cells that are used, by the nearest of them for each cell of the maps."""
        crs = self._files["temp"].crs(VARIABLES["temp"])
        self.crs = self._grid.crs if crs is None else crs
        window, nearest = nearest_cells(self, self._grid, name)
        used, cell = np.unique(nearest, return_inverse=True)
        rows, cols = np.unravel_index(
            used, (window.rows.stop - window.rows.start, window.cols.stop - window.cols.start)
        )
        first = (rows + window.rows.start) * self.x.size + cols + window.cols.start
        return Blocks(cell.reshape(self._grid.shape).astype(np.int32), first)

    def _flips_of(self, key: str) -> tuple[int, ...]:
        """Axes to turn so that a file's cells come in the order of the maps, or of the coarse temperature."""
        y, x = self._files[key].axes(VARIABLES[key])
        if self._near is None:
            return orientation(y, x, self._grid)
        axes = ((-2, y, self.y), (-1, x, self.x))
        return tuple(axis for axis, own, wanted in axes if (own[1] - own[0]) * (wanted[1] - wanted[0]) < 0)

    def _read_heights(self) -> NDArray[np.float64]:
        """Heights that temperature is for, m: of the cells (H, W), or of the coarse cells that are used (K,)."""
        file = self._files["hgt"]
        with file.open() as nc:
            values = np.ma.masked_array(np.squeeze(nc.variables[VARIABLES["hgt"]][...]), dtype=np.float64).filled(
                np.nan
            )
        values = np.flip(values, self._flips_of("hgt"))
        values = values if self._near is None else values.reshape(-1)[self._near.first]
        if not np.isfinite(values).all():
            bad = ~np.isfinite(values)
            raise InvalidParamsError(
                f"{file.label}: '{VARIABLES['hgt']}' is missing in {bad.sum()} of {bad.size} cells"
            )
        return values

    def forcing(self, begin: np.datetime64, end: np.datetime64, elevation: NDArray[np.float32]) -> Any:
        """Weather of the days `begin` to `end`, both included, at that elevation (H, W).

        Returns
        -------
        CoarseForcing
            where the files hold coarser cells, or values that are exactly the same within blocks of cells
        GriddedForcing
            else; temperature is that of the file minus 0.0060 K m-1 times the height above the orography

        Raises
        ------
        InvalidParamsError
            if values are missing or impossible
        """
        from oggm_glaunti.core.forcing import CoarseForcing, GriddedForcing

        blocks = self._near or self._blocks
        if blocks is not None:
            series = [self._series(key, begin, end, blocks) for key in ("temp", "prcp")]
            if all(values is not None for values in series):
                heights = self.heights if self._near else self.heights.reshape(-1)[blocks.first]
                return CoarseForcing(*series, blocks.cell, _offset(elevation, heights[blocks.cell]))
        temp, prcp = (np.concatenate([*self._slabs(key, begin, end)]) for key in ("temp", "prcp"))
        temp += _offset(elevation, self.heights)
        return GriddedForcing(temp, prcp)

    def _series(self, key: str, begin: np.datetime64, end: np.datetime64, blocks: Blocks) -> NDArray[np.float32] | None:
        """Series of the blocks (T, K); None where cells of one block differ."""
        parts = []
        for values in self._slabs(key, begin, end):
            flat = values.reshape(len(values), -1)
            part = np.ascontiguousarray(flat[:, blocks.first])
            if self._near is None and not np.array_equal(part[:, blocks.cell.reshape(-1)], flat):
                return None
            parts.append(part)
        return np.concatenate(parts)

    @cached_property
    def _blocks(self) -> Blocks | None:
        """Blocks of cells with one height and the same weather on some days; None where there are too many."""
        days = np.linspace(0, int((self.last - self.first).astype(int)), 6).astype(int)[1:-1]
        maps = [next(self._slabs(key, self.first + d, self.first + d)) for d in days for key in ("temp", "prcp")]
        keys = np.stack([self.heights.reshape(-1), *(m.reshape(-1).astype(np.float64) for m in maps)], axis=1)
        _, first, cell = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        if first.size > FEW_BLOCKS * cell.size:
            return None
        return Blocks(cell.reshape(self._grid.shape).astype(np.int32), first)

    def _slabs(self, key: str, begin: np.datetime64, end: np.datetime64):
        """Values of some days after the others, (days, h, w) float32, in the model's units and order of cells."""
        file, name, flips = self._files[key], VARIABLES[key], self._flips_of(key)
        start, stop = (int((day - self._days[key][0]).astype(int)) for day in (begin, end + 1))
        with file.open() as nc:
            variable = nc.variables[name]
            chunks = variable.chunking()
            step = SLAB if chunks in (None, "contiguous") else min(max(SLAB, int(chunks[0])), MOST_DAYS)
            for at in range(start, stop, step):
                rows = slice(at, min(at + step, stop))
                values = variable[rows]
                values = np.ma.filled(values if values.dtype.kind == "f" else values.astype(np.float64), np.nan)
                values = np.flip(self._convert(key, values), flips)
                used = values if self._near is None else values.reshape(len(values), -1)[:, self._near.first]
                _require_values(f"{file.label}: '{name}'", key, self._days[key][rows], used)
                yield values

    def _convert(self, key: str, values: NDArray[Any]) -> NDArray[np.float32]:
        factor, offset = self._units[key]
        if (factor, offset) != (1.0, 0.0):
            values = values.astype(np.float64) * factor + offset
        return values.astype(np.float32, copy=False)


def _require_values(label: str, key: str, days: NDArray[np.datetime64], values: NDArray[np.float32]) -> None:
    low, high = ds.TEMP_LIMITS if key == "temp" else (-ROUNDING, ds.PRCP_LIMIT / 1000.0)
    bad = ~((values >= low) & (values <= high))  # NaN too
    if not bad.any():
        return
    of_day = bad.reshape(len(days), -1)
    missing = int(np.isnan(values).sum())
    what = (
        "are missing" if missing == bad.sum() else f"are missing ({missing}) or outside {low:g}..{high:g}, check units"
    )
    raise InvalidParamsError(
        f"{label}: {bad.sum()} values {what}, on {ds.spell(days[of_day.any(axis=1)])}, in up to "
        f"{of_day.sum(axis=1).max()} of {of_day.shape[1]} cells. Fill them in the file."
    )


def _offset(elevation: NDArray[np.float32], heights: NDArray[np.float64]) -> NDArray[np.float32]:
    return (settings.PARAMS["glaunti_temp_gradient"] * (elevation - heights)).astype(np.float32)
