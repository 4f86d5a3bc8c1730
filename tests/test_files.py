"""Files that are complete or not there, whatever happens on the way; results remembered by the state of a file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from oggm_glaunti import files
from oggm_glaunti.files import WriteError, remembered, replacing, write_text

from .full_disk import files_up_to

KILLED = """
import os, signal, sys
from pathlib import Path
from oggm_glaunti import files
from oggm_glaunti.files import replacing
files.exchange = lambda one, two: False
kind, target, when = sys.argv[1:]
if when != "while writing":
    replace, calls = os.replace, []
    def dying(source, target):
        if len(calls) == int(when):
            os.kill(os.getpid(), signal.SIGKILL)
        calls.append(target)
        replace(source, target)
    os.replace = dying
with replacing(target) as temporary:
    if kind == "folder":
        temporary.mkdir()
    part = temporary / "part" if kind == "folder" else temporary
    part.write_text("half")
    if when == "while writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def write(kind: str, path: Path, text: str) -> None:
    with replacing(path) as temporary:
        if kind == "folder":
            temporary.mkdir()
        (temporary / "part" if kind == "folder" else temporary).write_text(text)


def read(kind: str, path: Path) -> str:
    return (path / "part" if kind == "folder" else path).read_text()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def killed_while_writing(kind: str, path: Path, when: str = "while writing") -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, kind, str(path), when], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_written_takes_the_place_of_the_old(kind, tmp_path):
    for text in ("old", "new"):
        write(kind, tmp_path / "target", text)
        assert read(kind, tmp_path / "target") == text
        assert names(tmp_path) == ["target"]


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_leaves_the_old_and_nothing_else(kind, error, tmp_path):
    path = tmp_path / "target"
    write(kind, path, "old")

    def half() -> None:
        with replacing(path) as temporary:
            temporary.mkdir() if kind == "folder" else temporary.write_text("half")
            raise error

    with pytest.raises(error):
        half()
    assert read(kind, path) == "old"
    assert names(tmp_path) == ["target"]


def test_a_folder_that_cannot_be_put_in_place_gives_way_to_the_old_one(tmp_path, monkeypatch):
    write("folder", tmp_path / "target", "old")
    replace = os.replace

    def fails(source, target):
        if Path(target).name == "target" and "former" not in str(source):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(files, "exchange", lambda one, two: False)
    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(WriteError, match=r"target cannot be written .*Input/output error"):
        write("folder", tmp_path / "target", "new")
    assert read("folder", tmp_path / "target") == "old"
    assert names(tmp_path) == ["target"]


# --- killed ---


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_removed_by_the_next(kind, tmp_path):
    path = tmp_path / "target"
    write(kind, path, "old")
    killed_while_writing(kind, path)
    assert len(names(tmp_path)) == 2
    assert read(kind, path) == "old"
    write("file", tmp_path / "other", "new")
    assert read(kind, path) == "old"
    assert names(tmp_path) == ["other", "target"]


def test_what_a_process_of_the_same_number_left_is_removed_and_what_is_being_written_stays(tmp_path):
    left = tmp_path / f".target.glaunti-{socket.gethostname()}.{os.getpid()}.1"
    left.touch()
    with replacing(tmp_path / "one") as first:
        first.write_text("one")
        write_text(tmp_path / "two", "two")
        assert names(tmp_path) == [first.name, "two"]
    assert names(tmp_path) == ["one", "two"]


def test_what_is_being_written_stays_whatever_other_writers_call_the_folder(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    monkeypatch.chdir(tmp_path)
    with replacing("out/one") as first:
        first.write_text("one")
        for folder in (tmp_path / "out", Path("link"), Path("out/../out")):
            write_text(folder / "two", "two")
        monkeypatch.chdir("/")
    assert names(tmp_path / "out") == ["one", "two"]


def test_a_folder_takes_the_place_of_another_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "target"
    write("folder", path, "old")
    if not files.exchange(path, path):
        pytest.skip("this file system cannot exchange two names")
    monkeypatch.setattr(os, "replace", None)
    write("folder", path, "new")
    assert read("folder", path) == "new"
    assert names(tmp_path) == ["target"]


def test_a_folder_is_put_back_where_a_writer_was_killed_between_its_two_renames(tmp_path):
    path = tmp_path / "target"
    write("folder", path, "old")
    killed_while_writing("folder", path, when="1")
    assert not path.exists()
    with pytest.raises(KeyboardInterrupt), replacing(path):
        raise KeyboardInterrupt
    assert read("folder", path) == "old"
    assert names(tmp_path) == ["target"]


def test_temporaries_of_living_processes_other_machines_and_other_programs_stay(tmp_path):
    host, alive = socket.gethostname(), os.getppid()
    others = [f".target.glaunti-{host}.{alive}.1", ".target.glaunti-elsewhere.1.1", f".target.{host}.999999999.1"]
    others += [f".target.glaunti-{host}.999999999", "target.1.1", ".backup.2020.11.30"]
    for name in others:
        (tmp_path / name).touch()
    write("file", tmp_path / "target", "new")
    assert names(tmp_path) == sorted([*others, "target"])


def test_temporaries_of_other_machines_are_removed_after_a_day(tmp_path):
    left = tmp_path / ".target.glaunti-elsewhere.1.1"
    left.touch()
    os.utime(left, (time.time() - files.ABANDONED - 1,) * 2)
    write("file", tmp_path / "target", "new")
    assert names(tmp_path) == ["target"]


# --- no room, no permission ---


def test_a_full_disk_is_reported_with_the_remedy_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "target"
    write_text(path, "old")
    with files_up_to(1000), pytest.raises(WriteError, match=r"target cannot be written \(OSError: .*has to have room"):
        write_text(path, "x" * 10_000)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["target"]


def test_netcdfs_error_on_a_full_disk_is_reported_likewise(tmp_path):
    message = r"a\.nc cannot be written \(RuntimeError: NetCDF: HDF error\)"
    with pytest.raises(WriteError, match=message), replacing(tmp_path / "a.nc"):
        raise RuntimeError("NetCDF: HDF error")


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(WriteError, match=r"nowhere/target cannot be written"):
        write_text(tmp_path / "nowhere" / "target", "new")


# --- remembered ---


def test_results_are_remembered_while_the_file_is_in_the_same_state_and_settled(tmp_path, monkeypatch):
    read_again = []

    @remembered(n_files=2)
    def content(path: Path, end: str) -> str:
        read_again.append(path)
        return path.read_text() + end

    path = tmp_path / "notes"
    path.write_text("one")
    # A second change within a step of the clock could not be seen: nothing is remembered so soon.
    monkeypatch.setattr(files, "unsettled_for", lambda state: 0.01)
    assert [content(path, "."), content(path, ".")] == ["one."] * 2
    assert len(read_again) == 2
    monkeypatch.setattr(files, "unsettled_for", lambda state: 0.0)
    assert [content(path, "."), content(path, "."), content(str(path), "!")] == ["one.", "one.", "one!"]
    assert len(read_again) == 4
    path.write_text("four")
    assert content(path, ".") == "four."


def test_a_file_that_does_not_exist_is_not_remembered(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.sha256_of(tmp_path / "notes")
