"""The task: many glacier directories in, ``glaunti_table.nc`` in each of them out."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from oggm import cfg
from oggm.utils import global_task, pipe_log
from tqdm import tqdm

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.choice import checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.inputs import TunableParams
from oggm_glaunti.coupling.table.store import TableStore
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.region.jobs import Job, Outcome, require_each_once

settings.register()
log = logging.getLogger(__name__)

TASK = "glaunti_tables"
WRITTEN, VALID, FAILED = "written", "valid", "failed"


@global_task(log)
def glaunti_tables(
    gdirs: Sequence[Any],
    memory: float | None = None,
    overwrite: bool = False,
    progress: bool = True,
    mb_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Corrections and tables of many glaciers in batches, each written to its directory as ``glaunti_table_*.nc``.

    Afterwards :class:`~oggm_glaunti.GlaUnTIMassBalance`, made with the same arguments, finds its table in every
    directory and reads it: OGGM's tasks, in any number of processes, never start JAX. Directories whose table is valid
    are left alone, so an interrupted call is continued by calling again. Run it after ``init_present_time_glacier``,
    whose flowlines may reach beyond the heights known before.

    Parameters
    ----------
    gdirs : list of oggm.GlacierDirectory
        with daily climate (``process_daily_climate``) and, for models C and D, ``glaunti_features``
    memory : float, optional
        MB of working memory for all batches at hand together, on top of the interpreter and its libraries; by default
        ``cfg.PARAMS['glaunti_memory']``. On a GPU it is the device's. Results do not depend on it.
    overwrite : bool
        make corrections and tables anew, valid or not
    progress : bool
        show a bar where the standard error is a terminal
    mb_kwargs : mapping, optional
        arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `corrector`, `filename` and so on

    Returns
    -------
    pandas.DataFrame
        by ``rgi_id``: ``status`` ('written', 'valid' or 'failed'), ``message`` (of the error, else empty), ``seconds``
        (its share of the time of its batches)

    Raises
    ------
    InvalidParamsError
        for a glacier given twice
    Exception
        unless ``cfg.PARAMS['continue_on_error']``: the first glacier's error, as the glacier alone would raise it, once
        the batches at hand are finished and written. In any case every failure is logged, also in the glacier's log.

    Examples
    --------
    >>> glaunti_tables(gdirs, memory=4000)  # doctest: +SKIP
    """
    from oggm_glaunti.region.engine import run_jobs  # here: it imports JAX

    require_each_once([gdir.rgi_id for gdir in gdirs])
    arguments = checked_mb_kwargs(TASK, mb_kwargs)
    with tqdm(total=len(gdirs), desc=TASK, unit="glacier", disable=None if progress else True) as bar:
        run = _Run(gdirs, arguments, overwrite, bar)
        for outcome in run_jobs(run.jobs(), memory):
            run.take(outcome)
    return run.report()


class _Run:
    """One call: what is still to be done, and what became of each glacier. All files are read and written here."""

    def __init__(self, gdirs: Sequence[Any], arguments: dict[str, Any], overwrite: bool, bar: tqdm):
        self.gdirs, self.arguments, self.overwrite, self.bar = gdirs, arguments, overwrite, bar
        self.stores: dict[str, TableStore] = {}
        self.rows: dict[int, dict[str, Any]] = {}
        self.first_error: Exception | None = None

    def jobs(self) -> Iterator[Job]:
        """The tables that are missing, read one by one; none any more once a glacier failed and all is to stop."""
        for index, gdir in enumerate(self.gdirs):
            if self.first_error is not None:
                return
            try:
                job = self._job(index, gdir)
            except Exception as error:
                self._failed(index, error)
                continue
            if job is not None:
                require_jax(f"{gdir.rgi_id}: {TASK}")
                yield job

    def _job(self, index: int, gdir: Any) -> Job | None:
        mb_model = GlaUnTIMassBalance(gdir, **self.arguments)
        store, tunables = mb_model.store, mb_model.tunable_params()
        if not self.overwrite and store.read(tunables) is not None:
            self._row(index, VALID)
            return None
        known = None if store.corrector == "off" or self.overwrite else store.kept_corrections()
        features = None if store.corrector == "off" or known is not None else store.features
        if store.climate.others:
            self._by_itself(index, store, tunables, known)
            return None
        self.stores[str(index)] = store
        return Job(
            key=str(index),
            rgi_id=gdir.rgi_id,
            model=store.model,
            weights_sha256=store.weights_sha256,
            inputs=store.bare_inputs,
            tunables=tunables,
            corrector=store.corrector,
            features=features,
            yearly=known,
        )

    def _by_itself(self, index: int, store: TableStore, tunables: TunableParams, known: BandCorrections | None) -> None:
        """The table of weather that has several realisations: not in a batch, whose jobs have one each."""
        start = time.perf_counter()
        store.adopt_corrections(None if store.corrector == "off" else known or store.compute_corrections())
        store.adopt(build_table(store.inputs, tunables), tunables)
        seconds = time.perf_counter() - start
        self.gdirs[index].log(TASK, task_time=seconds)
        self._row(index, WRITTEN, seconds=seconds)

    def take(self, outcome: Outcome) -> None:
        """Write what came of a job."""
        index, store = int(outcome.job.key), self.stores.pop(outcome.job.key)
        error = outcome.error
        if outcome.table is not None:
            try:
                store.adopt_corrections(outcome.job.yearly)
                store.adopt(outcome.table, outcome.job.tunables)
            except Exception as failed:
                error = failed
        if error is not None:
            self._failed(index, error, outcome.seconds)
            return
        self.gdirs[index].log(TASK, task_time=outcome.seconds)
        self._row(index, WRITTEN, seconds=outcome.seconds)

    def _failed(self, index: int, error: Exception, seconds: float = 0.0) -> None:
        """Log as OGGM logs a failed entity task, and stop where it would."""
        gdir = self.gdirs[index]
        gdir.log(TASK, err=error)
        pipe_log(gdir, TASK, err=error)
        log.error("%s occurred during task %s on %s: %s", type(error).__name__, TASK, gdir.rgi_id, error)
        self._row(index, FAILED, f"{type(error).__name__}: {error}", seconds)
        if self.first_error is None and not cfg.PARAMS["continue_on_error"]:
            self.first_error = error

    def _row(self, index: int, status: str, message: str = "", seconds: float = 0.0) -> None:
        self.rows[index] = {"status": status, "message": message, "seconds": seconds}
        self.bar.update()

    def report(self) -> pd.DataFrame:
        """The rows in the order of the directories, or the error that stopped all."""
        if self.first_error is not None:
            raise self.first_error
        rows = [{"rgi_id": gdir.rgi_id, **self.rows[index]} for index, gdir in enumerate(self.gdirs)]
        return pd.DataFrame(rows, columns=["rgi_id", "status", "message", "seconds"]).set_index("rgi_id")
