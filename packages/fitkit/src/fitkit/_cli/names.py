"""Names and values that were typed: parsed, matched, and corrected where misspelt."""

import difflib
import fnmatch
import math
import re
from collections.abc import Iterable, Sequence

_LISTED = 8
_ENTRY = re.compile(r"(?P<name>.+)\[(?P<index>\d+)\]")


class Mistake(ValueError):
    """An option's value that cannot be used."""


def known(option: str, name: str, names: Iterable[str], what: str) -> str:
    """The name, where it is among `names`.

    Args:
        option: which was given, for the message.
        name: what was typed.
        names: what there is.
        what: what they are, in the plural.

    Raises:
        Mistake: with the closest of them.
    """
    names = list(names)
    if name in names:
        return name
    raise Mistake(
        f"{option}: {name!r} is not among the {what}. {suggestion(name, names)}"
    )


def suggestion(name: str, names: Sequence[str]) -> str:
    """What may have been meant, or what there is."""
    if close := difflib.get_close_matches(name, names, n=3):
        return f"Did you mean {' or '.join(close)}?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"There are: {', '.join(names[:_LISTED]) or 'none'}{more}."


def matching(option: str, pattern: str, names: Sequence[str], what: str) -> list[str]:
    """All names that match a pattern such as `gamma_*`, at least one.

    Raises:
        Mistake: where none does.
    """
    if not any(sign in pattern for sign in "*?"):
        return [known(option, pattern, names, what)]
    if found := [name for name in names if fnmatch.fnmatchcase(name, pattern)]:
        return found
    raise Mistake(
        f"{option}: {pattern!r} matches none of the {what}. There are: "
        + ", ".join(names[:_LISTED])
        + (", …" if len(names) > _LISTED else ".")
    )


def entry(name: str) -> tuple[str, int | None]:
    """A parameter and which of its entries: `gamma[3]` is `("gamma", 3)`."""
    match = _ENTRY.fullmatch(name)
    return (match["name"], int(match["index"])) if match else (name, None)


def split(option: str, text: str, way: str) -> tuple[str, str]:
    """Both sides of `NAME=VALUE`.

    Raises:
        Mistake: where there is no `=`.
    """
    name, sign, value = text.rpartition("=")
    if not sign or not name or not value:
        raise Mistake(f"{option} {text!r}: write {option} {way}.")
    return name, value


def number(option: str, text: str, way: str) -> float:
    """The number that was typed.

    Raises:
        Mistake: where it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise Mistake(f"{option}: {text!r} is no number. Write {option} {way}.")
    return value


def interval(option: str, text: str, way: str) -> tuple[float, float]:
    """Both ends of `LOW:HIGH`.

    Raises:
        Mistake: where they are no two numbers in order.
    """
    ends = [number(option, end, way) for end in text.split(":")]
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise Mistake(f"{option}: {text!r} is no interval. Write {option} {way}.")
    return ends[0], ends[1]
