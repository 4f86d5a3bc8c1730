"""The command ``oggm-glaunti``.

A verb is one function that adds its parser and one that runs it and returns the exit status; :data:`VERBS` lists them.
JAX and OGGM are imported only by the verb that needs them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import oggm_glaunti
from oggm_glaunti import settings
from oggm_glaunti.analysis_cli import add_attribute, add_invert, add_measure, add_uncertainty
from oggm_glaunti.dem_cli import add_impute_dem
from oggm_glaunti.evaluate_cli import add_evaluate, add_infer
from oggm_glaunti.region_cli import add_run
from oggm_glaunti.train_cli import add_finetune, add_train

OK, FAILED, UNUSABLE = 0, 1, 2


def complain(error: Exception) -> int:
    """Print an error as one line on standard error; returns the exit status."""
    print("oggm-glaunti: error: " + " ".join(str(error).split()), file=sys.stderr)
    return UNUSABLE


def add_verify(subparsers: argparse._SubParsersAction) -> None:
    """Add ``verify FILE.npz [--weights DIR]``."""
    parser = subparsers.add_parser(
        "verify",
        help="recompute every output of a reference file and compare",
        description="Recompute every output of a reference file from its inputs. Exit status: 0 all within tolerance, "
        "1 some outside, 2 the file or the weights cannot be used.",
    )
    parser.add_argument("file", metavar="FILE.npz", type=Path)
    parser.add_argument(
        "--weights",
        metavar="DIR",
        type=Path,
        help=f"folder with a.eqx, b.eqx, ... (default: {settings.WEIGHTS_ENV}, OGGM's cache, download)",
    )
    parser.set_defaults(run=run_verify)


def run_verify(args: argparse.Namespace) -> int:
    """Verify a file and print the report."""
    from oggm_glaunti.verification import VerificationError, print_report, verify_file

    if args.weights is None and not os.environ.get(settings.WEIGHTS_ENV):
        start_oggm()
    try:
        report = verify_file(args.file, args.weights)
    except (OSError, VerificationError) as err:
        return complain(err)
    print_report(report)
    return OK if report.ok else FAILED


def start_oggm() -> None:
    """Make OGGM's download cache known."""
    # First: it makes importing OGGM safe without a network.
    importlib.import_module("oggm_glaunti.coupling")
    from oggm import cfg

    if not cfg.IS_INITIALIZED:
        # OGGM's start-up lines have its level WORKFLOW, which lies above ERROR.
        cfg.initialize_minimal(logging_level="CRITICAL")


def add_demo(subparsers: argparse._SubParsersAction) -> None:
    """Add ``demo [--out DIR]``."""
    parser = subparsers.add_parser(
        "demo",
        help="run the whole chain on an embedded glacier",
        description="From outline, DEM and daily weather to a century of ice dynamics on a glacier made by code; needs "
        "no network. Writes a figure and NetCDF files.",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("glaunti_demo"), help="default: %(default)s")
    parser.set_defaults(run=run_demo)


def run_demo(args: argparse.Namespace) -> int:
    """Run the demo."""
    from oggm_glaunti import demo

    try:
        demo.run_demo(args.out)
    except (OSError, ValueError) as err:
        return complain(err)
    return OK


VERBS: tuple[Callable[[argparse._SubParsersAction], None], ...] = (
    add_run,
    add_train,
    add_finetune,
    add_evaluate,
    add_infer,
    add_invert,
    add_attribute,
    add_uncertainty,
    add_measure,
    add_impute_dem,
    add_verify,
    add_demo,
)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog="oggm-glaunti", description="GlaUnTI surface mass balance inside OGGM.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {oggm_glaunti.__version__}")
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for add in VERBS:
        add(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        arguments after the command's name; those of the process if not given

    Returns
    -------
    int
        exit status
    """
    args = make_parser().parse_args(argv)
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
