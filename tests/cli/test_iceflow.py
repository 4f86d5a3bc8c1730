from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from oggm_glaunti.cli.main import main
from oggm_glaunti.companions.iceflow import save_network, synthetic
from oggm_glaunti.companions.iceflow.gate import start
from tests.companions.iceflow.worlds import write_image, write_scene

TRACKING = ["--chips", "32", "--step", "16", "--search", "6"]
DATES = ("20200101", "20200111", "20200121", "20200131")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = synthetic.scene((192, 192), (0.0, 10.0, 20.0, 30.0), fastest=0.2, shift_sd=0.4, noise=0.1, seed=2)
    folder = tmp_path_factory.mktemp("iceflow")
    (folder / "images").mkdir()
    write_scene(folder / "images", made, DATES)
    write_image(folder / "rock.tif", (~made.ice).astype(np.uint8))
    return folder


def test_two_images_are_tracked_to_a_file_and_a_figure(folder, tmp_path, capsys):
    images = [str(folder / "images" / f"scene_{date}.tif") for date in DATES[:2]]
    out = ["--out", str(tmp_path / "v.nc"), "--figure", str(tmp_path / "figures" / "v.png")]
    assert main(["iceflow", "track", *images, *TRACKING, "--stable", str(folder / "rock.tif"), *out]) == 0
    said = capsys.readouterr().out
    assert "2 images, 10 days" in said
    assert "shift of the images by stable ground" in said
    assert "m/yr" in said
    with xr.open_dataset(tmp_path / "v.nc", decode_timedelta=False) as data:
        # 0.2 px of 10 m a day.
        assert float(data.v.quantile(0.95)) == pytest.approx(0.2 * 10 * 365.25, rel=0.1)
    assert (tmp_path / "figures" / "v.png").stat().st_size > 10_000


def test_a_folder_is_solved_for_one_velocity(folder, tmp_path, capsys):
    call = ["iceflow", "series", str(folder / "images"), *TRACKING, "--out", str(tmp_path / "v.nc")]
    assert main([*call, "--stable", str(folder / "rock.tif")]) == 0
    assert "4 images, 30 days" in (said := capsys.readouterr().out)
    assert "error that all vectors share" in said
    assert main(call) == 0
    assert "velocities are relative to each other" in capsys.readouterr().out


def test_a_season_cannot_be_had_from_a_month(folder, tmp_path, capsys):
    call = ["iceflow", "series", str(folder / "images"), *TRACKING, "--out", str(tmp_path / "v.nc"), "--seasonal"]
    assert main([*call, "--stable", str(folder / "rock.tif")]) == 2
    assert "no seasonal cycle: dates span 30 days, expected 330 or more" in capsys.readouterr().err
    assert not (tmp_path / "v.nc").exists()


def test_the_last_image_is_predicted(folder, tmp_path, capsys):
    call = ["iceflow", "predict", str(folder / "images"), "--stable", str(folder / "rock.tif"), "--search", "6"]
    save_network(tmp_path / "rule.weights", start(), "nothing")
    call += ["--weights", str(tmp_path / "rule.weights")]
    assert main([*call, "--out", str(tmp_path / "t.csv"), "--figure", str(tmp_path / "p.png")]) == 0
    said = capsys.readouterr().out
    assert "scene_20200131.tif from 3 earlier images" in said
    # Untrained, it is the rule of agreement.
    scores = {line[:26].strip(): line[26:].split() for line in said.splitlines()[2:]}
    assert scores["learned gate (rule)"] == scores["agreement"]
    assert (tmp_path / "t.csv").read_text().splitlines()[0] == ",mean,low,medium,high"
    assert (tmp_path / "p.png").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["track", "a.tif", "b.tif", "--out", "v.nc"], "a.tif does not exist; expected an image"),
        (["series", "nowhere", "--out", "v.nc"], "nowhere is no folder; expected one with images"),
        (["predict", "nowhere", "--stable", "m.tif"], "nowhere is no folder"),
        (["predict", ".", "--stable", "m.tif", "--weights", "w.eqx"], "w.eqx does not exist; expected weights of"),
        (["flux", "nowhere"], "nowhere is no folder; expected a glacier directory"),
    ],
)
def test_mistakes_are_one_line(call, message, capsys):
    assert main(["iceflow", *call]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_options_are_named_as_they_are_typed(folder, tmp_path, capsys):
    image = write_image(
        tmp_path / "a.png", np.random.default_rng(0).integers(1, 99, (99, 99)).astype(np.uint8), crs=None
    )
    assert main(["iceflow", "track", str(image), str(image), "--out", str(tmp_path / "v.nc")]) == 2
    assert "nor in its tags; give --dates\n" in capsys.readouterr().err


def test_the_flux_of_a_directory_is_a_table_and_a_figure(aletsch_gdir, tmp_path, capsys):
    out = ["--out", str(tmp_path / "b.csv"), "--figure", str(tmp_path / "b.png")]
    assert main(["iceflow", "flux", aletsch_gdir.dir, "--velocity", "millan", "--no-glaunti", *out]) == 0
    assert "mean flux divergence over the glacier: -0.079 m a year" in (said := capsys.readouterr().out)
    assert "through gates at the lower edges of the bands" in said
    assert (tmp_path / "b.csv").read_text().startswith("low,high,area,dhdt,divergence,balance,error")
    assert (tmp_path / "b.png").exists()
