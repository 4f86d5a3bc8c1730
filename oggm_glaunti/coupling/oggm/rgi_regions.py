"""Where the first-order regions of the Randolph Glacier Inventory lie, roughly."""

from typing import Any

import numpy as np

# South, north, west, east in degrees, generous: from outlines of the regions, with a margin of a degree or more. Two
# regions lie across 180 degrees.
BOXES = {
    1: (49, 75, 170, -128),
    2: (31, 70, -142, -102),
    3: (71, 85, -128, -58),
    4: (56, 76, -128, -58),
    5: (57, 85, -76, -8),
    6: (61, 68, -27, -11),
    7: (69, 82, -12, 38),
    8: (57, 73, 2, 37),
    9: (69, 83, 33, 112),
    10: (34, 80, 54, -165),
    11: (39, 51, -8, 22),
    12: (28, 46, 30, 58),
    13: (25, 48, 63, 108),
    14: (24, 41, 63, 86),
    15: (22, 36, 72, 108),
    16: (-30, 27, -120, 142),
    17: (-62, -22, -80, -60),
    18: (-52, -33, 163, 180),
    19: (-90, -43, -180, 180),
}


def in_region(region: Any, lat: Any, lon: Any) -> np.ndarray:
    """Return whether places may lie in a region; True if the region or the place is not known.

    Parameters
    ----------
    region : int or array
        number of the first-order region, NaN if unknown
    lat, lon : float or array
        degrees north and east (-180 to 180 or 0 to 360)

    Examples
    --------
    >>> in_region(11, [46.8, 10.8, np.nan], [10.8, 46.8, np.nan]).tolist(), bool(in_region(1, 53.0, -170.0))
    ([True, False, True], True)
    """
    everywhere = (-90.0, 90.0, -180.0, 180.0)
    limits = np.array([BOXES.get(number, everywhere) for number in np.ravel(region)], float).reshape(-1, 4)
    south, north, west, east = limits.T.reshape(4, *np.shape(region))
    lat, lon = np.asarray(lat, float), (np.asarray(lon, float) + 180.0) % 360.0 - 180.0
    between = np.where(west <= east, (lon >= west) & (lon <= east), (lon >= west) | (lon <= east))
    return np.isnan(lat + lon) | ((lat >= south) & (lat <= north) & (between | (west == -180.0)))
