"""A run's folder that cannot be written: one message, whatever was to be written."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


class CannotWrite(RuntimeError):
    """Something cannot be written: no space, no permission, a disk that is gone."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Within it, what the system says of a file becomes a message that names it.

    Raises:
        CannotWrite: naming the path and the reason.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CannotWrite(f"{path}: cannot be written: {reason}.") from error
