"""Of which tiles of one degree a raster was put together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer


def degree_tiles(x: NDArray[np.float64], y: NDArray[np.float64], crs: CRS) -> NDArray[np.intp]:
    """Labels of the tiles of one degree in which pixels lie.

    Parameters
    ----------
    x, y : arrays (W,), (H,)
        centres of the pixels in `crs`
    crs : pyproj.CRS

    Returns
    -------
    int array (H, W)
        from 0, in the order of latitude, then longitude

    Examples
    --------
    >>> degree_tiles(np.array([7.9, 8.1]), np.array([46.5, 45.5]), CRS.from_epsg(4326)).tolist()
    [[2, 3], [0, 1]]
    """
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    code = 360 * np.floor(lat).astype(np.int64) + np.floor(lon).astype(np.int64)
    return np.unique(code, return_inverse=True)[1].reshape(code.shape)
