"""How the observable is trained, on which events and on what."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from .table import Count, Positive, Seed, Table, Tuple

ObjectiveName = Literal[
    "expected_cls",
    "discovery_pvalue",
    "poi_variance",
    "generalised_variance",
    "binary_cross_entropy",
    "binary_cross_entropy_with_variations",
]


class SplitTable(Table):
    """Which events train and which judge.

    Either a fraction is held out, or every event is judged by the network of
    the fold that did not see it.
    """

    held_out: Annotated[float, Field(gt=0, lt=1)] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    seed: Seed = 0

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.held_out is None) == (self.folds is None):
            raise ValueError(
                "needs exactly one of `held_out` (a fraction) and `folds` (a number)"
            )
        return self


class TrainingTable(Table):
    """How the observable is trained, once per seed.

    `logarithm` minimises the logarithm of an objective of the model, which has the
    same minimum and gradients of one size.
    """

    objective: ObjectiveName = "expected_cls"
    steps: Count = 60
    batch: Count | None = None
    chunk: Count | None = None
    every: Count = 1
    logarithm: bool = True
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    seeds: Annotated[Tuple[Seed], Field(min_length=1)] = (0,)

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.batch is not None and self.chunk is not None:
            raise ValueError("takes `batch` or `chunk`, not both")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"`seeds` repeats itself: {list(self.seeds)}")
        return self
