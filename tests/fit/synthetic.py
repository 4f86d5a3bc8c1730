"""A data set made by code in the layout of the published training data: its truth is known.

Glaciers in climates from maritime to continental, with weather like ERA5-Land's, and balances made from the very files
by the package's own model with given parameters, plus noise. The files differ in everything that real ones may differ
in: the direction of y, where the coordinate system is written, cells of the weather, seasons, facies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import pandas as pd
from pyproj import CRS, Transformer

from oggm_glaunti.coupling.gridded.periods import Period, default_period
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.fit.data.files import FolderSource
from oggm_glaunti.fit.data.tables import no_points
from oggm_glaunti.fit.data.year import SPIN_UP, GlacierData, Observed, YearData, season_dates

UNIFORM = {
    "prec_scale": 1.25,
    "ddf_snow": 0.0056,
    "ddf_relative_ice": 1.7,
    "snow_to_rain_steepness": 1.4,
    "snow_to_rain_centre": 1.4,
    "snow_depletion_steepness": 2.8,
    "snow_depletion_centre": 0.035,
}
N_CELLS = 48 * 48
N_DAYS = 400
LAPSE = -0.006
CRS_OF = "EPSG:32632"
WEATHER_KINDS = ("blocks", "blocks", "smooth", "coarse")
GLACIER_SIGMA = 0.05
COARSE_CELLS = 12  # side of a coarse cell in cells
FACIES_YEAR = 1996


class Climate(NamedTuple):
    continentality: float  # 0 to 1
    annual_prcp: float  # m w.e.
    amplitude: float  # K, half of the difference between July and January
    temp: float  # degC, annual mean at the orography's mean height
    orography: float  # m


class Made(NamedTuple):
    """What `write_dataset` made."""

    folder: Path
    truth: dict[str, float]
    """parameters in physical units; before the corrections where these vary in space"""
    corrections: dict[str, np.ndarray]
    """d1..d5 (5, H, W) by glacier; all 0 where the truth is uniform"""


def write_dataset(
    folder: Path,
    n_glaciers: int = 16,
    years: tuple[int, int] = (1995, 2000),
    truth: Mapping[str, float] | str | None = None,
    noise: float = 0.15,
    seed: int = 0,
    sides: tuple[int, int] = (18, 48),
    spin_up: bool = True,
    side_step: int = 1,
) -> Made:
    """Write a data set.

    Parameters
    ----------
    folder : path
        made if need be
    n_glaciers : int
        of every five, the third is for tests and the fifth for validation
    years : (int, int)
        first and last with observations
    truth : mapping, 'fields' or None
        physical values that replace some of :data:`UNIFORM`; or parameters that vary with climate and height
    noise : float
        standard deviation of the stakes, m w.e.
    seed : int
    sides : (int, int)
        shortest and longest of the maps, cells
    spin_up : bool
        whether the weather begins in 1989 and not with the autumn before the first year
    side_step : int
        cells; sides are multiples of it, so that a program compiled for one glacier serves others
    """
    if truth is not None and not isinstance(truth, Mapping) and truth != "fields":
        raise ValueError(f"truth: expected values, 'fields' or None, found {truth!r}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    values = {**UNIFORM, **(truth if isinstance(truth, Mapping) else {})}
    rows, corrections = [], {}
    for k in range(n_glaciers):
        rng = np.random.default_rng([seed, k])
        name = f"{'Valley' if k % 3 else 'Ice cap'} {k:02d}"
        shape = tuple(int(n) for n in rng.integers(sides[0] // side_step, sides[1] // side_step + 1, 2) * side_step)
        climate = make_climate(k / max(1, n_glaciers - 1), rng)
        grid = CellGrid(CRS.from_user_input(CRS_OF), 600_000.0 + 20_000 * k, 5_180_000.0, shape)
        maps = make_maps(grid, climate, k, rng)
        first = min(SPIN_UP[0], years[0]) if spin_up else years[0]
        write_maps(folder / name, grid, maps, k, rng)
        write_weather(folder / name, grid, climate, k, (first, years[1]), rng)
        ds = make_corrections(maps, climate) if truth == "fields" else np.zeros((5, *shape), np.float32)
        write_balances(folder / name, name, years, values, ds, noise, k, rng)
        rows.append((name, name.upper(), fold_of(k), "MADE", years[1], *shape))
        corrections[name] = ds
    columns = ("name", "wgms_name", "fold", "region", "max_year", "height", "width")
    pd.DataFrame(rows, columns=columns).to_csv(folder / "index.csv", index=False)
    return Made(folder, values, corrections)


def fold_of(k: int) -> int:
    return {2: 0, 4: 1}.get(k % 5, 2 + k % 3)


def make_climate(continentality: float, rng: np.random.Generator) -> Climate:
    annual_prcp = 2.6 * (1 - continentality) + 0.6 * continentality
    return Climate(continentality, annual_prcp, 5.0 + 7.0 * continentality, -2.0, 1500.0 + 100 * rng.random())


def equilibrium_height(climate: Climate) -> float:
    """Where a year's snow and melt would be equal, by a plain degree-day model."""
    _, temp, prcp = make_days(climate, 1990, 2009, np.random.default_rng(0))
    heights = climate.orography + np.arange(-1000.0, 4000.0, 20.0)
    local = temp[:, None] + LAPSE * (heights - climate.orography)
    balance = 1.25 * prcp[:, None] * (local < 1.4) - 1.3 * UNIFORM["ddf_snow"] * np.maximum(local, 0.0)
    return float(np.interp(0.0, balance.sum(axis=0), heights))


