"""A temporary folder for as long as somebody refers to it."""

import contextlib
import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, final

if sys.platform != "win32":
    import fcntl


@final
class TemporaryFolder:
    """A folder that is removed with the last object that has it, or at the end.

    One that a killed process left is removed where the next of its kind is made: a lock
    beside it, which the system gives back when a process ends, tells that nobody has
    it. Where there are no locks it stays.

    Args:
        prefix: of its name.
        within: the folder that it is in; that of the system if not given.
    """

    def __init__(self, prefix: str, within: str | os.PathLike | None = None):
        parent = Path(tempfile.gettempdir() if within is None else within)
        _remove_abandoned(parent, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._remove = weakref.finalize(self, _remove, self.path, _hold(self.path))

    @contextlib.contextmanager
    def filling(self) -> Iterator[Path]:
        """What fills the folder; where that fails it is removed at once.

        An error refers to the frames that it came through, and they to the folder: for
        how long is the interpreter's and the handler's affair.
        """
        try:
            yield self.path
        except BaseException:
            self._remove()
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        # In another process it is nobody's to remove.
        return type(None), ()


def _hold(folder: Path) -> IO[str] | None:
    """The lock of a folder, as long as its file is open; `None` where none are."""
    if sys.platform == "win32":
        return None
    # Under another name until it is had: nobody comes between.
    unnamed = folder.with_name(f"{folder.name}.locking")
    file = unnamed.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        unnamed.unlink()
        return None
    unnamed.rename(_lock_of(folder))
    return file


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _remove(folder: Path, held: IO[str] | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if held is not None:
        _lock_of(folder).unlink(missing_ok=True)
        held.close()


def _remove_abandoned(parent: Path, prefix: str) -> None:
    if sys.platform == "win32":
        return
    for lock in parent.glob(f"{prefix}*.lock"):
        # It is another's who lives, or it is of another user, or gone by now.
        with contextlib.suppress(OSError), lock.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink()
