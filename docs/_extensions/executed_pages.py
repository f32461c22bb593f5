"""Pages that the build executes: their answers and pictures stand below the code.

A page's source stays plain Markdown with `python` blocks, so that a test runs it as it
is pasted. Here the blocks of the folders in `FOLDERS` become cells of MyST-NB, and the
same source becomes a notebook that the page offers.
"""

import os
import re
from pathlib import Path

import jupytext
import nbformat
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.parallel import make_chunks

FOLDERS = ("tutorials/", "gallery/")
HEADER = """\
---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3, language: python}
language_info: {name: python, pygments_lexer: python}
---

"""
TITLE = re.compile(r"^# .+\n", re.M)
BLOCK = re.compile(r"^(?P<ticks>`{3,}) *python\n", re.M)
# A page says which of the shared test data it reads, and they are put beside it.
NEEDS = re.compile(r"^<!-- needs (?P<path>\S+) -->$", re.M)
RELATIVE_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?!https?:|#)[^)]+\)")

log = logging.getLogger(__name__)


def data_folder() -> Path:
    """Where the tests find real inputs, too."""
    here = Path(__file__).parents[2]
    return Path(os.environ.get("NEOSKIT_TEST_DATA") or here.parent / "shared" / "data")


def cells(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn the blocks of an executed page into cells, and offer its notebook."""
    text = source[0]
    if not docname.startswith(FOLDERS) or not BLOCK.search(text):
        return
    if docname.startswith("tutorials/"):
        write_notebook(app, docname, text)
        up = "../" * docname.count("/")
        offer = f"{{download}}`This page as a notebook <{up}{notebook(docname)}>`"
        text = TITLE.sub(lambda title: f"{title[0]}\n{offer}\n", text, count=1)
    needed = [data_folder() / path for path in NEEDS.findall(text)]
    absent = [path.name for path in needed if not path.exists()]
    if absent:
        log.info("%s is not executed: %s is not there", docname, absent)
        source[0] = text
        return
    links = [f"os.symlink({str(path)!r}, {path.name!r})" for path in needed]
    if links:
        hidden = "\n".join(["import os", *links])
        first = f"```{{code-cell}} python\n:tags: [remove-cell]\n\n{hidden}\n```\n\n"
        text = BLOCK.sub(lambda block: first + block[0], text, count=1)
    source[0] = HEADER + BLOCK.sub(r"\g<ticks>{code-cell} python\n", text)


def notebook(docname: str) -> str:
    """Where the notebook of a page is written, from the folder of the site."""
    return f"_build/notebooks/{Path(docname).name}.ipynb"


def write_notebook(app: Sphinx, docname: str, text: str) -> None:
    """The page as a notebook: links into the site lead nowhere from there."""
    text = RELATIVE_LINK.sub(r"\g<text>", NEEDS.sub("", text))
    made = jupytext.reads(text, fmt="md")
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    path = Path(app.srcdir) / notebook(docname)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)


def dealt_out(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Give pages that are executed, which stand together, to all reading processes."""
    count = len(make_chunks(docnames, app.parallel))
    docnames[:] = [name for i in range(count) for name in docnames[i::count]]


def setup(app: Sphinx) -> dict[str, bool]:
    """Before MyST-NB reads a page."""
    app.connect("source-read", cells)
    app.connect("env-before-read-docs", dealt_out)
    return {"parallel_read_safe": True}
