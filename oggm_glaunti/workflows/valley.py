"""A valley glacier and its weather, made by code: outline, DEM and forty years of daily temperature and precipitation.

Everything is invented, so the numbers mean nothing beyond this page, and everything is the same on every call.
Nothing is downloaded.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from oggm_glaunti.files import replacing, write_text

if TYPE_CHECKING:
    import geopandas
    from oggm import GlacierDirectory

RGI_ID = "RGI60-11.99999"
CRS = "EPSG:32632"
CELL = 50.0  # m, side of a DEM cell
# m, UTM 32N: eastern Alps. The head of the glacier; it flows north.
HEAD_EASTING, HEAD_NORTHING = 632_000.0, 5_182_000.0
# m, the DEM around the head: OGGM's border of 80 cells and GlaUnTI's margin of 1.5 km lie inside.
EXTENT = {"west": -6500.0, "east": 6500.0, "south": -5000.0, "north": 11_000.0}
# m. Along the valley: distance from the head, height of floor or ice, half-width of floor or ice, height of the walls.
DISTANCE = (-5000.0, -600.0, -150.0, 0.0, 400.0, 1200.0, 2200.0, 2800.0, 3600.0, 4400.0, 5000.0, 7000.0, 11_000.0)
HEIGHT = (2900.0, 3640.0, 3590.0, 3480.0, 3330.0, 3200.0, 3060.0, 2900.0, 2720.0, 2560.0, 2430.0, 2200.0, 1850.0)
HALF_WIDTH = (900.0, 500.0, 550.0, 650.0, 950.0, 1150.0, 900.0, 520.0, 400.0, 350.0, 300.0, 280.0, 300.0)
WALL = (40.0, 40.0, 120.0, 260.0, 420.0, 560.0, 640.0, 700.0, 740.0, 780.0, 800.0, 820.0, 850.0)
# Gullies and humps: wavelength (m), direction (degrees), phase; summed with amplitudes that fall with the wavelength.
WAVES = (
    *((1900, 17, 0.1), (1270, 113, 2.3), (830, 61, 4.0), (610, 152, 1.2)),
    *((430, 95, 5.1), (310, 38, 3.3), (230, 170, 0.7)),
)
GLACIER_END = 4900.0  # m from the head
WEATHER_HEIGHT = 2900.0  # m, reference height of the daily weather


def _along(values: tuple[float, ...], distance: np.ndarray) -> np.ndarray:
    from scipy.interpolate import PchipInterpolator

    return PchipInterpolator(DISTANCE, values)(distance)


def _axis(distance: np.ndarray) -> np.ndarray:
    """Easting of the valley's axis against the head (m): one gentle bend."""
    return 450.0 * np.sin(2 * np.pi * (distance + 1500.0) / 13_000.0) - 450.0 * np.sin(2 * np.pi * 1500.0 / 13_000.0)


def valley_surface(easting: np.ndarray, northing: np.ndarray) -> np.ndarray:
    """Compute the height of the invented landscape.

    Parameters
    ----------
    easting, northing : array
        UTM 32N, m; any shapes that broadcast

    Returns
    -------
    array
        height in m: a glacier from 3500 to 2440 m in a valley whose walls rise some 700 m above it

    Examples
    --------
    >>> float(valley_surface(HEAD_EASTING, HEAD_NORTHING + 1000.0).round(-1))
    3230.0
    """
    along = np.asarray(northing, dtype=float) - HEAD_NORTHING
    across = np.asarray(easting, dtype=float) - HEAD_EASTING - _axis(along)
    width = _along(HALF_WIDTH, along)
    bowl = 30.0 * np.minimum(np.abs(across) / width, 1.0) ** 2
    outside = np.hypot(np.maximum(np.abs(across) - width, 0.0), np.maximum(-along - 100.0, 0.0))
    wall = _along(WALL, along) * (1.0 - np.exp(-((outside / 500.0) ** 1.5)))
    # The humps grow with the walls; on the ice a few metres are left.
    size = 0.02 + 0.98 * (1.0 - np.exp(-outside / 400.0))
    waves = []
    for length, direction, phase in WAVES:
        angle = np.deg2rad(direction)
        way = along * np.cos(angle) + across * np.sin(angle)
        waves.append(0.0015 * length**1.5 * np.sin(2 * np.pi * way / length + phase))
    return _along(HEIGHT, along) + bowl + wall + size * np.sum(waves, axis=0)


def valley_outline() -> geopandas.GeoDataFrame:
    """Make the outline of the invented glacier, with every attribute of the Randolph Glacier Inventory 6.0.

    Returns
    -------
    geopandas.GeoDataFrame
        one row, in degrees (EPSG:4326), area in km2
    """
    import geopandas as gpd
    from shapely.geometry import Polygon

    phase = np.linspace(0.0, np.pi, 160)
    distance = GLACIER_END * (1.0 - np.cos(phase)) / 2
    # Round at both ends: an ellipse's shape over the first and last 500 m.
    ends = np.minimum(np.minimum(distance, GLACIER_END - distance) / 500.0, 1.0)
    half = 0.92 * _along(HALF_WIDTH, distance) * np.sqrt(ends * (2.0 - ends))
    middle = HEAD_EASTING + _axis(distance)
    northing = HEAD_NORTHING + distance
    ring = np.vstack([np.c_[middle - half, northing], np.c_[middle + half, northing][-2:0:-1]])
    utm = gpd.GeoDataFrame(geometry=[Polygon(ring)], crs=CRS)
    outline = utm.to_crs("EPSG:4326")
    centre = outline.geometry.iloc[0].representative_point()
    area = float(utm.area.iloc[0]) * 1e-6
    for name, value in {**_RGI_ATTRIBUTES, "CenLon": centre.x, "CenLat": centre.y, "Area": area}.items():
        outline[name] = value
    return outline


