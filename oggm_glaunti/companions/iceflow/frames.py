"""Chips of many images of a glacier: followed along the flow, or at fixed places with their past moved to them.

Shifts are those of the images against the first (see :mod:`~oggm_glaunti.companions.iceflow.series`), velocities those
of earlier images. A chip to be predicted keeps its own pixels; only what is before it is resampled.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from oggm_glaunti.companions.iceflow.correlation import match
from oggm_glaunti.companions.iceflow.preprocess import prepare
from oggm_glaunti.companions.iceflow.tracking import track

Floats = NDArray[np.float64]
Images = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Least share of a chip's pixels with data, and of past frames that a chip needs.
LEAST_SEEN, LEAST_PAST = 0.95, 3
# Factor of the window in which a chip is followed, and least correlation of a link.
ENLARGED, LEAST_LINK = 1.5, 0.1
# Valid windows on stable ground from which a shift is believed.
LEAST_STABLE = 5


class Chips(NamedTuple):
    """Chips of one image and of those before it, at the places that the ice came from.

    Attributes
    ----------
    target : float32 (N, c, c)
        Chips to be predicted
    still : float32 (N, P, c, c)
        Past frames at the same places, the last one last; shifts of the images taken off
    moved : float32 (N, P, c, c)
        Past frames moved with the ice to the time of the target
    age : float (P,)
        Days before the target
    place : float (N, 2)
        Row and column of the chips' centres
    dropped : int
        Chips left out as they or too much of their past have no data
    """

    target: Images
    still: Images
    moved: Images
    age: Floats
    place: Floats
    dropped: int


def grid_of_chips(inside: Mask, size: int, step: int) -> Floats:
    """Return the centres (N, 2) of chips that lie wholly within a mask.

    Examples
    --------
    >>> grid_of_chips(np.ones((8, 12), bool), 8, 4).tolist()
    [[4.0, 4.0], [4.0, 8.0]]
    """
    half = size // 2
    rows, cols = (np.arange(half, n - half + 1, step) for n in inside.shape)
    return np.array(
        [(r, c) for r in rows for c in cols if inside[r - half : r + half, c - half : c + half].all()], float
    )


def chips_of(
    images: Images,
    valid: Mask,
    days: Floats,
    shifts: Floats,
    target: int,
    places: Floats,
    velocity: Floats,
    size: int = 64,
    past: int = 8,
) -> Chips:
    """Cut chips of an image and of those before it.

    Parameters
    ----------
    images, valid : arrays (K, H, W)
        Brightness, and pixels with data
    days : array (K,)
    shifts : array (K, 2)
        Rows and columns of each image against the first, px
    target : int
        Index of the image to be predicted; only earlier ones are used
    places : array (N, 2)
        Centres of the chips in the target, whole px
    velocity : array (N, 2)
        Of the ice at each place, px a day, from earlier images
    size, past : int
        Side of a chip, px, and number of past frames

    Examples
    --------
    >>> images = np.random.default_rng(0).normal(size=(3, 32, 32)).astype(np.float32)
    >>> images[2] = np.roll(images[1], 4, axis=1)
    >>> places, velocity = np.array([[16.0, 16.0]]), np.array([[0.0, 4.0]])
    >>> found = chips_of(images, images < 9, np.arange(3.0), np.zeros((3, 2)), 2, places, velocity, 8, 2)
    >>> bool(np.allclose(found.moved[0, -1], found.target[0], atol=1e-5)), found.age.tolist()
    (True, [2.0, 1.0])
    """
    before = range(max(0, target - past), target)
    half = size // 2
    within = np.stack(np.meshgrid(np.arange(size) - half, np.arange(size) - half, indexing="ij"))
    age = days[target] - days[list(before)]
    at_target = places[:, :, None, None] + within[None]
    cut = lambda field: np.stack(
        [field[int(r) - half : int(r) + half, int(c) - half : int(c) + half] for r, c in places]
    )
    kept = cut(valid[target]).mean(axis=(1, 2)) >= LEAST_SEEN
    still, moved, seen = [], [], []
    for k, old in zip(before, age, strict=True):
        off = shifts[k] - shifts[target]
        same = at_target + off[None, :, None, None]
        came_from = same - (velocity * old)[:, :, None, None]
        known = _sampled(valid[k].astype(np.float32), came_from) > 0.99
        still.append(_sampled(images[k], same))
        moved.append(_sampled(images[k], came_from))
        seen.append(known.mean(axis=(1, 2)) >= LEAST_SEEN)
    kept &= np.sum(seen, axis=0) >= min(LEAST_PAST, len(before))
    kept &= np.array([chip.std() > 0 for chip in cut(images[target])])
    stack = lambda parts: np.stack(parts, axis=1)[kept].astype(np.float32)
    return Chips(cut(images[target])[kept], stack(still), stack(moved), age, places[kept], int((~kept).sum()))


def _sampled(image: NDArray[np.float32], at: Floats) -> NDArray[np.float32]:
    """Return an image at places (N, 2, c, c), by cubic splines."""
    order = 3 if image.dtype == np.float32 and np.ptp(image) > 1.0 else 1
    return ndimage.map_coordinates(image, np.moveaxis(at, 1, 0), order=order, mode="nearest", output=np.float32)


def shift_of_target(
    image: Images,
    valid: Mask,
    earlier: Sequence[tuple[Images, Mask, Floats]],
    stable: Mask,
    size: int = 32,
    search: int = 6,
) -> tuple[Floats, int]:
    """Return the shift of an image (2,), px, from stable ground alone, and how many windows it is from.

    Nothing of the ice is looked at: what is to be predicted must not tell where it lies.

    Parameters
    ----------
    image, valid : arrays (H, W)
    earlier : sequence of (image, valid, shift)
        Earlier images with their shifts
    stable : bool array (H, W)
        Pixels that do not move
    size, search : int
        Chip and search, px
    """
    found = []
    for other, known, shift in earlier:
        seen = known & stable, valid & stable
        if min(part.sum() for part in seen) < size**2:
            continue
        try:
            vectors = track(other, image, valid=seen, chips=(size,), step=size // 2, search=search)
        except ValueError:
            continue  # nothing but cloud or nodata on stable ground
        rows, cols = vectors.believed()
        good = np.isfinite(rows)
        found += [(r + shift[0], c + shift[1]) for r, c in zip(rows[good], cols[good], strict=True)]
    if len(found) < LEAST_STABLE:
        known_shifts = np.array([shift for _, _, shift in earlier]) if earlier else np.zeros((1, 2))
        return np.median(known_shifts, axis=0), len(found)
    return np.median(np.array(found), axis=0), len(found)


class Chain(NamedTuple):
    """A chip followed through images.

    Attributes
    ----------
    place : float (K, 2)
        Row and column of its centre in each image
    ncc : float (K - 1,)
        Correlation of each link
    """

    place: Floats
    ncc: Floats


def followed(
    images: Images, start: Floats, size: int = 64, enlarged: float = ENLARGED, least: float = LEAST_LINK
) -> tuple[list[Chain], int]:
    """Follow chips from each image to the next, and return those of which no link is weak, and how many were dropped.

    The next frame of a chip is where it correlates best within a window `enlarged` times its size (after IceNet).

    Parameters
    ----------
    images : array (K, H, W)
    start : array (N, 2)
        Centres in the first image, px
    size : int
        Side of a chip, px
    enlarged : float
        Factor of the search window
    least : float
        Least correlation of a link
    """
    if not enlarged > 1:
        raise ValueError(f"enlarged: expected more than 1, found {enlarged}")
    search = max(2, int(size * (enlarged - 1) / 2))
    half, wide = size // 2, size // 2 + search
    clean = [np.pad(prepare(image), wide) for image in images]
    place = [np.asarray(start, float)]
    links = []
    for one, two in itertools.pairwise(clean):
        at = np.rint(place[-1]).astype(int) + wide
        at = np.clip(at, wide, np.array(one.shape) - wide)
        chips = np.stack([one[r - half : r + half, c - half : c + half] for r, c in at])
        windows = np.stack([two[r - wide : r + wide, c - wide : c + wide] for r, c in at])
        peaks = match(chips, windows, None, None, jnp.float32(1e-6))
        good = np.asarray(peaks.textured & ~peaks.edge)
        links.append(np.where(good, np.asarray(peaks.peak), -1.0))
        place.append(place[-1] + np.where(good[:, None], np.asarray(peaks.shift, float), 0.0))
    path, ncc = np.stack(place, axis=1), np.stack(links, axis=1)
    kept = (ncc >= least).all(axis=1)
    return [Chain(p, n) for p, n in zip(path[kept], ncc[kept], strict=True)], int((~kept).sum())


def correlation(one: Images, two: Images) -> Floats:
    """Return the correlation of chips over their last two axes; 0 for one without contrast.

    Examples
    --------
    >>> chips = np.random.default_rng(0).normal(size=(2, 4, 4)).astype(np.float32)
    >>> correlation(chips, 2 * chips + 1).round(6).tolist()
    [1.0, 1.0]
    """
    centred = [part - part.mean(axis=(-2, -1), keepdims=True) for part in (one, two)]
    top = (centred[0] * centred[1]).sum(axis=(-2, -1))
    norm = np.sqrt((centred[0] ** 2).sum(axis=(-2, -1)) * (centred[1] ** 2).sum(axis=(-2, -1)))
    return np.where(norm > 1e-12, top / np.maximum(norm, 1e-12), 0.0)


def registered_shifts(pairs: dict[int, tuple[Floats, Floats]], known: Floats, expected: Floats) -> Floats:
    """Return the shift of a past image from all windows, given the velocity: median of what the ice does not explain.

    Parameters
    ----------
    pairs : dict
        Displacements (rows, columns) from each reference image
    known : array (K, 2)
        Shifts of the references
    expected : array (K, 2, N)
        Motion of each window from the reference to the image, px
    """
    left = [np.stack([part.ravel() for part in pairs[k]]) - expected[k] + known[k][:, None] for k in sorted(pairs)]
    every = np.concatenate(left, axis=1)
    good = np.isfinite(every).all(axis=0)
    return np.median(every[:, good], axis=1) if good.sum() >= LEAST_STABLE else np.zeros(2)
