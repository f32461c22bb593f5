"""What a description takes of each event, and what it calls that."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..._events import Missing
from ..._events.event_files import EventFiles
from ..._events.files import find
from ..._events.view import View
from ..config import (
    ConfigError,
    DataTable,
    FilesTable,
    FileTable,
    RunConfig,
    SampleTable,
    TemplateTable,
    of_missing,
)
from .plan import Region

Texts = list[tuple[str, str]]
"""The key of each expression of a description, and the expression."""


def source_of(config: RunConfig) -> FilesTable:
    """The source, which is one of files.

    Raises:
        TypeError: it is of another kind.
    """
    if not isinstance(config.source, FilesTable):
        raise TypeError(f"a source of the kind {config.source.kind!r} has no files")
    return config.source


def view(
    source: FilesTable,
    sample: SampleTable,
    region: Region,
    template: TemplateTable | None,
    others: tuple[tuple[str, ...], ...] = (),
) -> View:
    """What is taken of the events of a sample in a region.

    Args:
        source: what holds for all samples.
        sample: which one.
        region: where.
        template: what is different; `None` for the nominal events.
        others: other weights of the same events.
    """
    return View(
        _features(source, region),
        weight(source, sample, template),
        others,
        (*sample.filter, *region.filter),
        {} if template is None else template.columns,
        _missing(source),
        source.index,
        sample.scale,
    )


def data_view(source: FilesTable, data: DataTable, region: Region) -> View:
    """What is taken of the recorded events in a region."""
    return View(
        _features(source, region),
        selection=(*data.filter, *region.filter),
        missing=_missing(source),
        index=source.index,
    )


def weight(
    source: FilesTable, sample: SampleTable, template: TemplateTable | None
) -> tuple[str, ...]:
    """The factors of the weight of an event."""
    nominal = (*source.weight, *sample.weight)
    if template is None:
        return nominal
    varied = (*(template.weight or nominal), *template.factor)
    if template.normalisation is None:
        return varied
    return (*varied, repr(1.0 + template.normalisation))


def _features(source: FilesTable, region: Region) -> dict[str, str]:
    return {} if region.counted else dict(source.features)


def _missing(source: FilesTable) -> dict[str, Missing]:
    return {
        name: Missing(tuple(table.values), table.neutral, of_missing(name, table))
        for name, table in source.missing.items()
    }


def sample_texts(
    source: FilesTable, key: str, sample: SampleTable, regions: Sequence[Region]
) -> Texts:
    """What is asked of every event of a sample."""
    weights = [("source.weight", text) for text in source.weight]
    weights += [(f"{key}.weight", text) for text in sample.weight]
    return [*_texts(source, regions), *_filters(key, sample), *weights]


def data_texts(
    source: FilesTable, key: str, data: DataTable, regions: Sequence[Region]
) -> Texts:
    """What is asked of every recorded event."""
    return [*_texts(source, regions), *_filters(key, data)]


def _texts(source: FilesTable, regions: Sequence[Region]) -> Iterator[tuple[str, str]]:
    for text in source.index:
        yield "source.index", text
    if any(not region.counted for region in regions):
        for name, text in source.features.items():
            yield f"source.features.{name}", text
    for region in regions:
        key = f"channels.{region.number}"
        for text in region.table.filter:
            yield f"{key}.filter", text
        if region.table.variable is not None:
            yield f"{key}.variable", region.table.variable


def _filters(key: str, table: SampleTable | DataTable) -> Texts:
    return [(f"{key}.filter", text) for text in table.filter]


def template_texts(key: str, template: TemplateTable) -> Texts:
    """What a side of a systematic asks of an event."""
    return [
        *((f"{key}.columns.{name}", text) for name, text in template.columns.items()),
        *((f"{key}.weight", text) for text in template.weight),
        *((f"{key}.factor", text) for text in template.factor),
    ]


def event_files(
    source: FilesTable,
    table: SampleTable | DataTable,
    base: Path,
    *,
    key: str,
    number: int,
    files: Sequence[FileTable] | None = None,
    tree: str | None = None,
) -> EventFiles:
    """The files that a table names, or others in their place.

    Args:
        source: what holds for all.
        table: names them.
        base: what the source's folder is relative to.
        key: the table's, for a message.
        number: of the sample, which its events' indices are made of.
        files: those in their place.
        tree: another tree.

    Raises:
        ConfigError: a file is not there, or named twice.
    """
    folder, files = base / source.folder, table.files if files is None else files
    try:
        found = [(path, f.scale) for f in files for path in find(f.path, folder)]
        paths = tuple(path for path, _ in found)
        find(paths)  # none of them twice
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"`{key}.files`: {error} Paths start at `source.folder`, which is "
            f"{source.folder!r}."
        ) from None
    return EventFiles(
        paths,
        tuple(scale for _, scale in found),
        {**source.columns, **table.columns},
        tree or table.tree or source.tree,
        number=number,
    )


@contextlib.contextmanager
def naming(key: str) -> Iterator[None]:
    """Within it, what is wrong with a file is told with the key that names it.

    Raises:
        ConfigError: whatever was wrong.
    """
    try:
        yield
    except ConfigError:
        raise
    except (ValueError, OSError, ImportError) as error:
        text = str(error)
        told = text if text.startswith("`") else f"`{key}`: {text}"
        raise ConfigError(told) from error
