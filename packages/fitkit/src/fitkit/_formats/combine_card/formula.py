"""Formulas of a card: ROOT's spelling, other formulas and constants put in."""

import re
from collections.abc import Mapping

from ..._histfactory.expression import (
    Call,
    Expression,
    Name,
    Node,
    Number,
    nearest,
    parse_expression,
)
from ..._histfactory.problem import SpecificationError
from .card import Constraint, Extra, RateParameter, fault

_ARGUMENT = re.compile(r"@(\d+)")
_OF_ROOT = re.compile(r"TMath::(\w+)")
_RENAMED = {"Power": "pow"}
# Formulas inside of formulas: a card has two or three levels.
_DEEPEST = 50
# Formulas of formulas multiply; none that somebody wrote is near this.
_MOST_NODES = 10_000


def resolved_formulas(
    rates: list[RateParameter],
    extras: Mapping[str, Extra],
    parameters: set[str],
    asymmetric: Mapping[str, Constraint],
) -> dict[str, Expression]:
    """Each formula of a card in terms of parameters alone.

    Args:
        rates: of which some are formulas.
        extras: numbers that formulas use.
        parameters: the names of all parameters that are no formulas.
        asymmetric: parameters with two errors, which stand for mean and error times a
            parameter that is normal.

    Raises:
        WorkspaceError: naming the line of a formula that cannot be used.
    """
    formulas = {rate.name: rate for rate in rates if rate.arguments is not None}
    known = {*formulas, *parameters, *extras}
    done: dict[str, Node] = {
        name: Number(extra.value) for name, extra in extras.items() if not extra.bounds
    }
    done |= {name: _of_errors(name, each) for name, each in asymmetric.items()}
    sizes: dict[str, int] = {}

    def node_of(name: str, by: RateParameter, depth: int) -> Node:
        if name in done:
            return done[name]
        if name not in formulas:
            if name not in known:
                raise fault(
                    by.line,
                    f"the formula of {by.name!r} has {name!r}, which is no parameter "
                    f"of the card. {nearest(name, known)}",
                )
            return Name(name)
        rate = formulas[name]
        if depth > _DEEPEST:
            raise fault(rate.line, f"the formula of {name!r} is one of itself.")
        text, arguments = str(rate.value), rate.arguments or ()
        parsed = _parsed(rate, text)
        of = {
            used: node_of(_argument(rate, used, arguments), rate, depth + 1)
            for used in parsed.names
        }
        inner = {u: sizes.get(_argument(rate, u, arguments), 10) for u in parsed.names}
        sizes[name] = _size(parsed.root, inner)
        if sizes[name] > _MOST_NODES:
            raise fault(
                rate.line,
                f"the formula of {name!r} has more than {_MOST_NODES} operations, "
                "those of its arguments included.",
            )
        done[name] = _substituted(parsed.root, of)
        return done[name]

    return {
        name: Expression(str(rate.value), node, tuple(dict.fromkeys(_names(node))))
        for name, rate in formulas.items()
        for node in [node_of(name, rate, 0)]
    }


def of_errors(name: str, constraint: Constraint) -> Expression:
    """A parameter with two errors, by one that is normal."""
    return Expression(name, _of_errors(name, constraint), (name,))


def _of_errors(name: str, constraint: Constraint) -> Node:
    mean, down, up = constraint.mean, constraint.down, constraint.up
    half, skew = (up + down) / 2, (up - down) / 2
    linear = Call("*", (Number(half), Name(name)))
    bent = Call("*", (Number(skew), Call("abs", (Name(name),))))
    return Call("+", (Number(mean), Call("+", (linear, bent))))


def _parsed(rate: RateParameter, text: str) -> Expression:
    words = _ARGUMENT.sub(r"argument_\1_", text)
    words = _OF_ROOT.sub(lambda m: _RENAMED.get(m[1], m[1].lower()), words)
    words = words.replace("^", "**")
    try:
        return parse_expression(words, what=f"the formula of {rate.name!r}")
    except SpecificationError as error:
        raise fault(rate.line, str(error)) from None


def _argument(rate: RateParameter, used: str, arguments: tuple[str, ...]) -> str:
    """The parameter that a name in a formula means."""
    if (place := re.fullmatch(r"argument_(\d+)_", used)) is None:
        if used in arguments:
            return used
        raise fault(
            rate.line,
            f"the formula of {rate.name!r} has {used!r}, which is none of its "
            f"arguments {', '.join(arguments)}.",
        )
    index = int(place[1])
    if index >= len(arguments):
        raise fault(
            rate.line,
            f"the formula of {rate.name!r} has @{index}, but {len(arguments)} "
            "argument(s), which count from @0.",
        )
    return arguments[index]


def _substituted(node: Node, of: Mapping[str, Node]) -> Node:
    match node:
        case Name(name):
            return of[name]
        case Call(function, arguments):
            return Call(function, tuple(_substituted(a, of) for a in arguments))
    return node


def _size(node: Node, of: Mapping[str, int]) -> int:
    """How many nodes there are with those of names put in."""
    match node:
        case Name(name):
            return of[name]
        case Call(_, arguments):
            return 1 + sum(_size(each, of) for each in arguments)
    return 1


def _names(node: Node) -> list[str]:
    match node:
        case Name(name):
            return [name]
        case Call(_, arguments):
            return [name for each in arguments for name in _names(each)]
    return []
