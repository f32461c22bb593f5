"""Modifiers that are functions of several parameters, in words or in Python."""

from collections.abc import Callable, Sequence
from typing import Any, final

import jax
import numpy as np
from jaxtyping import ArrayLike

from ..._numerics.namespace import traced
from ..expression import parse_expression
from ..functions import AbstractFunction, ExpressionFunction, PythonFunction
from ..problem import SpecificationError
from .base import AbstractModifier, Place, Tables, as_values, record


@final
@record
class ExpressionFactor(AbstractModifier):
    r"""A factor that an expression of parameters gives, for a sample or for each bin.

    The names in it are parameters of the model, or constants given beside it. A
    parameter is one that another modifier has, the parameter of interest, or one in the
    `settings` of the model, by which it may also be constrained (`aux` and `sigma`).
    Derivatives are exact, and the structured Hessian stays exact with them.

    Attributes:
        name: of the modifier; it is no parameter.
        function: the expression with its constants.
        arguments: the parameters in it, each a single number.

    Args:
        name: of the modifier.
        expression: of numbers, names, `+ - * / **`, parentheses and the functions
            sqrt, exp, log, log10, abs, sin, cos, tan, sinh, cosh, tanh, pow, min, max.
            It is never evaluated as Python.
        constants: the values of names that are no parameters: numbers, or arrays
            `[bins]`, which make a factor for each bin; may be traced.

    Raises:
        SpecificationError: for what the language does not have, with the nearest name.

    Example:
        The yield of an effective operator, with its interference in each bin:

        >>> import fitkit
        >>> factor = fitkit.ExpressionFactor(
        ...     "eft", "1 + a * c + b * c**2", a=[0.2, 0.4], b=[0.1, 0.3]
        ... )
        >>> factor.arguments
        ('c',)
        >>> signal = fitkit.Sample("signal", [10.0, 5.0], [factor])
        >>> background = fitkit.Sample("background", [50.0, 40.0])
        >>> settings = {"c": fitkit.ParameterSettings(init=0.0, bounds=(-5.0, 5.0))}
        >>> channel = fitkit.Channel("SR", [signal, background])
        >>> model = fitkit.Model([channel], poi="c", settings=settings)
        >>> [float(n) for n in model.expected_data({"c": 1.0}).main["SR"]]
        [63.0, 48.5]
    """

    name: str
    function: ExpressionFunction
    arguments: tuple[str, ...]

    def __init__(self, name: str, expression: str, **constants: ArrayLike):
        kind = f"ExpressionFactor {name!r}"
        parsed = parse_expression(expression, what=kind)
        if unused := [each for each in constants if each not in parsed.names]:
            raise SpecificationError(
                f"{kind}: the expression {expression!r:.80} has no name "
                f"{unused[0]!r}, for which a constant is given. Remove it, or correct "
                f"the name; it has: {', '.join(parsed.names) or 'none'}."
            )
        values = {
            constant: as_values(value, constant, "ExpressionFactor", name)
            for constant, value in constants.items()
        }
        lengths = {each: v.shape for each, v in values.items() if v.shape != ()}
        for constant, shape in lengths.items():
            if len(shape) != 1 or shape != next(iter(lengths.values())):
                raise SpecificationError(
                    f"{kind}: the constant {constant!r} has shape {shape}. Constants "
                    "are numbers, or have one number for each bin."
                )
        outputs = next(iter(lengths.values()))[0] if lengths else 1
        arguments = tuple(each for each in parsed.names if each not in constants)
        function = ExpressionFunction(parsed, arguments, outputs, values)
        vars(self).update(name=name, function=function, arguments=arguments)

    def declare(self, tables: Tables, place: Place) -> None:
        check_outputs(self.function.outputs, place)
        for constant, value in self.function.constants.items():
            if not traced(value) and not np.isfinite(value).all():
                raise SpecificationError(
                    "must be finite. Correct it.", (f"constant {constant!r}",)
                )
        tables.function(place, self.function, self.arguments)


