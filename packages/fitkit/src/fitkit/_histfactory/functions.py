r"""Factors that are functions of parameters, with their exact derivatives.

Where a sample's rate has the factor \(\Phi_e(\theta) = \prod_s f_s(\theta)\) beside
those of the other modifiers, all that the structured Hessian needs (`rates.py`,
`curvature.py`) is

- \(\partial\Phi_e/\partial\theta_p\), a table beside those of interpolation,
- \(\sum_e w_e\,\partial^2\Phi_e/\partial\theta_p\partial\theta_q\) for given weights.

A function has one output, which scales the whole sample, or one for each bin. Outputs
of all functions lie in one vector; `output_of[slot, row, bin]` says which of them an
element takes, or one past the last for the constant 1.
"""

import abc
import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias, final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._numerics.namespace import as_numpy, scatter_add, take, traced, xp
from .expression import Expression, Jet

Arguments: TypeAlias = Float[Array, " arguments"]
Outputs: TypeAlias = Float[Array, " outputs"]
Slopes: TypeAlias = Float[Array, "arguments outputs"]


class AbstractFunction(abc.ABC):
    """A function of a few scalar parameters with one output, or one for each bin.

    A subclass is a pytree whose numbers are leaves and may be traced.

    Attributes:
        outputs: how many it has.
    """

    outputs: int

    @abc.abstractmethod
    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        """Return the outputs and their derivatives."""

    @abc.abstractmethod
    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        """Return the second derivatives of the outputs, summed with weights."""


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ExpressionFunction(AbstractFunction):
    """An expression of the language of `expression.py`.

    Attributes:
        expression: the expression.
        arguments: the names in it that are parameters, in order.
        outputs: how many it has.
        constants: values of the other names, scalar or `[outputs]`.
    """

    expression: Expression = dataclasses.field(metadata={"static": True})
    arguments: tuple[str, ...] = dataclasses.field(metadata={"static": True})
    outputs: int = dataclasses.field(metadata={"static": True})
    constants: dict[str, Array]

    def _jet(self, x: Arguments, *, second: bool) -> Jet:
        count = len(self.arguments)
        flat, none = np.zeros((count, 1)), np.zeros((count, count, 1))
        unit = np.eye(count)[:, :, None]

        def constant(value: Any) -> Jet:
            return Jet(xp.atleast_1d(xp.asarray(value, float)), flat, none * second)

        values = {name: constant(value) for name, value in self.constants.items()}
        for i, name in enumerate(self.arguments):
            values[name] = Jet(x[i : i + 1], unit[i], none)
        jet = self.expression.jet(values, constant)
        return jet if second else jet._replace(bend=None)

    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        jet, count = self._jet(x, second=False), len(self.arguments)
        return (
            xp.broadcast_to(jet.value, (self.outputs,)),
            xp.broadcast_to(jet.slope, (count, self.outputs)),
        )

    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        jet, count = self._jet(x, second=True), len(self.arguments)
        bend = xp.broadcast_to(jet.bend, (count, count, self.outputs))
        return bend @ weights


@final
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class PythonFunction(AbstractFunction):
    """A function in Python, over `jax.numpy` unless its derivatives are given.

    Attributes:
        function: of as many numbers as it has arguments; returns its outputs.
        derivatives: of the same; returns first derivatives `[arguments, outputs]` and
            second ones `[arguments, arguments, outputs]`. None for automatic ones.
        outputs: how many it has.
    """

    function: Callable[..., Any] = dataclasses.field(metadata={"static": True})
    derivatives: Callable[..., Any] | None = dataclasses.field(
        metadata={"static": True}
    )
    outputs: int = dataclasses.field(metadata={"static": True})

    def first(self, x: Arguments) -> tuple[Outputs, Slopes]:
        if self.derivatives is None:
            return _either(_first, x, self.function, self.outputs)
        value = xp.broadcast_to(xp.asarray(self.function(*x)), (self.outputs,))
        slope, _ = self.derivatives(*x)
        return value, _shaped(slope, (len(x), self.outputs))

    def curvature(
        self, x: Arguments, weights: Outputs
    ) -> Float[Array, "arguments arguments"]:
        if self.derivatives is None:
            return _either(_curvature, x, weights, self.function, self.outputs)
        _, bend = self.derivatives(*x)
        return _shaped(bend, (len(x), len(x), self.outputs)) @ weights


