"""What is minimised, as text: `expected_cls + 20 * binary_cross_entropy`."""

import ast
import difflib
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

OF_MODEL = (
    "expected_cls",
    "expected_limit",
    "discovery_pvalue",
    "poi_variance",
    "generalised_variance",
)
"""Objectives of the model, by name."""

OF_EVENTS = (
    "binary_cross_entropy",
    "binary_cross_entropy_with_variations",
    "adversarial_cross_entropy",
)
"""Objectives of the events, by name."""


class Term(NamedTuple):
    """One term of a sum.

    Args:
        weight: what it is multiplied by.
        name: of the objective.
        logarithm: whether its logarithm is added, `log(name)`.
    """

    weight: float
    name: str
    logarithm: bool


def parse_objective(text: str) -> tuple[Term, ...]:
    """The terms of a sum of objectives.

    Args:
        text: names of objectives, each perhaps inside `log(…)` and multiplied by a
            number, joined by `+`.

    Raises:
        ValueError: anything else; the message names it, and the nearest objective.

    Example:
        >>> parse_objective("log(expected_cls) + 20 * binary_cross_entropy")[1]
        Term(weight=20.0, name='binary_cross_entropy', logarithm=False)
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{text!r} is no sum of objectives{_FORM}") from None
    return tuple(_terms(tree, 1.0))


_FORM = "; write, for example, `expected_cls + 20 * binary_cross_entropy`"


def _terms(node: ast.expr, weight: float) -> list[Term]:
    match node:
        case ast.BinOp(left, ast.Add(), right):
            return _terms(left, weight) + _terms(right, weight)
        case ast.BinOp(ast.Constant(value=number), ast.Mult(), term) | ast.BinOp(
            term, ast.Mult(), ast.Constant(value=number)
        ):
            # A truth value is an `int` as well, and no number of anything.
            known = isinstance(number, int | float) and type(number) is not bool
            if known and 0 < number < float("inf"):  # type: ignore[operator]
                return _terms(term, weight * number)  # type: ignore[operator]
        case ast.Name(id=name):
            return [Term(weight, _known(name, (*OF_MODEL, *OF_EVENTS)), False)]
        case ast.Call(func=ast.Name(id="log"), args=[ast.Name(id=name)], keywords=[]):
            return [Term(weight, _known(name, OF_MODEL), True)]
    raise ValueError(f"`{ast.unparse(node)}` is no objective{_FORM}")


def _known(name: str, names: tuple[str, ...]) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        raise ValueError(f"there is no {name!r}; did you mean {near[0]!r}?")
    raise ValueError(f"there is no {name!r}; there are {', '.join(names)}")


def _checked(text: str) -> str:
    parse_objective(text)
    return text


ObjectiveText = Annotated[str, AfterValidator(_checked)]
"""A sum of objectives, as text that can be parsed."""


def has_model(text: str) -> bool:
    """Whether any term is an objective of the model."""
    return any(term.name in OF_MODEL for term in parse_objective(text))
