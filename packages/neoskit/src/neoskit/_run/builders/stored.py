"""Descriptions of files that are larger than memory → events on disk."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..._events import EmptySampleError, StoredDataset
from ..._events.stored import CHUNK
from ..._events.stored.temporary import TemporaryFolder
from ..config import ConfigError, RunConfig, config_document
from . import files
from .plan import regions
from .views import source_of

# What decides which events there are, and with which numbers.
_TABLES = ("source", "samples", "channels", "systematics")
_WITHOUT_EFFECT = ("in_memory", "scratch", "note")


def stored_dataset(
    config: RunConfig,
    base: Path,
    folder: Path | None = None,
    chunk_size: int | None = None,
) -> StoredDataset:
    """All events that training and judgement may see, on disk.

    The files are read once, part by part. In a folder that is named the events stay,
    under a name of their own: who asks for the same ones again has them at once.

    Args:
        config: a description with `source.kind = "files"`.
        base: what its folders are relative to.
        folder: where they are written; `source.scratch`, or a temporary folder.
        chunk_size: events of the largest sample in memory together; `training.chunk` if
            not given.

    Raises:
        ConfigError: as `parts`, or a process has no events in a channel.
        OSError: the folder cannot be written.
    """
    scratch = source_of(config).scratch
    if folder is None and scratch is not None:
        folder = base / scratch
    rows = chunk_size or config.training.largest_chunk or CHUNK
    if folder is None:
        return _written(config, base, None, rows, "")
    digest = digest_of_source(config, base)
    place = folder / f"events-{digest[:16]}"
    if not place.is_dir():
        # Beside its place: a folder of that name is whole, whenever this one ends.
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = TemporaryFolder("unfinished-", folder)
        with unfinished.filling() as within:
            written = within / place.name
            _written(config, base, written, rows, digest)
            try:
                written.rename(place)
            except OSError:
                # Another process may have written the same ones meanwhile.
                if not place.is_dir():
                    raise
    return StoredDataset.open(place, chunk_size=rows, digest=digest)


def _written(
    config: RunConfig, base: Path, place: Path | None, rows: int, digest: str
) -> StoredDataset:
    try:
        return StoredDataset.write(
            files.parts(config, base, rows=rows),
            place,
            counted=[region.name for region in regions(config) if region.counted],
            chunk_size=rows,
            digest=digest,
            keys=tuple(files.keys(config)),
        )
    except EmptySampleError as error:
        raise ConfigError(files.no_events(config, error.key)) from None


def digest_of_source(config: RunConfig, base: Path) -> str:
    """Of all that decides which events there are: the description, and the files."""
    document: dict[str, Any] = config_document(config)
    tables = {name: document.get(name) for name in _TABLES}
    source = {k: v for k, v in document["source"].items() if k not in _WITHOUT_EFFECT}
    text = json.dumps([tables | {"source": source}, list(_files(config, base))])
    return hashlib.sha256(text.encode()).hexdigest()


def _files(config: RunConfig, base: Path) -> Iterator[tuple[str, int, int]]:
    for _, path, _ in files.entries(config, base):
        status = path.stat()
        yield str(path.resolve()), status.st_size, status.st_mtime_ns
