"""Pages for language models: one for each package, and an index, `llms.txt`.

Each has the package's README, then every public name with its signature and the first
line of its docstring, in the order of the API page. They are made of the sources, so
that they cannot fall behind.
"""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx

PACKAGES = ("relaxed", "fitkit", "neoskit")
ENTRY = re.compile(r"^(?:## (?P<title>.+)|### (?P<part>.+)|\.\. \S+:: (?P<name>\S+))$")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def resolved(name: str) -> object:
    """The object of a dotted name: `fitkit.plot.pulls` lies in a module of its own."""
    package, *parts = name.split(".")
    found: object = importlib.import_module(package)
    for i, part in enumerate(parts):
        if not hasattr(found, part):
            importlib.import_module(".".join([package, *parts[: i + 1]]))
        found = getattr(found, part)
    return found


def described(name: str) -> str:
    """One line: the call, and what the docstring begins with."""
    value = resolved(name)
    # A type alias has no docstring of its own, and no call.
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return f"- `{name}`"
    first = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
    return f"- `{name}{call(value)}`: {first}"


def call(value: Callable) -> str:
    """Names and defaults of the arguments: what a caller writes."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except ValueError:  # without a signature of its own, as an exception
        return ""
    bare = [each.replace(annotation=each.empty) for each in parameters]
    return ADDRESS.sub("", str(inspect.Signature(bare)))


def page(source: Path, package: str) -> str:
    """The README of a package, and its public names in the order of the API page."""
    readme = (source.parent / "packages" / package / "README.md").read_text()
    readme = re.sub(r"\]\((?!https?:)[^)]+\)", "]", readme).replace("![", "[")
    lines = [readme.rstrip(), "", f"# Public names of {package}", ""]
    for line in (source / package / "api.md").read_text().splitlines():
        match ENTRY.match(line):
            case None:
                continue
            case entry if entry["name"]:
                lines.append(described(entry["name"]))
            case entry:
                lines += ["", f"## {entry['title'] or entry['part']}", ""]
    return "\n".join(lines) + "\n"


def write(app: Sphinx, exception: Exception | None) -> None:
    """Put the pages beside the site's own."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "llms"
    folder.mkdir(exist_ok=True)
    for package in PACKAGES:
        (folder / f"{package}.md").write_text(page(Path(app.srcdir), package))


def setup(app: Sphinx) -> dict[str, bool]:
    """At the end of a build."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
