"""Events as arrays: features, weights, and an index that tells them apart."""

from collections.abc import Sequence
from typing import final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, Int

from .._custom_types import EventIndex, Features, PerEvent, Rows


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
