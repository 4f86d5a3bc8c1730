"""Places and dates from heights and seasons: the table and the maps of ``where_to_measure``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.ndimage import distance_transform_edt

from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.oggm.from_oggm import InvalidParamsError
from oggm_glaunti.fit.calibration.priors import SPREAD

if TYPE_CHECKING:
    from oggm_glaunti.analysis.measure_next.survey import Survey

PHYSICAL = {"temp_bias": "K", "temp_gradient": "K m-1", "snow_to_rain_centre": "K"}


class Campaign(NamedTuple):
    """The possible measurements and the wanted quantities.

    Attributes
    ----------
    targets : tuple of str
    seasons : tuple of str (S,)
    begin, end : datetime64[D] arrays (S,)
        first and last day of each season
    sigma : float64 array (S,)
        standard error of a measurement, m w.e.
    heights : float64 array (N,)
        m
    """

    targets: tuple[str, ...]
    seasons: tuple[str, ...]
    begin: NDArray[np.datetime64]
    end: NDArray[np.datetime64]
    sigma: NDArray[np.float64]
    heights: NDArray[np.float64]


class Places(NamedTuple):
    """A cell of the glacier for each height: the one farthest from the edge.

    Made by :func:`places_on`.

    Attributes
    ----------
    allowed : bool array (N,)
        accessible heights at which there is a cell
    row, col : int arrays (N,)
        of the cell; -1 if there is none
    lon, lat, x, y : float64 arrays (N,)
        of its centre, degrees and m in the projection of the features; NaN if there is none
    """

    allowed: NDArray[np.bool_]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def unit_of(target: str) -> str:
    """Return the unit of a wanted quantity: of the balance, or of the stored number of a parameter.

    Examples
    --------
    >>> unit_of("smb"), unit_of("ddf_snow"), unit_of("temp_gradient")
    ('m w.e.', '1', 'K m-1')
    """
    return PHYSICAL.get(target, "1") if target in SPREAD else "m w.e."


def places_on(
    features: Features, heights: NDArray[np.float64], within: tuple[float, float] | None, label: str
) -> Places:
    """Find a place on the glacier for each of evenly spaced heights.

    Parameters
    ----------
    features : Features
    heights : float64 array (N,)
        m; a height represents the cells less than half a step from it
    within : (low, high), optional
        accessible range of heights, m
    label : str
        start of error messages

    Raises
    ------
    InvalidParamsError
        if no place is accessible
    """
    low, high = (-np.inf, np.inf) if within is None else (float(within[0]), float(within[1]))
    from_edge = distance_transform_edt(features.glacier)
    half = 0.5 * (heights[1] - heights[0])
    row, col = np.full((2, heights.size), -1)
    for k, height in enumerate(heights):
        # The cell at the height farthest from the glacier's edge: mid-stream at a wide part.
        near = features.glacier & (np.abs(features.elevation - height) <= half)
        if near.any():
            row[k], col[k] = np.unravel_index(np.argmax(np.where(near, from_edge, -1.0)), near.shape)
    there = row >= 0
    allowed = there & (heights >= low) & (heights <= high)
    if not allowed.any():
        raise InvalidParamsError(
            f"{label}: heights: the glacier has cells at {heights[there].min():.0f} to {heights[there].max():.0f} m, "
            f"none at {low:g} to {high:g} m"
        )
    x, y = np.where(there, features.x[col], np.nan), np.where(there, features.y[row], np.nan)
    lon, lat = (np.where(there, degrees, np.nan) for degrees in _lon_lat(features, x, y))
    return Places(allowed, row, col, lon, lat, x, y)


def table_of(found: Survey, campaign: Campaign, places: Places) -> pd.DataFrame:
    """Tabulate the best measurements for each target as in ``WhereToMeasure.table``."""
    variance, reduction = np.asarray(found.variance, np.float64), np.asarray(found.reduction, np.float64)
    each = []
    for q, target in enumerate(campaign.targets):
        there = np.asarray(found.chosen.candidate)[q] >= 0
        index = np.asarray(found.chosen.candidate)[q][there]
        before, after = (np.asarray(field, np.float64)[q][there] for field in found.chosen[1:])
        season, height = np.divmod(index, campaign.heights.size)
        columns = {
            "target": target,
            "rank": 1 + np.arange(index.size),
            "season": np.array(campaign.seasons, object)[season],
            "begin": campaign.begin[season].astype("M8[s]"),
            "end": campaign.end[season].astype("M8[s]"),
            "height": campaign.heights[height],
            **{name: getattr(places, name)[height] for name in ("row", "col", "lon", "lat")},
            "sigma": campaign.sigma[season],
            "variance_before": before,
            "variance_after": after,
            "reduction": 100.0 * (1.0 - after / before),
            "alone": 100.0 * reduction[q, season, height],
            "left": 100.0 * after / variance[q],
        }
        each.append(pd.DataFrame(columns))
    return pd.concat(each, ignore_index=True)


def maps_of(found: Survey, campaign: Campaign, places: Places, features: Features) -> xr.Dataset:
    """Build the maps of ``WhereToMeasure.maps``, always with a dimension ``target``."""
    reduction, there = np.asarray(found.reduction, np.float64), places.row >= 0
    glacier, surface = features.glacier, features.elevation[features.glacier]
    maps = np.full((*reduction.shape[:2], *features.shape), np.nan)
    # Linear between the heights that were run, 25 m apart.
    maps[..., glacier] = [[np.interp(surface, campaign.heights, line) for line in lines] for lines in reduction]
    variance = np.asarray(found.variance, np.float64)
    lon, lat = _lon_lat(features, *np.meshgrid(features.x, features.y))
    share = {"units": "1", "long_name": "share of the target's variance that one measurement takes away"}
    return xr.Dataset(
        {
            "reduction": (("target", "season", "y", "x"), maps, {**share, "grid_mapping": "crs"}),
            "reduction_by_height": (("target", "season", "height"), reduction[..., there], share),
            "variance": ("target", variance, {"long_name": "variance as things are", "units": _units(campaign, "2")}),
            "sd": ("target", np.sqrt(variance), {"long_name": "standard deviation", "units": _units(campaign)}),
            "sigma": ("season", campaign.sigma, {"long_name": "standard error of a measurement", "units": "m w.e."}),
            "elevation": (("y", "x"), features.elevation, {"units": "m", "grid_mapping": "crs"}),
            "crs": ((), 0, features.crs.to_cf()),
        },
        coords={
            "target": list(campaign.targets),
            "season": list(campaign.seasons),
            "begin": ("season", campaign.begin.astype("M8[s]"), {"long_name": "first day"}),
            "end": ("season", campaign.end.astype("M8[s]"), {"long_name": "last day"}),
            "height": ("height", campaign.heights[there], {"units": "m"}),
            "y": ("y", features.y, {"units": "m", "standard_name": "projection_y_coordinate"}),
            "x": ("x", features.x, {"units": "m", "standard_name": "projection_x_coordinate"}),
            "lat": (("y", "x"), lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": (("y", "x"), lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )


def _units(campaign: Campaign, power: str = "") -> str:
    """Return the units of all targets, in their order."""
    units = [f"({unit_of(target)}){power}" if power else unit_of(target) for target in campaign.targets]
    return units[0] if len(units) == 1 else ", ".join(units)


def _lon_lat(features: Features, x: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True).transform(x, y)
