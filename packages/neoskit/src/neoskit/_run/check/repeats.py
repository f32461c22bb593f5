"""How many of very many things are another one again, in little memory."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num, UInt64

_MOST = 2**18  # different hashes that are remembered


class Repeats:
    """Counts things that come more than once, by hashes of 64 bits.

    All of them are remembered while there are few. Of more, those whose hash is in a
    part of all numbers, which is halved whenever they are too many: of things that are
    the same either all are in it or none, so that their share stays what it is.
    """

    def __init__(self, most: int = _MOST):
        self._most = most
        self._hashes = np.zeros(0, np.uint64)
        self._counts = np.zeros(0, np.int64)
        self._halvings = 0
        self._last = np.uint64(2**64 - 1)  # the largest hash that is remembered

    def add(self, hashes: UInt64[np.ndarray, " things"]) -> None:
        """Some more of them."""
        new, counts = np.unique(self._within(hashes), return_counts=True)
        both = np.concatenate([self._hashes, new])
        self._hashes, place = np.unique(both, return_inverse=True)
        self._counts = np.bincount(
            place,
            np.concatenate([self._counts, counts]),
            minlength=len(self._hashes),
        ).astype(np.int64)
        while len(self._hashes) > self._most:
            self._halvings += 1
            self._last >>= np.uint64(1)
            self._hashes = self._within(self._hashes)
            # They are sorted: what is left are the first ones.
            self._counts = self._counts[: len(self._hashes)]

    def _within(
        self, hashes: UInt64[np.ndarray, " things"]
    ) -> UInt64[np.ndarray, " fewer"]:
        return hashes[hashes <= self._last]

    @property
    def again(self) -> int:
        """How many are another one again; an estimate where not all are remembered."""
        return int((self._counts - 1).sum()) << self._halvings


def hashes(
    columns: Sequence[Num[np.ndarray, " things"]],
) -> UInt64[np.ndarray, " things"]:
    """One number for each row of some columns, equal for rows that are equal.

    Vigna's splitmix64, column after column.
    """
    found = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        plain = np.ascontiguousarray(column, np.float64).view(np.uint64)
        found = (found ^ plain) + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found ^= found >> np.uint64(31)
    return found
