"""Parts of a dataset that stand for the whole: splits, folds, batches.

Every choice goes by a hash of the event's index, so that an event and its shifted
copies are always on the same side.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Protocol, Self, TypeAlias, TypeVar, overload

import numpy as np
from jaxtyping import Array, Bool, Int

from .._checks import check_count, check_fold
from .._custom_types import EventIndex, PerEvent, Rows, Scalar
from .dataset import Dataset, SampleKey
from .events import Events
from .process import replaced

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

    def scaled(key: SampleKey, events: Events) -> PerEvent:
        up, down = (
            # A sum of 0 has no weight to scale: any divisor but 0 will do.
            whole / (have + (have == 0))
            for whole, have in zip(totals[key], _signed_sums(events), strict=True)
        )
        weights = events.weights
        return weights * ((weights > 0) * up + (weights < 0) * down)

    return dataset.with_weights(scaled)


class _OnDisk(Protocol):
    """What a dataset that is not in memory does by itself."""

    def split(
        self, fractions: Sequence[float], *, seed: int = 0
    ) -> tuple[Self, ...]: ...

    def leave_out(self, fold: int, folds: int, *, seed: int = 0) -> Self: ...


_Disk = TypeVar("_Disk", bound=_OnDisk)


def hash_of_index(index: EventIndex, seed: int) -> EventIndex:
    """Well-mixed bits of each index (the finaliser of MurmurHash3)."""
    z = index ^ np.uint32(0x9E3779B9 * (seed + 1) & 0xFFFFFFFF)
    z = (z ^ (z >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    z = (z ^ (z >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return z ^ (z >> np.uint32(16))


EventFolds: TypeAlias = Int[Array, " events"] | Int[np.ndarray, " events"]
"""The fold that each event belongs to."""


def fold_of(events: Events, folds: int, *, seed: int = 0) -> EventFolds:
    """The fold, 0 … folds − 1, that each event belongs to, by a hash of its index.

    It depends on nothing but the event's index and the seed: an event and its shifted
    copy, also where the selection moved it to another channel, are in the same fold.

    Args:
        events: whose folds are asked for.
        folds: how many there are.
        seed: another seed gives another partition.

    Raises:
        ValueError: there is not even one fold.
    """
    check_count("fold_of(folds=...)", folds)
    return fold_of_index(events.index, folds, seed)


def fold_of_index(index: EventIndex, folds: int, seed: int) -> EventFolds:
    """The fold of each event, by its index alone."""
    return (hash_of_index(index, seed) % np.uint32(folds)).astype(np.int32)


@overload
def leave_out(dataset: Dataset, fold: int, folds: int, *, seed: int = 0) -> Dataset: ...


@overload
def leave_out(dataset: _Disk, fold: int, folds: int, *, seed: int = 0) -> _Disk: ...


def leave_out(
    dataset: Dataset | _OnDisk, fold: int, folds: int, *, seed: int = 0
) -> Dataset | _OnDisk:
    """The events that are *not* in `fold`: what the network of that fold may see.

    The weights are scaled so that every sample keeps its sum of weights. Counted
    channels, from which the observable learns nothing, stay complete.

    Args:
        dataset: all events.
        fold: which, from 0.
        folds: how many there are, at least two.
        seed: of the partition of the events into folds.

    Example:
        Two-fold cross-fitting trains network `k` on `leave_out(dataset, k, 2)`, and
        scores with it the events of `keep_only(dataset, k, 2)`; `cross_fit` does both.

    Raises:
        ValueError: there is no such fold, or fewer than two of them.
    """
    check_fold("leave_out", fold, folds)
    if not isinstance(dataset, Dataset):
        return dataset.leave_out(fold, folds, seed=seed)
    return _part(
        dataset,
        lambda _, events: np.asarray(fold_of(events, folds, seed=seed)) != fold,
    )


def keep_only(dataset: Dataset, fold: int, folds: int, *, seed: int = 0) -> Dataset:
    """The dataset with the weights of all events outside `fold` set to 0.

    Nothing is scaled: templates summed over all folds are those of all events. It
    concerns the observed events, too. `fold`, `folds` and `seed` are as in `leave_out`.

    Raises:
        ValueError: there is no such fold, or fewer than two of them.
    """
    check_fold("keep_only", fold, folds)

    def masked(events: Events) -> PerEvent:
        # A weight of 0 in place of the event's absence: all folds have one shape, and
        # share what is compiled for it.
        return events.weights * (fold_of(events, folds, seed=seed) == fold)

    inside = dataset.with_weights(lambda _, events: masked(events))
    observed = {
        name: events.with_weights(masked(events))
        for name, events in dataset.observed.items()
    }
    return replaced(inside, observed=observed)


@overload
def split(
    dataset: Dataset, fractions: Sequence[float], *, seed: int = 0
) -> tuple[Dataset, ...]: ...


@overload
def split(
    dataset: _Disk, fractions: Sequence[float], *, seed: int = 0
) -> tuple[_Disk, ...]: ...


def split(
    dataset: Dataset | _OnDisk, fractions: Sequence[float], *, seed: int = 0
) -> tuple[Dataset | _OnDisk, ...]:
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
        >>> from neoskit import Process
        >>> sample = Process(Events([[float(x)] for x in range(10)]))
        >>> train, test = split(Dataset({"SR": {"signal": sample}}), (0.8, 0.2))
        >>> [len(part.channels["SR"]["signal"].nominal) for part in (train, test)]
        [8, 2]
        >>> float(test.channels["SR"]["signal"].nominal.weights.sum())
        10.0
    """
    check_fractions(fractions)
    if not isinstance(dataset, Dataset):
        return dataset.split(fractions, seed=seed)
    parts = _part_of_index(dataset, fractions, seed)

    def belongs(part: int, key: SampleKey, events: Events) -> np.ndarray:
        known, number = parts[key.process]
        return number[np.searchsorted(known, np.asarray(events.index))] == part

    return tuple(
        _part(dataset, partial(belongs, part)) for part in range(len(fractions))
    )


