"""Messages name options, not arguments of Python."""

from __future__ import annotations

import argparse
import ast
from functools import cache
from pathlib import Path

import pytest

import oggm_glaunti
from oggm_glaunti.cli.main import make_parser
from oggm_glaunti.cli.wording import in_options, option_names


def verbs_in(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next(a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction))


VERBS = verbs_in(make_parser())
# Of two options that set the same argument, the first.
OPTIONS = [
    (verb, dest, option)
    for verb, parser in VERBS.items()
    for dest, option in {a.dest: a.option_strings[-1] for a in reversed(parser._actions) if a.option_strings}.items()
    if dest != "help"
]


@pytest.mark.parametrize(("verb", "name", "option"), OPTIONS, ids=[f"{verb} {option}" for verb, _, option in OPTIONS])
def test_each_option_of_each_verb_is_named_as_it_is_typed(verb, name, option):
    words = VERBS[verb].get_default("words")
    assert words(f"RGI60-11.00897: give {name}=...") == f"RGI60-11.00897: give {option} ..."
    assert words(f"RGI60-11.00897: {name}: expected a, found b") == f"RGI60-11.00897: {option}: expected a, found b"
    assert words(f"/data/{name}/{name}.csv: no row") == f"/data/{name}/{name}.csv: no row"
    if "_" in name:
        assert words(f"{name} is 3") == f"{option} is 3"


@pytest.mark.parametrize(
    ("verb", "message", "said"),
    [
        ("run", "give path= or a file", "give --climate or a file"),
        ("run", "check=False takes it as it is", "--force takes it as it is"),
        ("run", "no years between ys=1990 and ye=1991", "no years between --years 1990 and --years 1991"),
        ("measure", "name another calibration by mb_params_filesuffix", "name another calibration by --calibration"),
        ("invert", "or set check_calib_params=False, to", "or set --uncalibrated, to"),
        ("invert", "request it by model='A'.", "request it by --model A."),
        ("calibrate", "or ref_source='geodetic'.", "or --ref-mb geodetic."),
        ("calibrate", "Give ref_mb, ref_mb_err and ref_period", "Give --ref-mb, --ref-mb-err and --ref-period"),
        ("features", "take another dem_file", "take another --dem"),
        ("invert", "Run oggm_glaunti.tasks.glaunti_features(gdir) first.", "Run oggm-glaunti features first."),
        ("invert", "glaunti_features.nc not found in /a/b.", "glaunti_features.nc not found in /a/b."),
        ("uncertainty", "run calibrate_glaunti or fit_glaunti", "run oggm-glaunti calibrate or oggm-glaunti fit"),
        ("impute-dem", "coregister=False", "--no-coregister"),
        ("run", "set cfg.PARAMS['glaunti_memory'] (or memory=) to 900 MB where", "give --memory 900 MB where"),
        ("run", "the file has 500 m, ref_hgt says 2919 m", "the file has 500 m, --ref-hgt says 2919 m"),
        ("fit", "they look like m w.e.; give unit='m'", "they look like m w.e.; give --unit m"),
        ("fit", "Give a latitude, an RGI id or hemisphere=", "Give a latitude, an RGI id or --hemisphere"),
        ("calibrate", "input_filesuffix or check_calib_params", "input_filesuffix or check_calib_params"),
    ],
)
def test_arguments_with_other_names_and_tasks(verb, message, said):
    assert VERBS[verb].get_default("words")(message) == said


@cache
def texts() -> str:
    """All texts of the package, as they are put together, a line each."""
    root = Path(oggm_glaunti.__file__).parent
    trees = [ast.parse(path.read_text()) for path in root.rglob("*.py") if root / "cli" not in path.parents]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return "\n".join(node.value for node in nodes if isinstance(node.value, str))


