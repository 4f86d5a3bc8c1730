"""The weather of a gridded run: one series, coarse cells, or fields on the glacier's own grid.

Whatever its kind, a run asks it for the days of one season at a time; fields of a whole record are never in memory.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol

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


class Weather(Protocol):
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
    cells: NDArray[np.int32] | None
    above_ref: NDArray[Any]
    needs_all_cells: bool

    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """Return the forcing of the days `rows` on all cells (H, W), or on the cells of a ``GlacierColumns``."""
        ...

    def monthly(self, rows: slice, warmer: float = 0.0) -> NDArray[np.float32]:
        """Return the corrector's climate of the days `rows` (2, M): monthly means over the outline, `warmer` by K."""
        ...

    def digest(self) -> str:
        """SHA-256 (hex) of everything it gives."""
        ...


class StationWeather:
    """A daily series, as glacier directories hold it, carried to the cells by the lapse rate.

    Parameters
    ----------
    climate : DailyClimate
    features : Features
    """

    cells: NDArray[np.int32] | None = None
    ref_hgt: float | NDArray[np.float64]
    needs_all_cells = False

    def __init__(self, climate: DailyClimate, features: Features):
        self.climate, self.ref_hgt = climate, climate.ref_hgt
        self.above_ref = features.elevation - climate.ref_hgt
        self._offset = _offset(self.above_ref)
        self._mean_offset = float(self._offset[features.glacier].mean(dtype=np.float64))

    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """See :class:`Weather`."""
        from oggm_glaunti.core.forcing import StationForcing

        offset = self._offset if columns is None else columns.pixel_offset
        return StationForcing(self.climate.temp[rows], self.climate.prcp[rows], offset)

    def monthly(self, rows: slice, warmer: float = 0.0) -> NDArray[np.float32]:
        """See :class:`Weather`."""
        return _monthly(self.climate, rows, self._mean_offset + warmer)

    def digest(self) -> str:
        """See :class:`Weather`."""
        return self.climate.digest()


class CoarseWeather:
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

    ref_hgt: float | NDArray[np.float64]
    cells: NDArray[np.int32] | None
    needs_all_cells = False

    def __init__(self, file: WeatherFile, features: Features, rgi_id: str):
        self._file = file
        self._window, nearest = nearest_cells(file, features, rgi_id)
        self._used, index = np.unique(nearest, return_inverse=True)
        self.cells = cells = index.reshape(features.shape).astype(np.int32)
        self.ref_hgt = hgt = _known(file, file.heights(self._window).reshape(-1)[self._used])
        self.above_ref = features.elevation - hgt[cells]
        self._offset = _offset(self.above_ref)
        on_glacier = cells[features.glacier]
        self._shares = np.bincount(on_glacier, minlength=self._used.size) / on_glacier.size
        self._mean_offset = float(self._offset[features.glacier].mean(dtype=np.float64))
        self.climate, self._digest = _look_through(file, features, self._fields, self._means, hgt, cells)

    def _fields(self, rows: slice) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        temp, prcp = (values.reshape(len(values), -1) for values in self._file.read(rows, self._window))
        return temp[:, self._used], prcp[:, self._used]

    def _means(self, temp: NDArray[np.float32], prcp: NDArray[np.float32]) -> tuple[Any, Any]:
        return temp.astype(np.float64) @ self._shares + self._mean_offset, prcp.astype(np.float64) @ self._shares

    def forcing(self, rows: slice, columns: Any = None) -> Any:
        """See :class:`Weather`."""
        from oggm_glaunti.core.forcing import CoarseForcing

        points = (self.cells, self._offset) if columns is None else (columns.pixel_cell, columns.pixel_offset)
        return CoarseForcing(*self._fields(rows), *points)

    def monthly(self, rows: slice, warmer: float = 0.0) -> NDArray[np.float32]:
        """See :class:`Weather`."""
        return _monthly(self.climate, rows, warmer)

    def digest(self) -> str:
        """See :class:`Weather`."""
        return self._digest


