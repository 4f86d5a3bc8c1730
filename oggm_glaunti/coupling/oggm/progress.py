"""A progress bar on OGGM's entity tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from oggm import cfg, workflow
from tqdm import tqdm

PER_PROCESS = 4  # glaciers at a time for each process of OGGM's pool, which then seldom waits for the last one


def execute_with_bar(
    task: Callable[..., Any], gdirs: Sequence[Any], title: str, progress: bool = True, **kwargs: Any
) -> list[Any]:
    """Run an entity task as ``oggm.workflow.execute_entity_task`` does, with a progress bar.

    Parameters
    ----------
    task : callable
        an entity task
    gdirs : sequence
        as for ``execute_entity_task``: glacier directories, or pairs of them and keyword arguments
    title : str
        of the bar
    progress : bool
        show the bar if the standard error is a terminal
    **kwargs
        of the task
    """
    results: list[Any] = []
    with tqdm(total=len(gdirs), desc=title, unit="glacier", leave=False, disable=None if progress else True) as bar:
        parallel = cfg.PARAMS["use_multiprocessing"]
        step = len(gdirs) if bar.disable else PER_PROCESS * cfg.PARAMS["mp_processes"] if parallel else 1
        level = workflow.log.level
        try:
            if step < len(gdirs):  # said once, where OGGM would say it for every piece
                workflow.log.workflow("Execute entity tasks [%s] on %d glaciers", task.__name__, len(gdirs))
                workflow.log.setLevel(logging.CRITICAL)
            for first in range(0, len(gdirs), max(step, 1)):
                some = list(gdirs[first : first + step])
                results += workflow.execute_entity_task(task, some, **kwargs)
                bar.update(len(some))
        finally:
            workflow.log.setLevel(level)
    return results
