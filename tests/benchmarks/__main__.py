"""``python -m tests.benchmarks``: print what the package costs; ``--write`` also writes docs/evidence/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys

# The package first: it may have something to say to XLA before jax is loaded.
import oggm_glaunti  # noqa: F401
from tests.benchmarks import regions, report, runner, synthetic, world
from tests.benchmarks.cases import all_cases
from tests.conftest import SHARED


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--case", action="append", help="only this one (repeatable)")
    parser.add_argument("--list", action="store_true", help="names of the cases, and no more")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one round: does it run?")
    parser.add_argument("--write", action="store_true", help="write docs/evidence/benchmarks.md and its figures")
    parser.add_argument("--no-memory", action="store_true", help="do not measure memory (a process for each row)")
    parser.add_argument("--peak", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--region", nargs=2, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--world", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.quick and options.write:
        parser.error("--quick measures nothing worth writing")
    return options


def main(arguments: list[str] | None = None) -> int:
    """Run the cases; 1 where something needed is not met."""
    options = parse(arguments)
    if synthetic.published() is not None:
        os.environ["OGGM_GLAUNTI_WEIGHTS"] = str(synthetic.published())
    cases = all_cases()
    if options.peak:
        name, subject = options.peak[0], (options.peak[1] if len(options.peak) > 1 else "")
        print(runner.run_for_peak(None if name == runner.IDLE else cases[name], subject, options.quick))
        return 0
    if options.region:
        print(json.dumps(regions.measure_here(*options.region)._asdict()))
        return 0
    if options.world:
        name, model, sample, years = options.world
        print(json.dumps(world.measure_here(name, model, int(sample), int(years))._asdict()))
        return 0
    if options.list:
        print("\n".join(f"{case.name:16} {case.title}" for case in cases.values()))
        return 0
    names = options.case or list(cases)
    unknown = sorted(set(names) - set(cases))
    if unknown:
        print(f"no case {', '.join(unknown)}; there are {', '.join(cases)}", file=sys.stderr)
        return 2
    return max([_run(cases[name], options) for name in names], default=0)


def _run(case, options: argparse.Namespace) -> int:
    """Measure and print a case, and put it into the document where that is asked for."""
    if case.needs_data and SHARED is None:
        print(f"{case.name}: skipped, no shared data; set OGGM_GLAUNTI_SHARED to their folder", file=sys.stderr)
        return 0
    command = f"python -m tests.benchmarks --case {case.name}{' --quick' if options.quick else ''}"
    figure = report.FIGURES / f"benchmarks_{case.name}.png" if options.write else None
    body, met = case.body(options.quick, not options.no_memory and not options.quick, figure)
    setting = report.setting(command, synthetic.published() is not None)
    text = report.block(case.name, case.title, setting, body, case.note)
    print(f"\n{text}", flush=True)
    if options.write:
        report.write({case.name: text}, list(all_cases()))
    return 0 if met or options.quick else 1


if __name__ == "__main__":
    # A run's warnings would be said in every round.
    logging.getLogger("oggm").setLevel(logging.CRITICAL)
    sys.exit(main())
