"""The weather of a gridded run: one series, coarse cells, or fields on the glacier's own grid.

Whatever its kind, a run asks it for the days of one season at a time; fields of a whole record are never in memory.
"""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError
from pyproj import Transformer

from oggm_glaunti import settings
from oggm_glaunti.coupling.gridded.weather_file import WeatherFile, Window
from oggm_glaunti.coupling.gridded.weather_grid import nearest_cells, same_cells
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.weather import series as ds
from oggm_glaunti.coupling.weather.file import DailyClimate
from oggm_glaunti.coupling.weather.plausibility import faults, warn_unusual


class Weather(ABC):
    """What a gridded run needs of its weather.

    Attributes
    ----------
    climate : DailyClimate
        one series for the whole glacier: its days are those that can be run
    ref_hgt : float or float64 array (K,)
        height for which temperature is given, m; of each coarse cell where there are `cells`
    cells : int array (H, W) or None
        coarse cell of every cell of the grid
    above_ref : array (H, W)
        height of the cells minus that for which temperature is given for them, m
    needs_all_cells : bool
        True if the uncorrected model, and so the corrector's inputs, cannot be run on heights
    """

    climate: DailyClimate
    ref_hgt: float | NDArray[np.float64]
    cells: NDArray[np.int32] | None = None
    above_ref: NDArray[Any]
    needs_all_cells = False
    # What is added to the temperature of `climate` for the mean over the outline, K.
    _mean_offset = 0.0

    @abstractmethod
    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """Return the forcing of the days `rows` on all cells (H, W), or on the cells of a ``GlacierColumns``."""

    def monthly(self, rows: slice, warmer: float = 0.0) -> NDArray[np.float32]:
        """Return the corrector's climate of the days `rows` (2, M): monthly means over the outline, `warmer` by K."""
        from oggm_glaunti.core.forcing import monthly_climate

        temp = self.climate.temp[rows].astype(np.float64) + (self._mean_offset + warmer)
        return monthly_climate(self.climate.time[rows], temp, self.climate.prcp[rows])

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 (hex) of everything it gives."""

    def _set_heights(self, features: Features, ref_hgt: float | NDArray[np.float64]) -> None:
        """Set the cells' heights above those of the weather, and what the lapse rate makes of them."""
        self.above_ref = features.elevation - ref_hgt
        self._offset = (settings.param("glaunti_temp_gradient") * self.above_ref).astype(np.float32)


class StationWeather(Weather):
    """A daily series, as glacier directories hold it, carried to the cells by the lapse rate.

    Parameters
    ----------
    climate : DailyClimate
    features : Features
    """

    def __init__(self, climate: DailyClimate, features: Features):
        self.climate, self.ref_hgt = climate, climate.ref_hgt
        self._set_heights(features, climate.ref_hgt)
        self._mean_offset = float(self._offset[features.glacier].mean(dtype=np.float64))

    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """See :class:`Weather`."""
        from oggm_glaunti.core.forcing import StationForcing

        offset = self._offset if columns is None else columns.pixel_offset
        return StationForcing(self.climate.temp[rows], self.climate.prcp[rows], offset)

    def digest(self) -> str:
        """See :class:`Weather`."""
        return self.climate.digest()


