"""Flags for XLA: set where they help, never over the user's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from oggm_glaunti import xla_flags

SHOW = "import os, oggm_glaunti; print(os.environ.get('XLA_FLAGS', ''))"


def python(code: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", xla_flags.SWITCH)}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**clean, **environment}, check=False
    )


def test_the_wide_vectors_are_asked_for_only_where_processor_and_version_have_them():
    assert [xla_flags.WIDTH in " ".join(xla_flags.flags_to_set("", *case)) for case in (
        (True, (0, 10)), (False, (0, 10)), (True, (0, 4)), (True, (0, 99))
    )] == [True, False, False, False]  # fmt: skip


@pytest.mark.parametrize("own", ["--xla_cpu_prefer_vector_width=256", "--xla_backend_extra_options=a=b"])
def test_a_flag_of_the_user_stays_as_it_is(own):
    flags = python(SHOW, XLA_FLAGS=own).stdout.split()
    assert flags[0] == own
    assert [flag.split("=")[0] for flag in flags].count(own.split("=")[0]) == 1


def test_a_file_of_flags_of_the_user_stays_as_it_is(tmp_path):
    own = tmp_path / "flags"
    own.write_text("--xla_cpu_enable_fast_math=false")
    done = python(SHOW + "; import jax; print(jax.numpy.ones(3).sum())", XLA_FLAGS=str(own), JAX_PLATFORMS="cpu")
    assert (done.returncode, done.stdout.split()) == (0, [str(own), "3.0"]), done.stderr


def test_one_variable_switches_all_of_it_off():
    assert python(SHOW, **{xla_flags.SWITCH: "0"}).stdout.strip() == ""


def test_importing_twice_or_in_a_child_adds_nothing():
    once = python(SHOW).stdout.strip()
    assert "xla_cpu_small_while_loop_byte_threshold" in once
    assert python(SHOW, XLA_FLAGS=once).stdout.strip() == once


def test_nothing_is_set_once_jax_computes():
    code = "import jax; jax.numpy.zeros(1).block_until_ready(); " + SHOW
    assert python(code, JAX_PLATFORMS="cpu").stdout.strip() == ""


def test_xla_accepts_the_flags():
    done = python("import oggm_glaunti, jax; print(jax.numpy.ones(3).sum())", JAX_PLATFORMS="cpu")
    assert (done.returncode, done.stdout.strip()) == (0, "3.0"), done.stderr


def test_a_machine_without_cpuinfo_is_taken_as_one_without_wide_vectors(tmp_path):
    assert xla_flags.has_avx512(str(tmp_path / "nothing")) is False
