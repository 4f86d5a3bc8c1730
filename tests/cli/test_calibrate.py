"""What ``fit`` and ``calibrate`` make of their options and of the names of glaciers."""

from __future__ import annotations

import argparse
from types import SimpleNamespace

import pandas as pd
import pytest

from oggm_glaunti.cli import calibrate, directories
from oggm_glaunti.cli.main import make_parser

NAMED = [
    SimpleNamespace(rgi_id="RGI60-11.00001", name="Gurgler Ferner"),
    SimpleNamespace(rgi_id="RGI60-11.00002", name="Weissseeferner"),
    SimpleNamespace(rgi_id="RGI60-11.00003", name="Weissseeferner"),
    SimpleNamespace(rgi_id="RGI60-11.00004", name=""),
]


@pytest.mark.parametrize("asked", [None, ["RGI60-11.00001", "RGI60-11.00002"]])
def test_a_name_of_several_glaciers_is_refused_and_others_become_ids(monkeypatch, asked):
    monkeypatch.setattr(calibrate, "open_glaciers", lambda directory: NAMED)
    args = argparse.Namespace(directory="x", glacier=asked)
    gdirs = [gdir for gdir in NAMED if asked is None or gdir.rgi_id in asked]
    rows = pd.Series(["GURGLER ferner", "RGI60-11.00003", "rgi60-11.00004", "Rhone"])
    found = calibrate._ids_of(rows, args, gdirs)
    assert found.tolist() == ["RGI60-11.00001", "RGI60-11.00003", "RGI60-11.00004", "Rhone"]
    with pytest.raises(
        ValueError, match=r"'weissseeFerner' is the name of RGI60-11\.00002 and RGI60-11\.00003; give RGI"
    ):
        calibrate._ids_of(pd.Series(["weissseeFerner"]), args, gdirs)


@pytest.mark.parametrize(
    ("calibrated", "model", "made"), [(True, "C", True), (True, "A", False), (True, None, False), (False, None, True)]
)
def test_features_are_made_for_the_model_that_is_chosen(monkeypatch, tmp_path, calibrated, model, made):
    calls = []
    monkeypatch.setattr(directories, "make_features", lambda gdir, args: calls.append(gdir))
    gdir = SimpleNamespace(has_file=lambda name, filesuffix: calibrated)
    args = argparse.Namespace(model=model, directory=tmp_path, reads_calibration=False, calibration=None)
    assert directories.mb_kwargs_of(gdir, args) == ({} if model is None else {"model": model})
    assert bool(calls) == made


@pytest.mark.parametrize("verb", ["calibrate --ref-mb -1100", "fit --observations x.csv"])
def test_the_day_whose_snow_conserves_mass_can_be_calibrated(monkeypatch, verb):
    monkeypatch.setattr(calibrate, "mb_kwargs_of", lambda gdir, args: {"model": "A"})
    name, *options = verb.split()
    parsed = [
        make_parser().parse_args([name, "DIR", *options, *more]) for more in ((), ("--variant", "mass_conserving"))
    ]
    found = [calibrate._mb_kwargs(None, args) for args in parsed]
    assert found == [{"model": "A"}, {"model": "A", "variant": "mass_conserving"}]


def observations(tmp_path, text: str, *options: str):
    (tmp_path / "stakes.csv").write_text(text)
    argv = ["fit", "DIR", "--observations", str(tmp_path / "stakes.csv"), *options]
    return calibrate.read_observations(make_parser().parse_args(argv)).observations


def test_unit_and_hemisphere_of_observations_are_options(tmp_path, capsys):
    text = "glacier;season;year;height;value\nBrewster;annual;2010;1700;-700\n"
    options = ["--unit", "mm", "--default-dates"]
    row = observations(tmp_path, text, *options, "--hemisphere", "sh").iloc[0]
    assert (row["value"], f"{row['begin']:%Y-%m}") == (-0.7, "2009-04")
    with pytest.raises(ValueError, match="no row can be used"):
        observations(tmp_path, text, *options)
    assert "Give a latitude, an RGI id or --hemisphere" in capsys.readouterr().out
    with pytest.raises(ValueError, match="--default-dates, --unit: not for files of the layout glamos"):
        observations(tmp_path, text, *options, "--layout", "glamos")


def test_a_regions_fit_tells_which_parameters_are_a_glaciers_own(capsys):
    sizes = {
        "points": {"own": 0.6, "winter": 0.25, "summer": 0.4},
        "whole": {"own": 0.45, "winter": 0.2, "summer": 0.3},
    }
    common = {
        "observations": {"point annual": 12},
        "first": "2001-10-01",
        "last": "2003-09-30",
        "rmse": 0.41,
        "bias": -0.02,
        "error_sizes": sizes,
    }

    def fit(**of):
        return {"rgi_id": of.pop("rgi_id"), "model": "A", "fit": {**common, **of}}

    value = {"value": 0.0055, "low": 0.005, "high": 0.006, "prior": 0.0049}
    own = fit(rgi_id="RGI60-11.00001", parameters_from="own observations", parameters={"ddf_snow": value})
    wider = {"value": 0.0052, "low": 0.0041, "high": 0.0066, "prior": 0.0049}
    of_region = fit(
        rgi_id="RGI60-11.00002", parameters_from="region", km_to_nearest=41.6, parameters={"ddf_snow": wider}
    )
    calibrate._print_region([own, of_region])
    assert capsys.readouterr().out.splitlines() == [
        "2 glaciers, 1 of them with parameters of their own: model A, 12 point annual, 2001-10-01 to 2003-09-30",
        "  RMSE 0.41 m w.e., bias -0.02 m w.e. (model minus observation)",
        "  errors of the model at points: 0.60 m w.e. a year of their own, 0.25 shared in a winter, 0.40 in a summer",
        "  errors of the model at means over glaciers: 0.45 m w.e. a year of their own, 0.20 shared in a winter, "
        "0.30 in a summer",
        "RGI60-11.00001: from own observations",
        "  ddf_snow 0.0055 (0.005 to 0.006), before 0.0049",
        "RGI60-11.00002: from region; the nearest glacier of the fit is 42 km away",
        "  ddf_snow 0.0052 (0.0041 to 0.0066), before 0.0049",
    ]
