"""Writers that are killed, interrupted, out of room or not allowed to write: never half a file, never rubbish left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from oggm.exceptions import InvalidParamsError, InvalidWorkflowError

from oggm_glaunti import GlaUnTIMassBalanceA, tasks as gtasks
from oggm_glaunti.coupling.model import oggm_record, smb_file
from oggm_glaunti.coupling.model.oggm_record import write_json
from oggm_glaunti.coupling.model.params import write_params
from oggm_glaunti.coupling.table import file as table_file
from tests.full_disk import files_up_to

from ..glaciers import HEF

REFERENCE = {"ref_mb": -1500.0, "ref_period": "2014-01-01_2023-01-01", "mb_kwargs": {"model": "A"}}


def balance(gdir, **kwargs):
    return GlaUnTIMassBalanceA(gdir, **kwargs).get_annual_mb([2900.0, 3100.0], year=2018)


def ours(gdir) -> set[str]:
    """Names of our files, temporary ones included."""
    return {p.name for p in Path(gdir.dir).iterdir() if "glaunti" in p.name}


def table_path(gdir) -> Path:
    return Path(gdir.get_filepath("glaunti_table", filesuffix="_A"))


def start(code: str, gdir, *arguments: str, **kwargs) -> subprocess.Popen:
    """Run code with `gdir` in a Python of its own."""
    head = (
        "import sys, oggm; from oggm_glaunti.coupling.oggm.offline import start_offline; start_offline(sys.argv[1]);"
        "from oggm_glaunti import GlaUnTIMassBalanceA; gdir = oggm.GlacierDirectory(sys.argv[2])\n"
    )
    command = [sys.executable, "-c", head + code, str(Path(gdir.base_dir).parent), HEF, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs)


# --- an error on the way ---


class Interrupted(Exception):
    pass


WRITERS = {
    "table": (table_file, "_write", lambda gdir: balance(gdir, melt_f=7.0)),
    "maps": (smb_file, "_write_time", lambda gdir: gtasks.glaunti_smb(gdir, mb_kwargs={"model": "A"})),
    "calibration": (oggm_record.json, "dumps", lambda gdir: write_params(gdir, {"melt_f": 4.0})),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("when", ["while writing", "while renaming"])
def test_an_error_leaves_the_old_file_and_nothing_else(hef_gdir, monkeypatch, name, when):
    gtasks.glaunti_features(hef_gdir)
    balance(hef_gdir)
    gtasks.glaunti_smb(hef_gdir, mb_kwargs={"model": "A"})
    write_params(hef_gdir, {"melt_f": 5.0})
    if name != "calibration":
        Path(hef_gdir.get_filepath("glaunti_params")).unlink()
    module, function, write = WRITERS[name]
    before = {path: (Path(hef_gdir.dir) / path).read_bytes() for path in ours(hef_gdir)}

    def fails(*args, **kwargs):
        raise Interrupted(when)

    if when == "while writing":
        monkeypatch.setattr(module, function, fails)
    else:
        monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(Interrupted, match=when):
        write(hef_gdir)
    monkeypatch.undo()
    assert {path: (Path(hef_gdir.dir) / path).read_bytes() for path in ours(hef_gdir)} == before


def test_numbers_that_are_not_finite_are_not_written(hef_gdir):
    with pytest.raises(InvalidParamsError, match=r"RGI60-11\.00897: melt_f is nan, expected a finite number"):
        write_params(hef_gdir, {"melt_f": np.float64("nan")})
    with pytest.raises(ValueError, match="JSON"):
        write_json(Path(hef_gdir.get_filepath("glaunti_params")), {"nested": {"melt_f": float("inf")}})
    assert ours(hef_gdir) == set()


def test_numpy_numbers_become_plain_json(hef_gdir):
    values = {"melt_f": np.float32(5.5), "temp_bias": np.linspace(0, 1, 12), "bias": np.int64(3), "model": "A"}
    write_params(hef_gdir, values)
    read = json.loads(Path(hef_gdir.get_filepath("glaunti_params")).read_text())
    assert read["temp_bias"] == np.linspace(0, 1, 12).tolist()
    assert (read["melt_f"], read["bias"], read["model"]) == (5.5, 3, "A")
    assert GlaUnTIMassBalanceA(hef_gdir).temp_bias.tolist() == np.linspace(0, 1, 12).tolist()


# --- killed ---


ENDLESS = """
from itertools import count
print("ready", flush=True)
for i in count():
    GlaUnTIMassBalanceA(gdir, melt_f=4.0 + i % 2).get_annual_mb([3000.0], year=2018)
    print(i, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_file(hef_gdir):
    """Killed at some moment of writing again and again."""
    writer = start(ENDLESS, hef_gdir)
    for line in writer.stdout:
        if line.strip() == "1":
            break
    time.sleep(0.013)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    with netCDF4.Dataset(table_path(hef_gdir)) as nc:
        assert np.isfinite(nc["smb"][:]).all()
        assert nc.table_digest
    # What it may have left has another name, and does not disturb.
    assert np.isfinite(balance(hef_gdir)).all()


KILLED_WHILE_WRITING = """
import os, signal
from oggm_glaunti.coupling.table import file as table_file
table_file._write = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
GlaUnTIMassBalanceA(gdir, melt_f=9.0).get_annual_mb([3000.0], year=2018)
"""


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_changes_nothing_under_the_real_name(hef_gdir):
    expected = balance(hef_gdir)
    before = table_path(hef_gdir).read_bytes()
    writer = start(KILLED_WHILE_WRITING, hef_gdir)
    writer.communicate(timeout=120)
    assert writer.returncode == -signal.SIGKILL
    assert table_path(hef_gdir).read_bytes() == before
    np.testing.assert_array_equal(balance(hef_gdir), expected)


@pytest.mark.slow
def test_two_writers_of_one_table_leave_a_whole_one(hef_gdir):
    code = """
for factor in (4.0, float(sys.argv[3])) * 5:
    GlaUnTIMassBalanceA(gdir, melt_f=factor).get_annual_mb([3000.0], year=2018)
"""
    writers = [start(code, hef_gdir, factor) for factor in ("6.0", "7.0")]
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], errors
    assert ours(hef_gdir) == {"glaunti_table_A.nc"}
    with netCDF4.Dataset(table_path(hef_gdir)) as nc:
        assert np.isfinite(nc["smb"][:]).all()


