"""Runoff by degree days, written down plainly: what GlaUnTI's daily water is compared with.

OGGM's MonthlyTIModel (Maussion et al. 2019): the mean temperature of the month on all its days, snow below 0 and rain
above 2 degC, melt above -1 degC, one factor. And the two-factor model of textbooks (Hock 2003) with daily temperatures:
snow and rain as above, melt above 0 degC, a factor for snow and one for ice that acts when the snow is gone. Both keep
their snow: what melts of snow is never more than there is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq

ALL_SOLID, ALL_LIQUID = 0.0, 2.0  # degC
GRADIENT = -0.0065  # K m-1, OGGM's


@dataclass(frozen=True)
class Ground:
    """A catchment and its weather: heights (N,), areas of all ground and of glacier (N,), days, temp and prcp (T,)."""

    heights: np.ndarray
    every: np.ndarray
    glacier: np.ndarray
    days: pd.DatetimeIndex
    temp: np.ndarray
    prcp: np.ndarray
    ref_hgt: float


def components(ground: Ground, prcp_fac: float, ddf_snow: float, ddf_ice: float, melt_at: float) -> pd.DataFrame:
    """Rain, snow melt and ice melt by day, m3 s-1; factors in mm K-1 day-1, precipitation in m."""
    offset = GRADIENT * (ground.heights - ground.ref_hgt)
    swe = np.full(ground.heights.size, 0.0)
    found = np.zeros((3, ground.days.size))
    for day, (temp, prcp) in enumerate(zip(ground.temp, ground.prcp * prcp_fac, strict=True)):
        local = temp + offset
        solid = prcp * np.clip((ALL_LIQUID - local) / (ALL_LIQUID - ALL_SOLID), 0.0, 1.0)
        warmth = np.maximum(local - melt_at, 0.0) / 1000.0
        swe = swe + solid
        snow_melt = np.minimum(swe, ddf_snow * warmth)
        swe = swe - snow_melt
        left = warmth - snow_melt / ddf_snow
        found[:, day] = ground.every @ (prcp - solid), ground.every @ snow_melt, ground.glacier @ (ddf_ice * left)
    return pd.DataFrame(dict(zip(("rain", "snow_melt", "ice_melt"), found / 86400.0, strict=True)), ground.days)


def monthly_mean(ground: Ground) -> Ground:
    """The same with the mean temperature of the month on all its days."""
    series = pd.Series(ground.temp, ground.days)
    month = ground.days.to_period("M")
    mean = series.groupby(month).transform("mean").to_numpy()
    return Ground(ground.heights, ground.every, ground.glacier, ground.days, mean, ground.prcp, ground.ref_hgt)


def with_volume(
    ground: Ground, measured: pd.Series, ddf_snow: float, ddf_ice: float, melt_at: float
) -> tuple[float, pd.DataFrame]:
    """The factor on precipitation that gives the measured volume, and the water with it."""
    days = measured.dropna().index

    def excess(log_factor: float) -> float:
        water = components(ground, float(np.exp(log_factor)), ddf_snow, ddf_ice, melt_at)
        return float(water.sum(axis=1)[days].mean() / measured[days].mean() - 1.0)

    factor = float(np.exp(brentq(excess, np.log(0.1), np.log(5.0), xtol=1e-3)))
    return factor, components(ground, factor, ddf_snow, ddf_ice, melt_at)
