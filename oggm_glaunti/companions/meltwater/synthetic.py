"""A world with known meltwater: 128 cells of 100 m, four seasons, truth from an energy balance, not degree days.

The balance has shortwave by slope, aspect and an albedo that ages, longwave by cloud, turbulent exchange by wind, and
conduction into a cold layer, which has to be warmed before anything melts. What observes it: a radar every two or three
days on half a swath, with speckle and a patch of rough ice that brightens when wet; microwaves with a footprint of
25 km on 3 km; a regional model that is too warm on coarse cells. A weather station gives daily temperature and
precipitation, from which GlaUnTI makes its own water.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from oggm_glaunti.companions.meltwater.sar import shares
from oggm_glaunti.companions.meltwater.stack import Days, Floats
from oggm_glaunti.companions.meltwater.water import WaterDays, WaterParameters, surface_water, water_at

SIZE, CELL = 128, 100.0
SEASONS = (2018, 2019, 2020, 2021)
LATITUDE = 66.4
STATION_HEIGHT, LAPSE = 600.0, -0.006
HOURS = (0.0, 6.0, 12.0, 18.0)
OVERPASS = 18.0
FINE = 4  # fine radar pixels along a cell
WET_WATER = 0.002  # m w.e. at which a radar sees a wet surface
_STEFAN_BOLTZMANN, _LATENT, _RHO_WATER = 5.67e-8, 3.34e5, 1000.0
_HEAT_OF_LAYER = 400.0 * 2100.0 * 0.25  # J m-2 K-1: a quarter of a metre of firn
_CONDUCTANCE = 0.5 / 1.0  # W m-2 K-1 into the firn below
_SECONDS = 6 * 3600.0


class World(NamedTuple):
    """A synthetic world.

    Attributes
    ----------
    time : datetime64[D] array (T,)
    elevation : array (H, W)
        m
    land : bool array (H, W)
    truth : float32 array (T, H, W)
        1 where the surface is wet at the overpass, 0 where not
    sar : float32 array (T, H, W)
        melt fraction as a radar sees it; NaN outside the swath and on days without an overpass
    pmw : float32 array (T, H, W)
        brightness temperature, K
    model : float32 array (T, H, W)
        liquid water of the regional model, m w.e.
    temp, prcp : float32 arrays (T,)
        at the station, degC and m w.e. a day
    water : float32 array (T, H, W)
        GlaUnTI's surface water at the overpass, m w.e.
    melt : float32 array (T, H, W)
        GlaUnTI's melt of the day, m w.e.
    """

    time: Days
    elevation: Floats
    land: NDArray[np.bool_]
    truth: Floats
    sar: Floats
    pmw: Floats
    model: Floats
    temp: Floats
    prcp: Floats
    water: Floats
    melt: Floats


class _Weather(NamedTuple):
    """Six-hourly weather at the station; (K,) each."""

    time: NDArray[np.datetime64]
    hour: Floats
    temp: Floats
    cloud: Floats
    wind: Floats
    snow: Floats


def make_world(seed: int = 0, size: int = SIZE, seasons: tuple[int, ...] = SEASONS) -> World:
    """Make a world.

    Parameters
    ----------
    seed : int
        of terrain, weather and observations
    size : int
        cells along a side
    seasons : tuple of int
        years; May to September of each
    """
    rng = np.random.default_rng(seed)
    elevation, land = _terrain(rng, size)
    weather = [_weather(rng, year) for year in seasons]
    noise = 0.8 * gaussian_filter(rng.normal(size=(size, size)), size / 12) * size / 8
    truth, model = [], []
    coarse = np.kron(shares(elevation[None], size // 4)[0], np.ones((size // 4, size // 4), np.float32))
    for of_season in weather:
        truth.append(_wet_days(of_season, elevation, noise) > WET_WATER)
        model.append(_wet_days(of_season, coarse, 0.9, flat=True))
    time = np.concatenate([np.unique(part.time.astype("datetime64[D]")) for part in weather])
    wet = np.concatenate(truth).astype(np.float32)
    temp, prcp = _station_days(rng, weather)
    water, melt = glaunti_water(time, temp, prcp, elevation)
    return World(
        time,
        elevation,
        land,
        wet,
        _radar(rng, time, wet, land),
        _microwaves(rng, wet, land),
        np.concatenate(model).astype(np.float32),
        temp,
        prcp,
        water,
        melt,
    )


def _terrain(rng: np.random.Generator, size: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Rising inland from a coast, with hills."""
    rows, columns = np.mgrid[:size, :size] / size
    hills = gaussian_filter(rng.normal(size=(size, size)), size / 16)
    hills *= 120.0 / hills.std()
    elevation = 1500.0 * columns**1.3 + hills + 100.0 * np.sin(3.0 * rows)
    land = columns > 0.06 + 0.03 * np.sin(6.0 * rows)
    return np.maximum(elevation, 0.0).astype(np.float32), land


