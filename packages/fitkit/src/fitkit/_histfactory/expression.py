"""A small language for functions of parameters: text in, value and derivatives out.

Text is parsed by Python's own parser and translated, node by node, into the few nodes
of this module; nothing is ever evaluated as Python. What the language has is in
`FUNCTIONS` and the four operators with `**`; whatever else is in the text is refused,
with the nearest name that there is.

Values carry their first and second derivatives along (forward mode), so that they are
exact and need no compilation.
"""

import ast
import difflib
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple, TypeAlias, final

from jaxtyping import Array, Float

from .._numerics.namespace import xp
from .problem import SpecificationError

# An expression is written by hand; a longer one is not read, for parsing is recursive.
LONGEST = 4000
_DEEPEST = 80


class Jet(NamedTuple):
    """A value with its derivatives with respect to some arguments.

    Attributes:
        value: `[outputs]`.
        slope: `[arguments, outputs]`.
        bend: second derivatives, `[arguments, arguments, outputs]`; None where they are
            not asked for.
    """

    value: Float[Array, " outputs"]
    slope: Float[Array, "arguments outputs"]
    bend: Float[Array, "arguments arguments outputs"] | None

    def through(self, value: Array, first: Array, second: Array) -> "Jet":
        """A function of this value alone, of given derivatives."""
        slope, bend = first * self.slope, None
        if self.bend is not None:
            square = self.slope[:, None] * self.slope[None]
            bend = first * self.bend + second * square
        return Jet(value, slope, bend)

    def plus(self, other: "Jet", sign: float = 1.0) -> "Jet":
        """The sum, or for a sign of -1 the difference."""
        bend = None
        if self.bend is not None and other.bend is not None:
            bend = self.bend + sign * other.bend
        return Jet(
            self.value + sign * other.value, self.slope + sign * other.slope, bend
        )

    def times(self, other: "Jet") -> "Jet":
        """The product."""
        bend = None
        if self.bend is not None and other.bend is not None:
            cross = self.slope[:, None] * other.slope[None]
            bend = (
                self.bend * other.value
                + other.bend * self.value
                + cross
                + xp.swapaxes(cross, 0, 1)
            )
        slope = self.slope * other.value + other.slope * self.value
        return Jet(self.value * other.value, slope, bend)


Node: TypeAlias = "Number | Name | Call"


@final
class Number(NamedTuple):
    """A number of the text."""

    value: float


@final
class Name(NamedTuple):
    """A name of the text: a parameter, or a constant that comes with it."""

    name: str


@final
class Call(NamedTuple):
    """An operator or a function with its arguments."""

    function: str
    arguments: tuple[Node, ...]


def _sqrt(x: Array) -> tuple[Array, Array, Array]:
    root = xp.sqrt(x)
    return root, 0.5 / root, -0.25 / (root * x)


def _abs(x: Array) -> tuple[Array, Array, Array]:
    return xp.abs(x), xp.sign(x), xp.zeros_like(x)


def _exp(x: Array) -> tuple[Array, Array, Array]:
    return (xp.exp(x),) * 3


def _tanh(x: Array) -> tuple[Array, Array, Array]:
    value = xp.tanh(x)
    first = 1 - value**2
    return value, first, -2 * value * first


def _tan(x: Array) -> tuple[Array, Array, Array]:
    value = xp.tan(x)
    first = 1 + value**2
    return value, first, 2 * value * first


_LOG_10 = math.log(10.0)

# By name: the value and two derivatives, in terms of the argument.
_OF_ONE: dict[str, Callable[[Array], tuple[Array, Array, Array]]] = {
    "sqrt": _sqrt,
    "exp": _exp,
    "log": lambda x: (xp.log(x), 1 / x, -1 / x**2),
    "log10": lambda x: (xp.log10(x), 1 / (x * _LOG_10), -1 / (x**2 * _LOG_10)),
    "abs": _abs,
    "sin": lambda x: (xp.sin(x), xp.cos(x), -xp.sin(x)),
    "cos": lambda x: (xp.cos(x), -xp.sin(x), -xp.cos(x)),
    "tan": _tan,
    "sinh": lambda x: (xp.sinh(x), xp.cosh(x), xp.sinh(x)),
    "cosh": lambda x: (xp.cosh(x), xp.sinh(x), xp.cosh(x)),
    "tanh": _tanh,
}
_OF_TWO = ("pow", "min", "max")
FUNCTIONS = (*_OF_ONE, *_OF_TWO)
"""The functions that an expression may use."""

_OPERATORS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "pow",
}
_SPELLED = {
    ast.BitXor: "`^` is not a power here; write `**`",
    ast.Mod: "there is no remainder `%`",
    ast.FloorDiv: "there is no whole division `//`; write `/`",
    ast.MatMult: "there is no matrix product `@`; write `*`",
}


@final
class Expression(NamedTuple):
    """A parsed expression; a constant of compiled programs, for it has a hash.

    Attributes:
        text: as it was written.
        root: the last operation.
        names: those that occur, in the order of their first occurrence.
    """

    text: str
    root: Node
    names: tuple[str, ...]

    def jet(self, values: dict[str, Jet], constant: Callable[[Any], Jet]) -> Jet:
        """Evaluate it.

        Args:
            values: of each name.
            constant: a number as a value without derivatives.
        """

        def of(node: Node) -> Jet:
            match node:
                case Number(value):
                    return constant(value)
                case Name(name):
                    return values[name]
                case Call("pow", (base, Number(power))):
                    return _powered(of(base), power)
                case Call(function, arguments):
                    return _call(function, [of(each) for each in arguments])
            raise TypeError(f"{node!r} is no node of an expression.")

        return of(self.root)