_RGI_ATTRIBUTES: dict[str, Any] = {
    **{"RGIId": RGI_ID, "GLIMSId": "", "BgnDate": "20030801", "EndDate": "-9999999", "O1Region": "11", "O2Region": "1"},
    **{"Zmin": 2440, "Zmax": 3510, "Zmed": 3130, "Slope": 12.0, "Aspect": 0, "Lmax": 4900},
    **{"Status": 0, "Connect": 0, "Form": 0, "TermType": 0, "Surging": 9, "Linkages": 9},
    "Name": "Invented valley glacier",
}


def write_dem(path: str | os.PathLike[str]) -> Path:
    """Write the landscape around the glacier as a GeoTIFF.

    Parameters
    ----------
    path : str or path
        the file to write; heights in m, float32, cells of 50 m in UTM 32N, north up

    Returns
    -------
    pathlib.Path
        `path`
    """
    import rasterio

    east = np.arange(HEAD_EASTING + EXTENT["west"] + CELL / 2, HEAD_EASTING + EXTENT["east"], CELL)
    north = np.arange(HEAD_NORTHING + EXTENT["north"] - CELL / 2, HEAD_NORTHING + EXTENT["south"], -CELL)
    height = valley_surface(east[None, :], north[:, None]).astype("float32")
    transform = rasterio.Affine(CELL, 0.0, east[0] - CELL / 2, 0.0, -CELL, north[0] + CELL / 2)
    path = Path(path)
    profile = {"driver": "GTiff", "count": 1, "dtype": "float32", "crs": CRS, "transform": transform}
    rows, columns = height.shape
    with replacing(path) as temporary, rasterio.open(temporary, "w", height=rows, width=columns, **profile) as tif:
        tif.write(height, 1)
    return path


def make_valley_glacier(working_dir: str | os.PathLike[str], params: dict[str, Any] | None = None) -> GlacierDirectory:
    """Make the glacier directory of the invented glacier, from outline and DEM to elevation-band flowlines.

    OGGM is initialised anew in `working_dir`, without a network.

    Parameters
    ----------
    working_dir, params
        see :func:`oggm_glaunti.start_offline`

    Returns
    -------
    oggm.GlacierDirectory
        ready for daily climate, features and the inversion
    """
    from oggm_glaunti.coupling.oggm.offline import directory_of_outline, start_offline

    folder = start_offline(working_dir, params={"border": 80, "store_model_geometry": True, **(params or {})})
    return directory_of_outline(folder, valley_outline().iloc[0], write_dem(folder / "dem.tif"))


def daily_weather(first_year: int = 1981, last_year: int = 2020, seed: int = 1) -> pd.DataFrame:
    """Make daily weather at 2900 m: alpine seasons, weather that lasts for days, a warming of 0.35 K a decade.

    Parameters
    ----------
    first_year, last_year : int
        whole calendar years, both included
    seed : int
        of numpy's default generator

    Returns
    -------
    pandas.DataFrame
        by date: ``temp`` degC, ``prcp`` mm a day

    Examples
    --------
    >>> weather = daily_weather(2000, 2001)
    >>> len(weather), list(weather)
    (731, ['temp', 'prcp'])
    """
    from scipy.signal import lfilter

    dates = pd.date_range(f"{first_year}-01-01", f"{last_year}-12-31", name="date")
    rng = np.random.default_rng(seed)
    season = np.cos(2 * np.pi * (dates.day_of_year.to_numpy() - 205) / 365.25)  # 1 at the end of July
    trend = 0.035 * (dates.year.to_numpy() + dates.day_of_year.to_numpy() / 365.25 - 2000.0)
    memory, spread = 0.75, 3.2  # correlation from day to day, standard deviation in K
    noise = lfilter([spread * np.sqrt(1 - memory**2)], [1, -memory], rng.standard_normal(len(dates)))
    chance, wet = rng.random(len(dates)), np.zeros(len(dates), dtype=bool)
    for day in range(1, len(dates)):
        wet[day] = chance[day] < (0.66 if wet[day - 1] else 0.32)
    amount = rng.gamma(shape=0.8, scale=9.0 + 2.0 * season, size=len(dates))
    weather = pd.DataFrame({"temp": -2.6 + 8.2 * season + trend + noise - 0.8 * wet, "prcp": wet * amount}, index=dates)
    return weather.round(3)


def make_daily_weather(gdir: GlacierDirectory, **kwargs: Any) -> Path:
    """Write the invented weather as a CSV and from it the directory's daily and monthly climate.

    Parameters
    ----------
    gdir : oggm.GlacierDirectory
        glacier directory of :func:`make_valley_glacier`
    **kwargs
        passed on to :func:`daily_weather`

    Returns
    -------
    pathlib.Path
        the CSV, in the glacier directory: ``date``, ``temp`` degC, ``prcp`` mm a day
    """
    from oggm_glaunti.coupling.weather.task import process_daily_climate

    path = Path(gdir.dir) / "invented_weather.csv"
    write_text(path, daily_weather(**kwargs).to_csv(date_format="%Y-%m-%d"))
    options = {"path": path, "ref_hgt": WEATHER_HEIGHT, "temp_units": "degC", "prcp_units": "mm/day"}
    process_daily_climate(gdir, source="custom", also_monthly=True, **options)
    return path
