"""The command line: exit status, streams, and what it does not import."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import oggm_glaunti
from oggm_glaunti import shop, workflows
from oggm_glaunti.cli import common
from oggm_glaunti.cli.main import main
from oggm_glaunti.core.weights import embedded_a


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    shop.save_model(embedded_a(), tmp_path / "a.eqx", training_data="none")
    return tmp_path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two pixels at 0 degC without precipitation: model A melts nearly nothing from nearly no snow."""
    zeros = np.zeros((3, 1, 2), np.float32)
    flat = {f"in_{name}": np.zeros((1, 2), np.float32) for name in ("elevation", "initial_swe")}
    arrays = flat | {"in_temperature": zeros - 40, "in_precipitation": zeros, "in_mid_index": np.int32(1)}
    arrays |= {"in_outlines": np.ones((1, 2), np.float32), "in_dates": np.array(["2019-01-01"] * 3)}
    arrays |= {"in_series_pixels": np.array([[0, 1]]), "a_annual_smb": np.zeros((1, 2), np.float32)}
    np.savez(tmp_path / "file.npz", **arrays)
    return tmp_path / "file.npz"


def run_apart(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["demo", "--help"], ["--version"]])
def test_help_imports_neither_jax_nor_oggm(arguments):
    code = f"""
import sys
from oggm_glaunti.cli import common
from oggm_glaunti.cli.main import main
try:
    main({arguments!r})
except SystemExit as end:
    print(end.code, sorted({{"jax", "oggm", "numpy"}} & set(sys.modules)))
"""
    done = run_apart(code)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == f"oggm-glaunti {oggm_glaunti.__version__}"
    config = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert config["project"]["dynamic"] == ["version"]
    assert config["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "oggm_glaunti.__version__"}


@pytest.mark.slow
def test_verify_within_tolerance_exits_0(file, weights, capsys):
    assert main(["verify", str(file), "--weights", str(weights)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "verified 1 arrays, 0 outside tolerance"
    assert err == ""


def test_verify_outside_tolerance_exits_1(file, weights, capsys):
    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"a_annual_smb": arrays["a_annual_smb"] - np.float32(1e-3)})
    assert main(["verify", str(file), "--weights", str(weights)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "verified 1 arrays, 1 outside tolerance"


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("gone.npz", ".", r"gone\.npz: no such file"),
        ("a.eqx", ".", r"a\.eqx: not an \.npz file"),
        ("file.npz", "nowhere", "nowhere: no such folder of weights"),
    ],
)
def test_what_cannot_be_used_is_one_line_on_stderr_and_exits_2(file, weights, capsys, name, folder, message):
    assert main(["verify", str(file.with_name(name)), "--weights", str(weights / folder)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"oggm-glaunti: error: \S*{message}\n", err)


def test_missing_weights_end_with_the_three_ways_out(file, oggm_env, monkeypatch, capsys):
    from oggm import cfg

    def no_network(data, file):
        raise FileNotFoundError(f"{data.url}{file.path} is out of reach")

    arrays = dict(np.load(file))
    np.savez(file, **arrays | {"b_annual_smb": arrays["a_annual_smb"]})
    monkeypatch.delenv("OGGM_GLAUNTI_WEIGHTS", raising=False)
    monkeypatch.setattr(shop, "find_cached", lambda data, file: None)
    monkeypatch.setattr(shop, "retrieve", no_network)
    monkeypatch.setattr(cfg, "IS_INITIALIZED", False)
    assert main(["verify", str(file)]) == 2
    # OGGM may log before.
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("oggm-glaunti: error: GlaUnTI weights b.eqx not found")
    assert "Three ways out" in line


@pytest.mark.slow
def test_weights_named_by_the_environment_need_no_oggm(file, weights):
    code = f"""
import os, sys
os.environ["OGGM_GLAUNTI_WEIGHTS"] = {str(weights)!r}
from oggm_glaunti.cli import common
from oggm_glaunti.cli.main import main
print(main(["verify", {str(file)!r}]), "oggm" in sys.modules)
"""
    done = run_apart(code)
    assert done.stdout.splitlines()[-1] == "0 False", done.stderr


@pytest.mark.parametrize("arguments", [[], ["verify"], ["vanish"]])
def test_a_wrong_call_exits_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: oggm-glaunti" in capsys.readouterr().err


def test_demo_writes_where_it_is_told(tmp_path, monkeypatch):
    told = []
    listener = SimpleNamespace(run_demo=lambda out, synthetic: told.append((out, synthetic)))
    monkeypatch.setattr(workflows, "demo", listener, raising=False)
    assert main(["demo", "--out", str(tmp_path / "here")]) == 0
    assert main(["demo", "--synthetic", "--out", str(tmp_path / "there")]) == 0
    assert told == [(tmp_path / "here", False), (tmp_path / "there", True)]


def test_demo_that_cannot_write_exits_2(tmp_path, monkeypatch, capsys):
    (tmp_path / "taken").touch()
    monkeypatch.setattr(oggm_glaunti, "demo", SimpleNamespace(run_demo=lambda out, **_: out.mkdir()), raising=False)
    assert main(["demo", "--out", str(tmp_path / "taken")]) == 2
    assert "taken" in capsys.readouterr().err


@pytest.mark.parametrize(("quiet", "bars"), [(False, True), (True, False)])
def test_a_bar_is_on_standard_error_and_results_are_on_standard_output(monkeypatch, capsys, quiet, bars):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    args = SimpleNamespace(verb="invert", quiet=quiet)
    for name in common.each(args, ["a", "b"], "glacier"):
        print(name)
    assert capsys.readouterr().out == "a\nb\n"
    assert ("invert: " in sys.stderr.getvalue()) == bars


def test_warnings_are_shown_once_in_the_words_of_the_verb_and_all_that_is_logged_if_verbose(capsys):
    log = logging.getLogger("oggm_glaunti.anything")
    for verbose in (False, True):
        with common.logging_on_terminal(verbose, lambda text: text.replace("ref_hgt", "--ref-hgt")):
            for _ in range(2):
                log.warning("is ref_hgt\n  right?")
            log.info("read")
            log.error("the command says it")
    lines = capsys.readouterr().err.splitlines()
    warning = "oggm-glaunti: warning: is --ref-hgt right?"
    assert lines == [warning, warning, warning, "oggm-glaunti: info: read", "oggm-glaunti: error: the command says it"]


def test_a_warning_of_many_glaciers_is_shown_for_the_first_and_the_others_are_counted(capsys):
    with common.logging_on_terminal():
        for number in range(1, 501):
            for _ in range(2):
                logging.getLogger("oggm_glaunti.anything").warning("RGI60-11.%05d: a.csv: no rain", number)
        logging.getLogger("oggm_glaunti.anything").error("RGI60-11.00002: the command says it")
    lines = capsys.readouterr().err.splitlines()
    said = ("RGI60-11.00001: a.csv: no rain", "499 more glaciers: a.csv: no rain")
    assert lines == [f"oggm-glaunti: warning: {text}" for text in said]
