"""Compiled programs on disk: on unless the user or the folder says otherwise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oggm_glaunti import program_cache

SHOW = "import oggm_glaunti, jax; print(jax.config.jax_compilation_cache_dir)"
# Compiles one program, says what it computed and how often a program came from the cache.
COMPUTE = """
import oggm_glaunti, jax, jax.monitoring, numpy as np
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
print(jax.jit(lambda x: (x * 3.0).sum())(np.ones(4, np.float32)), len(hits))
"""
AT_ONCE = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}


def python(code: str, home: Path, **environment: str) -> subprocess.CompletedProcess:
    clean = {name: value for name, value in os.environ.items() if "CACHE" not in name and name != "XLA_FLAGS"}
    environment = {**clean, "HOME": str(home), "JAX_PLATFORMS": "cpu", **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)


def folder(home: Path) -> Path:
    return home / ".oggm" / "glaunti_programs" / program_cache.processor()


@pytest.mark.parametrize("before", ["", "import jax; "])
def test_programs_are_kept_in_oggms_cache_folder(tmp_path, before):
    assert python(before + SHOW, tmp_path).stdout.strip() == str(folder(tmp_path))


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_a_damaged_program_is_compiled_again(tmp_path):
    assert python(COMPUTE, tmp_path, **AT_ONCE).stdout.split() == ["12.0", "0"]
    assert python(COMPUTE, tmp_path, **AT_ONCE).stdout.split() == ["12.0", "1"]
    for program in folder(tmp_path).glob("*-cache"):
        program.write_bytes(program.read_bytes()[:100])
    done = python(COMPUTE, tmp_path, **AT_ONCE)
    assert done.stdout.split() == ["12.0", "0"], done.stderr


@pytest.mark.parametrize(
    ("before", "environment", "expected"),
    [
        ("", {program_cache.SWITCH: "0"}, "None"),
        ("", {"JAX_COMPILATION_CACHE_DIR": "/own"}, "/own"),
        ("import jax; jax.config.update('jax_compilation_cache_dir', '/own'); ", {}, "/own"),
        ("", {"JAX_ENABLE_COMPILATION_CACHE": "0"}, "None"),
        ("import jax; jax.config.update('jax_enable_compilation_cache', False); ", {}, "None"),
        ("import jax; jax.numpy.zeros(1).block_until_ready(); ", {}, "None"),
    ],
    ids=["switch", "variable", "config", "off", "off in config", "JAX is live"],
)
def test_what_the_user_has_set_stays(tmp_path, before, environment, expected):
    assert python(before + SHOW, tmp_path, **environment).stdout.strip() == expected
    assert not folder(tmp_path).exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_cache_that_cannot_be_written_breaks_nothing(tmp_path):
    no_folder = tmp_path / "file"
    no_folder.touch()
    assert python(SHOW, no_folder).stdout.strip() == "None"
    # A full disk: every file of the cache is written to the device that is always full.
    full = "import pathlib; pathlib.Path.write_bytes = lambda self, data: open('/dev/full', 'wb', 0).write(data)\n"
    done = python(full + COMPUTE, tmp_path, **AT_ONCE)
    assert (done.returncode, done.stdout.split()) == (0, ["12.0", "0"]), done.stderr
    assert "No space left" in done.stderr


def test_each_kind_of_processor_has_a_folder_of_its_own(tmp_path):
    names = []
    for flags in ("sse avx", "sse avx avx512f"):
        (tmp_path / "cpuinfo").write_text(f"model name: some\nflags: {flags}\ncpu MHz: {len(names)}\n")
        names.append(program_cache.processor(str(tmp_path / "cpuinfo")))
    assert len(set(names)) == 2
    assert program_cache.processor(str(tmp_path / "missing"))


def test_a_child_keeps_its_programs_where_its_parent_does(tmp_path):
    show = f"print(subprocess.check_output([sys.executable, '-c', {SHOW!r}], text=True))"
    done = python(f"import subprocess, sys, oggm_glaunti; {show}", tmp_path)
    assert done.stdout.strip() == str(folder(tmp_path))
