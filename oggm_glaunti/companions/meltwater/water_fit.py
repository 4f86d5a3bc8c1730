"""Parameters of the surface layer fitted to scenes: those whose water tells wet from dry best."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from oggm_glaunti.companions.meltwater.baselines import Threshold, tuned_threshold
from oggm_glaunti.companions.meltwater.scores import WET, f1_of
from oggm_glaunti.companions.meltwater.stack import Floats, Index
from oggm_glaunti.companions.meltwater.water import WaterParameters, surface_water, water_at

CANDIDATES = tuple(
    WaterParameters(k, capacity, refreezing)
    for k, capacity, refreezing in itertools.product((0.3, 0.7, 0.9), (0.01, 0.03, 0.1), (0.0005, 0.002, 0.006))
)


class WaterRule(NamedTuple):
    """Water of the best parameters, and the threshold above which there is melt.

    Attributes
    ----------
    parameters : WaterParameters
    rule : Threshold
        m w.e.
    f1 : float
        on the learning scenes
    """

    parameters: WaterParameters
    rule: Threshold
    f1: float


def fit_water(
    melt: Floats,
    rain: Floats,
    temp: Floats,
    target: Floats,
    learn: Index,
    hour: float = 18.0,
    candidates: Iterable[WaterParameters] = CANDIDATES,
    starts: Index | None = None,
) -> WaterRule:
    """Choose the parameters of :func:`~oggm_glaunti.companions.meltwater.water.surface_water` with the best F1.

    Parameters
    ----------
    melt, rain, temp : arrays (T, ...)
        of each day, m w.e. and degC
    target : array (T, ...)
        observed melt fraction, NaN where not observed
    learn : int array
        days that may be learned from; no other day's target is looked at
    hour : float
        of the overpass, local solar time
    candidates : iterable of WaterParameters
    starts : int array, optional
        days on which a season begins without water; by default the first only

    Examples
    --------
    >>> melt = np.array([0.0, 0.02, 0.02, 0.0, 0.0], np.float32)
    >>> found = fit_water(melt, 0 * melt, 0 * melt, np.array([0.0, 1.0, 1.0, 1.0, 0.0]), np.arange(5))
    >>> found.f1
    1.0
    """
    bounds = [*(np.array([0]) if starts is None else starts), len(melt)]
    parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]

    def of(parameters: WaterParameters) -> WaterRule:
        waters = []
        for part in parts:
            days = surface_water(melt[part], rain[part], temp[part], *parameters)
            waters.append(water_at(hour, melt[part], rain[part], days, parameters.k, parameters.capacity))
        water = np.concatenate([np.asarray(w) for w in waters])[learn]
        rule = tuned_threshold(water, target[learn])
        seen = np.isfinite(target[learn])
        return WaterRule(parameters, rule, f1_of(water[seen] > rule.threshold, target[learn][seen] > WET))

    return max(map(of, candidates), key=lambda found: found.f1)
