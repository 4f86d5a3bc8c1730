"""From images to velocities: pairs and stacks tracked, shifts of the images taken off, results in one record."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from oggm_glaunti.companions.iceflow import quality, series
from oggm_glaunti.companions.iceflow.distortion import distorted, distortions
from oggm_glaunti.companions.iceflow.images import Image, Pair, days_between
from oggm_glaunti.companions.iceflow.mapping import Points, on_map
from oggm_glaunti.companions.iceflow.tracking import Vectors, track
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError

log = logging.getLogger(__name__)

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Velocity:
    """Velocities on the windows of some images.

    Attributes
    ----------
    row, col : float (H,), (W,)
        Centres of the windows, px
    rows, cols : float (H, W)
        Components, px a day; NaN where none is valid
    error : float (H, W)
        Standard error of a component that each window has for itself, px a day
    common_error : float
        Error that all share, from the shift of the images, px a day; NaN if no shift was taken off
    corr, ratio : float (H, W)
        Correlation, and its ratio to the second peak; medians over the pairs
    chip : int (H, W)
        Largest chip used, px
    edge : bool (H, W)
        Windows whose motion exceeds the search in every pair without a vector
    count : int (H, W)
        Pairs with a valid vector
    images : list of Image
        In the order of their dates, or as given for a pair
    shifts : float (K, 2)
        Of the images against the first, px
    anchor : str
        What the shifts were fixed by, in words
    stable : bool (H, W)
        Windows on stable ground
    cycle : series.Cycle, optional
        Seasonal cycle of the speed on the windows (H, W), if it was asked for
    image_error : float (K,), optional
        Typical error of each image of a series in a window, px
    distortion : float (K,), optional
        How far parts of each image of a series are off its shift, px
    """

    row: Floats
    col: Floats
    rows: Floats
    cols: Floats
    error: Floats
    common_error: float
    corr: Floats
    ratio: Floats
    chip: NDArray[np.int64]
    edge: Mask
    count: NDArray[np.int64]
    images: list[Image]
    shifts: Floats
    anchor: str
    stable: Mask
    cycle: series.Cycle | None = None
    image_error: Floats | None = None
    distortion: Floats | None = None

    @property
    def days(self) -> float:
        """Days from the first image to the last."""
        return days_between(self.images[0].date, self.images[-1].date)

    def points(self, to_crs: Any) -> Points:
        """Return the valid velocities on a map.

        Raises
        ------
        oggm.exceptions.InvalidParamsError
            If the images have no place
        """
        first = self.images[0]
        if first.crs is None:
            raise InvalidParamsError(f"{first.path} has no coordinate system, so its velocities have no place on a map")
        row, col = (part.ravel() for part in np.meshgrid(self.row, self.col, indexing="ij"))
        good = np.isfinite(self.rows).ravel()
        take = lambda field: field.ravel()[good]
        velocity = take(self.rows), take(self.cols)
        where = row[good] - 0.0, col[good] - 0.0
        return on_map(*where, velocity, take(self.error), take(self.corr), first.transform, first.crs, to_crs)


def windows_within(mask: ArrayLike, vectors_row: Floats, vectors_col: Floats, chip: int, share: float = 0.8) -> Mask:
    """Return the windows (H, W) of which at least a share lies within a mask of pixels.

    Examples
    --------
    >>> left = np.indices((64, 64))[1] < 32
    >>> windows_within(left, np.array([32]), np.array([16, 32, 48]), 16).tolist()
    [[True, False, False]]
    """
    means = ndimage.uniform_filter(np.asarray(mask, np.float32), chip, mode="constant")
    rows = np.clip(vectors_row, 0, means.shape[0] - 1).astype(int)
    cols = np.clip(vectors_col, 0, means.shape[1] - 1).astype(int)
    return means[np.ix_(rows, cols)] >= share


def track_images(first: Image, second: Image, **how: Any) -> Vectors:
    """Track two images, see :func:`~oggm_glaunti.companions.iceflow.tracking.track`; errors name the files."""
    try:
        return track(first.values, second.values, valid=(first.valid, second.valid), **how)
    except ValueError as err:
        raise InvalidParamsError(f"{first.path}, {second.path}: {err}") from err


def pair_velocity(pair: Pair, stable: ArrayLike | None = None, **how: Any) -> Velocity:
    """Track a pair and take off the motion of stable ground.

    Parameters
    ----------
    pair : Pair
    stable : bool array (H, W) of pixels, optional
        Ground that does not move. Without it, no shift is taken off, and velocities hold that of the images
    **how
        Options of :func:`~oggm_glaunti.companions.iceflow.tracking.track`

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If images cannot be tracked, no vector is valid, or stable ground has fewer than five
    """
    vectors = track_images(pair.first, pair.second, **how)
    label = f"{pair.first.path}, {pair.second.path}"
    if not vectors.valid.any():
        raise InvalidParamsError(f"{label}: no vector is valid: {why_none(vectors)}")
    common, shift, anchor = np.nan, (0.0, 0.0), "none: no stable ground was given"
    still = np.zeros(vectors.valid.shape, bool)
    if stable is not None:
        still = windows_within(stable, vectors.row, vectors.col, int(vectors.chip.max()))
        try:
            found = quality.stable_shift(*vectors.believed(), still)
        except ValueError as err:
            raise InvalidParamsError(f"{label}: {err}") from err
        shift, common = (found.rows, found.cols), found.error / abs(pair.days)
        anchor = f"stable ground, {found.count} windows, NMAD {found.nmad_rows:.2f} rows, {found.nmad_cols:.2f} columns"
    rows, cols = (part / pair.days for part in vectors.minus(*shift).believed())
    return Velocity(
        vectors.row,
        vectors.col,
        rows,
        cols,
        np.where(vectors.valid, vectors.error / abs(pair.days), np.nan),
        common,
        vectors.peak,
        vectors.ratio,
        np.where(vectors.valid, vectors.chip, 0),
        vectors.edge & ~vectors.valid,
        vectors.valid.astype(int),
        [pair.first, pair.second],
        np.array([(0.0, 0.0), shift]),
        anchor,
        still,
    )


def stack_velocity(
    images: Sequence[Image],
    stable: ArrayLike | None = None,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
    longest: float = np.inf,
    given: tuple[float, float] | None = None,
    seasonal: bool = False,
    leave_out: bool = False,
    **how: Any,
) -> Velocity:
    """Track many pairs of images, and solve for one velocity per window and one shift per image.

    Images whose parts are off their shift by twice the usual and more are named in a warning.

    Parameters
    ----------
    images : sequence of Image
        Three or more on the same pixels, in the order of their dates
    stable : bool array (H, W) of pixels, optional
        Ground that does not move
    pairs : sequence of (int, int), optional
        Which images to compare; by default all that are at most `longest` days apart
    longest : float
        Days
    given : (float, float), optional
        Known shift of the last image against the first, px, instead of stable ground
    seasonal : bool
        Whether to fit a cycle of one year to the speed, too
    leave_out : bool
        Whether to solve again without the images that are named
    **how
        Options of :func:`~oggm_glaunti.companions.iceflow.tracking.track`

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If images cannot be tracked, too few vectors are valid, or dates do not allow a seasonal cycle
    """
    days = np.array([days_between(images[0].date, image.date) for image in images])
    chosen = list(series.usual_pairs(days, longest) if pairs is None else pairs)
    if not chosen:
        raise InvalidParamsError(
            f"{images[0].path.parent}: no two of {len(images)} images are at most {longest:g} days apart"
        )
    vectors = {(a, b): track_images(images[a], images[b], **how) for a, b in chosen}
    one = next(iter(vectors.values()))
    chip = int(max(found.chip.max() for found in vectors.values()))
    still = None if stable is None else windows_within(stable, one.row, one.col, max(chip, 8))
    data = series.displacements(vectors, days, still)
    place = np.stack([part.ravel() for part in np.meshgrid(one.row, one.col, indexing="ij")])
    try:
        solved, off = _solve(data, place, given, seasonal)
        if bad := distorted(off):
            _tell(images, off, bad, leave_out)
        if bad and leave_out:
            vectors = {pair: found for pair, found in vectors.items() if not set(pair) & set(bad)}
            data, images = data.without(bad), [image for k, image in enumerate(images) if k not in bad]
            solved, off = _solve(data, place, given, seasonal)
    except ValueError as err:
        raise InvalidParamsError(f"{images[0].path.parent}: {err}") from err
    if not solved.absolute:
        log.warning(
            "%s: neither stable ground nor a given shift: velocities are relative, one vector may be added to all",
            images[0].path.parent,
        )
    shape = one.valid.shape
    valid = np.stack([found.valid for found in vectors.values()])
    middle = lambda name: _median_of_valid(np.stack([getattr(found, name) for found in vectors.values()]), valid)
    return Velocity(
        one.row,
        one.col,
        solved.velocity[0].reshape(shape),
        solved.velocity[1].reshape(shape),
        solved.window_error.reshape(shape),
        solved.common_error,
        middle("peak"),
        middle("ratio"),
        np.stack([found.chip for found in vectors.values()]).max(axis=0),
        np.asarray(np.stack([found.edge for found in vectors.values()]).any(axis=0) & ~valid.any(axis=0)),
        solved.count.reshape(shape),
        list(images),
        solved.shifts.T,
        _anchor_in_words(data, solved),
        data.stable.reshape(shape),
        solved.cycle and solved.cycle.reshaped(shape),
        solved.image_error,
        off,
    )


def _solve(
    data: series.Displacements, place: Floats, given: tuple[float, float] | None, seasonal: bool
) -> tuple[series.Series, Floats]:
    """Return the series, and how far the parts of each image are off its shift, px."""
    solved = series.solve(data, given, seasonal=seasonal)
    return solved, distortions(data, solved, place)


def _anchor_in_words(data: series.Displacements, solved: series.Series) -> str:
    words = {
        "stable ground": f"stable ground, {int((data.stable & (solved.count > 0)).sum())} windows, with the ice",
        "given": "the given shift of the last image, with the ice",
        "none": "none: velocities are relative to each other",
    }
    return words[solved.anchor]


def _tell(images: Sequence[Image], off: Floats, bad: list[int], leave_out: bool) -> None:
    names = ", ".join(f"{images[k].path.name} ({off[k]:.2f} px)" for k in bad)
    log.warning(
        "%s: parts of %s are off the image's shift, usual is %.2f px; %s",
        images[0].path.parent,
        names,
        np.nanmedian(off),
        "left out" if leave_out else "kept, leave_out=True solves without",
    )


def _median_of_valid(fields: Floats, valid: Mask) -> Floats:
    result = np.full(fields.shape[1:], np.nan)
    any_valid = valid.any(axis=0)
    result[any_valid] = np.nanmedian(np.where(valid, fields, np.nan)[:, any_valid], axis=0)
    return result


def why_none(vectors: Vectors) -> str:
    """Say in words why no vector is valid."""
    count = vectors.valid.size
    return (
        f"of {count} windows {int((vectors.chip == 0).sum() - vectors.edge.sum())} have no texture or data, "
        f"{int(vectors.edge.sum())} move beyond the search of {vectors.search:g} px, and the others correlate with "
        f"{np.nanmedian(vectors.peak) if np.isfinite(vectors.peak).any() else 0:.2f} in the median or disagree with "
        "their neighbours"
    )


def cropped(image: Image, rows: slice, cols: slice) -> Image:
    """Return a part of an image, with its place."""
    transform = image.transform @ type(image.transform).translation(cols.start, rows.start)
    return replace(image, values=image.values[rows, cols], valid=image.valid[rows, cols], transform=transform)
