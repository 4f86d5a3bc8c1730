"""Print what a report for the browser costs: ``python -m tests.benchmarks.browser_report``.

The 20 outlines of the Oetztal, run as ``oggm-glaunti run`` does (model C, or A where the weights are missing), and
1,000 glaciers made by code, both with everything in their folders. A line per bound, ``holds`` or ``falls short`` with
the figure; status 1 if any falls short. Seconds are those of a clock: on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import xarray as xr

from oggm_glaunti import settings
from tests.conftest import SHARED
from tests.graphics.report.browser import browser, why_not
from tests.graphics.report.region import make_working_dir

MANY = 1000
MOST_MB, MOST_TO_MAKE, MOST_TO_OPEN = 15.0, 30.0, 3.0  # MB, s, s
ATOL = 0.00501  # m w.e.: two digits of the table


class Lines:
    """Verdicts, printed as they come."""

    def __init__(self) -> None:
        self.short = 0

    def __call__(self, holds: bool, what: str) -> None:
        self.short += not holds
        print(f"{'holds' if holds else 'falls short'}: {what}", flush=True)


def run_oetztal(folder: Path, shared: Path) -> str:
    """Run the Oetztal by the command; return the model."""
    from oggm_glaunti.cli.main import main
    from tests.glaciers import write_hef_weather
    from tests.region.oetztal import oetztal_outlines

    weights = shared / "reference" / "upstream"
    model = "C" if weights.is_dir() else "A"
    if model == "C":
        os.environ.setdefault(settings.WEIGHTS_ENV, str(weights))
    oetztal_outlines(shared).to_file(folder / "oetztal.shp")
    weather = write_hef_weather(folder / "weather.csv", shared)
    dem = shared / "data/oggm-sample-data/test-workflow/srtm_oetztal.tif"
    arguments = ["--shapefile", folder / "oetztal.shp", "--dem", dem, "--climate", weather, "--ref-hgt", 2919]
    arguments += ["--temp-units", "degC", "--prcp-units", "m/day", "--years", 2014, 2022, "--border", 20]
    done = main(["run", "--quiet", *map(str, arguments), "--model", model, "--out", str(folder / "region")])
    if done:
        raise SystemExit(f"the run of the Oetztal ended with status {done}")
    return model


def measure(working_dir: Path, what: str, say: Lines) -> None:
    """Make a report and open it, with a line for each bound."""
    from oggm_glaunti.graphics import report

    begin, cpu = time.perf_counter(), time.process_time()
    path = report(working_dir, working_dir / "report.html")
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    size = path.stat().st_size / 1e6
    say(size < MOST_MB, f"{what}: {size:.1f} MB (bound {MOST_MB:g})")
    say(took < MOST_TO_MAKE, f"{what}: made in {took:.1f} s, {cpu:.1f} s of a core (bound {MOST_TO_MAKE:g})")
    if why_not():
        print(f"{what}: not opened, {why_not()}")
        return
    with browser() as opened:
        opened.open(path)
        say(
            opened.seconds < MOST_TO_OPEN,
            f"{what}: opened in {opened.seconds:.1f} s, {opened.busy:.1f} s of a core (bound {MOST_TO_OPEN:g})",
        )
        begin = time.perf_counter()
        opened.wait_for_all()
        print(f"  all figures {time.perf_counter() - begin:.1f} s later")
        if opened.page.is_visible("#more"):
            opened.page.click("#more")
        rows = opened.page.eval_on_selector_all(
            "#glaciers tbody tr", "all => all.map((one) => Number(one.dataset.row))"
        )
        shown = opened.page.locator('#glaciers td[data-of="mean"]').all_text_contents()
        with xr.open_dataset(working_dir / "glaunti_output.nc") as ds:
            mean = ds["specific_mb"].mean("time", skipna=False).to_numpy()
        worst = float(np.abs([float(text.replace("−", "-")) for text in shown] - mean[rows]).max())
        say(
            len(rows) == mean.size and worst < ATOL,
            f"{what}: {len(rows)} of {mean.size} means read back, largest difference {worst:.4f} m w.e.",
        )
        clean = not opened.complaints() and not opened.asked_beyond(path)
        say(clean, f"{what}: {len(opened.complaints())} complaints, {len(opened.asked_beyond(path))} requests")


def main(arguments: list[str] | None = None) -> int:
    """Print the lines; 1 where a bound falls short."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.browser_report", description=__doc__)
    parser.add_argument("--region", nargs="+", type=Path, help="folders to take instead of making both")
    options = parser.parse_args(arguments)
    say = Lines()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for folder in options.region or ():
        measure(folder, folder.name, say)
    if options.region:
        return int(bool(say.short))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary)
        if SHARED is None:
            print("no shared data: the Oetztal is left out")
        else:
            model = run_oetztal(folder, SHARED)
            measure(folder / "region", f"20 outlines of the Oetztal, model {model}", say)
        (folder / "many").mkdir()
        make_working_dir(folder / "many", MANY)
        measure(folder / "many", f"{MANY} glaciers made by code", say)
    return int(bool(say.short))


if __name__ == "__main__":
    sys.exit(main())
