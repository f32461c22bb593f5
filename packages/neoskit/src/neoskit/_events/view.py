"""What is taken of each event of a file: selection, features, weight, index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from .derived import Derived
from .events import Events


@dataclass(frozen=True)
class Missing:
    """How a file says that an event has no such value, and what is read instead.

    Args:
        values: the numbers that say so, such as −999; NaN may be one of them.
        neutral: what the observable sees instead.
        indicator: the feature that is 1 where the value is missing and 0 elsewhere;
            several columns that are missing together may share one. `None` leaves it
            out.
    """

    values: tuple[float, ...]
    neutral: float
    indicator: str | None

    def where(self, values: np.ndarray) -> np.ndarray:
        """Which of these are missing."""
        found = np.isin(values, np.asarray(self.values, values.dtype))
        return found | np.isnan(values) if np.isnan(self.values).any() else found


@dataclass(frozen=True)
class View:
    """What is taken of each event.

    Args:
        features: name → expression.
        weight: expressions whose product is the weight.
        others: other weights of the same events, each as `weight` is given.
        selection: expressions that all must hold.
        shift: columns that have another value, as expressions over the file's own.
        missing: feature → how it says that it is missing.
        index: columns of integers that tell events apart; without any, the number of
            the file and of the entry do.
        scale: factor on the weight.
    """

    features: Mapping[str, str]
    weight: tuple[str, ...] = ()
    others: tuple[tuple[str, ...], ...] = ()
    selection: tuple[str, ...] = ()
    shift: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Missing] = field(default_factory=dict)
    index: tuple[str, ...] = ()
    scale: float = 1.0

    @property
    def expressions(self) -> list[str]:
        """Everything that is computed, of columns before or after their shift."""
        return [
            *self.features.values(),
            *self.weight,
            *(text for weight in self.others for text in weight),
            *self.selection,
            *self.shift.values(),
            *self.index,
        ]

    @property
    def names(self) -> tuple[str, ...]:
        """The features of the events, the indicators of missing ones last."""
        indicators = [
            missing.indicator
            for name, missing in self.missing.items()
            if name in self.features and missing.indicator is not None
        ]
        return tuple(dict.fromkeys([*self.features, *indicators]))

    def of(
        self,
        columns: Derived,
        numbers: np.ndarray,
        where: Callable[[int], str],
        factor: float = 1.0,
    ) -> tuple[Events, ...]:
        """The events that pass the selection, then the same with the other weights.

        Args:
            columns: of a piece of a file.
            numbers: the index of each of its events, where no column gives one.
            where: row of the piece → what to call it in a message.
            factor: of the file, on the weight.

        Raises:
            ValueError: a feature or weight is NaN or infinite.
        """
        columns = columns.shifted(self.shift)
        keep = np.ones(columns.length, bool)
        for text in self.selection:
            keep &= _condition(columns.value(text), text)
        rows = np.flatnonzero(keep)

        # Of many weight variations each has most factors of the nominal weight.
        factors: dict[str, np.ndarray] = {}

        def weights(texts: tuple[str, ...]) -> np.ndarray:
            product = np.full(len(rows), self.scale)
            for text in texts:
                if text not in factors:
                    values = columns.value(text)
                    factors[text] = _finite(values, rows, "weight", text, where)
                product = _product(product, factors[text], rows, text, where)
            # The factor of the file last: it is no number of the file's.
            return _product(product, factor, rows, f"… * {factor:g}", where)

        seen: dict[str, np.ndarray] = {}
        indicators: dict[str, np.ndarray] = {}
        for name in self.features:
            seen[name] = self._feature(name, columns, rows, indicators, where)
        seen |= indicators
        events = Events(
            np.stack([*seen.values()], axis=-1)
            if seen
            else np.zeros((len(rows), 0), np.float32),
            weights(self.weight),
            self.names,
            self._index(columns, numbers)[rows],
        )
        return events, *(events.with_weights(weights(other)) for other in self.others)

    def _feature(
        self,
        name: str,
        columns: Derived,
        rows: np.ndarray,
        indicators: dict[str, np.ndarray],
        where: Callable[[int], str],
    ) -> np.ndarray:
        text = self.features[name]
        values = np.asarray(columns.value(text))
        missing = self.missing.get(name)
        if missing is not None:
            values = values.astype(np.float64)
            absent = missing.where(values)
            values = np.where(absent, missing.neutral, values)
            if missing.indicator is not None:
                before = indicators.get(missing.indicator, 0)
                both = np.maximum(before, absent[rows].astype(np.float32))
                indicators[missing.indicator] = both
        return _finite(values, rows, "feature", text, where).astype(np.float32)

    def _index(self, columns: Derived, numbers: np.ndarray) -> np.ndarray:
        if not self.index:
            return numbers
        parts = [
            # A column as it is: of a computed one the last digits may be lost.
            _whole(columns[text] if text in columns else columns.value(text), text)
            for text in self.index
        ]
        if len(parts) == 1:
            return parts[0]
        mixed = np.zeros(columns.length, np.uint64)
        for part in parts:
            mixed = _mix(mixed ^ part)
        return mixed


def _condition(values: np.ndarray, text: str) -> np.ndarray:
    if values.dtype.kind in "biu":
        return values.astype(bool)
    # A number in the place of a condition is a slip, such as `pt - 20` for `pt > 20`.
    raise ValueError(
        f"The selection {text!r} is a number for each event, not a condition. Compare "
        "it with something."
    )


def _finite(
    values: np.ndarray,
    rows: np.ndarray,
    what: str,
    text: str,
    where: Callable[[int], str],
) -> np.ndarray:
    """The values of some rows, which must be finite numbers."""
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"The {what} {text!r} has values of the type {values.dtype}; numbers are "
            "needed."
        )
    chosen = values[rows].astype(np.float64)
    # What a 32-bit feature cannot hold would become infinite later, without a name.
    limit = np.finfo(np.float32).max if what == "feature" else np.finfo(np.float64).max
    bad = np.flatnonzero(~(np.abs(chosen) <= limit))
    if bad.size:
        remedy = (
            f"say that it may be missing (`missing`), cut these events away by "
            f"`isfinite({text})` in the selection, or replace the value, as in "
            f"`where(isfinite({text}), {text}, 0)`"
            if what == "feature"
            else f"cut these events away by `isfinite({text})` in the selection"
        )
        raise ValueError(
            f"The {what} {text!r} is {chosen[bad[0]]} at {where(int(rows[bad[0]]))} "
            f"({bad.size} of {len(rows)} selected events there): {remedy}."
        )
    return chosen


def _product(
    values: np.ndarray,
    factor: np.ndarray | float,
    rows: np.ndarray,
    text: str,
    where: Callable[[int], str],
) -> np.ndarray:
    with np.errstate(over="ignore"):
        product = values * factor
    return _finite(
        product, np.arange(len(rows)), "weight", text, lambda i: where(rows[i])
    )


def _whole(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values)
    if values.dtype.kind == "f":
        if not (np.isfinite(values).all() and (values == np.floor(values)).all()):
            raise ValueError(
                f"The index {name!r} is not a whole number for every event; an index "
                "tells events apart for good."
            )
        values = values.astype(np.int64)
    if values.dtype.kind not in "iu":
        raise ValueError(
            f"The index {name!r} has values of the type {values.dtype}; whole numbers "
            "are needed."
        )
    return values.astype(np.uint64)


def _mix(x: np.ndarray) -> np.ndarray:
    """Well-mixed bits of 64-bit integers (the finaliser of SplitMix64)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
