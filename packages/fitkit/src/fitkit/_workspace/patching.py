"""JSON Patches (RFC 6902) applied to decoded documents."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonpatch

from . import foreign
from .document import load, plain
from .error import WorkspaceError


def patched(document: Any, patch: Any) -> Any:
    """The document with one JSON Patch (RFC 6902), or several in turn, applied.

    `patch` is a path, a list of operations, a `Patch`, or a list of these. The caller's
    own document and patches stay as they are; what no operation touches is not copied,
    but the same object in both documents.
    """
    try:
        try:
            return _patched(document, patch)
        except WorkspaceError:
            # No operation reaches into the arrays of a document made in Python.
            if (as_json := plain(document)) is document:
                raise
            return _patched(as_json, patch)
    except RecursionError:
        raise WorkspaceError(
            "the document or its patch is nested too deeply. Give a workspace."
        ) from None


def _patched(document: Any, patch: Any) -> Any:
    for operations in _each(patch):
        document = _apply(document, operations)
    return document


def _each(patch: Any) -> list[Any]:
    patch = getattr(patch, "operations", patch)
    if isinstance(patch, (str, Path)):
        return [load(patch)]
    if isinstance(patch, Sequence) and patch and not _is_operation(patch[0]):
        return [operations for each in patch for operations in _each(each)]
    return [patch]


def _is_operation(value: Any) -> bool:
    return isinstance(value, Mapping) and "op" in value


def _apply(document: Any, operations: Any) -> Any:
    if not isinstance(operations, Sequence):
        # `PatchSet` stands above this, and needs it.
        if hasattr(operations, "patches") or foreign.is_patchset(operations):
            raise WorkspaceError(
                "`patch` is a patch set. Choose one of its points: "
                '`patch=read_patchset(path)["name"]`.'
            )
        raise WorkspaceError(
            f"a patch must be a list of operations; got {type(operations).__name__}."
        )
    own: dict[int, Any] = {}
    for number, operation in enumerate(operations):
        try:
            document = _applied(document, operation, own)
        except Exception as error:  # jsonpatch lets KeyError, TypeError, … escape
            raise WorkspaceError(
                f"patch[{number}] ({_headline(operation)}) does not apply: "
                f"{str(error) or type(error).__name__}. Check that it was made for "
                "this document."
            ) from None
    return document


def _applied(document: Any, operation: Any, own: dict[int, Any]) -> Any:
    """The document with one operation applied.

    Containers on the way to what it changes are copied first, all others shared. So an
    operation in place changes neither the caller's document nor what an earlier one
    took from its patch.

    Args:
        document: the document so far.
        operation: the operation.
        own: copies made for this patch, by identity; more are added.
    """
    if type(operation) is not dict and isinstance(operation, Mapping):
        operation = dict(operation)
    kind: Any = operation.get("op") if type(operation) is dict else None
    path: Any = operation.get("path") if type(operation) is dict else None
    # What signal points are made of is done here, three times as fast. All else, and
    # all that is wrong, is jsonpatch's: it walks the document itself.
    if kind in ("add", "replace") and "value" in operation and _is_plain(path):
        _, *way, last = path.split("/")
        document, at = _with_own_way(document, way, own)
        if _placed(at, last, operation["value"], kind == "add"):
            return document
    known = jsonpatch.JsonPatch.operations
    if not isinstance(kind, str) or kind not in known:
        jsonpatch.JsonPatch([operation])  # says what is wrong with it
    ready = known[kind](operation)
    document, _ = _with_own_way(document, ready.pointer.parts, own)
    if kind == "move" and isinstance(operation.get("from"), str):
        way = type(ready.pointer)(operation["from"]).parts
        document, _ = _with_own_way(document, way, own)
    return ready.apply(document)


def _is_plain(path: Any) -> bool:
    """Whether it is a JSON Pointer into the document, without escapes."""
    return type(path) is str and path.startswith("/") and "~" not in path


def _placed(at: Any, key: str, value: Any, add: bool) -> bool:
    """Whether `at` is a container with such a place, which then has the value."""
    if isinstance(at, dict):
        if add or key in at:
            at[key] = value
            return True
    elif isinstance(at, list) and (place := _index(key)) is not None:
        if add and place <= len(at):
            at.insert(place, value)
            return True
        if not add and place < len(at):
            at[place] = value
            return True
    return False


def _index(key: str) -> int | None:
    """A place in a list as RFC 6901 writes it, None where it is none."""
    plain = key.isdecimal() and key.isascii() and (key[0] != "0" or key == "0")
    return int(key) if plain else None


def _with_own_way(
    document: Any, keys: Sequence[str], own: dict[int, Any]
) -> tuple[Any, Any]:
    """`document` with copies along the way that `keys` go, as far as they go.

    And the container at its end, None where it does not go so far.
    """
    document = at = _own(document, own)
    for key in keys:
        if isinstance(at, dict):
            if key not in at:
                return document, None
            place: Any = key
        elif isinstance(at, list):
            place = _index(key)
            if place is None or place >= len(at):
                return document, None
        else:
            return document, None
        at[place] = at = _own(at[place], own)
    return document, at


def _own(value: Any, own: dict[int, Any]) -> Any:
    """A copy of a container, unless it is one."""
    if id(value) in own or not isinstance(value, (dict, list)):
        return value
    copy = value.copy()
    own[id(copy)] = copy
    return copy


def _headline(operation: Any) -> str:
    if not isinstance(operation, Mapping):
        return type(operation).__name__
    return f"{operation.get('op')} {operation.get('path')}"
