"""Events as arrays: samples, processes with their variations, channels.

A `Dataset` holds every event that a measurement uses: per channel and process the
nominal sample and, for each shape systematic, the samples shifted up and down. It
knows nothing of files (`read_root` and the generators make one) and nothing of the
observable (`Pipeline` scores it).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Int

from ._custom_types import EventIndex, Features, PerEvent, Rows, Scalar


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
            it, so that an event and its shifted twin land on the same side. `None`
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
            processes and channels.
    """

    nominal: Events
    variations: dict[str, tuple[Events, Events]] = eqx.field(default_factory=dict)

    def samples(self) -> Iterator[tuple[str, Events]]:
        """Every sample with its shift: `""`, then `"NAME:up"`, `"NAME:down"`."""
        yield "", self.nominal
        for name, (up, down) in self.variations.items():
            yield f"{name}:up", up
            yield f"{name}:down", down

    def map(self, change: Callable[[str, Events], Events]) -> "Process":
        """The process with `change(shift, events)` in the place of each sample."""
        return Process(
            change("", self.nominal),
            {
                name: (change(f"{name}:up", up), change(f"{name}:down", down))
                for name, (up, down) in self.variations.items()
            },
        )


@final
class Dataset(eqx.Module):
    """All events of a measurement: channel × process × variation.

    Args:
        channels: for each channel its processes.
        counted: channels that are one bin, the sum of the weights (a control channel
            that holds a normalisation). All other channels are scored by the
            observable.
        observed: recorded events per channel, where there are any. Training and
            `evaluate` never look at them.

    Raises:
        ValueError: a sample is empty, a feature or weight is not finite (the message
            names process, feature and how many), or the features of two scored samples
            differ.

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
        for key, events in self.samples():
            _check_sample(str(key), events, scored=key.channel not in self.counted)
        for channel, events in self.observed.items():
            where = f"the observed events of channel {channel!r}"
            _check_finite(where, events, scored=channel not in self.counted)
        names = {events.names for _, events in self.scored_samples()}
        if len(names) > 1:
            raise ValueError(
                "The samples of a `Dataset` must have the same features in the same "
                f"order; got {' and '.join(map(str, sorted(names)))}."
            )

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


# Sums of weights are kept for positive and for negative weights apart: the sum of a
# small batch of signed weights may come close to 0, and a factor made from it explode.
Totals = dict[SampleKey, tuple[Scalar, Scalar]]


# The functions below use operators only: they work on NumPy's arrays at once, and on
# traced ones inside `jit`.


def _signed_sums(events: Events) -> tuple[Scalar, Scalar]:
    weights = events.weights
    return (weights * (weights > 0)).sum(), (weights * (weights < 0)).sum()


def sums_of_weights(dataset: Dataset) -> Totals:
    """For every sample the sum of its positive and of its negative weights."""
    return {key: _signed_sums(events) for key, events in dataset.samples()}


def rescale(dataset: Dataset, totals: Totals) -> Dataset:
    """A part of a dataset with weights scaled so that it stands for the whole.

    Positive and negative weights are scaled by a factor each, so that their sums are
    those of `totals`; works inside `jit`.
    """

    def scaled(key: SampleKey, events: Events) -> Events:
        up, down = (
            whole / (have + (have == 0))
            for whole, have in zip(totals[key], _signed_sums(events), strict=True)
        )
        weights = events.weights
        return events.with_weights(
            weights * ((weights > 0) * up + (weights < 0) * down)
        )

    return dataset.map(scaled)


def _hash(index: EventIndex, seed: int) -> EventIndex:
    """Well-mixed bits of each index (the finaliser of MurmurHash3)."""
    z = index ^ np.uint32(0x9E3779B9 * (seed + 1) & 0xFFFFFFFF)
    z = (z ^ (z >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    z = (z ^ (z >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return z ^ (z >> np.uint32(16))


def fold_of(events: Events, folds: int) -> Int[Array, " events"]:
    """The fold, 0 … folds − 1, that each event belongs to, by a hash of its index.

    It depends on nothing but the event's index: an event and its shifted twin, also
    where the selection moved it to another channel, are in the same fold.
    """
    return (_hash(events.index, seed=0) % np.uint32(folds)).astype(np.int32)


def leave_out(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """The events that are *not* in `fold`: what the network of that fold may see.

    The weights are scaled so that every sample keeps its sum of weights. Counted
    channels, from which the observable learns nothing, stay complete.

    Example:
        Two-fold cross-fitting trains network `k` on `leave_out(dataset, k, 2)`, and
        scores with it the events of `keep_only(dataset, k, 2)`; `cross_fit` does both.
    """
    return _part(dataset, lambda _, events: fold_of(events, folds) != fold)


def keep_only(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """The dataset with the weights of all events outside `fold` set to 0.

    Nothing is scaled: templates summed over all folds are those of all events. It
    concerns the observed events, too.
    """

    def masked(events: Events) -> Events:
        inside = fold_of(events, folds) == fold
        return events.with_weights(events.weights * inside)

    kept = dataset.map(lambda _, events: masked(events))
    observed = {name: masked(events) for name, events in dataset.observed.items()}
    return Dataset(kept.channels, dataset.counted, observed)


def split(
    dataset: Dataset, fractions: Sequence[float], *, seed: int = 0
) -> tuple[Dataset, ...]:
    """Parts of a dataset that share no event, each standing for the whole.

    An event goes with all its variations into one part, chosen by a seeded hash of
    its index; every process is shared out in the stated fractions exactly. Weights are
    scaled so that each part keeps every sample's sum of weights. Counted channels, from
    which the observable learns nothing, and observed events are complete in each part.

    Args:
        dataset: all events.
        fractions: the share of each part; must be positive and add up to at most 1
            (what is left over is not used).
        seed: another seed gives another split.

    Raises:
        ValueError: the fractions are no fractions, or a part of a sample is empty.

    Example:
        >>> sample = Process(Events([[float(x)] for x in range(10)]))
        >>> train, test = split(Dataset({"SR": {"signal": sample}}), (0.8, 0.2))
        >>> [len(part.channels["SR"]["signal"].nominal) for part in (train, test)]
        [8, 2]
        >>> float(test.channels["SR"]["signal"].nominal.weights.sum())
        10.0
    """
    if min(fractions) <= 0 or sum(fractions) > 1 + 1e-9:
        raise ValueError(
            "`split(fractions=...)` must be positive and add up to at most 1; got "
            f"{tuple(fractions)}."
        )
    parts = _part_of_index(dataset, fractions, seed)

    def belongs(part: int, key: SampleKey, events: Events) -> np.ndarray:
        known, number = parts[key.process]
        return number[np.searchsorted(known, np.asarray(events.index))] == part

    return tuple(
        _part(dataset, partial(belongs, part)) for part in range(len(fractions))
    )


def _part(
    dataset: Dataset, keep: Callable[[SampleKey, Events], Bool[np.ndarray, " events"]]
) -> Dataset:
    """The kept events of the scored channels, scaled to stand for all of them."""
    kept = dataset.map(
        lambda key, events: (
            events
            if key.channel in dataset.counted
            else events.take(np.flatnonzero(np.asarray(keep(key, events))))
        )
    )
    return rescale(kept, sums_of_weights(dataset))


def _part_of_index(
    dataset: Dataset, fractions: Sequence[float], seed: int
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Per process its event indices in order, and the part that each belongs to."""
    indices: dict[str, list[np.ndarray]] = {}
    for key, events in dataset.scored_samples():
        indices.setdefault(key.process, []).append(np.asarray(events.index))
    parts = {}
    for process, arrays in indices.items():
        known = np.unique(np.concatenate(arrays))
        mixed = _hash(known, seed)
        rank = np.argsort(np.argsort(mixed, kind="stable"))
        bounds = np.rint(np.cumsum(fractions) * len(known))
        parts[process] = (known, np.searchsorted(bounds, rank, side="right"))
    return parts