OF_TABLE = (
    "a table (read_geodetic, file_path) or a balance (calibrate_glaunti, ref_mb, ref_mb_err and ref_period) of your own"
)
OWN = "a balance of your own (--ref-mb, --ref-mb-err and --ref-period)"
STD = "temp_std= (K, a number or 12)"
OTHERS = "other pre-processed directories (--prepro-url), or make the days in Python, with temp_std"
DATE, MASK = "give its date (date=, dates= for several)", "or no mask (stable=None, 'none' in iceflow_velocity)"


@pytest.mark.parametrize(
    ("verb", "advice", "said"),
    [
        ("run", "turn parameters to it with order=", "turn parameters to it with oggm-glaunti calibrate DIR --order"),
        ("calibrate", "turn parameters to it with order=", "turn parameters to it with --order"),
        ("calibrate", "add tunable parameters to order, or widen bounds.", "or add parameters to --order."),
        ("calibrate", "expected one by fit_glaunti_region", "expected one by oggm-glaunti fit --together"),
        ("fit", "free, spread: expected some of ", "--free: expected some of "),
        ("run", "hemisphere at a time, or take years='calendar'", "hemisphere at a time"),
        ("run", f"give {STD}", f"take {OTHERS}"),
        (
            "run",
            f"Give the standard deviation of daily temperature within a month, {STD}, or a daily series of the "
            "directory, reference=''",
            f"Take {OTHERS} or reference",
        ),
        ("run", OF_TABLE, OWN),
        ("calibrate", OF_TABLE, OWN),
        ("invert", OF_TABLE, "a balance of your own (--target and --years instead of --geodetic)"),
        ("invert", "target 'geodetic': the survey", "--geodetic: the survey"),
        ("invert", "Give a number and years instead", "Give --target and --years instead of --geodetic"),
        ("invert", "give its mean as a number", "give its mean with --target"),
        (
            "fit",
            "only where it is asked for: give its catchment, gauge=Gauge(units)",
            "only in Python, where gauge=Gauge(units) gives its catchment",
        ),
        ("hydro", "rename the column, to 'discharge(m3/s)'", "rename the column, to 'discharge(m3/s)'"),
        ("meltwater", "a UNet of fewer levels (levels=)", "a UNet of fewer levels (--levels)"),
        ("iceflow track", DATE, "give --dates"),
        ("iceflow series", DATE, "add it to the name"),
        ("iceflow track", MASK, "or no --stable"),
        ("iceflow series", MASK, "or no --stable"),
    ],
)
def test_advice_for_python_becomes_advice_for_the_verb(verb, advice, said):
    assert advice in texts()
    first, *more = verb.split()
    parser = verbs_in(VERBS[first])[more[0]] if more else VERBS[first]
    assert parser.get_default("words")(f"RGI60-11.00897: {advice}") == f"RGI60-11.00897: {said}"


def test_an_argument_is_not_found_within_a_word_or_a_quotation():
    options = {"model": "--model", "temp_name": "--temp-name"}
    for message in ("the model: a b", "cfg.PARAMS['temp_name']", "my_temp_name", "temp_name.csv", "x-temp_name"):
        assert in_options(message, options) == message


def test_aliases_are_added_to_the_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("-r", "--ref-hgt")
    assert option_names(parser, {"height": "--ref-hgt"}) == {"ref_hgt": "--ref-hgt", "height": "--ref-hgt"}


def test_a_call_with_arguments_is_given_as_python_after_its_verb():
    """The first mistake with a directory: no daily weather."""
    call = "oggm_glaunti.tasks.process_daily_climate(gdir, source=..., filesuffix='_daily')"
    options = {"filesuffix": "--calibration", "filename": "--climate", "source": "--climate"}
    found = in_options(f"HEF: no daily climate in a/b: filename='x'. Run {call}.", options)
    assert found == f"HEF: no daily climate in a/b: --climate x. Run oggm-glaunti run (in Python: {call})."
    other = "run oggm.tasks.define_glacier_region(gdir, source='USER') first"
    assert in_options(other, {"source": "--climate"}) == other
