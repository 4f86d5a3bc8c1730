"""What a command costs the first time and the second: 20 glaciers from outlines to ice dynamics, in new processes."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.report import readable
from tests.benchmarks.runner import last_line_of

GLACIERS = 20
NEEDED = 0.65  # the second time over the first
TIMEOUT = 1800.0  # s
SAMPLE = "data/oggm-sample-data/test-workflow"


def write_inputs(folder: Path, glaciers: int) -> list[str]:
    """Write the largest glaciers of the Oetztal and their weather; return the command's arguments."""
    import geopandas as gpd

    from tests.conftest import SHARED
    from tests.glaciers import ROFENTAL, write_hef_weather

    assert SHARED is not None
    outlines = gpd.read_file(SHARED / SAMPLE / "rgi" / "rgi_oetztal.shp")
    outlines["RGIId"] = outlines["RGIId"].str.strip().str[:14]
    largest = outlines.drop_duplicates("RGIId").sort_values("Area", ascending=False).head(glaciers)
    largest.to_file(folder / "outlines.gpkg")
    weather = write_hef_weather(folder / "weather.csv", SHARED)
    files = ["--shapefile", folder / "outlines.gpkg", "--dem", SHARED / SAMPLE / "srtm_oetztal.tif"]
    units = ["--ref-hgt", ROFENTAL["ref_hgt"], "--temp-units", "degC", "--prcp-units", "m/day"]
    return list(map(str, ["run", *files, "--climate", weather, *units, "--years", 2015, 2022]))


def seconds_of(arguments: list[str], home: Path, out: Path) -> float:
    """Run the command in a home of its own, whose cache holds what earlier runs left there."""
    # Only what the package sets by itself.
    env = {name: value for name, value in os.environ.items() if not name.startswith("JAX_")}
    start = time.perf_counter()
    last_line_of("oggm_glaunti.cli", *arguments, "--out", out, timeout=TIMEOUT, env={**env, "HOME": str(home)})
    return time.perf_counter() - start


class Command(NamedTuple):
    """The command in a new home, and again with another folder for its results."""

    name: str
    title: str
    note: str
    needs_data: bool = True

    def body(self, quick: bool, memory: bool, figure: Path | None) -> tuple[str, bool]:
        """A row for the first and for the second time."""
        del memory, figure
        with tempfile.TemporaryDirectory(prefix="oggm_glaunti_benchmarks_") as name:
            folder = Path(name)
            arguments = write_inputs(folder, 1 if quick else GLACIERS)
            first, second = (seconds_of(arguments, folder, folder / out) for out in ("first", "second"))
        share = second / first
        met = share <= NEEDED
        words = "" if quick else f"{NEEDED:g} of the first: {'met' if met else 'NOT MET'}"
        lines = ["| | time | of the first | needed |", "|---|---|---|---|", f"| first | {readable(first)} | 1 |  |"]
        return "\n".join([*lines, f"| second | {readable(second)} | {share:.2f} | {words} |"]), met or quick


CASES = [
    Command(
        "command",
        f"`oggm-glaunti run`, the {GLACIERS} largest glaciers of the Oetztal, model C, in new processes",
        "From outlines, DEM and weather to ice dynamics, one process. The first run finds no compiled programs, the "
        "second those of the first.",
    )
]
