"""A region made by code: as many glaciers as wanted, with areas like those of the Alps, and their daily weather.

Areas are drawn from a log-normal distribution with a median of 0.09 km2 and a logarithmic standard deviation of 1.55,
cut to 0.02 and 80 km2: of 1,000 glaciers half are below 0.1 km2, the mean is near 0.3 and with the largest drawn
separately (one in 250 from a uniform distribution of 5 to 80 km2) near 0.5 km2, much as in region 11 of the
Randolph Glacier Inventory 6.0 (3,927 glaciers, mean 0.53 km2, largest 82 km2). Everything follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from pyproj import CRS

from oggm_glaunti import shop
from oggm_glaunti.coupling.ground.features import Features
from oggm_glaunti.coupling.ground.features_file import write_features
from oggm_glaunti.coupling.table.inputs import TableInputs, TunableParams
from oggm_glaunti.coupling.weather.file import DailyClimate, write_daily_climate
from oggm_glaunti.coupling.weather.series import DailySeries
from oggm_glaunti.region.engine import run_jobs
from oggm_glaunti.region.jobs import Job, JobOutcome
from oggm_glaunti.workflows.valley import daily_weather, valley_outline

CELL, MARGIN = 100.0, 15
MEDIAN_AREA, SPREAD, SMALLEST, LARGEST = 0.09, 1.55, 0.02, 80.0  # km2, -, km2, km2
SHARE_OF_LARGE, LARGE = 1 / 250, (5.0, 80.0)  # -, km2
WEATHER_HEIGHT = 2900.0  # m
TEMP_GRADIENT = -0.006
UTM = CRS.from_epsg(32632)
TABLE_BELOW, TABLE_ABOVE, STEP = 1000.0, 500.0, 10.0  # m, as for a glacier directory


def areas(n: int, seed: int) -> np.ndarray:
    """Areas of n glaciers, km2."""
    rng = np.random.default_rng((seed, 1))
    small = np.clip(MEDIAN_AREA * np.exp(SPREAD * rng.standard_normal(n)), SMALLEST, LARGEST)
    large = rng.uniform(*LARGE, n)
    return np.where(rng.random(n) < SHARE_OF_LARGE, large, small)


def make_features(area: float, rng: np.random.Generator) -> Features:
    """A glacier of some area: an ellipse on rough terrain that dips in some direction."""
    longer, angle = rng.uniform(1.2, 2.6), rng.uniform(0.0, np.pi)
    major = np.sqrt(area * 1e6 * longer / np.pi)
    minor = major / longer
    half = np.hypot([major * np.cos(angle), major * np.sin(angle)], [minor * np.sin(angle), minor * np.cos(angle)])
    cols, rows = (int(np.ceil(2 * extent / CELL)) + 2 * MARGIN + 1 for extent in half)
    x, y = CELL * (np.arange(cols) - (cols - 1) / 2), CELL * ((rows - 1) / 2 - np.arange(rows))
    along = x[None] * np.cos(angle) + y[:, None] * np.sin(angle)
    across = -x[None] * np.sin(angle) + y[:, None] * np.cos(angle)
    outline = (along / major) ** 2 + (across / minor) ** 2 <= 1.0
    outline[rows // 2, cols // 2] = True
    slope = np.clip(0.42 * area**-0.12, 0.15, 0.6) * rng.uniform(0.8, 1.2)
    # Beyond the glacier the slope levels out: relief in the Alps is 1,000 to 2,000 m over the maps of small glaciers.
    reach = major + 700.0
    tilt = slope * reach * np.tanh(along / reach)
    elevation = np.clip(rng.normal(3050.0, 180.0) + tilt + _rough(rows, cols, rng), 1400.0, 4300.0)
    easting, northing = 600_050.0 + CELL * np.arange(cols), 5_200_050.0 - CELL * np.arange(rows)
    return Features(outline, elevation, np.full(outline.shape, 5.0), None, easting, northing, UTM)


def _rough(rows: int, cols: int, rng: np.random.Generator) -> np.ndarray:
    """Sum of waves of 0.5 to 4 km with amplitudes that fall with the wavelength, m."""
    i, j = np.arange(rows)[:, None] * CELL, np.arange(cols)[None] * CELL
    waves = np.zeros((rows, cols))
    for length in (4000.0, 2300.0, 1300.0, 800.0, 500.0):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        waves += 0.022 * length * np.sin(2 * np.pi * (i * np.cos(angle) + j * np.sin(angle)) / length + phase)
    return waves


def make_climate(weather: Any, rng: np.random.Generator) -> DailyClimate:
    """The region's weather as it is at one glacier: warmer or colder, wetter or drier, and a little of its own."""
    temp = weather["temp"].to_numpy() + rng.normal(0.0, 1.0) + rng.normal(0.0, 0.5, len(weather))
    prcp = 1e-3 * weather["prcp"].to_numpy() * rng.uniform(0.8, 1.6)
    time = weather.index.to_numpy().astype("datetime64[D]")
    about = (WEATHER_HEIGHT, 10.8, 46.8, "ERA5-Land_daily", "climate_historical_daily.nc")
    return DailyClimate(time, temp.astype(np.float32), prcp.astype(np.float32), *about)


