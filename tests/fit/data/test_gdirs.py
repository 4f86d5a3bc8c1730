"""Glacier directories with observations: the same model inputs as the rest of the package makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from oggm.exceptions import InvalidParamsError
from pyproj import Transformer

from oggm_glaunti import GlaUnTIMassBalance, shop
from oggm_glaunti.core.forcing import StationForcing
from oggm_glaunti.core.units import ELEVATION_STD_NORM, TEMP_NORM
from oggm_glaunti.coupling.gridded.weather import StationWeather
from oggm_glaunti.coupling.ground.dem_stack_file import DemStack, write_dem_stack
from oggm_glaunti.coupling.ground.features import glaunti_features, read_features
from oggm_glaunti.coupling.model.smb import glaunti_smb
from oggm_glaunti.coupling.weather.file import read_daily_climate
from oggm_glaunti.fit.data.gdirs import dataset_from_gdirs
from oggm_glaunti.fit.data.year import GlacierData
from oggm_glaunti.fit.observations import as_observations
from oggm_glaunti.fit.training.train import Options, train

ANNUAL = {"kind": "glacier-wide", "season": "annual", "begin": "2015-10-03", "end": "2016-09-28", "value": -0.75}
WINTER = ANNUAL | {"season": "winter", "end": "2016-05-02", "value": 1.25}
STAKE = {
    "kind": "point",
    "season": "annual",
    "begin": "2015-10-05",
    "end": "2016-09-28",
    "height": 2700.0,
    "value": -2.0,
}


def with_features(gdir):
    glaunti_features(gdir)
    return gdir


def table(gdir, *rows: dict) -> pd.DataFrame:
    return as_observations(pd.DataFrame([{"glacier": gdir.rgi_id} | row for row in rows]))


def only(gdir, *rows: dict) -> GlacierData:
    (glacier,) = dataset_from_gdirs([gdir], table(gdir, *rows))
    return glacier


def glamos(shared: Path, gdir) -> pd.DataFrame:
    (path,) = (shared / "data" / "glamos_massbalance").glob("massbalance_observation*.csv")
    rows = pd.read_csv(path, sep=";", skipinitialspace=True)
    rows = rows[
        rows["glacier name"].str.contains("Aletsch") & rows["end date of observation"].str[-4:].between("1982", "2020")
    ]
    dates = {
        "begin": "start date of observation",
        "mid": "end date of winter observation",
        "end": "end date of observation",
    }
    days = {name: pd.to_datetime(rows[column], format="%d.%m.%Y") for name, column in dates.items()}
    parts = []
    for season, begin, end in (("annual", "begin", "end"), ("winter", "begin", "mid"), ("summer", "mid", "end")):
        value = rows[f"{season} mass balance"].astype(float) / 1000.0
        part = {
            "glacier": gdir.rgi_id,
            "kind": "glacier-wide",
            "season": season,
            "begin": days[begin],
            "end": days[end],
        }
        parts.append(pd.DataFrame(part | {"value": value}))
    return as_observations(pd.concat(parts))


def test_aletsch_has_the_dates_and_balances_of_its_file(shared: Path, aletsch_gdir):
    gdir = with_features(aletsch_gdir)
    observations = glamos(shared, gdir)
    (glacier,) = dataset_from_gdirs([gdir], observations, folds={gdir.rgi_id: 0})
    assert (glacier.fold, glacier.problems, glacier.left_out) == (0, (), {})
    assert (glacier.years[0], glacier.years[-1], len(glacier.years)) == (1982, 2020, 39)
    assert glacier.spin_up_years == (1990, 1991, 1992, 1993, 1994)
    found = [glacier.targets(year) for year in glacier.years]
    for season in ("annual", "winter", "summer"):
        rows = observations[observations["season"] == season].sort_values("end")
        np.testing.assert_allclose([of_year[season].glacier for of_year in found], rows["value"])
        mids = {"winter": "end", "summer": "begin"}
        for year, (_, row) in zip(glacier.years, rows.iterrows(), strict=True):
            if season in mids:
                assert glacier.period(year).mid == row[mids[season]].to_datetime64().astype("M8[D]")


def test_a_year_is_what_gridded_runs_of_the_directory_see(aletsch_gdir):
    gdir = with_features(aletsch_gdir)
    data = only(gdir, ANNUAL, WINTER).load(2016)
    climate, features = read_daily_climate(gdir), read_features(gdir)
    rows = slice(*np.searchsorted(climate.time, [data.begin, data.end + 1]))
    weather = StationWeather(climate, features)
    np.testing.assert_allclose(data.climate, weather.monthly(rows), atol=1e-6)
    forcing = data.seasons[0].forcing
    assert isinstance(forcing, StationForcing)
    np.testing.assert_array_equal(forcing.temp_offset, weather.forcing(rows).temp_offset)
    joined = np.concatenate([data.seasons[0].forcing.temp, data.seasons[1].forcing.temp[1:]])
    np.testing.assert_array_equal(joined, climate.temp[rows])
    np.testing.assert_array_equal(data.outline, features.outline)


def test_the_surface_of_the_year_gives_elevation_temperature_and_the_correctors_inputs(hef_gdir):
    gdir = with_features(hef_gdir)
    features = read_features(gdir)
    z = np.stack([features.elevation, features.elevation - 20.0])
    still = np.zeros(features.shape)
    stack = DemStack([2015, 2016], z, 3.0 + 0 * z, z < 0, still, features.x, features.y, features.crs)
    write_dem_stack(gdir, stack, {"vertical_datum": "that of the directory's DEM"})
    fixed, moving = (
        dataset_from_gdirs([gdir], table(gdir, ANNUAL), surface=surface)[0].load(2016)
        for surface in ("fixed", "yearly")
    )
    np.testing.assert_array_equal(moving.elevation, z[1])
    np.testing.assert_allclose(moving.fields[2], 3.0 / ELEVATION_STD_NORM)
    offset = [year.seasons[0].forcing.temp_offset for year in (fixed, moving)]
    np.testing.assert_allclose(offset[1] - offset[0], 0.12, atol=1e-5)
    assert float(np.mean(moving.climate[0] - fixed.climate[0])) == pytest.approx(0.12 / TEMP_NORM, rel=1e-3)
    with pytest.raises(InvalidParamsError, match="surface: expected one of"):
        dataset_from_gdirs([gdir], table(gdir, ANNUAL), surface="moving")


def test_dates_come_from_glacier_wide_rows_then_from_points_then_from_the_calendar(hef_gdir):
    gdir = with_features(hef_gdir)
    place = dict(zip(("lon", "lat"), (gdir.cenlon, gdir.cenlat), strict=True))
    winter = STAKE | place | {"season": "winter", "begin": "2016-10-02", "end": "2017-05-04", "value": 1.5}
    glacier = only(
        gdir, ANNUAL, WINTER, winter, STAKE | place, STAKE | place | {"begin": "2018-09-30", "end": "2019-09-30"}
    )
    days = {year: tuple(map(str, glacier.period(year)[1:])) for year in (2015, 2016, 2017, 2018, 2019)}
    assert days == {
        2015: ("2014-10-01", "None", "2015-09-30"),
        2016: ("2015-10-03", "2016-05-02", "2016-09-28"),
        2017: ("2016-10-02", "2017-05-04", "2017-09-30"),
        2018: ("2017-10-01", "None", "2018-09-30"),
        2019: ("2018-09-30", "None", "2019-09-30"),
    }
    assert (glacier.spin_up_years, glacier.years) == ((), (2015, 2016, 2017, 2018, 2019))
    stake = glacier.load(2016).targets["annual"]
    np.testing.assert_allclose(stake.weights, np.exp(-((2 / 6.355375070295649) ** 2)), rtol=1e-6)
    assert list(glacier.load(2017).targets) == ["winter"]


def test_points_come_to_their_cells_from_degrees_and_from_metres(hef_gdir):
    gdir = with_features(hef_gdir)
    features = read_features(gdir)
    row, col = 20, 31
    x, y = features.x[col] + 40.0, features.y[row] - 40.0
    lon, lat = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True).transform(x, y)
    outside = {"x": features.x[0] - 60.0, "y": y}
    glacier = only(gdir, STAKE | {"lon": lon, "lat": lat}, STAKE | {"x": x, "y": y}, STAKE | outside)
    targets = glacier.load(2016).targets["annual"]
    assert (targets.rows.tolist(), targets.cols.tolist()) == ([row, row], [col, col])
    (problem,) = glacier.problems
    assert (problem.file, problem.row) == (gdir.rgi_id, 2)
    assert "outside the rectangle" in problem.what


def test_what_has_no_season_or_place_is_counted(hef_gdir):
    gdir = with_features(hef_gdir)
    glacier = only(
        gdir,
        ANNUAL,
        ANNUAL | {"value": -0.7},
        ANNUAL | {"kind": "geodetic", "season": "free", "begin": "2015-01-01", "end": "2020-01-01", "value": -5.0},
        STAKE | {"height_range": 50.0},
        STAKE | {"season": "free", "lat": gdir.cenlat, "lon": gdir.cenlon},
        ANNUAL | {"begin": "2029-10-01", "end": "2030-09-30"},
        ANNUAL | {"season": "winter", "begin": "2016-10-01", "end": "2017-05-01", "value": -750.0},
    )
    assert glacier.left_out == {
        "geodetic": 1,
        "free dates": 1,
        "band or point without a place": 1,
        "observation of a year without weather": 1,
    }
    assert [problem.row for problem in glacier.problems] == [6, 1]
    assert "looks like mm" in glacier.problems[0].what
    assert "second glacier-wide annual balance of 2016" in glacier.problems[1].what
    assert glacier.targets(2016)["annual"].glacier == -0.75


def test_folds_of_unknown_glaciers_are_an_error(hef_gdir):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.01450"):
        dataset_from_gdirs([hef_gdir], table(hef_gdir, ANNUAL), folds={"RGI60-11.01450": 0})


@pytest.mark.slow
def test_weights_trained_on_a_directory_run_in_it(hef_gdir, tmp_path):
    gdir = with_features(hef_gdir)
    options = Options(epochs=2, learning_rate=0.05)
    done = train("A", [only(gdir, ANNUAL, WINTER)], tmp_path, options=options, progress=False)
    assert done.log["training"].iloc[1] < done.log["training"].iloc[0]
    heights = np.array([2700.0, 3200.0])
    published, own = (
        GlaUnTIMassBalance(gdir, model="A", weights=weights).get_annual_mb(heights, year=2016)
        for weights in (None, done.weights)
    )
    assert (published != own).all()
    glaunti_smb(gdir, mb_kwargs={"model": "A", "weights": done.weights}, ys=2016, ye=2016)
    with xr.open_dataset(gdir.get_filepath("glaunti_smb")) as maps:
        assert maps.weights_sha256 == shop.load("A", done.weights).sha256
