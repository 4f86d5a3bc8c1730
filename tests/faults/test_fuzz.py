"""Mutated files of every reader, and that the fuzzer itself notices what it is for."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from oggm_glaunti.verification.report import VerificationError
from tests.conftest import REPOSITORY
from tests.faults import fuzz, fuzz_readers, mutations

EACH = 75  # files


@pytest.mark.slow
def test_mutated_files_of_every_reader_give_no_error_but_ours_and_no_changed_number():
    n = EACH * len(fuzz_readers.all_readers())
    # A process of its own: the processes that it spawns import it by name.
    command = [sys.executable, "-m", "tests.faults.fuzz", "--seconds", "600", "--n", str(n), "--seed", "1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert f"| weather_csv | {EACH} |" in done.stdout
    assert "holds: " in done.stdout


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (lambda _: Counter(a=1, b=1), "same"),
        (lambda _: Counter(a=1), "fewer"),
        (lambda _: Counter(a=1, c=1), "changed"),
        (lambda path: [][1], "foreign"),
        (lambda path: int("x"), "unnamed"),
    ],
)
def test_what_becomes_of_a_file_is_told_apart(tmp_path, read, kind):
    reader = fuzz_readers.Reader(lambda folder: folder, read, binary=True, sealed=True)
    outcome = fuzz.outcome_of("any", reader, Counter(a=1, b=1), bytes(100), tmp_path / "any.bin", 1, 0)
    assert outcome.kind == kind


def test_an_error_of_ours_that_names_the_file_is_a_refusal(tmp_path):
    def refuse(path: Path):
        raise VerificationError(f"{path}: no")

    reader = fuzz_readers.Reader(lambda folder: folder, refuse, binary=True)
    assert fuzz.outcome_of("any", reader, Counter(), bytes(9), tmp_path / "any.bin", 1, 0).kind == "refused"


def test_forms_of_a_table_keep_its_cells():
    rng = np.random.default_rng(0)
    table = b"a,b\n1.5,2015-01-02\n2.5,2015-01-03\n"
    assert mutations._other_separator(table, rng).replace(b";", b",").replace(b"\t", b",") == table
    assert mutations._numbers_with_decimal_commas(table, rng).startswith(b"a;b\n1,5;2015-01-02\n2,5;")
    assert mutations._touched_lines(table, table.replace(b"2.5", b"2.6")) == 1
