"""What may be different from the nominal events, and what is done with it."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Field

from .table import Expressions, Factor, Files, Finite, Name, Names, Table, Tuple

Axis = Literal["channel", "year", "process", "sample"]


class TemplateTable(Table):
    """How the events of one side of a systematic differ from the nominal ones.

    `columns` have other values, as expressions over the file's own (what is computed
    from them follows); `files` or `tree` are where the shifted events are; `weight`
    takes the place of the whole weight, `factor` multiplies it; `normalisation` is a
    relative change of all weights, such as 0.05.
    """

    columns: dict[Name, Name] = Field(default_factory=dict)
    files: dict[Name, Files] = Field(default_factory=dict)
    tree: Name | None = None
    weight: Expressions = ()
    factor: Expressions = ()
    normalisation: Annotated[Factor, Field(gt=-1)] | None = None

    @pydantic.model_validator(mode="after")
    def _something(self) -> Self:
        if not self._said:
            raise ValueError(
                "says nothing of what is different: give `columns`, `files`, `tree`, "
                "`weight`, `factor` or `normalisation`"
            )
        if self.weight and self.factor:
            raise ValueError("takes `weight` or `factor`, not both")
        return self

    @property
    def elsewhere(self) -> bool:
        """Whether its events are in other files or another tree."""
        return bool(self.files) or self.tree is not None

    @property
    def normalises(self) -> bool:
        """Whether it changes nothing but the normalisation."""
        return self._said == {"normalisation"}

    @property
    def _said(self) -> set[str]:
        # By values: a description that is written out has every key, as a run's own.
        return {name for name, value in self if value not in ({}, (), None)}


class PruneTable(Table):
    """How small an effect must be to be left out.

    `norm` is relative to the yield of the process in the channel; `shape` is the
    largest relative change of a bin after that of the yield is divided out.
    """

    norm: Annotated[Finite, Field(ge=0)] = 0.0
    shape: Annotated[Finite, Field(ge=0)] = 0.0


class SystematicTable(Table):
    """One systematic uncertainty: its events at +1 σ and −1 σ.

    It acts on what `samples`, `processes` and `channels` name, on all if they name
    nothing. `decorrelate` gives each channel, year, process or sample a parameter of
    its own. The templates are `symmetrise`d, `smooth`ed, split into the parts that
    `effect` names, and left out where they are smaller than `prune`.
    """

    name: Name
    up: TemplateTable
    down: TemplateTable | None = None
    samples: Names | None = None
    processes: Names | None = None
    channels: Names | None = None
    decorrelate: Annotated[Tuple[Axis], Field(max_length=4)] = ()
    symmetrise: Literal["one-sided", "two-sided", "maximum"] | None = None
    smooth: Literal["353QH, twice"] | None = None
    effect: Literal["template", "norm+shape", "norm", "shape"] | None = None
    prune: PruneTable = PruneTable()

    @pydantic.model_validator(mode="after")
    def _both_sides(self) -> Self:
        if self.down is None and self.symmetrise != "one-sided":
            raise ValueError(
                "has no `down`: give it, or have `up` mirrored by "
                '`symmetrise = "one-sided"`'
            )
        if self.down is not None and self.symmetrise == "one-sided":
            raise ValueError(
                'has `down`, and `symmetrise = "one-sided"`, which would not use it: '
                'leave one of them out, or write "two-sided" or "maximum"'
            )
        if self.normalises and self.effect not in (None, "norm"):
            raise ValueError(
                f"changes nothing but the normalisation: it has no {self.effect!r} "
                "effect; leave `effect` out"
            )
        return self

    @property
    def normalises(self) -> bool:
        """Whether it changes nothing but the normalisation."""
        sides = [self.up] if self.down is None else [self.up, self.down]
        return all(side.normalises for side in sides)
