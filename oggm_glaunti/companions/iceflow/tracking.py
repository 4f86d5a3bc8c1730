"""Displacements between two images of one pixel grid, on a regular grid of windows.

Chips of the first image are looked for in the second, from large to small: large ones are safe and see far, small ones
see where the motion changes. Every window keeps the chip whose error and bias are least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from oggm_glaunti.companions.iceflow import quality
from oggm_glaunti.companions.iceflow.preprocess import SIGMA, margin, prepare

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CHIPS = (16, 32, 64)
# px. Search beyond which a first guess comes from images of a quarter of the size; search around a guess.
FAR, AROUND_GUESS = 16, 6
COARSER = 4
# px. Expected error, bias included, from which a window has no valid vector.
MOST_EXPECTED = 1.0
# Width of the frame at the image's border in which filtered values are not used, in units of sigma.
BORDER = 3.0
# Rows of pixels that are filtered at a time, and MB for windows in work.
STRIP, MEMORY = 1024, 128.0


@dataclass(frozen=True, eq=False)
class Vectors:
    """Displacements on a grid of windows; NaN and 0 where there is none.

    Attributes
    ----------
    row, col : float (H,), (W,)
        Centres of the windows, px from the first pixel's centre
    d_row, d_col : float (H, W)
        Displacement from the first to the second image, px: positive towards higher rows and columns
    peak, ratio : float (H, W)
        Correlation, and its ratio to the second peak outside 7 x 7 px
    edge : bool (H, W)
        Best match at the rim of the search: the displacement may be larger, and none is given
    chip : int (H, W)
        Side of the chip that was used, px; 0 if none
    valid : bool (H, W)
        Vectors that passed every test of :mod:`~oggm_glaunti.companions.iceflow.quality`
    search : float
        Largest displacement that was looked for, px
    """

    row: Floats
    col: Floats
    d_row: Floats
    d_col: Floats
    peak: Floats
    ratio: Floats
    edge: Mask
    chip: NDArray[np.int64]
    valid: Mask
    search: float

    @property
    def error(self) -> Floats:
        """Standard error of a component, px; NaN where there is no vector."""
        return np.where(self.chip > 0, quality.vector_error(self.peak, np.maximum(self.chip, 1)), np.nan)

    def believed(self) -> tuple[Floats, Floats]:
        """Return both components, NaN where they are not valid."""
        return np.where(self.valid, self.d_row, np.nan), np.where(self.valid, self.d_col, np.nan)

    def minus(self, rows: float, cols: float) -> Vectors:
        """Return the vectors after a shift of the second image was taken off."""
        return replace(self, d_row=self.d_row - rows, d_col=self.d_col - cols)


def track(
    first: ArrayLike,
    second: ArrayLike,
    *,
    chips: Sequence[int] = CHIPS,
    step: int | None = None,
    search: int = 12,
    valid: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    guess: tuple[ArrayLike, ArrayLike] | None = None,
    method: str = "highpass",
    sigma: float = SIGMA,
    least_peak: float = quality.LEAST_PEAK,
    least_ratio: float = quality.LEAST_RATIO,
    memory: float = MEMORY,
) -> Vectors:
    """Track features from one image to another.

    Parameters
    ----------
    first, second : arrays (H, W)
        Brightness on the same pixels, any type; integers are only copied in strips
    chips : sequence of int
        Sides of the chips, px
    step : int, optional
        Distance between windows, px; by default the smallest chip
    search : int
        Largest displacement in each direction, px, around `guess` if that is given
    valid : (bool array, bool array)
        Pixels with data; by default those that are finite
    guess : (array, array), optional
        Expected displacement in rows and columns, px: (H, W) of windows, as returned for the same step and chips
    method, sigma
        See :func:`~oggm_glaunti.companions.iceflow.preprocess.prepare`
    least_peak, least_ratio : float
        Correlation, and ratio to the second peak, of a valid vector
    memory : float
        MB for windows in work, in addition to images

    Returns
    -------
    Vectors
        Displacements, on windows from half the largest chip inside the image on

    Raises
    ------
    ValueError
        If images have other shapes, nothing to compare or no contrast, or chips or search do not fit into them

    Examples
    --------
    >>> image = np.random.default_rng(0).normal(size=(128, 128))
    >>> found = track(image, np.roll(image, (2, -3), (0, 1)), chips=(32,), search=6)
    >>> float(np.median(found.d_row[found.valid])), float(np.median(found.d_col[found.valid]))
    (2.0, -3.0)
    """
    images = (np.asarray(first), np.asarray(second))
    masks = tuple(_mask(image, given) for image, given in zip(images, valid, strict=True))
    sizes = tuple(sorted({int(chip) for chip in chips}, reverse=True))
    _require(images, masks, sizes, search)
    step = int(step or sizes[-1])
    row, col = (np.arange(sizes[0] // 2, n - sizes[0] // 2 + 1, step) for n in images[0].shape)
    work = _Work(images, masks, row, col, method, sigma, memory)
    if guess is not None:
        start = tuple(_checked_guess(part, (row.size, col.size)) for part in guess)
    elif search > FAR:
        start = _coarse_guess(work, sizes[0], search)
    else:
        start = (np.zeros((row.size, col.size)),) * 2
    reach = search if guess is not None or search <= FAR else AROUND_GUESS
    found: list[Vectors] = []
    for size in sizes:
        vectors = _judged(work.one_size(size, reach, *start), least_peak, least_ratio, quality.OF_SEARCH * search)
        found.append(vectors)
        if size != sizes[-1]:
            start, reach = _filled(found, start), min(reach, AROUND_GUESS)
    return replace(_best_chip(found), search=float(search))


def _mask(image: NDArray[Any], given: ArrayLike | None) -> Mask | None:
    finite = np.isfinite(image) if np.issubdtype(image.dtype, np.floating) else None
    if given is None:
        return None if finite is None or finite.all() else finite
    mask = np.asarray(given, bool)
    if mask.shape != image.shape:
        raise ValueError(f"valid: has shape {mask.shape}, its image {image.shape}")
    mask = mask if finite is None else mask & finite
    return None if mask.all() else mask


def _require(images: tuple[NDArray[Any], ...], masks: tuple[Mask | None, ...], sizes: tuple[int, ...], search: int):
    first, second = (image.shape for image in images)
    if first != second or len(first) != 2:
        raise ValueError(f"images have shapes {first} and {second}; expected two of the same rows and columns")
    if not sizes or sizes[-1] < 8:
        raise ValueError(f"chips: expected sides of 8 px or more, found {', '.join(map(str, sizes)) or 'none'}")
    if sizes[0] > min(first):
        raise ValueError(f"chips: a chip of {sizes[0]} px does not fit into images of {first[0]} x {first[1]} px")
    if not 2 <= search < min(first) / 2:
        raise ValueError(
            f"search: expected 2 px or more and less than half the images' {first[0]} x {first[1]} px, found {search}"
        )
    for name, image, mask in zip(("first", "second"), images, masks, strict=True):
        if mask is not None and not mask.any():
            raise ValueError(f"the {name} image has no valid pixel: all are nodata")
        seen = image if mask is None else image[mask]
        if seen.min() == seen.max():
            raise ValueError(f"the {name} image is constant ({seen.flat[0]}): nothing can be tracked")
    first_mask, second_mask = masks
    if first_mask is not None and second_mask is not None and not (first_mask & second_mask).any():
        raise ValueError("no pixel has data in both images")


def _checked_guess(part: ArrayLike, shape: tuple[int, int]) -> Floats:
    values = np.asarray(part, float)
    if values.shape != shape:
        raise ValueError(f"guess: has shape {values.shape}, the windows {shape}")
    return np.nan_to_num(values)


@dataclass(frozen=True, eq=False)
class _Work:
    """Two images, and the windows that are looked for."""

    images: tuple[NDArray[Any], ...]
    masks: tuple[Mask | None, ...]
    row: NDArray[np.intp]
    col: NDArray[np.intp]
    method: str
    sigma: float
    memory: float

    def one_size(self, size: int, search: int, rows: Floats, cols: Floats) -> Vectors:
        """Find all windows with chips of one size, in a search around a guess."""
        shape = (self.row.size, self.col.size)
        whole = np.rint(np.stack([rows, cols], axis=-1)).astype(int)
        results = {name: np.full(shape, np.nan) for name in ("d_row", "d_col", "peak", "ratio")}
        edge, textured = np.zeros(shape, bool), np.zeros(shape, bool)
        for part, strips, masks, top in self._strips(size, search, whole):
            centres = np.stack(np.meshgrid(self.row[part] - top, self.col, indexing="ij"), axis=-1).reshape(-1, 2)
            peaks = _match_all(strips, masks, centres, whole[part].reshape(-1, 2), size, search, self.memory)
            there = (part.stop - part.start, shape[1])
            shift = peaks["shift"] + whole[part].reshape(-1, 2)
            for name, values in (("d_row", shift[:, 0]), ("d_col", shift[:, 1])):
                results[name][part] = values.reshape(there)
            for name in ("peak", "ratio"):
                results[name][part] = peaks[name].reshape(there)
            edge[part], textured[part] = peaks["edge"].reshape(there), peaks["textured"].reshape(there)
        edge &= textured
        for name in results:
            results[name][~textured] = np.nan
        for name in ("d_row", "d_col"):
            results[name][edge] = np.nan
        chip = np.where(textured & ~edge, size, 0)
        return Vectors(
            self.row.astype(float),
            self.col.astype(float),
            **results,
            edge=edge,
            chip=chip,
            valid=chip > 0,
            search=float(search),
        )

    def _inside(self, top: int, bottom: int) -> Mask:
        """Return the pixels of a strip that a filter does not change when the image ends elsewhere."""
        height, width = self.images[0].shape
        frame = 0 if self.method == "none" else int(np.ceil(BORDER * self.sigma))
        row, col = np.arange(top, bottom)[:, None], np.arange(width)
        return (row >= frame) & (row < height - frame) & (col >= frame) & (col < width - frame)

    def _strips(self, size: int, search: int, whole: NDArray[np.intp]):
        """Yield rows of windows, the filtered pixels that they need, and the first of these pixels' row."""
        per_strip = max(1, STRIP // max(1, int(self.row[1] - self.row[0]) if self.row.size > 1 else 1))
        far = margin(self.method, self.sigma)
        for start in range(0, self.row.size, per_strip):
            part = slice(start, min(start + per_strip, self.row.size))
            moves = whole[part, :, 0]
            reach = size // 2 + search
            top = max(0, int(self.row[part][0]) - reach + min(0, int(moves.min())) - far)
            bottom = min(self.images[0].shape[0], int(self.row[part][-1]) + reach + max(0, int(moves.max())) + far)
            strips, masks = [], []
            for image, mask in zip(self.images, self.masks, strict=True):
                seen = None if mask is None else mask[top:bottom]
                strips.append(prepare(image[top:bottom], seen, self.method, self.sigma))
                masks.append(self._inside(top, bottom) & (True if seen is None else seen))
            yield part, strips, masks, top


def _match_all(
    strips: list[NDArray[np.float32]],
    masks: list[Mask],
    centres: NDArray[np.intp],
    guess: NDArray[np.intp],
    size: int,
    search: int,
    memory: float,
) -> dict[str, NDArray[Any]]:
    """Match windows in batches of one size, those without gaps by the fast sums."""
    from oggm_glaunti.companions.iceflow.correlation import batch_size, match

    wide = size + 2 * search
    # Beyond the image there is no data; a window further out than that has none at all.
    pad = wide
    chips_from, windows_from = (np.pad(strip, pad) for strip in strips)
    chip_known, window_known = (np.pad(mask, pad) for mask in masks)
    chip_at = centres - size // 2 + pad
    window_at = np.clip(centres + guess - size // 2 - search + pad, 0, np.array(windows_from.shape) - wide)
    views = {
        name: sliding_window_view(field, (side, side))
        for name, field, side in (
            ("chips", chips_from, size),
            ("windows", windows_from, wide),
            ("chips_valid", chip_known, size),
            ("windows_valid", window_known, wide),
        )
    }
    whole = _all_known(chip_known, chip_at, size) & _all_known(window_known, window_at, wide)
    spread = float(strips[0][masks[0]].std()) if masks[0].any() else 0.0
    least = np.float32(max(1e-3 * spread, 1e-12))
    batch = batch_size(size, search, memory)
    result: dict[str, NDArray[Any]] = {}
    for gaps, chosen in ((False, np.flatnonzero(whole)), (True, np.flatnonzero(~whole))):
        for start in range(0, chosen.size, batch):
            own = chosen[start : start + batch]
            # Filled up to one size with the last window, so that one program serves.
            index = np.concatenate([own, np.repeat(own[-1:], batch - own.size)])
            at = {name: chip_at[index] if name.startswith("chips") else window_at[index] for name in views}
            fields = {name: view[at[name][:, 0], at[name][:, 1]] for name, view in views.items()}
            if not gaps:
                fields |= {"chips_valid": None, "windows_valid": None}
            peaks = match(**fields, least_spread=least)._asdict()
            for name, values in ((name, np.asarray(values)) for name, values in peaks.items()):
                result.setdefault(name, np.zeros((len(centres), *values.shape[1:]), values.dtype))[own] = values[
                    : own.size
                ]
    return result


def _all_known(mask: Mask, at: NDArray[np.intp], side: int) -> Mask:
    sums = np.pad(np.cumsum(np.cumsum(~mask, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    r, c = at.T
    return sums[r + side, c + side] - sums[r, c + side] - sums[r + side, c] + sums[r, c] == 0


def _judged(vectors: Vectors, least_peak: float, least_ratio: float, tolerance: float) -> Vectors:
    good = (vectors.chip > 0) & (vectors.peak >= least_peak) & (vectors.ratio >= least_ratio)
    rows, cols = (np.where(good, part, np.nan) for part in (vectors.d_row, vectors.d_col))
    return replace(vectors, valid=good & quality.agreeing(rows, cols, max(1.0, tolerance)))


def _filled(found: list[Vectors], start: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """Return a first guess everywhere: medians of valid vectors, else of the nearest ones."""
    result = []
    for name, before in zip(("d_row", "d_col"), start, strict=True):
        known = np.where(found[-1].valid, getattr(found[-1], name), np.nan)
        smooth = quality.local_median(known)
        if not np.isfinite(smooth).any():
            result.append(before)
            continue
        nearest = ndimage.distance_transform_edt(~np.isfinite(smooth), return_distances=False, return_indices=True)
        result.append(smooth[tuple(nearest)])
    return tuple(result)


def _coarse_guess(work: _Work, size: int, search: int) -> tuple[Floats, ...]:
    """Return displacements found in images of a quarter of the size, on the windows."""
    coarse, masks = [], []
    for image, mask in zip(work.images, work.masks, strict=True):
        height, width = (n // COARSER * COARSER for n in image.shape)
        blocks = np.asarray(image[:height, :width], np.float32)
        known = np.ones(blocks.shape, np.float32) if mask is None else mask[:height, :width].astype(np.float32)
        to_blocks = lambda a, h=height, w=width: a.reshape(h // COARSER, COARSER, w // COARSER, COARSER).mean(
            axis=(1, 3)
        )
        share = to_blocks(known)
        coarse.append(to_blocks(np.where(known > 0, blocks, 0.0)) / np.maximum(share, 0.5))
        masks.append(share > 0.75)
    small_search = min(-(-search // COARSER) + 2, min(coarse[0].shape) // 2 - 1)
    side = min(max(16, size // COARSER), *coarse[0].shape)
    here = track(coarse[0], coarse[1], chips=(side,), step=8, search=small_search, valid=(masks[0], masks[1]))
    result = []
    at = np.meshgrid(*((axis + 0.5) / COARSER - 0.5 for axis in (work.row, work.col)), indexing="ij")
    steps = [(a - b[0]) / 8.0 for a, b in zip(at, (here.row, here.col), strict=True)]
    for part in _filled([here], (np.zeros(here.d_row.shape),) * 2):
        result.append(COARSER * ndimage.map_coordinates(part, steps, order=1, mode="nearest"))
    return tuple(result)


def _best_chip(found: list[Vectors]) -> Vectors:
    """Choose for each window the chip with the least expected square error.

    That is its own error, and its bias against the smallest chips: their median difference over 3 x 3 windows, or what
    the window's own difference has beyond twice the error, if that is more.
    """
    smallest = found[-1]
    costs = []
    for vectors in found:
        apart = [one - two for one, two in zip(vectors.believed(), smallest.believed(), strict=True)]
        around = sum(np.nan_to_num(quality.local_median(part, 1)) ** 2 for part in apart)
        here = np.nan_to_num(sum(part**2 for part in apart)) - 8 * np.nan_to_num(smallest.error) ** 2
        cost = 2 * vectors.error**2 + np.maximum(around, here)
        costs.append(np.where(vectors.valid, cost, np.inf))
    best = np.argmin(costs, axis=0)
    # Without a good vector of any size, what the smallest chips say is kept, as not valid.
    good = np.min(costs, axis=0) <= MOST_EXPECTED**2
    best[~good] = len(found) - 1
    fields = ("d_row", "d_col", "peak", "ratio", "edge", "chip", "valid")
    chosen = {name: np.choose(best, [getattr(vectors, name) for vectors in found]) for name in fields}
    chosen["valid"] &= good
    return replace(smallest, **chosen)
