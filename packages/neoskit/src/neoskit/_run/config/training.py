"""How the observable is trained, on which events and on what."""

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import Discriminator, Field, Tag

from .binning import Schedule
from .objective import ObjectiveText
from .table import Count, NotNegative, Positive, Seed, Table, Tuple


class SplitTable(Table):
    """Which events train and which judge.

    Either a fraction is held out, or every event is judged by the network of
    the fold that did not see it. `validation` is a further fraction, of the events
    that do not judge, by which a training is stopped. With `repartition` each seed has
    folds of its own: a comparison then averages over the luck of the partition.
    """

    held_out: Annotated[float, Field(gt=0, lt=1)] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    validation: Annotated[float, Field(gt=0, lt=1)] | None = None
    seed: Seed = 0
    repartition: bool = False

    @pydantic.model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.held_out is None) == (self.folds is None):
            raise ValueError(
                "needs exactly one of `held_out` (a fraction) and `folds` (a number)"
            )
        if self.repartition and self.folds is None:
            raise ValueError(
                "`repartition` is for `folds`: with `held_out` every seed is judged "
                "on the same events"
            )
        return self


class EvaluationTable(Table):
    """What is judged beside the numbers themselves.

    `bootstrap` is how many replicas of the events their errors from the finite sample
    are of, 0 for none; with `soft` the numbers of smooth bins are computed, too.
    """

    bootstrap: Annotated[int, Field(ge=0, le=100_000)] = 50
    soft: bool = True

    @pydantic.model_validator(mode="after")
    def _enough(self) -> Self:
        if self.bootstrap == 1:
            raise ValueError(
                "`bootstrap` is 1, and one replica has no standard deviation: give at "
                "least 2, or 0 for no errors"
            )
        return self


class StageTable(Table):
    """A number of steps on one objective.

    `logarithm` minimises the logarithm of an objective with a model, which has the
    same minimum and gradients of one size. `pseudo_events` is how many events of its
    mean weight each background has more in every bin, in the training alone.
    `nuisances = "fixed"` trains as if there were no systematic uncertainty. With
    `fits_on_host` the fits of CLs and p-value run on NumPy inside the step: sooner
    compiled, some milliseconds more a step.
    """

    objective: ObjectiveText = "expected_cls"
    steps: Count = 100
    batch: Count | None = None
    chunk: Count | None = None
    logarithm: bool = True
    optimiser: Literal["adam", "sgd"] = "adam"
    learning_rate: Positive = 1e-3
    schedule: Literal["constant", "cosine"] = "constant"
    warm_up: Annotated[int, Field(ge=0)] = 0
    weight_decay: NotNegative = 0.0
    clip: Positive | None = None
    bandwidth: Schedule | None = None
    pseudo_events: NotNegative = 1.0
    nuisances: Literal["free", "fixed"] = "free"
    fits_on_host: bool = False

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.batch is not None and self.chunk is not None:
            raise ValueError("takes `batch` or `chunk`, not both")
        if self.warm_up >= self.steps and self.warm_up:
            raise ValueError(
                f"`warm_up` is {self.warm_up} of {self.steps} steps; it must be fewer"
            )
        return self


class WarmStartTable(Table):
    """The cross entropy that a training on an objective of the model starts from."""

    steps: Count = 300
    learning_rate: Positive = 1e-3
    variations: bool = False


# Told apart by what was written, so that an error speaks of that one only.
_WarmStart = Annotated[
    Annotated[Literal[False], Tag("none")] | Annotated[WarmStartTable, Tag("table")],
    Discriminator(
        lambda v: "table" if isinstance(v, dict | WarmStartTable) else "none"
    ),
]


class TrainingTable(StageTable):
    """How the observable is trained, once per seed.

    An objective of the model is trained after a warm start on the cross entropy
    (`warm_start = false` for none) with a third of its rate. `stages` says it all
    instead, stage by stage. `keep` is what a stage leaves: the parameters of its last
    step, the best on the validation events, or their exponential average.
    `checkpoint_every` is after how many steps a state to go on from is written.
    """

    learning_rate: Positive = 3e-4
    warm_start: _WarmStart = WarmStartTable()
    stages: Tuple[StageTable] = ()
    every: Count = 1
    checkpoint_every: Count = 50
    keep: Literal["last", "best", "average"] = "last"
    patience: Count | None = None
    seeds: Annotated[Tuple[Seed], Field(min_length=1)] = (0,)

    @property
    def largest_chunk(self) -> int | None:
        """How many events may be in memory together; `None` where nothing says it."""
        stages = self.stages or (self,)
        return max((s.chunk for s in stages if s.chunk is not None), default=None)

    @pydantic.model_serializer(mode="wrap")
    def _said_once(
        self, handler: pydantic.SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        # What is written is read again: stages exclude the keys that they replace.
        document = handler(self)
        replaced = {*StageTable.model_fields, "warm_start"} if self.stages else set()
        return {key: value for key, value in document.items() if key not in replaced}

    @pydantic.model_validator(mode="after")
    def _once_each(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"`seeds` repeats itself: {list(self.seeds)}")
        if self.patience is not None and self.keep != "best":
            raise ValueError('`patience` needs `keep = "best"`')
        beside = {*StageTable.model_fields, "warm_start"} & self.model_fields_set
        if self.stages and beside:
            raise ValueError(
                f"`stages` says it all: leave `{sorted(beside)[0]}` out, or write it "
                "in each stage"
            )
        return self
