"""The order of the package, read from its imports: late ones, those for type checkers, and stubs count as well."""

from __future__ import annotations

import ast
import graphlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import oggm_glaunti

PACKAGE = Path(oggm_glaunti.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
# From the bottom to the top. A room imports from itself and from rooms of the lines above its own, not from others.
ORDER = (
    ("settings", "xla_flags", "files"),
    ("program_cache",),
    ("core",),
    ("downloads",),
    ("shop",),
    ("coupling.oggm",),
    ("coupling",),
    ("coupling.text",),
    ("coupling.weather",),
    ("coupling.ground",),
    ("coupling.gridded",),
    ("coupling.table",),
    ("coupling.model",),
    ("coupling.hydro",),
    ("fit.names",),
    ("fit.observations",),
    ("fit.readers", "fit.calibration", "fit.data"),
    ("fit.training",),
    ("fit.evaluation",),
    ("fit",),
    ("analysis.trajectory",),
    ("analysis.glaciers",),
    ("analysis.attribution", "analysis.dynamics", "analysis.inverse", "analysis.runoff", "analysis.uncertainty"),
    ("analysis.measure_next",),
    ("analysis",),
    ("region",),
    ("companions.dem", "companions.iceflow", "companions.meltwater"),
    ("companions",),
    ("tasks", "graphics", "verification"),
    ("sample",),
    ("workflows",),
    ("",),
    ("cli",),
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
CORE_NEEDS = {"equinox", "jax", "jaxtyping", "lazy_loader", "numpy"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, package: str) -> Iterator[str]:
    """Full names of everything that a module of a package imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))


def imports_of(path: Path) -> set[str]:
    """What a module imports; for a package also what its stub offers."""
    name, sources = module_name(path), [path, path.with_suffix(".pyi")]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return {found for file in sources if file.exists() for found in imported(file.read_text("utf-8"), package)}


def module_graph(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The package's own modules that each of them imports; a name in a module is that module."""

    def owner(name: str) -> str:
        while name and name not in imports:
            name = name.rpartition(".")[0]
        return name

    return {module: {owner(name) for name in names} - {"", module} for module, names in imports.items()}


def room_of(module: str) -> str:
    """The room in :data:`ORDER`: ``coupling.table`` of ``oggm_glaunti.coupling.table.store``."""
    room = module.partition(".")[2]
    while room not in LEVEL and room:
        room = room.rpartition(".")[0]
    return room


def upward(graph: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """Imports from another room that does not lie below the module's own."""
    pairs = {(module, other) for module, others in graph.items() for other in others}
    rooms = {(module, other): (room_of(module), room_of(other)) for module, other in pairs}
    return {pair for pair, (own, other) in rooms.items() if own != other and LEVEL[other] >= LEVEL[own]}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a circle, if there is one."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    return {module_name(path): imports_of(path) for path in MODULES}


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def test_every_module_has_a_place_in_the_order(imports):
    unplaced = {name for name in imports if "." in name and not room_of(name)}
    assert not unplaced, f"say in ORDER where these belong: {sorted(unplaced)}"
    assert len(LEVEL) == sum(map(len, ORDER))


def test_a_room_imports_only_from_lower_ones(imports):
    assert upward(module_graph(imports)) == set()


def test_no_modules_import_each_other_in_a_circle(imports):
    assert circle(module_graph(imports)) == []


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("oggm_glaunti.core.run", "oggm_glaunti.coupling.table.table.HeightYearTable"),
        ("oggm_glaunti.coupling.weather.file", "oggm_glaunti.coupling.model.params"),
        ("oggm_glaunti.fit.data.year", "oggm_glaunti.fit.training.losses.point_error"),
        ("oggm_glaunti.analysis.inverse.tasks", "oggm_glaunti.analysis.attribution.tasks.attribute_year"),
        ("oggm_glaunti.files", "oggm_glaunti.settings"),
        ("oggm_glaunti.region.plan", "oggm_glaunti.GlaUnTIMassBalance"),
    ],
)
def test_a_wrong_import_is_found(imports, module, name):
    wrong = module_graph({**imports, module: {*imports[module], name}})
    (found,) = upward(wrong) - upward(module_graph(imports))
    assert found[0] == module


def test_a_circle_is_found(imports):
    wrong = {"oggm_glaunti.core.run": {*imports["oggm_glaunti.core.run"], "oggm_glaunti.core.glaunti.run_seasons"}}
    graph = module_graph({**imports, **wrong})
    assert upward(graph) == upward(module_graph(imports))
    assert {"oggm_glaunti.core.run", "oggm_glaunti.core.glaunti"} <= set(circle(graph))


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=module_name)
def test_core_needs_jax_and_numpy_and_nothing_else(path):
    foreign = {name.split(".")[0] for name in imports_of(path)} - set(sys.stdlib_module_names)
    assert foreign - {"oggm_glaunti"} <= CORE_NEEDS


def test_the_import_reader_sees_every_kind_of_import():
    source = (
        "import oggm.cfg\nfrom . import run\nfrom ..shop import REGISTRY\nfrom .run import initial_swe\n"
        "if TYPE_CHECKING:\n    from oggm_glaunti.fit.names import KINDS\n"
        "def late():\n    from oggm_glaunti.coupling import table\n    importlib.import_module('oggm_glaunti.tasks')\n"
    )
    assert set(imported(source, "oggm_glaunti.core")) == {
        "oggm.cfg",
        "oggm_glaunti.core.run",
        "oggm_glaunti.core.run.initial_swe",
        "oggm_glaunti.shop.REGISTRY",
        "oggm_glaunti.fit.names.KINDS",
        "oggm_glaunti.coupling.table",
        "oggm_glaunti.tasks",
    }


def test_a_package_offers_what_its_stub_says(imports):
    assert "oggm_glaunti.fit.training.train.train" in imports["oggm_glaunti.fit"]
    assert "oggm_glaunti.tasks" in imports["oggm_glaunti"]


def test_few_files_lie_at_the_top():
    assert len(list(PACKAGE.glob("*.py"))) <= 7


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
