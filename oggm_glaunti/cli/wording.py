"""Errors in the words of the command line: arguments and tasks of Python become options and verbs."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from functools import partial

# Tasks that a verb runs.
VERBS = {
    "glaunti_features": "oggm-glaunti features",
    "calibrate_glaunti": "oggm-glaunti calibrate",
    "fit_glaunti": "oggm-glaunti fit",
    "process_daily_climate": "oggm-glaunti run",
}
_TASKS = re.compile(
    rf"(?<![\w.'\"/])(?:the task )?(?:oggm_glaunti\.)?(?:g?tasks\.)?({'|'.join(VERBS)})(?:\(gdir\))?(?![\w:]|\.\w)"
)
# A call of a task with more than the directory: left as it is.
_CALL = re.compile(r"(?<![\w.'\"/])(?:\w+\.)*(\w+)\(gdir, (?:[^()]|\([^()]*\))*\)")
_VALUE = r"=(?P<value>'[^']*'|\"[^\"]*\"|\.{3}|\([^)]*\)|[^\s,;:()]*[^\s,;:().])?"


def option_names(parser: argparse.ArgumentParser, aliases: Mapping[str, str]) -> dict[str, str]:
    """Return the option for each name of an argument: of the verb's options themselves, and of the tasks they go to.

    Parameters
    ----------
    parser : ArgumentParser
        of the verb
    aliases : mapping
        names of arguments that are not those of the options, ``{argument: option}``, or advice that holds in Python
        only and what holds for the verb; left out if it is an option that the verb has not
    """
    actions = [action for action in parser._actions if action.option_strings and action.dest != "help"]
    options = {action.dest: action.option_strings[-1] for action in reversed(actions)}  # the first is its own
    known = {text for action in actions for text in action.option_strings}
    return options | {name: text for name, text in aliases.items() if not text.startswith("--") or text in known}


def in_options(message: str, options: Mapping[str, str]) -> str:
    """Name options and verbs where a message names arguments and tasks.

    An argument is recognised where it is written ``name=``, where it begins a message or a part of one (``name: ...``),
    as the key of a mapping, or by itself if it holds an underscore or a blank; a name within a path, a quotation or a
    longer name is left alone. A call of a task with arguments is given as Python, after the verb that runs the task if
    any does.

    Parameters
    ----------
    message : str
    options : mapping
        see :func:`option_names`

    Examples
    --------
    >>> options = {"temp_units": "--temp-units", "years": "--years", "check": "--force"}
    >>> in_options("HEF: years: no unit in a_years/b.csv; give temp_units='degC' or temp_units=...", options)
    'HEF: --years: no unit in a_years/b.csv; give --temp-units degC or --temp-units ...'
    >>> in_options("implausible; check=False takes it. Run the task glaunti_features first", options)
    'implausible; --force takes it. Run oggm-glaunti features first'
    >>> in_options("no parameters: run fit_glaunti(gdir, years=(2000, 2001))", options)
    'no parameters: run oggm-glaunti fit (in Python: fit_glaunti(gdir, years=(2000, 2001)))'
    """
    calls: list[str] = []

    def kept(match: re.Match[str]) -> str:
        verb = VERBS.get(match[1])
        calls.append(f"{verb} (in Python: {match[0]})" if verb else match[0])
        return f"\0{len(calls) - 1}\0"

    message = _CALL.sub(kept, message)
    for name in sorted(options, key=len, reverse=True):
        found = rf"(?<!attribute )(?<![\w/.'\"\[-]){re.escape(name)}"
        message = re.sub(found + _VALUE + r"(?!\w)", partial(_with_value, options[name]), message)
        message = re.sub(rf"(?:^|(?<=: )|(?<=[,;] )){re.escape(name)}(?=: |, \w+: )", options[name], message)
        message = re.sub(rf"(?<=[{{ ])'{re.escape(name)}'(?=: )", options[name], message)
        if "_" in name or " " in name:
            message = re.sub(rf"{found}(?![\w/=]|\.\w|['\"])", options[name], message)
    message = _TASKS.sub(lambda match: VERBS[match[1]], message)
    return re.sub(r"\0(\d+)\0", lambda match: calls[int(match[1])], message)


def _with_value(option: str, match: re.Match[str]) -> str:
    value = match["value"]
    if value in (None, "False", "True"):
        return option
    return f"{option} {re.sub(r'[,()]', '', value).strip(chr(34) + chr(39))}"
