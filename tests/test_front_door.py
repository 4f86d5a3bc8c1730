"""The public names: they exist, and documents use no others."""

from __future__ import annotations

import ast
import importlib
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = (
    "oggm_glaunti",
    "oggm_glaunti.tasks",
    "oggm_glaunti.core",
    "oggm_glaunti.fit",
    "oggm_glaunti.fit.readers",
    "oggm_glaunti.analysis",
    "oggm_glaunti.graphics",
    "oggm_glaunti.region",
    "oggm_glaunti.sample",
    "oggm_glaunti.companions.dem",
    "oggm_glaunti.companions.iceflow",
    "oggm_glaunti.companions.meltwater",
)
# Those that explain how the package is built name its modules.
ABOUT_THE_INSIDE = {"architecture.md", "CONTRIBUTING.md", "CHANGELOG.md"}
DOCUMENTS = [
    path
    for path in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("docs/evidence/*.md"),
        *ROOT.glob("docs/reference/*.md"),
        *ROOT.glob("tutorials/*.md"),
        *ROOT.glob("tutorials/*.ipynb"),
    )
    if path.name not in ABOUT_THE_INSIDE
]


def code_and_text(path: Path) -> tuple[str, str]:
    """Python and prose of a document; magics of notebooks are left out."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        sources = [("".join(cell["source"]), cell["cell_type"]) for cell in cells]
        code = "\n".join(source for source, kind in sources if kind == "code")
        return re.sub(r"^[%!].*$", "", code, flags=re.MULTILINE), "\n".join(s for s, kind in sources if kind != "code")
    blocks = re.findall(r"^ *```python\n(.*?)```", text, flags=re.DOTALL | re.MULTILINE)
    return "\n".join(map(textwrap.dedent, blocks)), re.sub(r"```python\n.*?```", "", text, flags=re.DOTALL)


def names_used(code: str, text: str) -> Iterator[str]:
    """Dotted names of the package that are imported, used (packages under the names given to them), or mentioned."""
    tree, packages = ast.parse(code), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            packages |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            full = {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            yield from full.values()
            packages |= {short: name for short, name in full.items() if name in PUBLIC}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.fullmatch(r"[\w.]+", ast.unparse(node)):
            first, _, rest = ast.unparse(node).partition(".")
            yield f"{packages.get(first, first)}.{rest}"
    yield from re.findall(r"\boggm_glaunti(?:\.[A-Za-z_]\w*)+", text)


def is_public(name: str) -> bool:
    """Whether a name is a public package, a way to one, or begins with one of its public names."""
    if name in PUBLIC or any(package.startswith(f"{name}.") for package in PUBLIC):
        return True
    package = max((p for p in PUBLIC if name.startswith(f"{p}.")), key=len)
    own = name.removeprefix(f"{package}.").split(".")[0]
    return own in getattr(importlib.import_module(package), "__all__", ())


def private_names(code: str, text: str) -> set[str]:
    return {n for n in names_used(code, text) if n.split(".")[0] == "oggm_glaunti" and not is_public(n)}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_use_public_names_only(path):
    assert private_names(*code_and_text(path)) == set()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("from oggm_glaunti.core.run import initial_swe", ""),
        ("import oggm_glaunti.coupling.table.store", ""),
        ("import oggm_glaunti\noggm_glaunti.coupling.weather", ""),
        ("from oggm_glaunti.fit import no_such_name", ""),
        ("from oggm_glaunti import graphics\ngraphics.no_such_name", ""),
        ("import oggm_glaunti.fit as f\nf.training", ""),
        ("", "see `oggm_glaunti.fit.training.losses`"),
    ],
)
def test_a_private_name_is_found(code, text):
    assert private_names(code, text) != set()


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_can_be_had_and_is_listed(package):
    module = importlib.import_module(package)
    assert len(module.__all__) == len(set(module.__all__)) > 1
    assert set(module.__all__) <= set(dir(module))
    assert [name for name in module.__all__ if getattr(module, name, None) is None] == []
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018