def _shaped(values: Any, shape: tuple[int, ...]) -> Any:
    """Derivatives in the shape that they must have; one output may be left out."""
    values = xp.asarray(values, dtype=float)
    return xp.broadcast_to(
        values.reshape(*values.shape, *(1,) * (len(shape) - values.ndim)), shape
    )


def _vector(function: Callable[..., Any], outputs: int) -> Callable[[Array], Array]:
    return lambda x: jnp.broadcast_to(jnp.asarray(function(*x), float), (outputs,))


def _first(x: Array, function: Callable[..., Any], outputs: int) -> Any:
    vector = _vector(function, outputs)
    return vector(x), jax.jacfwd(vector)(x).T


def _curvature(
    x: Array, weights: Array, function: Callable[..., Any], outputs: int
) -> Any:
    return jax.hessian(lambda x: _vector(function, outputs)(x) @ weights)(x)


_COMPILED = {
    _first: jax.jit(_first, static_argnums=(1, 2)),
    _curvature: jax.jit(_curvature, static_argnums=(2, 3)),
}


def _either(call: Callable[..., Any], *args: Any) -> Any:
    """Automatic derivatives: traced as they are, else compiled once for a function."""
    if traced(args):
        return call(*args)
    return jax.tree.map(as_numpy, _COMPILED[call](*args))


class Functions(NamedTuple):
    """All functions of a model.

    Attributes:
        members: each once, however many samples it scales.
        positions: of each one's arguments, in `arguments`.
        arguments: entries of the flat parameter vector, each once.
        output_of: the output that an element takes, or their number.
    """

    members: tuple[AbstractFunction, ...]
    positions: tuple[Int[Array, " own"], ...]
    arguments: Int[Array, " arguments"]
    output_of: Int[Array, "slots rows bins"]

    def evaluate(self, y: Float[Array, " params"]) -> "Evaluated":
        """Work out all factors, and their first derivatives, at a point."""
        x, size = take(y, self.arguments), len(self.arguments)
        values, slopes = [np.ones(0)], [np.zeros((size, 0))]
        for member, at in zip(self.members, self.positions, strict=True):
            value, slope = member.first(take(x, at))
            values.append(value)
            slopes.append(scatter_add((size, value.shape[0]), (at,), slope))
        outputs = xp.concatenate([*values, np.ones(1)])
        slope = xp.concatenate([*slopes, np.zeros((size, 1))], axis=1)
        of_each = take(slope, self.output_of)
        return Evaluated(self, x, take(outputs, self.output_of), of_each)


class Evaluated(NamedTuple):
    """The functions of a model at a point.

    Attributes:
        functions: the functions.
        x: their arguments.
        factors: `[slots, rows, bins]`.
        slopes: their derivatives.
    """

    functions: Functions
    x: Arguments
    factors: Float[Array, "slots rows bins"]
    slopes: Float[Array, "arguments slots rows bins"]

    def _without(self, *slots: int) -> Float[Array, "rows bins"]:
        others = [s for s in range(self.factors.shape[0]) if s not in slots]
        start = xp.ones(self.factors.shape[1:])
        return functools.reduce(lambda a, s: a * self.factors[s], others, start)

    @property
    def product(self) -> Float[Array, "rows bins"]:
        """The product of the functions of each element."""
        return self._without()

    @property
    def product_1(self) -> Float[Array, "arguments rows bins"]:
        """Its derivatives."""
        slots = range(self.factors.shape[0])
        return sum(self.slopes[:, s] * self._without(s) for s in slots)

    def curvature(
        self, weights: Float[Array, "rows bins"]
    ) -> Float[Array, "arguments arguments"]:
        """Second derivatives of the product, summed over elements with weights."""
        functions, slots = self.functions, self.factors.shape[0]
        size = len(functions.arguments)
        weighted = xp.stack([weights * self._without(s) for s in range(slots)])
        of_output = scatter_add(
            (sum(member.outputs for member in functions.members) + 1,),
            (xp.asarray(functions.output_of).reshape(-1),),
            weighted.reshape(-1),
        )
        total, start = xp.zeros((size, size)), 0
        for member, at in zip(functions.members, functions.positions, strict=True):
            own = slice(start, start + member.outputs)
            bend = member.curvature(take(self.x, at), of_output[own])
            total = total + scatter_add((size, size), (at[:, None], at[None]), bend)
            start = own.stop
        for s, t in itertools.combinations(range(slots), 2):
            one = self.slopes[:, s] * (weights * self._without(s, t))
            cross = one.reshape(size, -1) @ self.slopes[:, t].reshape(size, -1).T
            total = total + cross + cross.T
        return total