def _weather(rng: np.random.Generator, year: int) -> _Weather:
    days = np.arange(np.datetime64(f"{year}-05-01"), np.datetime64(f"{year}-10-01"))
    hour = np.tile(HOURS, days.size)
    time = (days[:, None].astype("datetime64[h]") + np.array(HOURS, int)).ravel()
    of_year = (days - np.datetime64(f"{year}-01-01")).astype(int)
    warmth, shift = rng.normal(0.0, 0.8), rng.normal(0.0, 6.0)
    mean = -5.0 + warmth + 5.5 * np.cos(2.0 * np.pi * (of_year - 200 - shift) / 365.0 * 1.3)
    synoptic, cloudiness = _red(rng, days.size, 0.8), _red(rng, days.size, 0.6)
    cloud = np.clip(0.55 + 0.3 * cloudiness, 0.0, 1.0)
    temp = np.repeat(mean + 2.6 * synoptic + 1.0 * (cloud - 0.5), 4)
    temp += 2.0 * np.repeat(1.0 - 0.7 * cloud, 4) * np.sin(2.0 * np.pi * (hour - 9.0) / 24.0)
    wind = np.repeat(np.exp(1.3 + 0.4 * _red(rng, days.size, 0.5)), 4)
    falls = (cloud > 0.75) * rng.exponential(0.006, days.size)
    return _Weather(time, hour, temp, np.repeat(cloud, 4), wind, np.repeat(falls / 4.0, 4))


def _red(rng: np.random.Generator, n: int, memory: float) -> NDArray[np.float64]:
    """Red noise of variance 1."""
    noise, values = rng.normal(size=n), np.zeros(n)
    values[0] = noise[0]
    for k in range(1, n):
        values[k] = memory * values[k - 1] + (1.0 - memory**2) ** 0.5 * noise[k]
    return values


def _wet_days(weather: _Weather, elevation: Floats, noise: Floats | float, flat: bool = False) -> Floats:
    """Liquid water at the overpass of every day (T, H, W), m w.e., from the energy balance of a season.

    `noise` is added to temperature, K; a regional model's ground is `flat`.
    """
    north, east = (np.zeros_like(elevation), np.zeros_like(elevation)) if flat else np.gradient(-elevation, CELL)
    east = -east
    layer = np.full(elevation.shape, -8.0) - 0.004 * elevation
    below = np.full(elevation.shape, -6.0) - 0.006 * elevation
    snow, water = 0.2 + 0.0009 * elevation, np.zeros(elevation.shape)
    albedo, found = np.full(elevation.shape, 0.83), []
    for k in range(weather.hour.size):
        air = weather.temp[k] + LAPSE * (elevation - STATION_HEIGHT) + noise
        sun = _sunshine(weather.time[k], weather.hour[k], north, east) * (1.0 - 0.65 * weather.cloud[k])
        sky = (0.70 + 0.25 * weather.cloud[k]) * _STEFAN_BOLTZMANN * (air + 273.15) ** 4
        surface = np.minimum(layer, 0.0)
        turbulent = 4.0 * weather.wind[k] * (air - surface)
        net = sun * (1.0 - albedo) + sky - _STEFAN_BOLTZMANN * (surface + 273.15) ** 4 + turbulent
        net += _CONDUCTANCE * (below - surface)
        layer = layer + net * _SECONDS / _HEAT_OF_LAYER
        # What is above freezing melts; what is below freezes water that is there.
        melt = np.maximum(layer, 0.0) * _HEAT_OF_LAYER / (_LATENT * _RHO_WATER)
        frozen = np.minimum(np.maximum(-layer, 0.0) * _HEAT_OF_LAYER / (_LATENT * _RHO_WATER), water)
        layer = np.minimum(layer, 0.0) + frozen * _LATENT * _RHO_WATER / _HEAT_OF_LAYER
        rain = np.where(air > 1.0, weather.snow[k], 0.0)
        snow = np.maximum(snow + weather.snow[k] - rain - melt, 0.0)
        water = np.minimum(0.88 * water + melt + rain - frozen, 0.03)
        ages = np.where(water > WET_WATER, 0.985, 0.997)
        bare = snow <= 0.0
        albedo = np.where(bare, 0.45, np.where(weather.snow[k] - rain > 0.001, 0.83, np.maximum(albedo * ages, 0.6)))
        if weather.hour[k] == OVERPASS:
            found.append(water.astype(np.float32))
    return np.stack(found)


