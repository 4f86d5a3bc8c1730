"""Messages name options, not arguments of Python."""

from __future__ import annotations

import argparse

import pytest

from oggm_glaunti.cli.main import make_parser
from oggm_glaunti.cli.wording import in_options, option_names

VERBS = next(a.choices for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction))
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
