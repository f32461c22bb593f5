"""What numbers a model may have: one rule for each table, whoever writes them.

Concrete numbers are checked as whole tables, which takes microseconds where a look at
each of thousands of modifiers would take longer than reading the document. Traced
numbers cannot raise: they become NaN, and the likelihood no finite number, which every
fit and test reports, under `jax.vmap` for the one model that has them. (A check at run
time by `equinox.error_if` would stop the whole batch, and jax stores no compiled
program that has one: every process would compile anew.)
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from .._numerics.namespace import traced, xp
from .arrays import Arrays, Layout
from .modifiers import ParameterKind


class Rule(NamedTuple):
    """What each number of a table must be.

    Attributes:
        allows: whether a number is allowed.
        reason: in words, with the way out.
    """

    allows: Callable[[Any], Any]
    reason: str


def _positive(values: Any) -> Any:
    return (values > 0) & (values < np.inf)


def _not_negative(values: Any) -> Any:
    return (values >= 0) & (values < np.inf)


# Negative yields are allowed: interference, and simulated events of negative weight.
_FINITE = Rule(xp.isfinite, "must be finite. Correct or remove it.")
_FACTOR = Rule(
    _positive,
    "must be greater than 0 and finite, for yields are multiplied by it. Correct it, "
    "or remove the modifier.",
)
# 0 is allowed: a bin without simulated events, or one that needs no factor.
_ERROR = Rule(
    _not_negative,
    "must not be negative, and finite. Give the absolute error; 0 means none.",
)
_WIDTH = Rule(
    _positive,
    "must be greater than 0 and finite, for it is the width of a constraint. Correct "
    "it; where nothing may vary, fix the parameter.",
)

RULES: Mapping[str, Rule] = {
    "nominal": _FINITE,
    "histosys_lo": _FINITE,
    "histosys_hi": _FINITE,
    "normsys_lo": _FACTOR,
    "normsys_hi": _FACTOR,
    "uncertainty": _ERROR,
    "init": _FINITE,
    "aux": _FINITE,
    "sigma": _WIDTH,
}
"""By the names that the tables have in `Arrays`."""


@dataclasses.dataclass(frozen=True)
class Broken:
    """The first number that breaks a rule.

    Attributes:
        table: the name of its table.
        index: its place there.
        reason: what came, the rule, and the way out.
    """

    table: str
    index: tuple[int, ...]
    reason: str


def first_broken(tables: Mapping[str, Any]) -> Broken | None:
    """The first number that breaks its rule, None where none does or they are traced.

    Args:
        tables: some of those of `RULES`.
    """
    for name, table in tables.items():
        if traced(table):
            continue
        allowed = RULES[name].allows(table)
        if not allowed.all():
            index = np.unravel_index(np.argmin(allowed), allowed.shape)
            reason = f"got {table[index]:g}, but it {RULES[name].reason}"
            return Broken(name, tuple(map(int, index)), reason)
    return None


def guarded(tables: Mapping[str, Any]) -> dict[str, Any]:
    """The tables, with NaN in the place of traced numbers that would pass for others.

    An error of -5 would, for only its square is used. And where an error is NaN, the
    yield becomes it too: no error at all is allowed, and would be taken for it.
    """
    safe = dict(tables)
    for name, table in tables.items():
        rule = RULES[name]
        # What is not finite already makes no finite likelihood.
        if rule is _FINITE or not traced(table):
            continue
        allowed = rule.allows(table)
        safe[name] = xp.where(allowed, table, np.nan)
        if rule is _ERROR:
            good = xp.all(allowed, axis=0)  # [rows, bins]
            safe["nominal"] = xp.where(good, tables["nominal"], np.nan)
    return safe


def errors_left_out(layout: Layout, arrays: Arrays) -> str:
    """Which statistical errors count for nothing, since the yields are negative.

    A constraint on a factor of a bin needs a relative error, and there is none where
    the yields that the factor multiplies sum to less than zero: `constraint_terms`
    fixes it at 1, as pyhf does. (Where they sum to zero, nothing is lost.)

    Returns:
        A sentence for a warning, naming channels, parameters and bins; empty where
        nothing is left out, or where any number is traced.
    """
    nominal, error = arrays.nominal, arrays.uncertainty
    if traced(nominal, error, arrays.profiled) or not (nominal < 0).any():
        return ""
    size = arrays.kind.size
    kinds = np.append(arrays.kind, int(ParameterKind.FREE))
    # The three kinds whose width is an error of yields come last.
    measured = kinds >= int(ParameterKind.MC_STAT)
    index = np.where(measured[arrays.factor_index], arrays.factor_index, size)
    yields = np.broadcast_to(nominal, index.shape).reshape(-1)
    mean = np.bincount(index.reshape(-1), yields, size + 1)[:size]
    errors = np.bincount(index.reshape(-1), error.reshape(-1), size + 1)[:size]
    lost = np.append((mean < 0) & (errors > 0), False)
    lost_bins = _lost_bins(arrays)
    if not lost.any() and not lost_bins.any():
        return ""
    places, start = [], 0
    for channel, bins, _ in layout.channels:
        entries = index[..., start : start + bins]
        for name, of_factors, _ in layout.profiled:
            here = np.intersect1d(of_factors, np.arange(start, start + bins))
            if (where := here[lost_bins[here]] - start).size:
                listed = ", ".join(map(str, where))
                places.append(f"channel {channel!r}, factor {name!r}, bin {listed}")
        start += bins
        for name, place in layout.shapes.places.items():
            inside = (entries >= place.start) & (entries < place.stop) & lost[entries]
            if (where := np.flatnonzero(inside.any(axis=(0, 1)))).size:
                listed = ", ".join(map(str, where))
                places.append(f"channel {channel!r}, parameter {name!r}, bin {listed}")
    return (
        "the statistical error of negative yields is left out: the factor stays at 1, "
        f"for a relative error needs a positive sum ({'; '.join(places)}). Merge bins, "
        "or put the error into a HistoSys."
    )


def _lost_bins(arrays: Arrays) -> np.ndarray:
    """The bins in which a profiled factor has no relative error, though an error."""
    factors = arrays.profiled
    if factors is None:
        return np.zeros(arrays.counted.shape, dtype=bool)
    here = factors.covered & (factors.kind != int(ParameterKind.FREE))
    mean = np.where(here, arrays.nominal, 0.0).sum(axis=0)
    return (mean < 0) & np.where(here, factors.uncertainty > 0, False).any(axis=0)
