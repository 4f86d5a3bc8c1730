"""Water that freezes again in cold snow and firn: by year from its mean temperature, or by day from the snow's cold.

Woodward et al. (1997, Annals of Glaciology 24, 181-186; as in Radic et al. 2014 and PyGEM): in a mass-balance year at
most ``-0.69 T + 0.0096`` cm freeze again, T the mean air temperature of that year in degC. The first rain and melt of a
year freeze until that is used up. What has frozen again is ice: it does not melt twice in the same year.

By day the cold content of the snow is followed: the water that would have to freeze in it to warm it to 0 degC. Snow
falls as cold as the air. Rain and melt freeze until the cold is used up. Then the upper layer of the snow goes towards
the temperature of the air, at most 0 degC, as fast as heat is conducted through it: the slowest mode of a slab of depth
d whose base lets no heat pass has the time constant ``4 d^2 / (pi^2 kappa)`` (Carslaw and Jaeger 1959). Ice and the
ground have no cold: where there is no snow nothing freezes. Results depend on the depth of the layer more than on
anything else (Reijmer et al. 2012, The Cryosphere 6, 743-762).
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

CM_PER_KELVIN = -0.69  # cm w.e. K-1, Woodward et al. 1997
CM_AT_ZERO = 0.0096  # cm w.e.
HEAT_CAPACITY = 2100.0  # of ice, J kg-1 K-1 (as in PyGEM)
LATENT_HEAT = 334_000.0  # of fusion, J kg-1
DENSITY = 400.0  # of snow that has settled, kg m-3
# Of snow of that density, W m-1 K-1: 0.138 - 1.01 rho + 3.233 rho^2, rho in g cm-3 (Sturm et al. 1997, Journal of
# Glaciology 43, 26-41).
CONDUCTIVITY = 0.251
DIFFUSIVITY = CONDUCTIVITY / (DENSITY * HEAT_CAPACITY) * 86_400.0  # m2 day-1
# Deepest layer that takes part, m w.e.: 2.5 m of snow, one and a half times the depth to which a year's wave of
# temperature comes.
ACTIVE = 1.0
COLDEST = 40.0  # K below 0 degC; no snow is colder


def woodward_potential(annual_temp: np.ndarray) -> np.ndarray:
    """Return the most that freezes again in a year, m w.e.

    Parameters
    ----------
    annual_temp : array (...)
        mean air temperature of the mass-balance year, degC

    Examples
    --------
    >>> woodward_potential(np.array([-10.0, -5.0, 3.0])).round(4)
    array([0.0691, 0.0346, 0.    ])
    """
    return np.maximum(CM_PER_KELVIN * np.asarray(annual_temp, np.float64) + CM_AT_ZERO, 0.0) / 100.0


def refrozen(
    water: np.ndarray, period: np.ndarray, potential: np.ndarray, before: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what freezes again of the water of successive steps.

    Steps may be days or months: the sums are the same.

    Parameters
    ----------
    water : array (T, N)
        rain and melt, m w.e.
    period : int array (T,)
        mass-balance year of each step, an index of `potential`; rising
    potential : array (K, N)
        most that freezes again in each, m w.e.
    before : array (N,)
        water that the first step's period has had already, m w.e.

    Returns
    -------
    refrozen : array (T, N)
        m w.e.
    after : array (N,)
        water that the last step's period has had, m w.e.

    Examples
    --------
    >>> water, period = np.array([[0.02], [0.02], [0.01]]), np.array([0, 0, 1])
    >>> refrozen(water, period, np.array([[0.03], [0.03]]), np.zeros(1))[0].ravel()
    array([0.02, 0.01, 0.01])
    """
    found, had = np.zeros(water.shape), np.asarray(before, np.float64)
    for index in np.unique(period):
        steps = np.flatnonzero(period == index)
        if steps[0] > 0:
            had = np.zeros_like(had)
        reached = had + np.cumsum(water[steps], axis=0)
        full = np.minimum(np.concatenate([had[None], reached]), potential[index])
        found[steps] = np.diff(full, axis=0)
        had = reached[-1]
    return found, had


class SnowOfDay(NamedTuple):
    """What a day's refreezing depends on; arrays (..., N).

    Attributes
    ----------
    temp : array
        mean temperature of the day, degC
    snowfall, water : array
        snowfall, and rain and melt, m w.e.
    before, after : array
        snow at the beginning and the end of the day, m w.e.
    """

    temp: Any
    snowfall: Any
    water: Any
    before: Any
    after: Any


def cold_content_day(cold: Any, day: SnowOfDay, xp: ModuleType = np) -> tuple[Any, Any]:
    """Return the cold content at the end of a day and what has frozen again, both (N,), m w.e.

    Parameters
    ----------
    cold : array (N,)
        cold content at the beginning of the day: the water that can freeze, m w.e.
    day : SnowOfDay
    xp : module
        NumPy or ``jax.numpy``

    Examples
    --------
    Snow of 1 m w.e. at -10 degC could freeze 63 mm; of a day's 20 mm of water all freezes.

    >>> day = SnowOfDay(2.0, 0.0, 0.02, 1.0, 0.99)
    >>> [round(float(x), 4) for x in cold_content_day(10.0 * HEAT_CAPACITY / LATENT_HEAT, day)]
    [0.0424, 0.02]
    """
    per_snow = HEAT_CAPACITY / LATENT_HEAT * xp.clip(-day.temp, 0.0, COLDEST)
    layer = xp.minimum(day.before + day.snowfall, ACTIVE)
    depth = 1000.0 / DENSITY * layer
    # A thin layer follows the air within the day.
    share = -xp.expm1(-(np.pi**2) * DIFFUSIVITY / (4.0 * xp.maximum(depth, 0.01) ** 2))
    cold = cold + per_snow * day.snowfall
    refrozen = xp.minimum(day.water, cold)
    left = (1.0 - share) * (cold - refrozen) + share * per_snow * layer
    return xp.minimum(left, HEAT_CAPACITY / LATENT_HEAT * COLDEST * day.after), refrozen


def refrozen_in_snow(days: SnowOfDay, cold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what freezes again on successive days (D, N), and the cold content after them (N,), m w.e.

    Parameters
    ----------
    days : SnowOfDay
        of arrays (D, N)
    cold : array (N,)
        cold content before the first day, m w.e.
    """
    found = np.zeros(days.water.shape)
    for k, of_day in enumerate(zip(*days, strict=True)):
        cold, found[k] = cold_content_day(cold, SnowOfDay(*of_day))
    return found, cold