class WeatherOfFile(Weather):
    """Weather that stays in its file, of which `climate` holds the means over the outline."""

    _file: WeatherFile
    _digest: str

    def digest(self) -> str:
        """See :class:`Weather`."""
        return self._digest

    @abstractmethod
    def _fields(self, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Read temperature and precipitation of some days where they are needed."""

    @abstractmethod
    def _means(self, temp: NDArray[np.float32], prcp: NDArray[np.float32]) -> tuple[Any, Any]:
        """Average what was read over the outline."""

    def _heights(self, of_file: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the heights of the file, all of them known."""
        missing = ~np.isfinite(of_file)
        if missing.any():
            raise InvalidParamsError(
                f"{self._file.label}: the height is missing in {missing.sum()} of the {missing.size} cells that are "
                "needed"
            )
        return of_file

    def _look_through(self, features: Features, *place: NDArray[Any]) -> None:
        """Read a record once, year by year: check and digest all values, keep the means over the outline."""
        file, sha = self._file, hashlib.sha256()
        for values in (file.time, *place):
            sha.update(np.ascontiguousarray(values).tobytes())
        years = ds.calendar_years(file.time)
        starts = [*np.flatnonzero(np.r_[True, years[1:] != years[:-1]]).tolist(), file.time.size]
        parts = [self._look_at(slice(*rows), sha) for rows in pairwise(starts)]
        low_temp, low_prcp, high_temp, high_prcp, temp, prcp = (np.concatenate(p) for p in zip(*parts, strict=True))
        file.require_values(low_temp, low_prcp)
        file.require_values(high_temp, high_prcp)
        to_degrees = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(features.x.mean(), features.y.mean())
        mean_height = float(features.elevation[features.glacier].mean(dtype=np.float64))
        series = temp.astype(np.float32), prcp.astype(np.float32)
        self.climate = DailyClimate(file.time, *series, mean_height, lon, lat, file.source, str(file.path))
        self._digest = sha.hexdigest()
        errors, warnings = faults(file.time, temp, 1000.0 * prcp, mean_height, lat)
        if errors or warnings:
            warn_unusual(f"{file.label}: means over the glacier", errors + warnings)

    def _look_at(self, rows: slice, sha: Any) -> list[NDArray[Any]]:
        """Daily extremes (least temp, prcp, greatest temp, prcp) and means over the outline of some days."""
        fields = self._fields(rows)
        for values in fields:
            sha.update(np.ascontiguousarray(values).tobytes())
        flat = [values.reshape(len(values), -1) for values in fields]
        with np.errstate(invalid="ignore"):  # infinite values are an error, which says where
            return [*(f(values, axis=1) for f in (np.min, np.max) for values in flat), *self._means(*fields)]


class CoarseWeather(WeatherOfFile):
    """Cells coarser than the glacier's: each of its cells takes the nearest one, temperature by the lapse rate.

    Parameters
    ----------
    file : WeatherFile
    features : Features
    rgi_id : str
        named in errors

    Raises
    ------
    InvalidParamsError
        if the file does not reach all cells, or a cell that is needed lacks its height or values
    """

    def __init__(self, file: WeatherFile, features: Features, rgi_id: str):
        self._file = file
        self._window, nearest = nearest_cells(file, features, rgi_id)
        self._used, index = np.unique(nearest, return_inverse=True)
        self.cells = cells = index.reshape(features.shape).astype(np.int32)
        self.ref_hgt = hgt = self._heights(file.heights(self._window).reshape(-1)[self._used])
        self._set_heights(features, hgt[cells])
        on_glacier = cells[features.glacier]
        self._shares = np.bincount(on_glacier, minlength=self._used.size) / on_glacier.size
        self._warmer = float(self._offset[features.glacier].mean(dtype=np.float64))
        self._look_through(features, hgt, cells)

    def _fields(self, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        temp, prcp = (values.reshape(len(values), -1) for values in self._file.read(rows, self._window))
        return temp[:, self._used], prcp[:, self._used]

    def _means(self, temp: NDArray[np.float32], prcp: NDArray[np.float32]) -> tuple[Any, Any]:
        return temp.astype(np.float64) @ self._shares + self._warmer, prcp.astype(np.float64) @ self._shares

    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """See :class:`Weather`."""
        from oggm_glaunti.core.forcing import CoarseForcing

        points = (self.cells, self._offset) if columns is None else (columns.pixel_cell, columns.pixel_offset)
        return CoarseForcing(*self._fields(rows), *points)


class GriddedWeather(WeatherOfFile):
    """Fields on the glacier's own cells; temperature by the lapse rate from the file's height to that of the cell.

    Parameters
    ----------
    file : WeatherFile
    features : Features
    window : Window
        where the glacier's cells are in the file
    flip : tuple of int
        axes, counted from the end, that run against those of the features

    Raises
    ------
    InvalidParamsError
        if heights or values are missing
    """

    needs_all_cells = True

    def __init__(self, file: WeatherFile, features: Features, window: Window, flip: tuple[int, ...]):
        self._file, self._window, self._flip, self._glacier = file, window, flip, features.glacier
        hgt = self._heights(np.flip(file.heights(window), flip))
        self._set_heights(features, hgt)
        self._look_through(features, hgt)
        self.ref_hgt = self.climate.ref_hgt

    def _fields(self, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        temp, prcp = (np.flip(values, self._flip) for values in self._file.read(rows, self._window))
        temp += self._offset
        return temp, prcp

    def _means(self, temp: NDArray[np.float32], prcp: NDArray[np.float32]) -> tuple[Any, Any]:
        return tuple(values[:, self._glacier].mean(axis=1, dtype=np.float64) for values in (temp, prcp))

    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """See :class:`Weather`."""
        from oggm_glaunti.core.forcing import GriddedForcing

        fields = self._fields(rows)
        return GriddedForcing(*(fields if columns is None else (f[:, columns.rows, columns.cols] for f in fields)))


def open_weather(path: Any, features: Features, rgi_id: str) -> CoarseWeather | GriddedWeather:
    """Open gridded weather and check it once: every value needed exists and is valid.

    Parameters
    ----------
    path : path
        see :class:`~oggm_glaunti.coupling.gridded.weather_file.WeatherFile`
    features : Features
    rgi_id : str
        named in errors

    Returns
    -------
    GriddedWeather
        if the file holds the cells of the features, to a tenth of a cell
    CoarseWeather
        if its cells are at least twice as large

    Raises
    ------
    InvalidParamsError
        for everything that is missing, invalid or does not fit, with file, variable and dates
    """
    if not os.path.exists(path):
        raise InvalidParamsError(f"{rgi_id}: weather: {os.fspath(path)} does not exist")
    file = WeatherFile(path, rgi_id)
    same = same_cells(file, features)
    return CoarseWeather(file, features, rgi_id) if same is None else GriddedWeather(file, features, *same)


def shifted_by_day(forcing: Any, temp_bias: NDArray[Any], prcp_fac: NDArray[Any]) -> Any:
    """Return a forcing with a temperature offset (K) and a factor on precipitation for each day (T,)."""
    extra = (1,) * (forcing.temp.ndim - 1)
    bias, factor = (np.asarray(a, np.float32).reshape(-1, *extra) for a in (temp_bias, prcp_fac))
    return forcing if not bias.any() and (factor == 1).all() else forcing.shifted(bias, factor)


def with_offset(forcing: Any, extra: NDArray[Any]) -> Any:
    """Return a forcing with a temperature offset (K) for each point."""
    if not np.any(extra):
        return forcing
    extra = extra.astype(np.float32)
    if hasattr(forcing, "temp_offset"):
        return replace(forcing, temp_offset=forcing.temp_offset + extra)
    return replace(forcing, temp=forcing.temp + extra)
