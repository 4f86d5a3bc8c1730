"""Voids made on purpose: the shapes of real ones, placed where the surface is known, so that errors can be measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

# Share of the pixels that synthetic voids add (Maslov et al. 2026, appendix B): that of the real ones in 65 tiles.
SHARE = 0.0469
# Places that are looked at for one shape before another is taken (same source).
TRIES = 100
# Shapes in a row without a place, after which the raster counts as full.
MISSES = 20
EIGHT_NEIGHBOURS = np.ones((3, 3), int)


def void_library(masks: Iterable[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Shapes of the voids in some rasters: their 8-connected components, each cropped to its box.

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
        where no raster has a void

    Examples
    --------
    >>> mask = np.zeros((5, 6), bool)
    >>> mask[0, 0] = mask[1, 1] = mask[4, 3:] = True
    >>> [shape.astype(int).tolist() for shape in void_library([mask])]
    [[[1, 0], [0, 1]], [[1, 1, 1]]]
    """
    shapes = []
    for mask in masks:
        labels, _ = ndimage.label(mask, structure=EIGHT_NEIGHBOURS)
        shapes += [labels[box] == k + 1 for k, box in enumerate(ndimage.find_objects(labels))]
    if not shapes:
        raise ValueError("masks: none of them has a void; shapes are taken from real ones")
    return shapes


def place_voids(
    mask: NDArray[np.bool_], library: Sequence[NDArray[np.bool_]], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """New voids where there is none yet: shapes drawn from a library, turned by multiples of 90 degrees.

    Parameters
    ----------
    mask : bool array (H, W)
        True where the raster has no value already
    library : sequence of bool arrays (h, w)
        see :func:`void_library`
    share : float
        of all pixels that is to be void anew, 0 to 1
    rng : numpy.random.Generator

    Returns
    -------
    bool array (H, W)
        the new voids alone. Their share is the one asked for or up to one shape more; it is less where the raster has
        no more room: as many shapes as the library holds (20 at least) were drawn one after the other, and none of them
        fitted in at 100 random places

    Raises
    ------
    ValueError
        for a share that is not between 0 and 1, or an empty library

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
        shape = np.rot90(library[rng.integers(len(library))], rng.integers(4))
        place = _free_place(taken, shape, rng)
        if place is None:
            misses += 1
            continue
        misses = 0
        placed += shape.sum()
        taken[place] |= shape
    return taken ^ mask


def _free_place(
    taken: NDArray[np.bool_], shape: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[slice, slice] | None:
    room = [have - need + 1 for have, need in zip(taken.shape, shape.shape, strict=True)]
    if min(room) < 1:
        return None
    for row, column in rng.integers(room, size=(TRIES, 2)):
        place = slice(row, row + shape.shape[0]), slice(column, column + shape.shape[1])
        if not (taken[place] & shape).any():
            return place
    return None


def disc(radius: float) -> NDArray[np.bool_]:
    """A round shape, as clouds or a missing scene leave it, for :func:`place_voids`; `radius` in pixels.

    Examples
    --------
    >>> disc(1.0).astype(int).tolist()
    [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    """
    across = np.arange(-int(radius), int(radius) + 1)
    return np.hypot(across[:, None], across) <= radius
