"""``oggm-glaunti invert``, ``attribute``, ``uncertainty`` and ``measure``: files, streams, exit status."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from oggm_glaunti.cli.main import main
from tests.glaciers import ALETSCH

CHOSEN = ["--model", "A", "--uncalibrated"]


@pytest.fixture
def directory(aletsch_gdir, oggm_env):
    from oggm_glaunti import tasks as gtasks

    gtasks.glaunti_features(aletsch_gdir)
    return next(path.parent for path in oggm_env.rglob("per_glacier"))


def run(verb, directory, out, *more):
    return main([verb, str(directory), "--out", str(out), *CHOSEN, *more])


@pytest.mark.slow
def test_each_verb_leaves_its_tables_fields_and_figures(directory, tmp_path, capsys):
    out = tmp_path / "out"
    before = {path for path in directory.rglob("*") if path.is_file()}
    assert run("invert", directory, out, "--years", "2019", "2020", "--glacier", ALETSCH) == 0
    assert run("attribute", directory, out, "--year", "2003", "--reference", "2000", "2005") == 0
    assert run("uncertainty", directory, out, "--years", "2019", "2020", "--sigma-temp", "1.0") == 0
    assert run("measure", directory, out, "--years", "2019", "2020", "--n-best", "2") == 0
    both = tmp_path / "both"
    assert run("uncertainty", directory, both, "--years", "2019", "2020", "--sigma-temp", "1.0", "--weather") == 0
    assert run("measure", directory, both, "--years", "2019", "2020", "--correlation-days", "30") == 0
    printed = capsys.readouterr().out
    for words in (
        "; not counted: weather ",
        "errors of the model, as expected, not estimated: ",
        "dT -",
        "m w.e. K-1",
        "difference -",
        "not accounted for",
        "±",
        "1. ",
    ):
        assert words in printed
    change = pd.read_csv(out / f"{ALETSCH}_change.csv", index_col=0)
    assert change.loc["dT", "value"] < -0.5
    made = xr.open_dataset(out / f"{ALETSCH}_2003.nc")
    assert float(made.temp.sum()) < -0.3
    spread = xr.open_dataset(out / f"{ALETSCH}_uncertainty.nc")
    assert spread.attrs["sigma_temp"] == 1.0
    assert 0.0 < float(spread.sd[-1]) < 2.0
    counted = xr.open_dataset(both / f"{ALETSCH}_uncertainty.nc")
    assert float(counted.sd[-1]) == pytest.approx(np.hypot(float(spread.sd[-1]), float(spread.sd_weather[-1])))
    measured = [xr.open_dataset(where / f"{ALETSCH}_measure.nc") for where in (out, both)]
    assert [float(ds.attrs["sigma_temp"]) for ds in measured] == [0.0, pytest.approx(1.5889, abs=1e-3)]
    assert float(measured[0].sd) < float(measured[1].sd)
    assert len(pd.read_csv(out / f"{ALETSCH}_measure.csv")) == 2
    figures = {path.name for path in out.glob("*.png")}
    assert figures == {
        f"{ALETSCH}_sensitivity.png",
        f"{ALETSCH}_2003.png",
        f"{ALETSCH}_uncertainty.png",
        f"{ALETSCH}_measure.png",
    }
    after = {path for path in directory.rglob("*") if path.is_file()}
    assert {path for path in after - before if out not in path.parents} == set()


def test_a_glacier_that_is_not_there_is_named_with_those_that_are(directory, tmp_path, capsys):
    assert run("invert", directory, tmp_path / "out", "--glacier", "RGI60-11.99999") == 2
    assert f"expected RGI60-11.99999, found 1 glaciers, {ALETSCH}" in capsys.readouterr().err


def test_a_folder_without_glaciers_is_an_error_of_one_line(tmp_path, capsys):
    assert run("uncertainty", tmp_path, tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert "expected per_glacier/, found no glacier directories" in error
    assert error.count("\n") == 1


def test_years_beyond_the_record_are_an_error_and_leave_no_files(directory, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("measure", directory, out, "--years", "2019", "2050") == 2
    assert "hydrological years" in capsys.readouterr().err
    assert not out.exists()
