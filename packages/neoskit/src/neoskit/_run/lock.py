"""One training in a folder at a time: a lock that ends with the process that has it."""

import contextlib
import datetime
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from .writing import writing

if sys.platform != "win32":
    import fcntl

NAME = "lock"
"""The file in a run's folder that says who trains in it."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Within it no other process trains in the folder.

    The system gives the lock back when the process ends, however it ends. The file
    stays: who removed it could remove that of another, who came between. Windows has
    no such lock, and trainings there are not kept apart.

    Raises:
        RuntimeError: another process has it; it is named.
        CannotWrite: the folder cannot be written.
    """
    path = folder / NAME
    with contextlib.ExitStack() as stack:
        with writing(folder):
            # Not truncated: until the lock is had, what it says is another's.
            file = stack.enter_context(path.open("a+", encoding="utf-8"))
        _take(file, folder)
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with writing(folder):
            file.truncate(0)
            file.write(json.dumps(owner) + "\n")
            file.flush()
        yield


def _take(file: IO[str], folder: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RuntimeError(
            f"{folder}: is being trained by {_owner(file)}. Wait for it, end it, or "
            "give this training another folder with --out."
        ) from None
    except OSError as error:
        raise RuntimeError(
            f"{folder}: its file system has no locks ({error.strerror}), so that two "
            "trainings could not be kept apart. Train in another folder with --out."
        ) from error


def _owner(file: IO[str]) -> str:
    file.seek(0)
    try:
        owner = json.loads(file.read())
        process, host, since = (owner[key] for key in ("pid", "host", "since"))
    # Written by the other a moment after it has the lock.
    except (ValueError, KeyError, TypeError):
        return "another process, which has just begun"
    return f"process {process} on {host} since {since}"
