"""Descriptions → events."""

from pathlib import Path
from typing import cast

from ..._events import (
    Dataset,
    Events,
    gaussian_blobs,
    inferno_synthetic,
)
from ..config import (
    BlobsTable,
    ConfigError,
    FilesTable,
    InfernoTable,
    PythonTable,
    RunConfig,
)
from . import files, stored
from .described import check_described
from .python_source import called, look_up


def build_dataset(config: RunConfig, base: Path) -> Dataset:
    """All events that training and judgement may see.

    Those on disk, a `StoredDataset`, stand for a `Dataset` wherever it is summed over.

    Args:
        config: The description.
        base: The folder that paths in it are relative to.

    Raises:
        ConfigError: Where a user's source cannot be had, or the description names what
            the events do not have.
    """
    match config.source:
        case BlobsTable(events=events, seed=seed):
            dataset = gaussian_blobs(events, seed=seed)
        case InfernoTable(events=events, seed=seed):
            dataset = inferno_synthetic(events, seed=seed)
        case PythonTable() as source:
            dataset = called(source, base, source.function, Dataset)
            # Only looked up: to call it is to open the data.
            if source.observed is not None:
                look_up(source, base, source.observed)
        case FilesTable(in_memory=False):
            dataset = cast(Dataset, stored.stored_dataset(config, base))
            files.check_data(config, base)
        case FilesTable():
            dataset = files.dataset(config, base)
            files.check_data(config, base)
    check_described(config, dataset)
    return dataset


def build_observed(config: RunConfig, base: Path) -> dict[str, Events]:
    """The recorded events per channel. This opens the data.

    Raises:
        ConfigError: Where the source has none.
    """
    source = config.source
    if isinstance(source, FilesTable):
        return files.observed(config, base)
    if not isinstance(source, PythonTable) or source.observed is None:
        raise ConfigError(
            f"`source` of kind {source.kind!r} has no recorded events to unblind; a "
            "source of kind 'python' names the function that reads them: "
            "`observed = \"…\"`, one of kind 'files' the table `data`."
        )
    return called(source, base, source.observed, dict)


def absolute(config: RunConfig, base: Path) -> RunConfig:
    """The same description, no longer relative to a folder."""
    source = config.source
    key = {"python": "file", "files": "folder"}.get(source.kind)
    if key is None:
        return config
    # The run's folder has a copy of the description and stands elsewhere.
    places = {key: getattr(source, key), "scratch": getattr(source, "scratch", None)}
    moved = source.model_copy(
        update={
            name: str((base / place).resolve())
            for name, place in places.items()
            if place is not None
        }
    )
    return config.model_copy(update={"source": moved})
