"""Commands from documents to documents: convert, combine, prune, rename, digest."""

import hashlib
from enum import StrEnum
from typing import Annotated, Any

import typer

from .names import Mistake, known, splits
from .options import Algorithm, Input, Output, Workspace, Written
from .signature import with_options
from .source import (
    check_name,
    chosen_point,
    names_in,
    read_source,
)

_RENAMED = "OLD=NEW"

Names = list[str] | None


class Join(StrEnum):
    """What to do about channels of one name."""

    outer = "outer"
    none = "none"
    left = "left outer"
    right = "right outer"


def _named(what: str, action: str = "Leave out", metavar: str = "NAME") -> Any:
    note = f"{action} this {what}; again for more."
    return typer.Option(f"--{what}", metavar=metavar, help=note)


@with_options
def convert(given: Input, written: Written) -> None:
    """The JSON workspace of a file of another format.

    Of a datacard where its model is HistFactory's, with the interpolation code 1 of
    normsys, which readers must be told; if not, the line that prevents it is named.
    """
    from . import show

    show.document(_patched(given), written.output)


@with_options
def combine(
    left: Workspace,
    right: Workspace,
    written: Written,
    join: Annotated[
        Join, typer.Option(help="Of channels, observations, measurements of one name.")
    ] = Join.outer,
    merge_channels: Annotated[
        bool, typer.Option("--merge-channels", help="Put their samples together.")
    ] = False,
) -> None:
    """One document of two; parameters of one name are shared."""
    import fitkit

    from . import show

    both = (read_source(Input(path)).patched(None) for path in (left, right))
    made = fitkit.combine(*both, join=join.value, merge_channels=merge_channels)
    show.document(made, written.output)


@with_options
def prune(
    given: Input,
    written: Written,
    channel: Annotated[Names, _named("channel")] = None,
    sample: Annotated[Names, _named("sample")] = None,
    modifier: Annotated[Names, _named("modifier")] = None,
    modifier_type: Annotated[Names, _named("modifier-type")] = None,
    measurement: Annotated[Names, _named("measurement")] = None,
) -> None:
    """The document without what is named."""
    import fitkit

    from . import show

    document = _patched(given)
    # First, for the library names no option and lists all names that there are.
    for what, names in (
        ("channel", channel),
        ("sample", sample),
        ("modifier", modifier),
        ("measurement", measurement),
    ):
        for name in names or ():
            check_name(f"--{what}", name, document, what)
    made = fitkit.prune(
        document,
        channels=channel or (),
        samples=sample or (),
        modifiers=modifier or (),
        modifier_types=modifier_type or (),
        measurements=measurement or (),
    )
    show.document(made, written.output)


@with_options
def rename(
    given: Input,
    written: Written,
    channel: Annotated[Names, _named("channel", "Rename", _RENAMED)] = None,
    sample: Annotated[Names, _named("sample", "Rename", _RENAMED)] = None,
    modifier: Annotated[Names, _named("modifier", "Rename", _RENAMED)] = None,
    measurement: Annotated[Names, _named("measurement", "Rename", _RENAMED)] = None,
) -> None:
    """The document with new names."""
    import fitkit

    from . import show

    document = _patched(given)

    def names(what: str, texts: Names) -> dict[str, str]:
        return dict(_renaming(what, text, document) for text in texts or ())

    made = fitkit.rename(
        document,
        channels=names("channel", channel),
        samples=names("sample", sample),
        modifiers=names("modifier", modifier),
        measurements=names("measurement", measurement),
    )
    show.document(made, written.output)


def _patched(given: Input) -> Any:
    source = read_source(given)
    return source.patched(chosen_point(source, given.point))


def _renaming(what: str, text: str, document: Any) -> tuple[str, str]:
    """Both sides of `OLD=NEW`, where either may hold `=` itself."""
    sides = list(splits(text))
    if not sides:
        raise Mistake(f"--{what} {text!r}: write --{what} {_RENAMED}.")
    names = names_in(document, what)
    for old, new in sides:
        if old in names:
            return old, new
    check_name(f"--{what}", sides[-1][0], document, what)
    return sides[-1]


@with_options
def digest(given: Input, output: Output, algorithm: Algorithm = None) -> None:
    """The digest of a document, whatever the order of its keys."""
    import fitkit

    from . import show

    # Some of hashlib's make digests of any length, which must be told.
    usable = [a for a in hashlib.algorithms_available if not a.startswith("shake")]
    for name in algorithm or ():
        known("--algorithm", name, sorted(usable), "algorithm")
    document = _patched(given)
    content = {a: fitkit.digest(document, a) for a in algorithm or ["sha256"]}

    def human(content: dict[str, str]) -> None:
        for name, value in content.items():
            show.line(f"{name}:{value}")

    show.answer(content, output, human)
