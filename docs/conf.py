"""Sphinx settings of the one site for the three packages."""

import importlib.metadata

project = "neoskit"
author = "The neoskit developers"
copyright = author
version = release = importlib.metadata.version("neoskit")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

# Docstrings: Google style, one backtick for code, API pages ordered by hand.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False
add_module_names = False

html_theme = "furo"
html_title = "neoskit · fitkit · relaxed"
copybutton_exclude = ".linenos, .gp, .go"
