"""What every kind of file of events can do, and what is said where one cannot."""

import abc
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Columns = dict[str, Any]
"""Column → a value per event (NumPy), or a list per event (awkward)."""


class AbstractEventFile(abc.ABC):
    """One file of events, open for reading.

    Args:
        path: where it is.
        names: its columns.
    """

    path: Path
    names: tuple[str, ...]

    @property
    @abc.abstractmethod
    def entries(self) -> int | None:
        """How many events it has; `None` where only reading it tells."""

    @abc.abstractmethod
    def parts(
        self, names: Sequence[str], rows: int, whole: Sequence[str] = ()
    ) -> Iterator[tuple[int, Columns]]:
        """The file piece by piece: the number of the first entry, and the columns.

        Args:
            names: which columns.
            rows: at most this many entries at once.
            whole: those of the columns that hold integers, where the file leaves it
                open.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Gives the file back."""

    def __enter__(self) -> "AbstractEventFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def place(self) -> str:
        """What to call it in a message."""
        return str(self.path)


@contextlib.contextmanager
def readable(path: Path | str, kind: str) -> Iterator[None]:
    """Within it, whatever a library raises for broken bytes names the file instead.

    Libraries raise errors of many kinds for bytes that are no file of theirs, among
    them `struct.error`, `KeyError`, `OSError` and their own.

    Raises:
        ValueError: the file is not what its name says, or is damaged.
    """
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
        raise ValueError(
            f"{path} cannot be read as a {kind} file: {reason}. It may be damaged, cut "
            "off, or of another kind."
        ) from error


def as_column(values: Any) -> Any:
    """NumPy's array of one value per event, or awkward's of a list per event."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values
    import awkward as ak

    if isinstance(values, np.ndarray):
        values = ak.from_iter(values)
    if values.ndim == 1 and values.fields == []:
        # Of a missing number nothing is known; of a float NaN says so.
        if ak.any(ak.is_none(values)):
            values = ak.fill_none(ak.values_astype(values, np.float64), np.nan)
        try:
            return np.asarray(ak.to_numpy(values))
        except ValueError:
            return values
    return values
