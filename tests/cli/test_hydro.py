"""``oggm-glaunti hydro``."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from oggm_glaunti.analysis import read_daily_hydro
from oggm_glaunti.cli.main import main
from tests.glaciers import ALETSCH


@pytest.fixture
def directory(aletsch_gdir, oggm_env):
    return next(path.parent for path in oggm_env.rglob("per_glacier"))


def run(directory, out, *more):
    chosen = ["--model", "A", "--years", "2003", "2004"]
    return main(["hydro", str(directory), "--out", str(out), *chosen, *map(str, more)])


def test_water_of_units_as_a_table_and_a_figure(directory, aletsch_gdir, tmp_path, capsys):
    grid = aletsch_gdir.grid
    corners = grid.x_coord[20], grid.y_coord[120], grid.x_coord[150], grid.y_coord[20]
    gpd.GeoDataFrame({"name": ["north"]}, geometry=[box(*corners)], crs=grid.proj.srs).to_file(tmp_path / "u.gpkg")
    out = tmp_path / "out"
    assert run(directory, out, "--units", tmp_path / "u.gpkg", "--routing", 5) == 0
    water = read_daily_hydro(aletsch_gdir)
    assert water.unit.values.tolist() == ["north"]
    assert water.attrs["variant"] == "mass_conserving"
    table = pd.read_csv(out / f"{ALETSCH}_hydro.csv", index_col="time")
    np.testing.assert_allclose(table["discharge"], water.discharge.sum("unit"), rtol=1e-4)
    assert (out / f"{ALETSCH}_hydro.png").exists()
    assert "ice_melt_on_glacier" in capsys.readouterr().out


def test_the_published_day_is_said_to_lack_the_parts(directory, tmp_path, capsys):
    assert run(directory, tmp_path / "out", "--variant", "smooth") == 0
    printed = capsys.readouterr().out
    assert "does not conserve mass" in printed
    assert "melt_on_glacier" in printed
    assert not list((tmp_path / "out").glob("*.png"))


def test_mistakes_are_one_line(directory, tmp_path, capsys):
    assert run(directory, tmp_path / "out", "--units", tmp_path / "none.gpkg") == 2
    assert run(directory, tmp_path / "out", "--discharge", tmp_path / "none.csv") == 2
    assert run(directory, tmp_path / "out", "--refreezing", "woodward", "--debris") == 2
    errors = capsys.readouterr().err
    assert "none.gpkg: cannot be read as polygons" in errors
    assert "glaunti_debris.json is missing; run process_debris" in errors
    assert "none.csv: cannot be read as a CSV table" in errors
