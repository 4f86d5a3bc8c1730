"""Tables of scores: those of the paper from the paper's predictions, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oggm_glaunti.fit.evaluation import predictions as evaluation

HEAD = "glacier,kind,season,year,true,pred_a,pred_own\n"


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "reference"


@pytest.fixture(scope="module")
def predictions(reference: Path) -> pd.DataFrame:
    return evaluation.read_predictions(reference / "test_glaciers_true_pred.csv")


@pytest.fixture
def write(tmp_path: Path):
    def written(*lines: str, head: str = HEAD) -> Path:
        path = tmp_path / "predictions.csv"
        path.write_text(head + "".join(f"{line}\n" for line in lines), "utf-8")
        return path

    return written


# --- the paper ---


def test_the_paper_s_pooled_scores_are_reproduced(predictions, reference):
    table = pd.read_csv(reference / "paper_table.csv")
    differences = evaluation.largest_differences(evaluation.pooled_scores(predictions), table)
    assert (differences.pop("n"), differences.pop("n_dropped")) == (0, 0)
    assert max(differences.values()) < 1e-5


def test_the_paper_s_scores_of_single_glaciers_are_reproduced(predictions, reference):
    table = pd.read_csv(reference / "per_glacier_table.csv")
    differences = evaluation.largest_differences(evaluation.scores_per_glacier(predictions), table)
    assert (differences.pop("n"), differences.pop("n_dropped")) == (0, 0)
    assert max(differences.pop("pearson_r"), differences.pop("skill_vs_mean_r2")) < 2e-4
    assert max(differences.values()) < 1e-5


def test_a_single_observation_leaves_r_and_skill_blank(predictions):
    table = evaluation.scores_per_glacier(predictions)
    blank = table[table["skill_vs_mean_r2"].isna()]
    assert set(blank["glacier"]) == {"Stubacher Sonnblick K"}
    assert set(blank["n"]) == {1}
    assert blank["pearson_r"].isna().all()


def test_files_have_the_columns_and_rows_of_the_paper_s_in_their_order(predictions, reference, tmp_path):
    written = evaluation.write_scores(predictions, tmp_path / "new", "the paper's predictions")
    for name, other, keys in (
        ("scores.csv", "paper_table.csv", ["model", "kind", "season", "n"]),
        ("scores_per_glacier.csv", "per_glacier_table.csv", ["glacier", "kind", "season", "model", "n"]),
    ):
        ours, theirs = pd.read_csv(written[name]), pd.read_csv(reference / other)
        assert list(ours.columns) == list(theirs.columns)
        pd.testing.assert_frame_equal(ours[keys], theirs[keys])
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(written)


def test_the_json_file_has_every_score_and_the_p_values(predictions, tmp_path):
    path = evaluation.write_scores(predictions, tmp_path, "the paper's predictions")["scores.json"]
    about = json.loads(path.read_text("utf-8"))
    assert (len(about["pooled"]), len(about["glaciers"])) == (24, 236)
    row = next(r for r in about["pooled"] if (r["model"], r["kind"], r["season"]) == ("B", "glacier-wide", "annual"))
    assert row["p"] == pytest.approx(8.1e-9, rel=0.01)
    assert [r["p"] for r in about["glaciers"] if r["n"] == 1] == [None] * 8


# --- any table ---


def test_missing_predictions_are_left_out_of_their_model_only_and_counted(write):
    path = write("x,point,annual,2001,1,1,", "x,point,annual,2002,2,3,2.5", "x,point,annual,2003,NaN,3,4")
    table = evaluation.pooled_scores(evaluation.read_predictions(path)).set_index("model")
    assert table.loc["A", ["n", "n_dropped", "bias"]].tolist() == [2, 1, 0.5]
    assert table.loc["own", ["n", "n_dropped", "bias"]].tolist() == [1, 2, 0.5]
    text = evaluation.format_scores(table.reset_index())
    assert "point, annual (m w.e.)" in text
    assert [line.split()[-3] for line in text.splitlines()[2:]] == ["1", "2"]


def test_blocks_come_in_the_order_of_the_paper_whatever_the_order_of_the_rows(write):
    rows = [f"x,{kind},{season},2001,1,1,1" for kind in ("glacier-wide", "point") for season in ("summer", "annual")]
    table = evaluation.pooled_scores(evaluation.read_predictions(write(*rows)))
    found = list(table[["kind", "season"]].drop_duplicates().itertuples(index=False, name=None))
    assert found == [("point", "annual"), ("point", "summer"), ("glacier-wide", "annual"), ("glacier-wide", "summer")]


BAD_LINES = {
    "x,stake,annual,2001,1,1,1": "line 3: kind 'stake'; expected one of point, glacier-wide, geodetic",
    "x,point,spring,2001,1,1,1": "line 3: season 'spring'; expected one of annual, winter, summer, free",
    "x,point,annual,2001,about 1,1,1": "line 3: true is 'about 1'; expected a number",
    "x,point,annual,2001,1,inf,1": "line 3: pred_a is 'inf'; expected a number",
    "x,point,annual,2001.5,1,1,1": "line 3: year is '2001.5'; expected a whole number",
}


@pytest.mark.parametrize(("line", "message"), BAD_LINES.items())
def test_a_line_that_cannot_be_used_is_named(write, line, message):
    with pytest.raises(ValueError, match=message):
        evaluation.read_predictions(write("x,point,annual,2001,1,1,1", line))


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("glacier,kind,year,true,pred_a\n", "no column season; found glacier, kind, year, true, pred_a"),
        ("glacier,kind,season,year,true\n", "no column pred_<model>"),
        ("", "not a CSV table"),
    ],
)
def test_a_table_without_the_columns_is_refused(write, head, message):
    with pytest.raises(ValueError, match=message):
        evaluation.read_predictions(write(head=head))


def test_written_predictions_are_read_back(write, tmp_path):
    table = evaluation.read_predictions(write("x, point,annual,2001,1.123456,,-0.5"))
    again = evaluation.read_predictions(evaluation.write_predictions(table, tmp_path / "again.csv"))
    pd.testing.assert_frame_equal(again, table.round(5))


def test_a_glacier_called_na_keeps_its_name(write):
    table = evaluation.scores_per_glacier(evaluation.read_predictions(write("NA,point,annual,2001,1,1,1")))
    assert set(table["glacier"]) == {"NA"}


def test_tables_that_differ_in_a_blank_differ_infinitely(predictions):
    table = evaluation.scores_per_glacier(predictions)
    other = table.assign(bias=table["bias"].mask(table.index == 3))
    assert evaluation.largest_differences(other, table)["bias"] == np.inf
    with pytest.raises(ValueError, match="1 rows are in one of the two only"):
        evaluation.largest_differences(table.iloc[1:], table)


def test_a_killed_writer_leaves_the_old_file(predictions, tmp_path, monkeypatch):
    old = evaluation.write_scores(predictions, tmp_path, "old")["scores.csv"].read_bytes()

    def refuse(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(evaluation.os, "replace", refuse)
    with pytest.raises(OSError, match="no space"):
        evaluation.write_scores(predictions.iloc[:100], tmp_path, "new")
    assert (tmp_path / "scores.csv").read_bytes() == old
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "scores.json", "scores_per_glacier.csv"]
