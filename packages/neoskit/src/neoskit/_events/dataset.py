"""All events of a measurement: channel × process × variation.

A `Dataset` knows nothing of files (`read_root` reads the `Events` that it is made of)
and nothing of the observable (`Pipeline` scores it).
"""

from collections.abc import Callable, Iterator, Sequence, Sized
from typing import NamedTuple, final

import equinox as eqx
import jax
import numpy as np

from .._checks import check_names
from .._custom_types import PerEvent, Rows
from .events import Events
from .process import Process, replaced


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
            check_not_empty(key, events)
            _check_finite(str(key), events, scored=key.channel not in self.counted)
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

    def features_of(self) -> dict[SampleKey, SampleKey]:
        """For every scored sample the one whose features it has.

        That is the sample itself, or the nominal one where weights alone differ; also
        inside `jit`. To score the former is to score all.
        """
        first: dict[int, SampleKey] = {}
        return {
            key: first.setdefault(id(events.features), key)
            for key, events in self.scored_samples()
        }

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

    def with_weights(
        self, change: Callable[[SampleKey, Events], PerEvent]
    ) -> "Dataset":
        """The same events with the weights `change(key, events)` in each sample.

        Observed events stay as they are. Nothing is checked again: what is made a
        thousand times, as a replica or a part, is made in no time.
        """

        def changed(channel: str, name: str, process: Process) -> Process:
            return process.with_weights(
                lambda shift, events: change(SampleKey(channel, name, shift), events)
            )

        channels = {
            channel: {name: changed(channel, name, p) for name, p in processes.items()}
            for channel, processes in self.channels.items()
        }
        return replaced(self, channels=channels)

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


class EmptySampleError(ValueError):
    """A sample has no events.

    Args:
        key: where it stands.
    """

    def __init__(self, key: SampleKey):
        where = str(key)
        super().__init__(
            f"{where[0].upper()}{where[1:]} has no events. Loosen the selection, or "
            "leave the process out of this channel."
        )
        self.key = key


def check_not_empty(key: SampleKey, events: Sized) -> None:
    """A sample has at least one event.

    Args:
        key: where it stands.
        events: its events, in memory or not.

    Raises:
        EmptySampleError: it has none.
    """
    if len(events) == 0:
        raise EmptySampleError(key)


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
