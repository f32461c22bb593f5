"""A file that is complete or not there, whatever ends the process that writes it."""

import contextlib
import os
import sys
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in one piece; until then, the one that it replaces stays.

    Args:
        path: the file; replaced if it exists.
        content: all of it.

    Raises:
        OSError: it cannot be written; what was there before is.
    """
    # Beside its place, so that the move is within one file system and cannot be half.
    unfinished = path.with_name(path.name + ".part")
    try:
        _write(unfinished, content)
        unfinished.replace(path)
    except BaseException:
        # On a full disk, half of a file is what stands in the way.
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        # Before the move: after a power cut the name must not lead to empty blocks.
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The move itself, on disk. Windows has no such call."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
