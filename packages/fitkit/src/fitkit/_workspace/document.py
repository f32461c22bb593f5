"""From a path or a decoded document to plain JSON values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pydantic_core

from .._numerics.namespace import traced
from . import foreign
from .error import WorkspaceError

# Published workspaces stay below 10 MB; far above, it is something else.
MAX_BYTES = 64 * 1024**2


def load(source: str | Path | Any) -> Any:
    """The decoded document: read from the file where `source` is a path."""
    if isinstance(source, (str, Path)):
        return decode(_read(Path(source)), str(source))
    return source


def decode(content: bytes, name: str) -> Any:
    """JSON text to Python values. NaN passes: the schema then names its place.

    Args:
        content: of a file, in UTF-8.
        name: of the file, for messages.

    Raises:
        WorkspaceError: for another kind of file, which is named for what it is.
    """
    if len(content) > MAX_BYTES:
        raise _too_large(name, len(content), content)
    try:
        # Programs on Windows write a mark at the front that JSON does not have.
        return pydantic_core.from_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        if what := foreign.of_content(content):
            raise WorkspaceError(f"{name} is {what}.") from None
        raise WorkspaceError(
            f"{name} is not JSON: {error}. Check that it is the workspace's file "
            "and complete."
        ) from None


def copied(value: Any) -> Any:
    """A copy of decoded JSON, several times faster than `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        # lists of numbers, the bulk of a document, are copied in one go
        if value and not isinstance(value[0], (dict, list)):
            return value.copy()
        return [copied(item) for item in value]
    return value


def plain(value: Any) -> Any:
    """A document that was made in Python as JSON has it: arrays and tuples as lists.

    What is plain already is not copied.

    Raises:
        WorkspaceError: for traced arrays, whose numbers nobody knows.
    """
    if isinstance(value, (str, int, float, type(None))):  # NumPy's double is a float
        return value
    if isinstance(value, Mapping):
        items = {key: plain(item) for key, item in value.items()}
        same = type(value) is dict and all(items[key] is value[key] for key in value)
        return value if same else items
    if isinstance(value, (list, tuple)):
        listed = [plain(item) for item in value]
        same = type(value) is list and all(map(_is, listed, value))
        return value if same else listed
    if traced(value):
        raise WorkspaceError(
            "a document cannot have traced arrays. Build a `Model` in Python, through "
            "which derivatives flow."
        )
    if isinstance(value, np.generic) or hasattr(value, "__array__"):
        return np.asarray(value).tolist()
    return value


def _is(one: Any, other: Any) -> bool:
    return one is other


def _read(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise WorkspaceError(f"{str(path)!r} is a directory. {in_folder(path)}")
        # Before reading it: a file of events may be larger than the memory.
        size = path.stat().st_size
        if size > MAX_BYTES:
            with path.open("rb") as file:
                raise _too_large(str(path), size, file.read(foreign.HEAD))
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, WorkspaceError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise WorkspaceError(
            f"cannot read {str(path)!r}: {reason}. Give the path of a JSON file."
        ) from None


def in_folder(path: Path) -> str:
    """The way out where a folder is given: which documents it has."""
    names = sorted(each.name for each in path.glob("*.json"))
    if not names:
        if any(path.glob("**/*.xml")):
            return "HistFactory XML is read with `read_histfactory_xml`."
        return "Give the path of a file; it has no JSON documents."
    more = ", …" if len(names) > 5 else ""
    return f"Give the path of a file in it: {', '.join(names[:5])}{more}."


def _too_large(name: str, size: int, head: bytes) -> WorkspaceError:
    if what := foreign.of_content(head):
        return WorkspaceError(f"{name} is {what}.")
    return WorkspaceError(
        f"{name} has {size} bytes; documents above {MAX_BYTES} are not read. If it is "
        "a workspace, decode it yourself and pass the result."
    )
