"""A region beyond one machine: chunks of glaciers as tasks of a Dask cluster.

A chunk is a call of :func:`~oggm_glaunti.region.tables.glaunti_tables` in a worker process. Tables are files in the
glacier directories, and finished ones are skipped, so a chunk whose worker dies is simply given to another worker:
nothing is lost and nothing is computed twice.
"""

from __future__ import annotations

import inspect
import logging
import os
import socket
import threading
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from oggm import cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from tqdm import tqdm

from oggm_glaunti import settings
from oggm_glaunti.region.jobs import require_each_once

if TYPE_CHECKING:
    from distributed import Client, Future

settings.register()
log = logging.getLogger(__name__)

CHUNK_SIZE = 64  # glaciers; enough to fill a batch of the network
RETRIES = 1  # further tries of a chunk that ends with an error, such as a hiccup of a shared file system
# Share of a worker's memory limit for the batches; the rest is Python, JAX's compiled code and the files at hand.
SHARE_OF_WORKER = 0.5
MEGABYTE = 1e6
# A suspect chunk is cut into this many parts to find the glacier that kills workers.
PARTS = 4
TASK = "glaunti_tables"

# Which process this is: workers that are threads of the caller share its configuration and must not replace it.
_PROCESS = uuid.uuid4().hex
# Dask may run several tasks in threads of one worker, where the NetCDF library is not safe.
_one_at_a_time = threading.Lock()


class Job(NamedTuple):
    """What travels to a worker beside the glacier directories."""

    process: str
    config: dict[str, Any]
    logging_level: str
    environment: dict[str, str]
    kwargs: dict[str, Any]


def run(
    gdirs: Sequence[Any],
    client: Client | str | None = None,
    chunk_size: int = CHUNK_SIZE,
    retries: int = RETRIES,
    progress: bool = True,
    **kwargs: Any,
) -> pd.DataFrame:
    """Height-year tables of many glaciers, by the workers of a Dask cluster.

    Each worker has a JAX of its own and gets OGGM's configuration from here. The number of workers does not matter and
    may change while this runs. A chunk whose worker dies goes to another one; when that has happened more often than
    Dask's setting ``distributed.scheduler.allowed-failures`` says (3), the chunk is cut into parts, which run one after
    the other once all else is done, until the one glacier that kills workers is found. It counts as failed.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
        on a file system that all workers see under the same path
    client : distributed.Client or str, optional
        a client, or the address of a scheduler (``'tcp://host:8786'``); without it everything runs in this process
    chunk_size : int
        glaciers per task
    retries : int
        further tries of a chunk that ends with an error of its own, such as a hiccup of a shared file system
    progress : bool
        show a bar where the standard error is a terminal
    **kwargs
        see :func:`~oggm_glaunti.region.tables.glaunti_tables`. Where `memory` is not given, a worker takes
        ``cfg.PARAMS['glaunti_memory']`` or half of its memory limit, whichever is less

    Returns
    -------
    pandas.DataFrame
        as of ``glaunti_tables``: by ``rgi_id``, in the order of `gdirs`, ``status`` ('written', 'valid' or 'failed'),
        ``message``, ``seconds``. A table that a worker finished before it died is 'valid'

    Raises
    ------
    InvalidParamsError
        for an impossible `chunk_size` or `retries`, or a glacier given twice
    InvalidWorkflowError
        where a worker does not see a glacier directory, the cluster is lost, or a glacier kills every worker that
        tries it, unless ``cfg.PARAMS['continue_on_error']`` is set
    ImportError
        where `client` is an address and Dask is not installed

    Examples
    --------
    >>> from distributed import Client, LocalCluster  # doctest: +SKIP
    >>> with LocalCluster(n_workers=4, threads_per_worker=1) as cluster, Client(cluster) as client:  # doctest: +SKIP
    ...     statuses = run(gdirs, client=client)
    """
    from oggm_glaunti.region.tables import glaunti_tables

    inspect.signature(glaunti_tables).bind(gdirs, progress=progress, **kwargs)
    _check(gdirs, chunk_size, retries)
    if client is None or not len(gdirs):
        return glaunti_tables(gdirs, progress=progress, **kwargs)
    client, own = (_connect(client), True) if isinstance(client, str) else (client, False)
    try:
        with tqdm(total=len(gdirs), desc=TASK, unit="glacier", disable=None if progress else True) as bar:
            return _Distribution(client, _job(kwargs), retries, bar).run(gdirs, chunk_size)
    finally:
        if own:
            client.close()


def _check(gdirs: Sequence[Any], chunk_size: int, retries: int) -> None:
    if chunk_size < 1 or retries < 0:
        raise InvalidParamsError(f"chunk_size: expected 1 or more, found {chunk_size}; retries: 0 or more, {retries}")
    require_each_once([gdir.rgi_id for gdir in gdirs])


