"""The range of corrector inputs met in training, and warnings where a glacier leaves it."""

from __future__ import annotations

import logging
from typing import Any

from oggm_glaunti.core.units import ELEVATION_NORM, PRCP_NORM
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.oggm.messages import warn_once
from oggm_glaunti.coupling.weather.file import DailyClimate

log = logging.getLogger(__name__)

# Corrector inputs met in training: highest cell (m) and wettest day (m w.e.) are the normalisation constants of the
# published weights, the sides of the rectangle (cells) those of the published list of training glaciers.
TRAINING_SIDES = (28, 575)


def warn_about_inputs(model: Any, climate: DailyClimate, features: Features, rgi_id: str) -> None:
    """Warn in the log where the corrector's inputs are not what it was trained on."""
    if model.name == "D" and features.facies is None:
        log.warning("(%s) model D runs without facies: glaunti_features was given no map, all bands are -1", rgi_id)
    warn_outside_training(climate, features, rgi_id)


def warn_outside_training(climate: DailyClimate, features: Features, rgi_id: str) -> list[str]:
    """Warn in the log, once per glacier and process, where inputs leave the range met in training.

    Returns
    -------
    list of str
        what is outside, with numbers
    """
    outside = outside_training(float(features.elevation.max()), float(climate.prcp.max()), features.shape)
    if outside:
        text = f"({rgi_id}) the corrector's inputs leave the range it was trained on: {'; '.join(outside)}"
        warn_once(log, text, subject=rgi_id)
    return outside


def outside_training(highest: float, wettest: float, sides: tuple[int, ...]) -> list[str]:
    """Return what of a glacier's inputs is outside the range met in training, with numbers.

    Parameters
    ----------
    highest : float
        highest cell, m
    wettest : float
        precipitation of the wettest day, m w.e.
    sides : tuple of int
        rows and columns of the grid

    Examples
    --------
    >>> outside_training(3500.0, 0.1, (20, 40))
    ['a grid of 20 x 40 cells (training: 28 to 575)']
    """
    outside = []
    if highest > ELEVATION_NORM:
        outside.append(f"elevation up to {highest:.0f} m (training: {ELEVATION_NORM:.0f} m)")
    if wettest > PRCP_NORM:
        outside.append(f"{1000 * wettest:.0f} mm on the wettest day (training: {1000 * PRCP_NORM:.0f} mm)")
    if min(sides) < TRAINING_SIDES[0] or max(sides) > TRAINING_SIDES[1]:
        outside.append(
            f"a grid of {sides[0]} x {sides[1]} cells (training: {TRAINING_SIDES[0]} to {TRAINING_SIDES[1]})"
        )
    return outside
