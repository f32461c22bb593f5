"""CSV files, plain or compressed, by pyarrow."""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, cast, final

from .base import AbstractEventFile, Columns, readable
from .parquet import arrow_column

# Text is parsed block by block; a line must fit into one.
_BLOCK = 1 << 24
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

# Tables of numbers shrink to a tenth or so; what unpacks to far more is no table but
# an accident or an attack, and would fill memory or run for hours.
_MOST_EXPANSION = 200
_HARMLESS = 1 << 28


@final
class CsvFile(AbstractEventFile):
    """A CSV file with a line of names, read block by block.

    Numbers are read as float64, `true` and `false` as conditions; an empty field is
    NaN.

    Raises:
        ValueError: the bytes are no such text.
    """

    def __init__(self, path: Path):
        try:
            import pyarrow.csv
        except ImportError as error:
            raise ImportError(
                "Reading CSV files needs pyarrow: install `neoskit[csv]`."
            ) from error
        self.path = path
        self._csv = pyarrow.csv
        with readable(path, "CSV"), self._text() as text:
            self.names = _header(text)
        seen: set[str] = set()
        for name in self.names:
            if name in seen:
                raise ValueError(f"{path} has two columns of the name {name!r}.")
            seen.add(name)

    @property
    def entries(self) -> None:
        """Only reading a CSV file tells."""
        return None

    def parts(
        self, names: Sequence[str], rows: int, whole: Sequence[str] = ()
    ) -> Iterator[tuple[int, Columns]]:
        """Pieces of the blocks."""
        names, start = list(names), 0
        types = self._types(names, whole)
        # Some column must be read for lines to be counted.
        convert = self._csv.ConvertOptions(
            include_columns=names or [self.names[0]], column_types=types
        )
        with self._text() as text:
            with readable(self.path, "CSV"):
                reader = self._csv.open_csv(
                    text, read_options=_options(self._csv), convert_options=convert
                )
            while True:
                with readable(self.path, "CSV"):
                    batch = next(reader, None)
                if batch is None:
                    return
                for first in range(0, len(batch), rows):
                    piece = batch.slice(first, rows)
                    yield (
                        start + first,
                        {name: arrow_column(piece.column(name)) for name in names},
                    )
                start += len(batch)

    def _types(self, names: Sequence[str], whole: Sequence[str]) -> dict[str, Any]:
        """Column → the type that it is read as, from what its first block holds."""
        import pyarrow as pa

        if not names:
            return {}
        convert = self._csv.ConvertOptions(include_columns=names)
        with readable(self.path, "CSV"), self._text() as text:
            found = self._csv.open_csv(
                text, read_options=_options(self._csv), convert_options=convert
            ).schema
        types: dict[str, Any] = {}
        for name in names:
            kind, of = found.field(name).type, pa.types
            numbers = (of.is_integer, of.is_floating, of.is_boolean, of.is_null)
            if not any(fits(kind) for fits in numbers):
                raise ValueError(
                    f"{name!r} of {self.path} has values of the type {kind}; numbers "
                    "are needed."
                )
            # A column that starts with integers may go on with others: only those that
            # must be whole are read as such.
            if not of.is_boolean(kind):
                types[name] = pa.int64() if name in whole else pa.float64()
        return types

    def close(self) -> None:
        """Each reading opens the file anew and closes it."""

    def _text(self) -> IO[bytes]:
        opener = _OPENERS.get(self.path.suffix)
        if opener is None:
            return self.path.open("rb")
        size = self.path.stat().st_size
        stream = _Bounded(opener(self.path, "rb"), size)
        return cast(IO[bytes], io.BufferedReader(stream))


class _Bounded(io.RawIOBase):
    """A stream that refuses to unpack to far more than a table ever would."""

    def __init__(self, stream: IO[bytes], size: int):
        self._stream = stream
        self._most = max(_HARMLESS, _MOST_EXPANSION * size)
        self._unpacked = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        self._unpacked += len(piece)
        if self._unpacked > self._most:
            raise ValueError(
                f"it unpacks to more than {self._most >> 20} MiB, far more than a "
                "table of numbers does; unpack it yourself if that is meant"
            )
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _header(text: IO[bytes]) -> tuple[str, ...]:
    """The names in the first line.

    By Python's own reader: of a line of a million names pyarrow would keep far more.
    """
    line = text.readline(_BLOCK + 1)
    if len(line) > _BLOCK:
        raise ValueError(f"its first line has more than {_BLOCK >> 20} MiB")
    names = next(csv.reader([line.decode("utf-8-sig")]), [])
    if not names:
        raise ValueError("its first line has no names of columns")
    return tuple(names)


def _options(library: Any) -> Any:
    return library.ReadOptions(block_size=_BLOCK, use_threads=False)
