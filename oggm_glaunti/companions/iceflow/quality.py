"""Which vectors are believed, how still ground moves, and the error of a vector."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Neighbour filter: windows to each side, share of the neighbours that must agree, rounds, deviations from the median.
REACH, AGREE, ROUNDS, DEVIATIONS = 2, 0.32, 3, 4.0
# Tolerance of the agreement as a share of the search.
OF_SEARCH = 0.2
# px. Deviations below this are never outliers.
LEAST_DEVIATION = 0.1
# Correlation, and ratio to the second peak, that a vector needs.
LEAST_PEAK, LEAST_RATIO = 0.3, 1.1
# Error of a vector, px: least, and factor of sqrt(1 - r2) / r / chip; from synthetic pairs with noise.
ERROR_FLOOR, ERROR_FACTOR = 0.03, 2.5
# px. What is farther from the mode is no candidate for still ground; and rounds of fitting a camera's motion.
MOST_OFF_MODE, CAMERA_ROUNDS = 2.0, 10
# Windows on stable ground from which a shift is believed.
LEAST_STABLE = 5


def nmad(values: ArrayLike) -> float:
    """Return 1.4826 times the median absolute deviation from the median, without NaN.

    Examples
    --------
    >>> round(nmad([1.0, 2.0, 3.0, 1000.0, np.nan]), 4)
    1.4826
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    return float(1.4826 * np.median(np.abs(known - np.median(known)))) if known.size else float("nan")


def _neighbours(field: Floats, reach: int = REACH, stride: int = 1) -> Floats:
    """Return the values around each cell (M, H, W), NaN beyond the edge; the cell itself is left out."""
    height, width = field.shape
    padded = np.pad(field, reach * stride, constant_values=np.nan)
    at = range(0, 2 * reach * stride + 1, stride)
    steps = [(r, c) for r in at for c in at if (r, c) != (reach * stride, reach * stride)]
    return np.stack([padded[r : r + height, c : c + width] for r, c in steps])


def local_median(field: Floats, reach: int = REACH) -> Floats:
    """Return the median of the neighbours and the cell itself, NaN where none is known."""
    around = np.concatenate([_neighbours(field, reach), field[None]])
    known = np.isfinite(around).any(axis=0)
    result = np.full(field.shape, np.nan)
    result[known] = np.nanmedian(around[:, known], axis=0)
    return result


def agreeing(
    rows: Floats,
    cols: Floats,
    tolerance: float,
    *,
    share: float = AGREE,
    rounds: int = ROUNDS,
    reach: int = REACH,
    stride: int = 1,
) -> Mask:
    """Return the vectors that agree with their neighbours.

    Those go for which less than `share` of the cells within `reach` hold a vector that differs by less than
    `tolerance`; then those that differ from the median of the neighbours by more than four median absolute deviations.
    Repeated, as what is left has better neighbours (after the NDC filter of autoRIFT).

    Parameters
    ----------
    rows, cols : arrays (H, W)
        Components, NaN if unknown
    tolerance : float
        In their unit; for displacements 0.2 of the search is usual
    share, rounds, reach
        Share of the neighbours, number of rounds, and neighbours to each side
    stride : int
        Cells between neighbours: vectors of chips that overlap make the same mistakes, so on a dense field it should be
        a quarter of the chip or more

    Examples
    --------
    >>> field = np.ones((5, 5))
    >>> field[2, 2] = 9.0
    >>> int((~agreeing(field, field, 1.0)).sum())
    1
    """
    rows, cols = np.array(rows, float), np.array(cols, float)
    good = np.isfinite(rows) & np.isfinite(cols)
    count = (2 * reach + 1) ** 2 - 1
    for _ in range(rounds):
        rows[~good] = cols[~good] = np.nan
        near_rows, near_cols = (_neighbours(part, reach, stride) for part in (rows, cols))
        alike = (np.abs(near_rows - rows) < tolerance) & (np.abs(near_cols - cols) < tolerance)
        # At the edge of the field there are fewer neighbours.
        there = _neighbours(np.ones(rows.shape), reach, stride) == 1.0
        good &= alike.sum(axis=0) >= share * there.sum(axis=0) * np.where(there.sum(axis=0) < count, 0.8, 1.0)
    rows[~good] = cols[~good] = np.nan
    for field in (rows, cols):
        good &= ~_outlying(field, min(LEAST_DEVIATION, tolerance / 4), reach, stride)
    return good


def _outlying(field: Floats, least: float, reach: int, stride: int) -> Mask:
    around = np.concatenate([_neighbours(field, reach, stride), field[None]])
    known = np.isfinite(field)
    middle, spread = np.zeros(field.shape), np.full(field.shape, np.inf)
    middle[known] = np.nanmedian(around[:, known], axis=0)
    spread[known] = np.nanmedian(np.abs(around[:, known] - middle[known]), axis=0)
    return known & (np.abs(field - middle) > np.maximum(DEVIATIONS * 1.4826 * spread, 4 * least))


