"""Melt in brightness temperatures of passive microwaves (37 or 19 GHz, horizontal): thresholds of three kinds."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

# K. Below every brightness temperature of snow, above every temperature in degC.
LOWEST_TB = 80.0
FIXED, ABOVE_WINTER, SLOPE, OFFSET = 245.0, 30.0, 0.48, 128.0


def melt_threshold(winter_tb: ArrayLike, kind: str = "colosio") -> NDArray[np.float64]:
    """Return the brightness temperature above which there is melt, K.

    Parameters
    ----------
    winter_tb : array (...)
        winter mean of the brightness temperature, K
    kind : {'colosio', 'winter', 'fixed'}
        ``0.48 Tb_winter + 128 K`` (Colosio et al. 2021), winter mean + 30 K, or 245 K everywhere

    Raises
    ------
    ValueError
        for another kind, or temperatures that are not in K

    Examples
    --------
    >>> melt_threshold(np.array([200.0])).tolist(), melt_threshold(np.array([200.0]), "winter").tolist()
    ([224.0], [230.0])
    """
    winter = require_kelvin("winter_tb", winter_tb)
    known = {"colosio": SLOPE * winter + OFFSET, "winter": winter + ABOVE_WINTER, "fixed": winter * 0.0 + FIXED}
    if kind not in known:
        raise ValueError(f"kind: expected one of {sorted(known)}, found {kind!r}")
    return known[kind]


def pmw_melt(tb: ArrayLike, winter_tb: ArrayLike, kind: str = "colosio") -> NDArray[np.float32]:
    """Return 1 where there is melt, 0 where there is none, NaN where a temperature is missing.

    Examples
    --------
    >>> pmw_melt([230.0, 220.0, np.nan], 200.0).tolist()
    [1.0, 0.0, nan]
    """
    values, threshold = require_kelvin("tb", tb), melt_threshold(winter_tb, kind)
    unknown = np.isnan(values) | np.isnan(threshold)
    return np.where(unknown, np.nan, values > threshold).astype(np.float32)


def require_kelvin(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return brightness temperatures; raise a ValueError if they cannot be in K."""
    found = np.asarray(values, np.float64)
    if np.isfinite(found).any() and np.nanmin(found) < LOWEST_TB:
        raise ValueError(
            f"{name}: expected brightness temperatures in K, above {LOWEST_TB:.0f}, found {np.nanmin(found):g} to "
            f"{np.nanmax(found):g}; if they are in degC add 273.15, if missing values are marked make them NaN"
        )
    return found
