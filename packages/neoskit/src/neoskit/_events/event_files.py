"""Files of events → `Events`, whole or piece by piece."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .derived import Derived, needed
from .events import Events
from .files import AbstractEventFile, find, open_events
from .view import Missing, View

ROWS = 200_000
"""Entries that are read at once where nothing else is asked for."""

_TRIED = 100


@dataclass(frozen=True)
class EventFiles:
    """The files of one sample, to be read whole or piece by piece.

    Args:
        paths: the files.
        scales: factor on the weights of each file.
        columns: name → expression, of columns that are computed; each may use others.
        tree: which tree, of ROOT files.
        kind: `"root"`, `"parquet"` or `"csv"` where the names do not tell.
        number: of the sample, so that no event of another has the same index.
    """

    paths: tuple[Path, ...]
    scales: tuple[float, ...]
    columns: Mapping[str, str] = field(default_factory=dict)
    tree: str = "Events"
    kind: str | None = None
    number: int = 0

    def parts(
        self, views: Sequence[View], *, rows: int = ROWS
    ) -> Iterator[tuple[tuple[Events, ...], ...]]:
        """Pieces of the files, each seen in every one of the views.

        Memory is that of one piece, whatever the size of the files.

        Args:
            views: what is taken of each event.
            rows: how many entries at most are read at once.

        Raises:
            ValueError: a file cannot be read, has no such column, or an expression
                cannot be computed; the file is named.
        """
        for position, path in enumerate(self.paths):
            with open_events(path, tree=self.tree, kind=self.kind) as file:
                for start, piece in self._read(file, views, rows):
                    yield self._seen(views, file, position, start, piece)

    def check(self, texts: Sequence[tuple[str, str]]) -> None:
        """Whether every file has what expressions need, before any event is read.

        Args:
            texts: what to call each expression, and the expression.

        Raises:
            ValueError: a file cannot be opened, or has no such column.
        """
        for position, path in enumerate(self.paths):
            with open_events(path, tree=self.tree, kind=self.kind) as file:
                names: dict[str, None] = {}
                for key, text in texts:
                    with _naming(key, file):
                        some = needed([text], self.columns, file.names, file.place)
                        names |= dict.fromkeys(some)
                # Whether they can be computed, a few events of one file tell.
                if position == 0:
                    first = next(file.parts(list(names), _TRIED), None)
                    if first is not None:
                        self._try(first[1], texts, file)

    def _try(
        self,
        read: Mapping[str, Any],
        texts: Sequence[tuple[str, str]],
        file: AbstractEventFile,
    ) -> None:
        columns = Derived(read, self.columns, _length(read, file, 0, _TRIED))
        for key, text in texts:
            with _naming(key, file):
                columns.value(text)

    def entries(self) -> tuple[int | None, ...]:
        """How many events each file has; `None` where only reading it tells."""
        sizes = []
        for path in self.paths:
            with open_events(path, tree=self.tree, kind=self.kind) as file:
                sizes.append(file.entries)
        return tuple(sizes)

    def _read(
        self, file: AbstractEventFile, views: Sequence[View], rows: int
    ) -> Iterator[tuple[int, Derived]]:
        texts = [text for view in views for text in view.expressions]
        names = needed(texts, self.columns, file.names, file.place)
        whole = [name for view in views for name in view.index]
        any_piece = False
        for start, columns in file.parts(names, rows, whole):
            any_piece = True
            length = _length(columns, file, start, rows)
            yield start, Derived(columns, self.columns, length)
        if not any_piece:
            empty = {name: np.zeros(0) for name in names}
            yield 0, Derived(empty, self.columns, 0)

    def _seen(
        self,
        views: Sequence[View],
        file: AbstractEventFile,
        position: int,
        start: int,
        piece: Derived,
    ) -> tuple[tuple[Events, ...], ...]:
        # The upper half of 64 bits: which sample, and which of its files.
        above = (self.number << 20 | position) % 2**32 << 32
        numbers = np.arange(start, start + piece.length, dtype=np.uint64)
        numbers |= np.uint64(above)

        def where(row: int) -> str:
            return f"entry {start + row} of {file.place}"

        try:
            factor = self.scales[position]
            return tuple(view.of(piece, numbers, where, factor) for view in views)
        except ValueError as error:
            named = str(error)
            place = "" if file.place in named else f" This is in {file.place}."
            raise ValueError(f"{named}{place}") from None


@contextlib.contextmanager
def _naming(key: str, file: AbstractEventFile) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        named = str(error)
        place = "" if file.place in named else f" This is in {file.place}."
        raise ValueError(f"`{key}`: {named}{place}") from None


def _length(
    columns: Mapping[str, Any], file: AbstractEventFile, start: int, rows: int
) -> int:
    if columns:
        return len(next(iter(columns.values())))
    return min(rows, (file.entries or 0) - start)


def join(pieces: Sequence[Events], names: tuple[str, ...]) -> Events:
    """All the events of some pieces."""
    if len(pieces) == 1:
        return pieces[0]
    return Events(
        np.concatenate([np.asarray(p.features) for p in pieces])
        if pieces
        else np.zeros((0, len(names)), np.float32),
        np.concatenate([np.asarray(p.weights) for p in pieces] or [np.zeros(0)]),
        names,
        np.concatenate(
            [np.asarray(p.index) for p in pieces] or [np.zeros(0, np.uint32)]
        ),
    )


Paths = str | os.PathLike | Sequence[str | os.PathLike] | Mapping[str, float]


def files_of(paths: Paths, folder: Path = Path()) -> tuple[tuple[Path, float], ...]:
    """Each file with the factor on its weights.

    Args:
        paths: a pattern, several, or patterns with the factor of each.
        folder: what they start from.
    """
    if not isinstance(paths, Mapping):
        return tuple((path, 1.0) for path in find(paths, folder))
    pairs = [(p, scale) for key, scale in paths.items() for p in find(key, folder)]
    find([path for path, _ in pairs])
    return tuple(pairs)


def read_files(
    kind: str,
    paths: Paths,
    features: Sequence[str] | Mapping[str, str],
    *,
    weight: str | Sequence[str] | None,
    selection: str | None,
    scale: float,
    columns: Mapping[str, str] | None,
    missing: Mapping[str, Missing] | None,
    index: str | Sequence[str] | None,
    tree: str = "Events",
) -> Events:
    """What `read_root`, `read_parquet` and `read_csv` have in common."""
    found = files_of(paths)
    files = EventFiles(
        tuple(path for path, _ in found),
        tuple(factor for _, factor in found),
        columns or {},
        tree,
        kind,
    )
    view = View(
        dict(features)
        if isinstance(features, Mapping)
        else {name: name for name in features},
        _listed(weight),
        selection=_listed(selection),
        missing=missing or {},
        index=_listed(index),
        scale=scale,
    )
    events = join([part for ((part,),) in files.parts([view])], view.names)
    if len(events) == 0:
        raise ValueError(
            f"`read_{kind}`: no entry of {_named(paths)} passes the selection "
            f"{selection!r}. An empty process has no template: loosen the selection "
            "or leave the process out."
        )
    return events


def _listed(texts: str | Sequence[str] | None) -> tuple[str, ...]:
    if texts is None:
        return ()
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _named(paths: Paths) -> str:
    if isinstance(paths, str | os.PathLike):
        return str(paths)
    return ", ".join(map(str, paths))
