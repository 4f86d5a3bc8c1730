"""DEMs that would give absurd heights in silence: undeclared missing values, no relief, no terrain at the glacier."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from oggm.exceptions import InvalidParamsError
from pyproj import Transformer
from rasterio.features import geometry_mask
from scipy import ndimage
from shapely.affinity import translate

from oggm_glaunti.coupling.ground.grid import box_of_bounds, utm_crs
from oggm_glaunti.coupling.ground.rasters import (
    Raster,
    extent_of,
    extent_text,
    nearest_turn,
    open_raster,
    read_around,
)
from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK

# m. Land is nowhere lower (Dead Sea) or higher (Mount Everest); feet or undeclared missing values are.
LOWEST, HIGHEST = -500.0, 8900.0
# m. Below this OGGM takes a height for a missing value that the file does not declare.
UNDECLARED_NODATA = -999.0
# Of the pixels that an outline touches: so many may lie beyond the DEM, as at the edge of a country's.
MOST_BEYOND = 0.03
# A plateau of one value counts as missing if it has so many pixels, and if half of its rim is further away than so many
# metres and pixels: shores and lakes are not, cliffs are seldom steeper than 60 degrees all around.
_PIXELS, _JUMP, _STEEPEST = 4, 100.0, 2.0


def undeclared_missing(heights: NDArray[np.floating], pixel: float) -> tuple[float, NDArray[np.bool_]]:
    """Find the pixels of a fill value (0, 9999, ...) that a DEM does not declare as missing.

    Parameters
    ----------
    heights : array (h, w)
        m; NaN where missing
    pixel : float
        size of a pixel, m

    Returns
    -------
    float
        the fill value; NaN if there is none
    bool array (h, w)

    Examples
    --------
    >>> slope = np.add.outer(np.arange(2000.0, 2200.0, 10.0), np.zeros(20))
    >>> slope[3:6, 3:6] = 0.0
    >>> value, missing = undeclared_missing(slope, 30.0)
    >>> value, int(missing.sum())
    (0.0, 9)
    """
    missing = np.zeros(heights.shape, bool)
    if not np.isfinite(heights).any():
        return np.nan, missing
    # A fill value lies below or above all terrain, and 0 may lie between.
    for value in (0.0, float(np.nanmin(heights)), float(np.nanmax(heights))):
        plateaus, n = ndimage.label(heights == value, np.ones((3, 3)))
        sizes = np.bincount(plateaus.ravel(), minlength=n + 1)
        boxes = ndimage.find_objects(plateaus)
        for number in np.flatnonzero(sizes >= _PIXELS):
            if number and _jumps(heights, plateaus, int(number), boxes[number - 1], value, pixel):
                missing |= plateaus == number
        if missing.any():
            return value, missing
    return np.nan, missing


def _jumps(heights: NDArray, plateaus: NDArray, number: int, box: Any, value: float, pixel: float) -> bool:
    """Whether half of the pixels around a plateau are too far above or below it."""
    around = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
    inside = plateaus[around] == number
    rim = heights[around][ndimage.binary_dilation(inside, np.ones((3, 3))) & ~inside]
    rim = rim[np.isfinite(rim)]
    return bool(rim.size) and float(np.median(np.abs(rim - value))) > max(_JUMP, _STEEPEST * pixel)


def pixel_size(raster: Raster) -> float:
    """Return the height of a pixel in m."""
    return abs(raster.transform.e) * (111_000.0 if raster.crs.is_geographic else 1.0)


def require_declared(label: str, names: str, heights: NDArray[np.floating], pixel: float) -> None:
    """Raise InvalidParamsError if a DEM holds missing values that it does not declare, or no relief at all.

    Parameters
    ----------
    label, names : str
        glacier and files, for the message
    heights : array (h, w)
        m; NaN where missing
    pixel : float
        size of a pixel, m
    """
    value, missing = undeclared_missing(heights, pixel)
    n, known = int(missing.sum()), heights[np.isfinite(heights) & ~missing]
    if n:
        other = f"between {known.min():.0f} and {known.max():.0f} m" if known.size else "missing as well"
        raise InvalidParamsError(
            f"{label}: {n} of {heights.size} pixels of {names} around the glacier are exactly {value:g} m, all others "
            f"{other}: a missing value that the file does not declare. Declare it (gdal_edit.py -a_nodata {value:g} "
            "FILE) and fill the gaps, or give another DEM"
        )
    if known.size > 1 and known.min() == known.max():
        raise InvalidParamsError(
            f"{label}: {names} is {known.min():g} m everywhere around the glacier; give a DEM with its terrain"
        )


def require_heights(label: str, names: str, heights: NDArray[np.floating]) -> None:
    """Raise InvalidParamsError if any height is lower or higher than land is; `label` and `names` begin the message."""
    bad = (heights < LOWEST) | (heights > HIGHEST)
    if bad.any():
        raise InvalidParamsError(
            f"{label}: {names} holds heights from {np.nanmin(heights):.0f} to {np.nanmax(heights):.0f} m; "
            f"{100 * bad.mean():.3g} % of them are outside {LOWEST:.0f}..{HIGHEST:.0f} m. Are they in metres, and are "
            "missing values declared?"
        )


def require_dem_of(label: str, path: str | os.PathLike[str], outline: Any) -> list[str]:
    """Raise InvalidParamsError if a DEM does not hold the terrain of an outline; return what there is to say otherwise.

    Parameters
    ----------
    label : str
        glacier, begins the message
    path : path
        raster of heights, m
    outline : shapely Polygon or MultiPolygon
        in longitude and latitude

    Raises
    ------
    oggm.exceptions.InvalidParamsError
        if the outline lies outside the DEM or reaches far beyond it (both extents are given in degrees), all its
        heights are missing or one and the same, or some are no heights or missing values that are not declared
    """
    name, centre = Path(path).name, outline.representative_point()
    crs = utm_crs(centre.x, centre.y)
    raster = read_around(f"{label}: DEM", [path], box_of_bounds([_to_crs(outline, crs)], crs))
    heights = np.where(raster.values[0] <= UNDECLARED_NODATA, np.float32(np.nan), raster.values[0])
    inside = _pixels_inside(outline, raster)
    beyond = float(np.mean(~raster.covered[inside]))
    if beyond > MOST_BEYOND:
        with HDF5_LOCK, open_raster(label, path) as source:
            covered = extent_text(extent_of(source))
        raise InvalidParamsError(
            f"{label}: {100 * beyond:.3g} % of the outline lie beyond {name}, which covers {covered}; the outline "
            f"covers {extent_text(outline.bounds)}. Give a DEM of the whole glacier"
        )
    require_declared(label, name, heights, pixel_size(raster))
    require_heights(label, name, heights[inside])
    missing, n = int(np.isnan(heights[inside]).sum()), int(inside.sum())
    if missing == n:
        raise InvalidParamsError(f"{label}: {name} has no value inside the outline; give another DEM")
    where = "missing or beyond its edge" if beyond else "missing"
    return [f"{missing} of {n} pixels of {name} inside the outline are {where}; OGGM interpolates them"] * (missing > 0)


def _to_crs(outline: Any, crs: Any) -> Any:
    transformer = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    return shapely.transform(outline, transformer.transform, interleaved=False)


def _pixels_inside(outline: Any, raster: Raster) -> NDArray[np.bool_]:
    """Return the pixels that an outline touches (h, w)."""
    there, shape = _to_crs(outline, raster.crs.to_wkt()), raster.covered.shape
    if raster.crs.is_geographic:
        lon = there.centroid.x
        middle = raster.transform.c + raster.transform.a * shape[1] / 2
        there = translate(there, float(nearest_turn(lon, middle)) - lon)
    return geometry_mask([there], shape, raster.transform, all_touched=True, invert=True)
