"""The command ``oggm-glaunti``.

A verb is one function that adds its parser and one that runs it and returns the exit status; :func:`make_parser` lists
them. JAX and OGGM are imported only by the verb that needs them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import oggm_glaunti
from oggm_glaunti.cli import common
from oggm_glaunti.cli.analyse import add_attribute, add_invert, add_measure, add_uncertainty
from oggm_glaunti.cli.calibrate import add_calibrate, add_features, add_fit
from oggm_glaunti.cli.config import with_config
from oggm_glaunti.cli.dem import add_impute_dem
from oggm_glaunti.cli.evaluate import add_evaluate, add_infer
from oggm_glaunti.cli.export import add_export
from oggm_glaunti.cli.hydro import add_hydro
from oggm_glaunti.cli.iceflow import add_iceflow
from oggm_glaunti.cli.meltwater import add_meltwater
from oggm_glaunti.cli.report import add_report
from oggm_glaunti.cli.run import add_run
from oggm_glaunti.cli.train import add_finetune, add_train


def add_verify(subparsers: common.Subparsers) -> None:
    """Add ``verify FILE.npz [--weights DIR]``."""
    what = "recompute every output of a reference file from its inputs and compare"
    epilog = "exit status: 0 all within tolerance, 1 some outside, 2 the file or the weights cannot be used."
    parser = common.add_verb(subparsers, "verify", run_verify, what, epilog=epilog)
    parser.add_argument("file", metavar="FILE.npz", type=Path)
    common.add_weights(parser, "folder with a.eqx, b.eqx, ...")


def run_verify(args: argparse.Namespace) -> int:
    """Verify a file and print the report."""
    from oggm_glaunti.verification import print_report, verify_file

    common.start_oggm_for_weights(args)
    report = verify_file(args.file, args.weights, progress=not args.quiet)
    print_report(report)
    return common.OK if report.ok else common.FAILED


DEMO = """\
From outline, DEM and daily weather to a century of ice dynamics on Hintereisferner, whose data are in the package, with
scores against its measured balances; needs no network. Writes a figure, a page for the browser (report.html) and NetCDF
files."""


def add_demo(subparsers: common.Subparsers) -> None:
    """Add ``demo [--out DIR] [--synthetic]``."""
    what = "run the whole chain on an embedded glacier"
    parser = common.add_verb(subparsers, "demo", run_demo, what, DEMO)
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("glaunti_demo"), help="default: %(default)s")
    parser.add_argument("--synthetic", action="store_true", help="run on a glacier made by code instead")


def run_demo(args: argparse.Namespace) -> int:
    """Run the demo."""
    from oggm_glaunti.workflows import demo

    demo.run_demo(args.out, synthetic=args.synthetic)
    return common.OK


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog="oggm-glaunti", description="GlaUnTI surface mass balance inside OGGM.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {oggm_glaunti.__version__}")
    parser.set_defaults(resumes=None, errors=(), out_is_folder=False)
    subparsers = parser.add_subparsers(metavar="VERB", required=True)
    for add in (add_run, add_features, add_calibrate, add_fit, add_export, add_invert, add_attribute, add_uncertainty):
        add(subparsers)
    for add in (
        add_report,
        add_hydro,
        add_measure,
        add_train,
        add_finetune,
        add_evaluate,
        add_infer,
        add_impute_dem,
        add_iceflow,
        add_meltwater,
    ):
        add(subparsers)
    for add in (add_verify, add_demo):
        add(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Errors that the user can mend (files, options, weather, OGGM's complaints) are printed as one line.

    Parameters
    ----------
    argv : sequence of str, optional
        arguments after the command's name; by default those of the process

    Returns
    -------
    int
        exit status
    """
    parser = make_parser()
    try:
        args = parser.parse_args(with_config(sys.argv[1:] if argv is None else argv, parser))
    except (OSError, ValueError) as err:
        return common.complain(err)
    try:
        with common.logging_on_terminal(args.verbose, args.words):
            if args.out_is_folder:
                common.require_folder(args.out)
            return args.run(args)
    except FloatingPointError as err:
        common.complain(err, args.words)
        return common.FAILED
    except (OSError, ValueError, *args.errors) as err:
        return common.complain(err, args.words)
    except RuntimeError as err:
        oggm = sys.modules.get("oggm.exceptions")
        if oggm is None or not isinstance(err, oggm.MassBalanceCalibrationError):
            raise
        return common.complain(err, args.words)
    except KeyboardInterrupt:
        if args.resumes is None:
            raise
        common.complain(f"interrupted; {args.resumes}")
        return common.INTERRUPTED
