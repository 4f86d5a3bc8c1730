"""Water that freezes again in cold snow and firn.

Woodward et al. (1997, Annals of Glaciology 24, 181-186; as in Radic et al. 2014 and PyGEM): in a mass-balance year at
most ``-0.69 T + 0.0096`` cm freeze again, T the mean air temperature of that year in degC. The first rain and melt of a
year freeze until that is used up. What has frozen again is ice: it does not melt twice in the same year.
"""

import numpy as np

CM_PER_KELVIN = -0.69  # cm w.e. K-1, Woodward et al. 1997
CM_AT_ZERO = 0.0096  # cm w.e.


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
