"""The HistFactory JSON document (pyhf's schema 1.0.0) as pydantic models.

Strict: no key that the format does not know, no string where a number belongs, no
NaN. What refers to something else in the document (names, numbers of bins) is
checked by `read.py`, which knows the whole.
"""

import functools
import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic
from pydantic import ConfigDict, Field


class WorkspaceError(ValueError):
    """A document that cannot be used: says where in it, why, and the way out."""


Number = Annotated[float, Field(allow_inf_nan=False)]
Numbers = Annotated[list[Number], Field(min_length=1)]
Counts = Annotated[list[Annotated[Number, Field(ge=0)]], Field(min_length=1)]
Factor = Annotated[Number, Field(gt=0)]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]


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


class Factors(_Document):
    lo: Factor
    hi: Factor


class NormSysDocument(_Document):
    name: str
    type: Literal["normsys"]
    data: Factors


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
    """What a sample holds, its name apart.

    Attributes:
        arrays: each modifier with its numbers.
        numbers: the yields and then these arrays, side by side.
        form: all but the numbers.
    """

    arrays: list[tuple[ModifierDocument, tuple[list[float], ...]]]
    numbers: np.ndarray
    form: tuple[int, tuple[tuple[Any, ...], ...]]


class SampleDocument(_Document):
    name: str
    data: Numbers
    modifiers: list[ModifierDocument]

    @functools.cached_property
    def content(self) -> SampleContent:
        """What the sample holds, its name apart."""
        arrays, form, numbers = [], [], self.data.copy()
        for each in self.modifiers:
            listed = arrays_of(each)
            arrays.append((each, listed))
            form.append((each.type, each.name, *map(len, listed)))
            for array in listed:
                numbers += array
        return SampleContent(arrays, np.array(numbers), (len(self.data), tuple(form)))


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
    data: Counts


class ParameterDocument(_Document):
    name: str
    inits: Numbers | None = None
    bounds: Annotated[list[Pair], Field(min_length=1)] | None = None
    fixed: bool | None = None
    auxdata: Numbers | None = None
    factors: Annotated[list[Factor], Field(min_length=1)] | None = None
    sigmas: Annotated[list[Factor], Field(min_length=1)] | None = None


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


# What to do about it, by pydantic's error type; the reason is pydantic's own.
_WAY_OUT = {
    "bool_type": "Write true or false without quotes.",
    "extra_forbidden": "Remove it: the format has no such key.",
    "finite_number": "Replace the NaN or infinity by a number.",
    "float_type": "Write a plain number, without quotes.",
    "greater_than": "Correct the value, or remove what it belongs to.",
    "greater_than_equal": "Counts of events cannot be negative.",
    "list_type": "Write a list: [...].",
    "literal_error": "Write what is expected.",
    "missing": "Add it: the format requires it.",
    "none_required": "Write null: this kind of modifier has no data of its own.",
    "string_type": "Write a string in double quotes.",
    "too_long": "Remove what is too much.",
    "too_short": "Add what is missing, or remove the empty list's owner.",
    "union_tag_invalid": "Use one of these kinds, or remove the modifier.",
    "union_tag_not_found": "Give the modifier its `type`.",
}


def json_path(*keys: str | int) -> str:
    """The place in a document as people write it.

    **Example:**

    ```python
    json_path("measurements", 0, "config", "poi")  # measurements[0].config.poi
    ```
    """
    path = ""
    for key in keys:
        if isinstance(key, int):
            path += f"[{key}]"
        else:
            path += f".{key}" if path else key
    return path or "the document"


def parse(
    document: Any, known: Mapping[int, pydantic.BaseModel] | None = None
) -> WorkspaceDocument:
    """Checks a decoded document against the format.

    Args:
        document: the document.
        known: what an earlier call made of some of its parts, see `parts`, by their
            identity; they are taken as they are.

    Raises:
        WorkspaceError: names the first place that does not fit and what to do.
    """
    try:
        return WorkspaceDocument.model_validate(_with_known(document, known or {}))
    except pydantic.ValidationError as error:
        if known:  # whose parts would stand in the message
            return parse(document)
        raise WorkspaceError(explain(error)) from None


def parts(document: Any, workspace: WorkspaceDocument) -> dict[int, pydantic.BaseModel]:
    """What `parse` made of the parts of a document, by their identity.

    For use as long as the document is there and does not change.
    """
    pairs = itertools.chain(
        zip(document["observations"], workspace.observations, strict=True),
        zip(document["measurements"], workspace.measurements, strict=True),
        *(
            zip(raw["samples"], channel.samples, strict=True)
            for raw, channel in zip(
                document["channels"], workspace.channels, strict=True
            )
        ),
    )
    return {id(raw): part for raw, part in pairs}


def _with_known(document: Any, known: Mapping[int, pydantic.BaseModel]) -> Any:
    """The document with known parts in the place of what they were made of."""
    if not known:
        return document

    def some(listed: list[Any]) -> list[Any]:
        return [known.get(id(each), each) for each in listed]

    try:
        return {
            **document,
            "observations": some(document["observations"]),
            "measurements": some(document["measurements"]),
            "channels": [
                {**each, "samples": some(each["samples"])}
                for each in document["channels"]
            ],
        }
    except (KeyError, TypeError):  # no workspace: the schema says why
        return document


def explain(error: pydantic.ValidationError) -> str:
    """The first problem that pydantic found: its place, the reason, the way out."""
    problems = error.errors(include_url=False, include_context=False)
    problem = problems[0]
    where = json_path(*_without_tags(problem["loc"]))
    reason = problem["msg"].rstrip(".")
    got = "" if problem["type"] == "missing" else f"; got {_short(problem['input'])}"
    way_out = _WAY_OUT.get(problem["type"], "Correct it.")
    others = len(problems) - 1
    more = f" ({others} more problem{'s' * (others > 1)} after this one.)" * bool(
        others
    )
    return f"{where}: {reason}{got}. {way_out}{more}"


def _without_tags(keys: tuple[str | int, ...]) -> list[str | int]:
    # pydantic adds the modifier's type after its index: a step that JSON lacks.
    return [
        key
        for place, key in enumerate(keys)
        if not (place >= 2 and keys[place - 2] == "modifiers")
    ]


def _short(value: Any, length: int = 60) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # too deep, or an integer too long to print
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else text[: length - 1] + "…"
