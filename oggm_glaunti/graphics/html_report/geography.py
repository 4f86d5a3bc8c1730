"""The map of a region in metres around its centre: outlines simplified, and a grid of meridians and parallels.

The projection is Lambert's azimuthal equal-area one around the centre of all glaciers, so that regions at the poles and
across 180 degrees are in one piece, and areas can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import ArrayLike, NDArray

STEPS = (1.0, 2.0, 5.0, 10.0)  # of a grid of degrees, times a power of ten
LINES = 4  # meridians and parallels across a map, at most
BEYOND, FARTHEST = 3.0, 9.0e6  # times the map: how far lines are drawn; m, at most
# Simplification: m per square root of the area in m2, and the least and largest there is.
TOLERANCE, TOLERANCES = 0.004, (2.0, 200.0)
MARGIN = 0.06  # of the map around its glaciers
SMALLEST_MAP = 1000.0  # m


class Grid(NamedTuple):
    """Meridians and parallels.

    Attributes
    ----------
    lines : list of arrays (P, 2)
        m
    labels : list of str
    places : array (K, 2)
        where the labels stand, m
    meridian : list of bool
        which labels are of meridians, at the lower edge; the others are at the left one
    """

    lines: list[NDArray[np.float64]]
    labels: list[str]
    places: NDArray[np.float64]
    meridian: list[bool]


class Projection:
    """Equal-area projection around the centre of some places.

    Parameters
    ----------
    lon, lat : arrays (N,)
        degrees; places without are left out

    Examples
    --------
    >>> there = Projection([179.0, -179.0], [60.0, 60.0])
    >>> there.xy([179.0, 181.0], [60.0, 60.0])[:, 0].round(-3).tolist()
    [-56000.0, 56000.0]
    """

    def __init__(self, lon: ArrayLike, lat: ArrayLike):
        from pyproj import Proj

        angles = np.deg2rad(np.stack([np.asarray(lon, float), np.asarray(lat, float)]))
        east, up = angles[:, np.isfinite(angles).all(axis=0)]
        vectors = np.stack([np.cos(up) * np.cos(east), np.cos(up) * np.sin(east), np.sin(up)])
        x, y, z = vectors.mean(axis=1) if east.size else (1.0, 0.0, 0.0)
        self.lon, self.lat = float(np.rad2deg(np.arctan2(y, x))), float(np.rad2deg(np.arctan2(z, np.hypot(x, y))))
        self._proj = Proj(f"+proj=laea +lat_0={self.lat!r} +lon_0={self.lon!r} +datum=WGS84 +units=m")

    def xy(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
        """Return places in m, (N, 2); the other end of the Earth is infinite."""
        return np.column_stack(self._proj(np.asarray(lon, float), np.asarray(lat, float)))

    def lonlat(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return longitude and latitude of places in m, (N, 2)."""
        return np.column_stack(self._proj(np.asarray(x, float), np.asarray(y, float), inverse=True))

    def outline(self, geometry: Any) -> Any:
        """Return an outline in m, with as many points as can be seen; an empty one where it is no polygon."""
        projected = shapely.transform(geometry, lambda lonlat: self.xy(*lonlat.T))
        tolerance = float(np.clip(TOLERANCE * np.sqrt(projected.area), *TOLERANCES))
        simple = projected.simplify(tolerance)
        return projected if simple.is_empty else simple


def rings_of(outline: Any) -> tuple[list[list[list[float]]], list[list[list[float]]]]:
    """Return the eastings and northings of an outline in whole metres: by part, outer ring first, then holes.

    Examples
    --------
    >>> rings_of(shapely.box(0, 0, 10, 20))
    ([[[10, 10, 0, 0]]], [[[0, 20, 20, 0]]])
    """
    xs, ys = [], []
    for part in getattr(outline, "geoms", [outline]):
        if part.geom_type != "Polygon" or part.is_empty:
            continue
        rings = [np.round(ring.coords[:-1]).astype(int) for ring in (part.exterior, *part.interiors)]
        xs.append([ring[:, 0].tolist() for ring in rings])
        ys.append([ring[:, 1].tolist() for ring in rings])
    return xs, ys


