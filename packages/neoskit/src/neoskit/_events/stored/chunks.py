"""A number of rows of every sample at a time, always of the same shapes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..._custom_types import PerEvent
from ..dataset import Dataset, SampleKey
from ..events import Events
from ..process import Process, replaced
from .sample import StoredSample

Reweighting: TypeAlias = Callable[[SampleKey, Events], PerEvent]
"""The weights of some events in the place of their own."""

# What it is checked for was checked when the events were written.
_NOTHING = Dataset({})


@dataclass(frozen=True)
class Chunks:
    """Samples on disk, cut into parts that together have every event once.

    All parts have the same shapes, so that what is compiled for one serves all: those
    that are shorter are filled up with events of weight 0.

    Args:
        samples: the nominal ones before their variations.
        counted: channels that the observable does not score.
        rows: of the largest sample in one part, at most; smaller samples are shared out
            over the same number of parts.
        changes: of the weights, one after the other.
    """

    samples: Mapping[SampleKey, StoredSample]
    counted: tuple[str, ...]
    rows: int
    changes: tuple[Reweighting, ...] = ()
    # Temporary folders live as long as what is read from them.
    _alive: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    def __len__(self) -> int:
        most = max(sample.rows for sample in self.samples.values())
        return -(-most // self.rows)

    def __getitem__(self, number: int) -> Dataset:
        """One part, as a dataset."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        channels: dict[str, dict[str, dict[str, Events]]] = {}
        for key, sample in self.samples.items():
            shifts = channels.setdefault(key.channel, {}).setdefault(key.process, {})
            shifts[key.shift] = self._part(sample, number, shifts.get(""))
        part = replaced(
            _NOTHING,
            channels={
                channel: {name: _process(shifts) for name, shifts in processes.items()}
                for channel, processes in channels.items()
            },
            counted=self.counted,
        )
        for change in self.changes:
            part = part.with_weights(change)
        return part

    def _part(
        self, sample: StoredSample, number: int, nominal: Events | None
    ) -> Events:
        length = -(-sample.rows // len(self))
        stop = min((number + 1) * length, sample.rows)
        # Of a sample that has come to its end one event is looked at again, as nothing.
        start = min(number * length, sample.rows - 1)
        there = max(stop - number * length, 0)
        stop = max(stop, start + 1)
        weights = np.zeros(length)
        weights[:there] = sample.weights(start, stop)[:there]
        if sample.weights_alone and nominal is not None:
            return nominal.with_weights(weights)
        events = sample.events(start, stop)
        rows = np.minimum(np.arange(length), stop - start - 1)
        whole = events if stop - start == length else events.take(rows)
        return whole.with_weights(weights)


def _process(shifts: Mapping[str, Events]) -> Process:
    names = dict.fromkeys(s.rpartition(":")[0] for s in shifts if s)
    return Process(
        shifts[""],
        {name: (shifts[f"{name}:up"], shifts[f"{name}:down"]) for name in names},
    )
