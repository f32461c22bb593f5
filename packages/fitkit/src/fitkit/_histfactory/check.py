"""What numbers a model may have: one rule for each table, whoever writes them.

Concrete numbers are checked as whole tables, which takes microseconds where a look at
each of thousands of modifiers would take longer than reading the document. Traced
numbers cannot raise: they become NaN, which every fit, scan and test reports, and under
`jax.vmap` only for the one model that has them. (A check at run time by
`equinox.error_if` would stop the whole batch, and jax stores no compiled program that
has one: each process would compile anew.)
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from jaxtyping import Array

from .._numerics.namespace import traced, xp


class Rule(NamedTuple):
    """What each number of a table must be.

    Attributes:
        holds: whether a number is allowed.
        reason: in words, with the way out.
    """

    holds: Callable[[Any], Any]
    reason: str


def _positive(values: Any) -> Any:
    return (values > 0) & (values < xp.inf)


def _not_negative(values: Any) -> Any:
    return (values >= 0) & (values < xp.inf)


_YIELD = Rule(xp.isfinite, "must be finite. Correct it, or leave the bin out.")
_NUMBER = Rule(xp.isfinite, "must be finite. Correct or remove it.")
_FACTOR = Rule(
    _positive,
    "must be greater than 0 and finite: the sample's yields are multiplied by it. "
    "Correct it, or remove the modifier.",
)
_ERROR = Rule(
    _not_negative,
    "must not be negative, and finite. Write the absolute error; 0 is none.",
)
_WIDTH = Rule(
    _positive,
    "must be greater than 0 and finite: it is the width of a constraint. Correct it, "
    "or fix the parameter.",
)

RULES: Mapping[str, Rule] = {
    "nominal": _YIELD,
    "histosys_lo": _YIELD,
    "histosys_hi": _YIELD,
    "normsys_lo": _FACTOR,
    "normsys_hi": _FACTOR,
    "uncertainty": _ERROR,
    "init": _NUMBER,
    "aux": _NUMBER,
    "sigma": _WIDTH,
}
"""By the names of the fields of `Arrays`."""


class Broken(NamedTuple):
    """The first number that breaks a rule.

    Attributes:
        table: the name of its table.
        index: its place there.
        value: the number.
        reason: the rule.
    """

    table: str
    index: tuple[int, ...]
    value: float
    reason: str

    @property
    def message(self) -> str:
        """What came, the rule and the way out."""
        return f"got {self.value:g}, but it {self.reason}"


def first_broken(tables: Mapping[str, Any]) -> Broken | None:
    """The first number that breaks its table's rule; None where none does.

    Traced tables are passed over.
    """
    for name, table in tables.items():
        if traced(table):
            continue
        holds = RULES[name].holds(table)
        if not holds.all():
            index = tuple(int(i) for i in (~holds).nonzero()[0:] and _first(~holds))
            return Broken(name, index, float(table[index]), RULES[name].reason)
    return None


def guarded(tables: Mapping[str, Array]) -> dict[str, Array]:
    """The tables, with NaN for traced numbers that break their rule."""
    return {
        name: xp.where(RULES[name].holds(table), table, xp.nan)
        if traced(table)
        else table
        for name, table in tables.items()
    }
