"""The documentation: a page for each public name, links that lead somewhere, tutorials with their outputs."""

from __future__ import annotations

import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_front_door import DOCUMENTS, PUBLIC, ROOT

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
notebooks = pytest.importorskip("notebooks", reason="the documentation's packages: pip install -e '.[docs]'")
mathml, public_names = importlib.import_module("mathml"), importlib.import_module("public_names")


def names_with_a_page() -> dict[str, list[str]]:
    """Names of each package that the pages of the reference list."""
    found: dict[str, list[str]] = {}
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for block in re.findall(r"```\{eval-rst\}\n(.*?)```", page.read_text("utf-8"), flags=re.DOTALL):
            if package := re.search(r"currentmodule:: (\S+)", block):
                listed = block[block.index(":toctree:") :].splitlines()[1:]
                found.setdefault(package[1], []).extend(line.strip() for line in listed if line.strip())
    return found


def public_objects(package: str) -> set[str]:
    module = importlib.import_module(package)
    return {name for name in module.__all__ if not isinstance(getattr(module, name), ModuleType)}


def test_every_public_name_has_a_page_and_no_other():
    assert set(public_names.PACKAGES) == set(PUBLIC)
    listed = names_with_a_page()
    assert {package: sorted(names) for package, names in listed.items()} == {
        p: sorted(public_objects(p)) for p in PUBLIC
    }


def anchors(path: Path) -> set[str]:
    """Anchors of a Markdown file or notebook, as GitHub and MyST make them of headings."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"(?ms)^```.*?^```", "", text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(path: Path) -> list[str]:
    """Links of a document to files or headings that are not there; those to other sites are left to ``linkcheck``."""
    text = path.read_text("utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text))
    dead = []
    for link in (link for link in links if not re.match(r"https?:|mailto:", link)):
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path):
    assert dead_links(path) == []


def test_a_dead_link_is_found(tmp_path):
    (tmp_path / "other.md").write_text("# A title, with `code`\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#a-title-with-code) [b](other.md#no) [c](none.md) [d](https://x.org) `[e](f)`\n## G\n[g](#g)"
    )
    assert dead_links(page) == ["other.md#no", "none.md"]


@pytest.fixture
def tutorial(tmp_path, monkeypatch):
    """A tutorial of one cell, and a place for its copy with outputs."""
    for name in ("TUTORIALS", "EXECUTED"):
        monkeypatch.setattr(notebooks, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()
    return tmp_path / "tutorials" / "one.ipynb"


def write_notebook(path: Path, code: str, outputs: list) -> None:
    text = {"cell_type": "markdown", "metadata": {}, "source": ["# One\n", "[dem](../docs/dem.md#x) [two](02.ipynb)"]}
    cell = {"cell_type": "code", "metadata": {}, "execution_count": None, "source": [code], "outputs": outputs}
    path.write_text(json.dumps({"cells": [text, cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))


PRINTED = [{"output_type": "stream", "name": "stdout", "text": ["7\n"]}]


def test_a_tutorial_is_shown_with_the_outputs_of_its_code_and_of_no_other(tutorial):
    write_notebook(tutorial, "print(7)", [])
    write_notebook(notebooks.EXECUTED / "one.ipynb", "print(7)", PRINTED)
    text, cell = json.loads(notebooks.page_of(tutorial))["cells"]
    assert cell["outputs"] == PRINTED
    assert text["source"] == "# One\n[dem](../dem.md#x) [two](02.ipynb)"

    write_notebook(tutorial, "print(8)", [])
    text, cell = json.loads(notebooks.page_of(tutorial))["cells"]
    assert cell["outputs"] == []
    assert "Shown without outputs" in text["source"]


def test_the_tests_keep_outputs_where_the_site_looks_for_them():
    conftest = (ROOT / "tutorials" / "conftest.py").read_text("utf-8")
    assert 'EXECUTED = HERE.parent / "docs" / "_build" / "executed"\n' in conftest
    assert notebooks.EXECUTED == ROOT / "docs" / "_build" / "executed"


def test_names_in_docstrings_are_told_apart():
    assert public_names.exists("oggm_glaunti.core.run.initial_swe")
    assert not public_names.exists("oggm_glaunti.core.run.no_such_name")
    assert public_names.definitions()["oggm_glaunti.tasks.fit_glaunti"][1] == "fit_glaunti"


def test_equations_become_mathml():
    assert "<math" in mathml.convert(r"S' = \zeta_u(S)")