def make_region(
    n: int,
    seed: int = 0,
    years: int = 20,
    model: str = "C",
    weights: Any = None,
    corrector: str = "yearly",
    hemisphere: str = "nh",
) -> Iterator[Job]:
    """Jobs of n glaciers, made as they are asked for.

    Parameters
    ----------
    n, seed, years : int
        glaciers, seed of everything random, calendar years of daily weather up to 2020
    model : {'A', 'C', 'D'}
    weights : path, optional
        file or folder of the weights
    corrector : {'yearly', 'climatology', 'off'}
    hemisphere : {'nh', 'sh'}
    """
    loaded = shop.load(model, weights)
    weather = daily_weather(2021 - years, 2020, seed=seed)
    for index, area in enumerate(areas(n, seed)):
        rng = np.random.default_rng((seed, 2, index))
        features, climate = make_features(area, rng), make_climate(weather, rng)
        inputs = TableInputs(loaded.model.ti, climate, _table_heights(features), TEMP_GRADIENT, hemisphere, None)
        tunables = TunableParams(1000.0 * float(np.exp(loaded.model.ti.ddf_snow_log)))
        mode = "off" if model == "A" else corrector
        key = f"RGI60-11.{index + 1:05d}"
        yield Job(key, key, loaded.model, loaded.sha256, inputs, tunables, mode, None if mode == "off" else features)


def _table_heights(features: Features) -> np.ndarray:
    own = features.elevation[features.glacier]
    low, high = np.floor((own.min() - TABLE_BELOW) / STEP), np.ceil((own.max() + TABLE_ABOVE) / STEP)
    return STEP * np.arange(low, high + 1)


def make_directories(
    n: int,
    base_dir: str | Path,
    seed: int = 0,
    years: int = 20,
    last_year: int = 2020,
    hemisphere: str = "nh",
    of_areas: np.ndarray | None = None,
) -> list[Any]:
    """Glacier directories with no more than ``glaunti_tables`` reads: outline, range of heights, climate, features.

    OGGM has to be initialised. Glaciers of the same index and seed are those of :func:`make_region`, unless areas (km2)
    are given.
    """
    import oggm

    weather = daily_weather(last_year + 1 - years, last_year, seed=seed)
    gdirs = []
    for index, area in enumerate(areas(n, seed) if of_areas is None else of_areas):
        rng = np.random.default_rng((seed, 2, index))
        features, climate = make_features(area, rng), make_climate(weather, rng)
        entity = valley_outline().iloc[0].copy()
        entity["RGIId"], entity["Area"] = f"RGI60-11.{10_000 * (hemisphere == 'sh') + index + 1:05d}", area
        entity["CenLat"] = abs(entity["CenLat"]) * (1 if hemisphere == "nh" else -1)
        gdir = oggm.GlacierDirectory(entity, base_dir=str(base_dir), reset=True)
        own = features.elevation[features.glacier]
        with netCDF4.Dataset(gdir.get_filepath("gridded_data"), "w") as nc:
            nc.min_h_glacier, nc.max_h_glacier = float(own.min()), float(own.max())
        write_features(gdir, features, {})
        write_daily_climate(gdir, daily_series(climate))
        gdirs.append(gdir)
    return gdirs


def daily_series(climate: DailyClimate) -> DailySeries:
    """A record as it is written."""
    place = (climate.ref_hgt, climate.ref_pix_lon, climate.ref_pix_lat, climate.source)
    return DailySeries(climate.time, climate.temp, np.float32(1e3) * climate.prcp, *place, "synthetic.py")


def run_region(
    n: int, seed: int = 0, years: int = 20, memory: float | None = None, **kwargs: Any
) -> Iterator[JobOutcome]:
    """Corrections and tables of a region of n glaciers; keyword arguments as in :func:`make_region`."""
    return run_jobs(make_region(n, seed, years, **kwargs), memory)
