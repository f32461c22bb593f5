"""Bins whose background is known from too few simulated events to be quoted from."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._custom_types import Yields
from .._templates import Templates

RAW_EVENTS = 10
"""Below so many, the expectation and its own error are both the luck of the sample."""


class ThinBin(NamedTuple):
    """A bin with signal, whose background rests on few simulated events.

    Args:
        channel: where.
        bin: which, from 0.
        signal: expected events.
        background: expected events.
        raw: simulated background events of positive weight.
    """

    channel: str
    bin: int
    signal: float
    background: float
    raw: int

    def __str__(self) -> str:
        return (
            f"{self.channel}, bin {self.bin}: {self.signal:.3g} signal events on a "
            f"background of {self.background:.3g}, known from {self.raw} simulated "
            "events; what it promises is the luck of the sample"
        )


def thin_bins(
    templates: Templates,
    raw: Mapping[str, Mapping[str, Yields]],
    signals: tuple[str, ...],
    least: int = RAW_EVENTS,
) -> tuple[ThinBin, ...]:
    """Every bin with signal that has fewer simulated background events than a number.

    Args:
        templates: hard ones.
        raw: events of positive weight per channel, process and bin.
        signals: the signal processes.
        least: how many background events a bin should have.
    """
    found = []
    for channel, processes in templates.items():
        yields = {name: p.nominal.yields for name, p in processes.items()}
        others = [name for name in processes if name not in signals]
        signal = _total(yields, [name for name in processes if name in signals])
        background, counts = _total(yields, others), _total(raw[channel], others)
        found += [
            ThinBin(channel, int(i), float(signal[i]), float(background[i]), int(n))
            for i, n in enumerate(counts)
            if n < least and signal[i] > 0
        ]
    return tuple(found)


def _total(
    yields: Mapping[str, Yields], names: list[str]
) -> Float[np.ndarray, " bins"]:
    nothing = np.zeros(np.shape(next(iter(yields.values()))))
    return np.sum([nothing, *(np.asarray(yields[name]) for name in names)], axis=0)
