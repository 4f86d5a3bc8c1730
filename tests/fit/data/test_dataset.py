"""The published layout of training data: what is read is what was written, whatever way round it was."""

from __future__ import annotations

import logging
import tracemalloc
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError
from pyproj import CRS, Transformer

from oggm_glaunti.core.forcing import CoarseForcing, GriddedForcing, monthly_climate
from oggm_glaunti.core.units import ELEVATION_NORM, PRCP_NORM, TEMP_NORM
from oggm_glaunti.coupling.ground.grid import CellGrid
from oggm_glaunti.fit.data.date_weights import DATE_DECAY
from oggm_glaunti.fit.data.files import open_dataset
from oggm_glaunti.fit.data.year import GlacierData

from ..synthetic import UNIFORM, Made, true_year, write_dataset, write_nc

SHAPE = (18, 20)
GRID = CellGrid(CRS.from_epsg(32632), 600_000.0, 5_180_000.0, SHAPE)
TOTAL = "year,begin_date,midseason_date,end_date,annual_balance,winter_balance,summer_balance\n"
POINTS = "year,balance_code,begin_date,end_date,latitude,longitude,balance\n"
DAYS = np.arange("1998-09-01", "2001-11-01", dtype="M8[D]")


def lat_lon(row: float, col: float, grid: CellGrid = GRID) -> str:
    x, y = grid.west + 100.0 * (col + 0.5), grid.north - 100.0 * (row + 0.5)
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return f"{lat:.7f},{lon:.7f}"


