"""JAX's cache of compiled programs on disk, switched on before JAX starts.

Compiling takes seconds a process. Programs are kept in OGGM's cache folder, ``~/.oggm/glaunti_programs``, in a folder
for each kind of processor: a program for one may crash another, and homes are shared. ``OGGM_GLAUNTI_PROGRAM_CACHE=0``
leaves JAX as it is. So does any setting of the user's (``JAX_COMPILATION_CACHE_DIR``, ``JAX_ENABLE_COMPILATION_CACHE``,
the same in ``jax.config``), a folder that cannot be written, and JAX that has computed something already.
"""

import hashlib
import os
import platform
import sys
from pathlib import Path

from oggm_glaunti.xla_flags import jax_is_live

SWITCH = "OGGM_GLAUNTI_PROGRAM_CACHE"
DIRECTORY, LEAST_TIME = "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"
# JAX keeps programs that took a second or more; most of ours take less.
SECONDS = 0.2


def use_cache() -> None:
    """Let JAX keep programs on disk, in this process and those it starts."""
    if os.environ.get(SWITCH, "1") == "0" or _user_has_set() or jax_is_live():
        return
    try:
        folder = Path.home() / ".oggm" / "glaunti_programs" / processor()
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # read-only; no home
        return
    if not os.access(folder, os.W_OK):
        return
    for name, value in ((DIRECTORY, str(folder)), (LEAST_TIME, SECONDS)):
        if name.upper() in os.environ:
            continue
        os.environ[name.upper()] = str(value)
        if "jax" in sys.modules:  # it has read the variables
            sys.modules["jax"].config.update(name, value)


def processor(cpuinfo: str = "/proc/cpuinfo") -> str:
    """Return a name for the kind of processor, which says what instructions it has."""
    try:
        lines = Path(cpuinfo).read_text().splitlines()
    except OSError:
        lines = [platform.processor()]
    of_kind = sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}) or lines
    return f"{platform.machine()}_{hashlib.sha256(repr(of_kind).encode()).hexdigest()[:12]}"


def _user_has_set() -> bool:
    if DIRECTORY.upper() in os.environ or "JAX_ENABLE_COMPILATION_CACHE" in os.environ:
        return True
    jax = sys.modules.get("jax")
    # A module that is being imported at this moment has no configuration yet.
    config = getattr(jax, "config", None)
    return config is not None and (getattr(config, DIRECTORY) is not None or not config.jax_enable_compilation_cache)
