"""References in docstrings: to the page of the public name, if there is one; internal names that exist stay plain code.

Docstrings stand where a name is defined, and refer to their neighbours there, which a reader of the site meets under
their public names or not at all. A name that does not exist at all is a warning, as everywhere.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from types import ModuleType

from docutils import nodes

import oggm_glaunti

# Each public package has a stub of its names; the tasks are a module.
_HERE = Path(oggm_glaunti.__path__[0])
PACKAGES = (
    *sorted(".".join(stub.relative_to(_HERE.parent).parent.parts) for stub in _HERE.rglob("__init__.pyi")),
    "oggm_glaunti.tasks",
)


@functools.cache
def definitions() -> dict[str, tuple[str, str]]:
    """Map each public name to module and name of its definition."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if not isinstance(value, ModuleType):
                found[f"{package}.{name}"] = (getattr(value, "__module__", package), getattr(value, "__name__", name))
    return found


def exists(name: str) -> bool:
    """Return whether there is a module, or a name in a module, or a name in that, of this name."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            fields = getattr(value, "__annotations__", {}) if isinstance(value, type) else {}
            if part in fields and not hasattr(value, part):
                return True
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    return False


def homes(context: str | None) -> set[str]:
    """Return the modules in which the public names of a package are defined."""
    return {module for name, (module, _) in definitions().items() if context and name.rpartition(".")[0] == context}


def candidates(node) -> list[str]:
    """Return the full names that a reference may mean: as it stands, or in the modules of its package."""
    target, owner = node["reftarget"], node.get("py:class")
    modules = sorted(homes(node.get("py:module")))
    inside = [f"{module}.{owner}.{target}" for module in modules] if owner else []
    return [target, *(f"{module}.{target}" for module in modules), *inside]


def resolve(app, env, node, contnode):
    """Find what Sphinx has not found: the public name, or an internal one that exists."""
    if node.get("refdomain") != "py":
        return None
    full = candidates(node)
    for public, (module, name) in definitions().items():
        defined = f"{module}.{name}"
        for found in (known for known in full if known == defined or known.startswith(f"{defined}.")):
            for page in (public + found.removeprefix(defined), public):
                link = env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", page, node, contnode)
                if link is not None:
                    return link
    internal = any(name.startswith("oggm_glaunti") and exists(name) for name in full)
    return nodes.inline("", "", contnode) if internal else None


def setup(app) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
