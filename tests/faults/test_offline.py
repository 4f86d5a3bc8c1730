"""No network at all, and an empty home: OGGM is imported and started all the same."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import pytest

from oggm_glaunti.coupling.oggm import offline

REPORT = """
import logging, sys, warnings
warnings.simplefilter("error")
logging.basicConfig(level="WARNING", format="LOGGED %(name)s %(levelname)s %(message)s")
import oggm_glaunti.coupling
import salem, oggm
print("IMPORTED", salem.gis.Grid.__name__, oggm.cfg.__name__, "jax" in sys.modules)
"""
START = """
import sys
from pathlib import Path
from oggm_glaunti.coupling.oggm.offline import start_offline
home = Path.home()
def listing():
    return {path for path in home.rglob("*") if path.name != "world_borders.shp"}
before = listing()
folder = start_offline(sys.argv[1], params={"border": 20})
import oggm
from oggm_glaunti.workflows.valley import valley_outline
gdir = oggm.GlacierDirectory(valley_outline().iloc[0], base_dir=str(folder / "per_glacier"))
print("REGION", gdir.rgi_region_name, oggm.cfg.PARAMS["border"], oggm.cfg.PATHS["working_dir"] == str(folder))
print("NEW IN HOME", listing() - before)
"""


@pytest.fixture(scope="module")
def unshare() -> list[str]:
    """The command that runs another without a network."""
    program = shutil.which("unshare")
    if program is None:
        pytest.skip("no unshare on this machine")
    if subprocess.run([program, "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare -n is not permitted here")
    return [program, "-n"]


def run_offline(unshare: list[str], home: Path, code: str, *args: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    command = [*unshare, sys.executable, "-c", code, *args]
    environment = {**os.environ, "HOME": str(home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=True)


@pytest.mark.slow
def test_oggm_is_imported_without_network_and_warns_once(unshare, tmp_path):
    first = run_offline(unshare, tmp_path / "home", REPORT)
    assert "IMPORTED Grid oggm.cfg False" in first.stdout
    logged = [line for line in first.stderr.splitlines() if line.startswith("LOGGED")]
    assert len(logged) == 1
    assert "oggm_glaunti.coupling.oggm.offline WARNING salem could not download" in logged[0]
    (placeholder,) = (tmp_path / "home").rglob("world_borders.shp")
    assert placeholder.stat().st_size == 0

    second = run_offline(unshare, tmp_path / "home", REPORT)
    assert "IMPORTED" in second.stdout
    assert "LOGGED" not in second.stderr


@pytest.mark.slow
def test_a_glacier_directory_is_made_without_network(unshare, tmp_path):
    done = run_offline(unshare, tmp_path / "home", START, str(tmp_path / "work"))
    assert "REGION 11: Central Europe 20 True" in done.stdout
    # What salem and OGGM make when they are imported is theirs; the start adds nothing.
    assert "NEW IN HOME set()" in done.stdout


def test_salems_folder_is_where_salem_looks():
    import salem

    assert str(offline.salem_sample_data_dir()) == salem.sample_data_dir


@pytest.mark.parametrize("error", [PermissionError("home is read-only"), ImportError("a broken package")])
def test_only_network_errors_are_caught(error, monkeypatch, tmp_path):
    def fails(name: str):
        raise error

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "oggm")
    monkeypatch.setattr(importlib, "import_module", fails)
    with pytest.raises(type(error), match=str(error)):
        offline.ensure_oggm_importable()
    assert not list(tmp_path.iterdir())
    assert socket.getdefaulttimeout() is None


def test_a_network_error_that_the_placeholder_cannot_cure_is_passed_on(monkeypatch):
    calls = []

    def fails(name: str):
        calls.append((name, socket.getdefaulttimeout()))
        raise URLError("something else is downloaded")

    placeholder = offline.salem_sample_data_dir() / "shapes" / "world_borders" / "world_borders.shp"
    assert placeholder.exists()
    monkeypatch.delitem(sys.modules, "oggm")
    monkeypatch.setattr(importlib, "import_module", fails)
    with pytest.raises(URLError, match="something else"):
        offline.ensure_oggm_importable()
    assert calls == [("oggm", offline.NETWORK_TIMEOUT)]
