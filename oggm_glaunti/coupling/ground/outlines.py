"""Outlines as people draw them: what is repaired, and what is refused."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import shapely
from oggm.exceptions import InvalidParamsError
from pyproj import Geod
from shapely.geometry import MultiPolygon
from shapely.geometry.polygon import orient
from shapely.validation import explain_validity

from oggm_glaunti.coupling.ground.rasters import extent_text

_EARTH = Geod(ellps="WGS84")
# Of the area of a repaired outline: if its largest part holds less, it is not known what was meant.
_LARGEST_PART = 0.9


class Outline(NamedTuple):
    """An outline without faults, and what was done to it.

    Attributes
    ----------
    polygon : shapely Polygon or MultiPolygon
    area : float
        km2
    remarks : tuple of str
    """

    polygon: Any
    area: float
    remarks: tuple[str, ...] = ()


def area_of(outline: Any, in_degrees: bool = True) -> float:
    """Return the area of polygons, holes excluded, in km2.

    Parameters
    ----------
    outline : shapely Polygon or MultiPolygon
    in_degrees : bool
        whether coordinates are longitude and latitude (WGS 84), otherwise m

    Examples
    --------
    >>> round(area_of(shapely.box(10.0, 46.0, 10.1, 46.1)), 2)
    86.02
    """
    if not in_degrees:
        return outline.area * 1e-6
    return sum(abs(_EARTH.geometry_area_perimeter(orient(part))[0]) for part in parts_of(outline)) * 1e-6


def parts_of(geometry: Any) -> list[Any]:
    """Return the polygons in a geometry, the largest first; lines and points are left out.

    Examples
    --------
    >>> parts_of(shapely.Point(0, 0))
    []
    """
    geometries = getattr(geometry, "geoms", [geometry])
    found = [part for one in geometries for part in getattr(one, "geoms", [one]) if part.geom_type == "Polygon"]
    return sorted((part for part in found if not part.is_empty), key=lambda part: -part.area)


def checked_outline(geometry: Any, label: str, in_degrees: bool = True) -> Outline:
    """Return an outline that does not cross itself.

    Parameters
    ----------
    geometry : shapely geometry or None
    label : str
        begins the message of an error
    in_degrees : bool
        whether coordinates are longitude and latitude, otherwise m

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        if there is no polygon, one that lies nowhere on Earth, or one that crosses itself is in several parts of like
        size once it is repaired

    Examples
    --------
    >>> checked_outline(shapely.box(10.0, 46.0, 10.1, 46.1), "RGI60-11.00001").remarks
    ()
    """
    kind = "no geometry" if geometry is None else f"an empty {geometry.geom_type}" if geometry.is_empty else ""
    parts = [] if kind else parts_of(geometry)
    if not parts:
        raise InvalidParamsError(f"{label}: expected a polygon as outline, found {kind or f'a {geometry.geom_type}'}")
    coordinates = np.abs(shapely.get_coordinates(geometry))
    if not np.isfinite(coordinates).all():
        raise InvalidParamsError(f"{label}: coordinates of the outline are NaN or infinite; draw it anew")
    if in_degrees and (coordinates > (360.0, 90.0)).any():
        there = extent_text(geometry.bounds)
        raise InvalidParamsError(f"{label}: the outline lies nowhere on Earth, at {there}; draw it anew")
    if geometry.is_valid:
        return Outline(geometry, area_of(geometry, in_degrees))
    # What lies within two rings is outside, as GDAL fills outlines and OGGM reads nested ones.
    repaired = parts_of(shapely.make_valid(geometry))
    before, after = area_of(geometry, in_degrees), sum(area_of(part, in_degrees) for part in repaired)
    what = f"the outline crosses itself or its parts overlap ({explain_validity(geometry)})"
    largest = area_of(repaired[0], in_degrees) if repaired else 0.0
    if not repaired or largest < _LARGEST_PART * after:
        raise InvalidParamsError(
            f"{label}: {what}. Repaired, it is {after:.3f} km2 in {len(repaired)} parts ({before:.3f} km2 before), the "
            f"largest {largest:.3f} km2, and it is not known which were meant; draw it anew"
        )
    polygon = repaired[0] if len(repaired) == 1 else MultiPolygon(repaired)
    return Outline(polygon, after, (f"{what}; repaired: {before:.3f} km2 before, {after:.3f} km2 after",))
