"""A glacier's years as arrays of few shapes, ready for compiled programs.

Training asks for the balance at points and for the glacier's mean, so a model without a network needs no other cells
than those: models A and B run on the glacier's cells and those with points. Models C and D see the whole map, as the
snow beside the glacier enters the network; their other cells come after the ones that matter, in one row. Numbers of
cells, days and points are rounded up, and what is added has no weight: glaciers of like size share their programs.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from oggm_glaunti.core.forcing import CoarseForcing, Forcing, GriddedForcing, StationForcing, pad_days
from oggm_glaunti.core.glaunti import Season
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training.survey import Part, Survey, Turn, by_season, read_year, survey

DAYS_AT_ONCE = 64  # seasons are padded to multiples of this
USUAL_DAYS = (256, 192)  # and to these at least, so that all years have one shape
POINTS_AT_LEAST = 128
SIDES = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # of the network's maps
N_GEOMETRY = 3  # fields that describe the place without facies


class Observed(NamedTuple):
    """Observations of a year; what was added to fill up has weight 0.

    Attributes
    ----------
    season, index : int arrays (N,)
        place in :data:`SEASONS`, and among the cells
    balance, weight : arrays (N,)
        m w.e., and 0 to 1
    glacier, has_glacier : arrays (3,)
        glacier-wide balance by season, m w.e., and 1 where there is one
    """

    season: np.ndarray
    index: np.ndarray
    balance: np.ndarray
    weight: np.ndarray
    glacier: np.ndarray
    has_glacier: np.ndarray


class Maps(NamedTuple):
    """What the network needs beside the response of the cells.

    Attributes
    ----------
    cell : int array (L,)
        place of each cell in a map of S x S cells, flattened
    sizes : int array (1, 2)
        rows and columns of the glacier's own map
    place : array (1, S, S, C)
        outline, elevation, its uncertainty and, in model D, nine facies bands; normalised
    climate : array (1, 2, M)
    """

    cell: np.ndarray
    sizes: np.ndarray
    place: np.ndarray
    climate: np.ndarray


class YearArrays(NamedTuple):
    """A mass-balance year: weather of L cells, of which the first P matter for the loss.

    Attributes
    ----------
    seasons : (Season, Season)
        winter and summer; an annual season is cut in two anywhere
    outline : array (P,)
        1 on the glacier
    observed : Observed
    maps : Maps or None
        None for models A and B
    repeated : bool arrays (), ()
        whether the first day of each season is the last of the one before
    """

    seasons: tuple[Season, ...]
    outline: np.ndarray
    observed: Observed
    maps: Maps | None
    repeated: tuple[np.ndarray, np.ndarray]


def side_of(shape: tuple[int, int]) -> int:
    """Side of the map on which a glacier of this shape is put."""
    longest = max(shape)
    return next((side for side in SIDES if side >= longest), -(-longest // 256) * 256)


def weather_at(forcing: Forcing, rows: np.ndarray, cols: np.ndarray) -> Forcing:
    """The same weather at some cells of its grid."""
    match forcing:
        case GriddedForcing():
            return GriddedForcing(forcing.temp[:, rows, cols], forcing.prcp[:, rows, cols])
        case StationForcing():
            return StationForcing(forcing.temp, forcing.prcp, forcing.temp_offset[rows, cols])
        case CoarseForcing():
            extra = -forcing.temp.shape[1] % 8
            temp, prcp = (np.pad(a, ((0, 0), (0, extra)), mode="edge") for a in (forcing.temp, forcing.prcp))
            return CoarseForcing(temp, prcp, forcing.cell[rows, cols], forcing.temp_offset[rows, cols])
        case _:
            raise ValueError(f"forcing: expected weather on a grid, found {type(forcing).__name__}")


def year_arrays(data: Any, turn: Turn, seen: Survey, whole_map: bool, facies: bool) -> YearArrays:
    """Arrays of one year; observations that do not count have weight 0.

    Parameters
    ----------
    data : YearData
    turn : Turn
    seen : Survey
    whole_map, facies : bool
        as in :func:`survey`
    """
    return YearArrays(
        _seasons(data.seasons, seen.rows, seen.cols),
        _outline(data, seen),
        _observed(data, seen, turn.counted),
        _maps(data, seen, facies) if whole_map else None,
        (np.asarray(turn.continued), np.asarray(len(data.seasons) == 2)),
    )


def _seasons(seasons: tuple[Season, ...], rows: np.ndarray, cols: np.ndarray) -> tuple[Season, Season]:
    """Two seasons at some cells, filled up with days that are not run."""
    checked = [(weather_at(s.forcing, rows, cols).checked(s.weights), np.asarray(s.weights)) for s in seasons]
    if len(checked) == 1:
        [(forcing, weights)] = checked
        cut = USUAL_DAYS[0] if weights.size > USUAL_DAYS[0] else weights.size // 2
        checked = [(_cut(forcing, part), weights[part]) for part in (slice(cut), slice(cut, None))]
    winter, summer = (
        Season(*pad_days(_single(forcing), _float32(weights), max(usual, padded_days(weights.size))))
        for (forcing, weights), usual in zip(checked, USUAL_DAYS, strict=True)
    )
    return winter, summer


def padded_days(n_days: int) -> int:
    """Length to which a season is filled with days that are not run, so that few programs are compiled."""
    return -(-n_days // DAYS_AT_ONCE) * DAYS_AT_ONCE


def _cut(forcing: Forcing, days: slice) -> Forcing:
    return eqx.tree_at(lambda f: (f.temp, f.prcp), forcing, replace_fn=lambda series: series[days])


def _single(forcing: Forcing) -> Forcing:
    return eqx.tree_at(lambda f: (f.temp, f.prcp), forcing, replace_fn=_float32)


def _float32(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)


def _outline(data: Any, seen: Survey) -> np.ndarray:
    """1 on the glacier, each cell once."""
    outline = np.asarray(data.outline[seen.rows, seen.cols], np.float32)
    flat = seen.rows.astype(np.int64) * data.outline.shape[1] + seen.cols
    outline[np.setdiff1d(np.arange(flat.size), np.unique(flat, return_index=True)[1])] = 0.0
    return outline[: seen.n_matter]


def _observed(data: Any, seen: Survey, counted: bool) -> Observed:
    place = np.full(data.outline.shape, -1, np.int64)
    # Backwards: of a repeated cell the first counts.
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
    kinds = (np.int32, np.int32, np.float32, np.float32)
    return Observed(*(p.astype(kind) for p, kind in zip(padded, kinds, strict=True)), glacier, has_glacier)


def _maps(data: Any, seen: Survey, facies: bool) -> Maps:
    h, w = data.outline.shape
    side = side_of((h, w))
    fields = np.asarray(data.fields if facies else data.fields[:N_GEOMETRY], np.float32)
    place = np.zeros((1, side, side, fields.shape[0]), np.float32)
    place[0, :h, :w] = np.moveaxis(fields, 0, -1)
    climate = np.asarray(data.climate, np.float32)[None]
    return Maps(seen.rows * np.int32(side) + seen.cols, np.array([[h, w]], np.int32), place, climate)


class GlacierYears:
    """Years of a glacier for one kind of model, kept in memory as long as there is room.

    Parameters
    ----------
    part : Part
    whole_map, facies : bool
        see :func:`survey`
    room : Room
        shared by all glaciers
    device : jax device
        where the arrays are put
    corrector_strength : float
        factor on the regulariser of the corrections
    """

    def __init__(
        self, part: Part, whole_map: bool, facies: bool, room: Room, device: Any, corrector_strength: float = 1.0
    ):
        self.part, self.whole_map, self.facies, self.room, self.device = part, whole_map, facies, room, device
        self.name = part.glacier.name
        self.survey = survey(part, whole_map, facies)
        scale = self.survey.scale
        scale = scale._replace(corrections=np.float32(corrector_strength) * scale.corrections)
        self.scale = jax.device_put(scale, device)
        self._kept: dict[int, YearArrays] = {}

    def load(self, k: int) -> YearArrays:
        """Arrays of the k-th year to be run, on the device."""
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
    """Bytes that may still be kept; safe to use from several threads."""

    def __init__(self, megabytes: float):
        self._left, self._lock = megabytes * 1e6, threading.Lock()

    def take(self, n_bytes: int) -> bool:
        """Whether there was room; it is taken then."""
        with self._lock:
            if n_bytes > self._left:
                return False
            self._left -= n_bytes
            return True
