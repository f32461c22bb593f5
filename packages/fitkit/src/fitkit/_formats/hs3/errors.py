"""The errors of a shapesys in events, whichever way a document writes them.

The draft's examples and pyhs3 give them in events; ROOT gives them relative to the
yields, and before 6.32 the count of a Poisson constraint in their place.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .document import Bounds, Chosen
from .schema import ShapeSysPart

Meaning = Literal["absolute", "relative"]
# ROOT gives a factor of a bin this many of its relative errors as its range.
_RANGE = 5.0


def absolute_errors(
    part: ShapeSysPart,
    word: str,
    contents: Sequence[float],
    entries: tuple[str, ...],
    about: Chosen,
    by_root: bool,
    wanted: Meaning | None,
) -> np.ndarray:
    """The errors of a shapesys in events.

    Args:
        part: the modifier.
        word: the kind of its constraint.
        contents: the sample's yields.
        entries: its parameters.
        about: with their ranges.
        by_root: whether ROOT wrote the document.
        wanted: what the reader says; None to find out.
    """
    values, yields = np.array(part.data.vals), np.array(contents, dtype=float)
    if wanted is None and by_root and not part.parameters:
        # ROOT before 6.32: the count of a Poisson constraint, the relative width of
        # a normal one.
        if word == "Poisson":
            counts = np.where(values > 0, values, np.inf)
            return np.abs(yields) / np.sqrt(counts)
        return values * np.abs(yields)
    if wanted is None:
        wanted = _meaning(values, yields, entries, about, by_root)
    return values if wanted == "absolute" else values * np.abs(yields)


def _meaning(
    values: np.ndarray,
    yields: np.ndarray,
    entries: tuple[str, ...],
    about: Chosen,
    by_root: bool,
) -> Meaning:
    """Whether errors are absolute or relative, by the ranges that ROOT gives."""
    nothing = Bounds(None, None)
    said = [about.bounds.get(entry, nothing).upper for entry in entries]
    upper = np.array([np.nan if each is None else each for each in said])
    known = ~np.isnan(upper) & (values > 0) & (yields > 0)
    if known.any():
        limits, value, of_yield = upper[known], values[known], yields[known]
        fits = {
            "absolute": np.allclose(limits, 1 + _RANGE * value / of_yield, rtol=1e-6),
            "relative": np.allclose(limits, 1 + _RANGE * value, rtol=1e-6),
        }
        if fits["absolute"] != fits["relative"]:
            return "absolute" if fits["absolute"] else "relative"
    return "relative" if by_root else "absolute"
