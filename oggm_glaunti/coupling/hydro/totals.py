"""Daily water of a year on the areas of a run: one matrix product per field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

WATER = 1000.0  # kg m-2 in a m w.e.
COVERED = 0.5  # snow-covered fraction at the snow line


class Areas(NamedTuple):
    """Areas of a year at the heights of the columns, m2.

    Attributes
    ----------
    on, off : float64 arrays (N, U)
        glacier and ground in the units
    glacier : float64 array (N,)
        all glacier
    """

    on: np.ndarray
    off: np.ndarray
    glacier: np.ndarray


def daily_totals(days: Mapping[str, np.ndarray], areas: Areas, on_area: np.ndarray) -> dict[str, np.ndarray]:
    """Sum water by height over areas.

    Parameters
    ----------
    days : mapping
        fields (D, N), see :mod:`~oggm_glaunti.coupling.table.water_days`
    areas : Areas
    on_area : array (U,)
        glacier area of each unit by which covered area is divided, m2

    Returns
    -------
    dict of float64 arrays (D, U)
        kg day-1, kg and 1, by the names of the file
    """

    def on(name: str) -> np.ndarray:
        return WATER * (days[name] @ areas.on)

    def off(name: str) -> np.ndarray:
        return WATER * (days[name] @ areas.off)

    found = {
        "melt_on_glacier": on("melt"),
        "liq_prcp_on_glacier": on("rain"),
        "liq_prcp_off_glacier": off("rain"),
        "snowfall_on_glacier": on("snowfall"),
        "snowfall_off_glacier": off("snowfall"),
    }
    if "snow_melt" not in days:
        return found
    with np.errstate(invalid="ignore", divide="ignore"):
        cover = np.where(on_area > 0, (days["snow_cover"] @ areas.on) / on_area, 0.0)
    if "refreezing" in days:
        found["refreezing_on_glacier"] = on("refreezing")
    return found | {
        "melt_off_glacier": off("snow_melt"),
        "snow_melt_on_glacier": on("snow_melt"),
        "ice_melt_on_glacier": on("ice_melt"),
        "swe_on_glacier": on("swe"),
        "snow_bucket": off("swe"),
        "rain_on_snow": on("rain_on_snow") + off("rain_on_snow"),
        "snow_covered_fraction": cover,
    }


def snow_line(cover: np.ndarray, heights: np.ndarray, glacier: np.ndarray) -> np.ndarray:
    """Return the height of the snow line on each day (D,), m.

    Above it all of the glacier is covered by more than half. It is the lowest height of the glacier if there is snow
    everywhere, the highest if the top is bare, and NaN if there is no glacier.

    Parameters
    ----------
    cover : array (D, N)
        snow-covered fraction by height
    heights : array (N,)
        m, rising
    glacier : array (N,)
        glacier area at the heights

    Examples
    --------
    >>> snow_line(np.array([[0.0, 0.4, 0.6]]), np.array([2000.0, 2100.0, 2200.0]), np.ones(3))
    array([2150.])
    """
    there = np.flatnonzero(glacier > 0)
    if not there.size:
        return np.full(len(cover), np.nan)
    cover, heights = cover[:, there], heights[there]
    bare = cover < COVERED
    top = heights.size - 1 - bare[:, ::-1].argmax(axis=1)
    last, day = np.minimum(top, heights.size - 2), np.arange(len(cover))
    if heights.size == 1:
        return np.full(len(cover), heights[0])
    below, above = cover[day, last], cover[day, last + 1]
    share = np.clip((COVERED - below) / np.where(above > below, above - below, 1.0), 0.0, 1.0)
    line = heights[last] + share * (heights[last + 1] - heights[last])
    return np.where(bare.any(axis=1), np.where(top == heights.size - 1, heights[-1], line), heights[0])