def vector_error(peak: ArrayLike, chip: ArrayLike) -> Floats:
    """Return the standard error of a displacement, px, per component, from correlation and chip size.

    Signal and noise of a chip have variances of r and 1 - r: the error grows with sqrt(1 - r2) / r and falls with the
    side of the chip. The factor and the least error are those of synthetic pairs.

    Examples
    --------
    >>> vector_error([0.9, 0.6, 0.6], [32, 32, 64]).round(2).tolist()
    [0.05, 0.11, 0.06]
    """
    r = np.clip(np.asarray(peak, float), 0.05, 1.0)
    return np.hypot(ERROR_FLOOR, ERROR_FACTOR * np.sqrt(np.maximum(1 - r**2, 0.0)) / r / np.asarray(chip, float))


class StableShift(NamedTuple):
    """How ground moved that does not move.

    Attributes
    ----------
    rows, cols : float
        Median displacement, px: the misregistration of the pair
    nmad_rows, nmad_cols : float
        Scatter, px: the error of a single vector
    windows : int
        How many windows on it have a vector
    """

    rows: float
    cols: float
    nmad_rows: float
    nmad_cols: float
    windows: int

    @property
    def error(self) -> float:
        """Standard error of the median, px."""
        return 1.2533 * float(np.hypot(self.nmad_rows, self.nmad_cols)) / np.sqrt(2 * self.windows)


def stable_shift(rows: ArrayLike, cols: ArrayLike, stable: ArrayLike, least: int = LEAST_STABLE) -> StableShift:
    """Return the median displacement of stable ground.

    Raises
    ------
    ValueError
        If fewer than `least` windows on stable ground have a vector

    Examples
    --------
    >>> stable_shift(np.full(9, 1.5), np.full(9, -0.5), np.arange(9) < 6)[:2]
    (1.5, -0.5)
    """
    rows, cols = np.asarray(rows, float), np.asarray(cols, float)
    used = np.asarray(stable, bool) & np.isfinite(rows) & np.isfinite(cols)
    count = int(used.sum())
    if count < least:
        raise ValueError(
            f"no stable ground: {count} windows on it have a vector, expected {least} or more. Give a larger mask of "
            "stable ground, a smaller step, or no mask (stable=None, 'none' in iceflow_velocity): velocities then hold "
            "the shift of the images"
        )
    r, c = rows[used], cols[used]
    return StableShift(float(np.median(r)), float(np.median(c)), nmad(r), nmad(c), count)


def mode_shift(rows: ArrayLike, cols: ArrayLike, bin_width: float = 0.5) -> tuple[float, float, float]:
    """Return the most frequent displacement (rows, columns), px, and the share of vectors within 1 px of it.

    For pictures of which most is still and no mask says what: only as good as that.
    """
    rows, cols = (np.asarray(part, float) for part in (rows, cols))
    known = np.isfinite(rows) & np.isfinite(cols)
    points = np.stack([rows[known], cols[known]], axis=1)
    if not len(points):
        raise ValueError("no stable ground: no vector is valid")
    cells, counts = np.unique(np.round(points / bin_width).astype(int), axis=0, return_counts=True)
    top = cells[np.argmax(counts)] * bin_width
    for _ in range(5):
        near = np.abs(points - top).max(axis=1) < 2 * bin_width
        top = np.median(points[near], axis=0)
    return float(top[0]), float(top[1]), float((np.hypot(*(points - top).T) < 1.0).mean())


def camera_motion(
    row: ArrayLike, col: ArrayLike, rows: ArrayLike, cols: ArrayLike, stable: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Return the motion (H, W) of a picture whose camera was shifted, turned or zoomed: linear in row and column.

    Fitted to stable ground, or, without a mask, to what moves like most of the picture; repeated without outliers.

    Parameters
    ----------
    row, col : arrays (H,), (W,)
        Centres of the windows, px
    rows, cols : arrays (H, W)
        Displacements, px, NaN if not valid
    stable : bool array (H, W), optional
        Windows on ground that does not move

    Raises
    ------
    ValueError
        If fewer than five windows hold still

    Examples
    --------
    >>> row, col = np.arange(0, 100, 10), np.arange(0, 100, 10)
    >>> turn = 0.01 * (row[:, None] + 0 * col)
    >>> rows, cols = camera_motion(row, col, 0 * turn + 3.0, turn - 2.0)
    >>> rows[0, 0].round(6), cols[5, 0].round(6)
    (np.float64(3.0), np.float64(-1.5))
    """
    rows, cols = np.asarray(rows, float), np.asarray(cols, float)
    known = np.isfinite(rows) & np.isfinite(cols)
    if stable is None:
        top = mode_shift(rows, cols)
        used = known & (np.hypot(rows - top[0], cols - top[1]) < MOST_OFF_MODE)
    else:
        used = known & np.asarray(stable, bool)
    if used.sum() < LEAST_STABLE:
        raise ValueError(
            f"no stable ground: {int(used.sum())} windows on it have a vector, expected {LEAST_STABLE} or more"
        )
    r, c = np.meshgrid(np.asarray(row, float), np.asarray(col, float), indexing="ij")
    terms = np.stack([np.ones(r.shape), r - r.mean(), c - c.mean()], axis=-1)
    candidates = used if stable is not None else known
    for _ in range(CAMERA_ROUNDS):
        fits = [terms @ np.linalg.lstsq(terms[used], part[used])[0] for part in (rows, cols)]
        off = np.hypot(rows - fits[0], cols - fits[1])
        limit = max(3 * nmad(off[used]) + float(np.median(off[used])), LEAST_DEVIATION)
        used = candidates & (off < limit)
    return fits[0], fits[1]
