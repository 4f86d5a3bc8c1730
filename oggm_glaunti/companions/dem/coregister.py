"""Sub-pixel co-registration of two surfaces on stable ground.

A mosaic may consist of pieces with different offsets. The yearly DEMs of Hugonnet et al. (2021) come in tiles of one
degree, and from one tile to the next the offset to other DEMs jumps by a pixel: each piece needs a shift of its own.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize
from scipy.stats import median_abs_deviation

from oggm_glaunti.companions.dem.arrays import Floats, Mask

# Pixels. Largest shift that is searched for, and step of the first search: half the usual error (half a pixel).
LARGEST_SHIFT, SHIFT_STEP = 1.5, 0.25
# Pixels from the expected line within which a seam is searched for, and height difference (m) at which misfits are
# capped: blunders do not tell where seams are.
SEAM_REACH, LARGEST_MISFIT = 6, 50.0
# Least number of pixels with a height in both surfaces; of a piece, to have a shift of its own.
LEAST_COMPARED, LEAST_OF_PIECE = 50, 200


class Shift(NamedTuple):
    """Shift that moves a reference under another surface, and the scatter before and after.

    Attributes
    ----------
    rows, cols : float
        Shift in pixels towards higher rows and columns
    nmad_before, nmad_after : float
        Normalised median absolute deviation of the height differences, m
    median : float
        Median of the differences after the shift, m: the effect of datum, snow or radar penetration
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
        Labels of the pieces, separated by the seams that were found
    shifts : dict of int to Shift
        Shifts by label
    seams : (int, int)
        Offset of the seams that were found from the expected ones, pixels (rows, columns)
    """

    pieces: NDArray[np.integer]
    shifts: dict[int, Shift]
    seams: tuple[int, int] = (0, 0)

    def moved(self, field: Floats) -> Floats:
        """Return a field (H, W) with every piece moved by its shift."""
        result = np.empty_like(field)
        for label, shift in self.shifts.items():
            here = self.pieces == label
            result[here] = shifted(field, shift.rows, shift.cols)[here]
        return result


def nmad(values: Floats) -> float:
    """Return the normalised median absolute deviation, an estimate of the standard deviation robust to outliers.

    Examples
    --------
    >>> round(nmad(np.array([1.0, 2.0, 3.0, 1000.0])), 4)
    1.4826
    """
    return float(1.4826 * median_abs_deviation(values))


def shifted(surface: Floats, rows: float, cols: float) -> Floats:
    """Return a surface (H, W) moved by fractions of a pixel, bilinear; values at its edge continue beyond it.

    Examples
    --------
    >>> shifted(np.array([[0.0, 2.0, 4.0]]), 0.0, 0.5).tolist()
    [[0.0, 1.0, 3.0]]
    """
    return ndimage.shift(surface, (rows, cols), order=1, mode="nearest")


def estimate_shift(surface: Floats, reference: Floats, stable: Mask | None = None) -> Shift:
    """Find the shift of the reference that minimises the scatter of the height differences.

    Parameters
    ----------
    surface, reference : arrays (H, W)
        Heights, m; NaN if unknown
    stable : bool array (H, W), optional
        True on ground that did not move between the two surfaces; everywhere by default

    Returns
    -------
    Shift

    Raises
    ------
    ValueError
        If fewer than 50 pixels are left to compare, or the best shift is 1.5 pixels or more

    Notes
    -----
    The scatter (NMAD) has secondary minima in narrow valleys, so a grid of shifts is tried before the best is refined
    (Nelder and Mead).

    Examples
    --------
    >>> rows, columns = np.indices((40, 40))
    >>> hills = 100.0 * np.sin(rows / 4.0) * np.cos(columns / 5.0)
    >>> found = estimate_shift(shifted(hills, 0.5, -0.25) + 54.0, hills)
    >>> round(found.rows, 2), round(found.cols, 2), round(found.median, 1)
    (0.5, -0.25, 54.0)
    """
    compared = np.isfinite(surface) & (True if stable is None else stable)
    count = (compared & np.isfinite(reference)).sum()
    if count < LEAST_COMPARED:
        raise ValueError(
            f"{count} pixels of stable ground are known in both surfaces; expected {LEAST_COMPARED} or more for a "
            "co-registration (or leave it out)"
        )

    def differences(shift: Floats) -> Floats:
        left = surface[compared] - shifted(reference, *shift)[compared]
        return left[np.isfinite(left)]

    scatter = lambda shift: nmad(differences(shift))
    steps = slice(-LARGEST_SHIFT, LARGEST_SHIFT + SHIFT_STEP / 2, SHIFT_STEP)
    start = optimize.brute(scatter, (steps, steps), finish=None)
    # Steps large enough to leave the kinks that bilinear interpolation has at whole pixels.
    simplex = start + SHIFT_STEP / 2 * np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
    refined = optimize.minimize(scatter, start, method="Nelder-Mead", options={"initial_simplex": simplex})
    before = scatter(np.zeros(2))
    # Ground without relief does not determine a shift.
    best = refined.x if refined.fun < before else np.zeros(2)
    if np.abs(best).max() >= LARGEST_SHIFT:
        raise ValueError(
            f"the reference fits best when moved by {best[0]:+.2f} rows and {best[1]:+.2f} columns; less than "
            f"{LARGEST_SHIFT:g} pixels are believed. Are both georeferenced correctly? (Or leave coregistration out.)"
        )
    after = differences(best)
    return Shift(float(best[0]), float(best[1]), before, nmad(after), float(np.median(after)))


def find_registration(
    surface: Floats, reference: Floats, stable: Mask | None = None, pieces: NDArray[np.integer] | None = None
) -> Registration:
    """Find the shifts of a reference, one for each piece that has enough stable ground.

    Parameters
    ----------
    surface, reference, stable
        See :func:`estimate_shift`
    pieces : int array (H, W), optional
        Labels of parts with offsets of their own; one part by default. Parts with fewer than 200 pixels to compare get
        the shift of the whole. Tiles overlap, so seams are searched for up to six pixels from the expected ones

    Raises
    ------
    ValueError
        If fewer than 50 pixels are left to compare in total, or a shift is 1.5 pixels or more
    """
    if pieces is None:
        return Registration(np.zeros(surface.shape, np.intp), {0: estimate_shift(surface, reference, stable)})
    known = np.isfinite(surface) & np.isfinite(reference)
    known &= True if stable is None else stable
    shifts = _shifts(surface, reference, known, pieces)
    seams = _seams(surface, reference, known, pieces, shifts)
    found = move_labels(pieces, seams)
    return Registration(found, _shifts(surface, reference, known, found) if any(seams) else shifts, seams)


def _shifts(surface: Floats, reference: Floats, known: Mask, pieces: NDArray[np.integer]) -> dict[int, Shift]:
    """Find the shifts of the pieces; those with little ground get that of the whole."""
    shifts = {}
    for label in np.unique(pieces).tolist():
        own = known & (pieces == label)
        shifts[label] = estimate_shift(surface, reference, own if own.sum() >= LEAST_OF_PIECE else known)
    return shifts


def move_labels(pieces: NDArray[np.integer], seams: tuple[int, int]) -> NDArray[np.integer]:
    """Return labels moved by whole pixels."""
    return ndimage.shift(pieces, seams, order=0, mode="nearest")


def _seams(
    surface: Floats, reference: Floats, known: Mask, pieces: NDArray[np.integer], shifts: dict[int, Shift]
) -> tuple[int, int]:
    """Find the rows and columns by which labels have to be moved for the smallest height differences."""
    if len(shifts) == 1:
        return (0, 0)
    apart = [np.abs(surface - shifted(reference, shift.rows, shift.cols) - shift.median) for shift in shifts.values()]
    misfit = np.where(known, np.fmin(apart, LARGEST_MISFIT), 0.0)
    index = np.searchsorted(list(shifts), pieces)
    reach = range(-SEAM_REACH, SEAM_REACH + 1)
    # Nearest first: of equal sums, that closest to the expected seams wins.
    tries = sorted(itertools.product(reach, reach), key=lambda by: abs(by[0]) + abs(by[1]))
    sums = [np.take_along_axis(misfit, move_labels(index, by)[None], axis=0).sum() for by in tries]
    return tries[int(np.argmin(sums))]
