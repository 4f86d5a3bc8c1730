"""The last image of a stack predicted from those before it, chip by chip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import ndimage

from oggm_glaunti.companions.iceflow import frames, predictors
from oggm_glaunti.companions.iceflow.images import Image, days_between
from oggm_glaunti.companions.iceflow.network_file import Learned
from oggm_glaunti.companions.iceflow.velocity import Velocity, stack_velocity
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError

# Least images: two pairs of past ones make a velocity, the last is predicted.
LEAST_IMAGES = 4


class Prediction(NamedTuple):
    """Chips of the last image with their predictions.

    Attributes
    ----------
    chips : Chips
        Targets and past frames
    frames : dict
        Predicted frames (N, c, c) by predictor, without unit: only their pattern counts
    table : DataFrame
        Of :func:`~oggm_glaunti.companions.iceflow.predictors.table1`
    velocity : Velocity
        From the earlier images
    shift : float (2,)
        Of the last image against the first, from stable ground, px
    """

    chips: frames.Chips
    frames: dict[str, np.ndarray]
    table: pd.DataFrame
    velocity: Velocity
    shift: np.ndarray


def predict_last(
    images: Sequence[Image],
    stable: ArrayLike,
    *,
    size: int = 64,
    step: int = 48,
    past: int = 8,
    search: int = 12,
    networks: Sequence[Learned] = (),
) -> Prediction:
    """Predict the last of some images from the others.

    Nothing is taken from the ice of the last image: the velocity is that of earlier pairs, and its shift that of ground
    that does not move.

    Parameters
    ----------
    images : sequence of Image
        Four or more on the same pixels, in the order of their dates
    stable : bool array (H, W) of pixels
        Ground that does not move
    size, step, past : int
        Side of a chip and distance between chips, px, and number of past frames
    search : int
        Largest motion between two images, px
    networks : sequence of Learned
        Trained ones to predict with besides, of :func:`~oggm_glaunti.companions.iceflow.load_network`

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        If there are too few images, no chip of the last one has data, or a network is for other chips
    """
    label = images[-1].path
    if len(images) < LEAST_IMAGES:
        raise InvalidParamsError(
            f"{label}: {len(images)} images; expected {LEAST_IMAGES} or more, the last is predicted"
        )
    still = np.asarray(stable, bool)
    # Chips of one size, every second of them: a smooth field is enough to move frames by.
    found = stack_velocity(images[:-1], still, chips=(32,), step=32, search=search)
    earlier = [(image.values, image.valid, shift) for image, shift in zip(images[:-1], found.shifts, strict=True)]
    shift, _ = frames.shift_of_target(images[-1].values, images[-1].valid, earlier[-3:], still)
    days = np.array([days_between(images[0].date, image.date) for image in images])
    places = frames.grid_of_chips(images[-1].valid & ~still, size, step)
    if not len(places):
        raise InvalidParamsError(f"{label}: no chip of {size} px lies within valid pixels beside stable ground")
    values = np.stack([image.values.astype(np.float32) for image in images])
    valid = np.stack([image.valid for image in images])
    every = np.vstack([found.shifts, shift])
    chips = frames.chips_of(
        values, valid, days, every, len(images) - 1, places, _velocity_at(found, places), size, past
    )
    if not len(chips.target):
        raise InvalidParamsError(f"{label}: no chip and its past have data: {chips.dropped} left out")
    made = {name: predict(chips) for name, predict in predictors.PREDICTORS.items()}
    try:
        learned = {network.label: network.predict(chips) for network in networks}
    except ValueError as err:
        raise InvalidParamsError(str(err)) from err
    table = predictors.table1([predictors.scores(chips, learned)], [True], chips.dropped)
    return Prediction(chips, made | learned, table[["mean", "low", "medium", "high"]], found, shift)


def _velocity_at(found: Velocity, places: np.ndarray) -> np.ndarray:
    """Return the velocity (N, 2) at places: nearest windows with one, smoothed."""
    result, spacing = [], float(found.row[1] - found.row[0])
    for part in (found.rows, found.cols):
        nearest = ndimage.distance_transform_edt(~np.isfinite(part), return_distances=False, return_indices=True)
        smooth = ndimage.gaussian_filter(part[tuple(nearest)], 1.0)
        at = [(places[:, 0] - found.row[0]) / spacing, (places[:, 1] - found.col[0]) / spacing]
        result.append(ndimage.map_coordinates(smooth, at, order=1, mode="nearest"))
    return np.stack(result, axis=1)