def batches(
    dataset: Dataset, size: int, *, seed: int, start: int = 0
) -> Iterator[dict[SampleKey, Rows]]:
    """For each training step the rows of every scored sample that enter it, for ever.

    A sample is shuffled anew whenever it has been used up; one with no more than
    `size` events is used whole. Samples of one process with the same number of events
    are shuffled alike, so that shifted events stay beside their nominal twins. What
    step `i` gets depends on `seed` and `i` alone: a resumed training passes `start`.

    Args:
        dataset: all events.
        size: the largest number of events per sample and step.
        seed: another seed gives another order.
        start: the first step.
    """
    if size < 1:
        raise ValueError(f"`batches(size=...)` must be at least 1; got {size}.")
    counts = {key: len(events) for key, events in dataset.scored_samples()}
    shuffled: dict[tuple[str, str, int], tuple[int, np.ndarray]] = {}
    step = start
    while True:
        rows = {}
        for key, count in counts.items():
            epoch, place = divmod(step, max(count // size, 1))
            group = (key.channel, key.process, count)
            if shuffled.get(group, (-1,))[0] != epoch:
                shuffled[group] = epoch, _shuffle(group, seed, epoch)
            rows[key] = shuffled[group][1][place * size : (place + 1) * size]
        yield rows
        step += 1


def _shuffle(group: tuple[str, str, int], seed: int, epoch: int) -> np.ndarray:
    channel, process, count = group
    name = list(f"{channel}\0{process}".encode())
    order = np.random.default_rng([seed, epoch, *name]).permutation(count)
    return order.astype(np.int32)


def batch(dataset: Dataset, rows: Mapping[SampleKey, Rows], totals: Totals) -> Dataset:
    """The chosen rows of every scored sample, scaled to stand for the whole of it.

    Counted channels have no observable to compute and stay complete. Works inside
    `jit`, with traced rows.
    """
    chosen = dataset.map(
        lambda key, events: events.take(rows[key]) if key in rows else events
    )
    return rescale(chosen, totals)
