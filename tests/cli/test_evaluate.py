"""``oggm-glaunti evaluate`` and ``oggm-glaunti infer``: files, streams, exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from oggm_glaunti import shop
from oggm_glaunti.cli.main import main
from oggm_glaunti.core.glaunti import GlaUnTI
from oggm_glaunti.core.weights import embedded_a, physical_values, ti_from_physical
from tests.core import worlds
from tests.fit.synthetic import write_dataset
from tests.fit.valleys import Valley, targets

PREDICTIONS = "glacier,kind,season,year,true,pred_a\nIce,point,annual,2001,1.0,1.5\nIce,point,annual,2002,-2,-1.5\n"
TABLES = {"scores.csv", "scores_per_glacier.csv", "scores.json"}


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    path = tmp_path / "predictions.csv"
    path.write_text(PREDICTIONS)
    return path


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that opens as two glaciers in memory."""
    seen = {2001: {"annual": targets([10], [8], [-1.0], glacier=-0.5), "winter": targets(glacier=1.0)}}
    one, other = Valley("One Glacier", years=(2001,), targets=seen), Valley("Other", years=(2001,), targets=seen)
    for valley, fold in ((one, 0), (other, 3)):
        valley.fold, valley.problems, valley.left_out = fold, (), {}
    one.left_out = {"stake with the code index": 4}
    monkeypatch.setattr("oggm_glaunti.fit.data.files.read_dataset", lambda folder: ([one, other], []))
    return tmp_path


# --- predictions of a file ---