def extent_of(places: NDArray[np.float64], outlines: Mapping[Any, Any]) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a map, m, with a margin around all places and outlines."""
    corners = [places, *(np.reshape(outline.bounds, (2, 2)) for outline in outlines.values() if not outline.is_empty)]
    every = np.concatenate(corners)
    every = every[np.isfinite(every).all(axis=1)]
    if every.size == 0:
        return -SMALLEST_MAP, -SMALLEST_MAP, SMALLEST_MAP, SMALLEST_MAP
    low, high = every.min(axis=0), every.max(axis=0)
    middle, half = (low + high) / 2, np.maximum((high - low) / 2, SMALLEST_MAP / 2)
    half = half + MARGIN * half.max()
    return *(middle - half), *(middle + half)


def grid_of(projection: Projection, extent: Sequence[float]) -> Grid:
    """Return the meridians and parallels of a map, drawn beyond it as well, with labels at its left and lower edge.

    Parameters
    ----------
    projection : Projection
    extent : sequence of 4 floats
        west, south, east, north, m
    """
    frame = shapely.box(*extent)
    half = np.reshape(extent, (2, 2)).T @ [-0.5, 0.5]
    wide = shapely.affinity.scale(frame, *np.maximum(np.minimum(BEYOND, FARTHEST / half), 1.0))
    steps = [_step(low, high) for low, high in _degrees(projection, frame)]
    lon_ends, lat_ends = _degrees(projection, wide)
    lines, labels, places, meridian = [], [], [], []
    for is_meridian, step, ends in ((True, steps[0], lon_ends), (False, steps[1], lat_ends)):
        degrees = step * np.arange(np.ceil(ends[0] / step - 1e-9), np.floor(ends[1] / step + 1e-9) + 1)
        if is_meridian:
            degrees = degrees[degrees < ends[0] + 360.0]
        for degree in degrees.tolist():
            lon = np.full(181, degree) if is_meridian else np.linspace(*lon_ends, 181)
            lat = np.linspace(*lat_ends, 181) if is_meridian else np.full(181, degree)
            curve = shapely.LineString(projection.xy(lon, lat))
            lines += [np.asarray(part.coords) for part in _parts(curve.intersection(wide))]
            inside = shapely.get_coordinates(_parts(curve.intersection(frame)))
            if len(inside):
                labels.append(_label(degree, is_meridian, step))
                places.append(inside[np.argmin(inside[:, int(is_meridian)])])
                meridian.append(is_meridian)
    return Grid(lines, labels, np.reshape(places, (-1, 2)), meridian)


def _degrees(projection: Projection, frame: Any) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the first and last longitude and latitude in a frame; all longitudes if it holds a pole."""
    west, south, east, north = frame.bounds
    x, y = np.meshgrid(np.linspace(west, east, 41), np.linspace(south, north, 41))
    lon, lat = projection.lonlat(x.ravel(), y.ravel()).T
    lon, lat = (lon - projection.lon + 180.0) % 360.0 - 180.0, lat[np.isfinite(lat)]
    ends = float(lat.min()), float(lat.max())
    poles = [frame.contains(shapely.Point(*projection.xy([0.0], [pole])[0])) for pole in (-90.0, 90.0)]
    if not any(poles):
        lon = lon[np.isfinite(lon)] + projection.lon
        return (float(lon.min()), float(lon.max())), ends
    return (-180.0, 180.0), (-90.0 if poles[0] else ends[0], 90.0 if poles[1] else ends[1])


def _parts(lines: Any) -> list[Any]:
    return [part for part in getattr(lines, "geoms", [lines]) if part.geom_type == "LineString" and not part.is_empty]


def _step(low: float, high: float) -> float:
    """Return a round distance of lines between two degrees.

    Examples
    --------
    >>> _step(46.76, 46.94), _step(-180.0, 180.0)
    (0.05, 30.0)
    """
    wanted = max((high - low) / LINES, 1e-4)
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(min(min(step * power for step in STEPS if step * power >= wanted * 0.999), 30.0))


def _label(degree: float, is_meridian: bool, step: float) -> str:
    """Write a degree with as many digits as tell it from the next.

    Examples
    --------
    >>> _label(181.5, True, 0.5), _label(-45.0, False, 1.0)
    ('178.5°W', '45°S')
    """
    degree = (degree + 180.0) % 360.0 - 180.0 if is_meridian else degree
    digits = int(max(0, -np.floor(np.log10(step) + 1e-9)))
    letter = "EW"[degree < 0] if is_meridian else "NS"[degree < 0]
    return f"{abs(degree):.{digits}f}°{letter}"
