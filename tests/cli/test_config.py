"""``run.yml``: what a run writes repeats it, and options given beside a file replace its own."""

from __future__ import annotations

import argparse

import pytest

from oggm_glaunti.cli.config import config_of_run, with_config, write_config
from oggm_glaunti.cli.main import main, make_parser

RUN = ["--climate", "W5E5_daily", "--years", "2000", "2019", "--out", "x"]


def parsed(*argv: str) -> argparse.Namespace:
    parser = make_parser()
    return parser.parse_args(with_config(["run", *argv], parser))


@pytest.mark.parametrize(
    "given",
    [
        ["--rgi-ids", "RGI60-11.00897", "RGI60-11.01450", *RUN],
        [
            "--shapefile",
            "a.shp",
            "--dem",
            "b.tif",
            "--ref-mb",
            "-713.5",
            "--ref-mb-err",
            "90",
            "--ref-period",
            "2000-01-01_2010-01-01",
            *RUN,
        ],
        [
            "--shapefile",
            "a.shp",
            "--no-dynamics",
            "--force",
            "--ref-mb",
            "geodetic",
            "--workers",
            "4",
            "--model",
            "a",
            *RUN,
        ],
    ],
)
def test_the_file_that_a_run_writes_repeats_it(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    first = parsed(*given)
    write_config(first, tmp_path)
    again = vars(parsed("--config", str(tmp_path / "run.yml")))
    for name, value in vars(first).items():
        if name in ("shapefile", "dem", "out") and value is not None:
            value = tmp_path / value
        if name not in ("config", "run", "words", "parser"):
            assert again[name] == value, name


def test_options_replace_those_of_the_file(tmp_path):
    (tmp_path / "run.yml").write_text("rgi-ids: [RGI60-11.00897]\nclimate: monthly\nyears: [2000, 2009]\nout: a\n")
    args = parsed("--config", str(tmp_path / "run.yml"), "--years", "2001", "2002", "--out", "b")
    assert (args.climate, args.years, str(args.out)) == ("monthly", [2001, 2002], "b")

    (tmp_path / "run.yml").write_text("no-dynamics: true\nforce: true\nrgi-ids: [RGI60-11.00897]\n")
    for given, flags in (((), (True, True)), (("--dynamics",), (False, True)), (("--no-force",), (True, False))):
        args = parsed("--config", str(tmp_path / "run.yml"), *given, *RUN)
        assert (args.no_dynamics, args.force) == flags


@pytest.mark.parametrize(
    ("given", "gone"),
    [
        (["--rgi-ids", "RGI60-11.00897"], {"shapefile", "dem", "crs"}),
        (["--shapefile", "b.shp"], set()),
        (["--ref-mb", "none"], {"ref_mb", "ref_mb_err", "ref_period"}),
        (["--ref-mb", "geodetic"], {"ref_mb_err"}),
        (["--climate=W5E5_daily"], {"ref_hgt", "temp_units"}),
        (["--climate", "b.csv"], set()),
    ],
)
def test_options_of_the_file_that_contradict_those_given_are_left_out(tmp_path, given, gone):
    held = {"shapefile": "a.shp", "dem": "a.tif", "crs": "EPSG:32632", "climate": "a.csv", "ref-hgt": "2919"}
    held |= {
        "temp-units": "degC",
        "ref-mb": "-700",
        "ref-mb-err": "90",
        "ref-period": "2000-01-01_2010-01-01",
        "years": "[2000, 2009]",
    }
    (tmp_path / "run.yml").write_text("\n".join(f"{name}: {value}" for name, value in {**held, "out": "a"}.items()))
    args = vars(parsed("--config", str(tmp_path / "run.yml"), *given))
    names = {name.replace("-", "_") for name in held}
    assert {name for name in names if args[name] is None} == gone
    (tmp_path / "run.yml").write_text("rgi-ids: [RGI60-11.00897]")
    assert parsed("--config", str(tmp_path / "run.yml"), "--shapefile", "a.shp", *RUN).rgi_ids is None


def test_an_abbreviated_option_is_not_taken_for_one_that_is_never_read(capsys):
    with pytest.raises(SystemExit, match="2"):
        parsed("--conf", "run.yml", "--rgi-ids", "RGI60-11.00897", *RUN)
    assert "unrecognized arguments: --conf run.yml" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["model: A", "model: A # of the run", "{model: A, weights: }"])
def test_some_options_of_a_run_are_read(tmp_path, line):
    assert config_of_run(tmp_path, "model") == {}
    (tmp_path / "run.yml").write_text(line)
    assert config_of_run(tmp_path, "model", "weights") == {"model": "A"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected options such as 'years: [2000, 2019]', found None"),
        ("- years", "expected options such as"),
        ("years: {first: 2000}", "years: expected a value or a list of them, found"),
        ("no-dynamics: perhaps", "no-dynamics: expected true or false, found 'perhaps'"),
        ("config: other.yml", "no option 'config'"),
        ("a: [1", "is not YAML from line 1 on"),
    ],
)
def test_a_file_that_holds_no_options_is_said_in_one_line(tmp_path, capsys, text, said):
    (tmp_path / "run.yml").write_text(text)
    assert main(["run", "--config", str(tmp_path / "run.yml")]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"oggm-glaunti: error: {tmp_path / 'run.yml'}")
    assert said in error
    assert error.count("\n") == 1
