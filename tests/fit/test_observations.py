"""The table of observations: its schema, what is wrong with rows, places on the grid, writing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyproj import Transformer

import oggm_glaunti.coupling  # noqa: F401
from oggm_glaunti.coupling.ground.features_file import Features
from oggm_glaunti.fit.observations import (
    COLUMNS,
    DEFAULT_SIGMA,
    as_observations,
    check_observations,
    on_grid,
    write_csv,
)
from oggm_glaunti.fit.readers import read_csv

STAKE = {
    "glacier": "RGI60-11.00897",
    "kind": "point",
    "season": "annual",
    "begin": "2018-10-01",
    "end": "2019-09-30",
    "height": 2800.0,
    "value": -2.1,
}


def table_of(*changes: dict) -> pd.DataFrame:
    return as_observations(pd.DataFrame([{**STAKE, **change} for change in changes]))


def problems(*changes: dict) -> list[str]:
    return check_observations(table_of(*changes))[1]["problem"].tolist()


def test_a_table_has_the_columns_and_types_of_the_schema():
    table = table_of({})
    assert list(table) == list(COLUMNS)
    assert {name: str(table[name].dtype) for name, kind in COLUMNS.items() if kind != "str"} == {
        name: kind for name, kind in COLUMNS.items() if kind != "str"
    }
    assert np.isnan(table.loc[0, "lat"])


def test_sigma_of_the_row_is_kept_and_a_missing_one_is_that_of_its_kind():
    geodetic = {"kind": "geodetic", "season": "free", "begin": "2000-01-01", "end": "2019-12-31", "value": -12.0}
    table = table_of({"sigma": 0.05}, {}, {"kind": "glacier-wide"}, geodetic)
    expected = [0.05, DEFAULT_SIGMA["point"], DEFAULT_SIGMA["glacier-wide"], 20 * DEFAULT_SIGMA["geodetic"]]
    assert table["sigma"].tolist() == pytest.approx(expected, rel=1e-3)


def test_a_column_that_nobody_knows_is_an_error():
    with pytest.raises(Exception, match=r"missing \['value'\], unknown \['valeu'\]"):
        as_observations(pd.DataFrame([STAKE]).rename(columns={"value": "valeu"}))


def test_a_table_without_the_schema_is_refused():
    with pytest.raises(Exception, match="expected the columns"):
        check_observations(pd.DataFrame([STAKE]))
    with pytest.raises(Exception, match=r"wrong type.*begin.*as_observations"):
        check_observations(table_of({}).astype({"begin": str}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"glacier": ""}, "no glacier named"),
        ({"kind": "stake"}, "kind stake is none of point"),
        ({"season": "spring"}, "season spring is none of annual"),
        ({"begin": None}, "no begin date"),
        ({"end": None}, "no end date"),
        ({"end": "2018-09-30"}, "end 2018-09-30 is not after begin 2018-10-01"),
        ({"end": "2018-10-01"}, "end 2018-10-01 is not after begin 2018-10-01"),
        ({"end": "2029-09-30"}, "annual balance over 4017 days (2018-10-01 to 2029-09-30), expected 200 to 500"),
        ({"season": "winter", "end": "2020-04-30"}, "winter balance over 577 days"),
        ({"season": "summer", "end": "2018-10-05"}, "summer balance over 4 days"),
        ({"lat": 95.0, "lon": 10.0}, "latitude 95 with longitude 10"),
        ({"lat": 46.0}, "longitude nan with latitude 46"),
        ({"lon": 10.0}, "latitude nan with longitude 10"),
        ({"lat": 46.0, "lon": 400.0}, "longitude 400 with latitude 46"),
        ({"x": 630000.0}, "x 630000 with y nan"),
        ({"height": None}, "a point with neither height nor position"),
        ({"height": 28000.0}, "height 28000 m"),
        ({"height_range": -50.0}, "height_range -50 m"),
        ({"value": None}, "no value"),
        ({"value": np.inf}, "no value"),
        ({"value": -2100.0}, "value -2100 m w.e. looks like mm"),
        ({"value": 45.0}, "value 45 m w.e., more than 25 a year: invalid, or in mm"),
        ({"sigma": 0.0}, "sigma 0 is not above 0"),
        ({"sigma": np.inf}, "sigma inf is not above 0"),
    ],
)
def test_a_bad_row_says_what_is_wrong_and_the_others_stay(change, words):
    good, bad = check_observations(table_of({"value": -1.0}, change, {"value": -3.0}))
    assert good["value"].tolist() == [-1.0, -3.0]
    assert bad["row"].tolist() == [1]
    assert bad["problem"].iloc[0].startswith(words)
    assert bad["problem"].iloc[0].count(";") == 0


def test_everything_that_is_wrong_with_a_row_is_said():
    assert problems({"begin": None, "value": None}) == ["no begin date; no value"]


def test_what_is_impossible_in_a_year_is_possible_in_twenty():
    twenty = {"kind": "geodetic", "season": "free", "begin": "2000-01-01", "end": "2019-12-31", "value": -40.0}
    assert problems(twenty) == []
    assert problems({**twenty, "value": -40000.0}) == ["value -40000 m w.e. looks like mm"]


def test_a_free_period_may_have_any_length_but_not_a_season():
    assert problems({"season": "free", "end": "2018-10-03"}) == []


def test_whole_glaciers_need_no_height():
    assert problems({"kind": "glacier-wide", "height": None}) == []


def test_an_observation_that_is_there_twice_counts_once():
    again = {"sigma": 0.3, "source": "copy"}
    assert problems({}, {"value": -2.0}, again) == ["the same as row 0"]
    assert problems({"begin": None}, {"begin": None}) == ["no begin date", "no begin date"]


def test_the_index_of_the_table_names_rows():
    table = table_of({}, {"value": np.nan}).set_axis(["a", "b"])
    good, bad = check_observations(table)
    assert (good.index.tolist(), bad["row"].tolist()) == (["a"], ["b"])


def test_an_empty_table_is_no_problem():
    good, bad = check_observations(table_of({}).iloc[:0])
    assert (len(good), len(bad), list(bad)) == (0, 0, ["row", "glacier", "problem"])


# --- on the grid ---


@pytest.fixture(scope="module")
def features() -> Features:
    outline = np.pad(np.ones((2, 3)), 15)
    x, y = 630_150.0 + 100.0 * np.arange(33), 5_188_050.0 - 100.0 * np.arange(32)
    elevation = 3000.0 + np.arange(32 * 33, dtype=float).reshape(32, 33)
    return Features(outline, elevation, np.full((32, 33), 5.0), None, x, y, "EPSG:32632")


def place(features: Features, x: float, y: float) -> dict:
    lon, lat = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return {"lat": lat, "lon": lon}


def test_points_get_the_coordinates_of_the_grid(features):
    observations, rejected = on_grid(
        table_of(place(features, 630_512.0, 5_187_333.0), {"x": 631e3, "y": 5187e3}), features
    )
    assert rejected.empty
    np.testing.assert_allclose(observations[["x", "y"]], [[630_512.0, 5_187_333.0], [631e3, 5187e3]], atol=1e-3)


def test_exchanged_latitude_and_longitude_are_named(features):
    to_degrees = Transformer.from_crs("EPSG:32632", "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(630_500.0, 5_187_000.0)
    places = [{"lat": lat, "lon": lon}, {"lat": lon, "lon": lat}, {"lat": lat, "lon": lon + 1}]
    observations, rejected = on_grid(table_of(*({**place, "glacier": "HEF"} for place in places)), features)
    exchanged = rejected["problem"].str.endswith(", but inside if latitude and longitude are exchanged")
    assert (len(observations), rejected["row"].tolist(), exchanged.tolist()) == (1, [1, 2], [True, False])


def test_points_outside_the_rectangle_are_rejected_and_never_moved_to_its_edge(features):
    west, north = 630_100.0, 5_188_100.0
    inside = [(west + 1, north - 1), (west + 3299, north - 3199)]
    outside = [(west - 1, north - 1), (west + 3301, north - 1), (west + 1, north + 1), (west + 1, north - 3201)]
    observations, rejected = on_grid(table_of(*({"x": x, "y": y} for x, y in inside + outside)), features)
    assert len(observations) == 2
    assert rejected["row"].tolist() == [2, 3, 4, 5]
    words = "x 630099, y 5188099 (latitude nan, longitude nan) is outside the glacier's rectangle, x 630100 to 633400"
    assert rejected["problem"].iloc[0].startswith(words)


def test_latitude_and_longitude_exchanged_are_rejected(features):
    there = place(features, 630_512.0, 5_187_333.0)
    _, rejected = on_grid(table_of({"lat": there["lon"], "lon": there["lat"]}), features)
    assert len(rejected) == 1


def test_a_point_without_a_height_gets_that_of_its_cell(features):
    observations, _ = on_grid(table_of({**place(features, 630_350.0, 5_187_950.0), "height": None}, {}), features)
    assert observations["height"].tolist() == [features.elevation[1, 2], 2800.0]


def test_rows_without_a_position_stay_as_they_are(features):
    table = table_of({"height_range": 50.0}, {"kind": "glacier-wide", "height": None})
    observations, rejected = on_grid(table, features)
    pd.testing.assert_frame_equal(observations, table)
    assert rejected.empty


# --- written and read ---


def test_what_is_written_is_read_back_unchanged(tmp_path):
    table = table_of(
        {"value": -2.1234567890123456, "lat": 46.8, "lon": 10.76, "sigma": 0.11, "source": "stake 7"},
        {"season": "winter", "end": "2019-04-30", "value": 1.0 / 3.0, "x": 630_512.3, "y": 5_187_333.4},
        {"kind": "glacier-wide", "height": None},
        {"kind": "geodetic", "season": "free", "begin": "2000-01-01", "end": "2019-12-31", "height": None},
        {"season": "free", "height_range": 50.0},
    )
    table["source"] = table["source"].where(table["source"].notna() & (table["source"] != ""), "mine")
    write_csv(tmp_path / "observations.csv", table)
    read = read_csv(tmp_path / "observations.csv")
    pd.testing.assert_frame_equal(read.observations, table, check_dtype=False)
    assert read.rejected.empty


def test_only_a_table_of_observations_is_written(tmp_path):
    with pytest.raises(Exception, match="expected the columns"):
        write_csv(tmp_path / "observations.csv", pd.DataFrame([STAKE]))
    assert list(tmp_path.iterdir()) == []
