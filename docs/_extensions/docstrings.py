"""Docstrings and signatures on the API pages, in the words of the source.

Formulae in dollars become Sphinx's, types are named as the source names them, and what
no reader calls is left out.
"""

import re
import textwrap

from sphinx.application import Sphinx

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


def sentence(app, what, name, obj, options, lines: list[str]) -> None:
    """Keep napoleon from taking `word: …` at a property's beginning for its type."""
    if what == "property":
        lines.insert(0, "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Around napoleon (500), which would take a formula's colons for fields."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-signature", short_names)
    app.connect("autodoc-process-docstring", formulae, priority=400)
    app.connect("autodoc-process-docstring", sentence, priority=401)
    app.connect("autodoc-process-docstring", short_fields, priority=600)
    app.connect("autodoc-skip-member", inherited_new)
    return {"parallel_read_safe": True}
