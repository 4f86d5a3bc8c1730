"""The figure of daily water draws what is in the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from oggm_glaunti.graphics import plot_runoff, save_png
from tests.coupling.hydro.worlds import climate, geometry, inputs, source, write_run


@pytest.fixture(scope="module")
def water(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    years = range(2003, 2006)
    folder: Path = tmp_path_factory.mktemp("run")
    path, _ = write_run(folder, geometry(years), [source(inputs(climate(2002, 2005)), [(y,) for y in years])])
    with xr.open_dataset(path) as ds:
        return ds.load().assign_attrs(model="A")


def test_all_that_is_drawn_is_the_files(water, tmp_path):
    measured = pd.Series(1.0, pd.date_range("2003-01-01", "2005-12-31"))
    figure = plot_runoff(water, 2004, measured)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0] == "Days of 2004"
    assert titles[1].startswith("Regime 2003\N{EN DASH}2005")
    snow_line = figure.axes[2].lines[0]
    np.testing.assert_allclose(snow_line.get_ydata(), water.snowline.sel(time="2004"))
    ice = water.ice_melt_on_glacier.groupby("time.year").mean() / 8.64e7
    drawn = [line.get_ydata() for line in figure.axes[3].lines]
    assert any(len(y) == 3 and np.allclose(y, ice) for y in drawn)
    assert save_png(figure, tmp_path / "runoff.png").stat().st_size > 10_000


def test_the_year_with_most_ice_melt_is_drawn_by_default(water):
    most = int(water.ice_melt_on_glacier.groupby("time.year").sum().idxmax())
    assert plot_runoff(water).axes[0].get_title() == f"Days of {most}"


def test_runs_without_dates_count_their_own_years(water):
    undated = water.assign_coords(
        time=xr.date_range("0000-01-01", periods=water.sizes["time"], calendar="proleptic_gregorian", use_cftime=True)
    )
    figure = plot_runoff(undated, 1)
    assert figure.axes[0].get_title() == "Days of 1"
    assert figure.axes[1].get_title().startswith("Regime 0\N{EN DASH}")


def test_what_cannot_be_drawn_says_why(water):
    with pytest.raises(ValueError, match="expected a year from 2003 to 2005, found 1990"):
        plot_runoff(water, 1990)
    unsplit = water.drop_vars("snow_bucket").assign_attrs(without_snow_and_ice="snow does not conserve mass")
    with pytest.raises(ValueError, match="does not conserve mass"):
        plot_runoff(unsplit)
