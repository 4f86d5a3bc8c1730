"""The command ``oggm-glaunti``.

A verb is one function that adds its parser and one that runs it and returns the exit status; :data:`VERBS` lists them.
JAX and OGGM are imported only by the verb that needs them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import oggm_glaunti
from oggm_glaunti import settings
from oggm_glaunti.cli.analyse import add_attribute, add_invert, add_measure, add_uncertainty
from oggm_glaunti.cli.common import FAILED, OK, complain, start_oggm
from oggm_glaunti.cli.dem import add_impute_dem
from oggm_glaunti.cli.evaluate import add_evaluate, add_infer
from oggm_glaunti.cli.run import add_run
from oggm_glaunti.cli.train import add_finetune, add_train


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
    from oggm_glaunti.workflows import demo

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