def _connect(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError as err:
        raise ImportError(
            "a cluster needs Dask, which is not installed: pip install 'oggm-glaunti[region]'. Without client= "
            "everything runs in this process."
        ) from err
    return Client(address)


def _job(kwargs: dict[str, Any]) -> Job:
    """What the workers have to know. Weights given by the environment are found by workers that have another one."""
    environment = {name: os.environ[name] for name in (settings.WEIGHTS_ENV,) if name in os.environ}
    logging_level = logging.getLevelName(logging.getLogger().getEffectiveLevel())
    return Job(_PROCESS, cfg.pack_config(), logging_level, environment, kwargs)


def run_chunk(gdirs: Sequence[Any], job: Job) -> pd.DataFrame:
    """Tables of one chunk; this is what a worker does.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
    job : Job
        configuration and arguments

    Raises
    ------
    InvalidWorkflowError
        where the glacier directories are not seen from here
    """
    from oggm_glaunti.region.tables import glaunti_tables

    with _one_at_a_time:
        _take_over(job)
        _require_seen(gdirs)
        kwargs = {**job.kwargs, "progress": False}
        if kwargs.get("memory") is None:
            kwargs["memory"] = _memory_of_worker()
        return glaunti_tables(list(gdirs), **kwargs)


def _take_over(job: Job) -> None:
    if job.process == _PROCESS:
        return
    if not hasattr(logging.Logger, "workflow"):
        cfg.set_logging_config(job.logging_level)  # once: it also teaches loggers OGGM's own level
    cfg.unpack_config(job.config)
    cfg.PARAMS.do_log = False
    cfg.PARAMS["use_multiprocessing"] = False
    cfg.PARAMS.do_log = True
    settings.register()
    for name, value in job.environment.items():
        os.environ.setdefault(name, value)


def _require_seen(gdirs: Sequence[Any]) -> None:
    for gdir in gdirs:
        if not os.path.isdir(gdir.dir):
            raise InvalidWorkflowError(
                f"{gdir.rgi_id}: {gdir.dir} is not there on {socket.gethostname()}. Keep the working directory on a "
                "file system that all workers see under the same path."
            )


def _memory_of_worker() -> float:
    """MB for the batches: the setting, or less where the worker's own limit is small."""
    from distributed import get_worker

    limit = get_worker().memory_manager.memory_limit
    setting = float(settings.param("glaunti_memory"))
    return setting if not limit else min(setting, SHARE_OF_WORKER * limit / MEGABYTE)


class _Distribution:
    """The chunks of one call, their futures, and what became of them."""

    def __init__(self, client: Client, job: Job, retries: int, bar: tqdm):
        self.client, self.job, self.retries, self.bar = client, job, retries, bar
        self.done: list[pd.DataFrame] = []

    def run(self, gdirs: Sequence[Any], chunk_size: int) -> pd.DataFrame:
        """Statuses of all glaciers."""
        suspects = self._finish(_cut(gdirs, chunk_size))
        while suspects:
            chunk = suspects.pop()
            for part in _cut(chunk, -(-len(chunk) // PARTS)):
                # Alone on the cluster: whatever kills the workers now is in this part.
                for killer in self._finish([part]):
                    if len(killer) > 1:
                        suspects.append(killer)
                    elif self._finish([killer]):  # once more: a cluster that lost workers just now may be in disorder
                        self._give_up(killer[0])
        return pd.concat(self.done).loc[[gdir.rgi_id for gdir in gdirs]]

    def _finish(self, chunks: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
        """Run chunks; returns those that killed too many workers."""
        from distributed import as_completed

        chunk_of = {self._submit(chunk): chunk for chunk in chunks}
        killers = []
        try:
            for future in as_completed(list(chunk_of)):
                statuses = self._statuses(future)
                if statuses is None:
                    killers.append(chunk_of[future])
                else:
                    self.done.append(statuses)
                    self.bar.update(len(statuses))
        finally:
            # Nothing goes on in the cluster after an error.
            self.client.cancel(list(chunk_of))
        return killers

    def _submit(self, chunk: Sequence[Any]) -> Future:
        # A key of its own for every try: Dask would answer a known one with the failure it remembers.
        key = f"{TASK}-{chunk[0].rgi_id}-{len(chunk)}-{uuid.uuid4().hex[:8]}"
        return self.client.submit(run_chunk, list(chunk), self.job, key=key, retries=self.retries, pure=False)

    def _statuses(self, future: Future) -> pd.DataFrame | None:
        """What a chunk returned; None where it killed its workers. Its errors are raised."""
        from distributed import CancelledError, KilledWorker

        try:
            return future.result()
        except KilledWorker as err:
            log.warning("%s", err)
            return None
        except CancelledError as err:
            raise InvalidWorkflowError(
                f"the Dask cluster was lost ({err}) with {sum(map(len, self.done))} glaciers done. Start a new one and "
                "call again: finished tables are skipped."
            ) from err

    def _give_up(self, gdir: Any) -> None:
        err = InvalidWorkflowError(
            f"{gdir.rgi_id}: every worker that made its table died, most likely for lack of memory. The workers' logs "
            "say why. Give the workers more memory, or leave the glacier out."
        )
        gdir.log(TASK, err=err)
        log.error("%s occurred during task %s on %s: %s", type(err).__name__, TASK, gdir.rgi_id, err)
        if not cfg.PARAMS["continue_on_error"]:
            raise err
        row = {"status": "failed", "message": str(err), "seconds": 0.0}
        self.done.append(pd.DataFrame([row], index=pd.Index([gdir.rgi_id], name="rgi_id")))
        self.bar.update(1)


def _cut(gdirs: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Parts of `size` glaciers.

    Examples
    --------
    >>> _cut("abcde", 2)
    ['ab', 'cd', 'e']
    """
    return [gdirs[start : start + size] for start in range(0, len(gdirs), size)]
