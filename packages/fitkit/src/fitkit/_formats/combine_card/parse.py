"""From the text of a Combine datacard to what it says."""

from collections.abc import Iterator
from pathlib import Path

from ..._workspace.error import WorkspaceError
from .body import read_body
from .card import Card, fault
from .header import Line, read_header

# Cards of thousands of columns are a few megabytes.
_LARGEST = 64 * 1024 * 1024
_RULER = frozenset("-=*_~.")


def parse_card(text: str) -> Card:
    """What the text of a card says, its own edits applied.

    Raises:
        WorkspaceError: naming the first line that is wrong, and the way out.
    """
    card = Card()
    lines = _lines(text)
    counts = read_header(lines, card)
    read_body(lines, card, counts)
    _check_groups(card)
    return card


def _lines(text: str) -> Iterator[Line]:
    """The lines that say something, as words."""
    for number, content in enumerate(text.split("\n"), 1):
        words = content.partition("#")[0].split()
        if (
            words
            and not set("".join(words)) <= _RULER
            and not words[0].startswith("--")
        ):
            yield number, words


def _check_groups(card: Card) -> None:
    names = {each.name for each in card.systematics}
    names |= {each.name for each in card.rates}
    names |= {*card.constraints} | {*card.extras}
    for group, members in card.groups.items():
        for member in members:
            if member not in names:
                raise fault(
                    0,
                    f"group {group!r} has {member!r}, which is no parameter of the "
                    "card.",
                )


def read_text(path: Path) -> str:
    """The text of a card's file.

    Raises:
        WorkspaceError: for a file that cannot be read, or is no text.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WorkspaceError(f"cannot be read: {error.strerror}.") from error
    if len(content) > _LARGEST:
        raise WorkspaceError("has more than 64 MB, which no datacard has.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise fault(line, "is no text in UTF-8. Give a datacard.") from error
