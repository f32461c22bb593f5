"""Walking over a specification: every modifier declares itself once."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from .modifiers import ParameterKind
from .modifiers.base import ParameterDeclaration, Place
from .spec import Channel

Variation: TypeAlias = tuple[str, str]
"""An interpolation code and the parameter that has it; one may have several codes."""


@dataclasses.dataclass
class Collected:
    """One parameter while modifiers declare themselves."""

    declaration: ParameterDeclaration
    size: int
    channel_start: dict[str, int]
    modifier: str


class Collector:
    """Fills the tables as modifiers declare themselves (`modifiers._base.Tables`)."""

    def __init__(self, normsys_code: str, histosys_code: str) -> None:
        self.parameters: dict[str, Collected] = {}
        # (slot, row, bins, parameter, entries of the parameter, uncertainty)
        self.factors: list[tuple[int, int, slice, str, np.ndarray | int, Any]] = []
        self.factors_of: dict[tuple[int, int], int] = {}
        # (code, parameter), row, place in the row, lo, hi
        self.normsys_entries: list[tuple[Variation, int, int, Any, Any]] = []
        self.histosys_entries: list[tuple[Variation, int, slice, Any, Any]] = []
        self.modifier = ""
        self.normsys_code, self.histosys_code = normsys_code, histosys_code

    def parameter(
        self, name: str, place: Place, declaration: ParameterDeclaration
    ) -> int:
        known = self.parameters.get(name)
        if known is None:
            self.parameters[name] = Collected(
                declaration, declaration.size, {place.channel: 0}, self.modifier
            )
            return 0
        same = (
            known.declaration.kind == declaration.kind
            and known.declaration.scalar == declaration.scalar
            and known.declaration.init == declaration.init
        )
        if not same:
            raise ValueError(
                f"channel {place.channel!r}, sample {place.sample!r}: {self.modifier} "
                f"{name!r} and an earlier {known.modifier} of that name cannot share "
                "one parameter. Rename one of them."
            )
        stat = declaration.kind in (ParameterKind.MC_STAT, ParameterKind.POISSON_STAT)
        per_bin = stat or declaration.kind == ParameterKind.POISSON
        if not per_bin:
            if known.size != declaration.size:
                raise ValueError(
                    f"channel {place.channel!r}, sample {place.sample!r}: "
                    f"{self.modifier} {name!r} needs {declaration.size} bins, but the "
                    f"parameter already has {known.size}. Rename one of them."
                )
            if declaration.sigma is not None and known.declaration.sigma is None:
                known.declaration = declaration
            return 0
        if stat and place.channel in known.channel_start:
            return known.channel_start[place.channel]
        start = known.size
        known.channel_start[place.channel] = start
        known.size += declaration.size
        return start

    def factor(
        self,
        name: str,
        place: Place,
        entries: np.ndarray | int,
        uncertainty: Any = None,
    ) -> None:
        element = (place.row, place.channel_index)
        slot = self.factors_of.get(element, 0)
        self.factors_of[element] = slot + 1
        self.factors.append((slot, place.row, place.bins, name, entries, uncertainty))

    def normsys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None:
        key = (code or self.normsys_code, name)
        self.normsys_entries.append((key, place.row, place.channel_index, lo, hi))

    def histosys(
        self, name: str, place: Place, lo: Any, hi: Any, code: str | None
    ) -> None:
        key = (code or self.histosys_code, name)
        self.histosys_entries.append((key, place.row, place.bins, lo, hi))


def declare(
    collector: Collector, channels: Sequence[Channel]
) -> tuple[list[Place], list[tuple[str, str, str, str]]]:
    """Walk over the specification; every modifier enters itself into the tables."""
    places: list[Place] = []
    declared: list[tuple[str, str, str, str]] = []
    start = 0
    for c, channel in enumerate(channels):
        bins = slice(start, start + channel.bins)
        start = bins.stop
        for row, sample in enumerate(channel.samples):
            place = Place(channel.name, sample.name, row, c, bins, sample.yields)
            places.append(place)
            seen = set()
            for modifier in sample.modifiers:
                key = (type(modifier).__name__, modifier.name)
                if key in seen:
                    raise ValueError(
                        f"channel {channel.name!r}, sample {sample.name!r} has "
                        f"{key[0]} {key[1]!r} twice."
                    )
                seen.add(key)
                declared.append((channel.name, sample.name, *key))
                collector.modifier = key[0]
                modifier.declare(collector, place)
    return places, declared
