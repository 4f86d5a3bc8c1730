"""Survey of a glacier before its first year is run: cells, denominators of the loss, order of the years."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from oggm_glaunti.core.arrays import AnyArray
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
from oggm_glaunti.fit.names import SEASONS
from oggm_glaunti.fit.training import losses

if TYPE_CHECKING:
    from oggm_glaunti.fit.data.year import GlacierData, Targets, YearData

FEW_CELLS = 4096


class Part(NamedTuple):
    """A glacier and the years whose observations count (None: all)."""

    glacier: GlacierData
    years: frozenset[int] | None = None

    def counts(self, year: int) -> bool:
        """Return whether the observations of a year count."""
        return self.years is None or year in self.years


class Scale(NamedTuple):
    """Factors of a glacier's sums of squares in the loss; 0 in place of 1 / 0.

    Attributes
    ----------
    points, glacier : arrays (3,)
        1 / sum of the points' weights and 1 / number of glacier-wide balances, by season
    corrections : array ()
        strength of the regulariser of the corrections / number of years with observations
    """

    points: AnyArray
    glacier: AnyArray
    corrections: AnyArray


class Turn(NamedTuple):
    """A year in the order in which they are run.

    Attributes
    ----------
    year : int
    counted : bool
        whether its observations count
    continued : bool
        whether its first day is the last of the year before
    """

    year: int
    counted: bool
    continued: bool


class GlacierSurvey(NamedTuple):
    """What must be known of a glacier before its first year is run.

    Attributes
    ----------
    rows, cols : int arrays (L,)
        cells, first those that matter for the loss, padded with the last one
    n_matter : int
        number of cells that matter, P
    scale : Scale
    turns : tuple of Turn
        years to be run, in order: spin-up, then all up to the last with observations that count
    digest : str
        SHA-256 of the observations, of which of them count, of maps and monthly climate
    """

    rows: np.ndarray
    cols: np.ndarray
    n_matter: int
    scale: Scale
    turns: tuple[Turn, ...]
    digest: str


def round_up_cells(n: int, least: int = 64) -> int:
    """Round a number of cells up to one of few numbers: at most by a half for few cells, a quarter for many.

    Programs for few cells take longer to compile than to run.

    Examples
    --------
    >>> [round_up_cells(n) for n in (3, 100, 129, 2304, 5000)]
    [64, 128, 192, 3072, 5120]
    """
    n = max(n, least)
    step = 1 << max(0, n.bit_length() - (2 if n <= FEW_CELLS else 3))
    return -(-n // step) * step


def read_year(glacier: GlacierData, year: int, facies: bool) -> YearData:
    """Read a year of a glacier, in one thread at a time."""
    with HDF5_LOCK:
        return glacier.load(year, facies=facies)


def survey_glacier(part: Part, whole_map: bool, facies: bool) -> GlacierSurvey:
    """Read all years of a glacier once.

    Parameters
    ----------
    part : Part
        glacier and years
    whole_map : bool
        whether cells that do not matter for the loss are run as well (models C and D)
    facies : bool
        whether facies are read (model D)

    Raises
    ------
    ValueError
        if a season is observed that is not run, a point lies outside the map, or no observation counts; names glacier
        and year
    """
    glacier = part.glacier
    matters = np.zeros(glacier.shape, bool)
    weights, glaciers = np.zeros(len(SEASONS)), np.zeros(len(SEASONS))
    digest, turns, end = hashlib.sha256(), [], None
    for year, spin_up in [*((y, True) for y in glacier.spin_up_years), *((y, False) for y in glacier.years)]:
        data = read_year(glacier, year, facies)
        _require_usable(glacier.name, data)
        matters |= data.outline > 0.5
        counted = not spin_up and part.counts(year) and bool(data.targets)
        _digest_year(digest, data, counted)
        turns.append(Turn(year, counted, end is not None and bool(data.begin == end)))
        end = data.end
        for k, target in by_season(data) if counted else ():
            try:
                losses.require_inside(target.rows, target.cols, matters.shape)
            except ValueError as err:
                raise ValueError(f"{glacier.name} {year}, {SEASONS[k]}: {err}") from err
            matters[target.rows, target.cols] = True
            weights[k] += np.sum(target.weights, dtype=np.float64)
            glaciers[k] += np.isfinite(target.glacier)
    n_counted = sum(turn.counted for turn in turns)
    if not n_counted:
        numbers = ", ".join(map(str, sorted(part.years or ()))) or "(none)"
        years = "any year" if part.years is None else f"the years {numbers}"
        raise ValueError(f"{glacier.name}: no observation in {years}")
    last = max(k for k, turn in enumerate(turns) if turn.counted)
    sums = (weights, glaciers, np.asarray(float(n_counted)))
    scale = Scale(*(np.where(n > 0, 1.0 / np.where(n > 0, n, 1.0), 0.0).astype(np.float32) for n in sums))
    return GlacierSurvey(*_cells(matters, whole_map), scale, tuple(turns[: last + 1]), digest.hexdigest())


def by_season(data: YearData) -> list[tuple[int, Targets]]:
    """Return the observations of a year, each with the index of its season into :data:`SEASONS`."""
    return [(k, data.targets[season]) for k, season in enumerate(SEASONS) if season in data.targets]


def _require_usable(name: str, data: YearData) -> None:
    if not (data.outline > 0.5).any():
        raise ValueError(f"{name} {data.year}: no cell is inside the outline")
    unknown = set(data.targets) - set(SEASONS)
    if unknown:
        raise ValueError(f"{name} {data.year}: expected observations of {SEASONS}, found {sorted(unknown)}")
    seasonal = " and ".join(sorted(set(data.targets) - {"annual"}))
    if len(data.seasons) == 1 and seasonal:
        without = "the year has no midseason date and is run as one annual season"
        raise ValueError(f"{name} {data.year}: {seasonal} observed, but {without}")


def _digest_year(digest: Any, data: YearData, counted: bool) -> None:
    digest.update(f"{data.year} {counted} {data.begin} {data.mid} {data.end} {len(data.seasons)}".encode())
    for array in (data.fields, data.climate):
        digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    for k, target in by_season(data):
        digest.update(str(k).encode())
        for cells in (target.rows, target.cols):
            digest.update(np.ascontiguousarray(cells, np.int32).tobytes())
        for array in (target.observed, target.weights, np.asarray(target.glacier)):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())


def _cells(matters: np.ndarray, whole_map: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the cells that matter, then the others on request; numbers rounded up, the last cell repeated."""
    rows, cols = np.nonzero(matters)
    n_matter = round_up_cells(rows.size)
    if whole_map:
        # The first of the other cells may pad those that matter.
        other_rows, other_cols = np.nonzero(~matters)
        rows, cols = np.r_[rows, other_rows], np.r_[cols, other_cols]
        n_matter = min(n_matter, round_up_cells(rows.size))
    n = max(n_matter, round_up_cells(rows.size))
    all_rows, all_cols = (np.pad(axis, (0, n - axis.size), mode="edge").astype(np.int32) for axis in (rows, cols))
    return all_rows, all_cols, n_matter
