"""``run.yml``: what a run writes repeats it, and options given beside a file replace its own."""

from __future__ import annotations

import argparse

import pytest

from oggm_glaunti.cli.config import config_of_run, with_config, write_config
from oggm_glaunti.cli.main import main, make_parser
from oggm_glaunti.cli.rgi_ids import COUNTS, require_ids

RUN = ["--climate", "W5E5_daily", "--years", "2000", "2019", "--out", "x"]


def parsed(*argv: str) -> argparse.Namespace:
    parser = make_parser()
    return parser.parse_args(with_config(["run", *argv], parser))


@pytest.mark.parametrize(
    "given",
    [
        ["--rgi-ids", "RGI60-11.00897", "RGI60-11.01450", *RUN],
        ["--shapefile", "a.shp", "--dem", "b.tif", "--ref-mb", "-713.5", "--ref-period", "2000-01-01_2010-01-01", *RUN],
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


def test_the_inventory_of_version_6_has_216502_glaciers():
    assert sum(COUNTS) == 216_502
    require_ids([f"RGI60-{region:02d}.{count:05d}" for region, count in enumerate(COUNTS, start=1)])


@pytest.mark.parametrize(
    "rgi_id", ["RGI60-11.0089", "rgi60-11.00897", "RGI60-00.00001", "RGI60-11.00000", "G010743E46810N"]
)
def test_ids_that_no_glacier_has_are_refused(rgi_id):
    with pytest.raises(ValueError, match=rgi_id):
        require_ids([rgi_id])


def test_a_server_of_ones_own_may_have_other_numbers():
    require_ids(["RGI60-11.99999"], published=False)
