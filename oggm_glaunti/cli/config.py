"""``run.yml``: the options of ``oggm-glaunti run``, which writes it and takes it as ``--config``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from oggm_glaunti.settings import RUN_OPTIONS as RUN_FILE

HEAD = """\
# Repeats the run in this folder: oggm-glaunti run --config {name}
# Options given on the command line replace those of this file.
"""
# Options that do not belong to a run.
NOT_KEPT = ("help", "config", "verbose", "quiet")
# What --climate takes besides files, and the options that describe a file.
SOURCES = ("W5E5_daily", "monthly")
OF_FILE = ("ref-hgt", "temp-units", "prcp-units", "temp-name", "prcp-name", "time-name", "climate-source")


def with_config(argv: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """Put the options of a file named by ``run --config`` before those given, which therefore replace them.

    Options of the file that contradict what is given are left out: outlines and what belongs to them beside ids, ids
    beside outlines, the description of a file beside other weather, and the period of a calibration that is not made.

    Parameters
    ----------
    argv : sequence of str
        arguments of the command
    parser : ArgumentParser
        of the command

    Raises
    ------
    ValueError
        if the file holds anything but options of the verb
    OSError
        if it cannot be read
    """
    verbs = next(action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    only_these = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("config", "rgi-ids", "shapefile", "climate", "ref-mb"):
        only_these.add_argument(f"--{name}", nargs="?")
    given = only_these.parse_known_args(argv[1:])[0]
    if not argv or argv[0] != "run" or given.config is None:
        return list(argv)
    without = ["shapefile", "dem", "crs"] if given.rgi_ids else ["rgi-ids"] if given.shapefile else []
    without += OF_FILE if given.climate in SOURCES else ()
    without += ["ref-period", "ref-mb-err"] if given.ref_mb == "none" else []
    without += ["ref-mb-err"] if given.ref_mb == "geodetic" else []
    return [argv[0], *_as_arguments(Path(given.config), verbs["run"], without), *argv[1:]]


def _as_arguments(path: Path, parser: argparse.ArgumentParser, without: Sequence[str]) -> Iterator[str]:
    """Yield the arguments that a file of options stands for, some left out."""
    known = {action.option_strings[-1].removeprefix("--"): action for action in _kept(parser)}
    for name, value in read_config(path).items():
        option_name = str(name).replace("_", "-")
        action = known.get(option_name)
        if option_name in without:
            continue
        if action is None:
            raise ValueError(f"{path}: no option {name!r}; expected some of {', '.join(known)}")
        option = action.option_strings[-1]
        if isinstance(value, dict):
            raise ValueError(f"{path}: {name}: expected a value or a list of them, found {value!r}")
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise ValueError(f"{path}: {name}: expected true or false, found {value!r}")
            yield from [option] if value else []
        elif value is not None:
            yield from [option, *map(str, value if isinstance(value, list) else [value])]


def read_config(path: Path) -> dict[str, Any]:
    """Read a file of options, ``{name: value}``.

    Raises
    ------
    ValueError
        if it is not such a file
    OSError
        if it cannot be read
    """
    import yaml

    try:
        options = yaml.load(path.read_text("utf-8"), yaml.BaseLoader) if path.is_file() else None
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        mark = getattr(err, "problem_mark", None)
        where = "" if mark is None else f" from line {mark.line + 1} on"
        raise ValueError(f"{path} is not YAML{where}; expected a line 'option: value' for each option") from err
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of options")
    if not isinstance(options, dict):
        raise ValueError(f"{path}: expected options such as 'years: [2000, 2019]', found {repr(options)[:60]}")
    flags = {"true": True, "false": False, "": None, "null": None}
    return {name: flags.get(value, value) if isinstance(value, str) else value for name, value in options.items()}


def write_config(args: argparse.Namespace, folder: Path) -> None:
    """Write the options of a run to ``run.yml`` in its folder, paths absolute.

    Parameters
    ----------
    args : Namespace
        of the verb ``run``
    folder : path
        where to write
    """
    import yaml

    from oggm_glaunti.files import write_text

    options = {}
    for action in _kept(args.parser):
        value = getattr(args, action.dest)
        if value is not None and value is not False:
            name = action.option_strings[-1].removeprefix("--")
            options[name] = str(value.resolve()) if isinstance(value, Path) else value
    text = yaml.safe_dump(options, sort_keys=False, default_flow_style=None)
    write_text(folder / RUN_FILE, HEAD.format(name=RUN_FILE) + text)


def config_of_run(folder: Path, *names: str) -> dict[str, Any]:
    """Return some options of the run that a folder is the output of; empty if there was none."""
    path = Path(folder) / RUN_FILE
    options = read_config(path) if path.exists() else {}
    return {name: options[name] for name in names if options.get(name) is not None}


def _kept(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the options of a file; those that switch others off are for the command line."""
    actions = [action for action in parser._actions if not isinstance(action, argparse._StoreFalseAction)]
    return [action for action in actions if action.option_strings and action.dest not in NOT_KEPT]
