"""Facts about files are used again while the files are the same, and never after they changed."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest

from oggm_glaunti import files as own_files, settings
from oggm_glaunti.coupling.oggm import fingerprint
from oggm_glaunti.coupling.oggm.fingerprint import KnownFiles
from oggm_glaunti.files import state_of, unsettled_for


class Finder:
    """Reads a file and counts how often."""

    def __init__(self, path):
        self.path, self.count = path, 0

    def __call__(self):
        self.count += 1
        return self.path.read_text() if self.path.exists() else "none"

    def known(self, record: str) -> str:
        return KnownFiles(record).fact("text", [self.path], self)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


@pytest.fixture
def find(path):
    return Finder(path)


@pytest.fixture
def record(path, find):
    files = KnownFiles()
    assert files.fact("text", [path], find) == "old"
    find.count = 0
    return files.record()


def later(monkeypatch, seconds):
    now = time.time
    monkeypatch.setattr(own_files.time, "time", lambda: now() + seconds)


def test_a_file_in_the_same_state_is_not_looked_at_again(find, record):
    assert find.known(record) == "old"
    assert find.count == 0


def test_what_is_asked_twice_is_found_once(path, find):
    files = KnownFiles()
    assert [files.fact("text", [path], find) for _ in range(2)] == ["old", "old"]
    assert find.count == 1


def test_a_record_goes_on_from_file_to_file(path, find, record):
    files = KnownFiles(record)
    files.fact("text", [path], find)
    assert files.record() == record


def rewrite(path):
    path.write_text("new")


def rewrite_and_set_time_back(path):
    stat = path.stat()
    path.write_text("new")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (stat.st_mtime_ns, stat.st_size)


def replace_by_another_with_its_times(path):
    other = path.with_name("other.txt")
    other.write_text("new")
    shutil.copystat(path, other)
    os.replace(other, path)


def write_through_a_memory_map(path):
    import mmap

    with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 0) as mapped:
        mapped[:] = b"new"


@pytest.mark.parametrize(
    "change", [rewrite, rewrite_and_set_time_back, replace_by_another_with_its_times, write_through_a_memory_map]
)
def test_no_change_of_the_same_size_is_missed(path, find, record, change):
    change(path)
    assert find.known(record) == "new"


def test_a_file_that_goes_or_comes_is_noticed(path, find, record):
    path.unlink()
    assert find.known(record) == "none"
    files = KnownFiles()
    files.fact("text", [path], find)
    path.write_text("new")
    assert find.known(files.record()) == "new"


def test_a_copy_is_looked_at_again(path, find, record):
    other = path.with_name("other.txt")
    shutil.copy2(path, other)
    os.replace(other, path)
    assert find.known(record) == "old"
    assert find.count == 1


def test_a_folder_that_was_moved_is_the_same(path, find, record):
    find.path = path.parent.rename(path.parent.with_name("moved")) / path.name
    assert find.known(record) == "old"
    assert find.count == 0


def test_a_link_has_the_state_of_what_it_points_to(path, find):
    link = path.with_name("link.txt")
    link.symlink_to(path)
    assert state_of(link) == state_of(path)


def test_two_changes_in_a_row_within_a_step_of_the_clock_are_told_apart(path, find):
    for i in range(20):
        path.write_text(f"{i:03d}a")
        files = KnownFiles()
        files.fact("text", [path], find)
        path.write_text(f"{i:03d}b")
        assert find.known(files.record()) == f"{i:03d}b"


def test_where_times_are_whole_seconds_a_fresh_file_is_not_recorded(path, find, monkeypatch):
    whole = path.stat().st_ctime_ns // 10**9 * 10**9
    monkeypatch.setattr(fingerprint, "state_of", lambda path: [3, whole, whole, 1])
    fresh = KnownFiles()
    assert fresh.fact("text", [path], find) == "old"
    assert find.known(fresh.record()) == "old"
    assert find.count == 2
    later(monkeypatch, 10.0)
    files = KnownFiles(fresh.record())
    files.fact("text", [path], find)
    assert find.known(files.record()) == "old"
    assert find.count == 3


def test_a_file_from_the_future_is_not_recorded(path, find):
    os.utime(path, (time.time() + 1000, time.time() + 1000))
    assert unsettled_for(state_of(path)) > 900
    files = KnownFiles()
    files.fact("text", [path], find)
    assert find.known(files.record()) == "old"
    assert find.count == 2


def test_a_file_that_changes_while_it_is_read_is_looked_at_again(path, find):
    def slow():
        found = find()
        path.write_text("new")
        return found

    files = KnownFiles()
    assert files.fact("text", [path], slow) == "old"
    assert find.known(files.record()) == "new"


def test_another_version_of_the_numerics_knows_nothing(find, record, monkeypatch):
    monkeypatch.setattr(settings, "NUMERICS_VERSION", settings.NUMERICS_VERSION + 1)
    find.known(record)
    assert find.count == 1


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"version": [1, 1]}', '{"files": {"text": 1}}'])
def test_a_damaged_record_knows_nothing(find, damage):
    assert find.known(damage) == "old"
    assert find.count == 1


def test_a_damaged_entry_knows_nothing(find, record):
    content = json.loads(record)
    del content["files"]["text"]["fact"]
    assert find.known(json.dumps(content)) == "old"
    assert find.count == 1
