"""What the verbs share: exit statuses, options that several of them have, and OGGM's start."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from oggm_glaunti import settings

OK, FAILED, UNUSABLE = 0, 1, 2
INTERRUPTED = 130  # as in shells: 128 plus the number of the signal
SHOWN = 20  # lines of a list that are printed; a last one counts the others

# Adds a verb's parser to those of the command.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    subparsers: Subparsers,
    verb: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str = "",
    epilog: str | None = None,
    **defaults: Any,
) -> argparse.ArgumentParser:
    """Add the parser of a verb.

    Parameters
    ----------
    subparsers
        those of the command
    verb : str
        name of the verb
    run : callable
        takes the parsed arguments and returns the exit status; errors are reported by the command
    summary : str
        a line for the command's help
    description, epilog : str
        further text for the verb's own help, printed as it is
    **defaults
        further attributes of the arguments: ``resumes``, printed after an interrupt, or ``errors``, exceptions that are
        reported without a traceback in addition to those of every verb
    """
    raw = argparse.RawDescriptionHelpFormatter
    text = f"{summary[0].upper()}{summary[1:]}.\n\n{description}".strip()
    parser = subparsers.add_parser(verb, help=summary, description=text, epilog=epilog, formatter_class=raw)
    parser.set_defaults(run=run, **defaults)
    return parser


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add ``--out DIR``."""
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="output folder; made if missing")


def add_model(group: Any, models: str, **kwargs: Any) -> None:
    """Add ``--model``, one of some letters, in upper or lower case."""
    group.add_argument("--model", type=str.upper, choices=tuple(models), **kwargs)


def add_weights(group: Any, what: str = "file or folder", otherwise: str = "") -> None:
    """Add ``--weights PATH`` with the places where weights are looked for by default."""
    default = f"(default: {settings.WEIGHTS_ENV}, OGGM's cache, download{otherwise})"
    group.add_argument("--weights", metavar="PATH", type=Path, help=f"{what} {default}")


def add_years(group: Any, **kwargs: Any) -> None:
    """Add ``--years FIRST LAST``."""
    group.add_argument("--years", metavar=("FIRST", "LAST"), nargs=2, type=int, **kwargs)


def given(args: argparse.Namespace, *names: str, **renamed: str) -> dict[str, Any]:
    """Return the options that were given, some under the name that a task calls them by."""
    asked = {name: getattr(args, renamed.get(name, name), None) for name in (*names, *renamed)}
    return {name: value for name, value in asked.items() if value is not None}


def complain(error: Exception | str) -> int:
    """Print an error as one line on standard error and return the exit status."""
    print("oggm-glaunti: error: " + " ".join(str(error).split()), file=sys.stderr)
    return UNUSABLE


def print_some(lines: Sequence[str], prefix: str) -> None:
    """Print the first lines of a list and the number of the others."""
    for line in lines[:SHOWN]:
        print(f"{prefix}: {line}")
    if len(lines) > SHOWN:
        print(f"... and {len(lines) - SHOWN} more")


def start_oggm() -> None:
    """Make OGGM's download cache known."""
    importlib.import_module("oggm_glaunti.coupling")  # first: it makes importing OGGM safe without a network
    from oggm import cfg

    if not cfg.IS_INITIALIZED:
        # OGGM's start-up lines have its level WORKFLOW, which lies above ERROR.
        cfg.initialize_minimal(logging_level="CRITICAL")


def start_oggm_for_weights(args: argparse.Namespace) -> None:
    """Start OGGM if its cache may be needed to find the weights."""
    if args.weights is None and not os.environ.get(settings.WEIGHTS_ENV):
        start_oggm()
