"""Task that writes ``glaunti_table_*.nc`` to many glacier directories."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from oggm import GlacierDirectory, cfg
from oggm.utils import global_task, pipe_log
from tqdm import tqdm

from oggm_glaunti import settings
from oggm_glaunti.coupling.model.choice import TABLE_KWARGS, checked_mb_kwargs
from oggm_glaunti.coupling.model.massbalance import GlaUnTIMassBalance
from oggm_glaunti.coupling.oggm.processes import require_jax
from oggm_glaunti.coupling.table.band_corrections import BandCorrections
from oggm_glaunti.coupling.table.inputs import TunableParams
from oggm_glaunti.coupling.table.store import TableStore
from oggm_glaunti.coupling.table.table import build_table
from oggm_glaunti.region.jobs import TASK, Job, JobOutcome, require_each_once

settings.register()
log = logging.getLogger(__name__)


@global_task(log)
def glaunti_tables(
    gdirs: Sequence[GlacierDirectory],
    memory: float | None = None,
    overwrite: bool = False,
    progress: bool = True,
    mb_kwargs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Make corrections and tables of many glaciers in batches, and write each to its directory.

    Afterwards :class:`~oggm_glaunti.GlaUnTIMassBalance`, made with the same arguments, finds its table in every
    directory (``glaunti_table_*.nc``) and reads it: OGGM's tasks, in any number of processes, never start JAX.
    Directories with a valid table are skipped, so an interrupted call is continued by calling again. Run it after
    ``init_present_time_glacier``, whose flowlines may reach beyond the heights known before.

    Parameters
    ----------
    gdirs : list of oggm.GlacierDirectory
        Glacier directories with daily climate (``process_daily_climate``) and, for models C and D, ``glaunti_features``
    memory : float, optional
        Working memory for all simultaneous batches together, MB, in addition to the interpreter and its libraries; by
        default ``cfg.PARAMS['glaunti_memory']``. On a GPU it is the device's. A glacier that needs more fails and is
        told how much is enough. Results do not depend on it
    overwrite : bool
        Make corrections and tables again even if they are valid
    progress : bool
        Show a progress bar if the standard error is a terminal
    mb_kwargs : mapping, optional
        Arguments of :class:`~oggm_glaunti.GlaUnTIMassBalance`: `model`, `corrector`, `filename` and so on

    Returns
    -------
    pandas.DataFrame
        By ``rgi_id``: ``status`` ('written', 'valid' or 'failed'), ``message`` (error message, otherwise empty),
        ``seconds`` (share of the time of its batches)

    Raises
    ------
    InvalidParamsError
        If a glacier is given twice
    Exception
        Unless ``cfg.PARAMS['continue_on_error']``: the first error, as raised for the glacier alone, after the running
        batches are finished and written. In any case every failure is logged, also in the glacier's log.

    Examples
    --------
    >>> glaunti_tables(gdirs, memory=4000)  # doctest: +SKIP
    """
    from oggm_glaunti.region.engine import run_jobs  # here: it imports JAX

    require_each_once([gdir.rgi_id for gdir in gdirs])
    arguments = checked_mb_kwargs(TASK, mb_kwargs, TABLE_KWARGS)
    with tqdm(total=len(gdirs), desc=TASK, unit="glacier", disable=None if progress else True) as bar:
        run = _Run(gdirs, arguments, overwrite, bar)
        for outcome in run_jobs(run.jobs(), memory):
            run.take(outcome)
    return run.report()


class _Run:
    """One call: the remaining jobs and the result of each glacier. All files are read and written here."""

    def __init__(self, gdirs: Sequence[GlacierDirectory], arguments: dict[str, Any], overwrite: bool, bar: tqdm):
        self.gdirs, self.arguments, self.overwrite, self.bar = gdirs, arguments, overwrite, bar
        self.stores: dict[str, TableStore] = {}
        self.rows: dict[int, dict[str, Any]] = {}
        self.first_error: Exception | None = None

    def jobs(self) -> Iterator[Job]:
        """Yield the jobs of missing tables, one by one; stop after a failure unless OGGM is to continue."""
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

    def _job(self, index: int, gdir: GlacierDirectory) -> Job | None:
        mb_model = GlaUnTIMassBalance(gdir, **self.arguments)
        store, tunables = mb_model.store, mb_model.tunable_params()
        if not self.overwrite and store.read(tunables) is not None:
            self._row(index, "valid")
            return None
        known = None if store.corrector == "off" or self.overwrite else store.kept_corrections()
        features = None if store.corrector == "off" or known is not None else store.features
        if store.climate.others:
            self._by_itself(index, store, tunables, known)
            return None
        self.stores[str(index)] = store
        asked = store.model, store.weights_sha256, store.bare_inputs, tunables, store.corrector
        return Job(str(index), gdir.rgi_id, *asked, features=features, yearly=known)

    def _by_itself(self, index: int, store: TableStore, tunables: TunableParams, known: BandCorrections | None) -> None:
        """Make the table of weather with several realisations, which batches do not support."""
        start = time.perf_counter()
        store.adopt_corrections(None if store.corrector == "off" else known or store.compute_corrections())
        store.adopt(store.completed(build_table(store.inputs, tunables), tunables), tunables)
        seconds = time.perf_counter() - start
        self.gdirs[index].log(TASK, task_time=seconds)
        self._row(index, "written", seconds=seconds)

    def take(self, outcome: JobOutcome) -> None:
        """Write the result of a job."""
        index, store = int(outcome.job.key), self.stores.pop(outcome.job.key)
        error = outcome.error
        if outcome.table is not None:
            try:
                store.adopt_corrections(outcome.job.yearly)
                store.adopt(store.completed(outcome.table, outcome.job.tunables), outcome.job.tunables)
            except Exception as failed:
                error = failed
        if error is not None:
            self._failed(index, error, outcome.seconds)
            return
        self.gdirs[index].log(TASK, task_time=outcome.seconds)
        self._row(index, "written", seconds=outcome.seconds)

    def _failed(self, index: int, error: Exception, seconds: float = 0.0) -> None:
        """Log like OGGM logs a failed entity task, and stop if it would."""
        gdir = self.gdirs[index]
        gdir.log(TASK, err=error)
        pipe_log(gdir, TASK, err=error)
        log.error("%s occurred during task %s on %s: %s", type(error).__name__, TASK, gdir.rgi_id, error)
        self._row(index, "failed", f"{type(error).__name__}: {error}", seconds)
        if self.first_error is None and not cfg.PARAMS["continue_on_error"]:
            self.first_error = error

    def _row(self, index: int, status: str, message: str = "", seconds: float = 0.0) -> None:
        self.rows[index] = {"status": status, "message": message, "seconds": seconds}
        self.bar.update()

    def report(self) -> pd.DataFrame:
        """Return the rows in the order of the directories, or raise the error that stopped the call."""
        if self.first_error is not None:
            raise self.first_error
        rows = [{"rgi_id": gdir.rgi_id, **self.rows[index]} for index, gdir in enumerate(self.gdirs)]
        return pd.DataFrame(rows, columns=["rgi_id", "status", "message", "seconds"]).set_index("rgi_id")
