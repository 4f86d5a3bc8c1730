"""The documentation site: ``sphinx-build -W -n -j 2 docs docs/_build/html``. CONTRIBUTING.md says how it is made."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import oggm_glaunti

project = "oggm_glaunti"
author = "The oggm_glaunti developers"
project_copyright = author
release = oggm_glaunti.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "notebooks",
    "public_names",
]
exclude_patterns = ["_build", "_ext", "_templates", "_static", "_inventories"]
templates_path = ["_templates"]
nitpicky = True
# OGGM's reference has no pages of its exceptions.
nitpick_ignore = [("py:class", "oggm.exceptions.InvalidParamsError")]

# Markdown and notebooks. Outputs come from docs/_ext/notebooks.py: nothing is executed while pages are read.
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True
suppress_warnings = ["mystnb.unknown_mime_type"]

# The reference: a page for each public name, shapes and units from its docstring.
autosummary_generate = sorted(map(str, Path(__file__).parent.glob("reference/*.md")))
autosummary_imported_members = True
autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Needs a network: sphinx-build -b linkcheck docs docs/_build/links
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = "oggm_glaunti"
# Pages without neighbours need no column for them.
html_sidebars = {page: [] for page in ("index", "gallery", "about")}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "header_links_before_dropdown": 6,
    "show_prev_next": True,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
