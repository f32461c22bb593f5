"""From a path or a decoded document to plain JSON values."""

from pathlib import Path
from typing import Any

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
