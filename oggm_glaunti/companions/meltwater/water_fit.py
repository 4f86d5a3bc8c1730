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

    def of(parameters: WaterParameters) -> WaterRule:
        water = water_of(parameters, melt, rain, temp, hour, starts)[learn]
        rule = tuned_threshold(water, target[learn])
        seen = np.isfinite(target[learn])
        return WaterRule(parameters, rule, f1_of(water[seen] > rule.threshold, target[learn][seen] > WET))

    return max(map(of, candidates), key=lambda found: found.f1)


def water_of(
    parameters: WaterParameters, melt: Floats, rain: Floats, temp: Floats, hour: float, starts: Index | None = None
) -> Floats:
    """Return the water at an hour of each day (T, ...), season by season; arguments as in :func:`fit_water`."""
    bounds = [*(np.array([0]) if starts is None else starts), len(melt)]
    found = []
    for first, end in itertools.pairwise(bounds):
        season = slice(first, end)
        days = surface_water(melt[season], rain[season], temp[season], *parameters)
        water = water_at(hour, melt[season], rain[season], days, parameters.k, parameters.capacity)
        found.append(np.asarray(water))
    return np.concatenate(found)
