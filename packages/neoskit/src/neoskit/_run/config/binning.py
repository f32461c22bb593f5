"""The bins of the observable, in the training and after it."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Discriminator, Field, Tag

from .table import Count, Finite, Positive, Table, Tuple, increasing

MOST_BINS = 1000
"""A bin is a number in every template and a parameter of the model: nobody measures
with more, and a slip of the finger must not end in the memory that they would take."""


class AnnealedTable(Table):
    """A number that moves from `start` to `end` over the training."""

    start: Positive
    end: Positive


# Told apart by what was written, so that an error speaks of that one only.
Schedule = Annotated[
    Annotated[Positive, Tag("number")] | Annotated[AnnealedTable, Tag("table")],
    Discriminator(
        lambda v: "table" if isinstance(v, dict | AnnealedTable) else "number"
    ),
]


class BinningTable(Table):
    """The bins of the observable: `edges`, or `bins` equal ones in `range`.

    A selection has no bins; of this table it reads the bandwidth. With
    `straight_through` a training sees hard counts, with the slope of smooth ones.
    """

    edges: Tuple[Finite] | None = None
    # 4, where there are no `edges` either
    bins: Annotated[int, Field(ge=1, le=MOST_BINS)] | None = None
    range: Annotated[tuple[Finite, Finite], Field(strict=False)] = (0.0, 1.0)
    learned: bool = False
    bandwidth: Schedule = 0.1
    kernel: Literal["gaussian", "logistic"] = "gaussian"
    flow: Literal["drop", "clip"] = "drop"
    straight_through: bool = False

    @pydantic.model_validator(mode="after")
    def _edges_given_once(self) -> Self:
        if self.edges is not None and self.bins is not None:
            raise ValueError("takes `edges` or `bins`, not both")
        if self.edges is not None and len(self.edges) < 2:
            raise ValueError("needs at least two `edges`")
        if self.edges is not None and len(self.edges) > MOST_BINS + 1:
            raise ValueError(
                f"has {len(self.edges)} `edges`; at most {MOST_BINS} bins can be "
                "trained and fitted"
            )
        increasing("edges", self.edges or ())
        increasing("range", self.range)
        return self

    @property
    def positions(self) -> tuple[float, ...]:
        """The edges, whichever way they were given."""
        if self.edges is not None:
            return self.edges
        low, high = self.range
        bins = 4 if self.bins is None else self.bins
        return (*(low + i * (high - low) / bins for i in range(bins)), high)


class RebinningTable(Table):
    """When neighbouring bins are merged before anything is quoted."""

    largest_error: Positive = 0.2
    raw_events: Count = 10
