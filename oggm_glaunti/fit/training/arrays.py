"""A glacier's years as arrays of few shapes, ready for compiled programs.

Training needs the balance at points and the glacier's mean, so models without a network (A and B) run on the glacier's
cells and those with points only. Models C and D run on the whole map, as the snow around the glacier enters the
network; the other cells follow those that matter, flattened. Numbers of cells, days and points are rounded up, and
padding has weight 0: glaciers of similar size share their programs.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.core.forcing import CoarseForcing, Forcing, GriddedForcing, StationForcing, pad_days, select_days
from oggm_glaunti.core.glaunti import Season
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training.survey import GlacierSurvey, Part, Turn, by_season, read_year, survey_glacier

if TYPE_CHECKING:
    from oggm_glaunti.fit.data.year import YearData

PADDED_DAYS = 64  # seasons are padded to multiples of this
USUAL_DAYS = (256, 192)  # and at least to these, so that all years have one shape
POINTS_AT_LEAST = 128
MAP_SIDES = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # cells along the side of the network's maps
N_GEOMETRY = 3  # fields without facies

GridForcing = GriddedForcing | StationForcing | CoarseForcing


class SeenYear(NamedTuple):
    """Observations of a year; padding has weight 0.

    Attributes
    ----------
    season, cell : int arrays (N,)
        index into :data:`SEASONS`, and into the cells
    balance, weight : arrays (N,)
        balances, m w.e., and their weights, 0 to 1
    glacier, has_glacier : arrays (3,)
        glacier-wide balance by season, m w.e., and 1 if it was observed, otherwise 0
    """

    season: AnyArray
    cell: AnyArray
    balance: AnyArray
    weight: AnyArray
    glacier: AnyArray
    has_glacier: AnyArray


class NetworkMaps(NamedTuple):
    """Inputs of the network other than the response of the cells.

    Attributes
    ----------
    cell : int array (L,)
        index of each cell into the flattened map of S x S cells
    sizes : int array (1, 2)
        rows and columns of the glacier's own map
    place : array (1, S, S, C)
        outline, elevation, its uncertainty and, in model D, nine facies bands; normalised
    climate : array (1, 2, M)
    """

    cell: AnyArray
    sizes: AnyArray
    place: AnyArray
    climate: AnyArray


class YearArrays(NamedTuple):
    """A mass-balance year on L cells, of which the first P matter for the loss.

    Attributes
    ----------
    seasons : (Season, Season)
        winter and summer; a year with one annual season is split in two arbitrarily
    outline : array (P,)
        1 on the glacier, 0 elsewhere
    observed : SeenYear
    maps : NetworkMaps or None
        None for models A and B
    repeated : bool arrays (), ()
        whether the first day of each season is the last of the season before
    """

    seasons: tuple[Season, ...]
    outline: AnyArray
    observed: SeenYear
    maps: NetworkMaps | None
    repeated: tuple[AnyArray, AnyArray]


def side_of(shape: tuple[int, int]) -> int:
    """Return the side of the map for a glacier of this shape."""
    longest = max(shape)
    return next((side for side in MAP_SIDES if side >= longest), -(-longest // 256) * 256)


def weather_at(forcing: Forcing, cells: tuple[Any, ...]) -> GridForcing:
    """Select the weather of some cells of its grid, given their index: rows and columns, or a slice."""
    match forcing:
        case GriddedForcing():
            return GriddedForcing(*(series[(slice(None), *cells)] for series in (forcing.temp, forcing.prcp)))
        case StationForcing():
            return StationForcing(forcing.temp, forcing.prcp, forcing.temp_offset[cells])
        case CoarseForcing():
            return CoarseForcing(forcing.temp, forcing.prcp, forcing.cell[cells], forcing.temp_offset[cells])
        case _:
            raise ValueError(f"forcing: expected weather on a grid, found {type(forcing).__name__}")


def _with_rounded_blocks(forcing: GridForcing) -> GridForcing:
    """Pad the blocks of coarse weather to a multiple of eight."""
    if not isinstance(forcing, CoarseForcing):
        return forcing
    extra = ((0, 0), (0, -forcing.temp.shape[1] % 8))
    temp, prcp = (np.pad(series, extra, mode="edge") for series in (forcing.temp, forcing.prcp))
    return CoarseForcing(temp, prcp, forcing.cell, forcing.temp_offset)


def year_arrays(data: YearData, turn: Turn, seen: GlacierSurvey, whole_map: bool, facies: bool) -> YearArrays:
    """Make the arrays of a year; observations that do not count have weight 0.

    Parameters
    ----------
    data : YearData
        the year
    turn : Turn
        whether its observations count
    seen : GlacierSurvey
        cells of the glacier
    whole_map, facies : bool
        see :func:`~oggm_glaunti.fit.training.survey.survey_glacier`
    """
    # 1 on the glacier, each cell once, and 0 elsewhere.
    outline = np.asarray(data.outline[seen.rows, seen.cols], np.float32)
    flat = seen.rows.astype(np.int64) * data.outline.shape[1] + seen.cols
    outline[np.setdiff1d(np.arange(flat.size), np.unique(flat, return_index=True)[1])] = 0.0
    return YearArrays(
        _two_seasons(data.seasons, seen.rows, seen.cols),
        outline[: seen.n_matter],
        _seen_year(data, seen, turn.counted),
        _network_maps(data, seen, facies) if whole_map else None,
        (np.asarray(turn.continued), np.asarray(len(data.seasons) == 2)),
    )


def _two_seasons(seasons: tuple[Season, ...], rows: np.ndarray, cols: np.ndarray) -> tuple[Season, Season]:
    """Make two seasons at some cells, padded with days that are not run."""
    at_cells = [_with_rounded_blocks(weather_at(season.forcing, (rows, cols))) for season in seasons]
    checked = [(f.checked(s.weights), np.asarray(s.weights)) for f, s in zip(at_cells, seasons, strict=True)]
    if len(checked) == 1:
        [(forcing, weights)] = checked
        cut = USUAL_DAYS[0] if weights.size > USUAL_DAYS[0] else weights.size // 2
        checked = [(select_days(forcing, part), weights[part]) for part in (slice(cut), slice(cut, None))]
    single = partial(np.asarray, dtype=np.float32)
    winter, summer = (
        padded_season(eqx.tree_at(lambda f: (f.temp, f.prcp), forcing, replace_fn=single), single(weights), usual)
        for (forcing, weights), usual in zip(checked, USUAL_DAYS, strict=True)
    )
    return winter, summer


def padded_season(forcing: Forcing, weights: np.ndarray, least: int = 0) -> Season:
    """Pad a season with days that are not run to one of few lengths, at least `least`: few programs are compiled."""
    n_days = max(least, -(-weights.size // PADDED_DAYS) * PADDED_DAYS)
    forcing, weights = pad_days(forcing, weights, n_days)
    return Season(forcing, weights)


def _seen_year(data: YearData, seen: GlacierSurvey, counted: bool) -> SeenYear:
    place = np.full(data.outline.shape, -1, np.int64)
    # Backwards, so that the first of repeated cells counts.
    place[seen.rows[::-1], seen.cols[::-1]] = np.arange(seen.rows.size)[::-1]
    glacier, has_glacier = np.zeros(len(SEASONS), np.float32), np.zeros(len(SEASONS), np.float32)
    columns: list[tuple[np.ndarray, ...]] = []
    for k, target in by_season(data) if counted else ():
        n = target.rows.size
        columns.append((np.full(n, k), place[target.rows, target.cols], target.observed, target.weights))
        if np.isfinite(target.glacier):
            glacier[k], has_glacier[k] = target.glacier, 1.0
    joined = [np.concatenate(part) for part in zip(*columns, strict=True)] if columns else [np.zeros(1)] * 4
    n = max(POINTS_AT_LEAST, 1 << (joined[0].size - 1).bit_length())
    padded = [np.pad(part, (0, n - part.size)) for part in joined]
    season, cell = (part.astype(np.int32) for part in padded[:2])
    balance, weight = (part.astype(np.float32) for part in padded[2:])
    return SeenYear(season, cell, balance, weight, glacier, has_glacier)


def _network_maps(data: YearData, seen: GlacierSurvey, facies: bool) -> NetworkMaps:
    h, w = data.outline.shape
    side = side_of((h, w))
    fields = np.asarray(data.fields if facies else data.fields[:N_GEOMETRY], np.float32)
    place = np.zeros((1, side, side, fields.shape[0]), np.float32)
    place[0, :h, :w] = np.moveaxis(fields, 0, -1)
    climate = np.asarray(data.climate, np.float32)[None]
    return NetworkMaps(seen.rows * np.int32(side) + seen.cols, np.array([[h, w]], np.int32), place, climate)


class GlacierYears:
    """Years of a glacier for one kind of model, kept in memory as far as there is room.

    Parameters
    ----------
    part : Part
        glacier and years
    whole_map, facies : bool
        see :func:`~oggm_glaunti.fit.training.survey.survey_glacier`
    room : Room
        memory shared by all glaciers
    device : jax device
        device of the arrays
    corrector_strength : float
        factor on the regulariser of the corrections
    """

    def __init__(
        self, part: Part, whole_map: bool, facies: bool, room: Room, device: Any, corrector_strength: float = 1.0
    ):
        self.part, self.whole_map, self.facies, self.room, self.device = part, whole_map, facies, room, device
        self.name = part.glacier.name
        self.survey = survey_glacier(part, whole_map, facies)
        scale = self.survey.scale
        scale = scale._replace(corrections=np.float32(corrector_strength) * scale.corrections)
        self.scale = jax.device_put(scale, device)
        self._kept: dict[int, YearArrays] = {}

    def load(self, k: int) -> YearArrays:
        """Return the arrays of the k-th year to be run, on the device."""
        if k in self._kept:
            return self._kept[k]
        turn = self.survey.turns[k]
        data = read_year(self.part.glacier, turn.year, self.facies)
        arrays = year_arrays(data, turn, self.survey, self.whole_map, self.facies)
        arrays = jax.device_put(arrays, self.device)
        if self.room.take(sum(leaf.nbytes for leaf in jax.tree.leaves(arrays))):
            self._kept[k] = arrays
        return arrays


class Room:
    """Memory that may still be used; safe to use from several threads."""

    def __init__(self, megabytes: float):
        self._left, self._lock = megabytes * 1e6, threading.Lock()

    def take(self, n_bytes: int) -> bool:
        """Take some memory, and return whether there was enough."""
        with self._lock:
            if n_bytes > self._left:
                return False
            self._left -= n_bytes
            return True
