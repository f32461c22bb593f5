"""Objectives that add up: `expected_cls + 20 * binary_cross_entropy`."""

import functools
from collections.abc import Callable
from numbers import Real
from typing import Any, Literal, final

import equinox as eqx
import jax.numpy as jnp

import fitkit

from .._custom_types import Scalar


class Summable:
    """What can be added to another objective, and multiplied by a number."""

    # eqx.Module's are made of slots and fields; this adds operators and nothing else.
    __slots__ = ()

    def __add__(self, other: Any) -> "WeightedSum":
        return _sum(self, other)

    def __radd__(self, other: Any) -> "WeightedSum":
        return _sum(other, self)

    def __mul__(self, factor: float) -> "WeightedSum":
        if not isinstance(factor, Real):
            return NotImplemented
        return WeightedSum(
            tuple((float(factor) * weight, term) for weight, term in _terms(self))
        )

    __rmul__ = __mul__


def _terms(objective: Any) -> "tuple[tuple[float, Any], ...]":
    return (
        objective.terms if isinstance(objective, WeightedSum) else ((1.0, objective),)
    )


def _sum(first: Any, second: Any) -> "WeightedSum":
    for term in (first, second):
        if not is_objective(term):
            raise TypeError(
                f"An objective is added to another objective; got {term!r}. Numbers "
                "multiply one: `expected_cls + 20 * binary_cross_entropy`."
            )
    return WeightedSum((*_terms(first), *_terms(second)))


@final
class WeightedSum(Summable, eqx.Module):
    """Several objectives with a weight each, minimised as one number.

    Made by adding and multiplying objectives, those of the model and those of events.

    Args:
        terms: weight and objective of each.

    Example:
        >>> from neoskit import binary_cross_entropy, expected_cls
        >>> expected_cls + 20 * binary_cross_entropy
        expected_cls + 20 * binary_cross_entropy
    """

    terms: tuple[tuple[float, Any], ...]

    def __repr__(self) -> str:
        return " + ".join(
            name_of(term) if weight == 1 else f"{weight:g} * {name_of(term)}"
            for weight, term in self.terms
        )


@final
class ModelObjective(Summable):
    """A function from a model to a number, which can be added and multiplied.

    Args:
        function: takes a `fitkit.Model`, and more where it has defaults.
        statistics: `"profiled"` says that the number is the same whether the factors of
            the finite samples are parameters of the model or profiled in closed form
            (`Measurement.model`), as everything that is made of the profile likelihood.
            A training then profiles them, which is a little faster.
    """

    def __init__(
        self,
        function: Callable[..., Scalar],
        *,
        statistics: Literal["parameters", "profiled"] = "parameters",
    ):
        self._function = function
        self.statistics = statistics
        self.__name__ = getattr(function, "__name__", type(function).__name__)
        functools.update_wrapper(self, function)

    def __call__(self, model: fitkit.Model, *args: Any, **options: Any) -> Scalar:
        """The number; smaller is better."""
        return self._function(model, *args, **options)

    def __repr__(self) -> str:
        return self.__name__


@final
class Logarithm(Summable, eqx.Module):
    """The logarithm of a positive objective of the model.

    The same minimum on another scale: an expected CLs falls by five orders of magnitude
    in the first steps of a training, and with it its gradient. Adam, which divides by
    the root of past squared gradients, would coast on for tens of steps in the
    direction of the first ones and then stand still.

    Args:
        objective: of the model.
    """

    objective: Callable[[fitkit.Model], Scalar]

    def __call__(self, model: fitkit.Model) -> Scalar:
        """ln of the number."""
        return jnp.log(self.objective(model))

    def __repr__(self) -> str:
        return f"log({name_of(self.objective)})"


def is_objective(thing: Any) -> bool:
    """Whether it can be minimised: a function, or a sum of objectives."""
    return callable(thing) or isinstance(thing, Summable)


def statistics_of(objective: Any) -> Literal["parameters", "profiled"]:
    """How the model of an objective may have the factors of the finite samples."""
    if isinstance(objective, functools.partial):
        return statistics_of(objective.func)
    if isinstance(objective, Logarithm):
        return statistics_of(objective.objective)
    return getattr(objective, "statistics", "parameters")


def name_of(objective: Any) -> str:
    """What an objective is called in tables and messages."""
    if isinstance(objective, Summable):
        return repr(objective)
    if isinstance(objective, functools.partial):
        return name_of(objective.func)
    return getattr(objective, "__name__", None) or repr(objective)