@pytest.mark.slow
def test_the_paper_s_tables_come_out_of_the_paper_s_predictions(shared, tmp_path, capsys):
    reference = shared / "reference"
    file = reference / "test_glaciers_true_pred.csv"
    arguments = ["--predictions", str(file), "--reference", str(reference), "--no-figures"]
    assert main(["evaluate", *arguments, "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "largest differences from paper_table.csv: n 0.0e+00" in out
    assert out.splitlines()[-1] == "within rounding"
    ours, paper = pd.read_csv(tmp_path / "scores.csv"), pd.read_csv(reference / "paper_table.csv")
    pd.testing.assert_frame_equal(ours, paper, rtol=0, atol=1e-5)


def test_tables_are_written_and_the_scores_printed(predictions, tmp_path, capsys):
    assert main(["evaluate", "--predictions", str(predictions), "--out", str(tmp_path / "out"), "--no-figures"]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == TABLES
    assert "point, annual (m w.e.)" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["source"] == "predictions.csv"


def test_figures_lie_beside_the_tables(predictions, tmp_path):
    assert main(["evaluate", "--predictions", str(predictions), "--out", str(tmp_path / "out")]) == 0
    figures = {path.name for path in (tmp_path / "out").iterdir()} - TABLES
    assert figures == {"scatter_point.png", "residuals_point.png", "residuals_by_glacier_point.png"}


def test_tables_that_differ_from_the_reference_exit_1(predictions, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["evaluate", "--predictions", str(predictions), "--out", str(out), "--no-figures"]
    assert main(arguments) == 0
    for ours, name in (("scores.csv", "paper_table.csv"), ("scores_per_glacier.csv", "per_glacier_table.csv")):
        table = pd.read_csv(out / ours)
        table.assign(bias=table["bias"] + 0.001).to_csv(tmp_path / name, index=False)
    assert main([*arguments, "--reference", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "beyond rounding"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("glacier,kind\n", "no column season"),
        (PREDICTIONS + "Ice,stake,annual,2001,1,1\n", "line 4: kind 'stake'"),
        (PREDICTIONS.splitlines()[0] + "\n", "no observation to score"),
        (PREDICTIONS.splitlines()[0] + "\nIce,point,annual,2001,1,1,1\n", "more values in a row than the 6 columns"),
    ],
)
def test_a_file_that_cannot_be_used_exits_2_with_one_line(predictions, tmp_path, capsys, text, message):
    predictions.write_text(text)
    assert main(["evaluate", "--predictions", str(predictions), "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_a_missing_file_exits_2(tmp_path, capsys):
    assert main(["evaluate", "--predictions", str(tmp_path / "no.csv"), "--out", str(tmp_path)]) == 2
    assert "no.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--data", "x"], "--data goes with --model"), (["--predictions", "x.csv", "--model", "a"], "go with --data")],
)
def test_options_that_do_not_go_together_exit_2(arguments, message, tmp_path, capsys):
    assert main(["evaluate", *arguments, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_scoring_a_file_does_not_import_jax(predictions, tmp_path):
    arguments = ["evaluate", "--predictions", str(predictions), "--out", str(tmp_path / "out")]
    code = f"""
import sys
from oggm_glaunti.cli.main import main
assert main({arguments!r}) == 0
print("jax" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


# --- a data set ---


@pytest.mark.slow
def test_a_model_is_scored_on_the_test_glaciers_of_a_data_set(data, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["evaluate", "--model", "a", "--data", str(data), "--out", str(out), "--no-figures"]) == 0
    table = pd.read_csv(out / "predictions.csv")
    assert list(table.columns) == ["glacier", "kind", "season", "year", "true", "pred_a"]
    assert set(table["glacier"]) == {"One Glacier"}
    assert pd.read_csv(out / "scores.csv")["n"].tolist() == [1, 1, 1]
    printed = capsys.readouterr().out
    assert "left out: One Glacier: 4 x stake with the code index" in printed
    assert "Model A (embedded), glaciers to predict: 1" in printed


def test_folds_choose_the_glaciers(data, tmp_path, capsys):
    arguments = ["evaluate", "--model", "a", "--data", str(data), "--no-figures"]
    assert main([*arguments, "--out", str(tmp_path / "out"), "--folds", "0", "3"]) == 0
    assert set(pd.read_csv(tmp_path / "out" / "predictions.csv")["glacier"]) == {"One Glacier", "Other"}
    assert main([*arguments, "--out", str(tmp_path / "none"), "--folds", "1"]) == 2
    assert "no glacier in fold 1" in capsys.readouterr().err


def test_weights_of_one_s_own_are_used(data, tmp_path):
    values = {name: value["value"] for name, value in physical_values(embedded_a().ti).items()}
    warmer = GlaUnTI(ti_from_physical({**values, "ddf_snow": 0.006}), None, "A")
    weights = shop.save_model(warmer, tmp_path / "own.eqx", training_data="none")
    for name, extra in (("published", []), ("own", ["--weights", str(weights)])):
        arguments = ["evaluate", "--model", "a", "--data", str(data), "--out", str(tmp_path / name), "--no-figures"]
        assert main([*arguments, *extra]) == 0
    published, own = (pd.read_csv(tmp_path / name / "predictions.csv")["pred_a"] for name in ("published", "own"))
    assert (own - published).abs().max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("daily", [False, True])
def test_infer_writes_a_file_per_glacier(data, tmp_path, capsys, daily):
    out = tmp_path / "out"
    assert main(["infer", "--model", "a", "--data", str(data), "--out", str(out), *(["--daily"] if daily else [])]) == 0
    prefix = "smb_daily" if daily else "smb"
    assert {path.name for path in out.iterdir()} == {f"{prefix}_One_Glacier.nc", f"{prefix}_Other.nc"}
    with xr.open_dataset(out / f"{prefix}_One_Glacier.nc") as ds:
        assert ds.sizes["time"] == (366 if daily else 1)
        assert ds.model == "A"
    assert "One Glacier: 2001 to 2001 in" in capsys.readouterr().out


def test_infer_takes_glaciers_by_name_and_model_b(data, tmp_path, capsys):
    weights = shop.save_model(worlds.model("B"), tmp_path / "own_b.eqx", training_data="none")
    arguments = [
        "infer",
        "--model",
        "b",
        "--weights",
        str(weights),
        "--data",
        str(data),
        "--out",
        str(tmp_path / "out"),
    ]
    assert main([*arguments, "--glacier", "Other"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["smb_Other.nc"]
    assert main([*arguments, "--glacier", "Nowhere"]) == 2
    assert "no glacier Nowhere; there are One Glacier, Other" in capsys.readouterr().err


def test_a_folder_that_is_not_there_exits_2(tmp_path, capsys):
    assert main(["infer", "--model", "a", "--data", str(tmp_path / "no"), "--out", str(tmp_path / "out")]) == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_the_true_model_reproduces_the_stakes_of_a_data_set_on_disk(tmp_path, capsys):
    made = write_dataset(tmp_path / "data", n_glaciers=3, years=(1995, 1995), noise=0.0, sides=(20, 20))
    names = {path.name for path in made.folder.iterdir() if path.is_dir()}
    fixed = {name: value["value"] for name, value in physical_values(embedded_a().ti).items()}
    true = GlaUnTI(ti_from_physical({**fixed, **made.truth}), None, "A")
    weights = shop.save_model(true, tmp_path / "true.eqx", training_data="none")
    arguments = ["--model", "a", "--weights", str(weights), "--data", str(made.folder)]
    folds = ["--folds", "0", "1", "2", "3"]
    assert main(["evaluate", *arguments, *folds, "--no-figures", "--out", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out" / "scores.csv").set_index(["kind", "season"])
    # The file has the balances in millimetres.
    assert (table.loc["point", "rmse"] < 1e-3).all()
    assert (table.loc["glacier-wide", "rmse"] < 0.15).all()
    assert set(pd.read_csv(tmp_path / "out" / "predictions.csv")["glacier"]) == names
    assert "left out: " in capsys.readouterr().out

    name = sorted(names)[0]
    assert main(["infer", *arguments, "--glacier", name, "--daily", "--out", str(tmp_path / "maps")]) == 0
    (path,) = (tmp_path / "maps").iterdir()
    with xr.open_dataset(path) as ds:
        assert ds.glacier == name
        assert ds["smb"].attrs["grid_mapping"] == "crs"
        assert np.diff(ds["time"]).tolist() == [86_400_000_000_000] * (ds.sizes["time"] - 1)
        assert ds["smb_glacier"].notnull().all()
