"""From outlines and weather to tables, ice dynamics and one output file: what ``oggm-glaunti run`` does.

The chain is cut into stages. A glacier directory notes each stage it has finished together with a digest of everything
that was asked for until then (``glaunti_stages.json``), so a chain that is called again goes on where it was
interrupted, and does again what is asked for differently. A glacier that fails is left out of the stages that follow.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from oggm_glaunti.coupling.model import oggm_record
from oggm_glaunti.files import sha256_of, state_of
from oggm_glaunti.settings import (
    DAILY_SUFFIX,
    GEOMETRY_TASKS,
    INVERSION_TASKS,
    NUMERICS_VERSION,
    REGION_OUTPUT as OUTPUT,
    RUN_OUTPUT,
    RUN_STATUS as STATUS,
)
from oggm_glaunti.workflows.lists import first_lines
from oggm_glaunti.workflows.region_directories import STAGES_FILE, Directories, Request, open_directories
from oggm_glaunti.workflows.stages import DONE, KEPT, EntityTask, do_stage, read_stages

if TYPE_CHECKING:
    from oggm import GlacierDirectory

log = logging.getLogger(__name__)

FILESUFFIX = "_glaunti"

Say = Callable[[str], None]


def run_region(request: Request, say: Say = print, accepted: Callable[[], None] = lambda: None) -> pd.DataFrame:
    """Run the chain.

    Parameters
    ----------
    request : Request
        outlines or ids, weather, years, model and calibration
    say : callable
        called with a line for every stage
    accepted : callable
        called before the first stage, when outlines, weather and weights have been found

    Returns
    -------
    pandas.DataFrame
        by ``rgi_id``: ``status`` 'done' or 'failed', ``stage`` and ``message`` of the failure; also written to
        ``glaciers.csv``

    Raises
    ------
    InvalidParamsError, InvalidWorkflowError
        if nothing can be run at all: files that cannot be read, a network that is needed and missing
    oggm_glaunti.shop.WeightsNotFoundError
        if the weights cannot be found
    """
    from oggm_glaunti import shop
    from oggm_glaunti.coupling.weather.sources.custom import check_custom

    if request.climate_is_file and "{rgi_id}" not in request.climate:
        check_custom(request.climate, **request.climate_options)  # before the geometry of every glacier
    directories = open_directories(request, say)
    weights = shop.load(request.model, request.weights)  # rather now than once a glacier
    accepted()
    chain = _Chain(request, directories, weights.sha256, say)
    chain.forget_damaged_stages()
    chain.geometry_and_climate()
    chain.tables(calibrated=False)
    chain.balance_and_ice()
    chain.dynamics()
    return chain.finish()


class _Chain:
    """The glaciers that have not failed so far, and the failures of the others: stage and message, by id."""

    def __init__(self, request: Request, directories: Directories, weights_sha256: str, say: Say):
        self.request, self.say, self.weights_sha256 = request, say, weights_sha256
        self.gdirs, self.outlines = directories.gdirs, directories.outlines
        self.failures = {rgi_id: ("directory", text) for rgi_id, text in directories.failures.items()}
        self.rgi_ids = [*self.failures, *(gdir.rgi_id for gdir in self.gdirs)]
        self.asked: list[Any] = [NUMERICS_VERSION]

    def forget_damaged_stages(self) -> None:
        """Let glaciers begin anew whose record of finished stages cannot be read."""
        failed = {}
        for gdir in self.gdirs:
            path = Path(gdir.dir) / STAGES_FILE
            try:
                read_stages(gdir)
            except ValueError as err:
                self.say(str(err))
                try:
                    path.unlink()
                except OSError as error:
                    failed[gdir.rgi_id] = f"{path} cannot be read, nor removed ({error}); remove it"
        self._drop("directory", failed)

    def geometry_and_climate(self) -> None:
        request = self.request
        source = {"source": "USER"} if request.dem else {}
        self._stage("geometry", _of_file(request.dem), lambda gdir: _geometry_tasks(gdir, request, source))
        corrected = request.model != "A"
        options = [request.climate, dict(request.climate_options), request.years, corrected]
        self._stage("climate", options, lambda gdir: _climate_tasks(gdir, request, corrected))
        self._say_weather()

    def _say_weather(self, most: int = 3) -> None:
        """Show each weather in a line, for a person to see whether it is the right one."""
        from oggm_glaunti.coupling.oggm.netcdf import netcdf_file

        of_weather: dict[str, list[str]] = {}
        for gdir in self.gdirs:
            with netcdf_file(gdir.get_filepath("climate_historical", filesuffix=DAILY_SUFFIX)) as nc:
                of_weather.setdefault(getattr(nc, "glaunti_summary", "of an earlier version"), []).append(gdir.rgi_id)
        lines = [f"{ids[0]}{f' and {len(ids) - 1} more' * (len(ids) > 1)}: {text}" for text, ids in of_weather.items()]
        for line in first_lines(lines, most):
            self.say(f"  {line}")

    def tables(self, calibrated: bool = True) -> None:
        """Compute the tables of all glaciers in batches; valid ones are kept.

        Unless `calibrated`, a calibration may be that of another call, with another model; a new one follows.
        """
        from oggm_glaunti.region import run

        if not self.gdirs:
            return
        statuses = run(
            self.gdirs,
            progress=self.request.progress,
            memory=self.request.memory,
            mb_kwargs={
                "model": self.request.model,
                "weights": self.request.weights,
                "check_calib_params": calibrated,
            },
        )
        counts = statuses["status"].value_counts()
        self.say("tables: " + ", ".join(f"{count} {status}" for status, count in counts.items()))
        self._drop("tables", statuses.loc[statuses["status"] == "failed", "message"].to_dict())

    def balance_and_ice(self) -> None:
        from oggm import tasks

        request, model = self.request, mb_model_class(self.request.model)
        options = [request.model, self.weights_sha256, request.ref_mb, request.ref_mb_err, request.ref_period]
        self._stage("balance", options, lambda gdir: _balance_tasks(gdir, request))
        if not request.inverts:
            return
        first, last = request.years
        mb = (tasks.apparent_mb_from_any_mb, {"mb_model_class": model, "mb_years": [first, last + 1]})
        inversion = [mb, *((getattr(tasks, name), {}) for name in INVERSION_TASKS)]
        self._stage("ice", request.years, lambda gdir: inversion)
        # The bed is known now, and heights of tables reach below it.
        self.tables()

    def dynamics(self) -> None:
        if self.request.dynamics:
            self._stage("dynamics", self.request.years, lambda gdir: [_dynamics_task(gdir, self.request)])

    def finish(self) -> pd.DataFrame:
        """Compile the outputs, write the status of every glacier and remove outputs that only an earlier call made."""
        self._write_statuses()  # they are there whatever happens to the outputs
        made = self._compile() if self.gdirs else []
        statuses = self._write_statuses()
        for name in {OUTPUT, RUN_OUTPUT} - {*made}:
            (self.request.out / name).unlink(missing_ok=True)
        return statuses

    def _write_statuses(self) -> pd.DataFrame:
        from oggm_glaunti.coupling.oggm.writing import writing

        rows = dict.fromkeys(self.rgi_ids, ("done", "", ""))
        rows |= {rgi_id: ("failed", *failure) for rgi_id, failure in self.failures.items()}
        statuses = pd.DataFrame.from_dict(rows, orient="index", columns=["status", "stage", "message"])
        statuses = statuses.rename_axis("rgi_id")
        with writing(self.request.out / STATUS, "all glaciers") as temporary:
            statuses.to_csv(temporary)
        return statuses

    def _compile(self) -> list[str]:
        """Return the names of the outputs made."""
        from oggm import utils

        from oggm_glaunti.coupling.oggm.netcdf import HDF5_LOCK
        from oggm_glaunti.coupling.oggm.writing import writing
        from oggm_glaunti.region.store import compile_glaunti_output

        out, dynamics = self.request.out, self.request.dynamics
        (ys, ye), model = self.request.years, {"model": self.request.model}
        path, suffix = out / OUTPUT, FILESUFFIX if dynamics else None
        asked = {"input_filesuffix": suffix, "mb_kwargs": model, "progress": self.request.progress}
        ds = compile_glaunti_output(self.gdirs, path=path, ys=ys, ye=ye, **asked)
        ds.close()
        lost = ds["rgi_id"].values[ds["compiled"].values == 0] if "compiled" in ds else ()
        self._drop("output", {str(rgi_id): "no output, see log.txt in its directory" for rgi_id in lost})
        self._warn_implausible(dict(zip(ds["rgi_id"].values.tolist(), ds["specific_mb"].values, strict=True)))
        if not (dynamics and self.gdirs):
            return [OUTPUT]
        # In one piece: pieces would be files in the working directory that a killed run leaves.
        one = {"input_filesuffix": FILESUFFIX, "tmp_file_size": len(self.gdirs) + 1}
        with writing(out / RUN_OUTPUT, "all glaciers") as temporary, HDF5_LOCK:
            utils.compile_run_output(self.gdirs, path=str(temporary), **one).close()
        return [OUTPUT, RUN_OUTPUT]

    def _warn_implausible(self, balances: dict[str, Any], most: int = 10) -> None:
        from oggm_glaunti.coupling.weather.plausibility import implausible_balances

        found = implausible_balances(balances)
        for rgi_id, text in [*found.items()][:most]:
            log.warning("implausible balance: %s: %s; check its weather and parameters", rgi_id, text)
        if len(found) > most:
            log.warning("implausible balance: %d more glaciers", len(found) - most)

    def _stage(self, stage: str, options: Any, tasks_of: Callable[[Any], Sequence[EntityTask]]) -> None:
        """Do tasks for every glacier; they depend on options beside those of the stages before."""
        from oggm_glaunti.coupling.oggm.progress import execute_with_bar

        self.asked.append([stage, options])
        if not self.gdirs:
            return
        work, of_file = [], cache(_of_file)  # many glaciers may have the same weather
        for gdir in self.gdirs:
            tasks = tasks_of(gdir)
            # Outlines and files named in the arguments may have changed since.
            files = [self.outlines.get(gdir.rgi_id), *(of_file(kwargs.get("path")) for _, kwargs in tasks)]
            asked = json.dumps([self.asked, files], sort_keys=True, default=str)
            digest = hashlib.sha256(asked.encode()).hexdigest()
            work.append((gdir, {"stage": stage, "digest": digest, "tasks": tasks}))
        results = execute_with_bar(do_stage, work, stage, self.request.progress)
        by_id = dict(zip([gdir.rgi_id for gdir in self.gdirs], results, strict=True))
        kept = sum(result == KEPT for result in results)
        self._drop(stage, {rgi_id: text for rgi_id, text in by_id.items() if text not in (DONE, KEPT)})
        self.say(f"{stage}: {len(self.gdirs)} glaciers" + (f", {kept} from before" if kept else ""))

    def _drop(self, stage: str, failed: dict[str, str]) -> None:
        self.failures |= {rgi_id: (stage, message) for rgi_id, message in failed.items()}
        self.gdirs = [gdir for gdir in self.gdirs if gdir.rgi_id not in failed]


def _geometry_tasks(gdir: GlacierDirectory, request: Request, source: dict[str, str]) -> list[EntityTask]:
    from oggm import tasks

    bands: list[EntityTask] = [(getattr(tasks, name), {}) for name in GEOMETRY_TASKS]
    if request.shapefile is not None:
        return [(forget_maps, {}), (tasks.define_glacier_region, source), *bands]
    return [] if gdir.has_file("inversion_flowlines") else bands


def forget_maps(gdir: GlacierDirectory, **kwargs: Any) -> None:
    """Remove the maps of an earlier outline, which OGGM would go on with on another grid."""
    del kwargs
    Path(gdir.get_filepath("gridded_data")).unlink(missing_ok=True)


def _climate_tasks(gdir: GlacierDirectory, request: Request, corrected: bool) -> list[EntityTask]:
    from oggm_glaunti import tasks as gtasks

    weather: dict[str, Any] = {"source": request.climate, **request.climate_options}
    if request.climate_is_file:
        path = request.climate.replace("{rgi_id}", gdir.rgi_id)
        weather = {"source": "custom", "path": path, **request.climate_options}
    if request.shapefile is not None:
        # OGGM's own tasks ask for monthly weather; pre-processed directories have it.
        weather |= {"also_monthly": True, "overwrite_monthly": True}
    years = dict(zip(("first", "last"), request.years, strict=True))
    tasks: list[EntityTask] = [(gtasks.process_daily_climate, weather), (require_years, years)]
    return [*tasks, (gtasks.glaunti_features, {})] if corrected else tasks


def require_years(gdir: GlacierDirectory, first: int, last: int, **kwargs: Any) -> None:
    """Raise InvalidParamsError if the weather lacks years from `first` to `last`, or holds no complete balance year."""
    from oggm.exceptions import InvalidParamsError

    from oggm_glaunti.coupling.weather.file import read_daily_climate

    del kwargs
    years = read_daily_climate(gdir).years
    if first < years[0] or last > years[-1]:
        raise InvalidParamsError(f"{gdir.rgi_id}: the weather holds {years[0]} to {years[-1]}, not {first} to {last}")
    if last == years[0]:
        raise InvalidParamsError(
            f"{gdir.rgi_id}: the weather begins in {last}, in the middle of that balance year; ask for years to "
            f"{last + 1} or later, or give weather from {last - 1} on"
        )


def _balance_tasks(gdir: GlacierDirectory, request: Request) -> list[EntityTask]:
    from oggm_glaunti import tasks as gtasks

    if request.ref_mb is None:
        return [(forget_calibration, {})]
    ref_mb = None if request.ref_mb == "geodetic" else request.ref_mb
    given = {"ref_mb": ref_mb, "ref_mb_err": request.ref_mb_err, "ref_period": request.ref_period}
    return [(gtasks.calibrate_glaunti, {**given, "mb_kwargs": {"model": request.model, "weights": request.weights}})]


def forget_calibration(gdir: GlacierDirectory, **kwargs: Any) -> None:
    """Remove the calibration of an earlier call, so that the published parameters are used."""
    del kwargs
    oggm_record.forget_calibration(gdir)


def _dynamics_task(gdir: GlacierDirectory, request: Request) -> EntityTask:
    """Return OGGM's run: the geometry is fixed until the date of the outline, then it evolves."""
    from oggm import tasks

    first, last = request.years
    kwargs: dict[str, Any] = {"ys": first}
    if first < gdir.rgi_date <= last:
        kwargs = {"ys": gdir.rgi_date, "fixed_geometry_spinup_yr": first}
    kwargs |= {"ye": last + 1, "mb_model_class": mb_model_class(request.model), "output_filesuffix": FILESUFFIX}
    return tasks.run_from_climate_data, {**kwargs, "store_fl_diagnostics": True}


def mb_model_class(model: str) -> type:
    """Return the mass-balance class of a model, 'A', 'C' or 'D'."""
    from oggm_glaunti.coupling.model import massbalance

    return getattr(massbalance, f"GlaUnTIMassBalance{model}")


# Bytes of a file whose contents are compared, in some 0.2 s; of larger ones and of folders it is the state.
MOST_COMPARED = 200_000_000


def _of_file(path: Any) -> list[Any]:
    """Return name and contents of a file, which tell whether it is still the same."""
    if path is None or not Path(path).exists():
        return [None if path is None else str(path)]
    found = Path(path).resolve()
    if found.is_file() and found.stat().st_size <= MOST_COMPARED:
        with suppress(OSError):  # it cannot be read: the task that has to will say so
            return [str(found), sha256_of(found)]
    return [str(found), *(state_of(part) for part in [found, *sorted(found.rglob("*"))])]
