"""The HistFactory JSON document (pyhf's schema 1.0.0) as pydantic models.

As strict as that schema: no unknown key, no string where a number belongs, nothing
left out that it requires. Stricter where it lets pass what nothing can be made of: NaN
and infinity, a truth value for a number, bounds that are no pair. All else about a
document is not a matter of its format: names that refer to each other and numbers of
bins (`check.py`), and what numbers a model may have (`_histfactory`).
"""

import functools
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic
import pydantic_core
from pydantic import BeforeValidator, ConfigDict, Field


def _not_null(value: Any) -> Any:
    if value is None:
        raise pydantic_core.PydanticCustomError("null", "Input should not be null")
    return value


# A key that may be left out, which is not the same as one that is null.
_OR_LEFT_OUT = BeforeValidator(_not_null)

Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(min_length=1)]
Factors = Annotated[list[Annotated[Number, Field(gt=0)]], Field(min_length=1)]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]
Pairs = Annotated[list[Pair], Field(min_length=1)]


class _Document(pydantic.BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NormFactorDocument(_Document):
    name: str
    type: Literal["normfactor"]
    data: None


class ShapeFactorDocument(_Document):
    name: str
    type: Literal["shapefactor"]
    data: None


class LumiDocument(_Document):
    name: Literal["lumi"]
    type: Literal["lumi"]
    data: None


class Sides(_Document):
    lo: Number
    hi: Number


class NormSysDocument(_Document):
    name: str
    type: Literal["normsys"]
    data: Sides


class Variations(_Document):
    lo_data: Numbers
    hi_data: Numbers


class HistoSysDocument(_Document):
    name: str
    type: Literal["histosys"]
    data: Variations


class ShapeSysDocument(_Document):
    name: str
    type: Literal["shapesys"]
    data: Numbers


class StatErrorDocument(_Document):
    name: str
    type: Literal["staterror"]
    data: Numbers


ModifierDocument = Annotated[
    NormFactorDocument
    | NormSysDocument
    | HistoSysDocument
    | ShapeSysDocument
    | StatErrorDocument
    | ShapeFactorDocument
    | LumiDocument,
    Field(discriminator="type"),
]


class SampleContent(NamedTuple):
    """What a sample consists of, its name apart.

    Attributes:
        arrays: each modifier with its numbers.
        numbers: the yields and then these arrays, side by side.
        structure: all but the numbers.
    """

    arrays: list[tuple[ModifierDocument, tuple[list[float], ...]]]
    numbers: np.ndarray
    structure: tuple[int, tuple[tuple[Any, ...], ...]]


class SampleDocument(_Document):
    name: str
    data: Numbers
    modifiers: list[ModifierDocument]

    @functools.cached_property
    def content(self) -> SampleContent:
        """What the sample consists of, its name apart."""
        arrays, structure, numbers = [], [], self.data.copy()
        for each in self.modifiers:
            listed = arrays_of(each)
            arrays.append((each, listed))
            structure.append((each.type, each.name, *map(len, listed)))
            # One array of all: one of each modifier takes longer than the rest.
            for array in listed:
                numbers += array
        shape = (len(self.data), tuple(structure))
        return SampleContent(arrays, np.array(numbers, dtype=float), shape)


def arrays_of(modifier: ModifierDocument) -> tuple[list[float], ...]:
    """The numbers of a modifier."""
    match modifier.type:
        case "histosys":
            return modifier.data.lo_data, modifier.data.hi_data
        case "normsys":
            return [modifier.data.lo], [modifier.data.hi]
        case "shapesys" | "staterror":
            return (modifier.data,)
        case _:
            return ()


class ChannelDocument(_Document):
    name: str
    samples: Annotated[list[SampleDocument], Field(min_length=1)]


class ObservationDocument(_Document):
    name: str
    data: Numbers


class ParameterDocument(_Document):
    name: str
    inits: Annotated[Numbers | None, _OR_LEFT_OUT] = None
    bounds: Annotated[Pairs | None, _OR_LEFT_OUT] = None
    fixed: Annotated[bool | None, _OR_LEFT_OUT] = None
    auxdata: Annotated[Numbers | None, _OR_LEFT_OUT] = None
    factors: Annotated[Factors | None, _OR_LEFT_OUT] = None
    sigmas: Annotated[Numbers | None, _OR_LEFT_OUT] = None


class ConfigDocument(_Document):
    poi: str
    parameters: list[ParameterDocument]


class MeasurementDocument(_Document):
    name: str
    config: ConfigDocument

    @functools.cached_property
    def content(self) -> str:
        """All that it says."""
        return self.model_dump_json()


class WorkspaceDocument(_Document):
    channels: Annotated[list[ChannelDocument], Field(min_length=1)]
    observations: Annotated[list[ObservationDocument], Field(min_length=1)]
    measurements: Annotated[list[MeasurementDocument], Field(min_length=1)]
    version: Literal["1.0.0"]
