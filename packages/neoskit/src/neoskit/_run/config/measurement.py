"""What is measured, and what is uncertain."""

from typing import Annotated, Literal, Self

import pydantic
from pydantic import Discriminator, Field, Tag

from .table import Finite, Name, Names, Positive, Table, Tuple

Processes = Annotated[Names, Field(min_length=1)]


class NormalisationTable(Table):
    """A systematic that scales whole processes."""

    name: Name
    processes: Processes
    up: Positive
    down: Positive


class LuminosityTable(Table):
    """The relative uncertainty of the luminosity, and which processes it scales."""

    uncertainty: Positive
    processes: Processes


AllOrSome = Annotated[
    Annotated[bool, Tag("all")] | Annotated[Names, Tag("some")],
    Discriminator(lambda v: "some" if isinstance(v, list | tuple) else "all"),
]


class MeasurementTable(Table):
    """What is measured, and what is uncertain.

    `free` names, for each process whose normalisation the data determine, the
    parameter that scales it. Normalisations of one name share one parameter.
    """

    signals: Processes = ("signal",)
    poi: Name = "mu"
    free: dict[Name, Name] = Field(default_factory=dict)
    normalisations: Tuple[NormalisationTable] = ()
    lumi: LuminosityTable | None = None
    mc_statistics: AllOrSome = True
    floor: Annotated[Finite, Field(ge=0)] = 0.0
    normsys_code: Literal["1", "4"] = "4"
    histosys_code: Literal["0", "2", "4p"] = "4p"

    @pydantic.model_validator(mode="after")
    def _one_meaning_each(self) -> Self:
        # What a parameter is called, in the words of the file.
        meanings = {self.poi: "`poi`"}
        if self.lumi is not None:
            _tell_apart(meanings, LUMI, "`lumi`")
        for process, name in self.free.items():
            # One free parameter may scale several processes.
            if meanings.get(name) != "`free`":
                _tell_apart(meanings, name, "`free`", f"`free.{process}`")
        acting: dict[str, set[str]] = {}
        for i, norm in enumerate(self.normalisations):
            key = f"`normalisations.{i}.name`"
            if meanings.get(norm.name) != "`normalisations`":
                _tell_apart(meanings, norm.name, "`normalisations`", key)
            twice = sorted(acting.setdefault(norm.name, set()) & {*norm.processes})
            if twice:
                raise ValueError(
                    f"{key} is {norm.name!r}, which acts on {twice[0]!r} already; one "
                    "process has one normalisation of a name"
                )
            acting[norm.name] |= {*norm.processes}
        return self


LUMI = "lumi"
"""The name of the luminosity's parameter."""


def _tell_apart(
    meanings: dict[str, str], name: str, meaning: str, key: str | None = None
) -> None:
    if name in meanings:
        raise ValueError(
            f"{key or meaning} is {name!r}, which is the name of {meanings[name]} "
            "already; give one of them another"
        )
    meanings[name] = meaning
