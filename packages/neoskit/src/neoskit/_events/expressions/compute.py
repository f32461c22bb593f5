"""An expression that is read → its value for each event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .words import BRACKETS, ZERO


@dataclass(frozen=True)
class Reduction:
    """A list per event turned to one number.

    Args:
        function: one of `REDUCTIONS`.
        of: what gives the lists.
        constants: the position for `at`, and what an event gets that has no such value.
    """

    function: str
    of: "Expression"
    constants: tuple[float, ...]


@dataclass(frozen=True)
class Expression:
    """An expression, read and found to be nothing but arithmetic.

    Args:
        text: as it was written.
        body: the same in numexpr's words.
        names: the column behind each name of `body`.
        reductions: the reduction behind each name of `body` that is no column.
    """

    text: str
    body: str
    names: dict[str, str] = field(default_factory=dict)
    reductions: dict[str, Reduction] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it needs."""
        inner = [name for r in self.reductions.values() for name in r.of.columns]
        return tuple(dict.fromkeys([*self.names.values(), *inner]))

    def __call__(self, columns: Mapping[str, Any], length: int) -> np.ndarray:
        """The value for each event.

        Args:
            columns: arrays of one value, or awkward arrays of a list, per event.
            length: the number of events, for an expression without any column.

        Raises:
            ValueError: it cannot be computed, or gives several values per event.
        """
        values = {local: columns[name] for local, name in self.names.items()}
        for local, name in self.names.items():
            if is_jagged(values[local]):
                raise ValueError(f"{name!r} has several values per event; {WAY_OUT}")
        if self.body not in values:  # a column alone stays as it is
            values = {
                local: _computable(v, self.names[local]) for local, v in values.items()
            }
        for local, reduction in self.reductions.items():
            values[local] = _reduce(reduction, columns)
        result = np.asarray(_evaluate(self, values))
        return np.broadcast_to(result, (length,)) if result.ndim == 0 else result


WAY_OUT = (
    "an expression makes one of them: `count(x)`, `sum(x)`, `any(x)`, `all(x)`, "
    "`max(x, default)`, `min(x, default)`, or `at(x, 0, default)` for the first."
)
"""How a list per event becomes one number."""


def is_jagged(values: Any) -> bool:
    """Whether there are several values, maybe none, per event."""
    return not isinstance(values, np.ndarray) or values.ndim != 1


def _computable(values: np.ndarray, name: str) -> np.ndarray:
    """A column in a type that numexpr computes with as one expects."""
    kind = values.dtype.kind
    if kind not in "biuf":
        raise ValueError(
            f"{name!r} has values of the type {values.dtype}; numbers are needed."
        )
    if kind == "b":
        return values
    # In float64, as ROOT's formulae: the invariant mass of float32 momenta, a small
    # difference of large numbers, has no digit left.
    too_large = kind == "u" and values.size and values.max() > 2**63 - 1
    return values.astype(np.float64 if kind == "f" or too_large else np.int64)


def _evaluate(expression: Expression, values: Mapping[str, np.ndarray]) -> Any:
    if expression.body in values:
        return values[expression.body]
    try:
        import numexpr
    except ImportError as error:
        raise ImportError(
            "Expressions over columns need numexpr: install `neoskit[root]`, "
            "`neoskit[parquet]` or `neoskit[csv]`."
        ) from error
    try:
        # Whether `/` of integers is a true division is taken from the caller's frame
        # where it is not given.
        return numexpr.evaluate(
            expression.body,
            local_dict={**values, ZERO: np.zeros(())},
            global_dict={},
            truediv=True,
        )
    except Exception as error:
        raise ValueError(_why_not(expression, error)) from error


def _why_not(expression: Expression, error: Exception) -> str:
    reason = str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    # numexpr's own message names operators by its inner codes.
    if isinstance(error, NotImplementedError):
        hint = (
            f" Numbers and conditions are mixed: {BRACKETS} A condition becomes a "
            "number by `where(condition, 1, 0)`."
        )
        return f"{expression.text!r} cannot be computed.{hint}"
    return f"{expression.text!r} cannot be computed: {reason}."


def _reduce(reduction: Reduction, columns: Mapping[str, Any]) -> np.ndarray:
    try:
        import awkward as ak
    except ImportError as error:
        raise ImportError(
            "Columns with several values per event need awkward-array: install "
            "`neoskit[root]` or `neoskit[parquet]`."
        ) from error
    lists, text = _lists(reduction.of, columns, ak), reduction.of.text
    if getattr(lists, "ndim", 1) != 2:
        what = "one value" if getattr(lists, "ndim", 1) < 2 else "lists of lists"
        raise ValueError(
            f"{text!r}: `{reduction.function}` is of a list per event; there is {what}."
        )
    match reduction.function, reduction.constants:
        case "count", _:
            return ak.to_numpy(ak.num(lists, axis=1))
        case ("sum" | "any" | "all") as name, _:
            return ak.to_numpy(getattr(ak, name)(lists, axis=1))
        case ("max" | "min") as name, default:
            found = getattr(ak, name)(lists, axis=1)
        case _, (place, *default):
            found = ak.pad_none(lists, int(place) + 1, axis=1)[:, int(place)]
    none = ak.to_numpy(ak.is_none(found))
    if none.any() and not default:
        raise ValueError(
            f"{text!r}: {int(none.sum())} of {len(none)} events have no such value; "
            "give the number that they get, as in `max(jet_pt, 0)` or "
            "`at(jet_pt, 0, -999)`."
        )
    return ak.to_numpy(ak.fill_none(found, default[0] if default else 0))


def _lists(expression: Expression, columns: Mapping[str, Any], ak: Any) -> Any:
    values = {local: columns[name] for local, name in expression.names.items()}
    if expression.reductions:
        raise ValueError(f"{expression.text!r}: one reduction inside another.")
    if expression.body in values:
        return values[expression.body]
    try:
        known = {**values, ZERO: np.zeros(1)}
        return ak.numexpr.evaluate(expression.body, known, {}, truediv=True)
    except Exception as error:
        raise ValueError(_why_not(expression, error)) from error
