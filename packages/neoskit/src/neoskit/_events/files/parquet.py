"""Parquet files, by pyarrow."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from .base import AbstractEventFile, Columns, readable

if TYPE_CHECKING:
    import pyarrow as pa


@final
class ParquetFile(AbstractEventFile):
    """A parquet file, read by row groups.

    Raises:
        ValueError: the bytes are no parquet file.
    """

    def __init__(self, path: Path):
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise ImportError(
                "Reading parquet files needs pyarrow: install `neoskit[parquet]`."
            ) from error
        self.path = path
        with readable(path, "parquet"):
            # Buffered ahead, all row groups would be in memory at once.
            self._file = pyarrow.parquet.ParquetFile(path, pre_buffer=False)
            self.names = tuple(_flat(self._file.schema_arrow))

    @property
    def entries(self) -> int:
        """How many events the file has."""
        return self._file.metadata.num_rows

    def parts(
        self, names: Sequence[str], rows: int, whole: Sequence[str] = ()
    ) -> Iterator[tuple[int, Columns]]:
        """Batches of a row group after the other."""
        start, names = 0, list(names)
        if not names:
            # No column is asked for, but events are counted.
            yield from ((first, {}) for first in range(0, self.entries, rows))
            return
        batches = self._file.iter_batches(batch_size=rows, columns=names)
        while True:
            with readable(self.path, "parquet"):
                batch = next(batches, None)
                if batch is None:
                    return
                columns = {name: arrow_column(_at(batch, name)) for name in names}
            yield start, columns
            start += len(batch)

    def close(self) -> None:
        """Gives the file back."""
        self._file.close()


def _flat(schema: "pa.Schema") -> Iterator[str]:
    """The columns; those of a struct by `struct.field`."""

    def fields(field: "pa.Field", name: str) -> Iterator[str]:
        import pyarrow as pa

        if pa.types.is_struct(field.type):
            for inner in field.type:
                yield from fields(inner, f"{name}.{inner.name}")
        else:
            yield name

    for field in schema:
        yield from fields(field, field.name)


def _at(batch: "pa.RecordBatch", name: str) -> "pa.Array":
    if name in batch.schema.names:
        return batch.column(name)
    first, *rest = name.split(".")
    values = batch.column(first)
    for part in rest:
        values = values.field(part)
    return values


def arrow_column(values: "pa.Array") -> Any:
    """An array of arrow's as NumPy's or, of lists, as awkward's.

    Raises:
        ValueError: its values are neither numbers nor lists of them.
    """
    import pyarrow as pa

    kind = values.type
    if (
        pa.types.is_list(kind)
        or pa.types.is_large_list(kind)
        or (pa.types.is_fixed_size_list(kind))
    ):
        import awkward as ak
        import pyarrow.compute as pc

        # A list that is missing is empty: nothing is known to be in it.
        counts = pc.fill_null(pc.list_value_length(values), 0)
        content = arrow_column(values.flatten())
        return ak.unflatten(content, counts.to_numpy(zero_copy_only=False))
    if pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
    # A missing number becomes NaN, as a missing integer does.
    return values.to_numpy(zero_copy_only=False)