def _powered(base: Jet, power: float) -> Jet:
    """A power of a constant exponent, also of 0 and of negative numbers."""
    x = base.value

    def scaled(factor: float, exponent: float) -> Array:
        # 0 times an infinite power would be NaN.
        return factor * x**exponent if factor else xp.zeros_like(x)

    return base.through(
        x**power, scaled(power, power - 1), scaled(power * (power - 1), power - 2)
    )


def _call(function: str, of: Sequence[Jet]) -> Jet:
    if function in _OF_ONE:
        return of[0].through(*_OF_ONE[function](of[0].value))
    if function == "negative":
        return of[0].through(-of[0].value, -1.0, 0.0)
    first, second = of
    if function in ("+", "-"):
        return first.plus(second, 1.0 if function == "+" else -1.0)
    if function == "*":
        return first.times(second)
    if function == "/":
        x = second.value
        return first.times(second.through(1 / x, -1 / x**2, 2 / x**3))
    if function == "pow":
        exponent = second.times(first.through(*_OF_ONE["log"](first.value)))
        return exponent.through(*_exp(exponent.value))
    chosen = first.value < second.value
    if function == "max":
        chosen = ~chosen
    bend = None
    if first.bend is not None and second.bend is not None:
        bend = xp.where(chosen, first.bend, second.bend)
    return Jet(
        xp.where(chosen, first.value, second.value),
        xp.where(chosen, first.slope, second.slope),
        bend,
    )


def parse_expression(text: str, *, what: str = "expression") -> Expression:
    """Read an expression of parameters.

    It may have numbers, names, `+ - * / **`, parentheses and the functions of
    `FUNCTIONS`. Names are words of letters, digits and `_`, as Python's.

    Args:
        text: such as `"1 + a*c + b*c**2"`.
        what: has it, for messages.

    Returns:
        The expression, its names in the order of their first occurrence.

    Raises:
        SpecificationError: for anything else in the text, with its column and the
            nearest thing that there is.

    Example:
        >>> parse_expression("sqrt(mu) * (1 - a)").names
        ('mu', 'a')
    """
    if not isinstance(text, str):
        raise SpecificationError(f"{what} must be a text; got {text!r:.60}.")
    if len(text) > LONGEST:
        raise SpecificationError(
            f"{what} has {len(text)} characters; at most {LONGEST} are read. Write it "
            "as a function in Python and use a `CustomModifier`."
        )
    try:
        tree = ast.parse(text.strip(), mode="eval")
        names: dict[str, None] = {}
        root = _translated(tree.body, names, 0)
    except _RefusedError as error:
        raise SpecificationError(f"{what} {text!r:.80}: {error}") from None
    except SyntaxError as error:
        where = "" if error.offset is None else f" at character {error.offset}"
        raise SpecificationError(
            f"{what} {text!r:.80} is no formula{where}: {error.msg}. An example: "
            '"1 + a*c + b*c**2".'
        ) from None
    # The parser gives up on some texts in ways of its own: too deep, a NUL.
    except (ValueError, RecursionError, MemoryError) as error:
        raise SpecificationError(
            f"{what} {text!r:.80} is no formula: {error}"
        ) from None
    return Expression(text, root, tuple(names))


class _RefusedError(Exception):
    """Something that the language does not have."""


def _translated(node: ast.AST, names: dict[str, None], depth: int) -> Node:
    if depth > _DEEPEST:
        raise _RefusedError(f"it is nested more than {_DEEPEST} deep.")
    depth += 1
    match node:
        case ast.Constant(value=value):
            return Number(_number(value))
        case ast.Name(id=name):
            if name in FUNCTIONS:
                raise _RefusedError(f"{name!r} is a function: write {name}(...).")
            names.setdefault(name)
            return Name(name)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _translated(operand, names, depth)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _translated(operand, names, depth)
            if isinstance(inner, Number):
                return Number(-inner.value)
            return Call("negative", (inner,))
        case ast.BinOp(left=left, op=operator, right=right):
            function = _OPERATORS.get(type(operator))
            if function is None:
                said = _SPELLED.get(type(operator), "there is no such operator")
                raise _RefusedError(f"{said}. The operators are + - * / **.")
            sides = (_translated(side, names, depth) for side in (left, right))
            return Call(function, tuple(sides))
        case ast.Call(func=ast.Name(id=function), args=arguments, keywords=[]):
            count = 2 if function in _OF_TWO else 1
            if function not in FUNCTIONS:
                raise _RefusedError(
                    f"there is no function {function!r}. {nearest(function, FUNCTIONS)}"
                )
            if len(arguments) != count or isinstance(arguments[0], ast.Starred):
                raise _RefusedError(f"{function} takes {count} argument(s).")
            return Call(
                function, tuple(_translated(each, names, depth) for each in arguments)
            )
    raise _RefusedError(
        f"{ast.unparse(node)!r:.40} is not part of the language. It has numbers, "
        f"names, + - * / **, and {', '.join(FUNCTIONS)}."
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _RefusedError(f"{value!r:.40} is no real number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _RefusedError("a number is too large.")
    return number


def nearest(name: str, names: Collection[str]) -> str:
    """The nearest of some names as a question, or all of them."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
