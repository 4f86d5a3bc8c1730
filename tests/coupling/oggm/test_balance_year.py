"""One rule for hemisphere and balance year: OGGM's, for directories, rows of tables and folders of data sets alike."""

import doctest

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from oggm_glaunti.coupling.gridded.periods import default_period
from oggm_glaunti.coupling.oggm import balance_year
from oggm_glaunti.coupling.oggm.balance_year import (
    FIRST_MONTH,
    WINTER_MONTHS,
    balance_year_of,
    hemisphere_of,
    is_southern,
    months_of_year,
)
from oggm_glaunti.coupling.oggm.rgi_ids import region_of
from oggm_glaunti.fit.readers import read_csv

# id, longitude and latitude; the first five are of region 16, three of them north of the equator
GLACIERS = {
    "Zongo, Bolivia": ("RGI60-16.00543", -68.14, -16.25),
    "Antizana, Ecuador": ("RGI60-16.01339", -78.14, -0.48),
    "Nevado del Ruiz, Colombia": ("RGI60-16.00001", -75.32, 4.89),
    "Citlaltepetl, Mexico": ("RGI60-16.02207", -97.27, 19.03),
    "Stanley, Uganda": ("RGI60-16.02208", 29.87, 0.38),
    "Grosser Aletsch": ("RGI60-11.01450", 8.02, 46.5),
    "Yulong, China": ("RGI60-15.00001", 100.18, 27.1),
    "San Rafael, Chile": ("RGI60-17.15808", -73.6, -46.7),
}
SOUTHERN = {name for name, (rgi_id, *_) in GLACIERS.items() if region_of(rgi_id) >= 16}


def directory(rgi_id, lon, lat):
    import geopandas as gpd
    import oggm
    from oggm import utils

    outline = gpd.GeoDataFrame(geometry=[box(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01)], crs="EPSG:4326")
    entity = utils.cook_rgidf(outline, o1_region=rgi_id[6:8], bgndate="20009999").iloc[0]
    entity["RGIId"] = rgi_id
    return oggm.GlacierDirectory(entity)


def rows_of(tmp_path, **columns):
    """What the reader makes of a balance of 2015 of every glacier, without dates."""
    names = list(GLACIERS)
    table = pd.DataFrame({"kind": "glacier-wide", "season": "annual", "year": 2015, "value": -0.5}, index=names)
    table.assign(begin="", end="", **columns).to_csv(tmp_path / "rows.csv", index=False)
    read = read_csv(tmp_path / "rows.csv", default_dates=True)
    assert read.rejected.empty
    return read.observations.set_index(pd.Index(names))


def test_the_examples_are_true():
    assert doctest.testmod(balance_year).failed == 0


@pytest.mark.parametrize("name", GLACIERS)
def test_the_hemisphere_is_that_of_oggms_directory(oggm_env, name):
    rgi_id, lon, lat = GLACIERS[name]
    gdir = directory(rgi_id, lon, lat)
    assert hemisphere_of(gdir.cenlat, float(gdir.rgi_region)) == gdir.hemisphere
    assert hemisphere_of(lat) == gdir.hemisphere  # where the region is not known
    assert (gdir.hemisphere == "sh") == (name in SOUTHERN)


@pytest.mark.parametrize("known", [("id",), ("lat",), ("id", "lat")])
def test_nominal_dates_of_rows_are_those_of_their_glaciers_mass_balance_year(tmp_path, known):
    ids, lons, lats = zip(*GLACIERS.values(), strict=True)
    # Bands and points of the WGMS have a name and a place, balances of glaciers an id.
    columns = {
        "glacier": ids if "id" in known else list(GLACIERS),
        **({"lat": lats, "lon": lons} if "lat" in known else {}),
    }
    rows = rows_of(tmp_path, **columns)
    for name, row in rows.iterrows():
        period = default_period(2015, "sh" if name in SOUTHERN else "nh")
        assert (row["begin"], row["end"]) == (pd.Timestamp(period.begin), pd.Timestamp(period.end))
    assert str(rows.loc["Nevado del Ruiz, Colombia", "begin"].date()) == "2014-04-01"


def test_a_row_of_neither_place_nor_id_is_of_the_hemisphere_that_the_reader_is_told():
    assert is_southern([np.nan] * 3, [np.nan, 0, 11], otherwise=True).tolist() == [True, True, False]
    assert not is_southern(np.nan)
    assert is_southern(-10.0, 0)
    assert not is_southern(10.0, 0)  # an invented glacier, as in OGGM


@pytest.mark.parametrize(
    ("hemisphere", "first", "winter_ends", "last"),
    [("nh", "2014-10-01", "2015-04-30", "2015-09-30"), ("sh", "2014-04-01", "2014-10-31", "2015-03-31")],
)
def test_years_seasons_and_months_fit_together(hemisphere, first, winter_ends, last):
    period = default_period(2015, hemisphere)
    assert (str(period.begin), str(period.end)) == (first, last)
    days = np.arange(first, np.datetime64(last) + 1, dtype="M8[D]")
    assert set(balance_year_of(days, FIRST_MONTH[hemisphere])) == {2015}
    assert set(balance_year_of(days[[0, -1]] + [-1, 1], FIRST_MONTH[hemisphere])) == {2014, 2016}
    months = days.astype("M8[M]").astype(int) % 12 + 1
    winter = days[np.isin(months, months_of_year(hemisphere)[:WINTER_MONTHS])]
    assert (str(winter[0]), str(winter[-1])) == (first, winter_ends)
