"""XML files as plain nodes that know their line.

The parser is expat without any entity of the document's own: nested ones grow without
end, and external ones read what they like.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn, final
from xml.parsers import expat

from ..._model.parameters import hint
from ..._workspace.document import MAX_BYTES
from ..._workspace.error import WorkspaceError

_TRUTH = {"true": True, "false": False, "1": True, "0": False}


@final
class Node(NamedTuple):
    """An element.

    Attributes:
        tag: its kind.
        attributes: by name.
        words: its text, in words.
        children: the elements in it.
        file, line: where it is.
    """

    tag: str
    attributes: dict[str, str]
    words: list[str]
    children: list["Node"]
    file: Path
    line: int

    def fault(self, reason: str) -> WorkspaceError:
        """What is wrong with it, as an error."""
        return WorkspaceError(f"{self.file}, line {self.line}: <{self.tag}> {reason}")

    def all(self, tag: str) -> Iterator["Node"]:
        """The elements of a kind in it."""
        return (child for child in self.children if child.tag == tag)

    def known(self, attributes: str, children: str = "") -> None:
        """Refuse what it does not have.

        Args:
            attributes, children: what there is, separated by spaces.

        Raises:
            WorkspaceError: for the first other one, as for a misprint.
        """
        for name in self.attributes:
            if name not in attributes.split():
                raise self.fault(
                    f"has no attribute {name!r}. {hint(name, attributes.split())}"
                )
        for child in self.children:
            if child.tag not in children.split():
                raise child.fault(
                    f"does not belong into <{self.tag}>. "
                    f"{hint(child.tag, children.split())}"
                )

    def need(self, name: str) -> str:
        """An attribute that must be there, and not empty."""
        if not self.attributes.get(name):
            raise self.fault(f"needs an attribute {name!r}. Add it.")
        return self.attributes[name]

    def number(self, name: str, default: float | None = None) -> float:
        """An attribute as a finite number; it must be there without a default."""
        if default is not None and name not in self.attributes:
            return default
        text = self.need(name)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            raise self.fault(f"{name}={text!r} is not a finite number. Correct it.")
        return value

    def truth(self, name: str, default: bool) -> bool:
        """An attribute as a truth value."""
        text = self.attributes.get(name)
        if text is None:
            return default
        if text.lower() not in _TRUTH:
            raise self.fault(f"{name}={text!r} is neither True nor False. Correct it.")
        return _TRUTH[text.lower()]


def read_node(path: Path) -> Node:
    """The outermost element of a file.

    Raises:
        WorkspaceError: for a file that cannot be read or is no good XML.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise WorkspaceError(f"{path} has {size} bytes: it is no HistFactory XML.")
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, WorkspaceError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise WorkspaceError(f"cannot read {str(path)!r}: {reason}.") from None
    builder = _Builder(path)
    try:
        builder.parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise WorkspaceError(
            f"{path}, line {error.lineno}: is not well-formed XML: {reason}. Correct "
            "it, or get the file again."
        ) from None
    # Encodings that expat does not know, or that are not what they say.
    except (LookupError, ValueError) as error:
        if isinstance(error, WorkspaceError):
            raise
        raise WorkspaceError(
            f"{path}: its encoding cannot be read ({error}). Save it in UTF-8."
        ) from None
    return builder.found[0]


class _Builder:
    """Makes nodes of what the parser tells."""

    def __init__(self, path: Path):
        self.path = path
        self.found: list[Node] = []
        self.open: list[Node] = []
        self.text: list[list[str]] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.data
        self.parser.EntityDeclHandler = self.entity

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        node = Node(tag, attributes, [], [], self.path, line)
        (self.open[-1].children if self.open else self.found).append(node)
        self.open.append(node)
        self.text.append([])

    def end(self, tag: str) -> None:
        self.open.pop().words.extend("".join(self.text.pop()).split())

    def data(self, text: str) -> None:
        if self.text:
            self.text[-1].append(text)

    def entity(self, name: str, *_: object) -> NoReturn:
        raise WorkspaceError(
            f"{self.path}, line {self.parser.CurrentLineNumber}: declares an entity "
            f"{name!r}, which HistFactory has no use for. Write out what it stands for."
        )
