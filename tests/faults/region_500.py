"""A region in which some glaciers are bad, in ten ways: each is named with its cause, and all others are done.

``python -m tests.faults.region_500`` makes 500 glaciers, 20 of them bad, and prints a line that begins with ``holds:``
or ``falls short:`` for all that is expected of ``glaunti_tables``; the exit status is 1 if something falls short.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np

import oggm_glaunti  # noqa: F401 - before OGGM, which it makes importable without a network

GLACIERS, YEARS = 500, 20
MEMORY_ALLOWED = 1500.0  # MB above a process that has OGGM and JAX loaded


def _path(gdir: Any, basename: str) -> Path:
    return Path(gdir.get_filepath(basename, filesuffix="_daily" if basename == "climate_historical" else ""))


def cut(basename: str) -> Callable[[Any], None]:
    """Leave the first half of a file."""

    def damage(gdir: Any) -> None:
        path = _path(gdir, basename)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def remove(basename: str) -> Callable[[Any], None]:
    return lambda gdir: _path(gdir, basename).unlink()


def change(basename: str, action: Callable[[netCDF4.Dataset], None]) -> Callable[[Any], None]:
    def damage(gdir: Any) -> None:
        with netCDF4.Dataset(_path(gdir, basename), "a") as nc:
            action(nc)

    return damage


def _no_temperature(nc: netCDF4.Dataset) -> None:
    nc["temp"][100:110] = np.nan


def _no_cell(nc: netCDF4.Dataset) -> None:
    nc["outline"][:] = 0.0


def _degrees(nc: netCDF4.Dataset) -> None:
    from pyproj import CRS

    nc["crs"].crs_wkt = CRS.from_epsg(4326).to_wkt()


def one_calendar_year(gdir: Any) -> None:
    """Leave weather without a full mass-balance year."""
    from oggm_glaunti.coupling.weather.file import read_daily_climate, write_daily_climate
    from tests.region.synthetic import daily_series

    climate = read_daily_climate(gdir)
    write_daily_climate(gdir, daily_series(climate.select(climate.ye, climate.ye)))


def cut_parameters(gdir: Any) -> None:
    _path(gdir, "glaunti_params").write_text('{"melt_f": 5.1, "prcp_fac"')


class Fault(NamedTuple):
    """What is done to a glacier's directory, and a pattern of what has to be said of it besides the glacier's id."""

    damage: Callable[[Any], None]
    said: str


FAULTS = {
    "half a weather file": Fault(cut("climate_historical"), r"climate_historical_daily\.nc.* damaged"),
    "temperatures missing": Fault(
        change("climate_historical", _no_temperature), r"climate_historical_daily\.nc.*temp.*(NaN|missing)"
    ),
    "no weather": Fault(remove("climate_historical"), r"no daily climate .*process_daily_climate"),
    "weather of one year": Fault(one_calendar_year, r"climate_historical_daily\.nc .*no full mass-balance year"),
    "no cell inside the outline": Fault(change("glaunti_features", _no_cell), r"glaunti_features\.nc .*outline"),
    "maps in degrees": Fault(change("glaunti_features", _degrees), r"glaunti_features\.nc .*expected a UTM zone"),
    "half a file of maps": Fault(cut("glaunti_features"), r"glaunti_features\.nc cannot be used"),
    "no maps": Fault(remove("glaunti_features"), r"glaunti_features\.nc not found"),
    "half a file of parameters": Fault(cut_parameters, r"glaunti_params\.json"),
    "no heights": Fault(remove("gridded_data"), r"no glacier heights .*simple_glacier_masks"),
}


class Found(NamedTuple):
    """Result of a region: what was done to each bad glacier, statuses and messages, seconds, peak memory in MB."""

    bad: dict[str, str]
    statuses: Any
    gdirs: list[Any]
    seconds: float
    memory: float


def run_with_faults(folder: Path, glaciers: int, of_each: int, years: int) -> Found:
    """Make a region with `of_each` glaciers of every fault, spread over it, and run ``glaunti_tables`` on all."""
    import jax
    from oggm import cfg

    from oggm_glaunti.region import run
    from tests.benchmarks.runner import own_peak_mb
    from tests.region.synthetic import make_directories

    cfg.PARAMS["continue_on_error"] = True
    gdirs = make_directories(glaciers, folder / "per_glacier", seed=1, years=years)
    names = list(FAULTS) * of_each
    places = np.linspace(0, glaciers - 1, len(names)).round().astype(int)
    bad = {gdirs[place].rgi_id: name for place, name in zip(places, names, strict=True)}
    for gdir in gdirs:
        if gdir.rgi_id in bad:
            FAULTS[bad[gdir.rgi_id]].damage(gdir)
    jax.local_devices()
    idle, start = own_peak_mb(), time.perf_counter()
    statuses = run(gdirs, mb_kwargs={"model": "C"}, progress=False)
    return Found(bad, statuses, gdirs, time.perf_counter() - start, own_peak_mb() - idle)


def check(found: Found) -> list[tuple[bool, str]]:
    """Return whether each expectation holds, with a line that says what was found."""
    lines = []
    for rgi_id, name in found.bad.items():
        status, message = found.statuses.loc[rgi_id, ["status", "message"]]
        log = Path(next(gdir for gdir in found.gdirs if gdir.rgi_id == rgi_id).logfile).read_text()
        named = all(rgi_id in text and re.search(FAULTS[name].said, text) for text in (message, log))
        lines.append((status == "failed" and named, f"{rgi_id}, {name}: {status}, {message}"))
    good = [gdir for gdir in found.gdirs if gdir.rgi_id not in found.bad]
    done = sum(_has_table(gdir) and found.statuses.loc[gdir.rgi_id, "status"] == "written" for gdir in good)
    lines.append((done == len(good), f"{done} of {len(good)} good glaciers have a table"))
    left = [path.name for gdir in found.gdirs for path in Path(gdir.dir).glob("*glaunti_table*")]
    lines.append((set(left) == {"glaunti_table_C.nc"} and len(left) == len(good), f"{len(left)} files of tables"))
    speed = f"{found.seconds:.1f} s, {len(found.gdirs) / found.seconds:.1f} glaciers per s"
    return [*lines, (found.memory <= MEMORY_ALLOWED, f"{speed}, {found.memory:.0f} MB of {MEMORY_ALLOWED:.0f}")]


def _has_table(gdir: Any) -> bool:
    path = Path(gdir.get_filepath("glaunti_table", filesuffix="_C"))
    if not path.exists():
        return False
    with netCDF4.Dataset(path) as nc:
        return bool(np.isfinite(nc["smb"][:].filled(np.nan)).all())


def main(arguments: list[str] | None = None) -> int:
    """Run the region and print the lines."""
    from oggm_glaunti.coupling.oggm.offline import start_offline
    from tests.benchmarks import synthetic

    parser = argparse.ArgumentParser(prog="python -m tests.faults.region_500", description=__doc__)
    parser.add_argument("--glaciers", type=int, default=GLACIERS)
    parser.add_argument("--years", type=int, default=YEARS)
    options = parser.parse_args(arguments)
    if synthetic.published() is not None:
        os.environ["OGGM_GLAUNTI_WEIGHTS"] = str(synthetic.published())
    with tempfile.TemporaryDirectory(prefix="oggm_glaunti_region_") as name:
        start_offline(name, logging_level="CRITICAL")
        lines = check(run_with_faults(Path(name), options.glaciers, 2, options.years))
    for holds, text in lines:
        print(f"{'holds' if holds else 'falls short'}: {text}")
    return 0 if all(holds for holds, _ in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
