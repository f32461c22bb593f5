"""The columns of a table in HEPData's form: values, errors and qualifiers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import ArrayLike

# Enough for any comparison; HEPData shows every digit that it is given.
_DIGITS = 6

Errors: TypeAlias = Mapping[str, Sequence[Any] | np.ndarray]
"""By label, one number for each value, or a pair (down, up)."""


def independent(name: str, values: ArrayLike | Sequence[str], units: str = "") -> dict:
    """An independent variable, of numbers or names."""
    header = {"name": name} | ({"units": units} if units else {})
    plain = np.asarray(values).tolist()
    return {
        "header": header,
        "values": [{"value": v if isinstance(v, str) else rounded(v)} for v in plain],
    }


def dependent(
    name: str,
    values: ArrayLike,
    errors: Errors | None = None,
    *,
    qualifiers: Sequence[tuple[str, str | float, str]] = (),
) -> dict[str, Any]:
    """A dependent variable; each qualifier has a name, a value and units."""
    rows = []
    for i, value in enumerate(np.asarray(values).tolist()):
        row: dict[str, Any] = {"value": rounded(value)}
        each = [_error(label, sizes[i]) for label, sizes in (errors or {}).items()]
        if known := [error for error in each if error]:
            row["errors"] = known
        rows.append(row)
    column: dict[str, Any] = {"header": {"name": name}}
    if qualifiers:
        column["qualifiers"] = [
            {
                "name": what,
                "value": value if isinstance(value, str) else rounded(value),
            }
            | ({"units": units} if units else {})
            for what, value, units in qualifiers
        ]
    return column | {"values": rows}


def _error(label: str, size: Any) -> dict[str, Any] | None:
    """One error of one value; none where it is not a number."""
    if not np.all(np.isfinite(size)):
        return None
    if np.ndim(size) == 0:
        return {"symerror": rounded(size), "label": label}
    down, up = size
    return {
        "asymerror": {"minus": rounded(down), "plus": rounded(up)},
        "label": label,
    }


def rounded(value: Any) -> float | int | str:
    """Six significant digits; `-`, HEPData's word, for what is not a number."""
    # Bin numbers and the like stay whole.
    if isinstance(value, int):
        return value
    value = float(value)
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else "-"
