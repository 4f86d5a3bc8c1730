"""``oggm-glaunti meltwater``: train, predict and evaluate on the layout of the benchmark, a season of a glacier."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from oggm_glaunti import tasks
from oggm_glaunti.cli import directories
from oggm_glaunti.cli.main import main
from oggm_glaunti.companions.meltwater.bench import LAYERS, write_bench
from oggm_glaunti.companions.meltwater.network_file import read_network
from tests.companions.meltwater.worlds import small_stack

LAYER = ("--layers", "water")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_bench(tmp_path, *small_stack())
    return tmp_path


@pytest.mark.slow
def test_train_evaluate_and_predict(root, capsys):
    options = ("--epochs", "1", "--width", "4", "--levels", "2", "--crop", "16")
    assert main(["meltwater", "train", str(root), *LAYER, *options]) == 0
    said = capsys.readouterr().out
    assert "epoch 1: loss 0." in said
    assert "network.npz: validation Brier 0." in said
    assert main(["meltwater", "evaluate", str(root), *LAYER]) == 0
    rows = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert {"nothing melts", "climatology", "window 3+3", "decaying window", "unet"} <= set(rows)
    trained = read_network(root / "glaunti" / "network.npz")
    assert trained.network.levels == 2
    wet_above = trained.wet_above
    assert f"unet above {wet_above:.4g}" in rows
    assert main(["meltwater", "predict", str(root), *LAYER]) == 0
    with xr.open_dataset(root / "glaunti" / "meltwater.nc") as maps:
        stack, _ = small_stack()
        assert maps.melt_probability.wet_above == pytest.approx(wet_above)
        assert maps.time.size == stack.time.size
        np.testing.assert_array_equal(np.isfinite(maps.melt_probability).all("time"), stack.valid)
    # A network is refused for other layers, in one line.
    assert main(["meltwater", "predict", str(root), "--layers"]) == 2
    assert "predictors: trained with" in capsys.readouterr().err


def test_mistakes_are_told_in_a_line(root, tmp_path, capsys):
    assert main(["meltwater", "evaluate", str(root), *LAYER]) == 2
    assert "network.npz" in capsys.readouterr().err
    (next((root / LAYERS["water"]).glob("2018_06_03.tif"))).unlink()
    assert main(["meltwater", "train", str(root), *LAYER]) == 2
    assert "lacks 1 of" in capsys.readouterr().err
    assert main(["meltwater", "train", str(tmp_path / "nothing"), *LAYER]) == 2
    assert "found none" in capsys.readouterr().err


@pytest.mark.slow
def test_a_season_of_a_working_directory(hef, capsys):
    from oggm import cfg

    folder = cfg.PATHS["working_dir"]
    assert main(["meltwater", "season", folder, "--years", "2014", "2014", "--model", "A", "-q"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("RGI60-11.00897\n")
    assert "melt_volume" in said
    assert hef.has_file("glaunti_meltwater")


@pytest.mark.parametrize(("hemisphere", "until"), [("nh", 2019), ("sh", 2020)])
def test_southern_seasons_have_the_days_of_two_calendar_years(monkeypatch, capsys, hemisphere, until):
    asked = {}
    gdir = SimpleNamespace(rgi_id="RGI60-18.02342", hemisphere=hemisphere)
    monkeypatch.setattr(tasks, "glaunti_smb", lambda gdir, **how: asked.update(maps=(how["ys"], how["ye"])))
    monkeypatch.setattr(
        tasks, "melt_season", lambda gdir, ys, ye, **how: asked.update(season=(ys, ye)) or pd.DataFrame()
    )
    monkeypatch.setattr(directories, "for_each", lambda args, one: one(gdir))
    monkeypatch.setattr(directories, "mb_kwargs_of", lambda *args, **kwargs: {})
    main(["meltwater", "season", "DIR", "--years", "2018", "2019"])
    assert asked == {"maps": (2018, until), "season": (2018, 2019)}
    assert capsys.readouterr().out.startswith("RGI60-18.02342\n")
