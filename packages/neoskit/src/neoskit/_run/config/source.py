"""Where events come from."""

from typing import Annotated, Any, Literal, Self

import pydantic
from pydantic import BeforeValidator, Field

from ..._events.nearest import near
from .table import (
    Count,
    Expressions,
    Finite,
    Name,
    NamedExpressions,
    Names,
    Seed,
    Table,
    Tuple,
)


def _several(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


class BlobsTable(Table):
    """Four Gaussian blobs in the plane (arXiv:2203.05570), generated."""

    kind: Literal["blobs"]
    events: Count = 10_000
    seed: Seed = 0


class InfernoTable(Table):
    """The synthetic problem of arXiv:1806.04743, generated."""

    kind: Literal["inferno"]
    events: Count = 100_000
    seed: Seed = 0


class PythonTable(Table):
    """A function of the user's own that returns a `Dataset`.

    `file` is relative to the configuration; `arguments` go to the function as
    keywords. `observed` names the function that opens the real data: it is
    called only when a run is unblinded; `note` is then printed with the fit.
    """

    kind: Literal["python"]
    file: Name
    function: Name = "dataset"
    observed: Name | None = None
    note: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)


class MissingTable(Table):
    """How a feature says that an event has no such value.

    `values` are the numbers that say so (`nan` may be one), `neutral` is what the
    observable sees instead, and `indicator` is the name of the feature that tells it
    of the replacement; features that are missing together may share one.
    """

    values: Annotated[Tuple[float], BeforeValidator(_several), Field(min_length=1)]
    neutral: Finite
    indicator: Name | None = None  # the feature's name with `_missing`


class FilesTable(Table):
    """Files of events: what they are, the tables `samples`, `channels` … say.

    `folder` is what paths start from, relative to the configuration; `tree` the TTree
    or RNTuple of ROOT files. `columns` are computed from those of the files, and all
    other expressions may use them. `weight` is a factor of the weight of every sample.
    `index` are columns of whole numbers that tell events apart; without them the
    numbers of file and entry do. With `in_memory = false` the selected events are
    written once to the folder `scratch` (a temporary one if not given) and looked at
    `training.chunk` events of the largest sample at a time.
    """

    kind: Literal["files"]
    folder: Name = "."
    tree: Name = "Events"
    features: NamedExpressions = Field(default_factory=dict)
    columns: dict[Name, Name] = Field(default_factory=dict)
    missing: dict[Name, MissingTable] = Field(default_factory=dict)
    weight: Expressions = ()
    index: Annotated[Names, BeforeValidator(_several)] = ()
    in_memory: bool = True
    scratch: Name | None = None
    note: str | None = None

    @pydantic.model_validator(mode="after")
    def _scratch_is_used(self) -> Self:
        if self.scratch is not None and self.in_memory:
            raise ValueError(
                "`scratch` is for events that are not in memory: give `in_memory = "
                "false` as well, or leave it out"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _missing_are_features(self) -> Self:
        for name in self.missing:
            if name not in self.features:
                raise ValueError(
                    f"`missing.{name}` is of no feature.{near(name, self.features)}"
                )
        indicators = {of_missing(n, table) for n, table in self.missing.items()}
        taken = sorted(indicators & {*self.features})
        if taken:
            raise ValueError(
                f"`missing` has the indicator {taken[0]!r}, which is the name of a "
                "feature already; give it another"
            )
        return self


def of_missing(name: str, table: MissingTable) -> str:
    """The name of the feature that tells of a missing value."""
    return table.indicator or f"{name}_missing"


Source = Annotated[
    BlobsTable | InfernoTable | PythonTable | FilesTable, Field(discriminator="kind")
]
