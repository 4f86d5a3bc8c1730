"""Where the tests find data, and a home of their own: nothing of the user's is read or written."""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib.util
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings

SHARED_ENV = "OGGM_GLAUNTI_SHARED"
REPOSITORY = Path(__file__).resolve().parents[1]


def find_shared() -> Path | None:
    given = os.environ.get(SHARED_ENV)
    folder = Path(given) if given else REPOSITORY.parent / "shared"
    return folder.resolve() if (folder / "data").is_dir() else None


def prepare_home(shared: Path | None) -> Path:
    # Has to happen before anything imports salem or OGGM: both fix their folders in the home when they are imported.
    home = Path(tempfile.mkdtemp(prefix="oggm_glaunti_home_"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["HOME"] = str(home)
    os.environ.setdefault("MPLBACKEND", "Agg")
    # Many tests, and the processes they start, compile the same programs.
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(home / "programs"))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    source = Path(importlib.util.find_spec("salem").origin).read_text("utf-8")
    commit = re.search(r"sample_data_gh_commit = '(\w+)'", source).group(1)
    data = home / ".salem_cache" / f"salem-sample-data-{commit}"
    data.parent.mkdir()
    if shared is not None and (shared / "data" / "salem-sample-data").is_dir():
        data.symlink_to(shared / "data" / "salem-sample-data", target_is_directory=True)
    else:
        (data / "shapes" / "world_borders").mkdir(parents=True)
        (data / "shapes" / "world_borders" / "world_borders.shp").touch()
    return home


SHARED = find_shared()
HOME = prepare_home(SHARED)

hypothesis_settings.register_profile("repository", deadline=None, derandomize=True, max_examples=20)
hypothesis_settings.load_profile("repository")


# A process keeps every program that it has compiled. One that holds more than this (bytes) drops them after a test and
# gets them back from the cache on disk, so that the suite runs on a laptop with 8 GB.
MOST_MEMORY = 2.5e9


def memory_in_use() -> float:
    """Resident memory of this process, bytes; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    return float(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0.0


def pytest_runtest_logfinish(nodeid: str, location: tuple[str, int | None, str]) -> None:
    jax = sys.modules.get("jax")
    if jax is None or memory_in_use() < MOST_MEMORY:
        return
    jax.clear_caches()
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(autouse=True)
def warnings_are_logged() -> None:
    """The command line leaves the root logger at OGGM's level, at which later tests would see no warning."""
    logging.root.setLevel(logging.WARNING)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real and reference data."""
    if SHARED is None:
        given = os.environ.get(SHARED_ENV)
        pytest.skip(
            f"no shared data: set {SHARED_ENV} to their folder (now {given or 'not set'}) or put them into "
            f"{REPOSITORY.parent / 'shared'}"
        )
    return SHARED


@pytest.fixture(scope="session")
def weights_dir(shared: Path) -> Path:
    """The published weights."""
    folder = shared / "reference" / "upstream"
    if not folder.is_dir():
        pytest.skip(f"no published weights: {folder} is missing (see {SHARED_ENV})")
    return folder


@pytest.fixture(scope="session")
def oggm_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OGGM's cache folder, with its sample data where they are at hand."""
    from .glaciers import use_sample_data

    folder = tmp_path_factory.mktemp("oggm_cache")
    if SHARED is not None:
        use_sample_data(SHARED, folder)
    return folder


class _OGGMState:
    """OGGM's globals as they are now, to be put back."""

    def __init__(self) -> None:
        from oggm import cfg

        self.params, self.paths, self.cache_dir = dict(cfg.PARAMS), dict(cfg.PATHS), cfg.CACHE_DIR

    def put_back(self) -> None:
        from oggm import cfg

        cfg.PARAMS.do_log = False
        for mine, kept in ((cfg.PARAMS, self.params), (cfg.PATHS, self.paths)):
            mine.clear()
            mine.update(kept)
        cfg.PARAMS.do_log = True
        cfg.CACHE_DIR = self.cache_dir


@pytest.fixture
def oggm_env(tmp_path: Path, oggm_cache: Path) -> Iterator[Path]:
    """OGGM initialised without a network in a working directory of the test's own; its globals are put back."""
    from oggm import cfg

    from oggm_glaunti.coupling.oggm.offline import start_offline

    from .glaciers import PARAMS

    state = _OGGMState()
    cfg.CACHE_DIR = str(oggm_cache)
    yield start_offline(tmp_path / "oggm", params=PARAMS)
    state.put_back()


@pytest.fixture(scope="session")
def aletsch_prepared(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directory with Grosser Aletsch. Never write here: use `aletsch_gdir`."""
    from .glaciers import prepare_aletsch

    return _prepared(prepare_aletsch, tmp_path_factory.mktemp("aletsch"), shared)


@pytest.fixture(scope="session")
def hef_prepared(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directory with Hintereisferner. Never write here: use `hef_gdir`."""
    from .glaciers import prepare_hef

    return _prepared(prepare_hef, tmp_path_factory.mktemp("hef"), shared)


def _prepared(prepare, working_dir: Path, shared: Path) -> Path:
    import oggm_glaunti.coupling  # noqa: F401

    state = _OGGMState()
    try:
        prepare(working_dir, shared)
    finally:
        state.put_back()
    return working_dir


@pytest.fixture
def aletsch_gdir(aletsch_prepared: Path, oggm_env: Path):
    """Grosser Aletsch as a glacier directory, up to the present-time glacier."""
    from .glaciers import ALETSCH, open_copy

    return open_copy(aletsch_prepared, oggm_env, ALETSCH)


@pytest.fixture
def hef_gdir(hef_prepared: Path, oggm_env: Path):
    """Hintereisferner as a glacier directory, up to the present-time glacier."""
    from oggm import cfg

    from .glaciers import HEF, HEF_PARAMS, open_copy

    cfg.PARAMS.do_log = False
    cfg.PARAMS.update(HEF_PARAMS)
    cfg.PARAMS.do_log = True
    return open_copy(hef_prepared, oggm_env, HEF)


@pytest.fixture
def weights(weights_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The published weights, found without being named, as a user has them."""
    monkeypatch.setenv("OGGM_GLAUNTI_WEIGHTS", str(weights_dir))
    return weights_dir


@pytest.fixture
def aletsch(aletsch_gdir, weights):
    """Grosser Aletsch with features, and weights for it."""
    from oggm_glaunti.tasks import glaunti_features

    glaunti_features(aletsch_gdir)
    return aletsch_gdir


@pytest.fixture
def hef(hef_gdir, weights):
    """Hintereisferner with features, and weights for it."""
    from oggm_glaunti.tasks import glaunti_features

    glaunti_features(hef_gdir)
    return hef_gdir
