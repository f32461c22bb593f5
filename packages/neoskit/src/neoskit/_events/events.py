"""Events as arrays: samples, processes with their variations, channels.

A `Dataset` holds every event that a measurement uses: per channel and process the
nominal sample and, for each shape systematic, the samples shifted up and down. It
knows nothing of files (`read_root` reads the `Events` that it is made of) and nothing
of the observable (`Pipeline` scores it).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Int

from .._checks import check_names
from .._custom_types import EventIndex, Features, PerEvent, Rows


class SampleKey(NamedTuple):
    """Where a sample stands in a `Dataset`; `shift` is `""` for the nominal one.

    For the sample of the systematic `tes` shifted up, `shift` is `"tes:up"`.
    """

    channel: str
    process: str
    shift: str

    def __str__(self) -> str:
        where = f"process {self.process!r} of channel {self.channel!r}"
        return f"{where}, variation {self.shift!r}" if self.shift else where


@final
class Events(eqx.Module):
    """A weighted sample of events.

    Args:
        features: the inputs of the observable, `[events, features]`; kept in float32.
        weights: expected number of events that each row stands for; may be negative
            (a background from data minus simulation). `None` is one each.
        names: the features' names, in the order of the columns; `None` gives
            `x0, x1, …`.
        index: an integer that identifies each event and is the same for it in every
            variation (its row in the file, its event number). Splits and folds go by
            it, so that an event and its shifted copies land on the same side. `None`
            numbers the rows.

    Example:
        >>> events = Events([[0.1, 2.0], [0.3, 1.0]], weights=[0.5, 0.7])
        >>> len(events), events.names
        (2, ('x0', 'x1'))
    """

    features: Features
    weights: PerEvent
    index: EventIndex
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        features: Features | Sequence[Sequence[float]],
        weights: PerEvent | Sequence[float] | None = None,
        names: Sequence[str] | None = None,
        index: Int[np.ndarray, " events"] | Sequence[int] | None = None,
    ):
        self.features = _as_array(features, np.float32)
        if self.features.ndim != 2:
            raise ValueError(
                "`Events(features=...)` must have the shape [events, features]; got "
                f"{self.features.shape}. For one feature write `features[:, None]`."
            )
        count, width = self.features.shape
        self.weights = _as_array(
            np.ones(count) if weights is None else weights, np.float64
        )
        self.index = _short_index(np.arange(count) if index is None else index)
        self.names = (
            tuple(f"x{column}" for column in range(width))
            if names is None
            else tuple(names)
        )

    def __check_init__(self) -> None:
        count, width = self.features.shape
        for what, array in (("weights", self.weights), ("index", self.index)):
            if array.shape != (count,):
                raise ValueError(
                    f"`Events({what}=...)` must have one entry per event: got shape "
                    f"{array.shape} for {count} events."
                )
        if len(self.names) != width:
            raise ValueError(
                f"`Events(names=...)` names {len(self.names)} features, but `features` "
                f"has {width} columns."
            )

    def __len__(self) -> int:
        return self.features.shape[0]

    def take(self, rows: Rows) -> "Events":
        """The events of the given rows (also inside `jit`), weights unchanged."""
        return eqx.tree_at(
            lambda events: (events.features, events.weights, events.index),
            self,
            (self.features[rows], self.weights[rows], self.index[rows]),
        )

    def with_weights(self, weights: PerEvent) -> "Events":
        """The same events with other weights."""
        return eqx.tree_at(lambda events: events.weights, self, weights)


def _as_array(values: ArrayLike, dtype: np.dtype) -> Array | np.ndarray:
    """Events are kept by NumPy until they are traced: no compilation per length."""
    if isinstance(values, jax.core.Tracer):
        return values.astype(dtype)
    return np.asarray(values, dtype)


def _short_index(index: Int[np.ndarray, " events"] | Sequence[int]) -> EventIndex:
    """Any integers as 32 bits (jax without x64 has no more); below 2³² unchanged."""
    if isinstance(index, jax.core.Tracer):
        return index.astype(np.uint32)
    wide = np.asarray(index).astype(np.uint64)
    # The upper half is mixed in, not cut off: event numbers of a run and a file are
    # often packed there, and cutting would make distinct events one.
    high = (wide >> np.uint64(32)) * np.uint64(0x9E3779B1)
    return (wide ^ high).astype(np.uint32)


@final
class Process(eqx.Module):
    """One process in one channel: the nominal sample and its shape variations.

    Args:
        nominal: the sample that the yields are from.
        variations: for each systematic the samples `(up, down)` at +1 σ and −1 σ,
            with the selection applied again, so lengths may differ from the nominal
            one's. Systematics of one name share one nuisance parameter in all
            processes and channels. Where weights alone vary, give
            `nominal.with_weights(...)`: the events are then kept and scored once.
    """

    nominal: Events
    # A side whose weights alone differ is kept as its weights: however many there are,
    # features are in memory once, and `samples` gives the nominal ones' own array.
    _sides: dict[str, tuple[Events | PerEvent, Events | PerEvent]]

    def __init__(
        self,
        nominal: Events,
        variations: Mapping[str, tuple[Events, Events]] | None = None,
    ):
        self.nominal = nominal
        self._sides = {
            name: (_weights_alone(up, nominal), _weights_alone(down, nominal))
            for name, (up, down) in (variations or {}).items()
        }

    @property
    def variations(self) -> dict[str, tuple[Events, Events]]:
        """For each systematic the samples `(up, down)`."""
        return {
            name: (self._events(up), self._events(down))
            for name, (up, down) in self._sides.items()
        }

    def _events(self, side: Events | PerEvent) -> Events:
        return side if isinstance(side, Events) else self.nominal.with_weights(side)

    def samples(self) -> Iterator[tuple[str, Events]]:
        """Every sample with its shift: `""`, then `"NAME:up"`, `"NAME:down"`.

        A variation of the weights alone has the features of the nominal sample as the
        same array.
        """
        yield "", self.nominal
        for name, (up, down) in self.variations.items():
            yield f"{name}:up", up
            yield f"{name}:down", down

    def map(self, change: Callable[[str, Events], Events]) -> "Process":
        """The process with `change(shift, events)` in the place of each sample."""
        nominal = change("", self.nominal)

        def changed(shift: str, side: Events | PerEvent) -> Events:
            events = change(shift, self._events(side))
            # They were the nominal events; are they still?
            if not isinstance(side, Events) and _equal_events(events, nominal):
                return nominal.with_weights(events.weights)
            return events

        return Process(
            nominal,
            {
                name: (changed(f"{name}:up", up), changed(f"{name}:down", down))
                for name, (up, down) in self._sides.items()
            },
        )

    def take(self, rows: Callable[[str], Rows]) -> "Process":
        """The rows `rows(shift)` of each sample, also inside `jit`.

        A variation of the weights alone has the rows of the nominal sample, whatever
        `rows` says of it: they stay the same events.
        """
        chosen = rows("")

        def taken(shift: str, side: Events | PerEvent) -> Events | PerEvent:
            if isinstance(side, Events):
                return side.take(rows(shift))
            return side[chosen]

        nominal = self.nominal.take(chosen)
        sides = {
            name: (taken(f"{name}:up", up), taken(f"{name}:down", down))
            for name, (up, down) in self._sides.items()
        }
        return eqx.tree_at(
            lambda process: (process.nominal, process._sides), self, (nominal, sides)
        )


def _weights_alone(events: Events, nominal: Events) -> Events | PerEvent:
    same = events.features is nominal.features and events.index is nominal.index
    return events.weights if same else events


def _equal_events(some: Events, others: Events) -> bool:
    pairs = [(some.features, others.features), (some.index, others.index)]
    # While tracing there are no numbers to compare: it is one array, or another.
    return all(
        a is b
        or (
            not isinstance(a, jax.core.Tracer)
            and not isinstance(b, jax.core.Tracer)
            and np.array_equal(a, b)
        )
        for a, b in pairs
    )


@final
class Dataset(eqx.Module):
    """All events of a measurement: channel × process × variation.

    Args:
        channels: for each channel its processes.
        counted: channels that are one bin, the sum of the weights (a control channel
            that determines a normalisation). All other channels are scored by the
            observable.
        observed: recorded events per channel, where there are any. Training and
            `evaluate` never look at them.

    Raises:
        ValueError: a sample is empty, a feature or weight is not finite (the message
            names process, feature and how many), the features of two scored samples
            differ, or a name is empty or does not print.

    Example:
        >>> signal = Process(Events([[1.0], [2.0]], weights=[0.5, 0.5]))
        >>> background = Process(Events([[0.0], [1.0]], weights=[5.0, 5.0]))
        >>> dataset = Dataset({"SR": {"signal": signal, "background": background}})
        >>> dataset.feature_names
        ('x0',)
    """

    channels: dict[str, dict[str, Process]]
    counted: tuple[str, ...] = eqx.field(static=True, default=())
    observed: dict[str, Events] = eqx.field(default_factory=dict)

    def __check_init__(self) -> None:
        for name in (*self.counted, *self.observed):
            if name not in self.channels:
                raise ValueError(
                    f"`Dataset` is told of a channel {name!r} that it does not have; "
                    f"its channels are {', '.join(self.channels)}."
                )
        check_names("Dataset(channels=...)", self._names())
        for key, events in self.samples():
            _check_sample(str(key), events, scored=key.channel not in self.counted)
        for channel, events in self.observed.items():
            where = f"the observed events of channel {channel!r}"
            _check_finite(where, events, scored=channel not in self.counted)
        # One observable scores all samples: a feature must be the same column in each.
        names = {events.names for _, events in self.scored_samples()}
        if len(names) > 1:
            raise ValueError(
                "The samples of a `Dataset` must have the same features in the same "
                f"order; got {' and '.join(map(str, sorted(names)))}."
            )

    def _names(self) -> set[str]:
        """Of channels, processes and systematics: they become the model's."""
        processes = [
            item for channel in self.channels.values() for item in channel.items()
        ]
        systematics = {name for _, process in processes for name in process.variations}
        return {*self.channels, *(name for name, _ in processes), *systematics}

    @property
    def scored(self) -> tuple[str, ...]:
        """The channels that the observable scores."""
        return tuple(name for name in self.channels if name not in self.counted)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features of the scored channels."""
        return next((events.names for _, events in self.scored_samples()), ())

    def only(self, channels: Sequence[str]) -> "Dataset":
        """The dataset of some of the channels."""
        return Dataset(
            {name: self.channels[name] for name in channels},
            tuple(name for name in self.counted if name in channels),
            {name: e for name, e in self.observed.items() if name in channels},
        )

    def samples(self) -> Iterator[tuple[SampleKey, Events]]:
        """Every sample with the place where it stands."""
        for channel, processes in self.channels.items():
            for name, process in processes.items():
                for shift, events in process.samples():
                    yield SampleKey(channel, name, shift), events

    def scored_samples(self) -> Iterator[tuple[SampleKey, Events]]:
        """Every sample of the channels that the observable scores."""
        return (item for item in self.samples() if item[0].channel not in self.counted)

    def take(self, rows: Callable[[SampleKey], Rows]) -> "Dataset":
        """The rows `rows(key)` of every scored sample, also inside `jit`.

        Counted channels stay complete, and so do observed events.
        """

        def taken(channel: str, name: str, process: Process) -> Process:
            return process.take(lambda shift: rows(SampleKey(channel, name, shift)))

        channels = {
            channel: processes
            if channel in self.counted
            else {name: taken(channel, name, p) for name, p in processes.items()}
            for channel, processes in self.channels.items()
        }
        return Dataset(channels, self.counted, self.observed)

    def map(self, change: Callable[[SampleKey, Events], Events]) -> "Dataset":
        """The dataset with `change(key, events)` in the place of each sample.

        Observed events stay as they are.
        """

        def changed(channel: str, name: str, process: Process) -> Process:
            return process.map(
                lambda shift, events: change(SampleKey(channel, name, shift), events)
            )

        return Dataset(
            {
                channel: {
                    name: changed(channel, name, process)
                    for name, process in processes.items()
                }
                for channel, processes in self.channels.items()
            },
            self.counted,
            self.observed,
        )


def _check_sample(where: str, events: Events, *, scored: bool) -> None:
    if len(events) == 0:
        raise ValueError(
            f"{where[0].upper()}{where[1:]} has no events. Loosen the selection, or "
            "leave the process out of this channel."
        )
    _check_finite(where, events, scored=scored)


def _check_finite(where: str, events: Events, *, scored: bool) -> None:
    """Non-finite numbers are an error here, where there is a name to give.

    The features of a counted channel are never read, so they may be anything.
    """
    # Inside `jit` there is no number to look at; the dataset was checked outside of it.
    if isinstance(events.weights, jax.core.Tracer):
        return
    columns = {"weights": np.asarray(events.weights)}
    if scored:
        columns |= {
            f"feature {name!r}": np.asarray(events.features)[:, column]
            for column, name in enumerate(events.names)
        }
    for what, values in columns.items():
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise ValueError(
                f"{what} of {where}: NaN or infinite in {bad} of {len(events)} events. "
                "Drop those events, or put an indicator feature and a neutral value in "
                "the place of a missing number."
            )
