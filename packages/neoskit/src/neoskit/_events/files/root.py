"""Trees and RNTuples of ROOT files, by uproot."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from ..nearest import near
from .base import AbstractEventFile, Columns, as_column, readable

if TYPE_CHECKING:
    import uproot

_KINDS = ("TTree", "ROOT::RNTuple")


@final
class RootFile(AbstractEventFile):
    """A TTree or an RNTuple of a ROOT file.

    Raises:
        ValueError: the bytes are no ROOT file, or it has no such tree.
    """

    def __init__(self, path: Path, tree: str):
        try:
            import uproot
        except ImportError as error:
            raise ImportError(
                "Reading ROOT files needs uproot: install `neoskit[root]`."
            ) from error
        self.path = path
        with readable(path, "ROOT"):
            self._file = uproot.open(path)
            self._source = _tree(self._file, tree)
        if self._source is None:
            trees = _trees(self._file)
            self.close()
            raise ValueError(f"No tree {tree!r} in {path}.{near(tree, trees)}")
        with readable(path, "ROOT"):
            self.names = _columns(self._source)

    @property
    def entries(self) -> int:
        """How many events the tree has."""
        return self._source.num_entries

    @property
    def place(self) -> str:
        """The tree and its file."""
        return f"tree {self._source.name!r} of {self.path}"

    def parts(
        self, names: Sequence[str], rows: int, whole: Sequence[str] = ()
    ) -> Iterator[tuple[int, Columns]]:
        """Whole clusters, as many as there is room for; a larger one in parts."""
        names = list(names)
        with readable(self.path, "ROOT"):
            ends = self._ends_of_clusters(names)
        for start, stop in _ranges([*ends, self.entries], rows):
            with readable(self.path, "ROOT"):
                read = {
                    name: self._source[name].array(entry_start=start, entry_stop=stop)
                    for name in names
                }
                columns = {name: as_column(values) for name, values in read.items()}
            yield start, columns

    def _ends_of_clusters(self, names: Sequence[str]) -> list[int]:
        """Entries between which compressed pieces of all columns lie."""
        if not hasattr(self._source, "branches"):
            clusters = self._source.cluster_summaries
            return [c.num_first_entry + c.num_entries for c in clusters]
        branches = [self._source[name] for name in names]
        ends = [{*b.entry_offsets} for b in branches if b.num_baskets]
        return sorted(set.intersection(*ends)) if ends else []

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


def _ranges(ends: Sequence[int], rows: int) -> Iterator[tuple[int, int]]:
    """Ranges up to some ends, of at most so many rows, that end there if they can."""
    start = before = 0
    for end in ends:
        if end - start > rows and before > start:
            yield start, before
            start = before
        while end - start > rows:
            yield start, start + rows
            start += rows
        before = max(end, start)
    if before > start:
        yield start, before


def _trees(file: "uproot.ReadOnlyDirectory") -> list[str]:
    return file.keys(
        recursive=True, cycle=False, filter_classname=lambda kind: kind in _KINDS
    )


def _tree(file: "uproot.ReadOnlyDirectory", name: str) -> Any:
    return file[name] if name in _trees(file) else None


def _columns(source: Any) -> tuple[str, ...]:
    full = source.keys(recursive=True)
    # The fields of an RNTuple have their parents' names before a dot.
    if not hasattr(source, "branches"):
        return tuple(full)
    short = source.keys(recursive=True, full_paths=False)
    # A branch's own name, unless another one has it too.
    return tuple(
        path if short.count(name) > 1 else name
        for name, path in zip(short, full, strict=True)
    )
