"""What all tables of a description are made of."""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import pydantic
from pydantic import AfterValidator, Field

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
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[Tuple[Name], AfterValidator(_once)]


def increasing(name: str, values: Sequence[float]) -> None:
    """Refuse numbers that do not increase."""
    for i in range(1, len(values)):
        if not values[i] > values[i - 1]:
            raise ValueError(
                f"`{name}` must increase; got "
                f"{name}[{i}]={values[i]} after {name}[{i - 1}]={values[i - 1]}"
            )
