"""Where two surfaces lie against each other: shifts by parts of a pixel, found on ground that does not move.

A mosaic may have been made of pieces that lie differently. The yearly DEMs of Hugonnet et al. (2021) come in tiles of
one degree, and from one to the next the offset to other DEMs jumps by a pixel: each piece needs a shift of its own.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.stats import median_abs_deviation

# Pixels. Shifts are sought up to here, first at steps of half that of the grid's usual errors (half a pixel).
REACH, STEP = 1.5, 0.25
# Pixels beside the expected line up to which a seam is sought, and difference of height (m) beyond which it counts as
# this: blunders say nothing about seams.
SEAM_REACH, FAR = 6, 50.0
# Pixels of which both surfaces have to know the height; of a piece, to have a shift of its own.
ENOUGH, ENOUGH_OF_PIECE = 50, 200


class Shift(NamedTuple):
    """How a reference has to be moved to lie under another surface, and what that is worth.

    Attributes
    ----------
    rows, cols : float
        pixels, towards higher rows and columns
    nmad_before, nmad_after : float
        normalised median absolute deviation of the differences of height, m
    median : float
        of the differences after the shift, m: what a datum, snow or the radar's depth makes
    """

    rows: float
    cols: float
    nmad_before: float
    nmad_after: float
    median: float


class Registration(NamedTuple):
    """Shifts of the pieces of a reference.

    Attributes
    ----------
    pieces : int array (H, W)
        labels of the pieces, their seams where they were found
    shifts : dict of int to Shift
        by label
    seams : (int, int)
        pixels, rows and columns, by which the seams were found beside those expected
    """

    pieces: NDArray[np.integer]
    shifts: dict[int, Shift]
    seams: tuple[int, int] = (0, 0)

    def moved(self, field: NDArray[np.float64]) -> NDArray[np.float64]:
        """A field (H, W), every piece moved by its shift."""
        result = np.empty_like(field)
        for label, shift in self.shifts.items():
            here = self.pieces == label
            result[here] = moved(field, shift.rows, shift.cols)[here]
        return result


def nmad(values: NDArray[np.float64]) -> float:
    """Normalised median absolute deviation: the standard deviation of a normal distribution, deaf to outliers.

    Examples
    --------
    >>> round(nmad(np.array([1.0, 2.0, 3.0, 1000.0])), 4)
    1.4826
    """
    return float(1.4826 * median_abs_deviation(values))


def moved(surface: NDArray[np.float64], rows: float, cols: float) -> NDArray[np.float64]:
    """A surface (H, W) moved by parts of a pixel, bilinear; beyond its edge goes on what stands there.

    Examples
    --------
    >>> moved(np.array([[0.0, 2.0, 4.0]]), 0.0, 0.5).tolist()
    [[0.0, 1.0, 3.0]]
    """
    return ndimage.shift(surface, (rows, cols), order=1, mode="nearest")


def estimate_shift(
    surface: NDArray[np.float64], reference: NDArray[np.float64], stable: NDArray[np.bool_] | None = None
) -> Shift:
    """The shift of the reference for which the differences of height scatter least.

    Parameters
    ----------
    surface, reference : arrays (H, W)
        m; NaN where a height is not known
    stable : bool array (H, W), optional
        ground that did not move between the two surfaces; all by default

    Returns
    -------
    Shift

    Raises
    ------
    ValueError
        where fewer than 50 pixels are left to compare, or the best shift is one of 1.5 pixels or more

    Notes
    -----
    The scatter (NMAD) has side minima where valleys are narrow, so a grid of shifts is tried before the best is
    refined (Nelder and Mead).

    Examples
    --------
    >>> rows, columns = np.indices((40, 40))
    >>> hills = 100.0 * np.sin(rows / 4.0) * np.cos(columns / 5.0)
    >>> found = estimate_shift(moved(hills, 0.5, -0.25) + 54.0, hills)
    >>> round(found.rows, 2), round(found.cols, 2), round(found.median, 1)
    (0.5, -0.25, 54.0)
    """
    compared = np.isfinite(surface) & (True if stable is None else stable)
    count = (compared & np.isfinite(reference)).sum()
    if count < ENOUGH:
        raise ValueError(
            f"{count} pixels of stable ground are known in both surfaces; expected "
            f"{ENOUGH} or more to tell how they lie against each other (or leave coregistration out)"
        )

    def differences(shift: tuple[float, float]) -> NDArray[np.float64]:
        left = surface[compared] - moved(reference, *shift)[compared]
        return left[np.isfinite(left)]

    steps = slice(-REACH, REACH + STEP / 2, STEP)
    start = optimize.brute(lambda shift: nmad(differences(shift)), (steps, steps), finish=None)
    # Steps of a size that leads out of the kinks that bilinear interpolation has at whole pixels.
    simplex = start + STEP / 2 * np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    refined = optimize.minimize(
        lambda shift: nmad(differences(shift)), start, method="Nelder-Mead", options={"initial_simplex": simplex}
    )
    before = nmad(differences((0.0, 0.0)))
    # Ground without relief says nothing.
    best = refined.x if refined.fun < before else np.zeros(2)
    if np.abs(best).max() >= REACH:
        raise ValueError(
            f"the reference fits best when moved by {best[0]:+.2f} rows and {best[1]:+.2f} columns; less than "
            f"{REACH:g} pixels are believed. Are both in their right place? (Or leave coregistration out.)"
        )
    after = differences(best)
    return Shift(*(float(part) for part in best), before, nmad(after), float(np.median(after)))


def register(
    surface: NDArray[np.float64],
    reference: NDArray[np.float64],
    stable: NDArray[np.bool_] | None = None,
    pieces: NDArray[np.integer] | None = None,
) -> Registration:
    """Shifts of a reference, one for each piece that has enough stable ground.

    Parameters
    ----------
    surface, reference, stable
        see :func:`estimate_shift`
    pieces : int array (H, W), optional
        labels of parts that may lie differently; one by default. Those with fewer than 200 pixels to compare take the
        shift of the whole. Tiles overlap, so the seams between them are sought up to six pixels beside those expected

    Raises
    ------
    ValueError
        where fewer than 50 pixels are left to compare in all, or a shift is one of 1.5 pixels or more
    """
    everywhere = np.ones(surface.shape, bool)
    stable = everywhere if stable is None else stable
    if pieces is None:
        return Registration(0 * everywhere.astype(np.intp), {0: estimate_shift(surface, reference, stable)})
    known = stable & np.isfinite(surface) & np.isfinite(reference)
    shifts = _shifts(surface, reference, known, pieces)
    seams = _seams(surface, reference, known, pieces, shifts)
    found = beside(pieces, seams)
    return Registration(found, _shifts(surface, reference, known, found) if any(seams) else shifts, seams)


def _shifts(
    surface: NDArray[np.float64],
    reference: NDArray[np.float64],
    known: NDArray[np.bool_],
    pieces: NDArray[np.integer],
) -> dict[int, Shift]:
    """Shifts of the pieces; those with little ground take that of the whole."""
    shifts = {}
    for label in np.unique(pieces).tolist():
        own = known & (pieces == label)
        shifts[label] = estimate_shift(surface, reference, own if own.sum() >= ENOUGH_OF_PIECE else known)
    return shifts


def beside(pieces: NDArray[np.integer], seams: tuple[int, int]) -> NDArray[np.integer]:
    """Labels moved by whole pixels."""
    return ndimage.shift(pieces, seams, order=0, mode="nearest")


def _seams(
    surface: NDArray[np.float64],
    reference: NDArray[np.float64],
    known: NDArray[np.bool_],
    pieces: NDArray[np.integer],
    shifts: dict[int, Shift],
) -> tuple[int, int]:
    """By how many rows and columns labels have to be moved for the differences of height to be least."""
    if len(shifts) == 1:
        return (0, 0)
    misfit = np.zeros((len(shifts), *surface.shape))
    for k, shift in enumerate(shifts.values()):
        apart = np.abs(surface - moved(reference, shift.rows, shift.cols) - shift.median)
        misfit[k] = np.where(known, np.fmin(apart, FAR), 0.0)
    index = np.searchsorted(list(shifts), pieces)
    reach = range(-SEAM_REACH, SEAM_REACH + 1)
    # Nearest first: of equals the expected.
    tries = sorted(itertools.product(reach, reach), key=lambda by: abs(by[0]) + abs(by[1]))
    sums = [np.take_along_axis(misfit, beside(index, by)[None], axis=0).sum() for by in tries]
    return tries[int(np.argmin(sums))]
