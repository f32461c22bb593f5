"""Sphinx settings of the one site for the three packages."""

import importlib.metadata
import importlib.resources
import os
import pathlib
import re
import sys
import textwrap

sys.path.insert(0, str(pathlib.Path(__file__).parent / "_extensions"))

project = "neoskit"
author = "The neoskit developers"
copyright = author
version = release = importlib.metadata.version("neoskit")

extensions = [
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
# The page of benchmarks is there once a run was recorded.
suppress_warnings = ["toc.empty_glob"]

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


# Docstrings write formulae between dollars, as pages do, or in LaTeX's own brackets;
# Sphinx reads neither.
DISPLAYED = [
    re.compile(r"^(?P<indent> *)\$\$(?P<formula>.+?)\$\$", re.M | re.S),
    re.compile(r"^(?P<indent> *)\\\[(?P<formula>.+?)\\\]", re.M | re.S),
]
INLINE = [
    re.compile(r"(?<![\\$`\w])\$(?P<formula>[^$\n]+(?:\n[^$\n]+)?)\$(?![\w$])"),
    re.compile(r"\\\((?P<formula>.+?)\\\)", re.S),
]

# Code that a plural runs into, as in `Pipeline`s; and code alone, to be passed over.
CODE = re.compile(r"(?P<code>`[^`\n]+`)(?P<letter>\w)|`[^`\n]+`")


def formulae(app, what, name, obj, options, lines: list[str]) -> None:
    """Turn `$$x$$` into a `math` directive and `$x$` into a `math` role."""

    def displayed(match: re.Match) -> str:
        formula = textwrap.dedent(match["formula"]).strip()
        body = textwrap.indent(formula, match["indent"] + "    ")
        return f"{match['indent']}.. math::\n\n{body}\n"

    text = "\n".join(lines)
    for pattern in DISPLAYED:
        text = pattern.sub(displayed, text)
    for pattern in INLINE:
        text = pattern.sub(lambda match: f":math:`{match['formula'].strip()}`", text)
    text = CODE.sub(
        lambda m: f"{m['code']}\\ {m['letter']}" if m["code"] else m[0], text
    )
    lines[:] = text.split("\n")


# Types as the source writes them: aliases are taken apart, and modules named by which
# they are not imported.
ARRAY = re.compile(r"~?(?:jax\.)?jaxlib\._jax\.Array")
ALIASES = {
    "~jaxtyping.Key[Array, ''] | ~jaxtyping.UInt32[Array, '2'] | "
    "~jaxtyping.UInt32[Array, '4']": "PRNGKeyArray",
    "Array | ~numpy.ndarray | ~numpy.bool | ~numpy.number | "
    "bool | int | float | complex": "ArrayLike",
}
# Defaults that cannot be parsed: `<factory>`, `<function chain.<locals>.init_fn>`.
OBJECT = re.compile(r"<(?:[^<>]|<[^<>]*>)*>")
DOTTED = re.compile(r"(?<![\w.~])[a-z]\w*(?:\.\w+)+")


def short(text: str) -> str:
    """A type, or the arguments of a call, in the words of the source."""
    text = ARRAY.sub("Array", text)
    for written_out, name in ALIASES.items():
        text = text.replace(written_out, name)
    return text


def short_names(app, what, name, obj, options, arguments, returns):
    """In a signature."""
    arguments = arguments and OBJECT.sub("...", short(arguments))
    return arguments, returns and short(returns)


def short_fields(app, what, name, obj, options, lines: list[str]) -> None:
    """In the list of attributes, once napoleon has made it."""
    for i, line in enumerate(lines):
        if line.lstrip().startswith(":type:"):
            lines[i] = short(DOTTED.sub(r"~\g<0>", line))


def inherited_new(app, what, name, obj, skip, options) -> bool | None:
    """Leave out `__new__` where it is not what makes the object, as of a NamedTuple."""
    own = str(getattr(obj, "__module__", "")).startswith("namedtuple_")
    return True if name == "__new__" and not own else None


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
    app.connect("autodoc-process-signature", short_names)
    # Before napoleon (500), which would read a formula's colons as fields.
    app.connect("autodoc-process-docstring", formulae, priority=400)
    app.connect("autodoc-process-docstring", short_fields, priority=600)
    app.connect("autodoc-skip-member", inherited_new)
