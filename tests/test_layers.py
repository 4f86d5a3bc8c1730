"""The order of the package, read from its imports."""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import oggm_glaunti

PACKAGE = Path(oggm_glaunti.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LAYERS = (
    ("settings", "xla_flags", "files"),
    ("core",),
    ("shop",),
    ("coupling",),
    ("fit",),
    ("analysis",),
    ("region",),
    ("companions",),
    ("tasks", "graphics", "verification"),
    ("workflows",),
    ("cli",),
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
CORE_NEEDS = {"equinox", "jax", "jaxtyping", "numpy"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Full names of everything that a module imports, wherever in it."""
    package = module_name(path) if path.name == "__init__.py" else module_name(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], *filter(None, [base])]
                )
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def part_of(name: str) -> str:
    """Folder or module right below the package: ``core`` of ``oggm_glaunti.core.run``."""
    return name.split(".")[1] if "." in name else ""


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_every_module_has_a_place_in_the_order():
    unknown = {part_of(module_name(path)) for path in MODULES} - {"", *LEVEL}
    assert not unknown, f"say in LAYERS where these belong: {sorted(unknown)}"


@pytest.mark.parametrize("path", [p for p in MODULES if p != PACKAGE / "__init__.py"], ids=module_name)
def test_a_module_imports_only_from_its_own_or_lower_layers(path):
    own = LEVEL[part_of(module_name(path))]
    ours = {name for name in imported(path) if name.split(".")[0] == "oggm_glaunti" and part_of(name) in LEVEL}
    assert {name for name in ours if LEVEL[part_of(name)] > own} == set()


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=module_name)
def test_core_needs_jax_and_numpy_and_nothing_else(path):
    foreign = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"oggm_glaunti"}
    assert foreign <= CORE_NEEDS
    assert {part_of(name) for name in imported(path) if name.startswith("oggm_glaunti")} <= {"core"}


def test_the_import_reader_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "oggm_glaunti")
    path = tmp_path / "oggm_glaunti" / "core" / "example.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import oggm.cfg\nfrom . import run\nfrom ..shop import REGISTRY\n"
        "def late():\n    from oggm_glaunti.coupling import table\n    importlib.import_module('oggm_glaunti.tasks')\n"
    )
    assert set(imported(path)) == {
        "oggm.cfg",
        "oggm_glaunti.core.run",
        "oggm_glaunti.shop.REGISTRY",
        "oggm_glaunti.coupling.table.table",
        "oggm_glaunti.tasks",
    }


def test_importing_the_package_imports_neither_jax_nor_oggm():
    done = run_python("import sys, oggm_glaunti; print(sorted({'jax', 'equinox', 'oggm', 'salem'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr


# Any use of a JAX that is told to use a platform that does not exist is an error.
NO_PLATFORM = {"JAX_PLATFORMS": "no_such_platform"}


def test_jax_without_a_platform_fails_when_used():
    done = run_python("import jax.numpy; jax.numpy.zeros(1)", **NO_PLATFORM)
    assert done.returncode != 0
    assert "no_such_platform" in done.stderr


def test_importing_core_and_preparing_inputs_does_not_start_jax():
    names = [module_name(path) for path in sorted((PACKAGE / "core").rglob("*.py"))]
    code = f"""
import importlib
import numpy as np
for name in {names}:
    importlib.import_module(name)
from oggm_glaunti.core import forcing, glacier_columns, run, smooth, temperature_index, weights
ground = np.linspace(2000.0, 3000.0, 400).reshape(20, 20)
temperature_index.ti_weights()
weights.leaves_of(weights.embedded_a())
days = np.datetime64("2018-10-01") + np.arange(365)
forcing.monthly_climate(days, np.zeros(365), np.zeros(365))
weather = forcing.station_forcing(np.zeros(365), np.zeros(365), ground, 2500.0, -0.006).checked(np.ones(365))
forcing.pad_days(weather, run.season_weights(365), 366)
glacier_columns.glacier_columns(ground > 2500.0, ground, smooth.even_heights(2000.0, 3000.0, 10.0), 2500.0, -0.006)
"""
    done = run_python(code, **NO_PLATFORM)
    assert done.returncode == 0, done.stderr


def test_every_folder_of_modules_is_a_package():
    # What is none is not installed.
    assert {path.parent.name for path in MODULES if not (path.parent / "__init__.py").exists()} == set()


def test_there_is_no_place_for_odds_and_ends():
    assert [path for path in MODULES if path.stem in {"utils", "util", "misc", "helpers"}] == []


def test_modules_are_short():
    length = {module_name(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: n for name, n in length.items() if n > 400} == {}
    assert statistics.median(n for n in length.values() if n) <= 200


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Public functions, classes and their methods; not what is inside functions, nor setters (the getter tells)."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if any(ast.unparse(decorator).endswith(".setter") for decorator in node.decorator_list):
                continue
            yield f"{prefix}{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body, f"{prefix}{node.name}.")


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_everything_public_is_described(path):
    tree = ast.parse(path.read_text("utf-8"))
    bare = [name for name, node in public_definitions(tree.body) if ast.get_docstring(node) is None]
    assert bare == []
    assert ast.get_docstring(tree) is not None or not tree.body