@final
@record
class CustomModifier(AbstractModifier):
    """A factor that a function in Python gives, for a sample or for each bin.

    Attributes:
        name: of the modifier; it is no parameter.
        function: the function with its derivatives.
        arguments: the parameters that it takes, each a single number.

    Args:
        name: of the modifier.
        arguments: names of parameters that another modifier has, of the parameter of
            interest, or of some in the `settings` of the model.
        function: of their values, in this order; returns one number or `[bins]`.
            Written in `jax.numpy`, its derivatives are automatic (and compiled once for
            this function, also where all else is NumPy).
        derivatives: of the same values; returns the first derivatives, `[arguments,
            bins]`, and the second, `[arguments, arguments, bins]`, the axis of bins
            left out for one number. With them nothing is compiled; both functions
            must then take traced numbers where the model is used in `jax.jit`.

    Raises:
        SpecificationError: where the function does not return numbers of this shape.

    Example:
        A square root of the signal strength, as an interference has it:

        >>> import fitkit, jax.numpy as jnp
        >>> root = fitkit.CustomModifier("interference", ["mu"], jnp.sqrt)
        >>> square = fitkit.Sample("square", [10.0], [fitkit.NormFactor("mu")])
        >>> cross = fitkit.Sample("cross", [-4.0], [root])
        >>> background = fitkit.Sample("background", [50.0])
        >>> model = fitkit.Model([fitkit.Channel("SR", [square, cross, background])])
        >>> float(model.expected_data({"mu": 4.0}).main["SR"][0])
        82.0
    """

    name: str
    function: PythonFunction
    arguments: tuple[str, ...]

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        function: Callable[..., Any],
        derivatives: Callable[..., Any] | None = None,
    ):
        kind = f"CustomModifier {name!r}"
        names = tuple(arguments)
        if isinstance(arguments, str) or not all(isinstance(n, str) for n in names):
            raise TypeError(
                f"{kind}: `arguments` must be a list of names; got {arguments!r:.60}."
            )
        if not names or len(set(names)) < len(names):
            raise SpecificationError(
                f"{kind}: `arguments` must be at least one name, each once; got "
                f"{names}."
            )
        if not callable(function):
            raise TypeError(f"{kind}: `function` must be callable; got {function!r}.")
        shape = _shape(kind, function, len(names))
        made = PythonFunction(function, derivatives, *(shape or (1,)))
        vars(self).update(name=name, function=made, arguments=names)

    def declare(self, tables: Tables, place: Place) -> None:
        check_outputs(self.function.outputs, place)
        tables.function(place, self.function, self.arguments)


def _shape(kind: str, function: Callable[..., Any], count: int) -> tuple[int, ...]:
    """The shape of what a function returns, at most one axis."""
    one = jax.ShapeDtypeStruct((), float)
    try:
        returned = jax.eval_shape(function, *[one] * count)
    except Exception as error:  # whatever the user's own function raises
        raise SpecificationError(
            f"{kind}: `function` does not take {count} numbers of `jax.numpy`: "
            f"{type(error).__name__}: {error}"
        ) from error
    shape: Any = getattr(returned, "shape", None)
    if shape is None or len(shape) > 1:
        raise SpecificationError(
            f"{kind}: `function` must return one number or an array `[bins]`; it "
            f"returns {returned!r:.60}."
        )
    return shape


def check_outputs(outputs: int, place: Place) -> None:
    """Check that a function has one output, or one for each bin.

    Raises:
        SpecificationError: where it has neither.
    """
    if outputs not in (1, place.size):
        raise SpecificationError(
            f"gives {outputs} numbers, but the channel has {place.size} bins. It must "
            "give one for all bins, or one for each."
        )


@final
@record
class FunctionFactor(AbstractModifier):
    """A factor that any function with exact derivatives gives; for readers of files.

    Attributes:
        name: of the modifier; it is no parameter.
        function: the function.
        arguments: the parameters that it takes, each a single number.
    """

    name: str
    function: AbstractFunction
    arguments: tuple[str, ...]

    def declare(self, tables: Tables, place: Place) -> None:
        check_outputs(self.function.outputs, place)
        tables.function(place, self.function, self.arguments)
