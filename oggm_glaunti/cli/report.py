"""The verb ``report``: a region as one page for a browser."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from oggm_glaunti.cli import common

REPORT = """\
Writes one HTML file that any browser opens, without a network: a map of the outlines coloured by mean balance with a
slider of years, the balances of each glacier with profile, equilibrium line, volume and warnings, the region's means, a
table to sort and to search, and what made it all.

DIR is what "oggm-glaunti run --out DIR" has made, or a folder with the output of compile_glaunti_output
(glaunti_output*.nc or .zarr), or such a file. What it lacks is left out of the report, which says so."""

EXAMPLE = """\
example:
  oggm-glaunti report region --out region.html
  oggm-glaunti uncertainty region --years 2001 2019 --out errors
  oggm-glaunti report region --uncertainty errors"""
NAME = "report.html"


def add_report(subparsers: common.Subparsers) -> None:
    """Add ``report``."""
    aliases = {"source": "DIR", "path": "--out"}
    parser = common.add_verb(
        subparsers, "report", run_report, "a region as one page for a browser", REPORT, EXAMPLE, aliases
    )
    parser.add_argument("directory", metavar="DIR", type=Path, help="folder, or dataset in it")
    parser.add_argument("--out", metavar="FILE", type=Path, help=f"HTML file (default: {NAME} in DIR)")
    parser.add_argument("--title", metavar="TEXT", help="title (default: that of the dataset)")
    errors = 'folder that "oggm-glaunti uncertainty" wrote to: annual balances get 90 %% intervals'
    parser.add_argument("--uncertainty", metavar="FOLDER", type=Path, help=errors)


def run_report(args: argparse.Namespace) -> int:
    """Write the report and print its name and size."""
    from oggm_glaunti.graphics import report

    folder = args.directory if args.directory.suffix not in (".nc", ".zarr") else args.directory.parent
    begin = time.perf_counter()
    path = report(args.directory, args.out or folder / NAME, uncertainty=args.uncertainty, title=args.title)
    common.say(args, f"made in {time.perf_counter() - begin:.1f} s, {path.stat().st_size / 1e6:.1f} MB")
    print(f"written: {path}")
    return common.OK
