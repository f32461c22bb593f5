"""An analysis that a file describes, in Python."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax

from .._events import Dataset, Events, SampleKey, StoredDataset
from .._events.event_files import ROWS
from .._pipeline import Pipeline
from .._statmodel import Measurement
from .builders import (
    build_dataset,
    build_measurement,
    build_observed,
    build_pipeline,
    check_described,
)
from .builders.files import parts
from .builders.stored import stored_dataset
from .check import Check, check
from .config import ConfigError, FilesTable, RunConfig, parse_config, read_config


@dataclass(frozen=True)
class Analysis:
    """What a configuration describes: events, measurement, observable.

    Args:
        config: the description, checked.
        base: the folder that paths in it are relative to.

    Example:
        >>> analysis = Analysis.from_dict({"source": {"kind": "blobs", "events": 50}})
        >>> dataset = analysis.dataset()
        >>> dataset.feature_names
        ('x', 'y')
        >>> analysis.check().yields[0].raw
        50
    """

    config: RunConfig
    base: Path = dataclasses.field(default_factory=Path)

    @classmethod
    def from_toml(cls, path: str | Path) -> "Analysis":
        """The analysis that a TOML file describes.

        Args:
            path: the file; paths in it are relative to its folder.

        Raises:
            ValueError: it cannot be read or is wrong; the message names the file, each
                key, and for an unknown one its nearest relative.
        """
        return cls(read_config(path), Path(path).parent)

    @classmethod
    def from_dict(
        cls, document: Mapping[str, Any], base: str | Path = "."
    ) -> "Analysis":
        """The analysis that a dictionary describes, by the keys of the TOML file.

        Args:
            document: tables and keys.
            base: the folder that paths in it are relative to.

        Raises:
            ValueError: it is wrong; the message names each key.
        """
        return cls(parse_config(dict(document)), Path(base))

    def check(self) -> Check:
        """What there is, what a training will do, and what is odd about it.

        Raises:
            ValueError: something cannot be read, or is described that is not there.
        """
        return check(self.config, self.base)

    def dataset(self) -> Dataset | StoredDataset:
        """All events that training and judgement may see.

        They are on disk where the description says `source.in_memory = false`.

        Raises:
            ValueError: as `check`, or a process has no events in a channel.
        """
        return build_dataset(self.config, self.base)

    def stored_dataset(
        self, folder: str | Path | None = None, *, chunk_size: int | None = None
    ) -> StoredDataset:
        """The same events on disk, for as many as there are.

        The files are read once, part by part, and the events that are selected written
        as the plain numbers that the observable sees. Memory is that of `chunk_size`
        events of the largest sample, here and in a training.

        Args:
            folder: where they are written, in a folder of their own; it is found again
                when the same events are asked for. `source.scratch` if not given, or a
                temporary folder, which is removed with the dataset.
            chunk_size: how many events of the largest sample are in memory together;
                `training.chunk` if not given.

        Raises:
            ValueError: the source is not of the kind `files`; or as `dataset`.
            OSError: the folder cannot be written.
        """
        self._of_files()
        place = None if folder is None else Path(folder)
        stored = stored_dataset(self.config, self.base, place, chunk_size)
        check_described(self.config, stored)
        return stored

    def parts(self, *, rows: int = ROWS) -> Iterator[tuple[SampleKey, Events]]:
        """The same events part by part, as the files are read.

        Memory is that of one part, whatever the size of the files. Every event of
        every sample comes once: sums over the parts are those over the dataset. An
        event whose weight alone is varied has the features of the nominal one, as the
        same array.

        Args:
            rows: how many entries of a file are read at once.

        Raises:
            ValueError: the source is not of the kind `files`; or as `dataset`.
        """
        self._of_files()
        return parts(self.config, self.base, rows=rows)

    def _of_files(self) -> None:
        if not isinstance(self.config.source, FilesTable):
            raise ConfigError(
                f"`source.kind` is {self.config.source.kind!r}: there are no files to "
                "read part by part; `dataset` gives all events."
            )

    def observed(self) -> dict[str, Events]:
        """The recorded events of each channel. This opens the data.

        Raises:
            ValueError: none are described, or they cannot be read.
        """
        return build_observed(self.config, self.base)

    def measurement(self) -> Measurement:
        """What is measured, and what is uncertain."""
        return build_measurement(self.config)

    def pipeline(self, dataset: Dataset, *, seed: int = 0) -> Pipeline:
        """The pipeline before its training.

        Args:
            dataset: events that the means and scales of features are taken from.
            seed: of the observable's initial parameters.
        """
        return build_pipeline(self.config, dataset, jax.random.key(seed))
