"""Results of groups on disk: read again, or redone where the inputs changed."""

import contextlib
import dataclasses
import enum
import hashlib
import json
import logging
import os
import struct
import tempfile
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .chunk import Row, Task, settings_of

# The format of the files; another one is another input.
_VERSION = 2
# What the numbers come from.
_PACKAGES = ("fitkit", "equinox", "optimistix", "jax", "jaxlib", "numpy", "scipy")
_log = logging.getLogger("fitkit.grid")


def key_of(task: Task) -> str:
    """A digest of everything that the rows of a group depend on.

    Of the bytes of all numbers, and of the versions of what computes with them. What
    `settings` does is told by the models that come of it: a function has no digest.

    Raises:
        TypeError: for an input of which no digest can be made.
    """
    content = hashlib.sha256()
    versions = {name: metadata.version(name) for name in _PACKAGES}
    for part in (_VERSION, versions, task.compute.__name__, task.options, task.reading):
        _add(content, part)
    shared: dict[int, bytes] = {}  # one document is digested once
    for point in task.points:
        if id(point.document) not in shared:
            document = hashlib.sha256()
            _add(document, point.document)
            shared[id(point.document)] = document.digest()
        content.update(shared[id(point.document)])
        _add(content, (point.name, point.patch, point.problem))
        _add(content, point.model)
    _add(content, settings_of(task))
    return content.hexdigest()


def _add(content: Any, value: Any) -> None:
    """Add a value to a digest: its type, how long it is, and all of its bytes."""

    def tagged(tag: str, data: bytes = b"") -> None:
        # With its length: two texts must not run into another two.
        content.update(f"{tag}:{len(data)}:".encode() + data)

    match value:
        case None | bool():
            tagged(str(value))
        case enum.Enum():
            tagged("enum", str(value).encode())
        case str():
            tagged("str", value.encode())
        case int():
            tagged("int", str(value).encode())
        case float():
            # Eight bytes, and no decimal digits: 0.1 + 0.2 is not 0.3.
            tagged("float", struct.pack(">d", value))
        case type():
            tagged("type", f"{value.__module__}.{value.__qualname__}".encode())
        case Mapping():
            tagged("mapping", str(len(value)).encode())
            # JSON objects have no order.
            for key in sorted(value):
                _add(content, key)
                _add(content, value[key])
        case list() | tuple():
            tagged("sequence", str(len(value)).encode())
            for each in value:
                _add(content, each)
        case _ if dataclasses.is_dataclass(value):
            _add(content, type(value))
            fields = dataclasses.fields(value)
            _add(content, {each.name: getattr(value, each.name) for each in fields})
        case _ if hasattr(value, "__array__"):
            array = np.asarray(value)
            # The bytes of objects are addresses.
            if array.dtype.hasobject:
                raise TypeError(_no_digest(value))
            tagged("array", f"{array.dtype.str}{array.shape}".encode())
            tagged("bytes", array.tobytes())
        case _:
            raise TypeError(_no_digest(value))


def _no_digest(value: Any) -> str:
    return (
        "`grid(folder=...)` needs inputs that can be told apart by their bytes; got a "
        f"{type(value).__name__}. Leave `folder` out, or give plain numbers."
    )


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
        # At once, on any POSIX file system: a crash leaves the old file or the new.
        os.replace(name, _path(folder, key))
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def _path(folder: Path, key: str) -> Path:
    return folder / f"{key[:32]}.json"


def _checksum(rows: list[Row]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
