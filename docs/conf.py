"""Sphinx settings of the one site for the three packages."""

import importlib.metadata
import importlib.resources
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "_extensions"))

project = "neoskit"
author = "The neoskit developers"
copyright = author
version = release = importlib.metadata.version("neoskit")

extensions = [
    "docstrings",
    "executed_pages",
    "language_models",
    "thumbnails",
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinxcontrib.bibtex",
]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

# Tutorials and the gallery are executed, once for each change of a page; a block that
# fails fails the build.
nb_execution_mode = "cache"
nb_execution_cache_path = str(pathlib.Path(__file__).parent / "_build" / "executed")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True
# A kernel shows pictures only where nobody has chosen a backend for it.
os.environ.pop("MPLBACKEND", None)

bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "unsrt"
bibtex_reference_style = "label"

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
# Formulae show without a network: the site holds MathJax itself, as one file.
MATHJAX = "static/mathjax/tex-svg-full.js"
html_static_path = [
    "_static",
    str(importlib.resources.files("sphinx-mathjax-offline") / MATHJAX),
]
mathjax_path = pathlib.PurePosixPath(MATHJAX).name
html_css_files = ["site.css"]
html_extra_path = ["llms.txt"]
copybutton_exclude = ".linenos, .gp, .go"


# A package's page is its README, whose links lead through the repository.
INCLUDE = re.compile(r"^```\{include\} (?P<path>\S+)\n```$", re.M)
SIBLING = re.compile(r"\]\(\.\./(?P<package>\w+)/README\.md")
# CONTRIBUTING's links lead through the repository: into the site, or out of it.
OF_ROOT = re.compile(r"\[(?P<text>[^\]]+)\]\((?!https?:|#|\.)(?P<path>[^)]+)\)")


def readmes(app, docname: str, source: list[str]) -> None:
    """Put in what a page includes, with the links of the site."""
    folder = (pathlib.Path(app.srcdir) / docname).parent

    def included(match: re.Match) -> str:
        path = folder / match["path"]
        if path.resolve().parent == pathlib.Path(app.srcdir).resolve().parent:
            return OF_ROOT.sub(of_site, path.read_text())
        return SIBLING.sub(r"](../\g<package>/index.md", path.read_text())

    def of_site(link: re.Match) -> str:
        inside = link["path"].removeprefix("docs/")
        if inside == link["path"]:
            return f"{link['text']} (`{link['path']}`)"
        return f"[{link['text']}]({inside})"

    source[0] = INCLUDE.sub(included, source[0])


def setup(app) -> None:
    app.connect("source-read", readmes)
