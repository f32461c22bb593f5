"""All events of a measurement, on disk: as a `Dataset`, a part in memory at a time."""

import dataclasses
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
from jaxtyping import PyTree

from ..._checks import check_count
from ..dataset import Dataset, SampleKey, check_not_empty
from ..events import Events
from ..process import Process
from ..split import check_fractions, fold_of_index, hash_of_index
from .chunks import Chunks, Reweighting
from .partition import thresholds
from .sample import StoredSample
from .summation import AbstractSummation, InThisProcess, Program
from .temporary import TemporaryFolder
from .write import Writer, read_manifest, save_manifest

CHUNK = 50_000
"""Events of the largest sample that are in memory together if nothing else is said."""

FEW = 20_000
"""Events of each sample that are enough for a picture."""

_Belongs = Callable[[SampleKey, np.ndarray], np.ndarray]


class StoredProcess(NamedTuple):
    """One process in one channel, on disk."""

    nominal: StoredSample
    variations: dict[str, tuple[StoredSample, StoredSample]]


@final
@dataclass(frozen=True)
class StoredDataset:
    """All events of a measurement, on disk: as a `Dataset` of any size.

    `train`, `evaluate`, `split` and everything that is a sum over events take it in the
    place of a `Dataset`; memory is that of `chunk_size` events of the largest sample.
    `Analysis.stored_dataset` makes it of files, `StoredDataset.write` of parts that a
    program yields.

    Args:
        folder: where the events are.
        parts: the samples, the nominal ones before their variations.
        counted: channels that are one bin, as of `Dataset`.
        chunk_size: how many events of the largest sample are in memory together.
        summation: how sums over the chunks are made; `DaskWorkers` makes them on many
            machines.
        observed: recorded events, as of `Dataset`; these are in memory.
        changes: of the weights, whenever events are read.
    """

    folder: Path
    parts: Mapping[SampleKey, StoredSample]
    counted: tuple[str, ...] = ()
    chunk_size: int = CHUNK
    summation: AbstractSummation = field(default_factory=InThisProcess)
    observed: Mapping[str, Events] = field(default_factory=dict)
    changes: tuple[Reweighting, ...] = ()
    # Temporary folders live as long as a dataset that is in them.
    _alive: tuple[Any, ...] = field(default=(), repr=False, compare=False)
    # Parts that somebody still has: who asks for the same ones need not wait for them.
    _made: weakref.WeakValueDictionary = field(
        default_factory=weakref.WeakValueDictionary,
        init=False,
        repr=False,
        compare=False,
    )

    def __post_init__(self) -> None:
        check_count("StoredDataset(chunk_size=...)", self.chunk_size)
        for key, sample in self.parts.items():
            check_not_empty(key, sample)

    @classmethod
    def write(
        cls,
        parts: Iterable[tuple[SampleKey, Events]],
        folder: str | Path | None = None,
        *,
        counted: Sequence[str] = (),
        chunk_size: int = CHUNK,
        digest: str = "",
        keys: Sequence[SampleKey] = (),
    ) -> "StoredDataset":
        """Write events to disk, part by part.

        Args:
            parts: some events of a sample each, and of which; a part of a variation of
                the weights alone comes after the nominal one, whose features it has as
                the same array.
            folder: where; it is made, and must not have events in it. A temporary one
                if not given, removed with the last dataset that is in it.
            counted: channels that the observable does not score.
            chunk_size: of the dataset.
            digest: of what the events were read from.
            keys: the samples in the order that the model should have; otherwise that in
                which they come.

        Raises:
            ValueError: a sample has no events, or the folder has some already.
            OSError: the folder cannot be written.

        Example:
            >>> from neoskit import gaussian_blobs
            >>> blobs = gaussian_blobs(1000)
            >>> stored = StoredDataset.write(blobs.samples(), chunk_size=300)
            >>> stored
            StoredDataset(1 channel, 2 processes, 4000 events, chunks of 300)
            >>> stored.feature_names
            ('x', 'y')
        """
        if folder is None:
            temporary = TemporaryFolder("neoskit-events-")
            with temporary.filling() as place:
                written = cls.write(
                    parts,
                    place,
                    counted=counted,
                    chunk_size=chunk_size,
                    digest=digest,
                    keys=keys,
                )
            return dataclasses.replace(written, _alive=(temporary,))
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise ValueError(
                f"{place} is not empty. Open the events that are there with "
                "`StoredDataset.open`, or name another folder."
            )
        writer = Writer(place, chunk_size)
        writer.expect(keys, ())
        for key, events in parts:
            writer.add(key, events)
        samples = writer.finish()
        save_manifest(place, samples, counted, digest)
        return cls(place, samples, tuple(counted), chunk_size)

    @classmethod
    def open(
        cls, folder: str | Path, *, chunk_size: int = CHUNK, digest: str = ""
    ) -> "StoredDataset":
        """The events that `write` left in a folder.

        Args:
            folder: which.
            chunk_size: of the dataset.
            digest: of what they must have been read from; any if empty.

        Raises:
            ValueError: there are none, or those of something else.
        """
        samples, counted, found = read_manifest(Path(folder))
        if digest and digest != found:
            raise ValueError(
                f"{folder} has the events of other files, or of another description. "
                "Remove it, or name another folder."
            )
        return cls(Path(folder), samples, counted, chunk_size)

    @property
    def channels(self) -> dict[str, dict[str, StoredProcess]]:
        """For each channel its processes."""
        found: dict[str, dict[str, StoredProcess]] = {}
        for key, sample in self.parts.items():
            processes = found.setdefault(key.channel, {})
            if not key.shift:
                processes[key.process] = StoredProcess(sample, {})
            elif key.shift.endswith(":up"):
                down = key._replace(shift=f"{key.shift.removesuffix(':up')}:down")
                name = key.shift.removesuffix(":up")
                processes[key.process].variations[name] = (sample, self.parts[down])
        return found

    @property
    def scored(self) -> tuple[str, ...]:
        """The channels that the observable scores."""
        return tuple(name for name in self.channels if name not in self.counted)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features of the scored channels."""
        return next((sample.names for _, sample in self.scored_samples()), ())

    def samples(self) -> Iterator[tuple[SampleKey, StoredSample]]:
        """Every sample with the place where it stands."""
        return iter(self.parts.items())

    def scored_samples(self) -> Iterator[tuple[SampleKey, StoredSample]]:
        """Every sample of the channels that the observable scores."""
        return (item for item in self.samples() if item[0].channel not in self.counted)

    def chunks(self, rows: int | None = None, *, counted: bool = True) -> Chunks:
        """The events chunk by chunk.

        Args:
            rows: of the largest sample in one chunk; `chunk_size` if not given.
            counted: whether counted channels are among them.
        """
        samples = self.parts if counted else dict(self.scored_samples())
        return Chunks(
            samples,
            self.counted if counted else (),
            rows or self.chunk_size,
            self.changes,
            self._alive,
        )

    def sum(self, program: Program, arguments: Any) -> PyTree:
        """The sum over all chunks of what a program gives of some arguments and one."""
        return self.summation.sum(program, arguments, self.chunks())

    def with_weights(self, change: Reweighting) -> "StoredDataset":
        """The same events with the weights `change(key, events)` in each sample.

        They are computed whenever a chunk is read. What comes out is judged, and not
        split.
        """
        return dataclasses.replace(self, changes=(*self.changes, change))

    def with_chunk_size(self, rows: int) -> "StoredDataset":
        """The same events, so many of the largest sample at a time."""
        return dataclasses.replace(self, chunk_size=rows)

    def with_summation(self, summation: AbstractSummation) -> "StoredDataset":
        """The same events, whose sums are made in another way."""
        return dataclasses.replace(self, summation=summation)

    def nominal(self) -> "StoredDataset":
        """The same without any variations."""
        parts = {key: sample for key, sample in self.parts.items() if not key.shift}
        return dataclasses.replace(self, parts=parts)

    def recorded(self) -> Dataset:
        """The recorded events alone, as those of one process of each channel."""
        return Dataset(
            {name: {"data": Process(events)} for name, events in self.observed.items()},
            tuple(name for name in self.counted if name in self.observed),
            dict(self.observed),
        )

    def with_observed(self, observed: Mapping[str, Events]) -> "StoredDataset":
        """The same events with recorded ones beside them."""
        return dataclasses.replace(self, observed=observed)

    def in_memory(self, most: int | None = None) -> Dataset:
        """The events as a `Dataset`.

        Args:
            most: only so many of each sample, the first, with weights that stand for
                all of it.
        """
        parts = {
            key: sample if most is None else sample.first(most)
            for key, sample in self.parts.items()
        }
        rows = max(sample.rows for sample in parts.values())
        whole = Chunks(parts, self.counted, rows)[0]
        return Dataset(whole.channels, self.counted, dict(self.observed))

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each feature of the nominal scored events."""
        count, mean, squares = 0, 0.0, 0.0
        for key, sample in self.scored_samples():
            if key.shift:
                continue
            for start in range(0, sample.rows, self.chunk_size):
                stop = min(start + self.chunk_size, sample.rows)
                rows = np.asarray(sample.events(start, stop).features, np.float64)
                # Chan, Golub and LeVeque's update: squares about the mean, never
                # differences of large sums.
                new, apart = rows.mean(axis=0), count + len(rows)
                step = new - mean
                squares = squares + ((rows - new) ** 2).sum(axis=0)
                squares = squares + step**2 * count * len(rows) / apart
                mean, count = mean + step * len(rows) / apart, apart
        return np.asarray(mean), np.sqrt(squares / count)

    def split(
        self, fractions: Sequence[float], *, seed: int = 0
    ) -> tuple["StoredDataset", ...]:
        """As the function `split`: the same events in every part, to the last one."""
        check_fractions(fractions)
        self.check_unchanged("split")
        names = [(*fractions, seed, part) for part in range(len(fractions))]
        made = [part for name in names if (part := self._made.get(name)) is not None]
        if len(made) == len(names):
            return tuple(made)
        of_process: dict[str, list[StoredSample]] = {}
        for key, sample in self.scored_samples():
            if not sample.weights_alone:  # else the nominal sample's indices
                of_process.setdefault(key.process, []).append(sample)
        ends = {
            name: thresholds(
                samples, fractions, seed, folder=self.folder, at_once=self.chunk_size
            )
            for name, samples in of_process.items()
        }

        def belongs(part: int, key: SampleKey, index: np.ndarray) -> np.ndarray:
            mixed = hash_of_index(index, seed).astype(np.uint64)
            parts = np.searchsorted(ends[key.process], mixed, side="right")
            return np.asarray(parts == part)

        parts = [self._part(partial(belongs, i)) for i in range(len(fractions))]
        self._made.update(zip(names, parts, strict=True))
        return tuple(parts)

    def leave_out(self, fold: int, folds: int, *, seed: int = 0) -> "StoredDataset":
        """As the function `leave_out`."""
        self.check_unchanged("leave_out")
        name = ("without", fold, folds, seed)
        part = self._made.get(name)
        if part is None:
            part = self._part(
                lambda _, index: np.asarray(fold_of_index(index, folds, seed)) != fold
            )
            self._made[name] = part
        return part

    def check_unchanged(self, call: str) -> None:
        """What needs the sums of the weights takes those that are on disk.

        Raises:
            ValueError: other weights were given.
        """
        if self.changes:
            raise ValueError(
                f"`{call}` takes events with the weights that are on disk, and these "
                "have others, as a replica has. Give it the dataset itself."
            )

    def _part(self, belongs: _Belongs) -> "StoredDataset":
        """The chosen events of the scored channels, scaled to stand for all of them."""
        temporary = TemporaryFolder("part-", self.folder)
        with temporary.filling() as place:
            done = {
                key: sample
                if key.channel in self.counted
                else self._part_of(key, belongs, place / str(number))
                for number, (key, sample) in enumerate(self.parts.items())
            }
        alive = (*self._alive, temporary)
        return dataclasses.replace(self, folder=place, parts=done, _alive=alive)

    def _part_of(self, key: SampleKey, belongs: _Belongs, place: Path) -> StoredSample:
        sample, nominal = self.parts[key], self.parts[key._replace(shift="")]
        source = nominal if sample.weights_alone else sample
        target = StoredSample(place, sample.names, weights_alone=sample.weights_alone)
        for start in range(0, sample.rows, self.chunk_size):
            stop = min(start + self.chunk_size, sample.rows)
            rows = np.flatnonzero(belongs(key, source.index(start, stop)))
            if sample.weights_alone:
                target = target.append_weights(sample.weights(start, stop)[rows])
            else:
                target = target.append(sample.events(start, stop).take(rows))
        return target.standing_for(sample)

    def __repr__(self) -> str:
        events = sum(sample.rows for sample in self.parts.values())
        processes = len({key.process for key in self.parts})
        channels = len(self.channels)
        return (
            f"StoredDataset({channels} channel{'s' * (channels > 1)}, {processes} "
            f"process{'es' * (processes > 1)}, {events} events, chunks of "
            f"{self.chunk_size})"
        )


def few_events(dataset: Dataset | StoredDataset) -> Dataset:
    """Events to be looked at: all those in memory, the first ones of those on disk."""
    return dataset if isinstance(dataset, Dataset) else dataset.in_memory(FEW)