def fields(kind: str = "fine") -> dict[str, np.ndarray]:
    """Maps and weather that differ in every cell, or within coarse cells only."""
    rng = np.random.default_rng(1)
    size = (2, 2) if kind == "blocks" else SHAPE
    temp = rng.normal(0.0, 8.0, (DAYS.size, *size)).astype(np.float32)
    prcp = rng.gamma(0.5, 0.01, (DAYS.size, *size)).astype(np.float32)
    hgt = np.array([[900.0, 1200.0], [1200.0, 1500.0]]) if kind == "blocks" else rng.uniform(800.0, 1500.0, SHAPE)
    if kind == "blocks":
        rows, cols = (np.arange(n) * 2 // n for n in SHAPE)
        temp, prcp, hgt = (a[..., rows, :][..., cols] for a in (temp, prcp, hgt))
    outline = np.zeros((1, *SHAPE), np.float32)
    outline[0, 4:12, 5:15] = 1.0
    elevation = rng.uniform(1000.0, 3000.0, (2, *SHAPE)).astype(np.float32)
    facies = rng.uniform(0.0, 1.0, (1, 9, *SHAPE)).astype(np.float32)
    facies[0, 2, 3, 3], facies[0, :, 7, 7] = np.nan, np.nan
    return {"temp": temp, "prcp": prcp, "hgt": hgt.astype(np.float32), "outline": outline, "z": elevation, "f": facies}


def write_glacier(
    folder: Path,
    arrays: dict[str, np.ndarray],
    total: str = "2000,1999-10-01,2000-05-01,2000-09-30,-0.5,1.0,-1.5\n",
    points: str = "",
    name: str = "Made up E B",
    south_up: bool = False,
    grid: CellGrid = GRID,
    k: int = 1,
    max_year: str = "2001",
) -> Path:
    home = folder / name
    home.mkdir(parents=True)
    row = f"{name},{name.upper()},3,ALP,{max_year},{grid.shape[0]},{grid.shape[1]}\n"
    (folder / "index.csv").write_text("name,wgms_name,fold,region,max_year,height,width\n" + row)
    (home / "total_smb.csv").write_text(TOTAL + total)
    (home / "point_smb.csv").write_text(POINTS + points)
    time = {"time": DAYS.astype(int)}
    way = {"south_up": south_up}
    write_nc(home / "temperature.nc", grid, k, {"temperature_2m": arrays["temp"]}, time, **way)
    write_nc(home / "precipitation.nc", grid, k, {"total_precipitation_sum": arrays["prcp"]}, time, **way)
    write_nc(home / "orography.nc", grid, k, {"elevation": arrays["hgt"]}, {}, **way)
    dem = {"z": arrays["z"], "zstddev": np.full_like(arrays["z"], 6.0)}
    write_nc(home / "dem.nc", grid, k, dem, {"year": [1990, 2001]}, **way)
    write_nc(home / "outlines.nc", grid, k, {"outlines": arrays["outline"]}, {"year": [2005]}, **way)
    write_nc(home / "facies.nc", grid, k, {"facies": arrays["f"]}, {"year": [2000], "band": range(9)}, **way)
    return folder


def only(folder: Path) -> GlacierData:
    (glacier,) = open_dataset(folder)
    return glacier


def change(path: Path, name: str, index, value) -> None:
    with netCDF4.Dataset(path, "a") as nc:
        nc[name][index] = value


def day(date: str) -> int:
    return int((np.datetime64(date) - DAYS[0]).astype(int))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    return write_dataset(folder, n_glaciers=5, years=(1995, 1996), noise=0.0, sides=(18, 24), spin_up=False)


@pytest.mark.slow
@pytest.mark.parametrize("south_up", [False, True])
def test_weather_and_maps_are_those_written_and_north_is_up(tmp_path: Path, south_up: bool):
    arrays = fields()
    data = only(write_glacier(tmp_path, arrays, south_up=south_up)).load(2000)
    winter = slice(day("1999-10-01"), day("2000-05-01") + 1)
    forcing = data.seasons[0].forcing
    assert isinstance(forcing, GriddedForcing)
    np.testing.assert_array_equal(forcing.prcp, arrays["prcp"][winter])
    expected = arrays["temp"][winter].astype(np.float64) - 0.0060 * (arrays["z"][0].astype(np.float64) - arrays["hgt"])
    np.testing.assert_allclose(forcing.temp, expected, rtol=0, atol=4e-6)
    assert forcing.temp.dtype == forcing.prcp.dtype == data.fields.dtype == np.float32
    np.testing.assert_array_equal(data.elevation, arrays["z"][0])
    np.testing.assert_allclose(data.fields[1], arrays["z"][0] / ELEVATION_NORM, rtol=1e-6)
    np.testing.assert_array_equal(data.outline, arrays["outline"][0])


def test_a_year_takes_the_nearest_earlier_map_else_the_earliest(tmp_path: Path):
    arrays = fields()
    glacier = only(write_glacier(tmp_path, arrays, total="2001,2000-10-01,,2001-09-30,-0.5,,\n"))
    np.testing.assert_array_equal(glacier.load(2000).elevation, arrays["z"][0])
    np.testing.assert_array_equal(glacier.load(2001).elevation, arrays["z"][1])
    np.testing.assert_array_equal(glacier.load(2001).outline, arrays["outline"][0])  # of 2005, the only one


def test_blocks_of_equal_weather_are_kept_as_blocks_and_give_exactly_the_same(tmp_path: Path):
    arrays = fields("blocks")
    data = only(write_glacier(tmp_path, arrays)).load(2000)
    forcing = data.seasons[1].forcing
    assert isinstance(forcing, CoarseForcing)
    assert forcing.temp.shape == (day("2000-09-30") - day("2000-05-01") + 1, 4)
    offset = (-0.0060 * (arrays["z"][0] - arrays["hgt"].astype(np.float64))).astype(np.float32)
    for i, t in ((0, day("2000-05-01")), (-1, day("2000-09-30"))):
        np.testing.assert_array_equal(forcing.temp[i][forcing.cell] + forcing.temp_offset, arrays["temp"][t] + offset)
        np.testing.assert_array_equal(forcing.prcp[i][forcing.cell], arrays["prcp"][t])


def test_one_differing_value_in_a_block_gives_the_full_fields_of_that_year(tmp_path: Path):
    arrays = fields("blocks")
    arrays["prcp"][day("2000-02-29"), 3, 3] += 1e-3
    glacier = only(write_glacier(tmp_path, arrays))
    forcing = glacier.load(2000).seasons[0].forcing
    assert isinstance(forcing, GriddedForcing)
    np.testing.assert_array_equal(forcing.prcp[151], arrays["prcp"][day("2000-02-29")])
    assert isinstance(glacier.load(2001).seasons[0].forcing, CoarseForcing)


@pytest.mark.slow
def test_cells_take_the_nearest_coarse_cell(made: Made):
    glacier = next(g for g in open_dataset(made.folder) if g.name.endswith("03"))
    data = glacier.load(1995)
    forcing = data.seasons[0].forcing
    rows, cols = (np.arange(n) // 12 for n in glacier.shape)
    with netCDF4.Dataset(made.folder / glacier.name / "temperature.nc") as nc:
        temp = np.asarray(nc["temperature_2m"][:])[:, :: -1 if nc["y"][1] > nc["y"][0] else 1]
        start = int((data.begin - np.datetime64("1970-01-01")).astype(int) - nc["time"][0])
    with netCDF4.Dataset(made.folder / glacier.name / "orography.nc") as nc:
        heights = np.asarray(nc["elevation"][:], np.float64)
    expected = temp[start][rows][:, cols] - 0.0060 * (data.elevation - heights[rows][:, cols])
    np.testing.assert_allclose(forcing.temp[0][forcing.cell] + forcing.temp_offset, expected, atol=4e-6)


def test_weather_may_be_in_latitude_and_longitude(tmp_path: Path):
    folder = write_glacier(tmp_path, fields())
    home = folder / "Made up E B"
    lat, lon = np.array([46.6, 46.7, 46.8, 46.9]), np.array([10.1, 10.2, 10.3, 10.4, 10.5])
    weather = {
        "temperature.nc": ("temperature_2m", np.arange(20.0).reshape(4, 5) * np.ones((DAYS.size, 1, 1))),
        "precipitation.nc": ("total_precipitation_sum", np.full((DAYS.size, 4, 5), 0.01)),
        "orography.nc": ("elevation", np.full((4, 5), 1000.0)),
    }
    for file, (name, values) in weather.items():
        with netCDF4.Dataset(home / file, "w") as nc:
            leading = ("time",) if values.ndim == 3 else ()
            for dim, axis in (("time", DAYS.astype(int)), ("latitude", lat), ("longitude", lon)):
                nc.createDimension(dim, axis.size)
                nc.createVariable(dim, "f8", (dim,))[:] = axis
            nc["time"].units = "days since 1970-01-01"
            nc.createVariable(name, "f4", (*leading, "latitude", "longitude"))[:] = values
    forcing = only(folder).load(2000).seasons[0].forcing
    centre = [float(text) for text in lat_lon(9, 10).split(",")]
    nearest = int(np.abs(lat - centre[0]).argmin() * 5 + np.abs(lon - centre[1]).argmin())
    assert forcing.temp[0][forcing.cell[9, 10]] == nearest
    assert forcing.prcp.shape[1] == forcing.cell.max() + 1 < 5


def test_the_index_may_be_wrong_about_the_size(tmp_path: Path):
    folder = write_glacier(tmp_path, fields())
    index = folder / "index.csv"
    index.write_text(index.read_text().replace("18,20", "20,18"))
    glacier = only(folder)
    assert glacier.shape == SHAPE
    assert "height and width are 20, 18; dem.nc has (18, 20)" in glacier.problems[0].what


def test_the_climate_is_the_mean_over_the_outline(tmp_path: Path):
    for kind in ("fine", "blocks"):
        arrays = fields(kind)
        data = only(write_glacier(tmp_path / kind, arrays)).load(2000)
        part = slice(day("1999-10-01"), day("2000-09-30") + 1)
        local = arrays["temp"][part] - 0.0060 * (arrays["z"][0] - arrays["hgt"])
        temp, prcp = (a[:, 4:12, 5:15].mean(axis=(1, 2), dtype=np.float64) for a in (local, arrays["prcp"][part]))
        np.testing.assert_allclose(data.climate, monthly_climate(DAYS[part], temp, prcp), atol=2e-7)
        assert data.climate.shape == (2, 12)
        january = slice(day("2000-01-01") - part.start, day("2000-02-01") - part.start)
        assert data.climate[0, 3] == pytest.approx(temp[january].mean() / TEMP_NORM, abs=1e-6)
        assert data.climate[1, 3] == pytest.approx(prcp[january].mean() / PRCP_NORM, abs=1e-6)


def test_only_the_days_of_the_year_are_read(tmp_path: Path):
    folder = write_glacier(tmp_path, fields())
    change(folder / "Made up E B" / "temperature.nc", "temperature_2m", (day("2001-03-04"), 2, 5), np.nan)
    glacier = only(folder)
    assert glacier.load(2000).year == 2000
    with pytest.raises(InvalidParamsError, match=r"Made up E B: temperature.nc: 'temperature_2m': 1 .* 2001-03-04"):
        glacier.load(2001)


def test_memory_is_that_of_one_year(tmp_path: Path):
    glacier = only(write_glacier(tmp_path, fields()))
    glacier.load(2000)
    tracemalloc.start()
    glacier.load(2000)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    one_year = 366 * SHAPE[0] * SHAPE[1] * 4
    assert peak < 4.5 * one_year  # two fields and what puts one of them together; the record has 6.3
    assert kept < one_year / 4


def test_precipitation_in_millimetres_by_mistake_is_refused(tmp_path: Path):
    arrays = fields()
    arrays["prcp"] *= 1000.0
    with pytest.raises(InvalidParamsError, match=r"precipitation.nc: 'total_precipitation_sum': .* check units"):
        only(write_glacier(tmp_path, arrays)).load(2000)


def test_kelvin_and_kilograms_are_converted(tmp_path: Path):
    arrays = fields()
    expected = only(write_glacier(tmp_path / "usual", arrays)).load(2000).seasons[0].forcing
    home = write_glacier(tmp_path / "other", arrays | {"temp": arrays["temp"] + 273.15, "prcp": arrays["prcp"] * 1000})
    for file, name, units in (
        ("temperature.nc", "temperature_2m", "K"),
        ("precipitation.nc", "total_precipitation_sum", "kg m-2"),
    ):
        with netCDF4.Dataset(home / "Made up E B" / file, "a") as nc:
            nc[name].units = units
    forcing = only(home).load(2000).seasons[0].forcing
    np.testing.assert_allclose(forcing.temp, expected.temp, atol=5e-5)
    np.testing.assert_allclose(forcing.prcp, expected.prcp, rtol=1e-6)


def test_missing_days_and_other_cells_are_named(tmp_path: Path):
    folder = write_glacier(tmp_path / "days", fields())
    change(folder / "Made up E B" / "precipitation.nc", "time", 700, DAYS[-1].astype(int) + 1)
    with pytest.raises(InvalidParamsError, match=r"Made up E B: precipitation.nc: days"):
        open_dataset(folder)
    folder = write_glacier(tmp_path / "cells", fields())
    with netCDF4.Dataset(folder / "Made up E B" / "outlines.nc", "a") as nc:
        nc["x"][:] = nc["x"][:] + 50.0
    with pytest.raises(InvalidParamsError, match=r"outlines.nc: 'outlines' is on 18 x 20 cells from x 600100"):
        only(folder).load(2000)


def test_a_hole_in_the_dem_is_refused(tmp_path: Path):
    arrays = fields()
    arrays["z"][0, 0, :3] = np.nan
    with pytest.raises(InvalidParamsError, match=r"dem.nc: 'z' for 2000 is missing in 3 of 360 cells"):
        only(write_glacier(tmp_path, arrays)).load(2000)


@pytest.mark.parametrize("k", [0, 1], ids=["attribute of the file", "grid mapping"])
def test_the_coordinate_system_may_be_in_either_place(tmp_path: Path, k: int):
    points = f"2000,annual,1999-10-01,2000-09-30,{lat_lon(3, 7)},-1.0\n"
    targets = only(write_glacier(tmp_path, fields(), points=points, k=k)).load(2000).targets["annual"]
    assert (targets.rows.tolist(), targets.cols.tolist()) == ([3], [7])


def test_no_coordinate_system_is_an_error(tmp_path: Path):
    folder = write_glacier(tmp_path, fields(), k=0)
    for path in (folder / "Made up E B").glob("*.nc"):
        with netCDF4.Dataset(path, "a") as nc:
            nc.delncattr("crs")
    with pytest.raises(InvalidParamsError, match=r"Made up E B: dem.nc: no projected coordinate system"):
        open_dataset(folder)


def test_voids_in_a_map_of_facies_are_zero_and_no_map_is_minus_one(tmp_path: Path):
    arrays = fields()
    folder = write_glacier(tmp_path, arrays)
    glacier = only(folder)
    facies = glacier.load(2000, facies=True).fields[3:]
    assert facies[2, 3, 3] == 0.0
    assert (facies[:, 7, 7] == 0.0).all()
    rest = np.isfinite(arrays["f"][0])
    np.testing.assert_array_equal(facies[rest], arrays["f"][0][rest])
    assert (glacier.load(2000).fields[3:] == -1.0).all()
    change(folder / "Made up E B" / "facies.nc", "facies", slice(None), np.nan)
    assert (glacier.load(2000, facies=True).fields[3:] == -1.0).all()
    (folder / "Made up E B" / "facies.nc").unlink()
    assert (only(folder).load(2000, facies=True).fields[3:] == -1.0).all()


def test_winter_and_summer_share_a_day_and_add_up_to_the_year(tmp_path: Path):
    data = only(write_glacier(tmp_path, fields())).load(2000)
    winter, summer = data.seasons
    assert (data.begin, data.mid, data.end) == tuple(map(np.datetime64, ("1999-10-01", "2000-05-01", "2000-09-30")))
    np.testing.assert_array_equal(winter.forcing.temp[-1], summer.forcing.temp[0])
    assert winter.weights.size == winter.forcing.prcp.shape[0] == 214
    assert winter.weights.sum() + summer.weights.sum() == (data.end - data.begin).astype(int)
    assert {season: round(target.glacier, 3) for season, target in data.targets.items()} == {
        "annual": -0.5,
        "winter": 1.0,
        "summer": -1.5,
    }


def test_a_year_without_midseason_date_is_one_annual_season(tmp_path: Path):
    points = "".join(
        f"2000,{season},1999-10-01,2000-09-30,{lat_lon(5, 6)},-1.0\n" for season in ("annual", "summer", "summer")
    )
    total = "2000,1999-10-01,,2000-09-30,-0.5,1.0,\n"
    glacier = only(write_glacier(tmp_path, fields(), total=total, points=points))
    data = glacier.load(2000)
    assert (len(data.seasons), data.mid, list(data.targets)) == (1, None, ["annual"])
    assert glacier.left_out == {
        "glacier-wide winter or summer in a year without midseason date": 1,
        "point of winter or summer in a year without midseason date": 2,
    }


def test_points_weigh_less_the_farther_their_dates_are_from_the_season(tmp_path: Path):
    points = (
        f"2000,winter,1999-10-01,2000-05-01,{lat_lon(5, 6)},1.5\n"
        f"2000,winter,1999-10-06,2000-05-01,{lat_lon(5, 6)},1.5\n"
        f"2000,winter,1999-10-06,2000-04-21,{lat_lon(0, 19)},1.25\n"
    )
    winter = only(write_glacier(tmp_path, fields(), points=points)).load(2000).targets["winter"]
    expected = [1.0, np.exp(-((5 / DATE_DECAY) ** 2)), np.exp(-(25 + 100) / DATE_DECAY**2)]
    np.testing.assert_allclose(winter.weights, expected, rtol=1e-6)
    assert winter.observed.tolist() == [1.5, 1.5, 1.25]
    assert (winter.rows.tolist(), winter.cols.tolist()) == ([5, 5, 0], [6, 6, 19])


def test_years_between_observations_carry_the_snow(tmp_path: Path):
    total = "2001,2000-10-01,,2001-09-30,-0.5,,\n"
    glacier = only(write_glacier(tmp_path, fields(), total=total))
    assert (glacier.years, glacier.spin_up_years) == ((1999, 2000, 2001), ())
    empty = glacier.load(2000)
    assert (str(empty.begin), str(empty.end), empty.targets) == ("1999-10-01", "2000-09-30", {})


@pytest.mark.slow
def test_spin_up_years_are_those_of_the_nineties_that_the_weather_holds(tmp_path: Path):
    folder = write_dataset(tmp_path, n_glaciers=1, years=(1997, 1997), sides=(18, 18)).folder
    glacier = only(folder)
    assert glacier.spin_up_years == (1990, 1991, 1992, 1993, 1994)
    assert glacier.years == (1995, 1996, 1997)
    assert glacier.load(1990).seasons[0].weights.size == 365


def test_years_after_the_last_of_the_index_are_not_used(tmp_path: Path):
    total = "2000,1999-10-01,,2000-09-30,-0.5,,\n2001,2000-10-01,,2001-09-30,-9,,\n"
    points = f"2001,annual,2000-10-01,2001-09-30,{lat_lon(5, 6)},-1.0\n"
    glacier = only(write_glacier(tmp_path, fields(), total=total, points=points, max_year="2000"))
    assert glacier.years == (1999, 2000)
    assert sum(glacier.left_out.values()) == 2


def test_years_begin_in_april_in_the_south(tmp_path: Path):
    grid = CellGrid(CRS.from_epsg(32718), 600_000.0, 4_500_000.0, SHAPE)
    glacier = only(write_glacier(tmp_path, fields(), total="2001,2000-04-03,2000-10-01,2001-03-30,,,\n", grid=grid))
    assert (str(glacier.period(2000).begin), str(glacier.period(2000).end)) == ("1999-04-01", "2000-03-31")
    assert str(glacier.period(2001).begin) == "2000-04-03"


def test_years_of_region_16_begin_in_april_north_of_the_equator_too(tmp_path: Path):
    mexico = CellGrid(CRS.from_epsg(32614), 680_000.0, 2_104_000.0, SHAPE)
    glacier = only(write_glacier(tmp_path, fields(), total="2001,2000-04-03,2000-10-01,2001-03-30,,,\n", grid=mexico))
    assert str(glacier.period(2000).begin) == "1999-04-01"


BAD_POINTS = [
    (f"2000,annual,1999-10-01,2000-09-30,{lat_lon(-1, 6)},-1.0", "outside the rectangle of 18 x 20 cells"),
    (f"2000,annual,1999-10-01,2000-09-30,{lat_lon(5, 20)},-1.0", "outside the rectangle"),
    (f"2000,annual,,2000-09-30,{lat_lon(5, 6)},-1.0", "begin_date or end_date is missing"),
    (f"2000,annual,2000-09-30,1999-10-01,{lat_lon(5, 6)},-1.0", "end_date is not after begin_date"),
    (f"2000,yearly,1999-10-01,2000-09-30,{lat_lon(5, 6)},-1.0", "balance_code: expected one of"),
    (f"2000,annual,1999-10-01,2000-09-30,{lat_lon(5, 6)},-1200", "looks like mm"),
    (f"2000,annual,1999-10-01,2000-09-30,{lat_lon(5, 6)},", "balance is missing"),
    ("2000,annual,1999-10-01,2000-09-30,46.5,,-1.0", "latitude or longitude is missing"),
    (f",annual,1999-10-01,2000-09-30,{lat_lon(5, 6)},-1.0", "the year is missing"),
]


def test_bad_points_are_reported_row_by_row_and_the_rest_is_used(tmp_path: Path, caplog):
    good = f"2000,annual,1999-10-01,2000-09-30,{lat_lon(5, 6)},-1.0"
    index = f"2000,index,1999-10-01,2000-09-30,{lat_lon(5, 6)},-1.0"
    folder = write_glacier(
        tmp_path, fields(), points="\n".join([good, index, *(row for row, _ in BAD_POINTS), good, ""])
    )
    with caplog.at_level(logging.WARNING):
        glacier = only(folder)
    assert len(glacier.load(2000).targets["annual"].rows) == 2
    assert [problem.row for problem in glacier.problems] == list(range(4, 4 + len(BAD_POINTS)))
    for problem, (_, words) in zip(glacier.problems, BAD_POINTS, strict=True):
        assert words in problem.what
        assert str(problem) in caplog.text
    assert glacier.left_out == {"point of balance_code index": 1}
    with pytest.raises(ValueError, match=r"9 problems:\nMade up E B/point_smb.csv, row 4: lies outside"):
        open_dataset(folder, problems="raise")


BAD_TOTALS = [
    ("2000,1999-10-01,2000-10-01,2000-09-30,-0.5,,", "dates are not in order"),
    ("2000,1999-10-01,,,-0.5,,", "end_date missing"),
    ("2000,1999-10-01,1 May,2000-09-30,-0.5,,", "midseason_date: expected a date YYYY-MM-DD"),
    ("2000,1998-10-01,,2000-09-30,-0.5,,", "touches 24 calendar months"),
    ("1999,1999-10-01,,2000-09-30,-0.5,,", "the year is 1999, but ends on 2000-09-30"),
    ("2000,1999-10-01,,2000-09-30,-512,,", "annual_balance -512 m w.e. looks like mm"),
    ("2000,1999-10-01,,2000-09-30,n.a,,", "annual_balance is no number"),
    ("MM,1999-10-01,,2000-09-30,-0.5,,", "the year is missing"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("row", "words"), BAD_TOTALS, ids=[words for _, words in BAD_TOTALS])
def test_a_bad_row_of_glacier_wide_balances_is_reported(tmp_path: Path, row: str, words: str):
    total = f"2001,2000-10-01,,2001-09-30,-0.25,,\n{row}\n"
    glacier = only(write_glacier(tmp_path, fields(), total=total))
    (problem,) = glacier.problems
    assert problem.row == 3
    assert words in problem.what
    assert glacier.load(2001).targets["annual"].glacier == -0.25
    assert glacier.load(2000).targets == {}


def test_a_second_row_of_a_year_is_reported(tmp_path: Path):
    row = "2000,1999-10-01,,2000-09-30,-0.5,,\n"
    assert "a second row of 2000" in only(write_glacier(tmp_path, fields(), total=row + row)).problems[0].what


def test_a_glacier_without_a_folder_is_reported_and_one_without_a_file_is_an_error(tmp_path: Path, caplog):
    folder = write_glacier(tmp_path, fields())
    with (folder / "index.csv").open("a") as file:
        file.write("Gone,GONE,2,ALP,2001,18,20\n")
    assert len(open_dataset(folder)) == 1
    assert "Gone: no folder of that name" in caplog.text
    with pytest.raises(ValueError, match=r"index.csv, row 3: Gone"):
        open_dataset(folder, problems="raise")
    (folder / "Made up E B" / "orography.nc").unlink()
    with pytest.raises(InvalidParamsError, match=r"Made up E B: orography.nc: not found"):
        open_dataset(folder)


def test_a_table_whose_rows_are_longer_than_its_header_is_an_error(tmp_path: Path):
    folder = write_glacier(tmp_path, fields(), total="2000,1999-10-01,,2000-09-30,-0.5,,,7\n")
    with pytest.raises(InvalidParamsError, match=r"Made up E B: total_smb\.csv: row 2: 8 cells, the header has 7"):
        open_dataset(folder)


def test_a_year_that_the_weather_does_not_hold_is_refused(tmp_path: Path):
    glacier = only(write_glacier(tmp_path, fields()))
    with pytest.raises(InvalidParamsError, match=r"holds 1998-09-01 to 2001-10-31, not 2002-10-01 to 2003-09-30"):
        glacier.load(2003)


@pytest.mark.slow
def test_the_true_parameters_give_back_all_observations_of_a_synthetic_set(made: Made):
    glaciers = open_dataset(made.folder, problems="raise")
    assert [glacier.fold for glacier in glaciers] == [2, 3, 0, 2, 1]
    n = 0
    for glacier in glaciers:
        swe = None
        for year in glacier.years:
            data = glacier.load(year)
            swe, balances = true_year(UNIFORM, made.corrections[glacier.name], swe, data)
            for season, target in data.targets.items():
                # Tables hold three decimals; stakes have no noise here.
                np.testing.assert_allclose(balances[season][target.rows, target.cols], target.observed, atol=6e-4)
                n += target.rows.size
    assert n > 150


@pytest.mark.slow
def test_a_synthetic_set_is_the_same_every_time_and_varied(made: Made, tmp_path: Path):
    again = write_dataset(tmp_path, n_glaciers=5, years=(1995, 1996), noise=0.0, sides=(18, 24), spin_up=False)
    name = open_dataset(again.folder)[1].name
    for file in ("total_smb.csv", "point_smb.csv"):
        pd.testing.assert_frame_equal(*(pd.read_csv(m.folder / name / file) for m in (made, again)))
    glaciers = open_dataset(made.folder)
    years = [glacier.load(year) for glacier in glaciers for year in glacier.years]
    assert {len(data.seasons) for data in years} == {1, 2}
    assert {type(data.seasons[0].forcing) for data in years} == {CoarseForcing, GriddedForcing}
    assert len({glacier.shape for glacier in glaciers}) > 2


def test_true_fields_vary_with_climate_and_height(tmp_path: Path):
    made = write_dataset(tmp_path, n_glaciers=2, years=(1995, 1995), truth="fields", sides=(18, 18), spin_up=False)
    maritime, continental = made.corrections.values()
    assert continental[1].mean() - maritime[1].mean() > 0.5
    assert maritime[0].std() > 0.02
    with pytest.raises(ValueError, match="truth"):
        write_dataset(tmp_path, truth="something")
