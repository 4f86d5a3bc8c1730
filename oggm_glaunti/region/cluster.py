"""Regions beyond one machine: chunks of glaciers as tasks of a Dask cluster.

A chunk is a call of :func:`~oggm_glaunti.region.tables.glaunti_tables` in a worker process. Tables are files in the
glacier directories, and finished ones are skipped, so a chunk whose worker dies is given to another worker: nothing is
lost and nothing is computed twice.
"""

from __future__ import annotations

import inspect
import logging
import math
import os
import pickle
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
from oggm import GlacierDirectory, cfg
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError
from tqdm import tqdm

from oggm_glaunti import settings
from oggm_glaunti.region.jobs import TASK, require_each_once
from oggm_glaunti.region.plan import MEGABYTE

if TYPE_CHECKING:
    from distributed import Client

settings.register()
log = logging.getLogger(__name__)

CHUNK_SIZE = 64  # glaciers; enough to fill a batch of the network
RETRIES = 1  # further tries of a chunk that ends with an error, such as a hiccup of a shared file system
# Share of a worker's memory limit for the batches; the rest is for Python, JAX's compiled code and open files.
SHARE_OF_WORKER = 0.5
# Number of parts into which a suspect chunk is divided to find the glacier that kills workers.
SUSPECT_PARTS = 4
# Glaciers that may kill every worker, one after the other, before it is the workers' fault if none was finished.
HOPELESS = 3

# Identifies this process: workers that are threads of the caller share its configuration and must not replace it.
_PROCESS = uuid.uuid4().hex
# Dask may run several tasks in threads of one worker, but one chunk uses all of its cores and memory.
_one_at_a_time = threading.Lock()


class ChunkContext(NamedTuple):
    """Configuration and arguments that are sent to a worker with the glacier directories."""

    process: str
    config: dict[str, Any]
    logging_level: str
    environment: dict[str, str]
    kwargs: dict[str, Any]


def run(
    gdirs: Sequence[GlacierDirectory],
    client: Client | str | None = None,
    chunk_size: int = CHUNK_SIZE,
    retries: int = RETRIES,
    progress: bool = True,
    **kwargs: Any,
) -> pd.DataFrame:
    """Make the height-year tables of many glaciers with the workers of a Dask cluster.

    Each worker has its own JAX and gets OGGM's configuration from the caller. Results do not depend on the number of
    workers, which may change meanwhile. A chunk whose worker dies goes to another one; if that has happened more often
    than Dask's setting ``distributed.scheduler.allowed-failures`` (3), the chunk is divided into parts, which run one
    after the other once all else is done, until the glacier that kills workers is found. It counts as failed.

    Parameters
    ----------
    gdirs : list of GlacierDirectory
        Glacier directories on a file system that all workers see under the same path
    client : distributed.Client or str, optional
        Client, or the address of a scheduler (``'tcp://host:8786'``); by default everything runs in this process
    chunk_size : int
        Number of glaciers per task
    retries : int
        Further tries of a chunk that ends with an error of its own, such as a hiccup of a shared file system
    progress : bool
        Show a progress bar if the standard error is a terminal
    **kwargs
        See :func:`~oggm_glaunti.region.tables.glaunti_tables`. The default of `memory` is, for a worker, the smaller of
        ``cfg.PARAMS['glaunti_memory']`` and half of its memory limit

    Returns
    -------
    pandas.DataFrame
        As of ``glaunti_tables``: by ``rgi_id``, in the order of `gdirs`, ``status`` ('written', 'valid' or 'failed'),
        ``message``, ``seconds``. A table that a worker finished before it died is 'valid'

    Raises
    ------
    InvalidParamsError
        If `chunk_size` or `retries` is invalid, or a glacier is given twice
    InvalidWorkflowError
        If a worker does not see a glacier directory, the cluster is lost, or a glacier kills every worker that tries
        it, unless ``cfg.PARAMS['continue_on_error']`` is set
    ImportError
        If `client` is an address and Dask is not installed

    Examples
    --------
    >>> from distributed import Client, LocalCluster  # doctest: +SKIP
    >>> with LocalCluster(n_workers=4, threads_per_worker=1) as cluster, Client(cluster) as client:  # doctest: +SKIP
    ...     statuses = run(gdirs, client=client)
    """
    from oggm_glaunti.region.tables import glaunti_tables

    inspect.signature(glaunti_tables).bind(gdirs, progress=progress, **kwargs)
    if chunk_size < 1 or retries < 0:
        raise InvalidParamsError(f"chunk_size: expected 1 or more, found {chunk_size}; retries: 0 or more, {retries}")
    require_each_once([gdir.rgi_id for gdir in gdirs])
    if client is None or not len(gdirs):
        return glaunti_tables(gdirs, progress=progress, **kwargs)
    own = isinstance(client, str)
    if isinstance(client, str):
        try:
            from distributed import Client
        except ImportError as err:
            raise ImportError(
                "a cluster needs Dask, which is not installed: pip install distributed. Without client= "
                "everything runs in this process."
            ) from err
        client = Client(client)
    try:
        with tqdm(total=len(gdirs), desc=TASK, unit="glacier", disable=None if progress else True) as bar:
            # Weights may be set in the environment of this process only.
            environment = {name: os.environ[name] for name in (settings.WEIGHTS_ENV,) if name in os.environ}
            logging_level = logging.getLevelName(logging.getLogger().getEffectiveLevel())
            context = ChunkContext(_PROCESS, cfg.pack_config(), logging_level, environment, kwargs)
            with without_pauses(client):
                return _Distribution(client, context, retries, bar).run(gdirs, chunk_size)
    finally:
        if own:
            client.close()


