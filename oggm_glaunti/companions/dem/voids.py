"""Synthetic voids: shapes of real ones, placed where the surface is known, so that errors can be measured."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy import ndimage

from oggm_glaunti.companions.dem.arrays import Mask

# Share of pixels in synthetic voids (Maslov et al. 2026, appendix B): that of the real ones in 65 tiles.
VOID_SHARE = 0.0469
# Places that are tried for one shape before the next is drawn (same source).
TRIES = 100
# Consecutive shapes without a place after which the raster counts as full.
MISSES = 20


def void_library(masks: Iterable[Mask]) -> list[Mask]:
    """Return the shapes of the voids in some rasters: 8-connected components, each cropped to its bounding box.

    Parameters
    ----------
    masks : iterable of bool arrays (H, W)
        True where a raster has no value

    Returns
    -------
    list of bool arrays (h, w)

    Raises
    ------
    ValueError
        If no raster has a void

    Examples
    --------
    >>> mask = np.zeros((5, 6), bool)
    >>> mask[0, 0] = mask[1, 1] = mask[4, 3:] = True
    >>> [shape.astype(int).tolist() for shape in void_library([mask])]
    [[[1, 0], [0, 1]], [[1, 1, 1]]]
    """
    shapes = [shape for mask in masks for _, shape in components(mask)]
    if not shapes:
        raise ValueError("masks: none of them has a void; shapes are taken from real ones")
    return shapes


def components(mask: Mask) -> list[tuple[tuple[slice, ...], Mask]]:
    """Return the bounding box of each 8-connected component of a mask (H, W), and its pixels there (h, w)."""
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3), int))
    return [(box, labels[box] == k + 1) for k, box in enumerate(ndimage.find_objects(labels))]


def place_voids(mask: Mask, library: Sequence[Mask], share: float, rng: np.random.Generator) -> Mask:
    """Place new voids in known pixels: shapes drawn from a library, rotated by multiples of 90 degrees.

    Parameters
    ----------
    mask : bool array (H, W)
        True where the raster has no value already
    library : sequence of bool arrays (h, w)
        Shapes, see :func:`void_library`
    share : float
        Share of all pixels to be covered by new voids, 0 to 1
    rng : numpy.random.Generator

    Returns
    -------
    bool array (H, W)
        True in the new voids only. Their share is at least the requested one, by less than one shape; it is smaller if
        the raster has no more room, i.e. as many consecutive shapes as the library holds (at least 20) did not fit at
        100 random places each

    Raises
    ------
    ValueError
        If the share is not between 0 and 1, or the library is empty

    Notes
    -----
    Maslov et al. 2026, appendix B.

    Examples
    --------
    >>> voids = place_voids(np.zeros((20, 20), bool), [np.ones((2, 3), bool)], 0.05, np.random.default_rng(0))
    >>> int(voids.sum())
    24
    """
    if not 0 < share < 1 or not library:
        raise ValueError(
            f"share is {share}, of a library of {len(library)} shapes; expected 0 to 1, and a shape or more"
        )
    taken, wanted, placed, misses = mask.copy(), share * mask.size, 0, 0
    while placed < wanted and misses < max(MISSES, len(library)):
        shape = np.rot90(library[int(rng.integers(len(library)))], int(rng.integers(4)))
        place = _free_place(taken, shape, rng)
        if place is None:
            misses += 1
            continue
        misses = 0
        placed += shape.sum()
        taken[place] |= shape
    return taken ^ mask


def _free_place(taken: Mask, shape: Mask, rng: np.random.Generator) -> tuple[slice, slice] | None:
    room = [have - need + 1 for have, need in zip(taken.shape, shape.shape, strict=True)]
    if min(room) < 1:
        return None
    for row, column in rng.integers(room, size=(TRIES, 2)):
        place = slice(row, row + shape.shape[0]), slice(column, column + shape.shape[1])
        if not (taken[place] & shape).any():
            return place
    return None


def disc(radius: float) -> Mask:
    """Return a disc of a radius in pixels, as clouds or a missing scene leave it, for :func:`place_voids`.

    Examples
    --------
    >>> disc(1.0).astype(int).tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    across = np.arange(-int(radius), int(radius) + 1)
    return np.hypot(across[:, None], across) <= radius