def check_fractions(fractions: Sequence[float]) -> None:
    """They are shares.

    Raises:
        ValueError: they are not positive, or add up to more than 1.
    """
    if not isinstance(fractions, Sequence | np.ndarray) or len(fractions) == 0:
        raise ValueError(
            "`split(fractions=...)` needs the share of each part, such as (0.8, 0.2); "
            f"got {fractions!r}."
        )
    # NaN is no share either: asked this way round, it is refused.
    if not (min(fractions) > 0 and sum(fractions) <= 1 + 1e-9):
        raise ValueError(
            "`split(fractions=...)` must be positive and add up to at most 1; got "
            f"{tuple(fractions)}."
        )


def _part(
    dataset: Dataset, keep: Callable[[SampleKey, Events], Bool[np.ndarray, " events"]]
) -> Dataset:
    """The chosen events of the scored channels, scaled to stand for all of them."""
    part = dataset.map(
        lambda key, events: (
            events
            if key.channel in dataset.counted
            else events.take(np.flatnonzero(np.asarray(keep(key, events))))
        )
    )
    return rescale(part, sums_of_weights(dataset))


def _part_of_index(
    dataset: Dataset, fractions: Sequence[float], seed: int
) -> Mapping[str, tuple[np.ndarray, np.ndarray]]:
    """Per process its event indices in order, and the part that each belongs to."""
    indices: dict[str, list[np.ndarray]] = {}
    for key, events in dataset.scored_samples():
        indices.setdefault(key.process, []).append(np.asarray(events.index))
    parts = {}
    for process, arrays in indices.items():
        # One list for the nominal sample and its variations: an event that only one of
        # them selects has its part, too.
        known = np.unique(np.concatenate(arrays))
        mixed = hash_of_index(known, seed)
        rank = np.argsort(np.argsort(mixed, kind="stable"))
        bounds = np.rint(np.cumsum(fractions) * len(known))
        parts[process] = (known, np.searchsorted(bounds, rank, side="right"))
    return parts


def padded(dataset: Dataset, lengths: Mapping[SampleKey, int]) -> Dataset:
    """The same with events of weight 0 at the end of samples that are shorter.

    What is compiled belongs to the lengths of the samples: those of equal lengths share
    it.
    """

    def rows(key: SampleKey) -> Rows:
        count = counts[key]
        return np.minimum(np.arange(max(lengths[key], count)), count - 1)

    def weights(key: SampleKey, events: Events) -> PerEvent:
        there = np.arange(len(events)) < counts.get(key, len(events))
        return events.weights * there

    counts = {key: len(events) for key, events in dataset.scored_samples()}
    return dataset.take(rows).with_weights(weights)


def lengths_of_folds(dataset: Dataset, folds: int) -> dict[SampleKey, int]:
    """A length for each sample that holds all but one of its folds, any partition.

    Five standard deviations above the mean of what `leave_out` leaves: folds and
    partitions that are filled up to it share what is compiled.
    """
    lengths = {}
    for key, events in dataset.scored_samples():
        count, share = len(events), 1 / folds
        spread = np.sqrt(count * share * (1 - share))
        lengths[key] = min(count, int(np.ceil(count * (1 - share) + 5 * spread)))
    return lengths


def batches(
    dataset: Dataset, size: int, *, seed: int, start: int = 0
) -> Iterator[dict[SampleKey, Rows]]:
    """For each training step the rows of every scored sample that enter it, for ever.

    A sample is shuffled anew whenever it has been used up; one with no more than
    `size` events is used whole. Samples of one process with the same number of events
    are shuffled alike, so that shifted events stay beside their nominal ones. What
    step `i` gets depends on `seed` and `i` alone: a resumed training passes `start`.

    Args:
        dataset: all events.
        size: the largest number of events per sample and step.
        seed: another seed gives another order.
        start: the first step.
    """
    check_count("batches(size=...)", size)
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
    # The name's own bytes: Python's hash of a text differs from process to process.
    name = list(f"{channel}\0{process}".encode())
    order = np.random.default_rng([seed, epoch, *name]).permutation(count)
    return order.astype(np.int32)


def batch(dataset: Dataset, rows: Mapping[SampleKey, Rows], totals: Totals) -> Dataset:
    """The chosen rows of every scored sample, scaled to stand for the whole of it.

    Counted channels have no observable to compute and stay complete. Works inside
    `jit`, with traced rows.
    """
    return rescale(dataset.take(lambda key: rows[key]), totals)
