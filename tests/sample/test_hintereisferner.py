"""The sample glacier: its files are what the sources hold, they are installed, and OGGM can use the directory."""

from __future__ import annotations

import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio

from oggm_glaunti import sample
from oggm_glaunti.sample.hef_files import FILES, FOLDER
from tests.sample.make_hintereisferner import BAND_YEARS, MAKERS


@pytest.fixture(scope="module")
def made(shared, tmp_path_factory) -> Path:
    """The folder, made again."""
    folder = tmp_path_factory.mktemp("hintereisferner")
    for make in MAKERS:
        make(folder, shared)
    return folder


@pytest.mark.parametrize("name", ["weather.csv", "observations.csv"])
def test_tables_are_made_again_to_the_letter(made, name):
    assert (made / name).read_text("utf-8") == sample.path(name).read_text("utf-8")


def test_outline_and_heights_are_made_again(made):
    again, kept = (gpd.read_file(folder / "outline.geojson") for folder in (made, FOLDER))
    assert again.geometry.iloc[0].equals_exact(kept.geometry.iloc[0], 0.0)
    pd.testing.assert_frame_equal(again.drop(columns="geometry"), kept.drop(columns="geometry"))
    with rasterio.open(made / "dem.tif") as again, rasterio.open(sample.path("dem.tif")) as kept:
        assert again.transform == kept.transform
        np.testing.assert_array_equal(again.read(1), kept.read(1))


def test_weather_is_that_of_the_published_comparison(shared):
    weather = pd.read_csv(sample.path("weather.csv"), index_col="date", parse_dates=True)
    with np.load(shared / "reference" / "hef_real.npz") as npz:
        days = pd.DatetimeIndex(npz["forcing_dates"])
        temp, prcp = (pd.Series(npz[name], days).reindex(weather.index) for name in ("forcing_temp", "forcing_prcp_m"))
    assert np.abs(weather["temp"] - temp).max() < 0.001  # K; interpolated days are rounded
    np.testing.assert_allclose(weather["prcp"], 1000 * prcp, atol=1e-9)


def test_what_is_there_is_installed_and_small():
    config = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    (pattern,) = config["tool"]["setuptools"]["package-data"]["oggm_glaunti.sample"]
    installed = {path.name for path in FOLDER.parent.glob(pattern)}
    assert installed == set(FILES)
    assert sum(sample.path(name).stat().st_size for name in FILES) < 2.5e6


def test_observations_are_what_fits_take():
    from oggm_glaunti.fit import check_observations

    table = sample.observations()
    good, rejected = check_observations(table)[:2]
    assert len(good) == len(table)
    assert rejected.empty
    bands = table[table["kind"] == "point"]
    assert set(bands["end"].dt.year) == set(range(BAND_YEARS[0], BAND_YEARS[1] + 1))
    whole = table[table["kind"] == "glacier-wide"].pivot_table(index="end", columns="season", values="value")
    assert whole.loc["2019-09-30", "annual"] == pytest.approx(-0.68)
    (geodetic,) = table.loc[table["kind"] == "geodetic", "value"] / 20
    # The mean of the glaciological balances of the same years, measured on the ground.
    measured = whole.loc["2000":"2019", "annual"].dropna()
    assert len(measured) == 20
    assert geodetic == pytest.approx(measured.mean(), abs=0.1718)


def test_another_name_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"'dem\.tiff' is no file of the sample glacier, expected one of outline"):
        sample.path("dem.tiff")
