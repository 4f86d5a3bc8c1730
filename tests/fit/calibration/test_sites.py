"""Observations of Hintereisferner as arrays for a fit: what takes part, where, and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from pyproj import Transformer

from oggm_glaunti import GlaUnTIMassBalance
from oggm_glaunti.coupling.ground.features import glaunti_features, read_features
from oggm_glaunti.fit.calibration.sites import HEIGHT_STEP, glacier_site, surface_of
from oggm_glaunti.fit.observations import as_observations

YEAR = {"begin": "2016-10-01", "end": "2017-09-30", "season": "annual"}


def table(gdir, *rows):
    """Observations of one year, in which rows differ as given."""
    common = {"glacier": gdir.rgi_id, "kind": "point", "value": -1.0, "lat": np.nan, "lon": np.nan, "height": np.nan}
    return as_observations(pd.DataFrame([{**common, **YEAR, "height_range": 0.0, **row} for row in rows]))


def heights_of(glacier, gdir):
    """Heights that were run, m."""
    return glacier.site.above_ref + GlaUnTIMassBalance(gdir, model="A").ref_hgt


@pytest.fixture
def hef(hef_gdir):
    glaunti_features(hef_gdir)
    return hef_gdir


def test_what_cannot_be_compared_is_left_out_with_its_reason_and_the_rest_used(hef):
    features = read_features(hef)
    middle = Transformer.from_crs(features.crs, "EPSG:4326", always_xy=True)
    row, col = np.argwhere(features.glacier)[50]
    lon, lat = middle.transform(features.x[col], features.y[row])
    far_lon, far_lat = middle.transform(features.x[0] - 60.0, features.y[row])
    observations = table(
        hef,
        {"lat": lat, "lon": lon},
        {"height": 2900.0, "begin": "2012-10-01", "end": "2013-09-30"},
        {"lat": far_lat, "lon": far_lon, "height": 2900.0},
        {"height": 3900.0, "height_range": 50.0},
        {"height": 2900.0, "value": -1800.0},
        {"height": 3000.0, "height_range": 50.0},
        {"kind": "glacier-wide"},
        {"kind": "geodetic", "begin": "2015-01-01", "end": "2022-12-31", "season": "free", "value": -8.0},
        {"kind": "geodetic", "begin": "2015-01-01", "end": "2023-01-01", "season": "free", "value": -8.0},
    )
    # The glacier may be called by its name; others' rows are nobody's business.
    observations.loc[5, "glacier"] = hef.name
    other = table(hef, {"height": 2900.0, "value": 5e4}).assign(glacier="Elsewhere")
    found = glacier_site(hef, GlaUnTIMassBalance(hef, model="A"), pd.concat([observations, other], ignore_index=True))
    assert found.used.index.tolist() == [0, 5, 6, 7]
    assert found.used["height"].iloc[0] == features.elevation[row, col]
    problems = dict(zip(found.rejected["row"], found.rejected["problem"], strict=True))
    assert set(problems) == {1, 2, 3, 4, 8}
    assert problems[1] == "2012-10-01 to 2013-09-30 is not within the weather, 2014-01-01 to 2022-12-31"
    assert "is outside the glacier's rectangle" in problems[2]
    assert problems[3] == "the outline has no cell within 25 m of 3900 m"
    assert problems[4] == "value -1800 m w.e. looks like mm"
    assert problems[8].startswith("2015-01-01 to 2023-01-01 is not within the weather")


def test_stakes_bands_and_whole_glaciers_are_where_they_were_observed(hef):
    rows = {"height": 2913.0}, {"height": 3010.0, "height_range": 50.0}, {"kind": "glacier-wide"}
    found = glacier_site(hef, GlaUnTIMassBalance(hef, model="A"), table(hef, *rows))
    areas, cells = found.site.areas, surface_of(hef).heights
    heights = heights_of(found, hef)
    np.testing.assert_allclose(np.diff(heights), HEIGHT_STEP)
    np.testing.assert_allclose(areas.sum(axis=1), 1.0, rtol=1e-6)
    band = cells[np.abs(cells - 3010.0) <= 25.0]
    np.testing.assert_allclose(areas @ heights, [2913.0, band.mean(), cells.mean()], atol=0.01)
    assert np.flatnonzero(areas[0]).size == 2
    assert np.flatnonzero(areas[1]).size <= 4


def test_weather_starts_years_before_the_first_observation_and_stops_at_the_last(hef):
    late = {"height": 2900.0, "begin": "2021-10-05", "end": "2022-09-20"}
    found = glacier_site(hef, GlaUnTIMassBalance(hef, model="A"), table(hef, late))
    assert [str(found.days[i]) for i in (0, -1)] == ["2016-10-01", "2022-09-20"]
    early = glacier_site(hef, GlaUnTIMassBalance(hef, model="A"), table(hef, {"height": 2900.0}))
    assert [str(early.days[i]) for i in (0, -1)] == ["2014-01-01", "2017-09-30"]
    climate = GlaUnTIMassBalance(hef, model="A").climate
    first = int((found.days[0] - climate.time[0].astype("M8[D]")).astype(int))
    np.testing.assert_array_equal(found.site.temp[0], climate.temp[first : first + found.days.size])
    assert found.site.years == pytest.approx(350 / 365.25)


def test_corrections_are_those_of_the_table_and_change_with_the_mass_balance_year(hef, weights):
    mb_model = GlaUnTIMassBalance(hef, model="C", corrector="yearly")
    found = glacier_site(hef, mb_model, table(hef, {"height": 2900.0}))
    corrections = mb_model.table_inputs.corrections
    np.testing.assert_array_equal(found.site.ds, corrections.at(heights_of(found, hef).astype(np.float64)))
    used = dict(zip(found.days.astype(str), corrections.years[found.site.ds_index], strict=True))
    assert (used["2016-09-30"], used["2016-10-01"], used["2017-09-30"]) == (2016, 2017, 2017)
    assert used["2014-01-01"] == corrections.years[0] == 2015


def test_without_features_the_flowlines_are_the_glacier(hef_gdir):
    found = glacier_site(hef_gdir, GlaUnTIMassBalance(hef_gdir, model="A"), table(hef_gdir, {"kind": "glacier-wide"}))
    lines = hef_gdir.read_pickle("inversion_flowlines")
    heights = np.concatenate([line.surface_h for line in lines])
    widths = np.concatenate([line.widths for line in lines])
    expected = np.average(heights, weights=widths)
    np.testing.assert_allclose(found.site.areas @ heights_of(found, hef_gdir), expected, atol=0.01)
    Path(hef_gdir.get_filepath("inversion_flowlines")).unlink()
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11.00897: neither glaunti_features nor inversion_flowlines"):
        surface_of(hef_gdir)


def test_a_table_of_which_nothing_can_be_used_is_an_error_that_says_why(hef_gdir):
    mb_model = GlaUnTIMassBalance(hef_gdir, model="A")
    with pytest.raises(InvalidParamsError, match=r"none of 1 observations can be used, first: .* not within the weath"):
        glacier_site(
            hef_gdir, mb_model, table(hef_gdir, {"height": 2900.0, "begin": "1990-10-01", "end": "1991-09-30"})
        )
    with pytest.raises(
        InvalidParamsError, match=r"no observations; column glacier has Elsewhere, expected one of \['Hi"
    ):
        glacier_site(hef_gdir, mb_model, table(hef_gdir, {"height": 2900.0}).assign(glacier="Elsewhere"))
