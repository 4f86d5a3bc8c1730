"""``oggm-glaunti train`` and ``finetune``: what they print, and their exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from oggm_glaunti import shop
from oggm_glaunti.cli.main import main
from oggm_glaunti.cli.train import read_start
from oggm_glaunti.core.weights import embedded_a

from ..fit.synthetic import write_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, n_glaciers=5, years=(1999, 2000), sides=(20, 20), spin_up=False)
    return folder


def command(verb: str, data: Path, out: Path, *more: str) -> list[str]:
    return [verb, "--data", str(data), "--out", str(out), "--quiet", *more]


@pytest.mark.slow
def test_train_then_finetune_in_one_folder(oggm_env, data, tmp_path, capsys):
    train = command("train", data, tmp_path, "--model", "a", "--learning-rate", "0.02")
    assert main([*train, "--epochs", "3"]) == 0
    assert f"{tmp_path / 'a.eqx'}: epoch 3 of 3, validation error" in capsys.readouterr().out
    assert main([*train, "--epochs", "4"]) == 2
    assert "a_checkpoint.npz: there is such a training already" in (err := capsys.readouterr().err)
    assert err.count("\n") == 1
    assert main([*train, "--epochs", "4", "--resume"]) == 0
    assert "epoch 4 of 4" in capsys.readouterr().out
    assert shop.load("A", tmp_path / "a.eqx").sha256
    finetune = command("finetune", data, tmp_path, "--model", "a", "--glacier", "Ice cap 00", "--epochs", "2")
    assert main([*finetune, "--train-to", "1999", "--validate-to", "1999"]) == 0
    out = capsys.readouterr().out
    assert "a_finetuned_Ice cap 00.eqx: epoch 2 of 2" in out
    assert "test years, annual: RMSE" in out


@pytest.mark.slow
def test_c_without_an_a_says_how_to_get_one(oggm_env, data, tmp_path, capsys):
    assert main(command("train", data, tmp_path, "--model", "c")) == 2
    assert "begins with weights of A" in (err := capsys.readouterr().err)
    assert "--from" in err
    assert err.count("\n") == 1


def test_an_unknown_glacier_is_answered_with_the_names_there_are(oggm_env, data, tmp_path, capsys):
    assert main(command("finetune", data, tmp_path, "--model", "a", "--glacier", "Rhone")) == 2
    assert "expected one of Ice cap 00, Ice cap 03, Valley 01, Valley 02, Valley 04; found 'Rhone'" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_folder_without_data_is_said_in_one_line(oggm_env, tmp_path, capsys):
    assert main(command("train", tmp_path, tmp_path / "out", "--model", "a")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_weights_of_another_model_cannot_be_begun_with(tmp_path):
    path = shop.save_model(embedded_a(), tmp_path / "a.eqx", "none")
    assert read_start(path, "C").name == "A"
    with pytest.raises(ValueError, match=r"model D cannot begin with .*a\.eqx; as D: .* as C: "):
        read_start(path, "D")


def test_a_temperature_index_that_is_not_frozen_cannot_be_unfrozen(oggm_env, data, tmp_path, capsys):
    assert main(command("train", data, tmp_path, "--model", "a", "--unfreeze-ti")) == 2
    assert "--unfreeze-ti is for C and D" in capsys.readouterr().err
