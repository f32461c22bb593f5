"""A process in a channel: its nominal events and what they may be instead."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar, final

import equinox as eqx
import jax
import numpy as np

from .._custom_types import PerEvent, Rows
from .events import Events


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

    def with_weights(self, change: Callable[[str, Events], PerEvent]) -> "Process":
        """The same events with the weights `change(shift, events)` in each sample."""

        def changed(shift: str, side: Events | PerEvent) -> Events | PerEvent:
            weights = change(shift, self._events(side))
            return side.with_weights(weights) if isinstance(side, Events) else weights

        nominal = self.nominal.with_weights(change("", self.nominal))
        sides = {
            name: (changed(f"{name}:up", up), changed(f"{name}:down", down))
            for name, (up, down) in self._sides.items()
        }
        return replaced(self, nominal=nominal, _sides=sides)

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
        return replaced(self, nominal=nominal, _sides=sides)


_Module = TypeVar("_Module", bound=eqx.Module)


def replaced(module: _Module, **fields: object) -> _Module:
    """A module with other fields, checked as little as those of `eqx.tree_at`.

    That would put the entries of a dictionary in the order of their names.
    """
    new = object.__new__(type(module))
    for field in dataclasses.fields(module):
        value = fields.get(field.name, getattr(module, field.name))
        object.__setattr__(new, field.name, value)
    return new


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
