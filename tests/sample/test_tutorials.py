"""Tutorials are skipped only where their data are in neither folder, cache nor reach, and fetch names that exist."""

from __future__ import annotations

import importlib.util
import re
import socket

import pytest

from oggm_glaunti import settings
from oggm_glaunti.downloads import cache
from oggm_glaunti.downloads.registry import registry
from tests.conftest import REPOSITORY

TUTORIALS = REPOSITORY / "tutorials"
FIRST = TUTORIALS / "01_first_glacier.ipynb"


@pytest.fixture
def conftest(tmp_path, monkeypatch):
    """The notebooks' conftest, where there are no data and no network."""
    monkeypatch.setenv(settings.SHARED_ENV, str(tmp_path))
    monkeypatch.setattr(cache, "_of_oggm", lambda: None)
    monkeypatch.setenv("OGGM_DOWNLOAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(settings.MIRROR_ENV, "http://127.0.0.1:9")
    spec = importlib.util.spec_from_file_location("tutorials_conftest", TUTORIALS / "conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_folder_cache_and_network_a_notebook_is_skipped_with_the_reason(conftest, tmp_path):
    reason = conftest.why_not(FIRST)
    for part in (
        "aletsch",
        settings.SHARED_ENV,
        str(tmp_path / "cache"),
        "http://127.0.0.1:9/raw.githubusercontent.com",
    ):
        assert part in reason
    assert conftest.why_not(TUTORIALS / "05_train.ipynb") == ""  # made-up glaciers


def test_with_a_server_it_is_run(conftest, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv(settings.MIRROR_ENV, f"http://127.0.0.1:{server.getsockname()[1]}")
        assert conftest.why_not(FIRST) == ""


def test_with_the_shared_folder_all_are_run(conftest, shared, monkeypatch):
    monkeypatch.setenv(settings.SHARED_ENV, str(shared))
    assert {path.name: conftest.why_not(path) for path in TUTORIALS.glob("*.ipynb") if conftest.why_not(path)} == {}


def test_notebooks_fetch_names_that_exist():
    for path in TUTORIALS.glob("*.ipynb"):
        asked = re.findall(r'sample\.fetch\(\\"(\w+)\\"\)', path.read_text("utf-8"))
        assert set(asked) <= set(registry()), path.name
