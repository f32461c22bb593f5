"""Which part of a split an event is in, by thresholds on the hash of its index.

A split into exact fractions needs the order of all hashes of a process. They are
sorted bucket by bucket, so that memory does not grow with their number.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..split import hash_of_index
from .sample import StoredSample

# Hashes that are sorted in memory together.
_IN_BUCKET = 1 << 18


def thresholds(
    samples: Sequence[StoredSample],
    fractions: Sequence[float],
    seed: int,
    *,
    folder: Path,
    at_once: int,
) -> np.ndarray:
    """The hash at which each part of a process ends; that of the last may be 2³².

    The parts are those of `split`: a share of the distinct indices each, in the order
    of their hashes.

    Args:
        samples: the nominal sample and its variations, in every channel.
        fractions: the share of each part.
        seed: of the hash.
        folder: where a temporary file may be written.
        at_once: how many indices are read at once.
    """
    rows = sum(sample.rows for sample in samples)
    bits = max(int(np.ceil(np.log2(max(rows / _IN_BUCKET, 1)))), 0)
    with tempfile.TemporaryDirectory(prefix="hashes-", dir=folder) as place:
        buckets = [Path(place) / str(number) for number in range(1 << bits)]
        for sample in samples:
            for start in range(0, sample.rows, at_once):
                index = sample.index(start, min(start + at_once, sample.rows))
                _share_out(hash_of_index(index, seed), buckets, bits)
        counts = [len(hashes) for hashes in _distinct(buckets)]
        ranks = np.rint(np.cumsum(fractions) * sum(counts))
        first = np.concatenate([[0], np.cumsum(counts)])
        found = np.full(len(ranks), 1 << 32, np.uint64)
        for number, hashes in enumerate(_distinct(buckets)):
            inside = (first[number] <= ranks) & (ranks < first[number + 1])
            found[inside] = hashes[(ranks[inside] - first[number]).astype(int)]
    return found


def _share_out(hashes: np.ndarray, buckets: Sequence[Path], bits: int) -> None:
    numbers = (hashes.astype(np.uint64) >> np.uint64(32 - bits)).astype(np.int64)
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(buckets)))
    for path, some in zip(buckets, np.split(hashes[order], ends[:-1]), strict=True):
        if len(some):
            with path.open("ab") as file:
                some.tofile(file)


def _distinct(buckets: Sequence[Path]) -> Iterator[np.ndarray]:
    for path in buckets:
        yield np.unique(np.fromfile(path, np.uint32)) if path.is_file() else np.zeros(0)
