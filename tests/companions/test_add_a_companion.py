"""The recipe "add a companion" of CONTRIBUTING.md, checked on every companion there is."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from oggm_glaunti import companions, tasks
from oggm_glaunti.cli.main import make_parser

FOLDER = Path(companions.__file__).parent
COMPANIONS = sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))
VERBS = {"dem": "impute-dem", "iceflow": "iceflow", "meltwater": "meltwater"}
# From files to files and into glacier directories; all other modules are from arrays to arrays.
WITH_FILES = {
    "dem": {"datum", "inputs", "tasks", "tiles"},
    "iceflow": {"balance", "gridded", "images", "predict", "tasks", "velocity", "velocity_file"},
    "meltwater": {
        "antarctica",
        "antarctica_archive",
        "bench",
        "maps_file",
        "network_file",
        "predictor",
        "season_file",
        "tasks",
    },
}


def pure_modules(name: str) -> list[str]:
    stems = {path.stem for path in (FOLDER / name).glob("*.py")} - {"__init__"} - WITH_FILES[name]
    return [f"{companions.__name__}.{name}.{stem}" for stem in sorted(stems)]


@pytest.mark.parametrize("name", COMPANIONS)
def test_its_pure_part_needs_neither_oggm_nor_files(name):
    modules = pure_modules(name)
    assert modules
    for module in modules:
        source = Path(FOLDER / name / f"{module.rpartition('.')[2]}.py").read_text("utf-8")
        imports = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)]
        roots = {getattr(n, "module", None) or n.names[0].name for n in imports}
        assert not {root for root in roots if root.split(".")[0] in {"oggm", "salem", "rasterio", "netCDF4"}}, module


@pytest.mark.parametrize("name", COMPANIONS)
def test_its_tasks_are_among_those_of_the_package(name):
    own = importlib.import_module(f"{companions.__name__}.{name}.tasks")
    entity_tasks = {
        name for name, value in vars(own).items() if hasattr(value, "unwrapped") and value.__module__ == own.__name__
    }
    assert entity_tasks
    assert entity_tasks <= set(tasks.__all__)


@pytest.mark.parametrize("name", COMPANIONS)
def test_it_has_public_names_a_verb_figures_tests_and_a_page(name):
    assert importlib.import_module(f"{companions.__name__}.{name}").__all__
    assert VERBS[name] in make_parser().format_help()
    root = FOLDER.parents[1]
    assert list((FOLDER.parent / "graphics" / name).glob("*.py"))
    assert list((root / "tests" / "companions" / name).glob("test_*.py"))
    assert (root / "docs" / f"{name}.md").exists()


def test_importing_a_companion_s_public_package_imports_neither_jax_nor_oggm():
    names = [f"{companions.__name__}.{name}" for name in COMPANIONS]
    code = f"import sys, {', '.join(names)}; print(sorted({{'jax', 'oggm'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
