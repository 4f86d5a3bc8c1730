"""The outlines of a region as OGGM wants them: read, repaired, their attributes checked, and held against the DEM."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import geopandas
    import pandas as pd

# RGI version 6 ids for outlines without an id: region 00, numbers in the order of the file.
REGION_OF_UNKNOWN = "00"
# Area and centre by the inventory's version.
_NAMES = {"RGIId": ("Area", "CenLon", "CenLat"), "rgi_id": ("area_km2", "cenlon", "cenlat")}
# An area in the attributes that is further than this share from the polygon's own is not used.
_SAME_AREA = 0.1
# km2. Five cells of OGGM's finest grid, of 10 m: in less it finds no range of heights.
_SMALLEST = 5e-4


class Checked(NamedTuple):
    """Outlines that can be run, and what became of the others.

    Attributes
    ----------
    outlines : geopandas.GeoDataFrame
    failures : dict
        by id, why an outline cannot be run
    remarks : list of str
        what was changed about the others
    """

    outlines: geopandas.GeoDataFrame
    failures: dict[str, str]
    remarks: list[str]


def read_outlines(path: Path, year: int, crs: str | None = None) -> geopandas.GeoDataFrame:
    """Read outlines as OGGM wants them, one row for each glacier.

    Parameters
    ----------
    path : path
        any file that geopandas reads. Without the Randolph Glacier Inventory's attributes (``RGIId`` of version 5 or
        6, ``rgi_id`` of version 7) the glaciers are called RGI60-00.00001 and so on, in the order of the file
    year : int
        year of the outlines if the file does not say it
    crs : str, optional
        coordinate system to be used instead of the file's, if it has none or a wrong one

    Raises
    ------
    InvalidParamsError
        if it cannot be read, is empty, or has no coordinate system or one that its coordinates cannot be of
    """
    import geopandas as gpd
    from oggm import utils
    from oggm.exceptions import InvalidParamsError

    try:
        outlines = gpd.read_file(path)
    except Exception as err:  # each reader behind geopandas has errors of its own
        raise InvalidParamsError(f"{path} cannot be read as outlines: {err}") from err
    if not isinstance(outlines, gpd.GeoDataFrame) or outlines.empty:
        raise InvalidParamsError(f"{path}: expected outlines, found a table of {len(outlines)} rows without geometry")
    if crs is not None:
        outlines = _with_crs(outlines, crs)
    _require_crs(outlines, path)
    outlines = outlines.to_crs("EPSG:4326")
    outlines = outlines.set_geometry([_in_one_piece(outline) for outline in outlines.geometry], crs=outlines.crs)
    for name in outlines.select_dtypes("datetime"):
        outlines[name] = outlines[name].dt.strftime("%Y-%m-%d %H:%M:%S")  # as text, as OGGM reads it
    if not _NAMES.keys() & set(outlines):
        outlines = utils.cook_rgidf(outlines, o1_region=REGION_OF_UNKNOWN, bgndate=f"{year}9999")
        outlines.attrs["made_up"] = True
    name = id_name(outlines)
    return outlines.assign(**{name: [_id_of(value) for value in outlines[name]]})


def id_name(outlines: geopandas.GeoDataFrame) -> str:
    """Return the name of the column of ids."""
    return "RGIId" if "RGIId" in outlines else "rgi_id"


def _id_of(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _with_crs(outlines: geopandas.GeoDataFrame, crs: str) -> geopandas.GeoDataFrame:
    from oggm.exceptions import InvalidParamsError
    from pyproj.exceptions import CRSError

    try:
        return outlines.set_crs(crs, allow_override=True)
    except CRSError as err:
        raise InvalidParamsError(f"--crs: {crs!r} is no coordinate system ({err}); give e.g. EPSG:4326") from err


def _require_crs(outlines: geopandas.GeoDataFrame, path: Path) -> None:
    """Raise InvalidParamsError if there is no coordinate system, or one that the coordinates cannot be of."""
    import numpy as np
    from oggm.exceptions import InvalidParamsError

    bounds = outlines.bounds
    bounds = bounds[np.isfinite(bounds).all(axis=1)]
    if bounds.empty:
        return  # no geometry at all, or coordinates that are none: said glacier by glacier
    # By most of the outlines: one that lies anywhere is said glacier by glacier, too.
    as_degrees = (bounds.abs() <= [360.0, 90.0, 360.0, 90.0]).all(axis=1)
    degrees = as_degrees.mean() >= 0.5
    bounds = bounds[as_degrees == degrees]
    (west, south), (east, north) = bounds.min()[:2], bounds.max()[2:]
    found = f"coordinates run from {west:g} to {east:g} and from {south:g} to {north:g}"
    crs, looks = outlines.crs, "degrees (EPSG:4326)" if degrees else "metres of a map projection"
    if crs is None:
        missing = f" ({path.with_suffix('.prj').name} beside it is missing)" if path.suffix == ".shp" else ""
        raise InvalidParamsError(
            f"{path} has no coordinate system{missing}. Its {found}, which look like {looks}: give it by --crs, e.g. "
            f"--crs EPSG:{4326 if degrees else 32632}, or put the .prj file there"
        )
    if crs.is_geographic != degrees:
        raise InvalidParamsError(
            f"{path}: the coordinate system is {crs.name}, but {found}, which look like {looks}; give the right one by "
            "--crs"
        )


def _in_one_piece(outline: Any) -> Any:
    """Let the longitudes of an outline across 180 degrees go on beyond, where they jump to -180."""
    import shapely

    if outline is None or outline.is_empty:
        return outline
    west, _, east, _ = outline.bounds
    if not east - west > 180.0:
        return outline
    beyond = shapely.transform(outline, lambda lon, lat: (lon % 360.0, lat), interleaved=False)
    return shapely.union_all([beyond])  # parts that were cut at 180 degrees become one


def check_outlines(outlines: geopandas.GeoDataFrame, dem: Path | None) -> Checked:
    """Repair outlines and attributes, and set those apart that cannot be run.

    Areas and centres that are missing, 0 or NaN, and areas that are not those of the polygon, become the polygon's.

    Parameters
    ----------
    outlines : geopandas.GeoDataFrame
        of :func:`read_outlines`
    dem : path, optional
        raster of heights that they are run with
    """
    import geopandas as gpd
    from oggm.exceptions import InvalidParamsError

    from oggm_glaunti.coupling.oggm.rgi_ids import EXPECTED, RGI_ID

    ids, rows, failures, remarks = outlines[id_name(outlines)], [], {}, []
    twice = set(ids[ids.duplicated()]) - {""}
    for number, (rgi_id, (_, entity)) in enumerate(zip(ids, outlines.iterrows(), strict=True), start=1):
        label = rgi_id or f"row {number}"
        try:
            if not re.fullmatch(rf"{RGI_ID.pattern}\w*", rgi_id):  # parts of glaciers may have names of any kind
                raise InvalidParamsError(f"{label}: expected {EXPECTED}, or a file without ids")
            if rgi_id in twice:
                where = (n for n, other in enumerate(ids, start=1) if other == rgi_id)
                raise InvalidParamsError(
                    f"{label}: the id is that of rows {', '.join(map(str, where))}; give each outline an id of its "
                    "own, and the parts of a glacier as one"
                )
            entity, said = _checked(entity, label, bool(outlines.attrs.get("made_up")), dem)
        except InvalidParamsError as err:
            failures[label] = str(err).removeprefix(f"{label}: ")
        else:
            rows.append(entity)
            remarks += [f"{label}: {one}" for one in said]
    checked = gpd.GeoDataFrame(rows, columns=outlines.columns, geometry="geometry", crs=outlines.crs)
    return Checked(checked, failures, remarks)


def _checked(entity: pd.Series, label: str, made_up: bool, dem: Path | None) -> tuple[pd.Series, list[str]]:
    """Return a row with a sound outline, area and centre, and what was changed."""
    from oggm import cfg
    from oggm.exceptions import InvalidParamsError

    from oggm_glaunti.coupling.ground.dem_checks import require_dem_of
    from oggm_glaunti.coupling.ground.outlines import area_of, checked_outline, parts_of

    outline = checked_outline(entity["geometry"], label)
    said, polygon, area = list(outline.remarks), outline.polygon, outline.area
    parts = parts_of(polygon)
    if len(parts) > 1 and not cfg.PARAMS["keep_multipolygon_outlines"]:
        polygon, area = parts[0], area_of(parts[0])
        said.append(f"{len(parts)} parts; OGGM runs the largest, {area:.3f} of {outline.area:.3f} km2")
    if area < _SMALLEST:
        raise InvalidParamsError(
            f"{label}: the outline is {area * 1e6:.3g} m2; expected at least {_SMALLEST * 1e6:.0f} m2. Are its "
            "coordinates right?"
        )
    entity = entity.copy()
    entity["geometry"] = outline.polygon
    said += _set_attributes(entity, polygon, area, label, made_up)
    return entity, said + ([] if dem is None else require_dem_of(label, dem, polygon))


def _set_attributes(entity: pd.Series, polygon: Any, area: float, label: str, made_up: bool) -> list[str]:
    """Set area and centre to the polygon's where they are none or another's; return what is to be said of it."""
    from oggm.exceptions import InvalidParamsError

    from oggm_glaunti.coupling.ground.rasters import extent_text, nearest_turn

    area_name, lon_name, lat_name = _NAMES[id_name(entity)]
    # OGGM takes degrees from -180 to 180.
    inside = polygon.representative_point()
    centre = (inside.x + 180.0) % 360.0 - 180.0, inside.y
    if made_up:
        entity[area_name], entity[lon_name], entity[lat_name] = area, *centre
        return []
    said = []
    if area_name in entity:
        found = _number(entity[area_name])
        if found is None or abs(found - area) > _SAME_AREA * area:
            said.append(f"{area_name} is {entity[area_name]} km2; the polygon's own is used, {area:.3f} km2")
            entity[area_name] = area
    if not {lon_name, lat_name} <= set(entity.index):
        return said
    lon, lat = _number(entity[lon_name]), _number(entity[lat_name])
    if lon is None or lat is None or lon == lat == 0.0:
        now = f"{entity[lon_name]} and {entity[lat_name]}"
        said.append(
            f"{lon_name} and {lat_name} are {now}; the polygon's own are used, {centre[0]:.4f}, {centre[1]:.4f}"
        )
        entity[lon_name], entity[lat_name] = centre
        return said
    lon = float(nearest_turn(lon, inside.x))
    if not _near(polygon, lon, lat):
        exchanged = "; latitude and longitude of the polygon seem to be exchanged" if _near(polygon, lat, lon) else ""
        raise InvalidParamsError(
            f"{label}: {lon_name} and {lat_name} are {lon:g} and {lat:g}, but the polygon covers "
            f"{extent_text(polygon.bounds)}{exchanged}. Mend the one or the other"
        )
    return said


def _near(polygon: Any, lon: float, lat: float) -> bool:
    """Whether a place is in the polygon's bounding box or no further from it than its longer side."""
    west, south, east, north = polygon.bounds
    margin = max(east - west, north - south)
    return west - margin <= lon <= east + margin and south - margin <= lat <= north + margin


def _number(value: Any) -> float | None:
    import numpy as np

    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
