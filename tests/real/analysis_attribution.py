"""What made 2003 at Grosser Aletsch, and what it takes to know: ``python -m tests.real.analysis_attribution``."""

from __future__ import annotations

import calendar
import time
from collections.abc import Iterable
from typing import Any

from tests.benchmarks.runner import own_peak_mb
from tests.real.measured import prepared_aletsch, timed

REFERENCE = (1991, 2020)


def attribution_report(gdir: Any, year: int = 2003, runs: int = 5) -> list[str]:
    """Contributions, nodes, gap, seconds (median of warm runs, reading of files included) and peak memory."""
    from oggm_glaunti.analysis.attribution.tasks import attribute_year

    took = timed(lambda: attribute_year(gdir, year=year, reference=REFERENCE, mb_kwargs={"model": "A"}), runs)
    made = took.result
    difference, gap = float(made.difference), float(made.gap)
    groups = {name: float(made[name].sum()) for name in ("temp", "prcp", "snow")}
    monthly = {
        f"{name} of {calendar.month_abbr[month]}": float(made[name].sel(month=month).sum())
        for name in ("temp", "prcp")
        for month in made.month.to_numpy()
    }
    largest = sorted(monthly.items(), key=lambda item: -abs(item[1]))[:5]
    first, last = REFERENCE
    reference, in_mean = float(made.reference_balance), float(made.mean_climate_balance)
    return [
        f"{year}: balance {float(made.balance):+.3f} m w.e., mean of {first}-{last} {reference:+.3f} (in their mean "
        f"weather {in_mean:+.3f}), difference {difference:+.3f}",
        f"contributions: {_listed(groups.items())}, leap day {float(made.leap_day):+.4f}",
        f"largest: {_listed(largest)}",
        f"{int(made.nodes)} nodes on each of {made.attrs['baselines']} paths, gap {1000 * gap:+.3f} mm w.e. "
        f"({abs(gap / difference):.1e} of the difference)",
        f"{took.warm:.2f} s warm (median of {runs}), {took.first:.1f} s the first time, peak "
        f"memory {own_peak_mb():.0f} MB",
    ]


def _listed(parts: Iterable[tuple[str, float]]) -> str:
    return ", ".join(f"{name} {value:+.3f}" for name, value in parts)


def corrections_report(gdir: Any, year: int = 2003) -> list[str]:
    """Which inputs of model C's corrector have made the year's corrections count."""
    from oggm_glaunti.analysis.attribution.corrections import attribute_corrections

    start = time.perf_counter()
    made = attribute_corrections(gdir, year=year, reference=REFERENCE, mb_kwargs={"model": "C"})
    names = ("smb0", "smb0_warmer", "smb0_wetter", "temp", "prcp")
    parts = ", ".join(f"{name} {float(made[name].sum()):+.3f}" for name in names)
    return [
        f"C, the year's corrections: {float(made.difference):+.3f} m w.e. against those of mean inputs: {parts}",
        f"{int(made.nodes)} nodes, gap {1000 * float(made.gap):+.3f} mm w.e., {time.perf_counter() - start:.0f} s with "
        "compiling and the gridded run of all years",
    ]


def main() -> None:
    """Print everything."""
    with prepared_aletsch() as (gdir, _, _):
        for line in (*attribution_report(gdir), *corrections_report(gdir)):
            print(line)


if __name__ == "__main__":
    main()
