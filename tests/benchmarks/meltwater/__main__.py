"""Print what "accepted" means for daily meltwater maps, a line per bound: ``python -m tests.benchmarks.meltwater``.

Names of sections run these only: ``balance``, ``antarctica``, ``world``, ``stations``, ``large``, ``costs``,
``glacier``. The exit status is 1 if a bound falls short.
"""

from __future__ import annotations

import importlib
import platform
import sys
import time

from tests.benchmarks.meltwater.lines import Verdict

SECTIONS = ("balance", "antarctica", "world", "stations", "large", "costs", "glacier")


def main(argv: list[str]) -> int:
    unknown = set(argv) - set(SECTIONS)
    if unknown:
        print(f"sections: expected some of {SECTIONS}, found {sorted(unknown)}", file=sys.stderr)
        return 2
    import jax

    from oggm_glaunti.core.threads import cores

    print(f"{platform.machine()}, {cores()} cores, {jax.devices()[0].platform}, JAX {jax.__version__}")
    found: list[Verdict] = []
    for name in argv or SECTIONS:
        begin = time.perf_counter()
        verdicts = importlib.import_module(f"tests.benchmarks.meltwater.{name}").run()
        print("\n".join(map(str, verdicts)))
        print(f"({name}: {time.perf_counter() - begin:.0f} s)", flush=True)
        found += verdicts
    short = [verdict for verdict in found if not verdict.holds]
    print(f"\n{len(found) - len(short)} of {len(found)} bounds hold")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
