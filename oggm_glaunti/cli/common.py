"""What the verbs share: exit statuses, options that several of them have, what is printed where, and OGGM's start."""

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any, TypeAlias, cast

from oggm_glaunti import settings
from oggm_glaunti.cli.wording import in_options, option_names
from oggm_glaunti.workflows.lists import first_lines

OK, FAILED, UNUSABLE = 0, 1, 2
INTERRUPTED = 130  # as in shells: 128 plus the number of the signal
PERIOD = "2000-01-01_2020-01-01, say; its last day counts unless it is the first of a month"

# Adds a verb's parser to those of the command.
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_verb(
    subparsers: Subparsers,
    verb: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    description: str = "",
    epilog: str | None = None,
    aliases: Mapping[str, str] | None = None,
    **defaults: Any,
) -> argparse.ArgumentParser:
    """Add the parser of a verb, with ``--verbose`` and ``--quiet``.

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
    aliases : mapping, optional
        arguments of the verb's tasks that are not called like its options, ``{argument: option}``: in messages
        arguments are replaced by options
    **defaults
        further attributes of the arguments: ``resumes``, printed after an interrupt, or ``errors``, exceptions that are
        reported without a traceback in addition to those of every verb
    """
    raw = argparse.RawDescriptionHelpFormatter
    text = f"{summary[0].upper()}{summary[1:]}.\n\n{description}".strip()
    # No abbreviations: what reads some options before the others would not know them.
    how: dict[str, Any] = {"formatter_class": raw, "allow_abbrev": False}
    parser = subparsers.add_parser(verb, help=summary, description=text, epilog=epilog, **how)
    parser.set_defaults(
        verb=verb, run=run, words=lambda text: in_options(text, option_names(parser, aliases or {})), **defaults
    )
    loud = parser.add_mutually_exclusive_group()
    loud.add_argument("-v", "--verbose", action="store_true", help="log every task on standard error")
    loud.add_argument("-q", "--quiet", action="store_true", help="results, warnings and errors only: no progress")
    return parser


def say(args: argparse.Namespace, line: str) -> None:
    """Print a line of progress, unless the user wants none."""
    if not args.quiet:
        print(line, flush=True)


def each(args: argparse.Namespace, items: Sequence[Any], unit: str) -> Iterator[Any]:
    """Yield the items with a progress bar on standard error, if that is a terminal and the user is not after quiet."""
    from tqdm import tqdm

    bar = tqdm(items, desc=args.verb, unit=unit, leave=False, disable=True if args.quiet else None)
    with bar, nullcontext() if bar.disable else redirect_stdout(cast(Any, _AboveBar(bar))):
        yield from bar


class _AboveBar:
    """Standard output that takes the bar away first, so that lines do not begin behind it."""

    def __init__(self, bar: Any):
        self.bar, self.stream = bar, sys.stdout

    def write(self, text: str) -> int:
        self.bar.clear()
        return self.stream.write(text)

    def flush(self) -> None:
        self.stream.flush()


class _OneLine(logging.Formatter):
    def __init__(self, words: Callable[[str], str]):
        super().__init__()
        self.words = words

    def format(self, record: logging.LogRecord) -> str:
        return f"oggm-glaunti: {record.levelname.lower()}: {self.words(' '.join(record.getMessage().split()))}"


@contextmanager
def logging_on_terminal(verbose: bool = False, words: Callable[[str], str] = str) -> Iterator[None]:
    """Show warnings of the package on standard error while the block runs, in the words of a verb.

    If `verbose`, all its and OGGM's messages are shown. Otherwise each once, at the end with the number of the other
    glaciers that have it, and errors of tasks are not: the command reports them.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine(words))
    said: dict[str, set[str]] = {}

    def is_new(record: logging.LogRecord) -> bool:
        if verbose or record.levelno >= logging.ERROR:
            return verbose
        text = record.getMessage()
        glacier, _, rest = text.partition(": ")
        message = rest if glacier.startswith("RGI") else text
        is_first = message not in said
        said.setdefault(message, set()).add(glacier)
        return is_first

    handler.addFilter(is_new)
    names = ("oggm_glaunti", *(("oggm",) if verbose else ()))
    before = [(logger, logger.level, logger.propagate) for logger in map(logging.getLogger, names)]
    for logger, _, _ in before:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO if verbose else logging.WARNING)
        logger.propagate = False  # OGGM's own handler would show them again
    try:
        yield
    finally:
        for message, glaciers in said.items():
            if len(glaciers) > 1:
                more = f"{len(glaciers) - 1} more glacier{'s' * (len(glaciers) > 2)}: {message}"
                handler.emit(logging.makeLogRecord({"levelname": "WARNING", "msg": more}))
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def add_out(parser: argparse.ArgumentParser) -> None:
    """Add ``--out DIR``."""
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="output folder; made if missing")
    parser.set_defaults(out_is_folder=True)


def require_folder(path: Path) -> None:
    """Raise a ValueError unless a folder is there or can be made and files can be written to it; nothing is made."""
    there = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise ValueError(f"--out {path}: {there} is a file; expected a folder, or a name for a new one")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"--out {path}: no permission to write in {there}; give another folder")


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


def balance_or(*words: str) -> Callable[[str], float | str | None]:
    """Return the type of an option that takes a balance (kg m-2 yr-1) or one of some words; ``none`` is None."""

    def parse(text: str) -> float | str | None:
        if text in words:
            return None if text == "none" else text
        try:
            return float(text)
        except ValueError as err:
            expected = f"a number, {', '.join(words[:-1])}{' or ' if words[1:] else ''}{words[-1]}"
            raise argparse.ArgumentTypeError(f"expected {expected}, found {text!r}") from err

    return parse


def positive(text: str) -> int:
    """Parse a whole number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {value}")
    return value


def given(args: argparse.Namespace, *names: str, **renamed: str) -> dict[str, Any]:
    """Return the options that were given, some under the name that a task calls them by."""
    asked = {name: getattr(args, renamed.get(name, name), None) for name in (*names, *renamed)}
    return {name: value for name, value in asked.items() if value is not None}


def complain(error: Exception | str, words: Callable[[str], str] = str) -> int:
    """Print an error as one line on standard error, in the words of a verb, and return the exit status."""
    print("oggm-glaunti: error: " + words(" ".join(str(error).split())), file=sys.stderr)
    return UNUSABLE


def print_some(lines: Sequence[str], prefix: str) -> None:
    """Print the first lines of a list and the number of the others."""
    print(*first_lines(f"{prefix}: {line}" for line in lines), sep="\n", end="\n" * bool(lines))


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
