"""Data are found in the order promised, downloaded whole or not at all, and missed with the ways out."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oggm_glaunti import files, settings
from oggm_glaunti.downloads import cache, http, store
from oggm_glaunti.downloads.registry import Dataset, File, dataset, registry

from .server import cut, hang, other, serving, status

CONTENT = {"one.csv": b"year,smb\n2003,-1.2\n" * 5000, "maps/two with space.tif": bytes(range(256)) * 40}
FOLDER = "example.org/data/0123456"


def described(content: dict[str, bytes]) -> tuple[File, ...]:
    return tuple(File(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items())


DATA = Dataset("two_files", "two files", f"https://{FOLDER}/", "data/two", "none", "nobody", described(CONTENT))
ONE = DATA._replace(files=DATA.files[:1])
AT = f"{FOLDER}/one.csv"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty home with OGGM's cache in it, and no shared folder; the folder that downloads of the data go to."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OGGM_DOWNLOAD_CACHE_RO", raising=False)
    monkeypatch.delenv("OGGM_WORKDIR", raising=False)
    monkeypatch.setenv("OGGM_DOWNLOAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_of_oggm", lambda: None)
    monkeypatch.setattr(cache, "sys", type("NoModules", (), {"modules": {}}))
    monkeypatch.setenv(settings.SHARED_ENV, str(tmp_path))
    return tmp_path / "cache" / FOLDER


@pytest.fixture
def server(place, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with serving({f"{FOLDER}/{name}": data for name, data in CONTENT.items()}) as server:
        server.waits = waits
        monkeypatch.setenv(settings.MIRROR_ENV, server.address)
        yield server


def lying_in(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_are_downloaded_once_and_anyone_may_read_them(server, place):
    assert store.fetch(DATA) == place
    assert lying_in(place) == CONTENT
    assert {path.stat().st_mode & 0o777 for path in place.rglob("*.*")} == {0o644}
    assert store.fetch(DATA) == place
    assert sorted(server.asked) == [f"{FOLDER}/{name}" for name in sorted(CONTENT)]


def test_a_single_file_is_a_file(server, place):
    assert store.fetch(ONE) == place / "one.csv"


def test_the_shared_folder_comes_first(server, place, tmp_path):
    shared = tmp_path / "data" / "two"
    for name, data in CONTENT.items():
        (shared / name).parent.mkdir(parents=True, exist_ok=True)
        (shared / name).write_bytes(data)
    assert store.fetch(DATA) == shared
    assert server.asked == []
    (shared / "one.csv").write_bytes(b"edited")
    with pytest.raises(ValueError, match=r"two/one\.csv: expected SHA-256 .* damaged or another"):
        store.fetch(DATA)
    (shared / "one.csv").unlink()
    assert store.fetch(DATA) == place


def test_a_variable_that_names_no_folder_is_a_mistake(place, monkeypatch, tmp_path):
    monkeypatch.setenv(settings.SHARED_ENV, str(tmp_path / "nowhere"))
    with pytest.raises(store.DataNotFoundError, match=r"OGGM_GLAUNTI_SHARED names .*nowhere, which is no folder"):
        store.fetch(DATA)


def test_a_damaged_file_in_the_cache_is_refused(server, place):
    store.fetch(DATA)
    (place / "one.csv").write_bytes(CONTENT["one.csv"][:-1] + b"x")
    with pytest.raises(ValueError, match=r"one\.csv: expected SHA-256"):
        store.fetch(DATA)
    with pytest.raises(ValueError, match=r"one\.csv: expected SHA-256"):
        store.retrieve(DATA, DATA.files[0])


@pytest.mark.parametrize("act", [cut, other, hang, status(500), status(503), status(429, Retry_After="7")])
def test_a_download_that_goes_wrong_once_is_made_again(server, place, monkeypatch, act):
    monkeypatch.setattr(http, "TIMEOUT", (5.0, 0.3))
    server.acts[AT] = [act]
    assert store.fetch(ONE).read_bytes() == CONTENT["one.csv"]
    assert list(lying_in(place)) == ["one.csv"]
    assert server.asked == [AT, AT]


def test_a_busy_server_is_waited_for_as_it_asks_but_not_for_ever(server):
    server.acts[AT] = [status(429, Retry_After="7"), status(429, Retry_After="86400")]
    store.fetch(ONE)
    assert [wait for wait in server.waits if wait > 2] == [7.0, http.LONGEST_WAIT]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (cut, "IncompleteRead"),
        (other, "hash"),
        (hang, "timed out"),
        (status(500), "500 Server Error"),
        (status(429), "429 Client Error"),
    ],
)
def test_a_download_that_goes_wrong_each_time_ends_and_leaves_nothing(server, place, monkeypatch, act, said):
    monkeypatch.setattr(http, "TIMEOUT", (5.0, 0.3))
    server.acts[AT] = [act] * 100
    with pytest.raises(store.DataNotFoundError, match=said):
        store.fetch(ONE)
    assert len(server.asked) == 1 + http.RETRIES
    assert lying_in(place) == {}


def test_what_a_server_does_not_have_is_asked_for_once(server, place):
    del server.content[AT]
    with pytest.raises(store.DataNotFoundError, match="404"):
        store.fetch(ONE)
    assert server.asked == [AT]
    assert lying_in(place) == {}


def test_without_a_network_there_is_one_message_with_the_ways_out(place, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv(settings.MIRROR_ENV, "http://127.0.0.1:9")  # nothing listens there
    with pytest.raises(FileNotFoundError) as error:
        store.fetch(DATA)
    message = str(error.value)
    for part in (
        "'two_files' (two files; 0.1 MB) not found",
        f"{settings.SHARED_ENV}), which lacks data/two/one.csv and more",
        f"OGGM's download cache {place.parents[2]}",
        f"cannot download http://127.0.0.1:9/{FOLDER}/",
        "internet connection",
        f"{settings.SHARED_ENV} to a folder that holds data/two",
        f"{settings.MIRROR_ENV} to a mirror",
        "in place of fetch('two_files')",
        f"by hand to {place}",
    ):
        assert part in message


def test_two_processes_at_once_both_find_whole_files(server, place):
    code = "from tests.downloads.test_store import DATA, store\nprint(store.fetch(DATA))"
    env = {**os.environ, "OGGM_DOWNLOAD_CACHE": str(place.parents[2])}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=env, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in both] == [str(place)] * 2
    assert lying_in(place) == CONTENT


def test_a_folder_that_another_process_makes_at_the_same_instant_is_no_error(server, place, monkeypatch):
    makedirs = os.makedirs

    def too_late(path, mode=0o777, exist_ok=False):
        if not exist_ok:
            raise FileExistsError(path)
        makedirs(path, mode, exist_ok)

    monkeypatch.setattr(os, "makedirs", too_late)
    assert store.fetch(DATA) == place


def test_a_read_only_cache_is_read_and_never_written_to(server, place, tmp_path, monkeypatch):
    monkeypatch.setenv("OGGM_DOWNLOAD_CACHE_RO", "True")
    with pytest.raises(store.DataNotFoundError, match=r"is read-only, and there is no working directory"):
        store.fetch(DATA)
    monkeypatch.setenv("OGGM_WORKDIR", str(tmp_path / "work"))
    place.mkdir(parents=True)
    (place / "one.csv").write_bytes(CONTENT["one.csv"])
    assert store.fetch(ONE) == place / "one.csv"
    assert store.fetch(DATA) == tmp_path / "work" / "cache" / FOLDER  # complete, although one lies in the other
    assert lying_in(place) == {"one.csv": CONTENT["one.csv"]}


def test_a_cache_that_cannot_be_written_is_said(server, place):
    place.parents[2].write_text("a file where the folder should be")
    with pytest.raises(store.DataNotFoundError, match=r"cannot download .*cache"):
        store.fetch(ONE)


def test_half_downloads_of_killed_processes_are_removed_when_they_are_old(server, place):
    place.mkdir(parents=True)
    for name, age in (("tmpabcdefgh", 2 * files.ABANDONED), ("tmp12345678", 60.0)):
        (place / name).write_bytes(b"half")
        os.utime(place / name, (time.time() - age,) * 2)
    store.fetch(ONE)
    assert sorted(path.name for path in place.iterdir()) == ["one.csv", "tmp12345678"]


def test_what_is_made_from_downloads_is_made_once_and_checked(server, place):
    made = ONE._replace(made=(File("rows.txt", 4, "0" * 64),))
    calls = []

    def make(downloaded: Path, folder: Path) -> None:
        calls.append(downloaded)
        (folder / "rows.txt").write_text(str(downloaded.read_bytes().count(b"\n")))

    assert store.fetch(made, make).read_text() == "10000"
    path = store.fetch(made, make)
    assert path.parent == place.parents[2] / "glaunti_made" / "two_files"
    assert calls == [place / "one.csv"]
    path.write_text("9999")
    with pytest.raises(ValueError, match=r"rows\.txt: expected SHA-256"):
        store.fetch(made, make)


def test_what_could_not_be_made_is_tried_again(server):
    made = ONE._replace(made=(File("rows.txt", 4, "0" * 64),))

    def fails(downloaded: Path, folder: Path) -> None:
        raise ValueError("cut off")

    with pytest.raises(ValueError, match="cut off"):
        store.fetch(made, fails)
    assert store.fetch(made, lambda downloaded, folder: (folder / "rows.txt").write_text("1") and None).is_file()


def test_the_cache_is_oggms_before_and_after_oggm_is_started(tmp_path):
    code = (
        "from oggm_glaunti.downloads.cache import caches\nbefore = caches()\n"
        "import sys; assert 'oggm' not in sys.modules\n"
        "from oggm_glaunti import start_offline\nstart_offline('work')\n"
        "print(before.folders[0], *caches().folders, before.target == caches().target)"
    )
    env = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    env = {name: value for name, value in env.items() if not name.startswith("OGGM_DOWNLOAD")}
    (tmp_path / ".salem_cache").symlink_to(Path(os.environ["HOME"]) / ".salem_cache")
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    default = tmp_path / "OGGM" / "download_cache"
    assert done.stdout.split() == [str(default), str(default), str(tmp_path / "work" / "cache"), "True"]


def test_every_entry_of_the_registry_is_complete():
    for name, data in registry().items():
        assert data.about
        assert data.licence
        assert data.citation, name
        assert data.url.startswith("https://")
        assert data.url.endswith("/")
        assert "/main/" not in data.url
        assert all(len(file.sha256) == 64 and file.size for file in data.used), name
        assert len({file.path for file in data.files}) == len(data.files)


def test_the_shared_files_are_those_registered(shared):
    for name, data in registry().items():
        folder = shared / data.shared
        if not folder.is_dir():
            continue
        for file in data.used:
            assert (folder / file.path).stat().st_size == file.size, f"{name}: {file.path}"
            store.checked(folder / file.path, file)


def test_an_unknown_name_is_answered_with_all_names():
    with pytest.raises(ValueError, match="no data are called 'hef'; there are aletsch, "):
        dataset("hef")
