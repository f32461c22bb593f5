"""Channels cut into pieces of few bins, with the modifiers that act there."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast, final

import numpy as np

from .._numerics.namespace import traced
from .modifiers import (
    AbstractModifier,
    HistoSys,
    Lumi,
    NormFactor,
    NormSys,
    ShapeFactor,
    ShapeSys,
    StatError,
)
from .spec import Channel, Sample

_WHOLE = (NormFactor, NormSys, Lumi)
_PER_BIN = (ShapeFactor, ShapeSys, StatError)


@final
class Piece(NamedTuple):
    """Some neighbouring bins of a channel, as a channel of its own.

    Attributes:
        channel: the piece.
        number: of the channel that it is from.
        bins: of that channel.
    """

    channel: Channel
    number: int
    bins: slice


def pieces(channels: Sequence[Channel], most: int) -> Iterator[Piece]:
    """Cut channels into pieces of at most so many bins.

    A systematic that changes nothing in a piece is left out there, so that templates
    which differ in few bins cost only those; but not in the first piece, so that each
    parameter is somewhere.
    """
    for number, channel in enumerate(channels):
        cuts = range(0, channel.bins, most)
        if not all(map(_can_be_cut, channel.samples)):
            cuts = range(0, channel.bins, channel.bins)
        known: set[str] = set()
        for start in cuts:
            bins = slice(start, min(start + cuts.step, channel.bins))
            samples = [_piece(sample, bins, known) for sample in channel.samples]
            for sample in samples:
                known |= {modifier.name for modifier in sample.modifiers}
            name = f"{channel.name}[{bins.start}:{bins.stop}]"
            whole = len(cuts) == 1
            yield Piece(Channel(channel.name if whole else name, samples), number, bins)


def _can_be_cut(sample: Sample) -> bool:
    kinds = (HistoSys, *_WHOLE, *_PER_BIN)
    return all(isinstance(modifier, kinds) for modifier in sample.modifiers)


def _piece(sample: Sample, bins: slice, known: set[str]) -> Sample:
    modifiers = []
    for modifier in sample.modifiers:
        own = _of_bins(modifier, bins)
        if isinstance(own, HistoSys) and own.name in known:
            yields = sample.yields[bins]
            if not traced(own.lo, own.hi, yields) and (
                np.array_equal(own.lo, yields) and np.array_equal(own.hi, yields)
            ):
                continue
        modifiers.append(own)
    return Sample(sample.name, sample.yields[bins], modifiers)


def _of_bins(modifier: AbstractModifier, bins: slice) -> AbstractModifier:
    """What a modifier does in some bins."""
    changes: dict[str, Any] = {}
    if isinstance(modifier, HistoSys):
        changes = {"lo": modifier.lo[bins], "hi": modifier.hi[bins]}
    elif isinstance(modifier, ShapeSys | StatError):
        errors = cast(np.ndarray, modifier.uncertainty)  # a `Sample` has put them in
        changes = {"uncertainty": errors[bins]}
    if not changes:
        return modifier
    # A record's `__init__` takes its fields by name.
    fields = {f.name: getattr(modifier, f.name) for f in dataclasses.fields(modifier)}
    return type(modifier)(**fields | changes)