# --- no room, no permission ---


@pytest.fixture
def small_files():
    """Files may not grow beyond 100 kB, as on a disk that is nearly full."""
    with files_up_to(100_000):
        yield


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # netCDF4 closing what it could not write
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(hef_gdir, small_files):
    model = GlaUnTIMassBalanceA(hef_gdir)
    with pytest.raises(InvalidWorkflowError, match=r"RGI60-11\.00897: .*glaunti_table_A\.nc cannot be written .*room"):
        model.get_annual_mb([3000.0], year=2018)
    assert ours(hef_gdir) == set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_keeps_the_old_table(hef_gdir, request):
    expected = balance(hef_gdir)
    before = table_path(hef_gdir).read_bytes()
    request.getfixturevalue("small_files")
    with pytest.raises(InvalidWorkflowError, match=r"cannot be written"):
        balance(hef_gdir, melt_f=7.0)
    assert table_path(hef_gdir).read_bytes() == before
    np.testing.assert_array_equal(balance(hef_gdir), expected)


READ_ONLY = """
import ctypes, os
if os.geteuid() == 0 and len(sys.argv) == 3:
    # Root may write everywhere: begin again without that right (PR_CAPBSET_DROP of CAP_DAC_OVERRIDE).
    assert ctypes.CDLL(None).prctl(24, 1, 0, 0, 0) == 0
    os.execv(sys.executable, [*sys.orig_argv, "dropped"])
for melt_f in (None, 7.0):
    try:
        print(GlaUnTIMassBalanceA(gdir, melt_f=melt_f).get_annual_mb([3000.0], year=2018).tolist())
    except oggm.exceptions.InvalidWorkflowError as err:
        print(err)
"""


@pytest.mark.slow
def test_a_folder_that_is_read_only_can_be_read_and_says_so_when_it_should_be_written(hef_gdir):
    expected = GlaUnTIMassBalanceA(hef_gdir).get_annual_mb([3000.0], year=2018)
    folder = Path(hef_gdir.dir)
    folder.chmod(0o555)
    try:
        out, err = start(READ_ONLY, hef_gdir).communicate(timeout=120)
    finally:
        folder.chmod(0o755)
    lines = out.splitlines()
    assert len(lines) == 2, err
    assert json.loads(lines[0]) == expected.tolist()
    assert lines[1].startswith("RGI60-11.00897: ")
    assert "glaunti_table_A.nc cannot be written" in lines[1]
    assert "Permission denied" in lines[1]
    assert ours(hef_gdir) == {"glaunti_table_A.nc"}


def test_every_file_of_ours_is_written_under_another_name_first(hef_gdir, monkeypatch):
    """The names that appear are those of OGGM's list, each by a rename within its folder."""
    renamed = []
    replace = os.replace

    def recording(source, target):
        renamed.append((Path(source), Path(target)))
        replace(source, target)

    monkeypatch.setattr(os, "replace", recording)
    gtasks.glaunti_features(hef_gdir)
    gtasks.calibrate_glaunti(hef_gdir, **REFERENCE)
    gtasks.glaunti_smb(hef_gdir, mb_kwargs={"model": "A"})
    # From OGGM 1.7 on the calibration is handed to its settings, too.
    assert {target.name for _, target in renamed} - {"settings.yml"} == ours(hef_gdir)
    assert all(source.parent == target.parent for source, target in renamed)