class GriddedWeather:
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

    cells: NDArray[np.int32] | None = None
    ref_hgt: float | NDArray[np.float64]
    needs_all_cells = True

    def __init__(self, file: WeatherFile, features: Features, window: Window, flip: tuple[int, ...]):
        self._file, self._window, self._flip, self._glacier = file, window, flip, features.glacier
        hgt = _known(file, np.flip(file.heights(window), flip))
        self.above_ref = features.elevation - hgt
        self._offset = _offset(self.above_ref)
        self.climate, self._digest = _look_through(file, features, self._fields, self._means, hgt)
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

        temp, prcp = self._fields(rows)
        if columns is None:
            return GriddedForcing(temp, prcp)
        return GriddedForcing(temp[:, columns.rows, columns.cols], prcp[:, columns.rows, columns.cols])

    def monthly(self, rows: slice, warmer: float = 0.0) -> NDArray[np.float32]:
        """See :class:`Weather`."""
        return _monthly(self.climate, rows, warmer)

    def digest(self) -> str:
        """See :class:`Weather`."""
        return self._digest


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


def _offset(above_ref: NDArray[Any]) -> NDArray[np.float32]:
    return (settings.param("glaunti_temp_gradient") * above_ref).astype(np.float32)


def _monthly(climate: DailyClimate, rows: slice, offset: float) -> NDArray[np.float32]:
    from oggm_glaunti.core.forcing import monthly_climate

    return monthly_climate(climate.time[rows], climate.temp[rows].astype(np.float64) + offset, climate.prcp[rows])


def _known(file: WeatherFile, heights: NDArray[np.float64]) -> NDArray[np.float64]:
    missing = ~np.isfinite(heights)
    if missing.any():
        raise InvalidParamsError(
            f"{file.label}: the height is missing in {missing.sum()} of the {missing.size} cells that are needed"
        )
    return heights


def _look_through(
    file: WeatherFile, features: Features, fields: Any, means: Any, *place: NDArray[Any]
) -> tuple[DailyClimate, str]:
    """Read a record once, year by year: check and digest all values, keep the means over the outline."""
    sha = hashlib.sha256()
    for values in (file.time, *place):
        sha.update(np.ascontiguousarray(values).tobytes())
    parts = [_look_at(fields(rows), means, sha) for rows in _rows_of_years(file.time)]
    low_temp, low_prcp, high_temp, high_prcp, temp, prcp = (np.concatenate(part) for part in zip(*parts, strict=True))
    file.require_values(low_temp, low_prcp)
    file.require_values(high_temp, high_prcp)
    lon, lat = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True).transform(
        features.x.mean(), features.y.mean()
    )
    mean_height = float(features.elevation[features.glacier].mean(dtype=np.float64))
    series = temp.astype(np.float32), prcp.astype(np.float32)
    return DailyClimate(file.time, *series, mean_height, lon, lat, file.source, str(file.path)), sha.hexdigest()


def _look_at(fields: tuple[NDArray[np.float32], ...], means: Any, sha: Any) -> list[NDArray[Any]]:
    """Daily extremes (least temp, prcp, greatest temp, prcp) and means over the outline of some days; digests all."""
    for values in fields:
        sha.update(np.ascontiguousarray(values).tobytes())
    flat = [values.reshape(len(values), -1) for values in fields]
    with np.errstate(invalid="ignore"):  # infinite values are an error, which says where
        return [*(f(values, axis=1) for f in (np.min, np.max) for values in flat), *means(*fields)]


def _rows_of_years(time: NDArray[np.datetime64]) -> list[slice]:
    years = ds.calendar_years(time)
    starts = [*np.flatnonzero(np.r_[True, years[1:] != years[:-1]]).tolist(), time.size]
    return [slice(first, last) for first, last in pairwise(starts)]