def _sunshine(time: np.datetime64, hour: float, north: Any, east: Any) -> Any:
    """Direct sun on the slope, averaged over six hours, W m-2; the ground falls by `north` and `east`, m m-1."""
    day = (time.astype("datetime64[D]") - time.astype("datetime64[Y]").astype("datetime64[D]")).astype(int)
    tilt, latitude = np.deg2rad(23.44) * np.sin(2.0 * np.pi * (day - 80) / 365.0), np.deg2rad(LATITUDE)
    total = np.zeros_like(north)
    for offset in (-2.0, 0.0, 2.0):
        angle = np.deg2rad(15.0 * (hour + offset - 12.0))
        up = np.sin(latitude) * np.sin(tilt) + np.cos(latitude) * np.cos(tilt) * np.cos(angle)
        to_south = np.sin(latitude) * np.cos(tilt) * np.cos(angle) - np.cos(latitude) * np.sin(tilt)
        to_west = np.cos(tilt) * np.sin(angle)
        on_slope = (up - north * to_south - east * to_west) / np.sqrt(1.0 + north**2 + east**2)
        total += np.where(up > 0.02, np.maximum(on_slope, 0.0), 0.0)
    return 1000.0 * total / 3.0


def _station_days(rng: np.random.Generator, weather: list[_Weather]) -> tuple[Floats, Floats]:
    """Daily means and sums as a station measures them, with errors of its own."""
    temp = np.concatenate([part.temp.reshape(-1, 4).mean(axis=1) for part in weather])
    prcp = np.concatenate([part.snow.reshape(-1, 4).sum(axis=1) for part in weather])
    caught = 0.8 * prcp * rng.lognormal(0.0, 0.2, prcp.size)
    return (temp + rng.normal(0.0, 0.5, temp.size)).astype(np.float32), caught.astype(np.float32)


def _radar(rng: np.random.Generator, time: Days, wet: Floats, land: NDArray[np.bool_]) -> Floats:
    """Share of fine pixels that look wet: 6 dB darker with speckle of 1.5 dB, against a threshold of 3 dB."""
    size = wet.shape[1]
    rough = np.kron(gaussian_filter(rng.normal(size=(size, size)), size / 20), np.ones((FINE, FINE)))
    rough = rough > np.quantile(rough, 0.95)
    found, day, side = np.full(wet.shape, np.nan, np.float32), 0, 0
    half = np.arange(size) >= size // 2
    while day < time.size:
        is_wet = np.kron(wet[day], np.ones((FINE, FINE)))
        change = is_wet * np.where(rough, 1.0, -6.0) + rng.normal(0.0, 1.5, is_wet.shape)
        seen = (half == bool(side)) & land
        found[day] = np.where(seen, shares((change < -3.0).astype(np.float32)[None], FINE)[0], np.nan)
        day, side = day + int(rng.integers(2, 4)), 1 - side
    return found


def _microwaves(rng: np.random.Generator, wet: Floats, land: NDArray[np.bool_]) -> Floats:
    """Brightness temperature with a wide footprint, on cells of 3 km."""
    size, block = wet.shape[1], max(1, round(3000.0 / CELL))
    found = np.empty_like(wet)
    for day, of_day in enumerate(wet):
        emitted = np.where(land, 190.0 + 60.0 * of_day, 150.0) + rng.normal(0.0, 1.0)
        seen = gaussian_filter(emitted, 60.0 * size / SIZE, mode="nearest")
        centres = np.minimum(np.arange(size) // block * block + block // 2, size - 1)
        found[day] = seen[np.ix_(centres, centres)] + rng.normal(0.0, 1.5)
    return found


def glaunti_water(
    time: Days, temp: Floats, prcp: Floats, elevation: Floats, parameters: WaterParameters | None = None
) -> tuple[Floats, Floats]:
    """Return GlaUnTI's surface water at the overpass and its melt, (T, H, W), from a station's days of some seasons.

    The temperature index has its published parameters; snow begins each season at 0.3 m w.e.
    """
    import jax.numpy as jnp

    from oggm_glaunti.core.forcing import station_forcing
    from oggm_glaunti.core.melt import terms_step
    from oggm_glaunti.core.run import run_days
    from oggm_glaunti.core.weights import embedded_a

    chosen, waters, melts = parameters or WaterParameters(), [], []
    params = embedded_a().ti.resolve()
    years = time.astype("datetime64[Y]")
    for year in np.unique(years):
        days = years == year
        forcing = station_forcing(temp[days], prcp[days], elevation, STATION_HEIGHT, LAPSE)
        ones = np.ones(int(days.sum()), np.float32)
        start = jnp.full(elevation.shape, 0.3, jnp.float32)
        terms = run_days(terms_step(params), start, forcing, ones, lambda terms: terms)[2]
        melt, air = terms.melt_snow + terms.melt_ice, temp[days][:, None, None] + LAPSE * (elevation - STATION_HEIGHT)
        of_days: WaterDays = surface_water(melt, terms.rain, air, *chosen)
        waters.append(np.asarray(water_at(OVERPASS, melt, terms.rain, of_days, chosen.k, chosen.capacity)))
        melts.append(np.asarray(melt))
    return np.concatenate(waters), np.concatenate(melts)
