"""The notebooks fetch real data; one whose data are nowhere, and cannot be downloaded, is skipped with the reason.

What they print and draw is kept for the documentation (``docs/_ext/notebooks.py``), so that they are executed once only.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from nbmake.nb_result import NotebookResult
from nbmake.nb_run import NotebookRun

from oggm_glaunti import settings
from oggm_glaunti.downloads import registry, store
from oggm_glaunti.downloads.cache import caches
from oggm_glaunti.downloads.http import mirrored
from oggm_glaunti.files import write_text

HERE = Path(__file__).resolve().parent
EXECUTED = HERE.parent / "docs" / "_build" / "executed"
# s. A server that has not answered by then will not serve a notebook either.
PATIENCE = 3.0
# Notebooks that read other data than those of the registry, from the shared folder.
NEEDED = {
    "02_from_outline.ipynb": (
        "data/oggm-sample-data",
        "data/rofental_openamundsen",
        "reference/upstream",
        "reference/hef_real_rows.csv",
    ),
}


def fetched_by(notebook: Path) -> set[str]:
    """Names of the data that a notebook fetches."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    if "sample.aletsch(" in code:
        code += '"aletsch" "massa_daily"'
    return {name for name in registry.registry() if "sample.fetch(" in code and f'"{name}"' in code}


@cache
def answers(host: str, port: int) -> bool:
    """Whether a connection can be made."""
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError:
        return False
    return True


def reachable(name: str) -> bool:
    """Whether there is a server for data."""
    address = urlsplit(mirrored(registry.dataset(name).url))
    return answers(str(address.hostname), address.port or (443 if address.scheme == "https" else 80))


def shared_folder() -> Path:
    """The folder in which a notebook of those in :data:`NEEDED` will look."""
    given = os.environ.get(settings.SHARED_ENV)
    return Path(given) if given else HERE.parents[1] / "shared"


def why_not(notebook: Path) -> str:
    """Reason why a notebook cannot run here; empty if it can."""
    for name in sorted(fetched_by(notebook)):
        data = registry.dataset(name)
        if not store.find(data) and not reachable(name):
            return (
                f"real data: {name} is neither in the folder that {settings.SHARED_ENV} names, nor in the cache "
                f"{caches().names}, and {mirrored(data.url)} does not answer"
            )
    missing = [name for name in NEEDED.get(notebook.name, ()) if not (shared_folder() / name).exists()]
    if missing:
        folder = shared_folder()
        return (
            f"real data: {', '.join(missing)} not in {folder}; set {settings.SHARED_ENV} to the folder that holds them"
        )
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent != HERE or item.path.suffix != ".ipynb":
            continue
        if reason := why_not(item.path):
            item.add_marker(pytest.mark.skip(reason=reason))


def keeping_outputs(execute: Callable[[NotebookRun], NotebookResult]) -> Callable[[NotebookRun], NotebookResult]:
    """Execute a notebook and, if that went well, keep a copy with its outputs."""

    def execute_and_keep(run: NotebookRun) -> NotebookResult:
        result = execute(run)
        if result.error is None:
            EXECUTED.mkdir(parents=True, exist_ok=True)
            write_text(EXECUTED / Path(run.filename).name, nbformat.writes(result.nb))
        return result

    return execute_and_keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # nbmake drops the outputs, or writes them into the notebook itself.
        patch.setattr(NotebookRun, "execute", keeping_outputs(NotebookRun.execute))
        return (yield)
