"""What may have been meant by a name that is not there."""

import difflib
from collections.abc import Iterable

_COMPARED = 2000
_SHOWN = 20


def near(name: str, candidates: Iterable[str]) -> str:
    """A sentence with the candidates near the name, or else with the first of them."""
    known = list(candidates)
    # Case aside: `Pt_1` for `pt_1` is the commonest slip.
    lower = {candidate.lower(): candidate for candidate in _alike(name, known)}
    matches = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    if matches:
        return " Did you mean " + " or ".join(repr(lower[m]) for m in matches) + "?"
    shown = ", ".join(known[:_SHOWN]) or "none"
    rest = f", … ({len(known)} in all)." if len(known) > _SHOWN else "."
    return f" There are: {shown}{rest}"


def _alike(name: str, known: list[str]) -> list[str]:
    # Each comparison takes some 10 µs: a file of a million columns would take seconds
    # to say what is wrong. Its names share their first letter with what was meant.
    if len(known) <= _COMPARED:
        return known
    first = name[:1].lower()
    return [other for other in known if other[:1].lower() == first][:_COMPARED]