def make_maps(grid: CellGrid, climate: Climate, k: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Outline, elevation, its uncertainty and nine facies of a cap or a glacier in a valley that falls to the south."""
    h, w = grid.shape
    row, col = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
    margin = 1.0 - 4.0 / min(h, w)
    if k % 3:
        outline = (np.abs(col) < margin * (0.75 - 0.3 * row)) & (np.abs(row) < margin)
        relief = -450.0 * row + 250.0 * col**2
    else:
        outline = row**2 + col**2 < margin**2
        relief = 350.0 - 900.0 * (row**2 + col**2) / 1.2
    bumps = sum(15.0 * np.sin(a * row + b * col + c) for a, b, c in rng.uniform(1.0, 6.0, (4, 3)))
    elevation = equilibrium_height(climate) - 50.0 + relief + bumps
    scores = rng.random((8, h, w))
    scores[0] += 2.0 * (relief < 0)
    scores[1] += 2.0 * (relief > 0)
    facies = np.concatenate([scores / scores.sum(axis=0), rng.uniform(0.5, 1.0, (1, h, w))])
    std = 4.0 + 4.0 * np.abs(row)
    return {
        "outline": outline.astype(np.float32),
        "elevation": elevation.astype(np.float32),
        "std": std.astype(np.float32),
        "facies": facies.astype(np.float32),
    }


def make_corrections(maps: dict[str, np.ndarray], climate: Climate) -> np.ndarray:
    """Smooth functions of what the corrector sees: mostly of the climate, some of the height on the glacier."""
    on_glacier = maps["outline"] > 0
    height = (maps["elevation"] - maps["elevation"][on_glacier].mean()) / 1000.0
    c = 2.0 * climate.continentality - 1.0
    ones = np.ones_like(height)
    fields = (
        0.15 * c * ones + 0.2 * height,
        0.7 * c * ones - 0.15 * height,
        0.3 * c * ones,
        0.3 * c * ones,
        0.0 * ones,
    )
    return np.stack(fields).astype(np.float32)


def make_days(climate: Climate, first: int, last: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Days from September before the first to October of the last mass-balance year, temperature, precipitation."""
    days = np.arange(f"{first - 1}-09-01", f"{last}-11-01", dtype="M8[D]")
    phase = 2 * np.pi * ((days - days.astype("M8[Y]")).astype(int) - 200) / 365.25
    noise, state = np.empty(days.size), 0.0
    for i, shock in enumerate(rng.normal(size=days.size)):
        state = 0.75 * state + np.sqrt(1 - 0.75**2) * shock
        noise[i] = state
    year = days.astype("M8[Y]").astype(int) - (first - 1971)
    warm, wet = 0.5 * rng.normal(size=year.max() + 1), np.exp(0.15 * rng.normal(size=year.max() + 1))
    temp = climate.temp + climate.amplitude * np.cos(phase) + 3.0 * noise + warm[year]
    wet_days = 0.5 - 0.2 * climate.continentality
    amounts = (rng.random(days.size) < wet_days) * rng.gamma(0.8, 1.0 / 0.8, days.size)
    prcp = amounts * wet[year] * climate.annual_prcp / (365.25 * wet_days)
    return days, temp, prcp


def write_maps(folder: Path, grid: CellGrid, maps: dict[str, np.ndarray], k: int, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    thinner = maps["elevation"] - 2.0 * maps["outline"]
    later = np.stack([maps["elevation"], thinner]), np.stack([maps["std"], maps["std"]])
    write_nc(folder / "dem.nc", grid, k, {"z": later[0], "zstddev": later[1]}, {"year": [1990, 1998]})
    outlines = {"outlines": np.stack([maps["outline"]] * 2)}
    write_nc(folder / "outlines.nc", grid, k, outlines, {"year": [1985, 1998]}, south_up=k % 2 == 0)
    if k % 16 == 7:
        return  # one glacier without facies
    facies = np.stack([maps["facies"], maps["facies"][:, ::-1]])
    facies[rng.random(facies.shape) < 0.05] = np.nan
    facies[0, :, :3, :3] = np.nan
    write_nc(folder / "facies.nc", grid, k, {"facies": facies}, {"year": [FACIES_YEAR, 1999], "band": range(9)})


def write_weather(
    folder: Path, grid: CellGrid, climate: Climate, k: int, years: tuple[int, int], rng: np.random.Generator
) -> None:
    kind = WEATHER_KINDS[k % len(WEATHER_KINDS)]
    days, temp, prcp = make_days(climate, *years, rng)
    coarse = CellGrid(grid.crs, grid.west, grid.north, tuple(-(-n // COARSE_CELLS) for n in grid.shape))
    n_coarse = coarse.shape[0] * coarse.shape[1]
    heights = climate.orography + 30.0 * rng.permutation(n_coarse)
    cell_temp = temp[:, None] + LAPSE * (heights - climate.orography) + 0.3 * rng.normal(size=(1, n_coarse))
    cell_prcp = prcp[:, None] * rng.uniform(0.9, 1.1, (1, n_coarse))
    fields = [np.asarray(a, np.float32).reshape(-1, *coarse.shape) for a in (cell_temp, cell_prcp, heights)]
    y, x = grid.y, grid.x
    if kind == "coarse":
        size = 100.0 * COARSE_CELLS
        x, y = (
            grid.west + size * (np.arange(coarse.shape[1]) + 0.5),
            grid.north - size * (np.arange(coarse.shape[0]) + 0.5),
        )
    else:
        rows, cols = (np.arange(n) // COARSE_CELLS for n in grid.shape)
        fields = [a[:, rows][:, :, cols] for a in fields]
    if kind == "smooth":
        tilt = np.linspace(-0.2, 0.2, grid.shape[0] * grid.shape[1], dtype=np.float32).reshape(grid.shape)
        fields[0], fields[1] = np.round(fields[0] + tilt, 3), np.round(fields[1] * (1.0 + tilt), 5)
    time = {"time": days.astype(int)}
    for file, name, values, where in (
        ("temperature.nc", "temperature_2m", fields[0], time),
        ("precipitation.nc", "total_precipitation_sum", fields[1], time),
        ("orography.nc", "elevation", fields[2][0], {}),
    ):
        write_nc(folder / file, grid, k, {name: values}, where, axes=(y, x), south_up=k % 4 < 2 and name != "elevation")


def write_nc(
    path: Path,
    grid: CellGrid,
    k: int,
    fields: Mapping[str, np.ndarray],
    leading: Mapping[str, Any],
    axes: tuple[np.ndarray, np.ndarray] | None = None,
    south_up: bool = False,
) -> None:
    """Maps, compressed; the coordinate system in a variable (rioxarray's way) or in the file's attributes."""
    y, x = axes or (grid.y, grid.x)
    step = -1 if south_up else 1
    with netCDF4.Dataset(path, "w", format="NETCDF4") as nc:
        for name, values in {**leading, "y": y[::step], "x": x}.items():
            nc.createDimension(name, len(values))
            nc.createVariable(name, "f8" if name in "yx" else "i4", (name,))[:] = np.asarray(values)
        if "time" in leading:
            nc["time"].setncatts({"units": "days since 1970-01-01", "calendar": "proleptic_gregorian"})
        if k % 2:
            nc.createVariable("spatial_ref", "i4").setncatts({"crs_wkt": grid.crs.to_wkt()})
        else:
            nc.crs = grid.crs.to_string()
        for name, values in fields.items():
            dims = (*leading, "y", "x")
            chunks = (min(366, values.shape[0]), *values.shape[1:]) if "time" in leading else None
            variable = nc.createVariable(name, "f4", dims, zlib=True, complevel=1, chunksizes=chunks)
            if k % 2:
                variable.grid_mapping = "spatial_ref"
            variable[:] = values[..., ::step, :]


def write_balances(
    folder: Path,
    name: str,
    years: tuple[int, int],
    truth: Mapping[str, float],
    ds: np.ndarray,
    noise: float,
    k: int,
    rng: np.random.Generator,
) -> None:
    periods = make_periods(years, k, rng)
    source = FolderSource(folder, name)
    glacier = GlacierData(name, source, Observed(periods, {}, no_points()))
    to_degrees = Transformer.from_crs(source.grid.crs, "EPSG:4326", always_xy=True)
    total, points, swe = [], [], None
    first = min(SPIN_UP[0], years[0])
    for year in (y for y in range(first, years[1] + 1) if glacier.holds(y)):
        data = glacier.load(year)
        swe, balances = true_year(truth, ds, swe, data)
        if year in periods:
            seen = {season: smb for season, smb in balances.items() if rng.random() > 0.1 or season == "annual"}
            total.append(total_row(periods[year], seen, data, rng))
        if year >= years[0]:
            points += point_rows(data, balances, source.grid, to_degrees, noise, rng)
    columns = ("year", "begin_date", "midseason_date", "end_date", "annual_balance", "winter_balance", "summer_balance")
    pd.DataFrame(total, columns=columns).to_csv(folder / "total_smb.csv", index=False)
    columns = ("year", "balance_code", "begin_date", "end_date", "latitude", "longitude", "balance")
    pd.DataFrame(points, columns=columns).to_csv(folder / "point_smb.csv", index=False)


def make_periods(years: tuple[int, int], k: int, rng: np.random.Generator) -> dict[int, Period]:
    """Dates that share their days; some years have no midseason date, and every third glacier lacks a row."""
    periods, begin = {}, default_period(years[0], "nh").begin
    no_mid = {years[0] + k % (years[1] - years[0] + 1)}
    no_row = years[0] + 1 if k % 3 == 1 and years[1] > years[0] + 1 else None
    for year in range(years[0], years[1] + 1):
        if year == no_row:
            begin = default_period(year, "nh").end
            continue
        end = np.datetime64(f"{year}-09-30") + int(rng.integers(-5, 6))
        mid = np.datetime64(f"{year}-04-30") + int(rng.integers(-8, 9))
        periods[year] = Period(year, begin, None if year in no_mid or rng.random() < 0.1 else mid, end)
        begin = end
        if year + 1 == no_row:
            periods[year] = periods[year]._replace(end=np.datetime64(f"{year}-09-30"))
    return periods


def total_row(period: Period, balances: dict[str, np.ndarray], data: YearData, rng: np.random.Generator) -> tuple:
    on_glacier = data.outline > 0
    mean = {s: float(smb[on_glacier].mean()) + GLACIER_SIGMA * rng.normal() for s, smb in balances.items()}
    values = (f"{mean[s]:.3f}" if s in mean else "" for s in ("annual", "winter", "summer"))
    return period.year, period.begin, "" if period.mid is None else period.mid, period.end, *values


def point_rows(
    data: YearData,
    balances: dict[str, np.ndarray],
    grid: CellGrid,
    to_degrees: Transformer,
    noise: float,
    rng: np.random.Generator,
) -> list[tuple]:
    """Stakes with dates that differ by some days, and one row of unclear meaning."""
    rows = []
    period = Period(data.year, data.begin, data.mid, data.end)
    cells = np.argwhere(data.outline > 0)
    stakes = cells[rng.choice(len(cells), min(len(cells), int(rng.integers(8, 15))), replace=False)]
    for season, (begin, end) in season_dates(period).items():
        for row, col in stakes[: 8 if season == "summer" else None]:
            x, y = grid.x[col] + rng.uniform(-45, 45), grid.y[row] + rng.uniform(-45, 45)
            lon, lat = to_degrees.transform(x, y)
            early, late = (int(n) for n in rng.integers(-3, 4, 2))
            value = balances[season][row, col] + noise * rng.normal()
            rows.append((data.year, season, begin + early, end + late, f"{lat:.7f}", f"{lon:.7f}", f"{value:.3f}"))
    rows.append((data.year, "index", data.begin, data.end, f"{lat:.7f}", f"{lon:.7f}", "0.5"))
    return rows


_PROGRAM: list[Any] = []


def true_year(
    truth: Mapping[str, float], ds: np.ndarray, swe: np.ndarray | None, data: YearData
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Snow at the end and the balance of each season (H, W); one program of one size serves all glaciers."""
    from oggm_glaunti.core.temperature_index import ti_weights

    shape = data.outline.shape
    if not _PROGRAM:
        _PROGRAM.append(_season_program())
    swe = np.full(shape, truth["snow_depletion_centre"], np.float32) if swe is None else swe
    weights, balances = ti_weights(**truth), []
    for season in data.seasons:
        temp, prcp = _on_cells(season.forcing)
        day_weights = np.pad(season.weights, (0, N_DAYS - season.weights.size))
        swe, smb = _PROGRAM[0](weights, _padded(ds.reshape(5, -1)), _padded(swe.reshape(-1)), temp, prcp, day_weights)
        swe, smb = (np.asarray(a)[: shape[0] * shape[1]].reshape(shape) for a in (swe, smb))
        balances.append(smb)
    names = ("annual",) if len(balances) == 1 else ("winter", "summer")
    return swe, {"annual": sum(balances), **dict(zip(names, balances, strict=True))}


def _padded(values: np.ndarray) -> np.ndarray:
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, N_CELLS - values.shape[-1])], mode="edge")


def _on_cells(forcing: Any) -> tuple[np.ndarray, np.ndarray]:
    from oggm_glaunti.core.forcing import CoarseForcing

    temp, prcp = forcing.temp, forcing.prcp
    if isinstance(forcing, CoarseForcing):
        temp, prcp = temp[:, forcing.cell] + forcing.temp_offset, prcp[:, forcing.cell]
    return tuple(
        np.pad(_padded(a.reshape(len(a), -1)), ((0, N_DAYS - len(a)), (0, 0)), mode="edge") for a in (temp, prcp)
    )


def _season_program() -> Any:
    import equinox as eqx

    from oggm_glaunti.core.forcing import GriddedForcing
    from oggm_glaunti.core.glaunti import correct
    from oggm_glaunti.core.run import run_ti

    def season(weights, ds, swe, temp, prcp, day_weights):
        return run_ti(correct(weights.resolve(), ds), swe, GriddedForcing(temp, prcp), day_weights)[:2]

    return eqx.filter_jit(season)
