"""Events and yields of every process, and what variations change of them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ..._events import SampleKey
from .summary import SampleSummary

Samples = Mapping[SampleKey, SampleSummary]
"""Every sample; some may have no events."""


@dataclass(frozen=True)
class YieldRow:
    """One process in one channel.

    Args:
        channel: where.
        process: which.
        raw: number of events.
        expected: sum of weights.
        error: √Σw², from the finite sample.
        effective: (Σw)² / Σw², as many events of equal weight would be as precise.
        negative: share of the events whose weight is negative.
        largest: the largest weight of an event, relative to the yield.
    """

    channel: str
    process: str
    raw: int
    expected: float
    error: float
    effective: float
    negative: float
    largest: float


@dataclass(frozen=True)
class VariationRow:
    """One variation of a process in a channel.

    Args:
        channel: where.
        process: of what.
        name: the parameter.
        raw: events up and down.
        effective: effective events up and down.
        up: relative change of the yield at +1 σ.
        down: relative change of the yield at −1 σ.
        moves: whether features of events change, and not their weights alone.
        mirrored: whether down is up, mirrored at the nominal template.
    """

    channel: str
    process: str
    name: str
    raw: tuple[int, int]
    effective: tuple[float, float]
    up: float
    down: float
    moves: bool
    mirrored: bool


def yields(samples: Samples) -> tuple[YieldRow, ...]:
    """The table of yields."""
    return tuple(_row(key, of) for key, of in samples.items() if not key.shift)


def _row(key: SampleKey, of: SampleSummary) -> YieldRow:
    total = of.expected
    return YieldRow(
        key.channel,
        key.process,
        of.raw,
        total,
        float(np.sqrt(of.squares)),
        total**2 / of.squares if of.squares else 0.0,
        of.negative / of.raw if of.raw else 0.0,
        of.largest / abs(total) if total else 0.0,
    )


def variations(
    samples: Samples, one_sided: Collection[str]
) -> tuple[VariationRow, ...]:
    """The table of variations.

    Args:
        samples: all of them.
        one_sided: the systematics whose down is up, mirrored.
    """
    return tuple(_variations(samples, one_sided))


def _variations(samples: Samples, one_sided: Collection[str]) -> Iterator[VariationRow]:
    for key, up in samples.items():
        if not key.shift.endswith(":up"):
            continue
        name = key.shift.removesuffix(":up")
        nominal, down = (
            samples[key._replace(shift=shift)] for shift in ("", f"{name}:down")
        )
        sides = [_row(key, of) for of in (up, down)]
        total = nominal.expected
        changes = [
            side.expected / total - 1 if total else float("nan") for side in sides
        ]
        yield VariationRow(
            key.channel,
            key.process,
            name,
            (sides[0].raw, sides[1].raw),
            (sides[0].effective, sides[1].effective),
            changes[0],
            changes[1],
            up.moves or down.moves,
            # One that is decorrelated has more behind its name.
            any(name == one or name.startswith(f"{one}_") for one in one_sided),
        )
