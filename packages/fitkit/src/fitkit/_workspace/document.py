"""From a path, a decoded document or a patch to plain JSON values."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonpatch
import pydantic_core

from .schema import WorkspaceError

# Published workspaces stay below 10 MB; far above, it is something else.
MAX_BYTES = 64 * 1024**2


def load(source: str | Path | Any) -> Any:
    """The decoded document: read from the file where `source` is a path."""
    if isinstance(source, (str, Path)):
        return decode(_read(Path(source)), str(source))
    return source


def decode(content: bytes, name: str) -> Any:
    """JSON text to Python values. NaN passes: the schema then names its place."""
    if len(content) > MAX_BYTES:
        raise WorkspaceError(
            f"{name} has {len(content)} bytes; documents above {MAX_BYTES} are not "
            "read. If it is a workspace, decode it yourself and pass the result."
        )
    try:
        return pydantic_core.from_json(content)
    except ValueError as error:
        raise WorkspaceError(
            f"{name} is not JSON: {error}. Check that it is the workspace's file "
            "and complete."
        ) from None


def patched(document: Any, patch: Any) -> Any:
    """The document with one JSON Patch (RFC 6902), or several in turn, applied.

    `patch` is a path, a list of operations, a `Patch`, or a list of these. The caller's
    own document and patches stay as they are; what no operation touches is not copied,
    but the same object in both documents.
    """
    try:
        for operations in _each(patch):
            document = _apply(document, operations)
    except RecursionError:
        raise WorkspaceError(
            "the document or its patch is nested too deeply. Give a workspace."
        ) from None
    return document


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WorkspaceError(
                f"{path} has {path.stat().st_size} bytes; documents above {MAX_BYTES} "
                "are not read. If it is a workspace, decode it yourself and pass "
                "the result."
            )
        return path.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, WorkspaceError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise WorkspaceError(
            f"cannot read {str(path)!r}: {reason}. Give the path of a JSON file."
        ) from None


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
        raise WorkspaceError(
            f"a patch must be a list of operations; got {type(operations).__name__}. "
            "A patch set is read by `read_patchset`."
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


class _Shared(dict):
    """A value of a patch, which jsonpatch then does not copy."""

    def __deepcopy__(self, memo: Any) -> "_Shared":
        return self


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
    known = jsonpatch.JsonPatch.operations
    if type(operation) is not dict and isinstance(operation, Mapping):
        operation = dict(operation)
    kind: Any = operation.get("op") if type(operation) is dict else None
    if not isinstance(kind, str) or kind not in known:
        jsonpatch.JsonPatch([operation])  # says what is wrong with it
    if type(operation.get("value")) is dict:
        operation = {**operation, "value": _Shared(operation["value"])}
    path = operation.get("path")
    plain = type(path) is str and path.startswith("/") and "~" not in path
    if kind in _OF_ONE_PLACE and plain:
        # jsonpatch goes the whole way for each operation, and this takes most of its
        # time: here it is given the container that is changed.
        _, *way, last = path.split("/")
        document, at = _with_own_way(document, way, own)
        if at is not None:
            known[kind]({**operation, "path": f"/{last}"}).apply(at)
            return document
    ready = known[kind](operation)
    document, _ = _with_own_way(document, ready.pointer.parts, own)
    if kind == "move" and isinstance(operation.get("from"), str):
        way = type(ready.pointer)(operation["from"]).parts
        document, _ = _with_own_way(document, way, own)
    return ready.apply(document)


# Operations that change one container.
_OF_ONE_PLACE = ("add", "remove", "replace")
# As RFC 6901 writes a place in a list.
_INDEX = re.compile("0|[1-9][0-9]*")


def _with_own_way(
    document: Any, keys: Sequence[str], own: dict[int, Any]
) -> tuple[Any, Any]:
    """`document` with copies along the way that `keys` go, as far as they go.

    And the container at its end, None where it does not go so far.
    """
    document = at = _own(document, own)
    for key in keys:
        place: Any = int(key) if isinstance(at, list) and _INDEX.fullmatch(key) else key
        if not isinstance(at, (dict, list)) or place not in (
            at if isinstance(at, dict) else range(len(at))
        ):
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
