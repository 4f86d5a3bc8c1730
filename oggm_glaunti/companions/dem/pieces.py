"""Tiles of one degree of which a raster was composed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer


def degree_tiles(x: NDArray[np.float64], y: NDArray[np.float64], crs: CRS) -> NDArray[np.intp]:
    """Return the labels of the tiles of one degree in which pixels lie.

    Parameters
    ----------
    x, y : arrays (W,), (H,)
        Pixel centres in `crs`
    crs : pyproj.CRS
        Coordinate system

    Returns
    -------
    int array (H, W)
        Labels, increasing with latitude, then longitude

    Examples
    --------
    >>> degree_tiles(np.array([7.9, 8.1]), np.array([46.5, 45.5]), CRS.from_epsg(4326)).tolist()
    [[16747, 16748], [16387, 16388]]
    """
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*np.meshgrid(x, y))
    return 360 * np.floor(lat).astype(np.intp) + np.floor((lon + 180.0) % 360.0).astype(np.intp)


def tile_name(label: int) -> str:
    """Return the name of a tile, its south-western corner.

    Examples
    --------
    >>> [
    ...     tile_name(label)
    ...     for label in degree_tiles(np.array([-73.1]), np.array([46.5, -50.2]), CRS.from_epsg(4326))[:, 0]
    ... ]
    ['N46W074', 'S51W074']
    """
    lat, lon = divmod(int(label), 360)
    lon -= 180
    return f"{'N' if lat >= 0 else 'S'}{abs(lat):02d}{'E' if lon >= 0 else 'W'}{abs(lon):03d}"
