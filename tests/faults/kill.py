"""Every task that writes, killed at random instants again and again: ``python -m tests.faults.kill --n 200 --seed 1``.

A world is a folder with a glacier directory, a region, a training and their outputs of an earlier call. For each kill a
copy of it is made and one task is run that replaces some of them by others, in a process that is killed (SIGKILL) at
some instant: mostly between the moment a file is begun and the moment it is in its place, else anywhere. Then each file
has to be the old or the new one, whole; and the task run again has to leave what an undisturbed run leaves, and nothing
else. Processes are forked from one that has imported everything and has not started JAX.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

# What differs from run to run: dates, states and paths of files.
VOLATILE = {"history", "creation_date", "input_files", "glaunti_source_file"}
# OGGM's own: a run's files are deleted and written in place, and the chain does the stage again.
NOT_OURS = ("log.txt", "model_diagnostics", "model_geometry", "fl_diagnostics")
SHARE_WHILE_WRITING = 0.75


# --- the tasks, each in two versions ---


@dataclass(frozen=True)
class Place:
    """A world, and the inputs that all worlds share."""

    world: Path
    inputs: Path

    @property
    def out(self) -> Path:
        return self.world / "out"

    @property
    def gdir(self) -> Any:
        import oggm
        from oggm import cfg

        cfg.PATHS["working_dir"] = str(self.world / "oggm")
        return oggm.GlacierDirectory("RGI60-11.99999", base_dir=str(self.world / "oggm" / "per_glacier"))


A = {"mb_kwargs": {"model": "A"}}
UNITS = {"temp_units": "degC", "prcp_units": "mm/day", "ref_hgt": 2900.0}


def weather(place: Place, new: bool) -> None:
    from oggm_glaunti.tasks import process_daily_climate

    given = {"source": "custom", "path": place.inputs / f"weather_{new}.csv", "also_monthly": True, **UNITS}
    process_daily_climate(place.gdir, overwrite_monthly=True, **given)


def features(place: Place, new: bool) -> None:
    from oggm_glaunti.tasks import glaunti_features

    glaunti_features(place.gdir, dem_file=place.inputs / "dem.tif", elevation_std=7.0 if new else 5.0)


def calibration(place: Place, new: bool) -> None:
    from oggm_glaunti.tasks import calibrate_glaunti

    reference = {"ref_mb": -300.0 if new else -600.0, "ref_mb_err": 100.0, "ref_period": "2000-01-01_2003-01-01"}
    calibrate_glaunti(place.gdir, **reference, **A)


def ice(place: Place, new: bool) -> None:
    from oggm import tasks

    from oggm_glaunti import GlaUnTIMassBalanceA
    from oggm_glaunti.settings import INVERSION_TASKS

    tasks.apparent_mb_from_any_mb(place.gdir, mb_model_class=GlaUnTIMassBalanceA, mb_years=[2000, 2003])
    for name in INVERSION_TASKS:
        getattr(tasks, name)(place.gdir)
    tasks.run_from_climate_data(
        place.gdir, ys=2000, ye=2003, mb_model_class=GlaUnTIMassBalanceA, output_filesuffix="_run"
    )


def tables(place: Place, new: bool) -> None:
    from oggm import cfg

    from oggm_glaunti.tasks import glaunti_tables

    cfg.PARAMS["glaunti_table_step"] = 12.0 if new else 10.0
    statuses = glaunti_tables([place.gdir], progress=False, **A)
    assert statuses["status"].isin(["written", "valid"]).all(), statuses


def maps(place: Place, new: bool) -> None:
    from oggm_glaunti.tasks import glaunti_smb

    glaunti_smb(place.gdir, ys=2001 if new else 2002, ye=2002, **A)


def output(place: Place, new: bool, format: str = "netcdf") -> None:
    from oggm_glaunti.tasks import compile_glaunti_output

    path = place.out / ("region.nc" if format == "netcdf" else "region.zarr")
    asked = {"format": format, "years": "calendar" if new else "mass_balance", "input_filesuffix": "_run"}
    compile_glaunti_output([place.gdir], path=path, **asked, **A)


def fit(place: Place, new: bool) -> None:
    from oggm_glaunti.fit.observations import as_observations
    from oggm_glaunti.tasks import fit_glaunti

    rows = {"begin": "2001-10-01", "end": "2002-09-30", "kind": "glacier-wide", "value": [-0.3 if new else -0.7]}
    table = as_observations({"glacier": ["RGI60-11.99999"], **rows})
    fit_glaunti(place.gdir, observations=table, free=["ddf_snow"], filesuffix="_fit", **A)


def training(place: Place, new: bool) -> None:
    """What an epoch leaves: the checkpoint, the log and the weights."""
    from oggm_glaunti import files, shop
    from oggm_glaunti.fit.training.checkpoint import Progress, write_checkpoint

    trees = {name: {"w": np.full(50_000, 1.0 + new, np.float32)} for name in ("trained", "optimiser", "best")}
    progress = Progress(epoch=1 + new, best_epoch=1, best_error=0.5, log=[{"epoch": 1, "loss": 1.0 + new}], **trees)
    write_checkpoint(place.out / "a_checkpoint.npz", progress, {"seed": 1})
    files.write_text(place.out / "a_log.csv", f"epoch,loss\n1,{1.0 + new}\n" * 1000)
    shop.save_model(shop.load("A").model, place.out / "a.eqx", f"data {new}")


def surfaces(place: Place, new: bool) -> None:
    from oggm_glaunti.tasks import process_dem_stack

    kinds = {name: {y: place.inputs / f"{name[-3:]}_{y}.tif" for y in YEARS} for name in ("z", "z_std")}
    process_dem_stack(
        place.gdir, **kinds, dem_file=place.inputs / "dem.tif", coregister=new, imputation={"method": "hypsometric"}
    )


def region(place: Place, new: bool) -> None:
    from oggm_glaunti.workflows.region_chain import run_region
    from oggm_glaunti.workflows.region_directories import Request

    files = {"shapefile": place.inputs / "outlines.gpkg", "dem": place.inputs / "dem.tif"}
    asked = {"climate": str(place.inputs / f"weather_{new}.csv"), "climate_options": UNITS, "model": "A", "border": 20}
    statuses = run_region(Request(place.world / "region", years=(2000, 2002), **files, **asked))
    assert (statuses["status"] == "done").all(), statuses


def region_again(place: Place, new: bool) -> None:
    """A finished region: nothing is computed but the outputs."""
    region(place, False)


YEARS = (2001, 2002, 2003)
TASKS: dict[str, Callable[[Place, bool], None]] = {
    "process_daily_climate": weather,
    "glaunti_features": features,
    "calibrate_glaunti": calibration,
    "ice": ice,
    "glaunti_tables": tables,
    "glaunti_smb": maps,
    "output, NetCDF": output,
    "output, Zarr": partial(output, format="zarr"),
    "fit_glaunti": fit,
    "training": training,
    "process_dem_stack": surfaces,
    "run_region": region,
    "run_region again": region_again,
}
# OGGM's own files; it is here since others need them.
KILLED = [name for name in TASKS if name != "ice"]


def make_inputs(folder: Path) -> None:
    import pandas as pd

    from oggm_glaunti.workflows.valley import daily_weather, valley_outline, write_dem
    from tests.companions.dem.valley_stack import axes, surfaces as valley_surfaces, write_raster

    folder.mkdir()
    table = daily_weather(2000, 2002)
    table.to_csv(folder / "weather_False.csv")
    table.assign(temp=table["temp"] + 1.0).to_csv(folder / "weather_True.csv")
    one, other = valley_outline(), valley_outline().assign(RGIId="RGI60-11.99998")
    pd.concat([one, other]).to_file(folder / "outlines.gpkg")
    write_dem(folder / "dem.tif")
    x, y = axes()
    for year, layer in zip(YEARS, valley_surfaces(x, y), strict=False):
        write_raster(folder / f"z_{year}.tif", layer, x, y)
        write_raster(folder / f"std_{year}.tif", np.full_like(layer, 6.0), x, y)


def make_world(place: Place) -> None:
    """The earlier call of every task."""
    from oggm_glaunti.workflows.valley import make_valley_glacier

    place.out.mkdir(parents=True)
    make_valley_glacier(place.world / "oggm", params=PARAMS)
    for name, task in TASKS.items():
        if name != "run_region again":
            task(place, False)


PARAMS = {"use_multiprocessing": False, "border": 20, "store_fl_diagnostics": True, "store_model_geometry": True}


def start(folder: Path) -> None:
    """Import everything, also what xarray imports when it writes, and start OGGM; JAX is imported and not started."""
    from oggm_glaunti.coupling.oggm.offline import start_offline

    start_offline(folder, params=PARAMS, logging_level="CRITICAL")
    import jax  # noqa: F401
    import oggm.tasks  # noqa: F401
    import xarray as xr
    import zarr  # noqa: F401

    import oggm_glaunti.core.batch
    import oggm_glaunti.tasks  # noqa: F401
    from oggm_glaunti.coupling.gridded import model  # noqa: F401
    from oggm_glaunti.fit.training import checkpoint  # noqa: F401

    xr.Dataset({"one": 1.0}).to_netcdf(folder / "one.nc")


# --- one process, killed or not ---


@dataclass
class Run:
    """A process that runs a task: when it began and finished each file, how it ended."""

    begun: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    seconds: float = 0.0
    status: int = 0
    said: str = ""


def run(
    task: Callable[[Place, bool], None], place: Place, kill: tuple[int, float] | None = None, keep: Path | None = None
) -> Run:
    """Run a task in a forked process; kill it some seconds after it has begun its i-th file (-1: after its start).

    Every version of every file that is put in place is kept in the folder `keep`.
    """
    told, tell = os.pipe()
    said = tempfile.TemporaryFile()  # noqa: SIM115
    start, done = time.perf_counter(), Run()
    pid = os.fork()
    if pid == 0:
        _child(task, place, tell, said.fileno(), keep)
    os.close(tell)
    at = None if kill is None or kill[0] >= 0 else start + kill[1]
    message = b"begun"
    while message:
        wait = None if at is None else max(0.0, at - time.perf_counter())
        message = os.read(told, 1) if select.select([told], [], [], wait)[0] else b"now"
        now = time.perf_counter()
        if message in (b"b", b"f"):
            (done.begun if message == b"b" else done.finished).append(now - start)
            if kill is not None and kill[0] >= 0 and at is None and len(done.begun) > kill[0]:
                at = now + kill[1]
        if at is not None and now >= at:
            os.kill(pid, signal.SIGKILL)
            at = kill = None
    os.close(told)
    done.status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    done.seconds = time.perf_counter() - start
    said.seek(0)
    done.said = said.read().decode(errors="replace")[-2000:]
    said.close()
    return done


def _child(task: Callable[[Place, bool], None], place: Place, tell: int, said: int, keep: Path | None) -> None:
    status = 1
    try:
        os.dup2(said, 1)
        os.dup2(said, 2)
        from oggm_glaunti import files

        clear, put = files.remove_leftovers, files._put_in_place

        def begin(folder: Any) -> None:
            os.write(tell, b"b")
            clear(folder)

        def finish(temporary: Path, path: Path) -> None:
            put(temporary, path)
            os.write(tell, b"f")
            if keep is not None:
                version = keep / path.relative_to(place.world)
                version.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if path.is_dir() else shutil.copyfile
                copy(path, version / f"{len(os.listdir(version))}{path.suffix}")

        files.remove_leftovers, files._put_in_place = begin, finish
        task(place, True)
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


# --- what is found afterwards ---


def listing(world: Path) -> dict[str, Path]:
    """Files of a world by relative path, a Zarr folder counting as one."""
    found = {}
    for folder, folders, names in os.walk(world):
        stores = [name for name in folders if ".zarr" in name]
        folders[:] = [name for name in folders if name not in stores]
        for name in (*names, *stores):
            path = Path(folder) / name
            found[str(path.relative_to(world))] = path
    return found


def is_ours(name: str) -> bool:
    path = Path(name)
    in_directory = "per_glacier" in path.parts
    return not path.name.startswith(NOT_OURS) and (
        not in_directory or "glaunti" in path.name or "climate_hist" in path.name
    )


def content(path: Path) -> bytes | dict[str, bytes] | None:
    if path.is_dir():
        return {str(part.relative_to(path)): part.read_bytes() for part in path.rglob("*") if part.is_file()}
    return path.read_bytes() if path.exists() else None


def same(one: Path, two: Path) -> str:
    """Return 'bytes', 'values', or '' if two files differ."""
    first, second = content(one), content(two)
    if first == second:
        return "bytes"
    if first is None or second is None:
        return ""
    try:
        equal = values_of(one) == values_of(two)
    except (OSError, RuntimeError, ValueError, KeyError):
        return ""
    return "values" if equal else ""


def values_of(path: Path) -> Any:
    if path.is_dir():
        parts = content(path)
        return {name: _steady(json.loads(part)) if name.startswith(".") else part for name, part in parts.items()}
    if path.suffix == ".json":
        return _steady(json.loads(path.read_text()))
    with netCDF4.Dataset(path) as nc:
        return list(_of_group(nc))


def _of_group(group: Any) -> Iterator[Any]:
    group.set_auto_mask(False)
    yield {name: str(group.getncattr(name)) for name in group.ncattrs() if name not in VOLATILE}
    for name, variable in group.variables.items():
        attributes = {key: str(variable.getncattr(key)) for key in variable.ncattrs() if key not in VOLATILE}
        values = np.asarray(variable[...])
        yield name, variable.dimensions, attributes, values.tolist() if values.dtype == object else values.tobytes()
    for name, below in group.groups.items():
        yield name, list(_of_group(below))


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _steady(part) for key, part in value.items() if key not in VOLATILE}
    return value


# --- kills ---


@dataclass
class Undisturbed:
    """A task that was let alone: its world afterwards, when it wrote, and every version of the files it wrote."""

    world: Path
    run: Run
    kept: Path

    def versions(self, path: str) -> list[Path]:
        return [self.world / path, *(self.kept / path).glob("*")]


@dataclass
class Found:
    """What a kill left."""

    task: str
    hit: bool
    instant: str
    lost: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    equal: Counter = field(default_factory=Counter)
    left: int = 0


def instant_of(run: Run, rng: random.Random) -> tuple[int, float]:
    if not run.finished or rng.random() > SHARE_WHILE_WRITING:
        return -1, rng.uniform(0.0, run.seconds)
    number = rng.randrange(len(run.finished))
    return number, rng.uniform(0.0, 1.2 * (run.finished[number] - run.begun[number]) + 5e-4)


def kill_once(name: str, before: Place, undisturbed: Undisturbed, folder: Path, seed: int) -> Found:
    """Kill a task once, look, and run it again."""
    place = Place(folder / f"{name.replace(' ', '_')}_{seed}", before.inputs)
    shutil.copytree(before.world, place.world, symlinks=True)
    instant = instant_of(undisturbed.run, random.Random(seed))
    killed = run(TASKS[name], place, instant)
    found = Found(name, killed.status == -signal.SIGKILL, f"file {instant[0]} + {instant[1]:.4f} s")
    old, new = listing(before.world), listing(undisturbed.world)
    there = listing(place.world)
    for path in filter(is_ours, {*old, *new}):
        now = place.world / path
        if path not in there and path in old and path in new:
            found.lost.append(path)
        elif not any(same(now, version) for version in (before.world / path, *undisturbed.versions(path))):
            found.mixed.append(path)
    found.left = sum(is_ours(path) for path in {*there} - {*old, *new})
    again = run(TASKS[name], place)
    if again.status:
        found.different.append(f"the run after it fails: {again.said}")
    there = listing(place.world)
    found.leftovers = sorted({*there} - {*new})
    for path in filter(is_ours, new):
        how = same(place.world / path, new[path])
        found.equal[how] += 1
        if not how:
            found.different.append(path)
    shutil.rmtree(place.world, ignore_errors=True)
    return found


def kill_all(n: int, seed: int, names: list[str], jobs: int, folder: Path) -> list[Found]:
    """Kill tasks in turn until `n` kills have hit a process that was at work."""
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder / "programs")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    start(folder / "started")
    before = Place(folder / "before", folder / "inputs")
    make_inputs(before.inputs)
    made = run(lambda place, new: make_world(place), before)
    if made.status:
        raise SystemExit(f"the world cannot be made: {made.said}")
    undisturbed = {}
    for name in names:
        place = Place(folder / "undisturbed" / name.replace(" ", "_"), before.inputs)
        shutil.copytree(before.world, place.world)
        run(TASKS[name], place)  # compiles
        shutil.rmtree(place.world)
        shutil.copytree(before.world, place.world)
        kept = folder / "kept" / place.world.name
        undisturbed[name] = Undisturbed(place.world, run(TASKS[name], place, keep=kept), kept)
        if undisturbed[name].run.status:
            raise SystemExit(f"{name} fails: {undisturbed[name].run.said}")
    found: list[Found] = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("fork")) as pool:
        while (missing := n - sum(one.hit for one in found)) > 0:
            numbers = range(len(found), len(found) + missing)
            asked = [(names[k % len(names)], 1_000_000 * seed + k) for k in numbers]
            waiting = [pool.submit(kill_once, name, before, undisturbed[name], folder, s) for name, s in asked]
            found += [one.result() for one in waiting]
    return found


def report(found: list[Found]) -> int:
    """Print what was found and return the exit status."""
    hits = [one for one in found if one.hit]
    for name, count in Counter(one.task for one in hits).items():
        left = sum(one.left > 0 for one in hits if one.task == name)
        print(f"{name}: {count} kills, {left} left a temporary file")
    for one in found:
        for kind in ("lost", "mixed", "leftovers", "different"):
            for path in getattr(one, kind):
                print(f"{kind}: {one.task}, {one.instant}: {path}")
    equal = sum((one.equal for one in found), Counter())
    print(f"run again: {equal['bytes']} files equal byte for byte, {equal['values']} in all but times and file states")
    lost, mixed, leftovers, different = (
        sum(bool(getattr(one, kind)) for one in found) for kind in ("lost", "mixed", "leftovers", "different")
    )
    holds = not (lost or mixed or leftovers or different)
    more = f", {different} different after the next run" if different else ""
    print(
        f"{'holds' if holds else 'fails'}: {len(hits)} kills, {lost} lost, {mixed} mixed, {leftovers} leftovers{more}"
    )
    return 0 if holds else 1


def main(arguments: list[str] | None = None) -> int:
    """Kill, print and return 0 if everything holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kill", description=__doc__)
    parser.add_argument("--n", type=int, default=200, help="kills (default: 200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="at once (default: 2)")
    parser.add_argument("--tasks", nargs="+", choices=KILLED, default=KILLED)
    args = parser.parse_args(arguments)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kill_", ignore_cleanup_errors=True) as folder:
        status = report(kill_all(args.n, args.seed, args.tasks, args.jobs, Path(folder)))
    print(f"{time.perf_counter() - began:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
