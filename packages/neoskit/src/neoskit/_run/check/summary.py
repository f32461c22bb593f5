"""What is known of all events after they came by once, part by part."""

import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..._events import Events, SampleKey
from .feature import FeatureSummary
from .repeats import Repeats, hashes


@dataclass
class SampleSummary:
    """One sample.

    Args:
        names: of its features; none where its events are only counted.
        raw: number of events.
        expected: sum of weights.
        squares: sum of their squares.
        negative: how many are negative.
        largest: the largest of their sizes.
        moves: of a shifted sample, whether features of events change, and not their
            weights alone.
        first: an event of it, if there is one.
        rows: events that are another one again in all features and the weight.
        index: events that have the index of another one.
    """

    names: tuple[str, ...] = ()
    raw: int = 0
    expected: float = 0.0
    squares: float = 0.0
    negative: int = 0
    largest: float = 0.0
    moves: bool = False
    first: Events | None = None
    rows: Repeats = field(default_factory=Repeats)
    index: Repeats = field(default_factory=Repeats)

    def add(self, events: Events) -> None:
        """Some more events."""
        self.names = events.names
        weights = np.asarray(events.weights)
        if not len(weights):
            return
        self.raw += len(weights)
        self.expected += float(weights.sum())
        self.squares += float((weights**2).sum())
        self.negative += int((weights < 0).sum())
        self.largest = max(self.largest, float(np.abs(weights).max()))
        if self.first is None:
            self.first = events.take(np.arange(1))

    def compare(self, events: Events) -> None:
        """The same events, looked at for some that come again."""
        if not len(events):
            return
        columns = np.asarray(events.features).T
        self.rows.add(hashes([*columns, np.asarray(events.weights)]))
        self.index.add(hashes([np.asarray(events.index)]))


@dataclass(frozen=True)
class Summary:
    """All samples, nominal ones before their variations.

    Args:
        samples: each of them; some may have no events.
        features: of all nominal events of the scored channels.
    """

    samples: dict[SampleKey, SampleSummary]
    features: dict[str, FeatureSummary]


def summary(
    parts: Iterable[tuple[SampleKey, Events]],
    keys: Iterable[SampleKey],
    scored: Sequence[str],
) -> Summary:
    """What is known of events, one part of which is in memory at a time.

    Args:
        parts: every event of every sample once. What has the weights of a nominal
            sample varied comes with the same array of features, right after it.
        keys: the samples that there should be.
        scored: the channels that the observable scores.
    """
    samples = {key: SampleSummary() for key in keys}
    features: dict[str, FeatureSummary] = {}
    # Of each nominal sample its last part, which is not kept in memory by this.
    last: dict[SampleKey, weakref.ref] = {}
    for key, events in parts:
        sample = samples.setdefault(key, SampleSummary())
        sample.add(events)
        if key.shift:
            nominal = last.get(key._replace(shift=""))
            same = nominal is not None and nominal() is events.features
            # Of a channel that is counted no features are read.
            sample.moves |= bool(events.names) and not same
            continue
        last[key] = weakref.ref(events.features)
        sample.compare(events)
        if key.channel in scored:
            columns = np.asarray(events.features).T
            for name, values in zip(events.names, columns, strict=True):
                features.setdefault(name, FeatureSummary()).add(values)
    return Summary(samples, features)
