"""What is known of one feature after its values came by once, part by part."""

import numpy as np
from jaxtyping import Float

USUAL = (-99999, -9999, -1000, -999, -99, -10, -9, -7, -5, -1, 99, 999, 9999, 99999)
"""The numbers by which programs say that there is no such value."""
MOST_SENTINELS = 3
"""How many of them are looked for in one feature."""

# Different values at either end: as many as sentinels, and their nearest.
_AT_AN_END = MOST_SENTINELS + 2
_REMEMBERED = 20_000  # values that a median is of


class FeatureSummary:
    """A feature, of which not more than one part is in memory."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0  # of the distances to the mean
        self._values = np.zeros(0, np.float32)  # the first ones
        # Different values at both ends, and how often the usual sentinels come.
        self.ends = np.zeros(0, np.float32)
        self._usual = dict.fromkeys(USUAL, 0)

    def add(self, values: Float[np.ndarray, " events"]) -> None:
        """Some more values, at least one."""
        count, mean = len(values), float(values.mean(dtype=np.float64))
        squares = float(values.var(dtype=np.float64)) * count
        # Chan, Golub, LeVeque 1979, equation 2.1.
        total, apart = self.count + count, mean - self.mean
        self._squares += squares + apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count = total
        distinct, counts = np.unique(values, return_counts=True)
        found = np.searchsorted(distinct, np.asarray(USUAL, values.dtype))
        for value, place in zip(USUAL, found, strict=True):
            if place < len(distinct) and distinct[place] == value:
                self._usual[value] += int(counts[place])
        ends = np.unique(np.concatenate([self.ends, _ends(distinct)]))
        self.ends = _ends(ends)
        if len(self._values) < _REMEMBERED:
            some = values[: _REMEMBERED - len(self._values)]
            self._values = np.concatenate([self._values, some])

    @property
    def low(self) -> float:
        """The smallest value."""
        return float(self.ends[0])

    @property
    def high(self) -> float:
        """The largest value."""
        return float(self.ends[-1])

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self._squares / self.count))

    def share(self, usual: float) -> float:
        """The share of one of the usual sentinels."""
        return self._usual[int(usual)] / self.count

    def median_without(self, value: float) -> float:
        """The median of the others, as of the first events."""
        rest = self._values[self._values != np.float32(value)]
        return float(np.median(rest)) if len(rest) else 0.0


def _ends(distinct: Float[np.ndarray, " values"]) -> Float[np.ndarray, " few"]:
    if len(distinct) <= 2 * _AT_AN_END:
        return distinct
    return np.concatenate([distinct[:_AT_AN_END], distinct[-_AT_AN_END:]])
