"""Pages made of files outside of ``docs``: the tutorials with their outputs, CONTRIBUTING.md and CHANGELOG.md.

Tutorials are executed once, by ``pytest --nbmake tutorials``, which keeps a copy with outputs of each in
:data:`EXECUTED` (``tutorials/conftest.py``). A copy is shown as long as its code is that of the tutorial. Where there
is none the tutorial is executed now or, with ``GLAUNTI_DOCS_EXECUTE=off``, shown without outputs, which its page says.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "tutorials"
EXECUTED = ROOT / "docs" / "_build" / "executed"
SWITCH = "GLAUNTI_DOCS_EXECUTE"
WITHOUT_OUTPUTS = (
    "```{note}\nShown without outputs: this site was built where the notebook had not been executed. "
    "`pytest --nbmake tutorials` executes it.\n```"
)
# Links in the repository, and the pages that these files have on the site, one folder below its root.
PLACES = {
    "../docs/": "../",
    "docs/": "../",
    "../README.md": "../index.md",
    "README.md#test-it": "../index.md",
    "README.md": "../index.md",
    "../CONTRIBUTING.md": "../project/contributing.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "tutorials/": "../tutorials/",
}
THUMBNAIL = (480, 320)  # px, at most
log = logging.getLogger(__name__)


def on_site(text: str) -> str:
    """Return the text of a file outside of ``docs`` with its links as they are on the site."""

    def place(match: re.Match[str]) -> str:
        link = match.group(1)
        known = next((start for start in PLACES if link.startswith(start)), None)
        return f"]({PLACES[known]}{link.removeprefix(known)})" if known else f"]({link})"

    return re.sub(r"\]\(([^)\s]+)\)", place, text.replace("](docs/evidence)", "](docs/evidence/index.md)"))


def code_of(path: Path) -> list[str]:
    """Return the code cells of a notebook."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def executed(path: Path) -> Path | None:
    """Return the copy of a tutorial with outputs, if there is one of the same code."""
    copy = EXECUTED / path.name
    return copy if copy.exists() and code_of(copy) == code_of(path) else None


def execute(paths: list[Path]) -> None:
    """Run tutorials as the tests do, one after the other."""
    log.info("executing %s", ", ".join(path.name for path in paths))
    subprocess.run([sys.executable, "-m", "pytest", "-q", "-rs", "--nbmake", *map(str, paths)], cwd=ROOT, check=False)


def page_of(path: Path) -> str:
    """Return a tutorial as the site shows it: text of the tutorial, outputs of its copy."""
    notebook, copy = json.loads(path.read_text("utf-8")), executed(path)
    cells = json.loads(copy.read_text("utf-8"))["cells"] if copy else []
    outputs = iter([cell["outputs"] for cell in cells if cell["cell_type"] == "code"])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = on_site("".join(cell["source"]))
        else:
            cell["outputs"] = next(outputs, [])
    if copy is None:
        first = notebook["cells"][0]
        title, _, rest = first["source"].partition("\n")
        first["source"] = f"{title}\n\n{WITHOUT_OUTPUTS}\n{rest}"
    return json.dumps(notebook, indent=1, ensure_ascii=False)


def title_of(path: Path) -> str:
    """Return the first heading of a tutorial."""
    return "".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"]).splitlines()[0].lstrip("# ")


def thumbnail(path: Path, folder: Path) -> str | None:
    """Make the fullest figure of a tutorial small; return its name in a folder, None without outputs."""
    if (copy := executed(path)) is None:
        return None
    outputs = [out for cell in json.loads(copy.read_text("utf-8"))["cells"] for out in cell.get("outputs", [])]
    figures = [base64.b64decode(out["data"]["image/png"]) for out in outputs if "image/png" in out.get("data", {})]
    if not figures:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    small = Image.open(io.BytesIO(max(figures, key=len))).convert("RGB")
    small.thumbnail(THUMBNAIL)
    small.save(folder / f"{path.stem}.png")
    return f"{folder.name}/{path.stem}.png"


def card(path: Path, folder: Path) -> str:
    """Return a tutorial on the page that lists them all."""
    figure = thumbnail(path, folder)
    top = f":img-top: {figure}\n" if figure else ""
    return f":::{{grid-item-card}} {title_of(path)}\n{top}:link: {path.stem}\n:link-type: doc\n:::\n"


def index_of(paths: list[Path], folder: Path) -> str:
    """Return the page that lists all tutorials: a card for each, and the README of their folder."""
    title, _, rest = on_site((TUTORIALS / "README.md").read_text("utf-8")).partition("\n")
    cards = "\n".join(card(path, folder / "thumbnails") for path in paths)
    names = "\n".join(path.stem for path in paths)
    grid = f"::::{{grid}} 1 2 3 3\n:gutter: 3\n\n{cards}::::"
    return f"{title}\n\n{grid}\n{rest}\n```{{toctree}}\n:hidden:\n\n{names}\n```\n"


def write(path: Path, text: str) -> None:
    """Write a page if it has changed, so that the next build does not read it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, "utf-8")


def make_pages(app, config) -> None:
    """Make the pages before Sphinx looks for documents."""
    source, notebooks = Path(app.srcdir), sorted(TUTORIALS.glob("*.ipynb"))
    missing = [path for path in notebooks if executed(path) is None]
    if missing and os.environ.get(SWITCH, "on") != "off":
        execute(missing)
        for path in missing:
            if executed(path) is None:
                log.warning("%s has no outputs: it failed or was skipped; %s=off builds without", path.name, SWITCH)
    elif missing:
        # Also in a quiet build, where Sphinx shows nothing but warnings, and those are errors.
        print(f"without outputs ({SWITCH}=off): {', '.join(path.name for path in missing)}", file=sys.stderr)
    for path in notebooks:
        write(source / "tutorials" / path.name, page_of(path))
    write(source / "tutorials" / "index.md", index_of(notebooks, source / "tutorials"))
    for name in ("CONTRIBUTING", "CHANGELOG"):
        write(source / "project" / f"{name.lower()}.md", on_site((ROOT / f"{name}.md").read_text("utf-8")))


def link_pages(app, docname: str, source: list[str]) -> None:
    """Turn links of ``docs`` to files outside of it into those of the site."""
    up = "../" * (docname.count("/") + 1)
    if app.env.doc2path(docname).suffix == ".md" and not docname.startswith(("tutorials/", "project/")):
        root = "../" * docname.count("/")
        text = source[0].replace(f"]({up}tutorials)", f"]({root}tutorials/index.md)")
        text = text.replace(f"]({up}tutorials/README.md", f"]({root}tutorials/index.md")
        text = text.replace(f"]({up}tutorials/", f"]({root}tutorials/").replace(f"]({up}README.md", f"]({root}index.md")
        for name in ("CONTRIBUTING", "CHANGELOG"):
            text = text.replace(f"]({up}{name}.md", f"]({root}project/{name.lower()}.md")
        source[0] = text


def setup(app) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("config-inited", make_pages)
    app.connect("source-read", link_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
