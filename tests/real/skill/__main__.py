"""Print the tables of docs/skill.md: ``python -m tests.real.skill [--cache FOLDER] [--figures FOLDER]``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.real.measured import shared_data
from tests.real.skill.bounds import Results, summary
from tests.real.skill.cost import cost_lines
from tests.real.skill.experiments import experiments
from tests.real.skill.report import print_tables
from tests.real.skill.sites import default_folder


def main(argv: list[str] | None = None) -> int:
    """Run everything; return 0 if all bounds hold, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.real.skill", description=__doc__)
    parser.add_argument(
        "--cache", type=Path, default=default_folder(), help="folder of the sites (default: %(default)s)"
    )
    parser.add_argument("--figures", type=Path, help="folder for the figures; default: none are drawn")
    args = parser.parse_args(argv)
    start, shared = time.perf_counter(), shared_data()
    results: Results = dict(experiments(args.cache, shared))
    print_tables(results)
    lines = [*summary(results), *cost_lines(args.cache)]
    print("\n".join(map(str, lines)))
    if args.figures is not None:
        from tests.real.skill.figures import draw

        draw(results, args.figures)
    print(f"{time.perf_counter() - start:.0f} s in all")
    return 0 if all(line.holds for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
