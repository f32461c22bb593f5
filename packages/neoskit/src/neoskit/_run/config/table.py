"""What all tables of a description are made of."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field

from ..._checks import wrong_name


class ConfigError(ValueError):
    """A run description that cannot be read, with every problem on a line."""


class Table(pydantic.BaseModel):
    """One table of a description: unknown keys and wrong types are errors."""

    # Strict: `steps = "60"` is a mistake, not a number.
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


def _name(text: str) -> str:
    if problem := wrong_name(text):
        raise ValueError(f"{problem}; got {text!r}")
    return text


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise ValueError(f"names {repeated[0]!r} twice")
    return names


# TOML has arrays only; strict checking would refuse them as tuples.
_T = TypeVar("_T")
Tuple = Annotated[tuple[_T, ...], Field(strict=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
# Large enough for any analysis, and far from where floating-point numbers end.
Factor = Annotated[float, Field(ge=-1e30, le=1e30)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[Tuple[Name], AfterValidator(_once)]


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict) else value


def _of_a_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


def _by_its_own_name(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not all(
        isinstance(v, str) for v in value
    ):
        return value
    return dict(zip(_once(tuple(value)), value, strict=True))


class FileTable(Table):
    """A pattern of files, and a factor on the weights of their events."""

    path: Name
    scale: Factor = 1.0


# One may be written without brackets.
Expressions = Annotated[Tuple[Name], BeforeValidator(_listed)]
Files = Annotated[
    Tuple[Annotated[FileTable, BeforeValidator(_of_a_path)]],
    BeforeValidator(_listed),
    Field(min_length=1),
]
# A list of columns, or names of one's own with an expression each.
NamedExpressions = Annotated[dict[Name, Name], BeforeValidator(_by_its_own_name)]


def increasing(name: str, values: Sequence[float]) -> None:
    """Refuse numbers that do not increase."""
    for i in range(1, len(values)):
        if not values[i] > values[i - 1]:
            raise ValueError(
                f"`{name}` must increase; got "
                f"{name}[{i}]={values[i]} after {name}[{i - 1}]={values[i - 1]}"
            )