@contextmanager
def without_pauses(client: Client) -> Iterator[None]:
    """Let all workers, also those that join, go on however full they are; afterwards they have their own setting again.

    Dask pauses a worker that is nearly full until it holds less; libraries and programs stay, so it never would.
    """
    from distributed import WorkerPlugin

    class WithoutPauses(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            self.before = worker.memory_manager.memory_pause_fraction
            worker.memory_manager.memory_pause_fraction = math.inf

        def teardown(self, worker: Any) -> None:
            worker.memory_manager.memory_pause_fraction = self.before

    client.register_plugin(WithoutPauses(), name=TASK)
    try:
        yield
    finally:
        with suppress(Exception):  # the cluster is lost, or another call has done it
            client.unregister_worker_plugin(TASK)


class Place(NamedTuple):
    """A glacier and its directory."""

    rgi_id: str
    dir: str


def run_chunk(places: Sequence[Place], pickled: bytes, context: ChunkContext) -> pd.DataFrame:
    """Make the tables of one chunk, in a worker.

    Glacier directories travel as bytes: Dask would unpickle them in the scheduler too, and OGGM may write to the folder
    of a directory that is unpickled.

    Raises
    ------
    InvalidWorkflowError
        If the worker does not see the glacier directories
    """
    from distributed import get_worker

    from oggm_glaunti.region.tables import glaunti_tables

    with _one_at_a_time:
        if context.process != _PROCESS:
            if not hasattr(logging.Logger, "workflow"):
                cfg.set_logging_config(context.logging_level)  # once: it also teaches loggers OGGM's own level
            cfg.unpack_config(context.config)
            settings.set_params({"use_multiprocessing": False})
            settings.register()
            for name, value in context.environment.items():
                os.environ.setdefault(name, value)
        require_seen(places)
        kwargs = {**context.kwargs, "progress": False}
        if kwargs.get("memory") is None:
            # The setting, or less if the worker's own limit is small.
            limit, setting = get_worker().memory_manager.memory_limit, float(settings.param("glaunti_memory"))
            kwargs["memory"] = setting if not limit else min(setting, SHARE_OF_WORKER * limit / MEGABYTE)
        return glaunti_tables(pickle.loads(pickled), **kwargs)


def require_seen(places: Sequence[Place]) -> None:
    """Raise an InvalidWorkflowError if a worker does not see the directory of a glacier."""
    for place in places:
        if not os.path.isdir(place.dir):
            raise InvalidWorkflowError(
                f"{place.rgi_id}: {place.dir} is not there on {socket.gethostname()}. Keep the working directory on a "
                "file system that all workers see under the same path."
            )


class _Distribution:
    """The chunks of one call, their futures and results."""

    def __init__(self, client: Client, context: ChunkContext, retries: int, bar: tqdm):
        self.client, self.context, self.retries, self.bar = client, context, retries, bar
        self.done: list[pd.DataFrame] = []
        self.given_up = 0

    def run(self, gdirs: Sequence[GlacierDirectory], chunk_size: int) -> pd.DataFrame:
        """Return the statuses of all glaciers."""
        suspects = self._finish(_chunks(gdirs, chunk_size))
        while suspects:
            chunk = suspects.pop()
            for part in _chunks(chunk, -(-len(chunk) // SUSPECT_PARTS)):
                # Alone on the cluster: the cause of killed workers is now in this part.
                for killer in self._finish([part]):
                    if len(killer) > 1:
                        suspects.append(killer)
                    elif self._finish([killer]):  # once more: a cluster that has just lost workers may be in disorder
                        self._give_up(killer[0])
        return pd.concat(self.done).loc[[gdir.rgi_id for gdir in gdirs]]

    def _finish(self, chunks: Iterable[Sequence[GlacierDirectory]]) -> list[Sequence[GlacierDirectory]]:
        """Run chunks; return those that killed too many workers."""
        from distributed import CancelledError, KilledWorker, as_completed

        chunk_of, killers = {}, []
        for chunk in chunks:
            # A new key for every try: for a known one Dask would return the failure it remembers.
            how = {"key": f"{TASK}-{chunk[0].rgi_id}-{len(chunk)}-{uuid.uuid4().hex[:8]}", "pure": False}
            what = [Place(gdir.rgi_id, gdir.dir) for gdir in chunk], pickle.dumps(list(chunk)), self.context
            chunk_of[self.client.submit(run_chunk, *what, retries=self.retries, **how)] = chunk
        try:
            for future in as_completed(list(chunk_of)):
                try:
                    statuses = future.result()
                except KilledWorker as err:
                    log.warning("%s", err)
                    killers.append(chunk_of[future])
                    continue
                except CancelledError as err:
                    raise InvalidWorkflowError(
                        f"the Dask cluster was lost ({err}) with {sum(map(len, self.done))} glaciers done. Start a new "
                        "one and call again: finished tables are skipped."
                    ) from err
                self.done.append(statuses)
                self.bar.update(len(statuses))
        finally:
            # After an error, nothing is left running in the cluster.
            self.client.cancel(list(chunk_of))
        return killers

    def _give_up(self, gdir: GlacierDirectory) -> None:
        err = InvalidWorkflowError(
            f"{gdir.rgi_id}: every worker that made its table died, most likely for lack of memory. The workers' logs "
            "say why. Give the workers more memory, or leave the glacier out."
        )
        gdir.log(TASK, err=err)
        log.error("%s occurred during task %s on %s: %s", type(err).__name__, TASK, gdir.rgi_id, err)
        self.given_up += 1
        if self.given_up == HOPELESS == len(self.done) + 1:
            raise InvalidWorkflowError(
                f"{gdir.rgi_id} and {HOPELESS - 1} others killed every worker that tried them, and no glacier at all "
                "was finished: no worker can do this work. Their logs say why; raise their memory limit if it is too "
                "low."
            ) from err
        if not cfg.PARAMS["continue_on_error"]:
            raise err
        row = {"status": "failed", "message": str(err), "seconds": 0.0}
        self.done.append(pd.DataFrame([row], index=pd.Index([gdir.rgi_id], name="rgi_id")))
        self.bar.update(1)


def _chunks(gdirs: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Divide glaciers into parts of `size`.

    Examples
    --------
    >>> _chunks("abcde", 2)
    ['ab', 'cd', 'e']
    """
    return [gdirs[start : start + size] for start in range(0, len(gdirs), size)]
