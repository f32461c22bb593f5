"""What a training is compared with."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from .observable import Observable
from .table import Name, Table, Tuple
from .training import StageTable

Baseline = Literal[
    "binary_cross_entropy",
    "binary_cross_entropy_with_variations",
    "adversarial_cross_entropy",
    "softmax",
]
"""Ways of training that `compare` knows by name, each with a budget of its own."""


class WayTable(Table):
    """A way of training of the user's own, to compare with.

    Its observable is that of the run unless it gives another.
    """

    name: Name
    stages: Annotated[Tuple[StageTable], Field(min_length=1)]
    observable: Observable | None = None


class ComparisonTable(Table):
    """What `compare` trains beside what `[training]` says.

    `head_room` is the ratio of σ(μ) with all uncertainties to that without, below which
    nothing is to be won above the spread of seeds.
    """

    baselines: Tuple[Baseline] = ("binary_cross_entropy",)
    ways: Tuple[WayTable] = ()
    bootstrap: Annotated[int, Field(ge=2)] = 200
    head_room: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.1

    @pydantic.model_validator(mode="after")
    def _once_each(self) -> Self:
        names = [*self.baselines, *(way.name for way in self.ways)]
        if not names:
            raise ValueError("needs at least one of `baselines` and `ways`")
        repeated = [name for i, name in enumerate(names) if name in names[:i]]
        if repeated:
            raise ValueError(f"names {repeated[0]!r} twice")
        return self
