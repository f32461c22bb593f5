"""A path → the file, by the ending of its name."""

from pathlib import Path

from .base import AbstractEventFile
from .csv import CsvFile
from .parquet import ParquetFile
from .root import RootFile

KINDS = {
    "root": (".root",),
    "parquet": (".parquet", ".pq"),
    "csv": (".csv", ".csv.gz", ".csv.bz2", ".csv.xz"),
}
"""Kind of file → how its names may end."""


def open_events(
    path: Path, *, tree: str = "Events", kind: str | None = None
) -> AbstractEventFile:
    """One file of events, open for reading.

    Args:
        path: where it is; it exists.
        tree: which tree, of a ROOT file.
        kind: one of `KINDS`, where the name does not tell.

    Raises:
        ValueError: the name tells of no kind, or the bytes are of another.
        ImportError: the library for this kind is not installed.
    """
    match kind or kind_of(path):
        case "root":
            return RootFile(path, tree)
        case "parquet":
            return ParquetFile(path)
        case "csv":
            return CsvFile(path)
    endings = ", ".join(ending for of in KINDS.values() for ending in of)
    raise ValueError(
        f"{path}: the name does not tell what kind of file it is; it may end with "
        f"{endings}."
    )


def kind_of(path: Path) -> str | None:
    """The kind of file that a name tells of."""
    name = path.name.lower()
    return next((k for k, of in KINDS.items() if name.endswith(of)), None)
