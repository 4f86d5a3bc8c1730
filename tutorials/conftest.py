"""The notebooks fetch real data; one whose data are nowhere, and cannot be downloaded, is skipped with the reason.

What they print and draw is kept for the documentation (``docs/_ext/notebooks.py``), so that they are executed once only.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
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


def fetched_by(notebook: Path) -> set[str]:
    """Names of the data that a notebook fetches."""
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    fetched = set(re.findall(r'sample\.fetch\("(\w+)"\)', code))
    return fetched | ({"aletsch", "massa_daily"} if "sample.aletsch(" in code else set())


@cache
def answers(host: str, port: int) -> bool:
    """Whether a connection can be made."""
    found: list[bool] = []

    def connect() -> None:
        with suppress(OSError):
            socket.create_connection((host, port), PATIENCE).close()
            found.append(True)

    # In a thread, because the search for a name may take longer than any patience.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return bool(found)


def reachable(name: str) -> bool:
    """Whether there is a server for data."""
    address = urlsplit(mirrored(registry.dataset(name).url))
    return answers(str(address.hostname), address.port or (443 if address.scheme == "https" else 80))


def why_not(notebook: Path) -> str:
    """Reason why a notebook cannot run here; empty if it can."""
    for name in sorted(fetched_by(notebook)):
        data = registry.dataset(name)
        if not store.find(data) and not reachable(name):
            return (
                f"real data: {name} is neither in the folder that {settings.SHARED_ENV} names, nor in the cache "
                f"{caches().names}, and {mirrored(data.url)} does not answer"
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
