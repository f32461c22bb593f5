"""Results of groups on disk: found again, or redone where the inputs changed."""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from .chunk import Row, Task

# The format of the files; another one is another input.
_VERSION = 1
_log = logging.getLogger("fitkit.grid")


def key_of(task: Task) -> str:
    """A digest of everything that the rows of a group depend on."""
    content = hashlib.sha256()
    parts: list[Any] = [
        _VERSION,
        task.compute.__name__,
        {name: repr(value) for name, value in sorted(task.options.items())},
        {name: repr(value) for name, value in sorted(task.reading._asdict().items())},
    ]
    for part in parts:
        content.update(json.dumps(part).encode())
    shared: dict[int, bytes] = {}  # one document is digested once
    for point in task.points:
        if id(point.document) not in shared:
            shared[id(point.document)] = _digest(point.document)
        content.update(shared[id(point.document)] + _digest(point.patch))
        content.update(json.dumps([point.name, point.problem]).encode())
    return content.hexdigest()


def _digest(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).digest()


def load_rows(folder: Path, key: str, points: int) -> list[Row] | None:
    """The rows of a group, or None where they are not there or damaged."""
    path = _path(folder, key)
    try:
        content = json.loads(path.read_text())
        rows = content["rows"]
        whole = content["checksum"] == _checksum(rows) and len(rows) == points
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if whole:
        return rows
    _log.warning("%s is damaged; its group is computed again", path)
    return None


def save_rows(folder: Path, key: str, rows: list[Row]) -> None:
    """Write the rows of a group; the file is there whole or not at all."""
    text = json.dumps({"checksum": _checksum(rows), "rows": rows})
    handle, name = tempfile.mkstemp(dir=folder, suffix=".partial")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, _path(folder, key))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key[:32]}.json"


def _checksum(rows: list[Row]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
